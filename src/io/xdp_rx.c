// SPDX-License-Identifier: Apache-2.0
/*
 * xdp_rx: answers that a kernel-side program (bpf/xdp_rx.bpf.c) found in arriving frames: source, ports and
 * cookie are checked there, so what comes through the ring is true. The receive half of the back-end `xdp`.
 * All other frames go their usual way and are received by an AF_PACKET handle kept beside it. Invariant: a
 * frame is either an answer in a ring or passed on, never both.
 * Reference: Linux Documentation/bpf/ringbuf.rst (layout of the mapped pages).
 *
 *      interface ──> program ──┬─ answer ──> ring[queue] ──> rx_answers      (RST sent back from there)
 *                              └─ the rest ──> kernel ──> AF_PACKET ──> rx_burst
 */
#include "xdp.h"
#ifdef HAVE_XDP
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORTS_MAX = 64, RING_BYTES = 32 << 20, LOOK_NS = 1000000, RTT_MAX_US = 120 * 1000 * 1000 };

/* One interface: the program and its rings. Opened by the first queue, shared by the others; set-up and
 * tear-down are the main thread's. */
static struct port {
        unsigned ifindex, users, n_rings;
        struct bpf_object *obj;
        struct bpf_link *watch;
        struct xdp_rx_shared *sh;
        int link, ring_fd[XDP_RX_RINGS];
        bool generic;
} ports[PORTS_MAX];

struct xdp_rx {
        struct xdp_state half;
        struct io spare; /* frames */
        struct port *port;
        bool first;                       /* of the handles that share it: it tells what is counted once */
        volatile unsigned long *consumer; /* a page of its own */
        const volatile unsigned long *producer; /* a page, then the data twice */
        const uint8_t *data;
        size_t page;
        _Atomic uint64_t answers;
        char note[128];
        const char *said;
};
_Static_assert(sizeof(struct xdp_rx) <= XDP_STATE_SIZE, "the row of the table makes room for it");

/* ---- the interface's program ---- */

static int fill_conf(struct xdp_rx_conf *k, const struct io_conf *c, unsigned ifindex, struct err *e)
{
        struct stat ns;
        if (stat("/proc/thread-self/ns/net", &ns))
                return err_set(e, errno, "/proc/thread-self/ns/net: %s", strerror(errno));
        *k = (struct xdp_rx_conf){.k0 = c->cookie->k0,
                                  .k1 = c->cookie->k1,
                                  .n_sources = c->n_ours,
                                  .n_rings = c->n_queues,
                                  .ifindex = ifindex,
                                  .netns = (__u32)ns.st_ino,
                                  .close = c->close_open};
        if (c->n_ours > XDP_RX_SOURCES || c->n_queues > XDP_RX_RINGS)
                return err_set(e, 0, "xdp receives for %d source sets and %d threads at most", XDP_RX_SOURCES,
                               XDP_RX_RINGS);
        for (unsigned i = 0; i < c->n_ours; i++) {
                const struct io_span *s = &c->ours[i];
                k->sources[i] = (struct xdp_rx_source){.hi = s->first.hi,
                                                       .lo = s->first.lo,
                                                       .count = (uint32_t)(s->last.lo - s->first.lo + 1),
                                                       .port_first = s->port_first,
                                                       .port_last = s->port_last,
                                                       .family = s->first.family};
        }
        return 0;
}

static int make_rings(struct port *p, struct err *e)
{
        int rings = bpf_map__fd(bpf_object__find_map_by_name(p->obj, "rings"));
        for (unsigned i = 0; i < p->n_rings; i++) {
                p->ring_fd[i] = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "answers", 0, 0, RING_BYTES, NULL);
                if (p->ring_fd[i] < 0 || bpf_map_update_elem(rings, &i, &p->ring_fd[i], 0))
                        return err_set(e, errno, "making a ring of %d bytes for answers: %s", RING_BYTES,
                                       strerror(errno));
        }
        return 0;
}

/* In the driver where it can, else after it. What somebody else has attached is never replaced. */
static int attach(struct port *p, const char *name, struct err *e)
{
        LIBBPF_OPTS(bpf_link_create_opts, o, .flags = XDP_FLAGS_DRV_MODE);
        int prog = bpf_program__fd(bpf_object__find_program_by_name(p->obj, "take_answer"));
        p->link = bpf_link_create(prog, (int)p->ifindex, BPF_XDP, &o);
        if (p->link < 0 && errno != EBUSY && errno != EEXIST && errno != EPERM) {
                o.flags = XDP_FLAGS_SKB_MODE;
                p->link = bpf_link_create(prog, (int)p->ifindex, BPF_XDP, &o);
                p->generic = p->link >= 0;
        }
        if (p->link >= 0)
                return 0;
        if (errno == EBUSY || errno == EEXIST)
                return err_set(e, errno, "\"%s\" already has an XDP program, which is left alone", name);
        return err_set(e, errno, "attaching a program to \"%s\": %s", name, strerror(errno));
}

static void port_close(struct port *p)
{
        if (--p->users)
                return;
        if (p->link >= 0)
                close(p->link);
        if (p->sh)
                munmap(p->sh, sizeof(*p->sh));
        for (unsigned i = 0; i < p->n_rings; i++)
                if (p->ring_fd[i] >= 0)
                        close(p->ring_fd[i]);
        bpf_link__destroy(p->watch);
        bpf_object__close(p->obj);
        memset(p, 0, sizeof(*p));
}

/* Without the tracepoint nobody would tell that RSTs do not leave from there: then user space sends them. */
static int port_load(struct port *p, const struct io_conf *c, bool watch, struct err *e)
{
        struct xdp_rx_conf conf;
        p->obj = xdp_object(XDP_RECEIVE, e);
        if (!p->obj || fill_conf(&conf, c, p->ifindex, e))
                return -1;
        conf.close = conf.close && watch;
        bpf_program__set_autoload(bpf_object__find_program_by_name(p->obj, "on_bulk_tx"), watch);
        bpf_map__set_initial_value(bpf_object__find_map_by_name(p->obj, ".rodata.conf"), &conf, sizeof(conf));
        if (xdp_object_load(p->obj, e))
                return -1;
        if (watch &&
            !(p->watch = bpf_program__attach(bpf_object__find_program_by_name(p->obj, "on_bulk_tx"))))
                return err_set(e, errno, "watching which RSTs leave: %s", strerror(errno));
        return 0;
}

static struct port *port_open(const struct io_conf *c, unsigned ifindex, struct err *e)
{
        struct port *p = NULL;
        for (unsigned i = 0; i < PORTS_MAX; i++) {
                if (ports[i].users && ports[i].ifindex == ifindex && c->queue) {
                        ports[i].users++;
                        return &ports[i];
                }
                if (!ports[i].users && !p)
                        p = &ports[i];
        }
        if (!p) {
                err_set(e, 0, "xdp receives from %d interfaces at most", PORTS_MAX);
                return NULL;
        }
        *p = (struct port){.ifindex = ifindex, .users = 1, .n_rings = c->n_queues, .link = -1};
        memset(p->ring_fd, -1, sizeof(p->ring_fd));
        if (port_load(p, c, xdp_can_watch(), e))
                goto close_port;
        p->sh = xdp_map_memory(p->obj, ".data.shared", sizeof(*p->sh), e);
        if (p->sh && !make_rings(p, e) && !attach(p, c->name, e))
                return p;
close_port:
        port_close(p);
        return NULL;
}

/* ---- the ring, as the kernel lays it out ----
 *
 *   page 0: consumer position | page 1: producer position | data, mapped twice in a row
 *   a record: u32 length (bit 31 busy, bit 30 discarded), u32 page offset, bytes, padded to 8 */
enum { RECORD_HEADER = 8 };

static int map_ring(struct xdp_rx *x, int fd, struct err *e)
{
        x->page = (size_t)sysconf(_SC_PAGESIZE);
        void *c = mmap(NULL, x->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        void *p = mmap(NULL, x->page + 2 * (size_t)RING_BYTES, PROT_READ, MAP_SHARED, fd, (off_t)x->page);
        if (c != MAP_FAILED)
                x->consumer = c;
        if (p != MAP_FAILED) {
                x->producer = p;
                x->data = (const uint8_t *)p + x->page;
        }
        return x->consumer && x->data ? 0 : err_set(e, errno, "mapping a ring: %s", strerror(errno));
}

static void to_answer(struct answer *a, const struct xdp_answer *r)
{
        uint32_t rtt_us = (uint32_t)(r->stamp_ns / 1000) - r->tsecr;
        *a = (struct answer){.who = {.ip = {.hi = r->them[0], .lo = r->them[1], .family = r->family},
                                     .port = r->them_port,
                                     .proto = 6},
                             .us = {.hi = r->us[0], .lo = r->us[1], .family = r->family},
                             .us_port = r->us_port,
                             .state = r->flags & TCP_RST ? PORT_CLOSED : PORT_OPEN,
                             .ttl = r->ttl,
                             .flags = r->flags,
                             .seq = r->seq,
                             .ack = r->ack,
                             .rtt_us = r->tsecr > WIRE_TSVAL_FIXED && rtt_us < RTT_MAX_US ? rtt_us : 0,
                             .rst_sent = r->rst_sent};
        a->reporter = a->who.ip;
        memcpy(a->mac, r->mac, 6);
}

unsigned xdp_rx_answers(void *st, struct answer *a, uint64_t *stamp_ns, unsigned n)
{
        struct xdp_rx *x = st;
        unsigned long at = *x->consumer, end = __atomic_load_n(x->producer, __ATOMIC_ACQUIRE);
        unsigned got = 0;
        while (got < n && at < end) {
                const uint8_t *p = x->data + (at & (RING_BYTES - 1));
                uint32_t len = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
                if (len & BPF_RINGBUF_BUSY_BIT)
                        break;
                if (!(len & BPF_RINGBUF_DISCARD_BIT)) {
                        const struct xdp_answer *r = (const struct xdp_answer *)(p + RECORD_HEADER);
                        stamp_ns[got] = r->stamp_ns;
                        to_answer(&a[got++], r);
                }
                len &= ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
                at += (len + RECORD_HEADER + 7) / 8 * 8;
        }
        __atomic_store_n(x->consumer, at, __ATOMIC_RELEASE);
        atomic_store_explicit(&x->answers, atomic_load_explicit(&x->answers, memory_order_relaxed) + got,
                              memory_order_relaxed);
        return got;
}

/* ---- the door ---- */

unsigned xdp_rx_burst(void *st, struct frame *f, unsigned n)
{
        return io_rx_burst(&((struct xdp_rx *)st)->spare, f, n);
}

void xdp_rx_done(void *st, const struct frame *f, unsigned n)
{
        io_rx_done(&((struct xdp_rx *)st)->spare, f, n);
}

/* The program wakes nobody (that would cost more than all the rest): the ring is looked at every
 * millisecond. */
bool xdp_rx_wait(void *st, uint64_t until_mono_ns)
{
        struct xdp_rx *x = st;
        for (;;) {
                uint64_t now = clock_mono_ns();
                if (*x->consumer != __atomic_load_n(x->producer, __ATOMIC_ACQUIRE))
                        return true;
                if (now >= until_mono_ns)
                        return false;
                if (io_rx_wait(&x->spare, MIN(until_mono_ns, now + LOOK_NS)))
                        return true;
        }
}

void xdp_rx_allow(void *st, uint32_t n)
{
        volatile struct xdp_rx_shared *sh = ((struct xdp_rx *)st)->port->sh;
        for (unsigned i = 0; i < XDP_RX_BANKS; i++)
                sh->closed[i].limit = sh->closed[i].n + n;
}

uint64_t xdp_rx_closed(void *st)
{
        const volatile struct xdp_rx_shared *sh = ((struct xdp_rx *)st)->port->sh;
        uint64_t n = 0;
        for (unsigned i = 0; i < XDP_RX_BANKS; i++)
                n += sh->closed[i].n;
        return n;
}

void xdp_rx_stats(struct xdp_rx *x, struct io_stats *s)
{
        uint64_t n = atomic_load_explicit(&x->answers, memory_order_relaxed);
        x->spare.ops->stats(x->spare.st, s);
        s->rx += n;
        s->rx_bytes += n * 60; /* the shortest frame: their lengths are not told */
        s->note = x->said;
        s->rst_lost = x->first ? x->port->sh->rst_lost : 0;
}

void xdp_rx_close(struct xdp_rx *x)
{
        if (x->port)
                port_close(x->port);
        if (x->consumer)
                munmap((void *)x->consumer, x->page);
        if (x->data)
                munmap((void *)x->producer, x->page + 2 * (size_t)RING_BYTES);
        io_close(&x->spare);
}

int xdp_rx_open(struct xdp_rx *x, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        if (!c->cookie || !c->n_ours)
                return err_set(e, 0, "xdp receives answers to probes only");
        if (io_open(&x->spare, &io_afpacket_ops, c, e))
                return -1;
        *caps = x->spare.caps;
        if (caps->link != LINK_ETHER) {
                err_set(e, 0, "\"%s\" has no Ethernet header", c->name);
                goto close_all;
        }
        x->first = c->queue == 0;
        x->port = port_open(c, if_nametoindex(c->name), e);
        if (!x->port || map_ring(x, x->port->ring_fd[c->queue], e))
                goto close_all;
        struct wr w = wr_of(x->note, sizeof(x->note) - 1);
        wr_fmt(&w, "the driver of %s has no XDP: answers are checked after it, which is slower", c->name);
        *w.p = 0;
        x->said = x->port->generic ? x->note : NULL;
        return 0;
close_all:
        xdp_rx_close(x);
        return -1;
}
#endif
