# SPDX-License-Identifier: GPL-2.0-or-later
"""Many servers that are well, in one process: what health checks ask in `make bench`.

usage: checked.py PORT NUMBER
Listens at NUMBER addresses of 127.1.0.0/16, says "serving", and answers whoever speaks as a PostgreSQL
server does: a start-up packet by user "tester" with all that it says to one that it trusts, any other by
the request for a SCRAM-SHA-256 log-in, a query with the row that a replica has for ringmain's check, and
the request for TLS by a no. A real server starts a process for each connection, which would have the machine busy with other things.
"""

import contextlib
import selectors
import socket
import struct
import sys

BACKLOG = 16


def address(number):
    return f"127.1.{number // 250}.{number % 250 + 1}"


def message(letter, body):
    return letter + struct.pack("!i", len(body) + 4) + body


def cell(text):
    return struct.pack("!i", len(text)) + text


def row(values):
    """With the description of its columns, which are texts."""
    columns = b"".join(
        b"c\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0) for _ in values
    )
    cells = b"".join(map(cell, values))
    count = struct.pack("!h", len(values))
    return message(b"T", count + columns) + message(b"D", count + cells) + message(b"C", b"SELECT 1\0")


SETTINGS = (
    ("application_name", "ringmain"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("default_transaction_read_only", "off"),
    ("in_hot_standby", "on"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "off"),
    ("server_encoding", "UTF8"),
    ("server_version", "15.14 (Debian 15.14-0+deb12u1)"),
    ("session_authorization", "tester"),
    ("standard_conforming_strings", "on"),
    ("TimeZone", "Etc/UTC"),
)
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
READY = message(b"Z", b"I")
SCRAM = message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0")
TRUSTED = (
    message(b"R", struct.pack("!i", 0))
    + b"".join(message(b"S", f"{key}\0{value}\0".encode()) for key, value in SETTINGS)
    + message(b"K", struct.pack("!ii", 4711, 815))
    + READY
)
ROW = row((b"t", b"off", b"50331648", b"1", b"7571234567890123456", b"1764000000000000", b"streaming")) + READY


def answer(words):
    if words.startswith(b"Q"):
        return ROW
    if words == SSL_REQUEST:
        return b"N"
    return TRUSTED if b"user\0tester\0" in words else SCRAM


class Server:
    def __init__(self, port, number):
        self.selector = selectors.DefaultSelector()
        for n in range(number):
            listener = socket.create_server((address(n), port), backlog=BACKLOG)
            listener.setblocking(False)
            self.selector.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self, listener):
        """None is there when a check has reset its connection before it was looked at."""
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, self.hear)

    def hear(self, sock):
        try:
            words = sock.recv(4096)
            if words and not words.startswith(b"X"):
                sock.send(answer(words))
                return
        except OSError:
            pass
        self.selector.unregister(sock)
        sock.close()

    def run(self):
        while True:
            for key, _ in self.selector.select():
                key.data(key.fileobj)


def main(port, number):
    server = Server(int(port), int(number))
    print("serving", flush=True)
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
