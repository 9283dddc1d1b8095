// SPDX-License-Identifier: Apache-2.0
/*
 * pop3: the greeting, the capabilities, STLS, and the capabilities again inside of TLS. Text: all that the
 * server says, without CR; inside of TLS it is a banner of its own. Invariant: nobody logs in: CAPA, STLS and
 * QUIT are all that is said.
 *
 *   S: +OK …   C: CAPA   S: +OK … lines … .   C: STLS   S: +OK   (TLS)   C: CAPA   S: …   C: QUIT
 *
 * RFC 1939 §3, §4; RFC 2449 §5; RFC 2595 §4
 */
#include "banner/protocols.h"
#include "banner/words.h"

enum { GREETING, CAPA, STLS, SECURED, CAPA_IN_TLS };

static const struct words_product products[] = {
        {"Dovecot", "Dovecot"},
        {"Cyrus POP3", "Cyrus POP3"},
        {"Microsoft Exchange", "Microsoft Exchange"},
        {"Hello there", "Courier POP3"},
        {"Qpopper", "Qpopper"},
        {"MailEnable", "MailEnable"},
        {"MDaemon", "MDaemon"},
        {"IceWarp", "IceWarp"},
        {"Zimbra", "Zimbra"},
        {"Gpop", "Google POP3"},
        {"teapop", "teapop"},
        {"Kerio Connect", "Kerio Connect"},
        {"hMailServer", "hMailServer"},
};

/* Others say "+OK" alone; a mail server has more to say, or its usual port. */
static enum banner_match pop3_match(struct span in, const struct banner_turn *t)
{
        enum banner_match m = span_match(in, "+OK ");
        if (m == MATCH_NO && banner_has_port(&banner_pop3, t->port))
                m = MAX(span_match(in, "+OK\r\n"), span_match(in, "-ERR "));
        return m;
}

/* The end of the answer: one line, or for a list all up to the line of a dot (RFC 1939 §3). */
static bool whole_answer(const struct banner_turn *t, bool list, struct span *whole)
{
        struct rd r = rd_of(t->in);
        struct span line;
        bool first = true;
        while (rd_line(&r, &line)) {
                bool last =
                        (first && (!list || !span_starts(line, "+OK"))) || (line.n == 1 && line.p[0] == '.');
                *whole = span_cut(t->in, 0, t->in.n - rd_left(&r));
                if (last)
                        return true;
                first = false;
        }
        *whole = t->in;
        return t->eof && t->in.n > 0;
}

/* "<1896.697170952@dbc.mtview.ca.us>" in a greeting is what APOP signs, RFC 1939 §7. */
static void stamp(struct banner_turn *t, struct span line)
{
        size_t from = 0, at = 0, to = 0;
        if (!span_find(line, "<", &from))
                return;
        line = span_cut(line, from, line.n);
        if (!span_find(line, "@", &at) || !span_find(line, ">", &to) || at > to)
                return;
        banner_field_bool(t->out, APP_POP3, "apop", true);
        words_field(t->out, APP_POP3, "hostname", span_cut(line, at + 1, to - at - 1));
}

static enum banner_status greeting(struct banner_turn *t, struct span line)
{
        words_product(t->out, APP_POP3, line, products, ARRAY_LEN(products));
        stamp(t, line);
        if (t->eof || !span_starts(line, "+OK"))
                return words_goodbye(t, "QUIT\r\n");
        wr_str(t->reply, "CAPA\r\n");
        t->phase = CAPA;
        return BANNER_NEXT;
}

static void capability(struct banner_turn *t, struct span line)
{
        struct span rest = line, word;
        words_field(t->out, APP_POP3, "capabilities", line);
        if (!span_starts_nocase(line, "SASL "))
                return;
        (void)words_next(&rest, " ", &word);
        while (words_next(&rest, " ", &word))
                banner_field(t->out, APP_POP3, "auth", word);
}

static enum banner_status capabilities(struct banner_turn *t, struct span whole)
{
        struct rd r = rd_of(whole);
        struct span line;
        if (t->phase == CAPA_IN_TLS)
                banner_field_bool(t->out, APP_POP3, "after_stls", true);
        bool stls = false, listed = rd_line(&r, &line) && span_starts(line, "+OK");
        if (listed)
                while (rd_line(&r, &line) && !(line.n == 1 && line.p[0] == '.')) {
                        stls |= span_starts_nocase(line, "STLS");
                        capability(t, span_trim(line));
                }
        if (t->phase == CAPA && listed)
                banner_field_bool(t->out, APP_POP3, "stls", stls);
        if (t->tls || t->eof || (listed && !stls))
                return words_goodbye(t, "QUIT\r\n");
        wr_str(t->reply, "STLS\r\n");
        t->phase = STLS;
        return BANNER_NEXT;
}

static enum banner_status stls(struct banner_turn *t, struct span line)
{
        if (t->eof || !span_starts(line, "+OK"))
                return words_goodbye(t, "QUIT\r\n");
        t->phase = SECURED;
        return BANNER_TLS;
}

static enum banner_status pop3_parse(struct banner_turn *t)
{
        struct span whole = t->in;
        if (t->phase == SECURED) {
                wr_str(t->reply, "CAPA\r\n");
                t->phase = CAPA_IN_TLS;
                t->used = 0;
                return BANNER_NEXT;
        }
        if (!whole_answer(t, t->phase == CAPA || t->phase == CAPA_IN_TLS, &whole))
                return t->eof ? BANNER_DONE : BANNER_MORE;
        t->used = whole.n;
        words_text(t->out, APP_POP3, whole);
        if (t->phase == GREETING)
                return greeting(t, whole);
        return t->phase == STLS ? stls(t, whole) : capabilities(t, whole);
}

static const uint16_t ports[] = {110, 995, 0};
const struct banner_ops banner_pop3 = {
        .name = "pop3",
        .summary = "POP3: greeting, capabilities, STLS",
        .app = APP_POP3,
        .ports = ports,
        .speaks_first = true,
        .match = pop3_match,
        .parse = pop3_parse,
};
