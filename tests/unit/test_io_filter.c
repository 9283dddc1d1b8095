// SPDX-License-Identifier: Apache-2.0
/*
 * The receive filter, run by libpcap's BPF machine on made-up packets: random ranges, packets at their edges,
 * and a plain C judge beside it.
 */
#include "io/io_priv.h"
#include <setjmp.h>
#include <cmocka.h>
#include <linux/filter.h>
#include <netinet/in.h>
#ifdef HAVE_PCAP
#include <pcap/pcap.h>

static uint64_t seed = 1;

static uint64_t dice(uint64_t n)
{
        seed += 0x9e3779b97f4a7c15ull;
        return hash_mix64(seed) % n;
}

static bool passes(const struct filter *f, const uint8_t *p, size_t n)
{
        return bpf_filter((const struct bpf_insn *)(const void *)f->ins, p, (unsigned)n, (unsigned)n) != 0;
}

static struct filter made(const struct io_conf *c, enum wire_link link)
{
        struct filter f;
        struct err e = {0};
        if (filter_make(&f, c, link, &e))
                fail_msg("%s", e.text);
        assert_true(f.n <= FILTER_MAX);
        struct bpf_program p = {f.n, (struct bpf_insn *)(void *)f.ins};
        assert_true(bpf_validate(p.bf_insns, (int)p.bf_len));
        return f;
}

struct made_packet {
        uint8_t bytes[128];
        size_t n;
};

/* Link header, IP header (with options or an extension header on demand), then 24 bytes that begin with the
 * ports. */
static void make_packet(struct made_packet *m, enum wire_link link, const struct ip_addr *dst, uint8_t proto,
                        uint16_t port, unsigned words, uint8_t extension)
{
        struct wr w = wr_of(m->bytes, sizeof(m->bytes));
        uint8_t to[16];
        bool is6 = dst->family == 6;
        ip_to_bytes(dst, to);
        if (link == LINK_ETHER) {
                wr_be64(&w, 0);
                wr_be32(&w, 0);
                wr_be16(&w, is6 ? 0x86dd : 0x0800);
        }
        if (is6) {
                wr_be32(&w, 0x60000000);
                wr_be16(&w, 24);
                wr_u8(&w, extension ? extension : proto);
                wr_u8(&w, 64);
                wr_be64(&w, 0x20010db8ull << 32);
                wr_be64(&w, 99);
                wr_bytes(&w, to, 16);
                if (extension) {
                        wr_u8(&w, proto);
                        wr_u8(&w, 0);
                        wr_be16(&w, 0);
                        wr_be32(&w, 0);
                }
        } else {
                wr_u8(&w, (uint8_t)(0x45 + words));
                wr_u8(&w, 0);
                wr_be16(&w, (uint16_t)(44 + 4 * words));
                wr_be32(&w, 0);
                wr_u8(&w, 64);
                wr_u8(&w, proto);
                wr_be16(&w, 0);
                wr_be32(&w, 0x08080808);
                wr_bytes(&w, to, 4);
                for (unsigned i = 0; i < words; i++)
                        wr_be32(&w, 0x01010101);
        }
        wr_be16(&w, 443);
        wr_be16(&w, port);
        for (int i = 0; i < 5; i++)
                wr_be32(&w, 0);
        assert_false(w.full);
        m->n = wr_len(&w);
}

static bool in_spans(const struct io_conf *c, const struct ip_addr *ip, uint16_t port, bool ports)
{
        for (unsigned i = 0; i < c->n_ours; i++) {
                const struct io_span *s = &c->ours[i];
                if (s->first.family == ip->family && ip_cmp(&s->first, ip) <= 0 &&
                    ip_cmp(ip, &s->last) <= 0 && (!ports || (s->port_first <= port && port <= s->port_last)))
                        return true;
        }
        return false;
}

static struct ip_addr random_ip(void)
{
        /* Few values, so that ranges and packets meet; words that differ at every place of an IPv6 address.
         */
        if (dice(2))
                return ip_v4((uint32_t)(0x0a000000 + dice(600)));
        return ip_v6(0x20010db800000000 + (dice(3) << 32) + dice(3), (dice(3) << 32) + dice(5));
}

static void random_span(struct io_span *s)
{
        struct ip_addr a = random_ip(), b = random_ip();
        while (b.family != a.family)
                b = random_ip();
        bool one = dice(3) == 0;
        bool swap = ip_cmp(&a, &b) > 0;
        *s = (struct io_span){.first = swap ? b : a, .last = swap ? a : b};
        if (one)
                s->last = s->first;
        s->port_first = (uint16_t)(dice(2) ? 0 : 40000 + dice(10));
        s->port_last = (uint16_t)(s->port_first ? s->port_first + dice(10) : 65535);
}

static void against_a_judge(void **state)
{
        (void)state;
        static const uint8_t protos[] = {6, 6, 6, 1, 58, 17, 132};
        for (unsigned round = 0; round < 400; round++) {
                struct io_span spans[6];
                struct io_conf c = {
                        .ours = spans, .n_ours = 1 + (unsigned)dice(6), .all_protocols = dice(4) == 0};
                enum wire_link link = dice(2) ? LINK_ETHER : LINK_RAW;
                for (unsigned i = 0; i < c.n_ours; i++)
                        random_span(&spans[i]);
                struct filter f = made(&c, link);
                for (unsigned i = 0; i < 300; i++) {
                        struct made_packet m;
                        struct ip_addr ip = random_ip();
                        uint8_t proto = protos[dice(ARRAY_LEN(protos))];
                        uint16_t port = (uint16_t)(39995 + dice(30));
                        bool v6 = ip.family == 6, icmp = proto == (v6 ? 58 : 1);
                        make_packet(&m, link, &ip, proto, port, (unsigned)dice(11), 0);
                        bool want = in_spans(&c, &ip, port, proto == 6 && !c.all_protocols) &&
                                    (proto == 6 || icmp || c.all_protocols);
                        if (passes(&f, m.bytes, m.n) != want)
                                fail_msg("round %u packet %u: proto %u family %u, wanted %d", round, i, proto,
                                         ip.family, want);
                }
                filter_free(&f);
        }
}

static void special_frames(void **state)
{
        (void)state;
        struct io_span ours = {
                .first = ip_v6(1, 1), .last = ip_v6(1, 1), .port_first = 100, .port_last = 200};
        struct io_span ours4 = {.first = ip_v4(7), .last = ip_v4(7), .port_first = 100, .port_last = 200};
        struct io_span both[2] = {ours, ours4};
        struct io_conf c = {.ours = both, .n_ours = 2};
        struct filter f = made(&c, LINK_ETHER);
        struct made_packet m;
        struct ip_addr group = ip_v6(0xff02000000000000, 0x1ff000001);
        make_packet(&m, LINK_ETHER, &group, IPPROTO_ICMPV6, 0, 0, 0);
        m.bytes[54] = 135; /* neighbour solicitation to a multicast group */
        assert_true(passes(&f, m.bytes, m.n));
        m.bytes[54] = 128; /* echo request to it */
        assert_false(passes(&f, m.bytes, m.n));
        make_packet(&m, LINK_ETHER, &ours.first, 6, 999, 0, IPPROTO_DSTOPTS);
        assert_true(passes(&f, m.bytes, m.n)); /* ports out of reach: the decoder decides */
        make_packet(&m, LINK_ETHER, &ours4.first, 6, 150, 0, 0);
        assert_true(passes(&f, m.bytes, m.n));
        put_be16(m.bytes + 14 + 6, 0x2000); /* first fragment */
        assert_true(passes(&f, m.bytes, m.n));
        put_be16(m.bytes + 14 + 6, 0x2001); /* a later one */
        assert_false(passes(&f, m.bytes, m.n));
        put_be16(m.bytes + 12, 0x0806);
        assert_true(passes(&f, m.bytes, m.n));
        put_be16(m.bytes + 12, 0x8100);
        assert_true(passes(&f, m.bytes, m.n));
        put_be16(m.bytes + 12, 0x88cc); /* LLDP */
        assert_false(passes(&f, m.bytes, m.n));
        assert_false(passes(&f, m.bytes, 13));
        filter_free(&f);
}

static void users_filter(void **state)
{
        (void)state;
        struct io_span ours = {.first = ip_v4(7), .last = ip_v4(9), .port_first = 0, .port_last = 65535};
        struct io_conf c = {.ours = &ours, .n_ours = 1, .bpf_text = "tcp dst portrange 100-110 or icmp"};
        struct filter f = made(&c, LINK_ETHER);
        struct made_packet m;
        struct err e = {0};
        static const struct {
                uint32_t ip;
                uint8_t proto;
                uint16_t port;
                bool want;
        } rows[] = {{7, 6, 105, true}, {7, 6, 99, false}, {10, 6, 105, false},
                    {7, 1, 0, true},   {10, 1, 0, false}, {7, 17, 105, false}};
        for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
                struct ip_addr ip = ip_v4(rows[i].ip);
                make_packet(&m, LINK_ETHER, &ip, rows[i].proto, rows[i].port, 0, 0);
                assert_int_equal(passes(&f, m.bytes, m.n), rows[i].want);
        }
        filter_free(&f);
        c.n_ours = 0; /* the user's filter alone */
        f = made(&c, LINK_ETHER);
        struct ip_addr other = ip_v4(1000);
        make_packet(&m, LINK_ETHER, &other, 6, 105, 0, 0);
        assert_true(passes(&f, m.bytes, m.n));
        make_packet(&m, LINK_ETHER, &other, 6, 111, 0, 0);
        assert_false(passes(&f, m.bytes, m.n));
        filter_free(&f);
        c.bpf_text = "tcp dst prot 5";
        assert_int_equal(filter_make(&f, &c, LINK_ETHER, &e), -1);
        assert_non_null(strstr(e.text, "\"tcp dst prot 5\""));
}

/* More ranges than a program can hold: then everything is let through, rather than too little. */
static void too_many_ranges(void **state)
{
        (void)state;
        static struct io_span spans[2000];
        struct io_conf c = {.ours = spans, .n_ours = ARRAY_LEN(spans), .bpf_text = "not udp"};
        for (unsigned i = 0; i < ARRAY_LEN(spans); i++)
                spans[i] = (struct io_span){ip_v6(i, 5), ip_v6(i, 9), 1000, 2000};
        struct filter f = made(&c, LINK_RAW);
        struct made_packet m;
        struct ip_addr mine = ip_v6(1999, 7);
        make_packet(&m, LINK_RAW, &mine, 6, 1500, 0, 0);
        assert_true(passes(&f, m.bytes, m.n));
        make_packet(&m, LINK_RAW, &mine, 17, 1500, 0, 0);
        assert_false(passes(&f, m.bytes, m.n));
        filter_free(&f);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(against_a_judge),
                cmocka_unit_test(special_frames),
                cmocka_unit_test(users_filter),
                cmocka_unit_test(too_many_ranges),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
static void needs_libpcap(void **state)
{
        (void)state;
        skip();
}

int main(void)
{
        static const struct CMUnitTest tests[] = {cmocka_unit_test(needs_libpcap)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
