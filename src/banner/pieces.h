// SPDX-License-Identifier: Apache-2.0
/*
 * pieces: small things that the parsers of binary protocols share: texts that end with a NUL, whole words,
 * and the blank between two things in a banner's text. Private to this folder.
 */
#ifndef TRAWL_BANNER_PIECES_H
#define TRAWL_BANNER_PIECES_H
#include "banner/banner.h"

/* Up to a NUL, which is moved over too; all that is left when there is none. */
static inline struct span rd_until_nul(struct rd *r)
{
        struct span s = span_of(r->p, 0);
        while (rd_left(r) && rd_u8(r))
                s.n++;
        return s;
}

static inline bool span_is(struct span s, const char *text)
{
        return span_starts(s, text) && s.n == span_str(text).n;
}

/* "name=value" in the text, behind a blank unless it is the first. */
static inline void say_pair(struct banner_out *o, uint16_t app, const char *name, struct span value)
{
        if (wr_len(&banner_part(o, app)->text))
                banner_str(o, app, " ");
        banner_str(o, app, name);
        banner_str(o, app, "=");
        banner_text(o, app, value);
}
/* The end of a conversation that came to nothing. Once a turn has counted, nobody else will look at these
 * bytes any more: they are given as they are. */
static inline enum banner_status say_unknown(struct banner_turn *t)
{
        banner_out_clear(t->out);
        if (!t->phase || !t->in.n)
                return BANNER_REJECT;
        banner_text(t->out, APP_UNKNOWN, t->in);
        return BANNER_DONE;
}
#endif
