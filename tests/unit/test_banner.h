// SPDX-License-Identifier: Apache-2.0
/*
 * One side of a conversation for tests and fuzzing of banner parsers: it is fed what a server says, asks the
 * parsers as session/ does, and keeps what they learnt and said. Every call gets its bytes in memory of
 * exactly their size, and what comes back is checked against the rules of banner.h. The file that includes
 * this has a `must(held, what)` that ends the test.
 */
#ifndef TRAWL_TEST_BANNER_H
#define TRAWL_TEST_BANNER_H
#include "banner/banner.h"
#include <stdlib.h>

enum { TALK_KEPT = 2 * BANNER_PARTS, TALK_SAID = 65536 };
struct talk_bytes {
        uint8_t *p;
        size_t n;
};
struct talk_kept { /* what was learnt in all turns that counted */
        uint16_t app;
        struct talk_bytes text, fields;
};
struct talk {
        /* given */
        const struct banner_ops *sent, *row; /* row: who listens; NULL: found out by what is said */
        struct banner_conf conf;
        struct span name, ticket;
        uint16_t port;
        bool tls, after_starttls;
        /* its own */
        struct banner_out out;
        struct wr reply;
        size_t n, used, turns;
        uint8_t phase;
        bool over, eof;
        enum banner_status end;
        struct talk_bytes said; /* since the last look at it */
        struct talk_kept kept[TALK_KEPT];
        unsigned n_kept, told; /* told: before TLS began, a banner of its own */
        uint8_t in[BANNER_IN_MAX], reply_room[BANNER_REPLY_MAX]; /* last: not cleared for the next */
};

static void must(bool held, const char *what);

/* Switches of a fuzzer's input, and how it names a row of the table. */
enum { TALK_HELLO = 1, TALK_DETECT = 2, TALK_TLS = 4, TALK_NAME = 8, TALK_ODD_PORT = 16, TALK_HTML = 32 };
static inline uint16_t talk_mark(const char *name)
{
        uint32_t h = 2166136261; /* FNV-1a */
        for (; *name; name++)
                h = (h ^ (uint8_t)*name) * 16777619;
        return (uint16_t)(h >> 16 ^ h);
}

static void talk_append(struct talk_bytes *b, struct span s, size_t max)
{
        must(b->n + s.n <= max, "no more than its limit is said");
        b->p = realloc(b->p, MAX(b->n + s.n, (size_t)1));
        must(b->p != NULL, "memory");
        if (s.n)
                memcpy(b->p + b->n, s.p, s.n);
        b->n += s.n;
}

/* They are many, and big, and one after the other: so the last one's memory serves the next. */
static struct talk *talk_spare;

static struct talk *talk_new(const struct banner_conf *conf)
{
        struct err e;
        struct talk *t = talk_spare;
        talk_spare = NULL;
        if (!t) {
                t = calloc(1, sizeof(*t));
                must(t && banner_out_init(&t->out, &e) == 0, "memory");
        }
        t->conf = *conf;
        t->end = BANNER_MORE;
        return t;
}

static void talk_free(struct talk *t)
{
        struct banner_out out = t->out;
        for (unsigned i = 0; i < t->n_kept; i++) {
                free(t->kept[i].text.p);
                free(t->kept[i].fields.p);
        }
        free(t->said.p);
        memset(t, 0, offsetof(struct talk, in));
        t->out = out;
        if (!talk_spare) {
                talk_spare = t;
                return;
        }
        banner_out_free(&t->out);
        free(t);
}

static void talk_check_fields(struct span fields)
{
        struct rd r = rd_of(fields);
        struct field f;
        while (rd_left(&r)) {
                must(fields_next(&r, &f), "fields are well formed");
                must(f.key.n > 0, "a field has a key");
                for (size_t i = 0; i < f.key.n; i++) {
                        uint8_t c = f.key.p[i];
                        must((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_',
                             "keys are [a-z0-9_]");
                }
        }
}

static void talk_check_out(const struct banner_out *o)
{
        must(o->n <= BANNER_PARTS, "no more parts than there are");
        for (unsigned i = 0; i < o->n; i++) {
                const struct banner_part *p = &o->part[i];
                must(wr_len(&p->text) <= BANNER_TEXT_MAX, "a text is bounded");
                must(wr_len(&p->fields) <= BANNER_FIELDS_MAX, "fields are bounded");
                talk_check_fields(span_of(p->fields.start, wr_len(&p->fields)));
        }
}

static void talk_keep(struct talk *t)
{
        for (unsigned i = 0; i < t->out.n; i++) {
                const struct banner_part *p = &t->out.part[i];
                unsigned k = t->told;
                while (k < t->n_kept && t->kept[k].app != p->app)
                        k++;
                must(k < TALK_KEPT, "a conversation is about few things");
                if (k == t->n_kept)
                        t->kept[t->n_kept++].app = p->app;
                talk_append(&t->kept[k].text, span_of(p->text.start, wr_len(&p->text)), 1 << 24);
                talk_append(&t->kept[k].fields, span_of(p->fields.start, wr_len(&p->fields)), 1 << 24);
        }
        must(!t->reply.full, "a reply fits in its room");
        talk_append(&t->said, span_of(t->reply.start, wr_len(&t->reply)), TALK_SAID);
}

static void talk_make_turn(struct talk *t, struct banner_turn *turn, struct span in)
{
        t->reply = wr_of(t->reply_room, sizeof(t->reply_room));
        banner_out_clear(&t->out);
        *turn = (struct banner_turn){
                .in = in,
                .eof = t->eof || in.n == BANNER_IN_MAX,
                .tls = t->tls,
                .after_starttls = t->after_starttls,
                .phase = t->phase,
                .port = t->port,
                .name = t->name,
                .ticket = t->ticket,
                .secret = 0x0123456789abcdef,
                .conf = &t->conf,
                .out = &t->out,
                .reply = &t->reply,
                .used = in.n,
        };
}

static enum banner_status talk_ask(struct talk *t, struct banner_turn *turn)
{
        bool wait = false;
        if (!t->row)
                t->row = banner_detect(turn, t->sent, &wait);
        must(t->row || !wait || !turn->eof, "there is no waiting at the end");
        if (!t->row)
                return wait ? BANNER_MORE : BANNER_REJECT;
        return t->row->parse(turn);
}

/* One call of the parser; what it did to the conversation. */
static enum banner_status talk_turn(struct talk *t)
{
        struct banner_turn turn;
        uint8_t *exact = malloc(MAX(t->n, (size_t)1));
        must(exact != NULL, "memory");
        memcpy(exact, t->in, t->n);
        talk_make_turn(t, &turn, span_of(exact, t->n));
        enum banner_status s = talk_ask(t, &turn);
        must((unsigned)s <= BANNER_REJECT, "a status is one of the five");
        talk_check_out(&t->out);
        if (s == BANNER_MORE && turn.eof)
                s = BANNER_REJECT;
        t->used = 0;
        if (s == BANNER_NEXT || s == BANNER_DONE || s == BANNER_TLS) {
                must(turn.used <= t->n, "no more bytes are used than came");
                t->used = turn.used;
                t->phase = turn.phase;
                talk_keep(t);
        }
        free(exact);
        memmove(t->in, t->in + t->used, t->n - t->used);
        t->n -= t->used;
        return s;
}

static void talk_end(struct talk *t, enum banner_status s)
{
        t->over = true;
        t->end = s;
}

/* Asks until the parser wants more bytes than there are. */
static void talk_run(struct talk *t)
{
        while (!t->over) {
                uint8_t phase = t->phase;
                enum banner_status s = talk_turn(t);
                must(++t->turns < 4u * BANNER_IN_MAX, "a conversation gets on");
                if (s != BANNER_MORE && s != BANNER_NEXT)
                        talk_end(t, s);
                else if (s == BANNER_MORE || t->n == 0 || (t->used == 0 && t->phase == phase))
                        break;
        }
        if (!t->over && t->eof)
                talk_end(t, BANNER_DONE);
}

static void talk_hello(struct talk *t, const struct banner_ops *b)
{
        struct banner_turn turn;
        talk_make_turn(t, &turn, span_of(t->in, 0));
        t->sent = b;
        if (!b->hello)
                return;
        b->hello(&turn);
        t->phase = turn.phase;
        must(t->out.n == 0, "a hello learns nothing");
        talk_keep(t);
}

/* The server says this. What does not fit any more is lost, as the parser was told. */
static void talk_hear(struct talk *t, struct span s)
{
        if (t->over)
                return;
        size_t n = MIN(s.n, sizeof(t->in) - t->n);
        if (n)
                memcpy(t->in + t->n, s.p, n);
        t->n += n;
        talk_run(t);
}

static inline void talk_eof(struct talk *t)
{
        t->eof = true;
        talk_run(t);
}

/* The handshake that the parser asked for is done; it may have to speak first now. */
static inline void talk_tls(struct talk *t)
{
        must(t->over && t->end == BANNER_TLS, "TLS begins when it was agreed");
        t->over = false;
        t->told = t->n_kept;
        t->tls = t->after_starttls = true;
        t->n = 0;
        talk_run(t);
}
#endif
