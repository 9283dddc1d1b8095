// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of src/tls share: servers of OpenSSL's in this process, keys and certificates made for the
 * day, and a talk: a handle of ours and such a server, with the bytes carried between them.
 */
#ifndef TRAWL_TEST_TLS_H
#define TRAWL_TEST_TLS_H
#include "tls/tls_priv.h"
#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- keys and certificates ---- */
static inline EVP_PKEY *key_new(const char *kind)
{
        EVP_PKEY *k;
        if (strcmp(kind, "rsa") == 0)
                k = EVP_RSA_gen(2048);
        else if (strcmp(kind, "ed25519") == 0)
                k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        else
                k = EVP_EC_gen(kind);
        assert_non_null(k);
        return k;
}

static inline void add_san(X509 *x, const char *san)
{
        X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
        assert_non_null(ext);
        X509_add_ext(x, ext, -1);
        X509_EXTENSION_free(ext);
}

/* Everything but the signature. issuer NULL: itself. */
static inline X509 *cert_unsigned(EVP_PKEY *key, const char *cn, const char *san, const X509 *issuer)
{
        X509 *x = X509_new();
        X509_set_version(x, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x), 0x1234ab);
        X509_gmtime_adj(X509_getm_notBefore(x), -3600);
        X509_gmtime_adj(X509_getm_notAfter(x), 86400 * 365L);
        if (cn)
                X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const uint8_t *)cn,
                                           -1, -1, 0);
        X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : X509_get_subject_name(x));
        X509_set_pubkey(x, key);
        if (san)
                add_san(x, san);
        return x;
}

static inline X509 *cert_signed(X509 *x, EVP_PKEY *by)
{
        bool own_hash = EVP_PKEY_get_id(by) == EVP_PKEY_ED25519;
        assert_true(X509_sign(x, by, own_hash ? NULL : EVP_sha256()) > 0);
        return x;
}

static inline X509 *cert_new(EVP_PKEY *key, const char *cn, const char *san)
{
        return cert_signed(cert_unsigned(key, cn, san, NULL), key);
}

/* ---- servers ---- */
static inline SSL_CTX *server_new(X509 *cert, EVP_PKEY *key, int least, int most)
{
        SSL_CTX *c = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_security_level(c, 0);
        SSL_CTX_set_min_proto_version(c, least);
        SSL_CTX_set_max_proto_version(c, most);
        SSL_CTX_set_cipher_list(c, "ALL:COMPLEMENTOFALL:@SECLEVEL=0");
        if (cert) {
                assert_int_equal(SSL_CTX_use_certificate(c, cert), 1);
                assert_int_equal(SSL_CTX_use_PrivateKey(c, key), 1);
        }
        SSL_CTX_set_dh_auto(c, 1);
        return c;
}

/* ---- a talk ---- */
struct talk {
        struct tls_pool *pool;
        unsigned client;
        uint32_t handle;
        SSL *server;
        size_t chunk; /* feed at most so much at once; 0: all */
        /* what came */
        bool ready, over, refused; /* refused: tls_feed() said no */
        enum tls_event_kind last;
        uint16_t alert;
        char text[80];
        struct tls_facts *facts;
        char said[1 << 16]; /* by the server, plain */
        size_t said_len;
        char heard[4096]; /* by the server, from us */
        size_t heard_len;
        uint8_t alert_out[2]; /* of a record that was not encrypted */
};

static inline void talk_server(struct talk *t, SSL_CTX *server)
{
        t->server = SSL_new(server);
        SSL_set_bio(t->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(t->server);
}

static inline void talk_begin(struct talk *t, struct tls_pool *pool, unsigned client, SSL_CTX *server,
                              const struct tls_want *want)
{
        memset(t, 0, sizeof(*t));
        t->pool = pool;
        t->client = client;
        t->handle = tls_open(pool, client, want ? want : &(struct tls_want){.name = NULL});
        assert_int_not_equal(t->handle, TLS_NONE);
        if (server)
                talk_server(t, server);
}

static inline void talk_end(struct talk *t)
{
        if (!t->over)
                tls_close(t->pool, t->client, t->handle);
        SSL_free(t->server);
        tls_facts_free(t->facts);
}

/* One event; its memory is ours. */
static inline void talk_event(struct talk *t, struct tls_event *ev)
{
        assert_int_equal(ev->handle, t->handle);
        assert_false(t->over);
        t->last = ev->kind;
        if (ev->kind == TLS_WIRE && t->server)
                assert_int_equal(BIO_write(SSL_get_rbio(t->server), ev->bytes.p, (int)ev->bytes.n),
                                 (int)ev->bytes.n);
        if (ev->kind == TLS_WIRE && ev->bytes.n == 7 && ev->bytes.p[0] == 21)
                memcpy(t->alert_out, ev->bytes.p + 5, 2);
        if (ev->kind == TLS_PLAIN) {
                assert_true(t->ready && ev->bytes.n <= TLS_PLAIN_MAX);
                size_t n = MIN(ev->bytes.n, sizeof(t->said) - t->said_len);
                memcpy(t->said + t->said_len, ev->bytes.p, n);
                t->said_len += n;
        }
        if (ev->kind == TLS_READY || ev->kind == TLS_FAILED) {
                assert_false(t->ready);
                t->facts = ev->facts;
                ev->facts = NULL;
        }
        t->ready |= ev->kind == TLS_READY;
        if (ev->kind == TLS_FAILED || ev->kind == TLS_CLOSED) {
                t->over = true;
                t->alert = ev->alert;
                memcpy(t->text, ev->text, sizeof(t->text));
        }
        tls_event_free(ev);
}

static inline void feed(struct talk *t, const void *bytes, size_t n)
{
        const uint8_t *p = bytes;
        while (n && !t->over) {
                size_t k = t->chunk ? MIN(t->chunk, n) : n;
                t->refused |= !tls_feed(t->pool, t->client, t->handle, span_of(p, k));
                p += k;
                n -= k;
        }
}

/* The server's turn: reads what came, and what it says goes to the handle. False: it said nothing. */
static inline bool talk_serve(struct talk *t)
{
        uint8_t buf[32768];
        int n, total = 0;
        if (!t->server)
                return false;
        ERR_clear_error();
        n = SSL_read(t->server, t->heard + t->heard_len, (int)(sizeof(t->heard) - t->heard_len - 1));
        if (n > 0)
                t->heard_len += (size_t)n;
        while ((n = BIO_read(SSL_get_wbio(t->server), buf, sizeof(buf))) > 0) {
                feed(t, buf, (size_t)n);
                total += n;
        }
        return total > 0;
}

static inline bool wait_fd(struct tls_pool *pool, unsigned client, int ms)
{
        struct pollfd p = {.fd = tls_fd(pool, client), .events = POLLIN};
        return poll(&p, 1, ms) == 1;
}

/* All that is there to poll for the only handle of this client; waits up to ms for the first. */
static inline unsigned talk_poll(struct talk *t, int ms)
{
        struct tls_event ev[8];
        unsigned n, total = 0;
        if (ms)
                (void)wait_fd(t->pool, t->client, ms);
        while ((n = tls_poll(t->pool, t->client, ev, ARRAY_LEN(ev)))) {
                for (unsigned i = 0; i < n; i++)
                        talk_event(t, &ev[i]);
                total += n;
        }
        return total;
}

enum talk_goal { UNTIL_READY, UNTIL_OVER, UNTIL_HEARD, UNTIL_SAID };
static inline bool talk_reached(const struct talk *t, enum talk_goal goal, size_t n)
{
        switch (goal) {
        case UNTIL_READY:
                return t->ready || t->over;
        case UNTIL_OVER:
                return t->over;
        case UNTIL_HEARD:
                return t->heard_len >= n || t->over;
        case UNTIL_SAID:
                return t->said_len >= n || t->over;
        }
        return true;
}

/* Carries bytes until the goal is reached; a minute without it is a failure. */
static inline void talk_until(struct talk *t, enum talk_goal goal, size_t n)
{
        uint64_t end_ns = clock_mono_ns() + 60 * NS_PER_S;
        while (!talk_reached(t, goal, n)) {
                if (!talk_serve(t))
                        talk_poll(t, 10);
                else
                        talk_poll(t, 0);
                assert_true(clock_mono_ns() < end_ns);
        }
}

static inline struct tls_pool *pool_of(unsigned workers, unsigned clients, uint64_t max_bytes)
{
        struct tls_pool *p = NULL;
        struct err e = {0};
        struct tls_conf c = {.workers = workers, .clients = clients, .max_bytes = max_bytes};
        if (tls_pool_new(&p, &c, &e))
                fail_msg("%s", e.text);
        return p;
}

/* Workers free what was closed in their own time. */
static inline void await_no_handles(struct tls_pool *p)
{
        struct tls_stats s;
        for (int i = 0; i < 10000; i++) {
                tls_stats(p, &s);
                if (!s.handles)
                        return;
                clock_sleep_until(clock_mono_ns() + NS_PER_MS);
        }
        fail_msg("%u handles are left", s.handles);
}
#endif
