// SPDX-License-Identifier: Apache-2.0
/*
 * The writers: golden files for each format from one list of records, outside parsers over them, the bytes of
 * Debian's masscan for the same records, and the search for a body's end at every truncation and splice.
 * TRAWL_GOLDEN_WRITE=1 writes the golden files anew, for a reader to judge.
 */
#include "test_output.h"
#include "output/binary.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

struct made { /* a file made in memory, and where each record of it ends */
        struct out_buf buf;
        size_t ends[20], n_ends;
};

enum mode { AS_IS, BY_HOST, WITH_REASON };

struct maker {
        struct made *m;
        const struct out_ops *ops;
        struct fmt *st;
};

static void make_host(void *arg, const struct record *const *recs, size_t n)
{
        struct maker *k = arg;
        size_t before = k->m->buf.n;
        k->ops->host(k->st, &k->m->buf, recs, n);
        if (k->m->buf.n == before)
                return;
        k->st->items++;
        k->m->ends[k->m->n_ends++] = k->m->buf.n;
}

static void make_records(struct maker *k, const struct record *r, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                size_t before = k->m->buf.n;
                k->ops->record(k->st, &k->m->buf, &r[i]);
                k->st->items++;
                k->st->tcp_open += r[i].who.proto == 6 && r[i].state == PORT_OPEN;
                k->st->tcp_closed += r[i].who.proto == 6 && r[i].state == PORT_CLOSED;
                if (k->m->buf.n > before)
                        k->m->ends[k->m->n_ends++] = k->m->buf.n;
        }
}

static void make(struct made *m, const struct out_ops *ops, const struct record *r, size_t n, enum mode mode,
                 bool as_masscan)
{
        struct out_conf conf = fix_conf(NULL, 0);
        struct out_run run = fix_run;
        struct fmt *st = calloc(1, ops->state_size);
        struct maker k = {m, ops, st};
        assert_non_null(st);
        *m = (struct made){0};
        buf_init(&m->buf, 1 << 20);
        conf.group_by_host = mode == BY_HOST;
        conf.reason = mode == WITH_REASON;
        conf.stylesheet = mode == WITH_REASON ? "a&b.xsl" : NULL;
        run.as_masscan = as_masscan;
        st->run = &run;
        st->conf = &conf;
        st->opened_wall_ns = (uint64_t)T0 * NS_PER_S;
        if (ops->setup)
                ops->setup(st);
        ops->begin(st, &m->buf);
        m->ends[m->n_ends++] = m->buf.n;
        if (ops->grouped || mode == BY_HOST) {
                struct groups *g = groups_new(1 << 20);
                for (size_t i = 0; i < n; i++)
                        assert_true(groups_add(g, &r[i]));
                assert_true(groups_walk(g, make_host, &k));
                groups_free(g);
        } else {
                make_records(&k, r, n);
        }
        ops->trailer(st, &m->buf, (uint64_t)(T0 + 61) * NS_PER_S);
        free(st);
}

/* ---- golden files
 * ---------------------------------------------------------------------------------------------- */
static void compare_golden(const struct made *m, const char *name)
{
        char path[256];
        snprintf(path, sizeof(path), "tests/golden/output/%s", name);
        if (getenv("TRAWL_GOLDEN_WRITE"))
                fix_write(path, m->buf.p, m->buf.n);
        struct span want = fix_read(path);
        if (want.n != m->buf.n || (want.n && memcmp(want.p, m->buf.p, want.n) != 0)) {
                fix_write(fix_path("got"), m->buf.p, m->buf.n);
                fix_shell("diff -a '%s' '%s' >&2", path, fix_path("got"));
                fail_msg("%s differs", name);
        }
        fix_drop(want);
}

static void golden_one(const struct out_ops *ops, enum mode mode, const char *suffix, size_t most)
{
        struct record r[16];
        size_t n = MIN(fix_all(r), most);
        struct made m;
        char name[128];
        make(&m, ops, r, n, mode, false);
        snprintf(name, sizeof(name), "%s%s", ops->name, suffix);
        if (ops != &out_xml_nmap ||
            access("/usr/share/nmap/nmap-services", R_OK) == 0) /* its names of ports */
                compare_golden(&m, name);
        snprintf(name, sizeof(name), "check.%s", ops->ext);
        fix_write(fix_path(name), m.buf.p, m.buf.n);
        if (fix_parses(ops, fix_path(name)) == 1)
                fail_msg("%s%s does not parse", ops->name, suffix);
        buf_free(&m.buf);
}

static void services_known(void)
{
        svc_load();
        if (strcmp(svc_name(80, 6), "http") != 0 || strcmp(svc_name(1, 1), "unknown") == 0)
                skip();
}

static void every_format_has_its_bytes(void **state)
{
        (void)state;
        services_known();
        for (size_t i = 0; out_table[i]; i++)
                golden_one(out_table[i], AS_IS, ".golden", 16);
}

static void zero_results_are_a_valid_file(void **state)
{
        (void)state;
        for (size_t i = 0; out_table[i]; i++)
                golden_one(out_table[i], AS_IS, ".empty.golden", 0);
}

static void grouped_formats_have_one_entry_per_host(void **state)
{
        (void)state;
        services_known();
        for (size_t i = 0; out_table[i]; i++)
                if (out_table[i]->host && !out_table[i]->grouped)
                        golden_one(out_table[i], BY_HOST, ".byhost.golden", 16);
}

static void reason_adds_to_text_formats(void **state)
{
        (void)state;
        services_known();
        golden_one(&out_list, WITH_REASON, ".reason.golden", 16);
        golden_one(&out_grepable, WITH_REASON, ".reason.golden", 16);
        golden_one(&out_xml, WITH_REASON, ".style.golden", 2);
        golden_one(&out_xml_nmap, WITH_REASON, ".style.golden", 2);
}

static bool contains(const struct made *m, const char *text)
{
        return memmem(m->buf.p, m->buf.n, text, strlen(text)) != NULL;
}

static void many_closed_ports_become_a_count(void **state)
{
        struct record r[16];
        (void)state;
        for (size_t closed = 25; closed <= 26; closed++) {
                struct out_conf conf = fix_conf(NULL, 0);
                struct fmt st = {.run = &fix_run, .conf = &conf};
                const struct record *recs[40];
                struct record made[40];
                struct made m = {0};
                size_t n = 0;
                fix_all(r);
                for (uint16_t port = 1; n < closed + 1; port++, n++)
                        made[n] = fix_make(r[0].who.ip, 6, port, port == 5 ? PORT_OPEN : PORT_CLOSED,
                                           port == 5 ? 0x12 : 0x14, 64);
                for (size_t i = 0; i < n; i++)
                        recs[i] = &made[i];
                buf_init(&m.buf, 1 << 20);
                svc_load();
                out_xml_nmap.begin(&st, &m.buf);
                out_xml_nmap.host(&st, &m.buf, recs, n);
                out_xml_nmap.trailer(&st, &m.buf, (uint64_t)T0 * NS_PER_S);
                assert_int_equal(contains(&m, "<extraports state=\"closed\" count=\"26\">"), closed == 26);
                assert_int_equal(
                        contains(&m, "reason=\"reset\" count=\"26\" proto=\"tcp\" ports=\"1-4,6-27\"/>"),
                        closed == 26);
                assert_int_equal(contains(&m, "portid=\"1\""), closed == 25);
                assert_true(contains(&m, "portid=\"5\""));
                fix_write(fix_path("extra.xml"), m.buf.p, m.buf.n);
                assert_int_not_equal(fix_parses(&out_xml_nmap, fix_path("extra.xml")), 1);
                buf_free(&m.buf);
        }
}

/* ---- where does the body end?
 * ------------------------------------------------------------------------------------ */
/* Whole records within the first `upto` bytes. */
static size_t whole_upto(const struct made *m, size_t upto)
{
        size_t end = 0;
        for (size_t i = 0; i < m->n_ends; i++)
                if (m->ends[i] <= upto)
                        end = m->ends[i];
        return end;
}

/* The length to keep of n bytes. XML records are whole without the line end; a splice may cost a binary file
 * its last record. */
static bool is_right(const struct out_ops *ops, const struct made *m, size_t n, int64_t got, bool spliced)
{
        size_t slack = ops == &out_xml ? 2 : ops == &out_xml_nmap ? 1 : 0, want = whole_upto(m, n + slack);
        if (got >= (int64_t)(want - slack) && got <= (int64_t)want)
                return true;
        return spliced && ops == &out_binary && got == (int64_t)whole_upto(m, want - 1);
}

static void every_truncation_keeps_the_whole_records(void **state)
{
        struct record r[16];
        (void)state;
        for (size_t i = 0; out_table[i]; i++) {
                const struct out_ops *ops = out_table[i];
                struct made m;
                make(&m, ops, r, fix_all(r), AS_IS, false);
                for (size_t n = 1; n <= m.buf.n; n++) {
                        bool empty;
                        uint8_t *exact = malloc(n); /* so that reading past the end is seen */
                        assert_non_null(exact);
                        memcpy(exact, m.buf.p, n);
                        int64_t got = ops->body_end(span_of(exact, n), &empty);
                        size_t want = whole_upto(&m, n);
                        free(exact);
                        if (n < m.ends[0] || (m.ends[0] == 0 && n < m.ends[1] && got < 0))
                                continue; /* no header yet: any answer but a crash */
                        if (!is_right(ops, &m, n, got, false))
                                fail_msg("%s cut at %zu: %lld instead of %zu", ops->name, n, (long long)got,
                                         want);
                        assert_int_equal(empty, got <= (int64_t)m.ends[0]);
                }
                buf_free(&m.buf);
        }
}

/* A kill inside the write: records after the k-th up to byte w are new, behind them lies the old trailer. */
static void splice_at(const struct out_ops *ops, const struct made *full, size_t body,
                      const struct out_buf *tail, size_t w)
{
        uint8_t file[65536];
        size_t n = MAX(body + w, body + tail->n);
        bool empty;
        memcpy(file, full->buf.p, body);
        memcpy(file + body, tail->p, tail->n);
        memcpy(file + body, full->buf.p + body, w);
        int64_t got = ops->body_end(span_of(file, n), &empty);
        if (!is_right(ops, full, body + w, got, true))
                fail_msg("%s, body %zu, torn after %zu: keeps %lld of %zu", ops->name, body, w,
                         (long long)got, whole_upto(full, body + w));
}

static void splices_of(const struct out_ops *ops)
{
        struct record r[16];
        struct made full, part;
        size_t n = fix_all(r);
        make(&full, ops, r, n, AS_IS, false);
        for (size_t k = 0; k <= n; k++) {
                make(&part, ops, r, k, AS_IS, false);
                size_t body = part.ends[part.n_ends - 1];
                struct out_buf tail = {.p = part.buf.p + body, .n = part.buf.n - body};
                for (size_t w = 0; body + w < full.buf.n; w++)
                        splice_at(ops, &full, body, &tail, w);
                buf_free(&part.buf);
        }
        buf_free(&full.buf);
}

static void every_splice_with_an_old_trailer_is_seen(void **state)
{
        (void)state;
        for (size_t i = 0; out_table[i]; i++)
                if (!out_table[i]->grouped && out_table[i]->begin != fmt_no_header)
                        splices_of(out_table[i]);
}

static void every_file_is_known_by_its_content(void **state)
{
        struct record r[16];
        (void)state;
        for (size_t i = 0; out_table[i]; i++) {
                struct made m;
                make(&m, out_table[i], r, fix_all(r), AS_IS, i % 2);
                for (size_t k = 0; out_table[k] && m.buf.n; k++) {
                        bool empty, knows = out_table[k]->body_end(span_of(m.buf.p, m.buf.n), &empty) >= 0;
                        if (knows != (i == k))
                                fail_msg("%s %s a %s file", out_table[k]->name, knows ? "takes" : "refuses",
                                         out_table[i]->name);
                }
                buf_free(&m.buf);
        }
}

/* ---- masscan's bytes
 * ------------------------------------------------------------------------------------------------ */
static void mask_dates(const char *path)
{
        assert_int_equal(
                fix_shell("sed -i -E 's/(initiated|done at) .*$/\\1 DATE/; s/Masscan [0-9.]+/Masscan V/; "
                          "s/TCP\\([^)]*\\) UDP\\([^)]*\\)/TCP() UDP()/' '%s'",
                          path),
                0);
}

static void masscan_writes_the_same(void **state)
{
        static const struct {
                const struct out_ops *ops;
                char letter;
        } same[] = {{&out_list, 'L'},     {&out_json, 'J'},        {&out_ndjson, 'D'},
                    {&out_grepable, 'G'}, {&out_unicornscan, 'U'}, {&out_hostonly, 'H'}};
        struct record r[16];
        struct made m;
        size_t n = fix_plain(r);
        (void)state;
        if (geteuid() != 0 || !fix_has("masscan") || !fix_has("unshare"))
                skip();
        make(&m, &out_binary, r, n, AS_IS, true);
        fix_write(fix_path("ours.bin"), m.buf.p, m.buf.n);
        buf_free(&m.buf);
        for (size_t i = 0; i < ARRAY_LEN(same); i++) {
                make(&m, same[i].ops, r, n, AS_IS, true);
                fix_write(fix_path("ours"), m.buf.p, m.buf.n);
                buf_free(&m.buf);
                assert_int_equal(
                        fix_shell("unshare -n masscan --readscan '%s' --show all -o%c '%s' 2>/dev/null",
                                  fix_path("ours.bin"), same[i].letter, fix_path("theirs")),
                        0);
                mask_dates(fix_path("ours"));
                mask_dates(fix_path("theirs"));
                assert_true(access(fix_path("theirs"), R_OK) == 0);
                if (fix_shell("diff -a '%s' '%s' >&2", fix_path("ours"), fix_path("theirs")))
                        fail_msg("%s differs from masscan's", same[i].ops->name);
        }
}

static void masscan_writes_the_same_binary(void **state)
{
        struct record r[16];
        struct made m;
        (void)state;
        if (geteuid() != 0 || !fix_has("masscan") || !fix_has("unshare"))
                skip();
        make(&m, &out_binary, r, fix_plain(r), AS_IS, true);
        fix_write(fix_path("ours.bin"), m.buf.p, m.buf.n);
        assert_int_equal(fix_shell("unshare -n masscan --readscan '%s' --show all -oB '%s' 2>/dev/null",
                                   fix_path("ours.bin"), fix_path("theirs.bin")),
                         0);
        struct span theirs = fix_read(fix_path("theirs.bin"));
        assert_int_equal(theirs.n, m.buf.n);
        assert_memory_equal(theirs.p + BIN_HEADER_LEN, m.buf.p + BIN_HEADER_LEN, m.buf.n - BIN_HEADER_LEN);
        assert_memory_equal(theirs.p, m.buf.p, 14); /* up to the start time */
        fix_drop(theirs);
        buf_free(&m.buf);
}

/* What masscan cannot say must not keep it from reading the rest. */
static void masscan_reads_past_our_facts(void **state)
{
        struct record r[16], plain[16];
        struct made m;
        size_t n = fix_all(r), kept = 0;
        (void)state;
        if (geteuid() != 0 || !fix_has("masscan") || !fix_has("unshare"))
                skip();
        make(&m, &out_binary, r, n, AS_IS, false);
        fix_write(fix_path("facts.bin"), m.buf.p, m.buf.n);
        buf_free(&m.buf);
        for (size_t i = 0; i < n; i++)
                if (r[i].state != PORT_FILTERED && r[i].state != PORT_UP)
                        plain[kept++] = r[i];
        make(&m, &out_list, plain, kept, AS_IS, true);
        fix_write(fix_path("want"), m.buf.p, m.buf.n);
        buf_free(&m.buf);
        assert_int_equal(fix_shell("unshare -n masscan --readscan '%s' --show all -oL '%s' 2>/dev/null",
                                   fix_path("facts.bin"), fix_path("theirs")),
                         0);
        assert_int_equal(fix_shell("diff -a '%s' '%s' >&2", fix_path("want"), fix_path("theirs")), 0);
}

/* ---- nmap's view
 * ------------------------------------------------------------------------------------------------------ */
/* In a network namespace of its own: listens, lets nmap scan loopback. */
static int scan_with_nmap(const uint16_t *open, size_t n, const char *ports, const char *out)
{
        if (unshare(CLONE_NEWNET) || fix_shell("ip link set lo up"))
                return 77;
        for (size_t i = 0; i < n; i++) {
                struct sockaddr_in a = {.sin_family = AF_INET,
                                        .sin_port = htons(open[i]),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
                int fd = socket(AF_INET, SOCK_STREAM, 0);
                if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 8))
                        return 77;
        }
        return fix_shell("nmap -n -Pn -sS -p %s -oX '%s' 127.0.0.1 >/dev/null 2>&1", ports, out) ? 77 : 0;
}

static void ndiff_one(const char *ports, uint16_t first, uint16_t last)
{
        static const uint16_t open[] = {80, 8080, 40001};
        struct out_file f = {"xml-nmap", fix_path("ours.xml")};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        struct err e;
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(scan_with_nmap(open, ARRAY_LEN(open), ports, fix_path("nmap.xml")));
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                skip();
        assert_int_equal(out_open(&o, &c, &fix_run, &e), 0);
        for (uint32_t port = first; port <= last; port++) {
                bool is_open = port == 80 || port == 8080 || port == 40001;
                struct record r = fix_make(ip_v4(0x7f000001), 6, (uint16_t)port,
                                           is_open ? PORT_OPEN : PORT_CLOSED, is_open ? 0x12 : 0x14, 64);
                out_record(o, &r);
        }
        assert_int_equal(out_close(o, &e), 0);
        assert_int_equal(fix_shell("ndiff '%s' '%s' >&2", fix_path("ours.xml"), fix_path("nmap.xml")), 0);
}

static void nmap_sees_no_difference(void **state)
{
        (void)state;
        if (geteuid() != 0 || !fix_has("nmap") || !fix_has("ndiff") || !fix_has("ip"))
                skip();
        ndiff_one("75-85", 75, 85);
        ndiff_one("8000-8100", 8000, 8100);
        ndiff_one("39995-40005", 39995, 40005);
}

/* ---- small things
 * ---------------------------------------------------------------------------------------------------- */
static void numbers_and_addresses(void **state)
{
        static const uint64_t numbers[] = {0, 9, 10, 99, 100, 65535, 4294967295, UINT64_MAX};
        static const uint32_t addresses[] = {0, 0xffffffff, 0x0a000001, 0x010a6401, 0xc0a80a09};
        char want[64];
        struct out_buf b;
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
                buf_init(&b, 4096);
                buf_dec(&b, numbers[i]);
                snprintf(want, sizeof(want), "%llu", (unsigned long long)numbers[i]);
                assert_int_equal(b.n, strlen(want));
                assert_memory_equal(b.p, want, b.n);
                buf_free(&b);
        }
        for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
                uint32_t v = addresses[i];
                struct ip_addr ip = ip_v4(v);
                buf_init(&b, 4096);
                fmt_ip(&b, &ip);
                snprintf(want, sizeof(want), "%u.%u.%u.%u", v >> 24, v >> 16 & 255, v >> 8 & 255, v & 255);
                assert_int_equal(b.n, strlen(want));
                assert_memory_equal(b.p, want, b.n);
                buf_free(&b);
        }
}

static void a_full_buffer_takes_nothing_more(void **state)
{
        struct out_buf b;
        (void)state;
        buf_init(&b, 5000);
        for (int i = 0; i < 600; i++)
                BUF_LIT(&b, "0123456789");
        assert_int_equal(b.n, 5000);
        assert_true(b.full);
        buf_free(&b);
}

/* Names and other names are one registry: each leads to one format, however it is written. */
static void formats_are_found_by_every_name(void **state)
{
        static const struct {
                const char *name;
                const struct out_ops *ops;
        } rows[] = {{"gnmap", &out_grepable},
                    {"Greppable", &out_grepable},
                    {"BIN", &out_binary},
                    {"text", &out_normal},
                    {"nmap", &out_normal},
                    {"null", &out_none},
                    {"unicorn", &out_unicornscan},
                    {"XML", &out_xml},
                    {"gnma", NULL},
                    {"greppable gnmap", NULL},
                    {"", NULL},
                    {" ", NULL}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
                assert_ptr_equal(out_by_name(rows[i].name), rows[i].ops);
        for (size_t i = 0; out_table[i]; i++) {
                char words[64];
                snprintf(words, sizeof(words), "%s %s", out_table[i]->name,
                         out_table[i]->aliases ? out_table[i]->aliases : out_table[i]->name);
                for (char *rest = words, *word; (word = strsep(&rest, " "));)
                        assert_ptr_equal(out_by_name(word), out_table[i]);
        }
}

/* What the documentation says of CSV is what the table has. */
static void csv_columns_are_documented(void **state)
{
        char *doc, defaults[200];
        struct out_conf conf = {0};
        struct out_buf b;
        size_t n;
        struct err e;
        (void)state;
        if (access("docs/formats.md", R_OK))
                skip();
        struct fmt *st = calloc(1, out_csv.state_size);
        assert_non_null(st);
        assert_int_equal(file_read("docs/formats.md", 1 << 20, &doc, &n, &e), 0);
        for (size_t i = 0; out_field_name(i); i++) {
                char word[64];
                snprintf(word, sizeof(word), "`%s`", out_field_name(i));
                if (!strstr(doc, word))
                        fail_msg("docs/formats.md lacks %s", word);
        }
        st->run = &fix_run;
        st->conf = &conf;
        buf_init(&b, 4096);
        out_csv.setup(st);
        out_csv.begin(st, &b);
        snprintf(defaults, sizeof(defaults), "Default: `%.*s`", (int)b.n - 1, (const char *)b.p);
        if (!strstr(doc, defaults))
                fail_msg("docs/formats.md lacks %s", defaults);
        buf_free(&b);
        free(st);
        free(doc);
}

static void csv_fields_are_checked(void **state)
{
        struct err e;
        (void)state;
        assert_int_equal(csv_check(NULL, &e), 0);
        assert_int_equal(csv_check("ip,port", &e), 0);
        assert_int_equal(csv_check(" ip , banner", &e), 0);
        for (size_t i = 0; out_field_name(i); i++)
                assert_int_equal(csv_check(out_field_name(i), &e), 0);
        assert_int_equal(csv_check("ip,prot", &e), -1);
        assert_non_null(strstr(e.text, "\"prot\""));
        for (size_t i = 0; out_field_name(i); i++)
                assert_non_null(strstr(e.text, out_field_name(i)));
        assert_int_equal(csv_check("", &e), -1);
        assert_int_equal(csv_check("ip,,port", &e), -1);
        assert_int_equal(
                csv_check(
                        "ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,ip,"
                        "ip,ip,ip,ip,ip",
                        &e),
                -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_format_has_its_bytes),
                cmocka_unit_test(zero_results_are_a_valid_file),
                cmocka_unit_test(grouped_formats_have_one_entry_per_host),
                cmocka_unit_test(reason_adds_to_text_formats),
                cmocka_unit_test(many_closed_ports_become_a_count),
                cmocka_unit_test(nmap_sees_no_difference),
                cmocka_unit_test(every_truncation_keeps_the_whole_records),
                cmocka_unit_test(every_splice_with_an_old_trailer_is_seen),
                cmocka_unit_test(every_file_is_known_by_its_content),
                cmocka_unit_test(masscan_writes_the_same),
                cmocka_unit_test(masscan_writes_the_same_binary),
                cmocka_unit_test(masscan_reads_past_our_facts),
                cmocka_unit_test(numbers_and_addresses),
                cmocka_unit_test(a_full_buffer_takes_nothing_more),
                cmocka_unit_test(formats_are_found_by_every_name),
                cmocka_unit_test(csv_columns_are_documented),
                cmocka_unit_test(csv_fields_are_checked),
        };
        return cmocka_run_group_tests(tests, fix_dir_make, fix_dir_drop);
}
