// SPDX-License-Identifier: Apache-2.0
/*
 * shield_tcx: puts bpf/shield.bpf.c at the ingress of interfaces, in front of whatever else is attached
 * there: ours takes only what nobody else wants, and passes the rest on to them. Invariant: program, memory
 * and links are held by descriptors only. Reference: Linux 6.6 tcx (include/uapi/linux/bpf.h,
 * BPF_LINK_CREATE).
 */
#include "shield.h"
#include <errno.h>
#include <stdlib.h>
#ifdef HAVE_XDP
#include "shield_kernel.h"
#include "xdp.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/mman.h>
#include <unistd.h>

/* What headers older than the kernel do not have. */
enum { TCX_INGRESS = 46, BEFORE_ALL = 1 << 3, LINKS_MAX = 256 };

struct shield_tcx {
        struct bpf_object *obj;
        const struct shield_shared *shared;
        int program, links[LINKS_MAX], ifindex[LINKS_MAX];
        unsigned n;
};

static int fill_conf(struct shield_conf *k, const struct io_span *o, unsigned n, struct err *e)
{
        *k = (struct shield_conf){.n_spans = 0};
        for (unsigned i = 0; i < n; i++) {
                if (!o[i].first.family)
                        continue;
                if (k->n_spans == SHIELD_SPANS)
                        return err_set(e, 0, "a tc program looks for %d source ranges at most", SHIELD_SPANS);
                k->spans[k->n_spans++] = (struct shield_span){.first_hi = o[i].first.hi,
                                                              .first_lo = o[i].first.lo,
                                                              .last_hi = o[i].last.hi,
                                                              .last_lo = o[i].last.lo,
                                                              .family = o[i].first.family,
                                                              .port_first = o[i].port_first,
                                                              .port_last = o[i].port_last};
        }
        return 0;
}

int shield_tcx_open(struct shield_tcx **out, const struct io_span *ours, unsigned n, struct err *e)
{
        struct shield_conf conf;
        struct shield_tcx *t = calloc(1, sizeof(*t));
        if (!t)
                return err_set(e, ENOMEM, "out of memory for the shield");
        t->obj = xdp_object(XDP_SHIELD, e);
        if (!t->obj || fill_conf(&conf, ours, n, e))
                goto close_tcx;
        bpf_map__set_initial_value(bpf_object__find_map_by_name(t->obj, ".rodata.conf"), &conf, sizeof(conf));
        if (xdp_object_load(t->obj, e))
                goto close_tcx;
        t->program = bpf_program__fd(bpf_object__find_program_by_name(t->obj, "shield"));
        t->shared = xdp_map_memory(t->obj, ".data.shared", sizeof(*t->shared), e);
        if (!t->shared)
                goto close_tcx;
        *out = t;
        return 0;
close_tcx:
        shield_tcx_close(t);
        return -1;
}

int shield_tcx_add(struct shield_tcx *t, int ifindex, struct err *e)
{
        LIBBPF_OPTS(bpf_link_create_opts, o, .flags = BEFORE_ALL);
        char name[IF_NAMESIZE] = "";
        for (unsigned i = 0; i < t->n; i++)
                if (t->ifindex[i] == ifindex)
                        return 0;
        if (t->n == LINKS_MAX)
                return err_set(e, 0, "the shield stands on %d interfaces at most", LINKS_MAX);
        int fd = bpf_link_create(t->program, ifindex, (enum bpf_attach_type)TCX_INGRESS, &o);
        if (fd < 0 && (errno == EINVAL || errno == EOPNOTSUPP))
                return err_set(e, errno, "this kernel has no place for a tc program of ours (Linux 6.6 has)");
        if (fd < 0)
                return err_set(e, errno, "attaching a tc program to \"%s\": %s",
                               if_indextoname((unsigned)ifindex, name) ? name : "?", strerror(errno));
        t->ifindex[t->n] = ifindex;
        t->links[t->n++] = fd;
        return 0;
}

void shield_tcx_drop(struct shield_tcx *t, int ifindex)
{
        unsigned i = 0;
        while (i < t->n && t->ifindex[i] != ifindex)
                i++;
        if (i == t->n)
                return;
        close(t->links[i]);
        t->n--;
        t->links[i] = t->links[t->n];
        t->ifindex[i] = t->ifindex[t->n];
}

void shield_tcx_counts(const struct shield_tcx *t, struct io_shield_count *c)
{
        *c = (struct io_shield_count){0};
        for (unsigned i = 0; i < SHIELD_BANKS; i++) {
                c->dropped += __atomic_load_n(&t->shared->banks[i].dropped, __ATOMIC_RELAXED);
                c->local += __atomic_load_n(&t->shared->banks[i].local, __ATOMIC_RELAXED);
        }
}

void shield_tcx_close(struct shield_tcx *t)
{
        if (!t)
                return;
        for (unsigned i = 0; i < t->n; i++)
                close(t->links[i]);
        if (t->shared)
                munmap((void *)(uintptr_t)t->shared, sizeof(*t->shared));
        bpf_object__close(t->obj);
        free(t);
}
#else
int shield_tcx_open(struct shield_tcx **out, const struct io_span *ours, unsigned n, struct err *e)
{
        (void)out, (void)ours, (void)n;
        return err_set(e, 0, "a tc program needs libbpf, and clang to build: packages libbpf-dev and clang");
}

int shield_tcx_add(struct shield_tcx *t, int ifindex, struct err *e)
{
        (void)t, (void)ifindex;
        return err_set(e, 0, "there is no tc program");
}

void shield_tcx_drop(struct shield_tcx *t, int ifindex)
{
        (void)t, (void)ifindex;
}

void shield_tcx_counts(const struct shield_tcx *t, struct io_shield_count *c)
{
        (void)t;
        *c = (struct io_shield_count){0};
}

void shield_tcx_close(struct shield_tcx *t)
{
        free(t);
}
#endif
