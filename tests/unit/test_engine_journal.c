// SPDX-License-Identifier: Apache-2.0
/* The journal: what went in comes out, and a file cut at any byte gives every whole record before the cut. */
#include "engine/eng.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { N = 200 };
static char path[64];
static struct record want[N];

struct seen {
        unsigned n;
        uint64_t last_offset;
};

static void make_records(void)
{
        for (unsigned i = 0; i < N; i++) {
                want[i] = (struct record){
                        .who = {.ip = i % 3 ? ip_v4(0x0a000000 + i) : ip_v6(0x20010db8ull << 32, i),
                                .port = (uint16_t)(i * 7),
                                .proto = 6},
                        .when_ns = 1000000007ull * i,
                        .rtt_us = i * 11,
                        .state = (uint8_t)(1 + i % 3),
                        .ttl = (uint8_t)i,
                        .flags = 0x12,
                        .icmp_type = 3,
                        .icmp_code = (uint8_t)(i % 14)};
                if (i % 6 == 0)
                        want[i].who.ip =
                                (struct ip_addr){.hi = 0xfe80ull << 48, .lo = i, .zone = 3, .family = 6};
                if (i % 5 == 0)
                        want[i].reporter = i % 2 ? ip_v4(0xc0000201) : ip_v6(1, 2);
        }
}

static void check(void *arg, const struct record *x, uint64_t offset)
{
        struct seen *s = arg;
        assert_true(s->n < N);
        assert_true(s->n == 0 || offset > s->last_offset);
        assert_memory_equal(x, &want[s->n], sizeof(*x));
        s->last_offset = offset;
        s->n++;
}

static uint64_t write_all(void)
{
        struct journal *j;
        struct err e;
        assert_int_equal(journal_open(&j, path, true, &e), 0);
        for (unsigned i = 0; i < N; i++)
                journal_add(j, &want[i]);
        assert_int_equal(journal_flush(j, &e), 0);
        uint64_t len = journal_len(j);
        journal_close(j, false);
        return len;
}

static unsigned read_all(void)
{
        struct journal *j;
        struct err e;
        struct seen s = {0};
        assert_int_equal(journal_open(&j, path, false, &e), 0);
        assert_int_equal(journal_replay(j, check, &s, &e), 0);
        journal_close(j, false);
        return s.n;
}

static void round_trip(void **state)
{
        (void)state;
        write_all();
        assert_int_equal(read_all(), N);
}

static void every_cut(void **state)
{
        (void)state;
        uint64_t len = write_all();
        unsigned last = N;
        for (uint64_t cut = len; cut-- > 0;) {
                assert_int_equal(truncate(path, (off_t)cut), 0);
                unsigned n = read_all();
                assert_true(n <= last && n + 1 >= last);
                last = n;
        }
        assert_int_equal(last, 0);
}

static void a_flipped_byte_ends_it(void **state)
{
        (void)state;
        uint64_t len = write_all();
        int fd = open(path, O_RDWR);
        uint8_t b;
        assert_int_equal(pread(fd, &b, 1, (off_t)len - 5), 1);
        b ^= 0x40;
        assert_int_equal(pwrite(fd, &b, 1, (off_t)len - 5), 1);
        close(fd);
        assert_int_equal(read_all(), N - 1);
}

/* A disk that cannot be read says nothing about where the records end: nothing is cut off. */
static void what_cannot_be_read_is_not_cut(void **state)
{
        struct journal *j;
        struct err e;
        struct seen s = {0};
        (void)state;
        write_all();
        int next = open(path, O_WRONLY);
        assert_int_equal(close(next), 0);
        assert_int_equal(journal_open(&j, path, false, &e), 0); /* is given the number that is free */
        int blind = open(path, O_WRONLY);
        assert_int_equal(dup2(blind, next), next);
        assert_int_equal(close(blind), 0);
        assert_int_equal(journal_replay(j, check, &s, &e), -1);
        journal_close(j, false);
        assert_int_equal(read_all(), N);
}

static uint8_t page[60000];
static const char *const asked = "www.example.com";
static struct record spoken[3];

static void check_banner(void *arg, const struct record *x, uint64_t offset)
{
        unsigned *n = arg;
        const struct record *w = &spoken[*n % 3];
        (void)offset;
        assert_true(x->state == PORT_BANNER && x->app == w->app && x->who.port == w->who.port);
        assert_true(ip_eq(&x->who.ip, &w->who.ip) && x->n_names == w->n_names && x->banner.n == w->banner.n);
        assert_int_equal(x->fields.n, w->fields.n);
        if (w->banner.n)
                assert_memory_equal(x->banner.p, w->banner.p, w->banner.n);
        if (w->fields.n)
                assert_memory_equal(x->fields.p, w->fields.p, w->fields.n);
        if (w->n_names)
                assert_string_equal(x->names[0], asked);
        ++*n;
}

/* Longer than a journal's buffer together, and cut where the last one is not whole. */
static void banners_come_back(void **state)
{
        struct journal *j;
        struct err e;
        unsigned n = 0;
        (void)state;
        memset(page, 'x', sizeof(page));
        for (unsigned i = 0; i < 3; i++)
                spoken[i] = (struct record){.who = {.ip = ip_v4(i), .port = (uint16_t)(80 + i), .proto = 6},
                                            .state = PORT_BANNER,
                                            .app = (uint16_t)(300 + i),
                                            .names = &asked,
                                            .n_names = i == 1,
                                            .banner = span_of(page, i ? 60000 : 0),
                                            .fields = span_of(page, i == 2 ? 16000 : 0)};
        assert_int_equal(journal_open(&j, path, true, &e), 0);
        for (unsigned i = 0; i < 60; i++)
                assert_true(journal_add(j, &spoken[i % 3]));
        assert_int_equal(journal_flush(j, &e), 0);
        uint64_t len = journal_len(j);
        journal_close(j, false);
        assert_true(len > 2 << 20);
        for (unsigned cut = 0; cut < 2; cut++) {
                assert_int_equal(truncate(path, (off_t)(len - cut)), 0);
                n = 0;
                assert_int_equal(journal_open(&j, path, false, &e), 0);
                assert_int_equal(journal_replay(j, check_banner, &n, &e), 0);
                journal_close(j, false);
                assert_int_equal(n, 60 - cut);
        }
}

static int setup(void **state)
{
        (void)state;
        snprintf(path, sizeof(path), "/tmp/trawl-journal-%d", (int)getpid());
        make_records();
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        return unlink(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(round_trip),
                cmocka_unit_test(every_cut),
                cmocka_unit_test(a_flipped_byte_ends_it),
                cmocka_unit_test(what_cannot_be_read_is_not_cut),
                cmocka_unit_test(banners_come_back),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
