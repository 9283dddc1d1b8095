// SPDX-License-Identifier: Apache-2.0
/* Fields of a banner: what goes in comes out; what has no room is left out whole; cut or strange bytes end
 * the list. */
#include "result/result.h"
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

static uint8_t room[70000];

static struct span some(void)
{
        struct wr w = wr_of(room, sizeof(room));
        fields_put(&w, "name", span_str("a\0b"));
        fields_put_u64(&w, "port", 0x0102030405060708ull);
        fields_put_bool(&w, "tls", true);
        fields_put(&w, "name", span_of(NULL, 0));
        assert_false(w.full);
        return span_of(room, wr_len(&w));
}

static void round_trip(void **state)
{
        struct rd r = rd_of(some());
        struct field f;
        (void)state;
        assert_true(fields_next(&r, &f));
        assert_true(f.kind == FIELD_TEXT && f.text.n == 1 && f.text.p[0] == 'a' && f.key.n == 4);
        assert_true(fields_next(&r, &f));
        assert_true(f.kind == FIELD_NUMBER && f.number == 0x0102030405060708ull);
        assert_true(fields_next(&r, &f));
        assert_true(f.kind == FIELD_BOOL && f.number == 1);
        assert_true(fields_next(&r, &f));
        assert_true(f.kind == FIELD_TEXT && f.text.n == 0);
        assert_false(fields_next(&r, &f));
}

static void every_cut_ends(void **state)
{
        struct span all = some();
        (void)state;
        for (size_t cut = 0; cut < all.n; cut++) {
                struct rd r = rd_of(span_of(all.p, cut));
                struct field f;
                unsigned n = 0;
                while (fields_next(&r, &f)) {
                        assert_true(f.text.n == 0 || f.text.p + f.text.n <= all.p + cut);
                        n++;
                }
                assert_true(n < 4);
        }
}

static void strange_kinds_end_it(void **state)
{
        static const uint8_t kind9[] = {1, 9, 0, 0, 'k'}, short_number[] = {1, FIELD_NUMBER, 0, 1, 'k', 7};
        struct rd a = rd_of(span_of(kind9, sizeof(kind9))),
                  b = rd_of(span_of(short_number, sizeof(short_number)));
        struct field f;
        (void)state;
        assert_false(fields_next(&a, &f));
        assert_false(fields_next(&b, &f));
}

static void what_has_no_room_is_left_out_whole(void **state)
{
        struct wr w = wr_of(room, 20);
        struct field f;
        (void)state;
        fields_put(&w, "k", span_str("12345"));
        fields_put(&w, "k", span_str("12345678"));
        assert_true(w.full);
        assert_int_equal(wr_len(&w), 10);
        struct rd r = rd_of(span_of(room, wr_len(&w)));
        assert_true(fields_next(&r, &f));
        assert_false(fields_next(&r, &f));
}

static void long_texts_are_cut(void **state)
{
        static uint8_t text[66000];
        static uint8_t big[70000];
        struct wr w = wr_of(big, sizeof(big));
        struct field f;
        (void)state;
        fields_put(&w, "k", span_of(text, sizeof(text)));
        struct rd r = rd_of(span_of(big, wr_len(&w)));
        assert_true(fields_next(&r, &f));
        assert_int_equal(f.text.n, 65535);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(round_trip),           cmocka_unit_test(every_cut_ends),
                cmocka_unit_test(strange_kinds_end_it), cmocka_unit_test(what_has_no_room_is_left_out_whole),
                cmocka_unit_test(long_texts_are_cut),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
