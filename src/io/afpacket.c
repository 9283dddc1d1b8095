// SPDX-License-Identifier: Apache-2.0
/*
 * afpacket: the way onto the wire that every Linux has: AF_PACKET sockets. This file opens them and sends, in
 * bursts of sendmmsg past the queueing discipline; afpacket_rx.c receives. Invariant: a send socket is bound
 * to protocol 0, so the kernel never queues a received frame on it. Reference: packet(7), Linux
 * Documentation/networking/packet_mmap.rst.
 */
#include "afpacket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BURST = 64, SLOT_MAX = 16384, SEND_BUFFER = 8 << 20 };
static const uint64_t BYPASS_PATIENCE_NS = 50 * NS_PER_MS;

/* Ethernet, and loopback which frames like it. All others are spoken to in bare IP packets. */
static int learn_link(struct afp *a, const char *name, struct io_caps *caps, struct err *e)
{
        struct ifreq r = {0};
        memcpy(r.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
        if (ioctl(a->fd, SIOCGIFHWADDR, &r))
                return io_err_open(e, errno, "asking for the hardware type", name);
        a->raw_ip = r.ifr_hwaddr.sa_family != ARPHRD_ETHER && r.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK;
        if (ioctl(a->fd, SIOCGIFMTU, &r))
                return io_err_open(e, errno, "asking for the MTU", name);
        caps->link = a->raw_ip ? LINK_RAW : LINK_ETHER;
        caps->mtu = (uint32_t)r.ifr_mtu;
        caps->burst = BURST;
        return 0;
}

/* The type of an AF_PACKET socket cannot be changed, and the link decides it: look first, then open again. */
static int open_socket(struct afp *a, const char *name, struct io_caps *caps, struct err *e)
{
        a->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        if (a->fd < 0)
                return io_err_open(e, errno, "opening an AF_PACKET socket", name);
        if (learn_link(a, name, caps, e))
                goto close_socket;
        if (!a->raw_ip)
                return 0;
        close(a->fd);
        a->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (a->fd < 0)
                return io_err_open(e, errno, "opening an AF_PACKET socket", name);
        return 0;
close_socket:
        close(a->fd);
        return -1;
}

static void set_bypass(struct afp *a, int on)
{
        bool past = setsockopt(a->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) == 0 && on;
        a->out.link.by_queue = !past;
}

static void set_destinations(struct afp *a, int ifindex)
{
        static const uint16_t proto[2] = {ETHERTYPE_IP, ETHERTYPE_IPV6};
        for (int i = 0; i < 2; i++)
                a->to[i] = (struct sockaddr_ll){
                        .sll_family = AF_PACKET, .sll_protocol = htons(proto[i]), .sll_ifindex = ifindex};
}

static int tx_open(struct afp *a, const struct io_conf *c, const struct io_caps *caps, int ifindex,
                   struct err *e)
{
        struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = ifindex};
        int room = SEND_BUFFER;
        uint32_t cap = MIN(caps->mtu, SLOT_MAX) + ETH_HLEN + 8; /* 8: two VLAN tags */
        if (bind(a->fd, (struct sockaddr *)&to, sizeof(to)))
                return io_err_open(e, errno, "binding an AF_PACKET socket", c->name);
        if (setsockopt(a->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)))
                setsockopt(a->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
        set_destinations(a, ifindex);
        if (sendq_init(&a->out, c->slots, MAX(cap, (uint32_t)WIRE_PROBE_MAX), e))
                return -1;
        a->out.link = (struct link_watch){.fd = a->fd, .ifindex = (unsigned)ifindex};
        set_bypass(a, 1);
        for (uint32_t i = 0; i < a->out.q.n_slots; i++)
                a->out.fds[i] = a->fd;
        return 0;
}

static int afp_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct afp *a = st;
        unsigned ifindex = if_nametoindex(c->name ? c->name : "");
        if (!ifindex)
                return io_err_no_interface(e, c->name ? c->name : "");
        if (open_socket(a, c->name, caps, e))
                return -1;
        int bad = c->tx ? tx_open(a, c, caps, (int)ifindex, e) : afp_rx_open(a, c, caps, (int)ifindex, e);
        if (!bad)
                return 0;
        close(a->fd);
        return -1;
}

static void afp_close(void *st)
{
        struct afp *a = st;
        sendq_free(&a->out);
        afp_rx_close(a);
        close(a->fd);
}

static void afp_stats(void *st, struct io_stats *s)
{
        struct afp *a = st;
        if (a->map)
                afp_rx_stats(a);
        io_counters_read(&a->count, s);
}

static unsigned afp_tx_reserve(void *st, struct frame *f, unsigned n)
{
        return txq_reserve(&((struct afp *)st)->out.q, f, n);
}

static void afp_tx_commit(void *st, const struct frame *f, unsigned n)
{
        struct afp *a = st;
        uint64_t first = a->out.q.committed;
        txq_commit(&a->out.q, f, n);
        for (unsigned i = 0; i < n; i++) {
                uint32_t at = txq_place(&a->out.q, first + i);
                a->out.iov[at].iov_len = f[i].len;
                if (a->raw_ip) {
                        a->out.msgs[at].msg_hdr.msg_name = &a->to[f[i].data[0] >> 4 == 6];
                        a->out.msgs[at].msg_hdr.msg_namelen = sizeof(a->to[0]);
                }
        }
}

/* Some drivers never take a frame that comes past the queueing discipline: then go through it. */
static void watch_progress(struct afp *a)
{
        struct link_watch *l = &a->out.link;
        if (l->by_queue || l->state != IO_LINK_OK ||
            clock_mono_ns() - l->stuck_since_ns <= BYPASS_PATIENCE_NS)
                return;
        set_bypass(a, 0);
        l->stuck_since_ns = 0;
}

static void afp_tx_kick(void *st)
{
        struct afp *a = st;
        sendq_kick(&a->out, &a->count);
        if (a->out.link.stuck_since_ns)
                watch_progress(a);
}

const struct io_ops io_afpacket_ops = {
        .name = "afpacket",
        .summary = "AF_PACKET sockets: sendmmsg to send, a TPACKET_V3 ring with a filter to receive",
        .can_tx = true,
        .can_rx = true,
        .state_size = sizeof(struct afp),
        .open = afp_open,
        .close = afp_close,
        .stats = afp_stats,
        .tx_reserve = afp_tx_reserve,
        .tx_commit = afp_tx_commit,
        .tx_kick = afp_tx_kick,
        .rx_burst = afp_rx_burst,
        .rx_done = afp_rx_done,
        .rx_wait = afp_rx_wait,
};
