// SPDX-License-Identifier: Apache-2.0
/*
 * rdp: remote desktops. Sends an X.224 connection request that offers TLS and CredSSP, without a user's
 * cookie, and reads what was chosen; when that is TLS, asks for the handshake, so that the certificate is
 * seen; when it is CredSSP, sends NTLM's NEGOTIATE through TLS and reads the challenge. Invariant: no
 * connection is ever confirmed and no credentials exist, so no session is opened.
 *
 *   | TPKT: 3 1 | 0 1 | length 2 | X.224: length 1 | code 1 (E0 request, D0 confirm) | dst 2 | src 2 | class
 * 1 | | negotiation: type 1 (1 request, 2 response, 3 failure) | flags 1 | length 2, low byte first | value
 * 4, same |
 *
 * RFC 1006 §6, MS-RDPBCGR §2.2.1.1, §2.2.1.2, MS-CSSP §2.2.1
 */
#include "banner/ber.h"
#include "banner/little.h"
#include "banner/ntlm.h"
#include "banner/protocols.h"

enum { PHASE_ASKED, PHASE_TLS, PHASE_NLA, PHASE_CHALLENGED };
enum { TPKT_MIN = 11, TPKT_MAX = 1024, CREDSSP_MAX = 16384 };
enum { X224_CONFIRM = 0xd0, X224_DISCONNECT = 0x80, X224_ERROR = 0x70, X224_PARAMETER = 0xc0 };
enum { SECURITY_TLS = 1, SECURITY_NLA = 2, SECURITY_RDSTLS = 4, SECURITY_NLA_EX = 8, SECURITY_AAD = 16 };

static void rdp_hello(struct banner_turn *t)
{
        wr_be32(t->reply, 0x03000013);
        wr_be32(t->reply, 0x0ee00000);
        wr_be32(t->reply, 0x00000001); /* source, class, and the request's type */
        wr_u8(t->reply, 0);
        wr_le16(t->reply, 8);
        wr_le32(t->reply, SECURITY_TLS | SECURITY_NLA);
}

static enum banner_match rdp_match(struct span in, const struct banner_turn *t)
{
        (void)t;
        struct rd r = rd_of(in);
        uint16_t version = rd_be16(&r), n = rd_be16(&r);
        rd_skip(&r, 1);
        uint8_t code = rd_u8(&r);
        if (in.n < 2)
                return !in.n || in.p[0] == 3 ? MATCH_MAYBE : MATCH_NO;
        if (version != 0x0300 || (in.n >= 4 && (n < TPKT_MIN || n > TPKT_MAX)))
                return MATCH_NO;
        if (r.bad)
                return MATCH_MAYBE;
        return code == X224_CONFIRM || code == X224_DISCONNECT || code == X224_ERROR ? MATCH_YES : MATCH_NO;
}

/* ---- the choice ---- */

static void say_flags(struct banner_out *o, uint8_t flags)
{
        static const char *const names[] = {"extended_client_data", "graphics_pipeline", NULL,
                                            "restricted_admin", "remote_guard"};
        for (unsigned i = 0; i < ARRAY_LEN(names); i++)
                if (names[i] && flags >> i & 1)
                        banner_field_str(o, APP_RDP, "capability", names[i]);
}

static enum banner_status say_response(struct banner_turn *t, uint8_t flags, uint32_t chosen)
{
        bool nla = chosen & (SECURITY_NLA | SECURITY_NLA_EX);
        const char *name = nla                        ? "credssp"
                           : chosen & SECURITY_TLS    ? "tls"
                           : chosen & SECURITY_RDSTLS ? "rdstls"
                           : chosen & SECURITY_AAD    ? "aad"
                                                      : "rdp";
        banner_str(t->out, APP_RDP, nla ? " NLA-supported" : " NLA-unused");
        banner_field_str(t->out, APP_RDP, "security", name);
        banner_field_bool(t->out, APP_RDP, "nla", nla);
        banner_field_bool(t->out, APP_RDP, "tls", chosen != 0);
        say_flags(t->out, flags);
        if (!chosen || t->tls)
                return BANNER_DONE;
        t->phase = nla ? PHASE_NLA : PHASE_TLS;
        return BANNER_TLS;
}

static enum banner_status say_failure(struct banner_turn *t, uint32_t code)
{
        static const char *const words[] = {"unknown",
                                            "TLS required by server",
                                            "TLS not allowed by server",
                                            "no certificate on server",
                                            "inconsistent flags",
                                            "CredSSP required by server",
                                            "TLS with client certificate required by server"};
        banner_str(t->out, APP_RDP, code == 5 ? " NLA-unsupported" : " failure");
        banner_field_u64(t->out, APP_RDP, "failure_code", code);
        banner_field_str(t->out, APP_RDP, "failure", words[code < ARRAY_LEN(words) ? code : 0]);
        return BANNER_DONE;
}

static enum banner_status say_confirm(struct banner_turn *t, struct rd r)
{
        rd_skip(&r, 5);
        if (!rd_left(&r)) { /* servers from before the negotiation */
                banner_str(t->out, APP_RDP, " NLA-unused");
                banner_field_str(t->out, APP_RDP, "security", "rdp");
                return BANNER_DONE;
        }
        uint8_t type = rd_u8(&r), flags = rd_u8(&r);
        if (type >= X224_PARAMETER) /* a controller or another OSI service, ISO 8073 §13.4 */
                return BANNER_REJECT;
        rd_skip(&r, 2);
        uint32_t value = rd_le32(&r);
        if (type == 2 && !r.bad)
                return say_response(t, flags, value);
        if (type == 3 && !r.bad)
                return say_failure(t, value);
        banner_str(t->out, APP_RDP, " unknown");
        return BANNER_DONE;
}

/* ---- CredSSP, inside of TLS ---- */

/* TSRequest { [0] version, [1] { { [0] token } } } */
static enum banner_status ask_challenge(struct banner_turn *t)
{
        static const uint8_t version[] = {0xa0, 3, BER_INT, 1, 6};
        size_t whole = wr_len(t->reply);
        wr_bytes(t->reply, version, sizeof(version));
        size_t token = wr_len(t->reply);
        ntlm_negotiate(t->reply);
        ber_wrap(t->reply, BER_OCTETS, token);
        ber_wrap(t->reply, 0xa0, token);
        ber_wrap(t->reply, BER_SEQ, token);
        ber_wrap(t->reply, BER_SEQ, token);
        ber_wrap(t->reply, 0xa1, token);
        ber_wrap(t->reply, BER_SEQ, whole);
        t->phase = PHASE_CHALLENGED;
        return BANNER_NEXT;
}

static enum banner_status read_challenge(struct banner_turn *t)
{
        size_t n = 0;
        enum banner_match whole = ber_whole(t->in, CREDSSP_MAX, &n);
        if (whole == MATCH_MAYBE && !t->eof)
                return BANNER_MORE;
        ntlm_describe(t->out, APP_RDP, span_cut(t->in, 0, whole == MATCH_YES ? n : t->in.n));
        return BANNER_DONE;
}

static enum banner_status rdp_parse(struct banner_turn *t)
{
        if (t->phase == PHASE_TLS)
                return BANNER_DONE;
        if (t->phase == PHASE_NLA)
                return t->eof ? BANNER_DONE : ask_challenge(t);
        if (t->phase == PHASE_CHALLENGED)
                return read_challenge(t);
        struct rd r = rd_of(t->in);
        uint16_t version = rd_be16(&r), n = rd_be16(&r);
        if (r.bad)
                return t->eof ? BANNER_REJECT : BANNER_MORE;
        if (version != 0x0300 || n < TPKT_MIN || n > TPKT_MAX)
                return BANNER_REJECT;
        struct rd packet = rd_sub(&r, n - 4u);
        if (r.bad && !t->eof)
                return BANNER_MORE;
        if (r.bad)
                return BANNER_REJECT;
        rd_skip(&packet, 1);
        t->used = n;
        if (rd_u8(&packet) == X224_CONFIRM)
                return say_confirm(t, packet);
        banner_str(t->out, APP_RDP, " COTPPDU=unknown");
        return BANNER_DONE;
}

const struct banner_ops banner_rdp = {
        .name = "rdp",
        .summary = "remote desktop: security protocol, certificate, names and versions from CredSSP",
        .app = APP_RDP,
        .ports = (const uint16_t[]){3389, 3388, 0},
        .match = rdp_match,
        .hello = rdp_hello,
        .parse = rdp_parse,
};
