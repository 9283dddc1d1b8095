// SPDX-License-Identifier: Apache-2.0
/*
 * syn_avx512: the AVX-512 level of the SYN's patch: the operations of syn_lanes.h over eight lanes, and the
 * turn from lanes to patches of one cache line each. Chosen by syn_patch.c where the CPU has F, BW, DQ and
 * VL. Invariant: byte for byte what syn_patch_c() writes.
 */
#include "scan/syn.h"
#if defined(__AVX512F__)
#include <immintrin.h>

enum { LANES = 8 };
typedef __m512i vec;

static inline vec vec_all(uint64_t v)
{
        return _mm512_set1_epi64((long long)v);
}
static inline vec vec_load(const uint64_t *p)
{
        return _mm512_load_si512(p);
}
static inline vec vec_widen(const uint32_t *p)
{
        return _mm512_cvtepu32_epi64(_mm256_load_si256((const __m256i *)p));
}
#define add64(a, b)   _mm512_add_epi64(a, b)
#define add32(a, b)   _mm512_add_epi32(a, b)
#define and64(a, b)   _mm512_and_si512(a, b)
#define or64(a, b)    _mm512_or_si512(a, b)
#define xor64(a, b)   _mm512_xor_si512(a, b)
#define xor3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define shl64(a, n)   _mm512_slli_epi64(a, n)
#define shr64(a, n)   _mm512_srli_epi64(a, n)
#define shr32(a, n)   _mm512_srli_epi32(a, n)
#define rol64(a, n)   _mm512_rol_epi64(a, n)
#define mul32(a, b)   _mm512_mul_epu32(a, b)
#define mul64(a, c)   _mm512_mullo_epi64(a, vec_all(c))

static inline vec dwords(vec even, vec odd)
{
        return _mm512_mask_mov_epi32(odd, 0x5555, even);
}
static inline vec swap64(vec x)
{
        return _mm512_shuffle_epi8(
                x, _mm512_broadcast_i32x4(_mm_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607)));
}
static inline vec sum_bytes(vec x)
{
        return _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(_mm_set_epi64x((long long)0x80800c0d08090a0b,
                                                                            (long long)0x8080040500010203)));
}

/* ---- rows ----
 * Words are first paired within 128 bits: the even pairs hold targets 0 2 4 6, the odd ones 1 3 5 7. A row is
 * then one permutation of two such vectors. Its index vector keeps what the mask leaves out, so the constant
 * words of the row lie in the index vector. */
struct rows {
        vec time, from[4];
};

static inline struct rows rows_of(const uint64_t w[8], bool four)
{
        struct rows r = {.time = vec_all(w[3])};
        for (uint64_t j = 0; j < 4; j++) {
                uint64_t a = 2 * j, b = 8 + 2 * j;
                uint64_t row4[8] = {a, a + 1, b, b + 1, w[4], 0, 0, 0};
                uint64_t row6[8] = {0, a, a + 1, w[3], w[4], b, b + 1, 0};
                r.from[j] = _mm512_loadu_si512(four ? row4 : row6);
        }
        return r;
}

static inline void put_row_v4(struct patch *p, vec from, vec w01, vec w23)
{
        _mm512_store_si512(p, _mm512_mask2_permutex2var_epi64(w01, from, 0x0f, w23));
}

static inline void put_rows_v4(struct patch *p, const struct rows *r, vec w0, vec w1, vec w2)
{
        vec a = _mm512_unpacklo_epi64(w0, w1), b = _mm512_unpacklo_epi64(w2, r->time);
        vec c = _mm512_unpackhi_epi64(w0, w1), d = _mm512_unpackhi_epi64(w2, r->time);
        put_row_v4(p + 0, r->from[0], a, b);
        put_row_v4(p + 1, r->from[0], c, d);
        put_row_v4(p + 2, r->from[1], a, b);
        put_row_v4(p + 3, r->from[1], c, d);
        put_row_v4(p + 4, r->from[2], a, b);
        put_row_v4(p + 5, r->from[2], c, d);
        put_row_v4(p + 6, r->from[3], a, b);
        put_row_v4(p + 7, r->from[3], c, d);
}

/* src: what belongs into word 7 is in lane 7. */
static inline void put_row_v6(struct patch *p, vec from, vec w12, vec w56, vec src)
{
        vec row = _mm512_mask2_permutex2var_epi64(w12, from, 0x66, w56);
        _mm512_store_si512(p, _mm512_mask_mov_epi64(row, 0x80, src));
}

static inline void put_rows_v6(struct patch *p, const struct rows *r, vec w1, vec w2, vec w5, vec w6, vec src)
{
        vec a = _mm512_unpacklo_epi64(w1, w2), b = _mm512_unpacklo_epi64(w5, w6);
        vec c = _mm512_unpackhi_epi64(w1, w2), d = _mm512_unpackhi_epi64(w5, w6);
        put_row_v6(p + 0, r->from[0], a, b, _mm512_alignr_epi64(src, src, 1));
        put_row_v6(p + 1, r->from[0], c, d, _mm512_alignr_epi64(src, src, 2));
        put_row_v6(p + 2, r->from[1], a, b, _mm512_alignr_epi64(src, src, 3));
        put_row_v6(p + 3, r->from[1], c, d, _mm512_alignr_epi64(src, src, 4));
        put_row_v6(p + 4, r->from[2], a, b, _mm512_alignr_epi64(src, src, 5));
        put_row_v6(p + 5, r->from[2], c, d, _mm512_alignr_epi64(src, src, 6));
        put_row_v6(p + 6, r->from[3], a, b, _mm512_alignr_epi64(src, src, 7));
        put_row_v6(p + 7, r->from[3], c, d, src);
}

#include "scan/syn_lanes.h"

void syn_patch_avx512(struct patch *p, const struct syn_burst *b, const struct target_batch *batch)
{
        patch_lanes(p, b, batch);
}
#endif
