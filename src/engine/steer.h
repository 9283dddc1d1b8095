// SPDX-License-Identifier: Apache-2.0
/*
 * steer: what ties auto.h, canary.h and coverage.h to the threads. The other files of the engine call it at
 * few places, each one line:
 *
 *   plan.c   eng_prepare, at its end  steer_new(&g->steer, g, e); eng_free: steer_free(g->steer)
 *   tx.c     run, each round          steer_due(g->steer, t->id, call, most): indices to probe now, first of
 * all; each is sent like a retry (tgt_plan_pick, path, MAC, tokens, patch), with steer_sent(g->steer,
 * &call[i], clock_mono_ns()) just before it leaves rx.c     take_answer, before the ring   if
 * (steer_answer(g->steer, r->id, &seen)) it is not pushed: it was before scan.c   look_after
 * steer_tick(g->steer, g, now) status.c status_summary           steer_summary(g->steer, g); json_line:
 * steer_json(g->steer, g, buf, cap)
 *
 * Without --rate auto there are no canaries: steer_due finds none, and steer_answer only counts.
 */
#ifndef TRAWL_ENGINE_STEER_H
#define TRAWL_ENGINE_STEER_H
#include "canary.h"
#include "coverage.h"
#include "eng.h"

struct steer;
struct steer_seen { /* an answer of the plan */
        const struct answer *answer;
        uint64_t index, now_ns;
        uint32_t age_ms; /* since the position was first sent (window_age_ms), 0: just now, or unknown */
        bool inside;     /* the window knows of this position: else all it says is "no" */
        bool again;      /* the window knew it already */
};
/* With --rate auto sets g->rate to where the search starts; before any thread runs, after rate_init(). */
int steer_new(struct steer **, struct eng *, struct err *);
void steer_free(struct steer *); /* NULL is no harm */
unsigned steer_due(struct steer *, unsigned tx, struct canary_call *, unsigned most);
void steer_sent(struct steer *, const struct canary_call *, uint64_t now_ns);
bool steer_answer(struct steer *, unsigned rx, const struct steer_seen *);
void steer_tick(struct steer *, struct eng *, uint64_t now_ns);
void steer_coverage(struct steer *, struct eng *, struct coverage *);
void steer_summary(struct steer *, struct eng *);
/* `"auto":{…}|null,"coverage":{…}|null`, to stand in the status object. Returns `out`. */
enum { STEER_JSON_MAX = 512 };
const char *steer_json(struct steer *, struct eng *, char out[STEER_JSON_MAX]);
#endif
