// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzing the TCP stack: the input is a list of short orders, each a byte and its arguments: segments with
 * numbers near the right ones or anywhere, ICMP errors, time, the owner's calls, and what the owner does
 * inside of up-calls. Checked besides the sanitizers' own findings: bytes are delivered once, in order and
 * unchanged; what is sent is what was queued, by its number; every connection ends exactly once; nothing is
 * sent that is too large; at the end no connection, no memory and no timer is left.
 */
#include "stack/stack.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PEERS = 6, REACTIONS = 8, SEND_MOST = 3000, ORDERS = 2000 };

struct peer {
        struct stack_open to;
        struct conn *c;
        uint32_t our_isn, their_isn, our_next, rcv_nxt; /* absolute; rcv_nxt: as our ACKs say */
        uint32_t delivered, queued;
        bool lives, by_syn;
};
struct fuzz {
        struct stack *s;
        struct rd in;
        uint64_t now_ns;
        struct peer peers[PEERS];
        uint8_t react[REACTIONS]; /* by up-call: what its owner does */
        uint64_t begun, ended;
};

static void must(bool held)
{
        if (!held)
                abort();
}

static uint8_t their_byte(uint32_t i)
{
        return (uint8_t)(i * 7 + (i >> 8));
}

static uint8_t our_byte(uint32_t i)
{
        return (uint8_t)(i * 13 + (i >> 7) + 1);
}

static struct span bytes(uint8_t *buf, uint8_t (*byte)(uint32_t), uint32_t from, uint32_t n)
{
        for (uint32_t i = 0; i < n; i++)
                buf[i] = byte(from + i);
        return span_of(buf, n);
}

static void owner_sends(struct fuzz *f, struct peer *p, uint32_t n)
{
        static uint8_t buf[SEND_MOST + 1];
        if (p->c && conn_send(f->s, p->c, bytes(buf, our_byte, p->queued, n)))
                p->queued += n;
}

static uint32_t number_of(const struct fuzz *f, const struct peer *p)
{
        return (uint32_t)(p - f->peers) + 1;
}

static void react(struct fuzz *f, struct peer *p, unsigned call)
{
        enum stack_accept why;
        switch (f->react[call] % 8) {
        case 1:
                conn_close(f->s, p->c);
                break;
        case 2:
                conn_abort(f->s, p->c);
                break;
        case 3:
                owner_sends(f, p, f->react[call]);
                break;
        case 4:
                conn_set_timer(f->s, p->c, f->now_ns + f->react[call] * NS_PER_MS);
                break;
        case 5: { /* another connection, from inside */
                struct peer *q = &f->peers[f->react[call] / 8 % PEERS];
                if (q->lives || stack_has(f->s, &q->to))
                        break;
                struct conn *c = stack_connect(f->s, &q->to, f->now_ns, &why);
                if (!c)
                        break;
                *q = (struct peer){
                        .to = q->to, .c = c, .lives = true, .by_syn = true, .their_isn = q->their_isn};
                q->our_isn = (uint32_t)wire_cookie((struct hash_key){3, 4}, &q->to.us, q->to.us_port,
                                                   &q->to.them, q->to.them_port);
                q->our_next = q->our_isn + 1;
                q->rcv_nxt = q->their_isn + 1;
                conn_set_app(c, number_of(f, q));
                f->begun++;
                break;
        }
        case 6: /* somebody else's connection ends */
                if (f->peers[f->react[call] / 8 % PEERS].c)
                        conn_abort(f->s, f->peers[f->react[call] / 8 % PEERS].c);
                break;
        default:
                break;
        }
}

static struct peer *peer_of(struct fuzz *f, struct conn *c)
{
        struct stack_open to;
        conn_peer(f->s, c, &to);
        for (unsigned i = 0; i < PEERS; i++)
                if (f->peers[i].to.us_port == to.us_port && ip_eq(&f->peers[i].to.them, &to.them))
                        return &f->peers[i];
        abort();
}

static void on_opened(void *arg, struct conn *c)
{
        struct fuzz *f = arg;
        struct peer *p = peer_of(f, c);
        p->c = c;
        conn_set_app(c, number_of(f, p));
        react(f, p, 0);
}

static void on_data(void *arg, struct conn *c, struct span d)
{
        struct fuzz *f = arg;
        struct peer *p = &f->peers[conn_app(c) - 1];
        must(conn_app(c) && p->lives && d.n > 0);
        for (size_t i = 0; i < d.n; i++)
                must(d.p[i] == their_byte(p->delivered + (uint32_t)i));
        p->delivered += (uint32_t)d.n;
        react(f, p, 1);
        if (p->c == c)
                react(f, p, 2);
}

static void on_finished(void *arg, struct conn *c)
{
        struct peer *p = &((struct fuzz *)arg)->peers[conn_app(c) - 1];
        must(conn_app(c) && p->lives);
        react(arg, p, 3);
}

static void on_timer(void *arg, struct conn *c)
{
        struct peer *p = &((struct fuzz *)arg)->peers[conn_app(c) - 1];
        must(conn_app(c) && p->lives);
        react(arg, p, 4);
}

static void on_ended(void *arg, struct conn *c, enum conn_end how)
{
        struct fuzz *f = arg;
        struct peer *p = &f->peers[conn_app(c) - 1];
        must(conn_app(c) && p->lives && p->c == c && how <= CONN_ABORTED);
        f->ended++;
        react(f, p, 5);
        p->lives = false;
        p->c = NULL;
}

/* ---- orders ---- */

static void do_accept(struct fuzz *f, struct peer *p)
{
        uint8_t options = rd_u8(&f->in);
        uint32_t isn = rd_be32(&f->in);
        struct pkt k = {.kind = WIRE_TCP,
                        .src = p->to.them,
                        .dst = p->to.us,
                        .proto = 6,
                        .sport = p->to.them_port,
                        .dport = p->to.us_port,
                        .tcp_flags = TCP_SYN | TCP_ACK,
                        .seq = isn,
                        .ack = rd_be32(&f->in),
                        .window = rd_be16(&f->in),
                        .has_ts = options & 1,
                        .tsval = isn,
                        .has_wscale = options & 2,
                        .wscale = options >> 4 & 15,
                        .mss = options & 4 ? rd_be16(&f->in) : 0};
        if (p->lives || stack_has(f->s, &p->to))
                return;
        *p = (struct peer){.to = p->to,
                           .lives = true,
                           .our_isn = k.ack - 1,
                           .their_isn = isn,
                           .our_next = k.ack,
                           .rcv_nxt = isn + 1};
        k.wscale = MIN(k.wscale, (uint8_t)14);
        f->begun++;
        if (stack_accept(f->s, &k, &p->to.route, f->now_ns) != STACK_ACCEPTED) {
                p->lives = false;
                f->begun--;
        }
}

static void do_segment(struct fuzz *f, struct peer *p)
{
        static uint8_t buf[SEND_MOST + 1]; /* not the owner's: it sends while this is being read */
        uint8_t flags = rd_u8(&f->in), how = rd_u8(&f->in);
        int16_t away = (int16_t)rd_be16(&f->in);
        uint32_t at = (uint32_t)away; /* near by, before or behind */
        uint32_t len = how & 1 ? rd_be16(&f->in) % SEND_MOST : 0, seq, ack;
        seq = how & 2 ? rd_be32(&f->in) : p->rcv_nxt + (how & 4 ? at : 0);
        ack = how & 8 ? p->our_next + (how & 16 ? at : 0) : p->our_isn + 1;
        if (how & 32 || (p->by_syn && flags & TCP_SYN))
                seq = p->their_isn; /* a SYN's */
        struct pkt k = {.kind = WIRE_TCP,
                        .src = p->to.them,
                        .dst = p->to.us,
                        .proto = 6,
                        .ttl = how,
                        .sport = p->to.them_port,
                        .dport = p->to.us_port,
                        .tcp_flags = flags & 31,
                        .seq = seq,
                        .ack = ack,
                        .window = how & 64 ? (uint16_t)at : 8000,
                        .has_ts = flags & 128,
                        .tsval = p->their_isn + (how & 128 ? at : 0),
                        .tsecr = (uint32_t)(f->now_ns / 1000) - 1,
                        .payload = bytes(buf, their_byte, seq - p->their_isn - 1, len)};
        if (!stack_input(f->s, &k, &p->to.route, f->now_ns)) {
                must(!p->lives);
                stack_refuse(f->s, &k, &p->to.route);
        }
}

static void do_icmp(struct fuzz *f, struct peer *p)
{
        uint8_t head[8] = {0}, what = rd_u8(&f->in);
        put_be16(head + 6, rd_be16(&f->in));
        struct pkt k = {.kind = WIRE_ICMP,
                        .src = p->to.them,
                        .dst = p->to.us,
                        .icmp_type = what >> 4,
                        .icmp_code = what & 15,
                        .l4 = span_of(head, 8),
                        .quoted = {.src = p->to.us,
                                   .dst = p->to.them,
                                   .proto = 6,
                                   .sport = p->to.us_port,
                                   .dport = p->to.them_port,
                                   .seq = p->our_next - rd_u8(&f->in)}};
        (void)stack_input(f->s, &k, &p->to.route, f->now_ns);
}

static void check_out(struct fuzz *f, const struct stack_seg *o)
{
        const struct wire_segment *g = &o->seg;
        must(g->payload.n <= 1400);
        for (unsigned i = 0; i < PEERS; i++) {
                struct peer *p = &f->peers[i];
                if (p->to.us_port != g->sport || !p->lives || g->flags & TCP_RST)
                        continue;
                for (uint32_t b = 0; b < g->payload.n; b++) {
                        uint32_t at = g->seq - p->our_isn - 1 + b;
                        must(at < p->queued && g->payload.p[b] == our_byte(at));
                }
                uint32_t end = g->seq + (uint32_t)g->payload.n + !!(g->flags & (TCP_FIN | TCP_SYN));
                if ((int32_t)(end - p->our_next) > 0)
                        p->our_next = end;
                if (g->flags & TCP_ACK)
                        p->rcv_nxt = g->ack;
        }
}

static void do_drain(struct fuzz *f, unsigned most)
{
        struct stack_seg o;
        while (most-- && stack_next(f->s, &o, f->now_ns))
                check_out(f, &o);
}

static void do_connect(struct fuzz *f, struct peer *p)
{
        uint8_t before = f->react[7];
        f->react[7] = (uint8_t)((p - f->peers) * 8 + 5);
        react(f, p, 7);
        f->react[7] = before;
}

static void do_owner(struct fuzz *f, struct peer *p, uint8_t what)
{
        if (!p->c)
                return;
        (void)conn_window_shut(p->c);
        if (what % 4 == 0)
                owner_sends(f, p, rd_be16(&f->in) % SEND_MOST);
        else if (what % 4 == 1)
                conn_close(f->s, p->c);
        else if (what % 4 == 2)
                conn_set_timer(f->s, p->c, f->now_ns + (uint64_t)rd_be16(&f->in) * NS_PER_MS);
        else if (what & 4)
                conn_abort(f->s, p->c);
}

static void do_order(struct fuzz *f)
{
        uint8_t order = rd_u8(&f->in);
        struct peer *p = &f->peers[(order >> 4) % PEERS];
        switch (order & 7) {
        case 0:
                do_accept(f, p);
                break;
        case 1:
        case 2:
                do_segment(f, p);
                break;
        case 3:
                f->now_ns += (uint64_t)rd_be16(&f->in) * NS_PER_MS / (order & 8 ? 1 : 16);
                stack_tick(f->s, f->now_ns);
                must(stack_deadline(f->s) > f->now_ns);
                break;
        case 4:
                do_owner(f, p, rd_u8(&f->in));
                break;
        case 5:
                do_drain(f, order & 8 ? 100 : 1);
                break;
        case 6:
                if (order & 8)
                        do_connect(f, p);
                else
                        do_icmp(f, p);
                break;
        default:
                f->react[order >> 3 & 7] = rd_u8(&f->in);
                break;
        }
}

/* ---- the end ---- */

static void check_end(struct fuzz *f, bool all_at_once)
{
        struct stack_stats n;
        while (all_at_once && stack_hang_up(f->s)) /* their owners may still do things */
                do_drain(f, 100);
        memset(f->react, 0, sizeof(f->react));
        for (unsigned i = 0; i < PEERS; i++) {
                must(!(all_at_once && f->peers[i].c));
                if (f->peers[i].c)
                        conn_abort(f->s, f->peers[i].c);
        }
        f->now_ns += 10 * NS_PER_S;
        stack_tick(f->s, f->now_ns);
        do_drain(f, 100000);
        stack_stats(f->s, &n);
        must(n.conns == 0 && n.buffer_bytes == 0 && f->begun == f->ended);
        must(stack_deadline(f->s) == UINT64_MAX && stack_waiting(f->s) == 0);
        must(n.accepted + n.connected == f->begun);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct conn_ops ops = {on_opened, on_data, on_finished, on_timer, on_ended};
        struct fuzz f = {.in = rd_of(span_of(data, size)), .now_ns = 5 * NS_PER_S};
        struct err e = {0};
        uint8_t how = rd_u8(&f.in);
        struct stack_conf conf = {.max_conns = 3 + (how & 3),
                                  .per_host = how & 4 ? 2 : 0,
                                  .cookie = {3, 4},
                                  .window = how & 8 ? 100 : 0,
                                  .syn_wscale = how & 16 ? 3 : -1,
                                  .syn_timestamps = how & 32,
                                  .buffer_max = how & 64 ? 4096 : 1 << 20};
        must(stack_new(&f.s, &conf, &ops, &f, &e) == 0);
        for (unsigned i = 0; i < PEERS; i++) {
                f.peers[i].to = (struct stack_open){
                        .us = ip_v4(1), .them = ip_v4(9), .us_port = (uint16_t)(40000 + i), .them_port = 80};
                f.peers[i].their_isn = 0u - 100 * i;
                if (i % 2) {
                        f.peers[i].to.us = ip_v6(0xfe80ull << 48, 1);
                        f.peers[i].to.them = ip_v6(0xfe80ull << 48, 9);
                        f.peers[i].to.us.zone = f.peers[i].to.them.zone = 3;
                }
        }
        for (unsigned i = 0; i < ORDERS && rd_left(&f.in); i++)
                do_order(&f);
        check_end(&f, how & 128);
        stack_free(f.s);
        return 0;
}
