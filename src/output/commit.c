// SPDX-License-Identifier: Apache-2.0
/*
 * commit: one line of text that says how far a file is good, for the checkpoint, and the way back from it.
 * What a killed process wrote after its last checkpoint is cut off, because the scan will find it again.
 * Invariant: a text never promises bytes that are not in the file.
 *
 *      v1 FORMAT body=N items=N open=N closed=N rotated=N rotating=0|1 opened=NS id=DEV:INO journal=FROM:LEN
 * path=…
 */
#include "sink.h"
#include "readscan.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A path's bytes as they are where a configuration file gives them no meaning, else as %HH. */
static void put_path(struct wr *w, const char *path)
{
        for (const uint8_t *p = (const uint8_t *)path; *p; p++) {
                if ((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
                    strchr("/._-+@", *p))
                        wr_u8(w, *p);
                else
                        wr_fmt(w, "%%%02X", *p);
        }
}

static bool get_path(char out[SINK_PATH_MAX], const char *text)
{
        size_t n = 0;
        while (*text && *text != ' ' && *text != '\n' && n < SINK_PATH_MAX - 1) {
                unsigned v = (uint8_t)*text, step = 1;
                if (*text == '%') {
                        if (sscanf(text + 1, "%2x", &v) != 1 || !text[1] || !text[2])
                                return false;
                        step = 3;
                }
                out[n++] = (char)v;
                text += step;
        }
        out[n] = 0;
        return n > 0 && n < SINK_PATH_MAX - 1;
}

/* A file that is rewritten as a whole changes its inode: its journal's is the one that tells. */
static const struct sink *identity(const struct sink *s)
{
        return s->journal ? s->journal : s;
}

int commit_write(const struct sink *s, char *text, size_t cap)
{
        struct wr w = wr_of(text, cap);
        if (s->stream) {
                wr_str(&w, "-");
                wr_u8(&w, 0);
                return w.full ? -1 : 0;
        }
        const struct sink *id = identity(s);
        wr_fmt(&w, "v1 %s body=%" PRIu64 " items=%" PRIu64 " open=%" PRIu64 " closed=%" PRIu64, s->ops->name,
               s->body_len, s->st->items, s->st->tcp_open, s->st->tcp_closed);
        wr_fmt(&w, " rotated=%" PRIu64 " rotating=%d opened=%" PRIu64, s->rotated, s->rotating,
               s->st->opened_wall_ns);
        wr_fmt(&w, " id=%ju:%ju journal=%" PRIu64 ":%" PRIu64 " path=", (uintmax_t)id->dev,
               (uintmax_t)id->ino, s->journal_from, s->journal ? s->journal->body_len : 0);
        put_path(&w, s->given);
        wr_u8(&w, 0);
        return w.full ? -1 : 0;
}

int commit_read(struct commit *c, const char *text, struct err *e)
{
        int used = 0, rotating = 0;
        *c = (struct commit){0};
        int n = sscanf(text,
                       "v1 %31s body=%" SCNu64 " items=%" SCNu64 " open=%" SCNu64 " closed=%" SCNu64
                       " rotated=%" SCNu64 " rotating=%d opened=%" SCNu64 " id=%" SCNu64 ":%" SCNu64
                       " journal=%" SCNu64 ":%" SCNu64 " path=%n",
                       c->format, &c->body, &c->items, &c->tcp_open, &c->tcp_closed, &c->rotated, &rotating,
                       &c->opened_ns, &c->dev, &c->ino, &c->jfrom, &c->jlen, &used);
        c->rotating = rotating != 0;
        if (n != 12 || !used || !get_path(c->path, text + used))
                return err_set(e, 0, "the checkpoint's line about an output cannot be read: \"%.100s\"",
                               text);
        return 0;
}

/* Was the file of the text moved away, so that what is there now (if anything) is a later one? */
static bool moved_away(const struct sink *s, const struct commit *c)
{
        char path[SINK_PATH_MAX + 16];
        struct stat st;
        if (!c->rotating && !s->conf->rotate_ns && !s->conf->rotate_bytes)
                return false;
        if (stat(s->path, &st))
                return errno == ENOENT;
        if (sink_is_grouped(s)) {
                snprintf(path, sizeof(path), "%s.journal", s->path);
                if (stat(path, &st))
                        return true;
        }
        return st.st_dev != c->dev || st.st_ino != c->ino;
}

static int too_short(const struct sink *s, uint64_t want, struct err *e)
{
        return err_set(e, 0,
                       "cannot go on with \"%s\": it has %" PRIu64 " bytes, the checkpoint knows of %" PRIu64
                       "; bring the file back or start anew",
                       s->path, s->file_end, want);
}

static int open_existing(struct sink *s, struct err *e)
{
        if (access(s->path, F_OK))
                return err_set(e, errno, "cannot go on with \"%s\": %s; bring the file back or start anew",
                               s->path, strerror(errno));
        return place_open(s, true, e);
}

/* Takes the held records back from the journal. */
static int refill(struct sink *s, const struct commit *c, struct err *e)
{
        struct file_map m;
        struct out_reader *rd;
        struct record r;
        int rc = -1;
        if (file_map(&m, s->journal->path, e))
                return -1;
        if (reader_over(&rd, span_of(m.p, (size_t)c->jlen), (size_t)c->jfrom, e))
                goto unmap;
        rc = 0;
        while (rc == 0 && out_reader_next(rd, &r, e) == 1)
                if (!groups_add(s->groups, &r))
                        rc = err_set(e, ENOMEM, "not enough memory for what \"%s\" holds", s->journal->path);
        out_reader_close(rd);
unmap:
        file_unmap(&m);
        return rc;
}

static int resume_journal(struct sink *s, const struct commit *c, struct err *e)
{
        if (sink_add_journal(s, e))
                return -1;
        struct sink *j = s->journal;
        if (!j || c->jlen == 0)
                return j ? sink_fresh(j, e) : 0;
        if (open_existing(j, e))
                return -1;
        if (j->file_end < c->jlen)
                return too_short(j, c->jlen, e);
        sink_state_reset(j);
        j->body_len = c->jlen;
        s->journal_from = c->jfrom;
        s->dirty = true;
        return sink_start(j, e) || refill(s, c, e) ? -1 : 0;
}

/* An orderly end drew everything into the file and removed the journal: what the file has is the body now. */
static bool journal_is_gone(const struct sink *s, const struct commit *c)
{
        char path[SINK_PATH_MAX + 16];
        snprintf(path, sizeof(path), "%s.journal", s->path);
        return s->groups && c->jlen && access(path, F_OK) != 0;
}

int commit_resume(struct sink *s, const struct commit *c, struct err *e)
{
        s->rotated = c->rotated;
        if (moved_away(s, c)) {
                s->rotated++;
                return sink_fresh(s, e);
        }
        if (open_existing(s, e))
                return -1;
        if (s->file_end < c->body)
                return too_short(s, c->body, e);
        if (journal_is_gone(s, c))
                return sink_go_on(s, e);
        sink_state_reset(s);
        s->body_len = c->body;
        s->st->items = c->items;
        s->st->tcp_open = c->tcp_open;
        s->st->tcp_closed = c->tcp_closed;
        s->st->opened_wall_ns = c->opened_ns;
        return resume_journal(s, c, e) || sink_start(s, e) ? -1 : 0;
}
