// SPDX-License-Identifier: Apache-2.0
/*
 * repair: trawl --repair FILE: finds the format by the content, cuts what a SIGKILL or a full disk left torn,
 * and writes the trailer. An empty file gets header and trailer of the format its name ends in. Invariant:
 * whole records are never cut, and a file that is whole already keeps its bytes up to the trailer's time.
 */
#include "readscan.h"
#include "sink.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first format that knows the file. Those that say little about themselves stand last in the table. */
static const struct out_ops *find_format(struct span file, int64_t *keep, bool *empty)
{
        for (size_t i = 0; out_table[i]; i++) {
                *keep = out_table[i]->body_end(file, empty);
                if (*keep >= 0)
                        return out_table[i];
        }
        return NULL;
}

static const struct out_ops *format_by_ending(const char *path)
{
        const char *dot = strrchr(path, '.');
        for (size_t i = 0; dot && out_table[i]; i++)
                if (strcmp(out_table[i]->ext, dot + 1) == 0)
                        return out_table[i];
        return NULL;
}

struct mended { /* what goes to `keep`, and the state that wrote it */
        struct fmt *st;
        struct out_buf buf;
};

static int make_end(struct mended *m, const struct out_ops *ops, struct span body, bool empty, struct err *e)
{
        static const struct out_run run = {.command_line = "trawl --repair"};
        static const struct out_conf conf = {0};
        uint64_t now = clock_wall_ns();
        m->st = calloc(1, ops->state_size);
        if (!m->st)
                return err_set(e, ENOMEM, "out of memory");
        buf_init(&m->buf, SINK_BUF_MAX);
        m->st->run = &run;
        m->st->conf = &conf;
        m->st->opened_wall_ns = now;
        m->st->items = !empty;
        if (ops->setup)
                ops->setup(m->st);
        if (body.n == 0)
                ops->begin(m->st, &m->buf);
        else if (ops->recount)
                ops->recount(m->st, body);
        ops->trailer(m->st, &m->buf, now);
        return 0;
}

static int write_end(const char *path, size_t keep, const struct out_buf *end, struct err *e)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;
        if (fd < 0)
                return err_set(e, errno, "cannot write \"%s\": %s", path, strerror(errno));
        if (ftruncate(fd, (off_t)keep) ||
            (end->n && pwrite(fd, end->p, end->n, (off_t)keep) != (ssize_t)end->n))
                rc = err_set(e, errno, "cannot write \"%s\": %s", path, strerror(errno));
        close(fd);
        return rc;
}

static int mend(const char *path, struct span file, char *report, size_t cap, struct err *e)
{
        struct mended m = {0};
        int64_t keep = 0;
        bool empty = true;
        const struct out_ops *ops = file.n ? find_format(file, &keep, &empty) : format_by_ending(path);
        int rc = -1;
        if (!ops)
                return err_set(e, 0, "\"%s\" cannot be mended: it is not a file of any known format", path);
        if (make_end(&m, ops, span_of(file.p, (size_t)keep), empty, e))
                goto free_end;
        if (tail_is(file, (size_t)keep, span_of(m.buf.p, m.buf.n))) {
                snprintf(report, cap, "%s: format %s, whole: nothing to mend", path, ops->name);
                rc = 0;
                goto free_end;
        }
        rc = write_end(path, (size_t)keep, &m.buf, e);
        if (rc == 0)
                snprintf(report, cap, "%s: format %s, %lld bytes kept, %llu torn bytes cut, end written",
                         path, ops->name, (long long)keep, (unsigned long long)(file.n - (size_t)keep));
free_end:
        buf_free(&m.buf);
        free(m.st);
        return rc;
}

int out_repair(const char *path, char *report, size_t cap, struct err *e)
{
        struct file_map m;
        struct stat st;
        if (stat(path, &st))
                return err_set(e, errno, "cannot open \"%s\": %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return err_set(e, 0, "\"%s\" is not a regular file", path);
        if (file_map(&m, path, e))
                return -1;
        int rc = mend(path, span_of(m.p, m.n), report, cap, e);
        file_unmap(&m);
        return rc;
}
