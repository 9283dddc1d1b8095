// SPDX-License-Identifier: Apache-2.0
/*
 * afxdp: sending by an AF_XDP socket whose driver takes the frames straight out of our memory (zero-copy).
 * Stands beside afpacket: frames are stamped into lent slots (afxdp_ring.c), one socket per transmit queue.
 * It opens only where zero-copy can be had: when the kernel copies, the driver may throw a frame away and
 * nobody says which, and `xdp` does better wherever that works.
 * Invariant: a frame handed in leaves once: it is counted when the driver took it, or it is still waiting,
 * or, when the driver turns out to take none, it was given to the AF_PACKET handle kept beside. Reference:
 * Linux Documentation/networking/af_xdp.rst.
 */
#include "afxdp.h"
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BURST = 256, HEADERS = 14 + 8 }; /* Ethernet, two VLAN tags */
static const uint64_t PATIENCE_NS =
        NS_PER_S; /* a link that is up and takes nothing for so long is no way out */

struct afxdp {
        struct xsk sk; /* first: see afxdp.h */
        struct io_counters count;
        struct link_watch link;
        struct io spare;
        int ask_fd, program_link;
        bool left; /* gave up: everything goes through the spare */
        char name[IFNAMSIZ], note[160];
        _Atomic(const char *) said;
};

/* ---- opening ---- */

/* The kernel itself lets a queue pass that exists for receiving only, and then sends nothing. */
static int check_queue(const struct afxdp *x, unsigned queue, struct err *e)
{
        unsigned n = io_link_queues(x->name);
        if (!n || queue < n)
                return 0; /* not every driver tells; binding will */
        return err_set(
                e, EINVAL,
                "\"%s\" has %u transmit queue%s, and there is none for thread %u: give --tx-threads %u, "
                "or more queues by \"ethtool -L\"",
                x->name, n, n == 1 ? "" : "s", queue + 1, n);
}

static int err_bind(struct err *e, int code, const char *name, unsigned queue)
{
        switch (code) {
        case EOPNOTSUPP:
                return err_set(e, code, "the driver of \"%s\" has no zero-copy; xdp and afpacket do without",
                               name);
        case EBUSY:
                return err_set(e, code, "queue %u of \"%s\" has an AF_XDP socket already", queue, name);
        case EINVAL:
                return err_set(e, code, "\"%s\" has no queue %u for AF_XDP, or its MTU is too large for it",
                               name, queue);
        default:
                return io_err_open(e, code, "binding an AF_XDP socket", name);
        }
}

static int bind_queue(const struct afxdp *x, unsigned queue, bool copy, struct err *e)
{
        struct sockaddr_xdp to = {.sxdp_family = AF_XDP,
                                  .sxdp_flags =
                                          (uint16_t)((copy ? XDP_COPY : XDP_ZEROCOPY) | XDP_USE_NEED_WAKEUP),
                                  .sxdp_ifindex = x->link.ifindex,
                                  .sxdp_queue_id = queue};
        if (bind(x->sk.fd, (struct sockaddr *)&to, sizeof(to)))
                return err_bind(e, errno, x->name, queue);
        return 0;
}

static int bpf(int command, union bpf_attr *a)
{
        return (int)syscall(SYS_bpf, command, a, sizeof(*a));
}

/* Drivers have the queues that AF_XDP sends by only while a program is attached that looks at what arrives.
 * Ours passes all on, and goes with its descriptor. One that is there already serves as well, and stays. */
static int attach_program(struct afxdp *x, struct err *e)
{
        static const struct bpf_insn pass[] = {
                {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
                {.code = BPF_JMP | BPF_EXIT}};
        union bpf_attr load = {.prog_type = BPF_PROG_TYPE_XDP,
                               .insns = (uintptr_t)pass,
                               .insn_cnt = ARRAY_LEN(pass),
                               .license = (uintptr_t) "Apache-2.0",
                               .expected_attach_type = BPF_XDP};
        int program = bpf(BPF_PROG_LOAD, &load);
        if (program < 0)
                return io_err_open(e, errno, "loading an XDP program", x->name);
        union bpf_attr at = {.link_create = {.prog_fd = (uint32_t)program,
                                             .target_ifindex = x->link.ifindex,
                                             .attach_type = BPF_XDP,
                                             .flags = XDP_FLAGS_DRV_MODE}};
        x->program_link = bpf(BPF_LINK_CREATE, &at);
        int code = x->program_link < 0 ? errno : 0;
        close(program);
        if (!code || code == EBUSY || code == EEXIST)
                return 0;
        return io_err_open(e, code, "attaching an XDP program to the driver", x->name);
}

static int wake(const struct afxdp *x)
{
        return sendto(x->sk.fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? errno : 0;
}

/* With nothing to send yet the driver tells whether it would. */
static int try_driver(struct afxdp *x, struct err *e)
{
        int why = wake(x);
        if (!why || (why != ENXIO && link_waits(&x->link, why)))
                return 0;
        return err_set(e, why,
                       "the driver of \"%s\" bound a queue for zero-copy and does not send by it (%s)",
                       x->name, strerror(why));
}

static void afxdp_close(void *st)
{
        struct afxdp *x = st;
        xsk_free(&x->sk);
        if (x->program_link >= 0)
                close(x->program_link);
        if (x->ask_fd >= 0)
                close(x->ask_fd);
        io_close(&x->spare);
}

static int open_queue(struct afxdp *x, const struct io_conf *c, bool copy, struct err *e)
{
        if (x->spare.caps.link != LINK_ETHER)
                return err_set(e, EINVAL, "\"%s\" has no Ethernet header", c->name);
        return check_queue(x, c->queue, e) || xsk_open(&x->sk, c->slots, c->name, e) ||
                               bind_queue(x, c->queue, copy, e) || attach_program(x, e) || try_driver(x, e)
                       ? -1
                       : 0;
}

static int open_as(struct afxdp *x, const struct io_conf *c, struct io_caps *caps, bool copy, struct err *e)
{
        *x = (struct afxdp){.sk.fd = -1, .ask_fd = -1, .program_link = -1};
        if (io_open(&x->spare, &io_afpacket_ops, c, e))
                return -1;
        memcpy(x->name, c->name, strnlen(c->name, IFNAMSIZ - 1));
        x->ask_fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (x->ask_fd < 0) {
                io_err_open(e, errno, "opening an AF_PACKET socket", c->name);
                goto close_all;
        }
        /* by_queue: what a driver has taken may be lost when there is no carrier, so it is asked for first */
        x->link = (struct link_watch){.fd = x->ask_fd, .ifindex = if_nametoindex(c->name), .by_queue = true};
        if (open_queue(x, c, copy, e))
                goto close_all;
        link_took(&x->link);
        *caps = x->spare.caps;
        caps->burst = BURST;
        caps->mtu = MIN(caps->mtu, (uint32_t)XSK_SLOT - HEADERS);
        return 0;
close_all:
        afxdp_close(x);
        return -1;
}

static int afxdp_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        return open_as(st, c, caps, false, e);
}

static int afxdp_open_copy(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        return open_as(st, c, caps, true, e);
}

/* ---- sending ---- */
static unsigned afxdp_tx_reserve(void *st, struct frame *f, unsigned n)
{
        struct afxdp *x = st;
        if (x->left)
                return io_tx_reserve(&x->spare, f, n);
        if (!x->sk.n_lent && x->sk.n_free < n)
                xsk_reap(&x->sk);
        return xsk_reserve(&x->sk, f, n);
}

static void afxdp_tx_commit(void *st, const struct frame *f, unsigned n)
{
        struct afxdp *x = st;
        if (x->left)
                io_tx_commit(&x->spare, f, n);
        else
                xsk_commit(&x->sk, f, n);
}

/* Counts what the driver took since the last look. False: nothing. */
static bool count_taken(struct afxdp *x)
{
        uint64_t bytes;
        unsigned n = xsk_took(&x->sk, &bytes);
        if (!n)
                return false;
        ctr_add(&x->count.tx, n);
        ctr_add(&x->count.tx_bytes, bytes);
        link_took(&x->link);
        return true;
}

static void step_down(struct afxdp *x, int why)
{
        struct wr w = wr_of(x->note, sizeof(x->note) - 1);
        wr_fmt(&w, "%s takes no frames by afxdp (%s): sending by afpacket from here on", x->name,
               why ? strerror(why) : "it has taken none for a second");
        *w.p = 0;
        xsk_shut(&x->sk); /* from here on its driver takes none of those that wait */
        count_taken(x);
        x->left = true;
        atomic_store_explicit(&x->said, x->note, memory_order_release);
}

/* Nothing was taken just now: no room, the link, or no way out at all? */
static void judge_stuck(struct afxdp *x, int why)
{
        ctr_add(&x->count.tx_again, 1);
        if (!link_waits(&x->link, why ? why : EAGAIN))
                atomic_store_explicit(&x->count.last_error, why, memory_order_relaxed);
        if (!x->sk.n_lent && clock_mono_ns() - x->link.stuck_since_ns > PATIENCE_NS)
                step_down(x, why);
}

static void kick_queue(struct afxdp *x)
{
        if (!x->sk.n_lent)
                xsk_reap(&x->sk);
        if (!xsk_waiting(&x->sk))
                return;
        if (!link_lets(&x->link)) {
                count_taken(x);
                x->link.stuck_since_ns = 0; /* it is not the driver that is stuck */
                return;
        }
        xsk_show(&x->sk);
        while (xsk_waiting(&x->sk)) {
                int why = xsk_wants_wakeup(&x->sk) ? wake(x) : 0;
                if (!count_taken(x)) {
                        judge_stuck(x, why);
                        return;
                }
        }
}

/* Gives what waits to the spare, as far as that has room. */
static void hand_over(struct afxdp *x)
{
        struct frame f;
        struct span waiting;
        while (xsk_waiting(&x->sk) && io_tx_reserve(&x->spare, &f, 1)) {
                xsk_pull(&x->sk, &waiting);
                memcpy(f.data, waiting.p, waiting.n);
                f.len = (uint32_t)waiting.n;
                io_tx_commit(&x->spare, &f, 1);
        }
}

static void afxdp_tx_kick(void *st)
{
        struct afxdp *x = st;
        if (!x->left)
                kick_queue(x);
        if (x->left) {
                hand_over(x);
                io_tx_kick(&x->spare);
        }
        atomic_store_explicit(&x->count.tx_waiting, xsk_waiting(&x->sk), memory_order_relaxed);
}

static void afxdp_stats(void *st, struct io_stats *s)
{
        struct afxdp *x = st;
        io_counters_with_spare(&x->count, &x->spare, s);
        s->note = atomic_load_explicit(&x->said, memory_order_acquire);
}

#define AFXDP_ROW(opens)                                                                                 \
        {                                                                                                \
                .name = "afxdp",                                                                         \
                .summary = "AF_XDP sockets, where the driver reads frames from our memory (zero-copy)",  \
                .can_tx = true, .state_size = sizeof(struct afxdp), .open = opens, .close = afxdp_close, \
                .stats = afxdp_stats, .tx_reserve = afxdp_tx_reserve, .tx_commit = afxdp_tx_commit,      \
                .tx_kick = afxdp_tx_kick,                                                                \
        }
const struct io_ops io_afxdp_ops = AFXDP_ROW(afxdp_open), io_afxdp_copy_ops = AFXDP_ROW(afxdp_open_copy);
