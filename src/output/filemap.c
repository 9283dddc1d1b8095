// SPDX-License-Identifier: Apache-2.0
/*
 * filemap: a whole file as bytes in memory, without reading what is not looked at. Stands under the reader
 * and the repairer. Invariant: a map is never written through. Reference: mmap(2).
 */
#include "readscan.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STREAM_MAX_MIB = 4096 }; /* for what cannot be mapped: pipes */

static int map_regular(struct file_map *m, int fd, const char *path, struct err *e)
{
        struct stat st;
        if (fstat(fd, &st))
                return err_set(e, errno, "cannot look at \"%s\": %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return 1;
        if (st.st_size == 0)
                return 0;
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
                return err_set(e, errno, "cannot map \"%s\": %s", path, strerror(errno));
        *m = (struct file_map){.p = p, .n = (size_t)st.st_size, .mapped = true};
        return 0;
}

int file_map(struct file_map *m, const char *path, struct err *e)
{
        *m = (struct file_map){0};
        if (strcmp(path, "-") != 0) {
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        return err_set(e, errno, "cannot open \"%s\": %s", path, strerror(errno));
                int rc = map_regular(m, fd, path, e);
                close(fd);
                if (rc <= 0)
                        return rc;
        }
        char *data;
        if (file_read(path, (size_t)STREAM_MAX_MIB << 20, &data, &m->n, e))
                return -1;
        m->p = (uint8_t *)data;
        return 0;
}

void file_unmap(struct file_map *m)
{
        if (m->mapped)
                munmap(m->p, m->n);
        else
                free(m->p);
        *m = (struct file_map){0};
}
