// SPDX-License-Identifier: Apache-2.0
/*
 * ntlm: the first two of NTLM's three messages, with the wrapping and the data types that SMB and RDP share.
 * The third, which would log somebody in, is not here and will not be. Private to this folder.
 */
#ifndef TRAWL_BANNER_NTLM_H
#define TRAWL_BANNER_NTLM_H
#include "banner/banner.h"

enum { NTLM_TEXT_MAX = 1024 };
void ntlm_negotiate(struct wr *);        /* NEGOTIATE_MESSAGE, 40 bytes */
void ntlm_negotiate_spnego(struct wr *); /* the same inside of a SPNEGO NegTokenInit */
/* The challenge in a server's token, whether wrapped or not: text and fields. False: there is none. */
bool ntlm_describe(struct banner_out *, uint16_t app, struct span token);
/* The mechanisms that a NegTokenInit lists, one field "auth" each. RFC 4178 §4.2.1 */
void ntlm_mechanisms(struct banner_out *, uint16_t app, struct span token);

/* UTF-16LE -> UTF-8; what has no room is cut off, half a pair is U+FFFD. */
void utf16_put(struct wr *, struct span utf16);
/* The text up to a NUL of two bytes, moved over; all that is left when there is none. */
struct span utf16_until_nul(struct rd *);
void utf16_field(struct banner_out *, uint16_t app, const char *key, struct span utf16);
void utf16_text(struct banner_out *, uint16_t app, const char *before, struct span utf16);

/* 100 ns since 1601 -> "2024-05-01 12:34:56" in UTC; 0 (unknown) or absurd: false. MS-DTYP §2.3.3 */
enum { FILETIME_TEXT = 24 };
bool filetime_text(uint64_t filetime, char out[FILETIME_TEXT]);
/* Text: " NAME=2024-05-01 12:34:56"; field: ISO 8601. Nothing for an unknown time. */
void filetime_say(struct banner_out *, uint16_t app, const char *before, const char *key, uint64_t filetime);
#endif
