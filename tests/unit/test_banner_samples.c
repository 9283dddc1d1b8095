// SPDX-License-Identifier: Apache-2.0
/*
 * Every sample of every banner parser: tests/golden/banner/PROTOCOL/CASE.sample is a conversation and what is
 * to be learnt from it. Each is run as it is, byte by byte, with the server's last words cut off at every
 * byte, and with every byte of the server's changed in turn; the last two need only end in order. A protocol
 * of the table with fewer than three samples fails.
 * Usage: test_banner_samples [PROTOCOL | --seeds DIRECTORY]
 *
 *   # comment
 *   port 25              name mx.example.com          capture html
 *   needs zlib           without that library the sample is passed over
 *   ticket "bytes"       a session ticket of the server's is known
 *   hello                our hello goes first
 *   > "EHLO \x41"        we must say just this; without a string: anything
 *   < "220 mx\r\n" "a"*9 the server says this; lines that begin with blanks go on with it
 *   tls                  the handshake we agreed to is done; what is learnt from here on is told apart
 *   eof                  the server closes, or falls silent
 *   = smtp "text"        a banner: all are listed, with their whole text
 *   + smtp key "value"   the fields of the last one of its kind, all of them in order: "text", 123, true,
 * false end done             or reject, or tls: the last status
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>
#include "test_banner.h"

#ifndef HAVE_ZLIB
#define HAVE_ZLIB 0
#endif

enum { STEPS = 64, WANTS = 256, SAMPLES = 64, FLIPS_MAX = 1500 };
enum step_kind { STEP_HEAR, STEP_SAY, STEP_SAY_ANY, STEP_EOF, STEP_HELLO, STEP_TLS };
struct step {
        enum step_kind kind;
        unsigned line;
        struct talk_bytes bytes;
};
struct want { /* key "": the text of this kind */
        uint16_t app;
        unsigned nth; /* banner of its kind: there may be one more inside of TLS */
        char key[64];
        uint8_t kind;
        uint64_t number;
        struct talk_bytes text;
        unsigned line;
};
struct sample {
        char path[600];
        unsigned line; /* while it is read */
        uint16_t port;
        char name[256];
        bool html, needs_zlib;
        struct talk_bytes ticket;
        struct step step[STEPS];
        struct want want[WANTS];
        unsigned n_steps, n_wants;
        enum banner_status end;
        bool has_end;
};

static const struct sample *now; /* for messages */
static const char *now_mode;
static unsigned now_line;
static const char *seeds_dir; /* NULL: none are wanted */

static void must(bool held, const char *what)
{
        if (held)
                return;
        print_error("%s:%u: %s: it must hold that %s\n", now ? now->path : "?", now_line, now_mode, what);
        fail();
}

static void show(const char *what, struct span s)
{
        print_error("    %s \"", what);
        for (size_t i = 0; i < s.n; i++) {
                uint8_t c = s.p[i];
                if (c == '"' || c == '\\')
                        print_error("\\%c", c);
                else if (c >= ' ' && c < 127)
                        print_error("%c", c);
                else if (c == '\r' || c == '\n' || c == '\t')
                        print_error("\\%c", c == '\r' ? 'r' : c == '\n' ? 'n' : 't');
                else
                        print_error("\\x%02x", c);
        }
        print_error("\"\n");
}

static struct span of(const struct talk_bytes *b)
{
        return span_of(b->p, b->n);
}

static bool same(struct span a, struct span b)
{
        return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void must_be(struct span got, struct span want, const char *what)
{
        if (same(got, want))
                return;
        show("wanted", want);
        show("got   ", got);
        must(false, what);
}

/* ---- reading a sample ---- */
static uint8_t read_hex(const char **p)
{
        unsigned v = 0;
        for (int i = 0; i < 2; i++, (*p)++) {
                char c = **p;
                unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                                 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                 : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                        : 99;
                must(digit < 16, "two hexadecimal digits follow \\x");
                v = v * 16 + digit;
        }
        return (uint8_t)v;
}

static uint8_t read_escape(const char **p)
{
        char c = *(*p)++;
        switch (c) {
        case 'r':
                return '\r';
        case 'n':
                return '\n';
        case 't':
                return '\t';
        case '\\':
        case '"':
                return (uint8_t)c;
        case 'x':
                return read_hex(p);
        default:
                must(false, "escapes are \\r \\n \\t \\\\ \\\" \\xHH");
                return 0;
        }
}

/* "…" "…": the strings of a line, joined. `*N` behind one says it N times. False: there is none. */
static bool read_strings(const char *p, struct talk_bytes *b)
{
        bool any = false;
        for (;;) {
                p += strspn(p, " ");
                if (*p != '"')
                        break;
                size_t start = b->n;
                for (p++; *p != '"'; any = true) {
                        must(*p != 0, "a string ends in its line");
                        uint8_t c = (uint8_t)*p++;
                        if (c == '\\')
                                c = read_escape(&p);
                        talk_append(b, span_of(&c, 1), 1 << 24);
                }
                p++;
                any = true;
                if (*p != '*')
                        continue;
                unsigned long times = strtoul(p + 1, (char **)&p, 10);
                size_t n = b->n - start;
                must(times >= 1 && times * n <= 1 << 20, "a repetition is from once to a megabyte");
                for (unsigned long i = 1; i < times; i++) {
                        uint8_t *copy = malloc(MAX(n, (size_t)1));
                        must(copy != NULL, "memory");
                        memcpy(copy, b->p + start, n);
                        talk_append(b, span_of(copy, n), 1 << 24);
                        free(copy);
                }
        }
        must(*p == 0 || *p == '\n' || *p == '#', "nothing but strings stands here");
        return any;
}

static struct step *add_step(struct sample *s, enum step_kind kind)
{
        must(s->n_steps < STEPS, "a sample has few steps");
        s->step[s->n_steps] = (struct step){.kind = kind, .line = s->line};
        return &s->step[s->n_steps++];
}

/* How many texts of this kind are wanted so far: fields belong to the last one. */
static unsigned count_texts(const struct sample *s, uint16_t app)
{
        unsigned n = 0;
        for (unsigned i = 0; i < s->n_wants; i++)
                n += s->want[i].app == app && !s->want[i].key[0];
        return n;
}

static struct want *add_want(struct sample *s, const char **rest)
{
        char app[64];
        size_t n = strcspn(*rest, " ");
        must(s->n_wants < WANTS && n < sizeof(app), "a sample wants few things");
        memcpy(app, *rest, n);
        app[n] = 0;
        *rest += n;
        *rest += strspn(*rest, " ");
        int id = result_app_by_name(app);
        must(id >= 0, "the kind of banner is known");
        unsigned texts = count_texts(s, (uint16_t)id);
        struct want *w = &s->want[s->n_wants++];
        *w = (struct want){.app = (uint16_t)id, .line = s->line, .nth = texts ? texts - 1 : 0};
        return w;
}

static struct talk_bytes *read_field(struct sample *s, const char *rest)
{
        struct want *w = add_want(s, &rest);
        size_t n = strcspn(rest, " ");
        must(n > 0 && n < sizeof(w->key), "a field has a key");
        memcpy(w->key, rest, n);
        rest += n;
        rest += strspn(rest, " ");
        w->kind = FIELD_BOOL;
        if (strncmp(rest, "true", 4) == 0)
                w->number = 1;
        else if (strncmp(rest, "false", 5) != 0)
                w->kind = *rest == '"' ? FIELD_TEXT : FIELD_NUMBER;
        if (w->kind == FIELD_NUMBER) {
                must(*rest >= '0' && *rest <= '9', "a value is a string, a number, true or false");
                w->number = strtoull(rest, NULL, 10);
        }
        if (w->kind == FIELD_TEXT)
                read_strings(rest, &w->text);
        return w->kind == FIELD_TEXT ? &w->text : NULL;
}

static void read_end(struct sample *s, const char *rest)
{
        static const struct {
                const char *word;
                enum banner_status status;
        } all[] = {{"done", BANNER_DONE}, {"reject", BANNER_REJECT}, {"tls", BANNER_TLS}};
        for (size_t i = 0; i < ARRAY_LEN(all); i++)
                if (strcmp(rest, all[i].word) == 0) {
                        s->end = all[i].status;
                        s->has_end = true;
                }
        must(s->has_end, "the end is done, reject or tls");
}

/* Words without strings; false: not one of them. */
static bool read_word(struct sample *s, const char *word, const char *rest)
{
        if (strcmp(word, "port") == 0)
                s->port = (uint16_t)strtoul(rest, NULL, 10);
        else if (strcmp(word, "name") == 0)
                snprintf(s->name, sizeof(s->name), "%s", rest);
        else if (strcmp(word, "capture") == 0 && strcmp(rest, "html") == 0)
                s->html = true;
        else if (strcmp(word, "ticket") == 0)
                read_strings(rest, &s->ticket);
        else if (strcmp(word, "needs") == 0 && strcmp(rest, "zlib") == 0)
                s->needs_zlib = true;
        else if (strcmp(word, "eof") == 0)
                add_step(s, STEP_EOF);
        else if (strcmp(word, "hello") == 0)
                add_step(s, STEP_HELLO);
        else if (strcmp(word, "tls") == 0)
                add_step(s, STEP_TLS);
        else if (strcmp(word, "end") == 0)
                read_end(s, rest);
        else
                return false;
        return true;
}

/* Returns where strings on the following lines go; NULL: nowhere. */
static struct talk_bytes *read_line(struct sample *s, char *line)
{
        size_t n = strcspn(line, " ");
        char word[16];
        snprintf(word, sizeof(word), "%.*s", (int)n, line);
        const char *rest = line + n + strspn(line + n, " ");
        if (strcmp(word, "<") == 0 || strcmp(word, ">") == 0) {
                struct step *st = add_step(s, *word == '<' ? STEP_HEAR : STEP_SAY);
                bool any = read_strings(rest, &st->bytes);
                must(any || st->kind == STEP_SAY, "a server says something");
                if (!any)
                        st->kind = STEP_SAY_ANY;
                return any ? &st->bytes : NULL;
        }
        if (strcmp(word, "=") == 0) {
                struct want *w = add_want(s, &rest);
                w->nth = count_texts(s, w->app) - 1;
                read_strings(rest, &w->text);
                return &w->text;
        }
        if (strcmp(word, "+") == 0)
                return read_field(s, rest);
        must(read_word(s, word, rest), "a line begins with one of the words of the format");
        return NULL;
}

static void read_sample(struct sample *s)
{
        char *data, *line;
        size_t len;
        struct err e;
        struct talk_bytes *to = NULL;
        now_mode = "reading";
        must(file_read(s->path, 4 << 20, &data, &len, &e) == 0, "the file can be read");
        for (line = data; line && *line;) {
                char *end = strchr(line, '\n');
                if (end)
                        *end = 0;
                now_line = ++s->line;
                if (*line == ' ' && line[strspn(line, " ")]) {
                        must(to != NULL, "there is a string to go on with");
                        read_strings(line, to);
                } else if (*line && *line != '#' && *line != ' ') {
                        to = read_line(s, line);
                }
                line = end ? end + 1 : NULL;
        }
        must(s->has_end, "a sample says how it ends");
        free(data);
}

static void free_sample(struct sample *s)
{
        for (unsigned i = 0; i < s->n_steps; i++)
                free(s->step[i].bytes.p);
        for (unsigned i = 0; i < s->n_wants; i++)
                free(s->want[i].text.p);
        free(s->ticket.p);
        free(s);
}

/* ---- what is wanted of a conversation ---- */
static unsigned nth_of(const struct talk *t, unsigned i)
{
        unsigned nth = 0;
        for (unsigned k = 0; k < i; k++)
                nth += t->kept[k].app == t->kept[i].app;
        return nth;
}

static bool is_kept(const struct talk *t, const struct want *w)
{
        for (unsigned i = 0; i < t->n_kept; i++)
                if (t->kept[i].app == w->app && nth_of(t, i) == w->nth)
                        return true;
        return false;
}

static void compare_field(const struct want *w, struct rd *r)
{
        struct field f;
        char what[100];
        snprintf(what, sizeof(what), "the next field is %s", w->key);
        if (!fields_next(r, &f)) {
                must(false, what);
                return;
        }
        if (!same(f.key, span_str(w->key)))
                show(f.kind == FIELD_TEXT ? "value" : "key", f.kind == FIELD_TEXT ? f.text : f.key);
        must_be(f.key, span_str(w->key), what);
        snprintf(what, sizeof(what), "%s has this value", w->key);
        must(f.kind == w->kind, "the field is of this kind");
        if (f.kind == FIELD_TEXT)
                must_be(f.text, of(&w->text), what);
        else if (f.number != w->number)
                print_error("    got %llu\n", (unsigned long long)f.number);
        must(f.kind == FIELD_TEXT || f.number == w->number, what);
}

static void compare_kept(const struct sample *s, const struct talk_kept *k, unsigned nth)
{
        struct rd r = rd_of(of(&k->fields));
        bool listed = false;
        for (unsigned i = 0; i < s->n_wants; i++) {
                const struct want *w = &s->want[i];
                if (w->app != k->app || w->nth != nth)
                        continue;
                now_line = w->line;
                if (w->key[0]) {
                        compare_field(w, &r);
                        continue;
                }
                must_be(of(&k->text), of(&w->text), "the banner has this text");
                listed = true;
        }
        struct field more;
        if (!listed && !(k->text.n == 0 && k->fields.n)) {
                show(result_app_name(k->app), of(&k->text));
                must(false, "each banner is listed");
        }
        if (fields_next(&r, &more)) {
                show("key", more.key);
                show("value", more.text);
                must(false, "each field is listed");
        }
}

static void compare(const struct sample *s, const struct talk *t)
{
        for (unsigned i = 0; i < t->n_kept; i++)
                compare_kept(s, &t->kept[i], nth_of(t, i));
        for (unsigned i = 0; i < s->n_wants; i++) {
                now_line = s->want[i].line;
                must(is_kept(t, &s->want[i]), "there is a banner of this kind");
        }
        now_line = s->line;
        static const char *const words[] = {"more", "next", "done", "tls", "reject"};
        if (t->end != s->end)
                print_error("    it ends with %s\n", words[t->end]);
        must(t->end == s->end, "the end is the one that is written");
}

/* ---- running ---- */
static void say(struct talk *t, const struct step *st)
{
        must(t->said.n > 0, "we say something here");
        if (st->kind == STEP_SAY)
                must_be(of(&t->said), of(&st->bytes), "we say just this");
        t->said.n = 0;
}

static void hear(struct talk *t, struct span s, bool bytewise)
{
        if (!bytewise) {
                talk_hear(t, s);
                return;
        }
        for (size_t i = 0; i < s.n; i++)
                talk_hear(t, span_of(s.p + i, 1));
}

static struct talk *start(const struct sample *s, const struct banner_conf *conf)
{
        struct banner_conf c = *conf;
        c.capture_html = s->html;
        struct talk *t = talk_new(&c);
        t->port = s->port;
        t->name = span_str(s->name);
        t->ticket = of(&s->ticket);
        return t;
}

static void run_exact(const struct sample *s, const struct banner_ops *b, const struct banner_conf *conf,
                      bool bytewise)
{
        struct talk *t = start(s, conf);
        for (unsigned i = 0; i < s->n_steps; i++) {
                const struct step *st = &s->step[i];
                now_line = st->line;
                if (st->kind == STEP_SAY || st->kind == STEP_SAY_ANY) {
                        say(t, st);
                        continue;
                }
                must_be(of(&t->said), span_of(NULL, 0), "we say nothing more");
                if (st->kind == STEP_HELLO)
                        talk_hello(t, b);
                else if (st->kind == STEP_HEAR)
                        hear(t, of(&st->bytes), bytewise);
                else if (st->kind == STEP_TLS)
                        talk_tls(t);
                else
                        talk_eof(t);
                if (t->row && t->row != b)
                        print_error("    taken for %s\n", t->row->name);
                must(!t->row || t->row == b, "it is known for what it is");
        }
        must_be(of(&t->said), span_of(NULL, 0), "we say nothing more");
        must(t->over, "the conversation is over (or `eof` is to be written)");
        compare(s, t);
        talk_free(t);
}

/* The same with one step's bytes replaced and everything behind it as it was, or nothing more (`last`). */
static void run_changed(const struct sample *s, const struct banner_ops *b, const struct banner_conf *conf,
                        unsigned which, struct span bytes, bool last)
{
        struct talk *t = start(s, conf);
        for (unsigned i = 0; i < s->n_steps && (i <= which || !last); i++) {
                const struct step *st = &s->step[i];
                if (st->kind == STEP_HELLO)
                        talk_hello(t, b);
                else if (st->kind == STEP_HEAR)
                        talk_hear(t, i == which ? bytes : of(&st->bytes));
                else if (st->kind == STEP_TLS && t->over && t->end == BANNER_TLS)
                        talk_tls(t);
        }
        if (!t->over)
                talk_eof(t);
        must(t->over, "a conversation ends");
        talk_free(t);
}

/* Long ones are not cut at every byte: time is short, and their middles are alike. */
static size_t stride(size_t n)
{
        return n / FLIPS_MAX + 1;
}

static void run_truncated(const struct sample *s, const struct banner_ops *b, const struct banner_conf *conf)
{
        unsigned last = s->n_steps;
        for (unsigned i = 0; i < s->n_steps; i++)
                if (s->step[i].kind == STEP_HEAR)
                        last = i;
        if (last == s->n_steps)
                return;
        size_t n = s->step[last].bytes.n;
        for (size_t i = 0; i < n; i += stride(n))
                run_changed(s, b, conf, last, span_of(s->step[last].bytes.p, i), true);
}

static void run_flipped(const struct sample *s, const struct banner_ops *b, const struct banner_conf *conf)
{
        static const uint8_t masks[] = {0xff, 0x01, 0x80, 0x20};
        for (unsigned i = 0; i < s->n_steps; i++) {
                const struct talk_bytes *bytes = &s->step[i].bytes;
                if (s->step[i].kind != STEP_HEAR)
                        continue;
                now_line = s->step[i].line;
                for (size_t at = 0; at < bytes->n; at += stride(bytes->n)) {
                        uint8_t mask = masks[at / stride(bytes->n) % ARRAY_LEN(masks)];
                        bytes->p[at] ^= mask;
                        run_changed(s, b, conf, i, of(bytes), false);
                        bytes->p[at] ^= mask;
                }
        }
}

/* The sample as an input of fuzz_banner. */
static void write_seed(const struct sample *s, const struct banner_ops *b)
{
        static uint8_t room[8192];
        struct wr w = wr_of(room, sizeof(room));
        struct err e;
        char path[700];
        uint8_t switches = s->name[0] ? TALK_NAME : 0;
        for (unsigned i = 0; i < s->n_steps; i++)
                switches |= s->step[i].kind == STEP_HELLO ? TALK_HELLO : 0;
        wr_be16(&w, talk_mark(b->name));
        wr_u8(&w, switches | (s->html ? TALK_HTML : 0));
        for (unsigned i = 0; i < s->n_steps; i++) {
                struct span bytes = of(&s->step[i].bytes);
                if (s->step[i].kind != STEP_HEAR)
                        continue;
                wr_u8(&w, bytes.n < 255 ? (uint8_t)bytes.n : 255);
                if (bytes.n >= 255)
                        wr_be16(&w, (uint16_t)bytes.n);
                wr_bytes(&w, bytes.p, bytes.n);
        }
        const char *last = strrchr(s->path, '/') + 1;
        snprintf(path, sizeof(path), "%s/%s-%.*s", seeds_dir, b->name, (int)(strlen(last) - 7), last);
        if (!w.full)
                must(file_replace(path, room, wr_len(&w), 0644, false, &e) == 0, "a seed can be written");
}

static void run_all(const struct sample *s, const struct banner_ops *b, const struct banner_conf *conf)
{
        now_mode = "whole";
        run_exact(s, b, conf, false);
        now_mode = "byte by byte";
        run_exact(s, b, conf, true);
        now_mode = "cut off";
        run_truncated(s, b, conf);
        now_mode = "one byte changed";
        run_flipped(s, b, conf);
}

static void run_sample(const char *path, const struct banner_ops *b, const struct banner_conf *conf)
{
        struct sample *s = calloc(1, sizeof(*s));
        assert_non_null(s);
        now = s;
        snprintf(s->path, sizeof(s->path), "%s", path);
        s->port = b->ports ? b->ports[0] : 31337;
        read_sample(s);
        if (seeds_dir)
                write_seed(s, b);
        if (!s->needs_zlib || HAVE_ZLIB)
                run_all(s, b, conf);
        now = NULL;
        free_sample(s);
}

static int is_sample(const struct dirent *d)
{
        size_t n = strlen(d->d_name);
        return n > 7 && strcmp(d->d_name + n - 7, ".sample") == 0;
}

static void test_protocol(void **state)
{
        const struct banner_ops *b = *state;
        struct dirent **found;
        struct banner_conf conf = {0};
        struct banner_http http = {0};
        struct err e;
        char dir[256], path[600];
        snprintf(dir, sizeof(dir), "tests/golden/banner/%s", b->name);
        int n = scandir(dir, &found, is_sample, alphasort);
        if (n < 3)
                print_error("%s: %d samples\n", dir, MAX(n, 0));
        assert_true(n >= 3);
        assert_int_equal(banner_http_request(&conf, &http, &e), 0);
        for (int i = 0; i < n; i++) {
                snprintf(path, sizeof(path), "%s/%s", dir, found[i]->d_name);
                run_sample(path, b, &conf);
                free(found[i]);
        }
        free(found);
        banner_conf_free(&conf);
}

struct row {
        uint16_t app;
        const char *name;
};
#define ROW(number, kind, word, parser) {APP_##kind, #parser},
#define ROW_ALSO(kind, parser)          {APP_##kind, #parser},

/* A parser is what its row says. Names are unique and of the command line; ports end; a hello is there where
 * nobody else would begin. */
static void test_table(void **state)
{
        static const struct row rows[] = {RESULT_KINDS(RESULT_NOTHING, ROW, ROW_ALSO)};
        (void)state;
        for (unsigned i = 0; banner_table[i]; i++) {
                const struct banner_ops *b = banner_table[i];
                assert_true(i < ARRAY_LEN(rows) && b->app == rows[i].app);
                assert_string_equal(b->name, rows[i].name);
                assert_ptr_equal(banner_by_name(b->name), b);
                assert_true(b->name[0] &&
                            strspn(b->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(b->name));
                assert_true(b->summary && b->summary[0]);
                assert_non_null(b->parse);
                assert_non_null(result_app_name(b->app));
                assert_true(b->match || b->hello);
                assert_true(b->hello || b->speaks_first);
        }
        assert_null(banner_by_name("no such protocol"));
}

int main(int argc, char **argv)
{
        static struct CMUnitTest tests[128];
        if (argc > 2 && strcmp(argv[1], "--seeds") == 0) {
                seeds_dir = argv[2];
                argc = 1;
        }
        size_t n = 0;
        tests[n++] = (struct CMUnitTest){.name = "table", .test_func = test_table};
        for (unsigned i = 0; banner_table[i] && n < ARRAY_LEN(tests); i++) {
                if (argc > 1 && strcmp(argv[1], banner_table[i]->name) != 0)
                        continue;
                tests[n++] = (struct CMUnitTest){.name = banner_table[i]->name,
                                                 .test_func = test_protocol,
                                                 .initial_state = (void *)(uintptr_t)banner_table[i]};
        }
        return _cmocka_run_group_tests("banner samples", tests, n, NULL, NULL);
}
