// SPDX-License-Identifier: Apache-2.0
/*
 * option: the engine under every setting: finds the row of a name, reads its value, stores it, prints it
 * back. Stands between where settings come from (args.c, file.c) and struct conf. Invariant: opt_apply()
 * changes nothing when it fails. Names are matched leniently: '-', '.', '_' and case do not count.
 */
#include "option.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- names ---- */
static bool is_filler(char c)
{
        return c == '-' || c == '.' || c == '_';
}

bool opt_same_name(const char *a, const char *b, size_t b_len)
{
        const char *end = b + b_len;
        for (;;) {
                while (is_filler(*a))
                        a++;
                while (b < end && is_filler(*b))
                        b++;
                if (!*a || *a == ' ' || b == end)
                        return (!*a || *a == ' ') && b == end;
                if (tolower((unsigned char)*a++) != tolower((unsigned char)*b++))
                        return false;
        }
}

static const char *next_word(const char *words)
{
        words += strcspn(words, " ");
        return words + strspn(words, " ");
}

static bool row_has_name(const struct opt *o, const char *name, size_t len)
{
        if (opt_same_name(o->name, name, len))
                return true;
        for (const char *w = o->aliases ? o->aliases : ""; *w; w = next_word(w))
                if (opt_same_name(w, name, len))
                        return true;
        return false;
}

const struct opt *opt_by_name(const char *name, size_t len)
{
        if (len > OPT_NAME_MAX)
                return NULL;
        for (size_t i = 0; i < opt_count(); i++)
                if (row_has_name(opt_at(i), name, len))
                        return opt_at(i);
        return NULL;
}

const struct opt *opt_by_letters(const char *text, size_t *used)
{
        const struct opt *best = NULL;
        *used = 0;
        for (size_t i = 0; i < opt_count(); i++)
                for (const char *w = opt_at(i)->letters ? opt_at(i)->letters : ""; *w; w = next_word(w)) {
                        size_t n = strcspn(w, " ");
                        if (n > *used && strncmp(w, text, n) == 0) {
                                best = opt_at(i);
                                *used = n;
                        }
                }
        return best;
}

/* ---- the nearest name: optimal string alignment distance (Damerau 1964, without repeated edits) ---- */
static size_t squeeze(char out[OPT_NAME_MAX + 1], const char *name, size_t len)
{
        size_t n = 0;
        for (size_t i = 0; i < len && name[i] && name[i] != ' ' && n < OPT_NAME_MAX; i++)
                if (!is_filler(name[i]))
                        out[n++] = (char)tolower((unsigned char)name[i]);
        out[n] = 0;
        return n;
}

static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
        unsigned row[3][OPT_NAME_MAX + 2];
        for (unsigned j = 0; j <= m; j++)
                row[0][j] = j;
        for (unsigned i = 1; i <= n; i++) {
                unsigned *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
                now[0] = i;
                for (unsigned j = 1; j <= m; j++) {
                        unsigned change = before[j - 1] + (a[i - 1] != b[j - 1]);
                        now[j] = MIN(MIN(before[j], now[j - 1]) + 1, change);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                now[j] = MIN(now[j], earlier[j - 2] + 1);
                }
        }
        return row[n % 3][m];
}

static void consider(const char *word, const char *typed, size_t typed_len, unsigned *best, const char **name)
{
        char squeezed[OPT_NAME_MAX + 1];
        size_t n = squeeze(squeezed, word, OPT_NAME_MAX);
        unsigned d = distance(typed, typed_len, squeezed, n);
        if (typed_len >= 4 && n > typed_len && strncmp(squeezed, typed, typed_len) == 0)
                d = MIN(d, 2);
        if (d < *best) {
                *best = d;
                *name = word;
        }
}

const char *opt_nearest(const char *name, size_t len)
{
        char typed[OPT_NAME_MAX + 1];
        size_t n = squeeze(typed, name, len);
        unsigned best = (unsigned)(n < 4 ? 2 : n / 3 + 2); /* from here on it is another word */
        const char *found = NULL;
        for (size_t i = 0; i < opt_count(); i++) {
                const struct opt *o = opt_at(i);
                consider(o->name, typed, n, &best, &found);
                for (const char *w = o->aliases ? o->aliases : ""; *w; w = next_word(w))
                        consider(w, typed, n, &best, &found);
        }
        return found;
}

int opt_unknown(const char *written, const char *name, size_t len, struct err *e)
{
        const char *near = opt_nearest(name, MIN(len, (size_t)OPT_NAME_MAX));
        const char *dashes = strncmp(written, "--", 2) == 0 ? "--" : "";
        if (near)
                return err_set(e, 0, "unknown option %s: did you mean %s%.*s? (trawl --help lists them all)",
                               opt_quote(written).s, dashes, (int)strcspn(near, " "), near);
        return err_set(e, 0, "unknown option %s: trawl --help lists the options there are",
                       opt_quote(written).s);
}

/* ---- storing ---- */
bool opt_is_switch(const struct opt *o)
{
        return o->arg == ARG_NONE || o->arg == ARG_MAYBE;
}

static int store_flag(struct conf *c, const struct opt *o, const char *value, struct err *e)
{
        bool on = true;
        if (value && val_bool(value, &on, e))
                return -1;
        *(bool *)opt_field(c, o) = on == (o->kind == OPT_FLAG);
        return 0;
}

static int store_whole(struct conf *c, const struct opt *o, const char *value, struct err *e)
{
        uint64_t max = o->max > 0 ? (uint64_t)o->max : o->kind == OPT_U64 ? UINT64_MAX : INT32_MAX, v;
        if (val_u64(value, (uint64_t)o->min, max, &v, e))
                return -1;
        if (o->kind == OPT_U64)
                *(uint64_t *)opt_field(c, o) = v;
        else
                *(unsigned *)opt_field(c, o) = (unsigned)v;
        return 0;
}

static int store_bytes(struct conf *c, const struct opt *o, const char *value, struct err *e)
{
        uint64_t v;
        if (val_bytes(value, &v, e))
                return -1;
        if ((double)v < o->min)
                return err_set(e, 0, "%s is too small: at least %.0f bytes are needed", opt_quote(value).s,
                               o->min);
        *(uint64_t *)opt_field(c, o) = v;
        return 0;
}

/* A limit on frames per second: as --rate reads them, and 0 for no limit. */
static int store_pps(struct conf *c, const struct opt *o, const char *value, struct err *e)
{
        double pps = 0, bps = 0;
        bool none = value[0] && strspn(value, "0.") == strlen(value);
        if (!none && val_rate(value, &pps, &bps, e))
                return -1;
        if (bps > 0)
                return err_set(
                        e, 0,
                        "%s is a bandwidth, but this limit counts packets: give packets per second, or 0",
                        opt_quote(value).s);
        *(double *)opt_field(c, o) = pps;
        return 0;
}

static int store_text(struct conf *c, const struct opt *o, const char *value, struct err *e)
{
        if (!*value)
                return err_set(e, 0, "the value is empty: give %s", o->metavar);
        for (const char *p = value; *p; p++)
                if (iscntrl((unsigned char)*p))
                        return err_set(e, 0, "%s holds a control character", opt_quote(value).s);
        char *kept = conf_keep(c, value, e);
        if (!kept)
                return -1;
        *(char **)opt_field(c, o) = kept;
        return 0;
}

static int store_choice(struct conf *c, const struct opt *o, const char *value, struct err *e)
{
        size_t i, n;
        const char *found = val_choice(o->choices, value, &i, &n);
        if (!found)
                return err_set(e, 0, "%s is not one of %s", opt_quote(value).s, o->choices);
        char *kept = conf_keep_n(c, found, n, e);
        if (!kept)
                return -1;
        *(char **)opt_field(c, o) = kept;
        return 0;
}

/* An operation. Those that only report win over those that scan, whatever the order of the arguments. */
static int store_op(struct conf *c, const struct opt *o, const char *value, struct err *e)
{
        static const uint8_t rank[] = {
                [OP_LIST] = 1,      [OP_READSCAN] = 2,     [OP_REPAIR] = 2,     [OP_DEBUG_IF] = 2,
                [OP_BENCHMARK] = 2, [OP_BENCHMARK_TX] = 2, [OP_READ_RANGE] = 3, [OP_ECHO_CIDR] = 3,
                [OP_ECHO] = 4,      [OP_SELFTEST] = 5,     [OP_IFLIST] = 5,     [OP_HELP] = 6,
                [OP_MAN] = 6,       [OP_NMAP_HELP] = 6,    [OP_VERSION] = 6,    [OP_SCAN] = 0,
                [OP_USAGE] = 0,     [OP_VULN_LIST] = 6};
        bool on = true;
        if (value && val_bool(value, &on, e))
                return -1;
        if (on && rank[o->op] >= rank[c->op])
                c->op = o->op;
        return 0;
}

/* What is not here yet may still be switched off, or named in a file that says nothing new by it. */
static int answer_later(const struct opt_use *u, struct err *e)
{
        bool on = true;
        if (opt_is_switch(u->opt) && u->value && val_bool(u->value, &on, NULL) == 0 && !on)
                return 0;
        return err_set(e, 0, "%s not in this version yet: leave the option out", u->opt->word);
}

static int store(struct conf *c, const struct opt_use *u, struct err *e)
{
        const struct opt *o = u->opt;
        switch (o->kind) {
        case OPT_FLAG:
        case OPT_FLAG_OFF:
                return store_flag(c, o, u->value, e);
        case OPT_INT:
        case OPT_UINT:
        case OPT_U64:
                return store_whole(c, o, u->value, e);
        case OPT_SECONDS:
                return val_seconds(u->value, o->min, o->max, opt_field(c, o), e);
        case OPT_NANOS:
                return val_nanos(u->value, (uint64_t)o->max, opt_field(c, o), e);
        case OPT_BYTES:
                return store_bytes(c, o, u->value, e);
        case OPT_PPS:
                return store_pps(c, o, u->value, e);
        case OPT_TEXT:
                return store_text(c, o, u->value, e);
        case OPT_CHOICE:
                return store_choice(c, o, u->value, e);
        case OPT_CALL:
                return o->set(c, u, e);
        case OPT_DO:
                return o->set ? o->set(c, u, e) : store_op(c, o, u->value, e);
        case OPT_NOOP:
                return 0;
        case OPT_LATER:
                return answer_later(u, e);
        case OPT_REFUSED:
                return err_set(e, 0, "%s", o->word);
        }
        return 0;
}

/* "file:line:column: name: why", or "--name: why". */
static int say_where(const struct opt_use *u, struct err *e)
{
        if (u->file)
                return err_wrap(e, "%s:%u:%u: %s", u->file, u->line, u->column, u->as);
        return u->as ? err_wrap(e, "%s", u->as) : -1; /* a bare target speaks for itself */
}

/* A resumed scan writes where it wrote before, unless the arguments say otherwise: then nothing of the old
 * stays. */
static void drop_checkpoint_outputs(struct conf *c, const struct opt_use *u)
{
        if (!(u->opt->flags & OPT_OUTPUT) || u->origin != FROM_ARGS || !c->private_->files_from_checkpoint)
                return;
        c->out.n_files = 0;
        c->private_->files_from_checkpoint = false;
}

int opt_apply(struct conf *c, const struct opt_use *u, struct err *e)
{
        const struct opt *o = u->opt;
        if (!u->value && !opt_is_switch(o) && o->arg != ARG_FILES && o->kind != OPT_REFUSED &&
            o->kind != OPT_LATER) {
                err_set(e, 0, "a value is missing: give %s", o->metavar);
                return say_where(u, e);
        }
        drop_checkpoint_outputs(c, u);
        if (store(c, u, e))
                return o->set == set_config
                               ? -1
                               : say_where(u, e); /* what is wrong in a file says its own place */
        c->private_->set_by[opt_row(o)] |= (uint8_t)(1u << u->origin);
        return 0;
}

/* ---- printing ---- */
void opt_dump_text(const char *name, const char *kind, const char *text, FILE *f)
{
        const char *first = kind ? kind : text;
        size_t n = strlen(text);
        bool quote = isspace((unsigned char)*first) || *first == '"' || *first == '#' ||
                     (n && isspace((unsigned char)text[n - 1]));
        const char *mark = quote ? "\"" : "";
        fprintf(f, "%s = %s%s%s%s%s\n", name, mark, kind ? kind : "", kind ? ":" : "", text, mark);
}

static void dump_value(const struct conf *c, const struct opt *o, FILE *f)
{
        const void *at = opt_field_of(c, o);
        switch (o->kind) {
        case OPT_FLAG:
                fputs(*(const bool *)at ? "true" : "false", f);
                break;
        case OPT_INT:
                fprintf(f, "%d", *(const int *)at);
                break;
        case OPT_UINT:
                fprintf(f, "%u", *(const unsigned *)at);
                break;
        case OPT_U64:
        case OPT_BYTES:
                fprintf(f, "%llu", (unsigned long long)*(const uint64_t *)at);
                break;
        case OPT_SECONDS:
        case OPT_PPS:
                fputs(val_of_double(*(const double *)at).s, f);
                break;
        default:
                assert(o->kind == OPT_NANOS);
                fputs(val_of_nanos(*(const uint64_t *)at).s, f);
        }
}

void opt_dump(const struct conf *c, const struct opt *o, FILE *f)
{
        if (o->dump) {
                o->dump(c, o, f);
                return;
        }
        if (o->kind == OPT_FLAG_OFF || o->kind > OPT_CHOICE)
                return;
        if (o->kind == OPT_TEXT || o->kind == OPT_CHOICE) {
                const char *text = *(const char *const *)opt_field_of(c, o);
                if (text)
                        opt_dump_text(o->name, NULL, text, f);
                return;
        }
        fprintf(f, "%s = ", o->name);
        dump_value(c, o, f);
        putc('\n', f);
}
