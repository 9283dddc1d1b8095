// SPDX-License-Identifier: Apache-2.0
/*
 * trace: --packet-trace, one line on stdout per frame, of every protocol, in both directions:
 *
 *   SENT (1.1246) TCP  [198.51.100.1]:40190  > [10.83.7.1]:9         SYN
 *
 * seconds since the start; addresses padded to 21; ICMP has type and code where others have ports. Lines of
 * all threads go through stdio, in the order of time; they are flushed when the receiver is idle. Invariant:
 * a frame is looked at and never changed.
 */
#include "io_priv.h"
#include <inttypes.h>
#include <stdio.h>

enum { UDP = 17, SCTP = 132 };

struct trace {
        struct tap tap;
        uint64_t start_ns;
        uint64_t flushed_ns;
};
static const uint64_t FLUSH_NS = 20 * NS_PER_MS;

static void flags_text(struct wr *w, uint8_t flags)
{
        static const struct {
                uint8_t bit;
                const char *name;
        } names[] = {{TCP_SYN, "SYN"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"},
                     {TCP_PSH, "PSH"}, {TCP_URG, "URG"}, {TCP_ACK, "ACK"}};
        const char *joint = "";
        for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
                if (!(flags & names[i].bit))
                        continue;
                wr_str(w, joint);
                wr_str(w, names[i].name);
                joint = "-";
        }
}

static void sctp_text(struct wr *w, const struct pkt *p)
{
        static const char *const chunks[] = {"DATA",         "INIT",          "INIT-ACK",    "SACK",
                                             "HEARTBEAT",    "HEARTBEAT-ACK", "ABORT",       "SHUTDOWN",
                                             "SHUTDOWN-ACK", "ERROR",         "COOKIE-ECHO", "COOKIE-ACK"};
        struct rd r = rd_of(p->l4);
        rd_skip(&r, 12);
        uint8_t chunk = rd_u8(&r);
        if (!r.bad && chunk < ARRAY_LEN(chunks))
                wr_str(w, chunks[chunk]);
}

struct line { /* what is printed of a frame */
        const char *kind;
        struct ip_addr from, to;
        bool ports;
        unsigned sport, dport;
        char detail[48];
};

static void describe_ports(struct line *l, const struct pkt *p, struct wr *w)
{
        struct rd r = rd_of(p->l4);
        l->sport = rd_be16(&r);
        l->dport = rd_be16(&r);
        l->ports = !r.bad;
        if (p->proto == SCTP)
                sctp_text(w, p);
        else if (p->kind == WIRE_TCP && p->payload.n)
                wr_fmt(w, "%zu-bytes", p->payload.n);
        else if (p->kind == WIRE_TCP)
                flags_text(w, p->tcp_flags);
        else if (p->proto == UDP && p->l4.n > 8)
                wr_fmt(w, "%zu-bytes", p->l4.n - 8);
}

static void describe(struct line *l, const struct pkt *p)
{
        struct wr w = wr_of(l->detail, sizeof(l->detail) - 1);
        l->from = p->src;
        l->to = p->dst;
        switch (p->kind) {
        case WIRE_ARP:
                l->kind = "ARP";
                /* An ARP packet has no destination but the address it asks for. */
                l->to = p->neigh_request ? p->neigh_ip : p->dst;
                wr_str(&w, p->neigh_request ? "request" : "reply");
                break;
        case WIRE_NDP:
                l->kind = "NDP";
                wr_str(&w, p->neigh_request ? "request" : "reply");
                break;
        case WIRE_ICMP:
                l->kind = "ICMP";
                l->ports = true;
                l->sport = p->icmp_type;
                l->dport = p->icmp_code;
                break;
        case WIRE_TCP:
                l->kind = "TCP";
                describe_ports(l, p, &w);
                break;
        case WIRE_OTHER:
                l->kind = p->proto == UDP ? "UDP" : p->proto == SCTP ? "SCTP" : "UNK";
                if (p->proto == UDP || p->proto == SCTP)
                        describe_ports(l, p, &w);
                else
                        wr_fmt(&w, "[%u]", p->proto);
                break;
        }
        l->detail[wr_len(&w)] = 0;
}

static void endpoint(char *out, size_t cap, const struct ip_addr *ip, bool ports, unsigned port)
{
        char text[IP_TEXT_MAX];
        ip_format(text, ip);
        if (ports)
                snprintf(out, cap, "[%s]:%u", text, port);
        else
                snprintf(out, cap, "[%s]", text);
}

static void print_frame(const struct trace *t, const char *what, const struct frame *f, uint64_t now)
{
        struct pkt p;
        struct line l = {.kind = "UNK"};
        char from[IP_TEXT_MAX + 16] = "[-]", to[IP_TEXT_MAX + 16] = "[-]";
        double seconds = now > t->start_ns ? (double)(now - t->start_ns) / 1e9 : 0;
        enum wire_drop drop = wire_decode(&p, span_of(f->data, f->len), t->tap.inner.caps.link, true, 0);
        if (drop == WIRE_OK)
                describe(&l, &p);
        else
                snprintf(l.detail, sizeof(l.detail), "%" PRIu32 "-bytes %s", f->len,
                         drop == WIRE_FRAGMENT ? "fragment"
                         : drop == WIRE_SHORT  ? "truncated"
                         : drop == WIRE_BADSUM ? "bad-checksum"
                                               : "unknown");
        if (l.from.family)
                endpoint(from, sizeof(from), &l.from, l.ports, l.sport);
        if (l.to.family)
                endpoint(to, sizeof(to), &l.to, l.ports, l.dport);
        printf("%s (%.4f) %-4s %-21s > %-21s %s\n", what, seconds, l.kind, from, to, l.detail);
}

static void flush_sometimes(struct trace *t, uint64_t now)
{
        if (now - t->flushed_ns < FLUSH_NS)
                return;
        t->flushed_ns = now;
        fflush(stdout);
}

static void trace_commit(void *st, const struct frame *f, unsigned n)
{
        struct trace *t = st;
        uint64_t now = clock_mono_ns();
        for (unsigned i = 0; i < n; i++)
                print_frame(t, "SENT", &f[i], now);
        flush_sometimes(t, now);
        io_tx_commit(&t->tap.inner, f, n);
}

static unsigned trace_burst(void *st, struct frame *f, unsigned n)
{
        struct trace *t = st;
        unsigned got = io_rx_burst(&t->tap.inner, f, n);
        for (unsigned i = 0; i < got; i++)
                if (!f[i].outgoing)
                        print_frame(t, "RCVD", &f[i], f[i].stamp_ns);
        return got;
}

static bool trace_wait(void *st, uint64_t until_mono_ns)
{
        struct trace *t = st;
        flush_sometimes(t, clock_mono_ns());
        return io_rx_wait(&t->tap.inner, until_mono_ns);
}

static void trace_close(void *st)
{
        fflush(stdout);
        tap_close(st);
}

int io_wrap_trace(struct io *io, uint64_t start_mono_ns, struct err *e)
{
        static const struct io_ops functions = {
                .name = "trace",
                .state_size = sizeof(struct trace),
                .close = trace_close,
                .stats = tap_stats,
                .tx_reserve = tap_tx_reserve,
                .tx_commit = trace_commit,
                .tx_kick = tap_tx_kick,
                .rx_burst = trace_burst,
                .rx_done = tap_rx_done,
                .rx_wait = trace_wait,
        };
        struct trace *t = tap_wrap(io, &functions, e);
        if (!t)
                return -1;
        t->start_ns = start_mono_ns;
        return 0;
}
