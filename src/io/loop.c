// SPDX-License-Identifier: Apache-2.0
/*
 * loop: a network in memory, for tests: what is sent on the name "x" is turned into answers by a function and
 * received on the name "x". Any number of senders, one receiver. Invariant: nothing is lost: a sender whose
 * answers find no room keeps the frame, as with a device that is busy. Frames sent while nobody listens are
 * gone.
 */
#include "io_priv.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PAIRS_MAX = 16, NAME_MAX_LEN = 32, ANSWERS = 256, BURST = 64, MTU = 65535 };

struct pair {
        char name[NAME_MAX_LEN];
        io_loop_peer *peer;
        void *arg;
        pthread_mutex_t lock; /* guards all below; the peer runs under it, so it is never run twice at once */
        pthread_cond_t filled;
        bool listening;
        struct txq answers; /* "sent" is what the receiver handed back */
        uint64_t read;      /* how far the receiver was lent */
};
struct loop {
        struct io_counters count;
        struct pair *pair;
        struct txq q;
        unsigned answered; /* answers to the first unsent frame that were delivered already */
        bool rx;
};

static struct pair pairs[PAIRS_MAX];
static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;

/* Under the registry's lock. A pair stays for the life of the process, so its peer may be set before open. */
static struct pair *pair_by_name(const char *name)
{
        for (unsigned i = 0; i < PAIRS_MAX; i++) {
                struct pair *p = &pairs[i];
                if (!p->name[0]) {
                        pthread_condattr_t monotonic;
                        pthread_condattr_init(&monotonic);
                        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
                        pthread_cond_init(&p->filled, &monotonic);
                        pthread_condattr_destroy(&monotonic);
                        pthread_mutex_init(&p->lock, NULL);
                        snprintf(p->name, sizeof(p->name), "%s", name);
                }
                if (strncmp(p->name, name, NAME_MAX_LEN - 1) == 0)
                        return p;
        }
        return NULL;
}

void io_loop_set_peer(const char *name, io_loop_peer *peer, void *arg)
{
        pthread_mutex_lock(&registry);
        struct pair *p = pair_by_name(name);
        assert(p); /* a test that makes more networks than PAIRS_MAX raises it */
        pthread_mutex_lock(&p->lock);
        p->peer = peer;
        p->arg = arg;
        pthread_mutex_unlock(&p->lock);
        pthread_mutex_unlock(&registry);
}

static int listen_on(struct pair *p, const struct io_conf *c, struct err *e)
{
        if (p->listening)
                return err_set(e, EBUSY, "loop \"%s\" has a receiver already", p->name);
        p->answers = (struct txq){0};
        p->read = 0;
        if (txq_init(&p->answers, c->slots ? c->slots : ANSWERS, WIRE_FRAME_MAX, e))
                return -1;
        p->listening = true;
        return 0;
}

static int loop_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct loop *l = st;
        pthread_mutex_lock(&registry);
        l->pair = pair_by_name(c->name ? c->name : "loop");
        pthread_mutex_unlock(&registry);
        if (!l->pair)
                return err_set(e, ENOSPC, "there are %d loops already, \"%s\" would be one too many",
                               PAIRS_MAX, c->name);
        *caps = (struct io_caps){.link = c->link, .burst = BURST, .mtu = MTU};
        l->rx = c->rx;
        if (c->tx)
                return txq_init(&l->q, c->slots, WIRE_FRAME_MAX, e);
        pthread_mutex_lock(&l->pair->lock);
        int bad = listen_on(l->pair, c, e);
        pthread_mutex_unlock(&l->pair->lock);
        return bad;
}

static void loop_close(void *st)
{
        struct loop *l = st;
        txq_free(&l->q);
        if (!l->rx)
                return;
        pthread_mutex_lock(&l->pair->lock);
        l->pair->listening = false;
        txq_free(&l->pair->answers);
        pthread_mutex_unlock(&l->pair->lock);
}

static void loop_stats(void *st, struct io_stats *s)
{
        io_counters_read(&((struct loop *)st)->count, s);
}

static unsigned loop_reserve(void *st, struct frame *f, unsigned n)
{
        return txq_reserve(&((struct loop *)st)->q, f, n);
}

static void loop_commit(void *st, const struct frame *f, unsigned n)
{
        txq_commit(&((struct loop *)st)->q, f, n);
}

/* One answer. Returns how many there are to this frame. */
static unsigned ask_peer(const struct pair *p, struct span frame, struct frame *out, unsigned k)
{
        size_t len = 0;
        unsigned total = 1;
        if (p->peer) {
                total = p->peer(p->arg, frame.p, frame.n, out->data, out->cap, &len, k);
        } else {
                len = frame.n;
                memcpy(out->data, frame.p, frame.n);
        }
        assert(len <= out->cap);
        out->len = (uint32_t)len;
        return total;
}

/* All answers to one frame; false when there was no room for the next one, which l->answered remembers. */
static bool deliver(struct loop *l, struct span frame)
{
        struct pair *p = l->pair;
        for (;;) {
                struct frame out;
                if (txq_reserve(&p->answers, &out, 1) == 0)
                        return false;
                unsigned total = ask_peer(p, frame, &out, l->answered);
                bool is_one = l->answered < total;
                txq_commit(&p->answers, &out, is_one);
                if (is_one)
                        l->answered++;
                if (l->answered >= total)
                        break;
        }
        l->answered = 0;
        return true;
}

static void loop_kick(void *st)
{
        struct loop *l = st;
        struct pair *p = l->pair;
        pthread_mutex_lock(&p->lock);
        while (l->q.sent != l->q.committed) {
                struct span frame =
                        span_of(txq_data(&l->q, l->q.sent), l->q.len[txq_place(&l->q, l->q.sent)]);
                if (p->listening && !deliver(l, frame)) {
                        ctr_add(&l->count.tx_again, 1);
                        break;
                }
                ctr_add(&l->count.tx, 1);
                ctr_add(&l->count.tx_bytes, frame.n);
                l->q.sent++;
        }
        atomic_store_explicit(&l->count.tx_waiting, l->q.committed - l->q.sent, memory_order_relaxed);
        pthread_cond_signal(&p->filled);
        pthread_mutex_unlock(&p->lock);
}

static unsigned loop_burst(void *st, struct frame *f, unsigned n)
{
        struct loop *l = st;
        struct pair *p = l->pair;
        uint64_t now = clock_mono_ns();
        pthread_mutex_lock(&p->lock);
        n = (unsigned)MIN(n, p->answers.committed - p->read);
        for (unsigned i = 0; i < n; i++) {
                uint64_t at = p->read + i;
                uint32_t len = p->answers.len[txq_place(&p->answers, at)];
                f[i] = (struct frame){.data = txq_data(&p->answers, at),
                                      .len = len,
                                      .cap = len,
                                      .stamp_ns = now,
                                      .token = at};
                ctr_add(&l->count.rx_bytes, len);
        }
        p->read += n;
        pthread_mutex_unlock(&p->lock);
        ctr_add(&l->count.rx, n);
        return n;
}

static void loop_done(void *st, const struct frame *f, unsigned n)
{
        struct pair *p = ((struct loop *)st)->pair;
        pthread_mutex_lock(&p->lock);
        for (unsigned i = 0; i < n; i++)
                assert(f[i].token == p->answers.sent + i);
        (void)f;
        p->answers.sent += n;
        pthread_mutex_unlock(&p->lock);
}

static bool loop_wait(void *st, uint64_t until_mono_ns)
{
        struct pair *p = ((struct loop *)st)->pair;
        struct timespec ts = {.tv_sec = (time_t)MIN(until_mono_ns / NS_PER_S, (uint64_t)INT64_MAX / NS_PER_S),
                              .tv_nsec = (long)(until_mono_ns % NS_PER_S)};
        int late = 0;
        pthread_mutex_lock(&p->lock);
        while (p->answers.committed == p->read && !late)
                late = pthread_cond_timedwait(&p->filled, &p->lock, &ts);
        bool there = p->answers.committed != p->read;
        pthread_mutex_unlock(&p->lock);
        return there;
}

const struct io_ops io_loop_ops = {
        .name = "loop",
        .summary = "memory, for tests: what is sent comes back as answers",
        .can_tx = true,
        .can_rx = true,
        .state_size = sizeof(struct loop),
        .open = loop_open,
        .close = loop_close,
        .stats = loop_stats,
        .tx_reserve = loop_reserve,
        .tx_commit = loop_commit,
        .tx_kick = loop_kick,
        .rx_burst = loop_burst,
        .rx_done = loop_done,
        .rx_wait = loop_wait,
};
