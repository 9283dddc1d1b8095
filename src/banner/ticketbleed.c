// SPDX-License-Identifier: Apache-2.0
/*
 * ticketbleed: CVE-2016-9244. A client that resumes by a ticket names the session by an id of its own choice,
 * 1 to 32 bytes, and the server echoes it to say that the ticket was taken (RFC 5077 §3.4). The vulnerable
 * server always echoes 32 bytes: what was sent, and behind it its memory. We send 16. Detection only: the
 * bytes behind ours are counted, never looked at.
 * Invariant: an id that does not begin with ours is a new session's, and says nothing. Without a ticket that
 * the server itself gave us (banner_turn.ticket) it will hardly echo at all, so then nothing is called safe.
 */
#include "banner/protocols.h"
#include "banner/ssl_raw.h"

enum { ID_LEN = 16, TICKET_LEN = 160, TICKET_MAX = 3072, USE_ID = 1, USE_TICKET = 2 };

static void hello(struct banner_turn *t)
{
        static const uint16_t suites[] = {
                0xc02f, 0xc030, 0xc014, 0xc013, 0xc012, 0x009d, 0x009c, 0x003d,
                0x003c, 0x0039, 0x0033, 0x0035, 0x002f, 0x000a, 0x0005, SSL_RENEGOTIATION_SCSV};
        uint8_t id[ID_LEN], made_up[TICKET_LEN];
        bool given = t->ticket.n && t->ticket.n <= TICKET_MAX;
        ssl_raw_random(t, USE_ID, id, sizeof(id));
        ssl_raw_random(t, USE_TICKET, made_up, sizeof(made_up));
        struct ssl_hello h = {.record_version = SSL_V10,
                              .version = SSL_V12,
                              .suites = suites,
                              .n_suites = ARRAY_LEN(suites),
                              .session_id = span_of(id, sizeof(id)),
                              .extensions = true,
                              .ticket = given ? t->ticket : span_of(made_up, sizeof(made_up))};
        ssl_raw_hello(t, &h);
}

static bool echoed(const struct banner_turn *t, const struct ssl_flight *f)
{
        uint8_t id[ID_LEN];
        ssl_raw_random(t, USE_ID, id, sizeof(id));
        for (unsigned i = 0; i < ID_LEN; i++)
                if (f->n_session_id <= i || f->session_id[i] != id[i])
                        return false;
        return true;
}

static enum banner_status parse(struct banner_turn *t)
{
        struct ssl_flight f;
        enum banner_match m = ssl_raw_flight(t->in, &f);
        if (m == MATCH_NO)
                return BANNER_REJECT;
        if (!f.hello)
                return f.alert ? BANNER_DONE : BANNER_MORE;
        if (echoed(t, &f) && f.n_session_id > ID_LEN) {
                banner_str(t->out, APP_VULN, "SSL[ticketbleed] ");
                banner_field_str(t->out, APP_VULN, "cve", "CVE-2016-9244");
                banner_field_u64(t->out, APP_VULN, "leaked_bytes", f.n_session_id - ID_LEN);
                return BANNER_DONE;
        }
        return echoed(t, &f) ? ssl_raw_safe(t, "SSL[no-ticketbleed] ", 0) : BANNER_DONE;
}

const struct banner_ops banner_ticketbleed = {
        .name = "ticketbleed",
        .summary = "TLS session id echoed with memory behind it (CVE-2016-9244)",
        .app = APP_VULN,
        .check = true,
        .hello = hello,
        .parse = parse,
};
