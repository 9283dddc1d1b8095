// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * shield_kernel: what the kernel-side program bpf/shield.bpf.c and shield_tcx.c share: memory that both map.
 * Compiled for both sides, so it includes nothing of ours. Invariant: the kernel writes the counters, user
 * space only reads them; the rest is constant once the program is loaded.
 */
#ifndef TRAWL_SHIELD_KERNEL_H
#define TRAWL_SHIELD_KERNEL_H
#include <linux/types.h>

enum { SHIELD_SPANS = 128, SHIELD_BANKS = 64 /* a power of two */ };
struct shield_span { /* addresses and ports that are ours, inclusive; host byte order; IPv4 in the lows */
        __u64 first_hi, first_lo, last_hi, last_lo;
        __u32 family;
        __u16 port_first, port_last;
};
struct shield_conf {
        __u64 n_spans;
        struct shield_span spans[SHIELD_SPANS];
};
struct shield_bank { /* of one CPU, or of several where there are many */
        __u64 dropped, local;
        __u64 pad[6]; /* a cache line each */
};
struct shield_shared {
        struct shield_bank banks[SHIELD_BANKS];
};
#endif
