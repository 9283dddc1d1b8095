// SPDX-License-Identifier: Apache-2.0
/*
 * test_target_names: host names in target lists, resolved from a hosts file of the test's own. The process
 * first cuts itself off (network and mount namespace of its own), so nothing is ever asked of a name server;
 * where that is not allowed the tests say so and are skipped. Invariant: the order of answers never shows in
 * the result.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>
#include <cmocka.h>
#include "target/target.h"

enum { MANY = 300 };

static bool cut_off;

static int set_up(void **state)
{
        char path[] = "/tmp/trawl-test-XXXXXX";
        (void)state;
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
                return 0;
        int fd = mkstemp(path);
        FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
        if (!f)
                return 0;
        fprintf(f, "10.1.0.1 one.test both.test\n2001:db8::1 both.test six.test\n10.1.0.2 both.test\n"
                   "0.0.0.0 blocked.test\n");
        for (unsigned i = 0; i < MANY; i++)
                fprintf(f, "10.2.%u.%u host%u.test\n", i >> 8, i & 255, i);
        fclose(f);
        cut_off = mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
        unlink(path);
        return 0;
}

static struct tgt_plan *plan_of(const char *include, const char *exclude, const struct tgt_text *how)
{
        struct tgt_set *in, *ex;
        struct tgt_ports *ports;
        struct tgt_plan *p;
        struct err e = {0};
        if (!cut_off)
                skip();
        assert_int_equal(tgt_set_new(&in, &e) | tgt_set_new(&ex, &e) | tgt_ports_new(&ports, &e), 0);
        assert_int_equal(tgt_ports_add(ports, "80", TGT_TCP, &e), 0);
        if (tgt_set_add(in, include, how, &e) || tgt_set_add(ex, exclude, how, &e))
                fail_msg("%s", e.text);
        assert_int_equal(tgt_set_finish(in, &e) | tgt_set_finish(ex, &e), 0);
        struct tgt_spec spec = {.include = in, .exclude = ex, .ports = ports};
        if (tgt_plan_new(&p, &spec, &e))
                fail_msg("%s", e.text);
        tgt_set_free(in);
        tgt_set_free(ex);
        tgt_ports_free(ports);
        return p;
}

static void expect_targets(const struct tgt_plan *p, const char *expected)
{
        char text[400] = "", one[160];
        struct tgt_walk w;
        struct tgt_range r;
        size_t n = 0;
        for (tgt_plan_walk(&w, p); tgt_walk_next(&w, &r);) {
                tgt_range_format(one, sizeof(one), &r);
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "", one);
        }
        assert_string_equal(text, expected);
}

static void expect_names(const struct tgt_plan *p, struct ip_addr ip, const char *first, const char *second)
{
        const char *const *names;
        unsigned n = tgt_plan_names(p, &ip, &names);
        assert_int_equal(n, (first ? 1 : 0) + (second ? 1 : 0));
        if (first)
                assert_string_equal(names[0], first);
        if (second)
                assert_string_equal(names[1], second);
}

static void expect_bad(const char *text, const struct tgt_text *how, const char *quoted, const char *why)
{
        struct tgt_set *s;
        struct err e = {0};
        if (!cut_off)
                skip();
        assert_int_equal(tgt_set_new(&s, &e), 0);
        assert_int_equal(tgt_set_add(s, text, how, &e), -1);
        if (!strstr(e.text, quoted) || !strstr(e.text, why))
                fail_msg("\"%s\" gave: %s", text, e.text);
        tgt_set_free(s);
}

static void test_addresses(void **state)
{
        struct tgt_plan *p = plan_of("both.test,one.test 10.1.0.1", "", NULL);
        (void)state;
        expect_targets(p, "10.1.0.1-10.1.0.2 2001:db8::1");
        expect_names(p, ip_v4(0x0a010001), "both.test", "one.test");
        expect_names(p, ip_v4(0x0a010002), "both.test", NULL);
        expect_names(p, ip_v6(0x20010db8ull << 32, 1), "both.test", NULL);
        expect_names(p, ip_v4(0x0a010003), NULL, NULL);
        tgt_plan_free(p);
}

static void test_family(void **state)
{
        struct tgt_text four = {.family = 4}, six = {.family = 6};
        struct tgt_plan *p = plan_of("both.test", "", &four);
        (void)state;
        expect_targets(p, "10.1.0.1-10.1.0.2");
        tgt_plan_free(p);
        p = plan_of("both.test", "", &six);
        expect_targets(p, "2001:db8::1");
        tgt_plan_free(p);
        expect_bad("one.test", &six, "\"one.test\"", "does not resolve");
}

static void test_nets(void **state)
{
        struct tgt_plan *p = plan_of("both.test/30,six.test/126", "", NULL);
        (void)state;
        expect_targets(p, "10.1.0.0/30 2001:db8::/126");
        expect_names(p, ip_v4(0x0a010001), "both.test", NULL);
        expect_names(p, ip_v4(0x0a010003), NULL, NULL);
        tgt_plan_free(p);
        expect_bad("one.test/64", NULL, "\"one.test/64\"", "only IPv4");
}

static void test_exclude(void **state)
{
        struct tgt_plan *p = plan_of("10.1.0.0/30,2001:db8::/127", "both.test", NULL);
        (void)state;
        expect_targets(p, "10.1.0.0 10.1.0.3 2001:db8::");
        expect_names(p, ip_v4(0x0a010001), NULL, NULL);
        tgt_plan_free(p);
}

static void test_failures(void **state)
{
        struct tgt_text no_dns = {.no_dns = true}, no_names = {.no_names = true},
                        list = {.source = "list.txt"};
        (void)state;
        expect_bad("nosuch.test", NULL, "\"nosuch.test\"", "does not resolve");
        expect_bad("one.test", &no_dns, "\"one.test\"", "-n forbids");
        expect_bad("one.test", &no_names, "\"one.test\"", "names are not taken");
        expect_bad("one.test,\n six.test, nosuch1.test\nnosuch2.test", &list,
                   "list.txt:2:12: \"nosuch1.test\"", "does not resolve");
}

static void test_blocked(void **state)
{
        struct tgt_set *s;
        struct tgt_ports *ports;
        struct tgt_plan *p;
        struct err e = {0};
        (void)state;
        if (!cut_off)
                skip();
        assert_int_equal(tgt_set_new(&s, &e) | tgt_ports_new(&ports, &e), 0);
        assert_int_equal(tgt_ports_add(ports, "80", TGT_TCP, &e), 0);
        assert_int_equal(tgt_set_add(s, "one.test,blocked.test", NULL, &e), 0);
        assert_int_equal(tgt_set_finish(s, &e), 0);
        struct tgt_spec spec = {.include = s, .ports = ports};
        assert_int_equal(tgt_plan_new(&p, &spec, &e), -1);
        assert_non_null(strstr(e.text, "\"blocked.test\" resolves to \"0.0.0.0\""));
        tgt_set_free(s);
        tgt_ports_free(ports);
}

static void test_many_and_save(void **state)
{
        size_t cap = MANY * 16, n = 0;
        char *text = malloc(cap), path[] = "/tmp/trawl-test-XXXXXX", name[32];
        struct tgt_plan_facts f;
        struct err e = {0};
        (void)state;
        for (unsigned i = 0; i < MANY; i++)
                n += (size_t)snprintf(text + n, cap - n, "host%u.test\n", i);
        struct tgt_plan *p = cut_off ? plan_of(text, "", NULL) : NULL, *q;
        free(text);
        if (!cut_off)
                skip();
        tgt_plan_facts(p, &f);
        assert_int_equal(f.probes, MANY);
        close(mkstemp(path));
        assert_int_equal(tgt_plan_save(p, path, &e), 0);
        assert_int_equal(tgt_plan_load(&q, path, &e), 0);
        unlink(path);
        for (unsigned i = 0; i < MANY; i++) {
                snprintf(name, sizeof(name), "host%u.test", i);
                expect_names(p, ip_v4(0x0a020000 + i), name, NULL);
                expect_names(q, ip_v4(0x0a020000 + i), name, NULL);
        }
        tgt_plan_free(p);
        tgt_plan_free(q);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_addresses),     cmocka_unit_test(test_family),
                cmocka_unit_test(test_nets),          cmocka_unit_test(test_exclude),
                cmocka_unit_test(test_failures),      cmocka_unit_test(test_blocked),
                cmocka_unit_test(test_many_and_save),
        };
        return cmocka_run_group_tests(tests, set_up, NULL);
}
