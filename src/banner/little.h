// SPDX-License-Identifier: Apache-2.0
/*
 * little: the sticky reader and writer for protocols that send the low byte first (SMB, NTLM, MySQL, BSON).
 * Private to this folder. Invariant: the same as in base/bytes.h: a read past the end gives zeros and marks
 * the reader bad.
 */
#ifndef TRAWL_BANNER_LITTLE_H
#define TRAWL_BANNER_LITTLE_H
#include "base/base.h"

static inline uint16_t rd_le16(struct rd *r)
{
        struct span s = rd_take(r, 2);
        return s.n ? (uint16_t)((unsigned)s.p[1] << 8 | s.p[0]) : 0;
}

static inline uint32_t rd_le32(struct rd *r)
{
        uint32_t low = rd_le16(r);
        return low | (uint32_t)rd_le16(r) << 16;
}

static inline uint64_t rd_le64(struct rd *r)
{
        uint64_t low = rd_le32(r);
        return low | (uint64_t)rd_le32(r) << 32;
}

static inline void wr_le16(struct wr *w, uint16_t v)
{
        wr_u8(w, (uint8_t)v);
        wr_u8(w, (uint8_t)(v >> 8));
}

static inline void wr_le32(struct wr *w, uint32_t v)
{
        wr_le16(w, (uint16_t)v);
        wr_le16(w, (uint16_t)(v >> 16));
}

static inline void wr_le64(struct wr *w, uint64_t v)
{
        wr_le32(w, (uint32_t)v);
        wr_le32(w, (uint32_t)(v >> 32));
}
#endif
