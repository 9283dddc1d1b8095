// SPDX-License-Identifier: Apache-2.0
/*
 * Duplicates: both kinds against a plain array as the model; the ageing kind at its ceiling, over generations
 * and with repeats; memory that is too small or too large to have.
 */
#include "result/result.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct dedup *fresh(uint64_t n, uint64_t max_bytes, enum dedup_kind kind)
{
        struct dedup *d = NULL;
        struct err e = {.text = ""};
        if (dedup_new(&d, n, max_bytes, &e))
                fail_msg("%s", e.text);
        assert_int_equal(dedup_kind_of(d), kind);
        return d;
}

static void states_rank(void **state)
{
        static const struct {
                enum port_state first, second;
                enum dedup_verdict verdict;
        } rows[] = {
                {PORT_FILTERED, PORT_FILTERED, DEDUP_SEEN}, {PORT_FILTERED, PORT_CLOSED, DEDUP_UPGRADE},
                {PORT_FILTERED, PORT_OPEN, DEDUP_UPGRADE},  {PORT_CLOSED, PORT_FILTERED, DEDUP_SEEN},
                {PORT_CLOSED, PORT_CLOSED, DEDUP_SEEN},     {PORT_CLOSED, PORT_OPEN, DEDUP_UPGRADE},
                {PORT_OPEN, PORT_FILTERED, DEDUP_SEEN},     {PORT_OPEN, PORT_CLOSED, DEDUP_SEEN},
                {PORT_OPEN, PORT_OPEN, DEDUP_SEEN},         {PORT_UP, PORT_UP, DEDUP_SEEN},
        };
        (void)state;
        for (int kind = 0; kind < 2; kind++) {
                struct dedup *d = fresh(1000000, kind ? 65536 : 1 << 20, kind ? DEDUP_AGEING : DEDUP_BITMAP);
                for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                        uint64_t index = i * 99999;
                        assert_int_equal(dedup_mark(d, index, rows[i].first), DEDUP_NEW);
                        assert_int_equal(dedup_mark(d, index, rows[i].second), rows[i].verdict);
                        enum port_state best = MAX(rows[i].first, rows[i].second);
                        assert_int_equal(dedup_mark(d, index, best), DEDUP_SEEN);
                }
                assert_int_equal(dedup_mark(d, 999999, PORT_UNKNOWN), DEDUP_SEEN); /* says nothing: no news */
                assert_int_equal(dedup_mark(d, 999999, PORT_FILTERED), DEDUP_NEW);
                dedup_free(d);
        }
}

/* Against an array of bytes, indices dense enough for neighbours to share a byte of the bitmap. */
static void both_kinds_equal_the_model(void **state)
{
        enum { N = 5000, STEPS = 200000 };
        static const enum port_state states[3] = {PORT_FILTERED, PORT_CLOSED, PORT_OPEN};
        static uint8_t model[N];
        (void)state;
        for (int kind = 0; kind < 2; kind++) {
                /* the ageing kind is asked about so few that no generation ever fills: then it is exact */
                uint64_t stride = kind ? UINT64_MAX / 2 / N : 1;
                struct dedup *d = fresh(N * stride, 1 << 20, kind ? DEDUP_AGEING : DEDUP_BITMAP);
                memset(model, 0, sizeof(model));
                srand(2);
                for (int i = 0; i < STEPS; i++) {
                        unsigned index = (unsigned)rand() % N, rank = (unsigned)rand() % 3;
                        enum dedup_verdict want = model[index] == 0         ? DEDUP_NEW
                                                  : model[index] < rank + 1 ? DEDUP_UPGRADE
                                                                            : DEDUP_SEEN;
                        assert_int_equal(dedup_mark(d, index * stride, states[rank]), want);
                        model[index] = (uint8_t)MAX(model[index], rank + 1);
                }
                assert_int_equal(dedup_evicted(d), 0);
                assert_int_equal(dedup_ceiling(d) == 0, kind == 0);
                dedup_free(d);
        }
}

static void edges_of_the_bitmap(void **state)
{
        (void)state;
        for (uint64_t n = 1; n < 70; n++) {
                struct dedup *d =
                        fresh(n, 0, DEDUP_BITMAP); /* a small plan is exact whatever the limit says */
                for (uint64_t i = 0; i < n; i++)
                        assert_int_equal(dedup_mark(d, i, PORT_OPEN), DEDUP_NEW);
                for (uint64_t i = 0; i < n; i++)
                        assert_int_equal(dedup_mark(d, i, PORT_OPEN), DEDUP_SEEN);
                dedup_free(d);
        }
        dedup_free(fresh(4 * ((1 << 20) - 1), 1 << 20, DEDUP_BITMAP));
        dedup_free(fresh(4 * (1 << 20), 1 << 20, DEDUP_AGEING));
}

/* Open ports stay exact while closed ones go by in any number. */
static void open_ports_outlive_generations(void **state)
{
        struct dedup *d = fresh((uint64_t)1 << 40, 1 << 16, DEDUP_AGEING);
        uint64_t opens = dedup_ceiling(d);
        (void)state;
        assert_true(opens > 2000);
        for (uint64_t i = 0; i < opens; i++)
                assert_int_equal(dedup_mark(d, i * 7919, PORT_OPEN), DEDUP_NEW);
        for (uint64_t i = 0; i < 100000; i++) {
                assert_int_equal(dedup_mark(d, (uint64_t)1 << 39 | i, PORT_CLOSED), DEDUP_NEW);
                assert_int_equal(dedup_mark(d, (uint64_t)1 << 39 | i, PORT_CLOSED), DEDUP_SEEN);
                assert_int_equal(dedup_mark(d, (uint64_t)1 << 39 | (i - MIN(i, 500)), PORT_CLOSED),
                                 DEDUP_SEEN);
        }
        for (uint64_t i = 0; i < opens; i++)
                assert_int_equal(dedup_mark(d, i * 7919, PORT_OPEN), DEDUP_SEEN);
        assert_int_equal(dedup_evicted(d), 0);
        dedup_free(d);
}

static void the_ceiling_is_counted(void **state)
{
        struct dedup *d = fresh((uint64_t)1 << 40, 1 << 16, DEDUP_AGEING);
        uint64_t ceiling = dedup_ceiling(d);
        (void)state;
        for (uint64_t i = 0; i < ceiling + 100; i++) {
                assert_int_equal(dedup_mark(d, i * 31, PORT_OPEN), DEDUP_NEW);
                assert_int_equal(dedup_mark(d, i * 31, PORT_OPEN),
                                 DEDUP_SEEN); /* soon after, also above it */
                assert_int_equal(dedup_mark(d, i * 31, PORT_CLOSED), DEDUP_SEEN);
        }
        assert_int_equal(dedup_evicted(d), 100);
        dedup_free(d);
}

/* A host that repeats itself often enough is never news again, however many others come in between. */
static void a_steady_repeater_stays_known(void **state)
{
        struct dedup *d = fresh((uint64_t)1 << 40, 1 << 14, DEDUP_AGEING);
        unsigned forgotten = 0;
        (void)state;
        assert_int_equal(dedup_mark(d, 12345, PORT_CLOSED), DEDUP_NEW);
        for (uint64_t i = 0; i < 200000; i++) {
                dedup_mark(d, (uint64_t)1 << 30 | i, PORT_FILTERED);
                if (i % 100 == 0)
                        assert_int_equal(dedup_mark(d, 12345, PORT_CLOSED), DEDUP_SEEN);
        }
        for (uint64_t i = 0; i < 200000; i++)
                forgotten += dedup_mark(d, (uint64_t)1 << 30 | i, PORT_FILTERED) == DEDUP_NEW;
        assert_true(forgotten > 190000); /* the memory really is bounded */
        dedup_free(d);
}

static void impossible_memory(void **state)
{
        struct dedup *d = NULL;
        struct err e = {.text = ""};
        (void)state;
        assert_int_equal(dedup_new(&d, (uint64_t)1 << 40, 1000, &e), -1);
        assert_non_null(strstr(e.text, "--dedup-memory"));
        assert_non_null(strstr(e.text, "1000"));
        e.text[0] = 0;
        assert_int_equal(dedup_new(&d, (uint64_t)1 << 63, UINT64_MAX, &e), -1);
        assert_non_null(strstr(e.text, "--dedup-memory"));
        assert_null(d);
        dedup_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(states_rank),
                cmocka_unit_test(both_kinds_equal_the_model),
                cmocka_unit_test(edges_of_the_bitmap),
                cmocka_unit_test(open_ports_outlive_generations),
                cmocka_unit_test(the_ceiling_is_counted),
                cmocka_unit_test(a_steady_repeater_stays_known),
                cmocka_unit_test(impossible_memory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
