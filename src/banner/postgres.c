// SPDX-License-Identifier: Apache-2.0
/*
 * postgres: asks for TLS, goes on through it or, where there is none, in the clear, with a start-up message
 * for a user and a database "trawl" that do not exist. The server answers how it would want to be convinced,
 * or with an error; there the conversation ends. Invariant: no password, hash or token is ever sent.
 *
 *   us:   | length 4 | 80877103 |            then   | length 4 | 3.0 | "user\0trawl\0" … 0 |
 *   them: | 'S' or 'N' |                            | type 1 | length 4, itself included | body |
 *
 * Types read: R authentication, E error, v version negotiation, S parameter, N notice, Z ready.
 * PostgreSQL documentation, "Frontend/Backend Protocol": Message Flow, Message Formats
 */
#include "banner/pieces.h"
#include "banner/protocols.h"

enum { PHASE_SSL, PHASE_TLS, PHASE_STARTED };
enum { MESSAGE_MAX = 16384, OLD_ERROR_MAX = 1024, SSL_REQUEST = 80877103, PROTOCOL_3 = 196608 };

static void put_startup(struct wr *w)
{
        static const char body[] = "user\0trawl\0database\0trawl\0application_name\0trawl\0";
        wr_be32(w, (uint32_t)(8 + sizeof(body)));
        wr_be32(w, PROTOCOL_3);
        wr_bytes(w, body, sizeof(body));
}

/* Servers that began with TLS on their own, as PostgreSQL 17 can, need not be asked for it. */
static void postgres_hello(struct banner_turn *t)
{
        if (t->tls) {
                put_startup(t->reply);
                return;
        }
        wr_be32(t->reply, 8);
        wr_be32(t->reply, SSL_REQUEST);
}

static enum banner_status start(struct banner_turn *t)
{
        put_startup(t->reply);
        t->phase = PHASE_STARTED;
        return BANNER_NEXT;
}

static enum banner_status say_ssl(struct banner_turn *t)
{
        banner_str(t->out, APP_POSTGRES, "ssl=yes");
        banner_field_bool(t->out, APP_POSTGRES, "ssl", true);
        t->used = 1;
        t->phase = PHASE_TLS;
        return BANNER_TLS;
}

/* ---- messages ---- */

static void say(struct banner_out *o, struct span value)
{
        if (wr_len(&banner_part(o, APP_POSTGRES)->text))
                banner_str(o, APP_POSTGRES, " ");
        banner_text(o, APP_POSTGRES, value);
}

static void say_auth(struct banner_out *o, struct rd r)
{
        static const char *const names[] = {
                [0] = "trust", [2] = "kerberos5", [3] = "password", [4] = "crypt", [5] = "md5",
                [6] = "scm",   [7] = "gss",       [8] = "gss",      [9] = "sspi",  [10] = "sasl",
        };
        uint32_t code = rd_be32(&r);
        const char *name = code < ARRAY_LEN(names) && names[code] ? names[code] : "unknown";
        if (r.bad)
                return;
        say_pair(o, APP_POSTGRES, "auth", span_str(name));
        banner_field_str(o, APP_POSTGRES, "auth", name);
        while (code == 10 && rd_left(&r)) {
                struct span mechanism = rd_until_nul(&r);
                if (!mechanism.n)
                        break;
                say(o, mechanism);
                banner_field(o, APP_POSTGRES, "sasl_mechanisms", mechanism);
        }
}

/* The source line of an error tells versions apart where nothing else does. */
static void say_error(struct banner_out *o, struct rd r)
{
        static const struct {
                char code;
                const char *key;
                bool in_text;
        } parts[] = {{'S', "severity", true},       {'C', "error_code", true},   {'M', "error_message", true},
                     {'H', "error_hint", false},    {'F', "source_file", false}, {'L', "source_line", false},
                     {'R', "source_routine", false}};
        while (rd_left(&r)) {
                char code = (char)rd_u8(&r);
                if (!code)
                        return;
                struct span value = rd_until_nul(&r);
                for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
                        if (parts[i].code != code)
                                continue;
                        if (parts[i].in_text)
                                say(o, value);
                        banner_field(o, APP_POSTGRES, parts[i].key, value);
                }
        }
}

static void say_parameter(struct banner_out *o, struct rd r)
{
        struct span name = rd_until_nul(&r), value = rd_until_nul(&r);
        static const char *const wanted[] = {"server_version", "server_encoding", "TimeZone"};
        static const char *const keys[] = {"server_version", "server_encoding", "time_zone"};
        for (unsigned i = 0; i < ARRAY_LEN(wanted); i++) {
                if (!span_starts(name, wanted[i]) || name.n != span_str(wanted[i]).n)
                        continue;
                if (!i)
                        say_pair(o, APP_POSTGRES, "server_version", value);
                banner_field(o, APP_POSTGRES, keys[i], value);
        }
}

static void say_protocol(struct banner_out *o, struct rd r)
{
        uint32_t minor = rd_be32(&r);
        if (!r.bad)
                banner_field_u64(o, APP_POSTGRES, "protocol_minor", minor & 0xffff);
}

enum heard { HEARD_MORE, HEARD_END, HEARD_READY, HEARD_NONSENSE };

static enum heard say_message(struct banner_out *o, uint8_t type, struct rd body)
{
        struct rd r = body;
        switch (type) {
        case 'R':
                say_auth(o, body);
                return rd_be32(&r) == 0 ? HEARD_MORE : HEARD_END;
        case 'E':
                say_error(o, body);
                return HEARD_END;
        case 'S':
                say_parameter(o, body);
                return HEARD_MORE;
        case 'v':
                say_protocol(o, body);
                return HEARD_MORE;
        case 'N':
        case 'K':
                return HEARD_MORE;
        case 'Z':
                return HEARD_READY;
        default:
                return HEARD_NONSENSE;
        }
}

/* No message came: the letter alone is not much of a proof, an agreed handshake is. */
static enum banner_status nothing(struct banner_turn *t)
{
        return t->after_starttls ? BANNER_DONE : say_unknown(t);
}

/* Errors of servers before 7.4 have no length: 'E', text, NUL. */
static enum banner_status say_old_error(struct banner_turn *t)
{
        struct rd r = rd_of(span_cut(t->in, 1, t->in.n));
        struct span text = rd_until_nul(&r);
        bool ended = 1 + text.n < t->in.n || t->eof;
        enum banner_match fatal = span_match(t->in, "EFATAL"), error = span_match(t->in, "EERROR");
        enum banner_match m = MAX(fatal, error);
        if (m == MATCH_NO || t->in.n > OLD_ERROR_MAX || (m == MATCH_MAYBE && t->eof))
                return nothing(t);
        if (m == MATCH_MAYBE || !ended)
                return BANNER_MORE;
        text = span_trim(text);
        say(t->out, text);
        banner_field(t->out, APP_POSTGRES, "error_message", text);
        return BANNER_DONE;
}

static enum banner_match frame(struct rd *r, uint8_t *type, struct rd *body)
{
        struct rd ahead = *r;
        *type = rd_u8(&ahead);
        uint32_t n = rd_be32(&ahead);
        if (ahead.bad)
                return MATCH_MAYBE;
        if (n < 4 || n > MESSAGE_MAX)
                return MATCH_NO;
        *body = rd_sub(&ahead, n - 4);
        if (ahead.bad)
                return MATCH_MAYBE;
        *r = ahead;
        return MATCH_YES;
}

static enum banner_status say_messages(struct banner_turn *t)
{
        size_t letter = t->phase == PHASE_STARTED && !t->tls; /* the 'N' before them */
        struct rd r = rd_of(span_cut(t->in, letter, t->in.n)), body;
        uint8_t type;
        unsigned seen = 0;
        enum banner_match whole;
        while ((whole = frame(&r, &type, &body)) == MATCH_YES) {
                enum heard h = say_message(t->out, type, body);
                if (h == HEARD_READY) { /* let in without a question: leave */
                        wr_u8(t->reply, 'X');
                        wr_be32(t->reply, 4);
                }
                if (h == HEARD_NONSENSE && !seen)
                        return nothing(t);
                if (h != HEARD_MORE)
                        return BANNER_DONE;
                seen++;
        }
        if (whole == MATCH_NO && !seen)
                return say_old_error(t);
        if (whole == MATCH_MAYBE && !t->eof)
                return BANNER_MORE;
        return seen ? BANNER_DONE : nothing(t);
}

static enum banner_status postgres_parse(struct banner_turn *t)
{
        if (t->phase == PHASE_TLS)
                return t->eof ? BANNER_DONE : start(t);
        if (t->phase == PHASE_SSL && !t->in.n)
                return t->eof ? BANNER_REJECT : BANNER_MORE;
        if (t->phase == PHASE_SSL && !t->tls && t->in.p[0] == 'S' && t->in.n == 1)
                return say_ssl(t);
        if (t->phase == PHASE_SSL && !t->tls && t->in.p[0] == 'N' && t->in.n == 1) {
                if (t->eof)
                        return BANNER_REJECT;
                t->used = 0;
                return start(t);
        }
        if (t->phase == PHASE_STARTED && !t->tls) {
                banner_str(t->out, APP_POSTGRES, "ssl=no");
                banner_field_bool(t->out, APP_POSTGRES, "ssl", false);
        }
        return say_messages(t);
}

const struct banner_ops banner_postgres = {
        .name = "postgres",
        .summary = "PostgreSQL and kin: TLS, certificate, authentication, errors",
        .app = APP_POSTGRES,
        .ports = (const uint16_t[]){5432, 5433, 6432, 26257, 0},
        .hello = postgres_hello,
        .parse = postgres_parse,
};
