// SPDX-License-Identifier: Apache-2.0
/*
 * What TLS costs: handshakes per second of a worker's processor time (the servers run in another thread and
 * are not counted), and the bytes of heap that a handle takes in each phase, with a chain of three. Prints
 * figures only; each kind runs for about two seconds.
 */
#ifndef HAVE_TLS
#include <stdio.h>

int main(void)
{
        puts("bench_tls: TLS was not built in");
        return 0;
}
#else
#include "tls/tls_priv.h"
#include <malloc.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { AT_ONCE = 64, HEAP_HANDLES = 500 };

/* ---- servers ---- */
static X509 *make_cert(EVP_PKEY *key, const char *cn)
{
        X509 *x = X509_new();
        X509_set_version(x, 2);
        X509_gmtime_adj(X509_getm_notBefore(x), 0);
        X509_gmtime_adj(X509_getm_notAfter(x), 86400);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const uint8_t *)cn, -1, -1,
                                   0);
        X509_set_issuer_name(x, X509_get_subject_name(x));
        X509_set_pubkey(x, key);
        X509_sign(x, key, EVP_sha256());
        return x;
}

static SSL_CTX *make_server(EVP_PKEY *key, int version, const char *ciphers)
{
        SSL_CTX *c = SSL_CTX_new(TLS_server_method());
        X509 *leaf = make_cert(key, "leaf.example"), *ca = make_cert(key, "authority.example");
        SSL_CTX_set_min_proto_version(c, version);
        SSL_CTX_set_max_proto_version(c, version);
        if (ciphers)
                SSL_CTX_set_cipher_list(c, ciphers);
        SSL_CTX_use_certificate(c, leaf);
        SSL_CTX_use_PrivateKey(c, key);
        SSL_CTX_add1_chain_cert(c, ca);
        SSL_CTX_add1_chain_cert(c, ca);
        X509_free(leaf);
        X509_free(ca);
        return c;
}

static SSL *new_server(SSL_CTX *c)
{
        SSL *s = SSL_new(c);
        SSL_set_bio(s, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(s);
        return s;
}

static size_t answer(SSL *s, struct span in, uint8_t *out, size_t cap)
{
        uint8_t plain[256];
        BIO_write(SSL_get_rbio(s), in.p, (int)in.n);
        (void)SSL_read(s, plain, sizeof(plain));
        int n = BIO_read(SSL_get_wbio(s), out, (int)cap);
        return n > 0 ? (size_t)n : 0;
}

/* ---- handshakes per second ---- */
struct talk {
        uint32_t handle;
        SSL *server;
};

static void begin(struct tls_pool *p, SSL_CTX *server, struct talk *t)
{
        t->handle = tls_open(p, 0, &(struct tls_want){.name = "leaf.example"});
        t->server = new_server(server);
}

static struct talk *find(struct talk *t, uint32_t handle)
{
        while (t->handle != handle)
                t++;
        return t;
}

static double cpu_of(const struct tls_worker *w)
{
        clockid_t id;
        struct timespec ts;
        pthread_getcpuclockid(w->thread, &id);
        clock_gettime(id, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* How many became ready until end_ns. */
static unsigned run(struct tls_pool *p, SSL_CTX *server, struct talk *t, uint64_t end_ns)
{
        static uint8_t out[65536];
        struct tls_event ev[32];
        struct pollfd fd = {.fd = tls_fd(p, 0), .events = POLLIN};
        unsigned ready = 0;
        while (clock_mono_ns() < end_ns) {
                unsigned n = tls_poll(p, 0, ev, ARRAY_LEN(ev));
                if (!n)
                        (void)poll(&fd, 1, 100);
                for (unsigned i = 0; i < n; i++) {
                        struct talk *one = find(t, ev[i].handle);
                        if (ev[i].kind == TLS_WIRE) {
                                size_t k = answer(one->server, ev[i].bytes, out, sizeof(out));
                                if (k)
                                        tls_feed(p, 0, one->handle, span_of(out, k));
                        } else if (ev[i].kind == TLS_READY || ev[i].kind == TLS_FAILED) {
                                ready += ev[i].kind == TLS_READY;
                                tls_close(p, 0, one->handle);
                                SSL_free(one->server);
                                begin(p, server, one);
                        }
                        tls_event_free(&ev[i]);
                }
        }
        return ready;
}

static void rate(const char *what, SSL_CTX *server)
{
        struct tls_pool *p;
        struct err e;
        struct talk t[AT_ONCE + 1] = {{0, NULL}};
        if (tls_pool_new(&p, &(struct tls_conf){.workers = 1, .clients = 1}, &e))
                return;
        for (unsigned i = 0; i < AT_ONCE; i++)
                begin(p, server, &t[i]);
        (void)run(p, server, t, clock_mono_ns() + NS_PER_S / 4); /* OpenSSL learns its algorithms */
        double before = cpu_of(&p->workers[0]);
        unsigned n = run(p, server, t, clock_mono_ns() + 2 * NS_PER_S);
        printf("%-28s %10.0f\n", what, n / (cpu_of(&p->workers[0]) - before));
        tls_pool_free(p);
        for (unsigned i = 0; i < AT_ONCE; i++)
                SSL_free(t[i].server);
}

/* ---- memory: no threads, so that the heap's growth in our calls is ours ---- */
static size_t heap(void)
{
        struct mallinfo2 m = mallinfo2();
        return m.uordblks + m.hblkhd;
}

/* Feeds at most `most` bytes of what each server has to say; grows *used by what our side took. */
static void turn(struct tls_pool *p, struct talk *t, struct span *kept, size_t most, size_t *used)
{
        struct tls_event ev;
        static uint8_t out[65536];
        size_t before = heap();
        for (unsigned i = 0; i < HEAP_HANDLES; i++) {
                struct span s = span_of(kept[i].p, MIN(kept[i].n, most));
                if (!s.n)
                        continue;
                tls_feed(p, 0, t[i].handle, s);
                kept[i] = span_of(kept[i].p + s.n, kept[i].n - s.n);
        }
        while (tls_worker_round(&p->workers[0]))
                ;
        *used += heap() - before;
        for (;;) {
                before = heap();
                unsigned n = tls_poll(p, 0, &ev, 1);
                *used += heap() - before;
                if (!n)
                        return;
                struct talk *one = find(t, ev.handle);
                if (ev.kind == TLS_WIRE) {
                        size_t k = answer(one->server, ev.bytes, out, sizeof(out)), at = (size_t)(one - t);
                        if (k) {
                                uint8_t *copy = malloc(k); /* for the bench's short life */
                                memcpy(copy, out, k);
                                kept[at] = span_of(copy, k);
                        }
                }
                before = heap();
                tls_event_free(&ev);
                *used += heap() - before;
        }
}

static void memory(const char *what, SSL_CTX *server)
{
        static struct talk t[HEAP_HANDLES + 1];
        static struct span kept[HEAP_HANDLES];
        struct tls_pool *p;
        struct err e;
        size_t used = 0, opened, half;
        memset(kept, 0, sizeof(kept));
        if (tls_pool_make(&p, &(struct tls_conf){.clients = 1, .max_bytes = 1ull << 30}, false, &e))
                return;
        for (unsigned i = 0; i < HEAP_HANDLES; i++) {
                size_t before = heap();
                t[i].handle = tls_open(p, 0, &(struct tls_want){.name = "leaf.example", .alpn = "http/1.1"});
                used += heap() - before;
                t[i].server = new_server(server);
        }
        turn(p, t, kept, 0, &used);
        opened = used;
        turn(p, t, kept, 2000, &used);
        half = used;
        for (int i = 0; i < 4; i++)
                turn(p, t, kept, SIZE_MAX, &used);
        struct tls_stats s;
        tls_stats(p, &s);
        printf("%-28s %10zu %10zu %10zu   (%llu ready)\n", what, opened / HEAP_HANDLES, half / HEAP_HANDLES,
               used / HEAP_HANDLES, (unsigned long long)s.ready);
        tls_pool_free(p);
        for (unsigned i = 0; i < HEAP_HANDLES; i++)
                SSL_free(t[i].server);
}

int main(void)
{
        EVP_PKEY *rsa = EVP_RSA_gen(2048), *ec = EVP_EC_gen("P-256");
        const struct {
                const char *what;
                SSL_CTX *server;
        } kinds[] = {
                {"TLS 1.3, ECDSA P-256", make_server(ec, TLS1_3_VERSION, NULL)},
                {"TLS 1.3, RSA 2048", make_server(rsa, TLS1_3_VERSION, NULL)},
                {"TLS 1.2, ECDHE, ECDSA P-256", make_server(ec, TLS1_2_VERSION, NULL)},
                {"TLS 1.2, ECDHE, RSA 2048", make_server(rsa, TLS1_2_VERSION, NULL)},
                {"TLS 1.2, RSA 2048", make_server(rsa, TLS1_2_VERSION, "AES128-GCM-SHA256")},
        };
        printf("%-28s %10s %10s %10s\n", "bytes of heap for a handle", "opened", "half way", "ready");
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
                memory(kinds[i].what, kinds[i].server);
        printf("\n%-28s %10s\n", "handshakes per CPU second", "a worker's");
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
                rate(kinds[i].what, kinds[i].server);
                SSL_CTX_free(kinds[i].server);
        }
        EVP_PKEY_free(rsa);
        EVP_PKEY_free(ec);
        return 0;
}
#endif
