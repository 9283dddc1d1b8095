// SPDX-License-Identifier: Apache-2.0
/*
 * The neighbour table: asking, retrying, giving up, learning, giving way when it is full, and readers that
 * run beside a writer (under TSan this is where a race would show).
 */
#include "io/io.h"
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static const uint64_t RETRY = 100 * NS_PER_MS;

static struct io_neigh *made(size_t capacity)
{
        struct io_neigh *t;
        struct err e;
        assert_int_equal(io_neigh_new(&t, capacity, 3, RETRY, &e), 0);
        return t;
}

static void ask_retry_give_up(void **state)
{
        (void)state;
        struct io_neigh *t = made(100);
        struct io_neigh_ask ask[4];
        struct ip_addr ip = ip_v4(0x0a000001);
        uint8_t mac[6];
        assert_int_equal(io_neigh_due(t, 0, ask, 4), 0);
        assert_int_equal(io_neigh_find(t, 3, &ip, mac), NEIGH_ASKING);
        assert_int_equal(io_neigh_find(t, 3, &ip, mac), NEIGH_ASKING);
        assert_int_equal(io_neigh_due(t, 0, ask, 4), 1);
        assert_int_equal(ask[0].ifindex, 3);
        assert_true(ip_eq(&ask[0].ip, &ip));
        assert_int_equal(io_neigh_due(t, RETRY - 1, ask, 4), 0);
        assert_int_equal(io_neigh_due(t, RETRY, ask, 4), 1);
        assert_int_equal(io_neigh_due(t, 2 * RETRY, ask, 4), 1);
        assert_int_equal(io_neigh_find(t, 3, &ip, mac), NEIGH_ASKING);
        assert_int_equal(io_neigh_due(t, 3 * RETRY - 1, ask, 4), 0);
        assert_int_equal(io_neigh_find(t, 3, &ip, mac), NEIGH_ASKING);
        assert_int_equal(io_neigh_due(t, 3 * RETRY, ask, 4), 0);
        assert_int_equal(io_neigh_find(t, 3, &ip, mac), NEIGH_DEAD);
        assert_int_equal(io_neigh_due(t, 99 * RETRY, ask, 4), 0);
        io_neigh_learn(t, 3, &ip, (const uint8_t *)"\1\2\3\4\5\6");
        assert_int_equal(io_neigh_find(t, 3, &ip, mac), NEIGH_KNOWN);
        assert_memory_equal(mac, "\1\2\3\4\5\6", 6);
        io_neigh_free(t);
        io_neigh_free(NULL);
}

static void answers_stop_the_asking(void **state)
{
        (void)state;
        struct io_neigh *t = made(100);
        struct io_neigh_ask ask[10];
        struct ip_addr ip[5];
        uint8_t mac[6];
        for (unsigned i = 0; i < 5; i++) {
                ip[i] = ip_v6(0xfe80000000000000, 1 + i);
                ip[i].zone = 7;
                assert_int_equal(io_neigh_find(t, 7, &ip[i], mac), NEIGH_ASKING);
        }
        assert_int_equal(io_neigh_due(t, 0, ask, 3), 3); /* a limit is kept, in order */
        for (unsigned i = 0; i < 3; i++)
                assert_true(ip_eq(&ask[i].ip, &ip[i]));
        io_neigh_learn(t, 7, &ip[1], (const uint8_t *)"\1\1\1\1\1\1");
        io_neigh_learn(t, 7, &ip[4], (const uint8_t *)"\4\4\4\4\4\4"); /* before it was asked at all */
        assert_int_equal(io_neigh_due(t, 1, ask, 10), 1);
        assert_true(ip_eq(&ask[0].ip, &ip[3]));
        assert_int_equal(io_neigh_due(t, 1 + RETRY, ask, 10), 3);
        assert_true(ip_eq(&ask[0].ip, &ip[0]) && ip_eq(&ask[1].ip, &ip[2]) && ip_eq(&ask[2].ip, &ip[3]));
        assert_int_equal(io_neigh_find(t, 7, &ip[4], mac), NEIGH_KNOWN);
        assert_memory_equal(mac, "\4\4\4\4\4\4", 6);
        assert_int_equal(io_neigh_find(t, 8, &ip[4], mac),
                         NEIGH_ASKING); /* another link is another neighbour */
        io_neigh_learn(t, 7, &ip[4], (const uint8_t *)"\5\5\5\5\5\5");
        assert_int_equal(io_neigh_find(t, 7, &ip[4], mac), NEIGH_KNOWN);
        assert_memory_equal(mac, "\5\5\5\5\5\5", 6);
        io_neigh_free(t);
}

/* A network 100 times the table: everyone is resolved in the end, and one that is in use stays. */
static void larger_than_the_table(void **state)
{
        (void)state;
        enum { HOSTS = 6400 };
        struct io_neigh *t = made(64);
        static bool done[HOSTS];
        struct io_neigh_ask ask[64];
        struct ip_addr router = ip_v4(1);
        uint8_t mac[6];
        unsigned left = HOSTS, full = 0, lost_router = 0;
        uint64_t now = 0;
        io_neigh_learn(t, 1, &router, (const uint8_t *)"\7\7\7\7\7\7");
        for (unsigned round = 0; left && round < 2000; round++, now += RETRY) {
                for (unsigned i = 0; i < HOSTS; i++) {
                        struct ip_addr ip = ip_v4(0x0a000000 + i);
                        if (done[i])
                                continue;
                        enum io_neigh_state s = io_neigh_find(t, 1, &ip, mac);
                        full += s == NEIGH_FULL;
                        if (io_neigh_find(t, 1, &router, mac) != NEIGH_KNOWN) {
                                lost_router++;
                                io_neigh_learn(t, 1, &router, (const uint8_t *)"\7\7\7\7\7\7");
                        }
                        done[i] = s == (i % 2 ? NEIGH_KNOWN : NEIGH_DEAD);
                        left -= done[i];
                }
                for (unsigned n; (n = io_neigh_due(t, now, ask, 64));)
                        for (unsigned k = 0; k < n; k++)
                                if (ask[k].ip.lo % 2)
                                        io_neigh_learn(t, 1, &ask[k].ip, (const uint8_t *)"\1\2\3\4\5\6");
        }
        assert_int_equal(left, 0);
        assert_true(full > 0); /* the table was full indeed, and said so */
        if (lost_router > HOSTS / 100)
                fail_msg("the router was forgotten %u times", lost_router);
        io_neigh_free(t);
}

struct race {
        struct io_neigh *t;
        atomic_bool stop;
        atomic_ulong wrong, known;
};

/* A MAC is always six equal bytes here: anything else was read half written, or is another's. */
static void *read_all_the_time(void *arg)
{
        struct race *r = arg;
        uint8_t mac[6];
        while (!atomic_load(&r->stop))
                for (uint32_t i = 0; i < 64; i++) {
                        struct ip_addr ip = ip_v4(i);
                        if (io_neigh_find(r->t, 1, &ip, mac) != NEIGH_KNOWN)
                                continue;
                        atomic_fetch_add(&r->known, 1);
                        for (int k = 1; k < 6; k++)
                                if (mac[k] != mac[0] || mac[0] % 64 != i)
                                        atomic_fetch_add(&r->wrong, 1);
                }
        return NULL;
}

static void readers_and_writer(void **state)
{
        (void)state;
        struct race r = {.t = made(64)};
        pthread_t reader[2];
        struct io_neigh_ask ask[16];
        uint64_t n = 0, until = clock_mono_ns() + NS_PER_S / 2;
        for (int i = 0; i < 2; i++)
                pthread_create(&reader[i], NULL, read_all_the_time, &r);
        for (; clock_mono_ns() < until; n++) {
                struct ip_addr ip = ip_v4((uint32_t)(n % 64)), far = ip_v4((uint32_t)(1000 + n % 500));
                uint8_t mac[6], other[6] = {0};
                memset(mac, (int)(n % 64 + 64 * (n / 64 % 4)), 6);
                io_neigh_learn(r.t, 1, &ip, mac);
                (void)io_neigh_find(r.t, 1, &far, other);
                (void)io_neigh_due(r.t, n * RETRY, ask, 16);
        }
        atomic_store(&r.stop, true);
        for (int i = 0; i < 2; i++)
                pthread_join(reader[i], NULL);
        assert_true(atomic_load(&r.known) > 1000);
        assert_int_equal(atomic_load(&r.wrong), 0);
        io_neigh_free(r.t);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(ask_retry_give_up),
                cmocka_unit_test(answers_stop_the_asking),
                cmocka_unit_test(larger_than_the_table),
                cmocka_unit_test(readers_and_writer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
