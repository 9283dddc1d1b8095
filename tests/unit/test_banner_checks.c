// SPDX-License-Identifier: Apache-2.0
/*
 * What samples cannot show of the hand-made TLS hellos: that their lengths are right whatever the host name
 * and the ticket, that certificates come out as base64, and that nothing of a server's memory is left
 * anywhere in what a check wrote. RFC 5246 §7.4.1.2, RFC 4648 §10 (vectors).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "banner/ssl_raw.h"

struct fixture {
        struct banner_out out;
        struct banner_conf conf;
        uint8_t room[BANNER_REPLY_MAX];
        struct wr reply;
        struct banner_turn turn;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        struct err e;
        assert_non_null(f);
        assert_int_equal(banner_out_init(&f->out, &e), 0);
        memset(f->out.room, 0, (size_t)BANNER_PARTS * (BANNER_TEXT_MAX + BANNER_FIELDS_MAX));
        f->conf.capture_cert = true;
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;
        banner_out_free(&f->out);
        free(f);
        return 0;
}

static struct banner_turn *turn_of(struct fixture *f, struct span in, uint8_t phase)
{
        f->reply = wr_of(f->room, sizeof(f->room));
        banner_out_clear(&f->out);
        f->turn = (struct banner_turn){.in = in,
                                       .phase = phase,
                                       .secret = 42,
                                       .conf = &f->conf,
                                       .out = &f->out,
                                       .reply = &f->reply,
                                       .used = in.n};
        return &f->turn;
}

static struct span said(const struct fixture *f)
{
        assert_false(f->reply.full);
        return span_of(f->reply.start, wr_len(&f->reply));
}

/* The data of an extension of a ClientHello whose lengths all agree; n 0: it is not there. */
static struct span extension(struct span hello, uint16_t wanted)
{
        struct rd r = rd_of(hello);
        struct span found = {0};
        assert_int_equal(rd_u8(&r), SSL_HANDSHAKE);
        rd_skip(&r, 2);
        size_t record = rd_be16(&r);
        assert_int_equal(record, rd_left(&r));
        size_t message = rd_be32(&r);
        assert_int_equal(message, (1u << 24) + rd_left(&r));
        rd_skip(&r, 34);
        rd_skip(&r, rd_u8(&r));
        rd_skip(&r, rd_be16(&r));
        rd_skip(&r, rd_u8(&r));
        assert_false(r.bad);
        if (!rd_left(&r))
                return found;
        size_t all = rd_be16(&r);
        assert_int_equal(all, rd_left(&r));
        while (rd_left(&r)) {
                uint16_t type = rd_be16(&r);
                struct span data = rd_take(&r, rd_be16(&r));
                assert_false(r.bad);
                if (type == wanted)
                        found = data;
        }
        return found;
}

static void test_lengths(void **state)
{
        struct fixture *f = *state;
        static char name[301];
        memset(name, 'a', 300);
        for (unsigned i = 0; banner_table[i]; i++) {
                const struct banner_ops *b = banner_table[i];
                if (!b->check)
                        continue;
                for (size_t n = 0; n <= 300; n += 100) {
                        struct banner_turn *t = turn_of(f, span_of(NULL, 0), 0);
                        t->name = span_of(name, n);
                        b->hello(t);
                        struct span hello = said(f);
                        if (hello.p[0] & 0x80) { /* SSL 2.0 */
                                assert_int_equal(get_be16(hello.p) & 0x7fff, hello.n - 2);
                                continue;
                        }
                        struct span sni = extension(hello, 0);
                        assert_true(sni.n == 0 || sni.n == MIN(n, (size_t)255) + 5);
                }
        }
}

static void test_ticket(void **state)
{
        struct fixture *f = *state;
        static uint8_t ticket[4000];
        memset(ticket, 'T', sizeof(ticket));
        static const size_t given[] = {0, 1, 200, 3072, 3073, sizeof(ticket)};
        static const size_t sent[] = {160, 1, 200, 3072, 160, 160};
        for (size_t i = 0; i < ARRAY_LEN(given); i++) {
                struct banner_turn *t = turn_of(f, span_of(NULL, 0), 0);
                t->ticket = span_of(ticket, given[i]);
                banner_by_name("ticketbleed")->hello(t);
                struct span got = extension(said(f), 35);
                assert_int_equal(got.n, sent[i]);
                if (given[i] == sent[i])
                        assert_memory_equal(got.p, ticket, got.n);
        }
}

static void test_random(void **state)
{
        struct fixture *f = *state;
        uint8_t a[32], b[32], c[32];
        struct banner_turn *t = turn_of(f, span_of(NULL, 0), 0);
        ssl_raw_random(t, 0, a, sizeof(a));
        ssl_raw_random(t, 1, b, sizeof(b));
        t->secret++;
        ssl_raw_random(t, 0, c, sizeof(c));
        for (size_t i = 0; i < sizeof(a); i += 8) {
                assert_memory_not_equal(a + i, b + i, 8);
                assert_memory_not_equal(a + i, c + i, 8);
        }
        t->secret--;
        ssl_raw_random(t, 0, c, sizeof(c));
        assert_memory_equal(a, c, sizeof(a));
}

static void test_base64(void **state)
{
        struct fixture *f = *state;
        static const struct {
                const char *bytes, *text;
        } vectors[] = {{"f", "Zg=="},        {"fo", "Zm8="},        {"foo", "Zm9v"},
                       {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
        for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
                struct banner_turn *t = turn_of(f, span_of(NULL, 0), 0);
                ssl_raw_certificate(t, APP_X509, span_str(vectors[i].bytes));
                const struct wr *w = &banner_part(&f->out, APP_X509)->text;
                assert_int_equal(wr_len(w), strlen(vectors[i].text));
                assert_memory_equal(w->start, vectors[i].text, wr_len(w));
        }
}

/* A whole chain in SSL 3.0: the leaf and its issuer, and no more kinds than those two. */
static void test_certificates(void **state)
{
        struct fixture *f = *state;
        static const uint8_t flight[] = "\x16\x03\x00\x00\x2a\x02\x00\x00\x26\x03\x00"
                                        "................................\x00\x00\x05\x00"
                                        "\x16\x03\x00\x00\x18\x0b\x00\x00\x10\x00\x00\x0d\x00\x00\x03"
                                        "foo\x00\x00\x04"
                                        "foob\x0e\x00\x00\x00";
        struct banner_turn *t = turn_of(f, span_of(flight, sizeof(flight) - 1), 0);
        assert_int_equal(banner_by_name("sslv3")->parse(t), BANNER_DONE);
        assert_int_equal(f->out.n, 4);
        assert_memory_equal(banner_part(&f->out, APP_SSL)->text.start, "SSLv3 cipher:0x0005", 19);
        assert_memory_equal(banner_part(&f->out, APP_X509)->text.start, "Zm9v", 4);
        assert_memory_equal(banner_part(&f->out, APP_X509CA)->text.start, "Zm9vYg==", 8);
}

static bool holds(struct span s, const char *word)
{
        return span_find(s, word, NULL);
}

/* Leaked bytes are counted, and are nowhere: not in a text, a field, or in what we say. */
static void test_leak_is_not_kept(void **state)
{
        struct fixture *f = *state;
        static uint8_t leak[8 + 0x4000];
        struct wr w = wr_of(leak, sizeof(leak));
        wr_bytes(&w, "\x18\x03\x02\x40\x03\x02\x40\x00", 8);
        while (!w.full)
                wr_str(&w, "SECRET-");
        struct span in = span_of(leak, wr_len(&w));
        struct banner_turn *t = turn_of(f, in, 1);
        t->eof = true;
        assert_int_equal(banner_by_name("heartbleed")->parse(t), BANNER_DONE);
        assert_int_equal(f->out.n, 1);
        assert_int_equal(f->out.part[0].app, APP_VULN);
        assert_true(holds(in, "secret-"));
        assert_false(holds(said(f), "secret"));
        for (unsigned i = 0; i < BANNER_PARTS; i++) {
                size_t part = BANNER_TEXT_MAX + BANNER_FIELDS_MAX;
                assert_false(holds(span_of(f->out.room + i * part, part), "secret"));
        }
        struct rd r = rd_of(span_of(f->out.part[0].fields.start, wr_len(&f->out.part[0].fields)));
        struct field field;
        assert_true(fields_next(&r, &field) && fields_next(&r, &field));
        assert_int_equal(field.number, in.n - 8);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_lengths, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_ticket, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_random, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_base64, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_certificates, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_leak_is_not_kept, set_up, tear_down),
        };
        return cmocka_run_group_tests_name("banner checks", tests, NULL, NULL);
}
