// SPDX-License-Identifier: Apache-2.0
/*
 * fields: the parts of a banner, as one run of bytes (drawn in result.h). Banner parsers write it, the writer
 * thread and the journal carry it, JSON formats read it. Invariant: what fields_next() gives lies inside of
 * what it was given.
 */
#include "result/result.h"

static void put(struct wr *w, const char *key, enum field_kind kind, struct span value)
{
        size_t k = MIN(strlen(key), (size_t)255), n = MIN(value.n, (size_t)65535);
        if (w->full || (size_t)(w->end - w->p) < 4 + k + n) {
                w->full = true;
                return;
        }
        wr_u8(w, (uint8_t)k);
        wr_u8(w, (uint8_t)kind);
        wr_be16(w, (uint16_t)n);
        wr_bytes(w, key, k);
        wr_bytes(w, value.p, n);
}

void fields_put(struct wr *w, const char *key, struct span value)
{
        put(w, key, FIELD_TEXT, value);
}

void fields_put_u64(struct wr *w, const char *key, uint64_t number)
{
        uint8_t be[8];
        put_be64(be, number);
        put(w, key, FIELD_NUMBER, span_of(be, sizeof(be)));
}

void fields_put_bool(struct wr *w, const char *key, bool yes)
{
        uint8_t b = yes;
        put(w, key, FIELD_BOOL, span_of(&b, 1));
}

bool fields_next(struct rd *r, struct field *f)
{
        size_t k = rd_u8(r);
        uint8_t kind = rd_u8(r);
        size_t n = rd_be16(r);
        *f = (struct field){.key = rd_take(r, k), .kind = kind, .text = rd_take(r, n)};
        if (r->bad || kind > FIELD_BOOL || (kind == FIELD_NUMBER && n != 8) ||
            (kind == FIELD_BOOL && n != 1)) {
                r->bad = true;
                return false;
        }
        if (kind == FIELD_NUMBER)
                f->number = get_be64(f->text.p);
        else if (kind == FIELD_BOOL)
                f->number = f->text.p[0] != 0;
        return true;
}
