// SPDX-License-Identifier: Apache-2.0
/*
 * sim_courier: XDP can neither hold a packet nor copy one, so the answers that are to come late, those that a
 * tarpit repeats, and the hostile frames that come in addition, are sent from here. Records arrive through
 * the ring of the kernel side, wait in a timing wheel and leave through an AF_PACKET socket in batches.
 * Invariant: the pool is allocated before the first packet and never grows; a record that finds no room is
 * counted. Kernel documentation: packet(7), Documentation/bpf/ringbuf.rst.
 */
#include "sim_user.h"
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
        POOL = 1 << 20,  /* records that can wait at once */
        SLOTS = 1 << 16, /* of TICK_NS each: 6.5 s, a little more than the longest delay */
        TICK_NS = 100000,
        BATCH = 64,
        FRAME_MAX = 18 + 4 * SIM_FRAME_WORDS,
        SEND_TRIES = 1000,
};
#define FIRST_TURN UINT32_MAX

struct waiting {
        struct sim_record record;
        uint32_t next; /* 1 + index in the pool; 0: none */
        uint32_t said; /* how often a tarpit repeated itself so far; FIRST_TURN: the first turn is to come */
};

struct slot { /* first in, first out */
        uint32_t head, tail;
};

struct sim_courier {
        const struct sim_args *args;
        struct ring_buffer *ring;
        int fd;
        struct waiting *pool;
        uint32_t free_head, fresh; /* free list; pool entries from `fresh` on were never used */
        uint64_t tick, waiting;
        uint64_t rng;
        struct slot wheel[SLOTS];
        struct mmsghdr msg[BATCH];
        struct iovec iov[BATCH];
        uint8_t frame[BATCH][FRAME_MAX];
        unsigned filled;
        struct sim_courier_counts counts;
};

static uint32_t draw(struct sim_courier *c)
{
        c->rng += 0x9e3779b97f4a7c15ull;
        return (uint32_t)(sim_mix(c->rng) >> 32);
}

/* ---- the waiting room ------------------------------------------------------------------------------------
 */
static uint32_t pool_take(struct sim_courier *c)
{
        uint32_t i = c->free_head;
        if (i) {
                c->free_head = c->pool[i - 1].next;
                return i;
        }
        return c->fresh < POOL ? ++c->fresh : 0;
}

static void pool_give(struct sim_courier *c, uint32_t i)
{
        c->pool[i - 1].next = c->free_head;
        c->free_head = i;
}

/* Into the slot of `due_ns`; what is overdue goes next. */
static void put_off(struct sim_courier *c, uint32_t i, uint64_t due_ns)
{
        uint64_t due = MAX(due_ns / TICK_NS, c->tick);
        struct slot *s = &c->wheel[MIN(due, c->tick + SLOTS - 1) % SLOTS];
        c->pool[i - 1].next = 0;
        if (s->tail)
                c->pool[s->tail - 1].next = i;
        else
                s->head = i;
        s->tail = i;
        c->waiting++;
}

static int on_record(void *ctx, void *data, size_t size)
{
        struct sim_courier *c = ctx;
        uint32_t i = pool_take(c);
        assert(size >= sizeof(struct sim_record));
        if (!i) {
                c->counts.pool_full++;
                return 0;
        }
        struct waiting *w = &c->pool[i - 1];
        memcpy(&w->record, data, sizeof(w->record));
        w->said = FIRST_TURN;
        put_off(c, i, w->record.due_ns);
        return 0;
}

/* ---- sending ---------------------------------------------------------------------------------------------
 */
static void flush(struct sim_courier *c)
{
        unsigned done = 0;
        for (int tries = 0; done < c->filled && tries < SEND_TRIES; tries++) {
                int n = sendmmsg(c->fd, c->msg + done, c->filled - done, 0);
                if (n > 0) {
                        done += (unsigned)n;
                        tries = 0;
                } else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
                        c->counts.send_failed++; /* this frame cannot be sent; the next ones may */
                        done++;
                } else {
                        struct pollfd p = {.fd = c->fd, .events = POLLOUT};
                        poll(&p, 1, 1);
                }
        }
        c->counts.send_failed += c->filled - done;
        c->filled = 0;
}

/* Puts n words behind the link header of the way back. Returns the frame, whose length the caller may cut. */
static struct iovec *put_frame(struct sim_courier *c, const struct sim_probe *p, const uint32_t *w, int n)
{
        if (c->filled == BATCH)
                flush(c);
        struct iovec *iov = &c->iov[c->filled];
        struct wr out = wr_of(c->frame[c->filled++], FRAME_MAX);
        wr_bytes(&out, p->them, 6);
        wr_bytes(&out, p->us, 6);
        if (c->args->conf.vlan) {
                wr_be16(&out, ETH_P_8021Q);
                wr_be16(&out, (uint16_t)c->args->conf.vlan);
        }
        wr_be16(&out, p->family == 4 ? ETH_P_IP : ETH_P_IPV6);
        for (int i = 0; i < n; i++)
                wr_be32(&out, w[i]);
        assert(!out.full);
        iov->iov_len = wr_len(&out);
        return iov;
}

static uint32_t now_ms(void)
{
        return (uint32_t)(clock_mono_ns() / NS_PER_MS);
}

/* The SYN-ACK that an open target would send, whatever this one is. */
static int build_open(uint32_t *w, const struct sim_probe *p)
{
        struct sim_probe open = *p;
        open.state = SIM_OPEN;
        return sim_build(w, &open, p->family, NULL, now_ms());
}

static void send_truth(struct sim_courier *c, const struct sim_probe *p, uint64_t *count)
{
        uint32_t w[SIM_FRAME_WORDS];
        int n = sim_build(w, p, p->family, &c->args->conf, now_ms());
        if (!n)
                return;
        put_frame(c, p, w, n);
        ++*count;
}

/* ---- forgeries: each claims an open port (or, by ICMP, a filtered one) that is not there
 * ------------------- */
static void forge_dup(struct sim_courier *c, const struct sim_probe *p)
{
        uint32_t copies = c->args->copies ? c->args->copies : 1 + draw(c) % 3;
        for (uint32_t i = 0; i < copies; i++)
                send_truth(c, p, &c->counts.forged[HOSTILE_DUP]);
}

/* An acknowledgement of something that was never sent. */
static void forge_cookie(struct sim_courier *c, const struct sim_probe *p)
{
        struct sim_probe lie = *p;
        uint32_t w[SIM_FRAME_WORDS];
        lie.w[sim_ip_words(p->family) + 1] += 1 + draw(c) % 0xfffffffeu;
        put_frame(c, p, w, build_open(w, &lie));
        c->counts.forged[HOSTILE_COOKIE]++;
}

/* The right acknowledgement from the wrong address, or the wrong port. */
static void forge_foreign(struct sim_courier *c, const struct sim_probe *p)
{
        struct sim_probe lie = *p;
        uint32_t w[SIM_FRAME_WORDS], r = draw(c);
        __u64 hi, lo;
        sim_dst(lie.w, p->family, &hi, &lo);
        if (r & 1)
                sim_set_dst(lie.w, p->family, hi, lo ^ (1 + (r >> 8 & 0xff)));
        else
                lie.w[sim_ip_words(p->family)] ^= 1 + (r >> 8 & 0xfff);
        put_frame(c, p, w, build_open(w, &lie));
        c->counts.forged[HOSTILE_FOREIGN]++;
}

/* Half of them break off; the other half say in their IP header that this is all. */
static void forge_short(struct sim_courier *c, const struct sim_probe *p)
{
        uint32_t w[SIM_FRAME_WORDS], r = draw(c);
        int n = build_open(w, p), ip = sim_ip_words(p->family);
        size_t link = c->args->conf.vlan ? 18 : 14, packet = (size_t)n * 4, header = (size_t)ip * 4;
        size_t cut = 1 + (r >> 1) % (packet - 1);
        if ((r & 1) && cut >= header) {
                cut &= ~(size_t)3;
                sim_finish_ip(w, p->family, (int)(cut - header) / 4, SIM_TCP, sim_ttl(p->hash), 0);
        }
        put_frame(c, p, w, n)->iov_len = link + cut;
        c->counts.forged[HOSTILE_SHORT]++;
}

/* One flipped bit where a checksum covers it: IPv4 anywhere, IPv6 from the addresses on. */
static void forge_corrupt(struct sim_courier *c, const struct sim_probe *p)
{
        uint32_t w[SIM_FRAME_WORDS], r = draw(c);
        int n = build_open(w, p), from = p->family == 4 ? 0 : 2;
        w[from + (int)((r >> 5) % (uint32_t)(n - from))] ^= 1u << (r & 31);
        put_frame(c, p, w, n);
        c->counts.forged[HOSTILE_CORRUPT]++;
}

/* An ICMP error about a probe with another sequence number, or about a probe to somewhere else. */
static void forge_icmp(struct sim_courier *c, const struct sim_probe *p)
{
        struct sim_probe lie = *p;
        const struct sim_conf *conf = &c->args->conf;
        uint32_t w[SIM_FRAME_WORDS], r = draw(c);
        int ip = sim_ip_words(p->family);
        lie.state = SIM_UNREACH;
        if (r & 1)
                lie.w[ip + 1] ^= 1 + (r >> 8);
        else
                lie.w[ip - 1] ^= 1 + (r >> 8 & 0xff);
        put_frame(c, p, w, sim_build(w, &lie, p->family, conf, 0));
        c->counts.forged[HOSTILE_ICMP]++;
}

static void deliver(struct sim_courier *c, const struct sim_record *r)
{
        static void (*const forge[HOSTILE_NKINDS])(struct sim_courier *, const struct sim_probe *) = {
                [HOSTILE_DUP] = forge_dup,         [HOSTILE_COOKIE] = forge_cookie,
                [HOSTILE_FOREIGN] = forge_foreign, [HOSTILE_SHORT] = forge_short,
                [HOSTILE_CORRUPT] = forge_corrupt, [HOSTILE_ICMP] = forge_icmp,
        };
        const struct sim_probe *p = &r->probe;
        for (int i = HOSTILE_COOKIE; i < HOSTILE_NKINDS;
             i++) { /* before the truth: first come, first believed */
                if (p->hostile >> i & 1)
                        forge[i](c, p);
        }
        if (r->is_late)
                send_truth(c, p, &c->counts.sent_late);
        if (p->hostile >> HOSTILE_DUP & 1)
                forge_dup(c, p);
}

/* The first turn is for the record itself, the further ones are a tarpit's. Each has its own chance to be
 * lost.
 */
static void take_turn(struct sim_courier *c, struct waiting *w)
{
        if (w->said == FIRST_TURN) {
                deliver(c, &w->record);
                w->said = 0;
                return;
        }
        if (draw(c) < c->args->conf.loss_out)
                c->counts.lost_repeats++;
        else
                send_truth(c, &w->record.probe, &c->counts.repeated);
        w->said++;
}

static void empty_slot(struct sim_courier *c, struct slot *s)
{
        uint32_t i = s->head;
        *s = (struct slot){0, 0};
        while (i) {
                struct waiting *w = &c->pool[i - 1];
                uint32_t next = w->next;
                take_turn(c, w);
                c->waiting--;
                if (w->said < w->record.repeats)
                        put_off(c, i, clock_mono_ns() + ((SIM_REPEAT_MS * NS_PER_MS) << w->said));
                else
                        pool_give(c, i);
                i = next;
        }
}

void sim_courier_step(struct sim_courier *c)
{
        ring_buffer__consume(c->ring);
        uint64_t now = clock_mono_ns() / TICK_NS;
        if (!c->waiting)
                c->tick = now;
        for (; c->tick <= now; c->tick++)
                empty_slot(c, &c->wheel[c->tick % SLOTS]);
        c->tick = now;
        flush(c);
}

static int open_socket(const struct sim_kernel *k, struct err *e)
{
        struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = k->ifindex};
        int size = 1 << 24, one = 1;
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: sends only */
        if (fd < 0)
                return err_set(e, errno, "opening a packet socket: %s", strerror(errno));
        if (bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
            setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
            setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one))) {
                err_set(e, errno, "setting a packet socket up: %s", strerror(errno));
                close(fd);
                return -1;
        }
        return fd;
}

struct sim_courier *sim_courier_new(const struct sim_args *a, const struct sim_kernel *k, struct err *e)
{
        struct sim_courier *c = calloc(1, sizeof(*c));
        size_t pool_len = POOL * sizeof(struct waiting);
        if (!c) {
                err_set(e, errno, "no memory for the courier");
                return NULL;
        }
        c->args = a;
        c->tick = clock_mono_ns() / TICK_NS;
        rand_bytes(&c->rng, sizeof(c->rng));
        for (int i = 0; i < BATCH; i++) {
                c->iov[i].iov_base = c->frame[i];
                c->msg[i].msg_hdr = (struct msghdr){.msg_iov = &c->iov[i], .msg_iovlen = 1};
        }
        c->fd = open_socket(k, e);
        if (c->fd < 0)
                goto free_courier;
        c->pool = mmap(NULL, pool_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (c->pool == MAP_FAILED) {
                err_set(e, errno, "no memory for %d waiting answers", POOL);
                goto close_socket;
        }
        c->ring = ring_buffer__new(k->ring_fd, on_record, c, NULL);
        if (c->ring)
                return c;
        err_set(e, errno, "opening the ring from the kernel: %s", strerror(errno));
        munmap(c->pool, pool_len);
close_socket:
        close(c->fd);
free_courier:
        free(c);
        return NULL;
}

void sim_courier_free(struct sim_courier *c)
{
        if (!c)
                return;
        ring_buffer__free(c->ring);
        munmap(c->pool, POOL * sizeof(struct waiting));
        close(c->fd);
        free(c);
}

void sim_courier_forget(struct sim_courier *c)
{
        c->counts = (struct sim_courier_counts){0};
}

const struct sim_courier_counts *sim_courier_counts(const struct sim_courier *c)
{
        return &c->counts;
}
