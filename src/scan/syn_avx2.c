// SPDX-License-Identifier: Apache-2.0
/*
 * syn_avx2: the AVX2 level of the SYN's patch: the operations of syn_lanes.h over four lanes, and the turn
 * from lanes to patches, half a cache line at a time. Chosen by syn_patch.c. Invariant: byte for byte what
 * syn_patch_c() writes.
 */
#include "scan/syn.h"
#if defined(__AVX2__)
#include <immintrin.h>

enum { LANES = 4 };
typedef __m256i vec;

static inline vec vec_all(uint64_t v)
{
        return _mm256_set1_epi64x((long long)v);
}
static inline vec vec_load(const uint64_t *p)
{
        return _mm256_load_si256((const __m256i *)p);
}
static inline vec vec_widen(const uint32_t *p)
{
        return _mm256_cvtepu32_epi64(_mm_load_si128((const __m128i *)p));
}
#define add64(a, b)   _mm256_add_epi64(a, b)
#define add32(a, b)   _mm256_add_epi32(a, b)
#define and64(a, b)   _mm256_and_si256(a, b)
#define or64(a, b)    _mm256_or_si256(a, b)
#define xor64(a, b)   _mm256_xor_si256(a, b)
#define xor3(a, b, c) xor64(xor64(a, b), c)
#define shl64(a, n)   _mm256_slli_epi64(a, n)
#define shr64(a, n)   _mm256_srli_epi64(a, n)
#define shr32(a, n)   _mm256_srli_epi32(a, n)
#define mul32(a, b)   _mm256_mul_epu32(a, b)

static inline vec dwords(vec even, vec odd)
{
        return _mm256_blend_epi32(even, odd, 0xaa);
}
static inline vec swap64(vec x)
{
        return _mm256_shuffle_epi8(
                x, _mm256_broadcastsi128_si256(_mm_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607)));
}
static inline vec sum_bytes(vec x)
{
        return _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(_mm_set_epi64x(
                                              (long long)0x80800c0d08090a0b, (long long)0x8080040500010203)));
}

/* Whole bytes can be moved by a shuffle; the other counts take two shifts. */
static inline vec rol16(vec x)
{
        return _mm256_shuffle_epi8(
                x, _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0d0c0b0a09080f0e, 0x0504030201000706)));
}
#define rol64(a, n)                                  \
        ((n) == 32   ? _mm256_shuffle_epi32(a, 0xb1) \
         : (n) == 16 ? rol16(a)                      \
                     : or64(shl64(a, n), shr64(a, 64 - (n))))

/* Lower 64 bits of the product: a.lo * c.lo + ((a.hi * c.lo + a.lo * c.hi) << 32). */
static inline vec mul64(vec a, uint64_t c)
{
        vec low = mul32(a, vec_all(c & 0xffffffff));
        vec cross = add64(mul32(shr64(a, 32), vec_all(c & 0xffffffff)), mul32(a, vec_all(c >> 32)));
        return add64(low, shl64(cross, 32));
}

/* ---- rows ---- */
struct rows {
        vec time, hop, upper; /* words 3 and 4; IPv4: words 4..7 */
};

static inline struct rows rows_of(const uint64_t w[8], bool four)
{
        (void)four;
        return (struct rows){vec_all(w[3]), vec_all(w[4]), _mm256_set_epi64x(0, 0, 0, (long long)w[4])};
}

static inline void put_half(struct patch *p, unsigned half, vec row)
{
        _mm256_store_si256((__m256i *)p + half, row);
}

/* Four words of four patches, one half of each. */
static inline void put_halves(struct patch *p, unsigned half, vec w0, vec w1, vec w2, vec w3)
{
        vec a = _mm256_unpacklo_epi64(w0, w1), b = _mm256_unpacklo_epi64(w2, w3);
        vec c = _mm256_unpackhi_epi64(w0, w1), d = _mm256_unpackhi_epi64(w2, w3);
        put_half(p + 0, half, _mm256_permute2x128_si256(a, b, 0x20));
        put_half(p + 1, half, _mm256_permute2x128_si256(c, d, 0x20));
        put_half(p + 2, half, _mm256_permute2x128_si256(a, b, 0x31));
        put_half(p + 3, half, _mm256_permute2x128_si256(c, d, 0x31));
}

static inline void put_rows_v4(struct patch *p, const struct rows *r, vec w0, vec w1, vec w2)
{
        put_halves(p, 0, w0, w1, w2, r->time);
        for (unsigned i = 0; i < LANES; i++)
                put_half(p + i, 1, r->upper);
}

static inline void put_rows_v6(struct patch *p, const struct rows *r, vec w1, vec w2, vec w5, vec w6, vec src)
{
        put_halves(p, 0, vec_all(0), w1, w2, r->time);
        put_halves(p, 1, r->hop, w5, w6, src);
}

#include "scan/syn_lanes.h"

void syn_patch_avx2(struct patch *p, const struct syn_burst *b, const struct target_batch *batch)
{
        patch_lanes(p, b, batch);
}
#endif
