// SPDX-License-Identifier: Apache-2.0
/*
 * service: names of ports for the formats that show them. Loaded once, before the first record: asking the
 * system per record would read its file each time. Invariant: after svc_load() only reads happen.
 * References: services(5), protocols(5).
 */
#include "format.h"
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SVC_PORTS = 65536, SVC_KINDS = 3, SVC_PROTOS = 256 };

struct svc_table {
        char *name[SVC_KINDS][SVC_PORTS];
};

static struct svc_table system_table, nmap_table;
static char *proto_names[SVC_PROTOS];
static bool has_nmap_table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int kind_of(const char *proto)
{
        static const char *const kinds[SVC_KINDS] = {"tcp", "udp", "sctp"};
        for (int i = 0; i < SVC_KINDS; i++)
                if (strcmp(proto, kinds[i]) == 0)
                        return i;
        return -1;
}

/* The first name of a port wins, as with getservbyport(3). */
static void add(struct svc_table *t, const char *name, uint16_t port, const char *proto)
{
        int kind = kind_of(proto);
        if (kind >= 0 && !t->name[kind][port])
                t->name[kind][port] = strdup(name);
}

static void load_nmap(const char *path)
{
        FILE *f = fopen(path, "re");
        char line[512], name[128], proto[16];
        unsigned port;
        if (!f)
                return;
        has_nmap_table = true;
        while (fgets(line, sizeof(line), f))
                if (line[0] != '#' && sscanf(line, "%127s %u/%15[a-z]", name, &port, proto) == 3 &&
                    port < SVC_PORTS)
                        add(&nmap_table, name, (uint16_t)port, proto);
        fclose(f);
}

static void load_all(void)
{
        struct servent *s;
        struct protoent *p;
        setservent(0);
        while ((s = getservent()))
                add(&system_table, s->s_name, ntohs((uint16_t)s->s_port), s->s_proto);
        endservent();
        setprotoent(0);
        while ((p = getprotoent()))
                if (p->p_proto >= 0 && p->p_proto < SVC_PROTOS && !proto_names[p->p_proto])
                        proto_names[p->p_proto] = strdup(p->p_name);
        endprotoent();
        load_nmap("/usr/share/nmap/nmap-services");
}

void svc_load(void)
{
        pthread_once(&once, load_all);
}

const char *svc_name(uint16_t port, uint8_t proto)
{
        const char *name = proto == 6    ? system_table.name[0][port]
                           : proto == 17 ? system_table.name[1][port]
                                         : proto_names[proto];
        return name ? name : "unknown";
}

const char *svc_nmap_name(uint16_t port, uint8_t proto)
{
        int kind = proto == 6 ? 0 : proto == 17 ? 1 : proto == 132 ? 2 : -1;
        return kind < 0 ? NULL : has_nmap_table ? nmap_table.name[kind][port] : system_table.name[kind][port];
}
