// SPDX-License-Identifier: Apache-2.0
/*
 * mysql: the greeting of MySQL, MariaDB and their kin (versions 9 and 10 of the protocol), the error that
 * stands in its place when our address is not welcome, and the hello of the X protocol. The server speaks
 * first. Where it can do TLS, an SSLRequest is sent, which names nobody, so that the certificate is seen.
 * Invariant: no user name is ever sent.
 *
 *   | length 3, low byte first | number 1 | 10 | version … 0 | connection 4 | scramble 8 | 0 | capabilities 2
 * | | charset 1 | status 2 | capabilities 2 | scramble length 1 | reserved 10 | scramble >= 13 | plug-in … 0
 * | error: | length 3 | 0 | FF | code 2 | optional '#' and SQL state 5 | message | X: | length 4, low byte
 * first | 0B (notice) | 08 05 … (server hello) |
 *
 * MySQL's "Protocol::HandshakeV10", "Protocol::SSLRequest", "ERR_Packet"; MariaDB's "Connection"
 */
#include "banner/little.h"
#include "banner/pieces.h"
#include "banner/protocols.h"

enum { PACKET_MIN = 9, PACKET_MAX = 2048 };
enum { CAP_SSL = 0x800, CAP_PROTOCOL_41 = 0x200, CAP_SECURE = 0x8000, CAP_PLUGIN_AUTH = 0x80000 };

static const char *const capabilities[32] = {
        [3] = "connect_with_db",
        [5] = "compress",
        [7] = "local_files",
        [9] = "protocol_41",
        [11] = "ssl",
        [13] = "transactions",
        [15] = "secure_connection",
        [16] = "multi_statements",
        [17] = "multi_results",
        [19] = "plugin_auth",
        [20] = "connect_attributes",
        [22] = "expired_passwords",
        [23] = "session_track",
        [24] = "deprecate_eof",
        [26] = "zstd_compression",
        [27] = "query_attributes",
        [28] = "multi_factor",
};

static enum banner_match x_match(struct span in)
{
        static const uint8_t hello[] = {5, 0, 0, 0, 0x0b, 8, 5};
        for (size_t i = 0; i < sizeof(hello); i++)
                if (i == in.n || in.p[i] != hello[i])
                        return i == in.n ? MATCH_MAYBE : MATCH_NO;
        return MATCH_YES;
}

static enum banner_match mysql_match(struct span in, const struct banner_turn *t)
{
        (void)t;
        struct rd r = rd_of(in);
        uint32_t n = rd_le32(&r);
        uint8_t kind = rd_u8(&r), next = rd_u8(&r), high = rd_u8(&r);
        enum banner_match x = x_match(in);
        if (x != MATCH_NO)
                return x;
        for (size_t i = 2; i < MIN(in.n, (size_t)4); i++)
                if (in.p[i])
                        return MATCH_NO;
        if (in.n < 5)
                return in.n < 4 || (n >= PACKET_MIN && n <= PACKET_MAX) ? MATCH_MAYBE : MATCH_NO;
        if (n < PACKET_MIN || n > PACKET_MAX || (kind != 9 && kind != 10 && kind != 0xff))
                return MATCH_NO;
        if (in.n < 7)
                return MATCH_MAYBE;
        if (kind == 0xff) /* codes from 1000 on */
                return high >= 3 && high <= 0x4f ? MATCH_YES : MATCH_NO;
        return next >= '0' && next <= '9' ? MATCH_YES : MATCH_NO;
}

static const char *product(struct span text)
{
        static const char *const names[] = {"MariaDB", "TiDB",      "Vitess",    "Percona",
                                            "Doris",   "OceanBase", "StarRocks", "SingleStore"};
        for (unsigned i = 0; i < ARRAY_LEN(names); i++)
                if (span_find(text, names[i], NULL))
                        return names[i];
        return "MySQL";
}

static enum banner_status say_error(struct banner_turn *t, struct rd r)
{
        struct span state = {0}, text;
        uint16_t code = rd_le16(&r);
        text = span_of(r.p, rd_left(&r));
        if (span_starts(text, "#") && text.n >= 6) {
                state = span_cut(text, 1, 5);
                text = span_cut(text, 6, text.n);
        }
        banner_fmt(t->out, APP_MYSQL, "%u ", code);
        banner_text(t->out, APP_MYSQL, text);
        banner_field_str(t->out, APP_MYSQL, "product", product(text));
        banner_field_u64(t->out, APP_MYSQL, "error_code", code);
        if (state.n)
                banner_field(t->out, APP_MYSQL, "sql_state", state);
        banner_field(t->out, APP_MYSQL, "error_message", text);
        return BANNER_DONE;
}

static void say_version(struct banner_out *o, uint8_t protocol, struct span version)
{
        const char *name = product(version);
        /* MariaDB puts this before its own number, for clients that take the first digit seriously */
        if (span_starts(version, "5.5.5-"))
                version = span_cut(version, 6, version.n);
        banner_text(o, APP_MYSQL, version);
        banner_field_u64(o, APP_MYSQL, "protocol", protocol);
        banner_field_str(o, APP_MYSQL, "product", name);
        banner_field(o, APP_MYSQL, "version", version);
}

/* 16 MiB packets, utf8mb3; then, in place of a user name, the TLS handshake. */
static void put_ssl_request(struct wr *w)
{
        wr_le32(w, 0x01000020);
        wr_le32(w, CAP_SSL | CAP_PROTOCOL_41 | CAP_SECURE | CAP_PLUGIN_AUTH);
        wr_le32(w, 0x01000000);
        wr_u8(w, 33);
        for (unsigned i = 0; i < 23; i++)
                wr_u8(w, 0);
}

static void say_plugin(struct banner_out *o, struct rd *r, uint8_t scramble)
{
        rd_skip(r, 10);
        rd_skip(r, MAX(13, scramble - 8));
        struct span name = rd_until_nul(r);
        if (!name.n)
                return;
        banner_str(o, APP_MYSQL, ", auth=");
        banner_text(o, APP_MYSQL, name);
        banner_field(o, APP_MYSQL, "auth_plugin", name);
}

static enum banner_status say_greeting(struct banner_turn *t, uint8_t protocol, struct rd r)
{
        struct banner_out *o = t->out;
        say_version(o, protocol, rd_until_nul(&r));
        rd_skip(&r, 4 + 8 + 1);
        uint32_t caps = rd_le16(&r);
        if (protocol == 9 || r.bad)
                return BANNER_DONE;
        uint8_t charset = rd_u8(&r);
        uint16_t status = rd_le16(&r);
        caps |= (uint32_t)rd_le16(&r) << 16;
        uint8_t scramble = rd_u8(&r);
        if (!r.bad) {
                banner_field_u64(o, APP_MYSQL, "charset", charset);
                banner_field_u64(o, APP_MYSQL, "status", status);
        }
        banner_field_bool(o, APP_MYSQL, "ssl", caps & CAP_SSL);
        for (unsigned i = 0; i < ARRAY_LEN(capabilities); i++)
                if (capabilities[i] && caps >> i & 1)
                        banner_field_str(o, APP_MYSQL, "capability", capabilities[i]);
        if (caps & CAP_PLUGIN_AUTH)
                say_plugin(o, &r, scramble);
        if (!(caps & CAP_SSL) || t->tls || t->eof)
                return BANNER_DONE;
        put_ssl_request(t->reply);
        t->phase = 1;
        return BANNER_TLS;
}

static enum banner_status say_x(struct banner_turn *t)
{
        banner_str(t->out, APP_MYSQL, "X protocol");
        banner_field_str(t->out, APP_MYSQL, "protocol", "x");
        banner_field_str(t->out, APP_MYSQL, "product", "MySQL");
        return BANNER_DONE;
}

static enum banner_status mysql_parse(struct banner_turn *t)
{
        if (t->phase) /* through TLS the server waits for a user name, and waits in vain */
                return BANNER_DONE;
        struct rd r = rd_of(t->in);
        enum banner_match m = mysql_match(t->in, t);
        if (m == MATCH_NO || (m == MATCH_MAYBE && t->eof))
                return BANNER_REJECT;
        if (m == MATCH_MAYBE)
                return BANNER_MORE;
        if (x_match(t->in) == MATCH_YES)
                return say_x(t);
        size_t n = rd_le32(&r) & 0xffffff;
        if (rd_left(&r) < n && !t->eof)
                return BANNER_MORE;
        t->used = MIN(4 + n, t->in.n);
        struct rd packet = rd_sub(&r, MIN(n, rd_left(&r)));
        uint8_t kind = rd_u8(&packet);
        return kind == 0xff ? say_error(t, packet) : say_greeting(t, kind, packet);
}

const struct banner_ops banner_mysql = {
        .name = "mysql",
        .summary = "MySQL and MariaDB: version, authentication, capabilities, certificate",
        .app = APP_MYSQL,
        .ports = (const uint16_t[]){3306, 3307, 33060, 4000, 0},
        .speaks_first = true,
        .match = mysql_match,
        .parse = mysql_parse,
};
