// SPDX-License-Identifier: Apache-2.0
/* The answered bits: claims, marks inside and outside, reuse of the ring, threads that claim at once. */
#include "engine/eng.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void claims_stay_within_half_the_ring(void **state)
{
        struct window w;
        struct err e;
        uint64_t first, n, total = 0;
        (void)state;
        assert_int_equal(window_init(&w, 4096, &e), 0);
        while ((n = window_claim(&w, &first, 100, 1000000)) > 0) {
                assert_int_equal(first, total);
                total += n;
        }
        assert_int_equal(total, 2048);
        atomic_store(&w.low, 1000);
        assert_int_equal(window_claim(&w, &first, 5000, 1000000), 1000);
        assert_int_equal(first, 2048);
        window_free(&w);
}

static void claims_stop_at_the_end(void **state)
{
        struct window w;
        struct err e;
        uint64_t first;
        (void)state;
        assert_int_equal(window_init(&w, 4096, &e), 0);
        assert_int_equal(window_claim(&w, &first, 100, 30), 30);
        assert_int_equal(window_claim(&w, &first, 100, 30), 0);
        window_free(&w);
}

static void marks_live_and_are_forgotten(void **state)
{
        struct window w;
        struct err e;
        uint64_t first;
        (void)state;
        assert_int_equal(window_init(&w, 4096, &e), 0);
        for (uint64_t pos = 0; pos < 100000; pos += 70) {
                assert_int_equal(window_claim(&w, &first, 70, UINT64_MAX), 70);
                for (uint64_t p = first; p < first + 70; p++)
                        assert_false(window_answered(&w, p));
                for (uint64_t p = first; p < first + 70; p += 3)
                        window_mark(&w, p);
                for (uint64_t p = first; p < first + 70; p++)
                        assert_int_equal(window_answered(&w, p), (p - first) % 3 == 0);
                atomic_store(&w.low, first + 70);
        }
        window_mark(&w, 5);          /* settled long ago */
        window_mark(&w, 5 + 200000); /* not claimed yet */
        assert_int_equal(window_claim(&w, &first, 2048, UINT64_MAX), 2048);
        for (uint64_t p = first; p < first + 2048; p++)
                assert_false(window_answered(&w, p));
        window_free(&w);
}

static void *claimer(void *arg)
{
        struct window *w = arg;
        uint64_t first, n, sum = 0;
        while ((n = window_claim(w, &first, 37, 500000)) > 0) {
                for (uint64_t p = first; p < first + n; p++)
                        window_mark(w, p);
                for (uint64_t p = first; p < first + n; p++)
                        sum += window_answered(w, p);
        }
        return (void *)(uintptr_t)sum;
}

static void threads_claim_disjoint_blocks(void **state)
{
        struct window w;
        struct err e;
        pthread_t t[4];
        uint64_t sum = 0;
        void *r;
        (void)state;
        assert_int_equal(window_init(&w, 1000000, &e), 0);
        for (int i = 0; i < 4; i++)
                pthread_create(&t[i], NULL, claimer, &w);
        for (int i = 0; i < 4; i++) {
                pthread_join(t[i], &r);
                sum += (uintptr_t)r;
        }
        assert_int_equal(sum, 500000);
        window_free(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(claims_stay_within_half_the_ring),
                cmocka_unit_test(claims_stop_at_the_end),
                cmocka_unit_test(marks_live_and_are_forgotten),
                cmocka_unit_test(threads_claim_disjoint_blocks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
