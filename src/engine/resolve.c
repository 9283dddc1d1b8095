// SPDX-License-Identifier: Apache-2.0
/*
 * resolve: finds out the MAC addresses of next hops, and keeps finding out while the scan runs. The main
 * thread alone: it owns the table of neighbours, takes in what the other threads left there, and writes each
 * gateway's address into its paths, where transmit threads read it as one word. Requests leave under the
 * common rate, through a handle of their own. RFC 826, RFC 4861 §7.3.
 */
#include "eng.h"

enum { ASK_TRIES = 3, SILENT_ROUNDS = 3, CONFIRM_SHARE = 20 /* asking again takes one frame in so many */ };
static const uint64_t CALM_NS = 30 * NS_PER_S; /* REACHABLE_TIME of RFC 4861 §10 */
static const uint64_t DEAD_NS = 5 * NS_PER_S;  /* a machine that boots is found by the next round */
/* No answer to any probe for QUIET_NS: that may be the targets, or the gateway, which then is asked more
 * often (a round of questions takes three seconds). */
static const uint64_t QUIET_NS = 2 * NS_PER_S, DOUBT_NS = 4 * NS_PER_S;
static const uint64_t TELL_NS = 5 * NS_PER_S; /* between two lines about changes: anybody may cause one */

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

/* A handle whose link is down keeps one frame, and gets no more: they would leave in a burst past the rate.
 */
static bool takes_one(struct io *io)
{
        struct io_stats s = {0};
        io_tx_kick(io);
        io->ops->stats(io->st, &s);
        return !s.tx_waiting;
}

/* One that cannot leave is lost, as on the wire: the table asks again. */
static void ask_one(struct eng *g, const struct io_neigh_ask *ask)
{
        const struct path *p = NULL;
        struct ip_addr us;
        struct frame f;
        if (!ask_how(g, ask, &p, &us) || eng_link_out(g, &g->devs[p->dev]))
                return;
        struct wire_hop hop = p->hop;
        memset(hop.them_mac, 0, 6); /* everybody: broadcast, or the solicited-node group */
        if (ask->to_mac)
                memcpy(hop.them_mac, ask->mac, 6);
        struct io *io = &g->devs[p->dev].ask;
        if (!takes_one(io) || !io_tx_reserve(io, &f, 1))
                return;
        f.len = (uint32_t)wire_build_neigh_request(f.data, f.cap, &hop, &us, &ask->ip);
        io_tx_commit(io, &f, f.len ? 1 : 0);
        io_tx_kick(io);
}

/* ---- gateways ---- */

static bool asks_gateway(const struct path *p)
{
        return p->kind == ROUTE_GATEWAY && !p->mac_known;
}

static struct ip_addr gateway_of(const struct path *p)
{
        struct ip_addr via = p->via;
        via.zone = 0;
        return via;
}

static enum io_neigh_state find_gateway(struct eng *g, const struct path *p, uint8_t mac[6])
{
        struct ip_addr via = gateway_of(p);
        return io_neigh_find(g->neigh, g->n_tx, g->devs[p->dev].ifindex, &via, mac);
}

static void say_change(struct eng *g, const struct path *p, const uint8_t mac[6], uint64_t now_ns)
{
        char via[IP_TEXT_MAX];
        if (g->gateways.told_ns && now_ns - g->gateways.told_ns < TELL_NS)
                return;
        g->gateways.told_ns = now_ns;
        ip_format(via, &p->via);
        log_say(LOG_INFO, "the gateway %s on %s now has the MAC %02x:%02x:%02x:%02x:%02x:%02x", via,
                g->devs[p->dev].name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void follow_gateways(struct eng *g, uint64_t now_ns)
{
        for (size_t i = 0; i < g->n_paths; i++) {
                struct path *p = &g->paths[i];
                uint8_t mac[6];
                uint64_t was = atomic_load_explicit(&p->mac, memory_order_relaxed);
                if (!asks_gateway(p) || !was || find_gateway(g, p, mac) != NEIGH_KNOWN ||
                    eng_mac_word(mac) == was)
                        continue;
                atomic_store_explicit(&p->mac, eng_mac_word(mac), memory_order_relaxed);
                say_change(g, p, mac, now_ns);
        }
}

/* Once per gateway, however many paths lead over it. */
static void say_silence(struct eng *g, struct path *p)
{
        char via[IP_TEXT_MAX];
        if (p->silence_told)
                return;
        for (size_t i = 0; i < g->n_paths; i++)
                if (g->paths[i].dev == p->dev && ip_eq(&g->paths[i].via, &p->via))
                        g->paths[i].silence_told = true;
        ip_format(via, &p->via);
        log_say(LOG_WARN,
                "the gateway %s on %s no longer answers %s: probes still go to the MAC it had, and may be "
                "lost",
                via, g->devs[p->dev].name, p->family == 4 ? "ARP" : "NDP");
}

/* Is each gateway still where it was? Asked now and then, and sooner when nothing answers any more. */
static void confirm_gateways(struct eng *g, uint64_t now_ns)
{
        uint64_t answers = 0;
        for (unsigned i = 0; i < g->n_rx; i++)
                answers += atomic_load_explicit(&g->rx_count[i].answers, memory_order_relaxed);
        if (answers != g->gateways.heard) {
                g->gateways.heard = answers;
                g->gateways.heard_ns = now_ns;
        }
        bool quiet = now_ns - g->gateways.heard_ns >= QUIET_NS;
        if (now_ns - g->gateways.asked_ns < (quiet ? DOUBT_NS : CALM_NS))
                return;
        g->gateways.asked_ns = now_ns;
        for (size_t i = 0; i < g->n_paths; i++) {
                struct path *p = &g->paths[i];
                struct ip_addr via = gateway_of(p);
                if (asks_gateway(p) && !eng_link_out(g, &g->devs[p->dev]) &&
                    io_neigh_confirm(g->neigh, g->devs[p->dev].ifindex, &via) >= SILENT_ROUNDS)
                        say_silence(g, p);
        }
}

/* ---- the main thread's part ---- */

/* Requests wait for their turn like replies do, and probes yield to them: else a slow scan, whose every frame
 * is spoken for, would never find out where to send. Never blocks: what has no turn yet is kept for the next
 * tick. */
void eng_ask_neighbours(struct eng *g, uint64_t now_ns)
{
        unsigned done = 0, had = g->n_asks;
        if (!g->neigh)
                return;
        if (io_neigh_take(g->neigh, now_ns))
                follow_gateways(g, now_ns);
        confirm_gateways(g, now_ns);
        io_neigh_age(g->neigh, now_ns, rate_pps(&g->rate) / CONFIRM_SHARE);
        if (!g->n_asks)
                g->n_asks = io_neigh_due(g->neigh, now_ns, g->asks, ARRAY_LEN(g->asks));
        while (done < g->n_asks && rate_take_reply(&g->rate, 1, clock_mono_ns()))
                ask_one(g, &g->asks[done++]);
        rate_left_reply(&g->rate, done, clock_mono_ns());
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
        bool needed = false, tagged = false;
        uint64_t now_ns = clock_mono_ns();
        for (size_t i = 0; i < g->n_paths; i++)
                needed |= !g->paths[i].mac_known;
        if (!needed)
                return 0;
        for (unsigned i = 0; i < g->n_devs; i++)
                tagged |= g->devs[i].vlan != 0;
        size_t queue = MIN((size_t)g->conf->neigh_queue, (size_t)1 << 21);
        struct io_neigh_conf conf = {.capacity = MAX(queue * 2, (size_t)1024) + g->n_paths * 2,
                                     .tries = ASK_TRIES,
                                     .retry_ns = NS_PER_S,
                                     .calm_ns = CALM_NS,
                                     .dead_ns = DEAD_NS,
                                     .n_askers =
                                             g->n_tx + 1 + g->n_rx, /* the main thread stands in between */
                                     .n_tellers = g->n_rx};
        g->gateways.asked_ns = g->gateways.heard_ns = now_ns;
        if (io_neigh_new(&g->neigh, &conf, e))
                return -1;
        /* the kernel's table is the untagged network's */
        return tagged ? 0 : io_neigh_seed(g->neigh, g->kernel, now_ns, e);
}

static int gateway_out(const struct eng *g, const struct path *p, struct err *e)
{
        const struct dev *d = &g->devs[p->dev];
        char via[IP_TEXT_MAX];
        ip_format(via, &p->via);
        return err_set(e, 0, "the gateway %s cannot be asked for its MAC: %s %s. Is the cable in?", via,
                       d->name, eng_link_word(d) ? eng_link_word(d) : "is out");
}

/* Gateways first: a scan that cannot leave should say so before it starts. */
int eng_gateways(struct eng *g, bool *ready, struct err *e)
{
        *ready = true;
        for (size_t i = 0; i < g->n_paths; i++) {
                struct path *p = &g->paths[i];
                struct ip_addr via = gateway_of(p);
                uint8_t mac[6];
                if (!asks_gateway(p) || atomic_load_explicit(&p->mac, memory_order_relaxed))
                        continue;
                enum io_neigh_state s = find_gateway(g, p, mac);
                if (s == NEIGH_DEAD)
                        return gateway_dead(g, p, e);
                uint64_t out_since_ns = g->devs[p->dev].out_since_ns;
                if (out_since_ns && clock_mono_ns() - out_since_ns >= ASK_TRIES * NS_PER_S)
                        return gateway_out(g, p, e);
                if (s == NEIGH_KNOWN) {
                        atomic_store_explicit(&p->mac, eng_mac_word(mac), memory_order_relaxed);
                        io_neigh_pin(g->neigh, g->devs[p->dev].ifindex, &via);
                }
                *ready &= s == NEIGH_KNOWN;
        }
        return 0;
}
