// SPDX-License-Identifier: (MIT OR GPL-2.0-only)
/*
 * blast.bpf: makes one probe out of a template and sends it. Run by blast.c through BPF_PROG_TEST_RUN with
 * live frames, once per frame, in one call for all of them. Invariant: the whole header is written each
 * time, because recycled pages come back with what their last user left in them. Linux 5.18, kernel
 * documentation: Documentation/bpf/bpf_prog_run.rst.
 */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "blast.h"
#include "sim_cookie.h"

const volatile struct blast_conf conf SEC(".rodata.conf") = {0};
struct blast_state state SEC(".bss.state");

static __always_inline __u64 halves(__u64 v)
{
        return (v & 0xffff) + (v >> 16 & 0xffff) + (v >> 32 & 0xffff) + (v >> 48);
}

/* Complemented, in network order. */
static __always_inline __u16 finish_sum(__u64 sum)
{
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        return bpf_htons((__u16)~sum);
}

/* conf is constant and known to the verifier: one look at the length of the frame is enough for all of it. */
static __always_inline void write_template(__u8 *d)
{
        for (__u32 i = 0; i < BLAST_WORDS; i++) {
                if (8 * i + 8 <= conf.len)
                        *(__u64 *)(d + 8 * i) = state.frame[i];
        }
        for (__u32 i = 0; i < 2 * BLAST_WORDS; i++) { /* the odd end: lengths are even */
                if (i * 4 >= (conf.len & ~7u) && i * 4 + 2 <= conf.len)
                        *(__u16 *)(d + 4 * i) = ((__u16 *)state.frame)[2 * i];
                if (i * 4 >= (conf.len & ~7u) && i * 4 + 4 <= conf.len)
                        *(__u16 *)(d + 4 * i + 2) = ((__u16 *)state.frame)[2 * i + 1];
        }
}

static __always_inline __u32 sequence_number(__u64 n, __u64 lo, __u32 port)
{
        if (conf.cookie)
                return sim_cookie(conf.key[0], conf.key[1], conf.family == 4 ? 4 : 6, conf.us_hi, conf.us_lo,
                                  conf.hi, lo, conf.sport, port);
        return (__u32)n * 2654435761u;
}

SEC("xdp") int blast(struct xdp_md *ctx)
{
        __u8 *d = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
        if (d + conf.len > end)
                return XDP_ABORTED;
        __u64 n = state.next++, lo = conf.lo | (n * 0x9e3779b97f4a7c15ull & ((1ull << conf.bits) - 1));
        __u32 port = (conf.port + (__u32)(n >> conf.bits)) & 0xffff, seq = sequence_number(n, lo, port);
        __u8 *tcp = d + (conf.family == 4 ? 34 : 54);
        write_template(d);
        if (conf.family == 4) {
                *(__be32 *)(d + 30) = bpf_htonl((__u32)lo);
                *(__u16 *)(d + 24) = finish_sum(conf.ip_sum + halves(lo));
        } else {
                *(__be64 *)(d + 46) = bpf_cpu_to_be64(lo);
        }
        *(__be16 *)(tcp + 2) = bpf_htons((__u16)port);
        *(__be32 *)(tcp + 4) = bpf_htonl(seq);
        *(__u16 *)(tcp + 16) = finish_sum(conf.tcp_sum + halves(lo) + halves(seq) + port);
        return (int)bpf_redirect((int)conf.ifindex, 0);
}

char blast_license[] SEC("license") = "Dual MIT/GPL";
