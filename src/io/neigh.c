// SPDX-License-Identifier: Apache-2.0
/*
 * neigh: which MAC address the next hop has. Transmit threads look up without a lock; what is missing is
 * entered as a question, asked by one thread (io_neigh_due) and answered by the receiver (io_neigh_learn). A
 * set-associative table: an address has WAYS places; when all are taken by settled entries the least useful
 * one gives way, so a network larger than the table is only asked about more often. ARP: RFC 826; NDP: RFC
 * 4861 §7.2.
 *
 * Invariant: a reader sees an entry as it was at one moment. `version` is odd while a writer is at it; each
 * word is stored with release and loaded with acquire, so a reader that saw any new word also sees the new
 * version.
 */
#include "io_priv.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <stdlib.h>

enum { WAYS = 8, CAPACITY_MIN = 64, CAPACITY_MAX = 1 << 22 };
enum { NOWHERE = UINT32_MAX };
enum state { EMPTY, ASKING, KNOWN, DEAD };
enum { PLACE_IS_FREE = 5 };
/* How a settled entry stands: a known one in use stays, a dead one that somebody was told of may go. */
enum wear { STALE, FRESH, USED };

struct entry {
        _Atomic uint32_t version;
        _Atomic uint32_t wear;          /* enum wear */
        _Atomic uint64_t hi, lo, where; /* where: ifindex << 8 | family */
        _Atomic uint64_t answer;        /* MAC << 16 | state */
        /* the rest belongs to writers, under the lock */
        uint32_t prev, next; /* in the queue of questions */
        uint32_t tries;
        uint64_t due_ns;
};
struct queue {
        uint32_t head, tail;
};
struct io_neigh {
        struct entry *entries;
        size_t n_sets;
        unsigned tries;
        uint64_t retry_ns;
        unsigned wander;     /* where the next choice begins */
        struct hash_key key; /* neighbours choose their addresses: they must not choose their set */
        pthread_mutex_t lock;
        struct queue fresh; /* never asked yet */
        struct queue asked; /* in the order of due_ns, for the delay is the same for all */
};

struct ident { /* what an entry is found by */
        uint64_t hi, lo, where;
};

int io_neigh_new(struct io_neigh **out, size_t capacity, unsigned tries, uint64_t retry_ns, struct err *e)
{
        struct io_neigh *t = calloc(1, sizeof(*t));
        size_t want = MIN(MAX(capacity, (size_t)CAPACITY_MIN), (size_t)CAPACITY_MAX), sets = 1;
        /* Half full on average, so that hardly ever more than WAYS meet in one set. */
        while (sets * WAYS < want * 2)
                sets *= 2;
        struct entry *entries = calloc(sets * WAYS, sizeof(*entries));
        if (!t || !entries) {
                free(t);
                free(entries);
                return err_set(e, ENOMEM, "out of memory for a table of %zu neighbours", want);
        }
        t->entries = entries;
        t->n_sets = sets;
        t->tries = MAX(tries, 1u);
        t->retry_ns = retry_ns;
        rand_bytes(&t->key, sizeof(t->key));
        pthread_mutex_init(&t->lock, NULL);
        t->fresh = t->asked = (struct queue){NOWHERE, NOWHERE};
        *out = t;
        return 0;
}

void io_neigh_free(struct io_neigh *t)
{
        if (!t)
                return;
        pthread_mutex_destroy(&t->lock);
        free(t->entries);
        free(t);
}

/* ---- words, shared between threads ---- */

static uint64_t get(const _Atomic uint64_t *w)
{
        return atomic_load_explicit(w, memory_order_acquire);
}

static void put(_Atomic uint64_t *w, uint64_t v)
{
        atomic_store_explicit(w, v, memory_order_release);
}

static uint64_t pack(const uint8_t mac[6], enum state s)
{
        uint64_t v = 0;
        for (int i = 0; i < 6 && mac; i++)
                v = v << 8 | mac[i];
        return v << 16 | s;
}

static void unpack_mac(uint64_t v, uint8_t mac[6])
{
        for (int i = 0; i < 6; i++)
                mac[i] = (uint8_t)(v >> (56 - 8 * i));
}

static enum state state_of(const struct entry *n)
{
        return (enum state)(get(&n->answer) & 0xff);
}

static struct ident ident_of(int ifindex, const struct ip_addr *ip)
{
        return (struct ident){ip->hi, ip->lo, (uint64_t)(uint32_t)ifindex << 8 | ip->family};
}

static struct entry *set_of(const struct io_neigh *t, const struct ident *id)
{
        uint64_t words[3] = {id->hi, id->lo, id->where};
        return t->entries + (siphash_words(t->key, words, 3) & (t->n_sets - 1)) * WAYS;
}

static void write_begin(struct entry *n)
{
        atomic_store_explicit(&n->version, atomic_load_explicit(&n->version, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

static void write_end(struct entry *n)
{
        atomic_store_explicit(&n->version, atomic_load_explicit(&n->version, memory_order_relaxed) + 1,
                              memory_order_release);
}

static bool matches(const struct entry *n, const struct ident *id)
{
        return get(&n->lo) == id->lo && get(&n->hi) == id->hi && get(&n->where) == id->where;
}

/* One entry as it was at one moment. false: it is another's. */
static bool read_entry(const struct entry *n, const struct ident *id, uint64_t *answer)
{
        for (;;) {
                uint32_t before = atomic_load_explicit(&n->version, memory_order_acquire);
                bool same = matches(n, id);
                *answer = get(&n->answer);
                uint32_t after = atomic_load_explicit(&n->version, memory_order_relaxed);
                if (before == after && !(before & 1))
                        return same && (*answer & 0xff) != EMPTY;
        }
}

static void set_wear(struct entry *n, uint32_t wear)
{
        if (atomic_load_explicit(&n->wear, memory_order_relaxed) != wear)
                atomic_store_explicit(&n->wear, wear, memory_order_relaxed);
}

/* ---- the queues of questions, under the lock ---- */

static void enqueue(struct io_neigh *t, struct queue *q, struct entry *n)
{
        uint32_t me = (uint32_t)(n - t->entries);
        n->next = NOWHERE;
        n->prev = q->tail;
        if (q->tail == NOWHERE)
                q->head = me;
        else
                t->entries[q->tail].next = me;
        q->tail = me;
}

static void unlink_entry(struct io_neigh *t, struct entry *n)
{
        struct queue *q = n->tries ? &t->asked : &t->fresh;
        if (n->prev == NOWHERE)
                q->head = n->next;
        else
                t->entries[n->prev].next = n->next;
        if (n->next == NOWHERE)
                q->tail = n->prev;
        else
                t->entries[n->next].prev = n->prev;
}

/* ---- writers, under the lock ---- */

static struct entry *find_entry(const struct io_neigh *t, const struct ident *id)
{
        struct entry *set = set_of(t, id);
        for (unsigned i = 0; i < WAYS; i++)
                if (state_of(&set[i]) != EMPTY && matches(&set[i], id))
                        return &set[i];
        return NULL;
}

/* How little an entry would be missed; -1: it must stay. */
static int worth_little(const struct entry *n)
{
        uint32_t wear = atomic_load_explicit(&n->wear, memory_order_relaxed);
        switch (state_of(n)) {
        case EMPTY:
                return PLACE_IS_FREE;
        case DEAD:
                return wear == USED ? 4 : 1;
        case KNOWN:
                return wear == USED ? -1 : wear == FRESH ? 2 : 3;
        case ASKING:
                break;
        }
        return -1;
}

/* A place for a newcomer; NULL: the set is full of open questions and used answers. Known entries that had to
 * be weighed wear down, so one that nobody uses any more goes before long. Among equals the choice wanders.
 */
static struct entry *make_place(struct io_neigh *t, const struct ident *id)
{
        struct entry *set = set_of(t, id), *pick = NULL;
        int best = -1;
        for (unsigned i = 0, at = t->wander++; i < WAYS; i++, at++) {
                int w = worth_little(&set[at % WAYS]);
                if (w > best) {
                        best = w;
                        pick = &set[at % WAYS];
                }
        }
        for (unsigned i = 0; i < WAYS && best < PLACE_IS_FREE; i++) {
                uint32_t wear = atomic_load_explicit(&set[i].wear, memory_order_relaxed);
                if (state_of(&set[i]) == KNOWN && wear)
                        set_wear(&set[i], wear - 1);
        }
        return pick;
}

static void fill(struct entry *n, const struct ident *id, uint64_t answer)
{
        write_begin(n);
        put(&n->hi, id->hi);
        put(&n->lo, id->lo);
        put(&n->where, id->where);
        put(&n->answer, answer);
        write_end(n);
}

static void settle(struct entry *n, uint64_t answer)
{
        write_begin(n);
        put(&n->answer, answer);
        write_end(n);
        set_wear(n, FRESH);
}

static enum io_neigh_state ask_about(struct io_neigh *t, const struct ident *id)
{
        enum io_neigh_state s = NEIGH_ASKING;
        pthread_mutex_lock(&t->lock);
        if (!find_entry(t, id)) { /* else another thread was faster */
                struct entry *n = make_place(t, id);
                if (n) {
                        fill(n, id, pack(NULL, ASKING));
                        n->tries = 0;
                        enqueue(t, &t->fresh, n);
                } else {
                        s = NEIGH_FULL;
                }
        }
        pthread_mutex_unlock(&t->lock);
        return s;
}

enum io_neigh_state io_neigh_find(struct io_neigh *t, int ifindex, const struct ip_addr *ip, uint8_t mac[6])
{
        struct ident id = ident_of(ifindex, ip);
        struct entry *set = set_of(t, &id);
        uint64_t answer;
        for (unsigned i = 0; i < WAYS; i++) {
                if (!read_entry(&set[i], &id, &answer))
                        continue;
                if ((answer & 0xff) == ASKING)
                        return NEIGH_ASKING;
                set_wear(&set[i], USED);
                if ((answer & 0xff) == DEAD)
                        return NEIGH_DEAD;
                unpack_mac(answer, mac);
                return NEIGH_KNOWN;
        }
        return ask_about(t, &id);
}

void io_neigh_learn(struct io_neigh *t, int ifindex, const struct ip_addr *ip, const uint8_t mac[6])
{
        struct ident id = ident_of(ifindex, ip);
        pthread_mutex_lock(&t->lock);
        struct entry *n = find_entry(t, &id);
        if (n) {
                if (state_of(n) == ASKING)
                        unlink_entry(t, n);
                settle(n, pack(mac, KNOWN));
        } else if ((n = make_place(t, &id))) {
                fill(n, &id, pack(mac, KNOWN));
                set_wear(n, FRESH);
        }
        pthread_mutex_unlock(&t->lock);
}

static struct io_neigh_ask question_of(const struct entry *n)
{
        uint64_t where = get(&n->where);
        return (struct io_neigh_ask){
                .ifindex = (int)(uint32_t)(where >> 8),
                .ip = {.hi = get(&n->hi), .lo = get(&n->lo), .family = (uint8_t)where},
        };
}

static void ask_now(struct io_neigh *t, struct entry *n, uint64_t now_ns)
{
        n->tries++;
        n->due_ns = now_ns + t->retry_ns;
        enqueue(t, &t->asked, n);
}

unsigned io_neigh_due(struct io_neigh *t, uint64_t now_ns, struct io_neigh_ask *out, unsigned most)
{
        unsigned n = 0;
        pthread_mutex_lock(&t->lock);
        while (t->asked.head != NOWHERE && t->entries[t->asked.head].due_ns <= now_ns) {
                struct entry *a = &t->entries[t->asked.head];
                bool over = a->tries >= t->tries;
                if (!over && n == most)
                        break;
                unlink_entry(t, a);
                if (over) {
                        settle(a, pack(NULL, DEAD));
                } else {
                        out[n++] = question_of(a);
                        ask_now(t, a, now_ns);
                }
        }
        while (n < most && t->fresh.head != NOWHERE) {
                struct entry *a = &t->entries[t->fresh.head];
                unlink_entry(t, a);
                out[n++] = question_of(a);
                ask_now(t, a, now_ns);
        }
        pthread_mutex_unlock(&t->lock);
        for (unsigned i = 0; i < n; i++)
                if (ip_is_link_local(&out[i].ip))
                        out[i].ip.zone = (uint32_t)out[i].ifindex;
        return n;
}

/* ---- what the kernel knows already ---- */

static int seed_one(const struct nlmsghdr *h, void *arg)
{
        static const uint8_t none[6];
        const uint16_t good = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
        const struct ndmsg *m = mnl_nlmsg_get_payload(h);
        const struct nlattr *mac = NULL;
        struct ip_addr ip = {0};
        NL_EACH(a, h, sizeof(*m))
        {
                if (mnl_attr_get_type(a) == NDA_DST)
                        ip = nl_ip(a, m->ndm_family);
                else if (mnl_attr_get_type(a) == NDA_LLADDR && mnl_attr_get_payload_len(a) == sizeof(none))
                        mac = a;
        }
        if (!(m->ndm_state & good) || m->ndm_type != RTN_UNICAST || !ip.family || !mac ||
            memcmp(mnl_attr_get_payload(mac), none, sizeof(none)) == 0)
                return 0;
        io_neigh_learn(arg, m->ndm_ifindex, &ip, mnl_attr_get_payload(mac));
        return 0;
}

int io_neigh_seed(struct io_neigh *t, struct io_facts *f, struct err *e)
{
        return nl_dump(&f->nl, RTM_GETNEIGH, AF_UNSPEC, seed_one, NULL, t, e);
}
