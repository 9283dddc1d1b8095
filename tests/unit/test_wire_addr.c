// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses as text and back: tables of good and bad spellings (RFC 4291 §2.2, RFC 5952 §4), the C library's
 * inet_pton and inet_ntop as a second opinion over random addresses, carries and wraps of ip_add.
 */
#include "wire/wire.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void parse_or_fail(struct ip_addr *a, const char *text)
{
        if (ip_parse(a, text, strlen(text)))
                fail_msg("\"%s\" was refused", text);
}

static void text_round_trips(void **state)
{
        static const struct {
                const char *in, *out;
        } rows[] = {
                {"0.0.0.0", "0.0.0.0"},
                {"255.255.255.255", "255.255.255.255"},
                {"010.001.000.009", "10.1.0.9"},
                {"::", "::"},
                {"::1", "::1"},
                {"1::", "1::"},
                {"[2001:DB8::A]", "2001:db8::a"},
                {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
                {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
                {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
                {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
                {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
                {"1:0:0:0:0:0:0:0", "1::"},
                {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
                {"::ffff:c000:201", "::ffff:192.0.2.1"},
                {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
                {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
                {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
                {"fe80::1%lo", "fe80::1%lo"},
                {"[fe80::1%1]", "fe80::1%lo"},
                {"fe80::1%1999999999", "fe80::1%1999999999"},
        };
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct ip_addr a;
                char text[IP_TEXT_MAX];
                parse_or_fail(&a, rows[i].in);
                assert_int_equal(ip_format(text, &a), strlen(rows[i].out));
                assert_string_equal(text, rows[i].out);
        }
}

static void bad_text_is_refused(void **state)
{
        static const char *const rows[] = {
                "",
                ".",
                "1",
                "1.2.3",
                "1.2.3.4.5",
                "1.2.3.256",
                "1..3.4",
                "1.2.3.",
                ".1.2.3",
                "1.2.3.4 ",
                " 1.2.3.4",
                "1.2.3.-4",
                "0x1.2.3.4",
                "[1.2.3.4]",
                "1.2.3.4%lo",
                "99999999999999999999.1.1.1",
                ":",
                ":::",
                ":1",
                "1:",
                "1::2::3",
                "1:2:3:4:5:6:7",
                "1:2:3:4:5:6:7:8:9",
                "1:2:3:4:5:6:7:8::",
                "::1:2:3:4:5:6:7:8",
                "12345::",
                "g::",
                "1:2:3:4:5:6:7:1.2.3.4",
                "::1.2.3",
                "::1.2.3.4:5",
                "[::1",
                "::1]",
                "[]",
                "[[::1]]",
                "fe80::1%",
                "fe80::1%no-such-link0",
                "fe80::1%0",
                "fe80::1%99999999999",
                "fe80::1%a-name-that-is-far-too-long-for-a-link",
                "2001:db8::1%lo",
                "%lo",
        };
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct ip_addr a;
                if (ip_parse(&a, rows[i], strlen(rows[i])) == 0)
                        fail_msg("\"%s\" was taken", rows[i]);
        }
}

static void only_n_bytes_are_read(void **state)
{
        struct ip_addr a;
        (void)state;
        assert_int_equal(ip_parse(&a, "10.0.0.12345", 8), 0);
        assert_int_equal(a.lo, 0x0a000001);
        assert_int_equal(ip_parse(&a, "::12", 3), 0);
        assert_int_equal(a.lo, 1);
}

/* Addresses with many zero groups, where the rules of abbreviation matter. */
static struct ip_addr random_v6(void)
{
        uint64_t half[2] = {0, 0};
        for (int i = 0; i < 8; i++)
                if (rand() % 2)
                        half[i / 4] |= (uint64_t)(rand() & (rand() % 2 ? 0xffff : 0xf)) << (i % 4 * 16);
        return ip_v6(half[0], half[1]);
}

static void agrees_with_the_c_library(void **state)
{
        (void)state;
        srand(1);
        for (int i = 0; i < 20000; i++) {
                struct ip_addr a = random_v6(), back;
                uint8_t mine[16], theirs[16];
                char text[IP_TEXT_MAX], other[INET6_ADDRSTRLEN];
                ip_to_bytes(&a, mine);
                ip_format(text, &a);
                assert_int_equal(inet_pton(AF_INET6, text, theirs), 1);
                assert_memory_equal(mine, theirs, 16);
                assert_non_null(inet_ntop(AF_INET6, mine, other, sizeof(other)));
                parse_or_fail(&back, other);
                assert_true(ip_eq(&a, &back));
                back = ip_from_bytes(mine, 6);
                assert_true(ip_eq(&a, &back));
                if (!strchr(other, '.')) /* ::a.b.c.d of RFC 4291's deprecated kind is the library's taste */
                        assert_string_equal(text, other);
        }
}

static void adding_carries_and_wraps(void **state)
{
        struct ip_addr a = ip_add(ip_v6(1, UINT64_MAX - 1), 3), b = ip_add(ip_v4(0xfffffffe), 3);
        struct ip_addr c = ip_add(ip_v6(UINT64_MAX, UINT64_MAX), 1), d = ip_add(ip_v6(5, 7), UINT64_MAX);
        (void)state;
        assert_true(a.hi == 2 && a.lo == 1);
        assert_true(b.hi == 0 && b.lo == 1 && b.family == 4);
        assert_true(c.hi == 0 && c.lo == 0);
        assert_true(d.hi == 6 && d.lo == 6);
}

static void order_is_family_zone_value(void **state)
{
        struct ip_addr rows[] = {ip_v4(0),    ip_v4(5),   ip_v6(0, 0), ip_v6(0, UINT64_MAX),
                                 ip_v6(1, 0), ip_v6(0, 1)};
        (void)state;
        rows[5].zone = 3;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
                        int want = i < j ? -1 : i > j;
                        assert_int_equal(ip_cmp(&rows[i], &rows[j]), want);
                        assert_int_equal(ip_eq(&rows[i], &rows[j]), want == 0);
                }
}

static void macs(void **state)
{
        static const char *const good[] = {"02:00:5e:10:0F:ff", "02-00-5e-10-0f-ff", "02005e100fff",
                                           "0200.5e10.0fff"};
        static const char *const bad[] = {"",
                                          "02:00:5e:10:0f",
                                          "02:00:5e:10:0f:f",
                                          "02:00:5e:10:0f:ff:",
                                          "02::00:5e:10:0f:ff",
                                          "2:0:5e:10:f:ff",
                                          "02:00:5e:10:0g:ff",
                                          " 02:00:5e:10:0f:ff"};
        static const uint8_t want[6] = {2, 0, 0x5e, 0x10, 0x0f, 0xff};
        uint8_t mac[6];
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(good); i++) {
                memset(mac, 0, 6);
                assert_true(mac_parse(mac, good[i]));
                assert_memory_equal(mac, want, 6);
        }
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                if (mac_parse(mac, bad[i]))
                        fail_msg("\"%s\" was taken", bad[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_round_trips),
                cmocka_unit_test(bad_text_is_refused),
                cmocka_unit_test(only_n_bytes_are_read),
                cmocka_unit_test(agrees_with_the_c_library),
                cmocka_unit_test(adding_carries_and_wraps),
                cmocka_unit_test(order_is_family_zone_value),
                cmocka_unit_test(macs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
