// SPDX-License-Identifier: Apache-2.0
/*
 * syn_lanes.h: the SYN's patch over vectors of 64-bit lanes, one target a lane: what syn_avx2.c and
 * syn_avx512.c have in common. Included once by each, after it has defined the vector and its operations:
 *
 *      vec, LANES            a vector and how many lanes it has
 *      vec_all(u64)          the same in every lane
 *      vec_load, vec_widen   LANES uint64_t (aligned); LANES uint32_t, widened
 *      add64 add32 and64 or64 xor64 xor3 shl64 shr64 shr32 rol64     by lane or by dword; counts: constants
 *      mul32                 lower dwords, 64-bit products
 *      mul64(x, c)           a constant factor
 *      dwords(even, odd)     every other dword of each
 *      swap64                bytes of each lane reversed
 *      sum_bytes             bytes 3 2 1 0 5 4 of each lane, then two zeros
 *      struct rows, rows_of, put_rows_v4, put_rows_v6          from lanes to patches
 *
 * A burst goes through in passes; each keeps few values alive, so the CPU can overlap its steps. Invariant:
 * as syn_patch_c(), byte for byte. SipHash as in base/hash.h; RFC 1071 §2 (sums in any order and width).
 */
#ifndef TRAWL_SCAN_SYN_LANES_H
#define TRAWL_SCAN_SYN_LANES_H

struct sip_lanes {
        vec v0, v1, v2, v3;
};

struct lanes { /* what a burst has in common */
        struct sip_lanes key;
        vec pick_key, pick_key6;
        vec src, src_count, sport, sport_count;
        vec sums, nots; /* dwords: IP sum, L4 sum */
        struct rows rows;
};

/* What the passes tell each other, LANES targets an element; one more, because cookies are made in pairs. */
enum { GROUPS = BATCH_MAX / LANES };
struct columns {
        vec us[GROUPS + 1]; /* IPv4: us above, them below */
        vec ports[GROUPS + 1], cookie[GROUPS + 1];
};

/* ---- hashes ---- */

static inline void half_round_a(struct sip_lanes *s)
{
        s->v0 = add64(s->v0, s->v1);
        s->v2 = add64(s->v2, s->v3);
        s->v1 = xor64(rol64(s->v1, 13), s->v0);
        s->v3 = xor64(rol64(s->v3, 16), s->v2);
        s->v0 = rol64(s->v0, 32);
}

static inline void half_round_b(struct sip_lanes *s)
{
        s->v0 = add64(s->v0, s->v3);
        s->v2 = add64(s->v2, s->v1);
        s->v3 = xor64(rol64(s->v3, 21), s->v0);
        s->v1 = xor64(rol64(s->v1, 17), s->v2);
        s->v2 = rol64(s->v2, 32);
}

/* Two groups of lanes in step: one alone leaves the CPU waiting for its own results. */
static inline void sip_lanes_round(struct sip_lanes s[2])
{
        half_round_a(&s[0]);
        half_round_a(&s[1]);
        half_round_b(&s[0]);
        half_round_b(&s[1]);
}

static inline void absorb(struct sip_lanes s[2], vec word0, vec word1)
{
        s[0].v3 = xor64(s[0].v3, word0);
        s[1].v3 = xor64(s[1].v3, word1);
        sip_lanes_round(s);
        sip_lanes_round(s);
        s[0].v0 = xor64(s[0].v0, word0);
        s[1].v0 = xor64(s[1].v0, word1);
}

/* The last round, of which only the exclusive or of all four words is wanted: v0 falls out of it. */
static inline vec last_round(struct sip_lanes *s)
{
        half_round_a(s);
        vec v2 = add64(s->v2, s->v1);
        return xor64(xor3(rol64(s->v3, 21), rol64(s->v1, 17), v2), rol64(v2, 32));
}

/* `ports`: two vectors, what is left of the message. */
static inline void finish(struct sip_lanes s[2], const vec *ports, unsigned bytes, vec hash[2])
{
        vec length = vec_all((uint64_t)bytes << 56);
        absorb(s, or64(ports[0], length), or64(ports[1], length));
        s[0].v2 = xor64(s[0].v2, vec_all(0xff));
        s[1].v2 = xor64(s[1].v2, vec_all(0xff));
        sip_lanes_round(s);
        sip_lanes_round(s);
        sip_lanes_round(s);
        hash[0] = last_round(&s[0]);
        hash[1] = last_round(&s[1]);
}

static inline vec mix(vec x)
{
        x = xor64(x, shr64(x, 30));
        x = mul64(x, 0xbf58476d1ce4e5b9);
        x = xor64(x, shr64(x, 27));
        x = mul64(x, 0x94d049bb133111eb);
        return xor64(x, shr64(x, 31));
}

/* ---- pass 1: sources ---- */

static inline vec dports_of(const struct target_batch *batch, unsigned i)
{
        return and64(vec_widen(batch->flat + i), vec_all(0xffff));
}

/* Gives the lower half of our address; *ports becomes the cookie's last word, "our port, their port". */
static inline vec pick_source(const struct lanes *c, vec hash, vec dport, vec *ports)
{
        vec port = add64(c->sport, shr64(mul32(hash, c->sport_count), 32));
        *ports = or64(shl64(port, 16), dport);
        return add64(c->src, shr64(mul32(shr64(hash, 32), c->src_count), 32));
}

static void sources_v4(struct columns *x, const struct lanes *c, const struct target_batch *batch)
{
        for (unsigned i = 0; i < batch->n; i += LANES) {
                vec them = vec_load(batch->lo + i), dport = dports_of(batch, i);
                vec hash = mix(xor64(or64(shl64(dport, 32), them), c->pick_key));
                vec us = pick_source(c, hash, dport, &x->ports[i / LANES]);
                x->us[i / LANES] = or64(shl64(us, 32), them);
        }
}

static void sources_v6(struct columns *x, const struct lanes *c, const struct target_batch *batch)
{
        for (unsigned i = 0; i < batch->n; i += LANES) {
                vec dport = dports_of(batch, i), upper = xor64(vec_load(batch->hi + i), shl64(dport, 48));
                vec hash =
                        add64(mix(xor64(upper, c->pick_key6)), xor64(vec_load(batch->lo + i), c->pick_key));
                x->us[i / LANES] = pick_source(c, mix(hash), dport, &x->ports[i / LANES]);
        }
}

/* ---- pass 2: cookies ---- */

static void cookies_v4(struct columns *x, const struct lanes *c, const struct target_batch *batch)
{
        const struct sip_lanes key = c->key;
        for (unsigned i = 0; i * LANES < batch->n; i += 2) {
                struct sip_lanes s[2] = {key, key};
                absorb(s, x->us[i], x->us[i + 1]);
                finish(s, &x->ports[i], 12, &x->cookie[i]);
        }
}

static void cookies_v6(struct columns *x, const struct lanes *c, const struct target_batch *batch,
                       uint64_t net)
{
        struct sip_lanes start[2] = {c->key, c->key};
        absorb(start, vec_all(net), vec_all(net)); /* the same for all: a source set lies in one /64 */
        const struct sip_lanes key = start[0];
        for (unsigned i = 0; i * LANES < batch->n; i += 2) {
                const uint64_t *hi = batch->hi + i * LANES, *lo = batch->lo + i * LANES;
                struct sip_lanes s[2] = {key, key};
                absorb(s, x->us[i], x->us[i + 1]);
                absorb(s, vec_load(hi), vec_load(hi + LANES));
                absorb(s, vec_load(lo), vec_load(lo + LANES));
                finish(s, &x->ports[i], 36, &x->cookie[i]);
        }
}

/* ---- pass 3: sums and rows ---- */

/* Each dword becomes the sum of its halves: a few such can be added without overflow. */
static inline vec split(vec x)
{
        return add32(and64(x, vec_all(0x0000ffff0000ffff)), shr32(x, 16));
}

/* `total` has sums of halves, dwords IP and L4; `id` lies in the lower 16 bits. Gives the patches' word 2,
 * | id | IP sum | L4 sum | 0 |. */
static inline vec sums_word(const struct lanes *c, vec total, vec id)
{
        vec sums = split(split(add32(total, c->sums)));
        return sum_bytes(or64(xor64(sums, c->nots), shl64(id, 16)));
}

/* Word 1, | our port | their port | seq |. */
static inline vec ports_word(vec ports, vec cookie)
{
        return swap64(dwords(cookie, shl64(ports, 32)));
}

static inline void patches_v4(struct patch *p, const struct lanes *c, const struct columns *x, unsigned i)
{
        vec addrs = x->us[i], ports = x->ports[i], cookie = x->cookie[i];
        vec both = split(addrs); /* both addresses count in both sums */
        vec id = and64(shr64(cookie, 32), vec_all(0xffff)), seq = shl64(cookie, 32);
        vec total = add32(add32(both, rol64(both, 32)), add32(split(seq), shl64(split(ports), 32)));
        put_rows_v4(p, &c->rows, swap64(addrs), ports_word(ports, cookie),
                    sums_word(c, add32(total, id), id));
}

static inline void patches_v6(struct patch *p, const struct lanes *c, const struct columns *x,
                              const struct target_batch *batch, unsigned i)
{
        vec hi = vec_load(batch->hi + i * LANES), lo = vec_load(batch->lo + i * LANES);
        vec us = x->us[i], ports = x->ports[i], cookie = x->cookie[i], none = vec_all(0);
        vec rest = add32(split(ports), split(dwords(cookie, none)));
        vec total = add32(add32(split(us), rest), add32(split(hi), split(lo)));
        total = dwords(none, add32(total, rol64(total, 32)));
        put_rows_v6(p, &c->rows, ports_word(ports, cookie), sums_word(c, total, none), swap64(hi), swap64(lo),
                    swap64(us));
}

static void rows_v4(struct patch *p, const struct lanes *c, const struct columns *x, unsigned n)
{
        unsigned whole = n / LANES, left = n % LANES;
        for (unsigned i = 0; i < whole; i++)
                patches_v4(p + i * LANES, c, x, i);
        if (left) {
                struct patch last[LANES];
                patches_v4(last, c, x, whole);
                memcpy(p + whole * LANES, last, left * sizeof(*p));
        }
}

static void rows_v6(struct patch *p, const struct lanes *c, const struct columns *x,
                    const struct target_batch *batch)
{
        unsigned whole = batch->n / LANES, left = batch->n % LANES;
        for (unsigned i = 0; i < whole; i++)
                patches_v6(p + i * LANES, c, x, batch, i);
        if (left) {
                struct patch last[LANES];
                patches_v6(last, c, x, batch, whole);
                memcpy(p + whole * LANES, last, left * sizeof(*p));
        }
}

/* ---- the burst ---- */

static struct lanes lanes_of(const struct syn_burst *b)
{
        const struct probe_template *t = b->t;
        uint64_t l4_sum = b->l4_sum, l4_not = b->l4_not, words[8];
        bool four = t->family == 4;
        memcpy(words, &b->common, sizeof(words));
        return (struct lanes){
                .key = {vec_all(b->key.k0 ^ SIP_V0), vec_all(b->key.k1 ^ SIP_V1), vec_all(b->key.k0 ^ SIP_V2),
                        vec_all(b->key.k1 ^ SIP_V3)},
                .pick_key = vec_all(b->pick_key),
                .pick_key6 = vec_all(rotl64(b->pick_key, 32)),
                .src = vec_all(t->src_first.lo),
                .src_count = vec_all(t->src_count),
                .sport = vec_all(t->sport_first),
                .sport_count = vec_all(t->sport_count),
                .sums = vec_all(l4_sum << 32 | (four ? b->ip_sum : 0)),
                .nots = vec_all(l4_not << 32 | (four ? 0xffff : 0)),
                .rows = rows_of(words, four),
        };
}

static void patch_lanes(struct patch *p, const struct syn_burst *b, const struct target_batch *batch)
{
        struct lanes c = lanes_of(b);
        struct columns x;
        if (batch->family == 4) {
                sources_v4(&x, &c, batch);
                cookies_v4(&x, &c, batch);
                rows_v4(p, &c, &x, batch->n);
        } else {
                sources_v6(&x, &c, batch);
                cookies_v6(&x, &c, batch, b->t->src_first.hi);
                rows_v6(p, &c, &x, batch);
        }
}
#endif
