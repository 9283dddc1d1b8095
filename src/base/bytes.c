// SPDX-License-Identifier: Apache-2.0
/* bytes: the writer's formatted output; the rest of the idiom is inline in bytes.h. */
#include "base.h"
#include <stdio.h>

void wr_fmt(struct wr *w, const char *fmt, ...)
{
        va_list ap;
        size_t room = (size_t)(w->end - w->p);
        if (w->full)
                return;
        va_start(ap, fmt);
        int n = vsnprintf((char *)w->p, room, fmt, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= room) { /* vsnprintf needs a byte for its NUL: that byte is lost to us */
                w->full = true;
                return;
        }
        w->p += n;
}

void wr_dec(struct wr *w, uint64_t v)
{
        char b[20];
        unsigned i = sizeof(b);
        do {
                b[--i] = (char)('0' + v % 10);
                v /= 10;
        } while (v);
        wr_bytes(w, b + i, sizeof(b) - i);
}

void wr_base64(struct wr *w, struct span in)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (size_t i = 0; i < in.n; i += 3) {
                size_t n = in.n - i < 3 ? in.n - i : 3;
                uint32_t v = (uint32_t)in.p[i] << 16;
                v |= n > 1 ? (uint32_t)in.p[i + 1] << 8 : 0;
                v |= n > 2 ? in.p[i + 2] : 0;
                uint8_t four[4] = {(uint8_t)digits[v >> 18], (uint8_t)digits[v >> 12 & 63],
                                   (uint8_t)(n > 1 ? digits[v >> 6 & 63] : '='),
                                   (uint8_t)(n > 2 ? digits[v & 63] : '=')};
                wr_bytes(w, four, 4);
        }
}
