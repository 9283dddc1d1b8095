// SPDX-License-Identifier: Apache-2.0
/*
 * xmpp: opens a stream, reads its features, starts TLS where that is offered, and reads the features again.
 * Text: the server's XML, inside of TLS as a banner of its own. Invariant: the stream is closed before
 * anybody authenticates; the XML is only searched, never built into anything.
 *
 *   C: <stream:stream to='NAME' …>   S: <stream:stream from='…'><stream:features>…</stream:features>
 *   C: <starttls/>   S: <proceed/>   (TLS)   C: <stream:stream …>   S: …   C: </stream:stream>
 *
 * RFC 6120 §4.2, §4.3, §4.9, §5.4
 */
#include "banner/protocols.h"
#include "banner/words.h"

enum { FEATURES, PROCEED, SECURED, FEATURES_IN_TLS };

/* XML declaration first, or not. What tells a stream is its name. */
static enum banner_match xmpp_match(struct span in, const struct banner_turn *t)
{
        enum banner_match m = span_match(in, "<stream:");
        if (m != MATCH_NO)
                return m;
        m = span_match(in, "<?xml");
        if (m != MATCH_YES)
                return m;
        if (span_find(in, "<stream:", NULL) && span_find(in, "etherx.jabber.org/streams", NULL))
                return MATCH_YES;
        return t->eof || in.n > 1024 ? MATCH_NO : MATCH_MAYBE;
}

/* Servers among themselves speak another name space, RFC 6120 §4.8.2 */
static void xmpp_hello(struct banner_turn *t)
{
        wr_str(t->reply, "<?xml version='1.0'?><stream:stream ");
        char room[HOST_NAME_MAX_LEN];
        struct span name = host_on_wire(t->name, room);
        if (name.n) {
                wr_str(t->reply, "to='");
                wr_bytes(t->reply, name.p, name.n);
                wr_str(t->reply, "' ");
        }
        wr_str(t->reply, t->port == 5269 ? "xmlns='jabber:server' " : "xmlns='jabber:client' ");
        wr_str(t->reply, "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>");
}

/* The value of an attribute within one tag, in either kind of quotes; empty: not there. */
static struct span attribute(struct span tag, const char *name)
{
        size_t at = 0, to = 0;
        if (!span_find(tag, name, &at))
                return span_cut(tag, 0, 0);
        struct span rest = span_cut(tag, at + span_str(name).n, tag.n);
        const char *quote = span_starts(rest, "\"") ? "\"" : span_starts(rest, "'") ? "'" : NULL;
        if (!quote)
                return span_cut(tag, 0, 0);
        rest = span_cut(rest, 1, rest.n);
        return span_cut(rest, 0, span_find(rest, quote, &to) ? to : 0);
}

/* The tag that begins with this, up to its '>'. */
static struct span tag_of(struct span in, const char *begin)
{
        size_t at = 0, to = 0;
        if (!span_find(in, begin, &at))
                return span_cut(in, 0, 0);
        struct span rest = span_cut(in, at, in.n);
        return span_cut(rest, 0, span_find(rest, ">", &to) ? to : rest.n);
}

/* The words between <tag> and </ , each time the tag comes. */
static void elements(struct banner_turn *t, struct span in, const char *tag, const char *key)
{
        size_t at = 0, to = 0;
        while (span_find(in, tag, &at)) {
                in = span_cut(in, at + span_str(tag).n, in.n);
                if (!span_find(in, "</", &to))
                        return;
                words_field(t->out, APP_XMPP, key, span_trim(span_cut(in, 0, to)));
                in = span_cut(in, to, in.n);
        }
}

/* <stream:error><host-unknown xmlns=…/> : the first tag inside names the condition, RFC 6120 §4.9.2 */
static void error_of(struct banner_turn *t, struct span in)
{
        size_t at = 0;
        struct span rest, word;
        if (!span_find(in, "<stream:error>", &at))
                return;
        rest = span_cut(in, at + 14, in.n);
        if (words_next(&rest, "<> /\t\r\n", &word))
                banner_field(t->out, APP_XMPP, "error", word);
}

static void describe(struct banner_turn *t, bool *starttls)
{
        struct span header = tag_of(t->in, "<stream:stream"), tls = tag_of(t->in, "<starttls");
        *starttls = tls.n > 0;
        if (t->after_starttls)
                banner_field_bool(t->out, APP_XMPP, "after_starttls", true);
        words_field(t->out, APP_XMPP, "from", attribute(header, "from="));
        words_field(t->out, APP_XMPP, "version", attribute(header, " version="));
        words_field(t->out, APP_XMPP, "lang", attribute(header, "xml:lang="));
        if (!t->tls)
                banner_field_bool(t->out, APP_XMPP, "starttls", *starttls);
        if (*starttls)
                banner_field_bool(t->out, APP_XMPP, "tls_required", span_find(t->in, "<required", NULL));
        elements(t, t->in, "<mechanism>", "auth");
        elements(t, t->in, "<method>", "compression");
        error_of(t, t->in);
}

static enum banner_status goodbye(struct banner_turn *t)
{
        return words_goodbye(t, "</stream:stream>");
}

/* A server's stream has an id, ours has none: whoever sends ours back is no XMPP server. RFC 6120 §4.7.3 */
static bool is_from_server(struct span in)
{
        return span_find(tag_of(in, "<stream:stream"), " id=", NULL) ||
               span_find(in, "<stream:features", NULL) || span_find(in, "<stream:error", NULL);
}

/* An error is followed by the end of the stream, RFC 6120 §4.9.1.1 */
static bool is_all_there(const struct banner_turn *t)
{
        return t->eof || span_find(t->in, "</stream:features>", NULL) ||
               span_find(t->in, "<stream:features/>", NULL) || span_find(t->in, "</stream:stream>", NULL);
}

static enum banner_status features(struct banner_turn *t)
{
        bool starttls = false;
        if (!is_all_there(t))
                return BANNER_MORE;
        if (t->phase == FEATURES && !is_from_server(t->in))
                return BANNER_REJECT;
        banner_text(t->out, APP_XMPP, t->in);
        describe(t, &starttls);
        if (!starttls || t->tls || t->eof)
                return goodbye(t);
        wr_str(t->reply, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        t->phase = PROCEED;
        return BANNER_NEXT;
}

static enum banner_status proceed(struct banner_turn *t)
{
        if (!span_find(t->in, ">", NULL))
                return t->eof ? BANNER_DONE : BANNER_MORE;
        banner_text(t->out, APP_XMPP, t->in);
        if (!span_find(t->in, "<proceed", NULL))
                return goodbye(t);
        t->phase = SECURED;
        return BANNER_TLS;
}

static enum banner_status xmpp_parse(struct banner_turn *t)
{
        if (t->phase == PROCEED)
                return proceed(t);
        if (t->phase == SECURED) {
                xmpp_hello(t);
                t->phase = FEATURES_IN_TLS;
                t->used = 0;
                return BANNER_NEXT;
        }
        if (t->phase == FEATURES && xmpp_match(t->in, t) == MATCH_NO)
                return BANNER_REJECT;
        return features(t);
}

static const uint16_t ports[] = {5222, 5269, 5223, 0};
const struct banner_ops banner_xmpp = {
        .name = "xmpp",
        .summary = "XMPP: stream features, STARTTLS",
        .app = APP_XMPP,
        .ports = ports,
        .match = xmpp_match,
        .hello = xmpp_hello,
        .parse = xmpp_parse,
};
