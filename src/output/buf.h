// SPDX-License-Identifier: Apache-2.0
/*
 * buf: a growable byte buffer with a ceiling, what writers write into. Appending never fails in the writer's
 * hands: a buffer that cannot grow turns `full`, takes nothing more, and its owner cuts it back to the last
 * whole record. Invariant: n <= cap <= max.
 */
#ifndef TRAWL_OUTPUT_BUF_H
#define TRAWL_OUTPUT_BUF_H
#include "base/base.h"

enum { BUF_DEC_MAX = 20 };

struct out_buf {
        uint8_t *p;
        size_t n, cap, max;
        bool full;
};

void buf_init(struct out_buf *, size_t max);
void buf_free(struct out_buf *);
bool buf_grow(struct out_buf *, size_t more); /* room for `more` bytes after n? */
void buf_dec(struct out_buf *, uint64_t v);
void buf_dec_pad(struct out_buf *, uint64_t v, unsigned width); /* right-aligned with blanks */
void buf_fmt(struct out_buf *, const char *fmt, ...) PRINTF_LIKE(2, 3);

static inline bool buf_room(struct out_buf *b, size_t more)
{
        return b->cap - b->n >= more || buf_grow(b, more);
}

static inline void buf_put(struct out_buf *b, const void *p, size_t n)
{
        if (n == 0 || !buf_room(b, n))
                return;
        memcpy(b->p + b->n, p, n);
        b->n += n;
}

static inline void buf_u8(struct out_buf *b, uint8_t v)
{
        if (buf_room(b, 1))
                b->p[b->n++] = v;
}

static inline void buf_be16(struct out_buf *b, uint16_t v)
{
        if (!buf_room(b, 2))
                return;
        put_be16(b->p + b->n, v);
        b->n += 2;
}

static inline void buf_be32(struct out_buf *b, uint32_t v)
{
        if (!buf_room(b, 4))
                return;
        put_be32(b->p + b->n, v);
        b->n += 4;
}

static inline void buf_str(struct out_buf *b, const char *s)
{
        buf_put(b, s, strlen(s));
}

/* A string constant: its length is known to the compiler. */
#define BUF_LIT(b, s) buf_put((b), "" s, sizeof(s) - 1)
#endif
