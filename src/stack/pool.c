// SPDX-License-Identifier: Apache-2.0
/*
 * pool: cells of one size out of one reservation of address space. The kernel gives a page when it is first
 * touched, so a pool for ten million connections costs what is used of it. Called by table.c (connections)
 * and queue.c (bytes). Invariant: cell numbers are 1..cap, a free cell's first word is the next free one, the
 * twelve bytes behind it stay as they were, and under the address sanitizer the rest of it is poisoned.
 * mmap(2), MAP_NORESERVE.
 */
#include "stack/stack_priv.h"
#include <errno.h>
#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#if defined(POISONS) || defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

void *tcp_reserve(size_t bytes, const char *what, struct err *e)
{
        void *p =
                mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED)
                return p;
        err_set(e, errno, "cannot reserve %zu MiB of address space for %s: lower --max-connections",
                bytes >> 20, what);
        return NULL;
}

int tcp_pool_init(struct pool *p, size_t size, uint64_t cells, const char *what, struct err *e)
{
        if (cells >= UINT32_MAX || cells == 0)
                return err_set(e, 0, "%llu cells for %s: from 1 to 4294967294 are possible",
                               (unsigned long long)cells, what);
        size_t bytes = size * (size_t)(cells + 1);
        void *base = tcp_reserve(bytes, what, e);
        if (!base)
                return -1;
        *p = (struct pool){.base = base, .size = size, .mapped = bytes, .cap = (uint32_t)cells};
        return 0;
}

void tcp_pool_free(struct pool *p)
{
        if (!p->base)
                return;
        ASAN_UNPOISON_MEMORY_REGION(p->base, p->mapped);
        munmap(p->base, p->mapped);
        p->base = NULL;
}

uint32_t tcp_pool_take(struct pool *p)
{
        uint32_t i = p->free;
        if (i) {
                memcpy(&p->free, pool_at(p, i), sizeof(p->free));
                ASAN_UNPOISON_MEMORY_REGION(pool_at(p, i), p->size);
        } else if (p->touched < p->cap) {
                i = ++p->touched;
        } else {
                return 0;
        }
        p->used++;
        return i;
}

void tcp_pool_give(struct pool *p, uint32_t i)
{
        assert(i >= 1 && i <= p->touched && p->used > 0);
        memcpy(pool_at(p, i), &p->free, sizeof(p->free));
        ASAN_POISON_MEMORY_REGION((uint8_t *)pool_at(p, i) + POOL_KEEPS, p->size - POOL_KEEPS);
        p->free = i;
        p->used--;
}

uint32_t tcp_cell_take(struct stack *s)
{
        uint32_t i = tcp_pool_take(&s->cells);
        uint64_t bytes = (uint64_t)s->cells.used * CELL;
        atomic_store_explicit(&s->count.buffer_bytes, bytes, memory_order_relaxed);
        if (bytes > atomic_load_explicit(&s->count.buffer_peak, memory_order_relaxed))
                atomic_store_explicit(&s->count.buffer_peak, bytes, memory_order_relaxed);
        return i;
}

void tcp_cell_give(struct stack *s, uint32_t i)
{
        tcp_pool_give(&s->cells, i);
        atomic_store_explicit(&s->count.buffer_bytes, (uint64_t)s->cells.used * CELL, memory_order_relaxed);
}
