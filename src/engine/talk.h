// SPDX-License-Identifier: Apache-2.0
/*
 * talk: the conversations of a receive thread (--banners). It joins what the packets are (stack/) to what is
 * said (session/), and both to the engine: targets, rate, results. Everything here is one thread's own; the
 * rest of the engine sees three atomic words (eng.h).
 */
#ifndef TRAWL_ENGINE_TALK_H
#define TRAWL_ENGINE_TALK_H
#include "eng.h"

struct heard { /* a banner on its way from a receive thread to the writer, who frees it */
        struct target who;
        const char *name; /* of the plan's table, NULL: none */
        uint16_t app;
        uint8_t ttl;
        uint32_t text_len, fields_len;
        uint8_t bytes[]; /* text, fields */
};
static inline size_t heard_size(const struct heard *h)
{
        return sizeof(*h) + h->text_len + h->fields_len;
}

struct talk;
/* tell: hands a banner on; it becomes the callee's. */
int talk_new(struct talk **, struct eng *, unsigned id, void (*tell)(void *arg, struct heard *), void *arg,
             struct err *);
void talk_free(struct talk *); /* NULL: nothing */
/* A frame's packet, before anything else judges it. True: it belongs to a conversation. */
bool talk_packet(struct talk *, const struct pkt *, unsigned dev, uint64_t now_ns);
/* A SYN-ACK that was checked by its cookie. `again`: this target has answered before. */
void talk_open(struct talk *, const struct pkt *, unsigned dev, bool again, uint64_t now_ns);
/* The packet is of a connection that nobody knows: it is ended, and its far end called back from another port
 * of ours. */
void talk_anew(struct talk *, const struct pkt *, unsigned dev);
/* What is due by time. Returns when it wants to be called next. behind: frames wait too long already, so
 * probes are to wait too. */
uint64_t talk_round(struct talk *, uint64_t now_ns, bool behind);
uint32_t talk_waiting(const struct talk *);                         /* segments want to leave */
bool talk_next(struct talk *, struct stack_seg *, uint64_t now_ns); /* the next of them */
void talk_finish(struct talk *);  /* time is over: all that is known is told */
bool talk_hang_up(struct talk *); /* then: RSTs for what is still open. False: those were the last */
#endif
