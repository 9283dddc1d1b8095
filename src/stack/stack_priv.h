// SPDX-License-Identifier: Apache-2.0
/*
 * stack_priv: what the files of src/stack share: the connection, its extra cells, the stack itself. Names of
 * functions that cross files begin with tcp_. Invariant: a connection is one cell of 80 bytes; what it has in
 * common with others (our address, the way there) lies in a cell that they share, and whatever it needs
 * beyond (bytes queued, bytes out of order, the state of sending) in cells of a third pool that go when they
 * are no longer needed. Everything is reached by 32-bit numbers, 0 is nothing. RFC 9293 §3.3.
 */
#ifndef TRAWL_STACK_PRIV_H
#define TRAWL_STACK_PRIV_H
#include "stack/stack.h"
#include <stdatomic.h>

/* RFC 9293 §3.3.2. FREE: in the pool; DEAD: has ended, its cell waits until nobody can be looking at it. */
enum tcp_state {
        ST_FREE,
        ST_DEAD,
        ST_SYN_SENT,
        ST_SYN_RCVD,
        ST_ESTABLISHED,
        ST_CLOSE_WAIT,
        ST_FIN_WAIT1,
        ST_FIN_WAIT2,
        ST_CLOSING,
        ST_LAST_ACK,
        ST_TIME_WAIT
};

enum conn_flag {
        F_V6 = 1,
        F_QUEUED = 2,        /* in the queue of those that want to send */
        F_ACK = 4,           /* owes the peer an ACK */
        F_RESEND = 8,        /* sends again, from extra.resend (without extra: from snd_una) */
        F_PROBE = 16,        /* one byte into the closed window */
        F_CLOSE = 32,        /* conn_close was called */
        F_FIN_SEEN = 64,     /* the peer's FIN is known to be at extra.fin_seq, bytes before it are missing */
        F_WND_PLAIN = 128,   /* snd_wnd came in a SYN, where it is never scaled: RFC 7323 §2.2 */
        F_TCP_TIMER = 256,   /* tcp_due counts */
        F_APP_TIMER = 512,   /* app_due counts */
        F_TS = 1024,         /* time stamps were agreed upon */
        F_WSCALE = 2048,     /* window scaling was */
        F_TIMING = 4096,     /* extra.rtt_seq is being timed */
        F_CHALLENGED = 8192, /* challenge_at is filled */
        F_FIN_SENT = 16384,  /* our FIN has left at least once */
        F_BYTES = 32768      /* bytes are queued or unacknowledged: extra.tx_len is not 0 */
};

enum {
        MSS_MIN = 64,        /* less is not believed, or every byte would cost a packet */
        MSS_MAX = 1400,      /* room for tunnels on the way */
        INITIAL_SEGS = 10,   /* RFC 6928 */
        RTO_FIRST_MS = 1000, /* RFC 6298 §2.1; also the least, §2.4 */
        RTO_BASE_MAX_MS = 8000,
        RTO_MAX_MS = 16000,
        RTO_LAST_MS = 5000, /* the wait after the last try: 1 + 2 + 4 + 8 + 5 = 20 s */
        TRIES = 5,
        FIN_WAIT2_MS = 2000,
        SEND_MAX = 65536,   /* bytes queued for one connection */
        RST_WAITING = 4096, /* RSTs that wait to be sent; a power of two */
        LIMBO = 1024,       /* cells beyond max_conns: for those that ended inside an up-call */
        RESYN_MS = 100,     /* a SYN that met an old connection: again when our RST has ended that */
        ACKS_OWED_MAX = 4,  /* three duplicates make the peer send again at once */
        CELL = 128,
        CELL_ROOM = CELL - 12,
        NO_SLOT = 0xffff
};

/* What many connections have in common, counted (way.c). All to one network over one router share one; where
 * targets are on the link each has its own. */
struct way {
        uint32_t next, refs; /* next: in its bucket */
        uint64_t us_hi, us_lo, them_hi;
        uint32_t zone; /* of link-local addresses, ours and theirs */
        bool six;
        struct stack_route route;
};

struct conn {
        /* These keep their meaning in a cell that is free: it may still stand in the queue, and whoever is
         * given it next inherits the place. */
        uint32_t hash_next; /* of the pool, when free */
        uint32_t fifo_next;
        uint16_t flags;
        uint8_t state : 4, snd_wscale : 4;
        uint8_t tries : 3, backoff : 3; /* time-outs since the peer last answered */
        uint8_t lossy : 1;              /* conn_lossy() */
        uint8_t ttl;
        uint8_t challenge_at; /* quarter seconds, wrapping */
        uint16_t us_port;
        uint64_t them_lo;
        uint32_t way;
        uint16_t them_port;
        uint16_t slot; /* of the wheel: level * 256 + place, or NO_SLOT */
        uint32_t rcv_nxt, snd_una;
        uint32_t snd_nxt; /* highest sent + 1; what is sent again does not change it */
        uint32_t extra;
        uint32_t app;
        uint32_t ts_recent;
        union {
                struct {
                        uint16_t mss;     /* the peer's, or the path's */
                        uint16_t snd_wnd; /* as the peer wrote it: peer_window() */
                        uint32_t app_due; /* ms, wrapping */
                };
                struct { /* TIME-WAIT: oldest first, to be taken when the pool is empty */
                        uint32_t tw_next, tw_prev;
                };
        };
        uint32_t tcp_due; /* ms, wrapping */
        uint32_t timer_next, timer_prev;
        uint16_t srtt_ms, rttvar_ms; /* RFC 6298 §2; 0: no sample yet */
};
_Static_assert(sizeof(struct conn) == 80, "a million of them are 76 MiB");
_Static_assert((int)ST_TIME_WAIT < 16 && (int)TRIES < 8, "four bits, and three");

struct block { /* bytes: queued ones, or out-of-order ones beginning at seq */
        uint32_t next, seq;
        uint16_t len, unused;
        uint8_t bytes[CELL_ROOM];
};
struct extra {
        uint32_t resend;                  /* what is sent again next; counts with F_RESEND */
        uint32_t cwnd, ssthresh, recover; /* bytes; RFC 5681, RFC 6582 */
        uint32_t snd_wl1;                 /* an older segment says nothing about the window */
        uint32_t rtt_seq, rtt_start_ms;
        uint32_t tx_first, tx_last, tx_len;    /* from snd_una on */
        uint32_t rx_first, rx_last, rx_blocks; /* sorted, disjoint */
        uint32_t fin_seq;
        uint16_t tx_off; /* bytes of the first block that are acknowledged already */
        uint8_t dup_acks;
        uint8_t acks_owed; /* for segments that came too early: one each (RFC 5681 §4.2) */
};
_Static_assert(sizeof(struct block) == CELL && sizeof(struct extra) <= CELL, "one cell each");

enum { POOL_KEEPS = 16 /* bytes of a free cell that stay as they are, but for the first four */ };
struct pool { /* cells 1..cap, reserved at once, touched one after the other, the last freed goes first */
        uint8_t *base;
        size_t size, mapped; /* bytes per cell, in all */
        uint32_t cap, touched, free, used;
};

struct tcp_key {
        uint64_t us_hi, us_lo, them_hi, them_lo;
        uint32_t zone;
        uint16_t us_port, them_port;
        bool six;
};

struct rst { /* a RST that belongs to no connection any more */
        struct stack_open to;
        uint32_t seq, ack;
        uint8_t flags;
};

struct wheel {           /* timer.c */
        uint64_t now_ms; /* all up to here is done */
        uint32_t heads[4][256];
        uint64_t bits[4][4]; /* which heads are not 0 */
};

struct counters { /* one writer; others read */
        _Atomic uint64_t accepted, connected, ended[CONN_ABORTED + 1], full, host_full;
        _Atomic uint64_t segs_in, segs_out, bytes_in, bytes_out, resent, out_of_order, dup, challenge_acks,
                rsts_out, rsts_forgotten;
        _Atomic uint64_t conns, conns_peak, buffer_bytes, buffer_peak;
};

struct stack {
        struct stack_conf conf;
        struct conn_ops ops;
        void *arg;
        uint64_t now_ns, now_ms;
        struct hash_key key; /* of the tables: hostile peers choose addresses and ports */
        struct pool conns, cells, ways;
        uint32_t *buckets, n_buckets;
        uint32_t *way_buckets, last_way; /* way.c; last_way: the last one asked for */
        uint64_t *hosts, n_hosts;        /* hosts.c; NULL: not counted */
        uint32_t window;                 /* what we advertise when scaled, bytes */
        uint32_t rx_most;                /* blocks out of order for one connection */
        uint32_t fifo_first, fifo_last, fifo_count;
        uint32_t tw_first, tw_last;
        uint32_t limbo;   /* through hash_next */
        uint32_t hung_up; /* connections up to here were reset by stack_hang_up */
        unsigned depth;   /* calls that may be looking at a connection */
        bool started, ending, rst_turn;
        struct rst *rsts;
        uint32_t rst_head, rst_tail;
        struct wheel wheel;
        struct counters count;
        uint8_t gather[MSS_MAX]; /* a payload that lies in several blocks */
};

/* ---- sequence numbers wrap: RFC 9293 §3.4 ---- */
static inline int32_t seq_diff(uint32_t a, uint32_t b)
{
        return (int32_t)(a - b);
}

static inline bool has(const struct conn *c, enum conn_flag f)
{
        return (c->flags & f) != 0;
}

static inline void set(struct conn *c, enum conn_flag f)
{
        c->flags = (uint16_t)(c->flags | (unsigned)f);
}

static inline void clear(struct conn *c, enum conn_flag f)
{
        c->flags = (uint16_t)(c->flags & ~(unsigned)f);
}

static inline void count(_Atomic uint64_t *n, uint64_t more)
{
        atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more, memory_order_relaxed);
}

static inline void *pool_at(const struct pool *p, uint32_t i)
{
        return p->base + (size_t)i * p->size;
}

static inline struct conn *conn_at(const struct stack *s, uint32_t i)
{
        return (struct conn *)__builtin_assume_aligned(s->conns.base, 64) + i;
}

static inline uint32_t conn_index(const struct stack *s, const struct conn *c)
{
        return (uint32_t)(((size_t)((const uint8_t *)c - s->conns.base)) / sizeof(struct conn));
}

static inline struct block *block_at(const struct stack *s, uint32_t i)
{
        return (struct block *)__builtin_assume_aligned(pool_at(&s->cells, i), 64);
}

static inline struct extra *extra_of(const struct stack *s, const struct conn *c)
{
        return c->extra ? (struct extra *)__builtin_assume_aligned(pool_at(&s->cells, c->extra), 64) : NULL;
}

static inline const struct way *way_of(const struct stack *s, const struct conn *c)
{
        return (const struct way *)__builtin_assume_aligned(s->ways.base, 64) + c->way;
}

/* A place of n for a hash, without a division and without rounding n up: Lemire 2019. */
static inline uint64_t place_in(uint64_t n, uint32_t hash)
{
        return n * hash >> 32;
}

/* What the peer is ready to take, bytes from snd_una on. */
static inline uint32_t peer_window(const struct conn *c)
{
        return (uint32_t)c->snd_wnd << (has(c, F_WND_PLAIN) ? 0 : c->snd_wscale);
}

/* Bytes of the window we advertise to this peer; constant, so its right edge never moves back. */
static inline uint32_t rcv_window(const struct stack *s, const struct conn *c)
{
        return has(c, F_WSCALE) ? s->window : s->conf.window;
}

/* ---- pool.c: memory ---- */
int tcp_pool_init(struct pool *, size_t size, uint64_t cells, const char *what, struct err *);
void tcp_pool_free(struct pool *);
uint32_t tcp_pool_take(struct pool *); /* 0: empty. Not zeroed */
void tcp_pool_give(struct pool *, uint32_t);
void *tcp_reserve(size_t bytes, const char *what,
                  struct err *);        /* zeroed, touched as used; NULL: e is filled */
uint32_t tcp_cell_take(struct stack *); /* of the second pool, counted */
void tcp_cell_give(struct stack *, uint32_t);

/* ---- way.c: our address and the way there ---- */
int tcp_ways_init(struct stack *, struct err *);
uint32_t tcp_way_take(struct stack *, const struct tcp_key *, const struct stack_route *);
void tcp_way_give(struct stack *, uint32_t);
void tcp_reroute(struct stack *, struct conn *, const struct stack_route *);

/* ---- hosts.c: connections per address ---- */
int tcp_hosts_init(struct stack *, struct err *);
bool tcp_host_take(struct stack *, const struct tcp_key *); /* false: has its share */
void tcp_host_give(struct stack *, const struct tcp_key *);

/* ---- table.c: connections by addresses and ports, their beginning and end ---- */
struct tcp_key tcp_key_of(const struct ip_addr *us, uint16_t us_port, const struct ip_addr *them,
                          uint16_t them_port);
struct tcp_key tcp_key_of_conn(const struct stack *, const struct conn *);
struct conn *tcp_find(const struct stack *, const struct tcp_key *);
struct conn *tcp_alloc(struct stack *, const struct tcp_key *, const struct stack_route *,
                       enum stack_accept *why);
void tcp_finish(struct stack *, struct conn *, enum conn_end); /* calls ended(), frees */
void tcp_time_wait(struct stack *, struct conn *);             /* calls ended(), lingers */
void tcp_reset(struct stack *, struct conn *, enum conn_end);  /* the same with a RST to the peer */
static inline void tcp_enter(struct stack *s)                  /* around all that makes up-calls */
{
        s->depth++;
}
void tcp_leave(struct stack *);
/* After an up-call: does the connection still live? */
static inline bool alive(const struct conn *c)
{
        return c->state != ST_DEAD && c->state != ST_FREE;
}
/* … and was ended() not called yet? In TIME-WAIT it was. */
static inline bool is_owned(const struct conn *c)
{
        return alive(c) && c->state != ST_TIME_WAIT;
}

/* ---- open.c ---- */
void tcp_take_options(struct stack *, struct conn *, const struct pkt *syn, bool probed);

/* ---- ack.c: what the peer has got, and how fast ---- */
uint32_t tcp_rto_ms(const struct conn *);
void tcp_rtt_sample(struct conn *, uint64_t ms);
void tcp_acked(struct stack *, struct conn *, const struct pkt *);
void tcp_dup_ack(struct stack *, struct conn *);
void tcp_window_update(struct stack *, struct conn *, const struct pkt *);
void tcp_timeout(struct stack *, struct conn *);

/* ---- icmp.c ---- */
bool tcp_icmp(struct stack *, const struct pkt *);

/* ---- queue.c: the extra cell, bytes to send, bytes out of order ---- */
struct extra *tcp_extra(struct stack *, struct conn *); /* makes one; NULL: no room */
void tcp_extra_begin(struct stack *, struct conn *);    /* the peer's numbers are known now */
void tcp_extra_drop(struct stack *, struct conn *);     /* with all in it */
void tcp_extra_tidy(struct stack *, struct conn *);     /* drops it when nothing is in it */
struct span tcp_tx_view(struct stack *, const struct extra *, uint32_t off, uint32_t n);
void tcp_tx_consume(struct stack *, struct extra *, uint32_t n);
void tcp_rx_store(struct stack *, struct conn *, struct extra *, uint32_t seq, struct span);
uint32_t tcp_rx_pop(struct stack *, struct conn *, struct extra *, struct span *); /* a cell to give back */
void tcp_rx_drop(struct stack *, struct extra *);

/* ---- output.c ---- */
void tcp_want(struct stack *, struct conn *); /* has something to send, perhaps */
void tcp_owe_ack(struct stack *, struct conn *);
void tcp_challenge_ack(struct stack *, struct conn *); /* RFC 5961: at most a few a second */
bool tcp_rst_room(const struct stack *);
void tcp_rst_later(struct stack *, const struct stack_open *, uint32_t seq, uint32_t ack, uint8_t flags);
void tcp_rst_for(struct stack *, const struct pkt *, const struct stack_route *);

/* ---- timer.c ---- */
void tcp_time(struct stack *, uint64_t now_ns);
void tcp_timer_set(struct stack *, struct conn *, uint32_t after_ms);
void tcp_timer_sync(struct stack *, struct conn *); /* dues have changed */
void tcp_timer_unlink(struct stack *, struct conn *);
#endif
