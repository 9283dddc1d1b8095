// SPDX-License-Identifier: Apache-2.0
/*
 * log: what trawl says to people, on stderr. One mutex keeps lines whole and lets a message push the status
 * line aside: it is erased before the message and drawn again after it.
 */
#include "base.h"
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level level_max = LOG_INFO;
static char status[256];
static bool as_json;

void log_set_json(bool on)
{
        as_json = on;
}

/* One JSON object per message, so that stderr is NDJSON throughout. */
static void say_json(const char *level, const char *text)
{
        fprintf(stderr, "{\"state\":\"message\",\"level\":\"%s\",\"text\":\"", level);
        for (const char *c = text; *c; c++) {
                if ((unsigned char)*c < 0x20 || *c == '"' || *c == '\\')
                        fprintf(stderr, "\\u%04x", (unsigned char)*c);
                else
                        putc(*c, stderr);
        }
        fputs("\"}\n", stderr);
}

void log_set_level(enum log_level level)
{
        level_max = level;
}

bool log_is_tty(void)
{
        static int tty = -1;
        if (tty < 0)
                tty = isatty(STDERR_FILENO);
        return tty > 0;
}

void log_say(enum log_level level, const char *fmt, ...)
{
        static const char *const tag[] = {"error: ", "warning: ", "", "", "debug: "};
        char line[1024];
        va_list ap;
        if (level > level_max)
                return;
        va_start(ap, fmt);
        vsnprintf(line, sizeof(line), fmt, ap);
        va_end(ap);
        pthread_mutex_lock(&lock);
        if (as_json) {
                static const char *const names[] = {"error", "warning", "info", "verbose", "debug"};
                say_json(names[level], line);
                pthread_mutex_unlock(&lock);
                return;
        }
        bool redraw = status[0] && log_is_tty();
        fprintf(stderr, "%strawl: %s%s\n%s", redraw ? "\r\033[K" : "", tag[level], line,
                redraw ? status : "");
        pthread_mutex_unlock(&lock);
}

void log_status(const char *text)
{
        pthread_mutex_lock(&lock);
        snprintf(status, sizeof(status), "%s", text);
        if (log_is_tty())
                fprintf(stderr, "\r\033[K%s", status);
        else if (status[0])
                fprintf(stderr, "%s\n", status);
        pthread_mutex_unlock(&lock);
}
