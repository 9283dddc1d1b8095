// SPDX-License-Identifier: Apache-2.0
/*
 * cert: a handshake as banners: the `ssl` line that masscan's readers know, the certificates in base64, and
 * everything else as fields. Told by tls_glue.c. Invariant: text and fields are bounded by banner_out; what
 * a certificate says is data, never a format. The line:
 *
 *   TLS/1.3 cipher:0x1302, common.name, dns.name, other.dns.name
 *   TLS/1.2 ALERT(0x0228)
 */
#include "session_priv.h"
#include <stdio.h>
#include <time.h>

static void version_text(char out[24], uint16_t version)
{
        static const char *const names[] = {"SSLv3", "TLS/1.0", "TLS/1.1", "TLS/1.2", "TLS/1.3"};
        if (version >= 0x0300 && version <= 0x0304)
                snprintf(out, 24, "%s", names[version & 0xff]);
        else
                snprintf(out, 24, "SSLver[%u,%u]", version >> 8, version & 0xffu);
}

static void time_field(struct banner_out *o, uint16_t app, const char *key, int64_t at)
{
        struct tm tm;
        char text[40];
        time_t t = (time_t)at;
        if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
                banner_field_str(o, app, key, text);
}

static void text_field(struct banner_out *o, uint16_t app, const char *key, const char *value)
{
        if (value && *value)
                banner_field_str(o, app, key, value);
}

static void cert_fields(struct banner_out *o, uint16_t app, const struct tls_cert *c)
{
        static const char *const keys[] = {"other", "rsa", "ec", "ed25519", "dsa"};
        char hex[65];
        struct wr w = wr_of(hex, sizeof(hex));
        for (unsigned i = 0; i < sizeof(c->sha256); i++)
                wr_fmt(&w, "%02x", c->sha256[i]);
        text_field(o, app, "subject_cn", c->subject_cn);
        text_field(o, app, "subject", c->subject);
        text_field(o, app, "issuer", c->issuer);
        text_field(o, app, "serial", c->serial);
        time_field(o, app, "not_before", c->not_before);
        time_field(o, app, "not_after", c->not_after);
        banner_field_str(o, app, "key", keys[(unsigned)c->key < ARRAY_LEN(keys) ? c->key : 0]);
        banner_field_u64(o, app, "key_bits", c->key_bits);
        text_field(o, app, "signature", c->signature);
        banner_field(o, app, "sha256", span_of(hex, 64));
        banner_field_bool(o, app, "self_signed", c->self_signed);
        for (unsigned i = 0; i < c->n_names; i++)
                text_field(o, app, "names", c->names[i]);
}

static void ssl_fields(struct banner_out *o, const struct tls_facts *f)
{
        if (f->cipher) {
                char cipher[8];
                snprintf(cipher, sizeof(cipher), "0x%04x", f->cipher);
                banner_field_str(o, APP_SSL, "cipher", cipher);
        }
        text_field(o, APP_SSL, "cipher_name", f->cipher_name);
        text_field(o, APP_SSL, "alpn", f->alpn);
        text_field(o, APP_SSL, "group", f->group);
        banner_field_bool(o, APP_SSL, "resumption", f->resumption);
        banner_field_u64(o, APP_SSL, "chain_length", f->n_certs);
        if (f->n_certs)
                cert_fields(o, APP_SSL, &f->certs[0]);
}

/* The common name and each DNS name; addresses among the names are fields only. */
static void name_texts(struct banner_out *o, const struct tls_cert *c)
{
        struct ip_addr ip;
        if (*c->subject_cn)
                banner_fmt(o, APP_SSL, ", %s", c->subject_cn);
        for (unsigned i = 0; i < c->n_names; i++) {
                if (ip_parse(&ip, c->names[i], strlen(c->names[i])) == 0)
                        continue;
                banner_str(o, APP_SSL, ", ");
                banner_str(o, APP_SSL, c->names[i]);
        }
}

static void ssl_part(struct session_set *set, const struct tls_facts *f, uint16_t version, uint16_t alert,
                     const char *why)
{
        struct banner_out *o = &set->out;
        char text[24];
        version_text(text, version);
        banner_out_clear(o);
        banner_str(o, APP_SSL, text);
        banner_field_str(o, APP_SSL, "version", text);
        if (f && f->cipher)
                banner_fmt(o, APP_SSL, " cipher:0x%04x", f->cipher);
        if (alert) {
                banner_fmt(o, APP_SSL, " ALERT(0x%04x)", alert);
                banner_field_u64(o, APP_SSL, "alert", alert & 0xff);
        }
        text_field(o, APP_SSL, "error", why);
        if (f)
                ssl_fields(o, f);
        if (f && f->n_certs)
                name_texts(o, &f->certs[0]);
}

void report_tls(struct session_set *set, struct session *s, const struct tls_facts *f, uint16_t alert,
                const char *why)
{
        uint16_t version = f && f->version ? f->version : s->talk->record_version;
        report_flush(set, s);
        ssl_part(set, f, version, alert, why);
        report_out(set, s);
        for (unsigned i = 0; f && set->conf.banner.capture_cert && i < f->n_certs; i++) {
                uint16_t app = i ? APP_X509CA : APP_X509;
                banner_out_clear(&set->out);
                cert_fields(&set->out, app, &f->certs[i]);
                report_base64(set, s, app, f->certs[i].der);
        }
}
