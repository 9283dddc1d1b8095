// SPDX-License-Identifier: Apache-2.0
/*
 * tcpsim: TCP servers by the million on the far end of a veth pair, one for each address of a prefix and each
 * port of a range. Loads the kernel side (tcpsim.bpf.c, part of this program), holds connections where that
 * is asked for, and tells in the end, or on SIGUSR1, what it saw. Invariant: nothing outlives this process
 * but the reports it wrote. Kernel documentation: Documentation/bpf/libbpf.
 */
#include "tcpsim_user.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef TCPSIM_BPF_OBJECT
#error "TCPSIM_BPF_OBJECT: path of the compiled tcpsim.bpf.c"
#endif

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "tcpsim_object_start:\n"
        ".incbin \"" TCPSIM_BPF_OBJECT "\"\n"
        "tcpsim_object_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const uint8_t tcpsim_object_start[], tcpsim_object_end[];

enum { STEP_NS = 1000000, REPORT_MAX = 4096 };

static const char usage[] =
        "usage: tcpsim --dev DEV [option…]\n"
        "Answers on DEV as a TCP server would at every address of a prefix: SYN-ACK, an answer, FIN.\n\n"
        "  --prefix ADDRESS/BITS  whose addresses (10.0.0.0/8)\n"
        "  --port FIRST[-LAST]    these ports (80); others keep silent\n"
        "  --answer TEXT          to a request that begins with GET or HEAD (a small page); \\r and \\n are "
        "known\n"
        "  --speak TEXT           said at once after the handshake, unasked\n"
        "  --close                a FIN goes with it: the server closes first\n"
        "  --wscale N             window scaling, with who offers it (7; 15: never)\n"
        "  --hold SECONDS         no answer: connections stay open so long, and are closed then\n"
        "  --drip SECONDS         meanwhile each says a byte so often (30)\n"
        "  --hold-max N           so many connections at most (1100000)\n"
        "  --key N                of the initial sequence numbers\n"
        "  --stats FILE           counters as JSON, at the end and on SIGUSR1\n"
        "  --pid-file FILE        written when it answers\n";

/* ---- the command line ---- */

static int read_prefix(struct tcpsim_conf *c, const char *text, struct err *e)
{
        char addr[64] = "";
        int bits = -1;
        struct in_addr a;
        if (sscanf(text, "%63[0-9.]/%d", addr, &bits) != 2 || inet_pton(AF_INET, addr, &a) != 1 || bits < 4 ||
            bits > 32)
                return err_set(e, 0, "--prefix '%s': an IPv4 address and 4 to 32 bits, as in 10.0.0.0/8",
                               text);
        c->mask = (uint32_t)(0xffffffffull << (32 - bits));
        c->net = ntohl(a.s_addr) & c->mask;
        return 0;
}

static int read_port(struct tcpsim_conf *c, const char *text, struct err *e)
{
        unsigned first = 0, last = 0;
        int n = sscanf(text, "%u-%u", &first, &last);
        if (n == 1)
                last = first;
        if (n < 1 || first > last || last > 65535)
                return err_set(e, 0, "--port '%s': a port, or FIRST-LAST", text);
        c->port_first = first;
        c->port_last = last;
        return 0;
}

static int read_text(struct tcpsim_args *a, const char *text, struct err *e)
{
        uint32_t n = 0, sum = 0;
        memset(a->answer, 0, sizeof(a->answer));
        for (const char *p = text; *p; p++, n++) {
                if (n == TCPSIM_ANSWER_MAX)
                        return err_set(e, 0, "an answer has at most %d bytes", TCPSIM_ANSWER_MAX);
                bool escaped = *p == '\\' && (p[1] == 'r' || p[1] == 'n');
                a->answer[n] = escaped ? (p[1] == 'r' ? '\r' : '\n') : (uint8_t)*p;
                p += escaped;
        }
        for (uint32_t i = 0; i < n; i += 2)
                sum += (uint32_t)a->answer[i] << 8 | a->answer[i + 1];
        a->conf.answer_len = n;
        a->conf.answer_sum = sum;
        return 0;
}

static int read_number(const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *out,
                       struct err *e)
{
        char *end = NULL;
        errno = 0;
        *out = strtoull(text, &end, 0);
        if (!*text || *end || errno || *out < least || *out > most)
                return err_set(e, 0, "%s '%s': a number from %llu to %llu", name, text,
                               (unsigned long long)least, (unsigned long long)most);
        return 0;
}

static int set_number(struct tcpsim_args *a, const char *name, const char *value, struct err *e)
{
        uint64_t n;
        if (!strcmp(name, "--wscale")) {
                if (read_number(name, value, 0, 15, &n, e))
                        return -1;
                a->conf.wscale = (uint32_t)n;
        } else if (!strcmp(name, "--hold") || !strcmp(name, "--drip")) {
                if (read_number(name, value, 1, 86400, &n, e))
                        return -1;
                *(name[2] == 'h' ? &a->hold_ns : &a->drip_ns) = n * NS_PER_S;
        } else if (!strcmp(name, "--hold-max")) {
                if (read_number(name, value, 1, 1 << 26, &n, e))
                        return -1;
                a->hold_max = (uint32_t)n;
        } else if (!strcmp(name, "--key")) {
                return read_number(name, value, 0, UINT64_MAX, (uint64_t *)&a->conf.key, e);
        } else {
                return err_set(e, 0, "'%s' is no option; --help lists them", name);
        }
        return 0;
}

static int set_option(struct tcpsim_args *a, const char *name, const char *value, struct err *e)
{
        if (!value)
                return err_set(e, 0, "'%s' is no option, or wants a value; --help lists them", name);
        if (!strcmp(name, "--dev"))
                a->dev = value;
        else if (!strcmp(name, "--stats"))
                a->stats_file = value;
        else if (!strcmp(name, "--pid-file"))
                a->pid_file = value;
        else if (!strcmp(name, "--prefix"))
                return read_prefix(&a->conf, value, e);
        else if (!strcmp(name, "--port"))
                return read_port(&a->conf, value, e);
        else if (!strcmp(name, "--speak") || !strcmp(name, "--answer")) {
                a->conf.speaks_first = name[2] == 's';
                return read_text(a, value, e);
        } else
                return set_number(a, name, value, e);
        return 0;
}

static int parse(struct tcpsim_args *a, int argc, char **argv, struct err *e)
{
        *a = (struct tcpsim_args){
                .drip_ns = 30 * NS_PER_S, .hold_max = 1100000, .conf = {.wscale = 7, .key = 1}};
        if (read_prefix(&a->conf, "10.0.0.0/8", e) || read_port(&a->conf, "80", e) ||
            read_text(a,
                      "HTTP/1.0 200 OK\\r\\nServer: tcpsim\\r\\nContent-Type: text/html\\r\\n\\r\\n<title>A "
                      "page</title>",
                      e))
                return -1;
        for (int i = 1; i < argc; i++) {
                if (!strcmp(argv[i], "--close")) {
                        a->conf.closes_first = 1;
                        continue;
                }
                if (set_option(a, argv[i], argv[i + 1], e))
                        return -1;
                i++;
        }
        a->conf.hold = a->hold_ns != 0;
        if (!a->conf.speaks_first && !a->conf.hold) { /* of "GET " and "HEAD" */
                a->conf.expect = 0x40450000;
                a->conf.expect_mask = 0xf0ff0000;
        }
        if (!a->dev)
                return err_set(e, 0, "--dev: which interface?");
        if (a->hold_ns && a->hold_ns / a->drip_ns > 250)
                return err_set(e, 0, "--hold and --drip: at most 250 bytes on a connection");
        return 0;
}

/* ---- the kernel side ---- */

static struct bpf_map *map_named(struct tcpsim_kernel *k, const char *name)
{
        struct bpf_map *m = bpf_object__find_map_by_name(k->obj, name);
        assert(m);
        return m;
}

static int load(struct tcpsim_kernel *k, const struct tcpsim_args *a, struct err *e)
{
        const struct tcpsim_conf *c = &a->conf;
        uint64_t services = (uint64_t)(c->port_last - c->port_first + 1) * ((uint64_t)~c->mask + 1);
        uint32_t zero = 0;
        if (services > 1ull << 30)
                return err_set(e, 0,
                               "%llu services are more than are kept account of; fewer addresses, or ports",
                               (unsigned long long)services);
        k->notes_words = (size_t)(services + 7) / 8;
        if (bpf_map__set_initial_value(map_named(k, ".rodata.conf"), c, sizeof(*c)) ||
            bpf_map__set_max_entries(map_named(k, "notes"), (uint32_t)k->notes_words))
                return err_set(e, errno, "setting the kernel side up: %s", strerror(errno));
        if (bpf_object__load(k->obj))
                return err_set(e, errno,
                               "the kernel refused tcpsim: %s; it takes root and Linux 5.18 or newer",
                               strerror(errno));
        k->counters_fd = bpf_map__fd(map_named(k, "counters"));
        k->ring_fd = bpf_map__fd(map_named(k, "ring"));
        int notes_fd = bpf_map__fd(map_named(k, "notes"));
        void *p = mmap(NULL, k->notes_words * 8, PROT_READ | PROT_WRITE, MAP_SHARED, notes_fd, 0);
        if (p == MAP_FAILED)
                return err_set(e, errno, "mapping %zu bytes of notes: %s", k->notes_words * 8,
                               strerror(errno));
        k->notes = p;
        if (bpf_map_update_elem(bpf_map__fd(map_named(k, "answers")), &zero, a->answer, 0))
                return err_set(e, errno, "setting the answer: %s", strerror(errno));
        return 0;
}

static void kernel_stop(struct tcpsim_kernel *k)
{
        bpf_link__destroy(k->link);
        bpf_object__close(k->obj);
        *k = (struct tcpsim_kernel){0};
}

static int kernel_start(struct tcpsim_kernel *k, const struct tcpsim_args *a, struct err *e)
{
        LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "tcpsim");
        *k = (struct tcpsim_kernel){.ifindex = (int)if_nametoindex(a->dev)};
        if (!k->ifindex)
                return err_set(e, errno, "there is no interface '%s' here", a->dev);
        k->obj = bpf_object__open_mem(tcpsim_object_start, (size_t)(tcpsim_object_end - tcpsim_object_start),
                                      &opts);
        if (!k->obj)
                return err_set(e, errno, "reading the built-in object: %s", strerror(errno));
        if (load(k, a, e))
                goto stop;
        k->link = bpf_program__attach_xdp(bpf_object__find_program_by_name(k->obj, "tcpsim_far"), k->ifindex);
        if (!k->link) {
                err_set(e, errno, "attaching to '%s': %s", a->dev, strerror(errno));
                goto stop;
        }
        return 0;
stop:
        kernel_stop(k);
        return -1;
}

/* ---- reports ---- */

static void sum_up(const struct tcpsim_kernel *k, struct tcpsim_counters *sum)
{
        int cpus = libbpf_num_possible_cpus();
        uint32_t zero = 0;
        struct tcpsim_counters *each = cpus > 0 ? calloc((size_t)cpus, sizeof(*each)) : NULL;
        memset(sum, 0, sizeof(*sum));
        if (each && !bpf_map_lookup_elem(k->counters_fd, &zero, each))
                for (int i = 0; i < cpus; i++)
                        for (size_t j = 0; j < sizeof(*sum) / 8; j++)
                                ((uint64_t *)sum)[j] += ((const uint64_t *)&each[i])[j];
        free(each);
}

static int report(const struct tcpsim_args *a, const struct tcpsim_kernel *k, const struct tcpsim_holder *h,
                  struct err *e)
{
        static const char *const names[] = {
                "frames",    "syn",        "ack",         "request", "answer",      "fin",       "rst",
                "data_more", "bad_ip_sum", "bad_tcp_sum", "bad_ack", "bad_request", "malformed", "no_room",
                "begun",     "asked",      "completed",   "data",    "closed",      "reset"};
        static const char *const held[] = {"held", "bytes", "fins", "gone", "overflow", "send_failed"};
        struct tcpsim_counters sum;
        char text[REPORT_MAX];
        size_t n = 0;
        _Static_assert(sizeof(sum) == 8 * ARRAY_LEN(names), "a name for each");
        _Static_assert(sizeof(struct tcpsim_hold_counts) == 8 * ARRAY_LEN(held), "a name for each");
        if (!a->stats_file)
                return 0;
        sum_up(k, &sum);
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%c\"%s\": %llu", i ? ',' : '{', names[i],
                                      (unsigned long long)((const uint64_t *)&sum)[i]);
        for (size_t i = 0; h && i < ARRAY_LEN(held); i++)
                n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"held_%s\": %llu", held[i],
                                      (unsigned long long)((const uint64_t *)tcpsim_holder_counts(h))[i]);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "}\n");
        return file_replace(a->stats_file, text, n, 0644, false, e);
}

/* ---- the whole ---- */

static int serve(const struct tcpsim_args *a, const struct tcpsim_kernel *k, struct tcpsim_holder *h,
                 const sigset_t *set, struct err *e)
{
        const struct timespec step = {0, STEP_NS};
        for (;;) {
                int sig = h ? sigtimedwait(set, NULL, &step) : sigwaitinfo(set, NULL);
                if (sig == SIGUSR1 && report(a, k, h, e))
                        return -1;
                if (sig == SIGTERM || sig == SIGINT)
                        return report(a, k, h, e);
                if (h)
                        tcpsim_holder_step(h);
        }
}

static int tell_ready(const struct tcpsim_args *a, struct err *e)
{
        char text[32];
        int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
        return a->pid_file ? file_replace(a->pid_file, text, (size_t)n, 0644, false, e) : 0;
}

static int run(const struct tcpsim_args *a, struct err *e)
{
        struct tcpsim_kernel kernel;
        struct tcpsim_holder *holder = NULL;
        sigset_t set;
        int rc = -1;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
        prctl(PR_SET_TIMERSLACK, 1ul);
        if (kernel_start(&kernel, a, e))
                return -1;
        if (a->conf.hold && !(holder = tcpsim_holder_new(a, &kernel, e)))
                goto stop_kernel;
        if (!tell_ready(a, e))
                rc = serve(a, &kernel, holder, &set, e);
        tcpsim_holder_free(holder);
        if (a->pid_file)
                unlink(a->pid_file);
stop_kernel:
        kernel_stop(&kernel);
        return rc;
}

int main(int argc, char **argv)
{
        struct tcpsim_args args;
        struct err e = {0};
        if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
                fputs(usage, stdout);
                return 0;
        }
        int rc = parse(&args, argc, argv, &e) ? 2 : run(&args, &e) ? 1 : 0;
        if (rc)
                fprintf(stderr, "tcpsim: %s\n", e.text);
        return rc;
}
