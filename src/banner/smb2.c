// SPDX-License-Identifier: Apache-2.0
/*
 * smb2: messages of SMB 2 and 3: NEGOTIATE with all dialects from 2.0.2 to 3.1.1 and the contexts of 3.1.1,
 * and the first SESSION_SETUP with NTLM's NEGOTIATE. Called by smb.c for each message. Invariant: the second
 * SESSION_SETUP, which would log in, is never written.
 *
 *   | FE 'SMB' | 64 2 | credit charge 2 | status 4 | command 2 | credits 2 | flags 4 | next 4 | message id 8
 * | | reserved 4 | tree 4 | session 8 | signature 16 |
 *
 *   NEGOTIATE's answer: 65 2 | security mode 2 | dialect 2 | contexts 2 | guid 16 | capabilities 4 | max
 * transact 4 | max read 4 | max write 4 | time 8 | start time 8 | token: offset 2, length 2 | context offset
 * 4 | …   each context: type 2 | length 2 | reserved 4 | data | to 8
 *
 * MS-SMB2 §2.2.1.2, §2.2.3, §2.2.4, §2.2.5, §2.2.6
 */
#include "banner/little.h"
#include "banner/ntlm.h"
#include "banner/smb.h"
#include <stdio.h>

enum { SMB2_NEGOTIATE = 0, SMB2_SESSION_SETUP = 1, SMB2_HEADER = 64, FLAGS_RESPONSE = 1 };
enum { CONTEXT_PREAUTH = 1, CONTEXT_ENCRYPTION = 2, CONTEXT_COMPRESSION = 3, CONTEXT_SIGNING = 8 };
enum { CONTEXTS_MAX = 16 };
#define STATUS_PENDING      0x00000103u
#define STATUS_MORE_PROCESS 0xc0000016u

struct smb2 {
        uint16_t command;
        uint32_t status;
        uint64_t id;
        struct span whole;
        struct rd body;
};

/* ---- what we say ---- */

static void put_header(struct wr *w, uint16_t command, uint16_t charge, uint64_t id)
{
        wr_bytes(w, "\xfeSMB", 4);
        wr_le16(w, SMB2_HEADER);
        wr_le16(w, charge);
        wr_le32(w, 0);
        wr_le16(w, command);
        wr_le16(w, 1); /* credits asked for */
        wr_le64(w, 0); /* flags, no second command */
        wr_le64(w, id);
        wr_le64(w, 0); /* no tree */
        for (unsigned i = 0; i < 3; i++)
                wr_le64(w, 0); /* no session, no signature */
}

static void put_random(struct wr *w, uint64_t secret, unsigned n_words)
{
        for (unsigned i = 0; i < n_words; i++) {
                secret = (secret ^ secret >> 29) * 0x9e3779b97f4a7c15u + i + 1;
                wr_le64(w, secret);
        }
}

/* Begins at a multiple of 8 from the header on; all lists are of numbers of two bytes. */
static void put_context(struct wr *w, size_t begun, uint16_t type, const uint16_t *words, uint16_t n)
{
        while (!w->full && (wr_len(w) - begun) & 7)
                wr_u8(w, 0);
        wr_le16(w, type);
        wr_le16(w, (uint16_t)(n * 2));
        wr_le32(w, 0);
        for (unsigned i = 0; i < n; i++)
                wr_le16(w, words[i]);
}

static void put_contexts(struct wr *w, size_t begun, uint64_t secret)
{
        uint16_t preauth[3 + 16] = {1, 32, 1}; /* one hash, salt of 32 bytes, SHA-512 */
        static const uint16_t ciphers[] = {4, 2, 1, 4, 3};
        static const uint16_t compression[] = {3, 0, 0, 0, 1, 2, 3};
        static const uint16_t signing[] = {3, 2, 1, 0};
        for (unsigned i = 0; i < 16; i++) {
                secret = (secret ^ secret >> 31) * 0xd6e8feb86659fd93u + 1;
                preauth[3 + i] = (uint16_t)(secret >> 40);
        }
        put_context(w, begun, CONTEXT_PREAUTH, preauth, ARRAY_LEN(preauth));
        put_context(w, begun, CONTEXT_ENCRYPTION, ciphers, ARRAY_LEN(ciphers));
        put_context(w, begun, CONTEXT_COMPRESSION, compression, ARRAY_LEN(compression));
        put_context(w, begun, CONTEXT_SIGNING, signing, ARRAY_LEN(signing));
}

void smb2_negotiate(struct wr *w, uint64_t secret, uint64_t id)
{
        static const uint16_t dialects[] = {0x0202, 0x0210, 0x0300, 0x0302, 0x0311};
        size_t begun = smb_frame_begin(w);
        put_header(w, SMB2_NEGOTIATE, 0, id);
        wr_le16(w, 36);
        wr_le16(w, ARRAY_LEN(dialects));
        wr_le32(w, 1);    /* signing enabled */
        wr_le32(w, 0x7f); /* capabilities: all that we want to hear of */
        put_random(w, secret, 2);
        wr_le32(w, SMB2_HEADER + 36 + ARRAY_LEN(dialects) * 2 + 2); /* contexts begin: 112 */
        wr_le32(w, 4);
        for (unsigned i = 0; i < ARRAY_LEN(dialects); i++)
                wr_le16(w, dialects[i]);
        put_contexts(w, begun, secret);
        smb_frame_end(w, begun);
}

static void put_session_setup(struct wr *w, uint16_t dialect, uint64_t id)
{
        uint8_t room[128];
        struct wr token = wr_of(room, sizeof(room));
        ntlm_negotiate_spnego(&token);
        size_t begun = smb_frame_begin(w);
        put_header(w, SMB2_SESSION_SETUP, dialect > 0x0202, id);
        wr_le16(w, 25);
        wr_le16(w, 0x0100); /* flags 0, signing enabled */
        wr_le32(w, 0);
        wr_le32(w, 0);
        wr_le16(w, SMB2_HEADER + 24);
        wr_le16(w, (uint16_t)wr_len(&token));
        wr_le64(w, 0); /* no session before this one */
        wr_bytes(w, room, wr_len(&token));
        smb_frame_end(w, begun);
}

/* ---- what the server says ---- */

static const char *dialect_name(uint16_t d)
{
        return d == 0x0202              ? "2.0.2"
               : d == 0x0210            ? "2.1"
               : d == 0x0300            ? "3.0"
               : d == 0x0302            ? "3.0.2"
               : d == 0x0311            ? "3.1.1"
               : d == SMB_MULTI_DIALECT ? "2.x"
                                        : "unknown";
}

static const char *const capabilities[] = {
        "dfs",        "leasing",      "large_mtu", "multi_channel", "persistent_handles", "directory_leasing",
        "encryption", "notifications"};
static const char *const ciphers[] = {NULL, "AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM"};
static const char *const compressions[] = {NULL, "LZNT1", "LZ77", "LZ77+Huffman", "Pattern_V1", "LZ4"};
static const char *const signings[] = {"HMAC-SHA256", "AES-CMAC", "AES-GMAC"};

static void say_choices(struct banner_out *o, struct rd r, unsigned n, const char *key,
                        const char *const *names, size_t n_names)
{
        for (unsigned i = 0; i < n && rd_left(&r) >= 2; i++) {
                uint16_t v = rd_le16(&r);
                if (v < n_names && names[v])
                        banner_field_str(o, APP_SMB, key, names[v]);
        }
}

static void say_context(struct banner_out *o, uint16_t type, struct rd r)
{
        unsigned n = rd_le16(&r);
        if (type == CONTEXT_ENCRYPTION)
                say_choices(o, r, n, "encryption", ciphers, ARRAY_LEN(ciphers));
        else if (type == CONTEXT_SIGNING)
                say_choices(o, r, n, "signing_algorithm", signings, ARRAY_LEN(signings));
        if (type == CONTEXT_COMPRESSION) {
                rd_skip(&r, 6);
                say_choices(o, r, n, "compression", compressions, ARRAY_LEN(compressions));
        }
}

static void say_contexts(struct banner_out *o, struct span whole, uint32_t offset, unsigned n)
{
        struct rd r = rd_of(whole);
        rd_skip(&r, offset);
        for (unsigned i = 0; i < MIN(n, CONTEXTS_MAX) && !r.bad; i++) {
                uint16_t type = rd_le16(&r), len = rd_le16(&r);
                rd_skip(&r, 4);
                struct rd body = rd_sub(&r, len);
                if (!body.bad)
                        say_context(o, type, body);
                rd_skip(&r, MIN(rd_left(&r), (size_t)(-len & 7)));
        }
}

static void say_sizes(struct banner_out *o, struct rd *r)
{
        banner_field_u64(o, APP_SMB, "max_transact", rd_le32(r));
        banner_field_u64(o, APP_SMB, "max_read", rd_le32(r));
        banner_field_u64(o, APP_SMB, "max_write", rd_le32(r));
}

static struct span token_of(const struct smb2 *m, struct rd *r)
{
        struct rd whole = rd_of(m->whole);
        rd_skip(&whole, rd_le16(r));
        return rd_take(&whole, rd_le16(r));
}

static enum smb_verdict say_failure(struct banner_turn *t, const struct smb2 *m)
{
        char status[12];
        struct wr w = wr_of(status, sizeof(status));
        if (m->command == SMB2_NEGOTIATE)
                banner_str(t->out, APP_SMB, "SMBv2 ");
        wr_fmt(&w, "0x%08x", m->status);
        banner_field(t->out, APP_SMB, "status", span_of(status, wr_len(&w)));
        return SMB_END;
}

static enum smb_verdict negotiated(struct banner_turn *t, struct smb2 *m, struct wr *reply)
{
        struct banner_out *o = t->out;
        struct rd *r = &m->body;
        banner_out_clear(o); /* the answer to the question by name said the same, but less of it */
        rd_skip(r, 2);
        uint16_t mode = rd_le16(r), dialect = rd_le16(r), contexts = rd_le16(r);
        banner_str(o, APP_SMB, "SMBv2 ");
        banner_field_str(o, APP_SMB, "dialect", dialect_name(dialect));
        smb_say_signing(o, mode & 1, mode & 2);
        smb_say_guid(o, rd_take(r, 16), true);
        smb_say_bits(o, rd_le32(r), capabilities, ARRAY_LEN(capabilities));
        say_sizes(o, r);
        filetime_say(o, APP_SMB, " time=", "system_time", rd_le64(r));
        filetime_say(o, APP_SMB, " boottime=", "boot_time", rd_le64(r));
        banner_str(o, APP_SMB, " ");
        ntlm_mechanisms(o, APP_SMB, token_of(m, r));
        uint32_t offset = rd_le32(r);
        if (r->bad)
                return SMB_END;
        if (dialect == 0x0311)
                say_contexts(o, m->whole, offset, contexts);
        if (dialect == SMB_MULTI_DIALECT)
                smb2_negotiate(reply, t->secret, m->id + 1);
        else
                put_session_setup(reply, dialect, m->id + 1);
        return SMB_GO_ON;
}

static enum smb_verdict set_up(struct banner_turn *t, struct smb2 *m)
{
        if (m->status != STATUS_MORE_PROCESS)
                return say_failure(t, m);
        rd_skip(&m->body, 4);
        ntlm_describe(t->out, APP_SMB, token_of(m, &m->body));
        return SMB_END;
}

enum smb_verdict smb2_message(struct banner_turn *t, struct span message, struct wr *reply)
{
        struct smb2 m = {.whole = message, .body = rd_of(message)};
        struct rd *r = &m.body;
        rd_skip(r, 8);
        m.status = rd_le32(r);
        m.command = rd_le16(r);
        rd_skip(r, 2);
        bool response = rd_u8(r) & FLAGS_RESPONSE; /* or it is our own words that come back */
        rd_skip(r, 7);
        m.id = rd_le64(r);
        rd_skip(r, 32);
        if (r->bad || !response || m.command > SMB2_SESSION_SETUP)
                return SMB_BAD;
        if (m.status == STATUS_PENDING)
                return SMB_SKIP;
        if (m.command == SMB2_SESSION_SETUP)
                return set_up(t, &m);
        return m.status ? say_failure(t, &m) : negotiated(t, &m, reply);
}
