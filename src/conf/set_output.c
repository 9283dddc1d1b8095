// SPDX-License-Identifier: Apache-2.0
/*
 * set_output: rows that say what comes out and where. Formats are found in output's own table. -oX and its
 * kin each add a file; --output-format and --output-filename describe one more (the pair), the last of each
 * winning; a file name alone means XML. A pair that only a file gave makes way for an output named after it
 * on the command line. Invariant: no two outputs share a file.
 */
#include "option.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static int unknown_format(const char *name, struct err *e)
{
        char names[192];
        struct wr w = wr_of(names, sizeof(names) - 1);
        for (size_t i = 0; out_table[i]; i++)
                wr_fmt(&w, "%s%s", i ? ", " : "", out_table[i]->name);
        names[wr_len(&w)] = 0;
        if (strcasecmp(name, "redis") == 0)
                return err_set(e, 0, "the format %s is not in this version yet: there are %s",
                               opt_quote(name).s, names);
        return err_set(e, 0, "%s is no output format: there are %s", opt_quote(name).s, names);
}

static const char *format_by_name(const char *written, struct err *e)
{
        const struct out_ops *ops = out_by_name(written);
        if (!ops)
                unknown_format(written, e);
        return ops ? ops->name : NULL;
}

int opt_check_path(const char *path, struct err *e)
{
        if (!*path)
                return err_set(e, 0, "the file name is empty: give a path, or - for standard output");
        for (const char *p = path; *p; p++)
                if (iscntrl((unsigned char)*p))
                        return err_set(e, 0, "%s holds a control character: not as a file name",
                                       opt_quote(path).s);
        return 0;
}

static int add_output(struct conf *c, const char *format, const char *path, enum opt_origin origin,
                      struct err *e)
{
        if (opt_check_path(path, e))
                return -1;
        if (c->out.n_files >= CONF_FILES_MAX)
                return err_set(e, 0, "%s: more than %d outputs", opt_quote(path).s, CONF_FILES_MAX);
        for (size_t i = 0; i < c->out.n_files; i++)
                if ((strcmp(c->out.files[i].path, path) == 0 || file_same(c->out.files[i].path, path)) &&
                    strcmp(format, "none") != 0)
                        return err_set(e, 0, "%s is an output already (%s): two outputs need two files",
                                       opt_quote(path).s, c->out.files[i].format);
        char *kept = conf_keep(c, path, e);
        if (!kept ||
            mem_grow(&c->out.files, &c->private_->cap_outputs, c->out.n_files + 1, sizeof(*c->out.files), e))
                return -1;
        c->out.files[c->out.n_files++] = (struct out_file){.format = format, .path = kept};
        c->private_->pair_replaced |= origin == FROM_ARGS;
        conf_mark_set(c, "output", origin);
        return 0;
}

int set_output(struct conf *c, const struct opt_use *u, struct err *e)
{
        char name[32];
        size_t n = strcspn(u->value, ":");
        if (!u->value[n] || n >= sizeof(name))
                return err_set(e, 0, "%s: write format:file, as in json:scan.json", opt_quote(u->value).s);
        memcpy(name, u->value, n);
        name[n] = 0;
        const char *format = format_by_name(name, e);
        return format ? add_output(c, format, u->value + n + 1, u->origin, e) : -1;
}

/* One row per format; which one stands in its name: "output-xml". */
int set_output_letter(struct conf *c, const struct opt_use *u, struct err *e)
{
        const char *format = format_by_name(u->opt->name + strlen("output-"), e);
        return format ? add_output(c, format, u->value, u->origin, e) : -1;
}

/* nmap's habit, base.nmap base.xml base.gnmap, and JSON beside them. */
int set_output_all(struct conf *c, const struct opt_use *u, struct err *e)
{
        static const char *const all[] = {"normal", "xml", "grepable", "json"};
        char path[4096];
        if (strcmp(u->value, "-") == 0 || !*u->value)
                return err_set(e, 0, "%s: several files cannot go to standard output: give a base name",
                               opt_quote(u->value).s);
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
                const struct out_ops *ops = out_by_name(all[i]);
                if ((size_t)snprintf(path, sizeof(path), "%s.%s", u->value, ops->ext) >= sizeof(path))
                        return err_set(e, 0, "%s is too long for a file name", opt_quote(u->value).s);
                if (add_output(c, ops->name, path, u->origin, e))
                        return -1;
        }
        return 0;
}

int set_output_format(struct conf *c, const struct opt_use *u, struct err *e)
{
        const char *format = format_by_name(u->value, e);
        if (!format)
                return -1;
        c->private_->pair_format = format;
        c->private_->pair_replaced = false;
        return 0;
}

int set_output_filename(struct conf *c, const struct opt_use *u, struct err *e)
{
        if (opt_check_path(u->value, e))
                return -1;
        c->private_->pair_path = conf_keep(c, u->value, e);
        c->private_->pair_replaced = false;
        return c->private_->pair_path ? 0 : -1;
}

/* ---- what is shown ---- */
enum { SHOW_DEFAULT = 1u << PORT_OPEN | 1u << PORT_UP | 1u << PORT_BANNER };
static const struct {
        const char *word;
        uint32_t bits;
        bool canonical;
} states[] = {{"open", 1u << PORT_OPEN, true},
              {"closed", 1u << PORT_CLOSED, true},
              {"close", 1u << PORT_CLOSED, false},
              {"filtered", 1u << PORT_FILTERED, true},
              {"host", 1u << PORT_UP, true},
              {"up", 1u << PORT_UP, false},
              {"banner", 1u << PORT_BANNER, true},
              {"banners", 1u << PORT_BANNER, false},
              {"all",
               1u << PORT_OPEN | 1u << PORT_CLOSED | 1u << PORT_FILTERED | 1u << PORT_UP | 1u << PORT_BANNER,
               false}};

static int state_bits(const char *text, uint32_t *bits, struct err *e)
{
        *bits = 0;
        for (const char *p = text + strspn(text, ", "); *p;) {
                size_t n = strcspn(p, ", "), i = 0;
                while (i < ARRAY_LEN(states) && !opt_same_name(states[i].word, p, n))
                        i++;
                if (i == ARRAY_LEN(states))
                        return err_set(e, 0,
                                       "%s is no state: there are open, closed, filtered, host, banner, all",
                                       opt_quote_n(p, n).s);
                *bits |= states[i].bits;
                p += n;
                p += strspn(p, ", ");
        }
        return *bits ? 0
                     : err_set(e, 0, "the list is empty: give open, closed, filtered, host, banner or all");
}

int set_show(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint32_t bits;
        if (state_bits(u->value, &bits, e))
                return -1;
        c->out.show |= bits;
        return 0;
}

int set_noshow(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint32_t bits;
        if (state_bits(u->value, &bits, e))
                return -1;
        c->out.show &= ~bits;
        conf_mark_set(c, "show", u->origin);
        return 0;
}

int set_open_only(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool on = true;
        if (u->value && val_bool(u->value, &on, e))
                return -1;
        if (on)
                c->out.show = SHOW_DEFAULT;
        conf_mark_set(c, "show", u->origin);
        return 0;
}

static void dump_states(uint32_t bits, const char *name, FILE *f)
{
        const char *before = "";
        if (!bits)
                return;
        fprintf(f, "%s = ", name);
        for (size_t i = 0; i < ARRAY_LEN(states); i++)
                if (states[i].canonical && states[i].bits & bits) {
                        fprintf(f, "%s%s", before, states[i].word);
                        before = ",";
                }
        putc('\n', f);
}

void dump_show(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_states(c->out.show, o->name, f);
        dump_states(SHOW_DEFAULT & ~c->out.show, "output-noshow", f);
}

int set_nointeractive(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool off = true;
        if (u->value && val_bool(u->value, &off, e))
                return -1;
        c->out.interactive = !off;
        conf_mark_set(c, "interactive", u->origin);
        return 0;
}

/* ---- rotation, style, grouping ---- */
int set_rotate_offset(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool before = u->value[0] == '-';
        if (val_nanos(u->value + before, 366 * 86400 * NS_PER_S, &c->private_->rotate_shift_ns, e))
                return -1;
        c->private_->rotate_before = before;
        return 0;
}

int set_rotate_dir(struct conf *c, const struct opt_use *u, struct err *e)
{
        if (opt_check_path(u->value, e))
                return -1;
        size_t n = strlen(u->value);
        while (n > 1 && u->value[n - 1] == '/')
                n--;
        c->out.rotate_dir = conf_keep_n(c, u->value, n, e);
        return c->out.rotate_dir ? 0 : -1;
}

void dump_rotate_offset(const struct conf *c, const struct opt *o, FILE *f)
{
        const struct conf_private *p = c->private_;
        fprintf(f, "%s = %s%s\n", o->name, p->rotate_before ? "-" : "", val_of_nanos(p->rotate_shift_ns).s);
}

void dump_rotate_dir(const struct conf *c, const struct opt *o, FILE *f)
{
        opt_dump_text(o->name, NULL, c->out.rotate_dir, f);
}

/* min: 0 a URL is given, 1 nmap's own, 2 none. */
int set_stylesheet(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool on = true;
        if (u->opt->min > 0 && u->value && val_bool(u->value, &on, e))
                return -1;
        if (!on)
                return 0;
        conf_mark_set(c, "stylesheet", u->origin);
        if (u->opt->min > 1) {
                c->out.stylesheet = NULL;
                return 0;
        }
        const char *url = u->opt->min > 0 ? "http://nmap.org/svn/docs/nmap.xsl" : u->value;
        if (opt_check_path(url, e))
                return -1;
        c->out.stylesheet = conf_keep(c, url, e);
        return c->out.stylesheet ? 0 : -1;
}

void dump_stylesheet(const struct conf *c, const struct opt *o, FILE *f)
{
        if (c->out.stylesheet)
                opt_dump_text(o->name, NULL, c->out.stylesheet, f);
}

int set_group_by(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool host = strcasecmp(u->value, "host") == 0;
        if (!host && strcasecmp(u->value, "none") != 0)
                return err_set(e, 0, "%s is no way to group: give host or none", opt_quote(u->value).s);
        c->out.group_by_host = host;
        return 0;
}

void dump_group_by(const struct conf *c, const struct opt *o, FILE *f)
{
        fprintf(f, "%s = %s\n", o->name, c->out.group_by_host ? "host" : "none");
}

/* ---- the whole ---- */
void dump_outputs(const struct conf *c, const struct opt *o, FILE *f)
{
        for (size_t i = 0; i < c->out.n_files; i++)
                opt_dump_text(o->name, c->out.files[i].format, c->out.files[i].path, f);
}

/* "interactive" and "none" without a file speak of the terminal. */
static bool is_for_terminal(struct conf *c, const char *format)
{
        bool interactive = strcmp(format, "interactive") == 0;
        if (!interactive && strcmp(format, "none") != 0)
                return false;
        c->out.interactive = interactive;
        conf_mark_set(c, "interactive", FROM_FILE);
        return true;
}

static int finish_pair(struct conf *c, struct err *e)
{
        struct conf_private *p = c->private_;
        bool by_args = conf_was_set(c, "output-filename") || conf_was_set(c, "output-format");
        enum opt_origin origin = conf_was_set(c, "output-filename") ? FROM_ARGS : FROM_FILE;
        if ((!p->pair_path && !p->pair_format) || (p->pair_replaced && !by_args))
                return 0;
        if (!p->pair_path && is_for_terminal(c, p->pair_format))
                return 0;
        if (!p->pair_path)
                return err_set(
                        e, 0,
                        "--output-format %s goes nowhere: add --output-filename FILE (- for standard output)",
                        p->pair_format);
        const char *format = p->pair_format ? p->pair_format : format_by_name("xml", e);
        if (!format || add_output(c, format, p->pair_path, origin, e))
                return err_wrap(e, "--output-filename");
        p->pair_path = p->pair_format = NULL;
        return 0;
}

/* Files are rotated when the clock shows a multiple of the period, plus the offset: only the offset's
 * remainder counts, and what is earlier by some time is later by the rest of the period. */
static uint64_t rotate_offset(const struct conf *c)
{
        const struct conf_private *p = c->private_;
        uint64_t period_ns = c->out.rotate_ns, rest_ns = period_ns ? p->rotate_shift_ns % period_ns : 0;
        return p->rotate_before && rest_ns ? period_ns - rest_ns : rest_ns;
}

int outputs_finish(struct conf *c, struct err *e)
{
        const struct opt *interactive = opt_by_name("interactive", 11);
        c->out.rotate_offset_ns = rotate_offset(c);
        if (finish_pair(c, e))
                return -1;
        if (c->out.n_files == 0 && !conf_row_set(c, interactive, ~(1u << FROM_DEFAULT)))
                c->out.interactive = true;
        for (size_t i = 0; i < c->out.n_files; i++)
                if (strcmp(c->out.files[i].path, "-") == 0 && c->out.interactive)
                        return err_set(
                                e, 0,
                                "--interactive and an output to \"-\" would both write to standard output: "
                                "leave one out");
        return 0;
}
