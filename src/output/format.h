// SPDX-License-Identifier: Apache-2.0
/*
 * format: what the writers share: the head of every writer's state, and the spelling of addresses, times,
 * reasons and bytes from the network. Stands between record and buffer. Invariant: whatever a banner or a
 * name holds, what is written for it is printable ASCII without < > & \ " ' of its own.
 */
#ifndef TRAWL_OUTPUT_FORMAT_H
#define TRAWL_OUTPUT_FORMAT_H
#include "buf.h"
#include "output.h"

enum { FMT_REASONS = 64, FMT_REASON_MAX = 48 };

struct fmt_reason { /* one remembered spelling: reasons repeat for millions of records */
        uint64_t key;
        uint8_t n;
        char text[FMT_REASON_MAX];
};

/* The head of every state. The sink fills and counts; writers only read. */
struct fmt {
        const struct out_run *run;
        const struct out_conf *conf;
        uint64_t opened_wall_ns; /* when this file was opened */
        uint64_t items;          /* records (grouped: hosts) in the body so far: is a separator due? */
        uint64_t tcp_open, tcp_closed;
        bool tty;
        uint64_t when_s; /* the last second spelled, and its spelling */
        uint8_t when_n;
        char when_text[BUF_DEC_MAX];
        struct fmt_reason reasons[FMT_REASONS];
};

/* The writers, one per file; out_table (out.c) lists them. */
extern const struct out_ops out_list, out_grepable, out_xml, out_xml_nmap, out_json, out_ndjson, out_binary,
        out_unicornscan, out_hostonly, out_csv, out_normal, out_nmap_list, out_certs, out_none,
        out_interactive;

/* ---- text.c
 * ------------------------------------------------------------------------------------------------ */
void fmt_ip(struct out_buf *, const struct ip_addr *);
void fmt_when(struct fmt *, struct out_buf *, const struct record *); /* seconds since the epoch */
struct span fmt_reason(struct fmt *, const struct record *);
void fmt_reason_put(struct fmt *, struct out_buf *, const struct record *);
void fmt_port(struct out_buf *, const struct record *); /* "80/tcp" */
void fmt_app(struct out_buf *, uint16_t app);
void fmt_mac(struct out_buf *, const uint8_t mac[6]);
void fmt_ms(struct out_buf *, uint64_t us);             /* microseconds as "1.234" milliseconds */
void fmt_text(struct out_buf *, struct span);           /* other than plain bytes as \xHH */
void fmt_json(struct out_buf *, struct span);           /* other than plain bytes as \u00HH */
void fmt_xml_plain(struct out_buf *, const char *text); /* our own text as an attribute value: XML entities */
void fmt_gmt(struct out_buf *, uint64_t wall_ns);       /* "Sat Nov 21 00:03:58 2026" */
void fmt_iso(struct out_buf *, uint64_t wall_ns);       /* "2026-11-21T00:03:58Z" */
bool fmt_same_port(const struct record *, const struct record *);
bool fmt_tells_reporter(const struct record *); /* did somebody else than the target itself speak? */
static inline bool fmt_is_banner(const struct record *r)
{
        return r->state == PORT_BANNER;
}
static inline bool fmt_has_port(const struct record *r)
{
        return r->who.proto == 6 || r->who.proto == 17 || r->who.proto == 132;
}

/* ---- service.c: names of ports, loaded once
 * ------------------------------------------------------------------ */
void svc_load(void);
const char *svc_name(uint16_t port, uint8_t proto);      /* /etc/services and the like; "unknown" */
const char *svc_nmap_name(uint16_t port, uint8_t proto); /* nmap's own table where installed; NULL: none */

/* ---- tail.c: where does the good part of a file end?
 * ------------------------------------------------------------ For formats of one line per record after a
 * head of `head` bytes: the offset after the last whole record line, looking at the tail and the first line
 * only; -1 when the lines are not of this format. Cut are lines that `ends` knows (trailers, separators;
 * NULL: none) and at most one that is torn. */
typedef bool tail_line_fn(struct span line);
int64_t tail_lines(struct span file, size_t head, tail_line_fn *whole, tail_line_fn *ends, bool *empty);
/* the same for formats without a header: -1 also when no record is there */
int64_t tail_only_lines(struct span file, tail_line_fn *whole, bool *empty);
bool tail_hash_line(struct span line); /* "#masscan" or "# end" */
/* the last `needle` that starts before `end`; -1: none */
int64_t tail_find(struct span file, size_t end, const char *needle);
/* Stands behind byte `from` this trailer and nothing else? Dates in it may differ. */
bool tail_is(struct span file, size_t from, struct span trailer);
bool tail_starts(struct span, const char *text);
bool tail_ends(struct span, const char *text);
bool tail_has(struct span, const char *text);

/* ---- text.c: what several formats begin and end with
 * ----------------------------------------------------------------------------------------------------- */
void fmt_initiated(const struct fmt *, struct out_buf *); /* "# Trawl 0.1.0 scan initiated DATE" */
void fmt_done(const void *st, struct out_buf *, uint64_t now_wall_ns);     /* "# Trawl done at DATE" */
void fmt_hash_masscan(void *st, struct out_buf *);                         /* "#masscan" */
void fmt_hash_end(const void *st, struct out_buf *, uint64_t now_wall_ns); /* "# end" */
void fmt_setup_services(void *st);
/* for formats that have none */
void fmt_no_trailer(const void *st, struct out_buf *, uint64_t now_wall_ns);
void fmt_no_header(void *st, struct out_buf *);
void fmt_no_record(void *st, struct out_buf *, const struct record *);

/* ---- csv.c
 * ---------------------------------------------------------------------------------------------------- */
int csv_check(const char *fields, struct err *);
#endif
