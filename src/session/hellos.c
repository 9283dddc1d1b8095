// SPDX-License-Identifier: Apache-2.0
/*
 * hellos: what can be said first, and in which order. The rows of banner_table that have a hello, TLS, and
 * the user's own bytes, as small numbers. Used by tries.c. Invariant: the order for a port depends on the
 * port, the configuration and what was tried already: nothing else, so it can be written down.
 */
#include "session_priv.h"
#include <stdio.h>

/* By likelihood on a port that tells nothing; rows that are not named here follow in the table's order. */
static const char *const likely[] = {"http", "tls", "rdp",  "smb",       "redis",    "postgres", "mongodb",
                                     "rtsp", "sip", "ldap", "socks",     "amqp",     "mqtt",     "dns",
                                     "xmpp", "rmi", "x11",  "memcached", "minecraft"};

/* Who says nothing to nonsense waits for more of it: its messages begin with a length, or end with an empty
 * line. After two silences these come first. */
static const char *const patient[] = {"dns", "smb", "sip", "x11", "minecraft"};

/* Ports where TLS begins with the first byte, and what speaks inside: a row's name, or "" for servers that
 * greet. IANA's registry of service names, and usage. */
static const struct {
        uint16_t port;
        const char *inner;
} tls_ports[] = {
        {261, ""},      {322, "rtsp"},   {443, "http"},   {448, ""},      {465, ""},       {563, ""},
        {585, ""},      {614, ""},       {636, "ldap"},   {637, "ldap"},  {684, ""},       {695, ""},
        {832, "http"},  {853, "dns"},    {989, ""},       {990, ""},      {991, ""},       {992, ""},
        {993, ""},      {994, ""},       {995, ""},       {2078, "http"}, {2083, "http"},  {2087, "http"},
        {2096, "http"}, {2376, "http"},  {3269, "ldap"},  {3424, ""},     {4433, "http"},  {4443, "http"},
        {5061, "sip"},  {5223, "xmpp"},  {5349, ""},      {5443, "http"}, {5671, "amqp"},  {5986, "http"},
        {6443, "http"}, {6514, ""},      {6619, ""},      {6697, ""},     {7443, "http"},  {8140, "http"},
        {8243, "http"}, {8443, "http"},  {8444, "http"},  {8531, "http"}, {8834, "http"},  {8883, "mqtt"},
        {9443, "http"}, {10250, "http"}, {10443, "http"}, {11712, ""},    {12443, "http"}, {16993, "http"},
        {49955, ""},
};

const char *tls_port_inner(uint16_t port, bool *known)
{
        *known = true;
        for (size_t i = 0; i < ARRAY_LEN(tls_ports); i++)
                if (tls_ports[i].port == port)
                        return tls_ports[i].inner;
        *known = false;
        return "";
}

const struct banner_ops *hello_row(uint8_t hello)
{
        return hello >= HELLO_ROW ? banner_table[hello - HELLO_ROW] : NULL;
}

uint8_t hello_of(const struct banner_ops *b)
{
        for (unsigned i = 0; b && banner_table[i] && i < HELLO_MAX - HELLO_ROW; i++)
                if (banner_table[i] == b)
                        return (uint8_t)(HELLO_ROW + i);
        return HELLO_NONE;
}

uint8_t hello_by_name(const char *name)
{
        if (strcmp(name, "tls") == 0 || strcmp(name, "ssl") == 0)
                return HELLO_TLS;
        return hello_of(banner_by_name(name));
}

/* May this be said to a server that nothing is known of? */
static bool opens(const struct banner_ops *b)
{
        return b->hello && !b->check && !b->speaks_first;
}

static unsigned add(uint8_t order[HELLO_MAX], unsigned n, uint8_t hello)
{
        for (unsigned i = 0; i < n; i++)
                if (order[i] == hello)
                        return n;
        order[n] = hello;
        return n + 1;
}

unsigned hello_order(uint8_t order[HELLO_MAX])
{
        unsigned n = 0;
        for (size_t i = 0; i < ARRAY_LEN(likely); i++) {
                uint8_t h = hello_by_name(likely[i]);
                if (h == HELLO_TLS || (h && opens(hello_row(h))))
                        n = add(order, n, h);
        }
        for (unsigned i = 0; banner_table[i] && i < HELLO_MAX - HELLO_ROW; i++)
                if (opens(banner_table[i]))
                        n = add(order, n, (uint8_t)(HELLO_ROW + i));
        return n;
}

const char *session_hello_order(void)
{
        static char text[512];
        uint8_t order[HELLO_MAX];
        unsigned n = hello_order(order);
        struct wr w = wr_of(text, sizeof(text) - 1);
        for (unsigned i = 0; i < n; i++) {
                if (i)
                        wr_str(&w, ", ");
                wr_str(&w, order[i] == HELLO_TLS ? "tls" : hello_row(order[i])->name);
        }
        text[wr_len(&w)] = 0;
        return text;
}

const struct session_hello *hello_of_user(const struct session_set *set, uint16_t port)
{
        for (size_t i = 0; i < set->conf.n_hellos; i++)
                if (set->conf.hellos[i].port == port)
                        return &set->conf.hellos[i];
        return NULL;
}

/* A row that is usual on this port and was not tried. */
static uint8_t row_of_port(uint16_t port, uint64_t tried, bool wake)
{
        for (unsigned i = 0; banner_table[i] && i < HELLO_MAX - HELLO_ROW; i++) {
                const struct banner_ops *b = banner_table[i];
                bool fits = wake ? b->hello && b->speaks_first && !b->check : opens(b);
                if (fits && !(tried >> (HELLO_ROW + i) & 1) && banner_has_port(b, port))
                        return (uint8_t)(HELLO_ROW + i);
        }
        return HELLO_NONE;
}

static uint8_t of_port(const struct session_set *set, uint16_t port, uint64_t tried)
{
        bool tls;
        tls_port_inner(port, &tls);
        if (tls && set->tls && !(tried >> HELLO_TLS & 1))
                return HELLO_TLS;
        return row_of_port(port, tried, false);
}

uint8_t hello_first(const struct session_set *set, uint16_t port)
{
        if (hello_of_user(set, port))
                return HELLO_USER;
        return set->first ? set->first : of_port(set, port, 0);
}

static uint8_t patient_one(const struct session *s)
{
        for (size_t i = 0; i < ARRAY_LEN(patient); i++) {
                uint8_t h = hello_by_name(patient[i]);
                if (h && !hello_tried(s, h))
                        return h;
        }
        return HELLO_NONE;
}

uint8_t hello_next(const struct session_set *set, const struct session *s)
{
        bool inside = s->flags & F_INSIDE;
        uint8_t h = inside ? hello_inside(s) : of_port(set, s->who.port, s->tried);
        if (!h && s->silent >= SILENT_FEW - 1)
                h = patient_one(s);
        for (unsigned i = 0; !h && i < set->n_order; i++)
                if (!hello_tried(s, set->order[i]) && (set->order[i] != HELLO_TLS || set->tls))
                        h = set->order[i];
        return h;
}

uint8_t hello_inside(const struct session *s)
{
        bool known;
        uint8_t h = hello_by_name(tls_port_inner(s->who.port, &known));
        return h && !hello_tried(s, h) ? h : row_of_port(s->who.port, s->tried, false);
}

uint8_t hello_of_port(uint16_t port)
{
        return row_of_port(port, 0, false);
}

uint8_t hello_wake(const struct session *s)
{
        return row_of_port(s->who.port, s->tried, true);
}

bool hello_usual(const struct session_set *set, const struct session *s)
{
        bool tls;
        const char *inner = tls_port_inner(s->who.port, &tls);
        if (s->hello == HELLO_TLS)
                return tls;
        if (s->flags & F_INSIDE && s->hello == hello_by_name(inner))
                return s->hello != HELLO_NONE;
        const struct banner_ops *b = hello_row(s->hello);
        return s->hello == HELLO_USER || s->hello == set->first || (b && banner_has_port(b, s->who.port));
}

bool port_speaks_first(uint16_t port)
{
        for (unsigned i = 0; banner_table[i]; i++)
                if (banner_table[i]->speaks_first && banner_has_port(banner_table[i], port))
                        return true;
        return false;
}
