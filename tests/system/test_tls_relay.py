# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes over TLS: each of them, in order; a close_notify as a FIN, its absence as an abort."""

import fcntl
import os
import random
import struct
import termios
import threading
import time

import pytest

from kit import backend as servers
from kit import tcp, tls
from kit.checker import backend_addresses, check
from kit.tls import V12, V13
from kit.wait import Stopwatch, wait_steady

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

MODES = ("terminate", "backend", "both", "passthrough")
TLS_SIDES = (("terminate", "client"), ("backend", "backend"), ("both", "client"), ("both", "backend"))


@pytest.fixture
def chain(ringmain, pki):
    """chain(mode, backends) gives the first and the last of several:

        terminate    plain -> TLS ────────────────────────> terminate -> backends
        passthrough  plain -> TLS ─> passthrough ─────────> terminate -> backends
        both         plain -> TLS ─> terminate, TLS again > terminate -> backends
    """
    speaks_tls = {"tls": "yes", "tls_ca": pki["ca.crt"], "tls_name": tls.NAME}
    ends_tls = {"tls": "terminate", "certificate": pki["ecdsa.pem"]}

    def begin(mode, backends, settings=None):
        def hop(to, **options):
            return ringmain([tcp.text_of(to.address())], settings=settings, **options)

        behind = last = ringmain(backends, listener=ends_tls, settings=settings)
        if mode == "both":
            behind = hop(last, listener=ends_tls, pool=speaks_tls)
        elif mode == "passthrough":
            behind = hop(last, listener={"tls": "passthrough"})
        return hop(behind, pool=speaks_tls), last

    return begin


@pytest.mark.parametrize("mode", ("terminate", "passthrough", "both"))
def test_every_byte(chain, mode):
    backends = backend_addresses(2)
    first, last = chain(mode, backends)
    got = check(first.address(), backends, sessions=200, concurrency=100, bytes_max=1 << 19, seed=31)
    assert got["complete"] == 200
    for rm in (first, last):
        rm.wait_sessions(200, reason="done")


@pytest.mark.parametrize("mode", ("terminate", "passthrough", "both"))
def test_every_byte_and_every_abort(chain, mode):
    """Each hop passes an abort on as one."""
    backends = backend_addresses(2)
    first, _ = chain(mode, backends)    # some never get to the last
    got = check(first.address(), backends, sessions=300, concurrency=100, bytes_max=1 << 18, aborts=33,
                seed=32)
    assert got["aborted"] > 50 and got["aborts_seen_as_fin"] == 0
    first.wait_sessions(300)


@pytest.mark.parametrize("mode", ("terminate", "both"))
def test_every_byte_of_a_few_large_sessions(chain, mode):
    backends = backend_addresses(1)
    first, last = chain(mode, backends)
    check(first.address(), backends, sessions=6, concurrency=6, bytes_max=32 << 20, pause=1, seed=33)
    for rm in (first, last):
        rm.wait_sessions(6, reason="done")


@pytest.mark.parametrize("mode", ("terminate", "both"))
def test_four_buffers_carry_every_byte(chain, mode):
    """Nobody is thrown out, and nobody blamed, because they are few."""
    backends = backend_addresses(2)
    hops = chain(mode, backends, settings={"workers": 1, "buffer_memory": "68k"})
    got = check(hops[0].address(), backends, sessions=200, concurrency=100, bytes_max=1 << 17, seed=34)
    assert got["complete"] == 200
    for rm in hops:
        rm.wait_sessions(200, reason="done")


# The same with another library at the far end

class Pump:
    """Streams of known bytes both ways on many sessions; each end checks all it gets."""

    SESSIONS = 24
    BYTES_MAX = 1 << 20

    def __init__(self):
        self.good = 0
        self.lock = threading.Lock()

    def stream(self, side, number):
        size = random.Random(f"{side}{number}").randrange(self.BYTES_MAX)
        return number.to_bytes(8, "big") + tcp.pattern(f"{side}{number}", size)

    def send(self, sock, data, seed):
        """In writes of random sizes, then the end."""
        dice, at = random.Random(seed), 0
        while at < len(data):
            size = dice.choice((1, 100, 5000, 16384, 70_000))
            sock.sendall(data[at:at + size])
            at += size
        tcp.hang_up(sock)

    def client(self, sock, number):
        sending = tcp.Task(self.send, sock, self.stream("up", number), number)
        tcp.expect_end(sock, self.stream("down", number), "FIN")
        sending.result()

    def backend(self, peer):
        head = tcp.recv_exactly(peer.sock, 8)
        number = int.from_bytes(head, "big")
        sending = tcp.Task(self.send, peer.sock, self.stream("down", number), number + 1000)
        tcp.expect_end(peer.sock, self.stream("up", number)[8:], "FIN")
        sending.result()
        with self.lock:
            self.good += 1


@pytest.fixture
def pair(ringmain, backend, manual, pki):
    """pair(mode, handler or None, version) gives (connect, accept or the Backend, ringmain)."""
    def begin(mode, handler=None, *, version=V13, listener=None, settings=None):
        server = tls.server_context(pki["backend.pem"], low=version, high=version)
        keys = {"terminate": {"tls": "terminate", "certificate": pki["ecdsa.pem"]},
                "both": {"tls": "terminate", "certificate": pki["ecdsa.pem"]},
                "passthrough": {"tls": "passthrough"}, "backend": {}}[mode]
        pool = {"tls": "yes", "tls_ca": pki["ca.crt"]} if mode in ("backend", "both") else None
        if handler:
            behind = backend(handler if mode == "terminate" else tls.served(server, handler))
        else:
            behind = manual()
        rm = ringmain([behind], listener={**keys, **(listener or {})}, pool=pool, settings=settings)
        client = tls.client_context(pki, low=version, high=version)
        name = "backend.example.com" if mode == "passthrough" else tls.NAME

        def connect():
            if mode == "backend":
                return tcp.connect(rm.address())
            return tls.connect(rm.address(), client, name=name)

        def accept():
            sock = behind.accept()
            return sock if mode == "terminate" else tls.TlsSocket(sock, server, server=True)

        return connect, accept if not handler else behind, rm
    return begin


@pytest.fixture
def ends(pair, cleanup):
    """ends(mode, ...) gives (client, backend, ringmain) of a session on which a word has passed."""
    def begin(mode, **options):
        connect, accept, rm = pair(mode, **options)
        accepting = tcp.Task(accept)
        client = connect()
        peer = accepting.result()
        cleanup.extend([client.close, peer.close])
        client.sendall(b"up")
        tcp.expect(peer, b"up")
        peer.sendall(b"down")
        tcp.expect(client, b"down")
        return client, peer, rm
    return begin


@pytest.mark.parametrize("version", (V12, V13))
@pytest.mark.parametrize("mode", MODES)
def test_every_byte_with_openssl(pair, mode, version):
    pump = Pump()
    connect, behind, rm = pair(mode, pump.backend, version=version)

    def one(number):
        sock = connect()
        try:
            pump.client(sock, number)
        finally:
            sock.close()

    tasks = [tcp.Task(one, number) for number in range(pump.SESSIONS)]
    for task in tasks:
        task.result()
    behind.wait_idle()
    assert pump.good == pump.SESSIONS
    lines = rm.wait_sessions(pump.SESSIONS, reason="done")
    if mode != "passthrough":
        sent = sum(len(pump.stream("up", number)) for number in range(pump.SESSIONS))
        assert sum(int(line["bytes_up"]) for line in lines) == sent


@pytest.mark.parametrize("relay", ("auto", "copy", "splice"))
def test_relay_makes_no_difference(ends, relay):
    """Encrypted bytes cannot be spliced; whoever asks for it gets them copied."""
    client, peer, rm = ends("terminate", listener={"relay": relay})
    data = tcp.pattern(relay, 8 << 20)
    for sender, receiver in ((client, peer), (peer, client)):
        sending = tcp.send_in_background(sender, data)
        tcp.expect(receiver, data)
        sending.result()
    assert not rm.sessions()


# Ends

@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", ("client", "backend"))
def test_half_close(ends, mode, first):
    """One side ends its stream; the other still sends a megabyte, and then ends its own."""
    client, peer, rm = ends(mode)
    one, other = (client, peer) if first == "client" else (peer, client)
    tcp.hang_up(one)
    tcp.expect_end(other, b"", "FIN")
    data = tcp.pattern(5, 1 << 20)
    sending = tcp.send_in_background(other, data)
    tcp.expect(one, data)
    sending.result()
    tcp.hang_up(other)
    tcp.expect_end(one, b"", "FIN")
    line = rm.wait_sessions(1, reason="done", by=first)[0]
    assert mode == "passthrough" or int(line["bytes_up"]) + int(line["bytes_down"]) == 6 + len(data)


@pytest.mark.parametrize("mode, first", TLS_SIDES)
def test_close_notify_without_fin_is_an_end(ends, mode, first):
    """The connection below stays open: it is the record that counts."""
    client, peer, rm = ends(mode)
    one, other = (client, peer) if first == "client" else (peer, client)
    one.close_notify()
    tcp.expect_end(other, b"", "FIN")
    other.sendall(b"still here")
    tcp.expect(one, b"still here")
    tcp.hang_up(other)
    tcp.expect_end(one, b"", "FIN")
    rm.wait_sessions(1, reason="done", by=first)


@pytest.mark.parametrize("mode, first", TLS_SIDES)
def test_truncation_is_an_abort(ends, mode, first):
    """FIN without close_notify: all that came is delivered, then comes a reset, not an end.

    A client might wait for an answer: the backend is told when none has come for close_timeout.
    """
    client, peer, rm = ends(mode, listener={"close_timeout": "300ms"})
    one, other = (client, peer) if first == "client" else (peer, client)
    data = tcp.pattern(6, 100_000)
    one.sendall(data)
    one.truncate()
    tcp.expect_end(other, data, "RST")
    rm.wait_sessions(1, reason=f"{first}_truncated", by=first)


def unread(sock):
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.parametrize("mode, heard", (("terminate", 0), ("both", 100_000)))
def test_truncation_does_not_lose_the_answer(pair, cleanup, mode, heard):
    """The client asks, ends its stream with a FIN, and reads on, or has begun to read before."""
    answer = tcp.pattern(9, 64 << 20)
    connect, _, rm = pair(mode, servers.source(answer))
    client = connect()
    cleanup.append(client.close)
    client.sendall(b"?")
    tcp.expect(client, answer[:heard])
    if heard:       # the backend's bytes were the last to move: only what is queued keeps it going
        wait_steady(lambda: unread(client.sock), "the client's socket to be full")
    client.truncate()
    tcp.expect_end(client, answer[heard:], "FIN")
    rm.wait_sessions(1, reason="client_truncated", by="client", bytes_down=len(answer))


def test_truncation_by_the_backend_leaves_a_slow_client_its_time(pair, cleanup):
    """All that it sent arrives, if that takes longer than close_timeout, and is not called whole."""
    answer = tcp.pattern(10, 8 << 20)

    def cut(peer):
        peer.recv(1)
        peer.sock.sendall(answer)
        peer.sock.truncate()
        servers.sink(peer)

    connect, _, rm = pair("backend", cut, listener={"close_timeout": "1s"})
    client = connect()
    cleanup.append(client.close)
    client.sendall(b"?")
    got, watch = b"", Stopwatch()
    while len(got) < len(answer):
        got += tcp.recv_exactly(client, min(1 << 15, len(answer) - len(got)))
        time.sleep(0.015)
    tcp.expect_end(client, b"", "RST")
    tcp.assert_same(got, answer)
    assert watch.seconds() > 2
    rm.wait_sessions(1, reason="backend_truncated", by="backend")


def test_truncation_within_a_record(ends):
    client, peer, rm = ends("terminate")
    with client._lock:          # pylint: disable=protected-access
        client.tls.write(b"never whole")
    client.sock.sendall(client._taken()[:-1])       # pylint: disable=protected-access
    client.truncate()
    tcp.expect_end(peer, b"", "RST")
    rm.wait_sessions(1, reason="client_truncated")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", ("client", "backend"))
def test_reset_is_a_reset(ends, mode, first):
    """And nobody is told with a close_notify that all is well."""
    client, peer, rm = ends(mode)
    one, other = (client, peer) if first == "client" else (peer, client)
    tcp.reset(one.sock if isinstance(one, tls.TlsSocket) else one)
    tcp.expect_end(other, b"", "RST")
    rm.wait_sessions(1, reason=f"{first}_reset", by=first)


def test_bytes_after_close_notify_do_not_count(ends):
    client, peer, rm = ends("terminate")
    client.close_notify()
    client.sock.sendall(tls.record(23, bytes(100)))
    tcp.expect_end(peer, b"", "FIN")
    tcp.hang_up(peer)
    tcp.expect_end(client, b"", "FIN")
    rm.wait_sessions(1, reason="done")


def test_idle_session_is_ended_without_a_close_notify(ends):
    client, peer, rm = ends("terminate", listener={"idle_timeout": "300ms"})
    tcp.expect_end(client, b"", "RST")
    tcp.expect_end(peer, b"", "RST")
    rm.wait_sessions(1, reason="idle")


# A slow reader

@pytest.mark.parametrize("direction", ("up", "down"))
@pytest.mark.parametrize("mode", ("terminate", "both"))
def test_slow_reader_holds_little_memory(ends, mode, direction):
    """No more than its share of a small pool, however much is sent."""
    client, peer, rm = ends(mode, settings={"workers": 1, "buffer_memory": "2M"})
    sender, receiver = (client, peer) if direction == "up" else (peer, client)
    before = rm.process.rss_kb()
    data = tcp.pattern(7, 32 << 20)
    sending = tcp.send_in_background(sender, data)
    wait_steady(lambda: rm.process.cpu_seconds(), "ringmain")
    assert not sending.is_done()
    sanitized = 8 if "asan" in os.environ.get("RINGMAIN", "") else 1  # its own memory grows, too
    assert rm.process.rss_kb() - before < 4096 * sanitized
    tcp.expect(receiver, data)
    sending.result()


@pytest.mark.parametrize("mode", ("terminate", "both"))
def test_many_slow_readers_share_few_buffers(pair, cleanup, mode):
    """They hold more than there is; none is thrown out, and each gets its bytes in the end."""
    count, data = 120, tcp.pattern(8, 300_000)
    connect, _, rm = pair(mode, servers.source(data), settings={"workers": 1, "buffer_memory": "2M"})
    clients = []
    for _ in range(count):
        clients.append(connect())
        cleanup.append(clients[-1].close)
        clients[-1].sendall(b"!")
    wait_steady(lambda: rm.process.cpu_seconds(), "ringmain")
    assert not rm.sessions()
    for client in clients:
        tcp.expect_end(client, data, "FIN")
        tcp.hang_up(client)
    rm.wait_sessions(count, reason="done")
