// SPDX-License-Identifier: Apache-2.0
/*
 * canary: the table of canary.h, direct-mapped by a hash of the plan index, so that receive threads look at
 * one slot and no more.
 *
 *   RESTS ──due──> QUEUED ──tx sent──> SENT ──answer: kept, wait over──> RESTS
 *                     ^                  │ no answer in WAIT
 *                     └──── second try ──┘ twice: gone, the slot is free for another
 *
 * A sample ends at a fixed age, whatever happened: quick answers do not count earlier than missing ones, or
 * an early look at the sums would see too few losses.
 */
#include "canary.h"
#include <stdlib.h>
#include <string.h>

/* The pause between two samples of a target keeps it from noticing. */
static const uint64_t wait_min_ns = 600 * NS_PER_MS, wait_max_ns = 5 * NS_PER_S, rest_ns = NS_PER_S,
                      look_gap_ns = 20 * NS_PER_MS, queue_max_ns = 2 * NS_PER_S;
/* A probe is stamped a little before canary_sent() is told; a repeated SYN-ACK is a second late at least. */
static const uint64_t slack_ns = 100 * NS_PER_MS;

int canaries_init(struct canaries *c, unsigned n_tx, struct err *e)
{
        memset(c, 0, sizeof(*c));
        assert(n_tx && n_tx <= CANARY_TX_MAX);
        c->wait_ns = wait_min_ns;
        c->slots = calloc(CANARY_SLOTS, sizeof(*c->slots));
        if (!c->slots)
                return err_set(e, 0, "out of memory for the canaries of --rate auto");
        for (; c->n_tx < n_tx; c->n_tx++)
                if (ring_init(&c->due[c->n_tx], CANARY_RING_LOG2, sizeof(struct canary_call), e)) {
                        canaries_free(c);
                        return -1;
                }
        return 0;
}

void canaries_free(struct canaries *c)
{
        for (unsigned i = 0; i < c->n_tx; i++)
                ring_free(&c->due[i]);
        free(c->slots);
        memset(c, 0, sizeof(*c));
}

void canaries_expect(struct canaries *c, uint64_t rtt_ns)
{
        c->wait_ns = MIN(MAX(rtt_ns + rtt_ns / 2 + 200 * NS_PER_MS, wait_min_ns), wait_max_ns);
}

/* ---- receive threads ---- */
bool canary_heard(struct canaries *c, uint64_t index, unsigned state, uint64_t now_ns, uint32_t rtt_us)
{
        uint64_t none = 0, key = index + 1, since_ns = now_ns - MIN(now_ns, (uint64_t)rtt_us * 1000);
        struct canary *x = &c->slots[hash_mix64(index) % CANARY_SLOTS];
        uint64_t is = atomic_load_explicit(&x->key, memory_order_acquire);
        if (!is) {
                if (!atomic_compare_exchange_strong(&x->key, &none, key))
                        return false;
                atomic_store_explicit(&x->state, state, memory_order_relaxed);
                return false;
        }
        if (is != key)
                return false;
        if (since_ns >
            atomic_load_explicit(&x->heard_ns, memory_order_relaxed)) /* a late repeat hides nothing */
                atomic_store_explicit(&x->heard_ns, since_ns, memory_order_release);
        return atomic_exchange_explicit(&x->state, state, memory_order_relaxed) >= state;
}

/* ---- transmit threads ---- */
unsigned canary_due(struct canaries *c, unsigned tx, struct canary_call *calls, unsigned most)
{
        return ring_pop(&c->due[tx], calls, most);
}

void canary_sent(struct canaries *c, const struct canary_call *call, uint64_t now_ns)
{
        struct canary *x = &c->slots[call->slot];
        if (atomic_load_explicit(&x->key, memory_order_relaxed) == call->index + 1)
                atomic_store_explicit(&x->sent_ns, now_ns, memory_order_release);
}

/* ---- the main thread ---- */
static void give_up(struct canary *x)
{
        x->phase = CANARY_FREE;
        atomic_store(&x->state, 0);
        atomic_store(&x->key, 0);
}

static void rest(struct canary *x, uint64_t now_ns)
{
        x->phase = CANARY_RESTS;
        x->rest_until_ns = now_ns + rest_ns;
}

static bool ask(struct canaries *c, struct canary *x, uint64_t now_ns)
{
        struct canary_call call = {x->key_seen - 1, (uint32_t)(x - c->slots)};
        atomic_store(&x->sent_ns, 0);
        if (!ring_push(&c->due[c->next_tx++ % c->n_tx], &call))
                return false;
        x->phase = CANARY_QUEUED;
        x->first_ns = x->tries == 1 ? now_ns : x->first_ns;
        return true;
}

/* A probe that was sent: is it answered, and is it time to say so? */
static void follow(struct canaries *c, struct canary *x, unsigned step, uint64_t now_ns,
                   struct canary_sums *sums)
{
        uint64_t sent_ns = atomic_load(&x->sent_ns),
                 heard_ns = atomic_load_explicit(&x->heard_ns, memory_order_acquire);
        bool answered = heard_ns + slack_ns >= sent_ns;
        if (now_ns < sent_ns + c->wait_ns)
                return;
        if (x->tries == 1 && answered) {
                x->kept = true;
                if (now_ns < sent_ns + 2 * c->wait_ns)
                        return;
        }
        if (x->tries == 1 && !x->kept) {
                x->tries = 2;
                if (!ask(c, x, now_ns))
                        rest(x, now_ns); /* not followed up: no sample */
                return;
        }
        if (x->step == step) {
                sums->kept += x->kept;
                sums->lost += !x->kept && answered;
                sums->gone += !x->kept && !answered;
        }
        if (x->kept || answered)
                rest(x, now_ns);
        else
                give_up(x);
}

static void look_at(struct canaries *c, struct canary *x, unsigned step, uint64_t now_ns,
                    struct canary_sums *sums)
{
        if (x->phase == CANARY_FREE) {
                x->key_seen = atomic_load_explicit(&x->key, memory_order_acquire);
                if (x->key_seen)
                        rest(x, now_ns);
        } else if (x->phase == CANARY_QUEUED && atomic_load_explicit(&x->sent_ns, memory_order_acquire)) {
                x->phase = CANARY_SENT;
        } else if (x->phase == CANARY_QUEUED && now_ns > x->first_ns + queue_max_ns + c->wait_ns) {
                rest(x, now_ns); /* never sent: probes wait for something, or all is sent */
        }
        if (x->phase == CANARY_SENT)
                follow(c, x, step, now_ns, sums);
}

static void begin_samples(struct canaries *c, unsigned step, uint64_t now_ns)
{
        for (unsigned i = 0; i < CANARY_SLOTS && c->credit >= 1; i++) {
                struct canary *x = &c->slots[c->next_slot++ % CANARY_SLOTS];
                if (x->phase != CANARY_RESTS || now_ns < x->rest_until_ns)
                        continue;
                x->tries = 1;
                x->kept = false;
                x->step = step;
                if (!ask(c, x, now_ns))
                        rest(x, now_ns);
                c->credit--;
        }
        c->credit = MIN(c->credit, 8.0); /* no burst to make up for a time without candidates */
}

unsigned canary_tick(struct canaries *c, double pps, unsigned step, uint64_t now_ns, struct canary_sums *sums)
{
        if (c->last_ns)
                c->credit += pps * (double)(now_ns - c->last_ns) / 1e9;
        c->last_ns = now_ns;
        if (now_ns >= c->look_ns) {
                c->look_ns = now_ns + look_gap_ns;
                c->known = 0;
                for (unsigned i = 0; i < CANARY_SLOTS; i++) {
                        look_at(c, &c->slots[i], step, now_ns, sums);
                        c->known += c->slots[i].phase != CANARY_FREE;
                }
        }
        if (pps > 0)
                begin_samples(c, step, now_ns);
        return c->known;
}
