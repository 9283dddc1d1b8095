// SPDX-License-Identifier: Apache-2.0
/*
 * Hosts that answer on every port, among others: a simulated scan in a real order, whose answers come late.
 * Those must be named once and soon, and nobody else: not a host with a hundred services, nor one behind a
 * firewall that drops the rest, nor one that is open on most ports only.
 */
#include "engine/allopen.h"
#include "target/target.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { HOSTS = 240, PORTS = 1200, KINDS = 6, LATE = 500 /* probes from a probe to its answer */ };
enum kind { ALL, LOSSY, SERVICES, WALLED, MOST, NOBODY };

static struct allopen t;
static struct tgt_order order;
static uint32_t named_at[HOSTS]; /* ports probed by then; 0: it was not */
static unsigned named;

static enum kind kind_of(uint32_t host)
{
        return (enum kind)(host % KINDS);
}

static bool chance(uint64_t seed, unsigned percent)
{
        return hash_mix64(seed) % 100 < percent;
}

/* 1: open, 0: closed, -1: no answer */
static int answer_of(uint32_t host, uint32_t port)
{
        uint64_t seed = (uint64_t)host << 32 | port;
        switch (kind_of(host)) {
        case ALL:
                return 1;
        case LOSSY:
                return chance(seed, 96) ? 1 : -1;
        case SERVICES:
                return chance(seed, 10);
        case WALLED:
                return chance(seed, 10) ? 1 : -1;
        case MOST:
                return chance(seed, 70) ? 1 : 0;
        case NOBODY:
                break;
        }
        return -1;
}

static struct ip_addr addr_of(uint32_t host)
{
        return ip_v4(0x0a000000 + host);
}

static uint32_t probed_at(uint64_t pos, uint32_t ports)
{
        return (uint32_t)((double)pos / (double)order.domain * ports);
}

static void hear(uint64_t index, uint32_t ports, uint32_t probed)
{
        uint32_t host = (uint32_t)(index / ports);
        int a = answer_of(host, (uint32_t)(index % ports));
        struct ip_addr ip = addr_of(host);
        struct allopen_host *h = a < 0 ? NULL : allopen_note(&t, &ip, a > 0, probed);
        if (h && allopen_known(h, probed)) {
                assert_int_equal(named_at[host], 0);
                named_at[host] = MAX(probed, 1u);
                named++;
        }
}

static void scan(uint32_t ports, uint64_t late, uint64_t from, uint64_t end)
{
        for (uint64_t pos = from; pos < end + late; pos++) {
                uint64_t index = pos < late ? order.count : tgt_order_at(&order, pos - late);
                if (pos >= from + late && index < order.count)
                        hear(index, ports, probed_at(MIN(pos, end), ports));
        }
}

static void start(uint32_t ports, uint64_t seed)
{
        allopen_init(&t, ports);
        tgt_order_init(&order, (uint64_t)HOSTS * ports, seed);
        memset(named_at, 0, sizeof(named_at));
        named = 0;
}

static void those_and_nobody_else(void **state)
{
        (void)state;
        for (uint64_t seed = 1; seed <= 20; seed++) {
                start(PORTS, seed);
                scan(PORTS, LATE, 0, order.domain);
                uint64_t sum = 0;
                for (uint32_t h = 0; h < HOSTS; h++) {
                        if ((kind_of(h) <= LOSSY) != (named_at[h] != 0))
                                fail_msg("seed %u, host of kind %d: named after %u ports", (unsigned)seed,
                                         (int)kind_of(h), named_at[h]);
                        if (kind_of(h) != ALL)
                                continue;
                        assert_in_range(named_at[h], 70, 500);
                        sum += named_at[h];
                }
                assert_in_range(sum / (HOSTS / KINDS), 95, 140); /* as soon as there are a hundred */
                allopen_free(&t);
        }
}

/* All answers come after the last probe: how many were probed says no less then. */
static void faster_than_the_answers(void **state)
{
        (void)state;
        start(PORTS, 1);
        for (uint64_t i = 0; i < order.count; i++)
                hear(i, PORTS, PORTS);
        assert_int_equal(named, 2 * HOSTS / KINDS);
        for (uint32_t h = 0; h < HOSTS; h++)
                assert_int_equal(named_at[h], kind_of(h) <= LOSSY ? PORTS : 0);
        allopen_free(&t);
}

static void few_ports_prove_nothing(void **state)
{
        (void)state;
        start(ALLOPEN_LEAST - 1, 1);
        scan(ALLOPEN_LEAST - 1, 0, 0, order.domain);
        assert_int_equal(named, 0);
        assert_null(t.buckets);
        allopen_free(&t);
        start(ALLOPEN_LEAST, 1);
        scan(ALLOPEN_LEAST, 0, 0, order.domain);
        assert_int_equal(named, HOSTS / KINDS); /* all of a hundred */
        allopen_free(&t);
}

/* The journal tells who was found and who was named; what it does not tell are closed ports. */
static void resumed_it_is_not_said_again(void **state)
{
        (void)state;
        start(PORTS, 3);
        uint64_t half = order.domain / 2, quarter = order.domain / 20;
        scan(PORTS, 0, 0, quarter);
        assert_int_equal(named, 0);
        scan(PORTS, 0, quarter, half);
        assert_int_equal(named, 2 * HOSTS / KINDS);
        allopen_free(&t);
        allopen_init(&t, PORTS);
        for (uint64_t pos = 0; pos < half; pos++) {
                uint64_t index = tgt_order_at(&order, pos);
                struct ip_addr ip = addr_of((uint32_t)(index / PORTS));
                if (index < order.count &&
                    answer_of((uint32_t)(index / PORTS), (uint32_t)(index % PORTS)) > 0)
                        allopen_note(&t, &ip, true, PORTS / 2);
        }
        for (uint32_t h = 0; h < HOSTS; h++)
                if (named_at[h]) {
                        struct ip_addr ip = addr_of(h);
                        allopen_told(&t, &ip);
                }
        scan(PORTS, 0, half, order.domain); /* hear() wants each to be named once at most */
        assert_int_equal(named, 2 * HOSTS / KINDS);
        allopen_free(&t);
}

static bool one_more_open(uint32_t host, uint32_t probed)
{
        struct ip_addr ip = addr_of(host);
        struct allopen_host *h = allopen_note(&t, &ip, true, probed);
        return h && allopen_known(h, probed);
}

/* Hundreds of thousands of hosts with a service or two, who were there first and come all the time, do not
 * push out those few that are looked for, nor those that were named before the scan was resumed. */
static void among_many(void **state)
{
        enum { FULL_AT = 50, FIRST = 300000, EACH = 1250, TARPITS = 40, NAMED = 40, ROUNDS = 104 };
        uint32_t other = 1000, found = 0;
        (void)state;
        allopen_init(&t, 1000);
        for (uint32_t i = TARPITS; i < TARPITS + NAMED; i++) {
                struct ip_addr ip = addr_of(i);
                allopen_told(&t, &ip);
        }
        while (other < FIRST)
                assert_false(one_more_open(other++, FULL_AT));
        for (uint32_t probed = FULL_AT + 1; probed <= FULL_AT + ROUNDS; probed++) {
                for (uint32_t i = 0; i < EACH; i++)
                        assert_false(one_more_open(other++, probed));
                for (uint32_t i = 0; i < TARPITS; i++)
                        found += one_more_open(i, probed);
                for (uint32_t i = TARPITS; i < TARPITS + NAMED; i++)
                        assert_false(one_more_open(i, probed));
        }
        assert_int_equal(found, TARPITS);
        allopen_free(&t);
}

/* A whole /16 of them: as good as all are named, none twice, though more come than are watched. */
static void a_whole_network(void **state)
{
        enum { NET = 1 << 16, MORE = 1 << 17 };
        static uint8_t times[NET + MORE];
        unsigned found = 0, all = 0;
        (void)state;
        allopen_init(&t, 1000);
        for (uint32_t probed = 1; probed <= 220; probed++) {
                uint32_t from = probed > 110 ? NET : 0, n = probed > 110 ? MORE : NET;
                for (uint32_t i = from; i < from + n; i++) {
                        times[i] = (uint8_t)(times[i] + one_more_open(i, probed));
                }
        }
        for (uint32_t i = 0; i < NET + MORE; i++) {
                assert_true(times[i] <= 1);
                found += i < NET && times[i];
                all += times[i];
        }
        assert_true(found > NET / 100 * 97); /* 1.7 % are in buckets of more than there are ways: +-0.2 */
        assert_in_range(all, found, 15 << 13);
        allopen_free(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(those_and_nobody_else),        cmocka_unit_test(faster_than_the_answers),
                cmocka_unit_test(few_ports_prove_nothing),      cmocka_unit_test(among_many),
                cmocka_unit_test(resumed_it_is_not_said_again), cmocka_unit_test(a_whole_network),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
