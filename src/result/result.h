// SPDX-License-Identifier: Apache-2.0
/*
 * result: what flows downstream from the receive side. A record is a plain value that can be copied through
 * a ring; what it points to (names, banner bytes) outlives the scan or is owned by the hop that made it.
 */
#ifndef TRAWL_RESULT_H
#define TRAWL_RESULT_H
#include "wire/wire.h"
#include "result/kinds.h"

struct record {
        struct target who;       /* proto: 0 ARP, 1 ICMP, 6 TCP, 17 UDP, 132 SCTP */
        struct ip_addr reporter; /* ICMP: who said so; family 0 otherwise */
        uint64_t when_ns;        /* wall clock, since the epoch */
        uint32_t rtt_us;         /* 0: unknown */
        uint8_t state;           /* enum port_state; PORT_BANNER: app and banner are set */
        uint8_t ttl, flags;      /* of the reply; flags = TCP flags byte */
        uint8_t icmp_type, icmp_code;
        uint8_t mac[6]; /* PORT_UP by ARP */
        bool has_mac;
        uint16_t app;    /* banner: application id, see result_app_name() */
        uint8_t n_names; /* host names this address was asked by */
        const char *const *names;
        struct span banner; /* borrowed */
        struct span fields; /* borrowed; the banner taken apart, see fields.c; empty: nothing more is known */
};

/* ---- fields.c: a banner taken apart
 * ------------------------------------------------------------------------- An ordered list of keys and
 * values in one run of bytes, so that it can go through a ring, into the journal and be freed as one piece:
 *
 *   | key length 1 | kind 1 | value length 2 | key | value |   repeated
 *
 * A key that comes several times is a list. Keys are words of [a-z0-9_]. */
enum field_kind { FIELD_TEXT, FIELD_NUMBER /* 8 bytes */, FIELD_BOOL /* 1 byte */ };
struct field {
        struct span key, text; /* text: FIELD_TEXT, any bytes, as the server said them */
        uint64_t number;       /* FIELD_NUMBER, FIELD_BOOL */
        uint8_t kind;
};
/* Appends one; what has no room is left out whole and marks the writer full. Texts are cut at 65,535 bytes.
 */
void fields_put(struct wr *, const char *key, struct span value);
void fields_put_u64(struct wr *, const char *key, uint64_t);
void fields_put_bool(struct wr *, const char *key, bool);
bool fields_next(struct rd *, struct field *); /* false: that was all, or the rest is malformed */

/* What a banner is about: APP_SSH = 3 and so on, of the rows of kinds.h. Stored in binary files. */
#define RESULT_NUMBER(number, name, ...) APP_##name = number,
#define RESULT_NOTHING(...)
enum result_app { RESULT_KINDS(RESULT_NUMBER, RESULT_NUMBER, RESULT_NOTHING) };

/* ---- record.c: the words for things, shared by every writer and reader ------------------------------------
 */
const char *result_state_name(enum port_state); /* "open", "closed", "filtered", "up", "unknown" */
const char *result_proto_name(uint8_t proto);   /* "tcp" …, "err" for others, as masscan's files say */
size_t result_reason(char *out, size_t cap,
                     const struct record *); /* "syn-ack", "host-unreach", … NUL-ended */
const char *result_app_name(uint16_t app);   /* "http", …; NULL for ids without a name */
int result_app_by_name(const char *name);    /* id, or -1 */

/* ---- dedup.c: is this news?
 * ---------------------------------------------------------------------------------- Keyed by plan index. Two
 * bits per index while that fits `max_bytes`; else an exact hash set of the open ports up to a ceiling, and
 * an ageing set for the rest (DEDUP_AGEING): a repeat older than the set can hold may pass as news, and is
 * counted by nobody: the summary says which kind was used. One thread at a time per instance. */
enum dedup_verdict { DEDUP_NEW, DEDUP_UPGRADE, DEDUP_SEEN };
enum dedup_kind { DEDUP_BITMAP, DEDUP_AGEING };
struct dedup;
int dedup_new(struct dedup **, uint64_t n_indices, uint64_t max_bytes, struct err *);
void dedup_free(struct dedup *);
/* states rank PORT_OPEN > PORT_CLOSED > PORT_FILTERED; a lower or equal one is DEDUP_SEEN */
enum dedup_verdict dedup_mark(struct dedup *, uint64_t index, enum port_state);
enum dedup_kind dedup_kind_of(const struct dedup *);
uint64_t dedup_ceiling(
        const struct dedup *); /* open ports remembered exactly; 0: all of them (DEDUP_BITMAP) */
uint64_t dedup_evicted(const struct dedup *); /* open ports above the ceiling, so only in the ageing set */
#endif
