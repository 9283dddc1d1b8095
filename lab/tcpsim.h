/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * tcpsim: what the two sides of the simulated TCP servers share: the settings, the counters, the notes about
 * each peer and the record by which a connection is handed over to user space. Invariant: both sides compile
 * this very file; a connection's initial sequence number is tcpsim_isn() and nothing else is ever remembered
 * to check its segments. RFC 9293 §3.4.1.
 */
#ifndef LAB_TCPSIM_H
#define LAB_TCPSIM_H
#include "sim_answer.h"

enum { TCPSIM_ANSWER_MAX = 176, TCPSIM_MSS = 1460, TCPSIM_WINDOW = 64240, TCPSIM_RING_BYTES = 1 << 24 };
enum { SIM_FIN = 1, SIM_PSH = 8 };

/* Bits of a service's note: how far its connection came. */
enum {
        TCPSIM_BEGUN = 1,     /* a SYN came */
        TCPSIM_COMPLETED = 2, /* the ACK of the handshake, right */
        TCPSIM_DATA = 4,      /* all of the answer was acknowledged */
        TCPSIM_CLOSED = 8,    /* FINs both ways, both acknowledged */
        TCPSIM_RESET = 16,    /* by the client */
        TCPSIM_ASKED = 32     /* the request came, and was one */
};

struct tcpsim_conf {
        __u64 key;
        __u32 net, mask;             /* host order */
        __u32 port_first, port_last; /* the only ones */
        __u32 answer_len, answer_sum;
        __u32 expect, expect_mask; /* how a request begins */
        __u32 wscale;              /* shift count; 15: the option is never given */
        __u8 speaks_first;         /* the answer follows the handshake, unasked */
        __u8 closes_first;         /* the answer carries a FIN */
        __u8 hold; /* no answer: user space has the connection, and says a byte now and then */
        __u8 unused;
};

struct tcpsim_counters { /* segments, then services that came so far for the first time */
        __u64 frames, syn, ack, request, answer, fin, rst, data_more;
        __u64 bad_ip_sum, bad_tcp_sum, bad_ack, bad_request, malformed, no_room;
        __u64 begun, asked, completed, data, closed, reset;
};

struct tcpsim_record { /* a connection that user space is to hold */
        __u32 us, them;
        __u16 us_port, them_port;
        __u32 seq, ack; /* next of ours (the server's), next of theirs */
        __u32 service;
        __u8 mac_us[6], mac_them[6]; /* the client's, the server's */
};

/* us: the client; all in host order. */
static inline __u32 tcpsim_isn(__u64 key, __u32 us, __u32 them, __u32 us_port, __u32 them_port)
{
        return (__u32)(sim_hash(key, us, them, us_port << 16 | them_port) >> 16);
}
#endif
