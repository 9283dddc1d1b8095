// SPDX-License-Identifier: Apache-2.0
/*
 * text: the spelling of addresses, times, reasons and foreign bytes. Called by every writer for every record,
 * so it avoids printf and remembers what repeats. Invariant: escapes are decodable: the backslash itself is
 * escaped. References: RFC 5952 (addresses), RFC 8259 §7 (JSON strings).
 */
#include "format.h"
#include <stdio.h>
#include <time.h>

void fmt_ip(struct out_buf *b, const struct ip_addr *ip)
{
        char text[IP_TEXT_MAX];
        if (ip->family != 4) {
                buf_put(b, text, ip_format(text, ip));
                return;
        }
        size_t n = 0;
        for (int shift = 24; shift >= 0; shift -= 8) {
                unsigned v = (unsigned)(ip->lo >> shift) & 255;
                if (v >= 100)
                        text[n++] = (char)('0' + v / 100);
                if (v >= 10)
                        text[n++] = (char)('0' + v / 10 % 10);
                text[n++] = (char)('0' + v % 10);
                if (shift)
                        text[n++] = '.';
        }
        buf_put(b, text, n);
}

void fmt_when(struct fmt *f, struct out_buf *b, const struct record *r)
{
        uint64_t s = r->when_ns / NS_PER_S;
        if (s != f->when_s || !f->when_n) {
                size_t before = b->n;
                buf_dec(b, s);
                if (b->full)
                        return;
                f->when_s = s;
                f->when_n = (uint8_t)(b->n - before);
                memcpy(f->when_text, b->p + before, f->when_n);
                return;
        }
        buf_put(b, f->when_text, f->when_n);
}

struct span fmt_reason(struct fmt *f, const struct record *r)
{
        uint64_t key = (uint64_t)1 << 63 | (uint64_t)r->reporter.family << 48 | (uint64_t)r->who.proto << 40 |
                       (uint64_t)r->who.ip.family << 32 | (uint64_t)r->state << 24 |
                       (uint64_t)r->flags << 16 | (uint64_t)r->icmp_type << 8 | r->icmp_code;
        struct fmt_reason *m = &f->reasons[hash_mix64(key) % FMT_REASONS];
        if (m->key != key) {
                m->key = key;
                m->n = (uint8_t)MIN(result_reason(m->text, sizeof(m->text), r), sizeof(m->text) - 1);
        }
        return span_of(m->text, m->n);
}

void fmt_reason_put(struct fmt *f, struct out_buf *b, const struct record *r)
{
        struct span s = fmt_reason(f, r);
        buf_put(b, s.p, s.n);
}

void fmt_port(struct out_buf *b, const struct record *r)
{
        buf_dec(b, r->who.port);
        buf_u8(b, '/');
        buf_str(b, result_proto_name(r->who.proto));
}

void fmt_app(struct out_buf *b, uint16_t app)
{
        const char *name = result_app_name(app);
        if (name) {
                buf_str(b, name);
                return;
        }
        buf_u8(b, '(');
        buf_dec(b, app);
        buf_u8(b, ')');
}

void fmt_mac(struct out_buf *b, const uint8_t mac[6])
{
        static const char hex[] = "0123456789abcdef";
        char text[18];
        for (int i = 0; i < 6; i++) {
                text[3 * i] = hex[mac[i] >> 4];
                text[3 * i + 1] = hex[mac[i] & 15];
                text[3 * i + 2] = ':';
        }
        buf_put(b, text, 17);
}

void fmt_ms(struct out_buf *b, uint64_t us)
{
        uint64_t part = us % 1000;
        char text[4] = {'.', (char)('0' + part / 100), (char)('0' + part / 10 % 10), (char)('0' + part % 10)};
        buf_dec(b, us / 1000);
        buf_put(b, text, sizeof(text));
}

/* Printable ASCII, without the characters that mean something in XML, JSON, CSV or in our own escapes. */
static bool is_plain(uint8_t c)
{
        return c >= 0x20 && c < 0x7f && c != '<' && c != '>' && c != '&' && c != '\\' && c != '"' &&
               c != '\'';
}

static void escape(struct out_buf *b, struct span s, const char *lead)
{
        static const char hex[] = "0123456789abcdef";
        size_t from = 0, n_lead = strlen(lead);
        for (size_t i = 0; i < s.n; i++) {
                uint8_t c = s.p[i];
                if (is_plain(c))
                        continue;
                buf_put(b, s.p + from, i - from);
                buf_put(b, lead, n_lead);
                buf_u8(b, (uint8_t)hex[c >> 4]);
                buf_u8(b, (uint8_t)hex[c & 15]);
                from = i + 1;
        }
        buf_put(b, s.p + from, s.n - from);
}

void fmt_text(struct out_buf *b, struct span s)
{
        escape(b, s, "\\x");
}

void fmt_json(struct out_buf *b, struct span s)
{
        escape(b, s, "\\u00");
}

void fmt_xml_plain(struct out_buf *b, const char *text)
{
        for (const uint8_t *p = (const uint8_t *)text; *p; p++) {
                if (is_plain(*p) || *p == '\\' || *p == '\'')
                        buf_u8(b, *p);
                else if (*p == '&' || *p == '<' || *p == '>' || *p == '"')
                        buf_fmt(b, "&#%u;", *p);
                else
                        fmt_text(b, span_of(p, 1));
        }
}

void fmt_gmt(struct out_buf *b, uint64_t wall_ns)
{
        static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        time_t t = (time_t)(wall_ns / NS_PER_S);
        struct tm tm;
        gmtime_r(&t, &tm);
        buf_fmt(b, "%s %s %2d %02d:%02d:%02d %d", days[tm.tm_wday % 7], months[tm.tm_mon % 12], tm.tm_mday,
                tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

void fmt_iso(struct out_buf *b, uint64_t wall_ns)
{
        time_t t = (time_t)(wall_ns / NS_PER_S);
        struct tm tm;
        gmtime_r(&t, &tm);
        buf_fmt(b, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                tm.tm_min, tm.tm_sec);
}

bool fmt_same_port(const struct record *a, const struct record *b)
{
        return a->who.proto == b->who.proto && a->who.port == b->who.port;
}

bool fmt_tells_reporter(const struct record *r)
{
        return r->reporter.family && !ip_eq(&r->reporter, &r->who.ip);
}

/* ---- what several formats begin and end with
 * ----------------------------------------------------------------------------------------------------- */
void fmt_initiated(const struct fmt *f, struct out_buf *b)
{
        BUF_LIT(b, "# ");
        buf_str(b, f->run->as_masscan ? "Masscan 1.3.2" : "Trawl " TRAWL_VERSION);
        BUF_LIT(b, " scan initiated ");
        fmt_gmt(b, f->opened_wall_ns);
}

void fmt_done(const void *st, struct out_buf *b, uint64_t now_wall_ns)
{
        const struct fmt *f = st;
        buf_str(b, f->run->as_masscan ? "# Masscan done at " : "# Trawl done at ");
        fmt_gmt(b, now_wall_ns);
        buf_u8(b, '\n');
}

void fmt_hash_masscan(void *st, struct out_buf *b)
{
        (void)st;
        BUF_LIT(b, "#masscan\n");
}

void fmt_hash_end(const void *st, struct out_buf *b, uint64_t now_wall_ns)
{
        (void)st, (void)now_wall_ns;
        BUF_LIT(b, "# end\n");
}

void fmt_setup_services(void *st)
{
        (void)st;
        svc_load();
}

void fmt_no_trailer(const void *st, struct out_buf *b, uint64_t now_wall_ns)
{
        (void)st, (void)b, (void)now_wall_ns;
}

void fmt_no_header(void *st, struct out_buf *b)
{
        (void)st, (void)b;
}

void fmt_no_record(void *st, struct out_buf *b, const struct record *r)
{
        (void)st, (void)b, (void)r;
}
