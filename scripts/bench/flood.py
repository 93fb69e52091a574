# SPDX-License-Identifier: GPL-2.0-or-later
"""Connects, says a first word and waits: many at once, or so many a second, until it is killed.

usage: flood.py HOST:PORT hello|half|byte at-once|a-second NUMBER
Says "attacking" when all are there, or, of those that come by the second, the first of them.
"""

import collections
import socket
import ssl
import struct
import sys
import time

from tls import NAME

HOLD_SECONDS = 2  # of those that come by the second; then they reset
TICK_SECONDS = 0.005
RESET = struct.pack("ii", 1, 0)


def client_hello():
    """An honest one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=NAME)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def words_of(kind):
    hello = client_hello()
    return {"hello": hello, "half": hello[:-1], "byte": b"x"}[kind]


def attack(address, words):
    sock = socket.create_connection(address)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.sendall(words)
    return sock


def all_at_once(address, words, number):
    held = [attack(address, words) for _ in range(number)]
    print("attacking", flush=True)
    while held:
        time.sleep(60)


def by_the_second(address, words, number):
    held = collections.deque()
    began, sent = time.monotonic(), 0
    print("attacking", flush=True)
    while True:
        now = time.monotonic()
        while sent < (now - began) * number:
            held.append((now, attack(address, words)))
            sent += 1
        while held and held[0][0] < now - HOLD_SECONDS:
            held.popleft()[1].close()
        time.sleep(TICK_SECONDS)


def main(where, kind, how, number):
    host, _, port = where.rpartition(":")
    run = {"at-once": all_at_once, "a-second": by_the_second}[how]
    run((host, int(port)), words_of(kind), int(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
