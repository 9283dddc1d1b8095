// SPDX-License-Identifier: Apache-2.0
/*
 * certs: the certificates among the banners, in PEM. Invariant: only base64 characters get between the BEGIN
 * and the END line. Reference: RFC 7468 (64 columns).
 */
#include "format.h"

enum { COLUMNS = 64 };

static bool is_base64(uint8_t c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
               c == '/' || c == '=';
}

static void record(void *st, struct out_buf *b, const struct record *r)
{
        size_t column = 0;
        (void)st;
        if (!fmt_is_banner(r) || (r->app != APP_X509 && r->app != APP_X509CA))
                return;
        BUF_LIT(b, "-----BEGIN CERTIFICATE-----\n");
        for (size_t i = 0; i < r->banner.n; i++) {
                if (!is_base64(r->banner.p[i]))
                        continue;
                buf_u8(b, r->banner.p[i]);
                if (++column % COLUMNS == 0)
                        buf_u8(b, '\n');
        }
        if (column % COLUMNS)
                buf_u8(b, '\n');
        BUF_LIT(b, "-----END CERTIFICATE-----\n");
}

static int64_t body_end(struct span file, bool *empty)
{
        int64_t at = tail_find(file, file.n, "-----END CERTIFICATE-----\n");
        *empty = at < 0;
        if (!tail_starts(file, "-----BEGIN CERTIFICATE-----\n"))
                return -1;
        return at < 0 ? 0 : at + 26;
}

const struct out_ops out_certs = {.name = "certs",
                                  .ext = "pem",
                                  .state_size = sizeof(struct fmt),
                                  .begin = fmt_no_header,
                                  .record = record,
                                  .trailer = fmt_no_trailer,
                                  .body_end = body_end};
