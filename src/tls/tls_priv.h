// SPDX-License-Identifier: Apache-2.0
/*
 * tls_priv: what the files of src/tls share. A handle's way: tls_open (pool.c, the client's thread) makes it
 * and sends it down a pipe; its worker (worker.c) gives it to OpenSSL (conn.c), which asks hello.c what the
 * peer's messages say and facts.c what its certificates are; events go back through another pipe. Invariant:
 * of a handle only the atomics and what is never changed are touched by both threads.
 */
#ifndef TRAWL_TLS_PRIV_H
#define TRAWL_TLS_PRIV_H
#include "tls/tls.h"
#include <pthread.h>

/* ---- pipe.c: pointers from one thread to another, without a lock and without a limit that blocks ---- */
struct tls_node { /* the first member of what goes through a pipe */
        struct tls_node *next;
};
struct tls_pipe {
        struct ring ring;
        struct tls_node *first, **last; /* the producer's: what found the ring full, in order */
        _Atomic unsigned waiting;       /* … and that there is such: the consumer rings when it made room */
};
int tls_pipe_init(struct tls_pipe *, struct err *);
void tls_pipe_free(struct tls_pipe *);
void tls_pipe_put(struct tls_pipe *, struct tls_node *); /* producer */
bool tls_pipe_flush(struct tls_pipe *);                  /* producer; true: ring the consumer's bell */
/* Consumer. *room: the producer has more and should be told that there is room. */
unsigned tls_pipe_take(struct tls_pipe *, struct tls_node **, unsigned most, bool *room);
struct tls_node *tls_pipe_drain(struct tls_pipe *); /* when no thread is left: one of all nodes, or NULL */

struct tls_bell { /* an eventfd that is written once per sleep, not once per message */
        int fd;
        _Atomic unsigned state;
};
int tls_bell_init(struct tls_bell *, struct err *);
void tls_bell_free(struct tls_bell *);
void tls_bell_ring(struct tls_bell *);       /* any thread, after the message is in its pipe */
void tls_bell_quiet(struct tls_bell *);      /* the listener, before it looks into its pipes */
bool tls_bell_rung(const struct tls_bell *); /* the listener: is there a reason to look at all? */
void tls_bell_wait(struct tls_bell *);       /* the listener, when they were empty after that */

/* ---- messages and events ---- */
enum tls_msg_kind { MSG_OPEN, MSG_FEED, MSG_WRITE, MSG_EOF, MSG_CLOSE, MSG_KICK };
struct tls_msg {
        struct tls_node node;
        struct tls_handle *h;
        enum tls_msg_kind kind;
        size_t n, at; /* bytes behind this header, and how many of them are used up */
};
struct tls_ask { /* the bytes of MSG_OPEN */
        uint16_t min_version, max_version;
        uint8_t alpn_len;
        char name[254];
        uint8_t alpn[255]; /* RFC 7301 §3.1: | length 1 | name | … */
};
struct tls_note {
        struct tls_node node;
        size_t cost;
        struct tls_event ev;
};

enum {
        TLS_IN_MAX = 1 << 20,         /* bytes fed and not worked on, each handle */
        TLS_OUT_MAX = 256 << 10,      /* bytes of events not polled; then reading rests */
        TLS_HANDSHAKE_MAX = 1 << 20,  /* cipher bytes until the handshake is done */
        TLS_CERT_LIST_MAX = 256 << 10 /* a Certificate message */
};

/* ---- hello.c: what the peer's handshake messages say, before and whatever OpenSSL thinks of them ---- */
enum tls_exchange { TLS_KX_OTHER, TLS_KX_ECDHE, TLS_KX_DHE };
struct tls_seen {
        uint16_t version, cipher; /* 0: no ServerHello came */
        uint16_t group;           /* RFC 8446 §4.2.7; 0: none */
        uint16_t dh_bits;         /* of a prime that the server chose itself */
        bool resumption;
        char alpn[256];
        uint8_t *certs; /* malloc'd: the body of the Certificate message */
        size_t certs_len;
        uint8_t *ticket; /* malloc'd */
        size_t ticket_len;
};
/* One whole message, header included. kx: of the cipher suite that tls_seen.cipher names. */
void tls_seen_message(struct tls_seen *, struct span message, enum tls_exchange kx);
void tls_seen_free(struct tls_seen *);
const char *tls_group_name(const struct tls_seen *, char *buf, size_t cap);

/* ---- handles ---- */
struct tls_handle {
        /* both threads */
        _Atomic size_t in_bytes, out_bytes;
        _Atomic bool stalled; /* the worker rests until events are polled */
        _Atomic bool kicked;  /* MSG_KICK is on its way */
        /* set by tls_open, then only read */
        struct tls_pool *pool;
        struct tls_worker *worker;
        uint32_t id;
        unsigned client;
        struct tls_msg eof, close, kick; /* so that none needs memory when its time comes */
        /* the client's */
        bool ended; /* eof is on its way, or was */
        /* the worker's */
        struct tls_handle *next, **self;                      /* in the worker's list */
        void *ssl;                                            /* SSL *; NULL: not begun, or over */
        struct tls_node *in, **in_last, *plain, **plain_last; /* of messages */
        size_t handshake_bytes;
        uint8_t *out;
        size_t out_len, out_cap;
        uint16_t alert; /* the peer's last */
        bool ready, over, flooded, at_eof;
        struct tls_seen seen;
};

/* ---- the library, one table: NULL where it is not built in ---- */
struct tls_library {
        void *(*context_new)(struct err *); /* one per worker: no locks are shared between them */
        void (*context_free)(void *);
        void (*start)(struct tls_handle *, void *context, const struct tls_ask *);
        void (*step)(struct tls_handle *, uint8_t *room, size_t cap); /* does what can be done; emits */
        void (*stop)(struct tls_handle *); /* frees what start made; more than once is fine */
};
extern const struct tls_library *const tls_library;

/* ---- worker.c ---- */
enum { TLS_PLAIN_MAX = 16384 }; /* one TLS_PLAIN event */
struct tls_worker {
        struct tls_pool *pool;
        unsigned index;
        pthread_t thread;
        bool started;
        struct tls_bell bell;
        void *context;
        struct tls_handle *handles;
        uint8_t room[TLS_PLAIN_MAX];
};
bool tls_worker_round(struct tls_worker *); /* false: there was nothing to do */
void *tls_worker_main(void *worker);
void tls_handle_free(struct tls_handle *);
void tls_msg_free(struct tls_handle *, struct tls_msg *); /* its bytes count no longer as outstanding */
/* Hands an event to the client; owns ev's memory from now on. extra: bytes of facts. */
void tls_emit(struct tls_handle *, const struct tls_event *ev, size_t extra);
bool tls_out_full(struct tls_handle *); /* true: rest; the client's next polls wake us */

/* ---- pool.c ---- */
struct tls_slot {
        struct tls_handle *h; /* NULL: free */
        uint32_t generation, next_free;
};
struct tls_client {
        _Alignas(CACHE_LINE) struct tls_bell bell;
        struct tls_slot *slots;
        uint32_t fresh, free_first, free_last, n_free; /* slots never used begin at fresh */
        unsigned next_worker, next_poll;
};
struct tls_pool {
        unsigned n_workers, n_clients, index_bits;
        uint64_t max_bytes, slack;
        uint32_t max_handles;
        struct tls_client *clients;
        struct tls_worker *workers;
        struct tls_pipe *down, *up; /* [client * n_workers + worker] */
        _Atomic bool stop;
        _Alignas(CACHE_LINE) _Atomic uint64_t bytes; /* handles and all that waits */
        _Atomic uint64_t opened, ready, failed, refused;
        _Atomic uint32_t handles, handles_peak;
};
/* threads false: the caller runs tls_worker_round() itself (fuzzing). */
int tls_pool_make(struct tls_pool **, const struct tls_conf *, bool threads, struct err *);
struct tls_pipe *tls_pipe_down(struct tls_pool *, unsigned client, unsigned worker);
struct tls_pipe *tls_pipe_up(struct tls_pool *, unsigned client, unsigned worker);

/* ---- der.c: the Distinguished Encoding Rules (X.690 §8, §10), as far as certificates need them ----
 *
 *   | tag 1 | length 1 | body |    or    | tag 1 | 0x80 + n | length n | body |   */
struct der {
        uint8_t tag;
        struct span body;
};
enum {
        DER_INTEGER = 0x02,
        DER_BITS = 0x03,
        DER_OCTETS = 0x04,
        DER_OID = 0x06,
        DER_SEQUENCE = 0x30,
        DER_SET = 0x31
};
bool der_next(struct rd *, struct der *);              /* false: that was all, or the rest is malformed */
bool der_want(struct rd *, uint8_t tag, struct der *); /* the next one, which must be of this tag */
/* The same, but what claims to be longer than the rest is the rest: a cut certificate has fields, too. */
bool der_want_cut(struct rd *, uint8_t tag, struct der *);
const char *der_oid_text(struct span body, char *buf, size_t cap);    /* "2.5.4.3"; "" malformed */
int64_t der_time(const struct der *);                                 /* 0: unreadable */
void der_name_text(struct span name, struct wr *text, struct wr *cn); /* RFC 4514; cn: the last CN */
void der_string(const struct der *, struct wr *, bool in_name);       /* as UTF-8, odd bytes as \XX */
static inline struct rd der_inside(const struct der *d)
{
        return rd_of(d->body);
}

/* ---- cert.c: one certificate's fields (RFC 5280 §4.1); what is malformed, and behind it, stays empty ----
 */
struct cert_parts {
        struct span serial, issuer, subject, key_algorithm, key_bits, signature; /* bodies */
        int64_t not_before, not_after;
        struct span alt_names; /* body of GeneralNames */
        enum tls_cert_key key;
        uint16_t bits;
};
void cert_parse(struct span der, struct cert_parts *);

/* ---- facts.c ---- */
enum { TLS_CERTS_MAX = 32, TLS_NAMES_MAX = 1000 };
/* One piece of memory; NULL when there is none. *size: how big it is. */
struct tls_facts *tls_facts_make(const struct tls_seen *, const char *cipher_name, size_t *size);
#endif
