#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is this output file whole, and are its results true? parses.py TRUTH FORMAT:FILE…

For each file one line: "whole N results", "empty" (nothing was written yet), or "broken: why". A whole file has
its header and trailer, every record in it is complete, and every result stands in TRUTH ("STATE PROTO PORT ADDRESS"
lines). Exit status 0 when none is broken. The binary format is read by trawl --readscan, not here."""
import csv
import ipaddress
import json
import os
import re
import sys
import xml.etree.ElementTree as ElementTree


def from_list(text):
    lines = text.split("\n")
    assert lines[0] == "#masscan" and lines[-2:] == ["# end", ""], "no header or no end"
    return [" ".join(line.split(" ")[:4]) for line in lines[1:-2]]


def from_json(text):
    return ["%s %s %s %s" % (p["status"], p["proto"], p["port"], host["ip"])
            for host in json.loads(text) for p in host["ports"]]


def from_ndjson(text):
    assert text == "" or text.endswith("\n"), "the last line is not complete"
    rows = [json.loads(line) for line in text.splitlines()]
    return ["%s %s %s %s" % (r["data"]["status"], r["proto"], r["port"], r["ip"]) for r in rows]


def from_xml(text):
    root = ElementTree.fromstring(text)
    assert root.tag == "nmaprun" and root.find("runstats") is not None, "no runstats"
    return ["%s %s %s %s" % (p.find("state").get("state"), p.get("protocol"), p.get("portid"),
                             h.find("address").get("addr")) for h in root.iter("host") for p in h.iter("port")]


def from_grepable(text):
    lines = text.split("\n")
    assert re.match(r"# \w+ .* scan initiated ", lines[0]), "no header"
    assert re.match(r"# \w+ done at ", lines[-2]) and lines[-1] == "", "no end"
    found = []
    for line in lines[2:-2]:
        m = re.fullmatch(r"Timestamp: \d+\tHost: (\S+) \(\)\tPorts: (\d+)/(\w+)/(\w+)//[^/]*//", line)
        found.append("%s %s %s %s" % (m.group(3), m.group(4), m.group(2), m.group(1)))
    return found


def from_unicornscan(text):
    lines = text.split("\n")
    assert lines[0] == "#masscan" and lines[-2:] == ["# end", ""], "no header or no end"
    found = []
    for line in lines[1:-2]:
        m = re.fullmatch(r"TCP (\w+)\t[^[]*\[ *(\d+)\]\t\tfrom (\S+)  ttl \d+ *", line)
        found.append("%s tcp %s %s" % (m.group(1), m.group(2), m.group(3)))
    return found


def from_hostonly(text):
    assert text == "" or text.endswith("\n"), "the last line is not complete"
    return [str(ipaddress.ip_address(line)) for line in text.splitlines()]


def from_csv(text):
    assert text.endswith("\n"), "the last line is not complete"
    rows = list(csv.reader(text.splitlines()))
    assert all(len(row) == len(rows[0]) for row in rows), "a row with too few columns"
    column = {name: i for i, name in enumerate(rows[0])}
    return ["%s %s %s %s" % tuple(row[column[c]] for c in ("state", "proto", "port", "ip")) for row in rows[1:]]


FORMATS = {"list": from_list, "json": from_json, "ndjson": from_ndjson, "xml": from_xml, "xml-nmap": from_xml,
           "grepable": from_grepable, "unicornscan": from_unicornscan, "hostonly": from_hostonly, "csv": from_csv}


def main():
    with open(sys.argv[1]) as f:
        truth = set(line.rstrip("\n") for line in f)
    truth |= {line.split()[3] for line in truth}
    broken = 0
    for word in sys.argv[2:]:
        form, path = word.split(":", 1)
        try:
            with open(path, newline="") as f:
                text = f.read()
            if form.startswith("xml"):
                text = text.replace("\r\n", "\n")
            if text == "" and form not in ("ndjson", "hostonly"):
                print("%s empty" % form)
                continue
            found = FORMATS[form](text)
            false = [x for x in found if x not in truth]
            assert not false, "not true: %s" % false[:3]
            assert len(set(found)) == len(found) or form == "hostonly", "a result stands there twice"
            print("%s whole %d results" % (form, len(found)))
        except FileNotFoundError:
            print("%s empty" % form)
        except (AssertionError, AttributeError, ValueError, KeyError, IndexError, ElementTree.ParseError) as e:
            broken += 1
            print("%s broken: %s (%d bytes)" % (form, e, os.path.getsize(path)))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
