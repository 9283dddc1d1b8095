// SPDX-License-Identifier: Apache-2.0
/*
 * words: lines, words, product names and greetings, for the parsers of protocols that people could type.
 * Called by them alone. Invariant: it decides by what is said and, where that leaves it open, by the port;
 * the same bytes in other pieces give the same.
 */
#include "banner/protocols.h"
#include "banner/words.h"

enum { GREETING_LOOK = 2048 }; /* who does not say it by then is not looked through to the end */

static bool among(uint8_t c, const char *set)
{
        for (; *set; set++)
                if (c == (uint8_t)*set)
                        return true;
        return false;
}

bool words_next(struct span *rest, const char *between, struct span *word)
{
        size_t from = 0, to;
        while (from < rest->n && among(rest->p[from], between))
                from++;
        for (to = from; to < rest->n && !among(rest->p[to], between);)
                to++;
        *word = span_cut(*rest, from, to - from);
        *rest = span_cut(*rest, to, rest->n);
        return word->n > 0;
}

void words_text(struct banner_out *o, uint16_t app, struct span s)
{
        struct span part;
        struct rd r = rd_of(s);
        while (rd_left(&r)) {
                size_t n = 0;
                while (n < rd_left(&r) && r.p[n] != '\r')
                        n++;
                part = rd_take(&r, n);
                banner_text(o, app, part);
                if (rd_left(&r))
                        rd_skip(&r, 1);
        }
}

void words_field(struct banner_out *o, uint16_t app, const char *key, struct span value)
{
        if (value.n)
                banner_field(o, app, key, value);
}

/* "v15.1", "(3.0.3)", "8.15.2/8.15.2": digits and what belongs to them; empty when it is no version. */
static struct span version_in(struct span word)
{
        bool dot = false;
        while (word.n && among(word.p[0], "([vV/_-"))
                word = span_cut(word, 1, word.n);
        if (!word.n || word.p[0] < '0' || word.p[0] > '9')
                return span_cut(word, 0, 0);
        size_t n = 0;
        for (; n < word.n && !among(word.p[n], ",;)]/<"); n++)
                dot |= word.p[n] == '.' && n + 1 < word.n;
        while (n && among(word.p[n - 1], ".:"))
                n--;
        return span_cut(word, 0, dot ? n : 0);
}

void words_product(struct banner_out *o, uint16_t app, struct span text, const struct words_product *list,
                   size_t n)
{
        size_t at = 0;
        struct span word, rest;
        for (size_t i = 0; i < n; i++) {
                if (!span_find(text, list[i].sign, &at))
                        continue;
                banner_field_str(o, app, "product", list[i].product);
                rest = span_cut(text, at + span_str(list[i].sign).n, text.n);
                for (int k = 0; k < 5 && words_next(&rest, " \r\n\t", &word); k++) {
                        struct span version = version_in(word);
                        if (!version.n)
                                continue;
                        banner_field(o, app, "version", version);
                        break;
                }
                return;
        }
}

enum banner_match words_reply(const struct banner_turn *t, unsigned *code, struct span *whole)
{
        enum banner_match m = banner_reply_lines(t->in, code, whole);
        struct span digits = span_cut(t->in, 0, 3);
        uint64_t v = 0;
        if (m != MATCH_MAYBE || !t->eof)
                return m;
        if (!span_number(&digits, &v) || digits.n || t->in.n < 3)
                return MATCH_NO;
        *code = (unsigned)v;
        *whole = t->in;
        return MATCH_YES;
}

static bool find_any(struct span s, const char *const *words, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (span_find(s, words[i], NULL))
                        return true;
        return false;
}

/* "220 mx.example.com …": a mail server says its name first, RFC 5321 §4.2. */
static bool begins_with_domain(struct span whole)
{
        struct span rest = span_cut(whole, 4, whole.n), word;
        if (!words_next(&rest, " \r\n", &word) || !span_find(word, ".", NULL))
                return false;
        for (size_t i = 0; i < word.n; i++) {
                uint8_t c = word.p[i];
                if (!(c == '.' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                      (c >= 'A' && c <= 'Z')))
                        return false;
        }
        return word.p[0] != '.' && word.p[word.n - 1] != '.';
}

static bool is_mail(struct span whole, unsigned code, uint16_t port)
{
        whole = span_cut(whole, 0, GREETING_LOOK);
        static const char *const mail[] = {"SMTP", "Postfix",    "Sendmail",
                                           "Exim", "MailEnable", "Mail Service"};
        static const char *const ftp[] = {"FTP", "FileZilla", "Serv-U", "VMware Authentication"};
        if (find_any(whole, ftp, ARRAY_LEN(ftp)))
                return find_any(whole, mail, 1) && !span_find(whole, " FTP", NULL);
        if (code == 521 || code == 554 || find_any(whole, mail, ARRAY_LEN(mail)))
                return true;
        if (banner_has_port(&banner_smtp, port))
                return true;
        return !banner_has_port(&banner_ftp, port) && begins_with_domain(whole);
}

enum banner_match words_greeting(struct span in, const struct banner_turn *t, bool mail)
{
        static const char *const codes[] = {"220", "421", "120", "521", "554", "530"};
        enum banner_match begin = MATCH_NO;
        struct span whole = in;
        unsigned code = 0;
        for (size_t i = 0; i < ARRAY_LEN(codes); i++)
                begin = MAX(begin, span_match(in, codes[i]));
        if (begin == MATCH_NO || (in.n > 3 && in.p[3] != ' ' && in.p[3] != '-'))
                return MATCH_NO;
        struct banner_turn as = *t;
        as.in = in;
        enum banner_match m = words_reply(&as, &code, &whole);
        if (m != MATCH_YES)
                return m;
        return is_mail(whole, code, t->port) == mail ? MATCH_YES : MATCH_NO;
}

enum banner_status words_goodbye(struct banner_turn *t, const char *goodbye)
{
        if (!t->eof)
                wr_str(t->reply, goodbye);
        return BANNER_DONE;
}
