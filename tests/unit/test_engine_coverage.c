// SPDX-License-Identifier: Apache-2.0
/*
 * Coverage, by simulation: scans of targets of which a known number answers, under a known loss. The 95 %
 * interval holds the truth in 93 to 97 % of the runs. Where hardly any target is missed the truth is a small
 * whole number and no interval can be exact: there it must hold it at least as often.
 */
#include "engine/coverage.h"
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { RUNS = 1500 };
static uint64_t rng;

static double draw(void)
{
        rng += 0x9e3779b97f4a7c15ull;
        return ((double)(hash_mix64(rng) >> 11) + 0.5) / 9007199254740992.0;
}

/* How many of n happen; exact for few, by the normal limit for many. */
static uint64_t binomial(uint64_t n, double p)
{
        if (p > 0.5)
                return n - binomial(n, 1 - p);
        double mean = (double)n * p, var = mean * (1 - p), u = draw();
        if (var > 100) {
                double g = sqrt(-2 * log(u)) * cos(6.283185307179586 * draw());
                return (uint64_t)fmin(fmax(floor(mean + sqrt(var) * g + 0.5), 0), (double)n);
        }
        double term = exp((double)n * log1p(-p)), sum = term;
        uint64_t k = 0;
        for (; u > sum && k < n; sum += term, k++)
                term *= (double)(n - k) / (double)(k + 1) * p / (1 - p);
        return k;
}

static void probe(struct coverage_try *t, uint64_t targets, double p, unsigned tries)
{
        memset(t, 0, sizeof(*t));
        t->tries = tries;
        for (unsigned k = 0; k < tries; k++) {
                t->heard[k] = binomial(targets, 1 - p);
                targets -= t->heard[k];
        }
}

static uint64_t sum_of(const struct coverage_try *t)
{
        uint64_t n = 0;
        for (unsigned k = 0; k < t->tries; k++)
                n += t->heard[k];
        return n;
}

static double held_by_retries(uint64_t targets, double p, unsigned tries)
{
        unsigned held = 0;
        for (unsigned i = 0; i < RUNS; i++) {
                struct coverage c;
                struct coverage_part part = {.share = 1};
                probe(&part.seen, targets, p, tries);
                uint64_t found = sum_of(&part.seen);
                double truth = (double)found / (double)targets;
                coverage_estimate(&c, COVERAGE_RETRIES, &part, 1, found, tries);
                held += c.low <= truth && truth <= c.high;
        }
        return (double)held / RUNS;
}

static double held_by_canaries(uint64_t targets, uint64_t canaries, double p, unsigned tries)
{
        unsigned held = 0;
        for (unsigned i = 0; i < RUNS; i++) {
                struct coverage c;
                struct coverage_part part = {.share = 1};
                struct coverage_try scan;
                probe(&part.seen, canaries, p, 2);
                probe(&scan, targets, p, tries);
                double truth = (double)sum_of(&scan) / (double)targets;
                coverage_estimate(&c, COVERAGE_CANARIES, &part, 1, sum_of(&scan), tries);
                held += c.low <= truth && truth <= c.high;
        }
        return (double)held / RUNS;
}

static const struct {
        uint64_t targets, canaries; /* 0 canaries: the retries are the evidence */
        double loss;
        unsigned tries;
        bool few; /* missed targets: at least 93 % */
} cases[] = {
        {100000, 0, 0.05, 2, false},  {100000, 0, 0.02, 2, false},      {10000, 0, 0.10, 2, false},
        {1000000, 0, 0.05, 3, false}, {10000000, 0, 0.20, 2, false},    {20000, 0, 0.20, 3, false},
        {5000, 0, 0.40, 3, false},    {1000, 0, 0.01, 2, true},         {1000, 0, 0.05, 3, true},
        {200, 0, 0.02, 2, true},      {100000, 2000, 0.02, 1, false},   {100000, 5000, 0.10, 1, false},
        {3000, 1000, 0.05, 1, false}, {1000000, 20000, 0.01, 1, false}, {50000, 3000, 0.05, 2, false},
        {50000, 500, 0.001, 1, true},
};

static void interval_holds_the_truth(void **state)
{
        (void)state;
        rng = 20;
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                double held = cases[i].canaries
                                      ? held_by_canaries(cases[i].targets, cases[i].canaries, cases[i].loss,
                                                         cases[i].tries)
                                      : held_by_retries(cases[i].targets, cases[i].loss, cases[i].tries);
                printf("# %llu targets, %g loss, %u tries, %llu canaries: the interval holds the truth in "
                       "%.1f %%\n",
                       (unsigned long long)cases[i].targets, cases[i].loss, cases[i].tries,
                       (unsigned long long)cases[i].canaries, 100 * held);
                if (held < 0.93 || (held > 0.97 && !cases[i].few))
                        fail_msg("that is not 95 %%");
        }
}

/* A scan of which a third went too fast: parts with other losses are weighed by what was sent in them. */
static void parts_add_up(void **state)
{
        unsigned held = 0;
        (void)state;
        rng = 21;
        for (unsigned i = 0; i < RUNS; i++) {
                struct coverage c;
                struct coverage_part part[3] = {{.share = 1}, {.share = 2}, {.share = 5}};
                struct coverage_try fast, slow;
                probe(&part[0].seen, 4000, 0.3, 2);
                probe(&part[1].seen, 4000, 0.01, 2);
                part[2].seen.tries = 2; /* no evidence: counts for nothing */
                probe(&fast, 20000, 0.3, 1);
                probe(&slow, 40000, 0.01, 1);
                uint64_t found = sum_of(&fast) + sum_of(&slow);
                double truth = (double)found / 60000;
                coverage_estimate(&c, COVERAGE_CANARIES, part, 3, found, 1);
                held += c.low <= truth && truth <= c.high;
                assert_int_equal(c.samples, sum_of(&part[0].seen) + sum_of(&part[1].seen));
        }
        printf("# two parts: %.1f %%\n", 100.0 * held / RUNS);
        assert_true(held > 0.93 * RUNS && held < 0.97 * RUNS);
}

static void always_in_order(void **state)
{
        (void)state;
        rng = 22;
        for (unsigned i = 0; i < 2000; i++) {
                struct coverage c;
                struct coverage_part part = {.share = draw(), .seen.tries = 2 + (unsigned)(draw() * 7)};
                for (unsigned k = 0; k < part.seen.tries; k++)
                        part.seen.heard[k] = (uint64_t)pow(10, 10 * draw()) - 1;
                uint64_t found = 1 + (uint64_t)pow(10, 10 * draw());
                coverage_estimate(&c, COVERAGE_RETRIES, &part, 1, found, 1 + (unsigned)(draw() * 8));
                if (c.basis == COVERAGE_NONE)
                        continue;
                if (!(c.low >= 0 && c.low <= c.found && c.found <= c.high && c.high <= 1))
                        fail_msg("%g %g %g", c.low, c.found, c.high);
        }
}

static void nothing_known_nothing_said(void **state)
{
        struct coverage c;
        struct coverage_part part = {.share = 1, .seen.tries = 2};
        char text[300];
        (void)state;
        coverage_estimate(&c, COVERAGE_RETRIES, &part, 1, 100, 1);
        assert_int_equal(c.basis, COVERAGE_NONE);
        coverage_text(&c, text, sizeof(text));
        assert_non_null(strstr(text, "unknown"));
        assert_non_null(strstr(text, "--retries 1 or --rate auto"));
        coverage_json(&c, text, sizeof(text));
        assert_string_equal(text, "null");
        part.seen.heard[0] = 50;
        coverage_estimate(&c, COVERAGE_CANARIES, &part, 1, 0, 1);
        assert_int_equal(c.basis, COVERAGE_NONE);
        coverage_estimate(&c, COVERAGE_NONE, NULL, 0, 7, 3);
        coverage_text(&c, text, sizeof(text));
        assert_null(strstr(text, "--retries 1"));
        assert_non_null(strstr(text, "a longer --retry-delay"));
}

static void words(void **state)
{
        struct coverage c = {.basis = COVERAGE_CANARIES,
                             .found = 0.98765,
                             .low = 0.98,
                             .high = 0.99994,
                             .loss = 0.0123,
                             .samples = 4321};
        char text[300];
        (void)state;
        coverage_text(&c, text, sizeof(text));
        assert_non_null(strstr(text, "about 98.7 % of the targets that answer (95 %: 98.0 to 99.9940 %)"));
        assert_non_null(strstr(text, "1.2 % of single probes failed, as 4321 canaries tell"));
        c.found = c.high = 0.9999999; /* not all: never said to be 100 */
        coverage_text(&c, text, sizeof(text));
        assert_null(strstr(text, "100"));
        coverage_json(&c, text, sizeof(text));
        assert_non_null(strstr(text, "\"basis\":\"canaries\",\"samples\":4321}"));
        assert_true(coverage_text(&c, text, 10) == 9 && strlen(text) == 9);
}

static void which_try(void **state)
{
        (void)state;
        assert_int_equal(coverage_try_of(0, 2, 0, 1, 2), 0);
        assert_int_equal(coverage_try_of(499, 2, 0, 1, 2), 0);
        assert_int_equal(coverage_try_of(500, 2, 0, 1, 2), COVERAGE_SLOW); /* or is it? */
        assert_int_equal(coverage_try_of(950, 2, 0, 1, 2), COVERAGE_SLOW);
        assert_int_equal(coverage_try_of(950, 2, 940000, 1, 2), 0);
        assert_int_equal(coverage_try_of(999, 2, 0, 1, 2), 1);
        assert_int_equal(coverage_try_of(940, 64, 0, 1, 2), 1); /* a coarse clock */
        assert_int_equal(coverage_try_of(1020, 2, 0, 1, 2), 1);
        assert_int_equal(coverage_try_of(1020, 2, 900000, 1, 2), 0); /* a slow answer to the first */
        assert_int_equal(coverage_try_of(2300, 2, 250000, 1, 2), 2);
        assert_int_equal(coverage_try_of(9000, 2, 0, 1, 2), 2);
        assert_int_equal(coverage_try_of(9000, 2, 0, 1, 0), 0);
        assert_int_equal(coverage_try_of(6100, 2, 0, 3, 5), 2);
        assert_int_equal(coverage_try_of(4000000000u, 2, 0, 1, 100), COVERAGE_TRIES - 1);
}

static void ages_must_be_short(void **state)
{
        uint64_t none[COVERAGE_SEEN] = {0}, timed[COVERAGE_SEEN] = {50, 5}, quick[COVERAGE_SEEN] = {900, 90};
        uint64_t slow[COVERAGE_SEEN] = {900, 90, [COVERAGE_SLOW] = 10};
        struct coverage_try t;
        (void)state;
        assert_true(coverage_of_answers(timed, quick, 1, &t) && t.tries == 2 && t.heard[0] == 950 &&
                    t.heard[1] == 95);
        assert_true(coverage_of_answers(timed, slow, 1, &t) && t.heard[0] == 50 && t.heard[1] == 5);
        assert_false(coverage_of_answers(none, slow, 1, &t));
        slow[COVERAGE_SLOW] = 9;
        assert_true(coverage_of_answers(none, slow, 1, &t));
        assert_false(coverage_of_answers(timed, quick, 0, &t));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(interval_holds_the_truth),
                cmocka_unit_test(parts_add_up),
                cmocka_unit_test(always_in_order),
                cmocka_unit_test(nothing_known_nothing_said),
                cmocka_unit_test(words),
                cmocka_unit_test(which_try),
                cmocka_unit_test(ages_must_be_short),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
