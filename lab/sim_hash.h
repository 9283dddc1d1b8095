/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * sim_hash: what the simulated Internet is like, as a function. The kernel program asks it for each SYN, the
 * loader's --truth asks it for each line it prints; both compile this very file, so they cannot disagree.
 * Invariant: the answer depends on key, address, port and the shares, and on nothing else: never on time,
 * order or chance. The mixer is splitmix64's finaliser (Steele, Lea & Flood, 2014).
 */
#ifndef LAB_SIM_HASH_H
#define LAB_SIM_HASH_H
#include "sim.h"

static inline __u64 sim_mix(__u64 x)
{
        x ^= x >> 30;
        x *= 0xbf58476d1ce4e5b9ull;
        x ^= x >> 27;
        x *= 0x94d049bb133111ebull;
        return x ^ x >> 31;
}

/* IPv4 addresses: hi = 0, lo = the address. */
static inline __u64 sim_hash(__u64 key, __u64 hi, __u64 lo, __u32 port)
{
        __u64 h = sim_mix(key ^ (hi * 0x9e3779b97f4a7c15ull + port));
        return sim_mix(h ^ lo * 0xd1342543de82ef95ull);
}

/* The low half decides the state, the high half the details (TTL, ICMP code, initial sequence number). */
static inline enum sim_state sim_state_of(const volatile struct sim_shares *s, __u64 hash)
{
        __u64 draw = (__u32)hash;
        if (draw < s->open_below)
                return SIM_OPEN;
        if (draw < s->closed_below)
                return SIM_CLOSED;
        if (draw < s->unreach_below)
                return SIM_UNREACH;
        if (draw < s->tarpit_below)
                return SIM_TARPIT;
        return SIM_SILENT;
}

/* What is left of an initial TTL of 64, 128 or 255 after 5..20 hops. */
static inline __u32 sim_ttl(__u64 hash)
{
        __u32 kind = (__u32)(hash >> 36) & 3, hops = 5 + ((__u32)(hash >> 32) & 15);
        return (kind < 2 ? 64u : kind == 2 ? 128u : 255u) - hops;
}
#endif
