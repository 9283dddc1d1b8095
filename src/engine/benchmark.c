// SPDX-License-Identifier: Apache-2.0
/*
 * benchmark: trawl --benchmark. What each stage of a scan costs on this CPU, at every level of vector
 * instructions it has, measured through the same doors that a scan uses:
 *
 *   order ──> pick ──> patch ──> stamp          decode ──> classify ──> dedup ──> output
 *   └── generate ───┘
 *
 * One thread; everything lies in the caches but what says otherwise. Medians of ROUNDS rounds, the levels
 * taking turns, so that a machine that is busy elsewhere slows all of them alike. Invariant: no socket is
 * opened.
 */
#include "benchmark.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7, BLOCKS = 128, REPEAT = 32, SLOT = 192, ANY = -1, NAME_WIDTH = 40, WARM_UP = 256 };
static const uint64_t round_ns = 8 * NS_PER_MS;
static const struct hash_key secret = {0x9e3779b97f4a7c15, 0xd1b54a32d192ed03};
static const struct wire_hop hop = {.link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}};

struct work { /* what the stages work on */
        struct tgt_plan *plan;
        struct tgt_order order;
        uint64_t pos;
        uint64_t index[BLOCKS][TGT_BLOCK_ROOM]; /* blocks that were drawn, for pick */
        unsigned n[BLOCKS];
        struct target_batch v4, v6, fixed;
        uint8_t family; /* of `fixed` and of the replies */
        struct probe_template tmpl[2];
        struct scan_source source[2];
        struct patch patch[BATCH_MAX];
        struct frame frame[BATCH_MAX];
        uint8_t slot[BATCH_MAX][SLOT], reply[BATCH_MAX][SLOT];
        size_t reply_len;
        struct dedup *dedup;
        uint64_t dedup_indices, drawn;
        struct out *out;
        uint32_t recorded;
};
struct stage {
        const char *name;
        uint64_t (*run)(struct work *);    /* returns how many were done: some thousands */
        uint64_t (*refill)(struct work *); /* before each run, not measured; NULL: nothing to do */
        int profile;                       /* enum syn_profile of the templates, or ANY */
};
static struct work work;
static volatile uint64_t sink; /* what is computed ends here, or the compiler might leave it out */

uint64_t bench_cpu_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- plans ---- */

/* Two blocks of /8, the rest of /16 to /24, spread over the space. */
static int add_excludes(struct tgt_set *set, unsigned n, struct err *e)
{
        if (n >= 2 && tgt_set_add(set, "10.0.0.0/8,127.0.0.0/8", NULL, e))
                return -1;
        for (uint64_t i = 0; i + 2 < n; i++) {
                char text[48];
                uint32_t a = (uint32_t)hash_mix64(i + 1);
                snprintf(text, sizeof(text), "%u.%u.%u.0/%u", a >> 24, a >> 16 & 255, a >> 8 & 255,
                         (unsigned)(16 + i % 9));
                if (tgt_set_add(set, text, NULL, e))
                        return -1;
        }
        return 0;
}

int bench_plan(struct tgt_plan **plan, const char *targets, unsigned n_excludes, const char *port_text,
               struct err *e)
{
        struct tgt_set *in = NULL, *ex = NULL;
        struct tgt_ports *ports = NULL;
        int rc = -1;
        if (tgt_set_new(&in, e) || tgt_set_new(&ex, e) || tgt_ports_new(&ports, e) ||
            tgt_set_add(in, targets, NULL, e) || add_excludes(ex, n_excludes, e) ||
            tgt_ports_add(ports, port_text, TGT_TCP, e) || tgt_set_finish(in, e) || tgt_set_finish(ex, e))
                goto free_sets;
        struct tgt_spec spec = {.include = in, .exclude = ex, .ports = ports, .allow_reserved = true};
        rc = tgt_plan_new(plan, &spec, e);
free_sets:
        tgt_set_free(in);
        tgt_set_free(ex);
        tgt_ports_free(ports);
        return rc;
}

/* ---- stages: making probes ---- */

static void rewind_at_end(struct work *w)
{
        if (w->pos >= w->order.domain)
                w->pos = 0;
}

static uint64_t run_order(struct work *w)
{
        uint64_t done = 0, sum = 0;
        for (unsigned k = 0; k < BLOCKS; k++) {
                rewind_at_end(w);
                w->n[k] = tgt_order_block(&w->order, &w->pos, w->order.domain, w->v4.pos, w->index[k]);
                sum += w->index[k][0];
                done += w->n[k];
        }
        sink = sum;
        return done;
}

static uint64_t run_pick(struct work *w)
{
        uint64_t done = 0, sum = 0;
        for (unsigned k = 0; k < BLOCKS; k++) {
                w->v4.n = w->v6.n = 0;
                tgt_pick_block(w->plan, w->index[k], w->n[k], &w->v4, &w->v6);
                sum += w->v4.lo[0] + w->v6.lo[0];
                done += w->n[k];
        }
        sink = sum;
        return done;
}

static uint64_t generate(struct work *w)
{
        rewind_at_end(w);
        w->v4.n = w->v6.n = 0;
        tgt_generate(w->plan, &w->order, &w->pos, w->order.domain, UINT64_MAX, &w->v4, &w->v6);
        return w->v4.n + w->v6.n;
}

static uint64_t run_generate(struct work *w)
{
        uint64_t done = 0, sum = 0;
        for (unsigned k = 0; k < REPEAT; k++) {
                done += generate(w);
                sum += w->v4.lo[0] + w->v6.lo[0];
        }
        sink = sum;
        return done;
}

static void patch(struct work *w, const struct target_batch *b)
{
        if (b->n)
                scan_syn.patch(w->patch, &w->tmpl[b->family == 6], b, secret, hop.them_mac, 0, 1);
}

static void stamp(struct work *w, const struct target_batch *b)
{
        if (b->n)
                wire_stamp_burst(w->frame, &w->tmpl[b->family == 6], w->patch, b->n);
}

static uint64_t run_patches(struct work *w)
{
        uint64_t done = 0;
        for (unsigned k = 0; k < REPEAT; k++) {
                done += generate(w);
                patch(w, &w->v4);
                patch(w, &w->v6);
        }
        sink = w->patch[0].seq;
        return done;
}

static uint64_t run_frames(struct work *w)
{
        uint64_t done = 0;
        for (unsigned k = 0; k < REPEAT; k++) {
                done += generate(w);
                patch(w, &w->v4);
                stamp(w, &w->v4);
                patch(w, &w->v6);
                stamp(w, &w->v6);
        }
        sink = w->slot[0][40];
        return done;
}

/* ---- stages: parts of a probe ---- */

static uint64_t run_patch(struct work *w)
{
        for (unsigned k = 0; k < REPEAT; k++)
                patch(w, &w->fixed);
        sink = w->patch[0].seq;
        return (uint64_t)REPEAT * w->fixed.n;
}

static uint64_t run_stamp(struct work *w)
{
        for (unsigned k = 0; k < REPEAT; k++)
                stamp(w, &w->fixed);
        sink = w->slot[0][40];
        return (uint64_t)REPEAT * w->fixed.n;
}

static uint64_t run_cookie(struct work *w)
{
        const struct ip_addr *us = &w->source[w->family == 6].first;
        uint64_t sum = 0;
        for (unsigned i = 0; i < REPEAT * BATCH_MAX; i++) {
                struct ip_addr them = {.hi = w->fixed.hi[i % BATCH_MAX],
                                       .lo = w->fixed.lo[i % BATCH_MAX],
                                       .family = w->family};
                sum += wire_cookie(secret, us, 40000, &them, 443);
        }
        sink = sum;
        return REPEAT * BATCH_MAX;
}

static uint64_t run_sum(struct work *w)
{
        uint64_t sum = 0;
        for (unsigned i = 0; i < REPEAT * BATCH_MAX; i++)
                sum += wire_sum(0, span_of(w->reply[i % BATCH_MAX], 40));
        sink = sum;
        return REPEAT * BATCH_MAX;
}

/* ---- stages: reading answers ---- */

static uint64_t run_decode(struct work *w)
{
        struct pkt p;
        uint64_t sum = 0;
        for (unsigned i = 0; i < REPEAT * BATCH_MAX; i++)
                sum += wire_decode(&p, span_of(w->reply[i % BATCH_MAX], w->reply_len), LINK_ETHER, false, 2);
        sink = sum;
        return REPEAT * BATCH_MAX;
}

/* Returns how many of the replies were taken for answers of open ports. */
static uint64_t run_classify(struct work *w)
{
        struct scan_key key = {secret, &w->source[w->family == 6], 1};
        struct answer a = {.state = 0};
        struct pkt p;
        uint64_t open = 0;
        for (unsigned i = 0; i < REPEAT * BATCH_MAX; i++) {
                struct span frame = span_of(w->reply[i % BATCH_MAX], w->reply_len);
                if (wire_decode(&p, frame, LINK_ETHER, false, 2) == WIRE_OK &&
                    scan_syn.classify(&p, &key, 5, &a) == SCAN_ANSWER)
                        open += a.state == PORT_OPEN;
        }
        return open;
}

static uint64_t run_dedup(struct work *w)
{
        uint64_t sum = 0;
        for (unsigned i = 0; i < REPEAT * BATCH_MAX; i++) {
                uint64_t index =
                        (uint64_t)((unsigned __int128)hash_mix64(w->drawn++) * w->dedup_indices >> 64);
                sum += dedup_mark(w->dedup, index, PORT_OPEN);
        }
        sink = sum;
        return REPEAT * BATCH_MAX;
}

static uint64_t run_output(struct work *w)
{
        struct err e;
        for (unsigned i = 0; i < REPEAT * BATCH_MAX; i++) {
                uint32_t k = w->recorded++;
                struct record r = {.who = {.ip = ip_v4(k * 2654435761u), .port = (uint16_t)k, .proto = 6},
                                   .when_ns = 1795219502 * NS_PER_S + (uint64_t)k * 1000,
                                   .state = k % 3 ? PORT_OPEN : PORT_CLOSED,
                                   .flags = k % 3 ? TCP_SYN | TCP_ACK : TCP_RST | TCP_ACK,
                                   .ttl = (uint8_t)(40 + k % 30)};
                out_record(w->out, &r);
        }
        return out_flush(w->out, true, &e) ? 0 : REPEAT * BATCH_MAX;
}

/* ---- what stages find ---- */

static int prepare_probes(struct work *w, enum syn_profile profile, struct err *e)
{
        struct scan_conf conf = {profile,      SCAN_DEFAULT, SCAN_DEFAULT, SCAN_DEFAULT,
                                 SCAN_DEFAULT, SCAN_DEFAULT, false};
        w->source[0] = (struct scan_source){ip_v4(0xc6336409), 1, 40000, 64};
        w->source[1] = (struct scan_source){ip_v6(0x20010db8ull << 32, 9), 1, 40000, 64};
        for (unsigned i = 0; i < BATCH_MAX; i++)
                w->frame[i].data = w->slot[i];
        return scan_syn.prepare(&w->tmpl[0], &conf, &hop, &w->source[0], e) ||
                               scan_syn.prepare(&w->tmpl[1], &conf, &hop, &w->source[1], e)
                       ? -1
                       : 0;
}

/* A batch of targets of one family, and the SYN-ACKs that answer their probes. */
static int prepare_family(struct work *w, uint8_t family, struct err *e)
{
        struct pkt p;
        w->family = w->fixed.family = family;
        w->fixed.n = BATCH_MAX;
        for (uint64_t i = 0; i < BATCH_MAX; i++) {
                uint64_t r = hash_mix64(i + 1);
                w->fixed.hi[i] = family == 4 ? 0 : ~r;
                w->fixed.lo[i] = family == 4 ? (uint32_t)r : r;
                w->fixed.flat[i] = 443;
        }
        if (prepare_probes(w, SYN_WINDOWS, e))
                return -1;
        patch(w, &w->fixed);
        stamp(w, &w->fixed);
        for (unsigned i = 0; i < BATCH_MAX; i++) {
                wire_decode(&p, span_of(w->slot[i], w->tmpl[family == 6].len), LINK_ETHER, false, 0);
                w->reply_len = wire_build_tcp(w->reply[i], SLOT, &hop, &p.dst, &p.src, p.dport, p.sport, 7,
                                              p.seq + 1, TCP_SYN | TCP_ACK, 65535, 60);
        }
        return run_classify(w) == REPEAT * BATCH_MAX
                       ? 0
                       : err_set(e, 0, "an answer was not recognised: trawl --selftest may say more");
}

/* ---- measuring ---- */

static double round_of(struct work *w, const struct stage *s)
{
        uint64_t done = 0, ns = 0;
        do {
                if (s->refill)
                        s->refill(w);
                uint64_t start = bench_cpu_ns();
                done += s->run(w);
                ns += bench_cpu_ns() - start;
        } while (ns < round_ns);
        return (double)ns / (double)done;
}

static int by_value(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;
        return (x > y) - (x < y);
}

static double median(double v[ROUNDS])
{
        qsort(v, ROUNDS, sizeof(v[0]), by_value);
        return v[ROUNDS / 2];
}

static void print_cost(double ns)
{
        printf("  %8.2f %8.1f", ns, 1e3 / ns);
}

/* One row: a column for each level in use. */
static int measure_levels(struct work *w, const struct conf *c, const struct stage *s, struct err *e)
{
        double ns[CPU_LEVELS][ROUNDS];
        if (s->profile != ANY && prepare_probes(w, (enum syn_profile)s->profile, e))
                return -1;
        for (unsigned r = 0; r < ROUNDS; r++)
                for (int l = 0; l < CPU_LEVELS; l++)
                        if ((c->cpu_mask < 0 || c->cpu_mask == l) && cpu_force((enum cpu_level)l))
                                ns[l][r] = round_of(w, s);
        printf("  %-*s", NAME_WIDTH, s->name);
        for (int l = 0; l < CPU_LEVELS; l++)
                if ((c->cpu_mask < 0 || c->cpu_mask == l) && cpu_has((enum cpu_level)l))
                        print_cost(median(ns[l]));
        putchar('\n');
        fflush(stdout);
        return 0;
}

/* One row of a stage that is the same at every level. */
static void measure(struct work *w, const struct stage *s)
{
        double ns[ROUNDS];
        for (unsigned r = 0; r < ROUNDS; r++)
                ns[r] = round_of(w, s);
        printf("  %-*s", NAME_WIDTH, s->name);
        print_cost(median(ns));
        putchar('\n');
        fflush(stdout);
}

static void print_levels(const struct conf *c, const char *title)
{
        printf("\n%-*s", NAME_WIDTH + 2, title);
        for (int l = 0; l < CPU_LEVELS; l++)
                if ((c->cpu_mask < 0 || c->cpu_mask == l) && cpu_has((enum cpu_level)l))
                        printf("  %17s", cpu_level_name((enum cpu_level)l));
        putchar('\n');
}

/* ---- tables ---- */

static int making_probes(struct work *w, const struct conf *c, struct err *e)
{
        static const struct {
                const char *name, *targets, *ports;
                unsigned n_excludes;
        } plans[] = {{"IPv4 Internet - 300 excludes, 1 port", "0.0.0.0/0", "80", 300},
                     {"IPv4 Internet - 300 excludes, 1000 ports", "0.0.0.0/0", "1-1000", 300},
                     {"worst fill: 2^32 + 1 probes", "0.0.0.0/0,2001:db8::1", "80", 0},
                     {"IPv6, 2^48 addresses, 1 port", "2001:db8::/80", "80", 0}};
        static const struct stage stages[] = {
                {"order", run_order, NULL, ANY},
                {"pick", run_pick, run_order, ANY},
                {"generate (order, pick)", run_generate, NULL, ANY},
                {"generate, patch (masscan SYN)", run_patches, NULL, SYN_MASSCAN},
                {"generate, patch, stamp (masscan SYN)", run_frames, NULL, SYN_MASSCAN},
                {"generate, patch (windows SYN)", run_patches, NULL, SYN_WINDOWS},
                {"generate, patch, stamp (windows SYN)", run_frames, NULL, SYN_WINDOWS}};
        for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
                struct tgt_plan_facts facts;
                if (bench_plan(&w->plan, plans[i].targets, plans[i].n_excludes, plans[i].ports, e))
                        return -1;
                tgt_plan_facts(w->plan, &facts);
                tgt_order_init(&w->order, facts.probes, 1);
                w->pos = 0;
                print_levels(c, plans[i].name);
                int rc = 0;
                for (size_t k = 0; k < ARRAY_LEN(stages) && !rc; k++)
                        rc = measure_levels(w, c, &stages[k], e);
                tgt_plan_free(w->plan);
                if (rc)
                        return -1;
        }
        return 0;
}

static int parts_of_probes(struct work *w, const struct conf *c, struct err *e)
{
        static const struct stage stages[] = {
                {"patch (cookie, sums), masscan SYN", run_patch, NULL, SYN_MASSCAN},
                {"stamp, masscan SYN", run_stamp, NULL, SYN_MASSCAN},
                {"patch (cookie, sums), windows SYN", run_patch, NULL, SYN_WINDOWS},
                {"stamp, windows SYN", run_stamp, NULL, SYN_WINDOWS}};
        for (uint8_t family = 4; family <= 6; family += 2) {
                print_levels(c, family == 4 ? "parts of an IPv4 probe" : "parts of an IPv6 probe");
                if (prepare_family(w, family, e))
                        return -1;
                for (size_t k = 0; k < ARRAY_LEN(stages); k++)
                        if (measure_levels(w, c, &stages[k], e))
                                return -1;
        }
        return 0;
}

static int reading_answers(struct work *w, struct err *e)
{
        static const struct stage stages[2][3] = {{{"IPv4: decode a SYN-ACK", run_decode, NULL, ANY},
                                                   {"IPv4: decode, classify", run_classify, NULL, ANY},
                                                   {"IPv4: a cookie alone", run_cookie, NULL, ANY}},
                                                  {{"IPv6: decode a SYN-ACK", run_decode, NULL, ANY},
                                                   {"IPv6: decode, classify", run_classify, NULL, ANY},
                                                   {"IPv6: a cookie alone", run_cookie, NULL, ANY}}};
        static const struct stage sum = {"a checksum of 40 bytes alone", run_sum, NULL, ANY};
        printf("\n%-*s  %17s\n", NAME_WIDTH + 2, "answers", "one at a time");
        for (uint8_t family = 4; family <= 6; family += 2) {
                if (prepare_family(w, family, e))
                        return -1;
                for (size_t k = 0; k < ARRAY_LEN(stages[0]); k++)
                        measure(w, &stages[family == 6][k]);
        }
        measure(w, &sum);
        return 0;
}

static int marking(struct work *w, struct err *e)
{
        static const struct {
                uint64_t indices;
                struct stage stage;
        } kinds[] = {{1ull << 28, {"dedup: a mark in 64 MiB of bitmap", run_dedup, NULL, ANY}},
                     {1ull << 40, {"dedup: a mark in 64 MiB of ageing set", run_dedup, NULL, ANY}}};
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                w->dedup_indices = kinds[i].indices;
                if (dedup_new(&w->dedup, kinds[i].indices, 65 << 20, e))
                        return -1;
                for (unsigned k = 0; k < WARM_UP;
                     k++) /* the kernel hands out memory when it is first touched */
                        run_dedup(w);
                measure(w, &kinds[i].stage);
                dedup_free(w->dedup);
        }
        return 0;
}

static int writing(struct work *w, struct err *e)
{
        static const char *const formats[] = {"list", "json", "ndjson", "binary", "xml"};
        static const struct out_run run = {
                .command_line = "", .ports_tcp = "", .ports_udp = "", .ports_sctp = "", .ports_other = ""};
        printf("\n%-*s  %17s\n", NAME_WIDTH + 2, "records, into /dev/null", "one at a time");
        for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
                struct out_file file = {formats[i], "/dev/null"};
                struct out_conf conf = {
                        .files = &file, .n_files = 1, .show = UINT32_MAX, .flush_ns = NS_PER_S};
                struct stage stage = {formats[i], run_output, NULL, ANY};
                if (out_open(&w->out, &conf, &run, e))
                        return -1;
                measure(w, &stage);
                if (out_close(w->out, e))
                        return -1;
        }
        return 0;
}

int eng_benchmark(struct conf *c)
{
        struct err e = {0};
        char model[128];
        printf("trawl %s on %s, one thread.\n", TRAWL_VERSION, cpu_model(model, sizeof(model)));
        printf("Nanoseconds each, and millions a second: medians of %d rounds of %u ms of CPU time.\n",
               ROUNDS, (unsigned)(round_ns / NS_PER_MS));
        if (making_probes(&work, c, &e) || parts_of_probes(&work, c, &e) || reading_answers(&work, &e) ||
            marking(&work, &e) || writing(&work, &e))
                return eng_fail(&e, EXIT_FAILED);
        return fflush(stdout) || ferror(stdout) ? EXIT_FAILED : EXIT_OK;
}
