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
