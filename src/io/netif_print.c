// SPDX-License-Identifier: Apache-2.0
/*
 * netif_print: --iflist, the interfaces, their addresses and the routes as tables for people. Local and
 * multicast housekeeping routes are left out. Invariant: prints whatever could be learned, also when the
 * routes could not.
 */
#include "io_priv.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

static const char *type_name(const struct io_link *l)
{
        if (l->loopback)
                return "loopback";
        if (l->is_veth)
                return "veth";
        if (l->link == LINK_ETHER)
                return "ethernet";
        return l->point_to_point ? "tunnel" : "raw-ip";
}

static void print_link(FILE *out, const struct io_link *l)
{
        char mac[24] = "-", text[IP_TEXT_MAX];
        if (l->link == LINK_ETHER && !l->loopback)
                snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", l->mac[0], l->mac[1], l->mac[2],
                         l->mac[3], l->mac[4], l->mac[5]);
        fprintf(out, "%-4d %-15s %-9s %-17s %6u %-5s", l->ifindex, l->name, type_name(l), mac, l->mtu,
                l->up ? "up" : "down");
        for (size_t i = 0; i < l->n_addrs; i++) {
                struct ip_addr ip = l->addrs[i].ip;
                ip.zone = 0; /* the row says which interface */
                ip_format(text, &ip);
                fprintf(out, " %s/%u%s", text, l->addrs[i].prefix_len,
                        l->addrs[i].deprecated ? "(unusable)" : "");
        }
        fputc('\n', out);
}

struct printer {
        FILE *out;
        const struct io_facts *facts;
        size_t n;
};
struct row {
        struct ip_addr dst, src, via;
        uint32_t oif, metric, table;
        bool multipath;
};

static void read_row(const struct nlmsghdr *h, struct row *w)
{
        const struct rtmsg *m = mnl_nlmsg_get_payload(h);
        w->table = m->rtm_table;
        NL_EACH(a, h, sizeof(*m))
        {
                uint16_t type = mnl_attr_get_type(a), n = mnl_attr_get_payload_len(a);
                if (type == RTA_DST)
                        w->dst = nl_ip(a, m->rtm_family);
                else if (type == RTA_PREFSRC)
                        w->src = nl_ip(a, m->rtm_family);
                else if (type == RTA_GATEWAY)
                        w->via = nl_ip(a, m->rtm_family);
                else if (type == RTA_VIA && n >= sizeof(struct rtvia) + 16)
                        w->via = ip_from_bytes(
                                (const uint8_t *)mnl_attr_get_payload(a) + sizeof(struct rtvia), 6);
                else if (type == RTA_OIF && n >= 4)
                        w->oif = mnl_attr_get_u32(a);
                else if (type == RTA_PRIORITY && n >= 4)
                        w->metric = mnl_attr_get_u32(a);
                else if (type == RTA_TABLE && n >= 4)
                        w->table = mnl_attr_get_u32(a);
                else if (type == RTA_MULTIPATH)
                        w->multipath = true;
        }
}

static const char *refusal(uint8_t type)
{
        return type == RTN_UNREACHABLE ? "unreachable"
               : type == RTN_BLACKHOLE ? "blackhole"
               : type == RTN_PROHIBIT  ? "prohibit"
               : type == RTN_THROW     ? "throw"
                                       : NULL;
}

static void text_or_dash(char out[IP_TEXT_MAX], const struct ip_addr *ip)
{
        memcpy(out, "-", 2);
        if (ip->family)
                ip_format(out, ip);
}

static int print_route(const struct nlmsghdr *h, void *arg)
{
        struct printer *p = arg;
        const struct rtmsg *m = mnl_nlmsg_get_payload(h);
        struct row w = {0};
        char dst[IP_TEXT_MAX + 8], via[IP_TEXT_MAX], src[IP_TEXT_MAX], metric[16] = "";
        const char *refused = refusal(m->rtm_type);
        if ((m->rtm_type != RTN_UNICAST && !refused) || m->rtm_flags & RTM_F_CLONED)
                return 0;
        read_row(h, &w);
        if (w.dst.family) {
                char ip[IP_TEXT_MAX];
                ip_format(ip, &w.dst);
                snprintf(dst, sizeof(dst), "%s/%u", ip, m->rtm_dst_len);
        } else {
                snprintf(dst, sizeof(dst), "%s", m->rtm_family == AF_INET ? "default" : "default (IPv6)");
        }
        text_or_dash(via, &w.via);
        text_or_dash(src, &w.src);
        const struct io_link *l = io_facts_by_index(p->facts, (int)w.oif);
        if (w.metric)
                snprintf(metric, sizeof(metric), "%u", w.metric);
        if (p->n++ == 0)
                fprintf(p->out, "\n%-28s %-24s %-15s %-24s %-6s %s\n", "destination", "via", "interface",
                        "source", "metric", "table");
        fprintf(p->out, "%-28s %-24s %-15s %-24s %-6s %u\n", dst,
                w.multipath ? "several"
                : refused   ? refused
                            : via,
                l ? l->name : "-", src, metric, w.table);
        return 0;
}

void io_facts_print(const struct io_facts *f, void *stdio_file)
{
        FILE *out = stdio_file;
        struct printer p = {.out = out, .facts = f};
        struct nl nl;
        struct err e;
        fprintf(out, "%-4s %-15s %-9s %-17s %6s %-5s %s\n", "nr", "name", "type", "mac", "mtu", "state",
                "addresses");
        for (size_t i = 0; i < f->n_links; i++)
                print_link(out, &f->links[i]);
        if (nl_open(&nl, &e) == 0) {
                if (nl_dump(&nl, RTM_GETROUTE, AF_UNSPEC, print_route, NULL, &p, &e))
                        fprintf(out, "\nroutes: %s\n", e.text);
                else if (p.n == 0)
                        fprintf(out, "\nno routes\n");
                nl_close(&nl);
        } else {
                fprintf(out, "\nroutes: %s\n", e.text);
        }
}
