// SPDX-License-Identifier: Apache-2.0
/*
 * list (-oL): one line per record, masscan's bytes: "open tcp 80 10.0.0.1 1795219432", "banner tcp 80 ADDR
 * TIME APP TEXT". With --reason a status line ends with the reason. Grouped by host: "ADDR (NAMES) PORT/PROTO
 * …". Invariant: one record is one line, whatever the banner holds.
 */
#include "format.h"

static void record(void *st, struct out_buf *b, const struct record *r)
{
        struct fmt *f = st;
        buf_str(b, fmt_is_banner(r) ? "banner" : result_state_name(r->state));
        buf_u8(b, ' ');
        buf_str(b, result_proto_name(r->who.proto));
        buf_u8(b, ' ');
        buf_dec(b, r->who.port);
        buf_u8(b, ' ');
        fmt_ip(b, &r->who.ip);
        buf_u8(b, ' ');
        fmt_when(f, b, r);
        if (fmt_is_banner(r)) {
                buf_u8(b, ' ');
                fmt_app(b, r->app);
                buf_u8(b, ' ');
                fmt_text(b, r->banner);
        } else if (f->conf->reason) {
                buf_u8(b, ' ');
                fmt_reason_put(f, b, r);
        }
        buf_u8(b, '\n');
}

static void host(void *st, struct out_buf *b, const struct record *const *recs, size_t n)
{
        (void)st;
        fmt_ip(b, &recs[0]->who.ip);
        for (unsigned i = 0; i < recs[0]->n_names; i++) {
                buf_put(b, i ? "," : " (", i ? 1 : 2);
                fmt_text(b, span_str(recs[0]->names[i]));
        }
        if (recs[0]->n_names)
                buf_u8(b, ')');
        for (size_t i = 0; i < n; i++) {
                if (fmt_is_banner(recs[i]))
                        continue;
                buf_u8(b, ' ');
                fmt_port(b, recs[i]);
                if (recs[i]->state != PORT_OPEN) {
                        buf_u8(b, '/');
                        buf_str(b, result_state_name(recs[i]->state));
                }
        }
        buf_u8(b, '\n');
}

static size_t word(struct span *s)
{
        const uint8_t *blank = s->n ? memchr(s->p, ' ', s->n) : NULL;
        size_t n = blank ? (size_t)(blank - s->p) : s->n, step = blank ? n + 1 : n;
        *s = span_of(s->p + step, s->n - step);
        return n;
}

static bool is_number(const uint8_t *p, size_t n, uint64_t most)
{
        uint64_t v = 0;
        for (size_t i = 0; i < n && i < 12; i++)
                v = p[i] >= '0' && p[i] <= '9' ? v * 10 + (uint64_t)(p[i] - '0') : most + 1;
        return n > 0 && n < 12 && v <= most;
}

static bool whole_host(struct span line)
{
        struct ip_addr ip;
        const uint8_t *p = line.p;
        size_t n = word(&line);
        return line.n && ip_parse(&ip, (const char *)p, n) == 0 && tail_has(line, "/");
}

/* STATE PROTO PORT ADDRESS TIME, and whatever follows. The time has ten digits since 2001, so that a line
 * that was torn inside it is not taken for whole. */
static bool whole(struct span line)
{
        struct ip_addr ip;
        struct span rest = line;
        if (word(&rest) == 0 || word(&rest) == 0)
                return false;
        const uint8_t *port = rest.p;
        size_t n_port = word(&rest);
        const uint8_t *addr = rest.p;
        size_t n_addr = word(&rest);
        const uint8_t *when = rest.p;
        size_t n_when = word(&rest);
        if (whole_host(line))
                return true;
        return is_number(port, n_port, 65535) && ip_parse(&ip, (const char *)addr, n_addr) == 0 &&
               n_when == 10 && is_number(when, n_when, UINT32_MAX);
}

/* unicornscan files begin alike: their first record tells. */
static int64_t body_end(struct span file, bool *empty)
{
        if (!tail_starts(file, "#masscan\n"))
                return -1;
        struct span rest = span_of(file.p + 9, file.n - 9);
        if (tail_starts(rest, "TCP ") || tail_starts(rest, "Host: "))
                return -1;
        return tail_lines(file, 9, whole, tail_hash_line, empty);
}

const struct out_ops out_list = {.name = "list",
                                 .ext = "txt",
                                 .state_size = sizeof(struct fmt),
                                 .begin = fmt_hash_masscan,
                                 .record = record,
                                 .host = host,
                                 .trailer = fmt_hash_end,
                                 .body_end = body_end};
