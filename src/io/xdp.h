// SPDX-License-Identifier: Apache-2.0
/*
 * xdp (private to io): what the two halves of the back-end `xdp` share. Transmit feeds patches to a program
 * that the kernel runs once per frame (xdp_tx.c); receive has a program check cookies on arrival and hands
 * answers over (xdp_rx.c); xdp_load.c brings both into the kernel. Invariant: see xdp_load.c.
 */
#ifndef TRAWL_XDP_H
#define TRAWL_XDP_H
#include "io_priv.h"
#include "xdp_kernel.h"

#ifdef HAVE_XDP
struct bpf_object;
struct bpf_program;
enum xdp_program { XDP_TRANSMIT, XDP_RECEIVE, XDP_SHIELD /* shield_tcx.c's: at tc, not at XDP */ };
struct bpf_object *xdp_object(enum xdp_program, struct err *); /* opened, not loaded; NULL: e filled */
int xdp_object_load(struct bpf_object *, struct err *);
bool xdp_can_watch(void); /* this kernel tells of its types, so tracepoints can be had */
void *xdp_map_memory(struct bpf_object *, const char *map, size_t len, struct err *); /* NULL: e filled */
struct xdp_hold {                                                                     /* -1: none */
        int link, netns;
};
int xdp_hold(struct bpf_program *, struct xdp_hold *, struct err *);
void xdp_release(struct xdp_hold *);

/* xdp_lane.c */
#define XDP_TX_FRAMES_MAP "frames"
enum xdp_makes { XDP_PROBES, XDP_FRAMES };
struct xdp_lane { /* one loaded program; of probes, all paths whose frames have the same layout */
        struct xdp_tx_layout layout;
        struct bpf_object *obj;
        struct bpf_link *watch[2];
        bool watched; /* else this kernel cannot tell, and refusals go unseen */
        struct xdp_hold hold;
        struct xdp_tx_shared *sh;
        struct io_turn *turn; /* NULL: call at any time */
        int fd;
        unsigned queued; /* frames of the next call, XDP_TX_CALL at most */
};
int xdp_lane_open(struct xdp_lane *, enum xdp_makes, const struct xdp_tx_layout *, struct err *);
void xdp_lane_close(struct xdp_lane *);
/* Has the kernel make and send what is queued. Positive errno when it could not run at all. */
int xdp_lane_call(struct xdp_lane *);
/* So many of them have left, but for those that were refused; the others were not reached. */
unsigned xdp_lane_decided(const struct xdp_lane *);
static inline bool xdp_lane_refused(const struct xdp_lane *l, unsigned i)
{
        return l->sh->back[i / 64] >> (i & 63) & 1;
}
struct xdp_way { /* does this interface take frames so? */
        unsigned ifindex;
        bool proven, left; /* some were seen to leave; gave up: everything goes through the spare */
        uint64_t stuck_since_ns;
};
/* After each call with anything queued: whether any of it left. NULL: go on; else why this is no way out. */
const char *xdp_way_judge(struct xdp_way *, bool sent, int code);

/* One handle is one half. */
struct xdp_state {
        bool rx; /* first member of both halves' state */
};
struct xdp_tx;
struct xdp_rx;
enum { XDP_STATE_SIZE = 192 << 10 }; /* the larger of the two, checked in both files */
int xdp_tx_open(struct xdp_tx *, const struct io_conf *, struct io_caps *, struct err *);
void xdp_tx_close(struct xdp_tx *);
void xdp_tx_stats(struct xdp_tx *, struct io_stats *);
unsigned xdp_tx_reserve(void *st, struct frame *, unsigned n);
void xdp_tx_commit(void *st, const struct frame *, unsigned n);
void xdp_tx_kick(void *st);
int xdp_tx_template(void *st, uint16_t path, const struct probe_template *, struct err *);
unsigned xdp_tx_patch(void *st, const struct patch *, unsigned n);
int xdp_rx_open(struct xdp_rx *, const struct io_conf *, struct io_caps *, struct err *);
void xdp_rx_close(struct xdp_rx *);
uint64_t xdp_rx_closed(void *st);
void xdp_rx_allow(void *st, uint32_t n);
void xdp_rx_stats(struct xdp_rx *, struct io_stats *);
unsigned xdp_rx_answers(void *st, struct answer *, uint64_t *stamp_ns, unsigned n);
unsigned xdp_rx_burst(void *st, struct frame *, unsigned n);
void xdp_rx_done(void *st, const struct frame *, unsigned n);
bool xdp_rx_wait(void *st, uint64_t until_mono_ns);
#endif
#endif
