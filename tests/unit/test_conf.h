// SPDX-License-Identifier: Apache-2.0
/*
 * test_conf: what the tests of conf share: a command line given as one string, a file made for a moment, the
 * echo as a string. Lines are split at blanks; nothing is ever sent, for nothing here starts an engine.
 */
#ifndef TRAWL_TEST_CONF_H
#define TRAWL_TEST_CONF_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "conf/option.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEST_ARGS_MAX = 64 };

/* Parses "trawl <line>"; *out is set in any case. */
static inline int parse_as(const char *program, struct conf **out, const char *line, struct err *e)
{
        char copy[4096], *argv[TEST_ARGS_MAX], *save = NULL;
        int argc = 0;
        snprintf(copy, sizeof(copy), "%s %s", program, line);
        for (char *word = strtok_r(copy, " ", &save); word && argc < TEST_ARGS_MAX - 1;
             word = strtok_r(NULL, " ", &save))
                argv[argc++] = word;
        argv[argc] = NULL;
        *e = (struct err){0};
        assert_int_equal(conf_new(out, e), 0);
        return conf_parse(*out, argc, argv, e);
}

static inline int parse(struct conf **out, const char *line, struct err *e)
{
        return parse_as("trawl", out, line, e);
}

static inline struct conf *good(const char *line)
{
        struct conf *c;
        struct err e;
        if (parse(&c, line, &e))
                fail_msg("trawl %s: %s", line, e.text);
        return c;
}

/* The line is refused, and the message holds `word` and is one line. */
static inline void bad(const char *line, const char *word)
{
        struct conf *c;
        struct err e;
        if (parse(&c, line, &e) == 0)
                fail_msg("trawl %s: was accepted", line);
        if (!strstr(e.text, word))
                fail_msg("trawl %s: \"%s\" does not say \"%s\"", line, e.text, word);
        assert_null(strchr(e.text, '\n'));
        conf_free(c);
}

static inline char *echo_of(const struct conf *c, bool all)
{
        char *text = NULL;
        size_t n = 0;
        FILE *f = open_memstream(&text, &n);
        assert_non_null(f);
        assert_int_equal(conf_echo(c, f, true, all), 0);
        fclose(f);
        return text;
}

struct temp_file {
        char path[64];
};
static inline struct temp_file temp_file(const char *text)
{
        struct temp_file t = {.path = "/tmp/trawl-test-XXXXXX"};
        int fd = mkstemp(t.path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        close(fd);
        return t;
}

/* "-c <file with text> <more>" */
static inline int parse_file(struct conf **out, const char *option, const char *text, const char *more,
                             struct err *e)
{
        struct temp_file t = temp_file(text);
        char line[512];
        snprintf(line, sizeof(line), "%s %s %s", option, t.path, more);
        int rc = parse(out, line, e);
        unlink(t.path);
        return rc;
}
#endif
