// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * shield: stands in front of the host's TCP and takes away what is meant for trawl's, which would else be
 * answered with a RST. It runs at ingress behind the packet sockets, so trawl has its copy by then:
 *
 *   driver ──> packet sockets ──> this program ──┬─ ours, no local socket ──> dropped
 *                                                └─ all else ──> next program, host's TCP
 *
 * Invariant: a segment that a socket of this host would get, listening ones included, is never dropped.
 * Reference: RFC 9293 §3.10.7.1; RFC 8200 §4; Linux net/core: tcx, bpf-helpers(7), bpf_skc_lookup_tcp.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "io/shield_kernel.h"

/* A program of a tcx link can say only these; what steals frames in older hooks counts as NEXT here. */
enum { NEXT = -1, DROP = 2 };
enum { HEADERS_MAX = 8, HEADS = 256 };

const volatile struct shield_conf conf SEC(".rodata.conf") = {0};
struct shield_shared shared SEC(".data.shared") = {0};

struct seen { /* a TCP segment's ends */
        struct bpf_sock_tuple tuple;
        __u64 hi, lo; /* our address */
        __u32 family;
        __u16 port;
};

/* Offsets count from the IP header, so links with and without a header of their own look alike. The helper
 * reads only what lies in one piece: rarely the kernel must be asked to put the headers there. */
static __always_inline int get(struct __sk_buff *skb, __u32 at, void *to, __u32 len)
{
        if (!bpf_skb_load_bytes_relative(skb, at, to, len, BPF_HDR_START_NET))
                return 1;
        return !bpf_skb_pull_data(skb, skb->len < HEADS ? skb->len : HEADS) &&
               !bpf_skb_load_bytes_relative(skb, at, to, len, BPF_HDR_START_NET);
}

static __always_inline int take_ip4(struct __sk_buff *skb, struct seen *s)
{
        struct iphdr ip;
        if (!get(skb, 0, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5 || ip.protocol != IPPROTO_TCP ||
            ip.frag_off & bpf_htons(0x1fff))
                return 0;
        s->tuple.ipv4.saddr = ip.saddr;
        s->tuple.ipv4.daddr = ip.daddr;
        s->lo = bpf_ntohl(ip.daddr);
        s->family = 4;
        return get(skb, ip.ihl * 4, &s->tuple.ipv4.sport, 4);
}

/* Where TCP's header is behind IPv6's; 0: somewhere else, or not in this fragment.
 *
 *   | next header | length | … |   length in units of 8 bytes beyond the first 8; AH: of 4 beyond 8 */
static __always_inline __u32 skip_headers(struct __sk_buff *skb, __u32 at, __u8 next)
{
        struct {
                __u8 next, len;
                __u16 offset; /* fragment header */
        } h;
#pragma unroll
        for (int i = 0; i <= HEADERS_MAX; i++) {
                if (next == IPPROTO_TCP)
                        return at;
                if (i == HEADERS_MAX ||
                    (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_FRAGMENT &&
                     next != IPPROTO_DSTOPTS && next != IPPROTO_AH))
                        return 0;
                if (!get(skb, at, &h, sizeof(h)))
                        return 0;
                if (next == IPPROTO_FRAGMENT && h.offset & bpf_htons(0xfff8))
                        return 0;
                at += next == IPPROTO_FRAGMENT ? 8 : next == IPPROTO_AH ? h.len * 4 + 8 : h.len * 8 + 8;
                next = h.next;
        }
        return 0;
}

static __always_inline int take_ip6(struct __sk_buff *skb, struct seen *s)
{
        struct ipv6hdr ip;
        if (!get(skb, 0, &ip, sizeof(ip)) || ip.version != 6)
                return 0;
        __u32 tcp = skip_headers(skb, sizeof(ip), ip.nexthdr);
        if (!tcp)
                return 0;
        __builtin_memcpy(s->tuple.ipv6.saddr, &ip.saddr, 16);
        __builtin_memcpy(s->tuple.ipv6.daddr, &ip.daddr, 16);
        s->hi = (__u64)bpf_ntohl(s->tuple.ipv6.daddr[0]) << 32 | bpf_ntohl(s->tuple.ipv6.daddr[1]);
        s->lo = (__u64)bpf_ntohl(s->tuple.ipv6.daddr[2]) << 32 | bpf_ntohl(s->tuple.ipv6.daddr[3]);
        s->family = 6;
        return get(skb, tcp, &s->tuple.ipv6.sport, 4);
}

/* Tagged frames come by again, at their VLAN's own interface, which is the one that sockets know; a tag that
 * names no VLAN is only a priority. */
static __always_inline int take_apart(struct __sk_buff *skb, struct seen *s)
{
        if (skb->vlan_present && skb->vlan_tci & 0xfff)
                return 0;
        if (skb->protocol == bpf_htons(ETH_P_IP) && take_ip4(skb, s))
                s->port = bpf_ntohs(s->tuple.ipv4.dport);
        else if (skb->protocol == bpf_htons(ETH_P_IPV6) && take_ip6(skb, s))
                s->port = bpf_ntohs(s->tuple.ipv6.dport);
        else
                return 0;
        return 1;
}

static __always_inline int is_ours(const struct seen *s)
{
        for (__u32 i = 0; i < SHIELD_SPANS && i < conf.n_spans; i++) {
                const volatile struct shield_span *o = &conf.spans[i];
                if (o->family == s->family && s->port >= o->port_first && s->port <= o->port_last &&
                    (s->hi > o->first_hi || (s->hi == o->first_hi && s->lo >= o->first_lo)) &&
                    (s->hi < o->last_hi || (s->hi == o->last_hi && s->lo <= o->last_lo)))
                        return 1;
        }
        return 0;
}

static __always_inline int has_socket(struct __sk_buff *skb, struct seen *s)
{
        struct bpf_sock *sk =
                s->family == 4
                        ? bpf_skc_lookup_tcp(skb, &s->tuple, sizeof(s->tuple.ipv4), BPF_F_CURRENT_NETNS, 0)
                        : bpf_skc_lookup_tcp(skb, &s->tuple, sizeof(s->tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
        if (sk)
                bpf_sk_release(sk);
        return sk != 0;
}

SEC("tc")
int shield(struct __sk_buff *skb)
{
        struct seen s = {0};
        if (!take_apart(skb, &s) || !is_ours(&s))
                return NEXT;
        struct shield_bank *bank = &shared.banks[bpf_get_smp_processor_id() & (SHIELD_BANKS - 1)];
        if (has_socket(skb, &s)) {
                __sync_fetch_and_add(&bank->local, 1);
                return NEXT;
        }
        __sync_fetch_and_add(&bank->dropped, 1);
        return DROP;
}

char licence[] SEC("license") = "Dual MIT/GPL";
