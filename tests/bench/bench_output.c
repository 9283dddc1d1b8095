// SPDX-License-Identifier: Apache-2.0
/*
 * How fast records become bytes: each format for 2,000,000 records into memory, and the same through
 * out_record() and out_flush() into a file. Prints records per second; the best of three rounds, since other
 * processes share the machine.
 */
#include "output/format.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RECORDS = 2000000, ROUNDS = 3 };

static struct record numbered(uint32_t i)
{
        return (struct record){
                .who = {.ip = ip_v4((uint32_t)(i * 2654435761u)), .port = (uint16_t)i, .proto = 6},
                .when_ns = 1795219502 * NS_PER_S + (uint64_t)i * 1000,
                .state = i % 3 ? PORT_OPEN : PORT_CLOSED,
                .flags = i % 3 ? 0x12 : 0x14,
                .ttl = (uint8_t)(40 + i % 30)};
}

static double to_memory(const struct out_ops *ops, size_t *bytes)
{
        static const struct out_run run = {.command_line = ""};
        static const struct out_conf conf = {0};
        struct fmt *st = calloc(1, ops->state_size);
        struct out_buf b;
        if (!st)
                exit(1);
        st->run = &run;
        st->conf = &conf;
        if (ops->setup)
                ops->setup(st);
        buf_init(&b, 16 << 20);
        uint64_t start = clock_mono_ns();
        *bytes = 0;
        for (uint32_t i = 0; i < RECORDS; i++) {
                struct record r = numbered(i);
                ops->record(st, &b, &r);
                st->items++;
                if (b.n > 1 << 18) {
                        *bytes += b.n;
                        b.n = 0;
                }
        }
        *bytes += b.n;
        uint64_t took = clock_mono_ns() - start;
        buf_free(&b);
        free(st);
        return (double)RECORDS * 1e9 / (double)took;
}

static double to_file(const struct out_ops *ops, const char *path)
{
        static const struct out_run run = {.command_line = ""};
        struct out_file f = {ops->name, path};
        struct out_conf c = {.files = &f, .n_files = 1, .show = UINT32_MAX, .flush_ns = NS_PER_S};
        struct out *o;
        struct err e;
        uint64_t start = clock_mono_ns();
        if (out_open(&o, &c, &run, &e))
                exit(1);
        for (uint32_t i = 0; i < RECORDS; i++) {
                struct record r = numbered(i);
                out_record(o, &r);
                if (i % 256 == 0 && out_flush(o, false, &e))
                        exit(1);
        }
        if (out_close(o, &e))
                exit(1);
        uint64_t took = clock_mono_ns() - start;
        unlink(path);
        return (double)RECORDS * 1e9 / (double)took;
}

int main(void)
{
        char path[] = "/tmp/trawl-bench-XXXXXX";
        int fd = mkstemp(path);
        if (fd < 0)
                return 1;
        close(fd);
        printf("%-12s %12s %10s %12s\n", "format", "memory rec/s", "MB/s", "file rec/s");
        for (size_t i = 0; out_table[i]; i++) {
                double memory = 0, file = 0;
                size_t bytes = 0;
                for (int k = 0; k < ROUNDS; k++) {
                        double m = out_table[i]->grouped ? 0 : to_memory(out_table[i], &bytes);
                        double d = to_file(out_table[i], path);
                        memory = MAX(memory, m);
                        file = MAX(file, d);
                }
                printf("%-12s %12.0f %10.0f %12.0f\n", out_table[i]->name, memory,
                       memory * (double)bytes / RECORDS / 1e6, file);
        }
        return 0;
}
