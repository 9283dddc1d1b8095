// SPDX-License-Identifier: Apache-2.0
/*
 * generate (private to target): the parts of the order that its scalar and its vector code share, and what a
 * level of the CPU must supply. Invariant: each level gives exactly what the C one gives.
 */
#ifndef TRAWL_TARGET_GENERATE_H
#define TRAWL_TARGET_GENERATE_H
#include "target/plan.h"

enum { BLOCK = 64, BLOCK_ROOM = BLOCK + 16 };

/* What a level supplies.
 *   indices   Looks at positions pos .. pos + n - 1, which lie in one row (see below), n <= TGT_BLOCK: the
 * real ones go to at[], their indices to index[], in order. Returns how many. divide    index[] / ports ->
 * the same array; what is left over, looked up in the port list, to flat[] ranges    numbers of IPv4
 * addresses -> addresses, in a plan made of ranges All may write TGT_BLOCK_ROOM entries. */
struct generate_level {
        unsigned (*indices)(const struct tgt_order *, uint64_t pos, unsigned n, uint64_t *at,
                            uint64_t *index);
        void (*divide)(const struct tgt_plan *, uint64_t *index, unsigned n, uint32_t *flat);
        void (*ranges)(const struct plan_v4 *, const uint64_t *number, unsigned n, uint64_t *lo);
};
unsigned order_indices_c(const struct tgt_order *, uint64_t pos, unsigned n, uint64_t *at, uint64_t *index);
unsigned order_indices_avx2(const struct tgt_order *, uint64_t pos, unsigned n, uint64_t *at,
                            uint64_t *index);
unsigned order_indices_avx512(const struct tgt_order *, uint64_t pos, unsigned n, uint64_t *at,
                              uint64_t *index);
void pick_divide_c(const struct tgt_plan *, uint64_t *index, unsigned n, uint32_t *flat);
void pick_divide_avx512(const struct tgt_plan *, uint64_t *index, unsigned n, uint32_t *flat);
void pick_ranges_c(const struct plan_v4 *, const uint64_t *number, unsigned n, uint64_t *lo);
void pick_ranges_avx512(const struct plan_v4 *, const uint64_t *number, unsigned n, uint64_t *lo);
void pick_block(const struct generate_level *, const struct tgt_plan *, uint64_t *index, unsigned n,
                struct target_batch *v4, struct target_batch *v6);
uint32_t pick_crowded(const struct plan_v4 *, uint64_t number); /* the search, for a bucket that is crowded */

/* Constants of the round function F(x, key), which order.c has for one number, order_lanes.h for vectors. */
static const uint32_t order_mul1 = 0x9e3779b1u, order_mul2 = 0x85ebca6bu;
enum { ORDER_SHIFT1 = 15, ORDER_SHIFT2 = 13 };

/* The right half is the larger one and holds what changes from one position to the next: positions that share
 * their left half are a row. */
static inline unsigned order_right_bits(const struct tgt_order *o)
{
        return (o->width + 1) / 2;
}

static inline uint32_t order_mask(unsigned bits)
{
        return bits == 0 ? 0 : UINT32_MAX >> (32 - bits);
}
#endif
