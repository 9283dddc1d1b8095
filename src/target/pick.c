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
#include "target/generate.h"
#include <errno.h>
#include <stdlib.h>

enum { V6_BUCKETS_LEAST = 1 << 12, ADDRESS_BUCKETS_LOG2_MAX = 22 };
enum { NEAR_LOG2_LEAST = 8, NEAR_LOG2_TRY = 17, NEAR_LOG2_MAX = 22, NEAR_CROWD_LOG2 = 9 };

/* ---- tables ---- */

/* How many buckets of 2^shift numbers meet more than two ranges. */
static size_t crowded(const struct plan_v4 *p, unsigned shift)
{
        uint64_t before = UINT64_MAX, counted = UINT64_MAX;
        size_t buckets = 0;
        for (size_t i = 1; i < p->n; i++) {
                uint64_t b = p->start[i] >> shift;
                if (b << shift == p->start[i]) /* between two buckets, in none */
                        continue;
                buckets += b == before && b != counted;
                counted = b == before ? b : counted;
                before = b;
        }
        return buckets;
}

/* The fewest buckets of which hardly one is crowded: a table that fits the first cache is worth more than the
 * rare search it costs. Millions of ranges get 64 MiB of table, and search. */
static unsigned near_shift(const struct plan_v4 *p)
{
        unsigned log2 = NEAR_LOG2_LEAST, most, shift;
        while (log2 < NEAR_LOG2_MAX && 1ull << log2 < p->n)
                log2++;
        for (most = MAX(MIN(log2 + 1, NEAR_LOG2_MAX + 0u), NEAR_LOG2_TRY + 0u);; log2++) {
                for (shift = 0; (p->count - 1) >> shift >= 1ull << log2;)
                        shift++;
                if (log2 >= most || shift == 0 || crowded(p, shift) << NEAR_CROWD_LOG2 <= 1ull << log2)
                        return shift;
        }
}

/* i: the last range that starts at or before `first`, the bucket's first number. */
static struct plan_near near_of(const struct plan_v4 *p, size_t i, uint64_t first)
{
        uint64_t end = first + (1ull << p->near_shift);
        struct plan_near b = {.edge = UINT32_MAX, .delta[0] = p->first[i] - p->start[i]};
        if (i + 1 < p->n && p->start[i + 1] < end) {
                b.edge = p->start[i + 1] - 1;
                b.delta[1] = p->first[i + 1] - p->start[i + 1];
        }
        if (i + 2 < p->n && p->start[i + 2] < end)
                b.crowd = (uint32_t)i + 1;
        return b;
}

static int near_table(struct plan_v4 *p, struct err *e)
{
        if (!p->start || p->n == 0)
                return 0;
        p->near_shift = near_shift(p);
        size_t buckets = (size_t)((p->count - 1) >> p->near_shift) + 1, i = 0;
        p->near = plan_alloc(buckets * sizeof(*p->near));
        if (!p->near)
                return err_set(e, ENOMEM, "out of memory for the index of %zu ranges", p->n);
        for (size_t b = 0; b < buckets; b++) {
                uint64_t first = (uint64_t)b << p->near_shift;
                while (i + 1 < p->n && p->start[i + 1] <= first)
                        i++;
                p->near[b] = near_of(p, i, first);
        }
        return 0;
}

/* at[b] = the last entry whose start is <= b << shift, so entry(k) lies in at[b] .. at[b + 1]. */
static int number_table(struct plan_v6 *p, struct err *e)
{
        struct jump *j = &p->by_number;
        size_t most = MAX(p->n, (size_t)V6_BUCKETS_LEAST), i = 0;
        if (!p->start || p->n == 0)
                return 0;
        while ((p->count - 1) >> j->shift >= most)
                j->shift++;
        size_t buckets = (size_t)((p->count - 1) >> j->shift) + 1;
        j->at = plan_alloc((buckets + 1) * sizeof(*j->at));
        if (!j->at)
                return err_set(e, ENOMEM, "out of memory for the index of %zu ranges", p->n);
        for (size_t b = 0; b < buckets; b++) {
                while (i + 1 < p->n && p->start[i + 1] <= (uint64_t)b << j->shift)
                        i++;
                j->at[b] = (uint32_t)i;
        }
        j->at[buckets] = (uint32_t)(p->n - 1);
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
        p->by_address.at = plan_alloc((((size_t)1 << log2) + 1) * sizeof(uint32_t));
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
        return near_table(&p->v4, e) || number_table(&p->v6, e) || address_table(&p->v4, e) ? -1 : 0;
}

/* ---- index -> target ---- */

/* Strides that double until they step over k's range, then halve. */
uint32_t pick_crowded(const struct plan_v4 *p, uint64_t k)
{
        size_t i = p->near[k >> p->near_shift].crowd - 1, stride = 1;
        for (; i + stride < p->n && p->start[i + stride] <= k; stride *= 2)
                i += stride;
        for (; stride; stride /= 2)
                if (i + stride < p->n && p->start[i + stride] <= k)
                        i += stride;
        return (uint32_t)k + (p->first[i] - p->start[i]);
}

static inline uint32_t v4_of_range(const struct plan_v4 *p, const struct plan_near *near, unsigned shift,
                                   uint64_t k)
{
        const struct plan_near *b = &near[k >> shift];
        if (__builtin_expect(b->crowd != 0, false))
                return pick_crowded(p, k);
        return (uint32_t)k + b->delta[k > b->edge];
}

static inline size_t v6_range(const struct plan_v6 *p, uint64_t k)
{
        const uint32_t *at = &p->by_number.at[k >> p->by_number.shift];
        size_t lo = at[0], hi = at[1];
        while (hi - lo > 1) {
                size_t mid = lo + (hi - lo) / 2;
                if (p->start[mid] <= k)
                        lo = mid;
                else
                        hi = mid - 1;
        }
        return p->start[hi] <= k ? hi : lo;
}

static inline u128 v6_at(const struct plan_v6 *p, uint64_t k, uint32_t *zone)
{
        *zone = 0;
        if (!p->start)
                return p->first[k];
        size_t i = v6_range(p, k);
        if (p->zone)
                *zone = p->zone[i];
        return p->first[i] + (k - p->start[i]);
}

/* x / ports, x < 2^63; see set_ports() in plan.c */
static inline uint64_t divide(uint64_t x, uint64_t reciprocal, unsigned shift)
{
        return (uint64_t)((u128)(x << 1) * reciprocal >> 64) >> shift;
}

void tgt_plan_pick(const struct tgt_plan *p, uint64_t index, struct target *out)
{
        uint64_t number = divide(index, p->reciprocal, p->ports_shift);
        assert(index < p->facts.probes);
        *out = port_split(p->port_list[index - number * p->n_ports]);
        if (number < p->v4.count) {
                out->ip = ip_v4(p->v4.start ? v4_of_range(&p->v4, p->v4.near, p->v4.near_shift, number)
                                            : p->v4.first[number]);
        } else {
                uint32_t zone;
                u128 a = v6_at(&p->v6, number - p->v4.count, &zone);
                out->ip = addr_of(a, 6ull << 32 | zone);
        }
}

/* ---- many indices -> targets ---- */

/* Two at a time, up to one past n: the batch has room. */
static void fill_flat(uint32_t *flat, unsigned n, uint32_t only)
{
        uint64_t two = (uint64_t)only << 32 | only;
        for (unsigned i = 0; i < n; i += 2)
                memcpy(flat + i, &two, sizeof(two));
}

/* In this and the next, what does not change is held in locals: for all the compiler knows, the stores might
 * change the plan. */
void pick_divide_c(const struct tgt_plan *p, uint64_t *index, unsigned n, uint32_t *flat)
{
        const uint32_t *list = p->port_list;
        uint64_t n_ports = p->n_ports, reciprocal = p->reciprocal;
        unsigned shift = p->ports_shift;
        for (unsigned i = 0; i < n; i++) {
                uint64_t number = divide(index[i], reciprocal, shift);
                flat[i] = list[index[i] - number * n_ports];
                index[i] = number;
        }
}

void pick_ranges_c(const struct plan_v4 *p, const uint64_t *number, unsigned n, uint64_t *lo)
{
        const struct plan_near *near = p->near;
        unsigned shift = p->near_shift;
        for (unsigned i = 0; i < n; i++)
                lo[i] = v4_of_range(p, near, shift, number[i]);
}

static void pick_flat(const uint32_t *first, const uint64_t *number, unsigned n, uint64_t *lo)
{
        for (unsigned i = 0; i < n; i++)
                lo[i] = first[number[i]];
}

static void pick_v6(const struct plan_v6 *p, const uint64_t *number, unsigned n, struct target_batch *b)
{
        for (unsigned i = 0; i < n; i++) {
                unsigned to = b->n + i;
                u128 a = v6_at(p, number[i], &b->zone[to]);
                b->hi[to] = (uint64_t)(a >> 64);
                b->lo[to] = (uint64_t)a;
        }
        b->n += n;
}

/* A block of both families that stands in the IPv4 batch: the IPv6 ones move to the other. Returns how many
 * stay. Number 6 counts from the first IPv6 address. */
static unsigned split(uint64_t v4_count, uint64_t *number, unsigned n, uint64_t *number6,
                      struct target_batch *v4, struct target_batch *v6)
{
        uint64_t *pos = v4->pos + v4->n;
        uint32_t *flat = v4->flat + v4->n;
        unsigned stay = 0, to = v6->n;
        for (unsigned i = 0; i < n; i++) {
                bool is_v4 = number[i] < v4_count;
                v6->pos[to] = pos[i];
                v6->flat[to] = flat[i];
                number6[to - v6->n] = number[i] - v4_count;
                pos[stay] = pos[i];
                flat[stay] = flat[i];
                number[stay] = number[i];
                stay += is_v4;
                to += !is_v4;
        }
        return stay;
}

static bool all_below(const uint64_t *number, unsigned n, uint64_t limit)
{
        unsigned above = 0;
        for (unsigned i = 0; i < n; i++)
                above |= number[i] >= limit;
        return above == 0;
}

void pick_block(const struct generate_level *level, const struct tgt_plan *p, uint64_t *index, unsigned n,
                struct target_batch *v4, struct target_batch *v6)
{
        uint64_t number6[TGT_BLOCK_ROOM];
        struct target_batch *in = p->v4.count ? v4 : v6;
        unsigned n4 = p->v4.count ? n : 0;
        if (p->n_ports == 1)
                fill_flat(in->flat + in->n, n, p->port_list[0]);
        else
                level->divide(p, index, n, in->flat + in->n);
        if (p->v4.count && p->v6.count && !all_below(index, n, p->v4.count))
                n4 = split(p->v4.count, index, n, number6, v4, v6);
        if (p->v4.start)
                level->ranges(&p->v4, index, n4, v4->lo + v4->n);
        else
                pick_flat(p->v4.first, index, n4, v4->lo + v4->n);
        v4->n += n4;
        if (p->v6.count)
                pick_v6(&p->v6, p->v4.count ? number6 : index, n - n4, v6);
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
