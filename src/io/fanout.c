// SPDX-License-Identifier: Apache-2.0
/*
 * fanout: which of several packet sockets on one interface gets a frame. By the kernel's own hash over a
 * flow, or by host: a small program hashes the two addresses, whichever way round they stand, so all that
 * belongs to one host is read by one thread; of an ICMP error those of the packet it quotes. Invariant: of
 * one group each frame goes to one socket. Reference: packet(7), PACKET_FANOUT; RFC 792, RFC 4443 §3 (where
 * the quoted packet begins).
 */
#include "afpacket.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING /* Linux 5.10; the headers may be older than the kernel */
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

#define MIX             0x9e3779b1 /* odd, 2^32 over the golden ratio: spreads what differs in few bits */
#define DO(code, k)     BPF_STMT(code, (uint32_t)(k))
#define IF(op, k, t, f) BPF_JUMP(BPF_JMP | (op) | BPF_K, k, t, f)
#define SKIP(n)         BPF_JUMP(BPF_JMP | BPF_JA, n, 0, 0)
#define BYTE_AT         (BPF_LD | BPF_B | BPF_ABS)
#define WORD_AT_X       (BPF_LD | BPF_W | BPF_IND)
#define XOR_X           (BPF_ALU | BPF_XOR | BPF_X)
#define TIMES           (BPF_ALU | BPF_MUL | BPF_K)
#define FOLD(shift)     DO(BPF_MISC | BPF_TAX, 0), DO(BPF_ALU | BPF_RSH | BPF_K, shift), DO(XOR_X, 0)
/* M[0] = (M[0] + (word i of the source ^ word i of the destination)) * MIX; M[2]: where the IP header is */
#define WORD_OF_IP6(i)                                                                                    \
        DO(BPF_LDX | BPF_MEM, 2), DO(WORD_AT_X, 8 + 4 * (i)), DO(BPF_ST, 1), DO(WORD_AT_X, 24 + 4 * (i)), \
                DO(BPF_LDX | BPF_MEM, 1), DO(XOR_X, 0), DO(BPF_LDX | BPF_MEM, 0),                         \
                DO(BPF_ALU | BPF_ADD | BPF_X, 0), DO(TIMES, MIX), DO(BPF_ST, 0)

/* Here a frame begins with its IP header. The answer is taken modulo the number of sockets. What is too short
 * ends with 0. */
static struct sock_filter by_host[] = {
        DO(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PROTOCOL),
        IF(BPF_JEQ, ETH_P_IP, 2, 0),
        IF(BPF_JEQ, ETH_P_IPV6, 23, 0),
        DO(BPF_RET | BPF_K, 0),
        /* IPv4 */
        DO(BYTE_AT, 9),
        IF(BPF_JEQ, IPPROTO_ICMP, 0, 13),
        DO(BPF_LD | BPF_H | BPF_ABS, 6),
        IF(BPF_JSET, 0x1fff, 11, 0), /* a later fragment */
        DO(BPF_LDX | BPF_B | BPF_MSH, 0),
        DO(BPF_LD | BPF_B | BPF_IND, 0),
        IF(BPF_JEQ, ICMP_DEST_UNREACH, 4, 0),
        IF(BPF_JEQ, ICMP_SOURCE_QUENCH, 3, 0),
        IF(BPF_JEQ, ICMP_REDIRECT, 2, 0),
        IF(BPF_JEQ, ICMP_TIME_EXCEEDED, 1, 0),
        IF(BPF_JEQ, ICMP_PARAMETERPROB, 0, 4),
        DO(BPF_MISC | BPF_TXA, 0), /* the quoted packet */
        DO(BPF_ALU | BPF_ADD | BPF_K, 8),
        DO(BPF_MISC | BPF_TAX, 0),
        SKIP(1),
        DO(BPF_LDX | BPF_IMM, 0), /* the packet itself */
        DO(WORD_AT_X, 12),
        DO(BPF_ST, 0),
        DO(WORD_AT_X, 16),
        DO(BPF_LDX | BPF_MEM, 0),
        DO(XOR_X, 0),
        SKIP(50),
        /* IPv6 */
        DO(BYTE_AT, 6),
        IF(BPF_JEQ, IPPROTO_ICMPV6, 0, 4),
        DO(BYTE_AT, 40),
        IF(BPF_JGE, 128, 2, 0), /* errors are below */
        DO(BPF_LDX | BPF_IMM, 48),
        SKIP(1),
        DO(BPF_LDX | BPF_IMM, 0),
        DO(BPF_STX, 2),
        DO(BPF_LD | BPF_IMM, 0),
        DO(BPF_ST, 0),
        WORD_OF_IP6(0),
        WORD_OF_IP6(1),
        WORD_OF_IP6(2),
        WORD_OF_IP6(3),
        /* both: low bits decide, so high ones are brought down */
        FOLD(16),
        DO(TIMES, MIX),
        FOLD(15),
        DO(TIMES, MIX),
        FOLD(16),
        DO(BPF_RET | BPF_A, 0),
};

/* `group` and how, as the kernel wants them, without what this host itself sends where that is known. */
static int set_fanout(const struct afp *a, uint32_t group, uint32_t how)
{
        uint32_t plain = group | how << 16;
        uint32_t quiet = plain | (uint32_t)PACKET_FANOUT_FLAG_IGNORE_OUTGOING << 16;
        if (setsockopt(a->fd, SOL_PACKET, PACKET_FANOUT, &quiet, sizeof(quiet)) == 0)
                return 0;
        return setsockopt(a->fd, SOL_PACKET, PACKET_FANOUT, &plain, sizeof(plain));
}

/* The first queue gets a group that nobody else has, from the kernel: a number of our own making could be
 * another scan's, and each would get half of the other's answers. Until the program is there all frames are
 * the first queue's, which takes none yet. */
int afp_join_fanout(struct afp *a, const struct io_conf *c, struct io_caps *caps, struct err *e)
{
        const struct sock_fprog program = {.len = ARRAY_LEN(by_host), .filter = by_host};
        uint32_t group = 0, how = c->by_host ? PACKET_FANOUT_CBPF : PACKET_FANOUT_HASH;
        socklen_t size = sizeof(group);
        if (c->n_queues <= 1)
                return 0;
        int bad = c->queue ? set_fanout(a, c->fanout_id & 0xffff, how)
                           : set_fanout(a, 0, how | PACKET_FANOUT_FLAG_UNIQUEID);
        if (!bad && c->by_host && !c->queue)
                bad = setsockopt(a->fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof(program));
        if (bad || getsockopt(a->fd, SOL_PACKET, PACKET_FANOUT, &group, &size))
                return io_err_open(e, errno, "sharing frames between receive threads", c->name);
        caps->fanout_id = (uint16_t)group;
        return 0;
}
