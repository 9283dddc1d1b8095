// SPDX-License-Identifier: Apache-2.0
/*
 * For tests that need links and routes: the test program moves into a network namespace of its own, so
 * nothing it does can reach the machine's network, and all is gone when it ends. Not root: the tests are
 * skipped.
 */
#ifndef TRAWL_TEST_IO_NS_H
#define TRAWL_TEST_IO_NS_H
#include "io/io.h"
#include <setjmp.h>
#include <cmocka.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool in_own_namespace;

/* Runs a shell command; it must succeed. */
PRINTF_LIKE(1, 2) static inline void run(const char *fmt, ...)
{
        char text[512];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        if (system(text))
                fail_msg("failed: %s", text);
}

static inline void enter_namespace(void)
{
        in_own_namespace = unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0;
        if (!in_own_namespace)
                fprintf(stderr, "skipped: a network namespace of one's own needs root and iproute2\n");
}

#define NEEDS_NAMESPACE()              \
        do {                           \
                (void)state;           \
                if (!in_own_namespace) \
                        skip();        \
        } while (0)

static inline void open_ok(struct io *io, const char *backend, struct io_conf c)
{
        struct err e = {0};
        if (io_open(io, io_by_name(backend), &c, &e))
                fail_msg("%s", e.text);
}
#endif
