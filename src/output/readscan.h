// SPDX-License-Identifier: Apache-2.0
/*
 * readscan: the reader's inner door: records from bytes in memory, for the journals of grouped outputs and
 * for tests. Invariant: nothing outside the span is read.
 */
#ifndef TRAWL_OUTPUT_READSCAN_H
#define TRAWL_OUTPUT_READSCAN_H
#include "format.h"

/* Reads records from byte `from` of `file`, which stays the caller's and outlives the reader. */
int reader_over(struct out_reader **, struct span file, size_t from, struct err *);
/* A regular file mapped read-only (anything else: read whole); file_unmap() gives it back. */
struct file_map {
        uint8_t *p;
        size_t n;
        bool mapped;
};
int file_map(struct file_map *, const char *path, struct err *);
void file_unmap(struct file_map *);
#endif
