// SPDX-License-Identifier: Apache-2.0
/*
 * syn_patch: what differs from one SYN to the next: where it goes, from which of our addresses and ports, the
 * sequence number that proves the answer, the checksums. Between the target generator and the stamp, once per
 * probe: so it exists in levels (syn_avx2.c, syn_avx512.c); this file has the C one, which is their
 * definition, and chooses. Invariant: source and sequence number depend on key and target only, so that a
 * retry looks the same and classify() can check the answer. RFC 1071 §2 (sums in any order and width).
 */
#include "scan/syn.h"
#include <endian.h>

static uint64_t halves(uint64_t v)
{
        return (v >> 32) + (v & 0xffffffff);
}

static uint32_t scale32(uint32_t hash, uint32_t range)
{
        return (uint32_t)((uint64_t)hash * range >> 32);
}

/* Which of our addresses and ports a target sees: the same every time, and all of them equally often over the
 * targets. Two independent 32-bit halves of a hash, each scaled to its range by a multiplication: no power of
 * two needed, and a bias of at most range / 2^32. */
static struct ip_addr pick_source(const struct probe_template *t, uint64_t hash, uint16_t *port)
{
        struct ip_addr us = t->src_first;
        us.lo += scale32((uint32_t)(hash >> 32), t->src_count);
        if (t->family == 4)
                us.lo = (uint32_t)us.lo;
        *port = (uint16_t)(t->sport_first + scale32((uint32_t)hash, t->sport_count));
        return us;
}

static void patch_v4(struct patch *p, const struct syn_burst *b, uint64_t them, uint16_t dport)
{
        uint64_t hash = hash_mix64(((uint64_t)dport << 32 | them) ^ b->pick_key);
        uint16_t sport;
        struct ip_addr us = pick_source(b->t, hash, &sport), to = ip_v4((uint32_t)them);
        uint64_t cookie = wire_cookie(b->key, &us, sport, &to, dport);
        uint16_t id = (uint16_t)(cookie >> 32);
        uint64_t addrs = us.lo + to.lo;
        p->src = htobe32((uint32_t)us.lo);
        p->dst = htobe32((uint32_t)to.lo);
        p->sport = htobe16(sport);
        p->dport = htobe16(dport);
        p->seq = htobe32((uint32_t)cookie);
        p->id = htobe16(id);
        p->ip_sum = htobe16((uint16_t)~wire_fold(b->ip_sum + addrs + id));
        p->l4_sum = htobe16(wire_fold(b->l4_sum + addrs + sport + dport + (uint32_t)cookie) ^ b->l4_not);
}

static void patch_v6(struct patch *p, const struct syn_burst *b, struct ip_addr to, uint16_t dport)
{
        uint64_t upper = hash_mix64(to.hi ^ (uint64_t)dport << 48 ^ rotl64(b->pick_key, 32));
        uint64_t hash = hash_mix64(upper + (to.lo ^ b->pick_key));
        uint16_t sport;
        struct ip_addr us = pick_source(b->t, hash, &sport);
        uint32_t seq = (uint32_t)wire_cookie(b->key, &us, sport, &to, dport);
        uint64_t addrs = halves(us.lo) + halves(to.hi) + halves(to.lo);
        p->sport = htobe16(sport);
        p->dport = htobe16(dport);
        p->seq = htobe32(seq);
        p->l4_sum = htobe16(wire_fold(b->l4_sum + addrs + sport + dport + seq) ^ b->l4_not);
        p->src6 = htobe64(us.lo);
        ip_to_bytes(&to, p->dst6);
}

void syn_patch_c(struct patch *p, const struct syn_burst *b, const struct target_batch *batch)
{
        for (unsigned i = 0; i < batch->n; i++) {
                uint16_t dport = (uint16_t)batch->flat[i];
                p[i] = b->common;
                if (batch->family == 4)
                        patch_v4(&p[i], b, batch->lo[i], dport);
                else
                        patch_v6(&p[i], b, ip_v6(batch->hi[i], batch->lo[i]), dport);
        }
}

/* ---- the burst, and which level does it ---- */

static struct syn_burst burst_of(const struct probe_template *t, struct hash_key key, const uint8_t mac[6],
                                 uint16_t path, uint32_t now_us)
{
        /* The hash that picks the source has a key of its own: what an observer learns of it from our choices
         * says nothing about the cookie's. */
        static const uint64_t label = 0x656372756f73; /* "source" */
        uint32_t tsval = t->tsval ? now_us : 0;
        struct syn_burst b = {
                .t = t,
                .key = key,
                .pick_key = siphash_words(key, &label, 1),
                .ip_sum = t->ip_sum,
                .l4_sum = wire_fold((uint64_t)t->l4_sum + tsval),
                /* --badsum: never the same value, nor the other zero of ones' complement */
                .l4_not = t->bad_sum ? 0xffff ^ 0x5555 : 0xffff,
                .common = {.tsval = htobe32(tsval), .path = path},
        };
        memcpy(b.common.mac, mac, 6);
        return b;
}

void syn_patch(struct patch *p, const struct probe_template *t, const struct target_batch *batch,
               struct hash_key key, const uint8_t mac[6], uint16_t path, uint32_t now_us)
{
        static void (*const levels[CPU_LEVELS])(struct patch *, const struct syn_burst *,
                                                const struct target_batch *) = {
                [CPU_C] = syn_patch_c,
#if defined(__x86_64__)
                [CPU_AVX2] = syn_patch_avx2,
                [CPU_AVX512] = syn_patch_avx512,
#endif
        };
        assert(batch->n <= BATCH_MAX);
        if (batch->n == 0)
                return;
        assert(batch->family == t->family);
        struct syn_burst b = burst_of(t, key, mac, path, now_us);
        levels[cpu_level()](p, &b, batch);
}
