// SPDX-License-Identifier: Apache-2.0
/*
 * queue: the bytes of a connection: queued ones until they are acknowledged, out-of-order ones until the gap
 * before them is filled. Both are chains of blocks out of one bounded pool, under one extra cell.
 *
 *      snd_una                    snd_una + tx_len        rcv_nxt              rcv_nxt + window
 *         |#####|##########|##########|###|                 |....###....#####|###|....|
 *     tx_first                        tx_last                rx_first         rx_last
 *
 * Invariant: blocks out of order are sorted, disjoint, not empty, and lie within the window; of bytes that
 * came twice the first ones stay. RFC 9293 §3.10.7.4.
 */
#include "stack/stack_priv.h"

struct extra *tcp_extra(struct stack *s, struct conn *c)
{
        if (c->extra)
                return extra_of(s, c);
        c->extra = tcp_cell_take(s);
        if (!c->extra)
                return NULL;
        *extra_of(s, c) = (struct extra){.resend = 0};
        tcp_extra_begin(s, c);
        return extra_of(s, c);
}

void tcp_extra_begin(struct stack *s, struct conn *c)
{
        struct extra *x = extra_of(s, c);
        if (!x)
                return;
        x->resend = has(c, F_RESEND) ? c->snd_una : c->snd_nxt;
        x->cwnd = INITIAL_SEGS * (uint32_t)c->mss;
        x->ssthresh = INT32_MAX;
        x->recover = c->snd_una;
        x->snd_wl1 = c->rcv_nxt;
}

static void drop_chain(struct stack *s, uint32_t i)
{
        while (i) {
                uint32_t next = block_at(s, i)->next;
                tcp_cell_give(s, i);
                i = next;
        }
}

void tcp_rx_drop(struct stack *s, struct extra *x)
{
        drop_chain(s, x->rx_first);
        x->rx_first = x->rx_last = x->rx_blocks = 0;
}

void tcp_extra_drop(struct stack *s, struct conn *c)
{
        struct extra *x = extra_of(s, c);
        if (!x)
                return;
        drop_chain(s, x->tx_first);
        drop_chain(s, x->rx_first);
        tcp_cell_give(s, c->extra);
        c->extra = 0;
        clear(c, F_TIMING);
        clear(c, F_BYTES);
        clear(c, F_FIN_SEEN);
}

void tcp_extra_tidy(struct stack *s, struct conn *c)
{
        const struct extra *x = extra_of(s, c);
        if (x && !x->tx_len && !x->rx_first && !has(c, F_FIN_SEEN))
                tcp_extra_drop(s, c);
}

/* ---- to send ---- */

static uint32_t room_in_last(const struct stack *s, const struct extra *x)
{
        return x->tx_last ? CELL_ROOM - (uint32_t)block_at(s, x->tx_last)->len : 0;
}

/* Cells for n more bytes, the extra one included: all of them are there, or nothing is begun. */
static bool room_for(const struct stack *s, const struct conn *c, uint32_t n)
{
        const struct extra *x = extra_of(s, c);
        uint32_t last = x ? room_in_last(s, x) : 0;
        uint32_t blocks = n > last ? (n - last + CELL_ROOM - 1) / CELL_ROOM : 0;
        return (x ? x->tx_len : 0) + n <= SEND_MAX && blocks + !x <= s->cells.cap - s->cells.used;
}

static struct block *add_block(struct stack *s, struct extra *x)
{
        uint32_t i = tcp_cell_take(s);
        struct block *b = block_at(s, i);
        assert(i);
        b->next = 0;
        b->len = 0;
        *(x->tx_last ? &block_at(s, x->tx_last)->next : &x->tx_first) = i;
        x->tx_last = i;
        return b;
}

bool conn_send(struct stack *s, struct conn *c, struct span bytes)
{
        if (!is_owned(c) || has(c, F_CLOSE) || bytes.n > SEND_MAX || !room_for(s, c, (uint32_t)bytes.n))
                return false;
        if (bytes.n == 0)
                return true;
        struct extra *x = tcp_extra(s, c);
        assert(x);
        x->tx_len += (uint32_t)bytes.n;
        set(c, F_BYTES);
        while (bytes.n) {
                struct block *b = room_in_last(s, x) ? block_at(s, x->tx_last) : add_block(s, x);
                size_t n = MIN(bytes.n, (size_t)(CELL_ROOM - b->len));
                memcpy(b->bytes + b->len, bytes.p, n);
                b->len = (uint16_t)(b->len + n);
                bytes = span_of(bytes.p + n, bytes.n - n);
        }
        tcp_want(s, c);
        return true;
}

/* Bytes [off, off + n) of what is queued, in one piece: in place, or gathered. */
struct span tcp_tx_view(struct stack *s, const struct extra *x, uint32_t off, uint32_t n)
{
        const struct block *b = block_at(s, x->tx_first);
        assert(n <= sizeof(s->gather) && off + n <= x->tx_len);
        off += x->tx_off;
        while (off >= b->len) {
                off -= b->len;
                b = block_at(s, b->next);
        }
        if (off + n <= b->len)
                return span_of(b->bytes + off, n);
        struct wr w = wr_of(s->gather, sizeof(s->gather));
        for (uint32_t left = n; left;) {
                uint32_t take = MIN(left, b->len - off);
                wr_bytes(&w, b->bytes + off, take);
                left -= take;
                off = 0;
                b = left ? block_at(s, b->next) : b;
        }
        return span_of(s->gather, n);
}

void tcp_tx_consume(struct stack *s, struct extra *x, uint32_t n)
{
        assert(n <= x->tx_len);
        x->tx_len -= n;
        n += x->tx_off;
        while (x->tx_first && n >= block_at(s, x->tx_first)->len) {
                uint32_t gone = x->tx_first;
                n -= block_at(s, gone)->len;
                x->tx_first = block_at(s, gone)->next;
                tcp_cell_give(s, gone);
        }
        if (!x->tx_first)
                x->tx_last = 0;
        x->tx_off = (uint16_t)n;
}

/* ---- out of order ---- */

static uint32_t end_of(const struct block *b)
{
        return b->seq + b->len;
}

/* A new block after `prev` (0: at the front); 0: no room. */
static uint32_t insert_block(struct stack *s, struct extra *x, uint32_t prev, uint32_t seq)
{
        uint32_t i = x->rx_blocks < s->rx_most ? tcp_cell_take(s) : 0;
        if (!i)
                return 0;
        uint32_t *at = prev ? &block_at(s, prev)->next : &x->rx_first;
        struct block *b = block_at(s, i);
        b->seq = seq;
        b->len = 0;
        b->next = *at;
        *at = i;
        if (!b->next)
                x->rx_last = i;
        x->rx_blocks++;
        return i;
}

/* Puts bytes that nobody has yet behind block `prev`, into it as far as they follow it. Returns the last
 * block written, or 0 when there was no room for all: the peer will send the rest again. */
static uint32_t fill_gap(struct stack *s, struct extra *x, uint32_t prev, uint32_t seq, struct span data)
{
        while (data.n) {
                struct block *b = prev ? block_at(s, prev) : NULL;
                if (!b || end_of(b) != seq || b->len == CELL_ROOM) {
                        prev = insert_block(s, x, prev, seq);
                        if (!prev)
                                return 0;
                        b = block_at(s, prev);
                }
                size_t n = MIN(data.n, (size_t)(CELL_ROOM - b->len));
                memcpy(b->bytes + b->len, data.p, n);
                b->len = (uint16_t)(b->len + n);
                seq += (uint32_t)n;
                data = span_of(data.p + n, data.n - n);
        }
        return prev;
}

void tcp_rx_store(struct stack *s, struct conn *c, struct extra *x, uint32_t seq, struct span data)
{
        uint32_t prev = 0, next = x->rx_first, end = seq + (uint32_t)data.n;
        assert(seq_diff(seq, c->rcv_nxt) > 0);
        if (x->rx_last && seq_diff(seq, end_of(block_at(s, x->rx_last))) >= 0) {
                prev = x->rx_last; /* the common case: behind all others */
                next = 0;
        }
        while (seq != end) {
                const struct block *b = next ? block_at(s, next) : NULL;
                uint32_t gap_end = b && seq_diff(b->seq, end) < 0 ? b->seq : end;
                if (seq_diff(gap_end, seq) > 0) {
                        uint32_t n = gap_end - seq;
                        prev = fill_gap(s, x, prev, seq, span_of(data.p, n));
                        if (!prev)
                                return;
                        data = span_of(data.p + n, data.n - n);
                        seq = gap_end;
                        continue;
                }
                uint32_t have = seq_diff(end_of(b), seq) > 0 ? MIN(end_of(b) - seq, end - seq) : 0;
                data = span_of(data.p + have, data.n - have);
                seq += have;
                prev = next;
                next = b->next;
        }
}

/* The first block, when the gap before it is gone: taken out of the chain, what is new of it in *data. The
 * caller gives the cell back when the bytes have been looked at. 0: there is none. */
uint32_t tcp_rx_pop(struct stack *s, struct conn *c, struct extra *x, struct span *data)
{
        uint32_t i = x->rx_first;
        if (!i || seq_diff(block_at(s, i)->seq, c->rcv_nxt) > 0)
                return 0;
        const struct block *b = block_at(s, i);
        uint32_t old = MIN(c->rcv_nxt - b->seq, b->len);
        *data = span_of(b->bytes + old, b->len - old);
        x->rx_first = b->next;
        if (!x->rx_first)
                x->rx_last = 0;
        x->rx_blocks--;
        return i;
}
