// SPDX-License-Identifier: Apache-2.0
/*
 * told: banners that a resumed scan's outputs hold already. A service that was spoken to when the scan was
 * killed is spoken to again, and what it says a second time is no news, though the words differ: greetings
 * carry times, counters and random numbers. So banners are counted by target, name and kind, and as many as
 * the journal replayed are taken for those. The writer's own.
 */
#ifndef TRAWL_ENGINE_TOLD_H
#define TRAWL_ENGINE_TOLD_H
#include "result/result.h"

struct told_slot {
        uint64_t hash; /* 0: free */
        uint32_t times;
};
struct told {
        struct told_slot *slots;
        size_t n, cap; /* cap: a power of two */
        struct hash_key key;
};
void told_add(struct told *, const struct record *); /* out of memory: forgotten, so it may be told twice */
/* Was one like it told already? It counts for one: the next of its kind is another. */
bool told_take(struct told *, const struct record *);
void told_free(struct told *);
#endif
