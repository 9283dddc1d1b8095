// SPDX-License-Identifier: Apache-2.0
/*
 * none: writes nothing; for rate tests. Stands in the table like every writer. Invariant: the file is made
 * and stays empty, as with masscan.
 */
#include "format.h"

static int64_t body_end(struct span file, bool *empty)
{
        *empty = true;
        return file.n == 0 ? 0 : -1;
}

const struct out_ops out_none = {.name = "none",
                                 .aliases = "null",
                                 .ext = "none",
                                 .state_size = sizeof(struct fmt),
                                 .begin = fmt_no_header,
                                 .record = fmt_no_record,
                                 .trailer = fmt_no_trailer,
                                 .body_end = body_end};
