// SPDX-License-Identifier: Apache-2.0
/*
 * generate_avx512: the order on 16 positions at a time, division and address look-up on 8. A bucket is one
 * load of 16 bytes: that beats gathers, which would need two for the same. Holes are squeezed out in
 * registers: a compress that stores to memory is one of the slowest instructions of some CPUs. Empty where
 * the compiler was not told to use AVX-512.
 */
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
enum { LANE_BYTES = 64 };
#include "target/order_lanes.h"
#include <immintrin.h>

static inline __m512i widen(const uint32_t *p)
{
        return _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)p));
}

unsigned order_indices_avx512(const struct tgt_order *o, uint64_t pos, unsigned n, uint64_t *at,
                              uint64_t *index)
{
        struct halves h;
        __m512i count = _mm512_set1_epi64((long long)o->count);
        __m512i where = _mm512_add_epi64(_mm512_set1_epi64((long long)pos),
                                         _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
        __m128i bits = _mm_cvtsi32_si128((int)order_right_bits(o));
        unsigned got = 0;
        order_halves(o, pos, n, &h);
        for (unsigned i = 0; i < n; i += 8) {
                __mmask8 in = (__mmask8)(n - i >= 8 ? 0xff : (1u << (n - i)) - 1);
                __m512i x = _mm512_or_si512(_mm512_sll_epi64(widen(h.left + i), bits), widen(h.right + i));
                in = _mm512_mask_cmplt_epu64_mask(in, x, count);
                _mm512_storeu_si512(at + got, _mm512_maskz_compress_epi64(in, where));
                _mm512_storeu_si512(index + got, _mm512_maskz_compress_epi64(in, x));
                where = _mm512_add_epi64(where, _mm512_set1_epi64(8));
                got += (unsigned)__builtin_popcount(in);
        }
        return got;
}

/* ---- pick ---- */

/* Eight quotients and what is left over. Of the two roundings, 1 / ports and the product, each errs by 2^-53
 * at most: below 2^52 the quotient is never too large, and too small by one at most. */
static inline __m512i quotient(__m512i x, __m512d inverse, __m512i ports, __m512i *rest)
{
        __m512i q = _mm512_cvttpd_epu64(_mm512_mul_pd(_mm512_cvtepu64_pd(x), inverse));
        __m512i r = _mm512_sub_epi64(x, _mm512_mullo_epi64(q, ports));
        __mmask8 low = _mm512_cmpge_epi64_mask(r, ports);
        *rest = _mm512_mask_sub_epi64(r, low, r, ports);
        return _mm512_mask_add_epi64(q, low, q, _mm512_set1_epi64(1));
}

void pick_divide_avx512(const struct tgt_plan *p, uint64_t *index, unsigned n, uint32_t *flat)
{
        const uint32_t *list = p->port_list;
        uint64_t rest[TGT_BLOCK_ROOM];
        __m512i ports = _mm512_set1_epi64((long long)p->n_ports), r;
        __m512d inverse = _mm512_set1_pd(1.0 / (double)p->n_ports);
        if (p->facts.probes > 1ull << 52) {
                pick_divide_c(p, index, n, flat);
                return;
        }
        for (unsigned i = 0; i < n; i += 8) {
                __m512i q = quotient(_mm512_loadu_si512(index + i), inverse, ports, &r);
                _mm512_storeu_si512(index + i, q);
                _mm512_storeu_si512(rest + i, r);
        }
        for (unsigned i = 0; i < n; i++)
                flat[i] = list[rest[i]];
}

/* Two buckets to each of four 128-bit lanes -> their first halves (delta[0], edge) and their second ones. */
static inline void load_near(const struct plan_near *near, const uint64_t *bucket, __m512i *first,
                             __m512i *second)
{
        const __m128i *at = (const __m128i *)near;
        __m512i even = _mm512_castsi128_si512(_mm_load_si128(at + bucket[0]));
        __m512i odd = _mm512_castsi128_si512(_mm_load_si128(at + bucket[1]));
        even = _mm512_inserti64x2(even, _mm_load_si128(at + bucket[2]), 1);
        odd = _mm512_inserti64x2(odd, _mm_load_si128(at + bucket[3]), 1);
        even = _mm512_inserti64x2(even, _mm_load_si128(at + bucket[4]), 2);
        odd = _mm512_inserti64x2(odd, _mm_load_si128(at + bucket[5]), 2);
        even = _mm512_inserti64x2(even, _mm_load_si128(at + bucket[6]), 3);
        odd = _mm512_inserti64x2(odd, _mm_load_si128(at + bucket[7]), 3);
        *first = _mm512_unpacklo_epi64(even, odd);
        *second = _mm512_unpackhi_epi64(even, odd);
}

void pick_ranges_avx512(const struct plan_v4 *p, const uint64_t *number, unsigned n, uint64_t *lo)
{
        _Alignas(64) uint64_t bucket[8];
        __m128i shift = _mm_cvtsi32_si128((int)p->near_shift);
        __m512i low = _mm512_set1_epi64(UINT32_MAX), first, second;
        for (unsigned i = 0; i < n; i += 8) {
                __mmask8 in = (__mmask8)(n - i >= 8 ? 0xff : (1u << (n - i)) - 1);
                __m512i k = _mm512_maskz_loadu_epi64(in, number + i);
                _mm512_store_si512(bucket, _mm512_srl_epi64(k, shift));
                load_near(p->near, bucket, &first, &second);
                __mmask8 beyond = _mm512_cmpgt_epu64_mask(k, _mm512_and_si512(first, low));
                __mmask8 crowded = _mm512_mask_cmpgt_epu64_mask(in, second, low);
                __m512i delta = _mm512_mask_mov_epi64(_mm512_srli_epi64(first, 32), beyond, second);
                _mm512_storeu_si512(lo + i, _mm512_and_si512(_mm512_add_epi64(k, delta), low));
                for (unsigned left = crowded; __builtin_expect(left != 0, false); left &= left - 1) {
                        unsigned j = i + (unsigned)__builtin_ctz(left);
                        lo[j] = pick_crowded(p, number[j]);
                }
        }
}
#endif
