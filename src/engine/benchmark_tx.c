// SPDX-License-Identifier: Apache-2.0
/*
 * benchmark_tx: trawl --benchmark-tx. How fast an interface takes probes, by each way there is to hand them
 * over and for several lengths of burst, and how many of them the interface itself counts as sent. The probes
 * are made as a scan makes them, by one thread. Invariant: a frame goes to the MAC address of --router-mac,
 * else to one that nobody has (locally administered, IEEE 802-2014 8.4), so that it ends on the link; the
 * addresses in it are those set aside for such measurements (RFC 2544 C.2.2, 198.18.0.0/15).
 */
#include "benchmark.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>

static const char targets[] = "198.18.0.0/15", port[] = "9"; /* discard, RFC 863 */
static const uint8_t nobody[6] = {0x02, 't', 'r', 'a', 'w', 'l'};
static const uint64_t path_ns = 2 * NS_PER_S; /* each path has so long, shared by its bursts */
/* Drivers may bring their counters up to date only every second or two. */
static const uint64_t count_late_ns = 2200 * NS_PER_MS, stuck_ns = 200 * NS_PER_MS;
enum { BURSTS_MAX = 6, ROW_FRAMES_MIN = 100 };

struct tx_bench {
        const struct conf *c;
        struct io_facts *kernel;
        const struct io_link *link;
        const char *name;          /* as the back-end calls the interface */
        const struct io_ops *only; /* --io-tx; NULL: all there are */
        struct tgt_plan *plan;
        struct tgt_order order;
        uint64_t pos;
        struct hash_key key;
        struct scan_source source;
        struct wire_hop hop;
        struct io io;
        struct probe_template tmpl;
        bool by_patch, stuck;
        bool limited;
        struct rate rate;
        struct target_batch v4, v6;
        struct patch patch[BATCH_MAX];
        unsigned n, used; /* of patch[] */
};
static struct tx_bench bench;

/* ---- what to send, and where ---- */

static int find_link(struct tx_bench *b, struct err *e)
{
        const struct conf_adapter *a = &b->c->adapters[0];
        b->link = io_facts_by_name(b->kernel, a->name);
        if (!b->link)
                return err_set(e, ENODEV,
                               "there is no interface \"%s\": trawl --iflist shows those there are", a->name);
        if (b->link->loopback || b->link->link != LINK_ETHER)
                return err_set(
                        e, 0,
                        "\"%s\" has no MAC addresses that would keep frames on the link: name an Ethernet "
                        "interface",
                        b->link->name);
        if (!b->link->up)
                return err_set(e, ENETDOWN, "\"%s\" is down: \"ip link set %s up\" starts it", b->link->name,
                               b->link->name);
        b->name = a->device[0] ? a->device : b->link->name;
        return 0;
}

/* A back-end that was named must be one that sends on links, with MAC addresses of our own choice. */
static int find_only(struct tx_bench *b, struct err *e)
{
        const char *name = b->c->io_tx;
        b->only = strcmp(name, "auto") == 0 ? NULL : io_by_name(name);
        const struct io_rung *rung = io_rung_of(io_tx_ladder, b->only);
        if (!b->only || strcmp(name, "pfring") == 0)
                return 0;
        if (!rung)
                return err_set(e, 0, "--io-tx %s sends nothing on \"%s\": there is nothing to measure", name,
                               b->link->name);
        return rung->usable(b->link, false, NULL, e) ? err_wrap(e, "--io-tx %s", name) : 0;
}

static struct ip_addr own_address(const struct tx_bench *b)
{
        const struct conf_adapter *a = &b->c->adapters[0];
        if (a->has_v4)
                return a->v4.first;
        for (size_t i = 0; i < b->link->n_addrs; i++)
                if (b->link->addrs[i].ip.family == 4)
                        return b->link->addrs[i].ip;
        return ip_v4(0xc0000201); /* 192.0.2.1, documentation */
}

static void choose_addresses(struct tx_bench *b)
{
        const struct conf_adapter *a = &b->c->adapters[0];
        b->source = (struct scan_source){.first = own_address(b),
                                         .count = 1,
                                         .port_first = a->has_port ? a->port_first : 40000,
                                         .port_count = 1};
        b->hop = (struct wire_hop){.link = LINK_ETHER, .vlan = (uint16_t)a->vlan};
        memcpy(b->hop.us_mac, a->has_mac ? a->mac : b->link->mac, 6);
        memcpy(b->hop.them_mac, a->has_router_mac4 ? a->router_mac4 : nobody, 6);
        rand_bytes(&b->key, sizeof(b->key));
}

/* Bandwidth counts preamble, FCS and gap too, as for a scan. */
static void choose_rate(struct tx_bench *b)
{
        double on_wire = MAX(84.0, (double)b->tmpl.len + 24);
        b->limited = b->c->has_rate;
        rate_init(&b->rate, b->c->rate_bps > 0 ? b->c->rate_bps / 8 / on_wire : b->c->rate_pps,
                  clock_mono_ns());
}

/* Below 2800 a second there is one row to a path (choose_bursts), above it each has many frames. */
static int check_rate(const struct tx_bench *b, struct err *e)
{
        double frames = rate_pps(&b->rate) * (double)path_ns / 1e9;
        if (b->c->rate_auto)
                return err_set(e, 0,
                               "--benchmark-tx cannot follow --rate auto, which finds its rate by answers: "
                               "name a rate, "
                               "or none to send as fast as the interface takes them");
        if (b->limited && frames < ROW_FRAMES_MIN)
                return err_set(e, 0,
                               "--benchmark-tx at %.3g packets/s would send %.3g frames by each back-end, "
                               "too few to "
                               "measure: give --rate %.0f or more, or none",
                               rate_pps(&b->rate), frames, ceil(ROW_FRAMES_MIN * 1e9 / (double)path_ns));
        return 0;
}

static int prepare(struct tx_bench *b, struct err *e)
{
        struct tgt_plan_facts facts;
        if (io_facts_load(&b->kernel, e) || find_link(b, e) || find_only(b, e))
                return -1;
        choose_addresses(b);
        if (scan_syn.prepare(&b->tmpl, &b->c->syn, &b->hop, &b->source, e) ||
            bench_plan(&b->plan, targets, 0, port, e))
                return -1;
        tgt_plan_facts(b->plan, &facts);
        tgt_order_init(&b->order, facts.probes, b->c->seed);
        choose_rate(b);
        return check_rate(b, e);
}

static void announce(const struct tx_bench *b)
{
        const uint8_t *m = b->hop.them_mac;
        char from[IP_TEXT_MAX], limit[64] = "as fast as it takes them";
        ip_format(from, &b->source.first);
        if (b->limited)
                snprintf(limit, sizeof(limit), "at most %.0f a second", rate_pps(&b->rate));
        printf("Sending on %s to the MAC address %02x:%02x:%02x:%02x:%02x:%02x: TCP SYNs of %u bytes from %s "
               "to "
               "%s,\n"
               "%s, for 2 seconds by each back-end, from one thread.\n\n",
               b->link->name, m[0], m[1], m[2], m[3], m[4], m[5], b->tmpl.len, from, targets, limit);
        printf("%-10s %6s %12s %14s %14s %8s %8s\n", "back-end", "burst", "frames", "handed over/s",
               "link counts/s", "CPU ns", "refused");
        fflush(stdout);
}

/* ---- sending ---- */

static void make_patches(struct tx_bench *b)
{
        if (b->pos >= b->order.domain)
                b->pos = 0;
        b->v4.n = b->v6.n = b->used = 0;
        tgt_generate(b->plan, &b->order, &b->pos, b->order.domain, UINT64_MAX, &b->v4, &b->v6);
        b->n = b->v4.n;
        if (b->n)
                scan_syn.patch(b->patch, &b->tmpl, &b->v4, b->key, b->hop.them_mac, 0,
                               (uint32_t)(clock_mono_ns() / 1000));
}

static unsigned hand_in(struct tx_bench *b, const struct patch *p, unsigned n)
{
        struct frame f[BATCH_MAX];
        if (b->by_patch)
                return b->io.ops->tx_patch(b->io.st, p, n);
        unsigned got = io_tx_reserve(&b->io, f, n);
        wire_stamp_burst(f, &b->tmpl, p, got);
        io_tx_commit(&b->io, f, got);
        return got;
}

/* Kicks until everything has left. A back-end that moves nothing for a while takes nothing. */
static void kick_out(struct tx_bench *b)
{
        struct io_stats s = {0};
        uint64_t waiting = UINT64_MAX, since_ns = 0;
        for (;;) {
                io_tx_kick(&b->io);
                b->io.ops->stats(b->io.st, &s);
                if (!s.tx_waiting)
                        return;
                uint64_t now = clock_mono_ns();
                if (s.tx_waiting != waiting)
                        since_ns = now;
                waiting = s.tx_waiting;
                if (now - since_ns > stuck_ns) {
                        b->stuck = true;
                        return;
                }
        }
}

static void send_burst(struct tx_bench *b, unsigned n)
{
        while (n && !b->stuck) {
                if (b->used == b->n)
                        make_patches(b);
                unsigned got = hand_in(b, b->patch + b->used, MIN(n, b->n - b->used));
                if (!got && b->n)
                        kick_out(b);
                b->used += got;
                n -= got;
        }
        if (!b->stuck)
                kick_out(b);
}

static void send_until(struct tx_bench *b, unsigned burst, uint64_t end_ns)
{
        for (uint64_t now; !b->stuck && (now = clock_mono_ns()) < end_ns;) {
                unsigned may = b->limited ? rate_take(&b->rate, burst, now) : burst;
                if (may) {
                        send_burst(b, may);
                        if (b->limited)
                                rate_left(&b->rate, may, clock_mono_ns());
                } else {
                        clock_sleep_until(MIN(rate_when(&b->rate, burst), end_ns));
                }
        }
}

/* ---- counting ---- */

struct counts {
        struct io_stats io;
        struct io_link_count link;
        bool link_known;
        uint64_t now_ns, cpu_ns;
};

static void count(struct tx_bench *b, struct counts *x)
{
        b->io.ops->stats(b->io.st, &x->io);
        x->link_known = io_link_sent(b->kernel, b->link->ifindex, &x->link);
        x->now_ns = clock_mono_ns();
        x->cpu_ns = bench_cpu_ns();
}

/* The link's own counter may be late. */
static void count_link_late(struct tx_bench *b, const struct counts *before, struct counts *after)
{
        uint64_t handed = after->io.tx - before->io.tx, end_ns = after->now_ns + count_late_ns;
        while (after->link_known && after->link.tx_frames - before->link.tx_frames < handed &&
               clock_mono_ns() < end_ns) {
                clock_sleep_until(clock_mono_ns() + 20 * NS_PER_MS);
                after->link_known = io_link_sent(b->kernel, b->link->ifindex, &after->link);
        }
}

static void print_counts(const struct tx_bench *b, unsigned burst, const struct counts *from,
                         const struct counts *to)
{
        double s = (double)(to->now_ns - from->now_ns) / 1e9;
        double handed = (double)(to->io.tx - from->io.tx);
        char left[32] = "not known";
        if (to->link_known)
                snprintf(left, sizeof(left), "%.0f", (double)(to->link.tx_frames - from->link.tx_frames) / s);
        printf("%-10s %6u %12.0f %14.0f %14s %8.0f %8llu\n", b->io.ops->name, burst, handed, handed / s, left,
               handed > 0 ? (double)(to->cpu_ns - from->cpu_ns) / handed : 0,
               (unsigned long long)(to->io.tx_errors - from->io.tx_errors));
        fflush(stdout);
}

/* ---- one path ---- */

/* Bursts that are worth trying: up to what the back-end takes at once, and the rate ever lets go at once. */
static unsigned choose_bursts(const struct tx_bench *b, unsigned bursts[BURSTS_MAX])
{
        unsigned n = 0;
        for (unsigned burst = 1; burst <= b->io.caps.burst && n < BURSTS_MAX; burst *= 4) {
                bool largest = burst * 4 > b->io.caps.burst || n + 1 == BURSTS_MAX;
                bursts[n++] = largest ? b->io.caps.burst : burst;
                if (b->limited && rate_pps(&b->rate) * 0.0014 < burst * 4)
                        break;
        }
        return n;
}

/* The word of a back-end that does something else than its name says by now; NULL: it does not. */
static const char *note_of(const struct tx_bench *b)
{
        struct io_stats s = {0};
        b->io.ops->stats(b->io.st, &s);
        return s.note;
}

/* Returns how many rows came out. */
static unsigned measure(struct tx_bench *b)
{
        unsigned bursts[BURSTS_MAX], n = choose_bursts(b, bursts), rows = 0;
        send_burst(b, 1); /* what is only done for the first frame of all is not measured */
        for (unsigned i = 0; i < n && !b->stuck && !note_of(b); i++) {
                struct counts from, to;
                count(b, &from);
                send_until(b, bursts[i], from.now_ns + path_ns / n);
                count(b, &to);
                if (note_of(b))
                        break;
                count_link_late(b, &from, &to);
                print_counts(b, bursts[i], &from, &to);
                rows++;
        }
        if (note_of(b))
                printf("%-10s %s\n", b->io.ops->name, note_of(b));
        else if (b->stuck)
                printf("%-10s the interface takes no more frames this way\n", b->io.ops->name);
        return rows;
}

/* False: it does not open, or takes no frames, which is said. */
static bool try_path(struct tx_bench *b, const struct io_ops *ops)
{
        struct err e = {0};
        struct io_conf c = {.name = b->name, .tx = true, .n_queues = 1, .link = LINK_ETHER};
        if (io_open(&b->io, ops, &c, &e)) {
                printf("%-10s %s\n", ops->name, e.text);
                return false;
        }
        b->by_patch = ops->tx_patch && !(ops->tx_template && ops->tx_template(b->io.st, 0, &b->tmpl, &e));
        b->stuck = false;
        unsigned rows = measure(b);
        io_close(&b->io);
        return rows > 0;
}

static unsigned try_all(struct tx_bench *b)
{
        unsigned measured = 0;
        for (const struct io_rung *r = io_tx_ladder; r->ops; r++) {
                struct err e = {0};
                if (r->ops->missing)
                        printf("%-10s not built in, needs %s\n", r->ops->name, r->ops->missing);
                else if (r->usable(b->link, false, NULL, &e))
                        printf("%-10s %s\n", r->ops->name, e.text);
                else
                        measured += try_path(b, r->ops);
        }
        return measured;
}

int eng_benchmark_tx(struct conf *c)
{
        struct err e = {0};
        bench.c = c;
        int status = EXIT_BAD_INPUT;
        if (prepare(&bench, &e)) {
                eng_fail(&e, EXIT_BAD_INPUT);
                goto free_all;
        }
        announce(&bench);
        unsigned measured = bench.only ? try_path(&bench, bench.only) : try_all(&bench);
        status = measured && !fflush(stdout) && !ferror(stdout) ? EXIT_OK : EXIT_FAILED;
free_all:
        tgt_plan_free(bench.plan);
        io_facts_free(bench.kernel);
        return status;
}
