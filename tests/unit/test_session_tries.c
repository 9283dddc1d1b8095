// SPDX-License-Identifier: Apache-2.0
/*
 * Which hello a service gets, when, and on which connection; how its answers are judged and told; odd ends.
 * Against the stand-ins of test_session.h: the test is the peer and the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include "test_session.h"

static void must(bool held, const char *what)
{
        if (!held)
                fail_msg("%s", what);
}

static int set_up(void **state)
{
        (void)state;
        world_clear();
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        world_end();
        return 0;
}

/* ---- the peer ---- */
static struct conn *last(void)
{
        return &w.stack.conn[w.stack.n - 1];
}

static void says(struct conn *c, const char *text)
{
        session_conn_ops.data(w.set, c, span_str(text));
        world_pass(NS_PER_MS);
}

static void fin(struct conn *c)
{
        session_conn_ops.finished(w.set, c);
        world_pass(NS_PER_MS);
}

static void rst(struct conn *c)
{
        conn_dies(c, CONN_RESET);
        world_pass(NS_PER_MS);
}

/* The connection that the session asked for is open. */
static struct conn *opens(void)
{
        world_pass(NS_PER_MS);
        struct conn *c = last();
        assert_true(c->live && !c->open);
        c->open = true;
        session_conn_ops.opened(w.set, c);
        return c;
}

static void assert_told(unsigned i, uint16_t app, const char *text)
{
        assert_true(i < w.n_told);
        assert_string_equal(w.told[i].text, text);
        assert_int_equal(w.told[i].app, app);
}

/* ---- which hello ---- */
static void its_port_s_hello_goes_at_once(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(80);
        assert_string_equal(c->said, "GET / \r\n");
        says(c, "HTTP/1.1 200 OK\r\n");
        assert_int_equal(w.n_told, 0);
        says(c, "END");
        assert_told(0, APP_HTTP, "HTTP/1.1 200 OK\r\nEND");
        assert_true(c->closed && !c->aborted);
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.n_heard, 1);
}

static void an_unknown_port_is_listened_to_first(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(31337);
        world_pass(1900 * NS_PER_MS);
        assert_string_equal(c->said, "");
        world_pass(200 * NS_PER_MS);
        assert_string_equal(c->said, "GET / \r\n");
        says(c, "HTTP/1.0 END");
        assert_told(0, APP_HTTP, "HTTP/1.0 END");
        assert_int_equal(w.stack.n, 1);
}

static void a_greeting_is_waited_for_where_it_is_usual(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(21);
        world_pass(5 * NS_PER_S);
        assert_string_equal(c->said, "");
        says(c, "220 slow\r\n");
        assert_string_equal(c->said, "HELP\r\n");
}

static void half_a_line_is_waited_for(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(9999);
        says(c, "22"); /* anybody yet */
        world_pass(4 * NS_PER_S);
        assert_int_equal(w.n_told, 0);
        says(c, "0 half\r\n");
        assert_string_equal(c->said, "HELP\r\n");
}

/* The beginning of an answer, by a way that loses. */
static struct conn *says_half(uint16_t port, const char *text)
{
        struct conn *c = world_accept(port);
        says(c, text);
        c->lossy = true;
        return c;
}

static void what_was_cut_on_its_way_is_asked_for_again(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = says_half(9999, "220 the first ha");
        world_pass(5 * NS_PER_S);
        assert_int_equal(w.stack.n, 1);
        world_pass(2 * NS_PER_S);
        assert_true(c->aborted);
        assert_int_equal(w.n_told, 0);
        c = opens();
        assert_string_equal(c->said, "");
        says(c, "220 the first half and the other\r\n200 fine\r\n999\r\n");
        assert_told(0, APP_FTP, "220 the first half and the other\n200 fine\n999\n");
        assert_int_equal(w.n_told, 1);
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.stack.n, 2);
}

static void it_is_asked_for_again_once(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = says_half(80, "HTTP/1.1 200 ha");
        rst(c);
        assert_int_equal(w.n_told, 0);
        c = opens();
        assert_string_equal(c->said, "GET / \r\n");
        says(c, "HTTP/1.1 2");
        c->lossy = true;
        rst(c);
        assert_told(0, APP_HTTP, "HTTP/1.1 200 ha"); /* the longer one */
        assert_int_equal(w.n_told, 1);
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.stack.n, 2);
}

static void its_beginning_is_told_when_it_does_not_come_again(void **state)
{
        (void)state;
        world_begin();
        (void)says_half(80, "HTTP/1.1 200 ha");
        world_pass(10 * NS_PER_S);
        (void)opens();
        world_pass(20 * NS_PER_S);
        assert_told(0, APP_HTTP, "HTTP/1.1 200 ha");
        assert_int_equal(w.n_told, 1);
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.stack.n, 2);
}

static void its_beginning_is_told_when_nobody_answers_again(void **state)
{
        (void)state;
        world_begin();
        (void)says_half(80, "HTTP/1.1 200 ha");
        world_pass(10 * NS_PER_S);
        assert_int_equal(w.stack.n, 2);
        conn_dies(last(), CONN_REFUSED);
        world_pass(2 * NS_PER_S);
        assert_int_equal(w.stack.n, 3);
        assert_int_equal(w.n_told, 0);
        conn_dies(last(), CONN_TIMEOUT);
        assert_told(0, APP_HTTP, "HTTP/1.1 200 ha");
        assert_int_equal(w.n_told, 1);
        assert_int_equal(w.n_done, 1);
}

static void of_words_nobody_knows_the_whole_is_told(void **state)
{
        (void)state;
        w.conf.hello_wait_ns = NS_PER_S;
        world_begin();
        struct conn *c = says_half(9999, "22");
        world_pass(10 * NS_PER_S);
        c = opens();
        says(c, "22 is the number\r\n");
        fin(c);
        assert_told(0, APP_UNKNOWN, "22 is the number\r\n");
        assert_int_equal(w.n_told, 1);
        assert_int_equal(w.n_done, 1);
}

static void half_a_line_without_more_is_not_asked_for_again(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(9999);
        says(c, "22");
        world_pass(10 * NS_PER_S);
        assert_told(0, APP_UNKNOWN, "22");
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.stack.n, 1);
}

static void one_who_should_have_spoken_is_woken(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(23);
        world_pass(2100 * NS_PER_MS);
        assert_string_equal(c->said, "AYT");
        says(c, "login: ");
        world_pass(1100 * NS_PER_MS);
        assert_told(0, APP_TELNET, "login: ");
        assert_int_equal(w.n_done, 0);
        world_pass(2 * NS_PER_S);
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.n_told, 1);
}

static void the_user_s_bytes_go_first_and_their_answer_is_told(void **state)
{
        static const struct session_hello hellos[] = {{99, {(const uint8_t *)"\x01\x02hi", 4}}};
        (void)state;
        w.conf.hellos = hellos;
        w.conf.n_hellos = 1;
        world_begin();
        struct conn *c = world_accept(99);
        assert_string_equal(c->said, "\x01\x02hi");
        says(c, "what?");
        world_pass(600 * NS_PER_MS);
        assert_told(0, APP_UNKNOWN, "what?");
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.stack.n, 1);
}

static void a_hello_by_name_is_said_on_every_port(void **state)
{
        (void)state;
        w.conf.hello = "redis";
        world_begin();
        struct conn *c = world_accept(80);
        assert_string_equal(c->said, "ECHO?");
        says(c, "ECHO!");
        assert_told(0, APP_REDIS, "echo");
        struct session_set *set = NULL;
        struct session_conf bad = {.hello = "greet"};
        struct session_ops ops = {on_banner, on_done, on_source, on_names};
        struct err e;
        assert_int_equal(session_set_new(&set, &bad, &ops, &w, NULL, 0, &e), -1);
        assert_non_null(strstr(e.text, "\"greet\""));
}

static void who_does_not_understand_is_asked_the_next(void **state)
{
        (void)state;
        w.conf.tls = false;
        world_begin();
        struct conn *c = world_accept(80);
        says(c, "ERR what is GET\r\n");
        world_pass(600 * NS_PER_MS);
        assert_true(c->aborted);
        c = opens();
        assert_int_equal(c->peer.us_port, 40001);
        assert_string_equal(c->said, "ECHO?");
        says(c, "ECHO!");
        assert_int_equal(w.n_told, 1);
        assert_told(0, APP_REDIS, "echo");
        assert_int_equal(w.n_done, 1);
}

static void an_answer_that_nobody_knows_is_told_in_the_end(void **state)
{
        (void)state;
        w.conf.tls = false;
        world_begin();
        struct conn *c = world_accept(80);
        says(c, "ERR what\r\n");
        fin(c);
        fin(opens());
        fin(opens());
        assert_int_equal(w.n_told, 1);
        assert_told(0, APP_UNKNOWN, "ERR what\r\n");
        assert_int_equal(w.n_done, 1);
}

static void max_tries_is_a_bound(void **state)
{
        (void)state;
        w.conf.max_tries = 1;
        world_begin();
        struct conn *c = world_accept(80);
        says(c, "ERR what\r\n");
        fin(c);
        assert_told(0, APP_UNKNOWN, "ERR what\r\n");
        assert_int_equal(w.stack.n, 1);
        assert_int_equal(w.n_done, 1);
}

static void a_greeter_on_another_s_port_is_met_again_in_silence(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(80);
        says(c, "220 here\r\n");
        assert_true(c->aborted);
        assert_int_equal(w.n_told, 0);
        c = opens();
        assert_string_equal(c->said, "");
        says(c, "220 here\r\n");
        assert_string_equal(c->said, "HELP\r\n");
        says(c, "500 no\r\n");
        assert_int_equal(w.n_told, 1);
        assert_told(0, APP_FTP, "220 here\n500 no\n");
}

static void what_a_greeter_said_counts_when_it_cannot_be_met_again(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(80);
        says(c, "220 here\r\n");
        world_pass(NS_PER_MS);
        conn_dies(last(), CONN_REFUSED);
        world_pass(NS_PER_S + 50 * NS_PER_MS);
        conn_dies(last(), CONN_REFUSED);
        assert_told(0, APP_FTP, "220 here\n");
        assert_int_equal(w.n_done, 1);
}

/* ---- how it is told ---- */
static void a_dialogue_is_one_banner(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(21);
        says(c, "220 here\r\n");
        says(c, "200 more\r\n");
        assert_int_equal(w.n_told, 0);
        says(c, "500 end\r\n");
        assert_int_equal(w.n_told, 1);
        assert_told(0, APP_FTP, "220 here\n200 more\n500 end\n");
        struct rd r = rd_of(span_of(w.told[0].fields, w.told[0].n_fields));
        struct field f;
        unsigned n = 0;
        while (fields_next(&r, &f))
                n++;
        assert_int_equal(n, 3);
}

static void a_banner_waits_a_second_for_its_rest(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(21);
        says(c, "220 here\r\n");
        world_pass(900 * NS_PER_MS);
        assert_int_equal(w.n_told, 0);
        world_pass(200 * NS_PER_MS);
        assert_told(0, APP_FTP, "220 here\n");
        says(c, "500 end\r\n");
        assert_told(1, APP_FTP, "500 end\n");
}

static void bytes_one_by_one_make_the_same_banner(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(21);
        for (const char *p = "220 here\r\n500 end\r\n"; *p; p++) {
                char one[2] = {*p, 0};
                says(c, one);
        }
        assert_int_equal(w.n_told, 1);
        assert_told(0, APP_FTP, "220 here\n500 end\n");
}

static void everything_at_once_makes_the_same_banner(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(21);
        session_conn_ops.data(w.set, c, span_str("220 here\r\n200 a\r\n200 b\r\n500 end\r\n"));
        assert_told(0, APP_FTP, "220 here\n200 a\n200 b\n500 end\n");
        assert_string_equal(c->said, "HELP\r\nMORE\r\nMORE\r\n");
}

static void capture_keeps_what_the_server_said(void **state)
{
        (void)state;
        w.conf.capture_raw = true;
        world_begin();
        struct conn *c = world_accept(21);
        says(c, "220 here\r\n500 end\r\n");
        assert_int_equal(w.n_told, 2);
        assert_told(1, APP_CAPTURE, "MjIwIGhlcmUNCjUwMCBlbmQNCg==");
}

static void each_name_of_an_address_is_spoken_to(void **state)
{
        (void)state;
        w.names[0] = "a.example";
        w.names[1] = "b.example";
        w.n_names = 2;
        world_begin();
        struct conn *c = world_accept(80);
        assert_string_equal(c->said, "GET / a.example\r\n");
        says(c, "HTTP/1.1 A END");
        c = opens();
        assert_string_equal(c->said, "GET / b.example\r\n");
        says(c, "HTTP/1.1 B END");
        assert_told(0, APP_HTTP, "HTTP/1.1 A END");
        assert_told(1, APP_HTTP, "HTTP/1.1 B END");
        assert_string_equal(w.told[0].name, "a.example");
        assert_string_equal(w.told[1].name, "b.example");
        assert_int_equal(w.n_done, 1);
        c = world_accept(21); /* this one has no names */
        says(c, "220 x\r\n500 y\r\n");
        assert_int_equal(w.n_done, 2);
        assert_int_equal(w.stack.n, 3);
}

/* ---- odd ends ---- */
static void silence_ends_after_every_hello(void **state)
{
        (void)state;
        world_begin();
        world_accept(31337);
        world_pass(4100 * NS_PER_MS); /* listened, then http */
        assert_string_equal(last()->said, "");
        opens(); /* tls */
        world_pass(2100 * NS_PER_MS);
        assert_string_equal(opens()->said, "DNS?"); /* before redis: it may have waited for more */
        world_pass(2100 * NS_PER_MS);
        assert_string_equal(opens()->said, "ECHO?");
        assert_int_equal(w.n_told, 0);
        world_pass(1100 * NS_PER_MS); /* by now we are brief */
        assert_int_equal(w.n_told, 1);
        assert_told(0, APP_REMARK, "says nothing");
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.n_heard, 0);
}

static void who_waits_for_its_own_hello_gets_it(void **state)
{
        (void)state;
        world_begin();
        world_accept(31337);
        world_pass(4100 * NS_PER_MS);
        for (unsigned i = 0; i < 3 && strcmp(last()->said, "ECHO?") != 0; i++) {
                opens();
                if (strcmp(last()->said, "ECHO?") != 0)
                        world_pass(2100 * NS_PER_MS);
        }
        says(last(), "ECHO!");
        assert_int_equal(w.n_told, 1);
        assert_told(0, APP_REDIS, "echo");
}

/* Left without a word on whatever is opened, until it is given up; how many connections that took. */
static unsigned in_silence(uint16_t port)
{
        unsigned before = w.stack.n, done = w.n_done;
        world_accept(port);
        for (unsigned i = 0; i < 40 && w.n_done == done; i++) {
                world_pass(NS_PER_S);
                if (last()->live && !last()->open)
                        opens();
        }
        assert_int_equal(w.n_done, done + 1);
        return w.stack.n - before;
}

static void where_nothing_ever_speaks_three_hellos_are_enough(void **state)
{
        (void)state;
        world_begin();
        for (uint16_t i = 0; i < 16; i++)
                assert_int_equal(in_silence((uint16_t)(31337 + i)), 4);
        assert_int_equal(in_silence(40000), 3);
        struct conn *c = world_accept(40001); /* but whoever speaks there is listened to */
        says(c, "220 here\r\n");
        assert_string_equal(c->said, "HELP\r\n");
}

static void late_answers_make_us_patient(void **state)
{
        (void)state;
        world_begin();
        for (unsigned i = 0; i < 12; i++) { /* each takes five seconds, where it is usual */
                struct conn *c = world_accept(80);
                world_pass(5 * NS_PER_S);
                says(c, "HTTP/1.1 END");
        }
        assert_int_equal(w.n_told, 12);
        struct conn *c = world_accept(80);
        world_pass(14 * NS_PER_S); /* without them it would have been given up after 6 s */
        says(c, "HTTP/1.1 END");
        assert_int_equal(w.n_told, 13);
        c = world_accept(80); /* --connection-timeout is the most */
        world_pass(30100 * NS_PER_MS);
        assert_true(c->aborted);
}

static void quick_answers_leave_the_wait_as_it_was_given(void **state)
{
        (void)state;
        world_begin();
        for (unsigned i = 0; i < 8; i++)
                says(world_accept(80), "HTTP/1.1 END");
        struct conn *c = world_accept(80);
        world_pass(5900 * NS_PER_MS);
        assert_false(c->aborted);
        world_pass(200 * NS_PER_MS);
        assert_true(c->aborted);
}

static void who_closes_at_once_is_not_asked_again(void **state)
{
        (void)state;
        world_begin();
        fin(world_accept(31337));
        assert_told(0, APP_REMARK, "closes at once");
        assert_int_equal(w.stack.n, 1);
        assert_int_equal(w.n_done, 1);
}

static void a_reset_gets_one_more_port(void **state)
{
        (void)state;
        world_begin();
        rst(world_accept(31337));
        assert_int_equal(w.n_done, 0);
        rst(opens());
        assert_told(0, APP_REMARK, "resets at once");
        assert_int_equal(w.stack.n, 2);
        assert_int_equal(w.n_done, 1);
}

static void a_shut_window_is_named(void **state)
{
        (void)state;
        w.conf.max_tries = 1;
        world_begin();
        world_accept(80)->shut = true;
        world_pass(7 * NS_PER_S);
        assert_told(0, APP_REMARK, "window shut");
}

static void who_speaks_without_end_is_cut(void **state)
{
        static char much[10000];
        (void)state;
        memset(much, 'x', sizeof(much) - 1);
        world_begin();
        struct conn *c = world_accept(31337);
        for (unsigned i = 0; i < 8 && c->live && c->app; i++)
                session_conn_ops.data(w.set, c, span_str(much));
        world_pass(NS_PER_MS);
        assert_int_equal(w.n_told, 2);
        assert_int_equal(w.told[0].app, APP_UNKNOWN);
        assert_int_equal(w.told[0].n_text, 4096);
        assert_told(1, APP_REMARK, "speaks without end");
        assert_int_equal(w.n_done, 1);
}

static void who_drips_is_given_its_time_and_no_more(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(80);
        const char *line = "HTTP/1.1 200 OK so slowly";
        for (unsigned i = 0; i < 40 && c->live && c->app; i++) {
                session_conn_ops.data(w.set, c, span_of(line + i % 24, 1));
                world_pass(NS_PER_S);
        }
        assert_true(c->aborted);
        assert_told(0, APP_HTTP, "HTTP/1.1 200 OK so slowlHTTP/1");
        assert_told(1, APP_REMARK, "drips");
        assert_int_equal(w.n_done, 1);
}

static void what_comes_after_our_end_is_refused(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(80);
        says(c, "HTTP/1.1 END");
        assert_true(c->closed && c->live);
        says(c, "and more, and more");
        assert_true(c->aborted);
}

static void a_dribble_is_not_read_again_and_again(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(80);
        session_conn_ops.data(w.set, c, span_str("HTTP/1.1 200 OK\n"));
        http_parsed = 0;
        for (unsigned i = 0; i < 60000; i++)
                session_conn_ops.data(w.set, c, span_str(i % 3 ? "x" : "\n"));
        assert_in_range(http_parsed, 1000, 3000);
        assert_int_equal(w.n_told, 0);
}

static void a_silent_service_costs_no_buffer(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(31337);
        assert_true(w.set->bufs.used == 0);
        says(c, "2");
        assert_true(w.set->bufs.used <= 128 + 64);
}

static unsigned sessions(void)
{
        unsigned n = w.set->n_chunks << CHUNK_LOG2;
        for (uint32_t i = w.set->free_head; i != NONE; i = session_of(w.set, i)->next)
                n--;
        return n;
}

static void a_silent_service_costs_no_session(void **state)
{
        (void)state;
        world_begin();
        struct conn *waits = world_accept(31337), *asked = world_accept(80);
        assert_int_equal(sessions(), 0);
        world_accept(7);   /* its hello left a phase to remember */
        world_accept(443); /* a handshake */
        assert_int_equal(sessions(), 2);
        assert_int_equal(session_count(w.set), 4);
        says(asked, "HTTP/1.1 ");
        assert_int_equal(sessions(), 3);
        world_pass(3 * NS_PER_S); /* the second hello is no more told by the port */
        assert_string_equal(waits->said, "GET / \r\n");
        assert_int_equal(session_count(w.set), 4);
        assert_true(sessions() >= 3);
}

static void the_time_of_one_runs_from_its_opening(void **state)
{
        (void)state;
        w.conf.hello_wait_ns = 20 * NS_PER_S;
        world_begin();
        world_pass(1234567891);
        struct conn *c = world_accept(31337);
        world_pass(19 * NS_PER_S);
        says(c, "220 ");
        world_pass(10900 * NS_PER_MS);
        assert_false(c->closed || c->aborted);
        world_pass(200 * NS_PER_MS);
        assert_true(c->closed || c->aborted);
}

/* --connection-timeout is shorter than what a greeting is waited for: nothing is said any more. */
static void the_end_comes_before_the_hello(void **state)
{
        (void)state;
        w.conf.hello_wait_ns = 50 * NS_PER_S;
        w.conf.total_ns = 5 * NS_PER_S;
        world_begin();
        world_pass(987654321);
        struct conn *c = world_accept(31337);
        world_pass(4990 * NS_PER_MS);
        assert_false(c->closed || c->aborted);
        world_pass(20 * NS_PER_MS);
        assert_true(c->aborted);
        assert_int_equal(c->n_said, 0);
}

static void names_have_a_bound(void **state)
{
        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(w.names); i++)
                w.names[i] = "n.example";
        w.n_names = ARRAY_LEN(w.names);
        world_begin();
        struct conn *c = world_accept(80);
        for (unsigned i = 0; i + 1 < SESSION_NAMES; i++) {
                says(c, "HTTP/1.1 END");
                c = opens();
        }
        says(c, "HTTP/1.1 END");
        assert_int_equal(w.n_told, SESSION_NAMES);
        assert_int_equal(w.n_done, 1);
}

/* ---- room ---- */
static void a_full_stack_holds_the_next_try_back(void **state)
{
        (void)state;
        w.conf.tls = false;
        world_begin();
        w.stack.full = true;
        w.stack.n = 0;
        w.stack.full = false;
        struct conn *c = world_accept(80);
        w.stack.full = true;
        fin(c);
        world_pass(60 * NS_PER_S);
        assert_true(session_full(w.set));
        assert_int_equal(session_count(w.set), 1);
        w.stack.full = false;
        world_pass(100 * NS_PER_MS);
        assert_false(session_full(w.set));
        c = last();
        c->open = true;
        session_conn_ops.opened(w.set, c);
        says(c, "ECHO!");
        assert_told(0, APP_REDIS, "echo");
}

static void without_a_port_of_ours_it_ends(void **state)
{
        (void)state;
        world_begin();
        w.no_source = true;
        fin(world_accept(80));
        world_pass(9 * NS_PER_S);
        assert_int_equal(w.n_done, 0);
        world_pass(2 * NS_PER_S);
        assert_int_equal(w.n_done, 1);
        assert_told(0, APP_REMARK, "closes at once");
}

static void no_room_to_send_ends_the_try(void **state)
{
        (void)state;
        world_begin();
        w.stack.deaf = true;
        world_accept(80);
        world_pass(NS_PER_MS);
        assert_int_equal(w.set->count.refused_memory, 1);
        assert_int_equal(w.n_done, 1);
}

static void no_memory_ends_what_it_needs(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(80), *d = world_accept(80);
        says(d, "HTTP/1.1 ");
        w.set->bufs.max = 0;
        says(c, "HTTP/1.1 END");
        assert_int_equal(w.set->count.refused_memory, 1);
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.n_heard, 1);
        says(d, "END"); /* its buffer has room */
        assert_told(0, APP_HTTP, "HTTP/1.1 END");
        assert_int_equal(w.n_done, 2);
}

static void the_end_of_time_tells_what_is_known(void **state)
{
        (void)state;
        world_begin();
        says(world_accept(80), "HTTP/1.1 200 half");
        says(world_accept(21), "220 first\r\n");
        says(world_accept(31337), "hm");
        world_accept(31338);
        session_finish(w.set);
        assert_int_equal(w.n_done, 4);
        assert_told(0, APP_HTTP, "HTTP/1.1 200 half");
        assert_told(1, APP_FTP, "220 first\n");
        assert_told(2, APP_UNKNOWN, "hm");
        assert_int_equal(w.n_told, 3);
}

static uint64_t key_of(void *arg, const struct target *who)
{
        return *(const uint64_t *)arg - who->port;
}

static void the_oldest_is_known(void **state)
{
        uint64_t base = 100000;
        (void)state;
        world_begin();
        assert_true(session_oldest(w.set, key_of, &base) == UINT64_MAX);
        world_accept(1000);
        struct conn *c = world_accept(2000);
        assert_true(session_oldest(w.set, key_of, &base) == 98000);
        fin(c);
        assert_true(session_oldest(w.set, key_of, &base) == 99000);
}

static void the_order_is_written_down(void **state)
{
        (void)state;
        world_begin();
        assert_string_equal(session_hello_order(), "http, tls, redis, dns");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
        const struct CMUnitTest tests[] = {
                T(its_port_s_hello_goes_at_once),
                T(an_unknown_port_is_listened_to_first),
                T(a_greeting_is_waited_for_where_it_is_usual),
                T(half_a_line_is_waited_for),
                T(what_was_cut_on_its_way_is_asked_for_again),
                T(it_is_asked_for_again_once),
                T(its_beginning_is_told_when_it_does_not_come_again),
                T(its_beginning_is_told_when_nobody_answers_again),
                T(of_words_nobody_knows_the_whole_is_told),
                T(half_a_line_without_more_is_not_asked_for_again),
                T(one_who_should_have_spoken_is_woken),
                T(the_user_s_bytes_go_first_and_their_answer_is_told),
                T(a_hello_by_name_is_said_on_every_port),
                T(who_does_not_understand_is_asked_the_next),
                T(an_answer_that_nobody_knows_is_told_in_the_end),
                T(max_tries_is_a_bound),
                T(a_greeter_on_another_s_port_is_met_again_in_silence),
                T(what_a_greeter_said_counts_when_it_cannot_be_met_again),
                T(a_dialogue_is_one_banner),
                T(a_banner_waits_a_second_for_its_rest),
                T(bytes_one_by_one_make_the_same_banner),
                T(everything_at_once_makes_the_same_banner),
                T(capture_keeps_what_the_server_said),
                T(each_name_of_an_address_is_spoken_to),
                T(silence_ends_after_every_hello),
                T(who_waits_for_its_own_hello_gets_it),
                T(where_nothing_ever_speaks_three_hellos_are_enough),
                T(late_answers_make_us_patient),
                T(quick_answers_leave_the_wait_as_it_was_given),
                T(who_closes_at_once_is_not_asked_again),
                T(a_reset_gets_one_more_port),
                T(a_shut_window_is_named),
                T(who_speaks_without_end_is_cut),
                T(who_drips_is_given_its_time_and_no_more),
                T(what_comes_after_our_end_is_refused),
                T(a_dribble_is_not_read_again_and_again),
                T(a_silent_service_costs_no_buffer),
                T(a_silent_service_costs_no_session),
                T(the_time_of_one_runs_from_its_opening),
                T(the_end_comes_before_the_hello),
                T(names_have_a_bound),
                T(a_full_stack_holds_the_next_try_back),
                T(without_a_port_of_ours_it_ends),
                T(no_room_to_send_ends_the_try),
                T(no_memory_ends_what_it_needs),
                T(the_end_of_time_tells_what_is_known),
                T(the_oldest_is_known),
                T(the_order_is_written_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
