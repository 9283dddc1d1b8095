// SPDX-License-Identifier: Apache-2.0
/*
 * pfring_lib: PF_RING's library, loaded when the first ring is opened, and the rings themselves. A network
 * card's queue that PF_RING took from the kernel (ZC, DNA) can be opened for sending once; all handles of
 * this process that send through it share the ring, one at a time. Invariant: the list of shared rings holds
 * each queue once, with at least one user. Reference: PF_RING User's Guide, "ZC" and "Licenses".
 */
#include "pfring.h"
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CLAIM_TRIES = 2000 }; /* some microseconds: a run of sends by somebody else */

static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER; /* set-up only */
static struct pfr_ring *shared_rings;

/* ---- names ---- */
static bool is_queue(const char *text) /* "" or "@" and digits */
{
        return !*text || (*text == '@' && text[1] && !text[1 + strspn(text + 1, "0123456789")]);
}

bool io_pfring_name(const char *name, char *kernel, size_t cap)
{
        const char *bare = strncmp(name, "zc:", 3) == 0    ? name + 3
                           : strncmp(name, "dna:", 4) == 0 ? name + 4
                                                           : name;
        const char *at = strrchr(bare, '@');
        size_t n = at && is_queue(at) ? (size_t)(at - bare) : strlen(bare), digits = 0;
        snprintf(kernel, cap, "%.*s", (int)MIN(n, cap - 1), bare);
        if (strncmp(name, "dna", 3) == 0)
                digits = strspn(name + 3, "0123456789");
        return bare != name || (digits && is_queue(name + 3 + digits));
}

/* ---- the library ---- */
static void *load(char *why, size_t cap, bool *absent)
{
        static const char *const names[] = {"libpfring.so", "libpfring.so.1"};
        *absent = true;
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
                void *so = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
                if (so)
                        return so;
                const char *text = dlerror();
                size_t n = strlen(names[i]);
                /* About another file than the one asked for: it is there, and something it needs is not. */
                if (*absent &&
                    !(strncmp(text, names[i], n) == 0 && text[n] == ':' && strstr(text, "No such file"))) {
                        *absent = false;
                        snprintf(why, cap, "%s", text);
                }
        }
        return NULL;
}

static int find_functions(struct pfr_lib *l, struct err *e)
{
#define PFR_SYMBOL(what, returns, takes) {"pfring_" #what, offsetof(struct pfr_lib, what)},
        static const struct {
                const char *name;
                size_t offset;
        } symbols[] = {PFR_FUNCTIONS(PFR_SYMBOL)};
#undef PFR_SYMBOL
        char lacks[384] = "";
        struct wr w = wr_of(lacks, sizeof(lacks) - 1);
        for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
                void *at = dlsym(l->so, symbols[i].name);
                memcpy((char *)l + symbols[i].offset, &at, sizeof(at));
                if (!at)
                        wr_fmt(&w, "%s%s", wr_len(&w) ? ", " : "", symbols[i].name);
        }
        lacks[wr_len(&w)] = 0;
        return *lacks ? err_set(e, ENOSYS, "libpfring.so lacks %s: install a newer PF_RING", lacks) : 0;
}

static int open_library(struct pfr_lib *l, struct err *e)
{
        char why[256];
        bool absent;
        l->so = load(why, sizeof(why), &absent);
        if (!l->so)
                return absent ? err_set(e, ENOENT,
                                        "PF_RING's library libpfring.so is not installed: install ntop's "
                                        "package \"pfring\" (https://packages.ntop.org), or use another "
                                        "back-end")
                              : err_set(e, ENOENT, "libpfring.so cannot be loaded: %s", why);
        if (find_functions(l, e)) {
                dlclose(l->so);
                return -1;
        }
        return 0;
}

/* ---- rings ---- */
static bool module_loaded(int code)
{
        return code != EAFNOSUPPORT && code != EPROTONOSUPPORT && access("/proc/net/pf_ring/info", F_OK) == 0;
}

/* PF_RING says no more than an errno, and not always that: what is wrong is found by looking. */
static int explain(const struct pfr_want *w, const char *what, int code, struct err *e)
{
        if (code == EPERM || code == EACCES)
                return io_err_open(e, code, what, w->device);
        if (code == EBUSY)
                return err_set(e, code,
                               "%s on \"%s\" failed: another program has this queue; end it, or name "
                               "another queue, as in %s@1",
                               what, w->device, w->kernel);
        if (!module_loaded(code))
                return err_set(e, code,
                               "%s on \"%s\" failed: PF_RING's kernel module is not loaded; \"modprobe "
                               "pf_ring\" does it (ntop's package \"pfring-dkms\")",
                               what, w->device);
        if (w->bypass)
                return err_set(e, code,
                               "%s on \"%s\" failed (%s): %s needs PF_RING's own driver, as many queues as "
                               "are named, and a ZC licence in /etc/pf_ring; plain \"%s\" needs none of them",
                               what, w->device, code ? strerror(code) : "no reason given", w->kernel,
                               w->kernel);
        return err_set(e, code, "%s on \"%s\" failed: %s", what, w->device,
                       code ? strerror(code) : "PF_RING gives no reason; is the interface up?");
}

/* Some modules cannot set some of this, and say so: then they need not. */
static int set_up(struct pfr_ring *r, const struct pfr_want *w, struct err *e)
{
        static char name[] = "trawl";
        int rc = r->lib.set_socket_mode(r->handle, w->tx ? PFR_SEND_ONLY : PFR_RECEIVE_ONLY);
        if (rc && rc != PFR_NOT_SUPPORTED)
                return explain(w, w->tx ? "sending by PF_RING" : "receiving by PF_RING", errno, e);
        r->lib.set_application_name(r->handle, name);
        if (!w->tx) {
                r->own_echo = r->lib.set_direction(r->handle, PFR_INCOMING) != 0 && !w->bypass;
                r->lib.set_poll_watermark(r->handle, 1); /* else it sleeps until many have come */
        }
        if (w->cluster >= 0 && r->lib.set_cluster(r->handle, (unsigned)w->cluster, PFR_PER_FLOW))
                return explain(w, "sharing frames between receive threads", errno, e);
        errno = 0;
        if (r->lib.enable_ring(r->handle))
                return explain(w, "starting a PF_RING ring", errno, e);
        return 0;
}

static struct pfr_ring *ring_open(const struct pfr_want *w, struct err *e)
{
        struct pfr_ring *r = calloc(1, sizeof(*r));
        if (!r) {
                err_set(e, ENOMEM, "out of memory for a PF_RING ring");
                return NULL;
        }
        if (open_library(&r->lib, e))
                goto free_ring;
        errno = 0;
        r->handle = r->lib.open(w->device, w->caplen, w->promisc ? PFR_PROMISC : 0);
        if (!r->handle) {
                explain(w, "opening a PF_RING ring", errno, e);
                goto close_library;
        }
        errno = 0;
        if (set_up(r, w, e))
                goto close_handle;
        r->users = 1;
        return r;
close_handle:
        r->lib.close(r->handle);
close_library:
        dlclose(r->lib.so);
free_ring:
        free(r);
        return NULL;
}

static struct pfr_ring *shared_get(const struct pfr_want *w, struct err *e)
{
        char key[PFR_NAME_MAX];
        struct pfr_ring *r = shared_rings;
        snprintf(key, sizeof(key), "%s%s", w->device,
                 strchr(w->device, '@') ? "" : "@0"); /* the same queue */
        while (r && strcmp(r->key, key) != 0)
                r = r->next;
        if (r) {
                r->users++;
                return r;
        }
        r = ring_open(w, e);
        if (r) {
                memcpy(r->key, key, sizeof(key));
                r->shared = true;
                r->next = shared_rings;
                shared_rings = r;
        }
        return r;
}

struct pfr_ring *pfr_ring_get(const struct pfr_want *w, struct err *e)
{
        if (!w->tx || !w->bypass)
                return ring_open(w, e);
        pthread_mutex_lock(&shared_lock);
        struct pfr_ring *r = shared_get(w, e);
        pthread_mutex_unlock(&shared_lock);
        return r;
}

void pfr_ring_put(struct pfr_ring *r)
{
        pthread_mutex_lock(&shared_lock);
        bool last = --r->users == 0;
        for (struct pfr_ring **p = &shared_rings; last && *p; p = &(*p)->next)
                if (*p == r) {
                        *p = r->next;
                        break;
                }
        pthread_mutex_unlock(&shared_lock);
        if (!last)
                return;
        r->lib.close(r->handle);
        dlclose(r->lib.so);
        free(r);
}

bool pfr_ring_claim(struct pfr_ring *r)
{
        for (unsigned i = 0; r->shared && i < CLAIM_TRIES; i++)
                if (!atomic_load_explicit(&r->busy, memory_order_relaxed) &&
                    !atomic_exchange_explicit(&r->busy, true, memory_order_acquire))
                        return true;
        return !r->shared;
}

void pfr_ring_release(struct pfr_ring *r)
{
        if (r->shared)
                atomic_store_explicit(&r->busy, false, memory_order_release);
}
