// SPDX-License-Identifier: Apache-2.0
/*
 * profile: the looks a SYN can have. Used once per path, when its template is made. The layouts are those of
 * the systems they are named after; which one brings most answers was measured by others (about 2 % more
 * hosts answer a SYN with options than one without), and conf decides the default. Invariant: see profile.h.
 * RFC 9293 §3.2 (MSS), RFC 7323 §2.2, §3.2 (window scale, timestamps), RFC 2018 §2 (SACK permitted).
 *
 *      minimal  no options
 *      masscan  | 2 4 MSS |
 *      linux    | 2 4 MSS | 4 2 | 8 10 value echo | 1 | 3 3 7 |
 *      windows  | 2 4 MSS | 1 | 3 3 8 | 1 | 1 | 4 2 |
 *      bsd      | 2 4 MSS | 1 | 3 3 6 | 4 2 | 8 10 value echo |
 */
#include "scan/profile.h"

enum { OFF = -2 };
static const struct profile {
        const char *name, *order; /* M: MSS, W: window scale, S: SACK permitted and timestamps */
        int mss4, mss6, wscale, sackok, tsecho;
        uint16_t window;
        uint8_t ttl;
        bool df;
} profiles[] = {
        [SYN_MINIMAL] = {"minimal", "MWS", 0, 0, OFF, 0, 0, 65535, 255, false},
        [SYN_MASSCAN] = {"masscan", "MWS", 1460, 1460, OFF, 0, 0, 1025, 255, false},
        [SYN_LINUX] = {"linux", "MSW", 1460, 1440, 7, 1, 1, 64240, 64, true},
        [SYN_WINDOWS] = {"windows", "MWS", 1460, 1440, 8, 1, 0, 64240, 128, true},
        [SYN_BSD] = {"bsd", "MWS", 1460, 1440, 6, 1, 1, 65535, 64, true},
};

const char *scan_profile_names(void)
{
        static const char names[] = "minimal|masscan|linux|windows|bsd";
        return names;
}

int scan_profile_by_name(const char *name)
{
        for (unsigned i = 0; i < ARRAY_LEN(profiles); i++)
                if (strcmp(profiles[i].name, name) == 0)
                        return (int)i;
        return -1;
}

static int or_profile(int setting, int profile)
{
        return setting == SCAN_DEFAULT ? profile : setting;
}

int scan_offers_wscale(const struct scan_conf *conf)
{
        int shift = or_profile(conf->wscale, profiles[conf->profile].wscale);
        return shift == OFF ? -1 : shift;
}

bool scan_offers_timestamps(const struct scan_conf *conf)
{
        return or_profile(conf->tsecho, profiles[conf->profile].tsecho) == 1;
}

/* SACK permitted needs no padding in front of timestamps (2 + 10 bytes); alone, each is padded in front. */
static void put_sack_and_time(struct syn_shape *s, struct wr *w, bool sackok, int tsecho)
{
        if (!sackok && !tsecho)
                return;
        if (!sackok || !tsecho)
                wr_be16(w, 0x0101);
        if (sackok)
                wr_be16(w, 0x0402);
        if (tsecho) {
                wr_be16(w, 0x080a);
                if (tsecho == 1)
                        s->tsval = (uint8_t)wr_len(w);
                wr_be32(w, tsecho > 1 ? (uint32_t)tsecho : 0);
                wr_be32(w, 0);
        }
}

void syn_shape_of(struct syn_shape *s, const struct scan_conf *conf, uint8_t family)
{
        const struct profile *p = &profiles[conf->profile];
        int mss = or_profile(conf->mss, family == 6 ? p->mss6 : p->mss4);
        int wscale = or_profile(conf->wscale, p->wscale);
        int sackok = or_profile(conf->sackok, p->sackok), tsecho = or_profile(conf->tsecho, p->tsecho);
        struct wr w = wr_of(s->options, sizeof(s->options));
        assert(mss >= 0 && mss <= 65535 && (wscale == OFF || (wscale >= 0 && wscale <= 14)));
        assert(tsecho >= 0 && tsecho <= SCAN_TSVAL_MAX);
        assert(or_profile(conf->ttl, p->ttl) >= 1 && or_profile(conf->ttl, p->ttl) <= 255);
        s->ttl = (uint8_t)or_profile(conf->ttl, p->ttl);
        s->df = p->df;
        s->window = p->window;
        s->tsval = 0;
        for (const char *o = p->order; *o; o++) {
                if (*o == 'M' && mss)
                        wr_be32(&w, 0x02040000 | (uint32_t)mss);
                else if (*o == 'W' && wscale != OFF)
                        wr_be32(&w, 0x01030300 | (uint32_t)wscale);
                else if (*o == 'S')
                        put_sack_and_time(s, &w, sackok, tsecho);
        }
        assert(!w.full && wr_len(&w) % 4 == 0);
        s->options_len = (uint8_t)wr_len(&w);
}
