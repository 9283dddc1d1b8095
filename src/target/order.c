// SPDX-License-Identifier: Apache-2.0
/*
 * order: the keyed permutation that puts probes into random order, without memory and without division.
 *
 *      position ──> [ left half | right half ] ──round──round── … ──> index (a hole when >= count)
 *                       ^= F(right)   ^= F(left)    in turn, each with its own key
 *
 * Halves differ by at most one bit, so any width from 0 to 63 works; each round undoes itself, which gives
 * the inverse. F is two multiplications and shifts on 32 bits: it vectorises, and needs no secrecy, only
 * evenness. Invariant: tgt_order_pos(tgt_order_at(p)) == p for every p < domain, and domain < 2 × count.
 * Reference: Black & Rogaway 2002 (ciphers with arbitrary finite domains); Morris, Rogaway & Stegers 2009.
 */
#include "target/generate.h"

/* Small widths mix little per round, so they get more. The tests in test_target_order.c fix these numbers:
 * they pass with some to spare and fail with 2 rounds. */
enum { SMALL_WIDTH = 16, ROUNDS_SMALL = 24, ROUNDS = 10 };

static inline uint32_t mix(uint32_t x, uint32_t key)
{
        x ^= key;
        x *= order_mul1;
        x ^= x >> ORDER_SHIFT1;
        x *= order_mul2;
        return x ^ x >> ORDER_SHIFT2;
}

void tgt_order_init(struct tgt_order *o, uint64_t count, uint64_t seed)
{
        *o = (struct tgt_order){.count = count};
        assert(count <= 1ull << 63);
        while (o->width < 63 && 1ull << o->width < count)
                o->width++;
        o->domain = count ? 1ull << o->width : 0;
        o->rounds = o->width < SMALL_WIDTH ? ROUNDS_SMALL : ROUNDS;
        uint64_t state = hash_mix64(seed + 0x9e3779b97f4a7c15ull) ^ hash_mix64(count);
        for (unsigned i = 0; i < ARRAY_LEN(o->keys); i++)
                o->keys[i] = (uint32_t)(hash_mix64(state += 0x9e3779b97f4a7c15ull) >> 32);
}

uint64_t tgt_order_at(const struct tgt_order *o, uint64_t pos)
{
        unsigned bits = order_right_bits(o);
        uint32_t left_mask = order_mask(o->width - bits), right_mask = order_mask(bits);
        uint32_t left = (uint32_t)(pos >> bits), right = (uint32_t)pos & right_mask;
        for (unsigned i = 0; i < o->rounds; i += 2) {
                left ^= mix(right, o->keys[i]) & left_mask;
                right ^= mix(left, o->keys[i + 1]) & right_mask;
        }
        return (uint64_t)left << bits | right;
}

uint64_t tgt_order_pos(const struct tgt_order *o, uint64_t index)
{
        unsigned bits = order_right_bits(o);
        uint32_t left_mask = order_mask(o->width - bits), right_mask = order_mask(bits);
        uint32_t left = (uint32_t)(index >> bits), right = (uint32_t)index & right_mask;
        for (unsigned i = o->rounds; i > 0; i -= 2) {
                right ^= mix(left, o->keys[i - 1]) & right_mask;
                left ^= mix(right, o->keys[i - 2]) & left_mask;
        }
        return (uint64_t)left << bits | right;
}
