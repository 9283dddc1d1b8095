// SPDX-License-Identifier: Apache-2.0
/*
 * dns: a name server over TCP is asked for its version and then its host name, both TXT records of class
 * CHAOS under names agreed among servers. The banner is the version, or the reason why there is none.
 * RFC 1035 §4.1 and §4.2.2, RFC 4892.
 *
 *   | length 2 | id 2 | flags 2 | questions 2 | answers 2 | 0 2 | 0 2 | name | type 2 | class 2 | answers … |
 *
 * Invariant: names are stepped over, never followed, so that no pointer can lead in a circle.
 */
#include "banner/protocols.h"

enum { CHAOS = 3, TXT = 16, HEAD_LEN = 12, RESPONSE = 0x8000, AUTHORITATIVE = 0x0400, RECURSION = 0x0080 };
enum phase { ASKED_VERSION, ASKED_HOSTNAME };
static const uint16_t ports[] = {53, 0};
static const char version_name[] = "\x07version\x04"
                                   "bind";
static const char hostname_name[] = "\x08hostname\x04"
                                    "bind";

static uint16_t id_of(const struct banner_turn *t)
{
        return (uint16_t)(t->secret + t->phase);
}

static void ask(struct banner_turn *t, const char *name, size_t n)
{
        wr_be16(t->reply, (uint16_t)(HEAD_LEN + n + 4));
        wr_be16(t->reply, id_of(t));
        wr_be16(t->reply, 0); /* an ordinary question, no recursion */
        wr_be16(t->reply, 1);
        wr_be16(t->reply, 0);
        wr_be32(t->reply, 0);
        wr_bytes(t->reply, name, n); /* its last label is the NUL */
        wr_be16(t->reply, TXT);
        wr_be16(t->reply, CHAOS);
}

static void hello(struct banner_turn *t)
{
        ask(t, version_name, sizeof(version_name));
}

static void skip_name(struct rd *r)
{
        for (;;) {
                uint8_t n = rd_u8(r);
                if (n >= 0xc0)
                        rd_skip(r, 1);
                else
                        rd_skip(r, n);
                if (r->bad || n == 0 || n >= 0xc0)
                        return;
        }
}

struct txt_answer {
        uint16_t flags;
        struct span text; /* the first string of the first TXT record; p NULL: there is none */
};

/* False: not a response to our question. */
static bool read_answer(const struct banner_turn *t, struct rd r, struct txt_answer *a)
{
        uint16_t id = rd_be16(&r);
        a->flags = rd_be16(&r);
        uint16_t questions = rd_be16(&r), answers = rd_be16(&r);
        rd_skip(&r, 4);
        if (r.bad || id != id_of(t) || !(a->flags & RESPONSE) || questions > 1)
                return false;
        if (questions) {
                skip_name(&r);
                rd_skip(&r, 4);
        }
        a->text = span_of(NULL, 0);
        for (unsigned i = 0; i < answers && !r.bad && !a->text.p; i++) {
                skip_name(&r);
                uint16_t type = rd_be16(&r), class = rd_be16(&r);
                rd_skip(&r, 4);
                struct rd data = rd_sub(&r, rd_be16(&r));
                size_t n = rd_u8(&data);
                if (!data.bad && type == TXT && class == CHAOS)
                        a->text = rd_take(&data, n);
        }
        return true;
}

static const char *rcode_name(unsigned rcode)
{
        static const char *const names[] = {"NOERROR", "FORMERR",  "SERVFAIL", "NXDOMAIN", "NOTIMP",
                                            "REFUSED", "YXDOMAIN", "XRRSET",   "NOTAUTH",  "NOTZONE"};
        return rcode < ARRAY_LEN(names) ? names[rcode] : "";
}

static enum banner_status describe_version(struct banner_turn *t, const struct txt_answer *a)
{
        unsigned rcode = a->flags & 15;
        if (rcode == 0 && a->text.p) {
                banner_text(t->out, APP_DNS, a->text);
                banner_field(t->out, APP_DNS, "version", a->text);
        } else {
                banner_fmt(t->out, APP_DNS, *rcode_name(rcode) ? "%u:%s" : "%u", rcode, rcode_name(rcode));
        }
        banner_field_u64(t->out, APP_DNS, "rcode", rcode);
        banner_field_bool(t->out, APP_DNS, "authoritative", a->flags & AUTHORITATIVE);
        banner_field_bool(t->out, APP_DNS, "recursion_available", a->flags & RECURSION);
        t->phase = ASKED_HOSTNAME;
        ask(t, hostname_name, sizeof(hostname_name));
        return BANNER_NEXT;
}

static enum banner_status parse(struct banner_turn *t)
{
        struct txt_answer a;
        struct rd r = rd_of(t->in);
        size_t len = rd_be16(&r);
        bool whole = !r.bad && rd_left(&r) >= len;
        if (!whole && t->eof && t->phase == ASKED_HOSTNAME)
                return BANNER_DONE;
        if (!r.bad && len < HEAD_LEN)
                return BANNER_REJECT;
        if (!whole)
                return BANNER_MORE;
        bool ours = read_answer(t, rd_sub(&r, len), &a);
        if (t->phase == ASKED_VERSION) {
                t->used = len + 2;
                return ours ? describe_version(t, &a) : BANNER_REJECT;
        }
        if (ours && a.text.p && (a.flags & 15) == 0)
                banner_field(t->out, APP_DNS, "hostname", a.text);
        return BANNER_DONE;
}

const struct banner_ops banner_dns = {
        .name = "dns",
        .summary = "name server over TCP: version and host name",
        .app = APP_DNS,
        .ports = ports,
        .hello = hello,
        .parse = parse,
};
