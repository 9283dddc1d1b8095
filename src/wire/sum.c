// SPDX-License-Identifier: Apache-2.0
/*
 * sum: the Internet checksum (RFC 1071). Used by decode to believe a packet and by build to be believed. The
 * ones' complement sum does not care in which order the bytes of a word lie, nor how wide the words are that
 * are added, as long as all carries come back in: so it adds native 32-bit words and swaps once at the end.
 */
#include "wire/wire.h"
#include <endian.h>

uint16_t wire_sum(uint32_t start, struct span s)
{
        const uint8_t *p = s.p;
        size_t n = s.n;
        uint64_t sum = 0, wide;
        uint32_t word;
        uint16_t half;
        for (; n >= 8; n -= 8, p += 8) {
                memcpy(&wide, p, 8);
                sum += (wide >> 32) + (wide & 0xffffffff);
        }
        if (n >= 4) {
                memcpy(&word, p, 4);
                sum += word;
                n -= 4, p += 4;
        }
        if (n >= 2) {
                memcpy(&half, p, 2);
                sum += half;
                n -= 2, p += 2;
        }
        if (n)
                sum += htobe16((uint16_t)(p[0] << 8)); /* an odd byte counts as the upper half of a word */
        return wire_fold((uint64_t)be16toh(wire_fold(sum)) + start);
}

/* The part of the sum that is not in the segment (RFC 9293 §3.1, RFC 8200 §8.1):
 *
 *      IPv4: | source 4 | destination 4 | 0 | protocol | length 2 |
 *      IPv6: | source 16 | destination 16 | length 4 | 0 0 0 | next header |
 */
uint32_t wire_pseudo_sum(const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto, uint32_t len)
{
        uint64_t sum = (uint64_t)proto + len;
        const struct ip_addr *both[2] = {src, dst};
        for (int i = 0; i < 2; i++) {
                sum += (both[i]->hi >> 32) + (both[i]->hi & 0xffffffff);
                sum += (both[i]->lo >> 32) + (both[i]->lo & 0xffffffff);
        }
        return wire_fold(sum);
}
