// SPDX-License-Identifier: Apache-2.0
/*
 * conf: the option engine and the one option table. Command line, config files, --echo, --help, the man page
 * and the checkpoint's configuration all walk the same rows. Every folder has its own small conf struct; only
 * this folder fills them.
 */
#ifndef TRAWL_CONF_H
#define TRAWL_CONF_H
#include "io/io.h"
#include "output/output.h"
#include "scan/scan.h"
#include "session/session.h"
#include "target/target.h"
#include <stdio.h>

enum conf_op {
        OP_SCAN,
        OP_LIST, /* -sL */
        OP_ECHO, /* --echo, --echo-all */
        OP_ECHO_CIDR,
        OP_READ_RANGE, /* --readrange: the merged list */
        OP_HELP,
        OP_MAN, /* --man-page: troff of the whole table (built into docs/trawl.1) */
        OP_NMAP_HELP,
        OP_VERSION,
        OP_READSCAN,
        OP_REPAIR,
        OP_IFLIST,
        OP_DEBUG_IF, /* --debug if */
        OP_SELFTEST,
        OP_BENCHMARK,    /* --benchmark: what each stage costs on this CPU */
        OP_BENCHMARK_TX, /* --benchmark-tx: how fast an interface takes frames */
        OP_VULN_LIST,    /* --vuln list */
        OP_USAGE         /* nothing asked for */
};
enum conf_capture {
        CAPTURE_CERT,
        CAPTURE_SERVERNAME,
        CAPTURE_HTML,
        CAPTURE_HEARTBLEED,
        CAPTURE_TICKETBLEED,
        CAPTURE_RAW,
        CONF_CAPTURES
};
enum {
        CONF_CHECKS_MAX = 8,
        CONF_ADAPTERS_MAX = 8,
        CONF_CORES_MAX = 64,
        CONF_WAIT_FOREVER = -1,
        CONF_WAIT_AUTO = -2
};

struct conf_adapter { /* what --adapter[n] and its relatives say; everything optional */
        bool used;
        char name[256];   /* interface name, number, or file; "" the route decides */
        char device[256]; /* what PF_RING calls it ("zc:eth0@2"); "": the same */
        bool has_v4, has_v6, has_port, has_mac;
        struct tgt_range v4, v6;        /* --source-ip */
        uint16_t port_first, port_last; /* --source-port */
        uint8_t mac[6];                 /* --adapter-mac */
        bool has_router_mac4, has_router_mac6;
        uint8_t router_mac4[6], router_mac6[6];
        struct ip_addr router_ip4, router_ip6; /* family 0: not given */
        int vlan;                              /* 0: none */
};

struct conf {
        enum conf_op op;
        bool as_masscan; /* started under the name masscan */
        char *command_line;

        /* what */
        struct tgt_set *include, *exclude;
        struct tgt_ports *ports;
        bool no_dns;
        int only_family; /* 0, 4, 6 */
        bool allow_reserved, yes_large, allow_foreign_source;
        uint64_t max_targets, max_results; /* 0: no limit */
        double max_runtime_s;              /* 0: no limit */

        /* in which order */
        uint64_t seed;
        bool has_seed;
        uint32_t shard, shards; /* 1-based; 1/1 */
        uint64_t resume_index, resume_count;
        bool has_resume_index;
        unsigned retries;
        double retry_delay_s; /* >= 1 */
        bool infinite;

        /* how fast */
        double rate_pps; /* frames per second; with rate_auto the ceiling */
        bool rate_auto;  /* --rate auto: found while scanning */
        double rate_bps; /* > 0: was given as bandwidth; rate_pps follows from the frame size */
        double max_rate_per_host, max_rate_per_net24; /* pps, 0: no limit */
        bool has_rate;

        /* where and how */
        struct conf_adapter adapters[CONF_ADAPTERS_MAX];
        unsigned n_adapters;             /* highest index + 1; 0: none given */
        const char *io_tx, *io_rx;       /* back-end names, "auto" */
        char *tx_file, *rx_file;         /* --io file / pcap: PATH */
        unsigned tx_threads, rx_threads; /* 0: choose */
        uint16_t cores[CONF_CORES_MAX];  /* CPUs of the packet threads, in turn */
        unsigned n_cores;                /* 0: choose */
        struct scan_conf syn;
        bool no_reset, offline;
        bool offline_frames; /* --offline=frames: whole frames are made, not only patches */
        int cpu_mask;        /* enum cpu_level; -1: the best there is */
        char *cookie_key_file;
        char *pcap_file, *bpf_text;
        bool packet_trace;
        struct io_fault fault_tx, fault_rx;
        uint64_t dedup_memory; /* bytes, default 1 GiB */
        uint64_t neigh_queue;  /* most targets waiting for a neighbour's MAC */

        /* when to end */
        double wait_s;           /* seconds; CONF_WAIT_FOREVER, CONF_WAIT_AUTO */
        double answer_horizon_s; /* how late an answer may come and a probe still not be settled */

        /* banners */
        bool banners, no_shield;
        struct banner_http http;
        struct session_conf session; /* its hellos and banner parts are owned by the configuration */
        uint64_t max_connections;    /* at a time */
        unsigned per_host_connections;
        uint64_t max_tls; /* bytes */
        unsigned tls_threads;
        bool capture[CONF_CAPTURES];
        struct session_hello *hellos; /* session.hellos; their bytes are kept with the strings */
        size_t n_hellos, cap_hellos;
        const struct banner_ops *checks[CONF_CHECKS_MAX + 1]; /* session.checks, NULL-ended */

        /* what comes out */
        struct out_conf out;
        bool no_status, status_json;
        int verbose, debug;
        char *checkpoint_file; /* default trawl.resume; NULL after --no-checkpoint; malloc'd: may be replaced
                                */
        char *resume_file;     /* --resume of a trawl checkpoint */

        /* the other operations */
        char **files; /* --readscan, --repair */
        size_t n_files;
        uint16_t banner_types[64];
        size_t n_banner_types;
        bool echo_all;

        struct conf_private *private_; /* strings owned, keys of a resumed checkpoint, which rows were set */
};

int conf_new(struct conf **, struct err *);
void conf_free(struct conf *);
/* Everything from argv: default config file (/etc/trawl/trawl.conf; /etc/masscan/masscan.conf when the
 * program is called masscan; neither with --readscan), a resumed checkpoint's settings, then the arguments in
 * order. Checks the combination (no targets, no ports, sources, gates that need no plan). 0, or -1 with one
 * line for people. After success: seed is always a number (drawn when none was given), include and exclude
 * are finished, ports has the top ports added and the excluded ports taken out. --help and its like end the
 * reading at once. When resume_file is set the targets of the checkpoint are the caller's to load: include
 * and ports hold only what was given beside it, usually nothing. */
int conf_parse(struct conf *, int argc, char **argv, struct err *);
/* The effective settings in config-file syntax; parses back to the same settings. `with_targets`: ranges,
 * excludes and ports too (the checkpoint keeps those in its sidecar). With OP_ECHO host names were not looked
 * up: they are echoed as they were written. */
int conf_echo(const struct conf *, FILE *, bool with_targets, bool all);
void conf_help(FILE *, bool as_masscan);
void conf_usage(FILE *);
void conf_version(FILE *);
void conf_nmap_help(FILE *);
void conf_vuln_list(FILE *);
void conf_man_page(FILE *);
/* A "state.KEY = value" line of the resumed checkpoint (key without the prefix); NULL: not there. */
const char *conf_state(const struct conf *, const char *key);
bool conf_was_set(const struct conf *, const char *option); /* given on the command line (not by a file) */
#endif
