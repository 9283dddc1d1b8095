// SPDX-License-Identifier: Apache-2.0
/*
 * syn: the TCP SYN probe and its answers. The template of a path is made once; a patch per target says where
 * it goes, from which of our addresses and ports, and which sequence number proves the answer; classify() is
 * the same proof read backwards. Invariant: nothing is remembered between a probe and its answer: what
 * classify() needs is in the packet and in the key. RFC 9293 §3.5 (SYN, SYN-ACK, RST), RFC 5927 §4 (checking
 * ICMP errors).
 */
#include "scan/profile.h"
#include <endian.h>

/* ---- prepare: the constant bytes and their sums ---- */

static void put_ip_header(struct probe_template *t, struct wr *w, const struct syn_shape *s)
{
        uint16_t tcp_len = (uint16_t)(20 + s->options_len);
        static const uint8_t patched[32]; /* addresses come with the patch */
        if (t->family == 6) {
                wr_be32(w, 0x60000000);
                wr_be16(w, tcp_len);
                wr_u8(w, 6);
                wr_u8(w, s->ttl);
                wr_bytes(w, patched, 32);
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

static int syn_prepare(struct probe_template *t, const struct scan_conf *conf, const struct wire_hop *hop,
                       const struct scan_source *src, struct err *e)
{
        struct syn_shape shape;
        assert(src->count && src->port_count && src->port_first + src->port_count <= 65536);
        if (hop->link == LINK_SLL)
                return err_set(e, 0,
                               "probes cannot be sent on a \"cooked\" capture link: name one interface");
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
        t->l4_sum = wire_sum(6 + tcp_len, span_of(t->bytes + t->l4, tcp_len));
        return 0;
}

/* ---- patch: what differs per target ---- */

static uint64_t halves(uint64_t v)
{
        return (v >> 32) + (v & 0xffffffff);
}

/* Which of our addresses and ports a target sees: the same every time, and all of them equally often over the
 * targets. Two independent 32-bit halves, each scaled to its range by a multiplication: no power of two
 * needed, and a bias of at most range / 2^32. The mixer's key is derived, so what an observer learns of it
 * from our choices says nothing about the cookie's. */
static uint64_t pick_hash(uint64_t key, const struct target *t)
{
        uint64_t h = t->ip.family == 6 ? hash_mix64(t->ip.hi ^ rotl64(key, 32)) : 0;
        return hash_mix64(hash_mix64((t->ip.lo ^ key) + h) + t->port);
}

static uint32_t scale32(uint32_t hash, uint32_t range)
{
        return (uint32_t)((uint64_t)hash * range >> 32);
}

static void syn_patch_one(struct patch *p, const struct probe_template *t, const struct target *to,
                          struct hash_key key, uint64_t pick_key, uint32_t now_us)
{
        uint64_t pick = pick_hash(pick_key, to);
        p->src_off = scale32((uint32_t)(pick >> 32), t->src_count);
        uint16_t sport = (uint16_t)(t->sport_first + scale32((uint32_t)pick, t->sport_count));
        struct ip_addr us = ip_add(t->src_first, p->src_off);
        uint64_t cookie = wire_cookie(key, &us, sport, &to->ip, to->port);
        uint32_t seq = (uint32_t)cookie, tsval = t->tsval ? now_us : 0;
        uint16_t id = (uint16_t)(cookie >> 32);

        uint64_t addrs = halves(us.lo) + halves(to->ip.lo);
        uint64_t ip_sum = t->ip_sum + addrs + id;
        uint64_t l4_sum = t->l4_sum + addrs + halves(us.hi) + halves(to->ip.hi) + sport + to->port;
        l4_sum += (uint64_t)seq + tsval;
        uint16_t sum = (uint16_t)~wire_fold(l4_sum);
        if (t->bad_sum)
                sum ^= 0x5555; /* never the same value, nor the other zero of ones' complement */

        ip_to_bytes(&to->ip, p->dst);
        p->seq = htobe32(seq);
        p->tsval = htobe32(tsval);
        p->sport = htobe16(sport);
        p->dport = htobe16(to->port);
        p->id = htobe16(id);
        p->ip_sum = htobe16((uint16_t)~wire_fold(ip_sum));
        p->l4_sum = htobe16(sum);
}

static void syn_patch(struct patch *p, const struct probe_template *t, const struct target *to, unsigned n,
                      struct hash_key key, uint32_t now_us)
{
        static const uint64_t label = 0x656372756f73; /* "source": its own use of the key */
        uint64_t pick_key = siphash_words(key, &label, 1);
        for (unsigned i = 0; i < n; i++)
                syn_patch_one(&p[i], t, &to[i], key, pick_key, now_us);
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
        if ((!rst && !syn_ack) || !is_ours(key, &p->dst, p->dport))
                return SCAN_NOT_MINE;
        if (p->ack - 1 != (uint32_t)wire_cookie(key->cookie, &p->dst, p->dport, &p->src, p->sport))
                return SCAN_FORGED;
        *a = (struct answer){
                .who = {.ip = p->src, .port = p->sport, .proto = 6},
                .us = p->dst,
                .us_port = p->dport,
                .reporter = p->src,
                .state = rst ? PORT_CLOSED : PORT_OPEN,
                .ttl = p->ttl,
                .flags = p->tcp_flags,
                .seq = p->seq,
                .ack = p->ack,
                .rtt_us = rtt_from_echo(p, now_us),
        };
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
