// SPDX-License-Identifier: Apache-2.0
/*
 * test_conf_args: command lines: every way to write an option and its value, what ends up in the
 * configuration, what is refused and with which words, and what the whole must fulfil.
 */
#include "test_conf.h"

static bool near(double a, double b)
{
        return a - b < 1e-9 && b - a < 1e-9;
}

static size_t count(const struct tgt_set *set, struct tgt_range *first)
{
        struct tgt_walk w;
        struct tgt_range r;
        size_t n = 0;
        for (tgt_set_walk(&w, set); tgt_walk_next(&w, &r); n++)
                if (n == 0)
                        *first = r;
        return n;
}

static void ways_to_write_a_value(void **state)
{
        static const char *const lines[] = {"--rate 500",     "--rate=500",          "--rate:500",
                                            "--Rate 500",     "--ra-te=500",         "--MAX_RATE 500",
                                            "--max.rate=500", "--rate 7 --rate 500", "-T5 --rate 500"};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
                char line[100];
                snprintf(line, sizeof(line), "192.0.2.1 -p80 %s", lines[i]);
                struct conf *c = good(line);
                assert_true(near(c->rate_pps, 500) && c->has_rate && near(c->rate_bps, 0));
                conf_free(c);
        }
}

static void short_options(void **state)
{
        struct conf *c = good("-p80 -p 443 -nvv -vd3 -e eth0 -g5000-5015 -S 192.0.2.9 192.0.2.1 -oX "
                              "/tmp/t.xml -oJ/tmp/t.json");
        (void)state;
        assert_int_equal(tgt_ports_count(c->ports), 2);
        assert_true(c->no_dns);
        assert_int_equal(c->verbose, 3);
        assert_int_equal(c->debug, 3);
        assert_int_equal(c->n_adapters, 1);
        assert_string_equal(c->adapters[0].name, "eth0");
        assert_int_equal(c->adapters[0].port_last, 5015);
        assert_true(c->adapters[0].has_v4 && !c->adapters[0].has_v6);
        assert_int_equal(c->out.n_files, 2);
        assert_string_equal(c->out.files[0].format, "xml");
        assert_string_equal(c->out.files[1].path, "/tmp/t.json");
        assert_false(c->out.interactive);
        conf_free(c);
}

static void defaults(void **state)
{
        struct conf *c = good("192.0.2.1 -p80");
        (void)state;
        assert_true(near(c->rate_pps, 100) && !c->has_rate);
        assert_true(near(c->wait_s, 10));
        assert_true(near(c->max_rate_per_host, 1000));
        assert_true(near(c->answer_horizon_s, 2) && near(c->retry_delay_s, 1));
        assert_int_equal(c->retries, 0);
        assert_int_equal(c->shard, 1);
        assert_int_equal(c->shards, 1);
        assert_int_equal(c->op, OP_SCAN);
        assert_int_equal(c->syn.profile, SYN_WINDOWS);
        assert_int_equal(c->syn.mss, SCAN_DEFAULT);
        assert_true(c->dedup_memory == 1ull << 30);
        assert_string_equal(c->checkpoint_file, "trawl.resume");
        assert_string_equal(c->io_tx, "auto");
        assert_true(c->seed != 0 && !c->has_seed);
        assert_true(c->out.interactive);
        assert_true(c->out.show & 1u << PORT_OPEN && !(c->out.show & 1u << PORT_CLOSED));
        assert_false(conf_was_set(c, "rate"));
        assert_string_equal(c->command_line, "trawl 192.0.2.1 -p80");
        conf_free(c);
}

static void targets_and_excludes(void **state)
{
        struct tgt_range r;
        struct conf *c =
                good("192.0.2.0/25 192.0.2.128 - 192.0.2.255 --exclude 192.0.2.7 -p1-10 --exclude-ports 5");
        (void)state;
        assert_int_equal(count(c->include, &r), 1);
        assert_int_equal(r.first.lo, 0xc0000200);
        assert_int_equal(r.last.lo, 0xc00002ff);
        assert_int_equal(count(c->exclude, &r), 1);
        assert_int_equal(tgt_ports_count(c->ports), 9);
        conf_free(c);
        c = good("[2001:db8::1] 192.0.2.1 -6 -p80"); /* the family that is not wanted is excluded */
        assert_int_equal(count(c->exclude, &r), 1);
        assert_int_equal(r.first.family, 4);
        conf_free(c);
        c = good("-iR 50 --seed 5 -p80 -- 192.0.2.1");
        assert_true(count(c->include, &r) >= 49);
        conf_free(c);
}

static void port_defaults(void **state)
{
        struct conf *c = good("-sL 192.0.2.1");
        (void)state;
        assert_true(tgt_ports_has(c->ports, 80));
        conf_free(c);
        c = good("-sL 192.0.2.1 -p22 -sU -p53 --tcp-ports 25");
        assert_true(tgt_ports_has(c->ports, TGT_UDP + 53) && tgt_ports_has(c->ports, 22) &&
                    tgt_ports_has(c->ports, 25));
        conf_free(c);
        c = good("192.0.2.1 --top-ports --echo");
        assert_int_equal(tgt_ports_count(c->ports), 20);
        conf_free(c);
        c = good("--top-ports 5 192.0.2.1 --echo");
        assert_int_equal(tgt_ports_count(c->ports), 5);
        conf_free(c);
        c = good("--top-ports 192.0.2.1 --echo"); /* an address is no number */
        assert_int_equal(tgt_ports_count(c->ports), 20);
        assert_false(tgt_set_empty(c->include));
        conf_free(c);
        c = good("-sU --top-ports 7 192.0.2.1 --echo");
        assert_int_equal(tgt_ports_count(c->ports), 7);
        assert_true(tgt_ports_at(c->ports, 0) >= TGT_UDP);
        conf_free(c);
        c = good("--top-ports=3:udp -F 192.0.2.1 --echo");
        assert_int_equal(tgt_ports_count(c->ports), 103);
        conf_free(c);
}

static void numables_take_only_numbers(void **state)
{
        struct conf *c =
                good("192.0.2.1 -p80 --tcp-mss --tcp-wscale 5 --tcp-tsecho 192.0.2.2 --tcp-sackok --badsum");
        struct tgt_range r;
        (void)state;
        assert_true(c->syn.badsum);
        assert_int_equal(c->syn.mss, 1460);
        assert_int_equal(c->syn.wscale, 5);
        assert_int_equal(c->syn.tsecho, 1);
        assert_int_equal(c->syn.sackok, 1);
        conf_free(c);
        c = good("192.0.2.1 -p80 --tcp-tsecho 254 192.0.2.2");
        assert_int_equal(c->syn.tsecho, 254);
        conf_free(c);
        c = good("192.0.2.1 -p80 --tcp-tsecho=no --tcp-mss:9 --tcp-wscale no 192.0.2.2 --tcp-sackok");
        assert_int_equal(c->syn.tsecho, 0);
        assert_int_equal(c->syn.mss, 9);
        assert_int_equal(c->syn.wscale, -2);
        assert_int_equal(count(c->include, &r), 1);
        assert_int_equal(r.last.lo, 0xc0000202);
        conf_free(c);
}

static void adapters(void **state)
{
        struct conf *c =
                good("192.0.2.1 -p80 --adapter[0] a0 --adapter[3] a3 --router-mac[3] 02:00:00:00:00:03 "
                     "--adapter-ip[3]=2001:db8::1 --adapter-ip[3]=192.0.2.16/28 --router-ipv4[3] 192.0.2.1 "
                     "--vlan[0] 7");
        (void)state;
        assert_int_equal(c->n_adapters, 4);
        assert_true(c->adapters[0].used && !c->adapters[1].used && c->adapters[3].used);
        assert_true(c->adapters[3].has_router_mac4 && c->adapters[3].has_router_mac6);
        assert_true(c->adapters[3].has_v4 && c->adapters[3].has_v6);
        assert_int_equal(c->adapters[3].router_ip4.lo, 0xc0000201);
        assert_int_equal(c->adapters[0].vlan, 7);
        conf_free(c);
}

/* PF_RING's names for interfaces mean PF_RING, and the interface that the kernel knows. */
static void pfring(void **state)
{
        static const struct {
                const char *args, *tx, *rx, *name, *device;
        } cases[] = {
                {"--pfring", "pfring", "pfring", "", ""},
                {"--pfring -e eth0", "pfring", "pfring", "eth0", ""},
                {"-e eth0@2 --pfring", "pfring", "pfring", "eth0", "eth0@2"},
                {"-e eth0@2", "auto", "auto", "eth0@2", ""},
                {"-e eth0@2 --io-rx pfring", "auto", "pfring", "eth0", "eth0@2"},
                {"-e zc:eth0", "pfring", "pfring", "eth0", "zc:eth0"},
                {"-e dna0@3", "pfring", "pfring", "dna0", "dna0@3"},
                {"-e dna0", "pfring", "pfring", "dna0", ""},
                {"-e dna:eth1 --io-tx null", "null", "pfring", "eth1", "dna:eth1"},
                {"--pfring --io afpacket", "afpacket", "afpacket", "", ""},
                {"--pfring --pfring=no", "auto", "auto", "", ""},
                {"--io-tx null --pfring=no", "null", "auto", "", ""},
                {"--io pfring", "pfring", "pfring", "", ""},
        };
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                char line[128];
                snprintf(line, sizeof(line), "192.0.2.1 -p80 %s", cases[i].args);
                struct conf *c = good(line);
                if (strcmp(c->io_tx, cases[i].tx) != 0 || strcmp(c->io_rx, cases[i].rx) != 0 ||
                    strcmp(c->adapters[0].name, cases[i].name) != 0 ||
                    strcmp(c->adapters[0].device, cases[i].device) != 0)
                        fail_msg("%s: %s %s \"%s\" \"%s\"", line, c->io_tx, c->io_rx, c->adapters[0].name,
                                 c->adapters[0].device);
                conf_free(c);
        }
        struct conf *c = good("192.0.2.1 -p80 --adapter[0] eth0@1 --adapter[1] zc:eth1");
        assert_string_equal(c->adapters[0].name, "eth0");
        assert_string_equal(c->adapters[0].device, "eth0@1");
        assert_string_equal(c->adapters[1].name, "eth1");
        assert_string_equal(c->adapters[1].device, "zc:eth1");
        char *text;
        size_t n;
        FILE *f = open_memstream(&text, &n);
        assert_int_equal(conf_echo(c, f, true, false), 0);
        fclose(f);
        assert_non_null(strstr(text, "adapter[0] = eth0@1\nadapter[1] = zc:eth1\n"));
        free(text);
        conf_free(c);
}

static void outputs(void **state)
{
        struct conf *c = good("192.0.2.1 -p80 --output-format json --output-filename /tmp/a -oL - --noshow "
                              "open --show closed");
        (void)state;
        assert_int_equal(c->out.n_files, 2);
        assert_string_equal(c->out.files[1].format, "json");
        assert_true(c->out.show & 1u << PORT_CLOSED && !(c->out.show & 1u << PORT_OPEN));
        conf_free(c);
        c = good("192.0.2.1 -p80 --output-filename /tmp/a --output-filename /tmp/b");
        assert_int_equal(c->out.n_files, 1);
        assert_string_equal(c->out.files[0].format, "xml");
        assert_string_equal(c->out.files[0].path, "/tmp/b");
        conf_free(c);
        c = good("192.0.2.1 -p80 -oA /tmp/base");
        assert_int_equal(c->out.n_files, 4);
        assert_string_equal(c->out.files[2].path, "/tmp/base.gnmap");
        conf_free(c);
        c = good("192.0.2.1 -p80 --output-format none");
        assert_int_equal(c->out.n_files, 0);
        assert_false(c->out.interactive);
        conf_free(c);
        c = good("192.0.2.1 -p80 -oC /tmp/x.csv --interactive --rotate daily --rotate-offset=-1h "
                 "--append-output");
        assert_true(c->out.interactive && c->out.append);
        assert_true(c->out.rotate_ns == 86400 * NS_PER_S && c->out.rotate_offset_ns == 82800 * NS_PER_S);
        conf_free(c);
}

/* Whatever the period: the offset's remainder, counted from the beginning of a period. */
static void rotate_offsets(void **state)
{
        static const struct {
                const char *line;
                uint64_t offset_s;
        } t[] = {{"--rotate daily --rotate-offset=-1h", 23 * 3600},
                 {"--rotate hourly --rotate-offset -10m", 50 * 60},
                 {"--rotate 7h --rotate-offset=-1h", 6 * 3600},
                 {"--rotate-offset=-1h --rotate 7h", 6 * 3600},
                 {"--rotate 5m --rotate-offset=-7m", 3 * 60},
                 {"--rotate 3d --rotate-offset=-1d", 2 * 86400},
                 {"--rotate 3d --rotate-offset=-2d", 86400},
                 {"--rotate 7h --rotate-offset 8h", 3600},
                 {"--rotate 1h --rotate-offset=-2h", 0},
                 {"--rotate-offset=-2h --rotate-offset 1m --rotate 1h", 60},
                 {"--rotate 1h", 0},
                 {"--rotate-offset=-1h", 0}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                char line[160];
                snprintf(line, sizeof(line), "192.0.2.1 -p80 -oL /tmp/t.list %s", t[i].line);
                struct conf *c = good(line);
                if (c->out.rotate_offset_ns != t[i].offset_s * NS_PER_S)
                        fail_msg("%s: %llu ns", t[i].line, (unsigned long long)c->out.rotate_offset_ns);
                conf_free(c);
        }
}

static void operations(void **state)
{
        static const struct {
                const char *line;
                enum conf_op op;
        } t[] = {{"", OP_USAGE},
                 {"-sL 192.0.2.1", OP_LIST},
                 {"192.0.2.1 -p80 --echo -sL", OP_ECHO},
                 {"--echo", OP_ECHO},
                 {"--echo-cidr 192.0.2.1", OP_ECHO_CIDR},
                 {"--readrange 192.0.2.1", OP_READ_RANGE},
                 {"--help --nonsense", OP_HELP},
                 {"-h", OP_HELP},
                 {"--version", OP_VERSION},
                 {"-V", OP_VERSION},
                 {"--nmap", OP_NMAP_HELP},
                 {"--man-page", OP_MAN},
                 {"--regress", OP_SELFTEST},
                 {"--benchmark", OP_BENCHMARK},
                 {"--benchmark 192.0.2.1 -p80 --cpu-mask c", OP_BENCHMARK},
                 {"--benchmark-tx -e eth7 --rate 5", OP_BENCHMARK_TX},
                 {"--benchmark --echo", OP_ECHO},
                 {"-W", OP_IFLIST},
                 {"--debug if 192.0.2.1", OP_DEBUG_IF},
                 {"--readscan /tmp/a /tmp/b -oL /tmp/c", OP_READSCAN},
                 {"--repair=/tmp/a", OP_REPAIR}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                struct conf *c = good(t[i].line);
                if (c->op != t[i].op)
                        fail_msg("%s: operation %d", t[i].line, (int)c->op);
                conf_free(c);
        }
        struct conf *c = good("--readscan /tmp/a /tmp/b -oL /tmp/c");
        assert_int_equal(c->n_files, 2);
        assert_string_equal(c->files[1], "/tmp/b");
        conf_free(c);
}

static void levels_of_instructions(void **state)
{
        static const char *const words[CPU_LEVELS] = {"C", "avx2", "AVX512"};
        (void)state;
        for (int level = 0; level < CPU_LEVELS; level++) {
                char lines[2][60];
                snprintf(lines[0], sizeof(lines[0]), "-sL 192.0.2.1 --cpu-mask %s", words[level]);
                snprintf(lines[1], sizeof(lines[1]), "-sL 192.0.2.1 --cpu-mask=%d", level);
                for (int i = 0; i < 2; i++) {
                        if (!cpu_has((enum cpu_level)level)) {
                                bad(lines[i], "has only c");
                                continue;
                        }
                        struct conf *c = good(lines[i]);
                        assert_int_equal(c->cpu_mask, level);
                        conf_free(c);
                }
        }
        struct conf *c = good("-sL 192.0.2.1 --cpu-mask c --cpu-mask auto");
        assert_int_equal(c->cpu_mask, -1);
        conf_free(c);
}

static void ways_to_send_nothing(void **state)
{
        static const struct {
                const char *word;
                bool offline, frames;
        } t[] = {{"--offline", true, false},
                 {"--offline=frames", true, true},
                 {"--nosend=Frames", true, true},
                 {"--offline=frames --offline", true, false},
                 {"--offline=frames --offline=no", false, false}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                char line[80];
                snprintf(line, sizeof(line), "192.0.2.1 -p80 %s", t[i].word);
                struct conf *c = good(line);
                if (c->offline != t[i].offline || c->offline_frames != t[i].frames)
                        fail_msg("%s: %d %d", t[i].word, c->offline, c->offline_frames);
                conf_free(c);
        }
}

static void other_words(void **state)
{
        struct conf *c = good(
                "192.0.2.1 -p80 --min-rate 250 --max-retries 2 --nostatus --status-json --offline --noreset");
        (void)state;
        assert_true(near(c->rate_pps, 250));
        assert_int_equal(c->retries, 2);
        assert_true(c->no_status && c->status_json && c->offline && c->no_reset);
        conf_free(c);
        c = good("192.0.2.1 -p80 -T4 --no-checkpoint --io null --max-rate-per-host 0 --fault-rx "
                 "drop=5%,seed=3 --wait forever");
        assert_true(near(c->rate_pps, 1000));
        assert_null(c->checkpoint_file);
        assert_string_equal(c->io_tx, "null");
        assert_true(near(c->max_rate_per_host, 0));
        assert_int_equal(c->fault_rx.drop, 500);
        assert_true(near(c->wait_s, CONF_WAIT_FOREVER));
        conf_free(c);
        c = good("192.0.2.1 -p80 --rate 100Mbit");
        assert_true(near(c->rate_bps, 1e8) && near(c->rate_pps, 0));
        assert_true(conf_was_set(c, "max-rate") && !conf_was_set(c, "wait"));
        conf_free(c);
}

static void rate_auto(void **state)
{
        static const struct {
                const char *line;
                bool is_auto;
                double pps;
        } t[] = {{"--rate auto", true, 10000},
                 {"--rate AUTO --max-rate 50k", true, 50000},
                 {"--max-rate 50k --rate auto", true, 50000},
                 {"--rate auto --max-rate 50k --rate auto", true, 50000},
                 {"--rate 50k --rate auto", true, 10000},
                 {"--max-rate 5k --rate 7 --rate auto", true, 10000},
                 {"--max-rate 5k -T4 --rate auto", true, 10000},
                 {"--rate auto --rate 500", false, 500},
                 {"--rate auto -T4", false, 1000},
                 {"--rate auto --min-rate 20k", true, 10000},
                 {"--rate 9 --max-rate 500", false, 500},
                 {"--max-rate 500 --rate 9", false, 9}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                char line[160];
                snprintf(line, sizeof(line), "192.0.2.1 -p80 %s", t[i].line);
                struct conf *c = good(line);
                if (c->rate_auto != t[i].is_auto || !near(c->rate_pps, t[i].pps) || !c->has_rate)
                        fail_msg("%s: %d %g", t[i].line, c->rate_auto, c->rate_pps);
                conf_free(c);
        }
        struct conf *c = good("192.0.2.1 -p80 --rate auto --max-rate 100Mbit");
        assert_true(c->rate_auto && near(c->rate_bps, 1e8));
        char *text = echo_of(c, false);
        assert_non_null(strstr(text, "rate = auto\nmax-rate = 100000000bit\n"));
        free(text);
        conf_free(c);
}

static void under_the_other_name(void **state)
{
        struct conf *c;
        struct err e;
        (void)state;
        assert_int_equal(parse_as("/usr/bin/masscan", &c, "192.0.2.1 -p80 -6", &e), 0);
        assert_true(c->as_masscan && near(c->max_rate_per_host, 0) && c->only_family == 0);
        char *text = echo_of(c, false); /* a checkpoint of this must not bring the limit back */
        assert_non_null(strstr(text, "max-rate-per-host = 0\n"));
        free(text);
        conf_free(c);
}

static const struct {
        const char *line, *word;
} refused[] = {
        {"--rat 5 192.0.2.1", "did you mean --rate?"},
        {"--exlcude 192.0.2.1", "did you mean --exclude?"},
        {"--qwertyuiop", "unknown option \"--qwertyuiop\""},
        {"-rate 100", "long names take two dashes"},
        {"-y", "unknown option \"-y\""},
        {"rate 100", "an option without its dashes"},
        {"192.0.2.1 -p80 --rate", "a value is missing at the end"},
        {"192.0.2.1 -p80 --rate --wait 5", "\"--wait\" is itself an option"},
        {"192.0.2.1 -p80 --rate[1] 5", "takes no [index]"},
        {"192.0.2.1 -p80 --adapter[8] x", "from 0 to 7"},
        {"192.0.2.1 -p80 --adapter[x] x", "from 0 to 7"},
        {"192.0.2.1 -p80 --adapter[1 x", "brackets do not hold"},
        {"192.0.2.1 -p80 --adapter[1]x=5", "is not understood"},
        {"192.0.2.1 -p80 --infinite=perhaps", "neither yes nor no"},
        {"192.0.2.1 -p80 -", "\"-\" stands alone"},
        {"-p80", "nothing to scan"},
        {"192.0.2.1", "no ports to scan"},
        {"192.0.2.1 -p80 --shard 1/4", "--seed NUMBER"},
        {"192.0.2.1 -p80 --shard 5/4", "runs from 1"},
        {"192.0.2.1 -p80 --shard 0/4", "runs from 1"},
        {"192.0.2.1 -p80 --shard 1", "no shard"},
        {"192.0.2.1 -p80 --shard x/y", "no shard"},
        {"192.0.2.1 -pU:53", "UDP probes are not in this version"},
        {"192.0.2.1 -sU -p53", "UDP probes are not in this version"},
        {"192.0.2.1 -p53 -sU", "not in this version"},
        {"192.0.2.1 --ping", "ICMP probes are not in this version"},
        {"192.0.2.1 --arpscan", "ARP probes are not in this version"},
        {"192.0.2.1 -pS:7", "SCTP probes are not in this version"},
        {"192.0.2.1 -pO:47", "port O:47: IP protocol probes"},
        {"192.0.2.1 -p80 -4 -6", "contradict"},
        {"192.0.2.1 -p80 -oX /tmp/a -oJ /tmp/a", "two outputs need two files"},
        {"192.0.2.1 -p80 -oX - --interactive", "both write to standard output"},
        {"192.0.2.1 -p80 -oA -", "cannot go to standard output"},
        {"192.0.2.1 -p80 --output-format json", "goes nowhere"},
        {"192.0.2.1 -p80 --output-format jsn --output-filename a", "no output format"},
        {"192.0.2.1 -p80 --output x", "format:file"},
        {"192.0.2.1 -p80 --checkpoint -", "is no file"},
        {"192.0.2.1 -p80 --checkpoint a\001b", "control character"},
        {"192.0.2.1 -p80 --io-tx file:a\001b", "control character"},
        {"192.0.2.1 -p80 --tcp-tsecho 255", "\"255\" is out of range: give one from 0 to 254"},
        {"192.0.2.1 -p80 --rotate 1h --rotate-offset=--1h", "not a time"},
        {"--echo -n example.invalid", "-n forbids"},
        {"--echo 1example..invalid", "neither an address nor a host name"},
        {"192.0.2.1 -p80 --checkpoint /tmp/q -oL /tmp/q", "at once"},
        {"192.0.2.1 -p80 --show opened", "no state"},
        {"192.0.2.1 -p80 --exclude-ports 80", "takes away every port"},
        {"192.0.2.1 -p80 --io warp", "is no back-end"},
        {"192.0.2.1 -p80 --io warp", "no back-end: there are auto"},
        {"192.0.2.1 -p80 --io-tx file", "needs a path"},
        {"192.0.2.1 -p80 -e file:x.pcap", "--io-tx"},
        {"192.0.2.1 -p80 -e zc:", "names no interface"},
        {"192.0.2.1 -p80 --pfring=maybe", "maybe"},
        {"192.0.2.1 -p80 --cpu-mask 3", "\"3\" is no level"},
        {"192.0.2.1 -p80 --cpu-mask sse2", "\"sse2\" is no level"},
        {"192.0.2.1 -p80 --offline=patches", "not yes, no or frames"},
        {"--benchmark-tx", "with --adapter"},
        {"--benchmark-tx --adapter-ip 192.0.2.7", "with --adapter"},
        {"--benchmark-tx -e eth7 --adapter[1] eth8", "one interface"},
        {"--benchmark-tx -e eth7 --offline", "contradict"},
        {"192.0.2.1 -p80 --adapter-port 0", "no source port"},
        {"192.0.2.1 -p80 --adapter-port 6-5", "backwards"},
        {"192.0.2.1 -p80 --adapter-port 70000", "no source port"},
        {"192.0.2.1 -p80 --adapter-ip 192.0.2.1,192.0.2.9", "one address or one range"},
        {"192.0.2.1 -p80 --adapter-ip nonsense..", "nonsense"},
        {"192.0.2.1 -p80 --router-mac 02:00", "is not a MAC"},
        {"192.0.2.1 -p80 --router-ip x", "is no address"},
        {"192.0.2.1 -p80 --vlan 4095", "from 0 to 4094"},
        {"192.0.2.1 -p80 --ttl 256", "from 0 to 255"},
        {"192.0.2.1 -p80 --tcp-wscale=15", "from 0 to 14"},
        {"192.0.2.1 -p80 --syn-profile amiga", "no SYN profile"},
        {"192.0.2.1 -p80 --retry-delay 0.5", "from 1 to 3600"},
        {"192.0.2.1 -p80 --retries 1000", "from 0 to 100"},
        {"192.0.2.1 -p80 --fault-tx drip=5", "is no fault"},
        {"192.0.2.1 -p80 --fault-tx drop=101%", "is no share"},
        {"192.0.2.1 -p80 -T6", "timing"},
        {"192.0.2.1 -p80 --seed -1", "no seed"},
        {"192.0.2.1 -p80 --wait never", "no waiting time"},
        {"192.0.2.1 -p80 --max-rate-per-host 1Mbit", "counts packets"},
        {"192.0.2.1 -p80 --max-rate-per-host auto", "is for --rate alone"},
        {"192.0.2.1 -p80 --min-rate auto", "is for --rate alone"},
        {"192.0.2.1 -p80 --max-rate auto", "\"auto\" is no ceiling"},
        {"192.0.2.1 -p80 --dedup-memory 5", "too small"},
        {"192.0.2.1 -p80 --xml zmap", "masscan|nmap"},
        {"192.0.2.1 -p80 --debug x", "--debug if"},
        {"192.0.2.1 -p80 -c /nonexistent/x.conf", "cannot open \"/nonexistent/x.conf\""},
        {"--resume /nonexistent/x", "cannot open \"/nonexistent/x\""},
        {"--readscan", "file name is missing"},
        {"--readscan /tmp/a --repair /tmp/b", "contradict"},
        {"--readscan /tmp/a -oL /tmp/a", "read and written at once"},
        {"192.0.2.1 -p80 --banner-types http", "--readscan"},
        {"192.0.2.1 -p80 -iL - --excludefile -", "only once"},
        {"192.0.2.300 -p80", "192.0.2.300"},
        {"192.0.2.1 --exclude 192.0.2.300 -p80", "--exclude: "},
        {"example.invalid -n -p80", "example.invalid"},
};

static void refusals(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(refused); i++)
                bad(refused[i].line, refused[i].word);
}

/* A billion IPv4 addresses need an exclude list: that -4 leaves IPv6 out must not count as one. */
static void family_is_no_exclude_list(void **state)
{
        (void)state;
        bad("0.0.0.0/1 2001:db8::1 -4 -p80", "exclude list");
        conf_free(good("0.0.0.0/1 2001:db8::1 -4 -p80 --exclude 255.255.255.255"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ways_to_write_a_value),
                cmocka_unit_test(short_options),
                cmocka_unit_test(defaults),
                cmocka_unit_test(targets_and_excludes),
                cmocka_unit_test(port_defaults),
                cmocka_unit_test(numables_take_only_numbers),
                cmocka_unit_test(adapters),
                cmocka_unit_test(pfring),
                cmocka_unit_test(outputs),
                cmocka_unit_test(rotate_offsets),
                cmocka_unit_test(operations),
                cmocka_unit_test(levels_of_instructions),
                cmocka_unit_test(ways_to_send_nothing),
                cmocka_unit_test(other_words),
                cmocka_unit_test(rate_auto),
                cmocka_unit_test(under_the_other_name),
                cmocka_unit_test(refusals),
                cmocka_unit_test(family_is_no_exclude_list),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
