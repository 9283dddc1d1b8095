// SPDX-License-Identifier: Apache-2.0
/*
 * checkpoint: what it takes to go on after kill -9. Three files beside each other:
 *   FILE           text, replaced whole every second: the settings, the settled position, the cookie key (so
 * mode 0600), how far journal and outputs are good FILE.targets   the plan, written once FILE.journal   every
 * result (journal.c)
 */
#include "eng.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void suffixed(char *out, size_t cap, const char *path, const char *suffix)
{
        snprintf(out, cap, "%s%s", path, suffix);
}

static void write_state(const struct eng *g, FILE *f, uint64_t settled, uint64_t journal_bytes)
{
        struct eng *w = (struct eng *)g;
        uint64_t probes = g->base_probes;
        for (unsigned i = 0; i < g->n_tx; i++)
                probes += atomic_load_explicit(&w->tx_count[i].probes, memory_order_relaxed);
        fprintf(f, "state.position = %llu\n", (unsigned long long)settled);
        fprintf(f, "state.key = %016llx%016llx\n", (unsigned long long)g->key.cookie.k0,
                (unsigned long long)g->key.cookie.k1);
        fprintf(f, "state.source-port = %u\n", g->port_first);
        fprintf(f, "state.targets-hash = %016llx\n", (unsigned long long)g->facts.hash);
        fprintf(f, "state.journal = %llu\n", (unsigned long long)journal_bytes);
        fprintf(f, "state.probes = %llu\n", (unsigned long long)probes);
        if (!(g->conf->out.show >> PORT_CLOSED & 1)) /* not in the journal, see writer.c */
                fprintf(f, "state.closed = %llu\n", (unsigned long long)atomic_load(&w->tally.closed));
        if (!(g->conf->out.show >> PORT_FILTERED & 1))
                fprintf(f, "state.filtered = %llu\n", (unsigned long long)atomic_load(&w->tally.filtered));
        fprintf(f, "state.elapsed-ns = %llu\n",
                (unsigned long long)(g->base_elapsed_ns + clock_mono_ns() - g->start_ns));
}

int checkpoint_write(struct eng *g, const struct out *out, uint64_t settled, uint64_t journal_bytes,
                     bool sync, struct err *e)
{
        char *text = NULL, line[OUT_COMMIT_MAX];
        size_t n = 0;
        FILE *f = open_memstream(&text, &n);
        if (!f)
                return err_set(e, errno, "out of memory for the checkpoint");
        fprintf(f, "# trawl checkpoint 2\n");
        conf_echo(g->conf, f, false, false);
        write_state(g, f, settled, journal_bytes);
        for (size_t i = 0; out_commit_text(out, i, line, sizeof(line)) >= 0; i++)
                fprintf(f, "state.output.%zu = %s\n", i, line);
        if (fclose(f)) {
                free(text);
                return err_set(e, errno, "out of memory for the checkpoint");
        }
        int rc = file_replace(g->conf->checkpoint_file, text, n, 0600, sync, e);
        free(text);
        return rc;
}

/* A checkpoint that lies about from an earlier scan is somebody's way back: it is never overwritten. */
int checkpoint_choose_path(struct eng *g, struct err *e)
{
        struct conf *c = g->conf;
        char path[4096], targets[4200];
        if (!c->checkpoint_file)
                return 0;
        if (c->resume_file) { /* going on in the same three files */
                free(c->checkpoint_file);
                c->checkpoint_file = strdup(c->resume_file);
                return c->checkpoint_file ? 0 : err_set(e, 0, "out of memory");
        }
        if (access(c->checkpoint_file, F_OK) == 0) {
                if (conf_was_set(c, "checkpoint"))
                        return err_set(e, 0,
                                       "--checkpoint \"%s\" exists: go on with --resume %s, or remove it",
                                       c->checkpoint_file, c->checkpoint_file);
                for (unsigned i = 1; i < 1000; i++) {
                        snprintf(path, sizeof(path), "%s.%u", c->checkpoint_file, i);
                        if (access(path, F_OK) != 0)
                                break;
                }
                log_say(LOG_INFO, "\"%s\" is the checkpoint of another scan; this one uses \"%s\"",
                        c->checkpoint_file, path);
                char *copy = strdup(path);
                if (!copy)
                        return err_set(e, 0, "out of memory");
                free(c->checkpoint_file);
                c->checkpoint_file = copy;
        }
        suffixed(targets, sizeof(targets), c->checkpoint_file, ".targets");
        if (tgt_plan_save(g->plan, targets, e) == 0)
                return 0;
        if (conf_was_set(c, "checkpoint"))
                return -1;
        log_say(LOG_WARN, "%s: this scan cannot be resumed (--checkpoint FILE puts it elsewhere)", e->text);
        free(c->checkpoint_file);
        c->checkpoint_file = NULL;
        return 0;
}

static uint64_t state_number(const struct conf *c, const char *key)
{
        const char *text = conf_state(c, key);
        return text ? strtoull(text, NULL, 10) : 0;
}

int checkpoint_load(struct eng *g, struct err *e)
{
        struct conf *c = g->conf;
        char targets[4200];
        struct tgt_plan_facts f;
        const char *hash = conf_state(c, "targets-hash");
        if (!hash || !conf_state(c, "position") || !conf_state(c, "key"))
                return err_set(e, 0, "--resume \"%s\": this is not a whole checkpoint (no %s)",
                               c->resume_file,
                               !hash                   ? "targets-hash"
                               : !conf_state(c, "key") ? "key"
                                                       : "position");
        if (!c->checkpoint_file ||
            (conf_was_set(c, "checkpoint") && strcmp(c->checkpoint_file, c->resume_file)))
                return err_set(
                        e, 0,
                        "--resume goes on in its own checkpoint: leave --checkpoint and --no-checkpoint out");
        bool given = !tgt_set_empty(c->include);
        suffixed(targets, sizeof(targets), c->resume_file, ".targets");
        if (given ? eng_make_plan(g, e) : tgt_plan_load(&g->plan, targets, e))
                return err_wrap(e, "--resume \"%s\"", c->resume_file);
        tgt_plan_facts(g->plan, &f);
        if (f.hash != strtoull(hash, NULL, 16))
                return err_set(e, 0,
                               given ? "--resume \"%s\": the targets given now are not those of that scan; "
                                       "leave them out, or "
                                       "start a new scan"
                                     : "--resume \"%s\": its target file does not belong to it",
                               c->resume_file);
        g->base_probes = state_number(c, "probes");
        g->base_elapsed_ns = state_number(c, "elapsed-ns");
        atomic_store(&g->tally.closed, state_number(c, "closed"));
        atomic_store(&g->tally.filtered, state_number(c, "filtered"));
        return 0;
}

/* The text first: without the others it is no way back. */
void checkpoint_remove(const struct eng *g)
{
        char targets[4200];
        if (!g->conf->checkpoint_file)
                return;
        suffixed(targets, sizeof(targets), g->conf->checkpoint_file, ".targets");
        unlink(g->conf->checkpoint_file);
        unlink(targets);
}
