// SPDX-License-Identifier: Apache-2.0
/*
 * sim_user: what the user-side files of the simulated Internet know of each other: the parsed command line,
 * the loaded kernel side, the courier. Private to lab/. Flow: args -> (truth | loaded kernel side -> courier,
 * stats). Invariant: conf is complete and never changes once the kernel side is loaded.
 */
#ifndef LAB_SIM_USER_H
#define LAB_SIM_USER_H
#include "base/base.h"
#include "sim_answer.h"

enum { SIM_PORTS_MAX = 65536 };

struct sim_place { /* an interface, perhaps in another namespace ("" and NULL: ours) */
        const char *netns, *dev;
};

struct sim_grid { /* every address of a prefix × every port of a list */
        struct sim_prefix prefix;
        uint16_t *ports;
        uint32_t nports; /* 0: no grid */
};

struct sim_args {
        struct sim_conf conf;
        struct sim_grid track, truth;
        struct sim_place far, pass, sink, hush;
        const char *pid_file, *stats_file, *arrivals_file, *probes_file;
        double open_pct, closed_pct, unreach_pct, tarpit_pct;
        int ready_fd;    /* -1: nobody waits */
        uint32_t copies; /* of each true answer, beside it, when duplicates are drawn; 0: 1 to 3 at random */
        bool delay_given, help;
};

/* sim_args.c. Strings and port lists stay borrowed from argv or allocated for good. Returns 0 or -1. */
int sim_args_parse(struct sim_args *, int argc, char **argv, struct err *);
void sim_args_help(void);

/* sim_truth.c: prints "STATE tcp PORT ADDRESS" for the grid on stdout, in order. Returns 0 or -1. */
int sim_truth_print(const struct sim_args *, struct err *);
/* The i-th address of a prefix as text; returns its length. */
size_t sim_address(char out[64], const struct sim_prefix *, uint64_t i);

struct bpf_object;
struct bpf_link;

struct sim_kernel { /* the kernel side, loaded; links and maps go with the process */
        struct bpf_object *obj;
        struct bpf_link *far, *pass, *sink;
        int hush_fd; /* -1: none */
        int counters_fd, ring_fd, ifindex;
        uint64_t drops_before;               /* of the link, when we came */
        volatile uint64_t *tally, *arrivals; /* mapped */
        size_t tally_words, arrivals_len;
        volatile struct sim_shared *shared;
};

/* sim_kernel.c. Loads the programs, fills the maps, attaches. On failure nothing stays. Returns 0 or -1. */
int sim_kernel_start(struct sim_kernel *, struct sim_args *, struct err *);
void sim_kernel_stop(struct sim_kernel *);
/* Frames towards the scanner that the link dropped for want of room, in its life; 0 when it will not say. */
uint64_t sim_link_drops(const char *dev);

struct sim_courier_counts {
        uint64_t sent_late;              /* true answers sent from user space */
        uint64_t repeated, lost_repeats; /* of tarpits: sent, and lost as --loss-out says */
        uint64_t forged[HOSTILE_NKINDS]; /* frames */
        uint64_t pool_full, send_failed;
};

/* sim_courier.c: holds late answers and forges hostile ones. */
struct sim_courier;
struct sim_courier *sim_courier_new(const struct sim_args *, const struct sim_kernel *, struct err *);
void sim_courier_free(struct sim_courier *);
void sim_courier_step(
        struct sim_courier *); /* takes what is new, sends what is due; call every 200 µs or so */
void sim_courier_forget(struct sim_courier *); /* counts back to zero */
const struct sim_courier_counts *sim_courier_counts(const struct sim_courier *);

/* sim_stats.c: reports. courier may be NULL. Each returns 0 or -1. */
int sim_stats_write(const struct sim_args *, const struct sim_kernel *, const struct sim_courier *,
                    struct err *);
int sim_stats_reset(const struct sim_kernel *, struct err *);
int sim_arrivals_write(const char *path, const struct sim_args *, const struct sim_kernel *, struct err *);
int sim_probes_write(const char *path, const struct sim_args *, const struct sim_kernel *, struct err *);
#endif
