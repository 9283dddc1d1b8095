// SPDX-License-Identifier: Apache-2.0
/*
 * io: packets in, packets out. One back-end per file behind one ops table; transmit and receive are opened
 * apart and may be different back-ends. Also what the kernel knows about links, routes and neighbours. The
 * hot functions move bursts and never allocate, log, fail or test for NULL.
 */
#ifndef TRAWL_IO_H
#define TRAWL_IO_H
#include "wire/wire.h"

/* ---- io.c: the door to every back-end ---- */
struct io_span { /* what may be addressed to us: for the receive filter; inclusive */
        struct ip_addr first, last;
        uint16_t port_first, port_last;
};
/* Where threads are more than queues: one call (of up to thousands of frames) at a time for each queue, as
 * two at once get in each other's way. A thread makes its probes before it asks for its turn. */
struct io_turn {
        _Alignas(CACHE_LINE) _Atomic bool taken;
};
struct io_conf {
        const char *name; /* interface, or the path of a capture file */
        bool tx, rx;      /* exactly one */
        uint32_t slots;   /* frames in the ring, 0: the back-end's default */
        bool promisc; /* receive: ask for frames sent to MACs that are not ours (--source-ip not our own) */
        /* This is socket `queue` of `n_queues` on one interface. Receive: queue 0 is opened first, the others
         * join the group its caps name. */
        unsigned queue, n_queues, fanout_id;
        /* receive, several queues: all that comes from one host comes by one queue, ICMP errors about it
         * included (only afpacket and rawip can; without it a flow keeps to its queue) */
        bool by_host;
        /* receive: a frame is wanted when it is ARP, NDP, or ICMP or TCP to one of these */
        const struct io_span *ours;
        unsigned n_ours;    /* 0: everything is wanted */
        bool all_protocols; /* receive: to our addresses, whatever the protocol or port (--pcap) */
        /* receive, back-ends with rx_answers: the key their cookie check needs, and whether they are to close
         * (RST) what answered with SYN-ACK */
        const struct hash_key *cookie;
        bool close_open;
        const char *bpf_text; /* --bpf: an extra pcap filter, ANDed; NULL */
        enum wire_link link;  /* `file`, `null`, `loop` transmit: what to pretend to be */
        struct io_turn *turn; /* transmit: the queue's; NULL: there are queues enough */
};
struct io_caps {
        enum wire_link link;
        uint16_t fanout_id; /* receive: the group that the interface's further queues join */
        uint16_t burst;     /* most frames worth handing over at once */
        uint32_t mtu;
        bool own_echo; /* receive also sees what this host sends (frame.outgoing is set on it) */
        bool finite; /* receive ends by itself (a capture file): io_rx_wait then is false at once, for ever */
};
struct io_stats {
        uint64_t tx, tx_bytes, tx_again /* would block, tried again */, tx_errors;
        uint64_t rx, rx_bytes, rx_missed /* dropped by the kernel for want of room */;
        uint64_t rst_lost;   /* RSTs sent below that the link had no room for */
        uint64_t tx_waiting; /* handed in, but found no room at the last kick */
        int last_error;      /* errno of the last refused send */
        const char *note;    /* what the back-end decided on its own, one line for people; NULL: nothing */
};
struct io_ops {
        const char *name, *summary;
        bool can_tx, can_rx;
        size_t state_size;   /* the core allocates it, zeroed, cache-line aligned */
        const char *missing; /* NULL, or the package to install: not compiled in, open() says so */
        /* control path: slow, may fail, explains itself */
        int (*open)(void *st, const struct io_conf *, struct io_caps *, struct err *);
        void (*close)(void *st);
        void (*stats)(void *st, struct io_stats *); /* any thread */
        /* transmit: reserve lends up to n slots (fewer: call tx_kick and try again), commit hands in the
         * first n of them in order with len set (no more than were lent since the last commit; the others are
         * no longer lent, so n = 0 gives all back), kick makes them leave. What
         * finds no room below, or a link that is down, stays for the next kick: all has left when stats'
         * tx_waiting is 0. */
        unsigned (*tx_reserve)(void *st, struct frame *, unsigned n);
        void (*tx_commit)(void *st, const struct frame *, unsigned n);
        void (*tx_kick)(void *st);
        /* transmit, optional (NULL): back-ends that make the frames themselves. tx_template tells the
         * template of a path before its first patch (control path; again when it changed). tx_patch takes up
         * to n patches of paths with the same layout, in order, and returns how many (fewer: no room, kick
         * and try again). */
        int (*tx_template)(void *st, uint16_t path, const struct probe_template *, struct err *);
        unsigned (*tx_patch)(void *st, const struct patch *, unsigned n);
        /* receive, optional: answers that were checked below (cookie and all), besides the frames; `stamp_ns`
         * gets CLOCK_MONOTONIC of each. Returns how many. */
        unsigned (*rx_answers)(void *st, struct answer *, uint64_t *stamp_ns, unsigned n);
        /* receive, optional, with rx_answers: how many RSTs have been sent from below, by all queues of the
         * interface together, since it was opened. Any thread; cheap. */
        uint64_t (*rx_closed)(void *st);
        void (*rx_allow)(void *st, uint32_t n); /* so many more of them, until it is called again */
        /* receive: burst lends frames that must be handed back by rx_done in the same order; wait sleeps
         * until a frame may be there (true) or the time has come (false). */
        unsigned (*rx_burst)(void *st, struct frame *, unsigned n);
        void (*rx_done)(void *st, const struct frame *, unsigned n);
        bool (*rx_wait)(void *st, uint64_t until_mono_ns);
};
struct io {
        const struct io_ops *ops;
        void *st;
        struct io_caps caps;
        bool rx; /* opened to receive, else to send */
};
extern const struct io_ops
        *const io_table[]; /* NULL-ended: xdp afxdp afpacket rawip pcap pfring file null loop */
const struct io_ops *io_by_name(const char *name); /* NULL: unknown */
/* Not in the table: whole frames by the hundred, beside probes that leave by xdp. */
extern const struct io_ops io_xdp_frames_ops;
/* Opens a back-end. 0, or -1 with a message that names the back-end, the interface and the mend (permission:
 * run as root or setcap; no such interface: lists those there are). */
int io_open(struct io *, const struct io_ops *, const struct io_conf *, struct err *);
void io_close(struct io *); /* closed twice or never opened: nothing happens */
/* pfring: its names for interfaces, "zc:eth0@2", "dna:eth0", "dna0@1", "eth0@2". The kernel's name goes into
 * `kernel`, the text without prefix and queue. True: only PF_RING has such names (not the last of these). */
bool io_pfring_name(const char *name, char *kernel, size_t cap);

static inline unsigned io_tx_reserve(struct io *io, struct frame *f, unsigned n)
{
        return io->ops->tx_reserve(io->st, f, n);
}
static inline void io_tx_commit(struct io *io, const struct frame *f, unsigned n)
{
        io->ops->tx_commit(io->st, f, n);
}
static inline void io_tx_kick(struct io *io)
{
        io->ops->tx_kick(io->st);
}
static inline unsigned io_rx_burst(struct io *io, struct frame *f, unsigned n)
{
        return io->ops->rx_burst(io->st, f, n);
}
static inline void io_rx_done(struct io *io, const struct frame *f, unsigned n)
{
        io->ops->rx_done(io->st, f, n);
}
static inline bool io_rx_wait(struct io *io, uint64_t until_mono_ns)
{
        return io->ops->rx_wait(io->st, until_mono_ns);
}

/* loop: memory, for tests. Everything sent on a transmit handle named "x" is received on the receive handle
 * named "x" after `peer` (set before open, may be NULL = identity) turned it into 0..n answers. One pair, one
 * name. */
typedef unsigned io_loop_peer(void *arg, const uint8_t *frame, size_t len, uint8_t *out, size_t cap,
                              size_t *out_len,
                              unsigned k); /* k-th answer to this frame; returns how many answers there are */
void io_loop_set_peer(const char *name, io_loop_peer *, void *arg);

/* ---- tap.c: wrappers round any opened back-end. Each takes the inner io over; closing the outer closes it.
 * ---- */
struct io_capture; /* a pcap file that several handles write to */
int io_capture_open(struct io_capture **, const char *path, bool append, enum wire_link, struct err *);
void io_capture_close(struct io_capture *);
int io_wrap_capture(struct io *, struct io_capture *,
                    struct err *); /* receive: frames our filter let through */
/* --packet-trace: one line per frame on stdout in the layout of outputs.md §15, every protocol, both
 * directions. */
int io_wrap_trace(struct io *, uint64_t start_mono_ns, struct err *);
struct io_fault { /* fault injection; shares in 1/10000; the generator is seeded, so a run can be repeated */
        uint32_t drop, duplicate, corrupt, truncate, reorder;
        uint64_t seed;
};
int io_wrap_fault(struct io *, const struct io_fault *, struct err *);

/* ---- shield.c: answers that the host's own TCP does not see ----
 * While it is open, TCP segments to `ours` are dropped behind the packet sockets, which still receive them,
 * and before the host's TCP, which would answer with a RST, unless a socket of this host wants them:
 * listening or connected, older than the shield or not. All of it is gone with the process, also when that is
 * killed. Control path, one thread. */
enum io_shield_by {
        IO_SHIELD_ANY, /* what this kernel has, the better first */
        IO_SHIELD_TCX, /* a program at tc ingress of each interface, Linux 6.6 */
        IO_SHIELD_NFT  /* nftables rules, for all interfaces together, Linux 5.12 */
};
struct io_shield_count {
        uint64_t dropped, local /* left to a socket of this host */;
};
struct io_shield;
int io_shield_open(struct io_shield **, const struct io_span *ours, unsigned n, enum io_shield_by,
                   struct err *);
/* One interface more that may bring answers (of a tagged VLAN its own, of a bridge's port the bridge is
 * taken); twice is no error. */
int io_shield_add(struct io_shield *, int ifindex, struct err *);
/* Interfaces that appear later get it, too, as long as this is called every now and then; it never waits.
 * True: the word has changed. */
bool io_shield_follow(struct io_shield *);
void io_shield_counts(struct io_shield *, struct io_shield_count *); /* how tests know who took a segment */
/* What it is, and what is not as it should be, as the end of a sentence; may change with io_shield_add
 * and io_shield_follow. */
const char *io_shield_word(const struct io_shield *);
void io_shield_close(struct io_shield *); /* NULL: nothing happens */

/* ---- netif.c, route.c: what the kernel knows (rtnetlink by libmnl) ---- */
struct io_ifaddr {
        struct ip_addr ip;
        uint8_t prefix_len;
        bool deprecated; /* tentative, deprecated or otherwise not to be used as a source */
};
struct io_link {
        int ifindex;
        char name[16];
        enum wire_link link;
        bool up, loopback, point_to_point, no_arp, is_veth;
        uint8_t mac[6];
        uint32_t mtu;
        struct io_ifaddr *addrs;
        size_t n_addrs;
};
/* linkstate.c: can frames leave by this interface at the moment? Asks the kernel; any thread. */
enum io_link_state {
        IO_LINK_OK,
        IO_LINK_DOWN /* switched off */,
        IO_LINK_NO_CARRIER,
        IO_LINK_GONE /* no interface has this index any more */
};
enum io_link_state io_link_look(int ifindex);
unsigned io_link_queues(const char *name); /* transmit queues in use; 0: the driver does not tell */
/* The interface listens for questions (ARP, NDP) about one more address until *fd, 0 at first, is closed. One
 * fd takes many. False: it does not. */
bool io_listen_for(int *fd, int ifindex, const struct ip_addr *);
struct io_facts; /* a snapshot */
int io_facts_load(struct io_facts **, struct err *);
void io_facts_free(struct io_facts *);
const struct io_link *io_facts_links(const struct io_facts *, size_t *n);
const struct io_link *io_facts_by_index(const struct io_facts *, int ifindex);
const struct io_link *io_facts_by_name(const struct io_facts *,
                                       const char *name);       /* name, or all digits: index */
void io_facts_print(const struct io_facts *, void *stdio_file); /* --iflist: interfaces, addresses, routes */
/* What a link itself has counted since it was made (IFLA_STATS64), whoever sent the frames. */
struct io_link_count {
        uint64_t tx_frames, tx_dropped;
        uint64_t rx_missed; /* frames that its ring had no room for */
};
/* Any time, one thread per snapshot. False: the link is gone, or the kernel does not tell. */
bool io_link_sent(struct io_facts *, int ifindex, struct io_link_count *);

enum io_route_kind {
        ROUTE_NONE /* unreachable, prohibited, no route */,
        ROUTE_GATEWAY,
        ROUTE_ONLINK,
        ROUTE_LOCAL,
        ROUTE_BROADCAST /* everybody on the link: a network's broadcast address, 255.255.255.255 */
};
struct io_route {
        enum io_route_kind kind;
        int ifindex;
        struct ip_addr src; /* preferred source; family 0: none found */
        struct ip_addr via; /* next hop (ROUTE_GATEWAY); may be of the other family (RFC 5549) */
        bool assumed;       /* ROUTE_ONLINK by no table: an interface was asked for and has no way there */
};
/* The kernel's answer for one destination (RTM_GETROUTE: rules, metrics and all); oif 0: any interface. */
int io_route_query(struct io_facts *, const struct ip_addr *dst, int oif, struct io_route *, struct err *);
/* Cuts [first, last] at every prefix boundary of the kernel's tables (local and on-link ones included) and
 * asks the kernel about each piece; calls f for each run of neighbouring pieces with an equal answer, in
 * order. On-link and local pieces keep their kind; the caller resolves neighbours. f's nonzero return ends
 * the walk. */
typedef int io_route_fn(void *arg, const struct ip_addr *first, const struct ip_addr *last,
                        const struct io_route *);
int io_route_cut(struct io_facts *, const struct ip_addr *first, const struct ip_addr *last, int oif,
                 io_route_fn *, void *arg, struct err *);

/* ---- ladder.c: --io auto ----
 * The back-ends for one direction, the fastest first. All that are usable on one link frame alike
 * (io_caps.link), because templates are planned before the first is opened. */
struct io_rung {
        const struct io_ops *ops;
        /* Is it worth opening there? 0, or -1 with the reason in a few words. `local`: the targets are the
         * host's own addresses. no_kernel: why back-ends that work inside the kernel do not fit this scan
         * ("": for no reason worth telling); NULL: they do. */
        int (*usable)(const struct io_link *, bool local, const char *no_kernel, struct err *);
        /* Transmit: how many frames have left the link; compared with what was handed to the back-end.
         * NULL: cannot be told. */
        bool (*proof)(struct io_facts *, int ifindex, struct io_link_count *);
};
extern const struct io_rung io_tx_ladder[], io_rx_ladder[]; /* the last has no ops */
const struct io_rung *io_rung_of(const struct io_rung *ladder, const struct io_ops *); /* NULL: none */
struct io_choice {
        const struct io_rung *at; /* NULL: chosen by hand, there is no other */
        const char *no_kernel;
        char passed[400]; /* "xdp: why not; …" for each better one; "": this is the best */
};
/* The best rung that is built in and usable; NULL: none. */
const struct io_ops *io_choose(struct io_choice *, const struct io_rung *ladder, const struct io_link *,
                               bool local, const char *no_kernel);
/* It did not open for this reason: the next one. NULL: none is left, or the reason would stop them all (no
 * right, no such interface, interface down). */
const struct io_ops *io_choose_next(struct io_choice *, const struct io_link *, bool local,
                                    const struct err *failed);

/* ---- neigh.c: next hops' MAC addresses (ARP, RFC 826; NDP, RFC 4861) ----
 * A bounded table. One thread, the resolver, owns it; askers (transmit threads) and tellers (receive threads)
 * look up without a lock and leave wishes and news in rings. Pure logic: time and packets are arguments. */
struct io_neigh;
struct io_neigh_conf {
        size_t capacity;
        unsigned tries;     /* questions without an answer until a neighbour is given up */
        uint64_t retry_ns;  /* between two of them */
        uint64_t calm_ns;   /* how long an answer is believed; then its next use asks again */
        uint64_t dead_ns;   /* how long silence is believed, likewise */
        unsigned n_askers;  /* each of them is one thread, numbered from 0 */
        unsigned n_tellers; /* likewise */
};
enum io_neigh_state {
        NEIGH_KNOWN,
        NEIGH_ASKING,
        NEIGH_DEAD /* asked `tries` times, no answer */,
        NEIGH_FULL
};
struct io_neigh_ask {
        int ifindex;
        struct ip_addr ip;
        bool to_mac; /* ask only who answered last time, at mac; else everybody on the link */
        uint8_t mac[6];
};
int io_neigh_new(struct io_neigh **, const struct io_neigh_conf *, struct err *);
void io_neigh_free(struct io_neigh *);
/* Asker. An unknown address becomes a question (NEIGH_FULL: no room to say so, try later). */
enum io_neigh_state io_neigh_find(struct io_neigh *, unsigned asker, int ifindex, const struct ip_addr *,
                                  uint8_t mac[6]);
enum io_neigh_told {
        NEIGH_SURE = 1,  /* overrides; else believed when nothing better is known, and makes us ask */
        NEIGH_ANSWER = 2 /* said to us alone, as an answer is; else it is asked about all the same */
};
/* Teller. Only addresses that were asked about are listened to. `how`: of enum io_neigh_told. */
void io_neigh_tell(struct io_neigh *, unsigned teller, int ifindex, const struct ip_addr *,
                   const uint8_t mac[6], unsigned how);
/* The resolver, all of the rest. Seed: from the kernel's table (RTM_GETNEIGH), what is certain there. */
int io_neigh_seed(struct io_neigh *, struct io_facts *, uint64_t now_ns, struct err *);
/* Takes wishes and news in. True: a neighbour that was known has another MAC now. */
bool io_neigh_take(struct io_neigh *, uint64_t now_ns);
/* Lets at most so many answers a second grow old, so that asking again does not eat up the rate. */
void io_neigh_age(struct io_neigh *, uint64_t now_ns, double most_pps);
/* Asks about a known neighbour once more, whether used or not. How many rounds of questions about it have
 * gone without an answer, in a row. */
unsigned io_neigh_confirm(struct io_neigh *, int ifindex, const struct ip_addr *);
void io_neigh_pin(struct io_neigh *, int ifindex, const struct ip_addr *); /* it is never forgotten */
/* A link goes out, or is back: nobody there can answer meanwhile, so nothing is asked, and nobody given up
 * for what was asked before it was back. */
void io_neigh_link(struct io_neigh *, int ifindex, bool out, uint64_t now_ns);
/* Which requests are due now, at most `most`; counts the try. */
unsigned io_neigh_due(struct io_neigh *, uint64_t now_ns, struct io_neigh_ask *, unsigned most);
#endif
