// SPDX-License-Identifier: Apache-2.0
/*
 * xml: what the two XML dialects share. Invariant: attribute values hold no character that XML gives a
 * meaning. Reference: XML 1.0, fifth edition.
 */
#ifndef TRAWL_OUTPUT_XML_H
#define TRAWL_OUTPUT_XML_H
#include "format.h"

void xml_address(struct out_buf *, const struct record *); /* <address …/>, with the MAC as a second one */
void xml_hostname(struct out_buf *, const char *name);
void xml_stylesheet(struct out_buf *, const struct out_conf *, const char *newline);
void xml_reporter(struct out_buf *, const struct record *); /* reason_ip="…" where another host spoke */
uint64_t xml_count(struct span, const char *needle);
/* After the last </host>; without one after the header, which ends with the line that has `head_mark`. */
int64_t xml_body_end(struct span file, const char *root, const char *head_mark, bool *empty);
#endif
