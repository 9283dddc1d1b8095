// SPDX-License-Identifier: Apache-2.0
/*
 * The stamp as a permutation: for templates of every link, family and length each byte of a frame is the one
 * of the patch that `from` names, or the template's own; nothing of the template lies under the patch, and a
 * burst is the same as its frames one by one.
 */
#include "wire/wire.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { BURST = 37 };

static struct probe_template template_of(enum wire_link link, bool tagged, uint8_t family, uint16_t options,
                                         uint16_t tsval)
{
        static const uint16_t link_len[] = {[LINK_ETHER] = 14, [LINK_RAW] = 0, [LINK_NULL] = 4};
        struct probe_template t = {.family = family, .proto = 6, .link = link};
        t.l3 = (uint16_t)(link_len[link] + (tagged ? 4 : 0));
        t.l4 = (uint16_t)(t.l3 + (family == 4 ? 20 : 40));
        t.len = (uint16_t)(t.l4 + 20 + options);
        t.tsval = tsval ? (uint16_t)(t.l4 + 20 + tsval) : 0;
        wire_template_finish(&t);
        for (size_t i = 0; i < t.len; i++)
                t.bytes[i] = t.from[i] == STAMP_KEEP ? (uint8_t)(i + 100) : 0;
        return t;
}

static void random_patches(struct patch *p, unsigned n)
{
        for (size_t i = 0; i < n * sizeof(*p); i++)
                ((uint8_t *)p)[i] = (uint8_t)rand();
}

static void check_one(const struct probe_template *t, const struct patch *p, const uint8_t *out)
{
        const uint8_t *row = (const uint8_t *)p;
        for (size_t i = 0; i < t->len; i++)
                assert_int_equal(out[i], t->from[i] == STAMP_KEEP ? t->bytes[i] : row[t->from[i]]);
}

static void check_template(const struct probe_template *t)
{
        static struct patch p[BURST];
        static uint8_t slots[BURST][128 + 1];
        struct frame f[BURST];
        random_patches(p, BURST);
        for (unsigned i = 0; i < BURST; i++) {
                uint8_t one[WIRE_PROBE_MAX];
                f[i] = (struct frame){.data = slots[i]};
                wire_stamp(one, t, &p[i]);
                check_one(t, &p[i], one);
        }
        for (int level = CPU_C; level < CPU_LEVELS; level++) {
                if (!cpu_force((enum cpu_level)level))
                        continue;
                memset(slots, 0x5a, sizeof(slots));
                wire_stamp_burst(f, t, p, BURST);
                for (unsigned i = 0; i < BURST; i++) {
                        assert_int_equal(f[i].len, t->len);
                        check_one(t, &p[i], slots[i]);
                        assert_int_equal(slots[i][128], 0x5a);
                }
        }
}

static void stamp_is_a_permutation(void **state)
{
        static const enum wire_link links[] = {LINK_ETHER, LINK_RAW, LINK_NULL};
        (void)state;
        srand(3);
        for (size_t l = 0; l < ARRAY_LEN(links); l++)
                for (uint8_t family = 4; family <= 6; family += 2)
                        for (uint16_t options = 0; options <= 40; options = (uint16_t)(options + 4))
                                for (uint16_t ts = 0; ts == 0 || ts + 8 <= options; ts = (uint16_t)(ts + 2)) {
                                        struct probe_template t =
                                                template_of(links[l], false, family, options, ts);
                                        check_template(&t);
                                        if (links[l] != LINK_ETHER)
                                                continue;
                                        t = template_of(links[l], true, family, options, ts);
                                        check_template(&t);
                                }
}

/* Which fields go where, by the RFCs' offsets: Ethernet, IPv4, timestamps at 4. */
static void fields_lie_where_they_belong(void **state)
{
        struct probe_template t = template_of(LINK_ETHER, false, 4, 16, 4);
        struct patch p;
        uint8_t out[WIRE_PROBE_MAX];
        (void)state;
        memset(&p, 0, sizeof(p));
        memcpy(p.mac, "\1\2\3\4\5\6", 6);
        memcpy(&p.src, "\7\10\11\12", 4);
        memcpy(&p.dst, "\13\14\15\16", 4);
        memcpy(&p.sport, "\17\20\21\22\23\24\25\26", 8); /* ports, seq */
        memcpy(&p.id, "\27\30\31\32\33\34", 6);          /* id, IP sum, L4 sum */
        memcpy(&p.tsval, "\35\36\37\40", 4);
        wire_stamp(out, &t, &p);
        assert_memory_equal(out, "\1\2\3\4\5\6", 6);
        assert_memory_equal(out + 14 + 4, "\27\30", 2);
        assert_memory_equal(out + 14 + 10, "\31\32\7\10\11\12\13\14\15\16", 10);
        assert_memory_equal(out + 34, "\17\20\21\22\23\24\25\26", 8);
        assert_memory_equal(out + 34 + 16, "\33\34", 2);
        assert_memory_equal(out + 34 + 20 + 4, "\35\36\37\40", 4);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(stamp_is_a_permutation),
                cmocka_unit_test(fields_lie_where_they_belong),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
