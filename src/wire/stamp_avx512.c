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

/* Of the upper half only what a frame has is stored, in steps of 16 bytes: stores are what this costs. */
static inline __attribute__((always_inline)) void stamp(struct frame *f, const struct probe_template *t,
                                                        const struct patch *p, unsigned n,
                                                        unsigned upper_bytes)
{
        struct half lower = half_of(t->bytes, t->from), upper = half_of(t->bytes + 64, t->from + 64);
        uint16_t len = t->len;
        for (unsigned i = 0; i < n; i++) {
                __m512i patch = _mm512_load_si512(&p[i]);
                uint8_t *out = f[i].data;
                f[i].len = len;
                _mm512_storeu_si512(out, laid_over(&lower, patch));
                if (upper_bytes == 16)
                        _mm_storeu_si128((__m128i *)(out + 64),
                                         _mm512_castsi512_si128(laid_over(&upper, patch)));
                if (upper_bytes == 64)
                        _mm512_storeu_si512(out + 64, laid_over(&upper, patch));
        }
}

void stamp_burst_avx512(struct frame *f, const struct probe_template *t, const struct patch *p, unsigned n)
{
        if (t->len <= 64)
                stamp(f, t, p, n, 0);
        else if (t->len <= 80)
                stamp(f, t, p, n, 16);
        else
                stamp(f, t, p, n, 64);
}
#endif
