// SPDX-License-Identifier: Apache-2.0
/*
 * syn.h: what the levels of the SYN probe's patch share: the part that a burst has in common, worked out
 * once, and one function per level. Private to scan. Invariant: all levels write the same bytes for the same
 * burst; the C one says which.
 */
#ifndef TRAWL_SCAN_SYN_H
#define TRAWL_SCAN_SYN_H
#include "scan/scan.h"

struct syn_burst {
        const struct probe_template *t;
        struct hash_key key;
        uint64_t pick_key;       /* of the choice of source: derived from key */
        uint32_t ip_sum, l4_sum; /* of what is constant, TSval included; folded */
        uint16_t l4_not;         /* the folded L4 sum becomes the checksum by exclusive or with this */
        struct patch common;     /* what is the same in all patches, the rest zero */
};

void syn_patch(struct patch *, const struct probe_template *, const struct target_batch *, struct hash_key,
               const uint8_t mac[6], uint16_t path, uint32_t now_us);

/* The batch has 1..BATCH_MAX targets; exactly so many patches are written. */
void syn_patch_c(struct patch *, const struct syn_burst *, const struct target_batch *);
#if defined(__x86_64__)
void syn_patch_avx2(struct patch *, const struct syn_burst *, const struct target_batch *);
void syn_patch_avx512(struct patch *, const struct syn_burst *, const struct target_batch *);
#endif
#endif
