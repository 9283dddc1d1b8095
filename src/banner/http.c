// SPDX-License-Identifier: Apache-2.0
/*
 * http: one answer: status line, headers, and of the body the title. Texts: `http` the header block without
 * its last LF, `http.server`, `title`, and `html` where it is to be captured. Invariant: it is done as soon
 * as the title, or the end of the body, is there; never more than BANNER_IN_MAX bytes are waited for.
 *
 *   HTTP/1.1 SP status SP reason CRLF   name: value CRLF …   CRLF   body
 *
 * RFC 9112 §2.1, §4, §6; RFC 9110 §15.2
 */
#include "banner/http_body.h"
#include "banner/protocols.h"
#include "banner/words.h"

struct reply {
        struct span head, line, body, type, server;
        unsigned status;
        bool complete; /* the empty line came */
        struct http_framing framing;
};

static enum banner_match http_match(struct span in, const struct banner_turn *t)
{
        enum banner_match m = span_starts_nocase(in, "HTTP/") ? MATCH_YES : span_match(in, "HTTP/");
        (void)t;
        if (m == MATCH_YES && in.n > 5 && (in.p[5] < '0' || in.p[5] > '9'))
                return MATCH_NO;
        return m == MATCH_YES && in.n <= 5 ? MATCH_MAYBE : m;
}

/* "HTTP/1.1 200 OK" */
static unsigned status_of(struct span line)
{
        struct span word;
        uint64_t v = 0;
        (void)words_next(&line, " ", &word);
        (void)words_next(&line, " ", &word);
        return span_number(&word, &v) && v < 1000 ? (unsigned)v : 0;
}

/* One header block off the reader; at eof what there is of one. False: more is needed. */
static bool take_head(struct rd *r, bool eof, struct reply *a)
{
        struct rd start = *r;
        struct span line;
        size_t all = rd_left(r);
        bool any = rd_line(r, &a->line);
        if (!any && !eof)
                return false;
        if (!any)
                a->line = rd_take(r, all);
        a->complete = false;
        while (!a->complete && rd_line(r, &line))
                a->complete = line.n == 0;
        if (!a->complete && !eof)
                return false;
        if (!a->complete)
                rd_skip(r, rd_left(r));
        a->head = rd_take(&start, all - rd_left(r));
        a->status = status_of(a->line);
        return true;
}

/* The final answer: those before it (1xx) only say "wait". */
static bool take_answer(const struct banner_turn *t, struct reply *a)
{
        struct rd r = rd_of(t->in);
        *a = (struct reply){.status = 0};
        do {
                if (!take_head(&r, t->eof, a))
                        return false;
        } while (a->status / 100 == 1 && a->status != 101 && (rd_left(&r) || !t->eof));
        a->body = rd_take(&r, rd_left(&r));
        return true;
}

static bool is_named(struct span s, const char *name)
{
        return s.n == span_str(name).n && span_starts_nocase(s, name);
}

static enum http_coding coding_of(struct span value)
{
        if (span_find(value, "gzip", NULL) || span_find(value, "deflate", NULL))
                return CODING_ZLIB;
        return value.n == 0 || is_named(value, "identity") || is_named(value, "chunked") ? CODING_NONE
                                                                                         : CODING_OTHER;
}

/* What decides how the rest is read. */
static void look_at(struct reply *a, struct span name, struct span value)
{
        uint64_t length = 0;
        struct span digits = value;
        if (is_named(name, "Server") && !a->server.n) {
                a->server = value;
        } else if (is_named(name, "Content-Type")) {
                a->type = value;
        } else if (is_named(name, "Content-Length") && span_number(&digits, &length)) {
                a->framing.has_length = true;
                a->framing.length = length;
        } else if (is_named(name, "Transfer-Encoding") || is_named(name, "Content-Encoding")) {
                a->framing.chunked |= span_find(value, "chunked", NULL);
                a->framing.coding = MAX(a->framing.coding, coding_of(value));
        }
}

enum kind { TEXT, NUMBER, NAME_ONLY };
static const struct header {
        const char *name, *key;
        enum kind kind;
} headers[] = {
        {"Server", "server", TEXT},
        {"Content-Type", "content_type", TEXT},
        {"Content-Length", "content_length", NUMBER},
        {"Content-Encoding", "content_encoding", TEXT},
        {"Transfer-Encoding", "transfer_encoding", TEXT},
        {"Location", "location", TEXT},
        {"WWW-Authenticate", "authenticate", TEXT},
        {"Set-Cookie", "set_cookie", NAME_ONLY},
        {"X-Powered-By", "powered_by", TEXT},
        {"X-AspNet-Version", "aspnet_version", TEXT},
        {"X-Generator", "generator", TEXT},
        {"X-Jenkins", "jenkins", TEXT},
        {"Alt-Svc", "alt_svc", TEXT},
        {"Strict-Transport-Security", "hsts", TEXT},
        {"Via", "via", TEXT},
        {"Upgrade", "upgrade", TEXT},
};

static void header_field(struct banner_turn *t, struct span name, struct span value)
{
        const struct header *h = headers, *end = headers + ARRAY_LEN(headers);
        uint64_t number = 0;
        struct span digits = value;
        size_t to = 0;
        while (h < end && !is_named(name, h->name))
                h++;
        if (h == end)
                return;
        if (h->kind == NUMBER && span_number(&digits, &number))
                banner_field_u64(t->out, APP_HTTP, h->key, number);
        else if (h->kind == NAME_ONLY)
                words_field(t->out, APP_HTTP, h->key,
                            span_cut(value, 0, span_find(value, "=", &to) ? to : 0));
        else if (h->kind == TEXT)
                words_field(t->out, APP_HTTP, h->key, value);
}

/* Each header to `look_at`, or when t is given to its field. */
static void walk_headers(struct reply *a, struct banner_turn *t)
{
        struct rd r = rd_of(a->head);
        struct span line, name, value;
        size_t colon = 0;
        (void)rd_line(&r, &line);
        while (rd_line(&r, &line)) {
                if (!span_find(line, ":", &colon))
                        continue;
                name = span_cut(line, 0, colon);
                value = span_trim(span_cut(line, colon + 1, line.n));
                if (t)
                        header_field(t, name, value);
                else
                        look_at(a, name, value);
        }
}

/* A HEAD request, or a status, that has no body whatever the headers say: RFC 9112 §6.3 */
static bool has_body(const struct banner_turn *t, const struct reply *a)
{
        if (a->status / 100 == 1 || a->status == 204 || a->status == 304 || !a->complete)
                return false;
        return !span_starts(t->conf->http_request, "HEAD ");
}

static bool may_have_title(const struct reply *a)
{
        return !a->type.n || span_starts_nocase(a->type, "text/") || span_find(a->type, "html", NULL) ||
               span_find(a->type, "xml", NULL);
}

static void title_text(struct banner_turn *t, const struct reply *a, struct span html, struct span title)
{
        uint8_t room[4 * HTML_TITLE_MAX];
        struct wr w = wr_of(room, sizeof(room));
        html_text(&w, title, a->type, html);
        banner_text(t->out, APP_TITLE, span_of(room, wr_len(&w)));
        banner_field(t->out, APP_HTTP, "title", span_trim(span_of(room, wr_len(&w))));
}

static void head_fields(struct banner_turn *t, struct reply *a)
{
        struct span rest = a->line, word;
        (void)words_next(&rest, " ", &word);
        if (a->status)
                banner_field_u64(t->out, APP_HTTP, "status", a->status);
        words_field(t->out, APP_HTTP, "version", span_cut(word, 5, word.n));
        (void)words_next(&rest, " ", &word);
        words_field(t->out, APP_HTTP, "reason", span_trim(rest));
        walk_headers(a, t);
}

/* Parts in the order masscan has them: server, title, header block. */
static void describe(struct banner_turn *t, struct reply *a, struct span html, const struct span *title)
{
        if (a->server.n)
                banner_text(t->out, APP_HTTP_SERVER, a->server);
        if (title)
                (void)banner_part(t->out, APP_TITLE);
        banner_text(t->out, APP_HTTP, span_cut(a->head, 0, a->head.n - (a->complete ? 1 : 0)));
        head_fields(t, a);
        if (title)
                title_text(t, a, html, *title);
        if (t->conf->capture_html && html.n)
                banner_text(t->out, APP_HTML, html);
}

static enum banner_status http_parse(struct banner_turn *t)
{
        struct reply a;
        struct http_body body = {.complete = true};
        struct span title;
        bool found = false;
        enum banner_match m = http_match(t->in, t);
        if (m != MATCH_YES)
                return m == MATCH_NO || t->eof ? BANNER_REJECT : BANNER_MORE;
        if (!take_answer(t, &a))
                return BANNER_MORE;
        walk_headers(&a, NULL);
        if (has_body(t, &a) && (may_have_title(&a) || t->conf->capture_html)) {
                http_body_open(&body, &a.framing, a.body, t->eof);
                found = html_title(body.bytes, t->eof || body.complete, &title);
                if (!t->eof && !body.complete && (!found || t->conf->capture_html))
                        return BANNER_MORE;
        }
        describe(t, &a, body.bytes, found ? &title : NULL);
        return BANNER_DONE;
}

static const uint16_t ports[] = {80,   8080, 8000, 8008, 8081, 8088, 8888, 8530, 81,    591, 631,
                                 2375, 2379, 3000, 5000, 5985, 7001, 9000, 9090, 10000, 0};
const struct banner_ops banner_http = {
        .name = "http",
        .summary = "HTTP: headers, server, title",
        .app = APP_HTTP,
        .ports = ports,
        .match = http_match,
        .hello = http_write_request,
        .parse = http_parse,
};
