// SPDX-License-Identifier: Apache-2.0
/*
 * test_conf_file: configuration files, masscan's paused.conf, checkpoints: what each line does, where an
 * error is said to be, and what a resumed scan keeps and what it may change.
 */
#include "test_conf.h"

static void expect_bad_file(const char *text, const char *more, const char *word)
{
        struct conf *c;
        struct err e;
        if (parse_file(&c, "-c", text, more, &e) == 0)
                fail_msg("accepted: %s", text);
        if (!strstr(e.text, word))
                fail_msg("\"%s\" does not say \"%s\"", e.text, word);
        assert_null(strchr(e.text, '\n'));
        conf_free(c);
}

static struct conf *good_file(const char *option, const char *text, const char *more)
{
        struct conf *c;
        struct err e;
        if (parse_file(&c, option, text, more, &e))
                fail_msg("%s", e.text);
        return c;
}

static void a_file_of_settings(void **state)
{
        struct conf *c = good_file("-c",
                                   "# a comment\r\n"
                                   "; another\n"
                                   "/ and another\n"
                                   "[section]\n"
                                   "-----\n"
                                   "\n"
                                   "  Rate =  10k   # trailing\r\n"
                                   "range = 192.0.2.0/24, 198.51.100.7\n"
                                   "range=203.0.113.5 # one more\n"
                                   "exclude = 192.0.2.9\n"
                                   "ports = 80,443 # web\n"
                                   "nostatus\n"
                                   "infinite = no\n"
                                   "tcp-mss\n"
                                   "adapter[1] = eth1\n"
                                   "pcap = \" a#b \"\n"
                                   "output_filename = /tmp/with # hash\n"
                                   "wait = 3",
                                   "");
        (void)state;
        assert_true(c->rate_pps > 9999 && c->rate_pps < 10001);
        assert_int_equal(tgt_ports_count(c->ports), 2);
        assert_true(c->no_status && !c->infinite);
        assert_int_equal(c->syn.mss, 1460);
        assert_string_equal(c->adapters[1].name, "eth1");
        assert_string_equal(c->pcap_file, " a#b ");
        assert_string_equal(c->out.files[0].path, "/tmp/with # hash");
        assert_true(c->wait_s > 2.9 && c->wait_s < 3.1);
        assert_false(conf_was_set(c, "rate"));
        conf_free(c);
}

static void order_of_appearance(void **state)
{
        struct conf *c = good_file("192.0.2.1 -p80 --rate 7 -c", "rate = 9\n", "");
        (void)state;
        assert_true(c->rate_pps > 8.9);
        conf_free(c);
        c = good_file("192.0.2.1 -p80 -c", "rate = 9\n", "--rate 7");
        assert_true(c->rate_pps < 7.1);
        conf_free(c);
}

/* A pair of a file is what masscan.conf has by way of a default: the command line's output takes its place.
 */
static void output_pairs(void **state)
{
        static const char pair[] = "output-format = json\noutput-filename = /tmp/p.json\n";
        static const struct {
                const char *before, *file, *after, *outputs;
        } t[] = {{"-c", pair, "", "json:/tmp/p.json "},
                 {"-c", pair, "-oL /tmp/l", "list:/tmp/l "},
                 {"-c", pair, "-oL /tmp/p.json", "list:/tmp/p.json "},
                 {"-c", pair, "-oL /tmp/l -oX /tmp/x", "list:/tmp/l xml:/tmp/x "},
                 {"--resume", pair, "--output csv:/tmp/c", "csv:/tmp/c "},
                 {"-c", "output-format = json\n", "-oL /tmp/l", "list:/tmp/l "},
                 {"-c", "output-filename = /tmp/p\n", "-oL /tmp/l", "list:/tmp/l "},
                 {"-c", "output-format = interactive\n", "-oL /tmp/l", "list:/tmp/l "},
                 /* asked for on the command line too, in part or whole: both */
                 {"-c", pair, "-oL /tmp/l --output-filename /tmp/q", "list:/tmp/l json:/tmp/q "},
                 {"-c", pair, "--output-format xml -oL /tmp/l", "list:/tmp/l xml:/tmp/p.json "},
                 {"-c", pair, "--output-filename /tmp/q", "json:/tmp/q "},
                 /* the file comes later, or names outputs of its own: both */
                 {"-oL /tmp/l -c", pair, "", "list:/tmp/l json:/tmp/p.json "},
                 {"-c", "output-xml = /tmp/x\n", "-oL /tmp/l", "xml:/tmp/x list:/tmp/l "},
                 {"-c", "output-xml = /tmp/x\noutput-format = json\noutput-filename = /tmp/p\n", "",
                  "xml:/tmp/x json:/tmp/p "}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                char more[128], said[200] = "";
                snprintf(more, sizeof(more), "%s 192.0.2.1 -p80", t[i].after);
                struct conf *c = good_file(t[i].before, t[i].file, more);
                struct wr w = wr_of(said, sizeof(said) - 1);
                for (size_t k = 0; k < c->out.n_files; k++)
                        wr_fmt(&w, "%s:%s ", c->out.files[k].format, c->out.files[k].path);
                assert_string_equal(said, t[i].outputs);
                assert_false(c->out.interactive);
                conf_free(c);
        }
        expect_bad_file("output-format = json\n", "192.0.2.1 -p80", "goes nowhere");
        expect_bad_file("", "192.0.2.1 -p80 --output-format json -oL /tmp/l", "goes nowhere");
}

/* Quotes keep what the reader would take off, in any value; nothing inside is special. */
static void quotes(void **state)
{
        struct conf *c = good_file("-c",
                                   "range = \"192.0.2.1\" # one \"target\"\n"
                                   "ports = \"80\"\n"
                                   "adapter = \"#0\" # an odd name\n"
                                   "output-xml = \" a \"b\" # c \"\n"
                                   "rotate-dir = a\"b\"\n"
                                   "pcap = \"\n"
                                   "checkpoint = \"# x\" y\n",
                                   "");
        (void)state;
        assert_int_equal(tgt_ports_count(c->ports), 1);
        assert_string_equal(c->adapters[0].name, "#0");
        assert_string_equal(c->out.files[0].path, " a \"b\" # c ");
        assert_string_equal(c->out.rotate_dir, "a\"b\"");
        assert_string_equal(c->pcap_file, "\"");
        assert_string_equal(c->checkpoint_file, "\"# x\" y");
        conf_free(c);
}

static void places_of_errors(void **state)
{
        static const struct {
                const char *text, *word;
        } t[] = {{"rate = 5\n\nbogus = 1\n", ":3:1: unknown option \"bogus\""},
                 {"rate = 5\n  raet = 1\n", ":2:3: unknown option \"raet\": did you mean rate?"},
                 {"\nrate =   10q\n", ":2:10: rate: \"10q\" is not a rate"},
                 {"rate\n", ":1:1: \"rate\": a value is missing: write rate = RATE"},
                 {"rate : 5\n", ":1:1: \"rate : 5\": settings in a file are written rate = value"},
                 {"rate 5\n", "settings in a file are written rate = value"},
                 {"--rate = 5\n", ":1:1: \"--rate = 5\": settings in a file are written without dashes"},
                 {"-p80\n", "without dashes"},
                 {"192.0.2.0/24\n", "a list of targets is read with -iL"},
                 {"range = 192.0.2.1\nrange = 192.0.2.999\n", ":2:9: range: "},
                 {"range = fe80::zz\n", ":1:9: range: "},
                 {"exclude = 1.2.3.4/33\n", ":1:11: exclude: "},
                 {"ports = 80,70000\n", ":1:9: ports: "},
                 {"shard = 9/4\n", ":1:9: shard: \"9/4\""},
                 {"adapter[9] = x\n", ":1:1: "},
                 {"rawudp = true\n", "not in this version"},
                 {"rawudp\n", "not in this version"},
                 {"wait =\n", ":1:7: wait: "},
                 {"resume = x\n", "command line only"},
                 {"conf = /nonexistent/y\n", "/nonexistent/y"},
                 {"= 5\n", "nothing to scan"}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(t); i++)
                expect_bad_file(t[i].text, "", t[i].word);
}

static void what_cannot_be_a_configuration(void **state)
{
        struct temp_file t = temp_file("conf = ");
        char text[100], line[100];
        struct conf *c;
        struct err e;
        (void)state;
        snprintf(text, sizeof(text), "conf = %s\n", t.path); /* a file that calls itself */
        FILE *f = fopen(t.path, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
        snprintf(line, sizeof(line), "-c %s", t.path);
        bad(line, "more than 16 deep");
        f = fopen(t.path, "w");
        assert_non_null(f);
        fwrite("rate = 5\0\n", 1, 10, f);
        fclose(f);
        assert_int_equal(parse(&c, line, &e), -1);
        assert_non_null(strstr(e.text, "binary data"));
        conf_free(c);
        unlink(t.path);
        bad("-c /tmp", "/tmp");
}

/* As masscan 1.3.2 writes it, but for the index. */
static const char paused_132[] = "seed = 12305438442700766700\n"
                                 "rate = 50        \n"
                                 "shard = 1/1\n"
                                 "nocapture = servername\n"
                                 "\n\n"
                                 "adapter = v0\n"
                                 "adapter-ip = 192.0.2.1\n"
                                 "router-mac-ipv4 = 02-00-00-00-00-01\n"
                                 "router-mac-ipv6 = 02-00-00-00-00-01\n"
                                 "# TARGET SELECTION (IP, PORTS, EXCLUDES)\n"
                                 "ports = 80-90\n"
                                 "range = 198.51.100.0/24\n"
                                 "range = 203.0.113.7\n";
/* As later ones write it: a source-port range of 17, every default. */
static const char paused_head[] = "seed = 7\n"
                                  "rate = 0.500000\n"
                                  "shard = 1/1\n"
                                  "banners = false\n"
                                  "rawudp = false\n"
                                  "min-packet = 60\n"
                                  "capture = cert\n"
                                  "nocapture = servername\n"
                                  "nocapture = servername\n"
                                  "output-filename = /tmp/a.xml\n"
                                  "output-format = xml\n"
                                  "rotate = 3600\n"
                                  "tcp-mss = 1460\n"
                                  "adapter-port = 41234-41250\n"
                                  "ports = 80,443\n"
                                  "range = 198.51.100.0/24\n";

static void masscans_paused_conf(void **state)
{
        char text[1024];
        struct conf *c = good_file("-c", paused_132, "");
        (void)state;
        assert_true(c->seed == 12305438442700766700ull && c->has_seed);
        assert_int_equal(tgt_ports_count(c->ports), 11);
        assert_true(c->adapters[0].has_router_mac4);
        conf_free(c);
        c = good_file("--resume", paused_head, "");
        assert_int_equal(c->adapters[0].port_last, 41250);
        assert_true(c->out.append);
        assert_int_equal(c->out.n_files, 1);
        assert_null(c->resume_file); /* a configuration, not a checkpoint */
        conf_free(c);
        snprintf(text, sizeof(text), "\n# resume information\nresume-index = 193\n%s", paused_132);
        expect_bad_file(text, "", ":3:16: resume-index: 193 counts masscan's order");
        snprintf(text, sizeof(text), "# trawl\nresume-index = 193\n%s", paused_132);
        c = good_file("-c", text, "");
        assert_true(c->has_resume_index && c->resume_index == 193);
        conf_free(c);
}

static const char checkpoint[] = "# trawl checkpoint 2\n"
                                 "# trawl 0.1.0 settings\n"
                                 "seed = 99\n"
                                 "shard = 2/3\n"
                                 "rate = 5000\n"
                                 "retries = 2\n"
                                 "output = json:/tmp/r.json\n"
                                 "output = list:/tmp/r.txt\n"
                                 "checkpoint = elsewhere.resume\n"
                                 "state.position = 1234\n"
                                 "state.key = 00112233 4455\n"
                                 "state.output.0 = regular 5 = 6\n";

static void a_checkpoint(void **state)
{
        struct conf *c = good_file("--resume", checkpoint, "");
        (void)state;
        assert_non_null(c->resume_file);
        assert_string_equal(c->checkpoint_file, c->resume_file);
        assert_true(c->seed == 99 && c->shard == 2 && c->shards == 3);
        assert_int_equal(c->out.n_files, 2);
        assert_string_equal(c->out.files[1].path, "/tmp/r.txt");
        assert_string_equal(conf_state(c, "position"), "1234");
        assert_string_equal(conf_state(c, "key"), "00112233 4455");
        assert_string_equal(conf_state(c, "output.0"), "regular 5 = 6");
        assert_null(conf_state(c, "nothing"));
        char *text = echo_of(c, false); /* and what was set is written into the next one */
        assert_non_null(strstr(text, "retries = 2\n"));
        assert_non_null(strstr(text, "output = json:/tmp/r.json\noutput = list:/tmp/r.txt\n"));
        free(text);
        conf_free(c);
}

static void what_a_resumed_scan_may_change(void **state)
{
        struct conf *c = good_file("--rate 7 --tx-threads 2 --resume", checkpoint,
                                   "-oX /tmp/new.xml --checkpoint /tmp/other.resume");
        (void)state;
        assert_true(c->rate_pps < 7.5);
        assert_int_equal(c->tx_threads, 2);
        assert_int_equal(c->out.n_files, 1);
        assert_string_equal(c->out.files[0].path, "/tmp/new.xml");
        assert_string_equal(c->checkpoint_file, "/tmp/other.resume");
        conf_free(c);
        static const struct {
                const char *more, *word;
        } t[] = {{"--seed 5", "began with seed 99"},
                 {"--shard 1/3", "the scan to resume is shard 2/3"},
                 {"--resume-index 5", "contradict"},
                 {"--rate x", "is not a rate"}};
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                struct err e;
                assert_int_equal(parse_file(&c, "--resume", checkpoint, t[i].more, &e), -1);
                if (!strstr(e.text, t[i].word))
                        fail_msg("%s", e.text);
                conf_free(c);
        }
}

static void damaged_checkpoints(void **state)
{
        static const struct {
                const char *text, *word;
        } t[] = {{"# trawl checkpoint 1\nseed = 1\n", "of version 1"},
                 {"# trawl checkpoint 2\nstate.position\n", "is damaged"},
                 {"# trawl checkpoint 2\nrat", ":2:1: unknown option"},
                 {"# trawl checkpoint 2\nrate = \n", ":2:7: rate"}};
        (void)state;
        for (size_t i = 0; i < ARRAY_LEN(t); i++) {
                struct conf *c;
                struct err e;
                assert_int_equal(parse_file(&c, "--resume", t[i].text, "", &e), -1);
                if (!strstr(e.text, t[i].word))
                        fail_msg("%s", e.text);
                conf_free(c);
        }
}

static void long_files(void **state)
{
        struct temp_file t = temp_file("");
        char line[100];
        (void)state;
        FILE *f = fopen(t.path, "w");
        assert_non_null(f);
        fputs("ports = 80\n", f);
        for (unsigned i = 0; i < 50000; i++)
                fprintf(f, "range = 10.%u.%u.%u\n", i >> 15 & 255, i >> 7 & 255, (i & 127) * 2);
        fclose(f);
        snprintf(line, sizeof(line), "-c %s", t.path);
        struct conf *c = good(line);
        struct tgt_walk w;
        struct tgt_range r;
        unsigned n = 0;
        for (tgt_set_walk(&w, c->include); tgt_walk_next(&w, &r);)
                n++;
        assert_int_equal(n, 50000);
        conf_free(c);
        unlink(t.path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_of_settings),
                cmocka_unit_test(order_of_appearance),
                cmocka_unit_test(output_pairs),
                cmocka_unit_test(quotes),
                cmocka_unit_test(places_of_errors),
                cmocka_unit_test(what_cannot_be_a_configuration),
                cmocka_unit_test(masscans_paused_conf),
                cmocka_unit_test(a_checkpoint),
                cmocka_unit_test(what_a_resumed_scan_may_change),
                cmocka_unit_test(damaged_checkpoints),
                cmocka_unit_test(long_files),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
