// SPDX-License-Identifier: Apache-2.0
/*
 * plan: sets minus excludes minus never-targets become the immutable plan. The ranges run through a chain of
 * cuts as a stream, twice: once to count, once to fill arrays of exactly that size; nothing in between is
 * ever stored. Invariant: both passes see the same stream; the plan holds every included address that is
 * neither excluded nor a never-target, once.
 */
#include "target/plan.h"
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- a − b over sorted streams ---- */

struct cut {
        struct tgt_walk holes;
        struct seg rest, hole; /* rest: what lay behind a hole in the last range */
        bool has_rest, has_hole;
};
struct sieve;

static void cut_start(struct cut *c, const struct tgt_set *holes)
{
        *c = (struct cut){0};
        tgt_set_walk(&c->holes, holes);
        c->has_hole = set_next(&c->holes, &c->hole);
}

/* The next piece of the stream `next` that lies in no hole. Inlined into each stage of the chain with its
 * `next` known: millions of ranges go through, and nearly all meet no hole. */
static inline __attribute__((always_inline)) bool cut_next(struct cut *c,
                                                           bool (*next)(struct sieve *, struct seg *),
                                                           struct sieve *v, struct seg *out)
{
        for (;;) {
                if (c->has_rest)
                        *out = c->rest;
                else if (!next(v, out))
                        return false;
                c->has_rest = false;
                while (c->has_hole && (c->hole.space < out->space ||
                                       (c->hole.space == out->space && c->hole.last < out->first)))
                        c->has_hole = set_next(&c->holes, &c->hole);
                if (!c->has_hole || c->hole.space > out->space || c->hole.first > out->last)
                        return true;
                if (c->hole.last < out->last) {
                        c->has_rest = true;
                        c->rest = *out;
                        c->rest.first = c->hole.last + 1;
                }
                if (c->hole.first > out->first) {
                        out->last = c->hole.first - 1;
                        return true;
                }
        }
}

/* ---- the chain: include, minus excludes, minus excludes carried into zones, minus never-targets ---- */

struct sieve {
        const struct tgt_spec *spec;
        struct tgt_set *exclude, *zoned, *never; /* the last two owned, NULL when there is nothing to cut */
        struct tgt_walk include;
        struct cut wanted, in_zones, kept;
        u128 before;      /* addresses that came as far as the never-targets */
        struct seg alone; /* the first range that is nothing but never-targets */
        bool has_alone;
};

static u128 add_saturating(u128 a, u128 b)
{
        return a + b < a ? ~(u128)0 : a + b;
}

static u128 size_of(const struct seg *s)
{
        u128 n = s->last - s->first;
        return n == ~(u128)0 ? n : n + 1;
}

static bool is_own_broadcast(const struct tgt_spec *spec, const struct seg *s)
{
        for (size_t i = 0; i < spec->n_own_broadcasts; i++) {
                struct seg b = seg_of(&spec->own_broadcasts[i]);
                if (b.space == s->space && b.first <= s->first && s->last <= b.last)
                        return true;
        }
        return false;
}

static bool next_included(struct sieve *v, struct seg *out)
{
        if (!set_next(&v->include, out))
                return false;
        out->never = !v->spec->include->patterned &&
                     (reserved_seg(out) || (out->first == out->last && is_own_broadcast(v->spec, out)));
        return true;
}

static bool next_not_excluded(struct sieve *v, struct seg *out)
{
        return cut_next(&v->wanted, next_included, v, out);
}

/* Watches what reaches the last cut. */
static bool next_wanted(struct sieve *v, struct seg *out)
{
        if (!(v->zoned ? cut_next(&v->in_zones, next_not_excluded, v, out) : next_not_excluded(v, out)))
                return false;
        v->before = add_saturating(v->before, size_of(out));
        if (out->never && !v->has_alone) {
                v->has_alone = true;
                v->alone = *out;
        }
        return true;
}

static void sieve_start(struct sieve *v)
{
        tgt_set_walk(&v->include, v->spec->include);
        cut_start(&v->wanted, v->exclude);
        if (v->zoned)
                cut_start(&v->in_zones, v->zoned);
        if (v->never)
                cut_start(&v->kept, v->never);
        v->before = 0;
}

static bool sieve_next(struct sieve *v, struct seg *out)
{
        return v->never ? cut_next(&v->kept, next_wanted, v, out) : next_wanted(v, out);
}

static int carry_into(struct sieve *v, uint64_t space, struct err *e)
{
        struct tgt_walk w;
        struct seg hole;
        for (tgt_set_walk(&w, v->exclude); set_next(&w, &hole);) {
                if (hole.space != 6ull << 32)
                        continue;
                hole.space = space;
                struct tgt_range r = range_of(&hole);
                if (tgt_set_add_range(v->zoned, &r, e))
                        return -1;
        }
        return 0;
}

/* An exclude without a zone means the address on every link: repeat it in each zone the targets have. Only
 * ranges have zones, and their zones come in order. */
static int carry_excludes(struct sieve *v, struct err *e)
{
        const struct tgt_set *inc = v->spec->include;
        uint32_t done = 0;
        for (size_t i = 0; i < inc->n_run6; i++) {
                uint32_t zone = inc->run6[i].zone;
                if (zone == done)
                        continue;
                if (!v->zoned && tgt_set_new(&v->zoned, e))
                        return -1;
                if (carry_into(v, 6ull << 32 | zone, e))
                        return -1;
                done = zone;
        }
        return v->zoned ? tgt_set_finish(v->zoned, e) : 0;
}

static int never_error(const struct seg *s, const char *where, struct err *e)
{
        char text[2 * IP_TEXT_MAX + 8];
        struct tgt_range r = range_of(s);
        tgt_range_format(text, sizeof(text), &r);
        return err_set(e, 0, "%s\"%s\" is never a target: %s; remove it, or give --allow-reserved", where,
                       text, reserved_why(s));
}

/* An item written by itself inside the never-targets, unless the excludes take all of it away again. */
static int check_noted(const struct sieve *v, struct err *e)
{
        const struct tgt_set *inc = v->spec->include;
        struct tgt_walk w;
        struct seg hole, item = seg_of(&inc->never);
        if (!inc->has_never)
                return 0;
        for (tgt_set_walk(&w, v->exclude); set_next(&w, &hole);)
                if (hole.space == item.space && hole.first <= item.first && item.last <= hole.last)
                        return 0;
        return never_error(&item, inc->never_where, e);
}

/* ---- pass 1: count ---- */

struct tally {
        u128 v4, v6, before; /* addresses kept, and before the never-targets were dropped */
        size_t n4, n6;
        bool zones;
        uint64_t hash, net24;
        uint32_t in_net24, busiest;
};

static void tally_net24(struct tally *t, const struct seg *s)
{
        uint64_t first = (uint64_t)s->first, last = (uint64_t)s->last;
        if (first >> 8 != t->net24)
                t->in_net24 = 0;
        t->in_net24 += (uint32_t)(MIN(last, first | 255) - first + 1);
        t->busiest = MAX(t->busiest, t->in_net24);
        if (last >> 8 != first >> 8) {
                if ((last >> 8) - (first >> 8) > 1)
                        t->busiest = 256;
                t->in_net24 = (uint32_t)(last & 255) + 1;
                t->busiest = MAX(t->busiest, t->in_net24);
        }
        t->net24 = last >> 8;
}

/* Interface numbers differ between machines and boots; their names say more. */
static uint64_t zone_hash(uint32_t zone)
{
        char name[IF_NAMESIZE] = {0};
        uint64_t h = zone;
        if (zone && if_indextoname(zone, name))
                for (const char *p = name; *p; p++)
                        h = hash_mix64(h << 8 ^ (uint8_t)*p);
        return h;
}

static void tally_seg(struct tally *t, const struct seg *s)
{
        if (s->space >> 32 == 4) {
                t->v4 += size_of(s);
                t->n4++;
                t->hash = hash_mix64(t->hash ^ ((uint64_t)s->first << 32 | (uint64_t)s->last));
                tally_net24(t, s);
                return;
        }
        t->v6 = add_saturating(t->v6, size_of(s));
        t->n6++;
        t->zones |= (uint32_t)s->space != 0;
        const uint64_t words[] = {6,
                                  zone_hash((uint32_t)s->space),
                                  (uint64_t)(s->first >> 64),
                                  (uint64_t)s->first,
                                  (uint64_t)(s->last >> 64),
                                  (uint64_t)s->last};
        for (unsigned i = 0; i < ARRAY_LEN(words); i++)
                t->hash = hash_mix64(t->hash * 3 + words[i]);
}

static int count_kept(struct sieve *v, struct tally *t, struct err *e)
{
        struct seg s;
        *t = (struct tally){.net24 = UINT64_MAX, .hash = 1};
        for (sieve_start(v); sieve_next(v, &s);)
                tally_seg(t, &s);
        t->before = v->before;
        return v->has_alone && v->never ? never_error(&v->alone, "", e) : 0;
}

static unsigned log2_of(u128 n)
{
        unsigned bits = 0;
        while (n >>= 1)
                bits++;
        return bits;
}

static int check_counts(const struct tgt_spec *spec, const struct tally *t, struct err *e)
{
        size_t ports = tgt_ports_count(spec->ports);
        u128 addresses = add_saturating(t->v4, t->v6);
        if (tgt_set_empty(spec->include))
                return err_set(e, 0, "no targets; name addresses, ranges or -iL FILE");
        if (addresses == 0 && t->before)
                return err_set(e, 0, "no targets are left: all are never-targets (see --allow-reserved)");
        if (addresses == 0)
                return err_set(e, 0, "no targets are left: the excludes take them all away");
        if (ports == 0)
                return err_set(e, 0, "no ports; give some with -p, or --top-ports");
        if (addresses > ((u128)1 << 63) / ports)
                return err_set(e, 0,
                               "too many probes: about 2^%u addresses times %zu port%s is more than 2^63; %s",
                               log2_of(addresses), ports, ports == 1 ? "" : "s",
                               "scan fewer ports or a smaller IPv6 range (/66 is the largest for two ports)");
        return 0;
}

/* ---- pass 2: fill ---- */

/* Look-ups go to a table at random, and on small pages most of their time is spent on finding the page. */
void *plan_alloc(size_t bytes)
{
        const size_t huge_page = 2 << 20;
        size_t unit = bytes < 2 * huge_page ? CACHE_LINE : huge_page, all = (bytes + unit) & ~(unit - 1);
        void *p = aligned_alloc(unit, all);
        if (p && unit == huge_page)
                madvise(p, all, MADV_HUGEPAGE); /* only faster: a kernel without them may refuse */
        return p;
}

static int alloc_v4(struct plan_v4 *p, const struct tally *t, struct err *e)
{
        bool flat = t->v4 <= 2 * (u128)t->n4;
        p->count = (uint64_t)t->v4;
        size_t n = flat ? (size_t)t->v4 : t->n4;
        p->first = plan_alloc(n * sizeof(*p->first));
        if (!flat)
                p->start = plan_alloc(n * sizeof(*p->start));
        if (!p->first || (!flat && !p->start))
                return err_set(e, ENOMEM, "out of memory for %zu IPv4 ranges", t->n4);
        return 0;
}

static int alloc_v6(struct plan_v6 *p, const struct tally *t, struct err *e)
{
        bool flat = !t->zones && t->v6 <= 2 * (u128)t->n6;
        p->count = (uint64_t)t->v6;
        size_t n = flat ? (size_t)t->v6 : t->n6;
        p->first = plan_alloc(n * sizeof(*p->first));
        if (!flat)
                p->start = plan_alloc(n * sizeof(*p->start));
        if (t->zones)
                p->zone = plan_alloc(n * sizeof(*p->zone));
        if (!p->first || (!flat && !p->start) || (t->zones && !p->zone))
                return err_set(e, ENOMEM, "out of memory for %zu IPv6 ranges", t->n6);
        return 0;
}

static uint64_t put_v4(struct plan_v4 *p, const struct seg *s, uint64_t number)
{
        if (p->start) {
                p->first[p->n] = (uint32_t)s->first;
                p->start[p->n++] = (uint32_t)number;
        } else {
                for (uint64_t a = (uint64_t)s->first; a <= (uint64_t)s->last; a++)
                        p->first[p->n++] = (uint32_t)a;
        }
        return number + (uint64_t)size_of(s);
}

static uint64_t put_v6(struct plan_v6 *p, const struct seg *s, uint64_t number)
{
        if (p->start) {
                if (p->zone)
                        p->zone[p->n] = (uint32_t)s->space;
                p->first[p->n] = s->first;
                p->start[p->n++] = number;
        } else {
                for (u128 i = 0; i < size_of(s); i++)
                        p->first[p->n++] = s->first + i;
        }
        return number + (uint64_t)size_of(s);
}

static void fill(struct tgt_plan *p, struct sieve *v)
{
        uint64_t n4 = 0, n6 = 0;
        struct seg s;
        for (sieve_start(v); sieve_next(v, &s);) {
                if (s.space >> 32 == 4)
                        n4 = put_v4(&p->v4, &s, n4);
                else
                        n6 = put_v6(&p->v6, &s, n6);
        }
        assert(n4 == p->v4.count && n6 == p->v6.count);
}

/* index / ports without a division: index < 2^63, so a 64-bit reciprocal rounded up is exact
 * (Granlund & Montgomery 1994, theorem 4.2 with N = 63). */
static void set_ports(struct tgt_plan *p)
{
        p->n_ports = tgt_ports_count(p->ports);
        while (1ull << p->ports_shift < p->n_ports)
                p->ports_shift++;
        p->reciprocal = (uint64_t)((((u128)1 << (63 + p->ports_shift)) + p->n_ports - 1) / p->n_ports);
        p->port_list = ports_list(p->ports);
}

static int copy_names(struct tgt_plan *p, const struct tgt_set *include, struct err *e)
{
        if (names_copy(&p->names, &include->names, e))
                return -1;
        p->name_texts = malloc((p->names.n + 1) * sizeof(*p->name_texts));
        if (!p->name_texts)
                return err_set(e, ENOMEM, "out of memory for %zu host names", p->names.n);
        for (size_t i = 0; i < p->names.n; i++)
                p->name_texts[i] = p->names.at[i].text;
        return 0;
}

static void set_facts(struct tgt_plan *p, const struct tally *t)
{
        u128 dropped = t->before - add_saturating(t->v4, t->v6);
        p->facts = (struct tgt_plan_facts){
                .probes = (p->v4.count + p->v6.count) * p->n_ports,
                .v4 = p->v4.count,
                .v6 = p->v6.count,
                .reserved_dropped = dropped > UINT64_MAX ? UINT64_MAX : (uint64_t)dropped,
                .ports = (uint32_t)p->n_ports,
                .busiest_net24 = t->busiest,
                .ranges = t->n4 + t->n6,
                .hash = hash_mix64(t->hash ^ ports_hash(p->ports)),
        };
}

static int build(struct tgt_plan *p, struct sieve *v, struct err *e)
{
        struct tally t;
        if (count_kept(v, &t, e) || check_counts(v->spec, &t, e))
                return -1;
        if (alloc_v4(&p->v4, &t, e) || alloc_v6(&p->v6, &t, e) || ports_copy(&p->ports, v->spec->ports, e))
                return -1;
        set_ports(p);
        fill(p, v);
        set_facts(p, &t);
        return plan_index_tables(p, e) || copy_names(p, v->spec->include, e) ? -1 : 0;
}

static int prepare(struct sieve *v, struct err *e)
{
        assert(v->spec->include->sorted && (!v->spec->exclude || v->spec->exclude->sorted));
        if (carry_excludes(v, e))
                return -1;
        if (v->spec->allow_reserved)
                return 0;
        return check_noted(v, e) || reserved_set(&v->never, v->spec, e) ? -1 : 0;
}

int tgt_plan_new(struct tgt_plan **out, const struct tgt_spec *spec, struct err *e)
{
        struct tgt_set *nothing = NULL;
        struct tgt_plan *p = calloc(1, sizeof(*p));
        int rc = -1;
        *out = NULL;
        if (!p)
                return err_set(e, ENOMEM, "out of memory for the plan");
        if (tgt_set_new(&nothing, e))
                goto free_plan;
        struct sieve v = {.spec = spec, .exclude = spec->exclude ? spec->exclude : nothing};
        rc = prepare(&v, e) || build(p, &v, e) ? -1 : 0;
        tgt_set_free(v.zoned);
        tgt_set_free(v.never);
        tgt_set_free(nothing);
        if (rc == 0) {
                *out = p;
                return 0;
        }
free_plan:
        tgt_plan_free(p);
        return rc;
}

static void free_jump(struct jump *j)
{
        free(j->at);
}

void tgt_plan_free(struct tgt_plan *p)
{
        if (!p)
                return;
        free(p->v4.first);
        free(p->v4.start);
        free(p->v4.near);
        free_jump(&p->v4.by_address);
        free(p->v6.first);
        free(p->v6.start);
        free(p->v6.zone);
        free_jump(&p->v6.by_number);
        tgt_ports_free(p->ports);
        free(p->name_texts);
        names_free(&p->names);
        free(p);
}

void tgt_plan_facts(const struct tgt_plan *p, struct tgt_plan_facts *out)
{
        *out = p->facts;
}

const struct tgt_ports *tgt_plan_ports(const struct tgt_plan *p)
{
        return p->ports;
}
