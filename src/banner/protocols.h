// SPDX-License-Identifier: Apache-2.0
/*
 * protocols: the parsers of this folder, one file each, as the rows of result/kinds.h name them. Private to
 * it: others walk banner_table.
 */
#ifndef TRAWL_BANNER_PROTOCOLS_H
#define TRAWL_BANNER_PROTOCOLS_H
#include "banner/banner.h"

#define BANNER_DECLARED(number, name, word, parser) extern const struct banner_ops banner_##parser;
#define BANNER_DECLARED_TOO(name, parser)           extern const struct banner_ops banner_##parser;
RESULT_KINDS(RESULT_NOTHING, BANNER_DECLARED, BANNER_DECLARED_TOO)

void http_write_request(struct banner_turn *); /* http_request.c: the whole request, into the reply */
#endif
