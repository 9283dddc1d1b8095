// SPDX-License-Identifier: Apache-2.0
/*
 * set (private to target): how ranges are kept while lists are read, and the one shape in which sets and
 * plans hand them to each other. Lists of millions of single addresses are the common big case, so a single
 * costs 4 bytes (IPv6: 16) and a range 8 (IPv6: 48). Invariant once finished: both arrays of a family are
 * sorted and free of doubles, and no range touches another range; a walk merges the two on the fly.
 */
#ifndef TRAWL_TARGET_SET_H
#define TRAWL_TARGET_SET_H
#include "target/target.h"

typedef unsigned __int128 u128;

enum { TGT_LIST_MAX = 1 << 28, TGT_NAMES_MAX = 1 << 22, TGT_ITEM_MAX = 512 };

/* One range as the set arithmetic sees it, either family. */
struct seg {
        u128 first, last;
        uint64_t space; /* family << 32 | zone: sorts above the value */
        bool never;     /* comes from a range that lies wholly inside the never-targets */
};
struct v4_run {
        uint32_t first, last;
};
struct v6_run {
        u128 first, last;
        uint32_t zone;
};
struct tgt_name {
        struct ip_addr ip;
        const char *text; /* owned by the list of texts beside it */
};
struct tgt_names { /* sorted by address once finished */
        struct tgt_name *at;
        size_t n, cap;
        char **texts;
        size_t n_texts, cap_texts;
        char **written; /* names that were not looked up */
        size_t n_written, cap_written;
};
struct tgt_set {
        uint32_t *one4;
        struct v4_run *run4;
        u128 *one6;
        struct v6_run *run6;
        size_t n_one4, cap_one4, n_run4, cap_run4, n_one6, cap_one6, n_run6, cap_run6;
        struct tgt_names names;
        bool sorted;
        bool patterned; /* "10.0.0-3.255" was among the items: a lone address may be one of a pattern */
        bool has_never; /* the first item that lay wholly inside the never-targets, and where it stood */
        struct tgt_range never;
        char never_where[256];
};

static inline u128 u128_of(const struct ip_addr *a)
{
        return (u128)a->hi << 64 | a->lo;
}

static inline uint64_t space_of(const struct ip_addr *a)
{
        return (uint64_t)a->family << 32 | a->zone;
}

static inline struct ip_addr addr_of(u128 v, uint64_t space)
{
        return (struct ip_addr){.hi = (uint64_t)(v >> 64),
                                .lo = (uint64_t)v,
                                .zone = (uint32_t)space,
                                .family = (uint8_t)(space >> 32)};
}

static inline struct seg seg_of(const struct tgt_range *r)
{
        return (struct seg){
                .first = u128_of(&r->first), .last = u128_of(&r->last), .space = space_of(&r->first)};
}

static inline struct tgt_range range_of(const struct seg *s)
{
        return (struct tgt_range){.first = addr_of(s->first, s->space), .last = addr_of(s->last, s->space)};
}

/* set.c */
int set_grow(struct tgt_set *, struct err *); /* room for one more single */
int set_add_v4(struct tgt_set *, uint32_t first, uint32_t last, struct err *);
bool set_next(struct tgt_walk *, struct seg *);
void set_note_never(struct tgt_set *, const struct tgt_range *, const char *where);

/* The hot case of reading a list: one IPv4 address. */
static inline int set_push_v4(struct tgt_set *s, uint32_t a, struct err *e)
{
        if (s->n_one4 == s->cap_one4 && set_grow(s, e))
                return -1;
        s->sorted = false;
        s->one4[s->n_one4++] = a;
        return 0;
}

/* sort.c: ascending, in place or with one scratch array of the same size */
int sort_u32(uint32_t *, size_t n, struct err *);
int sort_v4_runs(struct v4_run *, size_t n, struct err *);
void sort_u128(u128 *, size_t n);
void sort_v6_runs(struct v6_run *, size_t n);

/* reserved.c: the never-targets (0/8, 224/4, 240/4, ::, ff00::/8, ...) */
bool reserved_v4(uint32_t first, uint32_t last); /* wholly inside */
bool reserved_seg(const struct seg *);           /* the same, either family */
const char *reserved_why(const struct seg *);
int reserved_set(struct tgt_set **, const struct tgt_spec *, struct err *);

/* names.c */
struct wanted_name { /* a name in the text, still to be resolved */
        char *text;
        char *where; /* "file:line:column: ", or "" */
        int bits;    /* -1: none */
        struct ip_addr *got;
        size_t n_got;
        int gai, sys;
};
struct wanted {
        struct wanted_name *at;
        size_t n, cap;
};
int wanted_add(struct wanted *, const char *name, int bits, const char *where, struct err *);
void wanted_free(struct wanted *);
int wanted_resolve(struct wanted *, struct tgt_set *, uint8_t family, struct err *);
int wanted_keep(const struct wanted *, struct tgt_set *, struct err *); /* instead of wanted_resolve() */
int names_add(struct tgt_names *, const struct ip_addr *, const char *owned, struct err *);
int names_own(struct tgt_names *, char *text, struct err *); /* takes text in every case */
void names_sort(struct tgt_names *);
int names_copy(struct tgt_names *, const struct tgt_names *, struct err *);
void names_free(struct tgt_names *);

/* spec.c */
struct item {             /* one item of the text */
        const char *text; /* NUL-ended, dashes made ASCII, "a - b" joined to "a-b" */
        size_t len;
        bool spaced;       /* it was "a - b" */
        const char *quote; /* as it stood */
        size_t quote_len;
        const struct tgt_text *how;
        uint64_t line, column; /* 1-based; used when how->source is set */
        struct wanted *wanted;
};
int item_add(struct tgt_set *, const struct item *, struct err *);
int item_bad(const struct item *, struct err *, const char *fmt, ...) PRINTF_LIKE(3, 4);
void item_where(const struct item *, char *out, size_t cap);
void text_quote(char *out, size_t cap, const char *p, size_t n); /* printable, cut when long */

/* range.c */
void range_net(struct ip_addr a, unsigned bits, struct tgt_range *out); /* the block of a/bits */

/* services.c: calls f for every port whose service name matches the pattern; returns how many did */
size_t services_match(const char *pattern, const char *proto, void (*f)(void *, uint16_t port), void *ctx);

/* ports_top.c */
extern const uint16_t tgt_top_tcp[], tgt_top_udp[];
extern const size_t tgt_top_tcp_n, tgt_top_udp_n;
#endif
