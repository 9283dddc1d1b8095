// SPDX-License-Identifier: Apache-2.0
/*
 * pcap_rx: receiving through libpcap, from an interface or from a capture file; `pcap` and `file` both have
 * one in their state. Private to src/io. Invariant: libpcap's buffer is its own, so what is lent is always a
 * copy.
 */
#ifndef TRAWL_IO_PCAP_RX_H
#define TRAWL_IO_PCAP_RX_H
#include "io_priv.h"

struct pcap;
struct pcap_rx {
        struct io_counters *count;
        struct pcap *p;
        int dlt, fd;
        bool live, nano, ended, more; /* more: the last burst was full, so ask again before sleeping */
        struct txq q;                 /* copies: reserved when copied, "sent" when handed back */
        struct frame *frames;         /* where the running burst goes, and how far it got */
        unsigned got;
        uint64_t first_ns, base_ns; /* files: the first record's stamp and the moment it stands for */
        uint64_t mono_minus_wall;
};
int pcap_rx_open_live(struct pcap_rx *, struct io_counters *, const struct io_conf *, struct io_caps *,
                      struct err *);
int pcap_rx_open_file(struct pcap_rx *, struct io_counters *, const struct io_conf *, const char *path,
                      struct io_caps *, struct err *);
void pcap_rx_close(struct pcap_rx *);
unsigned pcap_rx_burst(struct pcap_rx *, struct frame *, unsigned n);
void pcap_rx_done(struct pcap_rx *, const struct frame *, unsigned n);
bool pcap_rx_wait(struct pcap_rx *, uint64_t until_mono_ns);

/* Makes a handle on an interface, ready but not yet activated; NULL with e filled. */
struct pcap *pcap_live_new(const char *name, struct err *);
int pcap_live_start(struct pcap *, const char *name, struct err *);
/* What our frames look like under a libpcap link type. false: not one we understand. */
bool pcap_link_of(int dlt, enum wire_link *);
#endif
