#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peers for the TLS checks: servers that answer the first words of TLS and SSL the way public advisories describe,
vulnerable or mended, and no further: no key is ever agreed on. What a vulnerable one leaks is made up (LEAK), so
that tests can look for it in every file where it must not be.

Usage: fake_tls.py [--cert PEM --key PEM] MODE@[ADDRESS:]PORT …   (says "ready" when all of them listen; ends by a signal)

heartbleed-vulnerable  TLS 1.2, answers a heartbeat request with as many bytes as it claims (CVE-2014-0160)
heartbleed-fixed       the same, but throws requests away that are shorter than they claim (RFC 6520 section 4)
no-heartbeat           TLS 1.2 without that extension; every session gets a new id of 32 bytes
ticketbleed-vulnerable echoes the session id beside a ticket in 32 bytes, whatever was sent (CVE-2016-9244)
ticketbleed-fixed      echoes it as it was sent (RFC 5077 section 3.4)
sslv3                  SSL 3.0 to TLS 1.2, takes the best that is offered, CBC suites first, and any downgrade
sslv3-rc4              the same with RC4 alone
sslv3-scsv             the same as sslv3, but minds TLS_FALLBACK_SCSV (RFC 7507)
no-sslv3               TLS 1.0 to 1.2
answers-tls            always TLS 1.1, also to clients that offer no more than SSL 3.0
sslv2                  SSL 2.0 alone

With --cert and --key the ticketbleed servers take ordinary clients through a whole TLS 1.2 handshake, which gives
them a ticket that is theirs."""
import argparse
import base64
import signal
import socket
import ssl
import struct
import threading

LEAK = b"LEAKED-MEMORY-OF-THE-SERVER "
CERT = base64.b64decode(
    "MIIBqDCCAU2gAwIBAgIUOJOp+pyGx9syrDbV6D4M/PfGCswwCgYIKoZIzj0EAwIwGjEYMBYGA1UEAwwPb2xkLmV4YW1wbGUuY29tMCAXDTI2MTEy"
    "MTA4NTcyOFoYDzIxMjYxMDI4MDg1NzI4WjAaMRgwFgYDVQQDDA9vbGQuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATIFzGT"
    "5sfXMfsdYSaUjKNvI46imnGHDPxrsG8HYFPMiTirTd+6rPPw1oF+sU8Fz4emdZXIDdTV/ujuMxSatv48o28wbTAdBgNVHQ4EFgQURxv5Uau+qSiZ"
    "qLDySXkQXvfFJsUwHwYDVR0jBBgwFoAURxv5Uau+qSiZqLDySXkQXvfFJsUwDwYDVR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgg9vbGQuZXhhbXBs"
    "ZS5jb20wCgYIKoZIzj0EAwIDSQAwRgIhAJax9urdeI7jgXMLhrtatK6wsthfTrtzI91Zh3lhZQurAiEA8caeBffqsPE4ceNyEnN4EjeMpUbILieJ"
    "MVyjH/yDlaE=")
SSL3, TLS1, TLS11, TLS12 = 0x300, 0x301, 0x302, 0x303
ALERT, HANDSHAKE, HEARTBEAT = 21, 22, 24
HANDSHAKE_FAILURE, PROTOCOL_VERSION, INAPPROPRIATE_FALLBACK = 40, 70, 86
FALLBACK_SCSV = 0x5600
CBC = (0xC014, 0xC013, 0x0035, 0x002F, 0x000A)
RC4 = (0x0005, 0x0004)
MODERN = (0xC02B, 0xC02F, 0xC030) + CBC
EXT_TICKET, EXT_HEARTBEAT = 35, 15


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_record(sock):
    kind, version, n = struct.unpack(">BHH", read_exactly(sock, 5))
    return kind, version, read_exactly(sock, n)


def record(kind, version, data):
    return struct.pack(">BHH", kind, version, len(data)) + data


def records(kind, version, data):
    """Cut where a record must be (RFC 5246 section 6.2.1)."""
    return b"".join(record(kind, version, data[i:i + 16384]) for i in range(0, len(data), 16384))


def message(kind, body):
    return struct.pack(">I", kind << 24 | len(body)) + body


def alert(sock, version, description):
    sock.sendall(record(ALERT, version, bytes([2, description])))


class Hello:
    """What a ClientHello offers. RFC 5246 section 7.4.1.2"""

    def __init__(self, body):
        self.version = struct.unpack_from(">H", body, 4)[0]
        at = 38
        self.session_id, at = self.counted(body, at, 1)
        suites, at = self.counted(body, at, 2)
        self.suites = struct.unpack(">%dH" % (len(suites) // 2), suites)
        _, at = self.counted(body, at, 1)
        self.extensions = {}
        rest = self.counted(body, at, 2)[0] if at < len(body) else b""
        while len(rest) >= 4:
            kind = struct.unpack_from(">H", rest)[0]
            self.extensions[kind], at = self.counted(rest, 2, 2)
            rest = rest[at:]

    @staticmethod
    def counted(data, at, width):
        n = int.from_bytes(data[at:at + width], "big")
        return data[at + width:at + width + n], at + width + n


def server_flight(version, cipher, session_id, extensions):
    """ServerHello, Certificate, ServerHelloDone, a record each. SSL 3.0 knows no extensions."""
    hello = struct.pack(">H", version) + bytes(range(32)) + bytes([len(session_id)]) + session_id
    hello += struct.pack(">HB", cipher, 0)
    block = b"".join(struct.pack(">HH", kind, len(data)) + data for kind, data in extensions.items())
    if block:
        hello += struct.pack(">H", len(block)) + block
    chain = len(CERT).to_bytes(3, "big") + CERT
    parts = message(2, hello), message(11, len(chain).to_bytes(3, "big") + chain), message(14, b"")
    return b"".join(record(HANDSHAKE, version, part) for part in parts)


def answer_heartbeats(sock, version, fixed):
    while True:
        kind, _, data = read_record(sock)
        if kind == ALERT:
            sock.sendall(record(ALERT, version, b"\x01\x00"))
            return
        if kind != HEARTBEAT or data[0] != 1:
            continue
        claimed = struct.unpack_from(">H", data, 1)[0]
        if fixed and 3 + claimed + 16 > len(data):
            continue
        payload = (data[3:] + LEAK * (claimed // len(LEAK) + 1))[:claimed]
        sock.sendall(records(HEARTBEAT, version, b"\x02" + data[1:3] + payload + bytes(16)))


def choose(sock, hello, versions, ours):
    """(version, cipher), or None after an alert."""
    fitting = [v for v in versions if v <= hello.version]
    if not fitting:
        alert(sock, hello.version, PROTOCOL_VERSION)
        return None
    cipher = next((c for c in ours if c in hello.suites), None)
    if cipher is None:
        alert(sock, fitting[-1], HANDSHAKE_FAILURE)
        return None
    return fitting[-1], cipher


def serve_heartbleed(sock, hello, args, fixed):
    chosen = choose(sock, hello, (TLS1, TLS11, TLS12), MODERN)
    if not chosen:
        return
    agreed = EXT_HEARTBEAT in hello.extensions
    sock.sendall(server_flight(*chosen, b"", {EXT_HEARTBEAT: b"\x01"} if agreed else {}))
    answer_heartbeats(sock, chosen[0], fixed)


def serve_ticketbleed(sock, hello, args, fixed):
    chosen = choose(sock, hello, (TLS1, TLS11, TLS12), MODERN)
    if not chosen:
        return
    session_id = b"N" * 32
    if hello.extensions.get(EXT_TICKET) and hello.session_id:
        session_id = hello.session_id if fixed else (hello.session_id + LEAK)[:32]
    sock.sendall(server_flight(*chosen, session_id, {}))
    read_record(sock)


def serve_versions(sock, hello, args, versions, suites, minds_fallback=False):
    chosen = choose(sock, hello, versions, suites)
    if not chosen:
        return
    if minds_fallback and FALLBACK_SCSV in hello.suites and hello.version < versions[-1]:
        alert(sock, chosen[0], INAPPROPRIATE_FALLBACK)
        return
    sock.sendall(server_flight(*chosen, b"N" * 32, {}))
    read_record(sock)


def serve_answers_tls(sock, hello, args):
    sock.sendall(server_flight(TLS11, CBC[2], b"", {}))
    read_record(sock)


def serve_sslv2(sock, args):
    head = read_exactly(sock, 2)
    if not head[0] & 0x80 or read_exactly(sock, int.from_bytes(head, "big") & 0x7FFF)[:3] != b"\x01\x00\x02":
        return
    specs = bytes.fromhex("0700c0" "010080" "020080")
    body = struct.pack(">BBBHHHH", 4, 0, 1, 2, len(CERT), len(specs), 16) + CERT + specs + bytes(range(16))
    sock.sendall(struct.pack(">H", 0x8000 | len(body)) + body)
    read_exactly(sock, 1)


def is_ordinary(sock):
    """No session id of a strange length: a client that does not check anything."""
    head = sock.recv(44, socket.MSG_PEEK)
    return len(head) == 44 and head[0] == HANDSHAKE and head[43] in (0, 32)


def serve_whole_handshake(sock, args):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(args.cert, args.key)
    with context.wrap_socket(sock, server_side=True) as inner:
        inner.recv(1024)


def with_versions(versions, suites, **more):
    return lambda sock, hello, args: serve_versions(sock, hello, args, versions, suites, **more)


MODES = {
    "heartbleed-vulnerable": lambda *a: serve_heartbleed(*a, fixed=False),
    "heartbleed-fixed": lambda *a: serve_heartbleed(*a, fixed=True),
    "no-heartbeat": with_versions((TLS1, TLS11, TLS12), MODERN),
    "ticketbleed-vulnerable": lambda *a: serve_ticketbleed(*a, fixed=False),
    "ticketbleed-fixed": lambda *a: serve_ticketbleed(*a, fixed=True),
    "sslv3": with_versions((SSL3, TLS1, TLS11, TLS12), CBC + RC4),
    "sslv3-rc4": with_versions((SSL3,), RC4),
    "sslv3-scsv": with_versions((SSL3, TLS1, TLS11, TLS12), CBC + RC4, minds_fallback=True),
    "no-sslv3": with_versions((TLS1, TLS11, TLS12), MODERN),
    "answers-tls": serve_answers_tls,
    "sslv2": None,
}


def serve(sock, mode, args):
    with sock:
        try:
            sock.settimeout(30)
            if mode == "sslv2":
                serve_sslv2(sock, args)
                return
            if mode.startswith("ticketbleed") and args.cert and is_ordinary(sock):
                serve_whole_handshake(sock, args)
                return
            kind, _, body = read_record(sock)
            if kind == HANDSHAKE and body[:1] == b"\x01":
                MODES[mode](sock, Hello(body), args)
        except (EOFError, OSError, IndexError, struct.error):
            pass  # a scanner hangs up when it has seen enough


def listen(mode, address, port, args):
    server = socket.create_server((address, port), backlog=128)

    def accept():
        while True:
            sock, _ = server.accept()
            threading.Thread(target=serve, args=(sock, mode, args), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("servers", nargs="+", metavar="MODE@[ADDRESS:]PORT")
    args = parser.parse_args()
    for word in args.servers:
        mode, _, where = word.partition("@")
        address, _, port = where.rpartition(":")
        if mode not in MODES or not port.isdigit():
            parser.error("%r: modes are %s" % (word, ", ".join(MODES)))
        listen(mode, address or "127.0.0.1", int(port), args)
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
