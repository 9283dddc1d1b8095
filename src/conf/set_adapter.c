// SPDX-License-Identifier: Apache-2.0
/*
 * set_adapter: rows about one of the eight adapters: name, source addresses and ports, MACs, router, VLAN. An
 * index in brackets picks the adapter; without one it is the first. Invariant: n_adapters is the highest
 * index used plus one, and a range always runs upwards.
 */
#include "option.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static struct conf_adapter *adapter_of(struct conf *c, const struct opt_use *u)
{
        struct conf_adapter *a = &c->adapters[u->index];
        a->used = true;
        c->n_adapters = MAX(c->n_adapters, u->index + 1);
        return a;
}

int set_adapter(struct conf *c, const struct opt_use *u, struct err *e)
{
        size_t n = strlen(u->value);
        if (strncmp(u->value, "file:", 5) == 0)
                return err_set(
                        e, 0,
                        "%s is a file: write probes into one with --io-tx %s, read answers with --io-rx %s",
                        opt_quote(u->value).s, opt_quote(u->value).s, opt_quote(u->value).s);
        if (!n || n >= sizeof(c->adapters[0].name))
                return err_set(e, 0, "%s is no interface: trawl --iflist shows those there are",
                               opt_quote(u->value).s);
        for (size_t i = 0; i < n; i++)
                if (isspace((unsigned char)u->value[i]) || iscntrl((unsigned char)u->value[i]))
                        return err_set(e, 0, "%s is no interface: its name has blanks in it",
                                       opt_quote(u->value).s);
        memcpy(adapter_of(c, u)->name, u->value, n + 1);
        return 0;
}

static int one_range(const char *text, struct tgt_range *out, struct err *e)
{
        static const struct tgt_text how = {.no_names = true, .no_dns = true};
        struct tgt_set *set;
        struct tgt_walk w;
        struct tgt_range more;
        if (tgt_set_new(&set, e))
                return -1;
        int rc = tgt_set_add(set, text, &how, e) || tgt_set_finish(set, e) ? -1 : 0;
        if (rc == 0) {
                tgt_set_walk(&w, set);
                if (!tgt_walk_next(&w, out) || tgt_walk_next(&w, &more))
                        rc = err_set(e, 0,
                                     "%s: give one address or one range, as in 192.0.2.7 or 192.0.2.16/28",
                                     opt_quote(text).s);
        }
        tgt_set_free(set);
        return rc;
}

static bool beyond_32_bits(const struct tgt_range *r)
{
        return r->last.hi - r->first.hi != (r->last.lo < r->first.lo) ||
               r->last.lo - r->first.lo > UINT32_MAX - 1;
}

int set_adapter_ip(struct conf *c, const struct opt_use *u, struct err *e)
{
        struct tgt_range r;
        if (one_range(u->value, &r, e))
                return -1;
        if (beyond_32_bits(&r))
                return err_set(e, 0, "%s is too large: at most 2^32-1 source addresses can be used",
                               opt_quote(u->value).s);
        struct conf_adapter *a = adapter_of(c, u);
        *(r.first.family == 4 ? &a->v4 : &a->v6) = r;
        *(r.first.family == 4 ? &a->has_v4 : &a->has_v6) = true;
        return 0;
}

int set_adapter_port(struct conf *c, const struct opt_use *u, struct err *e)
{
        char first_text[8];
        size_t dash = strcspn(u->value, "-");
        uint64_t first, last;
        snprintf(first_text, sizeof(first_text), "%.*s", (int)MIN(dash, sizeof(first_text) - 1), u->value);
        if (dash >= sizeof(first_text) || val_u64(first_text, 1, 65535, &first, NULL) ||
            val_u64(u->value[dash] ? u->value + dash + 1 : first_text, 1, 65535, &last, NULL))
                return err_set(e, 0,
                               "%s is no source port: give one from 1 to 65535, or a range as in 40000-49999",
                               opt_quote(u->value).s);
        if (last < first)
                return err_set(e, 0, "%s runs backwards: write %llu-%llu", opt_quote(u->value).s,
                               (unsigned long long)last, (unsigned long long)first);
        struct conf_adapter *a = adapter_of(c, u);
        a->port_first = (uint16_t)first;
        a->port_last = (uint16_t)last;
        a->has_port = true;
        return 0;
}

int set_adapter_mac(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint8_t mac[6];
        if (val_mac(u->value, mac, e))
                return -1;
        struct conf_adapter *a = adapter_of(c, u);
        memcpy(a->mac, mac, 6);
        a->has_mac = true;
        return 0;
}

static void take_router_ip(struct conf *c, const struct opt_use *u, const struct ip_addr *ip)
{
        struct conf_adapter *a = adapter_of(c, u);
        *(ip->family == 4 ? &a->router_ip4 : &a->router_ip6) = *ip;
}

/* min tells the family: 4, 6, or 0 for both. The names "router-ipv4" and "router-ipv6" take a MAC at masscan,
 * though they promise an address: both are understood. */
int set_router_mac(struct conf *c, const struct opt_use *u, struct err *e)
{
        int family = (int)u->opt->min;
        struct ip_addr ip;
        uint8_t mac[6];
        if (family && ip_parse(&ip, u->value, strlen(u->value)) == 0 && ip.family == family) {
                take_router_ip(c, u, &ip);
                conf_mark_set(c, "router-ip", u->origin);
                return 0;
        }
        if (val_mac(u->value, mac, e))
                return -1;
        struct conf_adapter *a = adapter_of(c, u);
        if (family != 6) {
                memcpy(a->router_mac4, mac, 6);
                a->has_router_mac4 = true;
                conf_mark_set(c, "router-mac-ipv4", u->origin);
        }
        if (family != 4) {
                memcpy(a->router_mac6, mac, 6);
                a->has_router_mac6 = true;
                conf_mark_set(c, "router-mac-ipv6", u->origin);
        }
        return 0;
}

int set_router_ip(struct conf *c, const struct opt_use *u, struct err *e)
{
        struct ip_addr ip;
        if (ip_parse(&ip, u->value, strlen(u->value)))
                return err_set(e, 0, "%s is no address: give the router's, as in 192.0.2.1 or fe80::1%%eth0",
                               opt_quote(u->value).s);
        take_router_ip(c, u, &ip);
        return 0;
}

int set_vlan(struct conf *c, const struct opt_use *u, struct err *e)
{
        uint64_t id;
        if (val_u64(u->value, 0, 4094, &id, e))
                return -1;
        adapter_of(c, u)->vlan = (int)id;
        return 0;
}

/* ---- printing ---- */
enum what { A_NAME, A_IP4, A_IP6, A_PORT, A_MAC, A_ROUTER_MAC4, A_ROUTER_MAC6, A_ROUTER4, A_ROUTER6, A_VLAN };

static void put_text(char *out, size_t cap, const char *text)
{
        snprintf(out, cap, "%s", text);
}

static void put_address(char *out, size_t cap, const struct ip_addr *ip)
{
        char text[IP_TEXT_MAX];
        if (!ip->family)
                return;
        ip_format(text, ip);
        put_text(out, cap, text);
}

/* The value as text, "" when it was never given. */
static void value_text(char *out, size_t cap, const struct conf_adapter *a, enum what what)
{
        out[0] = 0;
        if (what == A_NAME)
                put_text(out, cap, a->device[0] ? a->device : a->name);
        else if (what == A_IP4 && a->has_v4)
                tgt_range_format(out, cap, &a->v4);
        else if (what == A_IP6 && a->has_v6)
                tgt_range_format(out, cap, &a->v6);
        else if (what == A_PORT && a->has_port)
                snprintf(out, cap, "%u-%u", a->port_first, a->port_last);
        else if (what == A_MAC && a->has_mac)
                put_text(out, cap, val_of_mac(a->mac).s);
        else if (what == A_ROUTER_MAC4 && a->has_router_mac4)
                put_text(out, cap, val_of_mac(a->router_mac4).s);
        else if (what == A_ROUTER_MAC6 && a->has_router_mac6)
                put_text(out, cap, val_of_mac(a->router_mac6).s);
        else if (what == A_ROUTER4 || what == A_ROUTER6)
                put_address(out, cap, what == A_ROUTER4 ? &a->router_ip4 : &a->router_ip6);
        else if (what == A_VLAN && a->vlan)
                snprintf(out, cap, "%d", a->vlan);
}

static void dump_each(const struct conf *c, const struct opt *o, FILE *f, enum what what)
{
        char text[2 * IP_TEXT_MAX + sizeof(c->adapters[0].name)], name[OPT_NAME_MAX + 8];
        for (unsigned i = 0; i < c->n_adapters; i++) {
                value_text(text, sizeof(text), &c->adapters[i], what);
                if (!text[0])
                        continue;
                if (c->n_adapters > 1)
                        snprintf(name, sizeof(name), "%s[%u]", o->name, i);
                else
                        snprintf(name, sizeof(name), "%s", o->name);
                opt_dump_text(name, NULL, text, f);
        }
}

void dump_adapter(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_each(c, o, f, A_NAME);
}

void dump_adapter_ip(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_each(c, o, f, A_IP4);
        dump_each(c, o, f, A_IP6);
}

void dump_adapter_port(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_each(c, o, f, A_PORT);
}

void dump_adapter_mac(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_each(c, o, f, A_MAC);
}

void dump_router_mac4(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_each(c, o, f, A_ROUTER_MAC4);
}

void dump_router_mac6(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_each(c, o, f, A_ROUTER_MAC6);
}

void dump_router_ip(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_each(c, o, f, A_ROUTER4);
        dump_each(c, o, f, A_ROUTER6);
}

void dump_vlan(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_each(c, o, f, A_VLAN);
}
