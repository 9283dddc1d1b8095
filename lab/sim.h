/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * sim: the shapes that the kernel side (sim.bpf.c) and the user side (sim*.c) of the simulated Internet
 * share: its configuration, its counters, and the record by which a SYN travels from the one to the other.
 * Invariant: every struct has the same layout for both compilers (fixed widths, no implicit padding).
 */
#ifndef LAB_SIM_H
#define LAB_SIM_H
#include <linux/types.h>

enum {
        SIM_PREFIXES = 8,
        SIM_WORDS = 15,            /* IPv6 header and TCP header, in 32-bit words */
        SIM_FRAME_WORDS = 32,      /* room for any answer, without its link header */
        SIM_RING_BYTES = 1 << 25,  /* kernel to user: about 300,000 records */
        SIM_ARRIVALS_MS = 1 << 20, /* 17 minutes of arrival counts */
        SIM_TALLY_MAX = 1 << 28,   /* targets that --track can follow */
};

/* A prefix of the simulated Internet. IPv4 lives in lo. */
struct sim_prefix {
        __u64 hi, lo, hi_mask, lo_mask;
        __u32 family; /* 4 or 6 */
        __u32 bits;   /* host bits */
};

/* Upper ends of the states on a scale of 2^32 (which itself means: always). */
struct sim_shares {
        __u64 open_below, closed_below, unreach_below;
};

enum sim_hostile {
        HOSTILE_DUP,
        HOSTILE_COOKIE,
        HOSTILE_FOREIGN,
        HOSTILE_SHORT,
        HOSTILE_CORRUPT,
        HOSTILE_ICMP,
        HOSTILE_NKINDS
};

struct sim_conf {
        struct sim_prefix prefix[SIM_PREFIXES];
        struct sim_shares shares;
        __u64 key;
        __u64 loss_in, loss_out, late_share; /* chances on a scale of 2^32 */
        __u64 late_min_ns, late_span_ns;
        __u64 hostile[HOSTILE_NKINDS]; /* chances on a scale of 2^32 */
        __u64 router_hi, router_lo;    /* the next hop's IPv6 address; on a VLAN we answer for it */
        __u32 router4;                 /* the same for IPv4; also the source of ICMP errors */
        __u32 nprefixes;
        __u32 vlan;        /* 802.1Q id; 0: untagged */
        __u32 late;        /* 1: some answers go through user space */
        __u32 arrivals;    /* 1: count frames per millisecond */
        __u32 track;       /* 1 + the prefix whose targets are counted one by one; 0: none */
        __u32 track_ports; /* how many ports of each of its addresses */
        __u8 mac[6];       /* our end's */
        __u8 pad[2];
};

/* One per CPU, summed up by the loader. The order is that of sim_counter_names in sim_stats.c. */
struct sim_counters {
        __u64 frames;    /* to the simulated prefixes, of every kind */
        __u64 bytes;     /* of those frames */
        __u64 syn;       /* probes among them, lost ones included */
        __u64 rst;       /* the scanner closing what it opened */
        __u64 ack;       /* ACK without SYN or RST, data and FIN included */
        __u64 other_tcp; /* flags that a scanner of open ports does not send */
        __u64 not_tcp;
        __u64 malformed;
        __u64 bad_ip_sum;
        __u64 bad_syn_sum;
        __u64 bad_tcp_sum; /* of other segments; with offloads on the IPv6 RSTs of the scanner's kernel are
                              among them */
        __u64 unchecked;   /* segments with data: their sum was not looked at */
        __u64 no_tag;      /* untagged, or tagged for another VLAN, where a tag was due */
        __u64 lost_in, lost_out;
        __u64 state[4];  /* SYNs that met an open, closed, unreachable, silent target */
        __u64 answered;  /* sent from the kernel side */
        __u64 late;      /* answers handed to user space to be sent later */
        __u64 ring_full; /* records that found no room there */
        __u64 neigh;     /* ARP and NDP answers on a VLAN */
        __u64 ttl[256];  /* of the probes */
};

struct sim_shared {
        __u64 first_ns; /* CLOCK_MONOTONIC of the first frame counted in the arrivals */
        __u64 last_ns;
};

/* A probe, taken apart no further than needed: its IP and TCP headers as words in host order. */
struct sim_probe {
        __u32 w[SIM_WORDS]; /* IPv4: 5 + 5, IPv6: 10 + 5 */
        __u32 tsval;
        __u64 hash;
        __u8 them[6]; /* the prober's MAC, then ours */
        __u8 us[6];
        __u8 family, state, has_ts;
        __u8 hostile; /* bit set of enum sim_hostile: frames to forge beside the true answer */
};

struct sim_record {
        struct sim_probe probe;
        __u64 due_ns;  /* CLOCK_MONOTONIC */
        __u32 is_late; /* 1: the true answer is to be sent by user space, at due_ns; 0: only forgeries are */
        __u32 pad;
};
#endif
