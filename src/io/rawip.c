// SPDX-License-Identifier: Apache-2.0
/*
 * rawip: sends whole IP packets and leaves the link to the kernel: loopback, the host's own addresses, links
 * whose layer 2 cannot be written. One socket per IP version. Invariant: the destination told to the kernel
 * is the one in the packet. The kernel writes the total length and header checksum of IPv4 itself, and the id
 * and source where they are 0. Reference: raw(7), ipv6(7) IPV6_HDRINCL.
 */
#include "io_priv.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* No interface named: the host's own addresses, whose way leads over the one with this index in every network
 * namespace. */
enum { LOOPBACK = 1 };
enum { BURST = 64, SLOT_MAX = 16384, SEND_BUFFER = 4 << 20, IPV4_HEADER = 20, IPV6_HEADER = 40 };

union address {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
};
struct rawip {
        struct io_counters count;
        struct sendq out;
        union address *to; /* one per slot */
        int fd4, fd6;      /* -1: this kernel has not that IP version */
        unsigned ifindex;  /* 0: any */
};

static int bind_device(int fd, const char *name, struct err *e)
{
        if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1) == 0)
                return 0;
        return errno == ENODEV ? io_err_no_interface(e, name)
                               : io_err_open(e, errno, "binding a raw socket to the interface", name);
}

static int open_raw(int family, const char *name, int *fd, struct err *e)
{
        int room = SEND_BUFFER, on = 1;
        *fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
        if (*fd < 0 && errno == EAFNOSUPPORT)
                return 0;
        if (*fd < 0)
                return io_err_open(e, errno, "opening a raw IP socket", *name ? name : "any interface");
        if (setsockopt(*fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)))
                setsockopt(*fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
        setsockopt(*fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
        if (!*name || !bind_device(*fd, name, e))
                return 0;
        close(*fd);
        *fd = -1;
        return -1;
}

static uint32_t ask_mtu(int fd, const char *name)
{
        struct ifreq r = {0};
        memcpy(r.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
        return *name && fd >= 0 && ioctl(fd, SIOCGIFMTU, &r) == 0 ? (uint32_t)r.ifr_mtu : 1500;
}

static void close_sockets(struct rawip *r)
{
        if (r->fd4 >= 0)
                close(r->fd4);
        if (r->fd6 >= 0)
                close(r->fd6);
}

static int rawip_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct rawip *r = st;
        const char *name = c->name ? c->name : "";
        r->fd4 = r->fd6 = -1;
        if (*name && !(r->ifindex = if_nametoindex(name)))
                return io_err_no_interface(e, name);
        if (open_raw(AF_INET, name, &r->fd4, e) || open_raw(AF_INET6, name, &r->fd6, e))
                goto close_fds;
        *caps = (struct io_caps){.link = LINK_RAW, .burst = BURST, .mtu = ask_mtu(MAX(r->fd4, r->fd6), name)};
        if (sendq_init(&r->out, c->slots, MIN(caps->mtu, SLOT_MAX), e))
                goto close_fds;
        r->out.link = (struct link_watch){
                .fd = MAX(r->fd4, r->fd6), .ifindex = r->ifindex ? r->ifindex : LOOPBACK, .by_queue = true};
        r->to = calloc(r->out.q.n_slots, sizeof(*r->to));
        if (!r->to) {
                err_set(e, ENOMEM, "out of memory for transmit slots");
                goto free_queue;
        }
        return 0;
free_queue:
        sendq_free(&r->out);
close_fds:
        close_sockets(r);
        return -1;
}

static void rawip_close(void *st)
{
        struct rawip *r = st;
        sendq_free(&r->out);
        free(r->to);
        close_sockets(r);
}

static void rawip_stats(void *st, struct io_stats *s)
{
        io_counters_read(&((struct rawip *)st)->count, s);
}

static unsigned rawip_reserve(void *st, struct frame *f, unsigned n)
{
        return txq_reserve(&((struct rawip *)st)->out.q, f, n);
}

/* Where does the packet say it goes? One too short to say is handed to the kernel all the same, which refuses
 * it by name; so every bad frame is counted in one place. */
static void address(struct rawip *r, uint32_t at, const struct frame *f)
{
        struct msghdr *m = &r->out.msgs[at].msg_hdr;
        union address *to = &r->to[at];
        bool is6 = f->len && f->data[0] >> 4 == 6;
        *to = (union address){0};
        if (is6) {
                to->v6.sin6_family = AF_INET6;
                if (f->len >= IPV6_HEADER)
                        memcpy(&to->v6.sin6_addr, f->data + 24, 16);
                if (IN6_IS_ADDR_LINKLOCAL(&to->v6.sin6_addr) || IN6_IS_ADDR_MULTICAST(&to->v6.sin6_addr))
                        to->v6.sin6_scope_id = r->ifindex;
        } else {
                to->v4.sin_family = AF_INET;
                if (f->len >= IPV4_HEADER)
                        memcpy(&to->v4.sin_addr, f->data + 16, 4);
        }
        m->msg_name = to;
        m->msg_namelen = is6 ? sizeof(to->v6) : sizeof(to->v4);
        r->out.fds[at] = is6 ? r->fd6 : r->fd4;
        r->out.iov[at].iov_len = f->len;
}

static void rawip_commit(void *st, const struct frame *f, unsigned n)
{
        struct rawip *r = st;
        for (unsigned i = 0; i < n; i++)
                address(r, txq_place(&r->out.q, r->out.q.committed + i), &f[i]);
        txq_commit(&r->out.q, f, n);
}

static void rawip_kick(void *st)
{
        struct rawip *r = st;
        sendq_kick(&r->out, &r->count);
}

const struct io_ops io_rawip_ops = {
        .name = "rawip",
        .summary =
                "raw IP sockets: loopback, the host's own addresses, links whose layer 2 cannot be written",
        .can_tx = true,
        .state_size = sizeof(struct rawip),
        .open = rawip_open,
        .close = rawip_close,
        .stats = rawip_stats,
        .tx_reserve = rawip_reserve,
        .tx_commit = rawip_commit,
        .tx_kick = rawip_kick,
};
