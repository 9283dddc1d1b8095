// SPDX-License-Identifier: Apache-2.0
/*
 * ber: elements of ASN.1's basic encoding rules, read by the sticky reader, written from the inside out. Used
 * by ldap.c, ntlm.c and rdp.c.
 *
 *   | tag 1 | length: 0-127 in one byte, or 0x80+k and k bytes, high first | value |
 *
 * Invariant: a value never reaches out of what holds it. The indefinite form and tags of several bytes are
 * not used by these protocols (RFC 4511 §5.1) and count as malformed. ITU-T X.690 §8.1
 */
#include "banner/ber.h"

static bool head(struct rd *r, uint8_t *tag, size_t *n)
{
        *tag = rd_u8(r);
        *n = rd_u8(r);
        if (*n < 0x80)
                return (*tag & 0x1f) != 0x1f;
        size_t k = *n & 0x7f;
        *n = 0;
        for (size_t i = 0; i < MIN(k, (size_t)4); i++)
                *n = *n << 8 | rd_u8(r);
        return k >= 1 && k <= 4 && (*tag & 0x1f) != 0x1f;
}

bool ber_next(struct rd *r, struct ber *b)
{
        size_t n = 0;
        if (!rd_left(r))
                return false;
        r->bad |= !head(r, &b->tag, &n);
        b->body = rd_sub(r, n);
        return !r->bad;
}

bool ber_into(struct rd *r, uint8_t tag, struct rd *body)
{
        struct ber b;
        if (!ber_next(r, &b) || b.tag != tag)
                return false;
        *body = b.body;
        return true;
}

uint64_t ber_number(struct rd body)
{
        uint64_t v = 0;
        if (rd_left(&body) > 8)
                return 0;
        while (rd_left(&body))
                v = v << 8 | rd_u8(&body);
        return v >> 63 ? 0 : v;
}

struct span ber_bytes(const struct ber *b)
{
        return span_of(b->body.p, rd_left(&b->body));
}

enum banner_match ber_whole(struct span in, size_t max, size_t *n)
{
        struct rd r = rd_of(in);
        uint8_t tag;
        size_t len;
        bool good = head(&r, &tag, &len);
        if (r.bad && in.n < 6)
                return MATCH_MAYBE;
        if (r.bad || !good || len > max)
                return MATCH_NO;
        *n = in.n - rd_left(&r) + len;
        return rd_left(&r) >= len ? MATCH_YES : MATCH_MAYBE;
}

void ber_put(struct wr *w, uint8_t tag, size_t n)
{
        wr_u8(w, tag);
        if (n >= 0x100)
                wr_u8(w, 0x82);
        else if (n >= 0x80)
                wr_u8(w, 0x81);
        if (n >= 0x100)
                wr_u8(w, (uint8_t)(n >> 8));
        wr_u8(w, (uint8_t)n);
}

void ber_wrap(struct wr *w, uint8_t tag, size_t from)
{
        uint8_t room[4];
        struct wr h = wr_of(room, sizeof(room));
        if (w->full)
                return;
        size_t n = wr_len(w) - from;
        ber_put(&h, tag, n);
        size_t k = wr_len(&h);
        wr_bytes(w, room, k);
        for (size_t i = n; !w->full && i > 0; i--)
                w->start[from + k + i - 1] = w->start[from + i - 1];
        for (size_t i = 0; !w->full && i < k; i++)
                w->start[from + i] = room[i];
}
