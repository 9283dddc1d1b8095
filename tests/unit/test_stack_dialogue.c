// SPDX-License-Identifier: Apache-2.0
/*
 * Dialogues: one line of text is one conversation with the stack, step by step, each run for IPv4 and IPv6
 * and with sequence numbers that wrap in the middle. A step is one of
 *
 *      accept [mss= win= ws= ts]        a checked SYN-ACK begins the connection
 *      connect                          the owner opens it (the SYN has to be taken by > S)
 *      < FLAGS [seq= ack= len= win= ws= mss= ts= ttl=]   a segment comes; <? one that must not be ours
 *      > FLAGS [seq= ack= len= win= mss=]        the next segment must be this; >- there must be none
 *      icmp TYPE CODE [mtu= seq=]       an error about a segment of ours
 *      +MS                              time goes by
 *      send N, close, abort, timer MS   the owner's calls; full N: a send that must be refused
 *      ! EVENT                          the next up-call must be this: opened, data N, finished, timer,
 *                                       ended WHY
 *      on EVENT ACTION                  from now on the up-call does this (send N without the blank)
 *      conns N, cells N, shut 0|1, lossy 0|1 (when it has ended: then), ttl N, total N (bytes delivered)
 *
 * Left out numbers are what an honest peer would send; of our segments only what is written is compared, but
 * bytes always. What nobody expected is an error. Letters: S SYN, A ACK, F FIN, P PSH, R RST.
 */
#include "test_stack.h"
#include "test_stack_rows.h"

struct step {
        const char *text; /* one step */
        struct fix *f;
        struct stack_conf *conf;
};

static bool wrong(const struct step *t, const char *what, const char *got)
{
        print_error("step \"%s\": %s%s\n", t->text, what, got);
        return false;
}

/* key=number; false: not written */
static bool field(const char *text, const char *key, uint32_t *v)
{
        const char *at = strstr(text, key);
        if (at)
                *v = (uint32_t)strtoul(at + strlen(key), NULL, 10);
        return at != NULL;
}

static uint32_t or_else(const char *text, const char *key, uint32_t otherwise)
{
        (void)field(text, key, &otherwise);
        return otherwise;
}

static uint8_t flags_of(const char *p)
{
        static const char letters[] = "FSRPAU";
        uint8_t flags = 0;
        for (; *p && *p != ' '; p++) {
                const char *at = strchr(letters, *p);
                assert_non_null(at);
                flags = (uint8_t)(flags | 1u << (at - letters));
        }
        return flags;
}

static void flag_text(char out[8], uint8_t flags)
{
        static const char letters[] = "FSRPAU";
        unsigned n = 0;
        for (unsigned i = 0; i < 6; i++)
                if (flags >> i & 1)
                        out[n++] = letters[i];
        out[n] = 0;
}

/* ---- steps ---- */

static bool do_accept(struct step *t)
{
        struct fix *f = t->f;
        uint32_t v;
        struct pkt p = fix_pkt(f, TCP_SYN | TCP_ACK, 0, 1);
        f->win = p.window = (uint16_t)or_else(t->text, "win=", f->win);
        p.mss = (uint16_t)or_else(t->text, "mss=", 1460);
        p.has_wscale = field(t->text, "ws=", &v);
        p.wscale = (uint8_t)or_else(t->text, "ws=", 0);
        p.has_ts = strstr(t->text, " ts") != NULL;
        p.tsval = 1000;
        p.tsecr = (uint32_t)(f->now_ns / 1000) - or_else(t->text, "rtt=", 50) * 1000;
        f->their_next = f->our_next = 1;
        if (stack_accept(f->s, &p, &f->to.route, f->now_ns) != STACK_ACCEPTED)
                return wrong(t, "not accepted", "");
        return true;
}

static bool do_connect(struct step *t)
{
        enum stack_accept why;
        struct fix *f = t->f;
        f->our_isn = (uint32_t)wire_cookie(t->conf->cookie, &f->to.us, f->to.us_port, &f->to.them,
                                           f->to.them_port);
        f->our_next = 1;
        f->c = stack_connect(f->s, &f->to, f->now_ns, &why);
        return f->c ? true : wrong(t, "no connection", "");
}

static bool do_input(struct step *t)
{
        struct fix *f = t->f;
        const char *text = t->text + 1;
        bool foreign = *text == '?';
        text += foreign;
        uint8_t flags = flags_of(text + 1);
        uint32_t seq = or_else(text, "seq=", f->their_next), len = or_else(text, "len=", 0), v;
        f->win = (uint16_t)or_else(text, "win=", f->win);
        struct pkt p = fix_pkt(f, flags, seq, or_else(text, "ack=", f->our_next));
        p.payload = pattern(their_byte, seq - 1, len);
        p.mss = (uint16_t)or_else(text, "mss=", flags & TCP_SYN ? 1460 : 0);
        p.has_wscale = field(text, "ws=", &v);
        p.wscale = p.has_wscale ? (uint8_t)v : 0;
        p.has_ts = field(text, "ts=", &p.tsval);
        p.tsecr = (uint32_t)(f->now_ns / 1000);
        p.ttl = (uint8_t)or_else(text, "ttl=", 55);
        uint32_t end = seq + len + !!(flags & (TCP_SYN | TCP_FIN));
        if ((int32_t)(end - f->their_next) > 0)
                f->their_next = end;
        if (stack_input(f->s, &p, &f->to.route, f->now_ns) == foreign)
                return wrong(t, foreign ? "was taken" : "was not taken", "");
        return true;
}

static bool bytes_right(const struct fix *f, const struct wire_segment *g)
{
        for (uint32_t i = 0; i < g->payload.n; i++)
                if (g->payload.p[i] != our_byte(g->seq - f->our_isn - 1 + i))
                        return false;
        return true;
}

static bool do_output(struct step *t)
{
        struct fix *f = t->f;
        struct stack_seg out;
        char got[96], letters[8];
        bool any = stack_next(f->s, &out, f->now_ns), none = t->text[1] == '-';
        const struct wire_segment *g = &out.seg;
        if (!any)
                return none ? true : wrong(t, "nothing was sent", "");
        uint32_t seq = g->seq - f->our_isn, ack = g->flags & TCP_ACK ? g->ack - f->their_isn : 0;
        flag_text(letters, g->flags);
        snprintf(got, sizeof(got), "%s seq=%u ack=%u len=%zu win=%u mss=%u", letters, seq, ack, g->payload.n,
                 g->window, g->mss);
        if (none || g->flags != flags_of(t->text + 2) || or_else(t->text, "seq=", seq) != seq ||
            or_else(t->text, "ack=", ack) != ack || or_else(t->text, "win=", g->window) != g->window ||
            or_else(t->text, "mss=", g->mss) != g->mss || or_else(t->text, "len=", 0) != g->payload.n)
                return wrong(t, "sent was ", got);
        if (!bytes_right(f, g) || !ip_eq(&g->src, &f->to.us) || !ip_eq(&g->dst, &f->to.them) ||
            g->sport != f->to.us_port || g->dport != f->to.them_port ||
            memcmp(&out.route, &f->to.route, 8) != 0)
                return wrong(t, "wrong bytes, address or route in ", got);
        uint32_t end = seq + (uint32_t)g->payload.n + !!(g->flags & (TCP_SYN | TCP_FIN));
        if (!(g->flags & TCP_RST) && (int32_t)(end - f->our_next) > 0)
                f->our_next = end;
        return true;
}

static bool do_icmp(struct step *t)
{
        struct fix *f = t->f;
        uint8_t head[8] = {0};
        char *rest;
        uint32_t seq = f->our_isn + or_else(t->text, "seq=", 0), mtu = or_else(t->text, "mtu=", 0);
        struct pkt p = {.kind = WIRE_ICMP,
                        .src = f->to.them,
                        .dst = f->to.us,
                        .proto = f->to.us.family == 4 ? 1 : 58,
                        .l4 = span_of(head, sizeof(head)),
                        .quoted = {.src = f->to.us,
                                   .dst = f->to.them,
                                   .proto = 6,
                                   .sport = f->to.us_port,
                                   .dport = f->to.them_port,
                                   .seq = seq}};
        p.icmp_type = (uint8_t)strtoul(t->text + 5, &rest, 10);
        p.icmp_code = (uint8_t)strtoul(rest, NULL, 10);
        if (f->to.us.family == 6) /* rows are written with IPv4's numbers */
                p.icmp_type = p.icmp_code == 4 ? 2 : 1, p.icmp_code = p.icmp_code == 3 ? 4 : 0;
        put_be32(head + 4, mtu);
        bool taken = stack_input(f->s, &p, &f->to.route, f->now_ns);
        return taken ? true : wrong(t, "was not taken", "");
}

static bool do_event(struct step *t)
{
        struct fix *f = t->f;
        if (f->seen == f->n_events)
                return wrong(t, "no up-call", "");
        const char *got = f->events[f->seen++];
        return strcmp(got, t->text + 2) == 0 ? true : wrong(t, "the up-call was ", got);
}

static bool compare(struct step *t, uint64_t got, uint64_t want)
{
        char text[24];
        snprintf(text, sizeof(text), "%llu", (unsigned long long)got);
        return got == want ? true : wrong(t, "it is ", text);
}

static bool do_state(struct step *t, uint32_t want)
{
        struct stack_stats n = fix_stats(t->f);
        switch (t->text[1]) {
        case 'o': /* conns, total, lossy */
                if (t->text[0] == 'l')
                        return compare(t, t->f->c ? conn_lossy(t->f->c) : t->f->lossy, want);
                return t->text[0] == 'c' ? compare(t, n.conns, want) : compare(t, t->f->delivered, want);
        case 'e': /* cells */
                return compare(t, n.buffer_bytes / 128, want);
        case 'h': /* shut */
                return compare(t, conn_window_shut(t->f->c), want);
        default: /* ttl */
                return compare(t, conn_ttl(t->f->c), want);
        }
}

static bool do_on(struct step *t, const char *event, const char *action)
{
        static char words[64][16];
        static unsigned n;
        struct fix *f = t->f;
        char *a = words[n++ % 64], *b = words[n++ % 64];
        snprintf(a, 16, "%s", event);
        snprintf(b, 16, "%s", action);
        f->on[f->n_on] = a;
        f->then[f->n_on++] = b;
        return true;
}

static bool do_owner(struct step *t)
{
        struct fix *f = t->f;
        char word[16] = "", second[16] = "", third[16] = "";
        (void)sscanf(t->text, "%15s %15s %15s", word, second, third);
        uint32_t n = (uint32_t)strtoul(second, NULL, 10);
        if (strcmp(word, "on") == 0)
                return do_on(t, second, third);
        if (strcmp(word, "send") == 0)
                return queue_bytes(f, n) ? true : wrong(t, "refused", "");
        if (strcmp(word, "full") == 0)
                return queue_bytes(f, n) ? wrong(t, "taken", "") : true;
        if (strcmp(word, "close") == 0)
                conn_close(f->s, f->c);
        else if (strcmp(word, "abort") == 0)
                conn_abort(f->s, f->c);
        else if (strcmp(word, "timer") == 0)
                conn_set_timer(f->s, f->c, n ? f->now_ns + n * NS_PER_MS : 0);
        else
                return do_state(t, n);
        return true;
}

static bool do_step(struct step *t)
{
        switch (t->text[0]) {
        case '<':
                return do_input(t);
        case '>':
                return do_output(t);
        case '!':
                return do_event(t);
        case '+':
                fix_wait(t->f, strtoul(t->text + 1, NULL, 10) * NS_PER_MS);
                return true;
        default:
                if (strncmp(t->text, "accept", 6) == 0)
                        return do_accept(t);
                if (strncmp(t->text, "connect", 7) == 0)
                        return do_connect(t);
                if (strncmp(t->text, "icmp", 4) == 0)
                        return do_icmp(t);
                return do_owner(t);
        }
}

/* ---- rows ---- */

static bool nothing_left(struct step *t)
{
        struct fix *f = t->f;
        struct stack_stats n = fix_stats(f);
        t->text = "the end";
        if (f->wrong)
                return wrong(t, "bytes were delivered that nobody sent", "");
        if (f->seen != f->n_events)
                return wrong(t, "nobody expected ", f->events[f->seen]);
        t->text = ">-";
        return do_output(t) && (n.conns || compare(t, n.buffer_bytes, 0));
}

static bool run(const char *row, struct stack_conf *conf, bool six, uint32_t our, uint32_t their)
{
        struct fix f;
        char step[160];
        bool fine = true;
        fix_begin(&f, *conf, six, our, their);
        struct step t = {.text = step, .f = &f, .conf = conf};
        for (const char *p = row; fine && *p;) {
                size_t n = strcspn(p, ";");
                snprintf(step, sizeof(step), "%.*s", (int)n, p);
                fine = do_step(&t);
                p += n + strspn(p + n, "; ");
        }
        fine = fine && nothing_left(&t);
        bool opened = f.n_events || f.c;
        stack_free(f.s);
        if (fine && opened && f.ended != 1)
                fine = wrong(&t, "ended() was called more than once or never", "");
        return fine;
}

static unsigned run_all(bool six, uint32_t our, uint32_t their)
{
        unsigned bad = 0;
        for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
                struct stack_conf conf = {.max_conns = 4, .syn_wscale = 2, .syn_timestamps = true};
                if (rows[i].window)
                        conf.window = rows[i].window;
                if (run(rows[i].steps, &conf, six, our, their))
                        continue;
                print_error("row \"%s\", IPv%d\n", rows[i].name, six ? 6 : 4);
                bad++;
        }
        return bad;
}

static void test_v4(void **state)
{
        (void)state;
        assert_int_equal(run_all(false, 1000, 70000), 0);
}

static void test_v6(void **state)
{
        (void)state;
        assert_int_equal(run_all(true, 1000, 70000), 0);
}

static void test_wrapping(void **state)
{
        (void)state;
        for (uint32_t back = 0; back < 12; back++) {
                assert_int_equal(run_all(false, 0u - back, 0u - (11 - back)), 0);
                assert_int_equal(run_all(true, 0u - 700 - back * 100, 0u - 1500 + back * 100), 0);
        }
        assert_int_equal(run_all(false, 0x7ffffffe, 0x7ffffff8), 0);
}

static void test_that_rows_can_fail(void **state)
{
        (void)state;
        struct stack_conf conf = {.max_conns = 4, .syn_wscale = 2};
        assert_false(run("accept; ! opened; > A seq=2", &conf, false, 1, 1));
        assert_false(run("accept; ! opened", &conf, false, 1, 1));
        assert_false(run("accept; > A", &conf, false, 1, 1));
        assert_false(run("accept; ! opened; > A; send 5; > AP len=4", &conf, false, 1, 1));
        assert_false(run("accept; ! opened; > A; < A len=5; ! data 4; > A", &conf, false, 1, 1));
        assert_true(run("accept; ! opened; > A", &conf, false, 1, 1));
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_v4), cmocka_unit_test(test_v6),
                                           cmocka_unit_test(test_wrapping),
                                           cmocka_unit_test(test_that_rows_can_fail)};
        assert_true(ARRAY_LEN(rows) >= 150);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
