// SPDX-License-Identifier: Apache-2.0
/*
 * cert: where the fields of one X.509 certificate are (RFC 5280 §4.1), for facts.c. Invariant: spans lie
 * inside the certificate; what is malformed, and what cannot be found because of it, stays empty.
 *
 *   Certificate  SEQUENCE { TBSCertificate, signature algorithm, signature }
 *   TBSCertificate SEQUENCE { [0] version, serial INTEGER, algorithm, issuer, SEQUENCE { time, time },
 * subject, SEQUENCE { SEQUENCE { algorithm OID, parameters }, key BIT STRING }, [1], [2], [3] extensions }
 *   Extension    SEQUENCE { OID, critical BOOLEAN, OCTET STRING }
 */
#include "tls_priv.h"

enum { TAG_VERSION = 0xa0, TAG_EXTENSIONS = 0xa3, DER_BOOLEAN = 0x01, UNCOMPRESSED = 4 };

/* ---- the key ---- */
static uint16_t bits_of(struct span number)
{
        while (number.n && !number.p[0])
                number = span_of(number.p + 1, number.n - 1);
        if (!number.n)
                return 0;
        size_t bits = number.n * 8;
        for (unsigned top = number.p[0]; top < 0x80; top <<= 1)
                bits--;
        return (uint16_t)MIN(bits, (size_t)UINT16_MAX);
}

static uint16_t rsa_bits(struct rd key) /* SEQUENCE { modulus, exponent }, RFC 8017 §A.1.1 */
{
        struct der seq, modulus;
        if (!der_want(&key, DER_SEQUENCE, &seq))
                return 0;
        struct rd r = der_inside(&seq);
        return der_want(&r, DER_INTEGER, &modulus) ? bits_of(modulus.body) : 0;
}

static uint16_t dsa_bits(struct rd parameters) /* SEQUENCE { p, q, g }, RFC 3279 §2.3.2 */
{
        return rsa_bits(parameters);
}

/* A point is | 4 | x | y | or | 2 or 3 | x | (SEC 1 §2.3.3): its size is the field's, in whole bytes. */
static uint16_t ec_bits(struct rd key)
{
        size_t n = rd_left(&key);
        uint8_t form = rd_u8(&key);
        if (n < 2)
                return 0;
        size_t bytes = form == UNCOMPRESSED ? (n - 1) / 2 : n - 1;
        return (uint16_t)(bytes == 66 ? 521 : MIN(bytes, (size_t)1024) * 8);
}

static void parse_key(struct rd r, struct cert_parts *c)
{
        struct der algorithm, oid, bits;
        char text[64];
        if (!der_want(&r, DER_SEQUENCE, &algorithm))
                return;
        struct rd a = der_inside(&algorithm);
        if (!der_want(&a, DER_OID, &oid))
                return;
        c->key_algorithm = oid.body;
        if (!der_want(&r, DER_BITS, &bits))
                return;
        struct rd key = der_inside(&bits);
        rd_skip(&key, 1); /* unused bits: none */
        c->key_bits = key.bad ? span_of(NULL, 0) : span_of(key.p, rd_left(&key));
        der_oid_text(oid.body, text, sizeof(text));
        if (strcmp(text, "1.2.840.113549.1.1.1") == 0 || strcmp(text, "1.2.840.113549.1.1.10") == 0) {
                c->key = TLS_KEY_RSA;
                c->bits = rsa_bits(key);
        } else if (strcmp(text, "1.2.840.10045.2.1") == 0) {
                c->key = TLS_KEY_EC;
                c->bits = ec_bits(key);
        } else if (strcmp(text, "1.2.840.10040.4.1") == 0) {
                c->key = TLS_KEY_DSA;
                c->bits = dsa_bits(a);
        } else if (strcmp(text, "1.3.101.112") == 0) { /* RFC 8410 §3 */
                c->key = TLS_KEY_ED25519;
                c->bits = 256;
        }
}

/* ---- extensions ---- */
static void parse_extension(struct rd r, struct cert_parts *c)
{
        static const uint8_t subject_alt_name[] = {0x55, 0x1d, 0x11};
        struct der oid, value, names;
        if (!der_want(&r, DER_OID, &oid) || !der_next(&r, &value))
                return;
        if (value.tag == DER_BOOLEAN && !der_next(&r, &value))
                return;
        if (value.tag != DER_OCTETS || oid.body.n != sizeof(subject_alt_name) ||
            memcmp(oid.body.p, subject_alt_name, sizeof(subject_alt_name)) != 0)
                return;
        struct rd inside = der_inside(&value);
        if (der_want_cut(&inside, DER_SEQUENCE, &names))
                c->alt_names = names.body;
}

static void parse_extensions(struct rd r, struct cert_parts *c)
{
        struct der list, one;
        if (!der_want_cut(&r, DER_SEQUENCE, &list))
                return;
        r = der_inside(&list);
        while (rd_left(&r) && der_want(&r, DER_SEQUENCE, &one))
                parse_extension(der_inside(&one), c);
}

/* ---- the certificate ---- */
static void parse_validity(struct rd r, struct cert_parts *c)
{
        struct der t;
        if (der_next(&r, &t))
                c->not_before = der_time(&t);
        if (der_next(&r, &t))
                c->not_after = der_time(&t);
}

static void parse_tbs(struct rd r, struct cert_parts *c)
{
        struct der d;
        if (rd_left(&r) && r.p[0] == TAG_VERSION)
                (void)der_next(&r, &d);
        if (!der_want(&r, DER_INTEGER, &d))
                return;
        c->serial = d.body;
        if (!der_want(&r, DER_SEQUENCE, &d) || !der_want(&r, DER_SEQUENCE, &d))
                return;
        c->issuer = d.body;
        if (!der_want(&r, DER_SEQUENCE, &d))
                return;
        parse_validity(der_inside(&d), c);
        if (!der_want(&r, DER_SEQUENCE, &d))
                return;
        c->subject = d.body;
        if (!der_want(&r, DER_SEQUENCE, &d))
                return;
        parse_key(der_inside(&d), c);
        while (rd_left(&r) && r.p[0] != TAG_EXTENSIONS && der_next(&r, &d))
                ;
        if (der_want_cut(&r, TAG_EXTENSIONS, &d))
                parse_extensions(der_inside(&d), c);
}

void cert_parse(struct span der, struct cert_parts *c)
{
        struct rd r = rd_of(der);
        struct der cert, tbs, algorithm, oid;
        memset(c, 0, sizeof(*c));
        if (!der_want_cut(&r, DER_SEQUENCE, &cert))
                return;
        r = der_inside(&cert);
        if (!der_want_cut(&r, DER_SEQUENCE, &tbs))
                return;
        parse_tbs(der_inside(&tbs), c);
        if (!der_want(&r, DER_SEQUENCE, &algorithm))
                return;
        r = der_inside(&algorithm);
        if (der_want(&r, DER_OID, &oid))
                c->signature = oid.body;
}
