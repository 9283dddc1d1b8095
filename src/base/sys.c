// SPDX-License-Identifier: Apache-2.0
/* sys: clocks, randomness, growable memory, whole files. */
#include "base.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t id)
{
        struct timespec ts;
        clock_gettime(id, &ts);
        return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
        return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
        return clock_ns(CLOCK_REALTIME);
}

void clock_sleep_until(uint64_t mono_ns)
{
        struct timespec ts = {.tv_sec = (time_t)(mono_ns / NS_PER_S), .tv_nsec = (long)(mono_ns % NS_PER_S)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

void rand_bytes(void *p, size_t n)
{
        uint8_t *b = p;
        while (n) {
                ssize_t got = getrandom(b, n, 0);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        abort(); /* no randomness means no cookie: nothing safe is left to do */
                b += got;
                n -= (size_t)got;
        }
}

int mem_grow(void *p_to_array, size_t *cap, size_t need, size_t size, struct err *e)
{
        void **array = p_to_array;
        size_t n = *cap ? *cap : 16;
        if (need <= *cap)
                return 0;
        while (n < need)
                n *= 2;
        if (n > SIZE_MAX / size)
                return err_set(e, ENOMEM, "out of memory: a list of %zu entries does not fit", need);
        void *p = realloc(*array, n * size);
        if (!p)
                return err_set(e, ENOMEM, "out of memory for a list of %zu entries of %zu bytes", need, size);
        *array = p;
        *cap = n;
        return 0;
}

int file_read(const char *path, size_t max, char **data, size_t *len, struct err *e)
{
        bool is_stdin = strcmp(path, "-") == 0;
        int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        char *buf = NULL;
        size_t cap = 0, n = 0;
        int rc = -1;
        if (fd < 0)
                return err_set(e, errno, "cannot open \"%s\": %s", path, strerror(errno));
        for (;;) {
                if (mem_grow(&buf, &cap, n + 65536, 1, e))
                        goto out;
                ssize_t got = read(fd, buf + n, cap - n - 1);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0) {
                        err_set(e, errno, "cannot read \"%s\": %s", path, strerror(errno));
                        goto out;
                }
                if (got == 0)
                        break;
                n += (size_t)got;
                if (n > max) {
                        err_set(e, EFBIG, "\"%s\" is larger than %zu bytes", path, max);
                        goto out;
                }
        }
        buf[n] = 0;
        *data = buf;
        *len = n;
        buf = NULL;
        rc = 0;
out:
        free(buf);
        if (!is_stdin)
                close(fd);
        return rc;
}

/* Where a file that need not exist would be: the real directory and the name in it. */
static bool place_of(const char *path, char dir[PATH_MAX], const char **name)
{
        char copy[PATH_MAX];
        const char *slash = strrchr(path, '/');
        size_t n = slash ? (size_t)(slash - path) + 1 : 0;
        if (n >= sizeof(copy))
                return false;
        memcpy(copy, path, n);
        copy[n] = 0;
        *name = path + n;
        return realpath(n ? copy : ".", dir) != NULL;
}

bool file_same(const char *a, const char *b)
{
        struct stat sa, sb;
        char da[PATH_MAX], db[PATH_MAX];
        const char *na, *nb;
        if (strcmp(a, "-") == 0 || strcmp(b, "-") == 0)
                return false;
        if (strcmp(a, b) == 0)
                return true;
        if (stat(a, &sa) == 0 && stat(b, &sb) == 0)
                return S_ISREG(sa.st_mode) && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
        return place_of(a, da, &na) && place_of(b, db, &nb) && strcmp(da, db) == 0 && strcmp(na, nb) == 0;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
        while (n) {
                ssize_t put = write(fd, p, n);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put < 0)
                        return -1;
                p += put;
                n -= (size_t)put;
        }
        return 0;
}

int file_replace(const char *path, const void *data, size_t n, unsigned mode, bool sync, struct err *e)
{
        char tmp[4096];
        if ((size_t)snprintf(tmp, sizeof(tmp), "%s.tmp", path) >= sizeof(tmp))
                return err_set(e, ENAMETOOLONG, "the file name \"%s\" is too long", path);
        int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
        if (fd < 0)
                return err_set(e, errno, "cannot create \"%s\": %s", tmp, strerror(errno));
        int bad = write_all(fd, data, n) || (sync && fsync(fd));
        int why = errno;
        bad |= close(fd);
        if (bad || rename(tmp, path)) {
                why = bad ? why : errno;
                unlink(tmp);
                return err_set(e, why, "cannot write \"%s\": %s", path, strerror(why));
        }
        return 0;
}
