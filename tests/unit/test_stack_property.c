// SPDX-License-Identifier: Apache-2.0
/*
 * Random conversations between the stack and a small honest peer over a network that loses, delays, doubles
 * and reorders: whatever happens, bytes arrive right and once, both directions, both sides come to an end in
 * bounded time, and no memory is left. Segments travel as frames, built and decoded by src/wire. The peer is
 * a TCP of its own, written for this test: it keeps bytes that come early, moves its window, repeats itself.
 */
#include "test_stack.h"

enum { FLYING = 4096, REQUEST_MAX = 24000, RESPONSE_MAX = 40000 };
static const uint64_t forever_ns = 2000 * NS_PER_S;

struct net {
        unsigned loss, twice, late; /* per thousand */
        uint64_t seed;
        unsigned n, drop_at, n_sent; /* drop_at: loses exactly this frame, counted from 1; 0: none */
        struct {
                uint64_t at_ns;
                uint16_t len;
                bool to_stack;
                uint8_t bytes[1600];
        } * fly;
};

struct peer {
        struct wire_segment base;               /* addresses and ports */
        uint32_t isn, their_isn, una, nxt, got; /* numbers; got: bytes and FIN of the stack, in order */
        uint32_t total_out, total_in, adv_right;
        uint64_t rto_at, rto_ns;
        bool established, wait_for_all, fin_got, fin_acked, fin_seen, dead, silent_window;
        uint32_t fin_at;
        uint8_t *have; /* which bytes of the request came */
};

struct world {
        struct fix f;
        struct net net;
        struct peer peer;
        uint32_t request, response, abort_at, close_at; /* bytes; UINT32_MAX: never */
        bool request_wrong;
};

static uint64_t draw(struct net *n)
{
        return hash_mix64(n->seed += 0x9e3779b97f4a7c15ull);
}

static uint32_t below(struct net *n, uint32_t limit)
{
        return (uint32_t)(draw(n) % limit);
}

/* ---- the network ---- */

static void put_on(struct world *w, bool to_stack, const struct wire_segment *g)
{
        struct net *n = &w->net;
        static const struct wire_hop hop = {.link = LINK_RAW};
        unsigned copies = 1;
        n->n_sent++;
        if (n->n_sent == n->drop_at || below(n, 1000) < n->loss)
                copies = 0;
        else if (below(n, 1000) < n->twice)
                copies = 2;
        for (unsigned i = 0; i < copies; i++) {
                assert_true(n->n < FLYING);
                size_t len = wire_build_segment(n->fly[n->n].bytes, sizeof(n->fly[0].bytes), &hop, g);
                assert_true(len > 0);
                n->fly[n->n].len = (uint16_t)len;
                n->fly[n->n].to_stack = to_stack;
                n->fly[n->n].at_ns = w->f.now_ns + 5 * NS_PER_MS +
                                     (below(n, 1000) < n->late ? below(n, 400) * NS_PER_MS : 0);
                n->n++;
        }
}

static unsigned next_frame(const struct net *n)
{
        unsigned best = 0;
        for (unsigned i = 1; i < n->n; i++)
                if (n->fly[i].at_ns < n->fly[best].at_ns)
                        best = i;
        return best;
}

/* ---- the peer ---- */

static void peer_say(struct world *w, uint8_t flags, uint32_t seq, struct span data)
{
        struct peer *p = &w->peer;
        struct wire_segment g = p->base;
        uint32_t right = p->got + (p->silent_window ? 0 : 1 + below(&w->net, 6000));
        if ((int32_t)(right - p->adv_right) > 0)
                p->adv_right = right;
        g.flags = flags;
        g.seq = p->isn + seq;
        g.ack = p->their_isn + p->got;
        g.window = (uint16_t)(p->adv_right - p->got);
        g.ttl = 60;
        g.payload = data;
        g.mss = flags & TCP_SYN ? (uint16_t)(536 + below(&w->net, 900)) : 0;
        put_on(w, true, &g);
}

/* All from nxt on that the stack's window (the default) and a little caution permit; FIN behind the bytes. */
static void peer_send(struct world *w)
{
        struct peer *p = &w->peer;
        uint32_t end = p->wait_for_all && p->got < p->total_in + 1 ? 1 : p->total_out + 1;
        while (p->nxt < end && p->nxt - p->una < 9000) {
                uint32_t size = 1 + below(&w->net, 1400);
                uint32_t n = MIN(MIN(size, end - p->nxt), 9000 - (p->nxt - p->una));
                bool fin = p->nxt + n == p->total_out + 1 && below(&w->net, 2);
                peer_say(w, (uint8_t)(TCP_ACK | (fin ? TCP_FIN : 0)), p->nxt,
                         pattern(their_byte, p->nxt - 1, n));
                p->nxt += n + fin;
        }
        if (p->nxt == p->total_out + 1 && end == p->nxt) {
                peer_say(w, TCP_ACK | TCP_FIN, p->nxt, span_of(NULL, 0));
                p->nxt++;
        }
        if (!p->rto_at && p->nxt != p->una)
                p->rto_at = w->f.now_ns + p->rto_ns;
}

static void peer_timeout(struct world *w)
{
        struct peer *p = &w->peer;
        p->rto_at = 0;
        p->rto_ns = MIN(p->rto_ns * 2, 4 * NS_PER_S);
        if (!p->established) {
                peer_say(w, TCP_SYN | TCP_ACK, 0, span_of(NULL, 0));
                p->rto_at = w->f.now_ns + p->rto_ns;
                return;
        }
        p->nxt = p->una;
        p->silent_window = false;
        peer_say(w, TCP_ACK, p->una, span_of(NULL, 0)); /* tells the window, too */
        peer_send(w);
}

static void peer_take(struct world *w, const struct pkt *k)
{
        struct peer *p = &w->peer;
        uint32_t seq = k->seq - p->their_isn;
        for (uint32_t i = 0; i < k->payload.n; i++) {
                uint32_t at = seq + i; /* counted from their SYN */
                if ((int32_t)(at - p->adv_right) >= 0 || at == 0 || at > p->total_in)
                        continue;
                w->request_wrong |= k->payload.p[i] != our_byte(at - 1);
                p->have[at] = 1;
        }
        if (k->tcp_flags & TCP_FIN) {
                p->fin_seen = true;
                p->fin_at = seq + (uint32_t)k->payload.n;
        }
        while (p->got <= p->total_in && p->have[p->got])
                p->got++;
        if (p->fin_seen && p->got == p->fin_at && !p->fin_got) {
                p->fin_got = true;
                p->got++;
        }
}

static void peer_acked(struct world *w, const struct pkt *k)
{
        struct peer *p = &w->peer;
        uint32_t ack = k->ack - p->isn;
        if ((int32_t)(ack - p->una) <= 0 || ack > p->total_out + 2)
                return;
        p->una = ack;
        if ((int32_t)(p->nxt - p->una) < 0)
                p->nxt = p->una;
        p->established = true;
        p->rto_ns = 300 * NS_PER_MS;
        p->rto_at = 0;
        p->fin_acked = ack == p->total_out + 2;
}

static void peer_input(struct world *w, const struct pkt *k)
{
        struct peer *p = &w->peer;
        if (k->tcp_flags & TCP_RST)
                p->dead = true;
        if (p->dead)
                return;
        if (k->tcp_flags & TCP_SYN) {
                p->their_isn = k->seq;
                p->got = p->adv_right = MAX(p->got, 1u);
                peer_say(w, TCP_SYN | TCP_ACK, 0, span_of(NULL, 0));
                p->rto_at = w->f.now_ns + p->rto_ns;
                return;
        }
        peer_acked(w, k);
        if (k->payload.n || k->tcp_flags & TCP_FIN) {
                peer_take(w, k);
                p->silent_window = below(&w->net, 12) == 0;
                peer_say(w, TCP_ACK, p->nxt, span_of(NULL, 0));
                if (p->silent_window && !p->rto_at)
                        p->rto_at = w->f.now_ns + 3 * NS_PER_S;
        }
        peer_send(w);
}

/* ---- the owner ---- */

static void w_opened(void *arg, struct conn *c)
{
        struct world *w = arg;
        w->f.c = c;
        assert_true(queue_bytes(&w->f, w->request));
        if (w->close_at == 0)
                conn_close(w->f.s, c);
}

static void w_data(void *arg, struct conn *c, struct span d)
{
        struct world *w = arg;
        for (size_t i = 0; i < d.n; i++)
                w->f.wrong |= d.p[i] != their_byte(w->f.delivered + (uint32_t)i);
        w->f.delivered += (uint32_t)d.n;
        if (w->f.delivered >= w->abort_at)
                conn_abort(w->f.s, c);
        else if (w->f.delivered >= w->close_at)
                conn_close(w->f.s, c);
}

static void w_finished(void *arg, struct conn *c)
{
        struct world *w = arg;
        conn_close(w->f.s, c);
}

static void w_timer(void *arg, struct conn *c)
{
        (void)arg;
        (void)c;
}

static void w_ended(void *arg, struct conn *c, enum conn_end how)
{
        struct world *w = arg;
        (void)c;
        w->f.ended++;
        w->f.n_events = how;
        w->f.c = NULL;
}

static const struct conn_ops w_ops = {w_opened, w_data, w_finished, w_timer, w_ended};

/* ---- one world ---- */

static void stack_in(struct world *w, const struct pkt *k)
{
        struct fix *f = &w->f;
        if (stack_input(f->s, k, &f->to.route, f->now_ns))
                return;
        if (k->tcp_flags == (TCP_SYN | TCP_ACK) && !f->ended && !f->c)
                assert_int_equal(stack_accept(f->s, k, &f->to.route, f->now_ns), STACK_ACCEPTED);
        else
                stack_refuse(f->s, k, &f->to.route);
}

static void flush(struct world *w)
{
        struct stack_seg out;
        while (stack_next(w->f.s, &out, w->f.now_ns))
                put_on(w, false, &out.seg);
}

static void arrive(struct world *w)
{
        struct net *n = &w->net;
        unsigned i = next_frame(n);
        struct pkt k;
        w->f.now_ns = MAX(w->f.now_ns, n->fly[i].at_ns);
        bool to_stack = n->fly[i].to_stack;
        static uint8_t frame[1600];
        uint16_t len = n->fly[i].len;
        memcpy(frame, n->fly[i].bytes, len);
        n->fly[i] = n->fly[--n->n];
        assert_int_equal(wire_decode(&k, span_of(frame, len), LINK_RAW, false, 0), WIRE_OK);
        if (to_stack)
                stack_in(w, &k);
        else
                peer_input(w, &k);
}

static bool is_over(const struct world *w)
{
        const struct peer *p = &w->peer;
        return w->f.ended && !fix_stats(&w->f).conns && !w->net.n &&
               (p->dead || (p->fin_acked && p->fin_got));
}

/* One thing that happens next: a frame arrives, a timer of the stack, a timer of the peer. */
static bool step(struct world *w)
{
        struct net *n = &w->net;
        uint64_t frame = n->n ? n->fly[next_frame(n)].at_ns : UINT64_MAX, tick = stack_deadline(w->f.s);
        uint64_t peer = w->peer.rto_at && !w->peer.dead ? w->peer.rto_at : UINT64_MAX;
        uint64_t t = MIN(frame, MIN(tick, peer));
        if (t == UINT64_MAX)
                return false;
        w->f.now_ns = MAX(w->f.now_ns, t);
        if (t == frame)
                arrive(w);
        else if (t == tick)
                stack_tick(w->f.s, w->f.now_ns);
        else
                peer_timeout(w);
        flush(w);
        return w->f.now_ns < forever_ns;
}

static void begin(struct world *w, bool six, bool by_syn)
{
        struct err e = {0};
        enum stack_accept why;
        struct stack_conf conf = {.max_conns = 2, .syn_wscale = -1, .cookie = {1, 2}};
        struct fix *f = &w->f;
        struct peer *p = &w->peer;
        f->to = fix_peer(six);
        f->now_ns = NS_PER_S;
        assert_int_equal(stack_new(&f->s, &conf, &w_ops, w, &e), 0);
        p->base = (struct wire_segment){
                .src = f->to.them, .dst = f->to.us, .sport = f->to.them_port, .dport = f->to.us_port};
        p->isn = (uint32_t)draw(&w->net) | 0xffff0000u;
        p->total_in = w->request;
        p->total_out = w->response;
        p->wait_for_all = draw(&w->net) & 1;
        p->rto_ns = 300 * NS_PER_MS;
        p->una = 0;
        p->nxt = 1;
        p->have = calloc(1, REQUEST_MAX + 2);
        w->net.fly = calloc(FLYING, sizeof(*w->net.fly));
        assert_true(p->have && w->net.fly);
        if (by_syn) {
                f->c = stack_connect(f->s, &f->to, f->now_ns, &why);
                flush(w);
                return;
        }
        p->their_isn = (uint32_t)draw(&w->net);
        p->got = p->adv_right = 1;
        peer_say(w, TCP_SYN | TCP_ACK, 0, span_of(NULL, 0));
        p->rto_at = f->now_ns + p->rto_ns;
}

/* Runs it to its end; returns how it ended. */
static enum conn_end play(struct world *w, bool six, bool by_syn)
{
        begin(w, six, by_syn);
        while (!is_over(w) && step(w))
                ;
        struct stack_stats n = fix_stats(&w->f);
        assert_true(w->f.now_ns < forever_ns);
        assert_int_equal(w->f.ended, 1);
        assert_false(w->f.wrong || w->request_wrong);
        assert_int_equal(n.conns, 0);
        assert_int_equal(n.buffer_bytes, 0);
        assert_int_equal(n.bytes_in, w->f.delivered);
        enum conn_end how = (enum conn_end)w->f.n_events;
        if (how == CONN_CLOSED && w->close_at == UINT32_MAX) {
                assert_int_equal(w->f.delivered, w->response);
                assert_int_equal(w->peer.got, w->request + 2);
        }
        stack_free(w->f.s);
        free(w->peer.have);
        free(w->net.fly);
        return how;
}

static struct world world_of(uint64_t seed, unsigned loss, unsigned twice, unsigned late)
{
        struct world w = {.net = {.seed = seed, .loss = loss, .twice = twice, .late = late},
                          .abort_at = UINT32_MAX,
                          .close_at = UINT32_MAX};
        w.request = below(&w.net, 3) ? below(&w.net, 900) : below(&w.net, REQUEST_MAX);
        w.response = below(&w.net, 3) ? below(&w.net, 3000) : below(&w.net, RESPONSE_MAX);
        return w;
}

static void test_quiet_network(void **state)
{
        (void)state;
        for (uint64_t i = 0; i < 200; i++) {
                struct world w = world_of(i * 77, 0, 0, 0);
                assert_int_equal(play(&w, i & 1, i >> 1 & 1), CONN_CLOSED);
        }
}

static void test_reordered_and_doubled(void **state)
{
        (void)state;
        for (uint64_t i = 0; i < 200; i++) {
                struct world w = world_of(i * 99 + 5, 0, 200, 300);
                assert_int_equal(play(&w, i & 1, i >> 1 & 1), CONN_CLOSED);
        }
}

/* Each frame of each of some conversations is lost once. */
static void test_each_frame_lost(void **state)
{
        (void)state;
        unsigned runs = 0;
        for (uint64_t i = 0; i < 8; i++) {
                for (unsigned at = 1;; at++, runs++) {
                        struct world w = world_of(i * 31 + 1, 0, 0, 0);
                        w.request = 10 + 300 * (uint32_t)i;
                        w.response = 700 * (uint32_t)i;
                        w.net.drop_at = at;
                        assert_int_equal(play(&w, i & 1, i >> 1 & 1), CONN_CLOSED);
                        if (w.net.n_sent < at)
                                break;
                }
        }
        assert_true(runs > 100);
}

/* Five losses in a row are an end, so some do time out; nobody hangs, and nothing is wrong before it. */
static void test_lossy(void **state)
{
        (void)state;
        unsigned ends[CONN_ABORTED + 1] = {0};
        for (uint64_t i = 0; i < 300; i++) {
                struct world w = world_of(i * 1001 + 3, 100, 100, 100);
                ends[play(&w, i & 1, i >> 1 & 1)]++;
        }
        assert_true(ends[CONN_CLOSED] >= 295);
        assert_int_equal(ends[CONN_ABORTED] + ends[CONN_REFUSED], 0);
}

static void test_hopeless(void **state)
{
        (void)state;
        unsigned timeouts = 0;
        for (uint64_t i = 0; i < 100; i++) {
                struct world w = world_of(i * 17 + 9, 600, 50, 300);
                timeouts += play(&w, i & 1, true) != CONN_CLOSED;
        }
        assert_true(timeouts > 0);
}

static void test_owner_goes_first(void **state)
{
        (void)state;
        for (uint64_t i = 0; i < 200; i++) {
                struct world w = world_of(i * 13 + 11, 50, 50, 100);
                if (i % 2)
                        w.close_at = below(&w.net, w.response + 1);
                else
                        w.abort_at = 1 + below(&w.net, w.response + 1);
                bool aborts = w.abort_at <= w.response;
                enum conn_end how = play(&w, i & 1, i >> 1 & 1);
                if (aborts)
                        assert_true(how == CONN_ABORTED || how == CONN_TIMEOUT);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_quiet_network),   cmocka_unit_test(test_reordered_and_doubled),
                cmocka_unit_test(test_each_frame_lost), cmocka_unit_test(test_lossy),
                cmocka_unit_test(test_hopeless),        cmocka_unit_test(test_owner_goes_first)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
