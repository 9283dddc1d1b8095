// SPDX-License-Identifier: Apache-2.0
/*
 * pfring: what the back-end of this name uses of ntop's PF_RING: the few functions and numbers of its
 * published API, found at run time, and rings opened by it. Private to src/io. Invariant: nothing here is
 * needed to build or to start the program; a library that lacks a function is refused by name when a ring is
 * opened. Reference: https://www.ntop.org/guides/pf_ring_api/ (pfring.h), PF_RING User's Guide.
 */
#ifndef TRAWL_IO_PFRING_H
#define TRAWL_IO_PFRING_H
#include "io_priv.h"
#include <sys/time.h>

/* A received packet's head. PF_RING writes more than these fields, how much more depends on its version. */
struct pfr_head {
        struct timeval ts; /* 0: this module takes no time stamps */
        uint32_t caplen, len;
        uint8_t rest[1000];
};
struct pfr_drops {
        uint64_t recv, drop;
        uint64_t rest[14];
};
enum pfr_flag { PFR_PROMISC = 1 << 3 };                    /* of open */
enum pfr_mode { PFR_SEND_ONLY = 1, PFR_RECEIVE_ONLY = 2 }; /* enum socket_mode */
enum pfr_direction { PFR_INCOMING = 1 };                   /* enum packet_direction: rx_only */
enum pfr_cluster { PFR_PER_FLOW = 0 };                     /* enum cluster_type */
enum pfr_error { PFR_BAD_PACKET = -2, PFR_NO_SLOT = -4, PFR_DEMO_OVER = -6, PFR_NOT_SUPPORTED = -7 };

/* X(what, returns, takes): the function is pfring_<what>. A ring is an address without meaning to us. */
#define PFR_FUNCTIONS(X)                                                                       \
        X(open, void *, (const char *device, uint32_t caplen, uint32_t flags))                 \
        X(close, void, (void *ring))                                                           \
        X(set_application_name, int, (void *ring, char *name))                                 \
        X(set_socket_mode, int, (void *ring, int mode))                                        \
        X(set_direction, int, (void *ring, int direction))                                     \
        X(set_cluster, int, (void *ring, unsigned id, int type))                               \
        X(set_poll_watermark, int, (void *ring, uint16_t packets))                             \
        X(enable_ring, int, (void *ring))                                                      \
        X(send, int, (void *ring, char *packet, unsigned len, uint8_t flush))                  \
        X(flush_tx_packets, void, (void *ring))                                                \
        X(recv, int, (void *ring, uint8_t **packet, unsigned cap, struct pfr_head *, uint8_t)) \
        X(poll, int, (void *ring, unsigned wait_ms))                                           \
        X(stats, int, (void *ring, struct pfr_drops *))

#define PFR_MEMBER(what, returns, takes) returns(*what) takes;
struct pfr_lib {
        void *so;
        PFR_FUNCTIONS(PFR_MEMBER)
};
#undef PFR_MEMBER

/* ---- pfring_lib.c ---- */
enum { PFR_NAME_MAX = 256 };
struct pfr_want {
        const char *device, *kernel; /* PF_RING's name of the interface, and the kernel's */
        bool tx;
        bool bypass; /* the card's own queues, past the kernel: one ring per queue, shared by all who send */
        bool promisc;
        uint32_t caplen;
        int cluster; /* receive: share the frames with the other rings of this number; -1: do not */
};
struct pfr_ring {
        struct pfr_lib lib;
        void *handle;
        bool own_echo; /* what this host sends is received as well */
        bool shared;
        atomic_bool busy; /* shared: somebody is sending */
        unsigned users;
        char key[PFR_NAME_MAX];
        struct pfr_ring *next;
};
struct pfr_ring *pfr_ring_get(const struct pfr_want *, struct err *); /* NULL with e filled */
void pfr_ring_put(struct pfr_ring *);
/* Before and after a run of sends. False: others keep sending, try later. Nobody waits for long. */
bool pfr_ring_claim(struct pfr_ring *);
void pfr_ring_release(struct pfr_ring *);
#endif
