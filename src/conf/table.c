// SPDX-License-Identifier: Apache-2.0
/*
 * table: the one option table, walked by everything that knows options. Its rows lie in five files by section
 * so that each can be read; here they are one list. Invariant: the order of rows is the order of the help.
 */
#include "option.h"

static const struct {
        const struct opt *rows;
        const size_t *n;
} parts[] = {{opt_rows_targets, &opt_n_targets},
             {opt_rows_network, &opt_n_network},
             {opt_rows_banners, &opt_n_banners},
             {opt_rows_output, &opt_n_output},
             {opt_rows_other, &opt_n_other}};

size_t opt_count(void)
{
        return opt_n_targets + opt_n_network + opt_n_banners + opt_n_output + opt_n_other;
}

const struct opt *opt_at(size_t i)
{
        for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
                if (i < *parts[k].n)
                        return &parts[k].rows[i];
                i -= *parts[k].n;
        }
        return NULL;
}

size_t opt_row(const struct opt *o)
{
        size_t before = 0;
        for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
                if (o >= parts[k].rows && o < parts[k].rows + *parts[k].n)
                        return before + (size_t)(o - parts[k].rows);
                before += *parts[k].n;
        }
        assert(false); /* not a row of the table */
        return 0;
}

const char *opt_section_title(enum opt_section section)
{
        static const char *const titles[OPT_SECTIONS] = {[SEC_TARGETS] = "What to scan",
                                                         [SEC_ORDER] = "In which order",
                                                         [SEC_RATE] = "How fast, how long",
                                                         [SEC_NETWORK] = "The way out",
                                                         [SEC_PROBE] = "Probes and answers",
                                                         [SEC_BANNERS] = "Banners",
                                                         [SEC_OUTPUT] = "Results",
                                                         [SEC_STATUS] = "Status, going on, settings",
                                                         [SEC_DO] = "Instead of a scan",
                                                         [SEC_DEVELOPER] = "For developers",
                                                         [SEC_IGNORED] = "Accepted, without effect",
                                                         [SEC_LATER] = "Known, not in this version yet",
                                                         [SEC_REFUSED] = "Refused"};
        return titles[section];
}
