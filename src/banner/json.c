// SPDX-License-Identifier: Apache-2.0
/*
 * json: finds members and strings in JSON text that a server sent, which may be wrong or cut off anywhere.
 * Nesting is counted, not followed, so depth costs nothing. Invariant: all that is given back lies inside of
 * what was given. RFC 8259 §2, §7; RFC 3629 §3.
 */
#include "banner/json.h"

static void skip_blanks(struct rd *r)
{
        while (rd_left(r) && (r->p[0] == ' ' || r->p[0] == '\t' || r->p[0] == '\r' || r->p[0] == '\n'))
                rd_skip(r, 1);
}

/* Behind the opening quote; true: the closing one was found and moved over. */
static bool skip_string(struct rd *r)
{
        while (rd_left(r)) {
                uint8_t c = rd_u8(r);
                if (c == '"')
                        return true;
                if (c == '\\')
                        rd_skip(r, 1);
        }
        return false;
}

static bool skip_nested(struct rd *r)
{
        size_t depth = 0;
        while (rd_left(r)) {
                uint8_t c = rd_u8(r);
                if (c == '"' && !skip_string(r))
                        return false;
                depth += c == '{' || c == '[';
                if ((c == '}' || c == ']') && --depth == 0)
                        return true;
        }
        return false;
}

static bool is_plain(uint8_t c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
               c == 'E';
}

struct span json_value(struct rd *r)
{
        skip_blanks(r);
        const uint8_t *start = r->p;
        if (!rd_left(r))
                return span_of(start, 0);
        bool whole = true;
        if (*start == '{' || *start == '[') {
                whole = skip_nested(r);
        } else if (*start == '"') {
                rd_skip(r, 1);
                whole = skip_string(r);
        } else {
                while (rd_left(r) && is_plain(r->p[0]))
                        rd_skip(r, 1);
        }
        return span_of(start, whole ? (size_t)(r->p - start) : 0);
}

static bool string_is(struct span quoted, const char *name)
{
        for (size_t i = 1; i + 1 < quoted.n; i++)
                if (!*name || quoted.p[i] != (uint8_t)*name++)
                        return false;
        return quoted.n >= 2 && quoted.p[0] == '"' && !*name;
}

struct span json_member(struct span object, const char *name)
{
        struct rd r = rd_of(object);
        skip_blanks(&r);
        if (rd_u8(&r) != '{')
                return span_of(object.p, 0);
        while (rd_left(&r)) {
                struct span key = json_value(&r);
                skip_blanks(&r);
                if (!key.n || rd_u8(&r) != ':')
                        break;
                struct span value = json_value(&r);
                if (!value.n || string_is(key, name))
                        return value;
                skip_blanks(&r);
                if (rd_u8(&r) != ',')
                        break;
        }
        return span_of(object.p, 0);
}

bool json_next_string(struct rd *r, struct span *inside, bool *is_key)
{
        while (rd_left(r) && r->p[0] != '"')
                rd_skip(r, 1);
        rd_skip(r, 1);
        if (r->bad)
                return false;
        const uint8_t *start = r->p;
        if (!skip_string(r) || r->bad)
                return false;
        *inside = span_of(start, (size_t)(r->p - start) - 1);
        skip_blanks(r);
        *is_key = rd_left(r) && r->p[0] == ':';
        return true;
}

static void put_utf8(struct wr *w, uint32_t c)
{
        uint8_t b[4];
        struct wr one = wr_of(b, sizeof(b));
        if (c < 0x80) {
                wr_u8(&one, (uint8_t)c);
        } else if (c < 0x800) {
                wr_be16(&one, (uint16_t)(0xc080 | (c >> 6) << 8 | (c & 63)));
        } else if (c < 0x10000) {
                wr_u8(&one, (uint8_t)(0xe0 | c >> 12));
                wr_be16(&one, (uint16_t)(0x8080 | (c >> 6 & 63) << 8 | (c & 63)));
        } else {
                wr_be16(&one, (uint16_t)(0xf080 | (c >> 18) << 8 | (c >> 12 & 63)));
                wr_be16(&one, (uint16_t)(0x8080 | (c >> 6 & 63) << 8 | (c & 63)));
        }
        wr_bytes(w, b, wr_len(&one));
}

static uint32_t hex4(struct rd *r)
{
        uint32_t v = 0;
        for (int i = 0; i < 4; i++) {
                uint8_t c = rd_u8(r);
                uint8_t digit = c >= '0' && c <= '9' ? (uint8_t)(c - '0') : (uint8_t)((c | 32) - 'a' + 10);
                v = v << 4 | (digit & 15);
        }
        return v;
}

/* Behind a backslash. Surrogates come in pairs; one alone has no meaning and becomes U+FFFD. */
static uint32_t escaped(struct rd *r)
{
        uint8_t c = rd_u8(r);
        if (c != 'u')
                return c == 'n'   ? '\n'
                       : c == 't' ? '\t'
                       : c == 'r' ? '\r'
                       : c == 'b' ? '\b'
                       : c == 'f' ? '\f'
                                  : c;
        uint32_t high = hex4(r);
        if (high < 0xd800 || high > 0xdfff)
                return high;
        if (rd_left(r) < 6 || r->p[0] != '\\' || r->p[1] != 'u')
                return 0xfffd;
        rd_skip(r, 2);
        uint32_t low = hex4(r);
        bool pair = high < 0xdc00 && low >= 0xdc00 && low <= 0xdfff;
        return pair ? 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff)) : 0xfffd;
}

void json_text(struct wr *w, struct span inside)
{
        struct rd r = rd_of(inside);
        while (rd_left(&r)) {
                uint8_t c = rd_u8(&r);
                if (c != '\\') {
                        wr_u8(w, c);
                        continue;
                }
                uint32_t u = escaped(&r);
                if (r.bad)
                        return;
                put_utf8(w, u);
        }
}
