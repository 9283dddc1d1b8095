// SPDX-License-Identifier: Apache-2.0
/*
 * stack: making and unmaking one, and its numbers. All memory a stack can ever use is reserved here, before
 * the first packet, and touched as it is used: cells of connections, ways, buckets, counts per host, cells
 * for bytes, the ring of RSTs. Called by the engine. Invariant: after stack_free() every connection that was
 * opened has ended, and nothing was sent.
 */
#include "stack/stack_priv.h"
#include <stdlib.h>
#include <sys/mman.h>

enum { WINDOW = 16384, TTL = 64 };
static const uint64_t buffer_default = 256ull << 20;

static void complete(struct stack_conf *c)
{
        if (!c->window)
                c->window = WINDOW;
        if (!c->ttl)
                c->ttl = TTL;
        if (!c->buffer_max)
                c->buffer_max = buffer_default;
        if (!c->time_wait_ns)
                c->time_wait_ns = NS_PER_S / 2;
        c->time_wait_ns = MIN(c->time_wait_ns, 3600 * NS_PER_S);
        c->syn_wscale = MIN(c->syn_wscale, 14);
}

static int init_buckets(struct stack *s, struct err *e)
{
        s->n_buckets = MAX(s->conf.max_conns, 64u);
        s->buckets = tcp_reserve(s->n_buckets * sizeof(*s->buckets), "the table of connections", e);
        return s->buckets ? 0 : -1;
}

static int init_memory(struct stack *s, struct err *e)
{
        s->rsts = calloc(RST_WAITING, sizeof(*s->rsts));
        if (!s->rsts)
                return err_set(e, 0, "out of memory for %d waiting RSTs", RST_WAITING);
        if (tcp_pool_init(&s->conns, sizeof(struct conn), (uint64_t)s->conf.max_conns + LIMBO, "connections",
                          e))
                return -1;
        if (tcp_pool_init(&s->cells, CELL, MAX(s->conf.buffer_max / CELL, 1u), "buffers of connections", e))
                return -1;
        return init_buckets(s, e) || tcp_ways_init(s, e) || tcp_hosts_init(s, e) ? -1 : 0;
}

static void release(void *p, size_t bytes)
{
        if (p)
                munmap(p, bytes);
}

static void free_memory(struct stack *s)
{
        tcp_pool_free(&s->conns);
        tcp_pool_free(&s->cells);
        tcp_pool_free(&s->ways);
        release(s->buckets, s->n_buckets * sizeof(*s->buckets));
        release(s->way_buckets, s->n_buckets * sizeof(*s->way_buckets));
        release(s->hosts, s->n_hosts * sizeof(*s->hosts));
        free(s->rsts);
        free(s);
}

int stack_new(struct stack **out, const struct stack_conf *conf, const struct conn_ops *ops, void *arg,
              struct err *e)
{
        struct stack *s = calloc(1, sizeof(*s));
        if (!s)
                return err_set(e, 0, "out of memory for the TCP stack");
        s->conf = *conf;
        s->ops = *ops;
        s->arg = arg;
        complete(&s->conf);
        unsigned shift = s->conf.syn_wscale > 0 ? (unsigned)s->conf.syn_wscale : 0;
        s->window = MAX((uint32_t)s->conf.window >> shift, 1u) << shift;
        s->rx_most = 2 * MAX(s->window, s->conf.window) / CELL_ROOM + 8;
        rand_bytes(&s->key, sizeof(s->key));
        if (init_memory(s, e)) {
                free_memory(s);
                return -1;
        }
        *out = s;
        return 0;
}

void stack_free(struct stack *s)
{
        s->ending = true;
        tcp_enter(s);
        for (uint32_t i = 0; i < s->n_buckets; i++)
                while (s->buckets[i])
                        tcp_finish(s, conn_at(s, s->buckets[i]), CONN_ABORTED);
        tcp_leave(s);
        free_memory(s);
}

static uint64_t get(const _Atomic uint64_t *n)
{
        return atomic_load_explicit(n, memory_order_relaxed);
}

void stack_stats(const struct stack *s, struct stack_stats *out)
{
        const struct counters *c = &s->count;
        *out = (struct stack_stats){.accepted = get(&c->accepted),
                                    .connected = get(&c->connected),
                                    .full = get(&c->full),
                                    .host_full = get(&c->host_full),
                                    .segs_in = get(&c->segs_in),
                                    .segs_out = get(&c->segs_out),
                                    .bytes_in = get(&c->bytes_in),
                                    .bytes_out = get(&c->bytes_out),
                                    .resent = get(&c->resent),
                                    .out_of_order = get(&c->out_of_order),
                                    .dup = get(&c->dup),
                                    .challenge_acks = get(&c->challenge_acks),
                                    .rsts_out = get(&c->rsts_out),
                                    .rsts_forgotten = get(&c->rsts_forgotten),
                                    .conns = (uint32_t)get(&c->conns),
                                    .conns_peak = (uint32_t)get(&c->conns_peak),
                                    .buffer_bytes = get(&c->buffer_bytes),
                                    .buffer_peak = get(&c->buffer_peak)};
        for (unsigned i = 0; i <= CONN_ABORTED; i++)
                out->ended[i] = get(&c->ended[i]);
}

size_t stack_conn_size(void)
{
        return sizeof(struct conn);
}
