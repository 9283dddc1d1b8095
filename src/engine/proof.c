// SPDX-License-Identifier: Apache-2.0
/*
 * proof: do the frames that the kernel took leave the interface? A rule of traffic control that takes them
 * elsewhere, or a driver that is broken, swallows them without an error, and the scan would call every target
 * silent. The main thread compares what the back-end's handles handed over with what the interface counted.
 * (What the kernel refuses, as on an interface that is down, is not handed over.) Invariant: it only warns,
 * for some drivers count late, and other programs' frames count too; nothing here touches a packet thread.
 * Reference: Linux Documentation/networking/statistics.rst.
 */
#include "eng.h"

enum { FRAMES_MIN = 16 }; /* fewer say nothing */
static const uint64_t LOOK_NS = NS_PER_S / 4, PATIENCE_NS = NS_PER_S;

static uint64_t handed_by(const struct io *io)
{
        struct io_stats s = {0};
        if (io->ops)
                io->ops->stats(io->st, &s);
        return s.tx;
}

static uint64_t handed_over(const struct eng *g, const struct dev *d)
{
        uint64_t n = handed_by(&d->ask);
        for (unsigned i = 0; i < g->n_tx; i++)
                n += handed_by(&d->tx[i]);
        for (unsigned i = 0; i < g->n_rx; i++)
                n += handed_by(&d->reply[i]);
        return n;
}

static bool ask(struct eng *g, const struct dev *d, struct io_link_count *c)
{
        const struct io_rung *rung = io_rung_of(io_tx_ladder, d->tx_ops);
        return rung && rung->proof && rung->proof(g->kernel, d->ifindex, c);
}

void eng_proof_start(struct eng *g)
{
        for (unsigned i = 0; i < g->n_devs; i++) {
                struct dev *d = &g->devs[i];
                struct io_link_count c;
                if (!g->kernel || !d->ifindex || d->local || !ask(g, d, &c))
                        continue; /* our own addresses: those frames leave by no interface */
                d->proof = (struct proof){.watching = true,
                                          .handed = handed_over(g, d),
                                          .left = c.tx_frames,
                                          .dropped = c.tx_dropped};
        }
}

static void tell(const struct dev *d, const struct io_link_count *c, uint64_t handed)
{
        char why[200];
        struct wr w = wr_of(why, sizeof(why) - 1);
        if (c->tx_dropped > d->proof.dropped)
                wr_fmt(&w, "it counted %llu as dropped",
                       (unsigned long long)(c->tx_dropped - d->proof.dropped));
        else
                wr_fmt(&w, "they may not leave; \"--io-tx %s\" is another way",
                       d->tx_ops == io_by_name("pcap") ? "afpacket" : "pcap");
        *w.p = 0;
        log_say(LOG_WARN, "%llu frames were handed to %s but its counter of sent frames did not move: %s",
                (unsigned long long)handed, d->name, why);
}

/* The counter has moved. Where it only counts late, nothing was lost. */
static void seen(struct dev *d, uint64_t left)
{
        uint64_t unseen = atomic_load(&d->proof.unseen);
        d->proof.watching = false;
        if (!d->proof.told)
                return;
        atomic_store(&d->proof.unseen, unseen > left ? unseen - left : 0);
        log_say(LOG_INFO, "%s counts sent frames now", d->name);
}

static void look(struct eng *g, struct dev *d, uint64_t now_ns)
{
        struct proof *p = &d->proof;
        struct io_link_count c;
        uint64_t handed = handed_over(g, d) - p->handed;
        if (handed < FRAMES_MIN)
                return;
        if (!ask(g, d, &c)) { /* the interface is gone: that is told elsewhere */
                p->watching = false;
                return;
        }
        if (c.tx_frames != p->left) {
                seen(d, c.tx_frames - p->left);
                return;
        }
        if (!p->since_ns)
                p->since_ns = now_ns;
        if (now_ns - p->since_ns < PATIENCE_NS)
                return;
        atomic_store(&p->unseen, handed);
        if (!p->told)
                tell(d, &c, handed);
        p->told = true;
}

void eng_proof_watch(struct eng *g, uint64_t now_ns)
{
        if (now_ns < g->proof_look_ns)
                return;
        g->proof_look_ns = now_ns + LOOK_NS;
        for (unsigned i = 0; i < g->n_devs; i++)
                if (g->devs[i].proof.watching)
                        look(g, &g->devs[i], now_ns);
}
