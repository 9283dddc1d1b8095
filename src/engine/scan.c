// SPDX-License-Identifier: Apache-2.0
/*
 * scan: a scan from start to end, told in order. The main thread starts the others, then only looks after
 * them: signals, neighbours, status, time limits; in the end it waits for late answers and takes everything
 * down.
 */
#include "steer.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

enum { TICK_NS = 5000000 };
/* A receive thread that gets no further for so long is not waited for when all is over. */
static const uint64_t LAG_NS = NS_PER_S;
static const uint64_t ROUND_NS = NS_PER_S; /* --infinite: of a round that sent nothing */

struct threads {
        pthread_t tx[ENG_TX_MAX], rx[ENG_RX_MAX], writer;
        struct tx_arg tx_arg[ENG_TX_MAX], rx_arg[ENG_RX_MAX];
        unsigned n_tx, n_rx;
        bool has_writer, left_behind;
        sigset_t signals;
        struct status status;
};

static void take_signal(struct eng *g, int sig)
{
        int no = STOP_NO;
        if (sig == SIGUSR1 || sig == SIGUSR2) {
                double pps = rate_pps(&g->rate) * (sig == SIGUSR1 ? 1.1 : 1 / 1.1);
                rate_set(&g->rate, pps);
                log_say(LOG_INFO, "rate is now %.0f packets/s", pps);
                return;
        }
        if (atomic_compare_exchange_strong(&g->stop, &no, STOP_SIGNAL))
                log_say(LOG_INFO,
                        "stopping: no new probes, waiting for late answers; once more to leave at once");
        else
                atomic_store(&g->hurry, true);
}

/* One tick of the main thread. */
static void look_after(struct eng *g, struct threads *t)
{
        struct timespec tick = {.tv_nsec = TICK_NS};
        int no = STOP_NO, sig = sigtimedwait(&t->signals, NULL, &tick);
        uint64_t now = clock_mono_ns();
        if (sig > 0)
                take_signal(g, sig);
        eng_ask_neighbours(g, now);
        eng_watch_links(g, now);
        eng_watch_shield(g);
        eng_proof_watch(g, now);
        steer_tick(g->steer, g, now);
        if (atomic_load(&g->tx_pause)) {
                COUNT(g->pauses, 1);
                COUNT(g->pause_ns, TICK_NS);
        }
        if (atomic_load(&g->talk_full) && !t->status.waiting)
                COUNT(g->full_ns, TICK_NS);
        if (g->conf->max_runtime_s > 0 && (double)(now - g->start_ns) / 1e9 > g->conf->max_runtime_s)
                atomic_compare_exchange_strong(&g->stop, &no, STOP_RUNTIME);
        status_show(g, &t->status, now);
}

static int start(pthread_t *t, void *(*f)(void *), void *arg, struct err *e)
{
        int why = pthread_create(t, NULL, f, arg);
        return why ? err_set(e, why, "cannot start a thread: %s", strerror(why)) : 0;
}

static int start_rx(struct eng *g, struct threads *t, struct err *e)
{
        bool any = false;
        for (unsigned d = 0; d < g->n_devs; d++)
                any |= g->devs[d].rx_ops != NULL;
        for (unsigned i = 0; i < g->n_rx; i++) {
                t->rx_arg[i] = (struct tx_arg){g, i};
                if (!any)
                        atomic_store(&g->rx_caught_up_ns[i], UINT64_MAX);
                else if (start(&t->rx[i], rx_thread, &t->rx_arg[i], e))
                        return -1;
                else
                        t->n_rx++;
        }
        return 0;
}

static int start_tx(struct eng *g, struct threads *t, struct err *e)
{
        atomic_store(&g->tx_quit, false);
        for (unsigned i = 0; i < g->n_tx; i++)
                atomic_store(&g->tx_oldest[i], UINT64_MAX);
        rate_restart(&g->rate, clock_mono_ns());
        for (unsigned i = 0; i < g->n_tx; i++) {
                t->tx_arg[i] = (struct tx_arg){g, i};
                atomic_fetch_add(&g->tx_running, 1);
                if (start(&t->tx[i], tx_thread, &t->tx_arg[i], e)) {
                        atomic_fetch_sub(&g->tx_running, 1);
                        return -1;
                }
                t->n_tx++;
        }
        return 0;
}

static void join_tx(struct eng *g, struct threads *t)
{
        atomic_store(&g->tx_quit, true);
        while (t->n_tx)
                pthread_join(t->tx[--t->n_tx], NULL);
}

/* A link is back, and not all is made good that it cost. Who was stopped leaves that to --resume. */
static bool owes_recall(struct eng *g)
{
        bool any = false;
        for (unsigned i = 0; i < g->n_tx; i++) /* in this order: see make_good in tx.c */
                any |= atomic_load(&g->recall_since_ns[i]) != UINT64_MAX || atomic_load(&g->recalling[i]);
        return any && !atomic_load(&g->stop) && !atomic_load(&g->link_out);
}

/* When the wait for late answers ends. */
static uint64_t wait_end_ns(struct eng *g)
{
        const struct conf *c = g->conf;
        uint64_t sent_ns = atomic_load(&g->last_send_ns), last = MAX(sent_ns, g->start_ns);
        if (atomic_load(&g->stop) == STOP_FAILED || atomic_load(&g->stop) == STOP_LINK)
                return 0;
        bool enough = atomic_load(&g->stop) == STOP_RESULTS;
        if (enough && !c->banners)
                return 0;
        if (enough && !eng_talking(g)) /* a moment: who answered last may be about to be spoken to */
                return g->start_ns + atomic_load(&g->tally.last_answer_ms) * NS_PER_MS + NS_PER_S / 10;
        if (c->wait_s == CONF_WAIT_FOREVER && !enough)
                return UINT64_MAX;
        if (owes_recall(g)) /* what an outage cost is being sent again, and then waited for */
                return MAX(last, clock_mono_ns() + NS_PER_S / 10);
        if (eng_talking(g)) /* conversations end by themselves: each connection has its time */
                return MAX(last, clock_mono_ns() + NS_PER_S / 10);
        if (c->wait_s >= 0)
                return last + (uint64_t)(c->wait_s * 1e9);
        uint64_t answer = g->start_ns + atomic_load(&g->tally.last_answer_ms) * NS_PER_MS;
        uint64_t rtt_ms = atomic_load(&g->rtt_max_ms);
        uint64_t quiet_ms = rtt_ms ? MIN(MAX(rtt_ms * 8, (uint64_t)500), (uint64_t)10000) : 2000;
        return MAX(last, answer) + quiet_ms * NS_PER_MS;
}

/* Results wait for an output, and so may receive threads for the writer: with answers in hand. */
static bool held_by_output(struct eng *g)
{
        return atomic_load(&g->tx_pause) || atomic_load(&g->tally.blocked_since_ms);
}

static void wait_for_answers(struct eng *g, struct threads *t)
{
        int no = STOP_NO;
        uint64_t looked_at_ns = 0, moved_ns = 0;
        t->status.waiting = true;
        while (t->n_rx && !atomic_load(&g->hurry)) {
                uint64_t heard_ns = eng_caught_up_ns(g); /* asked first: it may begin conversations */
                uint64_t end_ns = t->status.wait_end_ns = wait_end_ns(g), now_ns = clock_mono_ns();
                if (heard_ns != looked_at_ns || held_by_output(g))
                        moved_ns = now_ns;
                looked_at_ns = heard_ns;
                bool stuck = now_ns - moved_ns >= LAG_NS;
                if (now_ns >= end_ns && (heard_ns >= end_ns || (stuck && now_ns - end_ns >= LAG_NS)))
                        break;
                look_after(g, t);
        }
        if (atomic_load(&g->link_out)) /* what was asked last could not be answered */
                atomic_compare_exchange_strong(&g->stop, &no, STOP_LINK);
}

/* --infinite: the next round has the next seed. */
static void next_round(struct eng *g)
{
        const struct tgt_order *now = eng_order(g);
        struct tgt_order *next = &g->orders[now == &g->orders[0]];
        struct err e;
        uint64_t first, end = g->pos_end;
        tgt_order_init(next, g->facts.probes, g->seed + 1);
        if (!eng_arc(g->conf, next, &first, &end, &e)) /* --max-targets ends elsewhere in another order */
                g->pos_end = end;
        pthread_mutex_lock(&g->round_lock); /* the writer pairs a position with a seed */
        g->seed++;
        g->pos_start = g->arc_start;
        atomic_store(&g->window.low, g->pos_start);
        atomic_store(&g->window.next, g->pos_start);
        atomic_store(&g->order, next);
        pthread_mutex_unlock(&g->round_lock);
}

static uint64_t probes_sent(struct eng *g)
{
        uint64_t n = 0;
        for (unsigned i = 0; i < g->n_tx; i++)
                n += atomic_load(&g->tx_count[i].probes);
        return n;
}

/* A round in which nothing could be sent took no turns, so nothing else holds it up. */
static void pace(struct eng *g, struct threads *t, uint64_t began_ns, uint64_t sent_before)
{
        while (probes_sent(g) == sent_before && !atomic_load(&g->stop) &&
               clock_mono_ns() - began_ns < ROUND_NS)
                look_after(g, t);
}

static int send_all(struct eng *g, struct threads *t, struct err *e)
{
        for (;;) {
                uint64_t began_ns = clock_mono_ns(), sent_before = probes_sent(g);
                if (start_tx(g, t, e))
                        return -1;
                while (atomic_load(&g->tx_running) && !atomic_load(&g->hurry))
                        look_after(g, t);
                if (!g->conf->infinite || atomic_load(&g->stop))
                        return 0;
                pace(g, t, began_ns, sent_before);
                join_tx(g, t);
                next_round(g);
        }
}

static int find_gateways(struct eng *g, struct threads *t, struct err *e)
{
        bool ready = false;
        while (!eng_gateways(g, &ready, e)) {
                if (ready)
                        return 0;
                if (atomic_load(&g->stop))
                        return err_set(e, 0, "interrupted while looking for the gateway");
                look_after(g, t);
        }
        return -1;
}

/* Our signals are taken by sigtimedwait from here on; a SIGHUP that was ignored at start (nohup) stays so. */
static void take_over_signals(struct threads *t)
{
        struct sigaction old;
        sigemptyset(&t->signals);
        sigaddset(&t->signals, SIGINT);
        sigaddset(&t->signals, SIGTERM);
        sigaddset(&t->signals, SIGUSR1);
        sigaddset(&t->signals, SIGUSR2);
        if (!sigaction(SIGHUP, NULL, &old) && old.sa_handler != SIG_IGN)
                sigaddset(&t->signals, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &t->signals, NULL);
        signal(SIGPIPE, SIG_IGN);
}

static int run(struct eng *g, struct threads *t, struct err *e)
{
        take_over_signals(t);
        eng_start_talks(g);
        if (start_rx(g, t, e) || find_gateways(g, t, e))
                return -1;
        if (checkpoint_choose_path(g, e) || writer_new(g, e))
                return -1;
        status_start(g);
        eng_proof_start(g);
        if (start(&t->writer, writer_thread, g, e))
                return -1;
        t->has_writer = true;
        if (send_all(g, t, e))
                return -1;
        wait_for_answers(g, t);
        return 0;
}

/* Joins while signals, status and neighbours are still looked after: a thread may wait for an output that
 * nobody reads. After a second Ctrl-C it gets two more seconds. */
static bool join_patiently(struct eng *g, struct threads *t, pthread_t thread)
{
        for (uint64_t give_up_ns = UINT64_MAX; clock_mono_ns() < give_up_ns;) {
                struct timespec soon;
                clock_gettime(CLOCK_REALTIME, &soon);
                soon.tv_nsec += 10 * (long)NS_PER_MS;
                soon.tv_sec += soon.tv_nsec / (long)NS_PER_S;
                soon.tv_nsec %= (long)NS_PER_S;
                if (!pthread_timedjoin_np(thread, NULL, &soon))
                        return true;
                look_after(g, t);
                if (atomic_load(&g->hurry) && give_up_ns == UINT64_MAX)
                        give_up_ns = clock_mono_ns() + 2 * NS_PER_S;
        }
        return false;
}

/* False: the writer sits in a write that nobody reads, and was given up. The checkpoint and the journal on
 * disk still hold everything. */
static bool stop_threads(struct eng *g, struct threads *t, bool failed)
{
        int no = STOP_NO;
        if (failed)
                atomic_compare_exchange_strong(&g->stop, &no, STOP_FAILED);
        atomic_store(&g->rx_quit, true);
        while (t->n_rx) /* they end by themselves, and until then use what is freed after this */
                t->n_rx -= join_patiently(g, t, t->rx[t->n_rx - 1]);
        join_tx(g, t);
        atomic_store(&g->writer_quit, true);
        if (!t->has_writer || join_patiently(g, t, t->writer))
                return true;
        pthread_cancel(t->writer);
        pthread_join(t->writer, NULL);
        return false;
}

static bool is_complete(enum stop_why why)
{
        return why == STOP_NO || why == STOP_RESULTS;
}

static int finish(struct eng *g, struct threads *t, bool failed, struct err *e)
{
        struct err e2 = {0};
        if (!stop_threads(g, t, failed)) {
                log_say(LOG_WARN,
                        "left while an output takes no bytes: what it has not got is in the journal");
                t->left_behind =
                        true; /* its buffers are lost with the process: nothing is flushed any more */
                return EXIT_INTERRUPTED;
        }
        enum stop_why why = (enum stop_why)atomic_load(&g->stop);
        bool complete = is_complete(why) && !failed && !atomic_load(&g->hurry), started = t->has_writer;
        bool keep = !complete && (started || g->conf->resume_file);
        int rc = writer_finish(g, !keep, &e2);
        if (failed)
                return eng_fail(e, e->code == EPERM || e->code == EACCES ? EXIT_BAD_INPUT : EXIT_FAILED);
        if (started)
                status_summary(g, why, complete);
        if (rc && g->conf->checkpoint_file)
                err_wrap(&e2, "not all results are written; when that is mended: trawl --resume %s",
                         g->conf->checkpoint_file);
        if (rc)
                return eng_fail(&e2, EXIT_FAILED);
        return complete ? EXIT_OK : why == STOP_FAILED || why == STOP_LINK ? EXIT_FAILED : EXIT_INTERRUPTED;
}

int eng_scan(struct conf *c)
{
        struct err e = {0};
        struct threads t = {0};
        struct eng *g = aligned_alloc(CACHE_LINE, (sizeof(*g) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
        if (!g) {
                err_set(&e, 0, "out of memory");
                return eng_fail(&e, EXIT_FAILED);
        }
        memset(g, 0, sizeof(*g));
        g->conf = c;
        pthread_mutex_init(&g->round_lock, NULL);
        if (c->status_json)
                log_set_json(true);
        int status;
        if (eng_prepare(g, &e))
                status = eng_fail(&e, EXIT_BAD_INPUT);
        else
                status = finish(g, &t, run(g, &t, &e) != 0, &e);
        if (!t.left_behind)
                eng_free(g);
        return status;
}
