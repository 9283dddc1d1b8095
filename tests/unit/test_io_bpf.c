// SPDX-License-Identifier: Apache-2.0
/*
 * --bpf with "vlan" where frames really arrive: on an interface the kernel takes the tag out before the
 * filter runs, in a capture file it stands in the frame. The same text must choose the same frames in both.
 */
#include "test_io_ns.h"

#ifdef HAVE_PCAP
static const struct io_span ours4 = {.first = {.lo = 0x0a090000, .family = 4},
                                     .last = {.lo = 0x0a09ffff, .family = 4},
                                     .port_last = 65535};
static const struct wire_hop plain = {
        .link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}, .them_mac = {2, 0, 0, 0, 0, 2}};
static const uint16_t tags[] = {7, 8, 0, 7}; /* of the frames sent; 0: none */

static const struct {
        const char *text;
        unsigned wanted; /* bits: which of the frames */
} rows[] = {
        {"vlan", 0xb},
        {"vlan 7", 0x9},
        {"not vlan", 0x4},
        {"vlan 8 and tcp src port 1", 0x2}, /* what follows looks behind the tag */
        {"vlan 8 and tcp src port 2", 0},
        {"tcp src port 2", 0x4}, /* and in front of it: only untagged frames */
};

/* Frame i is sent from port i, on tags[i]. */
static void send_all(const char *backend, struct io_conf c)
{
        struct io tx;
        struct io_stats s = {0};
        struct frame f;
        struct ip_addr src = ip_v4(0x0a080001), dst = ip_v4(0x0a090001);
        uint64_t until = clock_mono_ns() + 5 * NS_PER_S;
        open_ok(&tx, backend, c);
        for (uint16_t i = 0; i < ARRAY_LEN(tags); i++) {
                struct wire_hop hop = plain;
                hop.vlan = tags[i];
                assert_int_equal(io_tx_reserve(&tx, &f, 1), 1);
                f.len = (uint32_t)wire_build_tcp(f.data, f.cap, &hop, &src, &dst, i, 80, 0, 0, TCP_SYN, 1024,
                                                 64);
                io_tx_commit(&tx, &f, 1);
        }
        do {
                io_tx_kick(&tx);
                tx.ops->stats(tx.st, &s);
        } while (s.tx < ARRAY_LEN(tags) && clock_mono_ns() < until);
        assert_int_equal(s.tx, ARRAY_LEN(tags));
        io_close(&tx);
}

static unsigned receive_all(struct io *rx)
{
        struct frame f[8];
        struct pkt p;
        unsigned seen = 0;
        for (;;) {
                bool more = io_rx_wait(rx, clock_mono_ns() + 200 * NS_PER_MS);
                unsigned n = io_rx_burst(rx, f, ARRAY_LEN(f));
                if (!n && !more)
                        return seen;
                for (unsigned i = 0; i < n; i++) {
                        if (wire_decode(&p, span_of(f[i].data, f[i].len), rx->caps.link, f[i].sum_unset, 0) ||
                            p.sport >= ARRAY_LEN(tags) || seen & 1u << p.sport)
                                fail_msg("a frame that was never sent, or came twice");
                        seen |= 1u << p.sport;
                }
                io_rx_done(rx, f, n);
        }
}

static void on_an_interface(const char *backend)
{
        for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
                struct io rx;
                open_ok(&rx, backend,
                        (struct io_conf){.name = "bv1",
                                         .rx = true,
                                         .ours = &ours4,
                                         .n_ours = 1,
                                         .bpf_text = rows[i].text});
                send_all("afpacket", (struct io_conf){.name = "bv0", .tx = true});
                unsigned seen = receive_all(&rx);
                if (seen != rows[i].wanted)
                        fail_msg("%s, \"%s\": frames %#x instead of %#x", backend, rows[i].text, seen,
                                 rows[i].wanted);
                io_close(&rx);
        }
}

static void on_packet_sockets(void **state)
{
        NEEDS_NAMESPACE();
        on_an_interface("afpacket");
}

static void through_libpcap(void **state)
{
        NEEDS_NAMESPACE();
        on_an_interface("pcap");
}

static void in_a_capture_file(void **state)
{
        char path[] = "/tmp/trawl-test-XXXXXX";
        (void)state;
        close(mkstemp(path));
        send_all("file", (struct io_conf){.name = path, .tx = true, .link = LINK_ETHER});
        for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
                struct io rx;
                struct io_conf c = {.name = path, .rx = true, .ours = &ours4, .n_ours = 1};
                c.bpf_text = rows[i].text;
                open_ok(&rx, "file", c);
                unsigned seen = receive_all(&rx);
                if (seen != rows[i].wanted)
                        fail_msg("\"%s\": frames %#x instead of %#x", rows[i].text, seen, rows[i].wanted);
                io_close(&rx);
        }
        unlink(path);
}

static void bad_text(void **state)
{
        NEEDS_NAMESPACE();
        struct io rx;
        struct err e = {0};
        struct io_conf c = {.name = "bv1", .rx = true, .bpf_text = "vlan and and"};
        assert_int_equal(io_open(&rx, io_by_name("afpacket"), &c, &e), -1);
        assert_non_null(strstr(e.text, "\"vlan and and\""));
}

static void make_links(void)
{
        run("ip link add bv0 type veth peer name bv1 && ip link set bv0 up && ip link set bv1 up");
        run("for i in bv0 bv1; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done");
        for (int i = 0; i < 200 && system("ip link show bv0 | grep -q LOWER_UP"); i++)
                usleep(10000);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(on_packet_sockets),
                cmocka_unit_test(through_libpcap),
                cmocka_unit_test(in_a_capture_file),
                cmocka_unit_test(bad_text),
        };
        enter_namespace();
        if (in_own_namespace)
                make_links();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
static void needs_libpcap(void **state)
{
        (void)state;
        skip();
}

int main(void)
{
        static const struct CMUnitTest tests[] = {cmocka_unit_test(needs_libpcap)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
