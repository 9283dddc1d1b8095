// SPDX-License-Identifier: Apache-2.0
/*
 * stamp_avx512: the AVX-512 level of the stamp: all fields of a patch lie at even offsets, in the patch as in
 * the frame, so 64 bytes of a frame are one permutation of the patch's 32 words, laid over the template by a
 * mask. Chosen by stamp.c where the CPU has F, BW, DQ and VL. Invariant: as stamp_burst_c().
 */
#include "wire/stamp.h"
#if defined(__AVX512F__)
#include <immintrin.h>

struct half { /* 64 bytes of a frame */
        __m512i bytes, from;
        __mmask32 mask;
};

/* Pairs of byte numbers become word numbers: a pair begins at an even byte. */
static struct half half_of(const uint8_t *bytes, const uint8_t *from)
{
        __m512i first = _mm512_and_si512(_mm512_loadu_si512(from), _mm512_set1_epi16(0xff));
        return (struct half){_mm512_loadu_si512(bytes), _mm512_srli_epi16(first, 1),
                             _mm512_cmpneq_epu16_mask(first, _mm512_set1_epi16(STAMP_KEEP))};
}

static inline __m512i laid_over(const struct half *h, __m512i patch)
{
        return _mm512_mask_permutexvar_epi16(h->bytes, h->mask, h->from, patch);
}

/* What a probe has behind its first 64 bytes: constants, and at most the time stamp, from the patch's first
 * half. */
struct tail {
        __m128i bytes;
        __m256i from;
        __mmask16 mask;
};

static struct tail tail_of(const struct half *upper)
{
        return (struct tail){_mm512_castsi512_si128(upper->bytes), _mm512_castsi512_si256(upper->from),
                             (__mmask16)(upper->mask & 0xff)};
}

static inline __m128i tail_over(const struct tail *t, __m512i patch)
{
        __m256i over = _mm256_mask_permutexvar_epi16(_mm256_castsi128_si256(t->bytes), t->mask, t->from,
                                                     _mm512_castsi512_si256(patch));
        return _mm256_castsi256_si128(over);
}

enum upper { NO_UPPER, CONSTANT, TAIL, WHOLE };

static enum upper upper_of(const struct probe_template *t, const struct half *upper)
{
        if (t->len <= 64)
                return NO_UPPER;
        if (t->len > 80 || _mm512_mask_cmpgt_epu16_mask(upper->mask, upper->from, _mm512_set1_epi16(15)))
                return WHOLE;
        return upper->mask ? TAIL : CONSTANT;
}

/* Stores are what this costs: of the upper half only what a frame has is stored. */
static inline __attribute__((always_inline)) void stamp(struct frame *f, const struct probe_template *t,
                                                        const struct patch *p, unsigned n, enum upper kind)
{
        struct half lower = half_of(t->bytes, t->from), upper = half_of(t->bytes + 64, t->from + 64);
        struct tail tail = tail_of(&upper);
        uint16_t len = t->len;
        for (unsigned i = 0; i < n; i++) {
                __m512i patch = _mm512_load_si512(&p[i]);
                uint8_t *out = f[i].data;
                f[i].len = len;
                _mm512_storeu_si512(out, laid_over(&lower, patch));
                if (kind == CONSTANT)
                        _mm_storeu_si128((__m128i *)(out + 64), tail.bytes);
                if (kind == TAIL)
                        _mm_storeu_si128((__m128i *)(out + 64), tail_over(&tail, patch));
                if (kind == WHOLE)
                        _mm512_storeu_si512(out + 64, laid_over(&upper, patch));
        }
}

void stamp_burst_avx512(struct frame *f, const struct probe_template *t, const struct patch *p, unsigned n)
{
        struct half upper = half_of(t->bytes + 64, t->from + 64);
        switch (upper_of(t, &upper)) {
        case NO_UPPER:
                stamp(f, t, p, n, NO_UPPER);
                break;
        case CONSTANT:
                stamp(f, t, p, n, CONSTANT);
                break;
        case TAIL:
                stamp(f, t, p, n, TAIL);
                break;
        case WHOLE:
                stamp(f, t, p, n, WHOLE);
                break;
        }
}
#endif
