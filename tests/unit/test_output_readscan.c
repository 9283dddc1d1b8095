// SPDX-License-Identifier: Apache-2.0
/*
 * The reader of binary scan files: masscan's files byte by byte as documented, old record types, torn and
 * concatenated files, files that Debian's masscan wrote; our own facts there and back; and --repair.
 */
#include "test_output.h"
#include "output/binary.h"
#include "output/readscan.h"

struct file { /* built by hand, so that reader and writer do not share a mistake */
        uint8_t p[8192];
        size_t n;
};

static void add(struct file *f, const char *hex)
{
        for (const char *h = hex; *h;) {
                unsigned v;
                if (*h == ' ') {
                        h++;
                        continue;
                }
                assert_int_equal(sscanf(h, "%2x", &v), 1);
                f->p[f->n++] = (uint8_t)v;
                h += 2;
        }
}

static void add_text(struct file *f, const char *text)
{
        memcpy(f->p + f->n, text, strlen(text));
        f->n += strlen(text);
}

static void add_frame(struct file *f, const char *text)
{
        memset(f->p + f->n, 0, 99);
        memcpy(f->p + f->n, text, strlen(text));
        f->n += 99;
}

static void begin_file(struct file *f)
{
        f->n = 0;
        add_frame(f, "masscan/1.1\ns:1795219501\n");
}

struct expect {
        const char *ip;
        uint8_t proto, state, flags, ttl;
        uint16_t port, app;
        const char *banner;
};

static void check(const struct record *r, const struct expect *x)
{
        char text[IP_TEXT_MAX];
        ip_format(text, &r->who.ip);
        assert_string_equal(text, x->ip);
        assert_int_equal(r->who.proto, x->proto);
        assert_int_equal(r->who.port, x->port);
        assert_int_equal(r->state, x->state);
        assert_int_equal(r->flags, x->flags);
        assert_int_equal(r->ttl, x->ttl);
        assert_int_equal(r->app, x->app);
        size_t n = x->banner ? strlen(x->banner) : 0;
        assert_int_equal(r->banner.n, n);
        if (n)
                assert_memory_equal(r->banner.p, x->banner, n);
}

/* Reads from an exact-sized copy, so that reading past the end is seen. */
static bool read_all(const struct file *f, const struct expect *x, size_t n)
{
        struct out_reader *rd;
        struct record r;
        struct err e;
        uint8_t *exact = malloc(f->n);
        assert_non_null(exact);
        memcpy(exact, f->p, f->n);
        assert_int_equal(reader_over(&rd, span_of(exact, f->n), 0, &e), 0);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(out_reader_next(rd, &r, &e), 1);
                check(&r, &x[i]);
        }
        assert_int_equal(out_reader_next(rd, &r, &e), 0);
        bool torn = out_reader_torn(rd);
        out_reader_close(rd);
        free(exact);
        return torn;
}

/* ---- masscan's records
 * ------------------------------------------------------------------------------------------ */
static void every_type_is_read(void **state)
{
        static const struct expect want[] = {
                {"10.77.0.1", 6, PORT_OPEN, 0x12, 0x40, 80, 0, NULL},
                {"10.77.0.1", 6, PORT_CLOSED, 0x14, 0x40, 81, 0, NULL},
                {"198.51.100.2", 0, PORT_UP, 0, 0, 0, 0, NULL},
                {"10.77.0.10", 6, PORT_BANNER, 0, 0x40, 143, 13, "* OK"},
                {"2001:db8::1", 6, PORT_OPEN, 0x12, 0x40, 80, 0, NULL},
                {"2001:db8::1", 6, PORT_CLOSED, 0x14, 0x40, 80, 0, NULL},
                {"2001:db8::1", 58, PORT_UP, 0, 0x40, 0, 0, NULL},
                {"2001:db8::1", 6, PORT_BANNER, 0, 0x40, 80, 4, "v6 banner"},
                {"10.77.0.1", 17, PORT_OPEN, 0, 9, 53, 0, NULL},
                {"10.77.0.1", 132, PORT_CLOSED, 0x14, 9, 36412, 0, NULL},
                {"10.77.0.1", 6, PORT_BANNER, 0, 0, 25, 11, "old3"},
                {"10.77.0.1", 17, PORT_BANNER, 0, 0, 25, 11, "old4"},
                {"10.77.0.1", 17, PORT_BANNER, 0, 0, 25, 11, "old5"},
        };
        struct file f;
        (void)state;
        begin_file(&f);
        add(&f, "06 0d 6b00e02e 0a4d0001 06 0050 12 40");
        add(&f, "07 0d 6b00e02e 0a4d0001 06 0051 14 40");
        add(&f, "08 0d 6b00e212 c6336402 00 0000 00 00");
        add(&f, "09 12 6b00e0fc 0a4d000a 06 008f 000d 40 2a 20 4f 4b");
        add(&f, "0a 1a 6553f101 06 0050 12 40 06 20010db8 00000000 00000000 00000001");
        add(&f, "0b 1a 6553f101 06 0050 14 40 06 20010db8 00000000 00000000 00000001");
        add(&f, "0c 1a 6553f101 3a 0000 00 40 06 20010db8 00000000 00000000 00000001");
        add(&f, "0d 24 6553f101 06 0050 0004 40 06 20010db8 00000000 00000000 00000001");
        add_text(&f, "v6 banner");
        add(&f, "01 0c 6b00e02e 0a4d0001 0035 00 09");
        add(&f, "02 0c 6b00e02e 0a4d0001 8e3c 14 09");
        add(&f, "03 10 6b00e02e 0a4d0001 0019 000b");
        add_text(&f, "old3");
        add(&f, "04 10 6b00e02e 0a4d0001 11 0019 000b"); /* one less than the body */
        add_text(&f, "old4");
        add(&f, "05 11 6b00e02e 0a4d0001 11 0019 000b");
        add_text(&f, "old5");
        add_frame(&f, "masscan/1.1");
        assert_false(read_all(&f, want, ARRAY_LEN(want)));
}

static void odd_but_right_files_are_read(void **state)
{
        static const struct expect want[] = {
                {"10.77.0.1", 6, PORT_OPEN, 0x12, 0x40, 80, 0, NULL},
                {"10.77.0.2", 6, PORT_OPEN, 0x12, 0x40, 80, 0, NULL},
                {"10.77.0.3", 6, PORT_OPEN, 0x12, 0x40, 80, 0, NULL},
                {"0.0.0.0", 0, PORT_OPEN, 0, 0, 0, 0, NULL},
        };
        struct file f;
        (void)state;
        begin_file(&f);
        add(&f, "80 06 80 80 0d 6b00e02e 0a4d0001 06 0050 12 40"); /* longer numbers than needed */
        add(&f, "6d 05 0102030405");                               /* somebody's own */
        add(&f, "63 03 414243"); /* an unknown type is skipped by its length */
        add(&f, "87 68 01 ff");  /* a type of two bytes */
        add(&f, "0a 1a 6553f101 06 0050 12 40 04 20010db8 00000000 00000000 00000001"); /* version is not 6 */
        add(&f, "06 05 6b00e02e 0a");                        /* too short to be one */
        add(&f, "06 0e 6b00e02e 0a4d0002 06 0050 12 40 99"); /* a byte more is no harm */
        add_frame(&f, "masscan/1.1");
        add_frame(&f, "masscan/1.1\ns:1\n"); /* cat a b */
        add(&f, "06 0d 6b00e02e 0a4d0003 06 0050 12 40");
        add(&f, "06 13 6b00e02e 00000000 00 0000 00 00 02005e10fe03");
        assert_false(read_all(&f, want, ARRAY_LEN(want)));
}

static void a_torn_tail_is_told(void **state)
{
        static const struct expect want[] = {{"10.77.0.1", 6, PORT_OPEN, 0x12, 0x40, 80, 0, NULL},
                                             {"10.77.0.2", 6, PORT_OPEN, 0x12, 0x40, 80, 0, NULL}};
        struct file f;
        (void)state;
        for (size_t cut = 1; cut < 15; cut++) {
                begin_file(&f);
                add(&f, "06 0d 6b00e02e 0a4d0001 06 0050 12 40");
                add(&f, "06 0d 6b00e02e 0a4d0002 06 0050 12 40");
                f.n -= cut;
                assert_true(read_all(&f, want, 1));
        }
        /* a corrupt length, and another file behind it */
        begin_file(&f);
        add(&f, "06 0d 6b00e02e 0a4d0001 06 0050 12 40");
        add(&f, "06 ff ff ff 7f 01");
        add_frame(&f, "masscan/1.1\ns:1\n");
        add(&f, "06 0d 6b00e02e 0a4d0002 06 0050 12 40");
        assert_true(read_all(&f, want, 2));
}

static void other_files_are_refused(void **state)
{
        struct out_reader *rd;
        struct record r;
        struct err e;
        (void)state;
        fix_write(fix_path("x"), "#masscan\n# end\n", 15);
        assert_int_equal(out_reader_open(&rd, fix_path("x"), &e), -1);
        assert_non_null(strstr(e.text, "not a binary scan file"));
        fix_write(fix_path("x"), "masscan/1.1", 11);
        assert_int_equal(out_reader_open(&rd, fix_path("x"), &e), -1);
        assert_int_equal(out_reader_open(&rd, fix_path("absent"), &e), -1);
        assert_non_null(strstr(e.text, "absent"));
        fix_write(fix_path("x"), "", 0); /* what masscan leaves when it found nothing */
        assert_int_equal(out_reader_open(&rd, fix_path("x"), &e), 0);
        assert_int_equal(out_reader_next(rd, &r, &e), 0);
        assert_false(out_reader_torn(rd));
        out_reader_close(rd);
}

/* ---- there and back
 * --------------------------------------------------------------------------------------------------- */
static void write_binary(const char *path, const struct record *r, size_t n)
{
        struct out_file f = {"binary", path};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        struct err e;
        c.show = UINT32_MAX;
        if (out_open(&o, &c, &fix_run, &e))
                fail_msg("%s", e.text);
        for (size_t i = 0; i < n; i++)
                out_record(o, &r[i]);
        if (out_close(o, &e))
                fail_msg("%s", e.text);
}

static void assert_same(const struct record *a, const struct record *b)
{
        assert_true(ip_eq(&a->who.ip, &b->who.ip));
        assert_int_equal(a->who.port, b->who.port);
        assert_int_equal(a->who.proto, b->who.proto);
        assert_int_equal(a->when_ns / NS_PER_S, b->when_ns / NS_PER_S);
        assert_int_equal(a->state, b->state);
        assert_int_equal(a->ttl, b->ttl);
        assert_int_equal(a->flags, b->flags);
        assert_int_equal(a->rtt_us, b->rtt_us);
        assert_true(ip_eq(&a->reporter, &b->reporter));
        assert_int_equal(a->icmp_type, b->icmp_type);
        assert_int_equal(a->icmp_code, b->icmp_code);
        assert_int_equal(a->has_mac, b->has_mac);
        assert_memory_equal(a->mac, b->mac, 6);
        assert_int_equal(a->app, b->app);
        assert_int_equal(a->banner.n, b->banner.n);
        if (a->banner.n)
                assert_memory_equal(a->banner.p, b->banner.p, a->banner.n);
        assert_int_equal(a->n_names, b->n_names);
        for (unsigned i = 0; i < a->n_names; i++)
                assert_string_equal(a->names[i], b->names[i]);
}

static void every_fact_comes_back(void **state)
{
        struct record want[20], got;
        struct out_reader *rd;
        struct err e;
        size_t n = fix_all(want);
        (void)state;
        want[n] = fix_make(ip_v6(0xfe80000000000000, 7), 6, 22, PORT_OPEN, 0x12, 64);
        want[n++].who.ip.zone = 3;
        want[n] = fix_make(ip_v6(0xfe80000000000000, 8), 6, 22, PORT_UNKNOWN, 0x12, 64);
        want[n++].rtt_us = UINT32_MAX;
        write_binary(fix_path("facts.bin"), want, n);
        assert_int_equal(out_reader_open(&rd, fix_path("facts.bin"), &e), 0);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(out_reader_next(rd, &got, &e), 1);
                assert_same(&want[i], &got);
        }
        assert_int_equal(out_reader_next(rd, &got, &e), 0);
        assert_false(out_reader_torn(rd));
        out_reader_close(rd);
}

static void long_banners_go_on_in_the_next_record(void **state)
{
        static uint8_t big[40000];
        static const size_t sizes[] = {0, 113, 114, 127, 128, 16368, 16369, 16370, 32738, 32739, 40000};
        struct out_reader *rd;
        struct record want, got;
        struct err e;
        (void)state;
        for (size_t i = 0; i < sizeof(big); i++)
                big[i] = (uint8_t)(i * 7);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                want = fix_make(ip_v4(1), 6, 80, PORT_BANNER, 0, 64);
                want.app = 4;
                want.banner = span_of(big, sizes[i]);
                write_binary(fix_path("big.bin"), &want, 1);
                assert_int_equal(out_reader_open(&rd, fix_path("big.bin"), &e), 0);
                size_t at = 0, parts = 0;
                for (; out_reader_next(rd, &got, &e) == 1; parts++) {
                        assert_in_range(at + got.banner.n, at, sizes[i]);
                        if (got.banner.n)
                                assert_memory_equal(got.banner.p, big + at, got.banner.n);
                        at += got.banner.n;
                }
                assert_int_equal(at, sizes[i]);
                assert_int_equal(parts, sizes[i] ? (sizes[i] + 16368) / 16369 : 1);
                out_reader_close(rd);
        }
}

/* What Debian's masscan makes of a file of old records is read the same as the old ones. */
static void files_of_masscan_are_read(void **state)
{
        static const struct expect want[] = {{"10.77.0.1", 17, PORT_OPEN, 0, 9, 53, 0, NULL},
                                             {"10.77.0.2", 6, PORT_CLOSED, 0x14, 64, 81, 0, NULL},
                                             {"2001:db8::1", 6, PORT_OPEN, 0x12, 0x40, 80, 0, NULL},
                                             {"10.77.0.10", 6, PORT_BANNER, 0, 0x40, 143, 13, "* OK"}};
        struct file f;
        (void)state;
        if (geteuid() != 0 || !fix_has("masscan") || !fix_has("unshare"))
                skip();
        begin_file(&f);
        add(&f, "01 0c 6b00e02e 0a4d0001 0035 00 09");
        add(&f, "07 0d 6b00e02e 0a4d0002 06 0051 14 40");
        add(&f, "0a 1a 6553f101 06 0050 12 40 06 20010db8 00000000 00000000 00000001");
        add(&f, "09 12 6b00e0fc 0a4d000a 06 008f 000d 40 2a 20 4f 4b");
        fix_write(fix_path("old.bin"), f.p, f.n);
        assert_int_equal(fix_shell("unshare -n masscan --readscan '%s' --show all -oB '%s' 2>/dev/null",
                                   fix_path("old.bin"), fix_path("new.bin")),
                         0);
        struct span s = fix_read(fix_path("new.bin"));
        assert_in_range(s.n, 200, sizeof(f.p));
        memcpy(f.p, s.p, s.n);
        f.n = s.n;
        fix_drop(s);
        assert_false(read_all(&f, want, ARRAY_LEN(want)));
}

/* Random bytes behind a header: no crash, no reading past the end (under the sanitizers), always an end. */
static void noise_ends(void **state)
{
        uint64_t x = 88172645463325252u;
        struct out_reader *rd;
        struct record r;
        struct err e;
        uint8_t noise[600];
        (void)state;
        for (int round = 0; round < 2000; round++) {
                for (size_t i = 0; i < sizeof(noise); i++) {
                        x = hash_mix64(x + i);
                        noise[i] = (uint8_t)(x % 3 ? x >> 8 : x >> 8 & 15);
                }
                size_t records = 0;
                assert_int_equal(reader_over(&rd, span_of(noise, sizeof(noise)), 0, &e), 0);
                while (out_reader_next(rd, &r, &e) == 1)
                        assert_true(++records < sizeof(noise));
                out_reader_close(rd);
        }
}

/* ---- repair
 * ---------------------------------------------------------------------------------------------------------------
 */
static void make_file(const struct out_ops *ops, const char *path, uint32_t n)
{
        struct out_file f = {ops->name, path};
        struct out_conf c = fix_conf(&f, 1);
        struct record r[16];
        struct out *o;
        struct err e;
        c.show = UINT32_MAX;
        if (out_open(&o, &c, &fix_run, &e))
                fail_msg("%s", e.text);
        size_t most = fix_all(r);
        for (uint32_t i = 0; i < n; i++)
                out_record(o, &r[i % most]);
        if (out_close(o, &e))
                fail_msg("%s", e.text);
}

static void cut_files_are_mended(void **state)
{
        char name[64], report[600];
        struct err e = {0};
        (void)state;
        for (size_t i = 0; out_table[i]; i++) {
                const struct out_ops *ops = out_table[i];
                if (ops == &out_none)
                        continue;
                snprintf(name, sizeof(name), "mend.%s", ops->ext);
                make_file(ops, fix_path(name), 14);
                struct span whole = fix_read(fix_path(name));
                if (out_repair(fix_path(name), report, sizeof(report), &e))
                        fail_msg("%s: %s", ops->name, e.text);
                if (!strstr(report, "nothing to mend") || !strstr(report, ops->name))
                        fail_msg("%s", report);
                struct span after = fix_read(fix_path(name));
                assert_int_equal(after.n, whole.n);
                assert_memory_equal(after.p, whole.p, whole.n);
                fix_drop(after);
                for (size_t cut = 1; cut < whole.n / 2 && cut < 400; cut += 13) {
                        fix_write(fix_path(name), whole.p, whole.n - cut);
                        if (out_repair(fix_path(name), report, sizeof(report), &e))
                                fail_msg("%s cut by %zu: %s", ops->name, cut, e.text);
                        if (cut % 4 == 0 && fix_parses(ops, fix_path(name)) == 1)
                                fail_msg("%s cut by %zu does not parse after repair", ops->name, cut);
                }
                fix_drop(whole);
        }
}

static void repaired_xml_counts_again(void **state)
{
        char report[600];
        struct err e;
        (void)state;
        make_file(&out_xml, fix_path("count.xml"), 14);
        struct span whole = fix_read(fix_path("count.xml"));
        fix_write(fix_path("count.xml"), whole.p, whole.n - 120);
        assert_int_equal(out_repair(fix_path("count.xml"), report, sizeof(report), &e), 0);
        struct span after = fix_read(fix_path("count.xml"));
        assert_non_null(strstr((const char *)whole.p, "<hosts up=\"2\" down=\"2\" total=\"4\" />"));
        assert_non_null(strstr((const char *)after.p, "<hosts up=\"2\" down=\"2\" total=\"4\" />"));
        fix_drop(whole);
        fix_drop(after);
}

static void what_is_not_ours_is_left_alone(void **state)
{
        static const char *const texts[] = {"hello\n",
                                            "[1, 2]\n",
                                            "<?xml version=\"1.0\"?>\n<a/>\n",
                                            "ip address\n1\n",
                                            "#masscan\nnot a record\nand another\n",
                                            "# Trawl\n",
                                            "\n",
                                            "{}\n"};
        char report[600];
        struct err e;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
                fix_write(fix_path("foreign"), texts[i], strlen(texts[i]));
                if (out_repair(fix_path("foreign"), report, sizeof(report), &e) == 0)
                        fail_msg("\"%s\" was taken: %s", texts[i], report);
                struct span s = fix_read(fix_path("foreign"));
                assert_int_equal(s.n, strlen(texts[i]));
                fix_drop(s);
        }
        assert_int_equal(out_repair(fix_path("absent"), report, sizeof(report), &e), -1);
        assert_int_equal(out_repair(fix_dir, report, sizeof(report), &e), -1);
        fix_write(fix_path("empty"), "", 0);
        assert_int_equal(out_repair(fix_path("empty"), report, sizeof(report), &e), -1);
        fix_write(fix_path("empty.json"), "", 0);
        assert_int_equal(out_repair(fix_path("empty.json"), report, sizeof(report), &e), 0);
        struct span s = fix_read(fix_path("empty.json"));
        assert_int_equal(s.n, 4);
        fix_drop(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_type_is_read),
                cmocka_unit_test(odd_but_right_files_are_read),
                cmocka_unit_test(a_torn_tail_is_told),
                cmocka_unit_test(other_files_are_refused),
                cmocka_unit_test(every_fact_comes_back),
                cmocka_unit_test(long_banners_go_on_in_the_next_record),
                cmocka_unit_test(files_of_masscan_are_read),
                cmocka_unit_test(noise_ends),
                cmocka_unit_test(cut_files_are_mended),
                cmocka_unit_test(repaired_xml_counts_again),
                cmocka_unit_test(what_is_not_ours_is_left_alone),
        };
        return cmocka_run_group_tests(tests, fix_dir_make, fix_dir_drop);
}
