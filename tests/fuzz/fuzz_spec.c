// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_spec: target text, target files and port lists, none of which may crash, hang or lie. The first byte
 * chooses the door. What was accepted must survive being printed and read again, and every index of its plan
 * must lead to a target and back. Invariant: names are refused (-n), so nothing is ever looked up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "target/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tgt_text no_dns = {.no_dns = true};

static void require(bool truth)
{
        if (!truth)
                abort();
}

/* "1-9.*.*.7" stands for half a million ranges: right, but not what a fuzzer should spend its time on. */
static bool is_heavy(const uint8_t *p, size_t n)
{
        unsigned wild = 0, items = 0;
        for (size_t i = 0; i < n; i++) {
                wild += p[i] == '*' || p[i] == '-';
                if (wild == 2)
                        items++;
                if (wild > 2 || items > 2)
                        return true;
                if (p[i] == ',' || p[i] == '\n' || p[i] == ' ')
                        wild = 0;
        }
        return false;
}

static struct tgt_set *new_set(void)
{
        struct tgt_set *s;
        struct err e;
        require(tgt_set_new(&s, &e) == 0);
        return s;
}

static void expect_plan(struct tgt_set *s)
{
        struct tgt_ports *ports;
        struct tgt_plan *p;
        struct tgt_plan_facts f;
        struct err e = {0};
        require(tgt_ports_new(&ports, &e) == 0 && tgt_ports_add(ports, "80,443,U:53", TGT_TCP, &e) == 0);
        struct tgt_spec spec = {.include = s, .ports = ports, .allow_reserved = true};
        if (tgt_plan_new(&p, &spec, &e) == 0) {
                tgt_plan_facts(p, &f);
                for (uint64_t i = 0; i < 200; i++) {
                        uint64_t index = i < 100 ? i % f.probes : hash_mix64(i) % f.probes, back;
                        struct target t;
                        tgt_plan_pick(p, index, &t);
                        require(tgt_plan_index(p, &t, &back) && back == index);
                }
                tgt_plan_free(p);
        } else {
                require(e.text[0] != 0);
        }
        tgt_ports_free(ports);
}

/* Every range of a, printed and read into b, gives the same ranges. */
static void expect_same_again(const struct tgt_set *a)
{
        struct tgt_set *b = new_set();
        struct tgt_walk w, x;
        struct tgt_range r, q;
        struct err e = {0};
        char text[2 * IP_TEXT_MAX + 8];
        for (tgt_set_walk(&w, a); tgt_walk_next(&w, &r);) {
                require(tgt_range_format(text, sizeof(text), &r) < sizeof(text));
                require(tgt_set_add(b, text, &no_dns, &e) == 0);
        }
        require(tgt_set_finish(b, &e) == 0);
        tgt_set_walk(&x, b);
        for (tgt_set_walk(&w, a); tgt_walk_next(&w, &r);)
                require(tgt_walk_next(&x, &q) && ip_eq(&r.first, &q.first) && ip_eq(&r.last, &q.last));
        require(!tgt_walk_next(&x, &q));
        tgt_set_free(b);
}

static int add_as_file(struct tgt_set *s, const uint8_t *data, size_t size, struct err *e)
{
        char path[64];
        int fd = memfd_create("spec", 0);
        require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        int rc = tgt_set_add_file(s, path, &no_dns, e);
        close(fd);
        return rc;
}

static void one_spec(const uint8_t *data, size_t size, bool file)
{
        struct tgt_set *s = new_set();
        struct err e = {0};
        char *text = strndup((const char *)data, size);
        require(text != NULL);
        int rc = file ? add_as_file(s, data, size, &e) : tgt_set_add(s, text, &no_dns, &e);
        require(rc == 0 || (e.text[0] && !strchr(e.text, '\n')));
        if (rc == 0) {
                require(tgt_set_finish(s, &e) == 0);
                expect_same_again(s);
                expect_plan(s);
        }
        free(text);
        tgt_set_free(s);
}

static void one_port_list(const uint8_t *data, size_t size)
{
        struct tgt_ports *p = NULL, *q = NULL;
        struct err e = {0};
        char *text = strndup((const char *)data, size);
        require(text && tgt_ports_new(&p, &e) == 0 && tgt_ports_new(&q, &e) == 0);
        if (tgt_ports_add(p, text, TGT_TCP, &e) == 0) {
                char *once = tgt_ports_format(p);
                require(once && tgt_ports_add(q, once, TGT_TCP, &e) == 0);
                char *twice = tgt_ports_format(q);
                require(twice && strcmp(once, twice) == 0);
                free(once);
                free(twice);
        } else {
                require(e.text[0] && !strchr(e.text, '\n'));
        }
        free(text);
        tgt_ports_free(p);
        tgt_ports_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1 || size > 8192)
                return 0;
        if (data[0] % 3 == 2)
                one_port_list(data + 1, size - 1);
        else if (!is_heavy(data + 1, size - 1))
                one_spec(data + 1, size - 1, data[0] % 3 == 1);
        return 0;
}
