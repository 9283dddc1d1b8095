// SPDX-License-Identifier: Apache-2.0
/*
 * smtp: the greeting, the extensions, STARTTLS, and the extensions again inside of TLS, where servers offer
 * their ways to log in. Text: greeting, answers to EHLO and to STARTTLS, lines joined by LF, the last without
 * one; what is said inside of TLS is a banner of its own. Invariant: no mail is begun, nobody logs in. We
 * call ourselves trawl.invalid, a name that can be nobody's (RFC 6761 §6.4).
 *
 *   S: 220 …   C: EHLO   S: 250-… 250 …   C: STARTTLS   S: 220   (TLS)   C: EHLO   S: 250 …   C: QUIT
 *
 * RFC 5321 §3.1, §4.1.1.1; RFC 3207 §4
 */
#include "banner/protocols.h"
#include "banner/words.h"

enum { GREETING, EXTENSIONS, STARTTLS, SECURED, EXTENSIONS_IN_TLS };
#define EHLO "EHLO trawl.invalid\r\n"

static const struct words_product products[] = {
        {"Postfix", "Postfix"},
        {"Exim", "Exim"},
        {"Sendmail", "Sendmail"},
        {"Microsoft ESMTP MAIL Service", "Microsoft ESMTP MAIL Service"},
        {"OpenSMTPD", "OpenSMTPD"},
        {"Haraka", "Haraka"},
        {"MailEnable", "MailEnable"},
        {"MDaemon", "MDaemon"},
        {"hMailServer", "hMailServer"},
        {"Lotus Domino", "Lotus Domino"},
        {"HCL Domino", "HCL Domino"},
        {"Kerio Connect", "Kerio Connect"},
        {"Zimbra", "Zimbra"},
        {"CommuniGate Pro", "CommuniGate Pro"},
        {"Symantec Messaging Gateway", "Symantec Messaging Gateway"},
        {"IceWarp", "IceWarp"},
        {"SurgeSMTP", "SurgeMail"},
        {"Stalwart", "Stalwart"},
        {"gsmtp", "Google SMTP"},
        {"Dovecot", "Dovecot"},
        {"JAMES SMTP", "Apache James"},
};

static enum banner_match smtp_match(struct span in, const struct banner_turn *t)
{
        return words_greeting(in, t, true);
}

static enum banner_status greeting(struct banner_turn *t, unsigned code, struct span whole)
{
        struct span rest = span_cut(whole, 4, whole.n), word;
        words_text(t->out, APP_SMTP, span_trim(whole));
        banner_field_u64(t->out, APP_SMTP, "code", code);
        if (code == 220 && words_next(&rest, " \r\n", &word) &&
            (span_find(word, ".", NULL) || span_starts_nocase(rest, " ESMTP")))
                banner_field(t->out, APP_SMTP, "hostname", word);
        words_product(t->out, APP_SMTP, whole, products, ARRAY_LEN(products));
        if (code != 220 || t->eof)
                return words_goodbye(t, "QUIT\r\n");
        wr_str(t->reply, EHLO);
        t->phase = EXTENSIONS;
        return BANNER_NEXT;
}

/* "AUTH PLAIN LOGIN"; old servers also "AUTH=PLAIN", which says the same again. */
static void extension(struct banner_turn *t, struct span line, bool *starttls)
{
        struct span rest = line, word;
        *starttls |= span_starts_nocase(line, "STARTTLS");
        words_field(t->out, APP_SMTP, "extensions", line);
        if (!span_starts_nocase(line, "AUTH "))
                return;
        (void)words_next(&rest, " ", &word);
        while (words_next(&rest, " ", &word))
                banner_field(t->out, APP_SMTP, "auth", word);
}

/* The first line names the server, the others an extension each, RFC 5321 §4.1.1.1. */
static void extensions(struct banner_turn *t, struct span whole, bool *starttls)
{
        struct rd r = rd_of(whole);
        struct span line;
        bool first = true;
        for (; rd_line(&r, &line); first = false)
                if (!first)
                        extension(t, span_trim(span_cut(line, 4, line.n)), starttls);
}

static enum banner_status ehlo(struct banner_turn *t, unsigned code, struct span whole)
{
        bool starttls = false;
        if (t->phase == EXTENSIONS)
                banner_str(t->out, APP_SMTP, "\n");
        else
                banner_field_bool(t->out, APP_SMTP, "after_starttls", true);
        words_text(t->out, APP_SMTP, span_trim(whole));
        if (code == 250)
                extensions(t, whole, &starttls);
        if (t->phase == EXTENSIONS)
                banner_field_bool(t->out, APP_SMTP, "starttls", starttls);
        if (!starttls || t->tls || t->eof)
                return words_goodbye(t, "QUIT\r\n");
        wr_str(t->reply, "STARTTLS\r\n");
        t->phase = STARTTLS;
        return BANNER_NEXT;
}

static enum banner_status answer(struct banner_turn *t, unsigned code, struct span whole)
{
        banner_str(t->out, APP_SMTP, "\n");
        words_text(t->out, APP_SMTP, span_trim(whole));
        if (code != 220 || t->eof)
                return words_goodbye(t, "QUIT\r\n");
        t->phase = SECURED;
        return BANNER_TLS;
}

static enum banner_status smtp_parse(struct banner_turn *t)
{
        struct span whole = t->in;
        unsigned code = 0;
        if (t->phase == SECURED) {
                wr_str(t->reply, EHLO);
                t->phase = EXTENSIONS_IN_TLS;
                t->used = 0;
                return BANNER_NEXT;
        }
        enum banner_match m = words_reply(t, &code, &whole);
        if (m == MATCH_MAYBE)
                return BANNER_MORE;
        if (m == MATCH_NO)
                return t->phase == GREETING ? BANNER_REJECT : BANNER_DONE;
        t->used = whole.n;
        if (t->phase == GREETING)
                return greeting(t, code, whole);
        return t->phase == STARTTLS ? answer(t, code, whole) : ehlo(t, code, whole);
}

static const uint16_t ports[] = {25, 587, 465, 2525, 0};
const struct banner_ops banner_smtp = {
        .name = "smtp",
        .summary = "SMTP: greeting, extensions, STARTTLS",
        .app = APP_SMTP,
        .ports = ports,
        .speaks_first = true,
        .match = smtp_match,
        .parse = smtp_parse,
};
