// SPDX-License-Identifier: Apache-2.0
/*
 * The pool round the handshakes: a thousand of them at once by two clients and two workers, handles closed in
 * every phase, old numbers, the ceiling of memory, the descriptor, and a pool that is freed in the middle of
 * everything. Nothing may be left: the address sanitizer watches, and the pool's own count must be nought.
 */
#ifdef HAVE_TLS
#include "test_tls.h"
#include <pthread.h>

static EVP_PKEY *key;
static X509 *cert;

static int make_things(void **state)
{
        (void)state;
        key = key_new("P-256");
        cert = cert_new(key, "pool.example", "DNS:pool.example");
        return 0;
}

static int free_things(void **state)
{
        (void)state;
        X509_free(cert);
        EVP_PKEY_free(key);
        return 0;
}

/* ---- a thousand at once ---- */
enum { CLIENTS = 2, WORKERS = 2, EACH = 500 };
struct crowd {
        struct tls_pool *pool;
        unsigned client, done, wrong;
        pthread_t thread;
};

static struct talk *talk_of(struct talk *t, uint32_t handle)
{
        for (unsigned i = 0; i < EACH; i++)
                if (t[i].handle == handle)
                        return &t[i];
        return NULL;
}

static void on_crowd_event(struct crowd *c, struct talk *all, struct tls_event *ev)
{
        struct talk *t = talk_of(all, ev->handle);
        if (!t) {
                c->wrong++;
                tls_event_free(ev);
                return;
        }
        enum tls_event_kind kind = ev->kind;
        talk_event(t, ev);
        if (kind == TLS_READY && t->facts->n_certs != 1)
                c->wrong++;
        if (kind == TLS_READY)
                tls_write(t->pool, t->client, t->handle, span_str("ping"));
        talk_serve(t);
        if (t->heard_len == 4 && t->server) {
                t->heard_len++;
                SSL_write(t->server, "pong", 4);
                SSL_shutdown(t->server);
                talk_serve(t);
        }
        if (kind == TLS_CLOSED) {
                c->done++;
                c->wrong += t->said_len != 4 || memcmp(t->said, "pong", 4) != 0;
        }
}

static void *crowd_main(void *arg)
{
        struct crowd *c = arg;
        SSL_CTX *server =
                server_new(cert, key, c->client ? TLS1_2_VERSION : 0, c->client ? TLS1_2_VERSION : 0);
        struct talk *t = calloc(EACH, sizeof(*t));
        struct tls_event ev[64];
        uint64_t end_ns = clock_mono_ns() + 300 * NS_PER_S;
        for (unsigned i = 0; i < EACH; i++)
                talk_begin(&t[i], c->pool, c->client, server, NULL);
        while (c->done < EACH && clock_mono_ns() < end_ns) {
                (void)wait_fd(c->pool, c->client, 1000);
                for (unsigned n; (n = tls_poll(c->pool, c->client, ev, ARRAY_LEN(ev)));)
                        for (unsigned i = 0; i < n; i++)
                                on_crowd_event(c, t, &ev[i]);
        }
        for (unsigned i = 0; i < EACH; i++)
                talk_end(&t[i]);
        free(t);
        SSL_CTX_free(server);
        return NULL;
}

static void thousand_at_once(void **state)
{
        (void)state;
        struct tls_pool *p = pool_of(WORKERS, CLIENTS, 0);
        struct crowd c[CLIENTS] = {{.pool = p, .client = 0}, {.pool = p, .client = 1}};
        struct tls_stats s;
        for (unsigned i = 0; i < CLIENTS; i++)
                assert_int_equal(pthread_create(&c[i].thread, NULL, crowd_main, &c[i]), 0);
        for (unsigned i = 0; i < CLIENTS; i++)
                pthread_join(c[i].thread, NULL);
        for (unsigned i = 0; i < CLIENTS; i++) {
                assert_int_equal(c[i].done, EACH);
                assert_int_equal(c[i].wrong, 0);
        }
        await_no_handles(p);
        tls_stats(p, &s);
        assert_int_equal(s.opened, CLIENTS * EACH);
        assert_int_equal(s.ready, CLIENTS * EACH);
        assert_int_equal(s.failed + s.refused, 0);
        assert_in_range(s.handles_peak, EACH, CLIENTS * EACH);
        assert_int_equal(atomic_load(&p->bytes), 0);
        tls_pool_free(p);
}

/* ---- closing in every phase ---- */
static void close_after(struct tls_pool *p, SSL_CTX *server, unsigned rounds)
{
        struct talk t;
        talk_begin(&t, p, 0, server, NULL);
        uint32_t handle = t.handle;
        t.chunk = 100;
        for (unsigned i = 0; i < rounds && !t.over; i++) {
                talk_serve(&t);
                talk_poll(&t, 1);
                if (t.ready && t.heard_len == 0)
                        tls_write(p, 0, handle, span_str("hello"));
                if (t.heard_len)
                        SSL_write(t.server, "hello to you", 12);
        }
        tls_close(p, 0, handle);
        assert_false(tls_feed(p, 0, handle, span_str("late")));
        assert_false(tls_write(p, 0, handle, span_str("late")));
        tls_close(p, 0, handle);
        t.over = true;
        struct tls_event ev[16];
        for (unsigned n; (n = tls_poll(p, 0, ev, ARRAY_LEN(ev)));)
                fail_msg("%u events of a closed handle", n);
        talk_end(&t);
}

static void closed_in_every_phase(void **state)
{
        (void)state;
        struct tls_pool *p = pool_of(1, 1, 0);
        for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
                SSL_CTX *server = server_new(cert, key, v, v);
                for (unsigned rounds = 0; rounds < 24; rounds++)
                        close_after(p, server, rounds);
                SSL_CTX_free(server);
        }
        await_no_handles(p);
        assert_int_equal(tls_poll(p, 0, &(struct tls_event){.handle = 0}, 1), 0);
        assert_int_equal(atomic_load(&p->bytes), 0);
        tls_pool_free(p);
}

/* ---- numbers ---- */
static void old_numbers_find_nothing(void **state)
{
        (void)state;
        struct tls_pool *p = pool_of(1, 2, 4 * TLS_HANDLE_BYTES);
        struct tls_want want = {.name = "x.example"};
        uint32_t old[64];
        for (unsigned i = 0; i < 64; i++) {
                while (!(old[i] = tls_open(p, 0, &want)))
                        clock_sleep_until(clock_mono_ns() + NS_PER_MS / 10);
                for (unsigned k = 0; k < i; k++) {
                        assert_int_not_equal(old[k], old[i]);
                        assert_false(tls_feed(p, 0, old[k], span_str("x")));
                        tls_close(p, 0, old[k]);
                }
                assert_true(tls_write(p, 0, old[i], span_str("x")));
                assert_false(tls_write(p, 1, old[i], span_str("x"))); /* the other client has it not */
                tls_close(p, 0, old[i]);
        }
        assert_false(tls_feed(p, 0, TLS_NONE, span_str("x")));
        assert_false(tls_feed(p, 0, UINT32_MAX, span_str("x")));
        await_no_handles(p);
        tls_pool_free(p);
}

/* ---- ceilings ---- */
static void memory_has_a_ceiling(void **state)
{
        (void)state;
        struct tls_pool *p = pool_of(1, 1, 5 * TLS_HANDLE_BYTES + 30000); /* 30,000: their messages */
        struct tls_want want = {.name = NULL};
        struct tls_stats s;
        uint32_t h[5];
        for (unsigned i = 0; i < 5; i++) {
                assert_false(tls_full(p));
                h[i] = tls_open(p, 0, &want);
                assert_int_not_equal(h[i], TLS_NONE);
        }
        assert_true(tls_full(p));
        assert_int_equal(tls_open(p, 0, &want), TLS_NONE);
        tls_stats(p, &s);
        assert_int_equal(s.refused, 1);
        assert_int_equal(s.handles, 5);
        tls_close(p, 0, h[2]);
        for (unsigned i = 0; tls_full(p) && i < 10000; i++)
                clock_sleep_until(clock_mono_ns() + NS_PER_MS);
        h[2] = tls_open(p, 0, &want);
        assert_int_not_equal(h[2], TLS_NONE);
        for (unsigned i = 0; i < 5; i++)
                tls_close(p, 0, h[i]);
        await_no_handles(p);
        tls_pool_free(p);
}

static void feeding_has_a_ceiling(void **state)
{
        (void)state;
        struct err e = {0};
        struct tls_pool *p = NULL;
        static uint8_t much[TLS_IN_MAX + 1];
        /* no thread: nothing is worked on but by tls_worker_round() */
        assert_int_equal(tls_pool_make(&p, &(struct tls_conf){.clients = 1}, false, &e), 0);
        uint32_t h = tls_open(p, 0, &(struct tls_want){.name = NULL}), other;
        assert_false(tls_feed(p, 0, h, span_of(much, sizeof(much))));
        size_t fed = 0;
        while (tls_feed(p, 0, h, span_of(much, 10000)))
                fed += 10000;
        assert_in_range(fed, TLS_IN_MAX - 20000, TLS_IN_MAX);
        other = tls_open(p, 0, &(struct tls_want){.name = NULL});
        assert_true(tls_feed(p, 0, other, span_of(much, 10000)));
        while (tls_worker_round(&p->workers[0]))
                ;
        struct tls_event ev[16];
        unsigned failed = 0;
        for (unsigned n; (n = tls_poll(p, 0, ev, ARRAY_LEN(ev)));)
                for (unsigned i = 0; i < n; i++) {
                        failed += ev[i].kind == TLS_FAILED;
                        tls_event_free(&ev[i]);
                }
        assert_int_equal(failed, 2); /* noughts are no TLS */
        while (tls_worker_round(&p->workers[0]))
                ;
        assert_int_equal(atomic_load(&p->bytes), 0);
        tls_pool_free(p);
}

/* More handles at once than a ring has places: nobody waits, nothing is lost. */
static void rings_run_over(void **state)
{
        (void)state;
        enum { MANY = 3000 };
        struct err e = {0};
        struct tls_pool *p = NULL;
        struct tls_conf conf = {.clients = 1, .max_bytes = 1ull << 30};
        struct tls_event ev[16];
        static bool hello[MANY];
        uint32_t first = 0;
        unsigned hellos = 0;
        assert_int_equal(tls_pool_make(&p, &conf, false, &e), 0);
        for (unsigned i = 0; i < MANY; i++) {
                uint32_t h = tls_open(p, 0, &(struct tls_want){.name = NULL});
                first = i ? first : h;
                assert_int_equal(h, first + i);
        }
        while (tls_worker_round(&p->workers[0]) || hellos < MANY) {
                unsigned n = tls_poll(p, 0, ev, 3);
                for (unsigned i = 0; i < n; i++) {
                        assert_int_equal(ev[i].kind, TLS_WIRE);
                        assert_false(hello[ev[i].handle - first]);
                        hello[ev[i].handle - first] = true;
                        hellos++;
                        tls_event_free(&ev[i]);
                }
        }
        assert_int_equal(hellos, MANY);
        tls_pool_free(p);
}

/* ---- the descriptor ---- */
static void descriptor_tells(void **state)
{
        (void)state;
        struct tls_pool *p = pool_of(1, 1, 0);
        struct tls_event ev;
        assert_false(wait_fd(p, 0, 0));
        for (int i = 0; i < 200; i++) {
                uint32_t h = tls_open(p, 0, &(struct tls_want){.name = NULL});
                assert_true(wait_fd(p, 0, 10000));
                while (tls_poll(p, 0, &ev, 1) == 0) /* the bell may be a moment ahead */
                        assert_true(wait_fd(p, 0, 10000));
                assert_int_equal(ev.handle, h);
                tls_event_free(&ev);
                tls_close(p, 0, h);
        }
        uint64_t end_ns = clock_mono_ns() + 10 * NS_PER_S;
        while (wait_fd(p, 0, 0)) { /* it goes quiet, and soon */
                assert_int_equal(tls_poll(p, 0, &ev, 1), 0);
                assert_true(clock_mono_ns() < end_ns);
        }
        tls_pool_free(p);
}

/* ---- freeing ---- */
static void freed_in_the_middle(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(cert, key, 0, 0);
        for (unsigned rounds = 0; rounds < 12; rounds++) {
                struct tls_pool *p = pool_of(2, 1, 0);
                struct talk t[8];
                for (unsigned i = 0; i < 8; i++)
                        talk_begin(&t[i], p, 0, server,
                                   &(struct tls_want){.name = "a.example", .alpn = "h2"});
                for (unsigned r = 0; r < rounds; r++) {
                        struct tls_event ev;
                        (void)wait_fd(p, 0, 5);
                        if (tls_poll(p, 0, &ev, 1))
                                for (unsigned i = 0; i < 8; i++)
                                        if (t[i].handle == ev.handle)
                                                talk_event(&t[i], &ev), talk_serve(&t[i]);
                }
                if (rounds & 1)
                        tls_close(p, 0, t[rounds % 8].handle);
                tls_pool_free(p);
                for (unsigned i = 0; i < 8; i++) {
                        t[i].over = true;
                        talk_end(&t[i]);
                }
        }
        SSL_CTX_free(server);
        tls_pool_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(thousand_at_once),         cmocka_unit_test(closed_in_every_phase),
                cmocka_unit_test(old_numbers_find_nothing), cmocka_unit_test(memory_has_a_ceiling),
                cmocka_unit_test(feeding_has_a_ceiling),    cmocka_unit_test(rings_run_over),
                cmocka_unit_test(descriptor_tells),         cmocka_unit_test(freed_in_the_middle),
        };
        return cmocka_run_group_tests(tests, make_things, free_things);
}
#else
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void without_openssl(void **state)
{
        (void)state;
        skip();
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(without_openssl)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
