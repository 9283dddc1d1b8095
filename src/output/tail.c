// SPDX-License-Identifier: Apache-2.0
/*
 * tail: finds where the good part of a written file ends, for append and --repair. Reads the first line and
 * the end only, so a file of many gigabytes costs nothing. Invariant: whatever is kept ends with a whole
 * record. A write that is cut short by SIGKILL leaves new bytes up to some point and, behind it, the rest of
 * the older trailer: the last line may be a splice of the two, so lines are judged by their shape, not by
 * their newline.
 */
#include "format.h"

bool tail_starts(struct span s, const char *text)
{
        size_t n = strlen(text);
        return s.n >= n && memcmp(s.p, text, n) == 0;
}

bool tail_ends(struct span s, const char *text)
{
        size_t n = strlen(text);
        return s.n >= n && memcmp(s.p + s.n - n, text, n) == 0;
}

bool tail_has(struct span s, const char *text)
{
        return s.n && memmem(s.p, s.n, text, strlen(text)) != NULL;
}

int64_t tail_find(struct span f, size_t end, const char *needle)
{
        size_t n = strlen(needle);
        if (f.n < n)
                return -1;
        for (size_t from = MIN(end, f.n - n + 1); from > 0;) {
                const uint8_t *hit = memrchr(f.p, needle[0], from);
                if (!hit)
                        return -1;
                if (memcmp(hit, needle, n) == 0)
                        return hit - f.p;
                from = (size_t)(hit - f.p);
        }
        return -1;
}

static size_t line_start(struct span f, size_t head, size_t end)
{
        const uint8_t *nl = end > head ? memrchr(f.p + head, '\n', end - head) : NULL;
        return nl ? (size_t)(nl - f.p) + 1 : head;
}

static bool first_is_whole(struct span f, size_t head, tail_line_fn *whole)
{
        const uint8_t *nl = memchr(f.p + head, '\n', f.n - head);
        return nl && whole(span_of(f.p + head, (size_t)(nl - f.p) - head));
}

int64_t tail_lines(struct span f, size_t head, tail_line_fn *whole, tail_line_fn *ends, bool *empty)
{
        size_t end = line_start(f, head, f.n);
        bool torn = false;
        *empty = true;
        while (end > head) {
                size_t start = line_start(f, head, end - 1);
                struct span line = span_of(f.p + start, end - 1 - start);
                if (whole(line)) {
                        *empty = false;
                        return first_is_whole(f, head, whole) ? (int64_t)end : -1;
                }
                if (!ends || !ends(line)) {
                        if (torn)
                                return -1;
                        torn = true;
                }
                end = start;
        }
        return (int64_t)head;
}

int64_t tail_only_lines(struct span f, tail_line_fn *whole, bool *empty)
{
        int64_t end = tail_lines(f, 0, whole, NULL, empty);
        return end > 0 ? end : -1;
}

bool tail_hash_line(struct span line)
{
        return tail_starts(line, "# end") || tail_starts(line, "#masscan");
}

/* Length and last byte are not enough: a write that was cut inside the old trailer leaves both. Its first
 * bytes hold no date, and no record begins like them. */
bool tail_is(struct span f, size_t from, struct span trailer)
{
        enum { DATELESS = 6 };
        if (f.n - from != trailer.n)
                return false;
        return trailer.n == 0 || (f.p[f.n - 1] == trailer.p[trailer.n - 1] &&
                                  memcmp(f.p + from, trailer.p, MIN(trailer.n, (size_t)DATELESS)) == 0);
}
