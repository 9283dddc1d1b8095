// SPDX-License-Identifier: Apache-2.0
/*
 * ports: a set of flat ports (protocol and port in one number, see the enum in target.h): a bitmap, the
 * ascending list of its members, and a rank per word, so that both directions of the plan's index cost a few
 * instructions. Invariant: list and ranks always describe the bitmap; every change ends in rebuild().
 */
#include "target/plan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(TGT_PORTS_MAX % 64 == 0, "the bitmap has whole words");

/* IP-protocol probes carry the number in `port` under a protocol number that is reserved (255). */
enum { PROTO_ARP = 0, PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_SCTP = 132, PROTO_ANY = 255 };

struct tgt_ports {
        uint64_t bits[PORT_WORDS];
        uint32_t rank[PORT_WORDS]; /* members below this word */
        uint32_t *list;
        size_t n, cap;
};

int tgt_ports_new(struct tgt_ports **out, struct err *e)
{
        *out = calloc(1, sizeof(**out));
        return *out ? 0 : err_set(e, ENOMEM, "out of memory for a port list");
}

void tgt_ports_free(struct tgt_ports *p)
{
        if (!p)
                return;
        free(p->list);
        free(p);
}

static int rebuild(struct tgt_ports *p, struct err *e)
{
        size_t n = 0;
        for (size_t w = 0; w < PORT_WORDS; w++)
                n += (size_t)__builtin_popcountll(p->bits[w]);
        if (mem_grow(&p->list, &p->cap, n, sizeof(*p->list), e))
                return -1;
        p->n = 0;
        for (uint32_t w = 0; w < PORT_WORDS; w++) {
                p->rank[w] = (uint32_t)p->n;
                for (uint64_t left = p->bits[w]; left; left &= left - 1)
                        p->list[p->n++] = w * 64 + (uint32_t)__builtin_ctzll(left);
        }
        return 0;
}

static void set_bit(struct tgt_ports *p, uint32_t flat)
{
        p->bits[flat / 64] |= 1ull << flat % 64;
}

int ports_join(struct tgt_ports *p, const uint64_t *bits, struct err *e)
{
        for (size_t w = 0; w < PORT_WORDS; w++)
                p->bits[w] |= bits[w];
        return rebuild(p, e);
}

int ports_cut(struct tgt_ports *p, const uint64_t *bits, struct err *e)
{
        for (size_t w = 0; w < PORT_WORDS; w++)
                p->bits[w] &= ~bits[w];
        return rebuild(p, e);
}

int ports_copy(struct tgt_ports **out, const struct tgt_ports *from, struct err *e)
{
        if (tgt_ports_new(out, e))
                return -1;
        return ports_join(*out, from->bits, e); /* on failure the caller frees *out */
}

int tgt_ports_add_top(struct tgt_ports *p, uint32_t n, uint32_t base, struct err *e)
{
        const uint16_t *top = base == TGT_UDP ? tgt_top_udp : tgt_top_tcp;
        size_t most = base == TGT_UDP ? tgt_top_udp_n : tgt_top_tcp_n;
        assert(base == TGT_TCP || base == TGT_UDP);
        if (n > most)
                return err_set(
                        e, 0,
                        "top-ports %u is more than the %zu %s ports that are ranked; give a lower number", n,
                        most, base == TGT_UDP ? "UDP" : "TCP");
        for (uint32_t i = 0; i < n; i++)
                set_bit(p, base + top[i]);
        return rebuild(p, e);
}

size_t tgt_ports_count(const struct tgt_ports *p)
{
        return p->n;
}

bool tgt_ports_has(const struct tgt_ports *p, uint32_t flat)
{
        return flat < TGT_PORTS_MAX && (p->bits[flat / 64] >> flat % 64 & 1);
}

uint32_t tgt_ports_at(const struct tgt_ports *p, size_t i)
{
        assert(i < p->n);
        return p->list[i];
}

const uint32_t *ports_list(const struct tgt_ports *p)
{
        return p->list;
}

bool ports_rank(const struct tgt_ports *p, uint32_t flat, uint32_t *rank)
{
        if (!tgt_ports_has(p, flat))
                return false;
        uint64_t below = p->bits[flat / 64] & ((1ull << flat % 64) - 1);
        *rank = p->rank[flat / 64] + (uint32_t)__builtin_popcountll(below);
        return true;
}

uint64_t ports_hash(const struct tgt_ports *p)
{
        uint64_t h = 1;
        for (size_t w = 0; w < PORT_WORDS; w++)
                h = hash_mix64(h * 3 + p->bits[w]);
        return h;
}

/* ---- flat <-> protocol and port ---- */

struct target port_split(uint32_t flat)
{
        if (flat < TGT_UDP)
                return (struct target){.proto = PROTO_TCP, .port = (uint16_t)flat};
        if (flat < TGT_SCTP)
                return (struct target){.proto = PROTO_UDP, .port = (uint16_t)(flat - TGT_UDP)};
        if (flat < TGT_ICMP_ECHO)
                return (struct target){.proto = PROTO_SCTP, .port = (uint16_t)(flat - TGT_SCTP)};
        if (flat == TGT_ICMP_ECHO || flat == TGT_ICMP_TIME)
                return (struct target){.proto = PROTO_ICMP, .port = (uint16_t)(flat - TGT_ICMP_ECHO)};
        if (flat == TGT_ARP)
                return (struct target){.proto = PROTO_ARP};
        return (struct target){.proto = PROTO_ANY, .port = (uint16_t)(flat - TGT_IPPROTO)};
}

uint32_t tgt_flat_port(const struct target *t)
{
        switch (t->proto) {
        case PROTO_TCP:
                return TGT_TCP + t->port;
        case PROTO_UDP:
                return TGT_UDP + t->port;
        case PROTO_SCTP:
                return TGT_SCTP + t->port;
        case PROTO_ICMP:
                return t->port <= 1 ? TGT_ICMP_ECHO + t->port : TGT_PORTS_MAX;
        case PROTO_ARP:
                return TGT_ARP;
        case PROTO_ANY:
                return t->port <= 255 ? TGT_IPPROTO + t->port : TGT_PORTS_MAX;
        default:
                return TGT_PORTS_MAX; /* in no set */
        }
}

/* ---- text ---- */

static const struct section {
        const char *prefix;
        uint32_t first, last, base; /* of flat ports; base: what 0 stands for in the text */
} sections[] = {
        {"", TGT_TCP, TGT_UDP - 1, TGT_TCP},
        {"U:", TGT_UDP, TGT_SCTP - 1, TGT_UDP},
        {"S:", TGT_SCTP, TGT_ICMP_ECHO - 1, TGT_SCTP},
        {"I:", TGT_ICMP_ECHO, TGT_IPPROTO - 1, TGT_ICMP_ECHO},
        {"O:", TGT_IPPROTO, TGT_PORTS_MAX - 1, TGT_IPPROTO},
};

static void put_runs(struct wr *w, const struct tgt_ports *p, const struct section *s, size_t *i)
{
        const char *prefix = s->prefix;
        while (*i < p->n && p->list[*i] <= s->last) {
                uint32_t first = p->list[*i], last = first;
                while (++*i < p->n && p->list[*i] == last + 1 && p->list[*i] <= s->last)
                        last++;
                if (wr_len(w))
                        wr_u8(w, ',');
                wr_str(w, prefix);
                wr_dec(w, first - s->base);
                if (last > first) {
                        wr_u8(w, '-');
                        wr_dec(w, last - s->base);
                }
                prefix = "";
        }
}

char *tgt_ports_format(const struct tgt_ports *p)
{
        size_t cap = p->n * 8 + 32,
               i = 0; /* "65535," or "U:65534-65535," for two: never above 8 a port + prefixes */
        char *out = malloc(cap);
        if (!out)
                return NULL;
        struct wr w = wr_of(out, cap - 1);
        for (size_t s = 0; s < ARRAY_LEN(sections); s++)
                put_runs(&w, p, &sections[s], &i);
        assert(!w.full && i == p->n);
        out[wr_len(&w)] = 0;
        return out;
}
