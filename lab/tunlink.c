// SPDX-License-Identifier: Apache-2.0
/*
 * tunlink: a point-to-point link of the lab that has no layer 2: one tun device in each of two network
 * namespaces, joined by this process, which carries packets from the one descriptor to the other. Addresses
 * and routes are the scripts' affair. Invariant: a packet is carried whole or not at all; both devices vanish
 * with the process. Kernel documentation: Documentation/networking/tuntap.rst (IFF_TUN | IFF_NO_PI: packets
 * begin with the IP header).
 */
#include "base/base.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PACKET_MAX = 65536, BURST = 64 };

static int enter(const char *netns, struct err *e)
{
        char path[300];
        snprintf(path, sizeof(path), "/run/netns/%s", netns);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        int rc = fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
        if (rc)
                err_set(e, errno, "entering network namespace '%s': %s; is the lab up?", netns,
                        strerror(errno));
        if (fd >= 0)
                close(fd);
        return rc;
}

/* Returns a descriptor of a new tun device in the namespace, or -1. Leaves the process in that namespace. */
static int make_tun(const char *netns, const char *dev, struct err *e)
{
        struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
        if (strlen(dev) >= sizeof(r.ifr_name))
                return err_set(e, 0, "'%s' is too long for the name of an interface", dev);
        memcpy(r.ifr_name, dev, strlen(dev) + 1);
        if (enter(netns, e))
                return -1;
        int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return err_set(e, errno, "opening /dev/net/tun: %s; the kernel needs CONFIG_TUN",
                               strerror(errno));
        if (ioctl(fd, TUNSETIFF, &r)) {
                err_set(e, errno, "making tun device '%s' in '%s': %s", dev, netns, strerror(errno));
                close(fd);
                return -1;
        }
        return fd;
}

/* Moves what is there; what the other side refuses is dropped, as a wire would. */
static int carry(int from, int to)
{
        static char packet[PACKET_MAX];
        for (int i = 0; i < BURST; i++) {
                ssize_t n = read(from, packet, sizeof(packet));
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -1;
                if (write(to, packet, (size_t)n) < 0 && errno == EBADFD)
                        return -1;
        }
        return 0;
}

static int shuttle(int a, int b, struct err *e)
{
        struct pollfd p[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
        for (;;) {
                if (poll(p, 2, -1) < 0 && errno != EINTR)
                        return err_set(e, errno, "waiting for packets: %s", strerror(errno));
                if (((p[0].revents & POLLIN) && carry(a, b)) || ((p[1].revents & POLLIN) && carry(b, a)))
                        return err_set(e, errno, "carrying a packet: %s", strerror(errno));
                if ((p[0].revents | p[1].revents) & (POLLHUP | POLLNVAL))
                        return err_set(e, 0, "one of the devices is gone");
        }
}

int main(int argc, char **argv)
{
        struct err e = {0};
        int a = -1, b = -1, rc = 2;
        if (argc != 6) {
                fprintf(stderr, "usage: tunlink NETNS1 DEV1 NETNS2 DEV2 PID-FILE\n");
                return 2;
        }
        a = make_tun(argv[1], argv[2], &e);
        b = a < 0 ? -1 : make_tun(argv[3], argv[4], &e);
        char text[32];
        int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
        rc = a < 0 || b < 0 || file_replace(argv[5], text, (size_t)n, 0644, false, &e) || shuttle(a, b, &e);
        fprintf(stderr, "tunlink: %s\n", e.text);
        return rc;
}
