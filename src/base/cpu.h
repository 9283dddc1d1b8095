// SPDX-License-Identifier: Apache-2.0
/*
 * cpu: which vector instructions this machine has and which of them may be used. Hot code that exists in
 * several levels asks once per burst. Invariant: levels differ in speed only; tests compare each with C.
 */
#ifndef TRAWL_CPU_H
#define TRAWL_CPU_H
#include <stdbool.h>

enum cpu_level { CPU_C, CPU_AVX2, CPU_AVX512, CPU_LEVELS };
/* The level in use: the best the machine has, or what cpu_force() said. Any thread. */
enum cpu_level cpu_level(void);
bool cpu_has(enum cpu_level);
/* --cpu-mask: before any thread runs. False: the machine has it not. */
bool cpu_force(enum cpu_level);
const char *cpu_level_name(enum cpu_level);     /* "c", "avx2", "avx512" */
enum cpu_level cpu_level_by_name(const char *); /* CPU_LEVELS: unknown */
const char *cpu_model(char *buf, unsigned cap); /* "AMD EPYC …" from /proc/cpuinfo */
#endif
