// SPDX-License-Identifier: Apache-2.0
/*
 * The back-ends on real links: a veth pair, loopback and a tun device inside a network namespace of the
 * test's own. What is sent on one end must arrive on the other, once, unharmed, and as the door says.
 */
#include "test_io_ns.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

static const struct wire_hop veth_hop = {
        .link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}, .them_mac = {2, 0, 0, 0, 0, 2}};
static const struct wire_hop raw_hop = {.link = LINK_RAW};
static const struct io_span ours4 = {.first = {.lo = 0x0a090000, .family = 4},
                                     .last = {.lo = 0x0a09ffff, .family = 4},
                                     .port_last = 65535};

static void make_links(void)
{
        run("ip link add tv0 type veth peer name tv1 && ip link set tv0 up && ip link set tv1 up");
        run("for i in tv0 tv1; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done");
        for (int i = 0; i < 200 && system("ip link show tv0 | grep -q LOWER_UP"); i++)
                usleep(10000);
}

static void commit_tcp(struct io *tx, const struct wire_hop *hop, struct ip_addr dst, uint32_t seq)
{
        struct frame f;
        struct ip_addr src = dst.family == 4 ? ip_v4(0x0a080001) : ip_v6(0, 1);
        while (!io_tx_reserve(tx, &f, 1))
                io_tx_kick(tx);
        f.len = (uint32_t)wire_build_tcp(f.data, f.cap, hop, &src, &dst, (uint16_t)(seq % 60000), 80, seq, 0,
                                         TCP_SYN, 1024, 64);
        assert_true(f.len);
        io_tx_commit(tx, &f, 1);
}

/* All that was handed in has left, or was refused. */
static void finish(struct io *tx, uint64_t handed_in)
{
        struct io_stats s = {0};
        uint64_t until = clock_mono_ns() + 5 * NS_PER_S;
        do {
                io_tx_kick(tx);
                tx->ops->stats(tx->st, &s);
        } while (s.tx + s.tx_errors < handed_in && clock_mono_ns() < until);
        assert_int_equal(s.tx + s.tx_errors, handed_in);
}

enum { MANY = 100000 };

static void *send_many(void *arg)
{
        for (uint32_t i = 0; i < MANY; i++) {
                commit_tcp(arg, &veth_hop, ip_v4(0x0a090000 + i % 65536), i);
                if (i % 10 == 0) /* not ours: the filter's business */
                        commit_tcp(arg, &veth_hop, ip_v4(0x0a0a0000 + i % 65536), i);
        }
        finish(arg, MANY + MANY / 10);
        return NULL;
}

/* Takes frames until `want` or nothing more comes; marks each sequence number. */
static unsigned collect(struct io *rx, uint8_t *marks, unsigned want)
{
        struct frame f[64];
        struct pkt p;
        unsigned got = 0, n;
        while (got < want && io_rx_wait(rx, clock_mono_ns() + 300 * NS_PER_MS)) {
                n = io_rx_burst(rx, f, 64);
                for (unsigned i = 0; i < n; i++, got++) {
                        struct span bytes = span_of(f[i].data, f[i].len);
                        if (wire_decode(&p, bytes, rx->caps.link, f[i].sum_unset, 0) != WIRE_OK ||
                            p.seq >= MANY)
                                fail_msg("a frame that was never sent");
                        marks[p.seq]++;
                        assert_false(f[i].outgoing);
                }
                io_rx_done(rx, f, n);
        }
        return got;
}

/* Waits for `want` frames, which a slow moment may spread over several blocks of the ring; holds them all. */
static void take(struct io *rx, struct frame *f, unsigned want)
{
        uint64_t until = clock_mono_ns() + NS_PER_S;
        unsigned got = 0;
        while (got < want && io_rx_wait(rx, until))
                got += io_rx_burst(rx, f + got, want - got);
        assert_int_equal(got, want);
}

static void afpacket_loses_nothing(void **state)
{
        NEEDS_NAMESPACE();
        struct io tx, rx, own;
        struct io_stats s;
        pthread_t sender;
        uint8_t *marks = calloc(MANY, 1);
        struct frame f[1];
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .ours = &ours4, .n_ours = 1});
        open_ok(&own, "afpacket", (struct io_conf){.name = "tv0", .rx = true});
        open_ok(&tx, "afpacket", (struct io_conf){.name = "tv0", .tx = true});
        assert_int_equal(tx.caps.link, LINK_ETHER);
        assert_int_equal(tx.caps.mtu, 1500);
        pthread_create(&sender, NULL, send_many, &tx);
        assert_int_equal(collect(&rx, marks, MANY + 1), MANY);
        pthread_join(sender, NULL);
        for (unsigned i = 0; i < MANY; i++)
                assert_int_equal(marks[i], 1);
        rx.ops->stats(rx.st, &s);
        assert_int_equal(s.rx, MANY);
        assert_int_equal(s.rx_missed, 0);
        assert_int_equal(s.rx_bytes, MANY * 54);
        tx.ops->stats(tx.st, &s);
        assert_int_equal(s.tx_errors, 0);
        if (!own.caps.own_echo)
                assert_int_equal(io_rx_burst(&own, f, 1), 0);
        io_close(&tx);
        io_close(&rx);
        io_close(&own);
        free(marks);
}

/* A ring of 4 MiB that nobody reads: what did not fit is counted, and what fits comes out whole, twice round.
 */
static void a_full_ring_is_told(void **state)
{
        NEEDS_NAMESPACE();
        struct io tx, rx;
        struct io_stats s;
        uint8_t *marks = calloc(MANY, 1);
        open_ok(&rx, "afpacket",
                (struct io_conf){.name = "tv1", .rx = true, .slots = 1, .ours = &ours4, .n_ours = 1});
        open_ok(&tx, "afpacket", (struct io_conf){.name = "tv0", .tx = true});
        for (unsigned round = 1; round <= 2; round++) {
                memset(marks, 0, MANY);
                for (uint32_t i = 0; i < 30000; i++)
                        commit_tcp(&tx, &veth_hop, ip_v4(0x0a090001), i);
                finish(&tx, 30000 * round);
                unsigned got = collect(&rx, marks, 30000);
                rx.ops->stats(rx.st, &s);
                if (got < 30 || got >= 30000)
                        fail_msg("round %u: %u frames of 30000 fitted", round, got);
                assert_int_equal(s.rx + s.rx_missed, 30000 * round);
        }
        io_close(&tx);
        io_close(&rx);
        free(marks);
}

static void open_group(struct io rx[2])
{
        struct io_conf c = {.name = "tv1", .rx = true, .ours = &ours4, .n_ours = 1, .n_queues = 2};
        for (c.queue = 0; c.queue < 2; c.queue++) {
                c.fanout_id = c.queue ? rx[0].caps.fanout_id : 0;
                open_ok(&rx[c.queue], "afpacket", c);
        }
}

static unsigned share_of(struct io *rx, uint8_t *marks)
{
        unsigned n = collect(rx, marks, MANY);
        assert_true(n > 500);
        io_close(rx);
        return n;
}

/* Two scans at a time, two receive threads each: every scan gets every frame, in one of its threads. */
static void fanout_shares(void **state)
{
        NEEDS_NAMESPACE();
        struct io tx, rx[2][2];
        uint8_t *marks = calloc(MANY, 1);
        open_group(rx[0]);
        open_group(rx[1]);
        open_ok(&tx, "afpacket", (struct io_conf){.name = "tv0", .tx = true});
        for (uint32_t i = 0; i < 5000; i++)
                commit_tcp(&tx, &veth_hop, ip_v4(0x0a090000 + i), i);
        finish(&tx, 5000);
        for (unsigned scan = 0; scan < 2; scan++) {
                memset(marks, 0, MANY);
                assert_int_equal(share_of(&rx[scan][0], marks) + share_of(&rx[scan][1], marks), 5000);
                for (unsigned i = 0; i < 5000; i++)
                        assert_int_equal(marks[i], 1);
        }
        io_close(&tx);
        free(marks);
}

static void vlan_tags(void **state)
{
        NEEDS_NAMESPACE();
        struct io tx, rx;
        struct frame f[4];
        struct wire_hop tagged = veth_hop;
        tagged.vlan = 1234;
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .ours = &ours4, .n_ours = 1});
        open_ok(&tx, "afpacket", (struct io_conf){.name = "tv0", .tx = true});
        commit_tcp(&tx, &tagged, ip_v4(0x0a090001), 1);
        commit_tcp(&tx, &veth_hop, ip_v4(0x0a090001), 2);
        finish(&tx, 2);
        take(&rx, f, 2);
        assert_int_equal(f[0].vlan, 1234);
        assert_int_equal(f[0].len, 54);
        assert_int_equal(f[1].vlan, 0);
        io_rx_done(&rx, f, 2);
        io_close(&tx);
        io_close(&rx);
}

/* Frames the kernel refuses (longer than the MTU, no bytes at all) stand between good ones. */
static void bad_frames_do_not_stall(void **state)
{
        NEEDS_NAMESPACE();
        struct io tx, rx;
        struct io_stats s;
        struct frame f;
        uint8_t marks[MANY / 100] = {0};
        uint8_t *all = calloc(MANY, 1);
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .ours = &ours4, .n_ours = 1});
        open_ok(&tx, "afpacket", (struct io_conf){.name = "tv0", .tx = true});
        for (uint32_t i = 0; i < ARRAY_LEN(marks); i++) {
                commit_tcp(&tx, &veth_hop, ip_v4(0x0a090001), i);
                if (i % 7)
                        continue;
                while (!io_tx_reserve(&tx, &f, 1))
                        io_tx_kick(&tx);
                memset(f.data, 0, f.cap);
                f.len = i % 2 ? f.cap : 0;
                io_tx_commit(&tx, &f, 1);
        }
        finish(&tx, ARRAY_LEN(marks) + ARRAY_LEN(marks) / 7 + 1);
        tx.ops->stats(tx.st, &s);
        assert_int_equal(s.tx, ARRAY_LEN(marks));
        assert_int_equal(s.tx_errors, ARRAY_LEN(marks) / 7 + 1);
        assert_true(s.last_error == EMSGSIZE || s.last_error == EINVAL);
        assert_int_equal(collect(&rx, all, MANY), ARRAY_LEN(marks));
        io_close(&tx);
        io_close(&rx);
        free(all);
}

static void promiscuous_while_open(void **state)
{
        NEEDS_NAMESPACE();
        struct io rx;
        run("ip -d link show tv1 | grep -q 'promiscuity 0'");
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .promisc = true});
        run("ip -d link show tv1 | grep -q 'promiscuity 1'");
        io_close(&rx);
        run("ip -d link show tv1 | grep -q 'promiscuity 0'");
}

static void *send_after_a_while(void *arg)
{
        usleep(30000);
        commit_tcp(arg, &veth_hop, ip_v4(0x0a090001), 1);
        finish(arg, 1);
        return NULL;
}

/* On a silent link the deadline is kept; a single frame wakes the sleeper soon, with its own stamp. */
static void waiting_is_punctual(const char *backend)
{
        struct io tx, rx;
        struct frame f[2];
        pthread_t sender;
        open_ok(&rx, backend, (struct io_conf){.name = "tv1", .rx = true, .ours = &ours4, .n_ours = 1});
        open_ok(&tx, "afpacket", (struct io_conf){.name = "tv0", .tx = true});
        uint64_t begin = clock_mono_ns();
        assert_false(io_rx_wait(&rx, begin + 50 * NS_PER_MS));
        uint64_t took = clock_mono_ns() - begin;
        assert_true(took >= 50 * NS_PER_MS && took < 150 * NS_PER_MS);
        pthread_create(&sender, NULL, send_after_a_while, &tx);
        begin = clock_mono_ns();
        assert_true(io_rx_wait(&rx, begin + 10 * NS_PER_S));
        took = clock_mono_ns() - begin;
        assert_true(took >= 30 * NS_PER_MS && took < 200 * NS_PER_MS);
        assert_int_equal(io_rx_burst(&rx, f, 2), 1);
        assert_true(f[0].stamp_ns >= begin + 25 * NS_PER_MS && f[0].stamp_ns <= clock_mono_ns() + NS_PER_MS);
        assert_false(io_rx_wait(&rx, clock_mono_ns() + 5 * NS_PER_MS)); /* also while a frame is still held */
        io_rx_done(&rx, f, 1);
        pthread_join(sender, NULL);
        io_close(&tx);
        io_close(&rx);
}

static void waiting(void **state)
{
        NEEDS_NAMESPACE();
        waiting_is_punctual("afpacket");
#ifdef HAVE_PCAP
        waiting_is_punctual("pcap");
#endif
}

/* Local senders leave the checksum to hardware that is not there, and hand over segments of up to 64 KiB. */
static void frames_of_local_senders(void **state)
{
        NEEDS_NAMESPACE();
        struct io rx;
        struct frame f[4];
        struct pkt p;
        static uint8_t big[60000];
        struct sockaddr_in to = {
                .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x0a090002)};
        run("ip addr add 10.9.0.1/24 dev tv0 && ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev tv0");
        run("ip link set tv0 mtu 65535 && ip link set tv1 mtu 65535");
        open_ok(&rx, "afpacket",
                (struct io_conf){
                        .name = "tv1", .rx = true, .ours = &ours4, .n_ours = 1, .all_protocols = true});
        int tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
        connect(tcp, (struct sockaddr *)&to, sizeof(to));
        take(&rx, f, 1);
        assert_true(f[0].sum_unset);
        assert_int_equal(wire_decode(&p, span_of(f[0].data, f[0].len), LINK_ETHER, true, 0), WIRE_OK);
        assert_int_equal(p.tcp_flags, TCP_SYN);
        io_rx_done(&rx, f, 1);
        assert_int_equal(sendto(udp, big, sizeof(big), 0, (struct sockaddr *)&to, sizeof(to)), sizeof(big));
        take(&rx, f, 1);
        assert_int_equal(f[0].len, sizeof(big) + 14 + 20 + 8);
        io_rx_done(&rx, f, 1);
        io_close(&rx);
        close(tcp);
        close(udp);
        run("ip link set tv0 mtu 1500 && ip link set tv1 mtu 1500 && ip addr flush dev tv0");
}

static void wait_for_carrier(void)
{
        for (int i = 0; i < 100 && system("ip link show tv0 | grep -q LOWER_UP"); i++)
                usleep(10000);
}

static struct io_stats stats_of(struct io *io)
{
        struct io_stats s = {0};
        io->ops->stats(io->st, &s);
        return s;
}

/* Kicks until `waiting` frames wait, or for a second. */
static void kick_until(struct io *tx, unsigned waiting)
{
        uint64_t until = clock_mono_ns() + NS_PER_S;
        do {
                io_tx_kick(tx);
                usleep(1000);
        } while (stats_of(tx).tx_waiting != waiting && clock_mono_ns() < until);
        assert_int_equal(stats_of(tx).tx_waiting, waiting);
}

/* Whether switched off or with its far end gone: frames wait, in order, and none is lost or refused. */
static void outage(const char *backend, const char *off, const char *on, enum io_link_state state)
{
        struct io tx, rx;
        struct frame f[4];
        struct pkt p;
        int ifindex = (int)if_nametoindex("tv0");
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .ours = &ours4, .n_ours = 1});
        open_ok(&tx, backend, (struct io_conf){.name = "tv0", .tx = true});
        assert_int_equal(io_link_look(ifindex), IO_LINK_OK);
        run("%s", off);
        assert_int_equal(io_link_look(ifindex), state);
        for (uint32_t i = 1; i <= 3; i++)
                commit_tcp(&tx, &veth_hop, ip_v4(0x0a090001), i);
        for (int i = 0; i < 100; i++, usleep(1000)) /* longer than any patience with a driver */
                kick_until(&tx, 3);
        assert_int_equal(stats_of(&tx).tx_errors, 0);
        uint64_t begin = clock_mono_ns();
        clock_t cpu = clock();
        assert_false(io_rx_wait(&rx, begin + 100 * NS_PER_MS));
        assert_true(clock_mono_ns() - begin >= 100 * NS_PER_MS);
        assert_true(clock() - cpu < CLOCKS_PER_SEC / 20); /* it slept */
        run("%s", on);
        wait_for_carrier();
        kick_until(&tx, 0);
        take(&rx, f, 3);
        for (unsigned i = 0; i < 3; i++) {
                struct span bytes = span_of(f[i].data, f[i].len);
                assert_int_equal(wire_decode(&p, bytes, rx.caps.link, f[i].sum_unset, 0), WIRE_OK);
                assert_int_equal(p.seq, i + 1);
        }
        io_rx_done(&rx, f, 3);
        assert_int_equal(stats_of(&tx).tx, 3);
        io_close(&tx);
        io_close(&rx);
}

static void link_goes_down(void **state)
{
        NEEDS_NAMESPACE();
        outage("afpacket", "ip link set tv0 down", "ip link set tv0 up", IO_LINK_DOWN);
        outage("afpacket", "ip link set tv1 down", "ip link set tv1 up", IO_LINK_NO_CARRIER);
#ifdef HAVE_PCAP
        outage("pcap", "ip link set tv0 down", "ip link set tv0 up", IO_LINK_DOWN);
        outage("pcap", "ip link set tv1 down; sleep 0.03", "ip link set tv1 up", IO_LINK_NO_CARRIER);
#endif
}

/* A raw socket is refused for want of a route, which a link that is up may well lack too. */
static void link_of_rawip_goes_down(void **state)
{
        NEEDS_NAMESPACE();
        struct io tx;
        run("ip addr add 10.9.0.1/24 dev tv0 && ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev tv0");
        open_ok(&tx, "rawip", (struct io_conf){.name = "tv0", .tx = true});
        run("ip link set tv0 down");
        commit_tcp(&tx, &raw_hop, ip_v4(0x0a090002), 1);
        kick_until(&tx, 1);
        run("ip link set tv0 up");
        wait_for_carrier();
        kick_until(&tx, 0);
        assert_int_equal(stats_of(&tx).tx, 1);
        commit_tcp(&tx, &raw_hop, ip_v6(0x20010db8ull << 32, 1), 2); /* there is no IPv6 on this link */
        commit_tcp(&tx, &raw_hop, ip_v4(0x0a090002), 3);
        kick_until(&tx, 0);
        assert_int_equal(stats_of(&tx).tx_errors, 1);
        assert_int_equal(stats_of(&tx).tx, 2);
        io_close(&tx);
        run("ip addr flush dev tv0");
}

/* Frames for an interface that is deleted wait too: whoever asks io_link_look knows that it is for ever. */
static void link_is_deleted(void **state)
{
        NEEDS_NAMESPACE();
        static const char *const backends[] = {"afpacket", "rawip"};
        for (unsigned i = 0; i < ARRAY_LEN(backends); i++) {
                struct io tx;
                run("ip link add tgone type veth peer name tgone1 && ip link set tgone1 up && "
                    "ip link set tgone up && ip addr add 10.77.0.1/24 dev tgone");
                int ifindex = (int)if_nametoindex("tgone");
                open_ok(&tx, backends[i], (struct io_conf){.name = "tgone", .tx = true});
                assert_int_equal(io_link_look(ifindex), IO_LINK_OK);
                run("ip link del tgone");
                assert_int_equal(io_link_look(ifindex), IO_LINK_GONE);
                commit_tcp(&tx, i ? &raw_hop : &veth_hop, ip_v4(0x0a4d0002), 1);
                kick_until(&tx, 1);
                assert_int_equal(stats_of(&tx).tx_errors, 0);
                io_close(&tx);
        }
}

static void libpcap_both_ways(void **state)
{
        NEEDS_NAMESPACE();
#ifdef HAVE_PCAP
        struct io tx, rx;
        uint8_t *marks = calloc(MANY, 1);
        open_ok(&rx, "pcap", (struct io_conf){.name = "tv1", .rx = true, .ours = &ours4, .n_ours = 1});
        open_ok(&tx, "pcap", (struct io_conf){.name = "tv0", .tx = true});
        for (uint32_t i = 0; i < 5000; i++) {
                commit_tcp(&tx, &veth_hop, ip_v4(0x0a090000 + i), i);
                commit_tcp(&tx, &veth_hop, ip_v4(0x0a0b0000 + i), i);
                if (i % 500 == 499) {
                        finish(&tx, 2 * (i + 1));
                        assert_int_equal(collect(&rx, marks, 500), 500);
                }
        }
        assert_int_equal(collect(&rx, marks, 1), 0);
        for (unsigned i = 0; i < 5000; i++)
                assert_int_equal(marks[i], 1);
        io_close(&tx);
        io_close(&rx);
        free(marks);
#else
        skip();
#endif
}

/* Loopback shows a frame twice to some; here each comes once, and the kernel's own RST after each. */
static void rawip_on_loopback(void **state)
{
        NEEDS_NAMESPACE();
        struct io tx, rx;
        struct frame f[64];
        struct pkt p;
        struct io_stats s;
        unsigned syn[2] = {0}, rst[2] = {0}, n;
        open_ok(&rx, "afpacket", (struct io_conf){.name = "lo", .rx = true});
        open_ok(&tx, "rawip", (struct io_conf){.name = "lo", .tx = true});
        assert_int_equal(tx.caps.link, LINK_RAW);
        for (uint32_t i = 0; i < 500; i++) {
                commit_tcp(&tx, &raw_hop, ip_v4(0x7f000001), i);
                commit_tcp(&tx, &raw_hop, ip_v6(0, 1), i);
        }
        finish(&tx, 1000);
        tx.ops->stats(tx.st, &s);
        assert_int_equal(s.tx, 1000);
        while (io_rx_wait(&rx, clock_mono_ns() + 50 * NS_PER_MS)) {
                n = io_rx_burst(&rx, f, 64);
                for (unsigned i = 0; i < n; i++) {
                        assert_int_equal(
                                wire_decode(&p, span_of(f[i].data, f[i].len), LINK_ETHER, f[i].sum_unset, 0),
                                WIRE_OK);
                        syn[p.src.family == 6] += p.tcp_flags == TCP_SYN;
                        rst[p.src.family == 6] += p.tcp_flags == (TCP_RST | TCP_ACK);
                }
                io_rx_done(&rx, f, n);
        }
        /* From 10.8.0.1, which is not ours, loopback takes nothing: the kernel drops those SYNs after the
         * taps. */
        assert_int_equal(syn[0], 500);
        assert_int_equal(syn[1], 500);
        assert_int_equal(rst[1], 500);
        io_close(&tx);
        io_close(&rx);
}

static void rawip_counts_refusals(void **state)
{
        NEEDS_NAMESPACE();
        struct io tx;
        struct io_stats s;
        struct frame f;
        open_ok(&tx, "rawip", (struct io_conf){.tx = true});
        commit_tcp(&tx, &raw_hop, ip_v4(0xc6336401), 1); /* no route in this namespace */
        assert_int_equal(io_tx_reserve(&tx, &f, 1), 1);
        f.data[0] = 0x45;
        f.len = 10;
        io_tx_commit(&tx, &f, 1);
        commit_tcp(&tx, &raw_hop, ip_v4(0x7f000001), 1);
        finish(&tx, 3);
        tx.ops->stats(tx.st, &s);
        assert_int_equal(s.tx, 1);
        assert_int_equal(s.tx_errors, 2);
        io_close(&tx);
}

static int open_tun(const char *name)
{
        struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
        int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
        memcpy(r.ifr_name, name, strlen(name));
        if (fd >= 0 && ioctl(fd, TUNSETIFF, &r)) {
                close(fd);
                return -1;
        }
        return fd;
}

/* What leaves through the tunnel device is read from its other side, and the other way round. */
static void tun_with(int fd, const char *backend)
{
        struct io tx, rx;
        struct frame f[8];
        struct pkt p;
        uint8_t bytes[2048];
        struct ip_addr dst[2] = {ip_v4(0x0a090001), ip_v6(0x20010db800000000, 9)};
        unsigned seen = 0;
        while (read(fd, bytes, sizeof(bytes)) > 0)
                ;
        open_ok(&rx, backend, (struct io_conf){.name = "ttun", .rx = true});
        open_ok(&tx, backend, (struct io_conf){.name = "ttun", .tx = true});
        assert_int_equal(rx.caps.link, LINK_RAW);
        assert_int_equal(tx.caps.link, LINK_RAW);
        for (int i = 0; i < 2; i++)
                commit_tcp(&tx, &raw_hop, dst[i], 5);
        finish(&tx, 2);
        for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;) {
                assert_int_equal(wire_decode(&p, span_of(bytes, (size_t)n), LINK_RAW, false, 0), WIRE_OK);
                seen += p.kind == WIRE_TCP && (ip_eq(&p.dst, &dst[0]) || ip_eq(&p.dst, &dst[1]));
                if (p.kind == WIRE_TCP)
                        assert_int_equal(write(fd, bytes, (size_t)n), n);
        }
        assert_int_equal(seen, 2);
        seen = 0;
        while (seen < 2 && io_rx_wait(&rx, clock_mono_ns() + NS_PER_S)) {
                unsigned n = io_rx_burst(&rx, f, 8);
                for (unsigned i = 0; i < n; i++) {
                        assert_int_equal(
                                wire_decode(&p, span_of(f[i].data, f[i].len), LINK_RAW, f[i].sum_unset, 0),
                                WIRE_OK);
                        seen += p.kind == WIRE_TCP && p.seq == 5 && !f[i].outgoing;
                }
                io_rx_done(&rx, f, n);
        }
        assert_int_equal(seen, 2);
        io_close(&tx);
        io_close(&rx);
}

static void tunnels(void **state)
{
        NEEDS_NAMESPACE();
        int fd = open_tun("ttun");
        if (fd < 0)
                skip();
        run("ip link set ttun up");
        tun_with(fd, "afpacket");
#ifdef HAVE_PCAP
        tun_with(fd, "pcap");
#endif
        close(fd);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(afpacket_loses_nothing),
                cmocka_unit_test(a_full_ring_is_told),
                cmocka_unit_test(fanout_shares),
                cmocka_unit_test(vlan_tags),
                cmocka_unit_test(bad_frames_do_not_stall),
                cmocka_unit_test(promiscuous_while_open),
                cmocka_unit_test(waiting),
                cmocka_unit_test(frames_of_local_senders),
                cmocka_unit_test(link_goes_down),
                cmocka_unit_test(link_of_rawip_goes_down),
                cmocka_unit_test(link_is_deleted),
                cmocka_unit_test(libpcap_both_ways),
                cmocka_unit_test(rawip_on_loopback),
                cmocka_unit_test(rawip_counts_refusals),
                cmocka_unit_test(tunnels),
        };
        enter_namespace();
        if (in_own_namespace)
                make_links();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
