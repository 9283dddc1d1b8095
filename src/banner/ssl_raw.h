// SPDX-License-Identifier: Apache-2.0
/*
 * ssl_raw: what the hand-made TLS and SSL hellos share: one writer of ClientHello, one reader of the server's
 * first flight. No key is ever computed, so nothing behind ServerHelloDone is understood; ordinary TLS is the
 * work of tls/. Private to this folder. RFC 5246 §6.2 (records), §7.4 (handshake), RFC 6101 (SSL 3.0).
 */
#ifndef TRAWL_BANNER_SSL_RAW_H
#define TRAWL_BANNER_SSL_RAW_H
#include "banner/banner.h"

enum {
        SSL_CHANGE_CIPHER = 20,
        SSL_ALERT = 21,
        SSL_HANDSHAKE = 22,
        SSL_HEARTBEAT = 24,
        SSL_RECORD_MAX = 16384 + 2048,
        SSL_V30 = 0x0300,
        SSL_V10 = 0x0301,
        SSL_V12 = 0x0303,
        SSL_FALLBACK_SCSV = 0x5600,     /* RFC 7507 */
        SSL_RENEGOTIATION_SCSV = 0x00ff /* RFC 5746 */
};

struct ssl_hello {
        uint16_t record_version, version;
        const uint16_t *suites;
        size_t n_suites;
        struct span session_id;
        bool extensions, heartbeat;
        struct span ticket; /* with extensions */
};
void ssl_raw_hello(struct banner_turn *, const struct ssl_hello *);
/* n bytes that look random, from the conversation's secret; `use` keeps several apart. */
void ssl_raw_random(const struct banner_turn *, unsigned use, uint8_t *out, size_t n);

struct ssl_flight {
        bool hello;               /* a whole ServerHello was there, and with it the next four */
        uint16_t version, cipher; /* as on the wire */
        uint8_t session_id[32];
        uint8_t n_session_id;
        bool heartbeat;           /* the server's hello has extension 15 (RFC 6520) */
        bool done;                /* ServerHelloDone */
        uint16_t alert;           /* level << 8 | description; 0: none */
        struct span certificates; /* the body of Certificate, when it lies in one record */
        size_t used;              /* bytes up to the end of the record that ended the flight */
};
/* MATCH_YES: the flight is whole, or ended by an alert. MATCH_MAYBE: there may come more; what is known is
 * filled. MATCH_NO: not TLS, or malformed. */
enum banner_match ssl_raw_flight(struct span in, struct ssl_flight *);
/* The banners of a server that was found to speak an old version: "SSLv3 cipher:0x000a" and certificates. */
void ssl_raw_describe(struct banner_turn *, const struct ssl_flight *);
void ssl_raw_certificate(struct banner_turn *, uint16_t app, struct span der);
void ssl_raw_cipher(struct banner_turn *, uint16_t app, uint32_t cipher); /* the field: "0x002f" */
/* A safe verdict: its text, and the alert, if one was the reason. */
enum banner_status ssl_raw_safe(struct banner_turn *, const char *text, uint16_t alert);
#endif
