// SPDX-License-Identifier: Apache-2.0
/*
 * xdp_frames: whole frames, by the hundred in one system call: replies and segments of conversations where
 * probes leave by xdp. The way of xdp_tx.c, but the program copies frames out of shared slots instead of
 * making them. A call costs as much as a dozen frames by a socket, so a few of them leave through an
 * AF_PACKET handle kept beside it; so do all where the kernel cannot tell which frames the driver refused,
 * where the MTU is larger than a slot, or when the driver turns out to take none this way. Invariant: a frame
 * handed in leaves exactly once.
 *
 *      commit ──> slots [sent .. committed) ──call──> left
 *                          ^                   └────> refused: moved up to those not reached, in order
 */
#include "xdp.h"

#define NAME "xdp"
#ifdef HAVE_XDP
#include <errno.h>
#include <net/if.h>
#include <sys/mman.h>

enum {
        WORTH = 16,      /* frames; fewer leave by the spare */
        HEADERS = 14 + 8 /* Ethernet, two VLAN tags: what the spare lends beyond the MTU */
};
static const uint64_t REST_NS = NS_PER_MS / 2; /* after a call by which little left */

struct xdp_frames {
        struct xdp_lane lane;
        struct xdp_tx_frames *slots; /* NULL: all goes through the spare */
        struct txq q;                /* over these slots */
        bool by_spare;               /* the slots lent last are the spare's */
        struct xdp_way way;
        uint64_t refused_ns; /* when a call found room for less than half; 0: the last one did for more */
        struct io_counters count;
        struct io spare;
};

static void lane_open(struct xdp_frames *x, const struct io_caps *caps)
{
        struct xdp_tx_layout layout = {.ifindex = x->way.ifindex, .len = 60};
        struct err unused;
        _Static_assert((int)WIRE_PROBE_MAX <= (int)XDP_TX_SLOT, "the least cap of the spare");
        if (caps->link != LINK_ETHER || caps->mtu + HEADERS > XDP_TX_SLOT ||
            xdp_lane_open(&x->lane, XDP_FRAMES, &layout, &unused))
                return;
        if (x->lane.watched)
                x->slots = xdp_map_memory(x->lane.obj, XDP_TX_FRAMES_MAP, sizeof(*x->slots), &unused);
        if (!x->slots) {
                xdp_lane_close(&x->lane);
                return;
        }
        x->q = (struct txq){.bytes = x->slots->bytes[0],
                            .len = x->slots->len,
                            .n_slots = XDP_TX_SLOTS,
                            .stride = XDP_TX_SLOT,
                            .cap = MAX(caps->mtu + HEADERS, (uint32_t)WIRE_PROBE_MAX)};
}

static int frames_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct xdp_frames *x = st;
        if (io_open(&x->spare, &io_afpacket_ops, c, e))
                return -1;
        *caps = x->spare.caps;
        x->way.ifindex = if_nametoindex(c->name);
        lane_open(x, caps);
        if (x->slots)
                caps->burst = XDP_TX_SLOTS;
        return 0;
}

static void frames_close(void *st)
{
        struct xdp_frames *x = st;
        if (x->slots) {
                munmap(x->slots, sizeof(*x->slots));
                xdp_lane_close(&x->lane);
        }
        io_close(&x->spare);
}

static void frames_stats(void *st, struct io_stats *s)
{
        struct xdp_frames *x = st;
        io_counters_with_spare(&x->count, &x->spare, s);
}

static unsigned frames_reserve(void *st, struct frame *f, unsigned n)
{
        struct xdp_frames *x = st;
        x->by_spare = !x->slots || x->way.left;
        return x->by_spare ? io_tx_reserve(&x->spare, f, n) : txq_reserve(&x->q, f, n);
}

static void frames_commit(void *st, const struct frame *f, unsigned n)
{
        struct xdp_frames *x = st;
        if (x->by_spare)
                io_tx_commit(&x->spare, f, n);
        else
                txq_commit(&x->q, f, n);
}

/* As far as the spare has room. */
static void hand_over(struct xdp_frames *x)
{
        for (struct frame f; x->q.sent != x->q.committed && io_tx_reserve(&x->spare, &f, 1); x->q.sent++) {
                f.len = x->q.len[txq_place(&x->q, x->q.sent)];
                assert(f.len <= f.cap);
                memcpy(f.data, txq_data(&x->q, x->q.sent), f.len);
                io_tx_commit(&x->spare, &f, 1);
        }
}

/* From the last that was decided about to the first, so that none is written over before it was moved.
 * Returns how many have left. */
static unsigned settle(struct xdp_frames *x)
{
        unsigned decided = xdp_lane_decided(&x->lane), to = decided;
        uint64_t bytes = 0;
        for (unsigned i = decided; i--;) {
                uint32_t at = txq_place(&x->q, x->q.sent + i);
                if (!xdp_lane_refused(&x->lane, i)) {
                        bytes += x->q.len[at];
                        continue;
                }
                uint32_t up = txq_place(&x->q, x->q.sent + --to);
                memmove(x->slots->bytes[up], x->slots->bytes[at], x->q.len[at]);
                x->q.len[up] = x->q.len[at];
        }
        x->q.sent += to;
        ctr_add(&x->count.tx, to);
        ctr_add(&x->count.tx_bytes, bytes);
        return to;
}

static void send_slots(struct xdp_frames *x)
{
        x->slots->first = x->q.sent;
        x->lane.queued = (unsigned)(x->q.committed - x->q.sent);
        int code = xdp_lane_call(&x->lane);
        unsigned sent = settle(x);
        if (!code)
                code = (int)x->lane.sh->bulk_err;
        ctr_add(&x->count.tx_again, x->lane.queued - sent);
        x->way.left = xdp_way_judge(&x->way, sent != 0, code) != NULL;
        x->refused_ns = sent >= x->lane.queued / 2 ? 0 : clock_mono_ns();
        bool too_long = !sent && code == EMSGSIZE; /* the MTU has become smaller: the spare tells */
        if (too_long)
                x->refused_ns = x->way.stuck_since_ns = 0;
        if (x->way.left || too_long)
                hand_over(x);
}

static bool rests(const struct xdp_frames *x)
{
        return x->refused_ns && clock_mono_ns() - x->refused_ns < REST_NS;
}

static void frames_kick(void *st)
{
        struct xdp_frames *x = st;
        if (x->q.committed - x->q.sent < WORTH || x->way.left)
                hand_over(x);
        else if (!rests(x))
                send_slots(x);
        io_tx_kick(&x->spare);
        atomic_store_explicit(&x->count.tx_waiting, x->q.committed - x->q.sent, memory_order_relaxed);
}

const struct io_ops io_xdp_frames_ops = {
        .name = NAME,
        .can_tx = true,
        .state_size = sizeof(struct xdp_frames),
        .open = frames_open,
        .close = frames_close,
        .stats = frames_stats,
        .tx_reserve = frames_reserve,
        .tx_commit = frames_commit,
        .tx_kick = frames_kick,
};
#else
const struct io_ops io_xdp_frames_ops = {.name = NAME, .can_tx = true, .missing = "clang and libbpf-dev"};
#endif
