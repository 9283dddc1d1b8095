// SPDX-License-Identifier: Apache-2.0
/*
 * json: as much of JSON as banners need: the members of an object and the text of a string, found in the
 * bytes as they came. Nothing is built, nothing recurses. Private to this folder. RFC 8259.
 */
#ifndef TRAWL_BANNER_JSON_H
#define TRAWL_BANNER_JSON_H
#include "base/base.h"

/* Moves over white space and one value of any kind; empty: none is there whole. */
struct span json_value(struct rd *);
/* The value of an object's member; empty: the object has none of this name, or is cut off before it. */
struct span json_member(struct span object, const char *name);
/* The next string anywhere in what is left, without its quotes; *is_key: a colon follows. */
bool json_next_string(struct rd *, struct span *inside, bool *is_key);
/* The text that a string between its quotes stands for, as UTF-8; cut where w is full. */
void json_text(struct wr *, struct span inside);
#endif
