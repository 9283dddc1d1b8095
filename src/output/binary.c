// SPDX-License-Identifier: Apache-2.0
/*
 * binary (-oB): masscan's binary scan file, which its --readscan reads; what it cannot hold travels in
 * records it skips. Layout in binary.h. Invariant: every record has its final length before its first byte is
 * written, and a body never exceeds what two length bytes can say.
 */
#include "binary.h"

#define JOURNAL_LINE "\ntrawl journal\n"

static const uint8_t trailer_bytes[BIN_HEADER_LEN] = "masscan/1.1";

static void header(struct out_buf *b, uint64_t start_s, const char *line)
{
        size_t start = b->n;
        BUF_LIT(b, "masscan/1.1\n");
        if (start_s) {
                BUF_LIT(b, "s:");
                buf_dec(b, start_s);
                buf_u8(b, '\n');
        }
        buf_str(b, line);
        while (b->n - start < BIN_HEADER_LEN && !b->full)
                buf_u8(b, 0);
}

static void begin(void *st, struct out_buf *b)
{
        const struct fmt *f = st;
        header(b, f->run->start_wall_ns / NS_PER_S, "");
}

static void begin_journal(void *st, struct out_buf *b)
{
        const struct fmt *f = st;
        header(b, f->run->start_wall_ns / NS_PER_S, &JOURNAL_LINE[1]);
}

static void head(struct out_buf *b, uint8_t type, size_t len)
{
        buf_u8(b, type);
        if (len >= 128)
                buf_u8(b, (uint8_t)(len >> 7 | 0x80));
        buf_u8(b, (uint8_t)(len & 0x7f));
}

static void put_address(struct out_buf *b, const struct ip_addr *ip)
{
        uint8_t bytes[16];
        ip_to_bytes(ip, bytes);
        buf_put(b, bytes, ip->family == 4 ? 4 : 16);
}

static void fact(struct out_buf *b, enum bin_fact tag, size_t len)
{
        buf_u8(b, (uint8_t)tag);
        buf_u8(b, (uint8_t)len);
}

static bool needs_status_fact(const struct record *r)
{
        return r->state != PORT_OPEN && r->state != PORT_CLOSED && r->state != PORT_BANNER;
}

static bool needs_facts(const struct record *r)
{
        return needs_status_fact(r) || r->rtt_us || r->n_names || r->reporter.family || r->has_mac ||
               r->icmp_type || r->icmp_code || r->who.ip.zone;
}

static void status_fact(struct out_buf *b, const struct record *r)
{
        fact(b, FACT_STATUS, r->who.ip.family == 4 ? 15 : 27);
        buf_u8(b, r->state);
        buf_be32(b, (uint32_t)(r->when_ns / NS_PER_S));
        buf_u8(b, r->who.proto);
        buf_be16(b, r->who.port);
        buf_u8(b, r->flags);
        buf_u8(b, r->ttl);
        buf_u8(b, r->who.ip.family);
        put_address(b, &r->who.ip);
}

static void name_facts(struct out_buf *b, const struct record *r)
{
        for (unsigned i = 0; i < r->n_names && i < BIN_NAMES_MAX; i++) {
                size_t n = MIN(strlen(r->names[i]), (size_t)BIN_NAME_MAX);
                fact(b, FACT_NAME, n);
                buf_put(b, r->names[i], n);
        }
}

static void small_facts(struct out_buf *b, const struct record *r)
{
        if (r->rtt_us) {
                fact(b, FACT_RTT, 4);
                buf_be32(b, r->rtt_us);
        }
        if (r->reporter.family) {
                fact(b, FACT_REPORTER, r->reporter.family == 4 ? 5 : 17);
                buf_u8(b, r->reporter.family);
                put_address(b, &r->reporter);
        }
        if (r->icmp_type || r->icmp_code) {
                fact(b, FACT_ICMP, 2);
                buf_u8(b, r->icmp_type);
                buf_u8(b, r->icmp_code);
        }
        if (r->has_mac) {
                fact(b, FACT_MAC, 6);
                buf_put(b, r->mac, 6);
        }
        if (r->who.ip.zone) {
                fact(b, FACT_ZONE, 4);
                buf_be32(b, r->who.ip.zone);
        }
}

static size_t names_len(const struct record *r)
{
        size_t n = 0;
        for (unsigned i = 0; i < r->n_names && i < BIN_NAMES_MAX; i++)
                n += 2 + MIN(strlen(r->names[i]), (size_t)BIN_NAME_MAX);
        return n;
}

static void facts(struct out_buf *b, const struct record *r)
{
        size_t len = BIN_FACTS_TAG_LEN + names_len(r);
        if (needs_status_fact(r))
                len += r->who.ip.family == 4 ? 17 : 29;
        if (r->reporter.family)
                len += r->reporter.family == 4 ? 7 : 19;
        len += (r->rtt_us ? 6U : 0) + (r->icmp_type || r->icmp_code ? 4U : 0);
        len += (r->has_mac ? 8U : 0) + (r->who.ip.zone ? 6U : 0);
        head(b, BIN_M, len);
        size_t start = b->n;
        buf_put(b, BIN_FACTS_TAG, BIN_FACTS_TAG_LEN);
        if (needs_status_fact(r))
                status_fact(b, r);
        small_facts(b, r);
        name_facts(b, r);
        assert(b->full || b->n - start == len);
        (void)start;
}

static void status4(struct out_buf *b, const struct record *r)
{
        if (!buf_room(b, 2 + BIN_V4_LEN))
                return;
        uint8_t *p = b->p + b->n;
        p[0] = r->state == PORT_OPEN ? BIN_OPEN : BIN_CLOSED;
        p[1] = BIN_V4_LEN;
        put_be32(p + 2, (uint32_t)(r->when_ns / NS_PER_S));
        put_be32(p + 6, (uint32_t)r->who.ip.lo);
        p[10] = r->who.proto;
        put_be16(p + 11, r->who.port);
        p[13] = r->flags;
        p[14] = r->ttl;
        b->n += 2 + BIN_V4_LEN;
}

static void status6(struct out_buf *b, const struct record *r)
{
        head(b, r->state == PORT_OPEN ? BIN_OPEN6 : BIN_CLOSED6, BIN_V6_LEN);
        buf_be32(b, (uint32_t)(r->when_ns / NS_PER_S));
        buf_u8(b, r->who.proto);
        buf_be16(b, r->who.port);
        buf_u8(b, r->flags);
        buf_u8(b, r->ttl);
        buf_u8(b, 6);
        put_address(b, &r->who.ip);
}

static void banner_part(struct out_buf *b, const struct record *r, struct span text)
{
        bool v4 = r->who.ip.family == 4;
        head(b, v4 ? BIN_BANNER : BIN_BANNER6, (v4 ? BIN_V4_BANNER_LEN : BIN_V6_BANNER_LEN) + text.n);
        buf_be32(b, (uint32_t)(r->when_ns / NS_PER_S));
        if (v4)
                put_address(b, &r->who.ip);
        buf_u8(b, r->who.proto);
        buf_be16(b, r->who.port);
        buf_be16(b, r->app);
        buf_u8(b, r->ttl);
        if (!v4) {
                buf_u8(b, 6);
                put_address(b, &r->who.ip);
        }
        buf_put(b, text.p, text.n);
}

/* A banner too long for one record goes on in the next one. */
static void banner(struct out_buf *b, const struct record *r)
{
        size_t most = BIN_BODY_MAX - (r->who.ip.family == 4 ? BIN_V4_BANNER_LEN : BIN_V6_BANNER_LEN);
        struct span left = r->banner;
        do {
                struct span part = span_of(left.p, MIN(left.n, most));
                banner_part(b, r, part);
                left = span_of(left.n ? left.p + part.n : left.p, left.n - part.n);
        } while (left.n && !b->full);
}

static void record(void *st, struct out_buf *b, const struct record *r)
{
        (void)st;
        if (needs_facts(r))
                facts(b, r);
        if (needs_status_fact(r))
                return;
        if (fmt_is_banner(r))
                banner(b, r);
        else if (r->who.ip.family == 4)
                status4(b, r);
        else
                status6(b, r);
}

static void trailer(const void *st, struct out_buf *b, uint64_t now_wall_ns)
{
        (void)st, (void)now_wall_ns;
        buf_put(b, trailer_bytes, sizeof(trailer_bytes));
}

/* Is what begins here a header or a trailer, not one of our facts? */
static bool is_frame(struct span s)
{
        return s.n >= BIN_HEADER_LEN && memcmp(s.p, "masscan/1.1", 11) == 0;
}

bool binary_is_journal(struct span file)
{
        return is_frame(file) && tail_has(span_of(file.p, BIN_HEADER_LEN), JOURNAL_LINE);
}

/* Is this record of type 'm' a status of its own, not facts about the next one? It has its status first. */
static bool is_status_fact(struct span s)
{
        struct rd r = rd_of(s);
        (void)bin_varint(&r);
        (void)bin_varint(&r);
        struct span tag = rd_take(&r, BIN_FACTS_TAG_LEN);
        return tag.n && memcmp(tag.p, BIN_FACTS_TAG, tag.n) == 0 && rd_u8(&r) == FACT_STATUS;
}

/* When new bytes were torn while they went over an old trailer, the rest of that trailer ends the file: the
 * smallest offset from which the file's end can be such a rest, as the number of trailer bytes that are gone.
 */
static size_t trailer_gone(struct span file)
{
        size_t gone = file.n < BIN_HEADER_LEN ? BIN_HEADER_LEN - file.n : 0;
        while (gone < BIN_HEADER_LEN && memcmp(file.p + file.n - (BIN_HEADER_LEN - gone),
                                               trailer_bytes + gone, BIN_HEADER_LEN - gone) != 0)
                gone++;
        return gone;
}

struct walk {            /* how far the records are good */
        size_t good;     /* the end of the last whole record */
        size_t certain;  /* the same, before the splice */
        bool facts_only; /* the last one was facts about a record still to come */
};

/* One record; false: none can be here. */
static bool walk_one(struct walk *w, struct rd *r, struct span file, size_t splice)
{
        struct span rest = span_of(r->p, rd_left(r));
        uint64_t type = bin_varint(r), len = bin_varint(r);
        if (type == 0 || type > BIN_M || len > BIN_LENGTH_MAX)
                return false;
        rd_skip(r, type == BIN_BANNER4 ? len + 1 : len);
        if (r->bad)
                return false;
        if (is_frame(rest))
                return true;
        w->facts_only = type == BIN_M && !is_status_fact(rest);
        if (w->facts_only)
                return true;
        w->good = (size_t)(r->p - file.p);
        if (w->good <= splice)
                w->certain = w->good;
        return true;
}

/* Walks the records. A walk that fails, or a file that ends in most of a trailer, may have a last record that
 * was completed by what was left of that trailer: it is not kept. */
static int64_t body_end(struct span file, bool *empty)
{
        struct walk w = {.good = BIN_HEADER_LEN, .certain = BIN_HEADER_LEN};
        struct rd r = rd_of(file);
        bool clean = true;
        if (!is_frame(file))
                return -1;
        size_t gone = trailer_gone(file), splice = file.n - (BIN_HEADER_LEN - gone);
        rd_skip(&r, BIN_HEADER_LEN);
        while (clean && rd_left(&r))
                clean = walk_one(&w, &r, file, splice);
        size_t end = clean && gone >= 11 ? w.good : w.certain;
        *empty = end == BIN_HEADER_LEN;
        return (int64_t)end;
}

#define BINARY_OPS(header)                                                                          \
        {                                                                                           \
                .name = "binary", .aliases = "bin", .ext = "bin", .state_size = sizeof(struct fmt), \
                .begin = (header), .record = record, .trailer = trailer, .body_end = body_end       \
        }
const struct out_ops out_binary = BINARY_OPS(begin), out_journal = BINARY_OPS(begin_journal);
