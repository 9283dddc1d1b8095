// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * xdp_kernel: what the kernel-side programs of bpf/ and the back-end `xdp` share: memory that both map.
 * Compiled for both sides, so it includes nothing of ours. Invariant: each word has one writer, or is only
 * written while the other side does not run.
 */
#ifndef TRAWL_XDP_KERNEL_H
#define TRAWL_XDP_KERNEL_H
#include <linux/types.h>

/* ---- transmit: patches in, frames out ---- */
enum {
        XDP_TX_CALL = 8192, /* patches of one call */
        XDP_TX_PATHS = 256, /* templates */
        XDP_TX_FRAME = 128, /* longest probe */
        XDP_TX_SLOTS = 512, /* frames of user space's own making on their way out; a power of two */
        XDP_TX_SLOT = 1600  /* the longest of these; an odd number of cache lines */
};
struct xdp_patch { /* struct patch of wire.h, as this side sees it; xdp_tx.c checks that they are the same */
        __u64 addrs;     /* IPv4: source, destination */
        __u64 ports_seq; /* source port, destination port, sequence number */
        __u16 id, ip_sum, l4_sum, zero;
        __u32 tsval, zero2;
        __u8 mac[6];
        __u16 path;
        __u64 dst6[2], src6;
};
struct xdp_tx_layout { /* constants of one loaded program: where things are in its frames */
        __u32 ifindex, len, l3, l4, tsval; /* tsval 0: none */
        __u8 family, ether;
};
struct xdp_tx_shared {
        __u64 next;     /* patch the next run of the program takes */
        __u64 flushed;  /* patches the driver has decided about, as the tracepoint saw them */
        __u64 n_back;   /* bits set in back */
        __u64 bulk_err; /* the driver's last error, positive; 0: none */
        __u32 calling;  /* user space is inside a call */
        __u32 cpu;      /* where the program ran last */
        __u64 pad[3];
        __u64 back[XDP_TX_CALL / 64]; /* patches that did not leave: refused, or never on their way */
        __u64 templates[XDP_TX_PATHS][XDP_TX_FRAME / 8];
        struct xdp_patch patches[XDP_TX_CALL];
};

struct xdp_tx_frames { /* the frames of a call are in the slots from `first` on */
        __u64 first;
        __u32 len[XDP_TX_SLOTS];
        __u8 bytes[XDP_TX_SLOTS][XDP_TX_SLOT];
};

/* ---- receive: answers out of frames ---- */
enum { XDP_RX_SOURCES = 32, XDP_RX_RINGS = 16, XDP_RX_BANKS = 8 };
struct xdp_rx_source { /* what is addressed to us; host byte order; IPv4 in lo with hi = 0 */
        __u64 hi, lo;
        __u32 count; /* addresses from there on */
        __u16 port_first, port_last;
        __u32 family;
        __u32 pad;
};
struct xdp_rx_conf {  /* constants of the loaded program */
        __u64 k0, k1; /* cookie key */
        __u32 n_sources, n_rings;
        __u32 ifindex;
        __u32 netns; /* the inode number of the network namespace that ifindex is of */
        __u32 close; /* answer a SYN-ACK with a RST */
        __u32 pad;
        struct xdp_rx_source sources[XDP_RX_SOURCES];
};
struct xdp_rx_shared {
        __u64 no_rst;   /* a RST did not leave: user space sends them from here on */
        __u64 cpu_lost; /* answers passed on as frames because the ring was full */
        __u64 rst_lost; /* RSTs the link had no room for */
        __u64 pad[5];
        struct xdp_rx_closed {
                __u64 n;      /* RSTs sent from there */
                __u64 limit;  /* user space's: no more than so many */
                __u64 pad[6]; /* a cache line each: CPUs rarely share one */
        } closed[XDP_RX_BANKS];
};
/* One answer, host byte order. IPv4: the addresses are in the low half. */
struct xdp_answer {
        __u64 stamp_ns;       /* CLOCK_MONOTONIC */
        __u64 them[2], us[2]; /* hi, lo */
        __u32 seq, ack, tsecr;
        __u16 them_port, us_port;
        __u8 mac[6], ttl, flags;
        __u8 family, rst_sent;
        __u16 pad;
        __u32 pad2;
};
#endif
