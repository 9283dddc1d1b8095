// SPDX-License-Identifier: Apache-2.0
/*
 * output: which segment leaves next. Connections that may have something to say stand in one queue; what it
 * is, is decided when their turn comes, so ACKs coalesce and ride on data. RSTs of what is no connection any
 * more have a bounded ring and take turns with them. Called by the engine through stack_next(). Invariant:
 * nothing here calls up, and whenever sequence space is unacknowledged or waits for a window, a timer runs
 * from the moment the segment was given. RFC 9293 §3.8, §3.10.7.1.
 */
#include "stack/stack_priv.h"

/* ---- the queue ---- */

void tcp_want(struct stack *s, struct conn *c)
{
        uint32_t me = conn_index(s, c);
        if (has(c, F_QUEUED))
                return;
        set(c, F_QUEUED);
        c->fifo_next = 0;
        *(s->fifo_last ? &conn_at(s, s->fifo_last)->fifo_next : &s->fifo_first) = me;
        s->fifo_last = me;
        s->fifo_count++;
}

/* The first one, alive or not: one that has ended stays in its place, as taking it out of the middle would
 * take another link. */
static struct conn *take_first(struct stack *s)
{
        struct conn *c = conn_at(s, s->fifo_first);
        s->fifo_first = c->fifo_next;
        if (!s->fifo_first)
                s->fifo_last = 0;
        s->fifo_count--;
        clear(c, F_QUEUED);
        return c;
}

void tcp_owe_ack(struct stack *s, struct conn *c)
{
        set(c, F_ACK);
        tcp_want(s, c);
}

/* RFC 5961 §7 counted per connection, not for all: a common count would tell strangers about others'
 * connections (CVE-2016-5696). */
void tcp_challenge_ack(struct stack *s, struct conn *c)
{
        uint8_t quarter = (uint8_t)(s->now_ms / 250);
        if (has(c, F_CHALLENGED) && (uint8_t)(quarter - c->challenge_at) < 2)
                return;
        set(c, F_CHALLENGED);
        c->challenge_at = quarter;
        count(&s->count.challenge_acks, 1);
        tcp_owe_ack(s, c);
}

/* ---- what to send ---- */

struct piece { /* of the sequence space */
        uint32_t from, len;
        bool fin;
};

static bool fin_is_due(const struct conn *c)
{
        return c->state == ST_FIN_WAIT1 || c->state == ST_CLOSING || c->state == ST_LAST_ACK;
}

static struct piece probe_piece(const struct conn *c, uint32_t queued)
{
        return (struct piece){.from = c->snd_una, .len = MIN(queued, 1u), .fin = !queued && fin_is_due(c)};
}

/* What may leave now; nothing: len 0 and no FIN. The peer's window may cut a segment, the congestion window
 * does not: it lets whole ones wait (it is never smaller than one). Our FIN stands behind all bytes and is
 * not held by it; by the peer's window it is. */
static struct piece next_piece(const struct stack *s, const struct conn *c)
{
        const struct extra *x = extra_of(s, c);
        uint32_t queued = x ? x->tx_len : 0, end = c->snd_una + queued;
        if (has(c, F_PROBE) && !c->snd_wnd)
                return probe_piece(c, queued);
        struct piece p = {.from = has(c, F_RESEND) ? (x ? x->resend : c->snd_una) : c->snd_nxt};
        uint32_t used = p.from - c->snd_una;
        int32_t left = seq_diff(end, p.from), room = (int32_t)(peer_window(c) - used);
        int32_t len = MIN(MIN(left, room), (int32_t)c->mss);
        if (len > 0 && used + (uint32_t)len <= x->cwnd)
                p.len = (uint32_t)len;
        p.fin = left >= 0 && (uint32_t)left == p.len && fin_is_due(c) && room > (int32_t)p.len;
        return p;
}

static bool is_empty(struct piece p)
{
        return !p.len && !p.fin;
}

/* Is there anything that the peer has not acknowledged, or that waits for its window? */
static bool is_owed(const struct stack *s, const struct conn *c)
{
        const struct extra *x = extra_of(s, c);
        return c->snd_nxt != c->snd_una || (x && x->tx_len) || fin_is_due(c);
}

static void note_sent(struct stack *s, struct conn *c, struct piece p)
{
        struct extra *x = extra_of(s, c);
        uint32_t end = p.from + p.len + p.fin;
        int32_t fresh = seq_diff(end, c->snd_nxt);
        if (fresh <= 0)
                count(&s->count.resent, 1);
        else
                c->snd_nxt = end;
        count(&s->count.bytes_out, (uint32_t)MAX(MIN(fresh - p.fin, (int32_t)p.len), 0));
        if (p.fin)
                set(c, F_FIN_SENT);
        if (x && fresh > 0 && !has(c, F_TIMING) && !has(c, F_RESEND) && !has(c, F_PROBE)) {
                set(c, F_TIMING);
                x->rtt_seq = end;
                x->rtt_start_ms = (uint32_t)s->now_ms;
        }
        if (has(c, F_PROBE)) {
                clear(c, F_PROBE);
        } else if (has(c, F_RESEND)) {
                if (x)
                        x->resend = end;
                if (!x || seq_diff(end, c->snd_nxt) >= 0)
                        clear(c, F_RESEND);
        }
}

/* ---- segments ---- */

static uint16_t window_field(const struct stack *s, const struct conn *c)
{
        return (uint16_t)(has(c, F_WSCALE) ? s->window >> s->conf.syn_wscale : s->conf.window);
}

static void fill(const struct stack *s, const struct conn *c, struct stack_seg *out, uint32_t seq,
                 uint8_t flags)
{
        struct stack_open to;
        conn_peer(s, c, &to);
        *out = (struct stack_seg){.route = to.route,
                                  .seg = {.src = to.us,
                                          .dst = to.them,
                                          .sport = to.us_port,
                                          .dport = to.them_port,
                                          .seq = seq,
                                          .ack = flags & TCP_ACK ? c->rcv_nxt : 0,
                                          .flags = flags,
                                          .ttl = s->conf.ttl,
                                          .window = window_field(s, c),
                                          .has_ts = has(c, F_TS),
                                          .tsval = (uint32_t)(s->now_ns / 1000),
                                          .tsecr = c->ts_recent}};
}

static bool give_syn(struct stack *s, struct conn *c, struct stack_seg *out)
{
        bool again = c->snd_nxt != c->snd_una;
        if ((again && !has(c, F_RESEND) && !has(c, F_ACK)) || (c->state == ST_SYN_SENT && has(c, F_CLOSE)))
                return false;
        clear(c, F_RESEND);
        clear(c, F_ACK);
        fill(s, c, out, c->snd_una, c->state == ST_SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK);
        out->seg.mss = s->conf.mss ? s->conf.mss : has(c, F_V6) ? 1440 : 1460;
        c->snd_nxt = c->snd_una + 1;
        count(&s->count.resent, again);
        if (!has(c, F_TCP_TIMER))
                tcp_timer_set(s, c, tcp_rto_ms(c));
        return true;
}

/* One ACK says all, except that the peer counts those that say the same. */
static void ack_given(struct stack *s, struct conn *c)
{
        struct extra *x = extra_of(s, c);
        clear(c, F_ACK);
        if (!x || !x->acks_owed || !--x->acks_owed)
                return;
        tcp_owe_ack(s, c);
}

static bool give_segment(struct stack *s, struct conn *c, struct stack_seg *out)
{
        struct piece p = {.from = c->snd_nxt};
        if (c->state != ST_TIME_WAIT) {
                p = next_piece(s, c);
                if (is_owed(s, c) && !has(c, F_TCP_TIMER))
                        tcp_timer_set(s, c, tcp_rto_ms(c));
        }
        if (is_empty(p) && !has(c, F_ACK))
                return false;
        const struct extra *x = extra_of(s, c);
        bool last = p.len && p.from + p.len == c->snd_una + x->tx_len;
        uint8_t flags = (uint8_t)(TCP_ACK | (last ? TCP_PSH : 0) | (p.fin ? TCP_FIN : 0));
        fill(s, c, out, is_empty(p) ? c->snd_nxt : p.from, flags);
        ack_given(s, c);
        if (p.len)
                out->seg.payload = tcp_tx_view(s, x, p.from - c->snd_una, p.len);
        if (!is_empty(p)) {
                note_sent(s, c, p);
                if (!is_empty(next_piece(s, c)))
                        tcp_want(s, c);
        }
        return true;
}

static bool give_from_queue(struct stack *s, struct stack_seg *out)
{
        while (s->fifo_first) {
                struct conn *c = take_first(s);
                if (!alive(c))
                        continue;
                if (c->state >= ST_ESTABLISHED ? give_segment(s, c, out) : give_syn(s, c, out)) {
                        count(&s->count.segs_out, 1);
                        return true;
                }
        }
        return false;
}

/* ---- RSTs ---- */

bool tcp_rst_room(const struct stack *s)
{
        return s->rst_tail - s->rst_head < RST_WAITING;
}

void tcp_rst_later(struct stack *s, const struct stack_open *to, uint32_t seq, uint32_t ack, uint8_t flags)
{
        if (!tcp_rst_room(s)) {
                count(&s->count.rsts_forgotten, 1);
                return;
        }
        s->rsts[s->rst_tail++ % RST_WAITING] =
                (struct rst){.to = *to, .seq = seq, .ack = ack, .flags = flags};
}

/* RFC 9293 §3.10.7.1: with an ACK the RST takes its number, without one it acknowledges what came. */
void tcp_rst_for(struct stack *s, const struct pkt *p, const struct stack_route *route)
{
        struct stack_open to = {
                .us = p->dst, .them = p->src, .us_port = p->dport, .them_port = p->sport, .route = *route};
        unsigned len = (unsigned)p->payload.n + !!(p->tcp_flags & TCP_SYN) + !!(p->tcp_flags & TCP_FIN);
        if (p->tcp_flags & TCP_RST)
                return;
        if (p->tcp_flags & TCP_ACK)
                tcp_rst_later(s, &to, p->ack, 0, TCP_RST);
        else
                tcp_rst_later(s, &to, 0, p->seq + len, TCP_RST | TCP_ACK);
}

void stack_refuse(struct stack *s, const struct pkt *p, const struct stack_route *route)
{
        if (p->kind == WIRE_TCP)
                tcp_rst_for(s, p, route);
}

static bool give_rst(struct stack *s, struct stack_seg *out)
{
        if (s->rst_head == s->rst_tail)
                return false;
        const struct rst *r = &s->rsts[s->rst_head++ % RST_WAITING];
        *out = (struct stack_seg){.route = r->to.route,
                                  .seg = {.src = r->to.us,
                                          .dst = r->to.them,
                                          .sport = r->to.us_port,
                                          .dport = r->to.them_port,
                                          .seq = r->seq,
                                          .ack = r->ack,
                                          .flags = r->flags,
                                          .ttl = s->conf.ttl}};
        count(&s->count.rsts_out, 1);
        return true;
}

bool stack_next(struct stack *s, struct stack_seg *out, uint64_t now_ns)
{
        tcp_time(s, now_ns);
        s->rst_turn = s->ending || !s->rst_turn;
        if (s->rst_turn)
                return give_rst(s, out) || give_from_queue(s, out);
        return give_from_queue(s, out) || give_rst(s, out);
}

uint32_t stack_waiting(const struct stack *s)
{
        return s->fifo_count + (s->rst_tail - s->rst_head);
}
