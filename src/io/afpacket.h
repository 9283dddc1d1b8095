// SPDX-License-Identifier: Apache-2.0
/*
 * afpacket: what its two halves share. One handle is one socket, bound to one interface, that either sends or
 * receives. Private to src/io. Invariant: at most one of `out` and the ring is in use.
 */
#ifndef TRAWL_IO_AFPACKET_H
#define TRAWL_IO_AFPACKET_H
#include "io_priv.h"
#include <linux/if_packet.h>

struct afp {
        struct io_counters count;
        int fd;
        bool raw_ip; /* frames begin with the IP header: SOCK_DGRAM, the kernel needs telling which protocol
                      */
        /* transmit */
        struct sendq out;
        struct sockaddr_ll to[2]; /* raw IP: where IPv4 and IPv6 packets go */
        /* receive */
        uint8_t *map;
        size_t map_size;
        uint32_t block_size, n_blocks;
        uint32_t *lent;       /* per block: frames not handed back yet; 0: the block is the kernel's */
        uint32_t block, left; /* where we read, and how many frames of that block are still to come */
        struct tpacket3_hdr *next;
        uint64_t mono_minus_wall;
};
int afp_rx_open(struct afp *, const struct io_conf *, struct io_caps *, int ifindex, struct err *);
/* fanout.c: the socket, bound, becomes one of several on its interface */
int afp_join_fanout(struct afp *, const struct io_conf *, struct io_caps *, struct err *);
void afp_rx_close(struct afp *);
void afp_rx_stats(struct afp *);
unsigned afp_rx_burst(void *st, struct frame *, unsigned n);
void afp_rx_done(void *st, const struct frame *, unsigned n);
bool afp_rx_wait(void *st, uint64_t until_mono_ns);
#endif
