// SPDX-License-Identifier: Apache-2.0
/*
 * words: what FTP, SMTP, POP3, IMAP and SSH have in common: lines, words in them, greetings that name a
 * product, and replies with a code. Private to this folder.
 */
#ifndef TRAWL_BANNER_WORDS_H
#define TRAWL_BANNER_WORDS_H
#include "banner/banner.h"

/* The next word between any of `between`; false: none is left. */
bool words_next(struct span *rest, const char *between, struct span *word);
/* Text without CR, as masscan's texts have it. */
void words_text(struct banner_out *, uint16_t app, struct span);
/* The field, unless it is empty. */
void words_field(struct banner_out *, uint16_t app, const char *key, struct span);
struct words_product { /* what stands in a greeting, and what it means */
        const char *sign, *product;
};
/* Fields product and version: the first of the list that is in the text, and a number with a dot behind it.
 */
void words_product(struct banner_out *, uint16_t app, struct span text, const struct words_product *,
                   size_t n);
/* banner_reply_lines(), but at eof whatever came is the reply. */
enum banner_match words_reply(const struct banner_turn *, unsigned *code, struct span *whole);
/* Is this the greeting of a mail server, or of an FTP server? Both begin with 220: the words decide, then the
 * port. RFC 959 §5.4, RFC 5321 §4.2.4 */
enum banner_match words_greeting(struct span in, const struct banner_turn *, bool mail);
/* The end of a conversation, with a goodbye if anybody may still read it. */
enum banner_status words_goodbye(struct banner_turn *, const char *goodbye);
#endif
