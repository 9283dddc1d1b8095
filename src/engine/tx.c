// SPDX-License-Identifier: Apache-2.0
/*
 * tx: a transmit thread. It claims blocks of positions from the shared counter, turns them into targets and
 * patches, stamps frames into lent slots, and sends each block again while its targets stay silent.
 *
 *   claim ──> send ──> level 0 ──(delay)──> send the silent ones ──> level 1 ──> … ──> level r ──(horizon)──>
 * settled
 *
 * A block waits in the queue of its level; every level has one waiting time, so each queue is in order of
 * time and of position, and the lowest position this thread still owes anything is the least of the queues'
 * heads.
 */
#include "eng.h"
#include <stdlib.h>
#include <sys/prctl.h>

enum { BLOCK_MAX = 4096, LEVEL_BLOCKS = 1024, CHUNK_NS = 250000, NAP_NS = 100000 };

struct block {
        uint64_t first, end, due_ns;
};
struct level {
        struct block q[LEVEL_BLOCKS];
        unsigned head, n;
};
struct parked { /* waits for its next hop's MAC */
        struct tgt_probe probe;
        uint16_t path;
};
struct tx {
        struct eng *g;
        unsigned id, n_levels;
        struct counters *count;
        struct level *levels;
        struct parked *parked;
        size_t n_parked, cap_parked;
        uint64_t parked_look_ns;
        uint64_t sending; /* first position of the block being sent for the first time; MAX: none */
        bool exhausted;
};

static struct level *last_level(struct tx *t)
{
        return &t->levels[t->n_levels - 1];
}

static void publish_oldest(struct tx *t)
{
        uint64_t low = t->sending;
        for (unsigned i = 0; i < t->n_levels; i++)
                if (t->levels[i].n)
                        low = MIN(low, t->levels[i].q[t->levels[i].head].first);
        for (size_t i = 0; i < t->n_parked; i++)
                low = MIN(low, t->parked[i].probe.pos);
        atomic_store(&t->g->tx_oldest[t->id], low);
}

static void enqueue(struct tx *t, unsigned level, struct block b, uint64_t now_ns)
{
        const struct conf *c = t->g->conf;
        struct level *l = &t->levels[level];
        assert(l->n < LEVEL_BLOCKS);
        b.due_ns =
                now_ns + (uint64_t)((level + 1 < t->n_levels ? c->retry_delay_s : c->answer_horizon_s) * 1e9);
        l->q[(l->head + l->n++) % LEVEL_BLOCKS] = b;
}

static struct block dequeue(struct level *l)
{
        struct block b = l->q[l->head];
        l->head = (l->head + 1) % LEVEL_BLOCKS;
        l->n--;
        return b;
}

static bool stopping(const struct eng *g)
{
        return atomic_load_explicit(&((struct eng *)g)->stop, memory_order_relaxed) != STOP_NO;
}

/* The receive side has looked at everything that had arrived by then. */
static uint64_t caught_up_ns(struct eng *g)
{
        uint64_t t = UINT64_MAX;
        for (unsigned i = 0; i < g->n_rx; i++)
                t = MIN(t, atomic_load_explicit(&g->rx_caught_up_ns[i], memory_order_relaxed));
        return t;
}

static void settle(struct tx *t)
{
        struct level *l = last_level(t);
        uint64_t now = caught_up_ns(t->g);
        bool moved = false;
        while (l->n && l->q[l->head].due_ns <= now) {
                dequeue(l);
                moved = true;
        }
        if (moved)
                publish_oldest(t);
}

/* Waits until at least one frame may leave; returns how many of `want` may. 0: the scan is being stopped. */
static unsigned wait_turn(struct tx *t, unsigned want)
{
        struct eng *g = t->g;
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
                        clock_sleep_until(now + NAP_NS / 4);
                        continue;
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
        t->parked[t->n_parked++] = (struct parked){*p, path};
        atomic_store_explicit(&t->g->waiting_neigh, t->n_parked, memory_order_relaxed);
}

/* Next hop's MAC for one target. False: not to be sent now (parked), or never (counted). */
static bool find_mac(struct tx *t, const struct tgt_probe *p, uint16_t id, uint8_t mac[6])
{
        struct path *path = &t->g->paths[id];
        if (path->mac_known) {
                memcpy(mac, path->hop.them_mac, 6);
                return true;
        }
        struct ip_addr hop = path->kind == ROUTE_GATEWAY ? path->via : p->who.ip;
        hop.zone = 0;
        switch (io_neigh_find(t->g->neigh, t->g->devs[path->dev].ifindex, &hop, mac)) {
        case NEIGH_KNOWN:
                return true;
        case NEIGH_DEAD:
                COUNT(t->count->unresolved, 1);
                return false;
        case NEIGH_ASKING:
        case NEIGH_FULL:
                break;
        }
        park(t, p, id);
        return false;
}

static void send_one_path(struct tx *t, uint16_t id, const struct target *who, const uint8_t (*mac)[6],
                          unsigned n)
{
        struct eng *g = t->g;
        struct path *path = &g->paths[id];
        struct io *io = &g->devs[path->dev].tx[t->id];
        struct patch patch[ENG_BATCH];
        struct frame f[ENG_BATCH];
        scan_syn.patch(patch, &path->tmpl, who, n, g->key.cookie, (uint32_t)(clock_mono_ns() / 1000));
        for (unsigned done = 0; done < n;) {
                unsigned got = io_tx_reserve(io, f, n - done);
                for (unsigned i = 0; i < got; i++) {
                        struct patch *p = &patch[done + i];
                        p->path = id;
                        memcpy(p->mac, mac[done + i], 6);
                        wire_stamp(f[i].data, &path->tmpl, p);
                        f[i].len = path->tmpl.len;
                }
                if (got)
                        io_tx_commit(io, f, got);
                else
                        io_tx_kick(io);
                done += got;
        }
        io_tx_kick(io);
}

/* n targets whose tokens were taken: grouped by path in runs, sent in order. */
static void send_batch(struct tx *t, const struct tgt_probe *p, const uint16_t *path, const uint8_t (*mac)[6],
                       unsigned n)
{
        struct target who[ENG_BATCH];
        for (unsigned i = 0, run; i < n; i += run) {
                for (run = 0; i + run < n && path[i + run] == path[i]; run++)
                        who[run] = p[i + run].who;
                send_one_path(t, path[i], who, mac + i, run);
        }
        uint64_t now = clock_mono_ns();
        atomic_store_explicit(&t->g->last_send_ns, now, memory_order_relaxed);
        COUNT(t->count->probes, n);
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
                if (!find_mac(t, &p[i], id, mac[kept]))
                        continue;
                p[kept] = p[i];
                path[kept++] = id;
        }
        return kept;
}

static bool send_paced(struct tx *t, struct tgt_probe *p, uint16_t *path, uint8_t (*mac)[6], unsigned n)
{
        for (unsigned done = 0; done < n;) {
                unsigned may = wait_turn(t, n - done);
                if (!may)
                        return false;
                send_batch(t, p + done, path + done, (const uint8_t(*)[6])(mac + done), may);
                done += may;
        }
        return true;
}

/* --max-targets counts targets, not retries. */
static unsigned within_budget(struct tx *t, unsigned n)
{
        struct eng *g = t->g;
        uint64_t left = atomic_load(&g->targets_left);
        unsigned n_may;
        if (left == UINT64_MAX)
                return n;
        do {
                n_may = (unsigned)MIN((uint64_t)n, left);
        } while (!atomic_compare_exchange_weak(&g->targets_left, &left, left - n_may));
        if (n_may < n) {
                int no = STOP_NO;
                t->exhausted = true;
                atomic_compare_exchange_strong(&g->stop, &no, STOP_TARGETS);
        }
        return n_may;
}

static bool parked_full(const struct tx *t)
{
        return t->n_parked + ENG_BATCH > t->cap_parked;
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
                if (parked_full(t))
                        return pos;
                unsigned n = tgt_generate(g->plan, eng_order(g), &pos, end, 1, p, most);
                if (!retry) {
                        window_sent(&g->window, from,
                                    (uint32_t)((clock_mono_ns() - g->start_ns) / NS_PER_MS));
                        n = within_budget(t, n);
                        COUNT(t->count->targets, n);
                }
                unsigned kept = choose(t, p, path, mac, n, retry);
                if (retry)
                        COUNT(t->count->retries, kept);
                if (kept && !send_paced(t, p, path, mac, kept) && atomic_load(&g->stop) != STOP_TARGETS)
                        return from;
        }
        return end;
}

/* Parked targets whose next hop has answered meanwhile. */
static void look_at_parked(struct tx *t, uint64_t now_ns)
{
        size_t n = t->n_parked;
        if (!n || now_ns < t->parked_look_ns)
                return;
        t->parked_look_ns = now_ns + 20 * NS_PER_MS;
        t->n_parked = 0;
        for (size_t i = 0; i < n; i++) {
                struct parked x = t->parked[i]; /* parking again overwrites only what was read */
                uint8_t mac[1][6];
                if (stopping(t->g))
                        t->parked[t->n_parked++] = x;
                else if (find_mac(t, &x.probe, x.path, mac[0]))
                        send_paced(t, &x.probe, &x.path, mac, 1);
        }
        atomic_store_explicit(&t->g->waiting_neigh, t->n_parked, memory_order_relaxed);
        publish_oldest(t);
}

static unsigned block_size(const struct eng *g)
{
        double n = rate_pps(&g->rate) / 20 / g->n_tx;
        return n < 16 ? 16 : n > BLOCK_MAX ? BLOCK_MAX : (unsigned)n;
}

static bool due_retry(struct tx *t, uint64_t now_ns)
{
        for (unsigned i = 0; i + 1 < t->n_levels; i++) {
                struct level *l = &t->levels[i], *up = &t->levels[i + 1];
                if (!l->n || l->q[l->head].due_ns > now_ns || up->n == LEVEL_BLOCKS)
                        continue;
                struct block *b = &l->q[l->head];
                uint64_t done = send_span(t, b->first, b->end, true);
                if (done <
                    b->end) { /* stopped, or too many wait for neighbours: the rest stays where it is */
                        b->first = done;
                        return true;
                }
                enqueue(t, i + 1, *b, clock_mono_ns());
                dequeue(l);
                publish_oldest(t);
                return true;
        }
        return false;
}

static bool new_block(struct tx *t)
{
        struct eng *g = t->g;
        struct block b;
        if (t->exhausted || t->levels[0].n == LEVEL_BLOCKS || parked_full(t))
                return false;
        /* What we are about to claim is owed from this moment on: said before the claim, so that no one can
         * see the counter moved and not know who moved it. */
        t->sending = atomic_load(&g->window.next);
        publish_oldest(t);
        uint64_t n = window_claim(&g->window, &b.first, block_size(g), g->pos_end);
        if (!n) {
                t->exhausted = atomic_load(&g->window.next) >= g->pos_end;
                t->sending = UINT64_MAX;
                publish_oldest(t);
                return false;
        }
        b.end = b.first + n;
        for (t->sending = b.first; t->sending < b.end && !stopping(g);) {
                t->sending = send_span(t, t->sending, b.end, false);
                if (t->sending < b.end)
                        look_at_parked(t, clock_mono_ns());
        }
        if (t->sending < b.end) { /* stopped: what is left of the block stays owed */
                t->sending = b.first;
                publish_oldest(t);
                return false;
        }
        t->sending = UINT64_MAX;
        enqueue(t, 0, b, clock_mono_ns());
        publish_oldest(t);
        return true;
}

static bool all_sent(const struct tx *t)
{
        for (unsigned i = 0; i + 1 < t->n_levels; i++)
                if (t->levels[i].n)
                        return false;
        return t->exhausted && !t->n_parked;
}

static uint64_t next_due(const struct tx *t, uint64_t now_ns)
{
        uint64_t due = now_ns + 2 * NS_PER_MS;
        for (unsigned i = 0; i < t->n_levels; i++)
                if (t->levels[i].n)
                        due = MIN(due, t->levels[i].q[t->levels[i].head].due_ns);
        return MAX(due, now_ns + NAP_NS);
}

/* Frames the driver had no room for stay queued for the next kick: the last ones must not stay behind. */
static void drain(struct tx *t)
{
        for (unsigned d = 0; d < t->g->n_devs; d++) {
                struct io *io = &t->g->devs[d].tx[t->id];
                struct io_stats s = {0};
                uint64_t refused;
                unsigned tries = 0;
                do {
                        io->ops->stats(io->st, &s);
                        refused = s.tx_again;
                        io_tx_kick(io);
                        io->ops->stats(io->st, &s);
                        if (s.tx_again != refused)
                                clock_sleep_until(clock_mono_ns() + NS_PER_MS);
                } while (s.tx_again != refused && tries++ < 1000);
        }
}

static void run(struct tx *t)
{
        struct eng *g = t->g;
        while (!stopping(g) && !all_sent(t)) {
                uint64_t now = clock_mono_ns();
                settle(t);
                look_at_parked(t, now);
                if (!due_retry(t, now) && !new_block(t))
                        clock_sleep_until(next_due(t, now));
        }
        drain(t);
        atomic_fetch_sub(&g->tx_running, 1);
        /* What was sent last is owed until its horizon is over; the main thread ends the wait. */
        while (!atomic_load(&g->tx_quit) && last_level(t)->n) {
                clock_sleep_until(clock_mono_ns() + 10 * NS_PER_MS);
                settle(t);
        }
}

void *tx_thread(void *arg)
{
        const struct tx_arg *a = arg;
        struct eng *g = a->eng;
        struct tx t = {.g = g,
                       .id = a->id,
                       .sending = UINT64_MAX,
                       .count = &g->tx_count[a->id],
                       .n_levels = g->conf->retries + 1};
        t.cap_parked = MAX((size_t)g->conf->neigh_queue / g->n_tx, (size_t)(2 * ENG_BATCH));
        prctl(PR_SET_TIMERSLACK, 1);
        t.levels = calloc(t.n_levels, sizeof(*t.levels));
        t.parked = calloc(t.cap_parked, sizeof(*t.parked));
        if (t.levels && t.parked) {
                run(&t);
        } else {
                atomic_store(&g->stop, STOP_FAILED);
                atomic_fetch_sub(&g->tx_running, 1);
        }
        free(t.levels);
        free(t.parked);
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
