#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a scanner and measures it from outside: what arrives at the far end, what CPU time it costs.

meter.py --far PID [--dev net0] [--warm S] [--seconds S] [--limit S] -- COMMAND…

--far is a process in the far end's network namespace; its interface's counter of received frames is read. With
--seconds it is measured for so long after a warm-up, then killed; without, until it ends by itself, and the time is
that from the first to the last frame. Prints one JSON object: frames, seconds, pps, cpu_s (user and system time of
the process), busy_s (of all cores, whoever used them: softirq work is done on somebody's account), idle of the
machine just before, status, rss_mib at the peak."""
import argparse
import json
import os
import signal
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count()


def frames_at(pid, dev):
    with open("/proc/%d/net/dev" % pid) as f:
        for line in f:
            name, _, rest = line.partition(":")
            if name.strip() == dev:
                return int(rest.split()[1])
    sys.exit("no interface %s where process %d is" % (dev, pid))


def busy_now():
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return (sum(v) - v[3] - v[4]) / TICK  # all but idle and iowait


def cpu_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        v = f.read().rpartition(")")[2].split()
    return (int(v[11]) + int(v[12])) / TICK


def peak_mib(pid):
    try:
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except FileNotFoundError:
        pass
    return 0


def look(pid, opts):
    return time.monotonic(), frames_at(opts.far, opts.dev), cpu_of(pid), busy_now()


def for_a_while(proc, opts):
    time.sleep(opts.warm)
    try:
        a = look(proc.pid, opts)
        time.sleep(opts.seconds)
        b = look(proc.pid, opts)
    except (FileNotFoundError, IndexError):
        return {"error": "it ended early, with status %s" % proc.poll()}
    rss = peak_mib(proc.pid)
    proc.send_signal(signal.SIGKILL)
    proc.wait()
    return {"frames": b[1] - a[1], "seconds": b[0] - a[0], "cpu_s": b[2] - a[2], "busy_s": b[3] - a[3], "rss_mib": rss}


def to_its_end(proc, opts, before, busy_before):
    start = first = last = time.monotonic()
    busy_first = busy_last = busy_before
    seen, rss = before, 0
    while True:
        pid, status, used = os.wait4(proc.pid, os.WNOHANG)
        if pid:
            break
        now, n = time.monotonic(), frames_at(opts.far, opts.dev)
        if n - before < 100:
            first, busy_first = now, busy_now()
        if n > seen + 20:  # not an ARP request
            last, busy_last = now, busy_now()
        seen = n
        rss = max(rss, peak_mib(proc.pid))
        if now - start > opts.limit:
            proc.send_signal(signal.SIGINT)
            opts.limit += 20
        time.sleep(0.02)
    proc.returncode = os.waitstatus_to_exitcode(status)
    return {"frames": frames_at(opts.far, opts.dev) - before, "seconds": max(last - first, 0.02),
            "cpu_s": used.ru_utime + used.ru_stime, "busy_s": max(busy_last - busy_first, 0), "rss_mib": rss,
            "status": proc.returncode, "whole_s": time.monotonic() - start}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--far", type=int, required=True)
    p.add_argument("--dev", default="net0")
    p.add_argument("--warm", type=float, default=1.0)
    p.add_argument("--seconds", type=float)
    p.add_argument("--limit", type=float, default=3600.0)
    p.add_argument("command", nargs="+")
    opts = p.parse_args()
    idle = busy_now()
    time.sleep(0.3)
    idle = 1 - (busy_now() - idle) / 0.3 / CORES
    before, busy_before = frames_at(opts.far, opts.dev), busy_now()
    with open("meter.err", "wb") as err:
        proc = subprocess.Popen(opts.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
    got = for_a_while(proc, opts) if opts.seconds else to_its_end(proc, opts, before, busy_before)
    if "frames" in got:
        got["pps"] = got["frames"] / got["seconds"]
    got["idle_before"] = max(idle, 0)
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in got.items()}))


if __name__ == "__main__":
    main()
