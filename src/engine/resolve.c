// SPDX-License-Identifier: Apache-2.0
/*
 * resolve: asks for the MAC addresses the transmit threads wait for. Run by the main thread; requests leave
 * under the common rate, through a handle of their own.
 */
#include "eng.h"

enum { ASK_TRIES = 3 };

/* Which path's link and address ask: any that leaves by that interface; for a next hop of the other family
 * (RFC 5549) the interface's own address of that family. */
static bool ask_how(const struct eng *g, const struct io_neigh_ask *ask, const struct path **path,
                    struct ip_addr *us)
{
        us->family = 0;
        for (size_t i = 0; i < g->n_paths && us->family != ask->ip.family; i++) {
                const struct path *p = &g->paths[i];
                const struct dev *d = &g->devs[p->dev];
                if (d->ifindex != ask->ifindex || d->local)
                        continue;
                *path = p;
                *us = p->source.first;
                for (size_t k = 0; d->link && us->family != ask->ip.family && k < d->link->n_addrs; k++)
                        *us = d->link->addrs[k].ip;
        }
        return us->family == ask->ip.family;
}

static void ask_one(struct eng *g, const struct io_neigh_ask *ask)
{
        const struct path *p = NULL;
        struct ip_addr us;
        struct frame f;
        if (!ask_how(g, ask, &p, &us))
                return;
        struct wire_hop hop = p->hop;
        memset(hop.them_mac, 0, 6); /* unknown: broadcast, or the solicited-node group */
        struct io *io = &g->devs[p->dev].ask;
        if (!io_tx_reserve(io, &f, 1))
                return;
        f.len = (uint32_t)wire_build_neigh_request(f.data, f.cap, &hop, &us, &ask->ip);
        io_tx_commit(io, &f, f.len ? 1 : 0);
        io_tx_kick(io);
}

/* Requests wait for their turn like replies do, and probes yield to them: else a slow scan, whose every frame
 * is spoken for, would never find out where to send. Never blocks: what has no turn yet is kept for the next
 * tick. */
void eng_ask_neighbours(struct eng *g, uint64_t now_ns)
{
        unsigned done = 0, had = g->n_asks;
        if (!g->neigh)
                return;
        if (!g->n_asks)
                g->n_asks = io_neigh_due(g->neigh, now_ns, g->asks, ARRAY_LEN(g->asks));
        while (done < g->n_asks && rate_take(&g->rate, 1, clock_mono_ns()))
                ask_one(g, &g->asks[done++]);
        memmove(g->asks, g->asks + done, (g->n_asks - done) * sizeof(*g->asks));
        g->n_asks -= done;
        if (!had != !g->n_asks)
                atomic_fetch_add(&g->rate.replies_waiting, had ? UINT32_MAX : 1u);
        COUNT(g->ask_count, done);
}

static int gateway_dead(const struct eng *g, const struct path *p, struct err *e)
{
        char via[IP_TEXT_MAX];
        ip_format(via, &p->via);
        return err_set(e, 0,
                       "no answer from the gateway %s on %s to %d %s requests: is it there? --router-mac "
                       "gives its MAC by "
                       "hand",
                       via, g->devs[p->dev].name, ASK_TRIES, p->family == 4 ? "ARP" : "NDP");
}

int eng_make_neighbours(struct eng *g, struct err *e)
{
        bool needed = false;
        for (size_t i = 0; i < g->n_paths; i++)
                needed |= !g->paths[i].mac_known;
        if (!needed)
                return 0;
        size_t room = MIN(MAX((size_t)g->conf->neigh_queue * 2, (size_t)1024), (size_t)1 << 22);
        bool tagged = false;
        for (unsigned i = 0; i < g->n_devs; i++)
                tagged |= g->devs[i].vlan != 0;
        if (io_neigh_new(&g->neigh, room, ASK_TRIES, NS_PER_S, e))
                return -1;
        return tagged ? 0
                      : io_neigh_seed(g->neigh, g->kernel,
                                      e); /* the kernel's table is the untagged network's */
}

/* Gateways first: a scan that cannot leave should say so before it starts. */
int eng_gateways(struct eng *g, bool *ready, struct err *e)
{
        *ready = true;
        for (size_t i = 0; i < g->n_paths; i++) {
                struct path *p = &g->paths[i];
                struct ip_addr via = p->via;
                if (p->kind != ROUTE_GATEWAY || p->mac_known)
                        continue;
                via.zone = 0;
                enum io_neigh_state s =
                        io_neigh_find(g->neigh, g->devs[p->dev].ifindex, &via, p->hop.them_mac);
                if (s == NEIGH_DEAD)
                        return gateway_dead(g, p, e);
                p->mac_known = s == NEIGH_KNOWN;
                *ready &= p->mac_known;
        }
        return 0;
}
