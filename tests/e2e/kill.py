#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a scan, kills it again and again, resumes it each time, and lets it end after the last kill.

kill.py --checkpoint FILE --kills N [--signal KILL] [--least S] [--most S] [--seed N] [--extra ARGS…] -- COMMAND…

COMMAND starts the scan; it is resumed with its first words up to the program, then --resume FILE and one of the
--extra argument lists, taken in turn. Moments are random between --least and --most seconds after the start; the
second kill comes within 50 ms after a new checkpoint. Prints one JSON object: kills, seconds, exit status, and how
many kills met a running scan. What the scans say on stderr is in the file kill.err, one after the other."""
import argparse
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time


def mtime_ns(path):
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


def wait_for_checkpoint(proc, path, limit_s):
    """True when a checkpoint was written just now, seen within a millisecond or two."""
    old = mtime_ns(path)
    end = time.monotonic() + limit_s
    while proc.poll() is None and time.monotonic() < end:
        if mtime_ns(path) != old:
            return True
        time.sleep(0.001)
    return False


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--kills", type=int, required=True)
    p.add_argument("--signal", default="KILL")
    p.add_argument("--least", type=float, default=0.1)
    p.add_argument("--most", type=float, default=6.0)
    p.add_argument("--limit", type=float, default=600.0)
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--extra", action="append", default=[])
    p.add_argument("--program", required=True, help="the word of COMMAND that is the program")
    p.add_argument("--stdin", default="/dev/null")
    p.add_argument("command", nargs="+")
    opts = p.parse_args()
    seed = opts.seed if opts.seed is not None else random.SystemRandom().randrange(1 << 32)
    draw = random.Random(seed)
    sig = getattr(signal, "SIG" + opts.signal)
    head = opts.command[: opts.command.index(opts.program) + 1]
    extras = [shlex.split(x) for x in opts.extra] or [[]]
    start = time.monotonic()
    kills = misses = early = late_ms = 0
    status = None
    with open("kill.err", "wb") as err, open(opts.stdin, "rb") as stdin:
        command = opts.command
        while True:
            proc = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=err)
            if kills < opts.kills:
                moment = draw.uniform(opts.least, opts.most)
                if kills == 1:
                    wait_for_checkpoint(proc, opts.checkpoint, 5.0)  # the one that says where it was resumed
                    if wait_for_checkpoint(proc, opts.checkpoint, 5.0):
                        time.sleep(draw.uniform(0, 0.04))
                        late_ms = (time.time_ns() - mtime_ns(opts.checkpoint)) / 1e6
                else:
                    try:
                        proc.wait(timeout=moment)
                    except subprocess.TimeoutExpired:
                        pass
            try:
                if kills < opts.kills and proc.poll() is None:
                    proc.send_signal(sig)
                    if not os.path.exists(opts.checkpoint):
                        early += 1
                status = proc.wait(timeout=opts.limit)
            except subprocess.TimeoutExpired:
                proc.kill()
                status = "still running"
                break
            if status not in (-9, 3):
                misses = opts.kills - kills
                break
            kills += 1
            # killed before its first checkpoint: it has to start anew
            command = (head + ["--resume", opts.checkpoint] + extras[kills % len(extras)]
                       if os.path.exists(opts.checkpoint) else opts.command)
            if sig == signal.SIGKILL and status == 3:
                break
    print(json.dumps({"kills": kills, "not_killed": misses, "before_first_checkpoint": early, "status": status,
                      "after_checkpoint_ms": round(late_ms, 1), "seconds": round(time.monotonic() - start, 1),
                      "seed": seed}))
    sys.exit(0 if status == 0 else 1)


if __name__ == "__main__":
    main()
