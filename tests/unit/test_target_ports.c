// SPDX-License-Identifier: Apache-2.0
/*
 * test_target_ports: port lists in, canonical text out; bad lists with the words their messages must hold;
 * service names; the rankings; sets against a naive twin. Invariant: format(parse(format(s))) == format(s).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "target/target.h"

static struct tgt_ports *fresh(void)
{
        struct tgt_ports *p;
        struct err e = {0};
        assert_int_equal(tgt_ports_new(&p, &e), 0);
        return p;
}

static void expect_text(const struct tgt_ports *p, const char *expected)
{
        char *text = tgt_ports_format(p);
        assert_string_equal(text, expected);
        struct tgt_ports *q = fresh();
        struct err e = {0};
        assert_int_equal(tgt_ports_add(q, text, TGT_TCP, &e), 0);
        char *again = tgt_ports_format(q);
        assert_string_equal(again, text);
        free(text);
        free(again);
        tgt_ports_free(q);
}

static const struct {
        const char *in;
        uint32_t base;
        const char *out;
} good[] = {
        {"", TGT_TCP, ""},
        {",, ,", TGT_TCP, ""},
        {"80", TGT_TCP, "80"},
        {"0", TGT_TCP, "0"},
        {"443,80,80", TGT_TCP, "80,443"},
        {"8000-8010,8011", TGT_TCP, "8000-8011"},
        {"65530-", TGT_TCP, "65530-65535"},
        {"-3", TGT_TCP, "1-3"},
        {"-", TGT_TCP, "1-65535"},
        {"0-65535", TGT_TCP, "0-65535"},
        {" 80 , 81 ", TGT_TCP, "80-81"},
        {"80 - 82", TGT_TCP, "80-82"},
        {"0x50,010", TGT_TCP, "8,80"},
        {"80 # 81", TGT_TCP, "80"},
        {"U:53,54,T:80,81", TGT_TCP, "80-81,U:53-54"},
        {"u:53,t: 80", TGT_TCP, "80,U:53"},
        {"53", TGT_UDP, "U:53"},
        {"53,T:53", TGT_UDP, "53,U:53"},
        {"36412", TGT_SCTP, "S:36412"},
        {"S:1-3", TGT_TCP, "S:1-3"},
        {"O:47", TGT_TCP, "O:47"},
        {"O:-", TGT_TCP, "O:0-255"},
        {"6", TGT_IPPROTO, "O:6"},
        {"I:0", TGT_TCP, "I:0"},
        {"I:-", TGT_TCP, "I:0-2"},
        {"I:303", TGT_TCP, "O:47"},
        {"80,U:53,S:36412,O:47,I:0", TGT_TCP, "80,U:53,S:36412,I:0,O:47"},
        {"65535,U:0", TGT_TCP, "65535,U:0"},
};

static void test_good(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(good); i++) {
                struct tgt_ports *p = fresh();
                struct err e = {0};
                if (tgt_ports_add(p, good[i].in, good[i].base, &e))
                        fail_msg("\"%s\" was refused: %s", good[i].in, e.text);
                expect_text(p, good[i].out);
                tgt_ports_free(p);
        }
}

static const struct {
        const char *in, *quoted, *why;
} bad[] = {
        {"65536", "65536", "above 65535"},
        {"4294967376", "4294967376", "above 65535"},
        {"99999999999999999999", "99999999999999999999", "above 65535"},
        {"90-80", "90-80", "backwards"},
        {"80-99999", "80-99999", "above 65535"},
        {"80,abc,90", "abc", "service name"},
        {"80 81", "80 81", "neither"},
        {"80--90", "80--90", "neither"},
        {"80-90-95", "80-90-95", "neither"},
        {"8o", "8o", "service name"},
        {"08", "08", "octal"},
        {"0x", "0x", "service name"},
        {"O:256", "O:256", "above 255"},
        {"O:tcp", "O:tcp", "no service names"},
        {"I:3", "I:3", "no ICMP probe"},
        {"I:2-300", "I:2-300", "no ICMP probe"},
        {"X:80", "X:80", "unknown protocol letter"},
        {"U:", "U:", "nothing behind it"},
        {"+80", "+80", "neither"},
        {"80;81", "80;81", "neither"},
        {"U:no-such-service-x", "U:no-such-service-x", "service name"},
        {"zz*", "zz*", "service name"},
};

static void test_bad(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                struct tgt_ports *p = fresh();
                struct err e = {0};
                const char *bare = bad[i].quoted[1] == ':' ? bad[i].quoted + 2 : bad[i].quoted;
                assert_int_equal(tgt_ports_add(p, "22", TGT_TCP, &e), 0);
                if (tgt_ports_add(p, bad[i].in, TGT_TCP, &e) != -1)
                        fail_msg("\"%s\" was taken", bad[i].in);
                if (!strstr(e.text, bare) || !strchr(e.text, '"') || !strstr(e.text, bad[i].why))
                        fail_msg("\"%s\" gave: %s", bad[i].in, e.text);
                expect_text(p, "22"); /* nothing of a bad list is taken */
                tgt_ports_free(p);
        }
}

static void test_names(void **state)
{
        struct tgt_ports *p = fresh();
        struct err e = {0};
        (void)state;
        if (tgt_ports_add(p, "http,ssh,SMTP,U:domain", TGT_TCP, &e))
                fail_msg("%s", e.text);
        expect_text(p, "22,25,80,U:53");
        assert_int_equal(tgt_ports_sub(p, "ssh", TGT_TCP, &e), 0);
        expect_text(p, "25,80,U:53");
        assert_int_equal(tgt_ports_add(p, "http*", TGT_TCP, &e), 0);
        assert_true(tgt_ports_has(p, 80) && tgt_ports_has(p, 443) && tgt_ports_has(p, 8080));
        assert_false(tgt_ports_has(p, 21));
        tgt_ports_free(p);
}

static void test_sub(void **state)
{
        struct tgt_ports *p = fresh();
        struct err e = {0};
        (void)state;
        assert_int_equal(tgt_ports_add(p, "1-100,U:1-100", TGT_TCP, &e), 0);
        assert_int_equal(tgt_ports_sub(p, "2-99,U:-", TGT_TCP, &e), 0);
        expect_text(p, "1,100");
        assert_int_equal(tgt_ports_sub(p, "1-70000", TGT_TCP, &e), -1);
        expect_text(p, "1,100");
        tgt_ports_free(p);
}

static void test_twin(void **state)
{
        bool *twin = calloc(TGT_PORTS_MAX, 1);
        struct tgt_ports *p = fresh();
        struct err e = {0};
        uint64_t seed = 5;
        (void)state;
        for (unsigned round = 0; round < 60; round++) {
                uint32_t a = (uint32_t)(hash_mix64(++seed) % 65536),
                         b = MIN(a + (uint32_t)(seed * 37 % 900), 65535u);
                uint32_t base = (uint32_t)(hash_mix64(++seed) % 3) * TGT_UDP;
                bool add = round % 3 != 2;
                char text[32];
                snprintf(text, sizeof(text), "%u-%u", a, b);
                assert_int_equal((add ? tgt_ports_add : tgt_ports_sub)(p, text, base, &e), 0);
                for (uint32_t f = base + a; f <= base + b; f++)
                        twin[f] = add;
        }
        size_t n = 0;
        for (uint32_t f = 0; f < TGT_PORTS_MAX; f++) {
                assert_int_equal(tgt_ports_has(p, f), twin[f]);
                if (twin[f])
                        assert_int_equal(tgt_ports_at(p, n++), f);
        }
        assert_int_equal(tgt_ports_count(p), n);
        assert_false(tgt_ports_has(p, TGT_PORTS_MAX) || tgt_ports_has(p, UINT32_MAX));
        tgt_ports_free(p);
        free(twin);
}

/* n entries are n ports, and a shorter list is the head of a longer one. */
static void test_top(void **state)
{
        static const uint32_t base[] = {TGT_TCP, TGT_UDP}, least[] = {1000, 150};
        struct err e = {0};
        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                struct tgt_ports *all = fresh();
                for (uint32_t n = 1; n <= least[i]; n++) {
                        struct tgt_ports *p = fresh();
                        assert_int_equal(tgt_ports_add_top(p, n, base[i], &e), 0);
                        assert_int_equal(tgt_ports_count(p), n);
                        tgt_ports_free(p);
                }
                uint32_t most = least[i];
                while (tgt_ports_add_top(all, most + 1, base[i], &e) == 0)
                        most++;
                assert_int_equal(tgt_ports_count(all), most);
                char figure[32];
                snprintf(figure, sizeof(figure), "the %u %s", most, i ? "UDP" : "TCP");
                assert_non_null(strstr(e.text, figure));
                tgt_ports_free(all);
        }
        struct tgt_ports *p = fresh();
        assert_int_equal(tgt_ports_add_top(p, 5, TGT_TCP, &e), 0);
        expect_text(p, "21-22,80,443,8080");
        tgt_ports_free(p);
}

static void test_flat(void **state)
{
        static const struct {
                struct target t;
                uint32_t flat;
        } row[] = {
                {{.proto = 6, .port = 80}, 80},
                {{.proto = 17, .port = 53}, TGT_UDP + 53},
                {{.proto = 132, .port = 7}, TGT_SCTP + 7},
                {{.proto = 1, .port = 0}, TGT_ICMP_ECHO},
                {{.proto = 1, .port = 1}, TGT_ICMP_TIME},
                {{.proto = 0, .port = 0}, TGT_ARP},
                {{.proto = 255, .port = 47}, TGT_IPPROTO + 47},
                {{.proto = 1, .port = 2}, TGT_PORTS_MAX},
                {{.proto = 255, .port = 256}, TGT_PORTS_MAX},
                {{.proto = 50, .port = 0}, TGT_PORTS_MAX},
        };
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(row); i++)
                assert_int_equal(tgt_flat_port(&row[i].t), row[i].flat);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good), cmocka_unit_test(test_bad),  cmocka_unit_test(test_names),
                cmocka_unit_test(test_sub),  cmocka_unit_test(test_twin), cmocka_unit_test(test_top),
                cmocka_unit_test(test_flat),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
