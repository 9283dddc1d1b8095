// SPDX-License-Identifier: Apache-2.0
/*
 * decode.h: what decode.c (link and network layer) and decode_l4.c (what is inside) share. Private to wire.
 * Invariant: every read goes through the sticky reader; a header is taken whole and then read at fixed
 * offsets.
 */
#ifndef TRAWL_WIRE_DECODE_H
#define TRAWL_WIRE_DECODE_H
#include "wire/wire.h"

struct decode_how {  /* what is known about the packet from outside of it */
        bool verify; /* check the L4 checksum */
        uint32_t zone;
};

enum { /* IP protocol numbers and IPv6 next headers */
       PROTO_HOPOPTS = 0,
       PROTO_ICMP = 1,
       PROTO_TCP = 6,
       PROTO_UDP = 17,
       PROTO_ROUTING = 43,
       PROTO_FRAGMENT = 44,
       PROTO_ICMP6 = 58,
       PROTO_DSTOPTS = 60,
       PROTO_SCTP = 132
};

static inline struct ip_addr decode_zoned(struct ip_addr a, uint32_t zone)
{
        if (ip_is_link_local(&a))
                a.zone = zone;
        return a;
}

/* Skips IPv6 extension headers; *next becomes the first header that is none, *cut is set by a first fragment.
 */
enum wire_drop decode_v6_extensions(struct rd *, uint8_t *next, bool *cut);
/* The rest of an IP packet whose src, dst, proto and ttl are in place: TCP, ICMP, anything. */
enum wire_drop decode_l4(struct pkt *, struct span l4, struct decode_how);
/* The fields of a TCP header that was checked: l4 is in place, `head` (20..60) bytes of it are the header. */
void decode_tcp_fields(struct pkt *, size_t head);
enum wire_drop decode_arp(struct pkt *, struct rd *);
#endif
