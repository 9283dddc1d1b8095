// SPDX-License-Identifier: Apache-2.0
/*
 * steer against an engine without threads: the test is the transmitter, the receiver and the clock. What may
 * count as evidence, for the rate and for coverage, and what must not: waiting, the tail of a scan, late
 * repeats, slow answers.
 */
#include "engine/steer.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { TICK_NS = 5000000, KNOWN = 1500 };
static struct eng g;
static struct conf c;
static uint64_t now_ns;
static struct {
        uint64_t due_ns, index;
} late[4096];
static unsigned n_late;

static void start(bool rate_auto, unsigned retries)
{
        struct err e;
        memset(&g, 0, sizeof(g));
        memset(&c, 0, sizeof(c));
        c.rate_auto = rate_auto;
        c.rate_pps = 20000;
        c.retries = retries;
        c.retry_delay_s = 1;
        g.conf = &c;
        g.n_tx = g.n_rx = 1;
        g.pos_end = 1000000;
        now_ns = 100 * NS_PER_S;
        n_late = 0;
        atomic_store(&g.tx_running, 1);
        rate_init(&g.rate, c.rate_pps, now_ns);
        assert_int_equal(steer_new(&g.steer, &g, &e), 0);
        steer_tick(g.steer, &g, now_ns);
}

static int stop(void **state)
{
        (void)state;
        steer_free(g.steer);
        g.steer = NULL;
        return 0;
}

static bool hear(uint64_t index, unsigned port_state, uint32_t rtt_us, uint32_t age_ms, bool inside)
{
        struct answer a = {.state = (uint8_t)port_state, .rtt_us = rtt_us};
        struct steer_seen x = {
                .answer = &a, .index = index, .now_ns = now_ns, .age_ms = age_ms, .inside = inside};
        return steer_answer(g.steer, 0, &x);
}

static const char *status(void)
{
        static char text[STEER_JSON_MAX];
        return steer_json(g.steer, &g, text);
}

static double rate_now(void)
{
        const char *s = strstr(status(), "\"rate_pps\":");
        assert_non_null(s);
        return strtod(s + 11, NULL);
}

/* Of the rate, `probes` is sent as probes and `asks` as ARP; the threads wait for `waits` of the time.
 * Canaries answer after rtt_ms. */
static void scan(double seconds, double probes, double asks, double waits, unsigned rtt_ms)
{
        static double credit[2];
        struct canary_call call[16];
        for (uint64_t end_ns = now_ns + (uint64_t)(seconds * 1e9); now_ns < end_ns; now_ns += TICK_NS) {
                credit[0] += rate_pps(&g.rate) * probes * TICK_NS / 1e9;
                credit[1] += rate_pps(&g.rate) * asks * TICK_NS / 1e9;
                COUNT(g.tx_count[0].probes, credit[0]);
                COUNT(g.ask_count, credit[1]);
                COUNT(g.tx_count[0].waited_ns, waits * TICK_NS);
                credit[0] -= (double)(uint64_t)credit[0];
                credit[1] -= (double)(uint64_t)credit[1];
                unsigned left = 0;
                for (unsigned i = 0; i < n_late; i++)
                        if (late[i].due_ns <= now_ns)
                                hear(late[i].index, PORT_CLOSED, 0, 0, false);
                        else
                                late[left++] = late[i];
                n_late = left;
                for (unsigned n; (n = steer_due(g.steer, 0, call, 16)) > 0;)
                        for (unsigned i = 0; i < n && n_late < ARRAY_LEN(late); i++) {
                                steer_sent(g.steer, &call[i], now_ns);
                                late[n_late].due_ns = now_ns + rtt_ms * NS_PER_MS;
                                late[n_late++].index = call[i].index;
                        }
                steer_tick(g.steer, &g, now_ns);
        }
}

static void learn(uint32_t rtt_ms)
{
        for (uint64_t i = 0; i < KNOWN; i++)
                hear(i, PORT_CLOSED, 0, rtt_ms, true);
}

/* ---- the rate ---- */
static void goes_up_to_the_ceiling(void **state)
{
        (void)state;
        start(true, 0);
        learn(30);
        scan(30, 1, 0, 0, 30);
        assert_true(rate_now() > 19999);
}

static void asks_are_frames(void **state)
{
        (void)state;
        start(true, 0);
        learn(30);
        scan(30, 0.2, 0.8, 0, 30);
        assert_true(rate_now() > 19999);
}

/* A slow machine is a limit; threads that have nothing to send are not, and no reason to go up either. */
static void waiting_is_no_limit(void **state)
{
        (void)state;
        start(true, 0);
        learn(30);
        scan(120, 0.3, 0, 0.7, 30);
        assert_true(rate_now() >= 2000 && rate_now() <= 4000);
        stop(state);
        start(true, 0);
        learn(30);
        scan(40, 0.3, 0, 0, 30);
        assert_true(rate_now() < 2000);
}

static void the_tail_is_no_limit(void **state)
{
        (void)state;
        start(true, 3);
        learn(30);
        scan(9, 1, 0, 0, 30);
        double before = rate_now();
        assert_true(before > 3999 && before < 19999);
        atomic_store(&g.window.next, g.pos_end);
        scan(30, 0.05, 0, 0, 30);
        assert_true(rate_now() >= before);
        assert_non_null(strstr(status(), "\"settled\":false"));
}

static void slow_answers_are_answers(void **state)
{
        (void)state;
        start(true, 0);
        learn(850);
        scan(60, 1, 0, 0, 850);
        assert_true(rate_now() > 19999);
}

/* What is left half open repeats its SYN-ACK: only timestamps tell a repeat from an answer. */
static void repeats_are_no_canaries(void **state)
{
        (void)state;
        start(true, 0);
        c.no_reset = true;
        stop(state);
        struct err e;
        assert_int_equal(steer_new(&g.steer, &g, &e), 0);
        hear(1, PORT_OPEN, 0, 30, true);
        assert_false(hear(1, PORT_OPEN, 0, 30, true));
        hear(2, PORT_OPEN, 30000, 30, true);
        assert_true(hear(2, PORT_OPEN, 30000, 30, true));
        hear(3, PORT_CLOSED, 0, 30, true);
        assert_true(hear(3, PORT_CLOSED, 0, 30, true));
}

/* ---- coverage ---- */
static void hear_many(unsigned n, uint32_t age_ms, uint32_t rtt_us, bool inside)
{
        for (unsigned i = 0; i < n; i++)
                hear(i, PORT_CLOSED, rtt_us, age_ms, inside);
        atomic_store(&g.tally.closed, atomic_load(&g.tally.closed) + n);
}

static struct coverage covered(void)
{
        struct coverage x;
        steer_coverage(g.steer, &g, &x);
        return x;
}

static void retries_tell(void **state)
{
        (void)state;
        start(false, 1);
        rate_set(&g.rate, 1000); /* 64 positions have one time, the last one's */
        steer_tick(g.steer, &g, now_ns);
        hear_many(900, 30, 0, true);
        hear_many(45, 945, 0, true);
        hear_many(45, 1060, 0, true);
        struct coverage x = covered();
        assert_int_equal(x.basis, COVERAGE_RETRIES);
        assert_true(x.low < 0.99 && x.high > 0.985 && x.samples == 990);
}

/* No loss at all, but a link over the moon: nothing is claimed, unless timestamps tell. */
static void slow_answers_claim_nothing(void **state)
{
        (void)state;
        start(false, 1);
        hear_many(1000, 650, 0, true);
        hear_many(1000, 900, 0, true);
        assert_int_equal(covered().basis, COVERAGE_NONE);
        hear_many(1000, 900, 890000, true);
        struct coverage x = covered();
        assert_true(x.basis == COVERAGE_RETRIES && x.samples == 1000 && x.found > 0.99);
        stop(state);
        start(false, 1); /* slower than the delay: all seem to answer the second try */
        hear_many(1000, 1200, 0, true);
        assert_int_equal(covered().basis, COVERAGE_NONE);
}

/* A repeat after its position has settled is not a first answer to a first probe. */
static void outside_the_window_nothing_counts(void **state)
{
        (void)state;
        start(false, 1);
        hear_many(100, 30, 0, true);
        hear_many(5000, 0, 0, false);
        assert_int_equal(covered().samples, 100);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(goes_up_to_the_ceiling, stop),
                cmocka_unit_test_teardown(asks_are_frames, stop),
                cmocka_unit_test_teardown(waiting_is_no_limit, stop),
                cmocka_unit_test_teardown(the_tail_is_no_limit, stop),
                cmocka_unit_test_teardown(slow_answers_are_answers, stop),
                cmocka_unit_test_teardown(repeats_are_no_canaries, stop),
                cmocka_unit_test_teardown(retries_tell, stop),
                cmocka_unit_test_teardown(slow_answers_claim_nothing, stop),
                cmocka_unit_test_teardown(outside_the_window_nothing_counts, stop),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
