// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzing sessions: the bytes are what peers, TLS workers, the stack and the clock do, in any order that the
 * doors allow. Stand-ins and toy protocols are those of the unit tests, which check that no dead connection
 * and no closed handle is used, that nothing is told of a service that is done with, and that it is done with
 * once. Checked here: left to itself every service comes to an end, and all memory comes back.
 *
 *   | switches 1 | then steps: what 1 | which 1 | more |
 */
#include "../unit/test_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held, const char *what)
{
        (void)what;
        if (!held)
                abort();
}

enum { SERVICES_MAX = 12, LEFT_ALONE = 1500 };
static const uint16_t ports[] = {80, 21, 443, 31337, 23, 7, 990, 99};
static const struct session_hello hellos[] = {{99, {(const uint8_t *)"mine", 4}}};
static const struct banner_ops *const checks[] = {&toy_bleed, NULL};
static const char *const words[] = {
        "220 here\r\n",
        "234 go\r\n",
        "200 more\r\n",
        "500 no\r\n",
        "HTTP/1.1 400 https END",
        "HTTP/1.1 END",
        "ECHO!",
        "SSL3!",
        "login: ",
        "\x15\x03\x03\x02",
        "\x16\x03\x03hello",
        "HTTP/1.0 200 ",
        "what?",
        "DNS!",
        "\n",
        "2",
        "421 TLS failed\r\n",
        "530 STARTTLS\r\n",
        "HTTP/1.1 400 sent to HTTPS port END",
};
static const struct tls_cert cert = {
        .der = {(const uint8_t *)"der", 3},
        .subject_cn = "a",
        .subject = "CN=a",
        .issuer = "",
        .serial = "",
        .signature = "",
};
static struct tls_facts facts = {.version = 0x0303,
                                 .cipher = 0xc02f,
                                 .cipher_name = "",
                                 .alpn = "",
                                 .group = "",
                                 .certs = &cert,
                                 .n_certs = 1};

static void begin(uint8_t switches)
{
        world_clear();
        w.conf.tls = switches & 1;
        w.conf.capture_raw = switches & 2;
        w.conf.max_tries = switches & 4 ? 2 : 0;
        w.conf.checks = switches & 8 ? checks : NULL;
        w.conf.hello = switches & 16 ? "http" : NULL;
        w.conf.hellos = hellos;
        w.conf.n_hellos = 1;
        w.n_names = switches >> 5 & 3;
        w.names[0] = "a.example";
        w.names[1] = "b.example";
        w.names[2] = "c.example";
        world_begin();
}

static void open_it(struct conn *c)
{
        if (!c->live || c->open || !c->app)
                return;
        c->open = true;
        session_conn_ops.opened(w.set, c);
}

static void hear(struct conn *c, struct span s)
{
        uint8_t *exact = malloc(MAX(s.n, (size_t)1)); /* the address sanitizer guards both ends */
        must(exact != NULL, "memory");
        if (s.n)
                memcpy(exact, s.p, s.n);
        if (c->live && c->open && !c->fin && s.n)
                session_conn_ops.data(w.set, c, span_of(exact, s.n));
        free(exact);
}

static void much(struct conn *c, size_t n)
{
        static uint8_t x[20000];
        memset(x, 'x', sizeof(x));
        hear(c, span_of(x, MIN(n * 200, sizeof(x))));
}

static void finish(struct conn *c)
{
        if (!c->live || !c->open || c->fin)
                return;
        c->fin = true;
        session_conn_ops.finished(w.set, c);
}

static void end(struct conn *c, uint8_t how)
{
        static const enum conn_end open_ends[] = {CONN_CLOSED, CONN_RESET, CONN_TIMEOUT},
                                   syn_ends[] = {CONN_REFUSED, CONN_TIMEOUT};
        if (c->live)
                conn_dies(c, c->open ? open_ends[how % 3] : syn_ends[how % 2]);
}

static void worker(uint8_t kind, struct rd *r)
{
        uint8_t n = rd_u8(r);
        uint32_t back = n % 4, last = w.tls.last;
        struct span s = rd_take(r, MIN((size_t)(n >> 2), rd_left(r)));
        if (last <= back || w.tls.n_ev >= EVENTS_MAX - 2)
                return;
        if (kind & 32)
                s = span_str(words[n % ARRAY_LEN(words)]);
        facts.alpn = kind & 16 ? "http/1.1" : "";
        facts.ticket = span_of("ticket", kind & 128 ? 6 : 0);
        w.tls.last -= back;
        world_event((enum tls_event_kind)(kind % 5), s.p, s.n,
                    kind % 5 == TLS_READY || kind & 8 ? &facts : NULL, kind & 64 ? 0x0228 : 0);
        w.tls.last = last;
}

static void toggle(uint8_t what)
{
        w.stack.full ^= what & 1;
        w.stack.deaf ^= what >> 1 & 1;
        w.tls.full ^= what >> 2 & 1;
        w.no_source ^= what >> 3 & 1;
        w.tls.busy ^= what >> 5 & 1;
        if (what & 16)
                w.set->bufs.max = w.set->bufs.max ? 0 : SET_BYTES;
}

static void step(struct rd *r)
{
        uint8_t what = rd_u8(r), which = rd_u8(r);
        struct conn *c = &w.stack.conn[w.stack.n ? which % w.stack.n : 0];
        switch (what % 11) {
        case 0:
                if (w.n_begun < SERVICES_MAX && !w.stack.full)
                        world_accept(ports[which % ARRAY_LEN(ports)]);
                break;
        case 1:
                hear(c, rd_take(r, MIN((size_t)rd_u8(r), rd_left(r))));
                break;
        case 2:
                hear(c, span_str(words[rd_u8(r) % ARRAY_LEN(words)]));
                break;
        case 3:
                finish(c);
                break;
        case 4:
                end(c, rd_u8(r));
                break;
        case 5:
                world_pass((uint64_t)which * which * NS_PER_MS);
                break;
        case 6:
                open_it(c);
                break;
        case 7:
                worker(which, r);
                break;
        case 8:
                toggle(which);
                break;
        case 9:
                much(c, rd_u8(r));
                break;
        case 10:
                c->shut ^= c->live;
                break;
        }
}

/* Nobody says a word any more, but there is room: each service ends by itself. */
static void left_alone(void)
{
        w.stack.full = w.stack.deaf = w.tls.full = w.tls.busy = w.no_source = false;
        w.set->bufs.max = SET_BYTES;
        for (unsigned i = 0; i < LEFT_ALONE && session_count(w.set); i++) {
                world_pass(NS_PER_S);
                for (unsigned k = 0; k < w.stack.n; k++) {
                        open_it(&w.stack.conn[k]);
                        if (w.stack.conn[k].live && w.stack.conn[k].closed)
                                conn_dies(&w.stack.conn[k], CONN_CLOSED);
                }
        }
        must(session_count(w.set) == 0, "each service ends");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct rd r = rd_of(span_of(data, size));
        uint8_t switches = rd_u8(&r);
        begin(switches);
        while (rd_left(&r) && w.stack.n < CONNS / 2 && w.n_told < REPORTS_MAX / 2)
                step(&r);
        if (switches & 128)
                left_alone();
        world_end();
        return 0;
}
