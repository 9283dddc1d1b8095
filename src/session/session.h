// SPDX-License-Identifier: Apache-2.0
/*
 * session: one service, spoken to until it is known. A session begins with a connection that a probe opened
 * and decides who speaks first, which hello to try, when to open another connection for the next one, under
 * which name, and when TLS starts. It is a state machine over up-calls: bytes come from stack/ (or through
 * tls/), go to the parsers of banner/, and what they learnt goes to one call-back. One thread at a time per
 * set.
 */
#ifndef TRAWL_SESSION_H
#define TRAWL_SESSION_H
#include "banner/banner.h"
#include "stack/stack.h"
#include "tls/tls.h"

struct session_set;
enum { SESSION_HELLOS = 64, SESSION_NAMES = 8 };
struct session_hello { /* --hello-string, --hello-file: bytes of the user's for one port */
        uint16_t port;
        struct span bytes;
};
struct session_conf {
        struct banner_conf banner;
        uint64_t hello_wait_ns; /* --hello-timeout: a server may speak first so long */
        uint64_t total_ns;      /* --connection-timeout: one connection, from the handshake on */
        const char *hello;      /* --hello NAME on every port: "http", "ssl", …; NULL */
        const struct session_hello *hellos;
        size_t n_hellos;
        const struct banner_ops *const *checks; /* vulnerability checks wanted, NULL-ended; NULL: none */
        unsigned max_tries; /* connections for one service and name, the first included; 0: all hellos */
        bool capture_raw;   /* keep what was said as APP_CAPTURE */
        bool tls;           /* TLS is built in and wanted */
};
struct session_report { /* borrowed during the call */
        struct target who;
        uint8_t ttl;
        const char *name; /* spoken to by this name; NULL: none */
        uint16_t app;
        struct span text, fields;
};
struct session_ops {
        void (*banner)(void *arg, const struct session_report *);
        /* The service is done with: nothing more will be reported for it. `heard`: it said something. NULL:
         * nobody needs to know; the tests hold against it that each service comes to its end, and once. */
        void (*done)(void *arg, const struct target *, bool heard);
        /* Another connection to `to` is wanted, from a port that is not in use; fills us, us_port and route.
         * False: none can be had. */
        bool (*source)(void *arg, const struct target *to, unsigned attempt, struct stack_open *);
        /* The names this address was asked by; how many. */
        unsigned (*names)(void *arg, const struct ip_addr *, const char *const **);
};
int session_set_new(struct session_set **, const struct session_conf *, const struct session_ops *, void *arg,
                    struct tls_pool *, unsigned tls_client, struct err *);
void session_set_free(struct session_set *);
/* The up-calls for stack_new(); arg is the set, whose is the connections' word (conn_app). Connections with a
 * word of SESSION_NOT_OURS and up to as much again are somebody else's: nothing of them is to be told here.
 */
extern const struct conn_ops session_conn_ops;
enum { SESSION_NOT_OURS = 1 << 30 };
void session_set_stack(struct session_set *, struct stack *);
/* Before and after each round of stack_input/stack_tick: tells the time, takes events from the TLS workers,
 * and opens the connections that had to wait. Returns when it next wants to be called at the latest. */
uint64_t session_run(struct session_set *, uint64_t now_ns);
bool session_full(const struct session_set *); /* new probes should wait: sessions, or TLS handles, run out */
uint32_t session_count(
        const struct session_set *); /* services not done with, connections that wait included */
/* The least of `key` over all services not done with; UINT64_MAX: none. key is given for a target by the
 * engine. */
uint64_t session_oldest(const struct session_set *, uint64_t (*key)(void *arg, const struct target *),
                        void *arg);
/* Time is over: reports what is known of each. Their connections are left to stack_hang_up. */
void session_finish(struct session_set *);
const char *session_hello_order(void); /* for people: "http, tls, …" */
#endif
