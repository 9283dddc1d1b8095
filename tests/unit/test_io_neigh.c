// SPDX-License-Identifier: Apache-2.0
/*
 * The neighbour table: asking, retrying, giving up, being told, growing old and being asked again, whom to
 * believe, giving way when it is full, and readers that run beside the resolver (under TSan this is where a
 * race would show).
 */
#include "io/io.h"
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static const uint64_t RETRY = 100 * NS_PER_MS, CALM = 30 * NS_PER_S, LONG_DEAD = 5 * NS_PER_S;
static const uint8_t one[6] = {2, 1, 1, 1, 1, 1}, two[6] = {2, 2, 2, 2, 2, 2};

static struct io_neigh *made(size_t capacity)
{
        struct io_neigh *t;
        struct err e;
        struct io_neigh_conf c = {.capacity = capacity,
                                  .tries = 3,
                                  .retry_ns = RETRY,
                                  .calm_ns = CALM,
                                  .dead_ns = LONG_DEAD,
                                  .n_askers = 3,
                                  .n_tellers = 2};
        assert_int_equal(io_neigh_new(&t, &c, &e), 0);
        return t;
}

static enum io_neigh_state find(struct io_neigh *t, int ifindex, const struct ip_addr *ip, uint8_t mac[6])
{
        return io_neigh_find(t, 0, ifindex, ip, mac);
}

static unsigned due(struct io_neigh *t, uint64_t now_ns, struct io_neigh_ask *ask, unsigned most)
{
        (void)io_neigh_take(t, now_ns);
        return io_neigh_due(t, now_ns, ask, most);
}

/* Told as an answer is, and taken in. Did a known neighbour change? */
static bool learn(struct io_neigh *t, int ifindex, const struct ip_addr *ip, const uint8_t *mac,
                  uint64_t now_ns)
{
        io_neigh_tell(t, 0, ifindex, ip, mac, NEIGH_SURE | NEIGH_ANSWER);
        return io_neigh_take(t, now_ns);
}

/* Told to everybody. */
static bool announce(struct io_neigh *t, const struct ip_addr *ip, const uint8_t *mac, uint64_t now_ns)
{
        io_neigh_tell(t, 0, 1, ip, mac, NEIGH_SURE);
        return io_neigh_take(t, now_ns);
}

/* A neighbour that was asked for and has answered. */
static void meet(struct io_neigh *t, const struct ip_addr *ip, const uint8_t *mac, uint64_t now_ns)
{
        struct io_neigh_ask ask;
        uint8_t got[6];
        assert_int_equal(find(t, 1, ip, got), NEIGH_ASKING);
        assert_int_equal(due(t, now_ns, &ask, 1), 1);
        assert_false(ask.to_mac);
        assert_false(learn(t, 1, ip, mac, now_ns));
        assert_int_equal(find(t, 1, ip, got), NEIGH_KNOWN);
        assert_memory_equal(got, mac, 6);
}

static void assert_mac(struct io_neigh *t, const struct ip_addr *ip, const uint8_t *mac)
{
        uint8_t got[6];
        assert_int_equal(find(t, 1, ip, got), NEIGH_KNOWN);
        assert_memory_equal(got, mac, 6);
}

static void ask_retry_give_up(void **state)
{
        (void)state;
        struct io_neigh *t = made(100);
        struct io_neigh_ask ask[4];
        struct ip_addr ip = ip_v4(0x0a000001);
        uint8_t mac[6];
        assert_int_equal(due(t, 0, ask, 4), 0);
        assert_int_equal(find(t, 3, &ip, mac), NEIGH_ASKING);
        assert_int_equal(find(t, 3, &ip, mac), NEIGH_ASKING); /* said twice, asked once */
        assert_int_equal(due(t, 0, ask, 4), 1);
        assert_int_equal(find(t, 3, &ip, mac), NEIGH_ASKING);
        assert_int_equal(ask[0].ifindex, 3);
        assert_true(ip_eq(&ask[0].ip, &ip));
        assert_int_equal(due(t, RETRY - 1, ask, 4), 0);
        assert_int_equal(due(t, RETRY, ask, 4), 1);
        assert_int_equal(due(t, 2 * RETRY, ask, 4), 1);
        assert_int_equal(find(t, 3, &ip, mac), NEIGH_ASKING);
        assert_int_equal(due(t, 3 * RETRY - 1, ask, 4), 0);
        assert_int_equal(find(t, 3, &ip, mac), NEIGH_ASKING);
        assert_int_equal(due(t, 3 * RETRY, ask, 4), 0);
        assert_int_equal(find(t, 3, &ip, mac), NEIGH_DEAD);
        assert_int_equal(due(t, 99 * RETRY, ask, 4), 0);
        assert_false(learn(t, 3, &ip, one, 99 * RETRY));
        assert_int_equal(find(t, 3, &ip, mac), NEIGH_KNOWN);
        assert_memory_equal(mac, one, 6);
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
                assert_int_equal(find(t, 7, &ip[i], mac), NEIGH_ASKING);
        }
        assert_int_equal(due(t, 0, ask, 3), 3); /* a limit is kept, in order */
        for (unsigned i = 0; i < 3; i++)
                assert_true(ip_eq(&ask[i].ip, &ip[i]));
        learn(t, 7, &ip[1], one, 0);
        learn(t, 7, &ip[4], two, 0); /* before it was asked at all: used, and asked about all the same */
        assert_int_equal(find(t, 7, &ip[4], mac), NEIGH_KNOWN);
        assert_int_equal(due(t, 1, ask, 10), 2);
        assert_true(ip_eq(&ask[0].ip, &ip[3]) && ip_eq(&ask[1].ip, &ip[4]));
        assert_false(ask[1].to_mac);
        learn(t, 7, &ip[4], two, 2);
        assert_int_equal(due(t, 1 + RETRY, ask, 10), 3);
        assert_true(ip_eq(&ask[0].ip, &ip[0]) && ip_eq(&ask[1].ip, &ip[2]) && ip_eq(&ask[2].ip, &ip[3]));
        assert_int_equal(find(t, 7, &ip[4], mac), NEIGH_KNOWN);
        assert_memory_equal(mac, two, 6);
        assert_int_equal(find(t, 8, &ip[4], mac), NEIGH_ASKING); /* another link is another neighbour */
        io_neigh_free(t);
}

/* An answer is believed for a while; then whoever is used is asked again, at the old address first. */
static void known_ones_grow_old(void **state)
{
        (void)state;
        struct io_neigh *t = made(100);
        struct io_neigh_ask ask[4];
        struct ip_addr used = ip_v4(1), idle = ip_v4(2);
        meet(t, &used, one, 0);
        meet(t, &idle, two, 0);
        io_neigh_age(t, CALM - 1, 1e9);
        assert_mac(t, &used, one);
        assert_int_equal(due(t, CALM - 1, ask, 4), 0);
        io_neigh_age(t, CALM, 1e9);
        assert_mac(t, &used, one); /* still used while it is asked */
        assert_int_equal(due(t, CALM, ask, 4), 1);
        assert_true(ip_eq(&ask[0].ip, &used));
        assert_true(ask[0].to_mac);
        assert_memory_equal(ask[0].mac, one, 6);
        assert_int_equal(due(t, CALM + RETRY, ask, 4), 1);
        assert_false(ask[0].to_mac); /* then everybody */
        assert_true(learn(t, 1, &used, two, CALM + RETRY));
        assert_mac(t, &used, two);
        assert_int_equal(due(t, 2 * CALM, ask, 4), 0); /* an answer to a question needs no other */
        io_neigh_free(t);
}

static void silence_keeps_the_old_mac(void **state)
{
        (void)state;
        struct io_neigh *t = made(100);
        struct io_neigh_ask ask[4];
        struct ip_addr router = ip_v4(1), unknown = ip_v4(9);
        uint64_t now = 0;
        meet(t, &router, one, now);
        assert_int_equal(io_neigh_confirm(t, 1, &unknown), 0);
        for (unsigned round = 0; round < 4; round++) {
                assert_int_equal(io_neigh_confirm(t, 1, &router), round);
                assert_int_equal(io_neigh_confirm(t, 1, &router), round); /* being asked already */
                for (unsigned try = 0; try < 3; try++, now += RETRY) {
                        assert_int_equal(due(t, now, ask, 4), 1);
                        assert_int_equal(ask[0].to_mac, try == 0);
                }
                assert_int_equal(due(t, now, ask, 4), 0);
                assert_mac(t, &router, one);
        }
        assert_int_equal(io_neigh_confirm(t, 1, &router), 4);
        assert_int_equal(due(t, now, ask, 4), 1);
        assert_false(learn(t, 1, &router, one, now));
        assert_int_equal(io_neigh_confirm(t, 1, &router), 0);
        io_neigh_free(t);
}

/* Told unasked: taken at once and asked about; the true owner's answer then settles it. */
static void unasked_news(void **state)
{
        (void)state;
        struct io_neigh *t = made(100);
        struct io_neigh_ask ask[4];
        struct ip_addr ip = ip_v4(1);
        meet(t, &ip, one, 0);
        assert_true(learn(t, 1, &ip, two, 5));
        assert_mac(t, &ip, two);
        /* who says it again, to everybody or to us, does not put that off */
        assert_false(announce(t, &ip, two, 6));
        assert_false(learn(t, 1, &ip, two, 5 + RETRY / 2));
        assert_int_equal(due(t, 5 + RETRY - 1, ask, 4), 0);
        assert_int_equal(due(t, 5 + RETRY, ask, 4), 1);
        assert_false(ask[0].to_mac);
        /* nor does an announcement count as the answer */
        assert_false(announce(t, &ip, two, 5 + RETRY + 1));
        assert_int_equal(due(t, 5 + 2 * RETRY, ask, 4), 1);
        assert_true(learn(t, 1, &ip, one, 5 + 2 * RETRY));
        assert_mac(t, &ip, one);
        assert_int_equal(due(t, 5 + 9 * RETRY, ask, 4), 0);
        /* an advertisement without the override flag makes us ask, no more */
        io_neigh_tell(t, 0, 1, &ip, two, NEIGH_ANSWER);
        assert_false(io_neigh_take(t, NS_PER_S * 2));
        assert_mac(t, &ip, one);
        assert_int_equal(io_neigh_due(t, NS_PER_S * 2, ask, 4), 1);
        io_neigh_free(t);
}

/* While its link is out nobody is asked or given up; what was asked before it was back costs no try. */
static void an_outage_costs_no_try(void **state)
{
        (void)state;
        struct io_neigh *t = made(100);
        struct io_neigh_ask ask[4];
        struct ip_addr asked = ip_v4(1), wanted = ip_v4(2), known = ip_v4(3), elsewhere = ip_v4(4);
        uint8_t mac[6];
        uint64_t now = 0;
        meet(t, &known, one, now);
        assert_int_equal(find(t, 1, &asked, mac), NEIGH_ASKING);
        for (unsigned try = 0; try < 2; try++, now += RETRY)
                assert_int_equal(due(t, now, ask, 4), 1);
        assert_int_equal(io_neigh_confirm(t, 1, &known), 0);
        assert_int_equal(due(t, now, ask, 4), 2); /* the last try of the one, the first of the other */
        io_neigh_link(t, 1, true, now + RETRY / 2);
        assert_int_equal(find(t, 1, &wanted, mac), NEIGH_ASKING);
        assert_int_equal(find(t, 2, &elsewhere, mac), NEIGH_ASKING);
        for (unsigned i = 0; i < 10; i++, now += RETRY) {
                unsigned n = due(t, now, ask, 4);
                assert_int_equal(n, i < 3 ? 1 : 0); /* the other link goes on */
                assert_true(!n || ask[0].ifindex == 2);
        }
        assert_int_equal(find(t, 2, &elsewhere, mac), NEIGH_DEAD);
        io_neigh_link(t, 1, false, now);
        for (unsigned try = 0; try < 3; try++) {
                now += RETRY;
                assert_int_equal(due(t, now, ask, 4), 3);
        }
        assert_int_equal(find(t, 1, &asked, mac), NEIGH_ASKING);
        assert_int_equal(io_neigh_confirm(t, 1, &known), 0); /* no round of questions was lost */
        (void)due(t, now + RETRY, ask, 4);
        assert_int_equal(find(t, 1, &asked, mac), NEIGH_DEAD);
        assert_int_equal(find(t, 1, &wanted, mac), NEIGH_DEAD);
        assert_mac(t, &known, one);
        assert_int_equal(io_neigh_confirm(t, 1, &known), 1);
        io_neigh_free(t);
}

/* An outage that was over before the answer was overdue. */
static void a_short_outage_costs_no_try(void **state)
{
        (void)state;
        struct io_neigh *t = made(100);
        struct io_neigh_ask ask[4];
        struct ip_addr ip = ip_v4(1);
        uint8_t mac[6];
        uint64_t now = 0;
        assert_int_equal(find(t, 1, &ip, mac), NEIGH_ASKING);
        for (unsigned try = 0; try < 3; try++, now += RETRY)
                assert_int_equal(due(t, now, ask, 4), 1);
        io_neigh_link(t, 1, true, now - RETRY / 2);
        io_neigh_link(t, 1, false, now - RETRY / 4);
        for (unsigned try = 0; try < 3; try++, now += RETRY)
                assert_int_equal(due(t, now, ask, 4), 1);
        assert_int_equal(due(t, now, ask, 4), 0);
        assert_int_equal(find(t, 1, &ip, mac), NEIGH_DEAD);
        io_neigh_free(t);
}

/* Silence is believed for a while: the next use asks again, and an answer brings the dead back. */
static void the_dead_are_asked_again(void **state)
{
        (void)state;
        struct io_neigh *t = made(100);
        struct io_neigh_ask ask[4];
        struct ip_addr ip = ip_v4(1);
        uint8_t mac[6];
        uint64_t now = 0;
        for (unsigned life = 0; life < 2; life++) {
                assert_int_equal(find(t, 1, &ip, mac), life ? NEIGH_DEAD : NEIGH_ASKING);
                for (unsigned try = 0; try < 3; try++, now += RETRY) {
                        assert_int_equal(due(t, now, ask, 4), 1);
                        assert_false(ask[0].to_mac);
                }
                assert_int_equal(due(t, now, ask, 4), 0);
                io_neigh_age(t, now + LONG_DEAD - 1, 1e9);
                assert_int_equal(find(t, 1, &ip, mac), NEIGH_DEAD);
                assert_int_equal(due(t, now + LONG_DEAD - 1, ask, 4), 0);
                now += LONG_DEAD;
                io_neigh_age(t, now, 1e9);
        }
        assert_int_equal(due(t, now, ask, 4), 0); /* nobody uses it: nobody asks */
        assert_int_equal(find(t, 1, &ip, mac), NEIGH_DEAD);
        assert_int_equal(due(t, now, ask, 4), 1);
        assert_false(learn(t, 1, &ip, one, now));
        assert_mac(t, &ip, one);
        assert_int_equal(due(t, now + 9 * RETRY, ask, 4), 0);
        io_neigh_free(t);
}

static void strangers_are_not_listened_to(void **state)
{
        (void)state;
        struct io_neigh *t = made(64);
        struct io_neigh_ask ask[4];
        struct ip_addr ip = ip_v4(1), other = ip_v4(2);
        uint8_t mac[6];
        meet(t, &ip, one, 0);
        assert_false(learn(t, 1, &other, two, 0));
        assert_false(learn(t, 2, &ip, two, 0)); /* the same address on another link */
        assert_mac(t, &ip, one);
        assert_int_equal(find(t, 1, &other, mac), NEIGH_ASKING); /* nothing was kept */
        assert_int_equal(due(t, 0, ask, 4), 1);
        assert_false(learn(t, 1, &ip, (const uint8_t *)"\1\2\3\4\5\6", 0)); /* a group's address */
        assert_false(learn(t, 1, &ip, (const uint8_t *)"\0\0\0\0\0\0", 0));
        assert_mac(t, &ip, one);
        /* a storm about addresses nobody asked for leaves room for the one answer that matters */
        for (uint32_t i = 0; i < 100000; i++) {
                struct ip_addr x = ip_v4(1000 + i);
                io_neigh_tell(t, 1, 1, &x, two, NEIGH_SURE);
        }
        io_neigh_tell(t, 1, 1, &other, two, NEIGH_SURE);
        (void)io_neigh_take(t, 0);
        assert_mac(t, &other, two);
        io_neigh_free(t);
}

/* Asking again takes no more than its share, and picks up where it was. */
static void ageing_keeps_to_its_rate(void **state)
{
        (void)state;
        enum { HOSTS = 1000 };
        struct io_neigh *t = made(30 * HOSTS); /* nobody has to give way */
        struct io_neigh_ask ask[HOSTS];
        uint8_t mac[6];
        unsigned asked = 0;
        for (uint32_t i = 0; i < HOSTS; i++) {
                struct ip_addr ip = ip_v4(i + 1);
                meet(t, &ip, one, 0);
        }
        for (uint64_t now = CALM; now < CALM + 2 * NS_PER_S; now += 5 * NS_PER_MS) {
                io_neigh_age(t, now, 100);
                for (uint32_t i = 0; i < HOSTS; i++) {
                        struct ip_addr ip = ip_v4(i + 1);
                        assert_int_equal(find(t, 1, &ip, mac), NEIGH_KNOWN);
                }
                unsigned n = due(t, now, ask, HOSTS);
                for (unsigned i = 0; i < n; i++)
                        learn(t, 1, &ask[i].ip, one, now);
                asked += n;
        }
        assert_in_range(asked, 195, 210);
        io_neigh_free(t);
}

/* A network 100 times the table: everyone is resolved in the end; who is in use stays, and who is pinned
 * stays even unused. */
static void larger_than_the_table(void **state)
{
        (void)state;
        enum { HOSTS = 6400 };
        struct io_neigh *t = made(64);
        static bool done[HOSTS];
        struct io_neigh_ask ask[64];
        struct ip_addr router = ip_v4(1), pinned = ip_v4(2);
        uint8_t mac[6];
        unsigned left = HOSTS, lost_router = 0;
        uint64_t now = 0;
        meet(t, &router, one, 0);
        meet(t, &pinned, two, 0);
        io_neigh_pin(t, 1, &pinned);
        for (unsigned round = 0; left && round < 2000; round++, now += RETRY) {
                for (unsigned i = 0; i < HOSTS; i++) {
                        struct ip_addr ip = ip_v4(0x0a000000 + i);
                        if (done[i])
                                continue;
                        enum io_neigh_state s = find(t, 1, &ip, mac);
                        if (find(t, 1, &router, mac) != NEIGH_KNOWN)
                                lost_router++;
                        done[i] = s == (i % 2 ? NEIGH_KNOWN : NEIGH_DEAD);
                        left -= done[i];
                }
                for (unsigned n; (n = due(t, now, ask, 64));)
                        for (unsigned k = 0; k < n; k++)
                                if (ask[k].ip.lo % 2)
                                        learn(t, 1, &ask[k].ip, one, now);
        }
        assert_int_equal(left, 0);
        if (lost_router > HOSTS / 100)
                fail_msg("the router was forgotten %u times", lost_router);
        assert_mac(t, &pinned, two);
        io_neigh_free(t);
}

/* Wishes without room are refused, and heard when there is room again. */
static void a_full_ring(void **state)
{
        (void)state;
        struct io_neigh *t = made(64);
        struct io_neigh_ask ask[1];
        uint8_t mac[6];
        unsigned full = 0;
        for (uint32_t i = 0; i < 10000; i++) {
                struct ip_addr ip = ip_v4(i);
                full += find(t, 1, &ip, mac) == NEIGH_FULL;
        }
        assert_true(full > 0);
        struct ip_addr ip = ip_v4(10000);
        assert_int_equal(find(t, 1, &ip, mac), NEIGH_FULL);
        assert_int_equal(io_neigh_find(t, 1, 1, &ip, mac), NEIGH_ASKING); /* each asker has its own */
        (void)due(t, 0, ask, 1);
        ip = ip_v4(20000);
        assert_int_equal(find(t, 1, &ip, mac), NEIGH_ASKING);
        io_neigh_free(t);
}

struct race {
        struct io_neigh *t;
        atomic_bool stop;
        atomic_ulong wrong, known;
};
struct reader {
        struct race *race;
        unsigned id;
};

/* A MAC's bytes 1 to 5 are alike here and tell the address: anything else was read half written, or is
 * another's. */
static void *read_all_the_time(void *arg)
{
        const struct reader *me = arg;
        struct race *r = me->race;
        uint8_t mac[6];
        while (!atomic_load(&r->stop))
                for (uint32_t i = 0; i < 64; i++) {
                        struct ip_addr ip = ip_v4(i);
                        if (io_neigh_find(r->t, me->id, 1, &ip, mac) != NEIGH_KNOWN)
                                continue;
                        atomic_fetch_add(&r->known, 1);
                        for (int k = 2; k < 6; k++)
                                if (mac[k] != mac[1] || mac[1] % 64 != i)
                                        atomic_fetch_add(&r->wrong, 1);
                }
        return NULL;
}

static void *tell_all_the_time(void *arg)
{
        struct race *r = arg;
        for (uint32_t n = 0; !atomic_load(&r->stop); n++) {
                struct ip_addr ip = ip_v4(n % 64);
                uint8_t mac[6];
                memset(mac, (int)(n % 256), 6);
                mac[0] = 2;
                io_neigh_tell(r->t, 0, 1, &ip, mac, NEIGH_SURE | n % 2 * NEIGH_ANSWER);
        }
        return NULL;
}

static void readers_tellers_and_resolver(void **state)
{
        (void)state;
        struct race r = {.t = made(64)};
        struct reader readers[2] = {{&r, 0}, {&r, 1}};
        pthread_t thread[3];
        struct io_neigh_ask ask[16];
        uint64_t n = 0, until = clock_mono_ns() + NS_PER_S / 2;
        for (int i = 0; i < 2; i++)
                pthread_create(&thread[i], NULL, read_all_the_time, &readers[i]);
        pthread_create(&thread[2], NULL, tell_all_the_time, &r);
        for (; clock_mono_ns() < until; n++) {
                struct ip_addr far = ip_v4((uint32_t)(1000 + n / 256 % 128));
                uint8_t other[6] = {0};
                (void)io_neigh_find(r.t, 2, 1, &far, other);
                (void)io_neigh_take(r.t, n * NS_PER_MS);
                io_neigh_age(r.t, n * NS_PER_MS, 1e6);
                (void)io_neigh_due(r.t, n * NS_PER_MS, ask, 16);
        }
        atomic_store(&r.stop, true);
        for (int i = 0; i < 3; i++)
                pthread_join(thread[i], NULL);
        assert_true(atomic_load(&r.known) > 1000);
        assert_int_equal(atomic_load(&r.wrong), 0);
        io_neigh_free(r.t);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(ask_retry_give_up),
                cmocka_unit_test(answers_stop_the_asking),
                cmocka_unit_test(known_ones_grow_old),
                cmocka_unit_test(silence_keeps_the_old_mac),
                cmocka_unit_test(unasked_news),
                cmocka_unit_test(an_outage_costs_no_try),
                cmocka_unit_test(a_short_outage_costs_no_try),
                cmocka_unit_test(the_dead_are_asked_again),
                cmocka_unit_test(strangers_are_not_listened_to),
                cmocka_unit_test(ageing_keeps_to_its_rate),
                cmocka_unit_test(larger_than_the_table),
                cmocka_unit_test(a_full_ring),
                cmocka_unit_test(readers_tellers_and_resolver),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
