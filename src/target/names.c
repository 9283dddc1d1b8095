// SPDX-License-Identifier: Apache-2.0
/*
 * names: host names in target lists. They are gathered while the text is read and resolved together at its
 * end, several at a time because each may wait seconds for an answer; every address keeps the name it was
 * asked by. Invariant: ranges and names are added in the order of the text, so that the first name that fails
 * is the one the message is about, whatever finished first. Reference: getaddrinfo(3), RFC 3493 §6.1.
 */
#include "target/set.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { RESOLVERS = 24, ADDRESSES_MAX = 4096 };

int names_own(struct tgt_names *n, char *text, struct err *e)
{
        if (mem_grow(&n->texts, &n->cap_texts, n->n_texts + 1, sizeof(*n->texts), e)) {
                free(text);
                return -1;
        }
        n->texts[n->n_texts++] = text;
        return 0;
}

int names_add(struct tgt_names *n, const struct ip_addr *ip, const char *owned, struct err *e)
{
        if (n->n >= TGT_NAMES_MAX)
                return err_set(e, 0, "more than %d addresses by name; give them as numbers", TGT_NAMES_MAX);
        if (mem_grow(&n->at, &n->cap, n->n + 1, sizeof(*n->at), e))
                return -1;
        n->at[n->n++] = (struct tgt_name){*ip, owned};
        return 0;
}

static int cmp_name(const void *a, const void *b)
{
        const struct tgt_name *x = a, *y = b;
        int c = ip_cmp(&x->ip, &y->ip);
        return c ? c : strcmp(x->text, y->text);
}

void names_sort(struct tgt_names *n)
{
        size_t kept = n->n ? 1 : 0;
        if (n->n == 0)
                return;
        qsort(n->at, n->n, sizeof(*n->at), cmp_name);
        for (size_t i = 1; i < n->n; i++)
                if (cmp_name(&n->at[i], &n->at[kept - 1]))
                        n->at[kept++] = n->at[i];
        n->n = kept;
}

int names_copy(struct tgt_names *to, const struct tgt_names *from, struct err *e)
{
        for (size_t i = 0; i < from->n; i++) {
                char *text = strdup(from->at[i].text);
                if (!text)
                        return err_set(e, ENOMEM, "out of memory for %zu host names", from->n);
                if (names_own(to, text, e) || names_add(to, &from->at[i].ip, text, e))
                        return -1;
        }
        names_sort(to);
        return 0;
}

void names_free(struct tgt_names *n)
{
        for (size_t i = 0; i < n->n_texts; i++)
                free(n->texts[i]);
        for (size_t i = 0; i < n->n_written; i++)
                free(n->written[i]);
        free(n->texts);
        free(n->written);
        free(n->at);
        *n = (struct tgt_names){0};
}

int wanted_add(struct wanted *w, const char *name, int bits, const char *where, struct err *e)
{
        if (w->n >= TGT_NAMES_MAX)
                return err_set(e, 0, "%smore than %d host names in one list; split it", where, TGT_NAMES_MAX);
        if (mem_grow(&w->at, &w->cap, w->n + 1, sizeof(*w->at), e))
                return -1;
        struct wanted_name n = {.text = strdup(name), .where = strdup(where), .bits = bits};
        if (!n.text || !n.where) {
                free(n.text);
                free(n.where);
                return err_set(e, ENOMEM, "out of memory for %zu host names", w->n + 1);
        }
        w->at[w->n++] = n;
        return 0;
}

void wanted_free(struct wanted *w)
{
        for (size_t i = 0; i < w->n; i++) {
                free(w->at[i].text);
                free(w->at[i].where);
                free(w->at[i].got);
        }
        free(w->at);
        *w = (struct wanted){0};
}

static struct ip_addr addr_of_sock(const struct sockaddr *sa)
{
        if (sa->sa_family == AF_INET) {
                struct sockaddr_in in;
                memcpy(&in, sa, sizeof(in));
                return ip_v4(ntohl(in.sin_addr.s_addr));
        }
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        struct ip_addr a = ip_from_bytes(in6.sin6_addr.s6_addr, 6);
        if (ip_is_link_local(&a))
                a.zone = in6.sin6_scope_id;
        return a;
}

static void keep_answers(struct wanted_name *n, const struct addrinfo *list)
{
        size_t most = 0;
        for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
                most++;
        most = MIN(most, ADDRESSES_MAX);
        n->got = calloc(most ? most : 1, sizeof(*n->got));
        if (!n->got) {
                n->gai = EAI_MEMORY;
                return;
        }
        for (const struct addrinfo *ai = list; ai && n->n_got < most; ai = ai->ai_next)
                if (ai->ai_family == AF_INET || ai->ai_family == AF_INET6)
                        n->got[n->n_got++] = addr_of_sock(ai->ai_addr);
}

static void resolve_one(struct wanted_name *n, uint8_t family)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_IDN}, *list = NULL;
        hints.ai_family = family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC;
        n->gai = getaddrinfo(n->text, NULL, &hints, &list);
        n->sys = errno;
        if (n->gai)
                return;
        keep_answers(n, list);
        freeaddrinfo(list);
}

struct pool {
        struct wanted *w;
        uint8_t family;
        atomic_size_t next;
};

static void *resolver(void *arg)
{
        struct pool *p = arg;
        for (;;) {
                size_t i = atomic_fetch_add(&p->next, 1);
                if (i >= p->w->n)
                        return NULL;
                resolve_one(&p->w->at[i], p->family);
        }
}

/* The calling thread works too, so that no thread at all is still an answer. */
static void resolve_all(struct wanted *w, uint8_t family)
{
        struct pool p = {.w = w, .family = family};
        pthread_t id[RESOLVERS];
        unsigned n = 0;
        atomic_init(&p.next, 0);
        while (n < RESOLVERS && n + 1 < w->n && pthread_create(&id[n], NULL, resolver, &p) == 0)
                n++;
        resolver(&p);
        while (n > 0)
                pthread_join(id[--n], NULL);
}

static bool has_v4(const struct wanted_name *n)
{
        for (size_t i = 0; i < n->n_got; i++)
                if (n->got[i].family == 4)
                        return true;
        return false;
}

static void note_never(const struct wanted_name *n, const char *name, const struct tgt_range *r,
                       struct tgt_set *s)
{
        char where[sizeof(s->never_where)];
        struct seg g = seg_of(r);
        if (!reserved_seg(&g))
                return;
        snprintf(where, sizeof(where), "%s\"%.180s\" resolves to ", n->where, name);
        set_note_never(s, r, where);
}

/* name/24 means the IPv4 nets when the name has IPv4 addresses: an IPv6 /24 beside them was never meant. */
static int add_nets(const struct wanted_name *n, struct tgt_set *s, const char *owned, struct err *e)
{
        bool only_v4 = n->bits >= 0 && n->bits <= 32 && has_v4(n);
        size_t added = 0;
        for (size_t i = 0; i < n->n_got; i++) {
                struct ip_addr a = n->got[i];
                unsigned width = a.family == 4 ? 32 : 128, bits = n->bits < 0 ? width : (unsigned)n->bits;
                struct tgt_range r;
                if (bits > width || (only_v4 && a.family == 6))
                        continue;
                range_net(a, bits, &r);
                note_never(n, owned, &r, s);
                if (tgt_set_add_range(s, &r, e) || names_add(&s->names, &a, owned, e))
                        return -1;
                added++;
        }
        if (added == 0)
                return err_set(e, 0, "%s\"%s/%d\" has only IPv4 addresses, whose prefix length is 0 to 32",
                               n->where, owned, n->bits);
        return 0;
}

static int take_one(struct wanted_name *n, struct tgt_set *s, struct err *e)
{
        if (n->gai)
                return err_set(e, n->gai == EAI_SYSTEM ? n->sys : 0,
                               "%s\"%s\" does not resolve: %s; mend the name or give its address", n->where,
                               n->text, n->gai == EAI_SYSTEM ? strerror(n->sys) : gai_strerror(n->gai));
        if (n->n_got == 0)
                return err_set(e, 0, "%s\"%s\" has no IPv4 or IPv6 address", n->where, n->text);
        char *owned = n->text;
        n->text = NULL;
        return names_own(&s->names, owned, e) ? -1 : add_nets(n, s, owned, e);
}

int wanted_resolve(struct wanted *w, struct tgt_set *s, uint8_t family, struct err *e)
{
        resolve_all(w, family);
        for (size_t i = 0; i < w->n; i++)
                if (take_one(&w->at[i], s, e))
                        return -1;
        return 0;
}

static int keep_one(const struct wanted_name *n, struct tgt_names *names, struct err *e)
{
        size_t len = strlen(n->text) + sizeof("/128");
        if (names->n_written >= TGT_NAMES_MAX)
                return err_set(e, 0, "more than %d host names; split the list", TGT_NAMES_MAX);
        if (mem_grow(&names->written, &names->cap_written, names->n_written + 1, sizeof(*names->written), e))
                return -1;
        char *text = malloc(len);
        if (!text)
                return err_set(e, ENOMEM, "out of memory for %zu host names", names->n_written + 1);
        if (n->bits < 0)
                snprintf(text, len, "%s", n->text);
        else
                snprintf(text, len, "%s/%d", n->text, n->bits);
        names->written[names->n_written++] = text;
        return 0;
}

int wanted_keep(const struct wanted *w, struct tgt_set *s, struct err *e)
{
        for (size_t i = 0; i < w->n; i++)
                if (keep_one(&w->at[i], &s->names, e))
                        return -1;
        return 0;
}

size_t tgt_set_names(const struct tgt_set *s, const char *const **names)
{
        *names = (const char *const *)s->names.written;
        return s->names.n_written;
}
