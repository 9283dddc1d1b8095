// SPDX-License-Identifier: Apache-2.0
/*
 * banner: one protocol parser per file, pure functions over bytes. A parser sees what a server said, may
 * answer, and writes down what it learnt. It has no socket, no memory of its own but one number, no clock, no
 * configuration but the HTTP request's, and touches bytes by the sticky reader (base/bytes.h) and the helpers
 * of text.c alone. Which parser a service gets is decided by what it says, not by its port; session/ owns the
 * order of hellos and reconnects.
 */
#ifndef TRAWL_BANNER_H
#define TRAWL_BANNER_H
#include "result/result.h"

/* ---- what was learnt: banners, each of one kind (enum result_app), text and fields ----
 * Masscan's consumers read the text; structured fields go beside it. Everything is bounded; what has no room
 * is left out and `cut` is set. */
enum {
        BANNER_PARTS = 8,
        BANNER_TEXT_MAX = 65536,
        BANNER_FIELDS_MAX = 16384,
        BANNER_REPLY_MAX = 4096,
        BANNER_IN_MAX = 65536
};
struct banner_part {
        uint16_t app;
        struct wr text, fields;
};
struct banner_out {                                  /* big: one per thread, emptied for each turn */
        struct banner_part part[BANNER_PARTS], none; /* none: has no room, for what is one too many */
        unsigned n;
        bool cut;
        uint8_t *room; /* BANNER_PARTS × (text + fields) bytes */
};
int banner_out_init(struct banner_out *, struct err *);
void banner_out_free(struct banner_out *);
void banner_out_clear(struct banner_out *);
/* The part of this kind, made when it is the first of it. Never NULL: past BANNER_PARTS it is one without
 * room. */
struct banner_part *banner_part(struct banner_out *, uint16_t app);
void banner_text(struct banner_out *, uint16_t app, struct span);
void banner_str(struct banner_out *, uint16_t app, const char *);
void banner_fmt(struct banner_out *, uint16_t app, const char *fmt, ...) PRINTF_LIKE(3, 4);
void banner_field(struct banner_out *, uint16_t app, const char *key, struct span);
void banner_field_str(struct banner_out *, uint16_t app, const char *key, const char *);
void banner_field_u64(struct banner_out *, uint16_t app, const char *key, uint64_t);
void banner_field_bool(struct banner_out *, uint16_t app, const char *key, bool);

/* ---- one turn of a conversation ---- */
enum banner_status {
        BANNER_MORE,  /* cannot tell yet; out and reply are thrown away, the same bytes come again with more
                         behind */
        BANNER_NEXT,  /* out is kept, reply (if any) is sent, phase counts; `used` bytes are done with */
        BANNER_DONE,  /* out is kept, reply is sent, the conversation is over */
        BANNER_TLS,   /* as NEXT; the server has agreed to start TLS (STARTTLS): a handshake follows */
        BANNER_REJECT /* not this protocol after all: out is thrown away, others may look */
};
struct banner_conf {              /* what may shape a hello */
        struct span http_request; /* the whole request, made by banner_http_request(); Host is put in per
                                     target */
        bool capture_html, capture_cert;
};
struct banner_turn {
        struct span in; /* all bytes since the last NEXT (its unused rest included), at most BANNER_IN_MAX */
        bool eof; /* nothing more will come: the server closed, fell silent, or `in` is full. MORE is then
                     REJECT, so say what is known */
        bool tls; /* the bytes come through TLS */
        bool after_starttls; /* … which this parser started itself: phase is as it was left */
        uint8_t phase;       /* 0 at first; the parser's own, in and out */
        uint16_t port;
        struct span name;   /* the host name we speak to; empty: none is known */
        struct span ticket; /* a session ticket (TLS 1.2 or older) that this server gave us; empty: none */
        uint64_t secret; /* random per conversation: ids and nonces come from it, so that runs repeat in tests
                          */
        const struct banner_conf *conf;
        struct banner_out *out;
        struct wr *reply; /* BANNER_REPLY_MAX bytes */
        size_t used; /* out, with NEXT and TLS: bytes of `in` that are dealt with; preset to all of them */
};

enum banner_match { MATCH_NO, MATCH_MAYBE /* a longer text could be */, MATCH_YES };
struct banner_ops {
        const char *name, *summary; /* name: --hello NAME */
        uint16_t app;
        const uint16_t *ports; /* 0-ended: where it usually is; NULL: nowhere in particular */
        bool speaks_first;     /* the server does; hello is NULL or only wakes up who should have spoken */
        bool check; /* a check for a vulnerability: only when asked for, on a connection of its own */
        /* Could this be it? Pure; sees the first bytes of a conversation. NULL: only after its own hello. */
        enum banner_match (*match)(struct span in, const struct banner_turn *);
        void (*hello)(struct banner_turn *); /* fills reply; NULL: none */
        enum banner_status (*parse)(struct banner_turn *);
};
extern const struct banner_ops *const banner_table[]; /* NULL-ended; the order in which match() is asked */
const struct banner_ops *banner_by_name(const char *);
bool banner_has_port(const struct banner_ops *, uint16_t port);
/* The parser for these first bytes; `sent`: whose hello was sent before them (NULL: none), it is asked first
 * and needs no match(). NULL with *wait true: too early to say; NULL with *wait false: nobody's (at eof there
 * is no waiting). */
const struct banner_ops *banner_detect(const struct banner_turn *, const struct banner_ops *sent, bool *wait);

/* ---- http.c: the request, once per scan ---- */
enum { BANNER_HTTP_HEADERS = 16 };
struct banner_http { /* --http-*; NULL or empty: the default */
        const char *method, *url, *version, *host, *user_agent, *payload, *cookie;
        const char *header[BANNER_HTTP_HEADERS]; /* "Name: value", replaces one of the same name */
        const char *remove[BANNER_HTTP_HEADERS]; /* names */
        unsigned n_headers, n_remove;
};
/* Fills conf->http_request with memory of its own (banner_conf_free). 0 or -1 (a line break in a header …).
 */
int banner_http_request(struct banner_conf *, const struct banner_http *, struct err *);
void banner_conf_free(struct banner_conf *);

/* ---- text.c: what parsers of lines share; all bounded, none allocates ---- */
bool span_starts(struct span, const char *prefix);             /* exactly */
bool span_starts_nocase(struct span, const char *prefix);      /* ASCII */
enum banner_match span_match(struct span, const char *prefix); /* MAYBE: it is a shorter start of prefix */
bool span_find(struct span, const char *needle, size_t *at);   /* ASCII, case-insensitive */
struct span span_trim(struct span);                            /* blanks, tabs, CR and LF at both ends */
struct span span_cut(struct span, size_t from, size_t n);      /* clamped */
/* The next line without its LF or CR LF; false: no whole line is left (the reader does not move). */
bool rd_line(struct rd *, struct span *line);
/* Decimal digits at the start, moved over; false: none, or too large. */
bool span_number(struct span *, uint64_t *);
/* A reply of the SMTP and FTP family: lines "220-…" up to "220 …". Whole bytes of it and its code;
 * MATCH_MAYBE: not all there yet. RFC 959 §4.2, RFC 5321 §4.2.1 */
enum banner_match banner_reply_lines(struct span in, unsigned *code, struct span *whole);
#endif
