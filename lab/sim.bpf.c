// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * sim.bpf: the kernel side of the simulated Internet. sim_far sits on the far end of the veth pair and
 * answers each SYN to a simulated prefix out of a hash, without state, by turning the frame round.
 * What must wait, or be sent in addition, goes to user space as a record (sim_courier.c). All else passes to
 * the stack. sim_pass, sim_sink and sim_hush are for the scanner's end, see there. Invariant: chance (loss,
 * delay, forgeries) is drawn per packet and never from the target's hash. Needs Linux 5.18
 * (bpf_xdp_load_bytes) and a NAPI on the scanner's end: GRO on, or sim_pass.
 */
#include "sim_bpf.h"

/* A SYN, as far as it was looked at: "us" is the prober, as in the cookie. */
struct seen {
        __u64 us_hi, us_lo, hi, lo;
        __u32 us_port, port, seq, ttl, options_len, which;
        int family;
};

/*
 * Out where it came in. XDP_TX would say the same in fewer words, but on a veth it is heard only where the
 * other end has an XDP program; a redirect is content with any NAPI there, so the scanner's end stays free
 * for the scanner's own program.
 */
static __always_inline int send_back(struct xdp_md *ctx)
{
        return (int)bpf_redirect(ctx->ingress_ifindex, 0);
}

/*
 * Turns the frame into a packet of n constant words to where it came from. It grows and shrinks at its head:
 * there is room for that on every driver, while veth leaves hardly any behind a small frame.
 */
static __always_inline int reply_with(struct xdp_md *ctx, const __u32 *w, int n)
{
        __u32 off = l3_offset(), tag = 0;
        __u16 mac[6], *eth = at(ctx, 0);
        if (at(ctx, off) > end_of(ctx))
                return XDP_ABORTED;
        for (int i = 0; i < 6; i++)
                mac[i] = eth[i];
        __u16 type = eth[off / 2 - 1];
        if (conf.vlan)
                tag = (__u32)eth[7] << 16 | eth[6];
        if (bpf_xdp_adjust_head(ctx, (int)frame_len(ctx) - (int)off - 4 * n))
                return XDP_ABORTED;
        __be32 *p = at(ctx, off);
        eth = at(ctx, 0);
        if ((void *)(p + n) > end_of(ctx))
                return XDP_ABORTED;
        for (int i = 0; i < 6; i++)
                eth[i] = mac[i < 3 ? i + 3 : i - 3];
        if (conf.vlan) {
                eth[6] = (__u16)tag;
                eth[7] = (__u16)(tag >> 16);
        }
        eth[off / 2 - 1] = type;
        for (int i = 0; i < n; i++)
                p[i] = bpf_htonl(w[i]);
        return send_back(ctx);
}

static __always_inline __u32 now_ms(void)
{
        return (__u32)(bpf_ktime_get_ns() / 1000000);
}

/* One call of reply_with per length: lengths are constants, so the copies unroll. */
static __always_inline int reply_truth(struct xdp_md *ctx, const struct sim_probe *p, int family)
{
        __u32 w[SIM_FRAME_WORDS];
        int ip = sim_ip_words(family);
        switch (p->state) {
        case SIM_OPEN:
        case SIM_TARPIT:
                if (p->has_ts) {
                        sim_build_synack(w, p, family, 1, now_ms());
                        return reply_with(ctx, w, ip + 9);
                }
                sim_build_synack(w, p, family, 0, 0);
                return reply_with(ctx, w, ip + 6);
        case SIM_CLOSED:
                sim_build_rst(w, p, family);
                return reply_with(ctx, w, ip + 5);
        case SIM_UNREACH:
                if (family == 4)
                        sim_build_unreach(w, p, family, 0, conf.router4);
                else
                        sim_build_unreach(w, p, family, conf.router_hi, conf.router_lo);
                return reply_with(ctx, w, family == 4 ? 14 : 27);
        default:
                return XDP_DROP;
        }
}

/* The options of a SYN: added to *sum, and searched for a timestamp (kind 8, length 10). */
static __always_inline int read_options(struct xdp_md *ctx, __u32 off, __u32 len, struct sim_probe *p,
                                        __u64 *sum)
{
        union {
                __u32 w[13]; /* 40 bytes, and room to read a timestamp at the last of them */
                __u8 b[52];
        } o = {0};
        if (!len || len > 40 || bpf_xdp_load_bytes(ctx, off, &o, len))
                return len ? -1 : 0;
        for (int i = 0; i < 10; i++)
                *sum += bpf_ntohl(o.w[i]);
        for (__u32 i = 0, n = 0; n < 40 && i < len && i < 40; n++) {
                __u8 kind = o.b[i], size = o.b[i + 1];
                if (kind == 8 && size == 10) {
                        p->tsval = (__u32)o.b[i + 2] << 24 | (__u32)o.b[i + 3] << 16 |
                                   (__u32)o.b[i + 4] << 8 | o.b[i + 5];
                        p->has_ts = 1;
                }
                if (kind == 0 || kind == 8 || (kind != 1 && size < 2))
                        break;
                i += kind == 1 ? 1 : size;
        }
        return 0;
}

/* Checks the TCP header and both sums. Returns -1 when the segment goes no further; all is counted. */
static __always_inline int check_tcp(struct xdp_md *ctx, struct sim_counters *c, struct sim_probe *p,
                                     int family)
{
        int ip = sim_ip_words(family), addrs = family == 4 ? 2 : 8;
        __u32 flags = p->w[ip + 3] >> 16 & 0xff, header = (p->w[ip + 3] >> 28) * 4;
        __u32 len = family == 4 ? (p->w[0] & 0xffff) - 20 : p->w[1] >> 16;
        if (header < 20 || header > len || len > 65515) {
                c->malformed++;
                return -1;
        }
        if (family == 4 && sim_fold(sim_sum(p->w, SIM_IP4_WORDS)) != 0xffff) {
                c->bad_ip_sum++;
                return -1;
        }
        __u64 sum = sim_sum(p->w + ip - addrs, addrs + 5) + SIM_TCP + len;
        if (read_options(ctx, l3_offset() + 4 * (__u32)ip + 20, header - 20, p, &sum)) {
                c->malformed++;
                return -1;
        }
        if (len != header) {
                c->unchecked++;
        } else if (sim_fold(sum) != 0xffff) {
                *((flags & (SIM_SYN | SIM_ACK)) == SIM_SYN ? &c->bad_syn_sum : &c->bad_tcp_sum) += 1;
                return -1;
        }
        return 0;
}

/* Gives the probe to user space: for its late answer, or as a pattern for forgeries and repeats. */
static __always_inline int hand_over(struct xdp_md *ctx, struct sim_counters *c, const struct sim_probe *p,
                                     __u32 is_late)
{
        struct sim_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        if (!r) {
                c->ring_full++;
                return -1;
        }
        r->probe = *p;
        if (bpf_xdp_load_bytes(ctx, 0, r->probe.us, 6) || bpf_xdp_load_bytes(ctx, 6, r->probe.them, 6)) {
                bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
                return -1;
        }
        __u64 draw = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
        r->due_ns =
                bpf_ktime_get_ns() + conf.late_min_ns + (conf.late_span_ns ? draw % conf.late_span_ns : 0);
        r->is_late = is_late;
        r->repeats = p->state == SIM_TARPIT ? conf.repeats : 0;
        bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
        return 0;
}

static __always_inline int answer(struct xdp_md *ctx, struct sim_counters *c, struct sim_probe *p, int family)
{
        int late = 0, silent = p->state == SIM_SILENT;
        if (!silent && chance(conf.loss_out)) {
                c->lost_out++;
                silent = 1;
        }
        for (int i = 0; i < HOSTILE_NKINDS; i++) {
                if (chance(conf.hostile[i]))
                        p->hostile |= (__u8)(1u << i);
        }
        if (conf.late && !silent)
                late = chance(conf.late_share);
        if (late && !hand_over(ctx, c, p, 1)) {
                c->late++;
                return XDP_DROP;
        }
        if (!late && (p->hostile || (p->state == SIM_TARPIT && conf.repeats)))
                hand_over(ctx, c, p, 0);
        if (silent)
                return XDP_DROP;
        c->answered++;
        return reply_truth(ctx, p, family);
}

/* Meets a target that answers, or that somebody may lie about. */
static __noinline int meet(struct xdp_md *ctx, struct sim_counters *c, const struct seen *v, __u64 hash)
{
        struct sim_probe p = {.hash = hash, .family = (__u8)v->family};
        __u64 unused = 0;
        int ip = sim_ip_words(v->family);
        p.state = (__u8)sim_state_of(&conf.shares, hash);
        if (v->family == 4 ? load_words(ctx, l3_offset(), p.w, SIM_IP4_WORDS + 5)
                           : load_words(ctx, l3_offset(), p.w, SIM_IP6_WORDS + 5))
                return XDP_ABORTED;
        if (read_options(ctx, l3_offset() + 4 * (__u32)ip + 20, v->options_len, &p, &unused))
                return XDP_ABORTED;
        return v->family == 4 ? answer(ctx, c, &p, 4) : answer(ctx, c, &p, 6);
}

static __always_inline int on_syn(struct xdp_md *ctx, struct sim_counters *c, const struct seen *v)
{
        c->syn++;
        c->ttl[v->ttl & 255]++;
        note_target(c, v->lo, v->port, v->which);
        if (conf.cookie && v->seq != sim_cookie(conf.cookie_key[0], conf.cookie_key[1], v->family, v->us_hi,
                                                v->us_lo, v->hi, v->lo, v->us_port, v->port))
                c->bad_cookie++;
        if (conf.mode == SIM_CHECK)
                return XDP_DROP;
        if (chance(conf.loss_in)) {
                c->lost_in++;
                return XDP_DROP;
        }
        __u64 hash = sim_hash(conf.key, v->hi, v->lo, v->port);
        enum sim_state state = sim_state_of(&conf.shares, hash);
        if (state < SIM_NSTATES)
                c->state[state]++;
        return state == SIM_SILENT && !conf.forge ? XDP_DROP : meet(ctx, c, v, hash);
}

/*
 * Is this a SYN without data, and are its sums right? Nearly all frames are that, so it is found out on the
 * raw words: a sum in ones' complement does not mind their byte order (RFC 1071 2 B). 0: no, or not so
 * simple.
 */
static __always_inline int regular_syn(struct xdp_md *ctx, struct seen *v, int family)
{
        int ip = sim_ip_words(family);
        __be32 *w = at(ctx, l3_offset());
        if ((void *)(w + ip + 5) > end_of(ctx))
                return 0;
        __u32 where = bpf_ntohl(w[ip + 3]), header = (where >> 28) * 4;
        __u32 len = family == 4 ? (bpf_ntohl(w[0]) & 0xffff) - 20 : bpf_ntohl(w[1]) >> 16;
        if (len != header || header < 20 || (where >> 16 & 0x17) != SIM_SYN)
                return 0;
        if (family == 4 && sim_fold(sim_sum(w, SIM_IP4_WORDS)) != 0xffff)
                return 0;
        __u64 sum = bpf_htonl(SIM_TCP + len);
        sum += family == 4 ? sim_sum(w + 3, 2 + 5) : sim_sum(w + 2, 8 + 5);
        for (__u32 i = 5; i < 15 && i * 4 < header; i++) {
                __be32 *option = w + ip + i;
                __asm__ volatile("" : "+r"(option)); /* else the compiler reckons with the end of the frame */
                if ((void *)(option + 1) > end_of(ctx))
                        return 0;
                sum += *option;
        }
        __u32 ports = bpf_ntohl(w[ip]);
        v->us_port = ports >> 16;
        v->port = ports & 0xffff;
        v->seq = bpf_ntohl(w[ip + 1]);
        v->options_len = header - 20;
        return sim_fold(sum) == 0xffff;
}

/* All other segments, one by one. Returns 1 for a SYN after all, one with data. */
static __noinline int odd_segment(struct xdp_md *ctx, struct sim_counters *c, struct seen *v)
{
        struct sim_probe p = {0};
        int bad;
        if (v->family == 4 ? load_words(ctx, l3_offset(), p.w, SIM_IP4_WORDS + 5)
                           : load_words(ctx, l3_offset(), p.w, SIM_IP6_WORDS + 5)) {
                c->malformed++;
                return 0;
        }
        bad = v->family == 4 ? check_tcp(ctx, c, &p, 4) : check_tcp(ctx, c, &p, 6);
        if (bad)
                return 0;
        const __u32 *tcp = v->family == 4 ? p.w + SIM_IP4_WORDS : p.w + SIM_IP6_WORDS;
        __u32 flags = tcp[3] >> 16 & 0x17;
        c->rst += flags >> 2 & 1;
        c->ack += (flags & ~1u) == SIM_ACK;
        c->other_tcp += flags != SIM_SYN && !(flags & SIM_RST) && (flags & ~1u) != SIM_ACK;
        v->us_port = tcp[0] >> 16;
        v->port = tcp[0] & 0xffff;
        v->seq = tcp[1];
        v->options_len = (tcp[3] >> 28) * 4 - 20;
        return flags == SIM_SYN;
}

static long spin(__u32 i, void *until)
{
        (void)i;
        return bpf_ktime_get_ns() >= *(__u64 *)until;
}

/* Returns 0 when the frame is done with. */
static __always_inline int count_frame(struct xdp_md *ctx, struct sim_counters *c, __u32 proto)
{
        note_arrival();
        c->frames++;
        c->bytes += (__u64)frame_len(ctx);
        if (conf.slow_ns) {
                __u64 until = bpf_ktime_get_ns() + conf.slow_ns;
                bpf_loop(1 << 20, spin, &until, 0);
        }
        if (conf.mode != SIM_RESPOND)
                c->proto[proto & 255]++;
        return conf.mode != SIM_DROP;
}

/* What is not for a simulated prefix: the namespace's own stack may have it, but a trunk carries only its
 * VLAN. */
static __always_inline int not_ours(void)
{
        return conf.vlan ? XDP_DROP : XDP_PASS;
}

/*
 * A neighbour solicitation for the router, answered on the VLAN (elsewhere the stack does it). RFC 4861 4.4:
 *   IP | type 136, 0, sum | R S O flags | target (16) | option 2, length 1, MAC (6)
 */
static __noinline int on_solicitation(struct xdp_md *ctx, struct sim_counters *c)
{
        __u32 in[16], w[18];
        if (load_words(ctx, l3_offset(), in, 16) || in[10] >> 24 != 135)
                return XDP_DROP;
        __u64 hi = (__u64)in[12] << 32 | in[13], lo = (__u64)in[14] << 32 | in[15], to_hi, to_lo;
        if (hi != conf.router_hi || lo != conf.router_lo)
                return XDP_DROP;
        sim_src(in, 6, &to_hi, &to_lo);
        sim_set_src(w, 6, hi, lo);
        sim_set_dst(w, 6, to_hi, to_lo);
        w[10] = 136u << 24;
        w[11] = 0xe0000000u;
        for (int i = 12; i < 16; i++)
                w[i] = in[i];
        w[16] = 2u << 24 | 1u << 16 | (__u32)conf.mac[0] << 8 | conf.mac[1];
        w[17] = (__u32)conf.mac[2] << 24 | (__u32)conf.mac[3] << 16 | (__u32)conf.mac[4] << 8 | conf.mac[5];
        w[10] |= sim_l4_sum(w, 6, 8, SIM_ICMP6);
        sim_finish_ip(w, 6, 8, SIM_ICMP6, 255, 0);
        int verdict = reply_with(ctx, w, 18);
        __u8 *eth = at(ctx, 0);
        if (eth + 12 > (__u8 *)end_of(ctx))
                return XDP_DROP;
        for (int i = 0; i < 6; i++) /* it was sent to a multicast address, which cannot be a source */
                eth[6 + i] = conf.mac[i];
        c->neigh++;
        return verdict;
}

static __always_inline int on_ip4(struct xdp_md *ctx, struct sim_counters *c)
{
        struct seen v = {.family = 4};
        __be32 *w = at(ctx, l3_offset());
        if ((void *)(w + SIM_IP4_WORDS) > end_of(ctx))
                return not_ours();
        __u32 shape = bpf_ntohl(w[0]) >> 24, fragment = bpf_ntohl(w[1]) & 0x3fff, word = bpf_ntohl(w[2]);
        v.us_lo = bpf_ntohl(w[3]);
        v.lo = bpf_ntohl(w[4]);
        v.ttl = word >> 24;
        int which = prefix_of(4, 0, v.lo);
        if (which < 0)
                return not_ours();
        v.which = (__u32)which;
        if (!count_frame(ctx, c, word >> 16))
                return XDP_DROP;
        if (shape != 0x45 || fragment) { /* options, fragments: no scanner sends them */
                c->malformed++;
                return XDP_DROP;
        }
        if ((word >> 16 & 0xff) != SIM_TCP) {
                c->not_tcp++;
                return XDP_DROP;
        }
        return regular_syn(ctx, &v, 4) || odd_segment(ctx, c, &v) ? on_syn(ctx, c, &v) : XDP_DROP;
}

static __always_inline int on_ip6(struct xdp_md *ctx, struct sim_counters *c)
{
        struct seen v = {.family = 6};
        __be32 *w = at(ctx, l3_offset());
        if ((void *)(w + SIM_IP6_WORDS) > end_of(ctx))
                return not_ours();
        __u32 proto = bpf_ntohl(w[1]) >> 8 & 0xff;
        v.ttl = bpf_ntohl(w[1]) & 0xff;
        v.us_hi = (__u64)bpf_ntohl(w[2]) << 32 | bpf_ntohl(w[3]);
        v.us_lo = (__u64)bpf_ntohl(w[4]) << 32 | bpf_ntohl(w[5]);
        v.hi = (__u64)bpf_ntohl(w[6]) << 32 | bpf_ntohl(w[7]);
        v.lo = (__u64)bpf_ntohl(w[8]) << 32 | bpf_ntohl(w[9]);
        int which = prefix_of(6, v.hi, v.lo);
        if (which < 0)
                return conf.vlan && proto == SIM_ICMP6 ? on_solicitation(ctx, c) : not_ours();
        v.which = (__u32)which;
        if (!count_frame(ctx, c, proto))
                return XDP_DROP;
        if (proto != SIM_TCP) {
                c->not_tcp++;
                return XDP_DROP;
        }
        return regular_syn(ctx, &v, 6) || odd_segment(ctx, c, &v) ? on_syn(ctx, c, &v) : XDP_DROP;
}

/*
 * An ARP request for the router, answered on the VLAN. RFC 826, in 16-bit words from the ARP header on:
 *   0 hardware 1 | 1 protocol | 2 lengths | 3 operation | 4-6 sender MAC | 7-8 sender IP | 9-11 target MAC |
 * 12-13 target IP
 */
static __always_inline int on_arp(struct xdp_md *ctx, struct sim_counters *c)
{
        __be16 *arp = at(ctx, l3_offset()), *eth = at(ctx, 0);
        if ((void *)(arp + 14) > end_of(ctx) || (void *)(eth + 6) > end_of(ctx))
                return XDP_DROP;
        __u32 asked = (__u32)bpf_ntohs(arp[12]) << 16 | bpf_ntohs(arp[13]);
        if (arp[3] != bpf_htons(1) || asked != conf.router4)
                return XDP_DROP;
        arp[3] = bpf_htons(2);
        for (int i = 0; i < 5; i++) { /* the asker, MAC and IP, becomes the target */
                __be16 asker = arp[4 + i];
                arp[4 + i] = arp[9 + i];
                arp[9 + i] = asker;
        }
        for (int i = 0; i < 3; i++) {
                __be16 mac = bpf_htons((__u16)(conf.mac[2 * i] << 8 | conf.mac[2 * i + 1]));
                arp[4 + i] = mac;
                eth[i] = eth[3 + i];
                eth[3 + i] = mac;
        }
        c->neigh++;
        return send_back(ctx);
}

/* The EtherType behind the VLAN tag that is due, or 0. */
static __always_inline __u16 inner_type(struct xdp_md *ctx)
{
        __be16 *tag = at(ctx, 12);
        if ((void *)(tag + 3) > end_of(ctx) || tag[0] != bpf_htons(ETH_P_8021Q) ||
            (bpf_ntohs(tag[1]) & 0xfffu) != conf.vlan)
                return 0;
        return bpf_ntohs(tag[2]);
}

SEC("xdp") int sim_far(struct xdp_md *ctx)
{
        __u32 zero = 0;
        struct sim_counters *c = bpf_map_lookup_elem(&counters, &zero);
        __be16 *type_at = at(ctx, 12);
        if (!c || (void *)(type_at + 1) > end_of(ctx))
                return XDP_DROP;
        __u16 type = bpf_ntohs(*type_at);
        if (conf.vlan) {
                type = inner_type(ctx);
                c->no_tag += !type;
        }
        if (type == ETH_P_IP)
                return on_ip4(ctx, c);
        if (type == ETH_P_IPV6)
                return on_ip6(ctx, c);
        if (type == ETH_P_ARP && conf.vlan)
                return on_arp(ctx, c);
        return not_ours();
}

/* For a scanner's end without GRO: frames that an XDP program sends arrive on a veth only where a NAPI polls.
 */
SEC("xdp") int sim_pass(struct xdp_md *ctx)
{
        (void)ctx;
        return XDP_PASS;
}

/* Whether a packet at the scanner's end is TCP from a simulated prefix. */
static __always_inline int from_simulated(const __be32 *p, int family)
{
        __u32 w[SIM_IP6_WORDS];
        __u64 hi, lo;
        for (int i = 0; i < SIM_IP6_WORDS; i++)
                w[i] = bpf_ntohl(p[i]);
        __u32 proto = family == 4 ? w[2] >> 16 & 0xff : w[1] >> 8 & 0xff;
        sim_src(w, family, &hi, &lo);
        return proto == SIM_TCP && prefix_of(family, hi, lo) >= 0;
}

/* For a scanner's end where nobody listens: answers are counted there and end, which costs next to nothing.
 */
SEC("xdp") int sim_sink(struct xdp_md *ctx)
{
        __u32 zero = 0;
        struct sim_counters *c = bpf_map_lookup_elem(&counters, &zero);
        __be32 *p = at(ctx, 14);
        if (!c || (void *)(p + SIM_IP6_WORDS) > end_of(ctx))
                return XDP_PASS;
        __be16 type = ((__be16 *)p)[-1];
        int family = type == bpf_htons(ETH_P_IP) ? 4 : type == bpf_htons(ETH_P_IPV6) ? 6 : 0;
        if (!family || !from_simulated(p, family))
                return XDP_PASS;
        c->sunk++;
        return XDP_DROP;
}

/*
 * At the scanner's end, after the packet taps and before the stack: TCP from simulated prefixes goes no
 * further, so that the stack there does not send RSTs of its own, which would spoil a count of what the
 * scanner sends.
 */
SEC("tc") int sim_hush(struct __sk_buff *skb)
{
        __be32 *p = (void *)(long)skb->data + 14;
        int family = skb->protocol == bpf_htons(ETH_P_IP)     ? 4
                     : skb->protocol == bpf_htons(ETH_P_IPV6) ? 6
                                                              : 0;
        if (!family || (void *)(p + SIM_IP6_WORDS) > (void *)(long)skb->data_end)
                return TC_ACT_UNSPEC;
        return from_simulated(p, family) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

char sim_license[] SEC("license") = "Dual MIT/GPL";
