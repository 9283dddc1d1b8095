// SPDX-License-Identifier: Apache-2.0
/*
 * sim_args: the command line of the simulated Internet, one table for parsing and for the help. First stop of
 * the flow; everything after it works on struct sim_args alone.
 * Invariant: what is returned with 0 is complete and within its bounds; a bad word is quoted and fatal.
 */
#include "sim_user.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct opt {
        const char *name;
        int nargs;
        int (*set)(struct sim_args *, char **v, struct err *);
        const char *args, *help;
};

static int parse_number(const char *text, uint64_t max, uint64_t *out, struct err *e)
{
        char *end;
        errno = 0;
        unsigned long long v = strtoull(text, &end, 0);
        if (errno || end == text || *end || text[0] == '-' || v > max)
                return err_set(e, 0, "'%s' is not a number from 0 to %llu", text, (unsigned long long)max);
        *out = v;
        return 0;
}

static int parse_percent(const char *text, double *out, struct err *e)
{
        char *end;
        double v = strtod(text, &end);
        if (end == text || *end || !(v >= 0 && v <= 100))
                return err_set(e, 0, "'%s' is not a percentage from 0 to 100", text);
        *out = v;
        return 0;
}

/* A percentage on the kernel side's scale of 2^32. */
static uint64_t share_of(double percent)
{
        return (uint64_t)(percent / 100 * 4294967296.0 + 0.5);
}

static int parse_share(const char *text, __u64 *out, struct err *e)
{
        double percent;
        if (parse_percent(text, &percent, e))
                return -1;
        *out = share_of(percent);
        return 0;
}

/* Network-order bytes as the pair of words that struct sim_prefix has. */
static void address_words(const uint8_t *b, uint32_t family, __u64 *hi, __u64 *lo)
{
        *hi = family == 4 ? 0 : get_be64(b);
        *lo = family == 4 ? get_be32(b) : get_be64(b + 8);
}

static int parse_prefix(const char *text, struct sim_prefix *p, struct err *e)
{
        char addr[64];
        uint8_t bytes[16];
        uint64_t len;
        const char *slash = strchr(text, '/');
        size_t n = slash ? (size_t)(slash - text) : strlen(text);
        if (n >= sizeof(addr))
                return err_set(e, 0, "'%s' is too long for a prefix", text);
        memcpy(addr, text, n);
        addr[n] = 0;
        uint32_t family = strchr(addr, ':') ? 6 : 4, width = family == 4 ? 32 : 128;
        if (inet_pton(family == 4 ? AF_INET : AF_INET6, addr, bytes) != 1)
                return err_set(e, 0, "'%s' is not a prefix; write 10.0.0.0/8 or 2001:db8::/48", text);
        if (parse_number(slash ? slash + 1 : (family == 4 ? "32" : "128"), width, &len, e))
                return err_wrap(e, "prefix '%s'", text);
        uint32_t host = width - (uint32_t)len;
        *p = (struct sim_prefix){.family = family, .bits = host};
        p->lo_mask = host >= 64 ? 0 : ~0ull << host;
        p->hi_mask = family == 4 ? 0 : host >= 128 ? 0 : host > 64 ? ~0ull << (host - 64) : ~0ull;
        if (family == 4)
                p->lo_mask &= 0xffffffff;
        address_words(bytes, family, &p->hi, &p->lo);
        p->hi &= p->hi_mask;
        p->lo &= p->lo_mask;
        return 0;
}

static int add_port_range(struct sim_grid *g, const char *item, struct err *e)
{
        unsigned first, last;
        char junk;
        int n = sscanf(item, "%u-%u%c", &first, &last, &junk);
        if (n == 1 && !strchr(item, '-'))
                last = first;
        else if (n != 2)
                return err_set(e, 0, "'%s' is not a port or a range of ports", item);
        if (first > last || last > 65535 || g->nports + (last - first + 1) > SIM_PORTS_MAX)
                return err_set(e, 0, "'%s': ports go from 0 to 65535, and at most %d of them", item,
                               SIM_PORTS_MAX);
        for (unsigned p = first; p <= last; p++)
                g->ports[g->nports++] = (uint16_t)p;
        return 0;
}

/* PREFIX and PORTS ("80,443,8000-8010") */
static int parse_grid(struct sim_grid *g, char **v, struct err *e)
{
        char list[1024];
        size_t n = strlen(v[1]);
        if (parse_prefix(v[0], &g->prefix, e))
                return -1;
        if (g->prefix.bits > 32)
                return err_set(e, 0, "'%s' is too large to go through address by address", v[0]);
        if (n >= sizeof(list))
                return err_set(e, 0, "'%.40s…' is too long a list of ports", v[1]);
        memcpy(list, v[1], n + 1);
        g->nports = 0;
        if (!g->ports && !(g->ports = calloc(SIM_PORTS_MAX, sizeof(*g->ports))))
                return err_set(e, errno, "no memory for a list of ports");
        char *save = NULL;
        for (char *item = strtok_r(list, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
                if (add_port_range(g, item, e))
                        return -1;
        }
        return g->nports ? 0 : err_set(e, 0, "'%s' names no port", v[1]);
}

static int set_dev(struct sim_args *a, char **v, struct err *e)
{
        (void)e;
        a->far.dev = v[0];
        return 0;
}

static int set_prefix(struct sim_args *a, char **v, struct err *e)
{
        if (a->conf.nprefixes == SIM_PREFIXES - 1) /* one place is kept for --track */
                return err_set(e, 0, "'%s' is one prefix too many: %d is the limit", v[0], SIM_PREFIXES - 1);
        return parse_prefix(v[0], &a->conf.prefix[a->conf.nprefixes++], e);
}

static int set_open(struct sim_args *a, char **v, struct err *e)
{
        return parse_percent(v[0], &a->open_pct, e);
}

static int set_closed(struct sim_args *a, char **v, struct err *e)
{
        return parse_percent(v[0], &a->closed_pct, e);
}

static int set_unreach(struct sim_args *a, char **v, struct err *e)
{
        return parse_percent(v[0], &a->unreach_pct, e);
}

static int set_tarpit(struct sim_args *a, char **v, struct err *e)
{
        return parse_percent(v[0], &a->tarpit_pct, e);
}

static int set_repeats(struct sim_args *a, char **v, struct err *e)
{
        uint64_t n;
        if (parse_number(v[0], SIM_REPEATS_MAX, &n, e))
                return -1;
        a->conf.repeats = (uint32_t)n;
        return 0;
}

static int set_mode(struct sim_args *a, char **v, struct err *e)
{
        static const char *const names[] = {
                [SIM_RESPOND] = "respond", [SIM_CHECK] = "check", [SIM_DROP] = "drop"};
        for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
                if (!strcmp(v[0], names[i])) {
                        a->conf.mode = i;
                        return 0;
                }
        }
        return err_set(e, 0, "'%s' is none of respond, check, drop", v[0]);
}

static int set_slow(struct sim_args *a, char **v, struct err *e)
{
        uint64_t ns;
        if (parse_number(v[0], NS_PER_MS, &ns, e))
                return -1;
        a->conf.slow_ns = ns;
        return 0;
}

static int set_cookie_key(struct sim_args *a, char **v, struct err *e)
{
        char *text;
        size_t len;
        unsigned long long k[2];
        if (file_read(v[0], 4096, &text, &len, e))
                return -1;
        bool good = sscanf(text, "%16llx%16llx", &k[0], &k[1]) == 2;
        free(text);
        if (!good)
                return err_set(e, 0, "'%s' does not hold 32 hexadecimal digits", v[0]);
        a->conf.cookie_key[0] = k[0];
        a->conf.cookie_key[1] = k[1];
        a->conf.cookie = 1;
        return 0;
}

static int set_key(struct sim_args *a, char **v, struct err *e)
{
        uint64_t key;
        if (parse_number(v[0], UINT64_MAX, &key, e))
                return -1;
        a->conf.key = key;
        return 0;
}

static int set_loss_in(struct sim_args *a, char **v, struct err *e)
{
        return parse_share(v[0], &a->conf.loss_in, e);
}

static int set_loss_out(struct sim_args *a, char **v, struct err *e)
{
        return parse_share(v[0], &a->conf.loss_out, e);
}

static int set_delay(struct sim_args *a, char **v, struct err *e)
{
        double from, to;
        char junk;
        if (sscanf(v[0], "%lf-%lf%c", &from, &to, &junk) != 2 || !(from >= 0 && from <= to && to <= 6000))
                return err_set(e, 0, "'%s' is not a delay; write MIN-MAX in milliseconds, at most 6000",
                               v[0]);
        a->conf.late_min_ns = (uint64_t)(from * 1e6);
        a->conf.late_span_ns = (uint64_t)((to - from) * 1e6) + 1;
        a->delay_given = true;
        if (!a->conf.late_share)
                a->conf.late_share = share_of(100);
        return 0;
}

static int set_delay_share(struct sim_args *a, char **v, struct err *e)
{
        return parse_share(v[0], &a->conf.late_share, e);
}

/* Late by so little that it is out of turn, and no more. */
static int set_reorder(struct sim_args *a, char **v, struct err *e)
{
        if (a->delay_given)
                return err_set(e, 0,
                               "--reorder and --delay exclude each other: a random delay reorders by itself");
        a->conf.late_span_ns = 5 * NS_PER_MS;
        return parse_share(v[0], &a->conf.late_share, e);
}

static const char *const hostile_names[HOSTILE_NKINDS] = {"dup",   "cookie",  "foreign",
                                                          "short", "corrupt", "icmp"};

static int set_hostile_item(struct sim_args *a, char *item, struct err *e)
{
        char *eq = strchr(item, '=');
        bool found = false;
        for (int i = 0; i < HOSTILE_NKINDS; i++) {
                if (eq &&
                    (strncmp(item, hostile_names[i], (size_t)(eq - item)) || hostile_names[i][eq - item]))
                        continue;
                found = true;
                if (parse_share(eq ? eq + 1 : item, &a->conf.hostile[i], e))
                        return -1;
        }
        return found ? 0
                     : err_set(e, 0, "'%s': the kinds are dup, cookie, foreign, short, corrupt, icmp", item);
}

static int set_hostile(struct sim_args *a, char **v, struct err *e)
{
        char *save = NULL;
        for (char *item = strtok_r(v[0], ",", &save); item; item = strtok_r(NULL, ",", &save)) {
                if (set_hostile_item(a, item, e))
                        return -1;
        }
        return 0;
}

static int set_answers(struct sim_args *a, char **v, struct err *e)
{
        uint64_t n;
        if (parse_number(v[0], 1000, &n, e))
                return -1;
        a->copies = n > 1 ? (uint32_t)n - 1 : 0;
        a->conf.hostile[HOSTILE_DUP] = n > 1 ? share_of(100) : 0;
        return 0;
}

static int set_vlan(struct sim_args *a, char **v, struct err *e)
{
        uint64_t id;
        if (parse_number(v[0], 4094, &id, e))
                return -1;
        a->conf.vlan = (uint32_t)id;
        return 0;
}

static int set_router(struct sim_args *a, char **v, struct err *e)
{
        struct sim_prefix p;
        if (parse_prefix(v[0], &p, e))
                return -1;
        if (p.family == 4)
                a->conf.router4 = (uint32_t)p.lo;
        else {
                a->conf.router_hi = p.hi;
                a->conf.router_lo = p.lo;
        }
        return 0;
}

static int set_pass(struct sim_args *a, char **v, struct err *e)
{
        (void)e;
        a->pass = (struct sim_place){v[0], v[1]};
        return 0;
}

static int set_hush(struct sim_args *a, char **v, struct err *e)
{
        (void)e;
        a->hush = (struct sim_place){v[0], v[1]};
        return 0;
}

static int set_sink(struct sim_args *a, char **v, struct err *e)
{
        (void)e;
        a->sink = (struct sim_place){v[0], v[1]};
        return 0;
}

static int set_track(struct sim_args *a, char **v, struct err *e)
{
        if (a->track.nports)
                return err_set(e, 0, "one --track or --plan is all there can be");
        return parse_grid(&a->track, v, e);
}

static int set_plan(struct sim_args *a, char **v, struct err *e)
{
        if (a->track.nports)
                return err_set(e, 0, "one --track or --plan is all there can be");
        a->conf.plan = 1;
        return parse_grid(&a->track, v, e);
}

static int set_truth(struct sim_args *a, char **v, struct err *e)
{
        return parse_grid(&a->truth, v, e);
}

static int set_stats(struct sim_args *a, char **v, struct err *e)
{
        (void)e;
        a->stats_file = v[0];
        return 0;
}

static int set_arrivals(struct sim_args *a, char **v, struct err *e)
{
        (void)e;
        a->arrivals_file = v[0];
        a->conf.arrivals = 1;
        return 0;
}

static int set_probes(struct sim_args *a, char **v, struct err *e)
{
        (void)e;
        a->probes_file = v[0];
        return 0;
}

static int set_pid_file(struct sim_args *a, char **v, struct err *e)
{
        (void)e;
        a->pid_file = v[0];
        return 0;
}

static int set_ready_fd(struct sim_args *a, char **v, struct err *e)
{
        uint64_t fd;
        if (parse_number(v[0], 1 << 20, &fd, e))
                return -1;
        a->ready_fd = (int)fd;
        return 0;
}

static int set_help(struct sim_args *a, char **v, struct err *e)
{
        (void)v;
        (void)e;
        a->help = true;
        return 0;
}

static const struct opt table[] = {
        {"--dev", 1, set_dev, "DEV", "answer on this interface (the far end of a veth pair)"},
        {"--prefix", 1, set_prefix, "PREFIX", "answer for its addresses, IPv4 or IPv6; up to 7 times"},
        {"--open", 1, set_open, "P", "percent of the targets that are open (default 20)"},
        {"--closed", 1, set_closed, "P", "percent that answer with a RST (default 30)"},
        {"--unreach", 1, set_unreach, "P", "percent that an ICMP error answers for (default 0)"},
        {"--tarpit", 1, set_tarpit, "P",
         "percent that are tarpits: open, with no window, and they repeat themselves"},
        {"--tarpit-repeats", 1, set_repeats, "N",
         "how often (default 5): after 0.1 s, then 0.2 s, and so on"},
        {"--mode", 1, set_mode, "MODE",
         "respond (default); check: take probes apart but keep silent; drop: only count"},
        {"--slow-ns", 1, set_slow, "N", "spend N nanoseconds on each frame, so that the link overflows"},
        {"--cookie-key", 1, set_cookie_key, "FILE",
         "count probes whose sequence number is not the scan's cookie"},
        {"--key", 1, set_key, "N", "another Internet with the same shares"},
        {"--loss-in", 1, set_loss_in, "P", "percent of the probes lost on their way, drawn per packet"},
        {"--loss-out", 1, set_loss_out, "P", "percent of the answers lost on theirs"},
        {"--delay", 1, set_delay, "MIN-MAX", "answer that many milliseconds late, drawn per packet"},
        {"--delay-share", 1, set_delay_share, "P", "percent of the answers that are late (default 100)"},
        {"--reorder", 1, set_reorder, "P", "percent of the answers sent up to 5 ms out of turn"},
        {"--hostile", 1, set_hostile, "P|KIND=P,…",
         "forge frames beside the truth: dup, cookie, foreign, short, corrupt, icmp"},
        {"--answers-per-target", 1, set_answers, "N", "send every answer N times"},
        {"--vlan", 1, set_vlan, "ID", "speak 802.1Q, and nothing else"},
        {"--router", 1, set_router, "ADDR", "source of ICMP errors; answers ARP and NDP on a VLAN"},
        {"--pass", 2, set_pass, "NETNS DEV", "give the scanner's end an XDP program, if its GRO is off"},
        {"--hush", 2, set_hush, "NETNS DEV",
         "keep the kernel at the scanner's end from sending RSTs of its own"},
        {"--sink", 2, set_sink, "NETNS DEV", "count answers at the scanner's end and end them there"},
        {"--plan", 2, set_plan, "PREFIX PORTS",
         "simulate these too, and tell whether each was probed exactly once (a bit each)"},
        {"--track", 2, set_track, "PREFIX PORTS", "simulate these too, and count the probes to each target"},
        {"--probes", 1, set_probes, "FILE",
         "at the end: \"COUNT tcp PORT ADDRESS\" for each tracked target probed"},
        {"--arrivals", 1, set_arrivals, "FILE",
         "at the end: frames per millisecond since the first, a line each"},
        {"--stats", 1, set_stats, "FILE", "counters as JSON at the end and on SIGUSR1; SIGUSR2 clears them"},
        {"--pid-file", 1, set_pid_file, "FILE", "written when ready"},
        {"--ready-fd", 1, set_ready_fd, "N", "a line is written to this descriptor when ready"},
        {"--truth", 2, set_truth, "PREFIX PORTS", "print \"STATE tcp PORT ADDRESS\" for each, and end"},
        {"--help", 0, set_help, "", "this list"},
};

void sim_args_help(void)
{
        printf("usage: sim --dev DEV --prefix PREFIX [option…] | sim [option…] --truth PREFIX PORTS\n");
        for (size_t i = 0; i < ARRAY_LEN(table); i++)
                printf("  %-20s %-13s %s\n", table[i].name, table[i].args, table[i].help);
}

/* The tracked prefix comes first, so that the kernel side finds it before a wider one. */
static void place_track(struct sim_args *a)
{
        struct sim_conf *c = &a->conf;
        memmove(&c->prefix[1], &c->prefix[0], c->nprefixes * sizeof(c->prefix[0]));
        c->prefix[0] = a->track.prefix;
        c->nprefixes++;
        c->track = 1;
        c->track_ports = a->track.nports;
}

static int finish(struct sim_args *a, struct err *e)
{
        struct sim_conf *c = &a->conf;
        double open = a->open_pct, closed = open + a->closed_pct, unreach = closed + a->unreach_pct;
        double tarpit = unreach + a->tarpit_pct;
        if (tarpit > 100.0000001)
                return err_set(
                        e, 0,
                        "--open, --closed, --unreach and --tarpit add up to %g percent; 100 is all there is",
                        tarpit);
        c->shares = (struct sim_shares){share_of(open), share_of(closed), share_of(MIN(unreach, 100.0)),
                                        share_of(MIN(tarpit, 100.0))};
        if (a->help || a->truth.nports)
                return 0;
        if (!a->far.dev)
                return err_set(e, 0, "on which interface? Give --dev");
        if (a->track.nports)
                place_track(a);
        uint64_t limit = c->plan ? SIM_PLAN_MAX : SIM_TALLY_MAX;
        if (a->track.nports && ((uint64_t)a->track.nports << a->track.prefix.bits) > limit)
                return err_set(e, 0, "%s: more than %llu targets are too many",
                               c->plan ? "--plan" : "--track", (unsigned long long)limit);
        if (a->pass.dev && a->sink.dev)
                return err_set(e, 0,
                               "--pass and --sink exclude each other: an interface has one XDP program");
        if (!c->nprefixes)
                return err_set(e, 0, "for which addresses? Give --prefix");
        c->late = c->late_share > 0;
        for (int i = 0; i < HOSTILE_NKINDS; i++)
                c->forge |= c->hostile[i] != 0;
        return 0;
}

static const struct opt *find(const char *name)
{
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
                if (!strcmp(name, table[i].name))
                        return &table[i];
        }
        return NULL;
}

int sim_args_parse(struct sim_args *a, int argc, char **argv, struct err *e)
{
        *a = (struct sim_args){.open_pct = 20, .closed_pct = 30, .ready_fd = -1};
        a->conf.key = 0x7472617766ull;
        a->conf.repeats = 5;
        a->conf.router4 = 0xc6336402;
        a->conf.router_hi = 0x20010db8ffff0000ull;
        a->conf.router_lo = 2;
        for (int i = 1; i < argc;) {
                const struct opt *o = find(argv[i]);
                if (!o)
                        return err_set(e, 0, "'%s' is not an option; --help lists them", argv[i]);
                if (argc - i <= o->nargs)
                        return err_set(e, 0, "%s wants %s", o->name, o->args);
                if (o->set(a, argv + i + 1, e))
                        return err_wrap(e, "%s", o->name);
                i += 1 + o->nargs;
        }
        return finish(a, e);
}
