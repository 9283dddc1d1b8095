// SPDX-License-Identifier: Apache-2.0
/*
 * send: see send.h. The middle of a transmit thread:
 *
 *   targets ──route──> path, MAC ──patch──> 64 bytes each ──turn──> back-end ──flush──> left
 *
 * Bursts get longer with the rate: a turn is waited for until it is worth a system call, half a millisecond
 * at most (send_turn), and leaves when it is used up.
 */
#include "send.h"

enum {
        NAP_NS = 100000,
        FULL_NS = 2000000, /* a ring that is only full moves within this; a link that is down does not */
        REST_NS = 2000000,
        PAUSE_NS = 50000000 /* so long in one burst: the link was down, not this machine busy */
};

bool send_stopping(const struct eng *g)
{
        struct eng *w = (struct eng *)g;
        return atomic_load_explicit(&w->stop, memory_order_relaxed) != STOP_NO ||
               atomic_load_explicit(&w->tx_quit, memory_order_relaxed); /* nobody waits for us any more */
}

/* ---- paths ---- */

enum io_neigh_state send_find_mac(struct sender *s, const struct target *who, uint16_t id, uint64_t *mac)
{
        struct path *path = &s->g->paths[id];
        uint8_t bytes[6];
        if (path->mac_known || path->kind == ROUTE_GATEWAY) {
                *mac = atomic_load_explicit(&path->mac, memory_order_relaxed);
                return NEIGH_KNOWN;
        }
        struct ip_addr hop = who->ip;
        hop.zone = 0;
        enum io_neigh_state state =
                io_neigh_find(s->g->neigh, s->id, s->g->devs[path->dev].ifindex, &hop, bytes);
        if (state == NEIGH_KNOWN)
                *mac = eng_mac_word(bytes);
        return state;
}

static void move(struct target_batch *to, unsigned n, const struct target_batch *from, unsigned i)
{
        to->pos[n] = from->pos[i];
        to->lo[n] = from->lo[i];
        to->hi[n] = from->hi[i];
        to->flat[n] = from->flat[i];
        to->zone[n] = from->zone[i];
}

static void drop_answered(struct sender *s, struct target_batch *b)
{
        unsigned kept = 0;
        for (unsigned i = 0; i < b->n; i++)
                if (!window_answered(&s->g->window, b->pos[i]))
                        move(b, kept++, b, i);
        b->n = kept;
}

/* Every target of the family leaves by one path, whose next hop is known. */
static bool route_together(struct sender *s, struct routed *r)
{
        uint16_t id = s->g->only_path[r->b.family == 6];
        const struct path *path = id == ENG_NO_PATH ? NULL : &s->g->paths[id];
        if (!path || !(path->mac_known || path->kind == ROUTE_GATEWAY))
                return false;
        r->path[0] = id;
        r->mac[0] = atomic_load_explicit(&((struct path *)path)->mac, memory_order_relaxed);
        r->same_path = r->same_mac = true;
        return true;
}

static void route_each(struct sender *s, struct routed *r, bool retry)
{
        struct target_batch *b = &r->b;
        unsigned kept = 0;
        r->same_path = r->same_mac = true;
        for (unsigned i = 0; i < b->n; i++) {
                struct target who = tgt_batch_at(b, i);
                uint16_t id = eng_path_of(s->g, &who.ip, b->pos[i]);
                if (id == ENG_NO_PATH) {
                        COUNT(s->count->unreachable, retry ? 0 : 1);
                        continue;
                }
                enum io_neigh_state state = send_find_mac(s, &who, id, &r->mac[kept]);
                if (state == NEIGH_KNOWN) {
                        r->path[kept] = id;
                        r->same_path &= id == r->path[0];
                        r->same_mac &= r->mac[kept] == r->mac[0];
                        move(b, kept++, b, i);
                } else if (!retry && state != NEIGH_DEAD) {
                        s->park(s->owner, &who, b->pos[i], id);
                } else { /* a target counts once, however often it is tried */
                        COUNT(s->count->unresolved, retry ? 0 : 1);
                }
        }
        b->n = kept;
}

void send_route(struct sender *s, struct routed *r, bool retry)
{
        if (retry)
                drop_answered(s, &r->b);
        if (r->b.n && !route_together(s, r))
                route_each(s, r, retry);
}

/* ---- handing in, and out ---- */

void send_let_go(struct sender *s)
{
        rate_left(&s->g->rate, s->n_taken, clock_mono_ns());
        s->n_taken = 0;
}

/* Kicks until all that was handed in has left. A full ring empties in microseconds, so at first it asks again
 * at once; when nothing moves it sleeps in between. Returns how many are left because the scan is being
 * stopped. */
static unsigned kick_out(struct sender *s, struct io *io)
{
        const struct eng *g = s->g;
        struct io_stats st = {0};
        uint64_t waiting = 0, since_ns = 0;
        for (;;) {
                io_tx_kick(io);
                io->ops->stats(io->st, &st);
                if (!st.tx_waiting || send_stopping(g))
                        return (unsigned)st.tx_waiting;
                uint64_t now = clock_mono_ns();
                if (st.tx_waiting != waiting)
                        since_ns = now;
                waiting = st.tx_waiting;
                if (now - since_ns > FULL_NS) {
                        send_let_go(s); /* others should not wait for an outage of this link */
                        clock_sleep_until(now + REST_NS);
                }
        }
}

static bool flush_dev(struct sender *s, unsigned dev)
{
        struct eng *g = s->g;
        unsigned n = s->handed[dev];
        if (!n)
                return true;
        uint64_t began = clock_mono_ns();
        unsigned left = kick_out(s, &g->devs[dev].tx[s->id]);
        uint64_t now = clock_mono_ns();
        s->handed[dev] = 0;
        s->n_handed -= n;
        atomic_store_explicit(&g->last_send_ns, now, memory_order_relaxed);
        COUNT(s->count->probes, n - MIN(n, left));
        if (now - began > PAUSE_NS)
                rate_restart(&g->rate, now);
        unsigned held = MIN(n, s->n_taken);
        rate_left(&g->rate, held, now);
        if (n > held)
                rate_charge_late(&g->rate, n - held, now);
        s->n_taken -= held;
        return left == 0;
}

bool send_flush(struct sender *s)
{
        bool all = true;
        for (unsigned d = 0; s->n_handed && d < s->g->n_devs; d++)
                all &= flush_dev(s, d);
        return all;
}

unsigned send_turn(const struct eng *g)
{
        double n = rate_pps(&g->rate) * eng_turn_ns(g) / 1e9 / g->n_tx;
        return n < 1 ? 1 : n > ENG_BLOCK ? ENG_BLOCK : (unsigned)n;
}

/* How many frames are worth one kick. */
static unsigned burst_of(const struct eng *g, const struct io *io)
{
        unsigned turn = send_turn(g);
        return MIN(turn, (unsigned)io->caps.burst);
}

static unsigned hand_in_frames(struct io *io, const struct probe_template *t, const struct patch *p,
                               unsigned n)
{
        struct frame f[ENG_BATCH];
        unsigned got = io_tx_reserve(io, f, MIN(n, (unsigned)ENG_BATCH));
        wire_stamp_burst(f, t, p, got);
        io_tx_commit(io, f, got);
        return got;
}

/* n patches whose turn it is. */
static bool hand_in(struct sender *s, uint16_t id, const struct patch *p, unsigned n)
{
        const struct path *path = &s->g->paths[id];
        struct io *io = &s->g->devs[path->dev].tx[s->id];
        unsigned worth = burst_of(s->g, io);
        for (unsigned done = 0; done < n;) {
                unsigned got = path->by_patch ? io->ops->tx_patch(io->st, p + done, n - done)
                                              : hand_in_frames(io, &path->tmpl, p + done, n - done);
                done += got;
                s->handed[path->dev] += got;
                s->n_handed += got;
                if ((!got || s->handed[path->dev] >= worth) && !flush_dev(s, path->dev))
                        return false;
                /* full of what a round before left when it was cut off, or of what the kernel still has */
                if (!got && (kick_out(s, io) || send_stopping(s->g)))
                        return false;
        }
        return true;
}

/* ---- turns ---- */

/* Results pile up, or there is no room for more conversations. */
static bool held_back(const struct eng *g)
{
        return atomic_load_explicit(&((struct eng *)g)->tx_pause, memory_order_relaxed) ||
               atomic_load_explicit(&((struct eng *)g)->talk_full, memory_order_relaxed);
}

/* Waits until at least one frame may leave, `now` or later; returns how many of `want` may. 0: the scan is
 * being stopped. */
static unsigned wait_turn(struct sender *s, unsigned want, uint64_t now)
{
        struct eng *g = s->g;
        uint64_t yield_until = 0; /* replies go first, but not all the time: two frames' worth of it */
        for (;; now = clock_mono_ns()) {
                if (send_stopping(g))
                        return 0;
                if (held_back(g)) {
                        send_flush(s);
                        clock_sleep_until(now + NS_PER_MS);
                        if (!held_back(g))
                                rate_restart(&g->rate, clock_mono_ns());
                        s->idle(s->owner);
                        continue;
                }
                if (atomic_load_explicit(&g->rate.replies_waiting, memory_order_relaxed)) {
                        if (!yield_until)
                                yield_until = now + NAP_NS + (uint64_t)(2e9 / rate_pps(&g->rate));
                        if (now < yield_until) {
                                send_flush(s);
                                clock_sleep_until(MIN(now + NAP_NS / 4, yield_until));
                                continue;
                        }
                }
                eng_charge_closed(g);
                /* What is taken frame by frame would leave frame by frame, a system call and a sleep each. */
                unsigned turn = send_turn(g), left = turn - MIN(s->n_handed, turn);
                uint64_t when = rate_when(&g->rate, s->n_handed || s->urgent ? 1 : turn);
                unsigned n = when <= now ? rate_take(&g->rate, MIN(want, left), now) : 0;
                s->n_taken += n;
                if (n)
                        return n;
                if (s->n_handed)
                        send_flush(s);
                else
                        clock_sleep_until(MIN(when, now + 50 * NS_PER_MS));
        }
}

/* ---- sending ---- */

/* Targets of one path. `mac` holds one for all, or one each. */
static bool send_part(struct sender *s, uint16_t id, const struct target_batch *b, const uint64_t *mac,
                      bool same_mac)
{
        const struct eng *g = s->g;
        uint64_t now = clock_mono_ns();
        uint8_t bytes[8];
        memcpy(bytes, mac, 8);
        scan_syn.patch(s->patch, &g->paths[id].tmpl, b, g->key.cookie, bytes, id, (uint32_t)(now / 1000));
        for (unsigned i = 1; i < b->n && !same_mac; i++)
                memcpy(s->patch[i].mac, &mac[i], 6);
        for (unsigned done = 0;; now = clock_mono_ns()) {
                unsigned may = wait_turn(s, b->n - done, now);
                if (!may || !hand_in(s, id, s->patch + done, may))
                        return false;
                done += may;
                if (done == b->n)
                        return true;
        }
}

/* Several paths: those of one are picked out, sent, and so on. */
static bool send_mixed(struct sender *s, const struct routed *r)
{
        bool sent[BATCH_MAX] = {false};
        for (unsigned first = 0; first < r->b.n; first++) {
                uint16_t id = r->path[first];
                s->part.family = r->b.family;
                s->part.n = 0;
                for (unsigned i = first; i < r->b.n && !sent[first]; i++)
                        if (!sent[i] && r->path[i] == id) {
                                sent[i] = i != first;
                                s->part_mac[s->part.n] = r->mac[i];
                                move(&s->part, s->part.n++, &r->b, i);
                        }
                if (s->part.n && !send_part(s, id, &s->part, s->part_mac, false))
                        return false;
        }
        return true;
}

bool send_targets(struct sender *s, const struct routed *r)
{
        if (!r->b.n)
                return true;
        if (!r->same_path)
                return send_mixed(s, r);
        return send_part(s, r->path[0], &r->b, r->mac, r->same_mac);
}
