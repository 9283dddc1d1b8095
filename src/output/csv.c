// SPDX-License-Identifier: Apache-2.0
/*
 * csv: a header line, then one line per record with the chosen fields. Fields are one list: the check, the
 * help and the writer walk it alike. Invariant: every line has as many fields as the header. Reference: RFC
 * 4180, with LF line ends.
 */
#include "format.h"

enum { CSV_MAX = 32 };

struct csv {
        struct fmt f;
        const struct csv_field *fields[CSV_MAX];
        size_t n;
};

struct csv_field {
        const char *name;
        void (*put)(struct fmt *, struct out_buf *, const struct record *);
        bool by_default; /* one of the columns when none are asked for */
};

static void put_ip(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        fmt_ip(b, &r->who.ip);
}

static void put_port(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_dec(b, r->who.port);
}

static void put_proto(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_str(b, result_proto_name(r->who.proto));
}

static void put_state(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_str(b, fmt_is_banner(r) ? "banner" : result_state_name(r->state));
}

static void put_reason(struct fmt *f, struct out_buf *b, const struct record *r)
{
        if (!fmt_is_banner(r))
                fmt_reason_put(f, b, r);
}

static void put_ttl(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_dec(b, r->ttl);
}

static void put_time(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        fmt_iso(b, r->when_ns);
}

static void put_rtt(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        if (r->rtt_us)
                fmt_ms(b, r->rtt_us);
}

/* Names are separated by blanks; a comma inside one would split the field. */
static void put_names(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_u8(b, '"');
        for (unsigned i = 0; i < r->n_names; i++) {
                if (i)
                        buf_u8(b, ' ');
                fmt_text(b, span_str(r->names[i]));
        }
        buf_u8(b, '"');
}

static void put_reporter(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        if (r->reporter.family)
                fmt_ip(b, &r->reporter);
}

static void put_mac(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        if (r->has_mac)
                fmt_mac(b, r->mac);
}

static void put_service(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_str(b, svc_name(r->who.port, r->who.proto));
}

static void put_app(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        if (fmt_is_banner(r))
                fmt_app(b, r->app);
}

/* Escaped text holds no quote of its own. */
static void put_banner(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_u8(b, '"');
        if (fmt_is_banner(r))
                fmt_text(b, r->banner);
        buf_u8(b, '"');
}

static void put_flags(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_dec(b, r->flags);
}

static void put_icmp_type(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_dec(b, r->icmp_type);
}

static void put_icmp_code(struct fmt *f, struct out_buf *b, const struct record *r)
{
        (void)f;
        buf_dec(b, r->icmp_code);
}

static const struct csv_field all_fields[] = {
        {"ip", put_ip, true},
        {"port", put_port, true},
        {"proto", put_proto, true},
        {"state", put_state, true},
        {"timestamp", fmt_when, true},
        {"time", put_time, false},
        {"reason", put_reason, true},
        {"ttl", put_ttl, true},
        {"rtt_ms", put_rtt, true},
        {"names", put_names, true},
        {"reporter", put_reporter, false},
        {"mac", put_mac, false},
        {"service", put_service, false},
        {"app", put_app, true},
        {"banner", put_banner, true},
        {"tcp_flags", put_flags, false},
        {"icmp_type", put_icmp_type, false},
        {"icmp_code", put_icmp_code, false},
};

const char *out_field_name(size_t i)
{
        return i < ARRAY_LEN(all_fields) ? all_fields[i].name : NULL;
}

static const struct csv_field *field_by_name(struct span name)
{
        for (size_t i = 0; i < ARRAY_LEN(all_fields); i++)
                if (strlen(all_fields[i].name) == name.n && memcmp(all_fields[i].name, name.p, name.n) == 0)
                        return &all_fields[i];
        return NULL;
}

/* Cuts the next name off a comma list; blanks round it do not count. */
static struct span next_name(const char **list)
{
        const char *p = *list + strspn(*list, " \t");
        size_t n = strcspn(p, ",");
        *list = p[n] ? p + n + 1 : p + n;
        while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
                n--;
        return span_of(p, n);
}

static int unknown_field(struct span name, struct err *e)
{
        char known[256];
        struct wr w = wr_of(known, sizeof(known) - 1);
        for (size_t i = 0; out_field_name(i); i++)
                wr_fmt(&w, "%s%s", i ? "," : "", out_field_name(i));
        known[wr_len(&w)] = 0;
        return err_set(e, 0, "unknown field \"%.*s\" in --output-fields; known: %s", (int)name.n,
                       name.n ? (const char *)name.p : "", known);
}

int csv_check(const char *fields, struct err *e)
{
        size_t n = 0;
        if (!fields)
                return 0;
        for (const char *p = fields; *p || n == 0; n++) {
                struct span name = next_name(&p);
                if (!field_by_name(name))
                        return unknown_field(name, e);
        }
        if (n > CSV_MAX)
                return err_set(e, 0, "--output-fields names %zu fields; at most %d are possible", n, CSV_MAX);
        return 0;
}

static void setup(void *st)
{
        struct csv *c = st;
        const char *list = c->f.conf->fields;
        svc_load();
        for (size_t i = 0; !list && i < ARRAY_LEN(all_fields); i++)
                if (all_fields[i].by_default)
                        c->fields[c->n++] = &all_fields[i];
        while (list && *list && c->n < CSV_MAX) {
                const struct csv_field *field = field_by_name(next_name(&list));
                if (field)
                        c->fields[c->n++] = field;
        }
}

static void begin(void *st, struct out_buf *b)
{
        const struct csv *c = st;
        for (size_t i = 0; i < c->n; i++) {
                buf_put(b, ",", i ? 1 : 0);
                buf_str(b, c->fields[i]->name);
        }
        buf_u8(b, '\n');
}

static void record(void *st, struct out_buf *b, const struct record *r)
{
        struct csv *c = st;
        for (size_t i = 0; i < c->n; i++) {
                buf_put(b, ",", i ? 1 : 0);
                c->fields[i]->put(&c->f, b, r);
        }
        buf_u8(b, '\n');
}

/* A line cut short lost its newline, and there is no trailer to splice with: every ended line is whole. */
static bool whole(struct span line)
{
        return line.n > 0;
}

static int64_t body_end(struct span file, bool *empty)
{
        const uint8_t *nl = file.n ? memchr(file.p, '\n', MIN(file.n, (size_t)4096)) : NULL;
        if (!nl || nl == file.p)
                return -1;
        for (const uint8_t *p = file.p, *end; p < nl; p = end + 1) {
                end = memchr(p, ',', (size_t)(nl - p));
                end = end ? end : nl;
                if (!field_by_name(span_of(p, (size_t)(end - p))))
                        return -1;
        }
        return tail_lines(file, (size_t)(nl - file.p) + 1, whole, NULL, empty);
}

const struct out_ops out_csv = {.name = "csv",
                                .ext = "csv",
                                .state_size = sizeof(struct csv),
                                .setup = setup,
                                .begin = begin,
                                .record = record,
                                .trailer = fmt_no_trailer,
                                .body_end = body_end};
