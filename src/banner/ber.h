// SPDX-License-Identifier: Apache-2.0
/*
 * ber: tags, lengths and values of ASN.1's basic encoding, as far as LDAP, SPNEGO and CredSSP need it.
 * Private to this folder.
 */
#ifndef TRAWL_BANNER_BER_H
#define TRAWL_BANNER_BER_H
#include "banner/banner.h"

enum {
        BER_BOOL = 0x01,
        BER_INT = 0x02,
        BER_OCTETS = 0x04,
        BER_OID = 0x06,
        BER_ENUM = 0x0a,
        BER_SEQ = 0x30,
        BER_SET = 0x31
};
struct ber {
        uint8_t tag;
        struct rd body;
};
bool ber_next(struct rd *, struct ber *); /* false: nothing is left, or it is malformed (the reader is bad) */
bool ber_into(struct rd *, uint8_t tag, struct rd *body); /* the next one must have this tag */
uint64_t ber_number(struct rd body);                      /* INTEGER, ENUMERATED, not negative; else 0 */
struct span ber_bytes(const struct ber *);
/* Is a whole element there? MAYBE: not yet; NO: this is no BER, or longer than max. n: its bytes. */
enum banner_match ber_whole(struct span in, size_t max, size_t *n);
/* Tag and length of a value of n bytes (below 65,536), in the shortest form. */
void ber_put(struct wr *, uint8_t tag, size_t n);
/* The same before a value that is already written behind `from`: moves it to make room. */
void ber_wrap(struct wr *, uint8_t tag, size_t from);
#endif
