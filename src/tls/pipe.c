// SPDX-License-Identifier: Apache-2.0
/*
 * pipe: how clients and workers hand each other pointers: a ring (base/ring.h) and, for what finds it full, a
 * list on the producer's side, so that a producer never waits; and the bell that wakes who listens.
 * Invariant: what one side stores before it looks at the other's flag, and what the other stores before it
 * looks back, are ordered by read-modify-writes of one atomic: no wake-up is lost. Reference: eventfd(2).
 */
#include "tls_priv.h"
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RING_LOG2 = 9 };

/* ---- pipes ---- */
int tls_pipe_init(struct tls_pipe *p, struct err *e)
{
        if (ring_init(&p->ring, RING_LOG2, sizeof(struct tls_node *), e))
                return -1;
        p->first = NULL;
        p->last = &p->first;
        atomic_init(&p->waiting, 0);
        return 0;
}

void tls_pipe_free(struct tls_pipe *p)
{
        ring_free(&p->ring);
}

bool tls_pipe_flush(struct tls_pipe *p)
{
        bool moved = false;
        while (p->first) {
                struct tls_node *n = p->first, *next = n->next; /* once it is in the ring it is not ours */
                if (!ring_push(&p->ring, &n))
                        return moved;
                moved = true;
                p->first = next;
        }
        p->last = &p->first;
        atomic_store_explicit(&p->waiting, 0, memory_order_relaxed);
        return moved;
}

void tls_pipe_put(struct tls_pipe *p, struct tls_node *n)
{
        n->next = NULL;
        if (!p->first && ring_push(&p->ring, &n))
                return;
        *p->last = n;
        p->last = &n->next;
        /* Either the consumer sees this, or it made room before and the flush sees that. */
        atomic_exchange(&p->waiting, 1);
        (void)tls_pipe_flush(p);
}

unsigned tls_pipe_take(struct tls_pipe *p, struct tls_node **nodes, unsigned most, bool *room)
{
        unsigned n = ring_pop(&p->ring, nodes, most);
        *room = n && atomic_fetch_or(&p->waiting, 0);
        return n;
}

struct tls_node *tls_pipe_drain(struct tls_pipe *p)
{
        struct tls_node *n = NULL;
        if (ring_pop(&p->ring, &n, 1))
                return n;
        n = p->first;
        if (n)
                p->first = n->next;
        return n;
}

/* ---- bells ----
 * RUNG: somebody wants the listener. WRITTEN: and the descriptor says so. Who sets RUNG first writes; the
 * listener clears both only when both are there, or it would leave a descriptor readable for nothing. */
enum { RUNG = 1, WRITTEN = 2 };

int tls_bell_init(struct tls_bell *b, struct err *e)
{
        atomic_init(&b->state, 0);
        b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        return b->fd >= 0 ? 0 : err_set(e, errno, "no event descriptor for TLS: %s", strerror(errno));
}

void tls_bell_free(struct tls_bell *b)
{
        if (b->fd >= 0)
                close(b->fd);
}

void tls_bell_ring(struct tls_bell *b)
{
        const uint64_t one = 1;
        if (atomic_fetch_or(&b->state, RUNG) & RUNG)
                return;
        while (write(b->fd, &one, sizeof(one)) < 0 && errno == EINTR)
                ;
        atomic_fetch_or(&b->state, WRITTEN);
}

void tls_bell_quiet(struct tls_bell *b)
{
        uint64_t count;
        if (atomic_load(&b->state) != (RUNG | WRITTEN))
                return;
        while (read(b->fd, &count, sizeof(count)) < 0 && errno == EINTR)
                ;
        atomic_exchange(&b->state, 0);
}

bool tls_bell_rung(const struct tls_bell *b)
{
        return atomic_load(&((struct tls_bell *)(uintptr_t)b)->state) & RUNG;
}

void tls_bell_wait(struct tls_bell *b)
{
        struct pollfd p = {.fd = b->fd, .events = POLLIN};
        (void)poll(&p, 1, -1); /* a signal is a look too many, nothing worse */
}
