// SPDX-License-Identifier: Apache-2.0
/*
 * imap: the greeting, the capabilities, STARTTLS, and the capabilities again inside of TLS; where the server
 * knows ID it is asked for its name. Text: all that the server says, without CR; inside of TLS it is a banner
 * of its own. Invariant: nobody logs in: CAPABILITY, ID, STARTTLS and LOGOUT are all that is said.
 *
 *   S: * OK …   C: a001 CAPABILITY   S: * CAPABILITY … a001 OK   C: a002 STARTTLS   S: a002 OK   (TLS)
 *   C: a003 CAPABILITY   S: * CAPABILITY … a003 OK   C: a004 ID NIL   S: * ID (…) a004 OK   C: a005 LOGOUT
 *
 * RFC 9051 §6.1, §6.2.1, §7.1; RFC 2971 §3
 */
#include "banner/protocols.h"
#include "banner/words.h"

enum { GREETING, CAPABILITY, STARTTLS, SECURED, CAPABILITY_IN_TLS, ID };

static const struct words_product products[] = {
        {"Dovecot", "Dovecot"},
        {"Cyrus IMAP", "Cyrus IMAP"},
        {"Courier-IMAP", "Courier-IMAP"},
        {"Microsoft Exchange", "Microsoft Exchange"},
        {"Gimap", "Google IMAP"},
        {"UW IMAP", "UW IMAP"},
        {"MailEnable", "MailEnable"},
        {"MDaemon", "MDaemon"},
        {"IceWarp", "IceWarp"},
        {"Zimbra", "Zimbra"},
        {"Kerio Connect", "Kerio Connect"},
        {"hMailServer", "hMailServer"},
        {"Stalwart", "Stalwart"},
};

static enum banner_match imap_match(struct span in, const struct banner_turn *t)
{
        enum banner_match m = span_match(in, "* OK");
        (void)t;
        m = MAX(m, span_match(in, "* PREAUTH"));
        return MAX(m, span_match(in, "* BYE"));
}

/* Up to and with the line that carries our tag; the greeting is one line. */
static bool whole_answer(const struct banner_turn *t, const char *tag, struct span *whole, struct span *last)
{
        struct rd r = rd_of(t->in);
        struct span line;
        *last = span_cut(t->in, 0, 0);
        while (rd_line(&r, &line)) {
                *whole = span_cut(t->in, 0, t->in.n - rd_left(&r));
                *last = line;
                if (!tag || span_starts_nocase(line, tag) || span_starts_nocase(line, "* BYE"))
                        return true;
        }
        *whole = t->in;
        return t->eof && t->in.n > 0;
}

static void capability(struct banner_turn *t, struct span word)
{
        banner_field(t->out, APP_IMAP, "capabilities", word);
        if (span_starts_nocase(word, "AUTH="))
                words_field(t->out, APP_IMAP, "auth", span_cut(word, 5, word.n));
}

/* "* CAPABILITY IMAP4rev1 …", or within the text of a greeting "[CAPABILITY IMAP4rev1 …]". */
static bool capabilities(struct banner_turn *t, struct span whole, bool *starttls, bool *id)
{
        size_t at = 0;
        struct span word, rest;
        if (!span_find(whole, "CAPABILITY ", &at))
                return false;
        rest = span_cut(whole, at + 11, whole.n);
        size_t n = 0;
        while (n < rest.n && rest.p[n] != ']' && rest.p[n] != '\r' && rest.p[n] != '\n')
                n++;
        rest = span_cut(rest, 0, n);
        while (words_next(&rest, " ", &word)) {
                *starttls |= span_starts_nocase(word, "STARTTLS");
                *id |= word.n == 2 && span_starts_nocase(word, "ID");
                capability(t, word);
        }
        return true;
}

static enum banner_status greeting(struct banner_turn *t, struct span line)
{
        words_product(t->out, APP_IMAP, line, products, ARRAY_LEN(products));
        if (span_starts_nocase(line, "* PREAUTH"))
                banner_field_bool(t->out, APP_IMAP, "preauth", true);
        if (t->eof || span_starts_nocase(line, "* BYE"))
                return BANNER_DONE;
        wr_str(t->reply, "a001 CAPABILITY\r\n");
        t->phase = CAPABILITY;
        return BANNER_NEXT;
}

static enum banner_status listed(struct banner_turn *t, struct span whole)
{
        bool starttls = false, id = false;
        if (t->phase == CAPABILITY_IN_TLS)
                banner_field_bool(t->out, APP_IMAP, "after_starttls", true);
        (void)capabilities(t, whole, &starttls, &id);
        if (t->eof)
                return BANNER_DONE;
        if (starttls && !t->tls) {
                wr_str(t->reply, "a002 STARTTLS\r\n");
                t->phase = STARTTLS;
                return BANNER_NEXT;
        }
        if (!id)
                return words_goodbye(t, "a005 LOGOUT\r\n");
        wr_str(t->reply, "a004 ID NIL\r\n");
        t->phase = ID;
        return BANNER_NEXT;
}

static enum banner_status starttls(struct banner_turn *t, struct span last)
{
        bool yes = span_starts_nocase(last, "a002 OK");
        banner_field_bool(t->out, APP_IMAP, "starttls", yes);
        if (t->eof || !yes)
                return words_goodbye(t, "a005 LOGOUT\r\n");
        t->phase = SECURED;
        return BANNER_TLS;
}

/* * ID ("name" "Dovecot" "version" "2.3"): strings by twos. Literals are left alone. */
static enum banner_status id(struct banner_turn *t, struct span whole)
{
        size_t at = 0, to = 0;
        struct span key = span_cut(whole, 0, 0), rest;
        bool is_key = true;
        if (!span_find(whole, "* ID (", &at))
                return words_goodbye(t, "a005 LOGOUT\r\n");
        rest = span_cut(whole, at + 6, whole.n);
        while (rest.n && span_find(rest, "\"", &at)) {
                rest = span_cut(rest, at + 1, rest.n);
                if (!span_find(rest, "\"", &to))
                        break;
                struct span text = span_cut(rest, 0, to);
                rest = span_cut(rest, to + 1, rest.n);
                if (!is_key && key.n == 4 && span_starts_nocase(key, "name"))
                        words_field(t->out, APP_IMAP, "id_name", text);
                else if (!is_key && key.n == 7 && span_starts_nocase(key, "version"))
                        words_field(t->out, APP_IMAP, "id_version", text);
                key = text;
                is_key = !is_key;
        }
        return words_goodbye(t, "a005 LOGOUT\r\n");
}

static enum banner_status imap_parse(struct banner_turn *t)
{
        static const char *const tags[] = {NULL, "a001 ", "a002 ", NULL, "a003 ", "a004 "};
        struct span whole = t->in, last;
        if (t->phase == SECURED) {
                wr_str(t->reply, "a003 CAPABILITY\r\n");
                t->phase = CAPABILITY_IN_TLS;
                t->used = 0;
                return BANNER_NEXT;
        }
        if (t->phase >= ARRAY_LEN(tags) || !whole_answer(t, tags[t->phase], &whole, &last))
                return t->eof ? BANNER_DONE : BANNER_MORE;
        t->used = whole.n;
        words_text(t->out, APP_IMAP, whole);
        switch (t->phase) {
        case GREETING:
                return greeting(t, whole);
        case STARTTLS:
                return starttls(t, last);
        case ID:
                return id(t, whole);
        default:
                return listed(t, whole);
        }
}

static const uint16_t ports[] = {143, 993, 0};
const struct banner_ops banner_imap = {
        .name = "imap",
        .summary = "IMAP: greeting, capabilities, STARTTLS, ID",
        .app = APP_IMAP,
        .ports = ports,
        .speaks_first = true,
        .match = imap_match,
        .parse = imap_parse,
};
