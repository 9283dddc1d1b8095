// SPDX-License-Identifier: Apache-2.0
/*
 * scan: a scan from start to end, told in order. The main thread starts the others, then only looks after
 * them: signals, neighbours, status, time limits; in the end it waits for late answers and takes everything
 * down.
 */
#include "eng.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

enum { TICK_NS = 5000000 };

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
        if (atomic_load(&g->tx_pause)) {
                COUNT(g->pauses, 1);
                COUNT(g->pause_ns, TICK_NS);
        }
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

/* When the wait for late answers ends. */
static uint64_t wait_end_ns(struct eng *g)
{
        const struct conf *c = g->conf;
        uint64_t last = MAX(atomic_load(&g->last_send_ns), g->start_ns);
        if (atomic_load(&g->stop) == STOP_FAILED)
                return 0;
        if (c->wait_s == CONF_WAIT_FOREVER)
                return UINT64_MAX;
        if (c->wait_s >= 0)
                return last + (uint64_t)(c->wait_s * 1e9);
        uint64_t answer = g->start_ns + atomic_load(&g->tally.last_answer_ms) * NS_PER_MS;
        uint64_t rtt_ms = atomic_load(&g->rtt_max_ms);
        uint64_t quiet_ms = rtt_ms ? MIN(MAX(rtt_ms * 8, (uint64_t)500), (uint64_t)10000) : 2000;
        return MAX(last, answer) + quiet_ms * NS_PER_MS;
}

static void wait_for_answers(struct eng *g, struct threads *t)
{
        if (!t->n_rx)
                return;
        t->status.waiting = true;
        while (!atomic_load(&g->hurry)) {
                t->status.wait_end_ns = wait_end_ns(g);
                if (clock_mono_ns() >= t->status.wait_end_ns)
                        return;
                look_after(g, t);
        }
}

/* --infinite: the next round has the next seed. */
static void next_round(struct eng *g)
{
        const struct tgt_order *now = eng_order(g);
        struct tgt_order *next = &g->orders[now == &g->orders[0]];
        g->seed++;
        tgt_order_init(next, g->facts.probes, g->seed);
        g->conf->seed = g->seed;
        atomic_store(&g->window.low, g->pos_start);
        atomic_store(&g->window.next, g->pos_start);
        atomic_store(&g->order, next);
}

static int send_all(struct eng *g, struct threads *t, struct err *e)
{
        for (;;) {
                if (start_tx(g, t, e))
                        return -1;
                while (atomic_load(&g->tx_running) && !atomic_load(&g->hurry))
                        look_after(g, t);
                if (!g->conf->infinite || atomic_load(&g->stop))
                        return 0;
                join_tx(g, t);
                next_round(g);
        }
}

static int run(struct eng *g, struct threads *t, struct err *e)
{
        if (start_rx(g, t, e) || eng_resolve_gateways(g, e))
                return -1;
        if (checkpoint_choose_path(g, e) || writer_new(g, e))
                return -1;
        status_start(g);
        if (start(&t->writer, writer_thread, g, e))
                return -1;
        t->has_writer = true;
        if (send_all(g, t, e))
                return -1;
        wait_for_answers(g, t);
        return 0;
}

static void stop_threads(struct eng *g, struct threads *t, bool failed)
{
        int no = STOP_NO;
        if (failed)
                atomic_compare_exchange_strong(&g->stop, &no, STOP_FAILED);
        atomic_store(&g->rx_quit, true);
        for (unsigned i = 0; i < t->n_rx; i++)
                pthread_join(t->rx[i], NULL);
        join_tx(g, t);
        atomic_store(&g->writer_quit, true);
}

/* The writer may sit in a write that nobody reads. Once is patience, a second Ctrl-C ends it: the checkpoint
 * and the journal on disk still hold everything. False: it was left behind. */
static bool join_writer(struct eng *g, struct threads *t)
{
        while (t->has_writer) {
                struct timespec soon;
                clock_gettime(CLOCK_REALTIME, &soon);
                soon.tv_nsec += 50000000;
                soon.tv_sec += soon.tv_nsec / 1000000000;
                soon.tv_nsec %= 1000000000;
                if (!pthread_timedjoin_np(t->writer, NULL, &soon))
                        return true;
                look_after(g, t);
                if (atomic_load(&g->hurry))
                        return false;
        }
        return true;
}

static bool is_complete(enum stop_why why)
{
        return why == STOP_NO || why == STOP_RESULTS || why == STOP_TARGETS;
}

static int finish(struct eng *g, struct threads *t, bool failed, struct err *e)
{
        struct err e2 = {0};
        stop_threads(g, t, failed);
        if (!join_writer(g, t)) {
                log_say(LOG_WARN,
                        "left while an output takes no bytes: what it has not got is in the journal");
                t->left_behind = true;
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
        if (rc)
                return eng_fail(&e2, EXIT_FAILED);
        return complete ? EXIT_OK : why == STOP_FAILED ? EXIT_FAILED : EXIT_INTERRUPTED;
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
        sigemptyset(&t.signals);
        static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
        for (size_t i = 0; i < ARRAY_LEN(ours); i++)
                sigaddset(&t.signals, ours[i]);
        pthread_sigmask(SIG_BLOCK, &t.signals, NULL);
        signal(SIGPIPE, SIG_IGN);
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
