// SPDX-License-Identifier: Apache-2.0
/*
 * auto: the search for the highest rate without loss, see auto.h. Each step: set a rate, let the transient
 * pass, gather evidence until it is conclusive, judge, move. A verdict compares two shares with their
 * standard errors, so a lossy path asks for more samples, not for another threshold.
 *
 * Invariant: rate_pps stays within [floor, ceiling], and every rise follows a verdict of "clean".
 */
#include "auto.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const uint64_t settle_up_ns = 400 * NS_PER_MS, settle_down_ns = NS_PER_S, least_ns = NS_PER_S,
                      patience_ns = 20 * NS_PER_S, window_ns = 20 * NS_PER_S, look_soon_ns = 5 * NS_PER_S,
                      look_min_ns = 60 * NS_PER_S, look_max_ns = 480 * NS_PER_S, alone_ns = 8 * NS_PER_S;
static const double least_samples = 50, base_samples = 120, many_samples = 4000;
/* What the usual loss rests on before the knee is sought closely: samples, and its standard error. */
static const double firm_samples = 600, base_error = 0.006;
static const double margin = 0.93;     /* of the highest clean rate: where to hold */
static const double knee_width = 1.08; /* hi / lo at which the knee is known well enough */
/* So much loss at low rates: nothing can be told from what a higher one adds, if it is loss at all. */
static const double blind_loss = 0.7;
enum { STUBBORN_MAX = 3, BAD_INTERVALS = 3 };

struct share { /* an estimate and its standard error */
        double value, error;
};
enum verdict { NOT_YET, CLEAN, LOSS };

static void add(struct auto_sums *to, const struct auto_sums *x)
{
        to->kept += x->kept;
        to->lost += x->lost;
        to->gone += x->gone;
        to->frames += x->frames;
        to->refused += x->refused;
        to->received += x->received;
        to->dropped += x->dropped;
        to->prohibited += x->prohibited;
        to->seconds += x->seconds;
}

static void scale(struct auto_sums *s, double by)
{
        s->kept *= by;
        s->lost *= by;
        s->gone *= by;
        s->frames *= by;
        s->refused *= by;
        s->received *= by;
        s->dropped *= by;
        s->prohibited *= by;
        s->seconds *= by;
}

/* Share of probes that fail, out of "missed once, then answered" (auto.h): p = x / (1 - x). The error is
 * taken with one success and one failure more (Laplace), so that no loss among few is not taken for
 * certainty. */
static struct share loss_of(const struct auto_sums *s)
{
        double n = s->kept + s->lost, x = n > 0 ? MIN(s->lost / n, 0.5) : 0;
        double var = (s->lost + 1) * (s->kept + 1) / pow(n + 2, 3);
        return (struct share){x / (1 - x), sqrt(var) / pow(1 - x, 2)};
}

/* How much of what got through at the base's rates fails now. */
static struct share excess(const struct auto_sums *now, const struct auto_sums *base)
{
        struct share a = loss_of(now), b = loss_of(base);
        double through = MAX(1 - b.value, 0.05);
        return (struct share){1 - (1 - a.value) / through, hypot(a.error, b.error) / through};
}

static double part(double bad, double good)
{
        return bad + good > 0 ? bad / (bad + good) : 0;
}

/* The share of `bad` that is beyond what the base lets expect, be it so many a frame or so many a second: a
 * counter may tick for reasons of its own. 0 unless it is beyond chance. */
static double counter_excess(double bad, double good, double seconds, double base_bad, double base_good,
                             double base_seconds)
{
        double by_frame = part(base_bad, base_good) * (bad + good);
        double by_time = base_seconds > 0 ? base_bad / base_seconds * seconds : 0;
        double expected = MIN(by_frame, by_time), share = part(bad - expected, good);
        double chance = sqrt(expected + expected * expected / MAX(base_bad, 1.0));
        return bad > expected + 4 * chance + 20 && share > 0.01 ? share : 0;
}

static double clamp(double x, double lo, double hi)
{
        return x < lo ? lo : x > hi ? hi : x;
}

/* ---- moving ---- */
static void begin_step(struct auto_rate *a, enum auto_phase phase, double pps, uint64_t now_ns)
{
        pps = clamp(pps, a->floor_pps, a->ceiling_pps);
        uint64_t settle_ns = pps < a->rate_pps ? settle_down_ns : settle_up_ns;
        a->phase = phase;
        a->rate_pps = pps;
        a->step++;
        a->step_ns = now_ns;
        a->judge_from_ns = now_ns + settle_ns;
        a->bad_intervals = 0;
        a->burst = a->burst_frames = 0;
        a->waited = false;
        memset(&a->now, 0, sizeof(a->now));
}

static void hold(struct auto_rate *a, double pps, uint64_t now_ns)
{
        begin_step(a, AUTO_HOLD, pps, now_ns);
        if (a->rate_pps < a->hold_pps || a->rate_pps > a->hold_pps)
                a->held_frames = a->held_s = 0;
        a->hold_pps = a->rate_pps;
        a->look_ns = now_ns + a->look_gap_ns;
        a->said = false;
        if (!a->settled_ns)
                a->settled_ns = now_ns;
}

void auto_init(struct auto_rate *a, double ceiling_pps, uint64_t now_ns)
{
        memset(a, 0, sizeof(*a));
        a->ceiling_pps = ceiling_pps;
        double start = MIN(clamp(ceiling_pps / 10, 50, 10000), ceiling_pps);
        a->floor_pps = start / 16;
        a->start_ns = a->last_ns = now_ns;
        a->look_gap_ns = look_min_ns;
        a->said = true;
        begin_step(a, AUTO_BASE, start, now_ns);
}

/* ---- the base: what the path does at rates far below the knee ---- */
static void grow_base(struct auto_rate *a, const struct auto_sums *s)
{
        add(&a->base, s);
        if (a->base.kept + a->base.lost > many_samples) /* old evidence fades: paths change */
                scale(&a->base, 0.5);
}

/* A clean step may have hidden a little loss: it joins the base only when the knee turns out to be far above.
 */
static void confirm_pending(struct auto_rate *a, double below_pps)
{
        if (a->pending_pps > 0 && a->pending_pps <= below_pps)
                grow_base(a, &a->pending);
        memset(&a->pending, 0, sizeof(a->pending));
        a->pending_pps = 0;
}

/* The first samples. Loss there may be the path's own, or the rate of the start is already too much: a fourth
 * of it tells them apart. */
static void judge_base(struct auto_rate *a, uint64_t now_ns)
{
        struct share p = loss_of(&a->now);
        if (p.value > blind_loss && a->reason == AUTO_BLIND) {
                begin_step(a, AUTO_BASE, a->rate_pps, now_ns);
                return;
        }
        if (a->reason == AUTO_BLIND) { /* something has changed while these were gathered: once more */
                a->reason = AUTO_UNKNOWN;
                begin_step(a, AUTO_BASE, a->rate_pps, now_ns);
                return;
        }
        if (p.value > 0.03 && a->phase == AUTO_BASE && a->now.kept + a->now.lost > 0) {
                a->first = a->now;
                a->first_pps = a->rate_pps;
                begin_step(a, AUTO_CHECK, a->rate_pps / 4, now_ns);
                return;
        }
        grow_base(a, &a->now);
        a->lo_pps = a->rate_pps;
        begin_step(a, AUTO_GROW, a->rate_pps * 2, now_ns);
}

static void judge_check(struct auto_rate *a, uint64_t now_ns)
{
        struct share d = excess(&a->first, &a->now);
        if (loss_of(&a->now).value > blind_loss) {
                a->reason = AUTO_BLIND;
                begin_step(a, AUTO_BASE, a->rate_pps, now_ns);
                return;
        }
        grow_base(a, &a->now);
        a->lo_pps = a->rate_pps;
        if (d.value - 2.5 * d.error > 0.01) {
                a->hi_pps = a->first_pps;
                a->reason = AUTO_CANARIES;
                begin_step(a, AUTO_REFINE, clamp(a->first_pps * (1 - d.value), a->lo_pps, a->hi_pps / 1.1),
                           now_ns);
                return;
        }
        grow_base(a, &a->first);
        a->lo_pps = a->first_pps;
        begin_step(a, AUTO_GROW, a->first_pps * 2, now_ns);
}

/* A base of few samples may look better than the path is, and then every rate looks bad. */
static bool is_firm(const struct auto_sums *base)
{
        return base->kept + base->lost >= firm_samples && loss_of(base).error <= base_error;
}

/* The knee is roughly known. To find it exactly, what is usual must be known well: gathered at half of it. */
static void judge_firm(struct auto_rate *a, uint64_t now_ns)
{
        struct auto_sums sum = a->base;
        struct share here = excess(&a->now, &a->base);
        add(&sum, &a->now);
        if (a->now.kept + a->now.lost > least_samples && here.value - 3 * here.error > 0.01) {
                a->first = a->now; /* even this is above the knee */
                a->first_pps = a->hi_pps = a->rate_pps;
                a->knee_pps = a->rate_pps * (1 - clamp(here.value, 0, 0.7));
                a->lossy_frames += (uint64_t)a->now.frames;
                begin_step(a, AUTO_FIRM, a->knee_pps / 2, now_ns);
                return;
        }
        if (!is_firm(&sum) && now_ns < a->judge_from_ns + 2 * patience_ns)
                return;
        struct share d = excess(&a->first, &sum);
        a->base = sum;
        a->lo_pps = MAX(a->lo_pps, a->rate_pps);
        if (a->reason == AUTO_CANARIES && d.value - 2 * d.error < 0.02) { /* it was not so bad after all */
                a->hi_pps = 0;
                begin_step(a, AUTO_GROW, a->first_pps, now_ns);
                return;
        }
        begin_step(a, AUTO_REFINE, clamp(a->knee_pps * 0.98, a->lo_pps, a->hi_pps), now_ns);
}

/* ---- verdicts ---- */
/* Samples of a step that finds its way coarsely want less than one near the knee, or than a long watch. */
static enum verdict judge_canaries(const struct auto_rate *a, uint64_t now_ns, double *loss)
{
        double n = a->now.kept + a->now.lost;
        bool late = now_ns > a->judge_from_ns + (a->phase == AUTO_HOLD ? window_ns : patience_ns);
        struct share d = excess(&a->now, &a->base);
        *loss = clamp(d.value, 0, 0.7);
        if (n + a->now.gone > least_samples && a->now.gone > n) {
                *loss = 0.5;
                return LOSS;
        }
        if (n < least_samples)
                return NOT_YET;
        if (a->phase == AUTO_HOLD) {
                if (d.value - 3.5 * d.error > 0.004)
                        return LOSS;
                return late || n > many_samples ? CLEAN : NOT_YET;
        }
        if (a->phase == AUTO_GROW ||
            a->phase == AUTO_LOOK) { /* coarse: the next step doubles what is amiss */
                if (n > 2 * least_samples && d.value - 3 * d.error > 0.05)
                        return LOSS;
                if (d.value + 2.2 * d.error < 0.07)
                        return CLEAN;
                late |= now_ns > a->judge_from_ns + 5 * least_ns;
                return !late ? NOT_YET : d.value > 0.05 ? LOSS : CLEAN;
        }
        if (d.value - 3 * d.error > 0.01)
                return LOSS;
        if (d.value + 2.2 * d.error < 0.035)
                return CLEAN;
        if (late || n > many_samples)
                return d.value > 0.02 + d.error ? LOSS : CLEAN;
        return NOT_YET;
}

static enum verdict judge_counters(struct auto_rate *a, double *loss)
{
        const struct auto_sums *s = &a->now, *b = &a->base;
        double rx = counter_excess(s->dropped, s->received, s->seconds, b->dropped, b->received, b->seconds);
        double tx = counter_excess(s->refused, s->frames, s->seconds, b->refused, b->frames, b->seconds);
        if (a->phase <= AUTO_CHECK || a->bad_intervals < BAD_INTERVALS || rx + tx <= 0)
                return NOT_YET; /* what they say at the start is what is usual here */
        struct share d = excess(&a->now, &a->base);
        if (d.value + 2.2 * d.error < MAX(rx, tx) / 2)
                return NOT_YET; /* what was dropped was not ours to lose */
        a->reason = rx > tx ? AUTO_DROPS : AUTO_REFUSED;
        *loss = clamp(MAX(rx, tx), 0, 0.7);
        return LOSS;
}

/* Many more "prohibited" a frame than at the base's rates: somebody has begun to turn us away. */
static bool prohibited_burst(const struct auto_rate *a, uint64_t now_ns)
{
        if (a->phase <=
            AUTO_CHECK) /* nothing is usual yet: canaries had their time to show that all is well */
                return now_ns > a->judge_from_ns + alone_ns && a->burst > 20 &&
                       a->burst > 0.2 * a->burst_frames;
        double usual = part(a->base.prohibited, a->base.frames) * a->burst_frames;
        return a->burst > 4 * usual + 5 * sqrt(usual) + 20 && a->burst > 0.002 * a->burst_frames;
}

/* ---- what follows from a verdict ---- */
/* Loss that stays the same however far we go down is not ours: the path has changed. The search begins anew
 * on top of it. A blackout is no such thing: then nothing is known, and low is right. */
static bool is_stubborn(struct auto_rate *a, double pps, double loss)
{
        bool below_knee = a->knee_pps > 0 && pps <= 0.97 * a->knee_pps;
        a->stubborn = below_knee && loss > 0.6 * a->last_loss ? a->stubborn + 1 : 0;
        a->last_loss = loss;
        return a->stubborn >= STUBBORN_MAX && a->reason == AUTO_CANARIES;
}

static void start_over(struct auto_rate *a, uint64_t now_ns)
{
        memset(&a->base, 0, sizeof(a->base));
        a->lo_pps = a->hi_pps = a->knee_pps = a->last_loss = 0;
        a->stubborn = 0;
        a->reason = AUTO_UNKNOWN;
        begin_step(a, AUTO_BASE, a->rate_pps / 4, now_ns);
}

/* Where going too fast costs probes, or annoys somebody, a look is rare; and rarer when the last was in vain.
 */
static void look_later(struct auto_rate *a, bool in_vain)
{
        uint64_t gap_ns = in_vain ? 2 * a->look_gap_ns : a->look_gap_ns;
        a->look_gap_ns = MIN(MAX(gap_ns, look_min_ns), look_max_ns);
}

static void found_loss(struct auto_rate *a, double pps, double loss, uint64_t now_ns)
{
        double knee = pps * (1 - loss), next = knee * 0.95;
        bool looking = a->phase == AUTO_LOOK, stubborn = is_stubborn(a, pps, loss);
        a->lossy_frames += (uint64_t)a->now.frames;
        confirm_pending(a, 0.85 * knee);
        if (stubborn) {
                start_over(a, now_ns);
                return;
        }
        a->hi_pps = pps;
        a->knee_pps = knee;
        look_later(a, a->phase >= AUTO_HOLD); /* the last look was in vain, or found what did not last */
        if (looking && a->lo_pps < 1.1 * a->hold_pps && knee > a->hold_pps) {
                hold(a, a->hold_pps, now_ns);
                return;
        }
        if (a->lo_pps >= 0.97 * knee || a->lo_pps >= pps)
                a->lo_pps = 0; /* it was clean when something else still took the blow: a queue, a bucket */
        if ((a->phase == AUTO_GROW || a->phase == AUTO_HOLD) && !is_firm(&a->base)) {
                a->first = a->now;
                a->first_pps = pps;
                begin_step(a, AUTO_FIRM, knee / 2, now_ns);
                return;
        }
        if (a->lo_pps > 0)
                next = clamp(knee * 0.98, a->lo_pps, sqrt(a->lo_pps * pps));
        begin_step(a, AUTO_REFINE, next, now_ns);
}

/* The knee lies between lo and hi. */
static void close_in(struct auto_rate *a, uint64_t now_ns)
{
        double mid = sqrt(a->lo_pps * a->hi_pps), near = a->knee_pps * 1.05;
        if (a->hi_pps <= knee_width * a->lo_pps)
                hold(a, margin * a->lo_pps, now_ns);
        else
                begin_step(a, AUTO_REFINE, MIN(mid, MAX(near, 1.12 * a->lo_pps)), now_ns);
}

static void found_clean(struct auto_rate *a, double pps, uint64_t now_ns)
{
        bool growing = a->phase == AUTO_GROW || a->phase == AUTO_LOOK;
        a->stubborn = 0;
        a->last_loss = 0;
        a->lo_pps = MAX(a->lo_pps, pps);
        if (growing) {
                confirm_pending(a, pps);
                a->pending = a->now;
                a->pending_pps = pps;
        }
        if (a->hi_pps > 0 && a->lo_pps >= a->hi_pps)
                a->hi_pps = 0;
        if (a->hi_pps <= 0 && a->lo_pps >= 0.999 * a->ceiling_pps) {
                a->reason = AUTO_CEILING;
                hold(a, a->ceiling_pps, now_ns);
        } else if (a->hi_pps <= 0) {
                begin_step(a, a->phase == AUTO_LOOK ? AUTO_LOOK : AUTO_GROW,
                           pps * (a->phase == AUTO_LOOK ? 1.25 : 2), now_ns);
        } else {
                close_in(a, now_ns);
        }
}

/* Probes waited for something else: whether the rate is clean, or more is possible, cannot be told here. */
static void found_nothing(struct auto_rate *a, uint64_t now_ns)
{
        if (a->phase == AUTO_LOOK) {
                hold(a, a->hold_pps, now_ns);
                return;
        }
        begin_step(a, a->phase, a->rate_pps, now_ns);
        a->judge_from_ns = now_ns;
}

/* A rate that this machine does not reach is no rate: the knee lies between what it does reach and what was
 * asked, which may be less the more is asked. Others may use the machine just now, and a look costs nothing:
 * soon again. */
static void found_limit(struct auto_rate *a, double sent_pps, uint64_t now_ns)
{
        a->reason = AUTO_MACHINE;
        a->lo_pps = MAX(a->lo_pps, sent_pps);
        a->hi_pps = a->rate_pps;
        if (a->phase == AUTO_LOOK) {
                a->look_gap_ns = MIN(2 * a->look_gap_ns, look_max_ns);
                hold(a, MAX(a->hold_pps, margin * sent_pps), now_ns);
                return;
        }
        a->look_gap_ns = look_soon_ns;
        close_in(a, now_ns);
}

static void found_prohibited(struct auto_rate *a, uint64_t now_ns)
{
        a->reason = AUTO_PROHIBITED;
        a->lossy_frames += (uint64_t)a->now.frames;
        a->hi_pps = a->rate_pps;
        a->lo_pps = MIN(a->lo_pps, a->rate_pps / 2);
        look_later(a, true);
        hold(a, a->rate_pps / 2, now_ns);
}

/* While holding, evidence is taken in windows; when the time has come, one step beyond the knee is tried. */
static void go_on_holding(struct auto_rate *a, uint64_t now_ns)
{
        if (a->hi_pps > 0 && now_ns >= a->look_ns) {
                a->hi_pps = a->knee_pps = 0;
                begin_step(a, AUTO_LOOK, a->rate_pps * 1.2, now_ns);
                return;
        }
        begin_step(a, AUTO_HOLD, a->rate_pps, now_ns);
        a->judge_from_ns = now_ns; /* nothing changed: no transient */
}

static void judge(struct auto_rate *a, uint64_t now_ns)
{
        double loss = 0, sent_pps = a->now.seconds > 0 ? a->now.frames / a->now.seconds : 0;
        double pps = MIN(a->rate_pps, sent_pps > 0 ? sent_pps * 1.02 : a->rate_pps);
        enum verdict v = judge_counters(a, &loss);
        if (prohibited_burst(a, now_ns)) {
                found_prohibited(a, now_ns);
                return;
        }
        if (v == NOT_YET && a->phase == AUTO_FIRM) {
                judge_firm(a, now_ns);
                return;
        }
        if (v == NOT_YET && a->phase <= AUTO_CHECK) {
                if (a->now.kept + a->now.lost < base_samples)
                        return;
                if (a->phase == AUTO_BASE)
                        judge_base(a, now_ns);
                else
                        judge_check(a, now_ns);
                return;
        }
        if (v == NOT_YET) {
                v = judge_canaries(a, now_ns, &loss);
                if (v == LOSS)
                        a->reason = a->now.gone > a->now.kept + a->now.lost ? AUTO_BLACKOUT : AUTO_CANARIES;
        }
        if (v == LOSS)
                found_loss(a, pps, loss, now_ns);
        else if (v == CLEAN && a->phase == AUTO_HOLD)
                go_on_holding(a, now_ns);
        else if (v == CLEAN && a->waited && sent_pps < 0.9 * a->rate_pps)
                found_nothing(a, now_ns);
        else if (v == CLEAN && sent_pps < 0.9 * a->rate_pps)
                found_limit(a, sent_pps, now_ns);
        else if (v == CLEAN)
                found_clean(a, a->rate_pps, now_ns);
}

static void take_in(struct auto_rate *a, const struct auto_evidence *e, uint64_t now_ns)
{
        struct auto_sums s = {.kept = (double)e->canary.kept,
                              .lost = (double)e->canary.lost,
                              .gone = (double)e->canary.gone,
                              .frames = (double)e->frames,
                              .refused = (double)e->refused,
                              .received = (double)e->received,
                              .dropped = (double)e->dropped,
                              .prohibited = (double)e->prohibited,
                              .seconds = (double)(now_ns - a->last_ns) / 1e9};
        double fade = exp2(-s.seconds / 2);
        add(&a->now, &s);
        a->samples += e->canary.kept + e->canary.lost + e->canary.gone;
        a->waited |= e->waited;
        if (a->phase == AUTO_HOLD && !e->waited) {
                a->held_frames += s.frames;
                a->held_s += s.seconds;
        }
        a->bad_intervals += e->dropped + e->refused > 0;
        a->burst = a->burst * fade + s.prohibited;
        a->burst_frames = a->burst_frames * fade + s.frames;
}

double auto_feed(struct auto_rate *a, const struct auto_evidence *e, uint64_t now_ns)
{
        uint64_t gap_ns = now_ns - a->last_ns;
        if (e->held_up) /* the time is taken out of the step */
                a->judge_from_ns = MAX(a->judge_from_ns + gap_ns, now_ns);
        else if (a->last_ns >= a->judge_from_ns)
                take_in(a, e, now_ns);
        a->last_ns = now_ns;
        if (now_ns >= a->judge_from_ns + least_ns || (a->phase == AUTO_HOLD && now_ns > a->judge_from_ns))
                judge(a, now_ns);
        return a->rate_pps;
}

double auto_canary_pps(const struct auto_rate *a, uint64_t now_ns)
{
        return now_ns < a->judge_from_ns ? 0 : clamp(a->rate_pps * 0.02, MIN(50, a->rate_pps / 20), 500);
}

/* ---- words ---- */
const char *auto_phase_name(enum auto_phase p)
{
        static const char *const names[] = {"base", "check", "grow", "firm", "refine", "hold", "look"};
        return names[p];
}

const char *auto_reason_name(enum auto_reason r)
{
        static const char *const names[] = {"too few targets have answered to know more",
                                            "no loss up to the ceiling (--max-rate)",
                                            "targets known to answer stop answering above it",
                                            "this machine loses received frames above it",
                                            "frames do not leave above it",
                                            "this machine sends no faster",
                                            "ICMP \"administratively prohibited\" came in a burst",
                                            "most targets known to answer have gone silent",
                                            "most canaries fail, however slow: nothing is known"};
        return names[r];
}

bool auto_news(struct auto_rate *a, char *out, size_t cap)
{
        if (a->said || a->phase != AUTO_HOLD)
                return false;
        a->said = true;
        snprintf(out, cap, "--rate auto: holding %.0f packets/s: %s", a->rate_pps,
                 auto_reason_name(a->reason));
        return true;
}

size_t auto_text(const struct auto_rate *a, char *out, size_t cap)
{
        char left[48] = "", knee[48] = "";
        double held = a->hold_pps > 0 ? a->hold_pps : a->rate_pps;
        unsigned long long samples = a->samples;
        int n;
        if (a->held_s > 0 && a->held_frames < 0.95 * held * a->held_s)
                snprintf(left, sizeof(left), " (%.0f left)", a->held_frames / a->held_s);
        if (a->knee_pps > 0 && a->reason != AUTO_CEILING)
                snprintf(knee, sizeof(knee), "; the knee is near %.0f", a->knee_pps);
        if (!a->settled_ns)
                n = snprintf(out, cap,
                             "--rate auto: still searching at %.0f packets/s when the scan ended (%llu "
                             "canaries): %s",
                             a->rate_pps, samples, auto_reason_name(a->reason));
        else
                n = snprintf(
                        out, cap,
                        "--rate auto: held %.0f packets/s%s, found in %.0f s with %llu canaries in all%s: %s",
                        held, left, (double)(a->settled_ns - a->start_ns) / 1e9, samples, knee,
                        auto_reason_name(a->reason));
        return n < 0 ? 0 : MIN((size_t)n, cap - 1);
}
