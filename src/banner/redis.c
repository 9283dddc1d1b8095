// SPDX-License-Identifier: Apache-2.0
/*
 * redis: Redis and what speaks like it (Valkey, KeyDB, Dragonfly). Asks for INFO; where a password or
 * protected mode stands before it, the refusal is the banner. A server that was sent an HTTP request by
 * mistake is known by its complaint. Invariant: INFO is all that is asked; no AUTH, no key is read.
 *
 *   $LENGTH\r\n# Server\r\nredis_version:7.0.15\r\n…\r\n      -NOAUTH Authentication required.\r\n
 *
 * Redis serialization protocol (RESP) specification; INFO command reference
 */
#include "banner/pieces.h"
#include "banner/protocols.h"

enum { LINES_MAX = 2000, LINE_MAX_LEN = 4096 };

static void redis_hello(struct banner_turn *t)
{
        wr_str(t->reply, "*1\r\n$4\r\ninfo\r\n");
}

static const char *const complaints[] = {
        "-ERR wrong number of arguments for 'get' command",
        "-ERR wrong number of arguments for 'GET' command",
        "-ERR unknown command",
        "-NOAUTH ",
        "-DENIED Redis is running in protected mode",
        "-DENIED ",
        "-NOPERM ",
        "-LOADING ",
        "-MISCONF ",
        "-MASTERDOWN ",
        "-ERR operation not permitted",
        "-ERR max number of clients reached",
        "-ERR Protocol error",
        "+PONG\r\n",
};

/* "$4711\r\n# Server" */
static enum banner_match info_match(struct span in)
{
        size_t i = 1;
        if (!in.n || in.p[0] != '$')
                return in.n ? MATCH_NO : MATCH_MAYBE;
        while (i < in.n && i < 8 && in.p[i] >= '0' && in.p[i] <= '9')
                i++;
        struct span rest = span_cut(in, i, in.n);
        enum banner_match server = span_match(rest, "\r\n# "), version = span_match(rest, "\r\nredis_");
        return i == 1 && in.n > 1 ? MATCH_NO : MAX(server, version);
}

static enum banner_match redis_match(struct span in, const struct banner_turn *t)
{
        enum banner_match best = info_match(in);
        (void)t;
        for (unsigned i = 0; i < ARRAY_LEN(complaints); i++)
                best = MAX(best, span_match(in, complaints[i]));
        return best;
}

/* ---- INFO ---- */

static const struct info {
        const char *line, *key;
        bool number;
        const char *text, *product; /* in the banner's text as this; a fork's own name */
} infos[] = {
        {"redis_version:", "version", false, "version", NULL},
        {"valkey_version:", "valkey_version", false, "valkey", "Valkey"},
        {"dragonfly_version:", "dragonfly_version", false, "dragonfly", "Dragonfly"},
        {"redis_mode:", "mode", false, "mode", NULL},
        {"server_mode:", "mode", false, "mode", NULL},
        {"os:", "os", false, "os", NULL},
        {"role:", "role", false, "role", NULL},
        {"arch_bits:", "arch_bits", true, NULL, NULL},
        {"gcc_version:", "gcc_version", false, NULL, NULL},
        {"redis_build_id:", "build_id", false, NULL, NULL},
        {"uptime_in_seconds:", "uptime_s", true, NULL, NULL},
        {"tcp_port:", "tcp_port", true, NULL, NULL},
        {"connected_slaves:", "connected_replicas", true, NULL, NULL},
        {"cluster_enabled:", "cluster_enabled", true, NULL, NULL},
};

static void say_info(struct banner_out *o, struct span line, const char **product)
{
        for (unsigned i = 0; i < ARRAY_LEN(infos); i++) {
                if (!span_starts(line, infos[i].line))
                        continue;
                struct span value = span_trim(span_cut(line, span_str(infos[i].line).n, line.n));
                struct span digits = value;
                uint64_t number = 0;
                if (infos[i].product)
                        *product = infos[i].product;
                if (infos[i].text)
                        say_pair(o, APP_REDIS, infos[i].text, value);
                if (!infos[i].number)
                        banner_field(o, APP_REDIS, infos[i].key, value);
                else if (span_number(&digits, &number) && !digits.n)
                        banner_field_u64(o, APP_REDIS, infos[i].key, number);
        }
}

static void say_infos(struct banner_out *o, struct rd r)
{
        struct span line;
        const char *product = "Redis";
        for (unsigned n = 0; n < LINES_MAX && rd_line(&r, &line); n++)
                say_info(o, line, &product);
        banner_field_str(o, APP_REDIS, "product", product);
}

/* ---- refusals ---- */

static void say_error(struct banner_out *o, struct span line)
{
        static const struct {
                const char *start, *key;
        } causes[] = {{"-NOAUTH", "auth_required"},
                      {"-ERR operation not permitted", "auth_required"}, /* before 2.6 */
                      {"-DENIED Redis is running in protected", "protected_mode"},
                      {"-NOPERM", "permission_denied"},
                      {"-LOADING", "loading"}};
        line = span_cut(line, 0, 200); /* protected mode explains itself at length */
        banner_text(o, APP_REDIS, line);
        banner_field_str(o, APP_REDIS, "product", "Redis");
        for (unsigned i = 0; i < ARRAY_LEN(causes); i++)
                if (span_starts(line, causes[i].start))
                        banner_field_bool(o, APP_REDIS, causes[i].key, true);
        banner_field(o, APP_REDIS, "error", line);
}

static enum banner_status bulk(struct banner_turn *t, struct span head, struct rd r)
{
        uint64_t n = 0;
        head = span_cut(head, 1, head.n);
        if (!span_number(&head, &n) || head.n)
                return BANNER_REJECT;
        if (rd_left(&r) < n && !t->eof)
                return BANNER_MORE;
        say_infos(t->out, rd_sub(&r, MIN((size_t)n, rd_left(&r))));
        return t->out->n && wr_len(&t->out->part[0].text) ? BANNER_DONE : BANNER_REJECT;
}

/* One refusal may be for a line of an HTTP request: then INFO is asked for after all. */
static enum banner_status redis_parse(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        struct span line, first = span_of(t->in.p, 0);
        unsigned errors = 0;
        while (rd_line(&r, &line)) {
                if (span_starts(line, "$") || span_starts(line, "="))
                        return bulk(t, line, r);
                if (!span_starts(line, "-") && !span_starts(line, "+"))
                        break;
                if (!errors++)
                        first = line;
        }
        if (!first.n)
                return t->eof || t->in.n > LINE_MAX_LEN ? BANNER_REJECT : BANNER_MORE;
        bool misled = span_find(first, "for 'get' command", NULL) || span_starts(first, "+PONG");
        if (misled && !t->eof && t->phase)
                return BANNER_MORE;
        if (misled && !t->eof) {
                t->phase = 1;
                t->used = 0;
                redis_hello(t);
                return BANNER_NEXT;
        }
        if (redis_match(first, t) == MATCH_NO)
                return BANNER_REJECT;
        say_error(t->out, first);
        return BANNER_DONE;
}

const struct banner_ops banner_redis = {
        .name = "redis",
        .summary = "Redis, Valkey and kin: version, mode, role, operating system",
        .app = APP_REDIS,
        .ports = (const uint16_t[]){6379, 6380, 7000, 7001, 26379, 0},
        .match = redis_match,
        .hello = redis_hello,
        .parse = redis_parse,
};
