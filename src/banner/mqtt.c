// SPDX-License-Identifier: Apache-2.0
/*
 * mqtt: CONNECT without user name or password, the broker's verdict, and DISCONNECT at once. Nothing is
 * subscribed or published and no state is left behind (clean session). Version 3.1.1 goes first; `mqtt5` is
 * for brokers that will have nothing but version 5. MQTT 3.1.1 §3.1, §3.2, §3.14; MQTT 5.0 §3.2.
 *
 *   CONNECT | 10 | length | 0004 "MQTT" | level | flags 02 | keep alive 2 | (properties) | client id |
 *   CONNACK | 20 | length | session present 1 | code 1 | (length, properties: id, value) |
 *
 * Invariant: what is not one whole CONNACK is rejected.
 */
#include "banner/protocols.h"

enum { CONNECT = 0x10, CONNACK = 0x20, DISCONNECT = 0xe0, CLEAN = 2, KEEP_ALIVE_S = 60, CONNACK_MAX = 4096 };
static const uint16_t ports[] = {1883, 8883, 0};

struct code {
        uint8_t code;
        const char *text;
};
static const struct code codes4[] = {
        {0, "accepted"},           {1, "unacceptable protocol version"}, {2, "identifier rejected"},
        {3, "server unavailable"}, {4, "bad user name or password"},     {5, "not authorized"},
};
static const struct code codes5[] = {
        {0x00, "success"},
        {0x80, "unspecified error"},
        {0x81, "malformed packet"},
        {0x82, "protocol error"},
        {0x83, "implementation specific error"},
        {0x84, "unsupported protocol version"},
        {0x85, "client identifier not valid"},
        {0x86, "bad user name or password"},
        {0x87, "not authorized"},
        {0x88, "server unavailable"},
        {0x89, "server busy"},
        {0x8a, "banned"},
        {0x8c, "bad authentication method"},
        {0x90, "topic name invalid"},
        {0x95, "packet too large"},
        {0x97, "quota exceeded"},
        {0x99, "payload format invalid"},
        {0x9a, "retain not supported"},
        {0x9b, "qos not supported"},
        {0x9c, "use another server"},
        {0x9d, "server moved"},
        {0x9f, "connection rate exceeded"},
};

/* How a property's value is coded: a number of so many bytes, or a string; 's' pairs are two strings. */
struct property {
        uint8_t id, kind;
        const char *key;
};
static const struct property properties[] = {
        {0x11, 4, "session_expiry_s"},
        {0x12, 's', "assigned_client_id"},
        {0x13, 2, "server_keep_alive_s"},
        {0x15, 's', "authentication_method"},
        {0x16, 's', NULL}, /* authentication data */
        {0x1a, 's', "response_information"},
        {0x1c, 's', "server_reference"},
        {0x1f, 's', "reason"},
        {0x21, 2, "receive_maximum"},
        {0x22, 2, "topic_alias_maximum"},
        {0x24, 1, "maximum_qos"},
        {0x25, 1, "retain_available"},
        {0x26, 'p', "user_property"},
        {0x27, 4, "maximum_packet_bytes"},
        {0x28, 1, "wildcard_subscriptions"},
        {0x29, 1, "subscription_ids"},
        {0x2a, 1, "shared_subscriptions"},
};

static void connect_with(struct banner_turn *t, uint8_t level)
{
        char id[16];
        struct wr w = wr_of(id, sizeof(id));
        wr_fmt(&w, "trawl%08x", (unsigned)t->secret);
        size_t n = wr_len(&w);
        wr_u8(t->reply, CONNECT);
        wr_u8(t->reply, (uint8_t)((level == 5 ? 13 : 12) + n));
        wr_be16(t->reply, 4);
        wr_str(t->reply, "MQTT");
        wr_u8(t->reply, level);
        wr_u8(t->reply, CLEAN);
        wr_be16(t->reply, KEEP_ALIVE_S);
        if (level == 5)
                wr_u8(t->reply, 0); /* no properties */
        wr_be16(t->reply, (uint16_t)n);
        wr_bytes(t->reply, w.start, n);
}

static void hello4(struct banner_turn *t)
{
        connect_with(t, 4);
}

static void hello5(struct banner_turn *t)
{
        connect_with(t, 5);
}

/* MQTT 5.0 §1.5.5, at most four bytes. */
static uint32_t variable(struct rd *r)
{
        uint32_t v = 0;
        for (unsigned i = 0; i < 4; i++) {
                uint8_t b = rd_u8(r);
                v |= (uint32_t)(b & 0x7f) << 7 * i;
                if (!(b & 0x80))
                        return v;
        }
        r->bad = true;
        return 0;
}

static struct span string(struct rd *r)
{
        size_t n = rd_be16(r);
        return rd_take(r, n);
}

static void describe_property(struct banner_turn *t, struct rd *r, const struct property *p)
{
        if (p->kind == 's' || p->kind == 'p') {
                struct span s = string(r);
                if (!r->bad && p->key)
                        banner_field(t->out, APP_MQTT, p->key, s);
                if (p->kind == 'p' && (s = string(r), !r->bad))
                        banner_field(t->out, APP_MQTT, "user_value", s);
                return;
        }
        uint32_t v = p->kind == 1 ? rd_u8(r) : p->kind == 2 ? rd_be16(r) : rd_be32(r);
        if (!r->bad)
                banner_field_u64(t->out, APP_MQTT, p->key, v);
}

/* An id that is not known has a value of unknown length: the rest is left alone. */
static void describe_properties(struct banner_turn *t, struct rd r)
{
        while (rd_left(&r)) {
                uint8_t id = rd_u8(&r);
                const struct property *p = properties, *end = properties + ARRAY_LEN(properties);
                while (p < end && p->id != id)
                        p++;
                if (p == end)
                        return;
                describe_property(t, &r, p);
        }
}

static const char *code_text(const struct code *c, size_t n, uint8_t code)
{
        for (size_t i = 0; i < n; i++)
                if (c[i].code == code)
                        return c[i].text;
        return NULL;
}

static enum banner_status describe(struct banner_turn *t, struct rd *body)
{
        uint8_t flags = rd_u8(body), code = rd_u8(body);
        bool five = rd_left(body) > 0 || code >= 0x80; /* 3.1.1 has two bytes and small codes */
        const char *text = five ? code_text(codes5, ARRAY_LEN(codes5), code)
                                : code_text(codes4, ARRAY_LEN(codes4), code);
        if (body->bad || flags > 1 || !text)
                return BANNER_REJECT;
        const char *version = five ? "5" : "3.1.1";
        banner_fmt(t->out, APP_MQTT, "MQTT %s %s", version, text);
        banner_field_str(t->out, APP_MQTT, "protocol", version);
        banner_field_u64(t->out, APP_MQTT, "return_code", code);
        banner_field_str(t->out, APP_MQTT, "return_text", text);
        banner_field_bool(t->out, APP_MQTT, "session_present", flags);
        if (rd_left(body)) {
                size_t n = variable(body);
                describe_properties(t, rd_sub(body, n));
        }
        if (code == 0)
                wr_be16(t->reply, DISCONNECT << 8);
        return BANNER_DONE;
}

static enum banner_status parse(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        if (rd_u8(&r) != CONNACK && t->in.n)
                return BANNER_REJECT;
        size_t len = variable(&r);
        if (r.bad)
                return t->in.n > 4 ? BANNER_REJECT : BANNER_MORE;
        if (len < 2 || len > CONNACK_MAX)
                return BANNER_REJECT;
        struct rd body = rd_sub(&r, len);
        return r.bad ? BANNER_MORE : describe(t, &body);
}

const struct banner_ops banner_mqtt = {
        .name = "mqtt",
        .summary = "MQTT broker: does it take an anonymous client?",
        .app = APP_MQTT,
        .ports = ports,
        .hello = hello4,
        .parse = parse,
};

const struct banner_ops banner_mqtt5 = {
        .name = "mqtt5",
        .summary = "MQTT broker that speaks version 5 alone",
        .app = APP_MQTT,
        .ports = ports,
        .hello = hello5,
        .parse = parse,
};
