// SPDX-License-Identifier: Apache-2.0
/*
 * smb: file servers of Windows and Samba, on TCP itself (445) or behind a NetBIOS session (139). Asks which
 * dialects are spoken and takes the NTLM challenge, which names the machine; the log-on that would follow is
 * never sent. The whole conversation is read again on each turn, so the banner is one text; `phase` counts
 * the replies that were sent. Invariant: at most SMB_REPLIES of them.
 *
 *   | type 1: 00 message, 81 request, 82 yes, 83 no, 85 keep-alive | length 3 (139: 17 bits) | message |
 *
 * MS-SMB2 §2.1, RFC 1002 §4.3
 */
#include "banner/pieces.h"
#include "banner/protocols.h"
#include "banner/smb.h"

enum { FRAME_MAX = 32768, SMB_REPLIES = 5 };
enum { NB_MESSAGE = 0x00, NB_REQUEST = 0x81, NB_YES = 0x82, NB_NO = 0x83, NB_KEEP_ALIVE = 0x85 };

/* ---- for smb1.c and smb2.c ---- */

size_t smb_frame_begin(struct wr *w)
{
        wr_be32(w, 0);
        return wr_len(w);
}

void smb_frame_end(struct wr *w, size_t begun)
{
        if (!w->full)
                put_be32(w->start + begun - 4, (uint32_t)(wr_len(w) - begun));
}

void smb_say_signing(struct banner_out *o, bool enabled, bool required)
{
        banner_field_bool(o, APP_SMB, "signing_enabled", enabled || required);
        banner_field_bool(o, APP_SMB, "signing_required", required);
}

/* 16 bytes, the first three groups low byte first. RFC 9562 §4, MS-DTYP §2.3.4 */
void smb_say_guid(struct banner_out *o, struct span g, bool in_text)
{
        if (g.n != 16)
                return;
        char text[40];
        struct wr w = wr_of(text, sizeof(text));
        static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
        for (unsigned i = 0; i < 16; i++)
                wr_fmt(&w, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", g.p[order[i]]);
        struct span s = span_of(text, wr_len(&w));
        if (in_text) {
                banner_str(o, APP_SMB, " guid=");
                banner_text(o, APP_SMB, s);
        }
        banner_field(o, APP_SMB, "server_guid", s);
}

void smb_say_bits(struct banner_out *o, uint32_t bits, const char *const *names, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (names[i] && bits >> i & 1)
                        banner_field_str(o, APP_SMB, "capability", names[i]);
}

/* ---- NetBIOS sessions ---- */

/* Sixteen characters as thirty-two letters, half a byte each. RFC 1001 §14.1 */
static void put_name(struct wr *w, const char *name, uint8_t suffix)
{
        wr_u8(w, 32);
        for (unsigned i = 0; i < 16; i++) {
                uint8_t c = i == 15 ? suffix : *name ? (uint8_t)*name++ : ' ';
                wr_u8(w, (uint8_t)('A' + (c >> 4)));
                wr_u8(w, (uint8_t)('A' + (c & 15)));
        }
        wr_u8(w, 0);
}

static void smb_hello(struct banner_turn *t)
{
        if (t->port != 139) {
                smb1_negotiate(t->reply);
                return;
        }
        wr_be32(t->reply, (uint32_t)NB_REQUEST << 24 | 68);
        put_name(t->reply, "*SMBSERVER", ' ');
        put_name(t->reply, "TRAWL", 0);
}

static void smb2_hello(struct banner_turn *t)
{
        smb2_negotiate(t->reply, t->secret, 0);
}

static enum smb_verdict say_refusal(struct banner_turn *t, struct span m)
{
        struct rd r = rd_of(m);
        uint8_t code = rd_u8(&r);
        const char *why = code == 0x80   ? "Not listening on called name"
                          : code == 0x81 ? "Not listening for calling name"
                          : code == 0x82 ? "Called name not present"
                          : code == 0x83 ? "Called name present, insufficient resources"
                          : code == 0x8f ? "Unspecified"
                                         : "UNKNOWN";
        banner_fmt(t->out, APP_SMB, "ERROR(%s)", why);
        banner_field_str(t->out, APP_SMB, "netbios_error", why);
        banner_field_u64(t->out, APP_SMB, "netbios_error_code", code);
        return SMB_END;
}

/* ---- frames ---- */

static enum banner_match frame(struct rd *r, uint8_t *type, struct span *m)
{
        struct rd ahead = *r;
        uint32_t head = rd_be32(&ahead);
        size_t n = head & 0xffffff;
        if (ahead.bad)
                return MATCH_MAYBE;
        if (n > FRAME_MAX)
                return MATCH_NO;
        *type = (uint8_t)(head >> 24);
        *m = rd_take(&ahead, n);
        if (ahead.bad)
                return MATCH_MAYBE;
        *r = ahead;
        return MATCH_YES;
}

static enum smb_verdict message(struct banner_turn *t, uint8_t type, struct span m, struct wr *reply)
{
        if (type == NB_KEEP_ALIVE)
                return SMB_SKIP;
        if (type == NB_NO)
                return say_refusal(t, m);
        if (type == NB_YES) {
                smb1_negotiate(reply);
                return SMB_GO_ON;
        }
        if (type == NB_MESSAGE && span_starts(m, "\xffSMB"))
                return smb1_message(t, m, reply);
        if (type == NB_MESSAGE && span_starts(m, "\xfeSMB"))
                return smb2_message(t, m, reply);
        return SMB_BAD;
}

/* Nothing more can be learnt: is what is known worth a banner? */
static enum banner_status finish(struct banner_turn *t)
{
        return t->out->n ? BANNER_DONE : say_unknown(t);
}

static enum banner_status smb_parse(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        struct span m;
        uint8_t type, nowhere[1];
        enum banner_match whole;
        unsigned seen = 0;
        while ((whole = frame(&r, &type, &m)) == MATCH_YES) {
                struct wr none = wr_of(nowhere, 0);
                bool fresh = seen == t->phase && seen < SMB_REPLIES;
                enum smb_verdict v = message(t, type, m, fresh ? t->reply : &none);
                if (v == SMB_SKIP)
                        continue;
                if (v != SMB_GO_ON || seen == SMB_REPLIES)
                        return finish(t);
                seen++;
                if (!fresh)
                        continue;
                t->phase++;
                t->used = 0;
                banner_out_clear(t->out);
                return BANNER_NEXT;
        }
        return whole == MATCH_MAYBE && !t->eof ? BANNER_MORE : finish(t);
}

static enum banner_match smb_match(struct span in, const struct banner_turn *t)
{
        (void)t;
        struct rd r = rd_of(in);
        uint8_t type = rd_u8(&r), zero = rd_u8(&r);
        uint16_t n = rd_be16(&r);
        uint8_t first = rd_u8(&r);
        if (!in.n)
                return MATCH_MAYBE;
        if ((type != NB_MESSAGE && type != NB_YES && type != NB_NO) || zero)
                return MATCH_NO;
        if (type == NB_YES && n == 0)
                return in.n >= 4 ? MATCH_YES : MATCH_MAYBE;
        if (type == NB_NO && (n == 1 || in.n < 4))
                return !r.bad && first >= 0x80 ? MATCH_YES : in.n < 5 ? MATCH_MAYBE : MATCH_NO;
        if (type != NB_MESSAGE || (in.n >= 4 && n < 32))
                return MATCH_NO;
        struct span m = span_cut(in, 4, in.n);
        enum banner_match v1 = span_match(m, "\xffSMB"), v2 = span_match(m, "\xfeSMB");
        return MAX(v1, v2);
}

const struct banner_ops banner_smb = {
        .name = "smb",
        .summary = "SMB 1, 2 and 3: dialect, signing, names and versions from the NTLM challenge",
        .app = APP_SMB,
        .ports = (const uint16_t[]){445, 139, 0},
        .match = smb_match,
        .hello = smb_hello,
        .parse = smb_parse,
};

/* For servers that hang up on anything of SMB 1. */
const struct banner_ops banner_smb2 = {
        .name = "smb2",
        .summary = "SMB 2 and 3, asked without a word of SMB 1",
        .app = APP_SMB,
        .ports = (const uint16_t[]){445, 0},
        .hello = smb2_hello,
        .parse = smb_parse,
};
