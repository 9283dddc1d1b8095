// SPDX-License-Identifier: Apache-2.0
/*
 * test_target_plan: the plan against a naive twin (a bitmap over a small universe), then its limits: the
 * whole Internet, nearly 2^63 probes, never-targets, zones, both kinds of storage, and the saved file with
 * damage. Invariant checked everywhere: index(pick(i)) == i, and what is not in the plan has no index.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <net/if.h>
#include <cmocka.h>
#include "target/target.h"

static uint64_t rnd_state = 88172645463325252ull;

static uint64_t rnd(void)
{
        return hash_mix64(rnd_state += 0x9e3779b97f4a7c15ull);
}

static uint64_t below(uint64_t n)
{
        return rnd() % n;
}

static struct tgt_set *set_of(const char *text)
{
        struct tgt_set *s;
        struct err e = {0};
        assert_int_equal(tgt_set_new(&s, &e), 0);
        if (tgt_set_add(s, text, NULL, &e) || tgt_set_finish(s, &e))
                fail_msg("%s", e.text);
        return s;
}

static struct tgt_plan *try_plan(const char *include, const char *exclude, const char *ports, bool reserved,
                                 struct err *e)
{
        struct tgt_set *in = set_of(include), *ex = set_of(exclude);
        struct tgt_ports *po;
        struct tgt_plan *p;
        static const struct tgt_range own = {{.lo = 0x0a0a0aff, .family = 4},
                                             {.lo = 0x0a0a0aff, .family = 4}};
        assert_int_equal(tgt_ports_new(&po, e), 0);
        assert_int_equal(tgt_ports_add(po, ports, TGT_TCP, e), 0);
        struct tgt_spec spec = {in, ex, po, reserved, &own, 1};
        int rc = tgt_plan_new(&p, &spec, e);
        assert_true((rc == 0) == (p != NULL));
        tgt_set_free(in);
        tgt_set_free(ex);
        tgt_ports_free(po);
        return p;
}

static struct tgt_plan *plan_of(const char *include, const char *exclude, const char *ports)
{
        struct err e = {0};
        struct tgt_plan *p = try_plan(include, exclude, ports, false, &e);
        if (!p)
                fail_msg("%s", e.text);
        return p;
}

static void expect_round_trip(const struct tgt_plan *p, uint64_t index)
{
        struct target t;
        uint64_t back;
        tgt_plan_pick(p, index, &t);
        assert_true(tgt_plan_index(p, &t, &back));
        assert_int_equal(back, index);
}

/* ---- the naive twin ---- */

enum { UNIVERSE = 4096 };

struct twin {
        bool in[UNIVERSE];
        char text[1 << 16];
        size_t n;
};

/* Adds a random item of the universe 10.20.0.0/20 (or 2001:db8::/116) to text and bitmap. */
static void twin_add(struct twin *t, bool v6)
{
        uint32_t first = (uint32_t)below(UNIVERSE), last = first;
        char a[IP_TEXT_MAX], b[IP_TEXT_MAX];
        unsigned kind = (unsigned)below(3), bits = (unsigned)below(6);
        uint32_t more = (uint32_t)below(40);
        if (kind == 1)
                last = MIN(first + more, UNIVERSE - 1u);
        struct ip_addr f = v6 ? ip_v6(0x20010db8ull << 32, first) : ip_v4(0x0a140000 + first);
        struct ip_addr l = v6 ? ip_v6(0x20010db8ull << 32, last) : ip_v4(0x0a140000 + last);
        ip_format(a, &f);
        ip_format(b, &l);
        if (kind == 0)
                t->n += (size_t)snprintf(t->text + t->n, sizeof(t->text) - t->n, "%s,", a);
        else if (kind == 1)
                t->n += (size_t)snprintf(t->text + t->n, sizeof(t->text) - t->n, "%s-%s ", a, b);
        else
                t->n += (size_t)snprintf(t->text + t->n, sizeof(t->text) - t->n, "%s/%u\n", a,
                                         (v6 ? 128 : 32) - bits);
        if (kind == 2) {
                first &= ~((1u << bits) - 1);
                last = first | ((1u << bits) - 1);
        }
        for (uint32_t i = first; i <= last; i++)
                t->in[i] = true;
}

static void twin_fill(struct twin *t, unsigned items, bool v6)
{
        memset(t, 0, sizeof(*t));
        while (items--)
                twin_add(t, v6);
}

static void twin_compare(const struct twin *in, const struct twin *ex, bool v6)
{
        uint64_t number = 0, index;
        struct tgt_plan_facts f;
        struct err e = {0};
        struct tgt_plan *p = try_plan(in->text, ex->text, "80,443,U:53", false, &e);
        for (uint32_t i = 0; i < UNIVERSE; i++) {
                struct target t = {.proto = 6, .port = 443};
                t.ip = v6 ? ip_v6(0x20010db8ull << 32, i) : ip_v4(0x0a140000 + i);
                bool there = in->in[i] && !ex->in[i];
                if (!p) {
                        assert_false(there);
                        continue;
                }
                assert_int_equal(tgt_plan_index(p, &t, &index), there);
                if (!there)
                        continue;
                assert_int_equal(index, number * 3 + 1);
                struct target back;
                tgt_plan_pick(p, number * 3 + 2, &back);
                assert_true(ip_eq(&back.ip, &t.ip) && back.port == 53 && back.proto == 17);
                number++;
        }
        if (!p)
                return;
        tgt_plan_facts(p, &f);
        assert_int_equal(f.probes, number * 3);
        assert_int_equal(v6 ? f.v6 : f.v4, number);
        tgt_plan_free(p);
}

static void test_twin(void **state)
{
        struct twin *in = malloc(sizeof(*in)), *ex = malloc(sizeof(*ex));
        (void)state;
        for (unsigned round = 0; round < 120; round++) {
                bool v6 = round & 1;
                twin_fill(in, 1 + (unsigned)below(round % 3 ? 60 : 1200), v6);
                twin_fill(ex, (unsigned)below(round % 5 ? 40 : 400), v6);
                twin_compare(in, ex, v6);
        }
        free(in);
        free(ex);
}

/* ---- walking and facts ---- */

static void show(const struct tgt_plan *p, char *out, size_t cap)
{
        struct tgt_walk w;
        struct tgt_range r;
        size_t n = 0;
        out[0] = 0;
        for (tgt_plan_walk(&w, p); tgt_walk_next(&w, &r);) {
                char text[160];
                tgt_range_format(text, sizeof(text), &r);
                n += (size_t)snprintf(out + n, cap - n, "%s%s", n ? " " : "", text);
        }
}

static void expect_plan(const char *include, const char *exclude, const char *expected, uint64_t dropped)
{
        char text[500];
        struct tgt_plan_facts f;
        struct tgt_plan *p = plan_of(include, exclude, "80");
        show(p, text, sizeof(text));
        assert_string_equal(text, expected);
        tgt_plan_facts(p, &f);
        assert_int_equal(f.reserved_dropped, dropped);
        for (uint64_t i = 0; i < MIN(f.probes, 1000u); i++)
                expect_round_trip(p, i);
        tgt_plan_free(p);
}

static void test_cuts(void **state)
{
        (void)state;
        expect_plan("10.0.0.0/24", "10.0.0.5", "10.0.0.0-10.0.0.4 10.0.0.6-10.0.0.255", 0);
        expect_plan("10.0.0.0/24", "10.0.0.0/25,10.0.0.200-10.0.1.7", "10.0.0.128-10.0.0.199", 0);
        expect_plan("10.0.0.1,10.0.0.3,10.0.0.5", "10.0.0.3", "10.0.0.1 10.0.0.5", 0);
        expect_plan("10.0.0.1,2001:db8::1", "10.0.0.3", "10.0.0.1 2001:db8::1", 0);
        expect_plan("2001:db8::/126,10.0.0.1", "2001:db8::1", "10.0.0.1 2001:db8:: 2001:db8::2/127", 0);
        expect_plan("0.0.0.0/0", "1.0.0.0-223.255.255.254", "223.255.255.255", (1ull << 24) + (1ull << 29));
        expect_plan("223.255.255.0-224.0.0.9", "", "223.255.255.0/24", 10);
        expect_plan("10.10.10.0/24", "", "10.10.10.0-10.10.10.254", 1);
        expect_plan("10.10.10-11.255", "", "10.10.11.255", 1);
        expect_plan("::/126", "", "::1-::3", 1);
        expect_plan("*.0.0.1", "8.0.0.0-255.255.255.255",
                    "1.0.0.1 2.0.0.1 3.0.0.1 4.0.0.1 5.0.0.1 6.0.0.1 7.0.0.1", 1); /* 0.0.0.1 */
}

/* An exclude without zone holds on every link; one with a zone only there. */
static void test_zones(void **state)
{
        unsigned lo = if_nametoindex("lo");
        struct tgt_plan *p;
        uint64_t index;
        struct target t = {.proto = 6, .port = 80, .ip = ip_v6(0xfe80ull << 48, 1)};
        (void)state;
        assert_true(lo > 0);
        expect_plan("fe80::%lo/126", "fe80::1", "fe80::%lo fe80::2%lo/127", 0);
        expect_plan("fe80::%lo/126", "fe80::1%lo", "fe80::%lo fe80::2%lo/127", 0);
        expect_plan("fe80::/126", "fe80::1%lo", "fe80::/126", 0);
        p = plan_of("fe80::1%lo,fe80::7", "", "80");
        assert_false(tgt_plan_index(p, &t, &index));
        t.ip.zone = lo;
        assert_true(tgt_plan_index(p, &t, &index));
        assert_int_equal(index, 1);
        t.ip.lo = 7;
        assert_true(tgt_plan_index(p, &t, &index));
        assert_int_equal(index, 0);
        tgt_plan_free(p);
}

static const struct {
        const char *in, *ex, *ports, *why;
} refused[] = {
        {"", "", "80", "no targets"},
        {"10.0.0.1", "", "", "no ports"},
        {"10.0.0.1", "10.0.0.0/8", "80", "excludes take them all"},
        {"224.0.0.1", "", "80", "\"224.0.0.1\" is never a target: multicast"},
        {"10.0.0.1,224.0.0.1", "", "80", "--allow-reserved"},
        {"223.255.255.255,224.0.0.0", "", "80", "\"224.0.0.0\""},
        {"0.1.2.3", "", "80", "this network"},
        {"255.255.255.255", "", "80", "reserved or broadcast"},
        {"240.0.0.0/4", "", "80", "\"240.0.0.0/4\""},
        {"224-239.0.0.1", "", "80", "--allow-reserved"},
        {"::", "", "80", "unspecified"},
        {"ff02::1", "", "80", "multicast (ff00::/8)"},
        {"ff00::/8,10.0.0.1", "", "80", "multicast (ff00::/8)"},
        {"::ffff:1.2.3.4", "", "80", "::ffff:0:0/96"},
        {"10.10.10.255", "", "80", "broadcast address of one of our own"},
        {"::/0", "", "80", "more than 2^63"},
        {"2001:db8::/64", "", "80", "more than 2^63"},
        {"2001:db8::/66", "", "80,81,82", "more than 2^63"},
};

static void test_refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
                struct err e = {0};
                struct tgt_plan *p = try_plan(refused[i].in, refused[i].ex, refused[i].ports, false, &e);
                if (p || !strstr(e.text, refused[i].why) || strchr(e.text, '\n'))
                        fail_msg("\"%s\" gave \"%s\"", refused[i].in, e.text);
        }
}

static void test_reserved_allowed(void **state)
{
        struct err e = {0};
        struct tgt_plan *p = try_plan("224.0.0.1,255.255.255.255,10.10.10.255,ff02::1", "", "80", true, &e);
        char text[200];
        (void)state;
        assert_non_null(p);
        show(p, text, sizeof(text));
        assert_string_equal(text, "10.10.10.255 224.0.0.1 255.255.255.255 ff02::1");
        tgt_plan_free(p);
        /* an exclude that takes a never-target away makes it no error */
        expect_plan("224.0.0.1,10.0.0.1", "224.0.0.0/4", "10.0.0.1", 0);
        /* what an exclude list leaves over at the edges is no item of its own */
        expect_plan("0.0.0.0/0",
                    "1.0.0.0/8,2.0.0.0-222.255.255.255,223.0.0.0/9,223.128.0.0/10,223.192.0.0-"
                    "223.255.255.253,224.0.0.0/4",
                    "223.255.255.254/31", (1ull << 24) + (1ull << 28));
}

static void test_big(void **state)
{
        struct tgt_plan_facts f;
        struct tgt_plan *p = plan_of("2001:db8::/66", "", "80,443");
        (void)state;
        tgt_plan_facts(p, &f);
        assert_true(f.probes == 1ull << 63);
        for (unsigned i = 0; i < 20000; i++)
                expect_round_trip(p, rnd() >> 1);
        expect_round_trip(p, f.probes - 1);
        tgt_plan_free(p);
        p = plan_of("0.0.0.0/0,2001:db8::/96,2001:db8:1::/84", "10.0.0.0/8,127.0.0.0/8,192.168.0.0/16",
                    "-,U:-,S:1-60000,I:0-1,O:-");
        tgt_plan_facts(p, &f);
        assert_int_equal(f.v4, (1ull << 32) - (1ull << 24) - (1ull << 29) - (1ull << 25) - (1ull << 16));
        assert_int_equal(f.busiest_net24, 256);
        assert_int_equal(f.ports, 65535 * 2 + 60000 + 2 + 256);
        for (unsigned i = 0; i < 50000; i++)
                expect_round_trip(p, below(f.probes));
        for (uint64_t i = 0; i < 1000; i++)
                expect_round_trip(p, f.v4 * f.ports - 500 + i);
        tgt_plan_free(p);
}

/* Index by reciprocal against the plain quotient, for every number of ports up to 1000 and at the top. */
static void test_ports_division(void **state)
{
        (void)state;
        for (unsigned n = 1; n <= 1000; n += n < 70 ? 1 : 31) {
                char ports[32];
                struct tgt_plan_facts f;
                snprintf(ports, sizeof(ports), "1-%u", n);
                struct tgt_plan *p = plan_of(n <= 2 ? "2001:db8::/66" : "2001:db8::/76", "", ports);
                tgt_plan_facts(p, &f);
                for (unsigned i = 0; i < 300; i++) {
                        uint64_t number = i < 100 ? i : i < 200 ? f.v6 - 1 - (i - 100) : below(f.v6);
                        unsigned port = (unsigned)below(n);
                        struct target t;
                        tgt_plan_pick(p, number * n + port, &t);
                        assert_true(t.ip.lo == number && t.port == port + 1);
                }
                tgt_plan_free(p);
        }
}

static void test_net24(void **state)
{
        static const struct {
                const char *in;
                uint32_t busiest;
        } row[] = {
                {"10.0.0.1", 1},
                {"10.0.0.1,10.0.0.9", 2},
                {"10.0.0.250-10.0.1.20", 21},
                {"10.0.0.240-10.0.2.1", 256},
                {"10.0.0.1,10.0.1.1,10.0.1.3", 2},
                {"2001:db8::1", 0},
                {"10.0.0.0/24", 256},
                {"10.0.0.200-10.0.1.9", 56},
        };
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(row); i++) {
                struct tgt_plan *p = plan_of(row[i].in, "", "80");
                struct tgt_plan_facts f;
                tgt_plan_facts(p, &f);
                assert_int_equal(f.busiest_net24, row[i].busiest);
                tgt_plan_free(p);
        }
}

static uint64_t hash_of(const char *include, const char *exclude, const char *ports)
{
        struct tgt_plan *p = plan_of(include, exclude, ports);
        struct tgt_plan_facts f;
        tgt_plan_facts(p, &f);
        tgt_plan_free(p);
        return f.hash;
}

static void test_hash(void **state)
{
        uint64_t h = hash_of("10.0.0.0/24,2001:db8::/120", "10.0.0.7", "80,443");
        (void)state;
        assert_int_equal(h, hash_of("2001:db8::-2001:db8::ff 10.0.0.8-255,10.0.0.0-6", "", "443,80,80"));
        assert_int_not_equal(h, hash_of("10.0.0.0/24,2001:db8::/120", "10.0.0.8", "80,443"));
        assert_int_not_equal(h, hash_of("10.0.0.0/24,2001:db8::/120", "10.0.0.7", "80,444"));
        assert_int_not_equal(h, hash_of("10.0.0.0/24,2001:db8::/121", "10.0.0.7", "80,443"));
        assert_int_not_equal(h, hash_of("10.0.0.0/24", "10.0.0.7", "80,443"));
}

/* ---- the saved file ---- */

static size_t slurp(const char *path, char **data)
{
        size_t n;
        struct err e = {0};
        assert_int_equal(file_read(path, 1 << 20, data, &n, &e), 0);
        return n;
}

static void test_save(void **state)
{
        char path[] = "/tmp/trawl-test-XXXXXX", *data, a[600], b[600];
        struct tgt_plan_facts before, after;
        struct err e = {0};
        (void)state;
        close(mkstemp(path));
        struct tgt_plan *
                p = plan_of("10.0.0.0/24,10.9.0.1,10.9.0.3,2001:db8::/126,fe80::1%lo,223.255.255.0-224.0.0.3",
                            "10.0.0.9", "80,U:53,I:0"),
               *q;
        tgt_plan_facts(p, &before);
        assert_int_equal(before.reserved_dropped, 4);
        assert_int_equal(tgt_plan_save(p, path, &e), 0);
        if (tgt_plan_load(&q, path, &e))
                fail_msg("%s", e.text);
        tgt_plan_facts(q, &after);
        assert_memory_equal(&before, &after, sizeof(before));
        show(p, a, sizeof(a));
        show(q, b, sizeof(b));
        assert_string_equal(a, b);
        tgt_plan_free(q);
        size_t n = slurp(path, &data);
        for (size_t i = 0; i < n; i++) { /* any byte changed, and any length cut, is noticed */
                data[i] ^= 0x10;
                assert_int_equal(file_replace(path, data, n, 0600, false, &e), 0);
                assert_int_equal(tgt_plan_load(&q, path, &e), -1);
                assert_non_null(strstr(e.text, path));
                data[i] ^= 0x10;
                assert_int_equal(file_replace(path, data, i, 0600, false, &e), 0);
                assert_int_equal(tgt_plan_load(&q, path, &e), -1);
        }
        free(data);
        unlink(path);
        assert_int_equal(tgt_plan_load(&q, path, &e), -1);
        tgt_plan_free(p);
}

/* ---- generate ---- */

/* A batch's rows against the plan. */
static void expect_batch(const struct tgt_plan *p, const struct tgt_order *o, const struct target_batch *b,
                         bool *seen)
{
        for (unsigned i = 0; i < b->n; i++) {
                struct target t = tgt_batch_at(b, i);
                uint64_t index;
                assert_int_equal(t.ip.family, b->family);
                assert_true(i == 0 || b->pos[i] > b->pos[i - 1]);
                assert_true(tgt_plan_index(p, &t, &index));
                assert_int_equal(tgt_order_at(o, b->pos[i]), index);
                assert_false(seen[index]);
                seen[index] = true;
        }
}

static void test_generate(void **state)
{
        struct tgt_plan *p = plan_of("10.0.0.0/22,2001:db8::/120", "10.0.1.0/25", "80,81,U:53");
        static struct target_batch v4, v6;
        struct tgt_plan_facts f;
        struct tgt_order o;
        (void)state;
        tgt_plan_facts(p, &f);
        tgt_order_init(&o, f.probes, 42);
        for (uint64_t most = 1; most <= 400; most += 57) {
                bool *seen = calloc(f.probes, 1);
                for (uint64_t pos = 0; pos < o.domain;) {
                        uint64_t from = pos;
                        v4.n = v6.n = 0;
                        tgt_generate(p, &o, &pos, o.domain, most, &v4, &v6);
                        assert_true(pos > from && pos - from <= most);
                        expect_batch(p, &o, &v4, seen);
                        expect_batch(p, &o, &v6, seen);
                }
                for (uint64_t i = 0; i < f.probes; i++)
                        assert_true(seen[i]);
                free(seen);
        }
        tgt_plan_free(p);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_twin),
                cmocka_unit_test(test_cuts),
                cmocka_unit_test(test_zones),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_reserved_allowed),
                cmocka_unit_test(test_big),
                cmocka_unit_test(test_ports_division),
                cmocka_unit_test(test_net24),
                cmocka_unit_test(test_hash),
                cmocka_unit_test(test_save),
                cmocka_unit_test(test_generate),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
