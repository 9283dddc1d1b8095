// SPDX-License-Identifier: Apache-2.0
/*
 * talk: see talk.h. Where a conversation can begin and where it must wait:
 *
 *   SYN-ACK ──> talk_open ──> stack_accept ──> session
 *                  └─ pool or host full ──> RST, and into the queue `later` ──(room)──> stack_connect ──>
 * session
 *
 * So nothing that answered is lost: what cannot be spoken to now is called back later. When pool or queue
 * fill up the transmit threads pause (eng.talk_full). Invariant: a target is in the queue, in a session, or
 * told.
 */
#include "talk.h"
#include <stdlib.h>

enum { LATER_LOG2 = 17, LATER_LOOK = 64, SWEEP_NS = 500000000, LATER_NS = 20000000, PORT_TRIES = 64 };

struct talk {
        struct eng *g;
        unsigned id;
        struct stack *stack;
        struct session_set *set;
        void (*tell)(void *arg, struct heard *);
        void *arg;
        struct ring later; /* struct target: called back when there is room; this thread at both ends */
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

static void on_done(void *arg, const struct target *who, bool heard)
{
        (void)arg;
        (void)who;
        (void)heard;
}

static uint64_t position(const struct eng *g, const struct target *who)
{
        uint64_t index;
        return tgt_plan_index(g->plan, who, &index) ? tgt_order_pos(eng_order(g), index) : UINT64_MAX;
}

/* Which of our ports a connection leaves from: any of the path's that is free towards this target. */
static bool free_port(const struct talk *t, const struct scan_source *s, unsigned attempt,
                      struct stack_open *o)
{
        uint64_t h = wire_cookie(t->g->key.cookie, &o->them, o->them_port, &o->them, (uint16_t)attempt);
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
        static const struct session_ops ops = {on_banner, on_done, on_source, on_names};
        struct stack_conf sc;
        struct talk *t = aligned_alloc(CACHE_LINE, (sizeof(*t) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
        if (!t)
                return err_set(e, 0, "out of memory");
        memset(t, 0, sizeof(*t));
        t->g = g;
        t->id = id;
        t->tell = tell;
        t->arg = arg;
        conf_of_stack(g, &sc);
        if (ring_init(&t->later, LATER_LOG2, sizeof(struct target), e) ||
            session_set_new(&t->set, &g->conf->session, &ops, t, g->tls, id, e) ||
            stack_new(&t->stack, &sc, &session_conn_ops, t->set, e)) {
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

void talk_open(struct talk *t, const struct pkt *p, unsigned dev, bool again, uint64_t now_ns)
{
        struct stack_route r = route_back(p, dev);
        struct target who = {.ip = p->src, .port = p->sport, .proto = 6};
        if (again) { /* it was, or will be, spoken to */
                stack_refuse(t->stack, p, &r);
                return;
        }
        owe(t, &who);
        if (stack_accept(t->stack, p, &r, now_ns) == STACK_ACCEPTED)
                return;
        stack_refuse(t->stack, p, &r);
        if (!ring_push(&t->later, &who))
                COUNT(t->g->rx_count[t->id].banners_lost, 1);
}

/* ---- time ---- */

static void call_back(struct talk *t)
{
        unsigned n = (unsigned)MIN(ring_fill(&t->later), (uint64_t)LATER_LOOK);
        if (!n || t->now_ns < t->later_look_ns)
                return;
        t->later_look_ns = t->now_ns + LATER_NS;
        for (; n; n--) {
                struct target who;
                struct stack_open o;
                enum stack_accept why = STACK_FULL;
                if (!ring_pop(&t->later, &who, 1))
                        return;
                if (on_source(t, &who, 0, &o) && stack_connect(t->stack, &o, t->now_ns, &why)) {
                        t->later_look_ns = t->now_ns;
                        continue;
                }
                ring_push(&t->later, &who); /* its slot was just freed */
                if (why == STACK_FULL)
                        return;
        }
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
                struct target who;
                if (ring_pop(&t->later, &who, 1)) {
                        low = MIN(low, position(g, &who));
                        ring_push(&t->later, &who);
                }
        }
        t->sweep_ns = t->now_ns + SWEEP_NS;
        atomic_store_explicit(&g->rx_oldest[t->id], low, memory_order_release);
}

static void hold_back_probes(struct talk *t)
{
        struct stack_stats s;
        stack_stats(t->stack, &s);
        uint64_t most = MAX(t->g->conf->max_connections / t->g->n_rx, (uint64_t)1);
        bool full = s.conns >= most - most / 8 || session_full(t->set) ||
                    ring_fill(&t->later) > ring_capacity(&t->later) / 2;
        if (full != t->full)
                atomic_fetch_add_explicit(&t->g->talk_full, full ? 1u : UINT32_MAX, memory_order_relaxed);
        t->full = full;
}

uint64_t talk_round(struct talk *t, uint64_t now_ns)
{
        t->now_ns = now_ns;
        uint64_t until_ns = session_run(t->set, now_ns);
        if (stack_deadline(t->stack) <= now_ns)
                stack_tick(t->stack, now_ns);
        call_back(t);
        sweep(t);
        hold_back_probes(t);
        atomic_store_explicit(&t->g->talking[t->id], session_count(t->set) + (uint32_t)ring_fill(&t->later),
                              memory_order_relaxed);
        return MIN(until_ns, stack_deadline(t->stack));
}

bool talk_waiting(const struct talk *t)
{
        return stack_waiting(t->stack) != 0;
}

bool talk_next(struct talk *t, struct stack_seg *s, uint64_t now_ns)
{
        return stack_next(t->stack, s, now_ns);
}

bool talk_idle(const struct talk *t)
{
        return !session_count(t->set) && !ring_fill(&t->later) && !stack_waiting(t->stack);
}

void talk_finish(struct talk *t)
{
        session_finish(t->set);
}
