// SPDX-License-Identifier: Apache-2.0
/*
 * out: the table of formats, and all outputs of a run as one. The output thread calls in; sinks do the work.
 * A further format is one file and one row here. Invariant: every output sees every record that --show lets
 * through.
 */
#include "sink.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>

const struct out_ops *const out_table[] = {&out_list,     &out_grepable, &out_xml,         &out_xml_nmap,
                                           &out_json,     &out_ndjson,   &out_binary,      &out_unicornscan,
                                           &out_hostonly, &out_csv,      &out_normal,      &out_nmap_list,
                                           &out_certs,    &out_none,     &out_interactive, NULL};

struct out {
        struct out_conf conf;
        struct sink **sinks;
        size_t n;
};

/* Is `word` one of the words of the list? */
static bool is_word_of(const char *list, const char *word)
{
        size_t n = strlen(word);
        for (const char *p = list; p && *p;) {
                size_t step = strcspn(p, " ");
                if (step == n && strncasecmp(p, word, n) == 0)
                        return true;
                p += step + (p[step] == ' ');
        }
        return false;
}

const struct out_ops *out_by_name(const char *name)
{
        for (size_t i = 0; out_table[i]; i++)
                if (is_word_of(out_table[i]->name, name) || is_word_of(out_table[i]->aliases, name))
                        return out_table[i];
        return NULL;
}

/* --xml nmap turns every XML output into the other dialect. */
static const struct out_ops *ops_of(const struct out_conf *c, const struct out_file *f)
{
        const struct out_ops *ops = out_by_name(f->format);
        bool nmap = c->xml_dialect && strcmp(c->xml_dialect, "nmap") == 0;
        return ops == &out_xml && nmap ? &out_xml_nmap : ops;
}

/* ---- checks
 * ---------------------------------------------------------------------------------------------------- */
/* Does the grouped output `f` keep its journal where another output is to be written? */
static int check_journal_of(const struct out_conf *c, const struct out_file *f, const char *path,
                            const char *other, struct err *e)
{
        char journal[SINK_PATH_MAX];
        place_journal(journal, path);
        if (!sink_holds_hosts(ops_of(c, f), c) || strcmp(journal, other) != 0)
                return 0;
        return err_set(e, 0,
                       "an output wants \"%s\", where the %s output keeps its journal; give it another file",
                       other, f->format);
}

static int check_twice(const struct out_conf *c, size_t i, struct err *e)
{
        const struct out_file *f = &c->files[i];
        const char *path = f->path;
        char mine[SINK_PATH_MAX], other[SINK_PATH_MAX];
        for (size_t k = 0; k < i && place_resolve(mine, path) == 0; k++) {
                const struct out_file *g = &c->files[k];
                if (place_resolve(other, g->path))
                        continue;
                if (strcmp(mine, other) == 0 && ops_of(c, f) != &out_none)
                        return err_set(e, 0, "two outputs (%s and %s) want \"%s\"; give each its own file",
                                       g->format, f->format, path);
                if (check_journal_of(c, f, mine, other, e) || check_journal_of(c, g, other, mine, e))
                        return -1;
        }
        if (c->interactive && strcmp(path, "-") == 0)
                return err_set(e, 0,
                               "--interactive and the %s output both want stdout; give the output a file",
                               c->files[i].format);
        return 0;
}

static int check_file(const struct out_conf *c, size_t i, struct err *e)
{
        const struct out_file *f = &c->files[i];
        if (!f->format || !out_by_name(f->format))
                return err_set(e, 0, "unknown output format \"%s\"; --version lists them",
                               f->format ? f->format : "");
        if (!f->path || !*f->path)
                return err_set(e, 0, "the %s output has no file name; use -oX FILE or --output-filename",
                               f->format);
        if (ops_of(c, f) == &out_csv && csv_check(c->fields, e))
                return -1;
        if (check_twice(c, i, e))
                return -1;
        return strcmp(f->path, "-") == 0 ? 0 : rotate_check(c, f->path, e);
}

int out_check(const struct out_conf *c, struct err *e)
{
        const char *d = c->xml_dialect;
        if (d && strcmp(d, "masscan") != 0 && strcmp(d, "nmap") != 0)
                return err_set(e, 0, "unknown XML dialect \"%s\"; use masscan or nmap", d);
        if (csv_check(c->fields, e))
                return -1;
        for (size_t i = 0; i < c->n_files; i++)
                if (check_file(c, i, e))
                        return -1;
        return 0;
}

/* ---- opening
 * ----------------------------------------------------------------------------------------------------- */
static const struct commit *commit_for(const struct commit *commits, size_t n, const struct sink *s)
{
        char path[SINK_PATH_MAX];
        for (size_t i = 0; i < n; i++)
                if (place_resolve(path, commits[i].path) == 0 && strcmp(path, s->path) == 0)
                        return &commits[i];
        return NULL;
}

/* What a file has, only its own format can go on behind. */
static int check_format(const struct commit *c, const struct sink *s, struct err *e)
{
        if (strcmp(c->format, s->ops->name) == 0 && (c->jlen == 0 || s->groups))
                return 0;
        return err_set(
                e, 0,
                "cannot go on with \"%s\" as %s%s: what it has is %s%s; leave that option out, or choose "
                "another file, which gets all results",
                s->given, s->ops->name, s->groups ? " by host" : "", c->format, c->jlen ? " by host" : "");
}

static int add_sink(struct out *o, const struct out_ops *ops, const char *path, const struct out_run *run,
                    const struct commit *commits, size_t n_commits, struct err *e)
{
        struct sink *s = sink_new(ops, path, &o->conf, run, e);
        if (!s)
                return -1;
        o->sinks[o->n++] = s;
        const struct commit *c = commit_for(commits, n_commits, s);
        if (c)
                return check_format(c, s, e) ? -1 : commit_resume(s, c, e);
        if (sink_open(s, e))
                return -1;
        s->late = commits && !s->stream;
        return 0;
}

/* A reader that goes away is an answer of write(), not a death; a handler of the caller's stays. */
static void ignore_sigpipe(void)
{
        struct sigaction now;
        if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
                signal(SIGPIPE, SIG_IGN);
}

static void free_all(struct out *o)
{
        for (size_t i = 0; i < o->n; i++)
                sink_free(o->sinks[i]);
        free(o->sinks);
        free(o);
}

static int open_all(struct out **out, const struct out_conf *c, const struct out_run *run,
                    const struct commit *commits, size_t n_commits, struct err *e)
{
        struct out *o = calloc(1, sizeof(*o));
        if (!o || !(o->sinks = calloc(c->n_files + 1, sizeof(struct sink *)))) {
                free(o);
                return err_set(e, ENOMEM, "out of memory");
        }
        o->conf = *c;
        if (!o->conf.flush_ns)
                o->conf.flush_ns = NS_PER_S;
        ignore_sigpipe();
        for (size_t i = 0; i < c->n_files; i++)
                if (add_sink(o, ops_of(c, &c->files[i]), c->files[i].path, run, commits, n_commits, e))
                        goto close_sinks;
        if (c->interactive && add_sink(o, &out_interactive, "-", run, NULL, 0, e))
                goto close_sinks;
        *out = o;
        return 0;
close_sinks:
        free_all(o);
        return -1;
}

int out_open(struct out **out, const struct out_conf *c, const struct out_run *run, struct err *e)
{
        if (out_check(c, e))
                return -1;
        return open_all(out, c, run, NULL, 0, e);
}

int out_open_resumed(struct out **out, const struct out_conf *c, const struct out_run *run,
                     const char *const *texts, size_t n, struct err *e)
{
        size_t n_commits = 0;
        int rc = -1;
        if (out_check(c, e))
                return -1;
        struct commit *commits = calloc(n + 1, sizeof(*commits));
        if (!commits)
                return err_set(e, ENOMEM, "out of memory");
        for (size_t i = 0; i < n; i++)
                if (texts[i] && *texts[i] && strcmp(texts[i], "-") != 0 &&
                    commit_read(&commits[n_commits++], texts[i], e))
                        goto free_commits;
        rc = open_all(out, c, run, commits, n_commits, e);
free_commits:
        free(commits);
        return rc;
}

/* ---- running
 * ------------------------------------------------------------------------------------------------------- */
void out_record(struct out *o, const struct record *r)
{
        if (!(o->conf.show >> r->state & 1))
                return;
        for (size_t i = 0; i < o->n; i++)
                sink_record(o->sinks[i], r);
}

void out_record_again(struct out *o, const struct record *r)
{
        for (size_t i = 0; i < o->n; i++) {
                struct sink *s = o->sinks[i];
                if (!s->late || !(o->conf.show >> r->state & 1))
                        continue;
                sink_record(s, r);
                if (sink_pending(s) >= SINK_FLUSH_BYTES)
                        sink_flush(s, false, NULL);
        }
}

static int rotate_due(struct out *o, uint64_t now, struct err *e)
{
        for (size_t i = 0; i < o->n; i++)
                if (sink_rotate(o->sinks[i], now, e))
                        return -1;
        return 0;
}

/* Every output is tried; the first that fails is told. The checkpoint that a rotation takes speaks of all
 * outputs, so a file is rotated only when everything is written: one look at the clock says what is due. */
int out_flush(struct out *o, bool all, struct err *e)
{
        uint64_t now = clock_wall_ns();
        struct err other;
        bool rotates = false;
        int rc = 0;
        for (size_t i = 0; i < o->n; i++)
                rotates |= rotate_is_due(o->sinks[i], now);
        for (size_t i = 0; i < o->n; i++)
                if (sink_flush(o->sinks[i], all || rotates, rc ? &other : e))
                        rc = -1;
        return rc || !(all || rotates) ? rc : rotate_due(o, now, e);
}

size_t out_pending(const struct out *o)
{
        size_t n = 0;
        for (size_t i = 0; i < o->n; i++)
                n += sink_pending(o->sinks[i]);
        return n;
}

bool out_broken_pipe(const struct out *o)
{
        for (size_t i = 0; i < o->n; i++)
                if (!o->sinks[i]->broken_pipe)
                        return false;
        return o->n > 0;
}

void out_on_rotate(struct out *o, void (*hook)(void *), void *arg)
{
        for (size_t i = 0; i < o->n; i++) {
                o->sinks[i]->on_rotate = hook;
                o->sinks[i]->on_rotate_arg = arg;
        }
}

int out_commit_text(const struct out *o, size_t i, char *text, size_t cap)
{
        if (i >= o->n || cap == 0)
                return -1;
        text[0] = 0;
        return commit_write(o->sinks[i], text, cap);
}

void out_ending(struct out *o, bool keep)
{
        for (size_t i = 0; i < o->n; i++) {
                o->sinks[i]->keep = keep;
                o->sinks[i]->ended = !keep;
        }
}

int out_close(struct out *o, struct err *e)
{
        struct err other;
        int rc = 0;
        for (size_t i = 0; i < o->n; i++)
                if (sink_close(o->sinks[i], rc ? &other : e))
                        rc = -1;
        free_all(o);
        return rc;
}
