// SPDX-License-Identifier: Apache-2.0
/*
 * pcap_rx: frames in through libpcap. Where AF_PACKET has no say, and for capture files, of every usual link
 * type. Frames are copied out of libpcap's one buffer into lent slots; LINUX_SLL2 is turned into LINUX_SLL on
 * the way. Invariant: waiting never lasts past the deadline. Reference: pcap(3PCAP),
 * https://www.tcpdump.org/linktypes.html
 */
#ifdef HAVE_PCAP
#include "pcap_rx.h"
#include <errno.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>

#ifndef DLT_LINUX_SLL2
#define DLT_LINUX_SLL2 276
#endif
enum {
        SLOTS = 128,
        LIVE_RING = 32 << 20,
        RETIRE_MS = 2,
        SLL_LEN = 16,
        SLL2_LEN = 20,
        RAW_IN_FILES = 101,
        RAW_OPENBSD = 14
};
static const uint64_t ERROR_SLEEP_NS = 10 * NS_PER_MS;

bool pcap_link_of(int dlt, enum wire_link *link)
{
        switch (dlt) {
        case DLT_EN10MB:
                *link = LINK_ETHER;
                return true;
        case DLT_RAW:
        case RAW_IN_FILES:
        case RAW_OPENBSD:
        case DLT_IPV4:
        case DLT_IPV6:
                *link = LINK_RAW;
                return true;
        case DLT_NULL:
        case DLT_LOOP:
                *link = LINK_NULL;
                return true;
        case DLT_LINUX_SLL:
        case DLT_LINUX_SLL2:
                *link = LINK_SLL;
                return true;
        default:
                return false;
        }
}

/* The user's filter was compiled for the link libpcap has; ours for the framing we hand on. They only differ
 * where a frame is converted, and there the filter is left to the decoder. */
static int set_filter(struct pcap_rx *r, const struct io_conf *c, enum wire_link link, const char *name,
                      struct err *e)
{
        struct io_conf mine = *c;
        struct filter f;
        mine.name = r->live ? c->name : NULL;
        if (r->dlt == DLT_LINUX_SLL2 || r->dlt == DLT_LINUX_SLL)
                mine.n_ours = 0;
        if (r->dlt == DLT_LINUX_SLL2 && c->bpf_text && *c->bpf_text)
                return err_set(e, 0,
                               "\"%s\": a filter cannot be used with link type LINUX_SLL2; leave --bpf out",
                               name);
        if (filter_make(&f, &mine, link, e))
                return -1;
        struct bpf_program p = {.bf_len = f.n, .bf_insns = (struct bpf_insn *)(void *)f.ins};
        int bad = pcap_setfilter(r->p, &p);
        filter_free(&f);
        return bad ? err_set(e, 0, "cannot set the receive filter on \"%s\": %s", name, pcap_geterr(r->p))
                   : 0;
}

/* Everything that is the same for interfaces and files, once the handle is open. */
static int finish_open(struct pcap_rx *r, const struct io_conf *c, struct io_caps *caps, const char *name,
                       struct err *e)
{
        const char *type;
        r->dlt = pcap_datalink(r->p);
        r->nano = pcap_get_tstamp_precision(r->p) == PCAP_TSTAMP_PRECISION_NANO;
        type = pcap_datalink_val_to_name(r->dlt);
        if (!pcap_link_of(r->dlt, &caps->link))
                return err_set(e, 0,
                               "\"%s\" has link type %s (%d), which is not supported: Ethernet, raw IP, null "
                               "and Linux cooked are",
                               name, type ? type : "unknown", r->dlt);
        if (set_filter(r, c, caps->link, name, e))
                return -1;
        caps->burst = SLOTS / 2;
        return txq_init(&r->q, SLOTS, WIRE_FRAME_MAX, e);
}

struct pcap *pcap_live_new(const char *name, struct err *e)
{
        char text[PCAP_ERRBUF_SIZE] = "";
        pcap_t *p = pcap_create(name, text);
        if (!p) {
                err_set(e, 0, "libpcap cannot open \"%s\": %s", name, text);
                return NULL;
        }
        /* Not immediate mode: that has slots of the full snapshot length, which leaves room for few frames.
         */
        pcap_set_timeout(p, RETIRE_MS);
        return p;
}

int pcap_live_start(struct pcap *p, const char *name, struct err *e)
{
        char text[PCAP_ERRBUF_SIZE] = "";
        int r = pcap_activate(p);
        if (r == PCAP_ERROR_PERM_DENIED || r == PCAP_ERROR_PROMISC_PERM_DENIED)
                return io_err_open(e, EPERM, "capturing", name);
        if (r == PCAP_ERROR_NO_SUCH_DEVICE)
                return io_err_no_interface(e, name);
        if (r == PCAP_ERROR_IFACE_NOT_UP)
                return io_err_open(e, ENETDOWN, "capturing", name);
        if (r < 0)
                return err_set(e, 0, "libpcap cannot open \"%s\": %s", name, pcap_geterr(p));
        if (pcap_setnonblock(p, 1, text))
                return err_set(e, 0, "libpcap cannot make \"%s\" non-blocking: %s", name, text);
        return 0;
}

int pcap_rx_open_live(struct pcap_rx *r, struct io_counters *count, const struct io_conf *c,
                      struct io_caps *caps, struct err *e)
{
        *r = (struct pcap_rx){.count = count, .live = true, .p = pcap_live_new(c->name, e)};
        if (!r->p)
                return -1;
        pcap_set_snaplen(r->p, WIRE_FRAME_MAX);
        pcap_set_promisc(r->p, c->promisc);
        pcap_set_buffer_size(r->p, c->slots ? (int)MIN(c->slots, 1u << 20) * 192 : LIVE_RING);
        pcap_set_tstamp_precision(r->p, PCAP_TSTAMP_PRECISION_NANO);
        if (pcap_live_start(r->p, c->name, e) || finish_open(r, c, caps, c->name, e)) {
                pcap_rx_close(r);
                return -1;
        }
        caps->own_echo = pcap_setdirection(r->p, PCAP_D_IN) != 0;
        r->fd = pcap_get_selectable_fd(r->p);
        return 0;
}

int pcap_rx_open_file(struct pcap_rx *r, struct io_counters *count, const struct io_conf *c, const char *path,
                      struct io_caps *caps, struct err *e)
{
        char text[PCAP_ERRBUF_SIZE] = "";
        *r = (struct pcap_rx){.count = count, .fd = -1, .base_ns = clock_mono_ns()};
        r->p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, text);
        if (!r->p)
                return err_set(e, 0, "cannot read the capture file \"%s\": %s", path, text);
        caps->mtu = WIRE_FRAME_MAX;
        caps->finite = true;
        if (finish_open(r, c, caps, path, e) == 0)
                return 0;
        pcap_rx_close(r);
        return -1;
}

void pcap_rx_close(struct pcap_rx *r)
{
        if (r->p)
                pcap_close(r->p);
        r->p = NULL;
        txq_free(&r->q);
}

static uint64_t stamp_of(struct pcap_rx *r, const struct timeval *tv)
{
        uint64_t ns = (uint64_t)tv->tv_sec * NS_PER_S + (uint64_t)tv->tv_usec * (r->nano ? 1 : 1000);
        if (r->live)
                return ns + r->mono_minus_wall;
        if (!r->first_ns)
                r->first_ns = ns;
        return r->base_ns + (ns > r->first_ns ? ns - r->first_ns : 0);
}

/* SLL2: protocol(2) 0(2) interface(4) hardware(2) type(1) length(1) address(8)
 * SLL:  type(2) hardware(2) length(2) address(8) protocol(2)
 * Returns what is left of n; 0: too short. */
static size_t sll2_to_sll(uint8_t *data, size_t n)
{
        uint8_t old[SLL2_LEN];
        if (n < SLL2_LEN)
                return 0;
        memcpy(old, data, SLL2_LEN);
        put_be16(data, old[10]);
        memcpy(data + 2, old + 8, 2);
        put_be16(data + 4, old[11]);
        memcpy(data + 6, old + 12, 8);
        memcpy(data + 14, old, 2);
        memmove(data + SLL_LEN, data + SLL2_LEN, n - SLL2_LEN);
        return n - SLL2_LEN + SLL_LEN;
}

static void take(u_char *user, const struct pcap_pkthdr *h, const u_char *bytes)
{
        struct pcap_rx *r = (struct pcap_rx *)(void *)user;
        struct frame *f = &r->frames[r->got];
        if (h->caplen > WIRE_FRAME_MAX)
                return; /* longer than any frame can be: a file that lies. Before a slot is taken */
        bool got = txq_reserve(&r->q, f, 1) == 1;
        assert(got && h->caplen <= f->cap);
        if (!got)
                return;
        memcpy(f->data, bytes, h->caplen);
        f->len = (uint32_t)(r->dlt == DLT_LINUX_SLL2 ? sll2_to_sll(f->data, h->caplen) : h->caplen);
        f->stamp_ns = stamp_of(r, &h->ts);
        /* libpcap does not say whether a checksum was left to the hardware, so on a live link none is
         * trusted. */
        f->sum_unset = r->live;
        bool cooked = r->dlt == DLT_LINUX_SLL || r->dlt == DLT_LINUX_SLL2;
        f->outgoing = cooked && f->len >= SLL_LEN && get_be16(f->data) == PACKET_OUTGOING;
        ctr_add(&r->count->rx, 1);
        ctr_add(&r->count->rx_bytes, f->len);
        r->got++;
}

static void note_drops(struct pcap_rx *r)
{
        struct pcap_stat s;
        if (r->live && pcap_stats(r->p, &s) == 0)
                atomic_store_explicit(&r->count->rx_missed, s.ps_drop, memory_order_relaxed);
}

unsigned pcap_rx_burst(struct pcap_rx *r, struct frame *f, unsigned n)
{
        uint64_t held = r->q.committed + r->q.lent - r->q.sent;
        unsigned want = (unsigned)MIN(n, r->q.n_slots - held);
        if (!want || r->ended)
                return 0;
        r->frames = f;
        r->got = 0;
        r->mono_minus_wall = clock_mono_ns() - clock_wall_ns();
        int took = pcap_dispatch(r->p, (int)want, take, (u_char *)r);
        txq_commit(&r->q, f, r->got);
        r->more = took == (int)want;
        if (took < 0)
                atomic_store_explicit(&r->count->last_error, errno, memory_order_relaxed);
        if (!r->live && took <= 0)
                r->ended = true;
        return r->got;
}

void pcap_rx_done(struct pcap_rx *r, const struct frame *f, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                assert(f[i].token == r->q.sent + i);
        (void)f;
        r->q.sent += n;
}

bool pcap_rx_wait(struct pcap_rx *r, uint64_t until_mono_ns)
{
        if (!r->live)
                return !r->ended;
        if (r->more)
                return true;
        note_drops(r);
        int got = io_poll_until(r->fd, until_mono_ns);
        if (got < 0) /* the interface went away or down: do not spin on it */
                clock_sleep_until(MIN(clock_mono_ns() + ERROR_SLEEP_NS, until_mono_ns));
        return got != 0;
}
#endif
