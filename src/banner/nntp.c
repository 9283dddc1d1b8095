// SPDX-License-Identifier: Apache-2.0
/*
 * nntp: the greeting, the capabilities, STARTTLS where they list it, and the capabilities again inside of
 * TLS. Text: greeting, list and answer, lines joined by LF, the last without one; what is said inside of TLS
 * is a banner of its own. Invariant: CAPABILITIES, STARTTLS and QUIT are all that is said: nobody logs in,
 * no group is entered, no article is touched.
 *
 *   S: 200 …   C: CAPABILITIES   S: 101 … lines … .   C: STARTTLS   S: 382
 *   (TLS)      C: CAPABILITIES   S: 101 … lines … .   C: QUIT
 *
 * RFC 3977 §3, §5.1, §5.2; RFC 4642 §2.2; RFC 4643 §2.1
 */
#include "banner/protocols.h"
#include "banner/words.h"

enum {
        GREETING,
        LIST,
        STARTTLS,
        SECURED,
        LIST_IN_TLS,
        STEP = 0x7f,
        NAMED = 0x80 /* the greeting told who */
};
enum { POSTING = 200, NO_POSTING = 201, CLOSED_NOW = 400, CLOSED = 502, LISTED = 101, BEGIN_TLS = 382 };
enum { GREETING_MAX = 512 }; /* the longest greeting, RFC 3977 §3.1 */

static const struct words_product products[] = {
        {"InterNetNews", "INN"},
        {"Leafnode", "Leafnode"},
        {"Cyrus NNTP", "Cyrus NNTP"},
        {"DNEWS", "DNews"},
        {"Diablo", "Diablo"},
        {"Papercut", "Papercut"},
        {"Hamster", "Hamster"},
        {"Synchronet", "Synchronet"},
        {"Citadel", "Citadel"},
        {"Kerio Connect", "Kerio Connect"},
        {"Kerio MailServer", "Kerio MailServer"},
        {"Lotus Domino", "Lotus Domino"},
};

/* Others greet with 200 too (poppassd): the words decide, else the port. */
static bool is_news(struct span line, uint16_t port)
{
        static const char *const words[] = {"NNTP", "InterNetNews", "NNRP", "Usenet", "news", "posting"};
        for (size_t i = 0; i < ARRAY_LEN(words); i++)
                if (span_find(line, words[i], NULL))
                        return true;
        return banner_has_port(&banner_nntp, port);
}

static enum banner_match nntp_match(struct span in, const struct banner_turn *t)
{
        static const char *const codes[] = {"200", "201", "400", "502"};
        enum banner_match begin = MATCH_NO;
        struct rd r = rd_of(in);
        struct span line = in, behind = span_cut(in, 3, 1);
        for (size_t i = 0; i < ARRAY_LEN(codes); i++)
                begin = MAX(begin, span_match(in, codes[i]));
        if (begin != MATCH_YES)
                return begin;
        if (span_trim(behind).n) /* "2001: a space odyssey" */
                return MATCH_NO;
        if (!rd_line(&r, &line) && !t->eof)
                return in.n < GREETING_MAX ? MATCH_MAYBE : MATCH_NO;
        return is_news(line, t->port) ? MATCH_YES : MATCH_NO;
}

/* One line; with 101 all up to the line of a dot, §3.1.1. At eof what came is the answer. */
static enum banner_match whole_answer(const struct banner_turn *t, unsigned *code, struct span *whole)
{
        struct rd r = rd_of(t->in);
        struct span line, digits = span_cut(t->in, 0, 3);
        uint64_t number = 0;
        bool coded = digits.n == 3 && span_number(&digits, &number) && digits.n == 0;
        if (t->in.n >= 3 && !coded)
                return MATCH_NO;
        *code = (unsigned)number;
        for (bool first = true; rd_line(&r, &line); first = false) {
                *whole = span_cut(t->in, 0, t->in.n - rd_left(&r));
                if (first ? number != LISTED : line.n == 1 && line.p[0] == '.')
                        return coded ? MATCH_YES : MATCH_NO;
        }
        *whole = t->in;
        return !t->eof ? MATCH_MAYBE : coded ? MATCH_YES : MATCH_NO;
}

static bool is_word(struct span word, const char *text)
{
        return span_starts_nocase(word, text) && word.n == span_str(text).n;
}

static bool known_product(struct banner_turn *t, struct span text)
{
        size_t before = wr_len(&banner_part(t->out, APP_NNTP)->fields);
        words_product(t->out, APP_NNTP, text, products, ARRAY_LEN(products));
        return wr_len(&banner_part(t->out, APP_NNTP)->fields) > before;
}

/* "200 news.example.com InterNetNews …": many say their name first. */
static void hostname(struct banner_turn *t, struct span rest)
{
        struct span word;
        if (!words_next(&rest, " \r\n", &word) || !span_find(word, ".", NULL))
                return;
        for (size_t i = 0; i < word.n; i++) {
                uint8_t c = word.p[i] | 0x20;
                bool letter = c >= 'a' && c <= 'z';
                if (!letter && (i == word.n - 1 || !((c >= '0' && c <= '9') || c == '.' || c == '-')))
                        return;
        }
        banner_field(t->out, APP_NNTP, "hostname", word);
}

static enum banner_status greeting(struct banner_turn *t, unsigned code, struct span whole)
{
        bool serves = code == POSTING || code == NO_POSTING;
        if (!serves && code != CLOSED_NOW && code != CLOSED)
                return BANNER_REJECT;
        words_text(t->out, APP_NNTP, span_trim(whole));
        banner_field_u64(t->out, APP_NNTP, "code", code);
        if (serves)
                banner_field_bool(t->out, APP_NNTP, "posting", code == POSTING);
        hostname(t, span_cut(whole, 4, whole.n));
        bool named = known_product(t, whole);
        if (!serves || t->eof)
                return BANNER_DONE;
        wr_str(t->reply, "CAPABILITIES\r\n");
        t->phase = (uint8_t)(LIST | (named ? NAMED : 0));
        return BANNER_NEXT;
}

/* "INN 2.7.1": free text, mostly a name and behind it a version, §3.3.2. */
static void implementation(struct banner_turn *t, struct span text)
{
        struct span rest = text, word, name = text;
        words_field(t->out, APP_NNTP, "implementation", text);
        if (!text.n || t->phase & NAMED || known_product(t, text))
                return;
        while (words_next(&rest, " ", &word)) {
                if (word.p[0] < '0' || word.p[0] > '9' || !span_find(word, ".", NULL))
                        continue;
                name = span_trim(span_cut(text, 0, text.n - rest.n - word.n));
                break;
        }
        words_field(t->out, APP_NNTP, "product", name);
        if (name.n < text.n)
                banner_field(t->out, APP_NNTP, "version", word);
}

static void capability(struct banner_turn *t, struct span line, bool *starttls)
{
        struct span rest = line, label, word;
        words_field(t->out, APP_NNTP, "capabilities", line);
        (void)words_next(&rest, " \t", &label);
        *starttls |= is_word(label, "STARTTLS");
        if (is_word(label, "IMPLEMENTATION"))
                implementation(t, span_trim(rest));
        if (!is_word(label, "AUTHINFO") && !is_word(label, "SASL"))
                return;
        while (words_next(&rest, " \t", &word))
                if (!is_word(word, "SASL")) /* "AUTHINFO USER SASL": its ways have a line of their own */
                        banner_field(t->out, APP_NNTP, "auth", word);
}

static enum banner_status capabilities(struct banner_turn *t, unsigned code, struct span whole)
{
        struct rd r = rd_of(whole);
        struct span line;
        bool starttls = false, inside = (t->phase & STEP) == LIST_IN_TLS;
        banner_str(t->out, APP_NNTP, inside ? "" : "\n");
        words_text(t->out, APP_NNTP, span_trim(whole));
        if (inside)
                banner_field_bool(t->out, APP_NNTP, "after_starttls", true);
        (void)rd_line(&r, &line);
        while (code == LISTED && rd_line(&r, &line) && !is_word(line, "."))
                capability(t, span_trim(line), &starttls);
        if (code == LISTED && !inside)
                banner_field_bool(t->out, APP_NNTP, "starttls", starttls);
        if (!starttls || t->tls || t->eof)
                return words_goodbye(t, "QUIT\r\n");
        wr_str(t->reply, "STARTTLS\r\n");
        t->phase = (uint8_t)(STARTTLS | (t->phase & NAMED));
        return BANNER_NEXT;
}

static enum banner_status starttls(struct banner_turn *t, unsigned code, struct span whole)
{
        banner_str(t->out, APP_NNTP, "\n");
        words_text(t->out, APP_NNTP, span_trim(whole));
        if (code != BEGIN_TLS || t->eof)
                return words_goodbye(t, "QUIT\r\n");
        t->phase = (uint8_t)(SECURED | (t->phase & NAMED));
        return BANNER_TLS;
}

static enum banner_status nntp_parse(struct banner_turn *t)
{
        struct span whole = t->in;
        unsigned code = 0, step = t->phase & STEP;
        if (step == SECURED) {
                wr_str(t->reply, "CAPABILITIES\r\n");
                t->phase = (uint8_t)(LIST_IN_TLS | (t->phase & NAMED));
                t->used = 0;
                return BANNER_NEXT;
        }
        enum banner_match m = whole_answer(t, &code, &whole);
        if (m == MATCH_MAYBE)
                return BANNER_MORE;
        if (m == MATCH_NO)
                return step == GREETING ? BANNER_REJECT : BANNER_DONE;
        t->used = whole.n;
        if (step == GREETING)
                return greeting(t, code, whole);
        return step == STARTTLS ? starttls(t, code, whole) : capabilities(t, code, whole);
}

static const uint16_t ports[] = {119, 433, 563, 0};
const struct banner_ops banner_nntp = {
        .name = "nntp",
        .summary = "NNTP: greeting, capabilities, STARTTLS",
        .app = APP_NNTP,
        .ports = ports,
        .speaks_first = true,
        .match = nntp_match,
        .parse = nntp_parse,
};
