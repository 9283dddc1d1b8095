// SPDX-License-Identifier: Apache-2.0
/*
 * hosts: how many connections each address has, for the limit per host. An open hash table of 64-bit words,
 *
 *      63                                   16 15          0
 *      | 48 bits of the address's keyed hash  | how many    |     0: nobody
 *
 * asked by table.c at a connection's beginning and end. Invariant: a word lies between its home, the hash's
 * low bits, and the next empty place, so removal closes the gap behind it. Two addresses whose 48 bits agree
 * would share a limit; nobody can aim at that without the key. Knuth, The Art of Computer Programming 6.4 R.
 */
#include "stack/stack_priv.h"

int tcp_hosts_init(struct stack *s, struct err *e)
{
        uint64_t n = 1024;
        if (!s->conf.per_host)
                return 0;
        while (n < (uint64_t)s->conf.max_conns * 2)
                n *= 2;
        s->hosts_mapped = n * sizeof(*s->hosts);
        s->hosts = tcp_reserve(s->hosts_mapped, "the count of connections per host", e);
        s->host_mask = n - 1;
        return s->hosts ? 0 : -1;
}

static uint64_t print_of(const struct stack *s, const struct tcp_key *k)
{
        uint64_t w[3] = {k->them_hi, k->them_lo, (uint64_t)k->zone << 1 | k->six};
        return siphash_words(s->key, w, 3) >> 16;
}

/* Where the address is, or the empty place where it would go. */
static uint64_t place_of(const struct stack *s, uint64_t print)
{
        uint64_t i = print & s->host_mask;
        while (s->hosts[i] && s->hosts[i] >> 16 != print)
                i = (i + 1) & s->host_mask;
        return i;
}

bool tcp_host_take(struct stack *s, const struct tcp_key *k)
{
        if (!s->hosts)
                return true;
        uint64_t print = print_of(s, k), i = place_of(s, print), n = s->hosts[i] & 0xffff;
        if (n >= MIN(s->conf.per_host, 0xffffu))
                return false;
        s->hosts[i] = print << 16 | (n + 1);
        return true;
}

static void remove_at(struct stack *s, uint64_t hole)
{
        uint64_t mask = s->host_mask;
        for (uint64_t i = (hole + 1) & mask; s->hosts[i]; i = (i + 1) & mask) {
                uint64_t home = s->hosts[i] >> 16 & mask;
                if (((i - home) & mask) < ((i - hole) & mask))
                        continue; /* moving it would put it before its home */
                s->hosts[hole] = s->hosts[i];
                hole = i;
        }
        s->hosts[hole] = 0;
}

void tcp_host_give(struct stack *s, const struct tcp_key *k)
{
        if (!s->hosts)
                return;
        uint64_t i = place_of(s, print_of(s, k));
        assert((s->hosts[i] & 0xffff) > 0);
        if ((--s->hosts[i] & 0xffff) == 0)
                remove_at(s, i);
}
