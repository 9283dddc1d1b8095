// SPDX-License-Identifier: Apache-2.0
/*
 * xdp: the row of the back-end that works inside the kernel. Its two halves are opened apart and share only
 * the way their programs are loaded; this file tells them apart. Invariant: a handle is one half for life.
 */
#include "xdp.h"

#define NAME    "xdp"
#define SUMMARY "programs in the kernel make the probes and check the answers (Linux 5.18 or newer)"
#ifdef HAVE_XDP
static int xdp_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        ((struct xdp_state *)st)->rx = c->rx;
        return c->rx ? xdp_rx_open(st, c, caps, e) : xdp_tx_open(st, c, caps, e);
}

static void xdp_close(void *st)
{
        if (((struct xdp_state *)st)->rx)
                xdp_rx_close(st);
        else
                xdp_tx_close(st);
}

static void xdp_stats(void *st, struct io_stats *s)
{
        if (((struct xdp_state *)st)->rx)
                xdp_rx_stats(st, s);
        else
                xdp_tx_stats(st, s);
}

const struct io_ops io_xdp_ops = {
        .name = NAME,
        .summary = SUMMARY,
        .can_tx = true,
        .can_rx = true,
        .state_size = XDP_STATE_SIZE,
        .open = xdp_open,
        .close = xdp_close,
        .stats = xdp_stats,
        .tx_reserve = xdp_tx_reserve,
        .tx_commit = xdp_tx_commit,
        .tx_kick = xdp_tx_kick,
        .tx_template = xdp_tx_template,
        .tx_patch = xdp_tx_patch,
        .rx_answers = xdp_rx_answers,
        .rx_closed = xdp_rx_closed,
        .rx_allow = xdp_rx_allow,
        .rx_burst = xdp_rx_burst,
        .rx_done = xdp_rx_done,
        .rx_wait = xdp_rx_wait,
};
#else
const struct io_ops io_xdp_ops = {
        .name = NAME, .summary = SUMMARY, .can_tx = true, .can_rx = true, .missing = "clang and libbpf-dev"};
#endif
