// SPDX-License-Identifier: Apache-2.0
/*
 * talk: see talk.h. Where a conversation can begin and where it must wait:
 *
 *   SYN-ACK ──> talk_open ──> stack_accept ──> session
 *                  └─ pool or host full: RST ──> later ──(room)──> call, our SYN ──> session
 *                                                  └──(no answer: once more)──┘
 *
 * So nothing that answered is lost: what cannot be spoken to now is called back later. When pool or queue
 * fill up the transmit threads pause (eng.talk_full). Invariant: a target is in the queue, being called, in a
 * session, or told; as long as it is any of the first three the scan does not end and its position is owed.
 */
#include "talk.h"
#include <stdlib.h>

enum { LATER_LOG2 = 17, LATER_LOOK = 64, LATER_NS = 20000000, PORT_TRIES = 64 };
enum { CALLS = 1 << 14, CALL_TRIES = 2 };
/* A sweep looks at all that is under way; a larger share of the time than a twentieth it may not take. */
enum { SWEEP_NS = 500000000, SWEEP_SHARE = 20 };
static const uint64_t NO_WAY_NS = 15 * NS_PER_S, CALL_AGAIN_NS = NS_PER_S;

struct later { /* is to be called back */
        struct target who;
        uint64_t no_way_ns;     /* since when nothing can be sent there; 0: it can */
        uint64_t not_before_ns; /* it refused the last call */
        unsigned failed;        /* calls */
};
struct call { /* our SYN is out; until it opens the connection's word is this one's number */
        struct later to;
        uint32_t next; /* of those that are free */
        bool out;
};

struct talk {
        struct eng *g;
        unsigned id;
        struct stack *stack;
        struct session_set *set;
        void (*tell)(void *arg, struct heard *);
        void *arg;
        struct hash_key ports; /* of this run alone */
        struct ring later;     /* struct later: called back when there is room; this thread at both ends */
        struct call *calls;    /* CALLS of them */
        uint32_t n_calls, free_call, calls_used; /* out now; first free one; so many were ever out */
        uint64_t now_ns, later_look_ns, sweep_ns;
        bool full;
};

/* ---- what session/ asks and tells ---- */

static void on_banner(void *arg, const struct session_report *s)
{
        struct talk *t = arg;
        struct heard *h = malloc(sizeof(*h) + s->text.n + s->fields.n);
        if (!h) {
                COUNT(t->g->rx_count[t->id].banners_lost, 1);
                return;
        }
        *h = (struct heard){.who = s->who,
                            .name = s->name,
                            .app = s->app,
                            .ttl = s->ttl,
                            .text_len = (uint32_t)s->text.n,
                            .fields_len = (uint32_t)s->fields.n};
        struct wr w = wr_of(h->bytes, s->text.n + s->fields.n);
        wr_bytes(&w, s->text.p, s->text.n);
        wr_bytes(&w, s->fields.p, s->fields.n);
        t->tell(t->arg, h);
}

static uint64_t position(const struct eng *g, const struct target *who)
{
        uint64_t index;
        return tgt_plan_index(g->plan, who, &index) ? tgt_order_pos(eng_order(g), index) : UINT64_MAX;
}

/* Which of our ports a connection leaves from: any of the path's that is free towards this target. Another
 * run of the same scan chooses others: its connections may still be open at the far end. */
static bool free_port(const struct talk *t, const struct scan_source *s, unsigned attempt,
                      struct stack_open *o)
{
        uint64_t h = wire_cookie(t->ports, &o->them, o->them_port, &o->them, (uint16_t)attempt);
        o->us = ip_add(s->first, (h >> 32) % s->count);
        for (unsigned i = 0; i < MIN(s->port_count, (uint32_t)PORT_TRIES); i++) {
                o->us_port = (uint16_t)(s->port_first + (h + i) % s->port_count);
                if (!stack_has(t->stack, o))
                        return true;
        }
        return false;
}

static bool on_source(void *arg, const struct target *to, unsigned attempt, struct stack_open *o)
{
        struct talk *t = arg;
        struct eng *g = t->g;
        uint16_t id = eng_path_of(g, &to->ip, position(g, to));
        struct ip_addr hop = to->ip;
        if (id == ENG_NO_PATH)
                return false;
        struct path *p = &g->paths[id];
        uint64_t mac = atomic_load_explicit(&p->mac, memory_order_relaxed);
        hop.zone = 0;
        *o = (struct stack_open){.them = to->ip, .them_port = to->port, .route = {.dev = (uint16_t)p->dev}};
        memcpy(o->route.mac, &mac, 6);
        if (!p->mac_known && p->kind != ROUTE_GATEWAY &&
            io_neigh_find(g->neigh, g->n_tx + 1 + t->id, g->devs[p->dev].ifindex, &hop, o->route.mac) !=
                    NEIGH_KNOWN)
                return false;
        return free_port(t, &p->source, attempt, o);
}

static unsigned on_names(void *arg, const struct ip_addr *ip, const char *const **names)
{
        struct talk *t = arg;
        return tgt_plan_names(t->g->plan, ip, names);
}

/* ---- calls ---- */

static struct call *call_of(const struct talk *t, const struct conn *c)
{
        uint32_t i = conn_app(c) - SESSION_NOT_OURS;
        return i < CALLS ? &t->calls[i] : NULL;
}

static void begin_call(struct talk *t, struct conn *c, const struct later *to)
{
        struct call *x = &t->calls[t->free_call];
        if (t->free_call == t->calls_used) /* never used, nor are those behind it */
                x->next = ++t->calls_used;
        t->free_call = x->next;
        *x = (struct call){.to = *to, .next = x->next, .out = true};
        conn_set_app(c, SESSION_NOT_OURS + (uint32_t)(x - t->calls));
        t->n_calls++;
}

static struct later end_call(struct talk *t, struct conn *c, struct call *x)
{
        conn_set_app(c, 0);
        x->out = false;
        x->next = t->free_call;
        t->free_call = (uint32_t)(x - t->calls);
        t->n_calls--;
        return x->to;
}

/* It answered our probe and not this. Some serve one client at a time, some drop what they have no room for:
 * they are given another chance. */
static void failed_call(struct talk *t, struct later *to)
{
        to->not_before_ns = t->now_ns + CALL_AGAIN_NS;
        if (++to->failed >= CALL_TRIES || !ring_push(&t->later, to))
                COUNT(t->g->rx_count[t->id].not_reached, 1);
}

/* ---- what stack/ tells: for session/, but for calls that nobody took ---- */

static void on_opened(void *arg, struct conn *c)
{
        struct talk *t = arg;
        struct call *x = call_of(t, c);
        if (x)
                end_call(t, c, x);
        session_conn_ops.opened(t->set, c);
}

static void on_data(void *arg, struct conn *c, struct span bytes)
{
        session_conn_ops.data(((struct talk *)arg)->set, c, bytes);
}

static void on_finished(void *arg, struct conn *c)
{
        session_conn_ops.finished(((struct talk *)arg)->set, c);
}

static void on_timer(void *arg, struct conn *c)
{
        session_conn_ops.timer(((struct talk *)arg)->set, c);
}

static void on_ended(void *arg, struct conn *c, enum conn_end how)
{
        struct talk *t = arg;
        struct call *x = call_of(t, c);
        if (!x) {
                session_conn_ops.ended(t->set, c, how);
                return;
        }
        struct later to = end_call(t, c, x);
        if (how != CONN_ABORTED) /* else the whole stack goes */
                failed_call(t, &to);
}

/* ---- set-up ---- */

static void conf_of_stack(const struct eng *g, struct stack_conf *sc)
{
        const struct conf *c = g->conf;
        *sc = (struct stack_conf){.max_conns = (uint32_t)MAX(c->max_connections / g->n_rx, (uint64_t)1),
                                  .per_host = c->per_host_connections,
                                  .cookie = g->key.cookie,
                                  .syn_wscale = scan_offers_wscale(&c->syn),
                                  .syn_timestamps = scan_offers_timestamps(&c->syn),
                                  .ttl = c->syn.ttl == SCAN_DEFAULT ? 0 : (uint8_t)c->syn.ttl};
}

int talk_new(struct talk **out, struct eng *g, unsigned id, void (*tell)(void *, struct heard *), void *arg,
             struct err *e)
{
        static const struct session_ops ops = {.banner = on_banner, .source = on_source, .names = on_names};
        static const struct conn_ops conn_ops = {on_opened, on_data, on_finished, on_timer, on_ended};
        struct stack_conf sc;
        struct talk *t = aligned_alloc(CACHE_LINE, (sizeof(*t) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
        if (!t)
                return err_set(e, 0, "out of memory");
        memset(t, 0, sizeof(*t));
        t->g = g;
        t->id = id;
        t->tell = tell;
        t->arg = arg;
        rand_bytes(&t->ports, sizeof(t->ports));
        conf_of_stack(g, &sc);
        t->calls = calloc(CALLS, sizeof(*t->calls));
        if (!t->calls) {
                talk_free(t);
                return err_set(e, 0, "out of memory");
        }
        if (ring_init(&t->later, LATER_LOG2, sizeof(struct later), e) ||
            session_set_new(&t->set, &g->conf->session, &ops, t, g->tls, id, e) ||
            stack_new(&t->stack, &sc, &conn_ops, t, e)) {
                talk_free(t);
                return -1;
        }
        session_set_stack(t->set, t->stack);
        *out = t;
        return 0;
}

void talk_free(struct talk *t)
{
        if (!t)
                return;
        if (t->stack)
                stack_free(t->stack);
        if (t->set)
                session_set_free(t->set);
        ring_free(&t->later);
        free(t->calls);
        free(t);
}

/* ---- packets ---- */

static struct stack_route route_back(const struct pkt *p, unsigned dev)
{
        struct stack_route r = {.dev = (uint16_t)dev};
        memcpy(r.mac, p->src_mac, 6);
        return r;
}

bool talk_packet(struct talk *t, const struct pkt *p, unsigned dev, uint64_t now_ns)
{
        struct stack_route r = route_back(p, dev);
        return stack_input(t->stack, p, &r, now_ns);
}

/* What is not settled must not be vouched for: told before anybody can see that the probe was answered. */
static void owe(struct talk *t, const struct target *who)
{
        uint64_t pos = position(t->g, who);
        _Atomic uint64_t *oldest = &t->g->rx_oldest[t->id];
        if (pos < atomic_load_explicit(oldest, memory_order_relaxed))
                atomic_store_explicit(oldest, pos, memory_order_release);
}

static void call_later(struct talk *t, const struct pkt *p, const struct stack_route *r,
                       const struct later *x)
{
        stack_refuse(t->stack, p, r);
        if (!ring_push(&t->later, x))
                COUNT(t->g->rx_count[t->id].banners_lost, 1);
}

void talk_open(struct talk *t, const struct pkt *p, unsigned dev, bool again, uint64_t now_ns)
{
        struct stack_route r = route_back(p, dev);
        struct later x = {.who = {.ip = p->src, .port = p->sport, .proto = 6}};
        bool enough = atomic_load_explicit(&t->g->stop, memory_order_relaxed) == STOP_RESULTS;
        if (again || enough) { /* it was, or will be, spoken to; or is not wanted any more */
                stack_refuse(t->stack, p, &r);
                return;
        }
        owe(t, &x.who);
        if (stack_accept(t->stack, p, &r, now_ns) != STACK_ACCEPTED)
                call_later(t, p, &r, &x);
}

void talk_anew(struct talk *t, const struct pkt *p, unsigned dev)
{
        struct stack_route r = route_back(p, dev);
        struct later x = {.who = {.ip = p->src, .port = p->sport, .proto = 6}};
        owe(t, &x.who);
        call_later(t, p, &r, &x);
}

/* ---- time ---- */

/* The scan was stopped from outside: who was not spoken to yet stays owed, for --resume. */
static bool left_to_resume(const struct eng *g)
{
        int stop = atomic_load_explicit(&((struct eng *)g)->stop, memory_order_relaxed);
        return stop != STOP_NO && stop != STOP_RESULTS;
}

/* Its next hop is silent, or all ports of ours are in use towards it: both may change. A link that is down
 * comes back. True: it has waited long enough. */
static bool no_way(struct talk *t, struct later *x)
{
        if (atomic_load_explicit(&t->g->link_out, memory_order_relaxed) || !x->no_way_ns)
                x->no_way_ns = t->now_ns;
        return t->now_ns - x->no_way_ns > NO_WAY_NS;
}

/* The next one. False: there is no room for any. */
static bool call_one(struct talk *t)
{
        struct later x;
        struct stack_open o;
        enum stack_accept why = STACK_HOST_FULL;
        struct conn *c;
        if (t->n_calls == CALLS || !ring_pop(&t->later, &x, 1))
                return false;
        if (x.not_before_ns > t->now_ns) {
                ring_push(&t->later, &x);
                return true;
        }
        if (!on_source(t, &x.who, x.failed, &o)) {
                if (no_way(t, &x)) {
                        COUNT(t->g->rx_count[t->id].not_reached, 1);
                        return true;
                }
        } else if ((c = stack_connect(t->stack, &o, t->now_ns, &why))) {
                begin_call(t, c, &x);
                t->later_look_ns = t->now_ns;
                return true;
        } else {
                x.no_way_ns = 0;
        }
        ring_push(&t->later, &x); /* its slot was just freed */
        return why != STACK_FULL;
}

static void call_back(struct talk *t)
{
        uint64_t fill = ring_fill(&t->later);
        unsigned n = (unsigned)MIN(fill, (uint64_t)LATER_LOOK);
        if (!n || t->now_ns < t->later_look_ns || left_to_resume(t->g))
                return;
        t->later_look_ns = t->now_ns + LATER_NS;
        while (n && call_one(t))
                n--;
}

static uint64_t key_of(void *arg, const struct target *who)
{
        return position(arg, who);
}

/* The lowest position that is still being talked to, or waits for it. */
static void sweep(struct talk *t)
{
        struct eng *g = t->g;
        if (t->now_ns < t->sweep_ns)
                return;
        uint64_t low = session_oldest(t->set, key_of, g);
        for (uint64_t n = ring_fill(&t->later); n; n--) {
                struct later x;
                if (ring_pop(&t->later, &x, 1)) {
                        low = MIN(low, position(g, &x.who));
                        ring_push(&t->later, &x);
                }
        }
        for (uint32_t i = 0; t->n_calls && i < t->calls_used; i++)
                if (t->calls[i].out)
                        low = MIN(low, position(g, &t->calls[i].to.who));
        uint64_t end_ns = clock_mono_ns();
        t->sweep_ns = end_ns + MAX((uint64_t)SWEEP_NS, (end_ns - MIN(t->now_ns, end_ns)) * SWEEP_SHARE);
        atomic_store_explicit(&g->rx_oldest[t->id], low, memory_order_release);
}

static void hold_back_probes(struct talk *t, bool behind)
{
        struct stack_stats s;
        stack_stats(t->stack, &s);
        uint64_t most = MAX(t->g->conf->max_connections / t->g->n_rx, (uint64_t)1);
        bool full = behind || s.conns >= most - most / 8 || session_full(t->set) ||
                    ring_fill(&t->later) > ring_capacity(&t->later) / 2;
        if (full != t->full)
                atomic_fetch_add_explicit(&t->g->talk_full, full ? 1u : UINT32_MAX, memory_order_relaxed);
        t->full = full;
}

uint64_t talk_round(struct talk *t, uint64_t now_ns, bool behind)
{
        t->now_ns = now_ns;
        uint64_t until_ns = session_run(t->set, now_ns);
        if (stack_deadline(t->stack) <= now_ns)
                stack_tick(t->stack, now_ns);
        call_back(t);
        sweep(t);
        hold_back_probes(t, behind);
        uint32_t waiting = left_to_resume(t->g) ? 0 : (uint32_t)ring_fill(&t->later);
        atomic_store_explicit(&t->g->talking[t->id], session_count(t->set) + t->n_calls + waiting,
                              memory_order_relaxed);
        return MIN(until_ns, stack_deadline(t->stack));
}

uint32_t talk_waiting(const struct talk *t)
{
        return stack_waiting(t->stack);
}

bool talk_next(struct talk *t, struct stack_seg *s, uint64_t now_ns)
{
        return stack_next(t->stack, s, now_ns);
}

void talk_finish(struct talk *t)
{
        COUNT(t->g->rx_count[t->id].not_reached, ring_fill(&t->later) + t->n_calls);
        session_finish(t->set);
}

bool talk_hang_up(struct talk *t)
{
        return stack_hang_up(t->stack);
}
