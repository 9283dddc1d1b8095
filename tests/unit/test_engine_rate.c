// SPDX-License-Identifier: Apache-2.0
/*
 * The bucket, driven by a clock the test owns: exact sums over seconds, no window above its share, a stall
 * that is counted and not made up, threads that share it, and what leaves from below it.
 */
#include "engine/send.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { START_NS = 1000000000 };

static void drain(struct rate *r, uint64_t now_ns)
{
        for (unsigned n; (n = rate_take(r, 1000, now_ns)) != 0;)
                rate_left(r, n, now_ns);
}

/* All that may leave in the next 10 ms, asked for often enough. */
static uint64_t of_10ms(struct rate *r, uint64_t from_ns)
{
        uint64_t sum = 0;
        for (uint64_t t = from_ns; t < from_ns + 10 * NS_PER_MS; t += 20000) {
                unsigned n = rate_take(r, 1u << 30, t);
                rate_left(r, n, t);
                sum += n;
        }
        return sum;
}

/* Wakes every step_ns (as a sleeping thread would, late by up to `late`) and takes all it may. */
static uint64_t run(struct rate *r, double pps, uint64_t step_ns, uint64_t span_ns, uint64_t *worst_10ms)
{
        uint64_t total = 0, *at = calloc((size_t)(span_ns / step_ns + 2), sizeof(*at)), n = 0, lo = 0,
                 in_window = 0;
        uint64_t *count = calloc((size_t)(span_ns / step_ns + 2), sizeof(*count));
        rate_init(r, pps, START_NS);
        *worst_10ms = 0;
        for (uint64_t t = START_NS; t < START_NS + span_ns; t += step_ns, n++) {
                at[n] = t;
                count[n] = rate_take(r, 1u << 30, t);
                total += count[n];
                in_window += count[n];
                while (at[lo] + 10 * NS_PER_MS <= t)
                        in_window -= count[lo++];
                *worst_10ms = MAX(*worst_10ms, in_window);
        }
        free(at);
        free(count);
        return total;
}

static void sums_are_exact(void **state)
{
        static const double rates[] = {1000, 50000, 500000, 1e6, 5e6, 123456.7};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
                struct rate r;
                uint64_t worst, sum = run(&r, rates[i], 70000, 10 * NS_PER_S, &worst);
                assert_in_range(sum, (uint64_t)(rates[i] * 10 * 0.9995) - 1,
                                (uint64_t)(rates[i] * 10 * 1.0005) + 2);
                assert_true((double)worst <= 1.15 * rates[i] / 100 + 1);
                assert_int_equal(atomic_load(&r.stalls), 0);
        }
}

static void slow_rates_do_not_lose_to_late_wakeups(void **state)
{
        struct rate r;
        uint64_t worst;
        (void)state;
        /* 1 kpps, woken each 1.06 ms: a bucket of exactly one frame would fall 6 % short */
        uint64_t sum = run(&r, 1000, 1060000, 10 * NS_PER_S, &worst);
        assert_in_range(sum, 9950, 10010);
}

static void a_stall_is_counted_not_made_up(void **state)
{
        struct rate r;
        (void)state;
        rate_init(&r, 100000, START_NS);
        while (rate_take(&r, 1000, START_NS))
                ;
        unsigned burst = rate_take(&r, 1u << 30, START_NS + NS_PER_S);
        assert_in_range(burst, 140, 142); /* 1.4 ms and a frame, not a second's worth */
        assert_int_equal(atomic_load(&r.stalls), 1);
        assert_in_range(atomic_load(&r.stall_ns), NS_PER_S - 2 * NS_PER_MS, NS_PER_S);
}

static void room_is_kept_for_a_rst_from_below(void **state)
{
        struct rate r;
        (void)state;
        for (unsigned below = 0; below < 2; below++) {
                rate_init(&r, 1000, START_NS);
                r.closes_below = below;
                while (rate_take(&r, 1000, START_NS))
                        ;
                assert_int_equal(rate_take(&r, 1u << 30, START_NS + NS_PER_S), below ? 1 : 2);
        }
        rate_charge(&r, 1); /* the RST has left: it takes the next frame's turn */
        assert_int_equal(rate_take(&r, 1, START_NS + NS_PER_S + NS_PER_MS), 0);
        assert_int_equal(rate_take(&r, 1, START_NS + NS_PER_S + 2 * NS_PER_MS), 1);
}

static void when_is_the_moment_that_take_grants(void **state)
{
        struct rate r;
        (void)state;
        rate_init(&r, 12345, START_NS);
        while (rate_take(&r, 1, START_NS))
                ;
        for (unsigned i = 0; i < 1000; i++) {
                uint64_t t = rate_when(&r, 3);
                assert_int_equal(rate_take(&r, 3, t - 100000),
                                 1); /* 81 us a frame: the second is not due yet */
                assert_int_equal(rate_take(&r, 3, t), 2);
        }
}

/* Turns of half a millisecond, as a transmit thread has them; one of them is held up on its way out. */
static void what_leaves_late_counts_when_it_leaves(void **state)
{
        static const double rates[] = {1000, 100000, 1e6, 5e6};
        enum { TURNS = 200, LATE = 100 };
        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(rates); i++) {
                for (uint64_t late_ns = 100000; late_ns < 12 * NS_PER_MS; late_ns += 300000) {
                        struct rate r;
                        uint64_t at[TURNS], n[TURNS], t = START_NS, worst = 0;
                        unsigned turn = (unsigned)MAX(1.0, rates[i] / 2000);
                        rate_init(&r, rates[i], START_NS);
                        for (unsigned k = 0; k < TURNS; k++) {
                                t = MAX(t, rate_when(&r, turn));
                                n[k] = rate_take(&r, turn, t);
                                assert_int_not_equal(n[k], 0);
                                unsigned first = (unsigned)n[k] / 4; /* leaves by a call of its own */
                                if (first)
                                        rate_left(&r, first, t);
                                t += k == LATE ? late_ns : 20000;
                                rate_left(&r, (unsigned)n[k] - first, t);
                                at[k] = t;
                        }
                        for (unsigned from = 0; from < TURNS; from++) {
                                uint64_t sum = 0;
                                for (unsigned k = from; k < TURNS && at[k] < at[from] + 10 * NS_PER_MS; k++)
                                        sum += n[k];
                                worst = MAX(worst, sum);
                        }
                        assert_true((double)worst <= 1.15 * rates[i] / 100 + 1);
                        assert_true((double)worst >= 0.9 * rates[i] / 100);
                }
        }
}

/* Two threads held up together, and one that went on: nobody waits for what is not owed. */
static void a_hold_up_is_charged_once(void **state)
{
        struct rate r;
        (void)state;
        rate_init(&r, 1e6, START_NS);
        drain(&r, START_NS);
        for (unsigned thread = 0; thread < 2; thread++)
                assert_int_equal(rate_take(&r, 500, rate_when(&r, 500)), 500);
        uint64_t late = START_NS + 60 * NS_PER_S;
        assert_int_equal(rate_take_reply(&r, 100, late), 100);
        rate_left(&r, 100, late);
        rate_left(&r, 500, late);
        rate_left(&r, 500, late);
        assert_int_equal(atomic_load(&r.in_hand), 0);
        assert_true(rate_when(&r, 1) <= late);
        assert_true(rate_when(&r, 500) > late); /* 1.4 ms less the thousand that has just left */
}

/* The same of many, and it was an outage: that is no stall, but what they had in hand leaves in this window.
 */
static void an_outage_gives_nobody_more(void **state)
{
        (void)state;
        for (unsigned threads = 1; threads <= 16; threads *= 2) {
                struct rate r;
                uint64_t late = START_NS + 60 * NS_PER_S, n = 0;
                rate_init(&r, 1e6, START_NS);
                drain(&r, START_NS);
                for (unsigned i = 0; i < threads; i++)
                        n += rate_take(&r, 500, rate_when(&r, 500));
                for (unsigned i = 0; i < threads; i++) {
                        rate_restart(&r, late);
                        rate_left(&r, 500, late);
                }
                assert_int_equal(n, 500 * threads);
                n += of_10ms(&r, late);
                assert_in_range(n, 10000, 11500);
                assert_true(atomic_load(&r.stall_ns) < 10 * NS_PER_MS);
        }
}

/* Threads of one rate, each busy seven tenths of the time with what it sends: none of them is in another's
 * way. */
static void threads_that_keep_up_are_not_charged(void **state)
{
        (void)state;
        for (unsigned threads = 1; threads <= ENG_TX_MAX; threads *= 2) {
                static struct eng g;
                struct busy {
                        uint64_t next_ns;
                        unsigned n;
                } t[ENG_TX_MAX];
                uint64_t sum = 0;
                double pps = 500000.0 * threads, frame_ns = 0.7 * threads * 1e9 / pps;
                g.n_tx = threads;
                eng_set_turns(&g);
                rate_init(&g.rate, pps, START_NS);
                for (unsigned i = 0; i < threads; i++)
                        t[i] = (struct busy){.next_ns = START_NS};
                for (;;) {
                        struct busy *x = t;
                        for (unsigned i = 1; i < threads; i++)
                                x = t[i].next_ns < x->next_ns ? &t[i] : x;
                        uint64_t now = x->next_ns;
                        if (now > START_NS + NS_PER_S)
                                break;
                        rate_left(&g.rate, x->n, now);
                        sum += x->n;
                        unsigned turn = send_turn(&g);
                        uint64_t when = rate_when(&g.rate, turn);
                        x->n = when <= now ? rate_take(&g.rate, turn, now) : 0;
                        x->next_ns = x->n ? now + (uint64_t)(x->n * frame_ns) : MAX(when, now + 60000);
                }
                assert_in_range(sum, (uint64_t)(pps * 0.99), (uint64_t)(pps * 1.002));
                assert_int_equal(atomic_load(&g.rate.stalls), 0);
        }
}

/* All are open, and each turn of 250 is followed by as many RSTs from below, which are charged before the
 * next. How many frames leave in 10 ms after a stall, the first turn being a part of one. */
static uint64_t with_rsts(uint32_t follow_ns, unsigned first)
{
        struct rate r;
        uint64_t from = START_NS + NS_PER_S, sum = 0, owed = 0;
        rate_init(&r, 1e6, START_NS);
        r.closes_below = true;
        atomic_store(&r.follow_ns, follow_ns);
        drain(&r, START_NS);
        for (uint64_t t = from; t < from + 10 * NS_PER_MS; t += 5000) {
                unsigned turn = sum ? 250 : first;
                rate_charge(&r, owed);
                owed = rate_when(&r, turn) <= t ? rate_take(&r, turn, t) : 0;
                rate_left(&r, (unsigned)owed, t);
                sum += 2 * owed;
        }
        return sum;
}

static void rsts_that_follow_have_their_room(void **state)
{
        static struct eng g;
        uint64_t most = 0, without = 0;
        (void)state;
        g.n_tx = 1;
        rate_init(&g.rate, 1e6, START_NS);
        eng_set_turns(&g);
        assert_int_equal(send_turn(&g), 500);
        g.close_share = 0.5;
        eng_set_turns(&g);
        assert_int_equal(send_turn(&g), 250);
        uint32_t follow_ns = atomic_load(&g.rate.follow_ns);
        for (unsigned first = 25; first <= 250; first += 25) {
                uint64_t kept = with_rsts(follow_ns, first), not_kept = with_rsts(0, first);
                most = MAX(most, kept);
                without = MAX(without, not_kept);
        }
        assert_in_range(most, 10000, 11500);
        assert_true(without > 11500); /* else this shows nothing */
}

static void what_is_given_back_was_never_taken(void **state)
{
        struct rate r;
        (void)state;
        rate_init(&r, 1e6, START_NS);
        drain(&r, START_NS);
        uint64_t t = START_NS + NS_PER_MS, when = rate_when(&r, 100);
        assert_int_equal(rate_take(&r, 300, t), 300);
        rate_give_back(&r, 300);
        assert_int_equal(atomic_load(&r.in_hand), 0);
        assert_int_equal(rate_when(&r, 100), when);
        assert_in_range(of_10ms(&r, START_NS + NS_PER_S), 10000, 11500);
        assert_int_equal(rate_take(&r, 300, t + 2 * NS_PER_S), 300);
        rate_set(&r, 0.1); /* what a frame took when it was taken is not known any more */
        rate_give_back(&r, 300);
        assert_int_equal(atomic_load(&r.in_hand), 0);
        assert_int_equal(rate_take(&r, 300, t + 60 * NS_PER_S), 1);
}

static void replies_are_no_stall(void **state)
{
        struct rate r;
        uint64_t late = START_NS + NS_PER_S;
        (void)state;
        rate_init(&r, 1e6, START_NS);
        for (unsigned i = 0; i < 100; i++, late += NS_PER_S) {
                assert_int_equal(rate_take_reply(&r, 500, late), 500);
                rate_left_reply(&r, 500, late + 300000);
        }
        assert_int_equal(atomic_load(&r.stalls), 0);
        late -= NS_PER_S;
        assert_int_equal(rate_take(&r, 5000, late + 300000),
                         1400 + 1 - 500); /* as if they had left together */
}

struct share {
        struct rate *r;
        uint64_t taken;
};

static void *taker(void *arg)
{
        struct share *s = arg;
        for (uint64_t t = START_NS; t < START_NS + NS_PER_S / 10; t += 1000)
                s->taken += rate_take(s->r, 64, t);
        return NULL;
}

static void threads_share_one_bucket(void **state)
{
        struct rate r;
        struct share s[4];
        pthread_t t[4];
        uint64_t sum = 0;
        (void)state;
        rate_init(&r, 1e6, START_NS);
        for (int i = 0; i < 4; i++) {
                s[i] = (struct share){.r = &r};
                pthread_create(&t[i], NULL, taker, &s[i]);
        }
        for (int i = 0; i < 4; i++) {
                pthread_join(t[i], NULL);
                sum += s[i].taken;
        }
        assert_in_range(sum, 90000, 101100); /* 0.1 s at 1 Mpps, and one burst */
}

/* A flood: what a back-end may close on its own it does at once. */
static _Atomic uint64_t flood_closed;

static uint64_t flood_rx_closed(void *st)
{
        (void)st;
        return atomic_load(&flood_closed);
}

static void flood_rx_allow(void *st, uint32_t n)
{
        (void)st;
        atomic_fetch_add(&flood_closed, n);
}

static void *charger(void *eng)
{
        struct eng *g = eng;
        uint64_t end_ns = clock_mono_ns() + 3 * NS_PER_S / 10;
        while (clock_mono_ns() < end_ns)
                eng_charge_closed(g);
        return NULL;
}

/* Six tenths of the rate and one allowance of 5 ms, whoever looks at the clock first. */
static void closes_from_below_keep_their_share(void **state)
{
        static const struct io_ops ops = {.rx_closed = flood_rx_closed, .rx_allow = flood_rx_allow};
        static struct eng g;
        pthread_t t[8];
        (void)state;
        uint64_t from_ns = clock_mono_ns();
        rate_init(&g.rate, 100000, from_ns);
        g.rate.closes_below = true;
        g.n_devs = 1;
        g.devs[0].rx[0].ops = &ops;
        g.close_ns = from_ns;
        for (unsigned i = 0; i < ARRAY_LEN(t); i++)
                pthread_create(&t[i], NULL, charger, &g);
        for (unsigned i = 0; i < ARRAY_LEN(t); i++)
                pthread_join(t[i], NULL);
        double most = 60000 * (double)(clock_mono_ns() - from_ns) / 1e9 + 300;
        assert_in_range(atomic_load(&flood_closed), 1000, (uint64_t)most + 1);
}

/* 512 frames waited for a link; when they leave the bucket is full, and they are part of the window they
 * leave in, not on top of it. */
static void frames_that_leave_late_count_then(void **state)
{
        struct rate r;
        uint64_t t = START_NS + NS_PER_S, sum = 512;
        (void)state;
        rate_init(&r, 300000, START_NS);
        rate_charge_late(&r, 512, t);
        for (uint64_t at = t; at < t + 10 * NS_PER_MS; at += 100000)
                sum += rate_take(&r, 1u << 30, at);
        assert_in_range(sum, 2950, 3450); /* 1.15 of 10 ms */
}

/* A link takes nothing for 30 ms: that is a stall. What another thread has in hand leaves at the same time.
 */
static void frames_that_leave_late_know_of_others(void **state)
{
        struct rate r;
        uint64_t t = START_NS + NS_PER_S;
        (void)state;
        rate_init(&r, 1e6, START_NS);
        drain(&r, t);
        t += 30 * NS_PER_MS;
        assert_int_equal(rate_take_reply(&r, 250, t), 250);
        t += 300000; /* so long that the clock has forgotten it */
        rate_charge_late(&r, 250, t);
        rate_left(&r, 250, t);
        assert_in_range(500 + of_10ms(&r, t), 10000, 11500);
        rate_restart(&r, t);
        uint64_t before_ns = atomic_load(&r.stall_ns);
        rate_charge_late(&r, 250, t + 30 * NS_PER_MS);
        assert_in_range(atomic_load(&r.stall_ns) - before_ns, 18 * NS_PER_MS,
                        19 * NS_PER_MS); /* since of_10ms */
        rate_charge_late_reply(&r, 250, t + 60 * NS_PER_MS);
        assert_in_range(atomic_load(&r.stall_ns) - before_ns, 18 * NS_PER_MS, 19 * NS_PER_MS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sums_are_exact),
                cmocka_unit_test(slow_rates_do_not_lose_to_late_wakeups),
                cmocka_unit_test(a_stall_is_counted_not_made_up),
                cmocka_unit_test(room_is_kept_for_a_rst_from_below),
                cmocka_unit_test(when_is_the_moment_that_take_grants),
                cmocka_unit_test(what_leaves_late_counts_when_it_leaves),
                cmocka_unit_test(a_hold_up_is_charged_once),
                cmocka_unit_test(an_outage_gives_nobody_more),
                cmocka_unit_test(threads_that_keep_up_are_not_charged),
                cmocka_unit_test(rsts_that_follow_have_their_room),
                cmocka_unit_test(what_is_given_back_was_never_taken),
                cmocka_unit_test(replies_are_no_stall),
                cmocka_unit_test(threads_share_one_bucket),
                cmocka_unit_test(frames_that_leave_late_count_then),
                cmocka_unit_test(frames_that_leave_late_know_of_others),
                cmocka_unit_test(closes_from_below_keep_their_share),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
