// SPDX-License-Identifier: Apache-2.0
/*
 * set: growing lists of addresses and ranges, sorted and merged on demand, walked in order. First stop of the
 * targets after the text; plan.c takes the walk. Invariant: once `sorted`, singles are strictly ascending,
 * ranges are disjoint and apart, and set_next() yields maximal disjoint ranges ordered by family, zone,
 * value.
 */
#include "target/set.h"
#include <errno.h>
#include <stdlib.h>

int tgt_set_new(struct tgt_set **out, struct err *e)
{
        *out = calloc(1, sizeof(**out));
        if (!*out)
                return err_set(e, ENOMEM, "out of memory for a target list");
        (*out)->sorted = true;
        return 0;
}

void tgt_set_free(struct tgt_set *s)
{
        if (!s)
                return;
        free(s->one4);
        free(s->run4);
        free(s->one6);
        free(s->run6);
        names_free(&s->names);
        free(s);
}

bool tgt_set_empty(const struct tgt_set *s)
{
        return s->n_one4 + s->n_run4 + s->n_one6 + s->n_run6 == 0;
}

static int grow(void *array, size_t *cap, size_t n, size_t size, struct err *e)
{
        if (n >= TGT_LIST_MAX)
                return err_set(e, 0,
                               "the target list is too long: more than %d entries of one kind; split it",
                               TGT_LIST_MAX);
        return mem_grow(array, cap, n + 1, size, e);
}

int set_grow(struct tgt_set *s, struct err *e)
{
        return grow(&s->one4, &s->cap_one4, s->n_one4, sizeof(*s->one4), e);
}

int set_add_v4(struct tgt_set *s, uint32_t first, uint32_t last, struct err *e)
{
        if (first == last)
                return set_push_v4(s, first, e);
        s->sorted = false;
        if (grow(&s->run4, &s->cap_run4, s->n_run4, sizeof(*s->run4), e))
                return -1;
        s->run4[s->n_run4++] = (struct v4_run){first, last};
        return 0;
}

static int set_add_v6(struct tgt_set *s, u128 first, u128 last, uint32_t zone, struct err *e)
{
        s->sorted = false;
        if (first == last && zone == 0) {
                if (grow(&s->one6, &s->cap_one6, s->n_one6, sizeof(*s->one6), e))
                        return -1;
                s->one6[s->n_one6++] = first;
                return 0;
        }
        if (grow(&s->run6, &s->cap_run6, s->n_run6, sizeof(*s->run6), e))
                return -1;
        s->run6[s->n_run6++] = (struct v6_run){first, last, zone};
        return 0;
}

void set_note_never(struct tgt_set *s, const struct tgt_range *r, const char *where)
{
        if (s->has_never)
                return;
        s->has_never = true;
        s->never = *r;
        size_t n = MIN(strlen(where), sizeof(s->never_where) - 1);
        memcpy(s->never_where, where, n);
        s->never_where[n] = 0;
}

int tgt_set_add_range(struct tgt_set *s, const struct tgt_range *r, struct err *e)
{
        struct seg g = seg_of(r);
        assert(r->first.family == r->last.family && r->first.zone == r->last.zone && g.first <= g.last);
        if (reserved_seg(&g))
                set_note_never(s, r, "");
        if (r->first.family == 4)
                return set_add_v4(s, (uint32_t)r->first.lo, (uint32_t)r->last.lo, e);
        return set_add_v6(s, g.first, g.last, r->first.zone, e);
}

static size_t unique_u32(uint32_t *a, size_t n)
{
        size_t kept = n ? 1 : 0;
        for (size_t i = 1; i < n; i++)
                if (a[i] != a[kept - 1])
                        a[kept++] = a[i];
        return kept;
}

static size_t unique_u128(u128 *a, size_t n)
{
        size_t kept = n ? 1 : 0;
        for (size_t i = 1; i < n; i++)
                if (a[i] != a[kept - 1])
                        a[kept++] = a[i];
        return kept;
}

static size_t merge_run4(struct v4_run *a, size_t n)
{
        size_t kept = n ? 1 : 0;
        for (size_t i = 1; i < n; i++) {
                struct v4_run *last = &a[kept - 1];
                if (last->last == UINT32_MAX || a[i].first <= last->last + 1)
                        last->last = MAX(last->last, a[i].last);
                else
                        a[kept++] = a[i];
        }
        return kept;
}

static size_t merge_run6(struct v6_run *a, size_t n)
{
        size_t kept = n ? 1 : 0;
        for (size_t i = 1; i < n; i++) {
                struct v6_run *last = &a[kept - 1];
                if (a[i].zone == last->zone && (last->last == ~(u128)0 || a[i].first <= last->last + 1))
                        last->last = MAX(last->last, a[i].last);
                else
                        a[kept++] = a[i];
        }
        return kept;
}

int tgt_set_finish(struct tgt_set *s, struct err *e)
{
        if (s->sorted)
                return 0;
        if (sort_u32(s->one4, s->n_one4, e) || sort_v4_runs(s->run4, s->n_run4, e))
                return -1;
        sort_u128(s->one6, s->n_one6);
        sort_v6_runs(s->run6, s->n_run6);
        s->n_one4 = unique_u32(s->one4, s->n_one4);
        s->n_run4 = merge_run4(s->run4, s->n_run4);
        s->n_one6 = unique_u128(s->one6, s->n_one6);
        s->n_run6 = merge_run6(s->run6, s->n_run6);
        names_sort(&s->names);
        s->sorted = true;
        return 0;
}

void tgt_set_walk(struct tgt_walk *w, const struct tgt_set *s)
{
        assert(s->sorted);
        *w = (struct tgt_walk){.set = s};
}

/* Takes the lower of the next single and the next range, and goes on while the next one touches. */
static bool next_v4(struct tgt_walk *w, struct seg *out)
{
        const struct tgt_set *s = w->set;
        size_t i = w->at[0], j = w->at[1];
        uint64_t first, last;
        if (i < s->n_one4 && (j == s->n_run4 || s->one4[i] < s->run4[j].first)) {
                first = last = s->one4[i++];
        } else if (j < s->n_run4) {
                first = s->run4[j].first;
                last = s->run4[j++].last;
        } else {
                return false;
        }
        for (;;) {
                uint64_t more;
                if (i < s->n_one4 && s->one4[i] <= last + 1)
                        more = s->one4[i++];
                else if (j < s->n_run4 && s->run4[j].first <= last + 1)
                        more = s->run4[j++].last;
                else
                        break;
                last = MAX(last, more);
        }
        w->at[0] = i;
        w->at[1] = j;
        *out = (struct seg){.first = first, .last = last, .space = 4ull << 32};
        return true;
}

/* Singles have no zone, and ranges sort by zone, so singles meet only the ranges of zone 0. */
static bool next_v6(struct tgt_walk *w, struct seg *out)
{
        const struct tgt_set *s = w->set;
        size_t i = w->at[2], j = w->at[3];
        bool single = i < s->n_one6, run = j < s->n_run6;
        uint32_t zone = 0;
        u128 first, last;
        if (single && (!run || s->run6[j].zone != 0 || s->one6[i] < s->run6[j].first)) {
                first = last = s->one6[i++];
        } else if (run) {
                zone = s->run6[j].zone;
                first = s->run6[j].first;
                last = s->run6[j++].last;
        } else {
                return false;
        }
        while (last != ~(u128)0) {
                u128 more;
                if (zone == 0 && i < s->n_one6 && s->one6[i] <= last + 1)
                        more = s->one6[i++];
                else if (j < s->n_run6 && s->run6[j].zone == zone && s->run6[j].first <= last + 1)
                        more = s->run6[j++].last;
                else
                        break;
                last = MAX(last, more);
        }
        /* at the very top nothing is left to touch but a double of the top itself */
        while (last == ~(u128)0 && zone == 0 && i < s->n_one6)
                i++;
        w->at[2] = i;
        w->at[3] = j;
        *out = (struct seg){.first = first, .last = last, .space = 6ull << 32 | zone};
        return true;
}

bool set_next(struct tgt_walk *w, struct seg *out)
{
        return next_v4(w, out) || next_v6(w, out);
}
