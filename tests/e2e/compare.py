#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds a list of results against the truth: compare.py TRUTH LIST [LIST…]

Both have lines "STATE PROTO PORT ADDRESS …"; lines that begin with # are comments. Several lists are joined.
Prints how many were expected, missed, invented, doubled, with a few samples. Exit status 0: exactly the truth.
--at-least P: the share in percent that must be found; extras and doubles stay forbidden.
--json: the lists are JSON arrays of masscan's shape."""
import argparse
import collections
import json
import sys


def key(state, proto, port, address):
    return "%s %s %s %s" % (state, proto, port, address)


def read_lines(path):
    with open(path) as f:
        for line in f:
            if line[0] == "#" or line == "\n":
                continue
            word = line.split()
            if len(word) < 4:
                sys.exit("%s: not a result: %r" % (path, line))
            yield key(word[0], word[1], word[2], word[3])


def read_json(path):
    with open(path) as f:
        for host in json.load(f):
            for port in host["ports"]:
                yield key(port["status"], port["proto"], port["port"], host["ip"])


def samples(items):
    items = sorted(items)[:3]
    return " [%s …]" % ", ".join(items) if items else ""


def main():
    p = argparse.ArgumentParser()
    p.add_argument("truth")
    p.add_argument("lists", nargs="+")
    p.add_argument("--at-least", type=float, default=100.0)
    p.add_argument("--json", action="store_true")
    opts = p.parse_args()
    truth = set(read_lines(opts.truth))
    seen = collections.Counter()
    for path in opts.lists:
        seen.update((read_json if opts.json else read_lines)(path))
    missed = truth - seen.keys()
    extra = seen.keys() - truth
    double = [k for k, n in seen.items() if n > 1]
    share = 100.0 * (len(truth) - len(missed)) / len(truth) if truth else 0.0
    print("%d expected, %d missed%s, %d extra%s, %d double%s%s" %
          (len(truth), len(missed), samples(missed), len(extra), samples(extra), len(double), samples(double),
           ", %.3f %% found" % share if opts.at_least < 100 else ""))
    sys.exit(0 if truth and share >= opts.at_least and not extra and not double else 1)


if __name__ == "__main__":
    main()
