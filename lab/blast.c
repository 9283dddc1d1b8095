// SPDX-License-Identifier: Apache-2.0
/*
 * blast: the lab's own fast sender, to measure what the far end costs and to test its checks in bulk. Sends
 * SYNs as XDP live frames from inside the kernel, one thread and one queue each. No scanner: nothing is
 * random, nothing is received, the same range gives the same frames. Invariant: probe number n is the same
 * frame in whichever thread and run. Kernel documentation: Documentation/bpf/bpf_prog_run.rst.
 */
#include "base/base.h"
#include "blast.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifndef BLAST_BPF_OBJECT
#error "BLAST_BPF_OBJECT: path of the compiled blast.bpf.c"
#endif

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "blast_object_start:\n"
        ".incbin \"" BLAST_BPF_OBJECT "\"\n"
        "blast_object_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const uint8_t blast_object_start[], blast_object_end[];

enum { THREADS_MAX = 64, BATCH = 64, CALL_MAX = 1 << 24, HOLD_SKB_MODE = 1 << 1 };

struct sender {
        const struct blast_conf *conf;
        struct blast_state state;
        struct bpf_object *obj;
        int prog, hold;
        unsigned cpu;
        uint64_t count, ns, cpu_ns;
        pthread_t thread;
        struct err err;
};

struct job {
        struct blast_conf conf;
        uint64_t count, from;
        unsigned threads, ports;
        const char *dev;
        uint8_t frame[BLAST_FRAME_MAX];
};

static const char usage[] =
        "usage: blast DEV PREFIX PORT[-PORT] [--count N] [--from N] [--threads N] [--cookie-key FILE]\n"
        "  sends SYNs to every address and port, as fast as it goes, from the addresses of the lab's "
        "scanner;\n"
        "  --from and --count choose a part: probe n goes to port n / addresses, and to an address by n's "
        "low "
        "bits\n";

/* ---- the template ----------------------------------------------------------------------------------- */
static uint64_t sum16(const uint8_t *p, size_t len)
{
        uint64_t sum = 0;
        for (size_t i = 0; i + 2 <= len; i += 2)
                sum += get_be16(p + i);
        return sum;
}

/* The options that a Linux host sends: MSS, SACK permitted, timestamp, window scale. */
static void put_tcp(struct wr *w, uint32_t sport)
{
        static const uint8_t options[20] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};
        wr_be16(w, (uint16_t)sport);
        wr_be16(w, 0);
        wr_be32(w, 0);
        wr_be32(w, 0);
        wr_be32(w, 0xa002faf0); /* ten words, SYN, window */
        wr_be32(w, 0);
        wr_bytes(w, options, sizeof(options));
}

/* Fields that differ from probe to probe stay 0, so that the sums here are those of everything else. */
static void make_template(struct job *j)
{
        static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
        struct blast_conf *c = &j->conf;
        struct wr w = wr_of(j->frame, sizeof(j->frame));
        wr_bytes(&w, macs, sizeof(macs));
        wr_be16(&w, c->family == 4 ? 0x0800 : 0x86dd);
        uint8_t *ip = w.p;
        if (c->family == 4) {
                wr_be32(&w, 0x4500003c);
                wr_be32(&w, 0x4000);
                wr_be32(&w, 0x40060000);
                wr_be32(&w, (uint32_t)c->us_lo);
                wr_be32(&w, 0);
                c->ip_sum = sum16(ip, 20);
        } else {
                wr_be32(&w, 0x60000000);
                wr_be32(&w, 0x00280640);
                wr_be64(&w, c->us_hi);
                wr_be64(&w, c->us_lo);
                wr_be64(&w, c->hi);
                wr_be64(&w, 0);
        }
        uint8_t *tcp = w.p, *addrs = c->family == 4 ? ip + 12 : ip + 8;
        put_tcp(&w, c->sport);
        assert(!w.full);
        c->len = (uint32_t)wr_len(&w);
        c->tcp_sum = sum16(addrs, (size_t)(w.p - addrs)) + 6 + (uint64_t)(w.p - tcp);
}

/* ---- sending ---------------------------------------------------------------------------------------- */
static struct bpf_map *map_of(struct bpf_object *obj, const char *name)
{
        struct bpf_map *m = bpf_object__find_map_by_name(obj, name);
        assert(m);
        return m;
}

/*
 * A program that is attached nowhere is put into the kernel's dispatcher and taken out again at each call,
 * which costs 24 ms: so it is held attached, to the loopback of a namespace that only this descriptor keeps.
 */
static int hold(struct sender *s, struct err *e)
{
        LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = HOLD_SKB_MODE);
        int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (home < 0 || unshare(CLONE_NEWNET)) {
                err_set(e, errno, "making a network namespace: %s", strerror(errno));
                if (home >= 0)
                        close(home);
                return -1;
        }
        s->hold = bpf_link_create(s->prog, 1, BPF_XDP, &opts);
        int code = errno;
        if (setns(home, CLONE_NEWNET))
                err_set(e, errno, "going back to our own namespace: %s", strerror(errno));
        close(home);
        return s->hold < 0 ? err_set(e, code, "holding the program: %s", strerror(code)) : 0;
}

static int load(struct sender *s, struct err *e)
{
        uint32_t zero = 0;
        LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "blast");
        s->hold = -1;
        s->obj = bpf_object__open_mem(blast_object_start, (size_t)(blast_object_end - blast_object_start),
                                      &opts);
        if (!s->obj)
                return err_set(e, errno, "reading the built-in object: %s", strerror(errno));
        if (bpf_map__set_initial_value(map_of(s->obj, ".rodata.conf"), s->conf, sizeof(*s->conf)) ||
            bpf_object__load(s->obj))
                return err_set(e, errno, "the kernel refused the sender: %s; it takes root and Linux 5.18",
                               strerror(errno));
        if (bpf_map_update_elem(bpf_map__fd(map_of(s->obj, ".bss.state")), &zero, &s->state, 0))
                return err_set(e, errno, "handing the template over: %s", strerror(errno));
        s->prog = bpf_program__fd(bpf_object__find_program_by_name(s->obj, "blast"));
        return hold(s, e);
}

/* CPU time of this thread; the far end's work is done in it too, unless ksoftirqd had to take over. */
static uint64_t thread_ns(void)
{
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void *send_all(void *arg)
{
        struct sender *s = arg;
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(s->cpu, &cpus);
        sched_setaffinity(0, sizeof(cpus), &cpus);
        uint64_t begin = clock_mono_ns(), cpu_begin = thread_ns();
        for (uint64_t left = s->count; left;) {
                uint32_t n = (uint32_t)MIN(left, (uint64_t)CALL_MAX);
                LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = s->state.frame, .data_size_in = s->conf->len,
                            .repeat = (int)n, .batch_size = BATCH, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
                if (bpf_prog_test_run_opts(s->prog, &opts)) {
                        err_set(&s->err, errno, "sending live frames: %s", strerror(errno));
                        break;
                }
                left -= n;
        }
        s->ns = clock_mono_ns() - begin;
        s->cpu_ns = thread_ns() - cpu_begin;
        return NULL;
}

/* Frames that the link refused, in its life: column "drop" of what it sent. */
static uint64_t refused(const char *dev)
{
        char path[128], text[32] = "0";
        snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/tx_dropped", dev);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                ssize_t n = read(fd, text, sizeof(text) - 1);
                text[MAX(n, 0)] = 0;
                close(fd);
        }
        return strtoull(text, NULL, 10);
}

static int start(struct sender *s, const struct job *j, unsigned i, struct err *e)
{
        uint64_t share = j->count / j->threads;
        s->conf = &j->conf;
        s->cpu = i % (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
        s->count = i + 1 < j->threads ? share : j->count - share * i;
        s->state.next = j->from + share * i;
        memcpy(s->state.frame, j->frame, sizeof(j->frame));
        return load(s, e);
}

static int run(const struct job *j, struct err *e)
{
        static struct sender all[THREADS_MAX];
        uint64_t ns = 1, cpu_ns = 0, before = refused(j->dev);
        for (unsigned i = 0; i < j->threads; i++) {
                if (start(&all[i], j, i, e))
                        return -1;
        }
        for (unsigned i = 0; i < j->threads; i++) {
                if (pthread_create(&all[i].thread, NULL, send_all, &all[i]))
                        return err_set(e, errno, "starting a thread: %s", strerror(errno));
        }
        for (unsigned i = 0; i < j->threads; i++) {
                pthread_join(all[i].thread, NULL);
                ns = MAX(ns, all[i].ns);
                cpu_ns += all[i].cpu_ns;
                if (all[i].err.text[0])
                        *e = all[i].err;
        }
        if (e->text[0])
                return -1;
        printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.3f,\"mpps\":%.3f,\"cpu_ns_per_frame\":%.1f}\n",
               (unsigned long long)j->count, (unsigned long long)(refused(j->dev) - before), (double)ns / 1e9,
               (double)j->count * 1e3 / (double)ns, (double)cpu_ns / (double)MAX(j->count, (uint64_t)1));
        return 0;
}

/* ---- the command line ------------------------------------------------------------------------------- */
static int parse_prefix(struct job *j, const char *text, struct err *e)
{
        char addr[64], junk;
        uint8_t b[16];
        unsigned len;
        struct blast_conf *c = &j->conf;
        if (sscanf(text, "%63[0-9a-fA-F.:]/%u%c", addr, &len, &junk) != 2)
                return err_set(e, 0, "'%s' is not a prefix; write 10.0.0.0/8 or 2001:db8:1::/112", text);
        c->family = strchr(addr, ':') ? 6 : 4;
        unsigned width = c->family == 4 ? 32 : 128;
        if (inet_pton(c->family == 4 ? AF_INET : AF_INET6, addr, b) != 1 || len > width || width - len > 32)
                return err_set(e, 0, "'%s' is not a prefix of at most 2^32 addresses", text);
        c->bits = width - len;
        c->hi = c->family == 4 ? 0 : get_be64(b);
        c->lo = (c->family == 4 ? get_be32(b) : get_be64(b + 8)) >> c->bits << c->bits;
        c->us_hi = c->family == 4 ? 0 : 0x20010db8ffff0000ull;
        c->us_lo = c->family == 4 ? 0xc6336401 : 1;
        return 0;
}

static int parse_ports(struct job *j, const char *text, struct err *e)
{
        unsigned first, last;
        char junk;
        int n = sscanf(text, "%u-%u%c", &first, &last, &junk);
        if (n == 1 && !strchr(text, '-'))
                last = first;
        else if (n != 2)
                return err_set(e, 0, "'%s' is not a port or a range of ports", text);
        if (first > last || last > 65535)
                return err_set(e, 0, "'%s': ports go from 0 to 65535", text);
        j->conf.port = first;
        j->ports = last - first + 1;
        return 0;
}

static int read_key(struct job *j, const char *path, struct err *e)
{
        char *text;
        size_t len;
        unsigned long long k[2];
        if (file_read(path, 4096, &text, &len, e))
                return -1;
        bool good = sscanf(text, "%16llx%16llx", &k[0], &k[1]) == 2;
        free(text);
        if (!good)
                return err_set(e, 0, "'%s' does not hold 32 hexadecimal digits", path);
        j->conf.key[0] = k[0];
        j->conf.key[1] = k[1];
        j->conf.cookie = 1;
        return 0;
}

static int parse_option(struct job *j, const char *name, const char *value, struct err *e)
{
        char *end = NULL;
        if (!value)
                return err_set(e, 0, "'%s' is no option, or wants a value", name);
        if (!strcmp(name, "--cookie-key"))
                return read_key(j, value, e);
        uint64_t n = strtoull(value, &end, 10);
        if (!*value || *end)
                return err_set(e, 0, "%s: '%s' is not a number", name, value);
        if (!strcmp(name, "--count"))
                j->count = n;
        else if (!strcmp(name, "--from"))
                j->from = n;
        else if (!strcmp(name, "--threads") && n >= 1 && n <= THREADS_MAX)
                j->threads = (unsigned)n;
        else
                return err_set(e, 0, "%s %s: no such option, or out of bounds", name, value);
        return 0;
}

static int parse(struct job *j, int argc, char **argv, struct err *e)
{
        j->dev = argv[1];
        j->threads = 1;
        j->count = UINT64_MAX;
        j->conf.sport = 40000;
        j->conf.ifindex = if_nametoindex(j->dev);
        if (!j->conf.ifindex)
                return err_set(e, errno, "there is no interface '%s' here", j->dev);
        if (parse_prefix(j, argv[2], e) || parse_ports(j, argv[3], e))
                return -1;
        for (int i = 4; i < argc; i += 2) {
                if (parse_option(j, argv[i], argv[i + 1], e))
                        return -1;
        }
        uint64_t all = (uint64_t)j->ports << j->conf.bits;
        if (j->from > all)
                return err_set(e, 0, "--from: there are only %llu probes", (unsigned long long)all);
        j->count = MIN(j->count, all - j->from);
        return 0;
}

int main(int argc, char **argv)
{
        struct job job = {0};
        struct err e = {0};
        if (argc < 4) {
                fputs(usage, stderr);
                return 2;
        }
        if (parse(&job, argc, argv, &e)) {
                fprintf(stderr, "blast: %s\n", e.text);
                return 2;
        }
        make_template(&job);
        if (run(&job, &e)) {
                fprintf(stderr, "blast: %s\n", e.text);
                return 1;
        }
        return 0;
}
