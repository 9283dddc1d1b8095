// SPDX-License-Identifier: Apache-2.0
/*
 * ladder: --io auto. The back-ends from the fastest to the one that works nearly everywhere, each with the
 * question whether it can serve a link at all, and with the way to prove that its frames leave. The engine
 * walks down: a rung that is not usable, or that does not open, is passed by, and its reason is kept for the
 * one line that tells the choice. Invariant: the walk never goes up, and it ends at an error that every rung
 * would meet.
 */
#include "io_priv.h"
#include <errno.h>
#include <stdio.h>

static bool layer2_is_ours(const struct io_link *l)
{
        return l->link == LINK_ETHER || l->point_to_point || l->no_arp;
}

static int usable_on_link(const struct io_link *l, bool local, const char *no_kernel, struct err *e)
{
        (void)no_kernel;
        if (local || l->loopback)
                return err_set(e, 0, "the host's own addresses are not reached through a link");
        if (!layer2_is_ours(l))
                return err_set(e, 0, "this kind of layer 2 cannot be written");
        return 0;
}

/* Where the link can be written, raw IP would take VLAN tags and MAC addresses out of our hands. */
static int usable_above_link(const struct io_link *l, bool local, const char *no_kernel, struct err *e)
{
        struct err none;
        if (usable_on_link(l, local, no_kernel, &none))
                return 0;
        return err_set(e, 0, "it leaves VLAN tags and MAC addresses to the kernel");
}

static int usable_in_kernel(const struct io_link *l, bool local, const char *no_kernel, struct err *e)
{
        struct err same;
        if (usable_on_link(l, local, no_kernel, &same))
                return err_set(e, 0, "%s", ""); /* the next rung says it */
        if (no_kernel)
                return err_set(e, 0, "%s", no_kernel);
        return l->link == LINK_ETHER ? 0 : err_set(e, 0, "it takes Ethernet");
}

static int usable_anywhere(const struct io_link *l, bool local, const char *no_kernel, struct err *e)
{
        (void)l, (void)local, (void)no_kernel, (void)e;
        return 0;
}

/* afxdp works outside the kernel, but it attaches a program too, and the driver sets its queues up anew for
 * it: it is not for a scan that gains nothing. Whether the driver has zero-copy shows when it is opened. */
const struct io_rung io_tx_ladder[] = {
        {&io_xdp_ops, usable_in_kernel, io_link_sent},    {&io_afxdp_ops, usable_in_kernel, io_link_sent},
        {&io_afpacket_ops, usable_on_link, io_link_sent}, {&io_rawip_ops, usable_above_link, io_link_sent},
        {&io_pcap_ops, usable_on_link, io_link_sent},     {NULL, NULL, NULL},
};
const struct io_rung io_rx_ladder[] = {
        {&io_xdp_ops, usable_in_kernel, NULL},
        {&io_afpacket_ops, usable_anywhere, NULL},
        {&io_pcap_ops, usable_anywhere, NULL},
        {NULL, NULL, NULL},
};

const struct io_rung *io_rung_of(const struct io_rung *ladder, const struct io_ops *ops)
{
        for (; ladder->ops; ladder++)
                if (ladder->ops == ops)
                        return ladder;
        return NULL;
}

/* Names with the same reason stand together: "xdp, afxdp: why not". */
static void pass_by(struct io_choice *c, const char *name, const char *why)
{
        char reason[sizeof(c->passed)];
        size_t n = strlen(c->passed);
        size_t tail = (size_t)snprintf(reason, sizeof(reason), "%s%s", *name ? ": " : "", why);
        bool same = *name && n > tail && strcmp(c->passed + n - tail, reason) == 0;
        if (same)
                n -= tail;
        snprintf(c->passed + n, sizeof(c->passed) - n, "%s%s%s", !n ? "" : same ? ", " : "; ", name, reason);
}

/* The first rung from `at` on that is built in and usable. */
static const struct io_ops *settle(struct io_choice *c, const struct io_link *l, bool local)
{
        for (; c->at->ops; c->at++) {
                struct err why = {0};
                if (c->at->ops->missing)
                        err_set(&why, 0, "not built in, needs %s", c->at->ops->missing);
                else if (!c->at->usable(l, local, c->no_kernel, &why))
                        return c->at->ops;
                if (why.text[0])
                        pass_by(c, c->at->ops->name, why.text);
        }
        return NULL;
}

const struct io_ops *io_choose(struct io_choice *c, const struct io_rung *ladder, const struct io_link *l,
                               bool local, const char *no_kernel)
{
        *c = (struct io_choice){.at = ladder, .no_kernel = no_kernel};
        return settle(c, l, local);
}

/* No right, no such interface, interface down: the next rung would only say it less clearly. */
static bool meets_all(int code)
{
        return code == EPERM || code == EACCES || code == ENODEV || code == ENETDOWN;
}

const struct io_ops *io_choose_next(struct io_choice *c, const struct io_link *l, bool local,
                                    const struct err *failed)
{
        if (!c->at || !c->at->ops || meets_all(failed->code))
                return NULL;
        pass_by(c, "", failed->text); /* which begins with the back-end's name */
        c->at++;
        return settle(c, l, local);
}
