// SPDX-License-Identifier: Apache-2.0
/*
 * The bottom of the house: SipHash against the vector of its paper's appendix, rings between two threads, the
 * sticky reader and writer at their ends, errors that are longer than their room, whole files.
 */
#include "base/base.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- hash ---- */

/* Byte by byte as the paper describes it (§2), so that inputs of any length can be compared. */
static uint64_t siphash_bytes(struct hash_key k, const uint8_t *p, size_t n)
{
        struct sip s = {k.k0 ^ 0x736f6d6570736575ull, k.k1 ^ 0x646f72616e646f6dull,
                        k.k0 ^ 0x6c7967656e657261ull, k.k1 ^ 0x7465646279746573ull};
        for (size_t at = 0; at <= n; at += 8) {
                uint64_t m = at + 8 > n ? (uint64_t)n << 56 : 0;
                for (size_t i = at; i < MIN(n, at + 8); i++)
                        m |= (uint64_t)p[i] << (i - at) * 8;
                s.v3 ^= m;
                sip_round(&s), sip_round(&s);
                s.v0 ^= m;
        }
        s.v2 ^= 0xff;
        sip_round(&s), sip_round(&s), sip_round(&s), sip_round(&s);
        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static const struct hash_key paper_key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

static void siphash_vectors(void **state)
{
        uint8_t b[64];
        uint64_t w[8];
        (void)state;
        for (unsigned i = 0; i < 64; i++)
                b[i] = (uint8_t)i;
        for (unsigned i = 0; i < 8; i++)
                w[i] = 0x0706050403020100ull + i * 0x0808080808080808ull;
        assert_int_equal(siphash_bytes(paper_key, b, 15), 0xa129ca6149be45e5); /* appendix A */
        struct sip s = sip_start(paper_key);
        sip_absorb(&s, w[0]);
        assert_int_equal(sip_finish(&s, w[1] & UINT64_MAX >> 8, 15), 0xa129ca6149be45e5);
        assert_int_equal(siphash_words(paper_key, w, 0), 0x726fdb47dd0e0e31);
        assert_int_equal(siphash_words(paper_key, w, 1), 0x93f5f5799a932462);
        assert_int_equal(siphash_words(paper_key, w, 2), 0x3f2acc7f57c29bdb);
        for (unsigned n = 0; n <= 8; n++)
                assert_int_equal(siphash_words(paper_key, w, n), siphash_bytes(paper_key, b, n * 8));
}

static void mixer_keeps_bits_apart(void **state)
{
        (void)state;
        for (unsigned bit = 0; bit < 64; bit++) { /* one bit in, about half of the bits out, on average */
                int changed = 0;
                for (uint64_t i = 0; i < 1000; i++)
                        changed += __builtin_popcountll(hash_mix64(i) ^ hash_mix64(i ^ (uint64_t)1 << bit));
                assert_in_range(changed, 1000 * 30, 1000 * 34);
        }
}

/* ---- rings ---- */

struct item {
        uint64_t n, twice;
        uint8_t tail[7];
};
enum { ITEMS = 300000 };

static void *produce(void *arg)
{
        struct ring *r = arg;
        for (uint64_t i = 0; i < ITEMS; i++) {
                struct item it = {.n = i, .twice = 2 * i};
                while (!ring_push(r, &it))
                        sched_yield();
        }
        return NULL;
}

static void ring_between_threads(void **state)
{
        struct ring r;
        struct item got[13];
        pthread_t other;
        struct err e;
        uint64_t next = 0;
        (void)state;
        assert_int_equal(ring_init(&r, 5, sizeof(struct item), &e), 0);
        assert_int_equal(pthread_create(&other, NULL, produce, &r), 0);
        while (next < ITEMS) {
                unsigned n = ring_pop(&r, got, ARRAY_LEN(got));
                if (!n)
                        sched_yield();
                for (unsigned i = 0; i < n; i++, next++)
                        if (got[i].n != next || got[i].twice != 2 * next)
                                fail_msg("item %llu came as %llu", (unsigned long long)next,
                                         (unsigned long long)got[i].n);
        }
        pthread_join(other, NULL);
        assert_int_equal(ring_fill(&r), 0);
        ring_free(&r);
}

static void ring_full_and_empty(void **state)
{
        struct ring r;
        struct err e;
        uint32_t v, out[16];
        (void)state;
        assert_int_equal(ring_init(&r, 3, sizeof(v), &e), 0);
        assert_int_equal(ring_capacity(&r), 8);
        for (unsigned round = 0; round < 5; round++) {
                assert_int_equal(ring_pop(&r, out, 16), 0);
                for (v = 0; v < 8; v++)
                        assert_true(ring_push(&r, &v));
                assert_false(ring_push(&r, &v));
                assert_int_equal(ring_fill(&r), 8);
                assert_int_equal(ring_pop(&r, out, 3), 3);
                assert_true(ring_push(&r, &v));
                assert_int_equal(ring_pop(&r, out + 3, 13), 6);
                for (v = 0; v < 9; v++)
                        assert_int_equal(out[v], v);
        }
        ring_free(&r);
}

/* ---- bytes ---- */

static void reader_sticks(void **state)
{
        static const uint8_t b[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
        (void)state;
        struct rd r = rd_of(span_of(b, sizeof(b)));
        assert_int_equal(rd_u8(&r), 1);
        assert_int_equal(rd_be16(&r), 0x0203);
        struct rd before = r;
        assert_int_equal(rd_be32(&r), 0x04050607);
        assert_int_equal(rd_left(&r), 2);
        assert_int_equal(rd_be32(&r) & 0xffff, 0); /* runs off the end */
        assert_true(r.bad);
        assert_int_equal(rd_left(&r), 0);
        assert_int_equal(rd_u8(&r), 0); /* and stays bad though a byte would be there */
        assert_null(rd_take(&r, 0).p);
        assert_false(before.bad);
        assert_int_equal(rd_be64(&before), 0x0405060708090000); /* six are left of eight: the rest is zero */
        assert_true(before.bad);
}

static void child_readers(void **state)
{
        static const uint8_t b[] = {1, 2, 3, 4};
        (void)state;
        struct rd r = rd_of(span_of(b, 4)), child = rd_sub(&r, 2);
        assert_int_equal(rd_be16(&child), 0x0102);
        assert_int_equal(rd_u8(&child), 0);
        assert_true(child.bad && !r.bad);
        assert_int_equal(rd_left(&r), 2);
        child = rd_sub(&r, 3);
        assert_true(child.bad && r.bad);
        r = rd_of(span_of(NULL, 0));
        assert_int_equal(rd_left(&r), 0);
        rd_skip(&r, 0);
        assert_false(r.bad);
        rd_skip(&r, SIZE_MAX);
        assert_true(r.bad);
}

static void writer_sticks(void **state)
{
        uint8_t b[16];
        (void)state;
        memset(b, 0xee, sizeof(b));
        struct wr w = wr_of(b, 8);
        wr_be32(&w, 0x01020304);
        wr_be16(&w, 0x0506);
        wr_be32(&w, 0x0708090a); /* the first half fits */
        assert_true(w.full);
        size_t n = wr_len(&w);
        wr_u8(&w, 1);
        wr_str(&w, "");
        wr_dec(&w, 1);
        wr_fmt(&w, "%d", 1);
        assert_int_equal(wr_len(&w), n);
        for (size_t i = 8; i < sizeof(b); i++)
                assert_int_equal(b[i], 0xee);
}

static void writer_text(void **state)
{
        char b[64];
        (void)state;
        struct wr w = wr_of(b, sizeof(b));
        wr_dec(&w, 0);
        wr_u8(&w, ' ');
        wr_dec(&w, UINT64_MAX);
        wr_fmt(&w, " %s-%03d", "x", 7);
        assert_int_equal(wr_len(&w), strlen("0 18446744073709551615 x-007"));
        assert_memory_equal(b, "0 18446744073709551615 x-007", wr_len(&w));
        w = wr_of(b, 4);
        wr_fmt(&w, "%s", "abcd"); /* no room for the printer's NUL */
        assert_true(w.full);
        assert_int_equal(wr_len(&w), 0);
        w = wr_of(b, 4);
        wr_fmt(&w, "%s", "abc");
        assert_false(w.full);
        assert_int_equal(wr_len(&w), 3);
}

static void fixed_offsets(void **state)
{
        uint8_t b[8];
        (void)state;
        put_be64(b, 0x0102030405060708);
        assert_int_equal(get_be64(b), 0x0102030405060708);
        assert_int_equal(get_be32(b + 2), 0x03040506);
        assert_int_equal(get_be16(b + 6), 0x0708);
        put_be32(b + 1, 0xaabbccdd);
        put_be16(b + 6, 0x1122);
        assert_int_equal(get_be64(b), 0x01aabbccdd061122);
}

/* ---- errors ---- */

static void errors_gather_context(void **state)
{
        struct err e;
        (void)state;
        assert_int_equal(err_set(&e, ENOENT, "cannot open \"%s\"", "x"), -1);
        assert_int_equal(e.code, ENOENT);
        assert_int_equal(err_wrap(&e, "line %d", 3), -1);
        assert_string_equal(e.text, "line 3: cannot open \"x\"");
        assert_int_equal(e.code, ENOENT);
        assert_int_equal(err_set(NULL, 1, "nobody listens"), -1);
        assert_int_equal(err_wrap(NULL, "nobody"), -1);
}

static void errors_are_cut_not_spilled(void **state)
{
        struct {
                struct err e;
                char guard[8];
        } s = {.guard = "guard"};
        char wide[700];
        (void)state;
        memset(wide, 'w', sizeof(wide) - 1);
        wide[sizeof(wide) - 1] = 0;
        for (int n = 480; n < 520; n++) {
                err_set(&s.e, 0, "inner");
                err_wrap(&s.e, "%.*s", n, wide);
                assert_true(strlen(s.e.text) < sizeof(s.e.text));
                assert_int_equal(strlen(s.e.text), MIN(n + 7, 511));
                assert_string_equal(s.guard, "guard");
        }
        err_set(&s.e, 0, "%s", wide);
        assert_int_equal(strlen(s.e.text), 511);
}

/* ---- system ---- */

static void growing(void **state)
{
        uint32_t *a = NULL;
        size_t cap = 0;
        struct err e;
        (void)state;
        for (uint32_t i = 0; i < 5000; i++) {
                assert_int_equal(mem_grow(&a, &cap, i + 1, sizeof(*a), &e), 0);
                assert_true(cap > i);
                a[i] = i;
        }
        for (uint32_t i = 0; i < 5000; i++)
                assert_int_equal(a[i], i);
        assert_int_equal(mem_grow(&a, &cap, SIZE_MAX / 4, sizeof(*a), &e), -1);
        assert_int_equal(a[4999], 4999);
        free(a);
}

static void files(void **state)
{
        char dir[] = "/tmp/trawl-base-XXXXXX", path[64], *data = NULL;
        struct err e = {.text = ""};
        struct stat st;
        size_t n = 0;
        (void)state;
        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/f", dir);
        assert_int_equal(file_read(path, 100, &data, &n, &e), -1);
        assert_int_equal(e.code, ENOENT);
        assert_non_null(strstr(e.text, path));
        assert_int_equal(file_replace(path, "old", 3, 0600, false, &e), 0);
        assert_int_equal(file_replace(path, "new text", 8, 0600, true, &e), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(file_read(path, 8, &data, &n, &e), 0);
        assert_int_equal(n, 8);
        assert_string_equal(data, "new text");
        free(data);
        assert_int_equal(file_read(path, 7, &data, &n, &e), -1);
        assert_int_equal(e.code, EFBIG);
        unlink(path);
        rmdir(dir);
        assert_int_equal(file_replace(path, "x", 1, 0600, false, &e), -1);
        assert_int_equal(e.code, ENOENT);
}

static void clocks_and_randomness(void **state)
{
        uint64_t a = clock_mono_ns(), one[4] = {0}, two[4] = {0};
        (void)state;
        clock_sleep_until(a + 3 * NS_PER_MS);
        assert_true(clock_mono_ns() - a >= 3 * NS_PER_MS);
        clock_sleep_until(a); /* long gone: returns */
        assert_true(clock_mono_ns() - a < 5 * NS_PER_S);
        assert_true(clock_wall_ns() > 1600000000 * NS_PER_S);
        rand_bytes(one, sizeof(one));
        rand_bytes(two, sizeof(two));
        assert_memory_not_equal(one, two, sizeof(one));
}

static void messages_have_a_level(void **state)
{
        char path[] = "/tmp/trawl-log-XXXXXX", text[256] = "";
        int fd = mkstemp(path), old = dup(STDERR_FILENO);
        (void)state;
        assert_true(fd >= 0 && old >= 0);
        fflush(stderr);
        dup2(fd, STDERR_FILENO);
        log_say(LOG_WARN, "slow %d", 1);
        log_say(LOG_DEBUG, "unheard");
        log_set_level(LOG_DEBUG);
        log_say(LOG_DEBUG, "heard");
        log_say(LOG_INFO, "plain");
        log_set_level(LOG_INFO);
        fflush(stderr);
        dup2(old, STDERR_FILENO);
        assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
        close(fd), close(old), unlink(path);
        assert_string_equal(text, "trawl: warning: slow 1\ntrawl: debug: heard\ntrawl: plain\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(siphash_vectors),
                cmocka_unit_test(mixer_keeps_bits_apart),
                cmocka_unit_test(ring_between_threads),
                cmocka_unit_test(ring_full_and_empty),
                cmocka_unit_test(reader_sticks),
                cmocka_unit_test(child_readers),
                cmocka_unit_test(writer_sticks),
                cmocka_unit_test(writer_text),
                cmocka_unit_test(fixed_offsets),
                cmocka_unit_test(errors_gather_context),
                cmocka_unit_test(errors_are_cut_not_spilled),
                cmocka_unit_test(growing),
                cmocka_unit_test(files),
                cmocka_unit_test(clocks_and_randomness),
                cmocka_unit_test(messages_have_a_level),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
