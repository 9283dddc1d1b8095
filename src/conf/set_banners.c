// SPDX-License-Identifier: Apache-2.0
/*
 * set_banners: rows about hellos, HTTP requests, captures and checks. What they keep lies with the
 * configuration's other strings. Invariant: a hello is for exactly one port, and a later one for the same
 * port replaces it.
 */
#include "option.h"
#include <stdlib.h>
#include <strings.h>

enum { HELLO_MAX = 16384 };

/* ---- hellos ---- */

int set_hello(struct conf *c, const struct opt_use *u, struct err *e)
{
        static const struct {
                const char *old, *now;
        } also[] = {{"ssl", "tls"}, {"smbv1", "smb"}, {"https", "tls"}};
        const char *name = u->value;
        for (size_t i = 0; i < ARRAY_LEN(also); i++)
                if (strcasecmp(name, also[i].old) == 0)
                        name = also[i].now;
        if (strcasecmp(name, "tls") == 0) {
                c->session.hello = "tls";
                return 0;
        }
        for (unsigned i = 0; banner_table[i]; i++) {
                if (strcasecmp(banner_table[i]->name, name) != 0 || banner_table[i]->check)
                        continue;
                if (!banner_table[i]->hello)
                        return err_set(e, 0, "%s: there the server speaks first: leave the option out",
                                       opt_quote(u->value).s);
                c->session.hello = banner_table[i]->name;
                return 0;
        }
        return err_set(e, 0, "%s is no protocol with a hello: http, ssl, smb, redis and the like are",
                       opt_quote(u->value).s);
}

void dump_hello(const struct conf *c, const struct opt *o, FILE *f)
{
        if (c->session.hello)
                fprintf(f, "%s = %s\n", o->name, c->session.hello);
}

static int base64_value(char ch)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = ch ? strchr(digits, ch) : NULL;
        return at ? (int)(at - digits) : -1;
}

/* RFC 4648 §4; blanks are passed over. False: it is none. */
static bool base64_decode(const char *text, struct wr *w)
{
        uint32_t bits = 0;
        unsigned n = 0, pad = 0;
        for (; *text; text++) {
                int v = base64_value(*text);
                if (*text == ' ')
                        continue;
                pad += *text == '=';
                if ((v < 0 && *text != '=') || (pad && v >= 0))
                        return false;
                bits = bits << 6 | (uint32_t)MAX(v, 0);
                if (++n % 4)
                        continue;
                if (pad > 2)
                        return false;
                for (unsigned i = 0; i < 3 - pad; i++)
                        wr_u8(w, (uint8_t)(bits >> (16 - 8 * i)));
        }
        return n % 4 == 0 && !w->full;
}

static int keep_hello(struct conf *c, uint16_t port, const uint8_t *bytes, size_t n, struct err *e)
{
        struct session_hello *h = NULL;
        for (size_t i = 0; i < c->n_hellos; i++)
                if (c->hellos[i].port == port)
                        h = &c->hellos[i];
        if (!h) {
                if (mem_grow(&c->hellos, &c->cap_hellos, c->n_hellos + 1, sizeof(*c->hellos), e))
                        return -1;
                h = &c->hellos[c->n_hellos++];
        }
        const char *kept = conf_keep_n(c, (const char *)bytes, n, e);
        if (!kept)
                return -1;
        *h = (struct session_hello){port, span_of(kept, n)};
        c->session.hellos = c->hellos;
        c->session.n_hellos = c->n_hellos;
        return 0;
}

/* --hello-string[PORT] BASE64; --hello-file[PORT] FILE (min 1) */
int set_hello_bytes(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint64_t port;
        uint8_t bytes[HELLO_MAX];
        struct wr w = wr_of(bytes, sizeof(bytes));
        if (!*u->key)
                return err_set(e, 0, "which port? as in --%s[8080] %s", u->opt->name, u->opt->metavar);
        if (val_u64(u->key, 1, 65535, &port, e))
                return err_wrap(e, "the port in brackets");
        if (u->opt->min > 0) {
                char *data;
                size_t n;
                if (file_read(u->value, HELLO_MAX, &data, &n, e))
                        return -1;
                wr_bytes(&w, data, n);
                free(data);
        } else if (!base64_decode(u->value, &w)) {
                return err_set(e, 0, "%s is no base64 of at most %d bytes (RFC 4648): try  base64 -w0 FILE",
                               opt_quote(u->value).s, HELLO_MAX);
        }
        if (!wr_len(&w))
                return err_set(e, 0, "an empty hello: leave the option out");
        return keep_hello(c, (uint16_t)port, bytes, wr_len(&w), e);
}

void dump_hello_bytes(const struct conf *c, const struct opt *o, FILE *f)
{
        for (size_t i = 0; i < c->n_hellos; i++) {
                char text[HELLO_MAX / 3 * 4 + 4];
                struct wr w = wr_of(text, sizeof(text));
                wr_base64(&w, c->hellos[i].bytes);
                fprintf(f, "%s[%u] = %.*s\n", o->name, c->hellos[i].port, (int)wr_len(&w), text);
        }
}

/* ---- HTTP ---- */

int set_http_header(struct conf *c, const struct opt_use *u, struct err *e)
{
        char line[4096];
        size_t name_n = *u->key ? strlen(u->key) : strcspn(u->value, ":");
        const char *value = *u->key ? u->value : u->value + name_n;
        if (!*u->key && *value != ':')
                return err_set(e, 0, "%s has no name: give NAME:VALUE, or --http-header[NAME] VALUE",
                               opt_quote(u->value).s);
        value += *value == ':' && !*u->key;
        value += strspn(value, " ");
        struct wr w = wr_of(line, sizeof(line) - 1);
        wr_bytes(&w, *u->key ? u->key : u->value, name_n);
        wr_fmt(&w, ": %s", value);
        if (w.full)
                return err_set(e, 0, "a header of at most %zu bytes is wanted", sizeof(line) - 1);
        *w.p = 0;
        for (unsigned i = 0; i < c->http.n_headers; i++)
                if (strncasecmp(c->http.header[i], line, name_n + 1) == 0)
                        return (c->http.header[i] = conf_keep(c, line, e)) ? 0 : -1;
        if (c->http.n_headers == BANNER_HTTP_HEADERS)
                return err_set(e, 0, "more than %d headers", BANNER_HTTP_HEADERS);
        const char *kept = conf_keep(c, line, e);
        if (kept)
                c->http.header[c->http.n_headers++] = kept;
        return kept ? 0 : -1;
}

void dump_http_header(const struct conf *c, const struct opt *o, FILE *f)
{
        for (unsigned i = 0; i < c->http.n_headers; i++)
                opt_dump_text(o->name, NULL, c->http.header[i], f);
}

int set_http_remove(struct conf *c, const struct opt_use *u, struct err *e)
{
        const char *name = u->value && *u->value ? u->value : u->key;
        if (!*name)
                return err_set(e, 0, "which header? as in --%s User-Agent", u->opt->name);
        if (c->http.n_remove == BANNER_HTTP_HEADERS)
                return err_set(e, 0, "more than %d headers", BANNER_HTTP_HEADERS);
        const char *kept = conf_keep(c, name, e);
        if (kept)
                c->http.remove[c->http.n_remove++] = kept;
        return kept ? 0 : -1;
}

void dump_http_remove(const struct conf *c, const struct opt *o, FILE *f)
{
        for (unsigned i = 0; i < c->http.n_remove; i++)
                opt_dump_text(o->name, NULL, c->http.remove[i], f);
}

/* ---- captures and checks ---- */

/* masscan writes its defaults into every paused.conf, so what cannot be had is an error only where a person
 * wrote it. */
int set_capture(struct conf *c, const struct opt_use *u, struct err *e)
{
        size_t i, n;
        bool on = u->opt->min == 0;
        if (!val_choice(u->opt->choices, u->value, &i, &n))
                return err_set(e, 0, "%s is not one of %s", opt_quote(u->value).s, u->opt->choices);
        bool never = i == CAPTURE_HEARTBLEED || i == CAPTURE_TICKETBLEED;
        if (on && never && u->origin == FROM_ARGS)
                return err_set(e, 0,
                               "%s: what leaks is counted and thrown away, never kept: leave the option out",
                               opt_quote(u->value).s);
        c->capture[i] = on && !never;
        if (i == CAPTURE_SERVERNAME && u->origin == FROM_ARGS)
                return conf_note(
                        c, e, "--%s servername changes nothing: a certificate's names are told in any case",
                        u->opt->name);
        return 0;
}

void dump_capture(const struct conf *c, const struct opt *o, FILE *f)
{
        static const char *const names[CONF_CAPTURES] = {"cert", "servername", "html", NULL, NULL, "raw"};
        bool on = o->min == 0;
        for (unsigned i = 0; i < CONF_CAPTURES; i++)
                if (names[i] && c->capture[i] == on && (on || i == CAPTURE_CERT))
                        fprintf(f, "%s = %s\n", o->name, names[i]);
}

void conf_vuln_list(FILE *f)
{
        for (unsigned i = 0; banner_table[i]; i++)
                if (banner_table[i]->check)
                        fprintf(f, "%-12s %s\n", banner_table[i]->name, banner_table[i]->summary);
}

static int add_check(struct conf *c, const struct banner_ops *b, struct err *e)
{
        unsigned n = 0;
        for (; c->checks[n]; n++)
                if (c->checks[n] == b)
                        return 0;
        if (n == CONF_CHECKS_MAX)
                return err_set(e, 0, "more than %d checks", CONF_CHECKS_MAX);
        c->checks[n] = b;
        c->session.checks = c->checks;
        c->banners = true;
        return 0;
}

/* --vuln NAME; --heartbleed and --ticketbleed name themselves. */
int set_vuln(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool on = true, itself = u->opt->arg == ARG_NONE;
        const char *name = itself ? u->opt->name : u->value;
        if (itself && u->value && val_bool(u->value, &on, e))
                return -1;
        if (!on)
                return 0;
        if (strcasecmp(name, "list") == 0) {
                c->op = OP_VULN_LIST;
                return 0;
        }
        for (unsigned i = 0; banner_table[i]; i++)
                if (banner_table[i]->check && strcasecmp(banner_table[i]->name, name) == 0)
                        return add_check(c, banner_table[i], e);
        return err_set(e, 0, "%s is no check: --vuln list shows those there are", opt_quote(name).s);
}

void dump_vuln(const struct conf *c, const struct opt *o, FILE *f)
{
        for (unsigned i = 0; c->checks[i]; i++)
                fprintf(f, "%s = %s\n", o->name, c->checks[i]->name);
}

int banners_finish(struct conf *c, struct err *e)
{
        c->session.banner.capture_html = c->capture[CAPTURE_HTML];
        c->session.banner.capture_cert = c->capture[CAPTURE_CERT];
        c->session.capture_raw = c->capture[CAPTURE_RAW];
        return banner_http_request(&c->session.banner, &c->http, e);
}
