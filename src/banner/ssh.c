// SPDX-License-Identifier: Apache-2.0
/*
 * ssh: the server's identification line, which is the whole text, and the algorithms it offers, which go to
 * the fields with the MD5 of them that others call hassh. We say our own line and hang up after the server's
 * first packet: no keys are exchanged, nobody logs in.
 *
 *   S: SSH-2.0-OpenSSH_9.2p1 Debian-2   C: SSH-2.0-trawl_…   S: | length 4 | padding 1 | 20 | cookie 16 |
 * lists …
 *
 * RFC 4253 §4.2, §6, §7.1
 */
#include "banner/md5.h"
#include "banner/protocols.h"
#include "banner/words.h"

enum { IDENTIFICATION, KEY_EXCHANGE };
enum { LINE_MAX_LEN = 1024, PACKET_MAX_LEN = 35000, MSG_KEXINIT = 20, KEX_LISTS = 10 };

static enum banner_match ssh_match(struct span in, const struct banner_turn *t)
{
        enum banner_match one = span_match(in, "SSH-1."), two = span_match(in, "SSH-2.");
        (void)t;
        return MAX(one, two);
}

/* "OpenSSH_9.2p1", "dropbear_2022.83", "Cisco-1.25": the name, and behind the last mark the version. */
static void software(struct banner_turn *t, struct span text)
{
        size_t cut = 0;
        for (size_t i = 1; i + 1 < text.n; i++)
                if ((text.p[i] == '_' || text.p[i] == '-') && text.p[i + 1] >= '0' && text.p[i + 1] <= '9')
                        cut = i;
        words_field(t->out, APP_SSH, "product", cut ? span_cut(text, 0, cut) : text);
        if (cut)
                words_field(t->out, APP_SSH, "version", span_cut(text, cut + 1, text.n));
}

static void system_of(struct banner_turn *t, struct span comment)
{
        static const char *const systems[] = {"Ubuntu", "Debian", "Raspbian", "FreeBSD", "NetBSD", "Windows"};
        for (size_t i = 0; i < ARRAY_LEN(systems); i++)
                if (span_find(comment, systems[i], NULL)) {
                        banner_field_str(t->out, APP_SSH, "os", systems[i]);
                        return;
                }
}

/* SSH-protoversion-softwareversion SP comments, RFC 4253 §4.2 */
static void identification(struct banner_turn *t, struct span line)
{
        struct span rest = span_cut(line, 4, line.n), protocol, name;
        if (!words_next(&rest, "-", &protocol))
                return;
        banner_field(t->out, APP_SSH, "protocol", protocol);
        rest = span_cut(rest, 1, rest.n);
        if (words_next(&rest, " ", &name)) {
                banner_field(t->out, APP_SSH, "software", name);
                software(t, name);
        }
        rest = span_trim(rest);
        words_field(t->out, APP_SSH, "comments", rest);
        system_of(t, rest.n ? rest : name);
}

static enum banner_status first_line(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        struct span line = t->in;
        bool whole = rd_line(&r, &line);
        if (!whole && !t->eof && t->in.n < LINE_MAX_LEN)
                return BANNER_MORE;
        t->used = whole ? t->in.n - rd_left(&r) : MIN(t->in.n, (size_t)LINE_MAX_LEN);
        banner_text(t->out, APP_SSH, span_cut(t->in, 0, MIN(t->used, (size_t)LINE_MAX_LEN)));
        identification(t, span_cut(line, 0, LINE_MAX_LEN));
        if (!whole || t->eof || !(span_starts(line, "SSH-2.") || span_starts(line, "SSH-1.99")))
                return BANNER_DONE;
        wr_str(t->reply, "SSH-2.0-trawl_" TRAWL_VERSION "\r\n");
        t->phase = KEY_EXCHANGE;
        return BANNER_NEXT;
}

static void list_field(struct banner_turn *t, const char *key, struct span list)
{
        struct span word;
        while (words_next(&list, ",", &word))
                banner_field(t->out, APP_SSH, key, word);
}

/* hasshServer: MD5 of what the server would choose for its own direction, lists joined by semicolons. */
static void fingerprint(struct banner_turn *t, const struct span list[KEX_LISTS])
{
        static const unsigned parts[] = {0, 3, 5, 7};
        struct md5 m;
        char hex[33];
        md5_start(&m);
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
                if (i)
                        md5_add(&m, span_str(";"));
                md5_add(&m, list[parts[i]]);
        }
        md5_finish_hex(&m, hex);
        banner_field_str(t->out, APP_SSH, "hassh_server", hex);
}

static void kexinit(struct banner_turn *t, struct rd *r)
{
        static const char *const keys[] = {"kex", "host_key_algorithms", NULL, "ciphers", NULL, "macs",
                                           NULL,  "compression"};
        struct span list[KEX_LISTS];
        rd_skip(r, 16);
        for (unsigned i = 0; i < KEX_LISTS; i++)
                list[i] = rd_take(r, rd_be32(r));
        if (r->bad)
                return;
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
                if (keys[i])
                        list_field(t, keys[i], list[i]);
        fingerprint(t, list);
}

/* A server may say other lines and packets before; only a KEXINIT right away is worth waiting for. */
static enum banner_status packet(struct banner_turn *t)
{
        struct rd r = rd_of(t->in);
        uint32_t length = rd_be32(&r);
        uint8_t padding = rd_u8(&r), kind = rd_u8(&r);
        if (r.bad)
                return t->eof ? BANNER_DONE : BANNER_MORE;
        if (length > PACKET_MAX_LEN || length < padding + 2u || kind != MSG_KEXINIT)
                return BANNER_DONE;
        if (rd_left(&r) < length - 2)
                return t->eof ? BANNER_DONE : BANNER_MORE;
        struct rd body = rd_sub(&r, length - 2 - padding);
        kexinit(t, &body);
        return BANNER_DONE;
}

static enum banner_status ssh_parse(struct banner_turn *t)
{
        return t->phase == IDENTIFICATION ? first_line(t) : packet(t);
}

static const uint16_t ports[] = {22, 2222, 22222, 0};
const struct banner_ops banner_ssh = {
        .name = "ssh",
        .summary = "SSH: identification, algorithms",
        .app = APP_SSH,
        .ports = ports,
        .speaks_first = true,
        .match = ssh_match,
        .parse = ssh_parse,
};
