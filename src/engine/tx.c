// SPDX-License-Identifier: Apache-2.0
/*
 * tx: a transmit thread. It claims blocks of positions from the shared counter, turns them into targets and
 * patches, stamps frames into lent slots, and sends each block again while its targets stay silent.
 *
 *   claim ──> send ──> level 0 ──(delay)──> send the silent ones ──> level 1 ──> … ──(horizon)──> settled
 *               └─ some wait for ARP/NDP: the block is held ─┘
 *
 * The thread owes everything from the lowest first position of its blocks on; blocks.c keeps the queues.
 */
#include "blocks.h"
#include <stdlib.h>
#include <sys/prctl.h>

enum {
        BLOCK_MIN = 16,
        BLOCK_MAX = 4096,
        CHUNK_NS = 250000,
        NAP_NS = 100000,
        FULL_NS = 2000000, /* a ring that is only full moves within this; a link that is down does not */
        REST_NS = 2000000,
        PAUSE_NS = 50000000,   /* so long in one batch: the link was down, not this machine busy */
        FLIGHT_NS = 1000000000 /* an answer may have been under way so long when its link went down */
};

struct parked { /* waits for its next hop's MAC */
        struct tgt_probe probe;
        uint16_t path;
        unsigned held; /* the block it belongs to */
};
struct tx {
        struct eng *g;
        unsigned id;
        struct counters *count;
        struct blocks blocks;
        struct block now;  /* the block being sent for the first time */
        unsigned now_held; /* its slot when some of its targets are parked */
        struct parked *parked;
        size_t n_parked, cap_parked;
        uint64_t parked_look_ns;
        uint64_t outages; /* that were made good */
        bool exhausted;
};

static bool stopping(const struct eng *g)
{
        return atomic_load_explicit(&((struct eng *)g)->stop, memory_order_relaxed) != STOP_NO;
}

/* The receive side has looked at everything that had arrived by then. */
static uint64_t caught_up_ns(struct eng *g)
{
        uint64_t t = UINT64_MAX;
        for (unsigned i = 0; i < g->n_rx; i++)
                t = MIN(t, atomic_load_explicit(&g->rx_caught_up_ns[i], memory_order_acquire));
        return t;
}

/* Answers that an interface missed while it was down are not late: their targets are asked again first. */
static void settle(struct tx *t)
{
        if (atomic_load(&t->g->link_out) || atomic_load(&t->g->outages) != t->outages)
                return;
        blocks_settle(&t->blocks, caught_up_ns(t->g));
}

/* Waits until at least one frame may leave; returns how many of `want` may. 0: the scan is being stopped. */
static unsigned wait_turn(struct tx *t, unsigned want)
{
        struct eng *g = t->g;
        uint64_t yield_until = 0; /* replies go first, but not all the time: two frames' worth of it */
        for (;;) {
                uint64_t now = clock_mono_ns();
                if (stopping(g))
                        return 0;
                if (atomic_load_explicit(&g->tx_pause, memory_order_relaxed)) {
                        clock_sleep_until(now + NS_PER_MS);
                        if (!atomic_load_explicit(&g->tx_pause, memory_order_relaxed))
                                rate_restart(&g->rate, clock_mono_ns());
                        settle(t);
                        continue;
                }
                if (atomic_load_explicit(&g->rate.replies_waiting, memory_order_relaxed)) {
                        if (!yield_until)
                                yield_until = now + NAP_NS + (uint64_t)(2e9 / rate_pps(&g->rate));
                        if (now < yield_until) {
                                clock_sleep_until(MIN(now + NAP_NS / 4, yield_until));
                                continue;
                        }
                }
                unsigned n = rate_take(&g->rate, want, now);
                if (n)
                        return n;
                double chunk = rate_pps(&g->rate) * CHUNK_NS / 1e9;
                unsigned frames = chunk < 1 ? 1 : chunk > want ? want : (unsigned)chunk;
                clock_sleep_until(MIN(rate_when(&g->rate, frames), now + 50 * NS_PER_MS));
        }
}

static void park(struct tx *t, const struct tgt_probe *p, uint16_t path)
{
        assert(t->n_parked < t->cap_parked);
        if (t->now_held == HELD_NONE)
                t->now_held = blocks_hold(&t->blocks, t->now);
        t->blocks.held[t->now_held].waiting++;
        t->parked[t->n_parked++] = (struct parked){*p, path, t->now_held};
        atomic_store_explicit(&t->count->parked, t->n_parked, memory_order_relaxed);
}

/* Next hop's MAC for one target. NEIGH_ASKING: not known yet. */
static enum io_neigh_state find_mac(struct tx *t, const struct target *who, uint16_t id, uint8_t mac[6])
{
        struct path *path = &t->g->paths[id];
        if (path->mac_known || path->kind == ROUTE_GATEWAY) {
                uint64_t word = atomic_load_explicit(&path->mac, memory_order_relaxed);
                memcpy(mac, &word, 6);
                return NEIGH_KNOWN;
        }
        struct ip_addr hop = who->ip;
        hop.zone = 0;
        return io_neigh_find(t->g->neigh, t->id, t->g->devs[path->dev].ifindex, &hop, mac);
}

/* Kicks until all that was handed in has left: not before that does a probe count as sent. A full ring
 * empties in microseconds, so at first it asks again at once; when nothing moves it sleeps in between.
 * Returns how many frames are left because the scan is being stopped. */
static unsigned kick_out(const struct eng *g, struct io *io)
{
        struct io_stats s = {0};
        uint64_t waiting = 0, since_ns = 0;
        for (;;) {
                io_tx_kick(io);
                io->ops->stats(io->st, &s);
                if (!s.tx_waiting || stopping(g))
                        return (unsigned)s.tx_waiting;
                uint64_t now = clock_mono_ns();
                if (s.tx_waiting != waiting)
                        since_ns = now;
                waiting = s.tx_waiting;
                if (now - since_ns > FULL_NS)
                        clock_sleep_until(now + REST_NS);
        }
}

/* Returns how many have left: all, unless the scan is being stopped. */
static unsigned send_one_path(struct tx *t, uint16_t id, const struct target *who, const uint8_t (*mac)[6],
                              unsigned n)
{
        struct eng *g = t->g;
        struct path *path = &g->paths[id];
        struct io *io = &g->devs[path->dev].tx[t->id];
        struct patch patch[ENG_BATCH];
        struct frame f[ENG_BATCH];
        unsigned done = 0, left = 0;
        scan_syn.patch(patch, &path->tmpl, who, n, g->key.cookie, (uint32_t)(clock_mono_ns() / 1000));
        while (done < n && !left) {
                unsigned got = io_tx_reserve(io, f, n - done);
                for (unsigned i = 0; i < got; i++) {
                        struct patch *p = &patch[done + i];
                        p->path = id;
                        memcpy(p->mac, mac[done + i], 6);
                        wire_stamp(f[i].data, &path->tmpl, p);
                        f[i].len = path->tmpl.len;
                }
                io_tx_commit(io, f, got);
                done += got;
                left = kick_out(g, io);
        }
        return done - left;
}

/* n targets whose tokens were taken: grouped by path in runs, sent in order. False: not all, for the scan is
 * being stopped. */
static bool send_batch(struct tx *t, const struct tgt_probe *p, const uint16_t *path, const uint8_t (*mac)[6],
                       unsigned n)
{
        struct target who[ENG_BATCH];
        uint64_t began = clock_mono_ns();
        unsigned sent = 0;
        for (unsigned i = 0, run; i < n && sent == i; i += run) {
                for (run = 0; i + run < n && path[i + run] == path[i]; run++)
                        who[run] = p[i + run].who;
                sent += send_one_path(t, path[i], who, mac + i, run);
        }
        uint64_t now = clock_mono_ns();
        atomic_store_explicit(&t->g->last_send_ns, now, memory_order_relaxed);
        COUNT(t->count->probes, sent);
        if (now - began > PAUSE_NS)
                rate_restart(&t->g->rate, now);
        return sent == n;
}

/* Keeps what can be sent now; the rest is parked, unreachable or (retries) answered. Returns how many are
 * left. */
static unsigned choose(struct tx *t, struct tgt_probe *p, uint16_t *path, uint8_t (*mac)[6], unsigned n,
                       bool retry)
{
        unsigned kept = 0;
        for (unsigned i = 0; i < n; i++) {
                if (retry && window_answered(&t->g->window, p[i].pos))
                        continue;
                uint16_t id = eng_path_of(t->g, &p[i].who.ip, p[i].pos);
                if (id == ENG_NO_PATH) {
                        if (!retry)
                                COUNT(t->count->unreachable, 1);
                        continue;
                }
                enum io_neigh_state s = find_mac(t, &p[i].who, id, mac[kept]);
                if (s == NEIGH_KNOWN) {
                        p[kept] = p[i];
                        path[kept++] = id;
                } else if (!retry && s != NEIGH_DEAD) {
                        park(t, &p[i], id);
                } else {
                        COUNT(t->count->unresolved, 1);
                }
        }
        return kept;
}

static bool send_paced(struct tx *t, struct tgt_probe *p, uint16_t *path, uint8_t (*mac)[6], unsigned n)
{
        for (unsigned done = 0; done < n;) {
                unsigned may = wait_turn(t, n - done);
                if (!may)
                        return false;
                if (!send_batch(t, p + done, path + done, (const uint8_t(*)[6])(mac + done), may))
                        return false;
                done += may;
        }
        return true;
}

static bool parked_full(const struct tx *t)
{
        return t->n_parked + ENG_BATCH > t->cap_parked;
}

static void note_sent(struct eng *g, uint64_t from, uint64_t end)
{
        uint32_t now_ms = (uint32_t)((clock_mono_ns() - g->start_ns) / NS_PER_MS);
        for (uint64_t p = from; p < end; p = (p | 63) + 1)
                window_sent(&g->window, p, now_ms);
}

/* Sends positions [first, end). Returns the position up to which all were dealt with. */
static uint64_t send_span(struct tx *t, uint64_t first, uint64_t end, bool retry)
{
        struct eng *g = t->g;
        struct tgt_probe p[ENG_BATCH];
        uint16_t path[ENG_BATCH];
        uint8_t mac[ENG_BATCH][6];
        double per_ms = rate_pps(&g->rate) / 1000;
        unsigned most = per_ms >= ENG_BATCH ? ENG_BATCH : per_ms < 1 ? 1 : (unsigned)per_ms;
        for (uint64_t pos = first; pos < end;) {
                uint64_t from = pos;
                if (stopping(g) || (!retry && parked_full(t)))
                        return pos;
                unsigned n = tgt_generate(g->plan, eng_order(g), &pos, end, 1, p, most);
                if (!retry) {
                        note_sent(g, from, pos);
                        COUNT(t->count->targets, n);
                }
                unsigned kept = choose(t, p, path, mac, n, retry);
                if (kept && !send_paced(t, p, path, mac, kept))
                        return from;
                if (retry)
                        COUNT(t->count->retries, kept);
        }
        return end;
}

/* Parked targets whose next hop has answered meanwhile, or is given up. False: nothing moved. */
static bool look_at_parked(struct tx *t, uint64_t now_ns)
{
        size_t n = t->n_parked, i = 0;
        if (!n || now_ns < t->parked_look_ns)
                return false;
        t->parked_look_ns = now_ns + 20 * NS_PER_MS;
        t->n_parked = 0;
        for (; i < n && !stopping(t->g); i++) {
                struct parked x = t->parked[i]; /* keeping one overwrites only what was read */
                uint8_t mac[1][6];
                enum io_neigh_state s = find_mac(t, &x.probe.who, x.path, mac[0]);
                if (s == NEIGH_KNOWN && !send_paced(t, &x.probe, &x.path, mac, 1))
                        break;
                if (s == NEIGH_DEAD)
                        COUNT(t->count->unresolved, 1);
                if (s == NEIGH_KNOWN || s == NEIGH_DEAD)
                        blocks_release(&t->blocks, x.held, clock_mono_ns());
                else
                        t->parked[t->n_parked++] = x;
        }
        bool moved = t->n_parked < i;
        while (i < n) /* stopped: these stay */
                t->parked[t->n_parked++] = t->parked[i++];
        atomic_store_explicit(&t->count->parked, t->n_parked, memory_order_relaxed);
        return moved;
}

static unsigned block_size(const struct eng *g)
{
        double n = rate_pps(&g->rate) / 20 / g->n_tx;
        return n < BLOCK_MIN ? BLOCK_MIN : n > BLOCK_MAX ? BLOCK_MAX : (unsigned)n;
}

/* A block whose silent targets are due for another probe. Due means: what had arrived by then was looked at.
 */
static bool due_retry(struct tx *t, uint64_t now_ns)
{
        unsigned level;
        struct block *b = blocks_due(&t->blocks, MIN(now_ns, caught_up_ns(t->g)), &level);
        if (!b)
                return false;
        uint64_t done = send_span(t, b->first, b->end, true);
        if (done == b->end)
                blocks_advance(&t->blocks, level, clock_mono_ns());
        return true; /* else: the scan is being stopped, the whole block stays owed */
}

static bool claim(struct tx *t)
{
        struct eng *g = t->g;
        /* What we are about to claim is owed from this moment on: said before the claim, so that no one can
         * see the counter moved and not know who moved it. */
        t->blocks.sending = atomic_load(&g->window.next);
        blocks_publish(&t->blocks);
        uint64_t n = window_claim(&g->window, &t->now.first, block_size(g), g->pos_end);
        t->now.end = t->now.first + n;
        t->now_held = HELD_NONE;
        t->blocks.sending = n ? t->now.first : UINT64_MAX;
        if (!n) {
                t->exhausted = atomic_load(&g->window.next) >= g->pos_end;
                blocks_publish(&t->blocks);
        }
        return n > 0;
}

static bool new_block(struct tx *t)
{
        if (t->exhausted || blocks_full(&t->blocks) || parked_full(t) || !claim(t))
                return false;
        for (uint64_t pos = t->now.first; pos < t->now.end;) {
                pos = send_span(t, pos, t->now.end, false);
                if (stopping(t->g))
                        return true; /* the whole block stays owed */
                if (pos < t->now.end && !look_at_parked(t, clock_mono_ns()))
                        clock_sleep_until(clock_mono_ns() + NS_PER_MS);
        }
        t->blocks.sending = UINT64_MAX;
        if (t->now_held == HELD_NONE)
                blocks_enqueue(&t->blocks, 0, t->now, clock_mono_ns());
        else
                blocks_release(&t->blocks, t->now_held, clock_mono_ns()); /* it held itself once */
        t->now_held = HELD_NONE;
        blocks_publish(&t->blocks);
        return true;
}

/* After an outage. What was asked shortly before it, or was in the driver's ring, has its answers missing:
 * those targets that kept silent are probed once more. */
static void make_good(struct tx *t)
{
        struct eng *g = t->g;
        uint64_t n = atomic_load(&g->outages), since = atomic_load(&g->outage_since_ns) - FLIGHT_NS;
        unsigned at = 0;
        if (n == t->outages || atomic_load(&g->link_out))
                return;
        for (struct block *b; (b = blocks_recall(&t->blocks, since, &at));) {
                if (send_span(t, b->first, b->end, true) != b->end)
                        return; /* stopped: all of it stays owed */
                blocks_recalled(&t->blocks, b, clock_mono_ns());
        }
        t->outages = n;
}

static void run(struct tx *t)
{
        struct eng *g = t->g;
        while (!stopping(g) && !(t->exhausted && !blocks_retries_left(&t->blocks))) {
                uint64_t now = clock_mono_ns();
                make_good(t);
                settle(t);
                bool moved = look_at_parked(t, now);
                if (!due_retry(t, now) && !new_block(t) && !moved)
                        clock_sleep_until(
                                MAX(blocks_next_due(&t->blocks, now + 2 * NS_PER_MS), now + NAP_NS));
        }
        atomic_fetch_sub(&g->tx_running, 1);
        /* What was sent last is owed until its horizon is over; the main thread ends the wait. */
        while (!atomic_load(&g->tx_quit)) {
                clock_sleep_until(clock_mono_ns() + 10 * NS_PER_MS);
                make_good(t);
                settle(t);
        }
}

void *tx_thread(void *arg)
{
        const struct tx_arg *a = arg;
        struct eng *g = a->eng;
        struct tx *t = calloc(1, sizeof(*t));
        prctl(PR_SET_TIMERSLACK, 1);
        if (t) {
                t->g = g;
                t->id = a->id;
                t->count = &g->tx_count[a->id];
                t->outages = atomic_load(&g->outages);
                t->cap_parked = MAX((size_t)g->conf->neigh_queue / g->n_tx, (size_t)(2 * ENG_BATCH));
                t->parked = calloc(t->cap_parked, sizeof(*t->parked));
        }
        if (t && t->parked && !blocks_init(&t->blocks, g, a->id)) {
                run(t);
        } else {
                atomic_store(&g->stop, STOP_FAILED);
                atomic_fetch_sub(&g->tx_running, 1);
        }
        if (t) {
                blocks_free(&t->blocks);
                free(t->parked);
        }
        free(t);
        return NULL;
}

uint64_t eng_settled(const struct eng *g)
{
        struct eng *w = (struct eng *)g;
        uint64_t low = atomic_load(&w->window.next);
        for (unsigned i = 0; i < g->n_tx; i++)
                low = MIN(low, atomic_load(&w->tx_oldest[i]));
        return low;
}
