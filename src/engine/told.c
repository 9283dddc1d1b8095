// SPDX-License-Identifier: Apache-2.0
/*
 * told: see told.h. Open addressing, at most half full. Two banners are the same when target, kind and text
 * are; fields follow from the text, and times inside of it make it another one.
 */
#include "told.h"
#include <stdlib.h>

static uint64_t hash_of(const struct told *t, const struct record *x)
{
        struct sip s = sip_start(t->key);
        unsigned words = 4;
        sip_absorb(&s, x->who.ip.hi);
        sip_absorb(&s, x->who.ip.lo);
        sip_absorb(&s, (uint64_t)x->who.port << 32 | (uint64_t)x->who.proto << 16 | x->app);
        sip_absorb(&s, x->banner.n);
        for (size_t i = 0; i < x->banner.n; i += 8, words++) {
                uint8_t eight[8] = {0};
                memcpy(eight, x->banner.p + i, MIN(x->banner.n - i, (size_t)8));
                sip_absorb(&s, get_be64(eight));
        }
        uint64_t h = sip_finish(&s, words);
        return h ? h : 1;
}

static uint64_t *slot_of(const struct told *t, uint64_t h)
{
        size_t i = h & (t->cap - 1);
        while (t->slots[i] && t->slots[i] != h)
                i = (i + 1) & (t->cap - 1);
        return &t->slots[i];
}

static bool grow(struct told *t)
{
        struct told bigger = {.cap = t->cap ? t->cap * 2 : 1024, .n = t->n, .key = t->key};
        bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
        if (!bigger.slots)
                return false;
        for (size_t i = 0; i < t->cap; i++)
                if (t->slots[i])
                        *slot_of(&bigger, t->slots[i]) = t->slots[i];
        free(t->slots);
        *t = bigger;
        return true;
}

void told_add(struct told *t, const struct record *x)
{
        if (!t->cap)
                rand_bytes(&t->key, sizeof(t->key));
        if (2 * t->n >= t->cap && !grow(t))
                return;
        uint64_t h = hash_of(t, x), *slot = slot_of(t, h);
        t->n += !*slot;
        *slot = h;
}

bool told_has(const struct told *t, const struct record *x)
{
        return t->n && *slot_of(t, hash_of(t, x));
}

void told_free(struct told *t)
{
        free(t->slots);
        *t = (struct told){0};
}
