// SPDX-License-Identifier: Apache-2.0
/*
 * http_body: where a body ends and what it says once chunks and compression are off. Private to this folder.
 */
#ifndef TRAWL_BANNER_HTTP_BODY_H
#define TRAWL_BANNER_HTTP_BODY_H
#include "banner/banner.h"

enum http_coding { CODING_NONE, CODING_ZLIB /* gzip, deflate */, CODING_OTHER };
struct http_framing { /* RFC 9112 §6.3 */
        bool chunked, has_length;
        uint64_t length;
        enum http_coding coding;
};
struct http_body {
        struct span
                bytes; /* at most BANNER_IN_MAX; of the raw bytes or of this thread: until the next call */
        bool complete; /* there will be no more of it */
};
/* `final`: nothing more will come. What is compressed is opened only when it is complete or final. */
void http_body_open(struct http_body *, const struct http_framing *, struct span raw, bool final);

/* ---- html.c ---- */
enum { HTML_TITLE_MAX = 2048 };
/* What stands between <title> and </title>, outside of comments and scripts, as it was sent. `final`: a title
 * that does not end is taken as far as it goes. */
bool html_title(struct span html, bool final, struct span *title);
/* As UTF-8, entities decoded. The charset is content_type's, the document's, or guessed: UTF-8 where it is
 * valid, else windows-1252. */
void html_text(struct wr *, struct span text, struct span content_type, struct span html);
#endif
