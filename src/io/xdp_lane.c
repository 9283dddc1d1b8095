// SPDX-License-Identifier: Apache-2.0
/*
 * xdp_lane: one loaded program that makes frames, and a call that has the kernel run it once per frame and
 * send what it made ("live frames"). Used by both transmit halves, for probes (xdp_tx.c) and for whole frames
 * (xdp_frames.c). Invariant: after a call each frame is known to have left or not, where the kernel tells.
 * Reference: Linux Documentation/bpf/bpf_prog_run.rst; costs in docs/performance.md.
 */
#include "xdp.h"
#ifdef HAVE_XDP
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>

enum { BATCH = 64 };
static const uint64_t PATIENCE_NS =
        NS_PER_S; /* an interface that is up and takes nothing for so long is no way out */
static const char *const programs[] = {[XDP_PROBES] = "send_probe", [XDP_FRAMES] = "send_frame"};
static const char *const watchers[2] = {"on_xmit", "on_redirect_err"};

/* Without BTF of the kernel the tracepoints cannot be had; frames are then taken for sent when they were
 * made. */
static int load(struct xdp_lane *l, enum xdp_makes makes, struct err *e)
{
        bool watch = xdp_can_watch();
        l->obj = xdp_object(XDP_TRANSMIT, e);
        if (!l->obj)
                return -1;
        bpf_program__set_autoload(bpf_object__find_program_by_name(l->obj, programs[!makes]), false);
        bpf_map__set_autocreate(bpf_object__find_map_by_name(l->obj, XDP_TX_FRAMES_MAP), makes == XDP_FRAMES);
        for (unsigned i = 0; i < ARRAY_LEN(l->watch); i++)
                bpf_program__set_autoload(bpf_object__find_program_by_name(l->obj, watchers[i]), watch);
        bpf_map__set_initial_value(bpf_object__find_map_by_name(l->obj, ".rodata.layout"), &l->layout,
                                   sizeof(l->layout));
        if (xdp_object_load(l->obj, e)) {
                bpf_object__close(l->obj);
                l->obj = NULL;
                return -1;
        }
        for (unsigned i = 0; watch && i < ARRAY_LEN(l->watch); i++)
                l->watch[i] = bpf_program__attach(bpf_object__find_program_by_name(l->obj, watchers[i]));
        l->watched = l->watch[0] && l->watch[1];
        return 0;
}

int xdp_lane_open(struct xdp_lane *l, enum xdp_makes makes, const struct xdp_tx_layout *layout, struct err *e)
{
        *l = (struct xdp_lane){.layout = *layout, .hold = {-1, -1}};
        if (load(l, makes, e))
                return -1;
        struct bpf_program *p = bpf_object__find_program_by_name(l->obj, programs[makes]);
        l->fd = bpf_program__fd(p);
        l->sh = xdp_map_memory(l->obj, ".data.shared", sizeof(*l->sh), e);
        if (l->sh && !xdp_hold(p, &l->hold, e))
                return 0;
        xdp_lane_close(l);
        return -1;
}

void xdp_lane_close(struct xdp_lane *l)
{
        if (l->sh)
                munmap(l->sh, sizeof(*l->sh));
        xdp_release(&l->hold);
        for (unsigned i = 0; i < ARRAY_LEN(l->watch); i++)
                bpf_link__destroy(l->watch[i]);
        bpf_object__close(l->obj);
        memset(l, 0, sizeof(*l));
}

/* Asks again and again, for with a mutex two threads sent a tenth less; but lets others have the CPU. */
static void take_turn(struct io_turn *t)
{
        while (t && (atomic_load_explicit(&t->taken, memory_order_relaxed) ||
                     atomic_exchange_explicit(&t->taken, true, memory_order_acquire)))
                sched_yield();
}

static void end_turn(struct io_turn *t)
{
        if (t)
                atomic_store_explicit(&t->taken, false, memory_order_release);
}

int xdp_lane_call(struct xdp_lane *l)
{
        static const uint8_t blank[XDP_TX_FRAME];
        struct xdp_tx_shared *sh = l->sh;
        LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = blank, .data_size_in = l->layout.len,
                    .repeat = (int)l->queued, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
                    .batch_size = MIN(l->queued, (unsigned)BATCH));
        sh->next = sh->flushed = sh->n_back = sh->bulk_err = 0;
        memset(sh->back, 0, sizeof(sh->back));
        take_turn(l->turn);
        sh->calling = 1;
        int rc = bpf_prog_test_run_opts(l->fd, &o);
        sh->calling = 0;
        end_turn(l->turn);
        return rc && errno != EINTR ? errno : 0;
}

unsigned xdp_lane_decided(const struct xdp_lane *l)
{
        unsigned reached = (unsigned)MIN(l->sh->next, (__u64)l->queued);
        return l->watched ? (unsigned)MIN(l->sh->flushed, (__u64)reached) : reached;
}

const char *xdp_way_judge(struct xdp_way *w, bool sent, int code)
{
        uint64_t now = clock_mono_ns();
        if (sent) {
                w->proven = true;
                w->stuck_since_ns = 0;
                return NULL;
        }
        if (io_link_look((int)w->ifindex) != IO_LINK_OK) {
                w->stuck_since_ns = 0; /* link.c tells */
                return NULL;
        }
        if (!w->proven && (code == EOPNOTSUPP || code == ENXIO))
                return strerror(code);
        if (!w->stuck_since_ns)
                w->stuck_since_ns = now;
        if (now - w->stuck_since_ns <= PATIENCE_NS)
                return NULL;
        return code ? strerror(code) : "it has taken none for a second";
}
#endif
