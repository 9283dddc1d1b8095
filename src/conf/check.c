// SPDX-License-Identifier: Apache-2.0
/*
 * check: what only the whole configuration can tell: is there something to scan, do the parts agree, is the
 * kind of probe here yet. Runs once, after everything was read. What needs the plan (a billion addresses,
 * reserved ranges) or the machine (interfaces, rights) is checked later by those who know.
 */
#include "option.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
        uint32_t first, last;
        const char *what, *prefix;
} not_yet[] = {{TGT_UDP, TGT_SCTP - 1, "UDP probes", "U:"},
               {TGT_SCTP, TGT_ICMP_ECHO - 1, "SCTP probes", "S:"},
               {TGT_ICMP_ECHO, TGT_ICMP_TIME, "ICMP probes", "I:"},
               {TGT_ARP, TGT_ARP, "ARP probes", "I:"},
               {TGT_IPPROTO, TGT_PORTS_MAX - 1, "IP protocol probes", "O:"}};

static int check_probe_kinds(const struct conf *c, struct err *e)
{
        const struct conf_private *p = c->private_;
        for (size_t i = 0; i < tgt_ports_count(c->ports); i++) {
                uint32_t flat = tgt_ports_at(c->ports, i);
                for (size_t k = 0; k < ARRAY_LEN(not_yet); k++) {
                        uint32_t base =
                                flat >= TGT_ICMP_ECHO && flat <= TGT_ARP ? TGT_ICMP_ECHO : not_yet[k].first;
                        if (flat >= not_yet[k].first && flat <= not_yet[k].last)
                                return err_set(e, 0,
                                               "port %s%u: %s are not in this version yet: only TCP ports "
                                               "can be scanned",
                                               not_yet[k].prefix, flat - base, not_yet[k].what);
                }
        }
        if (p->want_udp || p->want_other)
                return err_set(
                        e, 0,
                        "-s%s: such probes are not in this version yet: only TCP SYN scans (-sS) can be done",
                        p->want_udp ? "U" : "O or -sZ");
        return 0;
}

static int check_something_to_do(const struct conf *c, struct err *e)
{
        if (c->resume_file)
                return 0; /* the checkpoint knows */
        if (tgt_set_empty(c->include))
                return err_set(e, 0, "nothing to scan: give addresses, as in: trawl 192.0.2.0/24 -p80");
        if (tgt_ports_count(c->ports) == 0)
                return err_set(e, 0,
                               "no ports to scan: give some, as in -p80,443, -p1-1000 or --top-ports 100");
        return 0;
}

static int check_shards(const struct conf *c, struct err *e)
{
        if (c->shards > 1 && !c->has_seed)
                return err_set(e, 0,
                               "--shard %u/%u: give --seed NUMBER too, the same to every shard: the order "
                               "comes from it",
                               c->shard, c->shards);
        return 0;
}

/* A resumed scan walks the order it began in. */
static int check_resumed(struct conf *c, struct err *e)
{
        const struct conf_private *p = c->private_;
        if (!c->resume_file)
                return 0;
        if (p->fixed_seed && c->seed != p->fixed_seed)
                return err_set(e, 0,
                               "--seed %llu: the scan to resume began with seed %llu, and its order hangs on "
                               "it: leave "
                               "the option out",
                               (unsigned long long)c->seed, (unsigned long long)p->fixed_seed);
        if (c->shard != p->fixed_shard || c->shards != p->fixed_shards)
                return err_set(e, 0, "--shard %u/%u: the scan to resume is shard %u/%u: leave the option out",
                               c->shard, c->shards, p->fixed_shard, p->fixed_shards);
        if (conf_was_set(c, "resume-index"))
                return err_set(e, 0,
                               "--resume-index and --resume contradict each other: the checkpoint knows "
                               "where to go on");
        if (!conf_was_set(c, "checkpoint") && c->checkpoint_file)
                return conf_own_checkpoint(c, c->resume_file, e);
        return 0;
}

static int check_readscan(const struct conf *c, struct err *e)
{
        if (c->n_banner_types && c->op == OP_SCAN && !c->banners)
                return err_set(e, 0,
                               "--banner-types selects among banners: give --banners too, or --readscan");
        return 0;
}

/* The checkpoint and every output are different files. */
static int check_paths(const struct conf *c, struct err *e)
{
        for (size_t i = 0; c->checkpoint_file && i < c->out.n_files; i++)
                if (file_same(c->out.files[i].path, c->checkpoint_file))
                        return err_set(e, 0,
                                       "\"%.200s\" is the checkpoint and an output at once: give one of them "
                                       "another name",
                                       c->checkpoint_file);
        for (size_t k = 0; c->op == OP_READSCAN && k < c->n_files; k++)
                for (size_t i = 0; i < c->out.n_files; i++)
                        if (file_same(c->out.files[i].path, c->files[k]))
                                return err_set(e, 0,
                                               "\"%.200s\" is to be read and written at once: give the "
                                               "output another name",
                                               c->files[k]);
        return 0;
}

/* Can a file be made there? Found out before the scan, not after its set-up. */
static int check_place(const char *path, const char *what, struct err *e)
{
        char parent[4096];
        struct stat st;
        const char *slash = strrchr(path, '/');
        if (stat(path, &st) == 0)
                return S_ISDIR(st.st_mode) ? err_set(e, EISDIR, "%s %s is a directory: give a file", what,
                                                     opt_quote(path).s)
                                           : 0;
        size_t n = slash == path ? 1 : slash ? (size_t)(slash - path) : 1;
        if (n >= sizeof(parent))
                return err_set(e, ENAMETOOLONG, "%s %s is too long for a file name", what, opt_quote(path).s);
        memcpy(parent, slash ? path : ".", n);
        parent[n] = 0;
        if (stat(parent, &st) == 0 && S_ISDIR(st.st_mode))
                return 0;
        return err_set(e, ENOENT, "%s %s: there is no directory %s: make it first", what, opt_quote(path).s,
                       opt_quote(parent).s);
}

static int check_places(const struct conf *c, struct err *e)
{
        for (size_t i = 0; i < c->out.n_files; i++)
                if (strcmp(c->out.files[i].path, "-") != 0 &&
                    check_place(c->out.files[i].path, "the output", e))
                        return -1;
        if (c->op != OP_SCAN)
                return 0;
        if (c->pcap_file && check_place(c->pcap_file, "--pcap", e))
                return -1;
        if (!c->checkpoint_file || c->resume_file || !conf_was_set(c, "checkpoint"))
                return 0;
        if (access(c->checkpoint_file, F_OK) == 0)
                return err_set(e, EEXIST, "--checkpoint %s exists: go on with --resume %s, or remove it",
                               opt_quote(c->checkpoint_file).s, opt_quote(c->checkpoint_file).s);
        return check_place(c->checkpoint_file, "--checkpoint", e);
}

/* PF_RING has names of its own for interfaces: routes, addresses and MACs belong to the kernel's. */
static int settle_pfring(struct conf *c, struct err *e)
{
        static const char pfring[] = "pfring";
        char kernel[sizeof(c->adapters[0].name)];
        for (unsigned i = 0; i < c->n_adapters; i++) {
                if (!io_pfring_name(c->adapters[i].name, kernel, sizeof(kernel)))
                        continue;
                if (strcmp(c->io_tx, "auto") == 0)
                        c->io_tx = pfring;
                if (strcmp(c->io_rx, "auto") == 0)
                        c->io_rx = pfring;
        }
        for (unsigned i = 0; i < c->n_adapters; i++) {
                struct conf_adapter *a = &c->adapters[i];
                bool only = io_pfring_name(a->name, kernel, sizeof(kernel));
                bool used = strcmp(c->io_tx, pfring) == 0 || strcmp(c->io_rx, pfring) == 0;
                if (a->name[0] && !kernel[0])
                        return err_set(e, 0, "--adapter %s names no interface: write it as in zc:eth0",
                                       opt_quote(a->name).s);
                if ((!only && !used) || strcmp(kernel, a->name) == 0)
                        continue;
                memcpy(a->device, a->name, sizeof(a->device));
                memcpy(a->name, kernel, sizeof(a->name));
        }
        return 0;
}

static int check_cpu(const struct conf *c, struct err *e)
{
        char has[64] = "", model[128];
        struct wr w = wr_of(has, sizeof(has) - 1);
        if (c->cpu_mask < 0 || cpu_has((enum cpu_level)c->cpu_mask))
                return 0;
        for (int i = 0; i < CPU_LEVELS; i++)
                if (cpu_has((enum cpu_level)i))
                        wr_fmt(&w, "%s%s", i ? ", " : "", cpu_level_name((enum cpu_level)i));
        has[wr_len(&w)] = 0;
        return err_set(e, 0, "--cpu-mask %s: this CPU (%s) has only %s: give one of these, or auto",
                       cpu_level_name((enum cpu_level)c->cpu_mask), cpu_model(model, sizeof(model)), has);
}

/* What leaves the machine without being a scan has its interface named: that is the consent. */
static int check_benchmark_tx(const struct conf *c, struct err *e)
{
        if (c->op != OP_BENCHMARK_TX)
                return 0;
        if (c->offline)
                return err_set(
                        e, 0,
                        "--benchmark-tx and --offline contradict each other: --benchmark sends nothing");
        if (c->n_adapters > 1)
                return err_set(e, 0, "--benchmark-tx measures one interface: give one --adapter");
        if (!c->n_adapters || !c->adapters[0].name[0])
                return err_set(e, 0,
                               "--benchmark-tx sends as fast as it can: name the interface to send on with "
                               "--adapter (trawl --iflist shows those there are)");
        return 0;
}

int conf_check(struct conf *c, struct err *e)
{
        if (settle_pfring(c, e) || check_cpu(c, e) || check_benchmark_tx(c, e))
                return -1;
        bool scans = c->op == OP_SCAN;
        if ((scans || c->op == OP_LIST) && (check_something_to_do(c, e) || check_shards(c, e)))
                return -1;
        if (scans && check_probe_kinds(c, e))
                return -1;
        if (check_resumed(c, e) || check_readscan(c, e) || check_paths(c, e))
                return -1;
        if (!scans && c->op != OP_READSCAN)
                return 0;
        return check_places(c, e) || out_check(&c->out, e) ? -1 : 0;
}
