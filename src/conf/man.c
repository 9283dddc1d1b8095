// SPDX-License-Identifier: Apache-2.0
/*
 * man: the manual page in troff (man(7) macros), printed from the option table at build time. Invariant: text
 * is escaped wherever it comes from: no '\' or leading '.' or ''' of a help text ever reaches troff as a
 * command.
 */
#include "option.h"
#include <stdio.h>

static void escape(FILE *f, const char *text)
{
        bool at_start = true;
        for (; *text; text++) {
                if (at_start && (*text == '.' || *text == '\''))
                        fputs("\\&", f);
                if (*text == '\\')
                        fputs("\\e", f);
                else if (*text == '-')
                        fputs("\\-", f);
                else if (*text == '~' || *text == '^')
                        fprintf(f, "\\(%s", *text == '~' ? "ti" : "ha");
                else
                        putc(*text, f);
                at_start = *text == '\n';
        }
}

static void letters(FILE *f, const struct opt *o)
{
        for (const char *l = o->letters ? o->letters : ""; *l;) {
                size_t n = strcspn(l, " ");
                fprintf(f, "\\fB\\-%.*s\\fR, ", (int)n, l);
                l += n;
                l += strspn(l, " ");
        }
}

static void row(FILE *f, const struct opt *o)
{
        fputs(".TP\n", f);
        letters(f, o);
        fputs("\\fB\\-\\-", f);
        escape(f, o->name);
        fputs("\\fR", f);
        if (*o->metavar) {
                fputs(" \\fI", f);
                escape(f, o->metavar);
                fputs("\\fR", f);
        }
        putc('\n', f);
        escape(f, o->help);
        if (o->dflt && strcmp(o->dflt, "0") != 0) {
                fputs(" Default: ", f);
                escape(f, o->dflt);
                putc('.', f);
        }
        if (o->aliases && *o->aliases) {
                fputs(" Also: ", f);
                escape(f, o->aliases);
                putc('.', f);
        }
        putc('\n', f);
}

static const char head[] =
        ".SH NAME\n"
        "trawl \\- find open TCP ports in networks of any size\n"
        ".SH SYNOPSIS\n"
        ".B trawl\n"
        "[\\fIoptions\\fR] \\fIaddresses\\fR... \\fB\\-p\\fR \\fIports\\fR\n"
        ".br\n"
        ".B trawl \\-\\-resume\n"
        "\\fIcheckpoint\\fR\n"
        ".br\n"
        ".B trawl \\-\\-readscan\n"
        "\\fIfile\\fR... [\\fIoutput options\\fR]\n"
        ".SH DESCRIPTION\n"
        "trawl sends TCP SYNs to all targets in a random order at one exact rate, knows the answers by a "
        "cookie in\n"
        "them, and reports each open port once. It keeps no state for a target, so it takes networks of any "
        "size,\n"
        "IPv4 and IPv6 in one scan. It takes the command line and the configuration files of\n"
        ".BR masscan (8).\n"
        ".PP\n"
        "Option names are matched leniently: case, \\(oq\\-\\(cq, \\(oq_\\(cq and \\(oq.\\(cq do not count. "
        "A value\n"
        "follows after a blank, \\(oq=\\(cq or \\(oq:\\(cq. What is not understood is an error: one line "
        "says what it\n"
        "was, and nothing is sent.\n"
        ".PP\n"
        "Every option can stand in a configuration file, as a line \\fIname\\fR = \\fIvalue\\fR; switches "
        "need no value.\n"
        "Lines that begin with \\(oq#\\(cq, \\(oq;\\(cq, \\(oq/\\(cq or \\(oq[\\(cq are comments. Options "
        "count in the\n"
        "order in which they stand, files at the place of \\fB\\-c\\fR: of single values the last one "
        "counts, lists add up.\n"
        ".PP\n"
        "Times are seconds, or carry a unit: ms, s, m, h, d, w. Sizes are bytes, or carry k, m, g, t (powers "
        "of 1024).\n"
        "Rates are packets per second, or carry k, M, G (powers of 1000), or are bandwidths: bit, kbit, "
        "Mbit, Gbit.\n"
        ".SH OPTIONS\n";

static const char tail[] =
        ".SH FILES\n"
        ".TP\n"
        "\\fI/etc/trawl/trawl.conf\\fR\n"
        "Settings read first (\\fI/etc/masscan/masscan.conf\\fR when the program is run under the name "
        "masscan); not\n"
        "with \\fB\\-\\-readscan\\fR or \\fB\\-\\-resume\\fR.\n"
        ".TP\n"
        "\\fItrawl.resume\\fR\n"
        "The checkpoint in the working directory, with companions whose names begin alike. Holds a secret: "
        "mode 0600.\n"
        ".SH EXIT STATUS\n"
        ".TP\n"
        "0\n"
        "All was done.\n"
        ".TP\n"
        "1\n"
        "Something failed while scanning.\n"
        ".TP\n"
        "2\n"
        "Bad input: an option, a file, a right that is missing. Nothing was sent.\n"
        ".TP\n"
        "3\n"
        "Interrupted; \\fB\\-\\-resume\\fR goes on.\n"
        ".SH EXAMPLES\n"
        ".EX\n"
        "trawl 192.0.2.0/24 \\-p80,443\n"
        "trawl \\-iL nets.txt \\-\\-exclude\\-file no.txt \\-p\\- \\-\\-rate 100k \\-oJ found.json\n"
        "trawl 2001:db8::/112 \\-p22 \\-\\-retries 2 \\-\\-wait auto\n"
        "trawl 10.0.0.0/8 \\-p22 \\-\\-seed 7 \\-\\-shard 1/3\n"
        "trawl \\-\\-resume trawl.resume \\-\\-rate 5k\n"
        ".EE\n"
        ".SH SEE ALSO\n"
        ".BR masscan (8),\n"
        ".BR nmap (1),\n"
        ".BR zmap (1)\n";

void conf_man_page(FILE *f)
{
        fprintf(f, ".\\\" Printed by trawl --man-page.\n.TH TRAWL 1 \"\" \"trawl %s\" \"User Commands\"\n",
                TRAWL_VERSION);
        fputs(head, f);
        for (int s = 0; s < OPT_SECTIONS; s++) {
                fputs(".SS ", f);
                escape(f, opt_section_title((enum opt_section)s));
                putc('\n', f);
                for (size_t i = 0; i < opt_count(); i++)
                        if (opt_at(i)->section == (enum opt_section)s)
                                row(f, opt_at(i));
        }
        fputs(tail, f);
}
