#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks at what arrives on an interface until SIGTERM: are the TCP SYNs as --benchmark-tx promises? Usage:
bench_frames.py INTERFACE MAC PREFIX FILE. FILE is made when it listens and gets
"RIGHT WRONG" at the end."""
import ipaddress
import os
import signal
import socket
import struct
import sys

ETH_P_ALL, SO_RCVBUFFORCE = 3, 33


def total(data):
    """RFC 1071: 0 when the sum that is in there is right."""
    data += b"\0" * (len(data) % 2)
    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while n >> 16:
        n = (n & 0xFFFF) + (n >> 16)
    return n ^ 0xFFFF


def is_right(frame, mac, prefix):
    ip, tcp = frame[14:34], frame[34:]
    pseudo = ip[12:20] + struct.pack("!BBH", 0, 6, len(tcp))
    return (frame[:6] == mac and ipaddress.ip_address(ip[16:20]) in prefix and total(ip) == 0
            and total(pseudo + tcp) == 0 and tcp[13] == 2)


def main():
    name, mac, prefix, path = sys.argv[1:]
    mac, prefix = bytes.fromhex(mac.replace(":", "")), ipaddress.ip_network(prefix)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    s.bind((name, 0))
    counts = [0, 0]

    def stop(_signal, _frame):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open(path + ".new", "w") as f:
            f.write("%d %d\n" % tuple(counts))
        os.rename(path + ".new", path)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    with open(path, "w"):
        pass
    while True:
        frame, (_, _, kind, _, _) = s.recvfrom(2048)
        # IPv4 and TCP with nothing between, and not what this end sends itself
        if kind != socket.PACKET_OUTGOING and frame[12:15] == b"\x08\x00\x45" and frame[23] == 6:
            counts[not is_right(frame, mac, prefix)] += 1


main()
