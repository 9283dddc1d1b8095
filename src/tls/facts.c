// SPDX-License-Identifier: Apache-2.0
/*
 * facts: what hello.c and cert.c found, as one piece of memory for whoever polls. It is made twice: the first
 * time only counts bytes, the second fills what was allocated for exactly them. Invariant: both times take
 * the same steps, and every pointer in the result lies inside it. Reference: RFC 5246 §7.4.2, RFC 8446
 * §4.4.2.
 */
#include "tls_priv.h"
#ifdef HAVE_TLS
#include <arpa/inet.h>
#include <openssl/objects.h>
#include <openssl/sha.h>
#include <stdlib.h>

enum { NAME_TEXT = 2048, ONE_NAME = 1024, SERIAL_BYTES = 64, TLS_1_3 = 0x0304 };
enum { GENERAL_DNS = 0x82, GENERAL_IP = 0x87 }; /* GeneralName [2], [7]: RFC 5280 §4.2.1.6 */

/* ---- one piece of memory ---- */
struct arena {
        uint8_t *p; /* NULL: counting */
        size_t used;
};

static void *arena_take(struct arena *a, size_t n, size_t align)
{
        a->used = (a->used + align - 1) / align * align;
        void *at = a->p ? a->p + a->used : NULL;
        a->used += n;
        return at;
}

static const char *arena_text(struct arena *a, struct span s)
{
        char *at = arena_take(a, s.n + 1, 1);
        if (!at)
                return NULL;
        if (s.n)
                memcpy(at, s.p, s.n);
        at[s.n] = 0;
        return at;
}

static const char *arena_written(struct arena *a, const struct wr *w)
{
        return arena_text(a, span_of(w->start, wr_len(w)));
}

/* ---- SANs ---- */

/* False: this one is not shown. */
static bool alt_name_text(const struct der *d, struct wr *w)
{
        char text[INET6_ADDRSTRLEN];
        if (d->tag == GENERAL_DNS && d->body.n) {
                der_string(d, w, false);
                return wr_len(w) > 0;
        }
        if (d->tag != GENERAL_IP || (d->body.n != 4 && d->body.n != 16))
                return false;
        inet_ntop(d->body.n == 4 ? AF_INET : AF_INET6, d->body.p, text, sizeof(text));
        wr_str(w, text);
        return true;
}

static unsigned put_alt_names(struct arena *a, struct span names, const char **list)
{
        struct rd r = rd_of(names);
        struct der d;
        char text[ONE_NAME];
        unsigned n = 0;
        while (n < TLS_NAMES_MAX && rd_left(&r) && der_next(&r, &d)) {
                struct wr w = wr_of(text, sizeof(text));
                if (!alt_name_text(&d, &w))
                        continue;
                const char *at = arena_written(a, &w);
                if (list)
                        list[n] = at;
                n++;
        }
        return n;
}

/* ---- a certificate ---- */
static const char *put_name(struct arena *a, struct span name, const char **cn)
{
        char text[NAME_TEXT], cn_text[ONE_NAME];
        struct wr w = wr_of(text, sizeof(text)), c = wr_of(cn_text, sizeof(cn_text));
        der_name_text(name, &w, &c);
        if (cn)
                *cn = arena_written(a, &c);
        return arena_written(a, &w);
}

/* Hexadecimal, as it stands in the certificate but for leading zeros. */
static const char *put_serial(struct arena *a, struct span s)
{
        char text[2 * SERIAL_BYTES + 1];
        struct wr w = wr_of(text, sizeof(text));
        while (s.n > 1 && !s.p[0])
                s = span_of(s.p + 1, s.n - 1);
        for (size_t i = 0; i < MIN(s.n, (size_t)SERIAL_BYTES); i++)
                wr_fmt(&w, "%02X", s.p[i]);
        return arena_written(a, &w);
}

static const char *put_signature(struct arena *a, struct span oid)
{
        char text[128];
        int nid = OBJ_txt2nid(der_oid_text(oid, text, sizeof(text)));
        return arena_text(a, span_str(nid == NID_undef ? text : OBJ_nid2ln(nid)));
}

static bool same(struct span a, struct span b)
{
        return a.n && a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static void put_cert(struct arena *a, struct span der, struct tls_cert *out)
{
        struct tls_cert c = {.n_names = 0};
        struct cert_parts parts;
        struct arena count = {NULL, 0};
        cert_parse(der, &parts);
        unsigned n = put_alt_names(&count, parts.alt_names, NULL);
        const char **list = arena_take(a, n * sizeof(*list), _Alignof(char *));
        c.n_names = put_alt_names(a, parts.alt_names, list);
        c.names = list;
        c.der = span_of(arena_text(a, der), der.n);
        c.subject = put_name(a, parts.subject, &c.subject_cn);
        c.issuer = put_name(a, parts.issuer, NULL);
        c.serial = put_serial(a, parts.serial);
        c.signature = put_signature(a, parts.signature);
        c.not_before = parts.not_before;
        c.not_after = parts.not_after;
        c.key = parts.key;
        c.key_bits = parts.bits;
        c.self_signed = same(parts.subject, parts.issuer);
        if (!out)
                return;
        SHA256(der.p, der.n, c.sha256);
        *out = c;
}

/* ---- the list: | n 1 | context n | (TLS 1.3 only) | length of all 3 | length 3 | DER | … and in TLS 1.3
 * | length 2 | extensions | behind each ---- */
static uint32_t rd_be24(struct rd *r)
{
        uint32_t hi = rd_u8(r);
        return hi << 16 | rd_be16(r);
}

static struct rd cert_list(const struct tls_seen *s)
{
        struct rd r = rd_of(span_of(s->certs, s->certs_len));
        if (s->version >= TLS_1_3)
                rd_skip(&r, rd_u8(&r));
        uint32_t n = rd_be24(&r);
        return rd_sub(&r, MIN((size_t)n, rd_left(&r)));
}

static bool cert_next(const struct tls_seen *s, struct rd *r, struct span *der)
{
        if (!rd_left(r))
                return false;
        *der = rd_take(r, rd_be24(r));
        if (r->bad || !der->n)
                return false;
        if (s->version >= TLS_1_3)
                rd_skip(r, rd_be16(r));
        return true;
}

static unsigned put_certs(struct arena *a, const struct tls_seen *s, struct tls_cert **out)
{
        struct rd r = cert_list(s), again = r;
        struct span der;
        unsigned n = 0;
        while (n < TLS_CERTS_MAX && cert_next(s, &r, &der))
                n++;
        *out = arena_take(a, n * sizeof(**out), _Alignof(struct tls_cert));
        for (unsigned i = 0; i < n && cert_next(s, &again, &der); i++)
                put_cert(a, der, *out ? *out + i : NULL);
        return n;
}

static void put_facts(struct arena *a, const struct tls_seen *s, const char *cipher_name)
{
        char group[24];
        struct tls_cert *certs = NULL;
        struct tls_facts *at = arena_take(a, sizeof(*at), _Alignof(struct tls_facts));
        struct tls_facts f = {.version = s->version, .cipher = s->cipher, .resumption = s->resumption};
        f.cipher_name = arena_text(a, span_str(cipher_name));
        f.alpn = arena_text(a, span_str(s->alpn));
        f.group = arena_text(a, span_str(tls_group_name(s, group, sizeof(group))));
        f.n_certs = put_certs(a, s, &certs);
        f.certs = certs;
        f.ticket = span_of(s->ticket_len ? arena_text(a, span_of(s->ticket, s->ticket_len)) : NULL,
                           s->ticket_len);
        if (at)
                *at = f;
}

struct tls_facts *tls_facts_make(const struct tls_seen *s, const char *cipher_name, size_t *size)
{
        struct arena count = {NULL, 0};
        put_facts(&count, s, cipher_name);
        struct arena a = {calloc(1, count.used), 0};
        if (!a.p)
                return NULL;
        put_facts(&a, s, cipher_name);
        assert(a.used == count.used);
        *size = a.used;
        return (struct tls_facts *)(void *)a.p;
}
#endif
