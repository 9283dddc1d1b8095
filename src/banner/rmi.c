// SPDX-License-Identifier: Apache-2.0
/*
 * rmi: the Java RMI wire protocol's greeting and its acknowledgement, which says by what address and port the
 * server sees us; it is given as a field alone, since it tells about us. No call is made: the registry's list
 * would have to be deserialised. Java Remote Method Invocation Specification §10.2.
 *
 *   hello | "JRMI" | version 0002 | 4b stream protocol |    ack | 4e | host length 2 | host | port 4 |
 *   refusal | 4f |
 */
#include "banner/protocols.h"

enum { STREAM_PROTOCOL = 0x4b, PROTOCOL_ACK = 0x4e, NOT_SUPPORTED = 0x4f, HOST_MAX = 255 };
static const uint16_t ports[] = {1099, 1098, 0};

static void hello(struct banner_turn *t)
{
        wr_str(t->reply, "JRMI");
        wr_be16(t->reply, 2);
        wr_u8(t->reply, STREAM_PROTOCOL);
}

static bool is_host(struct span s)
{
        for (size_t i = 0; i < s.n; i++)
                if (s.p[i] <= ' ' || s.p[i] > '~')
                        return false;
        return s.n > 0;
}

static enum banner_status parse(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        uint8_t type = rd_u8(&r);
        if (!r.bad && type == NOT_SUPPORTED && t->in.n == 1) {
                if (!t->eof) /* it may be the first letter of a text */
                        return BANNER_MORE;
                banner_str(t->out, APP_RMI, "JRMI stream protocol refused");
                banner_field_bool(t->out, APP_RMI, "accepted", false);
                return BANNER_DONE;
        }
        size_t n = rd_be16(&r);
        if ((t->in.n && type != PROTOCOL_ACK) || n > HOST_MAX)
                return BANNER_REJECT;
        struct span host = rd_take(&r, n);
        uint32_t port = rd_be32(&r);
        if (r.bad)
                return BANNER_MORE;
        if (!is_host(host) || port > 65535)
                return BANNER_REJECT;
        banner_str(t->out, APP_RMI, "JRMI stream protocol");
        banner_field_bool(t->out, APP_RMI, "accepted", true);
        banner_field(t->out, APP_RMI, "client_host", host);
        banner_field_u64(t->out, APP_RMI, "client_port", port);
        return BANNER_DONE;
}

const struct banner_ops banner_rmi = {
        .name = "rmi",
        .summary = "Java RMI registry or endpoint",
        .app = APP_RMI,
        .ports = ports,
        .hello = hello,
        .parse = parse,
};
