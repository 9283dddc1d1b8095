// SPDX-License-Identifier: Apache-2.0
/*
 * The receive ring on a host that is short of memory: a smaller one, of whatever size was asked for, which
 * the kernel accepts. Scarcity is played by a setsockopt of our own in front of the system's: it refuses
 * every ring above a limit.
 */
#include "test_io_ns.h"
#include <errno.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static unsigned blocks_max, blocks_got;

int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
        const struct tpacket_req3 *r = value;
        bool ring = level == SOL_PACKET && option == PACKET_RX_RING;
        if (ring && r->tp_block_nr > blocks_max) {
                errno = ENOMEM;
                return -1;
        }
        long bad = syscall(SYS_setsockopt, fd, level, option, value, size);
        if (ring && !bad)
                blocks_got = r->tp_block_nr;
        return (int)bad;
}

/* Slots are 192 bytes, blocks 128 KiB; the smallest ring has 32 blocks. */
static void rings_shrink(void **state)
{
        NEEDS_NAMESPACE();
        static const struct {
                unsigned blocks, max, got;
        } rows[] = {{64, 64, 64},  {64, 63, 32},    {65, 40, 32}, {131, 70, 65},
                    {131, 40, 32}, {263, 263, 263}, {263, 64, 32}};
        for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
                struct io rx;
                blocks_max = rows[i].max;
                blocks_got = 0;
                open_ok(&rx, "afpacket",
                        (struct io_conf){
                                .name = "lo", .rx = true, .slots = rows[i].blocks * (128 << 10) / 192});
                assert_int_equal(blocks_got, rows[i].got);
                io_close(&rx);
        }
}

static void a_host_without_memory_is_told(void **state)
{
        NEEDS_NAMESPACE();
        struct io rx;
        struct err e = {0};
        blocks_max = 20;
        assert_int_equal(
                io_open(&rx, io_by_name("afpacket"), &(struct io_conf){.name = "lo", .rx = true}, &e), -1);
        assert_int_equal(e.code, ENOMEM);
        assert_non_null(strstr(e.text, "receive ring"));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(rings_shrink),
                cmocka_unit_test(a_host_without_memory_is_told),
        };
        enter_namespace();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
