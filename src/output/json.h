// SPDX-License-Identifier: Apache-2.0
/*
 * json: what the two JSON writers share. Invariant: strings hold plain ASCII and \u00HH escapes only.
 * Reference: RFC 8259 §7.
 */
#ifndef TRAWL_OUTPUT_JSON_H
#define TRAWL_OUTPUT_JSON_H
#include "format.h"

/* Object of a banner's fields. json.c */
void json_fields(struct out_buf *, struct span fields);
void json_names(struct out_buf *, const struct record *); /* ["a","b"] */
#endif
