// SPDX-License-Identifier: Apache-2.0
/*
 * hosts: how many connections each address has, for the limit per host. An open hash table of 64-bit words,
 *
 *      63                                   16 15          0
 *      | 48 bits of the address's keyed hash  | how many    |     0: nobody
 *
 * asked by table.c at a connection's beginning and end. Invariant: a word lies between its home, told by the
 * hash's upper bits, and the next empty place, so removal closes the gap behind it. Two addresses whose 48
 * bits agree would share a limit; nobody can aim at that without the key. Knuth, The Art of Computer
 * Programming 6.4 R.
 */
#include "stack/stack_priv.h"

int tcp_hosts_init(struct stack *s, struct err *e)
{
        if (!s->conf.per_host)
                return 0;
        s->n_hosts = (uint64_t)s->conf.max_conns * 5 / 4 + 64;
        s->hosts = tcp_reserve(s->n_hosts * sizeof(*s->hosts), "the count of connections per host", e);
        return s->hosts ? 0 : -1;
}

static uint64_t print_of(const struct stack *s, const struct tcp_key *k)
{
        uint64_t w[3] = {k->them_hi, k->them_lo, (uint64_t)k->zone << 1 | k->six};
        return siphash_words(s->key, w, 3) >> 16;
}

static uint64_t home_of(const struct stack *s, uint64_t print)
{
        return place_in(s->n_hosts, (uint32_t)(print >> 16));
}

static uint64_t after(const struct stack *s, uint64_t i)
{
        return i + 1 == s->n_hosts ? 0 : i + 1;
}

/* From one place on to another, going round. */
static uint64_t distance(const struct stack *s, uint64_t from, uint64_t to)
{
        return to >= from ? to - from : to + s->n_hosts - from;
}

/* Where the address is, or the empty place where it would go. */
static uint64_t place_of(const struct stack *s, uint64_t print)
{
        uint64_t i = home_of(s, print);
        while (s->hosts[i] && s->hosts[i] >> 16 != print)
                i = after(s, i);
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
        for (uint64_t i = after(s, hole); s->hosts[i]; i = after(s, i)) {
                uint64_t home = home_of(s, s->hosts[i] >> 16);
                if (distance(s, home, i) < distance(s, hole, i))
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
