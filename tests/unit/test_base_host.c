// SPDX-License-Identifier: Apache-2.0
/*
 * Host names as they go over the wire: other scripts, dots, capitals, limits, and what is no name at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/base.h"

static void gives(const char *name, const char *want)
{
        char room[HOST_NAME_MAX_LEN];
        struct span s = host_on_wire(span_str(name), room);
        if (s.n != strlen(want) || memcmp(s.p, want, s.n) != 0)
                fail_msg("\"%s\" gave \"%.*s\", not \"%s\"", name, (int)s.n, (const char *)s.p, want);
}

static void test_plain(void **state)
{
        (void)state;
        gives("www.example.com", "www.example.com");
        gives("www.example.com.", "www.example.com");
        gives("WWW.Example.COM", "www.example.com");
        gives("_dmarc.a-b.example", "_dmarc.a-b.example");
        gives("localhost", "localhost");
        gives("4.example", "4.example");
        gives("10.0.0.1.nip.io", "10.0.0.1.nip.io");
        gives("xn--bcher-kva.example", "xn--bcher-kva.example");
}

/* RFC 3492 §7.1 and the test domains of IANA's "Root Zone IDN" trial. */
static void test_scripts(void **state)
{
        (void)state;
        gives("b\u00fccher.example", "xn--bcher-kva.example");
        gives("B\u00dcCHER.example.", "xn--bcher-kva.example");
        gives("m\u00fcnchen.de", "xn--mnchen-3ya.de");
        gives("\u043f\u0440\u0438\u043c\u0435\u0440.\u0438\u0441\u043f\u044b\u0442\u0430\u043d\u0438\u0435",
              "xn--e1afmkfd.xn--80akhbyknj4f");
        gives("\u4f8b\u3048.\u30c6\u30b9\u30c8", "xn--r8jz45g.xn--zckzah");
        gives("3\u5e74b\u7d44\u91d1\u516b\u5148\u751f", "xn--3b-ww4c5e180e575a65lsy2b");
        gives("\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587", "xn--ihqwcrb4cv8a8dqg056pqjye");
        gives("\U0001f4a9.la", "xn--ls8h.la");
}

static void test_no_names(void **state)
{
        static const char *const bad[] = {"",
                                          ".",
                                          "..",
                                          "a..b",
                                          ".a",
                                          "a..",
                                          "192.0.2.1",
                                          "127.1",
                                          "2130706433",
                                          "2001:db8::1",
                                          "[::1]",
                                          "fe80::1%eth0",
                                          "a b.example",
                                          "a\r\nb",
                                          "a'b.example",
                                          "\xff.com",
                                          "b\xc3",
                                          "\xed\xa0\x80.example",
                                          "\xc0\xae.example",
                                          "a\u00a0b.example"};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                gives(bad[i], "");
}

static void test_limits(void **state)
{
        char name[300];
        (void)state;
        memset(name, 'a', sizeof(name));
        name[63] = 0;
        gives(name, name);
        name[63] = 'a';
        name[64] = 0;
        gives(name, "");
        memset(name, 'a', sizeof(name));
        for (size_t i = 60; i < 250; i += 60)
                name[i] = '.';
        name[253] = 0;
        gives(name, name);
        name[253] = 'a';
        name[254] = 0;
        gives(name, "");
        char wide[3 * 63 + 1]; /* 63 characters that are far apart: more than a label's bytes */
        for (size_t i = 0; i < 63; i++)
                memcpy(wide + 3 * i, i & 1 ? "\u4e00" : "\uac00", 3);
        wide[sizeof(wide) - 1] = 0;
        gives(wide, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),
                cmocka_unit_test(test_scripts),
                cmocka_unit_test(test_no_names),
                cmocka_unit_test(test_limits),
        };
        return cmocka_run_group_tests_name("host names", tests, NULL, NULL);
}
