// SPDX-License-Identifier: Apache-2.0
/*
 * nl: rtnetlink by libmnl: dumps and single questions. Everything that asks the kernel about links, routes
 * and neighbours comes through here. Invariant: a dump is either whole and consistent or an error: one that
 * changed under way is begun again. Reference: RFC 3549, netlink(7), rtnetlink(7).
 */
#include "io_priv.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

enum { BUFFER = 64 << 10, RESTARTS = 10, ROOM = 1 << 20 };

int nl_open(struct nl *nl, struct err *e)
{
        int room = ROOM;
        *nl = (struct nl){.sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)};
        if (!nl->sock)
                return err_set(e, errno, "cannot ask the kernel about its network (netlink): %s",
                               strerror(errno));
        nl->buf = malloc(BUFFER);
        if (!nl->buf || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
                int why = nl->buf ? errno : ENOMEM;
                nl_close(nl);
                return err_set(e, why, "cannot ask the kernel about its network (netlink): %s",
                               strerror(why));
        }
        setsockopt(mnl_socket_get_fd(nl->sock), SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
        nl->portid = mnl_socket_get_portid(nl->sock);
        return 0;
}

void nl_close(struct nl *nl)
{
        if (nl->sock)
                mnl_socket_close(nl->sock);
        free(nl->buf);
        *nl = (struct nl){0};
}

struct call { /* libmnl's callback convention, turned into ours */
        nl_fn *fn;
        void *arg;
};

static int call(const struct nlmsghdr *h, void *data)
{
        const struct call *c = data;
        return c->fn && c->fn(h, c->arg) ? MNL_CB_ERROR : MNL_CB_OK;
}

static size_t header_size(uint16_t type)
{
        return type == RTM_GETLINK   ? sizeof(struct ifinfomsg)
               : type == RTM_GETADDR ? sizeof(struct ifaddrmsg)
                                     : sizeof(struct rtmsg);
}

/* Positive errno, or 0. */
static int dump_once(struct nl *nl, uint16_t type, uint8_t family, struct call *c)
{
        char request[sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg)] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(request);
        h->nlmsg_type = type;
        h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        h->nlmsg_seq = ++nl->seq;
        struct rtgenmsg *m = mnl_nlmsg_put_extra_header(h, header_size(type));
        m->rtgen_family = family; /* the first byte of every rtnetlink header */
        if (mnl_socket_sendto(nl->sock, h, h->nlmsg_len) < 0)
                return errno;
        for (;;) {
                ssize_t n = mnl_socket_recvfrom(nl->sock, nl->buf, BUFFER);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno;
                errno = 0;
                int r = mnl_cb_run(nl->buf, (size_t)n, nl->seq, nl->portid, call, c);
                if (r < 0)
                        return errno ? errno : ENOMEM;
                if (r == 0)
                        return 0;
        }
}

/* Answers to a question we gave up on must not be taken for answers to the next. */
static void drain(struct nl *nl)
{
        int fd = mnl_socket_get_fd(nl->sock);
        while (recv(fd, nl->buf, BUFFER, MSG_DONTWAIT) > 0)
                ;
}

int nl_dump(struct nl *nl, uint16_t type, uint8_t family, nl_fn *fn, void (*restart)(void *), void *arg,
            struct err *e)
{
        struct call c = {fn, arg};
        int why = 0;
        for (int i = 0; i < RESTARTS; i++) {
                why = dump_once(nl, type, family, &c);
                if (why == 0)
                        return 0;
                drain(nl);
                if (why != EINTR && why != ENOBUFS)
                        break;
                if (restart)
                        restart(arg);
        }
        if (why == EOPNOTSUPP || why == EAFNOSUPPORT)
                return 0; /* a kernel without this family (IPv6) has nothing to list */
        return err_set(e, why, "cannot read the kernel's network tables (netlink): %s",
                       why == EINTR ? "they keep changing" : strerror(why));
}

int nl_ask(struct nl *nl, struct nlmsghdr *h, nl_fn *fn, void *arg)
{
        struct call c = {fn, arg};
        h->nlmsg_seq = ++nl->seq;
        if (mnl_socket_sendto(nl->sock, h, h->nlmsg_len) < 0)
                return errno;
        for (;;) {
                ssize_t n = mnl_socket_recvfrom(nl->sock, nl->buf, BUFFER);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno;
                if ((size_t)n < sizeof(*h) ||
                    ((const struct nlmsghdr *)(void *)nl->buf)->nlmsg_seq != nl->seq)
                        continue; /* a late answer to an older question */
                errno = 0;
                int r = mnl_cb_run(nl->buf, (size_t)n, nl->seq, nl->portid, call, &c);
                return r >= 0 ? 0 : errno ? errno : ENOMEM;
        }
}

struct ip_addr nl_ip(const struct nlattr *a, uint8_t family)
{
        uint8_t bytes = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
        if (!a || !bytes || mnl_attr_get_payload_len(a) < bytes)
                return (struct ip_addr){0};
        return ip_from_bytes(mnl_attr_get_payload(a), family == AF_INET ? 4 : 6);
}

const struct nlattr *nl_attr_at(const void *at, const void *end)
{
        return mnl_attr_ok(at, (int)((const char *)end - (const char *)at)) ? at : NULL;
}

const struct nlattr *nl_attr_first(const struct nlmsghdr *h, size_t size)
{
        if (mnl_nlmsg_get_payload_len(h) < size)
                return NULL;
        return nl_attr_at(mnl_nlmsg_get_payload_offset(h, size), mnl_nlmsg_get_payload_tail(h));
}

const struct nlattr *nl_attr_next(const struct nlmsghdr *h, const struct nlattr *a)
{
        return nl_attr_at(mnl_attr_next(a), mnl_nlmsg_get_payload_tail(h));
}
