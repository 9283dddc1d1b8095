// SPDX-License-Identifier: Apache-2.0
/*
 * target: what to scan and in which order. Text becomes sets (ranges, ports, names); sets minus excludes
 * become an immutable plan: one flat index space, address-major: index = address number × ports + port
 * number. The order is a keyed permutation of that space. Everything after tgt_plan_new() is read-only and
 * shared.
 */
#ifndef TRAWL_TARGET_H
#define TRAWL_TARGET_H
#include "wire/wire.h"

/* ---- spec.c, set.c: addresses as text -> sets of ranges ---- */
struct tgt_range {
        struct ip_addr first, last; /* inclusive, same family and zone */
};
struct tgt_set; /* growable; unsorted while it is filled */
int tgt_set_new(struct tgt_set **, struct err *);
void tgt_set_free(struct tgt_set *);

struct tgt_text {           /* how to read text */
        bool no_dns;        /* -n: a name is an error that says so */
        bool no_names;      /* names make no sense here (excludes take them too unless set) */
        bool keep_names;    /* names are not looked up but kept as written, for tgt_set_names() */
        const char *source; /* for messages: file name; NULL: the command line */
        uint8_t family;     /* names: 0 both A and AAAA, 4 or 6 only those (-4, -6) */
};
/* Adds every item of `text` (separated by comma or blanks). Items: the forms listed in spec.c, with nmap's
 * short ones (10.0.0-3.1-254, 10.0.0.5-10, 10.0.0.*, 10.0.0-3.0/24 is refused), "a - b" with blanks, zone
 * ids, names (resolved here, all A and AAAA; name/24 is the net round each address, the IPv4 ones only when
 * there are any and the length is at most 32; the name stays with the address itself). A wrong item fails the
 * whole call with a message that quotes it, says why, and gives source:line:column (1-based) when from a
 * file. A name that does not resolve is an error too. */
int tgt_set_add(struct tgt_set *, const char *text, const struct tgt_text *, struct err *);
/* The same for a file of any length ("-": stdin); comments start with # ; or / at an item; a dash between
 * two addresses is a range, and a dash elsewhere is an error. 10 million lines take seconds at the most. */
int tgt_set_add_file(struct tgt_set *, const char *path, const struct tgt_text *, struct err *);
int tgt_set_add_range(struct tgt_set *, const struct tgt_range *, struct err *);
/* -iR n: n random public IPv4 addresses, no two alike, drawn from `seed`. n = 0 and more than there are:
 * errors. */
int tgt_set_add_random(struct tgt_set *, uint64_t n, uint64_t seed, struct err *);
bool tgt_set_empty(const struct tgt_set *);
/* Names kept as they were written ("example.org", "example.org/24"), in that order; pointers live as long as
 * the set. Returns how many. */
size_t tgt_set_names(const struct tgt_set *, const char *const **names);
/* Sorts and merges; afterwards ranges are disjoint, sorted, IPv4 first. Idempotent. */
int tgt_set_finish(struct tgt_set *, struct err *);
/* Ranges are handed out one at a time (they are kept far more compactly than struct tgt_range is):
 *     struct tgt_walk w;
 *     struct tgt_range r;
 *     for (tgt_set_walk(&w, set); tgt_walk_next(&w, &r);)
 * A walk is a plain value; any number may run at once over a finished set or a plan. */
struct tgt_plan;
struct tgt_walk {
        const struct tgt_set *set; /* one of the two */
        const struct tgt_plan *plan;
        size_t at[4]; /* private */
};
void tgt_set_walk(struct tgt_walk *, const struct tgt_set *);
bool tgt_walk_next(struct tgt_walk *, struct tgt_range *);
/* Text of the ranges, one CIDR or a-b each (shortest form) / as CIDRs only. Returns length as ip_format. */
size_t tgt_range_format(char *out, size_t cap, const struct tgt_range *);
/* Calls f for each CIDR block that makes up the range, in order. */
void tgt_range_cidrs(const struct tgt_range *, void (*f)(void *, const struct ip_addr *, unsigned bits),
                     void *);

/* ---- ports.c: ports of all protocols as one flat space ---- */
enum { /* flat port = base + port */
       TGT_TCP = 0,
       TGT_UDP = 65536,
       TGT_SCTP = 131072,
       TGT_ICMP_ECHO = 196608,
       TGT_ICMP_TIME = 196609,
       TGT_ARP = 196610,
       TGT_IPPROTO = 196864,
       TGT_PORTS_MAX = 197120
};
/* In a struct target: TCP 6, UDP 17, SCTP 132; ICMP echo and timestamp 1 with port 0 and 1; ARP 0; IP
 * protocol n is proto 255 (reserved by IANA, so it collides with nothing) with port n. */
struct tgt_ports; /* a set of flat ports */
int tgt_ports_new(struct tgt_ports **, struct err *);
void tgt_ports_free(struct tgt_ports *);
/* "80,443,8000-8010,U:53,S:36412,O:47,I:0,-,http*"; service names from the system's services database; names
 * it does not know, and wildcards, also from nmap-services when that is installed. A wrong item is an error
 * that quotes it, and then nothing of the list is taken. default_base: TGT_TCP, TGT_UDP, TGT_SCTP or
 * TGT_IPPROTO. */
int tgt_ports_add(struct tgt_ports *, const char *text, uint32_t default_base, struct err *);
int tgt_ports_sub(struct tgt_ports *, const char *text, uint32_t default_base, struct err *);
/* The n most useful ports of our own ranking (ports.c says how it was made); base TGT_TCP or TGT_UDP. n
 * larger than the list is an error that says how many there are (docs/top-ports.md). */
int tgt_ports_add_top(struct tgt_ports *, uint32_t n, uint32_t base, struct err *);
size_t tgt_ports_count(const struct tgt_ports *);
bool tgt_ports_has(const struct tgt_ports *, uint32_t flat);
uint32_t tgt_ports_at(const struct tgt_ports *, size_t i); /* ascending; valid until changed */
/* Canonical text that parses back to the same set ("80,443,U:53"); caller frees. */
char *tgt_ports_format(const struct tgt_ports *);

/* ---- plan.c: the immutable plan ---- */
struct tgt_spec { /* borrowed until tgt_plan_new returns; sets must be finished */
        struct tgt_set *include, *exclude;
        const struct tgt_ports *ports;
        bool allow_reserved; /* --allow-reserved: keep the never-targets */
        const struct tgt_range
                *own_broadcasts; /* may be NULL; directed broadcast addresses of our own networks */
        size_t n_own_broadcasts;
};
/* Subtracts the excludes; drops never-targets (reserved.c) inside larger ranges with a count; a range
 * wholly inside them is an error that names --allow-reserved. More than 2^63 probes: refused by name. No
 * targets, no ports, nothing left after the excludes: errors. O(ranges) memory, O(1) pick. */
int tgt_plan_new(struct tgt_plan **, const struct tgt_spec *, struct err *);
void tgt_plan_free(struct tgt_plan *);
struct tgt_plan_facts {
        uint64_t probes;           /* addresses × ports */
        uint64_t v4, v6;           /* addresses */
        uint64_t reserved_dropped; /* saturating */
        uint32_t ports;
        uint32_t busiest_net24; /* most IPv4 addresses in one /24 of the plan (0: no IPv4) */
        size_t ranges;
        uint64_t hash; /* of ranges and ports: the same set has the same hash on every machine */
};
void tgt_plan_facts(const struct tgt_plan *, struct tgt_plan_facts *);
void tgt_plan_walk(struct tgt_walk *, const struct tgt_plan *); /* its ranges: sorted, disjoint, IPv4 first */
const struct tgt_ports *tgt_plan_ports(const struct tgt_plan *);
void tgt_plan_pick(const struct tgt_plan *, uint64_t index, struct target *out); /* index < probes */
/* Index of a target; false when it is not in the plan. O(log ranges + log ports). Zones are compared when the
 * plan's range has one. An exclude without zone holds on every link. */
bool tgt_plan_index(const struct tgt_plan *, const struct target *, uint64_t *index);
/* The names an address was asked by (pointers live as long as the plan). Returns how many. */
unsigned tgt_plan_names(const struct tgt_plan *, const struct ip_addr *, const char *const **names);
uint32_t tgt_flat_port(const struct target *); /* inverse of the split the plan does; TGT_PORTS_MAX: none */

/* The plan's ranges, ports and names as bytes (for the checkpoint's sidecar), and back. Versioned, checked.
 */
int tgt_plan_save(const struct tgt_plan *, const char *path, struct err *);
int tgt_plan_load(struct tgt_plan **, const char *path, struct err *);

/* ---- order.c: keyed permutation of [0, 2^width), walked by position ---- */
/* Alternating unbalanced Feistel network (Black & Rogaway 2002;
 * Morris, Rogaway & Stegers 2009), no division. Values >= count are holes and skipped; 2^width < 2 × count,
 * so at least half of all positions are real. The order depends on seed and count only. */
struct tgt_order {
        uint64_t count, domain; /* real indices; positions run over [0, domain) */
        unsigned width;
        unsigned rounds;
        uint32_t keys[32];
};
void tgt_order_init(struct tgt_order *, uint64_t count, uint64_t seed);
uint64_t tgt_order_at(const struct tgt_order *, uint64_t pos);    /* may be >= count: a hole */
uint64_t tgt_order_pos(const struct tgt_order *, uint64_t index); /* the inverse */

/* ---- generate.c: positions -> targets, in bursts ---- */
/* Looks at positions from *pos on, never past `end`, skips holes, and appends the targets to the batch of
 * their family until all were looked at or one of the two batches has room for less than TGT_BLOCK; `most`
 * bounds how many positions are looked at. *pos is moved past the last one looked at. Within a batch targets
 * are in order of position; `family` is set, n must be. The level of the CPU (base/cpu.h) changes the speed,
 * never the result. */
void tgt_generate(const struct tgt_plan *, const struct tgt_order *, uint64_t *pos, uint64_t end,
                  uint64_t most, struct target_batch *v4, struct target_batch *v6);
/* Its two halves, to be measured apart. First up to TGT_BLOCK positions from *pos < end on: the real ones go
 * to at[], their indices to index[]; returns how many. Then n <= TGT_BLOCK indices are appended as targets
 * (index[] is used up); their positions must stand behind the end of the IPv4 batch, or of the IPv6 one if
 * the plan has no IPv4. */
enum { TGT_BLOCK = 64, TGT_BLOCK_ROOM = TGT_BLOCK + 16 };
unsigned tgt_order_block(const struct tgt_order *, uint64_t *pos, uint64_t end, uint64_t at[TGT_BLOCK_ROOM],
                         uint64_t index[TGT_BLOCK_ROOM]);
void tgt_pick_block(const struct tgt_plan *, uint64_t index[TGT_BLOCK_ROOM], unsigned n,
                    struct target_batch *v4, struct target_batch *v6);
/* Target i of a batch, as a row. */
struct target tgt_batch_at(const struct target_batch *, unsigned i);
#endif
