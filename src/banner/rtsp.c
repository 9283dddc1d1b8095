// SPDX-License-Identifier: Apache-2.0
/*
 * rtsp: OPTIONS, which describes no stream and sets nothing up, and the answer taken apart. Cameras that want
 * a login say so here already, with the realm, which often is the product. RFC 2326 §10.1, RFC 7826 §13.1.
 */
#include "banner/message.h"
#include "banner/protocols.h"

static const uint16_t ports[] = {554, 8554, 322, 0};

static void hello(struct banner_turn *t)
{
        char room[HOST_NAME_MAX_LEN];
        struct span host = host_on_wire(t->name, room);
        wr_str(t->reply, "OPTIONS ");
        if (host.n) {
                wr_str(t->reply, t->tls ? "rtsps://" : "rtsp://");
                wr_bytes(t->reply, host.p, host.n);
                wr_fmt(t->reply, ":%u/", t->port);
        } else {
                wr_str(t->reply, "*");
        }
        wr_str(t->reply, " RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: trawl\r\n\r\n");
}

static enum banner_match match(struct span in, const struct banner_turn *t)
{
        (void)t;
        return span_match(in, "RTSP/");
}

static enum banner_status parse(struct banner_turn *t)
{
        static const struct message_header want[] = {
                {"Server", "server", false, true},
                {"Public", "public", true, true},
                {"Allow", "allow", true, false},
                {"WWW-Authenticate", "www_authenticate", false, true},
                {"Supported", "supported", true, false},
        };
        struct span head;
        enum banner_match m = message_head(t, "RTSP/", &head);
        if (m != MATCH_YES)
                return m == MATCH_NO ? BANNER_REJECT : BANNER_MORE;
        if (message_status(head) < 100)
                return BANNER_REJECT;
        message_describe(t, APP_RTSP, head, want, ARRAY_LEN(want));
        return BANNER_DONE;
}

const struct banner_ops banner_rtsp = {
        .name = "rtsp",
        .summary = "RTSP video streaming: answer to OPTIONS",
        .app = APP_RTSP,
        .ports = ports,
        .match = match,
        .hello = hello,
        .parse = parse,
};
