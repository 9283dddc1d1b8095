// SPDX-License-Identifier: Apache-2.0
/*
 * reserved: addresses no scan has business with. Inside a larger range they are dropped with a count, written
 * by themselves they are an error (plan.c, spec.c). Invariant: the table is the whole truth; private,
 * loopback, documentation and benchmark ranges are ordinary targets and are not in it. Reference: RFC 1122
 * §3.2.1.3, RFC 5771, RFC 1112 §4, RFC 4291 §2.5.2, §2.5.5.2 and §2.7.
 */
#include "target/set.h"

static const struct {
        struct tgt_range r;
        const char *why;
} never[] = {
        {{{.lo = 0, .family = 4}, {.lo = 0x00ffffff, .family = 4}}, "\"this network\" (0.0.0.0/8)"},
        {{{.lo = 0xe0000000, .family = 4}, {.lo = 0xefffffff, .family = 4}}, "multicast (224.0.0.0/4)"},
        {{{.lo = 0xf0000000, .family = 4}, {.lo = 0xffffffff, .family = 4}},
         "reserved or broadcast (240.0.0.0/4)"},
        {{{.lo = 0, .family = 6}, {.lo = 0, .family = 6}}, "the unspecified address"},
        {{{.lo = 0xffff00000000, .family = 6}, {.lo = 0xffffffffffff, .family = 6}},
         "an IPv4 address in IPv6 clothes (::ffff:0:0/96)"},
        {{{.hi = 0xff00ull << 48, .family = 6}, {.hi = UINT64_MAX, .lo = UINT64_MAX, .family = 6}},
         "multicast (ff00::/8)"},
};

bool reserved_v4(uint32_t first, uint32_t last)
{
        return last <= 0x00ffffff || first >= 0xe0000000;
}

bool reserved_seg(const struct seg *s)
{
        if (s->space >> 32 == 4)
                return reserved_v4((uint32_t)s->first, (uint32_t)s->last);
        return s->last == 0 || s->first >> 120 == 0xff ||
               (s->first >> 32 == 0xffff && s->last >> 32 == 0xffff);
}

const char *reserved_why(const struct seg *s)
{
        for (size_t i = 0; i < ARRAY_LEN(never); i++) {
                struct seg n = seg_of(&never[i].r);
                if (n.space >> 32 == s->space >> 32 && n.first <= s->first && s->first <= n.last)
                        return never[i].why;
        }
        return "the broadcast address of one of our own networks";
}

static int add_all(struct tgt_set *s, const struct tgt_spec *spec, struct err *e)
{
        for (size_t i = 0; i < ARRAY_LEN(never); i++)
                if (tgt_set_add_range(s, &never[i].r, e))
                        return -1;
        for (size_t i = 0; i < spec->n_own_broadcasts; i++)
                if (tgt_set_add_range(s, &spec->own_broadcasts[i], e))
                        return -1;
        return tgt_set_finish(s, e);
}

int reserved_set(struct tgt_set **out, const struct tgt_spec *spec, struct err *e)
{
        if (tgt_set_new(out, e))
                return -1;
        if (add_all(*out, spec, e)) {
                tgt_set_free(*out);
                *out = NULL;
                return -1;
        }
        return 0;
}
