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
        RECORD_ALERT = 21,
        RECORD_HANDSHAKE = 22
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

/* ---- the beginning ---- */

/* HTTP is all we offer, where it may be expected: others refuse a name they do not know (RFC 7301 §3.2). */
static const char *alpn_for(const struct session *s)
{
        bool known;
        const char *inner = tls_port_inner(s->who.port, &known);
        if (s->talk->flags & T_STARTTLS || (known && strcmp(inner, "http") != 0))
                return NULL;
        return "http/1.1";
}

static uint64_t handshake_wait(const struct session_set *set, const struct session *s)
{
        bool likely =
                s->talk->flags & T_STARTTLS || s->flags & F_CAME || hello_usual(set, HELLO_TLS, s->who.port);
        return (likely ? PATIENCE : 1) * set->answer_ns;
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
        bump(&set->count.tls_started);
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
        }
}

/* ---- bytes of the peer's ---- */

bool tls_hear(struct session_set *set, struct session *s, struct span bytes)
{
        struct talk *k = s->talk;
        bool first = !(k->flags & T_SECURE) && k->came_len == bytes.n;
        bool record = (bytes.p[0] == RECORD_HANDSHAKE || bytes.p[0] == RECORD_ALERT) &&
                      (bytes.n == 1 || bytes.p[1] == 3);
        if (first && !record && !(k->flags & T_STARTTLS)) { /* whoever this is, it does not speak TLS */
                tls_drop(set, s);
                s->state = ST_ASKED;
                return talk_plain(set, s, bytes);
        }
        if (first && record && bytes.n >= 3)
                k->record_version = get_be16(bytes.p + 1);
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
        s->soft_ns = set->now_ns + LINGER_NS;
        if (s->conn)
                talk_arm(set, s);
        else if (!s->queue)
                queue_put(set, Q_LINGER, s);
}

/* ---- what becomes of a handshake ---- */

static void failed(struct session_set *set, struct session *s, const struct tls_facts *f, uint16_t alert,
                   const char *why)
{
        struct talk *k = s->talk;
        uint8_t description = (uint8_t)alert;
        bool proven = alert || f || k->record_version;
        if (k->flags & T_READY) {
                if (talk_judge(set, s, EOF_END))
                        try_end(set, s, TRY_DONE);
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

void tls_overdue(struct session_set *set, struct session *s)
{
        if (s->flags & F_CAME)
                failed(set, s, NULL, 0, "the handshake was not finished");
        else
                try_end(set, s, s->flags & F_FIN ? TRY_CLOSED : TRY_SILENT);
}

static void inner_hello(struct session_set *set, struct session *s, const char *name)
{
        struct talk *k = s->talk;
        k->inner = hello_by_name(name);
        const struct banner_ops *row = hello_row(k->inner);
        if (row && row->hello && try_say_hello(set, s, row))
                talk_wait(set, s, ST_ASKED, PATIENCE * set->answer_ns);
        else
                try_end(set, s, TRY_DONE);
}

void tls_inner_time(struct session_set *set, struct session *s)
{
        bool known;
        tls_port_inner(s->who.port, &known);
        if (known) /* one that should have greeted */
                try_end(set, s, TRY_DONE);
        else
                inner_hello(set, s, "http");
}

static void inside(struct session_set *set, struct session *s, const struct tls_facts *f)
{
        bool known;
        const char *inner = tls_port_inner(s->who.port, &known);
        if (s->talk->flags & T_STARTTLS) {
                talk_wait(set, s, ST_TALK, PATIENCE * set->answer_ns);
                (void)talk_judge(set, s, EOF_NO);
        } else if (strcmp(f->alpn, "http/1.1") == 0) {
                inner_hello(set, s, "http");
        } else if (*inner) {
                inner_hello(set, s, inner);
        } else {
                talk_wait(set, s, ST_LISTEN, known ? PATIENCE * set->answer_ns : INNER_NS);
        }
}

static void ready(struct session_set *set, struct session *s, const struct tls_facts *f)
{
        struct talk *k = s->talk;
        k->flags |= T_SECURE | T_READY;
        bump(&set->count.tls_done);
        if (!(k->flags & T_STARTTLS)) {
                s->flags |= F_FOUND | F_TLS;
                s->found = HELLO_TLS;
        }
        report_tls(set, s, f, 0, NULL);
        inside(set, s, f);
}

/* ---- events ---- */

static void said_all(struct session_set *set, struct session *s)
{
        if (talk_judge(set, s, EOF_END))
                try_end(set, s, TRY_DONE);
}

static void on_event(struct session_set *set, struct session *s, const struct tls_event *ev)
{
        switch (ev->kind) {
        case TLS_WIRE:
                if (s->conn && !conn_send(set->stack, s->conn, ev->bytes)) {
                        bump(&set->count.refused_memory);
                        try_end(set, s, s->flags & F_FOUND ? TRY_DONE : TRY_GONE);
                } else if (s->state == ST_TLS) { /* the worker's own time does not count */
                        talk_wait(set, s, ST_TLS, handshake_wait(set, s));
                }
                break;
        case TLS_PLAIN:
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
                said_all(set, s);
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
