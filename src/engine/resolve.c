// SPDX-License-Identifier: Apache-2.0
/*
 * resolve: asks for the MAC addresses the transmit threads wait for. Run by the main thread; requests leave
 * under the common rate, through a handle of their own.
 */
#include "eng.h"

enum { ASK_BURST = 64, ASK_TRIES = 3 };

/* The path that says how a request for `ask` leaves. */
static const struct path *path_for(const struct eng *g, const struct io_neigh_ask *ask)
{
        for (size_t i = 0; i < g->n_paths; i++) {
                const struct path *p = &g->paths[i];
                if (g->devs[p->dev].ifindex == ask->ifindex && p->family == ask->ip.family && !p->mac_known)
                        return p;
        }
        return NULL;
}

static void ask_one(struct eng *g, const struct io_neigh_ask *ask)
{
        const struct path *p = path_for(g, ask);
        struct frame f;
        if (!p)
                return;
        struct wire_hop hop = p->hop;
        memset(hop.them_mac, 0, 6); /* unknown: broadcast, or the solicited-node group */
        struct io *io = &g->devs[p->dev].ask;
        if (!io_tx_reserve(io, &f, 1))
                return;
        f.len = (uint32_t)wire_build_neigh_request(f.data, f.cap, &hop, &p->source.first, &ask->ip);
        io_tx_commit(io, &f, f.len ? 1 : 0);
        io_tx_kick(io);
}

/* A request waits for its turn like a reply does, and probes yield to it: else a slow scan, whose every frame
 * is spoken for, would never find out where to send. */
static void wait_turn(struct eng *g)
{
        while (!rate_take(&g->rate, 1, clock_mono_ns()) && !atomic_load(&g->hurry))
                clock_sleep_until(MIN(rate_when(&g->rate, 1), clock_mono_ns() + 20 * NS_PER_MS));
}

void eng_ask_neighbours(struct eng *g, uint64_t now_ns)
{
        struct io_neigh_ask ask[ASK_BURST];
        double in_20_ms = rate_pps(&g->rate) / 50;
        unsigned most = in_20_ms < 1 ? 1 : in_20_ms > ASK_BURST ? ASK_BURST : (unsigned)in_20_ms;
        unsigned n = g->neigh ? io_neigh_due(g->neigh, now_ns, ask, most) : 0;
        if (!n)
                return;
        atomic_fetch_add(&g->rate.replies_waiting, 1);
        for (unsigned i = 0; i < n; i++) {
                wait_turn(g);
                ask_one(g, &ask[i]);
        }
        atomic_fetch_sub(&g->rate.replies_waiting, 1);
        COUNT(g->ask_count, n);
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
        return io_neigh_new(&g->neigh, room, ASK_TRIES, NS_PER_S, e) || io_neigh_seed(g->neigh, g->kernel, e)
                       ? -1
                       : 0;
}

/* Gateways first: a scan that cannot leave should say so before it starts. */
int eng_resolve_gateways(struct eng *g, struct err *e)
{
        for (size_t i = 0; i < g->n_paths; i++) {
                struct path *p = &g->paths[i];
                struct ip_addr via = p->via;
                via.zone = 0;
                while (p->kind == ROUTE_GATEWAY && !p->mac_known) {
                        enum io_neigh_state s =
                                io_neigh_find(g->neigh, g->devs[p->dev].ifindex, &via, p->hop.them_mac);
                        p->mac_known = s == NEIGH_KNOWN;
                        if (s == NEIGH_DEAD)
                                return gateway_dead(g, p, e);
                        if (atomic_load(&g->stop))
                                return err_set(e, 0, "interrupted while looking for the gateway");
                        eng_ask_neighbours(g, clock_mono_ns());
                        if (!p->mac_known)
                                clock_sleep_until(clock_mono_ns() + 2 * NS_PER_MS);
                }
        }
        return 0;
}
