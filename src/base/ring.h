// SPDX-License-Identifier: Apache-2.0
/*
 * ring: one producer, one consumer, fixed-size elements, C11 atomics. head and tail only grow; their
 * difference is the fill, so a full ring and an empty one never look alike. Each side keeps a copy of the
 * other's index and asks for the shared one only when the copy says full (or empty).
 */
#ifndef TRAWL_RING_H
#define TRAWL_RING_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
        uint8_t *slots;
        size_t size; /* bytes per element */
        uint64_t mask;
        _Alignas(64) _Atomic uint64_t head; /* written by the producer */
        uint64_t tail_seen;
        _Alignas(64) _Atomic uint64_t tail; /* written by the consumer */
        uint64_t head_seen;
};

struct err;
int ring_init(struct ring *, unsigned capacity_log2, size_t element_size, struct err *);
void ring_free(struct ring *);
bool ring_push(struct ring *, const void *element);              /* producer; false: full */
unsigned ring_pop(struct ring *, void *elements, unsigned most); /* consumer; how many were copied */
uint64_t ring_fill(const struct ring *);                         /* any thread, a moment's estimate */
static inline uint64_t ring_capacity(const struct ring *r)
{
        return r->mask + 1;
}
#endif
