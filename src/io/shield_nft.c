// SPDX-License-Identifier: Apache-2.0
/*
 * shield_nft: the shield of kernels without tcx: an nftables table that belongs to a netlink socket of ours,
 * so the kernel takes it away with the socket, and nobody else may change it. For each span of ours:
 *
 *   table inet trawl_N { flags owner
 *     chain in   { type filter hook input priority -300; ip daddr A-B tcp dport C-D jump ours; … }
 *     chain ours { a local socket is found: counter accept;  counter drop } }
 *
 * Invariant: the table is there whole or not at all (one batch). Reference: linux/netfilter/nf_tables.h,
 * nfnetlink.h; Linux net/netfilter: nft_socket (a lookup that finds nothing ends its rule).
 */
#include "shield.h"
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
        SPANS_MAX = 128,
        RULE_MAX = 1024, /* bytes; the longest of ours has about 700 */
        BATCH_MAX_BYTES = (SPANS_MAX + 8) * RULE_MAX,
        BEFORE_OTHERS = -300, /* where "raw" is: whoever filters later need not bother */
        TABLE_OWNER = 2       /* NFT_TABLE_F_OWNER, which is younger than some headers */
};

struct shield_nft {
        struct mnl_socket *sock;
        unsigned seq;
        bool asks;
        char table[32];
        uint8_t *buf; /* BATCH_MAX_BYTES */
        size_t used;
        struct nlmsghdr *last; /* finished in buf */
        unsigned asking_seq;   /* the message that needs nft_socket; 0: none does */
};

/* ---- messages ---- */

static struct nlmsghdr *add_message(struct shield_nft *s, unsigned type, unsigned flags, uint8_t family,
                                    uint16_t res_id)
{
        assert(s->used + RULE_MAX <= BATCH_MAX_BYTES);
        struct nlmsghdr *h = mnl_nlmsg_put_header(s->buf + s->used);
        h->nlmsg_type = (uint16_t)type;
        h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
        h->nlmsg_seq = ++s->seq;
        struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->nfgen_family = family;
        g->version = NFNETLINK_V0;
        g->res_id = htons(res_id);
        return h;
}

static struct nlmsghdr *add(struct shield_nft *s, unsigned type, unsigned flags)
{
        return add_message(s, NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0);
}

static void end_message(struct shield_nft *s, struct nlmsghdr *h)
{
        s->last = h;
        s->used += NLMSG_ALIGN(h->nlmsg_len);
}

static void put32(struct nlmsghdr *h, uint16_t type, uint32_t v)
{
        mnl_attr_put_u32(h, type, htonl(v));
}

/* ---- expressions: steps of a rule; each works on register 1 ---- */

struct expr { /* what is open of one */
        struct nlattr *element, *data;
};

static struct expr expr_begin(struct nlmsghdr *h, const char *name)
{
        struct expr x = {.element = mnl_attr_nest_start(h, NFTA_LIST_ELEM)};
        mnl_attr_put_strz(h, NFTA_EXPR_NAME, name);
        x.data = mnl_attr_nest_start(h, NFTA_EXPR_DATA);
        return x;
}

static void expr_end(struct nlmsghdr *h, struct expr x)
{
        mnl_attr_nest_end(h, x.data);
        mnl_attr_nest_end(h, x.element);
}

static void put_meta(struct nlmsghdr *h, uint32_t key)
{
        struct expr x = expr_begin(h, "meta");
        put32(h, NFTA_META_DREG, NFT_REG_1);
        put32(h, NFTA_META_KEY, key);
        expr_end(h, x);
}

static void put_payload(struct nlmsghdr *h, uint32_t base, uint32_t at, uint32_t len)
{
        struct expr x = expr_begin(h, "payload");
        put32(h, NFTA_PAYLOAD_DREG, NFT_REG_1);
        put32(h, NFTA_PAYLOAD_BASE, base);
        put32(h, NFTA_PAYLOAD_OFFSET, at);
        put32(h, NFTA_PAYLOAD_LEN, len);
        expr_end(h, x);
}

/* The rule goes on only when the register compares so; more than one byte: as a number, network order. */
static void put_cmp(struct nlmsghdr *h, uint32_t op, const void *value, size_t len)
{
        struct expr x = expr_begin(h, "cmp");
        put32(h, NFTA_CMP_SREG, NFT_REG_1);
        put32(h, NFTA_CMP_OP, op);
        struct nlattr *data = mnl_attr_nest_start(h, NFTA_CMP_DATA);
        mnl_attr_put(h, NFTA_DATA_VALUE, len, value);
        mnl_attr_nest_end(h, data);
        expr_end(h, x);
}

static void put_range(struct nlmsghdr *h, const void *first, const void *last, size_t len)
{
        put_cmp(h, NFT_CMP_GTE, first, len);
        put_cmp(h, NFT_CMP_LTE, last, len);
}

static void put_verdict(struct nlmsghdr *h, int code, const char *chain)
{
        struct expr x = expr_begin(h, "immediate");
        put32(h, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        struct nlattr *data = mnl_attr_nest_start(h, NFTA_IMMEDIATE_DATA);
        struct nlattr *verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
        put32(h, NFTA_VERDICT_CODE, (uint32_t)code);
        if (chain)
                mnl_attr_put_strz(h, NFTA_VERDICT_CHAIN, chain);
        mnl_attr_nest_end(h, verdict);
        mnl_attr_nest_end(h, data);
        expr_end(h, x);
}

static void put_counter(struct nlmsghdr *h)
{
        expr_end(h, expr_begin(h, "counter"));
}

/* Whether the socket is a transparent one is not asked for: that key alone is known of sockets in every
 * state, half open ones and those in TIME_WAIT as well. */
static void put_socket(struct nlmsghdr *h)
{
        struct expr x = expr_begin(h, "socket");
        put32(h, NFTA_SOCKET_KEY, NFT_SOCKET_TRANSPARENT);
        put32(h, NFTA_SOCKET_DREG, NFT_REG_1);
        expr_end(h, x);
}

/* ---- the table ---- */

static void add_table(struct shield_nft *s)
{
        struct nlmsghdr *h = add(s, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
        mnl_attr_put_strz(h, NFTA_TABLE_NAME, s->table);
        put32(h, NFTA_TABLE_FLAGS, TABLE_OWNER);
        end_message(s, h);
}

static void add_chain(struct shield_nft *s, const char *name, bool hooked)
{
        struct nlmsghdr *h = add(s, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
        mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, s->table);
        mnl_attr_put_strz(h, NFTA_CHAIN_NAME, name);
        if (hooked) {
                struct nlattr *hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
                put32(h, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_IN);
                put32(h, NFTA_HOOK_PRIORITY, (uint32_t)BEFORE_OTHERS);
                mnl_attr_nest_end(h, hook);
                put32(h, NFTA_CHAIN_POLICY, NF_ACCEPT);
                mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
        }
        end_message(s, h);
}

struct rule {
        struct nlmsghdr *h;
        struct nlattr *exprs;
};

static struct rule rule_begin(struct shield_nft *s, const char *chain)
{
        struct rule r = {.h = add(s, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND)};
        mnl_attr_put_strz(r.h, NFTA_RULE_TABLE, s->table);
        mnl_attr_put_strz(r.h, NFTA_RULE_CHAIN, chain);
        r.exprs = mnl_attr_nest_start(r.h, NFTA_RULE_EXPRESSIONS);
        return r;
}

static void rule_end(struct shield_nft *s, struct rule r)
{
        mnl_attr_nest_end(r.h, r.exprs);
        end_message(s, r.h);
}

static void add_span_rule(struct shield_nft *s, const struct io_span *o)
{
        bool v4 = o->first.family == 4;
        uint8_t family = v4 ? NFPROTO_IPV4 : NFPROTO_IPV6, tcp = IPPROTO_TCP, first[16], last[16];
        uint16_t port_first = htons(o->port_first), port_last = htons(o->port_last);
        struct rule r = rule_begin(s, "in");
        ip_to_bytes(&o->first, first);
        ip_to_bytes(&o->last, last);
        put_meta(r.h, NFT_META_NFPROTO);
        put_cmp(r.h, NFT_CMP_EQ, &family, 1);
        put_meta(r.h, NFT_META_L4PROTO);
        put_cmp(r.h, NFT_CMP_EQ, &tcp, 1);
        put_payload(r.h, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 16 : 24, v4 ? 4 : 16);
        put_range(r.h, first, last, v4 ? 4 : 16);
        put_payload(r.h, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
        put_range(r.h, &port_first, &port_last, 2);
        put_verdict(r.h, NFT_JUMP, "ours");
        rule_end(s, r);
}

static void add_ours(struct shield_nft *s)
{
        if (s->asks) {
                struct rule r = rule_begin(s, "ours");
                s->asking_seq = r.h->nlmsg_seq;
                put_socket(r.h);
                put_counter(r.h);
                put_verdict(r.h, NF_ACCEPT, NULL);
                rule_end(s, r);
        }
        struct rule r = rule_begin(s, "ours");
        put_counter(r.h);
        put_verdict(r.h, NF_DROP, NULL);
        rule_end(s, r);
}

/* The number of the message that is acknowledged when all of it is done. */
static unsigned write_batch(struct shield_nft *s, const struct io_span *o, unsigned n)
{
        s->used = 0;
        s->asking_seq = 0;
        end_message(s, add_message(s, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
        add_table(s);
        add_chain(s, "in", true);
        add_chain(s, "ours", false);
        for (unsigned i = 0; i < n; i++)
                if (o[i].first.family)
                        add_span_rule(s, &o[i]);
        add_ours(s);
        s->last->nlmsg_flags |= NLM_F_ACK;
        unsigned wanted = s->last->nlmsg_seq;
        end_message(s, add_message(s, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
        return wanted;
}

/* ---- answers ---- */

struct verdict { /* about a batch */
        unsigned wanted, asking;
        int code; /* the first error, positive */
        bool done, no_socket;
};

static void judge(struct verdict *v, const struct nlmsghdr *h)
{
        const struct nlmsgerr *said = mnl_nlmsg_get_payload(h);
        if (h->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(h) < sizeof(*said))
                return;
        v->done |= said->error == 0 && said->msg.nlmsg_seq == v->wanted;
        v->no_socket |= said->error == -ENOENT && v->asking && said->msg.nlmsg_seq == v->asking;
        if (said->error && !v->code)
                v->code = -said->error;
}

/* The kernel has decided by the time the batch is sent, so what it said is all there. Positive errno or 0. */
static int run_batch(struct shield_nft *s, const struct io_span *o, unsigned n, bool *no_socket)
{
        static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
        int fd = mnl_socket_get_fd(s->sock);
        struct verdict v = {.wanted = write_batch(s, o, n)};
        v.asking = s->asking_seq;
        if (sendto(fd, s->buf, s->used, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
                return errno;
        for (;;) {
                ssize_t got = recv(fd, s->buf, BATCH_MAX_BYTES, MSG_DONTWAIT);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        break;
                int left = (int)got;
                for (const struct nlmsghdr *h = (void *)s->buf; mnl_nlmsg_ok(h, left);
                     h = mnl_nlmsg_next(h, &left))
                        judge(&v, h);
        }
        *no_socket = v.no_socket;
        return v.code ? v.code : v.done ? 0 : EPROTO;
}

static int err_rules(struct err *e, int code)
{
        if (code == EPERM || code == EACCES)
                return err_set(e, code, "nftables rules are not permitted: it takes root or CAP_NET_ADMIN");
        if (code == EOPNOTSUPP || code == EINVAL || code == EPROTONOSUPPORT)
                return err_set(
                        e, code,
                        "this kernel has no nftables tables that end with their owner (Linux 5.12 has)");
        return err_set(e, code, "nftables rules: the kernel refused (%s)", strerror(code));
}

int shield_nft_open(struct shield_nft **out, const struct io_span *ours, unsigned n, struct err *e)
{
        bool no_socket = false;
        if (n > SPANS_MAX)
                return err_set(e, 0, "nftables rules are made for %d source ranges at most", SPANS_MAX);
        struct shield_nft *s = calloc(1, sizeof(*s));
        if (!s || !(s->buf = calloc(1, BATCH_MAX_BYTES))) {
                shield_nft_close(s);
                return err_set(e, ENOMEM, "out of memory for the shield");
        }
        s->sock = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
        if (!s->sock || mnl_socket_bind(s->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
                err_rules(e, errno);
                goto close_rules;
        }
        snprintf(s->table, sizeof(s->table), "trawl_%u", mnl_socket_get_portid(s->sock));
        s->asks = true;
        int code = run_batch(s, ours, n, &no_socket);
        if (code && no_socket) {
                s->asks = false;
                code = run_batch(s, ours, n, &no_socket);
        }
        if (code) {
                err_rules(e, code);
                goto close_rules;
        }
        *out = s;
        return 0;
close_rules:
        shield_nft_close(s);
        return -1;
}

bool shield_nft_asks(const struct shield_nft *s)
{
        return s->asks;
}

/* ---- counters ---- */

struct counted { /* one rule */
        bool asks;
        uint64_t packets;
};

static const struct nlattr *child(const struct nlattr *in, uint16_t type)
{
        const void *end = (const char *)in + in->nla_len;
        for (const struct nlattr *a = nl_attr_at(mnl_attr_get_payload(in), end); a;
             a = nl_attr_at(mnl_attr_next(a), end))
                if (mnl_attr_get_type(a) == type)
                        return a;
        return NULL;
}

static void read_expr(struct counted *c, const struct nlattr *x)
{
        const struct nlattr *name = child(x, NFTA_EXPR_NAME), *data = child(x, NFTA_EXPR_DATA);
        if (!name || !data || mnl_attr_validate(name, MNL_TYPE_NUL_STRING) < 0)
                return;
        c->asks |= strcmp(mnl_attr_get_str(name), "socket") == 0;
        const struct nlattr *n = child(data, NFTA_COUNTER_PACKETS);
        if (strcmp(mnl_attr_get_str(name), "counter") == 0 && n && mnl_attr_validate(n, MNL_TYPE_U64) == 0)
                c->packets = be64toh(mnl_attr_get_u64(n));
}

static int read_rule(const struct nlmsghdr *h, void *arg)
{
        struct io_shield_count *sum = arg;
        struct counted c = {0};
        NL_EACH(a, h, sizeof(struct nfgenmsg))
        {
                const void *end = (const char *)a + a->nla_len;
                if (mnl_attr_get_type(a) != NFTA_RULE_EXPRESSIONS)
                        continue;
                for (const struct nlattr *x = nl_attr_at(mnl_attr_get_payload(a), end); x;
                     x = nl_attr_at(mnl_attr_next(x), end))
                        read_expr(&c, x);
        }
        *(c.asks ? &sum->local : &sum->dropped) += c.packets;
        return MNL_CB_OK;
}

void shield_nft_counts(struct shield_nft *s, struct io_shield_count *c)
{
        *c = (struct io_shield_count){0};
        s->used = 0;
        struct nlmsghdr *h = add(s, NFT_MSG_GETRULE, NLM_F_DUMP);
        mnl_attr_put_strz(h, NFTA_RULE_TABLE, s->table);
        mnl_attr_put_strz(h, NFTA_RULE_CHAIN, "ours");
        if (mnl_socket_sendto(s->sock, h, h->nlmsg_len) < 0)
                return;
        unsigned portid = mnl_socket_get_portid(s->sock);
        for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
                ssize_t n = mnl_socket_recvfrom(s->sock, s->buf, BATCH_MAX_BYTES);
                more = n < 0 ? MNL_CB_ERROR : mnl_cb_run(s->buf, (size_t)n, s->seq, portid, read_rule, c);
        }
}

void shield_nft_close(struct shield_nft *s)
{
        if (!s)
                return;
        if (s->sock)
                mnl_socket_close(s->sock);
        free(s->buf);
        free(s);
}
