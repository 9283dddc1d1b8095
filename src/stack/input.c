// SPDX-License-Identifier: Apache-2.0
/*
 * input: a segment arrives: RFC 9293 §3.10.7, in its order, with RFC 5961 (a RST or SYN has to be exact, else
 * the peer is asked by an ACK), RFC 7323 (PAWS), and each byte delivered once. Called by the engine through
 * stack_input(). Invariant: after every up-call the connection may be gone; what returns false says so, or
 * that the segment has nothing more to say.
 */
#include "stack/stack_priv.h"

static uint32_t seg_len(const struct pkt *p)
{
        return (uint32_t)p->payload.n + !!(p->tcp_flags & TCP_FIN) + !!(p->tcp_flags & TCP_SYN);
}

/* §3.10.7.4, first step; our window is never 0. An empty segment may stand right behind the window: its
 * sender has filled the window and lost all of it. */
static bool is_acceptable(const struct stack *s, const struct conn *c, const struct pkt *p)
{
        int32_t at = seq_diff(p->seq, c->rcv_nxt), window = (int32_t)rcv_window(s, c);
        if (seg_len(p) == 0)
                return at >= 0 && (at < window || (at == window && !(p->tcp_flags & TCP_RST)));
        return at < window && at + (int32_t)seg_len(p) > 0;
}

/* RFC 7323 §5.3. Segments without a time stamp are taken: middle boxes drop the option. */
static bool is_from_before(const struct conn *c, const struct pkt *p)
{
        return has(c, F_TS) && p->has_ts && seq_diff(p->tsval, c->ts_recent) < 0 && !(p->tcp_flags & TCP_RST);
}

/* ---- the handshake ---- */

/* Does it acknowledge our SYN? One that has not left yet cannot be. */
static bool acks_syn(const struct conn *c, const struct pkt *p)
{
        return c->snd_nxt != c->snd_una && p->ack == c->snd_nxt;
}

/* What has been sent is acknowledged and the window is known. */
static bool begin_established(struct stack *s, struct conn *c, const struct pkt *p)
{
        /* Sent once, its timer never hurried: the answer's time counts. */
        if (!c->tries && has(c, F_TCP_TIMER) && !has(c, F_CHALLENGED))
                tcp_rtt_sample(c, (uint32_t)s->now_ms - (c->tcp_due - RTO_FIRST_MS));
        c->snd_una = p->ack;
        c->snd_wnd = p->window;
        set(c, F_WND_PLAIN);
        c->tries = c->backoff = 0;
        clear(c, F_TCP_TIMER);
        clear(c, F_RESEND);
        clear(c, F_CHALLENGED);
        tcp_extra_begin(s, c);
        tcp_want(s, c);
        c->state = has(c, F_CLOSE) ? ST_FIN_WAIT1 : ST_ESTABLISHED;
        if (!has(c, F_CLOSE))
                s->ops.opened(s->arg, c);
        return alive(c);
}

/* An ACK that is not of our SYN: the peer has a connection of these addresses and ports from before, and
 * challenges us (RFC 5961 §4.2). The RST that it asks for ends that, and soon after our SYN finds the place
 * free. Hurried once: a stranger may say this as well, and must not use up our tries. */
static void on_old_connection(struct stack *s, struct conn *c, const struct pkt *p)
{
        tcp_rst_for(s, p, &way_of(s, c)->route);
        if (p->tcp_flags & TCP_RST || has(c, F_CHALLENGED) || !has(c, F_TCP_TIMER))
                return;
        set(c, F_CHALLENGED);
        if (seq_diff(c->tcp_due, (uint32_t)s->now_ms + RESYN_MS) > 0)
                tcp_timer_set(s, c, RESYN_MS);
}

/* §3.10.7.3 */
static void on_syn_sent(struct stack *s, struct conn *c, const struct pkt *p)
{
        bool acks = p->tcp_flags & TCP_ACK, right = acks && acks_syn(c, p);
        if (acks && !right) {
                on_old_connection(s, c, p);
        } else if (p->tcp_flags & TCP_RST) {
                if (right)
                        tcp_finish(s, c, CONN_REFUSED);
        } else if (p->tcp_flags & TCP_SYN && has(c, F_CLOSE)) {
                tcp_rst_for(s, p, &way_of(s, c)->route);
                tcp_finish(s, c, CONN_CLOSED);
        } else if (p->tcp_flags & TCP_SYN) {
                c->rcv_nxt = p->seq + 1;
                c->ttl = p->ttl;
                tcp_take_options(s, c, p, false);
                c->state = ST_SYN_RCVD;
                tcp_owe_ack(s, c);
                if (right)
                        begin_established(s, c, p);
        }
}

/* A SYN for a connection that stands. What the peer repeats because our ACK was lost is answered at once. */
static void on_syn_again(struct stack *s, struct conn *c, const struct pkt *p)
{
        bool repeated = p->seq + 1 == c->rcv_nxt;
        if (c->state == ST_SYN_RCVD && repeated && p->tcp_flags & TCP_ACK && acks_syn(c, p)) {
                tcp_owe_ack(s, c);
                begin_established(s, c, p); /* both opened at once: RFC 9293 figure 7 */
        } else if (repeated) {
                c->lossy = true;
                tcp_owe_ack(s, c);
        } else {
                tcp_challenge_ack(s, c); /* RFC 5961 §4.2 */
        }
}

/* ---- RST ---- */

static void on_rst(struct stack *s, struct conn *c, const struct pkt *p)
{
        static const enum conn_end ends[] = {
                [ST_SYN_RCVD] = CONN_REFUSED, [ST_ESTABLISHED] = CONN_RESET, [ST_CLOSE_WAIT] = CONN_RESET,
                [ST_FIN_WAIT1] = CONN_RESET,  [ST_FIN_WAIT2] = CONN_RESET,   [ST_CLOSING] = CONN_CLOSED,
                [ST_LAST_ACK] = CONN_CLOSED,  [ST_TIME_WAIT] = CONN_CLOSED};
        if (p->seq == c->rcv_nxt)
                tcp_finish(s, c, ends[c->state]);
        else
                tcp_challenge_ack(s, c); /* RFC 5961 §3.2 */
}

/* ---- ACK ---- */

static bool on_fin_acked(struct stack *s, struct conn *c)
{
        switch (c->state) {
        case ST_FIN_WAIT1:
                c->state = ST_FIN_WAIT2;
                tcp_timer_set(s, c, FIN_WAIT2_MS);
                return true;
        case ST_CLOSING:
                tcp_time_wait(s, c);
                return false;
        case ST_LAST_ACK:
                tcp_finish(s, c, CONN_CLOSED);
                return false;
        default:
                return true;
        }
}

static bool on_ack(struct stack *s, struct conn *c, const struct pkt *p)
{
        if (c->state == ST_SYN_RCVD) {
                if (!acks_syn(c, p)) {
                        tcp_rst_for(s, p, &way_of(s, c)->route);
                        return false;
                }
                if (!begin_established(s, c, p))
                        return false;
        }
        int32_t behind = seq_diff(c->snd_una, p->ack);
        if (seq_diff(p->ack, c->snd_nxt) > 0 || behind > (int32_t)(65535u << c->snd_wscale)) {
                tcp_challenge_ack(s, c); /* RFC 5961 §5.2 */
                return false;
        }
        if (behind > 0)
                return true; /* overtaken by a newer one; its bytes may be new */
        if (behind < 0)
                tcp_acked(s, c, p);
        else if (seg_len(p) == 0 && c->snd_wnd && (uint32_t)p->window << c->snd_wscale == peer_window(c))
                tcp_dup_ack(s, c);
        tcp_window_update(s, c, p);
        return !has(c, F_FIN_SENT) || c->snd_una != c->snd_nxt || on_fin_acked(s, c);
}

/* ---- bytes ---- */

static bool can_receive(const struct conn *c)
{
        return c->state == ST_ESTABLISHED || c->state == ST_FIN_WAIT1 || c->state == ST_FIN_WAIT2;
}

static bool deliver(struct stack *s, struct conn *c, struct span data)
{
        if (!data.n)
                return true;
        c->rcv_nxt += (uint32_t)data.n;
        count(&s->count.bytes_in, data.n);
        s->ops.data(s->arg, c, data);
        return alive(c);
}

/* What had come too early and is now in turn. */
static bool deliver_stored(struct stack *s, struct conn *c)
{
        struct span data;
        bool lives = true;
        while (lives && c->extra) {
                uint32_t cell = tcp_rx_pop(s, c, extra_of(s, c), &data);
                if (!cell)
                        break;
                lives = deliver(s, c, data);
                tcp_cell_give(s, cell);
        }
        return lives;
}

/* The next ACK says something new: no duplicates are owed any more. */
static void moved_on(struct stack *s, struct conn *c)
{
        struct extra *x = extra_of(s, c);
        if (x)
                x->acks_owed = 0;
        tcp_extra_tidy(s, c);
}

static void on_fin(struct stack *s, struct conn *c)
{
        struct extra *x = extra_of(s, c);
        c->rcv_nxt++;
        clear(c, F_FIN_SEEN);
        if (x)
                tcp_rx_drop(s, x);
        moved_on(s, c);
        if (c->state == ST_ESTABLISHED)
                c->state = ST_CLOSE_WAIT;
        else if (c->state == ST_FIN_WAIT1)
                c->state = ST_CLOSING;
        s->ops.finished(s->arg, c);
        if (alive(c) && c->state == ST_FIN_WAIT2)
                tcp_time_wait(s, c);
}

/* Too early: kept, as far as there is room. The rest the peer has to send again. */
static void keep(struct stack *s, struct conn *c, uint32_t seq, struct span data, bool fin)
{
        struct extra *x = tcp_extra(s, c);
        count(&s->count.out_of_order, 1);
        c->lossy = true;
        if (!x)
                return;
        if (seq_diff(seq, x->snd_wl1) > 0)
                x->snd_wl1 = seq; /* its window counts, not that of those it has overtaken */
        tcp_rx_store(s, c, x, seq, data);
        x->acks_owed = MIN(x->acks_owed + 1, ACKS_OWED_MAX);
        if (fin && !has(c, F_FIN_SEEN)) {
                x->fin_seq = seq + (uint32_t)data.n;
                set(c, F_FIN_SEEN);
                const struct block *last = x->rx_last ? block_at(s, x->rx_last) : NULL;
                if (last && seq_diff(last->seq + last->len, x->fin_seq) > 0)
                        tcp_rx_drop(s, x); /* bytes behind its own FIN: the peer contradicts itself */
        }
        tcp_extra_tidy(s, c);
}

/* Cuts off what was delivered already, what lies beyond the window, and what lies beyond a known FIN. */
static bool trim(const struct stack *s, const struct conn *c, uint32_t *seq, struct span *data, bool fin)
{
        int32_t old = seq_diff(c->rcv_nxt, *seq);
        if (old > 0) {
                uint32_t n = MIN((uint32_t)old, (uint32_t)data->n);
                *data = span_of(data->p + n, data->n - n);
                *seq = c->rcv_nxt;
        }
        uint32_t end = c->rcv_nxt + rcv_window(s, c);
        const struct extra *x = extra_of(s, c);
        if (x && has(c, F_FIN_SEEN) && seq_diff(x->fin_seq, end) < 0)
                end = x->fin_seq;
        int32_t room = MAX(seq_diff(end, *seq), 0);
        if (data->n <= (uint32_t)room)
                return fin;
        data->n = (uint32_t)room;
        return false;
}

static void on_text(struct stack *s, struct conn *c, const struct pkt *p)
{
        uint32_t seq = p->seq;
        struct span data = p->payload;
        bool fin = trim(s, c, &seq, &data, p->tcp_flags & TCP_FIN);
        tcp_owe_ack(s, c);
        if (!data.n && !fin)
                return;
        if (seq != c->rcv_nxt) {
                keep(s, c, seq, data, fin);
                return;
        }
        if (!deliver(s, c, data) || (!fin && !deliver_stored(s, c)))
                return;
        const struct extra *x = extra_of(s, c);
        if (fin || (x && has(c, F_FIN_SEEN) && c->rcv_nxt == x->fin_seq))
                on_fin(s, c);
        else
                moved_on(s, c);
}

/* ---- all together ---- */

static void on_time_wait(struct stack *s, struct conn *c, const struct pkt *p)
{
        bool fin_again = p->tcp_flags & TCP_FIN && p->seq + (uint32_t)p->payload.n + 1 == c->rcv_nxt;
        if (p->tcp_flags & TCP_RST) {
                if (p->seq == c->rcv_nxt)
                        on_rst(s, c, p);
        } else if (p->tcp_flags & TCP_SYN) {
                tcp_challenge_ack(s, c);
        } else if (seg_len(p)) {
                tcp_owe_ack(s, c);
                if (fin_again)
                        tcp_timer_set(s, c, (uint32_t)(s->conf.time_wait_ns / NS_PER_MS));
        }
}

static void on_synchronized(struct stack *s, struct conn *c, const struct pkt *p,
                            const struct stack_route *route)
{
        if (p->tcp_flags & TCP_SYN && !(p->tcp_flags & TCP_RST)) {
                on_syn_again(s, c, p);
                return;
        }
        if (is_from_before(c, p) || !is_acceptable(s, c, p)) {
                if (p->tcp_flags & TCP_RST)
                        return;
                count(&s->count.dup, 1);
                if (seg_len(p)) {
                        c->lossy = true;
                        tcp_owe_ack(s, c);
                } else {
                        tcp_challenge_ack(s, c); /* two that are out of step must not talk for ever */
                }
                return;
        }
        if (p->tcp_flags & TCP_RST) {
                on_rst(s, c, p);
                return;
        }
        if (!(p->tcp_flags & TCP_ACK) || !on_ack(s, c, p))
                return;
        c->ttl = p->ttl;
        tcp_reroute(s, c, route);
        if (has(c, F_TS) && p->has_ts && seq_diff(p->seq, c->rcv_nxt) <= 0)
                c->ts_recent = p->tsval;
        if (seg_len(p) && can_receive(c))
                on_text(s, c, p);
}

bool stack_input(struct stack *s, const struct pkt *p, const struct stack_route *route, uint64_t now_ns)
{
        tcp_time(s, now_ns);
        if (p->kind == WIRE_ICMP)
                return tcp_icmp(s, p);
        if (p->kind != WIRE_TCP)
                return false;
        struct tcp_key k = tcp_key_of(&p->dst, p->dport, &p->src, p->sport);
        struct conn *c = tcp_find(s, &k);
        if (!c)
                return false;
        count(&s->count.segs_in, 1);
        tcp_enter(s);
        if (c->state == ST_SYN_SENT)
                on_syn_sent(s, c, p);
        else if (c->state == ST_TIME_WAIT)
                on_time_wait(s, c, p);
        else
                on_synchronized(s, c, p, route);
        tcp_leave(s);
        return true;
}
