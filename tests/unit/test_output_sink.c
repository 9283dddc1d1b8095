// SPDX-License-Identifier: Apache-2.0
/*
 * Files over their life: every file parses after each flush, appended, rotated, resumed, killed in the middle of a
 * burst, on a full disk, on a pipe whose reader goes. Which records are in a file is told by counting a mark per record.
 */
#include "test_output.h"
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>

static struct record numbered(uint32_t i)
{
        struct record r = fix_make(ip_v4(0x0a000000 + i), 6, (uint16_t)(1 + i % 60000), PORT_OPEN, 0x12, 64);
        r.when_ns += (uint64_t)i * 1000;
        return r;
}

static void open_one(struct out **o, struct out_conf *c, const struct out_run *run)
{
        struct err e = {0};
        if (out_open(o, c, run, &e))
                fail_msg("%s", e.text);
}

static void flush_all(struct out *o)
{
        struct err e = {0};
        if (out_flush(o, true, &e))
                fail_msg("%s", e.text);
}

static void close_ok(struct out *o)
{
        struct err e = {0};
        if (out_close(o, &e))
                fail_msg("%s", e.text);
}

static void feed(struct out *o, uint32_t from, uint32_t n)
{
        for (uint32_t i = from; i < from + n; i++) {
                struct record r = numbered(i);
                out_record(o, &r);
        }
}

/* ---- which of the numbered records are in a file? ------------------------------------------------------------------ */
static uint32_t take_address(const char *p)
{
        unsigned a, b, c, d;
        if (sscanf(p, "%u.%u.%u.%u", &a, &b, &c, &d) != 4 || a != 10)
                return UINT32_MAX;
        return b << 16 | c << 8 | d;
}

static size_t mark_binary(const char *path, uint8_t *seen, size_t n)
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
static size_t mark(const struct out_ops *ops, const char *path, uint8_t *seen, size_t n)
{
        static const struct {
                const struct out_ops *ops;
                const char *before;
        } where[] = {{&out_json, "\"ip\": \""},  {&out_ndjson, "{\"ip\":\""},      {&out_xml, "<address addr=\""},
                     {&out_list, "open tcp "},   {&out_xml_nmap, "<address addr=\""}, {&out_normal, "\nHost "},
                     {&out_grepable, "\tHost: "}, {&out_csv, "\n"}, {&out_nmap_list, "nmap -Pn -n -p "},
                     {&out_unicornscan, "\t\tfrom "}, {&out_hostonly, ""}};
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
static void assert_exact(const struct out_ops *ops, const char *path, size_t n)
{
        uint8_t *seen = calloc(n + 1, 1);
        assert_non_null(seen);
        size_t total = mark(ops, path, seen, n);
        for (size_t i = 0; i < n; i++)
                if (seen[i] != 1)
                        fail_msg("%s %s: record %zu stands %u times (%zu in all)", ops->name, path, i, seen[i], total);
        assert_int_equal(total, n);
        free(seen);
}

static const struct out_ops *const lived[] = {&out_list, &out_grepable,    &out_xml,      &out_xml_nmap, &out_json,
                                              &out_ndjson, &out_binary,    &out_unicornscan, &out_hostonly, &out_csv,
                                              &out_normal, &out_nmap_list};

static const char *path_for(const struct out_ops *ops, const char *stem)
{
        char name[128];
        snprintf(name, sizeof(name), "%s-%s.%s", stem, ops->name, ops->ext);
        return fix_path(name);
}

/* ---- tests ----------------------------------------------------------------------------------------------------------- */
static void a_file_parses_after_every_flush(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                const char *path = path_for(lived[i], "flush");
                struct out_file f = {lived[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct out *o;
                open_one(&o, &c, &fix_run);
                for (uint32_t k = 0; k < 4; k++) {
                        if (fix_parses(lived[i], path) == 1)
                                fail_msg("%s after %u flushes", lived[i]->name, k);
                        if (!lived[i]->grouped)
                                assert_exact(lived[i], path, k * 100);
                        feed(o, k * 100, 100);
                        flush_all(o);
                }
                close_ok(o);
                assert_int_not_equal(fix_parses(lived[i], path), 1);
                assert_exact(lived[i], path, 400);
        }
}

static void only_shown_states_are_written(void **state)
{
        const char *path = fix_path("show");
        struct out_file f = {"list", path};
        struct out_conf c = fix_conf(&f, 1);
        struct record all[16];
        struct out *o;
        (void)state;
        c.show = 1U << PORT_OPEN;
        open_one(&o, &c, &fix_run);
        size_t n = fix_all(all), opens = 0, lines = 0;
        for (size_t i = 0; i < n; i++) {
                opens += all[i].state == PORT_OPEN;
                out_record(o, &all[i]);
        }
        close_ok(o);
        struct span s = fix_read(path);
        for (size_t i = 0; i < s.n; i++)
                lines += s.p[i] == '\n';
        assert_int_equal(lines, opens + 2);
        fix_drop(s);
}

static void appending_goes_on_in_one_document(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                const char *path = path_for(lived[i], "append");
                struct out_file f = {lived[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct out *o;
                c.append = true;
                for (uint32_t k = 0; k < 4; k++) { /* the second one appends to a file without records */
                        open_one(&o, &c, &fix_run);
                        feed(o, k < 2 ? 0 : (k - 1) * 50, k == 0 ? 0 : 50);
                        close_ok(o);
                        if (fix_parses(lived[i], path) == 1)
                                fail_msg("%s after %u appends", lived[i]->name, k);
                }
                assert_exact(lived[i], path, 150);
        }
        struct span x = fix_read(path_for(&out_xml, "append"));
        assert_non_null(strstr((const char *)x.p, "<hosts up=\"150\" down=\"0\" total=\"150\" />"));
        fix_drop(x);
}

static void appending_to_another_format_is_refused(void **state)
{
        struct out_file f = {"json", fix_path("other")};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        struct err e = {0};
        (void)state;
        fix_write(f.path, "#masscan\n# end\n", 15);
        c.append = true;
        assert_int_equal(out_open(&o, &c, &fix_run, &e), -1);
        assert_non_null(strstr(e.text, "not a file of format json"));
        f.format = "csv";
        fix_write(f.path, "ip,port\n", 8);
        assert_int_equal(out_open(&o, &c, &fix_run, &e), -1);
        struct span s = fix_read(f.path);
        assert_int_equal(s.n, 8);
        fix_drop(s);
}

static void a_longer_old_file_leaves_nothing_behind(void **state)
{
        struct out_file f = {"json", fix_path("longer.json")};
        struct out_conf c = fix_conf(&f, 1);
        char old[20000];
        struct out *o;
        (void)state;
        memset(old, 'x', sizeof(old));
        fix_write(f.path, old, sizeof(old));
        open_one(&o, &c, &fix_run);
        close_ok(o);
        struct span s = fix_read(f.path);
        assert_int_equal(s.n, 4);
        assert_memory_equal(s.p, "[\n]\n", 4);
        fix_drop(s);
}

/* ---- rotation ---------------------------------------------------------------------------------------------------------- */
struct hook {
        struct out *o;
        unsigned calls;
        char text[OUT_COMMIT_MAX];
};

static void on_rotate(void *arg)
{
        struct hook *h = arg;
        h->calls++;
        assert_int_equal(out_commit_text(h->o, 0, h->text, sizeof(h->text)), 0);
}

static size_t each_file(const char *dir, const char *part, char names[][300], size_t most)
{
        DIR *d = opendir(dir);
        size_t n = 0;
        assert_non_null(d);
        for (struct dirent *x; (x = readdir(d)) && n < most;)
                if (strstr(x->d_name, part) && x->d_name[0] != '.')
                        snprintf(names[n++], 300, "%s/%s", dir, x->d_name);
        closedir(d);
        return n;
}

static void rotation_by_size_loses_and_overwrites_nothing(void **state)
{
        static char names[200][300];
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                char part[64], taken[400];
                const char *path = path_for(lived[i], "size");
                struct out_file f = {lived[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct hook h = {0};
                struct out *o;
                c.rotate_bytes = 4096;
                snprintf(part, sizeof(part), "size-%s-0", lived[i]->name);
                snprintf(taken, sizeof(taken), "%s/size-%s-00001.%s", fix_dir, lived[i]->name, lived[i]->ext);
                fix_write(taken, "mine", 4);
                open_one(&o, &c, &fix_run);
                h.o = o;
                out_on_rotate(o, on_rotate, &h);
                for (uint32_t k = 0; k < 30; k++) {
                        feed(o, k * 20, 20);
                        flush_all(o);
                        if (lived[i]->grouped)
                                usleep(1000);
                }
                close_ok(o);
                struct span mine = fix_read(taken);
                assert_int_equal(mine.n, 4);
                fix_drop(mine);
                unlink(taken);
                size_t n = each_file(fix_dir, part, names, ARRAY_LEN(names));
                uint8_t seen[600] = {0};
                for (size_t k = 0; k < n; k++) {
                        if (fix_parses(lived[i], names[k]) == 1)
                                fail_msg("%s does not parse", names[k]);
                        mark(lived[i], names[k], seen, 600);
                }
                for (size_t k = 0; k < 600; k++)
                        if (seen[k] != 1)
                                fail_msg("%s: record %zu stands %u times in %zu files", lived[i]->name, k, seen[k], n);
                assert_true(access(path, F_OK) != 0);
                if (!lived[i]->grouped) {
                        assert_true(n >= 2);
                        assert_int_equal(h.calls, n - 1);
                        assert_non_null(strstr(h.text, "rotating=1"));
                }
        }
}

static void rotation_by_time_keeps_to_the_boundaries(void **state)
{
        static char names[50][300];
        struct out_file f = {"json", fix_path("time.json")};
        struct out_conf c = fix_conf(&f, 1);
        char away[300];
        struct out *o;
        uint8_t seen[64] = {0};
        (void)state;
        snprintf(away, sizeof(away), "%s/away", fix_dir);
        mkdir(away, 0755);
        c.rotate_ns = NS_PER_S;
        c.rotate_dir = away;
        open_one(&o, &c, &fix_run);
        for (uint32_t k = 0; k < 25; k++) {
                feed(o, k, 1);
                flush_all(o);
                usleep(100000);
        }
        close_ok(o);
        size_t n = each_file(away, "-time.json", names, ARRAY_LEN(names));
        assert_in_range(n, 3, 4);
        for (size_t i = 0; i < n; i++) {
                assert_int_not_equal(fix_parses(&out_json, names[i]), 1);
                mark(&out_json, names[i], seen, 64);
        }
        for (size_t i = 0; i < 25; i++)
                assert_int_equal(seen[i], 1);
}

static void a_rotation_that_fails_loses_nothing(void **state)
{
        struct out_file f = {"json", fix_path("stuck.json")};
        struct out_conf c = fix_conf(&f, 1);
        char away[300];
        struct out *o;
        (void)state;
        snprintf(away, sizeof(away), "%s/gone", fix_dir);
        mkdir(away, 0755);
        c.rotate_bytes = 1000;
        c.rotate_dir = away;
        open_one(&o, &c, &fix_run);
        rmdir(away);
        log_set_level(LOG_ERROR);
        feed(o, 0, 50);
        flush_all(o);
        feed(o, 50, 50);
        close_ok(o);
        log_set_level(LOG_INFO);
        assert_int_not_equal(fix_parses(&out_json, f.path), 1);
        assert_exact(&out_json, f.path, 100);
}

static void plan_of(uint64_t n_s, uint64_t off_s, uint64_t now_s, uint64_t want_s)
{
        struct out_conf c = {.rotate_ns = n_s * NS_PER_S, .rotate_offset_ns = off_s * NS_PER_S};
        struct sink s = {.conf = &c};
        rotate_plan(&s, now_s * NS_PER_S);
        assert_int_equal(s.rotate_due_wall_ns, want_s * NS_PER_S);
}

static void boundaries_are_multiples_since_the_epoch(void **state)
{
        (void)state;
        plan_of(3600, 0, 7200, 10800);
        plan_of(3600, 0, 7201, 10800);
        plan_of(3600, 60, 7200, 7260);
        plan_of(86400, 0, T0, T0 - T0 % 86400 + 86400);
        plan_of(604800, 0, T0, T0 - T0 % 604800 + 604800);
        plan_of(86400, 90000, T0, T0 - T0 % 86400 + 3600); /* five past midnight: one o'clock is next */
}

static void rotate_dir_is_checked_first(void **state)
{
        struct out_file f = {"json", fix_path("x.json")};
        struct out_conf c = fix_conf(&f, 1);
        struct err e = {0};
        (void)state;
        c.rotate_bytes = 1;
        c.rotate_dir = "/nonexistent/dir";
        assert_int_equal(out_check(&c, &e), -1);
        assert_non_null(strstr(e.text, "is not a directory"));
        c.rotate_dir = "/dev/shm";
        struct stat a, b;
        if (stat(fix_dir, &a) == 0 && stat("/dev/shm", &b) == 0 && a.st_dev != b.st_dev) {
                assert_int_equal(out_check(&c, &e), -1);
                assert_non_null(strstr(e.text, "another file system"));
        }
}

/* ---- resume ------------------------------------------------------------------------------------------------------------- */
/* In a child: writes `n` records, commits after the first `sure`, and dies without a word. */
static void die_after(const char *format, const char *path, uint32_t sure, uint32_t n, bool by_host, char *text)
{
        int p[2];
        assert_int_equal(pipe(p), 0);
        pid_t pid = fork();
        if (pid == 0) {
                struct out_file f = {format, path};
                struct out_conf c = fix_conf(&f, 1);
                struct out *o;
                struct err e;
                char t[OUT_COMMIT_MAX] = "";
                c.group_by_host = by_host;
                if (out_open(&o, &c, &fix_run, &e))
                        _exit(1);
                feed(o, 0, sure);
                if (out_flush(o, true, &e) || out_commit_text(o, 0, t, sizeof(t)))
                        _exit(2);
                feed(o, sure, n - sure);
                if (out_flush(o, true, &e) || write(p[1], t, sizeof(t)) != sizeof(t))
                        _exit(3);
                kill(getpid(), SIGKILL);
        }
        assert_true(pid > 0);
        close(p[1]);
        assert_int_equal(read(p[0], text, OUT_COMMIT_MAX), OUT_COMMIT_MAX);
        close(p[0]);
        waitpid(pid, NULL, 0);
}

static void resume_one(const struct out_ops *ops, bool by_host)
{
        char name[64], text[OUT_COMMIT_MAX];
        const char *texts[1] = {text};
        snprintf(name, sizeof(name), "resume %%%d", by_host);
        const char *path = path_for(ops, name);
        struct out_file f = {ops->name, path};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        struct err e = {0};
        c.group_by_host = by_host;
        die_after(ops->name, path, 70, 100, by_host, text);
        if (out_open_resumed(&o, &c, &fix_run, texts, 1, &e))
                fail_msg("%s", e.text);
        assert_int_not_equal(fix_parses(ops, path), 1);
        feed(o, 70, 130);
        close_ok(o);
        if (fix_parses(ops, path) == 1)
                fail_msg("%s", ops->name);
        assert_exact(ops, path, 200);
}

static void resuming_cuts_what_was_not_committed(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++)
                resume_one(lived[i], false);
        resume_one(&out_json, true);
        resume_one(&out_xml, true);
        resume_one(&out_hostonly, true);
        struct span x = fix_read(path_for(&out_xml, "resume %0"));
        assert_non_null(strstr((const char *)x.p, "<hosts up=\"200\" down=\"0\" total=\"200\" />"));
        fix_drop(x);
}

static void resuming_a_shorter_or_missing_file_is_refused(void **state)
{
        char text[OUT_COMMIT_MAX];
        const char *texts[1] = {text}, *path = fix_path("short.json");
        struct out_file f = {"json", path};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        struct err e = {0};
        (void)state;
        die_after("json", path, 70, 100, false, text);
        assert_int_equal(truncate(path, 1000), 0);
        assert_int_equal(out_open_resumed(&o, &c, &fix_run, texts, 1, &e), -1);
        assert_non_null(strstr(e.text, "it has 1000 bytes"));
        unlink(path);
        assert_int_equal(out_open_resumed(&o, &c, &fix_run, texts, 1, &e), -1);
        assert_non_null(strstr(e.text, "cannot go on"));
        snprintf(text, sizeof(text), "v1 json body=x");
        assert_int_equal(out_open_resumed(&o, &c, &fix_run, texts, 1, &e), -1);
}

/* Killed between the hook and the new file: what was renamed is complete, and the next file starts at 0. */
static void resuming_inside_a_rotation_starts_the_next_file(void **state)
{
        char old[300];
        const char *path = fix_path("inrot.json");
        struct out_file f = {"json", path};
        struct out_conf c = fix_conf(&f, 1);
        struct hook h = {0};
        const char *texts[1] = {h.text};
        struct err e = {0};
        struct out *o;
        (void)state;
        c.rotate_bytes = 5000;
        open_one(&o, &c, &fix_run);
        h.o = o;
        out_on_rotate(o, on_rotate, &h);
        feed(o, 0, 60);
        flush_all(o);
        assert_int_equal(h.calls, 1);
        feed(o, 60, 7); /* of the next file: not in the checkpoint */
        close_ok(o);
        snprintf(old, sizeof(old), "%s/inrot-00001.json", fix_dir);
        unlink(old);
        for (int there = 0; there < 2; there++) { /* no live file yet; a new one begun */
                unlink(path);
                if (there)
                        fix_write(path, "[\nhalf", 6);
                if (out_open_resumed(&o, &c, &fix_run, texts, 1, &e))
                        fail_msg("%s", e.text);
                feed(o, 60, 10);
                close_ok(o);
                assert_int_not_equal(fix_parses(&out_json, old), 1);
                uint8_t seen[70] = {0};
                assert_int_equal(mark(&out_json, old, seen, 70), 10);
                assert_int_equal(seen[60] + seen[69], 2);
                unlink(old);
        }
}

/* Killed after the hook, before the rename: the same file goes on. */
static void resuming_before_the_rename_goes_on(void **state)
{
        char text[OUT_COMMIT_MAX], *at;
        const char *path = fix_path("before.json"), *texts[1] = {text};
        struct out_file f = {"json", path};
        struct out_conf c = fix_conf(&f, 1);
        struct err e = {0};
        struct out *o;
        (void)state;
        die_after("json", path, 70, 70, false, text);
        at = strstr(text, "rotating=0");
        assert_non_null(at);
        at[9] = '1';
        if (out_open_resumed(&o, &c, &fix_run, texts, 1, &e))
                fail_msg("%s", e.text);
        feed(o, 70, 30);
        close_ok(o);
        assert_exact(&out_json, path, 100);
}

/* ---- SIGKILL ------------------------------------------------------------------------------------------------------------- */
enum { KILLS = 20, BURST = 30000 };

static void burst_for_ever(const char *format, const char *path)
{
        struct out_file f = {format, path};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        struct err e;
        c.flush_ns = 2 * NS_PER_MS;
        if (out_open(&o, &c, &fix_run, &e))
                _exit(1);
        for (uint32_t i = 0;; i = (i + 50) % BURST) {
                feed(o, i, 50);
                if (out_flush(o, false, &e))
                        _exit(2);
        }
}

/* Without an outside judge a file is whole when behind its last record stands a trailer and nothing else. */
static bool ends_whole(const struct out_ops *ops, struct span f)
{
        struct out_conf conf = {0};
        struct fmt *st = calloc(1, ops->state_size);
        struct out_buf want;
        bool empty;
        int64_t end = ops->body_end(f, &empty);
        buf_init(&want, 4096);
        assert_non_null(st);
        st->run = &fix_run;
        st->conf = &conf;
        ops->trailer(st, &want, (uint64_t)T0 * NS_PER_S);
        bool whole = (f.n == 0 && want.n == 0) || (end >= 0 && f.n - (size_t)end == want.n);
        if (whole && want.n) /* dates differ, words do not */
                whole = memcmp(f.p + end, want.p, MIN(want.n, (size_t)12)) == 0 && f.p[f.n - 1] == want.p[want.n - 1];
        buf_free(&want);
        free(st);
        return whole;
}

/* 1: it parses as it is, 2: after --repair, 0: not at all. */
static int killed_file(const struct out_ops *ops, const char *path)
{
        char report[600];
        struct err e = {0};
        struct span f = fix_read(path);
        int judged = fix_parses(ops, path);
        bool whole = judged == 2 ? ends_whole(ops, f) : judged == 0;
        fix_drop(f);
        if (whole)
                return 1;
        if (out_repair(path, report, sizeof(report), &e))
                return 0;
        return fix_parses(ops, path) == 1 ? 0 : 2;
}

/* The records were written in rounds of 0 … BURST - 1: what is kept is the beginning of that, and nothing else. */
static void assert_is_beginning(const struct out_ops *ops, const char *path)
{
        static uint8_t seen[BURST];
        memset(seen, 0, sizeof(seen));
        mark(ops, path, seen, BURST);
        for (size_t i = 1; i < BURST; i++)
                if (seen[i] > seen[i - 1] || seen[0] - seen[i] > 1)
                        fail_msg("%s: record %zu stands %u times, record 0 %u times", ops->name, i, seen[i], seen[0]);
}

static void killed_files_parse_or_can_be_mended(void **state)
{
        unsigned seed = 12345;
        char journal[600];
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                unsigned as_is = 0, mended = 0;
                for (int k = 0; k < KILLS; k++) {
                        const char *path = path_for(lived[i], "kill");
                        unlink(path);
                        pid_t pid = fork();
                        if (pid == 0)
                                burst_for_ever(lived[i]->name, path);
                        assert_true(pid > 0);
                        while (access(path, F_OK))
                                usleep(100);
                        usleep((useconds_t)(rand_r(&seed) % 3000));
                        kill(pid, SIGKILL);
                        int status;
                        waitpid(pid, &status, 0);
                        assert_true(WIFSIGNALED(status));
                        int got = killed_file(lived[i], path);
                        if (!lived[i]->grouped && got)
                                assert_is_beginning(lived[i], path);
                        if (lived[i]->grouped) {
                                snprintf(journal, sizeof(journal), "%s.journal", path);
                                if (!killed_file(&out_binary, journal))
                                        fail_msg("%s: the journal of kill %d cannot be mended", lived[i]->name, k);
                        }
                        if (!got)
                                fail_msg("%s: killed file %d can neither be read nor mended", lived[i]->name, k);
                        as_is += got == 1;
                        mended += got == 2;
                }
                print_message("# %s: %d kills, %u parse as they are, %u after --repair\n", lived[i]->name, KILLS, as_is,
                              mended);
        }
}

/* ---- a full disk --------------------------------------------------------------------------------------------------------- */
static void on_a_small_disk(const struct out_ops *ops, const char *dir)
{
        char path[400], filler[400], block[16384];
        struct err e = {0};
        struct out *o;
        uint32_t n = 0;
        int failures = 0, fd;
        snprintf(path, sizeof(path), "%s/full.%s", dir, ops->ext);
        snprintf(filler, sizeof(filler), "%s/filler", dir);
        struct out_file f = {ops->name, path};
        struct out_conf c = fix_conf(&f, 1);
        open_one(&o, &c, &fix_run);
        memset(block, 'x', sizeof(block));
        fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        for (int i = 0; i < 24; i++)
                assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
        close(fd);
        while (failures < 5 && n < 200000) {
                feed(o, n, 100);
                n += 100;
                if (out_flush(o, true, &e) == 0)
                        continue;
                failures++;
                if (!strstr(e.text, "No space left") || !strstr(e.text, path))
                        fail_msg("%s: \"%s\"", ops->name, e.text);
                if (fix_parses(ops, path) == 1)
                        fail_msg("%s does not parse while the disk is full", ops->name);
        }
        assert_int_equal(failures, 5);
        assert_true(out_pending(o) > 0);
        unlink(filler);
        if (out_flush(o, true, &e))
                fail_msg("%s: room was made, yet: %s", ops->name, e.text);
        feed(o, n, 100);
        close_ok(o);
        if (fix_parses(ops, path) == 1)
                fail_msg("%s does not parse in the end", ops->name);
        assert_exact(ops, path, n + 100);
        unlink(path);
}

/* Grouped: what is found is safe in the journal; at the end the file is drawn when there is room. */
static void grouped_on_a_small_disk(const char *dir)
{
        char path[400], filler[400], journal[420], block[16384];
        struct err e = {0};
        struct out *o;
        snprintf(path, sizeof(path), "%s/full.xml", dir);
        snprintf(journal, sizeof(journal), "%s.journal", path);
        snprintf(filler, sizeof(filler), "%s/filler", dir);
        struct out_file f = {"xml-nmap", path};
        struct out_conf c = fix_conf(&f, 1);
        open_one(&o, &c, &fix_run);
        feed(o, 0, 300);
        flush_all(o);
        memset(block, 'x', sizeof(block));
        int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        close(fd);
        feed(o, 300, 700);
        assert_int_equal(out_flush(o, true, &e), -1);
        assert_non_null(strstr(e.text, "No space left"));
        assert_int_not_equal(fix_parses(&out_xml_nmap, path), 1);
        unlink(filler);
        flush_all(o);
        close_ok(o);
        assert_int_not_equal(fix_parses(&out_xml_nmap, path), 1);
        assert_exact(&out_xml_nmap, path, 1000);
        assert_int_not_equal(access(journal, F_OK), 0);
        unlink(path);
}

static void a_full_disk_loses_and_doubles_nothing(void **state)
{
        char dir[300];
        (void)state;
        snprintf(dir, sizeof(dir), "%s/small", fix_dir);
        mkdir(dir, 0755);
        if (geteuid() != 0)
                skip();
        /* a mount namespace of this process alone: nothing is mounted outside */
        if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
                skip();
        for (size_t i = 0; i < ARRAY_LEN(lived); i++)
                if (!lived[i]->grouped)
                        on_a_small_disk(lived[i], dir);
        grouped_on_a_small_disk(dir);
        assert_int_equal(umount(dir), 0);
}

/* ---- pipes ---------------------------------------------------------------------------------------------------------------- */
static void a_pipe_gets_everything_and_one_trailer(void **state)
{
        const char *fifo = fix_path("fifo"), *copy = fix_path("copy.json");
        struct out_file f = {"json", fifo};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        (void)state;
        assert_int_equal(mkfifo(fifo, 0600), 0);
        pid_t pid = fork();
        if (pid == 0) {
                usleep(50000); /* let the pipe fill */
                execlp("cp", "cp", fifo, copy, (char *)NULL);
                _exit(1);
        }
        open_one(&o, &c, &fix_run);
        for (uint32_t i = 0; i < 20; i++) {
                feed(o, i * 500, 500);
                flush_all(o);
                assert_int_equal(out_pending(o), 0);
        }
        char text[OUT_COMMIT_MAX];
        assert_int_equal(out_commit_text(o, 0, text, sizeof(text)), 0);
        assert_string_equal(text, "-");
        assert_int_equal(out_commit_text(o, 1, text, sizeof(text)), -1);
        close_ok(o);
        waitpid(pid, NULL, 0);
        assert_int_not_equal(fix_parses(&out_json, copy), 1);
        assert_exact(&out_json, copy, 10000);
}

static void a_reader_that_goes_is_noticed(void **state)
{
        const char *fifo = fix_path("fifo2");
        struct out_file f = {"list", fifo};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        struct err e = {0};
        (void)state;
        assert_int_equal(mkfifo(fifo, 0600), 0);
        int rd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        open_one(&o, &c, &fix_run);
        feed(o, 0, 1);
        flush_all(o);
        assert_false(out_broken_pipe(o));
        close(rd);
        feed(o, 1, 1);
        assert_int_equal(out_flush(o, true, &e), -1);
        assert_true(out_broken_pipe(o));
        assert_non_null(strstr(e.text, "nobody reads"));
        feed(o, 2, 1);
        assert_int_equal(out_pending(o), 0);
        assert_int_equal(out_close(o, &e), 0);
}

/* ---- the rest --------------------------------------------------------------------------------------------------------------- */
static void bad_settings_are_told(void **state)
{
        static const struct {
                const char *format, *path, *fields, *dialect, *word;
        } rows[] = {{"jason", "x", NULL, NULL, "\"jason\""},
                    {"json", "", NULL, NULL, "no file name"},
                    {"csv", "x", "ip,bogus", NULL, "\"bogus\""},
                    {"xml", "x", NULL, "html", "\"html\""}};
        struct err e = {0};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                struct out_file f = {rows[i].format, rows[i].path};
                struct out_conf c = fix_conf(&f, 1);
                c.fields = rows[i].fields;
                c.xml_dialect = rows[i].dialect;
                assert_int_equal(out_check(&c, &e), -1);
                assert_non_null(strstr(e.text, rows[i].word));
        }
        struct out_file two[2] = {{"json", "a"}, {"xml", "a"}};
        struct out_conf c = fix_conf(two, 2);
        assert_int_equal(out_check(&c, &e), -1);
        two[1].path = "b";
        assert_int_equal(out_check(&c, &e), 0);
        struct out_file lost = {"json", "/nonexistent/dir/x"};
        struct out *o;
        c = fix_conf(&lost, 1);
        assert_int_equal(out_open(&o, &c, &fix_run, &e), -1);
        assert_non_null(strstr(e.text, "/nonexistent/dir/x"));
}

static void the_files_belong_to_the_sudo_user(void **state)
{
        struct out_file f = {"list", fix_path("sudo")};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        struct stat st;
        (void)state;
        if (geteuid() != 0)
                skip();
        setenv("SUDO_UID", "12345", 1);
        setenv("SUDO_GID", "23456", 1);
        open_one(&o, &c, &fix_run);
        close_ok(o);
        unsetenv("SUDO_UID");
        unsetenv("SUDO_GID");
        assert_int_equal(stat(f.path, &st), 0);
        assert_int_equal(st.st_uid, 12345);
        assert_int_equal(st.st_gid, 23456);
}

static void a_full_group_store_is_settled(void **state)
{
        struct groups *g = groups_new(300000);
        struct record r;
        uint32_t n = 0;
        (void)state;
        assert_non_null(g);
        for (;; n++) {
                r = numbered(n);
                r.names = fix_names;
                r.n_names = 2;
                if (!groups_add(g, &r))
                        break;
        }
        assert_in_range(n, 200, 3000);
        assert_int_equal(groups_count(g), n);
        groups_clear(g);
        assert_true(groups_add(g, &r));
        groups_free(g);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_parses_after_every_flush),
                cmocka_unit_test(only_shown_states_are_written),
                cmocka_unit_test(appending_goes_on_in_one_document),
                cmocka_unit_test(appending_to_another_format_is_refused),
                cmocka_unit_test(a_longer_old_file_leaves_nothing_behind),
                cmocka_unit_test(rotation_by_size_loses_and_overwrites_nothing),
                cmocka_unit_test(rotation_by_time_keeps_to_the_boundaries),
                cmocka_unit_test(a_rotation_that_fails_loses_nothing),
                cmocka_unit_test(boundaries_are_multiples_since_the_epoch),
                cmocka_unit_test(rotate_dir_is_checked_first),
                cmocka_unit_test(resuming_cuts_what_was_not_committed),
                cmocka_unit_test(resuming_a_shorter_or_missing_file_is_refused),
                cmocka_unit_test(resuming_inside_a_rotation_starts_the_next_file),
                cmocka_unit_test(resuming_before_the_rename_goes_on),
                cmocka_unit_test(killed_files_parse_or_can_be_mended),
                cmocka_unit_test(a_full_disk_loses_and_doubles_nothing),
                cmocka_unit_test(a_pipe_gets_everything_and_one_trailer),
                cmocka_unit_test(a_reader_that_goes_is_noticed),
                cmocka_unit_test(bad_settings_are_told),
                cmocka_unit_test(the_files_belong_to_the_sudo_user),
                cmocka_unit_test(a_full_group_store_is_settled),
        };
        return cmocka_run_group_tests(tests, fix_dir_make, fix_dir_drop);
}
