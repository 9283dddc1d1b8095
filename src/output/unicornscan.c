// SPDX-License-Identifier: Apache-2.0
/*
 * unicornscan (-oU): masscan's bytes: service right-aligned to 16, port to 5, TTL left-aligned to 3;
 * protocols other than TCP as grepable-like lines. The format has no place for banners: they are left out.
 */
#include "format.h"

static void other(struct out_buf *b, const struct record *r)
{
        BUF_LIT(b, "Host: ");
        fmt_ip(b, &r->who.ip);
        BUF_LIT(b, " ()\tPorts: ");
        buf_dec(b, r->who.port);
        buf_u8(b, '/');
        buf_str(b, result_state_name(r->state));
        buf_u8(b, '/');
        buf_str(b, result_proto_name(r->who.proto));
        BUF_LIT(b, "////\n");
}

static void tcp(struct out_buf *b, const struct record *r)
{
        const char *service = svc_name(r->who.port, r->who.proto);
        BUF_LIT(b, "TCP ");
        buf_str(b, result_state_name(r->state));
        buf_u8(b, '\t');
        for (size_t n = strlen(service); n < 16; n++)
                buf_u8(b, ' ');
        buf_str(b, service);
        buf_u8(b, '[');
        buf_dec_pad(b, r->who.port, 5);
        BUF_LIT(b, "]\t\tfrom ");
        fmt_ip(b, &r->who.ip);
        BUF_LIT(b, "  ttl ");
        buf_dec(b, r->ttl);
        for (unsigned n = 1U + (r->ttl >= 10) + (r->ttl >= 100); n < 3; n++)
                buf_u8(b, ' ');
        buf_u8(b, '\n');
}

static void record(void *st, struct out_buf *b, const struct record *r)
{
        (void)st;
        if (fmt_is_banner(r))
                return;
        if (r->who.proto == 6)
                tcp(b, r);
        else
                other(b, r);
}

static bool whole(struct span line)
{
        if (tail_starts(line, "TCP "))
                return tail_has(line, "]\t\tfrom ") && tail_has(line, "  ttl ");
        return tail_starts(line, "Host: ") && tail_ends(line, "////");
}

/* list files begin alike: the first record tells, when it is there and no splice with the six bytes of a
 * trailer. */
static int64_t body_end(struct span file, bool *empty)
{
        if (!tail_starts(file, "#masscan\n"))
                return -1;
        struct span rest = span_of(file.p + 9, file.n - 9);
        const uint8_t *nl = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
        if (nl && nl - rest.p > 6 && !tail_starts(rest, "TCP ") && !tail_starts(rest, "Host: ") &&
            !tail_starts(rest, "# end"))
                return -1;
        return tail_lines(file, 9, whole, tail_hash_line, empty);
}

const struct out_ops out_unicornscan = {.name = "unicornscan",
                                        .aliases = "unicorn",
                                        .ext = "uni",
                                        .state_size = sizeof(struct fmt),
                                        .setup = fmt_setup_services,
                                        .begin = fmt_hash_masscan,
                                        .record = record,
                                        .trailer = fmt_hash_end,
                                        .body_end = body_end};
