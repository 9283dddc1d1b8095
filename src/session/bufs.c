// SPDX-License-Identifier: Apache-2.0
/*
 * bufs: buffers of 64 bytes to 64 KiB by powers of two, cut from slabs and kept on free lists, so that
 * conversations come and go without the allocator. Used by this folder alone. Invariant: what is handed out
 * never exceeds the ceiling; under the address sanitizer what lies on a free list is poisoned.
 */
#include "session_priv.h"
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { SLAB = 65536 };
struct link { /* a free buffer, or the head of a slab */
        _Alignas(CACHE_LINE) struct link *next;
};

unsigned bufs_class(size_t n)
{
        unsigned class = 0;
        while (bufs_size(class) < n)
                class ++;
        return class;
}

void bufs_put(struct bufs *b, void *p, unsigned class)
{
        struct link *l = p;
        if (!p)
                return;
        l->next = b->free[class];
        b->free[class] = l;
        b->used -= bufs_size(class);
        ASAN_POISON_MEMORY_REGION(l, bufs_size(class));
}

static bool cut_slab(struct bufs *b, unsigned class)
{
        size_t size = bufs_size(class), n = SLAB / size;
        struct link *slab = aligned_alloc(CACHE_LINE, sizeof(*slab) + n * size);
        if (!slab)
                return false;
        slab->next = b->slabs;
        b->slabs = slab;
        uint8_t *p = (uint8_t *)(slab + 1);
        b->used += n * size;
        for (size_t i = 0; i < n; i++)
                bufs_put(b, p + i * size, class);
        return true;
}

void *bufs_get(struct bufs *b, unsigned class)
{
        size_t size = bufs_size(class);
        assert(class < BUF_CLASSES);
        if (b->used + size > b->max || (!b->free[class] && !cut_slab(b, class)))
                return NULL;
        struct link *l = b->free[class];
        ASAN_UNPOISON_MEMORY_REGION(l, size);
        b->free[class] = l->next;
        b->used += size;
        return l;
}

void bufs_free(struct bufs *b)
{
        while (b->slabs) {
                struct link *slab = b->slabs;
                b->slabs = slab->next;
                free(slab);
        }
        *b = (struct bufs){.max = b->max};
}

size_t bufs_append(struct bufs *b, uint8_t **p, uint8_t *class, uint32_t *len, size_t max, struct span s)
{
        size_t n = MIN(s.n, max - *len);
        if (n == 0)
                return 0;
        if (!*p || *len + n > bufs_size(*class)) {
                unsigned larger = bufs_class(*len + n);
                uint8_t *to = bufs_get(b, larger);
                if (!to)
                        return SIZE_MAX;
                if (*p)
                        memcpy(to, *p, *len);
                bufs_put(b, *p, *class);
                *p = to;
                *class = (uint8_t)larger;
        }
        memcpy(*p + *len, s.p, n);
        *len += (uint32_t)n;
        return n;
}
