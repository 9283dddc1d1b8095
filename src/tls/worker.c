// SPDX-License-Identifier: Apache-2.0
/*
 * worker: a thread between the pipes of all clients and the library. Takes messages, a few of each client in
 * turn, and lets the handle they are about go as far as it can. Invariant: a handle's memory is freed here
 * and only after its MSG_CLOSE, the last message a client sends about it.
 */
#include "tls_priv.h"
#include <stdlib.h>

enum {
        TURN = 16
}; /* messages of one client before the next one's: a handshake step takes up to a millisecond */

/* ---- events ---- */
void tls_event_free(struct tls_event *ev)
{
        free((void *)(uintptr_t)ev->bytes.p);
        tls_facts_free(ev->facts);
        ev->bytes = (struct span){NULL, 0};
        ev->facts = NULL;
}

void tls_facts_free(struct tls_facts *f)
{
        free(f);
}

void tls_emit(struct tls_handle *h, const struct tls_event *ev, size_t extra)
{
        struct tls_pool *p = h->pool;
        struct tls_note *n = malloc(sizeof(*n));
        if (!n) { /* the client will hear no more of it, and gives up by its own clock */
                struct tls_event lost = *ev;
                tls_event_free(&lost);
                h->over = true;
                return;
        }
        n->ev = *ev;
        n->ev.handle = h->id;
        n->cost = sizeof(*n) + ev->bytes.n + extra;
        atomic_fetch_add(&h->out_bytes, n->cost);
        atomic_fetch_add_explicit(&p->bytes, n->cost, memory_order_relaxed);
        tls_pipe_put(tls_pipe_up(p, h->client, h->worker->index), &n->node);
        tls_bell_ring(&p->clients[h->client].bell);
}

/* The flag goes up before the second look, as the client lowers the number before it looks at the flag. */
bool tls_out_full(struct tls_handle *h)
{
        if (atomic_load(&h->out_bytes) < TLS_OUT_MAX)
                return false;
        atomic_store(&h->stalled, true);
        if (atomic_load(&h->out_bytes) >= TLS_OUT_MAX / 2)
                return true;
        atomic_store(&h->stalled, false);
        return false;
}

/* ---- handles ---- */
void tls_msg_free(struct tls_handle *h, struct tls_msg *m)
{
        size_t cost = sizeof(*m) + m->n;
        atomic_fetch_sub(&h->in_bytes, cost);
        atomic_fetch_sub_explicit(&h->pool->bytes, cost, memory_order_relaxed);
        free(m);
}

static void free_messages(struct tls_handle *h, struct tls_node *n)
{
        while (n) {
                struct tls_node *next = n->next;
                tls_msg_free(h, (struct tls_msg *)n);
                n = next;
        }
}

void tls_handle_free(struct tls_handle *h)
{
        struct tls_pool *p = h->pool;
        if (tls_library)
                tls_library->stop(h);
        free_messages(h, h->in);
        free_messages(h, h->plain);
        tls_seen_free(&h->seen);
        free(h->out);
        if (h->self) {
                *h->self = h->next;
                if (h->next)
                        h->next->self = h->self;
        }
        atomic_fetch_sub_explicit(&p->bytes, TLS_HANDLE_BYTES, memory_order_relaxed);
        atomic_fetch_sub_explicit(&p->handles, 1, memory_order_relaxed);
        free(h);
}

static void open_handle(struct tls_worker *w, struct tls_handle *h, struct tls_msg *m)
{
        h->self = &w->handles;
        h->next = w->handles;
        if (h->next)
                h->next->self = &h->next;
        w->handles = h;
        h->in_last = &h->in;
        h->plain_last = &h->plain;
        tls_library->start(h, w->context, (const struct tls_ask *)(m + 1));
        tls_msg_free(h, m);
}

static void append(struct tls_node ***last, struct tls_node *n)
{
        n->next = NULL;
        **last = n;
        *last = &n->next;
}

static void take_in(struct tls_worker *w, struct tls_msg *m)
{
        struct tls_handle *h = m->h;
        switch (m->kind) {
        case MSG_OPEN:
                open_handle(w, h, m);
                break;
        case MSG_CLOSE:
                tls_handle_free(h);
                return;
        case MSG_KICK:
                atomic_store(&h->kicked, false);
                break;
        case MSG_EOF:
                h->at_eof = true;
                break;
        case MSG_FEED:
        case MSG_WRITE:
                if (h->over) {
                        tls_msg_free(h, m);
                        return;
                }
                append(m->kind == MSG_FEED ? &h->in_last : &h->plain_last, &m->node);
        }
        if (!h->over)
                tls_library->step(h, w->room, sizeof(w->room));
        if (h->over)
                tls_library->stop(h);
}

static bool serve(struct tls_worker *w, unsigned client)
{
        struct tls_node *nodes[TURN];
        bool room;
        bool moved = tls_pipe_flush(tls_pipe_up(w->pool, client, w->index));
        unsigned n = tls_pipe_take(tls_pipe_down(w->pool, client, w->index), nodes, TURN, &room);
        if (room || moved)
                tls_bell_ring(&w->pool->clients[client].bell);
        for (unsigned i = 0; i < n; i++)
                take_in(w, (struct tls_msg *)nodes[i]);
        return n > 0;
}

bool tls_worker_round(struct tls_worker *w)
{
        bool did = false;
        tls_bell_quiet(&w->bell);
        for (unsigned c = 0; c < w->pool->n_clients; c++)
                did |= serve(w, c);
        return did;
}

void *tls_worker_main(void *worker)
{
        struct tls_worker *w = worker;
        for (;;) {
                bool did = tls_worker_round(w);
                if (atomic_load(&w->pool->stop)) /* asked after the bell was cleared, or it would be missed */
                        return NULL;
                if (!did)
                        tls_bell_wait(&w->bell);
        }
}
