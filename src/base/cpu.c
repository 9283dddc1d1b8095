// SPDX-License-Identifier: Apache-2.0
/*
 * cpu: which vector instructions may be used, decided once from CPUID. The compiler's own probe is used: it
 * also asks XGETBV whether the kernel saves the wide registers, without which they must not be touched. A
 * level is a set that is always used together, and each level contains the ones below. Invariant: cpu_level()
 * never names a level that cpu_has() denies. Reference: Intel SDM vol. 1, 13.3 and 15.2 to 15.4.
 */
#include "base/base.h"
#include <stdatomic.h>
#include <stdio.h>

static const char *const names[CPU_LEVELS] = {"c", "avx2", "avx512"};
static atomic_int forced = -1;

#if defined(__x86_64__)
static bool has_avx2(void)
{
        return __builtin_cpu_supports("avx2");
}

static bool has_avx512(void)
{
        return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
static bool has_avx2(void)
{
        return false;
}

static bool has_avx512(void)
{
        return false;
}
#endif

bool cpu_has(enum cpu_level level)
{
        switch (level) {
        case CPU_C:
                return true;
        case CPU_AVX2:
                return has_avx2();
        case CPU_AVX512:
                return has_avx512();
        default:
                return false;
        }
}

enum cpu_level cpu_level(void)
{
        int level = atomic_load_explicit(&forced, memory_order_relaxed);
        if (level >= 0)
                return (enum cpu_level)level;
        return has_avx512() ? CPU_AVX512 : has_avx2() ? CPU_AVX2 : CPU_C;
}

bool cpu_force(enum cpu_level level)
{
        if (!cpu_has(level))
                return false;
        atomic_store_explicit(&forced, (int)level, memory_order_relaxed);
        return true;
}

const char *cpu_level_name(enum cpu_level level)
{
        assert(level < CPU_LEVELS);
        return names[level];
}

enum cpu_level cpu_level_by_name(const char *name)
{
        unsigned i = 0;
        while (i < CPU_LEVELS && strcmp(names[i], name) != 0)
                i++;
        return (enum cpu_level)i;
}

/* "model name : AMD EPYC 9004" (arm64 has no such line) -> what stands behind the colon, "unknown" if none */
const char *cpu_model(char *buf, unsigned cap)
{
        char line[256];
        FILE *f = fopen("/proc/cpuinfo", "re");
        assert(cap > 0);
        snprintf(buf, cap, "unknown");
        while (f && fgets(line, sizeof(line), f)) {
                char *text = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
                if (!text)
                        continue;
                text += strspn(text, ": \t");
                snprintf(buf, cap, "%.*s", (int)strcspn(text, "\n"), text);
                break;
        }
        if (f)
                fclose(f);
        return buf;
}
