// SPDX-License-Identifier: Apache-2.0
/*
 * hash: SipHash-2-4 (Aumasson & Bernstein, 2012) over 64-bit words, which is all the cookie and the tables
 * need, and a cheap finaliser for tables nobody outside can aim at.
 */
#ifndef TRAWL_HASH_H
#define TRAWL_HASH_H
#include <stdint.h>

struct hash_key { /* 128 secret bits */
        uint64_t k0, k1;
};

struct sip {
        uint64_t v0, v1, v2, v3;
};

/* What the key is laid over: "somepseudorandomlygeneratedbytes". */
#define SIP_V0 0x736f6d6570736575ull
#define SIP_V1 0x646f72616e646f6dull
#define SIP_V2 0x6c7967656e657261ull
#define SIP_V3 0x7465646279746573ull

static inline uint64_t rotl64(uint64_t x, unsigned n)
{
        return x << n | x >> (64 - n);
}

static inline void sip_round(struct sip *s)
{
        s->v0 += s->v1;
        s->v1 = rotl64(s->v1, 13) ^ s->v0;
        s->v0 = rotl64(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotl64(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotl64(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotl64(s->v1, 17) ^ s->v2;
        s->v2 = rotl64(s->v2, 32);
}

/* SipHash-2-4 in steps: start, absorb each 64-bit word, finish with what is left: the last bytes % 8 of the
 * message. Equal to the reference over the same bytes when the words are little-endian. */
static inline struct sip sip_start(struct hash_key k)
{
        return (struct sip){k.k0 ^ SIP_V0, k.k1 ^ SIP_V1, k.k0 ^ SIP_V2, k.k1 ^ SIP_V3};
}

static inline void sip_absorb(struct sip *s, uint64_t word)
{
        s->v3 ^= word;
        sip_round(s);
        sip_round(s);
        s->v0 ^= word;
}

static inline uint64_t sip_finish(struct sip *s, uint64_t rest, unsigned bytes)
{
        sip_absorb(s, rest | (uint64_t)bytes << 56);
        s->v2 ^= 0xff;
        sip_round(s);
        sip_round(s);
        sip_round(s);
        sip_round(s);
        return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t siphash_words(struct hash_key k, const uint64_t *w, unsigned n)
{
        struct sip s = sip_start(k);
        for (unsigned i = 0; i < n; i++)
                sip_absorb(&s, w[i]);
        return sip_finish(&s, 0, n * 8);
}

/* A bijective mixer (splitmix64's finaliser): for tables whose keys are not hostile, and for seeding. */
static inline uint64_t hash_mix64(uint64_t x)
{
        x ^= x >> 30;
        x *= 0xbf58476d1ce4e5b9ull;
        x ^= x >> 27;
        x *= 0x94d049bb133111ebull;
        return x ^ x >> 31;
}
#endif
