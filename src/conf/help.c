// SPDX-License-Identifier: Apache-2.0
/*
 * help: usage, --help, --version, --nmap. All but the first screen is printed from the option table, so that
 * no option can be without help and no help without its option. Invariant: no line is longer than 80 columns.
 */
#include "option.h"
#include <stdio.h>

enum { COLUMNS = 80, INDENT = 26 };

static const char usage_text[] = "usage: trawl [options] ADDRESSES... -p PORTS\n"
                                 "       trawl 192.0.2.0/24 -p80,443 --rate 10k -oJ found.json\n"
                                 "       trawl --resume trawl.resume\n"
                                 "trawl --help tells more.\n";

void conf_usage(FILE *f)
{
        fputs(usage_text, f);
}

/* Words of text, wrapped; the first line goes on at column `at`. */
static void print_wrapped(FILE *f, const char *text, size_t at, size_t indent)
{
        while (*text) {
                size_t n = strcspn(text, " ");
                if (at > indent && at + n + 1 > COLUMNS) {
                        fprintf(f, "\n%*s", (int)indent, "");
                        at = indent;
                } else if (at > indent) {
                        putc(' ', f);
                        at++;
                }
                fwrite(text, 1, n, f);
                at += n;
                text += n;
                text += strspn(text, " ");
        }
        putc('\n', f);
}

/* "-e, -i, --adapter NAME" */
static size_t print_forms(FILE *f, const struct opt *o)
{
        char text[160];
        struct wr w = wr_of(text, sizeof(text));
        for (const char *l = o->letters ? o->letters : ""; *l;) {
                size_t n = strcspn(l, " ");
                wr_fmt(&w, "-%.*s, ", (int)n, l);
                l += n;
                l += strspn(l, " ");
        }
        wr_fmt(&w, "--%s%s%s", o->name, *o->metavar ? " " : "", o->metavar);
        fprintf(f, "  %.*s", (int)wr_len(&w), text);
        return wr_len(&w) + 2;
}

static void print_row(FILE *f, const struct opt *o)
{
        size_t at = print_forms(f, o);
        char text[640];
        struct wr w = wr_of(text, sizeof(text) - 1);
        wr_str(&w, o->help);
        if (o->dflt && strcmp(o->dflt, "0") != 0)
                wr_fmt(&w, " Default: %s.", o->dflt);
        if (o->aliases && *o->aliases)
                wr_fmt(&w, " Also: %s.", o->aliases);
        text[wr_len(&w)] = 0;
        if (at + 2 > INDENT) {
                putc('\n', f);
                at = 0;
        }
        fprintf(f, "%*s", (int)(INDENT - at), "");
        print_wrapped(f, text, INDENT, INDENT);
}

static void print_section(FILE *f, enum opt_section section)
{
        fprintf(f, "\n%s\n", opt_section_title(section));
        for (size_t i = 0; i < opt_count(); i++)
                if (opt_at(i)->section == section)
                        print_row(f, opt_at(i));
}

static const char first_screen[] =
        "trawl finds open TCP ports, in a /24 or in all of IPv4, IPv6 alike.\n"
        "\n"
        "  trawl 192.0.2.0/24 -p80,443             scan a network, print what is open\n"
        "  trawl example.org --top-ports 100       names are resolved first\n"
        "  trawl -iL nets.txt --excludefile no.txt -p- --rate 100k\n"
        "  trawl 10.0.0.0/8 -p22 -oJ out.json -oL out.txt    any number of outputs\n"
        "  trawl --resume trawl.resume             go on after Ctrl-C or a crash\n"
        "  trawl --readscan old.bin -oX old.xml    convert\n"
        "\n"
        "  ADDRESSES      192.0.2.7  192.0.2.0/24  192.0.2.5-9  2001:db8::/64  a name\n"
        "  -p PORTS       80,443,8000-8010, - for all; service names\n"
        "  -iL FILE       addresses from a file, - from standard input\n"
        "  --exclude, --exclude-file              what is never probed\n"
        "  --rate RATE    packets per second (100): 10k, 1.5M, 100Mbit\n"
        "  --retries N    again, where no answer came (0)\n"
        "  --wait TIME    listen on after the last probe (10 s): 0, auto, forever\n"
        "  -oL -oX -oJ -oD -oG -oB -oN -oC FILE   list, XML, JSON, NDJSON, grepable,\n"
        "                 binary, text, CSV; -oA BASE four at once\n"
        "  -e NAME        through this interface; else the routes decide\n"
        "\n"
        "Names are matched leniently: case, '-', '_' and '.' do not count. Values follow\n"
        "after a blank, '=' or ':'. Every option is a line \"name = value\" in a file too\n"
        "(-c FILE). Scan only what you may.\n";

void conf_help(FILE *f, bool as_masscan)
{
        fputs(first_screen, f);
        if (as_masscan)
                fputs("Under the name masscan: its configuration file, no limit per host.\n", f);
        for (int s = 0; s < OPT_SECTIONS; s++)
                print_section(f, (enum opt_section)s);
}

void conf_nmap_help(FILE *f)
{
        fputs("These mean what they mean at nmap:\n\n", f);
        for (size_t i = 0; i < opt_count(); i++)
                if (opt_at(i)->flags & OPT_NMAP)
                        print_row(f, opt_at(i));
        fputs("\nThese are refused:\n\n", f);
        for (size_t i = 0; i < opt_count(); i++)
                if (opt_at(i)->kind == OPT_REFUSED)
                        print_row(f, opt_at(i));
}

static const char *compiler(void)
{
#if defined(__clang__)
        return "clang " __clang_version__;
#else
        return "gcc " __VERSION__;
#endif
}

void conf_version(FILE *f)
{
        fprintf(f, "trawl %s\n", TRAWL_VERSION);
        fprintf(f, "Compiler: %s, %zu bits\n", compiler(), sizeof(void *) * 8);
        fputs("Back-ends:", f);
        for (size_t i = 0; io_table[i]; i++)
                fprintf(f, " %s%s%s%s", io_table[i]->name, io_table[i]->missing ? "(without: install " : "",
                        io_table[i]->missing ? io_table[i]->missing : "", io_table[i]->missing ? ")" : "");
        fputs("\nOutputs:", f);
        for (size_t i = 0; out_table[i]; i++)
                fprintf(f, " %s", out_table[i]->name);
        fputs("\nProbes:", f);
        for (size_t i = 0; scan_table[i]; i++)
                fprintf(f, " %s", scan_table[i]->name);
        fprintf(f, "\nSYN profiles: %s\n", scan_profile_names());
}
