// SPDX-License-Identifier: Apache-2.0
/*
 * What the parsers of binary protocols stand on: BER both ways, NTLM's messages, UTF-16, Windows' times, the
 * little-endian reader. Whole conversations are in test_banner_samples.c; here are the edges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "banner/ber.h"
#include "banner/little.h"
#include "banner/ntlm.h"
#include "banner/pieces.h"

static void same(struct span got, const void *want, size_t n)
{
        assert_int_equal(got.n, n);
        assert_memory_equal(got.p, want, n);
}

/* Values of all lengths around the borders, wrapped and read back. */
static void test_ber_round(void **state)
{
        static const size_t sizes[] = {0, 1, 127, 128, 255, 256, 1000, 65535};
        static uint8_t room[70000];
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
                struct wr w = wr_of(room, sizeof(room));
                wr_u8(&w, 0xee); /* what stands before is not moved */
                for (size_t k = 0; k < sizes[i]; k++)
                        wr_u8(&w, (uint8_t)(k * 7));
                ber_wrap(&w, BER_OCTETS, 1);
                assert_false(w.full);
                assert_int_equal(room[0], 0xee);
                struct span whole = span_of(room + 1, wr_len(&w) - 1);
                struct rd r = rd_of(whole);
                struct ber b;
                assert_true(ber_next(&r, &b));
                assert_int_equal(b.tag, BER_OCTETS);
                assert_int_equal(ber_bytes(&b).n, sizes[i]);
                for (size_t k = 0; k < sizes[i]; k++)
                        assert_int_equal(ber_bytes(&b).p[k], (uint8_t)(k * 7));
                assert_false(ber_next(&r, &b));
                size_t n = 0;
                assert_int_equal(ber_whole(whole, 70000, &n), MATCH_YES);
                assert_int_equal(n, whole.n);
                for (size_t k = 0; k < MIN(whole.n, (size_t)9); k++)
                        assert_int_equal(ber_whole(span_cut(whole, 0, k), 70000, &n), MATCH_MAYBE);
        }
}

static void test_ber_no_room(void **state)
{
        uint8_t room[8];
        (void)state;
        struct wr w = wr_of(room, sizeof(room));
        wr_bytes(&w, "1234567", 7);
        ber_wrap(&w, BER_SEQ, 0);
        assert_true(w.full);
}

static void test_ber_malformed(void **state)
{
        static const struct {
                const char *bytes;
                size_t n;
                enum banner_match whole;
        } all[] = {
                {"\x30\x80\x00\x00\x00\x00", 6, MATCH_NO},          /* indefinite */
                {"\x30\x85\x00\x00\x00\x00\x01", 7, MATCH_NO},      /* length of five bytes */
                {"\x3f\x81\x01\x00\x00\x00", 6, MATCH_NO},          /* tag of several bytes */
                {"\x30\x84\xff\xff\xff\xff", 6, MATCH_NO},          /* longer than anybody takes */
                {"\x30\x84\x00\x00\x00\x02\x05", 7, MATCH_MAYBE},   /* a byte is missing */
                {"\x30\x84\x00\x00\x00\x02\x05\x00", 8, MATCH_YES}, /* long form of a short length */
                {"\x30", 1, MATCH_MAYBE},
        };
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
                size_t n = 0;
                struct span s = span_of(all[i].bytes, all[i].n);
                assert_int_equal(ber_whole(s, 60000, &n), all[i].whole);
                struct rd r = rd_of(s);
                struct ber b;
                assert_int_equal(ber_next(&r, &b), all[i].whole == MATCH_YES);
                assert_int_equal(r.bad, all[i].whole != MATCH_YES);
        }
        assert_int_equal(ber_number(rd_of(span_of("\x01\x02", 2))), 258);
        assert_int_equal(ber_number(rd_of(span_of("\xff\xff\xff\xff\xff\xff\xff\xff", 8))), 0);
        assert_int_equal(ber_number(rd_of(span_of("123456789", 9))), 0);
}

static struct span utf8(const char *utf16, size_t n, size_t cap)
{
        static uint8_t room[64];
        struct wr w = wr_of(room, cap);
        utf16_put(&w, span_of(utf16, n));
        return span_of(room, wr_len(&w));
}

static void test_utf16(void **state)
{
        (void)state;
        same(utf8("A\0\xfc\0\xac\x20\x3d\xd8\x00\xde", 10, 64), "A\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", 10);
        same(utf8("\x3d\xd8", 2, 64), "\xef\xbf\xbd", 3); /* half a pair at the end */
        same(utf8("\x3d\xd8"
                  "A\0",
                  4, 64),
             "\xef\xbf\xbd"
             "A",
             4); /* … before something else */
        same(utf8("\x00\xde"
                  "A",
                  3, 64),
             "\xef\xbf\xbd", 3);                                 /* the other half; an odd byte */
        same(utf8("\xac\x20\xac\x20", 4, 5), "\xe2\x82\xac", 3); /* what has no room is left out whole */
        same(utf8("\xff\xff\x7f\0\x80\0\xff\x07\0\x08", 10, 64),
             "\xef\xbf\xbf\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80", 11);
        struct rd r = rd_of(span_of("A\0B\0\0\0C\0\0", 9));
        same(utf16_until_nul(&r), "A\0B\0", 4);
        same(utf16_until_nul(&r), "C\0", 2);
        assert_int_equal(utf16_until_nul(&r).n, 0);
}

static void test_filetime(void **state)
{
        char text[FILETIME_TEXT];
        (void)state;
        assert_true(filetime_text(116444736000000000, text));
        assert_string_equal(text, "1970-01-01 00:00:00");
        assert_true(filetime_text(133590404969999999, text));
        assert_string_equal(text, "2024-05-01 12:34:56");
        assert_true(filetime_text(2650467743999999999, text));
        assert_string_equal(text, "9999-12-31 23:59:59");
        assert_false(filetime_text(2650467744000000000, text));
        assert_false(filetime_text(116444735990000000, text));
        assert_false(filetime_text(0, text));
        assert_false(filetime_text(UINT64_MAX, text));
}

/* Two messages exist, and neither has anybody's name in it. */
static void test_ntlm_negotiate(void **state)
{
        uint8_t raw[64], wrapped[128];
        struct wr a = wr_of(raw, sizeof(raw)), b = wr_of(wrapped, sizeof(wrapped));
        struct banner_out o;
        struct err e;
        (void)state;
        ntlm_negotiate(&a);
        ntlm_negotiate_spnego(&b);
        assert_int_equal(wr_len(&a), 40);
        assert_int_equal(wr_len(&b), 74);
        assert_memory_equal(wrapped + 34, raw, 40);
        assert_int_equal(raw[8], 1);
        for (unsigned i = 16; i < 32; i++) /* domain and workstation */
                assert_int_equal(raw[i], 0);
        assert_int_equal(banner_out_init(&o, &e), 0);
        banner_out_clear(&o);
        ntlm_mechanisms(&o, APP_SMB, span_of(wrapped, wr_len(&b)));
        struct rd r = rd_of(span_of(o.part[0].fields.start, wr_len(&o.part[0].fields)));
        struct field f;
        assert_true(fields_next(&r, &f));
        same(f.text, "NTLMSSP", 7);
        assert_false(fields_next(&r, &f));
        assert_false(ntlm_describe(&o, APP_SMB, span_of(wrapped, wr_len(&b)))); /* not a challenge */
        banner_out_free(&o);
}

static void test_little(void **state)
{
        uint8_t room[14];
        struct wr w = wr_of(room, sizeof(room));
        (void)state;
        wr_le16(&w, 0x0102);
        wr_le32(&w, 0x03040506);
        wr_le64(&w, 0x0708090a0b0c0d0e);
        assert_false(w.full);
        same(span_of(room, 14), "\2\1\6\5\4\3\x0e\x0d\x0c\x0b\x0a\x09\x08\x07", 14);
        struct rd r = rd_of(span_of(room, 14));
        assert_int_equal(rd_le16(&r), 0x0102);
        assert_int_equal(rd_le32(&r), 0x03040506);
        assert_true(rd_le64(&r) == 0x0708090a0b0c0d0e);
        assert_false(r.bad);
        assert_int_equal(rd_le16(&r), 0);
        assert_true(r.bad);
}

static void test_pieces(void **state)
{
        (void)state;
        struct rd r = rd_of(span_of("ab\0\0c", 5));
        same(rd_until_nul(&r), "ab", 2);
        assert_int_equal(rd_until_nul(&r).n, 0);
        same(rd_until_nul(&r), "c", 1);
        assert_int_equal(rd_until_nul(&r).n, 0);
        assert_true(span_is(span_str("END"), "END"));
        assert_false(span_is(span_str("ENDS"), "END"));
        assert_false(span_is(span_str("EN"), "END"));
}

static const struct banner_part *part_of(const struct banner_out *o, uint16_t app)
{
        for (unsigned i = 0; i < o->n; i++)
                if (o->part[i].app == app)
                        return &o->part[i];
        return NULL;
}

/* One kind too many is lost, and does not go into another one's text. */
static void test_out_parts(void **state)
{
        struct banner_out o;
        struct err e;
        (void)state;
        assert_int_equal(banner_out_init(&o, &e), 0);
        banner_out_clear(&o);
        for (uint16_t app = 1; app <= BANNER_PARTS; app++)
                banner_str(&o, app, "a");
        assert_false(o.cut);
        banner_str(&o, BANNER_PARTS + 1, "stray");
        banner_field_str(&o, BANNER_PARTS + 1, "stray", "stray");
        assert_true(o.cut);
        assert_int_equal(o.n, BANNER_PARTS);
        for (uint16_t app = 1; app <= BANNER_PARTS; app++) {
                const struct banner_part *p = part_of(&o, app);
                assert_non_null(p);
                assert_int_equal(wr_len(&p->text), 1);
                assert_int_equal(wr_len(&p->fields), 0);
        }
        banner_out_free(&o);
}

/* A field that is too large is left out alone: what comes behind it has its room. */
static void test_out_large_field(void **state)
{
        static uint8_t large[BANNER_FIELDS_MAX];
        struct banner_out o;
        struct field f;
        struct err e;
        (void)state;
        assert_int_equal(banner_out_init(&o, &e), 0);
        banner_out_clear(&o);
        banner_field(&o, APP_HTTP, "location", span_of(large, sizeof(large)));
        assert_true(o.cut);
        banner_field_u64(&o, APP_HTTP, "status", 200);
        struct rd r = rd_of(span_of(o.part[0].fields.start, wr_len(&o.part[0].fields)));
        assert_true(fields_next(&r, &f));
        assert_true(span_is(f.key, "status"));
        assert_int_equal(f.number, 200);
        assert_false(fields_next(&r, &f));
        banner_out_free(&o);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ber_round),     cmocka_unit_test(test_ber_no_room),
                cmocka_unit_test(test_ber_malformed), cmocka_unit_test(test_utf16),
                cmocka_unit_test(test_filetime),      cmocka_unit_test(test_ntlm_negotiate),
                cmocka_unit_test(test_little),        cmocka_unit_test(test_pieces),
                cmocka_unit_test(test_out_parts),     cmocka_unit_test(test_out_large_field),
        };
        return cmocka_run_group_tests_name("banner pieces", tests, NULL, NULL);
}
