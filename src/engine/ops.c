// SPDX-License-Identifier: Apache-2.0
/* ops: everything the program can do that is not a scan: lists, conversions, repairs, what the kernel knows.
 */
#include "eng.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int eng_fail(const struct err *e, int status)
{
        log_say(LOG_ERROR, "%s", e->text);
        return status;
}

/* -sL: the targets in the order they would be probed, no packets. One port: addresses only. */
static void print_target(const struct target *t, bool with_port)
{
        char ip[IP_TEXT_MAX];
        ip_format(ip, &t->ip);
        if (!with_port)
                printf("%s\n", ip);
        else
                printf(t->ip.family == 6 ? "[%s]:%u\n" : "%s:%u\n", ip, t->port);
}

/* Two batches, each in order of position, as one. */
static void print_in_order(const struct target_batch *a, const struct target_batch *b, bool with_port)
{
        for (unsigned i = 0, k = 0; i < a->n || k < b->n;) {
                bool first = k == b->n || (i < a->n && a->pos[i] < b->pos[k]);
                struct target t = first ? tgt_batch_at(a, i++) : tgt_batch_at(b, k++);
                print_target(&t, with_port);
        }
}

int eng_list(struct conf *c)
{
        struct err e = {0};
        struct eng *g = calloc(1, sizeof(*g));
        struct tgt_order order;
        static struct target_batch v4, v6;
        if (!g)
                return EXIT_FAILED;
        if (c->out.n_files) {
                free(g);
                err_set(&e, 0, "-sL prints to standard output and writes no \"%s\": redirect it",
                        c->out.files[0].path);
                return eng_fail(&e, EXIT_BAD_INPUT);
        }
        g->conf = c;
        if (tgt_ports_count(c->ports) == 0 && tgt_ports_add(c->ports, "80", TGT_TCP, &e))
                return eng_fail(&e, EXIT_BAD_INPUT);
        if (eng_make_plan(g, &e)) {
                free(g);
                return eng_fail(&e, EXIT_BAD_INPUT);
        }
        tgt_plan_facts(g->plan, &g->facts);
        tgt_order_init(&order, g->facts.probes, c->seed);
        uint64_t pos, end;
        int status = eng_arc(c, &order, &pos, &end, &e) ? eng_fail(&e, EXIT_BAD_INPUT) : EXIT_OK;
        while (status == EXIT_OK && pos < end && !ferror(stdout)) {
                v4.n = v6.n = 0;
                tgt_generate(g->plan, &order, &pos, end, UINT64_MAX, &v4, &v6);
                print_in_order(&v4, &v6, g->facts.ports > 1);
        }
        tgt_plan_free(g->plan);
        free(g);
        return fflush(stdout) ? EXIT_FAILED : status;
}

static void print_cidr(void *arg, const struct ip_addr *ip, unsigned bits)
{
        char text[IP_TEXT_MAX];
        (void)arg;
        ip_format(text, ip);
        printf("%s/%u\n", text, bits);
}

int eng_read_range(struct conf *c)
{
        struct err e = {0};
        struct tgt_spec spec = {
                .include = c->include, .exclude = c->exclude, .ports = c->ports, .allow_reserved = true};
        struct tgt_plan *plan;
        struct tgt_walk w;
        struct tgt_range r;
        char text[2 * IP_TEXT_MAX + 8];
        if (tgt_ports_count(c->ports) == 0 && tgt_ports_add(c->ports, "80", TGT_TCP, &e))
                return eng_fail(&e, EXIT_BAD_INPUT);
        if (tgt_set_finish(c->include, &e) || tgt_set_finish(c->exclude, &e) ||
            tgt_plan_new(&plan, &spec, &e))
                return eng_fail(&e, EXIT_BAD_INPUT);
        for (tgt_plan_walk(&w, plan); tgt_walk_next(&w, &r);) {
                if (c->op == OP_ECHO_CIDR) {
                        tgt_range_cidrs(&r, print_cidr, NULL);
                } else {
                        tgt_range_format(text, sizeof(text), &r);
                        printf("%s\n", text);
                }
        }
        tgt_plan_free(plan);
        return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

/* ---- --readscan ---- */

struct ranges { /* a finished set, laid out for look-ups */
        struct tgt_range *r;
        size_t n, cap;
};

static int lay_out(struct ranges *x, struct tgt_set *set, struct err *e)
{
        struct tgt_walk w;
        struct tgt_range r;
        if (tgt_set_finish(set, e))
                return -1;
        for (tgt_set_walk(&w, set); tgt_walk_next(&w, &r); x->r[x->n++] = r)
                if (mem_grow(&x->r, &x->cap, x->n + 1, sizeof(r), e))
                        return -1;
        return 0;
}

static bool in_ranges(const struct ranges *x, const struct ip_addr *ip)
{
        size_t lo = 0, hi = x->n;
        while (lo < hi) { /* the last range that starts at or before ip */
                size_t mid = lo + (hi - lo) / 2;
                if (ip_cmp(&x->r[mid].first, ip) > 0)
                        hi = mid;
                else
                        lo = mid + 1;
        }
        return lo && ip_cmp(ip, &x->r[lo - 1].last) <= 0 && x->r[lo - 1].last.family == ip->family;
}

struct filter {
        const struct conf *c;
        struct ranges include, exclude;
};

static bool wanted(const struct filter *f, const struct record *x)
{
        const struct conf *c = f->c;
        bool type_ok = !c->n_banner_types;
        if ((f->include.n && !in_ranges(&f->include, &x->who.ip)) || in_ranges(&f->exclude, &x->who.ip))
                return false;
        if (tgt_ports_count(c->ports) && !tgt_ports_has(c->ports, tgt_flat_port(&x->who)))
                return false;
        for (size_t i = 0; i < c->n_banner_types && x->state == PORT_BANNER; i++)
                type_ok |= c->banner_types[i] == x->app;
        return type_ok;
}

static int convert(const struct filter *filter, const char *path, struct out *out, struct err *e)
{
        struct out_reader *r;
        struct record x;
        int got, rc = -1;
        if (out_reader_open(&r, path, e))
                return -1;
        while ((got = out_reader_next(r, &x, e)) > 0) {
                if (!wanted(filter, &x))
                        continue;
                out_record(out, &x);
                if (out_pending(out) > 1 << 18 && out_flush(out, false, e))
                        goto close;
        }
        if (out_reader_torn(r))
                log_say(LOG_WARN, "\"%s\" ends in the middle of a record: everything before it was read",
                        path);
        rc = got;
close:
        out_reader_close(r);
        return rc;
}

/* Every input is looked at before an output is opened: a slip of the pen must not cost an old result. */
static int readable(const struct conf *c, struct err *e)
{
        for (size_t i = 0; i < c->n_files; i++) {
                struct out_reader *r;
                if (strcmp(c->files[i], "-") == 0)
                        continue;
                if (out_reader_open(&r, c->files[i], e))
                        return -1;
                out_reader_close(r);
        }
        return 0;
}

int eng_readscan(struct conf *c)
{
        struct err e = {0};
        struct out_run run = {.command_line = c->command_line,
                              .start_wall_ns = clock_wall_ns(),
                              .ports_tcp = "",
                              .ports_udp = "",
                              .ports_sctp = "",
                              .ports_other = "",
                              .as_masscan = c->as_masscan,
                              .from_readscan = true};
        struct out *out;
        bool failed = false;
        struct filter filter = {.c = c};
        if (lay_out(&filter.include, c->include, &e) || lay_out(&filter.exclude, c->exclude, &e) ||
            readable(c, &e) || out_open(&out, &c->out, &run, &e))
                return eng_fail(&e, EXIT_BAD_INPUT);
        for (size_t i = 0; i < c->n_files; i++)
                if (convert(&filter, c->files[i], out, &e)) {
                        failed = true;
                        eng_fail(&e, EXIT_FAILED);
                }
        free(filter.include.r);
        free(filter.exclude.r);
        if (out_close(out, &e))
                return eng_fail(&e, EXIT_FAILED);
        return failed ? EXIT_FAILED : EXIT_OK;
}

int eng_repair(struct conf *c)
{
        struct err e = {0};
        char report[512];
        int status = EXIT_OK;
        for (size_t i = 0; i < c->n_files; i++) {
                if (out_repair(c->files[i], report, sizeof(report), &e))
                        status = eng_fail(&e, EXIT_FAILED);
                else
                        log_say(LOG_INFO, "%s", report);
        }
        return status;
}

int eng_iflist(struct conf *c)
{
        struct err e = {0};
        struct io_facts *f;
        (void)c;
        if (io_facts_load(&f, &e))
                return eng_fail(&e, EXIT_FAILED);
        io_facts_print(f, stdout);
        io_facts_free(f);
        return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

static void mac_text(char out[18], const uint8_t m[6])
{
        snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void show_path(const struct eng *g, const struct target *t)
{
        static const char *const kinds[] = {"no route", "by a gateway", "on the link", "this host itself",
                                            "everybody on the link"};
        char ip[IP_TEXT_MAX], src[IP_TEXT_MAX], via[IP_TEXT_MAX] = "", us[18], them[18];
        uint16_t id = eng_path_of(g, &t->ip, 0);
        ip_format(ip, &t->ip);
        if (id == ENG_NO_PATH) {
                printf("%s: no route\n", ip);
                return;
        }
        const struct path *p = &g->paths[id];
        const struct dev *d = &g->devs[p->dev];
        ip_format(src, &p->source.first);
        if (p->via.family)
                ip_format(via, &p->via);
        mac_text(us, p->hop.us_mac);
        mac_text(them, p->hop.them_mac);
        printf("%s: %s%s%s, interface %s, sends by %s, receives by %s\n", ip, kinds[p->kind],
               via[0] ? " " : "", via, d->name, d->tx_ops->name, d->rx_ops ? d->rx_ops->name : "nothing");
        printf("    from %s (%u address%s), ports %u-%u\n", src, p->source.count,
               p->source.count == 1 ? "" : "es", p->source.port_first,
               p->source.port_first + p->source.port_count - 1);
        if (p->hop.link == LINK_ETHER)
                printf("    our MAC %s, next hop's MAC %s\n", us,
                       p->mac_known ? them : "asked by ARP/NDP when needed");
}

/* --debug if: what would be used, without sending a probe. */
int eng_debug_if(struct conf *c)
{
        struct err e = {0};
        struct tgt_walk w;
        struct tgt_range r;
        struct eng *g = aligned_alloc(CACHE_LINE, (sizeof(*g) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
        if (!g)
                return EXIT_FAILED;
        memset(g, 0, sizeof(*g));
        g->conf = c;
        if (tgt_set_empty(c->include) && tgt_set_add(c->include, "192.0.2.1", &(struct tgt_text){0}, &e))
                return eng_fail(&e, EXIT_BAD_INPUT);
        if (tgt_ports_count(c->ports) == 0 && tgt_ports_add(c->ports, "80", TGT_TCP, &e))
                return eng_fail(&e, EXIT_BAD_INPUT);
        int status = eng_prepare(g, &e) ? eng_fail(&e, EXIT_BAD_INPUT) : EXIT_OK;
        if (status == EXIT_OK)
                for (tgt_plan_walk(&w, g->plan); tgt_walk_next(&w, &r);)
                        show_path(g, &(struct target){.ip = r.first, .proto = 6});
        eng_free(g);
        return status;
}
