// SPDX-License-Identifier: Apache-2.0
/*
 * allopen: see allopen.h. A table of buckets, each with a line of tags that is looked through first: most
 * answers come from hosts that are not in it. Two hosts with the same bucket and tag would count as one;
 * nobody can aim at that without the key. Invariant: a host that is in the table has all its answers counted
 * since `since`, which is when its bucket last forgot somebody, who might have been the same.
 */
#include "allopen.h"
#include <stdlib.h>

enum { BUCKETS_LOG2 = 13, WAYS = 15, PROMISING = 8 };

struct allopen_bucket {
        uint32_t tag[WAYS]; /* 0: free */
        uint32_t forgot;    /* ports probed when it last did */
        struct allopen_host host[WAYS];
};

void allopen_init(struct allopen *t, uint32_t ports)
{
        *t = (struct allopen){.clock = 0};
        if (ports >= ALLOPEN_LEAST)
                t->buckets = calloc((size_t)1 << BUCKETS_LOG2, sizeof(*t->buckets));
        rand_bytes(&t->key, sizeof(t->key));
}

void allopen_free(struct allopen *t)
{
        free(t->buckets);
        *t = (struct allopen){0};
}

static struct allopen_bucket *bucket_of(const struct allopen *t, const struct ip_addr *ip, uint32_t *tag)
{
        uint64_t w[3] = {ip->hi, ip->lo, (uint64_t)ip->zone << 8 | ip->family};
        uint64_t h = siphash_words(t->key, w, 3);
        *tag = (uint32_t)(h >> 32) | 1;
        return &t->buckets[h & ((1u << BUCKETS_LOG2) - 1)];
}

static unsigned way_of(const struct allopen_bucket *b, uint32_t tag)
{
        unsigned i = 0;
        while (i < WAYS && b->tag[i] != tag)
                i++;
        return i;
}

/* So far it may well be one of them. */
static bool promising(const struct allopen_host *h, uint32_t probed)
{
        return h->told || (h->opens >= PROMISING && (uint64_t)h->opens * 2 >= probed - h->since);
}

/* A place for somebody new: a free one, or the one of who was silent longest. WAYS: all are kept. */
static unsigned make_room(const struct allopen *t, struct allopen_bucket *b, uint32_t probed)
{
        unsigned way = way_of(b, 0);
        uint32_t oldest = 0;
        if (way < WAYS)
                return way;
        for (unsigned i = 0; i < WAYS; i++) {
                uint32_t age = (t->clock - b->host[i].heard) & 0x7fffffff;
                if (promising(&b->host[i], probed) || (way < WAYS && age < oldest))
                        continue;
                way = i;
                oldest = age;
        }
        if (way < WAYS)
                b->forgot = probed;
        return way;
}

static struct allopen_host *enter(const struct allopen *t, struct allopen_bucket *b, uint32_t tag,
                                  uint32_t probed)
{
        unsigned way = make_room(t, b, probed);
        if (way == WAYS)
                return NULL;
        b->tag[way] = tag;
        b->host[way] = (struct allopen_host){.since = b->forgot};
        return &b->host[way];
}

struct allopen_host *allopen_note(struct allopen *t, const struct ip_addr *ip, bool open, uint32_t probed)
{
        uint32_t tag;
        if (!t->buckets)
                return NULL;
        struct allopen_bucket *b = bucket_of(t, ip, &tag);
        unsigned way = way_of(b, tag);
        struct allopen_host *h = way < WAYS ? &b->host[way] : open ? enter(t, b, tag, probed) : NULL;
        if (!h)
                return NULL;
        if (!open) {
                h->others++;
                return h;
        }
        h->opens++;
        h->heard = ++t->clock & 0x7fffffff;
        return h;
}

bool allopen_known(struct allopen_host *h, uint32_t probed)
{
        uint64_t asked = probed - h->since;
        if (h->told || h->opens < ALLOPEN_LEAST || (uint64_t)h->others * 20 > h->opens ||
            (uint64_t)h->opens * 10 < asked * 9)
                return false;
        h->told = true;
        return true;
}

void allopen_told(struct allopen *t, const struct ip_addr *ip)
{
        uint32_t tag;
        if (!t->buckets)
                return;
        struct allopen_bucket *b = bucket_of(t, ip, &tag);
        unsigned way = way_of(b, tag);
        struct allopen_host *h = way < WAYS ? &b->host[way] : enter(t, b, tag, b->forgot);
        if (h)
                h->told = true;
}
