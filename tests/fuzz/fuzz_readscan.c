// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a scan file: the reader must end, and every record it gives must be writable by every format.
 * The search for the end of a body runs over the same bytes, for every format. Invariant: what binary writes
 * from the records reads back as the same number of them or more (long banners are split).
 */
#include "output/readscan.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 500 };

static void all_body_ends(struct span file)
{
        for (size_t i = 0; out_table[i]; i++) {
                bool empty;
                int64_t end = out_table[i]->body_end(file, &empty);
                if (end > (int64_t)file.n)
                        abort();
        }
}

static void write_everywhere(struct fmt *const *states, struct out_buf *b, const struct record *r)
{
        for (size_t i = 0; out_table[i]; i++) {
                b->n = 0;
                out_table[i]->record(states[i], b, r);
                if (out_table[i]->host)
                        out_table[i]->host(states[i], b, &r, 1);
        }
}

static size_t count(struct span file)
{
        struct out_reader *rd;
        struct record r;
        size_t n = 0;
        if (reader_over(&rd, file, 0, NULL))
                abort();
        while (out_reader_next(rd, &r, NULL) == 1)
                n++;
        out_reader_close(rd);
        return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct out_run run = {.command_line = ""};
        static const struct out_conf conf = {.reason = true};
        static struct fmt *states[32];
        static struct out_buf scratch, again;
        struct out_reader *rd;
        struct record r;
        size_t n = 0;
        if (!states[0]) {
                buf_init(&scratch, 64 << 20);
                buf_init(&again, 64 << 20);
                for (size_t i = 0; out_table[i]; i++) {
                        states[i] = calloc(1, out_table[i]->state_size);
                        if (!states[i])
                                abort();
                        states[i]->run = &run;
                        states[i]->conf = &conf;
                        if (out_table[i]->setup)
                                out_table[i]->setup(states[i]);
                }
        }
        all_body_ends(span_of(data, size));
        again.n = 0;
        if (reader_over(&rd, span_of(data, size), 0, NULL))
                abort();
        while (n < RECORDS_MAX && out_reader_next(rd, &r, NULL) == 1) {
                write_everywhere(states, &scratch, &r);
                out_binary.record(states[0], &again, &r);
                n++;
        }
        out_reader_close(rd);
        if (count(span_of(again.p, again.n)) < n)
                abort();
        return 0;
}
