// SPDX-License-Identifier: Apache-2.0
/*
 * pcap: sending and receiving through libpcap, the portable way, and reading capture files by the same name.
 * One row of the table; receiving is in pcap_rx.c. Invariant: without libpcap the row stays and says what to
 * install. Reference: pcap_inject(3PCAP).
 */
#include "pcap_rx.h"
#include <errno.h>
#include <net/if.h>
#include <sys/stat.h>

#define PCAP_ROW .name = "pcap", .summary = "libpcap: any interface it knows, and reading capture files"

bool pcap_is_file(const char *name, const char **path)
{
        struct stat s;
        *path = strncmp(name, "file:", 5) == 0 ? name + 5 : name;
        return *path != name || (stat(name, &s) == 0 && !S_ISDIR(s.st_mode));
}

#ifndef HAVE_PCAP
const struct io_ops io_pcap_ops = {PCAP_ROW, .missing = "libpcap-dev", .can_tx = true, .can_rx = true};
#else
#include <pcap/pcap.h>

enum { BURST = 32, SLOT_CAP = 16384, DEFAULT_MTU = 1500 };

struct pcap_io {
        struct io_counters count;
        struct pcap_rx in;
        struct pcap *p; /* sending */
        struct txq q;
        struct link_watch link;
};

static int tx_open(struct pcap_io *s, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct bpf_insn take_nothing = {BPF_RET | BPF_K, 0, 0, 0};
        struct bpf_program none = {1, &take_nothing};
        s->p = pcap_live_new(c->name, e);
        if (!s->p)
                return -1;
        pcap_set_snaplen(s->p, 64);
        if (pcap_live_start(s->p, c->name, e))
                goto close_handle;
        if (!pcap_link_of(pcap_datalink(s->p), &caps->link) || caps->link == LINK_SLL) {
                err_set(e, 0,
                        "libpcap cannot send on \"%s\": its link type is neither Ethernet nor raw IP; use "
                        "--io rawip",
                        c->name);
                goto close_handle;
        }
        pcap_setfilter(s->p, &none); /* only sends: what arrives is not to be queued here */
        caps->burst = BURST;
        caps->mtu = DEFAULT_MTU;
        if (txq_init(&s->q, c->slots, SLOT_CAP, e))
                goto close_handle;
        s->link = (struct link_watch){
                .fd = pcap_fileno(s->p), .ifindex = if_nametoindex(c->name), .by_queue = true};
        return 0;
close_handle:
        pcap_close(s->p);
        s->p = NULL;
        return -1;
}

static int pcap_open_row(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct pcap_io *s = st;
        const char *name = c->name ? c->name : "", *path;
        struct io_conf mine = *c;
        mine.name = name;
        caps->mtu = DEFAULT_MTU;
        bool is_file = pcap_is_file(name, &path);
        if (c->tx && is_file)
                return err_set(e, 0, "\"%s\" is a file: to write probes into a capture file use --io file",
                               name);
        if (c->tx)
                return tx_open(s, &mine, caps, e);
        return is_file ? pcap_rx_open_file(&s->in, &s->count, c, path, caps, e)
                       : pcap_rx_open_live(&s->in, &s->count, &mine, caps, e);
}

static void pcap_close_row(void *st)
{
        struct pcap_io *s = st;
        if (s->p)
                pcap_close(s->p);
        txq_free(&s->q);
        pcap_rx_close(&s->in);
}

static void pcap_row_stats(void *st, struct io_stats *out)
{
        io_counters_read(&((struct pcap_io *)st)->count, out);
}

static unsigned pcap_reserve(void *st, struct frame *f, unsigned n)
{
        return txq_reserve(&((struct pcap_io *)st)->q, f, n);
}

static void pcap_commit(void *st, const struct frame *f, unsigned n)
{
        txq_commit(&((struct pcap_io *)st)->q, f, n);
}

/* False: the first frame has to wait. */
static bool inject(struct pcap_io *s)
{
        uint32_t len = s->q.len[txq_place(&s->q, s->q.sent)];
        errno = 0;
        if (pcap_inject(s->p, txq_data(&s->q, s->q.sent), len) >= 0) {
                ctr_add(&s->count.tx, 1);
                ctr_add(&s->count.tx_bytes, len);
                link_took(&s->link);
        } else if (link_waits(&s->link, errno)) {
                ctr_add(&s->count.tx_again, 1);
                return false;
        } else {
                ctr_add(&s->count.tx_errors, 1);
                atomic_store_explicit(&s->count.last_error, errno, memory_order_relaxed);
        }
        s->q.sent++;
        return true;
}

static void pcap_kick(void *st)
{
        struct pcap_io *s = st;
        bool more = s->q.sent != s->q.committed && link_lets(&s->link);
        while (more)
                more = inject(s) && s->q.sent != s->q.committed;
        atomic_store_explicit(&s->count.tx_waiting, s->q.committed - s->q.sent, memory_order_relaxed);
}

static unsigned pcap_burst(void *st, struct frame *f, unsigned n)
{
        return pcap_rx_burst(&((struct pcap_io *)st)->in, f, n);
}

static void pcap_done(void *st, const struct frame *f, unsigned n)
{
        pcap_rx_done(&((struct pcap_io *)st)->in, f, n);
}

static bool pcap_wait(void *st, uint64_t until_mono_ns)
{
        return pcap_rx_wait(&((struct pcap_io *)st)->in, until_mono_ns);
}

const struct io_ops io_pcap_ops = {
        PCAP_ROW,
        .can_tx = true,
        .can_rx = true,
        .state_size = sizeof(struct pcap_io),
        .open = pcap_open_row,
        .close = pcap_close_row,
        .stats = pcap_row_stats,
        .tx_reserve = pcap_reserve,
        .tx_commit = pcap_commit,
        .tx_kick = pcap_kick,
        .rx_burst = pcap_burst,
        .rx_done = pcap_done,
        .rx_wait = pcap_wait,
};
#endif
