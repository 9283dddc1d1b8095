// SPDX-License-Identifier: Apache-2.0
/*
 * timer: a wheel of four levels with 256 places each, a millisecond, 256 ms, 65 s and 4.6 h wide. Called by
 * all that sets a time, and by the engine through stack_tick(). A connection is in at most one place, linked
 * through itself. A time that moves away costs nothing: the connection stays where it is and is put right
 * when its place comes up; only a nearer time moves it. Invariant: a connection with a time due is in a place
 * that comes up no later than that. Varghese & Lauck 1987, scheme 7.
 */
#include "stack/stack_priv.h"

enum { APP_TIMER_MAX_MS = 1 << 30 }; /* 12 days: what fits well into wrapping 32 bits */

void tcp_time(struct stack *s, uint64_t now_ns)
{
        if (now_ns > s->now_ns) {
                s->now_ns = now_ns;
                s->now_ms = now_ns / NS_PER_MS;
        }
        if (!s->started) {
                s->started = true;
                s->wheel.now_ms = s->now_ms;
        }
}

/* ---- the wheel ---- */

/* How many places from `from` on the first one is that is not empty, going round; -1: all are. */
static int first_set(const uint64_t bits[4], unsigned from)
{
        for (unsigned i = 0; i <= 4; i++) {
                unsigned w = (from / 64 + i) & 3;
                uint64_t m = bits[w];
                if (i == 0)
                        m &= ~0ull << from % 64;
                else if (i == 4)
                        m &= ~(~0ull << from % 64);
                if (m)
                        return (int)((w * 64 + (unsigned)__builtin_ctzll(m) - from) & 255);
        }
        return -1;
}

/* When this place of this level comes up next, after now. */
static uint64_t place_time(const struct wheel *w, unsigned level, unsigned place)
{
        uint64_t cur = w->now_ms >> 8 * level;
        return (cur + ((place - cur - 1) & 255) + 1) << 8 * level;
}

static uint64_t next_time(const struct wheel *w)
{
        uint64_t best = UINT64_MAX;
        for (unsigned level = 0; level < 4; level++) {
                uint64_t cur = w->now_ms >> 8 * level;
                int k = first_set(w->bits[level], (unsigned)(cur + 1) & 255);
                if (k >= 0)
                        best = MIN(best, (cur + 1 + (unsigned)k) << 8 * level);
        }
        return best;
}

static void link_at(struct stack *s, struct conn *c, unsigned level, unsigned place)
{
        struct wheel *w = &s->wheel;
        uint32_t me = conn_index(s, c), *head = &w->heads[level][place];
        c->timer_prev = 0;
        c->timer_next = *head;
        if (*head)
                conn_at(s, *head)->timer_prev = me;
        *head = me;
        w->bits[level][place / 64] |= 1ull << place % 64;
        c->slot = (uint16_t)(level * 256 + place);
}

void tcp_timer_unlink(struct stack *s, struct conn *c)
{
        struct wheel *w = &s->wheel;
        if (c->slot == NO_SLOT)
                return;
        unsigned level = c->slot / 256, place = c->slot % 256;
        if (c->timer_next)
                conn_at(s, c->timer_next)->timer_prev = c->timer_prev;
        if (c->timer_prev)
                conn_at(s, c->timer_prev)->timer_next = c->timer_next;
        else
                w->heads[level][place] = c->timer_next;
        if (!w->heads[level][place])
                w->bits[level][place / 64] &= ~(1ull << place % 64);
        c->slot = NO_SLOT;
}

/* `due` may be now only while the place of now is being gone through. */
static void place_at(struct stack *s, struct conn *c, uint64_t due)
{
        uint64_t away = due - s->wheel.now_ms;
        unsigned level = away < 1u << 8 ? 0 : away < 1u << 16 ? 1 : away < 1u << 24 ? 2 : 3;
        link_at(s, c, level, (unsigned)(due >> 8 * level) & 255);
}

/* ---- a connection's times ---- */

static uint64_t widen(const struct stack *s, uint32_t due)
{
        return s->now_ms + (uint64_t)(int64_t)(int32_t)(due - (uint32_t)s->now_ms);
}

static uint64_t earliest(const struct stack *s, const struct conn *c)
{
        uint64_t tcp = has(c, F_TCP_TIMER) ? widen(s, c->tcp_due) : UINT64_MAX;
        uint64_t app = has(c, F_APP_TIMER) ? widen(s, c->app_due) : UINT64_MAX;
        return MIN(tcp, app);
}

void tcp_timer_sync(struct stack *s, struct conn *c)
{
        uint64_t due = earliest(s, c);
        if (due == UINT64_MAX)
                return;
        due = MAX(due, s->wheel.now_ms + 1);
        if (c->slot != NO_SLOT) {
                if (place_time(&s->wheel, c->slot / 256, c->slot % 256) <= due)
                        return;
                tcp_timer_unlink(s, c);
        }
        place_at(s, c, due);
}

void tcp_timer_set(struct stack *s, struct conn *c, uint32_t after_ms)
{
        c->tcp_due = (uint32_t)s->now_ms + after_ms;
        set(c, F_TCP_TIMER);
        tcp_timer_sync(s, c);
}

void conn_set_timer(struct stack *s, struct conn *c, uint64_t at_ns)
{
        uint64_t at_ms = at_ns / NS_PER_MS + (at_ns % NS_PER_MS != 0);
        if (!is_owned(c))
                return;
        clear(c, F_APP_TIMER);
        if (at_ns == 0)
                return;
        uint64_t away = at_ms > s->now_ms ? MIN(at_ms - s->now_ms, (uint64_t)APP_TIMER_MAX_MS) : 0;
        c->app_due = (uint32_t)(s->now_ms + away);
        set(c, F_APP_TIMER);
        tcp_timer_sync(s, c);
}

/* ---- what is due ---- */

static void tcp_timer_due(struct stack *s, struct conn *c)
{
        clear(c, F_TCP_TIMER);
        if (c->state == ST_TIME_WAIT)
                tcp_finish(s, c, CONN_CLOSED);
        else if (c->state == ST_FIN_WAIT2) /* the peer took all that we said and says nothing itself */
                tcp_reset(s, c, CONN_CLOSED);
        else
                tcp_timeout(s, c);
}

static void fire(struct stack *s, struct conn *c, uint64_t t)
{
        tcp_enter(s);
        if (has(c, F_TCP_TIMER) && widen(s, c->tcp_due) <= t)
                tcp_timer_due(s, c);
        if (alive(c) && has(c, F_APP_TIMER) && widen(s, c->app_due) <= t) {
                clear(c, F_APP_TIMER);
                s->ops.timer(s->arg, c);
        }
        if (alive(c))
                tcp_timer_sync(s, c);
        tcp_leave(s);
}

/* Places of the upper levels that come up at t go down a level. */
static void cascade(struct stack *s, uint64_t t)
{
        for (unsigned level = 3; level > 0; level--) {
                if (t & ((1ull << 8 * level) - 1))
                        continue;
                uint32_t *head = &s->wheel.heads[level][t >> 8 * level & 255];
                while (*head) {
                        struct conn *c = conn_at(s, *head);
                        uint64_t due = earliest(s, c);
                        tcp_timer_unlink(s, c);
                        if (due != UINT64_MAX)
                                place_at(s, c, MAX(due, t));
                }
        }
}

void stack_tick(struct stack *s, uint64_t now_ns)
{
        tcp_time(s, now_ns);
        for (uint64_t t; (t = next_time(&s->wheel)) <= s->now_ms;) {
                s->wheel.now_ms = t;
                cascade(s, t);
                uint32_t *head = &s->wheel.heads[0][t & 255];
                while (*head) {
                        struct conn *c = conn_at(s, *head);
                        tcp_timer_unlink(s, c);
                        fire(s, c, t);
                }
        }
        s->wheel.now_ms = s->now_ms;
}

uint64_t stack_deadline(const struct stack *s)
{
        uint64_t t = next_time(&s->wheel);
        return t == UINT64_MAX ? UINT64_MAX : t * NS_PER_MS;
}
