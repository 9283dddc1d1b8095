// SPDX-License-Identifier: Apache-2.0
/*
 * bench_generate: how many targets a second one core draws from a plan in random order. Plans: the whole IPv4
 * Internet minus 300 blocks with one port and with 100, a scattered list, a small network, and IPv6. Prints
 * one line per plan: probes per second, and of indices looked up again (per reply). Invariant: what is drawn
 * is summed and printed, so that no work can be optimised away.
 */
#include <stdio.h>
#include <stdlib.h>
#include "target/target.h"

enum { BURST = 256 };

static struct tgt_plan *make(struct tgt_set *in, struct tgt_set *ex, const char *port_text)
{
        struct tgt_ports *ports;
        struct tgt_plan *p;
        struct err e = {0};
        if (tgt_ports_new(&ports, &e) || tgt_ports_add(ports, port_text, TGT_TCP, &e) ||
            tgt_set_finish(in, &e) || tgt_set_finish(ex, &e))
                goto failed;
        struct tgt_spec spec = {.include = in, .exclude = ex, .ports = ports};
        if (tgt_plan_new(&p, &spec, &e))
                goto failed;
        tgt_set_free(in);
        tgt_set_free(ex);
        tgt_ports_free(ports);
        return p;
failed:
        fprintf(stderr, "bench_generate: %s\n", e.text);
        exit(1);
}

static struct tgt_set *set_of(const char *text)
{
        struct tgt_set *s;
        struct err e = {0};
        if (tgt_set_new(&s, &e) == 0 && tgt_set_add(s, text, NULL, &e) == 0)
                return s;
        fprintf(stderr, "bench_generate: %s\n", e.text);
        exit(1);
}

/* 300 blocks of /16 to /24, spread over the space. */
static struct tgt_set *excludes(void)
{
        struct tgt_set *s = set_of("10.0.0.0/8,127.0.0.0/8");
        struct err e = {0};
        for (uint64_t i = 0; i < 298; i++) {
                char text[48];
                uint32_t a = (uint32_t)hash_mix64(i + 1);
                snprintf(text, sizeof(text), "%u.%u.%u.0/%u", a >> 24, a >> 16 & 255, a >> 8 & 255,
                         (unsigned)(16 + i % 9));
                if (tgt_set_add(s, text, NULL, &e))
                        exit(1);
        }
        return s;
}

static struct tgt_set *scattered(uint64_t n)
{
        struct tgt_set *s = set_of("");
        struct err e = {0};
        if (tgt_set_add_random(s, n, 1, &e))
                exit(1);
        return s;
}

static unsigned draw(const struct tgt_plan *p, const struct tgt_order *o, uint64_t *pos,
                     struct tgt_probe *out)
{
        if (*pos >= o->domain)
                *pos = 0;
        return tgt_generate(p, o, pos, o->domain, 1, out, BURST);
}

/* The way of a reply: target -> index -> position. */
static uint64_t look_up(const struct tgt_plan *p, const struct tgt_order *o, const struct tgt_probe *probe,
                        unsigned n)
{
        uint64_t sum = 0, index = 0;
        for (unsigned i = 0; i < n; i++)
                if (tgt_plan_index(p, &probe[i].who, &index))
                        sum += tgt_order_pos(o, index);
        return sum;
}

static void measure(const char *what, struct tgt_plan *p)
{
        struct tgt_plan_facts f;
        struct tgt_order o;
        static struct tgt_probe out[BURST];
        uint64_t pos = 0, drawn = 0, looked = 0, sum = 0, look_ns = 0, start = clock_mono_ns(), draw_ns;
        tgt_plan_facts(p, &f);
        tgt_order_init(&o, f.probes, 1);
        while ((draw_ns = clock_mono_ns() - start) < NS_PER_S) {
                for (unsigned k = 0; k < 64; k++) {
                        unsigned n = draw(p, &o, &pos, out);
                        drawn += n;
                        for (unsigned i = 0; i < n; i++)
                                sum += out[i].who.ip.lo ^ out[i].who.port;
                }
        }
        for (unsigned k = 0; k < 4000; k++) {
                unsigned n = draw(p, &o, &pos, out);
                start = clock_mono_ns();
                sum += look_up(p, &o, out, n);
                look_ns += clock_mono_ns() - start;
                looked += n;
        }
        printf("%-34s %6.1f M probes/s   %6.1f M look-ups/s   (%llx)\n", what,
               (double)drawn / (double)draw_ns * 1e3, (double)looked / (double)look_ns * 1e3,
               (unsigned long long)sum);
        tgt_plan_free(p);
}

int main(void)
{
        measure("IPv4 Internet - 300, 1 port", make(set_of("0.0.0.0/0"), excludes(), "80"));
        measure("IPv4 Internet - 300, 100 ports", make(set_of("0.0.0.0/0"), excludes(), "1-100"));
        measure("1,000,000 scattered, 1 port", make(scattered(1000000), set_of(""), "80"));
        measure("10,000,000 scattered, 1 port", make(scattered(10000000), set_of(""), "80"));
        measure("10.0.0.0/16, 2 ports", make(set_of("10.0.0.0/16"), set_of(""), "80,443"));
        measure("2001:db8::/80, 3 ports", make(set_of("2001:db8::/80"), set_of(""), "80,81,82"));
        return 0;
}
