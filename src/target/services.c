// SPDX-License-Identifier: Apache-2.0
/*
 * services: port numbers by service name, for "-p http,ssh" and "-p http*". Names come from the system's
 * services database; nmap's list, where it is installed, fills in names that the system does not know and
 * widens wildcards. Invariant: a name the system knows means the system's port, on every machine alike.
 * Reference: services(5), getservent(3), fnmatch(3); nmap-services: "name port/proto frequency" per line.
 */
#include "target/set.h"
#include <arpa/inet.h>
#include <fnmatch.h>
#include <netdb.h>
#include <stdlib.h>

static const char nmap_list[] = "/usr/share/nmap/nmap-services";
enum { NMAP_LIST_MAX = 16 << 20 };

static bool matches(const char *pattern, const char *name)
{
        return fnmatch(pattern, name, FNM_CASEFOLD) == 0;
}

static size_t match_system(const char *pattern, const char *proto, void (*f)(void *, uint16_t), void *ctx)
{
        size_t n = 0;
        setservent(1);
        for (const struct servent *s; (s = getservent());) {
                bool hit = matches(pattern, s->s_name);
                for (char **alias = s->s_aliases; !hit && *alias; alias++)
                        hit = matches(pattern, *alias);
                if (!hit || strcmp(s->s_proto, proto))
                        continue;
                f(ctx, ntohs((uint16_t)s->s_port));
                n++;
        }
        endservent();
        return n;
}

/* One line "name<blank>port/proto…"; lines of any other shape are passed over. */
static bool match_line(char *line, const char *pattern, const char *proto, uint16_t *port)
{
        char *rest, *name = strtok_r(line, " \t", &rest), *number = strtok_r(NULL, " \t", &rest), *end;
        if (!name || !number || name[0] == '#' || !matches(pattern, name))
                return false;
        unsigned long v = strtoul(number, &end, 10);
        *port = (uint16_t)v;
        return end > number && v <= 65535 && *end == '/' && strcmp(end + 1, proto) == 0;
}

static size_t match_nmap(const char *pattern, const char *proto, void (*f)(void *, uint16_t), void *ctx)
{
        char *text, *rest;
        size_t len, n = 0;
        uint16_t port;
        if (file_read(nmap_list, NMAP_LIST_MAX, &text, &len, NULL))
                return 0;
        for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
                if (match_line(line, pattern, proto, &port)) {
                        f(ctx, port);
                        n++;
                }
        }
        free(text);
        return n;
}

size_t services_match(const char *pattern, const char *proto, void (*f)(void *, uint16_t port), void *ctx)
{
        bool wild = strpbrk(pattern, "*?") != NULL;
        size_t n = match_system(pattern, proto, f, ctx);
        if (n == 0 || wild)
                n += match_nmap(pattern, proto, f, ctx);
        return n;
}
