// SPDX-License-Identifier: Apache-2.0
/*
 * set: all services of one thread: their pool, the folded ones, the queues of those that wait, the up-calls
 * from stack/, and the round. Between engine/ above and tries.c below. Invariant: done() is called exactly
 * once for each service that began, and what waits holds no connection (Q_OPEN), or one with a bound on its
 * time (Q_SLOT).
 */
#include "session_priv.h"
#include <stdlib.h>

enum { OPENS_PER_ROUND = 256 };
#define FOLDED (1u << 31)
_Static_assert(1 << SESSIONS_LOG2 < SESSION_NOT_OURS, "a session's number is nothing else");

/* ---- pool: chunks that never move; a service's number finds it ---- */

struct session *session_of(const struct session_set *set, uint32_t id)
{
        return id == NONE ? NULL : &set->chunks[(id - 1) >> CHUNK_LOG2][(id - 1) & ((1 << CHUNK_LOG2) - 1)];
}

static bool add_chunk(struct session_set *set)
{
        if (set->n_chunks == 1u << (SESSIONS_LOG2 - CHUNK_LOG2))
                return false;
        struct session *chunk = calloc(1u << CHUNK_LOG2, sizeof(*chunk));
        if (!chunk)
                return false;
        set->chunks[set->n_chunks] = chunk;
        for (uint32_t i = 1u << CHUNK_LOG2; i-- > 0;) {
                chunk[i].id = (set->n_chunks << CHUNK_LOG2) + i + 1;
                chunk[i].next = set->free_head;
                set->free_head = chunk[i].id;
        }
        set->n_chunks++;
        return true;
}

static struct session *session_get(struct session_set *set)
{
        if (set->free_head == NONE && !add_chunk(set))
                return NULL;
        struct session *s = session_of(set, set->free_head);
        set->free_head = s->next;
        *s = (struct session){.id = s->id, .state = ST_LISTEN};
        return s;
}

void session_release(struct session_set *set, struct session *s)
{
        assert(s->state != ST_FREE && !s->conn && !s->talk && !s->queue);
        s->state = ST_FREE;
        s->next = set->free_head;
        set->free_head = s->id;
}

void session_gone(struct session_set *set, const struct target *who, bool heard)
{
        atomic_fetch_sub_explicit(&set->count.live, 1, memory_order_relaxed);
        if (set->ops.done)
                set->ops.done(set->arg, who, heard);
}

/* ---- queues ---- */

void queue_put(struct session_set *set, unsigned q, struct session *s)
{
        struct queue *list = &set->queue[q];
        assert(!s->queue);
        s->queue = q & 3;
        s->next = NONE;
        s->prev = list->tail;
        if (list->tail)
                session_of(set, list->tail)->next = s->id;
        else
                list->head = s->id;
        list->tail = s->id;
        list->n++;
}

void queue_drop(struct session_set *set, struct session *s)
{
        struct queue *list = &set->queue[s->queue];
        if (!s->queue)
                return;
        if (s->prev)
                session_of(set, s->prev)->next = s->next;
        else
                list->head = s->next;
        if (s->next)
                session_of(set, s->next)->prev = s->prev;
        else
                list->tail = s->prev;
        list->n--;
        s->queue = 0;
}

/* ---- up-calls ---- */

static struct target who_is(const struct session_set *set, const struct conn *c)
{
        struct stack_open peer;
        conn_peer(set->stack, c, &peer);
        return (struct target){.ip = peer.them, .port = peer.them_port, .proto = 6};
}

/* NULL: no memory, and the connection is gone. */
static struct session *begin(struct session_set *set, struct conn *c)
{
        struct target who = who_is(set, c);
        struct session *s = session_get(set);
        if (!s) {
                bump(&set->count.refused_memory);
                conn_set_app(c, NONE);
                conn_abort(set->stack, c);
                session_gone(set, &who, false);
                return NULL;
        }
        s->who = who;
        s->hello = hello_first(set, who.port);
        s->tries = 1;
        s->conn = c;
        s->ttl = conn_ttl(c);
        conn_set_app(c, s->id);
        return s;
}

/* Has nothing happened on its first connection but what always does? */
static bool is_plain(const struct session *s, const struct conn *c)
{
        return s->conn == c && (s->state == ST_LISTEN || s->state == ST_ASKED) && s->tries == 1 &&
               !s->check_i && !s->name_i && !s->flags && !s->talk && !s->queue;
}

/* Its timer runs on: what was waited for is over when it rings. */
static void fold(struct session_set *set, struct session *s)
{
        uint64_t since_ms = (s->until_ns - set->conf.total_ns) / NS_PER_MS;
        conn_set_app(s->conn, FOLDED | (uint32_t)since_ms);
        s->conn = NULL;
        session_release(set, s);
}

static struct session *unfold(struct session_set *set, struct conn *c)
{
        uint64_t now_ms = set->now_ns / NS_PER_MS;
        uint64_t since_ms = now_ms - (((uint32_t)now_ms - conn_app(c)) & ~FOLDED);
        struct session *s = begin(set, c);
        if (!s)
                return NULL;
        s->until_ns = since_ms * NS_PER_MS + set->conf.total_ns;
        if (s->hello == HELLO_NONE)
                return s;
        s->state = ST_ASKED;
        s->tried = (uint64_t)1 << s->hello;
        wait_asked(s, since_ms * NS_PER_MS);
        return s;
}

/* NULL: it has none, or no memory is left for it and the connection is gone. */
static struct session *of_conn(struct session_set *set, struct conn *c)
{
        uint32_t word = conn_app(c);
        return word & FOLDED ? unfold(set, c) : session_of(set, word);
}

static void on_opened(void *arg, struct conn *c)
{
        struct session_set *set = arg;
        struct session *s = session_of(set, conn_app(c));
        if (!s) {
                atomic_fetch_add_explicit(&set->count.live, 1, memory_order_relaxed);
                s = begin(set, c);
        }
        if (!s)
                return;
        s->ttl = conn_ttl(c);
        s->state = ST_LISTEN;
        try_begin(set, s);
        if (is_plain(s, c))
                fold(set, s);
}

/* Nobody listens any more: we have said FIN, and what still comes is refused (RFC 1122 §4.2.2.13). */
static void on_data(void *arg, struct conn *c, struct span bytes)
{
        struct session_set *set = arg;
        if (!conn_app(c)) {
                conn_abort(set->stack, c);
                return;
        }
        struct session *s = of_conn(set, c);
        if (!s)
                return;
        s->ttl = conn_ttl(c);
        if (!(s->flags & F_CAME) && (s->state == ST_ASKED || s->state == ST_TLS))
                wait_answered(set, s);
        s->flags |= F_HEARD | F_CAME;
        (void)talk_hear(set, s, bytes);
}

static void on_finished(void *arg, struct conn *c)
{
        struct session_set *set = arg;
        struct session *s = of_conn(set, c);
        if (!s)
                return;
        s->flags |= F_FIN;
        if (s->talk && s->talk->tls)
                tls_fin(set, s, TRY_CLOSED);
        else if (talk_judge(set, s, EOF_END))
                try_end(set, s, s->flags & F_CAME ? TRY_DONE : TRY_CLOSED);
}

static void on_timer(void *arg, struct conn *c)
{
        struct session_set *set = arg;
        bool folded = conn_app(c) & FOLDED;
        struct session *s = of_conn(set, c);
        if (!s)
                return;
        if (folded)
                s->soft_ns = set->now_ns;
        set->now_ns = MAX(set->now_ns, s->armed_ns);
        s->armed_ns = 0;
        (void)talk_time(set, s);
}

static enum try_end wordless(enum conn_end end)
{
        return end == CONN_RESET ? TRY_RESET : end == CONN_CLOSED ? TRY_CLOSED : TRY_SILENT;
}

/* The connection went away by itself. What is there is judged as at any end. */
static void on_ended(void *arg, struct conn *c, enum conn_end end)
{
        struct session_set *set = arg;
        struct session *s = of_conn(set, c);
        if (!s)
                return;
        bool opened = s->state != ST_CONNECTING;
        s->conn = NULL;
        s->armed_ns = 0;
        set->finishing |= end == CONN_ABORTED; /* the whole stack goes */
        if (end == CONN_ABORTED)
                session_end(set, s);
        else if (!opened)
                try_end(set, s, end == CONN_REFUSED || end == CONN_RESET ? TRY_REFUSED : TRY_GONE);
        else if (s->talk && s->talk->tls)
                tls_fin(set, s, wordless(end));
        else if (!talk_cut(set, s, c) && talk_judge(set, s, EOF_END))
                try_end(set, s, s->flags & F_CAME ? TRY_DONE : wordless(end));
}

const struct conn_ops session_conn_ops = {
        .opened = on_opened,
        .data = on_data,
        .finished = on_finished,
        .timer = on_timer,
        .ended = on_ended,
};

/* ---- the round ---- */

/* False: the pool is full, so others need not ask. */
static bool open_one(struct session_set *set, struct session *s)
{
        struct stack_open o = {.them = s->who.ip, .them_port = s->who.port};
        enum stack_accept why = STACK_HOST_FULL;
        bool source = set->ops.source(set->arg, &s->who, s->tries, &o);
        struct conn *c = source ? stack_connect(set->stack, &o, set->now_ns, &why) : NULL;
        queue_drop(set, s);
        if (c) {
                s->conn = c;
                s->tries = (uint8_t)MIN(s->tries + 1, UINT8_MAX);
                s->state = ST_CONNECTING;
                conn_set_app(c, s->id);
                return true;
        }
        if (!source && set->now_ns >= s->until_ns) {
                bump(&set->count.refused_memory);
                try_end(set, s, TRY_GONE);
                return true;
        }
        s->soft_ns = set->now_ns + REQUEUE_NS;
        queue_put(set, Q_OPEN, s);
        return source ? why != STACK_FULL : true;
}

/* How many of them took a step. */
static unsigned open_queued(struct session_set *set)
{
        unsigned n = MIN(set->queue[Q_OPEN].n, (uint32_t)OPENS_PER_ROUND), steps = 0;
        bool blocked = false;
        if (!n)
                set->no_room = false;
        for (; n && !blocked; n--) {
                struct session *s = session_of(set, set->queue[Q_OPEN].head);
                if (s->soft_ns <= set->now_ns) {
                        set->no_room = blocked = !open_one(set, s);
                        steps++;
                        continue;
                }
                queue_drop(set, s);
                queue_put(set, Q_OPEN, s);
        }
        return steps;
}

/* Closed connections whose TLS worker has said nothing for a while: that was all. */
static void linger_out(struct session_set *set)
{
        for (unsigned n = set->queue[Q_LINGER].n; n; n--) {
                struct session *s = session_of(set, set->queue[Q_LINGER].head);
                queue_drop(set, s);
                if (s->soft_ns > set->now_ns || tls_lags(set, s))
                        queue_put(set, Q_LINGER, s);
                else if (talk_judge(set, s, EOF_END))
                        try_end(set, s, s->flags & F_FOUND ? TRY_DONE : TRY_CLOSED);
        }
}

uint64_t session_run(struct session_set *set, uint64_t now_ns)
{
        set->now_ns = MAX(set->now_ns, now_ns);
        if (set->tls) {
                tls_events(set);
                tls_slots(set);
        }
        unsigned steps = open_queued(set);
        linger_out(set);
        bool full = set->no_room || set->queue[Q_SLOT].n || (set->tls && tls_full(set->tls)) ||
                    set->bufs.used > set->bufs.max / 8 * 7;
        atomic_store_explicit(&set->count.full, full, memory_order_relaxed);
        if (steps == OPENS_PER_ROUND)
                return set->now_ns;
        if (set->queue[Q_OPEN].n || set->queue[Q_SLOT].n || set->queue[Q_LINGER].n)
                return set->now_ns + REQUEUE_NS / 2;
        return UINT64_MAX;
}

/* ---- all of them ---- */

static void each(struct session_set *set, void (*call)(struct session_set *, struct session *))
{
        for (uint32_t i = 0; i < set->n_chunks; i++)
                for (unsigned k = 0; k < 1u << CHUNK_LOG2; k++)
                        if (set->chunks[i][k].state != ST_FREE)
                                call(set, &set->chunks[i][k]);
}

/* What was said so far is all that will be: judged by its parser, then told. */
static void finish_one(struct session_set *set, struct session *s)
{
        if (s->state != ST_QUEUED && s->state != ST_CONNECTING && !talk_judge(set, s, EOF_END))
                return;
        session_end(set, s);
}

static void finish_folded(void *arg, struct conn *c)
{
        struct session *s = conn_app(c) & FOLDED ? of_conn(arg, c) : NULL;
        if (s)
                session_end(arg, s);
}

void session_finish(struct session_set *set)
{
        set->finishing = true;
        each(set, finish_one);
        stack_each(set->stack, finish_folded, set);
}

struct oldest {
        const struct session_set *set;
        uint64_t (*key)(void *arg, const struct target *);
        void *arg;
        uint64_t least;
};

static void look_at(void *arg, struct conn *c)
{
        struct oldest *o = arg;
        if (!(conn_app(c) & FOLDED))
                return;
        struct target who = who_is(o->set, c);
        o->least = MIN(o->least, o->key(o->arg, &who));
}

uint64_t session_oldest(const struct session_set *set, uint64_t (*key)(void *arg, const struct target *),
                        void *arg)
{
        struct oldest o = {.set = set, .key = key, .arg = arg, .least = UINT64_MAX};
        stack_each(set->stack, look_at, &o);
        uint64_t least = o.least;
        for (uint32_t i = 0; i < set->n_chunks; i++)
                for (unsigned k = 0; k < 1u << CHUNK_LOG2; k++) {
                        const struct session *s = &set->chunks[i][k];
                        uint64_t of = s->state == ST_FREE ? UINT64_MAX : key(arg, &s->who);
                        least = MIN(least, of);
                }
        return least;
}

bool session_full(const struct session_set *set)
{
        return atomic_load_explicit(&set->count.full, memory_order_relaxed);
}

uint32_t session_count(const struct session_set *set)
{
        return atomic_load_explicit(&set->count.live, memory_order_relaxed);
}

/* ---- birth and death ---- */

static int choose_hello(struct session_set *set, const char *name, struct err *e)
{
        if (!name)
                return 0;
        set->first = hello_by_name(name);
        const struct banner_ops *row = hello_row(set->first);
        if (!set->first || (row && !row->hello))
                return err_set(e, 0,
                               "--hello \"%s\": no protocol of that name has a hello; choose one of: %s",
                               name, session_hello_order());
        if (set->first == HELLO_TLS && !set->tls)
                return err_set(e, 0, "--hello \"%s\": TLS is not built in, or switched off", name);
        return 0;
}

int session_set_new(struct session_set **out, const struct session_conf *conf, const struct session_ops *ops,
                    void *arg, struct tls_pool *tls, unsigned tls_client, struct err *e)
{
        struct session_set *set = calloc(1, sizeof(*set));
        if (!set)
                return err_set(e, 0, "out of memory");
        set->conf = *conf;
        set->ops = *ops;
        set->arg = arg;
        set->tls = conf->tls ? tls : NULL;
        set->tls_client = tls_client;
        set->bufs.max = SET_BYTES;
        rand_bytes(&set->key, sizeof(set->key));
        set->n_order = (uint8_t)hello_order(set->order);
        set->chunks = calloc(1u << (SESSIONS_LOG2 - CHUNK_LOG2), sizeof(struct session *));
        if (!set->chunks) {
                err_set(e, 0, "out of memory");
                goto free_set;
        }
        if (choose_hello(set, conf->hello, e) || banner_out_init(&set->out, e))
                goto free_set;
        *out = set;
        return 0;
free_set:
        session_set_free(set);
        return -1;
}

void session_set_free(struct session_set *set)
{
        for (uint32_t i = 0; i < set->n_chunks; i++)
                free(set->chunks[i]);
        free(set->chunks);
        bufs_free(&set->bufs);
        banner_out_free(&set->out);
        free(set);
}

void session_set_stack(struct session_set *set, struct stack *stack)
{
        set->stack = stack;
}
