// SPDX-License-Identifier: Apache-2.0
/*
 * message: a status line and headers, as SIP and RTSP have them, taken apart into fields. Private to this
 * folder. RFC 3261 §7, RFC 2326 §4.
 */
#ifndef TRAWL_BANNER_MESSAGE_H
#define TRAWL_BANNER_MESSAGE_H
#include "banner/banner.h"

struct message_header {
        const char *name, *key; /* "Server", "server": the key of its field */
        bool list;              /* commas part it into several fields of the same key */
        bool show;              /* part of the text as well */
};
/* Up to the empty line. At eof whole lines are enough. MATCH_NO: it does not begin with `version`. */
enum banner_match message_head(const struct banner_turn *, const char *version, struct span *head);
/* The number of the status line; 0: there is none. */
unsigned message_status(struct span head);
/* Text: the status line, and of `want` what is to be shown, a line each; fields: status, reason, `want`. */
void message_describe(struct banner_turn *, uint16_t app, struct span head, const struct message_header *want,
                      size_t n);
#endif
