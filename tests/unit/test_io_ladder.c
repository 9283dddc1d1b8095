// SPDX-License-Identifier: Apache-2.0
/*
 * The ladder of --io auto: which rung is taken on which link, what is said about those passed by, where the
 * walk ends; and the counter that proves that frames leave a link.
 */
#include "test_io_ns.h"
#include <errno.h>

static int good(const struct io_link *l, bool local, const char *no_kernel, struct err *e)
{
        (void)l, (void)local, (void)no_kernel, (void)e;
        return 0;
}

static int bad(const struct io_link *l, bool local, const char *no_kernel, struct err *e)
{
        (void)local, (void)no_kernel;
        return err_set(e, 0, "not on %s", l->name);
}

static const struct io_ops absent = {.name = "absent", .missing = "libabsent-dev"}, fast = {.name = "fast"},
                           plain = {.name = "plain"}, slow = {.name = "slow"};
static const struct io_rung rungs[] = {{&absent, good, NULL}, {&fast, bad, NULL},  {&plain, good, NULL},
                                       {&absent, good, NULL}, {&slow, good, NULL}, {NULL, NULL, NULL}};
static const struct io_link eth = {.name = "eth9", .link = LINK_ETHER};

static void best_usable_rung(void **state)
{
        (void)state;
        struct io_choice c;
        assert_ptr_equal(io_choose(&c, rungs, &eth, false, NULL), &plain);
        assert_string_equal(c.passed, "absent: not built in, needs libabsent-dev; fast: not on eth9");
        assert_ptr_equal(io_choose(&c, rungs + 2, &eth, false, NULL), &plain);
        assert_string_equal(c.passed, "");
        assert_null(io_choose(&c, rungs + 5, &eth, false, NULL));
}

static void equal_reasons_are_told_once(void **state)
{
        (void)state;
        static const struct io_rung alike[] = {{&fast, bad, NULL},    {&slow, bad, NULL},
                                               {&absent, good, NULL}, {&absent, bad, NULL},
                                               {&plain, good, NULL},  {NULL, NULL, NULL}};
        struct io_choice c;
        assert_ptr_equal(io_choose(&c, alike, &eth, false, NULL), &plain);
        assert_string_equal(c.passed,
                            "fast, slow: not on eth9; absent, absent: not built in, needs libabsent-dev");
}

static void down_a_rung(void **state)
{
        (void)state;
        struct io_choice c;
        struct err e;
        io_choose(&c, rungs + 2, &eth, false, NULL);
        err_set(&e, ENOBUFS, "back-end plain: no room");
        assert_ptr_equal(io_choose_next(&c, &eth, false, &e), &slow);
        assert_string_equal(c.passed, "back-end plain: no room; absent: not built in, needs libabsent-dev");
        assert_null(io_choose_next(&c, &eth, false, &e));
        assert_null(io_choose_next(&c, &eth, false, &e)); /* and stays at the bottom */
}

static void errors_that_meet_all(void **state)
{
        static const int codes[] = {EPERM, EACCES, ENODEV, ENETDOWN};
        (void)state;
        for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
                struct io_choice c;
                struct err e;
                io_choose(&c, rungs + 2, &eth, false, NULL);
                err_set(&e, codes[i], "no");
                assert_null(io_choose_next(&c, &eth, false, &e));
        }
}

static void chosen_by_hand(void **state)
{
        (void)state;
        struct io_choice c = {.at = NULL};
        struct err e;
        err_set(&e, ENOBUFS, "no room");
        assert_null(io_choose_next(&c, &eth, false, &e));
}

static void long_reasons_are_cut(void **state)
{
        (void)state;
        struct io_choice c;
        struct err e = {.code = ENOBUFS};
        memset(e.text, 'x', sizeof(e.text) - 1);
        io_choose(&c, rungs, &eth, false, NULL);
        assert_ptr_equal(io_choose_next(&c, &eth, false, &e), &slow);
        assert_int_equal(strlen(c.passed), sizeof(c.passed) - 1);
}

static const char *tx_name(const struct io_link *l, bool local, struct io_choice *c)
{
        return io_choose(c, io_tx_ladder, l, local, "slow enough")->name;
}

static void the_real_ladders(void **state)
{
        (void)state;
        struct io_choice c;
        struct io_link lo = {.name = "lo", .link = LINK_ETHER, .loopback = true};
        struct io_link tun = {.name = "tun9", .link = LINK_RAW, .point_to_point = true};
        struct io_link odd = {.name = "ib9", .link = LINK_RAW};
        assert_string_equal(tx_name(&eth, false, &c), "afpacket");
        assert_non_null(strstr(c.passed, "slow enough"));
        if (!io_by_name("xdp")->missing)
                assert_string_equal(io_choose(&c, io_tx_ladder, &eth, false, NULL)->name, "xdp");
        io_choose(&c, io_tx_ladder + 1, &eth, false, NULL);
        assert_ptr_equal(c.at->ops, io_by_name("afxdp"));
        assert_ptr_equal(io_choose(&c, io_tx_ladder + 1, &eth, false, "slow enough"), io_by_name("afpacket"));
        assert_string_equal(c.passed, "afxdp: slow enough");
        assert_string_equal(tx_name(&tun, false, &c), "afpacket");
        assert_string_equal(tx_name(&eth, true, &c), "rawip");
        assert_non_null(strstr(c.passed, "own addresses"));
        assert_string_equal(tx_name(&lo, false, &c), "rawip");
        assert_string_equal(tx_name(&odd, false, &c), "rawip");
        assert_non_null(strstr(c.passed, "cannot be written"));
        assert_string_equal(io_choose(&c, io_rx_ladder, &odd, false, NULL)->name, "afpacket");
        for (const struct io_rung *r = io_tx_ladder; r->ops; r++) {
                assert_true(r->ops->can_tx);
                assert_ptr_equal(io_rung_of(io_tx_ladder, r->ops), r);
        }
        for (const struct io_rung *r = io_rx_ladder; r->ops; r++)
                assert_true(r->ops->can_rx);
        assert_null(io_rung_of(io_tx_ladder, io_by_name("null")));
}

static const struct io_link *link_of(struct io_facts *f, const char *name)
{
        const struct io_link *l = io_facts_by_name(f, name);
        assert_non_null(l);
        return l;
}

static void send_frames(struct io *io, unsigned n)
{
        struct frame f;
        while (n--) {
                assert_int_equal(io_tx_reserve(io, &f, 1), 1);
                memset(f.data, 0, 60);
                memset(f.data, 0xff, 6);
                f.data[12] = 0x88, f.data[13] = 0xb5; /* IEEE 802: for experiments */
                f.len = 60;
                io_tx_commit(io, &f, 1);
                io_tx_kick(io);
        }
}

static void links_count_what_leaves(void **state)
{
        NEEDS_NAMESPACE();
        struct io_facts *f;
        struct err e = {0};
        struct io_link_count before, after;
        struct io io;
        run("ip link add la0 type veth peer name la1 && ip link set la0 up && ip link set la1 up");
        if (io_facts_load(&f, &e))
                fail_msg("%s", e.text);
        const struct io_link *l = link_of(f, "la0");
        open_ok(&io, "afpacket", (struct io_conf){.name = "la0", .tx = true});
        assert_true(io_link_sent(f, l->ifindex, &before));
        send_frames(&io, 40);
        assert_true(io_link_sent(f, l->ifindex, &after));
        assert_true(after.tx_frames >= before.tx_frames + 40);
        assert_false(io_link_sent(f, 999999, &after));
        run("ip link del la0");
        assert_false(io_link_sent(f, l->ifindex, &after));
        io_close(&io);
        io_facts_free(f);
}

/* Templates are made for the first usable rung, so the others must frame alike. */
static void rungs_of_a_link_frame_alike(void **state)
{
        NEEDS_NAMESPACE();
        struct io_facts *f;
        struct err e = {0};
        run("ip link add lb0 type veth peer name lb1 && ip link set lb0 up && ip link set lb1 up");
        run("ip tuntap add mode tun name lbt0 && ip link set lbt0 up");
        if (io_facts_load(&f, &e))
                fail_msg("%s", e.text);
        for (unsigned i = 0; i < 2; i++) {
                const struct io_link *l = link_of(f, i ? "lbt0" : "lb0");
                for (const struct io_rung *r = io_tx_ladder; r->ops; r++) {
                        struct io io;
                        if (r->ops->missing || r->usable(l, false, NULL, &e))
                                continue;
                        if (r->ops == io_by_name("afxdp"))
                                continue; /* these links have no zero-copy */
                        open_ok(&io, r->ops->name, (struct io_conf){.name = l->name, .tx = true});
                        assert_int_equal(io.caps.link, l->link);
                        io_close(&io);
                }
        }
        io_facts_free(f);
        run("ip link del lb0; ip link del lbt0");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(best_usable_rung),
                cmocka_unit_test(down_a_rung),
                cmocka_unit_test(equal_reasons_are_told_once),
                cmocka_unit_test(errors_that_meet_all),
                cmocka_unit_test(chosen_by_hand),
                cmocka_unit_test(long_reasons_are_cut),
                cmocka_unit_test(the_real_ladders),
                cmocka_unit_test(links_count_what_leaves),
                cmocka_unit_test(rungs_of_a_link_frame_alike),
        };
        enter_namespace();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
