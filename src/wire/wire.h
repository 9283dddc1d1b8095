// SPDX-License-Identifier: Apache-2.0
/*
 * wire: bytes <-> headers. No state, no I/O. One address type for IPv4 and IPv6; frames in are decoded into
 * `struct pkt`; a probe out is a template (constant bytes) plus a `struct patch` (what differs); an answer is
 * what a reply told us. Above this folder everything is in host byte order.
 */
#ifndef TRAWL_WIRE_H
#define TRAWL_WIRE_H
#include "base/base.h"

/* ---- addr.c: addresses ---------------------------------------------------------------------------------
 * IPv4 lives in lo, with hi = 0. zone is an interface index and only set for link-local IPv6 (fe80::/10). */
struct ip_addr {
        uint64_t hi, lo;
        uint32_t zone;
        uint8_t family; /* 4 or 6; 0: no address */
};
enum { IP_TEXT_MAX = 64 }; /* with zone and NUL */
static inline struct ip_addr ip_v4(uint32_t a)
{
        return (struct ip_addr){.lo = a, .family = 4};
}
static inline struct ip_addr ip_v6(uint64_t hi, uint64_t lo)
{
        return (struct ip_addr){.hi = hi, .lo = lo, .family = 6};
}
static inline bool ip_eq(const struct ip_addr *a, const struct ip_addr *b)
{
        return a->lo == b->lo && a->hi == b->hi && a->family == b->family && a->zone == b->zone;
}
static inline bool ip_is_link_local(const struct ip_addr *a)
{
        return a->family == 6 && a->hi >> 54 == 0x3fa; /* fe80::/10 */
}
int ip_cmp(const struct ip_addr *, const struct ip_addr *); /* family, zone, value */
struct ip_addr ip_add(struct ip_addr, uint64_t n);          /* + n, carrying; wraps within the family */
/* Whole text is one address: dotted decimal (leading zeros are decimal) or RFC 4291 text, embedded IPv4 tail
 * included, with or without [brackets], with %zone (name or number). Returns 0 or -1 (no message). */
int ip_parse(struct ip_addr *, const char *text, size_t n);
/* A dotted address at the start of [p, end), 1 to 3 digits each; returns what follows it, or NULL. */
const char *ip_scan_v4(uint32_t *, const char *p, const char *end);
/* RFC 5952 text, "%zone-name" for zoned ones (the number when the interface is gone). Returns length. */
size_t ip_format(char out[IP_TEXT_MAX], const struct ip_addr *);
void ip_to_bytes(const struct ip_addr *, uint8_t out[16]); /* network order; 4 bytes used for IPv4 */
struct ip_addr ip_from_bytes(const uint8_t *p, uint8_t family);
bool mac_parse(uint8_t mac[6], const char *text); /* hex pairs, one punctuation between pairs or none */

/* One thing to probe. proto is an IP protocol number (6 TCP). */
struct target {
        struct ip_addr ip;
        uint16_t port;
        uint8_t proto;
};

/* ---- links and frames ------------------------------------------------------------------------------------
 */
enum wire_link {
        LINK_ETHER, /* 14-byte header, maybe 802.1Q tags */
        LINK_RAW,   /* starts with the IP header (tun, wireguard, ppp, raw sockets) */
        LINK_NULL,  /* 4-byte address family word of the host (DLT_NULL): 2 = IPv4; 10, 24, 28, 30 = IPv6 */
        LINK_SLL    /* 16-byte "cooked" header (pcap's "any" device): receive only */
};
enum { WIRE_FRAME_MAX = 65536 + 64, WIRE_PROBE_MAX = 192 };

struct frame { /* a lent slot of a back-end: data/len/cap borrowed until it is handed back */
        uint8_t *data;
        uint32_t len, cap;
        uint64_t stamp_ns; /* CLOCK_MONOTONIC when received */
        uint64_t token;    /* the back-end's own */
        uint16_t vlan;     /* VLAN id the kernel took out of the frame; 0: none taken */
        bool sum_unset;    /* received from a local sender that left the L4 checksum to the hardware */
        bool outgoing;     /* our own host sent it (PACKET_OUTGOING): taps see it, nothing else does */
};

/* ---- decode.c: a frame, taken apart -----------------------------------------------------------------------
 * Spans point into the frame. Everything was bounds-checked; fields that the packet has not are 0. */
enum wire_kind { WIRE_TCP, WIRE_ICMP, WIRE_ARP, WIRE_NDP, WIRE_OTHER };
struct wire_quote { /* the start of the packet an ICMP error quotes; src.family 0: nothing we could read */
        struct ip_addr src, dst;
        uint8_t proto;
        uint16_t sport, dport; /* TCP, UDP, SCTP */
        uint32_t seq;          /* bytes 4..7 of its L4 header: TCP seq, SCTP tag, ICMP id and seq */
};
struct pkt {
        enum wire_kind kind;
        struct ip_addr src, dst;
        uint8_t proto, ttl;
        uint8_t src_mac[6]; /* link-layer source, Ethernet only */
        uint16_t sport, dport;
        uint8_t tcp_flags;
        uint32_t seq, ack;
        uint16_t window;
        bool has_ts;
        uint32_t tsval, tsecr;
        uint16_t mss; /* option of a SYN; 0: not there */
        bool has_wscale;
        uint8_t wscale; /* shift count of a SYN, at most 14 (RFC 7323 §2.3) */
        uint8_t icmp_type, icmp_code;
        struct span l4, payload;
        struct wire_quote quoted; /* ICMP errors only */
        /* ARP / NDP */
        bool neigh_request;      /* who-has / neighbour solicitation; else reply / advertisement */
        struct ip_addr neigh_ip; /* the address asked for (request) or told (reply) */
        bool has_neigh_mac;
        uint8_t neigh_mac[6]; /* MAC told (reply), or the asker's (request) */
        bool neigh_sure; /* overrides what was known: ARP (RFC 826), NDP with the O flag (RFC 4861 §7.2.5) */
};
enum tcp_flag { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };
enum wire_drop { /* why a frame went no further; counted, never logged */
                 WIRE_OK,
                 WIRE_SHORT,    /* truncated, or lengths that contradict each other */
                 WIRE_BADSUM,   /* IPv4 header, TCP or ICMP checksum wrong */
                 WIRE_FRAGMENT, /* a later fragment */
                 WIRE_UNKNOWN,  /* not IP, ARP or IPv6 */
                 WIRE_NDROPS
};
/* Walks 802.1Q/802.1ad tags and IPv6 extension headers. Checksums are verified unless sum_unset. Frames of up
 * to 64 KiB (TSO) are welcome. `zone`: interface index given to link-local sources and destinations. Of a
 * fragmented packet only the first fragment is taken apart, its L4 checksum unverified (the rest is not
 * here). */
enum wire_drop wire_decode(struct pkt *, struct span frame, enum wire_link, bool sum_unset, uint32_t zone);

/* ---- build.c: frames that are not probes
 * -------------------------------------------------------------------- */
struct wire_hop { /* how to leave: link, tags and addresses of one next hop */
        enum wire_link link;
        uint8_t us_mac[6], them_mac[6];
        uint16_t vlan; /* 802.1Q VLAN id 1..4094, 0: no tag */
};
/* Each returns the frame's length; 0 when cap is too small, or when the link cannot carry such a frame
 * (nothing is sent on LINK_SLL, and only LINK_ETHER has neighbours to ask). */
size_t wire_build_link(uint8_t *out, size_t cap, const struct wire_hop *,
                       uint8_t family); /* layer 2; RAW: 0 */
size_t wire_build_tcp(uint8_t *out, size_t cap, const struct wire_hop *, const struct ip_addr *src,
                      const struct ip_addr *dst, uint16_t sport, uint16_t dport, uint32_t seq, uint32_t ack,
                      uint8_t flags, uint16_t window, uint8_t ttl);
struct wire_segment { /* a TCP segment, any */
        struct ip_addr src, dst;
        uint16_t sport, dport;
        uint32_t seq, ack;
        uint8_t flags, ttl;
        uint16_t window; /* as it goes on the wire, scaled already */
        uint16_t mss;    /* option; 0: none */
        bool has_ts;     /* option */
        uint32_t tsval, tsecr;
        struct span payload;
};
size_t wire_build_segment(uint8_t *out, size_t cap, const struct wire_hop *, const struct wire_segment *);
/* ARP request (RFC 826) or neighbour solicitation (RFC 4861 §4.3) for `whom`, link broadcast / solicited-node
 * multicast unless hop->them_mac is set. */
size_t wire_build_neigh_request(uint8_t *out, size_t cap, const struct wire_hop *, const struct ip_addr *us,
                                const struct ip_addr *whom);
/* ARP reply / neighbour advertisement (solicited, override): "`us` is at hop->us_mac", told to `asker`. */
size_t wire_build_neigh_reply(uint8_t *out, size_t cap, const struct wire_hop *, const struct ip_addr *us,
                              const struct ip_addr *asker);
/* sum.c: RFC 1071 over 16-bit words in host order, `start` added; folded, not complemented */
static inline uint16_t wire_fold(uint64_t sum) /* brings all carries back in */
{
        sum = (sum >> 32) + (sum & 0xffffffff);
        sum = (sum >> 32) + (sum & 0xffffffff);
        sum = (sum >> 16) + (sum & 0xffff);
        sum = (sum >> 16) + (sum & 0xffff);
        return (uint16_t)sum;
}
uint16_t wire_sum(uint32_t start, struct span);
uint32_t wire_pseudo_sum(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto, uint32_t len);

/* ---- the patch: all that differs from one probe to the next of a template ----
 * 64 bytes, every field as it goes on the wire, so stamping is a permutation of bytes: the same on every
 * back-end, in C, in vector registers and in the kernel.
 *
 *   0     4     8     10    12   16  18     20     22  24    28  32    38   40              56        64
 *   | src | dst | sport dport seq | id ip_sum l4_sum 0 | tsval 0 | mac path | dst of IPv6   | src's end |
 *
 * IPv4: src and dst; the last 24 bytes are not read. IPv6: src and dst stay 0; the source's upper half is the
 * template's (a source set never crosses a /64). mac: next hop's, not read on links without. path: host
 * order, which template. */
struct patch {
        _Alignas(64) uint32_t src;
        uint32_t dst;
        uint16_t sport, dport;
        uint32_t seq;
        uint16_t id, ip_sum, l4_sum, zero;
        uint32_t tsval, zero2;
        uint8_t mac[6];
        uint16_t path;
        uint8_t dst6[16];
        uint64_t src6;
};
_Static_assert(sizeof(struct patch) == 64, "one cache line");

/* A burst of targets of one family, as columns: what vector code wants. `flat` is the plan's flat port; for
 * TCP, UDP and SCTP its low 16 bits are the port. hi and zone: IPv6 only. Eight entries past n may be
 * overwritten by vector stores. */
enum { BATCH_MAX = 256, BATCH_ROOM = BATCH_MAX + 16 };
struct target_batch {
        _Alignas(64) uint64_t pos[BATCH_ROOM]; /* position in the order */
        uint64_t lo[BATCH_ROOM], hi[BATCH_ROOM];
        uint32_t flat[BATCH_ROOM], zone[BATCH_ROOM];
        unsigned n;
        uint8_t family;
};

/* A probe's constant part, made once per path by scan_ops.prepare. */
struct probe_template {
        _Alignas(64) uint8_t bytes[WIRE_PROBE_MAX]; /* fields of the patch zeroed, constants filled */
        uint8_t from[128];    /* which byte of the patch comes here; STAMP_KEEP: the template's own */
        uint16_t len, l3, l4; /* offsets of the IP and the L4 header; len <= 128 */
        uint16_t tsval;       /* offset of the TCP timestamp value; 0: none */
        uint8_t family, proto;
        enum wire_link link;
        uint32_t ip_sum, l4_sum;  /* partial sums over the constants (and pseudo header constants) */
        struct ip_addr src_first; /* source set: src_count addresses × sport_count ports */
        uint32_t src_count;
        uint16_t sport_first;
        uint32_t sport_count; /* 1..65536 */
        bool bad_sum;         /* --badsum: leave the L4 sum wrong on purpose */
};
enum { STAMP_KEEP = 0xff };
/* Fills `from` out of the offsets; the last step of prepare. */
void wire_template_finish(struct probe_template *);
/* Copies template and patch into out[0..t->len); out has room for WIRE_PROBE_MAX. Never fails. stamp.c */
void wire_stamp(uint8_t *out, const struct probe_template *, const struct patch *);
/* The same for n frames of one template: data and len of each are filled. Slots have room for 128 bytes. */
void wire_stamp_burst(struct frame *, const struct probe_template *, const struct patch *, unsigned n);

/* ---- cookie: what proves that an answer is an answer to us ----
 * SipHash-2-4 over 12 bytes (IPv4) or 36 (IPv6), as words; a word more would cost two rounds, and the
 * length tells the families apart. What for: ARCHITECTURE.md "Cookie".
 *
 *   IPv4  | us, them |                            | our port, their port |
 *   IPv6  | us hi | us lo | them hi | them lo |   | our port, their port |
 */
static inline uint64_t wire_cookie(struct hash_key key, const struct ip_addr *us, uint16_t us_port,
                                   const struct ip_addr *them, uint16_t them_port)
{
        uint64_t ports = (uint64_t)us_port << 16 | them_port;
        struct sip s = sip_start(key);
        if (us->family == 4) {
                sip_absorb(&s, us->lo << 32 | (uint32_t)them->lo);
                return sip_finish(&s, ports, 12);
        }
        sip_absorb(&s, us->hi);
        sip_absorb(&s, us->lo);
        sip_absorb(&s, them->hi);
        sip_absorb(&s, them->lo);
        return sip_finish(&s, ports, 36);
}

/* A time stamp of ours up to this is a constant that was asked for, not a clock: its echo tells no time. */
enum { WIRE_TSVAL_FIXED = 254 };

/* ---- answer: what a reply told us about a target
 * -------------------------------------------------------------- */
enum port_state { PORT_UNKNOWN, PORT_FILTERED, PORT_CLOSED, PORT_OPEN, PORT_UP, PORT_BANNER }; /* ranked */
struct answer {
        struct target who;
        struct ip_addr us, reporter; /* reporter: who sent the ICMP error; else who.ip */
        uint16_t us_port;
        uint8_t state;      /* enum port_state */
        uint8_t ttl, flags; /* flags: TCP flags byte of the reply; 0 for ICMP */
        uint8_t icmp_type, icmp_code;
        uint32_t seq, ack; /* of the reply, to answer it with a RST */
        uint32_t rtt_us;   /* 0: unknown */
        uint8_t mac[6];    /* link-layer source of the reply, where there is one */
        bool rst_sent;     /* the back-end has closed it already */
};
#endif
