// SPDX-License-Identifier: Apache-2.0
/*
 * commit: one line of text that says how far a file is good, for the checkpoint, and the way back from it.
 * What a killed process wrote after its last checkpoint is cut off, because the scan will find it again.
 * Invariant: a text never promises bytes that are not in the file, and no file is cut that does not hold what
 * its text vouches for. A mark is a sum over the last bytes before a length.
 *
 *      FORMAT body=LEN:MARK items=N open=N closed=N rotated=N rotating=0|1 ended=0|1 opened=NS id=ID
 *      journal=FROM:LEN:MARK path=…
 */
#include "sink.h"
#include "binary.h"
#include "readscan.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MARK_BYTES = 4096 };
#define BRING_BACK "bring the file back or start anew"
#define MOVE_AWAY  "bring the file back, or move this one away and resume again: a new one is begun"

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

/* What tells a file from others: its last bytes before `end`, whatever its inode. 0: cannot be read. */
static uint64_t mark_of(int fd, uint64_t end)
{
        uint64_t words[1 + MARK_BYTES / 8] = {end};
        size_t n = (size_t)MIN(end, (uint64_t)MARK_BYTES);
        if (fd < 0 || pread(fd, &words[1], n, (off_t)(end - n)) != (ssize_t)n)
                return 0;
        return siphash_words((struct hash_key){0, 0}, words, ARRAY_LEN(words));
}

/* Which file this is, whatever it holds: an inode's number is used again, but not with the same birth. */
static uint64_t id_of(int fd)
{
        struct statx x;
        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &x))
                return 0;
        bool born = x.stx_mask & STATX_BTIME;
        uint64_t words[3] = {x.stx_ino, born ? (uint64_t)x.stx_btime.tv_sec : 0,
                             born ? x.stx_btime.tv_nsec : 0};
        return siphash_words((struct hash_key){0, 0}, words, ARRAY_LEN(words));
}

int commit_write(const struct sink *s, char *text, size_t cap)
{
        bool rotating = s->rotating || (s->ended && (s->conf->rotate_ns || s->conf->rotate_bytes));
        struct wr w = wr_of(text, cap);
        const struct sink *j = s->journal;
        if (s->stream) {
                wr_str(&w, "-");
                wr_u8(&w, 0);
                return w.full ? -1 : 0;
        }
        wr_fmt(&w, "%s body=%" PRIu64 ":%016" PRIx64 " items=%" PRIu64 " open=%" PRIu64 " closed=%" PRIu64,
               s->ops->name, s->body_len, mark_of(s->fd, s->body_len), s->st->items, s->st->tcp_open,
               s->st->tcp_closed);
        wr_fmt(&w, " rotated=%" PRIu64 " rotating=%d ended=%d opened=%" PRIu64 " id=%016" PRIx64, s->rotated,
               rotating, s->ended, s->st->opened_wall_ns, id_of(s->fd));
        wr_fmt(&w, " journal=%" PRIu64 ":%" PRIu64 ":%016" PRIx64 " path=", s->journal_from,
               j ? j->body_len : 0, j ? mark_of(j->fd, j->body_len) : 0);
        put_path(&w, s->given);
        wr_u8(&w, 0);
        return w.full ? -1 : 0;
}

int commit_read(struct commit *c, const char *text, struct err *e)
{
        int used = 0, rotating = 0, ended = 0;
        *c = (struct commit){0};
        int n = sscanf(text,
                       "%31s body=%" SCNu64 ":%" SCNx64 " items=%" SCNu64 " open=%" SCNu64 " closed=%" SCNu64
                       " rotated=%" SCNu64 " rotating=%d ended=%d opened=%" SCNu64 " id=%" SCNx64
                       " journal=%" SCNu64 ":%" SCNu64 ":%" SCNx64 " path=%n",
                       c->format, &c->body, &c->mark, &c->items, &c->tcp_open, &c->tcp_closed, &c->rotated,
                       &rotating, &ended, &c->opened_ns, &c->id, &c->jfrom, &c->jlen, &c->jmark, &used);
        c->rotating = rotating != 0;
        c->ended = ended != 0;
        if (n != 14 || !used || !get_path(c->path, text + used))
                return err_set(e, 0, "the checkpoint's line about an output cannot be read: \"%.100s\"",
                               text);
        return 0;
}

/* ---- is the file of that name the one the text is about?
 * ----------------------------------------------------------------------------------------------------- */
static int too_short(const struct sink *s, uint64_t want, struct err *e)
{
        return err_set(e, 0,
                       "cannot go on with \"%s\": it has %" PRIu64 " bytes, the checkpoint knows of %" PRIu64
                       "; bring the file back or start anew",
                       s->path, s->file_end, want);
}

static bool rotates(const struct sink *s, const struct commit *c)
{
        return c->rotating || s->conf->rotate_ns || s->conf->rotate_bytes;
}

/* Nothing that was found is known to be in it: its mark, of a header at most, is that of many files. */
static bool is_blank(const struct commit *c)
{
        return c->items == 0 && c->jlen <= c->jfrom;
}

static bool has_mark(const struct sink *s, uint64_t end, uint64_t mark)
{
        return s->file_end >= end && mark_of(s->fd, end) == mark;
}

static int not_ours(const struct sink *s, const char *mend, struct err *e)
{
        return err_set(
                e, 0,
                "cannot go on with \"%s\": what it holds is not what the checkpoint knows, and was left "
                "untouched; %s",
                s->path, mend);
}

static int check_mark(const struct sink *s, uint64_t end, uint64_t mark, const char *mend, struct err *e)
{
        if (s->file_end < end)
                return too_short(s, end, e);
        return has_mark(s, end, mark) ? 0 : not_ours(s, mend, e);
}

/* The end drew everything into the file and removed the journal: what the file has is the body now. */
static bool journal_is_gone(const struct sink *s, const struct commit *c)
{
        char path[SINK_PATH_MAX];
        place_journal(path, s->path);
        return s->groups && c->ended && access(path, F_OK) != 0;
}

/* Of a host that is held only the journal tells. The file has nothing that the journal has not, and a
 * journal that goes on behind its mark has more than its trailer there, which is as long as its header. */
static bool journal_vouches(const struct sink *s, const struct commit *c)
{
        char path[SINK_PATH_MAX];
        struct stat st;
        place_journal(path, s->path);
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return false;
        bool ours = mark_of(fd, c->jlen) == c->jmark && fstat(fd, &st) == 0 &&
                    (!is_blank(c) || (uint64_t)st.st_size > c->jlen + BIN_HEADER_LEN);
        close(fd);
        return ours;
}

static bool is_vouched(const struct sink *s, const struct commit *c)
{
        if (!has_mark(s, c->body, c->mark))
                return false;
        if (c->jlen)
                return journal_is_gone(s, c) || journal_vouches(s, c);
        return !is_blank(c) || (c->id && id_of(s->fd) == c->id);
}

/* Header and trailer and nothing else: there is nothing to lose in it. */
static bool holds_nothing(struct sink *s)
{
        struct file_map m;
        struct err e;
        bool empty = true;
        if (s->file_end == 0)
                return true;
        if (file_map(&m, s->path, &e))
                return false;
        struct span file = span_of(m.p, m.n);
        int64_t end = s->ops->body_end(file, &empty);
        sink_state_reset(s);
        s->ops->trailer(s->st, &s->tail, clock_wall_ns());
        bool nothing = end >= 0 && empty && tail_is(file, (size_t)end, span_of(s->tail.p, s->tail.n));
        s->tail.n = 0;
        file_unmap(&m);
        return nothing;
}

/* ---- the way back
 * ----------------------------------------------------------------------------------------------------- */
static int open_existing(struct sink *s, struct err *e)
{
        if (access(s->path, F_OK))
                return err_set(e, errno, "cannot go on with \"%s\": %s; bring the file back or start anew",
                               s->path, strerror(errno));
        return place_open(s, e);
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
        if (open_existing(j, e) || check_mark(j, c->jlen, c->jmark, BRING_BACK, e))
                return -1;
        sink_state_reset(j);
        j->body_len = c->jlen;
        s->journal_from = c->jfrom;
        s->dirty = true;
        return refill(s, c, e) || sink_start(j, e) ? -1 : 0;
}

static int begin_anew(struct sink *s, const struct commit *c, struct err *e)
{
        s->rotated += c->rotating; /* the one before has its own name by now */
        return sink_fresh(s, e);
}

int commit_resume(struct sink *s, const struct commit *c, struct err *e)
{
        bool new_one = c->rotating || is_blank(c), movable = new_one || rotates(s, c);
        s->rotated = c->rotated;
        if (movable && access(s->path, F_OK) && errno == ENOENT)
                return begin_anew(s, c, e);
        if (open_existing(s, e))
                return -1;
        bool vouched = is_vouched(s, c);
        if (new_one && !vouched && holds_nothing(s)) { /* just begun */
                place_close(s);
                return begin_anew(s, c, e);
        }
        if (is_blank(c) && !vouched)
                return not_ours(s, MOVE_AWAY, e);
        if (check_mark(s, c->body, c->mark, movable ? MOVE_AWAY : BRING_BACK, e))
                return -1;
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
