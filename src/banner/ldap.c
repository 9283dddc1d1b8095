// SPDX-License-Identifier: Apache-2.0
/*
 * ldap: reads the root DSE, the entry in which a directory describes itself to anybody, without a bind; then,
 * where StartTLS is offered, asks for it, so that the certificate is seen. Invariant: no bind is ever sent,
 * and nothing below the root is searched.
 *
 *   LDAPMessage  30 { 02 id, operation … }
 *   operations   63 search request, 64 entry, 65 search done, 73 reference, 77 extended request, 78 its
 * response 64 { 04 name, 30 { 30 { 04 type, 31 { 04 value … } } … } }      65, 78 { 0A code, 04 matched, 04
 * message … }
 *
 * RFC 4511 §4.1, §4.5, §4.12, §4.14; RFC 4512 §5.1; MS-ADTS §3.1.1.3.2 for Active Directory's attributes
 */
#include "banner/ber.h"
#include "banner/pieces.h"
#include "banner/protocols.h"

enum { PHASE_SEARCH, PHASE_ASKED_TLS, PHASE_TLS };
enum { MESSAGE_MAX = 60000, MESSAGES_MAX = 64 };
enum { OP_ENTRY = 0x64, OP_DONE = 0x65, OP_REFERENCE = 0x73, OP_EXTENDED = 0x78 };
static const char starttls[] = "1.3.6.1.4.1.1466.20037";

static void put_text(struct wr *w, uint8_t tag, const char *text)
{
        ber_put(w, tag, span_str(text).n);
        wr_str(w, text);
}

static void put_number(struct wr *w, uint8_t tag, uint8_t v)
{
        ber_put(w, tag, 1);
        wr_u8(w, v);
}

/* Base object "", at most 10 seconds, filter (objectClass=*), all ordinary and operational attributes. */
static void ldap_hello(struct banner_turn *t)
{
        struct wr *w = t->reply;
        size_t whole = wr_len(w);
        put_number(w, BER_INT, 1);
        size_t search = wr_len(w);
        put_text(w, BER_OCTETS, "");
        put_number(w, BER_ENUM, 0);
        put_number(w, BER_ENUM, 0);
        put_number(w, BER_INT, 0);
        put_number(w, BER_INT, 10);
        put_number(w, BER_BOOL, 0);
        put_text(w, 0x87, "objectClass");
        size_t attributes = wr_len(w);
        put_text(w, BER_OCTETS, "*");
        put_text(w, BER_OCTETS, "+");
        ber_wrap(w, BER_SEQ, attributes);
        ber_wrap(w, 0x63, search);
        ber_wrap(w, BER_SEQ, whole);
}

static void put_starttls(struct wr *w)
{
        size_t whole = wr_len(w);
        put_number(w, BER_INT, 2);
        size_t request = wr_len(w);
        put_text(w, 0x80, starttls);
        ber_wrap(w, 0x77, request);
        ber_wrap(w, BER_SEQ, whole);
}

/* The polite end. RFC 4511 §4.3 */
static enum banner_status unbind(struct banner_turn *t)
{
        if (!t->eof)
                wr_bytes(t->reply, "\x30\x05\x02\x01\x03\x42\x00", 7);
        return BANNER_DONE;
}

/* ---- the entry ---- */

struct found {
        bool entry, done, starttls, agreed, refused, vendor;
};

static const struct attribute {
        const char *name, *key;
        bool in_text;
} attributes[] = {
        {"namingContexts", "naming_contexts", true},
        {"defaultNamingContext", "default_naming_context", false},
        {"rootDomainNamingContext", "root_domain", false},
        {"dnsHostName", "dns_host_name", true},
        {"serverName", "server_name", false},
        {"ldapServiceName", "service_name", false},
        {"vendorName", "vendor", true},
        {"vendorVersion", "vendor_version", true},
        {"supportedLDAPVersion", "supported_versions", true},
        {"supportedSASLMechanisms", "sasl_mechanisms", false},
        {"domainFunctionality", "domain_functionality", false},
        {"forestFunctionality", "forest_functionality", false},
        {"domainControllerFunctionality", "dc_functionality", false},
        {"isGlobalCatalogReady", "global_catalog", false},
        {"currentTime", "current_time", false},
        {"altServer", "alternative_servers", false},
};

static bool is(struct span s, const char *text) /* names of attributes have no case */
{
        return span_starts_nocase(s, text) && s.n == span_str(text).n;
}

static void say_value(struct banner_out *o, struct span type, struct span value, struct found *f)
{
        for (unsigned i = 0; i < ARRAY_LEN(attributes); i++) {
                if (!is(type, attributes[i].name))
                        continue;
                if (attributes[i].in_text)
                        say_pair(o, APP_LDAP, attributes[i].name, value);
                banner_field(o, APP_LDAP, attributes[i].key, value);
        }
        f->starttls |= is(type, "supportedExtension") && is(value, starttls);
        if (is(type, "objectClass") && is(value, "OpenLDAProotDSE"))
                banner_field_str(o, APP_LDAP, "product", "OpenLDAP");
        else if (is(type, "supportedCapabilities") && is(value, "1.2.840.113556.1.4.800"))
                banner_field_str(o, APP_LDAP, "product", "Active Directory");
        else if (is(type, "supportedCapabilities") && is(value, "1.2.840.113556.1.4.1851"))
                banner_field_str(o, APP_LDAP, "product", "Active Directory Lightweight Directory Services");
}

static void say_entry(struct banner_out *o, struct rd r, struct found *f)
{
        struct rd name, list, one, values, type;
        struct ber b;
        f->entry = true;
        if (!ber_into(&r, BER_OCTETS, &name) || !ber_into(&r, BER_SEQ, &list))
                return;
        while (rd_left(&list) && ber_into(&list, BER_SEQ, &one)) {
                if (!ber_into(&one, BER_OCTETS, &type) || !ber_into(&one, BER_SET, &values))
                        continue;
                struct span t = span_of(type.p, rd_left(&type));
                while (ber_next(&values, &b))
                        if (b.tag == BER_OCTETS)
                                say_value(o, t, ber_bytes(&b), f);
        }
}

static void say_result(struct banner_out *o, struct rd r)
{
        struct rd code, dn, message;
        if (!ber_into(&r, BER_ENUM, &code) || !ber_into(&r, BER_OCTETS, &dn) ||
            !ber_into(&r, BER_OCTETS, &message))
                return;
        uint64_t n = ber_number(code);
        struct span text = span_of(message.p, rd_left(&message));
        if (!n)
                return;
        char digits[20];
        struct wr w = wr_of(digits, sizeof(digits));
        wr_dec(&w, n);
        say_pair(o, APP_LDAP, "result", span_of(digits, wr_len(&w)));
        banner_field_u64(o, APP_LDAP, "result_code", n);
        if (!text.n)
                return;
        banner_str(o, APP_LDAP, " ");
        banner_text(o, APP_LDAP, text);
        banner_field(o, APP_LDAP, "result_message", text);
}

/* ---- messages ---- */

static void say_done(struct banner_out *o, struct rd r, struct found *f)
{
        f->done = true;
        say_result(o, r);
        banner_field_bool(o, APP_LDAP, "starttls", f->starttls);
}

/* A response with number 0 is the server hanging up. RFC 4511 §4.4.1 */
static void say_extended(struct banner_out *o, uint64_t id, struct rd r, struct found *f)
{
        struct rd head = r, code;
        bool good = ber_into(&head, BER_ENUM, &code);
        if (id == 0)
                say_result(o, r);
        f->agreed = id == 2 && good && !ber_number(code);
        f->refused = !f->agreed;
}

static bool say_message(struct banner_out *o, struct span whole, struct found *f)
{
        struct rd r = rd_of(whole), message, id;
        struct ber op;
        if (!ber_into(&r, BER_SEQ, &message) || !ber_into(&message, BER_INT, &id) || !ber_next(&message, &op))
                return false;
        if (op.tag == OP_ENTRY)
                say_entry(o, op.body, f);
        else if (op.tag == OP_DONE)
                say_done(o, op.body, f);
        else if (op.tag == OP_EXTENDED)
                say_extended(o, ber_number(id), op.body, f);
        else
                return op.tag == OP_REFERENCE;
        return true;
}

static enum banner_status finish(const struct banner_turn *t)
{
        return t->out->n ? BANNER_DONE : BANNER_REJECT;
}

/* The whole conversation again on each turn: the banner is one, and StartTLS' answer is short. */
static enum banner_status ldap_parse(struct banner_turn *t)
{
        struct span rest = t->in;
        struct found f = {0};
        size_t n = 0;
        enum banner_match whole = MATCH_MAYBE;
        if (t->phase == PHASE_TLS)
                return unbind(t);
        for (unsigned i = 0; i < MESSAGES_MAX && rest.n; i++) {
                whole = ber_whole(rest, MESSAGE_MAX, &n);
                if (whole != MATCH_YES)
                        break;
                if (!say_message(t->out, span_cut(rest, 0, n), &f))
                        return finish(t);
                rest = span_cut(rest, n, rest.n);
        }
        if (f.agreed && t->phase == PHASE_ASKED_TLS) {
                t->phase = PHASE_TLS;
                t->used = t->in.n - rest.n;
                return BANNER_TLS;
        }
        if (f.refused || (f.done && (!f.starttls || t->tls)))
                return t->out->n ? unbind(t) : BANNER_REJECT;
        if (whole == MATCH_NO || t->eof)
                return finish(t);
        if (!f.done || t->phase == PHASE_ASKED_TLS)
                return BANNER_MORE;
        put_starttls(t->reply);
        t->phase = PHASE_ASKED_TLS;
        t->used = 0;
        banner_out_clear(t->out);
        return BANNER_NEXT;
}

/* 30 length 02 length id 64, 65 or 78 */
static enum banner_match ldap_match(struct span in, const struct banner_turn *t)
{
        struct rd r = rd_of(in);
        (void)t;
        if (!in.n || in.p[0] != BER_SEQ)
                return in.n ? MATCH_NO : MATCH_MAYBE;
        rd_skip(&r, 1);
        uint8_t n = rd_u8(&r);
        rd_skip(&r, n > 0x80 ? MIN(n & 0x7fu, 4u) : 0u);
        if (!rd_left(&r))
                return MATCH_MAYBE;
        if (rd_u8(&r) != BER_INT)
                return MATCH_NO;
        if (!rd_left(&r))
                return MATCH_MAYBE;
        n = rd_u8(&r);
        if (n < 1 || n > 4)
                return MATCH_NO;
        rd_skip(&r, n);
        if (!rd_left(&r))
                return MATCH_MAYBE;
        uint8_t op = rd_u8(&r);
        return op == OP_ENTRY || op == OP_DONE || op == OP_EXTENDED ? MATCH_YES : MATCH_NO;
}

const struct banner_ops banner_ldap = {
        .name = "ldap",
        .summary = "LDAP directories: naming contexts, vendor, mechanisms, certificate",
        .app = APP_LDAP,
        .ports = (const uint16_t[]){389, 3268, 390, 1389, 0},
        .match = ldap_match,
        .hello = ldap_hello,
        .parse = ldap_parse,
};
