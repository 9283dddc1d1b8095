// SPDX-License-Identifier: Apache-2.0
/*
 * told: banners that a resumed scan's outputs hold already. A service that was spoken to when the scan was
 * killed is spoken to again, and what it says a second time is no news. Holds 64-bit hashes of what the
 * journal replayed, under a key drawn anew; the writer's own.
 */
#ifndef TRAWL_ENGINE_TOLD_H
#define TRAWL_ENGINE_TOLD_H
#include "result/result.h"

struct told {
        uint64_t *slots; /* 0: free */
        size_t n, cap;   /* cap: a power of two */
        struct hash_key key;
};
void told_add(struct told *, const struct record *); /* out of memory: forgotten, so it may be told twice */
bool told_has(const struct told *, const struct record *);
void told_free(struct told *);
#endif
