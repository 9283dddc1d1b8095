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
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { LAYOUTS_MAX = 8, BATCH = 64 };
static const uint64_t PATIENCE_NS =
        NS_PER_S; /* an interface that is up and takes nothing for so long is no way out */

_Static_assert(sizeof(struct patch) == sizeof(struct xdp_patch), "one layout for both sides");
_Static_assert(offsetof(struct patch, id) == offsetof(struct xdp_patch, id), "one layout for both sides");
_Static_assert(offsetof(struct patch, tsval) == offsetof(struct xdp_patch, tsval),
               "one layout for both sides");
_Static_assert(offsetof(struct patch, mac) == offsetof(struct xdp_patch, mac), "one layout for both sides");
_Static_assert(offsetof(struct patch, path) == offsetof(struct xdp_patch, path), "one layout for both sides");
_Static_assert(offsetof(struct patch, src6) == offsetof(struct xdp_patch, src6), "one layout for both sides");

struct lane { /* one loaded program: all paths whose frames have the same layout */
        struct xdp_tx_layout layout;
        struct bpf_object *obj;
        struct bpf_link *watch[2];
        bool watched; /* else this kernel cannot tell, and refusals go unseen */
        struct xdp_hold hold;
        struct xdp_tx_shared *sh;
        int fd;
        unsigned queued;
};
struct xdp_tx {
        struct xdp_state half;
        struct io_counters count;
        char name[IFNAMSIZ];
        unsigned ifindex, n_lanes;
        struct lane lanes[LAYOUTS_MAX];
        uint8_t lane_of[XDP_TX_PATHS];
        struct probe_template templates[XDP_TX_PATHS];
        struct io spare;
        bool proven, left; /* frames were seen to leave; gave up: everything goes through the spare */
        uint64_t stuck_since_ns;
        char note[160];
        _Atomic(const char *) said;
};

/* ---- a program for a layout ---- */

static void lane_close(struct lane *l)
{
        if (l->sh)
                munmap(l->sh, sizeof(*l->sh));
        xdp_release(&l->hold);
        for (unsigned i = 0; i < ARRAY_LEN(l->watch); i++)
                bpf_link__destroy(l->watch[i]);
        bpf_object__close(l->obj);
        memset(l, 0, sizeof(*l));
}

static const char *const watchers[2] = {"on_xmit", "on_redirect_err"};

/* Without BTF of the kernel the tracepoints cannot be had; frames are then taken for sent when they were
 * made.
 */
static int load(struct lane *l, bool watch, struct err *e)
{
        l->obj = xdp_object(XDP_TRANSMIT, e);
        if (!l->obj)
                return -1;
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

static int lane_open(struct lane *l, const struct xdp_tx_layout *layout, struct err *e)
{
        *l = (struct lane){.layout = *layout, .hold = {-1, -1}};
        if (load(l, xdp_can_watch(), e))
                return -1;
        struct bpf_program *p = bpf_object__find_program_by_name(l->obj, "send_probe");
        l->fd = bpf_program__fd(p);
        l->sh = xdp_map_memory(l->obj, ".data.shared", sizeof(*l->sh), e);
        if (l->sh && !xdp_hold(p, &l->hold, e))
                return 0;
        lane_close(l);
        return -1;
}

/* ---- calls ---- */

/* Has the kernel make and send what is queued. Positive errno when it could not run at all. */
static int call(struct lane *l)
{
        static const uint8_t blank[XDP_TX_FRAME];
        struct xdp_tx_shared *sh = l->sh;
        LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = blank,
                    .data_size_in = l->layout.len ? l->layout.len : 60, .repeat = (int)l->queued,
                    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = MIN(l->queued, (unsigned)BATCH));
        sh->next = sh->flushed = sh->n_back = sh->bulk_err = 0;
        memset(sh->back, 0, sizeof(sh->back));
        sh->calling = 1;
        int rc = bpf_prog_test_run_opts(l->fd, &o);
        sh->calling = 0;
        return rc && errno != EINTR ? errno : 0;
}

/* Moves what has not left to the front, in order. Returns how many did leave. */
static unsigned settle(struct lane *l)
{
        struct xdp_tx_shared *sh = l->sh;
        unsigned reached = (unsigned)MIN(sh->next, (__u64)l->queued), left = 0;
        unsigned decided = l->watched ? (unsigned)MIN(sh->flushed, (__u64)reached) : reached;
        for (unsigned i = 0; sh->n_back && i < decided; i++)
                if (sh->back[i / 64] >> (i & 63) & 1)
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
                struct lane *l = &x->lanes[i];
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
        x->left = true;
        atomic_store_explicit(&x->said, x->note, memory_order_release);
}

/* Whether nothing leaves because the link is out for a while, or because this is no way out. */
static void judge_stuck(struct xdp_tx *x, int code)
{
        uint64_t now = clock_mono_ns();
        if (io_link_look((int)x->ifindex) != IO_LINK_OK)
                x->stuck_since_ns = 0; /* link.c tells */
        else if (!x->proven && (code == EOPNOTSUPP || code == ENXIO))
                step_down(x, strerror(code));
        else if (!x->stuck_since_ns)
                x->stuck_since_ns = now;
        else if (now - x->stuck_since_ns > PATIENCE_NS)
                step_down(x, code ? strerror(code) : "it has taken none for a second");
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
static void try_one(struct xdp_tx *x, struct lane *l)
{
        unsigned all = l->queued;
        uint64_t before = frames_left_by(x->name);
        l->queued = 1;
        int code = call(l);
        if (code || !counter_moved(x, before)) {
                l->queued = all; /* all of it is still here */
                step_down(x, code ? strerror(code) : "its counter of sent frames does not move");
                return;
        }
        unsigned sent = settle(l);
        memmove(&l->sh->patches[1 - sent], &l->sh->patches[1], (all - 1) * sizeof(l->sh->patches[0]));
        l->queued = all - sent;
        x->proven = sent != 0;
        ctr_add(&x->count.tx, sent);
        ctr_add(&x->count.tx_bytes, (uint64_t)sent * l->layout.len);
}

static void kick_lane(struct xdp_tx *x, struct lane *l)
{
        if (!x->proven && !l->watched) {
                try_one(x, l);
                return;
        }
        int code = call(l);
        unsigned sent = settle(l);
        ctr_add(&x->count.tx, sent);
        ctr_add(&x->count.tx_bytes, (uint64_t)sent * l->layout.len);
        ctr_add(&x->count.tx_again, l->queued);
        if (sent) {
                x->proven = true;
                x->stuck_since_ns = 0;
        } else if (l->queued) {
                judge_stuck(x, code ? code : (int)l->sh->bulk_err);
        }
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
        struct xdp_tx_layout y = {.ifindex = x->ifindex,
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
                if (lane_open(&x->lanes[i], &y, e))
                        return -1;
                x->n_lanes++;
        }
        x->lane_of[path] = (uint8_t)i;
        x->templates[path] = *t;
        memcpy(x->lanes[i].sh->templates[path], t->bytes, XDP_TX_FRAME);
        return 0;
}

unsigned xdp_tx_patch(void *st, const struct patch *p, unsigned n)
{
        struct xdp_tx *x = st;
        struct lane *l = &x->lanes[x->lane_of[p->path]];
        unsigned take = MIN(n, XDP_TX_CALL - l->queued);
        memcpy(&l->sh->patches[l->queued], p, take * sizeof(*p));
        l->queued += take;
        return take;
}

void xdp_tx_kick(void *st)
{
        struct xdp_tx *x = st;
        for (unsigned i = 0; i < x->n_lanes && !x->left; i++)
                if (x->lanes[i].queued)
                        kick_lane(x, &x->lanes[i]);
        if (x->left)
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
        struct lane l;
        if (lane_open(&l, &nowhere, e))
                return -1;
        l.queued = 1;
        int code = call(&l);
        lane_close(&l);
        return code ? err_set(e, 0,
                              "this kernel sends no frames from a program (%s); Linux 5.18 is the first that "
                              "does",
                              strerror(code))
                    : 0;
}

void xdp_tx_close(struct xdp_tx *x)
{
        for (unsigned i = 0; i < x->n_lanes; i++)
                lane_close(&x->lanes[i]);
        io_close(&x->spare);
}

int xdp_tx_open(struct xdp_tx *x, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        if (io_open(&x->spare, &io_afpacket_ops, c, e))
                return -1;
        *caps = x->spare.caps;
        x->ifindex = if_nametoindex(c->name);
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
