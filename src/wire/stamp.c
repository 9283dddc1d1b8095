// SPDX-License-Identifier: Apache-2.0
/*
 * stamp: template + patch -> probe, in the back-end's lent slot. The last step before the wire on every
 * back-end that wants frames. Invariant: stores only; the patch's fields are in network order and the sums
 * were computed with it, so nothing here depends on anything but the two arguments. Layouts: decode.c,
 * decode_l4.c.
 */
#include "wire/wire.h"
#include <endian.h>

enum { TEMPLATE_MAX = 128 }; /* one copy of constant size: the compiler makes it eight wide stores */
_Static_assert((int)WIRE_PROBE_MAX >= (int)TEMPLATE_MAX, "a slot has room for the constant-size copy");

void wire_stamp(uint8_t *out, const struct probe_template *t, const struct patch *p)
{
        assert(t->len <= TEMPLATE_MAX);
        uint8_t *ip = out + t->l3, *l4 = out + t->l4;
        memcpy(out, t->bytes, TEMPLATE_MAX);
        if (t->link == LINK_ETHER)
                memcpy(out, p->mac, 6);
        if (t->family == 4) {
                memcpy(ip + 4, &p->id, 2);
                memcpy(ip + 10, &p->ip_sum, 2);
                put_be32(ip + 12, (uint32_t)t->src_first.lo + p->src_off);
                memcpy(ip + 16, p->dst, 4);
        } else {
                uint64_t lo = t->src_first.lo + p->src_off;
                uint64_t src[2] = {htobe64(t->src_first.hi + (lo < p->src_off)), htobe64(lo)};
                memcpy(ip + 8, src, 16);
                memcpy(ip + 24, p->dst, 16);
        }
        memcpy(l4, &p->sport, 2);
        memcpy(l4 + 2, &p->dport, 2);
        memcpy(l4 + 4, &p->seq, 4);
        memcpy(l4 + 16, &p->l4_sum, 2);
        if (t->tsval)
                memcpy(out + t->tsval, &p->tsval, 4);
}
