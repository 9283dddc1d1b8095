// SPDX-License-Identifier: Apache-2.0
/*
 * readscan: binary scan files -> records: all of masscan's record types, old ones included, and our own
 * facts. The layout is drawn in binary.h. Files come from anywhere, so every byte goes through the sticky
 * reader. Invariant: an unknown or malformed record is skipped by its length; a torn one is searched past, up
 * to the next file header (files may be concatenated), and told by out_reader_torn().
 */
#include "readscan.h"
#include "binary.h"
#include <stdlib.h>

struct out_reader {
        struct file_map map; /* empty when the bytes are the caller's */
        struct span file;
        struct rd r;
        bool torn, has_facts;
        struct record facts; /* about the record that follows */
        char name_text[BIN_NAMES_MAX][BIN_NAME_MAX + 1];
        const char *names[BIN_NAMES_MAX];
};

static struct ip_addr address(struct rd *r, uint8_t family)
{
        struct span s = rd_take(r, family == 4 ? 4 : 16);
        return s.n ? ip_from_bytes(s.p, family) : (struct ip_addr){0};
}

static uint64_t when(struct rd *r)
{
        return (uint64_t)rd_be32(r) * NS_PER_S;
}

/* Old files have no protocol: the port tells. */
static uint8_t guess_proto(uint16_t port)
{
        switch (port) {
        case 53:
        case 123:
        case 137:
        case 161:
                return 17;
        case 2905:
        case 36412:
        case 36422:
                return 132;
        default:
                return 6;
        }
}

/* A MAC follows where the address is 0.0.0.0. */
static void maybe_mac(struct rd *r, struct record *out)
{
        struct span s = out->who.ip.lo == 0 && rd_left(r) >= 6 ? rd_take(r, 6) : (struct span){0};
        if (!s.n)
                return;
        memcpy(out->mac, s.p, 6);
        out->has_mac = true;
}

static void old_status(struct rd *r, struct record *out, enum bin_type type)
{
        out->state = type == BIN_OPEN_OLD ? PORT_OPEN : PORT_CLOSED;
        out->when_ns = when(r);
        out->who.ip = address(r, 4);
        out->who.port = rd_be16(r);
        out->who.proto = guess_proto(out->who.port);
        out->flags = rd_u8(r);
        out->ttl = rd_u8(r);
        maybe_mac(r, out);
}

static void status4(struct rd *r, struct record *out, enum bin_type type)
{
        out->state = type == BIN_OPEN ? PORT_OPEN : type == BIN_CLOSED ? PORT_CLOSED : PORT_UP;
        out->when_ns = when(r);
        out->who.ip = address(r, 4);
        out->who.proto = rd_u8(r);
        out->who.port = rd_be16(r);
        out->flags = rd_u8(r);
        out->ttl = rd_u8(r);
        maybe_mac(r, out);
}

static void status6(struct rd *r, struct record *out, enum bin_type type)
{
        out->state = type == BIN_OPEN6 ? PORT_OPEN : type == BIN_CLOSED6 ? PORT_CLOSED : PORT_UP;
        out->when_ns = when(r);
        out->who.proto = rd_u8(r);
        out->who.port = rd_be16(r);
        out->flags = rd_u8(r);
        out->ttl = rd_u8(r);
        r->bad |= rd_u8(r) != 6;
        out->who.ip = address(r, 6);
}

static void banner4(struct rd *r, struct record *out, enum bin_type type)
{
        out->state = PORT_BANNER;
        out->when_ns = when(r);
        out->who.ip = address(r, 4);
        out->who.proto = type == BIN_BANNER3 ? 6 : rd_u8(r);
        out->who.port = rd_be16(r);
        out->app = rd_be16(r);
        out->ttl = type == BIN_BANNER ? rd_u8(r) : 0;
        out->banner = rd_take(r, rd_left(r));
}

static void banner6(struct rd *r, struct record *out)
{
        out->state = PORT_BANNER;
        out->when_ns = when(r);
        out->who.proto = rd_u8(r);
        out->who.port = rd_be16(r);
        out->app = rd_be16(r);
        out->ttl = rd_u8(r);
        r->bad |= rd_u8(r) != 6;
        out->who.ip = address(r, 6);
        out->banner = rd_take(r, rd_left(r));
}

/* Is there a record in this body? */
static bool decode(struct rd body, struct record *out, uint64_t type)
{
        *out = (struct record){0};
        switch (type) {
        case BIN_OPEN_OLD:
        case BIN_CLOSED_OLD:
                old_status(&body, out, (enum bin_type)type);
                break;
        case BIN_OPEN:
        case BIN_CLOSED:
        case BIN_UP:
                status4(&body, out, (enum bin_type)type);
                break;
        case BIN_OPEN6:
        case BIN_CLOSED6:
        case BIN_UP6:
                status6(&body, out, (enum bin_type)type);
                break;
        case BIN_BANNER3:
        case BIN_BANNER4:
        case BIN_BANNER5:
        case BIN_BANNER:
                banner4(&body, out, (enum bin_type)type);
                break;
        case BIN_BANNER6:
                banner6(&body, out);
                break;
        default:
                return false;
        }
        return !body.bad;
}

static bool fact_status(struct rd *v, struct record *out)
{
        out->state = rd_u8(v);
        out->when_ns = when(v);
        out->who.proto = rd_u8(v);
        out->who.port = rd_be16(v);
        out->flags = rd_u8(v);
        out->ttl = rd_u8(v);
        uint8_t family = rd_u8(v);
        v->bad |= family != 4 && family != 6;
        out->who.ip = address(v, family);
        return !v->bad && out->state <= PORT_UP;
}

static void fact_name(struct out_reader *o, struct rd *v)
{
        size_t n = rd_left(v);
        if (o->facts.n_names == BIN_NAMES_MAX || n == 0 || n > BIN_NAME_MAX)
                return;
        char *text = o->name_text[o->facts.n_names];
        memcpy(text, rd_take(v, n).p, n);
        text[n] = 0;
        o->names[o->facts.n_names++] = text;
        o->facts.names = o->names;
}

static void fact_reporter(struct rd *v, struct record *out)
{
        uint8_t family = rd_u8(v);
        struct ip_addr ip = address(v, family);
        if (!v->bad && (family == 4 || family == 6))
                out->reporter = ip;
}

static void fact_small(struct rd *v, struct record *out, uint8_t tag)
{
        struct span mac = tag == FACT_MAC ? rd_take(v, 6) : (struct span){0};
        if (tag == FACT_RTT)
                out->rtt_us = rd_be32(v);
        if (tag == FACT_ICMP) {
                out->icmp_type = rd_u8(v);
                out->icmp_code = rd_u8(v);
        }
        if (tag == FACT_ZONE)
                out->who.ip.zone = rd_be32(v);
        if (mac.n) {
                memcpy(out->mac, mac.p, 6);
                out->has_mac = true;
        }
}

/* Our own record: 1 when it is a whole status by itself. */
static bool read_facts(struct out_reader *o, struct rd body)
{
        bool whole = false;
        o->facts = (struct record){0};
        o->has_facts = true;
        rd_skip(&body, BIN_FACTS_TAG_LEN);
        while (rd_left(&body)) {
                uint8_t tag = rd_u8(&body);
                struct rd v = rd_sub(&body, rd_u8(&body));
                if (tag == FACT_STATUS)
                        whole = fact_status(&v, &o->facts);
                else if (tag == FACT_NAME)
                        fact_name(o, &v);
                else if (tag == FACT_REPORTER)
                        fact_reporter(&v, &o->facts);
                else
                        fact_small(&v, &o->facts, tag);
        }
        return whole;
}

static void apply_facts(struct out_reader *o, struct record *out)
{
        const struct record *f = &o->facts;
        out->rtt_us = f->rtt_us;
        out->reporter = f->reporter;
        out->icmp_type = f->icmp_type;
        out->icmp_code = f->icmp_code;
        out->n_names = f->n_names;
        out->names = f->names;
        if (out->who.ip.family == 6)
                out->who.ip.zone = f->who.ip.zone;
        if (f->has_mac) {
                memcpy(out->mac, f->mac, 6);
                out->has_mac = true;
        }
}

/* After a torn record: on to the next header, if another file was put behind this one. */
static void resync(struct out_reader *o, const uint8_t *from)
{
        size_t left = (size_t)(o->file.p + o->file.n - from);
        const uint8_t *hit = memmem(from, left, "masscan/1.1\n", 12);
        o->torn = true;
        o->has_facts = false;
        o->r = hit ? rd_of(span_of(hit, (size_t)(o->file.p + o->file.n - hit))) : rd_of(span_of(from, 0));
}

static bool is_ours(struct span body)
{
        return body.n >= BIN_FACTS_TAG_LEN && memcmp(body.p, BIN_FACTS_TAG, BIN_FACTS_TAG_LEN) == 0;
}

/* One step: 1 a record, 0 none in this one. */
static int step(struct out_reader *o, struct record *out)
{
        const uint8_t *start = o->r.p;
        uint64_t type = bin_varint(&o->r), len = bin_varint(&o->r);
        if (type == BIN_BANNER4)
                len++;
        if (o->r.bad || type == 0 || len > BIN_LENGTH_MAX || len > rd_left(&o->r)) {
                resync(o, start + 1);
                return 0;
        }
        struct span body = rd_take(&o->r, len);
        if (type == BIN_M) {
                o->has_facts = false;
                if (!is_ours(body) || !read_facts(o, rd_of(body)))
                        return 0;
                o->has_facts = false;
                *out = o->facts;
                return 1;
        }
        bool had = o->has_facts, good = decode(rd_of(body), out, type);
        o->has_facts = false;
        if (good && had)
                apply_facts(o, out);
        return good;
}

int out_reader_next(struct out_reader *o, struct record *out, struct err *e)
{
        (void)e;
        while (rd_left(&o->r))
                if (step(o, out))
                        return 1;
        return 0;
}

bool out_reader_torn(const struct out_reader *o)
{
        return o->torn;
}

int reader_over(struct out_reader **out, struct span file, size_t from, struct err *e)
{
        struct out_reader *o = calloc(1, sizeof(*o));
        if (!o)
                return err_set(e, 0, "out of memory");
        from = MIN(from, file.n);
        o->file = file;
        o->r = rd_of(file.n ? span_of(file.p + from, file.n - from) : file);
        *out = o;
        return 0;
}

/* masscan leaves an empty file when it found nothing: no records, no error. */
int out_reader_open(struct out_reader **out, const char *path, struct err *e)
{
        struct file_map m;
        if (file_map(&m, path, e))
                return -1;
        if (m.n && (m.n < BIN_HEADER_LEN || memcmp(m.p, "masscan/1.1", 11) != 0)) {
                file_unmap(&m);
                return err_set(e, 0,
                               "\"%s\" is not a binary scan file: it does not start with \"masscan/1.1\"",
                               path);
        }
        if (reader_over(out, span_of(m.p, m.n), 0, e)) {
                file_unmap(&m);
                return -1;
        }
        (*out)->map = m;
        return 0;
}

void out_reader_close(struct out_reader *o)
{
        if (!o)
                return;
        file_unmap(&o->map);
        free(o);
}
