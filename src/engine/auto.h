// SPDX-License-Identifier: Apache-2.0
/*
 * auto: the closed loop of --rate auto, as pure logic. It is fed what happened in each short interval and
 * says at which rate to go on; it has no clock, no threads and no packets, so whole searches are replayed in
 * tests. Invariant: it goes up on evidence only, never because nothing is known.
 *
 *            clean                    clean, ceiling reached
 *   BASE ─────────> GROW ×2 ──────────────────────────────────┐
 *                    │ loss                                   v
 *                    v      loss: lower, clean: higher      HOLD ── after a while ──> LOOK a step higher
 *                  REFINE ────────── knee in 8 % ───────────> │ <─────── loss ─────────┘ clean: GROW ×1.25
 *                    ^──────────────────── loss ──────────────┘
 *
 * The evidence is mostly canaries (canary.h): targets known to answer, probed again. A canary that misses
 * once and answers the next probe was lost on the way; one that misses twice says nothing, it may have gone
 * silent. If a share p of all probes fails, the share of misses among the samples that count is x = p/(1+p).
 * What counts against a rate is not p, but how much worse it is than at the low rates of the start: random
 * loss on the path is no reason to go slower. Beside it stand the drop counters and ICMP's "administratively
 * prohibited" (RFC 1812 §5.2.7.1, RFC 4443 §3.1).
 */
#ifndef TRAWL_ENGINE_AUTO_H
#define TRAWL_ENGINE_AUTO_H
#include "base/base.h"

struct canary_sums {         /* samples that came to an end */
        uint64_t kept, lost; /* answered the first probe; only the second */
        uint64_t gone;       /* neither */
};

struct auto_evidence {             /* of one interval, a fraction of a second long */
        uint64_t frames;           /* that left: probes, retries, replies */
        uint64_t refused;          /* that did not: send errors, drops and carrier errors of the interface */
        uint64_t received;         /* frames looked at */
        uint64_t dropped;          /* received ones lost on this machine: kernel, interface, our own queues */
        uint64_t prohibited;       /* ICMP "administratively prohibited" */
        struct canary_sums canary; /* samples begun in step auto_step() */
        bool waited;  /* less left than might have: for want of something to send, or of a next hop */
        bool held_up; /* probes had to wait for something else than the rate: says nothing about it */
};

enum auto_phase { AUTO_BASE, AUTO_CHECK, AUTO_GROW, AUTO_FIRM, AUTO_REFINE, AUTO_HOLD, AUTO_LOOK };
enum auto_reason { /* why the rate does not go higher */
                   AUTO_UNKNOWN,
                   AUTO_CEILING,
                   AUTO_CANARIES,
                   AUTO_DROPS,
                   AUTO_REFUSED,
                   AUTO_MACHINE,
                   AUTO_PROHIBITED,
                   AUTO_BLACKOUT,
                   AUTO_BLIND
};
struct auto_sums { /* evidence added up */
        double kept, lost, gone, frames, refused, received, dropped, prohibited, seconds;
};
struct auto_rate {
        double ceiling_pps, floor_pps, rate_pps;
        double lo_pps, hi_pps; /* highest rate known clean (0: none), lowest known not to be (0: none) */
        double knee_pps;       /* what the last loss let expect; 0: nothing */
        enum auto_phase phase;
        enum auto_reason reason;
        unsigned step;
        uint64_t start_ns, step_ns, judge_from_ns, last_ns; /* a step: begins, is past its transient */
        uint64_t settled_ns;                                /* first HOLD, 0: not yet */
        uint64_t look_ns, look_gap_ns;
        double hold_pps;            /* where to return to when a look finds loss */
        double held_frames, held_s; /* what has left at it, when there was something to send */
        struct auto_sums now, base, pending;
        double pending_pps; /* rate of `pending`: clean, and part of the base once the knee is known to be far
                             */
        double first_pps;   /* AUTO_CHECK: the rate that is doubted, */
        struct auto_sums first;
        double burst, burst_frames; /* prohibited of the last seconds, fading */
        double last_loss;
        bool waited; /* in this step */
        unsigned stubborn,
                bad_intervals; /* losses in a row that going down did not cure; intervals with drops */
        uint64_t samples, lossy_frames; /* over all; frames sent at rates that turned out too high */
        bool said;                      /* auto_news() has told the present state */
};

/* Starts low: a tenth of the ceiling, at most 10,000 per second. */
void auto_init(struct auto_rate *, double ceiling_pps, uint64_t now_ns);
/* Takes the evidence of the interval that ends now, returns the rate to go on with. About four times a
 * second. */
double auto_feed(struct auto_rate *, const struct auto_evidence *, uint64_t now_ns);
/* Canary samples belong to the step they were begun in; in the transient of a step none are begun. */
static inline unsigned auto_step(const struct auto_rate *a)
{
        return a->step;
}
/* How many canaries to probe a second: 2 % of the rate; at low rates up to 5 %, at most 50; never more than
 * 500. 0: none now. */
double auto_canary_pps(const struct auto_rate *, uint64_t now_ns);
/* One line for people about a change worth telling since the last call; false: nothing. */
bool auto_news(struct auto_rate *, char *out, size_t cap);
/* What was found, for the summary: "held 9300 packets/s, …", and what left if that was less. Returns length.
 */
size_t auto_text(const struct auto_rate *, char *out, size_t cap);
const char *auto_phase_name(enum auto_phase);
const char *auto_reason_name(enum auto_reason);
#endif
