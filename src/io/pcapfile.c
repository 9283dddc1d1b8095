// SPDX-License-Identifier: Apache-2.0
/*
 * pcapfile: writes capture files, for `file` and for --pcap. Set-up may fail with a message; later a full
 * disk only costs the frames that did not fit. Invariant: the file on disk is a header and whole records.
 * Reference: draft-ietf-opsawg-pcap.
 *
 *   header: magic(4) major(2) minor(2) reserved(8) snaplen(4) link(4)      all in host byte order
 *   record: seconds(4) fraction(4) captured(4) original(4) bytes
 */
#include "io_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 256 << 10, HEADER = 24, RECORD = 16 };
enum { MAGIC_US = 0xa1b2c3d4u, MAGIC_NS = 0xa1b23c4du };

static uint32_t linktype(enum wire_link link)
{
        static const uint32_t type[] = {
                [LINK_ETHER] = 1, [LINK_RAW] = 101, [LINK_NULL] = 0, [LINK_SLL] = 113};
        return type[link];
}

static void make_header(uint32_t h[HEADER / 4], const struct pcap_writer *w, enum wire_link link)
{
        const uint32_t fields[HEADER / 4] = {
                w->nano ? MAGIC_NS : MAGIC_US, 0, 0, 0, WIRE_FRAME_MAX, linktype(link)};
        const uint16_t version[2] = {2, 4};
        memcpy(h, fields, HEADER);
        memcpy(&h[1], version, sizeof(version));
}

static int write_header(struct pcap_writer *w, const char *path, enum wire_link link, struct err *e)
{
        uint32_t h[HEADER / 4];
        make_header(h, w, link);
        ssize_t put = write(w->fd, h, HEADER);
        if (put != HEADER) {
                int why = put < 0 ? errno : ENOSPC;
                return err_set(e, why, "cannot write the capture file \"%s\": %s", path, strerror(why));
        }
        w->good = HEADER;
        return 0;
}

/* A file that ends inside the header it would get was torn by a crash before its first record. */
static bool is_torn_header(const struct pcap_writer *w, int64_t size, enum wire_link link)
{
        uint32_t got[HEADER / 4], want[HEADER / 4];
        make_header(want, w, link);
        return size < HEADER && pread(w->fd, got, (size_t)size, 0) == size &&
               memcmp(got, want, (size_t)size) == 0;
}

/* Finds the end of the last whole record; what follows it was torn by a crash. */
static int64_t whole_records(int fd, int64_t size)
{
        int64_t at = HEADER;
        for (;;) {
                uint32_t r[4];
                if (pread(fd, r, RECORD, at) != RECORD || r[2] > WIRE_FRAME_MAX || at + RECORD + r[2] > size)
                        return at;
                at += RECORD + r[2];
        }
}

static int continue_file(struct pcap_writer *w, const char *path, int64_t size, enum wire_link link,
                         struct err *e)
{
        uint32_t h[HEADER / 4];
        if (pread(w->fd, h, HEADER, 0) != HEADER || (h[0] != MAGIC_US && h[0] != MAGIC_NS))
                return err_set(e, 0,
                               "cannot append to \"%s\": it is not a capture file of this host's byte order",
                               path);
        if (h[5] != linktype(link))
                return err_set(
                        e, 0,
                        "cannot append to \"%s\": it holds link type %u, this scan's frames are of type %u",
                        path, h[5], linktype(link));
        w->nano = h[0] == MAGIC_NS;
        w->good = whole_records(w->fd, size);
        if (ftruncate(w->fd, w->good) || lseek(w->fd, w->good, SEEK_SET) < 0)
                return err_set(e, errno, "cannot append to \"%s\": %s", path, strerror(errno));
        return 0;
}

int pcapw_open(struct pcap_writer *w, const char *path, bool append, bool nano, enum wire_link link,
               struct err *e)
{
        struct stat s;
        *w = (struct pcap_writer){.nano = nano, .wall_minus_mono = clock_wall_ns() - clock_mono_ns()};
        w->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (append ? 0 : O_TRUNC), 0644);
        if (w->fd < 0)
                return err_set(e, errno, "cannot create the capture file \"%s\": %s", path, strerror(errno));
        w->buf = malloc(BUFFER);
        if (!w->buf) {
                err_set(e, ENOMEM, "out of memory for the capture file \"%s\"", path);
                goto close_file;
        }
        w->regular = fstat(w->fd, &s) == 0 && S_ISREG(s.st_mode);
        bool old = w->regular && !is_torn_header(w, s.st_size, link);
        if (old ? continue_file(w, path, s.st_size, link, e) : write_header(w, path, link, e))
                goto free_buffer;
        return 0;
free_buffer:
        free(w->buf);
close_file:
        close(w->fd);
        *w = (struct pcap_writer){.fd = -1};
        return -1;
}

static bool write_whole(struct pcap_writer *w)
{
        size_t done = 0;
        while (done < w->n) {
                ssize_t put = write(w->fd, w->buf + done, w->n - done);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put <= 0) {
                        w->last_error = put < 0 ? errno : ENOSPC;
                        return false;
                }
                done += (size_t)put;
        }
        return true;
}

void pcapw_flush(struct pcap_writer *w)
{
        if (w->n == 0)
                return;
        if (write_whole(w)) {
                w->good += (int64_t)w->n;
        } else {
                w->lost += w->held;
                if (w->regular && (ftruncate(w->fd, w->good) || lseek(w->fd, w->good, SEEK_SET) < 0))
                        w->regular = false;
        }
        w->n = 0;
        w->held = 0;
}

void pcapw_frame(struct pcap_writer *w, uint64_t mono_ns, const struct span *parts, unsigned n_parts)
{
        uint64_t wall = mono_ns + w->wall_minus_mono;
        uint32_t len = 0, fraction = (uint32_t)(wall % NS_PER_S);
        for (unsigned i = 0; i < n_parts; i++)
                len += (uint32_t)parts[i].n;
        if (len > WIRE_FRAME_MAX) {
                w->lost++;
                return;
        }
        if (w->n + RECORD + len > BUFFER)
                pcapw_flush(w);
        uint32_t r[4] = {(uint32_t)(wall / NS_PER_S), w->nano ? fraction : fraction / 1000, len, len};
        memcpy(w->buf + w->n, r, RECORD);
        w->n += RECORD;
        for (unsigned i = 0; i < n_parts; i++) {
                if (parts[i].n)
                        memcpy(w->buf + w->n, parts[i].p, parts[i].n);
                w->n += parts[i].n;
        }
        w->held++;
}

void pcapw_close(struct pcap_writer *w)
{
        pcapw_flush(w);
        free(w->buf);
        if (w->fd >= 0)
                close(w->fd);
        *w = (struct pcap_writer){.fd = -1};
}
