// SPDX-License-Identifier: Apache-2.0
/*
 * What one packet costs in the hot functions: patch + stamp per probe, decode + classify per answer, dedup
 * per mark. One core, everything in cache except the dedup bitmap, best of seven runs so that other load does
 * not count. Prints nanoseconds; judges nothing.
 */
#include "result/result.h"
#include "scan/scan.h"
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 64, ROUNDS = 4000, RUNS = 7 };
static struct target targets[BATCH];
static struct patch patches[BATCH];
static uint8_t probes[BATCH][WIRE_PROBE_MAX], replies[BATCH][128];
static size_t reply_len;
static volatile uint64_t sink;

static const struct hash_key secret = {0x9e3779b97f4a7c15, 0xd1b54a32d192ed03};
static const struct wire_hop hop = {.link = LINK_ETHER, .us_mac = {2, 0, 0, 0, 0, 1}};
static struct probe_template template;
static struct scan_source source;

static void bench_patch(void)
{
        scan_syn.patch(patches, &template, targets, BATCH, secret, 1);
}

static void bench_stamp(void)
{
        for (int i = 0; i < BATCH; i++)
                wire_stamp(probes[i], &template, &patches[i]);
}

static void bench_both(void)
{
        bench_patch();
        bench_stamp();
}

static void bench_decode(void)
{
        struct pkt p;
        for (int i = 0; i < BATCH; i++)
                sink += wire_decode(&p, span_of(replies[i], reply_len), LINK_ETHER, false, 2);
}

static void bench_receive(void)
{
        struct scan_key key = {secret, &source, 1};
        struct answer a = {.state = 0};
        struct pkt p;
        for (int i = 0; i < BATCH; i++) {
                if (wire_decode(&p, span_of(replies[i], reply_len), LINK_ETHER, false, 2) == WIRE_OK &&
                    scan_syn.classify(&p, &key, 5, &a) == SCAN_ANSWER)
                        sink += a.state == PORT_OPEN;
        }
}

static struct dedup *dedup;
static uint64_t dedup_n, dedup_next;

static void bench_dedup(void)
{
        for (int i = 0; i < BATCH; i++)
                sink += dedup_mark(dedup, hash_mix64(dedup_next++) % dedup_n, PORT_OPEN);
}

static double best_ns(void (*f)(void))
{
        uint64_t best = UINT64_MAX;
        for (int run = 0; run < RUNS; run++) {
                uint64_t start = clock_mono_ns();
                for (int i = 0; i < ROUNDS; i++)
                        f();
                best = MIN(best, clock_mono_ns() - start);
        }
        return (double)best / (ROUNDS * BATCH);
}

/* Fresh targets, their probes, and the SYN-ACKs that answer these. Returns whether they all count as answers.
 */
static bool set_up(uint8_t family, enum syn_profile profile)
{
        struct scan_conf conf = {profile,      SCAN_DEFAULT, SCAN_DEFAULT, SCAN_DEFAULT,
                                 SCAN_DEFAULT, SCAN_DEFAULT, false};
        struct ip_addr us = family == 4 ? ip_v4(0xc6336409) : ip_v6(0x20010db8ull << 32, 9);
        struct err e;
        struct pkt p;
        source = (struct scan_source){us, 1, 40000, 256};
        if (scan_syn.prepare(&template, &conf, &hop, &source, &e))
                return false;
        for (uint64_t i = 0; i < BATCH; i++) {
                uint64_t r = hash_mix64(i + 1);
                targets[i] = (struct target){family == 4 ? ip_v4((uint32_t)r) : ip_v6(r, ~r), 443, 6};
        }
        bench_both();
        for (int i = 0; i < BATCH; i++) {
                wire_decode(&p, span_of(probes[i], template.len), LINK_ETHER, false, 0);
                reply_len = wire_build_tcp(replies[i], sizeof(replies[i]), &hop, &p.dst, &p.src, p.dport,
                                           p.sport, 7, p.seq + 1, TCP_SYN | TCP_ACK, 65535, 60);
        }
        uint64_t before = sink;
        bench_receive();
        return sink - before == BATCH;
}

static int bench_dedup_kind(const char *name, uint64_t n, uint64_t max_bytes)
{
        struct err e;
        dedup_n = n;
        if (dedup_new(&dedup, n, max_bytes, &e)) {
                fprintf(stderr, "%s\n", e.text);
                return -1;
        }
        printf("dedup %-9s                  %6.1f ns per mark\n", name, best_ns(bench_dedup));
        dedup_free(dedup);
        return 0;
}

int main(void)
{
        static const char *const names[] = {"minimal", "masscan", "linux", "windows", "bsd"};
        for (uint8_t family = 4; family <= 6; family += 2)
                for (int profile = SYN_MINIMAL; profile <= SYN_BSD; profile++) {
                        if (!set_up(family, (enum syn_profile)profile)) {
                                fprintf(stderr, "an answer was not recognised\n");
                                return 1;
                        }
                        printf("IPv%u %-8s patch %5.1f  stamp %5.1f  both %5.1f ns per probe;  decode %5.1f  "
                               "decode+classify %5.1f ns per answer\n",
                               family, names[profile], best_ns(bench_patch), best_ns(bench_stamp),
                               best_ns(bench_both), best_ns(bench_decode), best_ns(bench_receive));
                }
        return bench_dedup_kind("bitmap", (uint64_t)1 << 28, 1 << 30) ||
               bench_dedup_kind("ageing", (uint64_t)1 << 40, 1 << 30);
}
