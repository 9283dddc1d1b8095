// SPDX-License-Identifier: Apache-2.0
/*
 * telnet: every option is refused, then the text up to a prompt or silence is taken. Text: the raw bytes,
 * commands included, as masscan's consumers know it; the fields have options and words apart. Invariant: a
 * server that goes on negotiating for ever is left after ROUNDS answers; nobody logs in.
 *
 *   | IAC 255 | DO 253, DONT 254, WILL 251, WONT 252 | option |      | IAC | SB 250 | option | … | IAC | SE
 * 240 |
 *
 * RFC 854, RFC 855, RFC 1143 §7
 */
#include "banner/protocols.h"
#include "banner/words.h"

enum { IAC = 255, DONT = 254, DO = 253, WONT = 252, WILL = 251, SB = 250, AYT = 246, SE = 240, EOR = 239 };
enum { ROUNDS = 32, PROMPT_MAX_LEN = 4096, TEXT_MAX_LEN = 512, REPLY_ROOM = BANNER_REPLY_MAX - 3 };

/* IANA "Telnet Options" */
static const char *const options[] = {
        [0] = "binary",
        [1] = "echo",
        [3] = "suppress-go-ahead",
        [5] = "status",
        [6] = "timing-mark",
        [23] = "send-location",
        [24] = "terminal-type",
        [25] = "end-of-record",
        [31] = "window-size",
        [32] = "terminal-speed",
        [33] = "flow-control",
        [34] = "linemode",
        [35] = "x-display",
        [36] = "environment",
        [37] = "authentication",
        [38] = "encryption",
        [39] = "new-environment",
        [40] = "tn3270e",
        [42] = "charset",
        [44] = "com-port",
        [45] = "local-echo",
        [46] = "start-tls",
        [70] = "mssp",
        [85] = "mccp",
        [86] = "mccp2",
        [201] = "gmcp",
};

static bool has_prompt(struct span s)
{
        static const char *const prompts[] = {"login:", "username:", "user name:", "password:", "user:"};
        for (size_t i = 0; i < ARRAY_LEN(prompts); i++)
                if (span_find(s, prompts[i], NULL))
                        return true;
        return false;
}

static bool is_text(struct span s)
{
        for (size_t i = 0; i < s.n; i++)
                if ((s.p[i] < ' ' && s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\t' && s.p[i] != 27 &&
                     s.p[i] != 7) ||
                    s.p[i] == 127)
                        return false;
        return s.n > 0;
}

/* Where the first command begins; IAC IAC is a byte of text. */
static size_t text_length(struct span in)
{
        for (size_t i = 0; i < in.n; i++) {
                if (in.p[i] != IAC)
                        continue;
                if (i + 1 < in.n && (in.p[i + 1] == IAC || in.p[i + 1] < EOR))
                        i++;
                else
                        return i;
        }
        return in.n;
}

/* Commands, or a text that ends with a prompt. On telnet's own ports any text is telnet's, unless it is
 * somebody else's: so that is said last. */
static enum banner_match telnet_match(struct span in, const struct banner_turn *t)
{
        bool own = banner_has_port(&banner_telnet, t->port);
        if (in.n == 2 && in.p[0] == IAC && in.p[1] == AYT) /* our own words come back */
                return t->eof ? MATCH_NO : MATCH_MAYBE;
        size_t n = text_length(in);
        struct span text = span_cut(in, 0, n), end = span_cut(text, n > 12 ? n - 12 : 0, 12);
        if ((n && !is_text(text)) || n > (own ? PROMPT_MAX_LEN : TEXT_MAX_LEN))
                return MATCH_NO;
        if (in.n > n + 1 || has_prompt(end) || (own && t->eof && in.n))
                return MATCH_YES;
        return t->eof ? MATCH_NO : MATCH_MAYBE;
}

static void telnet_hello(struct banner_turn *t)
{
        wr_u8(t->reply, IAC);
        wr_u8(t->reply, AYT);
}

static void option_field(struct banner_turn *t, const char *key, uint8_t option)
{
        char number[8];
        struct wr w = wr_of(number, sizeof(number));
        if (option < ARRAY_LEN(options) && options[option]) {
                banner_field_str(t->out, APP_TELNET, key, options[option]);
                return;
        }
        wr_dec(&w, option);
        banner_field(t->out, APP_TELNET, key, span_of(number, wr_len(&w)));
}

/* Each option is refused once a turn; what is refused already needs no answer (WONT and DONT). */
static void refuse(struct banner_turn *t, uint8_t verb, uint8_t option, uint8_t seen[256])
{
        uint8_t bit = verb == DO ? 1 : 2;
        if ((verb != DO && verb != WILL) || seen[option] & bit || wr_len(t->reply) > REPLY_ROOM)
                return;
        seen[option] |= bit;
        wr_u8(t->reply, IAC);
        wr_u8(t->reply, verb == DO ? WONT : DONT);
        wr_u8(t->reply, option);
        option_field(t, verb == DO ? "do" : "will", option);
}

/* IAC SB … IAC SE; false: the end is not there. */
static bool skip_subnegotiation(struct rd *r)
{
        uint8_t last = 0;
        while (rd_left(r)) {
                uint8_t c = rd_u8(r);
                if (last == IAC && c == SE)
                        return true;
                last = last == IAC && c == IAC ? 0 : c;
        }
        return false;
}

/* One command; false: it is not all there, or it is not a command but a byte of text. */
static bool command(struct banner_turn *t, struct rd *r, uint8_t seen[256])
{
        uint8_t first = rd_u8(r), verb = rd_u8(r);
        if (r->bad || first != IAC || verb == IAC || verb < EOR)
                return false;
        if (verb == SB)
                return skip_subnegotiation(r);
        if (verb < WILL)
                return true;
        uint8_t option = rd_u8(r);
        if (r->bad)
                return false;
        refuse(t, verb, option, seen);
        return true;
}

static void words(struct banner_turn *t, struct span text)
{
        words_field(t->out, APP_TELNET, "text", span_trim(text));
}

/* The text in front and the commands that follow it, answered. */
static enum banner_status negotiate(struct banner_turn *t, size_t text_len)
{
        uint8_t seen[256] = {0};
        struct rd r = rd_of(span_cut(t->in, text_len, t->in.n));
        size_t end = text_len;
        words(t, span_cut(t->in, 0, text_len));
        for (struct rd next = r; rd_left(&next) && command(t, &next, seen); r = next)
                end = t->in.n - rd_left(&next);
        if (end == text_len)
                return BANNER_MORE;
        t->used = end;
        t->phase++;
        banner_text(t->out, APP_TELNET, span_cut(t->in, 0, end));
        return BANNER_NEXT;
}

static enum banner_status telnet_parse(struct banner_turn *t)
{
        size_t text_len = text_length(t->in);
        struct span end = span_cut(t->in, t->in.n > 12 ? t->in.n - 12 : 0, 12);
        if (text_len < t->in.n && t->phase < ROUNDS) {
                enum banner_status s = negotiate(t, text_len);
                if (s == BANNER_NEXT || (!t->eof && t->in.n < PROMPT_MAX_LEN))
                        return s;
                banner_out_clear(t->out); /* half a command is text like any other */
        }
        bool asks = has_prompt(end) && end.p[end.n - 1] == ' ';
        if (!t->eof && t->phase < ROUNDS && t->in.n < PROMPT_MAX_LEN && !asks)
                return BANNER_MORE;
        words(t, span_cut(t->in, 0, text_len));
        if (t->in.n)
                banner_text(t->out, APP_TELNET, span_cut(t->in, 0, PROMPT_MAX_LEN));
        return BANNER_DONE;
}

static const uint16_t ports[] = {23, 2323, 992, 0};
const struct banner_ops banner_telnet = {
        .name = "telnet",
        .summary = "Telnet: options, text up to the prompt",
        .app = APP_TELNET,
        .ports = ports,
        .speaks_first = true,
        .match = telnet_match,
        .hello = telnet_hello,
        .parse = telnet_parse,
};
