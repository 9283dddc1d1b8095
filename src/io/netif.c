// SPDX-License-Identifier: Apache-2.0
/*
 * netif: a snapshot of the kernel's links and their addresses, taken once before a scan. Interface choice,
 * source addresses and --iflist read it. Invariant: the snapshot does not change after io_facts_load.
 * Reference: rtnetlink(7), Linux include/uapi/linux/if_link.h and if_addr.h.
 */
#include "io_priv.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

static void read_kind(const struct nlattr *info, struct io_link *l)
{
        const char *at = mnl_attr_get_payload(info), *end = at + mnl_attr_get_payload_len(info);
        for (const struct nlattr *a = nl_attr_at(at, end); a; a = nl_attr_at(mnl_attr_next(a), end))
                if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
                        l->is_veth =
                                strncmp(mnl_attr_get_payload(a), "veth", mnl_attr_get_payload_len(a)) == 0;
}

static void read_link_attr(const struct nlattr *a, struct io_link *l)
{
        uint16_t n = mnl_attr_get_payload_len(a);
        switch (mnl_attr_get_type(a)) {
        case IFLA_IFNAME:
                memcpy(l->name, mnl_attr_get_payload(a), MIN(n, sizeof(l->name) - 1));
                break;
        case IFLA_ADDRESS:
                if (n == sizeof(l->mac))
                        memcpy(l->mac, mnl_attr_get_payload(a), n);
                break;
        case IFLA_MTU:
                if (n >= 4)
                        l->mtu = mnl_attr_get_u32(a);
                break;
        case IFLA_LINKINFO:
                read_kind(a, l);
                break;
        default:
                break;
        }
}

static int add_link(const struct nlmsghdr *h, void *arg)
{
        struct io_facts *f = arg;
        const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
        if (mem_grow(&f->links, &f->cap_links, f->n_links + 1, sizeof(*f->links), NULL))
                return -1;
        struct io_link *l = &f->links[f->n_links++];
        *l = (struct io_link){
                .ifindex = m->ifi_index,
                .link = m->ifi_type == ARPHRD_ETHER || m->ifi_type == ARPHRD_LOOPBACK ? LINK_ETHER : LINK_RAW,
                .up = m->ifi_flags & IFF_UP,
                .loopback = m->ifi_flags & IFF_LOOPBACK,
                .point_to_point = m->ifi_flags & IFF_POINTOPOINT,
                .no_arp = m->ifi_flags & IFF_NOARP,
        };
        NL_EACH(a, h, sizeof(*m))
        read_link_attr(a, l);
        return 0;
}

static void forget_links(void *arg)
{
        struct io_facts *f = arg;
        for (size_t i = 0; i < f->n_links; i++)
                free(f->links[i].addrs);
        f->n_links = 0;
}

static void forget_addresses(void *arg)
{
        struct io_facts *f = arg;
        for (size_t i = 0; i < f->n_links; i++) {
                free(f->links[i].addrs);
                f->links[i].addrs = NULL;
                f->links[i].n_addrs = 0;
        }
}

static struct io_link *link_by_index(const struct io_facts *f, int ifindex)
{
        for (size_t i = 0; i < f->n_links; i++)
                if (f->links[i].ifindex == ifindex)
                        return &f->links[i];
        return NULL;
}

static int add_address(const struct nlmsghdr *h, void *arg)
{
        struct io_facts *f = arg;
        const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
        const struct nlattr *local = NULL, *address = NULL;
        struct io_link *l = link_by_index(f, (int)m->ifa_index);
        uint32_t flags = m->ifa_flags;
        NL_EACH(a, h, sizeof(*m))
        {
                uint16_t type = mnl_attr_get_type(a);
                if (type == IFA_LOCAL)
                        local = a;
                else if (type == IFA_ADDRESS)
                        address = a;
                else if (type == IFA_FLAGS && mnl_attr_get_payload_len(a) >= 4)
                        flags = mnl_attr_get_u32(a);
        }
        /* On point-to-point links IFA_ADDRESS is the far end's. */
        struct ip_addr ip = nl_ip(local ? local : address, m->ifa_family);
        if (!l || !ip.family)
                return 0; /* a link that came after the links were listed */
        struct io_ifaddr *grown = realloc(l->addrs, (l->n_addrs + 1) * sizeof(*grown));
        if (!grown)
                return -1;
        if (ip_is_link_local(&ip))
                ip.zone = m->ifa_index;
        l->addrs = grown;
        l->addrs[l->n_addrs++] = (struct io_ifaddr){
                .ip = ip,
                .prefix_len = m->ifa_prefixlen,
                .deprecated = flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED),
        };
        return 0;
}

int io_facts_load(struct io_facts **out, struct err *e)
{
        struct io_facts *f = calloc(1, sizeof(*f));
        if (!f)
                return err_set(e, ENOMEM, "out of memory for the list of interfaces");
        if (nl_open(&f->nl, e) || nl_dump(&f->nl, RTM_GETLINK, AF_UNSPEC, add_link, forget_links, f, e) ||
            nl_dump(&f->nl, RTM_GETADDR, AF_UNSPEC, add_address, forget_addresses, f, e)) {
                io_facts_free(f);
                return -1;
        }
        *out = f;
        return 0;
}

void io_facts_free(struct io_facts *f)
{
        if (!f)
                return;
        forget_links(f);
        free(f->links);
        route_cuts_free(f->cuts);
        nl_close(&f->nl);
        free(f);
}

const struct io_link *io_facts_links(const struct io_facts *f, size_t *n)
{
        *n = f->n_links;
        return f->links;
}

const struct io_link *io_facts_by_index(const struct io_facts *f, int ifindex)
{
        return link_by_index(f, ifindex);
}

const struct io_link *io_facts_by_name(const struct io_facts *f, const char *name)
{
        for (size_t i = 0; i < f->n_links; i++)
                if (strcmp(f->links[i].name, name) == 0)
                        return &f->links[i];
        if (!*name || name[strspn(name, "0123456789")] || strlen(name) > 9)
                return NULL;
        return link_by_index(f, (int)strtol(name, NULL, 10));
}

static int read_counts(const struct nlmsghdr *h, void *arg)
{
        struct io_link_count *c = arg;
        struct rtnl_link_stats64 s = {0};
        NL_EACH(a, h, sizeof(struct ifinfomsg))
        {
                if (mnl_attr_get_type(a) != IFLA_STATS64)
                        continue; /* newer kernels tell more, older ones less */
                memcpy(&s, mnl_attr_get_payload(a), MIN(mnl_attr_get_payload_len(a), sizeof(s)));
                *c = (struct io_link_count){.tx_frames = s.tx_packets,
                                            .tx_dropped = s.tx_dropped + s.tx_errors,
                                            .rx_missed = s.rx_missed_errors + s.rx_fifo_errors};
                return 0;
        }
        return -1;
}

bool io_link_sent(struct io_facts *f, int ifindex, struct io_link_count *c)
{
        char request[sizeof(struct nlmsghdr) + sizeof(struct ifinfomsg)] __attribute__((aligned(8)));
        struct nlmsghdr *h = mnl_nlmsg_put_header(request);
        h->nlmsg_type = RTM_GETLINK;
        h->nlmsg_flags = NLM_F_REQUEST;
        struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
        m->ifi_index = ifindex;
        return nl_ask(&f->nl, h, read_counts, c) == 0;
}
