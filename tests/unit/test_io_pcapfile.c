// SPDX-License-Identifier: Apache-2.0
/*
 * Capture files that are gone on with: cut at every byte of the header or of a record, they are continued and
 * hold whole records; what is not a capture file is refused and keeps its bytes.
 */
#include "io/io_priv.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { HEADER = 24, RECORD = 16, FRAME = 60, ONE = RECORD + FRAME };

static char path[64];

static void set_file(const void *p, size_t n)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, p, n), n);
        close(fd);
}

static size_t get_file(void *p, size_t cap)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, p, cap);
        close(fd);
        assert_true(n >= 0);
        return (size_t)n;
}

static void add_frame(bool append, uint8_t fill)
{
        uint8_t frame[FRAME];
        struct pcap_writer w;
        struct err e;
        const struct span part = span_of(frame, sizeof(frame));
        memset(frame, fill, sizeof(frame));
        if (pcapw_open(&w, path, append, false, LINK_ETHER, &e))
                fail_msg("%s", e.text);
        pcapw_frame(&w, clock_mono_ns(), &part, 1);
        pcapw_close(&w);
}

static void a_file_torn_anywhere_goes_on(void **state)
{
        uint8_t whole[HEADER + 2 * ONE], got[HEADER + 4 * ONE];
        (void)state;
        add_frame(false, 'a');
        add_frame(true, 'b');
        assert_int_equal(get_file(whole, sizeof(whole)), sizeof(whole));
        for (size_t cut = 0; cut <= sizeof(whole); cut++) {
                size_t records = cut < HEADER ? 0 : (cut - HEADER) / ONE, kept = HEADER + records * ONE;
                set_file(whole, cut);
                add_frame(true, 'c');
                assert_int_equal(get_file(got, sizeof(got)), kept + ONE);
                assert_memory_equal(got, whole, kept);
                assert_int_equal(got[kept + RECORD], 'c');
        }
}

static void refuses(const void *bytes, size_t n)
{
        struct pcap_writer w;
        struct err e;
        uint8_t got[64];
        set_file(bytes, n);
        assert_int_equal(pcapw_open(&w, path, true, false, LINK_ETHER, &e), -1);
        assert_non_null(strstr(e.text, path));
        assert_int_equal(get_file(got, sizeof(got)), n);
        assert_memory_equal(got, bytes, n);
}

static void what_is_no_capture_file_is_left_alone(void **state)
{
        uint8_t header[HEADER];
        (void)state;
        add_frame(false, 'a');
        get_file(header, sizeof(header));
        refuses("notes", 5);
        refuses("notes that are longer than a header is", 38);
        for (size_t i = 0; i < HEADER; i++) { /* one byte off, and cut right behind it */
                uint8_t other[HEADER];
                memcpy(other, header, sizeof(other));
                other[i] ^= 1;
                if (i + 1 < HEADER)
                        refuses(other, i + 1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_torn_anywhere_goes_on),
                cmocka_unit_test(what_is_no_capture_file_is_left_alone),
        };
        snprintf(path, sizeof(path), "/tmp/trawl-pcapfile-%d", (int)getpid());
        int rc = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(path);
        return rc;
}
