// SPDX-License-Identifier: Apache-2.0
/*
 * pfring: sending and receiving through ntop's PF_RING. With an interface's plain name its kernel module
 * serves, with "zc:" before it the card's queues are driven from here, past the kernel. One row of the table;
 * the library and the rings are in pfring_lib.c. Invariant: what PF_RING shows of a received frame is valid
 * until the next one is asked for, so what is lent is always a copy.
 * Reference: https://www.ntop.org/guides/pf_ring_api/
 */
#include "pfring.h"
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef HAVE_PCAP
#include <pcap/pcap.h>
#endif

enum {
        BURST = 64,
        RX_SLOTS = 256,
        SLOT_MIN = 1600,
        SLOT_MAX = 16384,
        LOOKS_MAX = 1024, /* frames looked at in one burst, wanted or not */
        POLL_MAX_MS = 1000
};
static const uint64_t NAP_NS = NS_PER_MS / 10, ERROR_SLEEP_NS = 10 * NS_PER_MS, DROPS_NS = 50 * NS_PER_MS;

struct pfr {
        struct io_counters count;
        struct pfr_ring *ring;
        struct txq q; /* transmit: frames to send; receive: copies, "sent" when handed back */
        int fd;       /* asks the kernel about the interface */
        bool bypass;
        _Atomic(const char *) note;
        struct link_watch link;
        /* receive */
        struct filter filter;
        bool more;     /* the last burst left some behind: ask again before sleeping */
        bool promised; /* wait said that a frame may be there */
        bool idle;     /* and none was */
        uint64_t mono_minus_wall, drops_ns;
        uint64_t emptied_ns; /* the ring was empty then: every frame in it came later */
        struct pfr_head head;
};

static const char demo_over[] =
        "PF_RING's demo time is over: without a ZC licence (in /etc/pf_ring) it works for "
        "a few minutes; an interface's plain name needs none";

/* ---- opening ---- */
static int learn_link(struct pfr *s, const char *kernel, struct io_caps *caps, struct err *e)
{
        struct ifreq r = {0};
        memcpy(r.ifr_name, kernel, strnlen(kernel, IFNAMSIZ - 1));
        if (ioctl(s->fd, SIOCGIFHWADDR, &r))
                return io_err_open(e, errno, "asking for the hardware type", kernel);
        if (r.ifr_hwaddr.sa_family != ARPHRD_ETHER && r.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
                return err_set(e, EINVAL,
                               "\"%s\" is no Ethernet interface, and PF_RING knows no others: use --io "
                               "afpacket",
                               kernel);
        if (ioctl(s->fd, SIOCGIFMTU, &r))
                return io_err_open(e, errno, "asking for the MTU", kernel);
        caps->link = LINK_ETHER;
        caps->mtu = (uint32_t)r.ifr_mtu;
        caps->burst = BURST;
        return 0;
}

static uint32_t slot_size(const struct io_caps *caps)
{
        return MAX(MIN(caps->mtu, (uint32_t)SLOT_MAX) + ETH_HLEN + 8,
                   (uint32_t)SLOT_MIN); /* 8: two VLAN tags */
}

/* A card's queues are named one by one, the kernel's are not. */
static void name_queue(char *out, const struct io_conf *c, bool bypass, unsigned queue)
{
        bool by_us = bypass && c->n_queues > 1 && !strchr(c->name, '@');
        int n = snprintf(out, PFR_NAME_MAX, "%s", c->name);
        if (by_us && n < PFR_NAME_MAX - 12)
                snprintf(out + n, PFR_NAME_MAX - (size_t)n, "@%u", queue);
}

/* A card may have fewer queues than there are threads: then those left over share the first. */
static int tx_open(struct pfr *s, const struct io_conf *c, const char *kernel, const struct io_caps *caps,
                   struct err *e)
{
        char device[PFR_NAME_MAX];
        struct pfr_want w = {
                .device = device, .kernel = kernel, .tx = true, .bypass = s->bypass, .cluster = -1};
        w.caplen = slot_size(caps);
        name_queue(device, c, s->bypass, c->queue);
        s->ring = pfr_ring_get(&w, e);
        if (!s->ring && s->bypass && c->queue && !strchr(c->name, '@')) {
                name_queue(device, c, s->bypass, 0);
                s->ring = pfr_ring_get(&w, e);
        }
        if (!s->ring)
                return -1;
        s->link = (struct link_watch){.fd = s->fd, .ifindex = if_nametoindex(kernel)};
        if (txq_init(&s->q, c->slots, w.caplen, e) == 0)
                return 0;
        pfr_ring_put(s->ring);
        return -1;
}

/* The group that the kernel module splits frames among is a number of our own making: it gives none out. */
static int cluster_of(const struct io_conf *c, bool bypass, struct io_caps *caps)
{
        if (bypass || c->n_queues <= 1)
                return -1;
        caps->fanout_id = (uint16_t)c->fanout_id;
        if (c->queue == 0)
                rand_bytes(&caps->fanout_id, sizeof(caps->fanout_id));
        return caps->fanout_id;
}

static int rx_open(struct pfr *s, const struct io_conf *c, const char *kernel, struct io_caps *caps,
                   struct err *e)
{
        char device[PFR_NAME_MAX];
        struct pfr_want w = {.device = device, .kernel = kernel, .bypass = s->bypass, .promisc = c->promisc};
        struct io_conf tagged = *c;
        tagged.name = NULL; /* VLAN tags stand in the frames */
        w.caplen = slot_size(caps);
        w.cluster = cluster_of(c, s->bypass, caps);
        name_queue(device, c, s->bypass, c->queue);
        if (filter_make(&s->filter, &tagged, LINK_ETHER, e))
                return -1;
        if (txq_init(&s->q, RX_SLOTS, w.caplen, e))
                goto free_filter;
        s->ring = pfr_ring_get(&w, e);
        if (!s->ring)
                goto free_slots;
        caps->own_echo = s->ring->own_echo;
        s->emptied_ns = clock_mono_ns();
        return 0;
free_slots:
        txq_free(&s->q);
free_filter:
        filter_free(&s->filter);
        return -1;
}

static int pfr_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct pfr *s = st;
        char kernel[PFR_NAME_MAX];
        struct io_conf mine = *c;
        mine.name = c->name ? c->name : "";
        s->bypass = io_pfring_name(mine.name, kernel, sizeof(kernel));
        if (!if_nametoindex(kernel))
                return io_err_no_interface(e, kernel);
        s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (s->fd < 0)
                return io_err_open(e, errno, "opening a socket", kernel);
        if (learn_link(s, kernel, caps, e) ||
            (c->tx ? tx_open(s, &mine, kernel, caps, e) : rx_open(s, &mine, kernel, caps, e)))
                goto close_socket;
        return 0;
close_socket:
        close(s->fd);
        return -1;
}

static void pfr_close(void *st)
{
        struct pfr *s = st;
        pfr_ring_put(s->ring);
        txq_free(&s->q);
        filter_free(&s->filter);
        close(s->fd);
}

static void pfr_stats(void *st, struct io_stats *out)
{
        struct pfr *s = st;
        io_counters_read(&s->count, out);
        out->note = atomic_load_explicit(&s->note, memory_order_acquire);
}

static void note_error(struct pfr *s, int rc, int code)
{
        if (rc == PFR_DEMO_OVER)
                atomic_store_explicit(&s->note, demo_over, memory_order_release);
        atomic_store_explicit(&s->count.last_error, rc == PFR_DEMO_OVER ? EKEYEXPIRED : code,
                              memory_order_relaxed);
}

/* ---- sending ---- */
static unsigned pfr_tx_reserve(void *st, struct frame *f, unsigned n)
{
        return txq_reserve(&((struct pfr *)st)->q, f, n);
}

static void pfr_tx_commit(void *st, const struct frame *f, unsigned n)
{
        txq_commit(&((struct pfr *)st)->q, f, n);
}

/* A full queue of a card is told without an errno. */
static int errno_of(int rc, int code)
{
        if (rc == PFR_NO_SLOT || (rc == -1 && !code))
                return EAGAIN;
        return rc == PFR_BAD_PACKET || !code ? EINVAL : code;
}

/* False: the first frame has to wait. */
static bool push(struct pfr *s)
{
        uint32_t len = s->q.len[txq_place(&s->q, s->q.sent)];
        errno = 0;
        int rc = s->ring->lib.send(s->ring->handle, (char *)txq_data(&s->q, s->q.sent), len, 0);
        int code = rc < 0 ? errno_of(rc, errno) : 0;
        if (rc >= 0) {
                ctr_add(&s->count.tx, 1);
                ctr_add(&s->count.tx_bytes, len);
                link_took(&s->link);
        } else if (rc != PFR_DEMO_OVER && link_waits(&s->link, code)) {
                ctr_add(&s->count.tx_again, 1);
                return false;
        } else {
                ctr_add(&s->count.tx_errors, 1);
                note_error(s, rc, code);
        }
        s->q.sent++;
        return true;
}

/* The ring is given up after each run, so that who wants to send a reply gets in between. */
static void pfr_tx_kick(void *st)
{
        struct pfr *s = st;
        bool more = s->q.sent != s->q.committed;
        while (more) {
                if (!pfr_ring_claim(s->ring)) {
                        ctr_add(&s->count.tx_again, 1);
                        break;
                }
                for (unsigned i = 0; more && i < BURST; i++)
                        more = push(s) && s->q.sent != s->q.committed;
                s->ring->lib.flush_tx_packets(s->ring->handle);
                pfr_ring_release(s->ring);
        }
        atomic_store_explicit(&s->count.tx_waiting, s->q.committed - s->q.sent, memory_order_relaxed);
}

/* ---- receiving ---- */
/* Not every module of PF_RING filters, so it is done here, before the copy. */
static bool wanted(const struct pfr *s, const uint8_t *packet, uint32_t n)
{
#ifdef HAVE_PCAP
        struct bpf_program p = {.bf_len = s->filter.n, .bf_insns = (struct bpf_insn *)(void *)s->filter.ins};
        struct pcap_pkthdr h = {.caplen = n, .len = MAX(n, s->head.len)};
        return pcap_offline_filter(&p, &h, packet) != 0;
#else
        (void)s, (void)packet, (void)n;
        return true;
#endif
}

/* Cards stamp with clocks of their own, or not at all. Then the frame is as old as it can be. */
static uint64_t stamp_of(const struct pfr *s, uint64_t now_ns)
{
        uint64_t wall = (uint64_t)s->head.ts.tv_sec * NS_PER_S + (uint64_t)s->head.ts.tv_usec * 1000;
        uint64_t mono = wall + s->mono_minus_wall;
        return wall && mono <= now_ns && now_ns - mono < NS_PER_S ? mono : s->emptied_ns;
}

enum taken { NONE, TAKEN, PASSED };

static enum taken take(struct pfr *s, struct frame *f, uint64_t now_ns)
{
        uint8_t *packet = NULL;
        errno = 0;
        int rc = s->ring->lib.recv(s->ring->handle, &packet, 0, &s->head, 0);
        if (rc < 0 && errno != EINTR)
                note_error(s, rc, errno);
        if (rc <= 0 || !packet)
                return NONE;
        uint32_t n = MIN(s->head.caplen, s->q.cap);
        if (!wanted(s, packet, n) || !txq_reserve(&s->q, f, 1))
                return PASSED;
        memcpy(f->data, packet, n);
        f->len = n;
        f->stamp_ns = stamp_of(s, now_ns);
        f->sum_unset = !s->bypass; /* a local sender's is unfinished, and nothing says which are */
        ctr_add(&s->count.rx, 1);
        ctr_add(&s->count.rx_bytes, n);
        return TAKEN;
}

static void note_drops(struct pfr *s, uint64_t now_ns)
{
        struct pfr_drops d = {0};
        s->drops_ns = now_ns;
        if (s->ring->lib.stats(s->ring->handle, &d) == 0)
                atomic_store_explicit(&s->count.rx_missed, d.drop, memory_order_relaxed);
}

static unsigned pfr_rx_burst(void *st, struct frame *f, unsigned n)
{
        struct pfr *s = st;
        uint64_t held = s->q.committed - s->q.sent, now = clock_mono_ns();
        unsigned want = (unsigned)MIN(n, s->q.n_slots - held), got = 0;
        enum taken last = TAKEN;
        s->mono_minus_wall = now - clock_wall_ns();
        for (unsigned i = 0; got < want && last != NONE && i < LOOKS_MAX; i++) {
                last = take(s, &f[got], now);
                got += last == TAKEN;
        }
        txq_commit(&s->q, f, got);
        if (last == NONE)
                s->emptied_ns = now;
        s->more = want && last != NONE;
        s->idle = s->promised && !got;
        s->promised = false;
        if (now - s->drops_ns >= DROPS_NS)
                note_drops(s, now);
        return got;
}

static void pfr_rx_done(void *st, const struct frame *f, unsigned n)
{
        struct pfr *s = st;
        for (unsigned i = 0; i < n; i++)
                assert(f[i].token == s->q.sent + i);
        (void)f;
        s->q.sent += n;
}

/* PF_RING's poll knows milliseconds, and some modules return from it at once: the naps keep such a wait from
 * spinning. */
static bool pfr_rx_wait(void *st, uint64_t until_mono_ns)
{
        struct pfr *s = st;
        uint64_t now = clock_mono_ns();
        if (s->more)
                return true;
        note_drops(s, now);
        if (s->idle)
                clock_sleep_until(MIN(now + NAP_NS, until_mono_ns));
        for (;;) {
                now = clock_mono_ns();
                uint64_t left_ms = until_mono_ns > now ? (until_mono_ns - now) / NS_PER_MS : 0;
                int rc = s->ring->lib.poll(s->ring->handle, (unsigned)MIN(left_ms, (uint64_t)POLL_MAX_MS));
                s->promised = rc != 0;
                if (rc < 0)
                        clock_sleep_until(MIN(now + ERROR_SLEEP_NS, until_mono_ns));
                if (rc != 0)
                        return true;
                if (now >= until_mono_ns)
                        return false;
                clock_sleep_until(MIN(now + NAP_NS, until_mono_ns));
        }
}

const struct io_ops io_pfring_ops = {
        .name = "pfring",
        .summary =
                "ntop's PF_RING, if its library is installed: interfaces as eth0, or zc:eth0 past the kernel",
        .can_tx = true,
        .can_rx = true,
        .state_size = sizeof(struct pfr),
        .open = pfr_open,
        .close = pfr_close,
        .stats = pfr_stats,
        .tx_reserve = pfr_tx_reserve,
        .tx_commit = pfr_tx_commit,
        .tx_kick = pfr_tx_kick,
        .rx_burst = pfr_rx_burst,
        .rx_done = pfr_rx_done,
        .rx_wait = pfr_rx_wait,
};
