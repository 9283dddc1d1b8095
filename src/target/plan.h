// SPDX-License-Identifier: Apache-2.0
/*
 * plan (private to target): what an immutable plan is made of. Each family is one of two kinds, whichever is
 * smaller: `start` NULL means a flat array of single addresses (first[k] is address number k), else ranges
 * with the number of their first address. Two bucket tables make both directions O(1) or nearly so.
 * Invariant: nothing changes after tgt_plan_new() returned; any number of threads read.
 */
#ifndef TRAWL_TARGET_PLAN_H
#define TRAWL_TARGET_PLAN_H
#include "target/set.h"

struct jump { /* at[k >> shift] .. at[(k >> shift) + 1]: the entries that may hold k */
        uint32_t *at;
        unsigned shift;
};
/* One bucket of address numbers: nearly always one or two ranges meet in it, and then address = number +
 * delta[number > edge]. Where more meet, the search starts at range crowd - 1. */
struct plan_near {
        uint32_t edge, delta[2], crowd; /* crowd 0: there is nothing to search */
};
struct plan_v4 {
        uint64_t count; /* addresses */
        size_t n;       /* entries of first[] (and start[]) */
        uint32_t *first, *start;
        struct plan_near *near; /* near[number >> near_shift]; NULL when flat */
        unsigned near_shift;
        struct jump by_address;
};
struct plan_v6 {
        uint64_t count;
        size_t n;
        u128 *first;
        uint64_t *start;
        uint32_t *zone; /* NULL: no zones */
        struct jump by_number;
};
struct tgt_plan {
        struct plan_v4 v4;
        struct plan_v6 v6;
        struct tgt_ports *ports;
        uint64_t n_ports, reciprocal; /* index / n_ports = index × reciprocal >> (63 + ports_shift) */
        unsigned ports_shift;
        const uint32_t *port_list; /* flat ports, ascending; owned by `ports` */
        struct tgt_names names;
        const char **name_texts; /* parallel to names.at */
        struct tgt_plan_facts facts;
};

/* pick.c */
void *plan_alloc(size_t bytes); /* for tables; free() gives it back */
int plan_index_tables(struct tgt_plan *, struct err *);
bool plan_next(struct tgt_walk *, struct seg *);
uint64_t plan_v4_last(const struct plan_v4 *, size_t i); /* last address of range i */

/* ports.c; bits: a bitmap of PORT_WORDS words over the flat ports */
enum { PORT_WORDS = TGT_PORTS_MAX / 64 };
int ports_join(struct tgt_ports *, const uint64_t *bits, struct err *);
int ports_cut(struct tgt_ports *, const uint64_t *bits, struct err *);
uint64_t ports_hash(const struct tgt_ports *);
int ports_copy(struct tgt_ports **, const struct tgt_ports *, struct err *);
const uint32_t *ports_list(const struct tgt_ports *); /* all of them, ascending; valid until changed */
bool ports_rank(const struct tgt_ports *, uint32_t flat, uint32_t *rank);
struct target port_split(uint32_t flat);
#endif
