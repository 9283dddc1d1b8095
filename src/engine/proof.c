// SPDX-License-Identifier: Apache-2.0
/*
 * proof: do the frames that the kernel took leave the interface? A rule of traffic control that takes them
 * elsewhere, or a driver that is broken, swallows them without an error, and the scan would call every target
 * silent. The main thread compares what the back-end's handles handed over with what the interface counted.
 * (What the kernel refuses, as on an interface that is down, is not handed over.) Other programs' frames
 * count too, so growth is held against growth. Invariant: it only warns, for some drivers count late; nothing
 * here touches a packet thread. Reference: Linux Documentation/networking/statistics.rst.
 */
#include "eng.h"

enum { FRAMES_MIN = 16 }; /* fewer say nothing */
static const uint64_t LOOK_NS = NS_PER_S / 4, PATIENCE_NS = NS_PER_S;
static const uint64_t LATE_PATIENCE_NS = 10 * NS_PER_S; /* of a counter that was late once */

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
                if (g->kernel && d->ifindex && io_link_sent(g->kernel, d->ifindex, &c))
                        d->rx_missed_before = c.rx_missed;
                if (!g->kernel || !d->ifindex || d->local || !ask(g, d, &c))
                        continue; /* our own addresses: those frames leave by no interface */
                struct proof_mark now = {handed_over(g, d), c.tx_frames, c.tx_dropped};
                d->proof = (struct proof){.watching = true,
                                          .patience_ns = PATIENCE_NS,
                                          .good = now,
                                          .last = now,
                                          .handed_before = now.handed};
        }
}

static void tell(const struct dev *d, const struct proof_mark *now)
{
        const struct proof_mark *good = &d->proof.good;
        uint64_t left = now->left - good->left;
        char moved[60] = "did not move", why[200];
        struct wr m = wr_of(moved, sizeof(moved) - 1), w = wr_of(why, sizeof(why) - 1);
        if (left) {
                wr_fmt(&m, "moved by %llu only", (unsigned long long)left);
                *m.p = 0;
        }
        if (now->dropped > good->dropped)
                wr_fmt(&w, "it counted %llu as dropped", (unsigned long long)(now->dropped - good->dropped));
        else
                wr_fmt(&w, "they may not leave; \"--io-tx %s\" is another way",
                       d->tx_ops == io_by_name("pcap") ? "afpacket" : "pcap");
        *w.p = 0;
        log_say(LOG_WARN, "%llu frames were handed to %s but its counter of sent frames %s: %s",
                (unsigned long long)(now->handed - good->handed), d->name, moved, why);
}

/* All is well from here on. */
static void restart(struct proof *p, const struct proof_mark *now)
{
        p->good = p->last = *now;
        p->since_ns = 0;
}

/* The two agree again. Where the counter was only late, nothing was lost; it may lag by a look even so. */
static void agree(struct dev *d, const struct proof_mark *now)
{
        struct proof *p = &d->proof;
        uint64_t handed = p->handed_before - p->good.handed, left = now->left - p->good.left;
        if (p->told) {
                p->lost += handed > left ? handed - left : 0;
                atomic_store(&p->unseen, p->lost);
                p->patience_ns = LATE_PATIENCE_NS;
                p->told = false;
                log_say(LOG_INFO, "%s counts sent frames now", d->name);
        }
        restart(p, now);
}

/* Compared is the growth of both: other programs' frames count too, and must not hide that ours do not. Fewer
 * than half begin the trouble, nine in ten end it. */
static void look(struct eng *g, struct dev *d, uint64_t now_ns)
{
        struct proof *p = &d->proof;
        struct io_link_count c;
        if (!ask(g, d, &c)) { /* the interface is gone: that is told elsewhere */
                p->watching = false;
                return;
        }
        struct proof_mark now = {handed_over(g, d), c.tx_frames, c.tx_dropped};
        uint64_t handed = now.handed - p->good.handed, left = now.left - p->good.left;
        uint64_t lately = now.handed - p->last.handed, left_lately = now.left - p->last.left;
        if (eng_link_out(g, d)) { /* what was in the driver's hands is lost, and sent again */
                restart(p, &now);
        } else if (p->since_ns ? left * 10 >= handed * 9 ||
                                         (lately >= FRAMES_MIN && left_lately * 10 >= lately * 9)
                               : lately >= FRAMES_MIN && left_lately * 2 >= lately) {
                agree(d, &now);
        } else if (lately >= FRAMES_MIN) {
                p->last = now;
                p->since_ns = p->since_ns ? p->since_ns : now_ns;
        }
        p->handed_before = now.handed;
        if (!p->since_ns || now_ns - p->since_ns < p->patience_ns)
                return;
        atomic_store(&p->unseen, p->lost + handed - MIN(handed, left));
        if (!p->told)
                tell(d, &now);
        p->told = true;
}

void eng_count_link_drops(struct eng *g)
{
        for (unsigned i = 0; i < g->n_devs; i++) {
                struct dev *d = &g->devs[i];
                struct io_link_count c;
                if (g->kernel && d->ifindex && !d->rx_shared && io_link_sent(g->kernel, d->ifindex, &c))
                        atomic_store(&d->rx_missed, c.rx_missed - MIN(c.rx_missed, d->rx_missed_before));
        }
}

/* What a back-end decided on its own is told once per interface. */
static void tell_note(struct dev *d, const struct io *io)
{
        struct io_stats s = {0};
        if (d->noted || !io->ops)
                return;
        io->ops->stats(io->st, &s);
        if (s.note)
                log_say(LOG_INFO, "%s", s.note);
        d->noted = s.note != NULL;
}

void eng_proof_watch(struct eng *g, uint64_t now_ns)
{
        if (now_ns < g->proof_look_ns)
                return;
        g->proof_look_ns = now_ns + LOOK_NS;
        eng_count_link_drops(g);
        for (unsigned i = 0; i < g->n_devs; i++)
                for (unsigned q = 0; q < MAX(g->n_tx, g->n_rx); q++) {
                        if (q < g->n_tx)
                                tell_note(&g->devs[i], &g->devs[i].tx[q]);
                        if (q < g->n_rx)
                                tell_note(&g->devs[i], &g->devs[i].rx[q]);
                }
        for (unsigned i = 0; i < g->n_devs; i++)
                if (g->devs[i].proof.watching)
                        look(g, &g->devs[i], now_ns);
}
