// SPDX-License-Identifier: Apache-2.0
/*
 * link: interfaces that go down, or away, while a scan runs. The transmit threads need nobody to tell them to
 * wait: frames that cannot leave stay where they are (io, linkstate.c). The main thread looks here every now
 * and then, tells people, ends a scan whose interface is no more, and says afterwards from when on answers
 * may have been lost, so that the transmit threads ask those targets once more.
 * Invariant: while an interface is out, or was and was not yet made good, no block is settled.
 */
#include "eng.h"

static const uint64_t LOOK_NS = 50 * NS_PER_MS, TELL_NS = 100 * NS_PER_MS;

static bool is_watched(const struct eng *g, unsigned dev)
{
        const struct dev *d = &g->devs[dev];
        for (unsigned i = 0; i < dev; i++)
                if (g->devs[i].ifindex == d->ifindex && !g->devs[i].local)
                        return false; /* one interface, looked at once */
        return d->ifindex && !d->local;
}

static bool frames_wait(const struct eng *g, int ifindex)
{
        for (unsigned i = 0; i < g->n_devs; i++)
                for (unsigned k = 0; k < g->n_tx && g->devs[i].ifindex == ifindex; k++) {
                        const struct io *io = &g->devs[i].tx[k];
                        struct io_stats s = {0};
                        if (io->ops)
                                io->ops->stats(io->st, &s);
                        if (s.tx_waiting)
                                return true;
                }
        return false;
}

/* Not every driver knows its carrier: the word for it counts when frames do wait. */
static enum io_link_state state_of(const struct eng *g, const struct dev *d)
{
        enum io_link_state s = io_link_look(d->ifindex);
        bool doubt = s == IO_LINK_NO_CARRIER && !d->out_since_ns && !frames_wait(g, d->ifindex);
        return doubt ? IO_LINK_OK : s;
}

static void say_out(struct dev *d)
{
        d->out_told = true;
        if (d->out == IO_LINK_GONE)
                log_say(LOG_ERROR,
                        "the interface \"%s\" is gone: the scan ends here; when it is back, --resume goes on",
                        d->name);
        else
                log_say(LOG_WARN, "%s %s; waiting for it", d->name, eng_link_word(d));
}

static void went_out(struct eng *g, struct dev *d, enum io_link_state s, uint64_t now_ns)
{
        int no = STOP_NO;
        if (!d->out_since_ns)
                d->out_since_ns = now_ns;
        atomic_store(&d->out, s);
        if (!d->out_told && (s == IO_LINK_GONE || now_ns - d->out_since_ns >= TELL_NS))
                say_out(d);
        if (s == IO_LINK_GONE)
                atomic_compare_exchange_strong(&g->stop, &no, STOP_LINK);
}

static void came_back(struct eng *g, struct dev *d, uint64_t now_ns)
{
        if (d->out_told)
                log_say(LOG_INFO, "%s is up again after %.1f s", d->name,
                        (double)(now_ns - d->out_since_ns) / 1e9);
        g->out_ns += now_ns - d->out_since_ns;
        atomic_store(&g->outage_since_ns, d->out_since_ns);
        atomic_store(&g->outage_end_ns, now_ns);
        atomic_fetch_add(&g->outages, 1); /* after what it tells about */
        atomic_store(&d->out, IO_LINK_OK);
        d->out_since_ns = 0;
        d->out_told = false;
}

const char *eng_link_word(const struct dev *d)
{
        switch ((enum io_link_state)atomic_load(&((struct dev *)d)->out)) {
        case IO_LINK_OK:
                break;
        case IO_LINK_DOWN:
                return "is down";
        case IO_LINK_NO_CARRIER:
                return "has no carrier";
        case IO_LINK_GONE:
                return "is gone";
        }
        return NULL;
}

void eng_watch_links(struct eng *g, uint64_t now_ns)
{
        bool any = false;
        if (now_ns < g->link_look_ns || eng_io_is_virtual(g))
                return;
        g->link_look_ns = now_ns + LOOK_NS;
        for (unsigned i = 0; i < g->n_devs; i++) {
                struct dev *d = &g->devs[i];
                enum io_link_state s = is_watched(g, i) ? state_of(g, d) : IO_LINK_OK;
                if (s != IO_LINK_OK)
                        went_out(g, d, s, now_ns);
                else if (d->out_since_ns)
                        came_back(g, d, now_ns);
                any |= s != IO_LINK_OK;
        }
        atomic_store(&g->link_out, any); /* after the outage was told: settling begins again with this */
}
