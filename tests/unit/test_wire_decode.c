// SPDX-License-Identifier: Apache-2.0
/*
 * Decoding: frames written by hand, byte by byte, with a naive checksum, on every link and with every
 * wrapping; each of them also cut at every length and with every bit flipped, in a buffer of exactly that
 * size, so that the address sanitizer sees any step outside. Nothing of src/wire builds the input.
 */
#include "wire/wire.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct buf {
        uint8_t b[70000];
        size_t n;
};
static struct buf f;

static void hex(const char *text)
{
        unsigned v = 0, digits = 0;
        for (; *text; text++) {
                if (*text == ' ')
                        continue;
                v = v << 4 | (unsigned)(*text <= '9' ? *text - '0' : *text - 'a' + 10);
                if (++digits % 2 == 0)
                        f.b[f.n++] = (uint8_t)v;
        }
}

static void begin(const char *text)
{
        f.n = 0;
        hex(text);
}

/* Bytes two at a time, as the RFC says it. */
static uint32_t naive(const uint8_t *p, size_t n)
{
        uint32_t sum = 0;
        for (size_t i = 0; i < n; i++) {
                sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
                while (sum > 0xffff)
                        sum -= 0xffff;
        }
        return sum;
}

static void store_sum(size_t at, uint32_t sum)
{
        while (sum > 0xffff)
                sum -= 0xffff;
        f.b[at] = (uint8_t)(~sum >> 8);
        f.b[at + 1] = (uint8_t)~sum;
}

static void close_v4(size_t ip, size_t head)
{
        f.b[ip + 2] = (uint8_t)((f.n - ip) >> 8);
        f.b[ip + 3] = (uint8_t)(f.n - ip);
        f.b[ip + 10] = f.b[ip + 11] = 0;
        store_sum(ip + 10, naive(f.b + ip, head));
}

static void close_l4(size_t addrs, size_t addrs_len, size_t l4, uint8_t proto, size_t sum_at)
{
        f.b[sum_at] = f.b[sum_at + 1] = 0;
        uint32_t sum = naive(f.b + addrs, addrs_len) + naive(f.b + l4, f.n - l4);
        if (addrs_len)
                sum += proto + (uint32_t)(f.n - l4);
        store_sum(sum_at, sum);
}

static void close_v6(size_t ip)
{
        f.b[ip + 4] = (uint8_t)((f.n - ip - 40) >> 8);
        f.b[ip + 5] = (uint8_t)(f.n - ip - 40);
}

static const char *const ETHER4 = "02aabbccddee 021122334455 0800";
static const char *const ETHER6 = "02aabbccddee 021122334455 86dd";
/* 192.0.2.7:80 -> 198.51.100.9:40000, SYN-ACK, seq 01020304, ack 0a0b0c0d, window 64240 */
static const char *const V4 = "4500 0000 0000 4000 3706 0000 c0000207 c6336409";
static const char *const TCP = "0050 9c40 01020304 0a0b0c0d 5012 faf0 0000 0000";
static const char *const TCP_TS = "0050 9c40 01020304 0a0b0c0d a012 faf0 0000 0000"
                                  "020405b4 0402 080a 00000011 00000022 01 030307";
/* 2001:db8::7 -> 2001:db8::9 */
static const char *const V6 =
        "60000000 0000 0640 20010db8000000000000000000000007 20010db8000000000000000000000009";

static enum wire_drop decode(struct pkt *p, enum wire_link link)
{
        return wire_decode(p, span_of(f.b, f.n), link, false, 5);
}

static void make_tcp4(const char *link, const char *tcp)
{
        begin(link);
        size_t ip = f.n;
        hex(V4);
        hex(tcp);
        close_v4(ip, 20);
        close_l4(ip + 12, 8, ip + 20, 6, ip + 36);
}

static void make_tcp6(const char *link, uint8_t first, const char *extensions, const char *tcp)
{
        begin(link);
        size_t ip = f.n;
        hex(V6);
        f.b[ip + 6] = first;
        hex(extensions);
        size_t l4 = f.n;
        hex(tcp);
        close_v6(ip);
        close_l4(ip + 8, 32, l4, 6, l4 + 16);
}

static void is_the_syn_ack(const struct pkt *p, uint8_t family)
{
        assert_int_equal(p->kind, WIRE_TCP);
        assert_int_equal(p->src.family, family);
        assert_int_equal(p->src.lo, family == 4 ? 0xc0000207 : 7);
        assert_int_equal(p->dst.lo, family == 4 ? 0xc6336409 : 9);
        assert_int_equal(p->src.hi, family == 4 ? 0 : 0x20010db800000000);
        assert_int_equal(p->ttl, family == 4 ? 0x37 : 0x40);
        assert_int_equal(p->proto, 6);
        assert_int_equal(p->sport, 80);
        assert_int_equal(p->dport, 40000);
        assert_int_equal(p->seq, 0x01020304);
        assert_int_equal(p->ack, 0x0a0b0c0d);
        assert_int_equal(p->tcp_flags, TCP_SYN | TCP_ACK);
        assert_int_equal(p->window, 64240);
}

static void every_link(void **state)
{
        static const struct {
                enum wire_link link;
                const char *v4, *v6;
        } rows[] = {
                {LINK_ETHER, ETHER4, ETHER6},
                {LINK_ETHER, "02aabbccddee 021122334455 8100 0064 0800",
                 "02aabbccddee 021122334455 8100 e064 86dd"},
                {LINK_ETHER, "02aabbccddee 021122334455 88a8 0001 8100 0002 0800",
                 "02aabbccddee 021122334455 9100 0001 88a8 0001 8100 0002 86dd"},
                {LINK_RAW, "", ""},
                {LINK_NULL, "02000000", "0a000000"},
                {LINK_NULL, "00000002", "0000001e"},
                {LINK_NULL, "02000000", "18000000"},
                {LINK_NULL, "02000000", "1c000000"},
                {LINK_SLL, "0000 0001 0006 0211223344550000 0800", "0000 0304 0000 0000000000000000 86dd"},
        };
        struct pkt p;
        static const uint8_t mac[6] = {2, 0x11, 0x22, 0x33, 0x44, 0x55};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                make_tcp4(rows[i].v4, TCP);
                assert_int_equal(decode(&p, rows[i].link), WIRE_OK);
                is_the_syn_ack(&p, 4);
                if (rows[i].link == LINK_ETHER || rows[i].link == LINK_SLL)
                        assert_memory_equal(p.src_mac, mac, 6);
                make_tcp6(rows[i].v6, 6, "", TCP);
                assert_int_equal(decode(&p, rows[i].link), WIRE_OK);
                is_the_syn_ack(&p, 6);
        }
}

static void unknown_is_unknown(void **state)
{
        static const struct {
                enum wire_link link;
                const char *frame;
        } rows[] = {
                {LINK_ETHER, "02aabbccddee 021122334455 88cc 0000"},
                {LINK_ETHER, "02aabbccddee 021122334455 0026 424203"},
                {LINK_NULL, "07000000 00"},
                {LINK_RAW, "50000000"},
                {LINK_SLL, "0000 0001 0006 0211223344550000 0004 00"},
                /* IPv6 inside an IPv4 frame, ARP for another network, RARP */
                {LINK_ETHER, "02aabbccddee 021122334455 0800 60000000 0000 0640 00000000 00000000 00000000"},
                {LINK_ETHER, "ffffffffffff 021122334455 0806 0001 0801 06 04 0001 021122334455 c0000207 "
                             "000000000000 c0000209"},
                {LINK_ETHER, "ffffffffffff 021122334455 0806 0001 0800 06 04 0003 021122334455 c0000207 "
                             "000000000000 c0000209"},
        };
        struct pkt p;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                begin(rows[i].frame);
                assert_int_equal(decode(&p, rows[i].link), WIRE_UNKNOWN);
        }
}

static void spans_and_padding(void **state)
{
        struct pkt p;
        (void)state;
        make_tcp4(ETHER4, "0050 9c40 01020304 0a0b0c0d 5018 faf0 0000 0000 68690a");
        size_t end = f.n;
        hex("0000000000000000000000000000"); /* what an Ethernet card adds to a short frame */
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_ptr_equal(p.l4.p, f.b + 34);
        assert_int_equal(p.l4.n, 23);
        assert_ptr_equal(p.payload.p + p.payload.n, f.b + end);
        assert_int_equal(p.payload.n, 3);
        assert_memory_equal(p.payload.p, "hi\n", 3);
}

static void options(void **state)
{
        struct pkt p;
        (void)state;
        make_tcp4(ETHER4, TCP_TS);
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        is_the_syn_ack(&p, 4);
        assert_true(p.has_ts);
        assert_int_equal(p.tsval, 0x11);
        assert_int_equal(p.tsecr, 0x22);
        /* a list that runs past its end, one of length 0, one after the end mark, a short timestamp */
        static const char *const none[] = {
                "0050 9c40 01020304 0a0b0c0d 6012 faf0 0000 0000 080a0000",
                "0050 9c40 01020304 0a0b0c0d 9012 faf0 0000 0000 0300 080a 00000011 00000022 00000000",
                "0050 9c40 01020304 0a0b0c0d 9012 faf0 0000 0000 0000 080a 00000011 00000022 00000000",
                "0050 9c40 01020304 0a0b0c0d 8012 faf0 0000 0000 0808 000000110000 01010101",
        };
        for (size_t i = 0; i < ARRAY_LEN(none); i++) {
                make_tcp4(ETHER4, none[i]);
                assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
                is_the_syn_ack(&p, 4);
                assert_false(p.has_ts);
        }
}

static void tcp_header_lengths(void **state)
{
        struct pkt p;
        (void)state;
        for (unsigned words = 0; words < 16; words++) {
                make_tcp4(ETHER4, TCP_TS); /* ten words */
                f.b[46] = (uint8_t)(words << 4);
                close_l4(26, 8, 34, 6, 50);
                assert_int_equal(decode(&p, LINK_ETHER), words < 5 || words > 10 ? WIRE_SHORT : WIRE_OK);
                if (words >= 5 && words <= 10)
                        assert_int_equal(p.payload.n, 40 - words * 4);
        }
}

static void ipv4_options_and_fragments(void **state)
{
        struct pkt p;
        (void)state;
        begin(ETHER4);
        hex("4700 0000 0000 4000 3706 0000 c0000207 c6336409 01010101 94040000");
        hex(TCP);
        close_v4(14, 28);
        close_l4(26, 8, 42, 6, 58);
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        is_the_syn_ack(&p, 4);

        make_tcp4(ETHER4, TCP);
        f.b[20] = 0x00, f.b[21] = 0x01; /* offset 8 */
        close_v4(14, 20);
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_FRAGMENT);
        f.b[20] = 0x20, f.b[21] = 0x00; /* the first of several: its sum covers bytes that are not here */
        f.b[50] ^= 0xff;
        close_v4(14, 20);
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        is_the_syn_ack(&p, 4);
}

static void ipv6_extensions(void **state)
{
        static const struct {
                uint8_t first;
                const char *extensions;
                enum wire_drop drop;
        } rows[] = {
                {0, "0600 0502000001 00", WIRE_OK},
                {43, "0602 0400 00000000 20010db8000000000000000000000001", WIRE_OK},
                {43, "0603 0400 00000000 20010db8000000000000000000000001",
                 WIRE_SHORT}, /* swallows half of TCP */
                {43, "06ff 0400 00000000 20010db8000000000000000000000001", WIRE_SHORT},
                {60, "0601 010c 000000000000000000000000", WIRE_OK},
                {44, "0600 0000 12345678", WIRE_OK},
                {44, "0600 0008 12345678", WIRE_FRAGMENT},
                {0, "3c00 010400000000 2b00 010400000000 2c00 040000000000 0600 0000 00000001", WIRE_OK},
                {59, "", WIRE_OK},
        };
        struct pkt p;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                make_tcp6(ETHER6, rows[i].first, rows[i].extensions, TCP);
                assert_int_equal(decode(&p, LINK_ETHER), rows[i].drop);
                if (rows[i].drop == WIRE_OK && rows[i].first != 59)
                        is_the_syn_ack(&p, 6);
        }
        assert_int_equal(p.kind, WIRE_OTHER); /* 59: no next header */
        make_tcp6(ETHER6, 44, "0600 0001 12345678", TCP);
        f.b[f.n - 4] ^= 0xff; /* a wrong sum in a first fragment is not looked at */
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
}

static void wrong_sums(void **state)
{
        struct pkt p;
        (void)state;
        make_tcp4(ETHER4, TCP);
        f.b[24] ^= 1; /* IPv4 header sum: verified whatever sum_unset says */
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_BADSUM);
        assert_int_equal(wire_decode(&p, span_of(f.b, f.n), LINK_ETHER, true, 0), WIRE_BADSUM);
        make_tcp4(ETHER4, TCP);
        f.b[50] ^= 1;
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_BADSUM);
        assert_int_equal(wire_decode(&p, span_of(f.b, f.n), LINK_ETHER, true, 0), WIRE_OK);
        make_tcp6(ETHER6, 6, "", TCP);
        f.b[30] ^= 1; /* an address: in the pseudo header */
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_BADSUM);
        assert_int_equal(wire_decode(&p, span_of(f.b, f.n), LINK_ETHER, true, 0), WIRE_OK);
}

static void frame_of_64_kib(void **state)
{
        struct pkt p;
        (void)state;
        make_tcp4(ETHER4, TCP);
        for (size_t i = 0; i < 65495; i++)
                f.b[f.n++] = (uint8_t)(i * 7);
        close_v4(14, 20);
        close_l4(26, 8, 34, 6, 50);
        assert_int_equal(f.n, 14 + 65535);
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_int_equal(p.payload.n, 65495);
        f.b[60000] ^= 4;
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_BADSUM);
}

static void make_icmp4(uint8_t type, uint8_t code, const char *quote)
{
        begin(ETHER4);
        hex("4500 0000 0000 0000 ff01 0000 cb007101 c6336409");
        f.b[f.n++] = type;
        f.b[f.n++] = code;
        hex("0000 00000000");
        hex(quote);
        close_v4(14, 20);
        close_l4(0, 0, 34, 1, 36);
}

static void make_icmp6(const char *addrs, uint8_t hops, const char *body)
{
        begin(ETHER6);
        hex("60000000 0000 3a00");
        f.b[21] = hops;
        hex(addrs);
        hex(body);
        close_v6(14);
        close_l4(22, 32, 54, 58, 56);
}

static const char *const QUOTE4 = "4500 0034 abcd 4000 0106 0000 c6336409 c0000207 9c40 0050 deadbeef";
static const char *const QUOTE6 = "60000000 0020 0640 20010db8000000000000000000000009 "
                                  "20010db8000000000000000000000007 9c40 0050 deadbeef";
static const char *const ROUTER6 = "20010db8000000000000000000000001 20010db8000000000000000000000009";

static void quotes_our_syn(const struct pkt *p, uint8_t family)
{
        assert_int_equal(p->kind, WIRE_ICMP);
        assert_int_equal(p->quoted.src.family, family);
        assert_int_equal(p->quoted.src.lo, family == 4 ? 0xc6336409 : 9);
        assert_int_equal(p->quoted.dst.lo, family == 4 ? 0xc0000207 : 7);
        assert_int_equal(p->quoted.proto, 6);
        assert_int_equal(p->quoted.sport, 40000);
        assert_int_equal(p->quoted.dport, 80);
        assert_int_equal(p->quoted.seq, 0xdeadbeef);
}

static void icmp4_errors(void **state)
{
        struct pkt p;
        (void)state;
        make_icmp4(3, 13, QUOTE4);
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        quotes_our_syn(&p, 4);
        assert_int_equal(p.icmp_type, 3);
        assert_int_equal(p.icmp_code, 13);
        assert_int_equal(p.src.lo, 0xcb007101);
        assert_int_equal(p.ttl, 255);
        /* quoted options; a later fragment, too few bytes, IPv6 in it, no quote at all */
        make_icmp4(11, 0, "4600 0038 abcd 4000 0106 0000 c6336409 c0000207 01010101 9c40 0050 deadbeef");
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        quotes_our_syn(&p, 4);
        static const char *const unreadable[] = {
                "4500 0034 abcd 0001 0106 0000 c6336409 c0000207 9c40 0050 deadbeef",
                "4500 0034 abcd 4000 0106 0000 c6336409 c0000207 9c40 0050 deadbe",
                "4f00 0034 abcd 4000 0106 0000 c6336409 c0000207 9c40 0050 deadbeef",
                "4400 0034 abcd 4000 0106 0000 c6336409 c0000207 9c40 0050 deadbeef",
                "6000 0034 abcd 4000 0106 0000 c6336409 c0000207 9c40 0050 deadbeef",
                "",
        };
        for (size_t i = 0; i < ARRAY_LEN(unreadable); i++) {
                make_icmp4(3, 1, unreadable[i]);
                assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
                assert_int_equal(p.kind, WIRE_ICMP);
                assert_int_equal(p.quoted.src.family, 0);
        }
        make_icmp4(8, 0, QUOTE4); /* an echo request quotes nothing, whatever it carries */
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_int_equal(p.quoted.src.family, 0);
        make_icmp4(3, 1, QUOTE4);
        f.b[60] ^= 1;
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_BADSUM);
}

static void icmp6_errors(void **state)
{
        struct pkt p;
        char body[512] = "01 04 0000 00000000";
        (void)state;
        strncat(body, QUOTE6, 400);
        make_icmp6(ROUTER6, 60, body);
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        quotes_our_syn(&p, 6);
        assert_int_equal(p.icmp_type, 1);
        assert_int_equal(p.icmp_code, 4);
        /* a quoted probe with an extension header, link-local: the zone is filled in */
        make_icmp6(ROUTER6, 60,
                   "03 00 0000 00000000 60000000 0028 3c40 fe800000000000000000000000000009 "
                   "fe800000000000000000000000000007 0600 010400000000 9c40 0050 deadbeef");
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_int_equal(p.quoted.proto, 6);
        assert_int_equal(p.quoted.dport, 80);
        assert_int_equal(p.quoted.dst.zone, 5);
        f.b[56] ^= 1;
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_BADSUM);
}

static void arp(void **state)
{
        struct pkt p;
        static const uint8_t mac[6] = {2, 0x11, 0x22, 0x33, 0x44, 0x55};
        (void)state;
        begin("ffffffffffff 021122334455 0806 0001 0800 06 04 0001 021122334455 c0000207 000000000000 "
              "c0000209");
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_int_equal(p.kind, WIRE_ARP);
        assert_true(p.neigh_request && p.has_neigh_mac && p.neigh_sure);
        assert_int_equal(p.neigh_ip.lo, 0xc0000209);
        assert_int_equal(p.src.lo, 0xc0000207);
        assert_memory_equal(p.neigh_mac, mac, 6);
        f.b[21] = 2;
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_true(!p.neigh_request && p.neigh_sure);
        assert_int_equal(p.neigh_ip.lo, 0xc0000207);
}

static void ndp(void **state)
{
        static const char *const addrs = "fe800000000000000000000000000001 ff0200000000000000000001ff000009";
        static const char *const ns = "8700 0000 00000000 fe800000000000000000000000000009 0101 021122334455";
        static const char *const na = "8800 0000 60000000 fe800000000000000000000000000009 0201 021122334455";
        static const uint8_t mac[6] = {2, 0x11, 0x22, 0x33, 0x44, 0x55};
        struct pkt p;
        (void)state;
        for (int reply = 0; reply < 2; reply++) {
                make_icmp6(addrs, 255, reply ? na : ns);
                assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
                assert_int_equal(p.kind, WIRE_NDP);
                assert_int_equal(p.neigh_request, !reply);
                assert_int_equal(p.neigh_ip.lo, 9);
                assert_int_equal(p.neigh_ip.zone, 5);
                assert_int_equal(p.src.zone, 5);
                assert_true(p.has_neigh_mac);
                assert_memory_equal(p.neigh_mac, mac, 6);
                assert_int_equal(p.neigh_sure, reply);
        }
        make_icmp6(addrs, 255, "8800 0000 40000000 fe800000000000000000000000000009 0201 021122334455");
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_true(p.has_neigh_mac && !p.neigh_sure); /* without the override flag */
        make_icmp6(addrs, 254, na); /* from beyond the link: not believed (RFC 4861 §7.1) */
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_int_equal(p.kind, WIRE_ICMP);
        /* the other side's option, an option of length 0, no option */
        make_icmp6(addrs, 255, "8800 0000 60000000 fe800000000000000000000000000009 0101 021122334455");
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_false(p.has_neigh_mac);
        make_icmp6(addrs, 255, "8800 0000 60000000 fe800000000000000000000000000009 0200 021122334455");
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_SHORT);
        make_icmp6(addrs, 255, "8800 0000 60000000 fe800000000000000000000000000009");
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_false(p.has_neigh_mac);
        make_icmp6(addrs, 255, "8800 0000 60000000 fe8000000000000000000000000000");
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_SHORT);
}

static void make_udp4(void)
{
        begin(ETHER4);
        hex("4500 0000 0000 4000 3711 0000 c0000207 c6336409 0035 9c40 000b 0000 616263");
        close_v4(14, 20);
}

static void udp_has_ports(void **state)
{
        struct pkt p;
        (void)state;
        make_udp4();
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        assert_int_equal(p.kind, WIRE_OTHER);
        assert_int_equal(p.proto, 17);
        assert_int_equal(p.sport, 53);
        assert_int_equal(p.dport, 40000);
        assert_int_equal(p.payload.n, 3);
}

/* ---- hostile lengths: every cut and every flipped bit of a frame, in memory of exactly its size ---- */

static void stays_inside(const uint8_t *bytes, size_t n, bool unset)
{
        uint8_t *exact = malloc(n ? n : 1);
        struct pkt p;
        assert_non_null(exact);
        memcpy(exact, bytes, n);
        for (int link = LINK_ETHER; link <= LINK_SLL; link++) {
                if (wire_decode(&p, span_of(exact, n), (enum wire_link)link, unset, 5) != WIRE_OK)
                        continue;
                assert_true(!p.l4.n || (p.l4.p >= exact && p.l4.p + p.l4.n <= exact + n));
                assert_true(!p.payload.n || (p.payload.p >= exact && p.payload.p + p.payload.n <= exact + n));
        }
        free(exact);
}

static void torture(void)
{
        struct buf whole = f;
        struct pkt p;
        assert_int_equal(decode(&p, LINK_ETHER), WIRE_OK);
        for (size_t n = 0; n < whole.n; n++) {
                stays_inside(whole.b, n, true);
                assert_int_equal(wire_decode(&p, span_of(whole.b, n), LINK_ETHER, false, 0), WIRE_SHORT);
        }
        for (size_t bit = 0; bit < whole.n * 8; bit++) {
                whole.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
                stays_inside(whole.b, whole.n, true);
                stays_inside(whole.b, whole.n, false);
                whole.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
}

static void cut_and_flipped(void **state)
{
        char body[512] = "01 04 0000 00000000";
        (void)state;
        make_tcp4(ETHER4, TCP_TS);
        torture();
        make_tcp6(ETHER6, 0, "3c00 010400000000 2b00 010400000000 2c00 040000000000 0600 0000 00000001",
                  TCP_TS);
        torture();
        make_icmp4(3, 3, QUOTE4);
        torture();
        make_icmp6(ROUTER6, 60, strncat(body, QUOTE6, 400));
        torture();
        make_icmp6("fe800000000000000000000000000001 ff0200000000000000000001ff000009", 255,
                   "8700 0000 00000000 fe800000000000000000000000000009 0101 021122334455");
        torture();
        make_udp4();
        torture();
}

/* Flipping one bit of anything a sum covers must be noticed. */
static void no_bit_slips_through(void **state)
{
        struct pkt p;
        (void)state;
        make_tcp4(ETHER4, TCP_TS);
        for (size_t bit = 14 * 8; bit < f.n * 8; bit++) {
                f.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_int_not_equal(decode(&p, LINK_ETHER), WIRE_OK);
                f.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_link),
                cmocka_unit_test(unknown_is_unknown),
                cmocka_unit_test(spans_and_padding),
                cmocka_unit_test(options),
                cmocka_unit_test(tcp_header_lengths),
                cmocka_unit_test(ipv4_options_and_fragments),
                cmocka_unit_test(ipv6_extensions),
                cmocka_unit_test(wrong_sums),
                cmocka_unit_test(frame_of_64_kib),
                cmocka_unit_test(icmp4_errors),
                cmocka_unit_test(icmp6_errors),
                cmocka_unit_test(arp),
                cmocka_unit_test(ndp),
                cmocka_unit_test(udp_has_ports),
                cmocka_unit_test(cut_and_flipped),
                cmocka_unit_test(no_bit_slips_through),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
