// SPDX-License-Identifier: Apache-2.0
/*
 * conn: one handle at OpenSSL: the row of the library table. OpenSSL reads and writes through a BIO of ours
 * that takes bytes from the handle's messages and collects what is to be sent, so nothing is copied twice and
 * memory comes back as it is used up. Runs in worker threads, each with a library context of its own, since
 * OpenSSL 3 shares locks within one. Invariant: after the last event `over` is set and no more are emitted.
 * Reference: ssl(7), RFC 5246, RFC 8446.
 */
#include "tls_priv.h"
#ifndef HAVE_TLS
const struct tls_library *const tls_library = NULL;
#else
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
        OUT_MAX = 4 << 20,    /* what OpenSSL may want to send in one step; never reached by a sane peer */
        SEND_FRAGMENT = 2048, /* we say little: the buffer for it is small */
        DH_BITS_MAX =
                4096 /* of a prime of the server's own: 8,192 bits take a worker a quarter of a second */
};

struct context {
        OSSL_LIB_CTX *lib;
        OSSL_PROVIDER *provider;
        BIO_METHOD *bio;
        SSL_CTX *ssl;
};

/* ---- bytes between OpenSSL and the handle ---- */
static int bio_read(BIO *b, char *buf, int len)
{
        struct tls_handle *h = BIO_get_data(b);
        struct tls_msg *m = (struct tls_msg *)h->in;
        BIO_clear_retry_flags(b);
        if (!m && h->at_eof)
                return 0;
        if (!m) {
                BIO_set_retry_read(b);
                return -1;
        }
        size_t n = MIN((size_t)len, m->n - m->at);
        memcpy(buf, (uint8_t *)(m + 1) + m->at, n);
        m->at += n;
        if (m->at == m->n) {
                h->in = m->node.next;
                if (!h->in)
                        h->in_last = &h->in;
                tls_msg_free(h, m);
        }
        if (!h->ready && (h->handshake_bytes += n) > TLS_HANDSHAKE_MAX) {
                h->flooded = true;
                return -1;
        }
        return (int)n;
}

static int bio_write(BIO *b, const char *buf, int len)
{
        struct tls_handle *h = BIO_get_data(b);
        struct err e;
        size_t n = (size_t)len;
        BIO_clear_retry_flags(b);
        if (n > OUT_MAX - h->out_len || mem_grow(&h->out, &h->out_cap, h->out_len + n, 1, &e))
                return -1;
        memcpy(h->out + h->out_len, buf, n);
        h->out_len += n;
        return len;
}

static long bio_ctrl(BIO *b, int what, long n, void *p)
{
        const struct tls_handle *h = BIO_get_data(b);
        (void)n, (void)p;
        return what == BIO_CTRL_FLUSH || (what == BIO_CTRL_EOF && h->at_eof && !h->in);
}

static BIO_METHOD *bio_method(void)
{
        BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "handle");
        if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
            BIO_meth_set_ctrl(m, bio_ctrl))
                return m;
        BIO_meth_free(m);
        return NULL;
}

/* ---- a worker's context ---- */

/* The best first, so that a server that lets us choose shows it; what protects nothing last, since a server
 * that can do nothing else is worth knowing. Shared secrets are left out: we have none. */
static const char ciphers_12[] =
        "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ALL:!PSK:!SRP:+kRSA:+aNULL:"
        "COMPLEMENTOFALL:@SECLEVEL=0";
static const char ciphers_13[] =
        "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:"
        "TLS_AES_128_CCM_8_SHA256";
static const char groups[] =
        "X25519:P-256:X448:P-384:P-521:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192";

/* Everything may be weak. What may not be is a prime that keeps a worker busy: of the standard ones OpenSSL
 * knows how to make short work. */
static int on_security(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *arg)
{
        char name[64];
        size_t n;
        (void)ssl, (void)ctx, (void)bits, (void)nid, (void)arg;
        return op != SSL_SECOP_TMP_DH || !other || EVP_PKEY_get_bits(other) <= DH_BITS_MAX ||
               EVP_PKEY_get_group_name(other, name, sizeof(name), &n);
}

static bool set_up(SSL_CTX *c)
{
        SSL_CTX_set_security_level(c, 0);
        SSL_CTX_set_security_callback(c, on_security);
        SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_options(c, SSL_OP_ALL | SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_NO_COMPRESSION);
        SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
        SSL_CTX_set_max_send_fragment(c, SEND_FRAGMENT);
        SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_max_cert_list(c, TLS_CERT_LIST_MAX);
        return SSL_CTX_set_min_proto_version(c, TLS1_VERSION) && SSL_CTX_set_max_proto_version(c, 0) &&
               SSL_CTX_set_cipher_list(c, ciphers_12) && SSL_CTX_set_ciphersuites(c, ciphers_13) &&
               SSL_CTX_set1_groups_list(c, groups);
}

static void context_free(void *context)
{
        struct context *c = context;
        SSL_CTX_free(c->ssl);
        BIO_meth_free(c->bio);
        if (c->provider)
                OSSL_PROVIDER_unload(c->provider);
        OSSL_LIB_CTX_free(c->lib);
        free(c);
}

/* The system's openssl.cnf may forbid what we are here to see, so it is not read. */
static void *context_new(struct err *e)
{
        struct context *c = calloc(1, sizeof(*c));
        if (!c) {
                err_set(e, 0, "out of memory for TLS");
                return NULL;
        }
        OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
        if ((c->lib = OSSL_LIB_CTX_new()) && (c->provider = OSSL_PROVIDER_load(c->lib, "default")) &&
            (c->bio = bio_method()) && (c->ssl = SSL_CTX_new_ex(c->lib, NULL, TLS_client_method())) &&
            set_up(c->ssl))
                return c;
        const char *why = ERR_reason_error_string(ERR_peek_last_error());
        err_set(e, 0, "OpenSSL cannot be set up: %s", why ? why : "out of memory");
        context_free(c);
        return NULL;
}

/* ---- events ---- */
static void flush(struct tls_handle *h)
{
        if (!h->out_len)
                return;
        struct tls_event ev = {.kind = TLS_WIRE, .bytes = span_of(h->out, h->out_len)};
        h->out = NULL;
        h->out_len = h->out_cap = 0;
        tls_emit(h, &ev, 0);
}

static const char *cipher_name(const struct tls_handle *h)
{
        uint8_t wire[2];
        put_be16(wire, h->seen.cipher);
        const SSL_CIPHER *c = SSL_CIPHER_find(h->ssl, wire);
        const char *name = c ? SSL_CIPHER_standard_name(c) : NULL;
        return name ? name : "";
}

static void emit_with_facts(struct tls_handle *h, struct tls_event *ev)
{
        size_t size = 0;
        if (h->seen.version)
                ev->facts = tls_facts_make(&h->seen, cipher_name(h), &size);
        tls_seen_free(&h->seen);
        tls_emit(h, ev, size);
}

/* RFC 8446 §6; what this OpenSSL has no words for is told here. */
static const char *alert_name(unsigned alert)
{
        switch (alert) {
        case 86:
                return "inappropriate fallback";
        case 109:
                return "missing extension";
        case 116:
                return "certificate required";
        case 120:
                return "no application protocol";
        default:
                return SSL_alert_desc_string_long((int)alert);
        }
}

static void say_why(const struct tls_handle *h, struct tls_event *ev, int error)
{
        unsigned long code = ERR_peek_last_error();
        const char *reason = ERR_reason_error_string(code);
        if (h->flooded)
                snprintf(ev->text, sizeof(ev->text), "a handshake of more than %u bytes", TLS_HANDSHAKE_MAX);
        else if (ERR_GET_REASON(code) == SSL_R_DH_KEY_TOO_SMALL && h->seen.dh_bits > DH_BITS_MAX)
                snprintf(ev->text, sizeof(ev->text), "a DH prime of %u bits", h->seen.dh_bits);
        else if (error == SSL_ERROR_ZERO_RETURN)
                snprintf(ev->text, sizeof(ev->text), "close notify");
        else if (h->at_eof && !h->in && !h->alert)
                snprintf(ev->text, sizeof(ev->text), "%s",
                         h->ready ? "closed without notice" : "closed in mid-handshake");
        else if (h->alert && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET)
                snprintf(ev->text, sizeof(ev->text), "%s (alert %u)", alert_name(h->alert & 0xff),
                         h->alert & 0xffu);
        else
                snprintf(ev->text, sizeof(ev->text), "%s", reason ? reason : "out of memory");
}

/* The last event, whatever `error` of SSL_get_error() led to it. */
static void finish(struct tls_handle *h, int error)
{
        struct tls_event ev = {.kind = h->ready ? TLS_CLOSED : TLS_FAILED, .alert = h->alert};
        say_why(h, &ev, error);
        if (h->ready && error == SSL_ERROR_ZERO_RETURN)
                (void)SSL_shutdown(h->ssl);
        flush(h);
        h->over = true;
        if (h->ready) {
                tls_emit(h, &ev, 0);
                return;
        }
        atomic_fetch_add_explicit(&h->pool->failed, 1, memory_order_relaxed);
        emit_with_facts(h, &ev);
}

/* ---- what the peer's messages say ---- */
static enum tls_exchange exchange_of(const SSL *ssl, uint16_t cipher)
{
        uint8_t wire[2];
        put_be16(wire, cipher);
        const SSL_CIPHER *c = SSL_CIPHER_find((SSL *)(uintptr_t)ssl, wire);
        switch (c ? SSL_CIPHER_get_kx_nid(c) : NID_undef) {
        case NID_kx_ecdhe:
                return TLS_KX_ECDHE;
        case NID_kx_dhe:
                return TLS_KX_DHE;
        default:
                return TLS_KX_OTHER;
        }
}

static void on_message(int sent, int version, int type, const void *buf, size_t len, SSL *ssl, void *arg)
{
        struct tls_handle *h = arg;
        const uint8_t *p = buf;
        (void)version;
        if (sent)
                return;
        if (type == SSL3_RT_ALERT && len == 2)
                h->alert = get_be16(p);
        else if (type == SSL3_RT_HANDSHAKE && !h->ready)
                tls_seen_message(&h->seen, span_of(p, len), exchange_of(ssl, h->seen.cipher));
}

/* ---- a handle's life ---- */
static void stop(struct tls_handle *h)
{
        SSL_free(h->ssl);
        h->ssl = NULL;
}

static bool prepare(struct tls_handle *h, SSL *ssl, const struct tls_ask *ask)
{
        SSL_set_msg_callback(ssl, on_message);
        SSL_set_msg_callback_arg(ssl, h);
        SSL_set_connect_state(ssl);
        return (!ask->min_version || SSL_set_min_proto_version(ssl, ask->min_version)) &&
               (!ask->max_version || SSL_set_max_proto_version(ssl, ask->max_version)) &&
               (!ask->name[0] || SSL_set_tlsext_host_name(ssl, ask->name)) &&
               (!ask->alpn_len || SSL_set_alpn_protos(ssl, ask->alpn, ask->alpn_len) == 0);
}

static void start(struct tls_handle *h, void *context, const struct tls_ask *ask)
{
        struct context *c = context;
        ERR_clear_error();
        SSL *ssl = SSL_new(c->ssl);
        BIO *bio = BIO_new(c->bio);
        h->ssl = ssl;
        if (!ssl || !bio) {
                BIO_free(bio);
                finish(h, SSL_ERROR_SSL);
                return;
        }
        BIO_set_data(bio, h);
        BIO_set_init(bio, 1);
        SSL_set_bio(ssl, bio, bio);
        if (!prepare(h, ssl, ask))
                finish(h, SSL_ERROR_SSL);
}

static bool handshake(struct tls_handle *h)
{
        int rc = SSL_do_handshake(h->ssl), error = SSL_get_error(h->ssl, rc);
        if (rc == 1) {
                struct tls_event ev = {.kind = TLS_READY};
                h->ready = true;
                flush(h);
                atomic_fetch_add_explicit(&h->pool->ready, 1, memory_order_relaxed);
                emit_with_facts(h, &ev);
                return true;
        }
        if (error != SSL_ERROR_WANT_READ)
                finish(h, error);
        flush(h);
        return false;
}

/* One record at a time, so that a long text does not make one long event. False: not now, or never. */
static bool write_plain(struct tls_handle *h)
{
        while (h->plain && !tls_out_full(h)) {
                struct tls_msg *m = (struct tls_msg *)h->plain;
                size_t n = MIN(m->n - m->at, (size_t)TLS_PLAIN_MAX), put;
                if (n && !SSL_write_ex(h->ssl, (uint8_t *)(m + 1) + m->at, n, &put)) {
                        int error = SSL_get_error(h->ssl, 0);
                        if (error == SSL_ERROR_WANT_READ) /* the peer has to say something first */
                                break;
                        finish(h, error);
                        return false;
                }
                flush(h);
                m->at += n;
                if (m->at < m->n)
                        continue;
                h->plain = m->node.next;
                if (!h->plain)
                        h->plain_last = &h->plain;
                tls_msg_free(h, m);
        }
        return !h->over;
}

/* Fills one event from as many records as there are. False: no more for now, or ever. */
static bool read_plain(struct tls_handle *h, uint8_t *room, size_t cap)
{
        size_t n = 0, k;
        int ok = 1, error = SSL_ERROR_NONE;
        while (n < cap && (ok = SSL_read_ex(h->ssl, room + n, cap - n, &k)))
                n += k;
        if (!ok)
                error = SSL_get_error(h->ssl, 0);
        uint8_t *copy = n ? malloc(n) : NULL;
        if (copy) {
                struct tls_event ev = {.kind = TLS_PLAIN, .bytes = span_of(copy, n)};
                memcpy(copy, room, n);
                tls_emit(h, &ev, 0);
        }
        if (!ok && error != SSL_ERROR_WANT_READ)
                finish(h, error);
        flush(h);
        return ok && !h->over;
}

static void step(struct tls_handle *h, uint8_t *room, size_t cap)
{
        ERR_clear_error();
        if (!h->ready && !handshake(h))
                return;
        if (!write_plain(h))
                return;
        while (!tls_out_full(h) && read_plain(h, room, cap))
                ;
}

static const struct tls_library openssl = {context_new, context_free, start, step, stop};
const struct tls_library *const tls_library = &openssl;
#endif
