// SPDX-License-Identifier: Apache-2.0
/*
 * socks: proxies. SOCKS 5 is asked which of three ways to log in it would take, and left at that; SOCKS 4,
 * which has no such question, is sent a command that does not exist, which it can only refuse. Nothing is
 * ever connected through a proxy. RFC 1928 §3, RFC 1929, SOCKS: A protocol for TCP proxy (Lee, 1992).
 *
 *   5: | 5 | methods 1 | method … |                      -> | 5 | method, ff: none of them |
 *   4: | 4 | command | port 2 | address 4 | user … | 0 | -> | 0 | 5a…5d | port 2 | address 4 |
 */
#include "banner/protocols.h"

enum { SOCKS4_REPLY_LEN = 8 };
static const uint16_t ports[] = {1080, 1081, 9050, 0};
static const uint16_t ports4[] = {1080, 1081, 0};

static void hello5(struct banner_turn *t)
{
        wr_bytes(t->reply, "\x05\x03\x00\x01\x02", 5);
}

static void hello4(struct banner_turn *t)
{
        wr_bytes(t->reply, "\x04\x00\x00\x00\x00\x00\x00\x00\x00", 9);
}

static const char *method_name(uint8_t method)
{
        return method == 0   ? "no authentication"
               : method == 1 ? "GSSAPI"
               : method == 2 ? "user name and password"
                             : "no acceptable method";
}

static enum banner_status parse5(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        uint8_t version = rd_u8(&r), method = rd_u8(&r);
        if (t->in.n && version != 5)
                return BANNER_REJECT;
        if (r.bad)
                return BANNER_MORE;
        if (rd_left(&r) || (method > 2 && method != 0xff))
                return BANNER_REJECT;
        banner_fmt(t->out, APP_SOCKS, "SOCKS5 %s", method_name(method));
        banner_field_u64(t->out, APP_SOCKS, "version", 5);
        banner_field_u64(t->out, APP_SOCKS, "method", method);
        banner_field_str(t->out, APP_SOCKS, "auth_method", method_name(method));
        return BANNER_DONE;
}

static const char *reply_name(uint8_t code)
{
        return code == 0x5a   ? "granted"
               : code == 0x5b ? "refused"
               : code == 0x5c ? "wants identd"
                              : "identd says another user";
}

/* A SOCKS 4 server answers a SOCKS 5 greeting like this, too, if it answers. */
static enum banner_status parse4(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        uint8_t zero = rd_u8(&r), code = rd_u8(&r);
        if ((t->in.n > 0 && zero != 0) || (t->in.n > 1 && (code < 0x5a || code > 0x5d)) ||
            t->in.n > SOCKS4_REPLY_LEN)
                return BANNER_REJECT;
        if (t->in.n < SOCKS4_REPLY_LEN)
                return BANNER_MORE;
        banner_fmt(t->out, APP_SOCKS, "SOCKS4 %s", reply_name(code));
        banner_field_u64(t->out, APP_SOCKS, "version", 4);
        banner_field_u64(t->out, APP_SOCKS, "reply", code);
        return BANNER_DONE;
}

static enum banner_status parse(struct banner_turn *t)
{
        return t->in.n && t->in.p[0] == 0 ? parse4(t) : parse5(t);
}

const struct banner_ops banner_socks = {
        .name = "socks",
        .summary = "SOCKS 5 proxy: the way to log in",
        .app = APP_SOCKS,
        .ports = ports,
        .hello = hello5,
        .parse = parse,
};

const struct banner_ops banner_socks4 = {
        .name = "socks4",
        .summary = "SOCKS 4 proxy",
        .app = APP_SOCKS,
        .ports = ports4,
        .hello = hello4,
        .parse = parse4,
};
