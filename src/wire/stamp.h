// SPDX-License-Identifier: Apache-2.0
/*
 * stamp.h: the levels of wire_stamp_burst(). Private to wire. Invariant: all write the same t->len bytes into
 * each slot; what lies behind them, up to 128, is anything.
 */
#ifndef TRAWL_WIRE_STAMP_H
#define TRAWL_WIRE_STAMP_H
#include "wire/wire.h"

void stamp_burst_c(struct frame *, const struct probe_template *, const struct patch *, unsigned n);
#if defined(__x86_64__)
void stamp_burst_avx512(struct frame *, const struct probe_template *, const struct patch *, unsigned n);
#endif
#endif
