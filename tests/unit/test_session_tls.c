// SPDX-License-Identifier: Apache-2.0
/*
 * Sessions and TLS: who gets a handshake and when, what of it is told, what is spoken inside, STARTTLS,
 * names, older versions, checks, a full pool. Against the stand-ins of test_session.h: the test says what the
 * handshake came to.
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

#define RECORD         \
        "\x16\x03\x03" \
        "hello"
#define ALERT          \
        "\x15\x03\x03" \
        "\x02\x28"

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

static struct conn *opens(void)
{
        world_pass(NS_PER_MS);
        struct conn *c = &w.stack.conn[w.stack.n - 1];
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

/* ---- what the handshake came to ---- */
static const char *const dns_names[] = {"www.example.com", "192.0.2.1", "example.com"};
static const struct tls_cert chain[] = {
        {.der = {(const uint8_t *)"leaf", 4},
         .subject_cn = "example.com",
         .subject = "CN=example.com",
         .issuer = "CN=Some CA",
         .serial = "01",
         .names = dns_names,
         .n_names = 3,
         .not_before = 1700000000,
         .not_after = 1800000000,
         .key = TLS_KEY_EC,
         .key_bits = 256,
         .signature = "ecdsa-with-SHA256",
         .sha256 = {0xab, 0xcd}},
        {.der = {(const uint8_t *)"ca", 2},
         .subject_cn = "",
         .subject = "O=Some",
         .issuer = "O=Some",
         .serial = "",
         .signature = "",
         .self_signed = true},
};
static struct tls_facts facts = {.version = 0x0304,
                                 .cipher = 0x1302,
                                 .cipher_name = "TLS_AES_256_GCM_SHA384",
                                 .alpn = "",
                                 .group = "X25519",
                                 .certs = chain,
                                 .n_certs = 2};

static void event(enum tls_event_kind kind, const char *bytes, struct tls_facts *f, uint16_t alert)
{
        world_event(kind, bytes, bytes ? strlen(bytes) : 0, f, alert);
        world_pass(NS_PER_MS);
}

static void handshake(struct conn *c, const char *alpn)
{
        event(TLS_WIRE, "ClientHello", NULL, 0);
        says(c, RECORD);
        assert_string_equal(w.tls.fed, RECORD);
        facts.alpn = alpn;
        event(TLS_READY, NULL, &facts, 0);
}

static const struct field *field_of(const struct told *t, const char *key)
{
        static struct field f;
        struct rd r = rd_of(span_of(t->fields, t->n_fields));
        while (fields_next(&r, &f))
                if (f.key.n == strlen(key) && memcmp(f.key.p, key, f.key.n) == 0)
                        return &f;
        return NULL;
}

static void assert_field(const struct told *t, const char *key, const char *value)
{
        const struct field *f = field_of(t, key);
        assert_non_null(f);
        assert_int_equal(f->text.n, strlen(value));
        assert_memory_equal(f->text.p, value, f->text.n);
}

/* The next connection, its handshake, what is said inside of it, and the answer. */
static void inside_again(const char *hello, const char *answer)
{
        struct conn *c = opens();
        handshake(c, "");
        assert_string_equal(w.tls.wrote, hello);
        if (answer)
                event(TLS_PLAIN, answer, NULL, 0);
}

/* ---- handshakes ---- */
static void a_known_port_gets_its_handshake_at_once(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(443);
        assert_int_equal(w.tls.open, 1);
        assert_string_equal(w.tls.alpn, "http/1.1");
        event(TLS_WIRE, "ClientHello", NULL, 0);
        assert_string_equal(c->said, "ClientHello");
        handshake(c, "http/1.1");
        assert_told(0, APP_SSL, "TLS/1.3 cipher:0x1302, example.com, www.example.com, example.com");
        assert_told(1, APP_X509, "bGVhZg==");
        assert_told(2, APP_X509CA, "Y2E=");
        assert_string_equal(w.tls.wrote, "GET / \r\n");
        event(TLS_PLAIN, "HTTP/1.1 200 END", NULL, 0);
        assert_told(3, APP_HTTP, "HTTP/1.1 200 END");
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.tls.open, 0);
        assert_true(c->closed);
}

static void the_facts_are_fields(void **state)
{
        (void)state;
        world_begin();
        handshake(world_accept(443), "http/1.1");
        const struct told *t = &w.told[0];
        assert_field(t, "version", "TLS/1.3");
        assert_field(t, "cipher", "0x1302");
        assert_field(t, "cipher_name", "TLS_AES_256_GCM_SHA384");
        assert_field(t, "alpn", "http/1.1");
        assert_field(t, "group", "X25519");
        assert_field(t, "subject", "CN=example.com");
        assert_field(t, "issuer", "CN=Some CA");
        assert_field(t, "not_before", "2023-11-14T22:13:20Z");
        assert_field(t, "not_after", "2027-01-15T08:00:00Z");
        assert_field(t, "key", "ec");
        assert_field(t, "names", "www.example.com");
        assert_field(t, "sha256", "abcd000000000000000000000000000000000000000000000000000000000000");
        assert_int_equal(field_of(t, "key_bits")->number, 256);
        assert_int_equal(field_of(t, "chain_length")->number, 2);
        assert_int_equal(field_of(t, "self_signed")->number, 0);
        assert_int_equal(field_of(&w.told[2], "self_signed")->number, 1);
        assert_field(&w.told[2], "subject", "O=Some");
}

static void certificates_are_left_out_when_not_wanted(void **state)
{
        (void)state;
        w.conf.banner.capture_cert = false;
        world_begin();
        handshake(world_accept(443), "http/1.1");
        assert_int_equal(w.n_told, 1);
        assert_int_equal(w.told[0].app, APP_SSL);
}

static void who_greets_inside_is_listened_to(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(990);
        assert_string_equal(w.tls.alpn, "");
        handshake(c, "");
        world_pass(3 * NS_PER_S);
        assert_string_equal(w.tls.wrote, "");
        event(TLS_PLAIN, "220 ftps\r\n", NULL, 0);
        assert_string_equal(w.tls.wrote, "HELP\r\n");
        event(TLS_PLAIN, "500 no\r\n", NULL, 0);
        assert_told(3, APP_FTP, "220 ftps\n500 no\n");
        assert_int_equal(w.n_done, 1);
}

static void inside_of_an_unknown_port_a_second_is_enough(void **state)
{
        (void)state;
        w.conf.hello = "ssl";
        world_begin();
        struct conn *c = world_accept(31337);
        handshake(c, "");
        world_pass(900 * NS_PER_MS);
        assert_string_equal(w.tls.wrote, "");
        world_pass(200 * NS_PER_MS);
        assert_string_equal(w.tls.wrote, "GET / \r\n");
        event(TLS_PLAIN, "whatever", NULL, 0);
        world_pass(600 * NS_PER_MS);
        inside_again("ECHO?", "ECHO!");
        assert_told(3, APP_REDIS, "echo");
        assert_int_equal(w.n_told, 4); /* the handshake is told once */
        assert_int_equal(w.n_done, 1);
}

static void inside_every_hello_is_tried(void **state)
{
        (void)state;
        w.conf.hello = "ssl";
        world_begin();
        struct conn *c = world_accept(31337);
        handshake(c, "");
        world_pass(1100 * NS_PER_MS);
        event(TLS_PLAIN, "whatever", NULL, 0);
        event(TLS_CLOSED, NULL, NULL, 0x0100); /* not a word of its own: the next */
        inside_again("ECHO?", NULL);
        world_pass(2100 * NS_PER_MS); /* silence */
        inside_again("DNS?", NULL);
        event(TLS_CLOSED, NULL, NULL, 0x0100);
        assert_told(3, APP_UNKNOWN, "whatever");
        assert_int_equal(w.n_told, 4);
        assert_int_equal(w.n_done, 1);
}

static void two_handshakes_in_vain_are_enough(void **state)
{
        (void)state;
        world_begin();
        handshake(world_accept(443), "");
        event(TLS_CLOSED, NULL, NULL, 0x0100);
        opens();
        world_pass(6100 * NS_PER_MS);
        opens();
        assert_int_equal(w.n_done, 0);
        world_pass(6100 * NS_PER_MS);
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.n_told, 3);
}

static void plain_words_where_tls_was_are_nobody_s_answer(void **state)
{
        (void)state;
        world_begin();
        handshake(world_accept(443), "");
        event(TLS_PLAIN, "whatever", NULL, 0);
        world_pass(600 * NS_PER_MS);
        struct conn *c = opens(); /* for redis */
        says(c, "ECHO!");
        world_pass(600 * NS_PER_MS);
        assert_told(3, APP_UNKNOWN, "whatever");
        assert_int_equal(w.n_done, 1);
}

static void who_greets_inside_is_met_again_in_silence(void **state)
{
        (void)state;
        world_begin();
        handshake(world_accept(443), "");
        assert_string_equal(w.tls.wrote, "GET / \r\n");
        event(TLS_PLAIN, "220 here\r\n", NULL, 0);
        inside_again("", "220 here\r\n");
        assert_string_equal(w.tls.wrote, "HELP\r\n");
        event(TLS_PLAIN, "500 no\r\n", NULL, 0);
        assert_told(3, APP_FTP, "220 here\n500 no\n");
        assert_int_equal(w.n_told, 4);
}

static void a_server_that_wants_our_certificate_is_asked_once(void **state)
{
        (void)state;
        world_begin();
        handshake(world_accept(443), "");
        event(TLS_CLOSED, NULL, NULL, 0x0274);
        assert_int_equal(w.n_done, 1);
        assert_int_equal(w.stack.n, 1);
}

static void an_alert_is_told_and_older_versions_are_tried(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(443);
        says(c, ALERT);
        event(TLS_FAILED, NULL, NULL, 0x0228);
        assert_told(0, APP_SSL, "TLS/1.2 ALERT(0x0228)");
        assert_int_equal(field_of(&w.told[0], "alert")->number, 40);
        assert_field(&w.told[0], "error", "why");
        c = opens();
        assert_string_equal(c->said, "SSL3?");
        says(c, "SSL3!");
        assert_told(1, APP_SSL, "SSLv3");
        assert_int_equal(w.n_done, 1);
}

static void a_failed_handshake_tells_what_came(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(443);
        says(c, RECORD);
        event(TLS_FAILED, NULL, &facts, 0x0274);
        assert_told(0, APP_SSL,
                    "TLS/1.3 cipher:0x1302 ALERT(0x0274), example.com, www.example.com, example.com");
        assert_int_equal(w.told[1].app, APP_X509);
        assert_int_equal(w.n_done, 1);
}

static void the_last_words_come_after_the_connection(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(443);
        handshake(c, "http/1.1");
        session_conn_ops.finished(w.set, c);
        conn_dies(c, CONN_RESET);
        assert_int_equal(w.n_done, 0);
        event(TLS_PLAIN, "HTTP/1.1 200 ", NULL, 0);
        event(TLS_PLAIN, "END", NULL, 0);
        assert_told(3, APP_HTTP, "HTTP/1.1 200 END");
        assert_int_equal(w.n_done, 1);
}

static void a_worker_that_says_no_more_is_not_waited_for(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(443);
        handshake(c, "http/1.1");
        event(TLS_PLAIN, "HTTP/1.1 200 half", NULL, 0);
        session_conn_ops.finished(w.set, c);
        conn_dies(c, CONN_CLOSED);
        world_pass(1100 * NS_PER_MS);
        assert_told(3, APP_HTTP, "HTTP/1.1 200 half");
        assert_int_equal(w.n_done, 1);
}

static void plain_words_on_a_tls_port_are_understood(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(443);
        says(c, "220 ftp here\r\n");
        assert_int_equal(w.tls.open, 0);
        c = opens();
        says(c, "220 ftp here\r\n500 no\r\n");
        assert_int_equal(w.n_told, 1);
        assert_told(0, APP_FTP, "220 ftp here\n500 no\n");
}

/* A ClientHello from a server is our own: it echoes, so the next hello is tried, and nothing of TLS is told.
 */
static void a_client_hello_sent_back_is_no_tls(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(443);
        says(c, "\x16\x03\x01\x01\x01\x01");
        assert_int_equal(w.tls.open, 0);
        world_pass(3000 * NS_PER_MS);
        for (unsigned i = 0; i < w.n_told; i++)
                assert_int_not_equal(w.told[i].app, APP_SSL);
}

static void http_that_wants_tls_gets_it(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(80);
        says(c, "HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port END");
        c = opens();
        assert_int_equal(w.tls.open, 1);
        handshake(c, "http/1.1");
        event(TLS_PLAIN, "HTTP/1.1 200 END", NULL, 0);
        assert_int_equal(w.n_told, 4);
        assert_told(3, APP_HTTP, "HTTP/1.1 200 END");
        assert_int_equal(w.n_done, 1);
}

static void http_that_asked_for_tls_in_vain_is_told(void **state)
{
        (void)state;
        w.conf.max_tries = 2;
        world_begin();
        struct conn *c = world_accept(80);
        says(c, "HTTP/1.1 400 No\r\n\r\nyou want https? END");
        fin(opens());
        assert_told(0, APP_HTTP, "HTTP/1.1 400 No\r\n\r\nyou want https? END");
        assert_int_equal(w.n_done, 1);
}

static void a_failed_handshake_in_words_makes_tls_next(void **state)
{
        (void)state;
        w.conf.hello = "http";
        world_begin();
        struct conn *c = world_accept(31990);
        says(c, "421 TLS handshake failed\r\n");
        world_pass(600 * NS_PER_MS);
        handshake(opens(), "");
        event(TLS_PLAIN, "220 here\r\n", NULL, 0);
        event(TLS_PLAIN, "500 no\r\n", NULL, 0);
        assert_told(3, APP_FTP, "220 here\n500 no\n");
        assert_int_equal(w.n_told, 4);
}

static void who_speaks_of_starttls_means_something_else(void **state)
{
        (void)state;
        world_begin();
        world_accept(443);
        world_pass(6100 * NS_PER_MS);
        struct conn *c = opens();
        assert_string_equal(c->said, "GET / \r\n");
        says(c, "530 STARTTLS first, if you please\r\n");
        world_pass(600 * NS_PER_MS);
        assert_string_equal(opens()->said, "ECHO?");
}

static void http_that_wants_tls_gets_it_once_more_when_it_was_late(void **state)
{
        (void)state;
        world_begin();
        world_accept(443);
        world_pass(6100 * NS_PER_MS); /* not a word */
        struct conn *c = opens();
        assert_string_equal(c->said, "GET / \r\n");
        says(c, "HTTP/1.1 400 Bad\r\n\r\nThe plain HTTP request was sent to HTTPS port END");
        handshake(opens(), "http/1.1");
        event(TLS_PLAIN, "HTTP/1.1 200 END", NULL, 0);
        assert_int_equal(w.n_told, 4);
        assert_told(3, APP_HTTP, "HTTP/1.1 200 END");
}

static void the_worker_s_time_is_not_the_peer_s(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(443);
        w.tls.busy = true; /* it has not come to our ClientHello yet */
        world_pass(40 * NS_PER_S);
        assert_false(c->aborted);
        w.tls.busy = false;
        event(TLS_WIRE, "ClientHello", NULL, 0);
        world_pass(5 * NS_PER_S);
        assert_false(c->aborted);
        says(c, RECORD);
        w.tls.busy = true;
        world_pass(40 * NS_PER_S);
        w.tls.busy = false;
        event(TLS_READY, NULL, &facts, 0);
        assert_int_equal(w.told[0].app, APP_SSL);
        world_pass(20 * NS_PER_S); /* but then it is */
        assert_true(c->aborted);
}

static void a_close_ends_it_at_once(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(443);
        handshake(c, "http/1.1");
        event(TLS_PLAIN, "HTTP/1.1 200 half", NULL, 0);
        session_conn_ops.finished(w.set, c);
        assert_int_equal(w.tls.ended, w.tls.last);
        event(TLS_CLOSED, NULL, NULL, 0);
        assert_told(3, APP_HTTP, "HTTP/1.1 200 half");
        assert_int_equal(w.n_done, 1);
}

static void an_alert_to_a_plain_hello_makes_tls_next(void **state)
{
        (void)state;
        w.conf.hello = "redis";
        world_begin();
        struct conn *c = world_accept(31337);
        says(c, ALERT);
        fin(c);
        handshake(opens(), "");
        assert_int_equal(w.told[0].app, APP_SSL);
}

/* ---- STARTTLS ---- */
static void starttls_goes_on_with_its_parser(void **state)
{
        (void)state;
        world_begin();
        struct conn *c = world_accept(21);
        says(c, "220 here\r\n");
        session_conn_ops.data(w.set, c, span_str("234 go\r\n220 injected\r\n"));
        assert_told(0, APP_FTP, "220 here\n234 go\n");
        assert_int_equal(w.tls.open, 1);
        assert_string_equal(w.tls.alpn, "");
        handshake(c, "");
        assert_int_equal(w.told[1].app, APP_SSL);
        assert_string_equal(w.tls.wrote, "AGAIN\r\n");
        event(TLS_PLAIN, "250 done\r\n", NULL, 0);
        assert_told(4, APP_FTP, "250 done\n");
        assert_int_equal(w.n_told, 5);
        assert_int_equal(w.n_done, 1);
}

static void starttls_without_tls_ends_there(void **state)
{
        (void)state;
        w.conf.tls = false;
        world_begin();
        struct conn *c = world_accept(21);
        says(c, "220 here\r\n234 go\r\n");
        assert_told(0, APP_FTP, "220 here\n234 go\n");
        assert_int_equal(w.n_done, 1);
}

/* ---- names, older versions, checks ---- */
static void each_name_gets_its_certificate(void **state)
{
        (void)state;
        w.names[0] = "a.example";
        w.names[1] = "b.example";
        w.n_names = 2;
        world_begin();
        struct conn *c = world_accept(443);
        assert_string_equal(w.tls.name, "a.example");
        handshake(c, "http/1.1");
        event(TLS_PLAIN, "HTTP/1.1 A END", NULL, 0);
        c = opens();
        assert_string_equal(w.tls.name, "b.example");
        handshake(c, "http/1.1");
        assert_string_equal(w.tls.wrote, "GET / b.example\r\n");
        event(TLS_PLAIN, "HTTP/1.1 B END", NULL, 0);
        assert_int_equal(w.n_told, 8);
        assert_string_equal(w.told[3].name, "a.example");
        assert_string_equal(w.told[4].name, "b.example");
        assert_int_equal(w.n_done, 1);
}

static void a_tls_port_that_closes_is_asked_for_older_versions(void **state)
{
        (void)state;
        world_begin();
        fin(world_accept(443));
        struct conn *c = opens();
        assert_string_equal(c->said, "SSL3?");
        fin(c);
        assert_string_equal(opens()->said, "GET / \r\n");
}

static void checks_follow_tls_alone(void **state)
{
        static const struct banner_ops *const checks[] = {&toy_bleed, &toy_old, NULL};
        (void)state;
        w.conf.checks = checks;
        w.conf.capture_raw = true;
        world_begin();
        says(world_accept(80), "HTTP/1.1 END");
        assert_int_equal(w.n_done, 1);
        w.n_told = 0;
        handshake(world_accept(443), "http/1.1");
        event(TLS_PLAIN, "HTTP/1.1 END", NULL, 0);
        w.n_told = 0;
        struct conn *c = opens();
        assert_string_equal(c->said, "BLEED?");
        says(c, "secret");
        assert_told(0, APP_VULN, "leaks 6");
        c = opens();
        assert_string_equal(c->said, "SSL3?");
        says(c, "no such thing");
        fin(c);
        assert_int_equal(w.n_told, 1);
        assert_int_equal(w.n_done, 2);
}

static void a_ticket_is_kept_for_the_checks(void **state)
{
        static const struct banner_ops *const checks[] = {&toy_bleed, &toy_old, NULL};
        static const struct banner_ops *const only[] = {&toy_old, &toy_bleed, NULL};
        (void)state;
        facts.ticket = span_str("TICKET");
        w.conf.checks = checks;
        world_begin();
        handshake(world_accept(443), "http/1.1");
        event(TLS_PLAIN, "HTTP/1.1 END", NULL, 0);
        struct conn *c = opens();
        assert_string_equal(c->said, "BLEED?TICKET");
        says(c, "secret");
        opens();
        w.set->conf.checks = only;
        handshake(world_accept(443), "http/1.1");
        event(TLS_PLAIN, "HTTP/1.1 END", NULL, 0);
        fin(opens());
        assert_string_equal(opens()->said, "BLEED?TICKET"); /* other checks came before it */
        facts.ticket = span_of(NULL, 0);
}

/* ---- room ---- */
static void a_full_pool_is_waited_for(void **state)
{
        (void)state;
        world_begin();
        w.tls.full = true;
        struct conn *c = world_accept(443);
        world_pass(5 * NS_PER_S);
        assert_true(session_full(w.set));
        assert_int_equal(w.tls.open, 0);
        w.tls.full = false;
        world_pass(50 * NS_PER_MS);
        assert_int_equal(w.tls.open, 1);
        assert_false(session_full(w.set));
        handshake(c, "http/1.1");
        assert_int_equal(w.told[0].app, APP_SSL);
}

static void a_handle_that_comes_late_leaves_time_to_use_it(void **state)
{
        (void)state;
        world_begin();
        w.tls.full = true;
        struct conn *c = world_accept(443);
        world_pass(29 * NS_PER_S);
        w.tls.full = false;
        world_pass(50 * NS_PER_MS);
        assert_int_equal(w.tls.open, 1);
        world_pass(3 * NS_PER_S);
        assert_false(c->aborted);
        handshake(c, "http/1.1");
        assert_int_equal(w.told[0].app, APP_SSL);
}

static void without_a_handle_it_is_called_again(void **state)
{
        (void)state;
        world_begin();
        w.tls.full = true;
        struct conn *c = world_accept(443);
        world_pass(31 * NS_PER_S);
        assert_true(c->aborted);
        w.tls.full = false;
        handshake(opens(), "http/1.1");
        assert_int_equal(w.told[0].app, APP_SSL);
}

static void who_closes_while_the_pool_is_full_is_called_again(void **state)
{
        (void)state;
        world_begin();
        w.tls.full = true;
        fin(world_accept(443));
        w.tls.full = false;
        handshake(opens(), "http/1.1");
        assert_int_equal(w.told[0].app, APP_SSL);
}

static void silence_in_the_handshake_ends_it(void **state)
{
        (void)state;
        world_begin();
        world_accept(443);
        world_pass(6100 * NS_PER_MS);
        assert_int_equal(w.tls.open, 0);
        assert_int_equal(w.stack.n, 2);
        assert_int_equal(w.n_done, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
        const struct CMUnitTest tests[] = {
                T(a_known_port_gets_its_handshake_at_once),
                T(the_facts_are_fields),
                T(certificates_are_left_out_when_not_wanted),
                T(who_greets_inside_is_listened_to),
                T(inside_of_an_unknown_port_a_second_is_enough),
                T(an_alert_is_told_and_older_versions_are_tried),
                T(a_failed_handshake_tells_what_came),
                T(the_last_words_come_after_the_connection),
                T(a_worker_that_says_no_more_is_not_waited_for),
                T(plain_words_on_a_tls_port_are_understood),
                T(a_client_hello_sent_back_is_no_tls),
                T(http_that_wants_tls_gets_it),
                T(http_that_asked_for_tls_in_vain_is_told),
                T(an_alert_to_a_plain_hello_makes_tls_next),
                T(starttls_goes_on_with_its_parser),
                T(starttls_without_tls_ends_there),
                T(each_name_gets_its_certificate),
                T(a_tls_port_that_closes_is_asked_for_older_versions),
                T(checks_follow_tls_alone),
                T(a_full_pool_is_waited_for),
                T(who_closes_while_the_pool_is_full_is_called_again),
                T(inside_every_hello_is_tried),
                T(two_handshakes_in_vain_are_enough),
                T(plain_words_where_tls_was_are_nobody_s_answer),
                T(who_greets_inside_is_met_again_in_silence),
                T(a_server_that_wants_our_certificate_is_asked_once),
                T(a_failed_handshake_in_words_makes_tls_next),
                T(who_speaks_of_starttls_means_something_else),
                T(http_that_wants_tls_gets_it_once_more_when_it_was_late),
                T(the_worker_s_time_is_not_the_peer_s),
                T(a_close_ends_it_at_once),
                T(a_ticket_is_kept_for_the_checks),
                T(a_handle_that_comes_late_leaves_time_to_use_it),
                T(without_a_handle_it_is_called_again),
                T(silence_in_the_handshake_ends_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
