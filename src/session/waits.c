// SPDX-License-Identifier: Apache-2.0
/*
 * waits: how long silence has to last before it counts. Who is far away, or busy because of us, answers late:
 * so the time from a hello to the first byte is smoothed over all services of a set as RFC 6298 §2 does it
 * for one connection, and no wait is shorter than that. Asked by tries.c, talk.c and tls_glue.c. Invariant: a
 * wait is at least what the user gave and at most --connection-timeout; only answered hellos are counted.
 */
#include "session_priv.h"

enum { HUSHED = 16 /* services of one address that three hellos drew no word from */ };
#define TICK_NS (16 * NS_PER_MS) /* two bytes of these are a quarter of an hour */

void wait_asked(struct session *s, uint64_t now_ns)
{
        s->asked_ticks = (uint16_t)(now_ns / TICK_NS);
}

void wait_answered(struct session_set *set, const struct session *s)
{
        uint64_t r_ns = (uint16_t)(set->now_ns / TICK_NS - s->asked_ticks) * TICK_NS;
        if (!set->rtt_known) {
                set->rtt_known = true;
                set->srtt_ns = r_ns;
                set->rttvar_ns = r_ns / 2;
                return;
        }
        uint64_t off_ns = MAX(set->srtt_ns, r_ns) - MIN(set->srtt_ns, r_ns);
        set->rttvar_ns = (3 * set->rttvar_ns + off_ns) / 4;
        set->srtt_ns = (7 * set->srtt_ns + r_ns) / 8;
}

static uint64_t adapted(const struct session_set *set, uint64_t least_ns)
{
        uint64_t ns = MAX(least_ns, set->srtt_ns + 4 * set->rttvar_ns);
        return MIN(ns, MAX(set->conf.total_ns, ANSWER_NS));
}

uint64_t wait_answer(const struct session_set *set)
{
        return adapted(set, MAX(set->conf.hello_wait_ns, ANSWER_NS));
}

uint64_t wait_likely(const struct session_set *set)
{
        uint64_t once_ns = wait_answer(set);
        return MAX(once_ns, MIN(PATIENCE * once_ns, set->conf.total_ns / 2));
}

/* Its next segment may be lost time and again, and the peer doubles its RTO each time: the user's word
 * counts. */
uint64_t wait_rest(const struct session_set *set)
{
        return MAX(wait_likely(set), set->conf.hello_wait_ns);
}

uint64_t wait_hello(const struct session_set *set, const struct session *s)
{
        if (hello_usual(set, s))
                return wait_likely(set);
        /* Hellos that are long shots: there are many of them. */
        if (s->silent >= SILENT_FEW)
                return adapted(set, ANSWER_NS);
        return wait_answer(set);
}

uint64_t wait_greeting(const struct session_set *set, const struct session *s)
{
        bool known, inside = s->flags & F_INSIDE, likely = port_speaks_first(s->who.port) && !hello_wake(s);
        tls_port_inner(s->who.port, &known);
        if ((inside ? known : likely) || s->flags & F_GREET)
                return adapted(set, PATIENCE * set->conf.hello_wait_ns);
        return adapted(set, inside ? INNER_NS : set->conf.hello_wait_ns);
}

/* ---- addresses where whatever is open says nothing: a tarpit, or a filter that answers for all ---- */

static struct hush *hush_of(struct session_set *set, const struct session *s)
{
        struct sip h = sip_start(set->key);
        sip_absorb(&h, s->who.ip.hi);
        sip_absorb(&h, s->who.ip.lo);
        uint64_t who = sip_finish(&h, 0, 16);
        struct hush *at = &set->hush[who % HUSH_MAP];
        if (at->who != who)
                *at = (struct hush){.who = who};
        return at;
}

void hush_note(struct session_set *set, const struct session *s)
{
        struct hush *h = hush_of(set, s);
        if (h->silent < UINT16_MAX)
                h->silent++;
}

void hush_undo(struct session_set *set, const struct session *s)
{
        struct hush *h = hush_of(set, s);
        if (h->silent)
                h->silent--;
}

bool hushed(struct session_set *set, const struct session *s)
{
        return hush_of(set, s)->silent > HUSHED;
}
