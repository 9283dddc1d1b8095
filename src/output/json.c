// SPDX-License-Identifier: Apache-2.0
/*
 * json (-oJ): an array with one object per record (grouped: per host), masscan's spacing to the byte. What
 * masscan does not know (names, round-trip time, MAC, who sent the ICMP error) are further keys, there only
 * when known. Invariant: the comma goes before every object but the first, so the body needs only "]" to be
 * an array. Reference: RFC 8259.
 */
#include "json.h"

static void begin(void *st, struct out_buf *b)
{
        (void)st;
        BUF_LIT(b, "[\n");
}

void json_names(struct out_buf *b, const struct record *r)
{
        buf_u8(b, '[');
        for (unsigned i = 0; i < r->n_names; i++) {
                if (i)
                        buf_u8(b, ',');
                buf_u8(b, '"');
                fmt_json(b, span_str(r->names[i]));
                buf_u8(b, '"');
        }
        buf_u8(b, ']');
}

static bool same_key(const struct field *a, const struct field *b)
{
        return a->key.n == b->key.n && memcmp(a->key.p, b->key.p, a->key.n) == 0;
}

/* How often this key comes, and whether this is the first of them. */
static size_t count_key(struct span fields, const struct field *f, bool *first)
{
        struct rd r = rd_of(fields);
        struct field x;
        size_t n = 0;
        while (fields_next(&r, &x)) {
                if (!same_key(&x, f))
                        continue;
                if (!n)
                        *first = x.key.p == f->key.p;
                n++;
                if (!*first)
                        break;
        }
        return n;
}

static void field_value(struct out_buf *b, const struct field *f)
{
        if (f->kind == FIELD_NUMBER) {
                buf_dec(b, f->number);
        } else if (f->kind == FIELD_BOOL) {
                buf_str(b, f->number ? "true" : "false");
        } else {
                buf_u8(b, '"');
                fmt_json(b, f->text);
                buf_u8(b, '"');
        }
}

static void field_list(struct out_buf *b, struct span rest, const struct field *f)
{
        struct rd r = rd_of(rest);
        struct field x;
        bool any = false;
        buf_u8(b, '[');
        while (fields_next(&r, &x)) {
                if (!same_key(&x, f))
                        continue;
                if (any)
                        buf_u8(b, ',');
                any = true;
                field_value(b, &x);
        }
        buf_u8(b, ']');
}

/* Keys that come several times are arrays. */
void json_fields(struct out_buf *b, struct span fields)
{
        struct rd r = rd_of(fields);
        struct field f;
        bool any = false;
        buf_u8(b, '{');
        while (fields_next(&r, &f)) {
                bool first = false;
                size_t n = count_key(fields, &f, &first);
                if (!first)
                        continue;
                buf_put(b, any ? ",\"" : "\"", any ? 2 : 1);
                any = true;
                fmt_json(b, f.key);
                BUF_LIT(b, "\":");
                if (n > 1)
                        field_list(b, fields, &f);
                else
                        field_value(b, &f);
        }
        buf_u8(b, '}');
}

static void status(struct fmt *f, struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, ", \"status\": \"");
        buf_str(b, result_state_name(r->state));
        BUF_LIT(b, "\", \"reason\": \"");
        fmt_reason_put(f, b, r);
        BUF_LIT(b, "\", \"ttl\": ");
        buf_dec(b, r->ttl);
        if (r->rtt_us) {
                BUF_LIT(b, ", \"rtt_ms\": ");
                fmt_ms(b, r->rtt_us);
        }
        if (fmt_tells_reporter(r)) {
                BUF_LIT(b, ", \"reporter\": \"");
                fmt_ip(b, &r->reporter);
                buf_u8(b, '"');
        }
}

static void service(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, ", \"service\": {\"name\": \"");
        fmt_app(b, r->app);
        BUF_LIT(b, "\", \"banner\": \"");
        fmt_json(b, r->banner);
        buf_u8(b, '"');
        if (r->fields.n) {
                BUF_LIT(b, ", \"fields\": ");
                json_fields(b, r->fields);
        }
        BUF_LIT(b, "} ");
}

static void port(struct fmt *f, struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "{\"port\": ");
        buf_dec(b, r->who.port);
        BUF_LIT(b, ", \"proto\": \"");
        buf_str(b, result_proto_name(r->who.proto));
        buf_u8(b, '"');
        if (fmt_is_banner(r))
                service(b, r);
        else
                status(f, b, r);
        buf_u8(b, '}');
}

static void host(void *st, struct out_buf *b, const struct record *const *recs, size_t n)
{
        struct fmt *f = st;
        const struct record *r = recs[0];
        if (f->items)
                BUF_LIT(b, ",\n");
        BUF_LIT(b, "{   \"ip\": \"");
        fmt_ip(b, &r->who.ip);
        BUF_LIT(b, "\",   \"timestamp\": \"");
        fmt_when(f, b, r);
        BUF_LIT(b, "\", \"ports\": [ ");
        for (size_t i = 0; i < n; i++) {
                if (i)
                        BUF_LIT(b, ", ");
                port(f, b, recs[i]);
        }
        BUF_LIT(b, " ]");
        if (r->n_names) {
                BUF_LIT(b, ", \"names\": ");
                json_names(b, r);
        }
        if (r->has_mac) {
                BUF_LIT(b, ", \"mac\": \"");
                fmt_mac(b, r->mac);
                buf_u8(b, '"');
        }
        BUF_LIT(b, " }\n");
}

static void record(void *st, struct out_buf *b, const struct record *r)
{
        host(st, b, &r, 1);
}

static void trailer(const void *st, struct out_buf *b, uint64_t now_wall_ns)
{
        (void)st, (void)now_wall_ns;
        BUF_LIT(b, "]\n");
}

static bool whole(struct span line)
{
        return tail_starts(line, "{   \"ip\": \"") && tail_ends(line, "}");
}

static bool ends(struct span line)
{
        return tail_starts(line, "]") || tail_starts(line, ",");
}

static int64_t body_end(struct span file, bool *empty)
{
        return tail_starts(file, "[\n") ? tail_lines(file, 2, whole, ends, empty) : -1;
}

const struct out_ops out_json = {.name = "json",
                                 .ext = "json",
                                 .state_size = sizeof(struct fmt),
                                 .begin = begin,
                                 .record = record,
                                 .host = host,
                                 .trailer = trailer,
                                 .body_end = body_end};
