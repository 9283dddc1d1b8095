// SPDX-License-Identifier: Apache-2.0
/*
 * sink: one output from its opening to its end: records into the buffer, the buffer to the file when due.
 * Called by out.c, calls place.c and rotate.c. Invariant: a record is in the buffer whole or not at all, and
 * leaves the buffer only when the file has it.
 */
#include "sink.h"
#include "binary.h"
#include "readscan.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RETRY_MS = 200, DRAW_MS = 2000, DRAW_SHARE = 20 };

bool sink_holds_hosts(const struct out_ops *ops, const struct out_conf *conf)
{
        return ops->grouped || (conf->group_by_host && ops->host);
}

struct sink *sink_new(const struct out_ops *ops, const char *path, const struct out_conf *conf,
                      const struct out_run *run, struct err *e)
{
        struct sink *s = calloc(1, sizeof(*s));
        if (!s)
                goto no_memory;
        *s = (struct sink){
                .ops = ops, .given = path, .conf = conf, .run = run, .fd = -1, .append = conf->append};
        buf_init(&s->buf, SINK_BUF_MAX);
        buf_init(&s->tail, SINK_BUF_MAX);
        buf_init(&s->tail_disk, SINK_BUF_MAX);
        s->is_stdout = strcmp(path, "-") == 0;
        s->st = calloc(1, ops->state_size);
        if (sink_holds_hosts(ops, conf))
                s->groups = groups_new(GROUPS_MAX_BYTES);
        if (!s->st || (sink_holds_hosts(ops, conf) && !s->groups))
                goto no_memory;
        if (place_resolve(s->path, path) == 0)
                return s;
        err_set(e, ENAMETOOLONG, "the output file name \"%.80s…\" is too long", path);
        sink_free(s);
        return NULL;
no_memory:
        sink_free(s);
        err_set(e, ENOMEM, "out of memory for the output \"%s\"", path);
        return NULL;
}

void sink_free(struct sink *s)
{
        if (!s)
                return;
        place_close(s);
        sink_free(s->journal);
        groups_free(s->groups);
        buf_free(&s->buf);
        buf_free(&s->tail);
        buf_free(&s->tail_disk);
        free(s->st);
        free(s);
}

void sink_state_reset(struct sink *s)
{
        memset(s->st, 0, s->ops->state_size);
        s->st->run = s->run;
        s->st->conf = s->conf;
        s->st->opened_wall_ns = clock_wall_ns();
        s->st->tty = s->stream && isatty(s->fd);
        if (s->ops->setup)
                s->ops->setup(s->st);
}

void sink_begin(struct sink *s)
{
        sink_state_reset(s);
        s->ops->begin(s->st, &s->buf);
        s->begun = true;
}

/* May this file be written as a journal? Not when it is somebody's: what is not empty has to be one. */
static int check_journal(const char *path, const struct sink *s, struct err *e)
{
        uint8_t head[BIN_HEADER_LEN];
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return 0;
        ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));
        if (fd >= 0)
                close(fd);
        if (n == 0 || (n > 0 && binary_is_journal(span_of(head, (size_t)n))))
                return 0;
        return err_set(e, EEXIST,
                       "\"%s\" is in the way: the journal of \"%s\" would have that name, and it is none; "
                       "move it, or choose another output file",
                       path, s->given);
}

int sink_add_journal(struct sink *s, struct err *e)
{
        char path[SINK_PATH_MAX];
        if (!s->groups || s->stream || s->journal || s->run->from_readscan)
                return 0;
        place_journal(path, s->path);
        if (check_journal(path, s, e))
                return -1;
        s->journal = sink_new(&out_journal, path, s->conf, s->run, e);
        if (!s->journal)
                return -1;
        s->journal->given = s->given;
        return 0;
}

void sink_drop_journal(struct sink *s)
{
        if (!s->journal)
                return;
        unlink(s->journal->path);
        sink_free(s->journal);
        s->journal = NULL;
        s->journal_from = 0;
}

int sink_start(struct sink *s, struct err *e)
{
        rotate_plan(s, clock_wall_ns());
        s->flushed_mono_ns = s->drawn_mono_ns = clock_mono_ns();
        return s->stream ? 0 : place_file(s, e);
}

static void journal_host(void *arg, const struct record *const *recs, size_t n)
{
        struct sink *journal = arg;
        for (size_t i = 0; i < n; i++)
                journal->ops->record(journal->st, &journal->buf, recs[i]);
}

/* The journal begins with what is held already, if anything: it could not be opened at once. */
static int start_with_journal(struct sink *s, struct err *e)
{
        if (sink_add_journal(s, e) || (s->journal && sink_fresh(s->journal, e)))
                return -1;
        s->journal_from = s->journal ? s->journal->body_len : 0;
        if (s->journal)
                groups_walk(s->groups, journal_host, s->journal);
        return sink_start(s, e);
}

/* The opened file from its first byte on. What fails can be tried again: the header waits in the buffer. */
static int start_anew(struct sink *s, struct err *e)
{
        s->body_len = 0;
        if (!s->begun)
                sink_begin(s);
        if (start_with_journal(s, e) == 0) {
                s->rotating = false;
                return 0;
        }
        sink_free(s->journal);
        s->journal = NULL;
        place_close(s);
        return -1;
}

int sink_fresh(struct sink *s, struct err *e)
{
        return place_open(s, e) ? -1 : start_anew(s, e);
}

/* CSV: are the columns of the file the ones that will be written? */
static bool same_header(struct sink *s, struct span file)
{
        s->tail.n = 0;
        s->ops->begin(s->st, &s->tail);
        return file.n >= s->tail.n && s->tail.n && memcmp(file.p, s->tail.p, s->tail.n) == 0;
}

/* The journal of a scan that was killed may hold records that its file does not have. */
static int journal_left_behind(const struct sink *s, struct err *e)
{
        char path[SINK_PATH_MAX];
        place_journal(path, s->path);
        if (!s->groups || s->stream || s->run->from_readscan || access(path, F_OK))
                return 0;
        return err_set(
                e, EEXIST,
                "cannot append to \"%s\": \"%s\" is what a scan that did not end well left, and may hold "
                "results that the file lacks; --resume that scan, or move it away (--readscan reads it)",
                s->given, path);
}

/* Goes on behind the records that the file has. */
int sink_go_on(struct sink *s, struct err *e)
{
        struct file_map m;
        bool empty = true;
        if (file_map(&m, s->path, e))
                return -1;
        int64_t end = s->ops->body_end(span_of(m.p, m.n), &empty);
        sink_state_reset(s);
        if (s->ops == &out_csv && !same_header(s, span_of(m.p, m.n)))
                end = -1;
        if (end > 0 && s->ops->recount)
                s->ops->recount(s->st, span_of(m.p, (size_t)end));
        else
                s->st->items = !empty;
        file_unmap(&m);
        if (end < 0)
                return err_set(e, 0,
                               "cannot append to \"%s\": it is not a file of format %s with the same fields; "
                               "choose another file",
                               s->given, s->ops->name);
        s->body_len = (uint64_t)end;
        return start_with_journal(s, e);
}

int sink_open(struct sink *s, struct err *e)
{
        if (s->is_stdout) {
                s->fd = STDOUT_FILENO;
                s->stream = true;
                sink_begin(s);
                return sink_start(s, e);
        }
        if (place_open(s, e) || (s->append && journal_left_behind(s, e)))
                return -1;
        return s->append && s->file_end > 0 ? sink_go_on(s, e) : start_anew(s, e);
}

/* ---- records
 * ------------------------------------------------------------------------------------------------ */
static void count(struct sink *s, const struct record *r)
{
        s->st->tcp_open += r->who.proto == 6 && r->state == PORT_OPEN;
        s->st->tcp_closed += r->who.proto == 6 && r->state == PORT_CLOSED;
}

static void write_record(struct sink *s, const struct record *r)
{
        size_t mark = s->buf.n;
        s->ops->record(s->st, &s->buf, r);
        if (s->buf.full) {
                s->buf.n = mark;
                s->buf.full = false;
                s->lost++;
                return;
        }
        s->st->items += s->buf.n > mark;
        count(s, r);
}

static void draw_into_body(void *arg, const struct record *const *recs, size_t n)
{
        struct sink *s = arg;
        size_t before = s->buf.n;
        s->ops->host(s->st, &s->buf, recs, n);
        s->st->items += s->buf.n > before;
}

/* The held hosts become part of the body for good. */
static bool settle_groups(struct sink *s)
{
        size_t mark = s->buf.n;
        uint64_t items = s->st->items;
        bool ok = groups_walk(s->groups, draw_into_body, s) && !s->buf.full;
        if (!ok) {
                s->buf.n = mark;
                s->buf.full = false;
                s->st->items = items;
                return false;
        }
        groups_clear(s->groups);
        if (s->journal)
                s->journal_from = s->journal->body_len + s->journal->buf.n;
        return true;
}

static void hold_record(struct sink *s, const struct record *r)
{
        if (!groups_add(s->groups, r) && !(settle_groups(s) && groups_add(s->groups, r))) {
                s->lost++;
                return;
        }
        s->dirty = true;
        count(s, r);
        if (s->journal)
                write_record(s->journal, r);
}

void sink_record(struct sink *s, const struct record *r)
{
        if (s->broken_pipe)
                return;
        if (s->groups)
                hold_record(s, r);
        else
                write_record(s, r);
}

size_t sink_pending(const struct sink *s)
{
        return s->buf.n + (s->journal ? s->journal->buf.n : 0);
}

/* ---- flushing
 * ------------------------------------------------------------------------------------------------ */
static int tell_lost(struct sink *s, struct err *e)
{
        uint64_t lost = s->lost;
        s->lost = 0;
        if (!lost)
                return 0;
        return err_set(e, ENOMEM, "\"%s\": %llu records found its memory full and are lost", s->given,
                       (unsigned long long)lost);
}

/* A grouped file is drawn as a whole, so not more often than its size allows: its journal is what is safe. */
static int flush_grouped(struct sink *s, uint64_t now, struct err *e)
{
        uint64_t pause = MAX(DRAW_MS * NS_PER_MS, s->drawing_ns * DRAW_SHARE);
        if (s->journal && sink_flush(s->journal, true, e))
                return -1;
        bool wait = now - s->drawn_mono_ns < pause || s->run->from_readscan;
        if (!s->dirty || (wait && s->buf.n == 0))
                return 0;
        int rc = place_file(s, e);
        s->drawn_mono_ns = clock_mono_ns();
        s->drawing_ns = s->drawn_mono_ns - now;
        s->dirty = rc != 0;
        return rc;
}

static int flush_now(struct sink *s, uint64_t now, struct err *e)
{
        if (s->fd < 0)
                return sink_fresh(s, e);
        if (s->stream)
                return s->buf.n ? place_stream(s, e) : 0;
        if (s->groups)
                return flush_grouped(s, now, e);
        return s->buf.n ? place_file(s, e) : 0;
}

int sink_rotate(struct sink *s, uint64_t now, struct err *e)
{
        if (!rotate_is_due(s, now)) {
                if (now >= s->rotate_due_wall_ns) /* nothing to rotate: the next boundary counts */
                        rotate_plan(s, now);
                return 0;
        }
        if (s->groups && place_file(s, e))
                return -1;
        return rotate_now(s, true, e);
}

static bool is_due(const struct sink *s, uint64_t now)
{
        uint64_t since = now - s->flushed_mono_ns;
        if (s->failing)
                return since >= RETRY_MS * NS_PER_MS;
        return sink_pending(s) >= SINK_FLUSH_BYTES || since >= s->conf->flush_ns || s->st->tty;
}

int sink_flush(struct sink *s, bool all, struct err *e)
{
        uint64_t now = clock_mono_ns();
        if (s->broken_pipe)
                return 0;
        if (!all && !is_due(s, now)) {
                if (s->failing && e)
                        *e = s->last;
                return s->failing ? -1 : 0;
        }
        struct err why;
        int rc = flush_now(s, now, &why);
        s->flushed_mono_ns = clock_mono_ns();
        s->failing = rc != 0 && !s->broken_pipe;
        if (rc == 0)
                return tell_lost(s, e);
        s->last = why;
        if (e)
                *e = why;
        return rc;
}

/* ---- the end
 * --------------------------------------------------------------------------------------------------- */
static int close_stream(struct sink *s, struct err *e)
{
        if (s->broken_pipe)
                return 0;
        if (s->groups && !settle_groups(s))
                return err_set(e, ENOMEM, "not enough memory to write \"%s\"", s->given);
        s->ops->trailer(s->st, &s->buf, clock_wall_ns());
        return place_stream(s, e);
}

static int close_file(struct sink *s, struct err *e)
{
        if (s->fd < 0 && sink_fresh(s, e))
                return -1;
        if (s->journal && sink_flush(s->journal, true, e))
                return -1;
        if (place_file(s, e))
                return s->journal ? err_wrap(e, "the records are safe in \"%s\"", s->journal->path) : -1;
        if (s->keep)
                return 0;
        if ((s->conf->rotate_ns || s->conf->rotate_bytes) && rotate_now(s, false, e))
                return -1;
        sink_drop_journal(s);
        return 0;
}

int sink_close(struct sink *s, struct err *e)
{
        int rc = s->stream ? close_stream(s, e) : close_file(s, e);
        return rc ? rc : tell_lost(s, e);
}
