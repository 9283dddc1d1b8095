// SPDX-License-Identifier: Apache-2.0
/*
 * generate: positions of the keyed order become targets, in bursts. The transmit threads call it with the
 * block of positions they claimed.
 *
 *      positions ──order──> indices, holes squeezed out ──÷ ports──> address numbers ──bucket──> addresses
 *
 * TGT_BLOCK positions go through one stage before any goes through the next: the stages are short loops
 * without a branch that is hard to guess, and each exists once for each level of the CPU where that pays.
 * Invariant: every position in [*pos, end) is looked at exactly once over successive calls; those whose index
 * is real come out, in order of position, the same on every level.
 */
enum { LANE_BYTES = 16 };
#include "target/order_lanes.h"

unsigned order_indices_c(const struct tgt_order *o, uint64_t pos, unsigned n, uint64_t *at, uint64_t *index)
{
        struct halves h;
        order_halves(o, pos, n, &h);
        return order_squeeze(o, &h, pos, n, at, index);
}

/* All levels there are. */
static const struct generate_level levels[CPU_LEVELS] = {
        [CPU_C] = {order_indices_c, pick_divide_c, pick_ranges_c},
#if defined(__x86_64__)
        [CPU_AVX2] = {order_indices_avx2, pick_divide_c, pick_ranges_c},
        [CPU_AVX512] = {order_indices_avx512, pick_divide_avx512, pick_ranges_avx512},
#endif
};

static inline unsigned next_block(const struct generate_level *level, const struct tgt_order *o,
                                  uint64_t *pos, uint64_t end, uint64_t *at, uint64_t *index)
{
        uint64_t row = 1ull << order_right_bits(o), left = MIN(end - *pos, row - (*pos & (row - 1)));
        unsigned n = (unsigned)MIN(left, (uint64_t)TGT_BLOCK);
        unsigned got = level->indices(o, *pos, n, at, index);
        *pos += n;
        return got;
}

unsigned tgt_order_block(const struct tgt_order *o, uint64_t *pos, uint64_t end, uint64_t at[TGT_BLOCK_ROOM],
                         uint64_t index[TGT_BLOCK_ROOM])
{
        assert(*pos < end && end <= o->domain);
        return next_block(&levels[cpu_level()], o, pos, end, at, index);
}

void tgt_pick_block(const struct tgt_plan *plan, uint64_t index[TGT_BLOCK_ROOM], unsigned n,
                    struct target_batch *v4, struct target_batch *v6)
{
        pick_block(&levels[cpu_level()], plan, index, n, v4, v6);
}

void tgt_generate(const struct tgt_plan *plan, const struct tgt_order *o, uint64_t *pos, uint64_t end,
                  uint64_t most, struct target_batch *v4, struct target_batch *v6)
{
        const struct generate_level *level = &levels[cpu_level()];
        struct target_batch *in = plan->v4.count ? v4 : v6;
        uint64_t index[TGT_BLOCK_ROOM];
        assert(end <= o->domain && o->count == plan->facts.probes);
        v4->family = 4;
        v6->family = 6;
        if (*pos < end && most < end - *pos)
                end = *pos + most;
        while (*pos < end && v4->n + TGT_BLOCK <= BATCH_MAX && v6->n + TGT_BLOCK <= BATCH_MAX) {
                unsigned got = next_block(level, o, pos, end, in->pos + in->n, index);
                pick_block(level, plan, index, got, v4, v6);
        }
}

struct target tgt_batch_at(const struct target_batch *b, unsigned i)
{
        assert(i < b->n);
        struct target t = port_split(b->flat[i]);
        t.ip = b->family == 4
                       ? ip_v4((uint32_t)b->lo[i])
                       : (struct ip_addr){.hi = b->hi[i], .lo = b->lo[i], .zone = b->zone[i], .family = 6};
        return t;
}
