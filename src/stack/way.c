// SPDX-License-Identifier: Apache-2.0
/*
 * way: what connections have in common: our address, the upper half of the peer's (0 in IPv4, the network in
 * IPv6), and how frames leave. A scan has a handful of these, or one for each neighbour on the link, so a
 * connection holds a number instead of 36 bytes. Asked by table.c when a connection begins and ends, and by
 * input.c when the peer's frames come by another way. Invariant: a way lies in its bucket as long as a
 * connection counts on it, and no two are equal; there are cells for as many ways as for connections.
 */
#include "stack/stack_priv.h"

static struct way *way_at(const struct stack *s, uint32_t i)
{
        return (struct way *)__builtin_assume_aligned(s->ways.base, 64) + i;
}

int tcp_ways_init(struct stack *s, struct err *e)
{
        if (tcp_pool_init(&s->ways, sizeof(struct way), s->conns.cap, "ways to peers", e))
                return -1;
        s->way_buckets = tcp_reserve(s->n_buckets * sizeof(*s->way_buckets), "the table of ways", e);
        return s->way_buckets ? 0 : -1;
}

static uint32_t *bucket_of(const struct stack *s, const struct way *w)
{
        uint64_t mac = 0;
        memcpy(&mac, w->route.mac, sizeof(w->route.mac));
        uint64_t words[] = {w->us_hi, w->us_lo, w->them_hi, (uint64_t)w->zone << 32 | w->route.dev, mac};
        uint32_t h = (uint32_t)siphash_words(s->key, words, ARRAY_LEN(words));
        return &s->way_buckets[place_in(s->n_buckets, h)];
}

static bool same_route(const struct stack_route *a, const struct stack_route *b)
{
        return a->dev == b->dev && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

static bool same(const struct way *a, const struct way *b)
{
        return a->us_lo == b->us_lo && a->them_hi == b->them_hi && a->us_hi == b->us_hi &&
               a->zone == b->zone && a->six == b->six && same_route(&a->route, &b->route);
}

static uint32_t find(const struct stack *s, const struct way *w)
{
        if (s->last_way && same(way_at(s, s->last_way), w))
                return s->last_way;
        uint32_t i = *bucket_of(s, w);
        while (i && !same(way_at(s, i), w))
                i = way_at(s, i)->next;
        return i;
}

static uint32_t make(struct stack *s, const struct way *w)
{
        uint32_t *bucket = bucket_of(s, w), i = tcp_pool_take(&s->ways);
        assert(i);
        *way_at(s, i) = *w;
        way_at(s, i)->next = *bucket;
        *bucket = i;
        return i;
}

uint32_t tcp_way_take(struct stack *s, const struct tcp_key *k, const struct stack_route *route)
{
        struct way w = {.us_hi = k->us_hi,
                        .us_lo = k->us_lo,
                        .them_hi = k->them_hi,
                        .zone = k->zone,
                        .six = k->six,
                        .route = *route};
        uint32_t i = find(s, &w);
        if (!i)
                i = make(s, &w);
        way_at(s, i)->refs++;
        return s->last_way = i;
}

void tcp_way_give(struct stack *s, uint32_t i)
{
        struct way *w = way_at(s, i);
        if (--w->refs)
                return;
        uint32_t *at = bucket_of(s, w);
        while (*at != i)
                at = &way_at(s, *at)->next;
        *at = w->next;
        if (s->last_way == i)
                s->last_way = 0;
        tcp_pool_give(&s->ways, i);
}

void tcp_reroute(struct stack *s, struct conn *c, const struct stack_route *route)
{
        if (same_route(&way_of(s, c)->route, route))
                return;
        struct tcp_key k = tcp_key_of_conn(s, c);
        tcp_way_give(s, c->way);
        c->way = tcp_way_take(s, &k, route);
}
