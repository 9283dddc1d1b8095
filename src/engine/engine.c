// SPDX-License-Identifier: Apache-2.0
/* engine: one door, one switch. */
#include "eng.h"

int engine_run(struct conf *c)
{
        log_set_level(c->debug ? LOG_DEBUG : c->verbose ? LOG_VERBOSE : LOG_INFO);
        if (c->cpu_mask >= 0)
                cpu_force((enum cpu_level)c->cpu_mask); /* conf has seen that this CPU has it */
        switch (c->op) {
        case OP_SCAN:
                return eng_scan(c);
        case OP_LIST:
                return eng_list(c);
        case OP_ECHO_CIDR:
        case OP_READ_RANGE:
                return eng_read_range(c);
        case OP_READSCAN:
                return eng_readscan(c);
        case OP_REPAIR:
                return eng_repair(c);
        case OP_IFLIST:
                return eng_iflist(c);
        case OP_DEBUG_IF:
                return eng_debug_if(c);
        case OP_SELFTEST:
                return eng_selftest();
        case OP_BENCHMARK:
                return eng_benchmark(c);
        case OP_BENCHMARK_TX:
                return eng_benchmark_tx(c);
        case OP_ECHO:
        case OP_HELP:
        case OP_MAN:
        case OP_NMAP_HELP:
        case OP_VERSION:
        case OP_VULN_LIST:
        case OP_USAGE:
                break;
        }
        return EXIT_OK; /* main printed those */
}
