// SPDX-License-Identifier: Apache-2.0
/*
 * selftest: trawl --selftest. A quick end-to-end check that the binary on this machine does what it should:
 * the order is a permutation, a probe's cookie is found again in the answer, a forged answer is not.
 */
#include "eng.h"
#include <stdio.h>
#include <stdlib.h>

static bool order_is_permutation(void)
{
        static const uint64_t sizes[] = {1, 2, 3, 1000, 4097};
        struct tgt_order o;
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                uint64_t seen = 0;
                tgt_order_init(&o, sizes[i], i + 7);
                for (uint64_t p = 0; p < o.domain; p++) {
                        uint64_t x = tgt_order_at(&o, p);
                        seen += x < sizes[i];
                        if (x >= o.domain || tgt_order_pos(&o, x) != p)
                                return false;
                }
                if (seen != sizes[i])
                        return false;
        }
        return true;
}

/* Turns our SYN into the SYN-ACK (or, with a wrong ack, a forgery) that a host would send. */
static size_t answer_of(const uint8_t *syn, size_t len, bool forged, uint8_t *out, size_t cap)
{
        struct pkt p;
        struct wire_hop hop = {.link = LINK_RAW};
        if (wire_decode(&p, span_of(syn, len), LINK_RAW, false, 0) != WIRE_OK || p.kind != WIRE_TCP)
                return 0;
        return wire_build_tcp(out, cap, &hop, &p.dst, &p.src, p.dport, p.sport, 12345,
                              p.seq + (forged ? 2 : 1), TCP_SYN | TCP_ACK, 1000, 64);
}

static bool round_trip(const struct ip_addr *us, const struct target *who, bool forged,
                       enum scan_verdict want)
{
        struct scan_conf conf = {.profile = SYN_WINDOWS,
                                 .ttl = SCAN_DEFAULT,
                                 .mss = SCAN_DEFAULT,
                                 .wscale = SCAN_DEFAULT,
                                 .sackok = SCAN_DEFAULT,
                                 .tsecho = SCAN_DEFAULT};
        struct scan_source source = {.first = *us, .count = 1, .port_first = 61000, .port_count = 64};
        struct scan_key key = {.sources = &source, .n_sources = 1};
        struct wire_hop hop = {.link = LINK_RAW};
        struct probe_template tmpl;
        struct patch patch;
        static struct target_batch one;
        struct pkt p;
        struct answer a;
        struct err e;
        uint8_t syn[WIRE_PROBE_MAX], reply[WIRE_PROBE_MAX];
        rand_bytes(&key.cookie, sizeof(key.cookie));
        if (scan_syn.prepare(&tmpl, &conf, &hop, &source, &e))
                return false;
        one.family = who->ip.family;
        one.n = 1;
        one.lo[0] = who->ip.lo;
        one.hi[0] = who->ip.hi;
        one.flat[0] = who->port;
        scan_syn.patch(&patch, &tmpl, &one, key.cookie, hop.them_mac, 0, 1);
        wire_stamp(syn, &tmpl, &patch);
        size_t n = answer_of(syn, tmpl.len, forged, reply, sizeof(reply));
        if (!n || wire_decode(&p, span_of(reply, n), LINK_RAW, false, 0) != WIRE_OK)
                return false;
        if (scan_syn.classify(&p, &key, 2, &a) != want)
                return false;
        return want != SCAN_ANSWER ||
               (ip_eq(&a.who.ip, &who->ip) && a.who.port == who->port && a.state == PORT_OPEN);
}

int eng_selftest(void)
{
        struct ip_addr us4 = ip_v4(0xc0000201), us6 = ip_v6(0x20010db800000000, 1);
        struct target t4 = {.ip = ip_v4(0xc6336401), .port = 80, .proto = 6};
        struct target t6 = {.ip = ip_v6(0x20010db800000000, 2), .port = 443, .proto = 6};
        const struct {
                const char *what;
                bool good;
        } rows[] = {
                {"order", order_is_permutation()},
                {"IPv4 probe and answer", round_trip(&us4, &t4, false, SCAN_ANSWER)},
                {"IPv6 probe and answer", round_trip(&us6, &t6, false, SCAN_ANSWER)},
                {"IPv4 forgery", round_trip(&us4, &t4, true, SCAN_FORGED)},
                {"IPv6 forgery", round_trip(&us6, &t6, true, SCAN_FORGED)},
        };
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                if (!rows[i].good) {
                        fprintf(stderr, "selftest: failed: %s\n", rows[i].what);
                        return EXIT_FAILED;
                }
        printf("selftest: success!\n");
        return EXIT_OK;
}
