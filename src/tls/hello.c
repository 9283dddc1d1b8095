// SPDX-License-Identifier: Apache-2.0
/*
 * hello: what a server's handshake messages say, kept as they come, so that a handshake that fails later, or
 * whose choices OpenSSL does not accept, still tells version, cipher and certificates. Fed by conn.c's
 * message call-back, read by facts.c. Invariant: malformed messages leave what was known before.
 *
 *   | type 1 | length 3 | body |      ServerHello's body, RFC 5246 §7.4.1.3, RFC 8446 §4.1.3:
 *   | version 2 | random 32 | n 1 | session id n | cipher 2 | compression 1 | extensions |
 *   extensions: | length of all 2 | type 2 | length 2 | data | type 2 … |
 */
#include "tls_priv.h"
#include <stdio.h>
#include <stdlib.h>

enum {
        SERVER_HELLO = 2,
        NEW_TICKET = 4,
        ENCRYPTED_EXTENSIONS = 8,
        CERTIFICATE = 11,
        SERVER_KEY_EXCHANGE = 12
};
enum { EXT_ALPN = 16, EXT_TICKET = 35, EXT_VERSIONS = 43, EXT_KEY_SHARE = 51 };
enum { TLS_1_3 = 0x0304 };

/* RFC 7301 §3.1: | length of all 2 | length 1 | name |, one name */
static void see_alpn(struct tls_seen *s, struct rd r)
{
        rd_skip(&r, 2);
        struct span name = rd_take(&r, rd_u8(&r));
        if (r.bad)
                return;
        for (size_t i = 0; i < name.n; i++)
                s->alpn[i] = (char)(name.p[i] > ' ' && name.p[i] < 0x7f ? name.p[i] : '?');
        s->alpn[name.n] = 0;
}

static void see_extension(struct tls_seen *s, uint16_t type, struct span data)
{
        struct rd r = rd_of(data);
        uint16_t v = rd_be16(&r);
        if (type == EXT_ALPN)
                see_alpn(s, rd_of(data));
        else if (type == EXT_TICKET)
                s->resumption = true;
        else if (type == EXT_VERSIONS && !r.bad)
                s->version = v;
        else if (type == EXT_KEY_SHARE && !r.bad)
                s->group = v;
}

static void see_extensions(struct tls_seen *s, struct rd *r)
{
        struct rd all = rd_sub(r, rd_be16(r));
        while (rd_left(&all)) {
                uint16_t type = rd_be16(&all);
                struct span data = rd_take(&all, rd_be16(&all));
                if (!all.bad)
                        see_extension(s, type, data);
        }
}

static void see_hello(struct tls_seen *s, struct rd *r)
{
        uint16_t version = rd_be16(r);
        rd_skip(r, 32);
        size_t id = rd_u8(r);
        rd_skip(r, id);
        uint16_t cipher = rd_be16(r);
        rd_skip(r, 1);
        if (r->bad)
                return;
        s->version = version;
        s->cipher = cipher;
        if (rd_left(r))
                see_extensions(s, r);
        /* TLS 1.3 says our own id back, which means nothing. */
        if (id && s->version < TLS_1_3)
                s->resumption = true;
}

/* RFC 8422 §5.4: | 3 named curve 1 | group 2 | …   RFC 5246 §7.4.3: | length 2 | prime | … */
static void see_key_exchange(struct tls_seen *s, struct rd *r, enum tls_exchange kx)
{
        if (kx == TLS_KX_ECDHE) {
                uint8_t kind = rd_u8(r);
                uint16_t group = rd_be16(r);
                if (!r->bad && kind == 3)
                        s->group = group;
        } else if (kx == TLS_KX_DHE) {
                struct span prime = rd_take(r, rd_be16(r));
                while (prime.n && !prime.p[0])
                        prime = span_of(prime.p + 1, prime.n - 1);
                size_t bits = prime.n * 8;
                for (unsigned top = prime.n ? prime.p[0] : 0x80; top < 0x80; top <<= 1)
                        bits--;
                s->dh_bits = (uint16_t)MIN(bits, (size_t)UINT16_MAX);
        }
}

/* RFC 5077 §3.3: | lifetime 4 | length 2 | ticket |; TLS 1.3 has another form, of no use to an older hello.
 */
static void see_ticket(struct tls_seen *s, struct rd *r)
{
        rd_skip(r, 4);
        struct span ticket = rd_take(r, rd_be16(r));
        s->resumption = true;
        if (r->bad || !ticket.n || ticket.n > TLS_TICKET_MAX || s->version >= TLS_1_3)
                return;
        uint8_t *copy = malloc(ticket.n);
        if (!copy)
                return;
        memcpy(copy, ticket.p, ticket.n);
        free(s->ticket);
        s->ticket = copy;
        s->ticket_len = ticket.n;
}

static void see_certificate(struct tls_seen *s, struct span body)
{
        uint8_t *copy = body.n && body.n <= TLS_CERT_LIST_MAX ? malloc(body.n) : NULL;
        if (!copy)
                return;
        memcpy(copy, body.p, body.n);
        free(s->certs);
        s->certs = copy;
        s->certs_len = body.n;
}

void tls_seen_message(struct tls_seen *s, struct span message, enum tls_exchange kx)
{
        struct rd r = rd_of(message);
        uint8_t type = rd_u8(&r);
        rd_skip(&r, 3);
        if (r.bad)
                return;
        switch (type) {
        case SERVER_HELLO:
                see_hello(s, &r);
                break;
        case NEW_TICKET:
                see_ticket(s, &r);
                break;
        case ENCRYPTED_EXTENSIONS:
                see_extensions(s, &r);
                break;
        case CERTIFICATE:
                see_certificate(s, span_of(r.p, rd_left(&r)));
                break;
        case SERVER_KEY_EXCHANGE:
                see_key_exchange(s, &r, kx);
                break;
        default:
                break;
        }
}

void tls_seen_free(struct tls_seen *s)
{
        free(s->certs);
        s->certs = NULL;
        s->certs_len = 0;
        free(s->ticket);
        s->ticket = NULL;
        s->ticket_len = 0;
}

/* IANA's "TLS Supported Groups". */
const char *tls_group_name(const struct tls_seen *s, char *buf, size_t cap)
{
        static const struct {
                uint16_t id;
                const char *name;
        } known[] = {
                {19, "secp192r1"},       {21, "secp224r1"},       {22, "secp256k1"},  {23, "secp256r1"},
                {24, "secp384r1"},       {25, "secp521r1"},       {29, "x25519"},     {30, "x448"},
                {26, "brainpoolP256r1"}, {27, "brainpoolP384r1"}, {256, "ffdhe2048"}, {257, "ffdhe3072"},
                {28, "brainpoolP512r1"}, {258, "ffdhe4096"},      {259, "ffdhe6144"}, {260, "ffdhe8192"}};
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
                if (s->group == known[i].id)
                        return known[i].name;
        buf[0] = 0;
        if (s->group)
                snprintf(buf, cap, "0x%04x", s->group);
        else if (s->dh_bits)
                snprintf(buf, cap, "dh%u", s->dh_bits);
        return buf;
}
