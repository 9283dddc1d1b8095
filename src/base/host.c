// SPDX-License-Identifier: Apache-2.0
/*
 * host: a host name in the form that goes over the wire (SNI, Host and the like): ASCII, without the dot at
 * its end, labels of other scripts as "xn--" and Punycode. Used by tls/ and banner/ with names as the user
 * wrote them. Invariant: what is no host name, addresses above all, gives nothing rather than something odd.
 * Capitals are made small for the scripts that have them in one piece; nothing else is normalised.
 * RFC 1123 §2.1, RFC 3492 §6, RFC 5890 §2.3, RFC 6066 §3.
 */
#include "base/base.h"

enum { LABEL_MAX = 63, ASCII_END = 0x80 };
enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, FIRST_BIAS = 72 }; /* RFC 3492 §5 */

/* ---- characters ---- */
static bool utf8_take(struct rd *r, uint32_t *c)
{
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        uint8_t lead = rd_u8(r);
        unsigned more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        if (lead >= 0xf8 || (lead >= 0x80 && lead < 0xc0))
                return false;
        *c = more ? lead & (0x3fu >> more) : lead;
        for (unsigned i = 0; i < more; i++) {
                uint8_t b = rd_u8(r);
                if ((b & 0xc0) != 0x80)
                        return false;
                *c = *c << 6 | (b & 0x3f);
        }
        return !r->bad && *c >= least[more] && *c < 0x110000 && *c >> 11 != 0xd800 >> 11;
}

static uint32_t small(uint32_t c)
{
        static const struct {
                uint16_t first, last, up;
        } capitals[] = {{'A', 'Z', 32},     {0xc0, 0xd6, 32},     {0xd8, 0xde, 32},
                        {0x391, 0x3a9, 32}, {0x400, 0x40f, 0x50}, {0x410, 0x42f, 32}};
        for (size_t i = 0; i < ARRAY_LEN(capitals); i++)
                if (c >= capitals[i].first && c <= capitals[i].last)
                        return c + capitals[i].up;
        return c;
}

static bool is_host_character(uint32_t c)
{
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c >= 0xa1;
}

/* ---- Punycode: the ASCII ones as they are, then where each other one belongs, smallest first ---- */
static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
        uint32_t k = 0;
        delta = first ? delta / DAMP : delta / 2;
        delta += delta / points;
        for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
                delta /= BASE - T_MIN;
        return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static void put_digit(struct wr *w, uint32_t digit)
{
        wr_u8(w, (uint8_t)(digit < 26 ? 'a' + digit : '0' + digit - 26));
}

static void put_number(struct wr *w, uint32_t number, uint32_t bias)
{
        for (uint32_t k = BASE;; k += BASE) {
                uint32_t t = k <= bias ? T_MIN : MIN(k - bias, (uint32_t)T_MAX);
                if (number < t)
                        break;
                put_digit(w, t + (number - t) % (BASE - t));
                number = (number - t) / (BASE - t);
        }
        put_digit(w, number);
}

static uint32_t smallest_from(const uint32_t *c, size_t n, uint32_t from)
{
        uint32_t least = UINT32_MAX;
        for (size_t i = 0; i < n; i++)
                if (c[i] >= from)
                        least = MIN(least, c[i]);
        return least;
}

/* At most 63 characters below 0x110000: delta has room in 32 bits. */
static void put_punycode(struct wr *w, const uint32_t *c, size_t n)
{
        uint32_t done = 0, from = ASCII_END, delta = 0, bias = FIRST_BIAS;
        for (size_t i = 0; i < n; i++)
                if (c[i] < ASCII_END) {
                        wr_u8(w, (uint8_t)c[i]);
                        done++;
                }
        uint32_t ascii = done;
        if (ascii)
                wr_u8(w, '-');
        for (; done < n; delta++) {
                uint32_t next = smallest_from(c, n, from);
                delta += (next - from) * (done + 1);
                for (size_t i = 0; i < n; i++) {
                        delta += c[i] < next;
                        if (c[i] != next)
                                continue;
                        put_number(w, delta, bias);
                        bias = adapt(delta, done + 1, done == ascii);
                        delta = 0;
                        done++;
                }
                from = next + 1;
        }
}

/* ---- names ---- */

/* False: it is no label. *digits: it is a number, so at the end of a name it is part of an address. */
static bool put_label(struct wr *w, struct span label, bool *digits)
{
        uint32_t c[LABEL_MAX];
        size_t n = 0, before = wr_len(w);
        bool ascii = true;
        struct rd r = rd_of(label);
        for (*digits = true; rd_left(&r); n++) {
                if (n == LABEL_MAX || !utf8_take(&r, &c[n]))
                        return false;
                c[n] = small(c[n]);
                if (!is_host_character(c[n]))
                        return false;
                ascii &= c[n] < ASCII_END;
                *digits &= c[n] >= '0' && c[n] <= '9';
        }
        if (!ascii)
                wr_str(w, "xn--");
        for (size_t i = 0; ascii && i < n; i++)
                wr_u8(w, (uint8_t)c[i]);
        if (!ascii)
                put_punycode(w, c, n);
        return n && !w->full && wr_len(w) - before <= LABEL_MAX;
}

struct span host_on_wire(struct span name, char room[HOST_NAME_MAX_LEN])
{
        const struct span none = span_of(room, 0);
        struct wr w = wr_of(room, HOST_NAME_MAX_LEN);
        bool digits = true;
        if (name.n && name.p[name.n - 1] == '.')
                name.n--;
        while (name.n) {
                size_t n = 0;
                while (n < name.n && name.p[n] != '.')
                        n++;
                if (!put_label(&w, span_of(name.p, n), &digits) || n + 1 == name.n)
                        return none;
                if (n < name.n)
                        wr_u8(&w, '.');
                n += n < name.n;
                name = span_of(name.p + n, name.n - n);
        }
        return digits || w.full ? none : span_of(room, wr_len(&w));
}
