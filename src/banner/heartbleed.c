// SPDX-License-Identifier: Apache-2.0
/*
 * heartbleed: CVE-2014-0160. After the server's first flight a heartbeat request is sent that claims 16 KiB
 * of payload and has none; a sound server throws it away (RFC 6520 §4), a vulnerable one answers with that
 * much of its memory. Detection only: the leaked bytes are counted where they lie and written nowhere.
 *
 *   record  | 24 | version 2 | 0003 |      request  | 1 | claimed length 4000 | (no payload, no padding)
 *
 * Invariant: the verdict needs more bytes back than any honest answer to an empty payload could have.
 */
#include "banner/protocols.h"
#include "banner/ssl_raw.h"

enum { CLAIMED = 0x4000, HEAD = 3, PADDING = 16, RESPONSE = 2, ALERT_VERSION = 70 };
enum phase { WAIT_FLIGHT, WAIT_HEARTBEAT };

static void hello(struct banner_turn *t)
{
        static const uint16_t suites[] = {0xc02b, 0xc02f, 0xc00a, 0xc014, 0xc009,
                                          0xc013, 0xc012, 0x009e, 0x009c, 0x0039,
                                          0x0033, 0x0038, 0x0032, 0x0016, 0x0035,
                                          0x002f, 0x000a, 0x0005, 0x0004, SSL_RENEGOTIATION_SCSV};
        struct ssl_hello h = {.record_version = SSL_V10,
                              .version = SSL_V12,
                              .suites = suites,
                              .n_suites = ARRAY_LEN(suites),
                              .extensions = true,
                              .heartbeat = true};
        ssl_raw_hello(t, &h);
}

/* The request, and close_notify behind it: a server that ignores the first ends the wait by the second. */
static void ask(struct banner_turn *t, uint16_t version)
{
        wr_u8(t->reply, SSL_HEARTBEAT);
        wr_be16(t->reply, version);
        wr_be16(t->reply, HEAD);
        wr_u8(t->reply, 1);
        wr_be16(t->reply, CLAIMED);
        wr_u8(t->reply, SSL_ALERT);
        wr_be16(t->reply, version);
        wr_be16(t->reply, 2);
        wr_be16(t->reply, 0x0100);
}

static enum banner_status parse_flight(struct banner_turn *t)
{
        struct ssl_flight f;
        enum banner_match m = ssl_raw_flight(t->in, &f);
        if (m == MATCH_NO)
                return BANNER_REJECT;
        bool too_new = !f.hello && (f.alert & 0xff) == ALERT_VERSION; /* TLS 1.3 alone */
        if (too_new || (f.hello && !f.heartbeat))
                return ssl_raw_safe(t, "SSL[no-heartbeat] ", f.alert);
        if (f.alert) /* it gave up before it could be asked: nothing is proved */
                return BANNER_DONE;
        if (m == MATCH_MAYBE)
                return BANNER_MORE;
        ask(t, f.version);
        t->used = f.used;
        t->phase = WAIT_HEARTBEAT;
        return BANNER_NEXT;
}

/* What came back, counted over all heartbeat records. True: nothing more can change the verdict. */
static bool count_leak(struct span in, size_t *leaked)
{
        struct rd r = rd_of(in);
        size_t total = 0, claimed = 0;
        bool ends = false, response = false;
        while (rd_left(&r) > 5 && !ends) {
                uint8_t type = rd_u8(&r);
                rd_skip(&r, 2);
                size_t len = rd_be16(&r), here = MIN(len, rd_left(&r));
                struct rd body = rd_sub(&r, here);
                ends = type != SSL_HEARTBEAT && type != SSL_HANDSHAKE;
                if (type != SSL_HEARTBEAT)
                        continue;
                if (total == 0 && here >= HEAD) {
                        response = rd_u8(&body) == RESPONSE;
                        claimed = rd_be16(&body);
                }
                total += here;
        }
        if (response && total > HEAD + PADDING)
                *leaked = MIN(total - HEAD, claimed);
        return ends || (total && total >= HEAD + claimed);
}

static enum banner_status parse_heartbeat(struct banner_turn *t)
{
        size_t leaked = 0;
        if (!count_leak(t->in, &leaked) && !t->eof)
                return BANNER_MORE;
        if (!leaked)
                return ssl_raw_safe(t, "SSL[heartbeat] ", 0);
        banner_str(t->out, APP_VULN, "SSL[heartbeat] SSL[HEARTBLEED] ");
        banner_field_str(t->out, APP_VULN, "cve", "CVE-2014-0160");
        banner_field_u64(t->out, APP_VULN, "leaked_bytes", leaked);
        return BANNER_DONE;
}

static enum banner_status parse(struct banner_turn *t)
{
        return t->phase == WAIT_FLIGHT ? parse_flight(t) : parse_heartbeat(t);
}

const struct banner_ops banner_heartbleed = {
        .name = "heartbleed",
        .summary = "TLS heartbeat that leaks memory (CVE-2014-0160)",
        .app = APP_VULN,
        .check = true,
        .hello = hello,
        .parse = parse,
};
