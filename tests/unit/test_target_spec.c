// SPDX-License-Identifier: Apache-2.0
/*
 * test_target_spec: target text in, ranges out. Tables of good and bad texts (each bad one with the words its
 * message must hold), and files: line ends, comments, dashes, positions in messages, items on chunk edges.
 * Invariant: no name is looked up here, so no packet is ever sent (test_target_names.c does that, cut off).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "target/target.h"

static struct tgt_set *fresh(void)
{
        struct tgt_set *s;
        struct err e = {0};
        assert_int_equal(tgt_set_new(&s, &e), 0);
        return s;
}

/* All ranges of the set as text, blank between. */
static void show(struct tgt_set *s, char *out, size_t cap)
{
        struct err e = {0};
        struct tgt_walk w;
        struct tgt_range r;
        struct wr wr = wr_of(out, cap - 1);
        assert_int_equal(tgt_set_finish(s, &e), 0);
        for (tgt_set_walk(&w, s); tgt_walk_next(&w, &r);) {
                char text[160];
                tgt_range_format(text, sizeof(text), &r);
                if (wr_len(&wr))
                        wr_u8(&wr, ' ');
                wr_str(&wr, text);
        }
        assert_false(wr.full);
        out[wr_len(&wr)] = 0;
}

static const struct {
        const char *in, *out;
} good[] = {
        {"", ""},
        {" ,, \t\r\n,", ""},
        {"10.0.0.1", "10.0.0.1"},
        {"010.000.000.001", "10.0.0.1"},
        {"10.0.0.77/24", "10.0.0.0/24"},
        {"1.2.3.4/0", "0.0.0.0/0"},
        {"1.2.3.4/32", "1.2.3.4"},
        {"0.0.0.0/1", "0.0.0.0/1"},
        {"10.0.0.1-10.0.0.3", "10.0.0.1-10.0.0.3"},
        {"10.0.0.0-10.0.0.255", "10.0.0.0/24"},
        {"10.0.0.1 - 10.0.0.3", "10.0.0.1-10.0.0.3"},
        {"10.0.0.1 -10.0.0.3", "10.0.0.1-10.0.0.3"},
        {"10.0.0.1- 10.0.0.3", "10.0.0.1-10.0.0.3"},
        {"10.0.0.1\t-\t10.0.0.3,10.0.0.9", "10.0.0.1-10.0.0.3 10.0.0.9"},
        {"10.0.0.1\x96"
         "10.0.0.3",
         "10.0.0.1-10.0.0.3"},
        {"10.0.0.1\xe2\x80\x90"
         "10.0.0.3",
         "10.0.0.1-10.0.0.3"},
        {"10.0.0.1 \xe2\x80\x93 10.0.0.3", "10.0.0.1-10.0.0.3"},
        {"10.0.0.1\xe2\x80\x95 10.0.0.3", "10.0.0.1-10.0.0.3"},
        {"10.0.0.1 \x96 10.0.0.3", "10.0.0.1-10.0.0.3"},
        {"10.0.0.5-10", "10.0.0.5-10.0.0.10"},
        {"10.0.0.*", "10.0.0.0/24"},
        {"10.0.*.*", "10.0.0.0/16"},
        {"*.*.*.*", "0.0.0.0/0"},
        {"10.0.0-2.0-255", "10.0.0.0-10.0.2.255"},
        {"10.0.0-1.1-254", "10.0.0.1-10.0.0.254 10.0.1.1-10.0.1.254"},
        {"10-11.0.0-1.7", "10.0.0.7 10.0.1.7 11.0.0.7 11.0.1.7"},
        {"10.1-2.*.*", "10.1.0.0-10.2.255.255"},
        {"10.0-1.3.*", "10.0.3.0/24 10.1.3.0/24"},
        {"10.0.0.3 10.0.0.1,10.0.0.2\n10.0.0.1", "10.0.0.1-10.0.0.3"},
        {"10.0.0.0/24,10.0.0.128/25,10.0.1.0/24", "10.0.0.0/23"},
        {"255.255.255.255,255.255.255.254", "255.255.255.254/31"},
        {"127.0.0.1,192.168.0.1", "127.0.0.1 192.168.0.1"},
        {"::1", "::1"},
        {"[::1]", "::1"},
        {"2001:DB8::/32", "2001:db8::/32"},
        {"[2001:db8::7]/126", "2001:db8::4/126"},
        {"2001:db8::1-2001:db8::3", "2001:db8::1-2001:db8::3"},
        {"[2001:db8::1]-[2001:db8::3]", "2001:db8::1-2001:db8::3"},
        {"2001:db8::1 - 2001:db8::3", "2001:db8::1-2001:db8::3"},
        {"::/0", "::/0"},
        {"::/0,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"},
        {"8000::/1,7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff-"
                                                             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"2001:db8::2,10.0.0.1,2001:db8::3", "10.0.0.1 2001:db8::2/127"},
        {"fe80::1%lo", "fe80::1%lo"},
        {"[fe80::1%lo]", "fe80::1%lo"},
        {"fe80::%lo/126,fe80::1", "fe80::1 fe80::%lo/126"},
        {"fe80::1%lo-fe80::3", "fe80::1%lo-fe80::3%lo"},
        {"2001:db8::1.2.3.4", "2001:db8::102:304"},
};

static void test_good(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(good); i++) {
                struct tgt_set *s = fresh();
                struct err e = {0};
                char text[400];
                if (tgt_set_add(s, good[i].in, NULL, &e))
                        fail_msg("\"%s\" was refused: %s", good[i].in, e.text);
                show(s, text, sizeof(text));
                assert_string_equal(text, good[i].out);
                tgt_set_free(s);
        }
}

static const struct {
        const char *in, *quoted, *why;
} bad[] = {
        {"10.0.0.256", "10.0.0.256", "above 255"},
        {"256.0.0.0/8", "256.0.0.0/8", "above 255"},
        {"10.0.0.999", "10.0.0.999", "above 255"},
        {"10.0.0.1000", "10.0.0.1000", "not an IPv4 address"},
        {"10.0.0.0/33", "10.0.0.0/33", "/0 to /32"},
        {"10.0.0.0/", "10.0.0.0/", "/0 to /32"},
        {"10.0.0.0/-1", "10.0.0.0/-1", "/0 to /32"},
        {"10.0.0.0/8/8", "10.0.0.0/8/8", "/0 to /32"},
        {"10.0.0.0/255.255.255.0", "10.0.0.0/255.255.255.0", "/0 to /32"},
        {"10.0.0.9-10.0.0.1", "10.0.0.9-10.0.0.1", "backwards"},
        {"10.0.0.9 - 10.0.0.1", "10.0.0.9 - 10.0.0.1", "backwards"},
        {"10.0.0.9-3", "10.0.0.9-3", "backwards"},
        {"1.2.3", "1.2.3", "four numbers"},
        {"1.2.3.4.5", "1.2.3.4.5", "four numbers"},
        {"12345", "12345", "not an IPv4 address"},
        {"7", "7", "four numbers"},
        {"1..2.3", "1..2.3", "not an IPv4 address"},
        {".1.2.3", ".1.2.3", "not an IPv4 address"},
        {"10.0.0.1-", "10.0.0.1-", "without a number on both sides"},
        {"10.0.0.-7", "10.0.0.-7", "without a number on both sides"},
        {"10.0.0.1 -", "10.0.0.1 -", "full address on each side"},
        {"10.0.0.1 - 7", "10.0.0.1 - 7", "full address on each side"},
        {"10.0.0.1 - note", "10.0.0.1 - note", "full address on each side"},
        {"- 10.0.0.1", "-", "starts with a dash"},
        {"-10.0.0.1", "-10.0.0.1", "starts with a dash"},
        {"300.1-2.3.4", "300.1-2.3.4", "above 255"},
        {"10.0.0.1-10.0.0", "10.0.0.1-10.0.0", "four numbers"},
        {"10.0.0-3.0/24", "10.0.0-3.0/24", "mixes a range and a prefix"},
        {"10.0.0.1-10.0.0.3/24", "10.0.0.1-10.0.0.3/24", "mixes a range and a prefix"},
        {"10.0.0.*/24", "10.0.0.*/24", "mixes a range and a prefix"},
        {"10.0.0.1*", "10.0.0.1*", "not an IPv4 address"},
        {"10.0.0.1x", "10.0.0.1x", "behind the address"},
        {"10.0.0.1;10.0.0.2", "10.0.0.1;10.0.0.2", "neither an address nor a host name"},
        {"10.0.0.1:80", "10.0.0.1:80", "-p"},
        {"example.org:80", "example.org:80", "-p"},
        {"[::1]:80", "[::1]:80", "-p"},
        {"http://10.0.0.1/", "http://10.0.0.1/", "host only"},
        {"https://example.org/x?y", "https://example.org/x?y", "host only"},
        {"example.org/index.html", "example.org/index.html", "host only"},
        {"2001:db8::g", "2001:db8::g", "not an IPv6 address"},
        {"2001:db8:::1", "2001:db8:::1", "not an IPv6 address"},
        {"1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:9", "not an IPv6 address"},
        {"::1/129", "::1/129", "/0 to /128"},
        {"::1/x", "::1/x", "/0 to /128"},
        {"[::1", "[::1", "bracket"},
        {"::1]", "::1]", "bracket"},
        {"2001:db8::9-2001:db8::1", "2001:db8::9-2001:db8::1", "backwards"},
        {"10.0.0.1-2001:db8::1", "10.0.0.1-2001:db8::1", "mixes IPv4 and IPv6"},
        {"2001:db8::1 - x", "2001:db8::1 - x", "full address on each side"},
        {"fe80::1%nosuchif0", "fe80::1%nosuchif0", "\"nosuchif0\", which does not exist"},
        {"fe80::1%", "fe80::1%", "does not exist"},
        {"2001:db8::1%lo", "2001:db8::1%lo", "link-local"},
        {"fe80::1%lo/8", "fe80::1%lo/8", "link-local"},
        {"10.0.0.1,10.0.0.2,10.0.0.300,10.0.0.4", "10.0.0.300", "above 255"},
        {"#10.0.0.1", "#10.0.0.1", "neither an address nor a host name"},
        {"example_.org!", "example_.org!", "neither an address nor a host name"},
        {"a..b", "a..b", "neither an address nor a host name"},
        {"example.org", "example.org", "-n forbids"},
        {"\x01\x02", "\\x01\\x02", "neither an address nor a host name"},
};

static void test_bad(void **state)
{
        struct tgt_text how = {.no_dns = true};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                struct tgt_set *s = fresh();
                struct err e = {0};
                char quoted[100];
                snprintf(quoted, sizeof(quoted), "\"%s\"", bad[i].quoted);
                if (tgt_set_add(s, bad[i].in, &how, &e) != -1)
                        fail_msg("\"%s\" was taken", bad[i].in);
                if (!strstr(e.text, quoted) || !strstr(e.text, bad[i].why) || strchr(e.text, '\n'))
                        fail_msg("\"%s\" gave: %s", bad[i].in, e.text);
                tgt_set_free(s);
        }
}

static void test_long_item(void **state)
{
        char text[2000];
        struct err e = {0};
        struct tgt_set *s = fresh();
        (void)state;
        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        assert_int_equal(tgt_set_add(s, text, NULL, &e), -1);
        assert_non_null(strstr(e.text, "too long"));
        assert_true(strlen(e.text) < 300);
        tgt_set_free(s);
}

/* ---- files ---- */

static void write_file(char path[32], const char *bytes, size_t n)
{
        memcpy(path, "/tmp/trawl-test-XXXXXX", sizeof("/tmp/trawl-test-XXXXXX"));
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, n), (ssize_t)n);
        close(fd);
}

static int add_file(struct tgt_set *s, const char *bytes, size_t n, char path[32], struct err *e)
{
        struct tgt_text how = {.no_dns = true};
        write_file(path, bytes, n);
        int rc = tgt_set_add_file(s, path, &how, e);
        unlink(path);
        return rc;
}

static void test_file_good(void **state)
{
        static const char text[] = "\xef\xbb\xbf# a comment, 10.9.9.9\r\n"
                                   "10.0.0.1\r\n"
                                   "10.0.0.2 # why\r\n"
                                   "; 10.9.9.8\n"
                                   "//10.9.9.7\n\n"
                                   "\t10.0.1.0 - 10.0.1.255 ; note\n"
                                   "10.0.2.1,10.0.2.3  10.0.2.5\n"
                                   "2001:db8::1 #\n"
                                   "10.0.3.7";
        struct tgt_set *s = fresh();
        struct err e = {0};
        char path[32], out[300];
        (void)state;
        if (add_file(s, text, sizeof(text) - 1, path, &e))
                fail_msg("%s", e.text);
        show(s, out, sizeof(out));
        assert_string_equal(out,
                            "10.0.0.1-10.0.0.2 10.0.1.0/24 10.0.2.1 10.0.2.3 10.0.2.5 10.0.3.7 2001:db8::1");
        tgt_set_free(s);
}

static const struct {
        const char *in, *where, *why;
} bad_files[] = {
        {"10.0.0.1\n10.0.0.256\n", ":2:1: \"10.0.0.256\"", "above 255"},
        {"10.0.0.1\r\n  10.0.0.2, 10.0.0.0/40\n", ":2:13: \"10.0.0.0/40\"", "/0 to /32"},
        {"# x\n\n10.0.0.1 - because\n", ":3:1: \"10.0.0.1 - because\"", "full address on each side"},
        {"10.0.0.1\n- 10.0.0.2\n", ":2:1: \"-\"", "starts with a dash"},
        {"10.0.0.1 # x\nexample.org\n", ":2:1: \"example.org\"", "-n forbids"},
        {"\xef\xbb\xbfzz!\n", ":1:1: \"zz!\"", "neither"},
        {"10.0.0.1 80\n", ":1:10: \"80\"", "four numbers"},
        {"10.0.0.9\xe2\x80\x93"
         "10.0.0.1",
         ":1:1: \"10.0.0.9\xe2\x80\x93"
         "10.0.0.1\"",
         "backwards"},
};

static void test_file_bad(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(bad_files); i++) {
                struct tgt_set *s = fresh();
                struct err e = {0};
                char path[32], where[100];
                assert_int_equal(add_file(s, bad_files[i].in, strlen(bad_files[i].in), path, &e), -1);
                snprintf(where, sizeof(where), "%s%s", path, bad_files[i].where);
                if (!strstr(e.text, where) || !strstr(e.text, bad_files[i].why))
                        fail_msg("row %zu gave: %s, not %s", i, e.text, where);
                tgt_set_free(s);
        }
}

static void test_file_odd(void **state)
{
        struct err e = {0};
        struct tgt_set *s = fresh();
        char path[32];
        (void)state;
        assert_int_equal(tgt_set_add_file(s, "/nonexistent/list", NULL, &e), -1);
        assert_non_null(strstr(e.text, "cannot open \"/nonexistent/list\""));
        assert_int_equal(tgt_set_add_file(s, "/tmp", NULL, &e), -1);
        assert_non_null(strstr(e.text, "cannot read \"/tmp\""));
        assert_int_equal(add_file(s, "10.0.0.1\0.2", 11, path, &e), -1);
        assert_non_null(strstr(e.text, "zero byte"));
        assert_int_equal(add_file(s, "", 0, path, &e), 0);
        assert_true(tgt_set_empty(s));
        tgt_set_free(s);
}

/* Several chunks long, with every kind of separator, items and comments falling on every offset of an edge,
 * the last line far down: its number and column must be right. */
static void test_file_long(void **state)
{
        enum { LINES = 120000 };
        size_t cap = (size_t)LINES * 40, n = 0;
        char *text = malloc(cap), path[32], where[64];
        struct tgt_set *s = fresh();
        struct err e = {0};
        struct tgt_plan_facts f;
        struct tgt_plan *p;
        struct tgt_ports *ports;
        (void)state;
        for (unsigned i = 0; i < LINES; i++) {
                static const char *const form[] = {"10.%u.%u.%u\n", "10.%u.%u.%u # note, 1.1.1.1\r\n",
                                                   "  10.%u.%u.%u,", "10.%u.%u.%u/32 \t\n"};
                n += (size_t)snprintf(text + n, cap - n, form[(i * 7 + i / 5) % 4], i >> 16, i >> 8 & 255,
                                      i & 255);
        }
        if (add_file(s, text, n, path, &e))
                fail_msg("%s", e.text);
        assert_int_equal(tgt_set_finish(s, &e), 0);
        assert_int_equal(tgt_ports_new(&ports, &e), 0);
        assert_int_equal(tgt_ports_add(ports, "80", TGT_TCP, &e), 0);
        struct tgt_spec spec = {.include = s, .ports = ports};
        assert_int_equal(tgt_plan_new(&p, &spec, &e), 0);
        tgt_plan_facts(p, &f);
        assert_int_equal(f.v4, LINES);
        assert_int_equal(f.ranges, 1);
        tgt_plan_free(p);
        tgt_ports_free(ports);
        unsigned lines = 1;
        for (size_t i = 0; i < n; i++)
                lines += text[i] == '\n';
        n += (size_t)snprintf(text + n, cap - n, "\n10.0.0.1, nonsense!");
        assert_int_equal(add_file(s, text, n, path, &e), -1);
        snprintf(where, sizeof(where), "%s:%u:11: \"nonsense!\"", path, lines + 1);
        assert_non_null(strstr(e.text, where));
        tgt_set_free(s);
        free(text);
}

/* One line longer than any buffer: the column counts on. */
static void test_file_one_line(void **state)
{
        enum { ITEMS = 60000 };
        size_t cap = (size_t)ITEMS * 16 + 64, n = 0;
        char *text = malloc(cap), path[32], where[64];
        struct tgt_set *s = fresh();
        struct err e = {0};
        (void)state;
        for (unsigned i = 0; i < ITEMS; i++)
                n += (size_t)snprintf(text + n, cap - n, "10.%u.%u.%u,", i >> 16, i >> 8 & 255, i & 255);
        snprintf(where, sizeof(where), ":1:%zu: \"bad!\"", n + 1);
        n += (size_t)snprintf(text + n, cap - n, "bad!");
        assert_int_equal(add_file(s, text, n, path, &e), -1);
        if (!strstr(e.text, where))
                fail_msg("%s, not %s", e.text, where);
        tgt_set_free(s);
        free(text);
}

/* ---- CIDR blocks and random draws ---- */

struct blocks {
        char text[600];
        size_t n;
};

static void note_block(void *ctx, const struct ip_addr *a, unsigned bits)
{
        struct blocks *b = ctx;
        char text[IP_TEXT_MAX];
        ip_format(text, a);
        b->n += (size_t)snprintf(b->text + b->n, sizeof(b->text) - b->n, "%s/%u ", text, bits);
}

static void test_cidrs(void **state)
{
        struct tgt_range v4 = {ip_v4(0x0a000001), ip_v4(0x0a000009)};
        struct tgt_range all4 = {ip_v4(0), ip_v4(UINT32_MAX)},
                         all6 = {ip_v6(0, 0), ip_v6(UINT64_MAX, UINT64_MAX)};
        struct tgt_range top6 = {ip_v6(UINT64_MAX, UINT64_MAX - 2), ip_v6(UINT64_MAX, UINT64_MAX)};
        struct blocks b = {0};
        (void)state;
        tgt_range_cidrs(&v4, note_block, &b);
        assert_string_equal(b.text, "10.0.0.1/32 10.0.0.2/31 10.0.0.4/30 10.0.0.8/31 ");
        b = (struct blocks){0};
        tgt_range_cidrs(&all4, note_block, &b);
        tgt_range_cidrs(&all6, note_block, &b);
        assert_string_equal(b.text, "0.0.0.0/0 ::/0 ");
        b = (struct blocks){0};
        tgt_range_cidrs(&top6, note_block, &b);
        assert_string_equal(b.text, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd/128 "
                                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127 ");
}

static void test_random(void **state)
{
        struct tgt_set *a = fresh(), *b = fresh(), *c = fresh();
        struct tgt_walk w, x;
        struct tgt_range r, q;
        struct err e = {0};
        uint64_t n = 0, same = 0;
        (void)state;
        assert_int_equal(tgt_set_add_random(a, 50000, 7, &e), 0);
        assert_int_equal(tgt_set_add_random(b, 50000, 7, &e), 0);
        assert_int_equal(tgt_set_add_random(c, 50000, 8, &e), 0);
        tgt_set_finish(a, &e);
        tgt_set_finish(b, &e);
        tgt_set_finish(c, &e);
        tgt_set_walk(&x, b);
        for (tgt_set_walk(&w, a); tgt_walk_next(&w, &r);) {
                assert_true(tgt_walk_next(&x, &q) && ip_eq(&r.first, &q.first) && ip_eq(&r.last, &q.last));
                uint32_t v = (uint32_t)r.first.lo;
                assert_true(v >> 24 != 10 && v >> 24 != 127 && v >> 24 != 0 && v >> 24 < 224);
                assert_true(v >> 16 != 0xc0a8 && v >> 20 != 0xac1 && v >> 16 != 0xa9fe);
                n += r.last.lo - r.first.lo + 1;
        }
        assert_int_equal(n, 50000);
        tgt_set_walk(&x, c);
        for (tgt_set_walk(&w, a); tgt_walk_next(&w, &r) && tgt_walk_next(&x, &q);)
                same += ip_eq(&r.first, &q.first);
        assert_true(same < 10);
        assert_int_equal(tgt_set_add_random(a, 0, 7, &e), -1);
        assert_int_equal(tgt_set_add_random(a, 4000000000u, 7, &e), -1);
        assert_non_null(strstr(e.text, "4000000000"));
        tgt_set_free(a);
        tgt_set_free(b);
        tgt_set_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),      cmocka_unit_test(test_bad),
                cmocka_unit_test(test_long_item), cmocka_unit_test(test_file_good),
                cmocka_unit_test(test_file_bad),  cmocka_unit_test(test_file_odd),
                cmocka_unit_test(test_file_long), cmocka_unit_test(test_file_one_line),
                cmocka_unit_test(test_cidrs),     cmocka_unit_test(test_random),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
