# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers of our own, for what real ones do not do on demand.

Manual hands each accepted socket to the test. Backend serves each one on a thread with a handler
and records what it saw. Blackhole never completes a handshake.
"""

import hashlib
import queue
import socket
import struct
import threading
import time

from kit import tcp
from kit.wait import SCALE, wait_until

LOOPBACK = ("127.0.0.1", 0)


def listen(address=LOOPBACK, backlog=4096, rcvbuf=None, sndbuf=None):
    sock = socket.socket(tcp.family_of(address))
    if not isinstance(address, str):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if sndbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
    sock.bind(address)
    sock.listen(backlog)
    return sock


class Manual:
    """Accepts when the test says so; the test owns the sockets."""

    def __init__(self, address=LOOPBACK, **options):
        self.sock = listen(address, **options)
        self.sock.settimeout(tcp.TIMEOUT_S)
        self.address = address if isinstance(address, str) else self.sock.getsockname()[:2]
        self.text = tcp.text_of(self.address)
        self._given = []

    def accept(self):
        sock, _ = self.sock.accept()
        sock.settimeout(tcp.TIMEOUT_S)
        self._given.append(sock)
        return sock

    def has_waiting(self):
        """Is a connection in the queue?"""
        return backlog_of(self.sock) > 0

    def close(self):
        self.sock.close()
        for sock in self._given:
            sock.close()


class Peer:
    """One accepted connection of a Backend and what was seen on it."""

    def __init__(self, sock, server, address):
        self.sock = sock
        self.address = address          # where it came from
        self.server = server
        self.received = 0
        self.hash = hashlib.sha256()
        self.head = b""                 # the first bytes, enough to recognise a client
        self.end = None                 # FIN, RST or the name of another error
        self.done = threading.Event()

    def recv(self, size=tcp.CHUNK):
        """As socket.recv(); records. Gives b"" at FIN, and at RST, which stays in .end."""
        try:
            data = self.sock.recv(size)
        except ConnectionError:
            self.end = "RST"
            return b""
        if not data:
            self.end = "FIN"
        self.received += len(data)
        self.hash.update(data)
        if len(self.head) < 256:
            self.head += data[:256]
        return data


class Backend:
    """Serves every connection with handler(peer) on a thread of its own."""

    def __init__(self, handler, address=LOOPBACK, **options):
        self.sock = listen(address, **options)
        self.address = address if isinstance(address, str) else self.sock.getsockname()[:2]
        self.text = tcp.text_of(self.address)
        self.handler = handler
        self.peers = []
        self._new = queue.Queue()
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                sock, address = self.sock.accept()
            except OSError:
                if self._closing:
                    return
                time.sleep(0.01)        # out of descriptors: others must close first
                continue
            peer = Peer(sock, self, address)
            self.peers.append(peer)
            self._new.put(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            self.handler(peer)
        except ConnectionError as error:
            peer.end = peer.end or ("RST" if isinstance(error, ConnectionResetError) else "EPIPE")
        except OSError as error:
            peer.end = peer.end or str(error)
        finally:
            peer.sock.close()
            peer.done.set()

    def next_peer(self, timeout=10):
        """Gives the next connection in order of arrival."""
        return self._new.get(timeout=timeout * SCALE)

    def active(self):
        """How many connections are open now."""
        return sum(not peer.done.is_set() for peer in self.peers)

    def wait_idle(self):
        wait_until(lambda: self.active() == 0, lambda: f"{self.active()} connections to end")

    def stop_listening(self):
        """Refuses from now on; open connections go on."""
        self._closing = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def close(self):
        self.stop_listening()
        for peer in self.peers:
            if not peer.done.is_set():
                try:
                    peer.sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


# Handlers

def echo(peer):
    """Sends back what comes; FIN for FIN."""
    while data := peer.recv():
        peer.sock.sendall(data)
    if peer.end == "FIN":
        tcp.hang_up(peer.sock)


def sink(peer):
    """Reads all, answers FIN for FIN."""
    while peer.recv(1 << 20):
        pass


def hold(peer):
    """Says nothing, but notices the end."""
    sink(peer)


def source(data):
    """Waits for one byte, sends data and FIN, then reads to the end."""
    def handler(peer):
        peer.recv(1)
        peer.sock.sendall(data)
        tcp.hang_up(peer.sock)
        sink(peer)
    return handler


def greet(line):
    """Speaks first, then echoes."""
    def handler(peer):
        peer.sock.sendall(line)
        echo(peer)
    return handler


def name(text):
    """Sends its name and FIN."""
    def handler(peer):
        peer.sock.sendall(text)
        tcp.hang_up(peer.sock)
        sink(peer)
    return handler


def reset_after(size):
    """Reads size bytes, then RST."""
    def handler(peer):
        while peer.received < size and peer.recv(size - peer.received):
            pass
        peer.end = peer.end or "sent RST"
        tcp.reset(peer.sock)
    return handler


# A listener that does not answer

TCP_INFO_UNACKED = 24       # offset of tcpi_unacked: for a listener, connections in its queue


def backlog_of(sock):
    """How many connections wait in a TCP listener's accept queue."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, TCP_INFO_UNACKED)[0]


class Blackhole:
    """A listener whose queue is full: the kernel drops every SYN, a connect hangs."""

    def __init__(self, address=LOOPBACK):
        self.sock = listen(address, backlog=0)
        self.address = self.sock.getsockname()[:2]
        self.text = tcp.text_of(self.address)
        self._filler = tcp.connect(self.address)
        wait_until(lambda: backlog_of(self.sock) == 1, "the queue to fill")

    def close(self):
        self._filler.close()
        self.sock.close()
