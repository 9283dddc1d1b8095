// SPDX-License-Identifier: Apache-2.0
/*
 * json: what the two JSON writers share. Invariant: strings hold plain ASCII and \u00HH escapes only.
 * Reference: RFC 8259 §7.
 */
#ifndef TRAWL_OUTPUT_JSON_H
#define TRAWL_OUTPUT_JSON_H
#include "format.h"

void json_names(struct out_buf *, const struct record *); /* ["a","b"] */
/* Did somebody else than the target itself speak? */
static inline bool json_tells_reporter(const struct record *r)
{
        return r->reporter.family && !ip_eq(&r->reporter, &r->who.ip);
}
#endif
