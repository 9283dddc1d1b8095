// SPDX-License-Identifier: Apache-2.0
/*
 * capture: --pcap, every received frame that the filter let through, into one capture file that all receive
 * threads share. Invariant: a frame is written whole and in the file's own framing; a VLAN tag the kernel
 * took out is put back. A full disk costs frames, never the scan.
 */
#include "io_priv.h"
#include <errno.h>
#include <net/ethernet.h>
#include <pthread.h>
#include <stdlib.h>

enum { MACS = 12 };

struct io_capture {
        pthread_mutex_t lock;
        struct pcap_writer w;
        enum wire_link link;
        uint64_t flushed_ns;
        bool warned;
};
struct capture {
        struct tap tap;
        struct io_capture *file;
};

int io_capture_open(struct io_capture **out, const char *path, bool append, enum wire_link link,
                    struct err *e)
{
        struct io_capture *c = calloc(1, sizeof(*c));
        if (!c)
                return err_set(e, ENOMEM, "out of memory for the capture file \"%s\"", path);
        if (pcapw_open(&c->w, path, append, false, link, e)) {
                free(c);
                return -1;
        }
        pthread_mutex_init(&c->lock, NULL);
        c->link = link;
        *out = c;
        return 0;
}

void io_capture_close(struct io_capture *c)
{
        if (!c)
                return;
        pcapw_flush(&c->w);
        if (c->w.lost) /* closing forgets it */
                log_say(LOG_WARN, "the capture file lacks %llu frames that could not be written: %s",
                        (unsigned long long)c->w.lost, strerror(c->w.last_error));
        pcapw_close(&c->w);
        pthread_mutex_destroy(&c->lock);
        free(c);
}

/* Several links may feed one file, which knows only one framing. Parts of what is to be written; 0: not
 * possible (ARP in a file of bare IP packets). */
static unsigned reframe(struct span parts[3], const struct frame *f, enum wire_link from, enum wire_link to,
                        uint8_t made[MACS + 2])
{
        if (from == to) {
                parts[0] = span_of(f->data, f->len);
                return 1;
        }
        size_t skip = from == LINK_ETHER ? ETH_HLEN : from == LINK_NULL ? 4 : from == LINK_SLL ? 16 : 0;
        if (f->len <= skip)
                return 0;
        uint8_t version = f->data[skip] >> 4;
        if ((version != 4 && version != 6) || (to != LINK_RAW && to != LINK_ETHER))
                return 0;
        memset(made, 0, MACS);
        put_be16(made + MACS, version == 4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
        parts[0] = span_of(made, to == LINK_ETHER ? MACS + 2 : 0);
        parts[1] = span_of(f->data + skip, f->len - skip);
        return 2;
}

static void write_frame(struct io_capture *c, const struct frame *f, enum wire_link from)
{
        uint8_t tag[4], made[MACS + 2];
        struct span parts[3];
        unsigned n;
        if (f->vlan && from == LINK_ETHER && c->link == LINK_ETHER && f->len >= MACS) {
                put_be16(tag, ETHERTYPE_VLAN);
                put_be16(tag + 2, f->vlan);
                parts[0] = span_of(f->data, MACS);
                parts[1] = span_of(tag, sizeof(tag));
                parts[2] = span_of(f->data + MACS, f->len - MACS);
                n = 3;
        } else {
                n = reframe(parts, f, from, c->link, made);
        }
        if (n)
                pcapw_frame(&c->w, f->stamp_ns, parts, n);
}

static unsigned capture_burst(void *st, struct frame *f, unsigned n)
{
        struct capture *t = st;
        unsigned got = io_rx_burst(&t->tap.inner, f, n);
        if (!got)
                return 0;
        pthread_mutex_lock(&t->file->lock);
        for (unsigned i = 0; i < got; i++)
                if (!f[i].outgoing)
                        write_frame(t->file, &f[i], t->tap.inner.caps.link);
        pthread_mutex_unlock(&t->file->lock);
        return got;
}

/* Idle: a good moment to let others see what has come, once a second. */
static bool capture_wait(void *st, uint64_t until_mono_ns)
{
        struct capture *t = st;
        struct io_capture *c = t->file;
        uint64_t now = clock_mono_ns();
        pthread_mutex_lock(&c->lock);
        if (now - c->flushed_ns >= NS_PER_S) {
                c->flushed_ns = now;
                pcapw_flush(&c->w);
        }
        bool tell = c->w.lost && !c->warned;
        int why = c->w.last_error; /* another thread may be writing again once the lock is gone */
        c->warned |= tell;
        pthread_mutex_unlock(&c->lock);
        if (tell)
                log_say(LOG_WARN, "the capture file cannot be written (%s): frames are missing in it",
                        strerror(why));
        return io_rx_wait(&t->tap.inner, until_mono_ns);
}

int io_wrap_capture(struct io *io, struct io_capture *file, struct err *e)
{
        static const struct io_ops functions = {
                .name = "capture",
                .state_size = sizeof(struct capture),
                .close = tap_close,
                .stats = tap_stats,
                .tx_reserve = tap_tx_reserve,
                .tx_commit = tap_tx_commit,
                .tx_kick = tap_tx_kick,
                .rx_burst = capture_burst,
                .rx_done = tap_rx_done,
                .rx_wait = capture_wait,
        };
        struct capture *t = tap_wrap(io, &functions, e);
        if (!t)
                return -1;
        t->file = file;
        return 0;
}
