// SPDX-License-Identifier: Apache-2.0
/*
 * tls: cipher bytes <-> plain bytes, by OpenSSL over memory buffers, in worker threads, because a handshake
 * takes longer than a receive thread may stall. A client (a receive thread) opens handles, feeds what the
 * peer sent, and polls for what is to be sent, what was said, and what was learnt. Knows neither connections
 * nor time. A handle belongs to one client and is served by one worker, so its events come in order.
 */
#ifndef TRAWL_TLS_H
#define TRAWL_TLS_H
#include "base/base.h"

struct tls_pool;
struct tls_conf {
        unsigned workers;   /* threads; 0: one */
        unsigned clients;   /* each is one thread, numbered from 0 */
        uint64_t max_bytes; /* --max-tls: memory for handles, about TLS_HANDLE_BYTES each; 0: 256 MiB */
};
/* What a handle takes in mid-handshake with a chain of three (tests/bench/bench_tls.c); about half of it
 * later. */
enum { TLS_HANDLE_BYTES = 60 << 10 };
int tls_pool_new(struct tls_pool **, const struct tls_conf *,
                 struct err *);        /* with the package's name where it is missing */
void tls_pool_free(struct tls_pool *); /* joins the workers; events not polled are freed */

enum { TLS_TICKET_MAX = 3072 };
enum tls_cert_key { TLS_KEY_OTHER, TLS_KEY_RSA, TLS_KEY_EC, TLS_KEY_ED25519, TLS_KEY_DSA };
struct tls_cert {
        struct span der;                           /* of the certificate; memory of tls_facts */
        const char *subject_cn, *subject, *issuer; /* RFC 4514 text, UTF-8; odd bytes as \XX; "": none */
        const char *serial;                        /* hexadecimal */
        const char *const *names;                  /* SANs: DNS names and addresses as text, in their order */
        unsigned n_names;                          /* at most 1,000 */
        int64_t not_before, not_after;             /* seconds since the epoch; 0: unreadable */
        enum tls_cert_key key;
        uint16_t key_bits;
        const char *signature; /* "sha256WithRSAEncryption" */
        uint8_t sha256[32];    /* fingerprint of the DER */
        bool self_signed;      /* subject and issuer are the same */
};
struct tls_facts {                    /* one piece of memory: tls_facts_free */
        uint16_t version, cipher;     /* as on the wire: 0x0304, 0x1301 */
        const char *cipher_name;      /* "TLS_AES_128_GCM_SHA256" (IANA) */
        const char *alpn;             /* "" none */
        const char *group;            /* key exchange group; "" not known */
        const struct tls_cert *certs; /* leaf first, as the peer sent them */
        unsigned n_certs;             /* at most 32 of a longer chain */
        bool resumption;              /* tickets or ids offered; TLS 1.3 tells only after TLS_READY: false */
        struct span
                ticket; /* of a NewSessionTicket up to TLS 1.2 (RFC 5077 §3.3); empty: none, or too long */
};
void tls_facts_free(struct tls_facts *);

enum tls_event_kind {
        TLS_WIRE,   /* bytes to send to the peer */
        TLS_PLAIN,  /* bytes the peer said */
        TLS_READY,  /* the handshake is done; facts */
        TLS_FAILED, /* it will not be; alert: (level << 8 | description) when the peer sent one, else 0; text:
                       why. facts when there are some: the peer's certificate may have come before the alert.
                       Last event */
        TLS_CLOSED  /* close_notify, or what ends a conversation; alert and text as above. Last event */
};
struct tls_event {
        uint32_t handle;
        enum tls_event_kind kind;
        uint16_t alert;
        struct span bytes;       /* malloc'd: tls_event_free */
        struct tls_facts *facts; /* the receiver's to free: tls_event_free does */
        char text[80];
};
void tls_event_free(struct tls_event *);

struct tls_want {         /* what a handshake should be like */
        const char *name; /* SNI; NULL or an address: none is sent */
        const char *alpn; /* "http/1.1,h2"-like list in order; NULL: none */
        uint16_t min_version,
                max_version; /* 0: all that OpenSSL can, TLS 1.0 to 1.3, weak ciphers included */
};
enum { TLS_NONE = 0 };
/* A handle, or TLS_NONE: the pool is full (max_bytes): try again later. Nothing is verified: a scanner wants
 * to see any certificate. Never blocks. */
uint32_t tls_open(struct tls_pool *, unsigned client, const struct tls_want *);
/* Each copies its bytes. False, nothing was taken: over the handle's limit of bytes not yet worked on (1
 * MiB), or of the pool's memory: give up; or there is no such handle (any more). */
bool tls_feed(struct tls_pool *, unsigned client, uint32_t handle, struct span from_peer);
bool tls_write(struct tls_pool *, unsigned client, uint32_t handle, struct span plain);
/* Behind what was fed nothing will come: the peer's FIN, or its connection is gone. What is there is worked
 * on, then the last event comes. */
void tls_eof(struct tls_pool *, unsigned client, uint32_t handle);
/* Something that was opened, fed or written waits for the worker: time that is not the peer's. */
bool tls_busy(struct tls_pool *, unsigned client, uint32_t handle);
/* No more events of it are polled. Not needed after its last event, and harmless: that ends it. */
void tls_close(struct tls_pool *, unsigned client, uint32_t handle);
unsigned tls_poll(struct tls_pool *, unsigned client, struct tls_event *, unsigned n); /* never blocks */
/* A descriptor that becomes readable when there is something to poll; the client drains it by tls_poll. The
 * receive threads poll each round and need none; tests and the bench sleep on it. */
int tls_fd(const struct tls_pool *, unsigned client);
bool tls_full(const struct tls_pool *); /* new probes should wait */
struct tls_stats {                      /* what the tests hold the pool's bounds against */
        uint64_t opened, ready, failed, refused;
        uint32_t handles, handles_peak;
};
void tls_stats(const struct tls_pool *, struct tls_stats *);
#endif
