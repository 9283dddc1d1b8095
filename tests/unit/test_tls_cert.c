// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates as bytes: what is read from good ones, compared with OpenSSL's own reading, and from odd and
 * broken ones: every truncation, every changed byte, names with NULs, wrong character sets, strange times,
 * too much of everything. Invariant under test: texts are valid UTF-8, and what is not broken is still told.
 */
#ifdef HAVE_TLS
#include "test_tls.h"

static EVP_PKEY *key;

static int make_key(void **state)
{
        (void)state;
        key = key_new("P-256");
        return 0;
}

static int free_key(void **state)
{
        (void)state;
        EVP_PKEY_free(key);
        return 0;
}

/* ---- from DER to facts ---- */
static void put_be24(uint8_t *p, size_t n)
{
        p[0] = (uint8_t)(n >> 16);
        put_be16(p + 1, (uint16_t)n);
}

/* As a Certificate message of TLS 1.2 with one certificate brings it. */
static struct tls_facts *facts_of(struct span der)
{
        uint8_t *m = malloc(der.n + 10);
        struct tls_seen seen = {0};
        size_t size;
        m[0] = 11;
        put_be24(m + 1, der.n + 6);
        put_be24(m + 4, der.n + 3);
        put_be24(m + 7, der.n);
        if (der.n)
                memcpy(m + 10, der.p, der.n);
        seen.version = 0x0303;
        tls_seen_message(&seen, span_of(m, der.n + 10), TLS_KX_OTHER);
        struct tls_facts *f = tls_facts_make(&seen, "", &size);
        assert_non_null(f);
        tls_seen_free(&seen);
        free(m);
        return f;
}

static struct span der_of(X509 *x)
{
        uint8_t *der = NULL;
        int n = i2d_X509(x, &der);
        assert_true(n > 0);
        return span_of(der, (size_t)n);
}

static void free_der(struct span s)
{
        OPENSSL_free((void *)(uintptr_t)s.p);
}

static struct tls_facts *facts_of_cert(X509 *x)
{
        struct span der = der_of(x);
        struct tls_facts *f = facts_of(der);
        free_der(der);
        X509_free(x);
        assert_int_equal(f->n_certs, 1);
        return f;
}

static bool is_utf8(const char *s)
{
        ASN1_UTF8STRING *u = ASN1_UTF8STRING_new();
        uint8_t *out = NULL;
        ASN1_STRING_set(u, s, -1);
        int n = ASN1_STRING_to_UTF8(&out, u);
        unsigned long cp;
        const uint8_t *p = (const uint8_t *)s;
        bool good = n >= 0;
        for (int left = (int)strlen(s), k; good && left > 0; left -= k, p += k)
                if ((k = UTF8_getc(p, left, &cp)) <= 0) {
                        good = false;
                        break;
                }
        OPENSSL_free(out);
        ASN1_UTF8STRING_free(u);
        return good;
}

static void assert_sane(const struct tls_facts *f)
{
        for (unsigned i = 0; i < f->n_certs; i++) {
                const struct tls_cert *c = &f->certs[i];
                assert_true(is_utf8(c->subject) && is_utf8(c->issuer) && is_utf8(c->subject_cn));
                assert_true(strlen(c->subject) <= 2048 && strlen(c->serial) <= 128);
                assert_true(c->n_names <= TLS_NAMES_MAX);
                for (unsigned k = 0; k < c->n_names; k++)
                        assert_true(is_utf8(c->names[k]) && c->names[k][0]);
        }
}

/* ---- names ---- */
static void add_name(X509_NAME *n, const char *type, int kind, const char *value, int len, int set)
{
        assert_int_equal(X509_NAME_add_entry_by_txt(n, type, kind, (const uint8_t *)value, len, -1, set), 1);
}

static void names_as_openssl_writes_them(void **state)
{
        (void)state;
        X509 *x = cert_unsigned(key, NULL, NULL, NULL);
        X509_NAME *n = X509_get_subject_name(x);
        add_name(n, "C", MBSTRING_UTF8, "CH", -1, 0);
        add_name(n, "O", MBSTRING_UTF8, " leading, \"quoted\" + more; <x> \\ y=z ", -1, 0);
        add_name(n, "OU", MBSTRING_UTF8, "#hash", -1, 0);
        add_name(n, "OU", MBSTRING_UTF8, "two", -1, -1);
        add_name(n, "emailAddress", MBSTRING_ASC, "a@b.example", -1, 0);
        add_name(n, "L", MBSTRING_UTF8, "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80", -1, 0);
        add_name(n, "CN", MBSTRING_UTF8, "first.example", -1, 0);
        add_name(n, "CN", MBSTRING_UTF8, "last.example", -1, 0);
        BIO *b = BIO_new(BIO_s_mem());
        X509_NAME_print_ex(b, n, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
        char wanted[1024] = {0};
        assert_true(BIO_read(b, wanted, sizeof(wanted) - 1) > 0);
        BIO_free(b);
        X509_set_issuer_name(x, n);
        struct tls_facts *f = facts_of_cert(cert_signed(x, key));
        assert_string_equal(f->certs[0].subject, wanted);
        assert_string_equal(f->certs[0].issuer, wanted);
        assert_string_equal(f->certs[0].subject_cn, "last.example");
        assert_true(f->certs[0].self_signed);
        tls_facts_free(f);
}

/* | SET | SEQUENCE | 2.5.4.3 | value | */
static void one_cn(int type, const char *bytes, int len, const char *cn, const char *subject)
{
        uint8_t n = (uint8_t)len;
        uint8_t name[64] = {0x31, n + 9, 0x30, n + 7, 6, 3, 0x55, 4, 3, (uint8_t)type, n};
        char text[128] = {0}, cn_text[128] = {0};
        struct wr w = wr_of(text, sizeof(text)), c = wr_of(cn_text, sizeof(cn_text));
        memcpy(name + 11, bytes, n);
        der_name_text(span_of(name, n + 11u), &w, &c);
        assert_string_equal(cn_text, cn);
        assert_string_equal(text, subject);
}

static void character_sets(void **state)
{
        (void)state;
        one_cn(V_ASN1_BMPSTRING, "\0a\x20\xac\xd8\x3d\xde\x00", 8, "a\xe2\x82\xac\xf0\x9f\x98\x80",
               "CN=a\xe2\x82\xac\xf0\x9f\x98\x80");
        one_cn(V_ASN1_BMPSTRING, "\0a\xd8\x3d", 4, "a\\d8\\3d", "CN=a\\d8\\3d");
        one_cn(V_ASN1_UNIVERSALSTRING, "\0\0\x20\xac", 4, "\xe2\x82\xac", "CN=\xe2\x82\xac");
        one_cn(V_ASN1_T61STRING, "Z\xfcrich", 6, "Z\xc3\xbcrich", "CN=Z\xc3\xbcrich");
        one_cn(V_ASN1_PRINTABLESTRING, "Z\xfcrich", 6, "Z\\fcrich", "CN=Z\\fcrich");
        one_cn(V_ASN1_UTF8STRING, "a\xc0\xaf\xed\xa0\x80z", 7, "a\\c0\\af\\ed\\a0\\80z",
               "CN=a\\c0\\af\\ed\\a0\\80z");
        one_cn(V_ASN1_UTF8STRING, "x\0y\nz\\", 6, "x\\00y\\0az\\5c", "CN=x\\00y\\0az\\\\");
        one_cn(V_ASN1_INTEGER, "\x05", 1, "", "CN=#020105");
}

/* A type that has no name has its value in hexadecimal: RFC 4514 §2.4. */
static void unknown_types(void **state)
{
        (void)state;
        X509 *x = cert_unsigned(key, NULL, NULL, NULL);
        add_name(X509_get_subject_name(x), "1.2.3.4.99999", MBSTRING_UTF8, "hi", -1, 0);
        struct tls_facts *f = facts_of_cert(cert_signed(x, key));
        assert_string_equal(f->certs[0].subject, "1.2.3.4.99999=#0c026869");
        tls_facts_free(f);
}

static void alternative_names(void **state)
{
        (void)state;
        X509 *x = cert_unsigned(key, NULL,
                                "DNS:a.example,email:who@a.example,IP:2001:db8::7,DNS:a.example,IP:192.0.2.9,"
                                "URI:http://u.example/,DNS:*.b.example",
                                NULL);
        struct tls_facts *f = facts_of_cert(cert_signed(x, key));
        static const char *const wanted[] = {"a.example", "2001:db8::7", "a.example", "192.0.2.9",
                                             "*.b.example"};
        assert_int_equal(f->certs[0].n_names, ARRAY_LEN(wanted));
        for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
                assert_string_equal(f->certs[0].names[i], wanted[i]);
        assert_string_equal(f->certs[0].subject, "");
        assert_string_equal(f->certs[0].subject_cn, "");
        assert_false(f->certs[0].self_signed); /* no subject, no issuer: that says nothing */
        tls_facts_free(f);
}

/* ---- too much ---- */
static struct tls_facts *facts_of_sans(const char *const *names, const size_t *len, unsigned n)
{
        X509 *x = cert_unsigned(key, "many", NULL, NULL);
        GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
        for (unsigned i = 0; i < n; i++) {
                GENERAL_NAME *g = GENERAL_NAME_new();
                ASN1_IA5STRING *s = ASN1_IA5STRING_new();
                ASN1_STRING_set(s, names[i], (int)len[i]);
                GENERAL_NAME_set0_value(g, GEN_DNS, s);
                sk_GENERAL_NAME_push(all, g);
        }
        assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, 0), 1);
        GENERAL_NAMES_free(all);
        return facts_of_cert(cert_signed(x, key));
}

static void too_many_names(void **state)
{
        (void)state;
        static char text[1500][16];
        static const char *names[1500];
        static size_t len[1500];
        for (unsigned i = 0; i < 1500; i++) {
                len[i] = (size_t)snprintf(text[i], sizeof(text[i]), "n%u.example", i);
                names[i] = text[i];
        }
        struct tls_facts *f = facts_of_sans(names, len, 1500);
        assert_int_equal(f->certs[0].n_names, 1000);
        assert_string_equal(f->certs[0].names[999], "n999.example");
        tls_facts_free(f);
}

static void odd_names(void **state)
{
        (void)state;
        static char huge[60000];
        memset(huge, 'x', sizeof(huge));
        const char *names[] = {"good.example\0.evil.example", huge, "", "last"};
        size_t len[] = {26, sizeof(huge), 0, 4};
        struct tls_facts *f = facts_of_sans(names, len, 4);
        assert_int_equal(f->certs[0].n_names, 3);
        assert_string_equal(f->certs[0].names[0], "good.example\\00.evil.example");
        assert_in_range(strlen(f->certs[0].names[1]), 253, 1024);
        assert_string_equal(f->certs[0].names[2], "last");
        tls_facts_free(f);
        X509 *x = cert_unsigned(key, NULL, NULL, NULL);
        X509_NAME_ENTRY *e = X509_NAME_ENTRY_create_by_NID(NULL, NID_commonName, V_ASN1_UTF8STRING,
                                                           (const uint8_t *)huge, sizeof(huge));
        X509_NAME_add_entry(X509_get_subject_name(x), e, -1, 0);
        X509_NAME_ENTRY_free(e);
        f = facts_of_cert(cert_signed(x, key));
        assert_in_range(strlen(f->certs[0].subject), 1000, 2048);
        assert_int_equal(f->certs[0].key, TLS_KEY_EC); /* what stands behind the name is found */
        tls_facts_free(f);
}

/* ---- time ---- */
static void one_time(int type, const char *text, int64_t wanted)
{
        struct der d = {.tag = (uint8_t)type, .body = span_str(text)};
        if (der_time(&d) != wanted)
                fail_msg("%s: %lld, not %lld", text, (long long)der_time(&d), (long long)wanted);
}

static void times(void **state)
{
        (void)state;
        enum { UTC = 0x17, GENERAL = 0x18 };
        one_time(UTC, "700101000000Z", 0);
        one_time(UTC, "700101000001Z", 1);
        one_time(UTC, "491231235959Z", 2524607999);
        one_time(UTC, "500101000000Z", -631152000);
        one_time(UTC, "000229120000Z", 951825600);
        one_time(UTC, "0002291200Z", 951825600);
        one_time(UTC, "000229120000+0100", 951822000);
        one_time(UTC, "000229120000-0130", 951831000);
        one_time(GENERAL, "99991231235959Z", 253402300799);
        one_time(GENERAL, "20000229120000.123Z", 951825600);
        one_time(GENERAL, "00000101000000Z", -62167219200);
        static const char *const bad[] = {"",
                                          "Z",
                                          "000229",
                                          "001329120000Z",
                                          "000232120000Z",
                                          "000229250000Z",
                                          "000229126000Z",
                                          "000229120000",
                                          "000229120000Zx",
                                          "00022912000xZ"};
        for (size_t i = 0; i < ARRAY_LEN(bad); i++)
                one_time(UTC, bad[i], 0);
        one_time(12, "000229120000Z", 0);
}

/* Each day of 800 years, and the C library's opinion of it. */
static void days(void **state)
{
        (void)state;
        for (int64_t t = -400ll * 366 * 86400; t < 400ll * 366 * 86400; t += 86400) {
                struct tm tm;
                char text[32];
                time_t tt = t;
                gmtime_r(&tt, &tm);
                snprintf(text, sizeof(text), "%04d%02d%02d000000Z", tm.tm_year + 1900, tm.tm_mon + 1,
                         tm.tm_mday);
                one_time(0x18, text, t);
        }
}

/* ---- keys and signatures ---- */
static void one_key(EVP_PKEY *k, enum tls_cert_key kind, unsigned bits, const char *signature)
{
        struct tls_facts *f = facts_of_cert(cert_new(k, "key", NULL));
        assert_int_equal(f->certs[0].key, kind);
        assert_int_equal(f->certs[0].key_bits, bits);
        assert_string_equal(f->certs[0].signature, signature);
        tls_facts_free(f);
        EVP_PKEY_free(k);
}

static void keys(void **state)
{
        (void)state;
        one_key(EVP_RSA_gen(1024), TLS_KEY_RSA, 1024, "sha256WithRSAEncryption");
        one_key(EVP_EC_gen("P-384"), TLS_KEY_EC, 384, "ecdsa-with-SHA256");
        one_key(EVP_EC_gen("secp224r1"), TLS_KEY_EC, 224, "ecdsa-with-SHA256");
        one_key(EVP_EC_gen("P-521"), TLS_KEY_EC, 521, "ecdsa-with-SHA256");
        one_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), TLS_KEY_ED25519, 256, "ED25519");
}

static void dsa_key(void **state)
{
        (void)state;
        EVP_PKEY *params = NULL, *k = NULL;
        EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
        assert_true(EVP_PKEY_paramgen_init(c) > 0 && EVP_PKEY_CTX_set_dsa_paramgen_bits(c, 1024) > 0 &&
                    EVP_PKEY_paramgen(c, &params) > 0);
        EVP_PKEY_CTX_free(c);
        c = EVP_PKEY_CTX_new_from_pkey(NULL, params, NULL);
        assert_true(EVP_PKEY_keygen_init(c) > 0 && EVP_PKEY_keygen(c, &k) > 0);
        EVP_PKEY_CTX_free(c);
        EVP_PKEY_free(params);
        one_key(k, TLS_KEY_DSA, 1024, "dsa_with_SHA256");
}

/* ---- broken ones ---- */
static struct span sample(void)
{
        X509 *x = cert_unsigned(key, "sample.example", "DNS:sample.example,IP:192.0.2.1", NULL);
        struct span s = der_of(cert_signed(x, key));
        X509_free(x);
        return s;
}

static void every_truncation(void **state)
{
        (void)state;
        struct span der = sample();
        unsigned with_subject = 0, with_names = 0;
        for (size_t n = 0; n <= der.n; n++) {
                struct tls_facts *f = facts_of(span_of(der.p, n));
                assert_int_equal(f->n_certs, n > 0);
                assert_sane(f);
                if (n) {
                        assert_int_equal(f->certs[0].der.n, n);
                        with_subject += strcmp(f->certs[0].subject_cn, "sample.example") == 0;
                        with_names += f->certs[0].n_names > 0;
                }
                tls_facts_free(f);
        }
        /* a cut one tells what came before the cut */
        assert_in_range(with_subject, 150, der.n);
        assert_in_range(with_names, 60, with_subject);
        free_der(der);
}

static void every_changed_byte(void **state)
{
        (void)state;
        static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0x81, 0x84, 0xff};
        struct span der = sample();
        uint8_t *copy = malloc(der.n);
        for (size_t at = 0; at < der.n; at++)
                for (size_t v = 0; v < ARRAY_LEN(values); v++) {
                        memcpy(copy, der.p, der.n);
                        copy[at] = values[v];
                        struct tls_facts *f = facts_of(span_of(copy, der.n));
                        assert_sane(f);
                        tls_facts_free(f);
                }
        free(copy);
        free_der(der);
}

/* One field broken, the others still told: here the key's algorithm, and the subject's length. */
static void fields_stand_alone(void **state)
{
        (void)state;
        static const uint8_t ec_oid[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
        struct span der = sample();
        uint8_t *at = memmem((void *)(uintptr_t)der.p, der.n, ec_oid, sizeof(ec_oid));
        assert_non_null(at);
        at[0] = 0x05;
        struct tls_facts *f = facts_of(der);
        assert_int_equal(f->certs[0].key, TLS_KEY_OTHER);
        assert_string_equal(f->certs[0].subject_cn, "sample.example");
        assert_int_equal(f->certs[0].n_names, 2);
        assert_string_equal(f->certs[0].signature, "ecdsa-with-SHA256");
        tls_facts_free(f);
        free_der(der);
}

/* ---- the message round them ---- */
static void messages(void **state)
{
        (void)state;
        /* TLS 1.3: request context, then each certificate with extensions (two bytes of nothing here) */
        static const uint8_t m13[] = {11,  0, 0, 20, 1, 0xcc, 0, 0, 15,  0,   0, 1,
                                      'a', 0, 2, 9,  9, 0,    0, 2, 'b', 'c', 0, 0};
        struct tls_seen s = {.version = 0x0304};
        size_t size;
        tls_seen_message(&s, span_of(m13, sizeof(m13)), TLS_KX_OTHER);
        struct tls_facts *f = tls_facts_make(&s, "X", &size);
        assert_int_equal(f->n_certs, 2);
        assert_memory_equal(f->certs[0].der.p, "a", 1);
        assert_memory_equal(f->certs[1].der.p, "bc", 2);
        assert_string_equal(f->cipher_name, "X");
        tls_facts_free(f);
        for (size_t n = 0; n < sizeof(m13); n++) {
                tls_seen_free(&s);
                tls_seen_message(&s, span_of(m13, n), TLS_KX_OTHER);
                f = tls_facts_make(&s, "", &size);
                assert_true(f->n_certs <= 2);
                tls_facts_free(f);
        }
        tls_seen_free(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_as_openssl_writes_them),
                cmocka_unit_test(character_sets),
                cmocka_unit_test(unknown_types),
                cmocka_unit_test(alternative_names),
                cmocka_unit_test(too_many_names),
                cmocka_unit_test(odd_names),
                cmocka_unit_test(times),
                cmocka_unit_test(days),
                cmocka_unit_test(keys),
                cmocka_unit_test(dsa_key),
                cmocka_unit_test(every_truncation),
                cmocka_unit_test(every_changed_byte),
                cmocka_unit_test(fields_stand_alone),
                cmocka_unit_test(messages),
        };
        return cmocka_run_group_tests(tests, make_key, free_key);
}
#else
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void without_openssl(void **state)
{
        (void)state;
        skip();
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(without_openssl)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
