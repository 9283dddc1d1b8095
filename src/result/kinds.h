// SPDX-License-Identifier: Apache-2.0
/*
 * kinds: every kind of banner and every parser, one row each: the only list of them. result.h makes the
 * numbers of it, record.c the words, banner/ the declarations and the table of parsers: a new protocol is one
 * row here. Private to this folder; others have RESULT_KINDS through result.h. Invariant: numbers are stored
 * in scan files, so a row's number and word never change, and no row goes: a parser that is given up leaves
 * its KIND. Those below 256 are masscan's; the next one is the highest plus 1.
 *
 *   KIND(number, NAME, "word")              a kind that no parser is named after: APP_NAME
 *   PROTOCOL(number, NAME, "word", parser)  a kind and its parser: APP_NAME, banner_parser
 *   ALSO(NAME, parser)                      one more parser that tells this kind
 *
 * The word is what outputs print. Parsers are asked in the order of their rows whether the first bytes are
 * theirs: those with long signatures first.
 */
#ifndef TRAWL_RESULT_KINDS_H
#define TRAWL_RESULT_KINDS_H

/* One row a line, so that a new protocol is one line of a diff. */
/* clang-format off */
#define RESULT_KINDS(KIND, PROTOCOL, ALSO) \
        KIND(0, NONE, "unknown") \
        KIND(1, UNKNOWN, "unknown") \
        KIND(2, SSH_1, "ssh") \
        KIND(7, SNMP, "snmp") \
        KIND(8, NBTSTAT, "nbtstat") \
        KIND(9, SSL, "ssl") \
        KIND(14, ZEROACCESS, "zeroaccess") \
        KIND(15, X509, "X509") \
        KIND(16, X509CA, "X509CA") \
        KIND(17, TITLE, "title") \
        KIND(18, HTML, "html") \
        KIND(19, NTP, "ntp") \
        KIND(20, VULN, "vuln") \
        KIND(21, HEARTBLEED, "heartbleed") \
        KIND(22, TICKETBLEED, "ticketbleed") \
        KIND(23, VNC_OLD, "vnc") \
        KIND(24, SAFE, "safe") \
        KIND(26, SCRIPTING, "scripting") \
        KIND(27, VERSIONING, "versioning") \
        KIND(28, COAP, "coap") \
        KIND(31, HTTP_SERVER, "http.server") \
        KIND(34, VNC_INFO, "vnc-info") \
        KIND(35, ISAKMP, "isakmp") \
        KIND(36, ERROR, "error") \
        KIND(269, REMARK, "remark") /* our own words about odd ends: "closes at once", "says nothing" */ \
        KIND(270, CAPTURE, "capture") /* --capture raw: the bytes of the conversation, base64 */ \
        PROTOCOL(3, SSH, "ssh", ssh) \
        PROTOCOL(4, HTTP, "http", http) \
        PROTOCOL(33, VNC, "vnc", vnc) \
        PROTOCOL(13, IMAP, "imap", imap) \
        PROTOCOL(12, POP3, "pop", pop3) \
        PROTOCOL(11, SMTP, "smtp", smtp) \
        PROTOCOL(5, FTP, "ftp", ftp) \
        PROTOCOL(268, XMPP, "xmpp", xmpp) \
        PROTOCOL(10, SMB, "smb", smb) \
        ALSO(SMB, smb2) \
        PROTOCOL(260, LDAP, "ldap", ldap) \
        PROTOCOL(256, MYSQL, "mysql", mysql) \
        PROTOCOL(259, MONGODB, "mongodb", mongodb) \
        PROTOCOL(30, RDP, "rdp", rdp) \
        PROTOCOL(258, REDIS, "redis", redis) \
        PROTOCOL(25, MEMCACHED, "memcached", memcached) \
        PROTOCOL(257, POSTGRES, "postgres", postgres) \
        PROTOCOL(263, SIP, "sip", sip) \
        PROTOCOL(264, RTSP, "rtsp", rtsp) \
        PROTOCOL(262, AMQP, "amqp", amqp) \
        PROTOCOL(261, MQTT, "mqtt", mqtt) \
        ALSO(MQTT, mqtt5) \
        PROTOCOL(265, X11, "x11", x11) \
        PROTOCOL(266, RMI, "rmi", rmi) \
        PROTOCOL(6, DNS, "dns-ver", dns) \
        PROTOCOL(32, MINECRAFT, "minecraft", minecraft) \
        PROTOCOL(267, SOCKS, "socks", socks) \
        ALSO(SOCKS, socks4) \
        PROTOCOL(29, TELNET, "telnet", telnet) \
        ALSO(VULN, heartbleed) \
        ALSO(VULN, ticketbleed) \
        ALSO(VULN, poodle) \
        ALSO(SSL, sslv3) \
        ALSO(SSL, sslv2) \
        PROTOCOL(271, NNTP, "nntp", nntp) \
        /* new rows go above this line */
/* clang-format on */
#endif
