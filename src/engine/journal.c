// SPDX-License-Identifier: Apache-2.0
/*
 * journal: every result, on disk before the outputs have it. After a kill the outputs are cut back to what
 * the checkpoint vouches for and the journal's later results are written again: none is lost, none is there
 * twice.
 *
 *    +-----+------+---------------------------------------------------------------+-------+
 *    | len | bits | when 8, rtt 4, port 2, proto, state, ttl, flags,              | check |
 *    |     |      | icmp type, icmp code, address 4/16, [zone 4], [reporter 4/16] |   2   |
 *    +-----+------+---------------------------------------------------------------+-------+
 *
 *
 * A banner is longer:
 *
 *    +---+------+-------+---------------------+-----+---------------+---------------+-----------------+-------+
 *    | 0 | bits | len 4 | as above from when  | app | name 1 + text | text 4 + text | fields 4 + them | check
 * |
 *    +---+------+-------+---------------------+-----+---------------+---------------+-----------------+-------+
 *
 * len counts everything. A torn last record (killed inside a write) fails its check and is cut off.
 */
#include "eng.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum {
        J_V6 = 1,
        J_REPORTER4 = 2,
        J_REPORTER6 = 4,
        J_ZONE = 8,
        J_MAX = 96,
        J_BUF = 1 << 20,
        J_BANNER_MAX = 1 << 18
};

struct journal {
        int fd;
        char *path;
        uint8_t *buf; /* grows with banners: bounded by what may be on its way to the writer (rx.c) */
        size_t n, cap;
        uint64_t flushed;
        char name[256]; /* of the banner that is being replayed */
        const char *name_at;
};

static uint16_t check_of(const uint8_t *p, size_t n)
{
        uint64_t h = n;
        for (size_t i = 0; i < n; i++)
                h = (h ^ p[i]) * 0x100000001b3ull;
        return (uint16_t)(h >> 32 ^ h);
}

static void put_addr(struct wr *w, const struct ip_addr *a)
{
        if (a->family == 6)
                wr_be64(w, a->hi);
        if (a->family == 6)
                wr_be64(w, a->lo);
        else
                wr_be32(w, (uint32_t)a->lo);
}

static struct ip_addr get_addr(struct rd *r, bool v6)
{
        uint64_t hi = v6 ? rd_be64(r) : 0, lo = v6 ? rd_be64(r) : rd_be32(r);
        return v6 ? ip_v6(hi, lo) : ip_v4((uint32_t)lo);
}

static unsigned bits_of(const struct record *x)
{
        return (x->who.ip.family == 6 ? J_V6 : 0u) | (x->who.ip.zone ? J_ZONE : 0u) |
               (x->reporter.family == 4   ? J_REPORTER4
                : x->reporter.family == 6 ? J_REPORTER6
                                          : 0u);
}

static void put_body(struct wr *w, const struct record *x, unsigned bits)
{
        wr_be64(w, x->when_ns);
        wr_be32(w, x->rtt_us);
        wr_be16(w, x->who.port);
        wr_u8(w, x->who.proto);
        wr_u8(w, x->state);
        wr_u8(w, x->ttl);
        wr_u8(w, x->flags);
        wr_u8(w, x->icmp_type);
        wr_u8(w, x->icmp_code);
        put_addr(w, &x->who.ip);
        if (bits & J_ZONE)
                wr_be32(w, x->who.ip.zone);
        if (bits & (J_REPORTER4 | J_REPORTER6))
                put_addr(w, &x->reporter);
}

static void get_body(struct rd *r, struct record *x, unsigned bits)
{
        memset(x, 0, sizeof(*x));
        x->when_ns = rd_be64(r);
        x->rtt_us = rd_be32(r);
        x->who.port = rd_be16(r);
        x->who.proto = rd_u8(r);
        x->state = rd_u8(r);
        x->ttl = rd_u8(r);
        x->flags = rd_u8(r);
        x->icmp_type = rd_u8(r);
        x->icmp_code = rd_u8(r);
        x->who.ip = get_addr(r, bits & J_V6);
        if (bits & J_ZONE)
                x->who.ip.zone = rd_be32(r);
        if (bits & (J_REPORTER4 | J_REPORTER6))
                x->reporter = get_addr(r, bits & J_REPORTER6);
}

static size_t encode(uint8_t *out, size_t cap, const struct record *x)
{
        struct wr w = wr_of(out, cap);
        unsigned bits = bits_of(x);
        wr_u8(&w, 0);
        wr_u8(&w, (uint8_t)bits);
        put_body(&w, x, bits);
        out[0] = (uint8_t)(wr_len(&w) + 2);
        wr_be16(&w, check_of(out, wr_len(&w)));
        assert(!w.full);
        return wr_len(&w);
}

static size_t encode_banner(uint8_t *out, size_t cap, const struct record *x)
{
        struct wr w = wr_of(out, cap);
        unsigned bits = bits_of(x);
        struct span name = x->n_names ? span_str(x->names[0]) : span_of(NULL, 0);
        name.n = MIN(name.n, (size_t)255);
        wr_u8(&w, 0);
        wr_u8(&w, (uint8_t)bits);
        wr_be32(&w, 0);
        put_body(&w, x, bits);
        wr_be16(&w, x->app);
        wr_u8(&w, (uint8_t)name.n);
        wr_bytes(&w, name.p, name.n);
        wr_be32(&w, (uint32_t)x->banner.n);
        wr_bytes(&w, x->banner.p, x->banner.n);
        wr_be32(&w, (uint32_t)x->fields.n);
        wr_bytes(&w, x->fields.p, x->fields.n);
        assert(!w.full);
        put_be32(out + 2, (uint32_t)wr_len(&w) + 2);
        wr_be16(&w, check_of(out, wr_len(&w)));
        assert(!w.full);
        return wr_len(&w);
}

static size_t decode_banner(struct journal *j, struct span s, struct record *x)
{
        size_t len = s.n < 6 ? 0 : get_be32(s.p + 2);
        if (len < 8 || len > s.n || len > J_BANNER_MAX || get_be16(s.p + len - 2) != check_of(s.p, len - 2))
                return 0;
        struct rd r = rd_of(span_of(s.p + 6, len - 8));
        get_body(&r, x, s.p[1]);
        x->app = rd_be16(&r);
        struct span name = rd_take(&r, rd_u8(&r));
        x->banner = rd_take(&r, rd_be32(&r));
        x->fields = rd_take(&r, rd_be32(&r));
        if (name.n)
                memcpy(j->name, name.p, name.n);
        j->name[name.n] = 0;
        j->name_at = j->name;
        x->names = &j->name_at;
        x->n_names = name.n != 0;
        return r.bad ? 0 : len;
}

/* Length of the whole record at p, 0: torn or foreign. */
static size_t decode(struct journal *j, struct span s, struct record *x)
{
        if (s.n >= 4 && s.p[0] == 0)
                return decode_banner(j, s, x);
        if (s.n < 4 || s.p[0] < 4 || s.p[0] > s.n || get_be16(s.p + s.p[0] - 2) != check_of(s.p, s.p[0] - 2u))
                return 0;
        struct rd r = rd_of(span_of(s.p + 2, s.p[0] - 4u));
        get_body(&r, x, s.p[1]);
        return r.bad ? 0 : s.p[0];
}

int journal_open(struct journal **out, const char *path, bool fresh, struct err *e)
{
        struct journal *j = calloc(1, sizeof(*j));
        if (!j)
                return err_set(e, 0, "out of memory");
        j->fd = -1;
        j->path = strdup(path);
        j->buf = malloc(J_BUF);
        j->cap = J_BUF;
        if (!j->path || !j->buf) {
                journal_close(j, false);
                return err_set(e, 0, "out of memory");
        }
        j->fd = open(path, O_RDWR | O_CLOEXEC | (fresh ? O_CREAT : 0), 0600);
        if (j->fd < 0) {
                err_set(e, errno, "cannot %s the journal \"%s\": %s", fresh ? "create" : "open", path,
                        strerror(errno));
                journal_close(j, false);
                return -1;
        }
        /* Locked before it is emptied: two scans must never share a checkpoint. */
        if (flock(j->fd, LOCK_EX | LOCK_NB) || (fresh && ftruncate(j->fd, 0))) {
                err_set(e, errno, "\"%s\" is in use by another trawl that is still running", path);
                journal_close(j, false);
                return -1;
        }
        *out = j;
        return 0;
}

bool journal_add(struct journal *j, const struct record *x)
{
        struct err e;
        bool banner = x->state == PORT_BANNER;
        size_t most = J_MAX + (banner ? 512 + x->banner.n + x->fields.n : 0);
        if (most > J_BANNER_MAX || mem_grow(&j->buf, &j->cap, j->n + most, 1, &e))
                return false;
        j->n += (banner ? encode_banner : encode)(j->buf + j->n, j->cap - j->n, x);
        return true;
}

int journal_flush(struct journal *j, struct err *e)
{
        size_t done = 0;
        while (done < j->n) {
                ssize_t n = pwrite(j->fd, j->buf + done, j->n - done, (off_t)(j->flushed + done));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        err_set(e, errno, "cannot write the journal \"%s\": %s", j->path, strerror(errno));
                        break;
                }
                done += (size_t)n;
        }
        memmove(j->buf, j->buf + done, j->n - done);
        j->flushed += done;
        j->n -= done;
        return j->n ? -1 : 0;
}

bool journal_full(const struct journal *j)
{
        return j->n + (size_t)JOURNAL_BATCH * J_MAX > J_BUF;
}

uint64_t journal_len(const struct journal *j)
{
        return j->flushed;
}

int journal_replay(struct journal *j, void (*f)(void *, const struct record *, uint64_t), void *arg,
                   struct err *e)
{
        uint8_t *buf = malloc(J_BUF);
        size_t have = 0;
        uint64_t at = 0; /* offset of buf[0] */
        if (!buf)
                return err_set(e, 0, "out of memory");
        for (;;) {
                struct record x;
                size_t used = 0, len;
                ssize_t n = pread(j->fd, buf + have, J_BUF - have, (off_t)(at + have));
                if (n < 0) {
                        free(buf);
                        return err_set(e, errno, "cannot read the journal \"%s\": %s", j->path,
                                       strerror(errno));
                }
                have += (size_t)n;
                while ((len = decode(j, span_of(buf + used, have - used), &x)) > 0) {
                        f(arg, &x, at + used);
                        used += len;
                }
                memmove(buf, buf + used, have - used);
                have -= used;
                at += used;
                if (!used || !n)
                        break;
        }
        free(buf);
        j->flushed = at;
        if (ftruncate(j->fd, (off_t)at))
                return err_set(e, errno, "cannot cut the journal \"%s\": %s", j->path, strerror(errno));
        return 0;
}

void journal_close(struct journal *j, bool remove_it)
{
        if (!j)
                return;
        if (j->fd >= 0)
                close(j->fd);
        if (remove_it)
                unlink(j->path);
        free(j->path);
        free(j->buf);
        free(j);
}
