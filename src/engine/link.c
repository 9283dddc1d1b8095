// SPDX-License-Identifier: Apache-2.0
/*
 * link: interfaces that go down, or away, while a scan runs. The transmit threads need nobody to tell them to
 * wait: frames that cannot leave stay where they are (io, linkstate.c). The main thread looks here every now
 * and then, tells people, ends a scan whose interface is no more, and says afterwards from when on answers
 * may have been lost, so that the transmit threads ask those targets once more.
 * With its link the kernel may lose addresses (IPv6: Linux Documentation/networking/ip-sysctl.rst,
 * keep_addr_on_down); where probes leave from such a one, we answer for it ourselves.
 * Invariant: while an interface is out, or was and was not yet made good, no block is settled.
 */
#include "eng.h"
#include <unistd.h>

static const uint64_t LOOK_NS = 50 * NS_PER_MS, TELL_NS = 100 * NS_PER_MS, ADDR_LOOK_NS = NS_PER_S;

static bool is_watched(const struct eng *g, unsigned dev)
{
        const struct dev *d = &g->devs[dev];
        for (unsigned i = 0; i < dev; i++)
                if (g->devs[i].ifindex == d->ifindex)
                        return false; /* one interface, looked at once */
        return d->ifindex != 0;
}

bool eng_link_out(const struct eng *g, const struct dev *d)
{
        const struct dev *first = g->devs;
        while (first->ifindex != d->ifindex)
                first++;
        return atomic_load_explicit(&((struct dev *)first)->out, memory_order_relaxed) != IO_LINK_OK;
}

static bool has_waiting(const struct io *io)
{
        struct io_stats s = {0};
        if (io->ops)
                io->ops->stats(io->st, &s);
        return s.tx_waiting != 0;
}

static bool frames_wait(const struct eng *g, int ifindex)
{
        for (unsigned i = 0; i < g->n_devs; i++) {
                const struct dev *d = &g->devs[i];
                if (d->ifindex != ifindex)
                        continue;
                for (unsigned k = 0; k < g->n_tx; k++)
                        if (has_waiting(&d->tx[k]))
                                return true;
                if (has_waiting(&d->ask))
                        return true;
        }
        return false;
}

/* Not every driver knows its carrier: of one that said "none" at the start, the word for it counts when
 * frames do wait, or when it was heard to say something else. */
static enum io_link_state state_of(const struct eng *g, struct dev *d)
{
        enum io_link_state s = io_link_look(d->ifindex);
        if (!d->looked)
                d->mute = s == IO_LINK_NO_CARRIER;
        d->looked = true;
        if (s == IO_LINK_OK)
                d->mute = false;
        bool doubt = s == IO_LINK_NO_CARRIER && d->mute && !d->out_since_ns && !frames_wait(g, d->ifindex);
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
        if (!d->out_since_ns) {
                d->out_since_ns = now_ns;
                if (g->neigh)
                        io_neigh_link(g->neigh, d->ifindex, true, now_ns);
        }
        atomic_store(&d->out, s);
        if (!d->out_told && (s == IO_LINK_GONE || now_ns - d->out_since_ns >= TELL_NS))
                say_out(d);
        if (s == IO_LINK_GONE)
                atomic_compare_exchange_strong(&g->stop, &no, STOP_LINK);
}

/* ---- addresses that went with their link ---- */

bool eng_address_lost(const struct eng *g, const struct ip_addr *ip)
{
        struct eng *w = (struct eng *)g;
        unsigned n = atomic_load_explicit(&w->n_lost_addrs, memory_order_acquire);
        for (unsigned i = 0; i < n; i++)
                if (g->lost_addrs[i].ip.hi == ip->hi && g->lost_addrs[i].ip.lo == ip->lo &&
                    g->lost_addrs[i].ip.family == ip->family)
                        return atomic_load_explicit(&w->lost_addrs[i].gone, memory_order_relaxed);
        return false;
}

static bool has_address(const struct io_facts *f, int ifindex, const struct ip_addr *ip)
{
        const struct io_link *l = io_facts_by_index(f, ifindex);
        for (size_t i = 0; l && i < l->n_addrs; i++)
                if (ip_eq(&l->addrs[i].ip, ip))
                        return true;
        return false;
}

static void say_lost(const struct io_link *l, const struct ip_addr *ip)
{
        char text[IP_TEXT_MAX];
        struct ip_addr bare = *ip;
        bare.zone = 0;
        ip_format(text, &bare);
        log_say(LOG_WARN,
                "%s lost its address %s while it was down: probes still leave from it, and questions for it "
                "are answered by this scan",
                l->name, text);
}

static void note_address(struct eng *g, const struct io_link *l, const struct ip_addr *ip, bool gone)
{
        unsigned n = atomic_load(&g->n_lost_addrs), i = 0;
        while (i < n && !(g->lost_addrs[i].ip.family == ip->family && g->lost_addrs[i].ip.hi == ip->hi &&
                          g->lost_addrs[i].ip.lo == ip->lo))
                i++;
        if (i == ENG_LOST_MAX || (i == n && !gone))
                return;
        if (gone && (i == n || !atomic_load(&g->lost_addrs[i].gone))) {
                say_lost(l, ip);
                io_listen_for(&g->group_fd, l->ifindex, ip);
        }
        if (i == n)
                g->lost_addrs[i].ip = *ip;
        atomic_store(&g->lost_addrs[i].gone, gone);
        if (i == n)
                atomic_store_explicit(&g->n_lost_addrs, n + 1, memory_order_release);
}

/* Compares the addresses of the start with those of now. Who manages the network may put one back later. */
static void look_at_addresses(struct eng *g, uint64_t now_ns)
{
        struct io_facts *now;
        struct err e;
        size_t n = 0;
        bool any = false;
        const struct io_link *l = g->kernel ? io_facts_links(g->kernel, &n) : NULL;
        g->addr_look_ns = n ? now_ns + ADDR_LOOK_NS : 0;
        if (!n || io_facts_load(&now, &e))
                return;
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < l[i].n_addrs; k++) {
                        const struct ip_addr *ip = &l[i].addrs[k].ip;
                        if (!eng_is_source(g, ip))
                                continue;
                        bool gone = !has_address(now, l[i].ifindex, ip);
                        note_address(g, &l[i], ip, gone);
                        any |= gone;
                }
        io_facts_free(now);
        if (!any)
                g->addr_look_ns = 0;
}

void eng_forget_links(struct eng *g)
{
        if (g->group_fd > 0)
                close(g->group_fd);
        g->group_fd = 0;
}

/* ---- outages ---- */

/* What a thread has not made good yet of an earlier outage stays owed. */
static void recall_since(struct eng *g, uint64_t since_ns)
{
        for (unsigned i = 0; i < g->n_tx; i++) {
                uint64_t was = atomic_load(&g->recall_since_ns[i]);
                while (since_ns < was &&
                       !atomic_compare_exchange_weak(&g->recall_since_ns[i], &was, since_ns))
                        continue;
        }
}

static void came_back(struct eng *g, struct dev *d, uint64_t now_ns)
{
        if (d->out_told)
                log_say(LOG_INFO, "%s is up again after %.1f s", d->name,
                        (double)(now_ns - d->out_since_ns) / 1e9);
        g->out_ns += now_ns - d->out_since_ns;
        atomic_store(&g->outage_end_ns, now_ns);
        recall_since(g, d->out_since_ns);
        look_at_addresses(g, now_ns);
        if (g->neigh)
                io_neigh_link(g->neigh, d->ifindex, false, now_ns);
        g->gateways.asked_ns = 0; /* they may have moved */
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
        if (g->addr_look_ns && now_ns >= g->addr_look_ns && !any)
                look_at_addresses(g, now_ns);
        atomic_store(&g->link_out, any); /* after the outage was told: settling begins again with this */
}
