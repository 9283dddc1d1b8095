// SPDX-License-Identifier: Apache-2.0
/*
 * icmp: errors about segments of ours, with RFC 5927's care: believed only when the quoted sequence number is
 * in flight; what stands is never ended by one (hard errors end a SYN, everything else is soft and the
 * time-outs judge); a path that wants smaller packets gets them. Called by input.c.
 *
 *      | type | code | sum | IPv4: 0, MTU of the next hop (16) | the quoted packet
 *      | type | code | sum | IPv6: MTU (32)                    | the quoted packet
 *
 * Invariant: an error can only make segments smaller, never below MSS_MIN. RFC 1191 §4, RFC 8201, RFC 4443.
 */
#include "stack/stack_priv.h"

enum { HEADERS_V4 = 40, HEADERS_V6 = 60, MTU_OLD_ROUTER = 576, MTU_LEAST_V6 = 1280 };

/* Will no SYN to there ever be answered? RFC 1122 §4.2.3.9, RFC 5927 §5.2; "prohibited" counts as a no. */
static bool is_hard(const struct pkt *p)
{
        uint8_t t = p->icmp_type, code = p->icmp_code;
        if (p->src.family == 6)
                return (t == 1 && (code == 1 || code >= 4)) || (t == 4 && code == 1);
        return t == 3 && (code == 2 || code == 3 || code == 9 || code == 10 || code == 13);
}

/* The largest packet that goes through, or 0 when this error is about something else. */
static uint32_t mtu_told(const struct pkt *p)
{
        struct rd r = rd_of(p->l4);
        rd_skip(&r, 4);
        uint32_t word = rd_be32(&r);
        if (p->src.family == 6)
                return p->icmp_type == 2 ? MAX(word, (uint32_t)MTU_LEAST_V6) : 0;
        if (p->icmp_type != 3 || p->icmp_code != 4)
                return 0;
        return word & 0xffff ? word & 0xffff : MTU_OLD_ROUTER; /* before RFC 1191 they did not say */
}

static void shrink(struct stack *s, struct conn *c, uint32_t mtu)
{
        uint32_t used = (has(c, F_V6) ? HEADERS_V6 : HEADERS_V4) + (has(c, F_TS) ? 12u : 0u);
        uint32_t mss = MAX(mtu > used ? mtu - used : 0, (uint32_t)MSS_MIN);
        struct extra *x = extra_of(s, c);
        if (mss >= c->mss)
                return;
        c->mss = (uint16_t)mss;
        set(c, F_RESEND);
        clear(c, F_TIMING);
        if (x)
                x->resend = c->snd_una;
        tcp_want(s, c);
}

bool tcp_icmp(struct stack *s, const struct pkt *p)
{
        const struct wire_quote *q = &p->quoted;
        if (!q->src.family || q->proto != 6)
                return false;
        struct tcp_key k = tcp_key_of(&q->src, q->sport, &q->dst, q->dport);
        struct conn *c = tcp_find(s, &k);
        if (!c)
                return false;
        bool in_flight = q->seq - c->snd_una < c->snd_nxt - c->snd_una;
        uint32_t mtu = mtu_told(p);
        if (!in_flight || c->state == ST_TIME_WAIT)
                return true;
        tcp_enter(s);
        if (c->state == ST_SYN_SENT && is_hard(p))
                tcp_finish(s, c, CONN_REFUSED);
        else if (c->state >= ST_ESTABLISHED && mtu)
                shrink(s, c, mtu);
        tcp_leave(s);
        return true;
}
