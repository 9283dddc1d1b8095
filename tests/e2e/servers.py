#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small servers on real TCP, well-behaved ones and others, for scans with --banners.

servers.py [--log FILE] [--pem FILE] [--samples DIR] KIND@PORT…    until it is killed; "ready" when all listen

Every server listens on all addresses, IPv4 and IPv6, and writes one JSON object per connection to the log: its kind,
port, own address, and what it was told (latin-1), once the connection ends.

ssh ftp smtp       greet; ftp and smtp know their commands     http http-close http-chunked http-gzip   titles
echo-host          a page whose title is the Host it was asked for     https    the same in TLS, and the SNI in the log
line               one line that says which address and port it is, then closes
long               64 KiB of ssh-like lines before it greets in the end
closes resets silent drips window    odd ends: at once; at once by RST; nothing; a byte a second; takes nothing more
endless            bytes without end       endless-lines  lines without end     endless-http  a page without end
headers            16 MB of HTTP headers   bomb  a page of 64 KB that would grow to 64 MB     deep  gzip in gzip
mad:PROTOCOL       a golden sample of that protocol with damage, chosen by the address it is asked on"""
import argparse
import ast
import asyncio
import glob
import gzip
import json
import random
import re
import socket
import ssl
import struct
import sys
import zlib

PAGE = b"<html><head><title>%s</title></head><body>here</body></html>"
HEAD = b"HTTP/1.1 200 OK\r\nServer: little/1.0\r\nContent-Type: text/html\r\n"
LONG_S = 120


def page(title):
    return PAGE % title


async def hear(reader, seen, limit_s=10, until=b"\r\n\r\n"):
    """Until the words, the end, or a time without any."""
    got = b""
    while until not in got and len(got) < 65536:
        try:
            data = await asyncio.wait_for(reader.read(65536), limit_s)
        except asyncio.TimeoutError:
            break
        if not data:
            break
        got += data
        seen += data
    return got


async def say(writer, data):
    writer.write(data)
    await writer.drain()


# ---- well-behaved ----
async def ssh(reader, writer, seen):
    await say(writer, b"SSH-2.0-little_1.0\r\n")
    await hear(reader, seen, until=b"\n")


async def commands(reader, writer, seen, greeting, answers):
    await say(writer, greeting)
    while True:
        line = await hear(reader, seen, until=b"\n")
        if not line:
            return
        word = line.split()[0].upper() if line.split() else b""
        await say(writer, answers.get(word, b"500 what?\r\n"))


async def ftp(reader, writer, seen):
    await commands(reader, writer, seen, b"220 little ftp\r\n", {b"AUTH": b"502 no\r\n"})


async def smtp(reader, writer, seen):
    await commands(reader, writer, seen, b"220 mail.example ESMTP little\r\n",
                   {b"EHLO": b"250-mail.example\r\n250 PIPELINING\r\n", b"QUIT": b"221 bye\r\n"})


def http_with(answer):
    async def http(reader, writer, seen):
        if await hear(reader, seen, until=b"\r\n\r\n"):
            await say(writer, answer)
    return http


def sized(body, more=b""):
    return HEAD + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def http_open(reader, writer, seen):
    """A page in two pieces; the connection stays, so the length alone tells its end."""
    if await hear(reader, seen):
        data = sized(page(b"with length"))
        await say(writer, data[:-20])
        await asyncio.sleep(0.05)
        await say(writer, data[-20:])
        await asyncio.sleep(LONG_S)


async def http_chunked(reader, writer, seen):
    if await hear(reader, seen):
        await say(writer, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for part in (b"<html><head><ti", b"tle>in chu", b"nks</title></head>"):
            await say(writer, b"%x\r\n%s\r\n" % (len(part), part))
            await asyncio.sleep(0.02)
        await say(writer, b"0\r\n\r\n")


async def echo_host(reader, writer, seen):
    got = await hear(reader, seen)
    host = re.search(rb"(?im)^host: *(\S+)", got)
    if got:
        await say(writer, sized(page(b"host " + (host.group(1) if host else b"none"))))


async def line(reader, writer, seen):
    address, port = writer.get_extra_info("sockname")[:2]
    await say(writer, b"220 this is %s port %d, %s\r\n" % (
        address.removeprefix("::ffff:").encode(), port, b"." * (1 + zlib.crc32(address.encode()) % 1800)))
    writer.write_eof()
    await hear(reader, seen, until=b"never")


async def long_greeting(reader, writer, seen):
    for i in range(1024):
        await say(writer, b"220-%04d %s\r\n" % (i, b"-" * 53))
    await say(writer, b"220 at last\r\n")
    await hear(reader, seen, until=b"\n")


# ---- odd ends ----
async def closes(_reader, _writer, _seen):
    pass


async def resets(_reader, writer, _seen):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def silent(reader, _writer, seen):
    await hear(reader, seen, LONG_S, until=b"never")


async def window(_reader, writer, _seen):
    """Its window is shut from outside (a rule that rewrites it); here it only keeps quiet."""
    await asyncio.sleep(LONG_S)


async def drips(_reader, writer, _seen):
    for i in range(LONG_S):
        await say(writer, b"%c" % (97 + i % 26))
        await asyncio.sleep(1)


# ---- hostile ----
async def endless_of(writer, head, chunk):
    await say(writer, head)
    for _ in range(1 << 20):
        await say(writer, chunk)


async def endless(_reader, writer, _seen):
    await endless_of(writer, b"", b"\xa5" * 16384)


async def endless_lines(_reader, writer, _seen):
    await endless_of(writer, b"", b"220-and so on\r\n" * 1000)


async def endless_http(reader, writer, seen):
    if await hear(reader, seen):
        await endless_of(writer, HEAD + b"\r\n<html><head><title>first", b" and more" * 1000)


async def headers(reader, writer, seen):
    if await hear(reader, seen):
        await say(writer, b"HTTP/1.1 200 OK\r\n")
        for i in range(16384):
            await say(writer, b"X-%06d: %s\r\n" % (i, b"h" * 1010))
        await say(writer, b"\r\n")


def bomb():
    body = gzip.compress(b"<html><head><title>small</title>" + b"\0" * (64 << 20), 9)
    return sized(body, b"Content-Encoding: gzip\r\n")


def deep():
    body = page(b"deep") + b" " * 100000
    for _ in range(32):
        body = gzip.compress(body)
    return sized(body, b"Content-Encoding: " + b", ".join([b"gzip"] * 32) + b"\r\n")


# ---- golden samples, damaged ----
def sample_turns(path):
    """What the server says in one sample, in turns."""
    turns, hearing = [], False
    for text in open(path, encoding="latin-1"):
        if text[0] == "<" or (hearing and text[0] == " "):
            if text[0] == "<":
                turns.append(b"")
            for word, times in re.findall(r'("(?:[^"\\]|\\.)*")(?:\*(\d+))?', text):
                turns[-1] += ast.literal_eval("b" + word) * int(times or 1)
            hearing = True
        else:
            hearing = False
    return turns


def damage(draw, data):
    out = bytearray(data)
    for _ in range(draw.choice((0, 1, 1, 2, 8))):
        if not out:
            break
        at = draw.randrange(len(out))
        kind = draw.randrange(6)
        if kind == 0:
            out[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            value = draw.choice((b"\xff\xff", b"\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80", b"\0"))
            out[at:at + len(value)] = value
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at:at + draw.randrange(1, 9)]
        elif kind == 4:
            out[at:at] = out[:at][-64:] * draw.randrange(1, 40)
        else:
            out[at:at] = draw.randbytes(draw.randrange(1, 300))
    return bytes(out)


def mad(samples):
    async def server(reader, writer, seen):
        address, port = writer.get_extra_info("sockname")[:2]
        draw = random.Random("%s %d" % (address, port))
        turns = draw.choice(samples)
        if draw.random() < 0.5:
            await hear(reader, seen, 0.5, until=b"")
        for turn in turns:
            await say(writer, damage(draw, turn))
            await hear(reader, seen, 0.3, until=b"")
        if draw.random() < 0.3:
            await say(writer, draw.randbytes(2000))
        if draw.random() < 0.2:
            await asyncio.sleep(5)
    return server


KINDS = {"ssh": ssh, "ftp": ftp, "smtp": smtp, "http": http_open, "http-chunked": http_chunked,
         "http-close": http_with(HEAD + b"\r\n" + page(b"until the end")),
         "echo-host": echo_host, "https": echo_host, "line": line, "long": long_greeting,
         "closes": closes, "resets": resets, "silent": silent, "window": window, "drips": drips, "endless": endless,
         "endless-lines": endless_lines, "endless-http": endless_http, "headers": headers}


def server_of(kind, samples):
    if kind.startswith("mad:"):
        found = [t for t in map(sample_turns, sorted(glob.glob("%s/%s/*.sample" % (samples, kind[4:])))) if t]
        if not found:
            sys.exit("no samples of '%s' in '%s'" % (kind[4:], samples))
        return mad(found)
    made = {"http-gzip": lambda: http_with(sized(gzip.compress(page(b"was packed")), b"Content-Encoding: gzip\r\n")),
            "bomb": lambda: http_with(bomb()), "deep": lambda: http_with(deep())}
    return made[kind]() if kind in made else KINDS[kind]


async def serve(kind, port, serve_one, log, context):
    async def one(reader, writer):
        seen = bytearray()
        names = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        try:
            await serve_one(reader, writer, seen)
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            if log and names[0] and names[1]:
                tls = writer.get_extra_info("ssl_object")
                print(json.dumps({"kind": kind, "port": port, "ip": names[0][0].removeprefix("::ffff:"),
                                  "from": names[1][1], "sni": getattr(tls, "sni", None),
                                  "told": seen.decode("latin-1")}), file=log, flush=True)
            try:
                writer.close()
            except OSError:
                pass

    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::", port))
    await asyncio.start_server(one, sock=listener, backlog=65535, ssl=context)


def tls_context(pem):
    def told(ssl_object, name, _context):
        ssl_object.sni = name
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.sni_callback = told
    return context


async def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--log")
    p.add_argument("--pem")
    p.add_argument("--samples")
    p.add_argument("servers", nargs="+")
    opts = p.parse_args()
    log = open(opts.log, "a") if opts.log else None
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # peers that leave are no news
    for word in opts.servers:
        kind, port = word.rsplit("@", 1)
        context = tls_context(opts.pem) if kind.startswith("https") else None
        await serve(kind, int(port), server_of(kind, opts.samples), log, context)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
