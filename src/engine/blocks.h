// SPDX-License-Identifier: Apache-2.0
/*
 * blocks: what one transmit thread still owes. A block is a stretch of positions; it waits in the queue of
 * its level (probed once, twice, …, and last for the answer horizon). Private to the engine's transmit
 * thread; only the published lowest position is seen by others.
 */
#ifndef TRAWL_BLOCKS_H
#define TRAWL_BLOCKS_H
#include "eng.h"

struct block {
        uint64_t first, end, due_ns;
};
struct level {
        struct block *q; /* ring of blocks_of().cap */
        unsigned head, n;
};
struct held { /* sent, but for targets whose next hop has not answered ARP/NDP yet */
        struct block b;
        unsigned waiting; /* 0: free */
};
enum { HELD_MAX = 1024, HELD_NONE = HELD_MAX };
struct blocks {
        struct eng *g;
        unsigned id, n_levels, cap;
        struct level *levels;
        struct held held[HELD_MAX];
        unsigned n_held;
        uint64_t sending; /* first position of the block being sent for the first time; UINT64_MAX: none */
        bool unordered;   /* a held block entered late: the heads are not the oldest any more */
};
int blocks_init(struct blocks *, struct eng *, unsigned id); /* -1: no memory */
void blocks_free(struct blocks *);
void blocks_publish(struct blocks *);
bool blocks_full(const struct blocks *); /* no room for one more new block */
void blocks_enqueue(struct blocks *, unsigned level, struct block, uint64_t now_ns);
/* The block that is due for another probe, oldest level first; NULL: none. Call blocks_advance when it was
 * sent. */
struct block *blocks_due(struct blocks *, uint64_t now_ns, unsigned *level);
void blocks_advance(struct blocks *, unsigned level, uint64_t now_ns);
/* The next block that was probed for the last time since then, held ones included; NULL: none. Begins with
 * *from = 0. Until all are done, nothing may be settled. Call blocks_recalled when it was sent again. */
struct block *blocks_recall(struct blocks *, uint64_t since_ns, unsigned *from);
void blocks_recalled(struct blocks *, struct block *, uint64_t now_ns);
void blocks_settle(struct blocks *, uint64_t looked_at_ns); /* drops what waited for its whole horizon */
bool blocks_retries_left(const struct blocks *);
uint64_t blocks_next_due(const struct blocks *, uint64_t latest_ns);
/* The block being sent is held back until hold_release was called as often as hold_add. */
unsigned blocks_hold(struct blocks *, struct block);
void blocks_release(struct blocks *, unsigned slot, uint64_t now_ns);
#endif
