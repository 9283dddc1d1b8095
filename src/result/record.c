// SPDX-License-Identifier: Apache-2.0
/*
 * record: the words for states, protocols, reasons and applications, in one place for every writer and
 * reader. Used by output and by the file readers. Invariant: words and numbers that masscan's files use are
 * the same here, so that scripts and old files keep their meaning; for what those files cannot say (ICMP
 * errors) the words are nmap's where it has one. RFC 792, RFC 1812 §5.2.7, RFC 4443 §3.
 */
#include "result/result.h"

const char *result_state_name(enum port_state state)
{
        switch (state) {
        case PORT_OPEN:
        case PORT_BANNER: /* who sends a banner is open */
                return "open";
        case PORT_CLOSED:
                return "closed";
        case PORT_FILTERED:
                return "filtered";
        case PORT_UP:
                return "up";
        case PORT_UNKNOWN:
                break;
        }
        return "unknown";
}

const char *result_proto_name(uint8_t proto)
{
        switch (proto) {
        case 0:
                return "arp";
        case 1:
                return "icmp";
        case 6:
                return "tcp";
        case 17:
                return "udp";
        case 132:
                return "sctp";
        default:
                return "err";
        }
}

/* ---- reasons ---- */

static const char *word_of(const char *const *words, size_t n, uint8_t code, const char *other)
{
        return code < n && words[code] ? words[code] : other;
}

static const char *icmp4_word(uint8_t type, uint8_t code)
{
        static const char *const unreachable[] = {
                "net-unreach",   "host-unreach",     "proto-unreach",   "port-unreach",
                "frag-needed",   "source-route",     "net-unknown",     "host-unknown",
                "host-isolated", "net-prohibited",   "host-prohibited", "net-unreach",
                "host-unreach",  "admin-prohibited", "prec-violation",  "prec-cutoff",
        };
        if (type == 3)
                return word_of(unreachable, ARRAY_LEN(unreachable), code, "dest-unreach");
        return type == 11 ? "time-exceeded" : "none";
}

static const char *icmp6_word(uint8_t type, uint8_t code)
{
        static const char *const unreachable[] = {
                "no-route",     "admin-prohibited", "beyond-scope", "host-unreach",
                "port-unreach", "admin-prohibited", "reject-route",
        };
        if (type == 1)
                return word_of(unreachable, ARRAY_LEN(unreachable), code, "dest-unreach");
        return type == 3 ? "time-exceeded" : "none";
}

size_t result_reason(char *out, size_t cap, const struct record *r)
{
        static const char *const flags[8] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};
        assert(cap > 0);
        struct wr w = wr_of(out, cap - 1);
        for (unsigned i = 0; i < 8; i++) {
                if (!(r->flags >> i & 1))
                        continue;
                if (wr_len(&w))
                        wr_u8(&w, '-');
                wr_str(&w, flags[i]);
        }
        if (r->flags == 0 && r->reporter.family == 4)
                wr_str(&w, icmp4_word(r->icmp_type, r->icmp_code));
        else if (r->flags == 0 && r->reporter.family == 6)
                wr_str(&w, icmp6_word(r->icmp_type, r->icmp_code));
        else if (r->flags == 0)
                wr_str(&w, "none");
        out[wr_len(&w)] = 0;
        return wr_len(&w);
}

/* ---- kinds of banners ---- */

/* A switch: two rows with one number do not compile. */
const char *result_app_name(uint16_t app)
{
#define WORD(number, name, word, ...) \
        case number:                  \
                return word;
        switch (app) {
                RESULT_KINDS(WORD, WORD, RESULT_NOTHING)
        default:
                return NULL;
        }
#undef WORD
}

/* Where a word has an old and a new number the new one, which is higher, is meant. */
int result_app_by_name(const char *name)
{
#define NUMBER(number, name, ...) number,
        static const uint16_t numbers[] = {RESULT_KINDS(NUMBER, NUMBER, RESULT_NOTHING)};
#undef NUMBER
        int found = -1;
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
                if (strcmp(result_app_name(numbers[i]), name) == 0)
                        found = MAX(found, (int)numbers[i]);
        return found;
}
