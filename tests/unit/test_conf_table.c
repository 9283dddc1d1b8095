// SPDX-License-Identifier: Apache-2.0
/*
 * test_conf_table: properties of the option table as a whole: names are unique however they are written,
 * every row has its help, every name of masscan's is known, and what is echoed reads back to the same
 * settings.
 */
#include "test_conf.h"

/* Calls f for every name and alias. */
static void each_name(void (*f)(const struct opt *, const char *name, size_t len, void *), void *arg)
{
        for (size_t i = 0; i < opt_count(); i++) {
                const struct opt *o = opt_at(i);
                f(o, o->name, strlen(o->name), arg);
                for (const char *w = o->aliases ? o->aliases : ""; *w;) {
                        size_t n = strcspn(w, " ");
                        f(o, w, n, arg);
                        w += n;
                        w += strspn(w, " ");
                }
        }
}

struct all_names {
        struct {
                const struct opt *o;
                const char *name;
                size_t len;
        } at[1024];
        size_t n;
};

static void collect(const struct opt *o, const char *name, size_t len, void *arg)
{
        struct all_names *all = arg;
        for (size_t i = 0; i < all->n; i++) {
                char other[80];
                snprintf(other, sizeof(other), "%.*s", (int)all->at[i].len, all->at[i].name);
                if (opt_same_name(other, name, len))
                        fail_msg("%.*s is in two rows: %s and %s", (int)len, name, all->at[i].o->name,
                                 o->name);
        }
        assert_true(len > 0 && len <= OPT_NAME_MAX && all->n < ARRAY_LEN(all->at));
        all->at[all->n].o = o;
        all->at[all->n].name = name;
        all->at[all->n++].len = len;
}

static void names_are_unique(void **state)
{
        static struct all_names all;
        (void)state;
        each_name(collect, &all);
        assert_true(all.n > 250);
        assert_true(opt_count() <= OPT_ROWS_MAX);
        for (size_t i = 0; i < opt_count(); i++)
                assert_int_equal(opt_row(opt_at(i)), i);
}

static void find_leniently(const struct opt *o, const char *name, size_t len, void *arg)
{
        char bent[200] = "__";
        size_t n = 2;
        (void)arg;
        for (size_t i = 0; i < len; i++) { /* other case, dots instead of dashes, a dash after each letter */
                bent[n++] = name[i] == '-'
                                    ? '.'
                                    : (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
                if (n < 40 && i + 1 < len)
                        bent[n++] = '-';
        }
        if (n <= OPT_NAME_MAX)
                assert_ptr_equal(opt_by_name(bent, n), o);
        assert_ptr_equal(opt_by_name(name, len), o);
}

static void names_are_found_leniently(void **state)
{
        (void)state;
        each_name(find_leniently, NULL);
        assert_null(opt_by_name("", 0));
        assert_null(opt_by_name("-", 1));
}

static void letters_are_unique(void **state)
{
        (void)state;
        for (size_t i = 0; i < opt_count(); i++)
                for (const char *l = opt_at(i)->letters ? opt_at(i)->letters : ""; *l;) {
                        char text[8];
                        size_t n = strcspn(l, " "), used;
                        snprintf(text, sizeof(text), "%.*s", (int)n, l);
                        assert_ptr_equal(opt_by_letters(text, &used), opt_at(i));
                        assert_int_equal(used, n);
                        l += n;
                        l += strspn(l, " ");
                }
}

static void rows_are_whole(void **state)
{
        (void)state;
        for (size_t i = 0; i < opt_count(); i++) {
                const struct opt *o = opt_at(i);
                bool speaks = o->kind == OPT_LATER || o->kind == OPT_REFUSED || o->kind == OPT_NOOP;
                if (!o->help || strlen(o->help) < 10 || o->help[strlen(o->help) - 1] != '.')
                        fail_msg("%s: the help is no sentence", o->name);
                if (!o->metavar || (o->arg == ARG_NONE) != (*o->metavar == 0))
                        fail_msg("%s: metavar and argument disagree", o->name);
                if ((o->kind == OPT_CALL) != (o->set != NULL) && o->kind != OPT_DO)
                        fail_msg("%s: no function sets it", o->name);
                if (speaks && !o->word)
                        fail_msg("%s: has nothing to answer", o->name);
                if (o->kind < OPT_CALL && !o->offset)
                        fail_msg("%s: has no place", o->name);
                if (strchr(o->help, '\n') || (o->word && strchr(o->word, '\n')))
                        fail_msg("%s: the text is more than one line", o->name);
                assert_non_null(opt_section_title(o->section));
        }
}

/* A default is text that the row takes like any other: so it lies within the row's own limits. */
static void defaults_are_taken(void **state)
{
        struct conf *c;
        struct err e = {0};
        size_t n = 0;
        (void)state;
        assert_int_equal(conf_new(&c, &e), 0);
        for (size_t i = 0; i < opt_count(); i++) {
                struct opt_use u = {.opt = opt_at(i),
                                    .as = "x",
                                    .key = "",
                                    .value = opt_at(i)->dflt,
                                    .origin = FROM_ARGS};
                if (!u.value)
                        continue;
                if (opt_apply(c, &u, &e))
                        fail_msg("%s: %s", u.opt->name, e.text);
                n++;
        }
        assert_true(n > 10);
        conf_free(c);
}

/* ---- parse(dump(c)) == c ---- */
static const struct sample {
        const char *row, *value, *line; /* the line it must be echoed as; NULL: "row = value" */
} samples[] = {
        {"range", "192.0.2.0/24", NULL},
        {"range", "192.0.2.5-192.0.2.9,192.0.2.7", "range = 192.0.2.5-192.0.2.9"},
        {"range", "2001:db8::/64", NULL},
        {"range", "192.0.2.1,example.org,2001:db8::1",
         "range = 192.0.2.1\nrange = 2001:db8::1\nrange = example.org"},
        {"range", "\"b.invalid, a.invalid/28\"", "range = b.invalid\nrange = a.invalid/28"},
        {"exclude", "c.invalid", NULL},
        {"exclude", "192.0.2.7", NULL},
        {"exclude", "192.0.2.1,192.0.2.0", "exclude = 192.0.2.0/31"},
        {"ports", "80,443,8000-8010", NULL},
        {"ports", "443,80,80", "ports = 80,443"},
        {"ipv4-only", "true", NULL},
        {"ipv6-only", "true", NULL},
        {"seed", "18446744073709551615", NULL},
        {"seed", "0x10", "seed = 16"},
        {"shard", "2:5", "shard = 2/5"},
        {"cores", "0,2-4", "cores = 0,2,3,4"},
        {"resume-index", "12345", NULL},
        {"rate", "10k", "rate = 10000"},
        {"rate", "auto", "rate = auto\nmax-rate = 10000"},
        {"rate", "0.05", NULL},
        {"rate", "123456.789", NULL},
        {"rate", "100Mbit", "rate = 100000000bit"},
        {"rate", "0.3333333333333333", NULL},
        {"wait", "forever", NULL},
        {"wait", "auto", NULL},
        {"wait", "0", NULL},
        {"wait", "2m", "wait = 120"},
        {"adapter", "eth7", NULL},
        {"adapter", "zc:eth7@1", NULL},
        {"adapter-ip", "192.0.2.16/28", NULL},
        {"adapter-ip", "2001:db8::7", NULL},
        {"adapter-ip", "192.0.2.3-192.0.2.5", NULL},
        {"adapter-port", "40000-40016", NULL},
        {"adapter-port", "61000", "adapter-port = 61000-61000"},
        {"adapter-mac", "02-00-5E-10-00-01", "adapter-mac = 02:00:5e:10:00:01"},
        {"router-mac-ipv4", "02:00:5e:10:00:01", NULL},
        {"router-mac-ipv6", "02:00:5e:10:00:02", NULL},
        {"router-ip", "192.0.2.1", NULL},
        {"router-ip", "2001:db8::1", NULL},
        {"vlan", "4094", NULL},
        {"offline", "frames", NULL},
        {"offline", "yes", "offline = true"},
        {"cpu-mask", "c", NULL},
        {"cpu-mask", "AUTO", "cpu-mask = auto"},
        {"cpu-mask", "0", "cpu-mask = c"},
        {"io-tx", "file:/tmp/with blank#.pcap", NULL},
        {"io-tx", "null", NULL},
        {"io-rx", "afpacket", NULL},
        {"syn-profile", "bsd", NULL},
        {"ttl", "55", NULL},
        {"ttl", "default", NULL},
        {"tcp-mss", "1", NULL},
        {"tcp-mss", "yes", "tcp-mss = 1460"},
        {"tcp-mss", "false", NULL},
        {"tcp-wscale", "0", NULL},
        {"tcp-wscale", "14", NULL},
        {"tcp-wscale", "off", "tcp-wscale = false"},
        {"tcp-tsecho", "true", "tcp-tsecho = 1"},
        {"tcp-tsecho", "254", NULL},
        {"tcp-sackok", "false", NULL},
        {"fault-tx", "drop=5%,dup=7,seed=9",
         "fault-tx = drop=500,dup=7,corrupt=0,truncate=0,reorder=0,seed=9"},
        {"fault-rx", "reorder=0.5%,corrupt=10000",
         "fault-rx = drop=0,dup=0,corrupt=10000,truncate=0,reorder=50,seed=0"},
        {"output", "json:/tmp/a b:c#d.json", NULL},
        {"output-show", "closed,filtered", "output-show = open,closed,filtered,host,banner"},
        {"group-by", "host", NULL},
        {"rotate-offset", "1.5", NULL},
        {"rotate-offset", "-1h", "rotate-offset = -3600"},
        {"rotate-dir", "/tmp///", "rotate-dir = /tmp"},
        {"stylesheet", "http://example.org/a.xsl", NULL},
        {"verbose", "3", NULL},
        {"debug-level", "2", NULL},
        {"checkpoint", "/tmp/some where.resume", NULL},
        {"banner-types", "http", NULL},
        {"hello", "http", NULL},
        {"hello", "ssl", "hello = tls"},
        {"hello-string[80]", "AAECAw==", NULL},
        {"http-header", "X-Who: a \"b\" #c", NULL},
        {"http-field-remove", "User-Agent", NULL},
        {"capture", "html", NULL},
        {"nocapture", "cert", NULL},
        {"vuln", "heartbleed", NULL},
};

/* Two settings with the same echo of everything have the same settings. */
static void expect_round_trip(const char *line, const char *expected)
{
        struct conf *a, *b;
        struct err e;
        char wanted[300], text[400];
        snprintf(text, sizeof(text), "# trawl\n%s\n", line);
        if (parse_file(&a, "-c", text, "--echo", &e))
                fail_msg("%s: %s", line, e.text);
        char *first = echo_of(a, false), *first_all = echo_of(a, true);
        snprintf(wanted, sizeof(wanted), "\n%s\n", expected);
        if (!strstr(first, wanted))
                fail_msg("%s: not echoed as \"%s\" but:\n%s", line, expected, first);
        if (parse_file(&b, "-c", first, "--echo", &e))
                fail_msg("%s: its echo is not read: %s", line, e.text);
        char *second = echo_of(b, false), *second_all = echo_of(b, true);
        assert_string_equal(first, second);
        assert_string_equal(first_all, second_all);
        conf_free(a);
        conf_free(b);
        free(first);
        free(first_all);
        free(second);
        free(second_all);
}

static void samples_round_trip(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
                char line[300], expected[300];
                snprintf(line, sizeof(line), "%s = %s", samples[i].row, samples[i].value);
                snprintf(expected, sizeof(expected), "%s", samples[i].line ? samples[i].line : line);
                expect_round_trip(line, expected);
        }
}

/* ---- paths: whatever a file may be called ---- */
static uint64_t dice_state = 1;

static void random_path(char out[16])
{
        static const char letters[] = "  \"\"##='\\:;ab.\x80\xa0\xc3\xff";
        size_t n = 0;
        do {
                dice_state += 0x9e3779b97f4a7c15ull;
                out[n++] = letters[hash_mix64(dice_state) % (sizeof(letters) - 1)];
        } while (n < 15 && hash_mix64(dice_state ^ 77) % 6);
        out[n] = 0;
}

static void set_row(struct conf *c, const char *name, const char *before, const char *path)
{
        char value[64];
        struct err e;
        snprintf(value, sizeof(value), "%s%s", before, path);
        struct opt_use u = {.opt = opt_by_name(name, strlen(name)),
                            .as = name,
                            .key = "",
                            .value = value,
                            .origin = FROM_ARGS};
        if (opt_apply(c, &u, &e))
                fail_msg("%s", e.text);
}

static void any_path_round_trips(void **state)
{
        (void)state;
        for (unsigned round = 0; round < 1000; round++) {
                char path[6][16];
                struct conf *a, *b;
                struct err e;
                assert_int_equal(conf_new(&a, &e), 0);
                for (size_t i = 0; i < ARRAY_LEN(path); i++)
                        random_path(path[i]);
                set_row(a, "output", "json:", path[0]);
                set_row(a, "rotate-dir", "", path[1]);
                set_row(a, "checkpoint", "/tmp/", path[2]);
                set_row(a, "io-tx", "file:", path[3]);
                set_row(a, "pcap", "", path[4]);
                set_row(a, "stylesheet", "", path[5]);
                char *text = echo_of(a, false);
                if (parse_file(&b, "-c", text, "--echo", &e))
                        fail_msg("%s of\n%s", e.text, text);
                assert_string_equal(b->out.files[0].path, path[0]);
                assert_string_equal(b->out.rotate_dir, path[1]);
                assert_string_equal(b->checkpoint_file + 5, path[2]);
                assert_string_equal(b->tx_file, path[3]);
                assert_string_equal(b->pcap_file, path[4]);
                assert_string_equal(b->out.stylesheet, path[5]);
                free(text);
                conf_free(a);
                conf_free(b);
        }
}

static bool has_sample(const struct opt *o)
{
        for (size_t i = 0; i < ARRAY_LEN(samples); i++)
                if (strncmp(samples[i].row, o->name, strlen(o->name)) == 0 &&
                    strcspn(samples[i].row, "[") == strlen(o->name))
                        return true;
        return false;
}

static void plain_row_round_trips(const struct opt *o)
{
        char line[200];
        switch (o->kind) {
        case OPT_FLAG:
                snprintf(line, sizeof(line), "%s = true", o->name);
                break;
        case OPT_INT:
        case OPT_UINT:
                snprintf(line, sizeof(line), "%s = %.0f", o->name, o->max > 0 ? o->max : 2147483647);
                break;
        case OPT_U64:
                if (o->max > 0)
                        snprintf(line, sizeof(line), "%s = %.0f", o->name, o->max);
                else
                        snprintf(line, sizeof(line), "%s = 18446744073709551615", o->name);
                break;
        case OPT_SECONDS:
                snprintf(line, sizeof(line), "%s = %s", o->name, val_of_double(o->max / 3 + o->min).s);
                break;
        case OPT_NANOS:
                snprintf(line, sizeof(line), "%s = 86400.000000001", o->name);
                break;
        case OPT_BYTES:
                snprintf(line, sizeof(line), "%s = 9223372036854775807", o->name);
                break;
        case OPT_PPS:
                snprintf(line, sizeof(line), "%s = 0.1", o->name);
                break;
        case OPT_TEXT:
                snprintf(line, sizeof(line), "%s = \" a b#c \"", o->name);
                break;
        default:
                return;
        }
        expect_round_trip(line, line);
}

static void every_row_round_trips(void **state)
{
        size_t by_hand = 0;
        (void)state;
        for (size_t i = 0; i < opt_count(); i++) {
                const struct opt *o = opt_at(i);
                if (o->dump && !has_sample(o))
                        fail_msg("%s is echoed but has no sample here", o->name);
                by_hand += o->dump != NULL;
                if (!o->dump)
                        plain_row_round_trips(o);
                for (const char *p = o->choices && o->kind == OPT_CHOICE ? o->choices : ""; *p;) {
                        char line[100];
                        size_t n = strcspn(p, "|");
                        snprintf(line, sizeof(line), "%s = %.*s", o->name, (int)n, p);
                        expect_round_trip(line, line);
                        p += n + (p[n] == '|');
                }
        }
        assert_true(by_hand > 20);
}

/* ---- every name there is at masscan ---- */
/* name, name[index] or -letters; then a value, when it takes one */
static const char *const masscans[] = {
        /* targets and ports */
        "range=192.0.2.1",
        "ranges=192.0.2.1",
        "ip=192.0.2.1",
        "ipv4=192.0.2.1",
        "dst-ip=192.0.2.1",
        "dest-ip=192.0.2.1",
        "destination-ip=192.0.2.1",
        "target-ip=192.0.2.1",
        "includefile=/dev/null",
        "exclude=192.0.2.1",
        "exclude-range=192.0.2.1",
        "exclude-ranges=192.0.2.1",
        "exclude-ip=192.0.2.1",
        "exclude-ipv4=192.0.2.1",
        "excludefile=/dev/null",
        "ports=80",
        "port=80",
        "dst-port=80",
        "dest-port=80",
        "destination-port=80",
        "target-port=80",
        "exclude-ports=81",
        "exclude-port=81",
        "tcp-ports=80",
        "tcp-port=80",
        "udp-ports=53",
        "udp-port=53",
        "oprotos=47",
        "oproto=47",
        "top-ports",
        "top-port=5",
        "ping",
        "ping-sweep",
        "arpscan",
        "arp",
        "banner-types=http",
        "banner-type=http",
        "banner-apps=http",
        "banner-app=http",
        "readrange",
        "readranges",
        "read-range",
        "read-ranges",
        "echo-cidr",
        /* rate, order */
        "rate=100",
        "max-rate=100",
        "min-rate=100",
        "seed=1",
        "shard=1/1",
        "shards=1/1",
        "resume-index=1",
        "resume-count=1",
        "resume=/dev/null",
        "retries=1",
        "retry=1",
        "max-retries=1",
        "max-retry=1",
        "infinite",
        "wait=1",
        "blackrock-rounds=4",
        "randomize-hosts",
        "ttl=64",
        "scan-delay=1",
        "max-scan-delay=1",
        "host-timeout=1",
        "min-hostgroup=1",
        "max-hostgroup=1",
        "min-parallelism=1",
        "max-parallelism=1",
        "min-rtt-timeout=1",
        "max-rtt-timeout=1",
        "initial-rtt-timeout=1",
        /* adapter */
        "adapter=eth0",
        "adapter[1]=eth0",
        "if=eth0",
        "interface=eth0",
        "adapter-ip=192.0.2.1",
        "adapter-ip[1]=192.0.2.1",
        "source-ip=192.0.2.1",
        "source-address=192.0.2.1",
        "spoof-ip=192.0.2.1",
        "spoof-address=192.0.2.1",
        "src-ip=192.0.2.1",
        "adapter-port=5000",
        "source-port=5000",
        "src-port=5000",
        "adapter-mac=020000000001",
        "spoof-mac=02-00-00-00-00-01",
        "source-mac=020000000001",
        "src-mac=020000000001",
        "router-mac=020000000001",
        "router=020000000001",
        "dest-mac=020000000001",
        "destination-mac=020000000001",
        "dst-mac=020000000001",
        "target-mac=020000000001",
        "router-mac-ipv4=020000000001",
        "router-ipv4=020000000001",
        "router-mac-ipv6=020000000001",
        "router-ipv6=020000000001",
        "router-ip=192.0.2.1",
        "vlan=5",
        "adapter-vlan=5",
        "pfring",
        "sendq",
        "sendqueue",
        "bpf=tcp",
        "mtu=1500",
        "send-ip",
        "privileged",
        "unprivileged",
        "ip-options=S",
        "send-eth",
        "release-memory",
        "iflist",
        "debug=if",
        /* crafting */
        "tcp-mss",
        "tcpmss=1400",
        "tcp-wscale=3",
        "tcp-tsecho",
        "tcp-sackok",
        "min-packet=60",
        "min-pkt=60",
        "badsum",
        "data-length=10",
        "noreset",
        "nmap-payloads=x",
        "nmap-payload=x",
        "pcap-payloads=x",
        "pcap-payload=x",
        "nmap-service-probes=x",
        "nmap-service-probe=x",
        "scanflags=SYN",
        "osscan-guess",
        "osscan-limit",
        "version-all",
        "version-light",
        "version-trace",
        "traceroute",
        "port-ratio=0.5",
        "dns-servers=192.0.2.1",
        "system-dns",
        /* banners */
        "banners",
        "banner",
        "nobanners",
        "nobanner",
        "rawudp",
        "connection-timeout=30",
        "tcp-timeout=30",
        "hello-timeout=2",
        "hello=http",
        "hello-string[80]=QQ==",
        "hello-file[80]=x",
        "hello-filename[80]=x",
        "http-method=GET",
        "http-url=/",
        "http-uri=/",
        "http-version=1.1",
        "http-host=x",
        "http-user-agent=x",
        "http-useragent=x",
        "http-header=A:b",
        "http-header[A]=b",
        "http-field=A:b",
        "http-field[A]=b",
        "http-cookie=x",
        "http-payload=x",
        "http-field-remove=x",
        "capture=cert",
        "nocapture=servername",
        "no-capture=cert",
        "heartbleed",
        "ticketbleed",
        "vuln=heartbleed",
        "script=x.lua",
        "debug-tcp",
        "tcp-debug",
        "banner1=x",
        /* output */
        "output-format=list",
        "output-filename=/tmp/x",
        "output-file=/tmp/x",
        "append-output",
        "output-append",
        "overwrite",
        "output-show=open",
        "output-status=closed",
        "show=all",
        "show=host",
        "output-noshow=closed",
        "noshow=closed",
        "open",
        "open-only",
        "output-show-open",
        "interactive",
        "nointeractive",
        "status",
        "nostatus",
        "ndjson-status",
        "status-ndjson",
        "json-status",
        "status-json",
        "rotate=hourly",
        "output-rotate=1h",
        "rotate-output=1h",
        "rotate-time=daily",
        "rotate-offset=-10",
        "output-rotate-offset=5",
        "rotate-size=1m",
        "output-rotate-filesize=1m",
        "rotate-filesize=1m",
        "rotate-dir=/tmp",
        "rotate-directory=/tmp",
        "output-rotate-dir=/tmp",
        "stylesheet=x",
        "webxml",
        "no-stylesheet",
        "redis=192.0.2.1",
        "redis-pwd=x",
        "pcap-filename=x",
        "pcap=x",
        "packet-trace",
        "trace-packet",
        "reason",
        "readscan=/dev/null",
        "log-errors",
        /* the rest */
        "echo",
        "echo-all",
        "selftest",
        "self-test",
        "regress",
        "benchmark",
        "nobacktrace",
        "backtrace",
        "offline",
        "notransmit",
        "nosend",
        "dry-run",
        "test",
        "notest",
        "csv",
        "datadir=x",
        "conf=/dev/null",
        "config=/dev/null",
        "version",
        "nmap",
        "help",
};
static const char *const masscans_letters[] = {
        "-iL /dev/null",
        "-iR 5",
        "-p80",
        "-p 80",
        "-sS",
        "-sU",
        "-sZ",
        "-sO",
        "-sL",
        "-sT",
        "-sY",
        "-sA",
        "-sC",
        "-sF",
        "-sI",
        "-sM",
        "-sn",
        "-sN",
        "-sV",
        "-sW",
        "-sX",
        "-T4",
        "-F",
        "-r",
        "-e eth0",
        "-i eth0",
        "-S 192.0.2.1",
        "-g 5000",
        "-f",
        "-W",
        "-b",
        "-O",
        "-R",
        "-A",
        "-oL /tmp/x",
        "-oX /tmp/x",
        "-oG /tmp/x",
        "-oJ /tmp/x",
        "-oD /tmp/x",
        "-oB /tmp/x",
        "-oU /tmp/x",
        "-oH /tmp/x",
        "-oR 192.0.2.1",
        "-oA /tmp/x",
        "-oN /tmp/x",
        "-oS /tmp/x",
        "-c /dev/null",
        "-d",
        "-ddd",
        "-v",
        "-vv",
        "-n",
        "-Pn",
        "-6",
        "-h",
        "-?",
        "-V",
};

static void try_known(const char *line)
{
        struct conf *c;
        struct err e;
        char args[200];
        snprintf(args, sizeof(args), "192.0.2.0/24 -p80 %s", line);
        if (parse(&c, args, &e)) {
                if (strstr(e.text, "unknown"))
                        fail_msg("%s: %s", line, e.text);
                assert_true(strlen(e.text) > 20);
                assert_null(strchr(e.text, '\n'));
        }
        conf_free(c);
}

static void all_of_masscans_names_are_known(void **state)
{
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(masscans); i++) {
                char line[200];
                snprintf(line, sizeof(line), "--%s", masscans[i]);
                try_known(line);
                size_t n = strcspn(masscans[i], "=[");
                assert_non_null(opt_by_name(masscans[i], n));
        }
        for (size_t i = 0; i < ARRAY_LEN(masscans_letters); i++)
                try_known(masscans_letters[i]);
}

/* What is not here yet, and what never will be, is told from what is. */
static void kinds_are_told_apart(void **state)
{
        (void)state;
        for (size_t i = 0; i < opt_count(); i++) {
                const struct opt *o = opt_at(i);
                char line[200];
                if (o->kind != OPT_LATER && o->kind != OPT_REFUSED)
                        continue;
                snprintf(line, sizeof(line), "192.0.2.1 -p80 --%s", o->name);
                bad(line, o->kind == OPT_LATER ? "not in this version yet" : o->word);
                if (o->arg == ARG_NONE && o->kind == OPT_LATER) {
                        snprintf(line, sizeof(line), "192.0.2.1 -p80 --%s=false", o->name);
                        conf_free(good(line));
                }
        }
}

static void help_shows_every_row(void **state)
{
        char *text = NULL;
        size_t n = 0;
        (void)state;
        FILE *f = open_memstream(&text, &n);
        conf_help(f, false);
        fclose(f);
        for (size_t i = 0; i < opt_count(); i++) {
                char form[100];
                snprintf(form, sizeof(form), "--%s", opt_at(i)->name);
                if (!strstr(text, form))
                        fail_msg("%s is not in the help", form);
        }
        for (char *line = text; *line;) {
                size_t len = strcspn(line, "\n");
                if (len > 84)
                        fail_msg("the help is too wide: %.*s", (int)len, line);
                line += len + (line[len] == '\n');
        }
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_unique),      cmocka_unit_test(names_are_found_leniently),
                cmocka_unit_test(letters_are_unique),    cmocka_unit_test(rows_are_whole),
                cmocka_unit_test(defaults_are_taken),    cmocka_unit_test(samples_round_trip),
                cmocka_unit_test(every_row_round_trips), cmocka_unit_test(all_of_masscans_names_are_known),
                cmocka_unit_test(kinds_are_told_apart),  cmocka_unit_test(help_shows_every_row),
                cmocka_unit_test(any_path_round_trips),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
