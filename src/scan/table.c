// SPDX-License-Identifier: Apache-2.0
/*
 * table: every stateless probe type, in one list that the engine and the help walk. Adding a probe type is
 * one file and one row here. Invariant: NULL-ended, one row per IP protocol.
 */
#include "scan/scan.h"

const struct scan_ops *const scan_table[] = {&scan_syn, NULL};
