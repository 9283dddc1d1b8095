// SPDX-License-Identifier: Apache-2.0
/*
 * engine: configuration -> a running scan. Threads, rates, retries, checkpoint and status live here; every
 * other operation of the program that is more than printing is started here too.
 */
#ifndef TRAWL_ENGINE_H
#define TRAWL_ENGINE_H
#include "conf/conf.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_INPUT = 2, EXIT_INTERRUPTED = 3 };
/* Does what conf->op says. Returns the exit status; what went wrong was said on stderr. */
int engine_run(struct conf *);
#endif
