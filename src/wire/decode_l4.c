// SPDX-License-Identifier: Apache-2.0
/*
 * decode_l4: what is inside an IP packet: TCP with its timestamp, ICMP errors with the packet they quote,
 * neighbour discovery; and ARP, which is the same for IPv4 below IP. Called by decode.c with the bytes of one
 * packet. Invariant: as there, nothing outside the span is touched; fields are only filled from checked
 * bytes. RFC 9293 §3.1, RFC 7323 §3.2, RFC 792, RFC 4443 §2-3, RFC 4861 §4.3-4.4, §7.1, RFC 826.
 */
#include "wire/decode.h"

static bool sum_is_right(const struct pkt *p, struct span l4, bool pseudo)
{
        uint32_t start = pseudo ? wire_pseudo_sum(&p->src, &p->dst, p->proto, (uint32_t)l4.n) : 0;
        return wire_sum(start, l4) == 0xffff;
}

/* ---- TCP ---- */

/* Options: | 0 | end; | 1 | nothing; else | kind | length of all | data |. MSS: | 2 | 4 | size |. Window
 * scale: | 3 | 3 | shift |. Timestamps: | 8 | 10 | value | echo |. A list that does not add up ends where it
 * stops to: stacks ignore the rest, and so does the answer.
 */
static void decode_tcp_options(struct pkt *p, struct rd r)
{
        while (rd_left(&r)) {
                uint8_t kind = rd_u8(&r);
                if (kind == 0)
                        return;
                if (kind == 1)
                        continue;
                uint8_t len = rd_u8(&r);
                if (len < 2)
                        return;
                struct span data = rd_take(&r, len - 2u);
                if (kind == 8 && data.n == 8) {
                        p->has_ts = true;
                        p->tsval = get_be32(data.p);
                        p->tsecr = get_be32(data.p + 4);
                } else if (kind == 2 && data.n == 2) {
                        p->mss = get_be16(data.p);
                } else if (kind == 3 && data.n == 1) {
                        p->has_wscale = true;
                        p->wscale = MIN(data.p[0], (uint8_t)14);
                }
        }
}

/*       0               2               4               8               12      13      14
 *      +---------------+---------------+---------------+---------------+-------+-------+--------+
 *      | source port   | dest. port    | seq           | ack           | off,0 | flags | window |
 *      +---------------+---------------+---------------+---------------+-------+-------+--------+
 *      | sum           | urgent        | options (off * 4 - 20) ...    | payload
 */
void decode_tcp_fields(struct pkt *p, size_t head)
{
        const uint8_t *h = p->l4.p;
        assert(head >= 20 && head <= p->l4.n);
        p->kind = WIRE_TCP;
        p->sport = get_be16(h);
        p->dport = get_be16(h + 2);
        p->seq = get_be32(h + 4);
        p->ack = get_be32(h + 8);
        p->tcp_flags = h[13];
        p->window = get_be16(h + 14);
        if (head > 20)
                decode_tcp_options(p, rd_of(span_of(h + 20, head - 20)));
        p->payload = span_of(h + head, p->l4.n - head);
}

static enum wire_drop decode_tcp(struct pkt *p, struct decode_how how)
{
        struct rd r = rd_of(p->l4);
        struct span h = rd_take(&r, 20);
        if (!h.n)
                return WIRE_SHORT;
        size_t head = (size_t)(h.p[12] >> 4) * 4;
        if (head < 20 || head > p->l4.n)
                return WIRE_SHORT;
        if (how.verify && !sum_is_right(p, p->l4, true))
                return WIRE_BADSUM;
        decode_tcp_fields(p, head);
        return WIRE_OK;
}

/* ---- ICMP errors ---- */

static void quote_l4(struct wire_quote *q, struct rd *r)
{
        struct span h = rd_take(r, 8); /* all that RFC 792 promises */
        if (!h.n)
                return;
        if (q->proto == PROTO_TCP || q->proto == PROTO_UDP || q->proto == PROTO_SCTP) {
                q->sport = get_be16(h.p);
                q->dport = get_be16(h.p + 2);
        }
        if (q->proto != PROTO_UDP)
                q->seq = get_be32(h.p + 4);
}

/* The quoted header went through routers that may have broken its sum or length: neither is looked at. */
static void quote_v4(struct wire_quote *q, struct rd *r)
{
        struct span h = rd_take(r, 20);
        if (!h.n || h.p[0] >> 4 != 4 || (h.p[0] & 15) < 5 || get_be16(h.p + 6) & 0x1fff) {
                r->bad = true;
                return;
        }
        rd_skip(r, (h.p[0] & 15u) * 4 - 20);
        q->src = ip_v4(get_be32(h.p + 12));
        q->dst = ip_v4(get_be32(h.p + 16));
        q->proto = h.p[9];
}

static void quote_v6(struct wire_quote *q, struct rd *r, uint32_t zone)
{
        struct span h = rd_take(r, 40);
        bool cut = false;
        if (!h.n || h.p[0] >> 4 != 6) {
                r->bad = true;
                return;
        }
        q->src = decode_zoned(ip_from_bytes(h.p + 8, 6), zone);
        q->dst = decode_zoned(ip_from_bytes(h.p + 24, 6), zone);
        q->proto = h.p[6];
        if (decode_v6_extensions(r, &q->proto, &cut) != WIRE_OK)
                r->bad = true;
}

/* | type | code | sum | 4 bytes of the type's own | the quoted packet, from its IP header on ... | */
static void decode_quote(struct pkt *p, struct rd *r, uint32_t zone)
{
        struct wire_quote q = {.proto = 0};
        if (p->src.family == 4)
                quote_v4(&q, r);
        else
                quote_v6(&q, r, zone);
        quote_l4(&q, r);
        if (!r->bad)
                p->quoted = q;
}

/* ---- neighbours ---- */

/*       0               8                       24
 *      +---------------+-----------------------+------------------------------+
 *      | ICMP header   | target address (16)   | options: | kind | len/8 | .. |
 *      +---------------+-----------------------+------------------------------+
 * An advertisement's flags, R S O, are the top bits of the header's byte 4. Kind 1: the asker's link-layer
 * address, kind 2: the target's. */
static enum wire_drop decode_ndp(struct pkt *p, struct rd *r, uint32_t zone)
{
        struct span target = rd_take(r, 16);
        if (!target.n)
                return WIRE_SHORT;
        p->neigh_request = p->icmp_type == 135;
        p->neigh_sure = !p->neigh_request && p->l4.p[4] & 0x20;
        while (rd_left(r)) {
                uint8_t kind = rd_u8(r), units = rd_u8(r);
                if (units == 0)
                        return WIRE_SHORT;
                struct span data = rd_take(r, units * 8u - 2);
                if (data.n == 6 && kind == (p->neigh_request ? 1 : 2)) {
                        memcpy(p->neigh_mac, data.p, 6);
                        p->has_neigh_mac = true;
                }
        }
        if (r->bad)
                return WIRE_SHORT;
        p->neigh_ip = decode_zoned(ip_from_bytes(target.p, 6), zone);
        p->kind = WIRE_NDP;
        return WIRE_OK;
}

/*       0       2       4    5    6       8            14       18           24
 *      +-------+-------+----+----+-------+------------+--------+------------+--------+
 *      | 1     | 0800  | 6  | 4  | oper  | sender MAC | and IP | target MAC | and IP |
 *      +-------+-------+----+----+-------+------------+--------+------------+--------+
 */
enum wire_drop decode_arp(struct pkt *p, struct rd *r)
{
        struct span h = rd_take(r, 28);
        if (!h.n)
                return WIRE_SHORT;
        uint16_t oper = get_be16(h.p + 6);
        if (get_be64(h.p) >> 16 != 0x000108000604ull || oper < 1 || oper > 2)
                return WIRE_UNKNOWN;
        p->kind = WIRE_ARP;
        p->src = ip_v4(get_be32(h.p + 14));
        p->dst = ip_v4(get_be32(h.p + 24));
        p->neigh_request = oper == 1;
        p->neigh_ip = p->neigh_request ? p->dst : p->src;
        p->has_neigh_mac = p->neigh_sure = true;
        memcpy(p->neigh_mac, h.p + 8, 6);
        return WIRE_OK;
}

/* ---- ICMP and the rest ---- */

static bool quotes(const struct pkt *p)
{
        uint8_t t = p->icmp_type;
        if (p->src.family == 6)
                return t >= 1 && t <= 4;
        return (t >= 3 && t <= 5) || t == 11 || t == 12;
}

static enum wire_drop decode_icmp(struct pkt *p, struct decode_how how)
{
        struct rd r = rd_of(p->l4);
        struct span h = rd_take(&r, 8);
        bool six = p->src.family == 6;
        if (!h.n)
                return WIRE_SHORT;
        if (how.verify && !sum_is_right(p, p->l4, six))
                return WIRE_BADSUM;
        p->kind = WIRE_ICMP;
        p->icmp_type = h.p[0];
        p->icmp_code = h.p[1];
        p->payload = span_of(r.p, rd_left(&r));
        if (quotes(p))
                decode_quote(p, &r, how.zone);
        /* RFC 4861 §7.1: a hop limit below 255 means that it came from beyond the link */
        if (six && (p->icmp_type == 135 || p->icmp_type == 136) && p->icmp_code == 0 && p->ttl == 255)
                return decode_ndp(p, &r, how.zone);
        return WIRE_OK;
}

enum wire_drop decode_l4(struct pkt *p, struct span l4, struct decode_how how)
{
        p->l4 = l4;
        if (p->proto == PROTO_TCP)
                return decode_tcp(p, how);
        if (p->proto == (p->src.family == 4 ? PROTO_ICMP : PROTO_ICMP6))
                return decode_icmp(p, how);
        struct rd r = rd_of(l4);
        if ((p->proto == PROTO_UDP || p->proto == PROTO_SCTP) && l4.n >= 8) {
                p->sport = rd_be16(&r);
                p->dport = rd_be16(&r);
                rd_skip(&r, p->proto == PROTO_UDP ? 4 : 8);
                p->payload = rd_take(&r, rd_left(&r));
        }
        return WIRE_OK;
}
