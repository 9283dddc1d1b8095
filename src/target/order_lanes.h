// SPDX-License-Identifier: Apache-2.0
/*
 * order_lanes (private to target): the network of order.c on vectors. Included by one file for each level of
 * the CPU, after LANE_BYTES, the width of its registers, was defined: the compilers' vector types turn the
 * same text into SSE2, NEON, AVX2 or AVX-512. Four vectors run side by side, because a round is a chain of a
 * dozen cycles and the CPU has units for several. Invariant: lane i holds the halves of tgt_order_at(pos +
 * i).
 */
#ifndef TRAWL_TARGET_ORDER_LANES_H
#define TRAWL_TARGET_ORDER_LANES_H
#include "target/generate.h"

typedef uint32_t lanes __attribute__((vector_size(LANE_BYTES)));
enum { LANES = LANE_BYTES / 4, GROUP = 4 * LANES };

static inline lanes lanes_mix(lanes x)
{
        x *= order_mul1;
        x ^= x >> ORDER_SHIFT1;
        x *= order_mul2;
        return x ^ x >> ORDER_SHIFT2;
}

static inline lanes lanes_count(void) /* 0, 1, 2, … */
{
        lanes n = {0};
        for (unsigned i = 0; i < LANES; i++)
                n[i] = i;
        return n;
}

struct halves {
        _Alignas(64) uint32_t left[TGT_BLOCK], right[TGT_BLOCK];
};

/* GROUP positions, the first of which has the given halves. */
static inline void order_group(const struct tgt_order *o, uint32_t left, uint32_t right, uint32_t *left_out,
                               uint32_t *right_out)
{
        unsigned bits = order_right_bits(o);
        uint32_t lm = order_mask(o->width - bits), rm = order_mask(bits);
        lanes r0 = lanes_count() + right, r1 = r0 + LANES, r2 = r1 + LANES, r3 = r2 + LANES;
        lanes l0 = (lanes){0} + left, l1 = l0, l2 = l0, l3 = l0;
        for (unsigned i = 0; i < o->rounds; i += 2) {
                uint32_t k0 = o->keys[i], k1 = o->keys[i + 1];
                l0 ^= lanes_mix(r0 ^ k0) & lm;
                l1 ^= lanes_mix(r1 ^ k0) & lm;
                l2 ^= lanes_mix(r2 ^ k0) & lm;
                l3 ^= lanes_mix(r3 ^ k0) & lm;
                r0 ^= lanes_mix(l0 ^ k1) & rm;
                r1 ^= lanes_mix(l1 ^ k1) & rm;
                r2 ^= lanes_mix(l2 ^ k1) & rm;
                r3 ^= lanes_mix(l3 ^ k1) & rm;
        }
        lanes l[] = {l0, l1, l2, l3}, r[] = {r0, r1, r2, r3};
        memcpy(left_out, l, sizeof(l));
        memcpy(right_out, r, sizeof(r));
}

/* The halves of n positions from pos on, in one row. Lanes past n hold nothing of use. */
static inline void order_halves(const struct tgt_order *o, uint64_t pos, unsigned n, struct halves *h)
{
        unsigned bits = order_right_bits(o);
        uint32_t left = (uint32_t)(pos >> bits), right = (uint32_t)pos & order_mask(bits);
        for (unsigned i = 0; i < n; i += GROUP)
                order_group(o, left, right + i, h->left + i, h->right + i);
}

/* Halves -> indices, holes left out: no branch, since nobody can guess where the holes are. */
static inline unsigned order_squeeze(const struct tgt_order *o, const struct halves *h, uint64_t pos,
                                     unsigned n, uint64_t *at, uint64_t *index)
{
        unsigned bits = order_right_bits(o), got = 0;
        for (unsigned i = 0; i < n; i++) {
                uint64_t x = (uint64_t)h->left[i] << bits | h->right[i];
                at[got] = pos + i;
                index[got] = x;
                got += x < o->count;
        }
        return got;
}
#endif
