// SPDX-License-Identifier: Apache-2.0
/*
 * sim_truth: the ground truth in print, for tests to compare a scan's list with. It asks the same function
 * that the kernel side asks (sim_hash.h), so it is the truth and not a copy of it. Invariant: one line per
 * target, addresses ascending, ports in the order given.
 */
#include "sim_user.h"
#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 96, BUFFER_LEN = 1 << 18 };

/* These are a scanner's words: it cannot tell an unreachable target from a silent one but by the ICMP error,
 * nor a tarpit from an open port. So the last word of such a line says which it was. */
static const char *const state_words[SIM_NSTATES] = {"open", "closed", "filtered", "open", "filtered"};
static const char *const state_tails[SIM_NSTATES] = {"", "", " unreachable", " tarpit", ""};

size_t sim_address(char out[64], const struct sim_prefix *p, uint64_t i)
{
        uint64_t lo = p->lo + i;
        if (p->family == 4) {
                struct wr w = wr_of(out, 63);
                for (int shift = 24; shift >= 0; shift -= 8) {
                        wr_dec(&w, lo >> shift & 255);
                        if (shift)
                                wr_u8(&w, '.');
                }
                *w.p = 0;
                return wr_len(&w);
        }
        uint8_t bytes[16];
        put_be64(bytes, p->hi);
        put_be64(bytes + 8, lo);
        inet_ntop(AF_INET6, bytes, out, 64);
        return strlen(out);
}

static int flush(struct wr *w, struct err *e)
{
        for (const uint8_t *p = w->start; p < w->p;) {
                ssize_t n = write(STDOUT_FILENO, p, (size_t)(w->p - p));
                if (n < 0 && errno != EINTR)
                        return err_set(e, errno, "writing the truth: %s", strerror(errno));
                p += n > 0 ? n : 0;
        }
        w->p = w->start;
        return 0;
}

static void put_line(struct wr *w, enum sim_state state, uint16_t port, const char *addr, size_t addr_len)
{
        wr_str(w, state_words[state]);
        wr_str(w, " tcp ");
        wr_dec(w, port);
        wr_u8(w, ' ');
        wr_bytes(w, addr, addr_len);
        wr_str(w, state_tails[state]);
        wr_u8(w, '\n');
}

int sim_truth_print(const struct sim_args *a, struct err *e)
{
        static uint8_t buffer[BUFFER_LEN];
        struct wr w = wr_of(buffer, sizeof(buffer));
        const struct sim_grid *g = &a->truth;
        for (uint64_t i = 0; i >> g->prefix.bits == 0; i++) {
                char addr[64];
                size_t n = sim_address(addr, &g->prefix, i);
                for (uint32_t k = 0; k < g->nports; k++) {
                        uint64_t hash = sim_hash(a->conf.key, g->prefix.hi, g->prefix.lo + i, g->ports[k]);
                        put_line(&w, sim_state_of(&a->conf.shares, hash), g->ports[k], addr, n);
                        if (wr_len(&w) > BUFFER_LEN - LINE_MAX_LEN && flush(&w, e))
                                return -1;
                }
        }
        return flush(&w, e);
}
