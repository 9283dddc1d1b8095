// SPDX-License-Identifier: Apache-2.0
/* err: one line for people, filled where it went wrong, with context added on the way up. */
#include "base.h"
#include <stdio.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
        va_list ap;
        if (!e)
                return -1;
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
        e->code = code;
        return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
        char old[sizeof(e->text)];
        va_list ap;
        if (!e)
                return -1;
        memcpy(old, e->text, sizeof(old));
        va_start(ap, fmt);
        int n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
        size_t used = n < 0 ? 0 : MIN((size_t)n, sizeof(e->text) - 1);
        size_t room = sizeof(e->text) - 1 - used, rest = MIN(room, strlen(old) + 2);
        memcpy(e->text + used, ": ", MIN(rest, 2));
        if (rest > 2)
                memcpy(e->text + used + 2, old, rest - 2);
        e->text[used + rest] = 0;
        return -1;
}
