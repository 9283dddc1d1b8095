// SPDX-License-Identifier: Apache-2.0
/*
 * amqp: the protocol header of AMQP 0-9-1, and either the broker's Connection.Start, which names the product
 * and the ways to log in, or its own header, which is how a broker says that it speaks another version. We
 * say no more: tuning and login would follow. AMQP 0-9-1 §2.2.4, §4.2; OASIS AMQP 1.0 §2.2.
 *
 *   header | "AMQP" | protocol id 1 | major 1 | minor 1 | revision 1 |
 *   frame  | type 1 | channel 2 | length 4 | class 2 | method 2 | … | ce |
 *   Start  | major 1 | minor 1 | properties: table | mechanisms: long string | locales: long string |
 *   table  | length 4 | key: length 1, bytes | type 1 | value … |
 *
 * Invariant: a table inside of a table is read one level deep and no further.
 */
#include "banner/protocols.h"

enum { FRAME_METHOD = 1, FRAME_END = 0xce, FRAME_MAX = 32768, CONNECTION = 10, START = 10 };
enum phase { UNASKED, ASKED };
static const uint16_t ports[] = {5672, 5671, 0};

static void hello(struct banner_turn *t)
{
        t->phase = ASKED;
        wr_bytes(t->reply, "AMQP\x00\x00\x09\x01", 8);
}

static enum banner_match match(struct span in, const struct banner_turn *t)
{
        static const uint8_t start[11] = {FRAME_METHOD, 0, 0, 0, 0, 0, 0, 0, CONNECTION, 0, START};
        (void)t;
        for (size_t i = 0; i < MIN(in.n, sizeof(start)); i++)
                if (in.p[i] != start[i] && (i < 3 || i > 6)) /* the length is any */
                        return span_match(in, "AMQP");
        return in.n >= sizeof(start) ? MATCH_YES : MATCH_MAYBE;
}

/* The value's length for the types of fixed length (§4.2.5.5 and the letters RabbitMQ really uses). */
static size_t fixed_len(uint8_t type)
{
        switch (type) {
        case 't':
        case 'b':
        case 'B':
                return 1;
        case 's':
        case 'u':
        case 'U':
                return 2;
        case 'I':
        case 'i':
        case 'f':
                return 4;
        case 'D':
                return 5;
        case 'l':
        case 'L':
        case 'd':
        case 'T':
                return 8;
        default:
                return 0;
        }
}

struct item {
        struct span key, value;
        uint8_t type;
};

static bool next_item(struct rd *r, struct item *i)
{
        if (!rd_left(r))
                return false;
        size_t n = rd_u8(r);
        i->key = rd_take(r, n);
        i->type = rd_u8(r);
        bool counted = i->type == 'S' || i->type == 'F' || i->type == 'A' || i->type == 'x';
        i->value = rd_take(r, counted ? rd_be32(r) : fixed_len(i->type));
        r->bad |= !counted && !fixed_len(i->type) && i->type != 'V';
        return !r->bad;
}

static bool key_is(struct span key, const char *name)
{
        return key.n == span_str(name).n && span_starts(key, name);
}

static void describe_capabilities(struct banner_turn *t, struct rd r)
{
        struct item i;
        while (next_item(&r, &i))
                if (i.type == 't' && i.value.p[0])
                        banner_field(t->out, APP_AMQP, "capability", i.key);
}

static void describe_properties(struct banner_turn *t, struct rd r)
{
        static const char *const wanted[] = {"product",      "version",   "platform",
                                             "cluster_name", "copyright", "information"};
        struct item i;
        while (next_item(&r, &i)) {
                for (size_t k = 0; i.type == 'S' && k < ARRAY_LEN(wanted); k++)
                        if (key_is(i.key, wanted[k]))
                                banner_field(t->out, APP_AMQP, wanted[k], i.value);
                if (i.type == 'S' &&
                    (key_is(i.key, "product") || key_is(i.key, "version") || key_is(i.key, "platform"))) {
                        banner_fmt(t->out, APP_AMQP, " %.*s=", (int)i.key.n, (const char *)i.key.p);
                        banner_text(t->out, APP_AMQP, i.value);
                }
                if (i.type == 'F' && key_is(i.key, "capabilities"))
                        describe_capabilities(t, rd_of(i.value));
        }
}

/* Words parted by blanks, a field each. */
static void describe_words(struct banner_turn *t, const char *key, struct span s)
{
        while ((s = span_trim(s)).n) {
                size_t at = s.n;
                (void)span_find(s, " ", &at);
                banner_field(t->out, APP_AMQP, key, span_cut(s, 0, at));
                s = span_cut(s, at, s.n);
        }
}

static enum banner_status describe_start(struct banner_turn *t, struct rd *r)
{
        unsigned major = rd_u8(r), minor = rd_u8(r);
        struct rd table = rd_sub(r, rd_be32(r));
        struct span mechanisms = rd_take(r, rd_be32(r)), locales = rd_take(r, rd_be32(r));
        if (r->bad)
                return BANNER_REJECT;
        const char *protocol = major == 0 && minor == 9 ? "0-9-1" : "0-8";
        banner_fmt(t->out, APP_AMQP, "AMQP %s", protocol);
        banner_field_str(t->out, APP_AMQP, "protocol", protocol);
        describe_properties(t, table);
        banner_str(t->out, APP_AMQP, " mechanisms=");
        banner_text(t->out, APP_AMQP, mechanisms);
        describe_words(t, "mechanism", mechanisms);
        describe_words(t, "locale", locales);
        return BANNER_DONE;
}

static enum banner_status parse_frame(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        uint8_t type = rd_u8(&r);
        uint16_t channel = rd_be16(&r);
        size_t len = rd_be32(&r);
        if ((t->in.n && type != FRAME_METHOD) || channel || len > FRAME_MAX)
                return BANNER_REJECT;
        struct rd body = rd_sub(&r, len);
        uint8_t end = rd_u8(&r);
        if (r.bad)
                return BANNER_MORE;
        if (end != FRAME_END || rd_be16(&body) != CONNECTION || rd_be16(&body) != START)
                return BANNER_REJECT;
        return describe_start(t, &body);
}

/* "AMQP": the header of the version that the server would rather speak. 0-8 and 0-9 had 1, 1 in front. */
static enum banner_status parse_header(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        rd_skip(&r, 4);
        unsigned id = rd_u8(&r), major = rd_u8(&r), minor = rd_u8(&r), revision = rd_u8(&r);
        if (r.bad)
                return BANNER_MORE;
        if (t->phase == ASKED && id == 0 && major == 0 && minor == 9 && revision == 1)
                return BANNER_REJECT; /* our own words: who speaks that version answers with Start */
        struct wr w = wr_of((char[32]){0}, 32);
        if (id == 1 && major == 1 && minor == 8) /* 0-8 called itself 8.0 */
                wr_str(&w, "0-8");
        else if (id == 1 && major == 1)
                wr_fmt(&w, "%u-%u", minor, revision);
        else if (id == 0 && major == 0)
                wr_fmt(&w, "%u-%u-%u", major, minor, revision);
        else
                wr_fmt(&w, "%u.%u.%u", major, minor, revision);
        struct span protocol = span_of(w.start, wr_len(&w));
        banner_str(t->out, APP_AMQP, "AMQP ");
        banner_text(t->out, APP_AMQP, protocol);
        banner_str(t->out, APP_AMQP, id == 3 ? " SASL" : id == 2 ? " TLS" : "");
        banner_field(t->out, APP_AMQP, "protocol", protocol);
        banner_field_u64(t->out, APP_AMQP, "protocol_id", id);
        return BANNER_DONE;
}

static enum banner_status parse(struct banner_turn *t)
{
        enum banner_match m = span_match(t->in, "AMQP");
        if (m == MATCH_YES)
                return parse_header(t);
        return m == MATCH_MAYBE ? BANNER_MORE : parse_frame(t);
}

const struct banner_ops banner_amqp = {
        .name = "amqp",
        .summary = "AMQP broker: product, version, ways to log in",
        .app = APP_AMQP,
        .ports = ports,
        .match = match,
        .hello = hello,
        .parse = parse,
};
