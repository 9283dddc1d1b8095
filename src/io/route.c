// SPDX-License-Identifier: Apache-2.0
/*
 * route: what the kernel would do with a packet to an address, and where in a range of addresses that
 * changes. The engine cuts its plan into paths by it. Nothing is re-implemented: the tables only say where to
 * cut, the kernel is asked about each piece, so rules, metrics and multipath count. Invariant: pieces handed
 * out are in order, disjoint and cover the whole range. Reference: rtnetlink(7) RTM_GETROUTE, fib_rules
 * (RTM_GETRULE).
 */
#include "io_priv.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addrlabel.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

typedef unsigned __int128 wide; /* an address as a number */

struct cut_list {
        wide *at; /* a piece begins here; sorted, no two alike */
        size_t n, cap;
        bool loaded;
};
struct route_cuts {
        struct cut_list v4, v6;
};

/* ---- one question ---- */

static void read_via(const struct nlattr *a, struct io_route *r)
{
        const struct rtvia *via = mnl_attr_get_payload(a);
        size_t n = mnl_attr_get_payload_len(a) - sizeof(*via);
        if (mnl_attr_get_payload_len(a) < sizeof(*via))
                return;
        if (via->rtvia_family == AF_INET && n >= 4)
                r->via = ip_from_bytes(via->rtvia_addr, 4);
        else if (via->rtvia_family == AF_INET6 && n >= 16)
                r->via = ip_from_bytes(via->rtvia_addr, 6);
}

/* The kernel normally answers with the one next hop it would take. Should it list several, the first will do.
 */
static void read_multipath(const struct nlattr *a, uint8_t family, struct io_route *r)
{
        const struct rtnexthop *hop = mnl_attr_get_payload(a);
        size_t n = mnl_attr_get_payload_len(a);
        if (n < sizeof(*hop) || hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > n)
                return;
        r->ifindex = hop->rtnh_ifindex;
        const char *at = (const char *)(hop + 1), *end = (const char *)hop + hop->rtnh_len;
        for (const struct nlattr *in = nl_attr_at(at, end); in; in = nl_attr_at(mnl_attr_next(in), end)) {
                if (mnl_attr_get_type(in) == RTA_GATEWAY)
                        r->via = nl_ip(in, family);
                else if (mnl_attr_get_type(in) == RTA_VIA)
                        read_via(in, r);
        }
}

static void read_route_attr(const struct nlattr *a, uint8_t family, struct io_route *r)
{
        switch (mnl_attr_get_type(a)) {
        case RTA_OIF:
                if (mnl_attr_get_payload_len(a) >= 4)
                        r->ifindex = (int)mnl_attr_get_u32(a);
                break;
        case RTA_GATEWAY:
                r->via = nl_ip(a, family);
                break;
        case RTA_VIA:
                read_via(a, r);
                break;
        case RTA_PREFSRC:
                r->src = nl_ip(a, family);
                break;
        case RTA_TABLE: /* asked for by RTM_F_LOOKUP_TABLE; only IPv4 assumes */
                r->assumed = family == AF_INET && mnl_attr_get_payload_len(a) >= 4 &&
                             mnl_attr_get_u32(a) == RT_TABLE_UNSPEC;
                break;
        case RTA_MULTIPATH:
                read_multipath(a, family, r);
                break;
        default:
                break;
        }
}

static enum io_route_kind kind_of(const struct rtmsg *m, const struct io_route *r)
{
        switch (m->rtm_type) {
        case RTN_LOCAL:
        case RTN_ANYCAST:
                return ROUTE_LOCAL;
        case RTN_UNICAST:
                return r->via.family ? ROUTE_GATEWAY : ROUTE_ONLINK;
        case RTN_BROADCAST:
                return ROUTE_BROADCAST;
        default: /* unreachable, blackhole, prohibit; multicast is no target either */
                return ROUTE_NONE;
        }
}

static int read_route(const struct nlmsghdr *h, void *arg)
{
        struct io_route *r = arg;
        const struct rtmsg *m = mnl_nlmsg_get_payload(h);
        if (h->nlmsg_type != RTM_NEWROUTE)
                return 0;
        NL_EACH(a, h, sizeof(*m))
        read_route_attr(a, m->rtm_family, r);
        r->kind = kind_of(m, r);
        r->assumed &= r->kind == ROUTE_ONLINK;
        if (r->kind == ROUTE_NONE)
                *r = (struct io_route){.kind = ROUTE_NONE};
        if (ip_is_link_local(&r->src))
                r->src.zone = (uint32_t)r->ifindex;
        if (ip_is_link_local(&r->via))
                r->via.zone = (uint32_t)r->ifindex;
        return 0;
}

/* EINVAL is what the kernel says for a blackhole route, EACCES for a prohibited one. */
static bool means_no_route(int why)
{
        return why == ENETUNREACH || why == EHOSTUNREACH || why == EACCES || why == EINVAL ||
               why == ENETDOWN || why == EAFNOSUPPORT || why == EOPNOTSUPP;
}

int io_route_query(struct io_facts *f, const struct ip_addr *dst, int oif, struct io_route *r, struct err *e)
{
        char request[sizeof(struct nlmsghdr) + sizeof(struct rtmsg) + 64] __attribute__((aligned(8)));
        bool is4 = dst->family == 4;
        uint8_t bytes[16];
        struct nlmsghdr *h = mnl_nlmsg_put_header(request);
        h->nlmsg_type = RTM_GETROUTE;
        h->nlmsg_flags = NLM_F_REQUEST;
        struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
        m->rtm_family = is4 ? AF_INET : AF_INET6;
        m->rtm_dst_len = is4 ? 32 : 128;
        m->rtm_flags = RTM_F_LOOKUP_TABLE;
        ip_to_bytes(dst, bytes);
        mnl_attr_put(h, RTA_DST, is4 ? 4 : 16, bytes);
        if (!oif)
                oif = (int)dst->zone;
        if (oif)
                mnl_attr_put_u32(h, RTA_OIF, (uint32_t)oif);
        *r = (struct io_route){.kind = ROUTE_NONE};
        int why = nl_ask(&f->nl, h, read_route, r);
        if (why == 0 || means_no_route(why))
                return 0;
        char text[IP_TEXT_MAX];
        ip_format(text, dst);
        return err_set(e, why, "the kernel cannot say how to reach %s: %s", text, strerror(why));
}

/* ---- where to cut ---- */

static wide to_wide(const struct ip_addr *a)
{
        return (wide)a->hi << 64 | a->lo;
}

static struct ip_addr from_wide(wide v, const struct ip_addr *like)
{
        struct ip_addr a = *like;
        a.hi = (uint64_t)(v >> 64);
        a.lo = (uint64_t)v;
        return a;
}

/* A piece begins where the prefix does, and another right behind its end (unless it ends the address space).
 */
static int cut_prefix(struct cut_list *c, const struct ip_addr *ip, unsigned len)
{
        unsigned width = ip->family == 4 ? 32 : 128;
        if (len == 0 || len > width)
                return 0;
        wide size = (wide)1 << (width - len), first = to_wide(ip) & ~(size - 1);
        wide top = width == 32 ? (wide)UINT32_MAX : ~(wide)0;
        if (mem_grow(&c->at, &c->cap, c->n + 2, sizeof(*c->at), NULL))
                return -1;
        c->at[c->n++] = first;
        if (top - first >= size)
                c->at[c->n++] = first + size;
        return 0;
}

static int add_route_cut(const struct nlmsghdr *h, void *arg)
{
        const struct rtmsg *m = mnl_nlmsg_get_payload(h);
        NL_EACH(a, h, sizeof(*m))
        {
                if (mnl_attr_get_type(a) != RTA_DST)
                        continue;
                struct ip_addr ip = nl_ip(a, m->rtm_family);
                return ip.family ? cut_prefix(arg, &ip, m->rtm_dst_len) : 0;
        }
        return 0;
}

/* A rule may send some destinations to another table: its prefix is a boundary like a route's. */
static int add_rule_cut(const struct nlmsghdr *h, void *arg)
{
        const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
        NL_EACH(a, h, sizeof(*m))
        {
                if (mnl_attr_get_type(a) != FRA_DST)
                        continue;
                struct ip_addr ip = nl_ip(a, m->family);
                return ip.family ? cut_prefix(arg, &ip, m->dst_len) : 0;
        }
        return 0;
}

/* What the kernel treats apart without a route for it: no address at all, multicast, all hosts on the link.
 */
static int add_special_cuts4(struct cut_list *c)
{
        const struct ip_addr none = ip_v4(0), groups = ip_v4(0xe0000000), all = ip_v4(UINT32_MAX);
        return cut_prefix(c, &none, 32) || cut_prefix(c, &groups, 4) || cut_prefix(c, &all, 32) ? -1 : 0;
}

static int add_label_cut(const struct nlmsghdr *h, void *arg)
{
        const struct ifaddrlblmsg *m = mnl_nlmsg_get_payload(h);
        NL_EACH(a, h, sizeof(*m))
        {
                if (mnl_attr_get_type(a) != IFAL_ADDRESS)
                        continue;
                struct ip_addr ip = nl_ip(a, m->ifal_family);
                return ip.family ? cut_prefix(arg, &ip, m->ifal_prefixlen) : 0;
        }
        return 0;
}

/* Which of our IPv6 addresses is the source also depends on the destination (RFC 6724 §5): on its scope, on
 * its label (a table in the kernel), and on how many leading bits it shares with each candidate. */
static int add_special_cuts6(struct io_facts *f, struct cut_list *c, struct err *e)
{
        const struct ip_addr none = ip_v6(0, 0), site = ip_v6(0xfec0000000000000, 0),
                             link = ip_v6(0xfe80000000000000, 0), groups = ip_v6(0xff00000000000000, 0);
        if (nl_dump(&f->nl, RTM_GETADDRLABEL, AF_INET6, add_label_cut, NULL, c, e))
                return -1;
        int bad = cut_prefix(c, &none, 128) || cut_prefix(c, &site, 10) || cut_prefix(c, &link, 10) ||
                  cut_prefix(c, &groups, 8);
        for (size_t i = 0; i < f->n_links; i++)
                for (size_t k = 0; k < f->links[i].n_addrs; k++)
                        for (unsigned len = 1; len <= f->links[i].addrs[k].prefix_len; len++)
                                if (f->links[i].addrs[k].ip.family == 6)
                                        bad |= cut_prefix(c, &f->links[i].addrs[k].ip, len);
        return bad ? err_set(e, ENOMEM, "out of memory for the route tables") : 0;
}

static int by_value(const void *x, const void *y)
{
        const wide *a = x, *b = y;
        return *a < *b ? -1 : *a > *b;
}

static void sort_cuts(struct cut_list *c)
{
        size_t n = 0;
        if (c->n)
                qsort(c->at, c->n, sizeof(*c->at), by_value);
        for (size_t i = 0; i < c->n; i++)
                if (n == 0 || c->at[n - 1] != c->at[i])
                        c->at[n++] = c->at[i];
        c->n = n;
}

static int load_cuts(struct io_facts *f, uint8_t family, struct cut_list **out, struct err *e)
{
        uint8_t af = family == 4 ? AF_INET : AF_INET6;
        if (!f->cuts && !(f->cuts = calloc(1, sizeof(*f->cuts))))
                return err_set(e, ENOMEM, "out of memory for the route tables");
        struct cut_list *c = *out = family == 4 ? &f->cuts->v4 : &f->cuts->v6;
        if (c->loaded)
                return 0;
        /* A dump begun again leaves its first entries behind: too many cuts cost a question, nothing else. */
        c->n = 0;
        if (nl_dump(&f->nl, RTM_GETROUTE, af, add_route_cut, NULL, c, e) ||
            nl_dump(&f->nl, RTM_GETRULE, af, add_rule_cut, NULL, c, e))
                return -1;
        if (family == 6 && add_special_cuts6(f, c, e))
                return -1;
        if (family == 4 && add_special_cuts4(c))
                return err_set(e, ENOMEM, "out of memory for the route tables");
        sort_cuts(c);
        c->loaded = true;
        return 0;
}

void route_cuts_free(struct route_cuts *c)
{
        if (!c)
                return;
        free(c->v4.at);
        free(c->v6.at);
        free(c);
}

/* ---- the walk ---- */

/* Index of the first cut above v. */
static size_t cut_above(const struct cut_list *c, wide v)
{
        size_t lo = 0, hi = c->n;
        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                if (c->at[mid] > v)
                        hi = mid;
                else
                        lo = mid + 1;
        }
        return lo;
}

static bool same_answer(const struct io_route *a, const struct io_route *b)
{
        return a->kind == b->kind && a->ifindex == b->ifindex && a->assumed == b->assumed &&
               ip_eq(&a->src, &b->src) && ip_eq(&a->via, &b->via);
}

int io_route_cut(struct io_facts *f, const struct ip_addr *first, const struct ip_addr *last, int oif,
                 io_route_fn *fn, void *arg, struct err *e)
{
        struct cut_list *c = NULL;
        struct io_route run = {.kind = ROUTE_NONE}, next;
        struct ip_addr run_first = *first, piece = *first;
        wide end = to_wide(last);
        if (load_cuts(f, first->family, &c, e) || io_route_query(f, first, oif, &run, e))
                return -1;
        for (size_t i = cut_above(c, to_wide(first)); i < c->n && c->at[i] <= end; i++) {
                piece = from_wide(c->at[i], first);
                if (io_route_query(f, &piece, oif, &next, e))
                        return -1;
                if (same_answer(&run, &next))
                        continue;
                struct ip_addr run_last = from_wide(c->at[i] - 1, first);
                if (fn(arg, &run_first, &run_last, &run))
                        return 0;
                run_first = piece;
                run = next;
        }
        fn(arg, &run_first, last, &run);
        return 0;
}
