// SPDX-License-Identifier: Apache-2.0
/*
 * ntlm: asks a server for its NTLM challenge and reads who it is: names, domain, forest, Windows version.
 * Used by smb1.c, smb2.c and rdp.c. Invariant: only NEGOTIATE is ever sent, so nobody is logged in, and no
 * name or secret of ours exists in it.
 *
 *   CHALLENGE_MESSAGE | "NTLMSSP\0" 8 | type=2 4 | target name: len 2, max 2, offset 4 | flags 4 | challenge
 * 8 | | reserved 8 | target info: len 2, max 2, offset 4 | version: major 1, minor 1, build 2, | reserved 3,
 * revision 1 | payload: target name, target info = { id 2 | len 2 | value }
 *
 * MS-NLMP §2.2.1.1, §2.2.1.2, §2.2.2.1; RFC 4178 for SPNEGO
 */
#include "banner/ntlm.h"
#include "banner/ber.h"
#include "banner/little.h"
#include <stdio.h>
#include <time.h>

enum { NTLM_HAS_VERSION = 0x02000000, NTLM_SIGNATURE = 8 };

/* ---- times and texts of Windows ---- */

bool filetime_text(uint64_t filetime, char out[FILETIME_TEXT])
{
        const uint64_t epoch_s = 11644473600; /* from 1601 to 1970 */
        uint64_t s = filetime / 10000000;
        time_t t = (time_t)(s - epoch_s);
        struct tm tm;
        if (s < epoch_s || s - epoch_s > 253402300799ull || !gmtime_r(&t, &tm)) /* the year 9999 */
                return false;
        return strftime(out, FILETIME_TEXT, "%Y-%m-%d %H:%M:%S", &tm) > 0;
}

void filetime_say(struct banner_out *o, uint16_t app, const char *before, const char *key, uint64_t filetime)
{
        char text[FILETIME_TEXT], iso[FILETIME_TEXT];
        if (!filetime_text(filetime, text))
                return;
        if (before)
                banner_fmt(o, app, "%s%s", before, text);
        snprintf(iso, sizeof(iso), "%.10sT%.8sZ", text, text + 11);
        banner_field_str(o, app, key, iso);
}

static void utf8_put(struct wr *w, uint32_t c)
{
        uint8_t b[4] = {(uint8_t)c};
        unsigned n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const uint8_t lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
        for (unsigned i = n - 1; n > 1 && i > 0; i--, c >>= 6)
                b[i] = (uint8_t)(0x80 | (c & 0x3f));
        if (n > 1)
                b[0] = (uint8_t)(lead[n] | c);
        wr_bytes(w, b, n);
}

void utf16_put(struct wr *w, struct span utf16)
{
        struct rd r = rd_of(utf16);
        while (rd_left(&r) >= 2 && !w->full) {
                uint32_t c = rd_le16(&r);
                if (c >= 0xd800 && c < 0xdc00 && rd_left(&r) >= 2) {
                        struct rd ahead = r;
                        uint32_t low = rd_le16(&ahead);
                        if (low >= 0xdc00 && low < 0xe000) {
                                c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
                                r = ahead;
                        }
                }
                utf8_put(w, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
        }
}

struct span utf16_until_nul(struct rd *r)
{
        const uint8_t *from = r->p;
        size_t n = 0;
        while (rd_left(r) >= 2 && rd_le16(r))
                n += 2;
        return span_of(from, n);
}

void utf16_field(struct banner_out *o, uint16_t app, const char *key, struct span utf16)
{
        uint8_t room[NTLM_TEXT_MAX];
        struct wr w = wr_of(room, sizeof(room));
        utf16_put(&w, utf16);
        banner_field(o, app, key, span_of(room, wr_len(&w)));
}

void utf16_text(struct banner_out *o, uint16_t app, const char *before, struct span utf16)
{
        uint8_t room[NTLM_TEXT_MAX];
        struct wr w = wr_of(room, sizeof(room));
        utf16_put(&w, utf16);
        banner_str(o, app, before);
        banner_text(o, app, span_of(room, wr_len(&w)));
}

/* ---- NEGOTIATE ---- */

void ntlm_negotiate(struct wr *w)
{
        enum {
                UNICODE = 1,
                REQUEST_TARGET = 4,
                NTLM = 0x200,
                ALWAYS_SIGN = 0x8000,
                EXTENDED_SECURITY = 0x80000,
                KEY_128 = 0x20000000
        };
        wr_bytes(w, "NTLMSSP", NTLM_SIGNATURE);
        wr_le32(w, 1);
        wr_le32(w, UNICODE | REQUEST_TARGET | NTLM | ALWAYS_SIGN | EXTENDED_SECURITY | NTLM_HAS_VERSION |
                           KEY_128);
        wr_le64(w, 0);          /* no domain of ours */
        wr_le64(w, 0);          /* no workstation */
        wr_be32(w, 0x0a000000); /* version 10.0, no build; servers give theirs only to those who have one */
        wr_be32(w, 15);
}

void ntlm_negotiate_spnego(struct wr *w)
{
        static const uint8_t spnego[] = {BER_OID, 6, 0x2b, 6, 1, 5, 5, 2};
        static const uint8_t mechs[] = {0xa0, 14, BER_SEQ, 12,   BER_OID, 10, 0x2b, 6,
                                        1,    4,  1,       0x82, 0x37,    2,  2,    10};
        size_t whole = wr_len(w);
        wr_bytes(w, spnego, sizeof(spnego));
        size_t init = wr_len(w);
        wr_bytes(w, mechs, sizeof(mechs));
        size_t token = wr_len(w);
        ntlm_negotiate(w);
        ber_wrap(w, BER_OCTETS, token);
        ber_wrap(w, 0xa2, token);
        ber_wrap(w, BER_SEQ, init);
        ber_wrap(w, 0xa0, init);
        ber_wrap(w, 0x60, whole);
}

/* ---- CHALLENGE ---- */

/* Len, max, offset -> the bytes meant, in the whole message. */
static struct span payload(struct rd *r, struct span message)
{
        uint16_t n = rd_le16(r);
        rd_skip(r, 2);
        struct rd m = rd_of(message);
        rd_skip(&m, rd_le32(r));
        return rd_take(&m, n);
}

static const struct target_info {
        const char *text, *key;
} infos[] = {
        [1] = {" name=", "netbios_name"}, [2] = {" domain=", "netbios_domain"},
        [3] = {" name-dns=", "dns_name"}, [4] = {" domain-dns=", "dns_domain"},
        [5] = {" forest=", "dns_forest"}, [9] = {" target=", "target_name"},
};

static void say_target_info(struct banner_out *o, uint16_t app, struct span list)
{
        struct rd r = rd_of(list);
        while (rd_left(&r) >= 4) {
                uint16_t id = rd_le16(&r), n = rd_le16(&r);
                struct rd value = rd_sub(&r, n);
                if (!id || value.bad)
                        return;
                if (id < ARRAY_LEN(infos) && infos[id].key) {
                        struct span s = span_of(value.p, rd_left(&value));
                        utf16_text(o, app, infos[id].text, s);
                        utf16_field(o, app, infos[id].key, s);
                } else if (id == 7) {
                        filetime_say(o, app, NULL, "ntlm_time", rd_le64(&value));
                }
        }
}

static void say_version(struct banner_out *o, uint16_t app, struct rd *r)
{
        unsigned major = rd_u8(r), minor = rd_u8(r), build = rd_le16(r);
        rd_skip(r, 3);
        unsigned revision = rd_u8(r);
        char version[24];
        if (r->bad || !revision)
                return;
        snprintf(version, sizeof(version), "%u.%u.%u", major, minor, build);
        banner_fmt(o, app, " version=%s ntlm-ver=%u", version, revision);
        banner_field_str(o, app, "os_version", version);
        banner_field_u64(o, app, "ntlm_revision", revision);
}

static void say_challenge(struct banner_out *o, uint16_t app, struct span message)
{
        struct rd r = rd_of(message);
        rd_skip(&r, NTLM_SIGNATURE + 4);
        struct span target = payload(&r, message);
        uint32_t flags = rd_le32(&r);
        rd_skip(&r, 16);
        struct span list = payload(&r, message);
        if (target.n) {
                utf16_text(o, app, " domain=", target);
                utf16_field(o, app, "ntlm_target", target);
        }
        if (flags & NTLM_HAS_VERSION)
                say_version(o, app, &r);
        say_target_info(o, app, list);
}

bool ntlm_describe(struct banner_out *o, uint16_t app, struct span token)
{
        for (size_t i = 0; i + NTLM_SIGNATURE + 4 <= token.n; i++) {
                struct span message = span_cut(token, i, token.n);
                struct rd r = rd_of(message);
                if (!span_starts(message, "NTLMSSP"))
                        continue;
                rd_skip(&r, NTLM_SIGNATURE);
                if (rd_le32(&r) != 2)
                        continue;
                say_challenge(o, app, message);
                return true;
        }
        return false;
}

/* ---- what else a server would take ---- */

static const struct mechanism {
        const char *name;
        uint8_t n, oid[10];
} mechanisms[] = {
        {"NTLMSSP", 10, {0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10}},
        {"NEGOEX", 10, {0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 30}},
        {"Kerberos", 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2}},
        {"MS-Kerberos", 9, {0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2}},
        {"Kerberos-U2U", 10, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2, 3}},
};

static bool same(struct span s, const struct mechanism *m)
{
        size_t i = 0;
        while (i < m->n && i < s.n && s.p[i] == m->oid[i])
                i++;
        return i == m->n && i == s.n;
}

void ntlm_mechanisms(struct banner_out *o, uint16_t app, struct span token)
{
        struct rd r = rd_of(token), whole, init, fields, list, oids;
        struct ber b;
        if (!ber_into(&r, 0x60, &whole) || !ber_into(&whole, BER_OID, &init) ||
            !ber_into(&whole, 0xa0, &fields) || !ber_into(&fields, BER_SEQ, &fields) ||
            !ber_into(&fields, 0xa0, &list) || !ber_into(&list, BER_SEQ, &oids))
                return;
        while (ber_next(&oids, &b))
                for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
                        if (b.tag == BER_OID && same(ber_bytes(&b), &mechanisms[i]))
                                banner_field_str(o, app, "auth", mechanisms[i].name);
}
