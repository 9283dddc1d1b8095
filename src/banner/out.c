// SPDX-License-Identifier: Apache-2.0
/*
 * out: where parsers write what they learnt: up to BANNER_PARTS banners, each a text and a list of fields
 * (result.h), in memory taken once. Emptied by session/ for each turn, read by it when the turn counts.
 * Invariant: nothing a server says makes it grow; what has no room sets `cut`.
 */
#include "banner/banner.h"
#include <stdio.h>
#include <stdlib.h>

enum { PART_ROOM = BANNER_TEXT_MAX + BANNER_FIELDS_MAX };

int banner_out_init(struct banner_out *o, struct err *e)
{
        memset(o, 0, sizeof(*o));
        o->room = malloc((size_t)BANNER_PARTS * PART_ROOM);
        return o->room ? 0 : err_set(e, 0, "out of memory");
}

void banner_out_free(struct banner_out *o)
{
        free(o->room);
        o->room = NULL;
}

void banner_out_clear(struct banner_out *o)
{
        o->n = 0;
        o->cut = false;
}

struct banner_part *banner_part(struct banner_out *o, uint16_t app)
{
        for (unsigned i = 0; i < o->n; i++)
                if (o->part[i].app == app)
                        return &o->part[i];
        if (o->n == BANNER_PARTS) {
                o->cut = true;
                o->none = (struct banner_part){app, wr_of(o->room, 0), wr_of(o->room, 0)};
                return &o->none;
        }
        uint8_t *room = o->room + (size_t)o->n * PART_ROOM;
        struct banner_part *p = &o->part[o->n++];
        *p = (struct banner_part){app, wr_of(room, BANNER_TEXT_MAX),
                                  wr_of(room + BANNER_TEXT_MAX, BANNER_FIELDS_MAX)};
        return p;
}

/* Texts are cut in the middle, fields are left out whole. */
void banner_text(struct banner_out *o, uint16_t app, struct span s)
{
        struct wr *w = &banner_part(o, app)->text;
        size_t room = (size_t)(w->end - w->p);
        wr_bytes(w, s.p, MIN(s.n, room));
        o->cut |= s.n > room;
}

void banner_str(struct banner_out *o, uint16_t app, const char *s)
{
        banner_text(o, app, span_str(s));
}

void banner_fmt(struct banner_out *o, uint16_t app, const char *fmt, ...)
{
        char text[512];
        va_list args;
        va_start(args, fmt);
        int n = vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        banner_text(o, app, span_of(text, n < 0 ? 0 : MIN((size_t)n, sizeof(text) - 1)));
}

/* A field without room is left out, and those behind it that are smaller may still have some. */
static void left_out(struct banner_out *o, struct wr *w)
{
        o->cut |= w->full;
        w->full = false;
}

void banner_field(struct banner_out *o, uint16_t app, const char *key, struct span value)
{
        struct wr *w = &banner_part(o, app)->fields;
        fields_put(w, key, value);
        left_out(o, w);
}

void banner_field_str(struct banner_out *o, uint16_t app, const char *key, const char *value)
{
        banner_field(o, app, key, span_str(value));
}

void banner_field_u64(struct banner_out *o, uint16_t app, const char *key, uint64_t value)
{
        struct wr *w = &banner_part(o, app)->fields;
        fields_put_u64(w, key, value);
        left_out(o, w);
}

void banner_field_bool(struct banner_out *o, uint16_t app, const char *key, bool value)
{
        struct wr *w = &banner_part(o, app)->fields;
        fields_put_bool(w, key, value);
        left_out(o, w);
}
