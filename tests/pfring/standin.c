// SPDX-License-Identifier: Apache-2.0
/*
 * A stand-in for ntop's libpfring, for the tests: the functions of its published that trawl calls, over
 * AF_PACKET sockets, so that frames move on any link of a network namespace. It is as awkward as the API
 * allows: frames sent without a flush stay where they are, poll waits for 128 packets unless told otherwise,
 * a received frame lies in one buffer that the next one overwrites, a packet's head is as long as PF_RING
 * 9's, a queue of "zc:" can be opened for sending once. Built a second time as an old one that lacks
 * functions. Reference: https://www.ntop.org/guides/pf_ring_api/
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { HELD_MAX = 32, ZC_QUEUES = 2, FRAME_MAX = 65536, ZC_MAX = 16, WATERMARK = 128, PROMISC = 1 << 3 };
enum { SEND_AND_RECEIVE, SEND_ONLY, RECEIVE_ONLY };
enum { RX_AND_TX, RX_ONLY, TX_ONLY };

struct pfring_pkthdr {
        struct timeval ts;
        uint32_t caplen, len;
        struct {
                uint64_t timestamp_ns;
                uint32_t flags;
                uint8_t rx_direction;
                int32_t if_index;
                uint32_t pkt_hash;
                uint8_t more[232];
        } extended_hdr;
};
struct pfring_stat {
        uint64_t recv, drop, shunt;
};
struct held {
        uint32_t len;
        uint8_t bytes[2048];
};
struct pfring {
        int fd, mode, direction, cluster;
        unsigned ifindex, n_held;
        bool zc, enabled;
        uint32_t caplen, flags;
        uint16_t watermark;
        uint64_t recv, drop;
        char device[128];
        struct held held[HELD_MAX];
        uint8_t packet[FRAME_MAX];
};

/* ---- what the tests turn: how the next calls fail ---- */
struct failure {
        int code, why;
        unsigned n;
};
static struct failure of_open, of_enable, of_send, of_recv;
static char sending[ZC_MAX][128]; /* queues of "zc:" that are open for sending */
unsigned standin_rings;

void standin_fail(const char *what, int code, int why, unsigned n)
{
        struct failure *f = strcmp(what, "open") == 0     ? &of_open
                            : strcmp(what, "enable") == 0 ? &of_enable
                            : strcmp(what, "send") == 0   ? &of_send
                                                          : &of_recv;
        *f = (struct failure){code, why, n};
}

static bool fails(struct failure *f)
{
        if (!f->n)
                return false;
        f->n--;
        errno = f->why;
        return true;
}

static void note(const char *what, const char *device)
{
        const char *path = getenv("STANDIN_LOG");
        FILE *f = path ? fopen(path, "a") : NULL;
        if (!f)
                return;
        fprintf(f, "%s %s\n", what, device);
        fclose(f);
}

static int queue_of(const char *device)
{
        const char *at = strchr(device, '@');
        return at ? (int)strtol(at + 1, NULL, 10) : 0;
}

/* ---- the API ---- */
struct pfring *pfring_open(const char *device, uint32_t caplen, uint32_t flags)
{
        char name[IFNAMSIZ];
        bool zc = strncmp(device, "zc:", 3) == 0;
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(device + 3 * zc, "@"), device + 3 * zc);
        if (fails(&of_open))
                return NULL;
        struct pfring *r = calloc(1, sizeof(*r));
        if (!r)
                return NULL;
        r->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        r->ifindex = zc && queue_of(device) >= ZC_QUEUES ? 0 : if_nametoindex(name);
        if (r->fd < 0 || !r->ifindex) {
                int why = r->fd < 0 ? errno : ENODEV;
                if (r->fd >= 0)
                        close(r->fd);
                free(r);
                errno = why;
                return NULL;
        }
        snprintf(r->device, sizeof(r->device), "%s@%d", name, queue_of(device));
        r->zc = zc;
        r->caplen = caplen;
        r->flags = flags;
        r->watermark = WATERMARK;
        r->cluster = -1;
        standin_rings++;
        note("open", device);
        return r;
}

static unsigned zc_slot(const char *device) /* ZC_MAX: not open */
{
        unsigned i = 0;
        while (i < ZC_MAX && strcmp(sending[i], device) != 0)
                i++;
        return i;
}

int pfring_flush_tx_packets(struct pfring *r)
{
        unsigned gone = 0;
        while (gone < r->n_held && send(r->fd, r->held[gone].bytes, r->held[gone].len, MSG_DONTWAIT) ==
                                           (ssize_t)r->held[gone].len)
                gone++;
        memmove(r->held, r->held + gone, (r->n_held - gone) * sizeof(r->held[0]));
        r->n_held -= gone;
        return 0;
}

void pfring_close(struct pfring *r)
{
        pfring_flush_tx_packets(r);
        if (r->zc && r->enabled && r->mode == SEND_ONLY)
                sending[zc_slot(r->device)][0] = 0;
        standin_rings--;
        close(r->fd);
        free(r);
}

int pfring_set_application_name(struct pfring *r, char *name)
{
        return r && name ? 0 : -1;
}

int pfring_set_socket_mode(struct pfring *r, int mode)
{
        r->mode = mode;
        return 0;
}

int pfring_set_direction(struct pfring *r, int direction)
{
        if (r->zc)
                return -7;
        r->direction = direction;
        return 0;
}

#ifndef STANDIN_OLD
int pfring_set_cluster(struct pfring *r, unsigned id, int type)
{
        (void)type;
        r->cluster = (int)id;
        return 0;
}

int pfring_set_poll_watermark(struct pfring *r, uint16_t packets)
{
        r->watermark = packets;
        return 0;
}
#endif

static int claim_queue(struct pfring *r)
{
        unsigned empty = zc_slot("");
        if (zc_slot(r->device) < ZC_MAX || empty == ZC_MAX) {
                errno = EBUSY;
                return -1;
        }
        memcpy(sending[empty], r->device, sizeof(r->device));
        return 0;
}

static int start_receiving(struct pfring *r)
{
        struct packet_mreq m = {.mr_ifindex = (int)r->ifindex, .mr_type = PACKET_MR_PROMISC};
        struct sockaddr_ll at = {
                .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)r->ifindex};
        int on = 1, room = 8 << 20, fanout = r->cluster & 0xffff;
        if (r->direction == RX_ONLY || r->zc)
                setsockopt(r->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
        setsockopt(r->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
        if (bind(r->fd, (struct sockaddr *)&at, sizeof(at)))
                return -1;
        if (r->cluster >= 0 && setsockopt(r->fd, SOL_PACKET, PACKET_FANOUT, &fanout, sizeof(fanout)))
                return -1;
        return r->flags & PROMISC ? setsockopt(r->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)) : 0;
}

int pfring_enable_ring(struct pfring *r)
{
        int on = 1, room = 8 << 20;
        struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)r->ifindex};
        if (fails(&of_enable))
                return of_enable.code;
        if (r->zc && r->mode == SEND_ONLY && claim_queue(r))
                return -1;
        setsockopt(r->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
        setsockopt(r->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
        r->enabled = true;
        return r->mode == SEND_ONLY ? bind(r->fd, (struct sockaddr *)&to, sizeof(to)) : start_receiving(r);
}

int pfring_send(struct pfring *r, char *packet, unsigned len, uint8_t flush)
{
        if (!r->enabled || r->mode == RECEIVE_ONLY || len < 14 || len > sizeof(r->held[0].bytes))
                return -2;
        if (fails(&of_send))
                return of_send.code;
        if (r->n_held == HELD_MAX)
                pfring_flush_tx_packets(r);
        if (r->n_held == HELD_MAX)
                return r->zc ? -4 : -1; /* errno is the socket's */
        memcpy(r->held[r->n_held].bytes, packet, len);
        r->held[r->n_held++].len = len;
        if (flush)
                pfring_flush_tx_packets(r);
        return (int)len;
}

int pfring_recv(struct pfring *r, uint8_t **packet, unsigned cap, struct pfring_pkthdr *h, uint8_t wait)
{
        if (!r->enabled || r->mode == SEND_ONLY || wait)
                return -2;
        if (fails(&of_recv))
                return of_recv.code;
        memset(r->packet, 0x5a, 2048); /* what was shown before is gone */
        ssize_t n = recv(r->fd, r->packet, sizeof(r->packet), MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0)
                return errno == EAGAIN ? 0 : -1;
        memset(h, 0xa5, sizeof(*h));
        h->len = (uint32_t)n;
        h->caplen = (uint32_t)n < r->caplen ? (uint32_t)n : r->caplen;
        if (r->zc)
                h->ts = (struct timeval){0};
        else
                gettimeofday(&h->ts, NULL);
        r->recv++;
        if (cap == 0)
                *packet = r->packet;
        else
                memcpy(*packet, r->packet, h->caplen < cap ? h->caplen : cap);
        return 1;
}

/* With a watermark nothing is said before the time is over. */
int pfring_poll(struct pfring *r, unsigned wait_ms)
{
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        struct timespec all = {.tv_sec = wait_ms / 1000, .tv_nsec = (long)(wait_ms % 1000) * 1000000};
        if (r->watermark > 1 && wait_ms)
                nanosleep(&all, NULL);
        return poll(&p, 1, r->watermark > 1 ? 0 : (int)wait_ms);
}

int pfring_stats(struct pfring *r, struct pfring_stat *s)
{
        struct tpacket_stats k;
        socklen_t n = sizeof(k);
        if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &k, &n) == 0)
                r->drop += k.tp_drops;
        *s = (struct pfring_stat){.recv = r->recv, .drop = r->drop};
        return 0;
}
