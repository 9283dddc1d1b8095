// SPDX-License-Identifier: Apache-2.0
/*
 * The SYN probe: every profile's bytes against layouts written by hand, sums against a naive checksum and a
 * dissector of its own (no src/wire code reads the probes), the evenness of source choice, and the answers:
 * which packets are believed, which are called forged, which are none of ours.
 */
#include "scan/scan.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct hash_key secret = {0x0123456789abcdef, 0xfedcba9876543210};
static const struct wire_hop ether = {
        .link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}, .them_mac = {2, 0, 0, 0, 0, 2}};

static struct scan_conf conf_of(enum syn_profile profile)
{
        return (struct scan_conf){profile,      SCAN_DEFAULT, SCAN_DEFAULT, SCAN_DEFAULT,
                                  SCAN_DEFAULT, SCAN_DEFAULT, false};
}

static struct scan_source source_of(uint8_t family)
{
        struct ip_addr a = family == 4 ? ip_v4(0xc6336409) : ip_v6(0x20010db8ull << 32, 9);
        return (struct scan_source){a, 1, 40000, 1};
}

static struct target random_target(uint8_t family)
{
        uint64_t a = ((uint64_t)rand() << 33) ^ ((uint64_t)rand() << 11) ^ (uint64_t)rand();
        uint64_t b = ((uint64_t)rand() << 33) ^ ((uint64_t)rand() << 11) ^ (uint64_t)rand();
        return (struct target){family == 4 ? ip_v4((uint32_t)a) : ip_v6(a, b), (uint16_t)rand(), 6};
}

/* The patch of a batch of one. */
static struct patch patch_one(const struct probe_template *t, const struct target *to, const uint8_t mac[6],
                              uint32_t now_us)
{
        static struct target_batch b;
        struct patch p;
        b.n = 1;
        b.family = to->ip.family;
        b.hi[0] = to->ip.hi;
        b.lo[0] = to->ip.lo;
        b.flat[0] = to->port;
        memset(&p, 0x5a, sizeof(p));
        scan_syn.patch(&p, t, &b, secret, mac, 9, now_us);
        return p;
}

/* ---- a dissector that shares nothing with src/wire ---- */

struct seen {
        const uint8_t *ip, *tcp;
        size_t ip_len, tcp_len;
        bool ip_sum_ok, tcp_sum_ok;
        uint64_t src, dst; /* IPv4, or the low half */
        unsigned ttl, id, df, sport, dport, window;
        uint32_t seq;
        char options[64]; /* in words */
};

static unsigned be(const uint8_t *p, int n)
{
        unsigned v = 0;
        while (n--)
                v = v << 8 | *p++;
        return v;
}

static unsigned ones(unsigned sum, const uint8_t *p, size_t n)
{
        for (size_t i = 0; i < n; i++)
                sum = (sum + (i % 2 ? p[i] : (unsigned)p[i] << 8)) % 0xffff;
        return sum;
}

static void options_in_words(char *out, size_t cap, const uint8_t *p, size_t n)
{
        size_t at = 0;
        out[0] = 0;
        for (size_t i = 0; i < n;) {
                size_t len = p[i] < 2 ? 1 : p[i + 1];
                int put = 0;
                if (p[i] == 1)
                        put = snprintf(out + at, cap - at, "nop ");
                else if (p[i] == 2 && len == 4)
                        put = snprintf(out + at, cap - at, "mss%u ", be(p + i + 2, 2));
                else if (p[i] == 3 && len == 3)
                        put = snprintf(out + at, cap - at, "ws%u ", p[i + 2]);
                else if (p[i] == 4 && len == 2)
                        put = snprintf(out + at, cap - at, "sack ");
                else if (p[i] == 8 && len == 10)
                        put = snprintf(out + at, cap - at, "ts%u/%u ", be(p + i + 2, 4), be(p + i + 6, 4));
                else
                        fail_msg("option %u of %zu bytes", p[i], len);
                at += (size_t)put;
                i += len;
        }
}

static struct seen dissect(const uint8_t *f, size_t n, size_t l2)
{
        struct seen s = {.ip = f + l2};
        bool six = s.ip[0] >> 4 == 6;
        size_t head = six ? 40 : 20;
        assert_true(six || s.ip[0] == 0x45);
        s.ip_len = n - l2;
        assert_int_equal(six ? be(s.ip + 4, 2) + 40 : be(s.ip + 2, 2), s.ip_len);
        s.tcp = s.ip + head;
        s.tcp_len = s.ip_len - head;
        s.ip_sum_ok = six || ones(0, s.ip, 20) == 0;
        s.tcp_sum_ok = ones(ones(6 + (unsigned)s.tcp_len, s.ip + (six ? 8 : 12), six ? 32 : 8), s.tcp,
                            s.tcp_len) == 0;
        assert_int_equal(s.ip[six ? 6 : 9], 6);
        s.ttl = s.ip[six ? 7 : 8];
        s.id = six ? 0 : be(s.ip + 4, 2);
        s.df = six ? 0 : be(s.ip + 6, 2);
        s.src = six ? (uint64_t)be(s.ip + 16, 4) << 32 | be(s.ip + 20, 4) : be(s.ip + 12, 4);
        s.dst = six ? (uint64_t)be(s.ip + 32, 4) << 32 | be(s.ip + 36, 4) : be(s.ip + 16, 4);
        s.sport = be(s.tcp, 2);
        s.dport = be(s.tcp + 2, 2);
        s.seq = be(s.tcp + 4, 4);
        s.window = be(s.tcp + 14, 2);
        assert_int_equal((s.tcp[12] >> 4) * 4, s.tcp_len);
        assert_int_equal(s.tcp[13], 2);
        assert_int_equal(be(s.tcp + 8, 4), 0);
        assert_int_equal(be(s.tcp + 18, 2), 0);
        options_in_words(s.options, sizeof(s.options), s.tcp + 20, s.tcp_len - 20);
        return s;
}

static struct seen probe(uint8_t *out, const struct scan_conf *conf, const struct wire_hop *hop,
                         const struct scan_source *src, const struct target *to, uint32_t now_us)
{
        struct probe_template t;
        struct err e;
        assert_int_equal(scan_syn.prepare(&t, conf, hop, src, &e), 0);
        struct patch p = patch_one(&t, to, hop->them_mac, now_us);
        memset(out, 0xa5, WIRE_PROBE_MAX);
        wire_stamp(out, &t, &p);
        return dissect(out, t.len, t.l3);
}

/* ---- layouts ---- */

static void profiles_to_the_option(void **state)
{
        static const struct {
                enum syn_profile profile;
                const char *name, *options4, *options6;
                unsigned ttl, df, window;
        } rows[] = {
                {SYN_MINIMAL, "minimal", "", "", 255, 0, 65535},
                {SYN_MASSCAN, "masscan", "mss1460 ", "mss1460 ", 255, 0, 1025},
                {SYN_LINUX, "linux", "mss1460 sack ts77/0 nop ws7 ", "mss1440 sack ts77/0 nop ws7 ", 64,
                 0x4000, 64240},
                {SYN_WINDOWS, "windows", "mss1460 nop ws8 nop nop sack ", "mss1440 nop ws8 nop nop sack ",
                 128, 0x4000, 64240},
                {SYN_BSD, "bsd", "mss1460 nop ws6 sack ts77/0 ", "mss1440 nop ws6 sack ts77/0 ", 64, 0x4000,
                 65535},
        };
        uint8_t out[WIRE_PROBE_MAX];
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                for (uint8_t family = 4; family <= 6; family += 2) {
                        struct scan_conf conf = conf_of(rows[i].profile);
                        struct scan_source src = source_of(family);
                        struct target to = random_target(family);
                        struct seen s = probe(out, &conf, &ether, &src, &to, 77);
                        assert_string_equal(s.options, family == 4 ? rows[i].options4 : rows[i].options6);
                        assert_int_equal(s.ttl, rows[i].ttl);
                        assert_int_equal(s.window, rows[i].window);
                        assert_int_equal(s.df, family == 4 ? rows[i].df : 0);
                        assert_int_equal(scan_profile_by_name(rows[i].name), rows[i].profile);
                        assert_non_null(strstr(scan_profile_names(), rows[i].name));
                }
        assert_int_equal(scan_profile_by_name("solaris"), -1);
        assert_int_equal(scan_profile_by_name(""), -1);
}

static void each_option_by_itself(void **state)
{
        static const struct {
                struct scan_conf conf;
                const char *options;
                unsigned ttl;
        } rows[] = {
                {{SYN_WINDOWS, 33, -1, -1, -1, -1, false}, "mss1460 nop ws8 nop nop sack ", 33},
                {{SYN_WINDOWS, -1, 536, -1, -1, -1, false}, "mss536 nop ws8 nop nop sack ", 128},
                {{SYN_WINDOWS, -1, 0, -1, -1, -1, false}, "nop ws8 nop nop sack ", 128},
                {{SYN_WINDOWS, -1, -1, -2, -1, -1, false}, "mss1460 nop nop sack ", 128},
                {{SYN_WINDOWS, -1, -1, 0, -1, -1, false}, "mss1460 nop ws0 nop nop sack ", 128},
                {{SYN_WINDOWS, -1, -1, -1, 0, -1, false}, "mss1460 nop ws8 ", 128},
                {{SYN_WINDOWS, -1, -1, -1, -1, 1, false}, "mss1460 nop ws8 sack ts77/0 ", 128},
                {{SYN_WINDOWS, -1, -1, -1, -1, 2, false}, "mss1460 nop ws8 sack ts2/0 ", 128},
                {{SYN_BSD, -1, -1, -1, -1, 254, false}, "mss1460 nop ws6 sack ts254/0 ", 64},
                {{SYN_LINUX, -1, -1, -1, -1, 0, false}, "mss1460 nop nop sack nop ws7 ", 64},
                {{SYN_LINUX, -1, -1, -1, 0, -1, false}, "mss1460 nop nop ts77/0 nop ws7 ", 64},
                {{SYN_LINUX, -1, 0, -2, 0, 0, false}, "", 64},
                {{SYN_MINIMAL, -1, 65535, 14, 1, 1, false}, "mss65535 nop ws14 sack ts77/0 ", 255},
                {{SYN_MASSCAN, 1, -1, 3, -1, -1, false}, "mss1460 nop ws3 ", 1},
        };
        uint8_t out[WIRE_PROBE_MAX];
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct scan_source src = source_of(4);
                struct target to = random_target(4);
                struct seen s = probe(out, &rows[i].conf, &ether, &src, &to, 77);
                assert_string_equal(s.options, rows[i].options);
                assert_int_equal(s.ttl, rows[i].ttl);
                assert_true(s.ip_sum_ok && s.tcp_sum_ok);
        }
}

/* ---- every probe is whole: sums, addresses, link, over profiles × families × links × random targets ---- */

static void check_probes(const struct scan_conf *conf, const struct wire_hop *hop,
                         const struct scan_source *src)
{
        uint8_t out[WIRE_PROBE_MAX];
        for (int i = 0; i < 400; i++) {
                struct target to = random_target(src->first.family);
                if (i == 0) /* the carries' worst case */
                        to = (struct target){src->first.family == 4 ? ip_v4(UINT32_MAX)
                                                                    : ip_v6(UINT64_MAX, UINT64_MAX),
                                             65535, 6};
                struct seen s = probe(out, conf, hop, src, &to, (uint32_t)rand() * 2u);
                assert_true(s.ip_sum_ok);
                assert_int_equal(s.tcp_sum_ok, !conf->badsum);
                assert_int_equal(s.dst, to.ip.lo);
                assert_int_equal(s.dport, to.port);
                assert_true(s.sport >= src->port_first && s.sport - src->port_first < src->port_count);
                assert_true(s.src - src->first.lo < src->count);
                struct ip_addr us = src->first;
                us.lo = s.src;
                assert_int_equal(s.seq,
                                 (uint32_t)wire_cookie(secret, &us, (uint16_t)s.sport, &to.ip, to.port));
                if (us.family == 6)
                        assert_int_equal((uint64_t)be(s.ip + 8, 4) << 32 | be(s.ip + 12, 4), us.hi);
                if (hop->link == LINK_ETHER) {
                        assert_memory_equal(out, hop->them_mac, 6);
                        assert_memory_equal(out + 6, hop->us_mac, 6);
                }
        }
}

static void sums_are_exact(void **state)
{
        struct wire_hop hops[] = {ether, ether, {.link = LINK_RAW}, {.link = LINK_NULL}};
        struct scan_source src[] = {
                source_of(4),
                source_of(6),
                {ip_v4(0xffffff00), 256, 1, 65535},
                {ip_v6(7, UINT64_MAX - 999), 1000, 1024, 777}, /* the range ends with its /64 */
        };
        (void)state;
        srand(11);
        hops[1].vlan = 77;
        for (int profile = SYN_MINIMAL; profile <= SYN_BSD; profile++)
                for (size_t h = 0; h < ARRAY_LEN(hops); h++)
                        for (size_t s = 0; s < ARRAY_LEN(src); s++) {
                                struct scan_conf conf = conf_of((enum syn_profile)profile);
                                conf.badsum = h == 2;
                                check_probes(&conf, &hops[h], &src[s]);
                        }
}

static void cooked_link_is_refused(void **state)
{
        struct wire_hop sll = {.link = LINK_SLL};
        struct scan_conf conf = conf_of(SYN_WINDOWS);
        struct scan_source src = source_of(4);
        struct probe_template t;
        struct err e = {.text = ""};
        (void)state;
        assert_int_equal(scan_syn.prepare(&t, &conf, &sll, &src, &e), -1);
        assert_true(strlen(e.text) > 20);
}

static void source_sets_stay_in_one_net64(void **state)
{
        struct scan_conf conf = conf_of(SYN_WINDOWS);
        struct scan_source src = {ip_v6(0xfd01ull << 48, UINT64_MAX - 3), 4, 40000, 64};
        struct probe_template t;
        struct err e = {.text = ""};
        (void)state;
        assert_int_equal(scan_syn.prepare(&t, &conf, &ether, &src, &e), 0);
        src.count = 5;
        assert_int_equal(scan_syn.prepare(&t, &conf, &ether, &src, &e), -1);
        assert_non_null(strstr(e.text, "\"fd01::ffff:ffff:ffff:fffc-fd01:0:0:1::\""));
        assert_non_null(strstr(e.text, "/64"));
}

/* ---- which source a target sees ---- */

/* Worked out apart from this code: an answer to a probe of another trawl with the same key must be one. */
static void probes_stay_what_they_were(void **state)
{
        static const struct scan_source src[2] = {
                {{.lo = 0x0a000064, .family = 4}, 7, 40000, 17},
                {{.hi = 0x20010db8ull << 32, .lo = 0x100, .family = 6}, 1000, 1024, 64512}};
        static const struct {
                struct target to;
                unsigned long long src; /* lower half */
                unsigned sport;
                uint32_t seq;
                unsigned id;
        } rows[] = {
                {{{.lo = 0x0b000001, .family = 4}, 443, 6}, 0x0a000066, 0x9c42, 0xf296d5bd, 0x41d5},
                {{{.lo = 0xffffffff, .family = 4}, 65535, 6}, 0x0a000069, 0x9c45, 0x21fc51fd, 0x7ce4},
                {{{.lo = 0, .family = 4}, 0, 6}, 0x0a000064, 0x9c46, 0xfa45a831, 0xf7d6},
                {{{.hi = 0x20010db800000007, .lo = 0x777, .family = 6}, 80, 6}, 0x210, 0xf713, 0xfee9e0e0, 0},
                {{{.hi = UINT64_MAX, .lo = UINT64_MAX, .family = 6}, 65535, 6}, 0x14e, 0x1fde, 0xb1daa296, 0},
        };
        struct scan_conf conf = conf_of(SYN_LINUX);
        uint8_t out[WIRE_PROBE_MAX];
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct seen s = probe(out, &conf, &ether, &src[i > 2], &rows[i].to, 77);
                assert_int_equal(s.src, rows[i].src);
                assert_int_equal(s.sport, rows[i].sport);
                assert_int_equal(s.seq, rows[i].seq);
                assert_int_equal(s.id, rows[i].id);
                assert_true(s.ip_sum_ok && s.tcp_sum_ok);
        }
}

enum { SPREAD = 210000 };

static double chi_square(const unsigned *count, size_t cells)
{
        double want = (double)SPREAD / (double)cells, chi = 0;
        for (size_t i = 0; i < cells; i++)
                chi += (count[i] - want) * (count[i] - want) / want;
        return chi;
}

/* Consecutive addresses and one port, as in a real scan; chi-square of k cells has mean k - 1 and variance
 * 2 (k - 1): six sigma is far beyond chance and far below what a modulo or a mask would give. */
static void sources_are_used_evenly(void **state)
{
        static unsigned addr[7], port[17], both[7 * 17], id[256];
        uint8_t out[WIRE_PROBE_MAX];
        struct scan_conf conf = conf_of(SYN_WINDOWS);
        struct scan_source src = {ip_v4(0x0a000064), 7, 40000, 17};
        struct probe_template t;
        struct err e;
        (void)state;
        assert_int_equal(scan_syn.prepare(&t, &conf, &ether, &src, &e), 0);
        for (uint32_t i = 0; i < SPREAD; i++) {
                struct target to = {ip_v4(0x0b000000 + i), 443, 6};
                struct patch p = patch_one(&t, &to, ether.them_mac, 5);
                struct patch again = patch_one(&t, &to, ether.them_mac, 900000); /* a retry, later */
                assert_true(p.src == again.src && p.sport == again.sport && p.seq == again.seq);
                wire_stamp(out, &t, &p);
                unsigned sport = be(out + 34, 2) - 40000, off = be(out + 26, 4) - 0x0a000064;
                assert_true(off < 7 && sport < 17);
                addr[off]++, port[sport]++, both[off * 17 + sport]++, id[out[19]]++;
        }
        assert_true(chi_square(addr, 7) < 6 + 6 * 3.5);
        assert_true(chi_square(port, 17) < 16 + 6 * 5.7);
        assert_true(chi_square(both, 7 * 17) < 118 + 6 * 15.4);
        assert_true(chi_square(id, 256) < 255 + 6 * 22.6);
}

static void whole_port_space(void **state)
{
        static bool used[65536];
        struct scan_conf conf = conf_of(SYN_MINIMAL);
        struct scan_source src = {ip_v6(1, 2), 1, 0, 65536};
        struct probe_template t;
        struct err e;
        unsigned n = 0;
        (void)state;
        assert_int_equal(scan_syn.prepare(&t, &conf, &ether, &src, &e), 0);
        for (uint32_t i = 0; i < 1000000; i++) {
                struct target to = {ip_v6(3, i), 80, 6};
                struct patch p = patch_one(&t, &to, ether.them_mac, 0);
                uint8_t b[2];
                memcpy(b, &p.sport, 2);
                n += !used[be(b, 2)];
                used[be(b, 2)] = true;
        }
        assert_true(n > 65500); /* 65536 × (1 - e^-15.3) expected */
}

static void batches_equal_single_patches(void **state)
{
        static const uint8_t mac[6] = {2, 7, 7, 7, 7, 7};
        static struct target_batch batch;
        struct scan_conf conf = conf_of(SYN_LINUX);
        struct scan_source src = {ip_v6(1, 2), 300, 100, 999};
        struct probe_template t;
        struct target to[100];
        struct patch many[101], untouched;
        struct err e;
        (void)state;
        assert_int_equal(scan_syn.prepare(&t, &conf, &ether, &src, &e), 0);
        batch.n = 100;
        batch.family = 6;
        for (int i = 0; i < 100; i++) {
                to[i] = random_target(6);
                batch.hi[i] = to[i].ip.hi;
                batch.lo[i] = to[i].ip.lo;
                batch.flat[i] = to[i].port;
        }
        memset(many, 0x77, sizeof(many));
        memset(&untouched, 0x77, sizeof(untouched));
        scan_syn.patch(many, &t, &batch, secret, mac, 9, 3);
        for (int i = 0; i < 100; i++) {
                struct patch one = patch_one(&t, &to[i], mac, 3);
                assert_memory_equal(&one, &many[i], sizeof(one));
                assert_int_equal(one.path, 9);
                assert_memory_equal(one.mac, mac, 6);
        }
        assert_memory_equal(&many[100], &untouched, sizeof(untouched));
        batch.n = 0;
        scan_syn.patch(&many[100], &t, &batch, secret, mac, 9, 3);
        assert_memory_equal(&many[100], &untouched, sizeof(untouched));
}

/* ---- answers ---- */

static const struct scan_source sources[] = {
        {{.lo = 0xc6336400, .family = 4}, 16, 40000, 100},
        {{.hi = 0x20010db800000000, .lo = 0, .family = 6}, 16, 50000, 100},
        {{.hi = 0xfe80ull << 48, .lo = 1, .family = 6, .zone = 5}, 1, 50000, 100},
        {{.hi = 7, .lo = UINT64_MAX - 3, .family = 6}, 10, 50000, 100},
};
static const struct scan_key key = {{0x0123456789abcdef, 0xfedcba9876543210}, sources, ARRAY_LEN(sources)};

struct reply { /* a packet as decode would give it */
        struct ip_addr us, them;
        uint16_t us_port, them_port;
        uint32_t cookie;
};

static struct reply reply_of(uint8_t family)
{
        struct reply r = {family == 4 ? ip_v4(0xc6336409) : ip_v6(0x20010db8ull << 32, 9),
                          family == 4 ? ip_v4(0xc0000207) : ip_v6(0x20010db8ull << 32, 0x777),
                          family == 4 ? 40050 : 50050, 80, 0};
        r.cookie = (uint32_t)wire_cookie(secret, &r.us, r.us_port, &r.them, r.them_port);
        return r;
}

static struct pkt tcp_reply(const struct reply *r, uint8_t flags, uint32_t ack)
{
        return (struct pkt){.kind = WIRE_TCP,
                            .src = r->them,
                            .dst = r->us,
                            .proto = 6,
                            .ttl = 51,
                            .sport = r->them_port,
                            .dport = r->us_port,
                            .tcp_flags = flags,
                            .seq = 0x1234,
                            .ack = ack};
}

static struct pkt icmp_error(const struct reply *r, uint8_t type, uint8_t code)
{
        struct pkt p = {.kind = WIRE_ICMP, .dst = r->us, .ttl = 60, .icmp_type = type, .icmp_code = code};
        p.src = r->us.family == 4 ? ip_v4(0xcb007101) : ip_v6(0x20010db8ull << 32, 0xffff);
        p.proto = r->us.family == 4 ? 1 : 58;
        p.quoted = (struct wire_quote){r->us, r->them, 6, r->us_port, r->them_port, r->cookie};
        return p;
}

static enum scan_verdict classify(const struct pkt *p, struct answer *a)
{
        memset(a, 0x5a, sizeof(*a)); /* every field of an answer is written */
        return scan_syn.classify(p, &key, 1000, a);
}

static void tcp_answers(void **state)
{
        static const struct {
                uint8_t flags;
                int ack_off; /* from the right one */
                enum scan_verdict verdict;
                enum port_state state;
        } rows[] = {
                {TCP_SYN | TCP_ACK, 0, SCAN_ANSWER, PORT_OPEN},
                {TCP_SYN | TCP_ACK | 64, 0, SCAN_ANSWER, PORT_OPEN}, /* ECN echo */
                {TCP_RST | TCP_ACK, 0, SCAN_ANSWER, PORT_CLOSED},
                {TCP_RST, 0, SCAN_ANSWER, PORT_CLOSED},
                {TCP_RST | TCP_SYN | TCP_ACK, 0, SCAN_ANSWER, PORT_CLOSED},
                {TCP_SYN | TCP_ACK, 1, SCAN_FORGED, 0},
                {TCP_SYN | TCP_ACK, -1, SCAN_FORGED, 0},
                {TCP_RST | TCP_ACK, 1, SCAN_FORGED, 0},
                {TCP_RST | TCP_ACK, -1, SCAN_FORGED, 0},
                {TCP_RST, 7, SCAN_FORGED, 0},
                {TCP_SYN, 0, SCAN_NOT_MINE, 0}, /* simultaneous open */
                {TCP_ACK, 0, SCAN_OLD, 0},
                {TCP_FIN | TCP_ACK, 0, SCAN_OLD, 0},
                {0, 0, SCAN_NOT_MINE, 0},
        };
        struct answer a;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
                struct reply r = reply_of(i % 2 ? 6 : 4);
                struct pkt p = tcp_reply(&r, rows[i / 2].flags, r.cookie + 1 + (uint32_t)rows[i / 2].ack_off);
                assert_int_equal(classify(&p, &a), rows[i / 2].verdict);
                if (rows[i / 2].verdict != SCAN_ANSWER)
                        continue;
                assert_int_equal(a.state, rows[i / 2].state);
                assert_true(ip_eq(&a.who.ip, &r.them) && ip_eq(&a.us, &r.us) && ip_eq(&a.reporter, &r.them));
                assert_true(a.who.port == 80 && a.who.proto == 6 && a.us_port == r.us_port);
                assert_true(a.ttl == 51 && a.flags == rows[i / 2].flags && a.ack == r.cookie + 1 &&
                            a.seq == 0x1234);
                assert_true(a.icmp_type == 0 && a.icmp_code == 0 && a.rtt_us == 0);
        }
}

/* The cookie binds all four: move any of them and the answer is somebody else's. */
static void cookie_binds_addresses_and_ports(void **state)
{
        struct answer a;
        (void)state;
        for (int i = 0; i < 8; i++) {
                struct reply r = reply_of(i % 2 ? 6 : 4);
                struct pkt p = tcp_reply(&r, TCP_SYN | TCP_ACK, r.cookie + 1);
                p.src.lo ^= i / 2 == 0;
                p.sport = (uint16_t)(p.sport ^ (i / 2 == 1));
                p.dst.lo ^= i / 2 == 2;
                p.dport = (uint16_t)(p.dport ^ (i / 2 == 3));
                assert_int_equal(classify(&p, &a), SCAN_FORGED);
        }
}

static void only_what_is_addressed_to_us(void **state)
{
        static const struct {
                struct ip_addr us;
                uint16_t port;
                bool ours;
        } rows[] = {
                {{.lo = 0xc6336400, .family = 4}, 40000, true},
                {{.lo = 0xc633640f, .family = 4}, 40099, true},
                {{.lo = 0xc6336410, .family = 4}, 40000, false},
                {{.lo = 0xc63363ff, .family = 4}, 40000, false},
                {{.lo = 0xc6336400, .family = 4}, 39999, false},
                {{.lo = 0xc6336400, .family = 4}, 40100, false},
                {{.hi = 0x20010db800000000, .lo = 15, .family = 6}, 50000, true},
                {{.hi = 0x20010db800000000, .lo = 16, .family = 6}, 50000, false},
                {{.hi = 0x20010db800000001, .lo = 0, .family = 6}, 50000, false},
                {{.hi = 0, .lo = 0xc6336400, .family = 6}, 40000, false},
                {{.hi = 7, .lo = UINT64_MAX, .family = 6}, 50000, true},
                {{.hi = 8, .lo = 5, .family = 6}, 50000, true},
                {{.hi = 8, .lo = 6, .family = 6}, 50000, false},
                {{.hi = 8, .lo = UINT64_MAX, .family = 6}, 50000, false},
                {{.hi = 7, .lo = 5, .family = 6}, 50000, false},
                {{.hi = 0xfe80ull << 48, .lo = 1, .family = 6, .zone = 5}, 50000, true},
                {{.hi = 0xfe80ull << 48, .lo = 1, .family = 6, .zone = 6}, 50000, false},
                {{.hi = 0xfe80ull << 48, .lo = 1, .family = 6}, 50000, true},
        };
        struct answer a;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct reply r = reply_of(rows[i].us.family);
                r.us = rows[i].us;
                r.us_port = rows[i].port;
                r.cookie = (uint32_t)wire_cookie(secret, &r.us, r.us_port, &r.them, r.them_port);
                struct pkt p = tcp_reply(&r, TCP_SYN | TCP_ACK, r.cookie + 1);
                assert_int_equal(classify(&p, &a), rows[i].ours ? SCAN_ANSWER : SCAN_NOT_MINE);
                p = icmp_error(&r, r.us.family == 4 ? 3 : 1, 1);
                assert_int_equal(classify(&p, &a), rows[i].ours ? SCAN_ANSWER : SCAN_NOT_MINE);
        }
}

static void icmp_answers(void **state)
{
        static const struct {
                uint8_t family, type, code;
                bool filtered;
        } rows[] = {
                {4, 3, 0, true},   {4, 3, 1, true},  {4, 3, 2, true},    {4, 3, 3, true},   {4, 3, 9, true},
                {4, 3, 10, true},  {4, 3, 13, true}, {4, 3, 15, true},   {4, 11, 0, true},  {4, 5, 1, false},
                {4, 12, 0, false}, {4, 0, 0, false}, {4, 8, 0, false},   {4, 1, 0, false},  {6, 1, 0, true},
                {6, 1, 1, true},   {6, 1, 3, true},  {6, 1, 4, true},    {6, 1, 6, true},   {6, 3, 0, true},
                {6, 2, 0, false},  {6, 4, 0, false}, {6, 128, 0, false}, {6, 11, 0, false},
        };
        struct answer a;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct reply r = reply_of(rows[i].family);
                struct pkt p = icmp_error(&r, rows[i].type, rows[i].code);
                assert_int_equal(classify(&p, &a), rows[i].filtered ? SCAN_ANSWER : SCAN_NOT_MINE);
                if (!rows[i].filtered)
                        continue;
                assert_int_equal(a.state, PORT_FILTERED);
                assert_true(ip_eq(&a.who.ip, &r.them) && ip_eq(&a.us, &r.us) && ip_eq(&a.reporter, &p.src));
                assert_true(a.who.port == 80 && a.who.proto == 6 && a.us_port == r.us_port && a.flags == 0);
                assert_true(a.icmp_type == rows[i].type && a.icmp_code == rows[i].code && a.ttl == 60);
        }
}

static void icmp_that_is_not_believed(void **state)
{
        struct answer a;
        (void)state;
        for (uint8_t family = 4; family <= 6; family += 2) {
                struct reply r = reply_of(family);
                struct pkt good = icmp_error(&r, family == 4 ? 3 : 1, 1), p = good;
                p.quoted.seq++;
                assert_int_equal(classify(&p, &a), SCAN_FORGED);
                p = good, p.quoted.dport++;
                assert_int_equal(classify(&p, &a), SCAN_FORGED);
                p = good, p.quoted.dst.lo++;
                assert_int_equal(classify(&p, &a), SCAN_FORGED);
                p = good, p.quoted.proto = 17;
                assert_int_equal(classify(&p, &a), SCAN_NOT_MINE);
                p = good, p.dst.lo++; /* told to another than the one who sent it */
                assert_int_equal(classify(&p, &a), SCAN_NOT_MINE);
                p = good, p.quoted = (struct wire_quote){.proto = 0};
                assert_int_equal(classify(&p, &a), SCAN_NOT_MINE);
        }
}

static void round_trip_times(void **state)
{
        static const struct {
                bool has_ts;
                uint32_t tsecr, now_us, rtt_us;
        } rows[] = {
                {true, 1000, 43000, 42000},     {false, 1000, 43000, 0},
                {true, UINT32_MAX - 9, 30, 40}, {true, 0, 500, 0}, /* zero: not an echo of ours */
                {true, 1000, 120001000, 0},     {true, 1000, 120000999, 119999999},
                {true, 2000, 1000, 0}, /* from the future */
                {true, 254, 43000, 0}, /* a fixed value may have been sent: no clock of ours */
                {true, 255, 43000, 42745},
        };
        struct answer a;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct reply r = reply_of(4);
                struct pkt p = tcp_reply(&r, TCP_SYN | TCP_ACK, r.cookie + 1);
                p.has_ts = rows[i].has_ts;
                p.tsecr = rows[i].tsecr;
                assert_int_equal(scan_syn.classify(&p, &key, rows[i].now_us, &a), SCAN_ANSWER);
                assert_int_equal(a.rtt_us, rows[i].rtt_us);
        }
}

/* The whole way round: patch, stamp, a target that answers as the RFC says, decode, classify, RST. */
static void there_and_back(void **state)
{
        static const uint8_t flags[2] = {TCP_SYN | TCP_ACK, TCP_RST | TCP_ACK};
        struct scan_conf conf = conf_of(SYN_LINUX);
        uint8_t out[WIRE_PROBE_MAX], back[128];
        struct pkt syn, reply;
        struct answer a;
        (void)state;
        srand(5);
        for (int i = 0; i < 2000; i++) {
                const struct scan_source *src = &sources[i % 2];
                struct target to = random_target(src->first.family);
                struct seen s = probe(out, &conf, &ether, src, &to, 500);
                size_t n = (size_t)(s.tcp + s.tcp_len - out);
                assert_int_equal(wire_decode(&syn, span_of(out, n), LINK_ETHER, false, 0), WIRE_OK);
                assert_true(syn.has_ts && syn.tsval == 500);
                n = wire_build_tcp(back, sizeof(back), &ether, &syn.dst, &syn.src, syn.dport, syn.sport, 99,
                                   syn.seq + 1, flags[i / 2 % 2], 1000, 50);
                assert_int_equal(wire_decode(&reply, span_of(back, n), LINK_ETHER, false, 0), WIRE_OK);
                assert_int_equal(scan_syn.classify(&reply, &key, 1000, &a), SCAN_ANSWER);
                assert_int_equal(a.state, i / 2 % 2 ? PORT_CLOSED : PORT_OPEN);
                assert_true(ip_eq(&a.who.ip, &to.ip) && a.who.port == to.port);
                n = scan_build_rst(back, sizeof(back), &ether, &a, 64);
                assert_int_equal(wire_decode(&reply, span_of(back, n), LINK_ETHER, false, 0), WIRE_OK);
                assert_true(ip_eq(&reply.src, &syn.src) && ip_eq(&reply.dst, &syn.dst));
                assert_true(reply.sport == syn.sport && reply.dport == syn.dport);
                assert_true(reply.tcp_flags == TCP_RST && reply.seq == syn.seq + 1 && reply.ack == 0);
        }
        assert_int_equal(scan_build_rst(back, 53, &ether, &a, 64), 0);
}

static void table_ends(void **state)
{
        size_t n = 0;
        (void)state;
        while (scan_table[n]) {
                assert_non_null(scan_table[n]->name);
                assert_true(scan_table[n]->prepare && scan_table[n]->patch && scan_table[n]->classify);
                n++;
        }
        assert_true(n >= 1 && scan_table[0] == &scan_syn);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(profiles_to_the_option),
                cmocka_unit_test(each_option_by_itself),
                cmocka_unit_test(sums_are_exact),
                cmocka_unit_test(cooked_link_is_refused),
                cmocka_unit_test(source_sets_stay_in_one_net64),
                cmocka_unit_test(probes_stay_what_they_were),
                cmocka_unit_test(sources_are_used_evenly),
                cmocka_unit_test(whole_port_space),
                cmocka_unit_test(batches_equal_single_patches),
                cmocka_unit_test(tcp_answers),
                cmocka_unit_test(cookie_binds_addresses_and_ports),
                cmocka_unit_test(only_what_is_addressed_to_us),
                cmocka_unit_test(icmp_answers),
                cmocka_unit_test(icmp_that_is_not_believed),
                cmocka_unit_test(round_trip_times),
                cmocka_unit_test(there_and_back),
                cmocka_unit_test(table_ends),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
