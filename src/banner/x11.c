// SPDX-License-Identifier: Apache-2.0
/*
 * x11: connection setup without authorization; refused with a reason, or accepted, which shows vendor,
 * release and the screen. Nothing is asked behind it and the connection is closed at once. We speak little-
 * endian: today's servers refuse the other order. X Window System Protocol, version 11, §8 and appendix B.
 *
 *   setup   | 'l' | 0 | 11 2 | 0 2 | auth name length 2 | auth data length 2 | 0 2 |
 *   failed  | 0 | reason length 1 | 11 2 | 0 2 | words 2 | reason … |
 *   more    | 2 | 0 5 | words 2 | reason … |
 *   success | 1 | 0 | 11 2 | 0 2 | words 2 | release 4 | id base 4 | id mask 4 | motion 4 | vendor length 2 |
 *           | request max 2 | screens 1 | formats 1 | 0 6 | 0 4 | vendor, padded | formats, 8 each | screens
 * |
 */
#include "banner/little.h"
#include "banner/protocols.h"

enum { FAILED = 0, SUCCESS = 1, AUTHENTICATE = 2, HEAD_LEN = 8, FORMAT_LEN = 8, MAJOR = 11 };
static const uint16_t ports[] = {6000, 6001, 6002, 6003, 6004, 6005, 6006, 6007, 6008, 6009, 6010,
                                 6011, 6012, 6013, 6014, 6015, 6016, 6017, 6018, 6019, 0};

static void hello(struct banner_turn *t)
{
        wr_bytes(t->reply, "l\0\x0b\0\0\0\0\0\0\0\0\0", 12);
}

static void describe_version(struct banner_turn *t, unsigned major, unsigned minor)
{
        banner_fmt(t->out, APP_X11, "X%u.%u", major, minor);
        banner_field_u64(t->out, APP_X11, "protocol_major", major);
        banner_field_u64(t->out, APP_X11, "protocol_minor", minor);
}

static enum banner_status describe_refusal(struct banner_turn *t, struct span reason)
{
        reason = span_trim(reason);
        while (reason.n && !reason.p[reason.n - 1])
                reason.n--;
        reason = span_trim(reason);
        banner_str(t->out, APP_X11, " ");
        banner_text(t->out, APP_X11, reason);
        banner_field(t->out, APP_X11, "reason", reason);
        return BANNER_DONE;
}

static void describe_screen(struct banner_turn *t, struct rd *r)
{
        rd_skip(r, 20); /* root, colour map, white, black, event masks */
        unsigned width = rd_le16(r), height = rd_le16(r);
        rd_skip(r, 14); /* millimetres, installed maps, root visual, backing stores, save-unders */
        unsigned depth = rd_u8(r);
        if (r->bad)
                return;
        banner_field_u64(t->out, APP_X11, "width", width);
        banner_field_u64(t->out, APP_X11, "height", height);
        banner_field_u64(t->out, APP_X11, "depth", depth);
}

static enum banner_status describe_success(struct banner_turn *t, struct rd *r)
{
        uint32_t release = rd_le32(r);
        rd_skip(r, 12);
        size_t n_vendor = rd_le16(r);
        rd_skip(r, 2);
        unsigned screens = rd_u8(r);
        size_t formats = rd_u8(r);
        rd_skip(r, 10);
        struct span vendor = rd_take(r, n_vendor);
        if (r->bad)
                return BANNER_REJECT;
        banner_str(t->out, APP_X11, " open vendor=");
        banner_text(t->out, APP_X11, vendor);
        banner_fmt(t->out, APP_X11, " release=%u", release);
        banner_field(t->out, APP_X11, "vendor", vendor);
        banner_field_u64(t->out, APP_X11, "release", release);
        banner_field_u64(t->out, APP_X11, "screens", screens);
        rd_skip(r, -n_vendor & 3);
        rd_skip(r, formats * FORMAT_LEN);
        if (screens)
                describe_screen(t, r);
        return BANNER_DONE;
}

/* Something for people to read, filled up by NULs. */
static bool is_words(struct rd r)
{
        uint8_t first = rd_u8(&r), c = first;
        while (c >= ' ' || c == '\n' || c == '\r' || c == '\t')
                c = rd_u8(&r);
        return first > ' ' && c == 0;
}

static enum banner_status parse(struct banner_turn *t)
{
        static const char *const words[] = {"failed", "success", "authenticate"};
        struct rd r = rd_of(t->in);
        uint8_t status = rd_u8(&r), n_reason = rd_u8(&r);
        unsigned major = rd_le16(&r), minor = rd_le16(&r);
        size_t len = (size_t)rd_le16(&r) * 4;
        if (status > AUTHENTICATE)
                return BANNER_REJECT;
        if (r.bad)
                return BANNER_MORE;
        bool padded = status != FAILED || (n_reason <= len && len < (size_t)n_reason + 4);
        if (!padded || (status != AUTHENTICATE && major != MAJOR))
                return BANNER_REJECT;
        if (rd_left(&r) < len && !(t->eof && status == SUCCESS))
                return BANNER_MORE;
        struct rd body = rd_sub(&r, MIN(len, rd_left(&r)));
        if (status == AUTHENTICATE && !is_words(body)) /* this answer has no version to know it by */
                return BANNER_REJECT;
        if (status == AUTHENTICATE)
                banner_str(t->out, APP_X11, "X11");
        else
                describe_version(t, major, minor);
        banner_field_str(t->out, APP_X11, "status", words[status]);
        banner_field_bool(t->out, APP_X11, "authorization_needed", status != SUCCESS);
        if (status == SUCCESS)
                return describe_success(t, &body);
        return describe_refusal(t, rd_take(&body, status == FAILED ? n_reason : rd_left(&body)));
}

const struct banner_ops banner_x11 = {
        .name = "x11",
        .summary = "X window server: open or not, vendor",
        .app = APP_X11,
        .ports = ports,
        .hello = hello,
        .parse = parse,
};
