// SPDX-License-Identifier: Apache-2.0
/*
 * steer: the hands of --rate auto: gathers the evidence from counters that the threads keep anyway, feeds the
 * controller four times a second, sets the rate, and at the end adds up what canaries and retries tell about
 * coverage. Everything here runs on the main thread but steer_due and steer_sent (transmit threads) and
 * steer_answer (receive threads). Invariant: a packet thread pays a look at one table slot and one counter of
 * its own for an answer, nothing for a probe.
 */
#include "steer.h"
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { FEED_NS = 250000000, RTT_BIN_MS = 50, RTT_BINS = 64 };
enum part { PART_LOSSY, PART_SEARCH, PART_HOLD, PARTS };

struct rx_seen { /* one per receive thread, only its owner writes */
        _Alignas(CACHE_LINE) _Atomic uint64_t timed[COVERAGE_SEEN], aged[COVERAGE_SEEN];
        _Atomic uint64_t rtt[RTT_BINS]; /* answers by round trip, RTT_BIN_MS each; the last holds the rest */
        _Atomic uint64_t prohibited;
};
struct drops { /* of our interfaces, since start; the kernel counts 32 bits here */
        uint64_t rx, tx;
        uint32_t rx_seen, tx_seen;
        bool known;
};
struct so_far { /* counters at the last feed */
        uint64_t frames, refused, received, dropped, prohibited, probes, waited_ns;
};
struct steer {
        bool on; /* --rate auto */
        bool no_reset;
        unsigned n_rx, retries;
        double retry_delay_s;
        /* The window has one time for 64 positions, the last one's: ages are too short by so much at most. 0:
         * too slow a scan for ages to tell the tries apart. */
        _Atomic uint32_t clock_ms;
        struct rx_seen *rx;
        struct auto_rate rate;
        struct canaries canaries;
        struct drops drops;
        struct so_far last;
        uint64_t feed_ns, gather_ns;
        bool held_up; /* since the last feed, probes waited for an output or a link */
        unsigned tag, step;
        struct canary_sums sums;
        /* coverage: what was sent, and what canaries said, by kind of step; `now`: the step that is going on
         */
        struct coverage_part part[PARTS], now;
        enum part now_kind;
        uint64_t lossy_seen;
};

int steer_new(struct steer **out, struct eng *g, struct err *e)
{
        size_t size = (sizeof(struct steer) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
        struct steer *s = aligned_alloc(CACHE_LINE, size);
        struct rx_seen *rx = aligned_alloc(CACHE_LINE, g->n_rx * sizeof(*rx));
        if (!s || !rx) {
                free(s);
                free(rx);
                return err_set(e, 0, "out of memory");
        }
        memset(s, 0, size);
        memset(rx, 0, g->n_rx * sizeof(*rx));
        s->rx = rx;
        s->n_rx = g->n_rx;
        s->retries = g->conf->retries;
        s->no_reset = g->conf->no_reset;
        s->retry_delay_s = g->conf->retry_delay_s;
        s->on = g->conf->rate_auto;
        for (unsigned i = 0; i < PARTS; i++)
                s->part[i].seen.tries = 2;
        if (s->on && canaries_init(&s->canaries, g->n_tx, e)) {
                steer_free(s);
                return -1;
        }
        if (s->on) { /* the search itself begins with the first probe: feed() */
                struct auto_rate start;
                auto_init(&start, g->conf->rate_pps, 0);
                rate_set(&g->rate, start.rate_pps);
        }
        *out = s;
        return 0;
}

void steer_free(struct steer *s)
{
        if (!s)
                return;
        canaries_free(&s->canaries);
        free(s->rx);
        free(s);
}

/* ---- packet threads ---- */
unsigned steer_due(struct steer *s, unsigned tx, struct canary_call *calls, unsigned most)
{
        return s->on ? canary_due(&s->canaries, tx, calls, most) : 0;
}

void steer_sent(struct steer *s, const struct canary_call *call, uint64_t now_ns)
{
        canary_sent(&s->canaries, call, now_ns);
}

/* RFC 1812 §5.2.7.1: network, host or communication administratively prohibited; RFC 4443 §3.1. */
static bool is_prohibited(const struct answer *a)
{
        if (a->who.ip.family == 6)
                return a->icmp_type == 1 && a->icmp_code == 1;
        return a->icmp_type == 3 && (a->icmp_code == 9 || a->icmp_code == 10 || a->icmp_code == 13);
}

/* What is left half open repeats its SYN-ACK, which would pass for the answer to a canary: only a time
 * stamp or a RST cannot. */
static bool may_be_canary(const struct steer *s, const struct answer *a)
{
        return s->on && (!s->no_reset || a->state != PORT_OPEN || a->rtt_us);
}

/* A first answer. Outside the window it is not known to be one. */
static void note_first(struct steer *s, struct rx_seen *mine, const struct steer_seen *x)
{
        uint32_t rtt_us = x->answer->rtt_us, rtt_ms = rtt_us ? rtt_us / 1000 : x->age_ms;
        if (rtt_us || !s->retries || rtt_ms < s->retry_delay_s * 1000) /* else a retry's, perhaps */
                COUNT(mine->rtt[MIN(rtt_ms / RTT_BIN_MS, (uint32_t)RTT_BINS - 1)], 1);
        uint32_t clock_ms = atomic_load_explicit(&s->clock_ms, memory_order_relaxed);
        if (!s->retries || !clock_ms)
                return;
        unsigned k = coverage_try_of(x->age_ms, clock_ms, rtt_us, s->retry_delay_s, s->retries);
        COUNT(*(rtt_us ? &mine->timed[k] : &mine->aged[k]), 1);
}

bool steer_answer(struct steer *s, unsigned rx, const struct steer_seen *x)
{
        struct rx_seen *mine = &s->rx[rx];
        const struct answer *a = x->answer;
        if (a->state <= PORT_FILTERED) {
                if (is_prohibited(a))
                        COUNT(mine->prohibited, 1);
                return false;
        }
        if (may_be_canary(s, a) && canary_heard(&s->canaries, x->index, a->state, x->now_ns, a->rtt_us))
                return true;
        if (x->inside && !x->again)
                note_first(s, mine, x);
        return false;
}

/* ---- evidence ---- */
static bool is_ours(const struct eng *g, const char *name)
{
        for (unsigned i = 0; i < g->n_devs; i++)
                if (g->devs[i].link && strcmp(g->devs[i].link->name, name) == 0)
                        return true;
        return false;
}

/* What our interfaces dropped, as the kernel tells with their addresses (rtnetlink's IFLA_STATS). */
static void look_at_interfaces(struct drops *d, const struct eng *g)
{
        struct ifaddrs *all;
        uint32_t rx = 0, tx = 0;
        if (getifaddrs(&all))
                return; /* the other counters are still there */
        for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
                const struct rtnl_link_stats *s = i->ifa_data;
                if (!s || !i->ifa_addr || i->ifa_addr->sa_family != AF_PACKET || !is_ours(g, i->ifa_name))
                        continue;
                rx += s->rx_dropped + s->rx_missed_errors + s->rx_fifo_errors;
                tx += s->tx_dropped + s->tx_errors;
        }
        freeifaddrs(all);
        if (d->known) {
                d->rx += (uint32_t)(rx - d->rx_seen);
                d->tx += (uint32_t)(tx - d->tx_seen);
        }
        d->rx_seen = rx;
        d->tx_seen = tx;
        d->known = true;
}

/* The time that nearly all first answers needed; 0: not known. */
static uint64_t usual_rtt_ns(const struct steer *s)
{
        uint64_t sum[RTT_BINS] = {0}, n = 0, seen = 0;
        for (unsigned i = 0; i < s->n_rx; i++)
                for (unsigned b = 0; b < RTT_BINS; b++)
                        sum[b] += atomic_load_explicit(&s->rx[i].rtt[b], memory_order_relaxed);
        for (unsigned b = 0; b < RTT_BINS; b++)
                n += sum[b];
        for (unsigned b = 0; b < RTT_BINS && n; b++)
                if ((seen += sum[b]) * 50 >= n * 49)
                        return (b + 1) * RTT_BIN_MS * NS_PER_MS;
        return 0;
}

static struct auto_evidence gather(struct steer *s, struct eng *g, uint64_t now_ns)
{
        struct totals t;
        struct so_far now = {0}, *last = &s->last;
        eng_totals(g, &t);
        look_at_interfaces(&s->drops, g);
        now.probes = t.probes;
        now.frames = t.probes + t.replies + atomic_load_explicit(&g->ask_count, memory_order_relaxed);
        now.refused = t.tx_errors + s->drops.tx;
        now.received = t.frames;
        now.dropped = t.missed + t.replies_dropped + s->drops.rx;
        for (unsigned i = 0; i < s->n_rx; i++)
                now.prohibited += atomic_load_explicit(&s->rx[i].prohibited, memory_order_relaxed);
        for (unsigned i = 0; i < g->n_tx; i++)
                now.waited_ns += atomic_load_explicit(&g->tx_count[i].waited_ns, memory_order_relaxed);
        uint64_t gap_ns = now_ns - s->gather_ns, waited_ns = now.waited_ns - last->waited_ns;
        /* replies are taken back when the link lost them */
        struct auto_evidence e = {.frames = now.frames - MIN(now.frames, last->frames),
                                  .refused = now.refused - last->refused,
                                  .received = now.received - last->received,
                                  .dropped = now.dropped - last->dropped,
                                  .prohibited = now.prohibited - last->prohibited,
                                  .canary = s->sums,
                                  .waited = waited_ns * 20 > gap_ns * g->n_tx,
                                  .held_up = s->held_up};
        s->gather_ns = now_ns;
        s->now.share += (double)(now.probes - last->probes);
        s->now.seen.heard[0] += s->sums.kept;
        s->now.seen.heard[1] += s->sums.lost;
        s->last = now;
        s->sums = (struct canary_sums){0};
        s->held_up = false;
        return e;
}

/* A step has ended: what it sent and learned goes to the steps of its kind. */
static void close_step(struct steer *s)
{
        struct coverage_part *to = &s->part[s->rate.lossy_frames > s->lossy_seen ? PART_LOSSY : s->now_kind];
        to->share += s->now.share;
        to->seen.heard[0] += s->now.seen.heard[0];
        to->seen.heard[1] += s->now.seen.heard[1];
        s->now = (struct coverage_part){0};
        s->now_kind = s->rate.phase == AUTO_HOLD ? PART_HOLD : PART_SEARCH;
        s->lossy_seen = s->rate.lossy_frames;
}

static void feed(struct steer *s, struct eng *g, uint64_t now_ns)
{
        char text[300];
        double before_pps = s->rate.rate_pps;
        struct auto_evidence e = gather(s, g, now_ns);
        if (!s->rate.start_ns) { /* the first probe has left: the search begins */
                if (!e.frames)
                        return;
                auto_init(&s->rate, g->conf->rate_pps, now_ns);
                s->now_kind = PART_SEARCH;
        } else {
                auto_feed(&s->rate, &e, now_ns);
        }
        if (s->step != auto_step(&s->rate)) {
                close_step(s);
                s->step = auto_step(&s->rate);
                s->tag++;
        }
        if (e.held_up)
                s->tag++; /* samples that overlap with it are no samples */
        if (s->rate.rate_pps < before_pps || s->rate.rate_pps > before_pps)
                rate_set(&g->rate, s->rate.rate_pps);
        if (auto_news(&s->rate, text, sizeof(text)))
                log_say(LOG_INFO, "%s", text);
}

void steer_tick(struct steer *s, struct eng *g, uint64_t now_ns)
{
        bool sending = atomic_load(&g->tx_running) > 0;
        double clock_s = 64 / rate_pps(&g->rate);
        atomic_store_explicit(&s->clock_ms,
                              clock_s * 4 <= s->retry_delay_s ? (uint32_t)(clock_s * 1000) + 5 : 0,
                              memory_order_relaxed);
        if (!s->on)
                return;
        /* At the end only retries are left, and they wait for their time. */
        s->held_up |= atomic_load(&g->tx_pause) || atomic_load(&g->link_out) ||
                      atomic_load(&g->window.next) >= g->pos_end;
        if (now_ns >= s->feed_ns)
                canaries_expect(&s->canaries, usual_rtt_ns(s));
        if (s->rate.start_ns)
                canary_tick(&s->canaries, sending ? auto_canary_pps(&s->rate, now_ns) : 0, s->tag, now_ns,
                            &s->sums);
        if (now_ns < s->feed_ns || !sending)
                return;
        s->feed_ns = now_ns + FEED_NS;
        feed(s, g, now_ns);
}

/* ---- what is told ---- */
static bool by_retries(struct steer *s, struct coverage_part *p)
{
        uint64_t timed[COVERAGE_SEEN] = {0}, aged[COVERAGE_SEEN] = {0};
        p->share = 1;
        for (unsigned i = 0; i < s->n_rx; i++)
                for (unsigned k = 0; k < COVERAGE_SEEN; k++) {
                        timed[k] += atomic_load_explicit(&s->rx[i].timed[k], memory_order_relaxed);
                        aged[k] += atomic_load_explicit(&s->rx[i].aged[k], memory_order_relaxed);
                }
        return coverage_of_answers(timed, aged, s->retries, &p->seen);
}

void steer_coverage(struct steer *s, struct eng *g, struct coverage *c)
{
        struct coverage_part retries, parts[PARTS];
        uint64_t found = atomic_load(&g->tally.open) + atomic_load(&g->tally.closed);
        if (by_retries(s, &retries)) {
                coverage_estimate(c, COVERAGE_RETRIES, &retries, 1, found, s->retries + 1);
                return;
        }
        memcpy(parts, s->part, sizeof(parts));
        parts[s->now_kind].share += s->now.share;
        for (unsigned k = 0; k < 2; k++)
                parts[s->now_kind].seen.heard[k] += s->now.seen.heard[k];
        coverage_estimate(c, s->on ? COVERAGE_CANARIES : COVERAGE_NONE, parts, PARTS, found, s->retries + 1);
}

void steer_summary(struct steer *s, struct eng *g)
{
        char text[400];
        struct coverage c;
        if (s->on && s->rate.start_ns) {
                auto_text(&s->rate, text, sizeof(text));
                log_say(LOG_INFO, "%s", text);
        }
        steer_coverage(s, g, &c);
        coverage_text(&c, text, sizeof(text));
        log_say(c.basis == COVERAGE_NONE ? LOG_VERBOSE : LOG_INFO, "%s", text);
}

const char *steer_json(struct steer *s, struct eng *g, char out[STEER_JSON_MAX])
{
        char text[256];
        struct coverage c;
        struct wr w = wr_of(out, STEER_JSON_MAX - 1);
        const struct auto_rate *a = &s->rate;
        steer_coverage(s, g, &c);
        coverage_json(&c, text, sizeof(text));
        if (s->on)
                wr_fmt(&w,
                       "\"auto\":{\"phase\":\"%s\",\"rate_pps\":%.1f,\"ceiling_pps\":%.1f,\"knee_pps\":%.1f,"
                       "\"settled\":%s,\"canaries\":%llu,\"interface_drops\":%llu},",
                       auto_phase_name(a->phase), a->rate_pps, a->ceiling_pps, a->knee_pps,
                       a->settled_ns ? "true" : "false", (unsigned long long)a->samples,
                       (unsigned long long)(s->drops.rx + s->drops.tx));
        else
                wr_str(&w, "\"auto\":null,");
        wr_fmt(&w, "\"coverage\":%s", text);
        *w.p = 0;
        return out;
}
