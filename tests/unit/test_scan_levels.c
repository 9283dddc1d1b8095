// SPDX-License-Identifier: Apache-2.0
/*
 * The levels of the probe side: for seeded random bursts each level this machine has must give byte for byte
 * the patches and the frames of the C one, over families, links, profiles, sources, every length of a burst;
 * and touch nothing behind them.
 */
#include "scan/scan.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { GUARD = 4, ROWS = BATCH_MAX + GUARD, SLOT = 128, BURSTS = 1500 };

static uint64_t draws;
static uint64_t draw(void)
{
        return hash_mix64(++draws * 0x9e3779b97f4a7c15);
}

/* Plain numbers and the ends of the range, where carries live. */
static uint64_t draw_wide(unsigned bits)
{
        uint64_t all = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
        switch (draw() % 8) {
        case 0:
                return all;
        case 1:
                return draw() % 3;
        case 2:
                return all - draw() % 3;
        default:
                return draw() & all;
        }
}

/* One in `of`. */
static bool seldom(unsigned of)
{
        return draw() % of == 0;
}

static struct scan_conf random_conf(void)
{
        struct scan_conf c = {(enum syn_profile)(draw() % 5),
                              SCAN_DEFAULT,
                              SCAN_DEFAULT,
                              SCAN_DEFAULT,
                              SCAN_DEFAULT,
                              SCAN_DEFAULT,
                              seldom(4)};
        if (seldom(3))
                c.tsecho = seldom(3) ? 2 : 1;
        if (seldom(4))
                c.ttl = (int)(1 + draw() % 255);
        return c;
}

static struct wire_hop random_hop(void)
{
        static const enum wire_link links[] = {LINK_ETHER, LINK_ETHER, LINK_RAW, LINK_NULL};
        struct wire_hop h = {.link = links[draw() % 4],
                             .vlan = (uint16_t)(seldom(3) ? 1 + draw() % 4094 : 0)};
        uint64_t r = draw();
        memcpy(h.us_mac, &r, 6);
        return h;
}

static struct scan_source random_source(uint8_t family)
{
        struct scan_source s = {.count = (uint32_t)(seldom(2) ? 1 : 1 + draw() % (seldom(2) ? 65536 : 20))};
        s.port_count = (uint32_t)(seldom(3) ? 1 : seldom(4) ? 65536 : 1 + draw() % 65536);
        s.port_first = (uint16_t)(draw() % (65536 - s.port_count + 1));
        uint64_t lo = draw_wide(family == 4 ? 32 : 64), most = family == 4 ? UINT32_MAX : UINT64_MAX;
        lo = lo > most - (s.count - 1) ? most - (s.count - 1) : lo;
        s.first = family == 4 ? ip_v4((uint32_t)lo) : ip_v6(draw_wide(64), lo);
        return s;
}

/* Every length from 0 to BATCH_MAX comes up, whatever the seed. */
static void random_targets(struct target_batch *b, uint8_t family, unsigned n)
{
        memset(b, (int)draw(), sizeof(*b));
        b->family = family;
        b->n = n;
        for (unsigned i = 0; i < n; i++) {
                b->lo[i] = draw_wide(family == 4 ? 32 : 64);
                b->hi[i] = family == 4 ? 0 : draw_wide(64);
                b->flat[i] = (uint32_t)draw_wide(32); /* only its low 16 bits are the port */
        }
}

struct made { /* what a level made of a burst */
        struct patch patch[ROWS];
        _Alignas(64) uint8_t bytes[ROWS][SLOT];
        struct frame frame[ROWS];
};

static void make(struct made *m, const struct probe_template *t, const struct target_batch *b,
                 struct hash_key key, const uint8_t mac[6], unsigned skew)
{
        memset(m, 0x5a, sizeof(*m));
        for (unsigned i = 0; i < b->n; i++)
                m->frame[i].data = m->bytes[i] + skew;
        scan_syn.patch(m->patch, t, b, key, mac, 0x1234, 0x89abcdef);
        wire_stamp_burst(m->frame, t, m->patch, b->n);
}

static void check_frames(const struct made *m, const struct probe_template *t, unsigned n)
{
        uint8_t one[WIRE_PROBE_MAX];
        for (unsigned i = 0; i < n; i++) {
                wire_stamp(one, t, &m->patch[i]);
                assert_memory_equal(m->frame[i].data, one, t->len);
                assert_int_equal(m->frame[i].len, t->len);
        }
}

static void check_level(enum cpu_level level, const struct made *want, const struct probe_template *t,
                        const struct target_batch *b, struct hash_key key, const uint8_t mac[6])
{
        static struct made got;
        assert_true(cpu_force(level));
        make(&got, t, b, key, mac, b->n < BATCH_MAX ? 2 : 0); /* slots need not be aligned */
        assert_memory_equal(got.patch, want->patch, sizeof(got.patch));
        check_frames(&got, t, b->n);
        for (unsigned i = b->n; i < ROWS; i++)
                assert_int_equal(got.frame[i].len, 0x5a5a5a5a);
}

static void levels_agree(void **state)
{
        static struct made want;
        static struct target_batch b;
        unsigned levels = 0;
        (void)state;
        for (unsigned i = 0; i < BURSTS; i++) {
                uint8_t family = i % 2 ? 6 : 4, mac[6];
                struct scan_conf conf = random_conf();
                struct wire_hop hop = random_hop();
                struct scan_source src = random_source(family);
                struct hash_key key = {draw(), draw()};
                struct probe_template t;
                struct err e;
                uint64_t r = draw();
                memcpy(mac, &r, 6);
                assert_int_equal(scan_syn.prepare(&t, &conf, &hop, &src, &e), 0);
                random_targets(&b, family, i / 2 % (BATCH_MAX + 1));
                assert_true(cpu_force(CPU_C));
                make(&want, &t, &b, key, mac, 0);
                check_frames(&want, &t, b.n);
                for (int level = CPU_C + 1; level < CPU_LEVELS; level++)
                        if (cpu_has((enum cpu_level)level)) {
                                check_level((enum cpu_level)level, &want, &t, &b, key, mac);
                                levels++;
                        }
        }
        print_message("%u levels beside C\n", levels / BURSTS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(levels_agree),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
