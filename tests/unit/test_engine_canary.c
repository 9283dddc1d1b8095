// SPDX-License-Identifier: Apache-2.0
/*
 * The table of canaries, with the test as receiver, transmitter and clock: who is taken, when a sample counts
 * as kept, lost or gone, what is old news, and what becomes of messages about a slot that has changed hands.
 */
#include "engine/canary.h"
#include <setjmp.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { TICK_NS = 5000000 };

struct world {
        struct canaries c;
        struct canary_sums sums;
        uint64_t now_ns, asked;
        unsigned step;
        int (*answers)(uint64_t index, unsigned nth); /* milliseconds until it answers; < 0: never */
        unsigned nth[4096];                           /* probes to each index since the last sample began */
        struct {
                uint64_t at_ns, index;
        } pending[8192];
        unsigned n_pending;
};

static struct world w;

static int slow(uint64_t index, unsigned nth)
{
        (void)index;
        (void)nth;
        return 900;
}

static int set_up(void **state)
{
        struct err e;
        (void)state;
        memset(&w, 0, sizeof(w));
        w.now_ns = 100 * NS_PER_S;
        return canaries_init(&w.c, 2, &e);
}

static int tear_down(void **state)
{
        (void)state;
        canaries_free(&w.c);
        return 0;
}

static void deliver(void)
{
        unsigned left = 0;
        for (unsigned i = 0; i < w.n_pending; i++)
                if (w.pending[i].at_ns <= w.now_ns)
                        assert_true(canary_heard(&w.c, w.pending[i].index, 2, w.now_ns, 0));
                else
                        w.pending[left++] = w.pending[i];
        w.n_pending = left;
}

static void send_due(void)
{
        struct canary_call call[64];
        for (unsigned tx = 0; tx < 2; tx++)
                for (unsigned n = canary_due(&w.c, tx, call, 64), i = 0; i < n; i++) {
                        int ms = w.answers(call[i].index, w.nth[call[i].index]++);
                        canary_sent(&w.c, &call[i], w.now_ns);
                        w.asked++;
                        if (ms >= 0) {
                                w.pending[w.n_pending].at_ns = w.now_ns + (unsigned)ms * NS_PER_MS;
                                w.pending[w.n_pending++].index = call[i].index;
                        }
                }
}

static unsigned go_on(double seconds, double pps)
{
        unsigned known = 0;
        for (uint64_t end = w.now_ns + (uint64_t)(seconds * 1e9); w.now_ns < end; w.now_ns += TICK_NS) {
                deliver();
                known = canary_tick(&w.c, pps, w.step, w.now_ns, &w.sums);
                send_due();
        }
        return known;
}

static unsigned learn(unsigned n)
{
        unsigned news = 0;
        for (uint64_t i = 0; i < n; i++)
                news += !canary_heard(&w.c, i, 2, w.now_ns, 0);
        assert_int_equal(news, n); /* the first answer always is */
        return go_on(1.2, 0);
}

static int always(uint64_t index, unsigned nth)
{
        (void)index;
        (void)nth;
        return 30;
}

static int second_try(uint64_t index, unsigned nth)
{
        (void)index;
        return nth % 2 ? 30 : -1;
}

static int never(uint64_t index, unsigned nth)
{
        (void)index;
        (void)nth;
        return -1;
}

static int too_late(uint64_t index, unsigned nth)
{
        (void)index;
        return nth % 2 ? 30 : 700; /* comes while the second probe is out */
}

static void kept(void **state)
{
        (void)state;
        unsigned known = learn(1000);
        assert_in_range(known, 700, 1000); /* those whose slots were free */
        w.answers = always;
        go_on(10, 100);
        assert_in_range(w.asked, 980, 1010);
        assert_in_range(w.sums.kept, 850, 900); /* the last 1.2 s are still under way */
        assert_int_equal(w.sums.lost + w.sums.gone, 0);
        go_on(2, 0);
        assert_int_equal(w.sums.kept, w.asked);
}

static void lost(void **state)
{
        (void)state;
        learn(1000);
        w.answers = second_try;
        go_on(10, 100);
        go_on(3, 0);
        assert_in_range(w.sums.lost, 950, 1010);
        assert_int_equal(w.asked, 2 * w.sums.lost);
        assert_int_equal(w.sums.kept + w.sums.gone, 0);
}

static void gone(void **state)
{
        (void)state;
        unsigned known = learn(100);
        w.answers = never;
        unsigned left = go_on(8, 100);
        assert_int_equal(left, 0);
        assert_int_equal(w.sums.gone, known);
        assert_int_equal(w.asked, 2 * known);
        assert_false(canary_heard(&w.c, 7, 2, w.now_ns, 0)); /* a free slot: another first answer */
        assert_true(canary_heard(&w.c, 7, 2, w.now_ns, 0));
}

/* Where round trips are known to be long, canaries are waited for longer. */
static void slow_ones_are_waited_for(void **state)
{
        (void)state;
        learn(500);
        canaries_expect(&w.c, 900 * NS_PER_MS);
        w.answers = slow;
        go_on(5, 50);
        go_on(5, 0);
        assert_int_equal(w.sums.lost + w.sums.gone, 0);
        assert_in_range(w.sums.kept, 200, 260);
        canaries_expect(&w.c, 0);
        go_on(5, 50);
        go_on(5, 0);
        assert_true(w.sums.lost > 100);
}

static void late_answers_are_losses_at_most(void **state)
{
        (void)state;
        learn(500);
        w.answers = too_late;
        go_on(5, 50);
        go_on(3, 0);
        assert_int_equal(w.sums.kept, 0);
        assert_in_range(w.sums.lost, 200, 260);
}

/* A SYN-ACK that the target repeats is no answer to the canary: its timestamp tells. */
static void repeats_are_no_answers(void **state)
{
        (void)state;
        learn(50);
        w.answers = never;
        for (unsigned i = 0; i < 600; i++) {
                go_on(0.005, 50);
                for (uint64_t k = 0; k < 50; k++)
                        canary_heard(&w.c, k, 2, w.now_ns, 3000000 + i * 5000);
        }
        assert_int_equal(w.sums.kept + w.sums.lost, 0);
        assert_true(w.sums.gone > 20);
}

static void quick_ones_count_no_earlier(void **state)
{
        (void)state;
        learn(1000);
        w.answers = always;
        go_on(1.1, 200);
        assert_int_equal(w.sums.kept, 0); /* a lost one would take 1.2 s */
        go_on(0.5, 200);
        assert_true(w.sums.kept > 50);
}

static void other_steps_do_not_count(void **state)
{
        (void)state;
        learn(1000);
        w.answers = always;
        w.step = 1;
        go_on(1, 100);
        w.step = 2;
        go_on(3, 0);
        assert_int_equal(w.sums.kept, 0);
}

static void upgrades_are_news(void **state)
{
        (void)state;
        assert_false(canary_heard(&w.c, 5, 2, w.now_ns, 0));
        assert_true(canary_heard(&w.c, 5, 2, w.now_ns, 0));
        assert_false(canary_heard(&w.c, 5, 3, w.now_ns, 0));
        assert_true(canary_heard(&w.c, 5, 3, w.now_ns, 0));
        assert_true(canary_heard(&w.c, 5, 2, w.now_ns, 0));
}

/* Two indices of one slot: the second is no canary, and what is said about it does not touch the first. */
static void one_slot_one_index(void **state)
{
        uint64_t other = 6;
        (void)state;
        while (hash_mix64(other) % CANARY_SLOTS != hash_mix64(5) % CANARY_SLOTS)
                other++;
        assert_false(canary_heard(&w.c, 5, 2, w.now_ns, 0));
        assert_false(canary_heard(&w.c, other, 2, w.now_ns, 0));
        assert_false(canary_heard(&w.c, other, 2, w.now_ns, 0));
        struct canary_call stale = {.index = other, .slot = (uint32_t)(hash_mix64(5) % CANARY_SLOTS)};
        canary_sent(&w.c, &stale, w.now_ns);
        assert_int_equal(atomic_load(&w.c.slots[stale.slot].sent_ns), 0);
}

/* Nobody takes the calls (all is sent, or probes wait): no sample, and nobody is given up. */
static void never_sent_is_no_sample(void **state)
{
        (void)state;
        unsigned known = learn(300);
        for (unsigned i = 0; i < 2000; i++, w.now_ns += TICK_NS)
                assert_int_equal(canary_tick(&w.c, 200, w.step, w.now_ns, &w.sums), known);
        assert_int_equal(w.sums.kept + w.sums.lost + w.sums.gone, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(kept, set_up, tear_down),
                cmocka_unit_test_setup_teardown(lost, set_up, tear_down),
                cmocka_unit_test_setup_teardown(gone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(slow_ones_are_waited_for, set_up, tear_down),
                cmocka_unit_test_setup_teardown(late_answers_are_losses_at_most, set_up, tear_down),
                cmocka_unit_test_setup_teardown(repeats_are_no_answers, set_up, tear_down),
                cmocka_unit_test_setup_teardown(quick_ones_count_no_earlier, set_up, tear_down),
                cmocka_unit_test_setup_teardown(other_steps_do_not_count, set_up, tear_down),
                cmocka_unit_test_setup_teardown(upgrades_are_news, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_slot_one_index, set_up, tear_down),
                cmocka_unit_test_setup_teardown(never_sent_is_no_sample, set_up, tear_down),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
