// SPDX-License-Identifier: Apache-2.0
/*
 * base: what every other folder may use and what knows nothing about networks: set-up errors, messages
 * for people, bounded bytes, rings between threads, keyed hashes, clocks. The public door of src/base.
 */
#ifndef TRAWL_BASE_H
#define TRAWL_BASE_H
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAWL_VERSION "0.1.0"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* MIN and MAX work their arguments out twice: never give them an atomic load, whose second look may see
 * another value than the comparison did (tools/check-style looks for it). */
#define MIN(a, b)         ((a) < (b) ? (a) : (b))
#define MAX(a, b)         ((a) > (b) ? (a) : (b))
#define NS_PER_S          1000000000ull
#define NS_PER_MS         1000000ull
#define CACHE_LINE        64
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

#include "bytes.h"
#include "cpu.h"
#include "hash.h"
#include "ring.h"

/* ---- err.c: set-up errors, for people --------------------------------------------------------------
 * Filled once, at the deepest place; callers add context with err_wrap(). text is one line without a
 * newline: what was wrong (quoted), why, what to do. */
struct err {
        int code; /* errno, or 0 when the error is not the system's */
        char text[512];
};
int err_set(struct err *, int code, const char *fmt, ...) PRINTF_LIKE(3, 4); /* always returns -1 */
int err_wrap(struct err *, const char *fmt, ...) PRINTF_LIKE(2, 3);          /* puts "fmt: " in front; -1 */

/* ---- host.c: a host name as SNI, Host and the like want it: ASCII ("xn--…" for other scripts), small
 * letters, no dot at the end. Empty: it is an address, or no name. The result lies in `room`. */
enum { HOST_NAME_MAX_LEN = 253 };
struct span host_on_wire(struct span name, char room[HOST_NAME_MAX_LEN]);

/* ---- log.c: lines for people on stderr ---------------------------------------------------------------
 * Each call prints one line ("trawl: warning: …"), erasing a status line first. Any thread may call; never
 * the packet path. log_status() draws the status line: on a terminal it is redrawn in place, elsewhere it is
 * an ordinary line. */
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_VERBOSE, LOG_DEBUG };
void log_set_level(enum log_level); /* lines above it are not printed; default LOG_INFO */
void log_set_json(bool on);         /* messages become JSON objects, one per line (--status-json) */
void log_say(enum log_level, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_status(const char *text); /* "" erases */
bool log_is_tty(void);             /* is stderr a terminal? */

/* ---- sys.c: clocks, randomness, memory ---------------------------------------------------------------- */
uint64_t clock_mono_ns(void);             /* CLOCK_MONOTONIC */
uint64_t clock_wall_ns(void);             /* CLOCK_REALTIME, since the epoch */
void clock_sleep_until(uint64_t mono_ns); /* returns at once when the time has passed, or on a signal */
void rand_bytes(void *p, size_t n);       /* from the kernel; never fails (blocks until seeded) */

/* Growable array: makes room for `need` elements of `size` bytes in *p (realloc, doubling). Returns 0, or -1
 * with e filled when memory ran out; *p stays valid. */
int mem_grow(void *p_to_array, size_t *cap, size_t need, size_t size, struct err *e);

/* Reads a whole file (or, for "-", stdin) into a fresh NUL-terminated buffer that the caller frees. At most
 * `max` bytes: a larger file is an error. Returns 0 or -1. */
int file_read(const char *path, size_t max, char **data, size_t *len, struct err *e);
/* Do two paths name one file, existing or not? "-" is no file. */
bool file_same(const char *a, const char *b);
/* Replaces `path` by `n` bytes: writes path.tmp with `mode`, fsyncs when `sync`, renames. Returns 0 or -1. */
int file_replace(const char *path, const void *data, size_t n, unsigned mode, bool sync, struct err *e);
#endif
