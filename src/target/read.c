// SPDX-License-Identifier: Apache-2.0
/*
 * read: target text and target files are cut into items, which spec.c understands. Ten million lines are an
 * ordinary file, so the plain case (one IPv4 address between separators) is read by hand, without copying.
 * Invariant: at the start of an item at least AHEAD bytes of text are in the buffer unless the text ends
 * before, so no item is ever cut by the edge of a chunk; text[end] is always a byte that may be looked at.
 * Reference: the target syntax in docs and in spec.c's grammar; comments start with # ; or / where an item
 * could.
 */
#include "target/set.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 1 << 18, AHEAD = 4096 };

struct feed {
        int fd;    /* -1: text in memory */
        char *buf; /* CHUNK + 1 bytes; NULL for text in memory */
        const char *p, *end;
        bool ended; /* nothing more behind `end` */
        uint64_t line;
        const char *line_start; /* where this line starts, or the buffer when it started earlier */
        uint64_t line_gone;     /* bytes of this line that left the buffer */
        const struct tgt_text *how;
        struct wanted wanted;
};

/* Moves the unread rest to the front and fills up behind it. */
static int refill(struct feed *f, struct err *e)
{
        size_t rest = (size_t)(f->end - f->p);
        f->line_gone += (uint64_t)(f->p - f->line_start);
        memmove(f->buf, f->p, rest);
        f->p = f->line_start = f->buf;
        while (rest < CHUNK && !f->ended) {
                ssize_t got = read(f->fd, f->buf + rest, CHUNK - rest);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return err_set(e, errno, "cannot read \"%s\": %s", f->how->source, strerror(errno));
                f->ended = got == 0;
                rest += (size_t)got;
        }
        f->end = f->buf + rest;
        f->buf[rest] = 0;
        return 0;
}

static int look_ahead(struct feed *f, struct err *e)
{
        if (f->ended || f->end - f->p >= AHEAD)
                return 0;
        return refill(f, e);
}

static void new_line(struct feed *f, const char *start)
{
        f->line++;
        f->line_start = start;
        f->line_gone = 0;
}

static bool is_separator(char c)
{
        return c == '\n' || c == '\r' || c == ' ' || c == '\t' || c == ',' || c == '\v' || c == '\f';
}

/* Skips separators within the buffer. */
static void skip_separators(struct feed *f)
{
        while (f->p < f->end && is_separator(*f->p)) {
                if (*f->p++ == '\n')
                        new_line(f, f->p);
        }
}

static int skip_comment(struct feed *f, struct err *e)
{
        for (;;) {
                const char *nl = memchr(f->p, '\n', (size_t)(f->end - f->p));
                f->p = nl ? nl : f->end;
                if (nl || f->ended)
                        return 0;
                if (refill(f, e))
                        return -1;
        }
}

/* Length of a dash at p: ASCII, Windows-1252's 0x96, UTF-8's U+2010..U+2015; 0: none. */
static size_t dash_len(const char *p, const char *end)
{
        const uint8_t *u = (const uint8_t *)p;
        if (p < end && (u[0] == '-' || u[0] == 0x96))
                return 1;
        return end - p >= 3 && u[0] == 0xe2 && u[1] == 0x80 && u[2] >= 0x90 && u[2] <= 0x95 ? 3 : 0;
}

static const char *token_end(const char *p, const char *end)
{
        while (p < end && !is_separator(*p))
                p++;
        return p;
}

static const char *skip_blanks(const char *p, const char *end)
{
        while (p < end && (*p == ' ' || *p == '\t'))
                p++;
        return p;
}

/* Does the token [p, end) end in a dash? */
static bool ends_in_dash(const char *p, const char *end)
{
        const char *last = end - 1;
        while (last > p && end - last < 3 && ((uint8_t)*last & 0xc0) == 0x80 && (uint8_t)*last != 0x96)
                last--;
        if (last == p || ((uint8_t)*last == 0x96 && ((uint8_t)last[-1] & 0x80)))
                return false;
        return dash_len(last, end) == (size_t)(end - last);
}

/* "a - b", "a -b" and "a- b" are one item. *end is moved behind it; true when blanks were joined. */
static bool join_spaced(const char *p, const char **end, const char *limit)
{
        const char *next = skip_blanks(*end, limit), *after;
        size_t dash = dash_len(next, limit);
        if (next > *end && dash) { /* a dash behind blanks */
                after = skip_blanks(next + dash, limit);
                *end = token_end(after, limit);
                return true;
        }
        if (next > *end && ends_in_dash(p, *end) && token_end(next, limit) > next) {
                *end = token_end(next, limit);
                return true;
        }
        return false;
}

/* Copies the item without blanks and with ASCII dashes; 0x96 is a dash only where it is not a part of a UTF-8
 * character. Returns the length. */
static size_t normalise(char *out, const char *p, const char *end)
{
        size_t n = 0;
        for (bool ascii = true; p < end && n < TGT_ITEM_MAX;) {
                size_t dash = dash_len(p, end);
                if (dash && (ascii || (uint8_t)*p != 0x96)) {
                        out[n++] = '-';
                        p += dash;
                        ascii = true;
                        continue;
                }
                ascii = (uint8_t)*p < 0x80;
                if (*p != ' ' && *p != '\t')
                        out[n++] = *p;
                p++;
        }
        out[n] = 0;
        return n;
}

/* Any item but the plain one. */
static int slow_item(struct feed *f, struct tgt_set *s, struct err *e)
{
        char text[TGT_ITEM_MAX + 1];
        const char *limit = MIN(f->end, f->p + AHEAD), *end = token_end(f->p, limit);
        struct item it = {.text = text, .quote = f->p, .how = f->how, .wanted = &f->wanted};
        it.spaced = join_spaced(f->p, &end, limit);
        it.quote_len = (size_t)(end - f->p);
        it.line = f->line;
        it.column = f->line_gone + (uint64_t)(f->p - f->line_start) + 1;
        it.len = normalise(text, f->p, end);
        if (it.len >= TGT_ITEM_MAX)
                return item_bad(&it, e, "is too long for a target; separate targets by commas or blanks");
        f->p = end;
        return item_add(s, &it, e);
}

static int next_item(struct feed *f, struct tgt_set *s, struct err *e)
{
        uint32_t a;
        const char *q = ip_scan_v4(&a, f->p, f->end);
        bool plain = q && (*q == '\n' || *q == '\r' || *q == ',' || q == f->end);
        if (!plain || reserved_v4(a, a))
                return slow_item(f, s, e);
        f->p = q;
        return set_push_v4(s, a, e);
}

static int feed_all(struct feed *f, struct tgt_set *s, struct err *e)
{
        for (;;) {
                skip_separators(f);
                if (look_ahead(f, e))
                        return -1;
                if (f->p == f->end && f->ended)
                        return 0;
                if (f->p == f->end || is_separator(*f->p))
                        continue;
                bool comment = f->fd >= 0 && (*f->p == '#' || *f->p == ';' || *f->p == '/');
                if (comment ? skip_comment(f, e) : next_item(f, s, e))
                        return -1;
        }
}

static int feed_and_resolve(struct feed *f, struct tgt_set *s, struct err *e)
{
        int rc = feed_all(f, s, e);
        if (rc == 0 && f->wanted.n)
                rc = f->how && f->how->keep_names
                             ? wanted_keep(&f->wanted, s, e)
                             : wanted_resolve(&f->wanted, s, f->how ? f->how->family : 0, e);
        wanted_free(&f->wanted);
        return rc;
}

int tgt_set_add(struct tgt_set *s, const char *text, const struct tgt_text *how, struct err *e)
{
        struct feed f = {.fd = -1, .ended = true, .line = 1, .how = how, .p = text, .line_start = text};
        f.end = text + strlen(text);
        return feed_and_resolve(&f, s, e);
}

static void skip_byte_order_mark(struct feed *f)
{
        if (f->end - f->p >= 3 && memcmp(f->p, "\xef\xbb\xbf", 3) == 0)
                f->p = f->line_start = f->p + 3;
}

int tgt_set_add_file(struct tgt_set *s, const char *path, const struct tgt_text *how, struct err *e)
{
        bool is_stdin = strcmp(path, "-") == 0;
        struct tgt_text named = how ? *how : (struct tgt_text){0};
        int rc = -1;
        named.source = is_stdin ? "stdin" : path;
        struct feed f = {.line = 1, .how = &named};
        f.fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        if (f.fd < 0)
                return err_set(e, errno, "cannot open \"%s\": %s", path, strerror(errno));
        f.buf = malloc(CHUNK + 1);
        if (!f.buf) {
                err_set(e, ENOMEM, "out of memory while reading \"%s\"", path);
                goto close_file;
        }
        f.p = f.end = f.line_start = f.buf;
        if (refill(&f, e))
                goto free_buffer;
        skip_byte_order_mark(&f);
        rc = feed_and_resolve(&f, s, e);
free_buffer:
        free(f.buf);
close_file:
        if (!is_stdin)
                close(f.fd);
        return rc;
}
