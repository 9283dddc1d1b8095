// SPDX-License-Identifier: Apache-2.0
/*
 * afxdp (private to io): the memory that the back-end `afxdp` shares with the kernel, and the table of its
 * slots. afxdp_ring.c owns both; afxdp.c opens, wakes and watches. Invariant: a slot is free or with the
 * kernel, never both: committing takes it from the free ones, and only the kernel's completion, once, puts it
 * back. Reference: Linux Documentation/networking/af_xdp.rst.
 *
 *   free ──reserve──> lent ──commit──> in the transmit ring ──> taken ──> completed ──reap──> free
 *    ^                 │ not committed        (ours until shown)   (the driver reads it)
 *    └─────────────────┘
 */
#ifndef TRAWL_AFXDP_H
#define TRAWL_AFXDP_H
#include "io_priv.h"

struct xsk_ring { /* indices only grow, modulo 2^32; each side writes one of the two */
        uint32_t *producer, *consumer, *flags;
        void *entries; /* struct xdp_desc, or the uint64_t address of a slot */
        uint32_t mask;
        void *map;
        size_t map_len;
};

enum xsk_slot { XSK_FREE /* also when lent */, XSK_WITH_KERNEL };
struct xsk {
        int fd; /* -1: closed; memory and rings stay readable */
        uint8_t *memory;
        size_t memory_len;
        struct xsk_ring tx, completed;
        uint32_t n_slots; /* a power of two, also the size of both rings */
        uint32_t *free;   /* a stack; those that are lent are its top, the first one uppermost */
        uint8_t *state;   /* enum xsk_slot of each */
        uint32_t n_free, n_lent;
        uint32_t filled, taken; /* in the transmit ring: committed by us, seen to be taken by the kernel */
        uint64_t strays;        /* completions of no slot that the kernel had: ignored */
};

/* ---- the slots ----
 * Transmit addresses may lie anywhere in a chunk as long as the frame does not leave it, and every driver
 * takes chunks of a page. So two slots share one, an odd multiple of 128 bytes apart, and each pair begins
 * some cache lines further on than the one before: slots at the same offset in every page would compete for
 * few sets of the cache. (Unaligned chunks, the other way to such addresses, are not taken by all drivers,
 * and may not cross pages either.) */
enum { XSK_CHUNK = 4096, XSK_SLOT = 13 * 128, XSK_COLOURS = 8, XSK_SLOTS_MIN = 64, XSK_SLOTS_MAX = 65536 };
_Static_assert(2 * XSK_SLOT + (XSK_COLOURS - 1) * CACHE_LINE <= XSK_CHUNK, "slots stay within their chunk");

static inline uint64_t xsk_address(uint32_t slot)
{
        uint32_t chunk = slot / 2, colour = chunk % XSK_COLOURS;
        return (uint64_t)chunk * XSK_CHUNK + slot % 2 * XSK_SLOT + colour * CACHE_LINE;
}

/* The table of slots alone; memory and rings are the caller's. `slots` is rounded up, 0: the default. */
int xsk_slots_init(struct xsk *, uint32_t slots, struct err *);
/* All of it: table, memory, socket, rings. The socket is not bound yet. */
int xsk_open(struct xsk *, uint32_t slots, const char *name, struct err *);
void xsk_shut(struct xsk *); /* the socket only: what the kernel has not taken by now it never will */
void xsk_free(struct xsk *);

unsigned xsk_reserve(struct xsk *, struct frame *, unsigned n);
void xsk_commit(struct xsk *, const struct frame *, unsigned n);
void xsk_show(struct xsk *); /* tells the kernel of everything committed */
/* How many more frames the kernel has taken since the last call, and their bytes. */
unsigned xsk_took(struct xsk *, uint64_t *bytes);
void xsk_reap(struct xsk *); /* takes completed slots back; not while some are lent */
/* The oldest frame not taken, which it then is: for a socket that was shut. False: there is none. */
bool xsk_pull(struct xsk *, struct span *frame);
static inline uint32_t xsk_waiting(const struct xsk *s)
{
        return s->filled - s->taken;
}
static inline bool xsk_wants_wakeup(const struct xsk *s)
{
        return (__atomic_load_n(s->tx.flags, __ATOMIC_RELAXED) & 1) != 0; /* XDP_RING_NEED_WAKEUP */
}

/* `afxdp` but for one thing: it has the kernel copy each frame, so it opens on any driver. It is in no table:
 * the tests use it, for the links they make know no zero-copy. A handle's state begins with its struct xsk.
 */
extern const struct io_ops io_afxdp_copy_ops;
#endif
