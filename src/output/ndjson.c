// SPDX-License-Identifier: Apache-2.0
/*
 * ndjson (-oD): one JSON object per line, masscan's keys to the byte; neither header nor trailer, so it is
 * the format for streams. What masscan does not know are further keys, there only when known. Grouped: one
 * object per host, "rec_type":"host". Invariant: every line is a JSON text of its own. Reference: RFC 8259.
 */
#include "json.h"

static void head(struct fmt *f, struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "{\"ip\":\"");
        fmt_ip(b, &r->who.ip);
        BUF_LIT(b, "\",\"timestamp\":\"");
        fmt_when(f, b, r);
        BUF_LIT(b, "\",");
}

static void port(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "\"port\":");
        buf_dec(b, r->who.port);
        BUF_LIT(b, ",\"proto\":\"");
        buf_str(b, result_proto_name(r->who.proto));
        BUF_LIT(b, "\",\"rec_type\":\"");
}

static void status(struct fmt *f, struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "status\",\"data\":{\"status\":\"");
        buf_str(b, result_state_name(r->state));
        BUF_LIT(b, "\",\"reason\":\"");
        fmt_reason_put(f, b, r);
        BUF_LIT(b, "\",\"ttl\":");
        buf_dec(b, r->ttl);
        if (r->rtt_us) {
                BUF_LIT(b, ",\"rtt_ms\":");
                fmt_ms(b, r->rtt_us);
        }
        if (fmt_tells_reporter(r)) {
                BUF_LIT(b, ",\"reporter\":\"");
                fmt_ip(b, &r->reporter);
                buf_u8(b, '"');
        }
        buf_u8(b, '}');
}

static void banner(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "banner\",\"data\":{\"service_name\":\"");
        fmt_app(b, r->app);
        BUF_LIT(b, "\",\"banner\":\"");
        fmt_json(b, r->banner);
        buf_u8(b, '"');
        if (r->fields.n) {
                BUF_LIT(b, ",\"fields\":");
                json_fields(b, r->fields);
        }
        buf_u8(b, '}');
}

static void one(struct fmt *f, struct out_buf *b, const struct record *r)
{
        port(b, r);
        if (fmt_is_banner(r))
                banner(b, r);
        else
                status(f, b, r);
}

static void tail(struct out_buf *b, const struct record *r)
{
        if (r->n_names) {
                BUF_LIT(b, ",\"names\":");
                json_names(b, r);
        }
        if (r->has_mac) {
                BUF_LIT(b, ",\"mac\":\"");
                fmt_mac(b, r->mac);
                buf_u8(b, '"');
        }
        BUF_LIT(b, "}\n");
}

static void record(void *st, struct out_buf *b, const struct record *r)
{
        head(st, b, r);
        one(st, b, r);
        tail(b, r);
}

static void host(void *st, struct out_buf *b, const struct record *const *recs, size_t n)
{
        head(st, b, recs[0]);
        BUF_LIT(b, "\"rec_type\":\"host\",\"ports\":[");
        for (size_t i = 0; i < n; i++) {
                buf_put(b, i ? ",{" : "{", i ? 2 : 1);
                one(st, b, recs[i]);
                buf_u8(b, '}');
        }
        buf_u8(b, ']');
        tail(b, recs[0]);
}

static bool whole(struct span line)
{
        return tail_starts(line, "{\"ip\":\"") && tail_ends(line, "}");
}

static int64_t body_end(struct span file, bool *empty)
{
        int64_t end = tail_lines(file, 0, whole, NULL, empty);
        return end > 0 || tail_starts(file, "{\"ip\":\"") ? end : -1;
}

const struct out_ops out_ndjson = {.name = "ndjson",
                                   .ext = "ndjson",
                                   .state_size = sizeof(struct fmt),
                                   .begin = fmt_no_header,
                                   .record = record,
                                   .host = host,
                                   .trailer = fmt_no_trailer,
                                   .body_end = body_end};
