// SPDX-License-Identifier: Apache-2.0
/*
 * tls_glue: TLS under a conversation: a handle of tls/ for a connection of stack/, the events of its worker,
 * and what happens when the handshake is done, fails, or never ends. Between talk.c and tls/. Invariant: an
 * event finds its session by the handle alone; once the handle is given back, nothing of it arrives. RFC 8446
 * §5.1 (records), §6 (alerts).
 */
#include "session_priv.h"

enum {
        EVENTS = 32,
        POLLS = 64,
        ALERT_HANDSHAKE = 40,
        ALERT_VERSION = 70,
        FATAL = 2,
        RECORD_ALERT = 21,
        RECORD_HANDSHAKE = 22,
        CLIENT_HELLO = 1 /* from a server: our own words come back */
};

/* ---- handle -> session ---- */

static uint32_t *head_of(struct session_set *set, uint32_t handle)
{
        return &set->tls_map[hash_mix64(handle) % TLS_MAP];
}

static struct session *find(struct session_set *set, uint32_t handle)
{
        struct session *s = session_of(set, *head_of(set, handle));
        while (s && s->talk->tls != handle)
                s = session_of(set, s->talk->tls_next);
        return s;
}

void tls_drop(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        if (!k || !k->tls)
                return;
        uint32_t *at = head_of(set, k->tls);
        while (*at != s->id)
                at = &session_of(set, *at)->talk->tls_next;
        *at = k->tls_next;
        tls_close(set->tls, set->tls_client, k->tls);
        k->tls = k->tls_next = 0;
        k->flags &= (uint8_t)~T_SECURE;
}

/* ---- our own worker's time ---- */

static uint32_t ms_of(const struct session_set *set)
{
        return (uint32_t)(set->now_ns / NS_PER_MS) | 1; /* 0 means none */
}

static void lag_begins(struct session_set *set, struct session *s)
{
        if (!tls_busy(set->tls, set->tls_client, s->talk->tls))
                s->talk->lag_ms = ms_of(set);
}

/* What passed since then is given back to the peer. */
static void lag_ends(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        if (k->lag_ms)
                s->until_ns += (uint32_t)(ms_of(set) - k->lag_ms) * NS_PER_MS;
        k->lag_ms = tls_busy(set->tls, set->tls_client, k->tls) ? ms_of(set) : 0;
}

bool tls_lags(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        if (!k || !k->tls || !tls_busy(set->tls, set->tls_client, k->tls))
                return false;
        lag_ends(set, s);
        s->until_ns = MAX(s->until_ns, set->now_ns + LAG_NS);
        s->soft_ns = s->soft_ns && s->soft_ns <= set->now_ns ? set->now_ns + wait_answer(set) : s->soft_ns;
        return true;
}

bool tls_say(struct session_set *set, struct session *s, struct span bytes)
{
        lag_begins(set, s);
        return tls_write(set->tls, set->tls_client, s->talk->tls, bytes);
}

/* ---- the beginning ---- */

/* HTTP is all we offer, where it may be expected: others refuse a name they do not know (RFC 7301 §3.2). */
static const char *alpn_for(const struct session *s)
{
        bool known;
        const char *inner = tls_port_inner(s->who.port, &known);
        if (s->flags & F_INSIDE && s->hello != hello_by_name("http"))
                return NULL;
        if (s->talk->flags & T_STARTTLS || (known && strcmp(inner, "http") != 0))
                return NULL;
        return "http/1.1";
}

static uint64_t handshake_wait(const struct session_set *set, const struct session *s)
{
        bool known;
        tls_port_inner(s->who.port, &known);
        bool likely = known || s->talk->flags & T_STARTTLS || s->flags & (F_HEARD | F_INSIDE);
        return likely ? wait_likely(set) : wait_answer(set);
}

/* False: no handle is free. */
static bool take_handle(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        struct tls_want want = {.name = session_name(set, s), .alpn = alpn_for(s)};
        uint32_t handle = tls_open(set->tls, set->tls_client, &want);
        if (handle == TLS_NONE)
                return false;
        uint32_t *head = head_of(set, handle);
        k->tls = handle;
        k->tls_next = *head;
        *head = s->id;
        k->came_len = k->pushes = 0;
        k->lag_ms = ms_of(set);
        talk_wait(set, s, ST_TLS, handshake_wait(set, s));
        return true;
}

void tls_begin(struct session_set *set, struct session *s)
{
        if (!talk_of(set, s)) {
                bump(&set->count.refused_memory);
                try_end(set, s, TRY_GONE);
                return;
        }
        if (take_handle(set, s))
                return;
        s->state = ST_SLOT;
        s->soft_ns = 0;
        queue_put(set, Q_SLOT, s);
        talk_arm(set, s);
}

void tls_slots(struct session_set *set)
{
        while (set->queue[Q_SLOT].n) {
                struct session *s = session_of(set, set->queue[Q_SLOT].head);
                if (!take_handle(set, s))
                        return;
                queue_drop(set, s);
                s->until_ns = set->now_ns + set->conf.total_ns; /* that it had to wait was our doing */
                talk_arm(set, s);
        }
}

/* ---- bytes of the peer's ---- */

bool tls_hear(struct session_set *set, struct session *s, struct span bytes)
{
        struct talk *k = s->talk;
        bool first = !(k->flags & T_SECURE) && k->came_len == bytes.n;
        bool echo = bytes.n > 5 && bytes.p[0] == RECORD_HANDSHAKE && bytes.p[5] == CLIENT_HELLO;
        bool record = (bytes.p[0] == RECORD_HANDSHAKE || bytes.p[0] == RECORD_ALERT) &&
                      (bytes.n == 1 || bytes.p[1] == 3) && !echo;
        if (first && !record && !(k->flags & T_STARTTLS)) { /* whoever this is, it does not speak TLS */
                tls_drop(set, s);
                s->state = ST_ASKED;
                if (s->flags & F_INSIDE) /* its hello was not said */
                        s->hello = HELLO_NONE;
                return talk_plain(set, s, bytes);
        }
        if (first && record && bytes.n >= 3)
                k->record_version = get_be16(bytes.p + 1);
        lag_begins(set, s);
        if (!tls_feed(set->tls, set->tls_client, k->tls, bytes)) {
                try_end(set, s, TRY_GONE);
                return false;
        }
        if (s->state == ST_TLS)
                talk_wait(set, s, ST_TLS, handshake_wait(set, s));
        return true;
}

/* The peer has said all, but the worker may not have read all. */
void tls_fin(struct session_set *set, struct session *s, enum try_end wordless)
{
        if (s->talk->came_len == 0) {
                try_end(set, s, s->flags & F_FOUND ? TRY_DONE : wordless);
                return;
        }
        lag_begins(set, s);
        tls_eof(set->tls, set->tls_client, s->talk->tls);
        s->soft_ns = set->now_ns + LINGER_NS;
        if (s->conn)
                talk_arm(set, s);
        else if (!s->queue)
                queue_put(set, Q_LINGER, s);
}

/* ---- what becomes of a handshake ---- */

/* The server shook hands before: once it may be busy, or count us; twice it has had enough. */
static void no_handshake_inside(struct session *s)
{
        s->flags |= s->flags & F_LATE ? F_NO_MORE : F_LATE;
}

/* A handshake that will not be. What it showed before is told, once. */
static void failed(struct session_set *set, struct session *s, const struct tls_facts *f, uint16_t alert,
                   const char *why)
{
        struct talk *k = s->talk;
        uint8_t description = (uint8_t)alert;
        bool proven = alert || f || k->record_version;
        if (s->flags & F_INSIDE && !(k->flags & T_STARTTLS)) {
                no_handshake_inside(s); /* the first one was told */
                try_end(set, s, TRY_CLOSED);
                return;
        }
        if (proven)
                report_tls(set, s, f, alert, why);
        if (k->flags & T_STARTTLS) {
                try_end(set, s, TRY_DONE);
                return;
        }
        if (proven) {
                s->flags |= F_FOUND | F_TLS;
                s->found = HELLO_TLS;
        }
        if (proven &&
            (description == ALERT_HANDSHAKE || description == ALERT_VERSION || k->record_version == 0x0300))
                s->prefer = hello_by_name("sslv3");
        try_end(set, s, proven ? TRY_DONE : s->flags & F_CAME ? TRY_NOBODY : TRY_CLOSED);
}

/* The handshake came to its end, but no close to what was said: this is as good as one. */
static void said_all(struct session_set *set, struct session *s, uint16_t alert)
{
        if (alert >> 8 == FATAL && !(s->talk->flags & T_WORDS)) /* of another hello it would say the same */
                s->flags |= F_NO_MORE;
        if (talk_judge(set, s, EOF_END))
                try_end(set, s, s->talk->flags & T_WORDS ? TRY_DONE : TRY_CLOSED);
}

void tls_overdue(struct session_set *set, struct session *s)
{
        if (s->flags & F_CAME) {
                s->flags |= s->flags & F_INSIDE ? 0 : F_LATE;
                failed(set, s, NULL, 0, "the handshake was not finished");
                return;
        }
        if (s->flags & F_INSIDE)
                no_handshake_inside(s);
        else
                s->flags |= F_LATE;
        try_end(set, s, s->flags & F_FIN ? TRY_CLOSED : TRY_SILENT);
}

static void keep_ticket(struct session_set *set, struct session *s, struct span ticket)
{
        struct talk *k = s->talk;
        uint32_t len = 0;
        if (!set->conf.checks || k->ticket || !ticket.n)
                return;
        size_t n = bufs_append(&set->bufs, &k->ticket, &k->ticket_class, &len, TLS_TICKET_MAX, ticket);
        if (n != SIZE_MAX)
                k->ticket_len = (uint16_t)len;
}

/* What to say inside at first: what was understood under another name, or is usual, or nothing yet. */
static uint8_t first_inside(const struct session *s, const struct tls_facts *f)
{
        bool known;
        const struct banner_ops *found = s->flags & F_FOUND ? hello_row(s->found) : NULL;
        if (strcmp(f->alpn, "http/1.1") == 0)
                return hello_by_name("http");
        if (found && found->hello && !found->speaks_first)
                return s->found;
        return hello_by_name(tls_port_inner(s->who.port, &known));
}

/* From here on the order of hellos is gone through inside of TLS. */
static void step_inside(struct session_set *set, struct session *s, const struct tls_facts *f)
{
        s->hello = first_inside(s, f);
        if (!(s->flags & F_FOUND))
                s->found = HELLO_NONE;
        s->flags = (s->flags | F_TLS | F_INSIDE) & (uint16_t)~F_LATE;
        s->tried = (uint64_t)1 << HELLO_TLS;
        s->silent = 0;
        talk_unkeep(set, s->talk); /* said in the clear, by something that wants TLS */
        keep_ticket(set, s, f->ticket);
        report_tls(set, s, f, 0, NULL);
}

static void ready(struct session_set *set, struct session *s, const struct tls_facts *f)
{
        struct talk *k = s->talk;
        k->flags |= T_SECURE | T_READY;
        if (k->flags & T_STARTTLS) {
                report_tls(set, s, f, 0, NULL);
                talk_wait(set, s, ST_TALK, wait_likely(set));
                (void)talk_judge(set, s, EOF_NO);
                return;
        }
        if (!(s->flags & F_INSIDE))
                step_inside(set, s, f);
        if (s->hello == HELLO_NONE)
                talk_wait(set, s, ST_LISTEN, wait_greeting(set, s));
        else
                try_hello(set, s, s->hello);
}

/* ---- events ---- */

static void on_event(struct session_set *set, struct session *s, const struct tls_event *ev)
{
        lag_ends(set, s);
        switch (ev->kind) {
        case TLS_WIRE:
                if (s->conn && !conn_send(set->stack, s->conn, ev->bytes)) {
                        bump(&set->count.refused_memory);
                        try_end(set, s, s->flags & F_FOUND ? TRY_DONE : TRY_GONE);
                } else if (s->state == ST_TLS) { /* the worker's own time does not count */
                        wait_asked(s, set->now_ns);
                        talk_wait(set, s, ST_TLS, handshake_wait(set, s));
                }
                break;
        case TLS_PLAIN:
                s->talk->flags |= ev->bytes.n ? T_WORDS : 0;
                if (ev->bytes.n)
                        (void)talk_plain(set, s, ev->bytes);
                break;
        case TLS_READY:
                ready(set, s, ev->facts);
                break;
        case TLS_FAILED:
                failed(set, s, ev->facts, ev->alert, ev->text);
                break;
        case TLS_CLOSED:
                said_all(set, s, ev->alert);
                break;
        }
}

void tls_events(struct session_set *set)
{
        struct tls_event ev[EVENTS];
        unsigned n = EVENTS;
        for (unsigned polls = 0; polls < POLLS && n == EVENTS; polls++) {
                n = tls_poll(set->tls, set->tls_client, ev, EVENTS);
                for (unsigned i = 0; i < n; i++) {
                        struct session *s = find(set, ev[i].handle);
                        if (s)
                                on_event(set, s, &ev[i]);
                        tls_event_free(&ev[i]);
                }
        }
}
