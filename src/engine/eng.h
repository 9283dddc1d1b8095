// SPDX-License-Identifier: Apache-2.0
/*
 * eng: the engine's own header: what its threads share and who owns what. Set up once by plan.c and paths.c,
 * then read-only, but for the members marked atomic, which are the only traffic between threads besides
 * rings.
 *
 *   tx threads ──probes──> wire          rx threads ──answers (ring)──> writer ──> journal, outputs,
 * checkpoint ^  └─ window (answered bits) <──────┘  └─ RST, ARP (own send handle, same rate) └──────── stop,
 * pause <── main (signals, status, neighbours) ──┘
 */
#ifndef TRAWL_ENG_H
#define TRAWL_ENG_H
#include "engine.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
        ENG_TX_MAX = 64,
        ENG_RX_MAX = 16,
        ENG_DEVS_MAX = 64,
        ENG_BATCH = 64,
        ENG_BLOCK = 8192, /* positions a thread claims at once, and frames it sends by one call, at most */
        ENG_TURN_NS = 500000,
        ENG_NO_PATH = 0xffff,
        ENG_LOST_MAX = 64
};

/* ---- rate.c: one bucket for every frame we send
 * ------------------------------------------------------------ A virtual clock (GCRA, ITU-T I.371): `due` is
 * when the next frame may leave. It never lags behind now by more than one frame plus 1.4 ms, so
 * that is the largest burst, and time lost to a stall is not made up. */
struct rate {
        _Atomic uint64_t due;       /* in 1/256 ns since epoch_ns */
        _Atomic uint64_t per_frame; /* 1/256 ns per frame */
        _Atomic uint64_t stalls, stall_ns;
        _Atomic uint64_t in_hand;         /* had their turn and have not left yet */
        _Atomic uint32_t replies_waiting; /* probes yield while replies wait */
        bool closes_below;                /* back-ends send RSTs on their own: room for one is kept */
        _Atomic uint32_t follow_ns; /* what such RSTs may take that follow a turn and are charged later */
        uint64_t epoch_ns;
};
void rate_init(struct rate *, double pps, uint64_t now_ns);
void rate_set(struct rate *, double pps);
double rate_pps(const struct rate *);
/* At most `want` frames may leave now; how many. They are in the caller's hands until rate_left or
 * rate_give_back. Any thread. */
unsigned rate_take(struct rate *, unsigned want, uint64_t now_ns);
/* The same for those who send only when there is something to answer: time they did not use is no stall. */
unsigned rate_take_reply(struct rate *, unsigned want, uint64_t now_ns);
void rate_charge(struct rate *, uint64_t frames); /* these have left below us already */
/* These leave only now, long after their turn: they count in this window. */
void rate_charge_late(struct rate *, uint64_t frames, uint64_t now_ns);
void rate_charge_late_reply(struct rate *, uint64_t frames, uint64_t now_ns); /* no stall */
/* Frames count when they have left: then the clock is moved on to where it would be, had all that are in
 * anybody's hands been taken just now. */
void rate_left(struct rate *, unsigned frames, uint64_t now_ns);
void rate_left_reply(struct rate *, unsigned frames, uint64_t now_ns); /* no stall, as rate_take_reply */
void rate_give_back(struct rate *, unsigned frames);                   /* these do not leave at all */
uint64_t rate_when(const struct rate *, unsigned frames); /* monotonic time at which so many may leave */
void rate_restart(struct rate *, uint64_t now_ns);        /* after a pause of our own: not a stall */

/* ---- window.c: which positions of the order were answered
 * --------------------------------------------------- A ring bitmap over the positions still inside retries ×
 * delay + horizon; see ARCHITECTURE.md "Retries". */
struct window {
        _Atomic uint64_t *bits;
        _Atomic uint32_t *sent_ms; /* per 64 positions: when they were first sent */
        uint64_t mask;             /* positions in the ring - 1 */
        _Atomic uint64_t low;      /* everything below is settled */
        _Atomic uint64_t next;     /* next position to claim */
};
int window_init(struct window *, uint64_t positions, struct err *);
void window_free(struct window *);
/* Claims up to `want` positions from next, never past `end` nor half a ring above low, and forgets their
 * bits. Returns how many. */
uint64_t window_claim(struct window *, uint64_t *first, uint64_t want, uint64_t end);
/* Everything below `low` is settled, and its pages go back to the kernel by and by; one thread. */
void window_settle(struct window *, uint64_t low);
bool window_mark(struct window *, uint64_t pos); /* answered; was it already? false outside the window */
bool window_answered(const struct window *, uint64_t pos);
void window_sent(struct window *, uint64_t pos, uint32_t now_ms);
uint32_t window_age_ms(const struct window *, uint64_t pos, uint32_t now_ms); /* since sent; 0: unknown */
bool window_holds(const struct window *, uint64_t pos); /* claimed, and not settled yet */

/* ---- devices and paths (paths.c)
 * ------------------------------------------------------------------------------ */
struct proof_mark {
        uint64_t handed, left, dropped;
};
struct proof { /* do frames that were handed to an interface leave it? (proof.c, main thread) */
        bool watching, told;
        uint64_t since_ns;            /* when frames were first missed; 0: none are */
        uint64_t patience_ns;         /* so long a counter may be late */
        struct proof_mark good, last; /* when all was well; when it was compared last */
        uint64_t handed_before;       /* at the look before this one */
        uint64_t lost;                /* in troubles that are over */
        _Atomic uint64_t unseen;      /* handed over, and no counter moved */
};
struct dev { /* one interface (or file) frames leave and arrive through */
        int ifindex;
        char name[256];
        const struct io_link *link; /* NULL: not an interface */
        const struct io_ops *tx_ops, *rx_ops;
        struct io_choice tx_choice, rx_choice; /* how those were found */
        struct proof proof;
        _Atomic int out;       /* enum io_link_state, as link.c saw it last */
        uint64_t out_since_ns; /* main thread; 0: it is up */
        bool out_told, noted;
        bool looked, mute; /* the first look was taken; it said "no carrier", which some drivers always do */
        uint64_t rx_missed_before;        /* the interface's own counter when the scan began */
        _Atomic uint64_t rx_missed;       /* what it has lost since (proof.c) */
        bool local;                       /* loopback or own addresses: raw IP */
        bool rx_shared;                   /* another dev of the same interface receives for both */
        struct io_turn turns[ENG_TX_MAX]; /* one a queue */
        struct io tx[ENG_TX_MAX], rx[ENG_RX_MAX], reply[ENG_RX_MAX];
        struct io ask; /* neighbour requests, main thread */
        enum wire_link tx_link;
        uint8_t mac[6];
        uint16_t vlan;
        unsigned slot; /* which --adapter[n] it came from */
};
struct path { /* everything that is constant for a stretch of targets */
        unsigned dev, slot;
        uint8_t family;
        enum io_route_kind kind;
        struct ip_addr via; /* gateway */
        struct wire_hop hop;
        bool mac_known; /* by hand, or none is needed; else via (gateway) or each target (on-link) is asked */
        bool silence_told;    /* that the gateway no longer answers */
        _Atomic uint64_t mac; /* as it lies in memory; 0: not known yet; of a gateway, main keeps it true */
        bool by_patch;        /* its back-end makes the frames itself */
        struct scan_source source;
        struct probe_template tmpl;
};
static inline uint64_t eng_mac_word(const uint8_t mac[6])
{
        uint64_t word = 0;
        memcpy(&word, mac, 6);
        return word;
}
struct stretch { /* addresses [first, last] leave by `path`; sorted; per slot */
        struct ip_addr first, last;
        uint16_t path;
};

struct lost_addr { /* one of our sources that the kernel had and took away when its link went down */
        struct ip_addr ip;
        _Atomic bool gone; /* else it is back */
};

struct counters { /* one per thread, only its owner writes */
        _Alignas(CACHE_LINE) _Atomic uint64_t probes, retries, replies, replies_dropped, unreachable,
                unresolved, targets, parked, waited_ns; /* tx: for something else than its turn */
        _Atomic uint64_t frames, answers, forged, foreign, old, bad[WIRE_NDROPS];
        _Atomic uint64_t segments, banners_lost; /* of conversations */
        _Atomic uint64_t not_reached;            /* open, and never spoken to */
};
#define COUNT(c, n)                                                                                   \
        atomic_store_explicit(&(c), atomic_load_explicit(&(c), memory_order_relaxed) + (uint64_t)(n), \
                              memory_order_relaxed)

struct heard;  /* talk.h */
struct found { /* rx -> writer */
        struct answer answer;
        uint64_t index, wall_ns;
        struct heard *heard; /* a banner instead of an answer: the writer's to free; else NULL */
};

struct tallies { /* the writer's own; atomic so that main can show them */
        _Atomic uint64_t open, closed, filtered, duplicates, banners;
        _Atomic uint64_t all_open;         /* hosts that answer on every port */
        _Atomic uint64_t last_answer_ms;   /* since start */
        _Atomic uint64_t blocked_since_ms; /* an output does not take bytes; 0: it does */
};

enum stop_why { STOP_NO, STOP_SIGNAL, STOP_RUNTIME, STOP_RESULTS, STOP_BROKEN_PIPE, STOP_FAILED, STOP_LINK };

struct eng {
        struct conf *conf;
        struct tgt_plan *plan;
        struct tgt_plan_facts facts;
        struct tgt_order orders[2]; /* --infinite: this round's and the last one's */
        _Atomic(const struct tgt_order *) order;
        uint64_t seed;
        uint64_t arc_start;          /* first position of this shard */
        uint64_t pos_start, pos_end; /* this shard's arc, cut by --resume-index and -count */
        struct scan_key key;
        struct scan_source sources[2 * CONF_ADAPTERS_MAX + ENG_DEVS_MAX];
        unsigned n_sources;
        uint16_t port_first, port_count; /* default source ports, kept over a resume */

        struct io_facts *kernel;
        struct io_neigh *neigh;
        struct dev devs[ENG_DEVS_MAX];
        unsigned n_devs;
        struct path *paths;
        size_t n_paths, cap_paths;
        struct stretch *stretches[CONF_ADAPTERS_MAX];
        size_t n_stretches[CONF_ADAPTERS_MAX], cap_stretches[CONF_ADAPTERS_MAX];
        uint16_t only_path[2]; /* by family (IPv4, IPv6): the one path all targets leave by, or ENG_NO_PATH */
        unsigned n_slots;
        struct io_capture *capture;

        unsigned n_tx, n_rx;
        struct rate rate;
        struct steer *steer; /* --rate auto, and what is known of coverage */
        /* RSTs that back-ends send on their own (rx.c); who holds the flag may touch the rest */
        atomic_flag closing;
        uint64_t closed_charged, close_ns;
        double close_tokens;
        uint64_t closed_lately, close_look_ns; /* RSTs since then */
        double close_share;                    /* of all frames, at its highest lately */
        _Atomic uint32_t turn_ns;
        struct window window;
        uint32_t probe_len; /* longest probe frame, for bandwidth and rates */
        struct counters tx_count[ENG_TX_MAX], rx_count[ENG_RX_MAX];
        struct ring found[ENG_RX_MAX];
        struct tallies tally;

        uint64_t start_ns, start_wall_ns;
        _Atomic int stop;      /* enum stop_why: no new probes */
        _Atomic bool tx_pause; /* results pile up: probes wait */
        _Atomic bool tx_quit, rx_quit, writer_quit;
        _Atomic bool hurry; /* second Ctrl-C: leave now */
        _Atomic unsigned tx_running;
        _Atomic uint64_t tx_oldest[ENG_TX_MAX]; /* lowest position a thread still owes something; MAX: none */
        _Atomic uint64_t rx_caught_up_ns[ENG_RX_MAX]; /* frames up to here were looked at */
        _Atomic uint64_t last_send_ns;
        _Atomic uint32_t rtt_max_ms;
        _Atomic uint64_t pauses, pause_ns;
        _Atomic uint64_t full_ns; /* probes have waited so long for room to talk */
        _Atomic uint64_t ask_count;
        /* link.c */
        _Atomic bool link_out;                        /* an interface is down or gone */
        _Atomic uint64_t recall_since_ns[ENG_TX_MAX]; /* a thread is to probe again what it sent since then;
                                                         UINT64_MAX: nothing */
        _Atomic bool recalling[ENG_TX_MAX];           /* it is about it, or was stopped over it */
        _Atomic uint64_t outage_end_ns;               /* of the last one */
        uint64_t link_look_ns, out_ns;                /* main thread: next look; all outages together */
        struct lost_addr lost_addrs[ENG_LOST_MAX];
        _Atomic unsigned n_lost_addrs;
        uint64_t addr_look_ns;        /* main thread: when addresses are looked at next; 0: all are there */
        int group_fd;                 /* listens for questions about lost addresses; 0: none are lost */
        pthread_mutex_t round_lock;   /* --infinite: order, seed and positions change together */
        struct io_neigh_ask asks[64]; /* due, waiting for their turn; main thread */
        unsigned n_asks;
        struct {
                uint64_t asked_ns;        /* when all were asked whether they are still there */
                uint64_t heard, heard_ns; /* answers to probes, and since when there were no more */
                uint64_t told_ns;         /* when a change was last told */
        } gateways;                       /* main thread */
        uint64_t proof_look_ns;           /* when the proofs are looked at next */

        /* --banners: conversations. Each receive thread's own, but for the atomic words. */
        struct tls_pool *tls; /* NULL: none is built in, or none wanted */
        struct io_shield *shield;
        _Atomic uint64_t rx_oldest[ENG_RX_MAX]; /* lowest position it still talks to; UINT64_MAX: none */
        _Atomic uint32_t talking[ENG_RX_MAX];   /* services not done with */
        _Atomic uint32_t talk_full;             /* so many threads can talk to no more: probes wait */
        _Atomic uint64_t heard_bytes;           /* on their way to the writer */

        /* carried over from the scan that is resumed */
        uint64_t base_probes, base_elapsed_ns;
        struct writer *writer;
};

static inline const struct tgt_order *eng_order(const struct eng *g)
{
        return atomic_load_explicit(&((struct eng *)g)->order, memory_order_acquire);
}

/* plan.c */
int eng_prepare(struct eng *, struct err *); /* plan, order, gates, keys, effective rate: before any socket */
int eng_make_plan(struct eng *, struct err *);
double eng_polite_pps(const struct eng *, double pps); /* what --max-rate-per-… leave of a rate */
/* The arc of positions that shard, --resume-index, --resume-count and --max-targets leave. */
int eng_arc(const struct conf *, const struct tgt_order *, uint64_t *first, uint64_t *end, struct err *);
void eng_free(struct eng *);
char *eng_ports_text(const struct tgt_ports *, uint32_t base, uint32_t count,
                     uint32_t *n); /* one protocol's list */
/* paths.c */
int eng_make_paths(struct eng *, struct err *);
uint16_t eng_path_of(const struct eng *, const struct ip_addr *, uint64_t pos);
/* devs.c */
int eng_open_devs(struct eng *, struct err *);
void eng_close_devs(struct eng *);
int eng_add_dev(struct eng *, int ifindex, const char *name, unsigned slot, bool local, unsigned *index,
                struct err *);
bool eng_io_is_virtual(const struct eng *); /* no wire at all: null, file, loop, --offline */
void eng_say_devs(const struct eng *);      /* what was chosen, and why not the faster one */
/* proof.c */
void eng_proof_start(struct eng *); /* before the first probe */
void eng_proof_watch(struct eng *, uint64_t now_ns);
void eng_count_link_drops(struct eng *); /* what the interfaces themselves have lost */
/* tx.c, rx.c */
struct tx_arg {
        struct eng *eng;
        unsigned id;
};
void *tx_thread(void *tx_arg);
void *rx_thread(void *tx_arg);
/* Before a turn is taken: what back-ends have sent on their own (RSTs) counts as ours. Any thread. */
void eng_charge_closed(struct eng *);
/* How long the turns of probes are: with the RSTs that follow a turn from below, half a millisecond. */
static inline uint32_t eng_turn_ns(const struct eng *g)
{
        return atomic_load_explicit(&((struct eng *)g)->turn_ns, memory_order_relaxed);
}
void eng_set_turns(struct eng *);                               /* by close_share */
bool eng_closes_below(const struct eng *);                      /* some back-end sends RSTs on its own */
bool eng_is_source(const struct eng *, const struct ip_addr *); /* probes leave from it */
uint64_t eng_settled(const struct eng *);                       /* lowest position that is not settled */
uint64_t eng_caught_up_ns(const struct eng *); /* what had arrived by then was looked at by all receivers */
/* talks.c: what --banners needs besides the receive threads */
void eng_start_talks(
        struct eng *); /* TLS workers, the shield; what cannot be had is told, and done without */
void eng_watch_shield(struct eng *); /* interfaces that come up later; run by main */
void eng_end_talks(struct eng *);
uint32_t eng_talking(const struct eng *); /* services not done with; any thread */
/* link.c: interfaces that go down, run by main */
void eng_watch_links(struct eng *, uint64_t now_ns);
void eng_forget_links(struct eng *);
bool eng_link_out(const struct eng *, const struct dev *);         /* nothing leaves by it now; any thread */
bool eng_address_lost(const struct eng *, const struct ip_addr *); /* the kernel has it no more; any thread */
const char *eng_link_word(const struct dev *); /* "is down" and the like; NULL: it is up */
/* cpus.c */
int eng_check_cores(const struct conf *, struct err *);
void eng_place(const struct eng *, bool tx, unsigned id); /* the calling thread */
/* resolve.c: neighbours, run by main */
int eng_make_neighbours(struct eng *, struct err *);       /* the table, before any thread runs */
int eng_gateways(struct eng *, bool *ready, struct err *); /* call until ready; -1: one is dead */
void eng_ask_neighbours(struct eng *, uint64_t now_ns);
/* writer.c */
int writer_new(struct eng *, struct err *);
void *writer_thread(void *eng);
int writer_finish(struct eng *, bool complete,
                  struct err *); /* last flush, trailers; removes or writes the checkpoint */
const char *writer_problem(const struct eng *, char *buf,
                           size_t cap); /* what blocks the outputs; NULL: nothing */
/* journal.c */
struct journal;
int journal_open(struct journal **, const char *path, bool fresh, struct err *);
enum { JOURNAL_BATCH = 8192 };                             /* most records between two flushes */
bool journal_full(const struct journal *);                 /* no room for another batch: flush first */
bool journal_add(struct journal *, const struct record *); /* false: no memory, it is not in */
int journal_flush(struct journal *, struct err *);
uint64_t journal_len(const struct journal *);
/* Calls f for each whole record from the start; `offset` is where it begins. Cuts a torn tail. */
int journal_replay(struct journal *, void (*f)(void *, const struct record *, uint64_t offset), void *,
                   struct err *);
void journal_close(struct journal *, bool remove);
/* checkpoint.c */
int checkpoint_write(struct eng *, const struct out *, uint64_t settled, uint64_t journal_bytes, bool sync,
                     struct err *);
int checkpoint_choose_path(struct eng *, struct err *);
int checkpoint_load(struct eng *,
                    struct err *); /* plan, key, ports, position, counters of the resumed scan */
void checkpoint_remove(const struct eng *);
/* status.c */
struct status {
        uint64_t next_ns, last_ns, last_frames, last_full_ns;
        double rate_now;
        bool waiting;
        bool talk_full; /* probes waited for room to talk most of the time since the last look */
        uint64_t wait_end_ns;
};
struct totals {
        uint64_t probes, retries, replies, targets, unreachable, unresolved, parked, replies_dropped;
        uint64_t frames, answers, forged, foreign, old, bad[WIRE_NDROPS];
        uint64_t banners_lost, not_reached;
        uint64_t missed, link_missed, rst_lost, tx_errors, tx_again, unseen;
        int last_error;
};
void eng_totals(struct eng *, struct totals *);
void status_show(struct eng *, struct status *, uint64_t now_ns);
void status_start(struct eng *);
void status_summary(struct eng *, enum stop_why why, bool complete);
/* scan.c */
int eng_scan(struct conf *);
/* ops.c, selftest.c */
int eng_list(struct conf *);
int eng_readscan(struct conf *);
int eng_repair(struct conf *);
int eng_iflist(struct conf *);
int eng_debug_if(struct conf *);
int eng_read_range(struct conf *);
int eng_selftest(void);
/* benchmark.c, benchmark_tx.c */
int eng_benchmark(struct conf *);
int eng_benchmark_tx(struct conf *);
void eng_record_of(const struct eng *, const struct found *, struct record *);
int eng_fail(const struct err *, int status); /* says it, returns status */
#endif
