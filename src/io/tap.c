// SPDX-License-Identifier: Apache-2.0
/*
 * tap: wrappers round any opened back-end. What they share: a table row of their own under the inner one's
 * name, every call handed through. trace.c, fault.c and capture.c override what they care about. Invariant:
 * the outer handle owns the inner one; closing it closes both.
 */
#include "io_priv.h"
#include <errno.h>
#include <stdlib.h>

void *tap_wrap(struct io *io, const struct io_ops *functions, struct err *e)
{
        size_t size = (functions->state_size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
        struct tap *t = aligned_alloc(CACHE_LINE, size);
        if (!t) {
                err_set(e, ENOMEM, "out of memory for the %s wrapper", functions->name);
                return NULL;
        }
        memset(t, 0, size);
        t->inner = *io;
        t->ops = *functions;
        t->ops.name = io->ops->name;
        t->ops.summary = io->ops->summary;
        t->ops.can_tx = io->ops->can_tx;
        t->ops.can_rx = io->ops->can_rx;
        io->ops = &t->ops;
        io->st = t;
        return t;
}

void tap_close(void *st)
{
        io_close(&((struct tap *)st)->inner);
}

void tap_stats(void *st, struct io_stats *s)
{
        struct tap *t = st;
        t->inner.ops->stats(t->inner.st, s);
}

unsigned tap_tx_reserve(void *st, struct frame *f, unsigned n)
{
        return io_tx_reserve(&((struct tap *)st)->inner, f, n);
}

void tap_tx_commit(void *st, const struct frame *f, unsigned n)
{
        io_tx_commit(&((struct tap *)st)->inner, f, n);
}

void tap_tx_kick(void *st)
{
        io_tx_kick(&((struct tap *)st)->inner);
}

unsigned tap_rx_burst(void *st, struct frame *f, unsigned n)
{
        return io_rx_burst(&((struct tap *)st)->inner, f, n);
}

void tap_rx_done(void *st, const struct frame *f, unsigned n)
{
        io_rx_done(&((struct tap *)st)->inner, f, n);
}

bool tap_rx_wait(void *st, uint64_t until_mono_ns)
{
        return io_rx_wait(&((struct tap *)st)->inner, until_mono_ns);
}
