// SPDX-License-Identifier: Apache-2.0
/*
 * A small world for src/session: a stand-in for stack/ whose connections are arrays, one for tls/ that says
 * what it is told to, and a table of toy protocols. It stands in by defining the functions of those doors, so
 * the real ones are not linked. The file that includes this has a `must(held, what)` that ends the test.
 */
#ifndef TRAWL_TEST_SESSION_H
#define TRAWL_TEST_SESSION_H
#include "session/session_priv.h"
#include <stdlib.h>

static void must(bool held, const char *what);

enum { CONNS = 256, SAID_MAX = 1 << 17, EVENTS_MAX = 256, REPORTS_MAX = 256, TEXT_MAX = 1 << 17 };

struct conn {
        uint32_t app;
        struct stack_open peer;
        uint64_t timer_ns;
        bool live, open, closed, aborted, shut, fin, lossy;
        size_t n_said;
        char said[512]; /* the start of what we said */
};
struct stack {
        struct conn conn[CONNS];
        unsigned n;
        bool full, deaf; /* deaf: conn_send has no room */
};
struct tls_pool {
        unsigned open, opened;
        bool full, busy;
        struct tls_event ev[EVENTS_MAX];
        unsigned n_ev;
        uint32_t last, ended; /* handles */
        bool live[4096];
        char name[64], alpn[32], fed[512], wrote[512];
};
struct told {
        uint16_t app;
        char name[32];
        char text[512], fields[2048]; /* the start */
        size_t n_text, n_fields;
};
struct world {
        struct session_set *set;
        struct session_conf conf;
        struct stack stack;
        struct tls_pool tls;
        uint64_t now_ns;
        struct told told[REPORTS_MAX];
        unsigned n_told, n_done, n_begun, n_heard;
        bool no_source;
        const char *names[16];
        unsigned n_names;
};
static struct world w;

static void copy(char *to, size_t cap, size_t *n, struct span s)
{
        size_t room = *n < cap - 1 ? cap - 1 - *n : 0;
        if (s.n)
                memcpy(to + MIN(*n, cap - 1), s.p, MIN(room, s.n));
        *n += s.n;
        to[MIN(*n, cap - 1)] = 0;
}

/* ---- stack.h ---- */
struct conn *stack_connect(struct stack *st, const struct stack_open *o, uint64_t now_ns,
                           enum stack_accept *why)
{
        (void)now_ns;
        *why = STACK_FULL;
        if (st->full || st->n == CONNS)
                return NULL;
        struct conn *c = &st->conn[st->n++];
        *c = (struct conn){.peer = *o, .live = true};
        return c;
}

uint32_t conn_app(const struct conn *c)
{
        must(c->live, "no dead connection is asked");
        return c->app;
}

void conn_set_app(struct conn *c, uint32_t app)
{
        must(c->live, "no dead connection is told");
        c->app = app;
}

void conn_peer(const struct stack *st, const struct conn *c, struct stack_open *o)
{
        (void)st;
        *o = c->peer;
}

void stack_each(struct stack *st, void (*call)(void *arg, struct conn *), void *arg)
{
        for (unsigned i = 0; i < st->n; i++)
                if (st->conn[i].live)
                        call(arg, &st->conn[i]);
}

uint8_t conn_ttl(const struct conn *c)
{
        return c->live ? 61 : 0;
}

bool conn_send(struct stack *st, struct conn *c, struct span s)
{
        must(c->live && c->open && !c->closed, "what is said is said on an open connection");
        if (!st->deaf)
                copy(c->said, sizeof(c->said), &c->n_said, s);
        return !st->deaf;
}

static void conn_dies(struct conn *c, enum conn_end end)
{
        session_conn_ops.ended(w.set, c, end);
        c->live = false;
}

void conn_close(struct stack *st, struct conn *c)
{
        (void)st;
        must(c->live && c->open, "what is closed was open");
        c->closed = true;
}

void conn_abort(struct stack *st, struct conn *c)
{
        (void)st;
        must(c->live, "no dead connection is aborted");
        c->aborted = true;
        conn_dies(c, CONN_ABORTED);
}

void conn_set_timer(struct stack *st, struct conn *c, uint64_t at_ns)
{
        (void)st;
        must(c->live, "no dead connection has a timer");
        c->timer_ns = at_ns;
}

bool conn_window_shut(const struct conn *c)
{
        return c->shut;
}

bool conn_lossy(const struct conn *c)
{
        return c->lossy;
}

/* ---- tls.h ---- */
uint32_t tls_open(struct tls_pool *p, unsigned client, const struct tls_want *want)
{
        must(client == 3, "each client is its own");
        if (p->full || p->opened + 1 >= ARRAY_LEN(p->live))
                return TLS_NONE;
        size_t n = 0, m = 0;
        copy(p->name, sizeof(p->name), &n, span_str(want->name ? want->name : ""));
        copy(p->alpn, sizeof(p->alpn), &m, span_str(want->alpn ? want->alpn : ""));
        p->fed[0] = p->wrote[0] = 0;
        p->open++;
        p->last = ++p->opened;
        p->live[p->last] = true;
        return p->last;
}

bool tls_feed(struct tls_pool *p, unsigned client, uint32_t handle, struct span s)
{
        size_t n = strlen(p->fed);
        must(client == 3 && p->live[handle], "an open handle is fed");
        copy(p->fed, sizeof(p->fed), &n, s);
        return true;
}

bool tls_write(struct tls_pool *p, unsigned client, uint32_t handle, struct span s)
{
        size_t n = strlen(p->wrote);
        must(client == 3 && p->live[handle], "an open handle is written to");
        copy(p->wrote, sizeof(p->wrote), &n, s);
        return true;
}

void tls_eof(struct tls_pool *p, unsigned client, uint32_t handle)
{
        must(client == 3 && p->live[handle], "an open handle is ended");
        p->ended = handle;
}

bool tls_busy(struct tls_pool *p, unsigned client, uint32_t handle)
{
        must(client == 3 && p->live[handle], "an open handle is asked about");
        return p->busy;
}

void tls_close(struct tls_pool *p, unsigned client, uint32_t handle)
{
        must(client == 3 && p->live[handle], "a handle is closed once");
        p->live[handle] = false;
        p->open--;
}

unsigned tls_poll(struct tls_pool *p, unsigned client, struct tls_event *ev, unsigned n)
{
        must(client == 3, "each client is its own");
        n = MIN(n, p->n_ev);
        memcpy(ev, p->ev, n * sizeof(*ev));
        memmove(p->ev, p->ev + n, (p->n_ev - n) * sizeof(*ev));
        p->n_ev -= n;
        return n;
}

void tls_event_free(struct tls_event *ev)
{
        free((void *)(uintptr_t)ev->bytes.p);
        ev->bytes = span_of(NULL, 0);
}

bool tls_full(const struct tls_pool *p)
{
        return p->full;
}

/* ---- toy protocols ---- */
static bool line_of(const struct banner_turn *t, struct span *line, size_t *used)
{
        struct rd r = rd_of(t->in);
        if (!rd_line(&r, line))
                return false;
        *used = t->in.n - rd_left(&r);
        return true;
}

static enum banner_match greet_match(struct span in, const struct banner_turn *t)
{
        (void)t;
        return span_match(in, "220 ");
}

/* "220 name", then HELP, then "234" starts TLS and anything else ends it. After TLS: AGAIN, and a line. */
static enum banner_status greet_parse(struct banner_turn *t)
{
        static const char *const words[] = {"HELP\r\n", "MORE\r\n"};
        struct span line;
        if (t->after_starttls && t->phase == 2) {
                t->phase = 3;
                wr_str(t->reply, "AGAIN\r\n");
                return BANNER_NEXT;
        }
        if (!line_of(t, &line, &t->used))
                return BANNER_MORE;
        banner_text(t->out, APP_FTP, line);
        banner_str(t->out, APP_FTP, "\n");
        banner_field(t->out, APP_FTP, "line", line);
        if (t->phase >= 2)
                return BANNER_DONE;
        if (span_starts(line, "234")) {
                t->phase = 2;
                return BANNER_TLS;
        }
        if (t->phase == 1 && !span_starts(line, "200"))
                return BANNER_DONE;
        wr_str(t->reply, words[t->phase]);
        t->phase = 1;
        return BANNER_NEXT;
}

static enum banner_match http_match(struct span in, const struct banner_turn *t)
{
        (void)t;
        return span_match(in, "HTTP/1.");
}

static void http_hello(struct banner_turn *t)
{
        wr_str(t->reply, "GET / ");
        wr_bytes(t->reply, t->name.p, t->name.n);
        wr_str(t->reply, "\r\n");
}

static unsigned http_parsed; /* how often */

static enum banner_status http_parse(struct banner_turn *t)
{
        size_t at;
        http_parsed++;
        if (!span_starts(t->in, "HTTP/1."))
                return t->eof ? BANNER_REJECT : BANNER_MORE;
        if (!t->eof && !span_find(t->in, "END", &at))
                return BANNER_MORE;
        banner_text(t->out, APP_HTTP, span_cut(t->in, 0, 200));
        return BANNER_DONE;
}

static void echo_hello(struct banner_turn *t)
{
        wr_str(t->reply, "ECHO?");
        t->phase = 7;
}

static enum banner_status echo_parse(struct banner_turn *t)
{
        must(t->phase == 7, "the phase a hello leaves is the first turn's");
        enum banner_match m = span_match(t->in, "ECHO!");
        if (m != MATCH_YES)
                return m == MATCH_NO || t->eof ? BANNER_REJECT : BANNER_MORE;
        banner_str(t->out, APP_REDIS, "echo");
        return BANNER_DONE;
}

static void dns_hello(struct banner_turn *t)
{
        wr_str(t->reply, "DNS?");
}

static enum banner_status dns_parse(struct banner_turn *t)
{
        if (!span_starts(t->in, "DNS!"))
                return BANNER_REJECT;
        banner_str(t->out, APP_DNS, "9.18");
        return BANNER_DONE;
}

static enum banner_match wake_match(struct span in, const struct banner_turn *t)
{
        (void)t;
        return span_match(in, "login");
}

static void wake_hello(struct banner_turn *t)
{
        wr_str(t->reply, "AYT");
}

static enum banner_status wake_parse(struct banner_turn *t)
{
        if (!span_starts(t->in, "login"))
                return BANNER_REJECT;
        banner_text(t->out, APP_TELNET, t->in);
        return BANNER_NEXT;
}

static void old_hello(struct banner_turn *t)
{
        wr_str(t->reply, "SSL3?");
}

static enum banner_status old_parse(struct banner_turn *t)
{
        if (!span_starts(t->in, "SSL3!"))
                return BANNER_REJECT;
        banner_str(t->out, APP_SSL, "SSLv3");
        return BANNER_DONE;
}

static void bleed_hello(struct banner_turn *t)
{
        wr_str(t->reply, "BLEED?");
        wr_bytes(t->reply, t->ticket.p, t->ticket.n);
}

static enum banner_status bleed_parse(struct banner_turn *t)
{
        if (t->in.n < 4)
                return BANNER_MORE;
        banner_fmt(t->out, APP_VULN, "leaks %zu", t->in.n);
        return BANNER_DONE;
}

static const uint16_t greet_ports[] = {21, 0}, http_ports[] = {80, 0}, echo_ports[] = {7, 0},
                      wake_ports[] = {23, 0};
static const struct banner_ops toy_greet = {.name = "greet",
                                            .app = APP_FTP,
                                            .ports = greet_ports,
                                            .speaks_first = true,
                                            .match = greet_match,
                                            .parse = greet_parse};
static const struct banner_ops toy_http = {.name = "http",
                                           .app = APP_HTTP,
                                           .ports = http_ports,
                                           .match = http_match,
                                           .hello = http_hello,
                                           .parse = http_parse};
static const struct banner_ops toy_echo = {
        .name = "redis", .app = APP_REDIS, .ports = echo_ports, .hello = echo_hello, .parse = echo_parse};
static const struct banner_ops toy_dns = {
        .name = "dns", .app = APP_DNS, .hello = dns_hello, .parse = dns_parse};
static const struct banner_ops toy_wake = {.name = "wake",
                                           .app = APP_TELNET,
                                           .ports = wake_ports,
                                           .speaks_first = true,
                                           .match = wake_match,
                                           .hello = wake_hello,
                                           .parse = wake_parse};
static const struct banner_ops toy_old = {
        .name = "sslv3", .app = APP_SSL, .check = true, .hello = old_hello, .parse = old_parse};
static const struct banner_ops toy_bleed = {
        .name = "bleed", .app = APP_VULN, .check = true, .hello = bleed_hello, .parse = bleed_parse};
const struct banner_ops *const banner_table[] = {&toy_greet, &toy_http, &toy_echo,  &toy_dns,
                                                 &toy_wake,  &toy_old,  &toy_bleed, NULL};

const struct banner_ops *banner_by_name(const char *name)
{
        for (unsigned i = 0; banner_table[i]; i++)
                if (strcmp(banner_table[i]->name, name) == 0)
                        return banner_table[i];
        return NULL;
}

bool banner_has_port(const struct banner_ops *b, uint16_t port)
{
        for (const uint16_t *p = b->ports; p && *p; p++)
                if (*p == port)
                        return true;
        return false;
}

const struct banner_ops *banner_detect(const struct banner_turn *t, const struct banner_ops *sent, bool *wait)
{
        *wait = false;
        if (sent && (!sent->match || sent->match(t->in, t) == MATCH_YES))
                return sent;
        for (unsigned i = 0; banner_table[i]; i++) {
                const struct banner_ops *b = banner_table[i];
                enum banner_match m = b->match ? b->match(t->in, t) : MATCH_NO;
                if (m == MATCH_YES)
                        return b;
                *wait |= m == MATCH_MAYBE && !t->eof;
        }
        return NULL;
}

/* ---- the engine's part ---- */
static void on_banner(void *arg, const struct session_report *r)
{
        must(arg == &w && w.n_told < REPORTS_MAX, "few banners are told, to us");
        must(w.n_done < w.n_begun, "nothing is told of a service that is done with");
        must(r->who.proto == 6 && (r->text.n || r->fields.n), "a banner is whole");
        struct told *t = &w.told[w.n_told++];
        size_t n = 0;
        *t = (struct told){.app = r->app};
        copy(t->name, sizeof(t->name), &n, span_str(r->name ? r->name : ""));
        copy(t->text, sizeof(t->text), &t->n_text, r->text);
        copy(t->fields, sizeof(t->fields), &t->n_fields, r->fields);
}

static void on_done(void *arg, const struct target *who, bool heard)
{
        must(arg == &w && who->proto == 6, "done is told to us");
        w.n_done++;
        w.n_heard += heard;
        must(w.n_done <= w.n_begun, "each service is done with once");
}

static bool on_source(void *arg, const struct target *to, unsigned attempt, struct stack_open *o)
{
        must(arg == &w && attempt < 256, "a source is asked of us");
        *o = (struct stack_open){.us = ip_v4(0x0a000001),
                                 .us_port = (uint16_t)(40000 + attempt),
                                 .them = to->ip,
                                 .them_port = to->port};
        return !w.no_source;
}

static unsigned on_names(void *arg, const struct ip_addr *ip, const char *const **names)
{
        must(arg == &w && ip->family == 4, "names are asked of us");
        *names = w.names;
        return w.n_names;
}

static inline void world_begin(void)
{
        static const struct session_ops ops = {on_banner, on_done, on_source, on_names};
        struct err e;
        must(session_set_new(&w.set, &w.conf, &ops, &w, w.conf.tls ? &w.tls : NULL, 3, &e) == 0,
             "a set is made");
        session_set_stack(w.set, &w.stack);
        session_run(w.set, w.now_ns);
}

static inline void world_clear(void)
{
        memset(&w, 0, sizeof(w));
        w.now_ns = NS_PER_S;
        w.conf = (struct session_conf){.hello_wait_ns = 2 * NS_PER_S, .total_ns = 30 * NS_PER_S, .tls = true};
        w.conf.banner.capture_cert = true;
}

static inline struct conn *world_accept(uint16_t port)
{
        struct stack_open o = {
                .us = ip_v4(0x0a000001), .us_port = 40000, .them = ip_v4(0x0a000002), .them_port = port};
        enum stack_accept why;
        struct conn *c = stack_connect(&w.stack, &o, w.now_ns, &why);
        must(c != NULL, "the test has connections enough");
        w.n_begun++;
        c->open = true;
        session_conn_ops.opened(w.set, c);
        return c;
}

/* Time goes by, timers run when they are due. */
static inline void world_pass(uint64_t ns)
{
        uint64_t until_ns = w.now_ns + ns;
        for (;;) {
                uint64_t next_ns = until_ns, wish_ns = session_run(w.set, w.now_ns);
                next_ns = MIN(next_ns, MAX(wish_ns, w.now_ns + 1000));
                for (unsigned i = 0; i < w.stack.n; i++) {
                        struct conn *c = &w.stack.conn[i];
                        if (c->live && c->timer_ns && c->timer_ns <= w.now_ns) {
                                c->timer_ns = 0;
                                session_conn_ops.timer(w.set, c);
                        }
                        if (c->live && c->timer_ns)
                                next_ns = MIN(next_ns, MAX(c->timer_ns, w.now_ns + 1));
                }
                if (w.now_ns >= until_ns)
                        return;
                w.now_ns = next_ns;
        }
}

static inline void world_event(enum tls_event_kind kind, const void *bytes, size_t n, struct tls_facts *f,
                               uint16_t alert)
{
        must(w.tls.n_ev < EVENTS_MAX, "few events wait");
        struct tls_event *ev = &w.tls.ev[w.tls.n_ev++];
        *ev = (struct tls_event){
                .handle = w.tls.last, .kind = kind, .alert = alert, .facts = f, .text = "why"};
        if (n) {
                uint8_t *p = malloc(n);
                must(p != NULL, "memory");
                memcpy(p, bytes, n);
                ev->bytes = span_of(p, n);
        }
}

static inline void world_end(void)
{
        session_finish(w.set);
        must(session_count(w.set) == 0 && w.n_done == w.n_begun, "every service is done with");
        must(w.tls.open == 0, "every handle is given back");
        must(w.set->bufs.used == 0, "every buffer is given back");
        for (unsigned i = 0; i < w.stack.n; i++)
                must(!w.stack.conn[i].live || !w.stack.conn[i].app, "no connection has a session");
        for (unsigned i = 0; i < w.tls.n_ev; i++)
                tls_event_free(&w.tls.ev[i]);
        session_set_free(w.set);
}
#endif
