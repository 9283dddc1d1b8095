// SPDX-License-Identifier: Apache-2.0
/*
 * null: a back-end that goes nowhere: --offline and measuring the generator. Frames are counted and
 * forgotten; nothing is ever received. Invariant: a slot is free again as soon as it was handed in.
 */
#include "io_priv.h"

enum { BURST = 256, SLOTS = 512, MTU = 1500, CAP = 2048 };

struct null {
        struct io_counters count;
        struct txq q;
};

static int null_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct null *z = st;
        *caps = (struct io_caps){.link = c->link, .burst = BURST, .mtu = MTU};
        return c->tx ? txq_init(&z->q, c->slots ? c->slots : SLOTS, CAP, e) : 0;
}

static void null_close(void *st)
{
        txq_free(&((struct null *)st)->q);
}

static void null_stats(void *st, struct io_stats *s)
{
        io_counters_read(&((struct null *)st)->count, s);
}

static unsigned null_reserve(void *st, struct frame *f, unsigned n)
{
        return txq_reserve(&((struct null *)st)->q, f, n);
}

static void null_commit(void *st, const struct frame *f, unsigned n)
{
        struct null *z = st;
        uint64_t bytes = 0;
        for (unsigned i = 0; i < n; i++)
                bytes += f[i].len;
        txq_commit(&z->q, f, n);
        z->q.sent = z->q.committed;
        ctr_add(&z->count.tx, n);
        ctr_add(&z->count.tx_bytes, bytes);
}

static void null_kick(void *st)
{
        (void)st;
}

static unsigned null_burst(void *st, struct frame *f, unsigned n)
{
        (void)st, (void)f, (void)n;
        return 0;
}

static void null_done(void *st, const struct frame *f, unsigned n)
{
        (void)st, (void)f;
        assert(n == 0);
        (void)n;
}

static bool null_wait(void *st, uint64_t until_mono_ns)
{
        (void)st;
        clock_sleep_until(until_mono_ns);
        return false;
}

const struct io_ops io_null_ops = {
        .name = "null",
        .summary = "nowhere: frames are counted and forgotten, nothing is received",
        .can_tx = true,
        .can_rx = true,
        .state_size = sizeof(struct null),
        .open = null_open,
        .close = null_close,
        .stats = null_stats,
        .tx_reserve = null_reserve,
        .tx_commit = null_commit,
        .tx_kick = null_kick,
        .rx_burst = null_burst,
        .rx_done = null_done,
        .rx_wait = null_wait,
};
