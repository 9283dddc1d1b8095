// SPDX-License-Identifier: Apache-2.0
/*
 * A write of new records over the old trailer, cut at every byte of that trailer: --repair must never call
 * the result whole, and what it leaves must end in a trailer again, with every record that was whole before.
 */
#include "output/output.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static char path[64];

static size_t make_file(const char *format, unsigned n, uint8_t *buf, size_t cap)
{
        struct out_file f = {format, path};
        struct out_conf c = {
                .files = &f, .n_files = 1, .show = ~0u, .flush_ns = NS_PER_S, .xml_dialect = "masscan"};
        struct out_run run = {.command_line = "t",
                              .start_wall_ns = 1795219432ull * NS_PER_S,
                              .ports_tcp = "80",
                              .ports_udp = "",
                              .ports_sctp = "",
                              .ports_other = "",
                              .n_tcp = 1,
                              .n_hosts = 9};
        struct out *o;
        struct err e;
        unlink(path);
        assert_int_equal(out_open(&o, &c, &run, &e), 0);
        for (unsigned i = 0; i < n; i++) {
                struct record x = {.who = {.ip = ip_v4(0x0a000001 + i), .port = 80, .proto = 6},
                                   .state = PORT_OPEN,
                                   .when_ns = 1795219433ull * NS_PER_S,
                                   .flags = 0x12,
                                   .ttl = 64};
                out_record(o, &x);
        }
        assert_int_equal(out_close(o, &e), 0);
        int fd = open(path, O_RDONLY);
        ssize_t len = read(fd, buf, cap);
        close(fd);
        assert_true(len > 0 && (size_t)len < cap);
        return (size_t)len;
}

static void write_file(const uint8_t *p, size_t n)
{
        int fd = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, p, n), n);
        close(fd);
}

static void splices(const struct out_ops *ops)
{
        static uint8_t old[65536], new[65536], got[65536];
        char report[512];
        bool empty;
        struct err e;
        size_t old_n = make_file(ops->name, 2, old, sizeof(old)),
               new_n = make_file(ops->name, 4, new, sizeof(new));
        int64_t keep = ops->body_end(span_of(old, old_n), &empty);
        assert_true(keep > 0);
        for (size_t cut = (size_t)keep + 1; cut < old_n && cut < new_n; cut++) {
                memcpy(got, old, old_n);
                memcpy(got + keep, new + keep, cut - (size_t)keep);
                if (memcmp(got, old, old_n) == 0)
                        continue; /* the same bytes so far: nothing happened */
                write_file(got, old_n);
                assert_int_equal(out_repair(path, report, sizeof(report), &e), 0);
                int fd = open(path, O_RDONLY);
                ssize_t n = read(fd, got, sizeof(got));
                close(fd);
                int64_t end = ops->body_end(span_of(got, (size_t)n), &empty);
                assert_true(end >= keep && end < n);
                assert_memory_equal(got, old, (size_t)keep);
                assert_memory_equal(got + end, old + keep, MIN((size_t)4, old_n - (size_t)keep));
        }
}

static void every_format_with_a_trailer(void **state)
{
        static const char *const names[] = {"list", "grepable", "xml", "json", "binary", "unicornscan"};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                splices(out_by_name(names[i]));
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(every_format_with_a_trailer)};
        snprintf(path, sizeof(path), "/tmp/trawl-splice-%d", (int)getpid());
        int rc = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(path);
        return rc;
}
