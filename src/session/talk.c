// SPDX-License-Identifier: Apache-2.0
/*
 * talk: one conversation: bytes in, a parser found for them, its turns, replies out, and the clock. Between
 * the up-calls (set.c, tls_glue.c) and the parsers of banner/; what it learns goes to report.c, its end to
 * tries.c. Invariant: a parser sees the same bytes again only when an eighth more has come or 20 ms have gone
 * by, so that a server's dribble costs no more than its own time.
 */
#include "session_priv.h"

enum { ALWAYS_LEN = 1024 /* so short that it costs nothing */, DRIPS_MIN = 5, DRIPS_LEN = 4, SAME_LEN = 16 };

struct talk *talk_of(struct session_set *set, struct session *s)
{
        if (s->talk)
                return s->talk;
        struct talk *k = bufs_get(&set->bufs, bufs_class(sizeof(*k)));
        if (!k)
                return NULL;
        *k = (struct talk){0};
        s->talk = k;
        k->tail = &k->pieces;
        return k;
}

void talk_clear(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        if (!k)
                return;
        pieces_free(set, k);
        bufs_put(&set->bufs, k->in, k->in_class);
        bufs_put(&set->bufs, k->capture, k->capture_class);
        *k = (struct talk){.kept_ops = k->kept_ops,
                           .kept = k->kept,
                           .kept_len = k->kept_len,
                           .kept_class = k->kept_class,
                           .ticket = k->ticket,
                           .ticket_len = k->ticket_len,
                           .ticket_class = k->ticket_class,
                           .flags = k->flags & T_CUT};
        k->tail = &k->pieces;
        if (!k->kept && !k->ticket)
                talk_drop(set, s);
}

void talk_unkeep(struct session_set *set, struct talk *k)
{
        bufs_put(&set->bufs, k->kept, k->kept_class);
        k->kept = NULL;
        k->kept_ops = NULL;
        k->kept_len = 0;
}

void talk_drop(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        if (!k)
                return;
        talk_unkeep(set, k);
        bufs_put(&set->bufs, k->ticket, k->ticket_class);
        s->talk = NULL;
        pieces_free(set, k);
        bufs_put(&set->bufs, k->in, k->in_class);
        bufs_put(&set->bufs, k->capture, k->capture_class);
        bufs_put(&set->bufs, k, bufs_class(sizeof(*k)));
}

/* ---- time ---- */

void talk_silence(struct session *s)
{
        unsigned n = s->silent + 1u;
        s->silent = MIN(n, 63u) & 63;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
        return !a || (b && b < a) ? b : a;
}

void talk_arm(struct session_set *set, struct session *s)
{
        uint64_t at_ns = earlier(s->until_ns, s->soft_ns);
        if (s->talk)
                at_ns = earlier(at_ns, earlier(s->talk->quiet_ns, s->talk->flush_ns));
        if (s->conn && at_ns != s->armed_ns)
                conn_set_timer(set->stack, s->conn, at_ns);
        s->armed_ns = s->conn ? at_ns : 0;
}

void talk_wait(struct session_set *set, struct session *s, enum session_state state, uint64_t ns)
{
        s->state = state & 15;
        s->soft_ns = set->now_ns + ns;
        talk_arm(set, s);
}

/* ---- what a parser is asked ---- */

const struct banner_ops *talk_sent(const struct session_set *set, const struct session *s)
{
        if (s->check_i)
                return set->conf.checks[s->check_i - 1];
        return hello_row(s->hello == HELLO_USER ? hello_of_port(s->who.port) : s->hello);
}

void talk_turn(struct session_set *set, const struct session *s, struct banner_turn *t, struct wr *reply)
{
        const struct talk *k = s->talk;
        const char *name = session_name(set, s);
        banner_out_clear(&set->out);
        *reply = wr_of(set->reply, sizeof(set->reply));
        *t = (struct banner_turn){.name = name ? span_str(name) : span_of(NULL, 0),
                                  .port = s->who.port,
                                  .secret = try_secret(set, s),
                                  .conf = &set->conf.banner,
                                  .out = &set->out,
                                  .reply = reply};
        if (!k)
                return;
        if (s->check_i)
                t->ticket = span_of(k->ticket, k->ticket_len);
        t->in = span_of(k->in, k->in_len);
        t->used = k->in_len;
        t->phase = k->phase;
        t->tls = k->flags & T_SECURE;
        t->after_starttls = (k->flags & T_SECURE) && (k->flags & T_STARTTLS);
}

bool talk_say(struct session_set *set, struct session *s, struct span bytes)
{
        bool said = bytes.n == 0;
        wait_asked(s, set->now_ns);
        if (!said && s->talk && s->talk->flags & T_SECURE)
                said = tls_say(set, s, bytes);
        else if (!said)
                said = s->conn && conn_send(set->stack, s->conn, bytes);
        if (!said)
                bump(&set->count.refused_memory);
        return said;
}

/* ---- answers that lead elsewhere ---- */

/* The answer is kept: should nothing better be found, it is all we have. The first one that somebody
 * understands is worth more than one that nobody does, and the whole of one more than its beginning. */
static void keep(struct session_set *set, struct session *s, const struct banner_ops *ops)
{
        struct talk *k = s->talk;
        bool understood = ops && !k->kept_ops, whole = k->flags & T_CUT && k->in_len >= k->kept_len;
        k->flags &= (uint8_t)~T_CUT;
        if (!k->in_len || (k->kept_len && !understood && !whole))
                return;
        k->kept_len = 0;
        if (bufs_append(&set->bufs, &k->kept, &k->kept_class, &k->kept_len, KEPT_MAX,
                        span_of(k->in, k->in_len)) == SIZE_MAX)
                return;
        k->kept_ops = ops;
}

/* May what we said in the clear be said in TLS? Once more, too, where a handshake only came to nothing in
 * time. */
static bool may_try_tls(const struct session_set *set, const struct session *s)
{
        bool again = !hello_tried(s, HELLO_TLS) || s->flags & F_LATE;
        return set->tls && again && !s->check_i && s->hello != HELLO_USER && may_retry(set, s) &&
               !(s->flags & (F_FOUND | F_INSIDE));
}

static bool speaks_of_tls(struct span in)
{
        return span_find(in, "https", NULL) || span_find(in, "ssl", NULL) || span_find(in, "tls", NULL);
}

static void turn_to_tls(struct session_set *set, struct session *s)
{
        keep(set, s, s->talk->ops);
        s->flags &= (uint16_t)~F_LATE;
        s->tried &= ~((uint64_t)1 << HELLO_TLS);
        s->prefer = HELLO_TLS;
        try_end(set, s, TRY_NOBODY);
}

/* "421 TLS handshake failed": a reply (RFC 959 §4.2) of a server that took our hello for a handshake. Who
 * speaks of STARTTLS means something else. */
static bool refuses_plain(struct session_set *set, struct session *s)
{
        struct span in = span_of(s->talk->in, s->talk->in_len);
        bool failure = in.n > 3 && (in.p[0] == '4' || in.p[0] == '5') && in.p[3] == ' ';
        if (!failure || !may_try_tls(set, s) || !speaks_of_tls(in) || span_find(in, "starttls", NULL))
                return false;
        turn_to_tls(set, s);
        return true;
}

/* "You are speaking plain HTTP to a TLS port", in the words of half a dozen servers. */
static bool wants_tls(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        struct span in = span_of(k->in, k->in_len);
        if (k->ops->app != APP_HTTP || !may_try_tls(set, s) || !span_starts_nocase(in, "http/1.") ||
            !span_starts(span_cut(in, 8, in.n), " 400") || !speaks_of_tls(in))
                return false;
        turn_to_tls(set, s);
        return true;
}

/* An answer to a hello of somebody else's. Whoever gives it is better spoken to from the start: by his own
 * hello, or by none when he is one who greets. */
static bool stranger(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        uint8_t own = hello_of(k->ops);
        if (k->turns || s->check_i || s->hello == HELLO_NONE || s->hello == HELLO_USER ||
            k->ops == talk_sent(set, s) || !may_retry(set, s) || s->flags & F_FOUND)
                return false;
        if (refuses_plain(set, s))
                return true;
        if (!k->ops->speaks_first && (!k->ops->hello || hello_tried(s, own)))
                return false;
        keep(set, s, k->ops);
        if (k->ops->speaks_first)
                s->flags |= F_GREET;
        else
                s->prefer = own;
        try_end(set, s, TRY_NOBODY);
        return true;
}

/* The same words as in answer to another hello: it does not listen to us. */
static bool same_again(const struct talk *k)
{
        size_t n = MIN(k->kept_len, (uint32_t)SAME_LEN);
        return n && !k->kept_ops && !(k->flags & T_CUT) && k->in_len >= n && memcmp(k->kept, k->in, n) == 0;
}

/* All is here of what nobody understands. */
static void nobody_end(struct session_set *set, struct session *s, enum eof eof)
{
        struct talk *k = s->talk;
        bool record = !(k->flags & T_SECURE) && k->in_len >= 2 && (k->in[0] == 0x15 || k->in[0] == 0x16) &&
                      k->in[1] == 3;
        if (eof == EOF_FULL)
                s->flags |= F_ENDLESS | F_NO_MORE;
        if (s->hello == HELLO_USER || (k->flags & T_SECURE && s->flags & F_FOUND)) {
                s->flags |= F_FOUND;
                report_text(set, s, APP_UNKNOWN, span_of(k->in, MIN(k->in_len, (uint32_t)KEPT_MAX)),
                            span_of(NULL, 0));
                try_end(set, s, TRY_DONE);
                return;
        }
        if (refuses_plain(set, s))
                return;
        if (record && set->tls)
                s->prefer = HELLO_TLS; /* an alert: it wants TLS, RFC 8446 §6 */
        if (same_again(k)) {
                talk_silence(s);
                if (s->silent >= SILENT_FEW)
                        s->flags |= F_NO_MORE; /* it says that to everybody */
        }
        if (s->hello == HELLO_NONE)
                s->flags |= F_NO_MORE; /* it greets, so it would not wait for a hello */
        if (!s->check_i)
                keep(set, s, NULL);
        try_end(set, s, TRY_NOBODY);
}

/* What came of asking again is over too: the longer of the two is the answer. */
static void take_longer(struct session_set *set, struct talk *k)
{
        uint8_t *in = k->in, class = k->in_class;
        k->flags &= (uint8_t)~T_CUT;
        if (!k->turns && k->in_len < k->kept_len) {
                k->in = k->kept;
                k->in_class = k->kept_class;
                k->in_len = k->kept_len;
                k->parsed_len = 0;
                k->ops = k->kept_ops;
                k->kept = in;
                k->kept_class = class;
        }
        talk_unkeep(set, k);
}

/* Half of an answer, over a way that loses, and it is waited for no longer. A peer whose SYN-ACK was lost
 * waits 3, 6, 12 s … before it repeats itself (RFC 6298 §5.7): more patience gains little, a new connection
 * nearly all. Once for a hello. */
bool talk_cut(struct session_set *set, struct session *s, const struct conn *c)
{
        struct talk *k = s->talk;
        bool reads = s->state == ST_LISTEN || s->state == ST_ASKED || s->state == ST_TALK;
        if (k && k->flags & T_CUT) {
                if (reads || s->state == ST_NOBODY)
                        take_longer(set, k);
                return false;
        }
        if (!k || !c || !reads || !k->in_len || k->kept_len || k->turns || k->flags & T_SECURE ||
            s->check_i || s->flags & (F_FOUND | F_NO_MORE) || !may_retry(set, s) || !conn_lossy(c))
                return false;
        talk_unkeep(set, k);
        k->kept = k->in;
        k->kept_class = k->in_class;
        k->kept_len = k->in_len;
        k->kept_ops = k->ops;
        k->in = NULL;
        k->in_len = 0;
        k->flags |= T_CUT;
        try_end(set, s, TRY_CUT);
        return true;
}

/* ---- turns ---- */

/* MORE and REJECT: nobody yet, or nobody at all; NEXT: k->ops does. */
static enum banner_status who_listens(struct session_set *set, struct session *s, struct banner_turn *t)
{
        struct talk *k = s->talk;
        const struct banner_ops *sent = talk_sent(set, s);
        bool wait = false, refused = k->flags & T_NO_SENT;
        if (k->ops)
                return BANNER_NEXT;
        if (s->check_i)
                k->ops = refused ? NULL : sent;
        else
                k->ops = banner_detect(t, refused ? NULL : sent, &wait);
        if (k->ops && k->ops == sent && refused)
                k->ops = NULL;
        if (!k->ops)
                return wait ? BANNER_MORE : BANNER_REJECT;
        if (k->ops != sent)
                t->phase = k->phase = 0; /* it was the hello's */
        return BANNER_NEXT;
}

static enum banner_status ask(struct session_set *set, struct session *s, struct banner_turn *t)
{
        struct talk *k = s->talk;
        enum banner_status st = k->ops->parse(t);
        if (st == BANNER_MORE && t->eof)
                st = BANNER_REJECT;
        if (st == BANNER_REJECT && !k->turns && !(k->flags & T_NO_SENT) && k->ops == talk_sent(set, s)) {
                k->flags |= T_NO_SENT; /* not an answer to our hello: others may look */
                k->ops = NULL;
                st = BANNER_NEXT;
        }
        return st;
}

static void consume(struct talk *k, size_t n)
{
        n = MIN(n, (size_t)k->in_len);
        if (n)
                memmove(k->in, k->in + n, k->in_len - n);
        k->in_len -= (uint32_t)n;
        k->parsed_len = 0;
}

static bool end_done(struct session_set *set, struct session *s)
{
        try_end(set, s, TRY_DONE);
        return false;
}

/* A turn that counts: what was learnt, what we say. False: over. */
static bool count_turn(struct session_set *set, struct session *s, struct banner_turn *t,
                       enum banner_status st)
{
        struct talk *k = s->talk;
        if (!s->check_i && !(s->flags & F_FOUND)) {
                s->flags |= F_FOUND;
                s->found = hello_of(k->ops);
        }
        k->turns++;
        k->phase = t->phase;
        s->state = ST_TALK;
        report_later(set, s);
        if (st != BANNER_NEXT)
                report_flush(set, s);
        consume(k, t->used);
        return talk_say(set, s, span_of(t->reply->start, wr_len(t->reply))) || end_done(set, s);
}

static bool rejected(struct session_set *set, struct session *s, enum eof eof)
{
        s->talk->ops = NULL;
        if (s->talk->turns)
                return end_done(set, s);
        if (eof != EOF_NO) {
                nobody_end(set, s, eof);
                return false;
        }
        talk_wait(set, s, ST_NOBODY, COLLECT_NS);
        return true;
}

/* The server agreed to TLS. What it said behind that in the clear is not to be believed (CVE-2011-0411). */
static bool start_tls(struct session_set *set, struct session *s, enum eof eof)
{
        struct talk *k = s->talk;
        if (eof == EOF_END || !set->tls || k->flags & T_SECURE)
                return end_done(set, s);
        k->flags |= T_STARTTLS;
        consume(k, k->in_len);
        tls_begin(set, s);
        return false;
}

/* After a NEXT. True: the parser has to be asked again; else *alive says how it stands. */
static bool goes_on(struct session_set *set, struct session *s, bool moved, enum eof *eof, bool *alive)
{
        struct talk *k = s->talk;
        bool stuck = !moved && *eof != EOF_NO;
        *alive = true;
        if (k->turns >= TURNS_MAX || stuck)
                return *alive = end_done(set, s);
        if (*eof == EOF_FULL && k->in_len < BANNER_IN_MAX)
                *eof = EOF_NO;
        return moved && (k->in_len || *eof == EOF_END);
}

bool talk_judge(struct session_set *set, struct session *s, enum eof eof)
{
        struct talk *k = s->talk;
        if (!k || s->state < ST_LISTEN || s->state > ST_NOBODY || (!k->ops && !k->in_len))
                return true;
        if (s->state == ST_NOBODY) {
                if (eof != EOF_NO)
                        nobody_end(set, s, eof);
                return eof == EOF_NO;
        }
        for (;;) {
                struct banner_turn t;
                struct wr reply;
                talk_turn(set, s, &t, &reply);
                t.eof = eof != EOF_NO;
                k->parsed_len = k->in_len;
                k->quiet_ns = 0;
                enum banner_status st = who_listens(set, s, &t);
                if (st == BANNER_NEXT && stranger(set, s))
                        return false;
                if (st == BANNER_NEXT)
                        st = ask(set, s, &t);
                if (st == BANNER_MORE)
                        return true;
                if (st == BANNER_REJECT)
                        return rejected(set, s, eof);
                if (!k->ops) /* the hello's own parser would not have it */
                        continue;
                if (wants_tls(set, s))
                        return false;
                uint8_t phase = k->phase;
                bool alive, moved = t.used > 0 && k->in_len;
                if (!count_turn(set, s, &t, st))
                        return false;
                if (st == BANNER_DONE)
                        return end_done(set, s);
                if (st == BANNER_TLS)
                        return start_tls(set, s, eof);
                if (!goes_on(set, s, moved || k->phase != phase, &eof, &alive))
                        return alive;
        }
}

/* ---- bytes in ---- */

static bool worth_a_look(const struct talk *k)
{
        uint32_t more = k->in_len - k->parsed_len;
        bool line = k->in[k->in_len - 1] == '\n' && k->in_len < 4 * ALWAYS_LEN;
        return k->in_len < ALWAYS_LEN || line || more >= k->parsed_len / 8;
}

static bool no_memory(struct session_set *set, struct session *s)
{
        bump(&set->count.refused_memory);
        try_end(set, s, s->flags & F_FOUND ? TRY_DONE : TRY_GONE);
        return false;
}

static void capture(struct session_set *set, struct session *s, struct span bytes)
{
        struct talk *k = s->talk;
        if (set->conf.capture_raw && !s->check_i) /* a check's answer may be memory of the server's */
                (void)bufs_append(&set->bufs, &k->capture, &k->capture_class, &k->capture_len, CAPTURE_MAX,
                                  bytes);
}

bool talk_plain(struct session_set *set, struct session *s, struct span bytes)
{
        struct talk *k = s->talk;
        capture(set, s, bytes);
        while (bytes.n) {
                size_t n = bufs_append(&set->bufs, &k->in, &k->in_class, &k->in_len, BANNER_IN_MAX, bytes);
                if (n == SIZE_MAX)
                        return no_memory(set, s);
                bytes = span_cut(bytes, n, bytes.n);
                bool full = k->in_len == BANNER_IN_MAX;
                if ((full || bytes.n || worth_a_look(k)) && !talk_judge(set, s, full ? EOF_FULL : EOF_NO))
                        return false;
        }
        if (k->in_len > k->parsed_len && !k->quiet_ns)
                k->quiet_ns = set->now_ns + QUIET_NS;
        /* In the middle of something: the rest may have been lost on its way, and come by and by. */
        bool half = k->in_len && (k->ops || k->in[k->in_len - 1] != '\n');
        if (s->state != ST_NOBODY)
                s->soft_ns = set->now_ns + (half ? wait_rest(set) : wait_answer(set));
        talk_arm(set, s);
        return true;
}

bool talk_hear(struct session_set *set, struct session *s, struct span bytes)
{
        struct talk *k = talk_of(set, s);
        if (!k)
                return no_memory(set, s);
        k->came_len = (uint32_t)MIN(k->came_len + bytes.n, (size_t)UINT32_MAX);
        k->pushes += k->pushes < UINT32_MAX;
        if (k->tls)
                return tls_hear(set, s, bytes);
        if (s->state == ST_SLOT && k->flags & T_STARTTLS)
                return true;       /* nothing it could say now counts */
        if (s->state == ST_SLOT) { /* a server that greets, on a port where we expected TLS */
                queue_drop(set, s);
                s->hello = HELLO_NONE;
                s->state = ST_LISTEN;
        }
        return talk_plain(set, s, bytes);
}

/* ---- what is due ---- */

/* Nobody spoke first: now we do. */
static bool speak_up(struct session_set *set, struct session *s)
{
        uint8_t hello = HELLO_NONE;
        if (!(s->flags & F_GREET))
                hello = hello_wake(s);
        if (!hello && !(s->flags & F_GREET))
                hello = hello_next(set, s);
        if (hello)
                try_hello(set, s, hello);
        else
                try_end(set, s, TRY_SILENT);
        return false;
}

static bool waited_enough(struct session_set *set, struct session *s)
{
        if (s->state == ST_TLS) {
                tls_overdue(set, s);
                return false;
        }
        if (talk_cut(set, s, s->conn) || !talk_judge(set, s, EOF_END))
                return false;
        if (s->state == ST_LISTEN)
                return speak_up(set, s);
        if (s->conn && conn_window_shut(s->conn))
                s->flags |= F_SHUT;
        try_end(set, s, TRY_SILENT);
        return false;
}

/* The connection's time is over. */
static bool overdue(struct session_set *set, struct session *s)
{
        const struct talk *k = s->talk;
        if (k && k->pushes >= DRIPS_MIN && k->came_len / k->pushes < DRIPS_LEN)
                s->flags |= F_DRIPS | F_NO_MORE;
        if (s->state == ST_TLS)
                tls_overdue(set, s);
        else if (s->state == ST_SLOT) /* the handles are all taken: no fault of the peer's */
                try_end(set, s, TRY_GONE);
        else if (!talk_cut(set, s, s->conn) && talk_judge(set, s, EOF_END))
                try_end(set, s, TRY_SILENT);
        return false;
}

bool talk_time(struct session_set *set, struct session *s)
{
        struct talk *k = s->talk;
        if (k && k->flush_ns && k->flush_ns <= set->now_ns)
                report_flush(set, s);
        bool over = s->until_ns <= set->now_ns, due = s->soft_ns && s->soft_ns <= set->now_ns;
        if ((over || due) && tls_lags(set, s))
                over = false;
        if (over)
                return overdue(set, s);
        if (k && k->quiet_ns && k->quiet_ns <= set->now_ns && !talk_judge(set, s, EOF_NO))
                return false;
        if (k)
                k->quiet_ns = k->quiet_ns <= set->now_ns ? 0 : k->quiet_ns;
        if (s->soft_ns && s->soft_ns <= set->now_ns) {
                s->soft_ns = 0;
                return waited_enough(set, s);
        }
        talk_arm(set, s);
        return true;
}
