#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a process has in the kernel by BPF, and what of it is left when the process is gone.

bpf_ids.py held PID      "prog 12 name", "map 14 name", "link 3" for each that a descriptor of the process holds
bpf_ids.py left FILE     those lines of FILE whose program, map or link still exists, waiting up to 5 s for none
bpf_ids.py all           all that the kernel has, by walking its ids

Ids are the kernel's own and never used twice, so other programs that come and go do not disturb the answer.
Reference: bpf(2), linux/bpf.h (BPF_PROG_GET_NEXT_ID and its like), proc(5) on fdinfo."""
import ctypes
import errno
import os
import platform
import re
import struct
import sys
import time

SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280}[platform.machine()]
NEXT_ID = {"prog": 11, "map": 12, "link": 31}
FD_BY_ID = {"prog": 13, "map": 14, "link": 30}
GET_INFO = 15
NAME_AT = {"prog": 64, "map": 24}  # of the 16 bytes of a name, in the kernel's answer
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr, 128)
    result = libc.syscall(SYS_BPF, command, buf, 128)
    return result, ctypes.get_errno() if result < 0 else 0, buf.raw


def open_id(kind, number):
    fd, code, _ = bpf(FD_BY_ID[kind], struct.pack("=III", number, 0, 0))
    if fd < 0 and code != errno.ENOENT:
        sys.exit("asking for %s %d: %s" % (kind, number, os.strerror(code)))
    return fd


def name_of(kind, fd):
    if kind not in NAME_AT:
        return ""
    info = ctypes.create_string_buffer(256)
    result, _, _ = bpf(GET_INFO, struct.pack("=IIQ", fd, 256, ctypes.addressof(info)))
    at = NAME_AT[kind]
    return info.raw[at:at + 16].split(b"\0")[0].decode(errors="replace") if result == 0 else "?"


def line_of(kind, number):
    fd = open_id(kind, number)
    if fd < 0:
        return None
    line = ("%s %d %s" % (kind, number, name_of(kind, fd))).strip()
    os.close(fd)
    return line


def held(pid):
    base = "/proc/%d/fdinfo" % pid
    for fd in sorted(os.listdir(base), key=int):
        try:
            with open("%s/%s" % (base, fd)) as f:
                text = f.read()
        except FileNotFoundError:
            continue
        # a link's descriptor also tells its program, which has its own
        for kind in ("link", "prog", "map"):
            found = re.search(r"^%s_id:\s*(\d+)" % kind, text, re.M)
            if found:
                line = line_of(kind, int(found.group(1)))
                if line:
                    yield line
                break


def everything():
    for kind in NEXT_ID:
        number = 0
        while True:
            result, _, answer = bpf(NEXT_ID[kind], struct.pack("=III", number, 0, 0))
            if result < 0:
                break
            number = struct.unpack_from("=I", answer, 4)[0]
            line = line_of(kind, number)
            if line:
                yield line


def left(path):
    with open(path) as f:
        lines = [line.split() for line in f if line.strip()]
    end = time.monotonic() + 5
    while True:
        still = [words for words in lines if line_of(words[0], int(words[1]))]
        if not still or time.monotonic() > end:
            return [" ".join(words) for words in still]
        time.sleep(0.05)


if len(sys.argv) == 3 and sys.argv[1] == "held":
    print("\n".join(held(int(sys.argv[2]))))
elif len(sys.argv) == 3 and sys.argv[1] == "left":
    print("\n".join(left(sys.argv[2])), end="")
elif sys.argv[1:] == ["all"]:
    print("\n".join(everything()))
else:
    sys.exit(__doc__)
