// SPDX-License-Identifier: Apache-2.0
/*
 * Files over their life: every file parses after each flush, is appended to, rotated, resumed. Which records
 * are in a file is told by counting each record's mark.
 */
#include "test_output_files.h"

/* ---- tests
 * -----------------------------------------------------------------------------------------------------------
 */
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

/* ---- rotation
 * ----------------------------------------------------------------------------------------------------------
 */
struct hook {
        struct out *o;
        unsigned calls;
        char before[OUT_COMMIT_MAX], after[OUT_COMMIT_MAX]; /* what the last rename had on either side */
};

static void on_rotate(void *arg)
{
        struct hook *h = arg;
        assert_int_equal(out_commit_text(h->o, 0, h->calls++ % 2 ? h->after : h->before, OUT_COMMIT_MAX), 0);
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
                                fail_msg("%s: record %zu stands %u times in %zu files", lived[i]->name, k,
                                         seen[k], n);
                assert_true(access(path, F_OK) != 0);
                if (!lived[i]->grouped) {
                        assert_true(n >= 2);
                        assert_int_equal(h.calls, 2 * (n - 1));
                        assert_non_null(strstr(h.before, "rotating=1"));
                        assert_non_null(strstr(h.after, "rotating=0"));
                        assert_non_null(strstr(h.after, " items=0 "));
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

/* ---- resume
 * -------------------------------------------------------------------------------------------------------------
 */
/* In a child: writes `n` records, commits after the first `sure`, and dies without a word. */
static void die_after(const char *format, const char *path, uint32_t sure, uint32_t n, bool by_host,
                      char *text)
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
        snprintf(text, sizeof(text), "json body=x");
        assert_int_equal(out_open_resumed(&o, &c, &fix_run, texts, 1, &e), -1);
}

/* Ctrl-C: an orderly end in the middle; or the end, and killed before the checkpoint was gone, too. */
static void resume_after_close(const struct out_ops *ops, bool keep)
{
        char text[OUT_COMMIT_MAX];
        const char *path = path_for(ops, keep ? "kept" : "closed"), *texts[1] = {text};
        struct out_file f = {ops->name, path};
        struct out_conf c = fix_conf(&f, 1);
        struct err e = {0};
        struct out *o;
        open_one(&o, &c, &fix_run);
        feed(o, 0, 70);
        flush_all(o);
        out_ending(o, keep);
        assert_int_equal(out_commit_text(o, 0, text, sizeof(text)), 0);
        close_ok(o);
        assert_int_not_equal(fix_parses(ops, path), 1);
        assert_exact(ops, path, 70);
        if (out_open_resumed(&o, &c, &fix_run, texts, 1, &e))
                fail_msg("%s: %s", ops->name, e.text);
        feed(o, 70, 50);
        close_ok(o);
        assert_int_not_equal(fix_parses(ops, path), 1);
        assert_exact(ops, path, 120);
}

static void resuming_after_an_orderly_end_goes_on(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                resume_after_close(lived[i], true);
                resume_after_close(lived[i], false);
        }
}

/* The last file of a rotating scan has its own name already: the text says that this may be. */
static void resuming_after_the_last_rotation_goes_on(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                static char names[4][300];
                char text[OUT_COMMIT_MAX], part[64];
                const char *path = path_for(lived[i], "last"), *texts[1] = {text};
                struct out_file f = {lived[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct err e = {0};
                struct out *o;
                uint8_t seen[120] = {0};
                c.rotate_bytes = 1 << 20;
                open_one(&o, &c, &fix_run);
                feed(o, 0, 70);
                flush_all(o);
                out_ending(o, false);
                assert_int_equal(out_commit_text(o, 0, text, sizeof(text)), 0);
                close_ok(o);
                assert_int_not_equal(access(path, F_OK), 0);
                c.rotate_bytes = 0; /* the text knows by itself */
                if (out_open_resumed(&o, &c, &fix_run, texts, 1, &e))
                        fail_msg("%s: %s", lived[i]->name, e.text);
                feed(o, 70, 50);
                close_ok(o);
                snprintf(part, sizeof(part), "last-%s", lived[i]->name);
                assert_int_equal(each_file(fix_dir, part, names, 4), 2);
                assert_int_equal(mark(lived[i], names[0], seen, 120) + mark(lived[i], names[1], seen, 120),
                                 120);
                for (size_t k = 0; k < 120; k++)
                        assert_int_equal(seen[k], 1);
        }
}

/* Killed between the rename and the next file's first records: what was renamed is complete, and the next
 * file starts at 0. */
static void resuming_inside_a_rotation_starts_the_next_file(void **state)
{
        char old[300];
        const char *path = fix_path("inrot.json");
        struct out_file f = {"json", path};
        struct out_conf c = fix_conf(&f, 1);
        struct hook h = {0};
        struct err e = {0};
        struct out *o;
        (void)state;
        c.rotate_bytes = 5000;
        open_one(&o, &c, &fix_run);
        h.o = o;
        out_on_rotate(o, on_rotate, &h);
        feed(o, 0, 60);
        flush_all(o);
        assert_int_equal(h.calls, 2);
        feed(o, 60, 7); /* of the next file: not in the checkpoint */
        flush_all(o);
        struct span begun = fix_read(path);
        const char *kept = fix_path("kept.json");
        assert_int_equal(link(path, kept), 0); /* a copy would not do: nothing in it is known yet */
        close_ok(o);
        snprintf(old, sizeof(old), "%s/inrot-00001.json", fix_dir);
        unlink(old);
        for (int how = 0; how < 4; how++) { /* no live file yet; one without records; killed later, twice */
                const char *texts[1] = {how < 2 ? h.before : h.after};
                unlink(path);
                if (how == 1)
                        fix_write(path, "[\n]\n", 4);
                else if (how > 1)
                        fix_write(kept, begun.p, how == 2 ? begun.n : begun.n - 20);
                if (how > 1)
                        assert_int_equal(link(kept, path), 0);
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
        fix_drop(begun);
}

/* ---- resume: is it the file that the checkpoint knows?
 * ----------------------------------------------------------------------------------------------------- */
static void assert_untouched(const char *path, struct span want)
{
        struct span now = fix_read(path);
        assert_int_equal(now.n, want.n);
        assert_memory_equal(now.p, want.p, want.n);
        fix_drop(now);
}

/* Another inode with the same bytes is the same file, whether the scan rotates or not. */
static void resuming_takes_a_copy_for_the_file(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                for (int rotates = 0; rotates < 2; rotates++) {
                        char text[OUT_COMMIT_MAX], whole[600];
                        const char *path = path_for(lived[i], rotates ? "copied-rot" : "copied");
                        const char *texts[1] = {text};
                        struct out_file f = {lived[i]->name, path};
                        struct out_conf c = fix_conf(&f, 1);
                        struct err e = {0};
                        struct out *o;
                        c.rotate_bytes = rotates ? 1 << 20 : 0;
                        die_after(lived[i]->name, path, 70, 100, false, text);
                        assert_int_equal(
                                fix_shell("for f in '%s'*; do cp \"$f\" '%s/t' && mv '%s/t' \"$f\"; done",
                                          path, fix_dir, fix_dir),
                                0);
                        if (out_open_resumed(&o, &c, &fix_run, texts, 1, &e))
                                fail_msg("%s", e.text);
                        feed(o, 70, 130);
                        close_ok(o);
                        snprintf(whole, sizeof(whole), "%s/copied-rot-%s-00000.%s", fix_dir, lived[i]->name,
                                 lived[i]->ext);
                        assert_exact(lived[i], rotates ? whole : path, 200);
                }
        }
}

static void refuses(const struct out_conf *c, const char *text, const char *path, const char *word)
{
        const char *texts[1] = {text};
        struct span before = fix_read(path);
        struct err e = {0};
        struct out *o;
        assert_int_equal(out_open_resumed(&o, c, &fix_run, texts, 1, &e), -1);
        if (!strstr(e.text, path) || !strstr(e.text, word))
                fail_msg("\"%s\" lacks \"%s\"", e.text, word);
        assert_untouched(path, before);
        fix_drop(before);
}

static void resuming_leaves_another_file_untouched(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                if (lived[i]->grouped) /* its journal tells: the next test */
                        continue;
                for (int rotates = 0; rotates < 2; rotates++) {
                        char text[OUT_COMMIT_MAX], *at;
                        const char *path = path_for(lived[i], "foreign");
                        struct out_file f = {lived[i]->name, path};
                        struct out_conf c = fix_conf(&f, 1);
                        struct out *o;
                        unlink(path);
                        die_after(lived[i]->name, path, 70, 100, false, text);
                        unlink(path); /* a valid file of the same format, and longer */
                        open_one(&o, &c, &fix_run);
                        feed(o, 500, 200);
                        close_ok(o);
                        c.rotate_bytes = rotates ? 1 << 20 : 0;
                        refuses(&c, text, path, rotates ? "move this one away" : "bring the file back");
                        at = strstr(text, "rotating=0");
                        assert_non_null(at);
                        at[9] = '1';
                        refuses(&c, text, path, "move this one away");
                        assert_int_equal(truncate(path, 600), 0);
                        refuses(&c, text, path, "it has 600 bytes");
                }
        }
}

static void resuming_leaves_another_journal_untouched(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                char text[OUT_COMMIT_MAX], other[OUT_COMMIT_MAX], journal[600];
                const char *path = path_for(lived[i], "foreign-journal");
                struct out_file f = {lived[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                if (!lived[i]->grouped)
                        continue;
                snprintf(journal, sizeof(journal), "%s.journal", path);
                die_after(lived[i]->name, path, 70, 100, false, text);
                assert_int_equal(fix_shell("cp '%s' '%s/kept'", path, fix_dir), 0);
                die_after(lived[i]->name, path, 90, 200, false, other);
                assert_int_equal(fix_shell("cp '%s/kept' '%s'", fix_dir, path), 0);
                assert_int_equal(
                        fix_shell("printf x | dd of='%s' bs=1 seek=400 conv=notrunc 2>/dev/null", journal),
                        0);
                refuses(&c, text, journal, "bring the file back");
                fix_write(journal, "mine", 4);
                refuses(&c, text, journal, "in the way");
        }
}

/* Only the end removes a journal, and then the text says so. */
static void resuming_without_the_journal_is_refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                char text[OUT_COMMIT_MAX], journal[600];
                const char *path = path_for(lived[i], "lost-journal"), *texts[1] = {text};
                struct out_file f = {lived[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct err e = {0};
                struct out *o;
                if (!lived[i]->grouped)
                        continue;
                snprintf(journal, sizeof(journal), "%s.journal", path);
                die_after(lived[i]->name, path, 70, 100, false, text);
                struct span before = fix_read(path);
                unlink(journal);
                assert_int_equal(out_open_resumed(&o, &c, &fix_run, texts, 1, &e), -1);
                if (!strstr(e.text, journal) || !strstr(e.text, "bring the file back"))
                        fail_msg("\"%s\"", e.text);
                assert_untouched(path, before);
                fix_drop(before);
        }
}

/* Before the checkpoint knows a record, the header is all that it knows, and many files have the same. */
static void a_file_of_others_is_left_before_the_first_record(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                char text[OUT_COMMIT_MAX], *at;
                const char *path = path_for(lived[i], "blank"), *other = path_for(lived[i], "theirs");
                const char *texts[1] = {text};
                struct out_file f = {lived[i]->name, path}, theirs = {lived[i]->name, other};
                struct out_conf c = fix_conf(&f, 1), its = fix_conf(&theirs, 1);
                struct err e = {0};
                struct out *o;
                die_after(lived[i]->name, path, 0, 0, false, text);
                open_one(&o, &its, &fix_run);
                feed(o, 500, 50);
                close_ok(o);
                assert_int_equal(rename(other, path), 0);
                refuses(&c, text, path, "move this one away");
                at = strstr(text, "rotating=0");
                assert_non_null(at);
                at[9] = '1';
                refuses(&c, text, path, "move this one away");
                at[9] = '0';
                for (int how = 0; how < 2; how++) { /* nothing can be missing in what holds nothing */
                        unlink(path);
                        if (how)
                                fix_write(path, "", 0);
                        if (out_open_resumed(&o, &c, &fix_run, texts, 1, &e))
                                fail_msg("%s: %s", lived[i]->name, e.text);
                        feed(o, 0, 40);
                        out_ending(o, true);
                        close_ok(o);
                        assert_exact(lived[i], path, 40);
                }
        }
}

/* What was written between the checkpoint and the kill is in the very file, or told by the journal. */
static void the_own_file_goes_on_before_the_first_known_record(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                char text[OUT_COMMIT_MAX];
                const char *path = path_for(lived[i], "young"), *texts[1] = {text};
                struct out_file f = {lived[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct err e = {0};
                struct out *o;
                die_after(lived[i]->name, path, 0, 30, false, text);
                if (lived[i] == &out_nmap_list) { /* a drawing takes two seconds: as if it had been done */
                        struct out_file draw = {lived[i]->name, fix_path("drawn")};
                        struct out_conf its = fix_conf(&draw, 1);
                        open_one(&o, &its, &fix_run);
                        feed(o, 0, 30);
                        close_ok(o);
                        assert_int_equal(rename(draw.path, path), 0);
                }
                if (out_open_resumed(&o, &c, &fix_run, texts, 1, &e))
                        fail_msg("%s: %s", lived[i]->name, e.text);
                feed(o, 0, 130);
                close_ok(o);
                assert_exact(lived[i], path, 130);
        }
}

static void resuming_in_another_format_is_refused(void **state)
{
        static const struct {
                const char *was, *now, *word;
                bool was_by_host, now_by_host;
        } rows[] = {{"list", "json", "as json: what it has is list;", false, false},
                    {"xml", "xml-nmap", "as xml-nmap by host: what it has is xml;", false, false},
                    {"json", "json", "as json: what it has is json by host;", true, false},
                    {"normal", "list", "as list: what it has is normal by host;", false, false}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
                char text[OUT_COMMIT_MAX], again[600];
                const char *path = fix_path("reformatted");
                struct out_file f = {rows[i].now, path};
                struct out_conf c = fix_conf(&f, 1);
                die_after(rows[i].was, path, 70, 100, rows[i].was_by_host, text);
                c.group_by_host = rows[i].now_by_host;
                refuses(&c, text, path, rows[i].word);
                snprintf(again, sizeof(again), "%s/../%s/reformatted", fix_dir, strrchr(fix_dir, '/') + 1);
                f.path = again;
                refuses(&c, text, again, rows[i].word);
                fix_shell("rm -f '%s'*", path);
        }
}

static void an_output_that_is_new_in_a_resume_gets_everything(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                char text[OUT_COMMIT_MAX];
                const char *path = path_for(lived[i], "known"), *texts[1] = {text};
                const char *late = path_for(lived[i], "late"), *fifo = fix_path("late.fifo");
                struct out_file f[3] = {{lived[i]->name, path}, {lived[i]->name, late}, {"list", fifo}};
                struct out_conf c = fix_conf(f, 3);
                struct err e = {0};
                struct out *o;
                die_after(lived[i]->name, path, 70, 100, false, text);
                assert_int_equal(mkfifo(fifo, 0600), 0);
                int rd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
                if (out_open_resumed(&o, &c, &fix_run, texts, 1, &e))
                        fail_msg("%s: %s", lived[i]->name, e.text);
                for (uint32_t k = 0; k < 70; k++) {
                        struct record r = numbered(k);
                        out_record_again(o, &r);
                }
                feed(o, 70, 30);
                close_ok(o);
                assert_exact(lived[i], path, 100);
                assert_exact(lived[i], late, 100);
                char piped[16384] = "";
                size_t lines = 0;
                for (ssize_t n = read(rd, piped, sizeof(piped)); n > 0; n--)
                        lines += piped[n - 1] == '\n';
                assert_int_equal(lines, 2 + 30); /* header, trailer, and what was new */
                close(rd);
                unlink(fifo);
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

/* ---- the rest
 * ---------------------------------------------------------------------------------------------------------------
 */
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
        two[1].path = "./a"; /* the same by another name */
        assert_int_equal(out_check(&c, &e), -1);
        two[1].path = "b";
        assert_int_equal(out_check(&c, &e), 0);
        two[0] = (struct out_file){"binary", "a.journal"};
        two[1] = (struct out_file){"normal", "./a"};
        for (int turned = 0; turned < 2; turned++) {
                e.text[0] = 0;
                assert_int_equal(out_check(&c, &e), -1);
                assert_non_null(strstr(e.text, "keeps its journal"));
                struct out_file first = two[0];
                two[0] = two[1];
                two[1] = first;
        }
        two[1].format = "json"; /* not grouped: no journal */
        assert_int_equal(out_check(&c, &e), 0);
        c.group_by_host = true;
        assert_int_equal(out_check(&c, &e), -1);
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
                cmocka_unit_test(resuming_after_an_orderly_end_goes_on),
                cmocka_unit_test(resuming_inside_a_rotation_starts_the_next_file),
                cmocka_unit_test(resuming_after_the_last_rotation_goes_on),
                cmocka_unit_test(resuming_before_the_rename_goes_on),
                cmocka_unit_test(resuming_takes_a_copy_for_the_file),
                cmocka_unit_test(resuming_leaves_another_file_untouched),
                cmocka_unit_test(resuming_leaves_another_journal_untouched),
                cmocka_unit_test(resuming_without_the_journal_is_refused),
                cmocka_unit_test(a_file_of_others_is_left_before_the_first_record),
                cmocka_unit_test(the_own_file_goes_on_before_the_first_known_record),
                cmocka_unit_test(resuming_in_another_format_is_refused),
                cmocka_unit_test(an_output_that_is_new_in_a_resume_gets_everything),
                cmocka_unit_test(bad_settings_are_told),
                cmocka_unit_test(the_files_belong_to_the_sudo_user),
                cmocka_unit_test(a_full_group_store_is_settled),
        };
        return cmocka_run_group_tests(tests, fix_dir_make, fix_dir_drop);
}
