// SPDX-License-Identifier: Apache-2.0
/*
 * The back-end `afxdp`. Its slots against a kernel played by the test, which takes and completes in any order
 * and also lies: no slot is ever out twice. Then by copy on a veth pair in a namespace of the test's own
 * (such links know no zero-copy): every frame arrives once and whole, a link that is down is waited for, a
 * driver that takes nothing is left without losing a frame, and what does not open says why.
 */
#include "test_io_ns.h"
#include "io/afxdp.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_xdp.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { FRAMES = 100000, BURST = 64, HEAD = 14 + 4, LEN_MAX = 1514 };

/* ---- the slots, with a kernel of the test's own ---- */
enum { SLOTS = 64, STEPS = 200000 };

struct kernel { /* the other side of both rings */
        uint32_t tx_producer, tx_consumer, tx_flags, done_producer, done_consumer;
        struct xdp_desc tx[SLOTS];
        uint64_t done[SLOTS];
        uint64_t held[SLOTS]; /* taken, not completed */
        unsigned n_held;
        uint64_t seed;
};

static uint32_t draw(struct kernel *k, uint32_t below)
{
        k->seed = k->seed * 6364136223846793005ull + 1442695040888963407ull;
        return (uint32_t)(k->seed >> 33) % below;
}

static void slots_with(struct xsk *s, struct kernel *k)
{
        struct err e = {0};
        *k = (struct kernel){.seed = 42};
        assert_int_equal(xsk_slots_init(s, SLOTS, &e), 0);
        assert_int_equal(s->n_slots, SLOTS);
        s->memory = calloc(SLOTS / 2, XSK_CHUNK);
        s->tx = (struct xsk_ring){.producer = &k->tx_producer,
                                  .consumer = &k->tx_consumer,
                                  .flags = &k->tx_flags,
                                  .entries = k->tx,
                                  .mask = SLOTS - 1};
        s->completed = (struct xsk_ring){.producer = &k->done_producer,
                                         .consumer = &k->done_consumer,
                                         .entries = k->done,
                                         .mask = SLOTS - 1};
}

static void slots_without(struct xsk *s)
{
        free(s->memory);
        s->memory = NULL;
        xsk_free(s);
}

static void kernel_takes(struct kernel *k, unsigned n)
{
        while (n-- && k->tx_consumer != k->tx_producer)
                k->held[k->n_held++] = k->tx[k->tx_consumer++ % SLOTS].addr;
}

static void complete(struct kernel *k, uint64_t address)
{
        assert_true(k->done_producer - k->done_consumer < SLOTS);
        k->done[k->done_producer++ % SLOTS] = address;
}

static void kernel_completes(struct kernel *k, unsigned n)
{
        while (n-- && k->n_held) {
                unsigned i = draw(k, k->n_held);
                complete(k, k->held[i]);
                k->held[i] = k->held[--k->n_held];
        }
}

/* The free list holds each free slot once, and nothing else. */
static void check_slots(const struct xsk *s)
{
        uint8_t seen[SLOTS] = {0};
        unsigned with_kernel = 0;
        assert_true(s->n_free <= SLOTS);
        for (uint32_t i = 0; i < s->n_free; i++) {
                assert_true(s->free[i] < SLOTS);
                assert_int_equal(s->state[s->free[i]], XSK_FREE);
                assert_int_equal(seen[s->free[i]]++, 0);
        }
        for (uint32_t i = 0; i < SLOTS; i++)
                with_kernel += s->state[i] == XSK_WITH_KERNEL;
        assert_int_equal(with_kernel + s->n_free, SLOTS);
}

static void slots_lie_apart(void **state)
{
        (void)state;
        uint64_t offsets[16] = {0};
        for (uint32_t i = 0; i < 1000; i++) {
                uint64_t a = xsk_address(i);
                assert_int_equal(a / XSK_CHUNK, (a + XSK_SLOT - 1) / XSK_CHUNK); /* within a chunk */
                assert_int_equal(a % CACHE_LINE, 0);
                assert_true(xsk_address(i + 1) >= a + XSK_SLOT);
                assert_true(i < 16 || a % XSK_CHUNK == offsets[i % 16]);
                for (uint32_t j = 0; j < MIN(i, 16u); j++)
                        assert_true(i >= 16 || offsets[j] != a % XSK_CHUNK);
                offsets[i % 16] = a % XSK_CHUNK;
        }
}

static void no_slot_twice(void **state)
{
        (void)state;
        static struct kernel k;
        struct xsk s;
        uint8_t out[SLOTS] = {0}; /* lent, or committed and not reaped */
        uint64_t committed = 0, taken = 0, bytes, all_bytes = 0, all_taken_bytes = 0;
        slots_with(&s, &k);
        for (int step = 0; step < STEPS; step++) {
                struct frame f[SLOTS];
                unsigned n = xsk_reserve(&s, f, draw(&k, SLOTS)), keep = n ? draw(&k, n + 1) : 0;
                if (n && draw(&k, 4) == 0) /* lent in two goes */
                        n += xsk_reserve(&s, f + n, draw(&k, SLOTS - n + 1));
                for (unsigned i = 0; i < n; i++) {
                        assert_int_equal(out[f[i].token]++, 0);
                        assert_ptr_equal(f[i].data, s.memory + xsk_address((uint32_t)f[i].token));
                        f[i].len = 1 + draw(&k, XSK_SLOT);
                }
                xsk_commit(&s, f, keep);
                for (unsigned i = 0; i < keep; i++) {
                        all_bytes += f[i].len;
                }
                committed += keep;
                if (draw(&k, 3))
                        xsk_show(&s);
                kernel_takes(&k, draw(&k, SLOTS));
                kernel_completes(&k, draw(&k, SLOTS));
                taken += xsk_took(&s, &bytes);
                all_taken_bytes += bytes;
                assert_int_equal(xsk_waiting(&s), committed - taken);
                if (draw(&k, 2))
                        xsk_reap(&s);
                for (uint32_t i = 0; i < SLOTS; i++)
                        out[i] = s.state[i] == XSK_WITH_KERNEL;
                check_slots(&s);
        }
        assert_true(committed > STEPS);
        xsk_show(&s);
        kernel_takes(&k, SLOTS);
        taken += xsk_took(&s, &bytes);
        all_taken_bytes += bytes;
        xsk_reap(&s);
        kernel_completes(&k, SLOTS);
        xsk_reap(&s);
        check_slots(&s);
        assert_int_equal(s.n_free, SLOTS);
        assert_int_equal(taken, committed);
        assert_int_equal(all_taken_bytes, all_bytes);
        assert_int_equal(s.strays, 0);
        slots_without(&s);
}

/* The same when a driver completes twice, or what it never had. */
static void lies_are_ignored(void **state)
{
        (void)state;
        static struct kernel k;
        struct xsk s;
        struct frame f[SLOTS];
        uint64_t bytes;
        slots_with(&s, &k);
        assert_int_equal(xsk_reserve(&s, f, SLOTS), SLOTS);
        assert_int_equal(xsk_reserve(&s, f, 1), 0);
        for (unsigned i = 0; i < SLOTS; i++)
                f[i].len = 60;
        xsk_commit(&s, f, 10);
        xsk_show(&s);
        kernel_takes(&k, 10);
        assert_int_equal(xsk_took(&s, &bytes), 10);
        assert_int_equal(bytes, 600);
        complete(&k, k.held[3]);
        complete(&k, k.held[3]);                          /* twice */
        complete(&k, xsk_address(0) + 1);                 /* within a slot */
        complete(&k, xsk_address((uint32_t)f[20].token)); /* never had */
        complete(&k, xsk_address(SLOTS));                 /* past the end */
        complete(&k, UINT64_MAX);
        complete(&k, (uint64_t)1 << 44);
        xsk_reap(&s);
        assert_int_equal(s.strays, 6);
        assert_int_equal(s.n_free, SLOTS - 9);
        check_slots(&s);
        slots_without(&s);
}

/* ---- on a link ---- */
static int make_links(void **state)
{
        (void)state;
        if (!in_own_namespace)
                return 0;
        run("ip link add tv0 address 02:00:00:00:00:01 numtxqueues 2 numrxqueues 2 type veth peer name tv1 "
            "address 02:00:00:00:00:02 numtxqueues 2 numrxqueues 2");
        run("for i in tv0 tv1; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; ip link set $i up; done");
        for (int i = 0; i < 200 && system("ip link show tv0 | grep -q LOWER_UP"); i++)
                usleep(10000);
        return 0;
}

static void open_copy(struct io *io, struct io_conf c)
{
        struct err e = {0};
        if (io_open(io, &io_afxdp_copy_ops, &c, &e))
                fail_msg("%s", e.text);
        assert_string_equal(io->ops->name, "afxdp");
        assert_int_equal(io->caps.link, LINK_ETHER);
}

/* Every frame differs from all others, in length too. */
static uint32_t frame_of(uint8_t *out, uint32_t number)
{
        static const uint8_t head[14] = {2, 0, 0, 0, 0,    2,   2, 0,
                                         0, 0, 0, 1, 0x88, 0xb5}; /* IEEE 802: for
                                                                    experiments */
        uint32_t len = 60 + number * 7919 % (LEN_MAX - 60 + 1), x = number * 2654435761u + 1;
        memcpy(out, head, sizeof(head));
        memcpy(out + 14, &number, 4);
        for (uint32_t i = HEAD; i < len; i++) {
                x = x * 1664525 + 1013904223;
                out[i] = (uint8_t)(x >> 24);
        }
        return len;
}

struct arrived {
        uint8_t seen[FRAMES];
        unsigned n;
};

static void receive(struct io *rx, struct arrived *a)
{
        struct frame f[BURST];
        for (unsigned n; (n = io_rx_burst(rx, f, BURST)) > 0; io_rx_done(rx, f, n))
                for (unsigned i = 0; i < n; i++) {
                        uint8_t want[LEN_MAX];
                        uint32_t number;
                        if (f[i].outgoing || f[i].len < 60 || f[i].data[12] != 0x88)
                                continue;
                        memcpy(&number, f[i].data + 14, 4);
                        assert_true(number < FRAMES);
                        assert_int_equal(f[i].len, frame_of(want, number));
                        assert_memory_equal(f[i].data, want, f[i].len);
                        assert_int_equal(a->seen[number]++, 0);
                        a->n++;
                }
}

static struct io_stats stats_of(const struct io *io)
{
        struct io_stats s = {0};
        io->ops->stats(io->st, &s);
        return s;
}

static unsigned hand_in(struct io *tx, uint32_t first, unsigned n)
{
        struct frame f[BURST];
        unsigned got = io_tx_reserve(tx, f, MIN(n, (unsigned)BURST));
        for (unsigned i = 0; i < got; i++) {
                assert_true(f[i].cap >= LEN_MAX + 8);
                f[i].len = frame_of(f[i].data, first + i);
        }
        io_tx_commit(tx, f, got);
        return got;
}

static void send_all(struct io *tx, struct io *rx, struct arrived *a, uint32_t first, uint32_t end)
{
        uint64_t until = clock_mono_ns() + 20 * NS_PER_S;
        while (first < end) {
                assert_true(clock_mono_ns() < until);
                first += hand_in(tx, first, end - first);
                io_tx_kick(tx);
                receive(rx, a);
        }
        do {
                io_tx_kick(tx);
        } while (stats_of(tx).tx_waiting && clock_mono_ns() < until);
        assert_int_equal(stats_of(tx).tx_waiting, 0);
}

static void wait_for(struct io *rx, struct arrived *a, unsigned n)
{
        while (a->n < n && io_rx_wait(rx, clock_mono_ns() + NS_PER_S))
                receive(rx, a);
        assert_int_equal(a->n, n);
}

static void every_frame_once_and_whole(void **state)
{
        NEEDS_NAMESPACE();
        static struct arrived a;
        struct io tx, rx;
        a = (struct arrived){0};
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .n_queues = 1});
        open_copy(&tx, (struct io_conf){.name = "tv0", .tx = true, .queue = 0, .n_queues = 1, .slots = 256});
        send_all(&tx, &rx, &a, 0, FRAMES);
        wait_for(&rx, &a, FRAMES);
        struct io_stats s = stats_of(&tx);
        uint64_t bytes = 0;
        uint8_t none[LEN_MAX];
        for (uint32_t i = 0; i < FRAMES; i++)
                bytes += frame_of(none, i);
        assert_int_equal(s.tx, FRAMES);
        assert_int_equal(s.tx_bytes, bytes);
        assert_int_equal(s.tx_errors, 0);
        assert_null(s.note);
        struct xsk *slots = tx.st;
        xsk_reap(slots);
        assert_int_equal(slots->n_free, slots->n_slots);
        assert_int_equal(slots->strays, 0);
        for (uint32_t i = 0; i < slots->n_slots; i++)
                assert_int_equal(slots->state[i], XSK_FREE);
        io_close(&tx);
        io_close(&rx);
}

static void two_queues_at_once(void **state)
{
        NEEDS_NAMESPACE();
        static struct arrived a;
        struct io tx[2], rx;
        a = (struct arrived){0};
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .n_queues = 1});
        for (unsigned q = 0; q < 2; q++)
                open_copy(&tx[q], (struct io_conf){.name = "tv0", .tx = true, .queue = q, .n_queues = 2});
        for (uint32_t i = 0; i < 4000; i += 100)
                send_all(&tx[i / 100 % 2], &rx, &a, i, i + 100);
        wait_for(&rx, &a, 4000);
        io_close(&tx[0]);
        send_all(&tx[1], &rx, &a, 4000, 4100);
        wait_for(&rx, &a, 4100);
        io_close(&tx[1]);
        io_close(&rx);
}

static void down_links_are_waited_for(void **state)
{
        NEEDS_NAMESPACE();
        static const char *const cut[2] = {"tv0", "tv1"}; /* switched off; without a carrier */
        static struct arrived a;
        struct io tx, rx;
        a = (struct arrived){0};
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .n_queues = 1});
        open_copy(&tx, (struct io_conf){.name = "tv0", .tx = true, .n_queues = 1});
        for (uint32_t i = 0; i < 2; i++) {
                uint32_t first = i * 200;
                send_all(&tx, &rx, &a, first, first + 50);
                run("ip link set %s down", cut[i]);
                usleep(50000); /* so long an answer about the link is believed */
                for (uint32_t done = 50; done < 200;)
                        done += hand_in(&tx, first + done, 200 - done);
                for (int k = 0; k < 150; k++, usleep(10000)) { /* longer than it waits for a stuck driver */
                        io_tx_kick(&tx);
                        assert_int_equal(stats_of(&tx).tx_waiting, 150);
                }
                run("ip link set %s up", cut[i]);
                send_all(&tx, &rx, &a, 0, 0);
                wait_for(&rx, &a, first + 200);
        }
        assert_null(stats_of(&tx).note);
        assert_int_equal(stats_of(&tx).tx, 400);
        run("ip link del tv0");
        hand_in(&tx, 0, 1);
        for (int k = 0; k < 120; k++, usleep(10000))
                io_tx_kick(&tx);
        assert_int_equal(stats_of(&tx).tx_waiting, 1);
        assert_null(stats_of(&tx).note);
        io_close(&tx);
        io_close(&rx);
        make_links(state);
}

static void fails_to_open(const struct io_ops *ops, struct io_conf c, int code, const char *what)
{
        struct err e = {0};
        struct io io;
        assert_int_equal(io_open(&io, ops, &c, &e), -1);
        if (!strstr(e.text, what) || strncmp(e.text, "packet back-end afxdp: ", 23) != 0)
                fail_msg("\"%s\" instead of \"%s\"", e.text, what);
        assert_int_equal(e.code, code);
        assert_null(io.ops);
}

static void says_why_it_does_not_open(void **state)
{
        NEEDS_NAMESPACE();
        const struct io_ops *real = io_by_name("afxdp");
        struct io_conf c = {.name = "tv0", .tx = true, .n_queues = 1};
        struct io one;
        assert_non_null(real);
        fails_to_open(real, c, EOPNOTSUPP, "the driver of \"tv0\" has no zero-copy");
        open_copy(&one, c);
        fails_to_open(&io_afxdp_copy_ops, c, EBUSY, "queue 0 of \"tv0\" has an AF_XDP socket already");
        io_close(&one);
        c.queue = 2;
        fails_to_open(&io_afxdp_copy_ops, c, EINVAL,
                      "\"tv0\" has 2 transmit queues, and there is none for thread 3: give --tx-threads 2");
        c = (struct io_conf){.name = "none0", .tx = true};
        fails_to_open(real, c, ENODEV, "there is no interface \"none0\"");
        run("ip tuntap add mode tun name tvt && ip link set tvt up");
        c.name = "tvt";
        fails_to_open(real, c, EINVAL, "has no Ethernet header");
        run("ip link del tvt");
}

static bool has_program(const char *name)
{
        char text[100];
        snprintf(text, sizeof(text), "ip link show %s | grep -q 'prog/xdp'", name);
        return system(text) == 0;
}

/* While it is open the interface has a program; one of somebody else's is left where it is. */
static void program_comes_and_goes(void **state)
{
        NEEDS_NAMESPACE();
        struct io first, second;
        struct io_conf c = {.name = "tv0", .tx = true, .n_queues = 2};
        struct io_conf theirs = {
                .name = "tv0",
                .rx = true,
                .n_queues = 1,
                .ours = &(struct io_span){.first = {.lo = 1, .family = 4}, .last = {.lo = 1, .family = 4}},
                .n_ours = 1,
                .cookie = &(struct hash_key){1, 2}};
        assert_false(has_program("tv0"));
        open_copy(&first, c);
        assert_true(has_program("tv0"));
        c.queue = 1;
        open_copy(&second, c);
        io_close(&second);
        assert_true(has_program("tv0"));
        io_close(&first);
        assert_false(has_program("tv0"));
        if (io_by_name("xdp")->missing)
                return;
        open_ok(&first, "xdp", theirs);
        open_copy(&second, c);
        io_close(&second);
        assert_true(has_program("tv0"));
        io_close(&first);
        assert_false(has_program("tv0"));
}

/* From here on sendto(2) fails in this process, as with a driver that sends nothing. */
static void break_wakeups(void)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = {.len = ARRAY_LEN(code), .filter = code};
        assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

/* The last test: it leaves the process without sendto. */
static void a_driver_that_takes_nothing_is_left(void **state)
{
        NEEDS_NAMESPACE();
        static struct arrived a;
        struct io tx, rx;
        a = (struct arrived){0};
        open_ok(&rx, "afpacket", (struct io_conf){.name = "tv1", .rx = true, .n_queues = 1});
        open_copy(&tx, (struct io_conf){.name = "tv0", .tx = true, .n_queues = 1});
        send_all(&tx, &rx, &a, 0, 100);
        break_wakeups();
        for (uint32_t done = 100; done < 2000;) /* more than the spare has room for at once */
                done += hand_in(&tx, done, 2000 - done);
        uint64_t began = clock_mono_ns();
        send_all(&tx, &rx, &a, 0, 0);
        assert_true(clock_mono_ns() - began > NS_PER_S);
        send_all(&tx, &rx, &a, 2000, 3000);
        wait_for(&rx, &a, 3000);
        struct io_stats s = stats_of(&tx);
        assert_int_equal(s.tx, 3000);
        assert_non_null(s.note);
        assert_int_equal(((struct xsk *)tx.st)->fd, -1);
        assert_non_null(strstr(s.note, "tv0 takes no frames by afxdp (Operation not supported)"));
        io_close(&tx);
        fails_to_open(&io_afxdp_copy_ops, (struct io_conf){.name = "tv0", .tx = true}, EOPNOTSUPP,
                      "does not send by it");
        io_close(&rx);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(slots_lie_apart),
                cmocka_unit_test(no_slot_twice),
                cmocka_unit_test(lies_are_ignored),
                cmocka_unit_test(every_frame_once_and_whole),
                cmocka_unit_test(two_queues_at_once),
                cmocka_unit_test(down_links_are_waited_for),
                cmocka_unit_test(says_why_it_does_not_open),
                cmocka_unit_test(program_comes_and_goes),
                cmocka_unit_test(a_driver_that_takes_nothing_is_left),
        };
        enter_namespace();
        return cmocka_run_group_tests(tests, make_links, NULL);
}
