// SPDX-License-Identifier: Apache-2.0
/*
 * afxdp_ring: slots, their memory, and the two rings through which they go to the kernel and come back. Used
 * by afxdp.c. Written on the kernel's own interface, not on libxdp: transmit alone needs four socket options
 * and three mappings, which is hardly more than calling a library, and libxdp's socket would bring its
 * dispatcher along, which stays attached when the process is gone. Invariant: see afxdp.h; a completion that
 * names no slot which the kernel has is counted and ignored, so no fault of a driver can hand out a slot
 * twice. Reference: Linux Documentation/networking/af_xdp.rst, include/uapi/linux/if_xdp.h.
 *
 *   transmit ring:   taken (kernel)  ..  shown  ..  filled (us)      each entry: address, length
 *   completion ring: reaped (us)     ..  completed (kernel)          each entry: address
 */
#include "afxdp.h"
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Some drivers complete only when their own ring runs short, so there must be more slots than such a ring
 * has entries. */
enum { SLOTS_DEFAULT = 4096 };
/* A queue that is bound receives into our memory too, whoever the frames are for. The program that is
 * attached passes them on to the kernel, which copies them out and uses the chunk again: they are given once.
 */
enum { RX_CHUNKS = 2048 };

/* ---- slots ---- */
int xsk_slots_init(struct xsk *s, uint32_t slots, struct err *e)
{
        uint32_t n = XSK_SLOTS_MIN;
        while (n < (slots ? slots : SLOTS_DEFAULT) && n < XSK_SLOTS_MAX)
                n *= 2;
        *s = (struct xsk){.fd = -1, .n_slots = n, .n_free = n};
        s->free = calloc(n, sizeof(*s->free));
        s->state = calloc(n, sizeof(*s->state));
        if (!s->free || !s->state) {
                xsk_free(s);
                return err_set(e, ENOMEM, "out of memory for %u transmit slots", n);
        }
        for (uint32_t i = 0; i < n; i++)
                s->free[i] = n - 1 - i;
        return 0;
}

static uint32_t slot_of(uint64_t address)
{
        uint64_t chunk = address / XSK_CHUNK;
        return (uint32_t)(chunk * 2 + (address - xsk_address((uint32_t)chunk * 2)) / XSK_SLOT);
}

static struct xdp_desc *tx_entry(const struct xsk *s, uint32_t at)
{
        return (struct xdp_desc *)s->tx.entries + (at & s->tx.mask);
}

unsigned xsk_reserve(struct xsk *s, struct frame *f, unsigned n)
{
        uint32_t room = MIN(s->n_free, s->n_slots - xsk_waiting(s)) - s->n_lent;
        n = MIN(n, room);
        for (unsigned i = 0; i < n; i++) {
                uint32_t slot = s->free[s->n_free - 1 - s->n_lent - i];
                f[i] = (struct frame){.data = s->memory + xsk_address(slot), .cap = XSK_SLOT, .token = slot};
        }
        s->n_lent += n;
        return n;
}

void xsk_commit(struct xsk *s, const struct frame *f, unsigned n)
{
        assert(n <= s->n_lent);
        for (unsigned i = 0; i < n; i++) {
                uint32_t slot = s->free[--s->n_free];
                assert(f[i].token == slot && s->state[slot] == XSK_FREE && f[i].len && f[i].len <= XSK_SLOT);
                s->state[slot] = XSK_WITH_KERNEL;
                *tx_entry(s, s->filled++) = (struct xdp_desc){.addr = xsk_address(slot), .len = f[i].len};
        }
        s->n_lent = 0;
}

void xsk_show(struct xsk *s)
{
        __atomic_store_n(s->tx.producer, s->filled, __ATOMIC_RELEASE);
}

unsigned xsk_took(struct xsk *s, uint64_t *bytes)
{
        uint32_t now = __atomic_load_n(s->tx.consumer, __ATOMIC_ACQUIRE), n = now - s->taken;
        *bytes = 0;
        while (s->taken != now)
                *bytes += tx_entry(s, s->taken++)->len;
        return n;
}

void xsk_reap(struct xsk *s)
{
        uint32_t end = __atomic_load_n(s->completed.producer, __ATOMIC_ACQUIRE);
        uint32_t at = *s->completed.consumer;
        assert(!s->n_lent);
        for (; at != end; at++) {
                uint64_t address = ((const uint64_t *)s->completed.entries)[at & s->completed.mask];
                uint32_t slot = slot_of(address);
                if (slot < s->n_slots && xsk_address(slot) == address && s->state[slot] == XSK_WITH_KERNEL) {
                        s->state[slot] = XSK_FREE;
                        s->free[s->n_free++] = slot;
                } else {
                        s->strays++;
                }
        }
        __atomic_store_n(s->completed.consumer, end, __ATOMIC_RELEASE);
}

bool xsk_pull(struct xsk *s, struct span *frame)
{
        if (!xsk_waiting(s))
                return false;
        const struct xdp_desc *d = tx_entry(s, s->taken++);
        *frame = span_of(s->memory + d->addr, d->len);
        return true;
}

/* ---- memory and rings ---- */
static int refused(struct err *e, const char *what, const char *name)
{
        if (errno == ENOBUFS)
                return err_set(e, errno,
                               "%s for \"%s\": it would lock more memory than \"ulimit -l\" allows: raise "
                               "that, or run as root",
                               what, name);
        return io_err_open(e, errno, what, name);
}

static int map_ring(const struct xsk *s, struct xsk_ring *r, const struct xdp_ring_offset *o, uint32_t n,
                    size_t size, uint64_t where)
{
        r->map_len = o->desc + n * size;
        r->map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s->fd,
                      (off_t)where);
        if (r->map == MAP_FAILED) {
                r->map = NULL;
                return -1;
        }
        uint8_t *at = r->map;
        r->producer = (uint32_t *)(void *)(at + o->producer);
        r->consumer = (uint32_t *)(void *)(at + o->consumer);
        r->flags = (uint32_t *)(void *)(at + o->flags);
        r->entries = at + o->desc;
        r->mask = n - 1;
        return 0;
}

static void unmap_ring(struct xsk_ring *r)
{
        if (r->map)
                munmap(r->map, r->map_len);
        r->map = NULL;
}

/* The chunks behind the slots, for whatever the bound queue receives. */
static int give_chunks(const struct xsk *s, const struct xdp_ring_offset *o)
{
        struct xsk_ring fill = {0};
        if (map_ring(s, &fill, o, RX_CHUNKS, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING))
                return -1;
        for (uint32_t i = 0; i < RX_CHUNKS; i++)
                ((uint64_t *)fill.entries)[i] = (uint64_t)(s->n_slots / 2 + i) * XSK_CHUNK;
        __atomic_store_n(fill.producer, RX_CHUNKS, __ATOMIC_RELEASE);
        unmap_ring(&fill);
        return 0;
}

static int map_rings(struct xsk *s, const char *name, struct err *e)
{
        struct xdp_mmap_offsets o;
        socklen_t len = sizeof(o);
        if (getsockopt(s->fd, SOL_XDP, XDP_MMAP_OFFSETS, &o, &len))
                return refused(e, "asking for the rings of an AF_XDP socket", name);
        if (len != sizeof(o))
                return err_set(e, ENOSYS,
                               "this kernel's AF_XDP is too old: Linux 5.4 is the first that serves");
        if (map_ring(s, &s->tx, &o.tx, s->n_slots, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING) ||
            map_ring(s, &s->completed, &o.cr, s->n_slots, sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING) ||
            give_chunks(s, &o.fr))
                return refused(e, "mapping the rings of an AF_XDP socket", name);
        return 0;
}

static int set_up_socket(struct xsk *s, const char *name, struct err *e)
{
        struct xdp_umem_reg memory = {
                .addr = (uintptr_t)s->memory, .len = s->memory_len, .chunk_size = XSK_CHUNK};
        uint32_t rx_chunks = RX_CHUNKS;
        if (setsockopt(s->fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory)))
                return refused(e, "giving memory to an AF_XDP socket", name);
        if (setsockopt(s->fd, SOL_XDP, XDP_UMEM_FILL_RING, &rx_chunks, sizeof(rx_chunks)) ||
            setsockopt(s->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &s->n_slots, sizeof(s->n_slots)) ||
            setsockopt(s->fd, SOL_XDP, XDP_TX_RING, &s->n_slots, sizeof(s->n_slots)))
                return refused(e, "making the rings of an AF_XDP socket", name);
        return map_rings(s, name, e);
}

int xsk_open(struct xsk *s, uint32_t slots, const char *name, struct err *e)
{
        if (xsk_slots_init(s, slots, e))
                return -1;
        s->memory_len = (size_t)(s->n_slots / 2 + RX_CHUNKS) * XSK_CHUNK;
        s->memory = mmap(NULL, s->memory_len, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (s->memory == MAP_FAILED) {
                s->memory = NULL;
                err_set(e, ENOMEM, "out of memory for %zu bytes of packets", s->memory_len);
                goto free_all;
        }
        s->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
        if (s->fd < 0 && errno == EAFNOSUPPORT) {
                err_set(e, errno, "this kernel was built without AF_XDP sockets");
                goto free_all;
        }
        if (s->fd < 0) {
                refused(e, "opening an AF_XDP socket", name);
                goto free_all;
        }
        if (set_up_socket(s, name, e) == 0)
                return 0;
free_all:
        xsk_free(s);
        return -1;
}

void xsk_shut(struct xsk *s)
{
        if (s->fd >= 0)
                close(s->fd);
        s->fd = -1;
}

void xsk_free(struct xsk *s)
{
        xsk_shut(s);
        unmap_ring(&s->tx);
        unmap_ring(&s->completed);
        if (s->memory)
                munmap(s->memory, s->memory_len);
        free(s->free);
        free(s->state);
        *s = (struct xsk){.fd = -1};
}
