// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * xdp_rx: looks at each frame as it arrives. A SYN-ACK or RST to one of our sources, whole and plain, whose
 * acknowledgement carries the cookie, becomes a record in a ring buffer; a SYN-ACK is turned into our RST and
 * sent back from here. Everything else, and whatever is not beyond doubt (options, fragments, sums left to
 * the hardware, a full ring), is passed on untouched and reaches user space as a frame.
 * Invariant: a frame is consumed only when its record was written.
 * Reference: RFC 9293 §3.1, §3.10.7.3; SipHash-2-4 as in base/hash.h; Linux Documentation/bpf/ringbuf.rst.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "io/xdp_kernel.h"

const volatile struct xdp_rx_conf conf SEC(".rodata.conf") = {0};
struct xdp_rx_shared shared SEC(".data.shared") = {0};

struct ring {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 4096);
};
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
        __uint(max_entries, XDP_RX_RINGS);
        __type(key, __u32);
        __array(values, struct ring);
} rings SEC(".maps");

struct seen { /* a TCP segment, taken apart */
        struct xdp_answer a;
        struct ethhdr *eth;
        void *ip;
        struct tcphdr *tcp;
        __u32 tcp_len;
        __u8 family;
};

/* ---- cookie ---- */

#define ROTL(x, n) ((x) << (n) | (x) >> (64 - (n)))
#define SIP_ROUND                       \
        do {                            \
                v0 += v1;               \
                v1 = ROTL(v1, 13) ^ v0; \
                v0 = ROTL(v0, 32);      \
                v2 += v3;               \
                v3 = ROTL(v3, 16) ^ v2; \
                v0 += v3;               \
                v3 = ROTL(v3, 21) ^ v0; \
                v2 += v1;               \
                v1 = ROTL(v1, 17) ^ v2; \
                v2 = ROTL(v2, 32);      \
        } while (0)
#define SIP_WORD(m)            \
        do {                   \
                __u64 w = (m); \
                v3 ^= w;       \
                SIP_ROUND;     \
                SIP_ROUND;     \
                v0 ^= w;       \
        } while (0)

/* The order of words is wire_cookie()'s. */
static __always_inline __u32 cookie_of(const struct xdp_answer *a, __u8 family)
{
        __u64 v0 = conf.k0 ^ 0x736f6d6570736575ull, v1 = conf.k1 ^ 0x646f72616e646f6dull;
        __u64 v2 = conf.k0 ^ 0x6c7967656e657261ull, v3 = conf.k1 ^ 0x7465646279746573ull;
        __u64 ports = (__u64)a->us_port << 16 | a->them_port;
        if (family == 4) {
                SIP_WORD(a->us[1] << 32 | a->them[1]);
                SIP_WORD(ports | 12ull << 56);
        } else {
                SIP_WORD(a->us[0]);
                SIP_WORD(a->us[1]);
                SIP_WORD(a->them[0]);
                SIP_WORD(a->them[1]);
                SIP_WORD(ports | 36ull << 56);
        }
        v2 ^= 0xff;
        SIP_ROUND;
        SIP_ROUND;
        SIP_ROUND;
        SIP_ROUND;
        return (__u32)(v0 ^ v1 ^ v2 ^ v3);
}

static __always_inline int is_ours(const struct xdp_answer *a, __u8 family)
{
        for (__u32 i = 0; i < XDP_RX_SOURCES && i < conf.n_sources; i++) {
                const volatile struct xdp_rx_source *s = &conf.sources[i];
                if (s->family == family && s->hi == a->us[0] && a->us[1] - s->lo < s->count &&
                    a->us_port >= s->port_first && a->us_port <= s->port_last)
                        return 1;
        }
        return 0;
}

/* Keeps the compiler from moving arithmetic over to `end`, which the verifier forbids. */
#define OPAQUE(x) asm volatile("" : "+r"(x))

/* ---- sums: RFC 1071 over 16-bit words in network order ---- */

static __always_inline __u16 fold(__u64 sum)
{
        sum = (sum >> 32) + (sum & 0xffffffff);
        sum = (sum >> 16) + (sum & 0xffff);
        sum = (sum >> 16) + (sum & 0xffff);
        sum = (sum >> 16) + (sum & 0xffff);
        return (__u16)sum;
}

static __always_inline __u64 sum_words(const __u32 *p, int n)
{
        __u64 sum = 0;
#pragma unroll
        for (int i = 0; i < n; i++)
                sum += p[i];
        return sum;
}

static __always_inline int tcp_sum_good(const struct seen *s, void *end)
{
        __u64 sum = s->family == 4 ? sum_words(s->ip + 12, 2) : sum_words(s->ip + 8, 8);
        const __u32 *w = (const __u32 *)s->tcp;
        sum += bpf_htons(6) + bpf_htons((__u16)s->tcp_len);
        for (int i = 0; i < 15 && 4 * i < (int)s->tcp_len; i++, w++) { /* a header and nothing else */
                const void *next = w + 1;
                OPAQUE(next);
                if (next > end)
                        return 0;
                sum += *w;
        }
        return fold(sum) == 0xffff;
}

/* ---- taking apart ---- */

static __always_inline int take_ip4(struct seen *s, void *end)
{
        struct iphdr *ip = s->ip;
        if ((void *)(ip + 1) > end || *(__u8 *)ip != 0x45 || ip->protocol != 6 ||
            (ip->frag_off & bpf_htons(0x3fff)) || fold(sum_words(s->ip, 5)) != 0xffff)
                return 0;
        s->tcp = (void *)(ip + 1);
        s->tcp_len = (__u32)bpf_ntohs(ip->tot_len) - 20;
        s->a.them[1] = bpf_ntohl(ip->saddr);
        s->a.us[1] = bpf_ntohl(ip->daddr);
        s->a.ttl = ip->ttl;
        return 1;
}

static __always_inline int take_ip6(struct seen *s, void *end)
{
        struct ipv6hdr *ip = s->ip;
        if ((void *)(ip + 1) > end || ip->nexthdr != 6)
                return 0;
        const __u64 *w = s->ip + 8;
        s->tcp = (void *)(ip + 1);
        s->tcp_len = bpf_ntohs(ip->payload_len);
        s->a.them[0] = bpf_be64_to_cpu(w[0]);
        s->a.them[1] = bpf_be64_to_cpu(w[1]);
        s->a.us[0] = bpf_be64_to_cpu(w[2]);
        s->a.us[1] = bpf_be64_to_cpu(w[3]);
        s->a.ttl = ip->hop_limit;
        return 1;
}

/* The echo of our clock, where options are in one of the usual orders; 0: not found here. */
static __always_inline __u32 echo_of(const struct tcphdr *tcp, void *end)
{
        const __u8 *o = (const __u8 *)(tcp + 1);
        int left = (int)tcp->doff * 4 - 20;
#pragma unroll
        for (int i = 0; i < 8; i++) {
                const void *next = o + 10;
                OPAQUE(next);
                if (left < 10 || next > end)
                        return 0;
                if (o[0] == 8 && o[1] == 10)
                        return (__u32)o[6] << 24 | (__u32)o[7] << 16 | (__u32)o[8] << 8 | o[9];
                int step = o[0] == 1 ? 1 : o[0] == 2 ? 4 : o[0] == 3 ? 3 : o[0] == 4 ? 2 : 0;
                if (!step)
                        return 0;
                o += step;
                left -= step;
        }
        return 0;
}

/* Whether this is an answer to one of our probes, beyond doubt. */
static __always_inline int take_apart(struct seen *s, void *data, void *end)
{
        s->eth = data;
        if ((void *)(s->eth + 1) > end)
                return 0;
        s->ip = s->eth + 1;
        s->family = s->eth->h_proto == bpf_htons(ETH_P_IP)     ? 4
                    : s->eth->h_proto == bpf_htons(ETH_P_IPV6) ? 6
                                                               : 0;
        if (!s->family || !(s->family == 4 ? take_ip4(s, end) : take_ip6(s, end)))
                return 0;
        struct tcphdr *tcp = s->tcp;
        if ((void *)(tcp + 1) > end || s->tcp_len < 20 || s->tcp_len > 60 ||
            s->tcp_len != (__u32)tcp->doff * 4)
                return 0;
        s->a.flags = ((const __u8 *)tcp)[13];
        if (!(s->a.flags & 4) && (s->a.flags & 0x12) != 0x12)
                return 0;
        s->a.them_port = bpf_ntohs(tcp->source);
        s->a.us_port = bpf_ntohs(tcp->dest);
        s->a.seq = bpf_ntohl(tcp->seq);
        s->a.ack = bpf_ntohl(tcp->ack_seq);
        return is_ours(&s->a, s->family) && s->a.ack - 1 == cookie_of(&s->a, s->family) &&
               tcp_sum_good(s, end);
}

/* ---- the RST ---- */

static __always_inline void swap_ends(struct seen *s)
{
        __u8 mac[6];
        __builtin_memcpy(mac, s->eth->h_dest, 6);
        __builtin_memcpy(s->eth->h_dest, s->eth->h_source, 6);
        __builtin_memcpy(s->eth->h_source, mac, 6);
        __u16 port = s->tcp->source;
        s->tcp->source = s->tcp->dest;
        s->tcp->dest = port;
}

static __always_inline void make_rst_tcp(struct seen *s)
{
        __u32 *w = (__u32 *)s->tcp;
        __u64 sum = s->family == 4 ? sum_words(s->ip + 12, 2) : sum_words(s->ip + 8, 8);
        w[1] = w[2]; /* seq = their ack */
        w[2] = 0;
        w[3] = bpf_htonl(0x50040000); /* five words, RST, window 0 */
        w[4] = 0;
        sum += bpf_htons(6) + bpf_htons(20) + sum_words((const __u32 *)s->tcp, 5);
        s->tcp->check = (__u16)~fold(sum);
}

static __always_inline void make_rst_ip4(struct iphdr *ip)
{
        __u32 addr = ip->saddr;
        ip->saddr = ip->daddr;
        ip->daddr = addr;
        ip->tos = 0;
        ip->tot_len = bpf_htons(40);
        ip->id = 0;
        ip->frag_off = bpf_htons(0x4000);
        ip->ttl = 64;
        ip->check = 0;
        ip->check = (__u16)~fold(sum_words((const __u32 *)ip, 5));
}

static __always_inline void make_rst_ip6(void *at)
{
        __u64 *w = at + 8, a = w[0], b = w[1];
        w[0] = w[2];
        w[1] = w[3];
        w[2] = a;
        w[3] = b;
        *(__u32 *)at = bpf_htonl(0x60000000);
        ((struct ipv6hdr *)at)->payload_len = bpf_htons(20);
        ((struct ipv6hdr *)at)->hop_limit = 64;
}

/* Turns the SYN-ACK into the RST that answers it (RFC 9293 §3.10.7.3), and cuts what is left over. */
static __always_inline int send_rst(struct xdp_md *ctx, struct seen *s)
{
        int len = (int)(s->family == 4 ? 54 : 74);
        swap_ends(s);
        make_rst_tcp(s); /* sums are the same from both ends */
        if (s->family == 4)
                make_rst_ip4(s->ip);
        else
                make_rst_ip6(s->ip);
        void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
        OPAQUE(data);
        OPAQUE(end);
        if (bpf_xdp_adjust_tail(ctx, len - (int)(end - data)))
                return XDP_DROP;
        return XDP_TX;
}

SEC("xdp")
int take_answer(struct xdp_md *ctx)
{
        struct seen s = {0};
        if (!take_apart(&s, (void *)(long)ctx->data, (void *)(long)ctx->data_end))
                return XDP_PASS;
        __u32 which = ctx->rx_queue_index % (conf.n_rings ? conf.n_rings : 1);
        void *ring = bpf_map_lookup_elem(&rings, &which);
        struct xdp_answer *a = ring ? bpf_ringbuf_reserve(ring, sizeof(*a), 0) : 0;
        if (!a) {
                __sync_fetch_and_add(&shared.cpu_lost, 1);
                return XDP_PASS;
        }
        struct xdp_rx_closed *bank = &shared.closed[bpf_get_smp_processor_id() % XDP_RX_BANKS];
        int close = conf.close && !shared.no_rst && !(s.a.flags & 4) && bank->n < bank->limit;
        s.a.stamp_ns = bpf_ktime_get_ns();
        s.a.family = s.family;
        s.a.rst_sent = (__u8)close;
        if (close)
                __sync_fetch_and_add(&bank->n, 1);
        s.a.tsecr = echo_of(s.tcp, (void *)(long)ctx->data_end);
        __builtin_memcpy(s.a.mac, s.eth->h_source, 6);
        __builtin_memcpy(a, &s.a, sizeof(*a));
        bpf_ringbuf_submit(a, BPF_RB_NO_WAKEUP);
        return close ? send_rst(ctx, &s) : XDP_DROP;
}

struct ns_common {
        unsigned int inum;
} __attribute__((preserve_access_index));
struct net {
        struct ns_common ns;
} __attribute__((preserve_access_index));
struct net_device {
        int ifindex;
        struct {
                struct net *net;
        } nd_net;
} __attribute__((preserve_access_index));

/* A far end that takes nothing sent back from here (a veth without NAPI): user space sends the RSTs then. The
 * index alone will not do: interfaces of other namespaces have the same ones. */
SEC("tp_btf/xdp_bulk_tx")
int BPF_PROG(on_bulk_tx, const struct net_device *dev, int sent, int drops, int err)
{
        if (dev->ifindex != (int)conf.ifindex || dev->nd_net.net->ns.inum != conf.netns)
                return 0;
        if (drops > 0)
                __sync_fetch_and_add(&shared.rst_lost, (__u64)drops);
        if (sent <= 0 && err < 0)
                shared.no_rst = 1;
        return 0;
}

char licence[] SEC("license") = "Dual MIT/GPL";
