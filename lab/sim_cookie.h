/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * sim_cookie: the sequence number that a probe of trawl must carry, for a far end that was given the scan's
 * --cookie-key. Written apart from the scanner's own code: a mistake made on both sides would hide itself.
 * Invariant: equal to SipHash-2-4 (Aumasson & Bernstein, 2012) over 12 or 36 bytes, here as little-endian
 * words:
 *
 *   IPv4  us << 32 | them,               12 << 56 | us_port << 16 | them_port
 *   IPv6  us (hi, lo),  them (hi, lo),   36 << 56 | us_port << 16 | them_port
 */
#ifndef LAB_SIM_COOKIE_H
#define LAB_SIM_COOKIE_H
#include <linux/types.h>

struct sim_sip {
        __u64 a, b, c, d;
};

#define SIM_ROTL(x, n) ((x) << (n) | (x) >> (64 - (n)))

static inline __attribute__((always_inline)) void sim_sip_rounds(struct sim_sip *s, int n)
{
        for (int i = 0; i < n; i++) {
                s->a += s->b;
                s->c += s->d;
                s->b = SIM_ROTL(s->b, 13) ^ s->a;
                s->d = SIM_ROTL(s->d, 16) ^ s->c;
                s->a = SIM_ROTL(s->a, 32) + s->d;
                s->c += s->b;
                s->b = SIM_ROTL(s->b, 17) ^ s->c;
                s->d = SIM_ROTL(s->d, 21) ^ s->a;
                s->c = SIM_ROTL(s->c, 32);
        }
}

static inline __attribute__((always_inline)) void sim_sip_word(struct sim_sip *s, __u64 word)
{
        s->d ^= word;
        sim_sip_rounds(s, 2);
        s->a ^= word;
}

/* "us" is the prober, "them" the target; IPv4 addresses have hi = 0. */
static inline __attribute__((always_inline)) __u32 sim_cookie(__u64 k0, __u64 k1, int family, __u64 us_hi,
                                                              __u64 us_lo, __u64 hi, __u64 lo, __u32 us_port,
                                                              __u32 port)
{
        struct sim_sip s = {k0 ^ 0x736f6d6570736575ull, k1 ^ 0x646f72616e646f6dull,
                            k0 ^ 0x6c7967656e657261ull, k1 ^ 0x7465646279746573ull};
        __u64 ports = (__u64)us_port << 16 | port;
        if (family == 4) {
                sim_sip_word(&s, us_lo << 32 | (__u32)lo);
        } else {
                sim_sip_word(&s, us_hi);
                sim_sip_word(&s, us_lo);
                sim_sip_word(&s, hi);
                sim_sip_word(&s, lo);
        }
        sim_sip_word(&s, ports | (family == 4 ? 12ull : 36ull) << 56);
        s.c ^= 0xff;
        sim_sip_rounds(&s, 4);
        return (__u32)(s.a ^ s.b ^ s.c ^ s.d);
}
#endif
