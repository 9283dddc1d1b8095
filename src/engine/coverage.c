// SPDX-License-Identifier: Apache-2.0
/*
 * coverage: see coverage.h. For each part of the scan the loss p gets its posterior under Jeffreys' prior on
 * a grid (the cut-off geometric distribution is an exponential family in log p: prior and likelihood are one
 * line each), and with it the share p^tries of targets missed, which scatters once more because targets are
 * counted, not expected. Means and variances of the parts add up; the interval is that of a gamma
 * distribution with the sum's mean and variance, by Wilson and Hilferty's cube root (1931). Invariant: 0 <=
 * low <= found <= high <= 1.
 */
#include "coverage.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GRID = 400 };

struct moments { /* of the share q of answering targets that all tries miss, and of p */
        double missed, variance;
        double scatter; /* mean of q(1-q): times 1/n the variance of the share among n targets when q is known
                         */
        double loss;
};

static uint64_t heard(const struct coverage_try *t)
{
        uint64_t n = 0;
        for (unsigned k = 0; k < t->tries; k++)
                n += t->heard[k];
        return n;
}

/* log likelihood of p = e^l times Jeffreys' prior for l: sqrt of the variance of the try's number. */
static double log_posterior(const struct coverage_try *t, double l, double n, double sum)
{
        double z = 0, m1 = 0, m2 = 0;
        for (unsigned k = 0; k < t->tries; k++) {
                double w = exp(l * k);
                z += w;
                m1 += w * k;
                m2 += w * k * k;
        }
        double variance = m2 / z - m1 * m1 / (z * z);
        return sum * l - n * log(z) + 0.5 * log(variance);
}

/* The stretch of log p in which all of the posterior lies that matters, found by looking ever closer. */
static void zoom(const struct coverage_try *t, double n, double sum, double *low, double *high)
{
        *low = log(1e-3 / (n + 10)); /* no loss that could matter */
        *high = log(0.98);
        for (unsigned round = 0; round < 5; round++) {
                double value[GRID / 4], best = -INFINITY, step = (*high - *low) / (GRID / 4), from = *low;
                unsigned first = GRID / 4, last = 0;
                for (unsigned i = 0; i < GRID / 4; i++) {
                        value[i] = log_posterior(t, from + step * (i + 0.5), n, sum);
                        best = fmax(best, value[i]);
                }
                for (unsigned i = 0; i < GRID / 4; i++)
                        if (value[i] > best - 30) {
                                first = MIN(first, i);
                                last = i;
                        }
                *low = from + step * (first ? first - 1 : 0);
                *high = from + step * MIN(last + 2, (unsigned)GRID / 4);
        }
}

static struct moments integrate(const struct coverage_try *t, unsigned tries)
{
        double n = (double)heard(t), sum = 0, best = -INFINITY, total = 0, square = 0, low, high,
               weight[GRID];
        struct moments m = {0};
        for (unsigned k = 0; k < t->tries; k++)
                sum += (double)t->heard[k] * k;
        zoom(t, n, sum, &low, &high);
        for (unsigned i = 0; i < GRID; i++) {
                weight[i] = log_posterior(t, low + (high - low) * (i + 0.5) / GRID, n, sum);
                best = fmax(best, weight[i]);
        }
        for (unsigned i = 0; i < GRID; i++) {
                double w = exp(weight[i] - best), p = exp(low + (high - low) * (i + 0.5) / GRID);
                double q = pow(p, tries);
                total += w;
                m.loss += w * p;
                m.missed += w * q;
                square += w * q * q;
        }
        m.loss /= total;
        m.missed /= total;
        m.variance = square / total - m.missed * m.missed;
        m.scatter = m.missed - square / total;
        return m;
}

/* Quantile of a gamma distribution with this mean and variance; z: the normal quantile. */
static double gamma_quantile(double mean, double variance, double z)
{
        double shape = mean * mean / variance, root = 1 - 1 / (9 * shape) + z / (3 * sqrt(shape));
        return root > 0 ? mean * root * root * root : 0;
}

void coverage_estimate(struct coverage *c, enum coverage_basis basis, const struct coverage_part *part,
                       unsigned n_parts, uint64_t found, unsigned tries)
{
        double share = 0, missed = 0, variance = 0, scatter = 0;
        *c = (struct coverage){.retried = tries > 1};
        for (unsigned i = 0; i < n_parts; i++)
                share += heard(&part[i].seen) ? part[i].share : 0;
        if (basis == COVERAGE_NONE || !found || share <= 0)
                return;
        for (unsigned i = 0; i < n_parts; i++) {
                double w = part[i].share / share;
                if (!heard(&part[i].seen) || w <= 0)
                        continue;
                struct moments m = integrate(&part[i].seen, tries);
                missed += w * m.missed;
                variance += w * w * m.variance;
                scatter += w * m.scatter;
                c->loss += w * m.loss;
                c->samples += heard(&part[i].seen);
        }
        variance += scatter * (1 - missed) / (double)found; /* found / (1 - missed) targets answer */
        c->basis = basis;
        c->found = 1 - missed;
        c->low = fmax(fmin(1 - gamma_quantile(missed, variance, 1.96), c->found), 0);
        c->high = fmax(1 - gamma_quantile(missed, variance, -1.96), c->found);
}

unsigned coverage_try_of(uint32_t age_ms, uint32_t clock_ms, uint32_t rtt_us, double retry_delay_s,
                         unsigned retries)
{
        double age_s = age_ms / 1e3 - rtt_us / 1e6, k = floor(age_s / retry_delay_s + 0.5);
        double last = MIN(retries, (unsigned)COVERAGE_TRIES - 1);
        /* The second probe leaves after retry_delay_s, never before. */
        if (!rtt_us && retries && age_s >= retry_delay_s / 2 && age_s + clock_ms / 1e3 < retry_delay_s)
                return COVERAGE_SLOW;
        return k <= 0 ? 0 : k >= last ? (unsigned)last : (unsigned)k;
}

/* No more slow answers than a tenth of those that seem to be to a later try: what comes slower still, and
 * passes for one of them, is then no more than that. And most must be to the first, or all may be late. */
static bool ages_tell(const uint64_t aged[COVERAGE_SEEN])
{
        uint64_t later = 0;
        for (unsigned k = 1; k < COVERAGE_TRIES; k++)
                later += aged[k];
        return aged[COVERAGE_SLOW] * 10 <= later && aged[0] > later;
}

bool coverage_of_answers(const uint64_t timed[COVERAGE_SEEN], const uint64_t aged[COVERAGE_SEEN],
                         unsigned retries, struct coverage_try *t)
{
        bool both = ages_tell(aged);
        *t = (struct coverage_try){.tries = MIN(retries + 1, (unsigned)COVERAGE_TRIES)};
        for (unsigned k = 0; k < t->tries; k++)
                t->heard[k] = timed[k] + (both ? aged[k] : 0);
        return retries && heard(t);
}

/* As many digits as tell the share from all. */
static size_t percent(char *out, size_t cap, double x)
{
        double gap = 100 * (1 - x);
        int digits = gap >= 1 ? 1 : gap >= 0.1 ? 2 : gap >= 0.01 ? 3 : 4;
        double unit = pow(10, -digits), p = floor(100 * x / unit + 1e-9) * unit; /* 100 only when it is all */
        int n = snprintf(out, cap, "%.*f", x >= 1 ? 0 : digits, x >= 1 ? 100 : p);
        return n < 0 ? 0 : (size_t)n;
}

size_t coverage_text(const struct coverage *c, char *out, size_t cap)
{
        static const char *const basis[] = {"", "answers and the retries they took", "canaries"};
        char found[16], low[16], high[16];
        int n;
        percent(found, sizeof(found), c->found);
        percent(low, sizeof(low), c->low);
        percent(high, sizeof(high), c->high);
        if (c->basis == COVERAGE_NONE)
                n = snprintf(out, cap, "coverage: unknown, for %s",
                             c->retried ? "no answer tells which of the probes it answers: a longer "
                                          "--retry-delay, --tcp-tsecho or --rate auto may tell"
                                        : "nothing was probed twice that answered: --retries 1 or --rate "
                                          "auto would tell");
        else
                n = snprintf(out, cap,
                             "coverage: about %s %% of the targets that answer (95 %%: %s to %s %%), if "
                             "losses are "
                             "independent; %.2g %% of single probes failed, as %llu %s tell",
                             found, low, high, 100 * c->loss, (unsigned long long)c->samples,
                             basis[c->basis]);
        return n < 0 ? 0 : MIN((size_t)n, cap - 1);
}

size_t coverage_json(const struct coverage *c, char *out, size_t cap)
{
        int n;
        if (c->basis == COVERAGE_NONE)
                n = snprintf(out, cap, "null");
        else
                n = snprintf(out, cap,
                             "{\"percent\":%.5f,\"low\":%.5f,\"high\":%.5f,\"probe_loss_percent\":%.4f,"
                             "\"basis\":\"%s\","
                             "\"samples\":%llu}",
                             100 * c->found, 100 * c->low, 100 * c->high, 100 * c->loss,
                             c->basis == COVERAGE_RETRIES ? "retries" : "canaries",
                             (unsigned long long)c->samples);
        return n < 0 ? 0 : MIN((size_t)n, cap - 1);
}
