// SPDX-License-Identifier: Apache-2.0
/*
 * fault: a bad network, on purpose: frames are lost, doubled, changed, cut short or put out of order, in
 * either direction, by a seeded generator, so a bad run can be had again. For tests. Invariant: with all
 * shares 0 every frame passes once, unchanged and in order; a frame held back leaves within a few frames or
 * HOLD_NS.
 */
#include "io_priv.h"
#include <errno.h>
#include <stdlib.h>

enum { HELD_MAX = 8, SLOTS = 128, SHARE_OF = 10000, PULL = 32 };
static const uint64_t HOLD_NS = 5 * NS_PER_MS;

struct held {
        uint8_t *bytes; /* NULL: free */
        struct frame f;
        unsigned passes; /* how many frames are still to overtake it */
        uint64_t until_ns;
};
struct fault {
        struct tap tap;
        struct io_fault conf;
        uint64_t random;
        struct txq q;  /* transmit: what the caller hands in; receive: what the caller is lent */
        uint64_t read; /* receive: lent so far */
        bool again;    /* transmit: the first unsent frame was judged already and waits for room below */
        unsigned copies;
        _Atomic uint64_t waiting; /* transmit: found no room below at the last kick */
        bool rx;
        struct frame *meta; /* receive: what belongs to a frame beside its bytes, per slot */
        uint8_t *store;     /* HELD_MAX frames of hold_size */
        uint32_t hold_size;
        struct held held[HELD_MAX];
        unsigned n_held;
};

static uint64_t roll(struct fault *t)
{
        t->random += 0x9e3779b97f4a7c15ull;
        return hash_mix64(t->random);
}

static bool happens(struct fault *t, uint32_t share)
{
        return share && roll(t) % SHARE_OF < share;
}

/* Damages the frame in place and says how often it goes on: 0 lost, 1, or 2. */
static unsigned judge(struct fault *t, struct frame *f)
{
        if (happens(t, t->conf.drop))
                return 0;
        if (happens(t, t->conf.corrupt) && f->len) {
                uint64_t r = roll(t);
                f->data[r % f->len] ^= (uint8_t)(1 + (r >> 32) % 255);
        }
        if (happens(t, t->conf.truncate) && f->len)
                f->len = (uint32_t)(roll(t) % f->len);
        return happens(t, t->conf.duplicate) ? 2 : 1;
}

/* Puts a copy aside, to come back when a few others have passed. false: all places are taken. */
static bool hold_back(struct fault *t, const struct frame *f)
{
        for (unsigned i = 0; i < HELD_MAX; i++) {
                struct held *h = &t->held[i];
                if (h->bytes)
                        continue;
                h->bytes = t->store + (size_t)i * t->hold_size;
                h->f = *f;
                h->passes = 1 + (unsigned)(roll(t) % HELD_MAX);
                h->until_ns = clock_mono_ns() + HOLD_NS;
                memcpy(h->bytes, f->data, f->len);
                t->n_held++;
                return true;
        }
        return false;
}

static struct held *due(struct fault *t, bool all)
{
        uint64_t now = t->n_held ? clock_mono_ns() : 0;
        for (unsigned i = 0; i < HELD_MAX && t->n_held; i++)
                if (t->held[i].bytes && (all || t->held[i].passes == 0 || t->held[i].until_ns <= now))
                        return &t->held[i];
        return NULL;
}

static void one_passed(struct fault *t)
{
        for (unsigned i = 0; i < HELD_MAX && t->n_held; i++)
                if (t->held[i].bytes && t->held[i].passes)
                        t->held[i].passes--;
}

static void release(struct fault *t, struct held *h)
{
        h->bytes = NULL;
        t->n_held--;
}

/* Copies one frame into a slot of the receiver's queue or of the inner back-end. false: no room. */
static bool pass_on(struct fault *t, const struct frame *f, const uint8_t *bytes, bool tx)
{
        struct frame slot;
        unsigned got = tx ? io_tx_reserve(&t->tap.inner, &slot, 1) : txq_reserve(&t->q, &slot, 1);
        if (!got)
                return false;
        assert(f->len <= slot.cap);
        memcpy(slot.data, bytes, f->len);
        slot.len = f->len;
        if (tx)
                io_tx_commit(&t->tap.inner, &slot, 1);
        else
                txq_commit(&t->q, &slot, 1);
        return true;
}

/* ---- transmit: frames wait in our own slots until kick carries them over ---- */

static void let_held_go(struct fault *t, bool all)
{
        for (struct held *h; (h = due(t, all)) && pass_on(t, &h->f, h->bytes, true);)
                release(t, h);
}

/* The first frame of the queue; false: it has to wait for room below. */
static bool send_one(struct fault *t)
{
        struct frame f = {.data = txq_data(&t->q, t->q.sent), .len = t->q.len[txq_place(&t->q, t->q.sent)]};
        if (!t->again) {
                t->copies = judge(t, &f);
                t->q.len[txq_place(&t->q, t->q.sent)] = f.len;
                if (t->copies == 1 && happens(t, t->conf.reorder) && hold_back(t, &f))
                        t->copies = 0;
        }
        t->again = true;
        for (; t->copies; t->copies--)
                if (!pass_on(t, &f, f.data, true))
                        return false;
        t->again = false;
        t->q.sent++;
        one_passed(t);
        return true;
}

static void fault_kick(void *st)
{
        struct fault *t = st;
        let_held_go(t, false);
        while (t->q.sent != t->q.committed && send_one(t))
                let_held_go(t, false);
        io_tx_kick(&t->tap.inner);
        atomic_store_explicit(&t->waiting, t->q.committed - t->q.sent, memory_order_relaxed);
}

static void fault_stats(void *st, struct io_stats *s)
{
        struct fault *t = st;
        tap_stats(t, s);
        s->tx_waiting += atomic_load_explicit(&t->waiting, memory_order_relaxed);
}

static unsigned fault_reserve(void *st, struct frame *f, unsigned n)
{
        return txq_reserve(&((struct fault *)st)->q, f, n);
}

static void fault_commit(void *st, const struct frame *f, unsigned n)
{
        txq_commit(&((struct fault *)st)->q, f, n);
}

/* ---- receive: the inner frames are copied and handed back at once ---- */

static unsigned slots_free(const struct fault *t)
{
        return (unsigned)(t->q.n_slots - (t->q.committed - t->q.sent));
}

/* Callers leave room: there is always a slot. */
static void enqueue(struct fault *t, const struct frame *f, const uint8_t *bytes)
{
        bool fits = pass_on(t, f, bytes, false);
        assert(fits);
        (void)fits;
        t->meta[txq_place(&t->q, t->q.committed - 1)] = *f;
}

static void take_one(struct fault *t, struct frame *f)
{
        unsigned copies = judge(t, f);
        one_passed(t);
        if (copies == 1 && happens(t, t->conf.reorder) && hold_back(t, f))
                copies = 0;
        for (; copies; copies--)
                enqueue(t, f, f->data);
}

static void release_into_queue(struct fault *t)
{
        for (struct held *h; slots_free(t) && (h = due(t, false)); release(t, h))
                enqueue(t, &h->f, h->bytes);
}

static void refill(struct fault *t)
{
        struct frame in[PULL];
        release_into_queue(t);
        /* Two slots for each frame pulled (it may be doubled), and one for each that may come back in
         * between. */
        unsigned room = slots_free(t), n = room > HELD_MAX ? MIN((room - HELD_MAX) / 2, (unsigned)PULL) : 0;
        n = n ? io_rx_burst(&t->tap.inner, in, n) : 0;
        for (unsigned i = 0; i < n; i++) {
                struct frame f = in[i];
                take_one(t, &f);
                release_into_queue(t);
        }
        if (n)
                io_rx_done(&t->tap.inner, in, n);
}

static unsigned fault_burst(void *st, struct frame *f, unsigned n)
{
        struct fault *t = st;
        if (t->q.committed - t->read < n)
                refill(t);
        n = (unsigned)MIN(n, t->q.committed - t->read);
        for (unsigned i = 0; i < n; i++) {
                uint64_t at = t->read + i;
                f[i] = t->meta[txq_place(&t->q, at)];
                f[i].data = txq_data(&t->q, at);
                f[i].cap = t->q.cap;
                f[i].token = at;
        }
        t->read += n;
        return n;
}

static void fault_done(void *st, const struct frame *f, unsigned n)
{
        struct fault *t = st;
        for (unsigned i = 0; i < n; i++)
                assert(f[i].token == t->q.sent + i);
        (void)f;
        t->q.sent += n;
}

static bool fault_wait(void *st, uint64_t until_mono_ns)
{
        struct fault *t = st;
        uint64_t until = until_mono_ns;
        if (t->q.committed != t->read || due(t, false))
                return true;
        for (unsigned i = 0; i < HELD_MAX && t->n_held; i++)
                if (t->held[i].bytes)
                        until = MIN(until, t->held[i].until_ns);
        return io_rx_wait(&t->tap.inner, until) || due(t, false);
}

static void fault_close(void *st)
{
        struct fault *t = st;
        if (!t->rx) {
                fault_kick(t);
                let_held_go(t, true);
                io_tx_kick(&t->tap.inner);
        }
        txq_free(&t->q);
        free(t->store);
        free(t->meta);
        tap_close(t);
}

static int make_room(struct fault *t, uint32_t cap, struct err *e)
{
        t->store = malloc((size_t)HELD_MAX * cap);
        t->meta = calloc(SLOTS, sizeof(*t->meta));
        t->hold_size = cap;
        if (t->store && t->meta && !txq_init(&t->q, SLOTS, cap, e))
                return 0;
        free(t->store);
        free(t->meta);
        return err_set(e, ENOMEM, "out of memory for fault injection");
}

/* The caller may fill a slot to its end, so ours are no larger than those they are copied into. */
static uint32_t slot_size(struct io *io)
{
        struct frame slot = {.cap = WIRE_FRAME_MAX};
        if (!io->rx && io_tx_reserve(io, &slot, 1))
                io_tx_commit(io, &slot, 0);
        return slot.cap;
}

int io_wrap_fault(struct io *io, const struct io_fault *conf, struct err *e)
{
        static const struct io_ops functions = {
                .name = "fault",
                .state_size = sizeof(struct fault),
                .close = fault_close,
                .stats = fault_stats,
                .tx_reserve = fault_reserve,
                .tx_commit = fault_commit,
                .tx_kick = fault_kick,
                .rx_burst = fault_burst,
                .rx_done = fault_done,
                .rx_wait = fault_wait,
        };
        struct fault room = {0};
        if (make_room(&room, slot_size(io), e))
                return -1;
        struct fault *t = tap_wrap(io, &functions, e);
        if (!t) {
                txq_free(&room.q);
                free(room.store);
                free(room.meta);
                return -1;
        }
        t->q = room.q;
        t->store = room.store;
        t->meta = room.meta;
        t->hold_size = room.hold_size;
        t->conf = *conf;
        t->random = conf->seed;
        t->rx = io->rx;
        return 0;
}
