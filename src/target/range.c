// SPDX-License-Identifier: Apache-2.0
/*
 * range: one range as text and as CIDR blocks, and the block round an address. Used by listings, --echo, the
 * kernel-side filters and messages. Invariant: the blocks of a range are maximal, aligned, ascending, and
 * make up exactly the range. Reference: RFC 4632 §3.1.
 */
#include "target/set.h"
#include <stdio.h>

static unsigned width_of(uint8_t family)
{
        return family == 4 ? 32 : 128;
}

/* The low n bits set. */
static u128 ones(unsigned n)
{
        return n >= 128 ? ~(u128)0 : ((u128)1 << n) - 1;
}

void range_net(struct ip_addr a, unsigned bits, struct tgt_range *out)
{
        u128 host = ones(width_of(a.family) - bits), v = u128_of(&a);
        out->first = addr_of(v & ~host, space_of(&a));
        out->last = addr_of(v | host, space_of(&a));
}

/* Host bits of the largest aligned block that starts at `first` and ends at or before `last`. */
static unsigned block_bits(u128 first, u128 last, unsigned width)
{
        unsigned n = 0;
        while (n < width && (first & ones(n + 1)) == 0 && last - first >= ones(n + 1))
                n++;
        return n;
}

void tgt_range_cidrs(const struct tgt_range *r, void (*f)(void *, const struct ip_addr *, unsigned bits),
                     void *ctx)
{
        struct seg s = seg_of(r);
        unsigned width = width_of(r->first.family);
        for (;;) {
                unsigned n = block_bits(s.first, s.last, width);
                struct ip_addr a = addr_of(s.first, s.space);
                f(ctx, &a, width - n);
                if (s.last - s.first == ones(n))
                        return;
                s.first += ones(n) + 1;
        }
}

size_t tgt_range_format(char *out, size_t cap, const struct tgt_range *r)
{
        struct seg s = seg_of(r);
        unsigned width = width_of(r->first.family), n = block_bits(s.first, s.last, width);
        char a[IP_TEXT_MAX], b[IP_TEXT_MAX];
        int len;
        ip_format(a, &r->first);
        ip_format(b, &r->last);
        if (s.first == s.last)
                len = snprintf(out, cap, "%s", a);
        else if (s.last - s.first == ones(n))
                len = snprintf(out, cap, "%s/%u", a, width - n);
        else
                len = snprintf(out, cap, "%s-%s", a, b);
        return len < 0 ? 0 : (size_t)len;
}
