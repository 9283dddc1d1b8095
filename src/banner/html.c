// SPDX-License-Identifier: Apache-2.0
/*
 * html: the title of a page, as UTF-8 without entities. Called by http.c with what http_body.c left of a
 * body. Invariant: only charsets of the list below are ever asked of iconv(3), and at most HTML_TITLE_MAX
 * bytes are given to it. WHATWG HTML, "Parsing HTML documents"; WHATWG Encoding, "Names and labels"
 */
#include "banner/http_body.h"
#include "banner/words.h"
#include <iconv.h>

enum { CHARSET_MAX = 24, META_WITHIN = 1024, REPLACEMENT = 0xfffd };

/* ---- where the title is ---- */

/* Over a comment or a script, to where it ends; false: it is neither. One without an end hides the rest. */
static bool skip_hidden(struct span *html)
{
        static const char *const hidden[][2] = {{"<!--", "-->"}, {"<script", "</script"}};
        size_t to = 0;
        for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
                if (!span_starts_nocase(*html, hidden[i][0]))
                        continue;
                *html = span_cut(*html, span_find(*html, hidden[i][1], &to) ? to : html->n, html->n);
                return true;
        }
        return false;
}

static bool is_title_tag(struct span html)
{
        if (!span_starts_nocase(html, "<title") || html.n < 7)
                return false;
        uint8_t c = html.p[6];
        return c == '>' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '/';
}

static bool next_tag(struct span *html)
{
        size_t at = 0;
        while (at < html->n && html->p[at] != '<')
                at++;
        *html = span_cut(*html, at, html->n);
        return html->n > 0;
}

bool html_title(struct span html, bool final, struct span *title)
{
        size_t to = 0;
        while (next_tag(&html)) {
                if (skip_hidden(&html))
                        continue;
                if (!is_title_tag(html)) {
                        html = span_cut(html, 1, html.n);
                        continue;
                }
                if (!span_find(html, ">", &to))
                        return false;
                html = span_cut(html, to + 1, html.n);
                bool ends = span_find(html, "</title", &to);
                *title = span_cut(html, 0, MIN(ends ? to : html.n, (size_t)HTML_TITLE_MAX));
                return ends || final || html.n > HTML_TITLE_MAX;
        }
        return false;
}

/* ---- UTF-8, RFC 3629 ---- */
static void put_utf8(struct wr *w, uint32_t c)
{
        if (c < 0x80) {
                wr_u8(w, (uint8_t)c);
        } else if (c < 0x800) {
                wr_u8(w, (uint8_t)(0xc0 | c >> 6));
                wr_u8(w, (uint8_t)(0x80 | (c & 63)));
        } else if (c < 0x10000) {
                wr_u8(w, (uint8_t)(0xe0 | c >> 12));
                wr_u8(w, (uint8_t)(0x80 | (c >> 6 & 63)));
                wr_u8(w, (uint8_t)(0x80 | (c & 63)));
        } else {
                wr_u8(w, (uint8_t)(0xf0 | c >> 18));
                wr_u8(w, (uint8_t)(0x80 | (c >> 12 & 63)));
                wr_u8(w, (uint8_t)(0x80 | (c >> 6 & 63)));
                wr_u8(w, (uint8_t)(0x80 | (c & 63)));
        }
}

/* Bytes of the character at the start; 0: it is none. */
static size_t utf8_length(struct span s)
{
        uint8_t a = s.p[0], b = s.n > 1 ? s.p[1] : 0;
        size_t n = a < 0x80                ? 1
                   : a >= 0xc2 && a < 0xe0 ? 2
                   : a >= 0xe0 && a < 0xf0 ? 3
                   : a >= 0xf0 && a < 0xf5 ? 4
                                           : 0;
        if (n > s.n || (a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) || (a == 0xf0 && b < 0x90) ||
            (a == 0xf4 && b > 0x8f))
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((s.p[i] & 0xc0) != 0x80)
                        return 0;
        return n;
}

/* Up to where a long title was cut a character may be torn: that is no fault of its own. */
static bool is_utf8(struct span s)
{
        while (s.n) {
                size_t n = utf8_length(s);
                if (!n)
                        return s.n < 4 && s.p[0] >= 0xc2;
                s = span_cut(s, n, s.n);
        }
        return true;
}

/* ---- charsets ---- */
static const uint16_t windows_1252[32] = {0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                          0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
                                          0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                          0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178};

/* Labels, and what iconv(3) calls them. ISO-8859-1 means windows-1252 to browsers, so here too. */
static const char *const charsets[][2] = {
        {"gb2312", "GB18030"},
        {"gbk", "GB18030"},
        {"gb18030", "GB18030"},
        {"big5", "BIG5-HKSCS"},
        {"big5-hkscs", "BIG5-HKSCS"},
        {"shift_jis", "CP932"},
        {"shift-jis", "CP932"},
        {"x-sjis", "CP932"},
        {"windows-31j", "CP932"},
        {"euc-jp", "EUC-JP"},
        {"iso-2022-jp", "ISO-2022-JP"},
        {"euc-kr", "CP949"},
        {"ks_c_5601-1987", "CP949"},
        {"koi8-r", "KOI8-R"},
        {"koi8-u", "KOI8-U"},
        {"windows-874", "CP874"},
        {"tis-620", "CP874"},
        {"windows-1250", "CP1250"},
        {"windows-1251", "CP1251"},
        {"windows-1253", "CP1253"},
        {"windows-1254", "CP1254"},
        {"windows-1255", "CP1255"},
        {"windows-1256", "CP1256"},
        {"windows-1257", "CP1257"},
        {"windows-1258", "CP1258"},
        {"iso-8859-2", "ISO-8859-2"},
        {"iso-8859-3", "ISO-8859-3"},
        {"iso-8859-4", "ISO-8859-4"},
        {"iso-8859-5", "ISO-8859-5"},
        {"iso-8859-6", "ISO-8859-6"},
        {"iso-8859-7", "ISO-8859-7"},
        {"iso-8859-8", "ISO-8859-8"},
        {"iso-8859-9", "CP1254"},
        {"iso-8859-10", "ISO-8859-10"},
        {"iso-8859-13", "ISO-8859-13"},
        {"iso-8859-14", "ISO-8859-14"},
        {"iso-8859-15", "ISO-8859-15"},
        {"iso-8859-16", "ISO-8859-16"},
        {"ibm866", "CP866"},
};

static bool same_label(struct span s, const char *label)
{
        return s.n == span_str(label).n && span_starts_nocase(s, label);
}

/* The value of charset= behind `at`, quotes off. */
static struct span label_at(struct span s, size_t at)
{
        struct span rest = span_cut(s, at + 8, CHARSET_MAX + 8), label;
        (void)words_next(&rest, " \t\r\n\"';,>/", &label);
        return label;
}

static struct span label_of(struct span content_type, struct span html)
{
        size_t meta = 0, at = 0;
        if (span_find(content_type, "charset=", &at))
                return label_at(content_type, at);
        if (span_starts(html, "\xef\xbb\xbf"))
                return span_str("utf-8");
        struct span rest = span_cut(html, 0, META_WITHIN);
        while (span_find(rest, "<meta", &meta)) {
                rest = span_cut(rest, meta + 5, rest.n);
                size_t end = rest.n;
                (void)span_find(rest, ">", &end);
                if (span_find(span_cut(rest, 0, end), "charset=", &at))
                        return label_at(rest, at);
        }
        return span_cut(html, 0, 0);
}

static void from_1252(struct wr *w, struct span s)
{
        for (size_t i = 0; i < s.n; i++)
                put_utf8(w, s.p[i] >= 0x80 && s.p[i] < 0xa0 ? windows_1252[s.p[i] - 0x80] : s.p[i]);
}

/* What cannot be read becomes U+FFFD, a byte at a time. */
static void from_iconv(struct wr *w, struct span s, const char *charset)
{
        iconv_t with = iconv_open("UTF-8", charset);
        if (with == (iconv_t)-1) { /* NOLINT: the C library's way of saying no */
                from_1252(w, s);
                return;
        }
        char *in = (char *)(uintptr_t)s.p;
        size_t left = s.n;
        while (left && !w->full) {
                char *out = (char *)w->p;
                size_t room = (size_t)(w->end - w->p);
                size_t n = iconv(with, &in, &left, &out, &room);
                w->p = (uint8_t *)out;
                if (n != (size_t)-1 || !left || room < 8)
                        break;
                put_utf8(w, REPLACEMENT);
                in++;
                left--;
        }
        iconv_close(with);
}

static void to_utf8(struct wr *w, struct span text, struct span label)
{
        bool named_utf8 = same_label(label, "utf-8") || same_label(label, "utf8");
        for (size_t i = 0; i < ARRAY_LEN(charsets); i++)
                if (same_label(label, charsets[i][0])) {
                        from_iconv(w, text, charsets[i][1]);
                        return;
                }
        if (named_utf8 || is_utf8(text))
                wr_bytes(w, text.p, text.n);
        else
                from_1252(w, text);
}

/* ---- entities, WHATWG HTML "Named character references" ---- */
static const char *const latin[96] = {
        "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",    "copy",
        "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn", "sup2",   "sup3",
        "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",   "raquo",  "frac14", "frac12",
        "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde", "Auml",   "Aring",  "AElig",  "Ccedil",
        "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave", "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde",
        "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",
        "Uuml",   "Yacute", "THORN",  "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",
        "aelig",  "ccedil", "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",
        "eth",    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
        "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"}; /* from U+00A0 on */
static const struct {
        const char *name;
        uint16_t c;
} named[] = {
        {"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},     {"apos", '\''},
        {"OElig", 0x152},   {"oelig", 0x153},   {"Scaron", 0x160},  {"scaron", 0x161}, {"Yuml", 0x178},
        {"ensp", 0x2002},   {"emsp", 0x2003},   {"thinsp", 0x2009}, {"ndash", 0x2013}, {"mdash", 0x2014},
        {"lsquo", 0x2018},  {"rsquo", 0x2019},  {"sbquo", 0x201a},  {"ldquo", 0x201c}, {"rdquo", 0x201d},
        {"bdquo", 0x201e},  {"dagger", 0x2020}, {"Dagger", 0x2021}, {"bull", 0x2022},  {"hellip", 0x2026},
        {"permil", 0x2030}, {"lsaquo", 0x2039}, {"rsaquo", 0x203a}, {"euro", 0x20ac},  {"trade", 0x2122},
        {"larr", 0x2190},   {"uarr", 0x2191},   {"rarr", 0x2192},   {"darr", 0x2193},  {"minus", 0x2212},
        {"star", 0x2606},   {"check", 0x2713},
};

static bool is_name(struct span s, const char *name)
{
        return s.n == span_str(name).n && span_starts(s, name);
}

static uint32_t named_character(struct span name)
{
        for (size_t i = 0; i < ARRAY_LEN(named); i++)
                if (is_name(name, named[i].name))
                        return named[i].c;
        for (uint32_t i = 0; i < ARRAY_LEN(latin); i++)
                if (is_name(name, latin[i]))
                        return 0xa0 + i;
        return 0;
}

/* "#8211" or "#x2013"; numbers of windows-1252 mean its characters. 0: it is no number. */
static uint32_t numbered_character(struct span s)
{
        uint32_t v = 0, base = 10;
        size_t i = 1;
        if (s.n > 1 && (s.p[1] | 0x20) == 'x') {
                base = 16;
                i = 2;
        }
        if (i >= s.n)
                return 0;
        for (; i < s.n; i++) {
                uint8_t c = s.p[i] | 0x20;
                uint32_t digit = s.p[i] >= '0' && s.p[i] <= '9' ? s.p[i] - (uint32_t)'0'
                                 : c >= 'a' && c <= 'f'         ? c - (uint32_t)'a' + 10
                                                                : 99;
                if (digit >= base)
                        return 0;
                v = MIN(v * base + digit, (uint32_t)0x110000);
        }
        if (v >= 0x80 && v < 0xa0)
                return windows_1252[v - 0x80];
        return v == 0 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? REPLACEMENT : v;
}

/* "&name;" at the start: its character, and its length moved over. False: the ampersand is just that. */
static bool entity(struct span *s, uint32_t *c)
{
        size_t n = 1;
        while (n < s->n && n < 12 && s->p[n] != ';')
                n++;
        if (n >= s->n || s->p[n] != ';' || n < 2)
                return false;
        struct span name = span_cut(*s, 1, n - 1);
        *c = name.p[0] == '#' ? numbered_character(name) : named_character(name);
        if (!*c)
                return false;
        *s = span_cut(*s, n + 1, s->n);
        return true;
}

void html_text(struct wr *w, struct span text, struct span content_type, struct span html)
{
        uint8_t room[4 * HTML_TITLE_MAX];
        struct wr plain = wr_of(room, sizeof(room));
        uint32_t c = 0;
        to_utf8(&plain, span_cut(text, 0, HTML_TITLE_MAX), label_of(content_type, html));
        struct span s = span_of(room, wr_len(&plain));
        while (s.n) {
                if (s.p[0] == '&' && entity(&s, &c)) {
                        put_utf8(w, c);
                        continue;
                }
                wr_u8(w, s.p[0]);
                s = span_cut(s, 1, s.n);
        }
}
