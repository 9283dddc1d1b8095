// SPDX-License-Identifier: Apache-2.0
/*
 * rotate: finished files get a name of their own: DIR/YYMMDD-HHMMSS-NAME by time (local time of the opening),
 * DIR/STEM-00000.EXT by size. Called by the sink when a file is complete with its trailer. Invariant: no file
 * is ever overwritten; the hook is called while the old name still holds, and again before the next file gets
 * records. Reference: renameat2(2).
 */
#include "sink.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRIES_MAX = 100000 };

int rotate_check(const struct out_conf *c, const char *path, struct err *e)
{
        char dir[SINK_PATH_MAX];
        struct stat live, away;
        if ((!c->rotate_ns && !c->rotate_bytes) || !c->rotate_dir)
                return 0;
        place_dir(dir, path);
        if (stat(c->rotate_dir, &away) || !S_ISDIR(away.st_mode))
                return err_set(e, ENOTDIR, "--rotate-dir \"%s\" is not a directory; make it first",
                               c->rotate_dir);
        if (access(c->rotate_dir, W_OK | X_OK))
                return err_set(e, errno, "--rotate-dir \"%s\" cannot be written: %s", c->rotate_dir,
                               strerror(errno));
        if (stat(dir, &live) == 0 && live.st_dev != away.st_dev)
                return err_set(
                        e, EXDEV,
                        "--rotate-dir \"%s\" is on another file system than \"%s\": choose one beside it",
                        c->rotate_dir, path);
        return 0;
}

void rotate_plan(struct sink *s, uint64_t now)
{
        uint64_t n = s->conf->rotate_ns;
        if (!n)
                return;
        uint64_t off = s->conf->rotate_offset_ns % n;
        s->rotate_due_wall_ns = now < off ? off : ((now - off) / n + 1) * n + off;
}

bool rotate_is_due(const struct sink *s, uint64_t now)
{
        bool any = s->st->items || (s->groups && groups_count(s->groups));
        if (s->stream || s->fd < 0 || !any)
                return false;
        if (s->conf->rotate_ns && now >= s->rotate_due_wall_ns)
                return true;
        return s->conf->rotate_bytes && s->file_end + s->buf.n >= s->conf->rotate_bytes;
}

static void name_by_time(char *out, size_t cap, const struct sink *s, const char *dir, const char *base,
                         unsigned i)
{
        time_t t = (time_t)(s->st->opened_wall_ns / NS_PER_S);
        char stamp[32], again[16] = "";
        struct tm tm;
        localtime_r(&t, &tm);
        strftime(stamp, sizeof(stamp), "%y%m%d-%H%M%S", &tm);
        if (i)
                snprintf(again, sizeof(again), "-%u", i);
        snprintf(out, cap, "%s/%s%s-%s", dir, stamp, again, base);
}

static void name_by_size(char *out, size_t cap, const struct sink *s, const char *dir, const char *base,
                         unsigned i)
{
        const char *dot = strrchr(base, '.');
        int stem = dot && dot != base ? (int)(dot - base) : (int)strlen(base);
        snprintf(out, cap, "%s/%.*s-%05llu%s", dir, stem, base, (unsigned long long)(s->rotated + i),
                 base + stem);
}

/* Like rename(), but never over a file. */
static int rename_new(const char *from, const char *to)
{
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -1;
        if (access(to, F_OK) == 0) {
                errno = EEXIST;
                return -1;
        }
        return rename(from, to);
}

static int move_away(struct sink *s, struct err *e)
{
        char dir[SINK_PATH_MAX], to[2 * SINK_PATH_MAX + 64];
        const char *slash = strrchr(s->path, '/'), *base = slash ? slash + 1 : s->path;
        place_dir(dir, s->path);
        for (unsigned i = 0; i < TRIES_MAX; i++) {
                if (s->conf->rotate_ns)
                        name_by_time(to, sizeof(to), s, s->conf->rotate_dir ? s->conf->rotate_dir : dir, base,
                                     i);
                else
                        name_by_size(to, sizeof(to), s, s->conf->rotate_dir ? s->conf->rotate_dir : dir, base,
                                     i);
                if (rename_new(s->path, to) == 0) {
                        s->rotated += s->conf->rotate_ns ? 1 : i + 1;
                        return 0;
                }
                if (errno != EEXIST)
                        break;
        }
        return err_set(e, errno, "cannot rotate \"%s\" to \"%.200s\": %s", s->path, to, strerror(errno));
}

/* A file that cannot be moved is no reason to hold the scan up: it is whole, and takes what comes. */
static int go_on_unrotated(struct sink *s, const struct err *why)
{
        if (!s->told_rotation)
                log_say(LOG_WARN, "%s; the file goes on growing", why->text);
        s->told_rotation = true;
        rotate_plan(s, clock_wall_ns());
        return 0;
}

int rotate_now(struct sink *s, bool reopen, struct err *e)
{
        struct err why;
        s->rotating = true;
        if (s->on_rotate && reopen)
                s->on_rotate(s->on_rotate_arg);
        if (move_away(s, &why)) {
                s->rotating = false;
                return go_on_unrotated(s, &why);
        }
        s->told_rotation = false;
        place_close(s);
        s->body_len = s->file_end = 0;
        s->tail_disk.n = 0;
        if (s->groups)
                groups_clear(s->groups);
        sink_drop_journal(s);
        if (!reopen)
                return 0;
        sink_begin(s);
        if (sink_fresh(s, e))
                return -1;
        if (s->on_rotate)
                s->on_rotate(s->on_rotate_arg);
        return 0;
}
