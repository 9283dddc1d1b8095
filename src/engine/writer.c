// SPDX-License-Identifier: Apache-2.0
/*
 * writer: the one thread that owns dedup, journal, outputs and checkpoint. Answers come in through rings;
 * what is news becomes a record, goes into the journal first and the outputs second, and once a second the
 * checkpoint says how far both are good. When an output takes no bytes, this thread waits, the rings fill,
 * and the probes pause.
 */
#include "eng.h"
#include <stdlib.h>
#include <unistd.h>

enum { TAKE = 1024, FLUSH_NS = 500000000, CHECKPOINT_NS = 1000000000 };

struct writer {
        struct eng *g;
        struct out *out;
        struct journal *journal; /* NULL: --no-checkpoint */
        struct dedup *dedup;
        uint64_t replay_from; /* journal bytes the resumed outputs already hold */
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
        COUNT(g->tally.records, 1);
        if (x->state == PORT_OPEN)
                COUNT(g->tally.open, 1);
        else if (x->state == PORT_CLOSED)
                COUNT(g->tally.closed, 1);
        else
                COUNT(g->tally.filtered, 1);
}

static void take_one(struct writer *w, const struct found *f)
{
        struct eng *g = w->g;
        struct record x;
        enum dedup_verdict v = dedup_mark(w->dedup, f->index, f->answer.state);
        if (v == DEDUP_SEEN) {
                COUNT(g->tally.duplicates, 1);
                return;
        }
        if (v == DEDUP_UPGRADE)
                COUNT(g->tally.upgrades, 1);
        eng_record_of(g, f, &x);
        tally(g, &x);
        if (w->journal)
                journal_add(w->journal, &x);
        out_record(w->out, &x);
        if (g->conf->max_results && atomic_load(&g->tally.open) >= g->conf->max_results) {
                int no = STOP_NO;
                atomic_compare_exchange_strong(&g->stop, &no, STOP_RESULTS);
        }
}

static bool full(const struct writer *w)
{
        const struct eng *g = w->g;
        return g->conf->max_results && atomic_load(&((struct eng *)g)->tally.open) >= g->conf->max_results;
}

/* At most JOURNAL_BATCH answers. Returns how many. */
static unsigned take(struct writer *w)
{
        static struct found f[TAKE];
        struct eng *g = w->g;
        unsigned total = 0;
        uint64_t ms = (clock_mono_ns() - g->start_ns) / NS_PER_MS;
        for (unsigned i = 0; i < g->n_rx; i++) {
                uint64_t fill = ring_fill(&g->found[i]), cap = ring_capacity(&g->found[i]);
                if (fill > cap / 2)
                        atomic_store_explicit(&g->tx_pause, true, memory_order_relaxed);
                for (unsigned n; total + TAKE <= JOURNAL_BATCH && (n = ring_pop(&g->found[i], f, TAKE)) > 0;
                     total += n)
                        for (unsigned k = 0; k < n && !full(w); k++)
                                take_one(w, &f[k]);
        }
        if (total)
                atomic_store_explicit(&g->tally.last_answer_ms, ms, memory_order_relaxed);
        return total;
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
        atomic_store(&g->tally.blocked_since_ms, 0);
        if (out_broken_pipe(w->out)) {
                int no = STOP_NO;
                atomic_compare_exchange_strong(&g->stop, &no, STOP_BROKEN_PIPE);
        }
        set_problem(w, rc ? e.text : "");
        return rc;
}

static int checkpoint(struct writer *w, uint64_t settled, bool sync)
{
        struct err e = {0};
        if (!w->journal)
                return 0;
        if (checkpoint_write(w->g, w->out, settled, journal_len(w->journal), sync, &e)) {
                set_problem(w, e.text);
                return -1;
        }
        return 0;
}

/* Just before a file is renamed: the checkpoint must know what the file held, see output.h. */
static void on_rotate(void *arg)
{
        struct writer *w = arg;
        checkpoint(w, eng_settled(w->g), false);
}

/* One round: the position first, then everything that was found until now, then the disk. */
static void round_of(struct writer *w, uint64_t now)
{
        struct eng *g = w->g;
        uint64_t settled = eng_settled(g);
        bool quitting = atomic_load(&g->writer_quit);
        unsigned n = take(w);
        bool due = now >= w->next_checkpoint_ns && w->journal;
        atomic_store(&g->window.low, settled);
        if (due || quitting || n == JOURNAL_BATCH || now >= w->next_flush_ns ||
            out_pending(w->out) > 1 << 18) {
                int bad = flush(w, due || quitting || now >= w->next_flush_ns);
                w->next_flush_ns = clock_mono_ns() + FLUSH_NS;
                if (bad) {
                        atomic_store(&g->tx_pause, true);
                        while (flush(w, true) && !atomic_load(&g->hurry) && !atomic_load(&g->writer_quit))
                                clock_sleep_until(clock_mono_ns() + FLUSH_NS);
                }
                if (due && n < JOURNAL_BATCH) {
                        checkpoint(w, settled, false);
                        w->next_checkpoint_ns = now + CHECKPOINT_NS;
                }
        }
        if (!n) {
                if (atomic_load(&g->tx_pause))
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
                if (quit && !left)
                        return NULL;
                round_of(w, clock_mono_ns());
        }
}

static void replay_one(void *arg, const struct record *saved, uint64_t offset)
{
        struct writer *w = arg;
        struct record x = *saved;
        uint64_t index;
        if (!tgt_plan_index(w->g->plan, &x.who, &index))
                return;
        dedup_mark(w->dedup, index, x.state);
        tally(w->g, &x);
        if (offset < w->replay_from)
                return;
        x.n_names = (uint8_t)MIN(255u, tgt_plan_names(w->g->plan, &x.who.ip, &x.names));
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
        pthread_mutex_init(&w->lock, NULL);
        describe_run(w);
        if (dedup_new(&w->dedup, g->facts.probes, g->conf->dedup_memory, e) || open_journal(w, e))
                return -1;
        if (resumed ? open_resumed(w, e) : out_open(&w->out, &g->conf->out, &w->run, e))
                return -1;
        out_on_rotate(w->out, on_rotate, w);
        if (resumed && w->journal) {
                const char *bytes = conf_state(g->conf, "journal");
                w->replay_from = bytes ? strtoull(bytes, NULL, 10) : 0;
                if (journal_replay(w->journal, replay_one, w, e))
                        return -1;
        }
        if (flush(w, true))
                return err_set(e, 0, "%s", w->problem);
        return checkpoint(w, g->pos_start, false) ? err_set(e, 0, "%s", w->problem) : 0;
}

int writer_finish(struct eng *g, bool complete, struct err *e)
{
        struct writer *w = g->writer;
        int rc = 0;
        if (!w && complete)
                checkpoint_remove(g);
        if (!w)
                return 0;
        if (w->out && !complete && w->journal) {
                flush(w, true);
                rc = checkpoint(w, eng_settled(g), true);
        }
        if (w->out && !complete)
                out_keep_for_resume(w->out);
        if (w->out)
                rc |= out_close(w->out, e);
        bool drop = complete && !rc && w->journal;
        journal_close(w->journal, drop);
        if (drop)
                checkpoint_remove(g);
        if (w->dedup)
                dedup_free(w->dedup);
        for (unsigned i = 0; i < ARRAY_LEN(w->ports); i++)
                free(w->ports[i]);
        pthread_mutex_destroy(&w->lock);
        free(w);
        g->writer = NULL;
        return rc ? -1 : 0;
}
