// SPDX-License-Identifier: Apache-2.0
/*
 * txq: transmit slots that are lent, filled, handed in and sent in one order. Every back-end that copies
 * frames to somewhere keeps them here in between. Invariant: sent <= committed <= committed + lent <= sent +
 * n_slots.
 */
#include "io_priv.h"
#include <errno.h>
#include <stdlib.h>

enum { SLOTS_MIN = 64, SLOTS_DEFAULT = 512, SLOTS_MAX = 65536 };

static uint32_t round_slots(uint32_t asked)
{
        uint32_t want = asked ? asked : SLOTS_DEFAULT, n = SLOTS_MIN;
        while (n < want && n < SLOTS_MAX)
                n *= 2;
        return n;
}

int txq_init(struct txq *q, uint32_t slots, uint32_t cap, struct err *e)
{
        q->n_slots = round_slots(slots);
        q->cap = cap;
        /* An odd number of cache lines: neighbouring slots never compete for the same cache sets. */
        q->stride = (cap / CACHE_LINE | 1) * CACHE_LINE;
        if (q->stride < cap)
                q->stride += 2 * CACHE_LINE;
        q->bytes = aligned_alloc(CACHE_LINE, (size_t)q->n_slots * q->stride);
        q->len = calloc(q->n_slots, sizeof(*q->len));
        if (q->bytes && q->len)
                return 0;
        txq_free(q);
        return err_set(e, ENOMEM, "out of memory for %u transmit slots of %u bytes", q->n_slots, q->stride);
}

void txq_free(struct txq *q)
{
        free(q->bytes);
        free(q->len);
        q->bytes = NULL;
        q->len = NULL;
}

unsigned txq_reserve(struct txq *q, struct frame *f, unsigned n)
{
        uint64_t next = q->committed + q->lent, room = q->sent + q->n_slots - next;
        n = (unsigned)MIN(room, n);
        for (unsigned i = 0; i < n; i++)
                f[i] = (struct frame){.data = txq_data(q, next + i), .cap = q->cap, .token = next + i};
        q->lent += n;
        return n;
}

void txq_commit(struct txq *q, const struct frame *f, unsigned n)
{
        assert(n <= q->lent);
        for (unsigned i = 0; i < n; i++) {
                assert(f[i].token == q->committed + i && f[i].len <= q->cap);
                q->len[txq_place(q, q->committed + i)] = f[i].len;
        }
        q->committed += n;
        q->lent = 0;
}
