// SPDX-License-Identifier: Apache-2.0
/*
 * smb1: messages of SMB 1 (CIFS): NEGOTIATE, which also asks for SMB 2 by name, and the first SESSION SETUP
 * with NTLM's NEGOTIATE. Called by smb.c for each message. Invariant: no user name, no password, no null
 * session: a server without extended security is left after NEGOTIATE.
 *
 *   | FF 'SMB' | command 1 | status 4 | flags 1 | flags2 2 | pid 2 | signature 8 | reserved 2 | tid 2 | pid 2
 * | | uid 2 | mid 2 | words: count 1, 2 each | bytes: count 2, 1 each |
 *
 *   NEGOTIATE's words: dialect 2 | security mode 1 | max mpx 2 | max vcs 2 | max buffer 4 | max raw 4 |
 *                      session key 4 | capabilities 4 | time 8 | time zone 2 | challenge length 1
 *
 * MS-CIFS §2.2.3, §2.2.4.52, MS-SMB §2.2.4.5, §2.2.4.6
 */
#include "banner/little.h"
#include "banner/ntlm.h"
#include "banner/smb.h"

enum { SMB1_NEGOTIATE = 0x72, SMB1_SESSION_SETUP = 0x73 };
enum { FLAGS_REPLY = 0x80 };
enum { FLAGS2_LONG_NAMES = 1, FLAGS2_EXTENDED = 0x800, FLAGS2_NTSTATUS = 0x4000, FLAGS2_UNICODE = 0x8000 };
#define CAP_EXTENDED        0x80000000u
#define STATUS_MORE_PROCESS 0xc0000016u

static const char *const capabilities[32] = {
        [0] = "raw_mode",
        [1] = "mpx_mode",
        [2] = "unicode",
        [3] = "large_files",
        [4] = "nt_smbs",
        [5] = "rpc_remote_apis",
        [6] = "status32",
        [7] = "level2_oplocks",
        [8] = "lock_and_read",
        [9] = "nt_find",
        [12] = "dfs",
        [13] = "infolevel_passthru",
        [14] = "large_readx",
        [15] = "large_writex",
        [16] = "lwio",
        [23] = "unix",
        [25] = "compressed_data",
        [29] = "bulk_transfer",
        [31] = "extended_security",
};

struct smb1 { /* a message taken apart */
        uint8_t command;
        uint32_t status;
        uint16_t flags2;
        size_t at; /* where `bytes` begins, from the header on: texts are aligned by it */
        struct rd words, bytes;
};

static void put_header(struct wr *w, uint8_t command)
{
        wr_bytes(w, "\xffSMB", 4);
        wr_u8(w, command);
        wr_le32(w, 0);
        wr_u8(w, 0x18); /* paths are canonical and without case */
        wr_le16(w, FLAGS2_LONG_NAMES | FLAGS2_EXTENDED | FLAGS2_NTSTATUS | FLAGS2_UNICODE);
        wr_le32(w, 0);
        wr_le64(w, 0);
        wr_le16(w, 0xffff); /* no tree */
        wr_le16(w, 0xfeff); /* some process */
        wr_le16(w, 0);      /* no user */
        wr_le16(w, 0);
}

void smb1_negotiate(struct wr *w)
{
        static const char dialects[] = "\2NT LM 0.12\0\2SMB 2.002\0\2SMB 2.???";
        size_t begun = smb_frame_begin(w);
        put_header(w, SMB1_NEGOTIATE);
        wr_u8(w, 0);
        wr_le16(w, sizeof(dialects));
        wr_bytes(w, dialects, sizeof(dialects));
        smb_frame_end(w, begun);
}

/* Virtual circuit 1, not 0: 0 tells a server to drop its other sessions with our address. MS-CIFS §2.2.4.53.1
 */
static void put_session_setup(struct wr *w, uint32_t session_key)
{
        uint8_t room[128];
        struct wr token = wr_of(room, sizeof(room));
        ntlm_negotiate_spnego(&token);
        size_t n = wr_len(&token), pad = (n + 1) & 1, begun = smb_frame_begin(w);
        put_header(w, SMB1_SESSION_SETUP);
        wr_u8(w, 12);
        wr_le16(w, 0x00ff); /* no second command */
        wr_le16(w, 0);
        wr_le16(w, 4356); /* largest message we take */
        wr_le16(w, 1);
        wr_le16(w, 1);
        wr_le32(w, session_key);
        wr_le16(w, (uint16_t)n);
        wr_le32(w, 0);
        wr_le32(w, CAP_EXTENDED | 0x5c); /* status32, nt_smbs, large_files, unicode */
        wr_le16(w, (uint16_t)(n + pad + 4));
        wr_bytes(w, room, n);
        wr_bytes(w, "\0", pad);
        wr_be32(w, 0); /* native OS and LAN manager: empty */
        smb_frame_end(w, begun);
}

static bool take_apart(struct span message, struct smb1 *m)
{
        struct rd r = rd_of(message);
        rd_skip(&r, 4);
        m->command = rd_u8(&r);
        m->status = rd_le32(&r);
        bool response = rd_u8(&r) & FLAGS_REPLY; /* or it is our own words that come back */
        m->flags2 = rd_le16(&r);
        rd_skip(&r, 20);
        m->words = rd_sub(&r, (size_t)rd_u8(&r) * 2);
        size_t n = rd_le16(&r);
        m->at = message.n - rd_left(&r);
        m->bytes = rd_sub(&r, MIN(n, rd_left(&r))); /* Windows counts too much for tokens at times */
        return !r.bad && response;
}

/* A text up to its NUL, UTF-16 or in the server's code page, as " os=…" and as a field. */
static void say_text(struct banner_turn *t, struct smb1 *m, const char *before, const char *key)
{
        if (m->flags2 & FLAGS2_UNICODE) {
                struct span s = utf16_until_nul(&m->bytes);
                if (!s.n)
                        return;
                utf16_text(t->out, APP_SMB, before, s);
                utf16_field(t->out, APP_SMB, key, s);
                return;
        }
        struct span s = span_of(m->bytes.p, 0);
        while (rd_left(&m->bytes) && rd_u8(&m->bytes))
                s.n++;
        if (!s.n)
                return;
        banner_str(t->out, APP_SMB, before);
        banner_text(t->out, APP_SMB, s);
        banner_field(t->out, APP_SMB, key, s);
}

static void say_time(struct banner_out *o, uint64_t filetime, int16_t zone_min)
{
        char zone[8];
        struct wr w = wr_of(zone, sizeof(zone));
        wr_fmt(&w, "%+d", zone_min);
        filetime_say(o, APP_SMB, " time=", "system_time", filetime);
        banner_fmt(o, APP_SMB, " TZ=%+d ", zone_min);
        banner_field(o, APP_SMB, "time_zone_min", span_of(zone, wr_len(&w)));
}

static enum smb_verdict negotiated(struct banner_turn *t, struct smb1 *m, struct wr *reply)
{
        struct rd *r = &m->words;
        bool full = rd_left(r) >= 34;
        uint16_t dialect = rd_le16(r);
        banner_str(t->out, APP_SMB, "SMBv1 ");
        if (!full || dialect) {
                banner_field_str(t->out, APP_SMB, "dialect", dialect == 0xffff ? "none" : "older");
                return SMB_END;
        }
        uint8_t mode = rd_u8(r);
        banner_field_str(t->out, APP_SMB, "dialect", "NT LM 0.12");
        smb_say_signing(t->out, mode & 4, mode & 8);
        rd_skip(r, 4);
        banner_field_u64(t->out, APP_SMB, "max_buffer", rd_le32(r));
        rd_skip(r, 4);
        uint32_t key = rd_le32(r), caps = rd_le32(r);
        smb_say_bits(t->out, caps, capabilities, ARRAY_LEN(capabilities));
        uint64_t filetime = rd_le64(r);
        say_time(t->out, filetime, (int16_t)rd_le16(r));
        if (caps & CAP_EXTENDED) {
                smb_say_guid(t->out, rd_take(&m->bytes, 16), false);
                ntlm_mechanisms(t->out, APP_SMB, span_of(m->bytes.p, rd_left(&m->bytes)));
                put_session_setup(reply, key);
                return SMB_GO_ON;
        }
        rd_skip(&m->bytes, rd_u8(r)); /* the challenge */
        say_text(t, m, " domain=", "netbios_domain");
        say_text(t, m, " name=", "netbios_name");
        return SMB_END;
}

static enum smb_verdict set_up(struct banner_turn *t, struct smb1 *m)
{
        if (m->status != STATUS_MORE_PROCESS || rd_left(&m->words) < 8)
                return SMB_END;
        rd_skip(&m->words, 6);
        struct span token = rd_take(&m->bytes, rd_le16(&m->words));
        ntlm_describe(t->out, APP_SMB, token);
        if (m->flags2 & FLAGS2_UNICODE && (m->at + token.n) & 1)
                rd_skip(&m->bytes, 1);
        say_text(t, m, " os=", "os");
        say_text(t, m, " ver=", "lan_manager");
        return SMB_END;
}

enum smb_verdict smb1_message(struct banner_turn *t, struct span message, struct wr *reply)
{
        struct smb1 m;
        if (!take_apart(message, &m))
                return SMB_BAD;
        if (m.command == SMB1_NEGOTIATE)
                return negotiated(t, &m, reply);
        return m.command == SMB1_SESSION_SETUP ? set_up(t, &m) : SMB_BAD;
}
