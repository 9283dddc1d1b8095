// SPDX-License-Identifier: Apache-2.0
/*
 * place: bytes onto the disk. A regular file gets records and trailer in one write over the old trailer; a
 * grouped one, whose whole tail changes, is written beside and renamed; a pipe gets records only. Invariant:
 * a write that fails leaves the file as it was before, trailer and all, and the bytes in the buffer; no file
 * beside the output is ever written over. References: pwritev(2), fallocate(2), open(2) O_TMPFILE, rename(2).
 */
#include "sink.h"
#include "binary.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NAMES_MAX = 1000, LINKS_MAX = 40 };

/* Files made as root under sudo belong to the user who called it. */
static void give_to_sudo_user(int fd)
{
        const char *uid = getenv("SUDO_UID"), *gid = getenv("SUDO_GID");
        if (geteuid() != 0 || !uid || !gid || !*uid || !*gid)
                return;
        if (fchown(fd, (uid_t)strtoul(uid, NULL, 10), (gid_t)strtoul(gid, NULL, 10)))
                log_say(LOG_VERBOSE, "an output file stays root's: %s", strerror(errno));
}

void place_dir(char dir[SINK_PATH_MAX], const char *path)
{
        const char *slash = strrchr(path, '/');
        size_t n = slash ? (size_t)(slash - path) : 0;
        if (!slash)
                snprintf(dir, SINK_PATH_MAX, ".");
        else
                snprintf(dir, SINK_PATH_MAX, "%.*s", n ? (int)n : 1, path);
}

void place_journal(char name[SINK_PATH_MAX], const char *path)
{
        snprintf(name, SINK_PATH_MAX, "%.*s.journal", PATH_ROOM, path);
}

/* Where a symbolic link leads, in its place. */
static bool follow(char path[SINK_PATH_MAX])
{
        char to[SINK_PATH_MAX], dir[SINK_PATH_MAX];
        ssize_t n = readlink(path, to, sizeof(to) - 1);
        if (n <= 0)
                return false;
        to[n] = 0;
        place_dir(dir, path);
        struct wr w = wr_of(path, SINK_PATH_MAX - 1);
        if (to[0] != '/')
                wr_fmt(&w, "%s/", dir);
        wr_str(&w, to);
        *w.p = 0;
        return !w.full;
}

/* For a file that is not there: its directory is. */
static void resolve_new(struct wr *w, const char *path)
{
        char link[SINK_PATH_MAX], dir[SINK_PATH_MAX];
        snprintf(link, sizeof(link), "%s", path);
        for (int i = 0; i < LINKS_MAX && follow(link); i++)
                ;
        place_dir(dir, link);
        const char *slash = strrchr(link, '/');
        char *real = realpath(dir, NULL);
        if (real)
                wr_fmt(w, "%s/%s", real[1] ? real : "", slash ? slash + 1 : link);
        else
                wr_str(w, path);
        free(real);
}

int place_resolve(char out[SINK_PATH_MAX], const char *path)
{
        struct wr w = wr_of(out, PATH_ROOM);
        if (access(path, F_OK) == 0) {
                char *real = realpath(path, NULL);
                wr_str(&w, real ? real : path); /* a pipe of /proc/self/fd has no other name */
                free(real);
        } else {
                resolve_new(&w, path);
        }
        wr_u8(&w, 0);
        return w.full ? -1 : 0;
}

/* ---- beside the file: what is to take its place
 * ----------------------------------------------------------------------------------------------------- */
/* FILE.new, FILE.new.1, …: the first that nobody has becomes the name of `fd`, or (-1) of an empty file.
 * Returns the descriptor, or -1. */
static int claim_name(struct sink *s, int fd)
{
        char self[32], more[16] = "";
        snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        for (unsigned i = 1; i <= NAMES_MAX; i++) {
                snprintf(s->beside, sizeof(s->beside), "%.*s.new%s", PATH_ROOM, s->path, more);
                if (fd >= 0 && linkat(AT_FDCWD, self, AT_FDCWD, s->beside, AT_SYMLINK_FOLLOW) == 0)
                        return fd;
                int made = fd < 0 ? open(s->beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
                if (made >= 0)
                        return made;
                if (errno != EEXIST)
                        break;
                snprintf(more, sizeof(more), ".%u", i);
        }
        s->beside[0] = 0;
        return -1;
}

static void drop_beside(struct sink *s)
{
        if (s->beside[0])
                unlink(s->beside);
        s->beside[0] = 0;
}

/* A file without a name leaves nothing behind when the process is killed; file systems that have no such get
 * one with a name that was free. */
static int open_beside(struct sink *s)
{
        char dir[SINK_PATH_MAX];
        drop_beside(s);
        place_dir(dir, s->path);
        int fd = access("/proc/self/fd", X_OK) ? -1 : open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
        return fd >= 0 ? fd : claim_name(s, -1);
}

/* When it fails, what was written stays under the name it got. */
static int take_place(struct sink *s, int fd)
{
        if ((!s->beside[0] && claim_name(s, fd) < 0) || rename(s->beside, s->path))
                return -1;
        s->beside[0] = 0;
        return 0;
}

/* ---- opening
 * ----------------------------------------------------------------------------------------------------- */
/* A new file gets its name with its first bytes: whoever finds it finds header and trailer. */
static int open_any(struct sink *s)
{
        struct stat st;
        s->unborn = stat(s->path, &st) != 0;
        if (s->unborn && errno != ENOENT)
                return -1;
        if (!s->unborn) /* a FIFO opened for reading too would never see its reader go */
                return open(s->path, (S_ISREG(st.st_mode) ? O_RDWR : O_WRONLY) | O_CLOEXEC);
        int fd = open_beside(s);
        if (fd >= 0)
                give_to_sudo_user(fd);
        return fd;
}

static int cannot_open(const struct sink *s, int why, struct err *e)
{
        if (s->ops != &out_journal)
                return err_set(e, why, "cannot open the output file \"%s\": %s", s->path, strerror(why));
        return err_set(
                e, why,
                "cannot open \"%s\", the journal that \"%s\" needs beside it: %s; choose an output file "
                "in a directory that may be written, or a format that is not grouped by host",
                s->path, s->given, strerror(why));
}

int place_open(struct sink *s, struct err *e)
{
        struct stat st;
        s->fd = open_any(s);
        if (s->fd < 0)
                return cannot_open(s, errno, e);
        if (fstat(s->fd, &st))
                return err_set(e, errno, "cannot look at \"%s\": %s", s->path, strerror(errno));
        s->stream = !S_ISREG(st.st_mode);
        s->file_end = s->stream ? 0 : (uint64_t)st.st_size;
        return 0;
}

void place_close(struct sink *s)
{
        struct stat st;
        if (s->fd < 0 || s->is_stdout)
                return;
        if (s->unborn && fstat(s->fd, &st) == 0 && st.st_size == 0)
                drop_beside(s);
        close(s->fd);
        s->fd = -1;
}

/* ---- writing
 * ----------------------------------------------------------------------------------------------------- */
static void draw_host(void *arg, const struct record *const *recs, size_t n)
{
        struct sink *s = arg;
        size_t before = s->tail.n;
        s->ops->host(s->st, &s->tail, recs, n);
        s->st->items += s->tail.n > before;
}

/* Hosts that are still held stand in front of the trailer and are drawn anew each time. */
void place_tail(struct sink *s, uint64_t now_wall_ns)
{
        uint64_t items = s->st->items;
        s->tail.n = 0;
        s->tail.full = false;
        if (s->groups && !groups_walk(s->groups, draw_host, s))
                s->tail.full = true;
        s->ops->trailer(s->st, &s->tail, now_wall_ns);
        s->st->items = items;
}

static int all_of(int fd, const struct out_buf *buf, const struct out_buf *tail, uint64_t at)
{
        struct iovec v[2] = {{buf->p, buf->n}, {tail->p, tail->n}};
        size_t left = buf->n + tail->n;
        while (left) {
                ssize_t put = pwritev(fd, v, 2, (off_t)at);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put <= 0) {
                        errno = put == 0 ? ENOSPC : errno;
                        return -1;
                }
                at += (uint64_t)put;
                left -= (size_t)put;
                for (int i = 0; i < 2; i++) {
                        size_t step = MIN((size_t)put, v[i].iov_len);
                        v[i].iov_base = step ? (uint8_t *)v[i].iov_base + step : v[i].iov_base;
                        v[i].iov_len -= step;
                        put -= (ssize_t)step;
                }
        }
        return 0;
}

/* Asks for the room first, so that a full disk is met before the old trailer is touched. File systems that
 * cannot tell are tried by writing. */
static int reserve(int fd, uint64_t at, size_t n)
{
        int rc;
        if (n == 0)
                return 0;
        do
                rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n);
        while (rc && errno == EINTR);
        return rc && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) ? -1 : 0;
}

/* After a write that failed half way: the old trailer back to its place, and the file back to its length. */
static void undo(struct sink *s)
{
        struct out_buf none = {0};
        if (all_of(s->fd, &none, &s->tail_disk, s->body_len) || ftruncate(s->fd, (off_t)s->file_end))
                log_say(LOG_WARN, "\"%s\" ends in a torn record; trawl --repair mends it", s->path);
}

static void placed(struct sink *s)
{
        struct out_buf old = s->tail_disk;
        s->tail_disk = s->tail;
        s->tail = old;
        s->body_len += s->buf.n;
        s->buf.n = 0;
        s->failing = false;
}

static int say_failed(const struct sink *s, int why, struct err *e)
{
        const char *mend =
                why == ENOSPC || why == EDQUOT ? "make room and the scan goes on" : "nothing is lost yet";
        return err_set(e, why, "cannot write \"%s\": %s (%zu bytes wait in memory; %s)", s->path,
                       strerror(why), sink_pending(s), mend);
}

static int say_unplaced(const struct sink *s, int why, struct err *e)
{
        if (!s->beside[0])
                return say_failed(s, why, e);
        return err_set(e, why, "cannot make \"%s\": %s; its results so far are in \"%s\"", s->path,
                       strerror(why), s->beside);
}

static int place_over(struct sink *s, struct err *e)
{
        uint64_t end = s->body_len + s->buf.n + s->tail.n;
        if (reserve(s->fd, s->body_len, s->buf.n + s->tail.n))
                return say_failed(s, errno, e);
        if (all_of(s->fd, &s->buf, &s->tail, s->body_len)) {
                int why = errno;
                undo(s);
                return say_failed(s, why, e);
        }
        if (end < s->file_end && ftruncate(s->fd, (off_t)end))
                return say_failed(s, errno, e);
        if (s->unborn && take_place(s, s->fd))
                return say_unplaced(s, errno, e);
        s->unborn = false;
        s->file_end = end;
        placed(s);
        return 0;
}

static int copy_body(int from, int to, uint64_t n)
{
        off_t at_from = 0, at_to = 0;
        while (n) {
                ssize_t put =
                        copy_file_range(from, &at_from, to, &at_to, (size_t)MIN(n, (uint64_t)1 << 30), 0);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put <= 0) {
                        errno = put == 0 ? EIO : errno;
                        return -1;
                }
                n -= (uint64_t)put;
        }
        return 0;
}

/* May the name not be given to another file? The file itself can still be written. EXDEV: it is a mount point
 * of another file system. */
static bool name_is_fixed(int why)
{
        return why == EACCES || why == EPERM || why == EROFS || why == EBUSY || why == EXDEV;
}

/* The grouped file anew beside the old one, then renamed over it: no moment at which it does not parse. */
static int place_beside(struct sink *s, struct err *e)
{
        struct stat st;
        int fd = open_beside(s);
        if (fd < 0)
                return name_is_fixed(errno) ? place_over(s, e) : say_failed(s, errno, e);
        if (fstat(s->fd, &st) == 0 && (fchmod(fd, st.st_mode & 07777) || fchown(fd, st.st_uid, st.st_gid)))
                log_say(LOG_VERBOSE, "\"%s\" may not keep its owner: %s", s->path, strerror(errno));
        bool written =
                copy_body(s->fd, fd, s->body_len) == 0 && all_of(fd, &s->buf, &s->tail, s->body_len) == 0;
        if (!written || take_place(s, fd)) {
                int why = errno;
                close(fd);
                if (written && !name_is_fixed(why))
                        return say_unplaced(s, why, e);
                drop_beside(s);
                return name_is_fixed(why) ? place_over(s, e) : say_failed(s, why, e);
        }
        close(s->fd);
        s->fd = fd;
        s->file_end = s->body_len + s->buf.n + s->tail.n;
        placed(s);
        return 0;
}

int place_file(struct sink *s, struct err *e)
{
        place_tail(s, clock_wall_ns());
        if (s->tail.full)
                return err_set(e, ENOMEM, "not enough memory to write \"%s\"", s->path);
        return s->groups && !s->unborn ? place_beside(s, e) : place_over(s, e);
}

int place_stream(struct sink *s, struct err *e)
{
        size_t done = 0;
        int why = 0;
        while (done < s->buf.n && !why) {
                ssize_t put = write(s->fd, s->buf.p + done, s->buf.n - done);
                if (put > 0)
                        done += (size_t)put;
                else if (put < 0 && errno == EAGAIN)
                        poll(&(struct pollfd){.fd = s->fd, .events = POLLOUT}, 1, 1000);
                else if (put == 0 || errno != EINTR)
                        why = put == 0 ? ENOSPC : errno;
        }
        if (done)
                memmove(s->buf.p, s->buf.p + done, s->buf.n - done);
        s->buf.n -= done;
        s->body_len += done;
        if (!why)
                return 0;
        if (why != EPIPE)
                return say_failed(s, why, e);
        s->broken_pipe = true;
        s->buf.n = 0;
        return err_set(e, EPIPE, "nobody reads \"%s\" any more: its results are dropped from here on",
                       s->given);
}
