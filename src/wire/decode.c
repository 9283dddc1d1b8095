// SPDX-License-Identifier: Apache-2.0
/*
 * decode: a frame from the network, taken apart down to where the transport begins; decode_l4.c goes on.
 * First thing that happens to every received frame. Invariant: no byte outside the frame is touched and no
 * length inside it is believed before it was compared with what is there; a packet that does not add up is a
 * normal answer (an enum wire_drop). IEEE 802.3, 802.1Q; RFC 791 §3.1; RFC 8200 §3, §4; LINKTYPE_LINUX_SLL
 * and LINKTYPE_NULL of the tcpdump group.
 */
#include "wire/decode.h"
#include <endian.h>

enum { ETH_IPV4 = 0x0800, ETH_ARP = 0x0806, ETH_IPV6 = 0x86dd };
enum { ETH_VLAN = 0x8100, ETH_QINQ = 0x88a8, ETH_QINQ_OLD = 0x9100 };

static uint16_t skip_tags(struct rd *r, uint16_t type)
{
        while (type == ETH_VLAN || type == ETH_QINQ || type == ETH_QINQ_OLD) {
                rd_skip(r, 2); /* priority and VLAN id */
                type = rd_be16(r);
        }
        return type;
}

/*       0                 6                12      14
 *      +-----------------+----------------+-------+----------
 *      | destination MAC | source MAC     | type  | payload    maybe with | 8100 | tag | once or more
 *      +-----------------+----------------+-------+----------  before the type
 */
static uint16_t link_ether(struct pkt *p, struct rd *r)
{
        struct span h = rd_take(r, 14);
        if (!h.n)
                return 0;
        memcpy(p->src_mac, h.p + 6, 6);
        return skip_tags(r, get_be16(h.p + 12));
}

/*       0        2         4          6               14      16
 *      +--------+---------+----------+---------------+-------+---------
 *      | kind   | ARPHRD  | addr len | address (8)   | type  | payload
 *      +--------+---------+----------+---------------+-------+---------
 */
static uint16_t link_sll(struct pkt *p, struct rd *r)
{
        struct span h = rd_take(r, 16);
        if (!h.n)
                return 0;
        if (get_be16(h.p + 4) == 6)
                memcpy(p->src_mac, h.p + 6, 6);
        return skip_tags(r, get_be16(h.p + 14));
}

/* The word is in the byte order of whoever captured, which may not be ours. */
static uint16_t link_null(struct rd *r)
{
        uint32_t af = rd_be32(r);
        if (af > 0xffff)
                af = __builtin_bswap32(af);
        if (af == 2)
                return ETH_IPV4;
        return af == 10 || af == 24 || af == 28 || af == 30 ? ETH_IPV6 : 0;
}

static uint16_t link_raw(const struct rd *r)
{
        struct rd peek = *r;
        uint8_t version = rd_u8(&peek) >> 4;
        return version == 4 ? ETH_IPV4 : version == 6 ? ETH_IPV6 : 0;
}

/*       0       1       2               4               6               8
 *      +-------+-------+---------------+---------------+---------------+
 *      | 4 ihl |  tos  |    length     |      id       | flags, offset |
 *      +-------+-------+---------------+---------------+---------------+
 *      |  ttl  | proto |     sum       |            source             |
 *      +-------+-------+---------------+-------------------------------+
 *      |          destination          |  options (ihl * 4 - 20) ...
 */
static enum wire_drop decode_v4(struct pkt *p, struct rd *r, struct decode_how how)
{
        size_t have = rd_left(r);
        struct span h = rd_take(r, 20);
        if (!h.n || h.p[0] >> 4 != 4)
                return h.n ? WIRE_UNKNOWN : WIRE_SHORT;
        size_t head = (h.p[0] & 15u) * 4, total = get_be16(h.p + 2);
        if (head < 20 || total < head || total > have)
                return WIRE_SHORT;
        rd_skip(r, head - 20);
        if (wire_sum(0, span_of(h.p, head)) != 0xffff)
                return WIRE_BADSUM;
        uint16_t fragment = get_be16(h.p + 6);
        if (fragment & 0x1fff)
                return WIRE_FRAGMENT;
        if (fragment & 0x2000)
                how.verify = false;
        p->src = ip_v4(get_be32(h.p + 12));
        p->dst = ip_v4(get_be32(h.p + 16));
        p->ttl = h.p[8];
        p->proto = h.p[9];
        return decode_l4(p, rd_take(r, total - head), how);
}

/*      hop-by-hop, routing, destination options:  | next | len | (len + 1) * 8 - 2 bytes |
 *      fragment:                                  | next | 0 | offset << 3 | M | id (4)  |
 */
enum wire_drop decode_v6_extensions(struct rd *r, uint8_t *next, bool *cut)
{
        for (;;) {
                struct span h;
                switch (*next) {
                case PROTO_HOPOPTS:
                case PROTO_ROUTING:
                case PROTO_DSTOPTS:
                        h = rd_take(r, 8);
                        if (h.n)
                                rd_skip(r, h.p[1] * 8u);
                        break;
                case PROTO_FRAGMENT:
                        h = rd_take(r, 8);
                        if (h.n && get_be16(h.p + 2) & 0xfff8)
                                return WIRE_FRAGMENT;
                        *cut |= h.n && h.p[3] & 1;
                        break;
                default:
                        return WIRE_OK;
                }
                if (r->bad)
                        return WIRE_SHORT;
                *next = h.p[0];
        }
}

/*       0                       4               6       7       8
 *      +-----------------------+---------------+-------+-------+
 *      | 6, class, flow label  | payload bytes | next  | hops  |
 *      +-----------------------+---------------+-------+-------+
 *      | source (16)                                           |
 *      | destination (16)                                      |
 *      +-------------------------------------------------------+
 */
static enum wire_drop decode_v6(struct pkt *p, struct rd *r, struct decode_how how)
{
        struct span h = rd_take(r, 40);
        bool cut = false;
        if (!h.n || h.p[0] >> 4 != 6)
                return h.n ? WIRE_UNKNOWN : WIRE_SHORT;
        struct rd body = rd_sub(r, get_be16(h.p + 4));
        if (body.bad)
                return WIRE_SHORT;
        p->proto = h.p[6];
        p->ttl = h.p[7];
        p->src = decode_zoned(ip_from_bytes(h.p + 8, 6), how.zone);
        p->dst = decode_zoned(ip_from_bytes(h.p + 24, 6), how.zone);
        enum wire_drop drop = decode_v6_extensions(&body, &p->proto, &cut);
        if (drop != WIRE_OK)
                return drop;
        if (cut)
                how.verify = false;
        return decode_l4(p, rd_take(&body, rd_left(&body)), how);
}

/* In pieces that compilers turn into a few wide stores each; clearing all at once becomes a string
 * instruction that costs as much as the rest of decoding. */
static inline void clear_pkt(struct pkt *p)
{
        uint8_t *b = (uint8_t *)p;
        enum { PIECE = 64 };
        _Static_assert(sizeof(*p) > 3 * PIECE && sizeof(*p) <= 4 * PIECE, "four pieces");
        memset(b, 0, PIECE);
        memset(b + PIECE, 0, PIECE);
        memset(b + 2 * PIECE, 0, PIECE);
        memset(b + 3 * PIECE, 0, sizeof(*p) - 3 * PIECE);
}

/* ---- the long way ---- */

static enum wire_drop __attribute__((noinline))
decode_any(struct pkt *p, struct span frame, enum wire_link link, struct decode_how how)
{
        struct rd r = rd_of(frame);
        uint16_t type = 0;
        clear_pkt(p);
        p->kind = WIRE_OTHER;
        switch (link) {
        case LINK_ETHER:
                type = link_ether(p, &r);
                break;
        case LINK_SLL:
                type = link_sll(p, &r);
                break;
        case LINK_NULL:
                type = link_null(&r);
                break;
        case LINK_RAW:
                type = link_raw(&r);
                break;
        }
        if (r.bad || rd_left(&r) == 0)
                return WIRE_SHORT;
        if (type == ETH_IPV4)
                return decode_v4(p, &r, how);
        if (type == ETH_IPV6)
                return decode_v6(p, &r, how);
        return type == ETH_ARP ? decode_arp(p, &r) : WIRE_UNKNOWN;
}

/* ---- the short way ---- */

static uint64_t sum_of_20(const uint8_t *p)
{
        uint64_t a, b;
        uint32_t c;
        memcpy(&a, p, 8);
        memcpy(&b, p + 8, 8);
        memcpy(&c, p + 16, 4);
        return (a >> 32) + (a & 0xffffffff) + (b >> 32) + (b & 0xffffffff) + c;
}

/* Bytes in the network's order, as in sum.c; `len`: TCP header and payload. */
static bool plain_sum_is_right(const uint8_t *ip, const uint8_t *tcp, uint16_t len)
{
        uint32_t src, dst;
        memcpy(&src, ip + 12, 4);
        memcpy(&dst, ip + 16, 4);
        uint64_t sum = sum_of_20(tcp) + src + dst + htobe16(PROTO_TCP) + htobe16(len);
        if (len > 20)
                sum += htobe16(wire_sum(0, span_of(tcp + 20, len - 20u)));
        return wire_fold(sum) == 0xffff;
}

/* What nearly all answers are: Ethernet, IPv4 without options or fragments, TCP, right sums. True: p is what
 * the long way would make of it. False: nothing is decided, the long way must be gone. */
static bool decode_plain(struct pkt *p, struct span frame, bool verify)
{
        enum { IP = 14, TCP = IP + 20 };
        struct rd r = rd_of(frame);
        struct span h = rd_take(&r, TCP + 20);
        if (!h.n)
                return false;
        const uint8_t *ip = h.p + IP, *tcp = h.p + TCP;
        unsigned total = get_be16(ip + 2), head = (tcp[12] >> 4) * 4u;
        if (get_be16(h.p + 12) != ETH_IPV4 || ip[0] != 0x45 || get_be16(ip + 6) & 0x3fff ||
            ip[9] != PROTO_TCP || head < 20 || total < 20 + head || total > frame.n - IP)
                return false;
        if (wire_fold(sum_of_20(ip)) != 0xffff ||
            (verify && !plain_sum_is_right(ip, tcp, (uint16_t)(total - 20))))
                return false;
        clear_pkt(p);
        memcpy(p->src_mac, h.p + 6, 6);
        p->src = ip_v4(get_be32(ip + 12));
        p->dst = ip_v4(get_be32(ip + 16));
        p->ttl = ip[8];
        p->proto = PROTO_TCP;
        p->l4 = span_of(tcp, total - 20);
        decode_tcp_fields(p, head);
        return true;
}

enum wire_drop wire_decode(struct pkt *p, struct span frame, enum wire_link link, bool sum_unset,
                           uint32_t zone)
{
        if (link == LINK_ETHER && decode_plain(p, frame, !sum_unset))
                return WIRE_OK;
        return decode_any(p, frame, link, (struct decode_how){.verify = !sum_unset, .zone = zone});
}
