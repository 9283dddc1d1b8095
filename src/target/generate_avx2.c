// SPDX-License-Identifier: Apache-2.0
/*
 * generate_avx2: the order on 8 positions at a time. Empty where the compiler was not told to use AVX2.
 */
#if defined(__AVX2__)
enum { LANE_BYTES = 32 };
#include "target/order_lanes.h"

unsigned order_indices_avx2(const struct tgt_order *o, uint64_t pos, unsigned n, uint64_t *at,
                            uint64_t *index)
{
        struct halves h;
        order_halves(o, pos, n, &h);
        return order_squeeze(o, &h, pos, n, at, index);
}
#endif
