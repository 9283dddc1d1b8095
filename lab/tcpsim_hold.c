// SPDX-License-Identifier: Apache-2.0
/*
 * tcpsim_hold: servers that keep their connections and say one byte every so often. Connections come from the
 * kernel side through a ring when their handshake is done and stand in line for their next byte, the first
 * that came first; after the last byte they stand in a second line for their FIN. All wait equally long in a
 * line, so only its head must be looked at. Invariant: a connection stands in one line, or its FIN was sent.
 * Bytes are said once: what the link loses is missing in the client's acknowledgements. Kernel documentation:
 * Documentation/networking/packet_mmap.rst, Documentation/bpf/ringbuf.rst.
 */
#include "tcpsim_user.h"
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, FRAME = 55, STEP_MAX = 4096 };

struct held {
        struct tcpsim_record r;
        uint32_t since_ms, said;
};
struct line { /* places in `all` */
        uint32_t *at, head, n;
};
struct tcpsim_holder {
        const struct tcpsim_args *a;
        const struct tcpsim_kernel *k;
        struct ring_buffer *ring;
        struct held *all;
        uint32_t n, max;
        struct line bytes, fins;
        uint32_t drip_ms, hold_ms, last; /* last: so many bytes are said in all */
        uint64_t start_ns;
        int fd;
        struct tcpsim_hold_counts count;
        uint8_t frame[BATCH][FRAME];
        struct iovec iov[BATCH];
        struct mmsghdr msg[BATCH];
        unsigned batch;
};

static uint32_t since_start_ms(const struct tcpsim_holder *h)
{
        return (uint32_t)((clock_mono_ns() - h->start_ns) / NS_PER_MS);
}

static void stand_in(struct tcpsim_holder *h, uint32_t i)
{
        struct line *l = h->all[i].said < h->last ? &h->bytes : &h->fins;
        l->at[(l->head + l->n++) % h->max] = i;
}

static int on_record(void *arg, void *data, size_t len)
{
        struct tcpsim_holder *h = arg;
        if (len < sizeof(struct tcpsim_record) || h->n == h->max) {
                h->count.overflow++;
                return 0;
        }
        struct held *x = &h->all[h->n];
        memcpy(&x->r, data, sizeof(x->r));
        x->since_ms = since_start_ms(h);
        x->said = 0;
        stand_in(h, h->n++);
        h->count.held++;
        return 0;
}

static int open_socket(struct tcpsim_holder *h, struct err *e)
{
        struct sockaddr_ll to = {
                .sll_family = AF_PACKET, .sll_ifindex = h->k->ifindex, .sll_protocol = 0, .sll_halen = 6};
        int one = 1;
        h->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        if (h->fd < 0 || bind(h->fd, (struct sockaddr *)&to, sizeof(to)))
                return err_set(e, errno, "opening a packet socket: %s", strerror(errno));
        setsockopt(h->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
        return 0;
}

struct tcpsim_holder *tcpsim_holder_new(const struct tcpsim_args *a, const struct tcpsim_kernel *k,
                                        struct err *e)
{
        struct tcpsim_holder *h = calloc(1, sizeof(*h));
        if (!h) {
                err_set(e, 0, "out of memory");
                return NULL;
        }
        h->a = a;
        h->k = k;
        h->fd = -1;
        h->max = a->hold_max;
        h->start_ns = clock_mono_ns();
        h->drip_ms = (uint32_t)(a->drip_ns / NS_PER_MS);
        h->hold_ms = (uint32_t)(a->hold_ns / NS_PER_MS);
        h->last = h->hold_ms / h->drip_ms;
        h->all = calloc(h->max, sizeof(*h->all));
        h->bytes.at = calloc(h->max, sizeof(*h->bytes.at));
        h->fins.at = calloc(h->max, sizeof(*h->fins.at));
        h->ring = ring_buffer__new(k->ring_fd, on_record, h, NULL);
        if (!h->all || !h->bytes.at || !h->fins.at || !h->ring) {
                err_set(e, errno, "holding %u connections: %s", h->max, strerror(errno));
                tcpsim_holder_free(h);
                return NULL;
        }
        for (unsigned i = 0; i < BATCH; i++) {
                h->iov[i].iov_base = h->frame[i];
                h->msg[i].msg_hdr.msg_iov = &h->iov[i];
                h->msg[i].msg_hdr.msg_iovlen = 1;
        }
        if (open_socket(h, e)) {
                tcpsim_holder_free(h);
                return NULL;
        }
        return h;
}

void tcpsim_holder_free(struct tcpsim_holder *h)
{
        if (!h)
                return;
        ring_buffer__free(h->ring);
        if (h->fd >= 0)
                close(h->fd);
        free(h->all);
        free(h->bytes.at);
        free(h->fins.at);
        free(h);
}

static void flush(struct tcpsim_holder *h)
{
        unsigned done = 0;
        while (done < h->batch) {
                int n = sendmmsg(h->fd, h->msg + done, h->batch - done, 0);
                if (n <= 0) {
                        h->count.send_failed += h->batch - done;
                        break;
                }
                done += (unsigned)n;
        }
        h->batch = 0;
}

/* One byte, or a FIN: the segment's number is that of what was said before. */
static void say(struct tcpsim_holder *h, const struct held *x, bool fin)
{
        uint32_t w[SIM_IP4_WORDS + 6] = {0}, *tcp = w + SIM_IP4_WORDS, n = fin ? 0 : 1;
        uint8_t *f = h->frame[h->batch];
        memcpy(f, x->r.mac_us, 6);
        memcpy(f + 6, x->r.mac_them, 6);
        f[12] = 8;
        f[13] = 0;
        sim_set_src(w, 4, 0, x->r.them);
        sim_set_dst(w, 4, 0, x->r.us);
        tcp[0] = (uint32_t)x->r.them_port << 16 | x->r.us_port;
        tcp[1] = x->r.seq + x->said;
        tcp[2] = x->r.ack;
        tcp[3] = 5u << 28 | (uint32_t)(SIM_ACK | (fin ? SIM_FIN : SIM_PSH)) << 16 | TCPSIM_WINDOW;
        tcp[5] = fin ? 0 : (uint32_t)'.' << 24;
        uint64_t sum = sim_sum(w + 3, 2 + 6) + SIM_TCP + 20 + n;
        tcp[4] = (~sim_fold(sum) & 0xffff) << 16;
        w[0] = 0x45000000u | (40 + n);
        w[1] = 0x4000;
        w[2] = 57u << 24 | SIM_TCP << 16;
        w[2] |= ~sim_fold(sim_sum(w, SIM_IP4_WORDS)) & 0xffff;
        for (unsigned i = 0; i < ARRAY_LEN(w); i++)
                w[i] = htonl(w[i]);
        memcpy(f + 14, w, 40 + n);
        h->iov[h->batch].iov_len = 54 + n;
        if (++h->batch == BATCH)
                flush(h);
        *(fin ? &h->count.fins : &h->count.bytes) += 1;
}

static bool is_gone(const struct tcpsim_holder *h, const struct held *x)
{
        uint64_t bits = h->k->notes[x->r.service >> 3] >> (x->r.service & 7) * 8;
        return bits & (TCPSIM_CLOSED | TCPSIM_RESET);
}

/* Serves the head of a line, if it is due. */
static bool serve_head(struct tcpsim_holder *h, struct line *l, bool fin)
{
        if (!l->n)
                return false;
        uint32_t i = l->at[l->head];
        struct held *x = &h->all[i];
        if (since_start_ms(h) - x->since_ms < (fin ? h->hold_ms : (x->said + 1) * h->drip_ms))
                return false;
        l->head = (l->head + 1) % h->max;
        l->n--;
        if (is_gone(h, x)) {
                h->count.gone++;
                return true;
        }
        say(h, x, fin);
        x->said++;
        if (!fin)
                stand_in(h, i);
        return true;
}

void tcpsim_holder_step(struct tcpsim_holder *h)
{
        ring_buffer__consume(h->ring);
        for (unsigned i = 0; i < STEP_MAX && serve_head(h, &h->bytes, false); i++)
                ;
        for (unsigned i = 0; i < STEP_MAX && serve_head(h, &h->fins, true); i++)
                ;
        flush(h);
}

const struct tcpsim_hold_counts *tcpsim_holder_counts(const struct tcpsim_holder *h)
{
        return &h->count;
}
