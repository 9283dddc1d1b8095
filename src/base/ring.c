// SPDX-License-Identifier: Apache-2.0
/*
 * ring: see ring.h. The producer's release store of head publishes the element's bytes; the consumer's
 * release store of tail gives the slot back. Nothing else is shared.
 */
#include "base.h"
#include <stdlib.h>

int ring_init(struct ring *r, unsigned capacity_log2, size_t element_size, struct err *e)
{
        assert(capacity_log2 < 32 && element_size > 0);
        memset(r, 0, sizeof(*r));
        r->mask = ((uint64_t)1 << capacity_log2) - 1;
        r->size = element_size;
        r->slots = malloc((r->mask + 1) * element_size);
        if (!r->slots)
                return err_set(e, 0, "out of memory for a ring of %zu bytes",
                               (size_t)(r->mask + 1) * element_size);
        return 0;
}

void ring_free(struct ring *r)
{
        free(r->slots);
        r->slots = NULL;
}

bool ring_push(struct ring *r, const void *element)
{
        uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
        if (head - r->tail_seen > r->mask) {
                r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
                if (head - r->tail_seen > r->mask)
                        return false;
        }
        memcpy(r->slots + (head & r->mask) * r->size, element, r->size);
        atomic_store_explicit(&r->head, head + 1, memory_order_release);
        return true;
}

unsigned ring_pop(struct ring *r, void *elements, unsigned most)
{
        uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
        if (r->head_seen - tail < most)
                r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        unsigned n = (unsigned)MIN((uint64_t)most, r->head_seen - tail);
        for (unsigned i = 0; i < n; i++)
                memcpy((uint8_t *)elements + i * r->size, r->slots + ((tail + i) & r->mask) * r->size,
                       r->size);
        if (n)
                atomic_store_explicit(&r->tail, tail + n, memory_order_release);
        return n;
}

uint64_t ring_fill(const struct ring *r)
{
        uint64_t tail = atomic_load_explicit(&((struct ring *)r)->tail, memory_order_acquire);
        uint64_t head = atomic_load_explicit(&((struct ring *)r)->head, memory_order_acquire);
        return head - tail;
}
