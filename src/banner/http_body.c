// SPDX-License-Identifier: Apache-2.0
/*
 * http_body: takes chunks and gzip or deflate off a body, into two buffers of the thread. Between http.c and
 * html.c. Invariant: no more than BANNER_IN_MAX bytes ever come out, and zlib works in a room of fixed size:
 * what would unpack to more is left there, so a bomb costs as much as a page. RFC 9112 §6, §7.1, RFC 1952
 */
#include "banner/http_body.h"
#if HAVE_ZLIB
#include <zlib.h>
#endif

static _Thread_local uint8_t chunk_room[BANNER_IN_MAX];

/* The line in front of a chunk: hexadecimal size, maybe extensions. False: it is not all there or no number.
 */
static bool chunk_size(struct rd *r, uint32_t *size, bool *bad)
{
        struct span line;
        size_t i = 0, digits = 0;
        *size = 0;
        if (!rd_line(r, &line))
                return false;
        for (; i < line.n && digits < 7; i++) { /* leading zeros are free: some fill up to eight digits */
                uint8_t c = line.p[i] | 0x20;
                if (c >= '0' && c <= '9')
                        *size = *size * 16 + (uint32_t)(c - '0');
                else if (c >= 'a' && c <= 'f')
                        *size = *size * 16 + (uint32_t)(c - 'a') + 10;
                else
                        break;
                digits += *size > 0;
        }
        *bad = i == 0;
        return i > 0;
}

static void unchunk(struct http_body *b, struct span raw)
{
        struct rd r = rd_of(raw);
        struct wr w = wr_of(chunk_room, sizeof(chunk_room));
        struct span part, end;
        uint32_t size = 0;
        bool bad = false;
        b->complete = false;
        while (!b->complete && chunk_size(&r, &size, &bad)) {
                part = rd_take(&r, MIN(size, rd_left(&r)));
                wr_bytes(&w, part.p, part.n);
                b->complete = size == 0;
                if (part.n < size || (size && !rd_line(&r, &end)))
                        break;
        }
        b->complete |= bad;
        b->bytes = span_of(chunk_room, wr_len(&w));
}

#if HAVE_ZLIB
static _Thread_local uint8_t plain_room[BANNER_IN_MAX];
enum { ZLIB_ROOM = 96 << 10, ZLIB_ALIGN = 64 };
static _Thread_local _Alignas(ZLIB_ALIGN) uint8_t zlib_room[ZLIB_ROOM]; /* state and window: about 40 KiB */

static void *take_room(void *used_bytes, unsigned items, unsigned size)
{
        size_t *used = used_bytes, want = (size_t)items * size;
        if (want > ZLIB_ROOM - *used)
                return NULL;
        uint8_t *p = zlib_room + *used;
        *used = MIN((size_t)ZLIB_ROOM, *used + (want + ZLIB_ALIGN - 1) / ZLIB_ALIGN * ZLIB_ALIGN);
        return p;
}

static void leave_room(void *used_bytes, void *p)
{
        (void)used_bytes;
        (void)p;
}

/* How many bytes it gives; `bits` tells zlib what to expect. */
static size_t inflate_as(struct span in, int bits)
{
        size_t used = 0;
        z_stream z = {.zalloc = take_room,
                      .zfree = leave_room,
                      .opaque = &used,
                      .next_in = (z_const Bytef *)(uintptr_t)in.p,
                      .avail_in = (uInt)in.n,
                      .next_out = plain_room,
                      .avail_out = sizeof(plain_room)};
        if (inflateInit2(&z, bits) != Z_OK)
                return 0;
        (void)inflate(&z, Z_SYNC_FLUSH);
        (void)inflateEnd(&z);
        return sizeof(plain_room) - z.avail_out;
}

/* "deflate" means zlib's format, and for some servers the bare one inside of it, RFC 9110 §8.4.1.2 */
static struct span unzip(struct span in)
{
        size_t n = inflate_as(in, 15 + 32);
        return span_of(plain_room, n ? n : inflate_as(in, -15));
}
#else
static struct span unzip(struct span in)
{
        return span_cut(in, 0, 0);
}
#endif

void http_body_open(struct http_body *b, const struct http_framing *f, struct span raw, bool final)
{
        if (f->chunked)
                unchunk(b, raw);
        else
                *b = (struct http_body){
                        span_cut(raw, 0, f->has_length ? (size_t)MIN(f->length, SIZE_MAX) : raw.n),
                        f->has_length && raw.n >= f->length};
        if (f->coding == CODING_NONE)
                return;
        bool open = f->coding == CODING_ZLIB && (b->complete || final);
        b->bytes = open ? unzip(b->bytes) : span_cut(b->bytes, 0, 0);
}
