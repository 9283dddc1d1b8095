// SPDX-License-Identifier: Apache-2.0
/*
 * syn: the TCP SYN probe and its answers. The template of a path is made once; a patch per target
 * (syn_patch.c) says where it goes, from which of our addresses and ports, and which sequence number proves
 * the answer; classify() is the same proof read backwards. Invariant: nothing is remembered between a probe
 * and its answer: what classify() needs is in the packet and in the key. RFC 9293 §3.5 (SYN, SYN-ACK, RST),
 * RFC 5927 §4 (checking ICMP errors).
 */
#include "scan/profile.h"
#include "scan/syn.h"

/* ---- prepare: the constant bytes and their sums ---- */

static void put_ip_header(struct probe_template *t, struct wr *w, const struct syn_shape *s)
{
        uint16_t tcp_len = (uint16_t)(20 + s->options_len);
        static const uint8_t patched[24]; /* addresses come with the patch */
        if (t->family == 6) {
                wr_be32(w, 0x60000000);
                wr_be16(w, tcp_len);
                wr_u8(w, 6);
                wr_u8(w, s->ttl);
                wr_be64(w, t->src_first.hi);
                wr_bytes(w, patched, 24);
                return;
        }
        wr_be16(w, 0x4500);
        wr_be16(w, (uint16_t)(20 + tcp_len));
        wr_be16(w, 0);
        wr_be16(w, s->df ? 0x4000 : 0);
        wr_u8(w, s->ttl);
        wr_u8(w, 6);
        wr_be16(w, 0);
        wr_bytes(w, patched, 8);
}

static void put_tcp_header(struct wr *w, const struct syn_shape *s)
{
        wr_be64(w, 0); /* ports, seq: patched */
        wr_be32(w, 0);
        wr_u8(w, (uint8_t)((20 + s->options_len) / 4 << 4));
        wr_u8(w, TCP_SYN);
        wr_be16(w, s->window);
        wr_be32(w, 0);
        wr_bytes(w, s->options, s->options_len);
}

/* A patch carries the source's lower half only (struct patch). */
static int check_one_net64(const struct scan_source *src, struct err *e)
{
        struct ip_addr last = ip_add(src->first, src->count - 1);
        char from[IP_TEXT_MAX], to[IP_TEXT_MAX];
        if (last.hi == src->first.hi)
                return 0;
        ip_format(from, &src->first);
        ip_format(to, &last);
        return err_set(e, 0,
                       "the source addresses \"%s-%s\" reach over the end of a /64 network, which one scan "
                       "cannot send from: give a range inside of one /64",
                       from, to);
}

static int syn_prepare(struct probe_template *t, const struct scan_conf *conf, const struct wire_hop *hop,
                       const struct scan_source *src, struct err *e)
{
        struct syn_shape shape;
        assert(src->count && src->port_count && src->port_first + src->port_count <= 65536);
        if (hop->link == LINK_SLL)
                return err_set(e, 0,
                               "probes cannot be sent on a \"cooked\" capture link: name one interface");
        if (check_one_net64(src, e))
                return -1;
        syn_shape_of(&shape, conf, src->first.family);
        memset(t, 0, sizeof(*t));
        t->family = src->first.family;
        t->proto = 6;
        t->link = hop->link;
        t->src_first = src->first;
        t->src_count = src->count;
        t->sport_first = src->port_first;
        t->sport_count = src->port_count;
        t->bad_sum = conf->badsum;
        t->l3 = (uint16_t)wire_build_link(t->bytes, sizeof(t->bytes), hop, t->family);
        struct wr w = wr_of(t->bytes + t->l3, sizeof(t->bytes) - t->l3);
        put_ip_header(t, &w, &shape);
        t->l4 = (uint16_t)(t->l3 + wr_len(&w));
        put_tcp_header(&w, &shape);
        assert(!w.full);
        t->len = (uint16_t)(t->l3 + wr_len(&w));
        t->tsval = shape.tsval ? (uint16_t)(t->l4 + 20 + shape.tsval) : 0;
        uint32_t tcp_len = (uint32_t)(t->len - t->l4);
        t->ip_sum = wire_sum(0, span_of(t->bytes + t->l3, 20));
        struct ip_addr net = ip_v6(t->family == 6 ? t->src_first.hi : 0, 0), none = ip_v6(0, 0);
        uint32_t pseudo = wire_pseudo_sum(&net, &none, 6, tcp_len); /* the rest comes with the patch */
        t->l4_sum = wire_sum(pseudo, span_of(t->bytes + t->l4, tcp_len));
        wire_template_finish(t);
        return 0;
}

/* ---- classify: is this packet an answer to one of ours? ---- */

static bool is_ours(const struct scan_key *key, const struct ip_addr *a, uint16_t port)
{
        for (unsigned i = 0; i < key->n_sources; i++) {
                const struct scan_source *s = &key->sources[i];
                uint64_t lo = a->lo - s->first.lo, borrow = a->lo < s->first.lo;
                bool zoned_apart = a->zone && s->first.zone && a->zone != s->first.zone;
                if (a->family == s->first.family && a->hi - s->first.hi == borrow && lo < s->count &&
                    (uint32_t)port - s->port_first < s->port_count && !zoned_apart)
                        return true;
        }
        return false;
}

/* An echo of our clock, if it is one: some stacks send timestamps nobody asked for, or zero; and what was
 * told to be sent instead of the clock is no time. */
static uint32_t rtt_from_echo(const struct pkt *p, uint32_t now_us)
{
        enum { RTT_MAX_US = 120 * 1000 * 1000 };
        uint32_t rtt_us = now_us - p->tsecr;
        return p->has_ts && p->tsecr > SCAN_TSVAL_MAX && rtt_us < RTT_MAX_US ? rtt_us : 0;
}

static enum scan_verdict classify_tcp(const struct pkt *p, const struct scan_key *key, uint32_t now_us,
                                      struct answer *a)
{
        bool rst = p->tcp_flags & TCP_RST;
        bool syn_ack = (p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
        if (!(p->tcp_flags & (TCP_RST | TCP_ACK)) || !is_ours(key, &p->dst, p->dport))
                return SCAN_NOT_MINE;
        if (!rst && !syn_ack)
                return SCAN_OLD;
        if (p->ack - 1 != (uint32_t)wire_cookie(key->cookie, &p->dst, p->dport, &p->src, p->sport))
                return SCAN_FORGED;
        /* Field by field: an initializer would clear all first, with a string instruction, at the price of
         * half a cookie. */
        a->who = (struct target){.ip = p->src, .port = p->sport, .proto = 6};
        a->us = p->dst;
        a->us_port = p->dport;
        a->reporter = p->src;
        a->state = rst ? PORT_CLOSED : PORT_OPEN;
        a->ttl = p->ttl;
        a->flags = p->tcp_flags;
        a->icmp_type = a->icmp_code = 0;
        a->seq = p->seq;
        a->ack = p->ack;
        a->rtt_us = rtt_from_echo(p, now_us);
        memcpy(a->mac, p->src_mac, 6);
        a->rst_sent = false;
        return SCAN_ANSWER;
}

/* Unreachable for whatever reason, or lost in a loop on the way: the port cannot be reached from here. */
static bool says_filtered(const struct pkt *p)
{
        if (p->src.family == 4)
                return p->icmp_type == 3 || p->icmp_type == 11;
        return p->icmp_type == 1 || p->icmp_type == 3;
}

static enum scan_verdict classify_icmp(const struct pkt *p, const struct scan_key *key, struct answer *a)
{
        const struct wire_quote *q = &p->quoted;
        if (q->src.family == 0 || q->proto != 6 || !says_filtered(p) || !ip_eq(&p->dst, &q->src) ||
            !is_ours(key, &q->src, q->sport))
                return SCAN_NOT_MINE;
        if (q->seq != (uint32_t)wire_cookie(key->cookie, &q->src, q->sport, &q->dst, q->dport))
                return SCAN_FORGED;
        *a = (struct answer){
                .who = {.ip = q->dst, .port = q->dport, .proto = 6},
                .us = q->src,
                .us_port = q->sport,
                .reporter = p->src,
                .state = PORT_FILTERED,
                .ttl = p->ttl,
                .icmp_type = p->icmp_type,
                .icmp_code = p->icmp_code,
        };
        return SCAN_ANSWER;
}

static enum scan_verdict syn_classify(const struct pkt *p, const struct scan_key *key, uint32_t now_us,
                                      struct answer *a)
{
        if (p->kind == WIRE_TCP)
                return classify_tcp(p, key, now_us, a);
        return p->kind == WIRE_ICMP ? classify_icmp(p, key, a) : SCAN_NOT_MINE;
}

/* ---- the RST ---- */

size_t scan_build_rst(uint8_t *out, size_t cap, const struct wire_hop *hop, const struct answer *a,
                      uint8_t ttl)
{
        return wire_build_tcp(out, cap, hop, &a->us, &a->who.ip, a->us_port, a->who.port, a->ack, 0, TCP_RST,
                              0, ttl);
}

const struct scan_ops scan_syn = {
        .name = "syn",
        .summary = "TCP SYN: open on SYN-ACK, closed on RST, filtered on an ICMP error",
        .proto = 6,
        .prepare = syn_prepare,
        .patch = syn_patch,
        .classify = syn_classify,
};
