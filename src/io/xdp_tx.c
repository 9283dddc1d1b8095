// SPDX-License-Identifier: Apache-2.0
/*
 * xdp_tx: probes made inside the kernel. Patches are collected in memory that a kernel-side program
 * (bpf/xdp_tx.bpf.c) reads, and one system call has it make and send a whole burst of frames ("live frames").
 * Stands below the engine as the transmit half of the back-end `xdp`. Frames that are no probes, and all of
 * them when the driver turns out to take none this way, go through an AF_PACKET handle kept beside it.
 * Invariant: a patch handed in leaves exactly once: it is counted as sent, still queued, or handed to the
 * spare. Reference: Linux Documentation/bpf/bpf_prog_run.rst; study of costs in docs/performance.md.
 *
 *      tx_patch ──> patches[0 .. queued) ──call──> sent
 *                        ^                    └──> refused, or not reached: moved to the front
 */
#include "xdp.h"
#ifdef HAVE_XDP
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

enum { LAYOUTS_MAX = 8 };

_Static_assert(sizeof(struct patch) == sizeof(struct xdp_patch), "one layout for both sides");
_Static_assert(offsetof(struct patch, id) == offsetof(struct xdp_patch, id), "one layout for both sides");
_Static_assert(offsetof(struct patch, tsval) == offsetof(struct xdp_patch, tsval),
               "one layout for both sides");
_Static_assert(offsetof(struct patch, mac) == offsetof(struct xdp_patch, mac), "one layout for both sides");
_Static_assert(offsetof(struct patch, path) == offsetof(struct xdp_patch, path), "one layout for both sides");
_Static_assert(offsetof(struct patch, src6) == offsetof(struct xdp_patch, src6), "one layout for both sides");

struct xdp_tx {
        struct xdp_state half;
        struct io_counters count;
        char name[IFNAMSIZ];
        unsigned n_lanes;
        struct xdp_lane lanes[LAYOUTS_MAX];
        uint8_t lane_of[XDP_TX_PATHS];
        struct probe_template templates[XDP_TX_PATHS];
        struct io spare;
        struct io_turn *turn;
        struct xdp_way way;
        char note[160];
        _Atomic(const char *) said;
};

/* ---- calls ---- */

/* Moves what has not left to the front, in order. Returns how many did leave. */
static unsigned settle(struct xdp_lane *l)
{
        struct xdp_tx_shared *sh = l->sh;
        unsigned decided = xdp_lane_decided(l), left = 0;
        for (unsigned i = 0; sh->n_back && i < decided; i++)
                if (xdp_lane_refused(l, i))
                        sh->patches[left++] = sh->patches[i];
        memmove(&sh->patches[left], &sh->patches[decided], (l->queued - decided) * sizeof(sh->patches[0]));
        left += l->queued - decided;
        unsigned sent = l->queued - left;
        l->queued = left;
        return sent;
}

/* What the interface counts as sent. */
static uint64_t frames_left_by(const char *name)
{
        char line[512];
        unsigned long long n = 0;
        FILE *f = fopen("/proc/thread-self/net/dev", "r");
        while (f && fgets(line, sizeof(line), f)) {
                char *p = line + strspn(line, " "), *colon = strchr(p, ':');
                if (!colon || (size_t)(colon - p) != strlen(name) || memcmp(p, name, strlen(name)) != 0)
                        continue;
                p = colon + 1;
                for (int i = 0; i < 10; i++) /* eight columns of what was received, then bytes, frames */
                        n = strtoull(p, &p, 10);
        }
        if (f)
                fclose(f);
        return n;
}

/* ---- stepping down ---- */

/* Hands what is queued to the spare as frames, as far as it has room. */
static void hand_over(struct xdp_tx *x)
{
        for (unsigned i = 0; i < x->n_lanes; i++) {
                struct xdp_lane *l = &x->lanes[i];
                const struct patch *p = (const struct patch *)l->sh->patches;
                unsigned done = 0;
                for (struct frame f; done < l->queued && io_tx_reserve(&x->spare, &f, 1); done++) {
                        const struct probe_template *t = &x->templates[p[done].path];
                        wire_stamp(f.data, t, &p[done]);
                        f.len = t->len;
                        io_tx_commit(&x->spare, &f, 1);
                }
                l->queued -= done;
                memmove(l->sh->patches, l->sh->patches + done, l->queued * sizeof(*l->sh->patches));
                if (l->queued)
                        return;
        }
}

static void step_down(struct xdp_tx *x, const char *why)
{
        struct wr w = wr_of(x->note, sizeof(x->note) - 1);
        wr_fmt(&w, "%s takes no frames by xdp (%s): sending by afpacket from here on", x->name, why);
        *w.p = 0;
        x->way.left = true;
        atomic_store_explicit(&x->said, x->note, memory_order_release);
}

static bool counter_moved(const struct xdp_tx *x, uint64_t before)
{
        for (int tries = 0; tries < 100; tries++) {
                if (frames_left_by(x->name) != before)
                        return true;
                clock_sleep_until(clock_mono_ns() + 10 * NS_PER_MS);
        }
        return false;
}

/* The very first frame, where nobody tells of refusals: has it moved the interface's counter? */
static void try_one(struct xdp_tx *x, struct xdp_lane *l)
{
        unsigned all = l->queued;
        uint64_t before = frames_left_by(x->name);
        l->queued = 1;
        int code = xdp_lane_call(l);
        if (code || !counter_moved(x, before)) {
                l->queued = all; /* all of it is still here */
                step_down(x, code ? strerror(code) : "its counter of sent frames does not move");
                return;
        }
        unsigned sent = settle(l);
        memmove(&l->sh->patches[1 - sent], &l->sh->patches[1], (all - 1) * sizeof(l->sh->patches[0]));
        l->queued = all - sent;
        x->way.proven = sent != 0;
        ctr_add(&x->count.tx, sent);
        ctr_add(&x->count.tx_bytes, (uint64_t)sent * l->layout.len);
}

static void kick_lane(struct xdp_tx *x, struct xdp_lane *l)
{
        if (!x->way.proven && !l->watched) {
                try_one(x, l);
                return;
        }
        int code = xdp_lane_call(l);
        unsigned sent = settle(l);
        ctr_add(&x->count.tx, sent);
        ctr_add(&x->count.tx_bytes, (uint64_t)sent * l->layout.len);
        ctr_add(&x->count.tx_again, l->queued);
        const char *why = xdp_way_judge(&x->way, sent != 0, code ? code : (int)l->sh->bulk_err);
        if (why)
                step_down(x, why);
}

/* ---- the door ---- */

static bool same_layout(const struct xdp_tx_layout *a, const struct xdp_tx_layout *b)
{
        return a->len == b->len && a->l3 == b->l3 && a->l4 == b->l4 && a->tsval == b->tsval &&
               a->family == b->family;
}

int xdp_tx_template(void *st, uint16_t path, const struct probe_template *t, struct err *e)
{
        struct xdp_tx *x = st;
        struct xdp_tx_layout y = {.ifindex = x->way.ifindex,
                                  .len = t->len,
                                  .l3 = t->l3,
                                  .l4 = t->l4,
                                  .tsval = t->tsval,
                                  .family = t->family,
                                  .ether = t->link == LINK_ETHER};
        unsigned i = 0;
        if (path >= XDP_TX_PATHS || t->len > XDP_TX_FRAME)
                return err_set(e, 0, "xdp holds %d next hops at most, and probes of %d bytes", XDP_TX_PATHS,
                               XDP_TX_FRAME);
        while (i < x->n_lanes && !same_layout(&x->lanes[i].layout, &y))
                i++;
        if (i == LAYOUTS_MAX)
                return err_set(e, 0, "xdp holds %d layouts of probes at most", LAYOUTS_MAX);
        if (i == x->n_lanes) {
                if (xdp_lane_open(&x->lanes[i], XDP_PROBES, &y, e))
                        return -1;
                x->lanes[x->n_lanes++].turn = x->turn;
        }
        x->lane_of[path] = (uint8_t)i;
        x->templates[path] = *t;
        memcpy(x->lanes[i].sh->templates[path], t->bytes, XDP_TX_FRAME);
        return 0;
}

unsigned xdp_tx_patch(void *st, const struct patch *p, unsigned n)
{
        struct xdp_tx *x = st;
        struct xdp_lane *l = &x->lanes[x->lane_of[p->path]];
        unsigned take = MIN(n, XDP_TX_CALL - l->queued);
        memcpy(&l->sh->patches[l->queued], p, take * sizeof(*p));
        l->queued += take;
        return take;
}

void xdp_tx_kick(void *st)
{
        struct xdp_tx *x = st;
        for (unsigned i = 0; i < x->n_lanes && !x->way.left; i++)
                if (x->lanes[i].queued)
                        kick_lane(x, &x->lanes[i]);
        if (x->way.left)
                hand_over(x);
        io_tx_kick(&x->spare);
        uint64_t waiting = 0;
        for (unsigned i = 0; i < x->n_lanes; i++)
                waiting += x->lanes[i].queued;
        atomic_store_explicit(&x->count.tx_waiting, waiting, memory_order_relaxed);
}

unsigned xdp_tx_reserve(void *st, struct frame *f, unsigned n)
{
        return io_tx_reserve(&((struct xdp_tx *)st)->spare, f, n);
}

void xdp_tx_commit(void *st, const struct frame *f, unsigned n)
{
        io_tx_commit(&((struct xdp_tx *)st)->spare, f, n);
}

void xdp_tx_stats(struct xdp_tx *x, struct io_stats *s)
{
        io_counters_with_spare(&x->count, &x->spare, s);
        s->note = atomic_load_explicit(&x->said, memory_order_acquire);
}

/* Loads the program as it will be, for an interface that cannot be, and runs it once: its frame goes nowhere,
 * and it shows whether this kernel can at all. */
static int try_kernel(struct err *e)
{
        static const struct xdp_tx_layout nowhere = {
                .ifindex = INT32_MAX, .len = 74, .l3 = 14, .l4 = 34, .tsval = 60, .family = 4, .ether = 1};
        struct xdp_lane l;
        if (xdp_lane_open(&l, XDP_PROBES, &nowhere, e))
                return -1;
        l.queued = 1;
        int code = xdp_lane_call(&l);
        xdp_lane_close(&l);
        return code ? err_set(e, 0,
                              "this kernel sends no frames from a program (%s); Linux 5.18 is the first that "
                              "does",
                              strerror(code))
                    : 0;
}

void xdp_tx_close(struct xdp_tx *x)
{
        for (unsigned i = 0; i < x->n_lanes; i++)
                xdp_lane_close(&x->lanes[i]);
        io_close(&x->spare);
}

int xdp_tx_open(struct xdp_tx *x, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        if (io_open(&x->spare, &io_afpacket_ops, c, e))
                return -1;
        *caps = x->spare.caps;
        x->way.ifindex = if_nametoindex(c->name);
        x->turn = c->turn;
        memcpy(x->name, c->name, strnlen(c->name, IFNAMSIZ - 1));
        int bad = caps->link != LINK_ETHER ? err_set(e, 0, "\"%s\" has no Ethernet header", c->name)
                                           : try_kernel(e);
        if (bad) {
                io_close(&x->spare);
                return -1;
        }
        caps->burst = XDP_TX_CALL;
        return 0;
}

_Static_assert(sizeof(struct xdp_tx) <= XDP_STATE_SIZE, "the row of the table makes room for it");
#endif
