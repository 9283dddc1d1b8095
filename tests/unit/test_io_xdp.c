// SPDX-License-Identifier: Apache-2.0
/*
 * The back-end `xdp` on a veth pair in a namespace of the test's own: every patch handed in arrives once,
 * byte for byte what wire_stamp makes of it; answers are taken only with the right cookie, to the right
 * source, with good sums; what the program does not take is received as a frame; a far end that can take no
 * such frames makes it step down without losing one. Whole frames of all lengths likewise, and while the link
 * is out they wait.
 */
#include "test_io_ns.h"
#include "scan/scan.h"
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>

enum { FRAMES = 50000, BURST = 256 };
static const uint8_t near_mac[6] = {2, 0, 0, 0, 0, 1}, far_mac[6] = {2, 0, 0, 0, 0, 2};
static const struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
static const struct io_span ours[] = {{.first = {.lo = 0x0a080001, .family = 4},
                                       .last = {.lo = 0x0a080001, .family = 4},
                                       .port_first = 40000,
                                       .port_last = 40999},
                                      {.first = {.hi = 0xfd00ull << 48, .lo = 1, .family = 6},
                                       .last = {.hi = 0xfd00ull << 48, .lo = 1, .family = 6},
                                       .port_first = 40000,
                                       .port_last = 40999}};

static bool xdp_here(void)
{
        return in_own_namespace && !io_by_name("xdp")->missing;
}
#define NEEDS_XDP()              \
        do {                     \
                (void)state;     \
                if (!xdp_here()) \
                        skip();  \
        } while (0)

static int links_of(unsigned queues)
{
        if (!xdp_here())
                return 0;
        run("ip link add tv0 address 02:00:00:00:00:01 numtxqueues %u numrxqueues %u type veth peer name tv1 "
            "address "
            "02:00:00:00:00:02 numtxqueues %u numrxqueues %u",
            queues, queues, queues, queues);
        run("for i in tv0 tv1; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; ip link set $i up; done");
        for (int i = 0; i < 200 && system("ip link show tv0 | grep -q LOWER_UP"); i++)
                usleep(10000);
        return 0;
}

static int make_links(void **state)
{
        (void)state;
        return links_of(2);
}

static int make_one_ring(void **state)
{
        (void)state;
        return links_of(1);
}

static int drop_links(void **state)
{
        (void)state;
        if (xdp_here())
                run("ip link del tv0");
        return 0;
}

static struct io_conf receive_conf(const char *name)
{
        return (struct io_conf){.name = name,
                                .rx = true,
                                .n_queues = 1,
                                .ours = ours,
                                .n_ours = 2,
                                .cookie = &key,
                                .close_open = true,
                                .promisc = true};
}

/* ---- transmit ---- */

static void template_of(struct probe_template *t, uint8_t family, enum syn_profile profile, uint16_t vlan)
{
        struct wire_hop hop = {.link = LINK_ETHER, .vlan = vlan};
        struct scan_source src = {
                .first = ours[family == 6].first, .count = 1, .port_first = 40000, .port_count = 1000};
        struct scan_conf conf = {.profile = profile,
                                 .ttl = SCAN_DEFAULT,
                                 .mss = SCAN_DEFAULT,
                                 .wscale = SCAN_DEFAULT,
                                 .sackok = SCAN_DEFAULT,
                                 .tsecho = SCAN_DEFAULT};
        struct err e = {0};
        memcpy(hop.us_mac, near_mac, 6);
        memcpy(hop.them_mac, far_mac, 6);
        assert_int_equal(scan_syn.prepare(t, &conf, &hop, &src, &e), 0);
}

/* Patches for targets number first .. first + n. */
static void patches_of(struct patch *p, const struct probe_template *t, uint16_t path, uint32_t first,
                       unsigned n)
{
        static struct target_batch b;
        b.family = t->family;
        b.n = n;
        for (unsigned i = 0; i < n; i++) {
                b.hi[i] = t->family == 6 ? 0xfd01ull << 48 : 0;
                b.lo[i] = 0x0a090000 + first + i;
                b.flat[i] = 80;
        }
        scan_syn.patch(p, t, &b, key, far_mac, path, 12345);
}

static uint64_t sent_by(struct io *io)
{
        struct io_stats s = {0};
        io->ops->stats(io->st, &s);
        return s.tx;
}

struct check { /* what arrived */
        const struct probe_template *t;
        uint16_t path;
        uint8_t seen[FRAMES];
        unsigned n;
};

static void check_frames(struct io *rx, struct check *c)
{
        struct frame f[64];
        for (unsigned n; (n = io_rx_burst(rx, f, 64)) > 0; io_rx_done(rx, f, n))
                for (unsigned i = 0; i < n; i++) {
                        struct patch p;
                        uint8_t want[WIRE_PROBE_MAX];
                        uint8_t *dst = f[i].data + c->t->l3 + (c->t->family == 4 ? 16 : 36);
                        uint32_t number =
                                ((uint32_t)dst[1] << 16 | (uint32_t)dst[2] << 8 | dst[3]) - 0x090000;
                        if (f[i].outgoing || f[i].len != c->t->len)
                                continue;
                        assert_true(number < FRAMES);
                        patches_of(&p, c->t, c->path, number, 1);
                        wire_stamp(want, c->t, &p);
                        assert_memory_equal(f[i].data, want, c->t->len);
                        assert_int_equal(c->seen[number]++, 0);
                        c->n++;
                }
}

static void send_and_check(struct io *tx, struct io *rx, const struct probe_template *t, uint16_t path)
{
        static struct patch p[BURST];
        static struct check c;
        struct err e = {0};
        uint64_t before = sent_by(tx), until = clock_mono_ns() + 10 * NS_PER_S;
        memset(&c, 0, sizeof(c));
        c.t = t;
        c.path = path;
        assert_int_equal(tx->ops->tx_template(tx->st, path, t, &e), 0);
        for (uint32_t i = 0; i < FRAMES; i += BURST) {
                unsigned n = MIN(BURST, FRAMES - i), done = 0;
                patches_of(p, t, path, i, n);
                while (done < n) {
                        assert_true(clock_mono_ns() < until);
                        done += tx->ops->tx_patch(tx->st, p + done, n - done);
                        io_tx_kick(tx);
                        check_frames(rx, &c);
                }
        }
        while (sent_by(tx) - before < FRAMES && clock_mono_ns() < until)
                io_tx_kick(tx);
        assert_int_equal(sent_by(tx) - before, FRAMES);
        while (c.n < FRAMES && io_rx_wait(rx, clock_mono_ns() + 500 * NS_PER_MS))
                check_frames(rx, &c);
        assert_int_equal(c.n, FRAMES);
}

static void test_transmit(void **state)
{
        static struct probe_template t[4];
        struct io tx, rx;
        NEEDS_XDP();
        open_ok(&rx, "xdp",
                (struct io_conf){.name = "tv1",
                                 .rx = true,
                                 .n_queues = 1,
                                 .ours = (struct io_span[]){{.first = {.lo = 0x0a090000, .family = 4},
                                                             .last = {.lo = 0x0a0affff, .family = 4},
                                                             .port_last = 65535},
                                                            {.first = {.hi = 0xfd01ull << 48, .family = 6},
                                                             .last = {.hi = 0xfd01ull << 48,
                                                                      .lo = UINT32_MAX - 1,
                                                                      .family = 6},
                                                             .port_last = 65535}},
                                 .n_ours = 2,
                                 .cookie = &key,
                                 .promisc = true});
        open_ok(&tx, "xdp", (struct io_conf){.name = "tv0", .tx = true, .n_queues = 1});
        template_of(&t[0], 4, SYN_MASSCAN, 0);
        template_of(&t[1], 4, SYN_LINUX, 0);
        template_of(&t[2], 6, SYN_LINUX, 0);
        for (uint16_t i = 0; i < 3; i++)
                send_and_check(&tx, &rx, &t[i], i);
        struct io_stats s = {0};
        tx.ops->stats(tx.st, &s);
        assert_null(s.note);
        io_close(&tx);
        io_close(&rx);
}

/* No NAPI at the far end: the driver refuses every frame, and every one arrives all the same. */
static void test_steps_down(void **state)
{
        static struct probe_template t;
        struct io tx, rx;
        struct io_stats s = {0};
        NEEDS_XDP();
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .n_queues = 1});
        open_ok(&tx, "xdp", (struct io_conf){.name = "tv0", .tx = true, .n_queues = 1});
        template_of(&t, 4, SYN_LINUX, 0);
        send_and_check(&tx, &rx, &t, 0);
        tx.ops->stats(tx.st, &s);
        assert_non_null(s.note);
        assert_non_null(strstr(s.note, "tv0"));
        io_close(&tx);
        io_close(&rx);
}

/* ---- transmit of whole frames ---- */

enum { WHOLE = 20000 };
struct arrived {
        uint8_t seen[WHOLE];
        unsigned n;
};

/* Frame `number`: a SYN, which nobody puts together with its neighbours, with the number in it, of a length
 * and with bytes behind it that follow from the number. */
static uint32_t whole_frame(uint8_t *out, size_t cap, uint32_t number)
{
        struct wire_hop hop = {.link = LINK_ETHER};
        struct ip_addr us = ours[0].first, them = {.lo = 0x0a090001, .family = 4};
        memcpy(hop.us_mac, near_mac, 6);
        memcpy(hop.them_mac, far_mac, 6);
        size_t len = 60 + number * 37 % 1455;
        size_t at = wire_build_tcp(out, cap, &hop, &us, &them, 40000, (uint16_t)(number & 1023), number, 0,
                                   TCP_SYN, 1024, 64);
        assert_true(at <= len && len <= cap);
        for (; at < len; at++)
                out[at] = (uint8_t)(number + at);
        return (uint32_t)len;
}

static void take_whole(struct io *rx, struct arrived *a)
{
        struct frame f[64];
        for (unsigned n; (n = io_rx_burst(rx, f, 64)) > 0; io_rx_done(rx, f, n))
                for (unsigned i = 0; i < n; i++) {
                        uint8_t want[2048];
                        if (f[i].outgoing || f[i].len < 60 || f[i].data[12] != 8)
                                continue;
                        uint32_t number = (uint32_t)f[i].data[38] << 24 | (uint32_t)f[i].data[39] << 16 |
                                          (uint32_t)f[i].data[40] << 8 | f[i].data[41];
                        assert_true(number < WHOLE);
                        assert_int_equal(f[i].len, whole_frame(want, sizeof(want), number));
                        assert_memory_equal(f[i].data, want, f[i].len);
                        assert_int_equal(a->seen[number]++, 0);
                        a->n++;
                }
}

static void hand_in_whole(struct io *tx, uint32_t first, unsigned n)
{
        struct frame f;
        for (unsigned i = 0; i < n; i++) {
                assert_int_equal(io_tx_reserve(tx, &f, 1), 1);
                f.len = whole_frame(f.data, f.cap, first + i);
                io_tx_commit(tx, &f, 1);
        }
}

static uint64_t waiting_of(struct io *io)
{
        struct io_stats s = {0};
        io->ops->stats(io->st, &s);
        return s.tx_waiting;
}

/* Without the kernel's types nobody tells what was refused, and sockets send it all. */
#define NEEDS_TO_BE_TOLD()                                   \
        do {                                                 \
                NEEDS_XDP();                                 \
                if (access("/sys/kernel/btf/vmlinux", R_OK)) \
                        skip();                              \
        } while (0)

/* A few and many at a time; `down`: the link is out in the middle of it. */
static void send_whole(struct io *tx, struct io *rx, bool down)
{
        static struct arrived a;
        uint64_t until = clock_mono_ns() + 20 * NS_PER_S;
        memset(&a, 0, sizeof(a));
        for (uint32_t i = 0, n, k = 0; i < WHOLE; i += n, k++) {
                n = MIN(1 + k * 7919 % tx->caps.burst, WHOLE - i);
                bool out = down && k == 20;
                if (out) {
                        run("ip link set tv1 down");
                        n = MIN(300u, tx->caps.burst);
                }
                hand_in_whole(tx, i, n);
                io_tx_kick(tx);
                if (out) {
                        assert_int_equal(waiting_of(tx), n);
                        run("ip link set tv1 up");
                }
                for (; waiting_of(tx) && clock_mono_ns() < until; io_tx_kick(tx))
                        take_whole(rx, &a);
                take_whole(rx, &a);
        }
        assert_int_equal(sent_by(tx), WHOLE);
        while (a.n < WHOLE && io_rx_wait(rx, clock_mono_ns() + 500 * NS_PER_MS))
                take_whole(rx, &a);
        assert_int_equal(a.n, WHOLE);
}

static void pin_to(unsigned cpu)
{
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof(one), &one);
}

/* Fills the ring of the far end from another CPU, with frames that nobody looks at. */
static void *crowd(void *quit)
{
        struct io tx;
        struct err e = {0};
        struct io_conf c = {.name = "tv0", .tx = true, .n_queues = 1};
        struct frame f;
        pin_to(1);
        if (io_open(&tx, &io_xdp_frames_ops, &c, &e))
                return NULL;
        while (!atomic_load((atomic_bool *)quit)) {
                for (unsigned i = 0; i < 256 && io_tx_reserve(&tx, &f, 1); i++) {
                        f.len = whole_frame(f.data, f.cap, 0);
                        f.data[12] = 0x88; /* an Ethernet type for experiments */
                        f.data[13] = 0xb5;
                        io_tx_commit(&tx, &f, 1);
                }
                io_tx_kick(&tx);
        }
        io_close(&tx);
        return quit; /* not NULL: it ran */
}

/* Returns how often frames were refused and sent again. */
static uint64_t whole_frames(const char *rx_name, bool down, bool steps_down)
{
        struct io tx, rx;
        struct io_stats stats = {0};
        struct err e = {0};
        struct io_conf c = {.name = "tv0", .tx = true, .n_queues = 1};
        open_ok(&rx, rx_name,
                (struct io_conf){.name = "tv1",
                                 .rx = true,
                                 .n_queues = 1,
                                 .ours = (struct io_span[]){{.first = {.lo = 0x0a090001, .family = 4},
                                                             .last = {.lo = 0x0a090001, .family = 4},
                                                             .port_last = 65535}},
                                 .n_ours = 1,
                                 .cookie = &key,
                                 .promisc = true});
        if (io_open(&tx, &io_xdp_frames_ops, &c, &e))
                fail_msg("%s", e.text);
        assert_true(tx.caps.burst > 64); /* its program is there */
        send_whole(&tx, &rx, down);
        tx.ops->stats(tx.st, &stats);
        assert_true(stats.tx_again || !steps_down);
        io_close(&tx);
        io_close(&rx);
        return stats.tx_again;
}

static void test_whole_frames(void **state)
{
        NEEDS_TO_BE_TOLD();
        whole_frames("xdp", false, false);
}

static void test_whole_frames_link_down(void **state)
{
        NEEDS_TO_BE_TOLD();
        whole_frames("xdp", true, false);
}

/* One ring for all, and another CPU that fills it: the driver refuses some frames of most calls. */
static void test_whole_frames_crowded(void **state)
{
        atomic_bool quit = false;
        pthread_t other;
        void *ran = NULL;
        uint64_t again = 0;
        cpu_set_t before;
        NEEDS_TO_BE_TOLD();
        sched_getaffinity(0, sizeof(before), &before);
        if (!CPU_ISSET(0, &before) || !CPU_ISSET(1, &before))
                skip();
        pin_to(0);
        assert_int_equal(pthread_create(&other, NULL, crowd, &quit), 0);
        for (int tries = 0; tries < 20 && !again; tries++)
                again = whole_frames("xdp", false, false);
        atomic_store(&quit, true);
        pthread_join(other, &ran);
        sched_setaffinity(0, sizeof(before), &before);
        assert_non_null(ran);
        if (!again)
                skip();
}

/* No NAPI at the far end, so the driver refuses what comes this way. */
static void test_whole_frames_step_down(void **state)
{
        NEEDS_TO_BE_TOLD();
        whole_frames("afpacket", false, true);
}

/* No frame is larger than what the link, and the sockets beside it, can take. */
static void test_whole_frames_mtu(void **state)
{
        static const uint32_t mtus[] = {68, 1280, 1500, 9000};
        struct io_conf c = {.name = "tv0", .tx = true, .n_queues = 1};
        NEEDS_XDP();
        for (unsigned i = 0; i < ARRAY_LEN(mtus); i++) {
                struct io tx;
                struct err e = {0};
                struct frame f;
                run("ip link set tv0 mtu %u", mtus[i]);
                assert_int_equal(io_open(&tx, &io_xdp_frames_ops, &c, &e), 0);
                for (unsigned n = 1; n <= 100; n += 99) { /* by the socket, and by the program */
                        for (unsigned k = 0; k < n; k++) {
                                assert_int_equal(io_tx_reserve(&tx, &f, 1), 1);
                                assert_int_equal(f.cap, MAX(mtus[i] + 22, (uint32_t)WIRE_PROBE_MAX));
                                memset(f.data, 0xee, f.cap);
                                f.len = MIN(f.cap, mtus[i] + 14);
                                io_tx_commit(&tx, &f, 1);
                        }
                        io_tx_kick(&tx);
                }
                io_close(&tx);
        }
}

/* ---- receive ---- */

struct case_rx {
        const char *what;
        uint8_t family, flags;
        uint16_t us_port;
        uint32_t cookie_off; /* added to the right acknowledgement */
        int spoil;           /* byte to flip; 0: none */
        bool answer;
};

static void send_one(struct io *tx, const struct case_rx *c, uint32_t number)
{
        struct wire_hop hop = {.link = LINK_ETHER};
        struct ip_addr them = ours[c->family == 6].first, us = them;
        struct frame f;
        them.lo = 0x0a090000 + number;
        memcpy(hop.us_mac, far_mac, 6);
        memcpy(hop.them_mac, near_mac, 6);
        uint32_t ack = (uint32_t)wire_cookie(key, &us, c->us_port, &them, 80) + 1 + c->cookie_off;
        while (!io_tx_reserve(tx, &f, 1))
                io_tx_kick(tx);
        f.len = (uint32_t)wire_build_tcp(f.data, f.cap, &hop, &them, &us, 80, c->us_port, 777, ack, c->flags,
                                         1024, 55);
        if (c->spoil)
                f.data[c->spoil] ^= 0x10;
        io_tx_commit(tx, &f, 1);
        io_tx_kick(tx);
}

/* Frames that reached user space as such, and RSTs of ours that came back to the far end. */
static unsigned frames_of(struct io *rx, uint8_t flags, bool outgoing)
{
        struct frame f[64];
        unsigned got = 0;
        for (uint64_t until = clock_mono_ns() + 300 * NS_PER_MS; clock_mono_ns() < until;) {
                unsigned n = io_rx_burst(rx, f, 64);
                for (unsigned i = 0; i < n; i++) {
                        struct pkt p;
                        if (f[i].outgoing == outgoing &&
                            !wire_decode(&p, span_of(f[i].data, f[i].len), LINK_ETHER, false, 0) &&
                            p.kind == WIRE_TCP && p.tcp_flags == flags)
                                got++;
                }
                io_rx_done(rx, f, n);
        }
        return got;
}

static void test_receive(void **state)
{
        static const struct case_rx cases[] = {
                {"SYN-ACK", 4, TCP_SYN | TCP_ACK, 40000, 0, 0, true},
                {"RST", 4, TCP_RST | TCP_ACK, 40999, 0, 0, true},
                {"SYN-ACK 6", 6, TCP_SYN | TCP_ACK, 40500, 0, 0, true},
                {"RST 6", 6, TCP_RST | TCP_ACK, 40500, 0, 0, true},
                {"wrong cookie", 4, TCP_SYN | TCP_ACK, 40000, 1, 0, false},
                {"wrong cookie 6", 6, TCP_SYN | TCP_ACK, 40000, 1, 0, false},
                {"not our port", 4, TCP_SYN | TCP_ACK, 41000, 0, 0, false},
                {"not our port", 4, TCP_SYN | TCP_ACK, 39999, 0, 0, false},
                {"a SYN", 4, TCP_SYN, 40000, 0, 0, false},
                {"data", 4, TCP_ACK, 40000, 0, 0, false},
                {"bad TCP sum", 4, TCP_SYN | TCP_ACK, 40000, 0, 48, false},
                {"bad IP sum", 4, TCP_SYN | TCP_ACK, 40000, 0, 18, false},
                {"bad TCP sum 6", 6, TCP_SYN | TCP_ACK, 40000, 0, 68, false},
        };
        struct io tx, rx, far;
        struct io_span them[2] = {ours[0], ours[1]};
        for (unsigned i = 0; i < 2; i++) {
                them[i].first.lo = 0x0a090000;
                them[i].last.lo = 0x0a09ffff;
                them[i].port_first = them[i].port_last = 80;
        }
        NEEDS_XDP();
        open_ok(&rx, "xdp", receive_conf("tv0"));
        /* the far end: its own program makes veth take what is sent back; it passes all on */
        open_ok(&far, "xdp",
                (struct io_conf){.name = "tv1",
                                 .rx = true,
                                 .n_queues = 1,
                                 .ours = them,
                                 .n_ours = 2,
                                 .cookie = &key,
                                 .promisc = true});
        open_ok(&tx, "afpacket", (struct io_conf){.name = "tv1", .tx = true, .n_queues = 1});
        for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
                const struct case_rx *c = &cases[i];
                struct answer a[4];
                uint64_t stamp[4], before = clock_mono_ns();
                unsigned n = 0;
                rx.ops->rx_allow(rx.st, 1);
                send_one(&tx, c, i);
                for (int k = 0; k < 20 && !n; k++) {
                        n = rx.ops->rx_answers(rx.st, a, stamp, 4);
                        if (!n)
                                usleep(1000);
                }
                if (n != c->answer)
                        fail_msg("%s: %u answers", c->what, n);
                if (!n)
                        continue;
                assert_int_equal(a[0].who.ip.lo, 0x0a090000 + i);
                assert_int_equal(a[0].who.ip.family, c->family);
                assert_int_equal(a[0].who.port, 80);
                assert_int_equal(a[0].us_port, c->us_port);
                assert_int_equal(a[0].state, c->flags & TCP_RST ? PORT_CLOSED : PORT_OPEN);
                assert_int_equal(a[0].ttl, 55);
                assert_int_equal(a[0].seq, 777);
                if (a[0].rst_sent != !(c->flags & TCP_RST))
                        fail_msg("%s: RST sent from there: %d", c->what, a[0].rst_sent);
                assert_memory_equal(a[0].mac, far_mac, 6);
                assert_true(stamp[0] >= before && stamp[0] <= clock_mono_ns());
        }
        assert_true(frames_of(&rx, TCP_SYN | TCP_ACK, false) >= 2); /* forged ones can be counted */
        assert_int_equal(frames_of(&far, TCP_RST, false), 2);       /* ours, with good sums */
        io_close(&tx);
        io_close(&far);
        io_close(&rx);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_transmit, make_links, drop_links),
                cmocka_unit_test_setup_teardown(test_steps_down, make_links, drop_links),
                cmocka_unit_test_setup_teardown(test_whole_frames, make_links, drop_links),
                cmocka_unit_test_setup_teardown(test_whole_frames_link_down, make_links, drop_links),
                cmocka_unit_test_setup_teardown(test_whole_frames_crowded, make_one_ring, drop_links),
                cmocka_unit_test_setup_teardown(test_whole_frames_step_down, make_links, drop_links),
                cmocka_unit_test_setup_teardown(test_whole_frames_mtu, make_links, drop_links),
                cmocka_unit_test_setup_teardown(test_receive, make_links, drop_links),
        };
        enter_namespace();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
