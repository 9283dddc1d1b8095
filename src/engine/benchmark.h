// SPDX-License-Identifier: Apache-2.0
/*
 * benchmark: what --benchmark and --benchmark-tx share: plans made from text, a clock that counts only our
 * own work. Private to the two of them.
 */
#ifndef TRAWL_BENCHMARK_H
#define TRAWL_BENCHMARK_H
#include "eng.h"

/* CPU time of the calling thread: what else runs on the machine counts less than on a clock on the wall. */
uint64_t bench_cpu_ns(void);
/* Targets minus `n_excludes` blocks of our own choice, always the same ones, × ports. Reserved addresses
 * stay. */
int bench_plan(struct tgt_plan **, const char *targets, unsigned n_excludes, const char *ports, struct err *);
#endif
