// SPDX-License-Identifier: Apache-2.0
/*
 * value: the text of a setting -> a number, and back. Pure functions between the option engine and the
 * fields. Invariant: a reader takes the whole text or explains, quoting it, why not; what a writer here
 * prints, its reader takes back to the very same value. Numbers never depend on the locale: the program never
 * sets one.
 */
#include "option.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct opt_quote opt_quote_n(const char *text, size_t n)
{
        struct opt_quote q;
        size_t used = 0;
        q.s[used++] = '"';
        for (size_t i = 0; i < n; i++) {
                if (used > sizeof(q.s) - 8) {
                        memcpy(q.s + used, "...", 3);
                        used += 3;
                        break;
                }
                q.s[used++] = iscntrl((unsigned char)text[i]) ? '?' : text[i];
        }
        q.s[used++] = '"';
        q.s[used] = 0;
        return q;
}

struct opt_quote opt_quote(const char *text)
{
        return opt_quote_n(text, strlen(text));
}

/* ---- truth ---- */
static bool word_starts(const char *word, const char *text, size_t least)
{
        size_t n = strlen(text);
        return n >= least && n <= strlen(word) && strncasecmp(word, text, n) == 0;
}

static int bool_word(const char *text)
{
        static const char *const yes[] = {"1", "true", "yes", "enabled"};
        static const char *const no[] = {"0", "false", "no", "disabled"};
        for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
                if (word_starts(yes[i], text, 1))
                        return 1;
                if (word_starts(no[i], text, 1))
                        return 0;
        }
        return strcasecmp(text, "on") == 0 ? 1 : word_starts("off", text, 2) ? 0 : -1;
}

bool val_is_bool_word(const char *text)
{
        return bool_word(text) >= 0;
}

int val_bool(const char *text, bool *out, struct err *e)
{
        int word = *text ? bool_word(text) : 1;
        if (word < 0)
                return err_set(e, 0, "%s is neither yes nor no: write true or false", opt_quote(text).s);
        *out = word == 1;
        return 0;
}

/* ---- numbers ---- */
static bool digits_u64(const char *text, uint64_t *out)
{
        bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && text[2];
        const char *p = hex ? text + 2 : text;
        uint64_t v = 0, base = hex ? 16 : 10;
        if (!*p)
                return false;
        for (; *p; p++) {
                unsigned char c = (unsigned char)*p;
                unsigned digit = isdigit(c)    ? c - (unsigned)'0'
                                 : isxdigit(c) ? (unsigned)tolower(c) - 'a' + 10
                                               : 99;
                if (digit >= base || v > (UINT64_MAX - digit) / base)
                        return false;
                v = v * base + digit;
        }
        *out = v;
        return true;
}

int val_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out, struct err *e)
{
        uint64_t v;
        bool is_number = digits_u64(text, &v);
        const char *wrong = is_number ? "out of range" : "no whole number";
        if (is_number && v >= min && v <= max) {
                *out = v;
                return 0;
        }
        if (max == UINT64_MAX)
                return err_set(e, 0, "%s is %s: give one of %llu or more", opt_quote(text).s, wrong,
                               (unsigned long long)min);
        return err_set(e, 0, "%s is %s: give one from %llu to %llu", opt_quote(text).s, wrong,
                       (unsigned long long)min, (unsigned long long)max);
}

/* Decimal digits with an optional fraction and power of ten; *rest is what follows. No sign, no "inf", no
 * hex. */
static bool scan_number(const char *text, double *out, const char **rest)
{
        const char *p = text;
        size_t digits = strspn(p, "0123456789");
        p += digits;
        if (*p == '.') {
                size_t more = strspn(p + 1, "0123456789");
                digits += more;
                p += 1 + more;
        }
        if (!digits)
                return false;
        if (*p == 'e' || *p == 'E') {
                const char *q = p + 1 + (p[1] == '+' || p[1] == '-');
                size_t power = strspn(q, "0123456789");
                if (power)
                        p = q + power;
        }
        char copy[400];
        if ((size_t)(p - text) >= sizeof(copy))
                return false;
        memcpy(copy, text, (size_t)(p - text));
        copy[p - text] = 0;
        *out = strtod(copy, NULL);
        *rest = p;
        return isfinite(*out);
}

int val_double(const char *text, double min, double max, double *out, struct err *e)
{
        const char *rest;
        double v;
        if (!scan_number(text, &v, &rest) || *rest || v < min || v > max)
                return err_set(e, 0, "%s does not fit: give a number from %s to %s", opt_quote(text).s,
                               val_of_double(min).s, val_of_double(max).s);
        *out = v;
        return 0;
}

/* ---- times ---- */
struct unit {
        const char *words; /* blank-separated */
        double factor;
};
static bool is_one_of(const char *words, const char *text)
{
        size_t n = strlen(text);
        for (const char *p = words; *p;) {
                size_t len = strcspn(p, " ");
                if (len == n && strncasecmp(p, text, n) == 0)
                        return true;
                p += len + (p[len] == ' ');
        }
        return false;
}

static bool unit_factor(const struct unit *units, size_t n, const char *text, double *factor)
{
        for (size_t i = 0; i < n; i++)
                if (is_one_of(units[i].words, text)) {
                        *factor = units[i].factor;
                        return true;
                }
        return false;
}

/* "90", "1.5h", "10 min", "6-hours", "daily" -> seconds. */
static bool scan_seconds(const char *text, double *out)
{
        static const struct unit units[] = {{"s sec secs second seconds secondly", 1},
                                            {"ms msec msecs millisecond milliseconds", 1e-3},
                                            {"us usec usecs microsecond microseconds", 1e-6},
                                            {"m min mins minute minutes minutely", 60},
                                            {"h hr hrs hour hours hourly", 3600},
                                            {"d day days daily", 86400},
                                            {"w wk week weeks weekly", 604800}};
        const char *rest = text;
        double v = 1, factor = 1;
        if (!scan_number(text, &v, &rest) && !isalpha((unsigned char)*text))
                return false;
        if (rest != text)
                rest += strspn(rest, " \t-_:,");
        if (*rest && !unit_factor(units, ARRAY_LEN(units), rest, &factor))
                return false;
        *out = v * factor;
        return true;
}

int val_seconds(const char *text, double min, double max, double *out, struct err *e)
{
        double v;
        if (!scan_seconds(text, &v))
                return err_set(
                        e, 0,
                        "%s is not a time: give a number and a unit, as in 90, 500ms, 10s, 5m, 2h, 1d, 1w",
                        opt_quote(text).s);
        if (v < min || v > max)
                return err_set(e, 0, "%s is out of range: give a time from %s to %s seconds",
                               opt_quote(text).s, val_of_double(min).s, val_of_double(max).s);
        *out = v;
        return 0;
}

/* Exact for what val_of_nanos prints: whole seconds and nine decimals never go through a double. */
static bool scan_exact_nanos(const char *text, uint64_t *out)
{
        size_t whole = strspn(text, "0123456789"), part = 0;
        uint64_t s = 0, ns = 0;
        if (!whole || whole > 10)
                return false;
        for (size_t i = 0; i < whole; i++)
                s = s * 10 + (uint64_t)(text[i] - '0');
        if (text[whole] == '.')
                part = strspn(text + whole + 1, "0123456789");
        if (part > 9 || text[whole + (part ? part + 1 : 0)])
                return false;
        for (size_t i = 0; i < 9; i++)
                ns = ns * 10 + (i < part ? (uint64_t)(text[whole + 1 + i] - '0') : 0);
        *out = s * NS_PER_S + ns;
        return true;
}

int val_nanos(const char *text, uint64_t max, uint64_t *out, struct err *e)
{
        double most = (double)max / 1e9, seconds;
        uint64_t exact;
        if (scan_exact_nanos(text, &exact) && exact <= max) {
                *out = exact;
                return 0;
        }
        if (val_seconds(text, 0, most, &seconds, e))
                return -1;
        *out = (uint64_t)llround(seconds * 1e9);
        return 0;
}

/* ---- sizes ---- */
int val_bytes(const char *text, uint64_t *out, struct err *e)
{
        static const struct unit units[] = {{"b byte bytes", 1},  {"k kb kib", 0x1p10}, {"m mb mib", 0x1p20},
                                            {"g gb gib", 0x1p30}, {"t tb tib", 0x1p40}, {"p pb pib", 0x1p50},
                                            {"e eb eib", 0x1p60}};
        const char *rest;
        double v, factor = 1;
        if (digits_u64(text, out))
                return 0;
        if (!scan_number(text, &v, &rest) || (*rest && !unit_factor(units, ARRAY_LEN(units), rest, &factor)))
                return err_set(e, 0,
                               "%s is not a size: give bytes, or a number with k, m, g or t (powers of 1024)",
                               opt_quote(text).s);
        if (v * factor >= 0x1p63)
                return err_set(e, 0, "%s is too large a size: at most 8 e(xbibytes) can be counted",
                               opt_quote(text).s);
        *out = (uint64_t)(v * factor);
        return 0;
}

/* ---- rates ---- */
static int bad_rate(const char *text, struct err *e)
{
        return err_set(
                e, 0,
                "%s is not a rate: give packets per second (1000, 10k, 1.5M, 0.05) or a bandwidth (100Mbit, "
                "1Gbit/s)",
                opt_quote(text).s);
}

static double rate_multiple(const char **p)
{
        static const char letters[] = "kmgt";
        double factor = 1;
        const char *at = **p ? strchr(letters, tolower((unsigned char)**p)) : NULL;
        if (!at)
                return 1;
        for (const char *l = letters; l <= at; l++)
                factor *= 1000;
        (*p)++;
        return factor;
}

int val_rate(const char *text, double *pps, double *bps, struct err *e)
{
        const char *p;
        double v;
        if (strcasecmp(text, "auto") == 0)
                return err_set(e, 0, "\"auto\" is for --rate alone: give a number, as in 10k");
        if (!scan_number(text, &v, &p))
                return bad_rate(text, e);
        v *= rate_multiple(&p);
        bool bits = is_one_of("bit bits bps bit/s bits/s", p) && *p;
        if (*p && !bits && !is_one_of("pps p/s /s", p))
                return bad_rate(text, e);
        if (v <= 0)
                return err_set(e, 0, "%s is no rate at all: it must be above 0 (the default is 100)",
                               opt_quote(text).s);
        if (bits ? v < 1 || v > 1e13 : v < 1e-4 || v > 1e10)
                return err_set(e, 0,
                               "%s cannot be kept: give 0.0001 to 10G packets per second, or 1bit to 10Tbit",
                               opt_quote(text).s);
        *pps = bits ? 0 : v;
        *bps = bits ? v : 0;
        return 0;
}

/* ---- the rest ---- */
int val_mac(const char *text, uint8_t mac[6], struct err *e)
{
        if (mac_parse(mac, text))
                return 0;
        return err_set(e, 0, "%s is not a MAC address: give six pairs of hex digits, as in 02:00:5e:10:00:01",
                       opt_quote(text).s);
}

const char *val_choice(const char *choices, const char *text, size_t *index, size_t *len)
{
        size_t n = strlen(text);
        *index = 0;
        for (const char *p = choices; *p; (*index)++) {
                *len = strcspn(p, "|");
                if (*len == n && strncasecmp(p, text, n) == 0)
                        return p;
                p += *len + (p[*len] == '|');
        }
        return NULL;
}

struct val_text val_of_double(double v)
{
        struct val_text t;
        if (v >= 0 && v < 0x1p53 && floor(v) >= v) {
                snprintf(t.s, sizeof(t.s), "%.0f", v);
                return t;
        }
        for (int digits = 6; digits <= 17; digits++) {
                snprintf(t.s, sizeof(t.s), "%.*g", digits, v);
                if (!(strtod(t.s, NULL) < v) && !(strtod(t.s, NULL) > v))
                        break;
        }
        return t;
}

struct val_text val_of_nanos(uint64_t ns)
{
        struct val_text t;
        int n = snprintf(t.s, sizeof(t.s), "%llu.%09llu", (unsigned long long)(ns / NS_PER_S),
                         (unsigned long long)(ns % NS_PER_S));
        while (n > 0 && t.s[n - 1] == '0')
                t.s[--n] = 0;
        if (n > 0 && t.s[n - 1] == '.')
                t.s[n - 1] = 0;
        return t;
}

struct val_text val_of_mac(const uint8_t m[6])
{
        struct val_text t;
        snprintf(t.s, sizeof(t.s), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
        return t;
}
