// SPDX-License-Identifier: Apache-2.0
/*
 * offload: switches what a lab interface leaves to its "hardware" (checksums, segmentation, joining of
 * received segments) on or off, so that tests see finished packets or the unfinished giants a local sender
 * hands over. Stands before everything else in the lab: lab/up calls it on both ends of the link. Invariant:
 * a feature the driver has not is passed over, any other failure is reported. Kernel documentation:
 * Documentation/networking/netdev-features.rst, ETHTOOL_S* of linux/ethtool.h.
 */
#include "base/base.h"
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct feature {
        const char *name;
        uint32_t cmd;
};

static const struct feature features[] = {
        {"rx", ETHTOOL_SRXCSUM}, {"tx", ETHTOOL_STXCSUM}, {"sg", ETHTOOL_SSG},
        {"tso", ETHTOOL_STSO},   {"gso", ETHTOOL_SGSO},   {"gro", ETHTOOL_SGRO},
};

static int set_feature(int fd, const char *dev, const struct feature *f, bool on, struct err *e)
{
        struct ethtool_value v = {.cmd = f->cmd, .data = on};
        struct ifreq r = {.ifr_data = (void *)&v};
        if (strlen(dev) >= sizeof(r.ifr_name))
                return err_set(e, 0, "'%s' is too long for the name of an interface", dev);
        memcpy(r.ifr_name, dev, strlen(dev) + 1);
        if (ioctl(fd, SIOCETHTOOL, &r) && errno != EOPNOTSUPP)
                return err_set(e, errno, "setting %s of '%s': %s", f->name, dev, strerror(errno));
        return 0;
}

/* "all" means every feature of the table. */
static int set_named(const char *dev, const char *name, bool on, struct err *e)
{
        bool found = false;
        int rc = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return err_set(e, errno, "opening a socket: %s", strerror(errno));
        for (size_t i = 0; i < ARRAY_LEN(features) && !rc; i++) {
                if (strcmp(name, "all") && strcmp(name, features[i].name))
                        continue;
                found = true;
                rc = set_feature(fd, dev, &features[i], on, e);
        }
        close(fd);
        return found ? rc : err_set(e, 0, "'%s' is no feature: all, rx, tx, sg, tso, gso, gro", name);
}

int main(int argc, char **argv)
{
        struct err e = {0};
        if (argc < 4 || argc % 2) {
                fprintf(stderr, "usage: offload DEV FEATURE on|off [FEATURE on|off…]\n");
                return 2;
        }
        for (int i = 2; i < argc; i += 2) {
                bool on = !strcmp(argv[i + 1], "on");
                if (!on && strcmp(argv[i + 1], "off"))
                        err_set(&e, 0, "'%s' is neither on nor off", argv[i + 1]);
                else if (!set_named(argv[1], argv[i], on, &e))
                        continue;
                fprintf(stderr, "offload: %s\n", e.text);
                return 1;
        }
        return 0;
}
