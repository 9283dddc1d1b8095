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
#include "send.h"
#include "steer.h"
#include <stdlib.h>
#include <sys/prctl.h>

enum {
        BLOCK_MIN = 16,
        NAP_NS = 100000,
        CANARIES = 256,
        FLIGHT_NS = 1000000000 /* an answer may have been under way so long when its link went down */
};

struct parked { /* waits for its next hop's MAC */
        struct target who;
        uint64_t pos;
        uint16_t path;
        unsigned held; /* the block it belongs to */
};
struct tx {
        struct sender send;
        struct eng *g;
        unsigned id;
        struct counters *count;
        struct blocks blocks;
        struct block now;  /* the block being sent for the first time */
        unsigned now_held; /* its slot when some of its targets are parked */
        struct parked *parked;
        size_t n_parked, cap_parked;
        uint64_t parked_look_ns;
        uint64_t since_ns; /* what was sent since then may have missed its answers; UINT64_MAX: nothing */
        bool exhausted;
};

uint64_t eng_caught_up_ns(const struct eng *g)
{
        uint64_t t = UINT64_MAX;
        for (unsigned i = 0; i < g->n_rx; i++) {
                uint64_t at =
                        atomic_load_explicit(&((struct eng *)g)->rx_caught_up_ns[i], memory_order_acquire);
                t = MIN(t, at);
        }
        return t;
}

/* Answers that an interface missed while it was down are not late: their targets are asked again first. */
static void settle(struct tx *t)
{
        if (atomic_load(&t->g->link_out) || t->since_ns != UINT64_MAX ||
            atomic_load(&t->g->recall_since_ns[t->id]) != UINT64_MAX)
                return;
        blocks_settle(&t->blocks, eng_caught_up_ns(t->g));
}

static void idle(void *tx)
{
        settle(tx);
}

static void park(void *tx, const struct target *who, uint64_t pos, uint16_t path)
{
        struct tx *t = tx;
        assert(t->n_parked < t->cap_parked);
        if (t->now_held == HELD_NONE)
                t->now_held = blocks_hold(&t->blocks, t->now);
        t->blocks.held[t->now_held].waiting++;
        t->parked[t->n_parked++] = (struct parked){*who, pos, path, t->now_held};
        atomic_store_explicit(&t->count->parked, t->n_parked, memory_order_relaxed);
}

static bool parked_full(const struct tx *t)
{
        return t->n_parked + 2 * BATCH_MAX > t->cap_parked;
}

static void note_sent(struct eng *g, uint64_t from, uint64_t end)
{
        uint32_t now_ms = (uint32_t)((clock_mono_ns() - g->start_ns) / NS_PER_MS);
        for (uint64_t p = from; p < end; p = (p | 63) + 1)
                window_sent(&g->window, p, now_ms);
}

/* One burst's worth of targets, of one family. */
static bool send_family(struct tx *t, struct routed *r, bool retry)
{
        if (!retry)
                COUNT(t->count->targets, r->b.n);
        send_route(&t->send, r, retry);
        if (retry)
                COUNT(t->count->retries, r->b.n);
        return send_targets(&t->send, r);
}

/* Sends positions [first, end). Returns the position up to which all were dealt with. */
static uint64_t send_span(struct tx *t, uint64_t first, uint64_t end, bool retry)
{
        struct eng *g = t->g;
        struct routed *v4 = &t->send.v4, *v6 = &t->send.v6;
        double per_ms = rate_pps(&g->rate) / 1000;
        unsigned most = per_ms >= BATCH_MAX ? BATCH_MAX : per_ms < 1 ? 1 : (unsigned)per_ms;
        for (uint64_t pos = first; pos < end;) {
                uint64_t from = pos;
                if (send_stopping(g))
                        return first; /* what was handed in may not have left */
                if (!retry && parked_full(t))
                        return send_flush(&t->send) ? pos : first;
                v4->b.n = v6->b.n = 0;
                tgt_generate(g->plan, eng_order(g), &pos, end, most, &v4->b, &v6->b);
                if (!retry)
                        note_sent(g, from, pos);
                if (!send_family(t, v4, retry) || !send_family(t, v6, retry))
                        return first;
        }
        return send_flush(&t->send) ? end : first;
}

/* A parked target whose next hop is known now. */
static bool send_parked(struct tx *t, const struct parked *x, uint64_t mac)
{
        struct routed *r = x->who.ip.family == 4 ? &t->send.v4 : &t->send.v6;
        struct target_batch *b = &r->b;
        b->n = 1;
        b->family = x->who.ip.family;
        b->pos[0] = x->pos;
        b->lo[0] = x->who.ip.lo;
        b->hi[0] = x->who.ip.hi;
        b->zone[0] = x->who.ip.zone;
        b->flat[0] = tgt_flat_port(&x->who);
        r->path[0] = x->path;
        r->mac[0] = mac;
        r->same_path = r->same_mac = true;
        t->send.urgent = true;
        bool sent = send_targets(&t->send, r) && send_flush(&t->send);
        t->send.urgent = false;
        return sent;
}

/* Parked targets whose next hop has answered meanwhile, or is given up. False: nothing moved. */
static bool look_at_parked(struct tx *t, uint64_t now_ns)
{
        size_t n = t->n_parked, i = 0;
        if (!n || now_ns < t->parked_look_ns)
                return false;
        t->parked_look_ns = now_ns + 20 * NS_PER_MS;
        t->n_parked = 0;
        for (; i < n && !send_stopping(t->g); i++) {
                struct parked x = t->parked[i]; /* keeping one overwrites only what was read */
                uint64_t mac;
                enum io_neigh_state s = send_find_mac(&t->send, &x.who, x.path, &mac);
                if (s == NEIGH_KNOWN && !send_parked(t, &x, mac))
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

/* Targets known to answer are probed again, as --rate auto wants it: first of all, or they would tell of a
 * moment that is over. */
static void send_canaries(struct tx *t)
{
        struct eng *g = t->g;
        struct canary_call call[CANARIES]; /* more than fall due while a block is sent: none may queue up */
        unsigned n = steer_due(g->steer, t->id, call, CANARIES);
        for (unsigned i = 0; i < n && !send_stopping(g); i++) {
                struct parked x = {.pos = tgt_order_pos(eng_order(g), call[i].index)};
                uint64_t mac;
                tgt_plan_pick(g->plan, call[i].index, &x.who);
                x.path = eng_path_of(g, &x.who.ip, x.pos);
                if (x.path == ENG_NO_PATH || send_find_mac(&t->send, &x.who, x.path, &mac) != NEIGH_KNOWN)
                        continue;
                steer_sent(g->steer, &call[i], clock_mono_ns());
                if (send_parked(t, &x, mac))
                        COUNT(t->count->retries, 1);
        }
}

/* For an answer, for a next hop, or for blocks to become due: --rate auto learns nothing from that time. */
static void wait_until(struct tx *t, uint64_t until_ns)
{
        uint64_t from_ns = clock_mono_ns();
        clock_sleep_until(until_ns);
        COUNT(t->count->waited_ns, clock_mono_ns() - from_ns);
}

static unsigned block_size(const struct eng *g)
{
        double n = rate_pps(&g->rate) / 20 / g->n_tx;
        return n < BLOCK_MIN ? BLOCK_MIN : n > ENG_BLOCK ? ENG_BLOCK : (unsigned)n;
}

/* A block whose silent targets are due for another probe. Due means: what had arrived by then was looked at.
 */
static bool due_retry(struct tx *t, uint64_t now_ns)
{
        unsigned level;
        uint64_t heard_ns = eng_caught_up_ns(t->g);
        struct block *b = blocks_due(&t->blocks, MIN(now_ns, heard_ns), &level);
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
                if (send_stopping(t->g))
                        return true; /* the whole block stays owed */
                if (pos < t->now.end && !look_at_parked(t, clock_mono_ns()))
                        wait_until(t, clock_mono_ns() + NS_PER_MS);
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
        unsigned at = 0;
        if (atomic_load(&g->link_out))
                return;
        if (atomic_load(&g->recall_since_ns[t->id]) != UINT64_MAX) {
                atomic_store(&g->recalling[t->id], true); /* first: at no moment both words say "nothing" */
                uint64_t recall_ns = atomic_exchange(&g->recall_since_ns[t->id], UINT64_MAX);
                t->since_ns = MIN(t->since_ns, recall_ns);
        }
        if (t->since_ns == UINT64_MAX)
                return;
        for (struct block *b; (b = blocks_recall(&t->blocks, t->since_ns - FLIGHT_NS, &at));) {
                if (send_span(t, b->first, b->end, true) != b->end)
                        return; /* stopped: all of it stays owed */
                blocks_recalled(&t->blocks, b, clock_mono_ns());
        }
        t->since_ns = UINT64_MAX;
        atomic_store(&g->recalling[t->id], false);
}

static void run(struct tx *t)
{
        struct eng *g = t->g;
        while (!send_stopping(g) && !(t->exhausted && !blocks_retries_left(&t->blocks))) {
                uint64_t now = clock_mono_ns();
                make_good(t);
                settle(t);
                send_canaries(t);
                bool moved = look_at_parked(t, now);
                if (!due_retry(t, now) && !new_block(t) && !moved)
                        wait_until(t, MAX(blocks_next_due(&t->blocks, now + 2 * NS_PER_MS), now + NAP_NS));
        }
        send_let_go(&t->send); /* of what a stop has cut off */
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
        size_t size = (sizeof(struct tx) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
        struct tx *t = aligned_alloc(CACHE_LINE, size);
        prctl(PR_SET_TIMERSLACK, 1);
        eng_place(g, true, a->id);
        if (t) {
                memset(t, 0, size);
                t->g = t->send.g = g;
                t->id = t->send.id = a->id;
                t->count = t->send.count = &g->tx_count[a->id];
                t->send.park = park;
                t->send.idle = idle;
                t->send.owner = t;
                t->since_ns = UINT64_MAX;
                atomic_store(&g->recall_since_ns[t->id], UINT64_MAX); /* it has sent nothing yet */
                atomic_store(&g->recalling[t->id], false);
                t->cap_parked = MAX((size_t)g->conf->neigh_queue / g->n_tx, (size_t)(4 * BATCH_MAX));
                t->parked = calloc(t->cap_parked, sizeof(*t->parked));
        }
        if (t && t->parked && !blocks_init(&t->blocks, g, a->id)) {
                run(t);
                send_let_go(&t->send);
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

static uint64_t oldest_of(_Atomic uint64_t *of, unsigned n, uint64_t low)
{
        for (unsigned i = 0; i < n; i++) {
                uint64_t owed = atomic_load(&of[i]);
                low = MIN(low, owed);
        }
        return low;
}

uint64_t eng_settled(const struct eng *g)
{
        struct eng *w = (struct eng *)g;
        uint64_t low = oldest_of(w->tx_oldest, g->n_tx, atomic_load(&w->window.next));
        return oldest_of(w->rx_oldest, g->conf->banners ? g->n_rx : 0, low);
}
