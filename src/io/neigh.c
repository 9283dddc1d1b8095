// SPDX-License-Identifier: Apache-2.0
/*
 * neigh: which MAC address the next hop has. One thread, the resolver, owns the table: only it writes.
 * Transmit threads look up without a lock and leave what they miss in a ring, receive threads leave what they
 * were told in another; the resolver empties both (io_neigh_take) and asks (io_neigh_due). A set-associative
 * table: an address has WAYS places; when all are taken by settled entries the least useful one gives way, so
 * a network larger than the table is only asked about more often. ARP: RFC 826; NDP: RFC 4861 §7.2, §7.3.
 *
 *   EMPTY ─(missed)─> ASKING ─(told)─> KNOWN ─(old)─> STALE ─(used)─> KNOWN, and asked about again
 *                       └──(silence)──> DEAD ─(old)─> LAPSED ─(used)─> DEAD, and asked about again
 *
 * While a link is out nobody there can answer: its questions wait, and those that went before it was back
 * cost no try (io_neigh_link).
 *
 * Invariant: a reader sees an entry as it was at one moment. `version` is odd while an entry gets another
 * address; each word is stored with release and loaded with acquire, so a reader that saw any new word also
 * sees the new version.
 */
#include "io_priv.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

enum { WAYS = 8, CAPACITY_MIN = 64, CAPACITY_MAX = 1 << 22, RING_LOG2 = 12, TAKE = 64, LINKS_MAX = 64 };
enum { NOWHERE = UINT32_MAX };
enum state { EMPTY, ASKING, KNOWN, STALE, DEAD, LAPSED };
enum { PLACE_IS_FREE = 5, WEAR_MS = 50 };
/* How a settled entry stands: a known one in use stays (and some time longer), a dead one that somebody was
 * told of may go. */
enum wear { WORN, FRESH, USED_LATELY, USED };
/* What the resolver still has to do about an entry. */
enum line {
        WANTED,   /* to be asked about as soon as possible */
        ASKED,    /* in the order of due_ns, for the delay is the same for all */
        CALM,     /* known, in the order of when it is old; the delay is the same for all here too */
        GIVEN_UP, /* dead, likewise */
        LINES
};

struct entry {
        _Atomic uint32_t version;
        _Atomic uint32_t wear;          /* enum wear */
        _Atomic uint64_t hi, lo, where; /* where: ifindex << 8 | family */
        _Atomic uint64_t answer;        /* MAC << 16 | state */
        /* the rest is the resolver's own */
        uint32_t prev, next; /* in its line */
        uint64_t due_ns;
        uint32_t worn_ms; /* when it was worn down last */
        uint8_t line;     /* enum line; LINES: none */
        uint8_t tries;
        uint8_t unanswered; /* rounds of questions in a row, since it was known */
        bool pinned : 1;    /* never gives way */
        bool fixed : 1;     /* by the administrator's word: neither asked about nor changed */
        bool open : 1;      /* a question has left, and is neither answered nor given up */
};
struct queue {
        uint32_t head, tail;
};
struct outage { /* of a link: the last one */
        int ifindex;
        bool out;
        uint64_t back_ns;
};
struct io_neigh {
        struct io_neigh_conf conf;
        struct entry *entries;
        size_t n_sets;
        struct hash_key key; /* neighbours choose their addresses: they must not choose their set */
        struct ring *wishes; /* one per asker, of struct ident */
        struct ring *news;   /* one per teller, of struct news */
        /* the rest is the resolver's own */
        unsigned wander; /* where the next choice begins */
        uint32_t now_ms;
        uint64_t age_ns; /* when the next answer may grow old */
        struct queue lines[LINES];
        struct outage outages[LINKS_MAX];
        unsigned n_outages;
};

struct ident { /* what an entry is found by */
        uint64_t hi, lo, where;
};

struct news {
        struct ident who;
        uint8_t mac[6];
        unsigned how; /* enum io_neigh_told */
};

static struct ring *make_rings(unsigned n, size_t element, struct err *e)
{
        struct ring *r =
                aligned_alloc(CACHE_LINE, n * sizeof(*r)); /* a ring is a multiple of its alignment */
        if (!r) {
                err_set(e, ENOMEM, "out of memory for the table of neighbours");
                return NULL;
        }
        memset(r, 0, n * sizeof(*r));
        for (unsigned i = 0; i < n; i++)
                if (ring_init(&r[i], RING_LOG2, element, e)) {
                        while (i--)
                                ring_free(&r[i]);
                        free(r);
                        return NULL;
                }
        return r;
}

static void free_rings(struct ring *r, unsigned n)
{
        for (unsigned i = 0; r && i < n; i++)
                ring_free(&r[i]);
        free(r);
}

int io_neigh_new(struct io_neigh **out, const struct io_neigh_conf *conf, struct err *e)
{
        struct io_neigh *t = calloc(1, sizeof(*t));
        size_t want = MIN(MAX(conf->capacity, (size_t)CAPACITY_MIN), (size_t)CAPACITY_MAX), sets = 1;
        assert(conf->n_askers && conf->n_tellers);
        if (!t)
                return err_set(e, ENOMEM, "out of memory for the table of neighbours");
        /* Half full on average, so that hardly ever more than WAYS meet in one set. */
        while (sets * WAYS < want * 2)
                sets *= 2;
        t->conf = *conf;
        t->conf.tries = MIN(MAX(conf->tries, 1u), 255u);
        t->n_sets = sets;
        for (unsigned i = 0; i < LINES; i++)
                t->lines[i] = (struct queue){NOWHERE, NOWHERE};
        rand_bytes(&t->key, sizeof(t->key));
        t->entries = calloc(sets * WAYS, sizeof(*t->entries));
        if (!t->entries)
                err_set(e, ENOMEM, "out of memory for a table of %zu neighbours", want);
        if (!t->entries || !(t->wishes = make_rings(conf->n_askers, sizeof(struct ident), e)) ||
            !(t->news = make_rings(conf->n_tellers, sizeof(struct news), e))) {
                io_neigh_free(t);
                return -1;
        }
        for (size_t i = 0; i < sets * WAYS; i++)
                t->entries[i].line = LINES;
        *out = t;
        return 0;
}

void io_neigh_free(struct io_neigh *t)
{
        if (!t)
                return;
        free_rings(t->wishes, t->conf.n_askers);
        free_rings(t->news, t->conf.n_tellers);
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

static bool same_mac(uint64_t a, uint64_t b)
{
        return a >> 16 == b >> 16;
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

/* The entry of an address; NULL: it has none. */
static struct entry *look_up(const struct io_neigh *t, const struct ident *id, uint64_t *answer)
{
        struct entry *set = set_of(t, id);
        for (unsigned i = 0; i < WAYS; i++)
                if (read_entry(&set[i], id, answer))
                        return &set[i];
        return NULL;
}

/* ---- other threads ---- */

enum io_neigh_state io_neigh_find(struct io_neigh *t, unsigned asker, int ifindex, const struct ip_addr *ip,
                                  uint8_t mac[6])
{
        struct ident id = ident_of(ifindex, ip);
        uint64_t answer;
        struct entry *n = look_up(t, &id, &answer);
        enum state s = n ? (enum state)(answer & 0xff) : EMPTY;
        if (s == EMPTY)
                return ring_push(&t->wishes[asker], &id) ? NEIGH_ASKING : NEIGH_FULL;
        if (s == ASKING)
                return NEIGH_ASKING;
        set_wear(n, USED);
        if (s == STALE || s == LAPSED) /* no room for the wish: the next use has another */
                ring_push(&t->wishes[asker], &id);
        if (s == DEAD || s == LAPSED)
                return NEIGH_DEAD;
        unpack_mac(answer, mac);
        return NEIGH_KNOWN;
}

void io_neigh_tell(struct io_neigh *t, unsigned teller, int ifindex, const struct ip_addr *ip,
                   const uint8_t mac[6], unsigned how)
{
        static const uint8_t none[6];
        struct news x = {.who = ident_of(ifindex, ip), .how = how};
        uint64_t answer;
        if (mac[0] & 1 || memcmp(mac, none, 6) == 0) /* a group's, or nobody's */
                return;
        memcpy(x.mac, mac, 6);
        if (look_up(t, &x.who, &answer)) /* else it is of no interest to us, and must not fill the ring */
                ring_push(&t->news[teller], &x);
}

/* ---- what is to be done, in lines; from here on: the resolver ---- */

static void enqueue(struct io_neigh *t, enum line line, struct entry *n, uint64_t due_ns)
{
        uint32_t me = (uint32_t)(n - t->entries);
        struct queue *q = &t->lines[line];
        assert(n->line == LINES);
        n->line = (uint8_t)line;
        n->due_ns = due_ns;
        n->next = NOWHERE;
        n->prev = q->tail;
        if (q->tail == NOWHERE)
                q->head = me;
        else
                t->entries[q->tail].next = me;
        q->tail = me;
}

static void leave_line(struct io_neigh *t, struct entry *n)
{
        if (n->line == LINES)
                return;
        struct queue *q = &t->lines[n->line];
        n->line = LINES;
        if (n->prev == NOWHERE)
                q->head = n->next;
        else
                t->entries[n->prev].next = n->next;
        if (n->next == NOWHERE)
                q->tail = n->prev;
        else
                t->entries[n->next].prev = n->prev;
}

/* The first of a line; NULL: nobody stands there, or it is too early. */
static struct entry *first_due(const struct io_neigh *t, enum line line, uint64_t now_ns)
{
        uint32_t head = t->lines[line].head;
        return head != NOWHERE && t->entries[head].due_ns <= now_ns ? &t->entries[head] : NULL;
}

/* ---- entries ---- */

static struct entry *find_entry(const struct io_neigh *t, const struct ident *id)
{
        uint64_t answer;
        return look_up(t, id, &answer);
}

/* How little an entry would be missed; -1: it must stay. */
static int worth_little(const struct entry *n)
{
        uint32_t wear = atomic_load_explicit(&n->wear, memory_order_relaxed);
        if (n->pinned)
                return -1;
        switch (state_of(n)) {
        case EMPTY:
                return PLACE_IS_FREE;
        case DEAD:
        case LAPSED:
                return n->line == WANTED || n->line == ASKED ? -1 : wear == USED ? 4 : 1;
        case KNOWN:
        case STALE:
                return wear >= USED_LATELY ? -1 : wear == FRESH ? 2 : 3;
        case ASKING:
                break;
        }
        return -1;
}

/* Not more often than its users come by: newcomers arrive in bursts. */
static void wear_down(struct io_neigh *t, struct entry *n)
{
        uint32_t wear = atomic_load_explicit(&n->wear, memory_order_relaxed);
        if ((state_of(n) != KNOWN && state_of(n) != STALE) || !wear || t->now_ms - n->worn_ms < WEAR_MS)
                return;
        n->worn_ms = t->now_ms;
        set_wear(n, wear - 1);
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
        for (unsigned i = 0; i < WAYS && best < PLACE_IS_FREE; i++)
                wear_down(t, &set[i]);
        return pick;
}

/* A new entry; NULL: no place. */
static struct entry *enter(struct io_neigh *t, const struct ident *id, uint64_t answer)
{
        struct entry *n = make_place(t, id);
        if (!n)
                return NULL;
        leave_line(t, n);
        n->tries = n->unanswered = 0;
        n->open = false;
        n->worn_ms = t->now_ms;
        write_begin(n);
        put(&n->hi, id->hi);
        put(&n->lo, id->lo);
        put(&n->where, id->where);
        put(&n->answer, answer);
        write_end(n);
        set_wear(n, FRESH);
        return n;
}

static void set_state(struct entry *n, enum state s)
{
        put(&n->answer, (get(&n->answer) & ~(uint64_t)0xff) | s);
}

static bool is_asked(const struct entry *n)
{
        return n->line == WANTED || n->line == ASKED;
}

/* A settled one, once more; meanwhile it counts as what it was: its MAC stays in use, or it is dead. */
static void ask_again(struct io_neigh *t, struct entry *n)
{
        enum state s = state_of(n);
        if (is_asked(n) || n->fixed)
                return;
        leave_line(t, n);
        set_state(n, s == DEAD || s == LAPSED ? DEAD : KNOWN);
        n->tries = 0;
        enqueue(t, WANTED, n, 0);
}

static void take_wish(struct io_neigh *t, const struct ident *id)
{
        struct entry *n = find_entry(t, id);
        if (n && (state_of(n) == STALE || state_of(n) == LAPSED))
                ask_again(t, n);
        else if (!n && (n = enter(t, id, pack(NULL, ASKING))))
                enqueue(t, WANTED, n, 0);
}

/* Who may teach us what: entries are made by our own wishes only (or the kernel's table), so news about an
 * address that nobody asked about goes nowhere. What is told unasked is taken at once, for a router may have
 * failed over, but settles nothing: it is asked about a second later, and repeating it does not put that off,
 * so whoever really has the address has the last word. Only an answer to a question that has left ends the
 * asking. True: a known neighbour has another MAC now. */
static bool take_news(struct io_neigh *t, const struct news *x, uint64_t now_ns)
{
        struct entry *n = find_entry(t, &x->who);
        if (!n || n->fixed)
                return false;
        enum state s = state_of(n);
        uint64_t told = pack(x->mac, KNOWN);
        bool known = s == KNOWN || s == STALE, other = known && !same_mac(get(&n->answer), told);
        if (other && !(x->how & NEIGH_SURE)) { /* RFC 4861 §7.2.5: doubt, not proof */
                ask_again(t, n);
                return false;
        }
        if (x->how & NEIGH_ANSWER && n->open) {
                leave_line(t, n);
                n->unanswered = 0;
                n->open = false;
                enqueue(t, CALM, n, now_ns + t->conf.calm_ns);
        } else if ((!known || other) && !is_asked(n)) {
                leave_line(t, n);
                enqueue(t, ASKED, n, now_ns + t->conf.retry_ns);
                n->tries = 0;
        } else if (known && !other) {
                return false;
        }
        n->tries = MAX(n->tries, (uint8_t)1); /* past the one that only the old owner hears */
        put(&n->answer, told);
        if (!known)
                set_wear(n, FRESH);
        return other;
}

/* At most a full ring each: who fills one faster than this empties it must not hold the resolver up. */
bool io_neigh_take(struct io_neigh *t, uint64_t now_ns)
{
        enum { LOOPS = (1 << RING_LOG2) / TAKE };
        struct ident wish[TAKE];
        struct news news[TAKE];
        bool other = false;
        t->now_ms = (uint32_t)(now_ns / NS_PER_MS);
        for (unsigned r = 0, n; r < t->conf.n_tellers; r++)
                for (unsigned k = 0; k < LOOPS && (n = ring_pop(&t->news[r], news, TAKE)); k++)
                        for (unsigned i = 0; i < n; i++)
                                other |= take_news(t, &news[i], now_ns);
        for (unsigned r = 0, n; r < t->conf.n_askers; r++)
                for (unsigned k = 0; k < LOOPS && (n = ring_pop(&t->wishes[r], wish, TAKE)); k++)
                        for (unsigned i = 0; i < n; i++)
                                take_wish(t, &wish[i]);
        return other;
}

unsigned io_neigh_confirm(struct io_neigh *t, int ifindex, const struct ip_addr *ip)
{
        struct ident id = ident_of(ifindex, ip);
        struct entry *n = find_entry(t, &id);
        if (!n || (state_of(n) != KNOWN && state_of(n) != STALE))
                return 0;
        ask_again(t, n);
        return n->unanswered;
}

void io_neigh_pin(struct io_neigh *t, int ifindex, const struct ip_addr *ip)
{
        struct ident id = ident_of(ifindex, ip);
        struct entry *n = find_entry(t, &id);
        if (n)
                n->pinned = true;
}

/* ---- links that are out ---- */

static struct outage *outage_of(struct io_neigh *t, int ifindex)
{
        for (unsigned i = 0; i < t->n_outages; i++)
                if (t->outages[i].ifindex == ifindex)
                        return &t->outages[i];
        return NULL;
}

void io_neigh_link(struct io_neigh *t, int ifindex, bool out, uint64_t now_ns)
{
        struct outage *o = outage_of(t, ifindex);
        if (!o && t->n_outages == LINKS_MAX)
                return;
        if (!o)
                o = &t->outages[t->n_outages++];
        *o = (struct outage){ifindex, out, now_ns};
}

/* Its link is out: it is put off. Its last question went before the link was back: none of them counts. */
static bool put_off(struct io_neigh *t, struct entry *n, uint64_t now_ns)
{
        struct outage *o = t->n_outages ? outage_of(t, (int)(uint32_t)(get(&n->where) >> 8)) : NULL;
        if (!o)
                return false;
        if (o->out || (n->open && n->due_ns - t->conf.retry_ns < o->back_ns)) {
                n->tries = 0;
                n->open = false;
        }
        if (!o->out)
                return false;
        leave_line(t, n);
        enqueue(t, ASKED, n, now_ns + t->conf.retry_ns);
        return true;
}

/* ---- asking ---- */

static struct io_neigh_ask question_of(const struct entry *n)
{
        uint64_t where = get(&n->where);
        struct io_neigh_ask ask = {
                .ifindex = (int)(uint32_t)(where >> 8),
                .ip = {.hi = get(&n->hi), .lo = get(&n->lo), .family = (uint8_t)where},
        };
        if (ip_is_link_local(&ask.ip))
                ask.ip.zone = (uint32_t)ask.ifindex;
        if (state_of(n) == KNOWN && n->tries == 0) {
                ask.to_mac = true;
                unpack_mac(get(&n->answer), ask.mac);
        }
        return ask;
}

static struct io_neigh_ask ask_now(struct io_neigh *t, struct entry *n, uint64_t now_ns)
{
        struct io_neigh_ask ask = question_of(n);
        n->tries++;
        n->open = true;
        leave_line(t, n);
        enqueue(t, ASKED, n, now_ns + t->conf.retry_ns);
        return ask;
}

/* Nobody answered: who was never heard of is dead, who was once known may still be there. */
static void give_up(struct io_neigh *t, struct entry *n, uint64_t now_ns)
{
        enum state s = state_of(n);
        leave_line(t, n);
        n->open = false;
        if (s == ASKING || s == DEAD) {
                put(&n->answer, pack(NULL, DEAD));
                set_wear(n, FRESH);
                enqueue(t, GIVEN_UP, n, now_ns + t->conf.dead_ns);
                return;
        }
        if (n->unanswered < UINT8_MAX)
                n->unanswered++;
        enqueue(t, CALM, n, now_ns + t->conf.calm_ns);
}

unsigned io_neigh_due(struct io_neigh *t, uint64_t now_ns, struct io_neigh_ask *out, unsigned most)
{
        unsigned n = 0;
        struct entry *a;
        while ((a = first_due(t, ASKED, now_ns))) {
                if (put_off(t, a, now_ns))
                        continue;
                if (a->tries >= t->conf.tries)
                        give_up(t, a, now_ns);
                else if (n < most)
                        out[n++] = ask_now(t, a, now_ns);
                else
                        return n;
        }
        while (n < most && (a = first_due(t, WANTED, now_ns)))
                if (!put_off(t, a, now_ns))
                        out[n++] = ask_now(t, a, now_ns);
        return n;
}

/* One that is old by now; NULL: none. */
static struct entry *next_old(const struct io_neigh *t, uint64_t now_ns)
{
        struct entry *n = first_due(t, CALM, now_ns);
        return n ? n : first_due(t, GIVEN_UP, now_ns);
}

void io_neigh_age(struct io_neigh *t, uint64_t now_ns, double most_pps)
{
        uint64_t gap_ns = (uint64_t)(1e9 / MAX(most_pps, 1e-3));
        struct entry *n;
        t->age_ns = MAX(t->age_ns, now_ns - MIN(now_ns, 20 * NS_PER_MS)); /* late by more: not made up */
        while (t->age_ns <= now_ns && (n = next_old(t, now_ns))) {
                bool dead = n->line == GIVEN_UP;
                leave_line(t, n);
                set_state(n, dead ? LAPSED : STALE);
                t->age_ns += dead ? gap_ns * t->conf.tries : gap_ns; /* who is dead is asked every time */
        }
}

/* ---- what the kernel knows already ---- */

struct seeding {
        struct io_neigh *t;
        uint64_t now_ns;
};

static void seed_entry(const struct seeding *s, const struct ident *id, const uint8_t *mac, uint16_t nud)
{
        struct entry *n = find_entry(s->t, id);
        if (n || !(n = enter(s->t, id, pack(mac, KNOWN))))
                return;
        n->fixed = n->pinned = (nud & (NUD_PERMANENT | NUD_NOARP)) != 0;
        if (!n->fixed)
                enqueue(s->t, CALM, n, s->now_ns + s->t->conf.calm_ns);
}

/* Only what the administrator wrote, or the kernel itself had confirmed a moment ago. What it holds to be
 * stale may be wrong for hours, and a question costs next to nothing. */
static int seed_one(const struct nlmsghdr *h, void *arg)
{
        static const uint8_t none[6];
        const uint16_t good = NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP;
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
        struct ident id = ident_of(m->ndm_ifindex, &ip);
        seed_entry(arg, &id, mnl_attr_get_payload(mac), m->ndm_state);
        return 0;
}

int io_neigh_seed(struct io_neigh *t, struct io_facts *f, uint64_t now_ns, struct err *e)
{
        struct seeding s = {t, now_ns};
        return nl_dump(&f->nl, RTM_GETNEIGH, AF_UNSPEC, seed_one, NULL, &s, e);
}
