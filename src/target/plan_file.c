// SPDX-License-Identifier: Apache-2.0
/*
 * plan_file: a plan as bytes, the sidecar of a checkpoint. Lists from stdin and names that resolve
 * differently tomorrow must still give the same plan on --resume, so what is kept is the outcome, not the
 * text.
 *
 *      "trawlTGT" | version u32 | never-targets dropped u64 | hash u64
 *      n u64 | n × IPv4 address u32           single addresses
 *      n u64 | n × (first u32, last u32)      IPv4 ranges
 *      n u64 | n × (first 16, last 16, zone)  IPv6 ranges; zone: length u8, interface name
 *      port list as text: length u32, bytes
 *      n u64 | n × (family u8, address 16, zone, length u16, name)
 *      checksum u64 over all before
 *
 * All numbers big-endian. Invariant: tgt_plan_load(tgt_plan_save(p)) has p's hash, or the file is refused.
 */
#include "target/plan.h"
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

enum { VERSION = 1, NAME_MOST = TGT_ITEM_MAX };
static const char magic[8] = {'t', 'r', 'a', 'w', 'l', 'T', 'G', 'T'};
static const size_t file_most = (size_t)4 << 30;

static uint64_t checksum(const uint8_t *p, size_t n)
{
        uint64_t h = n;
        for (; n >= 8; p += 8, n -= 8)
                h = hash_mix64(h * 3 + get_be64(p));
        for (; n > 0; p++, n--)
                h = hash_mix64(h * 3 + *p);
        return h;
}

/* ---- save ---- */

static void put_u128(struct wr *w, u128 v)
{
        wr_be64(w, (uint64_t)(v >> 64));
        wr_be64(w, (uint64_t)v);
}

static void put_zone(struct wr *w, uint32_t zone)
{
        char name[IF_NAMESIZE] = {0};
        if (zone)
                if_indextoname(zone, name);
        wr_u8(w, (uint8_t)strlen(name));
        wr_str(w, name);
}

/* Writes a section's count in front of it once it is known. */
static void put_count(uint8_t *at, uint64_t n, const struct wr *w)
{
        if (!w->full)
                put_be64(at, n);
}

static void put_v4(struct wr *w, const struct tgt_plan *p, bool singles)
{
        uint8_t *at = w->p;
        uint64_t n = 0;
        struct tgt_walk walk;
        struct seg s;
        wr_be64(w, 0);
        for (tgt_plan_walk(&walk, p); plan_next(&walk, &s) && s.space >> 32 == 4;) {
                if ((s.first == s.last) != singles)
                        continue;
                wr_be32(w, (uint32_t)s.first);
                if (!singles)
                        wr_be32(w, (uint32_t)s.last);
                n++;
        }
        put_count(at, n, w);
}

static void put_v6(struct wr *w, const struct tgt_plan *p)
{
        uint8_t *at = w->p;
        uint64_t n = 0;
        struct tgt_walk walk = {.plan = p, .at = {p->v4.n}};
        struct seg s;
        wr_be64(w, 0);
        for (; plan_next(&walk, &s); n++) {
                put_u128(w, s.first);
                put_u128(w, s.last);
                put_zone(w, (uint32_t)s.space);
        }
        put_count(at, n, w);
}

static void put_names(struct wr *w, const struct tgt_names *names)
{
        wr_be64(w, names->n);
        for (size_t i = 0; i < names->n; i++) {
                const struct tgt_name *n = &names->at[i];
                wr_u8(w, n->ip.family);
                put_u128(w, u128_of(&n->ip));
                put_zone(w, n->ip.zone);
                wr_be16(w, (uint16_t)strlen(n->text));
                wr_str(w, n->text);
        }
}

/* An upper bound; pages that are not written cost nothing. */
static size_t room_for(const struct tgt_plan *p, const char *ports)
{
        size_t n = 128 + p->v4.n * 8 + p->v6.n * (33 + IF_NAMESIZE) + strlen(ports);
        for (size_t i = 0; i < p->names.n; i++)
                n += 20 + IF_NAMESIZE + strlen(p->names.at[i].text);
        return n;
}

static void put_plan(struct wr *w, const struct tgt_plan *p, const char *ports)
{
        wr_bytes(w, magic, sizeof(magic));
        wr_be32(w, VERSION);
        wr_be64(w, p->facts.reserved_dropped);
        wr_be64(w, p->facts.hash);
        put_v4(w, p, true);
        put_v4(w, p, false);
        put_v6(w, p);
        wr_be32(w, (uint32_t)strlen(ports));
        wr_str(w, ports);
        put_names(w, &p->names);
        wr_be64(w, checksum(w->start, wr_len(w)));
        assert(!w->full);
}

int tgt_plan_save(const struct tgt_plan *p, const char *path, struct err *e)
{
        char *ports = tgt_ports_format(p->ports);
        size_t cap = ports ? room_for(p, ports) : 0;
        uint8_t *bytes = ports ? malloc(cap) : NULL;
        int rc = -1;
        if (bytes) {
                struct wr w = wr_of(bytes, cap);
                put_plan(&w, p, ports);
                rc = file_replace(path, bytes, wr_len(&w), 0600, true, e);
        } else {
                err_set(e, ENOMEM, "out of memory while saving the plan to \"%s\"", path);
        }
        free(bytes);
        free(ports);
        return rc;
}

/* ---- load ---- */

struct loading {
        struct rd r;
        struct tgt_set *set;
        struct tgt_ports *ports;
        uint64_t dropped, hash;
};

static u128 take_u128(struct rd *r)
{
        u128 hi = rd_be64(r);
        return hi << 64 | rd_be64(r);
}

/* An interface that is gone is an error: its addresses cannot be reached. */
static int take_zone(struct rd *r, uint32_t *zone, struct err *e)
{
        struct span s = rd_take(r, rd_u8(r));
        char name[IF_NAMESIZE] = {0};
        *zone = 0;
        if (s.n == 0)
                return 0;
        memcpy(name, s.p, MIN(s.n, sizeof(name) - 1));
        *zone = if_nametoindex(name);
        return *zone ? 0
                     : err_set(e, 0, "the interface \"%s\" of some targets does not exist any more", name);
}

static int take_v4(struct loading *l, bool singles, struct err *e)
{
        for (uint64_t n = rd_be64(&l->r); n > 0 && !l->r.bad; n--) {
                uint32_t first = rd_be32(&l->r), last = singles ? first : rd_be32(&l->r);
                if (first > last)
                        l->r.bad = true;
                if (!l->r.bad && set_add_v4(l->set, first, last, e))
                        return -1;
        }
        return 0;
}

static int take_v6(struct loading *l, struct err *e)
{
        for (uint64_t n = rd_be64(&l->r); n > 0 && !l->r.bad; n--) {
                u128 first = take_u128(&l->r), last = take_u128(&l->r);
                uint32_t zone;
                if (take_zone(&l->r, &zone, e))
                        return -1;
                if (first > last)
                        l->r.bad = true;
                struct tgt_range r = {addr_of(first, 6ull << 32 | zone), addr_of(last, 6ull << 32 | zone)};
                if (!l->r.bad && tgt_set_add_range(l->set, &r, e))
                        return -1;
        }
        return 0;
}

static int take_ports(struct loading *l, struct err *e)
{
        struct span s = rd_take(&l->r, rd_be32(&l->r));
        char *text = strndup(s.n ? (const char *)s.p : "", s.n);
        if (!text)
                return err_set(e, ENOMEM, "out of memory for the port list");
        int rc = tgt_ports_add(l->ports, text, TGT_TCP, e);
        free(text);
        return rc;
}

static int take_name(struct loading *l, struct err *e)
{
        struct tgt_names *names = &l->set->names;
        uint8_t family = rd_u8(&l->r);
        u128 v = take_u128(&l->r);
        uint32_t zone;
        if (take_zone(&l->r, &zone, e))
                return -1;
        struct span s = rd_take(&l->r, rd_be16(&l->r));
        if (l->r.bad || (family != 4 && family != 6) || s.n > NAME_MOST) {
                l->r.bad = true;
                return 0;
        }
        struct ip_addr ip = addr_of(v, (uint64_t)family << 32 | zone);
        char *text = strndup(s.n ? (const char *)s.p : "", s.n);
        if (!text)
                return err_set(e, ENOMEM, "out of memory for host names");
        return names_own(names, text, e) || names_add(names, &ip, text, e) ? -1 : 0;
}

static int take_all(struct loading *l, struct err *e)
{
        l->dropped = rd_be64(&l->r);
        l->hash = rd_be64(&l->r);
        if (take_v4(l, true, e) || take_v4(l, false, e) || take_v6(l, e) || take_ports(l, e))
                return -1;
        for (uint64_t n = rd_be64(&l->r); n > 0 && !l->r.bad; n--)
                if (take_name(l, e))
                        return -1;
        if (l->r.bad || rd_left(&l->r))
                return err_set(e, 0, "its sections contradict each other; start the scan anew");
        return tgt_set_finish(l->set, e);
}

static int check_frame(struct loading *l, const char *data, size_t len, struct err *e)
{
        l->r = rd_of(span_of(data, len));
        struct span m = rd_take(&l->r, sizeof(magic));
        uint32_t version = rd_be32(&l->r);
        if (!m.p || memcmp(m.p, magic, sizeof(magic)))
                return err_set(e, 0, "this is not a saved target list of trawl");
        if (version != VERSION)
                return err_set(e, 0, "it has version %u, this trawl reads version %d", version, VERSION);
        if (rd_left(&l->r) < 8 ||
            get_be64((const uint8_t *)data + len - 8) != checksum((const uint8_t *)data, len - 8))
                return err_set(e, 0, "it is damaged (checksum); start the scan anew");
        l->r.end -= 8;
        return 0;
}

static int make_plan(struct tgt_plan **out, const struct loading *l, struct err *e)
{
        struct tgt_spec spec = {.include = l->set, .ports = l->ports, .allow_reserved = true};
        if (tgt_plan_new(out, &spec, e))
                return -1;
        (*out)->facts.reserved_dropped = l->dropped;
        if ((*out)->facts.hash == l->hash)
                return 0;
        tgt_plan_free(*out);
        *out = NULL;
        return err_set(e, 0, "it does not give the plan it was made from; start the scan anew");
}

int tgt_plan_load(struct tgt_plan **out, const char *path, struct err *e)
{
        struct loading l = {0};
        char *data = NULL;
        size_t len;
        int rc = -1;
        *out = NULL;
        if (file_read(path, file_most, &data, &len, e))
                return -1;
        if (tgt_set_new(&l.set, e) || tgt_ports_new(&l.ports, e))
                goto free_parts;
        rc = check_frame(&l, data, len, e) || take_all(&l, e) ? -1 : 0;
        free(data);
        data = NULL;
        if (rc == 0)
                rc = make_plan(out, &l, e);
        if (rc)
                err_wrap(e, "cannot use \"%s\"", path);
free_parts:
        free(data);
        tgt_set_free(l.set);
        tgt_ports_free(l.ports);
        return rc;
}
