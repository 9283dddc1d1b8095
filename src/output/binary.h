// SPDX-License-Identifier: Apache-2.0
/*
 * binary: the numbers of the binary scan file, shared by writer and reader. Everything is big-endian.
 *
 *      file   := header record* trailer?        record := TYPE LENGTH BODY   (both base-128 varints)
 *      header := "masscan/1.1\ns:SECONDS\n" NULs to 99 bytes; as a record: type 'm', length 'a' = 97;
 *                a journal's has the line "trawl journal" behind the seconds
 *
 *  types 6, 7, 8:      | time 4 | IPv4 4 | proto 1 | port 2 | reason 1 | ttl 1 |
 *  types 10, 11, 12:   | time 4 | proto 1 | port 2 | reason 1 | ttl 1 | 6 | IPv6 16 |
 *  type 9:             | time 4 | IPv4 4 | proto 1 | port 2 | app 2 | ttl 1 | banner … |
 *  type 13:            | time 4 | proto 1 | port 2 | app 2 | ttl 1 | 6 | IPv6 16 | banner … |
 *
 * What masscan has no place for goes into a record of type 'm', which its reader skips: our facts about the
 * record that follows, or a whole status that has no type there (filtered, up):
 *
 *      | "trawl" 5 | version 1 | { tag 1 | length 1 | value }* |
 *
 * Invariant: a facts record without FACT_STATUS stands right before the record it is about.
 */
#ifndef TRAWL_OUTPUT_BINARY_H
#define TRAWL_OUTPUT_BINARY_H
#include "format.h"

enum {
        BIN_HEADER_LEN = 99,
        BIN_LENGTH_MAX = 1 << 20,
        BIN_BODY_MAX = 16383, /* two length bytes */
        BIN_V4_LEN = 13,
        BIN_V6_LEN = 26,
        BIN_V4_BANNER_LEN = 14,
        BIN_V6_BANNER_LEN = 27,
        BIN_NAMES_MAX = 16,
        BIN_NAME_MAX = 255
};
enum bin_type {
        BIN_OPEN_OLD = 1,
        BIN_CLOSED_OLD,
        BIN_BANNER3,
        BIN_BANNER4,
        BIN_BANNER5,
        BIN_OPEN,
        BIN_CLOSED,
        BIN_UP,
        BIN_BANNER,
        BIN_OPEN6,
        BIN_CLOSED6,
        BIN_UP6,
        BIN_BANNER6,
        BIN_M = 'm'
};
enum bin_fact {
        FACT_STATUS = 1,   /* state 1, time 4, proto 1, port 2, flags 1, ttl 1, family 1, address 4 or 16 */
        FACT_RTT = 2,      /* microseconds 4 */
        FACT_NAME = 3,     /* text; repeated */
        FACT_REPORTER = 4, /* family 1, address 4 or 16 */
        FACT_ICMP = 5,     /* type 1, code 1 */
        FACT_MAC = 6,      /* 6 */
        FACT_ZONE = 7      /* interface index 4 */
};
#define BIN_FACTS_TAG "trawl\001"
enum { BIN_FACTS_TAG_LEN = 6 };

/* The journal of a grouped output is a scan file whose header says so: what does not is somebody else's. */
extern const struct out_ops out_journal;
bool binary_is_journal(struct span file);

/* Seven bits per byte, the most significant first; bit 7: another byte follows. */
static inline uint64_t bin_varint(struct rd *r)
{
        uint64_t v = 0;
        for (int i = 0; i < 9; i++) {
                uint8_t c = rd_u8(r);
                v = v << 7 | (c & 0x7f);
                if (!(c & 0x80))
                        return v;
        }
        r->bad = true;
        return 0;
}
#endif
