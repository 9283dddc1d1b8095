// SPDX-License-Identifier: Apache-2.0
/*
 * io: the table of back-ends and the way in. Opens one by its row and explains what failed. Stands between
 * the engine and every back-end. Invariant: a handle that is zeroed is closed; one that io_open filled is
 * closed by io_close alone, whatever was wrapped round it.
 */
#include "io_priv.h"
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

const struct io_ops *const io_table[] = {
        &io_xdp_ops,    &io_afxdp_ops, &io_afpacket_ops, &io_rawip_ops, &io_pcap_ops,
        &io_pfring_ops, &io_file_ops,  &io_null_ops,     &io_loop_ops,  NULL};

const struct io_ops *io_by_name(const char *name)
{
        for (unsigned i = 0; io_table[i]; i++)
                if (strcmp(io_table[i]->name, name) == 0)
                        return io_table[i];
        return NULL;
}

static int check_asked(const struct io_ops *ops, const struct io_conf *c, struct err *e)
{
        if (ops->missing)
                return err_set(e, ENOSYS,
                               "packet back-end \"%s\" was not built in: install %s and build again",
                               ops->name, ops->missing);
        if (c->tx == c->rx)
                return err_set(e, EINVAL, "packet back-end \"%s\": open it either to send or to receive",
                               ops->name);
        if (c->tx && !ops->can_tx)
                return err_set(e, EINVAL, "packet back-end \"%s\" cannot send; see --io for those that can",
                               ops->name);
        if (c->rx && !ops->can_rx)
                return err_set(e, EINVAL,
                               "packet back-end \"%s\" cannot receive; see --io for those that can",
                               ops->name);
        return 0;
}

int io_open(struct io *io, const struct io_ops *ops, const struct io_conf *c, struct err *e)
{
        *io = (struct io){0};
        if (check_asked(ops, c, e))
                return -1;
        size_t size = (ops->state_size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
        void *st = aligned_alloc(CACHE_LINE, size);
        if (!st)
                return err_set(e, ENOMEM, "out of memory for packet back-end \"%s\"", ops->name);
        memset(st, 0, size);
        if (ops->open(st, c, &io->caps, e)) {
                free(st);
                io->caps = (struct io_caps){0};
                return err_wrap(e, "packet back-end %s", ops->name);
        }
        io->ops = ops;
        io->st = st;
        io->rx = c->rx;
        return 0;
}

void io_close(struct io *io)
{
        if (!io->ops)
                return;
        io->ops->close(io->st);
        free(io->st);
        *io = (struct io){0};
}

void io_counters_read(const struct io_counters *c, struct io_stats *s)
{
        *s = (struct io_stats){
                .tx = atomic_load_explicit(&c->tx, memory_order_relaxed),
                .tx_bytes = atomic_load_explicit(&c->tx_bytes, memory_order_relaxed),
                .tx_again = atomic_load_explicit(&c->tx_again, memory_order_relaxed),
                .tx_errors = atomic_load_explicit(&c->tx_errors, memory_order_relaxed),
                .tx_waiting = atomic_load_explicit(&c->tx_waiting, memory_order_relaxed),
                .rx = atomic_load_explicit(&c->rx, memory_order_relaxed),
                .rx_bytes = atomic_load_explicit(&c->rx_bytes, memory_order_relaxed),
                .rx_missed = atomic_load_explicit(&c->rx_missed, memory_order_relaxed),
                .last_error = atomic_load_explicit(&c->last_error, memory_order_relaxed),
        };
}

void io_counters_with_spare(const struct io_counters *c, const struct io *spare, struct io_stats *s)
{
        struct io_stats more = {0};
        io_counters_read(c, s);
        spare->ops->stats(spare->st, &more);
        s->tx += more.tx;
        s->tx_bytes += more.tx_bytes;
        s->tx_again += more.tx_again;
        s->tx_errors += more.tx_errors;
        s->tx_waiting += more.tx_waiting;
        if (more.last_error)
                s->last_error = more.last_error;
}

int io_err_no_interface(struct err *e, const char *name)
{
        char list[256] = "";
        struct wr w = wr_of(list, sizeof(list) - 1);
        struct if_nameindex *all = if_nameindex();
        for (struct if_nameindex *i = all; i && i->if_index; i++)
                wr_fmt(&w, "%s%s", i == all ? "" : ", ", i->if_name);
        if_freenameindex(all);
        list[wr_len(&w)] = 0;
        return err_set(e, ENODEV, "there is no interface \"%s\"; there are: %s", name, *list ? list : "none");
}

int io_err_open(struct err *e, int code, const char *what, const char *name)
{
        if (code == EPERM || code == EACCES)
                return err_set(
                        e, code,
                        "%s on \"%s\" is not permitted: run as root, or give the program the right once with "
                        "\"setcap cap_net_raw,cap_net_admin+ep\"",
                        what, name);
        if (code == ENETDOWN)
                return err_set(e, code,
                               "%s on \"%s\" failed: the interface is down; \"ip link set %s up\" starts it",
                               what, name, name);
        return err_set(e, code, "%s on \"%s\" failed: %s", what, name, strerror(code));
}

int io_poll_until(int fd, uint64_t until_mono_ns)
{
        for (;;) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                uint64_t now = clock_mono_ns(), left = until_mono_ns > now ? until_mono_ns - now : 0;
                struct timespec ts = {.tv_sec = (time_t)MIN(left / NS_PER_S, 1000000000),
                                      .tv_nsec = (long)(left % NS_PER_S)};
                int n = ppoll(&p, 1, &ts, NULL);
                if (n > 0)
                        return p.revents & POLLIN ? 1 : -1;
                if (left == 0 || (n < 0 && errno != EINTR))
                        return 0;
        }
}
