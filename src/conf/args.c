// SPDX-License-Identifier: Apache-2.0
/*
 * args: the command line as a run of options with their values, and bare arguments (targets). Knows how much
 * of the line each row takes; stores nothing. Invariant: every argument is handed out exactly once or
 * refused.
 *
 *   --name=value  --name:value  --name value  --name[2]=value     long; a switch takes a value only after '='
 *   -p80  -p 80  -nv  -iL FILE  -sSU  -vv  -v3                    short; one or two letters, may be run
 * together 10.0.0.0/8  [fe80::1]  example.org  10.0.0.1 - 10.0.0.9       bare: targets
 */
#include "option.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

void args_free(struct arg_walk *w)
{
        free(w->joined);
        w->joined = NULL;
}

static int key_index(struct opt_use *u, const char *written, struct err *e)
{
        uint64_t i;
        if (u->opt->flags & OPT_KEYED)
                return 0;
        if (!(u->opt->flags & OPT_INDEXED))
                return err_set(e, 0, "%s: the option takes no [index]: write it without the brackets",
                               opt_quote(written).s);
        if (val_u64(u->key, 0, CONF_ADAPTERS_MAX - 1, &i, e))
                return err_wrap(e, "%s: the number in brackets says which adapter is meant",
                                opt_quote(written).s);
        u->index = (unsigned)i;
        return 0;
}

int args_name(struct opt_use *u, const char *written, const char *name, size_t len, char *key, struct err *e)
{
        size_t n = 0;
        while (n < len && name[n] != '[')
                n++;
        u->opt = opt_by_name(name, n);
        u->index = 0;
        key[0] = 0;
        u->key = key;
        if (!u->opt)
                return opt_unknown(written, name, n, e);
        if (n == len)
                return 0;
        size_t key_len = len - n >= 2 && name[len - 1] == ']' ? len - n - 2 : 0;
        if (key_len == 0 || key_len > OPT_NAME_MAX)
                return err_set(e, 0, "%s: the brackets do not hold an index: write it as in --adapter[1]",
                               opt_quote(written).s);
        memcpy(key, name + n + 1, key_len);
        key[key_len] = 0;
        return key_index(u, written, e);
}

/* Does the argument look like the value of a switch that may have one: a number, a yes or no, "10:udp"? */
static bool is_maybe_value(const char *arg)
{
        size_t digits = strspn(arg, "0123456789");
        if (!digits)
                return val_is_bool_word(arg) && *arg;
        arg += digits;
        return !*arg || strcasecmp(arg, ":udp") == 0 || strcasecmp(arg, ":tcp") == 0;
}

/* The next argument as the value of an option that must have one. A known option there was hardly meant as
 * such. */
static int take_next(struct arg_walk *w, struct opt_use *u, struct err *e)
{
        if (w->i >= w->argc)
                return err_set(e, 0, "%s: a value is missing at the end of the line: give %s", w->as,
                               u->opt->metavar);
        const char *next = w->argv[w->i];
        if (strncmp(next, "--", 2) == 0 && next[2] && opt_by_name(next + 2, strcspn(next + 2, "=:[")))
                return err_set(e, 0, "%s: a value is missing: %s is itself an option", w->as,
                               opt_quote(next).s);
        u->value = next;
        w->i++;
        return 0;
}

static void take_files(struct arg_walk *w, struct opt_use *u)
{
        u->files = w->argv + w->i;
        while (w->i < w->argc && (w->argv[w->i][0] != '-' || !w->argv[w->i][1]))
                w->i++;
        u->n_files = (size_t)(w->argv + w->i - u->files);
}

static int take_value(struct arg_walk *w, struct opt_use *u, struct err *e)
{
        const struct opt *o = u->opt;
        if (o->kind == OPT_LATER || o->kind == OPT_REFUSED)
                return 0; /* the answer does not depend on it */
        if (o->arg == ARG_FILES)
                take_files(w, u);
        else if (o->arg == ARG_ONE && !u->value)
                return take_next(w, u, e);
        else if (o->arg == ARG_MAYBE && !u->value && w->i < w->argc && is_maybe_value(w->argv[w->i]))
                u->value = w->argv[w->i++];
        return 0;
}

static int long_option(struct arg_walk *w, const char *arg, struct opt_use *u, struct err *e)
{
        const char *name = arg + 2;
        size_t len = strcspn(name, "[=:");
        if (name[len] == '[') {
                const char *close = strchr(name, ']');
                len = close ? (size_t)(close - name) + 1 : strlen(name);
        }
        snprintf(w->as, sizeof(w->as), "--%.*s", (int)MIN(len, (size_t)OPT_NAME_MAX), name);
        if (args_name(u, w->as, name, len, w->key, e))
                return -1;
        if (name[len] && name[len] != '=' && name[len] != ':')
                return err_set(e, 0, "%s is not understood: write --name=value", opt_quote(arg).s);
        if (name[len])
                u->value = name + len + 1;
        return take_value(w, u, e) ? -1 : 1;
}

/* "-rate" and its like: a long name with one dash only would be read as a run of letters. */
static bool is_long_name(const char *arg)
{
        size_t n = arg ? strcspn(arg + 1, "=:[") : 0;
        return n > 2 && opt_by_name(arg + 1, n);
}

static int short_value(struct arg_walk *w, struct opt_use *u, const char *rest, struct err *e)
{
        const struct opt *o = u->opt;
        w->cluster = NULL;
        if (o->kind == OPT_LATER || o->kind == OPT_REFUSED)
                return 1;
        if (o->arg == ARG_ONE) {
                if (*rest == '=')
                        rest++;
                if (*rest)
                        u->value = rest;
                return !u->value && take_next(w, u, e) ? -1 : 1;
        }
        if (o->arg == ARG_MAYBE && isdigit((unsigned char)*rest)) {
                u->value = rest;
                return 1;
        }
        if (*rest)
                w->cluster = rest;
        return 1;
}

/* One option out of a run of letters. After -s the letters that follow are more scan types: -sSU is -sS -sU.
 */
static int short_option(struct arg_walk *w, const char *arg, struct opt_use *u, struct err *e)
{
        char text[3] = {w->prefix[0], w->cluster[0], 0};
        bool more_types = w->prefix[0] != 0;
        size_t used;
        if (is_long_name(arg))
                return err_set(e, 0, "%s: long names take two dashes: write -%.*s", opt_quote(arg).s,
                               OPT_NAME_MAX, arg);
        u->opt = opt_by_letters(more_types ? text : w->cluster, &used);
        if (!u->opt || (more_types && used != 2))
                return err_set(e, 0, "unknown option \"-%.2s\": trawl --help lists the options there are",
                               more_types ? text : w->cluster);
        const char *letters = more_types ? text : w->cluster;
        snprintf(w->as, sizeof(w->as), "-%.*s", (int)used, letters);
        u->letter = letters[used - 1];
        u->key = "";
        w->prefix[0] = letters[0] == 's' && used == 2 ? 's' : 0;
        return short_value(w, u, w->cluster + (more_types ? 1 : used), e);
}

static int bare(struct arg_walk *w, const char *arg, struct opt_use *u, struct err *e)
{
        bool spaced = w->i + 1 < w->argc && strcmp(w->argv[w->i], "-") == 0;
        u->opt = NULL;
        u->value = arg;
        if (!spaced)
                return 1;
        const char *end = w->argv[w->i + 1];
        size_t n = strlen(arg) + strlen(end) + 4;
        free(w->joined);
        w->joined = malloc(n);
        if (!w->joined)
                return err_set(e, 0, "out of memory for an argument of %zu bytes", n);
        snprintf(w->joined, n, "%s - %s", arg, end);
        u->value = w->joined;
        w->i += 2;
        return 1;
}

int args_next(struct arg_walk *w, struct opt_use *u, struct err *e)
{
        *u = (struct opt_use){.origin = FROM_ARGS, .as = w->as, .key = ""};
        if (w->cluster)
                return short_option(w, NULL, u, e);
        w->prefix[0] = 0;
        if (w->i >= w->argc)
                return 0;
        const char *arg = w->argv[w->i++];
        if (w->only_targets || arg[0] != '-')
                return bare(w, arg, u, e);
        if (!arg[1])
                return err_set(e, 0, "\"-\" stands alone: to read targets from standard input write -iL -");
        if (arg[1] != '-') {
                w->cluster = arg + 1;
                return short_option(w, arg, u, e);
        }
        if (arg[2])
                return long_option(w, arg, u, e);
        w->only_targets = true;
        return args_next(w, u, e);
}
