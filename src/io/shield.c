// SPDX-License-Identifier: Apache-2.0
/*
 * shield: the door. While one is open, TCP segments to our addresses and source ports do not reach the host's
 * own TCP, which knows nothing of our connections and would end each with a RST (RFC 9293 §3.10.7.1); packet
 * sockets still see them. By a tc program where the kernel takes one, else by nftables rules. Invariant: what
 * a socket of this host is waiting for reaches it, or the word says that it may not.
 */
#include "shield.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { NEWS_BYTES = 32 << 10, NEWS_MAX = 64 /* of one call, about */ };

struct io_shield {
        enum io_shield_by by;
        struct io_span *ours;
        unsigned n_ours;
        struct shield_tcx *tcx; /* one of the two */
        struct shield_nft *nft;
        struct err why; /* why there is no tc program */
        char word[384];
        struct mnl_socket *news; /* of links; NULL: none can be had, so nobody is followed */
        bool missed;             /* some news: all links are looked at */
        uint8_t buf[NEWS_BYTES] __attribute__((aligned(8)));
};

static int give_up(const struct io_shield *s, const struct err *nft, struct err *e)
{
        return err_set(e, s->why.code ? s->why.code : nft->code,
                       "this host's own TCP cannot be kept from ending our connections: %.220s%s%.220s",
                       s->why.text, *s->why.text && *nft->text ? "; " : "", nft->text);
}

/* The tc program could not be had, for `why`, or was not asked for. */
static int raise_rules(struct io_shield *s, struct err *e)
{
        struct err nft = {0};
        if (s->by == IO_SHIELD_TCX || shield_nft_open(&s->nft, s->ours, s->n_ours, &nft))
                return give_up(s, &nft, e);
        shield_tcx_close(s->tcx);
        s->tcx = NULL;
        struct wr w = wr_of(s->word, sizeof(s->word) - 1);
        wr_fmt(&w, "by nftables rules");
        if (*s->why.text)
                wr_fmt(&w, " (no tc program: %.190s)", s->why.text);
        if (!shield_nft_asks(s->nft))
                wr_fmt(&w, "; this kernel has no nft_socket: local services on these ports suffer");
        s->word[wr_len(&w)] = 0;
        return 0;
}

/* What came before this is looked for once, see io_shield_follow. */
static void listen_for_links(struct io_shield *s)
{
        s->missed = true;
        s->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        if (s->news && mnl_socket_bind(s->news, RTMGRP_LINK, MNL_SOCKET_AUTOPID) == 0)
                return;
        if (s->news)
                mnl_socket_close(s->news);
        s->news = NULL;
}

int io_shield_open(struct io_shield **out, const struct io_span *ours, unsigned n, enum io_shield_by by,
                   struct err *e)
{
        struct io_shield *s = calloc(1, sizeof(*s));
        if (!s)
                return err_set(e, ENOMEM, "out of memory for the shield");
        s->by = by;
        s->n_ours = n;
        s->ours = calloc(n ? n : 1, sizeof(*ours));
        if (!s->ours) {
                err_set(e, ENOMEM, "out of memory for the shield");
                goto close_shield;
        }
        for (unsigned i = 0; i < n; i++)
                s->ours[i] = ours[i];
        bool program = by != IO_SHIELD_NFT && shield_tcx_open(&s->tcx, ours, n, &s->why) == 0;
        if (!program && raise_rules(s, e))
                goto close_shield;
        if (program)
                listen_for_links(s);
        *out = s;
        return 0;
close_shield:
        io_shield_close(s);
        return -1;
}

/* ---- interfaces ---- */

struct above {
        int master;
        bool same; /* the master only groups: packets stay the interface's own */
};

static int read_link(const struct nlmsghdr *h, void *arg)
{
        struct above *up = arg;
        NL_EACH(a, h, sizeof(struct ifinfomsg))
        {
                const void *end = (const char *)a + a->nla_len;
                if (mnl_attr_get_type(a) == IFLA_MASTER && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
                        up->master = (int)mnl_attr_get_u32(a);
                if (mnl_attr_get_type(a) != IFLA_LINKINFO)
                        continue;
                for (const struct nlattr *i = nl_attr_at(mnl_attr_get_payload(a), end); i;
                     i = nl_attr_at(mnl_attr_next(i), end))
                        if (mnl_attr_get_type(i) == IFLA_INFO_SLAVE_KIND &&
                            mnl_attr_validate(i, MNL_TYPE_NUL_STRING) == 0)
                                up->same = strcmp(mnl_attr_get_str(i), "vrf") == 0;
        }
        return 0;
}

/* What comes in by a port of a bridge or a bond reaches sockets as its master's, so there is its place. */
static int find_place(int *ifindex, struct err *e)
{
        enum { DEPTH_MAX = 8 };
        char request[NLMSG_SPACE(sizeof(struct ifinfomsg))] __attribute__((aligned(8)));
        struct above up = {.master = *ifindex};
        struct nl nl;
        int code = nl_open(&nl, e);
        if (code)
                return -1;
        for (int i = 0; i < DEPTH_MAX && !code && up.master && !up.same; i++) {
                *ifindex = up.master;
                up.master = 0;
                struct nlmsghdr *h = mnl_nlmsg_put_header(request);
                h->nlmsg_type = RTM_GETLINK;
                h->nlmsg_flags = NLM_F_REQUEST;
                struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
                m->ifi_index = *ifindex;
                code = nl_ask(&nl, h, read_link, &up);
        }
        nl_close(&nl);
        return code ? err_set(e, code, "there is no interface number %d to shield: %s", *ifindex,
                              strerror(code))
                    : 0;
}

/* Whether the kernel takes such programs shows at the first interface; rules stand for all of them at once.
 */
int io_shield_add(struct io_shield *s, int ifindex, struct err *e)
{
        if (find_place(&ifindex, e))
                return -1;
        struct err why = {0};
        if (s->nft || shield_tcx_add(s->tcx, ifindex, &why) == 0)
                return 0;
        if (why.code == ENODEV) {
                *e = why;
                return -1;
        }
        s->why = why;
        return raise_rules(s, e);
}

/* ---- interfaces that come later ---- */

/* One that nothing can be attached to is passed by: no probe leaves by it. */
static int see_link(const struct nlmsghdr *h, void *arg)
{
        struct io_shield *s = arg;
        const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
        struct err e = {0};
        bool link =
                mnl_nlmsg_get_payload_len(h) >= sizeof(*m) && m->ifi_family == AF_UNSPEC; /* no bridge's */
        if (link && h->nlmsg_type == RTM_NEWLINK)
                (void)io_shield_add(s, m->ifi_index, &e);
        else if (link && h->nlmsg_type == RTM_DELLINK && s->tcx)
                shield_tcx_drop(s->tcx, m->ifi_index);
        return 0;
}

static void see_all(struct io_shield *s)
{
        struct err e = {0};
        struct nl nl;
        if (nl_open(&nl, &e))
                return;
        s->missed = nl_dump(&nl, RTM_GETLINK, AF_UNSPEC, see_link, NULL, s, &e) != 0;
        nl_close(&nl);
}

/* False: there is no more news for now. */
static bool read_news(struct io_shield *s)
{
        ssize_t got = recv(mnl_socket_get_fd(s->news), s->buf, NEWS_BYTES, MSG_DONTWAIT | MSG_TRUNC);
        int left = (int)got;
        s->missed |= got > NEWS_BYTES || (got < 0 && errno == ENOBUFS);
        if (got < 0 || got > NEWS_BYTES)
                return got >= 0 || errno == ENOBUFS || errno == EINTR;
        for (const struct nlmsghdr *h = (void *)s->buf; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
                (void)see_link(h, s);
        return true;
}

bool io_shield_follow(struct io_shield *s)
{
        if (!s->news || s->nft)
                return false;
        for (unsigned i = 0; i < NEWS_MAX && read_news(s); i++)
                continue;
        if (s->missed)
                see_all(s);
        return s->nft != NULL;
}

void io_shield_counts(struct io_shield *s, struct io_shield_count *c)
{
        if (s->tcx)
                shield_tcx_counts(s->tcx, c);
        else
                shield_nft_counts(s->nft, c);
}

const char *io_shield_word(const struct io_shield *s)
{
        return s->tcx ? "by a tc program" : s->word;
}

void io_shield_close(struct io_shield *s)
{
        if (!s)
                return;
        shield_tcx_close(s->tcx);
        shield_nft_close(s->nft);
        if (s->news)
                mnl_socket_close(s->news);
        free(s->ours);
        free(s);
}
