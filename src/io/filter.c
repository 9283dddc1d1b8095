// SPDX-License-Identifier: Apache-2.0
/*
 * filter: writes the receive filter as a classic BPF program: ARP, neighbour discovery, ICMP to us, and TCP
 * to our addresses and ports, IPv4 and IPv6; a user's pcap filter is put in front. Set-up only. Invariant: it
 * may let too much through (everything is checked again above), never too little. Reference: Linux
 * Documentation/networking/filter.rst; field offsets: RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1.
 */
#include "io_priv.h"
#include <errno.h>
#include <linux/filter.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#ifdef HAVE_PCAP
#include "pcap_rx.h"
#include <pcap/pcap.h>
#endif

enum { ALL = 0x40000, LABELS_MAX = 32, MY_MAX = 3900 };

/* A jump whose target comes later stands in a list until the target is known. */
struct later {
        unsigned at[LABELS_MAX];
        unsigned n;
};
struct emit {
        struct sock_filter *ins;
        unsigned n;
        bool full;
};

static unsigned put(struct emit *a, unsigned code, uint32_t k, unsigned jt, unsigned jf)
{
        if (a->n >= MY_MAX) {
                a->full = true;
                return 0;
        }
        a->ins[a->n] = (struct sock_filter){(uint16_t)code, (uint8_t)jt, (uint8_t)jf, k};
        return a->n++;
}

static void ret(struct emit *a, uint32_t k)
{
        put(a, BPF_RET | BPF_K, k, 0, 0);
}

static void load(struct emit *a, unsigned size, uint32_t offset)
{
        put(a, BPF_LD | size | BPF_ABS, offset, 0, 0);
}

/* "If the test holds, go to `to`" by way of an unconditional jump, whose reach is not limited to 255. */
static void go_if(struct emit *a, unsigned test, uint32_t k, struct later *to)
{
        put(a, BPF_JMP | test | BPF_K, k, 0, 1);
        assert(to->n < LABELS_MAX);
        to->at[to->n++] = put(a, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void go_unless(struct emit *a, unsigned test, uint32_t k, struct later *to)
{
        put(a, BPF_JMP | test | BPF_K, k, 1, 0);
        assert(to->n < LABELS_MAX);
        to->at[to->n++] = put(a, BPF_JMP | BPF_JA, 0, 0, 0);
}

static void land(struct emit *a, struct later *l)
{
        for (unsigned i = 0; i < l->n && !a->full; i++)
                a->ins[l->at[i]].k = a->n - l->at[i] - 1;
        l->n = 0;
}

/* The 128-bit address at `offset` is at least (or: at most) `bound`, word by word from the top; else go to
 * `no`. */
static void bound6(struct emit *a, uint32_t offset, const uint8_t bound[16], bool at_least, struct later *no)
{
        struct later inside = {.n = 0};
        for (unsigned w = 0; w < 4; w++) {
                uint32_t k = get_be32(bound + 4 * w);
                load(a, BPF_W, offset + 4 * w);
                if (at_least) {
                        go_if(a, BPF_JGT, k, &inside);
                        go_unless(a, BPF_JEQ, k, no);
                } else {
                        go_unless(a, BPF_JGE, k, &inside);
                        go_unless(a, BPF_JEQ, k, no);
                }
        }
        land(a, &inside);
}

static void match_address(struct emit *a, const struct io_span *s, uint32_t l3, struct later *no)
{
        uint8_t first[16], last[16];
        if (s->first.family == 4) {
                load(a, BPF_W, l3 + 16);
                go_unless(a, BPF_JGE, (uint32_t)s->first.lo, no);
                go_if(a, BPF_JGT, (uint32_t)s->last.lo, no);
                return;
        }
        ip_to_bytes(&s->first, first);
        ip_to_bytes(&s->last, last);
        bound6(a, l3 + 24, first, true, no);
        bound6(a, l3 + 24, last, false, no);
}

/* X holds the length of the IP header; the TCP destination port stands at l3 + X + 2. */
static void match_port(struct emit *a, const struct io_span *s, uint32_t l3, struct later *no)
{
        if (s->port_first == 0 && s->port_last == 65535)
                return;
        put(a, BPF_LD | BPF_H | BPF_IND, l3 + 2, 0, 0);
        go_unless(a, BPF_JGE, s->port_first, no);
        go_if(a, BPF_JGT, s->port_last, no);
}

/* Accept what is addressed to one of our spans of this family, drop the rest. */
static void match_spans(struct emit *a, const struct io_conf *c, uint8_t family, uint32_t l3, bool ports)
{
        for (unsigned i = 0; i < c->n_ours && !a->full; i++) {
                struct later no = {.n = 0};
                if (c->ours[i].first.family != family)
                        continue;
                match_address(a, &c->ours[i], l3, &no);
                if (ports)
                        match_port(a, &c->ours[i], l3, &no);
                ret(a, ALL);
                land(a, &no);
        }
        ret(a, 0);
}

static void match_v4(struct emit *a, const struct io_conf *c, uint32_t l3)
{
        struct later plain = {.n = 0};
        if (!c->all_protocols) {
                load(a, BPF_B, l3 + 9);
                go_unless(a, BPF_JEQ, IPPROTO_TCP, &plain);
                load(a, BPF_H, l3 + 6);
                put(a, BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 0, 1); /* a later fragment has no ports: */
                ret(a, 0);                                        /* nobody above would put it together */
                put(a, BPF_LDX | BPF_B | BPF_MSH, l3, 0, 0);
                match_spans(a, c, 4, l3, true);
                land(a, &plain);
                load(a, BPF_B, l3 + 9);
                put(a, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, 1, 0);
                ret(a, 0);
        }
        match_spans(a, c, 4, l3, false);
}

static void match_v6(struct emit *a, const struct io_conf *c, uint32_t l3)
{
        static const uint8_t headers[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
                                          IPPROTO_DSTOPTS};
        struct later plain = {.n = 0}, not_icmp = {.n = 0};
        load(a, BPF_B, l3 + 6);
        go_unless(a, BPF_JEQ, IPPROTO_ICMPV6, &not_icmp);
        /* Neighbour discovery is sent to multicast addresses as well: types 133..137, whoever is meant. */
        load(a, BPF_B, l3 + 40);
        put(a, BPF_JMP | BPF_JGE | BPF_K, 133, 0, 2);
        put(a, BPF_JMP | BPF_JGT | BPF_K, 137, 1, 0);
        ret(a, ALL);
        match_spans(a, c, 6, l3, false);
        land(a, &not_icmp);
        if (!c->all_protocols) {
                /* Extension headers hide the ports from such a simple program: left to the decoder. */
                for (unsigned i = 0; i < ARRAY_LEN(headers); i++)
                        go_if(a, BPF_JEQ, headers[i], &plain);
                put(a, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 1, 0);
                ret(a, 0);
                put(a, BPF_LDX | BPF_W | BPF_IMM, 40, 0, 0);
                match_spans(a, c, 6, l3, true);
                land(a, &plain);
        }
        match_spans(a, c, 6, l3, false);
}

static void match_packet(struct emit *a, const struct io_conf *c, enum wire_link link)
{
        static const uint32_t l3_of[] = {[LINK_ETHER] = 14, [LINK_RAW] = 0, [LINK_NULL] = 4, [LINK_SLL] = 16};
        struct later v4 = {.n = 0}, v6 = {.n = 0};
        uint32_t l3 = l3_of[link];
        if (link == LINK_ETHER || link == LINK_SLL) {
                /* The kernel takes the outermost tag out before filters run. A tag seen here is a second one,
                 * or stands in a capture file: the decoder walks it. */
                static const uint16_t take[] = {ETHERTYPE_ARP, ETHERTYPE_VLAN, 0x88a8};
                load(a, BPF_H, l3 - 2);
                for (unsigned i = 0; i < ARRAY_LEN(take); i++) {
                        put(a, BPF_JMP | BPF_JEQ | BPF_K, take[i], 0, 1);
                        ret(a, ALL);
                }
                go_if(a, BPF_JEQ, ETHERTYPE_IP, &v4);
                go_if(a, BPF_JEQ, ETHERTYPE_IPV6, &v6);
        } else {
                load(a, BPF_B, l3);
                put(a, BPF_ALU | BPF_RSH | BPF_K, 4, 0, 0);
                go_if(a, BPF_JEQ, 4, &v4);
                go_if(a, BPF_JEQ, 6, &v6);
        }
        ret(a, 0);
        land(a, &v4);
        match_v4(a, c, l3);
        land(a, &v6);
        match_v6(a, c, l3);
}

#ifndef HAVE_PCAP
static int put_user_filter(struct emit *a, const struct io_conf *c, enum wire_link link, struct err *e)
{
        const char *text = c->bpf_text;
        (void)a, (void)link;
        return err_set(e, 0, "the filter \"%s\" needs libpcap: build with the package libpcap-dev", text);
}
#else
/* The kernel takes a VLAN tag out of the frame and hands it to the filter apart (SKF_AD_VLAN_TAG). libpcap
 * only writes "vlan" for that when it compiles for an interface it has open, so it opens ours for the moment.
 */
static pcap_t *open_to_compile(const char *name, struct err *e)
{
        enum { SNAP = 256, RING = 1 << 18 };
        pcap_t *p = pcap_live_new(name, e);
        if (!p)
                return NULL;
        pcap_set_snaplen(p, SNAP);
        pcap_set_buffer_size(p, RING);
        if (pcap_live_start(p, name, e) == 0)
                return p;
        pcap_close(p);
        return NULL;
}

static pcap_t *compiler_for(const struct io_conf *c, enum wire_link link, struct err *e)
{
        static const int dlt_of[] = {[LINK_ETHER] = DLT_EN10MB,
                                     [LINK_RAW] = DLT_RAW,
                                     [LINK_NULL] = DLT_NULL,
                                     [LINK_SLL] = DLT_LINUX_SLL};
        if (c->name && link == LINK_ETHER && strstr(c->bpf_text, "vlan"))
                return open_to_compile(c->name, e);
        pcap_t *p = pcap_open_dead(dlt_of[link], 65535);
        if (!p)
                err_set(e, ENOMEM, "out of memory for the filter \"%s\"", c->bpf_text);
        return p;
}

/* The user's program goes first; each of its "take it" returns becomes a jump to ours. Instruction for
 * instruction, so its own jumps stay right. */
static int put_user_filter(struct emit *a, const struct io_conf *c, enum wire_link link, struct err *e)
{
        struct bpf_program p;
        const char *text = c->bpf_text;
        pcap_t *compiler = compiler_for(c, link, e);
        if (!compiler)
                return err_wrap(e, "--bpf");
        if (pcap_compile(compiler, &p, text, 1, PCAP_NETMASK_UNKNOWN)) {
                err_set(e, 0, "the filter \"%s\" is not one libpcap understands: %s (see pcap-filter(7))",
                        text, pcap_geterr(compiler));
                pcap_close(compiler);
                return -1;
        }
        for (unsigned i = 0; i < p.bf_len; i++) {
                const struct bpf_insn *b = &p.bf_insns[i];
                bool take = b->code == (BPF_RET | BPF_K) && b->k != 0;
                if (take)
                        put(a, BPF_JMP | BPF_JA, p.bf_len - i - 1, 0, 0);
                else
                        put(a, b->code, b->k, b->jt, b->jf);
        }
        pcap_freecode(&p);
        pcap_close(compiler);
        return a->full ? err_set(e, 0, "the filter \"%s\" is too long: it compiles to more than %d steps",
                                 text, MY_MAX)
                       : 0;
}
#endif

int filter_make(struct filter *f, const struct io_conf *c, enum wire_link link, struct err *e)
{
        struct emit a = {.ins = calloc(FILTER_MAX, sizeof(*a.ins))};
        if (!a.ins)
                return err_set(e, ENOMEM, "out of memory for the receive filter");
        if (c->bpf_text && *c->bpf_text && put_user_filter(&a, c, link, e)) {
                free(a.ins);
                return -1;
        }
        unsigned users = a.n;
        if (c->n_ours)
                match_packet(&a, c, link);
        if (!c->n_ours || a.full) { /* nothing said, or more ranges than fit: the decoder sorts it out */
                a.n = users;
                a.full = false;
                a.ins[a.n++] = (struct sock_filter){BPF_RET | BPF_K, 0, 0, ALL};
        }
        f->ins = a.ins;
        f->n = a.n;
        return 0;
}

void filter_free(struct filter *f)
{
        free(f->ins);
        f->ins = NULL;
}
