// SPDX-License-Identifier: Apache-2.0
/*
 * shield (private to io): the two ways to keep answers from the host's own TCP, behind one door (shield.c).
 * Invariant: whatever either puts into the kernel hangs on a descriptor of this process and goes with it.
 */
#ifndef TRAWL_SHIELD_H
#define TRAWL_SHIELD_H
#include "io_priv.h"

/* ---- shield_tcx.c: a program per interface, Linux 6.6 ---- */
struct shield_tcx;
int shield_tcx_open(struct shield_tcx **, const struct io_span *, unsigned n, struct err *);
int shield_tcx_add(struct shield_tcx *, int ifindex, struct err *); /* code ENODEV: there is no such */
void shield_tcx_drop(struct shield_tcx *, int ifindex); /* it is gone; its number may come again */
void shield_tcx_counts(const struct shield_tcx *, struct io_shield_count *);
void shield_tcx_close(struct shield_tcx *); /* NULL: nothing */

/* ---- shield_nft.c: a table of rules for all interfaces together, Linux 5.12 ---- */
struct shield_nft;
int shield_nft_open(struct shield_nft **, const struct io_span *, unsigned n, struct err *);
bool shield_nft_asks(const struct shield_nft *); /* does it look for local sockets? */
void shield_nft_counts(struct shield_nft *, struct io_shield_count *);
void shield_nft_close(struct shield_nft *);
#endif
