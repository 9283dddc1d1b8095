// SPDX-License-Identifier: Apache-2.0
/*
 * option (private to conf): what a row of the option table is, and what is done with rows. A name from
 * anywhere (argument, file, checkpoint) becomes a `struct opt_use` and goes through opt_apply(): the only way
 * a setting changes. Invariant: every name is in exactly one row, and what a row can dump it can read back.
 */
#ifndef TRAWL_CONF_OPTION_H
#define TRAWL_CONF_OPTION_H
#include "conf/conf.h"
#include <string.h>

enum opt_kind {               /* what a value is and where it goes */
                OPT_FLAG,     /* bool */
                OPT_FLAG_OFF, /* the same bool the other way round; its opposite number is echoed */
                OPT_INT,      /* int */
                OPT_UINT,     /* unsigned, uint32_t */
                OPT_U64,      /* uint64_t */
                OPT_SECONDS,  /* double, seconds */
                OPT_NANOS,    /* uint64_t, nanoseconds */
                OPT_BYTES,    /* uint64_t */
                OPT_PPS,      /* double, frames per second; 0 lifts the limit */
                OPT_TEXT,     /* char *, owned by the configuration */
                OPT_CHOICE,   /* const char *, one of `choices` */
                OPT_CALL,     /* set() and dump() know */
                OPT_DO,       /* an operation: `op` */
                OPT_NOOP,     /* accepted; nothing to set */
                OPT_LATER, /* known; `word` is the feature that is not here yet and its verb: "banners are" */
                OPT_REFUSED /* known; `word` is what to do instead */
};
enum opt_arg {
        ARG_ONE,
        ARG_NONE,
        ARG_MAYBE,
        ARG_FILES
}; /* how much of the command line it takes as its value */
enum opt_flag {
        OPT_INDEXED = 1,  /* name[0..7]: one per adapter */
        OPT_KEYED = 2,    /* name[anything] */
        OPT_NMAP = 4,     /* nmap has it too: listed by --nmap */
        OPT_TARGETS = 8,  /* targets and ports: echoed only when asked for */
        OPT_ALWAYS = 16,  /* echoed even when nobody set it */
        OPT_FREE = 32,    /* free text (a path, a filter): a '#' in it begins no comment */
        OPT_AT_ONCE = 64, /* --help and its like: what follows is not looked at */
        OPT_OUTPUT = 128 /* says where results go: given with --resume it replaces the checkpoint's outputs */
};
enum opt_section {
        SEC_TARGETS,
        SEC_ORDER,
        SEC_RATE,
        SEC_NETWORK,
        SEC_PROBE,
        SEC_BANNERS,
        SEC_OUTPUT,
        SEC_STATUS,
        SEC_DO,
        SEC_DEVELOPER,
        SEC_IGNORED,
        SEC_LATER,
        SEC_REFUSED,
        OPT_SECTIONS
};
struct opt_use;
struct opt {
        const char *name;    /* as people write it, with dashes */
        const char *aliases; /* blank-separated, "" none */
        const char *letters; /* short forms without the dash, blank-separated: "p", "iL" */
        const char *metavar; /* "" takes no value */
        const char *help;    /* one or two sentences */
        const char *word;    /* OPT_LATER, OPT_REFUSED; OPT_NOOP: why it does nothing */
        const char *dflt;    /* default, as text that the row itself reads; NULL none */
        const char *choices; /* "a|b|c" */
        enum opt_section section;
        enum opt_kind kind;
        enum opt_arg arg;
        unsigned flags;
        enum conf_op op;
        size_t offset;   /* in struct conf */
        double min, max; /* limits; for an OPT_CALL row min may tell which of its like it is */
        int (*set)(struct conf *, const struct opt_use *, struct err *);
        void (*dump)(const struct conf *, const struct opt *, FILE *);
};

enum opt_origin { FROM_DEFAULT, FROM_FILE, FROM_CHECKPOINT, FROM_ARGS };
struct opt_use {               /* one appearance of an option */
        const struct opt *opt; /* NULL: a bare argument */
        const char *as;        /* as it was written, for messages: "--rate", "rate" */
        const char *key;       /* what stood in [brackets], "" nothing */
        unsigned index;        /* OPT_INDEXED */
        const char *value;     /* NULL: none was given */
        char letter;           /* OPT_CALL rows shared by several letters: the last one */
        enum opt_origin origin;
        const char *file; /* FROM_FILE, FROM_CHECKPOINT: where it stands */
        unsigned line, column;
        char *const *files; /* ARG_FILES */
        size_t n_files;
};

/* table.c: the one list */
size_t opt_count(void);
const struct opt *opt_at(size_t i);
size_t opt_row(const struct opt *); /* its number */
const char *opt_section_title(enum opt_section);
extern const struct opt opt_rows_targets[], opt_rows_network[], opt_rows_banners[], opt_rows_output[],
        opt_rows_other[];
extern const size_t opt_n_targets, opt_n_network, opt_n_banners, opt_n_output, opt_n_other;

/* option.c: names, and what happens to a row */
enum { OPT_NAME_MAX = 63, OPT_ROWS_MAX = 512 };
bool opt_same_name(const char *a, const char *b, size_t b_len); /* '-', '.', '_' and case do not count */
const struct opt *opt_by_name(const char *name, size_t len);
const struct opt *opt_by_letters(const char *text,
                                 size_t *used);        /* the longest short form that `text` starts with */
const char *opt_nearest(const char *name, size_t len); /* NULL: nothing is near */
int opt_unknown(const char *written, const char *name, size_t len, struct err *);
bool opt_is_switch(const struct opt *); /* its bare name means "on" */
int opt_apply(struct conf *, const struct opt_use *, struct err *);
void opt_dump(const struct conf *, const struct opt *, FILE *);
/* "name = text" or "name = kind:text" (kind NULL: none), in quotes where the file reader would take something
 * off. */
void opt_dump_text(const char *name, const char *kind, const char *text, FILE *);
struct opt_quote { /* an item as messages show it: printable, short */
        char s[72];
};
struct opt_quote opt_quote(const char *text);
struct opt_quote opt_quote_n(const char *text, size_t n);

/* args.c: the command line as a run of opt_use */
struct arg_walk {
        int argc, i;
        char **argv;
        const char *cluster; /* what is left of a run of short options */
        char prefix[2];      /* the letter that goes before what is left: the s of -sSU */
        bool only_targets;   /* after "--" */
        char as[OPT_NAME_MAX + 8], key[OPT_NAME_MAX + 1];
        char *joined; /* "a - b" in three arguments; owned */
};
/* 1: *use is the next option or bare argument (opt NULL), 0: the end, -1: not understood. */
int args_next(struct arg_walk *, struct opt_use *, struct err *);
void args_free(struct arg_walk *);
/* "name[key]" -> row, key, index. 0, or -1 (unknown, or the brackets are wrong). */
int args_name(struct opt_use *, const char *written, const char *name, size_t len, char *key, struct err *);

/* file.c: configuration files and checkpoints */
int conf_file(struct conf *, const char *path, struct err *);
int conf_resume(struct conf *, const char *path, struct err *);
bool conf_exists(const char *path);

/* value.c: text -> value and back. Each reader takes the whole text and explains what is wrong with it. */
int val_bool(const char *, bool *, struct err *);
bool val_is_bool_word(const char *);
int val_u64(const char *, uint64_t min, uint64_t max, uint64_t *, struct err *);
int val_double(const char *, double min, double max, double *, struct err *);
int val_seconds(const char *, double min, double max, double *, struct err *);
int val_nanos(const char *, uint64_t max, uint64_t *, struct err *);
int val_bytes(const char *, uint64_t *, struct err *);
int val_rate(const char *, double *pps, double *bps, struct err *); /* one of the two is set, the other 0 */
int val_mac(const char *, uint8_t mac[6], struct err *);
/* Where in "a|b|c" the text stands (which one, how long); NULL: nowhere. */
const char *val_choice(const char *choices, const char *text, size_t *index, size_t *len);
struct val_text {
        char s[40];
};
struct val_text val_of_double(double); /* shortest text that reads back to the same number */
struct val_text val_of_nanos(uint64_t);
struct val_text val_of_mac(const uint8_t mac[6]);

/* set_*.c: rows that need more than a place to put a value */
int set_target(struct conf *, const struct opt_use *, struct err *);
int set_target_file(struct conf *, const struct opt_use *, struct err *);
int set_exclude(struct conf *, const struct opt_use *, struct err *);
int set_exclude_file(struct conf *, const struct opt_use *, struct err *);
int set_random_targets(struct conf *, const struct opt_use *, struct err *);
int set_ports(struct conf *, const struct opt_use *, struct err *);
int set_exclude_ports(struct conf *, const struct opt_use *, struct err *);
int set_top_ports(struct conf *, const struct opt_use *, struct err *);
int set_fast(struct conf *, const struct opt_use *, struct err *);
int set_ping(struct conf *, const struct opt_use *, struct err *);
int set_arp(struct conf *, const struct opt_use *, struct err *);
int set_scan_type(struct conf *, const struct opt_use *, struct err *);
int set_family(struct conf *, const struct opt_use *, struct err *);
void dump_targets(const struct conf *, const struct opt *, FILE *);
void dump_excludes(const struct conf *, const struct opt *, FILE *);
void dump_ports(const struct conf *, const struct opt *, FILE *);
void dump_family(const struct conf *, const struct opt *, FILE *);
int targets_finish(struct conf *, struct err *); /* names, files, random targets, top ports, excluded ports */

void run_finish(struct conf *); /* the seed, the rate that --min-rate asks for */
int set_rate(struct conf *, const struct opt_use *, struct err *);
int set_min_rate(struct conf *, const struct opt_use *, struct err *);
int set_timing(struct conf *, const struct opt_use *, struct err *);
int set_seed(struct conf *, const struct opt_use *, struct err *);
int set_shard(struct conf *, const struct opt_use *, struct err *);
int set_cores(struct conf *, const struct opt_use *, struct err *);
int set_resume_index(struct conf *, const struct opt_use *, struct err *);
int set_wait(struct conf *, const struct opt_use *, struct err *);
void dump_rate(const struct conf *, const struct opt *, FILE *);
void dump_seed(const struct conf *, const struct opt *, FILE *);
void dump_shard(const struct conf *, const struct opt *, FILE *);
void dump_cores(const struct conf *, const struct opt *, FILE *);
void dump_resume_index(const struct conf *, const struct opt *, FILE *);
void dump_wait(const struct conf *, const struct opt *, FILE *);

int set_adapter(struct conf *, const struct opt_use *, struct err *);
int set_adapter_ip(struct conf *, const struct opt_use *, struct err *);
int set_adapter_port(struct conf *, const struct opt_use *, struct err *);
int set_adapter_mac(struct conf *, const struct opt_use *, struct err *);
int set_router_mac(struct conf *, const struct opt_use *, struct err *);
int set_router_ip(struct conf *, const struct opt_use *, struct err *);
int set_vlan(struct conf *, const struct opt_use *, struct err *);
int set_io(struct conf *, const struct opt_use *, struct err *);
int set_pfring(struct conf *, const struct opt_use *, struct err *);
int set_io_tx(struct conf *, const struct opt_use *, struct err *);
int set_io_rx(struct conf *, const struct opt_use *, struct err *);
int set_fault(struct conf *, const struct opt_use *, struct err *);
int set_profile(struct conf *, const struct opt_use *, struct err *);
int set_tcp_option(struct conf *, const struct opt_use *, struct err *);
int set_ttl(struct conf *, const struct opt_use *, struct err *);
void dump_adapter(const struct conf *, const struct opt *, FILE *);
void dump_adapter_ip(const struct conf *, const struct opt *, FILE *);
void dump_adapter_port(const struct conf *, const struct opt *, FILE *);
void dump_adapter_mac(const struct conf *, const struct opt *, FILE *);
void dump_router_mac4(const struct conf *, const struct opt *, FILE *);
void dump_router_mac6(const struct conf *, const struct opt *, FILE *);
void dump_router_ip(const struct conf *, const struct opt *, FILE *);
void dump_vlan(const struct conf *, const struct opt *, FILE *);
void dump_io_tx(const struct conf *, const struct opt *, FILE *);
void dump_io_rx(const struct conf *, const struct opt *, FILE *);
void dump_fault(const struct conf *, const struct opt *, FILE *);
void dump_profile(const struct conf *, const struct opt *, FILE *);
void dump_tcp_option(const struct conf *, const struct opt *, FILE *);
void dump_ttl(const struct conf *, const struct opt *, FILE *);

int set_output(struct conf *, const struct opt_use *, struct err *);
int set_output_letter(struct conf *, const struct opt_use *, struct err *);
int set_output_all(struct conf *, const struct opt_use *, struct err *);
int set_output_format(struct conf *, const struct opt_use *, struct err *);
int set_output_filename(struct conf *, const struct opt_use *, struct err *);
int set_show(struct conf *, const struct opt_use *, struct err *);
int set_noshow(struct conf *, const struct opt_use *, struct err *);
int set_nointeractive(struct conf *, const struct opt_use *, struct err *);
int set_open_only(struct conf *, const struct opt_use *, struct err *);
int set_rotate_offset(struct conf *, const struct opt_use *, struct err *);
int set_rotate_dir(struct conf *, const struct opt_use *, struct err *);
int set_stylesheet(struct conf *, const struct opt_use *, struct err *);
int set_group_by(struct conf *, const struct opt_use *, struct err *);
void dump_outputs(const struct conf *, const struct opt *, FILE *);
void dump_show(const struct conf *, const struct opt *, FILE *);
void dump_rotate_offset(const struct conf *, const struct opt *, FILE *);
void dump_rotate_dir(const struct conf *, const struct opt *, FILE *);
void dump_stylesheet(const struct conf *, const struct opt *, FILE *);
void dump_group_by(const struct conf *, const struct opt *, FILE *);
int outputs_finish(struct conf *, struct err *);
int opt_check_path(const char *, struct err *); /* can a line of a configuration file hold it? */

int set_config(struct conf *, const struct opt_use *, struct err *);
int set_resume(struct conf *, const struct opt_use *, struct err *);
int set_checkpoint(struct conf *, const struct opt_use *, struct err *);
int set_no_checkpoint(struct conf *, const struct opt_use *, struct err *);
int set_level(struct conf *, const struct opt_use *, struct err *);
int set_debug(struct conf *, const struct opt_use *, struct err *);
int set_files(struct conf *, const struct opt_use *, struct err *);
int set_banner_types(struct conf *, const struct opt_use *, struct err *);
int set_cpu_mask(struct conf *, const struct opt_use *, struct err *);
int set_offline(struct conf *, const struct opt_use *, struct err *);
int set_capture(struct conf *, const struct opt_use *, struct err *);
int set_hello(struct conf *, const struct opt_use *, struct err *);
int set_hello_bytes(struct conf *, const struct opt_use *, struct err *);
int set_http_header(struct conf *, const struct opt_use *, struct err *);
int set_http_remove(struct conf *, const struct opt_use *, struct err *);
int set_vuln(struct conf *, const struct opt_use *, struct err *);
void dump_capture(const struct conf *, const struct opt *, FILE *);
void dump_hello(const struct conf *, const struct opt *, FILE *);
void dump_hello_bytes(const struct conf *, const struct opt *, FILE *);
void dump_http_header(const struct conf *, const struct opt *, FILE *);
void dump_http_remove(const struct conf *, const struct opt *, FILE *);
void dump_vuln(const struct conf *, const struct opt *, FILE *);
int banners_finish(struct conf *, struct err *); /* the HTTP request */
int set_echo_all(struct conf *, const struct opt_use *, struct err *);
void dump_level(const struct conf *, const struct opt *, FILE *);
void dump_checkpoint(const struct conf *, const struct opt *, FILE *);
void dump_banner_types(const struct conf *, const struct opt *, FILE *);
void dump_cpu_mask(const struct conf *, const struct opt *, FILE *);
void dump_offline(const struct conf *, const struct opt *, FILE *);

/* check.c: what only the whole can tell */
int conf_check(struct conf *, struct err *);

/* conf.c: what a configuration owns beside its fields */
enum {
        CONF_FILE_BYTES_MAX = 1 << 30,
        CONF_DEPTH_MAX = 16,
        CONF_STRINGS_MAX = 1 << 25,
        CONF_FILES_MAX = 1 << 16
};
struct target_text { /* targets that may hold names or need the seed: read when every option is known */
        bool exclude, from_path, random;
        char *text; /* or the path of a list */
        const char *as, *file;
        unsigned line, column;
        uint64_t n; /* random */
};
struct conf_private {
        char **strings;
        size_t n_strings, cap_strings;
        uint8_t set_by[OPT_ROWS_MAX]; /* bits 1 << enum opt_origin */
        struct target_text *later;
        size_t n_later, cap_later;
        size_t cap_files, cap_outputs;
        struct tgt_ports *no_ports; /* --exclude-ports: taken out at the end */
        uint32_t port_base;         /* what an unprefixed port means: TGT_TCP, _UDP, _SCTP */
        bool want_tcp, want_udp;    /* which lists --top-ports takes from */
        bool want_other;            /* -sZ, -sO: probes that are not here yet */
        uint32_t top_tcp, top_udp, top_any;
        double min_rate_pps;
        bool rate_is_max; /* the rate was given as --max-rate: the ceiling of an --rate auto to come */
        const char *pair_format, *pair_path; /* --output-format, --output-filename */
        bool pair_replaced;                  /* an output was named on the command line after them */
        uint64_t rotate_shift_ns;            /* --rotate-offset, */
        bool rotate_before;                  /* and whether it was negative */
        bool files_from_checkpoint;
        bool stdin_taken;
        char *notes; /* lines said when everything was understood */
        size_t n_notes, cap_notes;
        char **state; /* key, value, key, value … of the resumed checkpoint */
        size_t n_state, cap_state;
        unsigned depth;
        bool foreign_file; /* the file being read is not one of trawl's own */
        uint64_t fixed_seed;
        uint32_t fixed_shard, fixed_shards;
};
char *conf_keep(struct conf *, const char *text, struct err *); /* a copy that lives as long; NULL: e */
char *conf_keep_n(struct conf *, const char *text, size_t n, struct err *);
int conf_note(struct conf *, struct err *, const char *fmt, ...) PRINTF_LIKE(3, 4);
int conf_own_checkpoint(struct conf *, const char *path, struct err *e); /* NULL: none */
void conf_mark_set(struct conf *, const char *name, enum opt_origin);
bool conf_row_set(const struct conf *, const struct opt *, unsigned origins);
static inline void *opt_field(struct conf *c, const struct opt *o)
{
        return (char *)c + o->offset;
}
static inline const void *opt_field_of(const struct conf *c, const struct opt *o)
{
        return (const char *)c + o->offset;
}
#endif
