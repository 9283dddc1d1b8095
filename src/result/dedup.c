// SPDX-License-Identifier: Apache-2.0
/*
 * dedup: was this port reported already? Asked once per believed answer, by the one thread that makes
 * records. Two bits per plan index while that fits the memory given; a larger plan gets an exact set of its
 * open ports (up to a ceiling) and, for closed and filtered ones and for opens above the ceiling, an ageing
 * set of two generations: when the younger is full the older is forgotten. Invariant: all memory is mapped at
 * the start and only its touched pages cost anything; while no ceiling was met an open port is news exactly
 * once.
 */
#include "result/result.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SLOTS_MIN = 64, KEY_BYTES = sizeof(uint64_t) };
enum rank { RANK_NONE, RANK_FILTERED, RANK_CLOSED, RANK_OPEN };

struct table { /* open addressing, linear probing; key 0: a free slot */
        uint64_t *keys;
        uint8_t *ranks; /* NULL: a set whose members all rank as open */
        uint64_t slots, used, most;
};

struct dedup {
        enum dedup_kind kind;
        uint64_t n, salt, evicted;
        uint8_t *bits; /* DEDUP_BITMAP */
        uint64_t bits_len;
        struct table open; /* DEDUP_AGEING, as all below */
        struct table age[2];
        unsigned young; /* which of age[] is being filled */
};

/* ---- memory ---- */

static void *map_zeroed(uint64_t len, struct err *e)
{
        void *p = MAP_FAILED;
        if (len <= SIZE_MAX)
                p = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED)
                return p;
        err_set(e, errno,
                "cannot reserve %llu bytes to remember which ports were reported: %s; give a smaller "
                "--dedup-memory",
                (unsigned long long)len, strerror(errno));
        return NULL;
}

static int table_new(struct table *t, uint64_t slots, bool ranked, struct err *e)
{
        t->slots = slots;
        t->most = slots / 4 * 3; /* beyond three quarters linear probing gets slow */
        t->keys = map_zeroed(slots * KEY_BYTES, e);
        if (!t->keys)
                return -1;
        if (ranked && !(t->ranks = map_zeroed(slots, e)))
                return -1;
        return 0;
}

static void table_free(struct table *t)
{
        if (t->keys)
                munmap(t->keys, t->slots * KEY_BYTES);
        if (t->ranks)
                munmap(t->ranks, t->slots);
}

/* Private pages given back read as zeros again: far cheaper than writing them. */
static void table_clear(struct table *t)
{
        t->used = 0;
        if (madvise(t->keys, t->slots * KEY_BYTES, MADV_DONTNEED))
                memset(t->keys, 0, t->slots * KEY_BYTES);
}

/* ---- tables ---- */

/* The slot that holds the index, or the free one where it belongs. */
static uint64_t table_slot(const struct table *t, uint64_t index, uint64_t salt)
{
        uint64_t slot = (uint64_t)((unsigned __int128)hash_mix64(index ^ salt) * t->slots >> 64);
        while (t->keys[slot] && t->keys[slot] != index + 1)
                slot = slot + 1 == t->slots ? 0 : slot + 1;
        return slot;
}

static enum rank table_get(const struct table *t, uint64_t index, uint64_t salt)
{
        uint64_t slot = table_slot(t, index, salt);
        if (!t->keys[slot])
                return RANK_NONE;
        return t->ranks ? (enum rank)t->ranks[slot] : RANK_OPEN;
}

/* false: full, and the index is not in it. */
static bool table_put(struct table *t, uint64_t index, uint64_t salt, enum rank rank)
{
        uint64_t slot = table_slot(t, index, salt);
        if (!t->keys[slot]) {
                if (t->used == t->most)
                        return false;
                t->used++;
                t->keys[slot] = index + 1;
        }
        if (t->ranks)
                t->ranks[slot] = (uint8_t)rank;
        return true;
}

/* ---- the two kinds ---- */

static enum dedup_verdict verdict_of(enum rank old, enum rank now)
{
        if (old >= now)
                return DEDUP_SEEN;
        return old == RANK_NONE ? DEDUP_NEW : DEDUP_UPGRADE;
}

static enum dedup_verdict mark_bitmap(struct dedup *d, uint64_t index, enum rank now)
{
        uint8_t *byte = &d->bits[index / 4];
        unsigned shift = index % 4 * 2;
        enum rank old = (enum rank)(*byte >> shift & 3);
        if (old < now)
                *byte = (uint8_t)((*byte & ~(3u << shift)) | (unsigned)now << shift);
        return verdict_of(old, now);
}

static void remember_for_a_while(struct dedup *d, uint64_t index, enum rank rank)
{
        if (table_put(&d->age[d->young], index, d->salt, rank))
                return;
        d->young ^= 1;
        table_clear(&d->age[d->young]);
        table_put(&d->age[d->young], index, d->salt, rank);
}

static enum dedup_verdict mark_ageing(struct dedup *d, uint64_t index, enum rank now)
{
        if (table_get(&d->open, index, d->salt) == RANK_OPEN)
                return DEDUP_SEEN;
        enum rank young = table_get(&d->age[d->young], index, d->salt);
        enum rank old = young ? young : table_get(&d->age[d->young ^ 1], index, d->salt);
        enum rank best = MAX(old, now);
        if (now == RANK_OPEN && old != RANK_OPEN) {
                if (table_put(&d->open, index, d->salt, RANK_OPEN))
                        return verdict_of(old, now);
                d->evicted++;
        }
        if (young != best) /* also carries a host that keeps repeating itself into the younger generation */
                remember_for_a_while(d, index, best);
        return verdict_of(old, now);
}

enum dedup_verdict dedup_mark(struct dedup *d, uint64_t index, enum port_state state)
{
        enum rank now = state >= PORT_OPEN       ? RANK_OPEN
                        : state == PORT_CLOSED   ? RANK_CLOSED
                        : state == PORT_FILTERED ? RANK_FILTERED
                                                 : RANK_NONE;
        assert(index < d->n);
        return d->kind == DEDUP_BITMAP ? mark_bitmap(d, index, now) : mark_ageing(d, index, now);
}

/* ---- birth and death ---- */

/* Half of the memory for the open ports, a quarter for each generation of the rest. */
static int ageing_new(struct dedup *d, uint64_t max_bytes, struct err *e)
{
        uint64_t open_slots = max_bytes / 2 / KEY_BYTES, age_slots = max_bytes / 4 / (KEY_BYTES + 1);
        d->kind = DEDUP_AGEING;
        if (age_slots < SLOTS_MIN)
                return err_set(e, 0,
                               "%llu bytes are too few to tell repeated answers from new ones: give "
                               "--dedup-memory at least 4k",
                               (unsigned long long)max_bytes);
        if (table_new(&d->open, open_slots, false, e))
                return -1;
        for (int i = 0; i < 2; i++)
                if (table_new(&d->age[i], age_slots, true, e))
                        return -1;
        return 0;
}

int dedup_new(struct dedup **out, uint64_t n_indices, uint64_t max_bytes, struct err *e)
{
        struct dedup *d = calloc(1, sizeof(*d));
        if (!d)
                return err_set(e, ENOMEM, "out of memory");
        d->n = n_indices;
        rand_bytes(&d->salt, sizeof(d->salt));
        d->bits_len = n_indices / 4 + 1;
        int rc = 0;
        if (d->bits_len <= MAX(max_bytes, 4096))
                rc = (d->bits = map_zeroed(d->bits_len, e)) ? 0 : -1;
        else
                rc = ageing_new(d, max_bytes, e);
        if (rc) {
                dedup_free(d);
                return -1;
        }
        *out = d;
        return 0;
}

void dedup_free(struct dedup *d)
{
        if (!d)
                return;
        if (d->bits)
                munmap(d->bits, d->bits_len);
        table_free(&d->open);
        table_free(&d->age[0]);
        table_free(&d->age[1]);
        free(d);
}

enum dedup_kind dedup_kind_of(const struct dedup *d)
{
        return d->kind;
}

uint64_t dedup_ceiling(const struct dedup *d)
{
        return d->open.most;
}

uint64_t dedup_evicted(const struct dedup *d)
{
        return d->evicted;
}
