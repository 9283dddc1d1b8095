// SPDX-License-Identifier: Apache-2.0
/*
 * addr: addresses as text and as bytes. The bottom of the program: targets are read and results are written
 * through it. Invariant: ip_parse(ip_format(a)) == a for every address whose zone is still an interface.
 * RFC 4291 §2.2 (text in), RFC 5952 (text out), RFC 4007 §11 (zones).
 */
#include "wire/wire.h"
#include <ctype.h>
#include <net/if.h>

int ip_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
        if (a->family != b->family)
                return a->family < b->family ? -1 : 1;
        if (a->zone != b->zone)
                return a->zone < b->zone ? -1 : 1;
        if (a->hi != b->hi)
                return a->hi < b->hi ? -1 : 1;
        return a->lo == b->lo ? 0 : a->lo < b->lo ? -1 : 1;
}

struct ip_addr ip_add(struct ip_addr a, uint64_t n)
{
        uint64_t lo = a.lo + n;
        if (a.family == 6) {
                a.hi += lo < n;
                a.lo = lo;
        } else {
                a.lo = (uint32_t)lo;
        }
        return a;
}

void ip_to_bytes(const struct ip_addr *a, uint8_t out[16])
{
        if (a->family == 6) {
                put_be64(out, a->hi);
                put_be64(out + 8, a->lo);
        } else {
                put_be32(out, (uint32_t)a->lo);
        }
}

struct ip_addr ip_from_bytes(const uint8_t *p, uint8_t family)
{
        return family == 6 ? ip_v6(get_be64(p), get_be64(p + 8)) : ip_v4(get_be32(p));
}

/* ---- text in ---- */

/* Lists of ten million lines come through here: no loop over the four, no copy. */
static inline const char *scan_octet(const char *p, const char *end, uint32_t *out)
{
        uint32_t v = p < end ? (uint32_t)(uint8_t)*p - '0' : 10, d;
        if (v > 9)
                return NULL;
        if (++p < end && (d = (uint32_t)(uint8_t)*p - '0') <= 9) {
                v = v * 10 + d;
                if (++p < end && (d = (uint32_t)(uint8_t)*p - '0') <= 9) {
                        v = v * 10 + d;
                        p++;
                }
        }
        *out = v;
        return v > 255 ? NULL : p;
}

static inline const char *scan_dot(const char *p, const char *end)
{
        return p && p < end && *p == '.' ? p + 1 : NULL;
}

const char *ip_scan_v4(uint32_t *out, const char *p, const char *end)
{
        uint32_t a, b, c, d;
        if (!(p = scan_dot(scan_octet(p, end, &a), end)) || !(p = scan_dot(scan_octet(p, end, &b), end)) ||
            !(p = scan_dot(scan_octet(p, end, &c), end)) || !(p = scan_octet(p, end, &d)))
                return NULL;
        *out = a << 24 | b << 16 | c << 8 | d;
        return p;
}

static int parse_v4(uint32_t *out, struct span s)
{
        const char *end = (const char *)s.p + s.n, *after = ip_scan_v4(out, (const char *)s.p, end);
        return after && after == end ? 0 : -1;
}

static int hex_digit(uint8_t c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct groups { /* IPv6 text being read: 16-bit groups and where "::" stood */
        uint16_t g[8];
        int n, gap; /* gap -1: none */
};

/* One group of hex digits at *i, or a dotted IPv4 tail worth two groups. */
static int parse_group(struct groups *v, struct span s, size_t *i)
{
        uint32_t value = 0, tail;
        size_t start = *i;
        while (*i < s.n && hex_digit(s.p[*i]) >= 0 && *i - start < 4)
                value = value << 4 | (uint32_t)hex_digit(s.p[(*i)++]);
        if (*i < s.n && s.p[*i] == '.') {
                if (v->n > 6 || parse_v4(&tail, span_of(s.p + start, s.n - start)))
                        return -1;
                v->g[v->n++] = (uint16_t)(tail >> 16);
                v->g[v->n++] = (uint16_t)tail;
                *i = s.n;
                return 0;
        }
        if (*i == start || v->n > 7)
                return -1;
        v->g[v->n++] = (uint16_t)value;
        return 0;
}

static int parse_groups(struct groups *v, struct span s)
{
        size_t i = 0;
        if (s.n >= 2 && s.p[0] == ':' && s.p[1] == ':') {
                v->gap = 0;
                i = 2;
        }
        while (i < s.n) {
                if (parse_group(v, s, &i))
                        return -1;
                if (i == s.n)
                        break;
                if (s.p[i++] != ':' || i == s.n)
                        return -1;
                if (s.p[i] == ':') {
                        if (v->gap >= 0)
                                return -1;
                        v->gap = v->n;
                        i++;
                }
        }
        return v->gap < 0 ? (v->n == 8 ? 0 : -1) : (v->n < 8 ? 0 : -1);
}

static int parse_v6(struct ip_addr *out, struct span s)
{
        struct groups v = {.gap = -1};
        uint64_t half[2] = {0, 0};
        if (parse_groups(&v, s))
                return -1;
        int zeros = v.gap < 0 ? 0 : 8 - v.n;
        for (int i = 0; i < v.n; i++) {
                int at = zeros && i >= v.gap ? i + zeros : i;
                half[at / 4] |= (uint64_t)v.g[i] << (48 - at % 4 * 16);
        }
        *out = ip_v6(half[0], half[1]);
        return 0;
}

static int parse_zone(uint32_t *zone, struct span s)
{
        char name[IF_NAMESIZE];
        uint64_t number = 0;
        if (s.n == 0 || s.n >= sizeof(name))
                return -1;
        memcpy(name, s.p, s.n);
        name[s.n] = 0;
        *zone = if_nametoindex(name);
        if (*zone)
                return 0;
        for (size_t i = 0; i < s.n; i++) {
                if (s.p[i] < '0' || s.p[i] > '9')
                        return -1;
                number = number * 10 + (s.p[i] - '0');
                if (number > INT32_MAX)
                        return -1;
        }
        *zone = (uint32_t)number;
        return number ? 0 : -1;
}

int ip_parse(struct ip_addr *out, const char *text, size_t n)
{
        struct span s = span_of(text, n), zone = {0};
        struct ip_addr a;
        uint32_t v4;
        if (parse_v4(&v4, s) == 0) {
                *out = ip_v4(v4);
                return 0;
        }
        if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
                s = span_of(s.p + 1, s.n - 2);
        const uint8_t *percent = s.n ? memchr(s.p, '%', s.n) : NULL;
        if (percent) {
                zone = span_of(percent + 1, s.n - (size_t)(percent - s.p) - 1);
                s.n = (size_t)(percent - s.p);
        }
        if (parse_v6(&a, s))
                return -1;
        if (percent && (!ip_is_link_local(&a) || parse_zone(&a.zone, zone)))
                return -1;
        *out = a;
        return 0;
}

bool mac_parse(uint8_t mac[6], const char *text)
{
        const uint8_t *p = (const uint8_t *)text;
        for (int i = 0; i < 6; i++) {
                if (i && ispunct(*p))
                        p++;
                int hi = hex_digit(p[0]), lo = hi < 0 ? -1 : hex_digit(p[1]);
                if (lo < 0)
                        return false;
                mac[i] = (uint8_t)(hi << 4 | lo);
                p += 2;
        }
        return *p == 0;
}

/* ---- text out ---- */

static void format_v4(struct wr *w, uint32_t a)
{
        for (int shift = 24; shift >= 0; shift -= 8) {
                wr_dec(w, a >> shift & 255);
                if (shift)
                        wr_u8(w, '.');
        }
}

static void put_hex(struct wr *w, unsigned v)
{
        int shift = v > 0xfff ? 12 : v > 0xff ? 8 : v > 0xf ? 4 : 0;
        for (; shift >= 0; shift -= 4)
                wr_u8(w, (uint8_t) "0123456789abcdef"[v >> shift & 15]);
}

/* RFC 5952 §4.2: "::" replaces the longest run of zero groups, the first of equals, never a single one. */
static int longest_gap(const unsigned g[8], int *len)
{
        int best = -1;
        *len = 1;
        for (int i = 0; i < 8; i++) {
                int n = 0;
                while (i + n < 8 && g[i + n] == 0)
                        n++;
                if (n > *len) {
                        *len = n;
                        best = i;
                }
                i += n;
        }
        return best;
}

static void format_v6(struct wr *w, const struct ip_addr *a)
{
        unsigned g[8];
        int gap_len;
        if (a->hi == 0 && a->lo >> 32 == 0xffff) { /* RFC 5952 §5: IPv4-mapped ones show the IPv4 address */
                wr_str(w, "::ffff:");
                format_v4(w, (uint32_t)a->lo);
                return;
        }
        for (int i = 0; i < 8; i++)
                g[i] = (uint16_t)((i < 4 ? a->hi : a->lo) >> (48 - i % 4 * 16));
        int gap = longest_gap(g, &gap_len);
        for (int i = 0; i < 8; i++) {
                if (i == gap) {
                        wr_str(w, "::");
                        i += gap_len - 1;
                        continue;
                }
                if (i && i != gap + gap_len)
                        wr_u8(w, ':');
                put_hex(w, g[i]);
        }
}

size_t ip_format(char out[IP_TEXT_MAX], const struct ip_addr *a)
{
        struct wr w = wr_of(out, IP_TEXT_MAX - 1);
        char name[IF_NAMESIZE];
        if (a->family == 6)
                format_v6(&w, a);
        else
                format_v4(&w, (uint32_t)a->lo);
        if (a->zone) {
                wr_u8(&w, '%');
                if (if_indextoname(a->zone, name))
                        wr_str(&w, name);
                else
                        wr_dec(&w, a->zone);
        }
        out[wr_len(&w)] = 0;
        return wr_len(&w);
}
