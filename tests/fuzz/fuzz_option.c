// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzing the option engine: the bytes are an argument list (separated by newlines) or, when the first byte
 * is odd, a configuration file. Checked besides the sanitizers' own findings: what is refused is told in one
 * line, and what is accepted is echoed as text that is accepted again with the same echo (--echo, which looks
 * no name up). Arguments that would read other files are left out.
 */
#include "conf/option.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
enum { ARGS_MAX = 32 };

static void must(bool held)
{
        if (!held)
                abort();
}

static bool reads_files(const char *word, size_t n)
{
        static const char *const names[] = {"conf",         "config",       "resume",
                                            "include-file", "exclude-file", "random-targets"};
        const char *dash = word;
        size_t len = n;
        if (n > 1 && word[0] == '-' && (word[1] == 'c' || word[1] == 'i' || word[1] == 'T'))
                return true;
        while (len && *dash == '-')
                dash++, len--;
        for (size_t i = 0; i < len; i++)
                if (dash[i] == '=' || dash[i] == ':' || dash[i] == '[' || dash[i] == ' ')
                        len = i;
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                if (opt_same_name(names[i], dash, len))
                        return true;
        return false;
}

static char *echo_of(const struct conf *c, size_t *n)
{
        char *text = NULL;
        FILE *f = open_memstream(&text, n);
        must(f && conf_echo(c, f, true, true) == 0);
        fclose(f);
        return text;
}

static int parse_file(struct conf **c, const char *text, size_t n, struct err *e)
{
        char path[] = "/tmp/trawl-fuzz-XXXXXX";
        char *argv[] = {"trawl", "--echo", "-c", path, NULL};
        int fd = mkstemp(path);
        must(fd >= 0 && write(fd, text, n) == (ssize_t)n);
        close(fd);
        must(conf_new(c, e) == 0);
        int rc = conf_parse(*c, 4, argv, e);
        unlink(path);
        return rc;
}

static void expect_echo_reads_back(const struct conf *c)
{
        struct conf *again;
        struct err e = {0};
        size_t n = 0, n2 = 0;
        char *text = echo_of(c, &n);
        if (n < 1 << 20) {
                must(parse_file(&again, text, n, &e) == 0);
                char *text2 = echo_of(again, &n2);
                must(n == n2 && memcmp(text, text2, n) == 0);
                free(text2);
                conf_free(again);
        }
        free(text);
}

static int as_arguments(struct conf **c, char *text, struct err *e)
{
        char *argv[ARGS_MAX + 4] = {"trawl", "--echo"}, *save = NULL;
        int argc = 2;
        for (char *word = strtok_r(text, "\n", &save); word && argc < ARGS_MAX;
             word = strtok_r(NULL, "\n", &save)) {
                if (reads_files(word, strlen(word)))
                        continue;
                argv[argc++] = word;
        }
        must(conf_new(c, e) == 0);
        return conf_parse(*c, argc, argv, e);
}

static int as_file(struct conf **c, char *text, size_t size, struct err *e)
{
        size_t n = 0;
        char *kept = calloc(1, size + 2);
        must(kept != NULL);
        for (char *line = text; line < text + size;) {
                char *end = memchr(line, '\n', (size_t)(text + size - line));
                size_t len = end ? (size_t)(end - line) : (size_t)(text + size - line), skip = 0;
                while (skip < len && (line[skip] == ' ' || line[skip] == '\t' || line[skip] == '\r'))
                        skip++;
                if (!reads_files(line + skip, len - skip)) {
                        memcpy(kept + n, line, len);
                        n += len;
                        kept[n++] = '\n';
                }
                line += len + 1;
        }
        int rc = parse_file(c, kept, n, e);
        free(kept);
        return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct conf *c = NULL;
        struct err e = {0};
        if (size < 2 || size > 4096)
                return 0;
        log_set_level(LOG_ERROR); /* words about what was taken for what are many here */
        char *text = malloc(size);
        must(text != NULL);
        memcpy(text, data + 1, size - 1);
        text[size - 1] = 0;
        int rc = data[0] & 1 ? as_file(&c, text, size - 1, &e) : as_arguments(&c, text, &e);
        if (rc) {
                must(e.text[0] && !strchr(e.text, '\n'));
        } else if (c->op == OP_ECHO) {
                expect_echo_reads_back(c);
        }
        conf_free(c);
        free(text);
        return 0;
}
