// SPDX-License-Identifier: Apache-2.0
/*
 * Files in trouble: SIGKILL in the middle of a burst, a full disk, a pipe that is slow or whose reader goes.
 * A file must parse, or do so after --repair, and hold a beginning of what was written: nothing lost in
 * between, nothing doubled, nothing garbled.
 */
#include "test_output_files.h"
#include <sched.h>
#include <sys/mount.h>

/* ---- SIGKILL
 * -------------------------------------------------------------------------------------------------------------
 */
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
                whole = memcmp(f.p + end, want.p, MIN(want.n, (size_t)12)) == 0 &&
                        f.p[f.n - 1] == want.p[want.n - 1];
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

/* The records were written in rounds of 0 … BURST - 1: what is kept is the beginning of that, and nothing
 * else. */
static void assert_is_beginning(const struct out_ops *ops, const char *path)
{
        static uint8_t seen[BURST];
        memset(seen, 0, sizeof(seen));
        mark(ops, path, seen, BURST);
        for (size_t i = 1; i < BURST; i++)
                if (seen[i] > seen[i - 1] || seen[0] - seen[i] > 1)
                        fail_msg("%s: record %zu stands %u times, record 0 %u times", ops->name, i, seen[i],
                                 seen[0]);
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
                                        fail_msg("%s: the journal of kill %d cannot be mended",
                                                 lived[i]->name, k);
                        }
                        if (!got)
                                fail_msg("%s: killed file %d can neither be read nor mended", lived[i]->name,
                                         k);
                        as_is += got == 1;
                        mended += got == 2;
                }
                print_message("# %s: %d kills, %u parse as they are, %u after --repair\n", lived[i]->name,
                              KILLS, as_is, mended);
        }
}

/* ---- a full disk
 * ---------------------------------------------------------------------------------------------------------
 */
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

/* ---- pipes
 * ----------------------------------------------------------------------------------------------------------------
 */
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(killed_files_parse_or_can_be_mended),
                cmocka_unit_test(a_full_disk_loses_and_doubles_nothing),
                cmocka_unit_test(a_pipe_gets_everything_and_one_trailer),
                cmocka_unit_test(a_reader_that_goes_is_noticed),
        };
        return cmocka_run_group_tests(tests, fix_dir_make, fix_dir_drop);
}
