// SPDX-License-Identifier: Apache-2.0
/*
 * io_priv: what the back-ends of this folder share: counters that another thread may read, the queue of lent
 * transmit slots, the pcap file writer, the socket filter. Nobody outside src/io includes it. Invariant: a
 * counter has one writer, so adding to it needs no locked instruction.
 */
#ifndef TRAWL_IO_PRIV_H
#define TRAWL_IO_PRIV_H
#include "io.h"
#include <stdatomic.h>

extern const struct io_ops io_xdp_ops, io_afxdp_ops, io_afpacket_ops, io_rawip_ops, io_pcap_ops,
        io_pfring_ops, io_file_ops, io_null_ops, io_loop_ops;

/* ---- counters: written by the thread that owns the handle, read by any ---- */
struct io_counters {
        _Atomic uint64_t tx, tx_bytes, tx_again, tx_errors, tx_waiting, rx, rx_bytes, rx_missed;
        _Atomic int last_error;
};
static inline void ctr_add(_Atomic uint64_t *c, uint64_t n)
{
        atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}
void io_counters_read(const struct io_counters *, struct io_stats *);
/* Of a back-end that keeps another one beside it: both together. */
void io_counters_with_spare(const struct io_counters *, const struct io *spare, struct io_stats *);

/* Opens failing with EPERM or EACCES all need the same advice. Always -1. */
int io_err_open(struct err *, int code, const char *what, const char *name);
int io_err_no_interface(struct err *, const char *name); /* lists those there are */
/* Sleeps in ppoll until fd is readable (or breaks) or the time has come. 1 readable, 0 time, -1 POLLERR. */
int io_poll_until(int fd, uint64_t until_mono_ns);

/* ---- txq.c: lent slots in a ring ----
 *
 *   sent            committed          committed + lent                       sent + n_slots
 *    |  handed in    |   lent, unfilled   |            free                      |
 *
 * All three only grow; a slot's place is its number modulo n_slots (a power of two). */
struct txq {
        uint8_t *bytes;
        uint32_t *len;
        uint32_t n_slots, stride, cap;
        uint64_t sent, committed, lent;
};
int txq_init(struct txq *, uint32_t slots, uint32_t cap, struct err *);
void txq_free(struct txq *);
unsigned txq_reserve(struct txq *, struct frame *, unsigned n);
void txq_commit(struct txq *, const struct frame *, unsigned n);
static inline uint32_t txq_place(const struct txq *q, uint64_t number)
{
        return (uint32_t)(number & (q->n_slots - 1));
}
static inline uint8_t *txq_data(const struct txq *q, uint64_t number)
{
        return q->bytes + (size_t)txq_place(q, number) * q->stride;
}

/* ---- linkstate.c: is a refused frame refused for good, or only while the link is down? ----
 * A frame that is refused for now keeps its place. With that nothing is lost when somebody pulls the cable,
 * as long as the frames go past the queueing discipline: it throws them away without a word while there is no
 * carrier. Who must go through it sets by_queue, and asks before sending. */
struct link_watch {
        int fd;           /* any socket of the interface's network namespace */
        unsigned ifindex; /* 0: no interface in particular, never waits for one */
        bool by_queue;
        enum io_link_state state;
        uint64_t looked_ns, stuck_since_ns; /* stuck: nothing was taken since; 0: something was */
};
bool link_lets(struct link_watch *);           /* may frames be handed over at all? */
bool link_waits(struct link_watch *, int why); /* refused with `why`: only for now? */
static inline void link_took(struct link_watch *w)
{
        w->stuck_since_ns = 0;
        w->state = IO_LINK_OK;
}

/* ---- sendq.c: a txq whose slots leave through one or two sockets by sendmmsg ---- */
struct sendq {
        struct txq q;
        struct mmsghdr *msgs; /* one per slot, as are iov and fds */
        struct iovec *iov;
        int *fds;
        struct link_watch link; /* filled by the back-end */
};
int sendq_init(struct sendq *, uint32_t slots, uint32_t cap, struct err *);
void sendq_free(struct sendq *);
/* Sends what was committed, in order, until all has left, the kernel has no room or the link is down. Frames
 * refused for any other reason are counted and skipped. */
void sendq_kick(struct sendq *, struct io_counters *);

/* ---- filter.c: the receive filter as a classic BPF program ---- */
enum { FILTER_MAX = 4096 }; /* the kernel's own limit, BPF_MAXINSNS */
struct filter {
        struct sock_filter *ins; /* bit for bit a struct bpf_insn */
        unsigned n;
};
/* For frames of the interface conf->name, whose outer VLAN tag the kernel took out; NULL: of a capture file,
 * where tags stand in the frames. */
int filter_make(struct filter *, const struct io_conf *, enum wire_link, struct err *);
void filter_free(struct filter *);

/* ---- pcapfile.c: capture files, written ----
 * Whole records only: what did not fit on the disk is taken back, so the file always parses. */
struct pcap_writer {
        int fd;
        bool nano, regular;
        uint8_t *buf;
        size_t n;
        int64_t good; /* bytes in the file, all of them whole records */
        uint64_t wall_minus_mono;
        uint64_t lost; /* frames that could not be written */
        unsigned held; /* frames in buf */
        int last_error;
};
int pcapw_open(struct pcap_writer *, const char *path, bool append, bool nano, enum wire_link, struct err *);
void pcapw_frame(struct pcap_writer *, uint64_t mono_ns, const struct span *parts, unsigned n_parts);
void pcapw_flush(struct pcap_writer *);
void pcapw_close(struct pcap_writer *);

/* ---- pcap.c: reading a capture file is shared by `pcap` and `file` ---- */
bool pcap_is_file(const char *name, const char **path);

/* ---- tap.c: what the wrappers share ---- */
struct tap {               /* every wrapper's state begins with this */
        struct io_ops ops; /* the wrapper's functions under the inner back-end's name */
        struct io inner;
};
/* Puts a wrapper with `state_size` bytes of state round io. The new state, or NULL with e filled. */
void *tap_wrap(struct io *, const struct io_ops *functions, struct err *);
void tap_close(void *st);
void tap_stats(void *st, struct io_stats *);
unsigned tap_tx_reserve(void *st, struct frame *, unsigned n);
void tap_tx_commit(void *st, const struct frame *, unsigned n);
void tap_tx_kick(void *st);
unsigned tap_rx_burst(void *st, struct frame *, unsigned n);
void tap_rx_done(void *st, const struct frame *, unsigned n);
bool tap_rx_wait(void *st, uint64_t until_mono_ns);

/* ---- nl.c: rtnetlink, thinly over libmnl ---- */
struct nlmsghdr;
struct nlattr;
struct mnl_socket;
struct nl {
        struct mnl_socket *sock;
        unsigned seq, portid;
        uint8_t *buf;
};
typedef int nl_fn(const struct nlmsghdr *, void *arg);
int nl_open(struct nl *, struct err *);
void nl_close(struct nl *);
/* Dumps one kind of thing; a dump that changed under way is begun again after `restart(arg)` emptied the
 * result. */
int nl_dump(struct nl *, uint16_t type, uint8_t family, nl_fn *, void (*restart)(void *), void *arg,
            struct err *);
/* One request, one answer (NULL: the kernel only acknowledged). 0, or the kernel's positive errno. */
int nl_ask(struct nl *, struct nlmsghdr *, nl_fn *, void *arg);
struct ip_addr nl_ip(const struct nlattr *, uint8_t family); /* family 0 when missing or of another size */
/* Walks attributes: those of a message behind a header of `size` bytes, or of any stretch of bytes. */
const struct nlattr *nl_attr_at(const void *at, const void *end); /* NULL: none whole there */
const struct nlattr *nl_attr_first(const struct nlmsghdr *, size_t size);
const struct nlattr *nl_attr_next(const struct nlmsghdr *, const struct nlattr *);
#define NL_EACH(a, h, size) for (const struct nlattr *a = nl_attr_first(h, size); a; a = nl_attr_next(h, a))

struct io_facts {
        struct nl nl;
        struct io_link *links;
        size_t n_links, cap_links;
        struct route_cuts *cuts; /* route.c's; made when first needed */
};
void route_cuts_free(struct route_cuts *);
#endif
