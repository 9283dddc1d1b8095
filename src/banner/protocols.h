// SPDX-License-Identifier: Apache-2.0
/*
 * protocols: the parsers of this folder, one file each. Private to it: others walk banner_table.
 */
#ifndef TRAWL_BANNER_PROTOCOLS_H
#define TRAWL_BANNER_PROTOCOLS_H
#include "banner/banner.h"

extern const struct banner_ops banner_http, banner_ssh, banner_ftp, banner_smtp, banner_pop3, banner_imap;
extern const struct banner_ops banner_telnet, banner_vnc, banner_xmpp;
extern const struct banner_ops banner_smb, banner_smb2, banner_rdp, banner_memcached, banner_mysql;
extern const struct banner_ops banner_postgres, banner_redis, banner_mongodb, banner_ldap;
extern const struct banner_ops banner_mqtt, banner_mqtt5, banner_amqp, banner_sip, banner_rtsp, banner_x11;
extern const struct banner_ops banner_rmi, banner_dns, banner_minecraft, banner_socks, banner_socks4;
extern const struct banner_ops banner_heartbleed, banner_ticketbleed, banner_poodle;
extern const struct banner_ops banner_sslv3, banner_sslv2;
void http_write_request(struct banner_turn *); /* http_request.c: the whole request, into the reply */
#endif
