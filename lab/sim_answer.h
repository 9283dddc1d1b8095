/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * sim_answer: builds what the simulated Internet says: SYN-ACK, RST, ICMP unreachable, and neighbour
 * advertisements. Used by the kernel side, and by the courier for late and forged answers. A packet is an
 * array of 32-bit words in host order, from the IP header on; RFC 1071 sums are the same in that form.
 * Independent of the scanner's own code on purpose: a mistake made on both sides would hide itself. Every
 * function returns the number of words. Invariant: lengths and checksums of what is returned are right. RFC
 * 791, 792, 1071, 4443, 4861, 7323, 8200, 9293.
 *
 *   IPv4  w[0..4] header, w[5..] payload          IPv6  w[0..9] header, w[10..] payload
 */
#ifndef LAB_SIM_ANSWER_H
#define LAB_SIM_ANSWER_H
#include "sim_hash.h"

#define SIM_INLINE static inline __attribute__((always_inline))

enum { SIM_SYN = 2, SIM_RST = 4, SIM_ACK = 16 };
enum { SIM_IP4_WORDS = 5, SIM_IP6_WORDS = 10, SIM_TCP = 6, SIM_ICMP4 = 1, SIM_ICMP6 = 58 };

SIM_INLINE __u32 sim_fold(__u64 sum)
{
        sum = (sum & 0xffffffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        return (__u32)((sum & 0xffff) + (sum >> 16));
}

/* n is a constant at every call, so the loop unrolls. */
SIM_INLINE __u64 sim_sum(const __u32 *w, int n)
{
        __u64 sum = 0;
        for (int i = 0; i < n; i++)
                sum += w[i];
        return sum;
}

SIM_INLINE int sim_ip_words(int family)
{
        return family == 4 ? SIM_IP4_WORDS : SIM_IP6_WORDS;
}

/* Source of a packet in *hi, *lo; IPv4 has hi = 0. */
SIM_INLINE void sim_src(const __u32 *w, int family, __u64 *hi, __u64 *lo)
{
        *hi = family == 4 ? 0 : (__u64)w[2] << 32 | w[3];
        *lo = family == 4 ? w[3] : (__u64)w[4] << 32 | w[5];
}

SIM_INLINE void sim_dst(const __u32 *w, int family, __u64 *hi, __u64 *lo)
{
        *hi = family == 4 ? 0 : (__u64)w[6] << 32 | w[7];
        *lo = family == 4 ? w[4] : (__u64)w[8] << 32 | w[9];
}

SIM_INLINE void sim_set_src(__u32 *w, int family, __u64 hi, __u64 lo)
{
        if (family == 4) {
                w[3] = (__u32)lo;
                return;
        }
        w[2] = (__u32)(hi >> 32);
        w[3] = (__u32)hi;
        w[4] = (__u32)(lo >> 32);
        w[5] = (__u32)lo;
}

SIM_INLINE void sim_set_dst(__u32 *w, int family, __u64 hi, __u64 lo)
{
        if (family == 4) {
                w[4] = (__u32)lo;
                return;
        }
        w[6] = (__u32)(hi >> 32);
        w[7] = (__u32)hi;
        w[8] = (__u32)(lo >> 32);
        w[9] = (__u32)lo;
}

/* Lengths, protocol and TTL of a packet whose addresses are set; IPv4 gets its checksum. */
SIM_INLINE void sim_finish_ip(__u32 *w, int family, int payload_words, __u32 proto, __u32 ttl, __u32 id)
{
        __u32 payload_len = (__u32)payload_words * 4;
        if (family == 4) {
                w[0] = 0x45000000u | (20 + payload_len);
                w[1] = id << 16 | 0x4000; /* don't fragment */
                w[2] = ttl << 24 | proto << 16;
                w[2] |= ~sim_fold(sim_sum(w, SIM_IP4_WORDS)) & 0xffff;
        } else {
                w[0] = 0x60000000u;
                w[1] = payload_len << 16 | proto << 8 | ttl;
        }
}

/* Complemented sum over pseudo header and payload, for TCP and ICMPv6. */
SIM_INLINE __u32 sim_l4_sum(const __u32 *w, int family, int payload_words, __u32 proto)
{
        int ip = sim_ip_words(family), addrs = family == 4 ? 2 : 8;
        __u64 sum = sim_sum(w + ip - addrs, addrs + payload_words) + proto + (__u32)payload_words * 4;
        return ~sim_fold(sum) & 0xffff;
}

/* The way back: from the target that was probed to whom probed it. */
SIM_INLINE void sim_turn(__u32 *out, const struct sim_probe *p, int family)
{
        __u64 hi, lo;
        sim_dst(p->w, family, &hi, &lo);
        sim_set_src(out, family, hi, lo);
        sim_src(p->w, family, &hi, &lo);
        sim_set_dst(out, family, hi, lo);
}

/*
 * SYN-ACK: 24 bytes of TCP header with a maximum segment size, or 36 where the probe carried a timestamp,
 * which is echoed (RFC 7323). Other options are left out: no scan depends on them. A tarpit offers no window
 * at all, so that whoever connects stays connected and gets nowhere.
 */
SIM_INLINE int sim_build_synack(__u32 *out, const struct sim_probe *p, int family, int has_ts, __u32 now_ms)
{
        int ip = sim_ip_words(family), words = has_ts ? 9 : 6;
        const __u32 *syn = p->w + ip;
        __u32 *tcp = out + ip, mss = family == 4 ? 1460 : 1440;
        sim_turn(out, p, family);
        tcp[0] = syn[0] << 16 | syn[0] >> 16;
        tcp[1] = (__u32)(p->hash >> 32) ^ 0x5bd1e995u; /* initial sequence number */
        tcp[2] = syn[1] + 1;
        tcp[3] = (__u32)words << 28 | (__u32)(SIM_SYN | SIM_ACK) << 16 | (p->state == SIM_TARPIT ? 0 : 64240);
        tcp[4] = 0;
        tcp[5] = 0x02040000u | mss;
        if (has_ts) {
                tcp[6] = 0x0101080au; /* two no-operations, then kind 8, 10 bytes */
                tcp[7] = now_ms;
                tcp[8] = p->tsval;
        }
        tcp[4] = sim_l4_sum(out, family, words, SIM_TCP) << 16;
        sim_finish_ip(out, family, words, SIM_TCP, sim_ttl(p->hash), 0);
        return ip + words;
}

/* RST of a closed port, RFC 9293 3.10.7.1: sequence 0, acknowledging the SYN. */
SIM_INLINE int sim_build_rst(__u32 *out, const struct sim_probe *p, int family)
{
        int ip = sim_ip_words(family), words = 5;
        const __u32 *syn = p->w + ip;
        __u32 *tcp = out + ip;
        sim_turn(out, p, family);
        tcp[0] = syn[0] << 16 | syn[0] >> 16;
        tcp[1] = 0;
        tcp[2] = syn[1] + 1;
        tcp[3] = (__u32)words << 28 | (__u32)(SIM_RST | SIM_ACK) << 16;
        tcp[4] = 0;
        tcp[4] = sim_l4_sum(out, family, words, SIM_TCP) << 16;
        sim_finish_ip(out, family, words, SIM_TCP, sim_ttl(p->hash), 0);
        return ip + words;
}

/*
 * ICMP destination unreachable, from the router or (port unreachable) from the target itself. The IPv4 form
 * quotes the least that RFC 792 asks for, IP header + 8 bytes; the IPv6 form the whole header of the segment.
 *
 *   IPv4: IP | type 3, code, sum | 0 | IP header of the probe | 8 bytes of its TCP header
 *   IPv6: IP | type 1, code, sum | 0 | IP header of the probe | 20 bytes of its TCP header
 */
SIM_INLINE int sim_build_unreach(__u32 *out, const struct sim_probe *p, int family, __u64 router_hi,
                                 __u64 router_lo)
{
        int ip = sim_ip_words(family), quoted = ip + (family == 4 ? 2 : 5);
        __u32 draw = (__u32)(p->hash >> 40) % 3; /* administratively prohibited, host, port */
        __u32 code = family == 4 ? (draw == 0 ? 13 : draw == 1 ? 1 : 3) : (draw == 0 ? 1 : draw == 1 ? 3 : 4);
        sim_turn(out, p, family);
        if (draw != 2)
                sim_set_src(out, family, router_hi, router_lo);
        __u32 *icmp = out + ip;
        icmp[0] = (family == 4 ? 3u : 1u) << 24 | code << 16;
        icmp[1] = 0;
        for (int i = 0; i < quoted; i++)
                icmp[2 + i] = p->w[i];
        if (family == 4)
                icmp[0] |= ~sim_fold(sim_sum(icmp, 2 + quoted)) & 0xffff;
        else
                icmp[0] |= sim_l4_sum(out, family, 2 + quoted, SIM_ICMP6);
        sim_finish_ip(out, family, 2 + quoted, family == 4 ? SIM_ICMP4 : SIM_ICMP6, 62,
                      (__u32)(p->hash >> 48));
        return ip + 2 + quoted;
}

/* The true answer to a probe; 0 words where the target keeps silent. */
SIM_INLINE int sim_build(__u32 *out, const struct sim_probe *p, int family,
                         const volatile struct sim_conf *conf, __u32 now_ms)
{
        int open = p->state == SIM_OPEN || p->state == SIM_TARPIT;
        if (open && p->has_ts)
                return sim_build_synack(out, p, family, 1, now_ms);
        if (open)
                return sim_build_synack(out, p, family, 0, now_ms);
        if (p->state == SIM_CLOSED)
                return sim_build_rst(out, p, family);
        if (p->state == SIM_UNREACH && family == 4)
                return sim_build_unreach(out, p, family, 0, conf->router4);
        if (p->state == SIM_UNREACH)
                return sim_build_unreach(out, p, family, conf->router_hi, conf->router_lo);
        return 0;
}
#endif
