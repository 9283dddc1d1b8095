// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzing the receive path: any bytes as a frame on every link, decoded, classified and, when they count as
 * an open port, answered. The first byte chooses: whether checksums are verified (a fuzzer cannot guess
 * them), and whether the cookie is put right after decoding (nor that). Checked besides the sanitizers' own
 * findings: spans lie inside of the frame, an answer names addresses of one family and a state, and decoding
 * twice gives the same.
 */
#include "scan/scan.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
        if (!held)
                abort();
}

static bool inside(struct span s, struct span frame)
{
        return s.n == 0 || (s.p >= frame.p && s.n <= frame.n && s.p - frame.p <= (ptrdiff_t)(frame.n - s.n));
}

/* Where an IPv4 header would begin on a link without tags. */
static void put_ip_sum_right(uint8_t *frame, size_t n, enum wire_link link)
{
        static const size_t at[] = {[LINK_ETHER] = 14, [LINK_RAW] = 0, [LINK_NULL] = 4, [LINK_SLL] = 16};
        uint8_t *ip = frame + at[link];
        if (n < at[link] + 20 || ip[0] >> 4 != 4)
                return;
        size_t head = MIN((ip[0] & 15u) * 4, n - at[link]);
        put_be16(ip + 10, 0);
        put_be16(ip + 10, (uint16_t)~wire_sum(0, span_of(ip, head)));
}

static void put_cookie_right(struct pkt *p, struct hash_key key)
{
        struct wire_quote *q = &p->quoted;
        if (p->kind == WIRE_TCP)
                p->ack = 1 + (uint32_t)wire_cookie(key, &p->dst, p->dport, &p->src, p->sport);
        else if (q->src.family)
                q->seq = (uint32_t)wire_cookie(key, &q->src, q->sport, &q->dst, q->dport);
}

static void classify(struct pkt *p, bool right)
{
        struct scan_source all[] = {{p->dst, 1, 0, 65536}, {ip_v4(0x0a000001), 16, 40000, 17}};
        struct scan_key key = {{1, 2}, all, 2};
        struct answer a;
        uint8_t rst[128];
        struct wire_hop hop = {.link = LINK_ETHER, .vlan = 5};
        if (p->dst.family == 0)
                return; /* nothing of IP: no source could look like it */
        if (right)
                put_cookie_right(p, key.cookie);
        if (scan_syn.classify(p, &key, 12345, &a) != SCAN_ANSWER)
                return;
        must(a.who.ip.family == a.us.family && a.who.ip.family != 0 && a.reporter.family == a.us.family);
        must(a.who.proto == 6 && a.state >= PORT_FILTERED && a.state <= PORT_OPEN);
        must(scan_build_rst(rst, sizeof(rst), &hop, &a, 64) == (a.us.family == 4 ? 18u + 40 : 18u + 60));
}

static void decode(struct span frame, enum wire_link link, bool sum_unset, bool right)
{
        struct pkt p, again;
        enum wire_drop drop = wire_decode(&p, frame, link, sum_unset, 3);
        must(drop < WIRE_NDROPS);
        must(wire_decode(&again, frame, link, sum_unset, 3) == drop);
        must(p.kind == again.kind && p.l4.p == again.l4.p && p.l4.n == again.l4.n &&
             ip_eq(&p.src, &again.src));
        if (drop != WIRE_OK)
                return;
        must(inside(p.l4, frame) && inside(p.payload, frame));
        must(p.kind != WIRE_TCP || p.payload.n + 20 <= p.l4.n);
        classify(&p, right);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 2)
                return 0;
        size_t n = size - 1;
        uint8_t *frame = malloc(n); /* of exactly that size: the address sanitizer guards both ends */
        must(frame != NULL);
        for (unsigned link = LINK_ETHER; link <= LINK_SLL; link++) {
                memcpy(frame, data + 1, n);
                if (data[0] & 4)
                        put_ip_sum_right(frame, n, (enum wire_link)link);
                decode(span_of(frame, n), (enum wire_link)link, data[0] & 1, data[0] & 2);
        }
        free(frame);
        return 0;
}
