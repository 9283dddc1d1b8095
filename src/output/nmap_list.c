// SPDX-License-Identifier: Apache-2.0
/*
 * nmap_list: one nmap command per host, ready for a shell: "nmap -Pn -n -p 80,443 10.0.0.1". Only open ports
 * are handed on; a host without one is left out. Invariant: nothing a host sent gets into a line, only
 * numbers and addresses, so that the file is safe to run.
 */
#include "format.h"

static void port_list(struct out_buf *b, const struct record *const *recs, size_t n, uint8_t proto,
                      char prefix)
{
        bool any = false;
        for (size_t i = 0; i < n; i++) {
                if (recs[i]->who.proto != proto || recs[i]->state != PORT_OPEN)
                        continue;
                if (!any && prefix) {
                        buf_u8(b, (uint8_t)prefix);
                        buf_u8(b, ':');
                } else if (any) {
                        buf_u8(b, ',');
                }
                buf_dec(b, recs[i]->who.port);
                any = true;
        }
}

static void host(void *st, struct out_buf *b, const struct record *const *recs, size_t n)
{
        bool tcp = false, udp = false, sctp = false;
        (void)st;
        for (size_t i = 0; i < n; i++) {
                bool open = recs[i]->state == PORT_OPEN;
                tcp |= open && recs[i]->who.proto == 6;
                udp |= open && recs[i]->who.proto == 17;
                sctp |= open && recs[i]->who.proto == 132;
        }
        if (!tcp && !udp && !sctp)
                return;
        BUF_LIT(b, "nmap -Pn -n ");
        if (recs[0]->who.ip.family == 6)
                BUF_LIT(b, "-6 ");
        bool mixed = udp || sctp;
        buf_str(b, mixed && tcp ? "-sS " : "");
        buf_str(b, udp ? "-sU " : "");
        buf_str(b, sctp ? "-sY " : "");
        BUF_LIT(b, "-p ");
        port_list(b, recs, n, 6, mixed ? 'T' : 0);
        buf_str(b, tcp && mixed ? "," : "");
        port_list(b, recs, n, 17, 'U');
        buf_str(b, udp && sctp ? "," : "");
        port_list(b, recs, n, 132, 'S');
        buf_u8(b, ' ');
        fmt_ip(b, &recs[0]->who.ip);
        buf_u8(b, '\n');
}

static bool whole(struct span line)
{
        struct ip_addr ip;
        const uint8_t *blank = line.n ? memrchr(line.p, ' ', line.n) : NULL;
        if (!blank || !tail_starts(line, "nmap -Pn -n "))
                return false;
        return ip_parse(&ip, (const char *)blank + 1, (size_t)(line.p + line.n - blank) - 1) == 0;
}

static int64_t body_end(struct span file, bool *empty)
{
        return tail_only_lines(file, whole, empty);
}

const struct out_ops out_nmap_list = {.name = "nmap-list",
                                      .ext = "sh",
                                      .state_size = sizeof(struct fmt),
                                      .grouped = true,
                                      .begin = fmt_no_header,
                                      .record = fmt_no_record,
                                      .host = host,
                                      .trailer = fmt_no_trailer,
                                      .body_end = body_end};
