// SPDX-License-Identifier: Apache-2.0
/*
 * tries: from one connection of a service to the next: which hello, again or not, under which name, which
 * check, and when all is said. Below set.c, above talk.c. The way of one service:
 *
 *   opened ─> its port's hello at once, or wait for a greeting ─> understood ─> other names ─> checks ─> done
 *      ^                                        │
 *      └───── another connection, the next hello┘ not understood
 *
 * Invariant: the number of connections is bounded by the hellos there are, one more where an answer was cut
 * (max_tries), the names (SESSION_NAMES) and the checks, whatever the server does.
 */
#include "session_priv.h"

enum { SLOT_TRIES = 8 };

const char *session_name(const struct session_set *set, const struct session *s)
{
        const char *const *names;
        unsigned n = set->ops.names(set->arg, &s->who.ip, &names);
        return s->name_i < MIN(n, (unsigned)SESSION_NAMES) ? names[s->name_i] : NULL;
}

uint64_t try_secret(const struct session_set *set, const struct session *s)
{
        struct sip h = sip_start(set->key);
        sip_absorb(&h, s->who.ip.hi);
        sip_absorb(&h, s->who.ip.lo);
        sip_absorb(&h, (uint64_t)s->who.port << 32 | (uint64_t)s->tries << 16 | (uint64_t)s->name_i << 8 |
                               s->check_i);
        return sip_finish(&h, 0, 24);
}

bool may_retry(const struct session_set *set, const struct session *s)
{
        unsigned most = set->conf.max_tries ? set->conf.max_tries : HELLO_MAX;
        return !set->finishing && s->tries < most;
}

/* ---- the beginning of a try ---- */

bool try_say_hello(struct session_set *set, struct session *s, const struct banner_ops *row)
{
        struct banner_turn t;
        struct wr reply;
        talk_turn(set, s, &t, &reply);
        row->hello(&t);
        if (t.phase && !talk_of(set, s))
                return false;
        if (s->talk)
                s->talk->phase = t.phase;
        return talk_say(set, s, span_of(reply.start, wr_len(&reply)));
}

void try_hello(struct session_set *set, struct session *s, uint8_t hello)
{
        bool said;
        s->hello = hello;
        s->tried |= (uint64_t)1 << hello;
        if (hello == HELLO_TLS) {
                tls_begin(set, s);
                return;
        }
        if (hello == HELLO_USER)
                said = talk_say(set, s, hello_of_user(set, s->who.port)->bytes);
        else
                said = try_say_hello(set, s, hello_row(hello));
        if (said)
                talk_wait(set, s, ST_ASKED, wait_hello(set, s));
        else
                try_end(set, s, TRY_GONE);
}

/* Marked at once: the handshake before it may come to nothing. */
static void try_inside(struct session_set *set, struct session *s)
{
        if (s->hello != HELLO_NONE)
                s->tried |= (uint64_t)1 << s->hello;
        tls_begin(set, s);
}

static void begin_check(struct session_set *set, struct session *s)
{
        if (try_say_hello(set, s, set->conf.checks[s->check_i - 1]))
                talk_wait(set, s, ST_ASKED, wait_likely(set));
        else
                try_end(set, s, TRY_GONE);
}

void try_begin(struct session_set *set, struct session *s)
{
        s->until_ns = set->now_ns + set->conf.total_ns;
        if (s->check_i)
                begin_check(set, s);
        else if (s->flags & F_INSIDE)
                try_inside(set, s);
        else if (s->hello == HELLO_NONE) /* those who greet are often slow: they look our name up first */
                talk_wait(set, s, ST_LISTEN, wait_greeting(set, s));
        else
                try_hello(set, s, s->hello);
}

/* ---- the end of a try ---- */

/* A server that closes at today's TLS may speak an older one; nobody else is asked for those. */
static void prefer_older(const struct session_set *set, struct session *s, enum try_end how)
{
        const struct banner_ops *row = hello_row(s->hello);
        if ((how != TRY_CLOSED && how != TRY_RESET) || s->flags & (F_FOUND | F_INSIDE) || s->check_i)
                return;
        if (s->hello == HELLO_TLS && hello_usual(set, s))
                s->prefer = hello_by_name("sslv3");
        else if (row && strcmp(row->name, "sslv3") == 0)
                s->prefer = hello_by_name("sslv2");
}

static void note(struct session_set *set, struct session *s, enum try_end how)
{
        if (!s->prefer)
                prefer_older(set, s, how);
        if (how == TRY_CLOSED)
                s->flags |= F_CLOSED;
        else if (how == TRY_RESET)
                s->flags |= F_RESET;
        if (how != TRY_SILENT || s->hello == HELLO_NONE)
                return;
        talk_silence(s);
        if (s->silent == SILENT_FEW && !(s->flags & F_HEARD))
                hush_note(set, s);
}

/* Whatever is left of the connection goes: politely where the dialogue came to its end. At the end of all
 * stack_hang_up does it, which has patience where RSTs find no room to wait. */
static void let_go(struct session_set *set, struct session *s, bool politely)
{
        struct conn *c = s->conn;
        queue_drop(set, s);
        report_flush(set, s);
        report_capture(set, s);
        tls_drop(set, s);
        talk_clear(set, s);
        s->conn = NULL;
        s->armed_ns = s->soft_ns = 0;
        s->flags &= (uint16_t) ~(F_CAME | F_FIN);
        if (!c)
                return;
        conn_set_app(c, NONE);
        if (politely)
                conn_close(set->stack, c);
        else if (!set->finishing)
                conn_abort(set->stack, c);
}

static void queue_try(struct session_set *set, struct session *s, uint8_t hello, uint64_t wait_ns)
{
        s->hello = hello;
        s->state = ST_QUEUED;
        s->soft_ns = set->now_ns + wait_ns;
        s->until_ns = s->soft_ns + SOURCE_NS;
        queue_put(set, Q_OPEN, s);
}

static bool enough_silence(struct session_set *set, const struct session *s)
{
        return s->silent >= SILENT_FEW && !(s->flags & F_HEARD) && hushed(set, s);
}

/* Nobody understood it: is there another way? True: it is queued. */
static bool again(struct session_set *set, struct session *s, enum try_end how)
{
        bool greeted = s->hello == HELLO_NONE;
        if (how == TRY_CUT) {
                queue_try(set, s, s->hello, 0);
                return true;
        }
        if (how == TRY_RESET && !(s->flags & (F_HEARD | F_RST_AGAIN)) && may_retry(set, s)) {
                s->flags |= F_RST_AGAIN;
                queue_try(set, s, s->hello, 0);
                return true;
        }
        if (how == TRY_REFUSED && !(s->flags & F_REFUSED)) {
                s->flags |= F_REFUSED;
                queue_try(set, s, s->hello, REFUSED_NS);
                return true;
        }
        if (s->talk && s->talk->flags & T_CUT)
                return false; /* it was not to be had once more: what is kept is the answer */
        if (greeted && (how != TRY_SILENT || s->flags & F_GREET))
                s->flags |= F_NO_MORE;
        if (how == TRY_DONE || how >= TRY_REFUSED || s->flags & F_NO_MORE || !may_retry(set, s) ||
            enough_silence(set, s))
                return false;
        uint8_t hello = s->flags & F_GREET ? HELLO_NONE : hello_next(set, s);
        if (hello == HELLO_NONE && !(s->flags & F_GREET))
                return false;
        queue_try(set, s, hello, 0);
        return true;
}

/* An answer has shown the way: the hello it asked for, or an older TLS. */
static bool preferred(struct session_set *set, struct session *s)
{
        uint8_t hello = s->prefer;
        s->prefer = HELLO_NONE;
        if (!hello || hello_tried(s, hello) || !may_retry(set, s))
                return false;
        queue_try(set, s, hello, 0);
        return true;
}

/* The answer to an earlier hello, when nothing better came. */
static void tell_kept(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        struct banner_turn t;
        struct wr reply;
        if (!k || !k->kept_len)
                return;
        talk_turn(set, s, &t, &reply);
        t.in = span_of(k->kept, k->kept_len);
        t.used = t.in.n;
        t.eof = true;
        enum banner_status st = k->kept_ops ? k->kept_ops->parse(&t) : BANNER_REJECT;
        if (st == BANNER_MORE || st == BANNER_REJECT)
                report_text(set, s, APP_UNKNOWN, t.in, span_of(NULL, 0));
        else
                report_out(set, s);
        talk_unkeep(set, k);
}

/* HTTP has Host, TLS has SNI: to these each name may be another service. */
static bool next_name(struct session_set *set, struct session *s)
{
        const struct banner_ops *row = hello_row(s->found);
        bool tls = s->flags & F_INSIDE || s->found == HELLO_TLS;
        if (!tls && !(row && row->app == APP_HTTP))
                return false;
        if (!(s->flags & F_FOUND))
                tell_kept(set, s);
        s->name_i = (s->name_i + 1) & 15;
        if (!session_name(set, s))
                return false;
        s->tries = 0;
        s->flags = (s->flags | F_FOUND) & (uint16_t)~F_INSIDE;
        queue_try(set, s, tls ? HELLO_TLS : s->found, 0);
        return true;
}

static bool next_check(struct session_set *set, struct session *s)
{
        bool tls;
        tls_port_inner(s->who.port, &tls);
        if (!set->conf.checks || !(s->flags & F_TLS || (tls && s->flags & F_HEARD)) ||
            !set->conf.checks[s->check_i])
                return false;
        s->check_i++;
        s->name_i = 0;
        queue_try(set, s, HELLO_NONE, 0);
        return true;
}

void try_end(struct session_set *set, struct session *s, enum try_end how)
{
        bool politely = how == TRY_DONE || how == TRY_CLOSED || s->flags & F_FIN;
        bool no_slot = s->state == ST_SLOT && !(s->talk->flags & T_STARTTLS) && s->tries < SLOT_TRIES;
        note(set, s, how);
        let_go(set, s, politely && s->until_ns > set->now_ns);
        if (set->finishing)
                session_end(set, s);
        else if (s->check_i)
                goto check;
        else if (no_slot && how != TRY_SILENT && may_retry(set, s))
                queue_try(set, s, s->hello, 0);
        else if (preferred(set, s) || (!(s->flags & F_FOUND) && again(set, s, how)))
                return;
        else if (!(s->flags & (F_FOUND | F_INSIDE)) || !next_name(set, s))
                goto check;
        return;
check:
        if (!next_check(set, s))
                session_end(set, s);
}

/* ---- the end of a service ---- */

static const char *odd_end(const struct session_set *set, const struct session *s)
{
        if (s->flags & F_ENDLESS)
                return "speaks without end";
        if (s->flags & F_DRIPS)
                return "drips";
        if (s->flags & F_HEARD || set->finishing)
                return NULL;
        if (s->flags & F_SHUT)
                return "window shut";
        if (s->silent)
                return "says nothing";
        if (s->flags & F_CLOSED)
                return "closes at once";
        return s->flags & F_RESET ? "resets at once" : "says nothing";
}

void session_end(struct session_set *set, struct session *s)
{
        let_go(set, s, false);
        if (!(s->flags & F_FOUND))
                tell_kept(set, s);
        if (s->flags & F_HEARD && s->silent >= SILENT_FEW)
                hush_undo(set, s);
        talk_drop(set, s);
        s->name_i = 0;
        const char *words = odd_end(set, s);
        if (words)
                report_remark(set, s, words);
        struct target who = s->who;
        bool heard = s->flags & F_HEARD;
        session_release(set, s);
        session_gone(set, &who, heard);
}
