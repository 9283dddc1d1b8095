// SPDX-License-Identifier: Apache-2.0
/*
 * conf: the life of a configuration: defaults, the default file, a resumed checkpoint, the arguments in
 * order, then what can only be done when all are known. Owns every string the fields point to. Invariant:
 * after conf_parse() returned 0 the fields contradict neither each other nor what this version can do.
 */
#include "option.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- what a configuration owns ---- */
char *conf_keep_n(struct conf *c, const char *text, size_t n, struct err *e)
{
        struct conf_private *p = c->private_;
        if (p->n_strings >= CONF_STRINGS_MAX) {
                err_set(e, 0, "more than %d settings: put the targets into a file and give it with -iL",
                        CONF_STRINGS_MAX);
                return NULL;
        }
        if (mem_grow(&p->strings, &p->cap_strings, p->n_strings + 1, sizeof(*p->strings), e))
                return NULL;
        char *copy = malloc(n + 1);
        if (!copy) {
                err_set(e, 0, "out of memory for a setting of %zu bytes", n);
                return NULL;
        }
        memcpy(copy, text, n);
        copy[n] = 0;
        p->strings[p->n_strings++] = copy;
        return copy;
}

char *conf_keep(struct conf *c, const char *text, struct err *e)
{
        return conf_keep_n(c, text, strlen(text), e);
}

/* Not kept with the others: whoever runs the scan may put another name in its place. */
int conf_own_checkpoint(struct conf *c, const char *path, struct err *e)
{
        char *copy = path ? strdup(path) : NULL;
        if (path && !copy)
                return err_set(e, 0, "out of memory for a file name");
        free(c->checkpoint_file);
        c->checkpoint_file = copy;
        return 0;
}

int conf_note(struct conf *c, struct err *e, const char *fmt, ...)
{
        struct conf_private *p = c->private_;
        char line[256];
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
        if (n < 0 || p->n_notes > 1 << 16)
                return 0;
        size_t len = MIN((size_t)n, sizeof(line) - 1) + 1;
        if (mem_grow(&p->notes, &p->cap_notes, p->n_notes + len, 1, e))
                return -1;
        memcpy(p->notes + p->n_notes, line, len);
        p->n_notes += len;
        return 0;
}

static void say_notes(const struct conf_private *p)
{
        for (size_t i = 0; i < p->n_notes; i += strlen(p->notes + i) + 1)
                log_say(LOG_INFO, "%s", p->notes + i);
}

bool conf_row_set(const struct conf *c, const struct opt *o, unsigned origins)
{
        return (c->private_->set_by[opt_row(o)] & origins) != 0;
}

void conf_mark_set(struct conf *c, const char *name, enum opt_origin origin)
{
        const struct opt *o = opt_by_name(name, strlen(name));
        assert(o);
        c->private_->set_by[opt_row(o)] |= (uint8_t)(1u << origin);
}

bool conf_was_set(const struct conf *c, const char *option)
{
        const struct opt *o = opt_by_name(option, strlen(option));
        assert(o);
        return conf_row_set(c, o, 1u << FROM_ARGS);
}

const char *conf_state(const struct conf *c, const char *key)
{
        const struct conf_private *p = c->private_;
        for (size_t i = 0; i + 1 < p->n_state; i += 2)
                if (strcmp(p->state[i], key) == 0)
                        return p->state[i + 1];
        return NULL;
}

/* ---- birth and death ---- */
static int set_defaults(struct conf *c, struct err *e)
{
        c->shard = c->shards = 1;
        c->syn.ttl = c->syn.mss = c->syn.wscale = c->syn.sackok = c->syn.tsecho = SCAN_DEFAULT;
        c->out.show = 1u << PORT_OPEN | 1u << PORT_UP | 1u << PORT_BANNER;
        c->out.flush_ns = NS_PER_S;
        c->capture[CAPTURE_CERT] = c->session.tls = true;
        assert(opt_count() <= OPT_ROWS_MAX);
        for (size_t i = 0; i < opt_count(); i++) {
                struct opt_use u = {
                        .opt = opt_at(i), .value = opt_at(i)->dflt, .key = "", .origin = FROM_DEFAULT};
                if (u.value && opt_apply(c, &u, e))
                        return -1;
        }
        c->has_rate = c->has_seed = false;
        return 0;
}

int conf_new(struct conf **out, struct err *e)
{
        struct conf *c = calloc(1, sizeof(*c));
        if (c)
                c->private_ = calloc(1, sizeof(*c->private_));
        if (!c || !c->private_) {
                free(c);
                return err_set(e, 0, "out of memory for the configuration");
        }
        if (tgt_set_new(&c->include, e) || tgt_set_new(&c->exclude, e) || tgt_ports_new(&c->ports, e) ||
            tgt_ports_new(&c->private_->no_ports, e) || set_defaults(c, e)) {
                conf_free(c);
                return -1;
        }
        *out = c;
        return 0;
}

void conf_free(struct conf *c)
{
        if (!c)
                return;
        struct conf_private *p = c->private_;
        tgt_set_free(c->include);
        tgt_set_free(c->exclude);
        tgt_ports_free(c->ports);
        tgt_ports_free(p->no_ports);
        for (size_t i = 0; i < p->n_strings; i++)
                free(p->strings[i]);
        free(p->strings);
        free(p->later);
        free(p->notes);
        free(p->state);
        free(p);
        banner_conf_free(&c->session.banner);
        free(c->hellos);
        free(c->out.files);
        free(c->files);
        free(c->checkpoint_file);
        free(c);
}

/* ---- reading everything ---- */
static bool named_masscan(const char *argv0)
{
        const char *slash = strrchr(argv0, '/');
        return strcmp(slash ? slash + 1 : argv0, "masscan") == 0;
}

static int keep_command_line(struct conf *c, int argc, char **argv, struct err *e)
{
        size_t n = 1;
        for (int i = 0; i < argc; i++)
                n += strlen(argv[i]) + 1;
        char *line = malloc(n);
        if (!line)
                return err_set(e, 0, "out of memory for a command line of %zu bytes", n);
        struct wr w = wr_of(line, n);
        for (int i = 0; i < argc; i++) {
                wr_str(&w, i ? " " : "");
                wr_str(&w, argv[i]);
        }
        wr_u8(&w, 0);
        c->command_line = conf_keep(c, line, e);
        free(line);
        return c->command_line ? 0 : -1;
}

struct glance { /* what must be known before anything is applied */
        const char *resume;
        bool readscan, at_once;
};

static int glance_at(int argc, char **argv, struct glance *g, struct err *e)
{
        struct arg_walk w = {.argc = argc, .argv = argv, .i = 1};
        struct opt_use u;
        const struct opt *resume = opt_by_name("resume", 6);
        int got;
        while ((got = args_next(&w, &u, e)) > 0) {
                if (!u.opt)
                        continue;
                if (u.opt == resume && u.value)
                        g->resume = u.value; /* points into argv */
                g->readscan |= u.opt->op == OP_READSCAN;
                g->at_once |= (u.opt->flags & OPT_AT_ONCE) != 0;
                if (g->at_once)
                        break;
        }
        args_free(&w);
        return got < 0 ? -1 : 0;
}

static int bare_target(struct conf *c, const struct opt_use *u, struct err *e)
{
        size_t n = strlen(u->value);
        if (!strpbrk(u->value, ".:/") && opt_by_name(u->value, n))
                return err_set(e, 0,
                               "%s is an option without its dashes: write --%s (or --range %s for a host of "
                               "that name)",
                               opt_quote(u->value).s, u->value, u->value);
        struct opt_use target = *u;
        target.opt = opt_by_name("range", 5);
        target.as = NULL;
        return opt_apply(c, &target, e);
}

static int apply_args(struct conf *c, int argc, char **argv, struct err *e)
{
        struct arg_walk w = {.argc = argc, .argv = argv, .i = 1};
        struct opt_use u;
        int got;
        while ((got = args_next(&w, &u, e)) > 0) {
                if (u.opt ? opt_apply(c, &u, e) : bare_target(c, &u, e)) {
                        got = -1;
                        break;
                }
                if (u.opt && u.opt->flags & OPT_AT_ONCE)
                        break;
        }
        args_free(&w);
        return got < 0 ? -1 : 0;
}

static int read_files(struct conf *c, const struct glance *g, struct err *e)
{
        const char *path = c->as_masscan ? "/etc/masscan/masscan.conf" : "/etc/trawl/trawl.conf";
        if (!g->readscan && !g->resume && conf_exists(path) && conf_file(c, path, e))
                return -1;
        return g->resume ? conf_resume(c, g->resume, e) : 0;
}

/* Under its predecessor's name the program has its predecessor's habits. */
static void masscan_habits(struct conf *c)
{
        c->max_rate_per_host = 0;
        conf_mark_set(c, "max-rate-per-host", FROM_FILE);
}

static bool is_report(enum conf_op op)
{
        return op == OP_HELP || op == OP_MAN || op == OP_NMAP_HELP || op == OP_VERSION ||
               op == OP_VULN_LIST || op == OP_IFLIST || op == OP_SELFTEST;
}

static int finish(struct conf *c, struct err *e)
{
        run_finish(c);
        if (targets_finish(c, e) || outputs_finish(c, e) || (c->banners && banners_finish(c, e)) ||
            conf_check(c, e))
                return -1;
        say_notes(c->private_);
        return 0;
}

int conf_parse(struct conf *c, int argc, char **argv, struct err *e)
{
        struct glance g = {0};
        c->as_masscan = argc > 0 && named_masscan(argv[0]);
        if (argc < 2) {
                c->op = OP_USAGE;
                return 0;
        }
        if (c->as_masscan)
                masscan_habits(c);
        if (keep_command_line(c, argc, argv, e) || glance_at(argc, argv, &g, e))
                return -1;
        if (!g.at_once && read_files(c, &g, e))
                return -1;
        if (apply_args(c, argc, argv, e))
                return -1;
        return is_report(c->op) ? 0 : finish(c, e);
}

/* ---- and writing it back ---- */
int conf_echo(const struct conf *c, FILE *f, bool with_targets, bool all)
{
        fprintf(f, "# trawl %s settings\n", TRAWL_VERSION);
        for (size_t i = 0; i < opt_count(); i++) {
                const struct opt *o = opt_at(i);
                if (o->flags & OPT_TARGETS && !with_targets)
                        continue;
                if (all || o->flags & (OPT_ALWAYS | OPT_TARGETS) || conf_row_set(c, o, ~(1u << FROM_DEFAULT)))
                        opt_dump(c, o, f);
        }
        return ferror(f) ? -1 : 0;
}
