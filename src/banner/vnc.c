// SPDX-License-Identifier: Apache-2.0
/*
 * vnc: the version and the security types of a screen server. It stops there: no type is chosen, so that no
 * session is opened, also where none would be guarded. Text: `vnc` the version line, `vnc-info` the types, or
 * why there are none.
 *
 *   S: "RFB 003.008\n"   C: the same, or what we know   S: | count 1 | types … |   or 3.3: | type 4 |
 *                                              count or type 0: | length 4 | reason |
 *
 * RFC 6143 §7.1.1, §7.1.2, Appendix A
 */
#include "banner/protocols.h"
#include "banner/words.h"

enum { VERSION, TYPE_OF_3_3, TYPES };
enum { VERSION_LEN = 12, REASON_MAX_LEN = 1024 };

/* IANA "Remote Framebuffer Security Types" */
static const char *const types[] = {
        [0] = "invalid",
        [1] = "none",
        [2] = "VNC-chap",
        [5] = "RA2",
        [6] = "RA2ne",
        [7] = "SSPI",
        [8] = "SSPIne",
        [13] = "RA2-256",
        [16] = "Tight",
        [17] = "Ultra",
        [18] = "TLS",
        [19] = "VeNCrypt",
        [20] = "GTK-VNC-SASL",
        [21] = "MD5",
        [22] = "Colin-Dean-xvp",
        [30] = "Apple30",
        [33] = "Apple33",
        [35] = "Apple35",
        [36] = "Apple36",
        [113] = "MS-Logon-II",
        [129] = "RA2-unencrypted",
        [130] = "RA2ne-unencrypted",
};

/* "RFB " and two numbers of three digits, a dot between, LF behind. */
static enum banner_match vnc_match(struct span in, const struct banner_turn *t)
{
        static const char shape[] = "RFB 000.000\n";
        (void)t;
        for (size_t i = 0; i < MIN(in.n, (size_t)VERSION_LEN); i++) {
                bool digit = in.p[i] >= '0' && in.p[i] <= '9';
                if (shape[i] == '0' ? !digit : in.p[i] != (uint8_t)shape[i])
                        return MATCH_NO;
        }
        return in.n < VERSION_LEN ? MATCH_MAYBE : MATCH_YES;
}

static void version_field(struct banner_turn *t, uint64_t major, uint64_t minor)
{
        char text[32];
        struct wr w = wr_of(text, sizeof(text));
        wr_dec(&w, major);
        wr_u8(&w, '.');
        wr_dec(&w, minor);
        banner_field(t->out, APP_VNC, "version", span_of(text, wr_len(&w)));
}

/* Odd numbers stand for what their makers speak: 3.5 means 3.3, Apple's 3.889 and RealVNC's 4 and 5 mean 3.8.
 */
static enum banner_status version(struct banner_turn *t)
{
        struct span number = span_cut(t->in, 4, 3), rest = span_cut(t->in, 8, 3);
        uint64_t major = 0, minor = 0;
        enum banner_match m = vnc_match(t->in, t);
        if (m != MATCH_YES)
                return m == MATCH_NO || t->eof ? BANNER_REJECT : BANNER_MORE;
        (void)span_number(&number, &major);
        (void)span_number(&rest, &minor);
        banner_text(t->out, APP_VNC, span_cut(t->in, 0, VERSION_LEN));
        version_field(t, major, minor);
        t->used = VERSION_LEN;
        if (t->eof || major < 3)
                return BANNER_DONE;
        bool old = major == 3 && minor < 7;
        wr_str(t->reply, old                        ? "RFB 003.003\n"
                         : major == 3 && minor == 7 ? "RFB 003.007\n"
                                                    : "RFB 003.008\n");
        t->phase = old ? TYPE_OF_3_3 : TYPES;
        return BANNER_NEXT;
}

static void type(struct banner_turn *t, uint32_t number)
{
        const char *word = number < ARRAY_LEN(types) ? types[number] : NULL;
        char text[16];
        struct wr w = wr_of(text, sizeof(text));
        if (word)
                wr_str(&w, word);
        else
                wr_dec(&w, number);
        struct span s = word ? span_str(word) : span_of(text, wr_len(&w));
        banner_str(t->out, APP_VNC_INFO, "  ");
        banner_text(t->out, APP_VNC_INFO, s);
        banner_str(t->out, APP_VNC_INFO, "\n");
        banner_field(t->out, APP_VNC_INFO, "security_types", s);
        if (number == 1)
                banner_field_bool(t->out, APP_VNC_INFO, "open_to_anyone", true);
}

/* Why there is no type: a length that no server of ours will make us wait for. */
static enum banner_status refusal(struct banner_turn *t, struct rd *r)
{
        uint32_t length = rd_be32(r);
        size_t want = MIN(length, (uint32_t)REASON_MAX_LEN);
        if ((r->bad || rd_left(r) < want) && !t->eof)
                return BANNER_MORE;
        struct span reason = span_cut(r->bad ? span_of(NULL, 0) : rd_take(r, MIN(want, rd_left(r))), 0, want);
        banner_str(t->out, APP_VNC_INFO, "ERROR: ");
        banner_text(t->out, APP_VNC_INFO, reason);
        banner_str(t->out, APP_VNC_INFO, "\n");
        words_field(t->out, APP_VNC_INFO, "error", reason);
        return BANNER_DONE;
}

static enum banner_status type_list(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        bool one = t->phase == TYPE_OF_3_3;
        uint32_t n = one ? rd_be32(&r) : rd_u8(&r);
        if (r.bad)
                return t->eof ? BANNER_DONE : BANNER_MORE;
        if (n == 0)
                return refusal(t, &r);
        if (!one && rd_left(&r) < n && !t->eof)
                return BANNER_MORE;
        banner_str(t->out, APP_VNC_INFO, "Security types:\n");
        if (one)
                type(t, n);
        for (uint32_t i = 0; !one && i < n && rd_left(&r); i++)
                type(t, rd_u8(&r));
        return BANNER_DONE;
}

static enum banner_status vnc_parse(struct banner_turn *t)
{
        return t->phase == VERSION ? version(t) : type_list(t);
}

static const uint16_t ports[] = {5900, 5901, 5902, 5903, 0};
const struct banner_ops banner_vnc = {
        .name = "vnc",
        .summary = "VNC: version, security types",
        .app = APP_VNC,
        .ports = ports,
        .speaks_first = true,
        .match = vnc_match,
        .parse = vnc_parse,
};
