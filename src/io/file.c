// SPDX-License-Identifier: Apache-2.0
/*
 * file: sends into a capture file instead of onto a wire, stamped to the nanosecond, so that order and pace
 * can be looked at afterwards; receives by reading one. Invariant: every frame handed in is in the file when
 * kick returns, or counted as an error.
 */
#include "pcap_rx.h"
#include <errno.h>

enum { BURST = 256, SLOT_CAP = 16384, MTU = 1500 };

struct file_io {
        struct io_counters count;
        struct pcap_writer w;
        struct txq q;
        struct pcap_rx in;
};

static int file_open_tx(struct file_io *s, const struct io_conf *c, const char *path, struct io_caps *caps,
                        struct err *e)
{
        *caps = (struct io_caps){.link = c->link, .burst = BURST, .mtu = MTU};
        if (txq_init(&s->q, c->slots, SLOT_CAP, e))
                return -1;
        if (pcapw_open(&s->w, path, false, true, c->link, e) == 0)
                return 0;
        txq_free(&s->q);
        return -1;
}

static int file_open(void *st, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        struct file_io *s = st;
        const char *name = c->name ? c->name : "", *path;
        s->w.fd = -1;
        (void)pcap_is_file(name, &path);
        if (!*path)
                return err_set(e, 0,
                               "no file name given: say which capture file, for instance --adapter "
                               "file:probes.pcap");
        if (c->tx)
                return file_open_tx(s, c, path, caps, e);
#ifndef HAVE_PCAP
        return err_set(e, 0, "reading \"%s\" needs libpcap: install libpcap-dev and build again", path);
#else
        return pcap_rx_open_file(&s->in, &s->count, c, path, caps, e);
#endif
}

static void file_close(void *st)
{
        struct file_io *s = st;
        pcapw_close(&s->w);
        txq_free(&s->q);
#ifdef HAVE_PCAP
        pcap_rx_close(&s->in);
#endif
}

static void file_stats(void *st, struct io_stats *out)
{
        io_counters_read(&((struct file_io *)st)->count, out);
}

static unsigned file_reserve(void *st, struct frame *f, unsigned n)
{
        return txq_reserve(&((struct file_io *)st)->q, f, n);
}

static void file_commit(void *st, const struct frame *f, unsigned n)
{
        txq_commit(&((struct file_io *)st)->q, f, n);
}

static void file_kick(void *st)
{
        struct file_io *s = st;
        uint64_t before = s->w.lost, frames = s->q.committed - s->q.sent, bytes = 0, now = clock_mono_ns();
        for (; s->q.sent != s->q.committed; s->q.sent++) {
                struct span bytes_of =
                        span_of(txq_data(&s->q, s->q.sent), s->q.len[txq_place(&s->q, s->q.sent)]);
                pcapw_frame(&s->w, now, &bytes_of, 1);
                bytes += bytes_of.n;
        }
        pcapw_flush(&s->w);
        uint64_t lost = s->w.lost - before;
        ctr_add(&s->count.tx_errors, lost);
        ctr_add(&s->count.tx, frames - MIN(lost, frames));
        ctr_add(&s->count.tx_bytes, lost ? 0 : bytes);
        if (lost)
                atomic_store_explicit(&s->count.last_error, s->w.last_error, memory_order_relaxed);
}

#ifndef HAVE_PCAP
#define file_burst NULL
#define file_done  NULL
#define file_wait  NULL
#else
static unsigned file_burst(void *st, struct frame *f, unsigned n)
{
        return pcap_rx_burst(&((struct file_io *)st)->in, f, n);
}

static void file_done(void *st, const struct frame *f, unsigned n)
{
        pcap_rx_done(&((struct file_io *)st)->in, f, n);
}

static bool file_wait(void *st, uint64_t until_mono_ns)
{
        return pcap_rx_wait(&((struct file_io *)st)->in, until_mono_ns);
}
#endif

const struct io_ops io_file_ops = {
        .name = "file",
        .summary = "a capture file: written instead of sending, or read instead of receiving",
        .can_tx = true,
        .can_rx = true,
        .state_size = sizeof(struct file_io),
        .open = file_open,
        .close = file_close,
        .stats = file_stats,
        .tx_reserve = file_reserve,
        .tx_commit = file_commit,
        .tx_kick = file_kick,
        .rx_burst = file_burst,
        .rx_done = file_done,
        .rx_wait = file_wait,
};
