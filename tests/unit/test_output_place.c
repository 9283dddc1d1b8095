// SPDX-License-Identifier: Apache-2.0
/*
 * What lies beside an output file: FILE.new and FILE.journal of somebody else are never written over, a name
 * that cannot be had keeps the data where it is told, and a killed scan leaves no litter. Mounts are made in
 * a namespace of a child's own.
 */
#include "test_output_files.h"
#include <sched.h>
#include <sys/mount.h>

static const struct out_ops *const grouped[] = {&out_normal, &out_nmap_list, &out_xml_nmap};

static void assert_mine(const char *path)
{
        struct span s = fix_read(path);
        assert_int_equal(s.n, 4);
        assert_memory_equal(s.p, "mine", 4);
        fix_drop(s);
}

/* In a child with mounts of its own; what goes wrong there is its status. */
static int in_child(void (*what)(const void *), const void *arg)
{
        int status = 0;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
                        _exit(77);
                setenv("CMOCKA_TEST_ABORT", "1", 1); /* or the child would run the tests that follow */
                what(arg);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- FILE.new
 * ------------------------------------------------------------------------------------------------ */
static void write_beside(const struct out_ops *ops, const char *stem)
{
        char new[600], second[600];
        const char *path = path_for(ops, stem);
        struct out_file f = {ops->name, path};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        snprintf(new, sizeof(new), "%s.new", path);
        snprintf(second, sizeof(second), "%s.new.1", path);
        fix_write(new, "mine", 4);
        fix_write(second, "mine", 4);
        open_one(&o, &c, &fix_run);
        feed(o, 0, 50);
        flush_all(o);
        feed(o, 50, 50);
        close_ok(o);
        assert_exact(ops, path, 100);
        assert_mine(new);
        assert_mine(second);
        snprintf(second, sizeof(second), "%s.new.2", path);
        assert_int_not_equal(access(second, F_OK), 0);
}

static void a_file_named_like_ours_is_left_alone(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++)
                write_beside(lived[i], "beside");
}

static void without_nameless_files(const void *arg)
{
        const struct out_ops *ops = arg;
        if (mount("tmpfs", "/proc", "tmpfs", 0, "size=1m")) /* what links such a file to a name */
                _exit(77);
        write_beside(ops, "named");
}

static void so_it_is_where_files_need_names(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                int rc = in_child(without_nameless_files, lived[i]);
                if (rc == 77)
                        skip();
                assert_int_equal(rc, 0);
        }
}

static bool has_nameless_files(void)
{
        int fd = open(fix_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

/* Draws the whole file again and again until it is killed. */
static void draw_for_ever(const struct out_ops *ops, const char *path)
{
        struct out_file f = {ops->name, path};
        struct out_conf c = fix_conf(&f, 1);
        struct err e;
        struct sink *s = sink_new(ops, path, &c, &fix_run, &e);
        if (!s || sink_open(s, &e))
                _exit(1);
        for (uint32_t i = 0; i < 500; i++) {
                struct record r = numbered(i);
                sink_record(s, &r);
        }
        while (place_file(s, &e) == 0)
                ;
        _exit(2);
}

static void a_killed_scan_leaves_no_litter(void **state)
{
        unsigned seed = 4711;
        (void)state;
        if (!has_nameless_files())
                skip();
        for (int k = 0; k < 30; k++) {
                const struct out_ops *ops = grouped[k % (int)ARRAY_LEN(grouped)];
                const char *path = path_for(ops, "litter");
                unlink(path);
                pid_t pid = fork();
                if (pid == 0)
                        draw_for_ever(ops, path);
                while (access(path, F_OK))
                        usleep(100);
                usleep(3000 + (useconds_t)(rand_r(&seed) % 20000));
                kill(pid, SIGKILL);
                int status;
                waitpid(pid, &status, 0);
                assert_true(WIFSIGNALED(status));
                assert_int_not_equal(fix_parses(ops, path), 1);
        }
        /* The name is there between two system calls only: a busy machine may stop a few of 30 just there. */
        assert_in_range(fix_shell("exit $(ls '%s' | grep -c 'litter.*new')", fix_dir), 0, 5);
}

/* ---- FILE.journal
 * -------------------------------------------------------------------------------------------- */
static void open_fails(const struct out_conf *c, const char *word, const char *name)
{
        struct err e = {0};
        struct out *o;
        assert_int_equal(out_open(&o, c, &fix_run, &e), -1);
        if (!strstr(e.text, word) || !strstr(e.text, name))
                fail_msg("\"%s\" lacks \"%s\" or \"%s\"", e.text, word, name);
}

static void a_journal_of_somebody_else_is_refused(void **state)
{
        static const char scan[] = "masscan/1.1\ns:1795219502\n";
        uint8_t theirs[99] = {0};
        (void)state;
        memcpy(theirs, scan, sizeof(scan));
        for (size_t i = 0; i < ARRAY_LEN(grouped); i++) {
                char journal[600], target[600];
                const char *path = path_for(grouped[i], "foreign");
                struct out_file f = {grouped[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                snprintf(journal, sizeof(journal), "%s.journal", path);
                snprintf(target, sizeof(target), "%s.target", path);
                fix_write(path, "mine", 4);
                fix_write(journal, "mine", 4);
                open_fails(&c, "in the way", journal);
                assert_mine(journal);
                assert_mine(path); /* nothing was begun */
                assert_int_equal(rename(journal, target), 0);
                assert_int_equal(symlink(target, journal), 0);
                open_fails(&c, "in the way", journal);
                assert_mine(target);
                unlink(journal);
                assert_int_equal(mkdir(journal, 0755), 0);
                open_fails(&c, "in the way", journal);
                rmdir(journal);
                fix_write(journal, theirs, sizeof(theirs)); /* somebody's scan file */
                open_fails(&c, "in the way", journal);
                struct span s = fix_read(journal);
                assert_int_equal(s.n, sizeof(theirs));
                fix_drop(s);
        }
}

static void die_with_records(const struct out_ops *ops, const char *path)
{
        pid_t pid = fork();
        if (pid == 0) {
                struct out_file f = {ops->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct err e;
                struct out *o;
                if (out_open(&o, &c, &fix_run, &e))
                        _exit(1);
                feed(o, 0, 40);
                if (out_flush(o, true, &e))
                        _exit(2);
                kill(getpid(), SIGKILL);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
}

/* A new scan that writes over the file takes the name; one that appends would lose what only the journal has.
 */
static void a_journal_that_a_crash_left_is_known(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(grouped); i++) {
                char journal[600];
                const char *path = path_for(grouped[i], "crashed");
                struct out_file f = {grouped[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct out *o;
                uint8_t seen[50] = {0};
                die_with_records(grouped[i], path);
                snprintf(journal, sizeof(journal), "%s.journal", path);
                assert_int_equal(mark_binary(journal, seen, sizeof(seen)), 40);
                c.append = true;
                for (int how = 0; how < 3; how++) { /* the file as it is, empty, gone */
                        if (how == 1)
                                fix_write(path, "", 0);
                        else if (how == 2)
                                unlink(path);
                        open_fails(&c, "--resume", journal);
                        assert_int_equal(mark_binary(journal, seen, sizeof(seen)), 40);
                }
                c.append = false;
                open_one(&o, &c, &fix_run);
                feed(o, 0, 10);
                close_ok(o);
                assert_exact(grouped[i], path, 10);
                assert_int_not_equal(access(journal, F_OK), 0);
        }
}

/* ---- a name that cannot be had
 * --------------------------------------------------------------------------------- */
static void a_rename_that_fails_keeps_the_data(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(grouped); i++) {
                char new[600];
                const char *path = path_for(grouped[i], "taken");
                struct out_file f = {grouped[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct err e = {0};
                struct out *o;
                snprintf(new, sizeof(new), "%s.new", path);
                for (int comes_back = 0; comes_back < 2; comes_back++) {
                        open_one(&o, &c, &fix_run);
                        feed(o, 0, 100);
                        unlink(path);
                        assert_int_equal(mkdir(path, 0755), 0);
                        if (comes_back) {
                                rmdir(path);
                                close_ok(o);
                                assert_exact(grouped[i], path, 100);
                                assert_int_not_equal(access(new, F_OK), 0);
                                unlink(path);
                                continue;
                        }
                        assert_int_equal(out_close(o, &e), -1);
                        if (!strstr(e.text, new) || !strstr(e.text, path))
                                fail_msg("\"%s\" does not say where the results are", e.text);
                        assert_exact(grouped[i], new, 100);
                        rmdir(path);
                        unlink(new);
                }
        }
}

/* A file that is a mount point of its own, as containers are given them, cannot be renamed over. */
static void onto_a_mount_of(const struct out_ops *ops, const char *under)
{
        const char *path = path_for(ops, "mounted");
        struct out_file f = {ops->name, path};
        struct out_conf c = fix_conf(&f, 1);
        struct out *o;
        fix_write(path, "", 0);
        fix_write(under, "", 0);
        if (mount(under, path, NULL, MS_BIND, NULL))
                _exit(77);
        open_one(&o, &c, &fix_run);
        feed(o, 0, 100);
        flush_all(o);
        close_ok(o);
        assert_exact(ops, under, 100);
        assert_int_equal(fix_shell("! ls '%s' | grep -q 'mounted.*new'", fix_dir), 0);
}

static void onto_a_mount_point(const void *arg)
{
        onto_a_mount_of(arg, fix_path("under"));
}

static void onto_another_file_system(const void *arg)
{
        const char *disk = fix_path("disk");
        mkdir(disk, 0755);
        if (mount("tmpfs", disk, "tmpfs", 0, "size=1m"))
                _exit(77);
        onto_a_mount_of(arg, fix_path("disk/under"));
}

static void a_mounted_file_is_written_in_place(void **state)
{
        (void)state;
        for (size_t i = 0; i < 2 * ARRAY_LEN(grouped); i++) {
                int rc = in_child(i % 2 ? onto_another_file_system : onto_a_mount_point, grouped[i / 2]);
                if (rc == 77)
                        skip();
                assert_int_equal(rc, 0);
        }
}

static void into_a_fixed_directory(const void *arg)
{
        const struct out_ops *ops = arg;
        const char *disk = fix_path("disk"), *path = fix_path("disk/fixed"), *under = fix_path("written");
        struct out_run readscan = fix_run;
        struct out_file f = {ops->name, path};
        struct out_conf c = fix_conf(&f, 1);
        char journal[600];
        struct out *o;
        mkdir(disk, 0755);
        if (mount("tmpfs", disk, "tmpfs", 0, "size=1m"))
                _exit(77);
        fix_write(path, "", 0);
        fix_write(under, "", 0);
        if (mount(under, path, NULL, MS_BIND, NULL) ||
            mount(NULL, disk, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
                _exit(77);
        snprintf(journal, sizeof(journal), "%s.journal", path);
        open_fails(&c, "the journal that", journal);
        readscan.from_readscan = true;
        open_one(&o, &c, &readscan);
        feed(o, 0, 100);
        close_ok(o);
        assert_exact(ops, under, 100);
}

/* --readscan needs no journal. */
static void a_journal_that_cannot_be_made_is_named(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(grouped); i++) {
                int rc = in_child(into_a_fixed_directory, grouped[i]);
                if (rc == 77)
                        skip();
                assert_int_equal(rc, 0);
        }
}

/* ---- symbolic links
 * ---------------------------------------------------------------------------------------------------- */
static void a_link_to_nothing_yet_is_followed(void **state)
{
        struct stat st;
        (void)state;
        assert_int_equal(mkdir(fix_path("data"), 0755), 0);
        for (size_t i = 0; i < ARRAY_LEN(lived); i++) {
                const char *path = path_for(lived[i], "link"), *second = path_for(lived[i], "second");
                struct out_file f = {lived[i]->name, path};
                struct out_conf c = fix_conf(&f, 1);
                struct out *o;
                char to[64], whole[600];
                snprintf(to, sizeof(to), "data/%s", lived[i]->name);
                snprintf(whole, sizeof(whole), "%s/%s", fix_dir, to);
                assert_int_equal(symlink(second, path), 0);
                assert_int_equal(symlink(to, second), 0);
                open_one(&o, &c, &fix_run);
                feed(o, 0, 100);
                close_ok(o);
                assert_int_equal(lstat(path, &st), 0);
                assert_true(S_ISLNK(st.st_mode));
                assert_exact(lived[i], whole, 100);
        }
        struct out_file round = {"list", fix_path("round")};
        struct out_conf c = fix_conf(&round, 1);
        assert_int_equal(symlink("round", round.path), 0);
        open_fails(&c, "cannot open", "round");
        assert_int_equal(lstat(round.path, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
}

/* ---- a rotation whose next file cannot be begun
 * ---------------------------------------------------------------- */
static void obstruct(void *arg)
{
        char *journal = arg;
        if (!*journal)
                return;
        unlink(journal);
        assert_int_equal(mkdir(journal, 0755), 0);
        *journal = 0; /* once */
}

static void a_next_file_that_cannot_begin_is_tried_again(void **state)
{
        char journal[600], hook_arg[600], first[600], second[600];
        const char *path = path_for(&out_normal, "next");
        struct out_file f = {"normal", path};
        struct out_conf c = fix_conf(&f, 1);
        struct err e = {0};
        struct out *o;
        (void)state;
        c.rotate_bytes = 4096;
        snprintf(journal, sizeof(journal), "%s.journal", path);
        memcpy(hook_arg, journal, sizeof(journal));
        snprintf(first, sizeof(first), "%s/next-normal-00000.nmap", fix_dir);
        snprintf(second, sizeof(second), "%s/next-normal-00001.nmap", fix_dir);
        open_one(&o, &c, &fix_run);
        out_on_rotate(o, obstruct, hook_arg);
        feed(o, 0, 100);
        usleep(2100000); /* a grouped file is drawn every two seconds: then it is seen to be large enough */
        assert_int_equal(out_flush(o, true, &e), -1);
        assert_non_null(strstr(e.text, "in the way"));
        assert_exact(&out_normal, first, 100);
        feed(o, 100, 20);
        assert_int_equal(out_flush(o, true, &e), -1);
        assert_int_equal(rmdir(journal), 0);
        flush_all(o);
        feed(o, 120, 20);
        close_ok(o);
        uint8_t seen[140] = {0};
        assert_int_equal(mark(&out_normal, second, seen, sizeof(seen)), 40);
        for (size_t i = 0; i < sizeof(seen); i++)
                assert_int_equal(seen[i], i >= 100);
        assert_int_not_equal(access(journal, F_OK), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_named_like_ours_is_left_alone),
                cmocka_unit_test(so_it_is_where_files_need_names),
                cmocka_unit_test(a_killed_scan_leaves_no_litter),
                cmocka_unit_test(a_journal_of_somebody_else_is_refused),
                cmocka_unit_test(a_journal_that_a_crash_left_is_known),
                cmocka_unit_test(a_rename_that_fails_keeps_the_data),
                cmocka_unit_test(a_mounted_file_is_written_in_place),
                cmocka_unit_test(a_journal_that_cannot_be_made_is_named),
                cmocka_unit_test(a_link_to_nothing_yet_is_followed),
                cmocka_unit_test(a_next_file_that_cannot_begin_is_tried_again),
        };
        return cmocka_run_group_tests(tests, fix_dir_make, fix_dir_drop);
}
