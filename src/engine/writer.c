// SPDX-License-Identifier: Apache-2.0
/*
 * writer: the one thread that owns dedup, journal, outputs and checkpoint. Answers come in through rings;
 * what is news becomes a record, goes into the journal first and the outputs second, and once a second the
 * checkpoint says how far both are good. When an output takes no bytes, this thread waits, the rings fill,
 * and the probes pause.
 */
#include "allopen.h"
#include "talk.h"
#include "told.h"
#include <stdlib.h>
#include <unistd.h>

enum { TAKE = 1024, PENDING_FLUSH = 1 << 18, FLUSH_NS = 500000000, CHECKPOINT_NS = 1000000000 };
enum { BANNERS_TAKEN = 4 << 20 /* bytes of them between two flushes, about */ };

struct writer {
        struct eng *g;
        struct out *out;
        struct journal *journal; /* NULL: --no-checkpoint */
        struct dedup *dedup;
        struct told told; /* banners of the scan that is resumed */
        struct allopen allopen;
        uint32_t probed;      /* ports of each host, by now */
        uint64_t replay_from; /* journal bytes the resumed outputs already hold */
        /* What may be vouched for. `candidate` was settled when `owed` answers were still in the rings; once
         * those are taken it becomes `settled`, and after the next good flush a checkpoint may say so. */
        uint64_t settled, candidate, seed, candidate_seed;
        uint64_t owed[ENG_RX_MAX];
        size_t banner_bytes; /* taken since the last flush */
        bool checkpoint_failed, journal_short;
        uint64_t next_flush_ns, next_checkpoint_ns;
        pthread_mutex_t lock; /* guards problem */
        char problem[256];
        char *ports[4];
        struct out_run run;
};

void eng_record_of(const struct eng *g, const struct found *f, struct record *x)
{
        const struct answer *a = &f->answer;
        *x = (struct record){.who = a->who,
                             .when_ns = f->wall_ns,
                             .rtt_us = a->rtt_us,
                             .state = a->state,
                             .ttl = a->ttl,
                             .flags = a->flags,
                             .icmp_type = a->icmp_type,
                             .icmp_code = a->icmp_code};
        if (a->state == PORT_FILTERED)
                x->reporter = a->reporter;
        x->n_names = (uint8_t)MIN(255u, tgt_plan_names(g->plan, &a->who.ip, &x->names));
}

static void tally(struct eng *g, const struct record *x)
{
        if (x->state == PORT_OPEN)
                COUNT(g->tally.open, 1);
        else if (x->state == PORT_BANNER)
                COUNT(g->tally.banners, 1);
        else if (x->state == PORT_CLOSED)
                COUNT(g->tally.closed, 1);
        else
                COUNT(g->tally.filtered, 1);
}

static bool shown(const struct eng *g, enum port_state state)
{
        return g->conf->out.show >> state & 1;
}

/* --max-results is reached: no more probes, and what still comes in is not wanted. */
static bool full(const struct writer *w)
{
        struct eng *g = w->g;
        int no = STOP_NO;
        if (!g->conf->max_results || atomic_load(&g->tally.open) < g->conf->max_results)
                return false;
        atomic_compare_exchange_strong(&g->stop, &no, STOP_RESULTS);
        return true;
}

static void note(struct writer *w, const struct record *x)
{
        if (journal_add(w->journal, x) || w->journal_short)
                return;
        w->journal_short = true;
        log_say(LOG_WARN, "no memory for a result in the journal: a resumed scan may miss or repeat it");
}

/* --banner-types */
static bool wanted(const struct conf *c, uint16_t app)
{
        bool any = c->n_banner_types == 0;
        for (size_t i = 0; i < c->n_banner_types; i++)
                any |= c->banner_types[i] == app;
        return any;
}

/* With --max-results reached, ports whose answer was not told may have been spoken to all the same. */
static bool surplus(struct writer *w, const struct target *who)
{
        uint64_t index;
        return full(w) && (!tgt_plan_index(w->g->plan, who, &index) ||
                           dedup_mark(w->dedup, index, PORT_OPEN) != DEDUP_SEEN);
}

static void take_banner(struct writer *w, struct heard *h, uint64_t wall_ns, uint64_t now_ms)
{
        struct eng *g = w->g;
        struct record x = {.who = h->who,
                           .when_ns = wall_ns,
                           .state = PORT_BANNER,
                           .ttl = h->ttl,
                           .app = h->app,
                           .names = &h->name,
                           .n_names = h->name != NULL,
                           .banner = span_of(h->bytes, h->text_len),
                           .fields = span_of(h->bytes + h->text_len, h->fields_len)};
        atomic_store_explicit(&g->tally.last_answer_ms, now_ms, memory_order_relaxed);
        w->banner_bytes += heard_size(h);
        if (wanted(g->conf, x.app) && !surplus(w, &x.who) && !told_take(&w->told, &x)) {
                COUNT(g->tally.banners, 1);
                if (w->journal && shown(g, x.state))
                        note(w, &x);
                out_record(w->out, &x);
        }
        atomic_fetch_sub_explicit(&g->heard_bytes, heard_size(h), memory_order_relaxed);
        free(h);
}

/* Of each host the same share of its ports, for the order is random over all targets. */
static void note_probed(struct writer *w)
{
        struct eng *g = w->g;
        uint64_t next = atomic_load_explicit(&g->window.next, memory_order_relaxed);
        double share = (double)(next - g->arc_start) / (double)eng_order(g)->domain;
        w->probed = MAX(w->probed, (uint32_t)(share * g->facts.ports)); /* --infinite begins again */
}

static bool is_host_remark(const struct record *x)
{
        return x->state == PORT_BANNER && x->app == APP_REMARK && x->banner.n == strlen(ALLOPEN_WORDS) &&
               memcmp(x->banner.p, ALLOPEN_WORDS, x->banner.n) == 0;
}

/* Told of the port that made it known. */
static void tell_host(struct writer *w, const struct record *port)
{
        struct record x = {.who = port->who,
                           .when_ns = port->when_ns,
                           .state = PORT_BANNER,
                           .ttl = port->ttl,
                           .app = APP_REMARK,
                           .names = port->names,
                           .n_names = MIN(port->n_names, 1),
                           .banner = span_str(ALLOPEN_WORDS)};
        if (!wanted(w->g->conf, x.app))
                return;
        COUNT(w->g->tally.banners, 1);
        if (w->journal && shown(w->g, x.state))
                note(w, &x);
        out_record(w->out, &x);
}

static void watch_host(struct writer *w, const struct record *port)
{
        struct allopen_host *h =
                allopen_note(&w->allopen, &port->who.ip, port->state == PORT_OPEN, w->probed);
        if (!h || !allopen_known(h, w->probed))
                return;
        COUNT(w->g->tally.all_open, 1);
        if (w->g->conf->banners)
                tell_host(w, port);
}

static void take_one(struct writer *w, const struct found *f, uint64_t now_ms)
{
        struct eng *g = w->g;
        struct record x;
        if (f->heard) {
                take_banner(w, f->heard, f->wall_ns, now_ms);
                return;
        }
        if (full(w))
                return;
        if (dedup_mark(w->dedup, f->index, f->answer.state) == DEDUP_SEEN) {
                COUNT(g->tally.duplicates, 1);
                return;
        }
        atomic_store_explicit(&g->tally.last_answer_ms, now_ms, memory_order_relaxed);
        eng_record_of(g, f, &x);
        tally(g, &x);
        if (w->journal && shown(g, x.state)) /* what no output shows needs no second telling */
                journal_add(w->journal, &x);
        out_record(w->out, &x);
        watch_host(w, &x);
        full(w);
}

/* At most JOURNAL_BATCH answers, none when the journal has no room. Returns how many. */
static unsigned take(struct writer *w)
{
        static struct found f[TAKE];
        struct eng *g = w->g;
        unsigned total = 0;
        uint64_t now_ms = (clock_mono_ns() - g->start_ns) / NS_PER_MS;
        if ((w->journal && journal_full(w->journal)) || w->banner_bytes > BANNERS_TAKEN)
                return 0;
        note_probed(w);
        for (unsigned i = 0; i < g->n_rx; i++)
                for (unsigned n; total + TAKE <= JOURNAL_BATCH && w->banner_bytes <= BANNERS_TAKEN &&
                                 (n = ring_pop(&g->found[i], f, TAKE)) > 0;
                     total += n) {
                        for (unsigned k = 0; k < n; k++)
                                take_one(w, &f[k], now_ms);
                        w->owed[i] -= MIN(w->owed[i], (uint64_t)n);
                }
        return total;
}

/* Moves the settled position on when every answer that belongs before it was taken. */
static void vouch(struct writer *w)
{
        struct eng *g = w->g;
        uint64_t owed = 0;
        for (unsigned i = 0; i < g->n_rx; i++)
                owed += w->owed[i];
        if (owed)
                return;
        w->settled = w->candidate;
        w->seed = w->candidate_seed;
        pthread_mutex_lock(&g->round_lock);
        /* Who answers after its horizon is spoken to, and was vouched for already. */
        uint64_t settled = eng_settled(g);
        /* In another round's order a conversation may stand in another shard's arc. */
        w->candidate = MAX(w->candidate_seed == g->seed ? w->candidate : g->pos_start, settled);
        w->candidate_seed = g->seed;
        window_settle(&g->window, w->candidate);
        pthread_mutex_unlock(&g->round_lock);
        for (unsigned i = 0; i < g->n_rx; i++)
                w->owed[i] = ring_fill(&g->found[i]);
}

static void set_problem(struct writer *w, const char *text)
{
        pthread_mutex_lock(&w->lock);
        bool changed = strcmp(w->problem, text) != 0;
        size_t n = MIN(strlen(text), sizeof(w->problem) - 1);
        memcpy(w->problem, text, n);
        w->problem[n] = 0;
        pthread_mutex_unlock(&w->lock);
        if (changed && text[0])
                log_say(LOG_WARN, "%s; the scan pauses until there is room, nothing is lost", text);
        else if (changed)
                log_say(LOG_INFO, "outputs can be written again");
}

const char *writer_problem(const struct eng *g, char *buf, size_t cap)
{
        struct writer *w = g->writer;
        if (!w)
                return NULL;
        pthread_mutex_lock(&w->lock);
        size_t n = MIN(strlen(w->problem), cap - 1);
        memcpy(buf, w->problem, n);
        pthread_mutex_unlock(&w->lock);
        buf[n] = 0;
        return n ? buf : NULL;
}

/* Journal first, outputs second. 0, or -1 when something could not be written (all stays buffered). */
static int flush(struct writer *w, bool all)
{
        struct eng *g = w->g;
        struct err e = {0};
        atomic_store(&g->tally.blocked_since_ms, (clock_mono_ns() - g->start_ns) / NS_PER_MS + 1);
        int rc = w->journal ? journal_flush(w->journal, &e) : 0;
        if (!rc)
                rc = out_flush(w->out, all, &e);
        if (!rc && all)
                w->banner_bytes = 0;
        atomic_store(&g->tally.blocked_since_ms, 0);
        if (out_broken_pipe(w->out)) {
                int no = STOP_NO;
                atomic_compare_exchange_strong(&g->stop, &no, STOP_BROKEN_PIPE);
        }
        set_problem(w, rc ? e.text : "");
        return rc;
}

/* Only right after a flush that returned 0: journal, outputs and position must agree. */
static void checkpoint(struct writer *w, bool sync)
{
        struct err e = {0};
        if (!w->journal)
                return;
        w->g->conf->seed = w->seed;
        bool failed = checkpoint_write(w->g, w->out, w->settled, journal_len(w->journal), sync, &e) != 0;
        if (failed && !w->checkpoint_failed)
                log_say(LOG_WARN, "%s: the scan goes on, but a resume would start from the last checkpoint",
                        e.text);
        w->checkpoint_failed = failed;
}

/* Just before a file is renamed: the checkpoint must know what the file held, see output.h. */
static void on_rotate(void *arg)
{
        checkpoint(arg, false);
}

/* Tries until the disk takes it or the scan is left in a hurry. */
static int flush_patiently(struct writer *w)
{
        struct eng *g = w->g;
        int bad;
        while ((bad = flush(w, true)) != 0 && !atomic_load(&g->hurry) && !atomic_load(&g->writer_quit)) {
                atomic_store(&g->tx_pause, true);
                clock_sleep_until(clock_mono_ns() + FLUSH_NS);
        }
        return bad;
}

static void round_of(struct writer *w)
{
        struct eng *g = w->g;
        vouch(w);
        unsigned n = take(w);
        uint64_t now = clock_mono_ns();
        bool due = now >= w->next_checkpoint_ns,
             must = (w->journal && journal_full(w->journal)) || w->banner_bytes > BANNERS_TAKEN;
        if (due || must || now >= w->next_flush_ns) {
                int bad = flush_patiently(w);
                w->next_flush_ns = clock_mono_ns() + FLUSH_NS;
                if (due && !bad)
                        checkpoint(w, false);
                if (due)
                        w->next_checkpoint_ns = now + CHECKPOINT_NS;
        } else if (out_pending(w->out) > PENDING_FLUSH) {
                flush(w, false);
        }
        if (!n) {
                atomic_store(&g->tx_pause, false);
                clock_sleep_until(clock_mono_ns() + 5 * NS_PER_MS);
        }
}

void *writer_thread(void *arg)
{
        struct eng *g = arg;
        struct writer *w = g->writer;
        w->next_flush_ns = clock_mono_ns() + FLUSH_NS;
        w->next_checkpoint_ns = clock_mono_ns() + CHECKPOINT_NS;
        for (;;) {
                bool quit = atomic_load(&g->writer_quit);
                uint64_t left = 0;
                for (unsigned i = 0; i < g->n_rx; i++)
                        left += ring_fill(&g->found[i]);
                if ((quit && !left) || atomic_load(&g->hurry))
                        return NULL;
                round_of(w);
        }
}

/* The plan's own texts: they last. A banner's is the one it was asked by. */
static void names_of(struct writer *w, struct record *x)
{
        const char *const *all;
        unsigned n = tgt_plan_names(w->g->plan, &x->who.ip, &all);
        if (x->state != PORT_BANNER) {
                x->names = all;
                x->n_names = (uint8_t)MIN(255u, n);
                return;
        }
        const char *asked = x->n_names ? x->names[0] : NULL;
        x->n_names = 0;
        for (unsigned i = 0; asked && i < n; i++) {
                if (strcmp(all[i], asked) != 0)
                        continue;
                x->names = &all[i];
                x->n_names = 1;
                return;
        }
}

static void replay_host(struct writer *w, const struct ip_addr *ip)
{
        allopen_told(&w->allopen, ip);
        COUNT(w->g->tally.all_open, 1);
}

/* With --banners the journal says itself of which hosts it was told. */
static void replay_port(struct writer *w, const struct record *x)
{
        struct allopen_host *h = allopen_note(&w->allopen, &x->who.ip, x->state == PORT_OPEN, w->probed);
        if (h && !w->g->conf->banners && allopen_known(h, w->probed))
                COUNT(w->g->tally.all_open, 1);
}

static void replay_one(void *arg, const struct record *saved, uint64_t offset)
{
        struct writer *w = arg;
        struct record x = *saved;
        uint64_t index;
        if (!tgt_plan_index(w->g->plan, &x.who, &index))
                return;
        if (is_host_remark(&x))
                replay_host(w, &x.who.ip);
        else if (x.state == PORT_BANNER)
                told_add(&w->told, &x);
        else if (dedup_mark(w->dedup, index, x.state) != DEDUP_SEEN)
                replay_port(w, &x);
        tally(w->g, &x);
        names_of(w, &x);
        if (offset < w->replay_from)
                out_record_again(w->out, &x);
        else
                out_record(w->out, &x);
}

static void describe_run(struct writer *w)
{
        struct eng *g = w->g;
        const struct tgt_ports *p = tgt_plan_ports(g->plan);
        struct out_run *r = &w->run;
        uint32_t n[4] = {0};
        w->ports[0] = eng_ports_text(p, TGT_TCP, 65536, &n[0]);
        w->ports[1] = eng_ports_text(p, TGT_UDP, 65536, &n[1]);
        w->ports[2] = eng_ports_text(p, TGT_SCTP, 65536, &n[2]);
        w->ports[3] = eng_ports_text(p, TGT_IPPROTO, 256, &n[3]);
        *r = (struct out_run){.command_line = g->conf->command_line,
                              .start_wall_ns = g->start_wall_ns,
                              .ports_tcp = w->ports[0] ? w->ports[0] : "",
                              .ports_udp = w->ports[1] ? w->ports[1] : "",
                              .ports_sctp = w->ports[2] ? w->ports[2] : "",
                              .ports_other = w->ports[3] ? w->ports[3] : "",
                              .n_tcp = n[0],
                              .n_udp = n[1],
                              .n_sctp = n[2],
                              .n_other = n[3],
                              .n_hosts = g->facts.v4 + g->facts.v6,
                              .as_masscan = g->conf->as_masscan};
}

static int open_resumed(struct writer *w, struct err *e)
{
        const struct conf *c = w->g->conf;
        const char *texts[64];
        char key[32];
        size_t n = 0;
        for (; n < ARRAY_LEN(texts); n++) {
                struct wr k = wr_of(key, sizeof(key) - 1);
                wr_fmt(&k, "output.%zu", n);
                *k.p = 0;
                texts[n] = conf_state(c, key);
                if (!texts[n])
                        break;
        }
        return out_open_resumed(&w->out, &c->out, &w->run, texts, n, e);
}

static int open_journal(struct writer *w, struct err *e)
{
        struct eng *g = w->g;
        char path[4096];
        if (!g->conf->checkpoint_file)
                return 0;
        struct wr p = wr_of(path, sizeof(path) - 1);
        wr_fmt(&p, "%s.journal", g->conf->checkpoint_file);
        *p.p = 0;
        return journal_open(&w->journal, path, !g->conf->resume_file, e);
}

int writer_new(struct eng *g, struct err *e)
{
        struct writer *w = calloc(1, sizeof(*w));
        bool resumed = g->conf->resume_file != NULL;
        if (!w)
                return err_set(e, 0, "out of memory");
        g->writer = w;
        w->g = g;
        w->settled = w->candidate = g->pos_start;
        w->seed = w->candidate_seed = g->seed;
        pthread_mutex_init(&w->lock, NULL);
        describe_run(w);
        allopen_init(&w->allopen, g->facts.ports);
        note_probed(w);
        if (dedup_new(&w->dedup, g->facts.probes, g->conf->dedup_memory, e) || open_journal(w, e))
                return -1;
        if (resumed ? open_resumed(w, e) : out_open(&w->out, &g->conf->out, &w->run, e))
                return -1;
        out_on_rotate(w->out, on_rotate, w);
        if (resumed && w->journal) {
                const char *bytes = conf_state(g->conf, "journal");
                w->replay_from = bytes ? strtoull(bytes, NULL, 10) : 0;
                if (journal_replay(w->journal, replay_one, w, e)) {
                        journal_close(w->journal, false); /* no checkpoint without: the old one stays true */
                        w->journal = NULL;
                        return -1;
                }
        }
        full(w);
        if (flush(w, true))
                return err_set(e, 0, "%s", w->problem);
        checkpoint(w, false);
        return 0;
}

/* A scan that is left in a hurry leaves some behind. */
static void drain(struct eng *g)
{
        struct found f;
        for (unsigned i = 0; i < g->n_rx; i++)
                while (ring_pop(&g->found[i], &f, 1))
                        free(f.heard);
}

static void tell_dedup(const struct writer *w)
{
        if (dedup_kind_of(w->dedup) == DEDUP_AGEING)
                log_say(LOG_INFO,
                        "dedup: too many targets for --dedup-memory; %llu open ports are remembered exactly "
                        "(%llu were "
                        "forgotten), others for a while",
                        (unsigned long long)dedup_ceiling(w->dedup),
                        (unsigned long long)dedup_evicted(w->dedup));
}

/* Before the outputs are closed: closing gives names and journals away, and a process that dies there has to
 * find a checkpoint that knows every result. In a hurry answers were left behind: the one before is the one
 * that tells the truth. */
static void last_checkpoint(struct writer *w, bool complete)
{
        bool written = !flush(w, true) || !flush(w, true); /* a reader that went is told once */
        out_ending(w->out, !complete || (w->journal && !written));
        if (!written || atomic_load(&w->g->hurry))
                return;
        vouch(w);
        vouch(w); /* the rings are empty: what is settled now may be said */
        checkpoint(w, true);
}

int writer_finish(struct eng *g, bool complete, struct err *e)
{
        struct writer *w = g->writer;
        int rc = 0;
        if (!w && complete)
                checkpoint_remove(g);
        if (!w)
                return 0;
        if (w->out)
                last_checkpoint(w, complete);
        if (w->dedup)
                tell_dedup(w);
        if (w->out)
                rc = out_close(w->out, e);
        bool drop = complete && !rc && w->journal;
        if (drop)
                checkpoint_remove(g);
        journal_close(w->journal, drop);
        if (w->dedup)
                dedup_free(w->dedup);
        told_free(&w->told);
        allopen_free(&w->allopen);
        drain(g);
        for (unsigned i = 0; i < ARRAY_LEN(w->ports); i++)
                free(w->ports[i]);
        pthread_mutex_destroy(&w->lock);
        free(w);
        g->writer = NULL;
        return rc ? -1 : 0;
}
