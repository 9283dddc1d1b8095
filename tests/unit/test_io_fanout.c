// SPDX-License-Identifier: Apache-2.0
/*
 * Several receive sockets by host, on a veth pair in a namespace of the test's own: whatever concerns one
 * host (its segments from and to any port, tagged or not, errors about it that a router sends) comes by one
 * socket; hosts are spread evenly; nothing is lost or comes twice.
 */
#include "test_io_ns.h"

enum { QUEUES = 4, HOSTS = 4000, KINDS = 5 };
static const struct wire_hop plain = {
        .link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}, .them_mac = {2, 0, 0, 0, 0, 2}};

static void make_links(void)
{
        run("ip link add fv0 type veth peer name fv1 && ip link set fv0 up && ip link set fv1 up");
        run("for i in fv0 fv1; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done");
        for (int i = 0; i < 200 && system("ip link show fv0 | grep -q LOWER_UP"); i++)
                usleep(10000);
}

/* Who is scanned as number i, and from where: hosts side by side, from a few addresses. */
struct ends {
        struct ip_addr us, them;
};

static struct ends ends_of(uint8_t family, uint32_t i)
{
        if (family == 4)
                return (struct ends){ip_v4(0x0a080001 + i % 3), ip_v4(0x0a090000 + i)};
        return (struct ends){ip_v6(0xfd00ull << 48, 1 + i % 3), ip_v6((0xfd01ull << 48) + (i & 7), i >> 3)};
}

static uint32_t host_of(const struct ip_addr *them)
{
        if (them->family == 4)
                return (uint32_t)them->lo - 0x0a090000;
        return (uint32_t)(them->lo << 3 | (them->hi & 7));
}

/* | Ethernet | IP from `router` to us | type code sum 0 | our packet to the host: IP, ports, sequence | */
static uint32_t build_error(uint8_t *out, size_t cap, const struct ends *e, uint16_t port)
{
        struct ip_addr router = e->us.family == 4 ? ip_v4(0xc0000201 + port) : ip_v6(0xfd02ull << 48, port);
        struct wire_hop raw = {.link = LINK_RAW};
        uint8_t quoted[128];
        bool v4 = e->us.family == 4;
        size_t q = wire_build_tcp(quoted, sizeof(quoted), &raw, &e->us, &e->them, port, 80, 1, 0, TCP_SYN,
                                  1024, 64);
        size_t l3 = 14, l4 = l3 + (v4 ? 20 : 40), n = 8 + q;
        assert_true(wire_build_tcp(out, cap, &plain, &router, &e->us, 0, 0, 0, 0, 0, 0, 64) && cap >= l4 + n);
        memset(out + l4, 0, 8);
        memcpy(out + l4 + 8, quoted, q);
        out[l4] = v4 ? 3 : 1;
        if (v4) {
                out[l3 + 9] = 1;
                out[l3 + 2] = 0;
                out[l3 + 3] = (uint8_t)(20 + n);
                out[l3 + 10] = out[l3 + 11] = 0;
                uint16_t ip_sum = (uint16_t)~wire_sum(0, span_of(out + l3, 20));
                out[l3 + 10] = (uint8_t)(ip_sum >> 8);
                out[l3 + 11] = (uint8_t)ip_sum;
        } else {
                out[l3 + 6] = 58;
                out[l3 + 4] = 0;
                out[l3 + 5] = (uint8_t)n;
        }
        uint32_t start = v4 ? 0 : wire_pseudo_sum(&router, &e->us, 58, (uint32_t)n);
        uint16_t sum = (uint16_t)~wire_sum(start, span_of(out + l4, n));
        out[l4 + 2] = (uint8_t)(sum >> 8);
        out[l4 + 3] = (uint8_t)sum;
        return (uint32_t)(l4 + n);
}

static uint32_t build(struct frame *f, const struct ends *e, unsigned kind)
{
        struct wire_hop hop = plain;
        hop.vlan = kind == 2 ? 77 : 0;
        if (kind == 3)
                return build_error(f->data, f->cap, e, 40000);
        if (kind == 4) /* a frame of ours that comes back */
                return (uint32_t)wire_build_tcp(f->data, f->cap, &hop, &e->us, &e->them, 40000, 80, 1, 0,
                                                TCP_SYN, 1024, 64);
        return (uint32_t)wire_build_tcp(f->data, f->cap, &hop, &e->them, &e->us, (uint16_t)(80 + 363 * kind),
                                        (uint16_t)(40000 + kind), 1, 0, TCP_ACK, 1024, 64);
}

static void send_all(struct io *tx, uint8_t family)
{
        struct io_stats s = {0};
        uint64_t until = clock_mono_ns() + 10 * NS_PER_S;
        tx->ops->stats(tx->st, &s);
        uint64_t before = s.tx;
        for (uint32_t i = 0; i < HOSTS * KINDS; i++) {
                struct ends e = ends_of(family, i / KINDS);
                struct frame f;
                while (!io_tx_reserve(tx, &f, 1))
                        io_tx_kick(tx);
                f.len = build(&f, &e, i % KINDS);
                assert_true(f.len);
                io_tx_commit(tx, &f, 1);
        }
        do {
                io_tx_kick(tx);
                tx->ops->stats(tx->st, &s);
        } while (s.tx - before < HOSTS * KINDS && clock_mono_ns() < until);
        assert_int_equal(s.tx - before, HOSTS * KINDS);
}

/* Which host a frame is about, whichever way round. */
static uint32_t about(const struct frame *f)
{
        struct pkt p;
        assert_int_equal(wire_decode(&p, span_of(f->data, f->len), LINK_ETHER, f->sum_unset, 0), WIRE_OK);
        uint32_t host = host_of(p.kind == WIRE_ICMP ? &p.quoted.dst : p.sport == 40000 ? &p.dst : &p.src);
        assert_true(host < HOSTS);
        return host;
}

/* Takes all there is; seen[host] counts, by[host] is the queue. Returns how many frames. */
static unsigned receive_all(struct io *rx, unsigned queue, uint8_t *seen, uint8_t *by)
{
        struct frame f[64];
        unsigned got = 0;
        while (io_rx_wait(rx, clock_mono_ns() + 200 * NS_PER_MS)) {
                unsigned n = io_rx_burst(rx, f, 64);
                for (unsigned i = 0; i < n; i++) {
                        uint32_t host = about(&f[i]);
                        if (seen[host]++ && by[host] != queue)
                                fail_msg("host %u by queues %u and %u", host, by[host], queue);
                        by[host] = (uint8_t)queue;
                }
                io_rx_done(rx, f, n);
                got += n;
        }
        return got;
}

static void one_family(struct io *tx, struct io *rx, uint8_t family)
{
        static uint8_t seen[HOSTS], by[HOSTS];
        memset(seen, 0, sizeof(seen));
        send_all(tx, family);
        for (unsigned q = 0; q < QUEUES; q++) {
                unsigned got = receive_all(&rx[q], q, seen, by) / KINDS;
                if (got < HOSTS / QUEUES * 85 / 100 || got > HOSTS / QUEUES * 115 / 100)
                        fail_msg("IPv%u: queue %u got %u hosts of %d", family, q, got, HOSTS);
        }
        for (unsigned i = 0; i < HOSTS; i++)
                assert_int_equal(seen[i], KINDS);
}

static void hosts_keep_together(void **state)
{
        NEEDS_NAMESPACE();
        struct io tx, rx[QUEUES];
        struct io_conf c = {.name = "fv1", .rx = true, .n_queues = QUEUES, .by_host = true, .slots = 1 << 17};
        for (c.queue = 0; c.queue < QUEUES; c.queue++) {
                c.fanout_id = c.queue ? rx[0].caps.fanout_id : 0;
                open_ok(&rx[c.queue], "afpacket", c);
        }
        open_ok(&tx, "afpacket", (struct io_conf){.name = "fv0", .tx = true});
        one_family(&tx, rx, 4);
        one_family(&tx, rx, 6);
        io_close(&tx);
        for (unsigned q = 0; q < QUEUES; q++)
                io_close(&rx[q]);
}

/* What is not IP, or breaks off where addresses should be, goes to the first queue and to no other. */
static void odd_frames(void **state)
{
        NEEDS_NAMESPACE();
        static const uint8_t odd[][64] = {
                {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1},
                {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 20},
                {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60},
        };
        static const uint32_t len[] = {42, 24, 30};
        struct io tx, rx[QUEUES];
        struct frame f[8];
        unsigned got = 0;
        struct io_conf c = {.name = "fv1", .rx = true, .n_queues = QUEUES, .by_host = true, .slots = 1};
        for (c.queue = 0; c.queue < QUEUES; c.queue++) {
                c.fanout_id = c.queue ? rx[0].caps.fanout_id : 0;
                open_ok(&rx[c.queue], "afpacket", c);
        }
        open_ok(&tx, "afpacket", (struct io_conf){.name = "fv0", .tx = true});
        for (unsigned i = 0; i < ARRAY_LEN(odd); i++) {
                assert_int_equal(io_tx_reserve(&tx, f, 1), 1);
                memcpy(f->data, odd[i], len[i]);
                f->len = len[i];
                io_tx_commit(&tx, f, 1);
        }
        io_tx_kick(&tx);
        for (unsigned n; io_rx_wait(&rx[0], clock_mono_ns() + 300 * NS_PER_MS); got += n) {
                n = io_rx_burst(&rx[0], f, 8);
                io_rx_done(&rx[0], f, n);
        }
        assert_int_equal(got, ARRAY_LEN(odd));
        for (unsigned q = 1; q < QUEUES; q++)
                assert_int_equal(io_rx_burst(&rx[q], f, 8), 0);
        io_close(&tx);
        for (unsigned q = 0; q < QUEUES; q++)
                io_close(&rx[q]);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(hosts_keep_together),
                cmocka_unit_test(odd_frames),
        };
        enter_namespace();
        if (in_own_namespace)
                make_links();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
