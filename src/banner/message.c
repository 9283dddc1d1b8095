// SPDX-License-Identifier: Apache-2.0
/*
 * message: the head of a SIP or RTSP response. A header that is folded over lines counts up to its first
 * line's end, and short forms of names are the caller's to list. Invariant: only whole lines are looked at.
 * RFC 3261 §7.2 and §7.3, RFC 2326 §7.
 */
#include "banner/message.h"

enum banner_match message_head(const struct banner_turn *t, const char *version, struct span *head)
{
        enum banner_match m = span_match(t->in, version);
        struct rd r = rd_of(t->in);
        struct span line;
        if (m != MATCH_YES)
                return m;
        while (rd_line(&r, &line)) {
                *head = span_cut(t->in, 0, t->in.n - rd_left(&r));
                if (!line.n)
                        return MATCH_YES;
        }
        return t->eof && rd_left(&r) < t->in.n ? MATCH_YES : MATCH_MAYBE;
}

/* "SIP/2.0 200 OK": moves over the version, gives the number, leaves the reason. */
static unsigned status_of(struct span *line)
{
        uint64_t v = 0;
        size_t at = 0;
        if (!span_find(*line, " ", &at))
                return 0;
        *line = span_cut(*line, at + 1, line->n);
        if (!span_number(line, &v) || v > 999)
                return 0;
        *line = span_trim(*line);
        return (unsigned)v;
}

unsigned message_status(struct span head)
{
        struct rd r = rd_of(head);
        struct span line = {0};
        return rd_line(&r, &line) ? status_of(&line) : 0;
}

static void describe_list(struct banner_turn *t, uint16_t app, const char *key, struct span value)
{
        while (value.n) {
                size_t at = value.n;
                (void)span_find(value, ",", &at);
                struct span one = span_trim(span_cut(value, 0, at));
                if (one.n)
                        banner_field(t->out, app, key, one);
                value = span_cut(value, at + 1, value.n);
        }
}

static void describe_header(struct banner_turn *t, uint16_t app, struct span line,
                            const struct message_header *want, size_t n)
{
        size_t at;
        if (!span_find(line, ":", &at))
                return;
        struct span name = span_trim(span_cut(line, 0, at)),
                    value = span_trim(span_cut(line, at + 1, line.n));
        for (const struct message_header *h = want; h < want + n; h++) {
                if (name.n != span_str(h->name).n || !span_starts_nocase(name, h->name))
                        continue;
                if (h->list)
                        describe_list(t, app, h->key, value);
                else
                        banner_field(t->out, app, h->key, value);
                if (!h->show)
                        return;
                banner_fmt(t->out, app, "\n%s: ", h->name);
                banner_text(t->out, app, value);
                return;
        }
}

void message_describe(struct banner_turn *t, uint16_t app, struct span head,
                      const struct message_header *want, size_t n)
{
        struct rd r = rd_of(head);
        struct span line = {0};
        (void)rd_line(&r, &line);
        banner_text(t->out, app, span_trim(line));
        unsigned status = status_of(&line);
        banner_field_u64(t->out, app, "status", status);
        if (status && line.n)
                banner_field(t->out, app, "reason", line);
        while (rd_line(&r, &line) && line.n)
                describe_header(t, app, line, want, n);
}
