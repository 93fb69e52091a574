# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL's protocol by hand: the preamble byte by byte, and sessions that can be cancelled."""

import struct

from kit import tcp

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSS_REQUEST = struct.pack("!ii", 8, 80877104)
READY = b"Z\0\0\0\x05I"
CANCELED = "57014"              # SQLSTATE query_canceled


def startup(**parameters):
    """A start-up packet of protocol 3.0."""
    parameters = {"user": "tester", "database": "bench", **parameters}
    body = b"".join(f"{key}\0{value}\0".encode() for key, value in parameters.items()) + b"\0"
    return struct.pack("!ii", len(body) + 8, 196608) + body


def cancel(key):
    """A request to cancel what the session with this key, (process, secret), is doing."""
    process, secret = key
    return struct.pack("!iii", 12 + len(secret), 80877102, process) + secret


def key_data(key):
    """What the server tells a session, so that it can be cancelled."""
    process, secret = key
    return b"K" + struct.pack("!ii", 8 + len(secret), process) + secret


def message(sock):
    """Receives one: (letter, body)."""
    letter, size = struct.unpack("!ci", tcp.recv_exactly(sock, 5))
    return letter.decode(), tcp.recv_exactly(sock, size - 4)


def fields(body):
    """The fields of an error: {letter: text}."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def error_of(data):
    """The one error that data is."""
    assert data[:1] == b"E" and int.from_bytes(data[1:5], "big") == len(data) - 1, data
    return fields(data[5:])


class Session:
    """A client whom the server trusts, on a connected socket with or without TLS."""

    def __init__(self, sock, **parameters):
        self.sock = sock
        self.key = None
        sock.sendall(startup(**parameters))
        self.result()

    def ask(self, sql):
        body = sql.encode() + b"\0"
        self.sock.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)

    def result(self):
        """Receives until the server is ready; gives the values it sent, or the error's fields."""
        values, error = [], None
        while True:
            letter, body = message(self.sock)
            if letter == "D":
                values.append(body[6:].decode())
            elif letter == "K":
                self.key = struct.unpack("!i", body[:4])[0], body[4:]
            elif letter == "E":
                error = fields(body)
            elif letter == "Z":
                return error or values

    def query(self, sql):
        self.ask(sql)
        return self.result()

    def close(self):
        self.sock.sendall(b"X\0\0\0\x04")
        tcp.hang_up(self.sock)
        tcp.read_to_end(self.sock)
        self.sock.close()
