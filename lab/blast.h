/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * blast: the shapes that the two sides of the lab's fast sender share. blast.c fills a conf and a state in,
 * blast.bpf.c runs once per frame and counts the state on. Invariant: the same layout for both compilers.
 */
#ifndef LAB_BLAST_H
#define LAB_BLAST_H
#include <linux/types.h>

enum { BLAST_FRAME_MAX = 96, BLAST_WORDS = BLAST_FRAME_MAX / 8 };

struct blast_conf {
        __u64 hi, lo; /* of the prefix; IPv4 lives in lo */
        __u64 us_hi, us_lo;
        __u64 key[2]; /* of the cookie */
        __u64 ip_sum; /* of the template, without what a probe changes */
        __u64 tcp_sum;
        __u32 family;  /* 4 or 6 */
        __u32 len;     /* of a frame */
        __u32 ifindex; /* where they leave */
        __u32 bits;    /* of the addresses: 2^bits of them */
        __u32 port, sport;
        __u32 cookie; /* 1: sequence numbers are cookies */
        __u32 pad;
};

struct blast_state {              /* .bss of one sender's instance of the program; nobody else writes it */
        __u64 next;               /* which probe is next: address = its low bits, permuted; port = the rest */
        __u64 frame[BLAST_WORDS]; /* the template */
};
#endif
