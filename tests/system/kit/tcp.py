# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets in a test's hands: connect, reset, half-close, and seeing how a stream ends."""

import random
import socket
import struct
import threading
from collections import namedtuple

from kit.wait import SCALE

TIMEOUT_S = 20 * SCALE
CHUNK = 1 << 16

# What came out of a stream and how it ended: "FIN" or "RST".
Ending = namedtuple("Ending", "data how")


def pattern(seed, size):
    """Gives size bytes that only this seed makes."""
    return random.Random(seed).randbytes(size)


def family_of(address):
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def text_of(address):
    """An address as ringmain's files write it."""
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connect_to_be_refused(address, tries=10):
    """As connect(), to one that ends the session at once: on a busy machine its reset may come before
    connect(2) has returned, which then fails. That happens now and then, not always."""
    for left in reversed(range(tries)):
        try:
            return connect(address)
        except ConnectionResetError:
            if left == 0:
                raise
    return None


def connect(address, *, rcvbuf=None, sndbuf=None, source=None, timeout=TIMEOUT_S):
    """Gives a connected socket; address is (host, port) or the path of a unix socket."""
    sock = socket.socket(family_of(address))
    try:
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if sndbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        if source:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(source)
        sock.settimeout(timeout)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def reset(sock):
    """Closes with RST and throws away what was not sent."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        sock.close()


def recv_exactly(sock, size):
    """Gives size bytes; AssertionError if the stream ends or pauses too long before."""
    parts, missing = [], size
    while missing:
        part = _recv(sock, min(missing, CHUNK), size - missing)
        assert part, f"end of stream after {size - missing} of {size} bytes"
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def read_to_end(sock):
    """Reads until the stream ends; gives Ending. AssertionError if nothing comes for too long."""
    parts = []
    while True:
        try:
            part = _recv(sock, CHUNK, sum(map(len, parts)))
        except (ConnectionResetError, BrokenPipeError):
            return Ending(b"".join(parts), "RST")
        if not part:
            return Ending(b"".join(parts), "FIN")
        parts.append(part)


def knock(address, **options):
    """Connects and reads to the end; gives Ending. A reset may be faster than connect()."""
    try:
        with connect(address, **options) as sock:
            return read_to_end(sock)
    except ConnectionResetError:
        return Ending(b"", "RST")


def _recv(sock, size, so_far):
    try:
        return sock.recv(size)
    except TimeoutError:
        raise AssertionError(f"the stream stands still after {so_far} bytes, and is open") from None


def expect(sock, data):
    """Receives just these bytes."""
    assert_same(recv_exactly(sock, len(data)), data)


def expect_end(sock, data, how):
    """Receives these bytes, nothing more, then "FIN" or "RST"."""
    got = read_to_end(sock)
    assert_same(got.data, data)
    assert got.how == how, f"after {len(data)} bytes came {got.how}, not {how}"


def assert_same(got, want):
    """Equal bytes; on failure says where, not what (megabytes are no message)."""
    if got == want:
        return
    at = next((n for n, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    raise AssertionError(f"got {len(got)} bytes, not {len(want)}; the first that differs is at {at}: "
                         f"{got[at:at + 16].hex()} for {want[at:at + 16].hex()}")


def exchange(sock, data):
    """Sends data to an echo server and checks what comes back."""
    sock.sendall(data)
    expect(sock, data)


class Task:
    """A function on a thread; result() gives what it returned or raises what it raised."""

    def __init__(self, function, *args):
        self._value = self._error = None
        self._thread = threading.Thread(target=self._run, args=(function, args), daemon=True)
        self._thread.start()

    def _run(self, function, args):
        try:
            self._value = function(*args)
        except BaseException as error:      # pylint: disable=broad-except
            self._error = error

    def is_done(self):
        return not self._thread.is_alive()

    def result(self, timeout=60.0):
        self._thread.join(timeout * SCALE)
        assert not self._thread.is_alive(), f"still running after {timeout * SCALE:g} s"
        if self._error:
            raise self._error
        return self._value


def send_in_background(sock, data):
    """Sends data from a thread; gives the Task."""
    return Task(sock.sendall, data)


def hang_up(sock):
    """Sends FIN and keeps receiving."""
    sock.shutdown(socket.SHUT_WR)
