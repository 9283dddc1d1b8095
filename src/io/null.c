// SPDX-License-Identifier: Apache-2.0
/*
 * null: a back-end that goes nowhere: --offline and measuring the generator. Frames are counted and
 * forgotten; nothing is ever received. Invariant: a slot is free again as soon as it was handed in.
 */
#include "io_priv.h"
#include <errno.h>
#include <stdlib.h>

/* SLOTS: so few that they and the patches they are stamped from stay in the first-level cache. STRIDE: an odd
 * number of cache lines, so that neighbouring slots never compete for the same sets of it. */
enum { BURST = 4096, SLOTS = 16, MTU = 1500, CAP = 2048, STRIDE = CAP + CACHE_LINE };

struct null {
        struct io_counters count;
        uint8_t *slots; /* SLOTS of them, lent from the first one on; NULL: receives */
        unsigned lent;
};

static int null_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct null *z = st;
        *caps = (struct io_caps){.link = c->link, .burst = BURST, .mtu = MTU};
        z->slots = c->tx ? aligned_alloc(CACHE_LINE, (size_t)SLOTS * STRIDE) : NULL;
        return c->tx && !z->slots ? err_set(e, ENOMEM, "out of memory for transmit slots") : 0;
}

static void null_close(void *st)
{
        free(((struct null *)st)->slots);
}

static void null_stats(void *st, struct io_stats *s)
{
        io_counters_read(&((struct null *)st)->count, s);
}

static unsigned null_reserve(void *st, struct frame *f, unsigned n)
{
        struct null *z = st;
        n = MIN(n, SLOTS - z->lent);
        uint8_t *slot = z->slots + (size_t)z->lent * STRIDE;
        for (unsigned i = 0; i < n; i++, slot += STRIDE) {
                f[i].data = slot;
                f[i].cap = CAP;
        }
        z->lent += n;
        return n;
}

static void null_commit(void *st, const struct frame *f, unsigned n)
{
        struct null *z = st;
        uint64_t bytes = 0;
        assert(n <= z->lent);
        for (unsigned i = 0; i < n; i++)
                bytes += f[i].len;
        z->lent = 0;
        ctr_add(&z->count.tx, n);
        ctr_add(&z->count.tx_bytes, bytes);
}

static unsigned null_patch(void *st, const struct patch *p, unsigned n)
{
        struct null *z = st;
        (void)p;
        ctr_add(&z->count.tx, n);
        ctr_add(&z->count.tx_bytes, (uint64_t)n * 60);
        return n;
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
        .tx_patch = null_patch,
        .rx_burst = null_burst,
        .rx_done = null_done,
        .rx_wait = null_wait,
};
