// SPDX-License-Identifier: Apache-2.0
/*
 * test_base_cpu: the levels of vector code. They agree with what the kernel says the CPU has, each contains
 * the one below, and forcing one takes exactly when the machine has it. Invariant: no level is ever named
 * that is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/base.h"

/* Is the word among the flags the kernel lists? */
static bool kernel_says(const char *flag)
{
        char line[8192], word[32];
        bool found = false;
        FILE *f = fopen("/proc/cpuinfo", "re");
        snprintf(word, sizeof(word), " %s ", flag);
        while (f && !found && fgets(line, sizeof(line), f)) {
                char *end = strchr(line, '\n');
                if (strncmp(line, "flags", 5) || !end)
                        continue;
                *end = ' ';
                found = strstr(line, word) != NULL;
        }
        if (f)
                fclose(f);
        return found;
}

static void test_has(void **state)
{
        (void)state;
        assert_true(cpu_has(CPU_C));
        assert_int_equal(cpu_has(CPU_AVX2), kernel_says("avx2"));
        assert_int_equal(cpu_has(CPU_AVX512), kernel_says("avx512f") && kernel_says("avx512bw") &&
                                                      kernel_says("avx512dq") && kernel_says("avx512vl"));
        assert_false(cpu_has(CPU_LEVELS));
        for (unsigned l = 1; l < CPU_LEVELS; l++)
                assert_true(!cpu_has((enum cpu_level)l) || cpu_has((enum cpu_level)(l - 1)));
}

static void test_force(void **state)
{
        enum cpu_level best = cpu_level();
        (void)state;
        assert_true(cpu_has(best));
        assert_true(best + 1 == CPU_LEVELS || !cpu_has(best + 1));
        for (unsigned l = 0; l < CPU_LEVELS; l++) {
                enum cpu_level level = (enum cpu_level)l, before = cpu_level();
                assert_int_equal(cpu_force(level), cpu_has(level));
                assert_int_equal(cpu_level(), cpu_has(level) ? level : before);
        }
        assert_false(cpu_force(CPU_LEVELS));
        assert_true(cpu_force(best));
}

static void test_names(void **state)
{
        (void)state;
        assert_string_equal(cpu_level_name(CPU_C), "c");
        for (unsigned l = 0; l < CPU_LEVELS; l++)
                assert_int_equal(cpu_level_by_name(cpu_level_name((enum cpu_level)l)), l);
        assert_int_equal(cpu_level_by_name("sse9"), CPU_LEVELS);
        assert_int_equal(cpu_level_by_name(""), CPU_LEVELS);
}

static void test_model(void **state)
{
        char whole[256], cut[4];
        (void)state;
        assert_ptr_equal(cpu_model(whole, sizeof(whole)), whole);
        assert_true(whole[0] != 0 && whole[0] != ' ' && !strchr(whole, '\n'));
        cpu_model(cut, sizeof(cut));
        assert_int_equal(strlen(cut), 3);
        assert_memory_equal(cut, whole, 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_has),
                cmocka_unit_test(test_force),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_model),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
