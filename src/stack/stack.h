// SPDX-License-Identifier: Apache-2.0
/*
 * stack: user-mode TCP, the client's side of RFC 9293. No clock, no sockets, no threads: time and packets are
 * arguments, segments to send are asked for one by one, so what it does is a function of what it was told and
 * can be replayed. One thread at a time per stack. A connection begins with a SYN-ACK that was checked by its
 * cookie elsewhere (stack_accept: nothing is remembered before) or is opened by us (stack_connect).
 */
#ifndef TRAWL_STACK_H
#define TRAWL_STACK_H
#include "wire/wire.h"

struct stack;
struct conn; /* valid from opened (or stack_connect) until ended returns */

struct stack_route { /* how frames to the peer leave; handed back in each segment, not looked at */
        uint16_t dev;
        uint8_t mac[6];
};
struct stack_conf {
        uint32_t max_conns;     /* pool; all memory for it is reserved at start, touched as it is used */
        uint32_t per_host;      /* connections to one address at a time; 0: no limit */
        struct hash_key cookie; /* our initial sequence numbers: wire_cookie(), as probes have them */
        uint16_t window;        /* what we advertise, bytes; 0: the default (16 KiB) */
        int syn_wscale; /* shift count that our probes' SYNs offer; -1: none. Ours and the peer's count when
                           both offer one (RFC 7323 §2.2); SYNs of stack_connect offer none */
        bool syn_timestamps;   /* probes offer time stamps (RFC 7323 §3) of now_ns / 1000; a peer that agrees
                                  gets them */
        uint16_t mss;          /* what we tell the peer in SYNs of our own; 0: 1460 (IPv4), 1440 (IPv6) */
        uint8_t ttl;           /* 0: 64 */
        uint64_t buffer_max;   /* bytes of send buffers and reassembly together; 0: 256 MiB */
        uint64_t time_wait_ns; /* 0: half a second: late segments are answered by a RST afterwards */
};
enum conn_end {
        CONN_CLOSED,  /* both sides said all; or we closed and the peer took it */
        CONN_RESET,   /* by the peer */
        CONN_REFUSED, /* a RST, or an ICMP error, for a SYN of ours */
        CONN_TIMEOUT, /* no answer to what we sent, SYN or data (RFC 9293 §3.8.3) */
        CONN_ABORTED  /* conn_abort, stack_hang_up, stack_free */
};
struct conn_ops { /* up-calls, from inside stack_input, stack_tick and the calls of this page that say so */
        void (*opened)(void *arg, struct conn *); /* three-way handshake done; send now if you like */
        void (*data)(void *arg, struct conn *, struct span); /* in order, each byte once */
        void (*finished)(void *arg, struct conn *); /* the peer's FIN: no more data; half-open until closed */
        void (*timer)(void *arg, struct conn *);    /* conn_set_timer's time has come */
        void (*ended)(void *arg, struct conn *,
                      enum conn_end); /* exactly once; the handle is dead afterwards */
};
int stack_new(struct stack **, const struct stack_conf *, const struct conn_ops *, void *arg, struct err *);
void stack_free(struct stack *); /* ends every connection (CONN_ABORTED, ended is called), sends nothing */

/* ---- in ----
 * A TCP packet or an ICMP error, checksums checked. True: it belongs to a connection (or was one's late
 * segment) and was dealt with. False: not ours, judge it yourself. */
bool stack_input(struct stack *, const struct pkt *, const struct stack_route *, uint64_t now_ns);
enum stack_accept {
        STACK_ACCEPTED,
        STACK_FULL /* the pool; the peer repeats its SYN-ACK */,
        STACK_HOST_FULL,
        STACK_IN_USE /* stack_connect only: these addresses and ports have a connection already */
};
/* A SYN-ACK whose cookie was checked and that no connection knows: one begins. opened() is called. */
enum stack_accept stack_accept(struct stack *, const struct pkt *syn_ack, const struct stack_route *,
                               uint64_t now_ns);
struct stack_open {
        struct ip_addr us, them;
        uint16_t us_port, them_port;
        struct stack_route route;
};
/* Sends a SYN. NULL: the pool is full, the host has its share, or these addresses and ports are in use
 * (*why). */
struct conn *stack_connect(struct stack *, const struct stack_open *, uint64_t now_ns,
                           enum stack_accept *why);
/* Each connection that has not ended; the call may end it. */
void stack_each(struct stack *, void (*call)(void *arg, struct conn *), void *arg);
/* Resets connections, as many as their RSTs find room to wait; ended (CONN_ABORTED) is called for each.
 * False: those were the last. Else again, when stack_next has given them. stack_accept is not to be called
 * any more. */
bool stack_hang_up(struct stack *);
bool stack_has(const struct stack *,
               const struct stack_open *); /* is there such a connection, TIME-WAIT included? */
/* A RST for what belongs to nobody (RFC 9293 §3.10.7.1); bounded: past a few thousand waiting ones it is
 * forgotten. */
void stack_refuse(struct stack *, const struct pkt *, const struct stack_route *);

/* ---- out ---- */
struct stack_seg {               /* one segment to send */
        struct wire_segment seg; /* payload is borrowed until the next call that takes the stack */
        struct stack_route route;
};
/* The next segment that wants to leave; false: none does. What was given counts as sent. Oldest wish first.
 */
bool stack_next(struct stack *, struct stack_seg *, uint64_t now_ns);
uint32_t stack_waiting(const struct stack *); /* connections that want to send, about */

/* ---- time ---- */
void stack_tick(struct stack *, uint64_t now_ns); /* runs what is due */
uint64_t stack_deadline(
        const struct stack *); /* when stack_tick next has work; UINT64_MAX: never. May be early */

/* ---- a connection, for the up-calls' owner ---- */
uint32_t conn_app(const struct conn *); /* a word of the owner's; 0 at first */
void conn_set_app(struct conn *, uint32_t);
void conn_peer(const struct stack *, const struct conn *, struct stack_open *);
uint8_t conn_ttl(const struct conn *); /* of the last segment that came */
/* Queues bytes (copied; freed when acknowledged). False: no room (buffer_max, or more than 64 KiB for one
 * connection): nothing was queued. */
bool conn_send(struct stack *, struct conn *, struct span);
/* FIN behind what is queued; ended comes later, data and the timer may still come. A peer that says nothing
 * more is reset two seconds after it took the FIN; one that takes a byte a minute is the owner's to abort. */
void conn_close(struct stack *, struct conn *);
void conn_abort(struct stack *, struct conn *); /* RST; ended(CONN_ABORTED) is called before this returns */
void conn_set_timer(struct stack *, struct conn *, uint64_t at_ns); /* one per connection; 0: none */
bool conn_window_shut(const struct conn *); /* the peer's window is 0 and we have bytes to send */
/* Something came twice, or before its turn: on this connection's way segments are lost (or doubled, or
 * overtaken: nobody can tell), so what is missing was perhaps said. In ended() too. */
bool conn_lossy(const struct conn *);

/* ---- numbers ---- */
struct stack_stats {
        uint64_t accepted, connected, ended[CONN_ABORTED + 1], full, host_full;
        uint64_t segs_in, segs_out, bytes_in, bytes_out, resent, out_of_order, dup, challenge_acks, rsts_out,
                rsts_forgotten;
        uint32_t conns, conns_peak; /* in the pool: TIME-WAIT, whose owner was told already, included */
        uint64_t buffer_bytes, buffer_peak;
};
void stack_stats(const struct stack *, struct stack_stats *); /* any thread: each number is a moment's */
size_t stack_conn_size(void);                                 /* bytes a connection takes before any data */
#endif
