// SPDX-License-Identifier: Apache-2.0
/*
 * The controller of --rate auto against simulated networks: a knee, a policer with a bucket, random loss that
 * has nothing to do with the rate, counters that tick for other reasons, targets that stop answering,
 * firewalls that begin to prohibit. Every network is searched many times with other seeds: the settled rate
 * is at most 15 % under the true knee and never above it.
 */
#include "engine/auto.h"
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { FEED_NS = 250000000, WAIT_NS = 600000000, PIPE = 8 };
static const uint64_t start_ns = 5 * NS_PER_S;

struct net {
        double knee_pps;     /* more than this is dropped; 0: no knee */
        double bucket_s;     /* a policer: so many seconds of the knee may pass above it first */
        double loss;         /* of each round trip, whatever the rate */
        double noise;        /* drop counts a second that mean nothing */
        double rx_knee_pps;  /* this machine loses frames above it, and counts them */
        double machine_pps;  /* and sends no faster; 0: as fast as asked */
        double clogs;        /* asked for twice as much, it sends so much less: 1 is half of machine_pps */
        double busy_s;       /* from then on, for 4 s, others leave it a quarter of that; 0: never */
        double dies;         /* share of canaries that go silent, per probe */
        double hit;          /* share of probes that are answered */
        double prohibit_pps; /* above it ICMP "prohibited" comes for half the probes */
        double known_pps;    /* canaries known per second limit how many can be probed; 0: enough */
        double later_s, later_knee_pps, later_loss; /* then the network becomes another */
};

struct run {
        struct auto_rate a;
        uint64_t rng, now_ns, held_since_ns;
        double bucket, sent, lost, held_pps, settled_pps;
        unsigned flights;
        struct flight { /* canaries of one interval, until both tries are over */
                uint64_t due_ns;
                unsigned step;
                struct canary_sums sums;
        } flight[PIPE];
};

static double draw(struct run *r) /* uniform on (0, 1) */
{
        r->rng += 0x9e3779b97f4a7c15ull;
        return ((double)(hash_mix64(r->rng) >> 11) + 0.5) / 9007199254740992.0;
}

static double gauss(struct run *r)
{
        return sqrt(-2 * log(draw(r))) * cos(6.283185307179586 * draw(r));
}

static uint64_t poisson(struct run *r, double mean)
{
        double x = floor(mean + sqrt(mean) * gauss(r) + 0.5), p = exp(-mean), sum = p, u;
        if (mean > 30)
                return x < 0 ? 0 : (uint64_t)x;
        u = draw(r);
        uint64_t k = 0;
        for (; u > sum && k < 200; sum += p)
                p *= mean / (double)++k;
        return k;
}

/* Share that the bottleneck drops of what is sent at pps for dt seconds. */
static double overload(struct run *r, const struct net *n, double pps, double dt)
{
        double knee = n->knee_pps, out = pps * dt;
        if (knee <= 0)
                return 0;
        r->bucket = MIN(r->bucket + knee * dt, knee * (n->bucket_s + dt));
        double pass = MIN(out, r->bucket);
        r->bucket -= pass;
        return out > 0 ? 1 - pass / out : 0;
}

static void send_canaries(struct run *r, const struct net *n, double fails, double dt)
{
        double pps = auto_canary_pps(&r->a, r->now_ns);
        struct flight *f = NULL;
        for (unsigned i = 0; i < PIPE && !f; i++)
                f = r->flight[i].due_ns ? NULL : &r->flight[i];
        assert_non_null(f);
        *f = (struct flight){.due_ns = r->now_ns + 2 * WAIT_NS, .step = auto_step(&r->a)};
        for (uint64_t k = poisson(r, (n->known_pps > 0 ? MIN(pps, n->known_pps) : pps) * dt); k; k--) {
                if (draw(r) < n->dies)
                        f->sums.gone++;
                else if (draw(r) >= fails)
                        f->sums.kept++;
                else if (draw(r) >= fails)
                        f->sums.lost++;
                else
                        f->sums.gone++;
        }
}

static void land(struct run *r, struct auto_evidence *e)
{
        for (unsigned i = 0; i < PIPE; i++) {
                struct flight *f = &r->flight[i];
                if (!f->due_ns || f->due_ns > r->now_ns)
                        continue;
                if (f->step == auto_step(&r->a)) {
                        e->canary.kept += f->sums.kept;
                        e->canary.lost += f->sums.lost;
                        e->canary.gone += f->sums.gone;
                }
                f->due_ns = 0;
        }
}

static double able(const struct run *r, const struct net *n, double asked)
{
        double since_s = (double)(r->now_ns - start_ns) / 1e9 - n->busy_s;
        double most = n->machine_pps * (n->busy_s > 0 && since_s >= 0 && since_s < 4 ? 0.25 : 1);
        return n->machine_pps <= 0 || asked <= most ? asked : most / (1 + n->clogs * (asked / most - 1));
}

static void interval(struct run *r, const struct net *n)
{
        double dt = FEED_NS / 1e9, asked = r->a.rate_pps;
        double pps = able(r, n, asked);
        double over = overload(r, n, pps, dt), through = (1 - over) * (1 - n->loss);
        struct auto_evidence e = {.frames = poisson(r, pps * dt)};
        r->now_ns += FEED_NS;
        uint64_t back = poisson(r, pps * dt * n->hit * through);
        double room = n->rx_knee_pps > 0 ? n->rx_knee_pps * n->hit * dt : 1e18, rx_loss = 0;
        if (pps * dt * n->hit * through > room) {
                rx_loss = 1 - room / (pps * dt * n->hit * through);
                e.dropped = (uint64_t)((double)back * rx_loss);
        }
        e.received = back - e.dropped;
        e.dropped += poisson(r, n->noise * dt);
        if (n->prohibit_pps > 0 && pps > n->prohibit_pps)
                e.prohibited = poisson(r, pps * dt / 2);
        e.prohibited += poisson(r, pps * dt * 0.001);
        r->sent += pps * dt;
        r->lost += pps * dt * (over + (1 - over) * rx_loss);
        send_canaries(r, n, 1 - through * (1 - rx_loss), dt);
        land(r, &e);
        auto_feed(&r->a, &e, r->now_ns);
}

/* Searches for span_s; settled_pps: the last rate that was held for 20 s on end. */
static void search(struct run *r, struct net n, double ceiling, double span_s, uint64_t seed)
{
        memset(r, 0, sizeof(*r));
        r->rng = seed * 1000003;
        r->now_ns = start_ns;
        r->bucket = n.knee_pps * n.bucket_s;
        auto_init(&r->a, ceiling, start_ns);
        while ((double)(r->now_ns - start_ns) / 1e9 < span_s) {
                if (n.later_s > 0 && (double)(r->now_ns - start_ns) / 1e9 > n.later_s) {
                        n.knee_pps = n.later_knee_pps;
                        n.loss = n.later_loss;
                        n.later_s = 0;
                }
                interval(r, &n);
                bool same = r->a.phase == AUTO_HOLD && fabs(r->a.rate_pps - r->held_pps) < 1e-9;
                r->held_since_ns = same ? r->held_since_ns : r->now_ns;
                r->held_pps = r->a.phase == AUTO_HOLD ? r->a.rate_pps : 0;
                if (same && r->now_ns - r->held_since_ns > 20 * NS_PER_S)
                        r->settled_pps = r->a.rate_pps;
        }
}

struct many {
        double lowest, highest, settle_s, slowest_s, lost, outside;
};
enum { RUNS = 60 };

static double most(double a, double b)
{
        return a > b ? a : b;
}

static struct many searches(struct net n, double ceiling, double span_s, double least, double highest)
{
        struct many m = {.lowest = 1e18};
        for (unsigned i = 1; i <= RUNS; i++) {
                struct run r;
                search(&r, n, ceiling, span_s, i);
                double s = r.a.settled_ns ? (double)(r.a.settled_ns - start_ns) / 1e9 : span_s;
                m.lowest = MIN(m.lowest, r.settled_pps);
                m.highest = most(m.highest, r.settled_pps);
                m.slowest_s = most(m.slowest_s, s);
                m.settle_s += s / RUNS;
                m.lost = most(m.lost, r.lost / r.sent);
                m.outside += r.settled_pps < least || r.settled_pps > highest;
        }
        return m;
}

/* ---- networks that have a highest rate without loss ---- */
static const struct {
        const char *what;
        struct net net;
        double ceiling, span_s, knee; /* the rate to be found, */
        double above;                 /* and how far above it is still right */
        double settle_s, lost;        /* by then half of them have settled; at most so much was lost */
        unsigned outliers;            /* runs of 60 that may end outside, where chance is that strong */
} networks[] = {
        {"a knee", {.knee_pps = 3000, .hit = 0.05}, 10000, 240, 3000, 1, 60, 0.03, 0},
        {"a knee and 2 % loss",
         {.knee_pps = 3000, .loss = 0.02, .hit = 0.05},
         10000,
         240,
         3000,
         1,
         80,
         0.04,
         0},
        {"a knee and 10 % loss",
         {.knee_pps = 3000, .loss = 0.1, .hit = 0.05},
         10000,
         240,
         3000,
         1,
         160,
         0.06,
         2},
        {"near the ceiling", {.knee_pps = 8700, .hit = 0.05}, 10000, 240, 8700, 1, 45, 0.02, 0},
        {"near it, 2 % loss",
         {.knee_pps = 8700, .loss = 0.02, .hit = 0.05},
         10000,
         240,
         8700,
         1,
         60,
         0.02,
         0},
        {"near it, 10 % loss",
         {.knee_pps = 8700, .loss = 0.1, .hit = 0.05},
         10000,
         240,
         8700,
         1,
         130,
         0.03,
         1},
        {"just above the start",
         {.knee_pps = 1300, .loss = 0.02, .hit = 0.05},
         10000,
         240,
         1300,
         1,
         90,
         0.05,
         0},
        {"below the start",
         {.knee_pps = 400, .loss = 0.02, .hit = 0.05},
         10000,
         240,
         400,
         1.01,
         150,
         0.12,
         2},
        {"a million", {.knee_pps = 1e6, .loss = 0.02, .hit = 0.05}, 1e7, 120, 1e6, 1, 45, 0.03, 0},
        {"none", {.hit = 0.05}, 10000, 60, 10000, 1, 30, 0.001, 0},
        {"none, 2 % loss", {.loss = 0.02, .hit = 0.05}, 10000, 90, 10000, 1, 30, 0.001, 0},
        {"none, 10 % loss", {.loss = 0.1, .hit = 0.05}, 10000, 240, 10000, 1, 60, 0.001, 2},
        {"a policer, 3 s deep",
         {.knee_pps = 4000, .bucket_s = 3, .hit = 0.05},
         10000,
         240,
         4000,
         1.05,
         60,
         0.08,
         1},
        {"a policer, 10 s deep",
         {.knee_pps = 4000, .bucket_s = 10, .hit = 0.05},
         10000,
         240,
         4000,
         1.05,
         60,
         0.05,
         1},
        {"noisy counters", {.noise = 20, .hit = 0.05}, 10000, 60, 10000, 1, 30, 0.001, 0},
        {"noise and a knee",
         {.knee_pps = 4000, .noise = 20, .hit = 0.05},
         10000,
         240,
         4000,
         1.01,
         60,
         0.05,
         0},
        {"this machine's knee",
         {.rx_knee_pps = 4000, .noise = 20, .hit = 0.3},
         10000,
         240,
         4000,
         1,
         60,
         0.04,
         0},
        {"targets go silent",
         {.knee_pps = 4000, .loss = 0.02, .dies = 0.2, .hit = 0.05},
         10000,
         240,
         4000,
         1,
         90,
         0.05,
         0},
        {"few are known",
         {.knee_pps = 5000, .known_pps = 5, .hit = 0.05},
         10000,
         600,
         5000,
         1.03,
         300,
         0.06,
         2},
        {"this machine is slow", {.machine_pps = 3e6, .hit = 0.05}, 1e7, 90, 3e6, 1, 30, 0.001, 0},
        {"slower when pressed",
         {.machine_pps = 3e6, .clogs = 0.8, .hit = 0.05},
         1e7,
         90,
         3e6,
         1,
         30,
         0.001,
         0},
        {"busy for a while",
         {.machine_pps = 3e6, .clogs = 0.3, .busy_s = 14, .hit = 0.05},
         1e7,
         100,
         3e6,
         1,
         50,
         0.001,
         0},
        {"it gets worse",
         {.knee_pps = 8000, .hit = 0.05, .later_s = 60, .later_knee_pps = 4000},
         10000,
         240,
         4000,
         1,
         60,
         0.05,
         0},
        {"it gets better",
         {.knee_pps = 4000, .hit = 0.05, .later_s = 60, .later_knee_pps = 8000},
         10000,
         300,
         8000,
         1,
         60,
         0.03,
         0},
        {"loss comes up",
         {.knee_pps = 8000, .hit = 0.05, .later_s = 60, .later_knee_pps = 8000, .later_loss = 0.1},
         10000,
         400,
         8000,
         1,
         60,
         0.03,
         2},
};

static void finds_the_knee(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
                double knee = networks[i].knee;
                struct many m = searches(networks[i].net, networks[i].ceiling, networks[i].span_s,
                                         0.85 * knee, networks[i].above * knee);
                printf("# %-22s knee %7.0f: settled at %.0f to %.0f after %.0f s (slowest %.0f), up to %.2f "
                       "%% lost, "
                       "%.0f outside\n",
                       networks[i].what, knee, m.lowest, m.highest, m.settle_s, m.slowest_s, 100 * m.lost,
                       m.outside);
                if (m.outside > networks[i].outliers || m.settle_s > networks[i].settle_s ||
                    m.lost > networks[i].lost)
                        fail_msg("%s", networks[i].what);
        }
}

/* ---- evidence that is not there, or says something else ---- */
static void feed_for(struct auto_rate *a, const struct auto_evidence *e, double seconds, uint64_t *now_ns)
{
        for (double s = 0; s < seconds; s += FEED_NS / 1e9)
                auto_feed(a, e, *now_ns += FEED_NS);
}

static void knows_nothing_and_stays(void **state)
{
        struct auto_rate a;
        uint64_t now_ns = start_ns;
        char text[300];
        (void)state;
        auto_init(&a, 1e6, now_ns);
        assert_true(a.rate_pps > 9999 && a.rate_pps < 10001);
        feed_for(&a, &(struct auto_evidence){.frames = 2500}, 300, &now_ns);
        assert_true(a.rate_pps > 9999 && a.rate_pps < 10001);
        assert_false(auto_news(&a, text, sizeof(text)));
        auto_text(&a, text, sizeof(text));
        assert_non_null(strstr(text, "still searching at 10000"));
        assert_non_null(strstr(text, "too few targets have answered"));
}

static void bounds(void **state)
{
        static const double ceilings[] = {0.1, 5, 50, 499, 1000, 1e5, 5e7};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(ceilings); i++) {
                struct auto_rate a;
                uint64_t now_ns = start_ns;
                auto_init(&a, ceilings[i], now_ns);
                struct auto_evidence e = {.frames = 1, .canary.kept = 100};
                assert_true(a.rate_pps <= ceilings[i]);
                for (unsigned k = 0; k < 200; k++) {
                        now_ns += FEED_NS;
                        e.frames = (uint64_t)(a.rate_pps * FEED_NS / 1e9) + 1;
                        double pps = auto_feed(&a, &e, now_ns), canaries = auto_canary_pps(&a, now_ns);
                        assert_true(pps <= ceilings[i] * 1.000001);
                        assert_true(canaries <= 500 && canaries <= 0.05 * pps + 1e-9);
                        assert_true(pps < 2500 || canaries <= 0.02 * pps + 1e-9);
                }
                assert_true(a.phase == AUTO_HOLD && a.reason == AUTO_CEILING);
        }
}

static void transients_do_not_count(void **state)
{
        struct auto_rate a;
        uint64_t now_ns = start_ns;
        (void)state;
        auto_init(&a, 10000, now_ns);
        assert_true(auto_canary_pps(&a, now_ns) <= 0);
        unsigned step = auto_step(&a);
        auto_feed(&a, &(struct auto_evidence){.frames = 100, .canary.kept = 500}, now_ns += FEED_NS);
        assert_int_equal(auto_step(&a), step);
        assert_int_equal(a.samples, 0);
        /* probes that wait for an output tell nothing about the network, however long it takes */
        feed_for(&a, &(struct auto_evidence){.held_up = true, .canary.lost = 50}, 60, &now_ns);
        assert_int_equal(a.samples, 0);
        assert_int_equal(auto_step(&a), step);
        feed_for(&a, &(struct auto_evidence){.frames = 250, .canary.kept = 50}, 1.5, &now_ns);
        assert_int_equal(auto_step(&a), step + 1);
        assert_true(a.rate_pps > 1999);
}

static void prohibited_halves(void **state)
{
        struct run r;
        char text[300];
        double before = 0;
        struct net n = {.hit = 0.05, .prohibit_pps = 5000};
        (void)state;
        memset(&r, 0, sizeof(r));
        r.now_ns = start_ns;
        r.rng = 7;
        auto_init(&r.a, 10000, start_ns);
        for (unsigned i = 0; i < 400 && r.a.reason != AUTO_PROHIBITED; i++) {
                before = r.a.rate_pps;
                interval(&r, &n);
        }
        assert_int_equal(r.a.reason, AUTO_PROHIBITED);
        assert_true(fabs(r.a.rate_pps - before / 2) < 1);
        assert_true(auto_news(&r.a, text, sizeof(text)));
        assert_non_null(strstr(text, "prohibited"));
        assert_false(auto_news(&r.a, text, sizeof(text)));
        /* firewalls that always prohibit are a part of the Internet */
        n.prohibit_pps = 1;
        search(&r, n, 10000, 60, 1);
        assert_true(r.a.reason == AUTO_CEILING && r.settled_pps > 9999);
}

/* A limit of this machine is looked at again soon; what somebody else minds is not, also when both come in
 * turn. */
static void others_are_not_tried_soon(void **state)
{
        static const struct net then[] = {{.hit = 0.05, .prohibit_pps = 500},
                                          {.hit = 0.05, .knee_pps = 2000}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(then); i++) {
                struct run r;
                search(&r, (struct net){.machine_pps = 4000, .hit = 0.05}, 10000, 25, 1);
                assert_int_equal(r.a.reason, AUTO_MACHINE);
                assert_true(r.a.look_ns - r.a.step_ns < 60 * NS_PER_S);
                for (unsigned k = 0; k < 400 && r.a.reason == AUTO_MACHINE; k++)
                        interval(&r, &then[i]);
                while (r.a.phase != AUTO_HOLD)
                        interval(&r, &then[i]);
                assert_int_not_equal(r.a.reason, AUTO_MACHINE);
                assert_true(r.a.look_ns - r.a.step_ns >= 60 * NS_PER_S);
        }
}

/* A machine that gets slower does not do what was found: that is said. */
static void what_left_is_told(void **state)
{
        const struct net fast = {.machine_pps = 4000, .hit = 0.05}, slow = {.machine_pps = 2000, .hit = 0.05};
        struct run r;
        char text[256];
        (void)state;
        search(&r, fast, 10000, 60, 1);
        assert_in_range(auto_text(&r.a, text, sizeof(text)), 1, sizeof(text) - 1);
        assert_null(strstr(text, " left)"));
        for (unsigned i = 0; i < 400; i++)
                interval(&r, &slow);
        auto_text(&r.a, text, sizeof(text));
        const char *left = strstr(text, "packets/s (");
        assert_non_null(left);
        assert_in_range(strtoul(left + strlen("packets/s ("), NULL, 10), 1900, 3000);
}

static void frames_that_do_not_leave(void **state)
{
        struct auto_rate a;
        uint64_t now_ns = start_ns;
        struct auto_evidence good = {.frames = 500, .canary.kept = 60};
        (void)state;
        auto_init(&a, 100000, now_ns);
        for (unsigned i = 0; i < 400 && a.rate_pps < 39999; i++) {
                good.frames = (uint64_t)(a.rate_pps * FEED_NS / 1e9);
                auto_feed(&a, &good, now_ns += FEED_NS);
        }
        struct auto_evidence bad = {.frames = 8000, .refused = 2000};
        feed_for(&a, &bad, 4, &now_ns);
        assert_int_equal(a.reason, AUTO_REFUSED);
        assert_true(a.rate_pps < 33000);
}

static void blackout_stays_low(void **state)
{
        struct auto_rate a;
        uint64_t now_ns = start_ns;
        struct auto_evidence e = {.canary.kept = 60};
        (void)state;
        auto_init(&a, 10000, now_ns);
        for (unsigned i = 0; i < 400 && a.phase != AUTO_HOLD; i++) {
                e.frames = (uint64_t)(a.rate_pps * FEED_NS / 1e9);
                auto_feed(&a, &e, now_ns += FEED_NS);
        }
        assert_true(a.rate_pps > 9999);
        for (unsigned i = 0; i < 400; i++) { /* somebody has cut us off */
                e = (struct auto_evidence){.frames = (uint64_t)(a.rate_pps * FEED_NS / 1e9),
                                           .canary.gone = 30};
                auto_feed(&a, &e, now_ns += FEED_NS);
        }
        assert_true(a.rate_pps < 200);
}

/* Every canary fails, at low rates too: that tells nothing, and never less than nothing. */
static void blind_stays_low_and_says_so(void **state)
{
        struct auto_rate a;
        uint64_t now_ns = start_ns;
        char text[300];
        (void)state;
        auto_init(&a, 1e5, now_ns);
        feed_for(&a, &(struct auto_evidence){.frames = 2500, .canary.lost = 30}, 300, &now_ns);
        assert_true(a.rate_pps > 2499 && a.rate_pps < 2501);
        assert_int_equal(a.reason, AUTO_BLIND);
        auto_text(&a, text, sizeof(text));
        assert_non_null(strstr(text, "however slow"));
        struct auto_evidence good = {.canary.kept = 60}; /* it was the answers that were slow */
        for (unsigned i = 0; i < 400; i++) {
                good.frames = (uint64_t)(a.rate_pps * FEED_NS / 1e9);
                auto_feed(&a, &good, now_ns += FEED_NS);
        }
        assert_true(a.rate_pps > 99999 && a.reason == AUTO_CEILING);
}

/* Hardly anything answers, and then a router begins to turn every other probe away. */
static void prohibited_before_anything_is_known(void **state)
{
        struct auto_rate a;
        uint64_t now_ns = start_ns;
        (void)state;
        auto_init(&a, 1e5, now_ns);
        feed_for(&a, &(struct auto_evidence){.frames = 2500, .prohibited = 250}, 10, &now_ns);
        assert_true(a.rate_pps > 9999);
        feed_for(&a, &(struct auto_evidence){.frames = 2500, .prohibited = 1250}, 3, &now_ns);
        assert_int_equal(a.reason, AUTO_PROHIBITED);
        assert_true(a.rate_pps < 5001);
}

/* For want of something to send less leaves than might: no rise, and no fall. */
static void waiting_says_nothing(void **state)
{
        struct auto_rate a;
        uint64_t now_ns = start_ns;
        (void)state;
        auto_init(&a, 1e5, now_ns);
        for (unsigned i = 0; i < 4000; i++) {
                struct auto_evidence e = {.frames = (uint64_t)(a.rate_pps * 0.3 * FEED_NS / 1e9),
                                          .waited = true,
                                          .canary.kept = 60};
                auto_feed(&a, &e, now_ns += FEED_NS);
        }
        assert_true(a.rate_pps >= 10000 && a.rate_pps <= 20001 && a.reason != AUTO_MACHINE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds_the_knee),
                cmocka_unit_test(knows_nothing_and_stays),
                cmocka_unit_test(bounds),
                cmocka_unit_test(transients_do_not_count),
                cmocka_unit_test(prohibited_halves),
                cmocka_unit_test(others_are_not_tried_soon),
                cmocka_unit_test(what_left_is_told),
                cmocka_unit_test(frames_that_do_not_leave),
                cmocka_unit_test(blackout_stays_low),
                cmocka_unit_test(blind_stays_low_and_says_so),
                cmocka_unit_test(prohibited_before_anything_is_known),
                cmocka_unit_test(waiting_says_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
