// SPDX-License-Identifier: Apache-2.0
/*
 * poodle: CVE-2014-3566, and servers that speak SSL 3.0 at all. `poodle` offers SSL 3.0 with CBC suites alone
 * and says by TLS_FALLBACK_SCSV that it could do better: alert 86 means that the server minds, 40 and 70 that
 * it has no such thing. `sslv3` offers every suite of SSL 3.0; session/ tries it on servers that fail
 * with today's versions.
 * Invariant: only a ServerHello whose version is 3.0, and for POODLE one that took a CBC suite, counts.
 * RFC 6101, RFC 7507 §3.
 */
#include "banner/protocols.h"
#include "banner/ssl_raw.h"

enum { ALERT_HANDSHAKE = 40, ALERT_VERSION = 70, ALERT_INAPPROPRIATE_FALLBACK = 86 };
#define CBC_SUITES                                                                                      \
        0xc014, 0xc00a, 0xc013, 0xc009, 0xc012, 0xc008, 0x0039, 0x0038, 0x0035, 0x0033, 0x0032, 0x002f, \
                0x0016, 0x0013, 0x000a, 0x0015, 0x0012, 0x0009, 0x0014, 0x0011, 0x0008, 0x0007, 0x0006
static const uint16_t cbc[] = {CBC_SUITES, SSL_FALLBACK_SCSV};
static const uint16_t all[] = {
        CBC_SUITES, 0xc011, 0xc007, 0x0005, 0x0004, 0x0003, 0x0002, 0x0001, SSL_RENEGOTIATION_SCSV};

static void offer(struct banner_turn *t, const uint16_t *suites, size_t n)
{
        struct ssl_hello h = {.record_version = SSL_V30, .version = SSL_V30, .suites = suites, .n_suites = n};
        ssl_raw_hello(t, &h);
}

static void hello_poodle(struct banner_turn *t)
{
        offer(t, cbc, ARRAY_LEN(cbc));
}

static void hello_sslv3(struct banner_turn *t)
{
        offer(t, all, ARRAY_LEN(all));
}

static bool is_cbc(uint16_t cipher)
{
        for (size_t i = 0; i + 1 < ARRAY_LEN(cbc); i++)
                if (cbc[i] == cipher)
                        return true;
        return false;
}

static enum banner_status parse_poodle(struct banner_turn *t)
{
        struct ssl_flight f;
        if (ssl_raw_flight(t->in, &f) == MATCH_NO)
                return BANNER_REJECT;
        if (!f.hello && !f.alert)
                return BANNER_MORE;
        if (!f.hello && (f.alert & 0xff) == ALERT_INAPPROPRIATE_FALLBACK)
                return ssl_raw_safe(t, "poodle[TLS_FALLBACK_SCSV] ", f.alert);
        if (!f.hello && (f.alert & 0xff) != ALERT_HANDSHAKE && (f.alert & 0xff) != ALERT_VERSION)
                return BANNER_DONE; /* it gave up for another reason: nothing is proved */
        if (!f.hello || f.version != SSL_V30 || !is_cbc(f.cipher))
                return ssl_raw_safe(t, "poodle[no-SSLv3] ", f.alert);
        banner_str(t->out, APP_VULN, " POODLE ");
        banner_field_str(t->out, APP_VULN, "cve", "CVE-2014-3566");
        ssl_raw_cipher(t, APP_VULN, f.cipher);
        return BANNER_DONE;
}

static enum banner_status parse_sslv3(struct banner_turn *t)
{
        struct ssl_flight f;
        enum banner_match m = ssl_raw_flight(t->in, &f);
        if (m == MATCH_NO || (f.hello ? f.version != SSL_V30 : f.alert != 0))
                return BANNER_REJECT;
        if (m == MATCH_MAYBE && !(t->eof && f.hello))
                return BANNER_MORE;
        ssl_raw_describe(t, &f);
        banner_str(t->out, APP_VULN, "SSL[v3] ");
        return BANNER_DONE;
}

const struct banner_ops banner_poodle = {
        .name = "poodle",
        .summary = "SSL 3.0 with CBC suites, to be had by a downgrade (CVE-2014-3566)",
        .app = APP_VULN,
        .check = true,
        .hello = hello_poodle,
        .parse = parse_poodle,
};

const struct banner_ops banner_sslv3 = {
        .name = "sslv3",
        .summary = "SSL 3.0",
        .app = APP_SSL,
        .check = true,
        .hello = hello_sslv3,
        .parse = parse_sslv3,
};
