// SPDX-License-Identifier: Apache-2.0
/*
 * output: records -> bytes -> files. A writer sees records and a buffer, never a file; a sink owns the file:
 * flushing, trailers, rotation, appending, full disks. All outputs of a run together are one `struct out`,
 * used by one thread. Every regular file parses after each flush: body first, trailer over the old trailer.
 */
#ifndef TRAWL_OUTPUT_H
#define TRAWL_OUTPUT_H
#include "result/result.h"

struct out_run { /* facts of the run that headers tell; borrowed for the life of `struct out` */
        const char *command_line;
        uint64_t start_wall_ns;
        const char *ports_tcp, *ports_udp, *ports_sctp,
                *ports_other; /* canonical lists without prefixes, "" */
        uint32_t n_tcp, n_udp, n_sctp, n_other;
        uint64_t n_hosts;
        bool as_masscan; /* bytes that name a scanner say masscan's words (started as `masscan`) */
        bool from_readscan;
};
struct out_file { /* one -oX file: format name from output_table; path "-": stdout */
        const char *format, *path;
};
struct out_conf {
        struct out_file *files;
        size_t n_files;
        bool interactive; /* also (or only) "Discovered open port …" on stdout */
        uint32_t show;    /* bit mask of 1 << enum port_state */
        bool reason;      /* --reason: text formats add the reason where masscan's do not */
        bool append;
        bool group_by_host; /* list-like formats: one line per host, written when the scan ends or rotates */
        uint64_t rotate_ns, rotate_offset_ns, rotate_bytes;
        const char *rotate_dir;
        const char *stylesheet;  /* NULL: none */
        const char *fields;      /* --output-fields for CSV, comma list; NULL: the default ones */
        const char *xml_dialect; /* "masscan" (default) or "nmap" */
        uint64_t flush_ns;       /* at least this often; default 1 s */
};

/* When out_pending() has reached this, feed no more records until a flush succeeded: the buffers end
 * somewhere above (512 MiB per output), and a record that finds them full is lost, counted and reported. */
enum { OUT_PENDING_MAX = 64 << 20 };

/* A format. A state begins with struct fmt (format.h). Writers append to a growable buffer; the sink decides
 * when it reaches the file. */
struct out_buf;
struct out_ops {
        const char *name, *ext;
        const char *aliases; /* other names, separated by blanks; NULL: none */
        size_t state_size;
        bool grouped; /* needs the whole host at once: records are held back (bounded; told in the docs) */
        void (*setup)(void *st); /* may be NULL: prepares the state, also of a file that goes on */
        void (*begin)(void *st, struct out_buf *); /* the header */
        void (*record)(void *st, struct out_buf *, const struct record *);
        /* One host, all records of one address, by port, banners after states. NULL: cannot be grouped. */
        void (*host)(void *st, struct out_buf *, const struct record *const *recs, size_t n);
        void (*trailer)(const void *st, struct out_buf *,
                        uint64_t now_wall_ns); /* may be called many times */
        /* Where does the trailer start / how much of these bytes is whole records? For append, --resume,
         * --repair. Returns the length to keep (header + whole records), or -1: not this format. Sets *empty
         * when no record is in it. */
        int64_t (*body_end)(struct span file, bool *empty);
        void (*recount)(void *st,
                        struct span body); /* may be NULL: what the trailer counts, from an old body */
};
extern const struct out_ops *const out_table[];      /* NULL-ended */
const struct out_ops *out_by_name(const char *name); /* or alias, in any case of letters */
const char *out_field_name(size_t i);                /* the columns of CSV, NULL after the last */

struct out;
int out_check(const struct out_conf *, struct err *); /* formats, fields, paths: before anything is opened */
int out_open(struct out **, const struct out_conf *, const struct out_run *, struct err *);
void out_record(struct out *, const struct record *); /* into the buffers only */
/* Writes what is due (all when `all`). 0; -1: at least one output could not be written (disk full, pipe
 * gone): nothing is lost, the bytes stay buffered, call again later; e says which and why. May block on a
 * pipe. */
int out_flush(struct out *, bool all, struct err *);
size_t out_pending(const struct out *); /* buffered bytes */
bool out_broken_pipe(
        const struct out *); /* the reader of a pipe is gone: nobody wants the results any more */
/* Rotation happens inside out_flush, on time and size, and at the end inside out_close. The hook is called
 * before the rename and again when the next file has begun, so that a checkpoint can be taken at either
 * moment: a file that no checkpoint knows holds no records yet. */
void out_on_rotate(struct out *, void (*hook)(void *), void *arg);
/* For the checkpoint: one line of text per output (no newlines inside) that says how far the file is good.
 * Take it after an out_flush(all) that returned 0. Returns 0; -1: there is no output i, or `cap` is too small
 * (OUT_COMMIT_MAX is always enough). A pipe's text is "-": there is nothing to go on with. */
enum { OUT_COMMIT_MAX = 3 * 4096 + 512 };
int out_commit_text(const struct out *, size_t i, char *text, size_t cap);
/* Opens for going on: each regular file is cut back to what its commit text says, then more is appended. A
 * missing, shorter or other file is an error that says so, and so is another format. Outputs without a commit
 * text are opened as new; texts "" and "-" are skipped. */
int out_open_resumed(struct out **, const struct out_conf *, const struct out_run *,
                     const char *const *commit_texts, size_t n, struct err *);
/* After out_open_resumed: a record that came before the commit texts, for the files that have none, so that
 * they become complete. Writes by itself what gets too much; what cannot be written waits for out_flush. */
void out_record_again(struct out *, const struct record *);
/* Call before the last commit texts are taken. `keep`: the scan is to be gone on with, so out_close() leaves
 * the journals of grouped outputs and the names of live files. Else commit texts say from here on that the
 * end was reached, so that what out_close() renames and removes is not missed when the process dies inside.
 */
void out_ending(struct out *, bool keep);
/* Last flush with trailers, final rotation; frees in any case. When nothing may be lost on a full disk,
 * repeat out_flush(all) until it returns 0 before closing. */
int out_close(struct out *, struct err *);

/* ---- readscan.c: masscan's binary files and ours -> records (binary-format.md)
 * ------------------------------------- */
struct out_reader;
int out_reader_open(struct out_reader **, const char *path, struct err *);
/* 1: a record (its banner points into the file), 0: end, -1: not a scan file (e). Skips unknown types,
 * forgives a truncated tail (out_reader_torn says so). */
int out_reader_next(struct out_reader *, struct record *, struct err *);
bool out_reader_torn(const struct out_reader *);
void out_reader_close(struct out_reader *);

/* ---- repair.c: trawl --repair FILE
 * ------------------------------------------------------------------------------------ Finds the format by
 * content, cuts a torn tail, writes the trailer. `report` gets one line for people. 0, or -1 (not a file of
 * ours, cannot be written). */
int out_repair(const char *path, char *report, size_t cap, struct err *);
#endif
