// SPDX-License-Identifier: Apache-2.0
/*
 * coverage: how many of the targets that answer were found, as an estimate with its 95 % interval. Pure
 * functions over counts; the engine hands them what the scan itself has seen.
 *
 * Capture and recapture: a target that answers is heard at its first try with chance 1-p, at its second with
 * p(1-p), and so on: among those heard within t tries, the counts by try follow a geometric distribution cut
 * off after t, and its ratio p can be told without knowing how many were never heard. Evidence are the
 * retries of the scan, or canaries (a first and a second try each). It takes losses to be independent: a
 * target that never answers anybody in time is not in the estimate.
 */
#ifndef TRAWL_ENGINE_COVERAGE_H
#define TRAWL_ENGINE_COVERAGE_H
#include "base/base.h"

enum { COVERAGE_TRIES = 8 };
enum coverage_basis { COVERAGE_NONE, COVERAGE_RETRIES, COVERAGE_CANARIES };
struct coverage_try {
        uint64_t heard[COVERAGE_TRIES]; /* answered the first try, the second … for the first time */
        unsigned tries;                 /* how many there could be, 2..COVERAGE_TRIES */
};
/* A stretch of the scan under one loss: `share` of its probes were sent then. */
struct coverage_part {
        struct coverage_try seen;
        double share;
};
struct coverage {
        enum coverage_basis basis; /* COVERAGE_NONE: nothing below is set */
        double found;              /* share of the answering targets that was found, 0..1 */
        double low, high;          /* its 95 % interval */
        double loss;               /* share of single probes that failed */
        uint64_t samples;
        bool retried; /* the scan itself had retries: for the advice */
};
/* `found`: how many targets the scan has found; `tries`: how many probes each silent target got (1 +
 * retries). Parts without evidence are left out. No evidence at all: COVERAGE_NONE. */
void coverage_estimate(struct coverage *, enum coverage_basis, const struct coverage_part *, unsigned n_parts,
                       uint64_t found, unsigned tries);
/* Which try an answer belongs to: `age_ms` after the first probe, of which rtt_us (0: unknown) on the way.
 * An age may be too short by clock_ms. COVERAGE_SLOW: the round trip is not known, and took over half of the
 * time between two tries. */
enum { COVERAGE_SLOW = COVERAGE_TRIES, COVERAGE_SEEN };
unsigned coverage_try_of(uint32_t age_ms, uint32_t clock_ms, uint32_t rtt_us, double retry_delay_s,
                         unsigned retries);
/* First answers by coverage_try_of: those whose round trip was told, and those that only an age is known of.
 * The latter count if round trips are short against the time between two tries: else an answer to the first
 * would pass for one to the second. False: nothing can be told. */
bool coverage_of_answers(const uint64_t timed[COVERAGE_SEEN], const uint64_t aged[COVERAGE_SEEN],
                         unsigned retries, struct coverage_try *);
/* "coverage: 99.2 % of the targets that answer (95 %: 98.9 to 99.4 %), …"; without evidence: how to get it.
 * Returns length. */
size_t coverage_text(const struct coverage *, char *out, size_t cap);
/* A JSON object without line end; null without evidence. Returns length. */
size_t coverage_json(const struct coverage *, char *out, size_t cap);
#endif
