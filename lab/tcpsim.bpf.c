// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * tcpsim.bpf: millions of TCP servers without a connection table. Each segment is answered out of itself: the
 * acknowledgement tells, less the initial sequence number (a keyed hash), how much of the answer the client
 * has, and the rest follows. So a repeated segment draws the right answer again, and an ACK that was made up
 * is told from a right one. What is written down (a byte of bits per service) is for the report alone.
 * Invariant: nothing decides what is sent but the segment and the settings. RFC 9293 §3.10.7, RFC 7323 §2.
 *
 *        client's ack - (isn + 1):  0      nothing yet: handshake done, or a request
 *                                   n      the answer (n bytes) has come
 *                                   n + 1  and our FIN
 */
#include "tcpsim.h"
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { IP = 14, TCP = 34, SEG_MAX = 1480, HEADERS = SIM_IP4_WORDS + 5 };

const volatile struct tcpsim_conf conf SEC(".rodata.conf") = {0};

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct tcpsim_counters);
} counters SEC(".maps");

struct answer {
        __u8 bytes[TCPSIM_ANSWER_MAX];
};
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct answer);
} answers SEC(".maps");

struct scratch {
        __u8 bytes[SEG_MAX + 4];
};
struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct scratch);
} scratches SEC(".maps");

struct { /* the notes, eight services to a word */
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, __u64);
} notes SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, TCPSIM_RING_BYTES);
} ring SEC(".maps");

struct seg { /* a client's segment, host order */
        __u32 us, them, us_port, port, seq, ack, flags, len, header;
        __u32 isn, service, begins; /* begins: the first four bytes of its data */
        __u32 wscale;               /* offers window scaling */
};

static __always_inline void *at(struct xdp_md *ctx, __u32 off)
{
        return (void *)(long)ctx->data + off;
}

static __always_inline void *end_of(struct xdp_md *ctx)
{
        return (void *)(long)ctx->data_end;
}

/* True when the service came so far for the first time. */
static __always_inline int note(const struct seg *s, __u64 bit)
{
        __u32 word = s->service >> 3, shift = (s->service & 7) * 8;
        __u64 *v = bpf_map_lookup_elem(&notes, &word);
        if (!v || *v >> shift & bit)
                return 0;
        return !(__sync_fetch_and_or(v, bit << shift) >> shift & bit);
}

/*
 * Turns the frame into one of `words` words and `more` bytes of the answer, to where it came from. It grows
 * and shrinks at its head: veth leaves hardly any room behind a small frame.
 */
static __always_inline int send_back(struct xdp_md *ctx, struct tcpsim_counters *c, const __u32 *w, int words,
                                     __u32 more)
{
        __u16 mac[6], *eth = at(ctx, 0);
        __u32 zero = 0;
        if ((void *)(eth + 6) > end_of(ctx))
                return XDP_ABORTED;
        for (int i = 0; i < 6; i++)
                mac[i] = eth[i];
        long len = end_of(ctx) - at(ctx, 0);
        __asm__ volatile("" : "+r"(len)); /* else the compiler mixes the pointers into 32-bit sums */
        if (bpf_xdp_adjust_head(ctx, (int)len - IP - 4 * words - (int)more)) {
                c->no_room++;
                return XDP_DROP;
        }
        eth = at(ctx, 0);
        __be32 *p = at(ctx, IP);
        if ((void *)(p + words) > end_of(ctx))
                return XDP_ABORTED;
        for (int i = 0; i < 6; i++)
                eth[i] = mac[i < 3 ? i + 3 : i - 3];
        eth[6] = bpf_htons(ETH_P_IP);
        for (int i = 0; i < words; i++)
                p[i] = bpf_htonl(w[i]);
        if (more) {
                struct answer *a = bpf_map_lookup_elem(&answers, &zero);
                if (!a || more > TCPSIM_ANSWER_MAX || bpf_xdp_store_bytes(ctx, IP + 40, a->bytes, more))
                        return XDP_ABORTED;
        }
        return (int)bpf_redirect(ctx->ingress_ifindex, 0);
}

/* Headers of what goes back; tcp[4] has no sum yet. */
static __always_inline void headers(__u32 *w, const struct seg *s, __u32 seq, __u32 flags, int tcp_words)
{
        __u32 *tcp = w + SIM_IP4_WORDS;
        sim_set_src(w, 4, 0, s->them);
        sim_set_dst(w, 4, 0, s->us);
        tcp[0] = s->port << 16 | s->us_port;
        tcp[1] = seq;
        tcp[2] = s->seq + s->len + ((s->flags & (SIM_SYN | SIM_FIN)) != 0);
        tcp[3] = (__u32)tcp_words << 28 | flags << 16 | TCPSIM_WINDOW;
        tcp[4] = 0;
}

static __always_inline int send_plain(struct xdp_md *ctx, struct tcpsim_counters *c, const struct seg *s,
                                      __u32 seq, __u32 flags)
{
        __u32 w[HEADERS];
        headers(w, s, seq, flags, 5);
        w[SIM_IP4_WORDS + 4] = sim_l4_sum(w, 4, 5, SIM_TCP) << 16;
        sim_finish_ip(w, 4, 5, SIM_TCP, 57, 0);
        return send_back(ctx, c, w, HEADERS, 0);
}

static __always_inline int send_answer(struct xdp_md *ctx, struct tcpsim_counters *c, const struct seg *s,
                                       __u32 flags)
{
        __u32 w[HEADERS], len = conf.answer_len;
        headers(w, s, s->isn + 1, flags | SIM_ACK | SIM_PSH | (conf.closes_first ? SIM_FIN : 0), 5);
        __u64 sum = sim_sum(w + 3, 2 + 5) + SIM_TCP + 20 + len + conf.answer_sum;
        w[SIM_IP4_WORDS + 4] = (~sim_fold(sum) & 0xffff) << 16;
        w[0] = 0x45000000u | (40 + len);
        w[1] = 0x4000; /* don't fragment */
        w[2] = 57u << 24 | SIM_TCP << 16;
        w[2] |= ~sim_fold(sim_sum(w, SIM_IP4_WORDS)) & 0xffff;
        c->answer++;
        return send_back(ctx, c, w, HEADERS, len);
}

struct walk { /* over the options of a SYN */
        const struct scratch *x;
        __u32 at, end, found;
};

/* Is the option at hand window scaling (kind 3)? */
static long next_option(__u32 n, void *arg)
{
        struct walk *o = arg;
        __u32 i = o->at;
        (void)n;
        if (i >= o->end || i >= 60)
                return 1;
        __u8 kind = o->x->bytes[i], size = o->x->bytes[i + 1];
        o->found |= kind == 3 && size == 3;
        o->at += kind == 1 ? 1 : size;
        return kind == 0 || (kind != 1 && size < 2);
}

static __always_inline void read_options(struct seg *s, const struct scratch *x)
{
        struct walk o = {.x = x, .at = 20, .end = s->header};
        bpf_loop(40, next_option, &o, 0);
        s->wscale = o.found;
}

static __always_inline int on_syn(struct xdp_md *ctx, struct tcpsim_counters *c, const struct seg *s)
{
        __u32 w[HEADERS + 2], *tcp = w + SIM_IP4_WORDS;
        c->syn++;
        c->begun += (__u64)note(s, TCPSIM_BEGUN);
        if (s->wscale && conf.wscale < 15) {
                headers(w, s, s->isn, SIM_SYN | SIM_ACK, 7);
                tcp[5] = 0x02040000u | TCPSIM_MSS;
                tcp[6] = 0x01030300u | conf.wscale;
                tcp[4] = sim_l4_sum(w, 4, 7, SIM_TCP) << 16;
                sim_finish_ip(w, 4, 7, SIM_TCP, 57, 0);
                return send_back(ctx, c, w, HEADERS + 2, 0);
        }
        headers(w, s, s->isn, SIM_SYN | SIM_ACK, 6);
        tcp[5] = 0x02040000u | TCPSIM_MSS;
        tcp[4] = sim_l4_sum(w, 4, 6, SIM_TCP) << 16;
        sim_finish_ip(w, 4, 6, SIM_TCP, 57, 0);
        return send_back(ctx, c, w, HEADERS + 1, 0);
}

static __always_inline void hand_over(struct xdp_md *ctx, struct tcpsim_counters *c, const struct seg *s)
{
        struct tcpsim_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
        if (!r) {
                c->no_room++;
                return;
        }
        *r = (struct tcpsim_record){.us = s->us,
                                    .them = s->them,
                                    .us_port = (__u16)s->us_port,
                                    .them_port = (__u16)s->port,
                                    .seq = s->isn + 1,
                                    .ack = s->seq,
                                    .service = s->service};
        if (bpf_xdp_load_bytes(ctx, 0, r->mac_them, 6) || bpf_xdp_load_bytes(ctx, 6, r->mac_us, 6))
                bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
        else
                bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

/* In order of what the client has of ours; see the head of this file. */
static __always_inline int converse(struct xdp_md *ctx, struct tcpsim_counters *c, const struct seg *s,
                                    __u32 has)
{
        __u32 n = conf.answer_len;
        if (s->len && !has) {
                c->request++;
                if ((s->begins & conf.expect_mask) != conf.expect)
                        c->bad_request++;
                else
                        c->asked += (__u64)note(s, TCPSIM_ASKED);
                return send_answer(ctx, c, s, 0);
        }
        if (has >= n)
                c->data += (__u64)note(s, TCPSIM_DATA);
        if (has == n + 1 && (s->flags & SIM_FIN || !conf.closes_first))
                c->closed += (__u64)note(s, TCPSIM_CLOSED);
        if (s->flags & SIM_FIN && has > n)
                return send_plain(ctx, c, s, s->ack, SIM_ACK);
        if (s->flags & SIM_FIN)
                return has == n ? send_plain(ctx, c, s, s->ack, SIM_ACK | SIM_FIN)
                                : send_answer(ctx, c, s, SIM_FIN);
        if (s->len) { /* the client's words after ours */
                c->data_more++;
                return send_plain(ctx, c, s, s->ack, SIM_ACK);
        }
        return !has && conf.speaks_first ? send_answer(ctx, c, s, 0) : XDP_DROP;
}

/* User space speaks; here its connection's segments are only acknowledged. */
static __always_inline int hold(struct xdp_md *ctx, struct tcpsim_counters *c, const struct seg *s, int fresh,
                                __u32 has)
{
        if (fresh)
                hand_over(ctx, c, s);
        c->request += s->len && !has;
        c->data_more += s->len && has;
        if (has)
                c->data += (__u64)note(s, TCPSIM_DATA);
        if (s->flags & SIM_FIN) {
                c->closed += (__u64)note(s, TCPSIM_CLOSED);
                return send_plain(ctx, c, s, s->ack, SIM_ACK | SIM_FIN);
        }
        return s->len ? send_plain(ctx, c, s, s->ack, SIM_ACK) : XDP_DROP;
}

static __always_inline int on_segment(struct xdp_md *ctx, struct tcpsim_counters *c, struct seg *s)
{
        __u32 has = s->ack - (s->isn + 1), most = conf.hold ? 255 : conf.answer_len + 1;
        if (s->flags & SIM_SYN && !(s->flags & (SIM_ACK | SIM_RST | SIM_FIN)))
                return on_syn(ctx, c, s);
        if (s->flags & SIM_RST) {
                c->rst++;
                c->reset += (__u64)note(s, TCPSIM_RESET);
                return XDP_DROP;
        }
        if (!(s->flags & SIM_ACK) || s->flags & SIM_SYN) {
                c->malformed++;
                return XDP_DROP;
        }
        if (has > most) {
                c->bad_ack++;
                return XDP_DROP;
        }
        c->ack += !s->len && !(s->flags & SIM_FIN);
        c->fin += s->flags & SIM_FIN;
        int fresh = note(s, TCPSIM_COMPLETED);
        c->completed += (__u64)fresh;
        return conf.hold ? hold(ctx, c, s, fresh, has) : converse(ctx, c, s, has);
}

/* The TCP part's sum; its bytes are left in the scratch. RFC 9293 §3.1 */
static __always_inline int take_tcp(struct xdp_md *ctx, struct tcpsim_counters *c, struct seg *s,
                                    struct scratch *x, __u32 len)
{
        if (len < 20 || len > SEG_MAX) {
                c->malformed++;
                return -1;
        }
        __asm__ volatile("" : "+r"(len));
        __u32 whole = (len + 3) & ~3u;
        __asm__ volatile("" : "+r"(whole)); /* the verifier knows only what is compared before its eyes */
        if (len < 20 || len > SEG_MAX || whole < 20 || whole > SEG_MAX)
                return -1;
        *(__u32 *)(x->bytes + (whole - 4)) = 0;
        if (bpf_xdp_load_bytes(ctx, TCP, x->bytes, len)) {
                c->malformed++;
                return -1;
        }
        __u64 sum = (__u64)s->us + s->them + SIM_TCP + len;
        const __be32 *w = (const __be32 *)x->bytes;
        __s64 bytes = bpf_csum_diff(0, 0, (__be32 *)x->bytes, whole, 0);
        if (bytes < 0 || sim_fold((__u64)bpf_ntohl((__u32)bytes) + sum) != 0xffff) {
                c->bad_tcp_sum++;
                return -1;
        }
        __u32 ports = bpf_ntohl(w[0]), where = bpf_ntohl(w[3]);
        s->us_port = ports >> 16;
        s->port = ports & 0xffff;
        s->seq = bpf_ntohl(w[1]);
        s->ack = bpf_ntohl(w[2]);
        s->flags = where >> 16 & 0x3f;
        s->header = (where >> 28) * 4;
        if (s->header < 20 || s->header > len) {
                c->malformed++;
                return -1;
        }
        s->len = len - s->header;
        s->begins = bpf_ntohl(*(__be32 *)(x->bytes + (s->header & 60)));
        if (s->flags & SIM_SYN)
                read_options(s, x);
        return 0;
}

SEC("xdp") int tcpsim_far(struct xdp_md *ctx)
{
        __u32 zero = 0;
        struct tcpsim_counters *c = bpf_map_lookup_elem(&counters, &zero);
        struct scratch *x = bpf_map_lookup_elem(&scratches, &zero);
        __be16 *type = at(ctx, 12);
        __be32 *w = at(ctx, IP);
        if (!c || !x || (void *)(w + SIM_IP4_WORDS) > end_of(ctx) || *type != bpf_htons(ETH_P_IP))
                return XDP_PASS;
        struct seg s = {.us = bpf_ntohl(w[3]), .them = bpf_ntohl(w[4])};
        __u32 first = bpf_ntohl(w[0]), proto = bpf_ntohl(w[2]) >> 16 & 0xff;
        if ((s.them & conf.mask) != conf.net || proto != SIM_TCP)
                return XDP_PASS;
        c->frames++;
        if (first >> 24 != 0x45 || (bpf_ntohl(w[1]) & 0x3fff)) { /* options, fragments: nobody sends them */
                c->malformed++;
                return XDP_DROP;
        }
        if (sim_fold(sim_sum(w, SIM_IP4_WORDS)) != 0xffff) {
                c->bad_ip_sum++;
                return XDP_DROP;
        }
        if (take_tcp(ctx, c, &s, x, (first & 0xffff) - 20))
                return XDP_DROP;
        if (s.port < conf.port_first || s.port > conf.port_last)
                return XDP_DROP;
        s.isn = tcpsim_isn(conf.key, s.us, s.them, s.us_port, s.port);
        s.service = (s.them & ~conf.mask) * (conf.port_last - conf.port_first + 1) + s.port - conf.port_first;
        return on_segment(ctx, c, &s);
}

char _license[] SEC("license") = "Dual MIT/GPL";
