// SPDX-License-Identifier: Apache-2.0
/*
 * rate: one token bucket for every frame we send, shared by all threads through a single atomic word.
 *
 * The word is a virtual clock, the time at which the next frame is due. Taking n frames moves it n intervals
 * on. If it lags behind the real clock by more than one interval plus 1.4 ms, nobody took frames in
 * time (the machine was busy elsewhere): the lag is cut, counted as a stall and never made up, so no window
 * of time sees more than its share.
 */
#include "eng.h"

enum { FRACTION = 256 };
/* 10 ms plus this stay below 1.15 times the rate, which is promised. What leaves long after its turn, and
 * RSTs that follow the last turn and are charged when they have left (rate_charge), come out of it. A smaller
 * bucket loses more to late wake-ups. */
static const uint64_t slack = 1400000ull * FRACTION;

static uint64_t interval_of(double pps)
{
        double per = (double)NS_PER_S * FRACTION / pps;
        return per < 1 ? 1 : (uint64_t)(per + 0.5);
}

void rate_init(struct rate *r, double pps, uint64_t now_ns)
{
        memset(r, 0, sizeof(*r));
        r->epoch_ns = now_ns - 10 * NS_PER_MS;
        rate_set(r, pps);
        rate_restart(r, now_ns);
}

void rate_set(struct rate *r, double pps)
{
        atomic_store_explicit(&r->per_frame, interval_of(pps), memory_order_relaxed);
}

double rate_pps(const struct rate *r)
{
        uint64_t per = atomic_load_explicit(&((struct rate *)r)->per_frame, memory_order_relaxed);
        return (double)NS_PER_S * FRACTION / (double)per;
}

void rate_restart(struct rate *r, uint64_t now_ns)
{
        uint64_t now = (now_ns - r->epoch_ns) * FRACTION;
        uint64_t due = atomic_load_explicit(&r->due, memory_order_relaxed);
        while (due < now && !atomic_compare_exchange_weak_explicit(&r->due, &due, now, memory_order_relaxed,
                                                                   memory_order_relaxed))
                ;
}

/* How far the clock may lag. A RST sent from below follows its probe before it can be charged. */
static uint64_t room(const struct rate *r, uint64_t per)
{
        uint64_t follow =
                (uint64_t)atomic_load_explicit(&((struct rate *)r)->follow_ns, memory_order_relaxed);
        return per + slack - MAX(follow * FRACTION, r->closes_below ? MIN(per, NS_PER_MS * FRACTION) : 0);
}

static void note_stall(struct rate *r, uint64_t lost)
{
        atomic_fetch_add_explicit(&r->stalls, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&r->stall_ns, lost / FRACTION, memory_order_relaxed);
}

static unsigned take(struct rate *r, unsigned want, uint64_t now_ns, bool eager)
{
        uint64_t per = atomic_load_explicit(&r->per_frame, memory_order_relaxed);
        uint64_t now = (now_ns - r->epoch_ns) * FRACTION, lag = room(r, per);
        uint64_t due = atomic_load_explicit(&r->due, memory_order_relaxed);
        for (;;) {
                uint64_t from = now > lag && due < now - lag ? now - lag : due;
                uint64_t may = now < from ? 0 : (now - from) / per;
                unsigned n = (unsigned)MIN((uint64_t)want, may);
                if (!n)
                        return 0;
                if (!atomic_compare_exchange_weak_explicit(&r->due, &due, from + n * per,
                                                           memory_order_relaxed, memory_order_relaxed))
                        continue;
                atomic_fetch_add_explicit(&r->in_hand, n, memory_order_relaxed);
                if (from != due && eager)
                        note_stall(r, from - due);
                return n;
        }
}

unsigned rate_take(struct rate *r, unsigned want, uint64_t now_ns)
{
        return take(r, want, now_ns, true);
}

unsigned rate_take_reply(struct rate *r, unsigned want, uint64_t now_ns)
{
        return take(r, want, now_ns, false);
}

void rate_charge(struct rate *r, uint64_t frames)
{
        uint64_t per = atomic_load_explicit(&r->per_frame, memory_order_relaxed);
        atomic_fetch_add_explicit(&r->due, frames * per, memory_order_relaxed);
}

/* What others have in hand may leave in the same moment. */
static void charge_late(struct rate *r, uint64_t frames, uint64_t now_ns, bool eager)
{
        uint64_t per = atomic_load_explicit(&r->per_frame, memory_order_relaxed);
        uint64_t now = (now_ns - r->epoch_ns) * FRACTION, lag = room(r, per);
        uint64_t held = atomic_load_explicit(&r->in_hand, memory_order_relaxed);
        uint64_t due = atomic_load_explicit(&r->due, memory_order_relaxed);
        uint64_t least = (now > lag ? now - lag : 0) + held * per;
        while (!atomic_compare_exchange_weak_explicit(&r->due, &due, MAX(due, least) + frames * per,
                                                      memory_order_relaxed, memory_order_relaxed))
                ;
        if (due < least && eager)
                note_stall(r, least - due);
}

void rate_charge_late(struct rate *r, uint64_t frames, uint64_t now_ns)
{
        charge_late(r, frames, now_ns, true);
}

void rate_charge_late_reply(struct rate *r, uint64_t frames, uint64_t now_ns)
{
        charge_late(r, frames, now_ns, false);
}

/* What has left stops to be in hand after the clock has moved: until then others count it too, rather than
 * nobody. */
static void left(struct rate *r, unsigned frames, uint64_t now_ns, bool eager)
{
        uint64_t per = atomic_load_explicit(&r->per_frame, memory_order_relaxed);
        uint64_t now = (now_ns - r->epoch_ns) * FRACTION, lag = room(r, per);
        uint64_t due = atomic_load_explicit(&r->due, memory_order_relaxed);
        uint64_t held = atomic_load_explicit(&r->in_hand, memory_order_relaxed);
        uint64_t to = frames ? (now > lag ? now - lag : 0) + held * per : 0;
        while (due < to && !atomic_compare_exchange_weak_explicit(&r->due, &due, to, memory_order_relaxed,
                                                                  memory_order_relaxed))
                ;
        if (due < to && eager)
                note_stall(r, to - due);
        atomic_fetch_sub_explicit(&r->in_hand, frames, memory_order_release);
}

void rate_left(struct rate *r, unsigned frames, uint64_t now_ns)
{
        left(r, frames, now_ns, true);
}

void rate_left_reply(struct rate *r, unsigned frames, uint64_t now_ns)
{
        left(r, frames, now_ns, false);
}

void rate_give_back(struct rate *r, unsigned frames)
{
        uint64_t per = atomic_load_explicit(&r->per_frame, memory_order_relaxed);
        uint64_t due = atomic_load_explicit(&r->due, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&r->due, &due, due - MIN(due, frames * per),
                                                      memory_order_relaxed, memory_order_relaxed))
                ;
        atomic_fetch_sub_explicit(&r->in_hand, frames, memory_order_release);
}

uint64_t rate_when(const struct rate *r, unsigned frames)
{
        struct rate *w = (struct rate *)r;
        uint64_t per = atomic_load_explicit(&w->per_frame, memory_order_relaxed);
        uint64_t due = atomic_load_explicit(&w->due, memory_order_relaxed);
        return r->epoch_ns + (due + frames * per) / FRACTION + 1;
}
