// SPDX-License-Identifier: Apache-2.0
/*
 * stamp: template + patch -> probe, in the back-end's lent slot. The last step before the wire on every
 * back-end that wants frames. Invariant: a permutation of the patch's bytes laid over the template
 * (probe_template.from), so nothing here depends on anything but the two arguments, and every level does the
 * same. Layouts: decode.c, decode_l4.c.
 */
#include "wire/stamp.h"

enum { TEMPLATE_MAX = 128 }; /* copies of constant size: the compiler makes them a few wide stores */
_Static_assert((int)WIRE_PROBE_MAX >= (int)TEMPLATE_MAX, "a slot has room for the constant-size copy");

/* ---- which byte goes where ---- */

static void take(struct probe_template *t, size_t at, size_t from, size_t n)
{
        assert(at % 2 == 0 && at + n <= t->len); /* even: the AVX-512 level moves words */
        for (size_t i = 0; i < n; i++)
                t->from[at + i] = (uint8_t)(from + i);
}

void wire_template_finish(struct probe_template *t)
{
        size_t ip = t->l3, l4 = t->l4;
        assert(t->len <= TEMPLATE_MAX);
        memset(t->from, STAMP_KEEP, sizeof(t->from));
        if (t->link == LINK_ETHER)
                take(t, 0, offsetof(struct patch, mac), 6);
        if (t->family == 4) {
                take(t, ip + 4, offsetof(struct patch, id), 2);
                take(t, ip + 10, offsetof(struct patch, ip_sum), 2);
                take(t, ip + 12, offsetof(struct patch, src), 8);
        } else {
                take(t, ip + 16, offsetof(struct patch, src6), 8);
                take(t, ip + 24, offsetof(struct patch, dst6), 16);
        }
        take(t, l4, offsetof(struct patch, sport), 8);
        take(t, l4 + 16, offsetof(struct patch, l4_sum), 2);
        if (t->tsval)
                take(t, t->tsval, offsetof(struct patch, tsval), 4);
}

/* ---- C: the few runs of bytes that differ, as stores of constant size ---- */

static inline void copy_template(uint8_t *out, const struct probe_template *t, bool longer)
{
        memcpy(out, t->bytes, TEMPLATE_MAX / 2);
        if (longer)
                memcpy(out + TEMPLATE_MAX / 2, t->bytes + TEMPLATE_MAX / 2, TEMPLATE_MAX / 2);
}

static inline void put_ip_fields(uint8_t *ip, uint8_t family, const struct patch *p)
{
        if (family == 4) {
                memcpy(ip + 4, &p->id, 2);
                memcpy(ip + 10, &p->ip_sum, 2);
                memcpy(ip + 12, &p->src, 4);
                memcpy(ip + 16, &p->dst, 4);
        } else {
                memcpy(ip + 16, &p->src6, 8);
                memcpy(ip + 24, p->dst6, 16);
        }
}

static inline void put_tcp_fields(uint8_t *l4, const struct patch *p)
{
        memcpy(l4, &p->sport, 2);
        memcpy(l4 + 2, &p->dport, 2);
        memcpy(l4 + 4, &p->seq, 4);
        memcpy(l4 + 16, &p->l4_sum, 2);
}

void stamp_burst_c(struct frame *f, const struct probe_template *t, const struct patch *p, unsigned n)
{
        /* Read once: for all the compiler knows the frames could lie over the template. */
        size_t l3 = t->l3, l4 = t->l4, tsval = t->tsval;
        bool longer = t->len > TEMPLATE_MAX / 2, mac = t->link == LINK_ETHER;
        uint8_t family = t->family;
        uint32_t len = t->len;
        for (unsigned i = 0; i < n; i++) {
                uint8_t *out = f[i].data;
                copy_template(out, t, longer);
                if (mac)
                        memcpy(out, p[i].mac, 6);
                put_ip_fields(out + l3, family, &p[i]);
                put_tcp_fields(out + l4, &p[i]);
                if (tsval)
                        memcpy(out + tsval, &p[i].tsval, 4);
                f[i].len = len;
        }
}

void wire_stamp(uint8_t *out, const struct probe_template *t, const struct patch *p)
{
        struct frame f = {.data = out};
        stamp_burst_c(&f, t, p, 1);
}

void wire_stamp_burst(struct frame *f, const struct probe_template *t, const struct patch *p, unsigned n)
{
        static void (*const levels[CPU_LEVELS])(struct frame *, const struct probe_template *,
                                                const struct patch *, unsigned) = {
                [CPU_C] = stamp_burst_c,
#if defined(__x86_64__)
                [CPU_AVX2] =
                        stamp_burst_c, /* shuffles of 32 bytes gain half a nanosecond: not worth a file */
                [CPU_AVX512] = stamp_burst_avx512,
#endif
        };
        levels[cpu_level()](f, t, p, n);
}
