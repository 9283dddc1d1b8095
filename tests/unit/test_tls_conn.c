// SPDX-License-Identifier: Apache-2.0
/*
 * One handle and one server of OpenSSL's: every version and kind of key, what is learnt of each, what is said
 * inside, and how conversations end: by alerts, by garbage, by servers that want a certificate of us, that
 * never stop, or that begin again and again. Certificates are compared with the bytes the server has.
 */
#ifdef HAVE_TLS
#include "test_tls.h"

static struct tls_pool *pool;
static EVP_PKEY *rsa, *ec;
static X509 *rsa_cert, *ec_cert;

static int make_things(void **state)
{
        (void)state;
        pool = pool_of(1, 1, 0);
        rsa = key_new("rsa");
        ec = key_new("P-256");
        rsa_cert = cert_new(rsa, "rsa.example", "DNS:rsa.example,DNS:*.rsa.example,IP:192.0.2.7");
        ec_cert = cert_new(ec, "ec.example", NULL);
        return 0;
}

static int free_things(void **state)
{
        (void)state;
        X509_free(rsa_cert);
        X509_free(ec_cert);
        EVP_PKEY_free(rsa);
        EVP_PKEY_free(ec);
        await_no_handles(pool);
        tls_pool_free(pool);
        return 0;
}

static void assert_der(const struct tls_cert *c, X509 *x)
{
        uint8_t *der = NULL, md[32];
        int n = i2d_X509(x, &der);
        assert_int_equal(c->der.n, n);
        assert_memory_equal(c->der.p, der, (size_t)n);
        EVP_Digest(der, (size_t)n, md, NULL, EVP_sha256(), NULL);
        assert_memory_equal(c->sha256, md, 32);
        OPENSSL_free(der);
}

/* ---- every version, every key ---- */
static void say_both_ways(struct talk *t)
{
        char line[] = "GET / HTTP/1.0\r\n\r\n";
        assert_true(tls_write(pool, 0, t->handle, span_str(line)));
        talk_until(t, UNTIL_HEARD, strlen(line));
        assert_string_equal(t->heard, line);
        assert_int_equal(SSL_write(t->server, "HTTP/1.0 200 OK", 15), 15);
        talk_until(t, UNTIL_SAID, 15);
        assert_memory_equal(t->said, "HTTP/1.0 200 OK", 15);
        SSL_shutdown(t->server);
        talk_until(t, UNTIL_OVER, 0);
        assert_int_equal(t->last, TLS_CLOSED);
        assert_int_equal(t->alert, 0x0100);
}

static void one_kind(EVP_PKEY *key, X509 *cert, int version, enum tls_cert_key kind, unsigned bits)
{
        SSL_CTX *server = server_new(cert, key, version, version);
        struct talk t;
        talk_begin(&t, pool, 0, server, NULL);
        talk_until(&t, UNTIL_READY, 0);
        if (!t.ready)
                fail_msg("version %x: %s", (unsigned)version, t.text);
        assert_int_equal(t.facts->version, version);
        const SSL_CIPHER *c = SSL_get_current_cipher(t.server);
        assert_int_equal(t.facts->cipher, SSL_CIPHER_get_protocol_id(c));
        assert_string_equal(t.facts->cipher_name, SSL_CIPHER_standard_name(c));
        assert_string_equal(t.facts->group, "x25519");
        assert_string_equal(t.facts->alpn, "");
        assert_int_equal(t.facts->resumption, version < TLS1_3_VERSION);
        assert_int_equal(t.facts->n_certs, 1);
        assert_der(&t.facts->certs[0], cert);
        assert_int_equal(t.facts->certs[0].key, kind);
        assert_int_equal(t.facts->certs[0].key_bits, bits);
        assert_true(t.facts->certs[0].self_signed);
        say_both_ways(&t);
        talk_end(&t);
        SSL_CTX_free(server);
}

static void versions_and_keys(void **state)
{
        (void)state;
        for (int v = TLS1_VERSION; v <= TLS1_3_VERSION; v++) {
                one_kind(rsa, rsa_cert, v, TLS_KEY_RSA, 2048);
                one_kind(ec, ec_cert, v, TLS_KEY_EC, 256);
        }
        EVP_PKEY *ed = key_new("ed25519"), *big = key_new("P-521");
        X509 *ed_cert = cert_new(ed, "ed.example", NULL), *big_cert = cert_new(big, "big.example", NULL);
        for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
                one_kind(ed, ed_cert, v, TLS_KEY_ED25519, 256);
                one_kind(big, big_cert, v, TLS_KEY_EC, 521);
        }
        X509_free(ed_cert);
        X509_free(big_cert);
        EVP_PKEY_free(ed);
        EVP_PKEY_free(big);
}

static void certificate_fields(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(rsa_cert, rsa, 0, 0);
        struct talk t;
        talk_begin(&t, pool, 0, server, NULL);
        talk_until(&t, UNTIL_READY, 0);
        const struct tls_cert *c = &t.facts->certs[0];
        assert_string_equal(c->subject_cn, "rsa.example");
        assert_string_equal(c->subject, "CN=rsa.example");
        assert_string_equal(c->issuer, "CN=rsa.example");
        assert_string_equal(c->serial, "1234AB");
        assert_string_equal(c->signature, "sha256WithRSAEncryption");
        assert_int_equal(c->n_names, 3);
        assert_string_equal(c->names[1], "*.rsa.example");
        assert_string_equal(c->names[2], "192.0.2.7");
        assert_int_equal(c->not_after - c->not_before, 86400 * 365 + 3600);
        assert_in_range(c->not_before, clock_wall_ns() / NS_PER_S - 3700, clock_wall_ns() / NS_PER_S - 3500);
        talk_end(&t);
        SSL_CTX_free(server);
}

static void bytes_one_by_one(void **state)
{
        (void)state;
        for (int v = TLS1_VERSION; v <= TLS1_3_VERSION; v++) {
                SSL_CTX *server = server_new(rsa_cert, rsa, v, v);
                struct talk t;
                talk_begin(&t, pool, 0, server, NULL);
                t.chunk = 1;
                talk_until(&t, UNTIL_READY, 0);
                assert_true(t.ready && t.facts->n_certs == 1);
                say_both_ways(&t);
                talk_end(&t);
                SSL_CTX_free(server);
        }
}

static void written_before_ready(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(ec_cert, ec, 0, 0);
        struct talk t;
        talk_begin(&t, pool, 0, server, NULL);
        assert_true(tls_write(pool, 0, t.handle, span_str("early ")));
        assert_true(tls_write(pool, 0, t.handle, span_str("bird")));
        talk_until(&t, UNTIL_HEARD, 10);
        assert_string_equal(t.heard, "early bird");
        talk_end(&t);
        SSL_CTX_free(server);
}

/* ---- key exchanges ---- */
static void one_exchange(const char *ciphers, const char *groups, int version, const char *group,
                         size_t certs)
{
        SSL_CTX *server = server_new(rsa_cert, rsa, version, version);
        struct talk t;
        if (ciphers)
                assert_true(SSL_CTX_set_cipher_list(server, ciphers));
        if (groups)
                assert_true(SSL_CTX_set1_groups_list(server, groups));
        talk_begin(&t, pool, 0, server, NULL);
        talk_until(&t, UNTIL_READY, 0);
        if (!t.ready)
                fail_msg("%s: %s", ciphers ? ciphers : groups, t.text);
        assert_string_equal(t.facts->group, group);
        assert_int_equal(t.facts->n_certs, certs);
        say_both_ways(&t);
        talk_end(&t);
        SSL_CTX_free(server);
}

static void key_exchanges(void **state)
{
        (void)state;
        one_exchange("DHE-RSA-AES128-SHA", NULL, TLS1_VERSION, "dh2048", 1);
        one_exchange("ECDHE-RSA-AES256-SHA", "P-521", TLS1_1_VERSION, "secp521r1", 1);
        one_exchange("AES128-SHA", NULL, TLS1_2_VERSION, "", 1);
        one_exchange(NULL, "P-384", TLS1_3_VERSION, "secp384r1", 1); /* by HelloRetryRequest */
        one_exchange(NULL, "ffdhe2048", TLS1_3_VERSION, "ffdhe2048", 1);
        one_exchange("ADH-AES128-SHA:@SECLEVEL=0", NULL, TLS1_VERSION, "dh1024", 0);
        one_exchange("AECDH-AES128-SHA:@SECLEVEL=0", NULL, TLS1_2_VERSION, "x25519", 0);
        one_exchange("NULL-SHA256:@SECLEVEL=0", NULL, TLS1_2_VERSION, "", 1);
        one_exchange("NULL-MD5:@SECLEVEL=0", NULL, TLS1_VERSION, "", 1);
}

/* A prime of its own of 8,192 bits: ffdhe8192's, with a generator that nobody uses with it. */
static EVP_PKEY *huge_dh(void)
{
        EVP_PKEY *named = EVP_PKEY_new(), *own = NULL;
        EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
        OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
        BIGNUM *p = NULL, *g = BN_new();
        assert_true(EVP_PKEY_keygen_init(c) > 0 && EVP_PKEY_CTX_set_group_name(c, "ffdhe8192") > 0 &&
                    EVP_PKEY_generate(c, &named) > 0 && EVP_PKEY_get_bn_param(named, "p", &p) > 0);
        BN_set_word(g, 5);
        OSSL_PARAM_BLD_push_BN(b, "p", p);
        OSSL_PARAM_BLD_push_BN(b, "g", g);
        OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
        assert_true(EVP_PKEY_fromdata_init(c) > 0 &&
                    EVP_PKEY_fromdata(c, &own, EVP_PKEY_KEY_PARAMETERS, params) > 0);
        OSSL_PARAM_free(params);
        OSSL_PARAM_BLD_free(b);
        EVP_PKEY_CTX_free(c);
        EVP_PKEY_free(named);
        BN_free(p);
        BN_free(g);
        return own;
}

static void huge_prime(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(rsa_cert, rsa, TLS1_2_VERSION, TLS1_2_VERSION);
        struct talk t;
        SSL_CTX_set_cipher_list(server, "DHE-RSA-AES128-SHA");
        SSL_CTX_set_dh_auto(server, 0);
        assert_int_equal(SSL_CTX_set0_tmp_dh_pkey(server, huge_dh()), 1);
        talk_begin(&t, pool, 0, server, NULL);
        talk_until(&t, UNTIL_OVER, 0);
        assert_int_equal(t.last, TLS_FAILED);
        assert_string_equal(t.text, "a DH prime of 8192 bits");
        assert_string_equal(t.facts->group, "dh8192");
        assert_der(&t.facts->certs[0], rsa_cert);
        talk_end(&t);
        SSL_CTX_free(server);
}

/* A server that leaves the choice to us shows the best of what it has. */
static void modern_first(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(rsa_cert, rsa, TLS1_2_VERSION, TLS1_2_VERSION);
        struct talk t;
        talk_begin(&t, pool, 0, server, NULL);
        talk_until(&t, UNTIL_READY, 0);
        assert_string_equal(t.facts->cipher_name, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
        talk_end(&t);
        SSL_CTX_free(server);
}

/* ---- names and protocols ---- */
static char asked_name[256];
static SSL_CTX *wildcard_server;

static int on_name(SSL *ssl, int *alert, void *arg)
{
        const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        (void)alert, (void)arg;
        snprintf(asked_name, sizeof(asked_name), "%s", name ? name : "(none)");
        if (name && strlen(name) > 8 && strcmp(name + strlen(name) - 8, ".example") == 0)
                SSL_set_SSL_CTX(ssl, wildcard_server);
        return SSL_TLSEXT_ERR_OK;
}

static void one_name(SSL_CTX *server, const char *name, const char *asked, const char *cn)
{
        struct talk t;
        talk_begin(&t, pool, 0, server, &(struct tls_want){.name = name});
        talk_until(&t, UNTIL_READY, 0);
        assert_true(t.ready);
        assert_string_equal(asked_name, asked);
        assert_string_equal(t.facts->certs[0].subject_cn, cn);
        talk_end(&t);
}

static void server_names(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(ec_cert, ec, 0, 0);
        X509 *wild = cert_new(rsa, "*.example", "DNS:*.example");
        wildcard_server = server_new(wild, rsa, 0, 0);
        SSL_CTX_set_tlsext_servername_callback(server, on_name);
        one_name(server, "www.example", "www.example", "*.example");
        one_name(server, "www.example.", "www.example", "*.example");
        one_name(server, "other.test", "other.test", "ec.example");
        one_name(server, NULL, "(none)", "ec.example");
        one_name(server, "192.0.2.1", "(none)", "ec.example");
        one_name(server, "2001:db8::1", "(none)", "ec.example");
        one_name(server, "[2001:db8::1]", "(none)", "ec.example");
        one_name(server, "127.1", "(none)", "ec.example");
        one_name(server, "b\u00fccher.test", "xn--bcher-kva.test", "ec.example");
        SSL_CTX_free(server);
        SSL_CTX_free(wildcard_server);
        X509_free(wild);
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
                   unsigned in_n, void *arg)
{
        unsigned char *chosen;
        const char *ours = arg;
        (void)ssl;
        if (SSL_select_next_proto(&chosen, n, (const uint8_t *)ours, (unsigned)strlen(ours), in, in_n) !=
            OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
}

static void one_alpn(const char *ours, const char *list, int version, const char *chosen)
{
        SSL_CTX *server = server_new(ec_cert, ec, version, version);
        struct talk t;
        SSL_CTX_set_alpn_select_cb(server, on_alpn, (void *)(uintptr_t)ours);
        talk_begin(&t, pool, 0, server, &(struct tls_want){.alpn = list});
        talk_until(&t, UNTIL_READY, 0);
        assert_int_equal(t.ready, chosen != NULL);
        if (chosen)
                assert_string_equal(t.facts->alpn, chosen);
        else
                assert_int_equal(t.alert, 0x0278); /* no_application_protocol */
        talk_end(&t);
        SSL_CTX_free(server);
}

static void protocols(void **state)
{
        (void)state;
        for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
                one_alpn("\x2h2\x8http/1.1", "http/1.1,h2", v, "h2");
                one_alpn("\x8http/1.1", "h2,http/1.1", v, "http/1.1");
                one_alpn("\x3xyz", "h2,http/1.1", v, NULL);
                one_alpn("\x2h2", NULL, v, "");
        }
}

/* ---- chains ---- */
static void chain_of(unsigned n, struct talk *t)
{
        SSL_CTX *server = server_new(rsa_cert, rsa, 0, 0);
        X509 *issuer = cert_new(ec, "Some Authority", NULL);
        for (unsigned i = 1; i < n; i++)
                SSL_CTX_add1_chain_cert(server, issuer);
        talk_begin(t, pool, 0, server, NULL);
        talk_until(t, UNTIL_READY, 0);
        X509_free(issuer);
        SSL_CTX_free(server);
}

static void chains(void **state)
{
        (void)state;
        struct talk t;
        chain_of(3, &t);
        assert_true(t.ready);
        assert_int_equal(t.facts->n_certs, 3);
        assert_der(&t.facts->certs[0], rsa_cert);
        assert_string_equal(t.facts->certs[2].subject_cn, "Some Authority");
        talk_end(&t);
        chain_of(100, &t);
        assert_true(t.ready);
        assert_int_equal(t.facts->n_certs, 32);
        talk_end(&t);
        chain_of(1000, &t);
        assert_int_equal(t.last, TLS_FAILED);
        assert_string_equal(t.text, "excessive message size");
        assert_int_equal(t.facts->version, TLS1_3_VERSION);
        assert_int_equal(t.facts->n_certs, 0);
        talk_end(&t);
}

/* ---- failures that tell something ---- */
static void certificate_wanted(void **state)
{
        (void)state;
        for (int v = TLS1_VERSION; v <= TLS1_3_VERSION; v++) {
                SSL_CTX *server = server_new(rsa_cert, rsa, v, v);
                struct talk t;
                SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
                talk_begin(&t, pool, 0, server, NULL);
                talk_until(&t, UNTIL_OVER, 0);
                assert_int_equal(t.ready, v == TLS1_3_VERSION); /* where the server speaks last */
                assert_int_equal(t.alert, v == TLS1_3_VERSION ? 0x0274 : 0x0228);
                assert_string_equal(t.text, v == TLS1_3_VERSION ? "certificate required (alert 116)"
                                                                : "handshake failure (alert 40)");
                assert_int_equal(t.facts->version, v);
                assert_der(&t.facts->certs[0], rsa_cert);
                talk_end(&t);
                SSL_CTX_free(server);
        }
}

static void versions_wanted(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(rsa_cert, rsa, TLS1_2_VERSION, TLS1_3_VERSION);
        struct talk t;
        talk_begin(&t, pool, 0, server, &(struct tls_want){.max_version = TLS1_1_VERSION});
        talk_until(&t, UNTIL_OVER, 0);
        assert_int_equal(t.last, TLS_FAILED);
        assert_int_equal(t.alert, 0x0246);
        assert_null(t.facts);
        talk_end(&t);
        talk_begin(&t, pool, 0, server, &(struct tls_want){NULL, NULL, TLS1_2_VERSION, TLS1_2_VERSION});
        talk_until(&t, UNTIL_READY, 0);
        assert_int_equal(t.facts->version, TLS1_2_VERSION);
        talk_end(&t);
        talk_begin(&t, pool, 0, server, &(struct tls_want){.max_version = SSL3_VERSION});
        talk_until(&t, UNTIL_OVER, 0);
        assert_int_equal(t.last, TLS_FAILED);
        talk_end(&t);
        SSL_CTX_free(server);
}

/* ---- bytes of no server's ---- */
static void raw(const void *bytes, size_t n, struct talk *t)
{
        talk_begin(t, pool, 0, NULL, NULL);
        feed(t, bytes, n);
        talk_until(t, UNTIL_OVER, 0);
        assert_int_equal(t->last, TLS_FAILED);
}

static void alerts_and_garbage(void **state)
{
        (void)state;
        struct talk t;
        raw("\x15\x03\x01\x00\x02\x02\x28", 7, &t);
        assert_int_equal(t.alert, 0x0228);
        assert_string_equal(t.text, "handshake failure (alert 40)");
        assert_null(t.facts);
        talk_end(&t);
        raw("\x15\x03\x01\x00\x02\x01\x00", 7, &t);
        assert_int_equal(t.alert, 0x0100);
        assert_string_equal(t.text, "close notify");
        talk_end(&t);
        raw("HTTP/1.1 400 Bad Request\r\n\r\n", 28, &t);
        assert_int_equal(t.alert, 0);
        assert_string_equal(t.text, "wrong version number");
        talk_end(&t);
        uint8_t noise[4096];
        for (size_t i = 0; i < sizeof(noise); i++)
                noise[i] = (uint8_t)hash_mix64(i + 1);
        raw(noise, sizeof(noise), &t);
        assert_true(t.text[0] != 0);
        talk_end(&t);
}

/* A server that knows SSL 3.0 only: OpenSSL will have none of it, but version and cipher are told. */
static void old_server(void **state)
{
        (void)state;
        uint8_t hello[5 + 4 + 38] = {0x16, 0x03, 0x00, 0, 42, 2, 0, 0, 38, 0x03, 0x00};
        struct talk t;
        put_be16(hello + 5 + 4 + 35, 0x000a);
        raw(hello, sizeof(hello), &t);
        assert_non_null(t.facts);
        assert_int_equal(t.facts->version, 0x0300);
        assert_int_equal(t.facts->cipher, 0x000a);
        assert_int_equal(t.facts->n_certs, 0);
        talk_end(&t);
}

/* A certificate that OpenSSL cannot read ends the handshake; what can be read of it is told. */
static void broken_certificate(void **state)
{
        (void)state;
        uint8_t flight[4096], *der = NULL;
        struct wr w = wr_of(flight, sizeof(flight));
        struct talk t;
        size_t n = (size_t)i2d_X509(rsa_cert, &der) - 280; /* the signature and the last names are cut off */
        wr_bytes(&w, "\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03", 11);
        wr_bytes(&w, (uint8_t[33]){0}, 33);
        wr_be16(&w, 0x002f);
        wr_u8(&w, 0);
        wr_bytes(&w, "\x16\x03\x03", 3);
        wr_be16(&w, (uint16_t)(n + 10));
        wr_be16(&w, 11 << 8);
        wr_be16(&w, (uint16_t)(n + 6));
        for (int i = 0; i < 2; i++) {
                wr_u8(&w, 0);
                wr_be16(&w, (uint16_t)(n + (i ? 0 : 3)));
        }
        wr_bytes(&w, der, n);
        raw(flight, wr_len(&w), &t);
        assert_int_equal(t.alert, 0);
        assert_int_equal(t.facts->cipher, 0x002f);
        assert_int_equal(t.facts->n_certs, 1);
        assert_int_equal(t.facts->certs[0].der.n, n);
        assert_string_equal(t.facts->certs[0].subject_cn, "rsa.example");
        assert_int_equal(t.facts->certs[0].key_bits, 2048);
        assert_string_equal(t.facts->certs[0].signature, "");
        OPENSSL_free(der);
        talk_end(&t);
}

static void endless_handshake(void **state)
{
        (void)state;
        uint8_t requests[9 * 1000]; /* HelloRequests are passed over in a handshake: RFC 5246 §7.4.1.1 */
        struct talk t;
        for (size_t i = 0; i < sizeof(requests); i += 9)
                memcpy(requests + i, "\x16\x03\x03\x00\x04\x00\x00\x00\x00", 9);
        talk_begin(&t, pool, 0, NULL, NULL);
        size_t taken = 0;
        for (uint64_t end_ns = clock_mono_ns() + 60 * NS_PER_S; !t.over; talk_poll(&t, 1)) {
                assert_true(clock_mono_ns() < end_ns);
                if (tls_feed(pool, 0, t.handle, span_of(requests, sizeof(requests))))
                        taken += sizeof(requests);
        }
        assert_in_range(taken, TLS_HANDSHAKE_MAX, TLS_HANDSHAKE_MAX + TLS_IN_MAX);
        assert_int_equal(t.last, TLS_FAILED);
        assert_string_equal(t.text, "a handshake of more than 1048576 bytes");
        talk_end(&t);
}

/* ---- after the handshake ---- */

/* The server says more and more and nobody polls: what waits is bounded, what was taken comes complete. */
static void endless_data(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(ec_cert, ec, 0, 0);
        struct talk t;
        static uint8_t text[16384], wire[20000];
        uint64_t said = 0, heard = 0;
        struct tls_event ev;
        talk_begin(&t, pool, 0, server, NULL);
        talk_until(&t, UNTIL_READY, 0);
        while (talk_serve(&t) || talk_poll(&t, 20))
                ;
        for (bool taken = true; taken && said < 64u << 20; said += sizeof(text)) {
                for (size_t i = 0; i < sizeof(text); i++)
                        text[i] = (uint8_t)hash_mix64(said + i);
                SSL_write(t.server, text, sizeof(text));
                int n = BIO_read(SSL_get_wbio(t.server), wire, sizeof(wire));
                taken = tls_feed(pool, 0, t.handle, span_of(wire, (size_t)n));
                if (!taken)
                        break;
        }
        assert_in_range(said, TLS_IN_MAX / 2, 4 * TLS_IN_MAX);
        assert_true(atomic_load(&pool->bytes) < TLS_HANDLE_BYTES + 2 * TLS_IN_MAX);
        while (heard < said && (tls_poll(pool, 0, &ev, 1) || wait_fd(pool, 0, 10000))) {
                if (ev.kind != TLS_PLAIN)
                        continue;
                for (size_t i = 0; i < ev.bytes.n; i++, heard++)
                        assert_int_equal(ev.bytes.p[i], (uint8_t)hash_mix64(heard));
                tls_event_free(&ev);
                ev.kind = TLS_WIRE;
        }
        assert_int_equal(heard, said);
        talk_end(&t);
        SSL_CTX_free(server);
}

static void begins_again(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(rsa_cert, rsa, TLS1_2_VERSION, TLS1_2_VERSION);
        struct talk t;
        talk_begin(&t, pool, 0, server, NULL);
        talk_until(&t, UNTIL_READY, 0);
        for (int i = 0; i < 3; i++) {
                SSL_renegotiate(t.server);
                SSL_do_handshake(t.server);
                talk_serve(&t);
        }
        SSL_write(t.server, "still here", 10);
        talk_until(&t, UNTIL_SAID, 10);
        assert_memory_equal(t.said, "still here", 10);
        talk_end(&t);
        SSL_CTX_free(server);
}

static void new_keys(void **state)
{
        (void)state;
        SSL_CTX *server = server_new(rsa_cert, rsa, TLS1_3_VERSION, TLS1_3_VERSION);
        struct talk t;
        talk_begin(&t, pool, 0, server, NULL);
        talk_until(&t, UNTIL_READY, 0);
        talk_serve(&t);
        for (int i = 0; i < 20; i++) {
                SSL_key_update(t.server, SSL_KEY_UPDATE_REQUESTED);
                SSL_write(t.server, "x", 1);
                talk_until(&t, UNTIL_SAID, (size_t)i + 1);
        }
        t.said_len = 0;
        say_both_ways(&t);
        talk_end(&t);
        SSL_CTX_free(server);
}

/* ---- the peer is gone ---- */
static void one_end(SSL_CTX *server, bool ready, enum tls_event_kind last, const char *text)
{
        struct talk t;
        talk_begin(&t, pool, 0, ready ? server : NULL, NULL);
        if (ready) {
                talk_until(&t, UNTIL_READY, 0);
                SSL_write(t.server, "half a word", 11);
                (void)talk_serve(&t);
        }
        tls_eof(pool, 0, t.handle);
        tls_eof(pool, 0, t.handle);
        assert_false(tls_feed(pool, 0, t.handle, span_str("after its end")));
        talk_until(&t, UNTIL_OVER, 0);
        assert_int_equal(t.last, last);
        assert_int_equal(t.alert, 0);
        assert_string_equal(t.text, text);
        assert_int_equal(t.said_len, ready ? 11 : 0);
        talk_end(&t);
}

static void ends_without_notice(void **state)
{
        (void)state;
        for (int v = TLS1_VERSION; v <= TLS1_3_VERSION; v++) {
                SSL_CTX *server = server_new(rsa_cert, rsa, v, v);
                one_end(server, true, TLS_CLOSED, "closed without notice");
                one_end(server, false, TLS_FAILED, "closed in mid-handshake");
                SSL_CTX_free(server);
        }
        tls_eof(pool, 0, TLS_NONE);
}

static void busy_until_worked_on(void **state)
{
        (void)state;
        struct tls_pool *still; /* nobody works in it but us */
        struct err e = {0};
        assert_int_equal(tls_pool_make(&still, &(struct tls_conf){.clients = 1}, false, &e), 0);
        uint32_t h = tls_open(still, 0, &(struct tls_want){.name = NULL});
        assert_true(tls_busy(still, 0, h));
        while (tls_worker_round(&still->workers[0]))
                ;
        assert_false(tls_busy(still, 0, h));
        assert_true(tls_feed(still, 0, h, span_of("\x16\x03", 2))); /* the start of a record */
        assert_true(tls_busy(still, 0, h));
        while (tls_worker_round(&still->workers[0]))
                ;
        assert_false(tls_busy(still, 0, h));
        tls_close(still, 0, h);
        assert_false(tls_busy(still, 0, h));
        tls_pool_free(still);
}

/* ---- tickets ---- */
static void ticket_of(int version, bool wanted)
{
        SSL_CTX *server = server_new(rsa_cert, rsa, version, version);
        if (!wanted)
                SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
        struct talk t;
        talk_begin(&t, pool, 0, server, NULL);
        talk_until(&t, UNTIL_READY, 0);
        assert_true(t.ready);
        bool given = wanted && version < TLS1_3_VERSION;
        assert_int_equal(t.facts->ticket.n > 0, given);
        assert_true(!given || t.facts->ticket.n <= TLS_TICKET_MAX);
        talk_end(&t);
        SSL_CTX_free(server);
}

static void tickets(void **state)
{
        (void)state;
        for (int v = TLS1_VERSION; v <= TLS1_3_VERSION; v++) {
                ticket_of(v, true);
                ticket_of(v, false);
        }
        uint8_t message[4 + 6 + TLS_TICKET_MAX + 1] = {4, 0, 0, 0, 0, 0, 0, 60};
        for (unsigned n = 0; n <= TLS_TICKET_MAX + 1; n += n < 2 ? 1 : TLS_TICKET_MAX - 2) {
                struct tls_seen seen = {.version = TLS1_2_VERSION};
                put_be16(message + 8, (uint16_t)n);
                tls_seen_message(&seen, span_of(message, 10 + n), TLS_KX_OTHER);
                assert_int_equal(seen.ticket_len, n <= TLS_TICKET_MAX ? n : 0);
                tls_seen_message(&seen, span_of(message, 9 + n), TLS_KX_OTHER); /* cut: the first one stays */
                assert_int_equal(seen.ticket_len, n <= TLS_TICKET_MAX ? n : 0);
                tls_seen_free(&seen);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(versions_and_keys),
                cmocka_unit_test(certificate_fields),
                cmocka_unit_test(bytes_one_by_one),
                cmocka_unit_test(written_before_ready),
                cmocka_unit_test(key_exchanges),
                cmocka_unit_test(modern_first),
                cmocka_unit_test(huge_prime),
                cmocka_unit_test(server_names),
                cmocka_unit_test(protocols),
                cmocka_unit_test(chains),
                cmocka_unit_test(certificate_wanted),
                cmocka_unit_test(versions_wanted),
                cmocka_unit_test(alerts_and_garbage),
                cmocka_unit_test(old_server),
                cmocka_unit_test(broken_certificate),
                cmocka_unit_test(endless_handshake),
                cmocka_unit_test(endless_data),
                cmocka_unit_test(begins_again),
                cmocka_unit_test(new_keys),
                cmocka_unit_test(ends_without_notice),
                cmocka_unit_test(busy_until_worked_on),
                cmocka_unit_test(tickets),
        };
        return cmocka_run_group_tests(tests, make_things, free_things);
}
#else
#include "tls/tls.h"
#include <setjmp.h>
#include <cmocka.h>

static void says_what_is_missing(void **state)
{
        (void)state;
        struct tls_pool *p = NULL;
        struct err e = {0};
        assert_int_equal(tls_pool_new(&p, &(struct tls_conf){.clients = 1}, &e), -1);
        assert_non_null(strstr(e.text, "libssl-dev"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(says_what_is_missing)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
