// SPDX-License-Identifier: Apache-2.0
/*
 * linkstate: a link that is down, has lost its carrier, or is no more. Every transmit back-end that sends by
 * an interface asks here what a refusal means; the engine asks what to tell people. Invariant: a frame
 * refused because of the link waits; one refused for its own sake does not. References: netdevice(7)
 * SIOCGIFFLAGS, Linux include/uapi/linux/ethtool.h ETHTOOL_GLINK,
 * ETHTOOL_GCHANNELS.
 *
 *   send says     ENETDOWN        ENXIO           ENOBUFS for long     anything else
 *   which means   down: wait      gone: wait      no carrier? wait     down or gone? then wait, else refused
 */
#include "io_priv.h"
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A full ring empties within less, even at 10 Mbit/s. */
static const uint64_t STUCK_NS = 5 * NS_PER_MS, LOOK_NS = 5 * NS_PER_MS, LOOK_BY_QUEUE_NS = 20 * NS_PER_MS;

/* The flag IFF_RUNNING lags by up to a second; the driver's own word does not. Not every driver has one. */
static bool has_carrier(int fd, struct ifreq *r, int flags)
{
        struct ethtool_value v = {.cmd = ETHTOOL_GLINK};
        r->ifr_data = (void *)&v;
        return ioctl(fd, SIOCETHTOOL, r) == 0 ? v.data != 0 : (flags & IFF_RUNNING) != 0;
}

/* By index, not by name: an interface may be renamed, and another may take its name. */
static enum io_link_state look(int fd, unsigned ifindex, bool carrier)
{
        struct ifreq r = {.ifr_ifindex = (int)ifindex};
        if (ioctl(fd, SIOCGIFNAME, &r) || ioctl(fd, SIOCGIFFLAGS, &r))
                return errno == ENODEV || errno == ENXIO ? IO_LINK_GONE : IO_LINK_OK;
        int flags = r.ifr_flags;
        if (!(flags & IFF_UP))
                return IO_LINK_DOWN;
        return !carrier || has_carrier(fd, &r, flags) ? IO_LINK_OK : IO_LINK_NO_CARRIER;
}

enum io_link_state io_link_look(int ifindex)
{
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return IO_LINK_OK; /* cannot tell */
        enum io_link_state s = look(fd, (unsigned)ifindex, true);
        close(fd);
        return s;
}

unsigned io_link_queues(const char *name)
{
        struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
        struct ifreq r = {.ifr_data = (void *)&c};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        memcpy(r.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
        bool told = fd >= 0 && ioctl(fd, SIOCETHTOOL, &r) == 0;
        if (fd >= 0)
                close(fd);
        return told ? c.combined_count + c.tx_count : 0;
}

/* Requests for IPv4 are broadcast; those for IPv6 go to a group of their own (RFC 4861 §2.3, solicited-node),
 * which the kernel has left together with the address. */
bool io_listen_for(int *fd, int ifindex, const struct ip_addr *ip)
{
        struct packet_mreq m = {.mr_ifindex = ifindex,
                                .mr_type = PACKET_MR_MULTICAST,
                                .mr_alen = 6,
                                .mr_address = {0x33, 0x33, 0xff, (uint8_t)(ip->lo >> 16),
                                               (uint8_t)(ip->lo >> 8), (uint8_t)ip->lo}};
        if (ip->family != 6)
                return true;
        if (*fd <= 0)
                *fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        return *fd > 0 && setsockopt(*fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)) == 0;
}

bool link_lets(struct link_watch *w)
{
        if (!w->by_queue || !w->ifindex || w->state == IO_LINK_GONE)
                return true;
        uint64_t now = clock_mono_ns();
        if (now - w->looked_ns >= (w->state == IO_LINK_OK ? LOOK_BY_QUEUE_NS : LOOK_NS)) {
                w->state = look(w->fd, w->ifindex, true);
                w->looked_ns = now;
        }
        return w->state == IO_LINK_OK;
}

static bool only_no_room(int why)
{
        return why == EAGAIN || why == EWOULDBLOCK || why == ENOBUFS || why == ENOMEM || why == EINTR;
}

/* What the refusal says about the link. */
static void learn(struct link_watch *w, int why, uint64_t now_ns)
{
        if (why == ENXIO) { /* AF_PACKET: the socket has lost it, even if it should come back */
                w->state = IO_LINK_GONE;
        } else if (!only_no_room(why)) {
                w->state = look(w->fd, w->ifindex, false);
        } else if ((w->state != IO_LINK_OK || now_ns - w->stuck_since_ns >= STUCK_NS) &&
                   now_ns - w->looked_ns >= LOOK_NS) {
                w->state = look(w->fd, w->ifindex, true);
                w->looked_ns = now_ns;
        }
}

bool link_waits(struct link_watch *w, int why)
{
        uint64_t now = clock_mono_ns();
        if (!w->stuck_since_ns)
                w->stuck_since_ns = now;
        if (!w->ifindex)
                return only_no_room(why);
        learn(w, why, now);
        if (w->state != IO_LINK_OK)
                w->stuck_since_ns = now; /* it is not the driver that is stuck */
        return only_no_room(why) || why == ENETDOWN || w->state == IO_LINK_DOWN || w->state == IO_LINK_GONE;
}
