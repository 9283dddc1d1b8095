// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzing what a peer can do to TLS. The first byte chooses: any bytes as a certificate; as handshake
 * messages to the part that reads along; as they are into a handle; or, since a fuzzer does not find its way
 * through record headers and lengths, framed as records behind a good ServerHello of TLS 1.2, whose messages
 * are not encrypted. Checked besides the sanitizers' own findings: texts end inside the facts, names are
 * valid UTF-8, a handle has one last event, and after closing nothing of its memory is left.
 */
#include "tls/tls_priv.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef HAVE_TLS
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        return (void)data, (void)size, 0;
}
#else

static void must(bool held)
{
        if (!held)
                abort();
}

/* ---- facts ---- */
static bool is_utf8(const char *text)
{
        const uint8_t *p = (const uint8_t *)text;
        while (*p) {
                unsigned more = *p < 0x80 ? 0 : *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
                if (*p > 0xf4 || (*p >= 0x80 && *p < 0xc2))
                        return false;
                for (p++; more; more--, p++)
                        if ((*p & 0xc0) != 0x80)
                                return false;
        }
        return true;
}

static void check_text(const struct tls_facts *f, size_t size, const char *text)
{
        const char *start = (const char *)f, *end = start + size;
        must(text >= start && text < end && memchr(text, 0, (size_t)(end - text)) && is_utf8(text));
}

static void check_facts(struct tls_facts *f, size_t size)
{
        check_text(f, size, f->alpn);
        check_text(f, size, f->group);
        must(f->n_certs <= TLS_CERTS_MAX);
        for (unsigned i = 0; i < f->n_certs; i++) {
                const struct tls_cert *c = &f->certs[i];
                check_text(f, size, c->subject);
                check_text(f, size, c->subject_cn);
                check_text(f, size, c->issuer);
                check_text(f, size, c->serial);
                check_text(f, size, c->signature);
                must(c->n_names <= TLS_NAMES_MAX);
                for (unsigned k = 0; k < c->n_names; k++)
                        check_text(f, size, c->names[k]);
        }
        tls_facts_free(f);
}

static void make_facts(struct tls_seen *seen)
{
        size_t size = 0;
        struct tls_facts *f = tls_facts_make(seen, "", &size);
        must(f != NULL);
        check_facts(f, size);
        tls_seen_free(seen);
}

static void one_certificate(struct span der)
{
        struct tls_seen seen = {.version = 0x0303};
        uint8_t *body = malloc(der.n + 6);
        must(body != NULL);
        struct wr w = wr_of(body, der.n + 6);
        wr_u8(&w, (uint8_t)((der.n + 3) >> 16));
        wr_be16(&w, (uint16_t)(der.n + 3));
        wr_u8(&w, (uint8_t)(der.n >> 16));
        wr_be16(&w, (uint16_t)der.n);
        wr_bytes(&w, der.p, der.n);
        seen.certs = body;
        seen.certs_len = wr_len(&w);
        make_facts(&seen);
}

/* | length 2 | message |, repeated */
static void messages(struct rd r)
{
        struct tls_seen seen = {0};
        while (rd_left(&r) > 2) {
                size_t n = rd_be16(&r);
                struct span m = rd_take(&r, MIN(n, rd_left(&r)));
                uint8_t *copy =
                        malloc(m.n ? m.n : 1); /* of that size: the address sanitizer guards its ends */
                must(copy != NULL);
                if (m.n)
                        memcpy(copy, m.p, m.n);
                tls_seen_message(&seen, span_of(copy, m.n), (enum tls_exchange)(n % 3));
                free(copy);
        }
        make_facts(&seen);
}

/* ---- a handle ---- */
static struct tls_pool *pool;

static void drain(uint32_t handle, bool *over)
{
        struct tls_event ev;
        while (tls_worker_round(&pool->workers[0]))
                ;
        while (tls_poll(pool, 0, &ev, 1)) {
                must(ev.handle == handle && !*over);
                must(ev.kind != TLS_READY && ev.kind != TLS_PLAIN);
                *over = ev.kind == TLS_FAILED || ev.kind == TLS_CLOSED;
                must(memchr(ev.text, 0, sizeof(ev.text)) != NULL);
                tls_event_free(&ev);
        }
}

static void feed(uint32_t handle, struct rd r, size_t chunk)
{
        bool over = false;
        drain(handle, &over); /* its hello */
        while (rd_left(&r) && !over) {
                tls_feed(pool, 0, handle, rd_take(&r, MIN(chunk, rd_left(&r))));
                drain(handle, &over);
        }
        must(over || !tls_busy(pool, 0, handle));
        tls_eof(pool, 0, handle);
        drain(handle, &over);
        must(over); /* whatever came: the end of it ends the handle */
        tls_close(pool, 0, handle);
        drain(handle, &over);
        must(atomic_load(&pool->bytes) == 0);
}

/* ServerHello of TLS 1.2 with a cipher suite of the fuzzer's choice, then | type 1 | length 2 | body | as
 * messages in records of their own. */
static size_t framed(struct rd r, uint8_t *out, size_t cap)
{
        static const uint16_t suites[] = {0x002f, 0xc02f, 0xc02b, 0x009e, 0x0034, 0xc018};
        static const uint8_t random[32] = {1};
        struct wr w = wr_of(out, cap);
        wr_bytes(&w, "\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03", 11);
        wr_bytes(&w, random, sizeof(random));
        wr_u8(&w, 0);
        wr_be16(&w, suites[rd_u8(&r) % ARRAY_LEN(suites)]);
        wr_u8(&w, 0);
        while (rd_left(&r) > 3) {
                uint8_t type = rd_u8(&r);
                size_t n = rd_be16(&r);
                struct span body = rd_take(&r, MIN(MIN(n, rd_left(&r)), (size_t)16000));
                wr_bytes(&w, "\x16\x03\x03", 3);
                wr_be16(&w, (uint16_t)(body.n + 4));
                wr_u8(&w, type);
                wr_u8(&w, 0);
                wr_be16(&w, (uint16_t)body.n);
                wr_bytes(&w, body.p, body.n);
        }
        return wr_len(&w);
}

static void one_handle(struct rd r, bool frame)
{
        static uint8_t bytes[1 << 18];
        struct tls_conf conf = {.clients = 1};
        struct err e;
        size_t chunk = (size_t)rd_u8(&r) * 8 + 1;
        if (!pool && tls_pool_make(&pool, &conf, false, &e))
                abort();
        uint32_t handle = tls_open(pool, 0, &(struct tls_want){.name = "x.example", .alpn = "h2,http/1.1"});
        must(handle != TLS_NONE);
        if (frame)
                r = rd_of(span_of(bytes, framed(r, bytes, sizeof(bytes))));
        feed(handle, r, chunk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct rd r = rd_of(span_of(data, size));
        switch (rd_u8(&r) & 3) {
        case 0:
                one_certificate(span_of(r.p, MIN(rd_left(&r), (size_t)65000)));
                break;
        case 1:
                messages(r);
                break;
        case 2:
                one_handle(r, false);
                break;
        default:
                one_handle(r, true);
        }
        return 0;
}
#endif
