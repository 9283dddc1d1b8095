// SPDX-License-Identifier: Apache-2.0
/*
 * pool: the client's side of tls.h: handles by number, messages down, events up, and the count of memory.
 * Each client has slots of its own; a handle's number is slot and generation, so that a number outlived by
 * its handle finds nothing. Invariant: the client follows slot->h only until it has sent MSG_CLOSE.
 */
#include "tls_priv.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

enum { HANDLES_MAX = 1 << 22 };
static const uint64_t DEFAULT_BYTES = 256ull << 20, SLACK_MIN = 2ull << 20;

/* ---- making and freeing ---- */
struct tls_pipe *tls_pipe_down(struct tls_pool *p, unsigned client, unsigned worker)
{
        return &p->down[client * p->n_workers + worker];
}

struct tls_pipe *tls_pipe_up(struct tls_pool *p, unsigned client, unsigned worker)
{
        return &p->up[client * p->n_workers + worker];
}

static int make_client(struct tls_pool *p, struct tls_client *c, struct err *e)
{
        if (tls_bell_init(&c->bell, e))
                return -1;
        c->slots = calloc(p->max_handles, sizeof(*c->slots)); /* touched as they are used */
        return c->slots ? 0 : err_set(e, ENOMEM, "out of memory for %u TLS handles", p->max_handles);
}

static int start_worker(struct tls_worker *w, struct err *e)
{
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
        int why = pthread_create(&w->thread, NULL, tls_worker_main, w);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (why)
                return err_set(e, why, "no thread for TLS: %s", strerror(why));
        w->started = true;
        (void)pthread_setname_np(w->thread, "tls");
        return 0;
}

static int make_worker(struct tls_pool *p, unsigned i, bool thread, struct err *e)
{
        struct tls_worker *w = &p->workers[i];
        w->pool = p;
        w->index = i;
        if (tls_bell_init(&w->bell, e))
                return -1;
        w->context = tls_library->context_new(e);
        if (!w->context)
                return -1;
        return thread ? start_worker(w, e) : 0;
}

static int make_pipes(struct tls_pool *p, struct err *e)
{
        for (unsigned i = 0; i < p->n_clients * p->n_workers; i++)
                if (tls_pipe_init(&p->down[i], e) || tls_pipe_init(&p->up[i], e))
                        return -1;
        return 0;
}

static int make_parts(struct tls_pool *p, bool threads, struct err *e)
{
        for (unsigned i = 0; i < p->n_workers; i++)
                p->workers[i].bell.fd = -1;
        for (unsigned i = 0; i < p->n_clients; i++)
                p->clients[i].bell.fd = -1;
        if (make_pipes(p, e))
                return -1;
        for (unsigned i = 0; i < p->n_clients; i++)
                if (make_client(p, &p->clients[i], e))
                        return -1;
        for (unsigned i = 0; i < p->n_workers; i++)
                if (make_worker(p, i, threads, e))
                        return -1;
        return 0;
}

static void set_limits(struct tls_pool *p, const struct tls_conf *c)
{
        p->n_workers = MAX(c->workers, 1u);
        p->n_clients = MAX(c->clients, 1u);
        p->max_bytes = MAX(c->max_bytes ? c->max_bytes : DEFAULT_BYTES, (uint64_t)TLS_HANDLE_BYTES);
        p->slack = MAX(p->max_bytes / 4, SLACK_MIN);
        p->max_handles = (uint32_t)MIN(p->max_bytes / TLS_HANDLE_BYTES, (uint64_t)HANDLES_MAX);
        while (1u << p->index_bits < p->max_handles)
                p->index_bits++;
}

static void *lines_of(size_t n, size_t size) /* zeroed, each client's part on cache lines of its own */
{
        void *m = NULL;
        if (posix_memalign(&m, CACHE_LINE, n * size))
                return NULL;
        memset(m, 0, n * size);
        return m;
}

int tls_pool_make(struct tls_pool **out, const struct tls_conf *conf, bool threads, struct err *e)
{
        if (!tls_library)
                return err_set(e, 0, "TLS was not built in: install the package libssl-dev and build again");
        struct tls_pool *p = lines_of(1, sizeof(*p));
        if (!p)
                return err_set(e, ENOMEM, "out of memory for TLS");
        set_limits(p, conf);
        size_t pipes = (size_t)p->n_clients * p->n_workers;
        p->workers = lines_of(p->n_workers, sizeof(*p->workers));
        p->clients = lines_of(p->n_clients, sizeof(*p->clients));
        p->down = lines_of(pipes, sizeof(*p->down));
        p->up = lines_of(pipes, sizeof(*p->up));
        if (!p->workers || !p->clients || !p->down || !p->up) {
                err_set(e, ENOMEM, "out of memory for TLS");
                goto free_pool;
        }
        if (make_parts(p, threads, e))
                goto free_pool;
        *out = p;
        return 0;
free_pool:
        tls_pool_free(p);
        return -1;
}

int tls_pool_new(struct tls_pool **out, const struct tls_conf *conf, struct err *e)
{
        return tls_pool_make(out, conf, true, e);
}

static void join_workers(struct tls_pool *p)
{
        atomic_store(&p->stop, true);
        for (unsigned i = 0; p->workers && i < p->n_workers; i++)
                if (p->workers[i].started) {
                        tls_bell_ring(&p->workers[i].bell);
                        pthread_join(p->workers[i].thread, NULL);
                }
}

/* A handle whose MSG_OPEN was not read is nobody's yet: it joins its worker's list and is freed with it. */
static void drain_down(struct tls_pipe *pipe)
{
        for (struct tls_node *n; (n = tls_pipe_drain(pipe));) {
                struct tls_msg *m = (struct tls_msg *)n;
                struct tls_handle *h = m->h;
                if (m->kind == MSG_OPEN) {
                        h->next = h->worker->handles;
                        h->worker->handles = h;
                }
                if (m->kind < MSG_EOF)
                        tls_msg_free(h, m);
        }
        tls_pipe_free(pipe);
}

static void drain_up(struct tls_pipe *pipe)
{
        for (struct tls_node *n; (n = tls_pipe_drain(pipe));) {
                struct tls_note *note = (struct tls_note *)n;
                tls_event_free(&note->ev);
                free(note);
        }
        tls_pipe_free(pipe);
}

static void free_worker(struct tls_worker *w)
{
        for (struct tls_handle *h = w->handles, *next; h; h = next) {
                next = h->next;
                h->self = NULL;
                tls_handle_free(h);
        }
        if (w->context)
                tls_library->context_free(w->context);
        tls_bell_free(&w->bell);
}

void tls_pool_free(struct tls_pool *p)
{
        if (!p)
                return;
        join_workers(p);
        for (unsigned i = 0; p->down && p->up && i < p->n_clients * p->n_workers; i++) {
                if (p->down[i].ring.slots)
                        drain_down(&p->down[i]);
                if (p->up[i].ring.slots)
                        drain_up(&p->up[i]);
        }
        for (unsigned i = 0; p->workers && i < p->n_workers; i++)
                free_worker(&p->workers[i]);
        for (unsigned i = 0; p->clients && i < p->n_clients; i++) {
                tls_bell_free(&p->clients[i].bell);
                free(p->clients[i].slots);
        }
        free(p->workers);
        free(p->clients);
        free(p->down);
        free(p->up);
        free(p);
}

/* ---- slots ---- */
static struct tls_handle *find(struct tls_pool *p, unsigned client, uint32_t handle)
{
        uint32_t index = handle & ((1u << p->index_bits) - 1);
        if (handle == TLS_NONE || index >= p->max_handles)
                return NULL;
        struct tls_slot *s = &p->clients[client].slots[index];
        return s->generation == handle >> p->index_bits ? s->h : NULL;
}

/* Given back slots go to the end of the queue, so that a number comes again as late as can be. */
static bool take_slot(struct tls_pool *p, struct tls_client *c, uint32_t *index)
{
        if (c->fresh < p->max_handles) {
                *index = c->fresh++;
        } else if (c->n_free) {
                *index = c->free_first;
                c->free_first = c->slots[*index].next_free;
                c->n_free--;
        } else {
                return false;
        }
        struct tls_slot *s = &c->slots[*index];
        s->generation = (s->generation + 1) & (UINT32_MAX >> p->index_bits);
        if (!s->generation)
                s->generation = 1;
        return true;
}

static void give_slot(struct tls_client *c, uint32_t index)
{
        c->slots[index].h = NULL;
        if (c->n_free++)
                c->slots[c->free_last].next_free = index;
        else
                c->free_first = index;
        c->free_last = index;
}

/* ---- messages ---- */
static void send_down(struct tls_handle *h, struct tls_msg *m)
{
        struct tls_worker *w = h->worker; /* once a MSG_CLOSE is in the pipe, h may be gone */
        tls_pipe_put(tls_pipe_down(h->pool, h->client, w->index), &m->node);
        tls_bell_ring(&w->bell);
}

static bool send_bytes(struct tls_pool *p, struct tls_handle *h, enum tls_msg_kind kind, struct span s)
{
        size_t cost = sizeof(struct tls_msg) + s.n;
        if (s.n > TLS_IN_MAX || h->ended || atomic_load(&h->in_bytes) + cost > TLS_IN_MAX ||
            atomic_load_explicit(&p->bytes, memory_order_relaxed) + cost > p->max_bytes + p->slack)
                return false;
        struct tls_msg *m = malloc(cost);
        if (!m)
                return false;
        *m = (struct tls_msg){.h = h, .kind = kind, .n = s.n};
        if (s.n)
                memcpy(m + 1, s.p, s.n);
        atomic_fetch_add(&h->in_bytes, cost);
        atomic_fetch_add_explicit(&p->bytes, cost, memory_order_relaxed);
        send_down(h, m);
        return true;
}

/* ---- opening ---- */
static void ask_name(struct tls_ask *a, const char *name)
{
        char room[HOST_NAME_MAX_LEN];
        struct span s = host_on_wire(span_str(name ? name : ""), room);
        static_assert(sizeof(a->name) > HOST_NAME_MAX_LEN, "room for the NUL");
        if (s.n)
                memcpy(a->name, s.p, s.n);
}

static void ask_alpn(struct tls_ask *a, const char *list)
{
        struct wr w = wr_of(a->alpn, sizeof(a->alpn));
        while (list && *list) {
                size_t n = strcspn(list, ",");
                if (n && n < 256 && (size_t)(w.end - w.p) > n) {
                        wr_u8(&w, (uint8_t)n);
                        wr_bytes(&w, list, n);
                }
                list += n + (list[n] == ',');
        }
        a->alpn_len = (uint8_t)wr_len(&w);
}

static struct tls_handle *make_handle(struct tls_pool *p, unsigned client)
{
        struct tls_client *c = &p->clients[client];
        struct tls_handle *h = calloc(1, sizeof(*h));
        if (!h)
                return NULL;
        h->pool = p;
        h->client = client;
        h->worker = &p->workers[c->next_worker++ % p->n_workers];
        h->eof = (struct tls_msg){.h = h, .kind = MSG_EOF};
        h->close = (struct tls_msg){.h = h, .kind = MSG_CLOSE};
        h->kick = (struct tls_msg){.h = h, .kind = MSG_KICK};
        return h;
}

/* Room for one more handle, or not. */
static bool charge_handle(struct tls_pool *p)
{
        if (atomic_fetch_add(&p->bytes, TLS_HANDLE_BYTES) + TLS_HANDLE_BYTES > p->max_bytes) {
                atomic_fetch_sub(&p->bytes, TLS_HANDLE_BYTES);
                atomic_fetch_add_explicit(&p->refused, 1, memory_order_relaxed);
                return false;
        }
        uint32_t now = atomic_fetch_add(&p->handles, 1) + 1, peak = atomic_load(&p->handles_peak);
        while (now > peak && !atomic_compare_exchange_weak(&p->handles_peak, &peak, now))
                ;
        return true;
}

static void uncharge_handle(struct tls_pool *p)
{
        atomic_fetch_sub(&p->handles, 1);
        atomic_fetch_sub(&p->bytes, TLS_HANDLE_BYTES);
        atomic_fetch_add_explicit(&p->refused, 1, memory_order_relaxed);
}

uint32_t tls_open(struct tls_pool *p, unsigned client, const struct tls_want *want)
{
        assert(client < p->n_clients);
        struct tls_client *c = &p->clients[client];
        struct tls_ask ask = {.min_version = want->min_version, .max_version = want->max_version};
        struct tls_handle *h = NULL;
        uint32_t index;
        ask_name(&ask, want->name);
        ask_alpn(&ask, want->alpn);
        if (!charge_handle(p))
                return TLS_NONE;
        if (!(h = make_handle(p, client)) || !take_slot(p, c, &index))
                goto uncharge;
        h->id = c->slots[index].generation << p->index_bits | index;
        if (!send_bytes(p, h, MSG_OPEN, span_of(&ask, sizeof(ask))))
                goto give_slot;
        c->slots[index].h = h;
        atomic_fetch_add_explicit(&p->opened, 1, memory_order_relaxed);
        return h->id;
give_slot:
        give_slot(c, index);
uncharge:
        free(h);
        uncharge_handle(p);
        return TLS_NONE;
}

/* ---- talking ---- */
bool tls_feed(struct tls_pool *p, unsigned client, uint32_t handle, struct span from_peer)
{
        struct tls_handle *h = find(p, client, handle);
        return h && send_bytes(p, h, MSG_FEED, from_peer);
}

bool tls_write(struct tls_pool *p, unsigned client, uint32_t handle, struct span plain)
{
        struct tls_handle *h = find(p, client, handle);
        return h && send_bytes(p, h, MSG_WRITE, plain);
}

void tls_eof(struct tls_pool *p, unsigned client, uint32_t handle)
{
        struct tls_handle *h = find(p, client, handle);
        if (!h || h->ended)
                return;
        h->ended = true;
        send_down(h, &h->eof);
}

bool tls_busy(struct tls_pool *p, unsigned client, uint32_t handle)
{
        const struct tls_handle *h = find(p, client, handle);
        return h && atomic_load(&h->in_bytes) > 0;
}

void tls_close(struct tls_pool *p, unsigned client, uint32_t handle)
{
        struct tls_handle *h = find(p, client, handle);
        if (!h)
                return;
        give_slot(&p->clients[client], handle & ((1u << p->index_bits) - 1));
        send_down(h, &h->close);
}

/* ---- polling ---- */

/* The worker rests when too much of this handle waits: wake it once half of that is gone. */
static void account(struct tls_handle *h, size_t cost)
{
        size_t left = atomic_fetch_sub(&h->out_bytes, cost) - cost;
        if (atomic_load(&h->stalled) && left < TLS_OUT_MAX / 2 && atomic_exchange(&h->stalled, false) &&
            !atomic_exchange(&h->kicked, true))
                send_down(h, &h->kick);
}

static bool is_last(const struct tls_event *ev)
{
        return ev->kind == TLS_FAILED || ev->kind == TLS_CLOSED;
}

/* False: nobody waits for it. */
static bool deliver(struct tls_pool *p, unsigned client, struct tls_note *n, struct tls_event *ev)
{
        struct tls_handle *h = find(p, client, n->ev.handle);
        atomic_fetch_sub_explicit(&p->bytes, n->cost, memory_order_relaxed);
        if (h) {
                account(h, n->cost);
                *ev = n->ev;
                if (is_last(ev))
                        tls_close(p, client, ev->handle);
        } else {
                tls_event_free(&n->ev);
        }
        free(n);
        return h != NULL;
}

static unsigned poll_worker(struct tls_pool *p, unsigned client, unsigned worker, struct tls_event *ev,
                            unsigned n)
{
        struct tls_node *nodes[32];
        unsigned got = 0, k;
        if (tls_pipe_flush(tls_pipe_down(p, client, worker)))
                tls_bell_ring(&p->workers[worker].bell);
        do {
                bool room;
                k = tls_pipe_take(tls_pipe_up(p, client, worker), nodes,
                                  MIN(n - got, (unsigned)ARRAY_LEN(nodes)), &room);
                if (room)
                        tls_bell_ring(&p->workers[worker].bell);
                for (unsigned i = 0; i < k; i++)
                        got += deliver(p, client, (struct tls_note *)nodes[i], &ev[got]);
        } while (k && got < n);
        return got;
}

static unsigned poll_all(struct tls_pool *p, unsigned client, struct tls_event *ev, unsigned n)
{
        struct tls_client *c = &p->clients[client];
        unsigned got = 0;
        for (unsigned i = 0; i < p->n_workers && got < n; i++)
                got += poll_worker(p, client, c->next_poll++ % p->n_workers, ev + got, n - got);
        return got;
}

unsigned tls_poll(struct tls_pool *p, unsigned client, struct tls_event *ev, unsigned n)
{
        assert(client < p->n_clients);
        if (!tls_bell_rung(&p->clients[client].bell)) /* the usual case costs one load */
                return 0;
        unsigned got = poll_all(p, client, ev, n);
        if (got == n) /* there may be more: the descriptor stays readable */
                return got;
        tls_bell_quiet(&p->clients[client].bell);
        got += poll_all(p, client, ev + got, n - got);
        if (got == n)
                tls_bell_ring(&p->clients[client].bell);
        return got;
}

int tls_fd(const struct tls_pool *p, unsigned client)
{
        return p->clients[client].bell.fd;
}

/* ---- numbers ---- */
bool tls_full(const struct tls_pool *p)
{
        return atomic_load_explicit(&((struct tls_pool *)(uintptr_t)p)->bytes, memory_order_relaxed) +
                       TLS_HANDLE_BYTES >
               p->max_bytes;
}

void tls_stats(const struct tls_pool *pool, struct tls_stats *s)
{
        struct tls_pool *p = (struct tls_pool *)(uintptr_t)pool;
        *s = (struct tls_stats){
                .opened = atomic_load_explicit(&p->opened, memory_order_relaxed),
                .ready = atomic_load_explicit(&p->ready, memory_order_relaxed),
                .failed = atomic_load_explicit(&p->failed, memory_order_relaxed),
                .refused = atomic_load_explicit(&p->refused, memory_order_relaxed),
                .handles = atomic_load_explicit(&p->handles, memory_order_relaxed),
                .handles_peak = atomic_load_explicit(&p->handles_peak, memory_order_relaxed),
        };
}
