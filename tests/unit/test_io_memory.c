// SPDX-License-Identifier: Apache-2.0
/*
 * The back-ends that need no network: null, loop, file, and the wrappers round them (fault, capture, trace).
 * Held against what the door promises: order, counts, nothing lost, nothing doubled, files that parse.
 */
#include "io/io.h"
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static char path[] = "/tmp/trawl-io-XXXXXX";

static void open_ok(struct io *io, const char *backend, struct io_conf c)
{
        struct err e = {0};
        if (io_open(io, io_by_name(backend), &c, &e))
                fail_msg("%s", e.text);
}

/* Sends one frame of `len` bytes that begins with the number. */
static void send_number(struct io *io, uint32_t number, uint32_t len)
{
        struct frame f;
        while (!io_tx_reserve(io, &f, 1))
                io_tx_kick(io);
        assert_true(f.cap >= len);
        memset(f.data, 0xa5, len);
        memcpy(f.data, &number, sizeof(number));
        f.len = len;
        io_tx_commit(io, &f, 1);
        io_tx_kick(io);
}

static void table_rows(void **state)
{
        (void)state;
        static const char *const names[] = {"xdp",    "afxdp", "afpacket", "rawip", "pcap",
                                            "pfring", "file",  "null",     "loop"};
        for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
                assert_non_null(io_table[i]);
                assert_string_equal(io_table[i]->name, names[i]);
                assert_ptr_equal(io_by_name(names[i]), io_table[i]);
                assert_non_null(io_table[i]->summary);
        }
        assert_null(io_table[ARRAY_LEN(names)]);
        assert_null(io_by_name("warp"));
        assert_null(io_by_name(""));
}

static void refusals(void **state)
{
        (void)state;
        struct io io;
        struct err e = {0};
        struct io_conf c = {.name = "nosuch0", .rx = true};
        assert_int_equal(io_open(&io, io_by_name("rawip"), &c, &e), -1);
        assert_non_null(strstr(e.text, "\"rawip\" cannot receive"));
        io_close(&io); /* failed: closing does nothing */
        assert_int_equal(io_open(&io, io_by_name("afpacket"), &c, &e), -1);
        assert_non_null(strstr(e.text, "there is no interface \"nosuch0\"; there are: lo"));
        c = (struct io_conf){.name = "/nonexistent/x.pcap", .rx = true};
        assert_int_equal(io_open(&io, io_by_name("file"), &c, &e), -1);
        assert_non_null(strstr(e.text, "/nonexistent/x.pcap"));
        c = (struct io_conf){.name = "/nonexistent/x.pcap", .tx = true};
        assert_int_equal(io_open(&io, io_by_name("file"), &c, &e), -1);
        assert_non_null(strstr(e.text, "cannot create"));
        c = (struct io_conf){.name = "x", .tx = true, .rx = true};
        assert_int_equal(io_open(&io, io_by_name("loop"), &c, &e), -1);
}

static void null_counts(void **state)
{
        (void)state;
        struct io tx, rx;
        struct io_stats s;
        struct frame f[8];
        open_ok(&tx, "null", (struct io_conf){.tx = true, .link = LINK_ETHER});
        open_ok(&rx, "null", (struct io_conf){.rx = true});
        for (uint32_t i = 0; i < 1000; i++)
                send_number(&tx, i, 60);
        tx.ops->stats(tx.st, &s);
        assert_int_equal(s.tx, 1000);
        assert_int_equal(s.tx_bytes, 60000);
        uint64_t begin = clock_mono_ns();
        assert_false(io_rx_wait(&rx, begin + 5 * NS_PER_MS));
        assert_true(clock_mono_ns() >= begin + 5 * NS_PER_MS);
        assert_int_equal(io_rx_burst(&rx, f, 8), 0);
        io_close(&tx);
        io_close(&rx);
        io_close(&rx);
}

/* Lent slots: never more than there are, in order, given back by a commit that takes fewer. */
static void slots_are_lent(void **state)
{
        (void)state;
        struct io tx, rx;
        struct frame f[200];
        open_ok(&rx, "loop", (struct io_conf){.name = "lend", .rx = true, .slots = 64});
        open_ok(&tx, "loop", (struct io_conf){.name = "lend", .tx = true, .slots = 64});
        assert_int_equal(io_tx_reserve(&tx, f, 200), 64);
        assert_int_equal(io_tx_reserve(&tx, f + 64, 1), 0);
        io_tx_commit(&tx, f, 0);
        assert_int_equal(io_tx_reserve(&tx, f, 10), 10);
        assert_int_equal(io_tx_reserve(&tx, f + 10, 10), 10);
        for (uint32_t i = 0; i < 20; i++) {
                assert_true(f[i].cap >= 60);
                memcpy(f[i].data, &i, 4);
                f[i].len = 60;
        }
        io_tx_commit(&tx, f, 15);
        io_tx_kick(&tx);
        assert_int_equal(io_rx_burst(&rx, f, 200), 15);
        for (uint32_t i = 0; i < 15; i++)
                assert_memory_equal(f[i].data, &i, 4);
        io_rx_done(&rx, f, 15);
        io_close(&tx);
        io_close(&rx);
}

/* Frame number n has n % 4 answers: n * 4 + k. */
static unsigned four_kinds(void *arg, const uint8_t *frame, size_t len, uint8_t *out, size_t cap,
                           size_t *out_len, unsigned k)
{
        uint32_t n;
        unsigned *calls = arg;
        memcpy(&n, frame, 4);
        ++*calls;
        if (k < n % 4) {
                uint32_t answer = n * 4 + k;
                assert_true(cap >= len);
                memcpy(out, &answer, 4);
                *out_len = 4 + k;
        }
        return n % 4;
}

static void *send_many(void *arg)
{
        struct io *tx = arg;
        struct io_stats s = {0};
        for (uint32_t i = 0; i < 20000; i++)
                send_number(tx, i, 60);
        for (; s.tx < 20000; tx->ops->stats(tx->st, &s))
                io_tx_kick(tx);
        return NULL;
}

static void loop_answers(void **state)
{
        (void)state;
        struct io tx, rx;
        struct frame f[32];
        unsigned calls = 0;
        pthread_t sender;
        uint64_t got = 0, until = clock_mono_ns() + 20 * NS_PER_S;
        uint32_t n = 0, k = 0;
        io_loop_set_peer("four", four_kinds, &calls);
        open_ok(&rx, "loop", (struct io_conf){.name = "four", .rx = true, .link = LINK_RAW});
        open_ok(&tx, "loop", (struct io_conf){.name = "four", .tx = true, .link = LINK_RAW});
        assert_int_equal(rx.caps.link, LINK_RAW);
        pthread_create(&sender, NULL, send_many, &tx);
        while (got < 30000 && io_rx_wait(&rx, until)) {
                unsigned m = io_rx_burst(&rx, f, 32);
                for (unsigned i = 0; i < m; i++, got++) {
                        for (; k >= n % 4; k = 0)
                                n++;
                        uint32_t want = n * 4 + k;
                        assert_int_equal(f[i].len, 4 + k++);
                        assert_memory_equal(f[i].data, &want, 4);
                }
                io_rx_done(&rx, f, m);
        }
        pthread_join(sender, NULL);
        assert_int_equal(got, 30000);
        assert_false(io_rx_wait(&rx, clock_mono_ns() + NS_PER_MS));
        io_close(&tx);
        io_close(&rx);
}

static void loop_has_one_receiver(void **state)
{
        (void)state;
        struct io a, b;
        struct err e = {0};
        struct io_conf c = {.name = "one", .rx = true};
        open_ok(&a, "loop", c);
        assert_int_equal(io_open(&b, io_by_name("loop"), &c, &e), -1);
        assert_int_equal(e.code, EBUSY);
        io_close(&a);
        open_ok(&b, "loop", c);
        io_close(&b);
}

static void file_round_trip(void **state)
{
        (void)state;
        struct io tx, rx;
        struct frame f[50];
        struct io_stats s;
        char named[64];
        unsigned got = 0, n;
        uint64_t last = 0;
        open_ok(&tx, "file", (struct io_conf){.name = path, .tx = true, .link = LINK_RAW});
        for (uint32_t i = 0; i < 1000; i++)
                send_number(&tx, i, 40 + i % 900);
        tx.ops->stats(tx.st, &s);
        assert_int_equal(s.tx, 1000);
        io_close(&tx);
        snprintf(named, sizeof(named), "file:%s", path);
        open_ok(&rx, "pcap", (struct io_conf){.name = named, .rx = true});
        assert_int_equal(rx.caps.link, LINK_RAW);
        assert_true(rx.caps.finite);
        while (io_rx_wait(&rx, clock_mono_ns() + NS_PER_S)) {
                n = io_rx_burst(&rx, f, 50);
                for (unsigned i = 0; i < n; i++, got++) {
                        assert_int_equal(f[i].len, 40 + got % 900);
                        assert_memory_equal(f[i].data, &got, 4);
                        assert_true(f[i].stamp_ns >= last);
                        last = f[i].stamp_ns;
                }
                io_rx_done(&rx, f, n);
        }
        assert_int_equal(got, 1000);
        uint64_t begin = clock_mono_ns();
        assert_false(io_rx_wait(&rx, begin + 10 * NS_PER_S));
        assert_true(clock_mono_ns() - begin < NS_PER_S);
        io_close(&rx);
}

/* A device that is full (ENOSPC) costs frames and says so; it does not stop the sender. */
static void full_disk(void **state)
{
        (void)state;
        struct io tx;
        struct io_stats s;
        struct io_conf c = {.name = "/dev/full", .tx = true};
        struct err e = {0};
        assert_int_equal(io_open(&tx, io_by_name("file"), &c, &e), -1);
        assert_int_equal(e.code, ENOSPC);
        c.name = path;
        open_ok(&tx, "file", c);
        int full = open("/dev/full", O_WRONLY), mine = -1;
        for (int fd = 3; fd < 64 && mine < 0; fd++) {
                char link[64], target[64] = "";
                snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
                if (readlink(link, target, sizeof(target) - 1) > 0 && strcmp(target, path) == 0)
                        mine = fd;
        }
        assert_true(mine >= 0);
        send_number(&tx, 1, 60);
        assert_true(dup2(full, mine) >= 0);
        for (uint32_t i = 0; i < 10; i++)
                send_number(&tx, i, 60);
        tx.ops->stats(tx.st, &s);
        assert_int_equal(s.tx, 1);
        assert_int_equal(s.tx_errors, 10);
        assert_int_equal(s.last_error, ENOSPC);
        io_close(&tx);
        close(full);
}

/* ---- wrappers ---- */

enum { MANY = 20000 };
struct tally {
        unsigned count[MANY];
        unsigned total, changed, shorter, backward;
};

static void tally_one(struct tally *t, const struct frame *f, uint32_t *last)
{
        uint32_t n;
        bool intact = f->len == 60;
        t->total++;
        t->shorter += f->len < 60;
        for (uint32_t i = 4; i < f->len; i++)
                intact &= f->data[i] == 0xa5;
        if (f->len >= 4)
                memcpy(&n, f->data, 4);
        if (f->len < 4 || n >= MANY || !intact) {
                t->changed++;
                return;
        }
        t->count[n]++;
        t->backward += n < *last;
        *last = n;
}

/* Sends MANY numbered frames through a loop with faults on one side. */
static struct tally *run_faults(struct io_fault fault, bool on_tx)
{
        static char names[4] = "f0";
        struct io tx, rx;
        struct err e = {0};
        struct frame f[64];
        struct tally *t = calloc(1, sizeof(*t));
        uint32_t last = 0;
        names[1] = names[1] == '0' ? '1' : '0';
        open_ok(&rx, "loop", (struct io_conf){.name = names, .rx = true, .slots = 4096});
        open_ok(&tx, "loop", (struct io_conf){.name = names, .tx = true});
        assert_int_equal(io_wrap_fault(on_tx ? &tx : &rx, &fault, &e), 0);
        for (uint32_t i = 0; i <= MANY; i++) {
                if (i == MANY && on_tx)
                        io_close(&tx);
                else if (i < MANY)
                        send_number(&tx, i, 60);
                if (i % 32 && i < MANY)
                        continue;
                while (io_rx_wait(&rx, i < MANY ? 0 : clock_mono_ns() + 20 * NS_PER_MS)) {
                        unsigned n = io_rx_burst(&rx, f, 64);
                        for (unsigned k = 0; k < n; k++)
                                tally_one(t, &f[k], &last);
                        io_rx_done(&rx, f, n);
                }
        }
        io_close(&tx);
        io_close(&rx);
        return t;
}

static void assert_share(unsigned got, double share)
{
        double want = share * MANY;
        if (got < want * 0.85 || got > want * 1.15)
                fail_msg("%u of %d, expected about %.0f", got, MANY, want);
}

static void faults_both_ways(void **state)
{
        (void)state;
        for (int on_tx = 0; on_tx < 2; on_tx++) {
                struct tally *t = run_faults((struct io_fault){.seed = 1}, on_tx);
                assert_int_equal(t->total, MANY);
                assert_int_equal(t->changed + t->backward, 0);
                free(t);
                t = run_faults((struct io_fault){.drop = 500, .seed = 2}, on_tx);
                assert_share(MANY - t->total, 0.05);
                assert_int_equal(t->changed + t->backward, 0);
                free(t);
                t = run_faults((struct io_fault){.duplicate = 1000, .seed = 3}, on_tx);
                assert_share(t->total - MANY, 0.1);
                free(t);
                t = run_faults((struct io_fault){.corrupt = 1000, .seed = 4}, on_tx);
                assert_int_equal(t->total, MANY);
                assert_share(t->changed, 0.1 * 56 / 60); /* the number itself may become another valid one */
                free(t);
                t = run_faults((struct io_fault){.truncate = 1000, .seed = 5}, on_tx);
                assert_int_equal(t->total, MANY);
                assert_share(t->shorter, 0.1);
                free(t);
                t = run_faults((struct io_fault){.reorder = 1000, .seed = 6}, on_tx);
                assert_int_equal(t->total, MANY);
                assert_int_equal(t->changed, 0);
                if (t->backward < MANY / 20)
                        fail_msg("only %u frames came out of order", t->backward);
                for (unsigned i = 0; i < MANY; i++)
                        assert_int_equal(t->count[i], 1);
                free(t);
        }
}

static void faults_repeat(void **state)
{
        (void)state;
        struct io_fault fault = {.drop = 300, .duplicate = 300, .corrupt = 300, .seed = 77};
        struct tally *a = run_faults(fault, true), *b = run_faults(fault, true);
        assert_memory_equal(a, b, sizeof(*a));
        fault.seed = 78;
        struct tally *c = run_faults(fault, true);
        assert_memory_not_equal(a, c, sizeof(*a));
        free(a);
        free(b);
        free(c);
}

/* Frames through a capture wrapper; how many of them a reader finds in the file. */
static unsigned capture_some(bool append, unsigned n_frames, enum wire_link link, enum wire_link file_link)
{
        struct io tx, rx, in;
        struct err e = {0};
        struct frame f[16];
        struct io_capture *c;
        unsigned n, found = 0;
        open_ok(&rx, "loop", (struct io_conf){.name = "cap", .rx = true, .link = link});
        open_ok(&tx, "loop", (struct io_conf){.name = "cap", .tx = true, .link = link});
        assert_int_equal(io_capture_open(&c, path, append, file_link, &e), 0);
        assert_int_equal(io_wrap_capture(&rx, c, &e), 0);
        assert_string_equal(rx.ops->name, "loop");
        for (unsigned i = 0; i < n_frames; i++) {
                send_number(&tx, link == LINK_RAW ? 0x45 : i, 60);
                while ((n = io_rx_burst(&rx, f, 16)))
                        io_rx_done(&rx, f, n);
        }
        assert_false(io_rx_wait(&rx, 0));
        io_close(&rx);
        io_close(&tx);
        io_capture_close(c);
        open_ok(&in, "file", (struct io_conf){.name = path, .rx = true});
        assert_int_equal(in.caps.link, file_link);
        while ((n = io_rx_burst(&in, f, 16))) {
                for (unsigned i = 0; i < n; i++, found++)
                        assert_int_equal(f[i].len, link == file_link ? 60 : 74);
                io_rx_done(&in, f, n);
        }
        io_close(&in);
        return found;
}

/* What a full disk cost is told when the file is closed, with its figure. */
static void capture_tells_what_is_lost(void **state)
{
        (void)state;
        struct rlimit was, small = {.rlim_cur = 1000};
        char told[200] = "", said[64];
        snprintf(said, sizeof(said), "%s.err", path);
        getrlimit(RLIMIT_FSIZE, &was);
        small.rlim_max = was.rlim_max;
        int err = dup(STDERR_FILENO), file = open(said, O_RDWR | O_CREAT | O_TRUNC, 0600);
        signal(SIGXFSZ, SIG_IGN);
        dup2(file, STDERR_FILENO);
        setrlimit(RLIMIT_FSIZE, &small);
        unsigned found = capture_some(false, 100, LINK_ETHER, LINK_ETHER);
        setrlimit(RLIMIT_FSIZE, &was);
        dup2(err, STDERR_FILENO);
        assert_int_equal(found, 0); /* all were in one write */
        assert_true(pread(file, told, sizeof(told) - 1, 0) > 0);
        assert_non_null(strstr(told, "lacks 100 frames"));
        close(file);
        close(err);
        unlink(said);
}

static void capture_and_append(void **state)
{
        (void)state;
        struct err e = {0};
        struct io_capture *c;
        assert_int_equal(capture_some(false, 100, LINK_ETHER, LINK_ETHER), 100);
        assert_int_equal(capture_some(true, 50, LINK_ETHER, LINK_ETHER), 150);
        assert_int_equal(truncate(path, 24 + 149 * 76 + 30), 0); /* as a crash leaves it */
        assert_int_equal(capture_some(true, 1, LINK_ETHER, LINK_ETHER), 150);
        assert_int_equal(io_capture_open(&c, path, true, LINK_RAW, &e), -1);
        assert_non_null(strstr(e.text, "link type"));
        assert_int_equal(capture_some(false, 10, LINK_RAW, LINK_ETHER), 10);
        FILE *out = fopen(path, "w");
        fputs("this is not a capture file, however long it may be\n", out);
        fclose(out);
        assert_int_equal(io_capture_open(&c, path, true, LINK_ETHER, &e), -1);
        assert_non_null(strstr(e.text, "not a capture file"));
}

static void trace_lines(void **state)
{
        (void)state;
        struct io tx;
        struct err e = {0};
        struct frame f[4];
        static const char want[] =
                "SENT (%) TCP  [10.0.0.1]:40000      > [10.0.0.2]:80         SYN\n"
                "SENT (%) TCP  [2001:db8::1]:40000   > [2001:db8::2]:443     RST-ACK\n"
                "SENT (%) ARP  [10.0.0.1]            > [10.0.0.9]            request\n"
                "SENT (%) UNK  [-]                   > [-]                   3-bytes truncated\n";
        struct wire_hop hop = {.link = LINK_ETHER};
        struct ip_addr a = ip_v4(0x0a000001), b = ip_v4(0x0a000002), r = ip_v4(0x0a000009);
        struct ip_addr a6 = ip_v6(0x20010db800000000, 1), b6 = ip_v6(0x20010db800000000, 2);
        int saved = dup(STDOUT_FILENO), mine = open(path, O_RDWR | O_TRUNC);
        open_ok(&tx, "null", (struct io_conf){.tx = true, .link = LINK_ETHER});
        assert_int_equal(io_wrap_trace(&tx, clock_mono_ns(), &e), 0);
        assert_int_equal(io_tx_reserve(&tx, f, 4), 4);
        f[0].len = (uint32_t)wire_build_tcp(f[0].data, f[0].cap, &hop, &a, &b, 40000, 80, 1, 0, TCP_SYN, 1024,
                                            64);
        f[1].len = (uint32_t)wire_build_tcp(f[1].data, f[1].cap, &hop, &a6, &b6, 40000, 443, 1, 1,
                                            TCP_RST | TCP_ACK, 0, 64);
        f[2].len = (uint32_t)wire_build_neigh_request(f[2].data, f[2].cap, &hop, &a, &r);
        f[3].len = 3;
        fflush(stdout);
        dup2(mine, STDOUT_FILENO);
        io_tx_commit(&tx, f, 4);
        io_close(&tx);
        fflush(stdout);
        dup2(saved, STDOUT_FILENO);
        char *text, plain[1024];
        size_t len, n = 0;
        assert_int_equal(file_read(path, 4096, &text, &len, &e), 0);
        for (const char *p = text; *p; p++) { /* the times differ: each becomes a % */
                plain[n++] = *p;
                if (*p == '(') {
                        plain[n++] = '%';
                        p = strchr(p, ')') - 1;
                }
        }
        plain[n] = 0;
        assert_string_equal(plain, want);
        free(text);
        close(mine);
        close(saved);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(table_rows),
                cmocka_unit_test(refusals),
                cmocka_unit_test(null_counts),
                cmocka_unit_test(slots_are_lent),
                cmocka_unit_test(loop_answers),
                cmocka_unit_test(loop_has_one_receiver),
                cmocka_unit_test(file_round_trip),
                cmocka_unit_test(full_disk),
                cmocka_unit_test(faults_both_ways),
                cmocka_unit_test(faults_repeat),
                cmocka_unit_test(capture_tells_what_is_lost),
                cmocka_unit_test(capture_and_append),
                cmocka_unit_test(trace_lines),
        };
        int fd = mkstemp(path);
        if (fd < 0)
                return 1;
        close(fd);
        int bad = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(path);
        return bad;
}
