#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A slow, strict prober that shares no code with trawl or the lab: sends one SYN with a timestamp to each address
of a prefix, believes only answers that are right in every field, and prints them as "STATE tcp PORT ADDRESS",
with a last line of counts in JSON. So the lab can be held against its own truth.

A tarpit's line ends with "tarpit".

usage: lab_probe.py DEV PREFIX PORT WAIT_S [--vlan ID] [--bad-sum] [--bad-ip-sum] [--times N]
"""
import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time
import zlib

US_MAC, THEM_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
US = {4: ipaddress.ip_address("198.51.100.1"), 6: ipaddress.ip_address("2001:db8:ffff::1")}
SPORT = 40000
SECRET = os.urandom(8)
SOL_PACKET, PACKET_AUXDATA, SO_RCVBUFFORCE = 263, 8, 33


def total(data):
    """RFC 1071 sum, folded, not complemented."""
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return s


def pseudo(src, dst, proto, n):
    return src + dst + (struct.pack("!HH", proto, n) if len(src) == 4 else struct.pack("!II", n, proto))


def secret_of(addr, port):
    """Sequence number and timestamp that only an answer to our own probe can know."""
    seed = SECRET + addr + struct.pack("!H", port)
    return zlib.crc32(seed), zlib.crc32(seed, 1)


def build_syn(dst, port, bad):
    src = US[dst.version].packed
    seq, tsval = secret_of(dst.packed, port)
    tcp = struct.pack("!HHIIBBHHH", SPORT, port, seq, 0, 10 << 4, 2, 64240, 0, 0)
    tcp += bytes.fromhex("020405b40402080a") + struct.pack("!II", tsval, 0) + bytes.fromhex("01030307")
    check = ~total(pseudo(src, dst.packed, 6, len(tcp)) + tcp) & 0xFFFF
    tcp = tcp[:16] + struct.pack("!H", check ^ (0x0101 if "--bad-sum" in bad else 0)) + tcp[18:]
    if dst.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + src + dst.packed + tcp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0) + src + dst.packed
    check = ~total(head) & 0xFFFF ^ (0x0101 if "--bad-ip-sum" in bad else 0)
    return head[:10] + struct.pack("!H", check) + head[12:] + tcp


def link_header(version, vlan):
    kind = 0x0800 if version == 4 else 0x86DD
    return THEM_MAC + US_MAC + (struct.pack("!HH", 0x8100, vlan) if vlan else b"") + struct.pack("!H", kind)


def options(data):
    """TCP options as {kind: value}; None when they do not add up."""
    found = {}
    while data and data[0]:
        if data[0] == 1:
            data = data[1:]
            continue
        if len(data) < 2 or data[1] < 2 or data[1] > len(data):
            return None
        found[data[0]] = data[2:data[1]]
        data = data[data[1]:]
    return found


def judge_tcp(src, tcp):
    if len(tcp) < 20 or (tcp[12] >> 4) * 4 != len(tcp):
        return None, "length"
    sport, dport, _, ack, _, flags, window = struct.unpack("!HHIIBBH", tcp[:16])
    seq, tsval = secret_of(src, sport)
    if dport != SPORT or ack != (seq + 1) & 0xFFFFFFFF:
        return None, "cookie"
    if flags == 0x14:
        return ("closed", src, sport, ""), None
    opts = options(tcp[20:])
    if flags != 0x12 or opts is None:
        return None, "flags or options"
    mss = struct.pack("!H", 1460 if len(src) == 4 else 1440)
    if opts.get(2) != mss or opts.get(8, b"")[4:] != struct.pack("!I", tsval):
        return None, "MSS or timestamp echo"
    return ("open", src, sport, "" if window else " tarpit"), None


def judge_icmp(version, icmp):
    unreachable = {4: (3, {1, 3, 13}), 6: (1, {1, 3, 4})}[version]
    head = 20 if version == 4 else 40
    quote = icmp[8:]
    if len(quote) < head + 8 or icmp[0] != unreachable[0] or icmp[1] not in unreachable[1]:
        return None, "ICMP type, code or length"
    src, dst = (quote[12:16], quote[16:20]) if version == 4 else (quote[8:24], quote[24:40])
    sport, dport, seq = struct.unpack("!HHI", quote[head:head + 8])
    if src != US[version].packed or sport != SPORT or seq != secret_of(dst, dport)[0]:
        return None, "ICMP quote"
    return ("filtered", dst, dport, ""), None


def judge(kind, packet):
    """((state, address, port, remark), None) or (None, why not)."""
    version = {0x0800: 4, 0x86DD: 6}.get(kind)
    head = 20 if version == 4 else 40
    if not version or len(packet) < head or packet[0] >> 4 != version:
        return None, "IP header"
    if version == 4:
        length, proto, src, dst = struct.unpack("!H", packet[2:4])[0], packet[9], packet[12:16], packet[16:20]
        if packet[0] != 0x45 or total(packet[:20]) != 0xFFFF:
            return None, "IP header or its sum"
    else:
        length, proto = 40 + struct.unpack("!H", packet[4:6])[0], packet[6]
        src, dst = packet[8:24], packet[24:40]
    if length != len(packet) or dst != US[version].packed:
        return None, "length or destination"
    body = packet[head:]
    start = b"" if proto == 1 else pseudo(src, dst, proto, len(body))
    if total(start + body) != 0xFFFF:
        return None, "checksum"
    return judge_tcp(src, body) if proto == 6 else judge_icmp(version, body)


def ours(kind, packet, outgoing):
    """Not the stack's own chatter (ARP, neighbour discovery, listener reports)."""
    if outgoing or kind not in (0x0800, 0x86DD) or len(packet) < 8:
        return False
    icmp6 = len(packet) > 40 and packet[0] >> 4 == 6 and packet[6] in (0, 58)
    return not (icmp6 and packet[40] not in (1, 6))


def tag_of(ancillary):
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data[:20])
            return tci & 0xFFF if status & 0x10 else 0
    return 0


class Prober:
    def __init__(self, dev, vlan, times, bad):
        self.vlan, self.times, self.bad = vlan, times, bad
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.bind((dev, 3))
        self.sent, self.seen, self.doubles, self.refused = {}, {}, 0, {}
        self.delays_ms = []

    def receive(self, wait_s):
        until = time.monotonic() + wait_s
        while select.select([self.sock], [], [], max(0, until - time.monotonic()))[0]:
            data, ancillary, _, sender = self.sock.recvmsg(2048, 64)
            kind = struct.unpack("!H", data[12:14])[0] if len(data) >= 14 else 0
            if not ours(kind, data[14:], sender[2] == 4):
                continue
            answer, why = judge(kind, data[14:])
            if answer and tag_of(ancillary) != self.vlan:
                answer, why = None, "tag"
            if not answer or answer[1:3] not in self.sent:
                self.refused[why or "never probed"] = self.refused.get(why or "never probed", 0) + 1
                continue
            self.doubles += answer in self.seen
            self.seen[answer] = True
            self.delays_ms.append((time.monotonic() - self.sent[answer[1:3]]) * 1000)

    def run(self, prefix, port, wait_s):
        for i, addr in enumerate(prefix):
            self.sent[(addr.packed, port)] = time.monotonic()
            for _ in range(self.times):
                self.sock.send(link_header(addr.version, self.vlan) + build_syn(addr, port, self.bad))
            if i % 16 == 15:
                self.receive(0)
        self.receive(wait_s)

    def report(self):
        for state, addr, port, remark in self.seen:
            print("%s tcp %d %s%s" % (state, port, ipaddress.ip_address(addr), remark))
        delays = sorted(self.delays_ms) or [0]
        print(json.dumps({"sent": len(self.sent), "answers": len(self.seen), "doubles": self.doubles,
                          "refused": sum(self.refused.values()), "why": self.refused,
                          "delay_min_ms": delays[0], "delay_median_ms": delays[len(delays) // 2],
                          "delay_max_ms": delays[-1]}))


def main():
    dev, prefix, port, wait_s = sys.argv[1:5]

    def number(name, default):
        return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default

    prober = Prober(dev, number("--vlan", 0), number("--times", 1), set(sys.argv))
    prober.run(ipaddress.ip_network(prefix), int(port), float(wait_s))
    prober.report()


main()
