// SPDX-License-Identifier: Apache-2.0
/*
 * sim_stats: what the simulated Internet saw, for tests to judge a scanner by: counters as one JSON object,
 * frames per millisecond, probes per target. Reads the maps of the kernel side; the last stop of the flow.
 * Invariant: a report is complete or absent (written beside its place, then renamed).
 */
#include "sim_user.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MISSING_SHOWN = 5 };

/* In the order of struct sim_counters, up to ttl. */
static const char *const counter_names[] = {
        "frames",    "bytes",      "syn",         "rst",         "ack",       "other_tcp",  "not_tcp",
        "malformed", "bad_ip_sum", "bad_syn_sum", "bad_tcp_sum", "unchecked", "no_tag",     "lost_in",
        "lost_out",  "open",       "closed",      "unreachable", "tarpit",    "silent",     "answered",
        "late",      "ring_full",  "neigh",       "duplicates",  "outside",   "bad_cookie", "sunk",
};
static const char *const hostile_keys[HOSTILE_NKINDS] = {"dup",   "cookie",  "foreign",
                                                         "short", "corrupt", "icmp"};
_Static_assert(sizeof(struct sim_counters) == (ARRAY_LEN(counter_names) + 2 * 256) * 8,
               "a name for each counter");

static int sum_counters(int fd, uint64_t sum[], size_t n, struct err *e)
{
        int ncpus = libbpf_num_possible_cpus();
        uint32_t zero = 0;
        uint64_t *all = ncpus > 0 ? calloc((size_t)ncpus * n, sizeof(*all)) : NULL;
        if (!all)
                return err_set(e, errno, "no memory for the counters");
        int rc = bpf_map_lookup_elem(fd, &zero, all);
        if (rc)
                err_set(e, errno, "reading the counters: %s", strerror(errno));
        for (size_t i = 0; i < n; i++) {
                sum[i] = 0;
                for (size_t cpu = 0; cpu < (size_t)ncpus; cpu++)
                        sum[i] += all[cpu * n + i];
        }
        free(all);
        return rc;
}

static unsigned times_probed(const struct sim_args *a, const struct sim_kernel *k, uint64_t target)
{
        if (a->conf.plan)
                return (unsigned)(k->tally[target / 64] >> target % 64) & 1;
        return (unsigned)(k->tally[target / 8] >> target % 8 * 8) & 255;
}

static uint64_t tracked_targets(const struct sim_args *a)
{
        return a->track.nports ? (uint64_t)a->track.nports << a->track.prefix.bits : 0;
}

/* {"4":10,…}: the indices whose count is not zero */
static void put_histogram(FILE *f, const char *key, const uint64_t count[256])
{
        const char *comma = "";
        fprintf(f, ",\n \"%s\":{", key);
        for (int i = 0; i < 256; i++) {
                if (count[i]) {
                        fprintf(f, "%s\"%d\":%llu", comma, i, (unsigned long long)count[i]);
                        comma = ",";
                }
        }
        fputs("}", f);
}

static void put_tracked(FILE *f, const struct sim_args *a, const struct sim_kernel *k)
{
        uint64_t times[256] = {0}, n = tracked_targets(a);
        for (uint64_t i = 0; i < n; i++)
                times[times_probed(a, k, i)]++;
        fprintf(f, ",\n \"targets\":%llu,\"probed\":%llu,\"probed_once\":%llu", (unsigned long long)n,
                (unsigned long long)(n - times[0]), (unsigned long long)times[1]);
        times[0] = 0;
        put_histogram(f, "times_probed", times);
}

/* The plan: how many of its targets had a probe, and the first few of those that had none. */
static void put_plan(FILE *f, const struct sim_args *a, const struct sim_kernel *k)
{
        uint64_t n = tracked_targets(a), arrived = 0;
        char addr[64];
        const char *comma = "";
        for (size_t i = 0; i < k->tally_words; i++)
                arrived += (uint64_t)__builtin_popcountll(k->tally[i]);
        fprintf(f, ",\n \"targets\":%llu,\"arrived\":%llu,\"missing\":%llu,\"missing_first\":[",
                (unsigned long long)n, (unsigned long long)arrived, (unsigned long long)(n - arrived));
        for (uint64_t i = 0, left = MIN(n - arrived, (uint64_t)MISSING_SHOWN); left; i++) {
                if (times_probed(a, k, i))
                        continue;
                sim_address(addr, &a->track.prefix, i / a->track.nports);
                fprintf(f, "%s\"%u %s\"", comma, (unsigned)a->track.ports[i % a->track.nports], addr);
                comma = ",";
                left--;
        }
        fputs("]", f);
}

static uint64_t arrivals_of(const struct sim_args *a, const struct sim_kernel *k, size_t ms)
{
        uint64_t sum = 0;
        for (size_t bank = 0; bank < a->conf.banks; bank++)
                sum += k->arrivals[bank * SIM_ARRIVALS_MS + ms];
        return sum;
}

struct stretch {
        uint64_t fullest, emptiest;
};

/* Of all stretches of `width` milliseconds, wherever they begin; the last millisecond is not over. */
static struct stretch stretches(const struct sim_args *a, const struct sim_kernel *k, size_t n, size_t width)
{
        struct stretch s = {0, n > width ? UINT64_MAX : 0};
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++) {
                sum += arrivals_of(a, k, i);
                if (i >= width)
                        sum -= arrivals_of(a, k, i - width);
                s.fullest = MAX(s.fullest, sum);
                if (i + 1 >= width && i + 1 < n)
                        s.emptiest = MIN(s.emptiest, sum);
        }
        return s;
}

static uint64_t last_arrival_ns(const struct sim_args *a, const struct sim_kernel *k)
{
        uint64_t last = 0;
        for (size_t bank = 0; bank < a->conf.banks; bank++)
                last = MAX(last, k->shared->bank[bank].last_ns);
        return last;
}

static size_t arrivals_seen(const struct sim_args *a, const struct sim_kernel *k)
{
        if (!k->shared->first_ns || !a->conf.arrivals)
                return 0;
        uint64_t ns = last_arrival_ns(a, k) - k->shared->first_ns;
        return (size_t)MIN(ns / NS_PER_MS + 1, (uint64_t)SIM_ARRIVALS_MS);
}

static void put_arrivals(FILE *f, const struct sim_args *a, const struct sim_kernel *k)
{
        size_t n = arrivals_seen(a, k);
        struct stretch one = stretches(a, k, n, 1), ten = stretches(a, k, n, 10);
        fprintf(f,
                ",\n \"arrivals\":{\"span_ns\":%llu,\"peak_1ms\":%llu,\"peak_10ms\":%llu,\"least_1ms\":%llu,"
                "\"least_10ms\":%llu}",
                (unsigned long long)(n ? last_arrival_ns(a, k) - k->shared->first_ns : 0),
                (unsigned long long)one.fullest, (unsigned long long)ten.fullest,
                (unsigned long long)one.emptiest, (unsigned long long)ten.emptiest);
}

static void put_courier(FILE *f, const struct sim_courier_counts *c)
{
        fprintf(f,
                ",\n \"sent_late\":%llu,\"repeated\":%llu,\"lost_repeats\":%llu,\"pool_full\":%llu,"
                "\"send_failed\":%llu,\n \"forged\":{",
                (unsigned long long)c->sent_late, (unsigned long long)c->repeated,
                (unsigned long long)c->lost_repeats, (unsigned long long)c->pool_full,
                (unsigned long long)c->send_failed);
        for (int i = 0; i < HOSTILE_NKINDS; i++)
                fprintf(f, "%s\"%s\":%llu", i ? "," : "", hostile_keys[i], (unsigned long long)c->forged[i]);
        fputs("}", f);
}

static void put_report(FILE *f, const struct sim_args *a, const struct sim_kernel *k,
                       const struct sim_courier *courier, const uint64_t *sum)
{
        for (size_t i = 0; i < ARRAY_LEN(counter_names); i++)
                fprintf(f, "%s\"%s\":%llu", i ? ",\n " : "{", counter_names[i], (unsigned long long)sum[i]);
        fprintf(f, ",\n \"link_drops\":%llu",
                (unsigned long long)(sim_link_drops(a->far.dev) - k->drops_before));
        put_histogram(f, "ttl", sum + ARRAY_LEN(counter_names));
        put_histogram(f, "proto", sum + ARRAY_LEN(counter_names) + 256);
        if (a->conf.plan)
                put_plan(f, a, k);
        else if (a->track.nports)
                put_tracked(f, a, k);
        if (a->conf.arrivals)
                put_arrivals(f, a, k);
        if (courier)
                put_courier(f, sim_courier_counts(courier));
        fputs("}\n", f);
}

/* Opens path.new ("-": stdout); close_report puts it in its place. */
static FILE *open_report(const char *path, char *beside, size_t size, struct err *e)
{
        if (!strcmp(path, "-"))
                return stdout;
        snprintf(beside, size, "%s.new", path);
        FILE *f = fopen(beside, "w");
        if (!f)
                err_set(e, errno, "writing '%s': %s", beside, strerror(errno));
        return f;
}

static int close_report(FILE *f, const char *path, const char *beside, struct err *e)
{
        if (f == stdout)
                return fflush(f) ? err_set(e, errno, "writing to stdout: %s", strerror(errno)) : 0;
        if (fclose(f) || rename(beside, path))
                return err_set(e, errno, "writing '%s': %s", path, strerror(errno));
        return 0;
}

int sim_stats_write(const struct sim_args *a, const struct sim_kernel *k, const struct sim_courier *courier,
                    struct err *e)
{
        char beside[4096];
        uint64_t sum[sizeof(struct sim_counters) / 8];
        if (sum_counters(k->counters_fd, sum, ARRAY_LEN(sum), e))
                return -1;
        FILE *f = open_report(a->stats_file ? a->stats_file : "-", beside, sizeof(beside), e);
        if (!f)
                return -1;
        put_report(f, a, k, courier, sum);
        return close_report(f, a->stats_file ? a->stats_file : "-", beside, e);
}

int sim_stats_reset(const struct sim_kernel *k, struct err *e)
{
        int ncpus = libbpf_num_possible_cpus();
        uint32_t zero = 0;
        void *none = ncpus > 0 ? calloc((size_t)ncpus, sizeof(struct sim_counters)) : NULL;
        if (!none)
                return err_set(e, errno, "no memory for the counters");
        int rc = bpf_map_update_elem(k->counters_fd, &zero, none, 0);
        free(none);
        if (rc)
                return err_set(e, errno, "clearing the counters: %s", strerror(errno));
        for (size_t i = 0; i < k->tally_words; i++)
                k->tally[i] = 0;
        for (size_t i = 0; i < k->arrivals_len; i++)
                k->arrivals[i] = 0;
        for (size_t i = 0; i < SIM_BANKS; i++)
                k->shared->bank[i].last_ns = k->shared->bank[i].until_ns = 0;
        k->shared->first_ns = 0;
        return 0;
}

int sim_arrivals_write(const char *path, const struct sim_args *a, const struct sim_kernel *k, struct err *e)
{
        char beside[4096];
        FILE *f = open_report(path, beside, sizeof(beside), e);
        if (!f)
                return -1;
        for (size_t i = 0, n = arrivals_seen(a, k); i < n; i++)
                fprintf(f, "%llu\n", (unsigned long long)arrivals_of(a, k, i));
        return close_report(f, path, beside, e);
}

int sim_probes_write(const char *path, const struct sim_args *a, const struct sim_kernel *k, struct err *e)
{
        char beside[4096], addr[64];
        const struct sim_grid *g = &a->track;
        FILE *f = open_report(path, beside, sizeof(beside), e);
        if (!f)
                return -1;
        for (uint64_t i = 0, n = tracked_targets(a); i < n; i++) {
                unsigned times = times_probed(a, k, i);
                if (!times)
                        continue;
                sim_address(addr, &g->prefix, i / g->nports);
                fprintf(f, "%u tcp %u %s\n", times, (unsigned)g->ports[i % g->nports], addr);
        }
        return close_report(f, path, beside, e);
}
