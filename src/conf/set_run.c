// SPDX-License-Identifier: Apache-2.0
/*
 * set_run: rows that say in which order, how fast and how long: seed, shard, rate, waiting. Invariant: what
 * is refused leaves the old value, and no value here means "as fast as possible" or "everything" by accident.
 */
#include "option.h"
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

/* ---- rate ---- */
enum { AUTO_CEILING_PPS = 10000 }; /* of --rate auto without --max-rate */

static void take_rate(struct conf *c, double pps, double bps, enum opt_origin origin)
{
        c->rate_auto = c->private_->rate_is_max = false;
        c->rate_pps = pps;
        c->rate_bps = bps;
        c->has_rate = origin != FROM_DEFAULT;
        conf_mark_set(c, "rate", origin);
}

int set_rate(struct conf *c, const struct opt_use *u, struct err *e)
{
        double pps, bps;
        bool is_max = u->as && strcasestr(u->as, "max"), was_auto = c->rate_auto;
        if (strcasecmp(u->value, "auto") == 0) {
                if (is_max)
                        return err_set(e, 0, "\"auto\" is no ceiling: write --rate auto --max-rate 50k");
                if (!c->private_->rate_is_max)
                        take_rate(c, AUTO_CEILING_PPS, 0, u->origin);
                c->rate_auto = true;
                conf_mark_set(c, "rate", u->origin);
                return 0;
        }
        if (val_rate(u->value, &pps, &bps, e))
                return -1;
        take_rate(c, pps, bps, u->origin);
        c->rate_auto = is_max && was_auto; /* then it is the ceiling, in whichever order they come */
        c->private_->rate_is_max = is_max;
        return 0;
}

void dump_rate(const struct conf *c, const struct opt *o, FILE *f)
{
        bool bits = c->rate_bps > 0;
        if (c->rate_auto)
                fprintf(f, "%s = auto\n", o->name);
        fprintf(f, "%s = %s%s\n", c->rate_auto ? "max-rate" : o->name,
                val_of_double(bits ? c->rate_bps : c->rate_pps).s, bits ? "bit" : "");
}

int set_min_rate(struct conf *c, const struct opt_use *u, struct err *e)
{
        double pps, bps;
        if (val_rate(u->value, &pps, &bps, e))
                return -1;
        if (bps > 0)
                return err_set(e, 0, "%s is a bandwidth: give packets per second", opt_quote(u->value).s);
        c->private_->min_rate_pps = pps;
        return 0;
}

/* nmap's timing words as rates. nmap waits between probes to one host (5 min, 15 s, 0.4 s for the first
 * three); trawl has one rate for all, so the same gaps are kept between any two frames. */
int set_timing(struct conf *c, const struct opt_use *u, struct err *e)
{
        static const struct {
                const char *word;
                double pps;
        } t[] = {{"paranoid", 1.0 / 300}, {"sneaky", 1.0 / 15}, {"polite", 2.5},
                 {"normal", 100},         {"aggressive", 1000}, {"insane", 10000}};
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                char digit[2] = {(char)('0' + i), 0};
                if (strcmp(u->value, digit) != 0 && strcasecmp(u->value, t[i].word) != 0)
                        continue;
                take_rate(c, t[i].pps, 0, u->origin);
                return conf_note(c, e, "-T%zu (%s) is taken as --rate %g", i, t[i].word, t[i].pps);
        }
        return err_set(e, 0, "%s is no timing template: give 0 to 5, or better a --rate",
                       opt_quote(u->value).s);
}

static void raise_to_min_rate(struct conf *c)
{
        double min = c->private_->min_rate_pps;
        if (min <= 0)
                return;
        if (c->rate_auto) {
                (void)conf_note(c, NULL, "--min-rate %s has no effect: --rate auto goes as low as it must",
                                val_of_double(min).s);
        } else if (!c->has_rate) {
                take_rate(c, min, 0, FROM_FILE);
                (void)conf_note(c, NULL, "--min-rate is taken as --rate %s: trawl sends at exactly one rate",
                                val_of_double(min).s);
        } else if (c->rate_bps <= 0 && c->rate_pps < min) {
                (void)conf_note(c, NULL, "--min-rate %s is more than --rate: the rate stays at %s",
                                val_of_double(min).s, val_of_double(c->rate_pps).s);
        }
}

/* ---- order ---- */
int set_seed(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint64_t seed;
        if (strcasecmp(u->value, "time") == 0) {
                c->seed = clock_wall_ns() / NS_PER_S;
                c->has_seed = false;
                return 0;
        }
        if (val_u64(u->value, 0, UINT64_MAX, &seed, NULL))
                return err_set(e, 0, "%s is no seed: give a whole number below 2^64, or \"time\"",
                               opt_quote(u->value).s);
        c->seed = seed;
        c->has_seed = seed != 0; /* 0 asks for a random one */
        return 0;
}

void dump_seed(const struct conf *c, const struct opt *o, FILE *f)
{
        if (c->seed)
                fprintf(f, "%s = %llu\n", o->name, (unsigned long long)c->seed);
}

int set_shard(struct conf *c, const struct opt_use *u, struct err *e)
{
        char i_text[24], n_text[24];
        size_t i_len = strspn(u->value, "0123456789");
        const char *rest = u->value + i_len;
        uint64_t i, n;
        if (!i_len || !ispunct((unsigned char)*rest) || i_len >= sizeof(i_text))
                return err_set(e, 0, "%s is no shard: write it as in 1/4, the first of four",
                               opt_quote(u->value).s);
        snprintf(i_text, sizeof(i_text), "%.*s", (int)i_len, u->value);
        snprintf(n_text, sizeof(n_text), "%s", rest + 1);
        if (strlen(rest + 1) >= sizeof(n_text) || val_u64(i_text, 0, 1u << 31, &i, NULL) ||
            val_u64(n_text, 0, 1u << 31, &n, NULL))
                return err_set(e, 0, "%s is no shard: write it as in 1/4, the first of four",
                               opt_quote(u->value).s);
        if (n == 0 || i == 0 || i > n)
                return err_set(e, 0, "%s is no shard: the first number runs from 1 to the second",
                               opt_quote(u->value).s);
        c->shard = (uint32_t)i;
        c->shards = (uint32_t)n;
        return 0;
}

void dump_shard(const struct conf *c, const struct opt *o, FILE *f)
{
        fprintf(f, "%s = %u/%u\n", o->name, c->shard, c->shards);
}

int set_cores(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint16_t cores[CONF_CORES_MAX];
        unsigned n = 0;
        const char *p = u->value;
        if (strcasecmp(p, "auto") == 0) {
                c->n_cores = 0;
                return 0;
        }
        for (unsigned first, last, used; sscanf(p, "%4u%n", &first, &used) == 1; p++) {
                p += used;
                last = first;
                if (sscanf(p, "-%4u%n", &last, &used) == 1)
                        p += used;
                if (last < first || last > 4095 || n + (last - first) >= CONF_CORES_MAX)
                        break;
                while (first <= last)
                        cores[n++] = (uint16_t)first++;
                if (*p == 0) {
                        memcpy(c->cores, cores, sizeof(cores));
                        c->n_cores = n;
                        return 0;
                }
                if (*p != ',')
                        break;
        }
        return err_set(e, 0, "%s is no list of CPUs: write it as in 0,2-3 (at most %d of them), or auto",
                       opt_quote(u->value).s, CONF_CORES_MAX);
}

void dump_cores(const struct conf *c, const struct opt *o, FILE *f)
{
        fprintf(f, "%s = %s", o->name, c->n_cores ? "" : "auto");
        for (unsigned i = 0; i < c->n_cores; i++)
                fprintf(f, "%s%u", i ? "," : "", c->cores[i]);
        fputc('\n', f);
}

int set_resume_index(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint64_t index;
        if (val_u64(u->value, 0, UINT64_MAX, &index, e))
                return -1;
        if (index && u->origin == FROM_FILE && c->private_->foreign_file)
                return err_set(
                        e, 0,
                        "%s counts masscan's order, and trawl's is another: delete this line to scan anew (a "
                        "file that begins with \"# trawl\" is taken as trawl's own)",
                        u->value);
        c->resume_index = index;
        c->has_resume_index = index != 0 || u->origin != FROM_FILE;
        return 0;
}

void dump_resume_index(const struct conf *c, const struct opt *o, FILE *f)
{
        if (c->has_resume_index)
                fprintf(f, "%s = %llu\n", o->name, (unsigned long long)c->resume_index);
}

/* ---- waiting ---- */
int set_wait(struct conf *c, const struct opt_use *u, struct err *e)
{
        double s;
        if (strcasecmp(u->value, "forever") == 0) {
                c->wait_s = CONF_WAIT_FOREVER;
                return 0;
        }
        if (strcasecmp(u->value, "auto") == 0) {
                c->wait_s = CONF_WAIT_AUTO;
                return 0;
        }
        if (val_seconds(u->value, 0, 1e8, &s, NULL))
                return err_set(e, 0,
                               "%s is no waiting time: give seconds (0, 10, 2m), \"auto\" or \"forever\"",
                               opt_quote(u->value).s);
        c->wait_s = s;
        return 0;
}

void dump_wait(const struct conf *c, const struct opt *o, FILE *f)
{
        bool forever = c->wait_s < -0.5 && c->wait_s > -1.5;
        fprintf(f, "%s = %s\n", o->name,
                c->wait_s >= 0 ? val_of_double(c->wait_s).s
                : forever      ? "forever"
                               : "auto");
}

void run_finish(struct conf *c)
{
        while (!c->seed)
                rand_bytes(&c->seed, sizeof(c->seed));
        raise_to_min_rate(c);
}
