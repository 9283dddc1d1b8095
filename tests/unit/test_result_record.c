// SPDX-License-Identifier: Apache-2.0
/*
 * The words of records: those that masscan's files use (read back from that program), nmap's for ICMP errors
 * (seen in its own output), room that is too small.
 */
#include "result/result.h"
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

static void states_and_protocols(void **state)
{
        (void)state;
        assert_string_equal(result_state_name(PORT_OPEN), "open");
        assert_string_equal(result_state_name(PORT_BANNER), "open");
        assert_string_equal(result_state_name(PORT_CLOSED), "closed");
        assert_string_equal(result_state_name(PORT_FILTERED), "filtered");
        assert_string_equal(result_state_name(PORT_UP), "up");
        assert_string_equal(result_state_name(PORT_UNKNOWN), "unknown");
        assert_string_equal(result_proto_name(0), "arp");
        assert_string_equal(result_proto_name(1), "icmp");
        assert_string_equal(result_proto_name(6), "tcp");
        assert_string_equal(result_proto_name(17), "udp");
        assert_string_equal(result_proto_name(132), "sctp");
        assert_string_equal(result_proto_name(58), "err");
}

static void reasons(void **state)
{
        static const struct {
                uint8_t flags, reporter, type, code;
                const char *word;
        } rows[] = {
                {0x12, 4, 0, 0, "syn-ack"},
                {0x14, 0, 0, 0, "rst-ack"},
                {0x04, 6, 0, 0, "rst"},
                {0x52, 0, 0, 0, "syn-ack-ece"},
                {0xff, 0, 0, 0, "fin-syn-rst-psh-ack-urg-ece-cwr"},
                {0, 0, 0, 0, "none"},
                {0, 0, 3, 1, "none"}, /* nobody said so: a file without that field */
                {0, 4, 3, 0, "net-unreach"},
                {0, 4, 3, 1, "host-unreach"},
                {0, 4, 3, 2, "proto-unreach"},
                {0, 4, 3, 3, "port-unreach"},
                {0, 4, 3, 9, "net-prohibited"},
                {0, 4, 3, 10, "host-prohibited"},
                {0, 4, 3, 13, "admin-prohibited"},
                {0, 4, 3, 16, "dest-unreach"},
                {0, 4, 3, 255, "dest-unreach"},
                {0, 4, 11, 0, "time-exceeded"},
                {0, 4, 11, 1, "time-exceeded"},
                {0, 4, 0, 0, "none"},
                {0, 6, 1, 0, "no-route"},
                {0, 6, 1, 1, "admin-prohibited"},
                {0, 6, 1, 2, "beyond-scope"},
                {0, 6, 1, 3, "host-unreach"},
                {0, 6, 1, 4, "port-unreach"},
                {0, 6, 1, 5, "admin-prohibited"},
                {0, 6, 1, 6, "reject-route"},
                {0, 6, 1, 7, "dest-unreach"},
                {0, 6, 3, 0, "time-exceeded"},
                {0, 6, 129, 0, "none"},
        };
        char word[64];
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct record r = {
                        .flags = rows[i].flags, .icmp_type = rows[i].type, .icmp_code = rows[i].code};
                r.reporter.family = rows[i].reporter;
                assert_int_equal(result_reason(word, sizeof(word), &r), strlen(rows[i].word));
                assert_string_equal(word, rows[i].word);
        }
}

static void a_reason_never_leaves_its_room(void **state)
{
        struct record r = {.flags = 0xff};
        char word[40];
        (void)state;
        for (size_t cap = 1; cap < sizeof(word); cap++) {
                memset(word, 'x', sizeof(word));
                size_t n = result_reason(word, cap, &r);
                assert_true(n < cap);
                assert_int_equal(word[n], 0);
                for (size_t i = cap; i < sizeof(word); i++)
                        assert_int_equal(word[i], 'x');
        }
}

static void every_icmp_code_has_a_word(void **state)
{
        char word[64];
        (void)state;
        for (unsigned i = 0; i < 65536 * 2; i++) {
                struct record r = {.icmp_type = (uint8_t)(i >> 8), .icmp_code = (uint8_t)i};
                r.reporter.family = i >> 16 ? 6 : 4;
                assert_true(result_reason(word, sizeof(word), &r) > 3);
        }
}

static void applications(void **state)
{
        static const struct {
                uint16_t id;
                const char *name;
                bool newest; /* the name leads back to this id */
        } rows[] = {
                {0, "unknown", false}, {1, "unknown", true},      {2, "ssh", false},  {3, "ssh", true},
                {4, "http", true},     {9, "ssl", true},          {15, "X509", true}, {16, "X509CA", true},
                {23, "vnc", false},    {31, "http.server", true}, {33, "vnc", true},  {34, "vnc-info", true},
                {35, "isakmp", true},  {36, "error", true},
        };
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                assert_string_equal(result_app_name(rows[i].id), rows[i].name);
                assert_int_equal(result_app_by_name(rows[i].name) == rows[i].id, rows[i].newest);
        }
        for (unsigned id = 0; id <= 36; id++)
                assert_non_null(result_app_name((uint16_t)id));
        assert_null(result_app_name(37));
        assert_null(result_app_name(65535));
        assert_int_equal(result_app_by_name("gopher"), -1);
        assert_int_equal(result_app_by_name(""), -1);
}

/* Masscan has given two numbers to some words: the old one leads to the new one. */
static int newest(uint16_t id)
{
        switch (id) {
        case APP_NONE:
                return APP_UNKNOWN;
        case APP_SSH_1:
                return APP_SSH;
        case APP_VNC_OLD:
                return APP_VNC;
        default:
                return id;
        }
}

/* Files keep the number, --banner-types takes the word: each leads to the other. */
static void no_word_is_given_twice(void **state)
{
#define NUMBER(number, name, ...) number,
        static const uint16_t numbers[] = {RESULT_KINDS(NUMBER, NUMBER, RESULT_NOTHING)};
#undef NUMBER
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
                const char *word = result_app_name(numbers[i]);
                assert_true(word && word[0] && strlen(word) < 32);
                assert_int_equal(strcspn(word, " ,"), strlen(word));
                assert_int_equal(result_app_by_name(word), newest(numbers[i]));
        }
}

/* What is stored in files stays what it was. */
static void numbers_never_change(void **state)
{
        static const char *const ours[] = {"mysql", "postgres", "redis", "mongodb", "ldap",
                                           "mqtt",  "amqp",     "sip",   "rtsp",    "x11",
                                           "rmi",   "socks",    "xmpp",  "remark",  "capture"};
        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(ours); i++)
                assert_int_equal(result_app_by_name(ours[i]), 256 + i);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(states_and_protocols),
                cmocka_unit_test(reasons),
                cmocka_unit_test(a_reason_never_leaves_its_room),
                cmocka_unit_test(every_icmp_code_has_a_word),
                cmocka_unit_test(applications),
                cmocka_unit_test(no_word_is_given_twice),
                cmocka_unit_test(numbers_never_change),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
