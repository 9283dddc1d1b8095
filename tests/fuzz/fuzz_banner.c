// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzing every banner parser of the table, as session/ would call them. The first two bytes choose who
 * listens: a row of the table, or whoever knows the bytes. The third has switches, the rest is what the
 * server says in turns, each with its length in front. Checked besides the sanitizers' findings, by
 * test_banner.h: bytes used, bounds, replies, fields; and that twice the same gives the same. Seeds are made
 * of the samples by `test_banner_samples --seeds DIRECTORY`.
 *
 *   | row 2 | switches 1 | length 1 [255: length 2] | bytes | length … |
 */
#include "../unit/test_banner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held, const char *what)
{
        (void)what;
        if (!held)
                abort();
}

static struct banner_conf conf;

static void set_up(void)
{
        struct err e;
        struct banner_http http = {0};
        if (conf.http_request.n == 0)
                must(banner_http_request(&conf, &http, &e) == 0, "a request can be made");
}

/* By the mark of its name, so that seeds stay right when rows come and go; else by number, or nobody. */
static const struct banner_ops *choose(uint16_t chooser)
{
        unsigned n = 0;
        for (; banner_table[n]; n++)
                if (talk_mark(banner_table[n]->name) == chooser)
                        return banner_table[n];
        return n && chooser < 0x8000 ? banner_table[chooser % n] : NULL;
}

static struct talk *begin(uint16_t chooser, uint8_t switches)
{
        const struct banner_ops *b = choose(chooser);
        struct banner_conf c = conf;
        c.capture_html = switches & TALK_HTML;
        struct talk *t = talk_new(&c);
        t->port = b && b->ports && !(switches & TALK_ODD_PORT) ? b->ports[0] : 31337;
        t->name = switches & TALK_NAME ? span_str("www.example.com") : span_of(NULL, 0);
        t->tls = switches & TALK_TLS;
        if (b && (switches & TALK_HELLO))
                talk_hello(t, b);
        if (b && !(switches & TALK_DETECT))
                t->row = b;
        return t;
}

static struct talk *converse(struct span input)
{
        struct rd r = rd_of(input);
        uint16_t chooser = rd_be16(&r);
        uint8_t switches = rd_u8(&r);
        struct talk *t = begin(chooser, switches);
        while (rd_left(&r) && !(t->over && t->end != BANNER_TLS)) {
                size_t n = rd_u8(&r);
                if (n == 255)
                        n = rd_be16(&r);
                struct span words = rd_take(&r, MIN(n, rd_left(&r)));
                if (t->over)
                        talk_tls(t);
                talk_hear(t, words);
        }
        if (!t->over)
                talk_eof(t);
        must(t->over, "a conversation ends");
        return t;
}

static bool same_bytes(struct talk_bytes a, struct talk_bytes b)
{
        return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        set_up();
        struct talk *a = converse(span_of(data, size)), *b = converse(span_of(data, size));
        must(a->end == b->end && a->phase == b->phase && a->row == b->row && a->turns == b->turns,
             "twice the same");
        must(same_bytes(a->said, b->said) && a->n_kept == b->n_kept, "twice the same words");
        for (unsigned i = 0; i < a->n_kept; i++) {
                must(a->kept[i].app == b->kept[i].app, "twice the same kinds");
                must(same_bytes(a->kept[i].text, b->kept[i].text), "twice the same texts");
                must(same_bytes(a->kept[i].fields, b->kept[i].fields), "twice the same fields");
        }
        talk_free(a);
        talk_free(b);
        return 0;
}
