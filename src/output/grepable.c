// SPDX-License-Identifier: Apache-2.0
/*
 * grepable (-oG): one line per record, masscan's bytes; the name the target was asked by stands in the
 * brackets. Grouped by host: one line per host with nmap's comma list of ports. Invariant: seven
 * slash-separated sub-fields per port: port/state/protocol/owner/service/rpc/version.
 */
#include "format.h"

static void ports_part(struct out_buf *b, const char *what, uint32_t n, const char *list)
{
        buf_str(b, what);
        buf_u8(b, '(');
        buf_dec(b, n);
        buf_u8(b, ';');
        buf_str(b, list ? list : "");
        buf_u8(b, ')');
}

static void begin(void *st, struct out_buf *b)
{
        const struct fmt *f = st;
        fmt_initiated(f, b);
        BUF_LIT(b, "\n# Ports scanned: ");
        ports_part(b, "TCP", f->run->n_tcp, f->run->ports_tcp);
        ports_part(b, " UDP", f->run->n_udp, f->run->ports_udp);
        ports_part(b, " SCTP", f->run->n_sctp, f->run->ports_sctp);
        ports_part(b, " PROTOCOLS", f->run->n_other, f->run->ports_other);
        buf_u8(b, '\n');
}

static void host_part(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "Host: ");
        fmt_ip(b, &r->who.ip);
        BUF_LIT(b, " (");
        if (r->n_names)
                fmt_text(b, span_str(r->names[0]));
        buf_u8(b, ')');
}

static void port_part(struct out_buf *b, const struct record *r)
{
        buf_dec(b, r->who.port);
        buf_u8(b, '/');
        buf_str(b, result_state_name(r->state));
        buf_u8(b, '/');
        buf_str(b, result_proto_name(r->who.proto));
        BUF_LIT(b, "//");
        buf_str(b, svc_name(r->who.port, r->who.proto));
        BUF_LIT(b, "//");
}

static void reason_part(struct fmt *f, struct out_buf *b, const struct record *r)
{
        if (!f->conf->reason)
                return;
        BUF_LIT(b, "\tReason: ");
        fmt_reason_put(f, b, r);
}

static void when_part(struct fmt *f, struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "Timestamp: ");
        fmt_when(f, b, r);
        buf_u8(b, '\t');
}

static void banner(struct out_buf *b, const struct record *r)
{
        host_part(b, r);
        BUF_LIT(b, "\tPort: ");
        buf_dec(b, r->who.port);
        BUF_LIT(b, "\tService: ");
        fmt_app(b, r->app);
        BUF_LIT(b, "\tBanner: ");
        fmt_text(b, r->banner);
        buf_u8(b, '\n');
}

static void record(void *st, struct out_buf *b, const struct record *r)
{
        if (fmt_is_banner(r)) {
                banner(b, r);
                return;
        }
        when_part(st, b, r);
        host_part(b, r);
        BUF_LIT(b, "\tPorts: ");
        port_part(b, r);
        reason_part(st, b, r);
        buf_u8(b, '\n');
}

static void host(void *st, struct out_buf *b, const struct record *const *recs, size_t n)
{
        bool any = false;
        for (size_t i = 0; i < n; i++) {
                if (fmt_is_banner(recs[i]))
                        continue;
                if (!any) {
                        when_part(st, b, recs[i]);
                        host_part(b, recs[i]);
                        BUF_LIT(b, "\tPorts: ");
                } else {
                        BUF_LIT(b, ", ");
                }
                port_part(b, recs[i]);
                any = true;
        }
        if (any)
                buf_u8(b, '\n');
        for (size_t i = 0; i < n; i++)
                if (fmt_is_banner(recs[i]))
                        banner(b, recs[i]);
}

/* The trailer is shorter than the part of a record up to its last mark, so no splice with it looks whole. */
static bool whole(struct span line)
{
        if (tail_starts(line, "Timestamp: "))
                return tail_has(line, "\tPorts: ") &&
                       (tail_ends(line, "//") || tail_has(line, "//\tReason: "));
        return tail_starts(line, "Host: ") && tail_has(line, "\tPort: ") && tail_has(line, "\tBanner: ");
}

static bool ends(struct span line)
{
        return tail_starts(line, "# Masscan ") || tail_starts(line, "# Trawl ") ||
               tail_starts(line, "# Ports ");
}

static int64_t body_end(struct span file, bool *empty)
{
        if (!tail_starts(file, "# Masscan ") && !tail_starts(file, "# Trawl "))
                return -1;
        const uint8_t *first = memchr(file.p, '\n', file.n);
        size_t head = first ? (size_t)(first - file.p) + 1 : file.n;
        if (!tail_starts(span_of(file.p + head, file.n - head), "# Ports scanned: "))
                return -1;
        const uint8_t *second = memchr(file.p + head, '\n', file.n - head);
        if (!second)
                return -1;
        return tail_lines(file, (size_t)(second - file.p) + 1, whole, ends, empty);
}

const struct out_ops out_grepable = {.name = "grepable",
                                     .aliases = "greppable gnmap",
                                     .ext = "gnmap",
                                     .state_size = sizeof(struct fmt),
                                     .setup = fmt_setup_services,
                                     .begin = begin,
                                     .record = record,
                                     .host = host,
                                     .trailer = fmt_done,
                                     .body_end = body_end};
