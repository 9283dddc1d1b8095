// SPDX-License-Identifier: Apache-2.0
/*
 * der: the walk through DER, and the few types that certificates are made of, as text for people. Used by
 * cert.c and facts.c. Own code and not OpenSSL's because broken certificates are what a scan is for: each
 * field stands alone, and what is malformed costs that field only. Invariant: output is valid UTF-8 without
 * NULs. Reference: X.690; RFC 5280 §4.1; RFC 4514 §2.
 */
#include "tls_priv.h"
#include <stdio.h>

/* ---- the walk ---- */
static size_t read_head(struct rd *r, uint8_t *tag)
{
        *tag = rd_u8(r);
        size_t n = rd_u8(r);
        if ((*tag & 0x1f) == 0x1f || n > 0x84 || n == 0x80) /* tags of several bytes are in no certificate */
                r->bad = true;
        if (n <= 0x80)
                return n;
        size_t digits = n & 0x7f;
        for (n = 0; digits && !r->bad; digits--)
                n = n << 8 | rd_u8(r);
        return n;
}

bool der_next(struct rd *r, struct der *d)
{
        size_t n = read_head(r, &d->tag);
        d->body = rd_take(r, n);
        return !r->bad;
}

bool der_want_cut(struct rd *r, uint8_t tag, struct der *d)
{
        size_t n = read_head(r, &d->tag);
        if (r->bad || d->tag != tag)
                r->bad = true;
        d->body = rd_take(r, MIN(n, rd_left(r)));
        return !r->bad;
}

bool der_want(struct rd *r, uint8_t tag, struct der *d)
{
        if (der_next(r, d) && d->tag == tag)
                return true;
        r->bad = true;
        return false;
}

/* ---- object identifiers: base 128, high bit: more follows; the first number is 40 × first + second ---- */
const char *der_oid_text(struct span body, char *buf, size_t cap)
{
        struct wr w = wr_of(buf, cap);
        uint64_t v = 0;
        bool first = true, more = false;
        for (size_t i = 0; i < body.n && v < UINT64_MAX >> 8; i++) {
                v = v << 7 | (body.p[i] & 0x7f);
                more = body.p[i] & 0x80;
                if (more)
                        continue;
                if (first)
                        wr_fmt(&w, "%u.%llu", (unsigned)MIN(v / 40, (uint64_t)2),
                               (unsigned long long)(v - 40 * MIN(v / 40, (uint64_t)2)));
                else
                        wr_fmt(&w, ".%llu", (unsigned long long)v);
                first = false;
                v = 0;
        }
        wr_u8(&w, 0);
        if (w.full || more || first)
                buf[0] = 0;
        return buf;
}

/* ---- time: YYMMDDhhmm[ss] or YYYYMMDDhhmm[ss], then [.fraction] and Z or ±hhmm ---- */
static unsigned two_digits(struct rd *r)
{
        uint8_t a = rd_u8(r), b = rd_u8(r);
        if (a < '0' || a > '9' || b < '0' || b > '9')
                r->bad = true;
        return r->bad ? 0 : (a - '0') * 10u + (b - '0');
}

/* Days since 1970-01-01 of the Gregorian calendar; years begin in March, so that the leap day is the last. */
static int64_t days_of(int64_t y, unsigned m, unsigned d)
{
        y -= m <= 2;
        int64_t era = (y < 0 ? y - 399 : y) / 400, year = y - era * 400;
        int64_t day = (153 * (int64_t)(m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
        return era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468;
}

static bool is_digit_next(const struct rd *r)
{
        return rd_left(r) && r->p[0] >= '0' && r->p[0] <= '9';
}

static int64_t zone_seconds(struct rd *r)
{
        if (rd_left(r) && r->p[0] == '.')
                for (rd_skip(r, 1); is_digit_next(r);)
                        rd_skip(r, 1);
        uint8_t sign = rd_u8(r);
        if (sign != '+' && sign != '-') {
                r->bad |= sign != 'Z';
                return 0;
        }
        int64_t s = (int64_t)two_digits(r) * 3600;
        s += (int64_t)two_digits(r) * 60;
        return sign == '+' ? s : -s;
}

int64_t der_time(const struct der *d)
{
        enum { UTC_TIME = 0x17, GENERALIZED_TIME = 0x18 };
        struct rd r = der_inside(d);
        if (d->tag != UTC_TIME && d->tag != GENERALIZED_TIME)
                return 0;
        unsigned year = two_digits(&r);
        if (d->tag == GENERALIZED_TIME)
                year = year * 100 + two_digits(&r);
        else
                year += year < 50 ? 2000 : 1900; /* RFC 5280 §4.1.2.5.1 */
        unsigned month = two_digits(&r), day = two_digits(&r), hour = two_digits(&r), minute = two_digits(&r);
        unsigned second = is_digit_next(&r) ? two_digits(&r) : 0;
        int64_t zone = zone_seconds(&r);
        if (r.bad || rd_left(&r) || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
            minute > 59 || second > 60)
                return 0;
        return days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
}

/* ---- strings ---- */
enum { UTF8 = 12, T61 = 20, UNIVERSAL = 28, BMP = 30 };

static bool utf8_next(struct rd *r, uint32_t *cp)
{
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        uint8_t lead = rd_u8(r);
        unsigned more = lead < 0x80 ? 0 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        *cp = more ? lead & (0x3fu >> more) : lead;
        if (lead >= 0xf8 || (lead >= 0x80 && lead < 0xc2))
                return false;
        for (unsigned i = 0; i < more; i++) {
                uint8_t b = rd_u8(r);
                if (r->bad || (b & 0xc0) != 0x80)
                        return false;
                *cp = *cp << 6 | (b & 0x3f);
        }
        return *cp >= least[more] && *cp < 0x110000 && (*cp & 0xfffff800) != 0xd800;
}

/* The next character; false: it is none, and one byte is to be shown as it is. */
static bool char_next(uint8_t tag, struct rd *r, uint32_t *cp)
{
        switch (tag) {
        case UTF8:
                return utf8_next(r, cp);
        case BMP:
                *cp = rd_be16(r);
                if (*cp >> 10 == 0xd800 >> 10 && rd_left(r) >= 2 && get_be16(r->p) >> 10 == 0xdc00 >> 10)
                        *cp = 0x10000 + ((*cp & 0x3ff) << 10 | (rd_be16(r) & 0x3ffu));
                break;
        case UNIVERSAL:
                *cp = rd_be32(r);
                break;
        default: /* of T61String nobody uses more than Latin-1; the others are ASCII, or should be */
                *cp = rd_u8(r);
                return tag == T61 || *cp < 0x80;
        }
        return !r->bad && *cp < 0x110000 && (*cp & 0xfffff800) != 0xd800;
}

static void put_char(struct wr *w, uint32_t cp)
{
        uint8_t b[4], n = 0;
        if (cp < 0x80) {
                b[n++] = (uint8_t)cp;
        } else if (cp < 0x800) {
                b[n++] = (uint8_t)(0xc0 | cp >> 6);
        } else if (cp < 0x10000) {
                b[n++] = (uint8_t)(0xe0 | cp >> 12);
                b[n++] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
        } else {
                b[n++] = (uint8_t)(0xf0 | cp >> 18);
                b[n++] = (uint8_t)(0x80 | (cp >> 12 & 0x3f));
                b[n++] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
        }
        if (cp >= 0x80)
                b[n++] = (uint8_t)(0x80 | (cp & 0x3f));
        wr_bytes(w, b, n);
}

static void put_hex(struct wr *w, const char *before, uint8_t byte)
{
        static const char digits[] = "0123456789abcdef";
        char text[4] = {before[0], digits[byte >> 4], digits[byte & 15], 0};
        wr_str(w, before[0] ? text : text + 1);
}

/* RFC 4514 §2.4: what would mean something else in a name. */
static bool wants_backslash(uint32_t cp, bool first, bool last)
{
        if (cp == ' ')
                return first || last;
        return cp == '"' || cp == '+' || cp == ',' || cp == ';' || cp == '<' || cp == '>' ||
               (first && cp == '#');
}

void der_string(const struct der *d, struct wr *w, bool in_name)
{
        struct rd r = der_inside(d);
        while (rd_left(&r) && !w->full) {
                struct rd before = r;
                uint32_t cp;
                if (!char_next(d->tag, &r, &cp)) {
                        r = before;
                        put_hex(w, "\\", rd_u8(&r));
                        continue;
                }
                if (cp < 0x20 || cp == 0x7f) {
                        put_hex(w, "\\", (uint8_t)cp);
                } else if (cp == '\\') {
                        wr_str(w, in_name ? "\\\\" : "\\5c");
                } else {
                        if (in_name && wants_backslash(cp, before.p == d->body.p, !rd_left(&r)))
                                wr_u8(w, '\\');
                        put_char(w, cp);
                }
        }
}

/* ---- names: SEQUENCE OF SET OF SEQUENCE { type OID, value } ---- */
static const char *attribute_name(const char *oid)
{
        static const char *const names[][2] = {{"2.5.4.3", "CN"},
                                               {"2.5.4.4", "SN"},
                                               {"2.5.4.5", "serialNumber"},
                                               {"2.5.4.6", "C"},
                                               {"2.5.4.7", "L"},
                                               {"2.5.4.8", "ST"},
                                               {"2.5.4.9", "STREET"},
                                               {"2.5.4.10", "O"},
                                               {"2.5.4.11", "OU"},
                                               {"2.5.4.12", "title"},
                                               {"2.5.4.15", "businessCategory"},
                                               {"2.5.4.17", "postalCode"},
                                               {"2.5.4.42", "GN"},
                                               {"2.5.4.97", "organizationIdentifier"},
                                               {"0.9.2342.19200300.100.1.1", "UID"},
                                               {"0.9.2342.19200300.100.1.25", "DC"},
                                               {"1.2.840.113549.1.9.1", "emailAddress"},
                                               {"1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"},
                                               {"1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"},
                                               {"1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"}};
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (strcmp(oid, names[i][0]) == 0)
                        return names[i][1];
        return NULL;
}

static bool is_string(uint8_t tag)
{
        return tag == UTF8 || (tag >= 18 && tag <= 22) || (tag >= 25 && tag <= 28) || tag == BMP;
}

/* RFC 4514 §2.4: a type without a name has its value as # and the hexadecimal DER. */
static void put_attribute(struct wr *w, struct der *pair, struct wr *cn)
{
        struct rd r = der_inside(pair);
        struct der type, value;
        char oid[128];
        if (!der_want(&r, DER_OID, &type))
                return;
        const uint8_t *start = r.p;
        if (!der_next(&r, &value))
                return;
        const char *name = attribute_name(der_oid_text(type.body, oid, sizeof(oid)));
        wr_str(w, name ? name : oid);
        wr_u8(w, '=');
        if (name && is_string(value.tag)) {
                der_string(&value, w, true);
        } else {
                wr_u8(w, '#');
                for (; start < r.p && !w->full; start++)
                        put_hex(w, "", *start);
        }
        if (name && strcmp(name, "CN") == 0 && is_string(value.tag) && !wr_len(cn))
                der_string(&value, cn, false);
}

static void put_rdn(struct wr *w, struct span body, struct wr *cn)
{
        struct rd set = rd_of(body);
        struct der pair;
        for (bool first = true; rd_left(&set) && der_next(&set, &pair); first = false) {
                if (!first)
                        wr_u8(w, '+');
                put_attribute(w, &pair, cn);
        }
}

/* RFC 4514 §2.1: the last one comes first; so the first CN that is met is the most specific one. */
void der_name_text(struct span name, struct wr *text, struct wr *cn)
{
        enum { RDNS_MAX = 64 };
        struct span rdn[RDNS_MAX];
        struct rd r = rd_of(name);
        struct der d;
        unsigned n = 0;
        while (n < RDNS_MAX && rd_left(&r) && der_want(&r, DER_SET, &d))
                rdn[n++] = d.body;
        for (unsigned i = n; i-- > 0;) {
                if (i + 1 < n)
                        wr_u8(text, ',');
                put_rdn(text, rdn[i], cn);
        }
}
