// SPDX-License-Identifier: Apache-2.0
/*
 * open: how connections begin, by a SYN-ACK whose cookie was checked or by a SYN of ours, and how their owner
 * lets go of them. Called by the engine and by sessions. Invariant: a connection that comes from a SYN-ACK is
 * established from its first moment; our initial sequence number is the cookie in both cases, so an answer
 * can be judged with or without the connection. RFC 9293 §3.5, §3.10.1, §3.10.4, §3.10.5.
 */
#include "stack/stack_priv.h"

/* `probed`: the SYN was a probe and offered what the conf says; SYNs of ours offer an MSS only. */
void tcp_take_options(struct stack *s, struct conn *c, const struct pkt *syn, bool probed)
{
        uint32_t mss = syn->mss ? syn->mss : has(c, F_V6) ? 1220 : 536; /* RFC 9293 §3.7.1 */
        if (probed && s->conf.syn_wscale >= 0 && syn->has_wscale) {
                set(c, F_WSCALE);
                c->snd_wscale = syn->wscale & 15u;
        }
        if (probed && s->conf.syn_timestamps && syn->has_ts) {
                set(c, F_TS);
                c->ts_recent = syn->tsval;
        }
        mss = MIN(MAX(mss, (uint32_t)MSS_MIN), (uint32_t)MSS_MAX);
        if (has(c, F_TS)) /* RFC 6691: options are not in the MSS */
                mss = MAX(mss - 12, (uint32_t)MSS_MIN);
        c->mss = (uint16_t)mss;
}

static void probe_rtt(const struct stack *s, struct conn *c, const struct pkt *p)
{
        uint32_t us = (uint32_t)(s->now_ns / 1000) - p->tsecr;
        if (has(c, F_TS) && p->tsecr > WIRE_TSVAL_FIXED && us < 60000000)
                tcp_rtt_sample(c, us / 1000);
}

enum stack_accept stack_accept(struct stack *s, const struct pkt *p, const struct stack_route *route,
                               uint64_t now_ns)
{
        struct tcp_key k = tcp_key_of(&p->dst, p->dport, &p->src, p->sport);
        enum stack_accept why;
        assert((p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK) && !tcp_find(s, &k));
        tcp_time(s, now_ns);
        tcp_enter(s);
        struct conn *c = tcp_alloc(s, &k, route, &why);
        if (c) {
                count(&s->count.accepted, 1);
                count(&s->count.segs_in, 1);
                c->state = ST_ESTABLISHED;
                c->ttl = p->ttl;
                c->snd_una = c->snd_nxt = p->ack;
                c->rcv_nxt = p->seq + 1;
                c->snd_wnd = p->window;
                set(c, F_WND_PLAIN);
                tcp_take_options(s, c, p, true);
                probe_rtt(s, c, p);
                tcp_owe_ack(s, c);
                s->ops.opened(s->arg, c);
        }
        tcp_leave(s);
        return why;
}

struct conn *stack_connect(struct stack *s, const struct stack_open *to, uint64_t now_ns,
                           enum stack_accept *why)
{
        struct tcp_key k = tcp_key_of(&to->us, to->us_port, &to->them, to->them_port);
        tcp_time(s, now_ns);
        *why = tcp_find(s, &k) ? STACK_IN_USE : STACK_FULL;
        if (*why == STACK_IN_USE || s->ending)
                return NULL;
        tcp_enter(s);
        struct conn *c = tcp_alloc(s, &k, &to->route, why);
        tcp_leave(s);
        if (!c)
                return NULL;
        count(&s->count.connected, 1);
        c->state = ST_SYN_SENT;
        c->mss = MSS_MIN;
        c->snd_una = (uint32_t)wire_cookie(s->conf.cookie, &to->us, to->us_port, &to->them, to->them_port);
        c->snd_nxt = c->snd_una;
        tcp_want(s, c);
        return c;
}

bool stack_has(const struct stack *s, const struct stack_open *to)
{
        struct tcp_key k = tcp_key_of(&to->us, to->us_port, &to->them, to->them_port);
        return tcp_find(s, &k) != NULL;
}

/* ---- letting go ---- */

void conn_close(struct stack *s, struct conn *c)
{
        if (!is_owned(c) || has(c, F_CLOSE))
                return;
        set(c, F_CLOSE);
        if (c->state == ST_SYN_SENT) {
                tcp_timer_set(s, c, 0); /* ends with the next tick, not inside this call */
                return;
        }
        if (c->state == ST_ESTABLISHED)
                c->state = ST_FIN_WAIT1;
        else if (c->state == ST_CLOSE_WAIT)
                c->state = ST_LAST_ACK;
        tcp_want(s, c);
}

void conn_abort(struct stack *s, struct conn *c)
{
        if (!is_owned(c))
                return;
        tcp_enter(s);
        tcp_reset(s, c, CONN_ABORTED);
        tcp_leave(s);
}

bool stack_hang_up(struct stack *s)
{
        s->ending = true;
        tcp_enter(s);
        while (s->hung_up < s->conns.touched && tcp_rst_room(s)) {
                struct conn *c = conn_at(s, ++s->hung_up);
                if (is_owned(c))
                        tcp_reset(s, c, CONN_ABORTED);
        }
        tcp_leave(s);
        return s->hung_up < s->conns.touched;
}

/* ---- what it knows ---- */

uint32_t conn_app(const struct conn *c)
{
        return c->app;
}

void conn_set_app(struct conn *c, uint32_t app)
{
        c->app = app;
}

static struct ip_addr addr_of(const struct way *w, uint64_t hi, uint64_t lo)
{
        struct ip_addr a = {.hi = hi, .lo = lo, .family = w->six ? 6 : 4};
        if (ip_is_link_local(&a))
                a.zone = w->zone;
        return a;
}

void conn_peer(const struct stack *s, const struct conn *c, struct stack_open *to)
{
        const struct way *w = way_of(s, c);
        *to = (struct stack_open){.us = addr_of(w, w->us_hi, w->us_lo),
                                  .them = addr_of(w, w->them_hi, c->them_lo),
                                  .us_port = c->us_port,
                                  .them_port = c->them_port,
                                  .route = w->route};
}

void stack_each(struct stack *s, void (*call)(void *arg, struct conn *), void *arg)
{
        tcp_enter(s);
        for (uint32_t i = 1; i <= s->conns.touched; i++)
                if (is_owned(conn_at(s, i)))
                        call(arg, conn_at(s, i));
        tcp_leave(s);
}

uint8_t conn_ttl(const struct conn *c)
{
        return c->ttl;
}

bool conn_lossy(const struct conn *c)
{
        return c->lossy;
}

bool conn_window_shut(const struct conn *c)
{
        return alive(c) && c->state >= ST_ESTABLISHED && has(c, F_BYTES) && !c->snd_wnd;
}
