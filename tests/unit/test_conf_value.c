// SPDX-License-Identifier: Apache-2.0
/*
 * test_conf_value: rates, times, sizes, yes and no, numbers: what is read, what is refused and with which
 * words, and that what is printed reads back to the very same value.
 */
#include "test_conf.h"
#include <math.h>

static bool same(double a, double b)
{
        return !(a < b) && !(a > b);
}

static void rates(void **state)
{
        static const struct {
                const char *text;
                double pps, bps;
        } good_ones[] = {
                {"100", 100, 0},         {"10k", 10000, 0},  {"1.5M", 1.5e6, 0},      {"1.5m", 1.5e6, 0},
                {"1e6", 1e6, 0},         {"0.05", 0.05, 0},  {".5", 0.5, 0},          {"2G", 2e9, 0},
                {"100pps", 100, 0},      {"1kpps", 1000, 0}, {"7/s", 7, 0},           {"100Mbit", 0, 1e8},
                {"1Gbit/s", 0, 1e9},     {"1gbps", 0, 1e9},  {"100000bit", 0, 1e5},   {"2.5Gbps", 0, 2.5e9},
                {"64kbits/s", 0, 64000}, {"1e3", 1000, 0},   {"1000.000000", 1000, 0}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(good_ones); i++) {
                double pps = -1, bps = -1;
                struct err e = {0};
                if (val_rate(good_ones[i].text, &pps, &bps, &e))
                        fail_msg("%s: %s", good_ones[i].text, e.text);
                assert_true(same(pps, good_ones[i].pps) && same(bps, good_ones[i].bps));
        }
}

static void bad_rates(void **state)
{
        static const struct {
                const char *text, *word;
        } bad_ones[] = {{"", "is not a rate"},       {"fast", "is not a rate"},
                        {"-5", "is not a rate"},     {"0", "above 0"},
                        {"0.0", "above 0"},          {"0k", "above 0"},
                        {"10q", "is not a rate"},    {"10 k", "is not a rate"},
                        {"1e", "is not a rate"},     {"0x10", "is not a rate"},
                        {"inf", "is not a rate"},    {"nan", "is not a rate"},
                        {"1e400", "is not a rate"},  {"auto", "is for --rate alone"},
                        {"10kk", "is not a rate"},   {"1e12", "cannot be kept"},
                        {"1e-9", "cannot be kept"},  {"100MB/s", "is not a rate"},
                        {"99Pbit", "is not a rate"}, {"99999Gbit", "cannot be kept"},
                        {"10,000", "is not a rate"}, {".", "is not a rate"},
                        {"+5", "is not a rate"}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(bad_ones); i++) {
                double pps = -1, bps = -1;
                struct err e = {0};
                if (val_rate(bad_ones[i].text, &pps, &bps, &e) == 0)
                        fail_msg("\"%s\" was accepted", bad_ones[i].text);
                if (!strstr(e.text, bad_ones[i].word))
                        fail_msg("\"%s\": %s", bad_ones[i].text, e.text);
                assert_true(same(pps, -1) && same(bps, -1));
        }
}

static void times(void **state)
{
        static const struct {
                const char *text;
                double seconds;
        } good_ones[] = {{"90", 90},         {"0", 0},           {"10s", 10},      {"500ms", 0.5},
                         {"5m", 300},        {"10min", 600},     {"2h", 7200},     {"6hours", 21600},
                         {"6-hours", 21600}, {"10 min", 600},    {"hourly", 3600}, {"daily", 86400},
                         {"1d", 86400},      {"weekly", 604800}, {"2w", 1209600},  {"1.5h", 5400},
                         {"day", 86400},     {"h", 3600},        {"0.25", 0.25},   {"250us", 250e-6}};
        static const char *const bad_ones[] = {"",      "soon",  "-1",   "10x", "5 monkeys",
                                               "1h30m", "1e999", "0x10", "ten", "s5"};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(good_ones); i++) {
                double s = -1;
                struct err e = {0};
                if (val_seconds(good_ones[i].text, 0, 1e9, &s, &e))
                        fail_msg("%s: %s", good_ones[i].text, e.text);
                assert_true(fabs(s - good_ones[i].seconds) < 1e-9);
        }
        for (size_t i = 0; i < ARRAY_LEN(bad_ones); i++) {
                double s = -1;
                struct err e = {0};
                if (val_seconds(bad_ones[i], 0, 1e9, &s, &e) == 0)
                        fail_msg("\"%s\" was accepted", bad_ones[i]);
                assert_non_null(strstr(e.text, "is not a time"));
        }
}

static void nanos_are_exact(void **state)
{
        static const uint64_t values[] = {
                0, 1, 999999999, NS_PER_S, 3600 * NS_PER_S, 86400 * NS_PER_S + 123456789, 1500 * NS_PER_MS};
        struct err e = {0};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
                uint64_t back = ~0ull;
                assert_int_equal(val_nanos(val_of_nanos(values[i]).s, UINT64_MAX, &back, &e), 0);
                assert_true(back == values[i]);
        }
        assert_int_equal(val_nanos("2h", 3600 * NS_PER_S, &(uint64_t){0}, &e), -1);
}

static void sizes(void **state)
{
        static const struct {
                const char *text;
                uint64_t bytes;
        } good_ones[] = {{"0", 0},           {"1", 1},           {"1000", 1000},     {"1k", 1024},
                         {"1K", 1024},       {"64kb", 65536},    {"1MiB", 1 << 20},  {"1.5m", 3 << 19},
                         {"2g", 2ull << 30}, {"1t", 1ull << 40}, {"1p", 1ull << 50}, {"1e", 1ull << 60},
                         {"0x10", 16},       {"12b", 12}};
        static const char *const bad_ones[] = {"", "big", "-1", "1q", "1 k", "99999999999e", "k"};
        struct err e = {0};
        uint64_t v;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(good_ones); i++) {
                if (val_bytes(good_ones[i].text, &v, &e))
                        fail_msg("%s: %s", good_ones[i].text, e.text);
                assert_true(v == good_ones[i].bytes);
        }
        for (size_t i = 0; i < ARRAY_LEN(bad_ones); i++)
                if (val_bytes(bad_ones[i], &v, &e) == 0)
                        fail_msg("\"%s\" was accepted", bad_ones[i]);
}

static void truths(void **state)
{
        static const char *const yes[] = {"1",  "true",   "TRUE",    "t", "yes", "y",
                                          "on", "enable", "enabled", "e", ""};
        static const char *const no[] = {"0", "false", "f", "no", "n", "off", "of", "disable", "disabled"};
        static const char *const neither[] = {"maybe", "truely", "2", "o", "yess", "onn"};
        struct err e = {0};
        bool b;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
                b = false;
                assert_int_equal(val_bool(yes[i], &b, &e), 0);
                assert_true(b);
        }
        for (size_t i = 0; i < ARRAY_LEN(no); i++) {
                b = true;
                assert_int_equal(val_bool(no[i], &b, &e), 0);
                assert_false(b);
        }
        for (size_t i = 0; i < ARRAY_LEN(neither); i++)
                assert_int_equal(val_bool(neither[i], &b, &e), -1);
}

static void whole_numbers(void **state)
{
        struct err e = {0};
        uint64_t v = 7;
        (void)state;
        assert_int_equal(val_u64("18446744073709551615", 0, UINT64_MAX, &v, &e), 0);
        assert_true(v == UINT64_MAX);
        assert_int_equal(val_u64("0xff", 0, 255, &v, &e), 0);
        assert_int_equal(v, 255);
        assert_int_equal(val_u64("010", 0, 255, &v, &e), 0);
        assert_int_equal(v, 10);
        static const char *const bad_ones[] = {"",   "-1", "18446744073709551616", "1.5", "12a", "0x",
                                               " 1", "256"};
        for (size_t i = 0; i < ARRAY_LEN(bad_ones); i++)
                assert_int_equal(val_u64(bad_ones[i], 0, 255, &v, &e), -1);
        assert_int_equal(v, 10);
        assert_non_null(strstr(e.text, "from 0 to 255"));
}

static void doubles_read_back(void **state)
{
        uint64_t x = 1;
        (void)state;
        for (int i = 0; i < 20000; i++) {
                x = hash_mix64(x + 0x9e3779b97f4a7c15ull);
                double v = (double)x / 3e7, back;
                struct err e = {0};
                assert_int_equal(val_double(val_of_double(v).s, 0, 1e300, &back, &e), 0);
                assert_true(same(v, back));
        }
}

static void quotes_are_printable_and_short(void **state)
{
        char text[300];
        (void)state;
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        assert_true(strlen(opt_quote(text).s) < 80);
        assert_string_equal(opt_quote("a\nb\033c").s, "\"a?b?c\"");
        assert_string_equal(opt_quote("").s, "\"\"");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rates),
                cmocka_unit_test(bad_rates),
                cmocka_unit_test(times),
                cmocka_unit_test(nanos_are_exact),
                cmocka_unit_test(sizes),
                cmocka_unit_test(truths),
                cmocka_unit_test(whole_numbers),
                cmocka_unit_test(doubles_read_back),
                cmocka_unit_test(quotes_are_printable_and_short),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
