// SPDX-License-Identifier: Apache-2.0
/*
 * ssl_raw: ClientHello out, the server's first flight in. Handshake messages are a stream of their own laid
 * over the records: one may be cut over several records, one record may hold several.
 *
 *   record     | type 1 | version 2 | length 2 | fragment … |
 *   handshake  | type 1 | length 3 | body … |
 *
 * Invariant: whatever the lengths say, no more than SSL_KEPT bytes of a message are copied. RFC 5246 §6.2.1,
 * §7.4, RFC 6066 §3, RFC 8422 §5.1, RFC 6520 §2.
 */
#include "banner/ssl_raw.h"

enum {
        SSL_KEPT = 1024, /* of ServerHello; no known server sends more */
        MSG_SERVER_HELLO = 2,
        MSG_CERTIFICATE = 11,
        MSG_DONE = 14,
        EXT_NAME = 0,
        EXT_GROUPS = 10,
        EXT_FORMATS = 11,
        EXT_SIGNATURES = 13,
        EXT_HEARTBEAT = 15,
        EXT_MASTER_SECRET = 23,
        EXT_TICKET = 35
};

void ssl_raw_random(const struct banner_turn *t, unsigned use, uint8_t *out, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                uint64_t word = hash_mix64(t->secret + ((uint64_t)use << 32) + i / 8 + 1);
                out[i] = (uint8_t)(word >> i % 8 * 8);
        }
}

/* ---- the hello ---- */
static void put_name(struct wr *w, struct span name)
{
        char room[HOST_NAME_MAX_LEN];
        name = host_on_wire(name, room);
        size_t n = name.n;
        if (!n)
                return;
        wr_be16(w, EXT_NAME);
        wr_be16(w, (uint16_t)(n + 5));
        wr_be16(w, (uint16_t)(n + 3));
        wr_u8(w, 0); /* host_name */
        wr_be16(w, (uint16_t)n);
        wr_bytes(w, name.p, n);
}

static void put_list(struct wr *w, uint16_t type, const uint16_t *value, size_t n)
{
        wr_be16(w, type);
        wr_be16(w, (uint16_t)(2 * n + 2));
        wr_be16(w, (uint16_t)(2 * n));
        for (size_t i = 0; i < n; i++)
                wr_be16(w, value[i]);
}

static void put_extensions(struct wr *w, const struct ssl_hello *h, struct span name)
{
        static const uint16_t groups[] = {0x001d, 0x0017, 0x0018, 0x0019};
        static const uint16_t signatures[] = {0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401,
                                              0x0501, 0x0601, 0x0203, 0x0201, 0x0202, 0x0402};
        put_name(w, name);
        put_list(w, EXT_GROUPS, groups, ARRAY_LEN(groups));
        wr_be16(w, EXT_FORMATS);
        wr_be16(w, 2);
        wr_be16(w, 0x0100); /* one format: uncompressed */
        put_list(w, EXT_SIGNATURES, signatures, ARRAY_LEN(signatures));
        wr_be16(w, EXT_TICKET);
        wr_be16(w, (uint16_t)h->ticket.n);
        wr_bytes(w, h->ticket.p, h->ticket.n);
        if (h->ticket.n) { /* our own handshake had it, so its ticket wants it again (RFC 7627 §5.3) */
                wr_be16(w, EXT_MASTER_SECRET);
                wr_be16(w, 0);
        }
        if (h->heartbeat) {
                wr_be16(w, EXT_HEARTBEAT);
                wr_be16(w, 1);
                wr_u8(w, 1); /* the peer may send requests to us */
        }
}

void ssl_raw_hello(struct banner_turn *t, const struct ssl_hello *h)
{
        uint8_t body_room[BANNER_REPLY_MAX - 16], ext_room[BANNER_REPLY_MAX - 256], random[32];
        struct wr b = wr_of(body_room, sizeof(body_room)), x = wr_of(ext_room, sizeof(ext_room));
        ssl_raw_random(t, 0, random, sizeof(random));
        wr_be16(&b, h->version);
        wr_bytes(&b, random, sizeof(random));
        wr_u8(&b, (uint8_t)h->session_id.n);
        wr_bytes(&b, h->session_id.p, h->session_id.n);
        wr_be16(&b, (uint16_t)(2 * h->n_suites));
        for (size_t i = 0; i < h->n_suites; i++)
                wr_be16(&b, h->suites[i]);
        wr_be16(&b, 0x0100); /* one compression: none */
        if (h->extensions) {
                put_extensions(&x, h, t->name);
                wr_be16(&b, (uint16_t)wr_len(&x));
                wr_bytes(&b, x.start, wr_len(&x));
        }
        wr_u8(t->reply, SSL_HANDSHAKE);
        wr_be16(t->reply, h->record_version);
        wr_be16(t->reply, (uint16_t)(wr_len(&b) + 4));
        wr_be16(t->reply, 0x0100); /* ClientHello, and the high byte of its length */
        wr_be16(t->reply, (uint16_t)wr_len(&b));
        wr_bytes(t->reply, b.start, wr_len(&b));
}

/* ---- the answer ---- */
struct message { /* one that may be cut over records */
        uint8_t head[4], kept[SSL_KEPT];
        size_t n_head, n, left;
};

static void server_hello(struct ssl_flight *f, struct span body)
{
        struct rd r = rd_of(body);
        f->version = rd_be16(&r);
        rd_skip(&r, 32);
        size_t n = rd_u8(&r);
        struct rd id = rd_sub(&r, n);
        f->cipher = rd_be16(&r);
        rd_skip(&r, 1);
        f->hello = !r.bad && n <= sizeof(f->session_id);
        for (f->n_session_id = 0; f->hello && f->n_session_id < n; f->n_session_id++)
                f->session_id[f->n_session_id] = rd_u8(&id);
        rd_skip(&r, 2);
        while (rd_left(&r) >= 4) {
                f->heartbeat |= rd_be16(&r) == EXT_HEARTBEAT;
                rd_skip(&r, rd_be16(&r));
        }
}

/* False: what must be a ServerHello is none. */
static bool message_ends(struct ssl_flight *f, struct message *m, struct span last)
{
        uint8_t type = m->head[0];
        if (type == MSG_SERVER_HELLO)
                server_hello(f, span_of(m->kept, m->n));
        else if (type == MSG_CERTIFICATE && last.n == (get_be32(m->head) & 0xffffff))
                f->certificates = last;
        f->done = type == MSG_DONE;
        m->n_head = m->n = 0;
        return f->hello;
}

static bool handshake(struct ssl_flight *f, struct message *m, struct rd *r)
{
        while (rd_left(r) && !f->done) {
                struct span part = {0};
                if (m->n_head < sizeof(m->head)) {
                        m->head[m->n_head++] = rd_u8(r);
                        m->left = get_be32(m->head) & 0xffffff;
                } else {
                        part = rd_take(r, MIN(m->left, rd_left(r)));
                        m->left -= part.n;
                        for (size_t i = 0; i < part.n && m->n < SSL_KEPT; i++)
                                m->kept[m->n++] = part.p[i];
                }
                if (m->n_head == sizeof(m->head) && !m->left && !message_ends(f, m, part))
                        return false;
        }
        return true;
}

/* Warnings but close_notify are not the end: a server may say that it does not know our name (112). */
static bool alert(struct ssl_flight *f, struct rd *r)
{
        uint16_t code = rd_be16(r);
        if (!r->bad && (code >> 8 == 2 || code == 0x0100))
                f->alert = code;
        return !r->bad && (code >> 8 == 1 || code >> 8 == 2);
}

enum banner_match ssl_raw_flight(struct span in, struct ssl_flight *f)
{
        struct rd r = rd_of(in);
        struct message m = {.n_head = 0};
        *f = (struct ssl_flight){.hello = false};
        while (rd_left(&r)) {
                bool cut = rd_left(&r) < 5;
                uint8_t type = rd_u8(&r);
                if (type == SSL_CHANGE_CIPHER && f->hello) /* a resumed session: the rest is encrypted */
                        return MATCH_YES;
                bool wrong = (type != SSL_HANDSHAKE && type != SSL_ALERT) || (rd_left(&r) && r.p[0] != 3);
                if (wrong || cut)
                        return wrong ? MATCH_NO : MATCH_MAYBE;
                rd_skip(&r, 2);
                size_t len = rd_be16(&r);
                if (len == 0 || len > SSL_RECORD_MAX)
                        return MATCH_NO;
                cut = len > rd_left(&r);
                struct rd body = rd_sub(&r, MIN(len, rd_left(&r)));
                f->used = in.n - rd_left(&r);
                if (type == SSL_ALERT && cut)
                        return MATCH_MAYBE;
                if (!(type == SSL_ALERT ? alert(f, &body) : handshake(f, &m, &body)))
                        return MATCH_NO;
                if (f->alert || (f->done && !cut))
                        return MATCH_YES;
        }
        return MATCH_MAYBE;
}

/* ---- words ---- */
void ssl_raw_certificate(struct banner_turn *t, uint16_t app, struct span der)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        struct rd r = rd_of(der);
        while (rd_left(&r)) {
                struct rd three = rd_sub(&r, MIN(rd_left(&r), (size_t)3));
                size_t n = rd_left(&three);
                uint32_t v = (uint32_t)rd_u8(&three) << 16;
                v |= (uint32_t)(n > 1 ? rd_u8(&three) : 0) << 8;
                v |= n > 2 ? rd_u8(&three) : 0;
                char four[4] = {digits[v >> 18], digits[v >> 12 & 63], '=', '='};
                if (n > 1)
                        four[2] = digits[v >> 6 & 63];
                if (n > 2)
                        four[3] = digits[v & 63];
                banner_text(t->out, app, span_of(four, sizeof(four)));
        }
}

void ssl_raw_cipher(struct banner_turn *t, uint16_t app, uint32_t cipher)
{
        char text[16];
        struct wr w = wr_of(text, sizeof(text));
        wr_fmt(&w, cipher > 0xffff ? "0x%06x" : "0x%04x", cipher);
        banner_field(t->out, app, "cipher", span_of(text, wr_len(&w)));
}

static size_t be24(struct rd *r)
{
        size_t high = rd_u8(r);
        return high << 16 | rd_be16(r);
}

void ssl_raw_describe(struct banner_turn *t, const struct ssl_flight *f)
{
        banner_fmt(t->out, APP_SSL, "SSLv3 cipher:0x%04x", f->cipher);
        banner_field_str(t->out, APP_SSL, "version", "SSLv3");
        ssl_raw_cipher(t, APP_SSL, f->cipher);
        if (!t->conf || !t->conf->capture_cert)
                return;
        struct rd r = rd_of(f->certificates);
        struct rd list = rd_sub(&r, be24(&r));
        for (uint16_t app = APP_X509; rd_left(&list) && app <= APP_X509CA; app++) /* the leaf, its issuer */
                ssl_raw_certificate(t, app, rd_take(&list, be24(&list)));
}

enum banner_status ssl_raw_safe(struct banner_turn *t, const char *text, uint16_t alert_code)
{
        banner_str(t->out, APP_SAFE, text);
        if (alert_code)
                banner_field_u64(t->out, APP_SAFE, "alert", alert_code & 0xff);
        return BANNER_DONE;
}
