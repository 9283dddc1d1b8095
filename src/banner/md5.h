// SPDX-License-Identifier: Apache-2.0
/*
 * md5: RFC 1321, for fingerprints that others publish as MD5 (hassh, JA3S). Nothing here is a secret's guard.
 * Private to this folder.
 */
#ifndef TRAWL_BANNER_MD5_H
#define TRAWL_BANNER_MD5_H
#include "base/base.h"

struct md5 {
        uint32_t state[4];
        uint64_t len;
        uint8_t block[64];
};
void md5_start(struct md5 *);
void md5_add(struct md5 *, struct span);
void md5_finish_hex(struct md5 *, char hex[33]); /* NUL-ended */
#endif
