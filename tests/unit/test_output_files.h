// SPDX-License-Identifier: Apache-2.0
/*
 * What the tests of whole files share: numbered records, so that each can be found again in any format, and
 * the counting of them. Invariant: a number stands in a file as an address 10.x.y.z, once per record.
 */
#ifndef TRAWL_TEST_OUTPUT_FILES_H
#define TRAWL_TEST_OUTPUT_FILES_H
#include "test_output.h"

static inline struct record numbered(uint32_t i)
{
        struct record r = fix_make(ip_v4(0x0a000000 + i), 6, (uint16_t)(1 + i % 60000), PORT_OPEN, 0x12, 64);
        r.when_ns += (uint64_t)i * 1000;
        return r;
}

static inline void open_one(struct out **o, struct out_conf *c, const struct out_run *run)
{
        struct err e = {0};
        if (out_open(o, c, run, &e))
                fail_msg("%s", e.text);
}

static inline void flush_all(struct out *o)
{
        struct err e = {0};
        if (out_flush(o, true, &e))
                fail_msg("%s", e.text);
}

static inline void close_ok(struct out *o)
{
        struct err e = {0};
        if (out_close(o, &e))
                fail_msg("%s", e.text);
}

static inline void feed(struct out *o, uint32_t from, uint32_t n)
{
        for (uint32_t i = from; i < from + n; i++) {
                struct record r = numbered(i);
                out_record(o, &r);
        }
}

/* ---- which of the numbered records are in a file?
 * ------------------------------------------------------------------ */
static inline uint32_t take_address(const char *p)
{
        unsigned a, b, c, d;
        if (sscanf(p, "%u.%u.%u.%u", &a, &b, &c, &d) != 4 || a != 10)
                return UINT32_MAX;
        return b << 16 | c << 8 | d;
}

static inline size_t mark_binary(const char *path, uint8_t *seen, size_t n)
{
        struct out_reader *rd;
        struct record r;
        struct err e;
        size_t total = 0;
        if (out_reader_open(&rd, path, &e))
                fail_msg("%s", e.text);
        while (out_reader_next(rd, &r, &e) == 1) {
                uint32_t i = (uint32_t)r.who.ip.lo - 0x0a000000;
                assert_true(i < n && r.who.port == 1 + i % 60000);
                seen[i]++;
                total++;
        }
        out_reader_close(rd);
        return total;
}

/* Counts, per number, how often its address stands in the file where the format puts addresses. */
static inline size_t mark(const struct out_ops *ops, const char *path, uint8_t *seen, size_t n)
{
        static const struct {
                const struct out_ops *ops;
                const char *before;
        } where[] = {{&out_json, "\"ip\": \""},
                     {&out_ndjson, "{\"ip\":\""},
                     {&out_xml, "<address addr=\""},
                     {&out_list, "open tcp "},
                     {&out_xml_nmap, "<address addr=\""},
                     {&out_normal, "\nHost "},
                     {&out_grepable, "\tHost: "},
                     {&out_csv, "\n"},
                     {&out_nmap_list, "nmap -Pn -n -p "},
                     {&out_unicornscan, "\t\tfrom "},
                     {&out_hostonly, ""}};
        const char *before = NULL;
        size_t total = 0;
        if (ops == &out_binary)
                return mark_binary(path, seen, n);
        for (size_t i = 0; i < ARRAY_LEN(where); i++)
                if (where[i].ops == ops)
                        before = where[i].before;
        assert_non_null(before);
        struct span f = fix_read(path);
        for (const char *p = (const char *)f.p; p && *p;) {
                p = *before ? strstr(p, before) : p;
                if (!p)
                        break;
                p += strlen(before);
                const char *at = p;
                if (ops == &out_list || ops == &out_nmap_list)
                        at = strchr(p, ' ') ? strchr(p, ' ') + 1 : "";
                uint32_t i = take_address(at);
                if (i < n) {
                        seen[i]++;
                        total++;
                }
                if (!*before)
                        p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL;
                else if (ops == &out_csv)
                        p--;
                if (ops == &out_csv)
                        p = strchr(p + 1, '\n');
        }
        fix_drop(f);
        return total;
}

/* Exactly the numbers [0, n), once each. */
static inline void assert_exact(const struct out_ops *ops, const char *path, size_t n)
{
        uint8_t *seen = calloc(n + 1, 1);
        assert_non_null(seen);
        size_t total = mark(ops, path, seen, n);
        for (size_t i = 0; i < n; i++)
                if (seen[i] != 1)
                        fail_msg("%s %s: record %zu stands %u times (%zu in all)", ops->name, path, i,
                                 seen[i], total);
        assert_int_equal(total, n);
        free(seen);
}

static const struct out_ops *const lived[] = {&out_list,     &out_grepable, &out_xml,    &out_xml_nmap,
                                              &out_json,     &out_ndjson,   &out_binary, &out_unicornscan,
                                              &out_hostonly, &out_csv,      &out_normal, &out_nmap_list};

static inline const char *path_for(const struct out_ops *ops, const char *stem)
{
        char name[128];
        snprintf(name, sizeof(name), "%s-%s.%s", stem, ops->name, ops->ext);
        return fix_path(name);
}
#endif
