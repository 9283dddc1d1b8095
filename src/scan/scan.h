// SPDX-License-Identifier: Apache-2.0
/*
 * scan: one stateless probe type per file. prepare() builds a path's template once, patch() computes what
 * differs per probe, classify() says whether a packet is an answer to one of ours. All pure.
 */
#ifndef TRAWL_SCAN_H
#define TRAWL_SCAN_H
#include "result/result.h"
#include "wire/wire.h"

enum syn_profile { SYN_MINIMAL, SYN_MASSCAN, SYN_LINUX, SYN_WINDOWS, SYN_BSD };
enum { SCAN_DEFAULT = -1 }; /* "as the profile says" */
enum {
        SCAN_TSVAL_MAX = WIRE_TSVAL_FIXED
}; /* fixed timestamps; no greater one is mistaken for them, nor they for a clock */
struct scan_conf {
        enum syn_profile profile;
        int ttl;    /* 1..255; SCAN_DEFAULT */
        int mss;    /* 0: leave the option out; SCAN_DEFAULT */
        int wscale; /* shift count 0..14; -2: leave out; SCAN_DEFAULT */
        int sackok; /* 0, 1; SCAN_DEFAULT */
        int tsecho; /* 0: leave out, 1: our clock, 2..SCAN_TSVAL_MAX: this value; SCAN_DEFAULT */
        bool badsum;
};
struct scan_source { /* all of addresses × ports is used, picked by a keyed hash of the target */
        struct ip_addr first;
        uint32_t count;
        uint16_t port_first;
        uint32_t port_count; /* 1..65536; first + count <= 65536 */
};
struct scan_key {
        struct hash_key cookie;            /* 128 random bits, never the seed */
        const struct scan_source *sources; /* every source set in use: what is addressed to us */
        unsigned n_sources;
};
enum scan_verdict { SCAN_NOT_MINE, SCAN_FORGED, SCAN_OLD, SCAN_ANSWER };
struct scan_ops {
        const char *name, *summary;
        uint8_t proto;
        int (*prepare)(struct probe_template *, const struct scan_conf *, const struct wire_hop *,
                       const struct scan_source *, struct err *);
        /* One patch for each target of the batch (of the template's family), whole: mac and path go into all
         * of them, now_us into TSval. The level of the CPU (base/cpu.h) decides how, never what. */
        void (*patch)(struct patch *, const struct probe_template *, const struct target_batch *,
                      struct hash_key, const uint8_t mac[6], uint16_t path, uint32_t now_us);
        /* SCAN_NOT_MINE: not addressed to a source of ours, or no reply to this kind of probe. SCAN_FORGED:
         * the cookie is wrong. SCAN_OLD: an ACK, as who holds a connection of these addresses and ports
         * answers a SYN (RFC 9293 §3.10.7.4, RFC 5961 §4.2); proven by nothing. */
        enum scan_verdict (*classify)(const struct pkt *, const struct scan_key *, uint32_t now_us,
                                      struct answer *);
};
extern const struct scan_ops scan_syn;
extern const struct scan_ops *const scan_table[]; /* NULL-ended */
/* What a SYN of this shape offers, for those who speak on after its answer: the window scale's shift count
 * (-1: none), and time stamps of our clock (RFC 7323). */
int scan_offers_wscale(const struct scan_conf *);
bool scan_offers_timestamps(const struct scan_conf *);
const char *scan_profile_names(void);   /* "minimal|masscan|…" for the help */
int scan_profile_by_name(const char *); /* enum syn_profile, or -1 */
/* The RST that closes what our SYN opened (RFC 9293 §3.10.7.3: seq = the SYN-ACK's ack). Length, 0: no room.
 */
size_t scan_build_rst(uint8_t *out, size_t cap, const struct wire_hop *, const struct answer *, uint8_t ttl);
#endif
