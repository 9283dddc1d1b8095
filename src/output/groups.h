// SPDX-License-Identifier: Apache-2.0
/*
 * groups: records held back per host, for formats that show a host as a whole. Bounded: at the ceiling the
 * owner writes what is there and starts again, so a host may then appear twice. Invariant: what a held record
 * points to (names, banner) is the group's own copy.
 */
#ifndef TRAWL_OUTPUT_GROUPS_H
#define TRAWL_OUTPUT_GROUPS_H
#include "format.h"

enum { GROUPS_MAX_BYTES = 128 << 20 };

struct groups;
struct groups *groups_new(size_t max_bytes); /* NULL: out of memory */
void groups_free(struct groups *);
bool groups_add(struct groups *, const struct record *); /* false: full, nothing was taken */
size_t groups_count(const struct groups *);              /* hosts */
void groups_clear(struct groups *);
/* Each host in the order of addresses, its records by protocol and port, banners after states, of several
 * states of a port the highest. Returns false when memory for sorting is missing (nothing was called then).
 */
bool groups_walk(struct groups *, void (*each)(void *arg, const struct record *const *recs, size_t n),
                 void *arg);
#endif
