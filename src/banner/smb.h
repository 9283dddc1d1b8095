// SPDX-License-Identifier: Apache-2.0
/*
 * smb: what the parts of the SMB parser tell each other: smb.c walks the frames, smb1.c and smb2.c read and
 * write the messages of their version. Private to this folder.
 */
#ifndef TRAWL_BANNER_SMB_H
#define TRAWL_BANNER_SMB_H
#include "banner/banner.h"

enum { SMB_MULTI_DIALECT = 0x02ff };
enum smb_verdict {
        SMB_GO_ON, /* reply is filled: the server will say more */
        SMB_SKIP,  /* means nothing */
        SMB_END,   /* all is known */
        SMB_BAD
};
/* A message without its NetBIOS header, of any length and content; reply may have no room. */
enum smb_verdict smb1_message(struct banner_turn *, struct span message, struct wr *reply);
enum smb_verdict smb2_message(struct banner_turn *, struct span message, struct wr *reply);
/* NEGOTIATE: smb1's lists NT LM 0.12 and the names by which SMB 2 is asked for; smb2's 2.0.2 to 3.1.1. */
void smb1_negotiate(struct wr *);
void smb2_negotiate(struct wr *, uint64_t secret, uint64_t message_id);

/* Opens a frame, gives what smb_frame_end() needs to put its length in. */
size_t smb_frame_begin(struct wr *);
void smb_frame_end(struct wr *, size_t begun);
/* What both versions say alike. */
void smb_say_signing(struct banner_out *, bool enabled, bool required);
void smb_say_guid(struct banner_out *, struct span guid, bool in_text);
void smb_say_bits(struct banner_out *, uint32_t bits, const char *const *names, size_t n);
#endif
