// SPDX-License-Identifier: Apache-2.0
/*
 * sendq: slots that leave through sockets in bursts of sendmmsg(2). Shared by afpacket (one socket) and rawip
 * (one per IP version). Invariant: one frame the kernel refuses for good never holds up those behind it, and
 * one that it has only no room for now, or no link, is never skipped.
 */
#include "io_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { RUN_MAX = 64 }; /* larger runs gained nothing in the measurements */

int sendq_init(struct sendq *s, uint32_t slots, uint32_t cap, struct err *e)
{
        if (txq_init(&s->q, slots, cap, e))
                return -1;
        s->msgs = calloc(s->q.n_slots, sizeof(*s->msgs));
        s->iov = calloc(s->q.n_slots, sizeof(*s->iov));
        s->fds = calloc(s->q.n_slots, sizeof(*s->fds));
        if (!s->msgs || !s->iov || !s->fds) {
                sendq_free(s);
                return err_set(e, ENOMEM, "out of memory for %u transmit slots", s->q.n_slots);
        }
        for (uint32_t i = 0; i < s->q.n_slots; i++) {
                s->iov[i].iov_base = txq_data(&s->q, i);
                s->msgs[i].msg_hdr.msg_iov = &s->iov[i];
                s->msgs[i].msg_hdr.msg_iovlen = 1;
        }
        return 0;
}

void sendq_free(struct sendq *s)
{
        txq_free(&s->q);
        free(s->msgs);
        free(s->iov);
        free(s->fds);
        *s = (struct sendq){0};
}

/* How many slots from `at` on can go into one call: up to the ring's end, all through the same socket. */
static unsigned run_length(const struct sendq *s, uint32_t at)
{
        uint64_t most = MIN(s->q.committed - s->q.sent, s->q.n_slots - at);
        unsigned n = 1;
        most = MIN(most, RUN_MAX);
        while (n < most && s->fds[at + n] == s->fds[at])
                n++;
        return n;
}

static void count_sent(const struct sendq *s, struct io_counters *c, uint32_t at, unsigned n)
{
        uint64_t bytes = 0;
        for (unsigned i = 0; i < n; i++)
                bytes += s->iov[at + i].iov_len;
        ctr_add(&c->tx, n);
        ctr_add(&c->tx_bytes, bytes);
}

/* False: the first frame has to wait. */
static bool send_run(struct sendq *s, struct io_counters *c)
{
        uint32_t at = txq_place(&s->q, s->q.sent);
        int sent = sendmmsg(s->fds[at], &s->msgs[at], run_length(s, at), MSG_DONTWAIT);
        if (sent > 0) {
                count_sent(s, c, at, (unsigned)sent);
                s->q.sent += (unsigned)sent;
                link_took(&s->link);
                return true;
        }
        int why = errno;
        if (link_waits(&s->link, why)) {
                ctr_add(&c->tx_again, 1);
                return false;
        }
        atomic_store_explicit(&c->last_error, why, memory_order_relaxed);
        ctr_add(&c->tx_errors, 1);
        s->q.sent++;
        return true;
}

void sendq_kick(struct sendq *s, struct io_counters *c)
{
        bool more = s->q.sent != s->q.committed && link_lets(&s->link);
        while (more)
                more = send_run(s, c) && s->q.sent != s->q.committed;
        atomic_store_explicit(&c->tx_waiting, s->q.committed - s->q.sent, memory_order_relaxed);
}
