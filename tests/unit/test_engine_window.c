// SPDX-License-Identifier: Apache-2.0
/* The answered bits: claims, marks inside and outside, reuse of the ring, threads that claim at once, what
 * is settled while others look. */
#include "engine/eng.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>
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

/* What threads say of themselves changes while it is read: each of two values is true, nothing else. */
struct flicker {
        _Atomic uint64_t *value;
        uint64_t one, other;
        _Atomic bool quit;
};

static void *flickering(void *arg)
{
        struct flicker *f = arg;
        while (!atomic_load(&f->quit)) {
                atomic_store(f->value, f->one);
                atomic_store(f->value, f->other);
        }
        return NULL;
}

static void claims_stop_at_the_end_whatever_settles_meanwhile(void **state)
{
        struct window w;
        struct err e;
        pthread_t t;
        uint64_t first, n;
        (void)state;
        assert_int_equal(window_init(&w, 4096, &e), 0);
        struct flicker f = {&w.low, 0, 3000, false};
        pthread_create(&t, NULL, flickering, &f);
        for (int i = 0; i < 1000000; i++) {
                atomic_store(&w.next, 1000);
                n = window_claim(&w, &first, 4096, 3000);
                if (n && first + n > 3000)
                        break;
        }
        atomic_store(&f.quit, true);
        pthread_join(t, NULL);
        assert_true(!n || first + n <= 3000);
        window_free(&w);
}

/* A thread that owes nothing says so with the highest number there is: not a position to vouch for. */
static void no_more_is_settled_than_was_claimed(void **state)
{
        static struct eng g;
        static struct conf conf;
        pthread_t t;
        uint64_t settled = 0;
        (void)state;
        g.conf = &conf;
        g.n_tx = 1;
        atomic_store(&g.window.next, 3000);
        atomic_store(&g.tx_oldest[0], 2000);
        struct flicker f = {&g.tx_oldest[0], 2000, UINT64_MAX, false};
        pthread_create(&t, NULL, flickering, &f);
        for (int i = 0; i < 1000000 && settled <= 3000; i++)
                settled = eng_settled(&g);
        atomic_store(&f.quit, true);
        pthread_join(t, NULL);
        assert_in_range(settled, 2000, 3000);
}

static uint64_t resident(const void *p, size_t len)
{
        size_t pages = len / 4096, n = 0;
        unsigned char *in = calloc(pages, 1);
        assert_int_equal(mincore((void *)(uintptr_t)p, len, in), 0);
        for (size_t i = 0; i < pages; i++)
                n += in[i] & 1;
        free(in);
        return n * 4096;
}

/* A ring of 2^30 positions of which few are in flight costs what those cost, however far the scan has come.
 */
static void what_is_settled_costs_no_memory(void **state)
{
        struct window w;
        struct err e;
        uint64_t first, n, most = 0;
        (void)state;
        assert_int_equal(window_init(&w, 1ull << 30, &e), 0);
        for (uint64_t pos = 0; pos < 1ull << 31; pos += n) {
                n = window_claim(&w, &first, 1 << 20, UINT64_MAX);
                assert_int_equal(n, 1 << 20);
                assert_int_equal(first, pos);
                for (uint64_t p = pos; p < pos + n; p += 4096) {
                        window_sent(&w, p, 7);
                        assert_false(window_answered(&w, p));
                        assert_false(window_mark(&w, p));
                }
                window_settle(&w, pos > 1 << 22 ? pos - (1 << 22) : 0);
                assert_true(window_answered(&w, pos));
                if (pos % (1 << 26) == 0)
                        most = MAX(most, resident((void *)w.bits, 128 << 20) +
                                                 resident((void *)w.sent_ms, 64 << 20));
        }
        if (most > 8 << 20) /* 192 MiB if nothing went back */
                fail_msg("%llu bytes", (unsigned long long)most);
        window_free(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(claims_stay_within_half_the_ring),
                cmocka_unit_test(claims_stop_at_the_end),
                cmocka_unit_test(marks_live_and_are_forgotten),
                cmocka_unit_test(threads_claim_disjoint_blocks),
                cmocka_unit_test(claims_stop_at_the_end_whatever_settles_meanwhile),
                cmocka_unit_test(no_more_is_settled_than_was_claimed),
                cmocka_unit_test(what_is_settled_costs_no_memory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
