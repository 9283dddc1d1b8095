// SPDX-License-Identifier: Apache-2.0
/*
 * bench_stack: how many connections a second one core sets up, exchanges one request and one response on and
 * closes, with a peer in the same process made of plain functions; and what connections cost in memory while
 * they say nothing. Times are CPU time of this thread, medians of RUNS runs; "frames" also builds and decodes
 * every segment with src/wire, checksums included. Invariant: a run counts only when every connection got
 * all bytes of its response and ended as closed.
 */
#include "stack/stack.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 5, CONNS = 400000, AT_ONCE = 2048, RESPONSE = 200, FRAME = 2048, OPEN = 1000000 };

struct bench {
        struct stack *s;
        uint64_t now_ns, begun, closed, bytes;
        bool frames, we_close, six;
        uint32_t n_in;
        struct pkt in[AT_ONCE * 4]; /* what the peer says next */
};
static uint8_t response[RESPONSE];
static const char request[] = "GET / HTTP/1.0\r\n\r\n";

static uint64_t cpu_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void give_up(const char *why)
{
        fprintf(stderr, "bench_stack: %s\n", why);
        exit(1);
}

/* ---- the owner ---- */

static void on_opened(void *arg, struct conn *c)
{
        struct bench *b = arg;
        if (!conn_send(b->s, c, span_of(request, sizeof(request) - 1)))
                give_up("no room for a request");
        conn_set_timer(b->s, c, b->now_ns + 10 * NS_PER_S);
}

static void on_data(void *arg, struct conn *c, struct span d)
{
        struct bench *b = arg;
        b->bytes += d.n;
        if (b->we_close)
                conn_close(b->s, c);
}

static void on_finished(void *arg, struct conn *c)
{
        conn_close(((struct bench *)arg)->s, c);
}

static void on_timer(void *arg, struct conn *c)
{
        (void)arg;
        (void)c;
        give_up("a connection took too long");
}

static void on_ended(void *arg, struct conn *c, enum conn_end how)
{
        (void)c;
        ((struct bench *)arg)->closed += how == CONN_CLOSED;
}

static const struct conn_ops ops = {on_opened, on_data, on_finished, on_timer, on_ended};

/* ---- the peer ---- */

static struct pkt peer_syn_ack(const struct bench *b, uint64_t i)
{
        struct pkt p = {.kind = WIRE_TCP,
                        .src = ip_v4(0x0b000000 + (uint32_t)i),
                        .dst = ip_v4(0x0a000001),
                        .proto = 6,
                        .ttl = 60,
                        .sport = 80,
                        .dport = (uint16_t)(40000 + i % 16),
                        .tcp_flags = TCP_SYN | TCP_ACK,
                        .seq = (uint32_t)i * 77,
                        .ack = (uint32_t)i * 99,
                        .window = 65535,
                        .mss = 1460};
        if (b->six) {
                p.src = ip_v6(0x20010db800000000, i);
                p.dst = ip_v6(0x20010db800000001, 1);
        }
        return p;
}

static void peer_says(struct bench *b, const struct wire_segment *g, uint8_t flags, struct span data)
{
        uint32_t len = (uint32_t)g->payload.n + !!(g->flags & TCP_FIN);
        if (b->n_in == ARRAY_LEN(b->in))
                give_up("the peer has too much to say");
        b->in[b->n_in++] = (struct pkt){.kind = WIRE_TCP,
                                        .src = g->dst,
                                        .dst = g->src,
                                        .proto = 6,
                                        .ttl = 60,
                                        .sport = g->dport,
                                        .dport = g->sport,
                                        .tcp_flags = flags,
                                        .seq = g->ack,
                                        .ack = g->seq + len,
                                        .window = 65535,
                                        .payload = data};
}

/* A request is answered, with FIN behind it unless we close first; a FIN is acknowledged. */
static void peer_hears(struct bench *b, const struct wire_segment *g)
{
        uint8_t fin = b->we_close ? 0 : TCP_FIN;
        if (g->payload.n)
                peer_says(b, g, TCP_ACK | TCP_PSH | fin, span_of(response, RESPONSE));
        else if (g->flags & TCP_FIN)
                peer_says(b, g, b->we_close ? TCP_ACK | TCP_FIN : TCP_ACK, span_of(NULL, 0));
}

/* ---- rounds ---- */

/* The same packet after a trip through bytes. */
static struct pkt through_frame(const struct pkt *p, uint8_t buf[FRAME])
{
        static const struct wire_hop hop = {.link = LINK_ETHER};
        struct wire_segment g = {.src = p->src,
                                 .dst = p->dst,
                                 .sport = p->sport,
                                 .dport = p->dport,
                                 .seq = p->seq,
                                 .ack = p->ack,
                                 .flags = p->tcp_flags,
                                 .ttl = p->ttl,
                                 .window = p->window,
                                 .mss = p->mss,
                                 .payload = p->payload};
        struct pkt out;
        size_t n = wire_build_segment(buf, FRAME, &hop, &g);
        if (wire_decode(&out, span_of(buf, n), LINK_ETHER, false, 0) != WIRE_OK)
                give_up("a frame of ours cannot be read");
        return out;
}

static void take(struct bench *b, const struct pkt *given)
{
        static const struct stack_route route = {.dev = 1};
        static uint8_t buf[FRAME];
        struct pkt p = *given;
        if (b->frames)
                p = through_frame(given, buf);
        if (!stack_input(b->s, &p, &route, b->now_ns) && p.tcp_flags & TCP_SYN &&
            stack_accept(b->s, &p, &route, b->now_ns) != STACK_ACCEPTED)
                give_up("a connection was not accepted");
}

static void send_all(struct bench *b)
{
        static const struct wire_hop hop = {.link = LINK_ETHER};
        static uint8_t buf[FRAME];
        struct stack_seg out;
        while (stack_next(b->s, &out, b->now_ns)) {
                if (b->frames && !wire_build_segment(buf, sizeof(buf), &hop, &out.seg))
                        give_up("a segment does not fit");
                peer_hears(b, &out.seg);
        }
}

static void round_of(struct bench *b, uint64_t fresh)
{
        uint32_t n = b->n_in;
        static struct pkt now[ARRAY_LEN(b->in)];
        memcpy(now, b->in, n * sizeof(now[0]));
        b->n_in = 0;
        for (uint32_t i = 0; i < n; i++)
                take(b, &now[i]);
        for (uint64_t i = 0; i < fresh; i++) {
                struct pkt p = peer_syn_ack(b, b->begun++);
                take(b, &p);
        }
        send_all(b);
        b->now_ns += NS_PER_MS;
        stack_tick(b->s, b->now_ns);
}

static struct stack *make(struct bench *b, uint32_t max)
{
        struct err e = {0};
        struct stack_conf conf = {.max_conns = max, .syn_wscale = -1, .cookie = {1, 2}};
        if (stack_new(&b->s, &conf, &ops, b, &e))
                give_up(e.text);
        return b->s;
}

static double run(bool frames, bool we_close, bool six)
{
        static struct bench b;
        b = (struct bench){.now_ns = NS_PER_S, .frames = frames, .we_close = we_close, .six = six};
        make(&b, 2 * CONNS);
        uint64_t start = cpu_ns();
        while (b.closed < CONNS)
                round_of(&b, MIN((uint64_t)AT_ONCE / 4, CONNS - b.begun));
        double ns = (double)(cpu_ns() - start) / CONNS;
        if (b.bytes != (uint64_t)CONNS * RESPONSE)
                give_up("bytes are missing");
        stack_free(b.s);
        return ns;
}

static int by_size(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;
        return (x > y) - (x < y);
}

static void report(const char *what, bool frames, bool we_close, bool six)
{
        double ns[RUNS];
        for (unsigned i = 0; i < RUNS; i++)
                ns[i] = run(frames, we_close, six);
        qsort(ns, RUNS, sizeof(ns[0]), by_size);
        printf("%-44s %6.0f ns each  %5.2f M connections/s  (%.0f..%.0f ns)\n", what, ns[RUNS / 2],
               1000 / ns[RUNS / 2], ns[0], ns[RUNS - 1]);
}

/* ---- memory ---- */

static uint64_t resident(void)
{
        unsigned long size = 0, rss = 0;
        FILE *f = fopen("/proc/self/statm", "r");
        if (!f || fscanf(f, "%lu %lu", &size, &rss) != 2)
                give_up("cannot read /proc/self/statm");
        fclose(f);
        return rss * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void idle_opened(void *arg, struct conn *c)
{
        struct bench *b = arg;
        conn_set_timer(b->s, c, b->now_ns + 3600 * NS_PER_S);
}

static void idle_memory(void)
{
        static struct bench b;
        static const struct conn_ops idle = {idle_opened, on_data, on_finished, on_timer, on_ended};
        struct err e = {0};
        struct stack_conf conf = {.max_conns = OPEN, .syn_wscale = -1};
        struct stack_seg out;
        struct stack_route route = {.dev = 1};
        b = (struct bench){.now_ns = NS_PER_S};
        if (stack_new(&b.s, &conf, &idle, &b, &e))
                give_up(e.text);
        uint64_t before = resident();
        for (uint64_t i = 0; i < OPEN; i++) {
                struct pkt p = peer_syn_ack(&b, i);
                if (stack_accept(b.s, &p, &route, b.now_ns) != STACK_ACCEPTED ||
                    !stack_next(b.s, &out, b.now_ns))
                        give_up("a connection was not accepted");
        }
        uint64_t open = resident();
        for (uint64_t i = 0; i < OPEN; i++) {
                struct pkt p = peer_syn_ack(&b, i);
                p.seq++;
                p.tcp_flags = TCP_ACK;
                p.payload = span_of(response, 1);
                if (!stack_input(b.s, &p, &route, b.now_ns) || !stack_next(b.s, &out, b.now_ns))
                        give_up("a byte was not taken");
        }
        printf("%d open connections: %.1f bytes each (cell of %zu and table), %.1f after a byte on each\n",
               OPEN, (double)(open - before) / OPEN, stack_conn_size(), (double)(resident() - before) / OPEN);
        stack_free(b.s);
}

int main(void)
{
        report("IPv4, the peer closes first", false, false, false);
        report("IPv4, we close first (TIME-WAIT)", false, true, false);
        report("IPv6, the peer closes first", false, false, true);
        report("IPv4, the peer closes first, frames", true, false, false);
        idle_memory();
        return 0;
}
