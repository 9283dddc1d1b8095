// SPDX-License-Identifier: Apache-2.0
/*
 * mongodb: what a driver asks before anybody logs in: isMaster by OP_QUERY (all versions know it), hello by
 * OP_MSG where that is refused, then buildInfo. Answers are BSON. The conversation is read again on each
 * turn, so the banner is one text; `phase` counts replies. Invariant: nothing of any database is read.
 *
 *   | length 4 | request 4 | answer to 4 | operation 4: 1 OP_REPLY, 2004 OP_QUERY, 2013 OP_MSG | …   low byte
 * first OP_REPLY: | flags 4 | cursor 8 | from 4 | documents 4 | BSON …      OP_MSG: | flags 4 | kind 0 1 |
 * BSON BSON:     | length 4 | { type 1 | name … 0 | value } | 0
 *
 * MongoDB Wire Protocol; MongoDB Handshake specification; bsonspec.org 1.1
 */
#include "banner/little.h"
#include "banner/ntlm.h"
#include "banner/pieces.h"
#include "banner/protocols.h"

enum { OP_REPLY = 1, OP_QUERY = 2004, OP_MSG = 2013, HEADER = 16, MESSAGE_MAX = 49152 };
enum { ELEMENTS_MAX = 256, REPLIES_MAX = 3 };

/* ---- BSON ---- */

enum { B_DOUBLE = 1, B_STRING = 2, B_DOC = 3, B_ARRAY = 4, B_BOOL = 8, B_DATE = 9, B_INT = 16, B_LONG = 18 };
struct bson {
        uint8_t type;
        struct span name;
        struct rd value; /* of strings: the text */
};

static size_t fixed_size(uint8_t type)
{
        static const uint8_t sizes[] = {
                [B_DOUBLE] = 8, [6] = 0,     [7] = 12, [B_BOOL] = 1, [B_DATE] = 8,
                [10] = 0,       [B_INT] = 4, [17] = 8, [B_LONG] = 8, [19] = 16,
        };
        return type < ARRAY_LEN(sizes) ? sizes[type] : 0;
}

static bool bson_next(struct rd *r, struct bson *b)
{
        b->type = rd_u8(r);
        if (!b->type || r->bad)
                return false;
        b->name = rd_until_nul(r);
        struct rd ahead = *r;
        uint32_t n = rd_le32(&ahead);
        switch (b->type) {
        case B_STRING:
        case 13: /* code */
        case 14: /* symbol */
                rd_skip(r, 4);
                b->value = rd_sub(r, n ? n - 1u : 0);
                rd_skip(r, 1);
                break;
        case B_DOC:
        case B_ARRAY:
        case 15: /* code with scope */
                b->value = rd_sub(r, n);
                break;
        case 5: /* binary */
                rd_skip(r, 5);
                b->value = rd_sub(r, n);
                break;
        case 11: /* regular expression */
                (void)rd_until_nul(r);
                (void)rd_until_nul(r);
                b->value = rd_sub(r, 0); /* nobody reads it, but it has to be something */
                break;
        default:
                b->value = rd_sub(r, fixed_size(b->type));
        }
        return !r->bad;
}

/* Numbers come in any type: {ok: 1.0} and {ok: 1} are the same. Not whole or negative ones are 0. */
static uint64_t number(const struct bson *b)
{
        struct rd r = b->value;
        if (b->type == B_INT) {
                uint32_t v = rd_le32(&r);
                return v >> 31 ? 0 : v;
        }
        uint64_t v = b->type == B_BOOL ? rd_u8(&r) : rd_le64(&r);
        if (b->type != B_DOUBLE)
                return v >> 63 ? 0 : v;
        unsigned exponent = (unsigned)(v >> 52); /* the sign is in it: negative ones are too large */
        uint64_t fraction = (v & 0xfffffffffffff) | 1ull << 52;
        return exponent < 1023 || exponent > 1023 + 52 ? 0 : fraction >> (1075 - exponent);
}

/* ---- questions ---- */

static void put_int(struct wr *w, const char *name, uint32_t v)
{
        wr_u8(w, B_INT);
        wr_bytes(w, name, span_str(name).n + 1);
        wr_le32(w, v);
}

static void put_message(struct wr *w, uint32_t op, struct span head, const char *command)
{
        uint8_t room[128];
        struct wr d = wr_of(room, sizeof(room));
        put_int(&d, command, 1);
        if (op == OP_MSG) {
                static const uint8_t db[] = "\2$db\0\6\0\0\0admin";
                wr_bytes(&d, db, sizeof(db));
        }
        uint32_t n = (uint32_t)wr_len(&d) + 5;
        wr_le32(w, HEADER + (uint32_t)head.n + n);
        wr_le32(w, 1);
        wr_le32(w, 0);
        wr_le32(w, op);
        wr_bytes(w, head.p, head.n);
        wr_le32(w, n);
        wr_bytes(w, room, wr_len(&d));
        wr_u8(w, 0);
}

/* OP_QUERY's head: flags "a secondary may answer", the collection, skip 0, one document. */
static void ask(struct wr *w, uint32_t op, const char *command)
{
        static const uint8_t query[] = "\4\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff";
        static const uint8_t msg[5] = {0};
        put_message(w, op, op == OP_MSG ? span_of(msg, sizeof(msg)) : span_of(query, sizeof(query) - 1),
                    command);
}

static void mongodb_hello(struct banner_turn *t)
{
        ask(t->reply, OP_QUERY, "isMaster");
}

/* ---- answers ---- */

struct known {
        uint64_t max_wire;
        bool hello, build, failed;
};

static const struct item {
        const char *name, *key;
        uint8_t kind; /* B_STRING, B_LONG for any number, B_BOOL, B_ARRAY of strings */
        bool in_text;
} items[] = {
        {"version", "version", B_STRING, true},
        {"gitVersion", "git_version", B_STRING, false},
        {"maxWireVersion", "max_wire_version", B_LONG, true},
        {"minWireVersion", "min_wire_version", B_LONG, false},
        {"maxBsonObjectSize", "max_bson_size", B_LONG, false},
        {"setName", "set_name", B_STRING, true},
        {"primary", "primary", B_STRING, true},
        {"me", "me", B_STRING, false},
        {"hosts", "hosts", B_ARRAY, false},
        {"ismaster", "is_primary", B_BOOL, false},
        {"isWritablePrimary", "is_primary", B_BOOL, false},
        {"secondary", "secondary", B_BOOL, false},
        {"readOnly", "read_only", B_BOOL, false},
        {"saslSupportedMechs", "sasl_mechanisms", B_ARRAY, false},
        {"modules", "modules", B_ARRAY, false},
        {"storageEngines", "storage_engines", B_ARRAY, false},
        {"javascriptEngine", "javascript_engine", B_STRING, false},
        {"bits", "bits", B_LONG, false},
        {"ferretdbVersion", "ferretdb_version", B_STRING, true},
};

static void say_list(struct banner_out *o, const char *key, struct rd r)
{
        struct bson b;
        rd_skip(&r, 4);
        for (unsigned i = 0; i < ELEMENTS_MAX && bson_next(&r, &b); i++)
                if (b.type == B_STRING)
                        banner_field(o, APP_MONGODB, key, span_of(b.value.p, rd_left(&b.value)));
}

static void say_item(struct banner_out *o, const struct item *it, const struct bson *b)
{
        struct span text = span_of(b->value.p, rd_left(&b->value));
        bool whole = b->type == B_INT || b->type == B_LONG || b->type == B_DOUBLE;
        char digits[20];
        struct wr w = wr_of(digits, sizeof(digits));
        wr_dec(&w, number(b));
        if (it->in_text && (whole || b->type == B_STRING))
                say_pair(o, APP_MONGODB, it->name, whole ? span_of(digits, wr_len(&w)) : text);
        if (it->kind == B_LONG && whole)
                banner_field_u64(o, APP_MONGODB, it->key, number(b));
        else if (it->kind == B_BOOL && b->type == B_BOOL)
                banner_field_bool(o, APP_MONGODB, it->key, number(b));
        else if (it->kind == B_STRING && b->type == B_STRING)
                banner_field(o, APP_MONGODB, it->key, text);
        else if (it->kind == B_ARRAY && b->type == B_ARRAY)
                say_list(o, it->key, b->value);
}

static void say_element(struct banner_out *o, const struct bson *b, struct known *k)
{
        for (unsigned i = 0; i < ARRAY_LEN(items); i++)
                if (span_is(b->name, items[i].name))
                        say_item(o, &items[i], b);
        if (span_is(b->name, "maxWireVersion"))
                k->max_wire = number(b);
        else if (span_is(b->name, "ok"))
                k->failed = !number(b);
        else if (span_is(b->name, "$err"))
                k->failed = true;
        else if (span_is(b->name, "msg") && span_is(span_of(b->value.p, rd_left(&b->value)), "isdbgrid"))
                banner_field_str(o, APP_MONGODB, "process", "mongos");
        k->hello |= span_is(b->name, "ismaster") || span_is(b->name, "isWritablePrimary");
        k->build |= span_is(b->name, "gitVersion") || span_is(b->name, "versionArray");
        if (span_is(b->name, "errmsg") || span_is(b->name, "$err"))
                banner_field(o, APP_MONGODB, "error", span_of(b->value.p, rd_left(&b->value)));
}

/* Anything but a document with an answer in it is not MongoDB. */
static bool say_message(struct banner_out *o, uint32_t op, struct rd r, struct known *k)
{
        struct bson b;
        unsigned n = 0;
        k->hello = k->build = k->failed = false;
        rd_skip(&r, op == OP_REPLY ? 20 : 4);
        if (op == OP_MSG && rd_u8(&r) != 0)
                return false;
        uint32_t len = rd_le32(&r);
        if (len < 5)
                return false;
        struct rd doc = rd_sub(&r, len - 4);
        while (n < ELEMENTS_MAX && bson_next(&doc, &b)) {
                say_element(o, &b, k);
                n++;
        }
        return n > 0 && !doc.bad;
}

static enum banner_match frame(struct rd *r, uint32_t *op, struct rd *body)
{
        struct rd ahead = *r;
        uint32_t n = rd_le32(&ahead);
        rd_skip(&ahead, 8);
        *op = rd_le32(&ahead);
        if (ahead.bad)
                return MATCH_MAYBE;
        if (n < HEADER + 10 || n > MESSAGE_MAX || (*op != OP_REPLY && *op != OP_MSG))
                return MATCH_NO;
        *body = rd_sub(&ahead, n - HEADER);
        if (ahead.bad)
                return MATCH_MAYBE;
        *r = ahead;
        return MATCH_YES;
}

/* After isMaster comes buildInfo; after an isMaster that was refused, hello. */
static bool reply(struct banner_turn *t, const struct known *k)
{
        if (k->build || t->phase == REPLIES_MAX)
                return false;
        if (k->hello)
                ask(t->reply, k->max_wire >= 6 ? OP_MSG : OP_QUERY, "buildInfo");
        else if (k->failed && t->phase == 0)
                ask(t->reply, OP_MSG, "hello");
        else
                return false;
        t->phase++;
        t->used = 0;
        banner_out_clear(t->out);
        return true;
}

static enum banner_status finish(const struct banner_turn *t)
{
        return t->out->n ? BANNER_DONE : BANNER_REJECT;
}

static enum banner_status mongodb_parse(struct banner_turn *t)
{
        struct rd r = rd_of(t->in), body;
        uint32_t op;
        struct known k = {0};
        enum banner_match whole;
        for (unsigned seen = 0; (whole = frame(&r, &op, &body)) == MATCH_YES; seen++) {
                if (!say_message(t->out, op, body, &k))
                        return finish(t);
                if (seen < t->phase)
                        continue;
                return !t->eof && reply(t, &k) ? BANNER_NEXT : finish(t);
        }
        return whole == MATCH_MAYBE && !t->eof ? BANNER_MORE : finish(t);
}

static enum banner_match mongodb_match(struct span in, const struct banner_turn *t)
{
        struct rd r = rd_of(in), body;
        uint32_t op = 0;
        (void)t;
        if (in.n >= 4 && (in.p[2] || in.p[3]))
                return MATCH_NO;
        if (in.n >= HEADER)
                return frame(&r, &op, &body) == MATCH_NO ? MATCH_NO : MATCH_YES;
        return MATCH_MAYBE;
}

const struct banner_ops banner_mongodb = {
        .name = "mongodb",
        .summary = "MongoDB and kin: version, wire versions, replica set",
        .app = APP_MONGODB,
        .ports = (const uint16_t[]){27017, 27018, 27019, 0},
        .match = mongodb_match,
        .hello = mongodb_hello,
        .parse = mongodb_parse,
};
