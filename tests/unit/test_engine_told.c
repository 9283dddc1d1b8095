// SPDX-License-Identifier: Apache-2.0
/* Banners told before a scan was killed: each is passed over once, whatever its words are now; others are
 * not. */
#include "engine/told.h"
#include <setjmp.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct record banner(uint32_t ip, uint16_t port, uint16_t app, const char *const *name,
                            const char *text)
{
        return (struct record){.who = {.ip = ip_v4(ip), .port = port, .proto = 6},
                               .state = PORT_BANNER,
                               .app = app,
                               .names = name,
                               .n_names = name != NULL,
                               .banner = span_str(text)};
}

static void a_greeting_with_a_clock_is_told_once(void **state)
{
        struct told t = {0};
        struct record before = banner(1, 80, APP_HTTP, NULL, "Date: Sat, 21 Nov 2026 10:00:00 GMT");
        struct record after = banner(1, 80, APP_HTTP, NULL, "Date: Sat, 21 Nov 2026 10:00:09 GMT");
        (void)state;
        assert_false(told_take(&t, &after));
        told_add(&t, &before);
        assert_true(told_take(&t, &after));
        assert_false(told_take(&t, &after)); /* the next of its kind is another */
        told_free(&t);
}

static void as_many_as_were_told(void **state)
{
        struct told t = {0};
        struct record ca = banner(1, 443, APP_X509CA, NULL, "MII");
        (void)state;
        told_add(&t, &ca);
        told_add(&t, &ca);
        assert_true(told_take(&t, &ca));
        assert_true(told_take(&t, &ca));
        assert_false(told_take(&t, &ca));
        told_free(&t);
}

static void target_kind_and_name_tell_them_apart(void **state)
{
        static const char *const a = "a.example", *const b = "b.example.";
        struct told t = {0};
        struct record told = banner(1, 80, APP_HTTP, &a, "HTTP/1.1 301");
        struct record others[] = {
                banner(1, 80, APP_HTTP, &b, "HTTP/1.1 301"),  banner(1, 80, APP_HTTP, NULL, "HTTP/1.1 301"),
                banner(2, 80, APP_HTTP, &a, "HTTP/1.1 301"),  banner(1, 81, APP_HTTP, &a, "HTTP/1.1 301"),
                banner(1, 80, APP_TITLE, &a, "HTTP/1.1 301"), banner(1, 80, APP_HTTP, &a, "HTTP/1.1 301")};
        (void)state;
        others[5].who.ip.zone = 2;
        told_add(&t, &told);
        for (size_t i = 0; i < ARRAY_LEN(others); i++)
                assert_false(told_take(&t, &others[i]));
        assert_true(told_take(&t, &told));
        told_free(&t);
}

static void many(void **state)
{
        struct told t = {0};
        (void)state;
        for (uint32_t i = 0; i < 5000; i++) {
                struct record x = banner(i, 22, APP_SSH, NULL, "SSH-2.0-x");
                told_add(&t, &x);
        }
        for (uint32_t i = 0; i < 10000; i++) {
                struct record x = banner(i, 22, APP_SSH, NULL, "SSH-2.0-x");
                assert_int_equal(told_take(&t, &x), i < 5000);
        }
        told_free(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_greeting_with_a_clock_is_told_once),
                cmocka_unit_test(as_many_as_were_told),
                cmocka_unit_test(target_kind_and_name_tell_them_apart),
                cmocka_unit_test(many),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
