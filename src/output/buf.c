// SPDX-License-Identifier: Apache-2.0
/*
 * buf: growth by doubling up to the ceiling, and decimal numbers without printf's cost. Stands under every
 * writer. Invariant: a failed growth leaves the bytes as they are and is remembered in `full`.
 */
#include "buf.h"
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct out_buf *b, size_t max)
{
        *b = (struct out_buf){.max = max};
}

void buf_free(struct out_buf *b)
{
        free(b->p);
        *b = (struct out_buf){.max = b->max};
}

bool buf_grow(struct out_buf *b, size_t more)
{
        if (b->full || more > b->max - b->n) {
                b->full = true;
                return false;
        }
        size_t cap = MAX(b->cap, (size_t)4096);
        while (cap < b->n + more)
                cap *= 2;
        cap = MIN(cap, b->max);
        uint8_t *p = realloc(b->p, cap);
        if (!p) {
                b->full = true;
                return false;
        }
        b->p = p;
        b->cap = cap;
        return true;
}

/* The digits of v, written backwards so that they end just before `end`. */
static uint8_t *digits_before(uint8_t *end, uint64_t v)
{
        static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                    "25262728293031323334353637383940414243444546474849"
                                    "50515253545556575859606162636465666768697071727374"
                                    "75767778798081828384858687888990919293949596979899";
        for (; v >= 100; v /= 100) {
                end -= 2;
                memcpy(end, pairs + v % 100 * 2, 2);
        }
        if (v >= 10) {
                end -= 2;
                memcpy(end, pairs + v * 2, 2);
        } else {
                *--end = (uint8_t)('0' + v);
        }
        return end;
}

void buf_dec(struct out_buf *b, uint64_t v)
{
        uint8_t text[BUF_DEC_MAX], *end = text + sizeof(text), *p = digits_before(end, v);
        buf_put(b, p, (size_t)(end - p));
}

void buf_dec_pad(struct out_buf *b, uint64_t v, unsigned width)
{
        uint8_t text[BUF_DEC_MAX], *end = text + sizeof(text), *p = digits_before(end, v);
        for (size_t n = (size_t)(end - p); n < width; n++)
                buf_u8(b, ' ');
        buf_put(b, p, (size_t)(end - p));
}

void buf_fmt(struct out_buf *b, const char *fmt, ...)
{
        char text[4096];
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        if (n > 0)
                buf_put(b, text, MIN((size_t)n, sizeof(text) - 1));
}
