// SPDX-License-Identifier: Apache-2.0
/*
 * profile.h: what a SYN looks like: IP and TCP fields and the option list of each profile, with the settings
 * laid over it. Private to scan. Invariant: options are a multiple of four bytes and at most 40 (RFC 9293
 * §3.1).
 */
#ifndef TRAWL_SCAN_PROFILE_H
#define TRAWL_SCAN_PROFILE_H
#include "scan/scan.h"

struct syn_shape { /* a profile with the overrides applied */
        uint8_t ttl;
        bool df;
        uint16_t window;
        uint8_t options[40];
        uint8_t options_len, tsval; /* tsval: where in options the clock goes; 0: nowhere */
};
void syn_shape_of(struct syn_shape *, const struct scan_conf *, uint8_t family);
#endif
