// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * xdp_tx: makes probes inside the kernel. User space fills `shared.patches` and has the program run once per
 * patch (BPF_PROG_TEST_RUN with live frames); each run writes a whole frame, template plus patch, and sends
 * it out of the interface by redirect. on_xmit sees how many frames of each bulk the driver took: a bulk is a
 * FIFO and refusals are its tail, so the exact patches are known and sent again. Invariant: every byte of a
 * frame is written each time, because recycled pages hold what their last user left.
 * Reference: Linux Documentation/bpf/bpf_prog_run.rst, redirect.rst.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "io/xdp_kernel.h"

const volatile struct xdp_tx_layout layout SEC(".rodata.layout") = {0};
struct xdp_tx_shared shared SEC(".data.shared") = {0};
struct { /* only of the lane that sends frames */
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct xdp_tx_frames);
} frames SEC(".maps");

/* Offsets are constants once the layout is frozen, so each of these is one store. */
static __always_inline void put16(void *at, __u16 v)
{
        *(__u16 *)at = v;
}
static __always_inline void put32(void *at, __u32 v)
{
        *(__u32 *)at = v;
}
static __always_inline void put64(void *at, __u64 v)
{
        *(__u64 *)at = v;
}

static __always_inline void put_template(void *data, const __u64 *t, __u32 len)
{
#pragma unroll
        for (__u32 i = 0; i < XDP_TX_FRAME / 8; i++)
                if (8 * i + 8 <= len)
                        put64(data + 8 * i, t[i]);
        if (len % 8) /* the last stretch overlaps the one before */
                put64(data + len - 8, *(const __u64 *)((const __u8 *)t + len - 8));
}

static __always_inline void put_patch(void *data, const struct xdp_patch *p)
{
        void *ip = data + layout.l3, *l4 = data + layout.l4;
        if (layout.ether) {
                put32(data, *(const __u32 *)p->mac);
                put16(data + 4, *(const __u16 *)(p->mac + 4));
        }
        if (layout.family == 4) {
                put16(ip + 4, p->id);
                put16(ip + 10, p->ip_sum);
                put64(ip + 12, p->addrs);
        } else {
                put64(ip + 16, p->src6);
                put64(ip + 24, p->dst6[0]);
                put64(ip + 32, p->dst6[1]);
        }
        put64(l4, p->ports_seq);
        put16(l4 + 16, p->l4_sum);
        if (layout.tsval)
                put32(data + layout.tsval, p->tsval);
}

/* The CPU first: the tracepoints take a frame for ours when both fit (is_ours). */
static __always_inline void on_its_way(__u64 i)
{
        shared.cpu = bpf_get_smp_processor_id();
        asm volatile("" ::: "memory");
        shared.next = i + 1;
}

SEC("xdp")
int send_probe(struct xdp_md *ctx)
{
        void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
        __u32 len = layout.len;
        __u64 i = shared.next;
        const struct xdp_patch *p = &shared.patches[i & (XDP_TX_CALL - 1)];
        if (len < 54 || len > XDP_TX_FRAME || data + len > end)
                return XDP_ABORTED;
        on_its_way(i);
        put_template(data, shared.templates[p->path & (XDP_TX_PATHS - 1)], len);
        put_patch(data, p);
        return bpf_redirect(layout.ifindex, 0);
}

/* One that user space made: of any length, and the call's are all of one, so the end is moved. */
SEC("xdp")
int send_frame(struct xdp_md *ctx)
{
        __u64 i = shared.next;
        __u32 zero = 0;
        struct xdp_tx_frames *f = bpf_map_lookup_elem(&frames, &zero);
        if (!f)
                return XDP_ABORTED;
        __u32 slot = (f->first + i) & (XDP_TX_SLOTS - 1), len = f->len[slot];
        int more = (int)len - (int)(ctx->data_end - ctx->data);
        if (len < 14 || len > XDP_TX_SLOT || (more && bpf_xdp_adjust_tail(ctx, more)) ||
            bpf_xdp_store_bytes(ctx, 0, f->bytes[slot], len))
                return XDP_ABORTED;
        on_its_way(i);
        return bpf_redirect(layout.ifindex, 0);
}

struct net_device {
        int ifindex;
} __attribute__((preserve_access_index));

static __always_inline int is_back(__u64 i)
{
        return shared.back[i / 64 & (XDP_TX_CALL / 64 - 1)] >> (i & 63) & 1;
}

static __always_inline void give_back(__u64 i)
{
        shared.back[i / 64 & (XDP_TX_CALL / 64 - 1)] |= 1ull << (i & 63);
        shared.n_back++;
}

/* Ours are the events on the CPU where the call is, about our interface, while frames of ours are on their
 * way: nothing else runs on this CPU between the program and the bulk it ends in. Without the last a bulk of
 * another program would count, whose interface has the same index in its own namespace. */
static __always_inline int is_ours(__u32 ifindex, __u64 frames)
{
        return shared.calling && bpf_get_smp_processor_id() == shared.cpu && ifindex == layout.ifindex &&
               frames <= shared.next - shared.flushed;
}

struct walk {
        __u64 at, end;
        int sent, left;
};

/* One patch of a bulk: taken, refused, or none of it, for it never got as far. 1: the bulk is through. */
static long step(__u32 i, struct walk *w)
{
        if (w->left <= 0 || w->at >= w->end)
                return 1;
        if (!is_back(w->at)) {
                if (w->sent > 0)
                        w->sent--;
                else
                        give_back(w->at);
                w->left--;
        }
        w->at++;
        return 0;
}

/* include/trace/events/xdp.h: the driver took `sent` frames of a bulk and refused the `drops` behind them. */
SEC("tp_btf/xdp_devmap_xmit")
int BPF_PROG(on_xmit, const struct net_device *from, const struct net_device *to, int sent, int drops,
             int err)
{
        if (sent < 0 || drops < 0 || !is_ours((__u32)to->ifindex, (__u64)sent + (__u64)drops))
                return 0;
        __u64 at = shared.flushed, end = shared.next;
        int left = sent + drops;
        if (err < 0)
                shared.bulk_err = (__u64)-err;
        if (!drops && !shared.n_back) {
                shared.flushed = at + (__u64)sent;
                return 0;
        }
        struct walk w = {at, end, sent, left};
        bpf_loop(XDP_TX_CALL, step, &w, 0);
        shared.flushed = w.at;
        return 0;
}

/* The frame just made did not get on its way: the interface is down, or its driver has no such way. */
SEC("tp_btf/xdp_redirect_err")
int BPF_PROG(on_redirect_err, const struct net_device *dev, const void *prog, const void *target, int err,
             int map_type, __u32 map_id, __u32 index)
{
        if (!is_ours(index, 1))
                return 0;
        if (err < 0)
                shared.bulk_err = (__u64)-err;
        give_back(shared.next - 1);
        return 0;
}

char licence[] SEC("license") = "Dual MIT/GPL";
