// SPDX-License-Identifier: Apache-2.0
/*
 * What is bounded in the stack, and what happens at each bound: connections, connections per host, buffers,
 * blocks out of order, waiting RSTs; besides, the table, the wheel against a naive clock, the sizes of
 * packets that a path wants, RSTs for strangers, and turns between connections.
 */
#include "test_stack.h"

enum { MANY = 20000 };

static struct conn *last_opened;
static unsigned opened, ended_as[CONN_ABORTED + 1];
static uint64_t data_bytes;

static void m_opened(void *arg, struct conn *c)
{
        (void)arg;
        last_opened = c;
        opened++;
}

static void m_data(void *arg, struct conn *c, struct span d)
{
        (void)arg;
        (void)c;
        data_bytes += d.n;
}

static void m_plain(void *arg, struct conn *c)
{
        (void)arg;
        (void)c;
}

static void m_ended(void *arg, struct conn *c, enum conn_end how)
{
        (void)arg;
        (void)c;
        ended_as[how]++;
}

static const struct conn_ops m_ops = {m_opened, m_data, m_plain, m_plain, m_ended};
static const struct stack_route route = {.dev = 3};

static struct stack *begin(struct stack_conf conf)
{
        struct stack *s;
        struct err e = {0};
        opened = 0;
        data_bytes = 0;
        memset(ended_as, 0, sizeof(ended_as));
        assert_int_equal(stack_new(&s, &conf, &m_ops, NULL, &e), 0);
        return s;
}

/* From host number h, port p. */
static struct pkt from(uint32_t h, uint16_t p, uint8_t flags, uint32_t seq, uint32_t ack)
{
        return (struct pkt){.kind = WIRE_TCP,
                            .src = ip_v4(0x0b000000 + h),
                            .dst = ip_v4(0x0a000001),
                            .proto = 6,
                            .sport = p,
                            .dport = 40000,
                            .tcp_flags = flags,
                            .seq = seq,
                            .ack = ack,
                            .window = 60000};
}

static enum stack_accept accept_one(struct stack *s, uint32_t h, uint16_t p, uint64_t now_ns)
{
        struct pkt k = from(h, p, TCP_SYN | TCP_ACK, 100, 500);
        return stack_accept(s, &k, &route, now_ns);
}

static bool input(struct stack *s, struct pkt k, struct span data, uint64_t now_ns)
{
        k.payload = data;
        return stack_input(s, &k, &route, now_ns);
}

static unsigned drain(struct stack *s, uint64_t now_ns)
{
        struct stack_seg out;
        unsigned n = 0;
        while (stack_next(s, &out, now_ns))
                n++;
        return n;
}

static struct stack_stats stats(const struct stack *s)
{
        struct stack_stats n;
        stack_stats(s, &n);
        return n;
}

/* ---- the pool ---- */

static void test_size(void **state)
{
        (void)state;
        assert_true(stack_conn_size() <= 80);
}

static void test_pool_full(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 3, .syn_wscale = -1});
        for (uint32_t h = 1; h <= 3; h++)
                assert_int_equal(accept_one(s, h, 80, 1), STACK_ACCEPTED);
        assert_int_equal(accept_one(s, 4, 80, 1), STACK_FULL);
        struct stack_open to = fix_peer(false);
        enum stack_accept why;
        assert_null(stack_connect(s, &to, 1, &why));
        assert_int_equal(why, STACK_FULL);
        conn_abort(s, last_opened);
        assert_int_equal(accept_one(s, 4, 80, 1), STACK_ACCEPTED);
        assert_int_equal(stats(s).full, 2);
        assert_int_equal(stats(s).conns, 3);
        assert_int_equal(stats(s).conns_peak, 3);
        stack_free(s);
        assert_int_equal(ended_as[CONN_ABORTED], 4);
}

/* Those in TIME-WAIT make room, the oldest first. */
static void test_time_wait_makes_room(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 2, .syn_wscale = -1});
        for (uint32_t h = 1; h <= 2; h++) {
                assert_int_equal(accept_one(s, h, 80, h), STACK_ACCEPTED);
                conn_close(s, last_opened);
                drain(s, h);
                assert_true(input(s, from(h, 80, TCP_ACK | TCP_FIN, 101, 501), span_of(NULL, 0), h));
        }
        assert_int_equal(ended_as[CONN_CLOSED], 2);
        assert_int_equal(stats(s).conns, 2);
        assert_int_equal(accept_one(s, 3, 80, 3), STACK_ACCEPTED);
        struct stack_open to = {
                .us = ip_v4(0x0a000001), .them = ip_v4(0x0b000001), .us_port = 40000, .them_port = 80};
        assert_false(stack_has(s, &to));
        to.them = ip_v4(0x0b000002);
        assert_true(stack_has(s, &to));
        stack_free(s);
        assert_int_equal(ended_as[CONN_CLOSED] + ended_as[CONN_ABORTED], 3);
}

static void test_per_host(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 100, .per_host = 2, .syn_wscale = -1});
        assert_int_equal(accept_one(s, 1, 80, 1), STACK_ACCEPTED);
        assert_int_equal(accept_one(s, 1, 81, 1), STACK_ACCEPTED);
        struct conn *c = last_opened;
        assert_int_equal(accept_one(s, 1, 82, 1), STACK_HOST_FULL);
        assert_int_equal(accept_one(s, 2, 80, 1), STACK_ACCEPTED);
        conn_close(s, c);
        drain(s, 1);
        assert_int_equal(accept_one(s, 1, 82, 1), STACK_HOST_FULL);
        assert_true(input(s, from(1, 81, TCP_ACK | TCP_FIN, 101, 501), span_of(NULL, 0), 1));
        assert_int_equal(accept_one(s, 1, 82, 1), STACK_ACCEPTED); /* TIME-WAIT is no burden to the host */
        assert_int_equal(stats(s).host_full, 2);
        stack_free(s);
}

/* Random comings and goings against a plain array of counts. */
static void check_per_host_counts(uint32_t hosts, uint32_t limit, uint32_t most)
{
        static struct conn *conns[3000][5];
        unsigned n[3000] = {0}, all = 0;
        struct stack *s = begin((struct stack_conf){.max_conns = most, .per_host = limit, .syn_wscale = -1});
        for (uint64_t i = 0; i < 60000; i++) {
                uint32_t h = (uint32_t)(hash_mix64(i + 1) % hosts);
                uint16_t port = (uint16_t)(i % 60000 + 1);
                if (hash_mix64(i + 1) >> 40 & 1) {
                        enum stack_accept got = accept_one(s, h, port, 1);
                        assert_int_equal(got, n[h] == limit ? STACK_HOST_FULL
                                              : all == most ? STACK_FULL
                                                            : STACK_ACCEPTED);
                        if (got == STACK_ACCEPTED) {
                                conns[h][n[h]++] = last_opened;
                                all++;
                        }
                } else if (n[h]) {
                        conn_abort(s, conns[h][--n[h]]);
                        all--;
                }
                if (i % 512 == 0)
                        drain(s, 1);
        }
        stack_free(s);
}

static void test_per_host_counts(void **state)
{
        (void)state;
        check_per_host_counts(700, 5, 4000);
        check_per_host_counts(3000, 2, 800); /* the pool is full most of the time, the table as it can be */
        check_per_host_counts(3000, 1, 40);
}

static void test_in_use(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1});
        struct stack_open to = fix_peer(true);
        enum stack_accept why;
        struct conn *c = stack_connect(s, &to, 1, &why);
        assert_non_null(c);
        assert_int_equal(why, STACK_ACCEPTED);
        assert_int_equal(conn_app(c), 0);
        conn_set_app(c, UINT32_MAX);
        assert_int_equal(conn_app(c), UINT32_MAX);
        assert_null(stack_connect(s, &to, 1, &why));
        assert_int_equal(why, STACK_IN_USE);
        assert_true(stack_has(s, &to));
        to.us_port++;
        assert_false(stack_has(s, &to));
        assert_non_null(stack_connect(s, &to, 1, &why));
        stack_free(s);
}

/* Link-local addresses are told apart by their zone. */
static void test_zones(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1});
        struct stack_open to = {.us = ip_v6(0xfe80ull << 48, 1),
                                .them = ip_v6(0xfe80ull << 48, 2),
                                .us_port = 1,
                                .them_port = 2};
        enum stack_accept why;
        to.us.zone = to.them.zone = 3;
        struct conn *c = stack_connect(s, &to, 1, &why);
        assert_non_null(c);
        struct stack_open got;
        conn_peer(s, c, &got);
        assert_true(ip_eq(&got.us, &to.us) && ip_eq(&got.them, &to.them));
        to.us.zone = to.them.zone = 4;
        assert_false(stack_has(s, &to));
        assert_non_null(stack_connect(s, &to, 1, &why));
        stack_free(s);
}

/* ---- the way there ---- */

static struct stack_route by(uint32_t h)
{
        return (struct stack_route){.dev = (uint16_t)(h % 3),
                                    .mac = {2, 0, 0, (uint8_t)(h >> 8), (uint8_t)h, 1}};
}

/* Each neighbour by its own address, thousands of them one after the other through a pool of three. */
static void test_neighbours(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 3, .syn_wscale = -1});
        struct conn *before = NULL;
        for (uint32_t h = 1; h < MANY; h++) {
                struct pkt k = from(h, 80, TCP_SYN | TCP_ACK, 100, 500);
                struct stack_route r = by(h);
                struct stack_seg out;
                assert_int_equal(stack_accept(s, &k, &r, 1), STACK_ACCEPTED);
                assert_true(stack_next(s, &out, 1) && out.seg.dst.lo == k.src.lo);
                assert_memory_equal(&out.route, &r, sizeof(r));
                if (before)
                        conn_abort(s, before);
                before = last_opened;
                if (h > 1 && stack_next(s, &out, 1)) { /* the RST goes where the connection went */
                        r = by(h - 1);
                        assert_memory_equal(&out.route, &r, sizeof(r));
                }
        }
        stack_free(s);
}

/* Two go the same way; then one's frames come from elsewhere, and it alone goes there. */
static void test_way_changes(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1});
        struct stack_route old = by(1), fresh = by(2);
        struct stack_seg out;
        for (uint32_t h = 1; h <= 2; h++) {
                struct pkt k = from(h, 80, TCP_SYN | TCP_ACK, 100, 500);
                assert_int_equal(stack_accept(s, &k, &old, 1), STACK_ACCEPTED);
        }
        drain(s, 1);
        struct pkt k = from(2, 80, TCP_ACK, 999999, 500); /* not acceptable: changes nothing */
        assert_true(stack_input(s, &k, &fresh, 1));
        assert_true(stack_next(s, &out, 1));
        assert_memory_equal(&out.route, &old, sizeof(old));
        for (uint32_t h = 1; h <= 2; h++) {
                k = from(h, 80, TCP_ACK, 101, 500);
                k.payload = span_str("x");
                assert_true(stack_input(s, &k, h == 2 ? &fresh : &old, 1));
                assert_true(stack_next(s, &out, 1) && out.seg.dst.lo == k.src.lo);
                assert_memory_equal(&out.route, h == 2 ? &fresh : &old, sizeof(old));
        }
        stack_free(s);
}

/* ---- cells ---- */

static unsigned walked;

static void ends_each(void *arg, struct conn *c)
{
        walked++;
        if (arg)
                conn_abort(arg, c);
}

static void test_each(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 99, .syn_wscale = -1});
        for (uint32_t h = 0; h < 50; h++)
                assert_int_equal(accept_one(s, h, 80, 1), STACK_ACCEPTED);
        conn_abort(s, last_opened);
        assert_true(input(s, from(7, 80, TCP_ACK | TCP_FIN, 101, 500), span_of(NULL, 0), 1));
        walked = 0;
        stack_each(s, ends_each, NULL);
        assert_int_equal(walked, 49);
        stack_each(s, ends_each, s);
        assert_int_equal(walked, 98);
        stack_each(s, ends_each, s);
        assert_int_equal(walked, 98);
        assert_int_equal(ended_as[CONN_ABORTED], 50);
        stack_free(s);
}

/* Connections that end before their turn has come leave nothing behind that speaks, and those that get their
 * cells have their turn, once. */
static void test_ended_in_the_queue(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 200, .syn_wscale = -1});
        struct stack_seg out;
        unsigned acks[2] = {0}, n = 0;
        for (uint32_t h = 0; h < 200; h++)
                assert_int_equal(accept_one(s, h, 80, 1), STACK_ACCEPTED);
        for (uint32_t h = 0; h < 200; h++) /* each resets before our ACK left */
                assert_true(input(s, from(h, 80, TCP_RST, 101, 0), span_of(NULL, 0), 1));
        for (uint32_t h = 0; h < 120; h++)
                assert_int_equal(accept_one(s, 1000 + h, 80, 1), STACK_ACCEPTED);
        for (; stack_next(s, &out, 1); n++)
                acks[out.seg.dst.lo - 0x0b000000 >= 1000]++;
        assert_int_equal(acks[0], 0);
        assert_int_equal(acks[1], 120);
        assert_int_equal(stack_waiting(s), 0);
        assert_true(input(s, from(1000, 80, TCP_ACK, 101, 500), span_str("x"), 1));
        assert_int_equal(drain(s, 1), 1);
        stack_free(s);
}

static void test_many(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = MANY, .syn_wscale = -1});
        for (uint32_t i = 0; i < MANY; i++)
                assert_int_equal(accept_one(s, i / 16, (uint16_t)(i % 16), 1), STACK_ACCEPTED);
        assert_int_equal(stack_waiting(s), MANY);
        assert_int_equal(drain(s, 1), MANY);
        for (uint32_t i = 0; i < MANY; i += 2) /* every other one is reset */
                assert_true(input(s, from(i / 16, (uint16_t)(i % 16), TCP_RST, 101, 0), span_of(NULL, 0), 1));
        for (uint32_t i = 0; i < MANY; i++)
                assert_int_equal(
                        input(s, from(i / 16, (uint16_t)(i % 16), TCP_ACK, 101, 500), span_str("x"), 1),
                        i % 2);
        assert_int_equal(data_bytes, MANY / 2);
        assert_int_equal(stats(s).conns, MANY / 2);
        stack_free(s);
        assert_int_equal(ended_as[CONN_RESET], MANY / 2);
        assert_int_equal(ended_as[CONN_ABORTED], MANY / 2);
}

static void test_refused_confs(void **state)
{
        (void)state;
        struct stack *s;
        struct err e = {0};
        struct stack_conf conf = {.max_conns = UINT32_MAX, .syn_wscale = -1};
        assert_int_equal(stack_new(&s, &conf, &m_ops, NULL, &e), -1);
        assert_non_null(strstr(e.text, "connections"));
        conf = (struct stack_conf){.max_conns = 1, .syn_wscale = -1, .buffer_max = 1ull << 62};
        assert_int_equal(stack_new(&s, &conf, &m_ops, NULL, &e), -1);
        conf = (struct stack_conf){.max_conns = 10000000, .per_host = 4, .syn_wscale = -1};
        assert_int_equal(stack_new(&s, &conf, &m_ops, NULL, &e), 0);
        stack_free(s);
}

/* ---- buffers ---- */

static void test_buffer_max(void **state)
{
        (void)state;
        static uint8_t bytes[4000];
        struct stack *s =
                begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1, .buffer_max = 16 * 128});
        assert_int_equal(accept_one(s, 1, 80, 1), STACK_ACCEPTED);
        struct conn *c = last_opened;
        assert_false(conn_send(s, c, span_of(bytes, 15 * 116 + 1)));
        assert_int_equal(stats(s).buffer_bytes, 0); /* all or nothing */
        assert_true(conn_send(s, c, span_of(bytes, 15 * 116)));
        assert_int_equal(stats(s).buffer_bytes, 16 * 128);
        assert_false(conn_send(s, c, span_of(bytes, 1)));
        assert_int_equal(accept_one(s, 2, 80, 1), STACK_ACCEPTED);
        assert_true(input(s, from(2, 80, TCP_ACK, 110, 500), span_of(bytes, 50), 1)); /* no room: not kept */
        assert_true(input(s, from(2, 80, TCP_ACK, 101, 500), span_of(bytes, 9), 1));
        assert_int_equal(data_bytes, 9);
        assert_true(input(s, from(2, 80, TCP_ACK, 110, 500), span_of(bytes, 50), 1));
        assert_int_equal(data_bytes, 59);
        drain(s, 1);
        assert_true(input(s, from(1, 80, TCP_ACK, 101, 500 + 15 * 116), span_of(NULL, 0), 1));
        assert_int_equal(stats(s).buffer_bytes, 0);
        assert_true(conn_send(s, c, span_of(bytes, 1)));
        stack_free(s);
}

/* A peer that sends every other byte of the window, one at a time, gets a bounded share of memory. */
static void test_many_holes(void **state)
{
        (void)state;
        uint8_t byte = 7;
        struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1});
        assert_int_equal(accept_one(s, 1, 80, 1), STACK_ACCEPTED);
        for (uint32_t at = 1; at < 16384; at += 2)
                assert_true(input(s, from(1, 80, TCP_ACK, 101 + at, 500), span_of(&byte, 1), 1));
        assert_true(stats(s).buffer_bytes <= 3 * 16384);
        assert_true(stats(s).buffer_bytes >= 16384);
        for (uint32_t at = 0; at < 16384; at++)
                assert_true(input(s, from(1, 80, TCP_ACK, 101 + at, 500), span_of(&byte, 1), 1));
        assert_int_equal(data_bytes, 16384);
        assert_int_equal(stats(s).buffer_bytes, 0);
        stack_free(s);
}

/* A segment as large as TSO hands them over, and all of a window out of order behind one missing byte. */
static void test_large_segments(void **state)
{
        (void)state;
        static uint8_t bytes[65000];
        struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1, .window = 65535});
        assert_int_equal(accept_one(s, 1, 80, 1), STACK_ACCEPTED);
        assert_true(input(s, from(1, 80, TCP_ACK, 102, 500), span_of(bytes, 65000), 1));
        assert_int_equal(data_bytes, 0);
        assert_true(input(s, from(1, 80, TCP_ACK, 101, 500), span_of(bytes, 1), 1));
        assert_int_equal(data_bytes, 65001);
        assert_true(input(s, from(1, 80, TCP_ACK, 65102, 500), span_of(bytes, 65000), 1));
        assert_int_equal(data_bytes, 130001);
        assert_int_equal(stats(s).buffer_bytes, 0);
        stack_free(s);
}

/* ---- sizes of packets ---- */

static size_t first_len(struct stack *s, uint64_t now_ns)
{
        struct stack_seg out;
        while (stack_next(s, &out, now_ns))
                if (out.seg.payload.n)
                        return out.seg.payload.n;
        return 0;
}

static void test_default_mss(void **state)
{
        (void)state;
        static uint8_t bytes[3000];
        for (unsigned six = 0; six < 2; six++) {
                struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1});
                struct stack_open to = fix_peer(six);
                struct pkt k = from(1, 80, TCP_SYN | TCP_ACK, 100, 500);
                k.src = to.them;
                k.dst = to.us;
                assert_int_equal(stack_accept(s, &k, &route, 1), STACK_ACCEPTED);
                assert_true(conn_send(s, last_opened, span_of(bytes, 3000)));
                assert_int_equal(first_len(s, 1), six ? 1220 : 536);
                struct stack_seg out;
                enum stack_accept why;
                while (stack_next(s, &out, 1))
                        ;
                to.us_port++;
                assert_non_null(stack_connect(s, &to, 1, &why));
                assert_true(stack_next(s, &out, 1));
                assert_int_equal(out.seg.mss, six ? 1440 : 1460);
                stack_free(s);
        }
}

/* The path wants smaller packets: what is in flight is sent again in such ones, without waiting. */
static void check_path_mtu(bool six, uint16_t mtu, size_t want)
{
        static uint8_t bytes[1400];
        uint8_t head[8] = {0};
        struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1});
        struct stack_open to = fix_peer(six);
        struct pkt k = from(1, 80, TCP_SYN | TCP_ACK, 100, 500);
        k.src = to.them;
        k.dst = to.us;
        k.mss = 1400;
        assert_int_equal(stack_accept(s, &k, &route, 1), STACK_ACCEPTED);
        assert_true(conn_send(s, last_opened, span_of(bytes, 1400)));
        assert_int_equal(first_len(s, 1), 1400);
        put_be16(head + 6, mtu);
        struct pkt icmp = {.kind = WIRE_ICMP,
                           .src = to.them,
                           .dst = to.us,
                           .icmp_type = six ? 2 : 3,
                           .icmp_code = six ? 0 : 4,
                           .l4 = span_of(head, 8),
                           .quoted = {.src = to.us,
                                      .dst = to.them,
                                      .proto = 6,
                                      .sport = k.dport,
                                      .dport = k.sport,
                                      .seq = 500}};
        assert_true(stack_input(s, &icmp, &route, 1));
        assert_int_equal(first_len(s, 1), want == 1400 ? 0 : want);
        stack_free(s);
}

static void test_path_mtu(void **state)
{
        (void)state;
        check_path_mtu(false, 1300, 1260);
        check_path_mtu(false, 576, 536);
        check_path_mtu(false, 0, 536); /* a router from before RFC 1191 */
        check_path_mtu(false, 68, 64);
        check_path_mtu(false, 1, 64);
        check_path_mtu(false, 1500, 1400);
        check_path_mtu(true, 1400, 1340);
        check_path_mtu(true, 1280, 1220);
        check_path_mtu(true, 100, 1220); /* RFC 8200 §5: every link carries 1280 */
}

/* ---- RSTs ---- */

static struct stack_seg refused(struct stack *s, struct pkt k, size_t payload)
{
        static uint8_t bytes[100];
        struct stack_seg out = {.seg = {.flags = 0}};
        k.payload = span_of(bytes, payload);
        stack_refuse(s, &k, &route);
        (void)stack_next(s, &out, 1);
        return out;
}

static void test_refuse(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1});
        struct stack_seg out = refused(s, from(1, 80, TCP_SYN | TCP_ACK, 100, 500), 0);
        assert_int_equal(out.seg.flags, TCP_RST);
        assert_int_equal(out.seg.seq, 500);
        assert_int_equal(out.seg.sport, 40000);
        assert_int_equal(out.seg.dport, 80);
        assert_int_equal(out.seg.dst.lo, 0x0b000001);
        assert_int_equal(out.route.dev, 3);
        assert_int_equal(out.seg.ttl, 64);
        out = refused(s, from(1, 80, TCP_SYN | TCP_FIN, 100, 0), 7);
        assert_int_equal(out.seg.flags, TCP_RST | TCP_ACK);
        assert_int_equal(out.seg.seq, 0);
        assert_int_equal(out.seg.ack, 109);
        assert_int_equal(refused(s, from(1, 80, TCP_RST, 100, 0), 0).seg.flags, 0);
        struct pkt icmp = {.kind = WIRE_ICMP, .src = ip_v4(1), .dst = ip_v4(2)};
        assert_int_equal(refused(s, icmp, 0).seg.flags, 0);
        assert_int_equal(stats(s).rsts_out, 2);
        stack_free(s);
}

static void test_refuse_bound(void **state)
{
        (void)state;
        struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1});
        for (uint32_t i = 0; i < 5000; i++) {
                struct pkt k = from(i, 80, TCP_ACK, 1, i);
                stack_refuse(s, &k, &route);
        }
        struct stack_stats n = stats(s);
        assert_true(n.rsts_forgotten > 0);
        assert_int_equal(stack_waiting(s) + n.rsts_forgotten, 5000);
        assert_int_equal(drain(s, 1) + n.rsts_forgotten, 5000);
        stack_free(s);
}

/* Many more than RSTs find room to wait: each gets one, also those that said FIN; none twice. */
static void test_hang_up(void **state)
{
        (void)state;
        enum { TALKS = 10000 };
        static uint8_t rsts[TALKS + 1];
        struct stack *s = begin((struct stack_conf){.max_conns = MANY, .syn_wscale = -1});
        struct stack_seg out;
        memset(rsts, 0, sizeof(rsts));
        for (uint32_t h = 1; h <= TALKS; h++) {
                assert_int_equal(accept_one(s, h, 80, 1), STACK_ACCEPTED);
                if (h % 2)
                        conn_close(s, last_opened);
        }
        drain(s, 1);
        for (uint32_t h = 1; h <= TALKS; h += 4) /* FIN-WAIT-2 */
                assert_true(input(s, from(h, 80, TCP_ACK, 101, 501), (struct span){0}, 2));
        unsigned rounds = 0;
        for (bool more = true; more; rounds++) {
                more = stack_hang_up(s);
                while (stack_next(s, &out, 3)) {
                        assert_true(out.seg.flags & TCP_RST);
                        rsts[out.seg.dst.lo - 0x0b000000]++;
                }
        }
        assert_true(rounds > 1);
        for (uint32_t h = 1; h <= TALKS; h++)
                assert_int_equal(rsts[h], 1);
        assert_int_equal(ended_as[CONN_ABORTED], TALKS);
        assert_int_equal(stats(s).conns, 0);
        assert_int_equal(stats(s).rsts_forgotten, 0);
        stack_free(s);
        assert_int_equal(ended_as[CONN_ABORTED], TALKS);
}

/* ---- turns ---- */

static void test_turns(void **state)
{
        (void)state;
        static uint8_t bytes[1200];
        struct stack *s = begin((struct stack_conf){.max_conns = 9, .syn_wscale = -1});
        for (uint32_t h = 1; h <= 2; h++) {
                struct pkt k = from(h, 80, TCP_SYN | TCP_ACK, 100, 500);
                k.mss = 200;
                assert_int_equal(stack_accept(s, &k, &route, 1), STACK_ACCEPTED);
                assert_true(conn_send(s, last_opened, span_of(bytes, sizeof(bytes))));
        }
        for (uint32_t i = 0; i < 4; i++) {
                struct pkt k = from(9, 80, TCP_ACK, 1, 1);
                stack_refuse(s, &k, &route);
        }
        char order[32] = "";
        struct stack_seg out;
        for (unsigned n = 0; stack_next(s, &out, 1) && n < 31; n++)
                order[n] = out.seg.flags & TCP_RST ? 'r' : (char)('a' + (out.seg.dst.lo & 15) - 1);
        assert_string_equal(order, "rarbrarbabababab");
        stack_free(s);
}

/* ---- the wheel ---- */

struct alarm {
        uint64_t due_ns;
        struct conn *c;
};
static struct alarm alarms[3000];
static struct stack *clock_stack;
static uint64_t clock_ns, late_most, fired;

static void a_timer(void *arg, struct conn *c)
{
        struct alarm *a = &alarms[conn_app(c)];
        (void)arg;
        assert_true(a->c == c && a->due_ns && clock_ns >= a->due_ns);
        late_most = MAX(late_most, clock_ns - a->due_ns);
        a->due_ns = 0;
        fired++;
}

static const struct conn_ops a_ops = {m_opened, m_data, m_plain, a_timer, m_ended};

static void set_alarm(struct alarm *a, uint64_t r)
{
        static const uint64_t spans_ms[] = {300, 4000, 70000, 3000000, 20000000};
        uint64_t away = hash_mix64(r) % (spans_ms[r % ARRAY_LEN(spans_ms)] * NS_PER_MS);
        a->due_ns = r % 23 ? clock_ns + 1 + away : 0;
        conn_set_timer(clock_stack, a->c, a->due_ns);
}

/* Thousands of times, set, moved, put off and called off at random; ticks come whenever the stack asks, or
 * later. Nobody is called early, and nobody more than 2 ms after the tick that was asked for. */
static void test_wheel(void **state)
{
        (void)state;
        struct err e = {0};
        struct stack_conf conf = {.max_conns = ARRAY_LEN(alarms), .syn_wscale = -1};
        clock_ns = 4294967000ull * NS_PER_MS; /* the 32 bits of milliseconds wrap on the way */
        assert_int_equal(stack_new(&clock_stack, &conf, &a_ops, NULL, &e), 0);
        for (uint32_t i = 0; i < ARRAY_LEN(alarms); i++) {
                assert_int_equal(accept_one(clock_stack, i, 80, clock_ns), STACK_ACCEPTED);
                alarms[i] = (struct alarm){.c = last_opened};
                conn_set_app(last_opened, i);
                set_alarm(&alarms[i], i + 1);
        }
        drain(clock_stack, clock_ns);
        for (uint64_t r = 1; r < 40000; r++) {
                uint64_t next = stack_deadline(clock_stack);
                if (next != UINT64_MAX)
                        clock_ns = MAX(clock_ns, next);
                stack_tick(clock_stack, clock_ns);
                assert_true(stack_deadline(clock_stack) > clock_ns);
                set_alarm(&alarms[hash_mix64(r) % ARRAY_LEN(alarms)], r);
        }
        assert_true(fired > 1000);
        assert_true(late_most <= 2 * NS_PER_MS);
        for (uint64_t t; (t = stack_deadline(clock_stack)) != UINT64_MAX; stack_tick(clock_stack, clock_ns))
                clock_ns = MAX(clock_ns, t);
        for (uint32_t i = 0; i < ARRAY_LEN(alarms); i++)
                assert_int_equal(alarms[i].due_ns, 0); /* each has fired, or was called off */
        stack_free(clock_stack);
}

/* A stack that nobody ticked for hours catches up at once. */
static void test_long_pause(void **state)
{
        (void)state;
        struct err e = {0};
        struct stack_conf conf = {.max_conns = ARRAY_LEN(alarms), .syn_wscale = -1};
        clock_ns = NS_PER_S;
        fired = late_most = 0;
        assert_int_equal(stack_new(&clock_stack, &conf, &a_ops, NULL, &e), 0);
        for (uint32_t i = 0; i < ARRAY_LEN(alarms); i++) {
                assert_int_equal(accept_one(clock_stack, i, 80, clock_ns), STACK_ACCEPTED);
                alarms[i] = (struct alarm){.c = last_opened,
                                           .due_ns = clock_ns + hash_mix64(i) % (9999 * NS_PER_S)};
                conn_set_app(last_opened, i);
                conn_set_timer(clock_stack, last_opened, alarms[i].due_ns);
        }
        clock_ns += 10000 * NS_PER_S;
        stack_tick(clock_stack, clock_ns);
        assert_int_equal(fired, ARRAY_LEN(alarms));
        assert_true(stack_deadline(clock_stack) == UINT64_MAX);
        stack_free(clock_stack);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_size),
                                           cmocka_unit_test(test_pool_full),
                                           cmocka_unit_test(test_time_wait_makes_room),
                                           cmocka_unit_test(test_per_host),
                                           cmocka_unit_test(test_per_host_counts),
                                           cmocka_unit_test(test_in_use),
                                           cmocka_unit_test(test_zones),
                                           cmocka_unit_test(test_neighbours),
                                           cmocka_unit_test(test_way_changes),
                                           cmocka_unit_test(test_each),
                                           cmocka_unit_test(test_ended_in_the_queue),
                                           cmocka_unit_test(test_many),
                                           cmocka_unit_test(test_refused_confs),
                                           cmocka_unit_test(test_buffer_max),
                                           cmocka_unit_test(test_many_holes),
                                           cmocka_unit_test(test_large_segments),
                                           cmocka_unit_test(test_default_mss),
                                           cmocka_unit_test(test_path_mtu),
                                           cmocka_unit_test(test_refuse),
                                           cmocka_unit_test(test_refuse_bound),
                                           cmocka_unit_test(test_hang_up),
                                           cmocka_unit_test(test_turns),
                                           cmocka_unit_test(test_wheel),
                                           cmocka_unit_test(test_long_pause)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
