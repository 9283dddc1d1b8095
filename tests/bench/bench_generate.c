// SPDX-License-Identifier: Apache-2.0
/*
 * bench_generate: what a target costs, for each level of the CPU and kind of plan: the whole generator, and
 * its two halves apart (order: positions -> indices; pick: indices -> targets). Medians of RUNS runs, the
 * levels of one case taking turns. Also how fast replies are looked up again. Invariant: what is drawn is
 * summed and printed, so that no work can be optimised away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "target/target.h"

enum { RUNS = 9, LOOK_UPS = 1 << 16 };
static const uint64_t run_ns = 15 * NS_PER_MS;

/* CPU time, not the wall's: others on the machine count less. */
static uint64_t cpu_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void give_up(const struct err *e)
{
        fprintf(stderr, "bench_generate: %s\n", e->text);
        exit(1);
}

static struct tgt_set *set_of(const char *text)
{
        struct tgt_set *s;
        struct err e = {0};
        if (tgt_set_new(&s, &e) || tgt_set_add(s, text, NULL, &e))
                give_up(&e);
        return s;
}

static struct tgt_plan *make(struct tgt_set *in, struct tgt_set *ex, const char *port_text)
{
        struct tgt_ports *ports;
        struct tgt_plan *p;
        struct err e = {0};
        if (tgt_ports_new(&ports, &e) || tgt_ports_add(ports, port_text, TGT_TCP, &e) ||
            tgt_set_finish(in, &e) || tgt_set_finish(ex, &e))
                give_up(&e);
        struct tgt_spec spec = {.include = in, .exclude = ex, .ports = ports, .allow_reserved = true};
        if (tgt_plan_new(&p, &spec, &e))
                give_up(&e);
        tgt_set_free(in);
        tgt_set_free(ex);
        tgt_ports_free(ports);
        return p;
}

/* 300 blocks of /16 to /24, spread over the space, and two of /8. */
static struct tgt_set *excludes(void)
{
        struct tgt_set *s = set_of("10.0.0.0/8,127.0.0.0/8");
        struct err e = {0};
        for (uint64_t i = 0; i < 298; i++) {
                char text[48];
                uint32_t a = (uint32_t)hash_mix64(i + 1);
                snprintf(text, sizeof(text), "%u.%u.%u.0/%u", a >> 24, a >> 16 & 255, a >> 8 & 255,
                         (unsigned)(16 + i % 9));
                if (tgt_set_add(s, text, NULL, &e))
                        give_up(&e);
        }
        return s;
}

static struct tgt_set *scattered(uint64_t n)
{
        struct tgt_set *s = set_of("");
        struct err e = {0};
        if (tgt_set_add_random(s, n, 1, &e))
                give_up(&e);
        return s;
}

/* n ranges of 2 to 5 addresses */
static struct tgt_set *small_ranges(uint64_t n)
{
        struct tgt_set *s = set_of("");
        struct err e = {0};
        for (uint64_t i = 0; i < n; i++) {
                uint64_t h = hash_mix64(i), first = h >> 32 & ~7ull;
                struct tgt_range r = {ip_v4((uint32_t)first), ip_v4((uint32_t)(first + 1 + h % 4))};
                if (tgt_set_add_range(s, &r, &e))
                        give_up(&e);
        }
        return s;
}

struct work {
        const struct tgt_plan *plan;
        struct tgt_order order;
        uint64_t pos, sum;
        struct target_batch v4, v6;
        uint64_t index[64][TGT_BLOCK_ROOM]; /* pick alone: blocks that the order drew */
        unsigned n[64];
};
static struct work work;

/* Each does some thousand probes and returns how many. */
static uint64_t whole(struct work *w)
{
        uint64_t done = 0;
        for (unsigned k = 0; k < 16; k++) {
                if (w->pos >= w->order.domain)
                        w->pos = 0;
                w->v4.n = w->v6.n = 0;
                tgt_generate(w->plan, &w->order, &w->pos, w->order.domain, UINT64_MAX, &w->v4, &w->v6);
                for (unsigned i = 0; i < w->v4.n; i += 64)
                        w->sum += w->v4.lo[i] + w->v4.flat[i] + w->v4.pos[i];
                for (unsigned i = 0; i < w->v6.n; i += 64)
                        w->sum += w->v6.lo[i] + w->v6.flat[i] + w->v6.pos[i];
                done += w->v4.n + w->v6.n;
        }
        return done;
}

static uint64_t order_only(struct work *w)
{
        uint64_t done = 0;
        for (unsigned k = 0; k < 64; k++) {
                if (w->pos >= w->order.domain)
                        w->pos = 0;
                w->n[k] = tgt_order_block(&w->order, &w->pos, w->order.domain, w->v4.pos, w->index[k]);
                w->sum += w->index[k][0];
                done += w->n[k];
        }
        return done;
}

static uint64_t pick_only(struct work *w)
{
        uint64_t done = 0, index[TGT_BLOCK_ROOM];
        for (unsigned k = 0; k < 64; k++) {
                memcpy(index, w->index[k], sizeof(index));
                w->v4.n = w->v6.n = 0;
                tgt_pick_block(w->plan, index, w->n[k], &w->v4, &w->v6);
                w->sum += w->v4.lo[0] + w->v6.lo[0];
                done += w->n[k];
        }
        return done;
}

static double ns_of(uint64_t (*f)(struct work *), struct work *w)
{
        uint64_t done = 0, start = cpu_ns(), ns;
        do {
                done += f(w);
                if (f == pick_only) { /* other blocks: the same ones would soon be in the cache */
                        uint64_t now = cpu_ns();
                        order_only(w);
                        start += cpu_ns() - now;
                }
        } while ((ns = cpu_ns() - start) < run_ns);
        return (double)ns / (double)done;
}

static int by_value(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;
        return (x > y) - (x < y);
}

static double median(double *v)
{
        qsort(v, RUNS, sizeof(*v), by_value);
        return v[RUNS / 2];
}

/* The way of a reply: target -> index -> position. */
static double look_up_ns(struct work *w)
{
        uint64_t ns = 0, done = 0, index = 0;
        while (done < LOOK_UPS) {
                w->v4.n = w->v6.n = 0;
                if (w->pos >= w->order.domain)
                        w->pos = 0;
                tgt_generate(w->plan, &w->order, &w->pos, w->order.domain, UINT64_MAX, &w->v4, &w->v6);
                const struct target_batch *b = w->v4.n ? &w->v4 : &w->v6;
                uint64_t start = cpu_ns();
                for (unsigned i = 0; i < b->n; i++) {
                        struct target t = tgt_batch_at(b, i);
                        if (tgt_plan_index(w->plan, &t, &index))
                                w->sum += tgt_order_pos(&w->order, index);
                }
                ns += cpu_ns() - start;
                done += b->n;
        }
        return (double)ns / (double)done;
}

static void measure(const char *what, struct tgt_plan *p)
{
        static double all[CPU_LEVELS][RUNS], order[CPU_LEVELS][RUNS], pick[CPU_LEVELS][RUNS];
        struct tgt_plan_facts f;
        tgt_plan_facts(p, &f);
        work.plan = p;
        work.pos = work.sum = 0;
        tgt_order_init(&work.order, f.probes, 1);
        for (unsigned r = 0; r < RUNS; r++)
                for (unsigned l = 0; l < CPU_LEVELS; l++) {
                        if (!cpu_force((enum cpu_level)l))
                                continue;
                        all[l][r] = ns_of(whole, &work);
                        order[l][r] = ns_of(order_only, &work);
                        pick[l][r] = ns_of(pick_only, &work);
                }
        printf("%s: fill %.0f %%, look-up of a reply %.0f ns (%llx)\n", what,
               100 * (double)f.probes / (double)work.order.domain, look_up_ns(&work),
               (unsigned long long)work.sum);
        for (unsigned l = 0; l < CPU_LEVELS; l++)
                if (cpu_has((enum cpu_level)l))
                        printf("    %-7s %6.2f ns  %6.1f M/s   (order %5.2f ns, pick %5.2f ns)\n",
                               cpu_level_name((enum cpu_level)l), median(all[l]), 1e3 / median(all[l]),
                               median(order[l]), median(pick[l]));
        tgt_plan_free(p);
}

int main(void)
{
        char model[128];
        printf("%s\n", cpu_model(model, sizeof(model)));
        measure("IPv4 Internet - 300, 1 port", make(set_of("0.0.0.0/0"), excludes(), "80"));
        measure("IPv4 Internet - 300, 1000 ports", make(set_of("0.0.0.0/0"), excludes(), "1-1000"));
        measure("2^32 + 1 probes (worst fill)", make(set_of("0.0.0.0/0,2001:db8::1"), set_of(""), "80"));
        measure("10,000,000 scattered, 1 port", make(scattered(10000000), set_of(""), "80"));
        measure("300,000 small ranges, 2 ports", make(small_ranges(300000), set_of(""), "80,443"));
        measure("10.0.0.0/16, 2 ports", make(set_of("10.0.0.0/16"), set_of(""), "80,443"));
        measure("2001:db8::/80, 3 ports", make(set_of("2001:db8::/80"), set_of(""), "80-82"));
        measure("one half IPv4, one half IPv6", make(set_of("16.0.0.0/4,2001:db8::/100"), set_of(""), "80"));
        measure("2^62 probes", make(set_of("2001:db8::/68"), set_of(""), "80,81,82,83"));
        return 0;
}
