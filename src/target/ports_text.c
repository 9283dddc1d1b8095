// SPDX-License-Identifier: Apache-2.0
/*
 * ports_text: "80,443,8000-8010,U:53,S:36412,O:47,I:0,-,http*" becomes a set of flat ports.
 *
 *      list   := item { "," item }        a "#" ends the list
 *      item   := [ letter ":" ] ( number | number "-" [ number ] | "-" [ number ] | name )
 *      letter := T | U | S | O | I        stays in force for the items that follow
 *
 * Numbers are read as C does (0x50 is 80, 010 is 8). Invariant: a list is taken whole or not at all, and a
 * wrong item is always an error. Reference: services(5), RFC 6335 §5.1 (service names hold a letter).
 */
#include "target/plan.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

struct list {
        uint64_t bits[PORT_WORDS];
        uint32_t base;
};

static const struct family {
        char letter;
        uint32_t base, most; /* most: the highest number in the text */
        const char *name;    /* in the services database; NULL: has no service names */
} families[] = {
        {'T', TGT_TCP, 65535, "tcp"},  {'U', TGT_UDP, 65535, "udp"},    {'S', TGT_SCTP, 65535, "sctp"},
        {'O', TGT_IPPROTO, 255, NULL}, {'I', TGT_ICMP_ECHO, 511, NULL},
};

static const struct family *family_of(uint32_t base)
{
        for (size_t i = 0; i < ARRAY_LEN(families); i++)
                if (families[i].base == base)
                        return &families[i];
        return &families[0];
}

static int bad(struct span item, struct err *e, const char *why)
{
        char quote[400];
        text_quote(quote, sizeof(quote), (const char *)item.p, item.n);
        return err_set(e, 0, "the port \"%s\" %s", quote, why);
}

/* One number in C's notation at *p; false: none there. Too large stays too large. */
static bool number(const char **p, const char *end, uint32_t *out)
{
        unsigned base = 10;
        uint64_t v = 0;
        const char *start = *p;
        if (end - *p > 2 && (*p)[0] == '0' && ((*p)[1] | 0x20) == 'x') {
                base = 16;
                start = *p += 2;
        } else if (end - *p > 1 && (*p)[0] == '0') {
                base = 8;
        }
        for (; *p < end && isxdigit((unsigned char)**p); ++*p) {
                unsigned d = (unsigned)(isdigit((unsigned char)**p) ? **p - '0' : (**p | 0x20) - 'a' + 10);
                if (d >= base)
                        return false;
                v = MIN(v * base + d, UINT32_MAX);
        }
        *out = (uint32_t)v;
        return *p > start;
}

static const char *skip_blanks(const char *p, const char *end)
{
        while (p < end && isspace((unsigned char)*p))
                p++;
        return p;
}

/* "80", "80-90", "80-", "-90", "-". Returns false when the text is none of these. */
static bool numbers(struct span item, uint32_t most, uint32_t *first, uint32_t *last)
{
        const char *p = (const char *)item.p, *end = p + item.n;
        *first = most == 65535 ? 1 : 0;
        if (*p != '-') {
                if (!number(&p, end, first))
                        return false;
                *last = *first;
        }
        p = skip_blanks(p, end);
        if (p < end && *p == '-') {
                *last = most == 511 ? 2 : most;
                p = skip_blanks(p + 1, end);
                if (p < end && !number(&p, end, last))
                        return false;
        }
        return p == end;
}

static void set_bits(struct list *l, uint32_t first, uint32_t last)
{
        for (uint32_t f = first; f <= last; f++)
                l->bits[f / 64] |= 1ull << f % 64;
}

static int add_numbers(struct list *l, struct span item, const struct family *f, uint32_t first,
                       uint32_t last, struct err *e)
{
        if (first > f->most || last > f->most)
                return bad(item, e,
                           f->most == 255 ? "is above 255, the highest IP protocol number"
                           : f->most == 511
                                   ? "is no ICMP probe; there are I:0 (echo), I:1 (timestamp), I:2 (ARP)"
                                   : "is above 65535, the highest port");
        if (first > last)
                return bad(item, e, "runs backwards; write the lower number first");
        /* I:256 and up is how masscan writes O:0 and up */
        bool gap = f->most == 511 && first <= 255 && last > 2;
        if (gap)
                return bad(item, e, "is no ICMP probe; there are I:0 (echo), I:1 (timestamp), I:2 (ARP)");
        set_bits(l, f->base + first, f->base + last);
        return 0;
}

static void add_service(void *ctx, uint16_t port)
{
        struct list *l = ctx;
        set_bits(l, l->base + port, l->base + port);
}

static int add_name(struct list *l, struct span item, const struct family *f, struct err *e)
{
        char name[64];
        if (!f->name)
                return bad(item, e, "is no number, and this protocol has no service names");
        if (item.n >= sizeof(name))
                return bad(item, e, "is neither a number nor a service name");
        memcpy(name, item.p, item.n);
        name[item.n] = 0;
        for (size_t i = 0; i < item.n; i++)
                if (!isalnum((unsigned char)name[i]) && !strchr("-_.+/*?", name[i]))
                        return bad(item, e, "is neither a number, a range nor a service name");
        if (services_match(name, f->name, add_service, l) == 0)
                return bad(item, e,
                           f->base == TGT_TCP
                                   ? "is no number and no known TCP service name (see /etc/services)"
                                   : "is no number and no known service name (see /etc/services)");
        return 0;
}

/* Takes "U:" off the front of the item and makes it the protocol from here on. */
static int take_prefix(struct list *l, struct span *item, struct err *e)
{
        if (item->n < 2 || item->p[1] != ':')
                return 0;
        for (size_t i = 0; i < ARRAY_LEN(families); i++) {
                if (families[i].letter != toupper(item->p[0]))
                        continue;
                l->base = families[i].base;
                const char *end = (const char *)item->p + item->n;
                item->p = (const uint8_t *)skip_blanks((const char *)item->p + 2, end);
                item->n = (size_t)((const uint8_t *)end - item->p);
                return 0;
        }
        return bad(*item, e, "has an unknown protocol letter; there are T: U: S: O: I:");
}

static int add_item(struct list *l, struct span item, struct err *e)
{
        uint32_t first, last;
        struct span whole = item;
        if (take_prefix(l, &item, e))
                return -1;
        if (item.n == 0)
                return whole.n ? bad(whole, e, "has a protocol letter and nothing behind it") : 0;
        const struct family *f = family_of(l->base);
        if (numbers(item, f->most, &first, &last))
                return add_numbers(l, whole, f, first, last, e);
        if (item.p[0] == '0' && item.n > 1 && strspn((const char *)item.p, "0123456789") >= item.n)
                return bad(whole, e, "starts with 0, which makes it octal, and is none; drop the zero");
        for (size_t i = 0; i < item.n; i++)
                if (isalpha(item.p[i]) || item.p[i] == '*')
                        return add_name(l, item, f, e);
        return bad(whole, e, "is neither a number, a range nor a service name");
}

static int parse(struct list *l, const char *text, struct err *e)
{
        const char *end = text + strcspn(text, "#");
        for (const char *p = text; p < end;) {
                const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
                const char *last = stop;
                p = skip_blanks(p, stop);
                while (last > p && isspace((unsigned char)last[-1]))
                        last--;
                if (add_item(l, span_of(p, (size_t)(last - p)), e))
                        return -1;
                p = stop + 1;
        }
        return 0;
}

static int apply(struct tgt_ports *p, const char *text, uint32_t base,
                 int (*op)(struct tgt_ports *, const uint64_t *, struct err *), struct err *e)
{
        struct list *l = calloc(1, sizeof(*l));
        if (!l)
                return err_set(e, ENOMEM, "out of memory for a port list");
        l->base = base;
        int rc = parse(l, text, e);
        if (rc == 0)
                rc = op(p, l->bits, e);
        free(l);
        return rc;
}

int tgt_ports_add(struct tgt_ports *p, const char *text, uint32_t default_base, struct err *e)
{
        return apply(p, text, default_base, ports_join, e);
}

int tgt_ports_sub(struct tgt_ports *p, const char *text, uint32_t default_base, struct err *e)
{
        return apply(p, text, default_base, ports_cut, e);
}
