// SPDX-License-Identifier: Apache-2.0
/*
 * file: configuration files and checkpoints: lines of "name = value" that go through the option engine like
 * arguments do. Invariant: every line is a comment, blank, applied, or an error with file:line:column; none
 * is passed over. A checkpoint is a configuration whose first line says so, with "state.KEY = value" lines
 * kept for whoever goes on with the scan. masscan's paused.conf is an ordinary configuration here.
 */
#include "option.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char checkpoint_mark[] = "# trawl checkpoint ";
/* Of what conf_echo(), engine/checkpoint.c and output/commit.c write into it, all together. */
enum { CHECKPOINT_VERSION = 2 };

struct reader {
        struct conf *conf;
        const char *path; /* kept by the configuration */
        enum opt_origin origin;
        unsigned line;
        const struct opt *last; /* long files repeat one name: it is looked up once */
        char last_name[OPT_NAME_MAX + 1];
};

static int at(const struct reader *r, const char *line, const char *where, struct err *e)
{
        return err_wrap(e, "%s:%u:%u", r->path, r->line, (unsigned)(where - line) + 1);
}

static char *trim(char *s)
{
        s += strspn(s, " \t\r\f\v");
        size_t n = strlen(s);
        while (n && isspace((unsigned char)s[n - 1]))
                s[--n] = 0;
        return s;
}

/* Punctuation begins a comment, as masscan's files have it; but an option written with its dashes was meant
 * as one. */
static bool is_comment(const char *text)
{
        size_t dashes = strspn(text, "-");
        if (!*text)
                return true;
        if (*text == '-')
                return !isalnum((unsigned char)text[dashes]);
        return ispunct((unsigned char)*text);
}

static int lacks_equals(const char *text, const struct opt *o, size_t name_len, struct err *e)
{
        if (o)
                return err_set(e, 0, "%s: a value is missing: write %.*s = %s", opt_quote(text).s,
                               (int)name_len, text, o->metavar);
        if (isdigit((unsigned char)*text))
                return err_set(e, 0, "%s is no setting: a list of targets is read with -iL FILE",
                               opt_quote(text).s);
        name_len = strcspn(text, ": \t");
        if (text[name_len] && opt_by_name(text, name_len))
                return err_set(e, 0, "%s: settings in a file are written %.*s = value", opt_quote(text).s,
                               (int)name_len, text);
        return opt_unknown(text, text, name_len, e);
}

/* The value as it was meant: without a comment behind it, without the quotes that keep its blanks. Only the
 * outermost quotes are taken off and nothing is escaped, so every text has a spelling: itself in quotes. */
static char *clean_value(const struct opt *o, char *value)
{
        bool free_text = o->kind == OPT_TEXT || o->flags & OPT_FREE;
        char *closing = *value == '"' ? strchr(value + 1, '"') : NULL;
        size_t n;
        for (char *p = closing ? closing : value; !free_text && *p; p++)
                if (*p == '#' && (p == value || isspace((unsigned char)p[-1])))
                        *p = 0;
        value = trim(value);
        n = strlen(value);
        if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
                value[n - 1] = 0;
                value++;
        }
        return value;
}

static int find_row(struct reader *r, struct opt_use *u, const char *name, size_t len, char *key,
                    struct err *e)
{
        if (r->last && len == strlen(r->last_name) && memcmp(name, r->last_name, len) == 0) {
                u->opt = r->last;
                return 0;
        }
        char written[2 * OPT_NAME_MAX];
        snprintf(written, sizeof(written), "%.*s", (int)MIN(len, sizeof(written) - 1), name);
        if (args_name(u, written, name, len, key, e))
                return -1;
        bool plain = len <= OPT_NAME_MAX && !*key;
        r->last = plain ? u->opt : NULL;
        memcpy(r->last_name, name, plain ? len : 0);
        r->last_name[plain ? len : 0] = 0;
        return 0;
}

static int setting(struct reader *r, char *line, char *text, struct err *e)
{
        char key[OPT_NAME_MAX + 1] = "", as[OPT_NAME_MAX + 1];
        char *equals = strchr(text, '=');
        size_t len = equals ? (size_t)(equals - text) : strlen(text);
        struct opt_use u = {.origin = r->origin, .file = r->path, .line = r->line, .key = key, .as = as};
        while (len && isspace((unsigned char)text[len - 1]))
                len--;
        if (!equals) {
                u.opt = opt_by_name(text, strcspn(text, "["));
                if (!u.opt || !opt_is_switch(u.opt)) {
                        lacks_equals(text, u.opt, len, e);
                        return at(r, line, text, e);
                }
        }
        if (find_row(r, &u, text, len, key, e))
                return at(r, line, text, e);
        snprintf(as, sizeof(as), "%.*s", (int)MIN(len, (size_t)OPT_NAME_MAX), text);
        u.column = (unsigned)(text - line) + 1;
        if (equals) {
                char *value = clean_value(u.opt, trim(equals + 1));
                u.value = value;
                u.column = (unsigned)(value - line) + 1;
        }
        return opt_apply(r->conf, &u, e);
}

static int state_line(struct reader *r, char *text, struct err *e)
{
        struct conf_private *p = r->conf->private_;
        char *equals = strchr(text, '=');
        if (!equals)
                return err_set(e, 0, "%s:%u: %s has no value: the checkpoint is damaged", r->path, r->line,
                               opt_quote(text).s);
        *equals = 0;
        if (p->n_state >= CONF_FILES_MAX)
                return err_set(e, 0, "%s:%u: more than %d state lines: the checkpoint is damaged", r->path,
                               r->line, CONF_FILES_MAX);
        char *key = conf_keep(r->conf, trim(text), e),
             *value = key ? conf_keep(r->conf, trim(equals + 1), e) : NULL;
        if (!value || mem_grow(&p->state, &p->cap_state, p->n_state + 2, sizeof(*p->state), e))
                return -1;
        p->state[p->n_state++] = key;
        p->state[p->n_state++] = value;
        return 0;
}

static int one_line(struct reader *r, char *line, struct err *e)
{
        char *text = trim(line);
        if (r->origin == FROM_CHECKPOINT && strncmp(text, "state.", 6) == 0)
                return state_line(r, text + 6, e);
        if (is_comment(text))
                return 0;
        if (*text == '-') {
                err_set(e, 0, "%s: settings in a file are written without dashes: name = value",
                        opt_quote(text).s);
                return at(r, line, text, e);
        }
        return setting(r, line, text, e);
}

static int all_lines(struct reader *r, char *data, size_t len, struct err *e)
{
        if (memchr(data, 0, len))
                return err_set(e, 0, "\"%s\" holds binary data: it is no configuration file%s", r->path,
                               memcmp(data, "masscan", MIN(len, (size_t)7)) == 0
                                       ? " (read scan files with --readscan)"
                                       : "");
        for (char *line = data; line < data + len;) {
                char *end = memchr(line, '\n', (size_t)(data + len - line));
                char *next = end ? end + 1 : data + len;
                if (end)
                        *end = 0;
                r->line++;
                if (one_line(r, line, e))
                        return -1;
                line = next;
        }
        return 0;
}

static int read_settings(struct conf *c, const char *path, enum opt_origin origin, char *data, size_t len,
                         struct err *e)
{
        bool before = c->private_->foreign_file;
        struct reader r = {.conf = c, .path = conf_keep(c, path, e), .origin = origin};
        if (!r.path)
                return -1;
        c->private_->foreign_file = strncmp(data, "# trawl", 7) != 0;
        int rc = all_lines(&r, data, len, e);
        c->private_->foreign_file = before;
        return rc;
}

int conf_file(struct conf *c, const char *path, struct err *e)
{
        char *data;
        size_t len;
        if (c->private_->depth >= CONF_DEPTH_MAX)
                return err_set(e, 0, "\"%s\": configuration files call each other more than %d deep", path,
                               CONF_DEPTH_MAX);
        if (file_read(path, CONF_FILE_BYTES_MAX, &data, &len, e))
                return err_wrap(e, "the configuration file is not readable");
        c->private_->depth++;
        int rc = read_settings(c, path, FROM_FILE, data, len, e);
        c->private_->depth--;
        free(data);
        return rc;
}

static int checkpoint(struct conf *c, const char *path, char *data, size_t len, struct err *e)
{
        struct conf_private *p = c->private_;
        long version = strtol(data + sizeof(checkpoint_mark) - 1, NULL, 10);
        if (version != CHECKPOINT_VERSION)
                return err_set(
                        e, 0,
                        "\"%s\" is a checkpoint of version %ld, this trawl reads version %d: resume with the "
                        "trawl that wrote it",
                        path, version, CHECKPOINT_VERSION);
        if (read_settings(c, path, FROM_CHECKPOINT, data, len, e))
                return -1;
        c->resume_file = conf_keep(c, path, e);
        p->fixed_seed = c->seed;
        p->fixed_shard = c->shard;
        p->fixed_shards = c->shards;
        p->files_from_checkpoint = c->out.n_files > 0;
        return c->resume_file ? 0 : -1;
}

int conf_resume(struct conf *c, const char *path, struct err *e)
{
        char *data;
        size_t len;
        if (file_read(path, CONF_FILE_BYTES_MAX, &data, &len, e))
                return err_wrap(e, "--resume: the checkpoint is not readable");
        int rc;
        if (strncmp(data, checkpoint_mark, sizeof(checkpoint_mark) - 1) == 0) {
                rc = checkpoint(c, path, data, len, e);
        } else {
                rc = read_settings(c, path, FROM_FILE, data, len, e);
                c->out.append = true;
        }
        free(data);
        return rc;
}

bool conf_exists(const char *path)
{
        return access(path, F_OK) == 0;
}
