// SPDX-License-Identifier: Apache-2.0
/*
 * Conversations that have to wait for one another: a host of two open ports that gives one connection at a
 * time. The test is the host and the clock; the engine round talk.c has no threads. While a target is being
 * called back it is owed, and who does not take the call is called once more, then counted.
 */
#include "engine/talk.h"
#include <setjmp.h>
#include <stdlib.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct eng g;
static struct conf conf;
static struct stretch stretch;
static struct path path;
static struct talk *talk;
static uint64_t now_ns;
static unsigned n_told;
static const struct ip_addr us = {.lo = 0x0a000001, .family = 4}, them = {.lo = 0x0a000002, .family = 4};
enum { FIRST_PORT = 40000, PORTS = 1000 };

static void tell(void *arg, struct heard *h)
{
        (void)arg;
        n_told++;
        free(h);
}

static struct tgt_plan *plan_of(const char *targets, const char *ports)
{
        struct tgt_set *in = NULL, *ex = NULL;
        struct tgt_ports *po = NULL;
        struct tgt_plan *p = NULL;
        struct err e = {0};
        if (tgt_set_new(&in, &e) || tgt_set_add(in, targets, NULL, &e) || tgt_set_finish(in, &e) ||
            tgt_set_new(&ex, &e) || tgt_set_finish(ex, &e) || tgt_ports_new(&po, &e) ||
            tgt_ports_add(po, ports, TGT_TCP, &e) ||
            tgt_plan_new(&p, &(struct tgt_spec){.include = in, .exclude = ex, .ports = po}, &e))
                fail_msg("%s", e.text);
        tgt_set_free(in);
        tgt_set_free(ex);
        tgt_ports_free(po);
        return p;
}

static int start(void **state)
{
        struct err e = {0};
        (void)state;
        memset(&g, 0, sizeof(g));
        conf = (struct conf){.banners = true, .max_connections = 100, .per_host_connections = 1};
        conf.session =
                (struct session_conf){.hello_wait_ns = NS_PER_S, .total_ns = 30 * NS_PER_S, .max_tries = 1};
        conf.syn.ttl = SCAN_DEFAULT;
        g.conf = &conf;
        g.n_rx = g.n_tx = g.n_slots = 1;
        g.plan = plan_of("10.0.0.2", "22,23");
        tgt_plan_facts(g.plan, &g.facts);
        tgt_order_init(&g.orders[0], g.facts.probes, 1);
        atomic_store(&g.order, &g.orders[0]);
        rand_bytes(&g.key.cookie, sizeof(g.key.cookie));
        path = (struct path){.mac_known = true, .source = {us, 1, FIRST_PORT, PORTS}};
        stretch = (struct stretch){.first = them, .last = them};
        g.paths = &path;
        g.n_paths = 1;
        g.stretches[0] = &stretch;
        g.n_stretches[0] = 1;
        atomic_store(&g.rx_oldest[0], UINT64_MAX);
        now_ns = clock_mono_ns(); /* which talk.c looks at, too */
        n_told = 0;
        if (talk_new(&talk, &g, 0, tell, NULL, &e))
                fail_msg("%s", e.text);
        talk_round(talk, now_ns, false);
        return 0;
}

static int stop(void **state)
{
        (void)state;
        talk_free(talk);
        tgt_plan_free(g.plan);
        return 0;
}

/* ---- the host ---- */

static void says(const struct wire_segment *s, bool answers_probe)
{
        static const struct wire_hop hop = {.link = LINK_RAW};
        uint8_t bytes[200];
        struct pkt p;
        size_t n = wire_build_segment(bytes, sizeof(bytes), &hop, s);
        assert_int_equal(wire_decode(&p, span_of(bytes, n), LINK_RAW, false, 0), WIRE_OK);
        if (answers_probe)
                talk_open(talk, &p, 0, false, now_ns);
        else
                assert_true(talk_packet(talk, &p, 0, now_ns));
}

static void answers_probe(uint16_t port)
{
        uint32_t cookie = (uint32_t)wire_cookie(g.key.cookie, &us, FIRST_PORT, &them, port);
        says(&(struct wire_segment){.src = them,
                                    .dst = us,
                                    .sport = port,
                                    .dport = FIRST_PORT,
                                    .seq = 1000,
                                    .ack = cookie + 1,
                                    .flags = TCP_SYN | TCP_ACK,
                                    .window = 1000,
                                    .ttl = 64},
             true);
}

static void resets(uint16_t port, uint16_t our_port, uint32_t seq, uint32_t ack)
{
        says(&(struct wire_segment){.src = them,
                                    .dst = us,
                                    .sport = port,
                                    .dport = our_port,
                                    .seq = seq,
                                    .ack = ack,
                                    .flags = TCP_RST | TCP_ACK,
                                    .ttl = 64},
             false);
}

/* Time passes; all that is sent is looked at. The last SYN to that port, if there was any. */
static bool sends_syn(uint16_t port, uint64_t ns, struct wire_segment *syn)
{
        bool any = false;
        struct stack_seg s;
        for (uint64_t end_ns = now_ns + ns; now_ns < end_ns; now_ns += 5 * NS_PER_MS) {
                talk_round(talk, now_ns, false);
                while (talk_next(talk, &s, now_ns))
                        if (s.seg.flags == TCP_SYN && s.seg.dport == port) {
                                *syn = s.seg;
                                any = true;
                        }
        }
        return any;
}

static uint64_t position(uint16_t port)
{
        uint64_t index;
        assert_true(tgt_plan_index(g.plan, &(struct target){.ip = them, .port = port, .proto = 6}, &index));
        return tgt_order_pos(&g.orders[0], index);
}

/* Both have answered, the first has reset the connection it got: what is left is a call to the second. */
static void one_waits(struct wire_segment *syn)
{
        answers_probe(22);
        answers_probe(23);
        assert_false(sends_syn(23, NS_PER_S / 2, syn));
        assert_int_equal(eng_talking(&g), 2);
        resets(22, FIRST_PORT, 1001, 0);
        assert_true(sends_syn(23, NS_PER_S / 2, syn));
        assert_int_equal(n_told, 1);
}

/* ---- tests ---- */

static void who_is_called_is_owed(void **state)
{
        struct wire_segment syn, again;
        (void)state;
        one_waits(&syn);
        for (unsigned i = 0; i < 10; i++) { /* its answer takes its time */
                sends_syn(23, NS_PER_S / 2, &again);
                assert_int_equal(eng_talking(&g), 1);
                assert_int_equal(atomic_load(&g.rx_oldest[0]), position(23));
        }
        says(&(struct wire_segment){.src = them,
                                    .dst = us,
                                    .sport = 23,
                                    .dport = syn.sport,
                                    .seq = 1000,
                                    .ack = syn.seq + 1,
                                    .flags = TCP_SYN | TCP_ACK,
                                    .window = 1000,
                                    .ttl = 64},
             false);
        sends_syn(23, NS_PER_S / 10, &again);
        assert_int_equal(eng_talking(&g), 1);
        resets(23, syn.sport, 1001, syn.seq + 1);
        assert_false(sends_syn(23, NS_PER_S, &again));
        assert_int_equal(eng_talking(&g), 0);
        assert_int_equal(n_told, 2);
        assert_int_equal(atomic_load(&g.rx_oldest[0]), UINT64_MAX);
        talk_finish(talk);
        assert_int_equal(atomic_load(&g.rx_count[0].not_reached), 0);
}

static void who_refuses_is_called_once_more_and_counted(void **state)
{
        struct wire_segment syn;
        (void)state;
        one_waits(&syn);
        resets(23, syn.sport, 0, syn.seq + 1);
        assert_false(sends_syn(23, NS_PER_S / 2, &syn));
        assert_int_equal(eng_talking(&g), 1);
        assert_true(sends_syn(23, NS_PER_S, &syn));
        resets(23, syn.sport, 0, syn.seq + 1);
        assert_false(sends_syn(23, 3 * NS_PER_S, &syn));
        assert_int_equal(eng_talking(&g), 0);
        assert_int_equal(atomic_load(&g.rx_count[0].not_reached), 1);
        talk_finish(talk);
        assert_int_equal(atomic_load(&g.rx_count[0].not_reached), 1);
}

static void who_keeps_silent_is_called_once_more_and_counted(void **state)
{
        struct wire_segment syn;
        (void)state;
        one_waits(&syn);
        sends_syn(23, 20 * NS_PER_S, &syn); /* repeated until the stack gives it up */
        assert_true(sends_syn(23, 3 * NS_PER_S, &syn));
        assert_int_equal(eng_talking(&g), 1);
        sends_syn(23, 22 * NS_PER_S, &syn);
        assert_int_equal(eng_talking(&g), 0);
        assert_int_equal(atomic_load(&g.rx_count[0].not_reached), 1);
}

static void a_scan_that_ends_counts_whom_it_was_calling(void **state)
{
        struct wire_segment syn;
        (void)state;
        one_waits(&syn);
        talk_finish(talk);
        assert_int_equal(atomic_load(&g.rx_count[0].not_reached), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(who_is_called_is_owed, start, stop),
                cmocka_unit_test_setup_teardown(who_refuses_is_called_once_more_and_counted, start, stop),
                cmocka_unit_test_setup_teardown(who_keeps_silent_is_called_once_more_and_counted, start,
                                                stop),
                cmocka_unit_test_setup_teardown(a_scan_that_ends_counts_whom_it_was_calling, start, stop),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
