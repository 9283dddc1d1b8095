// SPDX-License-Identifier: Apache-2.0
/*
 * status: what a person, or a program with --status-json, is told while the scan runs and when it ends. Only
 * counters are read; nothing here slows a packet thread.
 */
#include "steer.h"
#include <stdio.h>

static uint64_t get(const _Atomic uint64_t *c)
{
        return atomic_load_explicit((_Atomic uint64_t *)c, memory_order_relaxed);
}

static void add_io(struct totals *t, struct io *io)
{
        struct io_stats s = {0};
        if (!io->ops)
                return;
        io->ops->stats(io->st, &s);
        t->missed += s.rx_missed;
        t->tx_errors += s.tx_errors;
        t->tx_again += s.tx_again;
        t->rst_lost += s.rst_lost;
        if (s.last_error)
                t->last_error = s.last_error;
}

void eng_totals(struct eng *g, struct totals *t)
{
        memset(t, 0, sizeof(*t));
        for (unsigned i = 0; i < g->n_tx; i++) {
                const struct counters *c = &g->tx_count[i];
                t->probes += get(&c->probes);
                t->retries += get(&c->retries);
                t->targets += get(&c->targets);
                t->unreachable += get(&c->unreachable);
                t->unresolved += get(&c->unresolved);
                t->parked += get(&c->parked);
        }
        for (unsigned i = 0; i < g->n_rx; i++) {
                const struct counters *c = &g->rx_count[i];
                t->replies += get(&c->replies);
                t->replies += get(&c->segments);
                t->replies_dropped += get(&c->replies_dropped);
                t->banners_lost += get(&c->banners_lost);
                t->not_reached += get(&c->not_reached);
                t->frames += get(&c->frames);
                t->answers += get(&c->answers);
                t->forged += get(&c->forged);
                t->old += get(&c->old);
                t->foreign += get(&c->foreign);
                for (unsigned k = 0; k < WIRE_NDROPS; k++)
                        t->bad[k] += get(&c->bad[k]);
        }
        for (unsigned d = 0; d < g->n_devs; d++) {
                t->unseen += get(&g->devs[d].proof.unseen);
                t->link_missed += get(&g->devs[d].rx_missed);
                for (unsigned i = 0; i < g->n_tx; i++)
                        add_io(t, &g->devs[d].tx[i]);
                for (unsigned i = 0; i < g->n_rx; i++) {
                        add_io(t, &g->devs[d].rx[i]);
                        add_io(t, &g->devs[d].reply[i]);
                }
        }
        t->replies -= MIN(t->replies, t->rst_lost); /* they did not leave after all */
        t->replies_dropped += t->rst_lost;
}

static double percent_done(struct eng *g)
{
        uint64_t start = g->arc_start, end = g->pos_end, at = get(&g->window.next);
        return end > start ? 100.0 * (double)(at - start) / (double)(end - start) : 100.0;
}

/* The interfaces that are down or gone, as members of a JSON array. */
static const char *links_out(const struct eng *g, char *text, size_t cap)
{
        struct wr w = wr_of(text, cap - 1);
        for (unsigned d = 0; d < g->n_devs; d++) {
                if (!eng_link_word(&g->devs[d]))
                        continue;
                wr_str(&w, wr_len(&w) ? ",\"" : "\"");
                for (const char *c = g->devs[d].name; *c; c++)
                        wr_fmt(&w, (unsigned char)*c < 0x20 || *c == '"' || *c == '\\' ? "\\u%04x" : "%c",
                               (unsigned char)*c);
                wr_str(&w, "\"");
        }
        *w.p = 0;
        return text;
}

static void json_line(struct eng *g, const struct status *s, const struct totals *t, double percent,
                      double left_s)
{
        char more[STEER_JSON_MAX];
        char out[ENG_DEVS_MAX * 100]; /* names of 15 bytes, each perhaps escaped */
        fprintf(stderr,
                "{\"state\":\"%s\",\"elapsed_s\":%.3f,\"rate_pps\":%.1f,\"percent\":%.3f,\"remaining_s\":%."
                "1f,"
                "\"packets\":{\"probes\":%llu,\"retries\":%llu,\"replies\":%llu,\"received\":%llu,"
                "\"answers\":%llu,"
                "\"forged\":%llu,\"malformed\":%llu},"
                "\"found\":{\"open\":%llu,\"closed\":%llu,\"filtered\":%llu,\"duplicates\":%llu,\"banners\":%"
                "llu,\"all_open\":%llu},\"talking\":%u,"
                "\"drops\":{\"kernel\":%llu,\"interface\":%llu,\"send_errors\":%llu,\"not_left\":%llu,"
                "\"replies\":%llu},"
                "\"unreachable\":%llu,\"unresolved\":%llu,\"stalls\":%llu,\"stall_ms\":%llu,"
                "\"links_out\":[%s],%s}\n",
                s->waiting                  ? "waiting"
                : atomic_load(&g->link_out) ? "link-down"
                : atomic_load(&g->tx_pause) ? "paused"
                : s->talk_full              ? "talk-full"
                                            : "running",
                (double)(clock_mono_ns() - g->start_ns) / 1e9, s->rate_now, percent, left_s,
                (unsigned long long)t->probes, (unsigned long long)t->retries, (unsigned long long)t->replies,
                (unsigned long long)t->frames, (unsigned long long)t->answers, (unsigned long long)t->forged,
                (unsigned long long)(t->bad[WIRE_SHORT] + t->bad[WIRE_BADSUM]),
                (unsigned long long)get(&g->tally.open), (unsigned long long)get(&g->tally.closed),
                (unsigned long long)get(&g->tally.filtered), (unsigned long long)get(&g->tally.duplicates),
                (unsigned long long)get(&g->tally.banners), (unsigned long long)get(&g->tally.all_open),
                eng_talking(g), (unsigned long long)t->missed, (unsigned long long)t->link_missed,
                (unsigned long long)t->tx_errors, (unsigned long long)t->unseen,
                (unsigned long long)t->replies_dropped, (unsigned long long)t->unreachable,
                (unsigned long long)t->unresolved, (unsigned long long)get(&g->rate.stalls),
                (unsigned long long)(get(&g->rate.stall_ns) / NS_PER_MS), links_out(g, out, sizeof(out)),
                steer_json(g->steer, g, more));
}

static void duration(struct wr *w, double s)
{
        unsigned long long n = s < 0 ? 0 : s > 1e9 ? 1000000000ull : (unsigned long long)(s + 0.5);
        if (n >= 86400)
                wr_fmt(w, "%llud ", n / 86400);
        wr_fmt(w, "%llu:%02llu:%02llu", n / 3600 % 24, n / 60 % 60, n % 60);
}

static void rate_text(struct wr *w, double pps)
{
        if (pps >= 1e6)
                wr_fmt(w, "%.2f Mpps", pps / 1e6);
        else if (pps >= 1e4)
                wr_fmt(w, "%.1f kpps", pps / 1e3);
        else
                wr_fmt(w, "%.0f pps", pps);
}

static void text_line(struct eng *g, const struct status *s, const struct totals *t, double percent,
                      double left_s, uint64_t now_ns)
{
        char text[240], problem[160];
        struct wr w = wr_of(text, sizeof(text) - 1);
        uint64_t blocked = get(&g->tally.blocked_since_ms), now_ms = (now_ns - g->start_ns) / NS_PER_MS;
        wr_str(&w, "rate ");
        rate_text(&w, s->rate_now);
        if (s->waiting && s->wait_end_ns > now_ns && s->wait_end_ns != UINT64_MAX)
                wr_fmt(&w, ", all sent, waiting %.0f s", (double)(s->wait_end_ns - now_ns) / 1e9);
        else if (s->waiting)
                wr_str(&w, ", all sent, waiting");
        else if (!g->conf->infinite) {
                wr_fmt(&w, ", %.2f%% done, ", percent);
                duration(&w, left_s);
                wr_str(&w, " left");
        }
        wr_fmt(&w, ", found %llu", (unsigned long long)get(&g->tally.open));
        if (g->conf->banners)
                wr_fmt(&w, ", banners %llu, talking to %u", (unsigned long long)get(&g->tally.banners),
                       eng_talking(g));
        if (t->missed + t->link_missed)
                wr_fmt(&w, ", LOST %llu in the kernel", (unsigned long long)(t->missed + t->link_missed));
        if (t->tx_errors)
                wr_fmt(&w, ", %llu not sent", (unsigned long long)t->tx_errors);
        if (t->unseen)
                wr_fmt(&w, ", %llu did not leave", (unsigned long long)t->unseen);
        if (t->parked)
                wr_fmt(&w, ", %llu wait for ARP/NDP", (unsigned long long)t->parked);
        for (unsigned d = 0; d < g->n_devs; d++)
                if (eng_link_word(&g->devs[d]))
                        wr_fmt(&w, ", %s %s; waiting for it", g->devs[d].name, eng_link_word(&g->devs[d]));
        if (blocked && now_ms > blocked + 1000)
                wr_fmt(&w, ", PAUSED: an output has not taken bytes for %llu s",
                       (unsigned long long)((now_ms - blocked) / 1000));
        else if (writer_problem(g, problem, sizeof(problem)))
                wr_str(&w, ", PAUSED: an output cannot be written");
        else if (s->talk_full)
                wr_str(&w, ", PAUSED: probes wait for room to talk");
        *w.p = 0;
        log_status(text);
}

void status_show(struct eng *g, struct status *s, uint64_t now_ns)
{
        struct totals t;
        bool tty = log_is_tty(), json = g->conf->status_json;
        if (now_ns < s->next_ns || (g->conf->no_status && !json))
                return;
        bool first = !s->next_ns;
        s->next_ns = now_ns + (json ? NS_PER_S : tty ? NS_PER_S / 4 : 15 * NS_PER_S);
        if (first && !json) { /* nothing to tell yet */
                s->last_ns = now_ns;
                return;
        }
        eng_totals(g, &t);
        uint64_t sent = t.probes + t.replies;
        double dt = (double)(now_ns - s->last_ns) / 1e9;
        s->rate_now = s->last_ns && dt > 0 ? (double)(sent - MIN(sent, s->last_frames)) / dt : 0;
        s->last_ns = now_ns;
        s->last_frames = sent;
        s->talk_full = (double)(get(&g->full_ns) - s->last_full_ns) / 1e9 > dt / 2;
        s->last_full_ns = get(&g->full_ns);
        double percent = percent_done(g), elapsed = (double)(now_ns - g->start_ns) / 1e9;
        double done_here = (double)(get(&g->window.next) - g->pos_start),
               todo = (double)(g->pos_end - get(&g->window.next));
        double left_s = done_here > 0 ? todo * elapsed / done_here : 0;
        if (json)
                json_line(g, s, &t, percent, left_s);
        else
                text_line(g, s, &t, percent, left_s, now_ns);
}

void status_start(struct eng *g)
{
        const struct tgt_plan_facts *f = &g->facts;
        unsigned long long hosts = f->v4 + f->v6;
        char rate[32];
        struct wr w = wr_of(rate, sizeof(rate) - 1);
        rate_text(&w, rate_pps(&g->rate));
        *w.p = 0;
        log_say(LOG_INFO, "scanning %llu host%s [%u port%s each] at %s%s", hosts, hosts == 1 ? "" : "s",
                f->ports, f->ports == 1 ? "" : "s", rate,
                g->conf->offline ? ", offline: nothing is sent" : "");
        eng_say_devs(g);
        if (g->conf->checkpoint_file && !g->conf->resume_file)
                log_say(LOG_INFO,
                        "checkpoint every second: after an interruption go on with  trawl --resume %s",
                        g->conf->checkpoint_file);
}

static void summary_extra(struct eng *g, const struct totals *t)
{
        if (t->missed)
                log_say(LOG_WARN,
                        "%llu received frames were lost in the kernel: answers may be missing; lower --rate",
                        (unsigned long long)t->missed);
        if (t->link_missed)
                log_say(LOG_WARN,
                        "%llu received frames found no room in the ring of the interface: answers may be "
                        "missing; "
                        "lower --rate, or make the ring larger (ethtool -G)",
                        (unsigned long long)t->link_missed);
        if (t->tx_errors)
                log_say(LOG_WARN, "%llu frames could not be sent (%s)", (unsigned long long)t->tx_errors,
                        strerror(t->last_error));
        if (t->unseen)
                log_say(LOG_WARN,
                        "%llu frames were handed to an interface that did not count them as sent: targets "
                        "that look silent may never have been asked",
                        (unsigned long long)t->unseen);
        if (t->replies_dropped)
                log_say(LOG_INFO, "%llu replies found no room on the link and were not sent",
                        (unsigned long long)t->replies_dropped);
        if (t->banners_lost)
                log_say(LOG_WARN, "%llu banners were lost for want of memory",
                        (unsigned long long)t->banners_lost);
        if (t->not_reached)
                log_say(LOG_WARN, "%llu open ports have not been spoken to",
                        (unsigned long long)t->not_reached);
        if (t->unreachable)
                log_say(LOG_WARN, "%llu targets have no route and were not probed",
                        (unsigned long long)t->unreachable);
        if (t->unresolved)
                log_say(LOG_INFO, "%llu probes not sent: nobody answered ARP/NDP for their targets",
                        (unsigned long long)t->unresolved);
        if (t->old)
                log_say(LOG_INFO,
                        "%llu times a target answered for a connection from before, of the same ports, "
                        "and not our probe: it may be open; ask again from another --source-port",
                        (unsigned long long)t->old);
        if (get(&g->tally.all_open))
                log_say(LOG_INFO, "%llu host%s on every port: what is open there need not be a service",
                        (unsigned long long)get(&g->tally.all_open),
                        get(&g->tally.all_open) == 1 ? " answers" : "s answer");
        if (g->out_ns)
                log_say(LOG_INFO, "waited %.1f s for interfaces that were down", (double)g->out_ns / 1e9);
        if (get(&g->pauses))
                log_say(LOG_INFO, "paused %.1f s for outputs that did not take bytes",
                        (double)get(&g->pause_ns) / 1e9);
        if (get(&g->full_ns) > NS_PER_S)
                log_say(LOG_INFO,
                        "probes waited %.1f s for room to talk: --max-connections and --max-tls make more",
                        (double)get(&g->full_ns) / 1e9);
        if (get(&g->rate.stall_ns) > NS_PER_S / 20)
                log_say(LOG_VERBOSE, "%llu stalls of this machine cost %.2f s of sending time",
                        (unsigned long long)get(&g->rate.stalls), (double)get(&g->rate.stall_ns) / 1e9);
}

void status_summary(struct eng *g, enum stop_why why, bool complete)
{
        static const char *const words[] = {"done",
                                            "interrupted",
                                            "--max-runtime reached",
                                            "--max-results reached",
                                            "the reader of a pipe went away",
                                            "failed",
                                            "ended without its interface"};
        struct totals t;
        double elapsed = (double)(clock_mono_ns() - g->start_ns) / 1e9;
        eng_count_link_drops(g);
        eng_totals(g, &t);
        log_status("");
        if (g->conf->status_json) {
                struct status s = {.waiting = true};
                json_line(g, &s, &t, percent_done(g), 0);
        }
        log_say(LOG_INFO,
                "%s: %llu probes sent (%llu of them retries), %llu replies; %llu answers: %llu open, %llu "
                "closed, %llu filtered, "
                "%llu duplicates; %llu forged or malformed; %llu lost in the kernel; %.1f s",
                words[why], (unsigned long long)(t.probes + g->base_probes), (unsigned long long)t.retries,
                (unsigned long long)t.replies, (unsigned long long)t.answers,
                (unsigned long long)get(&g->tally.open), (unsigned long long)get(&g->tally.closed),
                (unsigned long long)get(&g->tally.filtered), (unsigned long long)get(&g->tally.duplicates),
                (unsigned long long)(t.forged + t.bad[WIRE_SHORT] + t.bad[WIRE_BADSUM]),
                (unsigned long long)t.missed, elapsed + (double)g->base_elapsed_ns / 1e9);
        if (g->conf->banners)
                log_say(LOG_INFO, "%llu banners", (unsigned long long)get(&g->tally.banners));
        summary_extra(g, &t);
        steer_summary(g->steer, g);
        if (!complete && g->conf->checkpoint_file)
                log_say(LOG_INFO, "go on with  trawl --resume %s", g->conf->checkpoint_file);
}
