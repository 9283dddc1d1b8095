// SPDX-License-Identifier: Apache-2.0
/*
 * sip: OPTIONS over TCP, which any SIP server answers without registering or calling anybody, and the answer
 * taken apart. Provisional answers (1xx) are waited through. We give names that cannot exist as our own: no
 * answer is routed by them, it comes back on the connection. RFC 3261 §11, §18.2.2, RFC 6761 §6.4.
 */
#include "banner/message.h"
#include "banner/protocols.h"

static const uint16_t ports[] = {5060, 5061, 0};

static void hello(struct banner_turn *t)
{
        char room[HOST_NAME_MAX_LEN];
        struct span host = host_on_wire(t->name, room);
        if (!host.n)
                host = span_str("trawl.invalid");
        unsigned id = (unsigned)(t->secret >> 32), tag = (unsigned)t->secret;
        wr_str(t->reply, "OPTIONS sip:");
        wr_bytes(t->reply, host.p, host.n);
        wr_fmt(t->reply, " SIP/2.0\r\nVia: SIP/2.0/%s trawl.invalid;branch=z9hG4bK%08x;rport\r\n",
               t->tls ? "TLS" : "TCP", id);
        wr_fmt(t->reply, "Max-Forwards: 70\r\nFrom: <sip:trawl@trawl.invalid>;tag=%08x\r\nTo: <sip:", tag);
        wr_bytes(t->reply, host.p, host.n);
        wr_fmt(t->reply, ">\r\nCall-ID: %08x@trawl.invalid\r\nCSeq: 1 OPTIONS\r\n", id ^ tag);
        wr_str(t->reply, "Contact: <sip:trawl@trawl.invalid>\r\nAccept: application/sdp\r\n"
                         "User-Agent: trawl\r\nContent-Length: 0\r\n\r\n");
}

static enum banner_match match(struct span in, const struct banner_turn *t)
{
        (void)t;
        return span_match(in, "SIP/2.0 ");
}

static enum banner_status parse(struct banner_turn *t)
{
        static const struct message_header want[] = {
                {"Server", "server", false, true},
                {"User-Agent", "user_agent", false, true},
                {"Allow", "allow", true, true},
                {"Supported", "supported", true, false},
                {"k", "supported", true, false},
                {"Accept", "accept", true, false},
                {"Organization", "organization", false, false},
        };
        struct span head;
        enum banner_match m = message_head(t, "SIP/2.0 ", &head);
        if (m != MATCH_YES)
                return m == MATCH_NO ? BANNER_REJECT : BANNER_MORE;
        unsigned status = message_status(head);
        if (status < 100)
                return BANNER_REJECT;
        if (status < 200 && !t->eof) {
                t->used = head.n;
                return BANNER_NEXT;
        }
        message_describe(t, APP_SIP, head, want, ARRAY_LEN(want));
        return BANNER_DONE;
}

const struct banner_ops banner_sip = {
        .name = "sip",
        .summary = "SIP telephony: answer to OPTIONS",
        .app = APP_SIP,
        .ports = ports,
        .match = match,
        .hello = hello,
        .parse = parse,
};
