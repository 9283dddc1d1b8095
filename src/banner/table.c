// SPDX-License-Identifier: Apache-2.0
/*
 * table: every parser, in the order of the rows of result/kinds.h, which is the order in which they are asked
 * whether the first bytes are theirs. Walked by the detection below, by --hello, the help, the tests over
 * samples, and the fuzzers. Invariant: one place for each parser.
 */
#include "banner/protocols.h"

/* Two rows with one parser do not compile. */
#define PLACE(number, name, word, parser) PLACE_##parser,
#define PLACE_TOO(name, parser)           PLACE_##parser,
enum { RESULT_KINDS(RESULT_NOTHING, PLACE, PLACE_TOO) N_PARSERS };

#define PARSER(number, name, word, parser) &banner_##parser,
#define PARSER_TOO(name, parser)           &banner_##parser,
const struct banner_ops *const banner_table[N_PARSERS + 1] = {
        RESULT_KINDS(RESULT_NOTHING, PARSER, PARSER_TOO)};

const struct banner_ops *banner_by_name(const char *name)
{
        for (unsigned i = 0; banner_table[i]; i++)
                if (strcmp(banner_table[i]->name, name) == 0)
                        return banner_table[i];
        return NULL;
}

bool banner_has_port(const struct banner_ops *b, uint16_t port)
{
        for (const uint16_t *p = b->ports; p && *p; p++)
                if (*p == port)
                        return true;
        return false;
}

const struct banner_ops *banner_detect(const struct banner_turn *t, const struct banner_ops *sent, bool *wait)
{
        *wait = false;
        if (sent && (!sent->match || sent->match(t->in, t) == MATCH_YES))
                return sent;
        for (unsigned i = 0; banner_table[i]; i++) {
                const struct banner_ops *b = banner_table[i];
                enum banner_match m = b->match && !b->check ? b->match(t->in, t) : MATCH_NO;
                if (m == MATCH_YES)
                        return b;
                *wait |= m == MATCH_MAYBE;
        }
        *wait &= !t->eof;
        return NULL;
}
