// SPDX-License-Identifier: Apache-2.0
/*
 * canary: targets that are known to answer, probed again now and then, to learn how many probes fail. Between
 * the receive threads, which find them and hear them, the transmit threads, which send them the same probe as
 * before (same cookie: a retransmission to the target), and the main thread, which decides and counts.
 *
 *   rx: canary_heard ──> a free slot is taken; later: "slot i was heard"
 *   main: canary_tick ──> "slot i is due" ──ring──> tx: canary_due, canary_sent
 *                      <── a sample: kept (answered at once), lost (only the second time), gone (not at all)
 *
 * Invariant: a slot belongs to one plan index from the moment rx takes it until main gives it up; a message
 * about another index is dropped. Which targets become canaries depends on a hash and on who answered first,
 * and the order of the scan is random: a fair sample of what answers.
 */
#ifndef TRAWL_ENGINE_CANARY_H
#define TRAWL_ENGINE_CANARY_H
#include "auto.h"
#include <stdatomic.h>

enum { CANARY_SLOTS = 2048, CANARY_TX_MAX = 64, CANARY_RING_LOG2 = 9 };
enum canary_state { CANARY_FREE, CANARY_RESTS, CANARY_QUEUED, CANARY_SENT };

struct canary {
        _Atomic uint64_t key;      /* plan index + 1; 0: free. Taken by rx, given up by main */
        _Atomic uint64_t heard_ns; /* rx: when the probe of its last answer was sent, else when that came */
        _Atomic uint64_t sent_ns;  /* tx */
        _Atomic uint32_t state;    /* rx: enum port_state that was handed on */
        /* main's own */
        uint8_t phase, tries; /* enum canary_state; 1: first probe, 2: the second */
        bool kept;
        unsigned step;
        uint64_t key_seen, first_ns, rest_until_ns;
};
struct canary_call { /* main -> tx */
        uint64_t index;
        uint32_t slot;
};
struct canaries {
        struct canary *slots; /* CANARY_SLOTS; NULL: there are no canaries */
        struct ring due[CANARY_TX_MAX];
        unsigned n_tx, next_tx, next_slot, known;
        uint64_t last_ns, look_ns;
        double credit;
        uint64_t wait_ns; /* answers later than this count as lost */
};
int canaries_init(struct canaries *, unsigned n_tx, struct err *);
void canaries_free(struct canaries *);
/* main: round trips mostly stay below rtt_ns (0: not known). */
void canaries_expect(struct canaries *, uint64_t rtt_ns);
/* rx, for each answer that carries our cookie and is more than "filtered". rtt_us: what the packet tells
 * about its round trip, 0: nothing. True: it repeats what was handed on before, and is news to nobody. */
bool canary_heard(struct canaries *, uint64_t index, unsigned state, uint64_t now_ns, uint32_t rtt_us);
/* tx: which plan indices are to be probed now, at most `most`. Each is sent like any other target, then told.
 */
unsigned canary_due(struct canaries *, unsigned tx, struct canary_call *, unsigned most);
void canary_sent(struct canaries *, const struct canary_call *, uint64_t now_ns);
/* main, every few milliseconds: asks for new samples at `pps` and adds those of `step` that ended. Returns
 * how many targets are known. */
unsigned canary_tick(struct canaries *, double pps, unsigned step, uint64_t now_ns, struct canary_sums *);
#endif
