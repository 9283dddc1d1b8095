// SPDX-License-Identifier: Apache-2.0
/*
 * build: frames that are not probes: the RST that closes what a SYN opened, TCP segments, questions and
 * answers about neighbours. Called by scan and engine for the few packets sent in reply. Invariant: a frame
 * that does not fit is not begun (length 0), and every sum in a frame is right. RFC 9293 §3.1, RFC 826, RFC
 * 4861 §4.3-4.4.
 */
#include "wire/wire.h"

enum { HOP_MAX_NDP = 255 }; /* RFC 4861 §7.1: anything less is not believed */

static bool mac_is_set(const uint8_t mac[6])
{
        static const uint8_t none[6];
        return memcmp(mac, none, 6) != 0;
}

static void put_link(struct wr *w, const struct wire_hop *hop, const uint8_t dst[6], uint16_t type)
{
        uint32_t af = type == 0x0800 ? 2 : 10;
        switch (hop->link) {
        case LINK_ETHER:
                wr_bytes(w, dst, 6);
                wr_bytes(w, hop->us_mac, 6);
                if (hop->vlan) {
                        wr_be16(w, 0x8100);
                        wr_be16(w, hop->vlan);
                }
                wr_be16(w, type);
                break;
        case LINK_NULL:
                wr_bytes(w, &af, 4); /* in the host's byte order, as the link wants it */
                break;
        case LINK_RAW:
                break;
        case LINK_SLL:
                w->full = true;
                break;
        }
}

size_t wire_build_link(uint8_t *out, size_t cap, const struct wire_hop *hop, uint8_t family)
{
        struct wr w = wr_of(out, cap);
        put_link(&w, hop, hop->them_mac, family == 4 ? 0x0800 : 0x86dd);
        return w.full ? 0 : wr_len(&w);
}

static void put_addr(struct wr *w, const struct ip_addr *a)
{
        uint8_t b[16];
        ip_to_bytes(a, b);
        wr_bytes(w, b, a->family == 6 ? 16 : 4);
}

/* IPv4 without options and with DF, or IPv6 without extensions (both drawn in decode.c). */
static void put_ip(struct wr *w, const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto,
                   uint8_t ttl, uint16_t body)
{
        uint8_t *start = w->p;
        if (src->family == 6) {
                wr_be32(w, 0x60000000);
                wr_be16(w, body);
                wr_u8(w, proto);
                wr_u8(w, ttl);
        } else {
                wr_be16(w, 0x4500);
                wr_be16(w, (uint16_t)(20 + body));
                wr_be32(w, 0x00004000);
                wr_u8(w, ttl);
                wr_u8(w, proto);
                wr_be16(w, 0);
        }
        put_addr(w, src);
        put_addr(w, dst);
        if (src->family == 4 && !w->full)
                put_be16(start + 10, (uint16_t)~wire_sum(0, span_of(start, 20)));
}

/* Options of ours: | MSS 2 4 size | and | nothing 1 | nothing 1 | time stamps 8 10 value echo |, each a
 * multiple of four. */
static void put_tcp_options(struct wr *w, const struct wire_segment *s)
{
        if (s->mss)
                wr_be32(w, 0x02040000u | s->mss);
        if (s->has_ts) {
                wr_be32(w, 0x0101080a);
                wr_be32(w, s->tsval);
                wr_be32(w, s->tsecr);
        }
}

size_t wire_build_segment(uint8_t *out, size_t cap, const struct wire_hop *hop, const struct wire_segment *s)
{
        struct wr w = wr_of(out, cap);
        size_t head = 20u + (s->mss ? 4u : 0u) + (s->has_ts ? 12u : 0u), len = head + s->payload.n;
        put_link(&w, hop, hop->them_mac, s->src.family == 4 ? 0x0800 : 0x86dd);
        put_ip(&w, &s->src, &s->dst, 6, s->ttl, (uint16_t)len);
        uint8_t *tcp = w.p;
        wr_be16(&w, s->sport);
        wr_be16(&w, s->dport);
        wr_be32(&w, s->seq);
        wr_be32(&w, s->ack);
        wr_u8(&w, (uint8_t)(head << 2));
        wr_u8(&w, s->flags);
        wr_be16(&w, s->window);
        wr_be32(&w, 0); /* sum, urgent pointer */
        put_tcp_options(&w, s);
        wr_bytes(&w, s->payload.p, s->payload.n);
        if (w.full)
                return 0;
        put_be16(tcp + 16,
                 (uint16_t)~wire_sum(wire_pseudo_sum(&s->src, &s->dst, 6, (uint32_t)len), span_of(tcp, len)));
        return wr_len(&w);
}

size_t wire_build_tcp(uint8_t *out, size_t cap, const struct wire_hop *hop, const struct ip_addr *src,
                      const struct ip_addr *dst, uint16_t sport, uint16_t dport, uint32_t seq, uint32_t ack,
                      uint8_t flags, uint16_t window, uint8_t ttl)
{
        struct wire_segment s = {.src = *src,
                                 .dst = *dst,
                                 .sport = sport,
                                 .dport = dport,
                                 .seq = seq,
                                 .ack = ack,
                                 .flags = flags,
                                 .window = window,
                                 .ttl = ttl};
        return wire_build_segment(out, cap, hop, &s);
}

/* ARP (drawn in decode_l4.c). */
static size_t build_arp(struct wr *w, const struct wire_hop *hop, uint16_t oper, const uint8_t dst[6],
                        const struct ip_addr *sender, const struct ip_addr *target)
{
        static const uint8_t unknown[6];
        put_link(w, hop, dst, 0x0806);
        wr_be64(w, (uint64_t)0x000108000604 << 16 | oper);
        wr_bytes(w, hop->us_mac, 6);
        put_addr(w, sender);
        wr_bytes(w, oper == 1 ? unknown : dst, 6);
        put_addr(w, target);
        return w->full ? 0 : wr_len(w);
}

/* Neighbour solicitation (135) or advertisement (136), drawn in decode_l4.c; `flags`: R S O in the top bits.
 * The option tells our link-layer address, except where the source is unspecified (RFC 4861 §4.3). */
static size_t build_ndp(struct wr *w, const struct wire_hop *hop, uint8_t type, uint32_t flags,
                        const uint8_t dst_mac[6], const struct ip_addr *src, const struct ip_addr *dst,
                        const struct ip_addr *target)
{
        bool option = src->hi | src->lo;
        uint16_t len = option ? 32 : 24;
        put_link(w, hop, dst_mac, 0x86dd);
        put_ip(w, src, dst, 58, HOP_MAX_NDP, len);
        uint8_t *icmp = w->p;
        wr_be32(w, (uint32_t)type << 24);
        wr_be32(w, flags);
        put_addr(w, target);
        if (option) {
                wr_be16(w, type == 135 ? 0x0101 : 0x0201);
                wr_bytes(w, hop->us_mac, 6);
        }
        if (w->full)
                return 0;
        put_be16(icmp + 2, (uint16_t)~wire_sum(wire_pseudo_sum(src, dst, 58, len), span_of(icmp, len)));
        return wr_len(w);
}

size_t wire_build_neigh_request(uint8_t *out, size_t cap, const struct wire_hop *hop,
                                const struct ip_addr *us, const struct ip_addr *whom)
{
        static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
        struct wr w = wr_of(out, cap);
        bool known = mac_is_set(hop->them_mac);
        if (hop->link != LINK_ETHER)
                return 0;
        if (whom->family == 4)
                return build_arp(&w, hop, 1, known ? hop->them_mac : broadcast, us, whom);
        if (known)
                return build_ndp(&w, hop, 135, 0, hop->them_mac, us, whom, whom);
        /* RFC 4291 §2.7.1: solicited-node multicast ff02::1:ffXX:XXXX; RFC 2464 §7: its MAC 33:33:ff:XX:XX:XX
         */
        struct ip_addr group = ip_v6(0xff02ull << 48, 0x1ff000000ull | (whom->lo & 0xffffff));
        uint8_t mac[6] = {0x33, 0x33};
        put_be32(mac + 2, (uint32_t)group.lo);
        return build_ndp(&w, hop, 135, 0, mac, us, &group, whom);
}

size_t wire_build_neigh_reply(uint8_t *out, size_t cap, const struct wire_hop *hop, const struct ip_addr *us,
                              const struct ip_addr *asker)
{
        static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
        enum { SOLICITED = 0x40000000, OVERRIDE = 0x20000000 };
        struct wr w = wr_of(out, cap);
        if (hop->link != LINK_ETHER)
                return 0;
        if (us->family == 4)
                return build_arp(&w, hop, 2, hop->them_mac, us, asker);
        if (asker->hi | asker->lo)
                return build_ndp(&w, hop, 136, SOLICITED | OVERRIDE, hop->them_mac, us, asker, us);
        /* RFC 4861 §7.2.4: an asker without an address yet is told through all-nodes, unsolicited */
        struct ip_addr all_nodes = ip_v6(0xff02ull << 48, 1);
        return build_ndp(&w, hop, 136, OVERRIDE, all_nodes_mac, us, &all_nodes, us);
}
