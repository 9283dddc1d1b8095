// SPDX-License-Identifier: Apache-2.0
/*
 * table: connections by addresses and ports, and how one begins and ends. Buckets of 32-bit cell numbers, as
 * many as connections, chained through the cells: a look-up costs a line of buckets and, full as it may be,
 * one or two connections. The hash is SipHash under a key of our own, because a hostile peer chooses its
 * address and port. Invariant: ended() is called exactly once for each connection, after it was taken out of
 * every list but the queue of those that want to send; its cell is used again only when no call up the C
 * stack can still be looking at it.
 */
#include "stack/stack_priv.h"

struct tcp_key tcp_key_of(const struct ip_addr *us, uint16_t us_port, const struct ip_addr *them,
                          uint16_t them_port)
{
        return (struct tcp_key){.us_hi = us->hi,
                                .us_lo = us->lo,
                                .them_hi = them->hi,
                                .them_lo = them->lo,
                                .zone = them->zone ? them->zone : us->zone,
                                .us_port = us_port,
                                .them_port = them_port,
                                .six = us->family == 6};
}

struct tcp_key tcp_key_of_conn(const struct stack *s, const struct conn *c)
{
        const struct way *w = way_of(s, c);
        return (struct tcp_key){.us_hi = w->us_hi,
                                .us_lo = w->us_lo,
                                .them_hi = w->them_hi,
                                .them_lo = c->them_lo,
                                .zone = w->zone,
                                .us_port = c->us_port,
                                .them_port = c->them_port,
                                .six = w->six};
}

static uint32_t *bucket_of(const struct stack *s, const struct tcp_key *k)
{
        uint64_t ports = (uint64_t)k->us_port << 16 | k->them_port;
        struct sip h = sip_start(s->key);
        if (!k->six) {
                sip_absorb(&h, k->us_lo << 32 | (uint32_t)k->them_lo);
                return &s->buckets[place_in(s->n_buckets, (uint32_t)sip_finish(&h, ports, 12))];
        }
        sip_absorb(&h, k->us_hi);
        sip_absorb(&h, k->us_lo);
        sip_absorb(&h, k->them_hi);
        sip_absorb(&h, k->them_lo);
        sip_absorb(&h, ports | (uint64_t)k->zone << 32);
        return &s->buckets[place_in(s->n_buckets, (uint32_t)sip_finish(&h, 0, 40))];
}

static bool is_it(const struct stack *s, const struct conn *c, const struct tcp_key *k)
{
        if (c->them_lo != k->them_lo || c->them_port != k->them_port || c->us_port != k->us_port)
                return false;
        const struct way *w = way_of(s, c);
        return w->us_lo == k->us_lo && w->them_hi == k->them_hi && w->us_hi == k->us_hi &&
               w->zone == k->zone && w->six == k->six;
}

struct conn *tcp_find(const struct stack *s, const struct tcp_key *k)
{
        for (uint32_t i = *bucket_of(s, k); i;) {
                struct conn *c = conn_at(s, i);
                if (is_it(s, c, k))
                        return c;
                i = c->hash_next;
        }
        return NULL;
}

static void unlink_hash(struct stack *s, const struct conn *c)
{
        struct tcp_key k = tcp_key_of_conn(s, c);
        uint32_t *at = bucket_of(s, &k), me = conn_index(s, c);
        while (*at != me)
                at = &conn_at(s, *at)->hash_next;
        *at = c->hash_next;
}

/* ---- TIME-WAIT, oldest first ---- */

static void tw_unlink(struct stack *s, const struct conn *c)
{
        *(c->tw_prev ? &conn_at(s, c->tw_prev)->tw_next : &s->tw_first) = c->tw_next;
        *(c->tw_next ? &conn_at(s, c->tw_next)->tw_prev : &s->tw_last) = c->tw_prev;
}

static void tw_link(struct stack *s, struct conn *c)
{
        uint32_t me = conn_index(s, c);
        c->tw_next = 0;
        c->tw_prev = s->tw_last;
        *(s->tw_last ? &conn_at(s, s->tw_last)->tw_next : &s->tw_first) = me;
        s->tw_last = me;
}

/* ---- beginning ---- */

static void count_conns(struct stack *s, int change)
{
        uint64_t n = atomic_load_explicit(&s->count.conns, memory_order_relaxed) + (uint64_t)change;
        atomic_store_explicit(&s->count.conns, n, memory_order_relaxed);
        if (n > atomic_load_explicit(&s->count.conns_peak, memory_order_relaxed))
                atomic_store_explicit(&s->count.conns_peak, n, memory_order_relaxed);
}

/* A cell within max_conns. When there is none, the oldest in TIME-WAIT has waited long enough. */
static uint32_t take_cell(struct stack *s)
{
        if (atomic_load_explicit(&s->count.conns, memory_order_relaxed) >= s->conf.max_conns) {
                if (!s->tw_first)
                        return 0;
                tcp_finish(s, conn_at(s, s->tw_first), CONN_CLOSED);
        }
        return tcp_pool_take(&s->conns);
}

static enum stack_accept refuse_full(struct stack *s)
{
        count(&s->count.full, 1);
        return STACK_FULL;
}

struct conn *tcp_alloc(struct stack *s, const struct tcp_key *k, const struct stack_route *route,
                       enum stack_accept *why)
{
        if (!tcp_host_take(s, k)) {
                count(&s->count.host_full, 1);
                *why = STACK_HOST_FULL;
                return NULL;
        }
        uint32_t i = take_cell(s);
        if (!i) {
                tcp_host_give(s, k);
                *why = refuse_full(s);
                return NULL;
        }
        struct conn *c = conn_at(s, i);
        uint32_t *bucket = bucket_of(s, k);
        *c = (struct conn){.way = tcp_way_take(s, k, route),
                           .them_lo = k->them_lo,
                           .us_port = k->us_port,
                           .them_port = k->them_port,
                           .flags = (uint16_t)((k->six ? F_V6 : 0) | (c->flags & F_QUEUED)),
                           .fifo_next = c->fifo_next,
                           .slot = NO_SLOT,
                           .hash_next = *bucket};
        *bucket = i;
        count_conns(s, 1);
        *why = STACK_ACCEPTED;
        return c;
}

/* ---- end ---- */

void tcp_leave(struct stack *s)
{
        if (--s->depth)
                return;
        while (s->limbo) {
                struct conn *c = conn_at(s, s->limbo);
                uint32_t i = s->limbo;
                s->limbo = c->hash_next;
                c->state = ST_FREE;
                tcp_pool_give(&s->conns, i);
        }
}

static void tell_end(struct stack *s, struct conn *c, enum conn_end how)
{
        struct tcp_key k = tcp_key_of_conn(s, c);
        tcp_host_give(s, &k);
        count(&s->count.ended[how], 1);
        s->ops.ended(s->arg, c, how);
        c->app = 0;
}

void tcp_finish(struct stack *s, struct conn *c, enum conn_end how)
{
        bool told = c->state == ST_TIME_WAIT;
        tcp_enter(s);
        unlink_hash(s, c);
        tcp_timer_unlink(s, c);
        tcp_extra_drop(s, c);
        if (told)
                tw_unlink(s, c);
        count_conns(s, -1);
        c->state = ST_DEAD;
        if (!told)
                tell_end(s, c, how);
        tcp_way_give(s, c->way);
        c->hash_next = s->limbo;
        s->limbo = conn_index(s, c);
        tcp_leave(s);
}

/* RFC 9293 §3.6.1, with a wait of our own choice. The owner is told now: nothing can happen any more. */
void tcp_time_wait(struct stack *s, struct conn *c)
{
        tcp_extra_drop(s, c);
        clear(c, F_APP_TIMER);
        clear(c, F_RESEND);
        clear(c, F_PROBE);
        c->state = ST_TIME_WAIT;
        tw_link(s, c);
        tcp_timer_set(s, c, (uint32_t)(s->conf.time_wait_ns / NS_PER_MS));
        tell_end(s, c, CONN_CLOSED);
}

void tcp_reset(struct stack *s, struct conn *c, enum conn_end how)
{
        struct stack_open to;
        if (c->state != ST_SYN_SENT) { /* else there is nothing that could be reset: §3.10.5 */
                conn_peer(s, c, &to);
                tcp_rst_later(s, &to, c->snd_nxt, c->rcv_nxt, TCP_RST | TCP_ACK);
        }
        tcp_finish(s, c, how);
}
