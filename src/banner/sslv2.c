// SPDX-License-Identifier: Apache-2.0
/*
 * sslv2: servers that speak SSL 2.0: its own hello is sent, its SERVER-HELLO has the certificate and the
 * ciphers in the clear. A check, and tried by session/ on servers that fail with today's versions.
 *
 *   | 80|length 2 | 4 | id hit 1 | cert type 1 | version 0002 | cert, specs, id lengths 2 2 2 | cert | specs
 * 3·n | id | | 80|0003     | 0 | error 2 |
 *
 * Invariant: it is called a weakness only when a session could be had, by one cipher at least; an SSL 3.0 or
 * TLS record never passes for one of these. The SSL 2.0 protocol (Hickman, 1995), RFC 6101 appendix E, RFC
 * 6176.
 */
#include "banner/protocols.h"
#include "banner/ssl_raw.h"

enum { MSG_ERROR = 0, MSG_CLIENT_HELLO = 1, MSG_SERVER_HELLO = 4, VERSION = 2, CHALLENGE_LEN = 16 };

static const struct spec {
        uint32_t code;
        const char *name;
} specs[] = {
        {0x0700c0, "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"}, {0x050080, "SSL_CK_IDEA_128_CBC_WITH_MD5"},
        {0x030080, "SSL_CK_RC2_128_CBC_WITH_MD5"},      {0x010080, "SSL_CK_RC4_128_WITH_MD5"},
        {0x060040, "SSL_CK_DES_64_CBC_WITH_MD5"},       {0x040080, "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5"},
        {0x020080, "SSL_CK_RC4_128_EXPORT40_WITH_MD5"},
};

static void put_spec(struct wr *w, uint32_t code)
{
        wr_u8(w, (uint8_t)(code >> 16));
        wr_be16(w, (uint16_t)code);
}

static void hello(struct banner_turn *t)
{
        uint8_t challenge[CHALLENGE_LEN];
        size_t n = 3 * ARRAY_LEN(specs);
        ssl_raw_random(t, 0, challenge, sizeof(challenge));
        wr_be16(t->reply, (uint16_t)(0x8000 | (9 + n + CHALLENGE_LEN)));
        wr_u8(t->reply, MSG_CLIENT_HELLO);
        wr_be16(t->reply, VERSION);
        wr_be16(t->reply, (uint16_t)n);
        wr_be16(t->reply, 0); /* no session to resume */
        wr_be16(t->reply, CHALLENGE_LEN);
        for (size_t i = 0; i < ARRAY_LEN(specs); i++)
                put_spec(t->reply, specs[i].code);
        wr_bytes(t->reply, challenge, sizeof(challenge));
}

static const char *spec_name(uint32_t code) /* NULL: it is none of ours */
{
        for (size_t i = 0; i < ARRAY_LEN(specs); i++)
                if (specs[i].code == code)
                        return specs[i].name;
        return NULL;
}

static enum banner_status describe(struct banner_turn *t, struct span certificate, struct rd list)
{
        banner_str(t->out, APP_SSL, "SSLv2");
        banner_field_str(t->out, APP_SSL, "version", "SSLv2");
        bool usable = false;
        for (bool first = true; rd_left(&list) >= 3; first = false) {
                uint32_t code = (uint32_t)rd_u8(&list) << 16;
                code |= rd_be16(&list);
                if (first)
                        banner_fmt(t->out, APP_SSL, " cipher:0x%06x", code);
                ssl_raw_cipher(t, APP_SSL, code);
                const char *name = spec_name(code);
                banner_field_str(t->out, APP_SSL, "cipher_name", name ? name : "unknown");
                usable |= name != NULL;
        }
        if (certificate.n && t->conf && t->conf->capture_cert)
                ssl_raw_certificate(t, APP_X509, certificate);
        if (usable)
                banner_str(t->out, APP_VULN, "SSL[v2] ");
        return BANNER_DONE;
}

static enum banner_status parse_server_hello(struct banner_turn *t, struct rd *r)
{
        rd_skip(r, 2); /* no session was resumed; certificates are X.509 */
        uint16_t version = rd_be16(r);
        size_t n_certificate = rd_be16(r), n_specs = rd_be16(r);
        rd_skip(r, 2);
        struct span certificate = rd_take(r, n_certificate);
        struct rd list = rd_sub(r, n_specs);
        return r->bad || version != VERSION ? BANNER_REJECT : describe(t, certificate, list);
}

static enum banner_status parse(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        uint16_t head = rd_be16(&r);
        if (r.bad)
                return BANNER_MORE;
        size_t len = head & 0x7fff;
        if (!(head & 0x8000) || len < 3)
                return BANNER_REJECT;
        if (rd_left(&r) < len)
                return rd_left(&r) && r.p[0] != MSG_SERVER_HELLO && r.p[0] != MSG_ERROR ? BANNER_REJECT
                                                                                        : BANNER_MORE;
        struct rd body = rd_sub(&r, len);
        uint8_t type = rd_u8(&body);
        if (type == MSG_ERROR && len == 3) { /* none of our ciphers: SSL 2.0 all the same */
                banner_field_u64(t->out, APP_SSL, "error", rd_be16(&body));
                return describe(t, span_of(NULL, 0), rd_of(span_of(NULL, 0)));
        }
        return type == MSG_SERVER_HELLO ? parse_server_hello(t, &body) : BANNER_REJECT;
}

const struct banner_ops banner_sslv2 = {
        .name = "sslv2",
        .summary = "SSL 2.0",
        .app = APP_SSL,
        .check = true,
        .hello = hello,
        .parse = parse,
};
