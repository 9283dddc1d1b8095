// SPDX-License-Identifier: Apache-2.0
/*
 * hostonly (-oH): the address, one line per record as masscan has it; grouped by host: each address once. No
 * header, no trailer. Invariant: a line is an address and nothing else.
 */
#include "format.h"

static void record(void *st, struct out_buf *b, const struct record *r)
{
        (void)st;
        fmt_ip(b, &r->who.ip);
        buf_u8(b, '\n');
}

static void host(void *st, struct out_buf *b, const struct record *const *recs, size_t n)
{
        (void)n;
        record(st, b, recs[0]);
}

static bool whole(struct span line)
{
        struct ip_addr ip;
        return ip_parse(&ip, (const char *)line.p, line.n) == 0;
}

static int64_t body_end(struct span file, bool *empty)
{
        return tail_only_lines(file, whole, empty);
}

const struct out_ops out_hostonly = {.name = "hostonly",
                                     .ext = "hosts",
                                     .state_size = sizeof(struct fmt),
                                     .begin = fmt_no_header,
                                     .record = record,
                                     .host = host,
                                     .trailer = fmt_no_trailer,
                                     .body_end = body_end};
