// SPDX-License-Identifier: Apache-2.0
/*
 * talks: what --banners needs besides the receive threads: workers for TLS, and the shield that keeps answers
 * to our own connections from the kernel's TCP, which would reset what it does not know. Set up by main
 * before the first probe.
 */
#include "eng.h"
#include "talk.h"

static bool scans_on(const struct eng *g, int ifindex)
{
        for (unsigned d = 0; d < g->n_devs; d++)
                if (g->devs[d].ifindex == ifindex)
                        return true;
        return false;
}

/* Answers may come in by any interface, but those that no probe leaves by may also have no place for a
 * shield, or be gone by now. */
static int stand_on_links(struct eng *g, struct err *e)
{
        size_t n = 0;
        const struct io_link *l = g->kernel ? io_facts_links(g->kernel, &n) : NULL;
        for (int others = 0; others < 2; others++)
                for (size_t i = 0; i < n; i++)
                        if (scans_on(g, l[i].ifindex) != others &&
                            io_shield_add(g->shield, l[i].ifindex, e) && !others)
                                return -1;
        return 0;
}

static void raise_shield(struct eng *g)
{
        struct io_span spans[ARRAY_LEN(g->sources)];
        struct err e = {0};
        if (g->conf->no_shield || eng_io_is_virtual(g))
                return;
        for (unsigned i = 0; i < g->n_sources; i++) {
                const struct scan_source *s = &g->sources[i];
                spans[i] = (struct io_span){.first = s->first,
                                            .last = ip_add(s->first, s->count - 1),
                                            .port_first = s->port_first,
                                            .port_last = (uint16_t)(s->port_first + s->port_count - 1)};
        }
        if (io_shield_open(&g->shield, spans, g->n_sources, IO_SHIELD_ANY, &e) || stand_on_links(g, &e))
                log_say(LOG_WARN,
                        "no shield: %s. The kernel will reset connections from its own addresses: use "
                        "--source-ip "
                        "with a free address, or a firewall rule of your own with --no-shield",
                        e.text);
        else
                log_say(LOG_INFO, "shield: answers to source ports %u-%u stay away from the kernel's TCP %s",
                        g->sources[0].port_first, g->sources[0].port_first + g->sources[0].port_count - 1,
                        io_shield_word(g->shield));
}

void eng_start_talks(struct eng *g)
{
        const struct conf *c = g->conf;
        struct tls_conf tc = {.workers = c->tls_threads, .clients = g->n_rx, .max_bytes = c->max_tls};
        struct err why = {0};
        if (!c->banners)
                return;
        for (unsigned i = 0; i < g->n_rx; i++)
                atomic_store(&g->rx_oldest[i], UINT64_MAX);
        if (tls_pool_new(&g->tls, &tc, &why)) {
                g->tls = NULL;
                g->conf->session.tls = false;
                log_say(LOG_WARN, "no TLS: %s", why.text);
        }
        raise_shield(g);
}

void eng_watch_shield(struct eng *g)
{
        if (g->shield && io_shield_follow(g->shield))
                log_say(LOG_INFO, "shield: there are new interfaces, so it stands %s now",
                        io_shield_word(g->shield));
}

void eng_end_talks(struct eng *g)
{
        if (g->shield)
                io_shield_close(g->shield);
        if (g->tls)
                tls_pool_free(g->tls);
        g->shield = NULL;
        g->tls = NULL;
}

uint32_t eng_talking(const struct eng *g)
{
        uint32_t n = 0;
        for (unsigned i = 0; g->conf->banners && i < g->n_rx; i++)
                n += atomic_load_explicit(&((struct eng *)g)->talking[i], memory_order_relaxed);
        return n;
}
