// SPDX-License-Identifier: Apache-2.0
/*
 * cpus: where the packet threads run. With --cores each thread has its place: transmit threads in order, then
 * receive threads, starting over when the list ends. Without it a single transmit thread is the scheduler's
 * business; several are kept apart, on the CPUs near the interface, because a driver picks the transmit queue
 * by CPU and two threads on one queue get in each other's way. Invariant: a thread that cannot be placed runs
 * wherever it is. Reference: sched_setaffinity(2), Linux Documentation/networking/scaling.rst (XPS).
 */
#include "eng.h"
#include <sched.h>
#include <stdio.h>

static unsigned allowed_cpus(cpu_set_t *set)
{
        CPU_ZERO(set);
        return sched_getaffinity(0, sizeof(*set), set) ? 0 : (unsigned)CPU_COUNT(set);
}

static void format_cpus(char *out, size_t cap, const cpu_set_t *set)
{
        struct wr w = wr_of(out, cap - 1);
        for (unsigned i = 0; i < CPU_SETSIZE; i++)
                if (CPU_ISSET(i, set))
                        wr_fmt(&w, "%s%u", w.p == (uint8_t *)out ? "" : ",", i);
        *w.p = 0;
}

int eng_check_cores(const struct conf *c, struct err *e)
{
        cpu_set_t set;
        char text[256];
        if (!allowed_cpus(&set))
                return 0;
        for (unsigned i = 0; i < c->n_cores; i++)
                if (!CPU_ISSET(c->cores[i], &set)) {
                        format_cpus(text, sizeof(text), &set);
                        return err_set(e, 0, "--cores: there is no CPU %u here: this process may use %s",
                                       c->cores[i], text);
                }
        return 0;
}

/* Keeps of `set` what is near the interface, if anything is known of that. */
static void keep_near(const char *ifname, cpu_set_t *set)
{
        char path[320], text[512];
        cpu_set_t near;
        int node = -1;
        snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node", ifname);
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%d", &node) != 1)
                node = -1;
        if (f)
                fclose(f);
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", node);
        f = node >= 0 ? fopen(path, "r") : NULL;
        const char *p = f && fgets(text, sizeof(text), f) ? text : "";
        CPU_ZERO(&near);
        for (unsigned first, last, used; sscanf(p, "%u%n", &first, &used) == 1; p += *p == ',') {
                p += used;
                last = first;
                if (sscanf(p, "-%u%n", &last, &used) == 1)
                        p += used;
                for (unsigned i = first; i <= last && i < CPU_SETSIZE; i++)
                        CPU_SET(i, &near);
        }
        if (f)
                fclose(f);
        CPU_AND(&near, &near, set);
        if (CPU_COUNT(&near))
                *set = near;
}

static void pin(unsigned cpu)
{
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof(one), &one);
}

void eng_place(const struct eng *g, bool tx, unsigned id)
{
        const struct conf *c = g->conf;
        cpu_set_t set;
        if (c->n_cores) {
                pin(c->cores[(tx ? id : g->n_tx + id) % c->n_cores]);
                return;
        }
        if (!tx || g->n_tx < 2 || !allowed_cpus(&set))
                return;
        if (g->n_devs && g->devs[0].link)
                keep_near(g->devs[0].name, &set);
        unsigned nth = id % (unsigned)CPU_COUNT(&set);
        for (unsigned i = 0; i < CPU_SETSIZE; i++)
                if (CPU_ISSET(i, &set) && nth-- == 0) {
                        pin(i);
                        return;
                }
}
