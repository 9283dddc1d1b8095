// SPDX-License-Identifier: Apache-2.0
/*
 * devs: the interfaces (or files) of a scan. Each has one transmit handle per transmit thread, and per
 * receive thread one receive handle and one small transmit handle of its own for RST and ARP, so that no
 * thread ever waits for another to send.
 */
#include "eng.h"
#include <errno.h>
#include <stdlib.h>

static const double XDP_WORTH_PPS = 250000;

static bool io_is(const char *name, const char *want)
{
        return name && strcmp(name, want) == 0;
}

bool eng_io_is_virtual(const struct eng *g)
{
        const struct conf *c = g->conf;
        return c->offline || io_is(c->io_tx, "null") || io_is(c->io_tx, "file") || io_is(c->io_tx, "loop");
}

static bool any_fault(const struct io_fault *f)
{
        return f->drop || f->duplicate || f->corrupt || f->truncate || f->reorder;
}

/* Attaching programs to an interface is not for a scan that gains nothing by it: at this rate plain sockets
 * still keep up with little of a core. No reason that is worth a word. */
static const char *too_slow(const struct eng *g)
{
        return eng_polite_pps(g, rate_pps(&g->rate)) < XDP_WORTH_PPS ? "" : NULL;
}

/* Why frames must pass through our own hands on their way out; NULL: they need not. */
static const char *frames_wanted_tx(const struct eng *g)
{
        return g->conf->packet_trace           ? "--packet-trace wants to see frames"
               : any_fault(&g->conf->fault_tx) ? "faults are injected into frames"
                                               : NULL;
}

static const char *no_kernel_tx(const struct eng *g)
{
        const char *why = frames_wanted_tx(g);
        return why ? why : too_slow(g);
}

static const char *frames_wanted_rx(const struct eng *g, const struct dev *d)
{
        const struct conf *c = g->conf;
        return c->packet_trace           ? "--packet-trace wants to see frames"
               : c->pcap_file            ? "--pcap wants frames"
               : c->bpf_text             ? "--bpf looks at frames"
               : c->banners              ? "--banners wants frames"
               : any_fault(&c->fault_rx) ? "faults are injected into frames"
               : d->vlan                 ? "tagged frames are beyond it"
                                         : NULL;
}

static const char *no_kernel_rx(const struct eng *g, const struct dev *d)
{
        const char *why = frames_wanted_rx(g, d);
        return why ? why : too_slow(g);
}

static int choose_tx(struct eng *g, struct dev *d, struct err *e)
{
        const struct conf *c = g->conf;
        const char *name = c->offline ? "null" : c->io_tx;
        /* Our own addresses are on no link: one that was named cannot reach them, whatever it is. */
        if (!name || io_is(name, "auto") ||
            (d->local && (io_is(name, "pfring") || io_rung_of(io_tx_ladder, io_by_name(name)))))
                d->tx_ops = io_choose(&d->tx_choice, io_tx_ladder, d->link, d->local, no_kernel_tx(g));
        else
                d->tx_ops = io_by_name(name);
        bool by_name = !d->tx_choice.at;
        const char *why = d->tx_ops && d->tx_ops->tx_template ? frames_wanted_tx(g) : NULL;
        if (by_name && why)
                return err_set(e, 0, "--io-tx %s cannot be had: %s; --io-tx afpacket makes those",
                               d->tx_ops->name, why);
        if (!d->tx_ops || !d->tx_ops->can_tx)
                return err_set(e, 0, "--io-tx \"%s\": no such transmit back-end; see --help for the list",
                               name);
        return 0;
}

static int choose_rx(struct eng *g, struct dev *d, struct err *e)
{
        const struct conf *c = g->conf;
        const char *name = c->io_rx;
        bool by_name = name && !io_is(name, "auto");
        if (!by_name && (c->offline || io_is(c->io_tx, "null") || io_is(c->io_tx, "file")))
                return 0; /* nothing is sent, nothing comes back */
        if (!by_name && !io_is(c->io_tx, "loop"))
                d->rx_ops = io_choose(&d->rx_choice, io_rx_ladder, d->link, d->local, no_kernel_rx(g, d));
        else
                d->rx_ops = io_by_name(by_name ? name : "loop");
        const char *why = d->rx_ops && d->rx_ops->rx_answers ? frames_wanted_rx(g, d) : NULL;
        if (why)
                return err_set(e, 0, "--io-rx %s cannot be had: %s; --io-rx afpacket receives those",
                               d->rx_ops->name, why);
        if (!d->rx_ops || !d->rx_ops->can_rx)
                return err_set(e, 0, "--io-rx \"%s\": no such receive back-end; see --help for the list",
                               name);
        return 0;
}

int eng_add_dev(struct eng *g, int ifindex, const char *name, unsigned slot, bool local, unsigned *index,
                struct err *e)
{
        for (unsigned i = 0; i < g->n_devs; i++) {
                struct dev *d = &g->devs[i];
                if (d->ifindex == ifindex && d->slot == slot && d->local == local && !strcmp(d->name, name)) {
                        *index = i;
                        return 0;
                }
        }
        if (g->n_devs == ENG_DEVS_MAX)
                return err_set(e, 0, "the targets need more than %d interfaces: give --adapter",
                               ENG_DEVS_MAX);
        struct dev *d = &g->devs[g->n_devs];
        memset(d, 0, sizeof(*d));
        d->ifindex = ifindex;
        for (unsigned i = 0; i < g->n_devs && ifindex; i++)
                d->rx_shared |= g->devs[i].ifindex == ifindex; /* frames must not be taken twice */
        d->slot = slot;
        d->local = local;
        d->vlan = (uint16_t)g->conf->adapters[slot].vlan;
        d->link = g->kernel && ifindex ? io_facts_by_index(g->kernel, ifindex) : NULL;
        size_t n = MIN(strlen(name), sizeof(d->name) - 1);
        memcpy(d->name, name, n);
        if (g->conf->adapters[slot].has_mac)
                memcpy(d->mac, g->conf->adapters[slot].mac, 6);
        else if (d->link)
                memcpy(d->mac, d->link->mac, 6);
        if (choose_tx(g, d, e) || choose_rx(g, d, e))
                return -1;
        d->tx_link = d->tx_ops == io_by_name("rawip") ? LINK_RAW : d->link ? d->link->link : LINK_ETHER;
        *index = g->n_devs++;
        return 0;
}

static bool owns(const struct dev *d, const struct ip_addr *ip)
{
        for (size_t i = 0; d->link && i < d->link->n_addrs; i++)
                if (d->link->addrs[i].ip.family == ip->family && d->link->addrs[i].ip.lo == ip->lo &&
                    d->link->addrs[i].ip.hi == ip->hi)
                        return true;
        return false;
}

/* Replies and requests are frames: where probes leave by xdp replies do likewise, if they come in numbers
 * (its programs cost each probe a little, too); beside afxdp, whose queues are for probes, and for few frames
 * there are plain sockets. */
static const struct io_ops *ops_for(const struct eng *g, const struct dev *d, const struct io *io)
{
        const struct io_ops *xdp = io_by_name("xdp");
        bool probes = io >= d->tx && io < d->tx + ENG_TX_MAX;
        bool replies = io >= d->reply && io < d->reply + ENG_RX_MAX;
        bool many = g->conf->banners || d->rx_ops != xdp; /* else RSTs leave from below, as a rule */
        if (probes || (d->tx_ops != xdp && d->tx_ops != io_by_name("afxdp")))
                return d->tx_ops;
        return replies && many && d->tx_ops == xdp ? &io_xdp_frames_ops : io_by_name("afpacket");
}

/* PF_RING has a name of its own for the interface ("zc:eth0@2"). */
static const char *name_for(const struct eng *g, const struct dev *d, const struct io_ops *ops)
{
        const char *own = g->conf->adapters[d->slot].device;
        return *own && !d->local && ops == io_by_name("pfring") ? own : d->name;
}

/* Threads that are more than the queues share them by turns. Which queue a frame leaves by is the driver's to
 * say: the CPU's, mostly, and several threads are placed in order (cpus.c). */
static struct io_turn *turn_of(struct dev *d, unsigned thread, unsigned n)
{
        unsigned queues = d->link ? io_link_queues(d->name) : 0;
        return queues && queues < n ? &d->turns[thread % queues] : NULL;
}

static int open_tx(struct eng *g, struct dev *d, struct io *io, unsigned queue, unsigned n, struct err *e)
{
        const struct io_ops *ops = ops_for(g, d, io);
        struct io_conf c = {.name = name_for(g, d, ops),
                            .tx = true,
                            .queue = queue,
                            .n_queues = n,
                            .link = d->tx_link,
                            .turn = turn_of(d, queue, n)};
        if (d->tx_ops == io_by_name("file"))
                c.name = g->conf->tx_file;
        if (d->local)
                c.name = NULL; /* raw IP to our own addresses: the kernel picks the device */
        if (io_open(io, ops, &c, e))
                return -1;
        d->tx_link = io->caps.link;
        if (g->conf->packet_trace && io_wrap_trace(io, g->start_ns, e))
                return -1;
        if (any_fault(&g->conf->fault_tx) && io_wrap_fault(io, &g->conf->fault_tx, e))
                return -1;
        return 0;
}

static int open_rx(struct eng *g, struct dev *d, unsigned queue, struct err *e)
{
        static struct io_span spans[ARRAY_LEN(((struct eng *)0)->sources)];
        struct io_conf c = {.name = name_for(g, d, d->rx_ops),
                            .rx = true,
                            .queue = queue,
                            .n_queues = g->n_rx,
                            .ours = spans,
                            .n_ours = g->n_sources,
                            .all_protocols = g->conf->pcap_file != NULL,
                            .bpf_text = g->conf->bpf_text,
                            .cookie = &g->key.cookie,
                            .close_open = !g->conf->no_reset,
                            .by_host = g->conf->banners,
                            .link = d->tx_link,
                            .fanout_id = queue ? d->rx[0].caps.fanout_id : 0};
        for (unsigned i = 0; i < g->n_sources; i++) {
                const struct scan_source *s = &g->sources[i];
                spans[i] = (struct io_span){.first = s->first,
                                            .last = ip_add(s->first, s->count - 1),
                                            .port_first = s->port_first,
                                            .port_last = (uint16_t)(s->port_first + s->port_count - 1)};
                c.promisc |= d->link && !d->local && s->first.family &&
                             (s->count > 1 || !owns(d, &s->first)) && g->n_slots == 1;
        }
        c.promisc |= d->link && memcmp(d->mac, d->link->mac, 6) != 0;
        if (g->conf->rx_file && (d->rx_ops == io_by_name("pcap")))
                c.name = g->conf->rx_file;
        if (io_open(&d->rx[queue], d->rx_ops, &c, e))
                return -1;
        if (g->capture && io_wrap_capture(&d->rx[queue], g->capture, e))
                return -1;
        if (any_fault(&g->conf->fault_rx) && io_wrap_fault(&d->rx[queue], &g->conf->fault_rx, e))
                return -1;
        if (g->conf->packet_trace && io_wrap_trace(&d->rx[queue], g->start_ns, e))
                return -1;
        return 0;
}

static int open_sends(struct eng *g, struct dev *d, struct err *e)
{
        for (unsigned q = 0; q < g->n_tx; q++)
                if (open_tx(g, d, &d->tx[q], q, g->n_tx, e))
                        return -1;
        for (unsigned q = 0; d->rx_ops && q < g->n_rx; q++)
                if (open_tx(g, d, &d->reply[q], q, g->n_rx, e))
                        return -1;
        return d->rx_ops && d->tx_link == LINK_ETHER ? open_tx(g, d, &d->ask, 0, 1, e) : 0;
}

static void close_sends(struct dev *d)
{
        io_close(&d->ask);
        for (unsigned q = 0; q < ENG_TX_MAX; q++)
                io_close(&d->tx[q]);
        for (unsigned q = 0; q < ENG_RX_MAX; q++)
                io_close(&d->reply[q]);
}

static int open_receives(struct eng *g, struct dev *d, struct err *e)
{
        for (unsigned q = 0; q < g->n_rx; q++)
                if (open_rx(g, d, q, e))
                        return -1;
        return 0;
}

static void close_receives(struct dev *d)
{
        for (unsigned q = 0; q < ENG_RX_MAX; q++)
                io_close(&d->rx[q]);
}

/* All handles of one direction, or a rung further down. When none opens, the best one's error is told: that
 * is the one to mend. */
static int open_by_choice(struct eng *g, struct dev *d, bool tx, struct err *e)
{
        struct err other, *why = e;
        for (;;) {
                if (!(tx ? open_sends : open_receives)(g, d, why))
                        return 0;
                (tx ? close_sends : close_receives)(d);
                const struct io_ops *next =
                        io_choose_next(tx ? &d->tx_choice : &d->rx_choice, d->link, d->local, why);
                if (!next) {
                        if (why != e && (why->code == EPERM || why->code == EACCES))
                                *e = *why; /* not even plain sockets may be opened: that is what to mend */
                        return -1;
                }
                *(tx ? &d->tx_ops : &d->rx_ops) = next;
                why = &other;
        }
}

int eng_open_devs(struct eng *g, struct err *e)
{
        if (g->conf->pcap_file &&
            io_capture_open(&g->capture, g->conf->pcap_file, g->conf->resume_file != NULL,
                            g->n_devs ? g->devs[0].tx_link : LINK_ETHER, e))
                return -1;
        for (unsigned i = 0; i < g->n_devs; i++) {
                struct dev *d = &g->devs[i];
                if ((d->rx_ops && !d->rx_shared && open_by_choice(g, d, false, e)) ||
                    open_by_choice(g, d, true, e))
                        return -1;
        }
        return 0;
}

void eng_say_devs(const struct eng *g)
{
        for (unsigned i = 0; i < g->n_devs && !eng_io_is_virtual(g); i++) {
                const struct dev *d = &g->devs[i];
                char text[900];
                struct wr w = wr_of(text, sizeof(text) - 1);
                wr_fmt(&w, "sending on %s by %s", d->name, d->tx_ops->name);
                if (d->tx_choice.passed[0])
                        wr_fmt(&w, " (%s)", d->tx_choice.passed);
                if (d->rx_ops && !d->rx_shared)
                        wr_fmt(&w, "; receiving by %s", d->rx_ops->name);
                if (d->rx_ops && !d->rx_shared && d->rx_choice.passed[0])
                        wr_fmt(&w, " (%s)", d->rx_choice.passed);
                *w.p = 0;
                log_say(LOG_INFO, "%s", text);
        }
}

void eng_close_devs(struct eng *g)
{
        for (unsigned i = 0; i < g->n_devs; i++) {
                struct dev *d = &g->devs[i];
                close_sends(d);
                close_receives(d);
        }
        if (g->capture)
                io_capture_close(g->capture);
        g->capture = NULL;
        g->n_devs = 0;
}
