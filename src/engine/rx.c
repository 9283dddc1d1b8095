// SPDX-License-Identifier: Apache-2.0
/*
 * rx: a receive thread. Frames are decoded, checked against the cookie and handed to the writer as answers;
 * the transmit side learns through the window which positions need no retry; SYN-ACKs are closed with our own
 * RST, and requests for addresses only we own are answered. Replies go out through this thread's own handle,
 * under the same rate as everything else, before probes.
 */
#include "eng.h"
#include <stdlib.h>
#include <sys/prctl.h>

enum {
        REPLY_QUEUE = 1 << 16,
        REPLY_MAX = 128,
        REPLY_BATCH = 32,
        HELD_NS = 10000000 /* the kernel may keep a frame so long before it shows it */
};

struct reply {
        uint8_t bytes[REPLY_MAX];
        uint16_t len, dev;
};
struct rx {
        struct eng *g;
        unsigned id;
        struct counters *count;
        struct reply *replies; /* ring */
        unsigned head, n;
        unsigned turns;           /* taken from the rate and not used yet */
        bool held_up;             /* replies wait for the rate: probes yield */
        uint64_t now_ns, wall_ns; /* read once per burst */
        bool gave_up;             /* left with an answer in hand: nothing is caught up any more */
};

static struct reply *reply_slot(struct rx *r, unsigned dev)
{
        if (r->n == REPLY_QUEUE) {
                COUNT(r->count->replies_dropped, 1);
                return NULL;
        }
        struct reply *x = &r->replies[(r->head + r->n) % REPLY_QUEUE];
        x->dev = (uint16_t)dev;
        return x;
}

static void reply_put(struct rx *r, struct reply *x, size_t len)
{
        assert(len && len <= REPLY_MAX);
        x->len = (uint16_t)len;
        r->n++;
}

static void hold_up_probes(struct rx *r, bool held_up)
{
        if (held_up == r->held_up)
                return;
        r->held_up = held_up;
        atomic_fetch_add_explicit(&r->g->rate.replies_waiting, held_up ? 1u : UINT32_MAX,
                                  memory_order_relaxed);
}

/* Hands in the oldest reply. False: its handle has no room just now. On a link that is down it would only
 * wait in others' way: it is dropped. */
static bool hand_in(struct rx *r)
{
        struct reply *x = &r->replies[r->head];
        struct dev *d = &r->g->devs[x->dev];
        struct io *io = &d->reply[r->id];
        struct frame f;
        bool room = io_tx_reserve(io, &f, 1) != 0;
        if (!room) {
                io_tx_kick(io);
                room = io_tx_reserve(io, &f, 1) != 0;
        }
        if (!room && atomic_load_explicit(&d->out, memory_order_relaxed) == IO_LINK_OK)
                return false;
        if (room) {
                memcpy(f.data, x->bytes, x->len);
                f.len = x->len;
                io_tx_commit(io, &f, 1);
        }
        COUNT(*(room ? &r->count->replies : &r->count->replies_dropped), 1);
        r->head = (r->head + 1) % REPLY_QUEUE;
        r->n--;
        return true;
}

/* Sends what the rate allows now, and never waits: a handle without room must not keep this thread from
 * receiving. While frames keep coming only full batches: a system call for each RST would cost more than all
 * the rest of its way. */
static void send_replies(struct rx *r, bool all)
{
        struct eng *g = r->g;
        while (r->n >= (all ? 1 : REPLY_BATCH)) {
                unsigned want = MIN(r->n, (unsigned)ENG_BATCH);
                if (!r->turns)
                        r->turns = rate_take(&g->rate, want, clock_mono_ns());
                hold_up_probes(r, r->turns < want);
                if (!r->turns)
                        return;
                bool room = true;
                for (want = MIN(want, r->turns); want && room; want--) {
                        room = hand_in(r);
                        r->turns -= room;
                }
                for (unsigned d = 0; d < g->n_devs; d++)
                        io_tx_kick(&g->devs[d].reply[r->id]);
                if (!room)
                        break;
        }
        hold_up_probes(r, false);
}

static struct wire_hop hop_back(const struct eng *g, unsigned dev, const struct pkt *p)
{
        const struct dev *d = &g->devs[dev];
        struct wire_hop hop = {.link = d->tx_link, .vlan = d->vlan};
        memcpy(hop.us_mac, d->mac, 6);
        memcpy(hop.them_mac, p->src_mac, 6);
        return hop;
}

static void queue_rst(struct rx *r, unsigned dev, const struct pkt *p, const struct answer *a)
{
        struct wire_hop hop = hop_back(r->g, dev, p);
        struct reply *x = reply_slot(r, dev);
        if (x)
                reply_put(r, x, scan_build_rst(x->bytes, REPLY_MAX, &hop, a, 64));
}

/* A probe that waited for its link says nothing of the network. */
static bool waited_for_link(struct eng *g, uint64_t sent_ns)
{
        return atomic_load_explicit(&g->link_out, memory_order_relaxed) ||
               sent_ns < atomic_load_explicit(&g->outage_end_ns, memory_order_relaxed);
}

static void note_rtt(struct rx *r, uint64_t pos, const struct answer *a)
{
        struct eng *g = r->g;
        uint32_t now_ms = (uint32_t)((r->now_ns - g->start_ns) / NS_PER_MS);
        uint32_t ms = a->rtt_us ? a->rtt_us / 1000 + 1 : window_age_ms(&g->window, pos, now_ms);
        if (waited_for_link(g, r->now_ns - ms * NS_PER_MS))
                return;
        if (ms > atomic_load_explicit(&g->rtt_max_ms, memory_order_relaxed))
                atomic_store_explicit(&g->rtt_max_ms, ms, memory_order_relaxed);
}

/* An answer that carries our cookie. It waits for room in the ring: results are never dropped. */
static void take_answer(struct rx *r, unsigned dev, const struct pkt *p, const struct answer *a)
{
        struct eng *g = r->g;
        struct found f = {.answer = *a, .wall_ns = r->wall_ns};
        if (!tgt_plan_index(g->plan, &a->who, &f.index)) {
                COUNT(r->count->foreign, 1);
                return;
        }
        uint64_t pos = tgt_order_pos(eng_order(g), f.index);
        COUNT(r->count->answers, 1);
        bool again = false;
        if (a->state > PORT_FILTERED) {
                again = window_mark(&g->window, pos);
                note_rtt(r, pos, a);
        }
        /* One RST closes it; a host that repeats itself gets more only when there is nothing better to send.
         */
        if (a->state == PORT_OPEN && !g->conf->no_reset && (!again || !r->n))
                queue_rst(r, dev, p, a);
        while (!ring_push(&g->found[r->id], &f)) {
                if (atomic_load_explicit(&g->hurry, memory_order_relaxed)) {
                        r->gave_up = true;
                        return;
                }
                clock_sleep_until(clock_mono_ns() + NS_PER_MS);
                send_replies(r, true);
        }
}

static bool is_source(const struct eng *g, const struct ip_addr *ip)
{
        for (unsigned i = 0; i < g->n_sources; i++) {
                const struct scan_source *s = &g->sources[i];
                if (s->first.family == ip->family && s->first.hi == ip->hi && ip->lo - s->first.lo < s->count)
                        return true;
        }
        return false;
}

static bool kernel_owns(const struct eng *g, const struct ip_addr *ip)
{
        size_t n = 0;
        const struct io_link *l = g->kernel ? io_facts_links(g->kernel, &n) : NULL;
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < l[i].n_addrs; k++)
                        if (l[i].addrs[k].ip.family == ip->family && l[i].addrs[k].ip.hi == ip->hi &&
                            l[i].addrs[k].ip.lo == ip->lo)
                                return true;
        return false;
}

static void take_neighbour(struct rx *r, unsigned dev, const struct pkt *p)
{
        struct eng *g = r->g;
        struct ip_addr ip = p->neigh_ip, who = p->neigh_request ? p->src : p->neigh_ip;
        ip.zone = who.zone = 0;
        /* Who is asked alone need not repeat the MAC in the answer (RFC 4861 §7.2.4): it came from there. */
        if (g->neigh)
                io_neigh_tell(g->neigh, r->id, g->devs[dev].ifindex, &who,
                              p->has_neigh_mac ? p->neigh_mac : p->src_mac,
                              p->has_neigh_mac && p->neigh_sure);
        if (!p->neigh_request)
                return;
        /* With --vlan it is for us to answer: the kernel drops tagged requests it has no device for. */
        if (!is_source(g, &ip) || (!g->devs[dev].vlan && kernel_owns(g, &ip)))
                return;
        struct wire_hop hop = hop_back(g, dev, p);
        struct reply *x = reply_slot(r, dev);
        size_t len = x ? wire_build_neigh_reply(x->bytes, REPLY_MAX, &hop, &ip, &p->src) : 0;
        if (len)
                reply_put(r, x, len);
}

static void set_zone(const struct eng *g, struct ip_addr *ip)
{
        size_t n;
        const struct io_link *l = io_facts_links(g->kernel, &n);
        for (size_t i = 0; ip_is_link_local(ip) && i < n; i++)
                for (size_t k = 0; k < l[i].n_addrs; k++)
                        if (l[i].addrs[k].ip.hi == ip->hi && l[i].addrs[k].ip.lo == ip->lo)
                                ip->zone = (uint32_t)l[i].ifindex;
}

static void take_frame(struct rx *r, unsigned dev, const struct frame *f)
{
        struct eng *g = r->g;
        const struct dev *d = &g->devs[dev];
        struct pkt p;
        struct answer a;
        if (f->outgoing)
                return;
        enum wire_drop bad = wire_decode(&p, span_of(f->data, f->len), d->rx[r->id].caps.link, f->sum_unset,
                                         (uint32_t)d->ifindex);
        if (bad != WIRE_OK) {
                COUNT(r->count->bad[bad], 1);
                return;
        }
        if (d->local) { /* our own link-local address answers over lo, and is still the link's */
                set_zone(g, &p.src);
                set_zone(g, &p.dst);
        }
        if (p.kind == WIRE_ARP || p.kind == WIRE_NDP) {
                take_neighbour(r, dev, &p);
                return;
        }
        switch (scan_syn.classify(&p, &g->key, (uint32_t)(r->now_ns / 1000), &a)) {
        case SCAN_ANSWER:
                take_answer(r, dev, &p, &a);
                break;
        case SCAN_FORGED:
                COUNT(r->count->forged, 1);
                break;
        case SCAN_NOT_MINE:
                break;
        }
}

/* Everything that had arrived by then was looked at, and what was found is in the ring: released after it. */
static void caught_up(struct rx *r, uint64_t until_ns)
{
        if (!r->gave_up)
                atomic_store_explicit(&r->g->rx_caught_up_ns[r->id], until_ns, memory_order_release);
}

static bool take_burst(struct rx *r, unsigned dev)
{
        struct frame f[ENG_BATCH];
        struct eng *g = r->g;
        struct io *io = &g->devs[dev].rx[r->id];
        uint64_t before_ns = clock_mono_ns();
        unsigned n = io_rx_burst(io, f, ENG_BATCH);
        if (!n)
                return false;
        r->now_ns = before_ns;
        r->wall_ns = clock_wall_ns();
        for (unsigned i = 0; i < n; i++)
                take_frame(r, dev, &f[i]);
        uint64_t stamp_ns = f[n - 1].stamp_ns;
        io_rx_done(io, f, n);
        if (g->n_devs == 1 && stamp_ns)
                caught_up(r, MIN(stamp_ns, before_ns)); /* a clock set back must not settle the future */
        COUNT(r->count->frames, n);
        /* Only the one who fills the ring can be relied on to see it fill: the writer may sit in a write. */
        if (ring_fill(&g->found[r->id]) > ring_capacity(&g->found[r->id]) / 2)
                atomic_store_explicit(&g->tx_pause, true, memory_order_relaxed);
        return true;
}

static void idle(struct rx *r, struct dev *d, uint64_t now)
{
        uint64_t until = now + (r->n ? NS_PER_MS / 10 : r->g->n_devs > 1 ? NS_PER_MS : 20 * NS_PER_MS);
        if (r->n)
                until = MIN(now + NS_PER_MS, MAX(until, rate_when(&r->g->rate, MIN(r->n, 16u))));
        bool ended = d->rx_ops && d->rx[r->id].caps.finite;
        if (!d->rx_ops || d->rx_shared || r->n || (!io_rx_wait(&d->rx[r->id], until) && ended))
                clock_sleep_until(until);
}

static void run(struct rx *r)
{
        struct eng *g = r->g;
        unsigned turn = 0;
        while (!atomic_load_explicit(&g->rx_quit, memory_order_relaxed)) {
                uint64_t now = clock_mono_ns();
                bool any = false;
                for (unsigned d = 0; d < g->n_devs; d++)
                        any |= g->devs[d].rx_ops && !g->devs[d].rx_shared && take_burst(r, d);
                send_replies(r, !any);
                if (any)
                        continue;
                caught_up(r, now - HELD_NS);
                idle(r, &g->devs[turn++ % g->n_devs], now);
        }
}

void *rx_thread(void *arg)
{
        const struct tx_arg *a = arg;
        struct rx r = {.g = a->eng, .id = a->id, .count = &a->eng->rx_count[a->id]};
        prctl(PR_SET_TIMERSLACK, 1);
        r.replies = calloc(REPLY_QUEUE, sizeof(*r.replies));
        if (r.replies)
                run(&r);
        else
                atomic_store(&r.g->stop, STOP_FAILED);
        hold_up_probes(&r, false);
        free(r.replies);
        return NULL;
}
