// SPDX-License-Identifier: Apache-2.0
/*
 * Building: whole frames against bytes written by hand from the RFCs, every buffer size from none to enough,
 * and each frame taken apart again by the decoder, which has tests of its own. Also the checksum against a
 * naive one.
 */
#include "wire/wire.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct wire_hop ether = {
        .link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}, .them_mac = {2, 0, 0, 0, 0, 2}};
static const struct wire_hop unresolved = {.link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}};
static const struct wire_hop tagged = {
        .link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}, .them_mac = {2, 0, 0, 0, 0, 2}, .vlan = 0xabc};

static void is_hex(const uint8_t *p, size_t n, const char *text)
{
        size_t i = 0;
        for (; *text; text++) {
                if (*text == ' ')
                        continue;
                char pair[3] = {text[0], text[1], 0};
                assert_true(i < n);
                assert_int_equal(p[i++], strtoul(pair, NULL, 16));
                text++;
        }
        assert_int_equal(i, n);
}

static uint16_t naive(uint32_t sum, const uint8_t *p, size_t n)
{
        for (size_t i = 0; i < n; i++)
                sum = (sum + (i % 2 ? p[i] : (uint32_t)p[i] << 8)) % 0xffff;
        return (uint16_t)sum;
}

static void sum_of_any_length_and_alignment(void **state)
{
        static uint8_t b[66000];
        (void)state;
        srand(3);
        for (size_t i = 0; i < sizeof(b); i++)
                b[i] = (uint8_t)rand();
        for (size_t n = 0; n < 300; n++)
                for (size_t at = 0; at < 9; at++)
                        assert_int_equal(wire_sum(7, span_of(b + at, n)) % 0xffff, naive(7, b + at, n));
        assert_int_equal(wire_sum(0xfffffff0, span_of(b, 65999)) % 0xffff,
                         naive(0xfffffff0u % 0xffff, b, 65999));
        memset(b, 0xff, sizeof(b)); /* most carries */
        assert_int_equal(wire_sum(0xffffffff, span_of(b, sizeof(b))), 0xffff);
        memset(b, 0, sizeof(b));
        assert_int_equal(wire_sum(0, span_of(b, sizeof(b))), 0);
}

static void rst_to_the_byte(void **state)
{
        uint8_t out[128];
        struct ip_addr us = ip_v4(0x0a000001), them = ip_v4(0x0a000002);
        (void)state;
        size_t n = wire_build_tcp(out, sizeof(out), &ether, &us, &them, 40000, 80, 0x11223344, 0, TCP_RST, 0,
                                  64);
        is_hex(out, n,
               "020000000002 020000000001 0800"
               "4500 0028 0000 4000 4006 26ce 0a000001 0a000002"
               "9c40 0050 11223344 00000000 5004 0000 bae7 0000");
}

static void tcp_round_trips(void **state)
{
        static const struct wire_hop raw = {.link = LINK_RAW}, null = {.link = LINK_NULL};
        const struct wire_hop *hops[] = {&ether, &tagged, &raw, &null};
        struct ip_addr v4[2] = {ip_v4(0xc0000201), ip_v4(0xc0000202)};
        struct ip_addr v6[2] = {ip_v6(0x20010db8ull << 32, 1), ip_v6(0x20010db8ull << 32, 2)};
        uint8_t out[128];
        struct pkt p;
        (void)state;
        for (unsigned i = 0; i < 8; i++) {
                const struct wire_hop *hop = hops[i / 2];
                struct ip_addr *a = i % 2 ? v6 : v4;
                size_t n = wire_build_tcp(out, sizeof(out), hop, &a[0], &a[1], 1, 65535, 2, 3,
                                          TCP_SYN | TCP_ACK, 9, 77);
                assert_int_equal(wire_decode(&p, span_of(out, n), hop->link, false, 0), WIRE_OK);
                assert_true(ip_eq(&p.src, &a[0]) && ip_eq(&p.dst, &a[1]));
                assert_true(p.sport == 1 && p.dport == 65535 && p.seq == 2 && p.ack == 3);
                assert_true(p.tcp_flags == (TCP_SYN | TCP_ACK) && p.window == 9 && p.ttl == 77);
                assert_int_equal(p.payload.n, 0);
                for (size_t cap = 0; cap < n; cap++)
                        assert_int_equal(wire_build_tcp(out, cap, hop, &a[0], &a[1], 1, 2, 3, 4, 5, 6, 7), 0);
        }
}

/* A segment with options and bytes, and the same taken apart. */
static void segments_round_trip(void **state)
{
        static const uint8_t bytes[1400] = {1, 2, 3};
        struct wire_segment s = {.src = ip_v4(0xc0000201),
                                 .dst = ip_v4(0xc0000202),
                                 .sport = 61000,
                                 .dport = 443,
                                 .seq = 0xfffffff0,
                                 .ack = 7,
                                 .flags = TCP_PSH | TCP_ACK,
                                 .ttl = 64,
                                 .window = 1024,
                                 .has_ts = true,
                                 .tsval = 0x01020304,
                                 .tsecr = 0x05060708,
                                 .payload = span_of(bytes, sizeof(bytes))};
        uint8_t out[1600];
        struct pkt p;
        (void)state;
        for (unsigned i = 0; i < 2; i++) {
                size_t n = wire_build_segment(out, sizeof(out), &tagged, &s);
                assert_int_equal(wire_decode(&p, span_of(out, n), LINK_ETHER, false, 0), WIRE_OK);
                assert_true(ip_eq(&p.src, &s.src) && p.seq == s.seq && p.ack == 7 && p.window == 1024);
                assert_true(p.has_ts && p.tsval == s.tsval && p.tsecr == s.tsecr && !p.mss && !p.has_wscale);
                assert_int_equal(p.payload.n, sizeof(bytes));
                assert_memory_equal(p.payload.p, bytes, sizeof(bytes));
                for (size_t cap = 0; cap < n; cap += 13)
                        assert_int_equal(wire_build_segment(out, cap, &tagged, &s), 0);
                s.src = ip_v6(0x20010db8ull << 32, 1);
                s.dst = ip_v6(0x20010db8ull << 32, 2);
        }
        s = (struct wire_segment){
                .src = ip_v4(0x0a000001), .dst = ip_v4(0x0a000002), .flags = TCP_SYN, .ttl = 1, .mss = 1460};
        size_t n = wire_build_segment(out, sizeof(out), &ether, &s);
        is_hex(out + 34 + 12, 2, "6002");
        is_hex(out + 34 + 20, 4, "020405b4");
        assert_int_equal(wire_decode(&p, span_of(out, n), LINK_ETHER, false, 0), WIRE_OK);
        assert_int_equal(p.mss, 1460);
}

static void vlan_tag_sits_before_the_type(void **state)
{
        uint8_t out[32];
        (void)state;
        is_hex(out, wire_build_link(out, sizeof(out), &tagged, 6),
               "020000000002 020000000001 8100 0abc 86dd");
        is_hex(out, wire_build_link(out, sizeof(out), &ether, 4), "020000000002 020000000001 0800");
        assert_int_equal(wire_build_link(out, 17, &tagged, 6), 0);
}

static void cooked_links_carry_nothing_out(void **state)
{
        static const struct wire_hop sll = {.link = LINK_SLL}, raw = {.link = LINK_RAW};
        struct ip_addr us = ip_v4(1), them = ip_v4(2);
        uint8_t out[128];
        (void)state;
        assert_int_equal(wire_build_tcp(out, sizeof(out), &sll, &us, &them, 1, 2, 3, 4, TCP_RST, 0, 64), 0);
        assert_int_equal(wire_build_neigh_request(out, sizeof(out), &raw, &us, &them), 0);
        assert_int_equal(wire_build_neigh_reply(out, sizeof(out), &raw, &us, &them), 0);
}

static void arp_to_the_byte(void **state)
{
        uint8_t out[64];
        struct ip_addr us = ip_v4(0xc0000201), them = ip_v4(0xc0000202);
        (void)state;
        is_hex(out, wire_build_neigh_request(out, sizeof(out), &unresolved, &us, &them),
               "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c0000201 000000000000 "
               "c0000202");
        is_hex(out, wire_build_neigh_request(out, sizeof(out), &ether, &us, &them),
               "020000000002 020000000001 0806 0001 0800 06 04 0001 020000000001 c0000201 000000000000 "
               "c0000202");
        is_hex(out, wire_build_neigh_reply(out, sizeof(out), &ether, &us, &them),
               "020000000002 020000000001 0806 0001 0800 06 04 0002 020000000001 c0000201 020000000002 "
               "c0000202");
        for (size_t cap = 0; cap < 42; cap++)
                assert_int_equal(wire_build_neigh_request(out, cap, &ether, &us, &them), 0);
}

static struct pkt ndp_decoded(const uint8_t *out, size_t n)
{
        struct pkt p;
        assert_int_equal(wire_decode(&p, span_of(out, n), LINK_ETHER, false, 0), WIRE_OK);
        assert_int_equal(p.kind, WIRE_NDP);
        assert_true(p.has_neigh_mac);
        assert_memory_equal(p.neigh_mac, ether.us_mac, 6);
        return p;
}

static void solicitations(void **state)
{
        uint8_t out[128];
        struct ip_addr us = ip_v6(0x20010db8ull << 32, 1), them = ip_v6(0x20010db8ull << 32, 0xaabbccddee);
        (void)state;
        size_t n = wire_build_neigh_request(out, sizeof(out), &unresolved, &us, &them);
        struct pkt p = ndp_decoded(out, n);
        is_hex(out, 14, "3333ffccddee 020000000001 86dd");
        is_hex(out + 38, 16, "ff020000 00000000 00000001 ffccddee");
        assert_true(p.neigh_request && ip_eq(&p.neigh_ip, &them) && ip_eq(&p.src, &us) && p.ttl == 255);
        for (size_t cap = 0; cap < n; cap++)
                assert_int_equal(wire_build_neigh_request(out, cap, &unresolved, &us, &them), 0);
        n = wire_build_neigh_request(out, sizeof(out), &ether, &us, &them); /* is it still there? */
        p = ndp_decoded(out, n);
        assert_memory_equal(out, ether.them_mac, 6);
        assert_true(ip_eq(&p.dst, &them));
        struct ip_addr unspecified = ip_v6(0, 0);
        n = wire_build_neigh_request(out, sizeof(out), &unresolved, &unspecified, &them);
        assert_int_equal(n, 14 + 40 + 24); /* no option: there is no address to tie the MAC to */
        assert_int_equal(wire_decode(&p, span_of(out, n), LINK_ETHER, false, 0), WIRE_OK);
        assert_false(p.has_neigh_mac);
}

static void advertisements(void **state)
{
        uint8_t out[128];
        struct ip_addr us = ip_v6(0x20010db8ull << 32, 1), asker = ip_v6(0x20010db8ull << 32, 2);
        struct ip_addr unspecified = ip_v6(0, 0);
        (void)state;
        struct pkt p = ndp_decoded(out, wire_build_neigh_reply(out, sizeof(out), &ether, &us, &asker));
        assert_true(!p.neigh_request && ip_eq(&p.neigh_ip, &us) && ip_eq(&p.dst, &asker));
        is_hex(out, 6, "020000000002");
        is_hex(out + 58, 4, "60000000");
        p = ndp_decoded(out, wire_build_neigh_reply(out, sizeof(out), &ether, &us, &unspecified));
        is_hex(out, 6, "333300000001");
        is_hex(out + 38, 16, "ff020000 00000000 00000000 00000001");
        is_hex(out + 58, 4, "20000000");
        assert_true(ip_eq(&p.neigh_ip, &us));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sum_of_any_length_and_alignment),
                cmocka_unit_test(rst_to_the_byte),
                cmocka_unit_test(tcp_round_trips),
                cmocka_unit_test(segments_round_trip),
                cmocka_unit_test(vlan_tag_sits_before_the_type),
                cmocka_unit_test(cooked_links_carry_nothing_out),
                cmocka_unit_test(arp_to_the_byte),
                cmocka_unit_test(solicitations),
                cmocka_unit_test(advertisements),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
