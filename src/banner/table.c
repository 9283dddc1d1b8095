// SPDX-License-Identifier: Apache-2.0
/*
 * table: every banner protocol, one row each, in the order in which they are asked whether the first bytes
 * are theirs: those with long signatures first. Walked by the detection below, by --hello, the help, the
 * tests over samples, and the fuzzers.
 */
#include "banner/protocols.h"

/* One row a line, so that a new protocol is one line of a diff. */
/* clang-format off */
const struct banner_ops *const banner_table[] = {
        &banner_ssh,
        &banner_http,
        &banner_vnc,
        &banner_imap,
        &banner_pop3,
        &banner_smtp,
        &banner_ftp,
        &banner_xmpp,
        &banner_smb,
        &banner_smb2,
        &banner_ldap,
        &banner_mysql,
        &banner_mongodb,
        &banner_rdp,
        &banner_redis,
        &banner_memcached,
        &banner_postgres,
        &banner_sip,
        &banner_rtsp,
        &banner_amqp,
        &banner_mqtt,
        &banner_mqtt5,
        &banner_x11,
        &banner_rmi,
        &banner_dns,
        &banner_minecraft,
        &banner_socks,
        &banner_socks4,
        &banner_telnet,
        &banner_heartbleed,
        &banner_ticketbleed,
        &banner_poodle,
        &banner_sslv3,
        &banner_sslv2,
        NULL,
};
/* clang-format on */

const struct banner_ops *banner_by_name(const char *name)
{
        for (unsigned i = 0; banner_table[i]; i++)
                if (strcmp(banner_table[i]->name, name) == 0)
                        return banner_table[i];
        return NULL;
}

bool banner_has_port(const struct banner_ops *b, uint16_t port)
{
        for (const uint16_t *p = b->ports; p && *p; p++)
                if (*p == port)
                        return true;
        return false;
}

const struct banner_ops *banner_detect(const struct banner_turn *t, const struct banner_ops *sent, bool *wait)
{
        *wait = false;
        if (sent && (!sent->match || sent->match(t->in, t) == MATCH_YES))
                return sent;
        for (unsigned i = 0; banner_table[i]; i++) {
                const struct banner_ops *b = banner_table[i];
                enum banner_match m = b->match && !b->check ? b->match(t->in, t) : MATCH_NO;
                if (m == MATCH_YES)
                        return b;
                *wait |= m == MATCH_MAYBE;
        }
        *wait &= !t->eof;
        return NULL;
}
