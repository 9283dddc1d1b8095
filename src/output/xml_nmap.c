// SPDX-License-Identifier: Apache-2.0
/*
 * xml_nmap (--xml nmap): XML valid against nmap's DTD, one <host> with all its ports, for tools that read
 * nmap's files. The DTD knows ip, tcp, udp and sctp ports only: answers of other protocols say that the host
 * is up. Invariant: everything before <runstats> is header and whole hosts. Reference: nmap.dtd.
 */
#include "xml.h"

static void scaninfo(struct out_buf *b, const char *type, const char *proto, uint32_t n, const char *ports)
{
        if (!n)
                return;
        buf_fmt(b, "<scaninfo type=\"%s\" protocol=\"%s\" numservices=\"%u\" services=\"", type, proto, n);
        fmt_xml_plain(b, ports ? ports : "");
        BUF_LIT(b, "\"/>\n");
}

static void begin(void *st, struct out_buf *b)
{
        const struct fmt *f = st;
        BUF_LIT(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>\n");
        xml_stylesheet(b, f->conf, "\n");
        BUF_LIT(b, "<nmaprun scanner=\"nmap\" args=\"");
        fmt_xml_plain(b, f->run->command_line ? f->run->command_line : "");
        BUF_LIT(b, "\" start=\"");
        buf_dec(b, f->opened_wall_ns / NS_PER_S);
        BUF_LIT(b, "\" startstr=\"");
        fmt_gmt(b, f->opened_wall_ns);
        BUF_LIT(b, "\" version=\"trawl " TRAWL_VERSION "\" xmloutputversion=\"1.05\">\n");
        scaninfo(b, "syn", "tcp", f->run->n_tcp, f->run->ports_tcp);
        scaninfo(b, "udp", "udp", f->run->n_udp, f->run->ports_udp);
        scaninfo(b, "sctpinit", "sctp", f->run->n_sctp, f->run->ports_sctp);
        BUF_LIT(b, "<verbose level=\"0\"/>\n<debugging level=\"0\"/>\n");
}

/* nmap calls every RST "reset". */
static void reason(struct fmt *f, struct out_buf *b, const struct record *r)
{
        if (r->who.proto == 6 && r->state == PORT_CLOSED && (r->flags & TCP_RST))
                BUF_LIT(b, "reset");
        else if (fmt_is_banner(r))
                BUF_LIT(b, "response");
        else
                fmt_reason_put(f, b, r);
}

/* The host itself spoke if any state but filtered is known; an ICMP error of a router proves nothing. */
static void status(struct fmt *f, struct out_buf *b, const struct record *const *recs, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (recs[i]->state <= PORT_FILTERED)
                        continue;
                BUF_LIT(b, "<status state=\"up\" reason=\"");
                reason(f, b, recs[i]);
                BUF_LIT(b, "\" reason_ttl=\"");
                buf_dec(b, recs[i]->ttl);
                BUF_LIT(b, "\"/>\n");
                return;
        }
        BUF_LIT(b, "<status state=\"up\" reason=\"user-set\" reason_ttl=\"0\"/>\n");
}

static void names(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "<hostnames>\n");
        for (unsigned i = 0; i < r->n_names; i++) {
                xml_hostname(b, r->names[i]);
                buf_u8(b, '\n');
        }
        BUF_LIT(b, "</hostnames>\n");
}

static void service(struct out_buf *b, const struct record *r)
{
        const char *name = svc_nmap_name(r->who.port, r->who.proto);
        if (!name)
                return;
        BUF_LIT(b, "<service name=\"");
        fmt_xml_plain(b, name);
        BUF_LIT(b, "\" method=\"table\" conf=\"3\"/>");
}

static void banner(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "<script id=\"banner\" output=\"");
        fmt_app(b, r->app);
        BUF_LIT(b, ": ");
        fmt_text(b, r->banner);
        BUF_LIT(b, "\"/>");
}

/* recs[0] is the port's status, or its first banner when no status is known; banners follow. */
static size_t port(struct fmt *f, struct out_buf *b, const struct record *const *recs, size_t n)
{
        const struct record *r = recs[0];
        size_t used = fmt_is_banner(r) ? 0 : 1;
        BUF_LIT(b, "<port protocol=\"");
        buf_str(b, result_proto_name(r->who.proto));
        BUF_LIT(b, "\" portid=\"");
        buf_dec(b, r->who.port);
        BUF_LIT(b, "\"><state state=\"");
        buf_str(b, fmt_is_banner(r) ? "open" : result_state_name(r->state));
        BUF_LIT(b, "\" reason=\"");
        reason(f, b, r);
        BUF_LIT(b, "\" reason_ttl=\"");
        buf_dec(b, r->ttl);
        buf_u8(b, '"');
        xml_reporter(b, r);
        BUF_LIT(b, "/>");
        service(b, r);
        for (; used < n && fmt_same_port(recs[used], r); used++)
                if (fmt_is_banner(recs[used]))
                        banner(b, recs[used]);
        BUF_LIT(b, "</port>\n");
        return used;
}

/* ---- extraports: nmap tells more than 25 closed or filtered ports of a host as one count
 * -------------------------- */
enum { EXTRA_FROM = 26, EXTRA_REASONS_MAX = 64 };

/* Is recs[i] a plain status of this state, without a banner behind it? */
static bool is_extra(const struct record *const *recs, size_t n, size_t i, enum port_state state)
{
        if (recs[i]->state != state || !fmt_has_port(recs[i]))
                return false;
        return i + 1 == n || !fmt_same_port(recs[i], recs[i + 1]);
}

static bool same_reason(const struct record *a, const struct record *b)
{
        return a->who.proto == b->who.proto && a->flags == b->flags && a->icmp_type == b->icmp_type &&
               a->icmp_code == b->icmp_code;
}

/* The ports that share the reason of recs[first], as "1-79,81"; returns how many. */
static size_t extra_ports(struct out_buf *b, const struct record *const *recs, size_t n, size_t first)
{
        enum port_state state = recs[first]->state;
        size_t count = 0;
        uint32_t from = 0, to = 0;
        for (size_t i = first; i <= n; i++) {
                bool in = i < n && is_extra(recs, n, i, state) && same_reason(recs[first], recs[i]);
                if (i < n && !in)
                        continue;
                if (i < n && count && recs[i]->who.port == to + 1) {
                        to++;
                        count++;
                        continue;
                }
                if (count) {
                        buf_dec(b, from);
                        buf_put(b, "-", to > from ? 1 : 0);
                        if (to > from)
                                buf_dec(b, to);
                        buf_put(b, ",", i < n ? 1 : 0);
                }
                if (i < n) {
                        from = to = recs[i]->who.port;
                        count++;
                }
        }
        return count;
}

/* Has no earlier one of `seen` the reason of r? Remembers it; beyond the room for it, reasons are not told
 * apart. */
static bool is_new_reason(const struct record *seen[EXTRA_REASONS_MAX], size_t *n_seen,
                          const struct record *r)
{
        for (size_t k = 0; k < *n_seen; k++)
                if (same_reason(seen[k], r))
                        return false;
        if (*n_seen == EXTRA_REASONS_MAX)
                return false;
        seen[(*n_seen)++] = r;
        return true;
}

static void extra_reasons(struct fmt *f, struct out_buf *b, const struct record *const *recs, size_t n,
                          enum port_state state)
{
        const struct record *seen[EXTRA_REASONS_MAX];
        size_t n_seen = 0;
        struct out_buf list;
        buf_init(&list, 1 << 20);
        for (size_t i = 0; i < n; i++) {
                if (!is_extra(recs, n, i, state) || !is_new_reason(seen, &n_seen, recs[i]))
                        continue;
                list.n = 0;
                size_t count = extra_ports(&list, recs, n, i);
                BUF_LIT(b, "<extrareasons reason=\"");
                reason(f, b, recs[i]);
                BUF_LIT(b, "\" count=\"");
                buf_dec(b, count);
                BUF_LIT(b, "\" proto=\"");
                buf_str(b, result_proto_name(recs[i]->who.proto));
                BUF_LIT(b, "\" ports=\"");
                buf_put(b, list.p, list.n);
                BUF_LIT(b, "\"/>\n");
        }
        b->full |= list.full;
        buf_free(&list);
}

static bool extras(struct fmt *f, struct out_buf *b, const struct record *const *recs, size_t n,
                   enum port_state state)
{
        size_t count = 0;
        for (size_t i = 0; i < n; i++)
                count += is_extra(recs, n, i, state);
        if (count < EXTRA_FROM)
                return false;
        BUF_LIT(b, "<extraports state=\"");
        buf_str(b, result_state_name(state));
        BUF_LIT(b, "\" count=\"");
        buf_dec(b, count);
        BUF_LIT(b, "\">\n");
        extra_reasons(f, b, recs, n, state);
        BUF_LIT(b, "</extraports>\n");
        return true;
}

static void ports(struct fmt *f, struct out_buf *b, const struct record *const *recs, size_t n)
{
        BUF_LIT(b, "<ports>");
        bool closed = extras(f, b, recs, n, PORT_CLOSED), filtered = extras(f, b, recs, n, PORT_FILTERED);
        for (size_t i = 0; i < n;) {
                if (!fmt_has_port(recs[i]) || (closed && is_extra(recs, n, i, PORT_CLOSED)) ||
                    (filtered && is_extra(recs, n, i, PORT_FILTERED)))
                        i++;
                else
                        i += port(f, b, recs + i, n - i);
        }
        BUF_LIT(b, "</ports>\n");
}

/* Mean and mean deviation of what was measured; the time-out of RFC 6298 §2.3 from the two. */
static void times(struct out_buf *b, const struct record *const *recs, size_t n)
{
        uint64_t sum = 0, dev = 0, known = 0;
        for (size_t i = 0; i < n; i++) {
                sum += recs[i]->rtt_us;
                known += recs[i]->rtt_us != 0;
        }
        if (!known)
                return;
        uint64_t mean = sum / known;
        for (size_t i = 0; i < n; i++)
                if (recs[i]->rtt_us)
                        dev += recs[i]->rtt_us > mean ? recs[i]->rtt_us - mean : mean - recs[i]->rtt_us;
        dev = known > 1 ? dev / known : mean / 2;
        BUF_LIT(b, "<times srtt=\"");
        buf_dec(b, mean);
        BUF_LIT(b, "\" rttvar=\"");
        buf_dec(b, dev);
        BUF_LIT(b, "\" to=\"");
        buf_dec(b, mean + 4 * dev);
        BUF_LIT(b, "\"/>\n");
}

static void host(void *st, struct out_buf *b, const struct record *const *recs, size_t n)
{
        struct fmt *f = st;
        uint64_t first = UINT64_MAX, last = 0;
        for (size_t i = 0; i < n; i++) {
                first = MIN(first, recs[i]->when_ns / NS_PER_S);
                last = MAX(last, recs[i]->when_ns / NS_PER_S);
        }
        BUF_LIT(b, "<host starttime=\"");
        buf_dec(b, first);
        BUF_LIT(b, "\" endtime=\"");
        buf_dec(b, last);
        BUF_LIT(b, "\">");
        status(f, b, recs, n);
        xml_address(b, recs[0]);
        buf_u8(b, '\n');
        names(b, recs[0]);
        ports(f, b, recs, n);
        times(b, recs, n);
        BUF_LIT(b, "</host>\n");
}

static void trailer(const void *st, struct out_buf *b, uint64_t now_wall_ns)
{
        const struct fmt *f = st;
        uint64_t took = now_wall_ns > f->opened_wall_ns ? now_wall_ns - f->opened_wall_ns : 0;
        BUF_LIT(b, "<runstats><finished time=\"");
        buf_dec(b, now_wall_ns / NS_PER_S);
        BUF_LIT(b, "\" timestr=\"");
        fmt_gmt(b, now_wall_ns);
        BUF_LIT(b, "\" elapsed=\"");
        buf_dec(b, took / NS_PER_S);
        buf_fmt(b, ".%02u\" summary=\"trawl done: ", (unsigned)(took / (10 * NS_PER_MS) % 100));
        buf_dec(b, f->items);
        BUF_LIT(b, " hosts answered\" exit=\"success\"/><hosts up=\"");
        buf_dec(b, f->items);
        BUF_LIT(b, "\" down=\"0\" total=\"");
        buf_dec(b, f->items);
        BUF_LIT(b, "\"/>\n</runstats>\n</nmaprun>\n");
}

static int64_t body_end(struct span file, bool *empty)
{
        return xml_body_end(file, "<nmaprun scanner=\"nmap\"", "<debugging ", empty);
}

static void recount(void *st, struct span body)
{
        struct fmt *f = st;
        f->items = xml_count(body, "</host>");
}

const struct out_ops out_xml_nmap = {.name = "xml-nmap",
                                     .ext = "xml",
                                     .state_size = sizeof(struct fmt),
                                     .grouped = true,
                                     .setup = fmt_setup_services,
                                     .begin = begin,
                                     .record = fmt_no_record,
                                     .host = host,
                                     .trailer = trailer,
                                     .body_end = body_end,
                                     .recount = recount};
