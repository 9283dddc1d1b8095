// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of the outputs share: one fixed list of records that has every kind, a run, scratch
 * directories and the running of outside tools. Invariant: nothing here depends on the clock or on the
 * machine.
 */
#ifndef TRAWL_TEST_OUTPUT_H
#define TRAWL_TEST_OUTPUT_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "output/sink.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { T0 = 1795219502 }; /* 2026-11-21 00:05:02 UTC */

static const char *const fix_names[] = {"www.example.com", "example.com"};
static const struct out_run fix_run = {
        .command_line = "trawl -p80-81,443 10.0.0.0/29 --note \"a<b&c\"",
        .start_wall_ns = (uint64_t)T0 * NS_PER_S,
        .ports_tcp = "80-81,443",
        .ports_udp = "53",
        .ports_sctp = "",
        .ports_other = "",
        .n_tcp = 3,
        .n_udp = 1,
        .n_hosts = 8,
};

static inline struct record fix_make(struct ip_addr ip, uint8_t proto, uint16_t port, uint8_t state,
                                     uint8_t flags, uint8_t ttl)
{
        return (struct record){.who = {.ip = ip, .port = port, .proto = proto},
                               .when_ns = (uint64_t)T0 * NS_PER_S + 5,
                               .state = state,
                               .flags = flags,
                               .ttl = ttl};
}

/* What masscan's formats can say, and nothing else. */
static inline size_t fix_plain(struct record r[16])
{
        struct ip_addr a = ip_v4(0x0a4d0001), b = ip_v4(0x0a4d0002), v6 = ip_v6(0x20010db800000000, 1);
        static const uint8_t hello[] = "hello <world> \"q\" \\ \x01\xff &'\n";
        size_t n = 0;
        r[n++] = fix_make(a, 6, 80, PORT_OPEN, 0x12, 64);
        r[n++] = fix_make(a, 6, 81, PORT_CLOSED, 0x14, 64);
        r[n++] = fix_make(b, 17, 53, PORT_OPEN, 0, 9);
        r[n++] = fix_make(b, 1, 0, PORT_OPEN, 0, 9);
        r[n++] = fix_make(b, 132, 36412, PORT_OPEN, 0, 9);
        r[n++] = fix_make(v6, 6, 443, PORT_OPEN, 0x12, 57);
        r[n++] = fix_make(v6, 6, 22, PORT_CLOSED, 4, 157);
        r[n] = fix_make(a, 6, 9999, PORT_BANNER, 0, 64);
        r[n++].banner = span_of(hello, sizeof(hello) - 1);
        r[n] = fix_make(v6, 6, 80, PORT_BANNER, 0, 57);
        r[n].app = 4;
        r[n++].banner = span_str("v6 banner");
        r[n] = fix_make(a, 17, 53, PORT_BANNER, 0, 64);
        r[n].app = 13;
        r[n++].banner = span_str("");
        for (size_t i = 0; i < n; i++)
                r[i].when_ns += i / 3 * NS_PER_S;
        return n;
}

/* The plain ones, and what only trawl tells: filtered, names, round-trip times, MAC, who sent the ICMP error.
 */
static inline size_t fix_all(struct record r[16])
{
        size_t n = fix_plain(r);
        r[0].names = fix_names;
        r[0].n_names = 2;
        r[0].rtt_us = 12034;
        r[n] = fix_make(ip_v4(0x0a4d0001), 6, 443, PORT_FILTERED, 0, 250);
        r[n].reporter = ip_v4(0x0a4d09fe);
        r[n].icmp_type = 3;
        r[n].icmp_code = 1;
        r[n].names = fix_names;
        r[n++].n_names = 2;
        r[n] = fix_make(ip_v6(0x20010db800000000, 0xffff), 6, 443, PORT_FILTERED, 0, 55);
        r[n].reporter = ip_v6(0x20010db800000000, 0xfffe);
        r[n].icmp_type = 1;
        r[n++].icmp_code = 1;
        r[n] = fix_make(ip_v4(0x0a4d0003), 0, 0, PORT_UP, 0, 0);
        memcpy(r[n].mac, "\x02\x00\x5e\x10\xfe\x03", 6);
        r[n++].has_mac = true;
        r[n] = fix_make(ip_v4(0x0a4d0001), 6, 443, PORT_BANNER, 0, 64);
        r[n].app = 15;
        r[n++].banner = span_str("MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJRTES==");
        return n;
}

static inline struct out_conf fix_conf(struct out_file *files, size_t n)
{
        return (struct out_conf){.files = files,
                                 .n_files = n,
                                 .show = 1U << PORT_OPEN | 1U << PORT_CLOSED | 1U << PORT_FILTERED,
                                 .flush_ns = NS_PER_S};
}

/* ---- files
 * --------------------------------------------------------------------------------------------------- */
static char fix_dir[256];

static inline const char *fix_path(const char *name)
{
        static char paths[8][512];
        static unsigned next;
        char *p = paths[next++ % 8];
        snprintf(p, sizeof(paths[0]), "%s/%s", fix_dir, name);
        return p;
}

static inline int fix_dir_make(void **state)
{
        const char *tmp = getenv("TMPDIR");
        (void)state;
        setenv("TZ", "UTC", 1);
        snprintf(fix_dir, sizeof(fix_dir), "%s/trawl-output-XXXXXX", tmp ? tmp : "/tmp");
        return mkdtemp(fix_dir) ? 0 : -1;
}

static inline __attribute__((format(printf, 1, 2))) int fix_shell(const char *fmt, ...)
{
        char cmd[4096];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(cmd, sizeof(cmd), fmt, ap);
        va_end(ap);
        int rc = system(cmd);
        return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static inline int fix_dir_drop(void **state)
{
        (void)state;
        return fix_shell("rm -rf '%s'", fix_dir);
}

/* Is the tool in the PATH? Asked without starting a shell: the tests ask often. */
static inline bool fix_has(const char *tool)
{
        char path[4096], file[4200];
        const char *env = getenv("PATH");
        snprintf(path, sizeof(path), "%s", env ? env : "/usr/bin:/bin");
        for (char *rest = path, *dir; (dir = strsep(&rest, ":"));) {
                snprintf(file, sizeof(file), "%s/%s", dir, tool);
                if (access(file, X_OK) == 0)
                        return true;
        }
        return false;
}

static inline struct span fix_read(const char *path)
{
        char *data = NULL;
        size_t n = 0;
        struct err e;
        if (file_read(path, (size_t)256 << 20, &data, &n, &e))
                fail_msg("%s", e.text);
        return span_of(data, n);
}

static inline void fix_write(const char *path, const void *p, size_t n)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, p, n), (ssize_t)n);
        close(fd);
}

static inline void fix_drop(struct span s)
{
        free((void *)(uintptr_t)s.p);
}

/* Does the file parse, by the word of an outside tool or of the binary reader? 0: it does; 1: not; 2: no
 * tool. */
static inline int fix_parses(const struct out_ops *ops, const char *path)
{
        if (ops == &out_json)
                return fix_has("jq") ? fix_shell("jq -e 'type==\"array\"' '%s' >/dev/null 2>&1", path) != 0
                                     : 2;
        if (ops == &out_ndjson)
                return fix_has("jq")
                               ? fix_shell("jq . '%s' >/dev/null 2>&1 && test \"$(tail -c1 '%s')\" = ''",
                                           path, path) != 0
                               : 2;
        if (ops == &out_xml)
                return fix_has("xmllint") ? fix_shell("xmllint --noout '%s' 2>/dev/null", path) != 0 : 2;
        if (ops == &out_xml_nmap && access("/usr/share/nmap/nmap.dtd", R_OK) == 0 && fix_has("xmllint"))
                return fix_shell("xmllint --noout --dtdvalid /usr/share/nmap/nmap.dtd '%s' 2>/dev/null",
                                 path) != 0;
        if (ops == &out_csv)
                return fix_has("python3")
                               ? fix_shell("python3 -c 'import "
                                           "csv,sys\nr=list(csv.reader(open(sys.argv[1],newline=\"\")))\n"
                                           "assert r and all(len(x)==len(r[0]) for x in r)' '%s' 2>/dev/null",
                                           path) != 0
                               : 2;
        return 2;
}
#endif
