// SPDX-License-Identifier: Apache-2.0
/*
 * report: what was learnt, told to the engine. A dialogue's text comes in pieces, one a turn: they are put
 * together and told at the dialogue's end, or when nothing was added for a second, so that a banner is one
 * banner and yet never waits for a connection to end. Invariant: pieces are told in the order they came, each
 * once. Base64: RFC 4648 §4.
 */
#include "session_priv.h"

void report_text(struct session_set *set, struct session *s, uint16_t app, struct span text,
                 struct span fields)
{
        struct session_report r = {.who = s->who,
                                   .ttl = s->ttl,
                                   .name = session_name(set, s),
                                   .app = app,
                                   .text = text,
                                   .fields = fields};
        if (text.n || fields.n)
                set->ops.banner(set->arg, &r);
}

static struct span written(const struct wr *w)
{
        return span_of(w->start, wr_len(w));
}

void report_out(struct session_set *set, struct session *s)
{
        for (unsigned i = 0; i < set->out.n; i++) {
                const struct banner_part *p = &set->out.part[i];
                report_text(set, s, p->app, written(&p->text), written(&p->fields));
        }
}

/* ---- pieces ---- */

void pieces_free(struct session_set *set, struct talk *k)
{
        while (k->pieces) {
                struct piece *p = k->pieces;
                k->pieces = p->next;
                bufs_put(&set->bufs, p, p->class);
        }
        k->tail = &k->pieces;
        k->flush_ns = 0;
}

/* False: too large, or no memory. */
static bool put_by(struct session_set *set, struct talk *k, const struct banner_part *part)
{
        size_t n_text = wr_len(&part->text), n_fields = wr_len(&part->fields);
        size_t n = sizeof(struct piece) + n_text + n_fields;
        struct piece *p = n <= bufs_size(BUF_CLASSES - 1) ? bufs_get(&set->bufs, bufs_class(n)) : NULL;
        if (!p)
                return false;
        *p = (struct piece){.n_text = (uint32_t)n_text,
                            .n_fields = (uint32_t)n_fields,
                            .app = part->app,
                            .class = (uint8_t)bufs_class(n)};
        struct wr w = wr_of(p->bytes, n_text + n_fields);
        wr_bytes(&w, part->text.start, n_text);
        wr_bytes(&w, part->fields.start, n_fields);
        *k->tail = p;
        k->tail = &p->next;
        return true;
}

void report_later(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        for (unsigned i = 0; i < set->out.n; i++) {
                const struct banner_part *p = &set->out.part[i];
                if ((wr_len(&p->text) || wr_len(&p->fields)) && !put_by(set, k, p))
                        report_text(set, s, p->app, written(&p->text), written(&p->fields));
        }
        if (k->pieces)
                k->flush_ns = set->now_ns + FLUSH_NS;
}

void report_flush(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        if (!k || !k->pieces)
                return;
        banner_out_clear(&set->out);
        for (const struct piece *p = k->pieces; p; p = p->next) {
                banner_text(&set->out, p->app, span_of(p->bytes, p->n_text));
                wr_bytes(&banner_part(&set->out, p->app)->fields, p->bytes + p->n_text, p->n_fields);
        }
        pieces_free(set, k);
        report_out(set, s);
}

/* ---- the rest ---- */

void report_remark(struct session_set *set, struct session *s, const char *words)
{
        report_text(set, s, APP_REMARK, span_str(words), span_of(NULL, 0));
}

void report_base64(struct session_set *set, struct session *s, uint16_t app, struct span in)
{
        if (in.n > CAPTURE_MAX)
                return; /* half of it would be no use to anybody */
        struct banner_part *p = banner_part(&set->out, app);
        p->text = wr_of(p->text.start, BANNER_TEXT_MAX);
        wr_base64(&p->text, in);
        report_text(set, s, app, written(&p->text), written(&p->fields));
}

void report_capture(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        if (!k || !k->capture_len)
                return;
        banner_out_clear(&set->out);
        report_base64(set, s, APP_CAPTURE, span_of(k->capture, k->capture_len));
        k->capture_len = 0;
}
