// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of src/stack share: a stack with one connection, up-calls that are written down as words,
 * and patterns for the bytes of each direction, so that every byte delivered or sent is known by its place.
 * Sequence numbers are counted from each side's SYN: 0 is the SYN, 1 the first byte.
 */
#ifndef TRAWL_TEST_STACK_H
#define TRAWL_TEST_STACK_H
#include "stack/stack.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { EVENTS = 64, EVENT_TEXT = 24, PATTERN = 1 << 17 };

struct fix { /* one stack, one connection */
        struct stack *s;
        struct conn *c;
        struct stack_open to;
        uint64_t now_ns;
        uint32_t our_isn, their_isn;
        uint32_t their_next, our_next; /* counted from the SYNs: highest so far */
        uint16_t win;
        uint32_t delivered, queued; /* bytes */
        unsigned ended;
        char events[EVENTS][EVENT_TEXT];
        unsigned n_events, seen;
        const char *on[8], *then[8]; /* "data" -> "close" */
        unsigned n_on;
        bool wrong; /* bytes that were not the pattern's */
        bool lossy; /* conn_lossy() when it ended */
};

static const char *const end_words[] = {"closed", "reset", "refused", "timeout", "aborted"};

static inline uint8_t their_byte(uint32_t i)
{
        return (uint8_t)(hash_mix64(i / 8 + 1) >> i % 8 * 8);
}

static inline uint8_t our_byte(uint32_t i)
{
        return (uint8_t)~their_byte(i + 7);
}

static inline struct span pattern(uint8_t (*byte)(uint32_t), uint32_t from, uint32_t n)
{
        static uint8_t buf[PATTERN];
        assert_true(n <= PATTERN);
        for (uint32_t i = 0; i < n; i++)
                buf[i] = byte(from + i);
        return span_of(buf, n);
}

static inline bool queue_bytes(struct fix *f, uint32_t n)
{
        if (!conn_send(f->s, f->c, pattern(our_byte, f->queued, n)))
                return false;
        f->queued += n;
        return true;
}

static void react(struct fix *f, const char *event)
{
        for (unsigned i = 0; i < f->n_on; i++) {
                if (strcmp(f->on[i], event) != 0)
                        continue;
                if (strcmp(f->then[i], "close") == 0)
                        conn_close(f->s, f->c);
                else if (strcmp(f->then[i], "abort") == 0)
                        conn_abort(f->s, f->c);
                else if (strncmp(f->then[i], "send", 4) == 0)
                        queue_bytes(f, (uint32_t)strtoul(f->then[i] + 4, NULL, 10));
        }
}

static inline void note(struct fix *f, const char *event, const char *more)
{
        if (f->n_events < EVENTS)
                snprintf(f->events[f->n_events++], EVENT_TEXT, "%s%s%s", event, *more ? " " : "", more);
        react(f, event);
}

static void on_opened(void *arg, struct conn *c)
{
        ((struct fix *)arg)->c = c;
        note(arg, "opened", "");
}

static void on_data(void *arg, struct conn *c, struct span d)
{
        struct fix *f = arg;
        char n[12];
        (void)c;
        for (size_t i = 0; i < d.n; i++)
                f->wrong |= d.p[i] != their_byte(f->delivered + (uint32_t)i);
        f->delivered += (uint32_t)d.n;
        snprintf(n, sizeof(n), "%zu", d.n);
        note(f, "data", n);
}

static void on_finished(void *arg, struct conn *c)
{
        (void)c;
        note(arg, "finished", "");
}

static void on_timer(void *arg, struct conn *c)
{
        (void)c;
        note(arg, "timer", "");
}

static void on_ended(void *arg, struct conn *c, enum conn_end how)
{
        struct fix *f = arg;
        f->lossy = conn_lossy(c);
        f->ended++;
        note(f, "ended", end_words[how]);
        f->c = NULL;
}

static const struct conn_ops fix_ops = {on_opened, on_data, on_finished, on_timer, on_ended};

static inline struct stack_open fix_peer(bool six)
{
        struct stack_open to = {.us = ip_v4(0x0a000001),
                                .them = ip_v4(0xc0000202),
                                .us_port = 40000,
                                .them_port = 80,
                                .route = {7, {2, 0, 0, 0, 0, 9}}};
        if (six) {
                to.us = ip_v6(0x20010db800000000, 1);
                to.them = ip_v6(0x20010db800000001, 2);
        }
        return to;
}

static inline void fix_begin(struct fix *f, struct stack_conf conf, bool six, uint32_t our, uint32_t their)
{
        struct err e = {0};
        memset(f, 0, sizeof(*f));
        f->to = fix_peer(six);
        f->our_isn = our;
        f->their_isn = their;
        f->win = 65535;
        f->now_ns = 1000 * NS_PER_S + 123456;
        assert_int_equal(stack_new(&f->s, &conf, &fix_ops, f, &e), 0);
}

/* From the peer, its numbers still counted from the SYNs. */
static inline struct pkt fix_pkt(const struct fix *f, uint8_t flags, uint32_t seq, uint32_t ack)
{
        return (struct pkt){.kind = WIRE_TCP,
                            .src = f->to.them,
                            .dst = f->to.us,
                            .proto = 6,
                            .ttl = 55,
                            .sport = f->to.them_port,
                            .dport = f->to.us_port,
                            .tcp_flags = flags,
                            .seq = f->their_isn + seq,
                            .ack = flags & TCP_ACK ? f->our_isn + ack : 0,
                            .window = f->win};
}

/* Time goes on, with a tick wherever the stack asks for one. */
static inline void fix_wait(struct fix *f, uint64_t ns)
{
        uint64_t until = f->now_ns + ns;
        for (uint64_t t; (t = stack_deadline(f->s)) <= until;) {
                f->now_ns = MAX(t, f->now_ns);
                stack_tick(f->s, f->now_ns);
        }
        f->now_ns = until;
        stack_tick(f->s, until);
}

static inline struct stack_stats fix_stats(const struct fix *f)
{
        struct stack_stats n;
        stack_stats(f->s, &n);
        return n;
}
#endif
