// SPDX-License-Identifier: Apache-2.0
/*
 * memcached: sends "stats", prints uptime, time and version as "name=value "; where stats are refused, asks
 * for the version alone. Invariant: only what reads statistics is sent, nothing of the cache's content.
 *
 *   STAT pid 1162\r\n … STAT version 1.6.18\r\n … END\r\n      VERSION 1.6.18\r\n      ERROR\r\n
 *
 * memcached's doc/protocol.txt, "General-purpose statistics"
 */
#include "banner/pieces.h"
#include "banner/protocols.h"

enum { LINES_MAX = 1000 };

static void memcached_hello(struct banner_turn *t)
{
        wr_str(t->reply, "stats\r\n");
}

static enum banner_match memcached_match(struct span in, const struct banner_turn *t)
{
        static const char *const starts[] = {"STAT pid ", "ERROR\r\n", "VERSION ", "SERVER_ERROR ",
                                             "CLIENT_ERROR "};
        enum banner_match best = MATCH_NO;
        (void)t;
        for (unsigned i = 0; i < ARRAY_LEN(starts); i++)
                best = MAX(best, span_match(in, starts[i]));
        return best;
}

struct seen {
        bool stats, end, version, error, other;
};

/* Numbers worth a field, in the words of the protocol. */
static const char *const numbers[] = {"pid",         "uptime",         "pointer_size", "curr_connections",
                                      "total_items", "limit_maxbytes", "curr_items",   "bytes",
                                      "threads",     "max_connections"};

static void say_stat(struct banner_out *o, struct span line)
{
        size_t n = 0;
        while (n < line.n && line.p[n] != ' ')
                n++;
        struct span name = span_cut(line, 0, n), value = span_trim(span_cut(line, n, line.n));
        struct span digits = value;
        uint64_t number = 0;
        if (span_is(name, "uptime") || span_is(name, "time") || span_is(name, "version")) {
                banner_text(o, APP_MEMCACHED, name);
                banner_str(o, APP_MEMCACHED, "=");
                banner_text(o, APP_MEMCACHED, value);
                banner_str(o, APP_MEMCACHED, " ");
        }
        if (span_is(name, "version"))
                banner_field(o, APP_MEMCACHED, "version", value);
        for (unsigned i = 0; i < ARRAY_LEN(numbers); i++)
                if (span_is(name, numbers[i]) && span_number(&digits, &number) && !digits.n)
                        banner_field_u64(o, APP_MEMCACHED, numbers[i], number);
}

static void say_line(struct banner_out *o, struct span line, struct seen *seen)
{
        if (span_starts(line, "STAT ")) {
                say_stat(o, span_cut(line, 5, line.n));
                seen->stats = true;
        } else if (span_starts(line, "VERSION ")) {
                struct span version = span_trim(span_cut(line, 8, line.n));
                seen->version = true;
                banner_str(o, APP_MEMCACHED, "version=");
                banner_text(o, APP_MEMCACHED, version);
                banner_str(o, APP_MEMCACHED, " ");
                banner_field(o, APP_MEMCACHED, "version", version);
        } else if (span_is(line, "END") || span_is(line, "RESET")) {
                seen->end |= seen->stats;
        } else if (span_is(line, "ERROR") || span_starts(line, "SERVER_ERROR ") ||
                   span_starts(line, "CLIENT_ERROR ")) {
                seen->error = true;
                seen->end |= seen->version || seen->stats;
        } else {
                seen->other = true;
        }
}

static enum banner_status ask_again(struct banner_turn *t, struct span refusal)
{
        banner_out_clear(t->out);
        if (t->phase == 0 && !t->eof) {
                t->phase = 1;
                wr_str(t->reply, "version\r\nstats\r\n");
                t->used = 0;
                return BANNER_NEXT;
        }
        if (!t->eof)
                return BANNER_MORE;
        if (span_is(refusal, "ERROR"))
                return say_unknown(t); /* a word that others say too */
        banner_text(t->out, APP_MEMCACHED, refusal);
        banner_field(t->out, APP_MEMCACHED, "error", refusal);
        return BANNER_DONE;
}

/* Errors before the first answer are those for whatever was sent before, perhaps not by us as memcached. */
static enum banner_status memcached_parse(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        struct span line, first = span_of(t->in.p, 0);
        struct seen seen = {0};
        for (unsigned n = 0; n < LINES_MAX && !seen.end && !seen.other && rd_line(&r, &line); n++) {
                say_line(t->out, line, &seen);
                if (!n)
                        first = line;
        }
        if (seen.end)
                return BANNER_DONE;
        if (seen.other || rd_left(&r) > 2048)
                return t->out->n ? BANNER_DONE : say_unknown(t);
        if (seen.error && !seen.version && !seen.stats)
                return ask_again(t, first);
        if (!t->eof)
                return BANNER_MORE;
        return t->out->n ? BANNER_DONE : say_unknown(t);
}

const struct banner_ops banner_memcached = {
        .name = "memcached",
        .summary = "memcached: version, uptime, sizes",
        .app = APP_MEMCACHED,
        .ports = (const uint16_t[]){11211, 11212, 11213, 11214, 0},
        .match = memcached_match,
        .hello = memcached_hello,
        .parse = memcached_parse,
};
