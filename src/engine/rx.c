// SPDX-License-Identifier: Apache-2.0
/*
 * rx: a receive thread. Frames are decoded, checked against the cookie and handed to the writer as answers;
 * the transmit side learns through the window which positions need no retry; SYN-ACKs are closed with our own
 * RST, or go on as conversations (talk.c), and requests for addresses only we own are answered. Replies go
 * out through this thread's own handle, under the same rate as everything else, before probes.
 */
#include "steer.h"
#include "talk.h"
#include <stdlib.h>
#include <sys/prctl.h>

static const double CLOSE_SHARE = 0.6, CLOSE_BURST_S = 0.005;

enum {
        REPLY_QUEUE = 1 << 16,
        REPLY_MAX = 128,
        REPLY_BATCH = 32,
        ANSWERS = 256,
        FULL_NS = 5000000,   /* a handle that is only full has room again within this, mostly */
        GATHER_NS = 1000000, /* frames that are worth no kick by themselves wait so long for more */
        HELD_NS = 10000000   /* the kernel may keep a frame so long before it shows it */
};
/* Frames that waited so long make probes wait: each answer to one brings three more frames of its
 * conversation. */
enum { BEHIND_NS = 30000000 };
enum { SAID_MAX = 1 << 16 /* bytes of ours in one connection; by chance an ACK looks so once in 65,536 */ };
enum { HEARD_MAX = 128 << 20 /* bytes of banners the writer has not taken yet */ };
static const uint64_t GOODBYE_NS = 2 * NS_PER_S, LAST_NS = 10 * NS_PER_MS;

struct reply {
        uint8_t bytes[REPLY_MAX];
        uint16_t len, dev;
};
struct rx {
        struct eng *g;
        unsigned id;
        struct talk *talk;        /* NULL: no --banners */
        const struct pkt *packet; /* the one at hand */
        uint64_t talk_ns;         /* when the conversations want to be looked at */
        struct counters *count;
        struct reply *replies; /* ring */
        unsigned head, n;
        unsigned turns;                  /* taken from the rate and not used yet */
        unsigned handed;                 /* such turns used since the last kick */
        unsigned burst;                  /* most frames worth one kick */
        bool due;                        /* this round sends what there is, however little */
        bool lacking;                    /* turns, the last time some were taken */
        uint64_t gathered_ns;            /* when the last such round was */
        bool held_up;                    /* replies wait for the rate: probes yield */
        uint64_t stuck;                  /* one bit per dev: its handle has not let go of all it was given */
        uint64_t stuck_ns[ENG_DEVS_MAX]; /* since when */
        uint64_t waiting[ENG_DEVS_MAX];  /* frames it holds */
        uint64_t turn_ns, wall_ns;       /* read once per turn */
        uint64_t now_ns;                 /* when the answer at hand arrived, as well as it is known */
        uint64_t caught_up_ns;
        bool behind;  /* frames come faster than they are taken */
        bool gave_up; /* left with an answer in hand: nothing is caught up any more */
        bool leaving; /* what is left to say is said now */
};

bool eng_closes_below(const struct eng *g)
{
        bool any = false;
        for (unsigned d = 0; d < g->n_devs; d++)
                any |= g->devs[d].rx[0].ops && g->devs[d].rx[0].ops->rx_closed;
        return any && !g->conf->no_reset;
}

void eng_set_turns(struct eng *g)
{
        uint32_t follow_ns = (uint32_t)(ENG_TURN_NS * g->close_share);
        atomic_store_explicit(&g->rate.follow_ns, follow_ns, memory_order_relaxed);
        atomic_store_explicit(&g->turn_ns, ENG_TURN_NS - follow_ns, memory_order_relaxed);
}

/* Turns are so long that they and the RSTs that follow them from below take half a millisecond: half of that,
 * when all are open. Learnt from the busiest millisecond of the last second or so, for a burst of answers
 * should not find a turn under way that is too long for it. */
static void note_closed(struct eng *g, uint64_t n, uint64_t now_ns)
{
        uint64_t took_ns = now_ns - g->close_look_ns;
        g->closed_lately += n;
        if (took_ns < NS_PER_MS)
                return;
        double share = (double)g->closed_lately * 1e9 / (double)took_ns / rate_pps(&g->rate);
        g->close_share = MIN(MAX(share, g->close_share * 0.998), 0.5);
        g->closed_lately = 0;
        g->close_look_ns = now_ns;
        eng_set_turns(g);
}

/* RSTs that were sent below are charged to the common bucket, and may be at most CLOSE_SHARE of the rate: a
 * host that repeats its SYN-ACK must not stop a scan. What is beyond comes up as an answer whose RST is still
 * to be sent, and waits its turn. One thread at a time; another one has nothing to add. */
void eng_charge_closed(struct eng *g)
{
        uint64_t n = 0;
        if (!g->rate.closes_below || atomic_flag_test_and_set_explicit(&g->closing, memory_order_acquire))
                return;
        uint64_t now = clock_mono_ns(); /* not before: the one who had the flag may have looked later */
        for (unsigned d = 0; d < g->n_devs; d++) {
                const struct io *io = &g->devs[d].rx[0];
                if (io->ops && io->ops->rx_closed)
                        n += io->ops->rx_closed(io->st);
        }
        double pps = CLOSE_SHARE * rate_pps(&g->rate), most = MAX(32.0, pps * CLOSE_BURST_S);
        double got = pps * (double)(now - g->close_ns) / 1e9;
        g->close_tokens = MIN(most, g->close_tokens + got) - (double)(n - g->closed_charged);
        if (n != g->closed_charged)
                rate_charge(&g->rate, n - g->closed_charged);
        note_closed(g, n - g->closed_charged, now);
        g->closed_charged = n;
        g->close_ns = now;
        for (unsigned d = 0; d < g->n_devs; d++) {
                const struct io *io = &g->devs[d].rx[0];
                if (io->ops && io->ops->rx_allow)
                        io->ops->rx_allow(io->st, g->close_tokens > 0 ? (uint32_t)g->close_tokens : 0);
        }
        atomic_flag_clear_explicit(&g->closing, memory_order_release);
}

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

/* Kicks what was handed in. A handle whose link is down keeps it, and gets no more. */
static void kick(struct rx *r)
{
        uint64_t was = r->stuck, now = clock_mono_ns();
        r->stuck = 0;
        for (unsigned d = 0; d < r->g->n_devs; d++) {
                struct io *io = &r->g->devs[d].reply[r->id];
                struct io_stats s = {0};
                if (!io->ops)
                        continue;
                io_tx_kick(io);
                io->ops->stats(io->st, &s);
                r->stuck |= (uint64_t)(s.tx_waiting != 0) << d;
                if (!(was >> d & 1))
                        r->stuck_ns[d] = now;
                else if (now - r->stuck_ns[d] > FULL_NS && s.tx_waiting < r->waiting[d])
                        rate_charge_late_reply(&r->g->rate, r->waiting[d] - s.tx_waiting, now);
                r->waiting[d] = s.tx_waiting;
        }
        rate_left_reply(&r->g->rate, r->handed, clock_mono_ns());
        r->handed = 0;
}

/* Where a kick costs as much as a dozen frames by a socket (`burst` tells), what gathers in a millisecond
 * goes together. */
static void begin_round(struct rx *r)
{
        r->turn_ns = clock_mono_ns();
        r->due = r->burst <= ENG_BATCH || r->turn_ns - r->gathered_ns >= GATHER_NS;
}

/* Kept, they would come on top of a later window. */
static void give_turns_back(struct rx *r)
{
        if (r->turns)
                rate_give_back(&r->g->rate, r->turns);
        r->turns = 0;
}

static void end_round(struct rx *r, bool sent)
{
        if (sent && r->due)
                r->gathered_ns = r->turn_ns;
        r->lacking &= r->n || (r->talk && talk_waiting(r->talk));
        give_turns_back(r);
}

static bool worth_a_kick(const struct rx *r, unsigned n, unsigned few)
{
        return n >= (r->due ? few : r->burst / 2);
}

/* As many turns for replies as there are, up to `want`. */
static void take_turns(struct rx *r, unsigned want)
{
        r->turns = rate_take_reply(&r->g->rate, want, clock_mono_ns());
        r->lacking = r->turns < want;
}

static struct wire_hop hop_back(const struct eng *g, unsigned dev, const uint8_t them_mac[6])
{
        const struct dev *d = &g->devs[dev];
        struct wire_hop hop = {.link = d->tx_link, .vlan = d->vlan};
        memcpy(hop.us_mac, d->mac, 6);
        memcpy(hop.them_mac, them_mac, 6);
        return hop;
}

/* Hands in the oldest reply. False: its handle has no room just now. On a link that is down it would only
 * wait in others' way, and leave in a burst past the rate: it is dropped. */
static bool hand_in(struct rx *r)
{
        struct reply *x = &r->replies[r->head];
        struct dev *d = &r->g->devs[x->dev];
        struct io *io = &d->reply[r->id];
        struct frame f;
        bool out = eng_link_out(r->g, d),
             room = !out && !(r->stuck >> x->dev & 1) && io_tx_reserve(io, &f, 1) != 0;
        if (!room && !out)
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

static void put_segment(struct rx *r, const struct stack_seg *s)
{
        struct dev *d = &r->g->devs[s->route.dev];
        struct io *io = &d->reply[r->id];
        struct wire_hop hop = hop_back(r->g, s->route.dev, s->route.mac);
        struct frame f;
        bool out = eng_link_out(r->g, d) || (r->stuck >> s->route.dev & 1) || !io_tx_reserve(io, &f, 1);
        if (!out) {
                f.len = (uint32_t)wire_build_segment(f.data, f.cap, &hop, &s->seg);
                io_tx_commit(io, &f, f.len != 0);
        }
        COUNT(*(out ? &r->count->replies_dropped : &r->count->segments), 1);
}

/* Is a handle only full? One whose link is out, or that has been full for long, holds nobody up. */
static bool is_full(const struct rx *r)
{
        bool any = false;
        for (unsigned d = 0; r->stuck && d < r->g->n_devs; d++)
                any |= r->stuck >> d & 1 && !eng_link_out(r->g, &r->g->devs[d]) &&
                       (r->leaving || r->turn_ns < r->stuck_ns[d] + FULL_NS);
        return any;
}

/* What conversations want to say. A segment that finds no room is lost, as on the wire, and comes again; the
 * RSTs at the end do not, and wait. While a handle is only full, all of them do. Returns whether any was
 * handed in. */
static bool send_segments(struct rx *r)
{
        struct stack_seg s;
        bool any = false;
        while (r->talk && !r->n && !is_full(r) && worth_a_kick(r, talk_waiting(r->talk), 1)) {
                unsigned sent = 0, want = MIN(talk_waiting(r->talk), r->burst);
                if (!r->turns)
                        take_turns(r, want);
                hold_up_probes(r, !r->turns);
                for (; r->turns && sent < r->burst && talk_next(r->talk, &s, r->turn_ns); r->turns--, sent++)
                        put_segment(r, &s);
                r->handed += sent;
                if (!sent)
                        return any;
                any = true;
                kick(r);
                if (r->lacking && !r->turns) /* those that trickle in now gather, too */
                        break;
        }
        if (!r->n)
                hold_up_probes(r, r->lacking && !r->turns && r->talk && talk_waiting(r->talk));
        return any;
}

/* Sends what the rate allows now, and never waits: a handle without room must not keep this thread from
 * receiving. While frames keep coming only full batches, or what has gathered: a system call for each RST
 * would cost more than all the rest of its way. Returns whether any was handed in. */
static bool send_replies(struct rx *r, bool all)
{
        struct eng *g = r->g;
        unsigned before = r->n;
        if (r->stuck)
                kick(r);
        bool others = r->talk && talk_waiting(r->talk); /* that come after these */
        while (worth_a_kick(r, r->n, all || others || r->held_up || r->burst > ENG_BATCH ? 1 : REPLY_BATCH)) {
                unsigned want = MIN(r->n, r->burst);
                if (!r->turns) {
                        eng_charge_closed(g);
                        take_turns(r, want);
                }
                hold_up_probes(r, r->turns < want);
                if (!r->turns)
                        return r->n < before;
                bool room = true;
                for (want = MIN(want, r->turns); want && room; want--) {
                        room = hand_in(r);
                        r->turns -= room;
                        r->handed += room;
                }
                kick(r);
                if (!room || (r->lacking && !r->turns))
                        break;
        }
        hold_up_probes(r, r->lacking && !r->turns && r->n);
        return r->n < before;
}

static void queue_rst(struct rx *r, unsigned dev, const struct answer *a)
{
        struct wire_hop hop = hop_back(r->g, dev, a->mac);
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

/* Canaries answer again and again; and retries tell of what was lost. */
static bool is_old_news(struct rx *r, const struct found *f, uint64_t pos, bool again)
{
        struct eng *g = r->g;
        uint32_t now_ms = (uint32_t)((r->now_ns - g->start_ns) / NS_PER_MS);
        struct steer_seen seen = {.answer = &f->answer,
                                  .index = f->index,
                                  .now_ns = r->now_ns,
                                  .age_ms = window_age_ms(&g->window, pos, now_ms),
                                  .inside = window_holds(&g->window, pos),
                                  .again = again};
        return steer_answer(g->steer, r->id, &seen);
}

/* Into the ring to the writer. It waits for room: results are never dropped. */
static void tell(struct rx *r, const struct found *f)
{
        struct eng *g = r->g;
        while (!ring_push(&g->found[r->id], f)) {
                if (atomic_load_explicit(&g->hurry, memory_order_relaxed)) {
                        r->gave_up = true;
                        free(f->heard);
                        return;
                }
                clock_sleep_until(clock_mono_ns() + NS_PER_MS);
                r->due = true;
                if (!f->heard) /* a banner comes from the middle of a conversation */
                        send_replies(r, true);
        }
}

static void tell_heard(void *rx, struct heard *h)
{
        struct rx *r = rx;
        struct found f = {.heard = h, .wall_ns = r->wall_ns};
        _Atomic uint64_t *bytes = &r->g->heard_bytes;
        while (atomic_load_explicit(bytes, memory_order_relaxed) > HEARD_MAX &&
               !atomic_load_explicit(&r->g->hurry, memory_order_relaxed))
                clock_sleep_until(clock_mono_ns() + NS_PER_MS);
        atomic_fetch_add_explicit(bytes, heard_size(h), memory_order_relaxed);
        tell(r, &f);
}

/* What becomes of a port that answered: a conversation, or a RST. A host that repeats itself gets more than
 * one only when there is nothing better to send. */
static void close_or_talk(struct rx *r, unsigned dev, const struct answer *a, bool again)
{
        if (r->talk && r->packet)
                talk_open(r->talk, r->packet, dev, again, r->now_ns);
        else if (!r->g->conf->no_reset && !a->rst_sent && (!again || !r->n))
                queue_rst(r, dev, a);
}

/* What was not asked yet answers a scan that was killed: it will be asked again, and spoken to then. */
static bool was_asked(struct eng *g, uint64_t pos)
{
        return pos < atomic_load_explicit(&g->window.next, memory_order_relaxed);
}

/* An answer that carries our cookie. */
static void take_answer(struct rx *r, unsigned dev, const struct answer *a)
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
        if (!is_old_news(r, &f, pos, again))
                tell(r, &f);
        if (a->state == PORT_OPEN)
                close_or_talk(r, dev, a, again || (r->talk && !was_asked(g, pos)));
}

/* The far end holds a connection from before, and answers our probe with an ACK of what it was told then. If
 * that was a killed scan of the same key, which is resumed now, the number proves it: the port is open. Else
 * nothing tells it from a stranger's word, and a RST could hit a connection of this host: it is counted. */
static void take_old(struct rx *r, unsigned dev, const struct pkt *p)
{
        struct eng *g = r->g;
        struct found f = {.wall_ns = r->wall_ns,
                          .answer = {.who = {.ip = p->src, .port = p->sport, .proto = 6},
                                     .us = p->dst,
                                     .us_port = p->dport,
                                     .reporter = p->src,
                                     .state = PORT_OPEN,
                                     .ttl = p->ttl,
                                     .flags = TCP_SYN | TCP_ACK}};
        if (!tgt_plan_index(g->plan, &f.answer.who, &f.index))
                return;
        uint64_t pos = tgt_order_pos(eng_order(g), f.index);
        if (!window_holds(&g->window, pos) || window_answered(&g->window, pos))
                return; /* a straggler, or somebody else's connection */
        uint64_t cookie = wire_cookie(g->key.cookie, &p->dst, p->dport, &p->src, p->sport);
        if (!r->talk || !g->conf->resume_file || p->ack - 1 - (uint32_t)cookie > SAID_MAX) {
                COUNT(r->count->old, !p->payload.n && !(p->tcp_flags & TCP_FIN)); /* else it is no answer */
                return;
        }
        window_mark(&g->window, pos);
        COUNT(r->count->answers, 1);
        tell(r, &f);
        talk_anew(r->talk, p, dev);
}

bool eng_is_source(const struct eng *g, const struct ip_addr *ip)
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
                                return !eng_address_lost(g, ip);
        return false;
}

static void take_neighbour(struct rx *r, unsigned dev, const struct pkt *p)
{
        struct eng *g = r->g;
        struct ip_addr ip = p->neigh_ip, who = p->neigh_request ? p->src : p->neigh_ip;
        ip.zone = who.zone = 0;
        /* Who is asked alone need not repeat the MAC in the answer (RFC 4861 §7.2.4): it came from there. */
        bool to_us = !p->neigh_request && (eng_is_source(g, &p->dst) || kernel_owns(g, &p->dst));
        if (g->neigh)
                io_neigh_tell(g->neigh, r->id, g->devs[dev].ifindex, &who,
                              p->has_neigh_mac ? p->neigh_mac : p->src_mac,
                              (p->has_neigh_mac && p->neigh_sure ? NEIGH_SURE : 0u) |
                                      (to_us ? NEIGH_ANSWER : 0u));
        if (!p->neigh_request)
                return;
        /* With --vlan it is for us to answer: the kernel drops tagged requests it has no device for. */
        if (!eng_is_source(g, &ip) || (!g->devs[dev].vlan && kernel_owns(g, &ip)))
                return;
        struct wire_hop hop = hop_back(g, dev, p->src_mac);
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
        if (r->talk && talk_packet(r->talk, &p, dev, r->now_ns))
                return;
        r->packet = &p;
        switch (scan_syn.classify(&p, &g->key, (uint32_t)(r->now_ns / 1000), &a)) {
        case SCAN_ANSWER:
                take_answer(r, dev, &a);
                break;
        case SCAN_FORGED:
                COUNT(r->count->forged, 1);
                break;
        case SCAN_OLD:
                take_old(r, dev, &p);
                break;
        case SCAN_NOT_MINE:
                break;
        }
        r->packet = NULL;
}

/* Everything that had arrived by then was looked at, and what was found is in the ring: released after it. */
static void caught_up(struct rx *r, uint64_t until_ns)
{
        if (r->gave_up || until_ns <= r->caught_up_ns)
                return;
        r->caught_up_ns = until_ns;
        atomic_store_explicit(&r->g->rx_caught_up_ns[r->id], until_ns, memory_order_release);
}

/* Answers that the back-end has checked itself. *until_ns is lowered to the time up to which all were taken.
 */
static bool take_answers(struct rx *r, unsigned dev, uint64_t *until_ns)
{
        struct answer a[ANSWERS];
        uint64_t stamp_ns[ANSWERS], closed = 0;
        struct io *io = &r->g->devs[dev].rx[r->id];
        unsigned n = io->ops->rx_answers ? io->ops->rx_answers(io->st, a, stamp_ns, ANSWERS) : 0;
        for (unsigned i = 0; i < n; i++) {
                r->now_ns = stamp_ns[i];
                take_answer(r, dev, &a[i]);
                closed += a[i].rst_sent;
        }
        if (n == ANSWERS)
                *until_ns = MIN(*until_ns, stamp_ns[n - 1]);
        if (n)
                eng_charge_closed(r->g);
        COUNT(r->count->replies, closed);
        COUNT(r->count->frames, n);
        return n > 0;
}

/* Off again only at half of it, so that transmit threads do not stop and go with every burst. */
static void note_lag(struct rx *r, uint64_t stamp_ns, bool full)
{
        uint64_t most = r->behind ? BEHIND_NS / 2 : BEHIND_NS;
        r->behind = full && r->turn_ns > stamp_ns && r->turn_ns - stamp_ns > most;
}

static bool take_frames(struct rx *r, unsigned dev, uint64_t *until_ns)
{
        struct frame f[ENG_BATCH];
        struct io *io = &r->g->devs[dev].rx[r->id];
        unsigned n = io_rx_burst(io, f, ENG_BATCH);
        r->behind &= n != 0;
        if (!n) { /* but the kernel may hold some back */
                *until_ns = *until_ns > HELD_NS ? MIN(*until_ns, r->turn_ns - HELD_NS) : 0;
                return false;
        }
        r->now_ns = r->turn_ns;
        note_lag(r, f[0].stamp_ns, n == ENG_BATCH);
        for (unsigned i = 0; i < n; i++)
                take_frame(r, dev, &f[i]);
        *until_ns = MIN(*until_ns, f[n - 1].stamp_ns);
        io_rx_done(io, f, n);
        COUNT(r->count->frames, n);
        return true;
}

static bool take_burst(struct rx *r, unsigned dev, uint64_t *until_ns)
{
        struct eng *g = r->g;
        bool any = take_answers(r, dev, until_ns);
        any |= take_frames(r, dev, until_ns);
        /* Only the one who fills the ring can be relied on to see it fill: the writer may sit in a write. */
        if (any && ring_fill(&g->found[r->id]) > ring_capacity(&g->found[r->id]) / 2)
                atomic_store_explicit(&g->tx_pause, true, memory_order_relaxed);
        return any;
}

static void idle(struct rx *r, struct dev *d, uint64_t now)
{
        uint64_t until = now + (r->n ? NS_PER_MS / 10 : r->g->n_devs > 1 ? NS_PER_MS : 20 * NS_PER_MS);
        uint64_t may_ns = r->burst > ENG_BATCH ? r->gathered_ns + GATHER_NS : now;
        if (r->talk)
                until = MAX(now + NS_PER_MS / 20, MIN(until, talk_waiting(r->talk) ? may_ns : r->talk_ns));
        if (r->n) {
                uint64_t turn_ns = rate_when(&r->g->rate, MIN(r->n, 16u));
                until = MIN(now + NS_PER_MS, MAX(until, turn_ns));
        }
        if (r->stuck)
                until = MIN(until, now + NS_PER_MS);
        bool ended = d->rx_ops && d->rx[r->id].caps.finite;
        if (!d->rx_ops || d->rx_shared || r->n || (!io_rx_wait(&d->rx[r->id], until) && ended))
                clock_sleep_until(until);
}

static void run(struct rx *r)
{
        struct eng *g = r->g;
        unsigned turn = 0;
        while (!atomic_load_explicit(&g->rx_quit, memory_order_relaxed)) {
                bool any = false;
                begin_round(r);
                uint64_t until_ns = r->turn_ns;
                r->wall_ns = clock_wall_ns();
                for (unsigned d = 0; d < g->n_devs; d++)
                        any |= g->devs[d].rx_ops && !g->devs[d].rx_shared && take_burst(r, d, &until_ns);
                if (r->talk)
                        r->talk_ns = talk_round(r->talk, r->turn_ns, r->behind);
                caught_up(r, until_ns); /* a clock set back must not settle the future */
                bool sent = send_replies(r, !any);
                sent |= send_segments(r);
                end_round(r, sent);
                if (any)
                        continue;
                idle(r, &g->devs[turn++ % g->n_devs], r->turn_ns);
        }
}

/* All that is known of services that were still spoken to is told. Connections that are still open, or that
 * we closed and the peer did not yet, get their RST as the rate allows: what is left open at the far end
 * would keep the next scan from the same port from seeing that service. */
static void say_goodbye(struct rx *r)
{
        uint64_t end_ns = clock_mono_ns() + GOODBYE_NS;
        talk_finish(r->talk);
        for (bool more = true; more || talk_waiting(r->talk) || r->stuck;) {
                r->turn_ns = clock_mono_ns();
                if (r->turn_ns > end_ns || atomic_load_explicit(&r->g->hurry, memory_order_relaxed))
                        return;
                more = talk_hang_up(r->talk);
                send_replies(r, true);
                send_segments(r);
                bool wait = !r->turns || r->stuck || r->n;
                give_turns_back(r);
                if (wait)
                        clock_sleep_until(r->turn_ns + NS_PER_MS / 10);
        }
}

/* Those that were still gathering, and those that get a turn soon. */
static void send_last_replies(struct rx *r)
{
        uint64_t end_ns = clock_mono_ns() + LAST_NS;
        r->leaving = r->due = true;
        do {
                r->turn_ns = clock_mono_ns();
                send_replies(r, true);
                if (r->n || r->stuck)
                        clock_sleep_until(r->turn_ns + NS_PER_MS / 10);
        } while ((r->n || r->stuck) && r->turn_ns < end_ns &&
                 !atomic_load_explicit(&r->g->hurry, memory_order_relaxed));
}

void *rx_thread(void *arg)
{
        const struct tx_arg *a = arg;
        struct rx r = {.g = a->eng, .id = a->id, .count = &a->eng->rx_count[a->id]};
        prctl(PR_SET_TIMERSLACK, 1);
        eng_place(a->eng, false, a->id);
        r.burst = ENG_BATCH;
        for (unsigned d = 0; d < r.g->n_devs; d++)
                if (r.g->devs[d].reply[r.id].ops == &io_xdp_frames_ops)
                        r.burst = MAX(r.burst, (unsigned)r.g->devs[d].reply[r.id].caps.burst);
        r.replies = calloc(REPLY_QUEUE, sizeof(*r.replies));
        struct err e = {.text = "out of memory"};
        bool ready = r.replies && (!r.g->conf->banners || !talk_new(&r.talk, r.g, r.id, tell_heard, &r, &e));
        if (ready) {
                run(&r);
        } else {
                log_say(LOG_ERROR, "a receive thread cannot start: %s", e.text);
                atomic_store(&r.g->stop, STOP_FAILED);
        }
        send_last_replies(&r);
        give_turns_back(&r);
        if (r.talk)
                say_goodbye(&r);
        talk_free(r.talk);
        COUNT(r.count->replies_dropped, r.n);
        hold_up_probes(&r, false);
        free(r.replies);
        return NULL;
}
