// SPDX-License-Identifier: Apache-2.0
/*
 * set_misc: rows about files that are read (configurations, checkpoints, scan files), about how much is said
 * and how much of the machine is used. Invariant: --resume is acted on before any other option is applied,
 * wherever it stands.
 */
#include "option.h"
#include <stdio.h>
#include <strings.h>

int set_config(struct conf *c, const struct opt_use *u, struct err *e)
{
        return conf_file(c, u->value, e);
}

int set_resume(struct conf *c, const struct opt_use *u, struct err *e)
{
        (void)c;
        if (u->origin != FROM_ARGS)
                return err_set(e, 0,
                               "%s: a checkpoint is resumed from the command line only: trawl --resume FILE",
                               opt_quote(u->value).s);
        return 0; /* conf_parse() has read it before the first option */
}

int set_checkpoint(struct conf *c, const struct opt_use *u, struct err *e)
{
        if (!*u->value || strcmp(u->value, "-") == 0)
                return err_set(
                        e, 0, "%s is no file: a checkpoint is rewritten every second (--no-checkpoint: none)",
                        opt_quote(u->value).s);
        return opt_check_path(u->value, e) ? -1 : conf_own_checkpoint(c, u->value, e);
}

int set_no_checkpoint(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool on = true;
        if (u->value && val_bool(u->value, &on, e))
                return -1;
        conf_mark_set(c, "checkpoint", u->origin);
        return on ? conf_own_checkpoint(c, NULL, e) : 0;
}

void dump_checkpoint(const struct conf *c, const struct opt *o, FILE *f)
{
        if (c->checkpoint_file)
                opt_dump_text(o->name, NULL, c->checkpoint_file, f);
        else
                fputs("no-checkpoint = true\n", f);
}

/* -v, -vv, -v3: each letter one more, a number is the level itself. */
int set_level(struct conf *c, const struct opt_use *u, struct err *e)
{
        int *level = opt_field(c, u->opt);
        uint64_t v = (uint64_t)*level + 1;
        if (u->value && val_u64(u->value, 0, 9, &v, e))
                return -1;
        *level = (int)MIN(v, (uint64_t)9);
        return 0;
}

void dump_level(const struct conf *c, const struct opt *o, FILE *f)
{
        fprintf(f, "%s = %d\n", o->name, *(const int *)opt_field_of(c, o));
}

int set_debug(struct conf *c, const struct opt_use *u, struct err *e)
{
        if (strcasecmp(u->value, "if") != 0)
                return err_set(e, 0,
                               "%s is not known: --debug if shows what would be used for the targets (more "
                               "messages: -d)",
                               opt_quote(u->value).s);
        if (c->op == OP_SCAN || c->op == OP_LIST)
                c->op = OP_DEBUG_IF;
        return 0;
}

static int add_file(struct conf *c, const char *path, struct err *e)
{
        if (!*path)
                return err_set(e, 0, "a file name is empty");
        if (c->n_files >= CONF_FILES_MAX)
                return err_set(e, 0, "%s: more than %d files", opt_quote(path).s, CONF_FILES_MAX);
        if (mem_grow(&c->files, &c->private_->cap_files, c->n_files + 1, sizeof(*c->files), e))
                return -1;
        c->files[c->n_files] = conf_keep(c, path, e);
        return c->files[c->n_files++] ? 0 : -1;
}

int set_files(struct conf *c, const struct opt_use *u, struct err *e)
{
        if (c->op != u->opt->op && (c->op == OP_READSCAN || c->op == OP_REPAIR))
                return err_set(e, 0, "--readscan and --repair contradict each other: do one after the other");
        if (u->value && add_file(c, u->value, e))
                return -1;
        for (size_t i = 0; i < u->n_files; i++)
                if (add_file(c, u->files[i], e))
                        return -1;
        if (c->n_files == 0)
                return err_set(e, 0, "a file name is missing: give one or more %s", u->opt->metavar);
        if (c->op == OP_SCAN || c->op == OP_LIST)
                c->op = u->opt->op;
        return 0;
}

int set_banner_types(struct conf *c, const struct opt_use *u, struct err *e)
{
        char name[32];
        for (const char *p = u->value + strspn(u->value, ", "); *p;) {
                size_t n = strcspn(p, ", ");
                snprintf(name, sizeof(name), "%.*s", (int)MIN(n, sizeof(name) - 1), p);
                int app = result_app_by_name(name);
                if (app < 0 || n >= sizeof(name))
                        return err_set(e, 0, "%s is no banner type: http, ssh, ftp, ssl and the like are",
                                       opt_quote_n(p, n).s);
                if (c->n_banner_types >= ARRAY_LEN(c->banner_types))
                        return err_set(e, 0, "%s: more than %zu banner types", opt_quote_n(p, n).s,
                                       ARRAY_LEN(c->banner_types));
                c->banner_types[c->n_banner_types++] = (uint16_t)app;
                p += n;
                p += strspn(p, ", ");
        }
        return 0;
}

void dump_banner_types(const struct conf *c, const struct opt *o, FILE *f)
{
        for (size_t i = 0; i < c->n_banner_types; i++) {
                const char *name = result_app_name(c->banner_types[i]);
                if (name)
                        fprintf(f, "%s = %s\n", o->name, name);
        }
}

int set_echo_all(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool on = true;
        if (u->value && val_bool(u->value, &on, e))
                return -1;
        c->echo_all |= on;
        if (on && c->op < OP_ECHO)
                c->op = OP_ECHO;
        return 0;
}

/* Whether this CPU has the level is asked when all is known: a checkpoint may come from another machine. */
int set_cpu_mask(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint64_t number;
        int level = 0;
        if (strcasecmp(u->value, "auto") == 0) {
                c->cpu_mask = -1;
                return 0;
        }
        while (level < CPU_LEVELS && strcasecmp(u->value, cpu_level_name((enum cpu_level)level)) != 0)
                level++;
        if (level == CPU_LEVELS && val_u64(u->value, 0, CPU_LEVELS - 1, &number, NULL) == 0)
                level = (int)number;
        if (level == CPU_LEVELS)
                return err_set(e, 0,
                               "%s is no level of instructions: give c (0), avx2 (1), avx512 (2) or auto",
                               opt_quote(u->value).s);
        c->cpu_mask = level;
        return 0;
}

void dump_cpu_mask(const struct conf *c, const struct opt *o, FILE *f)
{
        fprintf(f, "%s = %s\n", o->name,
                c->cpu_mask < 0 ? "auto" : cpu_level_name((enum cpu_level)c->cpu_mask));
}

int set_offline(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool on = true, frames = u->value && strcasecmp(u->value, "frames") == 0;
        if (u->value && !frames && val_bool(u->value, &on, NULL))
                return err_set(e, 0, "%s is not yes, no or frames", opt_quote(u->value).s);
        c->offline = on;
        c->offline_frames = frames;
        return 0;
}

void dump_offline(const struct conf *c, const struct opt *o, FILE *f)
{
        fprintf(f, "%s = %s\n", o->name, c->offline_frames ? "frames" : c->offline ? "true" : "false");
}
