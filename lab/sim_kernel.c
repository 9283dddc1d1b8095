// SPDX-License-Identifier: Apache-2.0
/*
 * sim_kernel: loads the kernel side (sim.bpf.c, whose object file is part of this program) and attaches it.
 * It stands between the command line and everything that needs the maps. Invariant: all attachments are
 * bpf_links held by descriptors, so nothing is left when the process is gone, however it went. Kernel
 * documentation: Documentation/bpf/libbpf, tcx links since Linux 6.6.
 */
#include "sim_user.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SIM_BPF_OBJECT
#error "SIM_BPF_OBJECT: path of the compiled sim.bpf.c"
#endif

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "sim_object_start:\n"
        ".incbin \"" SIM_BPF_OBJECT "\"\n"
        "sim_object_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const uint8_t sim_object_start[], sim_object_end[];

enum { TCX_INGRESS = 46 }; /* BPF_TCX_INGRESS of newer kernel headers */

static int mac_of(const char *dev, uint8_t mac[6], struct err *e)
{
        struct ifreq r = {0};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", dev);
        int rc = fd < 0 ? -1 : ioctl(fd, SIOCGIFHWADDR, &r);
        int code = errno;
        if (fd >= 0)
                close(fd);
        if (rc)
                return err_set(e, code, "asking '%s' for its MAC address: %s", dev, strerror(code));
        memcpy(mac, r.ifr_hwaddr.sa_data, 6);
        return 0;
}

uint64_t sim_link_drops(const char *dev)
{
        char line[512];
        unsigned long long drops = 0;
        size_t n = strlen(dev);
        FILE *f = fopen("/proc/self/net/dev", "r");
        while (f && fgets(line, sizeof(line), f)) {
                const char *p = line + strspn(line, " ");
                if (strncmp(p, dev, n) || p[n] != ':')
                        continue;
                char *next = line + (p - line) + n + 1;
                for (int i = 0; i < 12;
                     i++) /* eight columns of what was received, then bytes, packets, errors */
                        drops = strtoull(next, &next, 10);
        }
        if (f)
                fclose(f);
        return drops;
}

static struct bpf_map *map_named(struct sim_kernel *k, const char *name)
{
        struct bpf_map *m = bpf_object__find_map_by_name(k->obj, name);
        assert(m);
        return m;
}

/* A bank of arrival counts for each CPU, as far as they go. */
static void choose_banks(struct sim_conf *c)
{
        int cpus = libbpf_num_possible_cpus();
        for (c->banks = 1; (int)c->banks < cpus && c->banks < SIM_BANKS;)
                c->banks *= 2;
        c->share_banks = cpus > (int)c->banks;
}

/* Sizes and constants must be in place before the programs are loaded. */
static int configure(struct sim_kernel *k, const struct sim_args *a, struct err *e)
{
        uint64_t targets = a->track.nports ? (uint64_t)a->track.nports << a->track.prefix.bits : 1;
        k->tally_words = (size_t)(a->conf.plan ? (targets + 63) / 64 : (targets + 7) / 8);
        k->arrivals_len = a->conf.arrivals ? (size_t)SIM_ARRIVALS_MS * a->conf.banks : 1;
        if (bpf_map__set_initial_value(map_named(k, ".rodata.conf"), &a->conf, sizeof(a->conf)) ||
            bpf_map__set_max_entries(map_named(k, "tally"), (uint32_t)k->tally_words) ||
            bpf_map__set_max_entries(map_named(k, "arrivals"), (uint32_t)k->arrivals_len))
                return err_set(e, errno, "setting the kernel side up: %s", strerror(errno));
        struct bpf_program *pass = bpf_object__find_program_by_name(k->obj, "sim_pass");
        struct bpf_program *sink = bpf_object__find_program_by_name(k->obj, "sim_sink");
        struct bpf_program *hush = bpf_object__find_program_by_name(k->obj, "sim_hush");
        bpf_program__set_autoload(pass, a->pass.dev != NULL);
        bpf_program__set_autoload(sink, a->sink.dev != NULL);
        bpf_program__set_autoload(hush, a->hush.dev != NULL);
        return 0;
}

static int map_memory(struct sim_kernel *k, const char *name, size_t len, void *out, struct err *e)
{
        void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map_named(k, name)), 0);
        if (p == MAP_FAILED)
                return err_set(e, errno, "mapping %zu bytes of '%s': %s", len, name, strerror(errno));
        memcpy(out, &p, sizeof(p));
        return 0;
}

static int fill_ports(struct sim_kernel *k, const struct sim_args *a, struct err *e)
{
        int fd = bpf_map__fd(map_named(k, "ports"));
        for (uint32_t i = 0; i < a->track.nports; i++) {
                uint32_t port = a->track.ports[i], place = i + 1;
                if (bpf_map_update_elem(fd, &port, &place, 0))
                        return err_set(e, errno, "noting port %u: %s", port, strerror(errno));
        }
        return 0;
}

static int load(struct sim_kernel *k, const struct sim_args *a, struct err *e)
{
        if (bpf_object__load(k->obj))
                return err_set(e, errno,
                               "the kernel refused the simulator: %s; it takes root and Linux 5.18 or newer",
                               strerror(errno));
        k->counters_fd = bpf_map__fd(map_named(k, "counters"));
        k->ring_fd = bpf_map__fd(map_named(k, "ring"));
        if (map_memory(k, "tally", k->tally_words * 8, &k->tally, e) ||
            map_memory(k, "arrivals", k->arrivals_len * 8, &k->arrivals, e) ||
            map_memory(k, "shared", sizeof(*k->shared), &k->shared, e))
                return -1;
        return fill_ports(k, a, e);
}

/* Runs `attach` with this process in the namespace of `at`. */
static int in_namespace(const struct sim_place *at, struct sim_kernel *k,
                        int (*attach)(struct sim_kernel *, unsigned), struct err *e)
{
        char path[300];
        int rc = -1, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (home < 0)
                return err_set(e, errno, "opening our own network namespace: %s", strerror(errno));
        snprintf(path, sizeof(path), "/run/netns/%s", at->netns);
        int there = open(path, O_RDONLY | O_CLOEXEC);
        if (there < 0 || setns(there, CLONE_NEWNET)) {
                err_set(e, errno, "entering network namespace '%s': %s", at->netns, strerror(errno));
                goto close_both;
        }
        unsigned ifindex = if_nametoindex(at->dev);
        rc = ifindex ? attach(k, ifindex) : -1;
        if (rc)
                err_set(e, errno, "attaching to '%s' in namespace '%s': %s", at->dev, at->netns,
                        strerror(errno));
        if (setns(home, CLONE_NEWNET))
                rc = err_set(e, errno, "going back to our own namespace: %s", strerror(errno));
close_both:
        if (there >= 0)
                close(there);
        close(home);
        return rc;
}

static int attach_pass(struct sim_kernel *k, unsigned ifindex)
{
        k->pass = bpf_program__attach_xdp(bpf_object__find_program_by_name(k->obj, "sim_pass"), (int)ifindex);
        return k->pass ? 0 : -1;
}

static int attach_sink(struct sim_kernel *k, unsigned ifindex)
{
        k->sink = bpf_program__attach_xdp(bpf_object__find_program_by_name(k->obj, "sim_sink"), (int)ifindex);
        return k->sink ? 0 : -1;
}

static int attach_hush(struct sim_kernel *k, unsigned ifindex)
{
        int fd = bpf_program__fd(bpf_object__find_program_by_name(k->obj, "sim_hush"));
        k->hush_fd = bpf_link_create(fd, (int)ifindex, (enum bpf_attach_type)TCX_INGRESS, NULL);
        return k->hush_fd < 0 ? -1 : 0;
}

static int attach_far(struct sim_kernel *k, const char *dev, struct err *e)
{
        k->far = bpf_program__attach_xdp(bpf_object__find_program_by_name(k->obj, "sim_far"), k->ifindex);
        if (!k->far)
                return err_set(e, errno, "attaching to '%s': %s", dev, strerror(errno));
        return 0;
}

int sim_kernel_start(struct sim_kernel *k, struct sim_args *a, struct err *e)
{
        *k = (struct sim_kernel){.hush_fd = -1, .ifindex = (int)if_nametoindex(a->far.dev)};
        k->drops_before = sim_link_drops(a->far.dev);
        if (!k->ifindex)
                return err_set(e, errno, "there is no interface '%s' here", a->far.dev);
        if (mac_of(a->far.dev, a->conf.mac, e))
                return -1;
        LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sim");
        choose_banks(&a->conf);
        k->obj = bpf_object__open_mem(sim_object_start, (size_t)(sim_object_end - sim_object_start), &opts);
        if (!k->obj)
                return err_set(e, errno, "reading the built-in object: %s", strerror(errno));
        if (configure(k, a, e) || load(k, a, e))
                goto stop;
        if (a->pass.dev && in_namespace(&a->pass, k, attach_pass, e))
                goto stop;
        if (a->sink.dev && in_namespace(&a->sink, k, attach_sink, e))
                goto stop;
        if (a->hush.dev && in_namespace(&a->hush, k, attach_hush, e))
                goto stop;
        if (attach_far(k, a->far.dev, e))
                goto stop;
        return 0;
stop:
        sim_kernel_stop(k);
        return -1;
}

void sim_kernel_stop(struct sim_kernel *k)
{
        bpf_link__destroy(k->far);
        bpf_link__destroy(k->pass);
        bpf_link__destroy(k->sink);
        if (k->hush_fd >= 0)
                close(k->hush_fd);
        bpf_object__close(k->obj);
        *k = (struct sim_kernel){.hush_fd = -1};
}
