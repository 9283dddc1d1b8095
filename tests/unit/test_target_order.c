// SPDX-License-Identifier: Apache-2.0
/*
 * test_target_order: the keyed permutation. First its promises (bijection, inverse, fill of at least a half),
 * then its quality: a scan's beginning must be spread evenly over networks and ports, neighbours in time must
 * not be neighbours in space, and small scans must see every order about equally often. Each statistic is a
 * deviation in units of its standard deviation; the same statistics are run on a permutation crippled to 2
 * rounds and must reject it. Invariant: fixed seeds, so a run gives the same figures every time.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "target/target.h"

enum { LIMIT = 5 }; /* standard deviations */

static uint64_t rnd_state = 1;

static uint64_t rnd(void)
{
        return hash_mix64(rnd_state += 0x9e3779b97f4a7c15ull);
}

static struct tgt_order order_of(uint64_t count, uint64_t seed, unsigned rounds)
{
        struct tgt_order o;
        tgt_order_init(&o, count, seed);
        if (rounds)
                o.rounds = rounds;
        return o;
}

static void expect_shape(const struct tgt_order *o, uint64_t count)
{
        assert_true(o->domain >= count);
        assert_true(o->domain / 2 < count);
        assert_true(o->domain == 1ull << o->width);
}

/* ---- promises ---- */

static void expect_bijection(uint64_t count, uint64_t seed)
{
        struct tgt_order o = order_of(count, seed, 0);
        uint8_t *seen = calloc(o.domain, 1);
        expect_shape(&o, count);
        for (uint64_t pos = 0; pos < o.domain; pos++) {
                uint64_t index = tgt_order_at(&o, pos);
                assert_true(index < o.domain && !seen[index]);
                seen[index] = 1;
                assert_true(tgt_order_pos(&o, index) == pos);
        }
        free(seen);
}

static void test_bijection(void **state)
{
        (void)state;
        for (uint64_t n = 1; n <= 700; n++)
                expect_bijection(n, n * 31);
        for (unsigned width = 10; width <= 16; width++) {
                expect_bijection((1ull << width) - 1, width);
                expect_bijection(1ull << width, width);
                expect_bijection((1ull << width) + 1, width);
        }
        expect_bijection(70000, 99);
}

static void expect_inverse(const struct tgt_order *o)
{
        uint64_t pos = rnd() & (o->domain - 1), index = rnd() & (o->domain - 1);
        uint64_t there = tgt_order_at(o, pos), back = tgt_order_pos(o, index);
        assert_true(there < o->domain && tgt_order_pos(o, there) == pos);
        assert_true(back < o->domain && tgt_order_at(o, back) == index);
}

static void test_every_size(void **state)
{
        (void)state;
        for (uint64_t n = 1; n <= 70000; n++) {
                struct tgt_order o = order_of(n, rnd(), 0);
                expect_shape(&o, n);
                for (unsigned i = 0; i < 4; i++)
                        expect_inverse(&o);
        }
}

static void test_big_sizes(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 4000; i++) {
                uint64_t n = (rnd() >> (1 + rnd() % 46)) + 1;
                struct tgt_order o = order_of(n, rnd(), 0);
                expect_shape(&o, n);
                for (unsigned k = 0; k < 30; k++)
                        expect_inverse(&o);
        }
        struct tgt_order top = order_of(1ull << 63, 3, 0);
        expect_shape(&top, 1ull << 63);
        assert_int_equal(top.width, 63);
        expect_inverse(&top);
        struct tgt_order none = order_of(0, 3, 0);
        assert_int_equal(none.domain, 0);
}

static void test_seeds(void **state)
{
        struct tgt_order a = order_of(1 << 20, 5, 0), b = order_of(1 << 20, 5, 0),
                         c = order_of(1 << 20, 6, 0);
        unsigned same = 0;
        (void)state;
        for (uint64_t pos = 0; pos < 10000; pos++) {
                assert_int_equal(tgt_order_at(&a, pos), tgt_order_at(&b, pos));
                same += tgt_order_at(&a, pos) == tgt_order_at(&c, pos);
        }
        assert_true(same < 5);
}

/* ---- quality ---- */

/* Chi-square as a deviation from what drawing without replacement gives (taken: the share drawn). */
static double deviation(const uint32_t *bin, size_t bins, double expected, double taken)
{
        double chi = 0, df = (double)(bins - 1) * (1 - taken);
        for (size_t i = 0; i < bins; i++)
                chi += ((double)bin[i] - expected) * ((double)bin[i] - expected) / expected;
        return (chi - df) / sqrt(2 * df);
}

struct quality {
        double nets, ports, both, serial, pairs; /* worst deviations, absolute */
};

static double worse(double a, double b)
{
        return fabs(a) > b ? fabs(a) : b;
}

enum { NETS = 64, PORTS = 16, PROBES = 1 << 26, FIRST = PROBES / 100 };

/* The first 1 % of a scan of 64 networks of /16, 16 ports. */
static void look_at_start(const struct tgt_order *o, struct quality *q)
{
        uint32_t net[NETS] = {0}, port[PORTS] = {0}, both[NETS * PORTS] = {0}, pair[256] = {0};
        double sum = 0, half = (double)PROBES / 2;
        uint64_t before = tgt_order_at(o, FIRST);
        for (uint64_t pos = 0; pos < FIRST; pos++) {
                uint64_t index = tgt_order_at(o, pos), n = index / PORTS >> 16, p = index % PORTS;
                net[n]++;
                port[p]++;
                both[n * PORTS + p]++;
                pair[(before >> 22) * 16 + (index >> 22)]++;
                sum += ((double)before - half) * ((double)index - half);
                before = index;
        }
        double taken = 0.01, variance = (double)PROBES * (double)PROBES / 12;
        q->nets = worse(deviation(net, NETS, (double)FIRST / NETS, taken), q->nets);
        q->ports = worse(deviation(port, PORTS, (double)FIRST / PORTS, taken), q->ports);
        q->both = worse(deviation(both, NETS * PORTS, (double)FIRST / NETS / PORTS, taken), q->both);
        q->pairs = worse(deviation(pair, 256, (double)FIRST / 256, 0), q->pairs);
        q->serial = worse(sum / variance / sqrt((double)FIRST), q->serial);
}

static struct quality quality_of(unsigned rounds, unsigned seeds)
{
        struct quality q = {0};
        for (unsigned seed = 0; seed < seeds; seed++) {
                struct tgt_order o = order_of(PROBES, seed, rounds);
                look_at_start(&o, &q);
        }
        return q;
}

static void test_start_of_scan(void **state)
{
        struct quality q = quality_of(0, 6);
        (void)state;
        print_message("nets %.1f ports %.1f both %.1f pairs %.1f serial %.1f\n", q.nets, q.ports, q.both,
                      q.pairs, q.serial);
        assert_true(q.nets < LIMIT && q.ports < LIMIT && q.both < LIMIT && q.pairs < LIMIT &&
                    q.serial < LIMIT);
}

static void test_start_of_scan_can_fail(void **state)
{
        struct quality q = quality_of(2, 1);
        (void)state;
        print_message("2 rounds: nets %.1f ports %.1f both %.1f pairs %.1f serial %.1f\n", q.nets, q.ports,
                      q.both, q.pairs, q.serial);
        assert_true(q.nets > LIMIT || q.ports > LIMIT || q.both > LIMIT || q.pairs > LIMIT ||
                    q.serial > LIMIT);
}

/* How evenly the first two places of a domain of 2^width are dealt over many seeds. */
static double pairs_over_seeds(unsigned width, unsigned rounds)
{
        size_t d = (size_t)1 << width, bins = d * (d - 1);
        unsigned seeds = (unsigned)bins * 40;
        uint32_t *bin = calloc(bins, sizeof(*bin));
        for (unsigned seed = 0; seed < seeds; seed++) {
                struct tgt_order o = order_of(d, seed, rounds);
                uint64_t a = tgt_order_at(&o, 0), b = tgt_order_at(&o, 1);
                bin[a * (d - 1) + (b > a ? b - 1 : b)]++;
        }
        double z = deviation(bin, bins, (double)seeds / (double)bins, 0);
        free(bin);
        return fabs(z);
}

static void test_small_scans(void **state)
{
        (void)state;
        for (unsigned width = 1; width <= 6; width++) {
                double z = pairs_over_seeds(width, 0), crippled = pairs_over_seeds(width, 2);
                print_message("width %u: %.1f, with 2 rounds %.1f\n", width, z, crippled);
                assert_true(z < LIMIT);
                assert_true(width < 2 || crippled > LIMIT);
        }
}

/* Of 4 elements all 24 orders must come up equally often. */
static void test_orders_of_four(void **state)
{
        uint32_t bin[256] = {0}, used[24], n = 0;
        enum { SEEDS = 24000 };
        (void)state;
        for (unsigned seed = 0; seed < SEEDS; seed++) {
                struct tgt_order o = order_of(4, seed, 0);
                unsigned code = 0;
                for (uint64_t pos = 0; pos < 4; pos++)
                        code = code << 2 | (unsigned)tgt_order_at(&o, pos);
                bin[code]++;
        }
        for (unsigned i = 0; i < 256; i++)
                if (bin[i] && n < 24)
                        used[n++] = bin[i];
        assert_int_equal(n, 24);
        assert_true(fabs(deviation(used, 24, SEEDS / 24.0, 0)) < LIMIT);
}

/* How the index moves when the position moves by `stride`, over many seeds. */
static double steps_over_seeds(unsigned width, unsigned rounds, uint64_t stride)
{
        enum { SEEDS = 400, STEPS = 64 };
        uint32_t bin[256] = {0};
        for (unsigned seed = 0; seed < SEEDS; seed++) {
                struct tgt_order o = order_of(1ull << width, seed, rounds);
                for (uint64_t pos = 0; pos < STEPS; pos++) {
                        uint64_t a = tgt_order_at(&o, pos), b = tgt_order_at(&o, pos + stride);
                        bin[(b - a) >> (width - 8) & 255]++;
                }
        }
        return fabs(deviation(bin, 256, SEEDS * STEPS / 256.0, 0));
}

/* Middle and large widths, both sides of where the number of rounds changes: steps of one, and of one in the
 * left half only, which is where a short network shows. */
static void test_steps(void **state)
{
        (void)state;
        for (unsigned width = 13; width <= 63; width += width < 20 ? 1 : 5) {
                uint64_t left = 1ull << (width + 1) / 2;
                double z = worse(steps_over_seeds(width, 0, 1), steps_over_seeds(width, 0, left));
                double crippled = steps_over_seeds(width, 2, left);
                print_message("width %u: %.1f, with 2 rounds %.1f\n", width, z, crippled);
                assert_true(z < LIMIT && crippled > LIMIT);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bijection),     cmocka_unit_test(test_every_size),
                cmocka_unit_test(test_big_sizes),     cmocka_unit_test(test_seeds),
                cmocka_unit_test(test_start_of_scan), cmocka_unit_test(test_start_of_scan_can_fail),
                cmocka_unit_test(test_small_scans),   cmocka_unit_test(test_orders_of_four),
                cmocka_unit_test(test_steps),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
