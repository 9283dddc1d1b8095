// SPDX-License-Identifier: Apache-2.0
/*
 * ack: what the peer says it has got: round-trip times and the time-out made of them (RFC 6298), the window,
 * congestion (RFC 5681: slow start, halving), three duplicates, and what happens when nothing is heard.
 * Called by input.c and timer.c. Invariant: the state of sending lives in the extra cell and so only while
 * bytes are unacknowledged; a connection that was idle starts from the initial window again (RFC 5681 §4.1).
 */
#include "stack/stack_priv.h"

/* ---- the time-out ---- */

static uint32_t base_ms(const struct conn *c)
{
        uint32_t rto = c->srtt_ms + 4 * (uint32_t)c->rttvar_ms;
        return MIN(MAX(rto, (uint32_t)RTO_FIRST_MS), (uint32_t)RTO_BASE_MAX_MS);
}

uint32_t tcp_rto_ms(const struct conn *c)
{
        uint32_t rto = MIN(base_ms(c) << MIN(c->backoff, 4), (uint32_t)RTO_MAX_MS);
        return c->tries == TRIES - 1 ? MIN(rto, (uint32_t)RTO_LAST_MS) : rto;
}

/* RFC 6298 §2.2, §2.3, in whole milliseconds. */
void tcp_rtt_sample(struct conn *c, uint64_t ms)
{
        uint32_t r = (uint32_t)MIN(MAX(ms, 1u), 60000u);
        if (!c->srtt_ms) {
                c->srtt_ms = (uint16_t)r;
                c->rttvar_ms = (uint16_t)(r / 2);
                return;
        }
        uint32_t off = r > c->srtt_ms ? r - c->srtt_ms : c->srtt_ms - r;
        c->rttvar_ms = (uint16_t)((3u * c->rttvar_ms + off) / 4);
        c->srtt_ms = (uint16_t)MAX((7u * c->srtt_ms + r) / 8, 1u);
}

static void take_rtt(const struct stack *s, struct conn *c, const struct extra *x, const struct pkt *p)
{
        if (has(c, F_TS)) {
                uint32_t us = (uint32_t)(s->now_ns / 1000) - p->tsecr;
                if (p->has_ts && p->tsecr && us < 60000000)
                        tcp_rtt_sample(c, us / 1000);
        } else if (x && has(c, F_TIMING) && seq_diff(p->ack, x->rtt_seq) >= 0) {
                clear(c, F_TIMING);
                tcp_rtt_sample(c, (uint32_t)s->now_ms - x->rtt_start_ms);
        }
}

/* ---- acknowledged ---- */

static void grow(const struct conn *c, struct extra *x, uint32_t acked)
{
        uint32_t more = x->cwnd < x->ssthresh ? MIN(acked, (uint32_t)c->mss)
                                              : MAX((uint32_t)c->mss * c->mss / x->cwnd, 1u);
        x->cwnd = MIN(x->cwnd + more, (uint32_t)SEND_MAX);
}

/* p->ack lies in (snd_una, snd_nxt]. */
void tcp_acked(struct stack *s, struct conn *c, const struct pkt *p)
{
        struct extra *x = extra_of(s, c);
        uint32_t n = p->ack - c->snd_una;
        take_rtt(s, c, x, p);
        c->snd_una = p->ack;
        c->tries = c->backoff = 0;
        clear(c, F_TCP_TIMER);
        if (x) {
                tcp_tx_consume(s, x, MIN(n, x->tx_len));
                if (!x->tx_len)
                        clear(c, F_BYTES);
                grow(c, x, n);
                x->dup_acks = 0;
                if (seq_diff(x->resend, c->snd_una) < 0)
                        x->resend = c->snd_una;
        }
        if (c->snd_una == c->snd_nxt)
                clear(c, F_RESEND);
        else
                tcp_timer_set(s, c, tcp_rto_ms(c));
        tcp_want(s, c);
        tcp_extra_tidy(s, c);
}

static void slow_down(const struct conn *c, struct extra *x, uint32_t cwnd)
{
        uint32_t flight = c->snd_nxt - c->snd_una;
        x->ssthresh = MAX(flight / 2, 2u * c->mss);
        x->cwnd = cwnd ? cwnd : x->ssthresh;
}

static void resend_all(struct conn *c, struct extra *x)
{
        set(c, F_RESEND);
        clear(c, F_TIMING); /* Karn: RFC 6298 §3 */
        if (x) {
                x->resend = c->snd_una;
                x->recover = c->snd_nxt;
        }
}

/* RFC 5681 §3.2: the third one says that a segment was lost. Not again before what was in flight then has
 * arrived (RFC 6582), because what we send again makes duplicates as well. */
void tcp_dup_ack(struct stack *s, struct conn *c)
{
        struct extra *x = extra_of(s, c);
        if (!x || c->snd_nxt == c->snd_una || x->dup_acks == UINT8_MAX || ++x->dup_acks != 3 ||
            seq_diff(c->snd_una, x->recover) < 0)
                return;
        slow_down(c, x, 0);
        resend_all(c, x);
        tcp_want(s, c);
}

/* ---- the window ---- */

static void window_opened(struct stack *s, struct conn *c)
{
        c->tries = c->backoff = 0;
        clear(c, F_PROBE);
        clear(c, F_TCP_TIMER);
        if (c->snd_una != c->snd_nxt) /* what was sent into the closed window is gone */
                resend_all(c, extra_of(s, c));
        tcp_want(s, c);
}

/* RFC 9293 §3.10.7.4. SND.WL2 is not needed: it never exceeds snd_una, and an older ACK does not come here.
 * SND.WL1 is needed only where bytes came early; without an extra cell all came in their turn. */
void tcp_window_update(struct stack *s, struct conn *c, const struct pkt *p)
{
        struct extra *x = extra_of(s, c);
        if ((x && seq_diff(p->seq, x->snd_wl1) < 0) || c->state == ST_FIN_WAIT2)
                return;
        uint32_t before = peer_window(c);
        if (x)
                x->snd_wl1 = p->seq;
        c->snd_wnd = p->window;
        clear(c, F_WND_PLAIN);
        if (!before && c->snd_wnd)
                window_opened(s, c);
        else if (peer_window(c) > before)
                tcp_want(s, c);
        /* A peer that answers probes is alive, however long it says "not now" (§3.8.6.1): its owner has a
         * clock. After conn_close() there may be none, so the tries count. */
        if (!c->snd_wnd && !has(c, F_CLOSE))
                c->tries = 0;
}

/* ---- nothing was heard ---- */

void tcp_timeout(struct stack *s, struct conn *c)
{
        struct extra *x = extra_of(s, c);
        if (c->state == ST_SYN_SENT && has(c, F_CLOSE)) {
                tcp_finish(s, c, CONN_CLOSED);
                return;
        }
        if (++c->tries >= TRIES) {
                tcp_reset(s, c, CONN_TIMEOUT);
                return;
        }
        if (c->backoff < 4)
                c->backoff++;
        if (!c->snd_wnd && c->state >= ST_ESTABLISHED) {
                set(c, F_PROBE);
        } else if (c->snd_una != c->snd_nxt) {
                if (x)
                        slow_down(c, x, c->mss);
                resend_all(c, x);
        }
        tcp_want(s, c);
}
