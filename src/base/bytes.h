// SPDX-License-Identifier: Apache-2.0
/*
 * bytes: the only way to touch bytes from the network. A reader is sticky: once a read goes past the end it
 * is bad, and every later read gives zeros; one check at the joints is enough. A child reader can never
 * escape its parent. A writer is the same idea: once full it stays full and writes nothing more.
 */
#ifndef TRAWL_BYTES_H
#define TRAWL_BYTES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span { /* borrowed, never owned */
        const uint8_t *p;
        size_t n;
};

struct rd {
        const uint8_t *p, *end;
        bool bad;
};

static inline struct span span_of(const void *p, size_t n)
{
        return (struct span){.p = p, .n = n};
}

static inline struct span span_str(const char *s)
{
        return (struct span){.p = (const uint8_t *)s, .n = strlen(s)};
}

static inline struct rd rd_of(struct span s)
{
        return (struct rd){.p = s.p, .end = s.n ? s.p + s.n : s.p, .bad = false};
}

static inline size_t rd_left(const struct rd *r)
{
        return r->bad ? 0 : (size_t)(r->end - r->p);
}

static inline struct span rd_take(struct rd *r, size_t n)
{
        if (r->bad || rd_left(r) < n) {
                r->bad = true;
                return (struct span){.p = NULL, .n = 0};
        }
        struct span s = {.p = r->p, .n = n};
        r->p += n;
        return s;
}

static inline void rd_skip(struct rd *r, size_t n)
{
        (void)rd_take(r, n);
}

static inline uint8_t rd_u8(struct rd *r)
{
        struct span s = rd_take(r, 1);
        return s.n ? s.p[0] : 0;
}

static inline uint16_t rd_be16(struct rd *r)
{
        struct span s = rd_take(r, 2);
        return s.n ? (uint16_t)((unsigned)s.p[0] << 8 | s.p[1]) : 0;
}

static inline uint32_t rd_be32(struct rd *r)
{
        uint32_t hi = rd_be16(r);
        return hi << 16 | rd_be16(r);
}

static inline uint64_t rd_be64(struct rd *r)
{
        uint64_t hi = rd_be32(r);
        return hi << 32 | rd_be32(r);
}

/* A child reader of exactly n bytes. */
static inline struct rd rd_sub(struct rd *r, size_t n)
{
        struct rd c = rd_of(rd_take(r, n));
        c.bad = r->bad;
        return c;
}

struct wr {
        uint8_t *p, *end, *start;
        bool full;
};

static inline struct wr wr_of(void *p, size_t cap)
{
        return (struct wr){.p = p, .end = (uint8_t *)p + cap, .start = p, .full = false};
}

static inline size_t wr_len(const struct wr *w)
{
        return (size_t)(w->p - w->start);
}

static inline void wr_bytes(struct wr *w, const void *p, size_t n)
{
        if (w->full || (size_t)(w->end - w->p) < n) {
                w->full = true;
                return;
        }
        if (n)
                memcpy(w->p, p, n);
        w->p += n;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
        wr_bytes(w, &v, 1);
}

static inline void wr_be16(struct wr *w, uint16_t v)
{
        uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
        wr_bytes(w, b, 2);
}

static inline void wr_be32(struct wr *w, uint32_t v)
{
        wr_be16(w, (uint16_t)(v >> 16));
        wr_be16(w, (uint16_t)v);
}

static inline void wr_be64(struct wr *w, uint64_t v)
{
        wr_be32(w, (uint32_t)(v >> 32));
        wr_be32(w, (uint32_t)v);
}

static inline void wr_str(struct wr *w, const char *s)
{
        wr_bytes(w, s, strlen(s));
}

void wr_fmt(struct wr *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wr_dec(struct wr *, uint64_t v);     /* decimal, without printf's cost */
void wr_base64(struct wr *, struct span); /* RFC 4648 §4; room for 4 bytes each 3 */

/* Unaligned access to fixed offsets of a buffer known to be long enough (templates, own frames). */
static inline void put_be16(uint8_t *p, uint16_t v)
{
        p[0] = (uint8_t)(v >> 8);
        p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
        put_be16(p, (uint16_t)(v >> 16));
        put_be16(p + 2, (uint16_t)v);
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
        put_be32(p, (uint32_t)(v >> 32));
        put_be32(p + 4, (uint32_t)v);
}

static inline uint16_t get_be16(const uint8_t *p)
{
        return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
        return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

static inline uint64_t get_be64(const uint8_t *p)
{
        return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}
#endif
