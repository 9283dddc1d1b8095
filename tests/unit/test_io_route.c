// SPDX-License-Identifier: Apache-2.0
/*
 * Links, routes and neighbours as the kernel tells them, in a namespace of the test's own: a few hundred
 * random routes of every kind, and iproute2 as the judge.
 */
#include "test_io_ns.h"
#include <net/if.h>

static uint64_t seed = 42;

static uint64_t dice(uint64_t n)
{
        seed += 0x9e3779b97f4a7c15ull;
        return hash_mix64(seed) % n;
}

static struct io_facts *load(void)
{
        struct io_facts *f;
        struct err e = {0};
        if (io_facts_load(&f, &e))
                fail_msg("%s", e.text);
        return f;
}

static struct ip_addr parse(const char *text)
{
        struct ip_addr ip;
        assert_int_equal(ip_parse(&ip, text, strlen(text)), 0);
        return ip;
}

static void make_network(void)
{
        run("ip link add ra type veth peer name rb && ip link add rc type veth peer name rd");
        run("for i in ra rb rc rd; do echo 0 >/proc/sys/net/ipv6/conf/$i/accept_dad; ip link set $i up; "
            "done");
        run("ip addr add 10.1.0.1/16 dev ra && ip addr add 10.2.0.1/24 dev rc && ip addr add 10.1.5.5/16 dev "
            "ra");
        run("ip addr add 2001:db8:1::1/64 dev ra nodad && ip addr add 2001:db8:2::1/64 dev rc nodad");
        run("ip addr add 2001:db8:3::1/64 dev rc nodad preferred_lft 0");
        run("ip addr add 10.3.0.1 peer 10.3.0.2 dev rc");
}

static void bare_namespace(void **state)
{
        NEEDS_NAMESPACE();
        struct io_facts *f = load();
        struct io_route r;
        struct err e;
        struct ip_addr a = parse("127.0.0.1"), b = parse("192.0.2.1"), c = parse("2001:db8::1");
        const struct io_link *lo = io_facts_by_name(f, "lo");
        assert_non_null(lo);
        assert_true(lo->loopback && lo->up);
        assert_int_equal(io_route_query(f, &a, 0, &r, &e), 0);
        assert_int_equal(r.kind, ROUTE_LOCAL);
        assert_int_equal(io_route_query(f, &b, 0, &r, &e), 0);
        assert_int_equal(r.kind, ROUTE_NONE);
        assert_int_equal(io_route_query(f, &c, 0, &r, &e), 0);
        assert_int_equal(r.kind, ROUTE_NONE);
        io_facts_free(f);
}

static void links_and_addresses(void **state)
{
        NEEDS_NAMESPACE();
        make_network();
        run("ip link set ra address 02:11:22:33:44:55 mtu 1400");
        struct io_facts *f = load();
        const struct io_link *l = io_facts_by_name(f, "ra");
        char number[16];
        unsigned plain = 0, unusable = 0, peers = 0;
        assert_non_null(l);
        assert_true(l->is_veth && l->up && !l->loopback && !l->point_to_point);
        assert_int_equal(l->mtu, 1400);
        assert_int_equal(l->link, LINK_ETHER);
        assert_memory_equal(l->mac, "\x02\x11\x22\x33\x44\x55", 6);
        snprintf(number, sizeof(number), "%d", l->ifindex);
        assert_ptr_equal(io_facts_by_name(f, number), l);
        assert_ptr_equal(io_facts_by_index(f, l->ifindex), l);
        assert_null(io_facts_by_name(f, "ra0"));
        assert_null(io_facts_by_name(f, "99999"));
        struct ip_addr own = parse("10.3.0.1"), old = parse("2001:db8:3::1"), second = parse("10.1.5.5");
        for (size_t i = 0; i < l->n_addrs; i++) {
                plain += ip_eq(&l->addrs[i].ip, &second) && l->addrs[i].prefix_len == 16 &&
                         !l->addrs[i].deprecated;
                if (ip_is_link_local(&l->addrs[i].ip))
                        assert_int_equal(l->addrs[i].ip.zone, l->ifindex);
        }
        l = io_facts_by_name(f, "rc");
        for (size_t i = 0; i < l->n_addrs; i++) {
                peers += ip_eq(&l->addrs[i].ip, &own);
                unusable += ip_eq(&l->addrs[i].ip, &old) && l->addrs[i].deprecated;
        }
        assert_int_equal(plain, 1);
        assert_int_equal(peers, 1);
        assert_int_equal(unusable, 1);
        io_facts_free(f);
}

/* iproute2's answer, in our words. */
static void judge(const char *text, struct io_route *r, char raw[256])
{
        char cmd[128], *word, *save = NULL, line[256] = "";
        snprintf(cmd, sizeof(cmd), "ip -o route get %s 2>&1", text);
        FILE *in = popen(cmd, "r");
        assert_non_null(in);
        assert_non_null(fgets(line, sizeof(line), in));
        pclose(in);
        snprintf(raw, 256, "%s", line);
        *r = (struct io_route){.kind = ROUTE_ONLINK};
        if (strstr(line, "RTNETLINK") || strncmp(line, "unreachable", 11) == 0 ||
            strncmp(line, "prohibit", 8) == 0 || strncmp(line, "blackhole", 9) == 0 ||
            strncmp(line, "multicast", 9) == 0) {
                r->kind = ROUTE_NONE;
                return;
        }
        if (strncmp(line, "broadcast", 9) == 0)
                r->kind = ROUTE_BROADCAST;
        if (strncmp(line, "local", 5) == 0 || strncmp(line, "anycast", 7) == 0)
                r->kind = ROUTE_LOCAL;
        for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
                if (strcmp(word, "via") == 0) {
                        word = strtok_r(NULL, " \n", &save);
                        if (strcmp(word, "inet6") == 0)
                                word = strtok_r(NULL, " \n", &save);
                        r->via = parse(word);
                        r->kind = ROUTE_GATEWAY;
                } else if (strcmp(word, "src") == 0) {
                        r->src = parse(strtok_r(NULL, " \n", &save));
                } else if (strcmp(word, "dev") == 0) {
                        r->ifindex = (int)if_nametoindex(strtok_r(NULL, " \n", &save));
                }
        }
}

/* Of a multipath route the kernel takes one hop or the other by a hash of the addresses: both are right. */
static bool same_answer(const struct io_route *a, const struct io_route *b)
{
        struct ip_addr hop[2] = {parse("10.1.0.9"), parse("10.2.0.9")};
        bool many_a = ip_eq(&a->via, &hop[0]) || ip_eq(&a->via, &hop[1]);
        bool many_b = ip_eq(&b->via, &hop[0]) || ip_eq(&b->via, &hop[1]);
        if (many_a && many_b)
                return true;
        struct io_route x = *a, y = *b;
        x.via.zone = x.src.zone = y.via.zone = y.src.zone = 0;
        return x.kind == y.kind && x.ifindex == y.ifindex && ip_eq(&x.src, &y.src) && ip_eq(&x.via, &y.via);
}

static void assert_same(const struct ip_addr *ip, const struct io_route *got)
{
        struct io_route want;
        char text[IP_TEXT_MAX], raw[256];
        ip_format(text, ip);
        judge(text, &want, raw);
        if (!same_answer(&want, got)) {
                ip_format(text, &got->src);
                fail_msg("kind %d, source %s; ip says: %s", got->kind, text, raw);
        }
}

struct walk {
        struct io_facts *f;
        struct ip_addr next, last;
        struct io_route before;
        unsigned runs, checked, kinds[5];
        bool begun;
};

static struct ip_addr between(const struct ip_addr *a, const struct ip_addr *b)
{
        struct ip_addr m = *a;
        if (a->hi != b->hi) {
                m.hi = a->hi + dice(b->hi - a->hi) + 1;
                m.lo = m.hi == b->hi ? b->lo : dice(UINT64_MAX);
        } else if (b->lo > a->lo) {
                m.lo = a->lo + dice(b->lo - a->lo);
        }
        return m;
}

/* Runs follow each other without a gap, differ from the one before, and hold in all of their addresses. */
static int check_run(void *arg, const struct ip_addr *first, const struct ip_addr *last,
                     const struct io_route *r)
{
        struct walk *w = arg;
        struct io_route one;
        struct err e;
        assert_true(ip_eq(first, &w->next));
        assert_true(ip_cmp(first, last) <= 0);
        if (w->begun)
                assert_memory_not_equal(&w->before, r, sizeof(*r));
        for (unsigned i = 0; i < 8; i++) {
                struct ip_addr a = i == 0 ? *first : i == 1 ? *last : between(first, last);
                assert_int_equal(io_route_query(w->f, &a, 0, &one, &e), 0);
                if (!same_answer(&one, r)) {
                        char text[IP_TEXT_MAX];
                        ip_format(text, &a);
                        fail_msg("%s has another route than its run", text);
                }
        }
        if (w->runs % 4 == 0 || w->checked < 20) {
                struct ip_addr a = between(first, last);
                assert_same(first, r);
                assert_same(&a, r);
                w->checked++;
        }
        w->kinds[r->kind]++;
        w->runs++;
        w->before = *r;
        w->begun = true;
        w->next = ip_add(*last, 1);
        return 0;
}

static void cut_all(struct io_facts *f, const char *from, const char *to, struct walk *w)
{
        struct err e = {0};
        *w = (struct walk){.f = f, .next = parse(from), .last = parse(to)};
        struct ip_addr first = w->next;
        if (io_route_cut(f, &first, &w->last, 0, check_run, w, &e))
                fail_msg("%s", e.text);
        struct ip_addr end = ip_add(w->last, 1);
        assert_true(ip_eq(&w->next, &end));
}

static void add_random_routes(void)
{
        FILE *out = popen("ip -force -batch - >/dev/null 2>&1", "w");
        assert_non_null(out);
        for (unsigned i = 0; i < 300; i++) {
                static const char *const kinds[] = {"unreachable", "blackhole", "prohibit"};
                unsigned len = 8 + (unsigned)dice(25), a = 20 + (unsigned)dice(4);
                uint32_t net = a << 24 | (uint32_t)dice(1 << 24);
                net &= ~(uint32_t)0 << (32 - len);
                char dst[32];
                snprintf(dst, sizeof(dst), "%u.%u.%u.%u/%u", net >> 24, net >> 16 & 255, net >> 8 & 255,
                         net & 255, len);
                unsigned what = (unsigned)dice(6);
                if (what < 3)
                        fprintf(out, "route add %s via 10.1.0.%u\n", dst, 2 + (unsigned)dice(4));
                else if (what == 3)
                        fprintf(out, "route add %s dev rc\n", dst);
                else if (what == 4)
                        fprintf(out, "route add %s %s metric 5\n", kinds[dice(3)], dst);
                else
                        fprintf(out, "route add %s nexthop via 10.1.0.9 nexthop via 10.2.0.9\n", dst);
        }
        for (unsigned i = 0; i < 200; i++) {
                unsigned len = 32 + (unsigned)dice(65), what = (unsigned)dice(4);
                struct ip_addr net = ip_v6(0x2001100000000000 | dice(1ull << 32), dice(UINT64_MAX));
                char dst[IP_TEXT_MAX];
                net.hi &= len >= 64 ? ~0ull : ~0ull << (64 - len);
                net.lo &= len <= 64 ? 0 : ~0ull << (128 - len);
                ip_format(dst, &net);
                if (what < 2)
                        fprintf(out, "route add %s/%u via 2001:db8:1::%u\n", dst, len, 2 + (unsigned)dice(4));
                else
                        fprintf(out, "route add %s %s/%u dev %s\n", what == 2 ? "unicast" : "unreachable",
                                dst, len, what == 2 ? "rc" : "lo");
        }
        pclose(out);
}

static void cut_against_iproute2(void **state)
{
        NEEDS_NAMESPACE();
        struct walk w;
        add_random_routes();
        run("ip route add default via 10.1.0.2 && ip route add 30.0.0.0/8 via inet6 2001:db8:1::77");
        run("ip route add 40.1.0.0/16 via 10.2.0.3 table 77 && ip rule add to 40.1.128.0/17 lookup 77");
        run("ip rule add to 41.0.0.0/25 prohibit");
        run("ip -6 route add default via 2001:db8:1::2");
        struct io_facts *f = load();
        cut_all(f, "0.0.0.0", "255.255.255.255", &w);
        assert_true(w.runs > 200 && w.checked > 50);
        for (int k = 0; k < 5; k++)
                assert_true(w.kinds[k] > 0);
        cut_all(f, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &w);
        assert_true(w.runs > 100 && w.checked > 25);
        cut_all(f, "10.1.0.0", "10.1.255.255", &w); /* on-link, own addresses and the broadcast cut out */
        assert_true(w.kinds[ROUTE_LOCAL] == 2 && w.kinds[ROUTE_ONLINK] == 3 && w.kinds[ROUTE_BROADCAST] == 1);
        cut_all(f, "40.1.0.0", "40.1.255.255", &w);
        assert_int_equal(w.runs, 2);
        cut_all(f, "41.0.0.3", "41.0.0.3", &w);
        assert_int_equal(w.kinds[ROUTE_NONE], 1);
        io_facts_free(f);
}

static int stop_at_once(void *arg, const struct ip_addr *first, const struct ip_addr *last,
                        const struct io_route *r)
{
        (void)first, (void)last, (void)r;
        ++*(unsigned *)arg;
        return 1;
}

static void special_questions(void **state)
{
        NEEDS_NAMESPACE();
        struct io_facts *f = load();
        struct io_route r;
        struct err e = {0};
        unsigned calls = 0;
        const struct io_link *ra = io_facts_by_name(f, "ra"), *rc = io_facts_by_name(f, "rc");
        struct ip_addr dst = parse("30.1.2.3"), first = parse("0.0.0.0"), last = parse("255.255.255.255");
        assert_int_equal(io_route_query(f, &dst, 0, &r, &e), 0);
        assert_int_equal(r.kind, ROUTE_GATEWAY); /* an IPv4 destination behind an IPv6 router (RFC 5549) */
        assert_int_equal(r.via.family, 6);
        assert_int_equal(r.src.family, 4);
        dst = parse("8.8.8.8");
        assert_int_equal(io_route_query(f, &dst, 0, &r, &e), 0);
        assert_int_equal(r.ifindex, ra->ifindex);
        assert_int_equal(io_route_query(f, &dst, rc->ifindex, &r, &e), 0);
        assert_int_equal(r.ifindex, rc->ifindex);
        dst = parse("fe80::99");
        dst.zone = (uint32_t)rc->ifindex;
        assert_int_equal(io_route_query(f, &dst, 0, &r, &e), 0);
        assert_int_equal(r.kind, ROUTE_ONLINK);
        assert_int_equal(r.ifindex, rc->ifindex);
        assert_true(ip_is_link_local(&r.src) && r.src.zone == dst.zone);
        dst = parse("8.8.8.8");
        assert_int_equal(io_route_query(f, &dst, 54321, &r, &e), -1);
        assert_non_null(strstr(e.text, "8.8.8.8"));
        assert_int_equal(io_route_cut(f, &first, &last, 0, stop_at_once, &calls, &e), 0);
        assert_int_equal(calls, 1);
        io_facts_free(f);
}

/* What the kernel is sure of is taken over; what the administrator wrote also stands against all that is
 * told.
 */
static void neighbours_are_seeded(void **state)
{
        NEEDS_NAMESPACE();
        struct io_facts *f = load();
        struct io_neigh *t;
        struct io_neigh_ask ask[4];
        struct err e;
        uint8_t mac[6];
        const struct io_link *ra = io_facts_by_name(f, "ra");
        struct ip_addr a = parse("10.1.0.50"), b = parse("2001:db8:1::50"), c = parse("10.1.0.51"),
                       d = parse("10.1.0.52");
        struct io_neigh_conf conf = {.capacity = 100,
                                     .tries = 3,
                                     .retry_ns = NS_PER_S,
                                     .calm_ns = 30 * NS_PER_S,
                                     .n_askers = 1,
                                     .n_tellers = 1};
        run("ip neigh add 10.1.0.50 lladdr 02:aa:bb:cc:dd:01 nud permanent dev ra");
        run("ip neigh add 2001:db8:1::50 lladdr 02:aa:bb:cc:dd:02 nud reachable dev ra");
        run("ip neigh add 10.1.0.51 nud failed dev ra");
        run("ip neigh add 10.1.0.52 lladdr 02:aa:bb:cc:dd:03 nud stale dev ra");
        assert_int_equal(io_neigh_new(&t, &conf, &e), 0);
        assert_int_equal(io_neigh_seed(t, f, 0, &e), 0);
        assert_int_equal(io_neigh_find(t, 0, ra->ifindex, &a, mac), NEIGH_KNOWN);
        assert_memory_equal(mac, "\x02\xaa\xbb\xcc\xdd\x01", 6);
        assert_int_equal(io_neigh_find(t, 0, ra->ifindex, &b, mac), NEIGH_KNOWN);
        assert_memory_equal(mac, "\x02\xaa\xbb\xcc\xdd\x02", 6);
        assert_int_equal(io_neigh_find(t, 0, ra->ifindex, &c, mac), NEIGH_ASKING);
        assert_int_equal(io_neigh_find(t, 0, ra->ifindex, &d, mac), NEIGH_ASKING);
        (void)io_neigh_take(t, 0);
        assert_int_equal(io_neigh_due(t, 0, ask, 4), 2);
        io_neigh_tell(t, 0, ra->ifindex, &a, (const uint8_t *)"\x02\1\1\1\1\1", true);
        assert_false(io_neigh_take(t, 0));
        assert_int_equal(io_neigh_confirm(t, ra->ifindex, &a), 0);
        assert_int_equal(io_neigh_due(t, 1, ask, 4), 0);
        assert_int_equal(io_neigh_find(t, 0, ra->ifindex, &a, mac), NEIGH_KNOWN);
        assert_memory_equal(mac, "\x02\xaa\xbb\xcc\xdd\x01", 6);
        io_neigh_age(t, 30 * NS_PER_S, 1000); /* the one of the two that was only confirmed grows old */
        assert_int_equal(io_neigh_find(t, 0, ra->ifindex, &a, mac), NEIGH_KNOWN);
        assert_int_equal(io_neigh_find(t, 0, ra->ifindex, &b, mac), NEIGH_KNOWN);
        (void)io_neigh_take(t, 30 * NS_PER_S);
        while (io_neigh_due(t, 30 * NS_PER_S, ask, 1) && !ip_eq(&ask[0].ip, &b))
                assert_false(ip_eq(&ask[0].ip, &a));
        assert_true(ip_eq(&ask[0].ip, &b));
        io_neigh_free(t);
        io_facts_free(f);
}

/* With an interface asked for that has no way there, the kernel says "on the link": that is told apart from
 * what really is, in one walk over both. */
static int note_runs(void *arg, const struct ip_addr *first, const struct ip_addr *last,
                     const struct io_route *r)
{
        FILE *out = arg;
        char from[IP_TEXT_MAX], to[IP_TEXT_MAX];
        ip_format(from, first);
        ip_format(to, last);
        fprintf(out, "%s-%s %s\n", from, to,
                r->kind == ROUTE_BROADCAST ? "broadcast"
                : r->kind != ROUTE_ONLINK  ? "else"
                : r->assumed               ? "assumed"
                                           : "on the link");
        return 0;
}

static void assumed_to_be_on_the_link(void **state)
{
        NEEDS_NAMESPACE();
        run("ip link add re type veth peer name rf && ip link set rf up && ip link set re up");
        run("ip addr add 198.18.3.1/24 dev re && ip route add 198.18.9.0/24 dev re");
        struct io_facts *f = load();
        struct err e;
        const struct io_link *re = io_facts_by_name(f, "re");
        struct ip_addr first = parse("198.18.2.0"), last = parse("198.18.9.255");
        char *text = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);
        assert_int_equal(io_route_cut(f, &first, &last, re->ifindex, note_runs, out, &e), 0);
        fclose(out);
        assert_string_equal(text, "198.18.2.0-198.18.2.255 assumed\n"
                                  "198.18.3.0-198.18.3.0 on the link\n"
                                  "198.18.3.1-198.18.3.1 else\n"
                                  "198.18.3.2-198.18.3.254 on the link\n"
                                  "198.18.3.255-198.18.3.255 broadcast\n"
                                  "198.18.4.0-198.18.8.255 assumed\n"
                                  "198.18.9.0-198.18.9.255 on the link\n");
        free(text);
        io_facts_free(f);
        run("ip link del re");
}

static void the_list_for_people(void **state)
{
        NEEDS_NAMESPACE();
        struct io_facts *f = load();
        char *text = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);
        static const char *const must[] = {
                "lo",      "loopback",       "02:11:22:33:44:55", "10.1.0.1/16", "veth",
                "default", "40.1.0.0/16",    "unreachable",       "several",     "2001:db8:1::2",
                "77\n",    "2001:db8:1::77", "default (IPv6)",    "(unusable)"};
        io_facts_print(f, out);
        fclose(out);
        for (unsigned i = 0; i < ARRAY_LEN(must); i++)
                if (!strstr(text, must[i]))
                        fail_msg("the list lacks \"%s\":\n%s", must[i], text);
        free(text);
        io_facts_free(f);
}

static int count_runs(void *arg, const struct ip_addr *first, const struct ip_addr *last,
                      const struct io_route *r)
{
        (void)first, (void)last, (void)r;
        ++*(unsigned *)arg;
        return 0;
}

/* 20,000 routes: a walk over the whole address space takes well under ten seconds, on a slow machine too. */
static void a_large_table(void **state)
{
        NEEDS_NAMESPACE();
        struct err e = {0};
        unsigned runs = 0;
        FILE *out = popen("ip -batch -", "w");
        for (unsigned i = 0; i < 20000; i++)
                fprintf(out, "route add %u.%u.%u.0/24 via 10.1.0.%u\n", 50 + i / 65536, i >> 8 & 255, i & 255,
                        2 + i % 3);
        assert_int_equal(pclose(out), 0);
        struct io_facts *f = load();
        struct ip_addr first = parse("50.0.0.0"), last = parse("51.255.255.255");
        uint64_t begin = clock_mono_ns();
        assert_int_equal(io_route_cut(f, &first, &last, 0, count_runs, &runs, &e), 0);
        assert_true(runs >= 20000);
        assert_true(clock_mono_ns() - begin < 10 * NS_PER_S);
        io_facts_free(f);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(bare_namespace),
                cmocka_unit_test(links_and_addresses),
                cmocka_unit_test(cut_against_iproute2),
                cmocka_unit_test(special_questions),
                cmocka_unit_test(neighbours_are_seeded),
                cmocka_unit_test(the_list_for_people),
                cmocka_unit_test(assumed_to_be_on_the_link),
                cmocka_unit_test(a_large_table),
        };
        enter_namespace();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
