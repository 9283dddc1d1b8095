// SPDX-License-Identifier: Apache-2.0
/*
 * sim: the simulated Internet. Answers SYNs for whole prefixes on the far end of a veth pair, says beforehand
 * what the truth is (--truth), and afterwards what it saw (--stats). Runs until SIGTERM or SIGINT.
 * Invariant: nothing outlives this process but the reports it wrote.
 */
#include "sim_user.h"
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { STEP_NS = 200000 };

static int tell_ready(const struct sim_args *a, struct err *e)
{
        char text[32];
        int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
        if (a->pid_file && file_replace(a->pid_file, text, (size_t)n, 0644, false, e))
                return err_wrap(e, "--pid-file");
        if (a->ready_fd >= 0 && (write(a->ready_fd, "ready\n", 6) != 6 || close(a->ready_fd)))
                return err_set(e, errno, "--ready-fd %d: %s", a->ready_fd, strerror(errno));
        return 0;
}

static int report(const struct sim_args *a, const struct sim_kernel *k, const struct sim_courier *c,
                  struct err *e)
{
        if (a->arrivals_file && sim_arrivals_write(a->arrivals_file, a, k, e))
                return -1;
        if (a->probes_file && sim_probes_write(a->probes_file, a, k, e))
                return -1;
        return a->stats_file ? sim_stats_write(a, k, c, e) : 0; /* last: who waits for it finds the others */
}

static int clear(const struct sim_args *a, const struct sim_kernel *k, struct sim_courier *c, struct err *e)
{
        if (c)
                sim_courier_forget(c);
        if (sim_stats_reset(k, e))
                return -1;
        return a->stats_file ? sim_stats_write(a, k, c, e) : 0;
}

/* Waits for signals; with a courier no longer than a step at a time. */
static int serve(const struct sim_args *a, const struct sim_kernel *k, struct sim_courier *c,
                 const sigset_t *set, struct err *e)
{
        const struct timespec step = {0, STEP_NS};
        for (;;) {
                int sig = c ? sigtimedwait(set, NULL, &step) : sigwaitinfo(set, NULL);
                if (sig == SIGUSR1 && report(a, k, c, e))
                        return -1;
                if (sig == SIGUSR2 && clear(a, k, c, e))
                        return -1;
                if (sig == SIGTERM || sig == SIGINT)
                        return report(a, k, c, e);
                if (c)
                        sim_courier_step(c);
        }
}

static bool needs_courier(const struct sim_conf *conf)
{
        return conf->late || conf->forge ||
               (conf->repeats && conf->shares.tarpit_below > conf->shares.unreach_below);
}

static int run(struct sim_args *a, struct err *e)
{
        struct sim_kernel kernel;
        struct sim_courier *courier = NULL;
        sigset_t set;
        int rc = -1;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
        prctl(PR_SET_TIMERSLACK, 1ul);
        if (sim_kernel_start(&kernel, a, e))
                return -1;
        if (needs_courier(&a->conf) && !(courier = sim_courier_new(a, &kernel, e)))
                goto stop_kernel;
        if (!tell_ready(a, e))
                rc = serve(a, &kernel, courier, &set, e);
        sim_courier_free(courier);
stop_kernel:
        sim_kernel_stop(&kernel);
        if (a->pid_file)
                unlink(a->pid_file);
        return rc;
}

int main(int argc, char **argv)
{
        struct sim_args args;
        struct err e = {0};
        int rc = sim_args_parse(&args, argc, argv, &e) ? 2 : 0;
        if (rc == 0 && args.help)
                sim_args_help();
        else if (rc == 0)
                rc = (args.truth.nports ? sim_truth_print(&args, &e) : run(&args, &e)) ? 1 : 0;
        if (rc)
                fprintf(stderr, "sim: %s\n", e.text);
        return rc;
}
