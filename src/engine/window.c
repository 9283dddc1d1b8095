// SPDX-License-Identifier: Apache-2.0
/*
 * window: a ring of bits over the order's positions that are in flight: claimed, not yet settled.
 *
 *        settled      | answered? bits live here |   not claimed yet
 *   ──────────────────┼──────────────────────────┼───────────────────
 *                    low                        next        next - low <= half the ring
 *
 * Only half of the ring is ever in use, so a reply that passed the bounds check a moment ago can never hit
 * the bit of another position, however long its thread was held up in between.
 */
#include "eng.h"
#include <sys/mman.h>

/* Positions whose pages are given back together when all are settled: the ring is as large as the highest
 * rate may want, and a slower scan would fill memory with what nobody asks about any more. */
enum { CHUNK_LOG2 = 24, CHUNK_BITS = 1 << (CHUNK_LOG2 - 3), CHUNK_SENT = 1 << (CHUNK_LOG2 - 4) };

static void *ring_of(uint64_t len)
{
        void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return p == MAP_FAILED ? NULL : p;
}

int window_init(struct window *w, uint64_t positions, struct err *e)
{
        uint64_t n = 4096;
        while (n < positions)
                n *= 2;
        memset(w, 0, sizeof(*w));
        w->mask = n - 1;
        w->bits = ring_of(n / 64 * sizeof(*w->bits));
        w->sent_ms = ring_of(n / 64 * sizeof(*w->sent_ms));
        if (!w->bits || !w->sent_ms) {
                window_free(w);
                return err_set(
                        e, 0,
                        "out of memory for %llu probes in flight: lower --rate, --retries or --retry-delay",
                        (unsigned long long)n);
        }
        return 0;
}

void window_free(struct window *w)
{
        uint64_t words = (w->mask + 1) / 64;
        if (w->bits)
                munmap((void *)w->bits, words * sizeof(*w->bits));
        if (w->sent_ms)
                munmap((void *)w->sent_ms, words * sizeof(*w->sent_ms));
        memset(w, 0, sizeof(*w));
}

static void forget(struct window *w, uint64_t first, uint64_t n)
{
        for (uint64_t p = first; p < first + n;) {
                uint64_t at = p & w->mask, bit = at & 63, take = MIN(64 - bit, first + n - p);
                uint64_t m = take == 64 ? ~0ull : ((1ull << take) - 1) << bit;
                atomic_fetch_and_explicit(&w->bits[at / 64], ~m, memory_order_relaxed);
                p += take;
        }
}

uint64_t window_claim(struct window *w, uint64_t *first, uint64_t want, uint64_t end)
{
        uint64_t pos = atomic_load(&w->next);
        for (;;) {
                uint64_t top = atomic_load(&w->low) + (w->mask + 1) / 2;
                top = MIN(end, top);
                if (pos >= top)
                        return 0;
                uint64_t n = MIN(want, top - pos);
                if (!atomic_compare_exchange_weak(&w->next, &pos, pos + n))
                        continue;
                forget(w, pos, n);
                *first = pos;
                return n;
        }
}

/* A reply that passed the bounds check just before may touch a page again; what it leaves there is forgotten
 * when the position's successor is claimed, half a ring later. */
void window_settle(struct window *w, uint64_t low)
{
        uint64_t chunk = atomic_load(&w->low) >> CHUNK_LOG2, end = low >> CHUNK_LOG2;
        uint64_t chunks = (w->mask + 1) >> CHUNK_LOG2;
        atomic_store(&w->low, low);
        for (; chunks > 2 && chunk < end; chunk++) {
                uint64_t at = chunk % chunks;
                madvise((uint8_t *)w->bits + at * CHUNK_BITS, CHUNK_BITS, MADV_DONTNEED);
                madvise((uint8_t *)w->sent_ms + at * CHUNK_SENT, CHUNK_SENT, MADV_DONTNEED);
        }
}

bool window_holds(const struct window *w, uint64_t pos)
{
        struct window *v = (struct window *)w;
        return pos >= atomic_load_explicit(&v->low, memory_order_relaxed) &&
               pos < atomic_load_explicit(&v->next, memory_order_relaxed);
}

bool window_mark(struct window *w, uint64_t pos)
{
        uint64_t bit = 1ull << (pos & 63);
        if (!window_holds(w, pos))
                return false;
        return atomic_fetch_or_explicit(&w->bits[(pos & w->mask) / 64], bit, memory_order_relaxed) & bit;
}

bool window_answered(const struct window *w, uint64_t pos)
{
        return atomic_load_explicit(&w->bits[(pos & w->mask) / 64], memory_order_relaxed) >> (pos & 63) & 1;
}

void window_sent(struct window *w, uint64_t pos, uint32_t now_ms)
{
        atomic_store_explicit(&w->sent_ms[(pos & w->mask) / 64], now_ms | 1, memory_order_relaxed);
}

uint32_t window_age_ms(const struct window *w, uint64_t pos, uint32_t now_ms)
{
        if (!window_holds(w, pos))
                return 0;
        uint32_t sent = atomic_load_explicit(&w->sent_ms[(pos & w->mask) / 64], memory_order_relaxed);
        return sent && now_ms > sent ? now_ms - sent : 0;
}
