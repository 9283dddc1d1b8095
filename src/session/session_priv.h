// SPDX-License-Identifier: Apache-2.0
/*
 * session_priv: what the files of this folder share. A service's way through them:
 *
 *   opened ──> tries.c (which hello) ──> talk.c (what is said, who understands it) ──> report.c
 *                 ^    └──> tls_glue.c (handshake, the bytes inside) ──> talk.c
 *                 └── set.c (the queue for another connection) <── tries.c (which hello next)
 *
 * A service that has not said a word on its first connection is told by its port and by when it was opened:
 * it has no session, that time stands in its connection's word (set.c folds and unfolds it).
 *
 *      31  30                    0
 *      | 1 | ms, when it opened  |     folded
 *      | 0 | number of a session |     0: nobody yet, or nobody any more; from 2^30: SESSION_NOT_OURS
 *
 * Invariant: a session is in exactly one state; a function that may end the conversation says so by its
 * result, and nobody touches the session after that.
 */
#ifndef TRAWL_SESSION_PRIV_H
#define TRAWL_SESSION_PRIV_H
#include "session/session.h"
#include <stdatomic.h>

enum {
        SESSIONS_LOG2 = 26, /* services under way in one set, at most */
        CHUNK_LOG2 = 10,
        BUF_CLASSES = 11,    /* 64 bytes … 64 KiB */
        KEPT_MAX = 4096,     /* bytes kept of an answer that nobody understands */
        CAPTURE_MAX = 49152, /* base64 makes BANNER_TEXT_MAX of it */
        TURNS_MAX = 64,      /* of one parser: a dialogue without end ends */
        SILENT_FEW = 3,      /* after so many hellos without a word we are brief */
        PATIENCE = 3,        /* so many hello waits where the answer is likely */
        TLS_MAP = 4096,      /* hash heads */
        HUSH_MAP = 1024,     /* addresses remembered */
        NONE = 0             /* no session, in links: ids begin with 1 */
};
#define QUIET_NS   (20 * NS_PER_MS)  /* half a line, then nothing: look at it */
#define COLLECT_NS (500 * NS_PER_MS) /* the rest of an answer that nobody understands */
#define FLUSH_NS   (1 * NS_PER_S)    /* a banner waits so long for its next lines */
#define INNER_NS   (1 * NS_PER_S)    /* inside of TLS a server may speak first so long */
#define LINGER_NS  (1 * NS_PER_S)    /* the workers' last words about a closed connection */
#define LAG_NS     (100 * NS_PER_MS) /* a TLS worker is behind: look again after that */
#define REQUEUE_NS (20 * NS_PER_MS)  /* no port, no room: again */
#define ANSWER_NS  (1 * NS_PER_S)    /* so long is waited for an answer at least */
#define SOURCE_NS  (10 * NS_PER_S)   /* no port so long: given up */
#define REFUSED_NS (1 * NS_PER_S)    /* one connection at a time, perhaps: again after that */
#define SET_BYTES  (1ull << 30)      /* buffers of one set */

/* ---- hellos: numbers that fit a byte and a bit each of session.tried ---- */
enum { HELLO_NONE, HELLO_USER, HELLO_TLS, HELLO_ROW /* + index in banner_table */, HELLO_MAX = 64 };

enum session_state {
        ST_FREE,
        ST_QUEUED,     /* waits for another connection; none is held */
        ST_CONNECTING, /* our SYN is under way */
        ST_LISTEN,     /* open; the server may speak first */
        ST_ASKED,      /* a hello was sent */
        ST_TALK,       /* a parser listens */
        ST_NOBODY,     /* the rest of words that nobody understands */
        ST_SLOT,       /* TLS, but the pool is full */
        ST_TLS,        /* handshake */
        ST_MAX
};
enum session_flag {
        F_HEARD = 1,      /* it has said something, ever */
        F_CAME = 2,       /* … on this connection */
        F_FIN = 4,        /* its FIN came */
        F_FOUND = 8,      /* somebody understood it */
        F_RST_AGAIN = 16, /* reset before a word: had its second chance */
        F_REFUSED = 32,   /* would not take another connection: had its second chance */
        F_CLOSED = 64,    /* ended a connection without a word */
        F_RESET = 128,    /* … by a RST */
        F_SHUT = 256,     /* would not take our hello */
        F_ENDLESS = 512,  /* more than we read, nobody's */
        F_DRIPS = 1024,   /* a byte now and then */
        F_GREET = 2048,   /* this connection is for its greeting: no hello */
        F_NO_MORE = 4096, /* no other hello would change anything */
        F_TLS = 8192,     /* speaks TLS from the first byte */
        F_INSIDE = 16384, /* … and hellos are said inside of it; `tried`, `hello` are theirs */
        F_LATE = 32768    /* a handshake drew no word in time */
};

struct session {
        struct target who;
        struct conn *conn; /* NULL: none */
        struct talk *talk; /* NULL: nothing to remember yet */
        uint64_t until_ns; /* end of this connection */
        uint64_t soft_ns;  /* what the state waits for; 0: nothing */
        uint64_t tried;    /* bit per hello */
        uint64_t armed_ns;
        uint32_t id, next, prev;     /* of a queue, or of the free list */
        uint16_t flags, asked_ticks; /* when we last said something */
        uint8_t hello, prefer;       /* prefer: try this next */
        uint8_t found;               /* the hello that was understood */
        uint8_t tries;               /* connections for this name */
        uint8_t check_i;             /* 1 + which; 0: none */
        uint8_t ttl;
        uint8_t state : 4, name_i : 4;
        uint8_t silent : 6, queue : 2; /* silent: hellos that drew not one word; queue 0: none */
};
_Static_assert(sizeof(struct session) <= 104, "one for each service that was heard");
_Static_assert((int)ST_MAX <= 16 && SESSION_NAMES < 16, "four bits each");

enum talk_flag {
        T_SECURE = 1,   /* the handshake is done: bytes go through TLS */
        T_STARTTLS = 2, /* … and a parser asked for it */
        T_NO_SENT = 4,  /* not an answer to our hello, says its parser */
        T_READY = 8,    /* the handshake came to its end */
        T_WORDS = 16,   /* something was said inside */
        T_CUT = 32      /* kept is the beginning of an answer that is asked for again */
};
struct piece { /* of a banner, waiting for the rest */
        struct piece *next;
        uint32_t n_text, n_fields;
        uint16_t app;
        uint8_t class;
        uint8_t bytes[];
};
struct talk {                         /* since the first byte, or the first thing to remember */
        const struct banner_ops *ops; /* who listens */
        const struct banner_ops *kept_ops;
        uint8_t *in, *capture, *kept; /* kept: the answer to an earlier hello */
        uint8_t *ticket;              /* of the session that was made first */
        struct piece *pieces, **tail;
        uint64_t quiet_ns, flush_ns;
        uint32_t in_len, parsed_len, capture_len, kept_len;
        uint32_t came_len, pushes; /* on this connection */
        uint32_t tls, tls_next;    /* handle; the next session of its hash chain */
        uint32_t lag_ms;           /* since then the TLS worker has something to do; 0: it has not */
        uint16_t record_version;   /* of the peer's first TLS record */
        uint16_t ticket_len;
        uint8_t in_class, capture_class, kept_class, ticket_class;
        uint8_t phase, turns, flags;
};
_Static_assert(sizeof(struct talk) <= 128, "two cache lines");

/* ---- bufs.c: buffers of 64 << class bytes ---- */
struct bufs {
        void *free[BUF_CLASSES];
        void *slabs;
        uint64_t used, max; /* bytes handed out */
};
void *bufs_get(struct bufs *, unsigned class); /* NULL: over the ceiling */
void bufs_put(struct bufs *, void *, unsigned class);
void bufs_free(struct bufs *);
unsigned bufs_class(size_t n);
static inline size_t bufs_size(unsigned class)
{
        return (size_t)64 << class;
}
/* Appends what fits below max bytes to a buffer that doubles; how much that was. SIZE_MAX: no memory. */
size_t bufs_append(struct bufs *, uint8_t **p, uint8_t *class, uint32_t *len, size_t max, struct span);

/* ---- the set ---- */
enum { Q_OPEN = 1, Q_SLOT, Q_LINGER, QUEUES /* two bits */ };
struct queue {
        uint32_t head, tail, n;
};
struct session_counters {
        _Atomic uint64_t refused_memory; /* hellos or connections given up for want of room */
        _Atomic uint32_t live;           /* services, folded ones included */
        _Atomic bool full;
};
struct hush { /* an address by its hash */
        uint64_t who;
        uint16_t silent;
};
struct session_set {
        struct session_conf conf;
        struct session_ops ops;
        void *arg;
        struct tls_pool *tls; /* NULL: no TLS */
        unsigned tls_client;
        struct stack *stack;
        uint64_t now_ns;
        uint64_t srtt_ns, rttvar_ns; /* from a hello to the first byte */
        bool rtt_known;
        struct hash_key key;
        uint8_t order[HELLO_MAX], n_order; /* of hellos, by likelihood */
        uint8_t first;                     /* --hello NAME */
        struct bufs bufs;
        struct session **chunks;
        uint32_t n_chunks, free_head;
        struct queue queue[QUEUES];
        bool no_room;   /* the stack's pool was full when we last asked */
        bool finishing; /* session_finish: no more connections */
        uint32_t tls_map[TLS_MAP];
        struct hush hush[HUSH_MAP];
        struct banner_out out;
        uint8_t reply[BANNER_REPLY_MAX];
        struct session_counters count;
};
struct session *session_of(const struct session_set *, uint32_t id); /* NULL for NONE */
void queue_put(struct session_set *, unsigned q, struct session *);
void queue_drop(struct session_set *, struct session *); /* from the queue it is in, if any */
void session_release(struct session_set *, struct session *);
void session_gone(struct session_set *, const struct target *, bool heard); /* one service less */
static inline void bump(_Atomic uint64_t *c)
{
        atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* ---- hellos.c ---- */
const struct banner_ops *hello_row(uint8_t hello);      /* NULL: not a row of the table */
uint8_t hello_of(const struct banner_ops *);            /* HELLO_NONE: not in the table */
uint8_t hello_by_name(const char *);                    /* "tls" and "ssl" too; HELLO_NONE: unknown */
unsigned hello_order(uint8_t order[HELLO_MAX]);         /* how many */
const char *tls_port_inner(uint16_t port, bool *known); /* what speaks inside: "" the server does first */
const struct session_hello *hello_of_user(const struct session_set *, uint16_t port); /* NULL: none */
uint8_t hello_first(const struct session_set *, uint16_t port);
uint8_t hello_next(const struct session_set *, const struct session *);
uint8_t hello_of_port(uint16_t port);       /* a row's, whatever was tried */
uint8_t hello_wake(const struct session *); /* for a server that should have spoken; HELLO_NONE: none */
bool hello_usual(const struct session_set *, const struct session *); /* its hello, on its port */
uint8_t hello_inside(const struct session *); /* what is usual inside of TLS on its port */
bool port_speaks_first(uint16_t port);
static inline bool hello_tried(const struct session *s, uint8_t hello)
{
        return s->tried >> hello & 1;
}

/* ---- tries.c ---- */
enum try_end {
        TRY_DONE,    /* understood, to its end */
        TRY_NOBODY,  /* words that nobody understands; they are kept, or reported */
        TRY_SILENT,  /* not a word in time */
        TRY_CLOSED,  /* ended by the server without a word */
        TRY_RESET,   /* the same, by a RST */
        TRY_CUT,     /* words whose rest was lost on its way */
        TRY_REFUSED, /* no connection: refused */
        TRY_GONE     /* no connection: no answer, no port, no memory */
};
void try_begin(struct session_set *, struct session *);             /* its connection is open */
void try_end(struct session_set *, struct session *, enum try_end); /* the session may be gone afterwards */
void try_hello(struct session_set *, struct session *, uint8_t hello);                 /* the same */
bool try_say_hello(struct session_set *, struct session *, const struct banner_ops *); /* false: no room */
void session_end(struct session_set *, struct session *);                     /* tells all and forgets it */
const char *session_name(const struct session_set *, const struct session *); /* NULL: none */
uint64_t try_secret(const struct session_set *, const struct session *);
bool may_retry(const struct session_set *, const struct session *);

/* ---- waits.c ---- */
void wait_asked(struct session *, uint64_t now_ns);
void wait_answered(struct session_set *, const struct session *);           /* the first byte since */
uint64_t wait_answer(const struct session_set *);                           /* for any answer */
uint64_t wait_likely(const struct session_set *);                           /* for one that should come */
uint64_t wait_rest(const struct session_set *);                             /* for the rest of one */
uint64_t wait_hello(const struct session_set *, const struct session *);    /* to the hello it got */
uint64_t wait_greeting(const struct session_set *, const struct session *); /* before we speak */
void hush_note(struct session_set *, const struct session *);               /* another silent service */
void hush_undo(struct session_set *, const struct session *);               /* … that spoke after all */
bool hushed(struct session_set *, const struct session *); /* the whole address says nothing */

/* ---- talk.c ---- */
enum eof { EOF_NO, EOF_FULL /* no more fits */, EOF_END /* no more will come */ };
struct talk *talk_of(struct session_set *, struct session *); /* makes it; NULL: no memory */
void talk_clear(struct session_set *, struct session *); /* forgets this connection, keeps what was kept */
void talk_drop(struct session_set *, struct session *);  /* forgets all */
void talk_unkeep(struct session_set *, struct talk *);   /* forgets what was kept of answers */
void talk_turn(struct session_set *, const struct session *, struct banner_turn *, struct wr *reply);
/* These return false when the conversation is over: the session may be gone. */
bool talk_hear(struct session_set *, struct session *, struct span);  /* from the connection */
bool talk_plain(struct session_set *, struct session *, struct span); /* … or from inside of TLS */
bool talk_judge(struct session_set *, struct session *, enum eof);
/* Before the end is judged. True: over, as half of an answer was lost, it seems; it is asked for again. */
bool talk_cut(struct session_set *, struct session *, const struct conn *);
bool talk_time(struct session_set *, struct session *);             /* something is due */
bool talk_say(struct session_set *, struct session *, struct span); /* false: no room, nothing was said */
const struct banner_ops *talk_sent(const struct session_set *, const struct session *);
void talk_wait(struct session_set *, struct session *, enum session_state, uint64_t ns);
void talk_arm(struct session_set *, struct session *);
void talk_silence(struct session *); /* one more hello in vain */

/* ---- tls_glue.c ---- */
void tls_begin(struct session_set *,
               struct session *); /* a handshake on the open connection; may end the try */
bool tls_hear(struct session_set *, struct session *, struct span); /* false: over */
void tls_drop(struct session_set *, struct session *);              /* gives the handle back */
void tls_events(struct session_set *);
void tls_slots(struct session_set *); /* those that wait for a handle */
/* No more will come from the peer, but events may. wordless: what it was, if nothing ever came. */
void tls_fin(struct session_set *, struct session *, enum try_end wordless);
bool tls_say(struct session_set *, struct session *, struct span);
/* True: its worker is behind, which is no fault of the peer's; its clock was put back. */
bool tls_lags(struct session_set *, struct session *);
void tls_overdue(struct session_set *, struct session *); /* a handshake that goes nowhere */

/* ---- report.c ---- */
void report_text(struct session_set *, struct session *, uint16_t app, struct span text, struct span fields);
void report_out(struct session_set *, struct session *); /* all parts of set->out */
void report_later(struct session_set *,
                  struct session *); /* … when their next lines have come, or a second */
void report_flush(struct session_set *, struct session *);
void report_remark(struct session_set *, struct session *, const char *words);
void report_capture(struct session_set *, struct session *);
void report_base64(struct session_set *, struct session *, uint16_t app, struct span);
void pieces_free(struct session_set *, struct talk *);

/* ---- cert.c ---- */
void report_tls(struct session_set *, struct session *, const struct tls_facts *, uint16_t alert,
                const char *why); /* facts: NULL when nothing is known */
#endif
