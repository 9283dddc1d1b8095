#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connections that live beside a scan: a server that greets like ssh and then says everything back, and a client
that keeps talking to it and notices the first thing that goes wrong.

lab_talk.py serve PORT...                             on all addresses, until it is killed
lab_talk.py talk ADDRESS PORT SECONDS [LOCAL_PORT]    one connection all the time; prints "N exchanges"
lab_talk.py dial ADDRESS PORT SECONDS                 a connection each time;      prints "N connections"
Any failure ends the client with status 1 and a line that says after how many."""
import os
import socket
import sys
import threading
import time

GREETING = b"SSH-2.0-lab_talk\r\n"
LIMIT_S = 3


def listen(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, backlog=64, dualstack_ipv6=True)
    return server


def echo(connection):
    with connection:
        try:
            connection.sendall(GREETING)
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            pass


def serve(server):
    while True:
        connection, _ = server.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def receive(connection, size):
    got = b""
    while len(got) < size:
        data = connection.recv(size - len(got))
        if not data:
            raise ConnectionError("closed")
        got += data
    return got


def connect(address, port, local=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family)
    connection.settimeout(LIMIT_S)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.bind(("", local))
    connection.connect((address, port))
    if receive(connection, len(GREETING)) != GREETING:
        raise ConnectionError("another greeting")
    return connection


def exchange(connection):
    data = os.urandom(64)
    connection.sendall(data)
    if receive(connection, len(data)) != data:
        raise ConnectionError("other bytes came back")


def talk(end, address, port, local):
    with connect(address, port, local) as connection:
        while time.monotonic() < end:
            exchange(connection)
            yield
            time.sleep(0.01)


def dial(end, address, port):
    while time.monotonic() < end:
        with connect(address, port) as connection:
            exchange(connection)
        yield
        time.sleep(0.01)


def count(steps, what):
    n = 0
    try:
        for _ in steps:
            n += 1
    except OSError as error:
        print("%s after %d %s" % (error, n, what))
        return 1
    print("%d %s" % (n, what))
    return 0 if n else 1


def main(args):
    if len(args) >= 2 and args[0] == "serve":
        servers = [listen(int(port)) for port in args[1:]]
        for server in servers[1:]:
            threading.Thread(target=serve, args=(server,), daemon=True).start()
        serve(servers[0])
    if len(args) in (4, 5) and args[0] == "talk":
        end = time.monotonic() + float(args[3])
        return count(talk(end, args[1], int(args[2]), int(args[4]) if len(args) == 5 else 0), "exchanges")
    if len(args) == 4 and args[0] == "dial":
        return count(dial(time.monotonic() + float(args[3]), args[1], int(args[2])), "connections")
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
