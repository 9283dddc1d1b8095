// SPDX-License-Identifier: Apache-2.0
/*
 * xml (-oX): masscan's dialect, CR LF line ends, one <host> per record (grouped: per host). Told better than
 * there: addrtype of IPv6, elapsed, names, MAC, who sent an ICMP error. Invariant: the trailer counts the TCP
 * records of this file. Reference: XML 1.0, fifth edition.
 */
#include "xml.h"
#include <time.h>

void xml_stylesheet(struct out_buf *b, const struct out_conf *c, const char *newline)
{
        if (!c->stylesheet || !*c->stylesheet)
                return;
        BUF_LIT(b, "<?xml-stylesheet href=\"");
        fmt_xml_plain(b, c->stylesheet);
        BUF_LIT(b, "\" type=\"text/xsl\"?>");
        buf_str(b, newline);
}

void xml_address(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "<address addr=\"");
        fmt_ip(b, &r->who.ip);
        buf_str(b, r->who.ip.family == 6 ? "\" addrtype=\"ipv6\"/>" : "\" addrtype=\"ipv4\"/>");
        if (!r->has_mac)
                return;
        BUF_LIT(b, "<address addr=\"");
        fmt_mac(b, r->mac);
        BUF_LIT(b, "\" addrtype=\"mac\"/>");
}

void xml_hostname(struct out_buf *b, const char *name)
{
        BUF_LIT(b, "<hostname name=\"");
        fmt_text(b, span_str(name));
        BUF_LIT(b, "\" type=\"user\"/>");
}

void xml_reporter(struct out_buf *b, const struct record *r)
{
        if (!fmt_tells_reporter(r))
                return;
        BUF_LIT(b, " reason_ip=\"");
        fmt_ip(b, &r->reporter);
        buf_u8(b, '"');
}

int64_t xml_body_end(struct span file, const char *root, const char *head_mark, bool *empty)
{
        struct span start = span_of(file.p, MIN(file.n, (size_t)65536));
        if (!tail_starts(file, "<?xml ") || !tail_has(start, root))
                return -1;
        int64_t at = tail_find(file, file.n, "</host>");
        *empty = at < 0;
        if (at >= 0) { /* the line end may be torn off */
                size_t end = (size_t)at + 7;
                struct span rest = span_of(file.p + end, file.n - end);
                return (int64_t)(end + (tail_starts(rest, "\r\n") ? 2U : tail_starts(rest, "\n") ? 1U : 0));
        }
        const uint8_t *mark = memmem(start.p, start.n, head_mark, strlen(head_mark));
        const uint8_t *nl = mark ? memchr(mark, '\n', file.n - (size_t)(mark - file.p)) : NULL;
        return nl ? nl - file.p + 1 : -1;
}

static void begin(void *st, struct out_buf *b)
{
        const struct fmt *f = st;
        BUF_LIT(b, "<?xml version=\"1.0\"?>\r\n<!-- masscan v1.0 scan -->\r\n");
        xml_stylesheet(b, f->conf, "\r\n");
        BUF_LIT(b, "<nmaprun scanner=\"masscan\" start=\"");
        buf_dec(b, f->opened_wall_ns / NS_PER_S);
        BUF_LIT(b, "\" version=\"1.0-BETA\"  xmloutputversion=\"1.03\">\r\n"
                   "<scaninfo type=\"syn\" protocol=\"tcp\" />\r\n");
}

static void status(struct fmt *f, struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "<state state=\"");
        buf_str(b, result_state_name(r->state));
        BUF_LIT(b, "\" reason=\"");
        fmt_reason_put(f, b, r);
        BUF_LIT(b, "\" reason_ttl=\"");
        buf_dec(b, r->ttl);
        buf_u8(b, '"');
        xml_reporter(b, r);
        BUF_LIT(b, "/></port>");
}

static void banner(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "<state state=\"open\" reason=\"response\" reason_ttl=\"");
        buf_dec(b, r->ttl);
        BUF_LIT(b, "\" /><service name=\"");
        fmt_app(b, r->app);
        BUF_LIT(b, "\" banner=\"");
        fmt_text(b, r->banner);
        BUF_LIT(b, "\"></service></port>");
}

static void names(struct out_buf *b, const struct record *r)
{
        if (!r->n_names)
                return;
        BUF_LIT(b, "<hostnames>");
        for (unsigned i = 0; i < r->n_names; i++)
                xml_hostname(b, r->names[i]);
        BUF_LIT(b, "</hostnames>");
}

static void host(void *st, struct out_buf *b, const struct record *const *recs, size_t n)
{
        struct fmt *f = st;
        BUF_LIT(b, "<host endtime=\"");
        fmt_when(f, b, recs[0]);
        BUF_LIT(b, "\">");
        xml_address(b, recs[0]);
        names(b, recs[0]);
        BUF_LIT(b, "<ports>");
        for (size_t i = 0; i < n; i++) {
                BUF_LIT(b, "<port protocol=\"");
                buf_str(b, result_proto_name(recs[i]->who.proto));
                BUF_LIT(b, "\" portid=\"");
                buf_dec(b, recs[i]->who.port);
                BUF_LIT(b, "\">");
                if (fmt_is_banner(recs[i]))
                        banner(b, recs[i]);
                else
                        status(f, b, recs[i]);
        }
        BUF_LIT(b, "</ports></host>\r\n");
}

static void record(void *st, struct out_buf *b, const struct record *r)
{
        host(st, b, &r, 1);
}

static void trailer(const void *st, struct out_buf *b, uint64_t now_wall_ns)
{
        const struct fmt *f = st;
        uint64_t now_s = now_wall_ns / NS_PER_S, opened_s = f->opened_wall_ns / NS_PER_S;
        time_t t = (time_t)now_s;
        struct tm tm;
        localtime_r(&t, &tm);
        BUF_LIT(b, "<runstats>\r\n<finished time=\"");
        buf_dec(b, now_s);
        buf_fmt(b, "\" timestr=\"%04d-%02d-%02d %02d:%02d:%02d\" elapsed=\"", tm.tm_year + 1900,
                tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        buf_dec(b, now_s > opened_s ? now_s - opened_s : 0);
        BUF_LIT(b, "\" />\r\n<hosts up=\"");
        buf_dec(b, f->tcp_open);
        BUF_LIT(b, "\" down=\"");
        buf_dec(b, f->tcp_closed);
        BUF_LIT(b, "\" total=\"");
        buf_dec(b, f->tcp_open + f->tcp_closed);
        BUF_LIT(b, "\" />\r\n</runstats>\r\n</nmaprun>\r\n");
}

static int64_t body_end(struct span file, bool *empty)
{
        return xml_body_end(file, "<nmaprun scanner=\"masscan\"", "<scaninfo ", empty);
}

uint64_t xml_count(struct span s, const char *needle)
{
        uint64_t n = 0;
        size_t len = strlen(needle);
        while (s.n >= len) {
                const uint8_t *hit = memmem(s.p, s.n, needle, len);
                if (!hit)
                        break;
                size_t used = (size_t)(hit - s.p) + len;
                s = span_of(s.p + used, s.n - used);
                n++;
        }
        return n;
}

/* Ports whose status is told, and TCP: a banner's state has the reason first known to be "response". */
static void recount(void *st, struct span body)
{
        struct fmt *f = st;
        f->items = xml_count(body, "<host ");
        f->tcp_open = f->tcp_closed = 0;
        for (struct span left = body; left.n;) {
                const uint8_t *hit = memmem(left.p, left.n, "<port protocol=\"tcp\"", 20);
                if (!hit)
                        return;
                size_t at = (size_t)(hit - left.p) + 20, rest = left.n - at;
                struct span one = span_of(left.p + at, MIN(rest, (size_t)96));
                if (tail_has(one, "state=\"open\" reason=\"") && !tail_has(one, "reason=\"response\""))
                        f->tcp_open++;
                if (tail_has(one, "state=\"closed\""))
                        f->tcp_closed++;
                left = span_of(left.p + at, rest);
        }
}

const struct out_ops out_xml = {.name = "xml",
                                .ext = "xml",
                                .state_size = sizeof(struct fmt),
                                .begin = begin,
                                .record = record,
                                .host = host,
                                .trailer = trailer,
                                .body_end = body_end,
                                .recount = recount};
