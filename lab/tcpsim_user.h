// SPDX-License-Identifier: Apache-2.0
/*
 * tcpsim_user: what the user-side files of the simulated TCP servers know of each other. Private to lab/.
 * Flow: arguments -> loaded kernel side -> holder (connections that stay open), report. Invariant: conf is
 * complete and never changes once the kernel side is loaded.
 */
#ifndef LAB_TCPSIM_USER_H
#define LAB_TCPSIM_USER_H
#include "base/base.h"
#include "tcpsim.h"

struct tcpsim_args {
        struct tcpsim_conf conf;
        uint8_t answer[TCPSIM_ANSWER_MAX + 4];
        const char *dev, *pid_file, *stats_file;
        uint64_t hold_ns, drip_ns; /* how long connections stay, a byte how often */
        uint32_t hold_max;         /* connections to hold at most */
};
struct tcpsim_kernel { /* loaded; all of it goes with the process */
        struct bpf_object *obj;
        struct bpf_link *link;
        int counters_fd, ring_fd, ifindex;
        volatile uint64_t *notes; /* mapped */
        size_t notes_words;
};

/* tcpsim_hold.c: connections that stay open, a byte now and then. */
struct tcpsim_holder;
struct tcpsim_hold_counts {
        uint64_t held, bytes, fins, gone, overflow, send_failed;
};
struct tcpsim_holder *tcpsim_holder_new(const struct tcpsim_args *, const struct tcpsim_kernel *,
                                        struct err *);
void tcpsim_holder_free(struct tcpsim_holder *);
void tcpsim_holder_step(struct tcpsim_holder *); /* takes new ones, says what is due; every millisecond */
const struct tcpsim_hold_counts *tcpsim_holder_counts(const struct tcpsim_holder *);
#endif
