// SPDX-License-Identifier: Apache-2.0
/*
 * sink: one output and its file. Stands between the writers' buffers and the file system. For a regular file:
 *
 *      0 ............... body_len ............ file_end
 *      | header, records | trailer             |            buf: records that are not in the file yet
 *
 * A flush puts buf and a fresh trailer at body_len in one write. Invariant: what lies before body_len is
 * never written again, and after every call the file ends with a trailer (except while the disk refuses even
 * that).
 */
#ifndef TRAWL_OUTPUT_SINK_H
#define TRAWL_OUTPUT_SINK_H
#include "format.h"
#include "groups.h"
#include <sys/types.h>

enum {
        SINK_FLUSH_BYTES = 256 << 10,
        SINK_BUF_MAX = 512 << 20,
        SINK_PATH_MAX = 4096,
        PATH_ROOM = SINK_PATH_MAX - 24
};

struct sink {
        const struct out_ops *ops;
        struct fmt *st; /* the writer's state, ops->state_size bytes */
        const struct out_conf *conf;
        const struct out_run *run;
        const char *given;          /* the path as asked for; borrowed */
        char path[SINK_PATH_MAX];   /* the file itself, symbolic links followed */
        char beside[SINK_PATH_MAX]; /* the name of what is to take the file's place; "": it has none */
        int fd;                     /* -1: gone in a rotation, to be opened again */
        bool stream, is_stdout, append, broken_pipe, rotating, failing;
        bool keep;          /* the scan will be gone on with: journal and name stay */
        bool ended;         /* the scan is over: the name is given up next, and the journal */
        bool late;          /* begun in a resumed scan: lacks what came before */
        bool told_rotation; /* that rotation fails was said */
        bool unborn;        /* a new file, without its name until its first bytes are in it */
        bool begun;         /* the header of the current file is in buf or in the file */
        bool dirty;         /* grouped: held records changed since the file was written */
        struct err last;    /* while failing: why */
        struct out_buf buf, tail, tail_disk;
        uint64_t body_len, file_end;
        uint64_t lost; /* records that found the buffer at its ceiling */
        uint64_t flushed_mono_ns, rotate_due_wall_ns;
        uint64_t rotated;      /* files finished so far: the number of the next by size */
        struct groups *groups; /* grouped: what is held back */
        struct sink *journal;  /* grouped and a regular file: the held records, safe against SIGKILL */
        uint64_t journal_from; /* where in the journal the held records begin */
        uint64_t drawn_mono_ns,
                drawing_ns; /* grouped: when the file was last written, and how long it took */
        void (*on_rotate)(void *);
        void *on_rotate_arg;
};

struct commit { /* a commit text, read back */
        char format[32], path[SINK_PATH_MAX];
        uint64_t body, mark, items, tcp_open, tcp_closed, rotated, opened_ns, id, jfrom, jlen, jmark;
        bool rotating, ended;
};

/* ---- sink.c */
bool sink_holds_hosts(const struct out_ops *, const struct out_conf *); /* is it grouped? */
struct sink *sink_new(const struct out_ops *, const char *path, const struct out_conf *,
                      const struct out_run *, struct err *);
int sink_open(struct sink *, struct err *);  /* new, or appended to; the file parses when this returns */
int sink_go_on(struct sink *, struct err *); /* behind the records of the opened file */
void sink_record(struct sink *, const struct record *);
int sink_flush(struct sink *, bool all, struct err *);
int sink_rotate(struct sink *, uint64_t now, struct err *); /* when due at `now`, by the wall's clock */
size_t sink_pending(const struct sink *);
int sink_close(struct sink *, struct err *);
void sink_free(struct sink *);
void sink_begin(struct sink *);                    /* a fresh state and header */
void sink_state_reset(struct sink *);              /* a fresh state without header */
int sink_add_journal(struct sink *, struct err *); /* made, not opened */
void sink_drop_journal(struct sink *);             /* what it held is in the file */
int sink_start(struct sink *, struct err *);       /* the first write: header or trailer onto the disk */
int sink_fresh(struct sink *, struct err *);       /* a new file from its header on; with its journal */

/* ---- place.c: bytes onto the disk */
int place_open(struct sink *, struct err *);               /* opens s->path; regular: file_end = its size */
void place_close(struct sink *);                           /* fd is -1 then */
int place_file(struct sink *, struct err *);               /* buf and trailer into the regular file */
int place_stream(struct sink *, struct err *);             /* buf into the pipe */
void place_tail(struct sink *, uint64_t now_wall_ns);      /* s->tail = held hosts and trailer */
void place_dir(char dir[SINK_PATH_MAX], const char *path); /* "." when it names none */
void place_journal(char name[SINK_PATH_MAX], const char *path); /* FILE.journal */
/* The one name of a file, whether it exists or not: symbolic links followed. -1: too long. */
int place_resolve(char out[SINK_PATH_MAX], const char *path);

/* ---- rotate.c */
int rotate_check(const struct out_conf *, const char *path, struct err *);
void rotate_plan(struct sink *, uint64_t now_wall_ns);
bool rotate_is_due(const struct sink *, uint64_t now_wall_ns);
int rotate_now(struct sink *, bool reopen, struct err *);

/* ---- commit.c */
int commit_write(const struct sink *, char *text, size_t cap);
int commit_read(struct commit *, const char *text, struct err *);
int commit_resume(struct sink *, const struct commit *, struct err *);
#endif
