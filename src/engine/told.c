// SPDX-License-Identifier: Apache-2.0
/*
 * told: see told.h. Open addressing under a key drawn anew, at most half full. Its size is bounded by the
 * journal it is filled from. Invariant: a slot that was taken stays, also when its count is down to 0.
 */
#include "told.h"
#include <stdlib.h>

static unsigned absorb_name(struct sip *s, const char *name)
{
        unsigned words = 0;
        size_t n = strlen(name);
        for (size_t i = 0; i < n; i += 8, words++) {
                uint8_t eight[8] = {0};
                memcpy(eight, name + i, MIN(n - i, (size_t)8));
                sip_absorb(s, get_be64(eight));
        }
        return words;
}

static uint64_t hash_of(const struct told *t, const struct record *x)
{
        struct sip s = sip_start(t->key);
        sip_absorb(&s, x->who.ip.hi);
        sip_absorb(&s, x->who.ip.lo);
        sip_absorb(&s, (uint64_t)x->who.ip.zone << 8 | x->who.ip.family);
        sip_absorb(&s, (uint64_t)x->who.port << 32 | (uint64_t)x->who.proto << 16 | x->app);
        uint64_t h = sip_finish(&s, 0, 8 * (4 + (x->n_names ? absorb_name(&s, x->names[0]) : 0)));
        return h ? h : 1;
}

static struct told_slot *slot_of(const struct told *t, uint64_t h)
{
        size_t i = h & (t->cap - 1);
        while (t->slots[i].hash && t->slots[i].hash != h)
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
                if (t->slots[i].hash)
                        *slot_of(&bigger, t->slots[i].hash) = t->slots[i];
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
        uint64_t h = hash_of(t, x);
        struct told_slot *slot = slot_of(t, h);
        t->n += !slot->hash;
        slot->hash = h;
        slot->times++;
}

bool told_take(struct told *t, const struct record *x)
{
        struct told_slot *slot = t->n ? slot_of(t, hash_of(t, x)) : NULL;
        if (!slot || !slot->times)
                return false;
        slot->times--;
        return true;
}

void told_free(struct told *t)
{
        free(t->slots);
        *t = (struct told){0};
}
