// SPDX-License-Identifier: Apache-2.0
/*
 * blocks: the queues of a transmit thread, see blocks.h. All blocks of a level wait equally long, so each
 * queue is in order of time; and of position too, unless a block was held back for ARP/NDP. What is owed is
 * everything from the lowest first position on: a block counts whole until its horizon is over.
 */
#include "blocks.h"
#include <stdlib.h>

enum { CAP_MIN = 256, CAP_MAX = 1 << 18 };

/* As many blocks as can wait on one level at this rate (holes make up to two positions of one target). */
static unsigned capacity(const struct eng *g)
{
        double wait_s = MAX(g->conf->retry_delay_s, g->conf->answer_horizon_s) + 1;
        double now_pps = rate_pps(&g->rate), pps = MAX(now_pps, g->conf->rate_pps); /* auto starts low */
        double per_block = MIN(MAX(pps / 20 / g->n_tx, 16.0), (double)ENG_BLOCK);
        double blocks = 2 * wait_s * MIN(pps, 2e7) / g->n_tx / per_block + CAP_MIN;
        return (unsigned)MIN(blocks, (double)CAP_MAX);
}

int blocks_init(struct blocks *b, struct eng *g, unsigned id)
{
        memset(b, 0, sizeof(*b));
        b->g = g;
        b->id = id;
        b->sending = UINT64_MAX;
        b->n_levels = g->conf->retries + 1;
        b->cap = capacity(g);
        b->levels = calloc(b->n_levels, sizeof(*b->levels));
        for (unsigned i = 0; b->levels && i < b->n_levels; i++)
                if (!(b->levels[i].q = malloc(b->cap * sizeof(struct block))))
                        return -1;
        return b->levels ? 0 : -1;
}

void blocks_free(struct blocks *b)
{
        for (unsigned i = 0; b->levels && i < b->n_levels; i++)
                free(b->levels[i].q);
        free(b->levels);
}

static struct block *at(const struct blocks *b, unsigned level, unsigned i)
{
        struct level *l = &b->levels[level];
        return &l->q[(l->head + i) % b->cap];
}

void blocks_publish(struct blocks *b)
{
        uint64_t low = b->sending;
        for (unsigned k = 0; k < b->n_levels; k++)
                for (unsigned i = 0; i < (b->unordered ? b->levels[k].n : MIN(1u, b->levels[k].n)); i++)
                        low = MIN(low, at(b, k, i)->first);
        for (unsigned i = 0; b->n_held && i < HELD_MAX; i++)
                if (b->held[i].waiting)
                        low = MIN(low, b->held[i].b.first);
        atomic_store(&b->g->tx_oldest[b->id], low);
}

bool blocks_full(const struct blocks *b)
{
        /* held blocks enter level 0 when they like: room for all of them is kept */
        return b->levels[0].n + b->n_held + 1 >= b->cap || b->n_held == HELD_MAX;
}

void blocks_enqueue(struct blocks *b, unsigned level, struct block x, uint64_t now_ns)
{
        const struct conf *c = b->g->conf;
        double wait_s = level + 1 < b->n_levels ? c->retry_delay_s : c->answer_horizon_s;
        assert(b->levels[level].n < b->cap);
        x.due_ns = now_ns + (uint64_t)(wait_s * 1e9);
        *at(b, level, b->levels[level].n++) = x;
}

static void drop_head(struct blocks *b, unsigned level)
{
        struct level *l = &b->levels[level];
        l->head = (l->head + 1) % b->cap;
        l->n--;
}

struct block *blocks_due(struct blocks *b, uint64_t now_ns, unsigned *level)
{
        for (unsigned k = b->n_levels - 1; k-- > 0;)
                if (b->levels[k].n && at(b, k, 0)->due_ns <= now_ns && b->levels[k + 1].n < b->cap) {
                        *level = k;
                        return at(b, k, 0);
                }
        return NULL;
}

void blocks_advance(struct blocks *b, unsigned level, uint64_t now_ns)
{
        blocks_enqueue(b, level + 1, *at(b, level, 0), now_ns);
        drop_head(b, level);
        blocks_publish(b);
}

void blocks_settle(struct blocks *b, uint64_t looked_at_ns)
{
        unsigned last = b->n_levels - 1;
        bool moved = false;
        while (b->levels[last].n && at(b, last, 0)->due_ns <= looked_at_ns) {
                drop_head(b, last);
                moved = true;
        }
        if (moved)
                blocks_publish(b);
}

static uint64_t horizon_ns(const struct blocks *b)
{
        return (uint64_t)(b->g->conf->answer_horizon_s * 1e9);
}

/* `from` counts the held blocks first, then the last level's queue. */
struct block *blocks_recall(struct blocks *b, uint64_t since_ns, unsigned *from)
{
        unsigned last = b->n_levels - 1;
        uint64_t due_ns = since_ns + horizon_ns(b);
        if (last || !b->n_held) /* with retries, what is held is probed again anyway */
                *from = MAX(*from, (unsigned)HELD_MAX);
        while (*from < HELD_MAX + b->levels[last].n) {
                unsigned i = (*from)++;
                struct block *x = i < HELD_MAX ? &b->held[i].b : at(b, last, i - HELD_MAX);
                if ((i >= HELD_MAX || b->held[i].waiting) && x->due_ns >= due_ns)
                        return x;
        }
        return NULL;
}

/* It and all behind it are dealt with in turn, so the queue stays in order of time. */
void blocks_recalled(struct blocks *b, struct block *x, uint64_t now_ns)
{
        x->due_ns = now_ns + horizon_ns(b);
}

bool blocks_retries_left(const struct blocks *b)
{
        for (unsigned k = 0; k + 1 < b->n_levels; k++)
                if (b->levels[k].n)
                        return true;
        return b->n_held > 0;
}

uint64_t blocks_next_due(const struct blocks *b, uint64_t latest_ns)
{
        for (unsigned k = 0; k < b->n_levels; k++)
                if (b->levels[k].n)
                        latest_ns = MIN(latest_ns, at(b, k, 0)->due_ns);
        return latest_ns;
}

unsigned blocks_hold(struct blocks *b, struct block x)
{
        for (unsigned i = 0; i < HELD_MAX; i++)
                if (!b->held[i].waiting) {
                        b->held[i] = (struct held){x, 1};
                        b->n_held++;
                        b->unordered = true;
                        return i;
                }
        assert(false && "blocks_full was not asked");
        return HELD_NONE;
}

void blocks_release(struct blocks *b, unsigned slot, uint64_t now_ns)
{
        struct held *h = &b->held[slot];
        assert(h->waiting);
        h->b.due_ns = now_ns + horizon_ns(b); /* its latest probe left just now */
        if (--h->waiting)
                return;
        b->n_held--;
        blocks_enqueue(b, 0, h->b, now_ns);
        blocks_publish(b);
}
