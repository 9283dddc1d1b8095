// SPDX-License-Identifier: Apache-2.0
/*
 * pick: index -> target and target -> index over an immutable plan.
 *
 *      index ──÷ ports──> address number ──bucket──> entry ──> address
 *      address ──bucket──> entry ──> address number ──× ports──> index
 *
 * A bucket narrows the search to the few entries that share it; a binary search settles the rest, so a list
 * that crowds into few buckets costs a handful of steps, never a scan. Invariant: tgt_plan_index() undoes
 * tgt_plan_pick() for every index below facts.probes.
 */
#include "target/plan.h"
#include <errno.h>
#include <stdlib.h>

enum { BUCKETS_LEAST = 1 << 16, ADDRESS_BUCKETS_LOG2_MAX = 22 };

/* ---- tables ---- */

static uint64_t start_of(const void *start, bool wide, size_t i)
{
        return wide ? ((const uint64_t *)start)[i] : ((const uint32_t *)start)[i];
}

/* at[b] = the last entry whose start is <= b << shift, so entry(k) lies in at[b] .. at[b + 1]. */
static int number_table(struct jump *j, const void *start, bool wide, size_t n, uint64_t count, struct err *e)
{
        size_t most = MAX(n, (size_t)BUCKETS_LEAST);
        if (!start || n == 0)
                return 0;
        while ((count - 1) >> j->shift >= most)
                j->shift++;
        size_t buckets = (size_t)((count - 1) >> j->shift) + 1;
        j->at = malloc((buckets + 1) * sizeof(*j->at));
        if (!j->at)
                return err_set(e, ENOMEM, "out of memory for the index of %zu ranges", n);
        size_t i = 0;
        for (size_t b = 0; b < buckets; b++) {
                while (i + 1 < n && start_of(start, wide, i + 1) <= (uint64_t)b << j->shift)
                        i++;
                j->at[b] = (uint32_t)i;
        }
        j->at[buckets] = (uint32_t)(n - 1);
        return 0;
}

/* at[b] = the first entry whose address is >= b << shift (n: none). */
static int address_table(struct plan_v4 *p, struct err *e)
{
        unsigned log2 = 8;
        while (log2 < ADDRESS_BUCKETS_LOG2_MAX && (size_t)1 << log2 < p->n)
                log2++;
        if (p->n == 0)
                return 0;
        p->by_address.shift = 32 - log2;
        p->by_address.at = malloc((((size_t)1 << log2) + 1) * sizeof(uint32_t));
        if (!p->by_address.at)
                return err_set(e, ENOMEM, "out of memory for the index of %zu ranges", p->n);
        size_t i = 0;
        for (size_t b = 0; b <= (size_t)1 << log2; b++) {
                while (i < p->n && p->first[i] < (uint64_t)b << p->by_address.shift)
                        i++;
                p->by_address.at[b] = (uint32_t)i;
        }
        return 0;
}

int plan_index_tables(struct tgt_plan *p, struct err *e)
{
        if (number_table(&p->v4.by_number, p->v4.start, false, p->v4.n, p->v4.count, e) ||
            number_table(&p->v6.by_number, p->v6.start, true, p->v6.n, p->v6.count, e))
                return -1;
        return address_table(&p->v4, e);
}

/* ---- index -> target ---- */

static inline uint32_t v4_at(const struct plan_v4 *p, uint64_t k)
{
        if (!p->start)
                return p->first[k];
        const uint32_t *at = &p->by_number.at[k >> p->by_number.shift];
        uint32_t lo = at[0], hi = at[1];
        while (lo < hi) {
                uint32_t mid = hi - (hi - lo) / 2;
                if (p->start[mid] <= k)
                        lo = mid;
                else
                        hi = mid - 1;
        }
        return p->first[lo] + (uint32_t)(k - p->start[lo]);
}

static struct ip_addr v6_at(const struct plan_v6 *p, uint64_t k)
{
        if (!p->start)
                return addr_of(p->first[k], 6ull << 32);
        const uint32_t *at = &p->by_number.at[k >> p->by_number.shift];
        uint32_t lo = at[0], hi = at[1];
        while (lo < hi) {
                uint32_t mid = hi - (hi - lo) / 2;
                if (p->start[mid] <= k)
                        lo = mid;
                else
                        hi = mid - 1;
        }
        return addr_of(p->first[lo] + (k - p->start[lo]), 6ull << 32 | (p->zone ? p->zone[lo] : 0));
}

/* x / n_ports, x < 2^63; see set_ports() in plan.c */
static inline uint64_t by_ports(const struct tgt_plan *p, uint64_t x)
{
        return (uint64_t)((u128)x * p->reciprocal >> (63 + p->ports_shift));
}

void tgt_plan_pick(const struct tgt_plan *p, uint64_t index, struct target *out)
{
        uint64_t number = index;
        assert(index < p->facts.probes);
        if (p->n_ports == 1) {
                *out = p->port_of_one;
        } else {
                number = by_ports(p, index);
                *out = port_split(tgt_ports_at(p->ports, (size_t)(index - number * p->n_ports)));
        }
        if (number < p->v4.count)
                out->ip = ip_v4(v4_at(&p->v4, number));
        else
                out->ip = v6_at(&p->v6, number - p->v4.count);
}

/* ---- target -> index ---- */

uint64_t plan_v4_last(const struct plan_v4 *p, size_t i)
{
        if (!p->start)
                return p->first[i];
        uint64_t end = i + 1 < p->n ? p->start[i + 1] : p->count;
        return p->first[i] + (end - p->start[i]) - 1;
}

static bool v4_number(const struct plan_v4 *p, uint32_t a, uint64_t *number)
{
        if (p->n == 0)
                return false;
        const uint32_t *at = &p->by_address.at[a >> p->by_address.shift];
        size_t lo = at[0], hi = at[1]; /* the first entry above a lies in lo .. hi */
        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                if (p->first[mid] <= a)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        if (lo == 0 || plan_v4_last(p, lo - 1) < a)
                return false;
        *number = p->start ? p->start[lo - 1] + (uint64_t)(a - p->first[lo - 1]) : lo - 1;
        return true;
}

static uint32_t v6_zone(const struct plan_v6 *p, size_t i)
{
        return p->zone ? p->zone[i] : 0;
}

static u128 v6_last(const struct plan_v6 *p, size_t i)
{
        if (!p->start)
                return p->first[i];
        uint64_t end = i + 1 < p->n ? p->start[i + 1] : p->count;
        return p->first[i] + (end - p->start[i]) - 1;
}

static bool v6_number(const struct plan_v6 *p, u128 a, uint32_t zone, uint64_t *number)
{
        size_t lo = 0, hi = p->n;
        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                uint32_t z = v6_zone(p, mid);
                if (z < zone || (z == zone && p->first[mid] <= a))
                        lo = mid + 1;
                else
                        hi = mid;
        }
        if (lo == 0 || v6_zone(p, lo - 1) != zone || p->first[lo - 1] > a || v6_last(p, lo - 1) < a)
                return false;
        *number = p->start ? p->start[lo - 1] + (uint64_t)(a - p->first[lo - 1]) : lo - 1;
        return true;
}

static bool number_of(const struct tgt_plan *p, const struct ip_addr *ip, uint64_t *number)
{
        u128 a = u128_of(ip);
        if (ip->family == 4)
                return v4_number(&p->v4, (uint32_t)ip->lo, number);
        if (!v6_number(&p->v6, a, ip->zone, number) && (ip->zone == 0 || !v6_number(&p->v6, a, 0, number)))
                return false;
        *number += p->v4.count;
        return true;
}

bool tgt_plan_index(const struct tgt_plan *p, const struct target *t, uint64_t *index)
{
        uint64_t number;
        uint32_t rank;
        if (!ports_rank(p->ports, tgt_flat_port(t), &rank) || !number_of(p, &t->ip, &number))
                return false;
        *index = number * p->n_ports + rank;
        return true;
}

/* ---- walks and names ---- */

void tgt_plan_walk(struct tgt_walk *w, const struct tgt_plan *p)
{
        *w = (struct tgt_walk){.plan = p};
}

static bool next_v4(struct tgt_walk *w, struct seg *out)
{
        const struct plan_v4 *p = &w->plan->v4;
        size_t i = w->at[0];
        if (i == p->n)
                return false;
        uint64_t first = p->first[i], last = plan_v4_last(p, i);
        while (++i < p->n && p->first[i] == last + 1)
                last = plan_v4_last(p, i);
        w->at[0] = i;
        *out = (struct seg){.first = first, .last = last, .space = 4ull << 32};
        return true;
}

static bool next_v6(struct tgt_walk *w, struct seg *out)
{
        const struct plan_v6 *p = &w->plan->v6;
        size_t i = w->at[1];
        if (i == p->n)
                return false;
        u128 first = p->first[i], last = v6_last(p, i);
        uint32_t zone = v6_zone(p, i);
        while (++i < p->n && v6_zone(p, i) == zone && last != ~(u128)0 && p->first[i] == last + 1)
                last = v6_last(p, i);
        w->at[1] = i;
        *out = (struct seg){.first = first, .last = last, .space = 6ull << 32 | zone};
        return true;
}

bool plan_next(struct tgt_walk *w, struct seg *out)
{
        return next_v4(w, out) || next_v6(w, out);
}

bool tgt_walk_next(struct tgt_walk *w, struct tgt_range *out)
{
        struct seg s;
        if (!(w->plan ? plan_next(w, &s) : set_next(w, &s)))
                return false;
        *out = range_of(&s);
        return true;
}

unsigned tgt_plan_names(const struct tgt_plan *p, const struct ip_addr *ip, const char *const **names)
{
        size_t lo = 0, hi = p->names.n;
        while (lo < hi) {
                size_t mid = lo + (hi - lo) / 2;
                if (ip_cmp(&p->names.at[mid].ip, ip) < 0)
                        lo = mid + 1;
                else
                        hi = mid;
        }
        for (hi = lo; hi < p->names.n && ip_eq(&p->names.at[hi].ip, ip);)
                hi++;
        *names = p->name_texts + lo;
        return (unsigned)(hi - lo);
}
