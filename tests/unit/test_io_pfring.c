// SPDX-License-Identifier: Apache-2.0
/*
 * The back-end for ntop's PF_RING against a stand-in for its library (tests/pfring/standin.c) on a veth pair
 * in a network namespace of the test's own: sending, receiving, statistics, want of room, and what is said
 * when the library, a function of it, the kernel module, a right, a licence or the interface is missing. The
 * stand-in is loaded here by its path; from then on the loader knows it by its name, as the back-end asks.
 */
#include "test_io_ns.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#ifdef HAVE_PCAP
enum { FOREIGN = 1000 };
#else
enum { FOREIGN = 0 }; /* PF_RING's frames are filtered by libpcap; without it the decoder sorts them out */
#endif
enum { MANY = 60000 };
static const struct wire_hop hop = {
        .link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}, .them_mac = {2, 0, 0, 0, 0, 2}};
static const struct io_span ours4 = {.first = {.lo = 0x0a090000, .family = 4},
                                     .last = {.lo = 0x0a09ffff, .family = 4},
                                     .port_last = 65535};
static void *library;
static void (*fail_next)(const char *what, int code, int why, unsigned n);
static unsigned *rings;

#define NEEDS_STANDIN()                      \
        do {                                 \
                NEEDS_NAMESPACE();           \
                if (!library)                \
                        load_standin();      \
                assert_int_equal(*rings, 0); \
        } while (0)

static void *load(const char *file)
{
        char path[4096];
        const char *build = getenv("BUILD");
        snprintf(path, sizeof(path), "%s/pfring/%s", build ? build : "build", file);
        void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!so)
                fail_msg("%s", dlerror());
        return so;
}

static void load_standin(void)
{
        library = load("libpfring.so");
        void *f = dlsym(library, "standin_fail");
        rings = dlsym(library, "standin_rings");
        assert_true(f && rings);
        memcpy(&fail_next, &f, sizeof(f));
}

static void make_links(void)
{
        run("ip link add tv0 type veth peer name tv1 && ip link set tv0 up && ip link set tv1 up");
        run("for i in tv0 tv1; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done");
        for (int i = 0; i < 200 && system("ip link show tv0 | grep -q LOWER_UP"); i++)
                usleep(10000);
}

/* ---- frames ---- */
static void commit_tcp(struct io *tx, uint32_t dst, uint32_t seq)
{
        struct frame f;
        struct ip_addr from = ip_v4(0x0a080001), to = ip_v4(dst);
        while (!io_tx_reserve(tx, &f, 1))
                io_tx_kick(tx);
        f.len = (uint32_t)wire_build_tcp(f.data, f.cap, &hop, &from, &to, (uint16_t)(seq % 60000), 80, seq, 0,
                                         TCP_SYN, 1024, 64);
        io_tx_commit(tx, &f, 1);
}

static struct io_stats stats_of(struct io *io)
{
        struct io_stats s = {0};
        io->ops->stats(io->st, &s);
        return s;
}

static void finish(struct io *tx)
{
        uint64_t until = clock_mono_ns() + 5 * NS_PER_S;
        do
                io_tx_kick(tx);
        while (stats_of(tx).tx_waiting && clock_mono_ns() < until);
        assert_int_equal(stats_of(tx).tx_waiting, 0);
}

/* Takes frames until nothing more comes; marks each sequence number. */
static unsigned collect(struct io *rx, uint8_t *marks)
{
        struct frame f[64];
        struct pkt p;
        unsigned got = 0, n;
        while (io_rx_wait(rx, clock_mono_ns() + 150 * NS_PER_MS)) {
                n = io_rx_burst(rx, f, 64);
                for (unsigned i = 0; i < n; i++, got++) {
                        struct span bytes = span_of(f[i].data, f[i].len);
                        if (wire_decode(&p, bytes, rx->caps.link, f[i].sum_unset, 0) != WIRE_OK ||
                            p.seq >= MANY)
                                fail_msg("a frame that was never sent");
                        marks[p.seq]++;
                        if (f[i].stamp_ns > clock_mono_ns() ||
                            f[i].stamp_ns + 10 * NS_PER_S < clock_mono_ns())
                                fail_msg("a time stamp that cannot be");
                }
                io_rx_done(rx, f, n);
        }
        return got;
}

/* ---- what is missing ---- */
static void open_fails(struct io_conf c, int code, const char *text)
{
        struct io io;
        struct err e = {0};
        assert_int_equal(io_open(&io, io_by_name("pfring"), &c, &e), -1);
        if (!strstr(e.text, text) || strchr(e.text, '\n') || e.code != code)
                fail_msg("%d \"%s\", not %d \"%s\"", e.code, e.text, code, text);
        if (rings)
                assert_int_equal(*rings, 0);
}
static const struct io_conf send_tv0 = {.name = "tv0", .tx = true}, send_zc = {.name = "zc:tv0", .tx = true},
                            receive_tv1 = {.name = "tv1", .rx = true, .ours = &ours4, .n_ours = 1};

static void library_absent(void **state)
{
        NEEDS_NAMESPACE();
        void *there = dlopen("libpfring.so", RTLD_NOW | RTLD_LOCAL);
        if (there) { /* a machine with PF_RING */
                dlclose(there);
                skip();
        }
        open_fails(send_tv0, ENOENT, "PF_RING's library libpfring.so is not installed: install");
        open_fails(receive_tv1, ENOENT, "is not installed");
}

/* It has its second name, too. */
static void library_too_old(void **state)
{
        NEEDS_NAMESPACE();
        if (library)
                skip();
        void *old = load("old/libpfring.so.1");
        open_fails(
                send_tv0, ENOSYS,
                "libpfring.so lacks pfring_set_cluster, pfring_set_poll_watermark: install a newer PF_RING");
        dlclose(old);
}

static void no_such_interface(void **state)
{
        NEEDS_STANDIN();
        open_fails((struct io_conf){.name = "nosuch0", .tx = true}, ENODEV,
                   "no interface \"nosuch0\"; there are: lo");
        open_fails((struct io_conf){.name = "zc:nosuch0@3", .rx = true}, ENODEV, "no interface \"nosuch0\"");
        open_fails((struct io_conf){.name = NULL, .tx = true}, ENODEV, "no interface \"\"");
}

static void no_ethernet(void **state)
{
        NEEDS_STANDIN();
        struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "ttun"};
        int fd = open("/dev/net/tun", O_RDWR);
        if (fd < 0 || ioctl(fd, TUNSETIFF, &r))
                skip();
        open_fails((struct io_conf){.name = "ttun", .tx = true}, EINVAL, "\"ttun\" is no Ethernet interface");
        close(fd);
}

/* /proc/net/pf_ring shows whether the module is loaded: once it is not there, once it is. */
static void opening_refused(void **state)
{
        NEEDS_STANDIN();
        fail_next("open", 0, EPERM, 1);
        open_fails(send_tv0, EPERM, "opening a PF_RING ring on \"tv0\" is not permitted: run as root");
        fail_next("open", 0, EAFNOSUPPORT, 1);
        open_fails(send_tv0, EAFNOSUPPORT, "kernel module is not loaded; \"modprobe pf_ring\"");
        fail_next("open", 0, 0, 1);
        open_fails(send_tv0, 0, "kernel module is not loaded");
        if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            mount("none", "/proc/self/net", "tmpfs", 0, NULL))
                skip();
        assert_int_equal(mkdir("/proc/net/pf_ring", 0755), 0);
        close(creat("/proc/net/pf_ring/info", 0644));
        fail_next("open", 0, ENODEV, 1);
        open_fails(send_zc, ENODEV, "tv0 needs PF_RING's own driver");
        fail_next("open", 0, 0, 1);
        open_fails(send_zc, 0, "(no reason given)");
        fail_next("open", 0, 0, 1);
        open_fails(send_tv0, 0, "is the interface up?");
        fail_next("enable", -1, EBUSY, 1);
        open_fails(receive_tv1, EBUSY, "another program has this queue");
        fail_next("enable", -1, ENOMEM, 1);
        open_fails(send_zc, ENOMEM, "starting a PF_RING ring on \"zc:tv0\" failed (Cannot allocate memory)");
        umount("/proc/self/net");
}

static void bad_filter(void **state)
{
        NEEDS_STANDIN();
        struct io_conf c = receive_tv1;
        c.bpf_text = "no filter";
        open_fails(c, 0, "the filter \"no filter\"");
}

/* ---- names ---- */
static void names(void **state)
{
        static const struct {
                const char *name, *kernel;
                bool only;
        } cases[] = {{"eth0", "eth0", false},
                     {"eth0@2", "eth0", false},
                     {"eth0@", "eth0@", false},
                     {"eth0@if2", "eth0@if2", false},
                     {"zc:eth0", "eth0", true},
                     {"zc:eth0@11", "eth0", true},
                     {"zc:eth0@x", "eth0@x", true},
                     {"dna:eth0@1", "eth0", true},
                     {"dna0", "dna0", true},
                     {"dna12@3", "dna12", true},
                     {"dna0x", "dna0x", false},
                     {"dnat", "dnat", false},
                     {"dna", "dna", false},
                     {"zc:", "", true},
                     {"", "", false}};
        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
                char kernel[64];
                if (io_pfring_name(cases[i].name, kernel, sizeof(kernel)) != cases[i].only ||
                    strcmp(kernel, cases[i].kernel) != 0)
                        fail_msg("%s: \"%s\"", cases[i].name, kernel);
        }
        char tight[4];
        assert_true(io_pfring_name("zc:eth0@2", tight, sizeof(tight)));
        assert_string_equal(tight, "eth");
}

/* ---- both ways ---- */
static void both_ways(const char *from, const char *to)
{
        struct io tx, rx;
        uint8_t *marks = calloc(MANY, 1);
        open_ok(&rx, "pfring", (struct io_conf){.name = to, .rx = true, .ours = &ours4, .n_ours = 1});
        open_ok(&tx, "pfring", (struct io_conf){.name = from, .tx = true});
        assert_int_equal(tx.caps.link, LINK_ETHER);
        assert_int_equal(tx.caps.mtu, 1500);
        assert_false(rx.caps.own_echo);
        unsigned got = 0;
        for (uint32_t i = 0; i < 10000; i++) {
                commit_tcp(&tx, 0x0a090000 + i, i);
                if (i % 10 == 0 && FOREIGN > 0) /* not ours: the filter's business */
                        commit_tcp(&tx, 0x0a0b0000 + i, i);
                if (i % 2500 == 2499) {
                        finish(&tx);
                        got += collect(&rx, marks);
                }
        }
        assert_int_equal(got, 10000);
        for (unsigned i = 0; i < 10000; i++)
                assert_int_equal(marks[i], 1);
        assert_int_equal(stats_of(&tx).tx, 10000 + FOREIGN);
        assert_int_equal(stats_of(&tx).tx_bytes, (10000 + FOREIGN) * 54);
        assert_int_equal(stats_of(&tx).tx_errors, 0);
        assert_int_equal(stats_of(&rx).rx, 10000);
        assert_int_equal(stats_of(&rx).rx_bytes, 10000 * 54);
        assert_int_equal(stats_of(&rx).rx_missed, 0);
        assert_null(stats_of(&rx).note);
        io_close(&tx);
        io_close(&rx);
        assert_int_equal(*rings, 0);
        free(marks);
}

static void through_the_kernel_module(void **state)
{
        NEEDS_STANDIN();
        both_ways("tv0", "tv1");
}

static void through_queues_of_the_card(void **state)
{
        NEEDS_STANDIN();
        both_ways("zc:tv0", "zc:tv1@1");
}

static void users_filter(void **state)
{
        NEEDS_STANDIN();
#ifdef HAVE_PCAP
        struct io tx, rx;
        struct io_conf c = receive_tv1;
        uint8_t *marks = calloc(MANY, 1);
        c.bpf_text = "tcp src port 7 or tcp src port 9";
        open_ok(&rx, "pfring", c);
        open_ok(&tx, "pfring", send_tv0);
        for (uint32_t i = 0; i < 20; i++)
                commit_tcp(&tx, 0x0a090000, i);
        finish(&tx);
        assert_int_equal(collect(&rx, marks), 2);
        assert_true(marks[7] && marks[9]);
        io_close(&tx);
        io_close(&rx);
        free(marks);
#else
        skip();
#endif
}

/* ---- several handles ---- */
static void receivers_share(void **state)
{
        NEEDS_STANDIN();
        struct io tx, rx[2];
        struct io_conf c = receive_tv1;
        uint8_t *marks = calloc(MANY, 1);
        c.n_queues = 2;
        for (c.queue = 0; c.queue < 2; c.queue++) {
                c.fanout_id = c.queue ? rx[0].caps.fanout_id : 0;
                open_ok(&rx[c.queue], "pfring", c);
        }
        open_ok(&tx, "pfring", send_tv0);
        for (uint32_t i = 0; i < 5000; i++)
                commit_tcp(&tx, 0x0a090000 + i, i);
        finish(&tx);
        unsigned a = collect(&rx[0], marks), b = collect(&rx[1], marks);
        assert_int_equal(a + b, 5000);
        assert_true(a > 500 && b > 500);
        io_close(&tx);
        io_close(&rx[0]);
        io_close(&rx[1]);
        free(marks);
}

enum { EACH = 20000 };
struct sender {
        struct io *io;
        uint32_t first;
};

static void *send_each(void *arg)
{
        const struct sender *s = arg;
        for (uint32_t i = 0; i < EACH; i++) {
                commit_tcp(s->io, 0x0a090000, s->first + i);
                if (i % 7 == 0)
                        io_tx_kick(s->io);
                if (i % 500 == 0)
                        usleep(100); /* the receiver has a small buffer */
        }
        finish(s->io);
        return NULL;
}

/* A queue that PF_RING took from the kernel is open once, whoever sends through it. */
static void senders_share_a_queue(void **state)
{
        NEEDS_STANDIN();
        struct io tx[3], rx;
        pthread_t thread[3];
        struct sender s[3];
        static const char *const as[3] = {"zc:tv0", "zc:tv0@0", "zc:tv0"};
        uint8_t *marks = calloc(MANY, 1);
        open_ok(&rx, "pfring", receive_tv1);
        for (unsigned i = 0; i < 3; i++) {
                open_ok(&tx[i], "pfring", (struct io_conf){.name = as[i], .tx = true});
                s[i] = (struct sender){&tx[i], i * EACH};
        }
        assert_int_equal(*rings, 2);
        for (unsigned i = 0; i < 3; i++)
                pthread_create(&thread[i], NULL, send_each, &s[i]);
        unsigned got = collect(&rx, marks);
        for (unsigned i = 0; i < 3; i++)
                pthread_join(thread[i], NULL);
        got += collect(&rx, marks);
        assert_int_equal(got + stats_of(&rx).rx_missed, 3 * EACH);
        for (unsigned i = 0; i < 3 * EACH; i++)
                assert_true(marks[i] <= 1);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(stats_of(&tx[i]).tx, EACH);
                assert_int_equal(stats_of(&tx[i]).tx_errors, 0);
        }
        for (unsigned i = 1; i <= 3; i++)
                io_close(&tx[i % 3]);
        io_close(&rx);
        assert_int_equal(*rings, 0);
        free(marks);
}

/* The stand-in's cards have two queues. */
static void a_queue_for_each_thread(void **state)
{
        NEEDS_STANDIN();
        struct io tx[4];
        static const unsigned open_after[4] = {1, 2, 2, 2};
        for (unsigned i = 0; i < 4; i++) {
                open_ok(&tx[i], "pfring",
                        (struct io_conf){.name = "zc:tv0", .tx = true, .queue = i, .n_queues = 4});
                assert_int_equal(*rings, open_after[i]);
        }
        for (unsigned i = 0; i < 4; i++)
                io_close(&tx[i]);
        struct io_conf c = {.name = "zc:tv1", .rx = true, .queue = 2, .n_queues = 3};
        struct err e;
        assert_int_equal(io_open(&tx[0], io_by_name("pfring"), &c, &e),
                         -1); /* its answers would be missing */
        assert_non_null(strstr(e.text, "\"zc:tv1@2\""));
}

/* ---- refusals ---- */
static void no_room_is_waited_for(void **state)
{
        NEEDS_STANDIN();
        static const struct {
                int code, why;
        } full[] = {{-4, 0}, {-1, 0}, {-1, EAGAIN}, {-1, ENOBUFS}};
        struct io tx, rx;
        uint8_t *marks = calloc(MANY, 1);
        open_ok(&rx, "pfring", receive_tv1);
        open_ok(&tx, "pfring", send_tv0);
        for (uint32_t i = 0; i < ARRAY_LEN(full); i++) {
                for (uint32_t k = 0; k < 5; k++)
                        commit_tcp(&tx, 0x0a090000, 5 * i + k);
                fail_next("send", full[i].code, full[i].why, 2);
                io_tx_kick(&tx);
                assert_int_equal(stats_of(&tx).tx_waiting, 5);
                finish(&tx);
                assert_int_equal(stats_of(&tx).tx, 5 * (i + 1));
                assert_int_equal(stats_of(&tx).tx_again, 2 * (i + 1));
        }
        assert_int_equal(stats_of(&tx).tx_errors, 0);
        assert_int_equal(collect(&rx, marks), 5 * ARRAY_LEN(full));
        io_close(&tx);
        io_close(&rx);
        free(marks);
}

static void link_down_is_waited_for(void **state)
{
        NEEDS_STANDIN();
        struct io tx;
        open_ok(&tx, "pfring", send_tv0);
        run("ip link set tv0 down");
        commit_tcp(&tx, 0x0a090000, 1);
        fail_next("send", -1, ENETDOWN, 1);
        io_tx_kick(&tx);
        assert_int_equal(stats_of(&tx).tx_waiting, 1);
        run("ip link set tv0 up");
        finish(&tx);
        assert_int_equal(stats_of(&tx).tx, 1);
        io_close(&tx);
}

static void bad_frames_are_skipped(void **state)
{
        NEEDS_STANDIN();
        struct io tx;
        struct frame f;
        open_ok(&tx, "pfring", send_tv0);
        assert_int_equal(io_tx_reserve(&tx, &f, 1), 1);
        f.len = 10;
        io_tx_commit(&tx, &f, 1);
        commit_tcp(&tx, 0x0a090000, 1);
        finish(&tx);
        assert_int_equal(stats_of(&tx).tx, 1);
        assert_int_equal(stats_of(&tx).tx_errors, 1);
        assert_int_equal(stats_of(&tx).last_error, EINVAL);
        assert_null(stats_of(&tx).note);
        io_close(&tx);
}

static void demo_time_is_over(void **state)
{
        NEEDS_STANDIN();
        struct io tx, rx;
        struct frame f;
        open_ok(&rx, "pfring", (struct io_conf){.name = "zc:tv1", .rx = true});
        open_ok(&tx, "pfring", send_zc);
        commit_tcp(&tx, 0x0a090000, 1);
        fail_next("send", -6, 0, 1);
        fail_next("recv", -6, 0, 1);
        finish(&tx);
        assert_int_equal(io_rx_burst(&rx, &f, 1), 0);
        assert_int_equal(stats_of(&tx).tx_errors, 1);
        assert_int_equal(stats_of(&tx).last_error, EKEYEXPIRED);
        assert_non_null(strstr(stats_of(&tx).note, "demo time is over"));
        assert_non_null(strstr(stats_of(&rx).note, "demo time is over"));
        io_close(&tx);
        io_close(&rx);
}

static void losses_are_counted(void **state)
{
        NEEDS_STANDIN();
        struct io tx, rx;
        uint8_t *marks = calloc(MANY, 1);
        open_ok(&rx, "pfring", receive_tv1);
        open_ok(&tx, "pfring", send_tv0);
        for (uint32_t i = 0; i < MANY; i++)
                commit_tcp(&tx, 0x0a090000, i);
        finish(&tx);
        unsigned got = collect(&rx, marks);
        assert_true(got > 100 && got < MANY);
        assert_int_equal(got + stats_of(&rx).rx_missed, MANY);
        io_close(&tx);
        io_close(&rx);
        free(marks);
}

/* ---- waiting ---- */
static void *send_later(void *arg)
{
        usleep(50000);
        commit_tcp(arg, 0x0a090000, 1);
        finish(arg);
        return NULL;
}

static uint64_t cpu_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void waiting(void **state)
{
        NEEDS_STANDIN();
        struct io tx, rx;
        struct frame f[4];
        pthread_t later;
        open_ok(&rx, "pfring", receive_tv1);
        open_ok(&tx, "pfring", send_tv0);
        static const uint64_t spans_ns[] = {0, NS_PER_MS / 2, 3 * NS_PER_MS + NS_PER_MS / 2, 40 * NS_PER_MS};
        for (unsigned i = 0; i < ARRAY_LEN(spans_ns); i++) {
                uint64_t until = clock_mono_ns() + spans_ns[i];
                assert_false(io_rx_wait(&rx, until));
                assert_true(clock_mono_ns() >= until);
        }
        uint64_t start = clock_mono_ns();
        pthread_create(&later, NULL, send_later, &tx);
        assert_true(io_rx_wait(&rx, start + 5 * NS_PER_S));
        assert_true(clock_mono_ns() - start < 900 * NS_PER_MS); /* one frame is enough to wake it up */
        pthread_join(later, NULL);
        assert_int_equal(io_rx_burst(&rx, f, 4), 1);
        io_rx_done(&rx, f, 1);
        io_close(&tx);
        io_close(&rx);
}

/* Frames that the filter takes out wake the receiver up; they do not make it spin. */
static void what_is_not_wanted_costs_no_spinning(void **state)
{
        NEEDS_STANDIN();
        struct io rx;
        struct frame f[4];
        open_ok(&rx, "pfring", receive_tv1);
        fail_next("recv", -1, EIO, 1u << 30);
        struct io tx;
        open_ok(&tx, "pfring", send_tv0);
        commit_tcp(&tx, 0x0a090000, 1); /* poll says there is something, recv never gives it */
        finish(&tx);
        uint64_t until = clock_mono_ns() + 200 * NS_PER_MS, cpu = cpu_ns();
        unsigned turns = 0;
        for (; clock_mono_ns() < until; turns++)
                if (io_rx_wait(&rx, until))
                        assert_int_equal(io_rx_burst(&rx, f, 4), 0);
        assert_true(turns < 4000);
        assert_true(cpu_ns() - cpu < 150 * NS_PER_MS);
        assert_int_equal(stats_of(&rx).last_error, EIO);
        fail_next("recv", 0, 0, 0);
        io_close(&tx);
        io_close(&rx);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(library_absent),
                cmocka_unit_test(library_too_old),
                cmocka_unit_test(no_such_interface),
                cmocka_unit_test(no_ethernet),
                cmocka_unit_test(bad_filter),
                cmocka_unit_test(names),
                cmocka_unit_test(through_the_kernel_module),
                cmocka_unit_test(through_queues_of_the_card),
                cmocka_unit_test(users_filter),
                cmocka_unit_test(receivers_share),
                cmocka_unit_test(senders_share_a_queue),
                cmocka_unit_test(a_queue_for_each_thread),
                cmocka_unit_test(no_room_is_waited_for),
                cmocka_unit_test(link_down_is_waited_for),
                cmocka_unit_test(bad_frames_are_skipped),
                cmocka_unit_test(demo_time_is_over),
                cmocka_unit_test(losses_are_counted),
                cmocka_unit_test(waiting),
                cmocka_unit_test(what_is_not_wanted_costs_no_spinning),
                cmocka_unit_test(opening_refused),
        };
        enter_namespace();
        if (in_own_namespace)
                make_links();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
