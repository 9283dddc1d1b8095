// SPDX-License-Identifier: Apache-2.0
/*
 * text: what parsers of lines share: prefixes, searches, lines, numbers, and the multi-line replies of FTP
 * and SMTP. Used by the parsers of this folder only. Invariant: nothing outside the span is read, nothing is
 * written.
 */
#include "banner/banner.h"

static uint8_t lower(uint8_t c)
{
        return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static size_t common(struct span s, const char *text, bool nocase)
{
        size_t i = 0;
        for (; i < s.n && text[i]; i++)
                if (s.p[i] != (uint8_t)text[i] && !(nocase && lower(s.p[i]) == lower((uint8_t)text[i])))
                        break;
        return i;
}

bool span_starts(struct span s, const char *prefix)
{
        return !prefix[common(s, prefix, false)];
}

bool span_starts_nocase(struct span s, const char *prefix)
{
        return !prefix[common(s, prefix, true)];
}

enum banner_match span_match(struct span s, const char *prefix)
{
        size_t n = common(s, prefix, false);
        return !prefix[n] ? MATCH_YES : n == s.n ? MATCH_MAYBE : MATCH_NO;
}

bool span_find(struct span s, const char *needle, size_t *at)
{
        uint8_t first = lower((uint8_t)needle[0]);
        for (size_t i = 0; i < s.n; i++) {
                if (lower(s.p[i]) != first || !span_starts_nocase(span_of(s.p + i, s.n - i), needle))
                        continue;
                if (at)
                        *at = i;
                return true;
        }
        return false;
}

static bool blank(uint8_t c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
        while (s.n && blank(s.p[0])) {
                s.p++;
                s.n--;
        }
        while (s.n && blank(s.p[s.n - 1]))
                s.n--;
        return s;
}

struct span span_cut(struct span s, size_t from, size_t n)
{
        from = MIN(from, s.n);
        return span_of(s.n ? s.p + from : s.p, MIN(n, s.n - from));
}

bool rd_line(struct rd *r, struct span *line)
{
        size_t n = rd_left(r), i = 0;
        while (i < n && r->p[i] != '\n')
                i++;
        if (i == n)
                return false;
        *line = rd_take(r, i + 1);
        line->n--;
        if (line->n && line->p[line->n - 1] == '\r')
                line->n--;
        return true;
}

bool span_number(struct span *s, uint64_t *number)
{
        uint64_t v = 0;
        size_t i = 0;
        for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
                if (v > (UINT64_MAX - 9) / 10)
                        return false;
                v = v * 10 + (uint64_t)(s->p[i] - '0');
        }
        if (!i)
                return false;
        *s = span_cut(*s, i, s->n);
        *number = v;
        return true;
}

enum banner_match banner_reply_lines(struct span in, unsigned *code, struct span *whole)
{
        struct rd r = rd_of(in);
        struct span line, digits;
        uint64_t number = 0;
        bool first = true;
        while (rd_line(&r, &line)) {
                digits = span_cut(line, 0, 3);
                uint64_t v = 0;
                bool coded = digits.n == 3 && span_number(&digits, &v) && digits.n == 0 &&
                             (line.n == 3 || line.p[3] == ' ' || line.p[3] == '-');
                if (first && !coded)
                        return MATCH_NO;
                if (first)
                        number = v;
                first = false;
                if (coded && v == number && (line.n == 3 || line.p[3] == ' ')) {
                        *code = (unsigned)number;
                        *whole = span_cut(in, 0, in.n - rd_left(&r));
                        return MATCH_YES;
                }
        }
        for (size_t i = 0; first && i < MIN(in.n, (size_t)3); i++)
                if (in.p[i] < '0' || in.p[i] > '9')
                        return MATCH_NO;
        return MATCH_MAYBE;
}
