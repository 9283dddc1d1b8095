// SPDX-License-Identifier: Apache-2.0
/*
 * allopen: hosts that answer on every port: middleboxes and tarpits, whose open ports say nothing. The order
 * is random over the whole scan, so at any moment every host was probed on the same share of its ports, give
 * or take chance: a host is one of them when it was found open on nearly as many ports as were probed on it
 * so far, and hardly anything else came from it. A firewall that drops what is closed looks different: most
 * of its probes found nothing. The writer's own. Invariant: a host is named once, and its memory never grows.
 */
#ifndef TRAWL_ENGINE_ALLOPEN_H
#define TRAWL_ENGINE_ALLOPEN_H
#include "wire/wire.h"

enum { ALLOPEN_LEAST = 100 /* fewer open ports prove nothing */ };
#define ALLOPEN_WORDS "answers on every port"

struct allopen_host {
        uint32_t since; /* so many ports of it had been probed when it was heard of first */
        uint32_t opens, others;
        uint32_t heard : 31; /* by the clock of its table */
        uint32_t told : 1;
};
struct allopen {
        struct allopen_bucket *buckets; /* NULL: too few ports for anybody to be one of them */
        struct hash_key key;
        uint32_t clock; /* open ports heard of */
};
/* ports: of each host. Out of memory: nobody is watched. */
void allopen_init(struct allopen *, uint32_t ports);
void allopen_free(struct allopen *);
/* What was found about one of its ports; `probed` of them were asked by now. NULL: it is not watched. Among
 * more than some hundred thousand hosts with open ports the one that has been silent longest is forgotten,
 * but none that may be one of them. */
struct allopen_host *allopen_note(struct allopen *, const struct ip_addr *, bool open, uint32_t probed);
/* Is it one of them? True once. */
bool allopen_known(struct allopen_host *, uint32_t probed);
/* It was named before, by the scan that is resumed. */
void allopen_told(struct allopen *, const struct ip_addr *);
#endif
