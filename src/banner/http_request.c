// SPDX-License-Identifier: Apache-2.0
/*
 * http_request: the HTTP request of a scan, made once from --http-*, and completed for each server: whoever
 * is known by a name is asked by HTTP/1.1 with that name as Host, others by HTTP/1.0 without one. Between
 * the two stand marks, control bytes that no line of a request may have. Invariant: a request ends in one
 * piece of at most BANNER_REPLY_MAX bytes, host name included. RFC 9110 §7.2, RFC 9112 §3
 */
#include "banner/protocols.h"
#include <stdlib.h>

enum {
        MARK_VERSION = 1, /* HTTP/1.1 or HTTP/1.0 */
        MARK_HOST,        /* "Host: NAME", whole line */
        MARK_CLOSE,       /* "Connection: close", whole line */
        HOST_ROOM = 300,  /* a name is at most 253 bytes */
        HEADS = BANNER_HTTP_HEADERS + 8
};
struct head { /* mark: instead of name and value */
        struct span name, value;
        uint8_t mark;
};
struct heads {
        struct head all[HEADS];
        unsigned n;
};

static uint8_t small(uint8_t c)
{
        return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool same_name(struct span a, struct span b)
{
        for (size_t i = 0; i < a.n && i < b.n; i++)
                if (small(a.p[i]) != small(b.p[i]))
                        return false;
        return a.n == b.n;
}

static void drop_head(struct heads *h, struct span name)
{
        unsigned kept = 0;
        for (unsigned i = 0; i < h->n; i++)
                if (!same_name(h->all[i].name, name))
                        h->all[kept++] = h->all[i];
        h->n = kept;
}

/* In the place of one of the same name, or last. */
static void put_head(struct heads *h, struct span name, struct span value, uint8_t mark)
{
        unsigned at = 0;
        while (at < h->n && !same_name(h->all[at].name, name))
                at++;
        if (at == HEADS)
                return;
        h->all[at] = (struct head){name, value, mark};
        h->n = MAX(h->n, at + 1);
}

static void put_word(struct heads *h, const char *name, const char *value)
{
        if (value && *value)
                put_head(h, span_str(name), span_str(value), 0);
}

static bool printable(struct span s, bool blanks)
{
        for (size_t i = 0; i < s.n; i++)
                if (s.p[i] == 127 || (s.p[i] < ' ' && !(blanks && s.p[i] == '\t')) ||
                    (s.p[i] == ' ' && !blanks))
                        return false;
        return true;
}

static int check_word(const char *what, const char *text, bool blanks, struct err *e)
{
        if (!text || printable(span_str(text), blanks))
                return 0;
        return err_set(
                e, 0,
                "%s \"%s\" has a %scontrol character, which would end the line it stands in: leave it out",
                what, text, blanks ? "" : "blank or a ");
}

static int check_words(const struct banner_http *h, struct err *e)
{
        if (check_word("HTTP method", h->method, false, e) || check_word("HTTP URL", h->url, false, e) ||
            check_word("HTTP version", h->version, false, e) || check_word("HTTP host", h->host, false, e) ||
            check_word("HTTP user agent", h->user_agent, true, e) ||
            check_word("HTTP cookie", h->cookie, true, e))
                return -1;
        return 0;
}

static int put_user_head(struct heads *h, const char *text, struct err *e)
{
        struct span s = span_str(text);
        size_t colon = 0;
        if (check_word("HTTP header", text, true, e) != 0)
                return -1;
        if (!span_find(s, ":", &colon) || colon == 0 || !printable(span_cut(s, 0, colon), false))
                return err_set(e, 0, "HTTP header \"%s\" is not of the form \"Name: value\"", text);
        put_head(h, span_cut(s, 0, colon), span_trim(span_cut(s, colon + 1, s.n)), 0);
        return 0;
}

static int list_heads(struct heads *h, const struct banner_http *http, struct err *e)
{
        put_head(h, span_str("Host"), span_str(""), MARK_HOST);
        put_word(h, "Host", http->host);
        put_word(h, "User-Agent", "Mozilla/5.0 (compatible; trawl/" TRAWL_VERSION ")");
        put_word(h, "User-Agent", http->user_agent);
        put_word(h, "Accept", "*/*");
        put_head(h, span_str("Connection"), span_str(""), MARK_CLOSE);
        put_word(h, "Cookie", http->cookie);
        for (unsigned i = 0; i < http->n_headers; i++)
                if (put_user_head(h, http->header[i], e) != 0)
                        return -1;
        for (unsigned i = 0; i < http->n_remove; i++)
                drop_head(h, span_str(http->remove[i]));
        return 0;
}

static bool is_listed(const struct heads *h, const char *name)
{
        for (unsigned i = 0; i < h->n; i++)
                if (same_name(h->all[i].name, span_str(name)))
                        return true;
        return false;
}

static void write_line(struct wr *w, const struct banner_http *h, bool with_host)
{
        wr_str(w, h->method && *h->method ? h->method : "GET");
        wr_u8(w, ' ');
        wr_str(w, h->url && *h->url ? h->url : "/");
        wr_u8(w, ' ');
        if (!h->version || !*h->version) {
                if (with_host)
                        wr_str(w, "HTTP/1.1");
                else
                        wr_u8(w, MARK_VERSION);
        } else {
                wr_str(w, h->version[0] >= '0' && h->version[0] <= '9' ? "HTTP/" : "");
                wr_str(w, h->version);
        }
        wr_str(w, "\r\n");
}

static void write_heads(struct wr *w, const struct heads *h)
{
        for (unsigned i = 0; i < h->n; i++) {
                const struct head *x = &h->all[i];
                if (x->mark) {
                        wr_u8(w, x->mark);
                        continue;
                }
                wr_bytes(w, x->name.p, x->name.n);
                wr_str(w, ": ");
                wr_bytes(w, x->value.p, x->value.n);
                wr_str(w, "\r\n");
        }
}

/* Is Host one of the user's, which says what server is meant as well as a name would? */
static bool host_is_given(const struct heads *h)
{
        for (unsigned i = 0; i < h->n; i++)
                if (same_name(h->all[i].name, span_str("Host")))
                        return h->all[i].mark == 0;
        return false;
}

int banner_http_request(struct banner_conf *conf, const struct banner_http *http, struct err *e)
{
        struct heads h = {.n = 0};
        struct span payload = span_str(http->payload ? http->payload : "");
        if (check_words(http, e) != 0 || list_heads(&h, http, e) != 0)
                return -1;
        size_t cap = BANNER_REPLY_MAX - HOST_ROOM;
        uint8_t *room = malloc(cap);
        if (!room)
                return err_set(e, 0, "out of memory");
        struct wr w = wr_of(room, cap);
        write_line(&w, http, host_is_given(&h));
        write_heads(&w, &h);
        if (payload.n && !is_listed(&h, "Content-Length"))
                wr_fmt(&w, "Content-Length: %zu\r\n", payload.n);
        wr_str(&w, "\r\n");
        wr_bytes(&w, payload.p, payload.n);
        if (w.full) {
                free(room);
                return err_set(
                        e, 0,
                        "the HTTP request is longer than %zu bytes: shorten its URL, headers or payload",
                        cap);
        }
        conf->http_request = span_of(room, wr_len(&w));
        return 0;
}

void banner_conf_free(struct banner_conf *conf)
{
        free((void *)(uintptr_t)conf->http_request.p);
        conf->http_request = span_of(NULL, 0);
}

/* The port belongs to Host unless it is the scheme's own; an IPv6 address stands in brackets. */
static void write_host(struct wr *w, const struct banner_turn *t)
{
        char room[HOST_NAME_MAX_LEN];
        struct span name = host_on_wire(t->name, room);
        if (!name.n) /* an address, or an odd name: as it is */
                name = t->name;
        bool bare_v6 = span_find(name, ":", NULL) && !span_starts(name, "[");
        if (name.n == 0 || name.n > HOST_ROOM - 40 || !printable(name, false))
                return;
        wr_str(w, bare_v6 ? "Host: [" : "Host: ");
        wr_bytes(w, name.p, name.n);
        wr_str(w, bare_v6 ? "]" : "");
        if (t->port != (t->tls ? 443 : 80))
                wr_fmt(w, ":%u", t->port);
        wr_str(w, "\r\n");
}

void http_write_request(struct banner_turn *t)
{
        struct span request = t->conf->http_request;
        size_t head = request.n;
        (void)span_find(request, "\r\n\r\n", &head);
        struct rd r = rd_of(span_cut(request, 0, head));
        bool new_version = span_find(span_cut(request, 0, head), "HTTP/1.1\r\n", NULL);
        while (rd_left(&r)) {
                uint8_t c = rd_u8(&r);
                if (c == MARK_VERSION)
                        wr_str(t->reply, t->name.n ? "HTTP/1.1" : "HTTP/1.0");
                else if (c == MARK_HOST)
                        write_host(t->reply, t);
                else if (c != MARK_CLOSE)
                        wr_u8(t->reply, c);
                else if (t->name.n || new_version)
                        wr_str(t->reply, "Connection: close\r\n");
        }
        wr_bytes(t->reply, request.p ? request.p + head : NULL, request.n - head);
}
