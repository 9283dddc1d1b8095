// SPDX-License-Identifier: Apache-2.0
/*
 * ftp: the greeting, the list of features, and whether the server goes over to TLS. Text: the greeting and
 * the answer to AUTH TLS, lines joined by LF, the last without one. Invariant: nobody logs in: FEAT, AUTH and
 * QUIT are all that is ever said.
 *
 *   S: 220 …    C: FEAT    S: 211-… 211 End    C: AUTH TLS    S: 234 …    (TLS)   or 5xx
 *
 * RFC 959 §4.2, RFC 2389 §3, RFC 4217 §4
 */
#include "banner/protocols.h"
#include "banner/words.h"

enum { GREETING, FEATURES, AUTH, SECURED };

static const struct words_product products[] = {
        {"vsFTPd", "vsftpd"},
        {"ProFTPD", "ProFTPD"},
        {"Pure-FTPd", "Pure-FTPd"},
        {"FileZilla Server", "FileZilla Server"},
        {"Microsoft FTP Service", "Microsoft FTP Service"},
        {"Serv-U", "Serv-U"},
        {"WU-FTPD", "WU-FTPD"},
        {"bftpd", "bftpd"},
        {"Gene6 FTP Server", "Gene6 FTP Server"},
        {"Xlight", "Xlight FTP Server"},
        {"CrushFTP", "CrushFTP"},
        {"Wing FTP Server", "Wing FTP Server"},
        {"pyftpdlib", "pyftpdlib"},
        {"NcFTPd", "NcFTPd"},
        {"glFTPd", "glFTPd"},
        {"MikroTik FTP server (MikroTik", "MikroTik FTP server"},
        {"VMware Authentication Daemon Version", "VMware Authentication Daemon"},
        {"Dreambox", "Dreambox FTP service"},
        {"FRITZ!Box", "FRITZ!Box FTP server"},
        {"Synology", "Synology FTP server"},
        {"QNAP", "QNAP FTP server"},
        {"HP JetDirect", "HP JetDirect FTP server"},
};

static enum banner_match ftp_match(struct span in, const struct banner_turn *t)
{
        return words_greeting(in, t, false);
}

static enum banner_status greeting(struct banner_turn *t, unsigned code, struct span whole)
{
        words_text(t->out, APP_FTP, span_trim(whole));
        banner_field_u64(t->out, APP_FTP, "code", code);
        words_product(t->out, APP_FTP, whole, products, ARRAY_LEN(products));
        if (code != 220 || t->eof)
                return words_goodbye(t, "QUIT\r\n");
        wr_str(t->reply, "FEAT\r\n");
        t->phase = FEATURES;
        return BANNER_NEXT;
}

/* Features stand on lines that begin with a blank, RFC 2389 §3.2. */
static enum banner_status features(struct banner_turn *t, unsigned code, struct span whole)
{
        struct rd r = rd_of(whole);
        struct span line;
        while (code == 211 && rd_line(&r, &line))
                if (span_starts(line, " "))
                        words_field(t->out, APP_FTP, "features", span_trim(line));
        if (t->tls || t->eof)
                return words_goodbye(t, "QUIT\r\n");
        wr_str(t->reply, "AUTH TLS\r\n");
        t->phase = AUTH;
        return BANNER_NEXT;
}

static enum banner_status auth(struct banner_turn *t, unsigned code, struct span whole)
{
        banner_str(t->out, APP_FTP, "\n");
        words_text(t->out, APP_FTP, span_trim(whole));
        banner_field_bool(t->out, APP_FTP, "auth_tls", code == 234);
        if (code != 234 || t->eof)
                return words_goodbye(t, "QUIT\r\n");
        t->phase = SECURED;
        return BANNER_TLS;
}

static enum banner_status ftp_parse(struct banner_turn *t)
{
        struct span whole = t->in;
        unsigned code = 0;
        if (t->phase == SECURED)
                return words_goodbye(t, "QUIT\r\n");
        enum banner_match m = words_reply(t, &code, &whole);
        if (m == MATCH_MAYBE)
                return BANNER_MORE;
        if (m == MATCH_NO)
                return t->phase == GREETING ? BANNER_REJECT : BANNER_DONE;
        t->used = whole.n;
        if (t->phase == GREETING)
                return greeting(t, code, whole);
        return t->phase == FEATURES ? features(t, code, whole) : auth(t, code, whole);
}

static const uint16_t ports[] = {21, 990, 2121, 0};
const struct banner_ops banner_ftp = {
        .name = "ftp",
        .summary = "FTP: greeting, features, TLS",
        .app = APP_FTP,
        .ports = ports,
        .speaks_first = true,
        .match = ftp_match,
        .parse = ftp_parse,
};
