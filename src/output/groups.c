// SPDX-License-Identifier: Apache-2.0
/*
 * groups: a hash table of hosts, each with a chain of records, and an arena for what they point to. Fed by
 * out_record(), walked by the sink. Invariant: `bytes` counts everything that was taken from the heap, and
 * never passes `max`.
 */
#include "groups.h"
#include <stdlib.h>

enum { CHUNK = 64 << 10, NO_ENTRY = -1 };

struct chunk {
        struct chunk *next;
        size_t used, cap;
        uint8_t bytes[];
};

struct held { /* one record of a host */
        struct record rec;
        int64_t next;
};

struct held_host {
        struct ip_addr ip;
        int64_t first, last;
        size_t n;
};

struct groups {
        struct held_host *hosts;
        struct held *held;
        uint32_t *slots; /* host index + 1; 0: free */
        size_t n_hosts, cap_hosts, n_held, cap_held, n_slots;
        struct chunk *chunks;
        size_t bytes, max;
        struct hash_key key;
};

struct groups *groups_new(size_t max_bytes)
{
        struct groups *g = calloc(1, sizeof(*g));
        if (!g)
                return NULL;
        g->max = max_bytes;
        rand_bytes(&g->key, sizeof(g->key));
        return g;
}

void groups_clear(struct groups *g)
{
        for (struct chunk *c = g->chunks, *next; c; c = next) {
                next = c->next;
                free(c);
        }
        free(g->hosts);
        free(g->held);
        free(g->slots);
        *g = (struct groups){.max = g->max, .key = g->key};
}

void groups_free(struct groups *g)
{
        if (!g)
                return;
        groups_clear(g);
        free(g);
}

size_t groups_count(const struct groups *g)
{
        return g->n_hosts;
}

/* Room for one more element, doubling; counts what was taken. */
static bool grow(struct groups *g, void *array, size_t *cap, size_t n, size_t size)
{
        void **p = array;
        if (n < *cap)
                return true;
        size_t more = *cap ? *cap : 64;
        if (g->bytes + more * size > g->max)
                return false;
        void *fresh = realloc(*p, (*cap + more) * size);
        if (!fresh)
                return false;
        *p = fresh;
        *cap += more;
        g->bytes += more * size;
        return true;
}

static size_t slot_of(const struct groups *g, const struct ip_addr *ip)
{
        uint64_t words[3] = {ip->hi, ip->lo, (uint64_t)ip->zone << 8 | ip->family};
        size_t i = siphash_words(g->key, words, 3) & (g->n_slots - 1);
        while (g->slots[i] && !ip_eq(&g->hosts[g->slots[i] - 1].ip, ip))
                i = (i + 1) & (g->n_slots - 1);
        return i;
}

static bool grow_slots(struct groups *g)
{
        size_t n = g->n_slots ? g->n_slots * 2 : 256;
        if ((g->n_hosts + 1) * 2 <= g->n_slots)
                return true;
        if (g->bytes + n * sizeof(*g->slots) > g->max)
                return false;
        uint32_t *fresh = calloc(n, sizeof(*fresh));
        if (!fresh)
                return false;
        free(g->slots);
        g->bytes += (n - g->n_slots) * sizeof(*fresh);
        g->slots = fresh;
        g->n_slots = n;
        for (size_t i = 0; i < g->n_hosts; i++)
                g->slots[slot_of(g, &g->hosts[i].ip)] = (uint32_t)i + 1;
        return true;
}

static void *keep(struct groups *g, size_t n)
{
        n = (n + 7) & ~(size_t)7;
        if (!g->chunks || g->chunks->cap - g->chunks->used < n) {
                size_t cap = MAX(n, (size_t)CHUNK);
                if (g->bytes + sizeof(struct chunk) + cap > g->max)
                        return NULL;
                struct chunk *c = malloc(sizeof(*c) + cap);
                if (!c)
                        return NULL;
                *c = (struct chunk){.next = g->chunks, .cap = cap};
                g->chunks = c;
                g->bytes += sizeof(*c) + cap;
        }
        void *p = g->chunks->bytes + g->chunks->used;
        g->chunks->used += n;
        return p;
}

static bool keep_names(struct groups *g, struct record *r)
{
        const char **names = keep(g, r->n_names * sizeof(*names));
        if (!names)
                return false;
        for (unsigned i = 0; i < r->n_names; i++) {
                size_t n = strlen(r->names[i]) + 1;
                char *copy = keep(g, n);
                if (!copy)
                        return false;
                memcpy(copy, r->names[i], n);
                names[i] = copy;
        }
        r->names = names;
        return true;
}

static bool same_names(const struct record *a, const struct record *b)
{
        if (a->n_names != b->n_names)
                return false;
        for (unsigned i = 0; i < a->n_names; i++)
                if (strcmp(a->names[i], b->names[i]) != 0)
                        return false;
        return true;
}

static bool keep_span(struct groups *g, struct span *s)
{
        uint8_t *copy = s->n ? keep(g, s->n) : NULL;
        if (s->n && !copy)
                return false;
        if (copy)
                memcpy(copy, s->p, s->n);
        s->p = copy;
        return true;
}

/* Copies what the record points to; the names of a host are kept once. */
static bool keep_parts(struct groups *g, const struct held_host *h, struct record *r)
{
        if (!keep_span(g, &r->banner) || !keep_span(g, &r->fields))
                return false;
        if (!r->n_names)
                return true;
        if (h && same_names(&g->held[h->first].rec, r)) {
                r->names = g->held[h->first].rec.names;
                return true;
        }
        return keep_names(g, r);
}

bool groups_add(struct groups *g, const struct record *r)
{
        if (!grow_slots(g) || !grow(g, &g->hosts, &g->cap_hosts, g->n_hosts, sizeof(*g->hosts)) ||
            !grow(g, &g->held, &g->cap_held, g->n_held, sizeof(*g->held)))
                return false;
        size_t slot = slot_of(g, &r->who.ip);
        struct held_host *h = g->slots[slot] ? &g->hosts[g->slots[slot] - 1] : NULL;
        struct record copy = *r;
        if (!keep_parts(g, h, &copy))
                return false;
        int64_t at = (int64_t)g->n_held++;
        g->held[at] = (struct held){.rec = copy, .next = NO_ENTRY};
        if (h) {
                g->held[h->last].next = at;
        } else {
                h = &g->hosts[g->n_hosts++];
                *h = (struct held_host){.ip = r->who.ip, .first = at};
                g->slots[slot] = (uint32_t)g->n_hosts;
        }
        h->last = at;
        h->n++;
        return true;
}

static int host_order(const void *a, const void *b)
{
        const struct held_host *const *x = a, *const *y = b;
        return ip_cmp(&(*x)->ip, &(*y)->ip);
}

static int by(uint64_t a, uint64_t b)
{
        return (a > b) - (a < b);
}

/* Protocol, port, states before banners, the highest state first, then as they came (they lie in that order).
 */
static int record_order(const void *a, const void *b)
{
        const struct record *x = *(const struct record *const *)a, *y = *(const struct record *const *)b;
        int c = by(x->who.proto, y->who.proto);
        c = c ? c : by(x->who.port, y->who.port);
        c = c ? c : by(fmt_is_banner(x), fmt_is_banner(y));
        c = c || fmt_is_banner(x) ? c : by(y->state, x->state);
        return c ? c : by((uintptr_t)x, (uintptr_t)y);
}

/* Gathers a host's records, sorted; of several states of one port only the highest stays. */
static size_t gather(const struct groups *g, const struct held_host *h, const struct record **recs)
{
        size_t n = 0, kept = 0;
        for (int64_t i = h->first; i != NO_ENTRY; i = g->held[i].next)
                recs[n++] = &g->held[i].rec;
        qsort(recs, n, sizeof(*recs), record_order);
        for (size_t i = 0; i < n; i++)
                if (fmt_is_banner(recs[i]) || kept == 0 || !fmt_same_port(recs[kept - 1], recs[i]))
                        recs[kept++] = recs[i];
        return kept;
}

bool groups_walk(struct groups *g, void (*each)(void *, const struct record *const *, size_t), void *arg)
{
        const struct held_host **order = malloc((g->n_hosts + 1) * sizeof(*order));
        const struct record **recs = NULL;
        size_t most = 0;
        bool ok = false;
        if (!order)
                return false;
        for (size_t i = 0; i < g->n_hosts; i++) {
                order[i] = &g->hosts[i];
                most = MAX(most, g->hosts[i].n);
        }
        recs = malloc((most + 1) * sizeof(*recs));
        if (!recs)
                goto free_order;
        qsort(order, g->n_hosts, sizeof(*order), host_order);
        for (size_t i = 0; i < g->n_hosts; i++) {
                size_t n = gather(g, order[i], recs);
                each(arg, recs, n);
        }
        ok = true;
        free(recs);
free_order:
        free(order);
        return ok;
}
