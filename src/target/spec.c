// SPDX-License-Identifier: Apache-2.0
/*
 * spec: one item of target text becomes ranges. read.c cuts the text into items, this file knows their
 * grammar:
 *
 *     address            10.0.0.1   fe80::1%eth0   [2001:db8::1]
 *     address/bits       10.0.0.0/8 (bits beyond the prefix are cleared)
 *     address-address    both ends full
 *     octets             10.0.0-3.1-254   10.0.0.5-10   10.0.*.1
 *     name, name/bits    resolved at the end of the text (names.c)
 *
 * Invariant: an item is added whole or refused with a message that quotes it; nothing is guessed.
 * Reference: RFC 4632 §3.1, RFC 4291 §2.2 and §2.3, RFC 4007 §11, RFC 1123 §2.1.
 */
#include "target/set.h"
#include <ctype.h>
#include <net/if.h>
#include <stdio.h>

void text_quote(char *out, size_t cap, const char *p, size_t n)
{
        struct wr w = wr_of(out, cap - 1);
        size_t most = MIN(n, 80);
        for (size_t i = 0; i < most; i++) {
                uint8_t c = (uint8_t)p[i];
                if (c < ' ' || c == 127)
                        wr_fmt(&w, "\\x%02x", c);
                else
                        wr_u8(&w, c);
        }
        if (most < n)
                wr_str(&w, "...");
        out[wr_len(&w)] = 0;
}

void item_where(const struct item *it, char *out, size_t cap)
{
        const char *source = it->how ? it->how->source : NULL;
        out[0] = 0;
        if (source)
                snprintf(out, cap, "%.150s:%llu:%llu: ", source, (unsigned long long)it->line,
                         (unsigned long long)it->column);
}

int item_bad(const struct item *it, struct err *e, const char *fmt, ...)
{
        char where[256], quote[400], why[256];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(why, sizeof(why), fmt, ap);
        va_end(ap);
        item_where(it, where, sizeof(where));
        text_quote(quote, sizeof(quote), it->quote, it->quote_len);
        return err_set(e, 0, "%s\"%s\" %s", where, quote, why);
}

static void note_never(struct tgt_set *s, const struct item *it, const struct tgt_range *r)
{
        char where[256];
        item_where(it, where, sizeof(where));
        set_note_never(s, r, where);
}

static int add(struct tgt_set *s, const struct item *it, const struct tgt_range *r, struct err *e)
{
        struct seg g = seg_of(r);
        if (reserved_seg(&g))
                note_never(s, it, r);
        return tgt_set_add_range(s, r, e);
}

static int add_v4(struct tgt_set *s, const struct item *it, uint32_t first, uint32_t last, struct err *e)
{
        struct tgt_range r = {ip_v4(first), ip_v4(last)};
        return add(s, it, &r, e);
}

/* 0..max in decimal, nothing else; -1: it is not. */
static int number(const char *p, const char *end, int max)
{
        int v = 0;
        if (p == end || end - p > 3)
                return -1;
        for (; p < end; p++) {
                if (*p < '0' || *p > '9')
                        return -1;
                v = v * 10 + (*p - '0');
        }
        return v <= max ? v : -1;
}

/* ---- IPv4 ---- */

struct octet {
        uint32_t lo, hi;
};

/* "7", and where spans are welcome "3-9" and "*". */
static const char *parse_octet(const char *p, const char *end, bool spans, struct octet *o)
{
        const char *dash = memchr(p, '-', (size_t)(end - p));
        if (spans && end - p == 1 && *p == '*') {
                *o = (struct octet){0, 255};
                return NULL;
        }
        if (dash && !spans)
                return "is not an IPv4 address; write a.b.c.d, a.b.c.d/bits or a.b.c.d-e.f.g.h";
        if (dash && (dash == p || dash + 1 == end))
                return "has a dash without a number on both sides";
        int lo = number(p, dash ? dash : end, 999), hi = dash ? number(dash + 1, end, 999) : lo;
        if (lo < 0 || hi < 0)
                return "is not an IPv4 address; write a.b.c.d, a.b.c.d/bits or a.b.c.d-e.f.g.h";
        if (lo > 255 || hi > 255)
                return "has a number above 255 where an IPv4 address has 0 to 255";
        if (lo > hi)
                return "has a range that runs backwards; write the lower number first";
        *o = (struct octet){(uint32_t)lo, (uint32_t)hi};
        return NULL;
}

static const char *parse_octets(const char *p, const char *end, bool spans, struct octet o[4])
{
        for (int i = 0; i < 4; i++) {
                const char *dot = memchr(p, '.', (size_t)(end - p)), *stop = dot ? dot : end;
                const char *why = parse_octet(p, stop, spans, &o[i]);
                if (why)
                        return why;
                if ((i < 3) != (dot != NULL))
                        return "is not an IPv4 address: it takes four numbers with dots between";
                p = stop + (i < 3);
        }
        return NULL;
}

/* NULL: good; else what is wrong. */
static const char *v4_parse(const char *p, const char *end, uint32_t *out)
{
        struct octet o[4];
        const char *why = parse_octets(p, end, false, o);
        if (!why)
                *out = o[0].lo << 24 | o[1].lo << 16 | o[2].lo << 8 | o[3].lo;
        return why;
}

static int v4_net(struct tgt_set *s, const struct item *it, const char *slash, struct err *e)
{
        const char *end = it->text + it->len;
        uint32_t a;
        int bits = number(slash + 1, end, 32);
        if (it->spaced || memchr(it->text, '-', (size_t)(slash - it->text)) ||
            memchr(it->text, '*', (size_t)(slash - it->text)))
                return item_bad(it, e, "mixes a range and a prefix length; give one or the other");
        const char *why = v4_parse(it->text, slash, &a);
        if (why)
                return item_bad(it, e, "%s", why);
        if (bits < 0)
                return item_bad(it, e, "has a wrong prefix length; IPv4 takes /0 to /32");
        uint32_t host = bits == 32 ? 0 : UINT32_MAX >> bits;
        return add_v4(s, it, a & ~host, a | host, e);
}

/* One step of the odometer over octets 0..n-1; false when it has gone round. */
static bool next_octets(uint32_t at[4], const struct octet o[4], int n)
{
        for (int i = n - 1; i >= 0; i--) {
                if (at[i] < o[i].hi) {
                        at[i]++;
                        return true;
                }
                at[i] = o[i].lo;
        }
        return false;
}

/* Octets as spans: every combination, with whole trailing octets folded into longer ranges. */
static int v4_octets(struct tgt_set *s, const struct item *it, struct err *e)
{
        struct octet o[4];
        const char *why = parse_octets(it->text, it->text + it->len, true, o);
        uint32_t at[4], tail = 0; /* tail: host bits of the octets that are 0-255 to the end */
        int n = 3;                /* the octet that makes the range; those before it are counted through */
        if (why)
                return item_bad(it, e, "%s", why);
        for (; n > 0 && o[n].lo == 0 && o[n].hi == 255; n--)
                tail = tail << 8 | 0xff;
        for (int i = 0; i < 4; i++)
                at[i] = o[i].lo;
        if (reserved_v4(o[0].lo << 24, o[0].hi << 24 | 0xffffff))
                note_never(s, it, &(struct tgt_range){ip_v4(o[0].lo << 24), ip_v4(o[0].hi << 24 | 0xffffff)});
        s->patterned |= n > 0;
        do {
                uint32_t high = 0;
                for (int i = 0; i < n; i++)
                        high |= at[i] << (24 - 8 * i);
                int shift = 24 - 8 * n;
                if (set_add_v4(s, high | o[n].lo << shift, high | o[n].hi << shift | tail, e))
                        return -1;
        } while (next_octets(at, o, n));
        return 0;
}

static int count(const char *p, const char *end, char c)
{
        int n = 0;
        for (; p < end; p++)
                n += *p == c;
        return n;
}

static int v4_range(struct tgt_set *s, const struct item *it, const char *dash, struct err *e)
{
        uint32_t first, last;
        const char *why = v4_parse(it->text, dash, &first);
        if (!why)
                why = v4_parse(dash + 1, it->text + it->len, &last);
        if (why)
                return item_bad(it, e, "%s", why);
        if (first > last)
                return item_bad(it, e, "runs backwards; write the lower address first");
        return add_v4(s, it, first, last, e);
}

static int v4_item(struct tgt_set *s, const struct item *it, struct err *e)
{
        const char *end = it->text + it->len;
        const char *slash = memchr(it->text, '/', it->len), *dash = memchr(it->text, '-', it->len);
        if (slash)
                return v4_net(s, it, slash, e);
        bool full = dash && count(it->text, dash, '.') == 3 && count(dash, end, '.') == 3;
        if (full && !memchr(it->text, '*', it->len))
                return v4_range(s, it, dash, e);
        if (it->spaced)
                return item_bad(it, e, "needs a full address on each side of the dash");
        if (dash || memchr(it->text, '*', it->len))
                return v4_octets(s, it, e);
        uint32_t a;
        const char *why = v4_parse(it->text, end, &a);
        return why ? item_bad(it, e, "%s", why) : add_v4(s, it, a, a, e);
}

/* ---- IPv6 ---- */

static bool known_zone(const char *name, size_t n)
{
        char text[IF_NAMESIZE];
        if (n == 0 || n >= sizeof(text))
                return false;
        memcpy(text, name, n);
        text[n] = 0;
        return if_nametoindex(text) || number(text, text + n, 999) > 0;
}

/* Why ip_parse() said no to an IPv6 text. */
static int v6_bad(const struct item *it, struct err *e)
{
        const char *percent = memchr(it->text, '%', it->len), *end = it->text + it->len;
        struct ip_addr a;
        if (count(it->text, end, '[') != count(it->text, end, ']'))
                return item_bad(it, e, "has a bracket without its partner");
        if (percent) {
                const char *start = it->text + (it->text[0] == '['), *stop = percent + 1;
                while (stop < end && *stop != ']' && *stop != '/')
                        stop++;
                if (ip_parse(&a, start, (size_t)(percent - start)) == 0 && !ip_is_link_local(&a))
                        return item_bad(it, e,
                                        "has a zone, which only link-local addresses (fe80::/10) have");
                if (!known_zone(percent + 1, (size_t)(stop - percent - 1)))
                        return item_bad(
                                it, e, "names the interface \"%.*s\", which does not exist here; see ip link",
                                (int)MIN(stop - percent - 1, 40), percent + 1);
        }
        return item_bad(it, e, "is not an IPv6 address, address/bits or address-address");
}

/* "host:80" and "[v6]:80": the port belongs elsewhere. */
static bool has_port(const struct item *it)
{
        const char *end = it->text + it->len, *colon = memrchr(it->text, ':', it->len);
        if (!colon || colon == it->text || colon + 1 == end)
                return false;
        for (const char *p = colon + 1; p < end; p++)
                if (!isdigit((unsigned char)*p) && *p != '-')
                        return false;
        return colon[-1] == ']' || memchr(it->text, ':', (size_t)(colon - it->text)) == NULL;
}

/* The ends of a range when the dash is at `dash`; false: this dash does not divide two addresses. */
static bool v6_ends(const struct item *it, const char *dash, struct tgt_range *r)
{
        const char *end = it->text + it->len;
        if (ip_parse(&r->first, it->text, (size_t)(dash - it->text)) ||
            ip_parse(&r->last, dash + 1, (size_t)(end - dash - 1)))
                return false;
        if (r->last.zone == 0)
                r->last.zone = ip_is_link_local(&r->last) ? r->first.zone : 0;
        return true;
}

static int v6_range(struct tgt_set *s, const struct item *it, const struct tgt_range *r, struct err *e)
{
        if (r->first.family != r->last.family)
                return item_bad(it, e, "mixes IPv4 and IPv6 in one range");
        if (r->first.zone != r->last.zone)
                return item_bad(it, e, "has two different zones in one range");
        if (ip_cmp(&r->first, &r->last) > 0)
                return item_bad(it, e, "runs backwards; write the lower address first");
        return add(s, it, r, e);
}

static int v6_net(struct tgt_set *s, const struct item *it, const struct ip_addr *a, const char *slash,
                  struct err *e)
{
        int width = a->family == 4 ? 32 : 128;
        int bits = slash ? number(slash + 1, it->text + it->len, width) : width;
        struct tgt_range r;
        if (bits < 0)
                return item_bad(it, e, "has a wrong prefix length; IPv%u takes /0 to /%d", a->family, width);
        range_net(*a, (unsigned)bits, &r);
        if (a->zone && !ip_is_link_local(&r.first))
                return item_bad(it, e, "has a zone, which only link-local addresses (fe80::/10) have");
        return add(s, it, &r, e);
}

/* A zone may hold a dash of its own ("fe80::1%br-lan"), so one whole address is tried before any range. */
static int v6_item(struct tgt_set *s, const struct item *it, struct err *e)
{
        const char *slash = memrchr(it->text, '/', it->len), *end = it->text + it->len;
        struct tgt_range r;
        struct ip_addr a;
        if (has_port(it))
                return item_bad(it, e, "has a port; give ports with -p");
        if (!it->spaced && ip_parse(&a, it->text, (size_t)((slash ? slash : end) - it->text)) == 0)
                return v6_net(s, it, &a, slash, e);
        for (const char *dash = it->text; (dash = memchr(dash, '-', (size_t)(end - dash))); dash++)
                if (v6_ends(it, dash, &r))
                        return v6_range(s, it, &r, e);
        if (it->spaced)
                return item_bad(it, e, "needs a full address on each side of the dash");
        return v6_bad(it, e);
}

/* ---- names ---- */

/* RFC 1123 letters, digits and dashes, with the underscores that occur and UTF-8 for IDNA. */
static bool looks_like_name(const char *p, size_t n)
{
        if (n == 0 || n > 253 || p[0] == '-' || p[0] == '.' || p[n - 1] == '-')
                return false;
        for (size_t i = 0; i < n; i++) {
                uint8_t c = (uint8_t)p[i];
                if (!isalnum(c) && c != '-' && c != '.' && c != '_' && c < 0x80)
                        return false;
                if (c == '.' && i + 1 < n && p[i + 1] == '.')
                        return false;
        }
        return true;
}

/* "10.0.0.1x": an address with a slip, not a name ("10.0.0.1.nip.io" is one). */
static bool address_with_tail(const char *p)
{
        int dots = 0;
        while (isdigit((unsigned char)*p) || (*p == '.' && dots++ < 3))
                p++;
        return dots == 3 && p[-1] != '.' && *p != '.' && *p != '-' && *p != 0;
}

static int name_item(const struct item *it, struct err *e)
{
        const char *slash = memchr(it->text, '/', it->len), *end = it->text + it->len;
        size_t n = slash ? (size_t)(slash - it->text) : it->len;
        int bits = slash ? number(slash + 1, end, 128) : -1;
        char name[TGT_ITEM_MAX + 1], where[256];
        memcpy(name, it->text, n);
        name[n] = 0;
        if (it->spaced)
                return item_bad(it, e,
                                "needs a full address on each side of the dash; a comment starts with #");
        if (!looks_like_name(name, n))
                return item_bad(it, e, "is neither an address nor a host name");
        if (isdigit((unsigned char)name[0]) && address_with_tail(name))
                return item_bad(it, e, "has something behind the address that does not belong there");
        if (slash && bits < 0)
                return item_bad(it, e,
                                "has a \"/\" without a prefix length behind it; of a URL give the host only");
        if (it->how && it->how->no_names)
                return item_bad(it, e, "is not an address, and names are not taken here");
        if (it->how && it->how->no_dns)
                return item_bad(it, e,
                                "is a name, and -n forbids looking names up; give its address or drop -n");
        item_where(it, where, sizeof(where));
        return wanted_add(it->wanted, name, bits, where, e);
}

int item_add(struct tgt_set *s, const struct item *it, struct err *e)
{
        if (memchr(it->text, 0, it->len))
                return item_bad(it, e, "holds a zero byte: this is not a text file");
        if (it->text[0] == '-')
                return item_bad(it, e, "starts with a dash; a dash must stand between two addresses");
        if (strstr(it->text, "://"))
                return item_bad(it, e, "is a URL; give the host only");
        if (strspn(it->text, "0123456789.*-/") == it->len)
                return v4_item(s, it, e);
        if (memchr(it->text, ':', it->len) || it->text[0] == '[')
                return v6_item(s, it, e);
        return name_item(it, e);
}
