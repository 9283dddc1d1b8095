// SPDX-License-Identifier: Apache-2.0
/*
 * plan: configuration -> what will be scanned, how fast and with which key. Everything that can be refused is
 * refused here, before the first socket is opened.
 */
#include "steer.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TALK_THREADS = 4 }; /* receive threads of --banners, where there are as many CPUs */

static const double billion = 1e9, v6_large = 4294967296.0;

static int own_broadcasts(struct tgt_range **list, size_t *n, struct err *e)
{
        struct io_facts *f;
        size_t n_links, cap = 0;
        if (io_facts_load(&f, e))
                return -1;
        const struct io_link *l = io_facts_links(f, &n_links);
        *list = NULL;
        *n = 0;
        for (size_t i = 0; i < n_links; i++)
                for (size_t k = 0; k < l[i].n_addrs; k++) {
                        const struct io_ifaddr *a = &l[i].addrs[k];
                        if (a->ip.family != 4 || a->prefix_len > 30 || l[i].loopback ||
                            l[i].link != LINK_ETHER)
                                continue;
                        uint32_t host = a->prefix_len ? UINT32_MAX >> a->prefix_len : UINT32_MAX;
                        struct ip_addr b = ip_v4((uint32_t)a->ip.lo | host);
                        if (mem_grow(list, &cap, *n + 1, sizeof(**list), e)) {
                                io_facts_free(f);
                                return -1;
                        }
                        (*list)[(*n)++] = (struct tgt_range){b, b};
                }
        io_facts_free(f);
        return 0;
}

int eng_make_plan(struct eng *g, struct err *e)
{
        struct conf *c = g->conf;
        struct tgt_range *broadcasts = NULL;
        struct tgt_spec spec = {.include = c->include,
                                .exclude = c->exclude,
                                .ports = c->ports,
                                .allow_reserved = c->allow_reserved};
        if (tgt_set_finish(c->include, e) || tgt_set_finish(c->exclude, e))
                return -1;
        if (!eng_io_is_virtual(g) && c->op == OP_SCAN &&
            own_broadcasts(&broadcasts, &spec.n_own_broadcasts, e))
                return -1;
        spec.own_broadcasts = broadcasts;
        int rc = tgt_plan_new(&g->plan, &spec, e);
        free(broadcasts);
        return rc;
}

static bool excludes_ipv4(const struct tgt_set *set)
{
        struct tgt_walk w;
        struct tgt_range r;
        tgt_set_walk(&w, set);
        return tgt_walk_next(&w, &r) && r.first.family == 4; /* IPv4 comes first */
}

/* Large scans are meant, or they are not made (design: Safety). */
static int gates(struct eng *g, struct err *e)
{
        const struct conf *c = g->conf;
        if ((double)g->facts.v4 > billion && !c->resume_file && !excludes_ipv4(c->exclude))
                return err_set(e, 0,
                               "%llu IPv4 addresses without any exclude: a scan of more than a billion "
                               "addresses needs "
                               "an exclude list (--excludefile), or --exclude 255.255.255.255 to say that it "
                               "is meant",
                               (unsigned long long)g->facts.v4);
        if ((double)g->facts.v6 * g->facts.ports > v6_large && !c->yes_large)
                return err_set(e, 0,
                               "%.3g IPv6 probes: a scan of more than 2^32 needs --yes-large to say that it "
                               "is meant",
                               (double)g->facts.v6 * g->facts.ports);
        return 0;
}

static int read_key(struct eng *g, struct err *e)
{
        const char *saved = conf_state(g->conf, "key");
        char *text = NULL;
        size_t len = 0;
        uint64_t k[2];
        int end = 0;
        rand_bytes(k, sizeof(k));
        if (g->conf->cookie_key_file) {
                if (file_read(g->conf->cookie_key_file, 4096, &text, &len, e))
                        return -1;
                saved = text;
        }
        if (saved && (sscanf(saved, "%16lx%16lx %n", &k[0], &k[1], &end) != 2 || saved[end] || end < 32)) {
                err_set(e, 0, "%s: a cookie key is 32 hexadecimal digits and nothing else",
                        g->conf->cookie_key_file ? g->conf->cookie_key_file : g->conf->resume_file);
                free(text);
                return -1;
        }
        free(text);
        g->key.cookie = (struct hash_key){k[0], k[1]};
        return 0;
}

/* Source ports outside the kernel's own ephemeral range, so that no local connection shares them. */
static void choose_ports(struct eng *g)
{
        const char *saved = conf_state(g->conf, "source-port");
        uint32_t r;
        rand_bytes(&r, sizeof(r));
        g->port_count = 64;
        g->port_first = (uint16_t)(61000 + r % (65536 - 61000 - g->port_count));
        if (saved)
                g->port_first = (uint16_t)strtoul(saved, NULL, 10);
}

/* The order is random over all targets, so one host gets 1/hosts of the rate, one /24 its share of the
 * addresses. */
static double polite(const struct eng *g, double pps, const char **by)
{
        const struct conf *c = g->conf;
        double hosts = (double)g->facts.v4 + (double)g->facts.v6, limit = pps;
        *by = NULL;
        if (c->max_rate_per_host > 0 && c->max_rate_per_host * hosts < limit) {
                limit = c->max_rate_per_host * hosts;
                *by = "--max-rate-per-host";
        }
        if (c->max_rate_per_net24 > 0 && g->facts.busiest_net24) {
                double share = c->max_rate_per_net24 * hosts / g->facts.busiest_net24;
                if (share < limit) {
                        limit = share;
                        *by = "--max-rate-per-net24";
                }
        }
        return limit;
}

double eng_polite_pps(const struct eng *g, double pps)
{
        const char *by;
        return polite(g, pps, &by);
}

static double polite_rate(const struct eng *g, double pps)
{
        const struct conf *c = g->conf;
        const char *by;
        double limit = polite(g, pps, &by);
        if (by)
                log_say(LOG_INFO, "rate lowered from %.0f to %.0f packets/s: %s %.0f (0 lifts it)", pps,
                        limit, by, by[15] == 'h' ? c->max_rate_per_host : c->max_rate_per_net24);
        return limit;
}

/* Bandwidth counts what is on the wire: preamble, FCS and gap too (IEEE 802.3), 84 bytes at least. */
static double wire_rate(const struct eng *g)
{
        const struct conf *c = g->conf;
        double on_wire = MAX(84.0, (double)(g->probe_len ? g->probe_len : 66) + 24);
        return c->rate_bps > 0 ? c->rate_bps / 8 / on_wire : c->rate_pps;
}

int eng_arc(const struct conf *c, const struct tgt_order *o, uint64_t *first, uint64_t *end, struct err *e)
{
        *first = (uint64_t)((unsigned __int128)o->domain * (c->shard - 1) / c->shards);
        *end = (uint64_t)((unsigned __int128)o->domain * c->shard / c->shards);
        if (c->has_resume_index) {
                if (c->resume_index >= *end - *first && c->resume_index)
                        return err_set(e, 0, "--resume-index %llu: this scan has positions 0 to %llu",
                                       (unsigned long long)c->resume_index,
                                       (unsigned long long)(*end - *first - 1));
                *first += c->resume_index;
        }
        if (c->resume_count && c->resume_count < *end - *first)
                *end = *first + c->resume_count;
        /* --max-targets: positions up to the n-th that is no hole. Looked up, not counted while sending, so
         * that it is the same for -sL, for any number of threads, and after a resume. */
        uint64_t left = c->max_targets, pos = *first;
        while (left && left < o->count && pos < *end)
                left -= tgt_order_at(o, pos++) < o->count;
        if (c->max_targets && c->max_targets < o->count)
                *end = pos;
        return 0;
}

static int make_window(struct eng *g, double pps, struct err *e)
{
        const struct conf *c = g->conf;
        double in_flight = MIN(pps, 2e7) * (c->retries * c->retry_delay_s + c->answer_horizon_s + 2);
        double positions = MIN(in_flight * 4 + 65536, (double)eng_order(g)->domain * 2 + 4096);
        if (window_init(&g->window, (uint64_t)MIN(positions, 4294967296.0), e))
                return -1;
        atomic_store(&g->window.low, g->pos_start);
        atomic_store(&g->window.next, g->pos_start);
        return 0;
}

static int make_rings(struct eng *g, double pps, struct err *e)
{
        unsigned log2 = 12;
        while (log2 < 22 && (double)(1u << log2) < MIN(pps * 2, (double)g->facts.probes * 4))
                log2++;
        for (unsigned i = 0; i < g->n_rx; i++)
                if (ring_init(&g->found[i], log2, sizeof(struct found), e))
                        return -1;
        return 0;
}

/* Conversations are the receive threads' work; only AF_PACKET hands all frames of one host to one of them. */
static unsigned usual_rx_threads(const struct conf *c)
{
        bool plain = !c->io_rx || strcmp(c->io_rx, "auto") == 0 || strcmp(c->io_rx, "afpacket") == 0;
        bool wire = !c->offline && (!c->io_tx || strcmp(c->io_tx, "loop") != 0);
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        return c->banners && plain && wire ? (unsigned)MIN(MAX(cpus, 1), (long)TALK_THREADS) : 1;
}

int eng_prepare(struct eng *g, struct err *e)
{
        struct conf *c = g->conf;
        g->start_ns = clock_mono_ns();
        g->start_wall_ns = clock_wall_ns();
        if (eng_check_cores(c, e))
                return -1;
        g->n_tx = MAX(1u, c->tx_threads);
        g->n_rx = c->rx_threads ? c->rx_threads : usual_rx_threads(c);
        if (g->n_tx > ENG_TX_MAX || g->n_rx > ENG_RX_MAX)
                return err_set(e, 0, "at most %d transmit and %d receive threads", ENG_TX_MAX, ENG_RX_MAX);
        g->seed = c->seed; /* conf draws one when none was given */
        if (c->resume_file ? checkpoint_load(g, e) : eng_make_plan(g, e))
                return -1;
        tgt_plan_facts(g->plan, &g->facts);
        if (gates(g, e) || read_key(g, e))
                return -1;
        choose_ports(g);
        tgt_order_init(&g->orders[0], g->facts.probes, g->seed);
        atomic_store(&g->order, &g->orders[0]);
        if (eng_arc(c, eng_order(g), &g->arc_start, &g->pos_end, e))
                return -1;
        g->pos_start = g->arc_start;
        if (c->resume_file)
                g->pos_start =
                        MIN(MAX(g->pos_start, strtoull(conf_state(c, "position"), NULL, 10)), g->pos_end);
        for (unsigned i = 0; i < g->n_tx; i++)
                atomic_store(&g->tx_oldest[i], UINT64_MAX);
        double pps = wire_rate(g);
        if (make_window(g, pps, e) || make_rings(g, pps, e))
                return -1;
        if (g->facts.reserved_dropped)
                log_say(LOG_INFO,
                        "%llu addresses that are never scanned (multicast, reserved, this network) left out; "
                        "--allow-reserved keeps them",
                        (unsigned long long)g->facts.reserved_dropped);
        rate_init(&g->rate, pps, clock_mono_ns()); /* the choice of back-ends asks for it */
        if (eng_make_paths(g, e) || eng_make_neighbours(g, e))
                return -1;
        c->rate_pps = polite_rate(g, wire_rate(g)); /* now the frame's length is known */
        rate_init(&g->rate, c->rate_pps, clock_mono_ns());
        g->rate.closes_below = eng_closes_below(g);
        g->close_share = g->rate.closes_below ? 0.5 : 0; /* until it is known how few answer */
        eng_set_turns(g);
        g->key.sources = g->sources;
        g->key.n_sources = g->n_sources;
        return steer_new(&g->steer, g, e);
}

void eng_free(struct eng *g)
{
        eng_end_talks(g);
        eng_close_devs(g);
        eng_forget_links(g);
        for (unsigned i = 0; i < CONF_ADAPTERS_MAX; i++)
                free(g->stretches[i]);
        free(g->paths);
        for (unsigned i = 0; i < ENG_RX_MAX; i++)
                ring_free(&g->found[i]);
        window_free(&g->window);
        steer_free(g->steer);
        if (g->neigh)
                io_neigh_free(g->neigh);
        if (g->kernel)
                io_facts_free(g->kernel);
        if (g->plan)
                tgt_plan_free(g->plan);
        free(g);
}

/* "80,443,8000-8010" for the ports of one protocol; caller frees. */
char *eng_ports_text(const struct tgt_ports *ports, uint32_t base, uint32_t count, uint32_t *n)
{
        size_t cap = 16, total = tgt_ports_count(ports), run;
        char *text = NULL;
        struct wr w;
        for (size_t i = 0; i < total; i++)
                cap += 12;
        text = malloc(cap);
        if (!text)
                return NULL;
        w = wr_of(text, cap - 1);
        *n = 0;
        for (size_t i = 0; i < total; i += run) {
                uint32_t p = tgt_ports_at(ports, i);
                for (run = 1;
                     i + run < total && tgt_ports_at(ports, i + run) == p + run && p + run < base + count;)
                        run++;
                if (p < base || p >= base + count)
                        continue;
                wr_fmt(&w, run > 1 ? "%s%u-%u" : "%s%u", *n ? "," : "", p - base,
                       p - base + (uint32_t)run - 1);
                *n += (uint32_t)run;
        }
        *w.p = 0;
        return text;
}
