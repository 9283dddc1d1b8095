// SPDX-License-Identifier: Apache-2.0
/*
 * generate: positions of the keyed order become targets, in bursts. The transmit threads call it with the
 * block of positions they claimed. Invariant: every position in [*pos, end) of the residue class of *pos is
 * looked at exactly once over successive calls; those whose index is real come out, in order of position.
 */
#include "target/target.h"

enum { BLOCK = 64 };

/* The indices of a block are computed before any is looked up: rounds of neighbours overlap in the CPU. */
static unsigned indices_of(const struct tgt_order *o, uint64_t pos, uint64_t step, uint64_t *out,
                           uint64_t most)
{
        unsigned n = (unsigned)MIN(most, (uint64_t)BLOCK);
        for (unsigned i = 0; i < n; i++)
                out[i] = tgt_order_at(o, pos + i * step);
        return n;
}

unsigned tgt_generate(const struct tgt_plan *plan, const struct tgt_order *o, uint64_t *pos, uint64_t end,
                      uint64_t step, struct tgt_probe *out, unsigned n)
{
        uint64_t at = *pos, index[BLOCK];
        unsigned got = 0;
        assert(step > 0 && end <= o->domain);
        while (got < n && at < end) {
                /* no more positions than places are left, so a block is never thrown away half read */
                uint64_t left = (end - at - 1) / step + 1;
                unsigned block = indices_of(o, at, step, index, MIN(left, (uint64_t)(n - got)));
                for (unsigned i = 0; i < block; i++, at += step) {
                        if (index[i] >= o->count)
                                continue;
                        struct tgt_probe *p = &out[got++];
                        p->pos = at;
                        p->index = index[i];
                        tgt_plan_pick(plan, index[i], &p->who);
                }
        }
        *pos = at;
        return got;
}
