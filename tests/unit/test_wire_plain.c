// SPDX-License-Identifier: Apache-2.0
/*
 * The short way of wire_decode() against the long one. A frame with an 802.1Q tag never takes the short way,
 * so each frame is decoded as it is and with a tag put in: answers of every shape, mutated, cut, with sums
 * put right again or left wrong. Invariant tested: both give the same verdict and the same fields.
 */
#include "wire/wire.h"
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { FRAMES = 300000, FRAME = 256, IP = 14, TCP = 34 };

static uint64_t draws;
static unsigned draw(unsigned below)
{
        return (unsigned)(hash_mix64(++draws * 0x9e3779b97f4a7c15) >> 33) % below;
}

struct answer_frame {
        uint8_t b[FRAME];
        size_t n;
};

/* Sums as the headers' lengths say, where there is something to sum. */
static void put_sums(struct answer_frame *f)
{
        uint8_t *ip = f->b + IP;
        size_t have = f->n - IP, total = MIN((size_t)get_be16(ip + 2), have), head = (ip[0] & 15u) * 4;
        if (have < 20 || head < 20 || head > have)
                return;
        put_be16(ip + 10, 0);
        put_be16(ip + 10, (uint16_t)~wire_sum(0, span_of(ip, head)));
        if (total < head + 20)
                return;
        struct ip_addr src = ip_v4(get_be32(ip + 12)), dst = ip_v4(get_be32(ip + 16));
        uint32_t pseudo = wire_pseudo_sum(&src, &dst, 6, (uint32_t)(total - head));
        put_be16(ip + head + 16, 0);
        put_be16(ip + head + 16, (uint16_t)~wire_sum(pseudo, span_of(ip + head, total - head)));
}

static void whole_answer(struct answer_frame *f)
{
        static const uint8_t flags[] = {TCP_SYN | TCP_ACK, TCP_RST, TCP_RST | TCP_ACK, TCP_ACK};
        unsigned options = draw(2) ? draw(11) * 4 : 0, payload = draw(4) ? 0 : draw(60), pad = draw(12);
        for (size_t i = 0; i < FRAME; i++)
                f->b[i] = (uint8_t)draw(256);
        put_be16(f->b + 12, 0x0800);
        f->b[IP] = 0x45;
        put_be16(f->b + IP + 2, (uint16_t)(40 + options + payload));
        put_be16(f->b + IP + 6, draw(2) ? 0x4000 : 0);
        f->b[IP + 9] = 6;
        f->b[TCP + 12] = (uint8_t)((20 + options) / 4 << 4);
        f->b[TCP + 13] = flags[draw(4)];
        for (unsigned i = 0; i + 10 <= options && draw(2); i++) /* timestamps, somewhere */
                if (draw(8) == 0)
                        memcpy(f->b + TCP + 20 + i, (uint8_t[]){8, 10}, 2);
                else
                        f->b[TCP + 20 + i] = 1;
        f->n = IP + 40 + options + payload + pad;
        put_sums(f);
}

static void mutate(struct answer_frame *f)
{
        static const unsigned where[] = {12, 14, 16, 17, 20, 21, 23, 24, 46, 47, 50, 51};
        for (unsigned i = draw(3); i > 0; i--) {
                size_t at = draw(2) ? where[draw(ARRAY_LEN(where))] : draw((unsigned)f->n);
                f->b[at] = (uint8_t)(draw(2) ? f->b[at] ^ 1 << draw(8) : (int)draw(256));
        }
        if (draw(8) == 0)
                f->n = IP + draw((unsigned)f->n - IP);
        if (draw(2))
                put_sums(f);
}

static void same_span(struct span a, struct span b, const uint8_t *a0, const uint8_t *b0)
{
        assert_int_equal(a.n, b.n);
        assert_int_equal(a.p ? a.p - a0 : -1, b.p ? b.p - b0 : -1);
}

static void same_fields(const struct pkt *a, const struct pkt *b)
{
        assert_int_equal(a->kind, b->kind);
        assert_true(ip_eq(&a->src, &b->src) && ip_eq(&a->dst, &b->dst));
        assert_memory_equal(a->src_mac, b->src_mac, 6);
        assert_true(a->proto == b->proto && a->ttl == b->ttl && a->sport == b->sport && a->dport == b->dport);
        assert_true(a->tcp_flags == b->tcp_flags && a->seq == b->seq && a->ack == b->ack);
        assert_true(a->window == b->window && a->has_ts == b->has_ts && a->tsval == b->tsval);
        assert_true(a->tsecr == b->tsecr && a->icmp_type == b->icmp_type && a->icmp_code == b->icmp_code);
        assert_true(ip_eq(&a->quoted.src, &b->quoted.src) && ip_eq(&a->quoted.dst, &b->quoted.dst));
        assert_true(a->quoted.proto == b->quoted.proto && a->quoted.sport == b->quoted.sport);
        assert_true(a->quoted.dport == b->quoted.dport && a->quoted.seq == b->quoted.seq);
        assert_true(a->neigh_request == b->neigh_request && a->has_neigh_mac == b->has_neigh_mac);
        assert_true(a->neigh_sure == b->neigh_sure && ip_eq(&a->neigh_ip, &b->neigh_ip));
        assert_memory_equal(a->neigh_mac, b->neigh_mac, 6);
}

static void short_and_long_agree(void **state)
{
        unsigned verdicts[WIRE_NDROPS] = {0}, stamps = 0;
        (void)state;
        for (unsigned i = 0; i < FRAMES; i++) {
                struct answer_frame f;
                struct pkt a, b;
                whole_answer(&f);
                mutate(&f);
                uint8_t *plain = malloc(f.n),
                        *tagged = malloc(f.n + 4); /* of that size: ASan guards the ends */
                assert_true(plain && tagged && f.n >= IP);
                memcpy(plain, f.b, f.n);
                memcpy(tagged, f.b, 12);
                put_be32(tagged + 12, 0x81000000 | draw(4096));
                memcpy(tagged + 16, f.b + 12, f.n - 12);
                memset(&a, 0x11, sizeof(a));
                memset(&b, 0xee, sizeof(b));
                bool unset = draw(4) == 0;
                enum wire_drop drop = wire_decode(&a, span_of(plain, f.n), LINK_ETHER, unset, 3);
                assert_int_equal(drop, wire_decode(&b, span_of(tagged, f.n + 4), LINK_ETHER, unset, 3));
                if (drop == WIRE_OK) {
                        same_fields(&a, &b);
                        same_span(a.l4, b.l4, plain, tagged + 4);
                        same_span(a.payload, b.payload, plain, tagged + 4);
                }
                verdicts[drop]++;
                stamps += drop == WIRE_OK && a.has_ts;
                free(plain);
                free(tagged);
        }
        for (int i = 0; i < WIRE_NDROPS; i++) /* the test reaches all of it */
                assert_true(verdicts[i] > FRAMES / 1000);
        assert_true(verdicts[WIRE_OK] > FRAMES / 4 && stamps > FRAMES / 1000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(short_and_long_agree),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
