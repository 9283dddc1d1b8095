// SPDX-License-Identifier: Apache-2.0
/*
 * send: from targets to frames that have left. Private to the engine's transmit thread (tx.c): it finds each
 * target's path, makes patches a burst at a time, waits for its turn at the common bucket, and hands them to
 * the back-end. Invariant: a probe counts as sent when its frame has left the handle, not before.
 */
#ifndef TRAWL_SEND_H
#define TRAWL_SEND_H
#include "eng.h"

struct routed { /* targets of one family, each with its path and next hop */
        struct target_batch b;
        uint16_t path[BATCH_ROOM];
        uint64_t mac[BATCH_ROOM];
        bool same_path, same_mac; /* all are those of the first */
};
struct sender {
        struct routed v4, v6;
        struct target_batch part; /* targets of one path, picked out of a mixed burst */
        uint64_t part_mac[BATCH_ROOM];
        struct patch patch[BATCH_MAX];
        struct eng *g;
        unsigned id;
        struct counters *count;
        unsigned handed[ENG_DEVS_MAX]; /* handed in, not yet seen to leave */
        unsigned n_handed;
        unsigned n_taken; /* in hand (rate.c) */
        bool urgent;      /* a turn is not gathered: what may leave is sent at once */
        /* the thread's own: what waits for its next hop's MAC, and what to do while probes are paused */
        void (*park)(void *owner, const struct target *, uint64_t pos, uint16_t path);
        void (*idle)(void *owner);
        void *owner;
};
bool send_stopping(const struct eng *);
/* Finds paths and MACs of all targets in r->b; those that cannot be sent are taken out: answered meanwhile
 * (retry), without a route, or with a next hop not known yet, which is parked (retry: counted). */
void send_route(struct sender *, struct routed *, bool retry);
/* Next hop's MAC for one target by its path. NEIGH_ASKING: not known yet. */
enum io_neigh_state send_find_mac(struct sender *, const struct target *, uint16_t path, uint64_t *mac);
/* Sends them, at the common rate. The last of them may still be in the back-end's hands: send_flush. False:
 * the scan is being stopped, not all were sent. */
bool send_targets(struct sender *, const struct routed *);
/* Frames of a turn: what may leave in eng_turn_ns, shared among the transmit threads, for what all of them
 * have in hand comes out of the clock's lag. */
unsigned send_turn(const struct eng *);
/* All that was handed in has left. False: not all, for the scan is being stopped. */
bool send_flush(struct sender *);
/* What does not leave for now is no longer in hand: it counts when it leaves, if it does. */
void send_let_go(struct sender *);
#endif
