// SPDX-License-Identifier: Apache-2.0
/*
 * set_probe: rows about packets: back-ends, injected faults, the shape of a SYN. Names of back-ends and
 * profiles come from their own folders' tables, never from a list here. Invariant: SCAN_DEFAULT ("default")
 * always means "as the profile says", so a profile given later still counts.
 */
#include "option.h"
#include <math.h>
#include <stdio.h>
#include <strings.h>

/* ---- back-ends ---- */
static void list_backends(char *out, size_t cap, bool tx, bool rx)
{
        struct wr w = wr_of(out, cap - 1);
        wr_str(&w, "auto");
        for (size_t i = 0; io_table[i]; i++)
                if ((tx && io_table[i]->can_tx) || (rx && io_table[i]->can_rx))
                        wr_fmt(&w, ", %s", io_table[i]->name);
        out[wr_len(&w)] = 0;
}

static int unknown_backend(const char *name, bool tx, bool rx, struct err *e)
{
        char names[128];
        list_backends(names, sizeof(names), tx, rx);
        return err_set(e, 0, "%s is no back-end: there are %s", opt_quote(name).s, names);
}

struct backend {                  /* "name" or "name:path", taken apart */
        const struct io_ops *ops; /* NULL: auto */
        const char *path;         /* NULL: none */
};

static int parse_backend(const char *text, bool tx, bool rx, struct backend *b, struct err *e)
{
        char name[32];
        size_t n = strcspn(text, ":");
        snprintf(name, sizeof(name), "%.*s", (int)MIN(n, sizeof(name) - 1), text);
        *b = (struct backend){.path = text[n] ? text + n + 1 : NULL};
        if (strcasecmp(text, "auto") == 0)
                return 0;
        b->ops = io_by_name(name);
        if (!b->ops || n >= sizeof(name))
                return unknown_backend(text, tx, rx, e);
        if (b->ops->missing)
                return err_set(e, 0, "the back-end \"%s\" was not compiled in: install %s and build again",
                               name, b->ops->missing);
        if (b->path && !*b->path)
                return err_set(e, 0, "%s names no file: write %s:PATH", opt_quote(text).s, name);
        if (!b->path && strcmp(name, "file") == 0)
                return err_set(e, 0, "\"file\" needs a path: write file:PATH");
        return b->path ? opt_check_path(b->path, e) : 0;
}

static int keep_backend(struct conf *c, const struct backend *b, const char **name, char **file,
                        struct err *e)
{
        char *path = b->path ? conf_keep(c, b->path, e) : NULL;
        if (b->path && !path)
                return -1;
        *name = b->ops ? b->ops->name : "auto";
        *file = path;
        return 0;
}

int set_io_tx(struct conf *c, const struct opt_use *u, struct err *e)
{
        struct backend b;
        if (parse_backend(u->value, true, false, &b, e))
                return -1;
        if (b.ops && !b.ops->can_tx)
                return err_set(e, 0, "the back-end %s only receives: give it to --io-rx",
                               opt_quote(u->value).s);
        return keep_backend(c, &b, &c->io_tx, &c->tx_file, e);
}

int set_io_rx(struct conf *c, const struct opt_use *u, struct err *e)
{
        struct backend b;
        if (parse_backend(u->value, false, true, &b, e))
                return -1;
        if (b.ops && !b.ops->can_rx)
                return err_set(e, 0, "the back-end %s only sends: give it to --io-tx", opt_quote(u->value).s);
        return keep_backend(c, &b, &c->io_rx, &c->rx_file, e);
}

/* Turned off, it takes back what it did, and leaves other choices alone. */
int set_pfring(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool on = true;
        if (u->value && val_bool(u->value, &on, e))
                return -1;
        const char *name = on ? "pfring" : "auto";
        if (on || strcmp(c->io_tx, "pfring") == 0) {
                c->io_tx = name;
                c->tx_file = NULL;
                conf_mark_set(c, "io-tx", u->origin);
        }
        if (on || strcmp(c->io_rx, "pfring") == 0) {
                c->io_rx = name;
                c->rx_file = NULL;
                conf_mark_set(c, "io-rx", u->origin);
        }
        return 0;
}

/* Both ways at once; a back-end that can only send, or only receive, leaves the other way to auto. */
int set_io(struct conf *c, const struct opt_use *u, struct err *e)
{
        static const struct backend by_itself = {.ops = NULL};
        struct backend b;
        if (parse_backend(u->value, true, true, &b, e))
                return -1;
        if (b.path)
                return err_set(e, 0,
                               "%s: one file cannot be written and read at once: use --io-tx or --io-rx",
                               opt_quote(u->value).s);
        conf_mark_set(c, "io-tx", u->origin);
        conf_mark_set(c, "io-rx", u->origin);
        return keep_backend(c, b.ops && !b.ops->can_tx ? &by_itself : &b, &c->io_tx, &c->tx_file, e) ||
                               keep_backend(c, b.ops && !b.ops->can_rx ? &by_itself : &b, &c->io_rx,
                                            &c->rx_file, e)
                       ? -1
                       : 0;
}

static void dump_backend(const struct opt *o, const char *name, const char *path, FILE *f)
{
        opt_dump_text(o->name, path ? name : NULL, path ? path : name, f);
}

void dump_io_tx(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_backend(o, c->io_tx, c->tx_file, f);
}

void dump_io_rx(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_backend(o, c->io_rx, c->rx_file, f);
}

/* ---- faults: "drop=500,dup=5%,seed=7" ---- */
static const struct {
        const char *name;
        size_t offset;
} faults[] = {{"drop", offsetof(struct io_fault, drop)},
              {"dup", offsetof(struct io_fault, duplicate)},
              {"corrupt", offsetof(struct io_fault, corrupt)},
              {"truncate", offsetof(struct io_fault, truncate)},
              {"reorder", offsetof(struct io_fault, reorder)}};

static int fault_share(const char *text, uint32_t *out, struct err *e)
{
        size_t n = strlen(text);
        char number[24];
        bool percent = n && text[n - 1] == '%';
        double v;
        snprintf(number, sizeof(number), "%.*s", (int)MIN(n - percent, sizeof(number) - 1), text);
        if (n >= sizeof(number) || val_double(number, 0, percent ? 100 : 10000, &v, NULL))
                return err_set(e, 0, "%s is no share: give 0 to 10000 (of 10000), or a percentage as in 5%%",
                               opt_quote(text).s);
        *out = (uint32_t)lround(percent ? v * 100 : v);
        return 0;
}

static int one_fault(struct io_fault *fault, const char *item, size_t n, struct err *e)
{
        char text[64];
        size_t name_len = strcspn(item, "=,");
        snprintf(text, sizeof(text), "%.*s", (int)MIN(n, sizeof(text) - 1), item);
        if (name_len == n || n >= sizeof(text))
                return err_set(e, 0, "%s is no fault: write name=share, as in drop=5%%", opt_quote(text).s);
        if (opt_same_name("seed", text, name_len))
                return val_u64(text + name_len + 1, 0, UINT64_MAX, &fault->seed, e);
        for (size_t i = 0; i < ARRAY_LEN(faults); i++)
                if (opt_same_name(faults[i].name, text, name_len))
                        return fault_share(text + name_len + 1,
                                           (uint32_t *)((char *)fault + faults[i].offset), e);
        return err_set(e, 0, "%s is no fault: there are drop, dup, corrupt, truncate, reorder, and seed",
                       opt_quote(text).s);
}

int set_fault(struct conf *c, const struct opt_use *u, struct err *e)
{
        struct io_fault fault = {0};
        for (const char *p = u->value; *p;) {
                size_t n = strcspn(p, ",");
                if (one_fault(&fault, p, n, e))
                        return -1;
                p += n + (p[n] == ',');
        }
        *(struct io_fault *)opt_field(c, u->opt) = fault;
        return 0;
}

void dump_fault(const struct conf *c, const struct opt *o, FILE *f)
{
        const struct io_fault *fault = opt_field_of(c, o);
        fprintf(f, "%s = ", o->name);
        for (size_t i = 0; i < ARRAY_LEN(faults); i++)
                fprintf(f, "%s=%u,", faults[i].name,
                        *(const uint32_t *)((const char *)fault + faults[i].offset));
        fprintf(f, "seed=%llu\n", (unsigned long long)fault->seed);
}

/* ---- the SYN ---- */
int set_profile(struct conf *c, const struct opt_use *u, struct err *e)
{
        int profile = scan_profile_by_name(u->value);
        if (profile < 0)
                return err_set(e, 0, "%s is no SYN profile: there are %s", opt_quote(u->value).s,
                               scan_profile_names());
        c->syn.profile = (enum syn_profile)profile;
        return 0;
}

void dump_profile(const struct conf *c, const struct opt *o, FILE *f)
{
        char name[32];
        for (const char *p = scan_profile_names(); *p;) {
                size_t n = strcspn(p, "|");
                snprintf(name, sizeof(name), "%.*s", (int)n, p);
                if (scan_profile_by_name(name) == (int)c->syn.profile)
                        fprintf(f, "%s = %s\n", o->name, name);
                p += n + (p[n] == '|');
        }
}

static const struct tcp_option {
        size_t offset;
        int on, off, max;
} tcp_options[] = {{offsetof(struct conf, syn.mss), 1460, 0, 65535},
                   {offsetof(struct conf, syn.wscale), 3, -2, 14}, /* RFC 7323 §2.3 */
                   {offsetof(struct conf, syn.sackok), 1, 0, 1},
                   {offsetof(struct conf, syn.tsecho), 1, 0, SCAN_TSVAL_MAX}};

static const struct tcp_option *tcp_option_of(const struct opt *o)
{
        size_t i = 0;
        while (i < ARRAY_LEN(tcp_options) && tcp_options[i].offset != o->offset)
                i++;
        assert(i < ARRAY_LEN(tcp_options));
        return &tcp_options[i];
}

int set_tcp_option(struct conf *c, const struct opt_use *u, struct err *e)
{
        const struct tcp_option *t = tcp_option_of(u->opt);
        int *field = opt_field(c, u->opt);
        const char *text = u->value ? u->value : "true";
        uint64_t number;
        bool on;
        if (strcasecmp(text, "default") == 0) {
                *field = SCAN_DEFAULT;
                return 0;
        }
        if (strspn(text, "0123456789") == strlen(text) && *text) {
                if (val_u64(text, 0, (uint64_t)t->max, &number, e))
                        return -1;
                *field = (int)number;
                return 0;
        }
        if (val_bool(text, &on, e))
                return -1;
        *field = on ? t->on : t->off;
        return 0;
}

void dump_tcp_option(const struct conf *c, const struct opt *o, FILE *f)
{
        const struct tcp_option *t = tcp_option_of(o);
        int v = *(const int *)opt_field_of(c, o);
        if (v == SCAN_DEFAULT)
                fprintf(f, "%s = default\n", o->name);
        else if (v == t->off)
                fprintf(f, "%s = false\n", o->name);
        else
                fprintf(f, "%s = %d\n", o->name, v);
}

int set_ttl(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint64_t ttl = 0;
        if (strcasecmp(u->value, "default") != 0 && val_u64(u->value, 0, 255, &ttl, e))
                return -1;
        c->syn.ttl = ttl ? (int)ttl : SCAN_DEFAULT;
        return 0;
}

void dump_ttl(const struct conf *c, const struct opt *o, FILE *f)
{
        if (c->syn.ttl == SCAN_DEFAULT)
                fprintf(f, "%s = default\n", o->name);
        else
                fprintf(f, "%s = %d\n", o->name, c->syn.ttl);
}
