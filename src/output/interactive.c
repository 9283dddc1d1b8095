// SPDX-License-Identifier: Apache-2.0
/*
 * interactive: "Discovered open port 80/tcp on 10.0.0.1" for people, masscan's words. On a terminal a line is
 * padded to 79 columns, because the status line stands there; in a pipe or a file it is not.
 */
#include "format.h"

enum { COLUMNS = 79 };

static void discovered(struct fmt *f, struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "Discovered ");
        buf_str(b, result_state_name(r->state));
        BUF_LIT(b, " port ");
        fmt_port(b, r);
        BUF_LIT(b, " on ");
        fmt_ip(b, &r->who.ip);
        if (r->n_names) {
                BUF_LIT(b, " [");
                fmt_text(b, span_str(r->names[0]));
                buf_u8(b, ']');
        }
        if (r->has_mac) {
                BUF_LIT(b, " (");
                fmt_mac(b, r->mac);
                buf_u8(b, ')');
        }
        if (f->conf->reason) {
                BUF_LIT(b, " reason ");
                fmt_reason_put(f, b, r);
        }
}

static void banner(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "Banner on port ");
        fmt_port(b, r);
        BUF_LIT(b, " on ");
        fmt_ip(b, &r->who.ip);
        BUF_LIT(b, ": [");
        fmt_app(b, r->app);
        BUF_LIT(b, "] ");
        fmt_text(b, r->banner);
}

static void record(void *st, struct out_buf *b, const struct record *r)
{
        struct fmt *f = st;
        size_t start = b->n;
        if (fmt_is_banner(r))
                banner(b, r);
        else
                discovered(f, b, r);
        while (f->tty && b->n - start < COLUMNS && !b->full)
                buf_u8(b, ' ');
        buf_u8(b, '\n');
}

static bool whole(struct span line)
{
        if (tail_starts(line, "Banner on port "))
                return tail_has(line, ": [");
        return tail_starts(line, "Discovered ") && tail_has(line, " on ");
}

static int64_t body_end(struct span file, bool *empty)
{
        return tail_only_lines(file, whole, empty);
}

const struct out_ops out_interactive = {.name = "interactive",
                                        .ext = "out",
                                        .state_size = sizeof(struct fmt),
                                        .begin = fmt_no_header,
                                        .record = record,
                                        .trailer = fmt_no_trailer,
                                        .body_end = body_end};
