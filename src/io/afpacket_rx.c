// SPDX-License-Identifier: Apache-2.0
/*
 * afpacket_rx: frames in, through a TPACKET_V3 ring shared with the kernel. Frames are lent where they lie.
 *
 *   block 0           block 1           block 2           …     a block is handed over when it is full or
 *   [frame frame fra] [frame          ] [               ]       RETIRE_MS old, and goes back as a whole
 *
 * Invariant: a block belongs to the kernel, or lent[block] frames of it are still unread or in the caller's
 * hands. Reference: Linux Documentation/networking/packet_mmap.rst, "TPACKET_V3".
 */
#include "afpacket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum {
        BLOCK_SIZE = 128 << 10, /* holds the largest frame there is (64 KiB by TSO) */
        FRAME_SIZE = 2048,
        RING_MIN = 4 << 20,
        RING_DEFAULT = 32 << 20,
        RING_MAX = 64 << 20,
        BYTES_PER_SLOT = 192, /* what a SYN-ACK takes in the ring, headers of the ring included */
        RETIRE_MS = 2, /* a block a reader is late for may hold one frame: blocks * RETIRE_MS is its grace */
        SENDER_OFFSET =
                (sizeof(struct tpacket3_hdr) + TPACKET_ALIGNMENT - 1) / TPACKET_ALIGNMENT * TPACKET_ALIGNMENT
};
static const uint64_t ERROR_SLEEP_NS = 10 * NS_PER_MS, HELD_SLEEP_NS = NS_PER_MS / 5;

static int set(struct afp *a, int option, const void *value, size_t size, const char *what, const char *name,
               struct err *e)
{
        if (setsockopt(a->fd, SOL_PACKET, option, value, (socklen_t)size) == 0)
                return 0;
        return io_err_open(e, errno, what, name);
}

static int attach(struct afp *a, const struct filter *f, const char *name, struct err *e)
{
        struct sock_fprog p = {.len = (uint16_t)f->n, .filter = f->ins};
        if (setsockopt(a->fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)) == 0)
                return 0;
        return io_err_open(e, errno, "attaching the receive filter", name);
}

static uint32_t ring_blocks(uint32_t slots)
{
        size_t want = slots ? (size_t)slots * BYTES_PER_SLOT : RING_DEFAULT;
        want = MAX(MIN(want, (size_t)RING_MAX), (size_t)RING_MIN);
        return (uint32_t)((want + BLOCK_SIZE - 1) / BLOCK_SIZE);
}

/* The kernel wants whole pages in a row; a host short of them gets a smaller ring rather than none. It counts
 * frames too, though TPACKET_V3 does not use them: they must fill the blocks exactly. */
static int make_ring(struct afp *a, const struct io_conf *c, struct err *e)
{
        int version = TPACKET_V3;
        if (set(a, PACKET_VERSION, &version, sizeof(version), "asking for TPACKET_V3", c->name, e))
                return -1;
        uint32_t n = ring_blocks(c->slots);
        for (;; n /= 2) {
                struct tpacket_req3 r = {.tp_block_size = BLOCK_SIZE,
                                         .tp_block_nr = n,
                                         .tp_frame_size = FRAME_SIZE,
                                         .tp_frame_nr = n * (BLOCK_SIZE / FRAME_SIZE),
                                         .tp_retire_blk_tov = RETIRE_MS};
                if (setsockopt(a->fd, SOL_PACKET, PACKET_RX_RING, &r, sizeof(r)) == 0)
                        break;
                if (errno != ENOMEM || n / 2 < RING_MIN / BLOCK_SIZE)
                        return io_err_open(e, errno, "making a receive ring", c->name);
        }
        a->block_size = BLOCK_SIZE;
        a->n_blocks = n;
        a->map_size = (size_t)a->block_size * a->n_blocks;
        a->map = mmap(NULL, a->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
        if (a->map == MAP_FAILED) {
                a->map = NULL;
                return io_err_open(e, errno, "mapping the receive ring", c->name);
        }
        a->lent = calloc(a->n_blocks, sizeof(*a->lent));
        return a->lent ? 0 : err_set(e, ENOMEM, "out of memory for the receive ring of \"%s\"", c->name);
}

static int join_multicast(struct afp *a, const struct io_conf *c, int ifindex, struct err *e)
{
        struct packet_mreq m = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
        if (!c->promisc)
                return 0;
        if (set(a, PACKET_ADD_MEMBERSHIP, &m, sizeof(m), "asking for all frames (promiscuous mode)", c->name,
                e))
                return -1;
        /* Solicitations for an IPv6 address we only pretend to have go to its solicited-node multicast group.
         */
        m.mr_type = PACKET_MR_ALLMULTI;
        return set(a, PACKET_ADD_MEMBERSHIP, &m, sizeof(m), "asking for all multicast frames", c->name, e);
}

static int start(struct afp *a, const struct io_conf *c, struct io_caps *caps, int ifindex, struct err *e)
{
        struct sockaddr_ll at = {
                .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};
        if (bind(a->fd, (struct sockaddr *)&at, sizeof(at)))
                return io_err_open(e, errno, "binding an AF_PACKET socket", c->name);
        return afp_join_fanout(a, c, caps, e) || join_multicast(a, c, ifindex, e) ? -1 : 0;
}

/* Order matters. The socket was made with protocol 0 and hears nothing until bind; it takes nothing either
 * until the fanout group is joined, else two receive threads would both be handed the same frame. */
int afp_rx_open(struct afp *a, const struct io_conf *c, struct io_caps *caps, int ifindex, struct err *e)
{
        struct sock_filter take_nothing = {BPF_RET | BPF_K, 0, 0, 0};
        struct filter none = {&take_nothing, 1}, wanted;
        int on = 1;
        if (filter_make(&wanted, c, caps->link, e))
                return -1;
        caps->own_echo = setsockopt(a->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0;
        if (attach(a, &none, c->name, e) || make_ring(a, c, e) || start(a, c, caps, ifindex, e) ||
            attach(a, &wanted, c->name, e))
                goto drop_ring;
        filter_free(&wanted);
        return 0;
drop_ring:
        filter_free(&wanted);
        afp_rx_close(a);
        return -1;
}

void afp_rx_close(struct afp *a)
{
        if (a->map)
                munmap(a->map, a->map_size);
        free(a->lent);
        a->map = NULL;
        a->lent = NULL;
}

/* Reading the kernel's statistics resets them, hence the sum; several threads may ask. */
void afp_rx_stats(struct afp *a)
{
        struct tpacket_stats_v3 s;
        socklen_t n = sizeof(s);
        if (getsockopt(a->fd, SOL_PACKET, PACKET_STATISTICS, &s, &n) == 0)
                atomic_fetch_add_explicit(&a->count.rx_missed, s.tp_drops, memory_order_relaxed);
}

static struct tpacket_block_desc *block_at(const struct afp *a, uint32_t i)
{
        return (struct tpacket_block_desc *)(void *)(a->map + (size_t)i * a->block_size);
}

static bool block_ready(const struct afp *a)
{
        uint32_t status = __atomic_load_n(&block_at(a, a->block)->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
        return !a->lent[a->block] && status & TP_STATUS_USER;
}

static void give_back(struct afp *a, uint32_t i)
{
        __atomic_store_n(&block_at(a, i)->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

/* Opens the next block the kernel has filled. Frames carry wall clock time: the distance to the monotonic
 * clock is taken anew for each block, so a step of the wall clock spoils one block at most. */
static bool next_block(struct afp *a)
{
        while (block_ready(a)) {
                struct tpacket_block_desc *b = block_at(a, a->block);
                uint32_t n = b->hdr.bh1.num_pkts;
                if (n) {
                        a->left = a->lent[a->block] = n;
                        a->next = (struct tpacket3_hdr *)(void *)((uint8_t *)b +
                                                                  b->hdr.bh1.offset_to_first_pkt);
                        a->mono_minus_wall = clock_mono_ns() - clock_wall_ns();
                        return true;
                }
                give_back(a, a->block);
                a->block = (a->block + 1) % a->n_blocks;
        }
        return false;
}

static void lend(const struct afp *a, struct frame *f, struct tpacket3_hdr *h)
{
        const struct sockaddr_ll *from = (const void *)((uint8_t *)h + SENDER_OFFSET);
        uint64_t wall = (uint64_t)h->tp_sec * NS_PER_S + h->tp_nsec;
        *f = (struct frame){
                .data = (uint8_t *)h + h->tp_mac,
                .len = h->tp_snaplen,
                .cap = h->tp_snaplen,
                .stamp_ns = wall + a->mono_minus_wall,
                .token = a->block,
                .vlan = h->tp_status & TP_STATUS_VLAN_VALID ? h->hv1.tp_vlan_tci & 0xfff : 0,
                .sum_unset = (h->tp_status & TP_STATUS_CSUMNOTREADY) != 0,
                .outgoing = from->sll_pkttype == PACKET_OUTGOING,
        };
}

unsigned afp_rx_burst(void *st, struct frame *f, unsigned n)
{
        struct afp *a = st;
        unsigned got = 0;
        uint64_t bytes = 0;
        while (got < n && (a->left || next_block(a))) {
                lend(a, &f[got], a->next);
                bytes += f[got++].len;
                a->next = (struct tpacket3_hdr *)(void *)((uint8_t *)a->next + a->next->tp_next_offset);
                if (--a->left == 0)
                        a->block = (a->block + 1) % a->n_blocks;
        }
        if (got) {
                ctr_add(&a->count.rx, got);
                ctr_add(&a->count.rx_bytes, bytes);
        }
        return got;
}

void afp_rx_done(void *st, const struct frame *f, unsigned n)
{
        struct afp *a = st;
        for (unsigned i = 0; i < n; i++) {
                uint32_t b = (uint32_t)f[i].token;
                assert(b < a->n_blocks && a->lent[b]);
                if (--a->lent[b] == 0)
                        give_back(a, b);
        }
}

/* A pending error (the interface went down) makes poll return at once: it is taken off, with a short sleep in
 * case it comes back each time. */
static void take_error(struct afp *a, uint64_t until_mono_ns)
{
        int why = 0;
        socklen_t n = sizeof(why);
        getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &why, &n);
        atomic_store_explicit(&a->count.last_error, why, memory_order_relaxed);
        clock_sleep_until(MIN(clock_mono_ns() + ERROR_SLEEP_NS, until_mono_ns));
}

/* poll also calls the ring readable while the caller still holds frames of the last block: no reason to spin.
 */
bool afp_rx_wait(void *st, uint64_t until_mono_ns)
{
        struct afp *a = st;
        while (!a->left && !block_ready(a)) {
                int r = io_poll_until(a->fd, until_mono_ns);
                if (r < 0)
                        take_error(a, until_mono_ns);
                if (clock_mono_ns() >= until_mono_ns)
                        return a->left || block_ready(a);
                if (r > 0 && !block_ready(a))
                        clock_sleep_until(MIN(clock_mono_ns() + HELD_SLEEP_NS, until_mono_ns));
        }
        return true;
}
