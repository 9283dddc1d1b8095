// SPDX-License-Identifier: Apache-2.0
/*
 * paths: where each target leaves. The kernel's routes cut the plan's ranges into stretches; stretches with
 * the same interface, next hop and source share a path (template, source set, MAC). What the user gives by
 * hand is never asked of the kernel. With several --adapter[n] each has its own cut, and positions take
 * turns.
 */
#include "eng.h"
#include <stdlib.h>

struct run { /* one answer of the kernel */
        struct ip_addr first, last;
        struct io_route route;
};
struct cut { /* the kernel's answers over the hull of one family's ranges */
        struct run *runs;
        size_t n, cap;
        bool failed;
        struct err *err;
};

static const struct ip_addr none;

static bool same_path(const struct path *a, const struct path *b)
{
        return a->dev == b->dev && a->slot == b->slot && a->family == b->family && a->kind == b->kind &&
               ip_eq(&a->via, &b->via) && ip_eq(&a->source.first, &b->source.first);
}

static int add_path(struct eng *g, const struct path *p, uint16_t *id, struct err *e)
{
        for (size_t i = 0; i < g->n_paths; i++)
                if (same_path(&g->paths[i], p)) {
                        *id = (uint16_t)i;
                        return 0;
                }
        if (g->n_paths == ENG_NO_PATH)
                return err_set(e, 0, "the targets leave by more than %d different routes: give --adapter",
                               ENG_NO_PATH);
        if (mem_grow(&g->paths, &g->cap_paths, g->n_paths + 1, sizeof(*p), e))
                return -1;
        *id = (uint16_t)g->n_paths;
        g->paths[g->n_paths++] = *p;
        return 0;
}

static int add_stretch(struct eng *g, unsigned slot, const struct ip_addr *first, const struct ip_addr *last,
                       uint16_t path, struct err *e)
{
        size_t n = g->n_stretches[slot];
        struct stretch *s = g->stretches[slot];
        struct ip_addr follows = n ? ip_add(s[n - 1].last, 1) : none;
        if (n && s[n - 1].path == path && ip_eq(&follows, first)) {
                s[n - 1].last = *last;
                return 0;
        }
        if (mem_grow(&g->stretches[slot], &g->cap_stretches[slot], n + 1, sizeof(*s), e))
                return -1;
        g->stretches[slot][g->n_stretches[slot]++] = (struct stretch){*first, *last, path};
        return 0;
}

static bool on_networks_of(const struct io_link *l, const struct ip_addr *ip)
{
        for (size_t i = 0; i < l->n_addrs; i++) {
                const struct io_ifaddr *a = &l->addrs[i];
                if (a->ip.family != ip->family)
                        continue;
                unsigned bits = ip->family == 4 ? 32 : 128, keep = MIN(a->prefix_len, bits),
                         cut = bits - keep;
                uint64_t hi = a->ip.hi ^ ip->hi, lo = a->ip.lo ^ ip->lo;
                lo = cut >= 64 ? 0 : lo >> cut;
                hi = cut >= 128 ? 0 : cut > 64 ? hi >> (cut - 64) : hi;
                if (!hi && !lo)
                        return true;
        }
        return false;
}

static int set_source(struct eng *g, struct path *p, const struct ip_addr *kernel_src, struct err *e)
{
        const struct conf_adapter *a = &g->conf->adapters[p->slot];
        const struct dev *d = &g->devs[p->dev];
        const struct tgt_range *r = p->family == 4 ? &a->v4 : &a->v6;
        bool given = p->family == 4 ? a->has_v4 : a->has_v6;
        char text[IP_TEXT_MAX];
        if (given) {
                struct ip_addr last = r->last;
                uint64_t n = last.lo - r->first.lo;
                if (last.hi != r->first.hi || n > UINT32_MAX - 1)
                        return err_set(
                                e, 0, "--source-ip: a range of more than 4294967295 addresses is not usable");
                p->source.first = r->first;
                p->source.count = (uint32_t)n + 1;
                ip_format(text, &r->first);
                if (d->link && !g->conf->allow_foreign_source && d->link->n_addrs && !d->local &&
                    !(on_networks_of(d->link, &r->first) && on_networks_of(d->link, &last)))
                        return err_set(e, 0,
                                       "--source-ip %s is on no network of %s, so answers would go "
                                       "elsewhere: check the "
                                       "address, or say --allow-foreign-source",
                                       text, d->name);
        } else {
                if (!kernel_src->family)
                        return err_set(e, 0, "%s has no IPv%d address to send from: give --source-ip",
                                       d->name, p->family);
                p->source.first = *kernel_src;
                p->source.count = 1;
        }
        p->source.port_first = a->has_port ? a->port_first : g->port_first;
        p->source.port_count = a->has_port ? (uint32_t)(a->port_last - a->port_first) + 1 : g->port_count;
        return 0;
}

static int add_source(struct eng *g, const struct scan_source *s, struct err *e)
{
        for (unsigned i = 0; i < g->n_sources; i++)
                if (ip_eq(&g->sources[i].first, &s->first) && g->sources[i].port_first == s->port_first &&
                    g->sources[i].count == s->count)
                        return 0;
        if (g->n_sources == ARRAY_LEN(g->sources))
                return err_set(e, 0, "the targets need more than %zu source addresses: give --source-ip",
                               ARRAY_LEN(g->sources));
        g->sources[g->n_sources++] = *s;
        return 0;
}

static void set_hop(struct eng *g, struct path *p)
{
        const struct conf_adapter *a = &g->conf->adapters[p->slot];
        const struct dev *d = &g->devs[p->dev];
        bool has = p->family == 4 ? a->has_router_mac4 : a->has_router_mac6;
        p->hop.link = d->tx_link;
        p->hop.vlan = d->vlan;
        memcpy(p->hop.us_mac, d->mac, 6);
        if (has && p->kind != ROUTE_LOCAL)
                memcpy(p->hop.them_mac, p->family == 4 ? a->router_mac4 : a->router_mac6, 6);
        else if (p->kind == ROUTE_BROADCAST)
                memset(p->hop.them_mac, 0xff, 6);
        p->mac_known = has || p->kind == ROUTE_BROADCAST || p->hop.link != LINK_ETHER || d->local ||
                       !d->rx_ops || (d->link && d->link->no_arp);
}

static int make_path(struct eng *g, unsigned slot, const struct io_route *r, uint8_t family, uint16_t *id,
                     struct err *e)
{
        const struct conf_adapter *a = &g->conf->adapters[slot];
        struct path p = {.slot = slot, .family = family, .kind = r->kind, .via = r->via};
        const struct io_link *l = g->kernel && r->ifindex ? io_facts_by_index(g->kernel, r->ifindex) : NULL;
        const struct ip_addr *router = family == 4 ? &a->router_ip4 : &a->router_ip6;
        bool has_mac = family == 4 ? a->has_router_mac4 : a->has_router_mac6;
        bool local = r->kind == ROUTE_LOCAL || (l && l->loopback);
        if (local)
                p.kind = ROUTE_LOCAL;
        else if (has_mac)
                p.kind = ROUTE_GATEWAY; /* by hand: everything goes to that MAC, as masscan does */
        else if (router->family && p.kind == ROUTE_GATEWAY)
                p.via = *router;
        if (p.kind != ROUTE_GATEWAY || has_mac)
                p.via = none;
        if (eng_add_dev(g, r->ifindex, l ? l->name : a->name, slot, local, &p.dev, e))
                return -1;
        if (set_source(g, &p, &r->src, e))
                return -1;
        set_hop(g, &p);
        return add_source(g, &p.source, e) || add_path(g, &p, id, e) ? -1 : 0;
}

static int on_route(void *arg, const struct ip_addr *first, const struct ip_addr *last,
                    const struct io_route *r)
{
        struct cut *c = arg;
        if (mem_grow(&c->runs, &c->cap, c->n + 1, sizeof(*c->runs), c->err)) {
                c->failed = true;
                return -1;
        }
        c->runs[c->n++] = (struct run){*first, *last, *r};
        return 0;
}

/* A run that targets fall into becomes a stretch with a path. */
static int use_run(struct eng *g, unsigned slot, const struct run *run, int oif, struct err *e)
{
        const struct conf_adapter *a = &g->conf->adapters[slot];
        uint8_t family = run->first.family;
        struct io_route r = run->route;
        uint16_t id = ENG_NO_PATH;
        bool by_hand = family == 4 ? a->router_ip4.family || a->has_router_mac4
                                   : a->router_ip6.family || a->has_router_mac6;
        const struct io_link *l = r.ifindex ? io_facts_by_index(g->kernel, r.ifindex) : NULL;
        if (r.assumed && by_hand)
                r.kind = ROUTE_GATEWAY;
        if (r.kind == ROUTE_BROADCAST && (!l || l->link != LINK_ETHER || l->loopback))
                r.kind = ROUTE_NONE; /* such a link has no address for all */
        if (r.kind == ROUTE_NONE && by_hand && oif)
                r = (struct io_route){.kind = ROUTE_GATEWAY, .ifindex = oif};
        if (r.kind != ROUTE_NONE && make_path(g, slot, &r, family, &id, e))
                return -1;
        return add_stretch(g, slot, &run->first, &run->last, id, e);
}

/* Everything about this family was given: the kernel is not asked, one path takes all. */
static bool by_hand(const struct conf_adapter *a, uint8_t family)
{
        return a->name[0] && a->has_mac &&
               (family == 4 ? a->has_v4 && a->has_router_mac4 : a->has_v6 && a->has_router_mac6);
}

static int whole_family(struct eng *g, unsigned slot, uint8_t family, int ifindex, struct err *e)
{
        struct io_route r = {.kind = ROUTE_GATEWAY, .ifindex = ifindex};
        struct ip_addr first = family == 4 ? ip_v4(0) : ip_v6(0, 0);
        struct ip_addr last = family == 4 ? ip_v4(UINT32_MAX) : ip_v6(UINT64_MAX, UINT64_MAX);
        uint16_t id;
        if (eng_io_is_virtual(g) &&
            !(family == 4 ? g->conf->adapters[slot].has_v4 : g->conf->adapters[slot].has_v6))
                r.src = family == 4 ? ip_v4(0xc0000201)
                                    : ip_v6(0x20010db800000000, 1); /* documentation prefixes */
        if (make_path(g, slot, &r, family, &id, e))
                return -1;
        g->paths[id].mac_known = true;
        return add_stretch(g, slot, &first, &last, id, e);
}

static int named_adapter(struct eng *g, unsigned slot, int *oif, struct err *e)
{
        const struct conf_adapter *a = &g->conf->adapters[slot];
        *oif = 0;
        if (!a->name[0] || eng_io_is_virtual(g))
                return 0;
        const struct io_link *l = io_facts_by_name(g->kernel, a->name);
        if (!l)
                return err_set(e, 0, "--adapter \"%s\": no such interface; --iflist shows those there are",
                               a->name);
        if (!l->up)
                return err_set(e, 0, "--adapter \"%s\": the interface is down: ip link set %s up", a->name,
                               l->name);
        *oif = l->ifindex;
        return 0;
}

/* Ranges [*r, …] of one family and zone: cuts their hull once, then walks runs and ranges side by side, so
 * that ten million scattered targets cost one question per route and not one per target. On return *r is the
 * first range that belongs to another group; *more: there is one. */
static int cut_group(struct eng *g, unsigned slot, struct tgt_walk *w, struct tgt_range *r, bool *more,
                     int oif, struct err *e)
{
        struct tgt_walk probe = *w;
        struct tgt_range x;
        struct ip_addr last = r->last, from = r->first;
        struct cut c = {.err = e};
        size_t i = 0;
        int rc = -1;
        while (tgt_walk_next(&probe, &x) && x.first.family == from.family && x.first.zone == from.zone)
                last = x.last;
        if (from.zone)
                oif = (int)from.zone;
        if (io_route_cut(g->kernel, &from, &last, oif, on_route, &c, e) || c.failed)
                goto out;
        while (i < c.n && *more && r->first.family == from.family && r->first.zone == from.zone) {
                if (ip_cmp(&c.runs[i].last, &r->first) < 0) {
                        i++;
                } else if (ip_cmp(&r->last, &c.runs[i].first) < 0) {
                        *more = tgt_walk_next(w, r);
                } else {
                        if (use_run(g, slot, &c.runs[i], oif, e))
                                goto out;
                        i++;
                }
        }
        while (*more && r->first.family == from.family && r->first.zone == from.zone)
                *more = tgt_walk_next(w, r);
        rc = 0;
out:
        free(c.runs);
        return rc;
}

static int cut_slot(struct eng *g, unsigned slot, struct err *e)
{
        const struct conf_adapter *a = &g->conf->adapters[slot];
        struct tgt_walk w;
        struct tgt_range r;
        int oif;
        if (named_adapter(g, slot, &oif, e))
                return -1;
        tgt_plan_walk(&w, g->plan);
        for (bool more = tgt_walk_next(&w, &r); more;) {
                uint8_t family = r.first.family;
                if (!eng_io_is_virtual(g) && !by_hand(a, family)) {
                        if (cut_group(g, slot, &w, &r, &more, oif, e))
                                return -1;
                        continue;
                }
                if (whole_family(g, slot, family, oif, e))
                        return -1;
                while (more && r.first.family == family)
                        more = tgt_walk_next(&w, &r);
        }
        return 0;
}

static int prepare_templates(struct eng *g, struct err *e)
{
        for (size_t i = 0; i < g->n_paths; i++) {
                struct path *p = &g->paths[i];
                p->hop.link = g->devs[p->dev].tx_link; /* what the opened back-end really takes */
                if (scan_syn.prepare(&p->tmpl, &g->conf->syn, &p->hop, &p->source, e))
                        return -1;
                atomic_store(&p->mac, eng_mac_word(p->hop.them_mac));
                g->probe_len = MAX(g->probe_len, p->tmpl.len);
        }
        return 0;
}

/* Every handle that makes frames itself learns the templates of its interface. One that cannot hold them all
 * gets frames for the rest. */
static void tell_templates(struct eng *g)
{
        struct err e = {0};
        size_t slower = 0;
        for (size_t i = 0; i < g->n_paths; i++) {
                struct path *p = &g->paths[i];
                bool taken = p->by_patch = g->devs[p->dev].tx[0].ops->tx_patch && !g->conf->offline_frames;
                for (unsigned q = 0; q < g->n_tx && p->by_patch; q++) {
                        struct io *io = &g->devs[p->dev].tx[q];
                        p->by_patch = !io->ops->tx_template ||
                                      !io->ops->tx_template(io->st, (uint16_t)i, &p->tmpl, &e);
                }
                slower += taken && !p->by_patch;
        }
        if (slower)
                log_say(LOG_INFO, "probes for %zu of %zu next hops are made the slower way: %s", slower,
                        g->n_paths, e.text);
}

/* Most scans leave by one path per family: then no target needs to be looked up. */
static void find_only_paths(struct eng *g)
{
        bool seen[2] = {false, false};
        g->only_path[0] = g->only_path[1] = ENG_NO_PATH;
        for (size_t i = 0; g->n_slots == 1 && i < g->n_stretches[0]; i++) {
                const struct stretch *s = &g->stretches[0][i];
                unsigned f = s->first.family == 6;
                g->only_path[f] = seen[f] && g->only_path[f] != s->path ? ENG_NO_PATH : s->path;
                if (seen[f] && g->only_path[f] == ENG_NO_PATH)
                        return;
                seen[f] = true;
        }
}

static int reachable(const struct eng *g, struct err *e)
{
        char text[IP_TEXT_MAX];
        if (g->n_paths)
                return 0;
        ip_format(text, &g->stretches[0][0].first);
        return err_set(
                e, 0,
                "no route to any target (first: %s): check `ip route`, or give --adapter and --router-mac",
                text);
}

int eng_make_paths(struct eng *g, struct err *e)
{
        g->n_slots = MAX(1u, g->conf->n_adapters);
        if (!eng_io_is_virtual(g) && io_facts_load(&g->kernel, e))
                return -1;
        for (unsigned s = 0; s < g->n_slots; s++)
                if (cut_slot(g, s, e))
                        return -1;
        if (reachable(g, e) || eng_open_devs(g, e))
                return -1;
        if (prepare_templates(g, e))
                return -1;
        tell_templates(g);
        find_only_paths(g);
        return 0;
}

uint16_t eng_path_of(const struct eng *g, const struct ip_addr *ip, uint64_t pos)
{
        unsigned slot = g->n_slots == 1 ? 0 : (unsigned)(pos % g->n_slots);
        const struct stretch *s = g->stretches[slot];
        size_t lo = 0, hi = g->n_stretches[slot];
        while (lo < hi) { /* the last stretch that starts at or before ip */
                size_t mid = lo + (hi - lo) / 2;
                if (ip_cmp(&s[mid].first, ip) > 0)
                        hi = mid;
                else
                        lo = mid + 1;
        }
        return lo ? s[lo - 1].path : ENG_NO_PATH;
}
