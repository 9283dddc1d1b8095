// SPDX-License-Identifier: Apache-2.0
/*
 * The shield between a host and a far end that is another network namespace: what is addressed to trawl is
 * received and draws no RST, what is not does; sockets of the host, of whatever age and state, never notice;
 * closed or killed, nothing is left of it. Each way to shield (tc program, nftables) must do all of that.
 *
 *   this namespace: tv0 10.8.0.1, 10.8.0.3, fd00::1, fd00::3 ──veth── tv1 10.8.0.2, fd00::2: the far one
 *                   tv0.7 10.7.0.1 (VLAN 7), in it tv0.7.9 10.79.0.1 (VLAN 9), where the kernel can
 */
#include "test_io_ns.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#ifdef HAVE_XDP
#include <bpf/bpf.h>
#endif

static int home_ns = -1, far_ns = -1;
static struct wire_hop hop; /* from the far end to us */
static enum io_shield_by by;
static bool has_vlans; /* this kernel makes VLAN interfaces */

enum { FIRST = 40000, LAST = 40999, OTHER = 41000 };
static const struct io_span ours[] = {
        {.first = {.family = 0}}, /* a path without a source of this kind: nothing */
        {{.lo = 0x0a080001, .family = 4}, {.lo = 0x0a080001, .family = 4}, FIRST, LAST},
        {{.lo = 0x0a070001, .family = 4}, {.lo = 0x0a070001, .family = 4}, FIRST, LAST},
        {{.lo = 0x0a4f0001, .family = 4}, {.lo = 0x0a4f0001, .family = 4}, FIRST, LAST},
        {{.lo = 0x0a0b0001, .family = 4}, {.lo = 0x0a0b0001, .family = 4}, FIRST, LAST},
        {{.lo = 0x7f000001, .family = 4}, {.lo = 0x7f000001, .family = 4}, FIRST, LAST},
        {{.hi = 0xfd00ull << 48, .lo = 1, .family = 6},
         {.hi = 0xfd00ull << 48, .lo = 1, .family = 6},
         FIRST,
         LAST},
};

/* ---- the place ---- */

static void go(int ns)
{
        assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

/* Runs a command in the far namespace. */
static void run_far(const char *command)
{
        go(far_ns);
        int rc = system(command);
        go(home_ns);
        if (rc)
                fail_msg("failed: %s", command);
}

static int this_ns(void)
{
        return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void read_mac(uint8_t mac[6], const char *name)
{
        struct ifreq r = {0};
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        memcpy(r.ifr_name, name, strlen(name));
        assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &r), 0);
        memcpy(mac, r.ifr_hwaddr.sa_data, 6);
        close(fd);
}

static int make_place(void **state)
{
        (void)state;
        if (!in_own_namespace)
                return 0;
        home_ns = this_ns();
        assert_int_equal(unshare(CLONE_NEWNET), 0);
        far_ns = this_ns();
        go(home_ns);
        run("ip link add tv0 type veth peer name tv1 && ip link set tv1 netns /proc/%d/fd/%d", (int)getpid(),
            far_ns);
        run("ip addr add 10.8.0.1/24 dev tv0; ip addr add 10.8.0.3/24 dev tv0; ip link set tv0 up; "
            "ip addr add fd00::1/64 dev tv0 nodad; ip addr add fd00::3/64 dev tv0 nodad");
        has_vlans = system("ip link add link tv0 name tv0.7 type vlan id 7 2>/dev/null && "
                           "ip addr add 10.7.0.1/24 dev tv0.7 && ip link set tv0.7 up && "
                           "ip link add link tv0.7 name tv0.7.9 type vlan id 9 && "
                           "ip addr add 10.79.0.1/24 dev tv0.7.9 && ip link set tv0.7.9 up") == 0;
        run_far("ip link set lo up; ip addr add 10.8.0.2/24 dev tv1; ip link set tv1 up; "
                "ip addr add fd00::2/64 dev tv1 nodad");
        for (int i = 0; i < 200 && system("ip link show tv0 | grep -q LOWER_UP"); i++)
                usleep(10000);
        hop.link = LINK_ETHER;
        read_mac(hop.them_mac, "tv0");
        go(far_ns);
        read_mac(hop.us_mac, "tv1");
        go(home_ns);
        return 0;
}

/* Not every kernel and every build has both ways, nor nft_socket; what it lacks it says. */
static bool has(enum io_shield_by way, const char *lack, bool in_word)
{
        struct io_shield *s;
        struct err e = {0};
        if (!in_own_namespace)
                return false;
        if (io_shield_open(&s, ours, ARRAY_LEN(ours), way, &e))
                return !strstr(e.text, lack);
        bool there = (io_shield_add(s, 1, &e) == 0 || !strstr(e.text, lack)) &&
                     !(in_word && strstr(io_shield_word(s), lack));
        io_shield_close(s);
        return there;
}

static bool has_way(enum io_shield_by way)
{
        return way == IO_SHIELD_TCX ? has(way, "(Linux 6.6 has)", false) && has(way, "needs libbpf", false)
                                    : has(way, "(Linux 5.12 has)", false);
}
#define NEEDS(way)                 \
        do {                       \
                (void)state;       \
                if (!has_way(way)) \
                        skip();    \
                by = way;          \
        } while (0)

static struct io_shield *raise_on(const char *name)
{
        struct io_shield *s;
        struct err e = {0};
        if (io_shield_open(&s, ours, ARRAY_LEN(ours), by, &e) ||
            io_shield_add(s, (int)if_nametoindex(name), &e))
                fail_msg("%s", e.text);
        return s;
}

/* RSTs that this namespace's kernel has sent so far, of both families. */
static unsigned long rsts(void)
{
        static char text[4096];
        unsigned long v[16] = {0};
        FILE *f = fopen("/proc/thread-self/net/snmp", "r");
        assert_non_null(f);
        text[fread(text, 1, sizeof(text) - 1, f)] = 0;
        fclose(f);
        const char *at = strstr(strstr(text, "Tcp:") + 1, "Tcp:");
        assert_int_equal(sscanf(at, "Tcp: %lu %lu %ld %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu %lu", &v[0],
                                &v[1], (long *)&v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9], &v[10],
                                &v[11], &v[12], &v[13]),
                         14);
        return v[13];
}

/* ---- frames ---- */

struct shot { /* a SYN-ACK of the far end */
        const char *what;
        struct ip_addr us, them;
        uint16_t port;
        unsigned tags; /* VLAN 7, and 9 in it */
        bool priority; /* a tag that names no VLAN */
        bool option;   /* IPv6: destination options before TCP */
        bool shielded;
};
#define V4(a)                          \
        {                              \
                .lo = (a), .family = 4 \
        }
#define V6(a)                                                 \
        {                                                     \
                .hi = 0xfd00ull << 48, .lo = (a), .family = 6 \
        }
static const struct shot shots[] = {
        {"first port", V4(0x0a080001), V4(0x0a080002), FIRST, .shielded = true},
        {"last port", V4(0x0a080001), V4(0x0a080002), LAST, .shielded = true},
        {"port below", V4(0x0a080001), V4(0x0a080002), FIRST - 1, .shielded = false},
        {"port above", V4(0x0a080001), V4(0x0a080002), OTHER, .shielded = false},
        {"other address", V4(0x0a080003), V4(0x0a080002), FIRST, .shielded = false},
        {"priority", V4(0x0a080001), V4(0x0a080002), FIRST, .priority = true, .shielded = true},
        {"priority, port above", V4(0x0a080001), V4(0x0a080002), OTHER, .priority = true},
        {"IPv6", V6(1), V6(2), FIRST, .shielded = true},
        {"IPv6, last port", V6(1), V6(2), LAST, .shielded = true},
        {"IPv6, port above", V6(1), V6(2), OTHER, .shielded = false},
        {"IPv6, other address", V6(3), V6(2), FIRST, .shielded = false},
        {"IPv6 with options", V6(1), V6(2), FIRST, .option = true, .shielded = true},
        {"IPv6 with options, port above", V6(1), V6(2), OTHER, .option = true},
        {"tagged", V4(0x0a070001), V4(0x0a070002), FIRST, .tags = 1, .shielded = true},
        {"tagged, port above", V4(0x0a070001), V4(0x0a070002), OTHER, .tags = 1},
        {"two tags", V4(0x0a4f0001), V4(0x0a4f0002), FIRST, .tags = 2, .shielded = true},
        {"two tags, port above", V4(0x0a4f0001), V4(0x0a4f0002), OTHER, .tags = 2},
};

/* Room for `n` bytes at `at`. */
static void spread(struct frame *f, size_t at, const uint8_t *bytes, size_t n)
{
        memmove(f->data + at + n, f->data + at, f->len - at);
        memcpy(f->data + at, bytes, n);
        f->len += (uint32_t)n;
}

static void shoot(struct io *tx, const struct shot *s)
{
        static const uint8_t tag0[] = {0x81, 0, 0xe0, 0}, tag7[] = {0x81, 0, 0, 7}, tag9[] = {0x81, 0, 0, 9},
                             pad[] = {6, 0, 1, 4, 0, 0, 0, 0};
        struct frame f;
        while (!io_tx_reserve(tx, &f, 1))
                io_tx_kick(tx);
        f.len = (uint32_t)wire_build_tcp(f.data, f.cap, &hop, &s->them, &s->us, 80, s->port, 777, 888,
                                         TCP_SYN | TCP_ACK, 1024, 64);
        assert_true(f.len);
        if (s->option) {
                spread(&f, 14 + 40, pad, sizeof(pad));
                f.data[14 + 6] = 60;
                f.data[14 + 5] = (uint8_t)(f.data[14 + 5] + sizeof(pad));
        }
        if (s->tags > 1)
                spread(&f, 12, tag9, 4);
        if (s->tags)
                spread(&f, 12, tag7, 4);
        if (s->priority)
                spread(&f, 12, tag0, 4);
        io_tx_commit(tx, &f, 1);
        io_tx_kick(tx);
}

static struct io_shield_count count_of(struct io_shield *s)
{
        struct io_shield_count c = {0};
        if (s)
                io_shield_counts(s, &c);
        return c;
}

/* Sends one and waits until somebody has decided about it: the kernel's RST, or the shield. */
static bool draws_rst(struct io *tx, struct io_shield *s, const struct shot *shot)
{
        struct io_shield_count before = count_of(s);
        unsigned long rst = rsts();
        uint64_t until = clock_mono_ns() + 3 * NS_PER_S;
        shoot(tx, shot);
        while (clock_mono_ns() < until) {
                uint64_t dropped = count_of(s).dropped - before.dropped;
                unsigned long sent = rsts() - rst;
                assert_true(dropped + sent <= 1);
                if (dropped + sent)
                        return sent;
                usleep(200);
        }
        fail_msg("%s: neither a RST nor dropped", shot->what);
        return false;
}

static void open_far_tx(struct io *tx)
{
        go(far_ns);
        open_ok(tx, "afpacket", (struct io_conf){.name = "tv1", .tx = true});
        go(home_ns);
}

static unsigned frames_seen(struct io *rx, unsigned want)
{
        struct frame f[32];
        unsigned got = 0, n;
        while (got < want && io_rx_wait(rx, clock_mono_ns() + NS_PER_S)) {
                n = io_rx_burst(rx, f, 32);
                for (unsigned i = 0; i < n; i++) {
                        struct pkt p;
                        got += !wire_decode(&p, span_of(f[i].data, f[i].len), rx->caps.link, f[i].sum_unset,
                                            0) &&
                               p.kind == WIRE_TCP && p.tcp_flags == (TCP_SYN | TCP_ACK) && !f[i].outgoing;
                }
                io_rx_done(rx, f, n);
        }
        return got;
}

/* A host without VLAN interfaces has nobody who would answer tagged frames. */
static bool fits(const struct shot *s)
{
        return has_vlans || !s->tags;
}

static void all_draw_rsts(struct io *tx, const char *when)
{
        for (unsigned i = 0; i < ARRAY_LEN(shots); i++)
                if (fits(&shots[i]) && !draws_rst(tx, NULL, &shots[i]))
                        fail_msg("%s: no RST %s", shots[i].what, when);
}

static void answers_draw_no_rst(void)
{
        struct io tx, rx;
        unsigned fired = 0, shielded = 0;
        open_far_tx(&tx);
        all_draw_rsts(&tx, "without a shield");
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv0", .rx = true});
        struct io_shield *s = raise_on("tv0");
        struct err e = {0};
        if (has_vlans && (io_shield_add(s, (int)if_nametoindex("tv0.7"), &e) ||
                          io_shield_add(s, (int)if_nametoindex("tv0.7.9"), &e)))
                fail_msg("%s", e.text);
        for (unsigned i = 0; i < ARRAY_LEN(shots); i++) {
                if (!fits(&shots[i]))
                        continue;
                if (draws_rst(&tx, s, &shots[i]) == shots[i].shielded)
                        fail_msg("%s", shots[i].what);
                fired++;
                shielded += shots[i].shielded;
        }
        assert_int_equal(count_of(s).dropped, shielded);
        assert_int_equal(count_of(s).local, 0);
        assert_int_equal(frames_seen(&rx, fired), fired);
        io_shield_close(s);
        all_draw_rsts(&tx, "after the shield");
        io_close(&rx);
        io_close(&tx);
}

/* ---- sockets of the host ---- */

static struct sockaddr_storage at(uint8_t family, unsigned number, uint16_t port)
{
        struct sockaddr_storage s = {0};
        struct sockaddr_in *v4 = (void *)&s;
        struct sockaddr_in6 *v6 = (void *)&s;
        if (family == 4)
                *v4 = (struct sockaddr_in){.sin_family = AF_INET,
                                           .sin_port = htons(port),
                                           .sin_addr.s_addr = htonl(0x0a080000 + number)};
        else {
                *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
                v6->sin6_addr.s6_addr[0] = 0xfd;
                v6->sin6_addr.s6_addr[15] = (uint8_t)number;
        }
        return s;
}

/* A TCP socket of a namespace, bound to the `number`th address and port; calls that take long fail. */
static int socket_at(int ns, uint8_t family, unsigned number, uint16_t port)
{
        struct sockaddr_storage a = at(family, number, port);
        struct timeval limit = {.tv_sec = 3};
        int on = 1;
        go(ns);
        int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        go(home_ns);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        return fd;
}

static int listen_at(int ns, uint8_t family, unsigned number, uint16_t port)
{
        int fd = socket_at(ns, family, number, port);
        assert_int_equal(listen(fd, 4), 0);
        return fd;
}

static int connect_from(int fd, uint8_t family, unsigned number, uint16_t port)
{
        struct sockaddr_storage a = at(family, number, port);
        if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
                fail_msg("connect to port %u: %s", port, strerror(errno));
        return fd;
}

static void exchange(int a, int b)
{
        char text[8] = "";
        assert_int_equal(write(a, "there", 6), 6);
        assert_int_equal(read(b, text, sizeof(text)), 6);
        assert_string_equal(text, "there");
        assert_int_equal(write(b, "back", 5), 5);
        assert_int_equal(read(a, text, sizeof(text)), 5);
        assert_string_equal(text, "back");
}

/* Ours closes first and is in TIME_WAIT when the far one's FIN comes, which it must acknowledge. */
static void close_both(int ours_fd, int far_fd)
{
        struct tcp_info i = {0};
        socklen_t n = sizeof(i);
        char c;
        close(ours_fd);
        assert_int_equal(read(far_fd, &c, 1), 0);
        shutdown(far_fd, SHUT_WR);
        for (int k = 0; k < 300 && i.tcpi_state != TCP_CLOSE; k++) {
                usleep(10000);
                assert_int_equal(getsockopt(far_fd, IPPROTO_TCP, TCP_INFO, &i, &n), 0);
        }
        assert_int_equal(i.tcpi_state, TCP_CLOSE);
        close(far_fd);
}

struct pair {
        int near, far;
};

static struct pair serve(int listener, uint8_t family, uint16_t port)
{
        struct pair p;
        p.far = connect_from(socket_at(far_ns, family, 2, 0), family, 1, port);
        p.near = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(p.near >= 0);
        exchange(p.near, p.far);
        return p;
}

static struct pair call_out(int far_listener, uint8_t family, uint16_t from, uint16_t port)
{
        struct pair p;
        p.near = connect_from(socket_at(home_ns, family, 1, from), family, 2, port);
        p.far = accept4(far_listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(p.far >= 0);
        exchange(p.near, p.far);
        return p;
}

/* Services and connections on ports of our range, from before the shield and made behind it. */
static void sockets_do_not_notice(uint8_t family)
{
        int far = listen_at(far_ns, family, 2, 22), old = listen_at(home_ns, family, 1, 40100);
        struct pair served = serve(old, family, 40100), called = call_out(far, family, 40200, 22);
        unsigned long rst = rsts();
        struct io_shield *s = raise_on("tv0");
        exchange(served.far, served.near);
        exchange(called.far, called.near);
        struct pair more = serve(old, family, 40100);
        int fresh = listen_at(home_ns, family, 1, 40101);
        struct pair fresh_served = serve(fresh, family, 40101),
                    fresh_called = call_out(far, family, 40201, 22);
        close_both(served.near, served.far);
        close_both(called.near, called.far);
        close_both(more.near, more.far);
        close_both(fresh_served.near, fresh_served.far);
        close_both(fresh_called.near, fresh_called.far);
        assert_true(count_of(s).local >= 15);
        assert_int_equal(count_of(s).dropped, 0);
        assert_int_equal(rsts(), rst);
        close(fresh);
        close(old);
        close(far);
        io_shield_close(s);
}

/* A service on all addresses of both families is one on ours too. */
static void listening_everywhere(void)
{
        struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(40300)};
        int off = 0, on = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
        assert_int_equal(listen(fd, 4), 0);
        struct io_shield *s = raise_on("tv0");
        struct pair v4 = serve(fd, 4, 40300), v6 = serve(fd, 6, 40300);
        close_both(v4.near, v4.far);
        close_both(v6.near, v6.far);
        close(fd);
        assert_int_equal(count_of(s).dropped, 0);
        io_shield_close(s);
}

/* ---- other links ---- */

/* ifindex 0: any */
static int open_tun(const char *name, unsigned ifindex)
{
        struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
        int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        memcpy(r.ifr_name, name, strlen(name));
        if (fd >= 0 && ((ifindex && ioctl(fd, TUNSETIFINDEX, &ifindex)) || ioctl(fd, TUNSETIFF, &r))) {
                close(fd);
                return -1;
        }
        return fd;
}

/* Whether a SYN-ACK out of the tunnel draws a RST into it. */
static bool tun_draws_rst(int fd, struct io_shield *s, uint16_t port)
{
        uint8_t bytes[256];
        struct ip_addr us = ip_v4(0x0a0b0001), them = ip_v4(0x0a0b0002);
        struct wire_hop raw = {.link = LINK_RAW};
        struct io_shield_count before = count_of(s);
        unsigned long rst = rsts();
        ssize_t n = (ssize_t)wire_build_tcp(bytes, sizeof(bytes), &raw, &them, &us, 80, port, 7, 8,
                                            TCP_SYN | TCP_ACK, 1024, 64);
        assert_int_equal(write(fd, bytes, (size_t)n), n);
        for (int i = 0; i < 3000; i++, usleep(1000))
                if (rsts() - rst + count_of(s).dropped - before.dropped)
                        return rsts() - rst;
        fail_msg("port %u: neither a RST nor dropped", port);
        return false;
}

static void on_a_tunnel(void)
{
        int fd = open_tun("tt0", 0);
        if (fd < 0)
                skip();
        run("ip addr add 10.11.0.1/24 dev tt0 && ip link set tt0 up");
        assert_true(tun_draws_rst(fd, NULL, FIRST));
        struct io_shield *s = raise_on("tt0");
        assert_false(tun_draws_rst(fd, s, FIRST));
        assert_true(tun_draws_rst(fd, s, OTHER));
        io_shield_close(s);
        assert_true(tun_draws_rst(fd, NULL, FIRST));
        close(fd);
}

static void appears_and_is_shielded(struct io_shield *s)
{
        int fd = open_tun("tt1", 777);
        if (fd < 0)
                fail_msg("a tunnel: %s", strerror(errno));
        run("ip addr add 10.11.0.1/24 dev tt1 && ip link set tt1 up");
        assert_int_equal(tun_draws_rst(fd, s, FIRST), by == IO_SHIELD_TCX); /* rules are for all */
        assert_false(io_shield_follow(s));
        assert_false(tun_draws_rst(fd, s, FIRST));
        assert_true(tun_draws_rst(fd, s, OTHER));
        close(fd);
}

static unsigned open_fds(void)
{
        unsigned n = 0;
        DIR *d = opendir("/proc/self/fd");
        assert_non_null(d);
        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

/* An interface that comes when the shield stands; one that goes and whose number comes again; many. */
static void on_what_comes_later(void)
{
        int fd = open_tun("tt0", 0);
        if (fd < 0)
                skip();
        close(fd);
        struct io_shield *s = raise_on("tv0");
        assert_false(io_shield_follow(s));
        appears_and_is_shielded(s);
        appears_and_is_shielded(s); /* what is told at once: it went, it came */
        assert_false(io_shield_follow(s));
        appears_and_is_shielded(s);
        assert_false(io_shield_follow(s));
        unsigned fds = open_fds();
        for (int i = 0; i < 5; i++) {
                close(open_tun("tt2", 0));
                assert_false(io_shield_follow(s));
        }
        assert_int_equal(open_fds(), fds); /* nothing is kept of those that went */
        for (int i = 0; i < 60; i++)       /* more news than its socket holds */
                close(open_tun("tt2", 0));
        appears_and_is_shielded(s);
        io_shield_close(s);
}

/* Between the list of links that a scan begins with and the shield. */
static void on_what_came_before(void)
{
        int fd = open_tun("tt1", 0);
        if (fd < 0)
                skip();
        run("ip addr add 10.11.0.1/24 dev tt1 && ip link set tt1 up");
        struct io_shield *s = raise_on("tv0");
        assert_int_equal(tun_draws_rst(fd, s, FIRST), by == IO_SHIELD_TCX);
        assert_false(io_shield_follow(s));
        assert_false(tun_draws_rst(fd, s, FIRST));
        io_shield_close(s);
        close(fd);
}

/* The host scans itself: its service answers, and the answer comes in by the loopback interface. */
static void on_loopback(void)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(2222)};
        struct ip_addr host = ip_v4(0x7f000001);
        struct wire_hop raw = {.link = LINK_RAW};
        struct frame f;
        struct io tx, rx;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(fd, 4), 0);
        struct io_shield *s = raise_on("lo");
        open_ok(&tx, "rawip", (struct io_conf){.tx = true});
        open_ok(&rx, "afpacket", (struct io_conf){.name = "lo", .rx = true});
        unsigned long rst = rsts();
        assert_int_equal(io_tx_reserve(&tx, &f, 1), 1);
        f.len = (uint32_t)wire_build_tcp(f.data, f.cap, &raw, &host, &host, FIRST, 2222, 7, 0, TCP_SYN, 1024,
                                         64);
        io_tx_commit(&tx, &f, 1);
        io_tx_kick(&tx);
        assert_int_equal(frames_seen(&rx, 1), 1);
        for (int i = 0; i < 1000 && !count_of(s).dropped; i++)
                usleep(1000);
        assert_true(count_of(s).dropped >= 1);
        assert_int_equal(rsts(), rst);
        io_close(&rx);
        io_close(&tx);
        io_shield_close(s);
        close(fd);
}

static void bind_to(int fd, const char *interface)
{
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)),
                         0);
}

/* The link is a bridge's port: sockets that are bound to the bridge count, and the others. */
static void on_a_bridge(void)
{
        struct io tx;
        struct pair p = {socket_at(home_ns, 4, 1, 40400), -1};
        if (system("ip link add tbr0 type bridge 2>/dev/null"))
                skip();
        run("ip link set tbr0 address $(ip -br link show tv0 | awk '{print $3}') "
            "up; ip addr del 10.8.0.1/24 dev tv0; ip link set tv0 master tbr0; ip addr add 10.8.0.1/24 dev "
            "tbr0");
        bind_to(p.near, "tbr0");
        int far = listen_at(far_ns, 4, 2, 22), fd = listen_at(home_ns, 4, 1, 40401);
        bind_to(fd, "tbr0");
        open_far_tx(&tx);
        struct io_shield *s = raise_on("tv0");
        connect_from(p.near, 4, 2, 22);
        p.far = accept4(far, NULL, NULL, SOCK_CLOEXEC);
        exchange(p.near, p.far);
        struct pair served = serve(fd, 4, 40401);
        close_both(p.near, p.far);
        close_both(served.near, served.far);
        assert_int_equal(count_of(s).dropped, 0);
        assert_false(draws_rst(&tx, s, &shots[0]));
        assert_true(draws_rst(&tx, s, &shots[3]));
        close(far);
        close(fd);
        io_shield_close(s);
        io_close(&tx);
        run("ip link del tbr0; ip addr add 10.8.0.1/24 dev tv0");
}

/* ---- its end ---- */

#ifdef HAVE_XDP
/* Ids of the links that a process holds. */
static unsigned links_of(pid_t pid, uint32_t *ids, unsigned cap)
{
        char path[64], line[128];
        unsigned n = 0, id;
        for (int fd = 0; fd < 256 && n < cap; fd++) {
                snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
                FILE *f = fopen(path, "r");
                while (f && fgets(line, sizeof(line), f))
                        if (sscanf(line, "link_id: %u", &id) == 1 && n < cap)
                                ids[n++] = id;
                if (f)
                        fclose(f);
        }
        return n;
}

static bool links_gone(const uint32_t *ids, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                int fd = bpf_link_get_fd_by_id(ids[i]);
                if (fd < 0)
                        continue;
                close(fd);
                return false;
        }
        return true;
}
#else
static unsigned links_of(pid_t pid, uint32_t *ids, unsigned cap)
{
        (void)pid, (void)ids, (void)cap;
        return 0;
}

static bool links_gone(const uint32_t *ids, unsigned n)
{
        (void)ids;
        return n == 0;
}
#endif

static void gone_when_killed(void)
{
        struct io tx;
        int pipes[2];
        char c = 0;
        uint32_t ids[8];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                raise_on("tv0");
                if (write(pipes[1], "+", 1) == 1)
                        pause();
                _exit(1);
        }
        assert_int_equal(read(pipes[0], &c, 1), 1);
        open_far_tx(&tx);
        unsigned n = links_of(child, ids, ARRAY_LEN(ids));
        assert_int_equal(n, by == IO_SHIELD_TCX);
        unsigned long rst = rsts();
        shoot(&tx, &shots[0]);
        shoot(&tx, &shots[3]); /* the counters are the child's; this one's RST says that both have come */
        for (int i = 0; i < 3000 && rsts() == rst; i++)
                usleep(1000);
        usleep(50000);
        assert_int_equal(rsts(), rst + 1);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        for (int i = 0; i < 500 && !links_gone(ids, n); i++)
                usleep(10000);
        assert_true(links_gone(ids, n));
        assert_true(draws_rst(&tx, NULL, &shots[0]));
        close(pipes[0]);
        close(pipes[1]);
        io_close(&tx);
}

/* ---- one test each ---- */

#define SOCKETS(call)                                                           \
        do {                                                                    \
                if (by == IO_SHIELD_NFT && !has(by, "has no nft_socket", true)) \
                        skip();                                                 \
                call;                                                           \
        } while (0)
#define BOTH_WAYS(name, call)                \
        static void name##_tcx(void **state) \
        {                                    \
                NEEDS(IO_SHIELD_TCX);        \
                call;                        \
        }                                    \
        static void name##_nft(void **state) \
        {                                    \
                NEEDS(IO_SHIELD_NFT);        \
                call;                        \
        }
BOTH_WAYS(no_rst, answers_draw_no_rst())
BOTH_WAYS(sockets4, SOCKETS(sockets_do_not_notice(4)))
BOTH_WAYS(sockets6, SOCKETS(sockets_do_not_notice(6)))
BOTH_WAYS(everywhere, SOCKETS(listening_everywhere()))
BOTH_WAYS(tunnel, on_a_tunnel())
BOTH_WAYS(later, on_what_comes_later())
BOTH_WAYS(earlier, on_what_came_before())
BOTH_WAYS(loopback, on_loopback())
BOTH_WAYS(bridge, SOCKETS(on_a_bridge()))
BOTH_WAYS(killed, gone_when_killed())

static void choices_and_words(void **state)
{
        struct io_shield *s;
        struct err e = {0};
        NEEDS(IO_SHIELD_NFT);
        s = raise_on("tv0");
        assert_int_equal(strncmp(io_shield_word(s), "by nftables rules", 17), 0);
        assert_null(strstr(io_shield_word(s), "tc program"));
        assert_int_equal(io_shield_add(s, 12345, &e), -1);
        assert_non_null(strstr(e.text, "12345"));
        io_shield_close(s);
        by = IO_SHIELD_ANY;
        s = raise_on("tv0");
        assert_int_equal(io_shield_add(s, (int)if_nametoindex("tv0"), &e), 0);
        assert_int_equal(io_shield_add(s, (int)if_nametoindex("lo"), &e), 0);
        assert_non_null(
                strstr(io_shield_word(s), has_way(IO_SHIELD_TCX) ? "by a tc program" : "by nftables rules"));
        io_shield_close(s);
        io_shield_close(NULL);
}

static void without_the_right(void **state)
{
        NEEDS(IO_SHIELD_NFT);
        pid_t child = fork();
        if (child == 0) {
                struct io_shield *s;
                struct err e = {0};
                bool refused = setresuid(65534, 65534, 65534) == 0 &&
                               io_shield_open(&s, ours, ARRAY_LEN(ours), IO_SHIELD_ANY, &e) == -1;
                _exit(refused && strstr(e.text, "permitted") ? 0 : 1);
        }
        int status = -1;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
}

/* Root of a user namespace only: no program then, but rules in a network of its own. */
static void falls_back(void **state)
{
        NEEDS(IO_SHIELD_NFT);
        pid_t child = fork();
        if (child == 0) {
                struct io_shield *s;
                struct err e = {0};
                if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
                        _exit(2);
                if (io_shield_open(&s, ours, ARRAY_LEN(ours), IO_SHIELD_TCX, &e) == 0)
                        _exit(3);
                if (io_shield_open(&s, ours, ARRAY_LEN(ours), IO_SHIELD_ANY, &e) || io_shield_add(s, 1, &e))
                        _exit(4);
                _exit(strstr(io_shield_word(s), "by nftables rules (no tc program: ") ? 0 : 5);
        }
        int status = -1;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
                skip(); /* user namespaces are switched off */
        assert_int_equal(status, 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_rst_tcx),        cmocka_unit_test(no_rst_nft),
                cmocka_unit_test(sockets4_tcx),      cmocka_unit_test(sockets4_nft),
                cmocka_unit_test(sockets6_tcx),      cmocka_unit_test(sockets6_nft),
                cmocka_unit_test(everywhere_tcx),    cmocka_unit_test(everywhere_nft),
                cmocka_unit_test(tunnel_tcx),        cmocka_unit_test(tunnel_nft),
                cmocka_unit_test(later_tcx),         cmocka_unit_test(later_nft),
                cmocka_unit_test(earlier_tcx),       cmocka_unit_test(earlier_nft),
                cmocka_unit_test(loopback_tcx),      cmocka_unit_test(loopback_nft),
                cmocka_unit_test(bridge_tcx),        cmocka_unit_test(bridge_nft),
                cmocka_unit_test(killed_tcx),        cmocka_unit_test(killed_nft),
                cmocka_unit_test(choices_and_words), cmocka_unit_test(without_the_right),
                cmocka_unit_test(falls_back),
        };
        enter_namespace();
        return cmocka_run_group_tests(tests, make_place, NULL);
}
