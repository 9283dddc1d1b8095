// SPDX-License-Identifier: Apache-2.0
/*
 * random: -iR, a random draw of public IPv4 addresses. It walks a keyed order of all 2^32 addresses and skips
 * what is not public, so the draw is without repetition, the same for the same seed, and needs no memory
 * beyond the list. Invariant: none of the special-purpose blocks below is ever drawn. Reference: IANA IPv4
 * Special-Purpose Address Registry (RFC 6890), RFC 5771.
 */
#include "target/set.h"

static const struct v4_run special[] = {
        {0x00000000, 0x00ffffff}, /* 0.0.0.0/8 */
        {0x0a000000, 0x0affffff}, /* 10.0.0.0/8 */
        {0x64400000, 0x647fffff}, /* 100.64.0.0/10 */
        {0x7f000000, 0x7fffffff}, /* 127.0.0.0/8 */
        {0xa9fe0000, 0xa9feffff}, /* 169.254.0.0/16 */
        {0xac100000, 0xac1fffff}, /* 172.16.0.0/12 */
        {0xc0000000, 0xc00000ff}, /* 192.0.0.0/24 */
        {0xc0000200, 0xc00002ff}, /* 192.0.2.0/24 */
        {0xc0586300, 0xc05863ff}, /* 192.88.99.0/24 */
        {0xc0a80000, 0xc0a8ffff}, /* 192.168.0.0/16 */
        {0xc6120000, 0xc613ffff}, /* 198.18.0.0/15 */
        {0xc6336400, 0xc63364ff}, /* 198.51.100.0/24 */
        {0xcb007100, 0xcb0071ff}, /* 203.0.113.0/24 */
        {0xe0000000, 0xffffffff}, /* 224.0.0.0/3 */
};

static bool is_special(uint32_t a)
{
        for (size_t i = 0; i < ARRAY_LEN(special); i++)
                if (a >= special[i].first && a <= special[i].last)
                        return true;
        return false;
}

static uint64_t public_count(void)
{
        uint64_t n = 1ull << 32;
        for (size_t i = 0; i < ARRAY_LEN(special); i++)
                n -= (uint64_t)special[i].last - special[i].first + 1;
        return n;
}

int tgt_set_add_random(struct tgt_set *s, uint64_t n, uint64_t seed, struct err *e)
{
        struct tgt_order o;
        if (n == 0)
                return err_set(e, 0, "-iR 0 asks for no address; give how many to draw");
        if (n > public_count())
                return err_set(e, 0, "-iR %llu asks for more than the %llu public IPv4 addresses there are",
                               (unsigned long long)n, (unsigned long long)public_count());
        tgt_order_init(&o, 1ull << 32, seed);
        for (uint64_t pos = 0; n > 0; pos++) {
                uint32_t a = (uint32_t)tgt_order_at(&o, pos);
                if (is_special(a))
                        continue;
                if (set_push_v4(s, a, e))
                        return -1;
                n--;
        }
        return 0;
}
