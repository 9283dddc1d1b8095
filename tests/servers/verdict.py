# SPDX-License-Identifier: Apache-2.0
"""Judges what tests/servers/run has seen: reads NDJSON of either scanner, compares it with the catalog and with the
root's own certificates and package versions, and draws the table."""
import base64
import hashlib
import json
import re
import ssl

TEXT_MAX = 110  # of one banner in the table


class Truth:
    """What the root itself knows: certificates and versions."""

    def __init__(self, root, versions):
        self.versions = versions
        self.certs = {}
        for name in ("rsa", "ecdsa", "ca"):
            with open("%s/srv/tls/%s.crt" % (root, name)) as f:
                self.certs[name] = ssl.PEM_cert_to_DER_cert(f.read())

    def expand(self, server, pattern):
        return pattern.replace("{v}", re.escape(self.versions.get(server.package, "package " + server.package)))


class Seen:
    """Everything one scanner said: per (address, port) the records."""

    def __init__(self):
        self.opens, self.banners, self.fields = {}, {}, {}

    def add(self, record):
        key, data = (record["ip"], record["port"]), record.get("data", {})
        if record.get("rec_type") == "status":
            if data.get("status") == "open":
                self.opens[key] = self.opens.get(key, 0) + 1
        elif record.get("rec_type") == "banner":
            app = data["service_name"]
            self.banners.setdefault(key, []).append((app, data["banner"]))
            self.fields.setdefault(key, {}).setdefault(app, []).append(data.get("fields", {}))

    def of(self, server, number):
        return self.banners.get((server.address, number), [])


def read(path):
    seen = Seen()
    try:
        with open(path) as f:
            for line in f:
                line = line.strip().rstrip(",")
                if line.startswith("{"):
                    seen.add(json.loads(line))
    except FileNotFoundError:
        pass
    return seen


def show(text):
    return "".join(c if " " <= c <= "~" else {"\n": "\\n", "\r": ""}.get(c, "\\x%02x" % ord(c)) for c in text)


def problems(server, port, number, seen, truth):
    """What is wrong with one service on one port; empty: nothing."""
    found = []
    banners = seen.of(server, number)
    opens = seen.opens.get((server.address, number), 0)
    if opens != 1:
        found.append("%d records say open" % opens)
    for app, pattern in port.text.items():
        pattern = truth.expand(server, pattern)
        texts = [text for a, text in banners if a == app]
        if not texts:
            found.append("no banner %s" % app)
        elif not any(re.search(pattern, text) for text in texts):
            found.append("%s says %s, not /%s/" % (app, " and ".join('"%s"' % show(t)[:300] for t in texts), show(pattern)))
    fields = dict(port.fields)
    if port.cert:
        found += wrong_certs(port, banners, truth)
        fields["ssl"] = {"sha256": "^%s$" % hashlib.sha256(truth.certs[port.cert]).hexdigest(),
                         "subject_cn": r"^%s\.trawl\.test$" % port.cert, "issuer": "trawl test authority",
                         "names": r"trawl\.test$", "not_before": ".", "not_after": "."}
    for app, wanted in fields.items():
        found += wrong_fields(server, app, wanted, seen.fields.get((server.address, number), {}).get(app, []), truth)
    found += ["an unasked-for %s: %s" % (a, show(t)[:200]) for a, t in banners if a in ("unknown", "vuln")]
    if found and banners:
        found.append("banners there: " + ", ".join(sorted({a for a, _ in banners})))
    return found


def wrong_certs(port, banners, truth):
    found = []
    for app, name in (("X509", port.cert), ("X509CA", "ca")):
        ders = []
        for text in (t for a, t in banners if a == app):
            try:
                ders.append(base64.b64decode(text, validate=True))
            except ValueError:
                found.append(app + " is not base64")
        if truth.certs[name] not in ders:
            found.append("%s is %s" % (app, "another certificate" if ders else "not there"))
    return found


def plain(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def wrong_fields(server, app, wanted, objects, truth):
    found = []
    for key, pattern in wanted.items():
        pattern = truth.expand(server, pattern)
        values = [o[key] for o in objects if key in o]
        flat = [plain(v) for value in values for v in (value if isinstance(value, list) else [value])]
        if not any(re.search(pattern, v) for v in flat):
            found.append("field %s.%s is %s, not /%s/" % (app, key, flat or "not there", pattern))
    return found


# ---- the table ----
def cell(banners):
    """One scanner's banners of one port, in markdown."""
    lines = []
    for app, text in banners:
        if app in ("X509", "X509CA"):
            text = "%d bytes of base64" % len(text)
        text = show(text)
        text = text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "…"
        text = text.replace("|", "\\|").replace("`", "'")
        line = "%s `%s`" % (app, text) if text.strip() else app
        if line not in lines:
            lines.append(line)
    return "<br>".join(lines) or "nothing"


def both_ports(server, port, seen):
    """The usual port's banners; the other port's too when it has others."""
    usual, high = seen.of(server, port.usual), seen.of(server, port.high)
    text = cell(usual)
    if {a for a, _ in usual} != {a for a, _ in high}:
        text += "<br>*on %d:* %s" % (port.high, cell(high))
    return text


def table(servers, truth, ours, theirs):
    columns = [(name, seen) for name, seen in (("trawl", ours), ("masscan", theirs)) if seen is not None]
    lines = ["| server | service | ports | " + " | ".join(name for name, _ in columns) + " |",
             "| --- | --- | --- |" + " --- |" * len(columns)]
    for server in servers:
        for port in server.ports:
            cells = ["(not asked)" if server.v6 and name == "masscan" else both_ports(server, port, seen)
                     for name, seen in columns]
            lines.append("| %s %s | %s | %d, %d | %s |" % (
                server.name, truth.versions.get(server.package, ""), port.what, port.usual, port.high, " | ".join(cells)))
    lines.append("")
    for name, seen in columns:
        asked = [s for s in servers if name != "masscan" or not s.v6]
        heard = sum(1 for s in asked for p in s.ports for n in (p.usual, p.high)
                    if {a for a, _ in seen.of(s, n)} - {"remark"})
        all_of_them = 2 * sum(len(s.ports) for s in asked)
        lines.append("%s had a banner from %d of %d ports.  " % (name, heard, all_of_them))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def write_doc(path, text, masscan):
    version = next((line for line in masscan.splitlines() if "version" in line.lower()), "masscan")
    with open(path, "w") as f:
        f.write("""# Banners of real servers

Made by `tests/servers/run --doc`, the last part of `make test-servers`. Each server is Debian's package in a root of its
own, on its usual port and on one of 31xxx. trawl scans from the machine's own address; there is no packet filter rule.
masscan (%s) scans the same ports after it, with the rule it needs: a table that drops what comes to its source ports, and
with a packet on the wire every 20 ms, because its timers need traffic. Texts are cut, line ends are `\\n`, other bytes
`\\xHH`. Where the second port gave other kinds of banners it is shown below the first.

%s""" % (version.strip(), text))
