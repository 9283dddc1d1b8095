#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long and how much memory a program takes until its first line of output: first_line.py COMMAND…
Prints "SECONDS MEBIBYTES" (wall clock; peak resident set), then ends the program."""
import subprocess
import sys
import time

start = time.monotonic()
proc = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
line = proc.stdout.readline()
took_s = time.monotonic() - start
peak_kib = 0
try:
    with open("/proc/%d/status" % proc.pid) as status:
        for row in status:
            if row.startswith("VmHWM:"):
                peak_kib = int(row.split()[1])
except FileNotFoundError:
    pass
proc.kill()
proc.wait()
if not line or not peak_kib:
    sys.exit("%s: no output" % sys.argv[1])
print("%.2f %.0f" % (took_s, peak_kib / 1024))
