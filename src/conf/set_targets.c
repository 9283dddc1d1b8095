// SPDX-License-Identifier: Apache-2.0
/*
 * set_targets: rows that say what to scan: addresses, lists, ports, protocols. Plain numbers go into the sets
 * at once; what may hold a host name, or needs the seed, waits until every option is known (-n, -4, -6 and
 * --seed may come later on the line). Invariant: the excludes are only ever added to, and no part of one is
 * dropped.
 */
#include "option.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static int wait_for_the_end(struct conf *c, const struct opt_use *u, struct target_text t, struct err *e)
{
        struct conf_private *p = c->private_;
        t.text = conf_keep(c, u->value, e);
        t.as = u->as ? conf_keep(c, u->as, e) : NULL;
        t.file = u->file;
        t.line = u->line;
        t.column = u->column;
        if (!t.text || (u->as && !t.as) ||
            mem_grow(&p->later, &p->cap_later, p->n_later + 1, sizeof(*p->later), e))
                return -1;
        p->later[p->n_later++] = t;
        return 0;
}

static int add_text(struct conf *c, const struct opt_use *u, bool exclude, struct err *e)
{
        static const char plain[] = "0123456789./,-:* \t";
        struct tgt_text how = {.no_dns = true};
        if (!u->value[strspn(u->value, ", \t")])
                return err_set(e, 0, "the list of addresses is empty: give some, or leave the option out");
        if (u->value[strspn(u->value, plain)])
                return wait_for_the_end(c, u, (struct target_text){.exclude = exclude}, e);
        return tgt_set_add(exclude ? c->exclude : c->include, u->value, &how, e);
}

int set_target(struct conf *c, const struct opt_use *u, struct err *e)
{
        return add_text(c, u, false, e);
}

int set_exclude(struct conf *c, const struct opt_use *u, struct err *e)
{
        return add_text(c, u, true, e);
}

static int add_list(struct conf *c, const struct opt_use *u, bool exclude, struct err *e)
{
        bool is_stdin = strcmp(u->value, "-") == 0;
        if (is_stdin && c->private_->stdin_taken)
                return err_set(
                        e, 0,
                        "\"-\" was given for another list already: standard input can be read only once");
        c->private_->stdin_taken |= is_stdin;
        return wait_for_the_end(c, u, (struct target_text){.exclude = exclude, .from_path = true}, e);
}

int set_target_file(struct conf *c, const struct opt_use *u, struct err *e)
{
        return add_list(c, u, false, e);
}

int set_exclude_file(struct conf *c, const struct opt_use *u, struct err *e)
{
        return add_list(c, u, true, e);
}

int set_random_targets(struct conf *c, const struct opt_use *u, struct err *e)
{
        struct target_text t = {.random = true};
        if (val_u64(u->value, 1, 1ull << 32, &t.n, e))
                return -1;
        return wait_for_the_end(c, u, t, e);
}

int set_family(struct conf *c, const struct opt_use *u, struct err *e)
{
        int family = (int)u->opt->min;
        bool on = true;
        if (u->value && val_bool(u->value, &on, e))
                return -1;
        if (!on)
                return 0;
        if (c->as_masscan && family == 6)
                return conf_note(c, e, "-6 does nothing under the name masscan: both families are scanned");
        if (c->only_family && c->only_family != family)
                return err_set(
                        e, 0,
                        "-4 and -6 contradict each other: leave one out, or both to scan both families");
        c->only_family = family;
        return 0;
}

void dump_family(const struct conf *c, const struct opt *o, FILE *f)
{
        if (c->only_family == (int)o->min)
                fprintf(f, "%s = true\n", o->name);
}

/* ---- ports ---- */
static void want(struct conf_private *p, uint32_t base)
{
        p->want_tcp |= base == TGT_TCP;
        p->want_udp |= base == TGT_UDP;
        p->want_other |= base > TGT_UDP;
}

int set_ports(struct conf *c, const struct opt_use *u, struct err *e)
{
        struct conf_private *p = c->private_;
        bool any = u->opt->min < 0; /* whatever -sS, -sU … said before */
        uint32_t base = any ? p->port_base : (uint32_t)u->opt->min;
        if (tgt_ports_add(c->ports, u->value, base, e))
                return -1;
        if (!any)
                want(p, base);
        return 0;
}

int set_exclude_ports(struct conf *c, const struct opt_use *u, struct err *e)
{
        return tgt_ports_add(c->private_->no_ports, u->value, TGT_TCP, e);
}

int set_top_ports(struct conf *c, const struct opt_use *u, struct err *e)
{
        struct conf_private *p = c->private_;
        char number[16];
        bool on = true;
        uint64_t n = 20;
        const char *text = u->value, *colon = text ? strchr(text, ':') : NULL;
        if (text && strspn(text, "0123456789") == 0) {
                if (val_bool(text, &on, e))
                        return err_set(e, 0, "%s is no number of ports: give one, as in 100 or 20:udp",
                                       opt_quote(text).s);
                text = NULL;
        }
        if (text) {
                snprintf(number, sizeof(number), "%.*s", (int)strcspn(text, ":"), text);
                if (val_u64(number, 1, 65536, &n, e))
                        return -1;
        }
        if (colon && strcasecmp(colon, ":udp") != 0 && strcasecmp(colon, ":tcp") != 0)
                return err_set(e, 0, "%s: after the number only :tcp or :udp may stand", opt_quote(text).s);
        uint32_t *where = !colon ? &p->top_any : strcasecmp(colon, ":udp") == 0 ? &p->top_udp : &p->top_tcp;
        *where = on ? (uint32_t)n : 0;
        return 0;
}

int set_fast(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool on = true;
        if (u->value && val_bool(u->value, &on, e))
                return -1;
        c->private_->top_any = on ? 100 : 0;
        return 0;
}

static int add_pseudo_port(struct conf *c, const struct opt_use *u, const char *port, struct err *e)
{
        bool on = true;
        if (u->value && val_bool(u->value, &on, e))
                return -1;
        return on ? tgt_ports_add(c->ports, port, TGT_TCP, e) : 0;
}

int set_ping(struct conf *c, const struct opt_use *u, struct err *e)
{
        return add_pseudo_port(c, u, "I:0", e);
}

int set_arp(struct conf *c, const struct opt_use *u, struct err *e)
{
        return add_pseudo_port(c, u, "I:2", e);
}

int set_scan_type(struct conf *c, const struct opt_use *u, struct err *e)
{
        bool on = true;
        if (u->value && val_bool(u->value, &on, e))
                return -1;
        if (!on)
                return 0;
        c->private_->port_base = (uint32_t)u->opt->min;
        want(c->private_, (uint32_t)u->opt->min);
        if (u->letter == 'T')
                return conf_note(c, e, "-sT is done as a SYN scan: trawl opens no connections for it");
        return 0;
}

/* ---- when every option is known ---- */
static int add_later(struct conf *c, const struct target_text *t, struct err *e)
{
        struct tgt_text how = {
                .no_dns = c->no_dns, .family = (uint8_t)c->only_family, .keep_names = c->op == OP_ECHO};
        struct tgt_set *set = t->exclude ? c->exclude : c->include;
        if (t->from_path) {
                how.source = t->text;
                return tgt_set_add_file(set, t->text, &how, e);
        }
        if (t->random ? tgt_set_add_random(set, t->n, c->seed, e) == 0
                      : tgt_set_add(set, t->text, &how, e) == 0)
                return 0;
        if (t->file)
                return err_wrap(e, "%s:%u:%u: %s", t->file, t->line, t->column, t->as);
        return t->as ? err_wrap(e, "%s", t->as) : -1;
}

/* How many IPv4 addresses, and whether there is IPv6. */
static double count_v4(const struct tgt_set *set, bool *has_v6)
{
        struct tgt_walk w;
        struct tgt_range r;
        double n = 0;
        for (tgt_set_walk(&w, set); tgt_walk_next(&w, &r);) {
                *has_v6 |= r.first.family == 6;
                n += r.first.family == 4 ? (double)(r.last.lo - r.first.lo) + 1 : 0;
        }
        return n;
}

/* -4 and -6: the other family is simply excluded. That must not count as the exclude list which a scan of
 * over a billion addresses needs, so this one case is caught here. */
static int drop_family(struct conf *c, struct err *e)
{
        static const struct tgt_text how = {.no_dns = true};
        bool has_v6 = false;
        double n_v4 = count_v4(c->include, &has_v6);
        if (!c->only_family || (c->only_family == 4 && !has_v6))
                return 0;
        if (c->only_family == 4 && n_v4 > 1e9 && tgt_set_empty(c->exclude) && c->op == OP_SCAN)
                return err_set(
                        e, 0,
                        "%.0f IPv4 addresses and no exclude list: give one with --excludefile FILE (or "
                        "--exclude 255.255.255.255 when there is really nothing to leave out)",
                        n_v4);
        return tgt_set_add(c->exclude, c->only_family == 4 ? "::/0" : "0.0.0.0/0", &how, e) ||
                               tgt_set_finish(c->exclude, e)
                       ? -1
                       : 0;
}

static int add_top(struct conf *c, uint32_t n, uint32_t base, struct err *e)
{
        return n && tgt_ports_add_top(c->ports, n, base, e) ? err_wrap(e, "--top-ports") : 0;
}

static int finish_ports(struct conf *c, struct err *e)
{
        struct conf_private *p = c->private_;
        if (p->top_any && (p->want_tcp || !p->want_udp))
                p->top_tcp = MAX(p->top_tcp, p->top_any);
        if (p->top_any && p->want_udp)
                p->top_udp = MAX(p->top_udp, p->top_any);
        if (add_top(c, p->top_tcp, TGT_TCP, e) || add_top(c, p->top_udp, TGT_UDP, e))
                return -1;
        if (tgt_ports_count(c->ports) == 0 && c->op == OP_LIST && tgt_ports_add(c->ports, "80", TGT_TCP, e))
                return -1;
        if (tgt_ports_count(p->no_ports) == 0)
                return 0;
        bool had_any = tgt_ports_count(c->ports) > 0;
        char *text = tgt_ports_format(p->no_ports);
        int rc = text ? tgt_ports_sub(c->ports, text, TGT_TCP, e)
                      : err_set(e, 0, "out of memory for a port list");
        free(text);
        if (rc == 0 && had_any && tgt_ports_count(c->ports) == 0)
                return err_set(e, 0,
                               "--exclude-ports takes away every port there was: nothing is left to scan");
        return rc;
}

int targets_finish(struct conf *c, struct err *e)
{
        struct conf_private *p = c->private_;
        for (size_t i = 0; i < p->n_later; i++)
                if (add_later(c, &p->later[i], e))
                        return -1;
        p->n_later = 0;
        if (tgt_set_finish(c->include, e) || tgt_set_finish(c->exclude, e) || drop_family(c, e))
                return -1;
        return finish_ports(c, e);
}

/* ---- printing ---- */
static void dump_set(const struct tgt_set *set, const char *name, FILE *f)
{
        struct tgt_walk w;
        struct tgt_range r;
        const char *const *names;
        size_t n;
        char text[2 * IP_TEXT_MAX + 8];
        for (tgt_set_walk(&w, set); tgt_walk_next(&w, &r);) {
                tgt_range_format(text, sizeof(text), &r);
                fprintf(f, "%s = %s\n", name, text);
        }
        n = tgt_set_names(set, &names);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%s = %s\n", name, names[i]);
}

void dump_targets(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_set(c->include, o->name, f);
}

void dump_excludes(const struct conf *c, const struct opt *o, FILE *f)
{
        dump_set(c->exclude, o->name, f);
}

void dump_ports(const struct conf *c, const struct opt *o, FILE *f)
{
        char *text = tgt_ports_count(c->ports) ? tgt_ports_format(c->ports) : NULL;
        if (text)
                fprintf(f, "%s = %s\n", o->name, text);
        free(text);
}
