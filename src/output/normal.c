// SPDX-License-Identifier: Apache-2.0
/*
 * normal (-oN): text for people, a block per host, a line per port, banners under their port. The layout is
 * our own. Invariant: a host's block ends with an empty line, and no line inside it is empty.
 */
#include "format.h"

static void begin(void *st, struct out_buf *b)
{
        const struct fmt *f = st;
        fmt_initiated(f, b);
        BUF_LIT(b, " as: ");
        fmt_text(b, span_str(f->run->command_line ? f->run->command_line : ""));
        BUF_LIT(b, "\n\n");
}

static void pad_to(struct out_buf *b, size_t start, size_t column)
{
        do
                buf_u8(b, ' ');
        while (b->n - start < column && !b->full);
}

static void columns(struct out_buf *b)
{
        BUF_LIT(b, "PORT       STATE     SERVICE          TTL  RTT         REASON\n");
}

static void port(struct fmt *f, struct out_buf *b, const struct record *r)
{
        size_t start = b->n;
        fmt_port(b, r);
        pad_to(b, start, 11);
        buf_str(b, result_state_name(r->state));
        pad_to(b, start, 21);
        buf_str(b, svc_name(r->who.port, r->who.proto));
        pad_to(b, start, 38);
        buf_dec(b, r->ttl);
        pad_to(b, start, 43);
        if (r->rtt_us) {
                fmt_ms(b, r->rtt_us);
                BUF_LIT(b, " ms");
        } else {
                buf_u8(b, '-');
        }
        pad_to(b, start, 55);
        fmt_reason_put(f, b, r);
        if (fmt_tells_reporter(r)) {
                BUF_LIT(b, " from ");
                fmt_ip(b, &r->reporter);
        }
        buf_u8(b, '\n');
}

static void banner(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "| ");
        fmt_port(b, r);
        buf_u8(b, ' ');
        fmt_app(b, r->app);
        BUF_LIT(b, ": ");
        fmt_text(b, r->banner);
        buf_u8(b, '\n');
}

static void title(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "Host ");
        fmt_ip(b, &r->who.ip);
        for (unsigned i = 0; i < r->n_names; i++) {
                buf_put(b, i ? ", " : " (", 2);
                fmt_text(b, span_str(r->names[i]));
        }
        if (r->n_names)
                buf_u8(b, ')');
        if (r->has_mac) {
                BUF_LIT(b, " at ");
                fmt_mac(b, r->mac);
        }
        buf_u8(b, '\n');
}

static void host(void *st, struct out_buf *b, const struct record *const *recs, size_t n)
{
        title(b, recs[0]);
        columns(b);
        for (size_t i = 0; i < n; i++) {
                if (fmt_is_banner(recs[i]))
                        banner(b, recs[i]);
                else
                        port(st, b, recs[i]);
        }
        buf_u8(b, '\n');
}

static int64_t body_end(struct span file, bool *empty)
{
        if ((!tail_starts(file, "# Trawl ") && !tail_starts(file, "# Masscan ")) || file.n < 16)
                return -1;
        const uint8_t *nl = memchr(file.p, '\n', file.n);
        struct span first = span_of(file.p, nl ? (size_t)(nl - file.p) : file.n);
        if (!nl || !tail_has(first, " as: ") || nl + 1 == file.p + file.n || nl[1] != '\n')
                return -1;
        int64_t last = tail_find(file, file.n, "\n\n");
        *empty = last == nl - file.p;
        return last + 2;
}

const struct out_ops out_normal = {.name = "normal",
                                   .aliases = "text nmap",
                                   .ext = "nmap",
                                   .state_size = sizeof(struct fmt),
                                   .grouped = true,
                                   .setup = fmt_setup_services,
                                   .begin = begin,
                                   .record = fmt_no_record,
                                   .host = host,
                                   .trailer = fmt_done,
                                   .body_end = body_end};
