// SPDX-License-Identifier: Apache-2.0
/*
 * xdp_load: the kernel-side programs of bpf/ (their object files are part of this one) on their way into the
 * kernel, and the one attachment that transmit needs. Used by xdp_lane.c, xdp_rx.c and
 * shield_tcx.c when they are opened. Invariant: programs, maps and links are held by descriptors only,
 * nothing is pinned, so all of it is gone with the process, however it goes. Reference: libbpf(3), Linux
 * Documentation/bpf/bpf_prog_run.rst.
 */
#include "xdp.h"
#ifdef HAVE_XDP
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EMBED(symbol, file)                                               \
        __asm__(".pushsection .rodata\n"                                  \
                ".balign 16\n" symbol "_start:\n"                         \
                ".incbin \"" XDP_BPF_DIR "/" file "\"\n" symbol "_end:\n" \
                ".byte 0\n"                                               \
                ".popsection\n")
EMBED("xdp_tx_object", "xdp_tx.bpf.o");
EMBED("xdp_rx_object", "xdp_rx.bpf.o");
EMBED("shield_object", "shield.bpf.o");
extern const uint8_t xdp_tx_object_start[], xdp_tx_object_end[];
extern const uint8_t xdp_rx_object_start[], xdp_rx_object_end[];
extern const uint8_t shield_object_start[], shield_object_end[];
static const struct {
        const uint8_t *start, *end;
} objects[] = {[XDP_TRANSMIT] = {xdp_tx_object_start, xdp_tx_object_end},
               [XDP_RECEIVE] = {xdp_rx_object_start, xdp_rx_object_end},
               [XDP_SHIELD] = {shield_object_start, shield_object_end}};

static int no_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
        (void)level, (void)fmt, (void)ap;
        return 0;
}

/* Sockets need fewer rights than programs, so none of these errors has a code that would end the ladder. */
static int err_load(struct err *e, int code, const char *what)
{
        if (code == EPERM) /* EACCES is the verifier's word for a program it does not like */
                return err_set(
                        e, 0,
                        "%s is not permitted: it takes root, or CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and "
                        "CAP_SYS_ADMIN",
                        what);
        return err_set(e, 0, "%s: the kernel refused (%s)", what, strerror(code));
}

struct bpf_object *xdp_object(enum xdp_program which, struct err *e)
{
        const uint8_t *start = objects[which].start, *end = objects[which].end;
        libbpf_set_print(no_print);
        struct bpf_object *o = bpf_object__open_mem(start, (size_t)(end - start), NULL);
        if (!o)
                err_load(e, errno, "reading the kernel-side program");
        return o;
}

bool xdp_can_watch(void)
{
        return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
}

int xdp_object_load(struct bpf_object *o, struct err *e)
{
        return bpf_object__load(o) ? err_load(e, errno, "loading the kernel-side program") : 0;
}

void *xdp_map_memory(struct bpf_object *o, const char *name, size_t len, struct err *e)
{
        struct bpf_map *m = bpf_object__find_map_by_name(o, name);
        void *p = m ? mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0) : MAP_FAILED;
        if (p != MAP_FAILED)
                return p;
        err_set(e, errno, "mapping the memory shared with the kernel-side program: %s", strerror(errno));
        return NULL;
}

/* The kernel puts a program that is tested into its dispatcher at the start of each call and takes it out at
 * the end, which costs 24 ms, unless it is attached somewhere already. So it is: to the loopback interface of
 * a network namespace that nothing else is in. */
int xdp_hold(struct bpf_program *p, struct xdp_hold *h, struct err *e)
{
        LIBBPF_OPTS(bpf_link_create_opts, o, .flags = XDP_FLAGS_SKB_MODE);
        int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        *h = (struct xdp_hold){-1, -1};
        if (home < 0 || unshare(CLONE_NEWNET)) {
                err_load(e, errno, "making a network namespace to hold the kernel-side program");
                goto close_home;
        }
        h->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        h->link = bpf_link_create(bpf_program__fd(p), 1, BPF_XDP, &o);
        int code = errno;
        if (setns(home, CLONE_NEWNET))
                err_set(e, errno, "cannot go back to our own network namespace: %s", strerror(errno));
        else if (h->link < 0 || h->netns < 0)
                err_load(e, code, "attaching the kernel-side program");
        else
                code = 0;
        close(home);
        if (!code)
                return 0;
        xdp_release(h);
        return -1;
close_home:
        if (home >= 0)
                close(home);
        return -1;
}

void xdp_release(struct xdp_hold *h)
{
        if (h->link >= 0)
                close(h->link);
        if (h->netns >= 0)
                close(h->netns);
        *h = (struct xdp_hold){-1, -1};
}
#endif
