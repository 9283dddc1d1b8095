// SPDX-License-Identifier: Apache-2.0
/*
 * The stack against Linux's: a tun device in a network namespace of our own, the kernel's TCP with a small
 * server behind it on one side, ours on the other, and between them a lane that loses, doubles and reorders
 * packets both ways. Each connection sends a request of pattern bytes and gets a response of some length;
 * both ends check every byte. Arguments, for longer runs: connections, how many at once, loss per thousand.
 * Not root: skipped.
 */
#include "test_stack.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = 8, LANE = 64, FDS = 65536, SERVER_PORT = 8000, FRAME = 2048, PATIENCE_S = 60 };

static unsigned total = 200, at_once = 200, loss = 30; /* loss: per thousand */
static const unsigned twice = 20, late = 50;
static bool have_namespace;
static uint64_t seed = 1;

static uint32_t below(uint32_t limit)
{
        return (uint32_t)(hash_mix64(seed += 0x9e3779b97f4a7c15ull) % limit);
}

/* ---- the server, in a thread of its own ---- */

struct serving {
        uint8_t head[HEAD];
        uint32_t got, sent; /* bytes of the request with its head; of the response */
};
static struct serving servings[FDS];
static _Atomic unsigned server_wrong, server_done;
static _Atomic bool server_stop;
static int epoll_fd, listener;

static uint32_t want_in(const struct serving *v)
{
        return v->got < HEAD ? HEAD : HEAD + get_be32(v->head + 4);
}

/* The request is told its own length and the response's; its bytes are ours from HEAD on. */
static bool serve_in(int fd, struct serving *v)
{
        uint8_t buf[4096];
        while (v->got < want_in(v)) {
                ssize_t n = recv(fd, buf, MIN(sizeof(buf), (size_t)(want_in(v) - v->got)), 0);
                if (n <= 0)
                        return false;
                for (ssize_t i = 0; i < n; i++, v->got++) {
                        if (v->got < HEAD)
                                v->head[v->got] = buf[i];
                        else
                                server_wrong += buf[i] != our_byte(v->got);
                }
        }
        return true;
}

static bool serve_out(int fd, struct serving *v)
{
        uint32_t all = get_be32(v->head);
        uint8_t buf[8192];
        while (v->sent < all) {
                uint32_t n = MIN((uint32_t)sizeof(buf), all - v->sent);
                for (uint32_t i = 0; i < n; i++)
                        buf[i] = their_byte(v->sent + i);
                ssize_t k = send(fd, buf, n, MSG_NOSIGNAL);
                if (k <= 0)
                        return false;
                v->sent += (uint32_t)k;
        }
        return true;
}

static void serve(int fd)
{
        struct serving *v = &servings[fd];
        if (!serve_in(fd, v) || !serve_out(fd, v)) {
                if (errno != EAGAIN)
                        close(fd);
                return;
        }
        server_done++;
        close(fd);
}

static void serve_new(void)
{
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
        if (fd < 0)
                return;
        if (fd >= FDS) {
                close(fd);
                return;
        }
        servings[fd] = (struct serving){.got = 0};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static void *server(void *arg)
{
        (void)arg;
        struct epoll_event ev[64];
        while (!server_stop) {
                int n = epoll_wait(epoll_fd, ev, 64, 50);
                for (int i = 0; i < n; i++) {
                        if (ev[i].data.fd == listener)
                                serve_new();
                        else
                                serve(ev[i].data.fd);
                }
        }
        return NULL;
}

/* ---- our side ---- */

struct task {
        uint32_t request, response, got;
        bool wrong, done;
};
static struct task *tasks;
static struct stack *stack;
static unsigned begun, closed, failed, finished_early;
static uint64_t now_ns;

static void l_opened(void *arg, struct conn *c)
{
        struct task *t = &tasks[conn_app(c)];
        uint8_t head[HEAD];
        (void)arg;
        conn_set_timer(stack, c, now_ns + PATIENCE_S * NS_PER_S);
        put_be32(head, t->response);
        put_be32(head + 4, t->request);
        assert_true(conn_send(stack, c, span_of(head, HEAD)));
        assert_true(conn_send(stack, c, pattern(our_byte, HEAD, t->request)));
}

static void l_data(void *arg, struct conn *c, struct span d)
{
        struct task *t = &tasks[conn_app(c)];
        (void)arg;
        for (size_t i = 0; i < d.n; i++, t->got++)
                t->wrong |= d.p[i] != their_byte(t->got);
}

static void l_finished(void *arg, struct conn *c)
{
        (void)arg;
        conn_close(stack, c);
}

static void l_timer(void *arg, struct conn *c)
{
        (void)arg;
        conn_abort(stack, c);
}

static void l_ended(void *arg, struct conn *c, enum conn_end how)
{
        struct task *t = &tasks[conn_app(c)];
        (void)arg;
        assert_false(t->done || t->wrong);
        t->done = true;
        if (how == CONN_CLOSED)
                finished_early += t->got != t->response;
        else
                failed++;
        closed++;
}

static const struct conn_ops l_ops = {l_opened, l_data, l_finished, l_timer, l_ended};

static void open_one(void)
{
        unsigned i = begun++;
        struct stack_open to = {.us = ip_v4(0x0a420002 + i / 40000),
                                .them = ip_v4(0x0a420001),
                                .us_port = (uint16_t)(20000 + i % 40000),
                                .them_port = SERVER_PORT};
        enum stack_accept why;
        if (i % 2) {
                to.us = ip_v6(0xfd66ull << 48, 2 + i / 40000);
                to.them = ip_v6(0xfd66ull << 48, 1);
        }
        tasks[i] = (struct task){.request = below(3) ? below(400) : below(20000),
                                 .response = below(3) ? below(3000) : below(60000)};
        struct conn *c = stack_connect(stack, &to, now_ns, &why);
        assert_non_null(c);
        conn_set_app(c, i);
}

/* ---- the lane between them ---- */

struct lane { /* holds a few packets back, so that others overtake them */
        struct {
                uint64_t at_ns;
                uint16_t len;
                uint8_t bytes[FRAME];
        } held[LANE];
        unsigned n;
        void (*out)(const uint8_t *, size_t);
};
static int tun_fd;

static void to_linux(const uint8_t *p, size_t n)
{
        assert_true(write(tun_fd, p, n) == (ssize_t)n || errno == ENOBUFS);
}

static void to_us(const uint8_t *p, size_t n)
{
        struct pkt k;
        static const struct stack_route route;
        if (wire_decode(&k, span_of(p, n), LINK_RAW, false, 0) == WIRE_OK &&
            !stack_input(stack, &k, &route, now_ns))
                stack_refuse(stack, &k, &route);
}

static struct lane lanes[2] = {{.out = to_linux}, {.out = to_us}};

static void lane_put(struct lane *l, const uint8_t *p, size_t n)
{
        if (below(1000) < loss)
                return;
        if (below(1000) < twice)
                l->out(p, n);
        if (below(1000) >= late || l->n == LANE || n > FRAME) {
                l->out(p, n);
                return;
        }
        memcpy(l->held[l->n].bytes, p, n);
        l->held[l->n].len = (uint16_t)n;
        l->held[l->n++].at_ns = now_ns + (1 + below(60)) * NS_PER_MS;
}

static void lane_release(struct lane *l)
{
        for (unsigned i = 0; i < l->n;) {
                if (l->held[i].at_ns > now_ns) {
                        i++;
                        continue;
                }
                l->out(l->held[i].bytes, l->held[i].len);
                l->held[i] = l->held[--l->n];
        }
}

static void read_tun(void)
{
        static uint8_t buf[65536];
        for (unsigned i = 0; i < 256; i++) {
                ssize_t n = read(tun_fd, buf, sizeof(buf));
                if (n <= 0)
                        return;
                lane_put(&lanes[1], buf, (size_t)n);
        }
}

static void write_tun(void)
{
        static uint8_t buf[FRAME];
        static const struct wire_hop hop = {.link = LINK_RAW};
        struct stack_seg out;
        for (unsigned i = 0; i < 256 && stack_next(stack, &out, now_ns); i++) {
                size_t n = wire_build_segment(buf, sizeof(buf), &hop, &out.seg);
                assert_true(n > 0);
                lane_put(&lanes[0], buf, n);
        }
}

static void talk(uint64_t limit_ns)
{
        uint64_t start = clock_mono_ns();
        for (now_ns = start; closed < total && now_ns - start < limit_ns; now_ns = clock_mono_ns()) {
                struct pollfd fd = {.fd = tun_fd, .events = POLLIN};
                poll(&fd, 1, stack_waiting(stack) ? 0 : 1);
                read_tun();
                stack_tick(stack, now_ns);
                for (unsigned i = 0; i < 64 && begun < total && begun - closed < at_once; i++)
                        open_one();
                lane_release(&lanes[0]);
                lane_release(&lanes[1]);
                write_tun();
        }
}

/* ---- both together ---- */

static int open_tun(void)
{
        struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
        int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
        snprintf(r.ifr_name, sizeof(r.ifr_name), "tw0");
        if (fd < 0 || ioctl(fd, TUNSETIFF, &r))
                return -1;
        return fd;
}

static void open_listener(void)
{
        struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(SERVER_PORT)};
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
        listener = fd;
        epoll_fd = epoll_create1(0);
        assert_true(fd >= 0 && epoll_fd >= 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(fd, 4096), 0);
        assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev), 0);
}

static void enter_namespace(void)
{
        have_namespace = unshare(CLONE_NEWNET) == 0 && (tun_fd = open_tun()) >= 0 &&
                         system("ip link set lo up && ip link set tw0 txqueuelen 5000 up && "
                                "ip addr add 10.66.0.1/16 dev tw0 && "
                                "ip addr add fd66::1/64 dev tw0 nodad") == 0;
        if (!have_namespace)
                fprintf(stderr, "skipped: a tun device in a network namespace of one's own needs root and "
                                "iproute2\n");
}

static void test_against_linux(void **state)
{
        (void)state;
        if (!have_namespace)
                skip();
        struct err e = {0};
        struct stack_stats n;
        struct stack_conf conf = {.max_conns = at_once * 4, .syn_wscale = -1, .cookie = {1, 2}};
        pthread_t thread;
        tasks = calloc(total, sizeof(*tasks));
        assert_non_null(tasks);
        assert_int_equal(stack_new(&stack, &conf, &l_ops, NULL, &e), 0);
        assert_int_equal(pthread_create(&thread, NULL, server, NULL), 0);
        talk((uint64_t)(60 + total / 50) * NS_PER_S);
        server_stop = true;
        pthread_join(thread, NULL);
        stack_stats(stack, &n);
        print_message("%u connections, %.1f MB in, %.1f MB out, %llu sent again, %llu out of order, %llu "
                      "repeats, %u failed\n",
                      closed, (double)n.bytes_in / 1e6, (double)n.bytes_out / 1e6,
                      (unsigned long long)n.resent, (unsigned long long)n.out_of_order,
                      (unsigned long long)n.dup, failed);
        assert_int_equal(closed, total);
        assert_int_equal(server_wrong, 0);
        assert_int_equal(finished_early, 0);
        assert_true(failed <= 1 + total / 300); /* five losses in a row, or Linux waiting for minutes */
        assert_true(server_done >= total - failed);
        stack_free(stack);
        free(tasks);
}

/* ---- a peer that remembers ---- */

static unsigned came_up;

static void up_opened(void *arg, struct conn *c)
{
        (void)arg;
        (void)c;
        came_up++;
}

static void up_ended(void *arg, struct conn *c, enum conn_end how)
{
        (void)arg;
        (void)c;
        assert_int_equal(how, CONN_ABORTED);
}

static const struct conn_ops up_ops = {up_opened, l_data, l_finished, l_timer, up_ended};

/* Both ends say all they have to, then the stack's clock goes on. */
static void rounds(unsigned ms)
{
        static uint8_t buf[65536];
        static const struct wire_hop hop = {.link = LINK_RAW};
        struct stack_seg out;
        for (unsigned i = 0; i < ms; i += 10) {
                struct pollfd fd = {.fd = tun_fd, .events = POLLIN};
                while (stack_next(stack, &out, now_ns))
                        to_linux(buf, wire_build_segment(buf, sizeof(buf), &hop, &out.seg));
                while (poll(&fd, 1, 2) == 1) {
                        ssize_t n = read(tun_fd, buf, sizeof(buf));
                        assert_true(n > 0);
                        to_us(buf, (size_t)n);
                }
                now_ns += 10 * NS_PER_MS;
                stack_tick(stack, now_ns);
        }
}

static struct conn *connect_from(bool six, uint16_t port)
{
        enum stack_accept why;
        struct stack_open to = {.us = six ? ip_v6(0xfd66ull << 48, 9) : ip_v4(0x0a420009),
                                .them = six ? ip_v6(0xfd66ull << 48, 1) : ip_v4(0x0a420001),
                                .us_port = port,
                                .them_port = SERVER_PORT};
        return stack_connect(stack, &to, now_ns, &why);
}

/* Our end has forgotten the connections, Linux has not: it challenges our SYNs (RFC 5961 §4.2), takes our
 * RST, and the SYN behind it opens; long before the first time-out, a second. */
static void test_old_connections(void **state)
{
        (void)state;
        if (!have_namespace)
                skip();
        struct err e = {0};
        now_ns = clock_mono_ns();
        for (uint64_t life = 1; life <= 3; life++) {
                struct stack_conf conf = {.max_conns = 9, .syn_wscale = -1, .cookie = {life, 2}};
                struct stack_stats n;
                came_up = 0;
                assert_int_equal(stack_new(&stack, &conf, &up_ops, NULL, &e), 0);
                struct conn *c[] = {connect_from(false, 999), connect_from(true, 999)};
                rounds(200);
                stack_stats(stack, &n);
                assert_int_equal(came_up, 2);
                assert_int_equal(n.rsts_out, life == 1 ? 0 : 2);
                assert_int_equal(n.resent, life == 1 ? 0 : 2);
                assert_true(c[0] && c[1]);
                stack_free(stack); /* sends nothing */
        }
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_linux),
                                           cmocka_unit_test(test_old_connections)};
        if (argc == 4) {
                total = (unsigned)strtoul(argv[1], NULL, 10);
                at_once = (unsigned)strtoul(argv[2], NULL, 10);
                loss = (unsigned)strtoul(argv[3], NULL, 10);
        }
        enter_namespace();
        if (have_namespace)
                open_listener();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
