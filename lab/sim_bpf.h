/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * sim_bpf: the maps of the kernel side of the simulated Internet, and how its programs look at a frame and
 * take notes of it. Included by sim.bpf.c alone. Invariant: what is written for every frame belongs to the
 * CPU that writes it, so that two queues do not slow each other down. Kernel documentation:
 * Documentation/bpf/map_array.rst.
 */
#ifndef LAB_SIM_BPF_H
#define LAB_SIM_BPF_H
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "sim_answer.h"
#include "sim_cookie.h"

const volatile struct sim_conf conf SEC(".rodata.conf") = {0};

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct sim_counters);
} counters SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, SIM_RING_BYTES);
} ring SEC(".maps");

/* The mapped arrays hold 64-bit values: the kernel pads smaller ones to that. */
struct { /* probes per tracked target: eight 8-bit counters to a word, or 64 bits (conf.plan) */
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u64);
} tally SEC(".maps");

struct { /* port -> 1 + its place among the tracked ports */
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 65536);
        __type(key, __u32);
        __type(value, __u32);
} ports SEC(".maps");

struct { /* frames per millisecond since the first, bank by bank */
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u64);
} arrivals SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct sim_shared);
} shared SEC(".maps");

static __always_inline void *at(struct xdp_md *ctx, __u32 off)
{
        return (void *)(long)ctx->data + off;
}

static __always_inline void *end_of(struct xdp_md *ctx)
{
        return (void *)(long)ctx->data_end;
}

static __always_inline long frame_len(struct xdp_md *ctx)
{
        long len = (long)(end_of(ctx) - at(ctx, 0));
        __asm__ volatile("" : "+r"(len)); /* else the compiler mixes the pointers into 32-bit sums */
        return len;
}

static __always_inline __u32 l3_offset(void)
{
        return conf.vlan ? 18 : 14;
}

/* Drawn anew for each packet. */
static __always_inline int chance(__u64 share)
{
        return share && bpf_get_prandom_u32() < share;
}

/* n constant words from the wire, in host order. */
static __always_inline int load_words(struct xdp_md *ctx, __u32 off, __u32 *w, int n)
{
        __be32 *p = at(ctx, off);
        if ((void *)(p + n) > end_of(ctx))
                return -1;
        for (int i = 0; i < n; i++)
                w[i] = bpf_ntohl(p[i]);
        return 0;
}

/*
 * Frames of one CPU are counted by nobody else, unless there are more CPUs than banks. The division is done
 * once a millisecond.
 */
static __always_inline void note_arrival(void)
{
        __u32 zero = 0, bank = bpf_get_smp_processor_id() & (conf.banks - 1) & (SIM_BANKS - 1);
        struct sim_shared *s = conf.arrivals ? bpf_map_lookup_elem(&shared, &zero) : 0;
        if (!s)
                return;
        struct sim_bank *b = &s->bank[bank];
        __u64 now = bpf_ktime_get_ns();
        if (!s->first_ns)
                __sync_val_compare_and_swap(&s->first_ns, 0, now);
        if (now >= b->until_ns || conf.share_banks) {
                __u64 first = s->first_ns;
                b->ms = now < first ? 0 : (now - first) / 1000000;
                b->until_ns = first + (b->ms + 1) * 1000000;
        }
        __u64 ms = b->ms;
        __u32 at = bank * SIM_ARRIVALS_MS + (__u32)ms;
        __u64 *slot = ms < SIM_ARRIVALS_MS ? bpf_map_lookup_elem(&arrivals, &at) : 0;
        if (slot && conf.share_banks)
                __sync_fetch_and_add(slot, 1);
        else if (slot)
                ++*slot;
        b->last_ns = now;
}

/*
 * Notes the probe of one target: in a counter where 255 means that often or more, or in a bit, and then a
 * second probe is counted as a duplicate.
 */
static __always_inline void note_target(struct sim_counters *c, __u64 lo, __u32 port, __u32 which)
{
        if (!conf.track)
                return;
        __u32 *place = which + 1 == conf.track ? bpf_map_lookup_elem(&ports, &port) : 0;
        if (!place || !*place) {
                c->outside++;
                return;
        }
        __u64 host = lo & ~conf.prefix[which & (SIM_PREFIXES - 1)].lo_mask;
        __u64 i = host * conf.track_ports + *place - 1;
        __u32 word = (__u32)(i >> (conf.plan ? 6 : 3)), shift = (__u32)(conf.plan ? i & 63 : (i & 7) * 8);
        __u64 *v = bpf_map_lookup_elem(&tally, &word);
        if (v && conf.plan)
                c->duplicates += __sync_fetch_and_or(v, 1ull << shift) >> shift & 1;
        else if (v && (*v >> shift & 255) != 255)
                __sync_fetch_and_add(v, 1ull << shift);
}

/* Which simulated prefix an address is in, or -1. */
static __always_inline int prefix_of(int family, __u64 hi, __u64 lo)
{
        for (__u32 i = 0; i < SIM_PREFIXES && i < conf.nprefixes; i++) {
                if (conf.prefix[i].family == (__u32)family &&
                    (hi & conf.prefix[i].hi_mask) == conf.prefix[i].hi &&
                    (lo & conf.prefix[i].lo_mask) == conf.prefix[i].lo)
                        return (int)i;
        }
        return -1;
}

#endif
