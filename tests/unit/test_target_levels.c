// SPDX-License-Identifier: Apache-2.0
/*
 * test_target_levels: every level of the CPU draws the same targets. A naive twin (tgt_order_at() one
 * position at a time, the plan's ranges searched one by one) says what must come out; each level this machine
 * has must give it bit for bit, for plans of every width, kind and number of ports, at any position, end,
 * limit and fill of the batches. Invariant: fixed seeds, so a run gives the same cases every time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "target/target.h"

static uint64_t rnd_state = 20;

static uint64_t rnd(void)
{
        return hash_mix64(rnd_state += 0x9e3779b97f4a7c15ull);
}

static uint64_t below(uint64_t n)
{
        return rnd() % n;
}

static bool use_level(unsigned l)
{
        if (cpu_force((enum cpu_level)l))
                return true;
        print_message("this machine has no %s: skipped\n", cpu_level_name((enum cpu_level)l));
        return false;
}

/* ---- the order alone ---- */

static void expect_block(const struct tgt_order *o, uint64_t pos, uint64_t end)
{
        uint64_t at[TGT_BLOCK_ROOM], index[TGT_BLOCK_ROOM], from = pos;
        unsigned n = tgt_order_block(o, &pos, end, at, index), k = 0;
        assert_true(pos > from && pos <= end && pos - from <= TGT_BLOCK);
        for (; from < pos; from++) {
                uint64_t want = tgt_order_at(o, from);
                if (want >= o->count)
                        continue;
                assert_true(k < n && at[k] == from && index[k] == want);
                k++;
        }
        assert_int_equal(k, n);
}

static void expect_order(uint64_t count)
{
        struct tgt_order o;
        tgt_order_init(&o, count, rnd());
        for (unsigned i = 0; i < 20; i++) {
                uint64_t pos = below(o.domain), left = o.domain - pos;
                expect_block(&o, pos, pos + 1 + below(i % 2 ? MIN(left, 100u) : left));
        }
        expect_block(&o, 0, o.domain);
        expect_block(&o, o.domain - MIN(o.domain, 70u), o.domain);
        expect_block(&o, o.domain - 1, o.domain);
}

static void test_order(void **state)
{
        (void)state;
        for (unsigned l = 0; l < CPU_LEVELS; l++) {
                if (!use_level(l))
                        continue;
                for (unsigned width = 0; width <= 63; width++) {
                        uint64_t full = 1ull << width;
                        expect_order(full);
                        expect_order(full / 2 + 1); /* the worst fill */
                        for (unsigned i = 0; i < 20; i++)
                                expect_order(full - below(full / 2 + 1));
                }
        }
}

/* ---- plans ---- */

struct twin { /* a plan, and its ranges and ports laid out for the naive look-up */
        struct tgt_plan *plan;
        struct tgt_plan_facts facts;
        struct tgt_order order;
        struct tgt_range *range;
        uint64_t *start; /* number of the range's first address */
        size_t n, cap;
};

static uint64_t size_of(const struct tgt_range *r)
{
        return r->last.lo - r->first.lo + 1; /* no range of these tests is longer than 2^64 */
}

static void twin_lay_out(struct twin *t)
{
        struct tgt_walk w;
        struct tgt_range r;
        struct err e;
        uint64_t number = 0;
        size_t cap = 0;
        for (tgt_plan_walk(&w, t->plan); tgt_walk_next(&w, &r); t->n++) {
                assert_int_equal(mem_grow(&t->range, &t->cap, t->n + 1, sizeof(r), &e), 0);
                assert_int_equal(mem_grow(&t->start, &cap, t->n + 1, sizeof(number), &e), 0);
                t->range[t->n] = r;
                t->start[t->n] = number;
                number += size_of(&r);
        }
        assert_int_equal(number * t->facts.ports, t->facts.probes);
}

/* Takes the set. */
static struct twin twin_of(struct tgt_set *in, const char *port_text)
{
        struct tgt_ports *ports;
        struct tgt_set *ex;
        struct twin t = {0};
        struct err e = {0};
        assert_int_equal(tgt_set_new(&ex, &e), 0);
        assert_int_equal(tgt_ports_new(&ports, &e), 0);
        if (tgt_ports_add(ports, port_text, TGT_TCP, &e) || tgt_set_finish(in, &e) || tgt_set_finish(ex, &e))
                fail_msg("%s", e.text);
        struct tgt_spec spec = {.include = in, .exclude = ex, .ports = ports, .allow_reserved = true};
        if (tgt_plan_new(&t.plan, &spec, &e))
                fail_msg("%s", e.text);
        tgt_set_free(in);
        tgt_set_free(ex);
        tgt_ports_free(ports);
        tgt_plan_facts(t.plan, &t.facts);
        tgt_order_init(&t.order, t.facts.probes, rnd());
        twin_lay_out(&t);
        return t;
}

static void twin_free(struct twin *t)
{
        tgt_plan_free(t->plan);
        free(t->range);
        free(t->start);
}

static struct tgt_set *set_of(const char *text)
{
        struct tgt_set *s;
        struct err e = {0};
        assert_int_equal(tgt_set_new(&s, &e), 0);
        if (tgt_set_add(s, text, NULL, &e))
                fail_msg("%s", e.text);
        return s;
}

/* The batch's row i against index `index` of the plan. */
static void expect_row(const struct twin *t, const struct target_batch *b, unsigned i, uint64_t index)
{
        uint64_t number = index / t->facts.ports;
        uint32_t flat = tgt_ports_at(tgt_plan_ports(t->plan), index % t->facts.ports);
        size_t lo = 0, hi = t->n;
        while (hi - lo > 1) {
                size_t mid = (lo + hi) / 2;
                if (t->start[mid] <= number)
                        lo = mid;
                else
                        hi = mid;
        }
        struct ip_addr a = ip_add(t->range[lo].first, number - t->start[lo]);
        struct target row = tgt_batch_at(b, i), one;
        assert_int_equal(b->family, a.family);
        assert_int_equal(b->flat[i], flat);
        assert_true(b->lo[i] == a.lo);
        assert_true(a.family == 4 || (b->hi[i] == a.hi && b->zone[i] == a.zone));
        assert_true(ip_eq(&row.ip, &a));
        assert_int_equal(tgt_flat_port(&row), flat);
        tgt_plan_pick(t->plan, index, &one);
        assert_true(ip_eq(&one.ip, &a) && one.proto == row.proto && one.port == row.port);
}

/* One call, from batches that already hold some. */
static uint64_t expect_burst(const struct twin *t, uint64_t pos, uint64_t end, uint64_t most, unsigned n4,
                             unsigned n6)
{
        static struct target_batch v4, v6;
        uint64_t from = pos;
        memset(&v4, 0xee, sizeof(v4));
        memset(&v6, 0xee, sizeof(v6));
        v4.n = n4;
        v6.n = n6;
        tgt_generate(t->plan, &t->order, &pos, end, most, &v4, &v6);
        assert_true(pos >= from && pos <= end && pos - from <= most);
        assert_true(v4.n <= BATCH_MAX && v6.n <= BATCH_MAX);
        /* it stops early for want of room only */
        assert_true(pos == end || pos - from == most || v4.n > BATCH_MAX - TGT_BLOCK ||
                    v6.n > BATCH_MAX - TGT_BLOCK);
        for (; from < pos; from++) {
                uint64_t index = tgt_order_at(&t->order, from);
                if (index >= t->facts.probes)
                        continue;
                struct target_batch *b = index / t->facts.ports < t->facts.v4 ? &v4 : &v6;
                unsigned *i = b == &v4 ? &n4 : &n6;
                assert_true(*i < b->n && b->pos[*i] == from);
                expect_row(t, b, (*i)++, index);
        }
        assert_true(n4 == v4.n && n6 == v6.n);
        return pos;
}

static void expect_plan(struct twin t)
{
        uint64_t domain = t.order.domain;
        for (unsigned l = 0; l < CPU_LEVELS; l++) {
                if (!cpu_force((enum cpu_level)l))
                        continue;
                for (unsigned i = 0; i < 12; i++) {
                        uint64_t pos = below(domain), end = pos + 1 + below(domain - pos);
                        uint64_t most = i % 3 == 0 ? UINT64_MAX : i % 3 == 1 ? 1 + below(300) : below(70);
                        expect_burst(&t, pos, end, most, (unsigned)below(i % 4 == 3 ? BATCH_MAX + 1 : 60),
                                     (unsigned)below(i % 4 == 2 ? BATCH_MAX + 1 : 60));
                }
                expect_burst(&t, 0, domain, UINT64_MAX, 0, 0);
                expect_burst(&t, domain, domain, UINT64_MAX, 0, 0);
                expect_burst(&t, domain - MIN(domain, 300u), domain, UINT64_MAX, 0, 0);
        }
        twin_free(&t);
}

static void test_fixed(void **state)
{
        static const struct {
                const char *in, *ports;
        } row[] = {
                {"10.0.0.1", "80"},
                {"10.0.0.1,10.0.0.3", "1,5"},
                {"0.0.0.0/0", "80"},
                {"0.0.0.0/0", "80,81,U:53"},
                {"0.0.0.0/0", "0-65535,U:0-65535,S:0-65535,I:0-1,O:0-255"},
                {"0.0.0.0/0,2001:db8::1", "80"}, /* 2^32 + 1 */
                {"255.255.255.255,0.0.0.0,255.255.255.0/25", "1-7"},
                {"0.0.0.0-0.0.0.255,255.255.254.0-255.255.255.255", "443"},
                {"2001:db8::1", "80"},
                {"2001:db8::/66", "80,81"}, /* 2^63 */
                {"2001:db8::/68", "1-7"},   /* 2^60 × 7 */
                {"2001:db8::/76", "80"},    /* 2^52 */
                {"2001:db8::/76,2001:db9::1", "80"},
                {"2001:db8::/77,10.0.0.0/8", "80,90,1000"},
                {"2001:db8::/120,fe80::1%lo,fe80::9%lo/125", "1-1000"},
                {"10.0.0.0/22,2001:db8::/118", "80,81,U:53"},
                {"10.0.0.0/30,2001:db8::/90", "7"},
                {"16.0.0.0/4,2001:db8::/126", "9"},
        };
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(row); i++)
                expect_plan(twin_of(set_of(row[i].in), row[i].ports));
}

static void add(struct tgt_set *s, struct ip_addr first, uint64_t more)
{
        struct tgt_range r = {first, ip_add(first, more)};
        struct err e = {0};
        if (r.last.hi == first.hi && r.last.lo >= first.lo)
                assert_int_equal(tgt_set_add_range(s, &r, &e), 0);
}

/* Ranges of any size, singles, or both; dense in one corner of the space or all over it. */
static void add_some(struct tgt_set *s, uint8_t family)
{
        unsigned n = 1 + (unsigned)below(1u << below(11)), size_bits = (unsigned)below(20);
        unsigned spread = 8 + (unsigned)below(25);
        uint64_t corner = rnd();
        for (unsigned i = 0; i < n; i++) {
                uint64_t more = below(1ull << below(size_bits + 1)), offset = below(1ull << spread);
                if (family == 4)
                        add(s, ip_v4((uint32_t)(corner + offset)), more);
                else
                        add(s, ip_v6(0x20010db8ull << 32 | below(4), corner + offset), more);
        }
}

static void random_ports(char *text, size_t cap)
{
        unsigned first = (unsigned)below(60000);
        if (below(3) == 0)
                snprintf(text, cap, "%u", first);
        else if (below(2))
                snprintf(text, cap, "%u-%u", first, first + (unsigned)below(5000));
        else
                snprintf(text, cap, "%u,%u,U:%u-%u,O:6", first, first / 2, first / 3, first / 3 + 9);
}

static void test_random(void **state)
{
        (void)state;
        for (unsigned i = 0; i < 400; i++) {
                struct tgt_set *s = set_of("");
                char ports[64];
                random_ports(ports, sizeof(ports));
                if (i % 4 != 0)
                        add_some(s, 4);
                if (i % 4 != 1 && i % 4 != 2)
                        add_some(s, 6);
                if (tgt_set_empty(s))
                        add(s, ip_v4(1), 1);
                expect_plan(twin_of(s, ports));
        }
}

/* One huge range and crowds of small ones between its pieces: buckets where many ranges meet. */
static void test_crowds(void **state)
{
        (void)state;
        for (unsigned crowd = 1; crowd <= 20000; crowd *= 3) {
                struct tgt_set *s = set_of("64.0.0.0/3,2001:db8::/100");
                for (unsigned i = 0; i < crowd; i++) {
                        add(s, ip_v4(1000 + i * 7), below(5));
                        add(s, ip_v4(0xc0000000 + i * 3), below(2));
                        add(s, ip_v6(0x20010db7ull << 32, i * 9), below(7));
                }
                struct twin t = twin_of(s, "80");
                for (unsigned i = 0; i < 20000; i++) { /* every crowded number comes up */
                        uint64_t index =
                                i % 2 ? below(MIN(t.facts.v4, crowd * 3u)) : t.facts.v4 - 1 - below(crowd);
                        uint64_t pos = tgt_order_pos(&t.order, index);
                        expect_burst(&t, pos, pos + 1, 1, 0, 0);
                }
                expect_plan(t);
        }
}

static void expect_index(const struct twin *t, uint64_t index)
{
        static struct target_batch v4, v6;
        uint64_t block[TGT_BLOCK_ROOM] = {index}, last = t->facts.probes - 1;
        v4.n = v6.n = 0;
        v4.family = 4;
        v6.family = 6;
        if (index > last)
                return;
        tgt_pick_block(t->plan, block, 1, &v4, &v6);
        assert_int_equal(v4.n + v6.n, 1);
        expect_row(t, v4.n ? &v4 : &v6, 0, index);
}

/* Quotients that just are, and just are not, whole: plans below, at and above 2^52 probes. */
static void test_division(void **state)
{
        (void)state;
        for (unsigned l = 0; l < CPU_LEVELS; l++)
                for (unsigned n = 1; cpu_force((enum cpu_level)l) && n <= 60000; n += 1 + n / 3) {
                        char ports[32];
                        unsigned bits = 128 - 52;
                        while (n >> (bits - 76))
                                bits++;
                        snprintf(ports, sizeof(ports), "1-%u", n);
                        for (unsigned wider = 0; wider < 3; wider++) {
                                char net[48];
                                snprintf(net, sizeof(net), "2001:db8::/%u", bits - wider);
                                struct twin t = twin_of(set_of(net), ports);
                                for (unsigned i = 0; i < 300; i++) {
                                        uint64_t q = i < 100 ? t.facts.v6 - i : below(t.facts.v6);
                                        expect_index(&t, q * n);
                                        expect_index(&t, q * n - 1);
                                        expect_index(&t, q * n + 1);
                                }
                                twin_free(&t);
                        }
                }
}

/* A whole scan by every level: nothing twice, nothing missed. */
static void test_whole(void **state)
{
        (void)state;
        for (unsigned l = 0; l < CPU_LEVELS; l++) {
                if (!cpu_force((enum cpu_level)l))
                        continue;
                struct twin t = twin_of(set_of("10.0.0.0/22,10.1.0.0/25,2001:db8::/120"), "80,81,U:53");
                for (uint64_t pos = 0; pos < t.order.domain;)
                        pos = expect_burst(&t, pos, t.order.domain, UINT64_MAX, 0, 0);
                twin_free(&t);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),  cmocka_unit_test(test_fixed),    cmocka_unit_test(test_random),
                cmocka_unit_test(test_crowds), cmocka_unit_test(test_division), cmocka_unit_test(test_whole),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
