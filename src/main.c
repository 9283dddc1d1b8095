// SPDX-License-Identifier: Apache-2.0
/*
 * main: arguments in, exit status out. Everything that is only print is done here, through conf; the rest is
 * the engine's. Invariant: the program's status is decided nowhere else.
 */
#include "conf/conf.h"
#include "engine/engine.h"
#include <stdio.h>

static int printed(FILE *f)
{
        return fflush(f) || ferror(f) ? EXIT_FAILED : EXIT_OK;
}

static int run(struct conf *c)
{
        switch (c->op) {
        case OP_USAGE:
                conf_usage(stderr);
                return EXIT_BAD_INPUT;
        case OP_HELP:
                conf_help(stdout, c->as_masscan);
                return printed(stdout);
        case OP_NMAP_HELP:
                conf_nmap_help(stdout);
                return printed(stdout);
        case OP_VULN_LIST:
                conf_vuln_list(stdout);
                return printed(stdout);
        case OP_VERSION:
                conf_version(stdout);
                return printed(stdout);
        case OP_MAN:
                conf_man_page(stdout);
                return printed(stdout);
        case OP_ECHO:
                conf_echo(c, stdout, true, c->echo_all);
                return printed(stdout);
        default:
                return engine_run(c);
        }
}

int main(int argc, char **argv)
{
        struct conf *c;
        struct err e = {0};
        if (conf_new(&c, &e)) {
                log_say(LOG_ERROR, "%s", e.text);
                return EXIT_FAILED;
        }
        int status = EXIT_BAD_INPUT;
        if (conf_parse(c, argc, argv, &e))
                log_say(LOG_ERROR, "%s", e.text);
        else
                status = run(c);
        conf_free(c);
        return status;
}
