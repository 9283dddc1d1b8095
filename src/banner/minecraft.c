// SPDX-License-Identifier: Apache-2.0
/*
 * minecraft: the server list ping: a handshake that asks for the status state, then the status request; the
 * answer is JSON. The banner is that JSON with the server's picture cut out of it; version, players and the
 * message of the day become fields. Nobody joins the game. Server List Ping, Java Edition, since 13w41a.
 *
 *   packet    | length: varint | id: varint | … |       string | length: varint | UTF-8 |
 *   handshake | 0 | protocol: varint | host: string | port 2 | next state: varint 1 |     request | 0 |
 *   response  | 0 | JSON: string |
 *
 * Invariant: JSON alone is not enough: it must stand in such a packet, at its very start.
 */
#include "banner/json.h"
#include "banner/protocols.h"

enum {
        PROTOCOL_LOW = 0xf7,
        PROTOCOL_HIGH = 0x05 /* 759 as a varint */,
        PACKET_MAX = 3 * 32767 + 16,
        MOTD_MAX = 1024
};
static const uint16_t ports[] = {25565, 0};

static void hello(struct banner_turn *t)
{
        char room[HOST_NAME_MAX_LEN];
        struct span host = host_on_wire(t->name, room);
        if (!host.n || host.n >= 100)
                host = span_str("localhost");
        wr_u8(t->reply, (uint8_t)(1 + 2 + 1 + host.n + 2 + 1));
        wr_u8(t->reply, 0);
        wr_u8(t->reply, PROTOCOL_LOW);
        wr_u8(t->reply, PROTOCOL_HIGH);
        wr_u8(t->reply, (uint8_t)host.n);
        wr_bytes(t->reply, host.p, host.n);
        wr_be16(t->reply, t->port);
        wr_u8(t->reply, 1);
        wr_be16(t->reply, 0x0100); /* one byte long: the status request */
}

/* At most three bytes: 2,097,151 is more than any packet may have. */
static size_t varint(struct rd *r)
{
        size_t v = 0;
        for (unsigned i = 0; i < 3; i++) {
                uint8_t b = rd_u8(r);
                v |= (size_t)(b & 0x7f) << 7 * i;
                if (!(b & 0x80))
                        return v;
        }
        r->bad = true;
        return 0;
}

/* Where the JSON of a response begins and how long it says it is. */
static enum banner_match frame(struct span in, struct rd *r, size_t *len)
{
        *r = rd_of(in);
        size_t packet = varint(r), before = rd_left(r);
        uint8_t id = rd_u8(r);
        *len = varint(r);
        bool cut = r->bad;
        if (cut)
                return in.n >= 7 || (before && id != 0) ? MATCH_NO : MATCH_MAYBE;
        size_t head = before - rd_left(r);
        if (id != 0 || packet > PACKET_MAX || packet != head + *len || *len < 2)
                return MATCH_NO;
        return !rd_left(r) ? MATCH_MAYBE : r->p[0] == '{' ? MATCH_YES : MATCH_NO;
}

/* The JSON with what follows "data:image/png;base64," up to the quote taken out, wherever it stands. */
static void put_text(struct banner_turn *t, struct span json)
{
        size_t at;
        while (span_find(json, "\"data:image/", &at)) {
                banner_text(t->out, APP_MINECRAFT, span_cut(json, 0, at + 1));
                json = span_cut(json, at + 1, json.n);
                at = json.n;
                (void)span_find(json, "\"", &at);
                json = span_cut(json, at, json.n);
        }
        banner_text(t->out, APP_MINECRAFT, json);
}

static void put_number(struct banner_turn *t, const char *key, struct span value)
{
        uint64_t v;
        if (span_number(&value, &v) && !value.n)
                banner_field_u64(t->out, APP_MINECRAFT, key, v);
}

/* A message may carry colours: a section sign and a letter or digit each. */
static void put_motd_text(struct wr *w, struct span inside)
{
        uint8_t room[MOTD_MAX];
        struct wr plain = wr_of(room, sizeof(room));
        json_text(&plain, inside);
        struct rd r = rd_of(span_of(room, wr_len(&plain)));
        while (rd_left(&r)) {
                if (rd_left(&r) >= 2 && r.p[0] == 0xc2 && r.p[1] == 0xa7)
                        rd_skip(&r, MIN(rd_left(&r), (size_t)3));
                else
                        wr_u8(w, rd_u8(&r));
        }
}

/* A string, or an object with "text" in it and in its parts. */
static void put_motd(struct banner_turn *t, struct span description)
{
        uint8_t room[MOTD_MAX];
        struct wr w = wr_of(room, sizeof(room));
        struct rd r = rd_of(description);
        struct span s;
        bool is_key, wanted = description.n && description.p[0] == '"', text = false;
        while (json_next_string(&r, &s, &is_key)) {
                if (!is_key && (wanted || text))
                        put_motd_text(&w, s);
                text = is_key && s.n == 4 && span_starts(s, "text");
        }
        if (wr_len(&w))
                banner_field(t->out, APP_MINECRAFT, "motd", span_of(room, wr_len(&w)));
}

static void describe(struct banner_turn *t, struct span json)
{
        struct span version = json_member(json, "version"), players = json_member(json, "players");
        struct span name = json_member(version, "name");
        put_text(t, json);
        if (name.n > 2 && name.p[0] == '"') {
                uint8_t room[MOTD_MAX];
                struct wr w = wr_of(room, sizeof(room));
                json_text(&w, span_cut(name, 1, name.n - 2));
                banner_field(t->out, APP_MINECRAFT, "version", span_of(room, wr_len(&w)));
        }
        put_number(t, "protocol", json_member(version, "protocol"));
        put_number(t, "players_online", json_member(players, "online"));
        put_number(t, "players_max", json_member(players, "max"));
        put_motd(t, json_member(json, "description"));
}

static enum banner_status parse(struct banner_turn *t)
{
        struct rd r;
        size_t len;
        enum banner_match m = frame(t->in, &r, &len);
        if (m == MATCH_NO)
                return BANNER_REJECT;
        if (m == MATCH_MAYBE || (rd_left(&r) < len && !t->eof))
                return BANNER_MORE;
        describe(t, rd_take(&r, MIN(len, rd_left(&r))));
        return BANNER_DONE;
}

const struct banner_ops banner_minecraft = {
        .name = "minecraft",
        .summary = "Minecraft server: version, players, message of the day",
        .app = APP_MINECRAFT,
        .ports = ports,
        .hello = hello,
        .parse = parse,
};
