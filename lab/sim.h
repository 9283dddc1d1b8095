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
        SIM_BANKS = 8,             /* of arrival counts: CPUs that need not share theirs */
        SIM_TALLY_MAX = 1 << 28,   /* targets that --track can follow */
        SIM_REPEAT_MS = 100,       /* until a tarpit says it again; then twice as long, and so on */
        SIM_REPEATS_MAX = 6,
};
#define SIM_PLAN_MAX (1ull << 32) /* targets of a --plan: half a gigabyte of bits */

/* A prefix of the simulated Internet. IPv4 lives in lo. */
struct sim_prefix {
        __u64 hi, lo, hi_mask, lo_mask;
        __u32 family; /* 4 or 6 */
        __u32 bits;   /* host bits */
};

/* Upper ends of the states on a scale of 2^32 (which itself means: always). */
struct sim_shares {
        __u64 open_below, closed_below, unreach_below, tarpit_below;
};

enum sim_state { SIM_OPEN, SIM_CLOSED, SIM_UNREACH, SIM_TARPIT, SIM_SILENT, SIM_NSTATES };

enum sim_mode {
        SIM_RESPOND, /* answers */
        SIM_CHECK,   /* takes probes apart as the responder does, and keeps silent */
        SIM_DROP,    /* counts frames and looks no further */
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
        __u64 cookie_key[2];
        __u64 slow_ns;                 /* spent on each frame, for a link that overflows */
        __u64 hostile[HOSTILE_NKINDS]; /* chances on a scale of 2^32 */
        __u64 router_hi, router_lo;    /* the next hop's IPv6 address; on a VLAN we answer for it */
        __u32 router4;                 /* the same for IPv4; also the source of ICMP errors */
        __u32 nprefixes;
        __u32 vlan;        /* 802.1Q id; 0: untagged */
        __u32 late;        /* 1: some answers go through user space */
        __u32 arrivals;    /* 1: count frames per millisecond */
        __u32 track;       /* 1 + the prefix whose targets are counted one by one; 0: none */
        __u32 track_ports; /* how many ports of each of its addresses */
        __u32 plan;        /* 1: a bit for each tracked target; 0: a counter of 8 bits */
        __u32 mode;        /* enum sim_mode */
        __u32 cookie;      /* 1: sequence numbers are held against cookie_key */
        __u32 banks;       /* of the arrivals, a power of two */
        __u32 share_banks; /* 1: there are more CPUs than banks */
        __u32 repeats;     /* of a tarpit's SYN-ACK */
        __u32 forge;       /* 1: some frames are forged, about silent targets too */
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
        __u64 state[SIM_NSTATES]; /* SYNs that met an open, closed, unreachable, tarpit, silent target */
        __u64 answered;           /* sent from the kernel side */
        __u64 late;               /* answers handed to user space to be sent later */
        __u64 ring_full;          /* records that found no room there */
        __u64 neigh;              /* ARP and NDP answers on a VLAN */
        __u64 duplicates;         /* probes to a target of the plan that had had its probe */
        __u64 outside;            /* probes to what is not in the plan */
        __u64 bad_cookie;         /* probes whose sequence number is not that of their target */
        __u64 sunk;               /* answers that arrived at the scanner's end, and ended there (--sink) */
        __u64 ttl[256];           /* of the probes */
        __u64 proto[256];         /* of the frames, as their IP header says; not counted when answering */
};

/* Times are CLOCK_MONOTONIC; a cache line for each CPU. */
struct sim_bank {
        __u64 last_ns;      /* the last frame counted here */
        __u64 ms, until_ns; /* since the first frame of all, and when that millisecond is over */
        __u64 pad[5];
};

struct sim_shared {
        __u64 first_ns; /* the first frame counted in the arrivals, on whichever CPU */
        __u64 pad[7];
        struct sim_bank bank[SIM_BANKS];
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
        __u32 is_late; /* 1: the true answer is to be sent by user space, at due_ns; 0: not this time */
        __u32 repeats; /* how often it is to be sent again, after SIM_REPEAT_MS for a start */
};
#endif
