# SPDX-License-Identifier: GPL-2.0-or-later
"""The process dies without a word: whoever had a session sees a reset, for an end is somebody's word."""

import pytest

from kit import tcp, tls
from kit.wait import wait_until

haproxy_fails = pytest.mark.haproxy_fails("its death is a FIN")

SESSIONS = 12
STREAM = tcp.pattern("stream", 32 << 20)


def fill(sender):
    """Sends what fits on the way to somebody who does not read."""
    sender.settimeout(0.2)
    with pytest.raises(TimeoutError):
        sender.sendall(STREAM)
    sender.settimeout(tcp.TIMEOUT_S)


def die(rm, socks):
    """All see a reset, after no more than what was sent to them."""
    rm.process.kill()
    for sock in socks:
        got = tcp.read_to_end(sock)
        assert STREAM.startswith(got.data)
        assert got.how == "RST"


@pytest.fixture
def pairs(ringmain, manual, connect):
    """pairs(count, ...) gives [(client, backend), ...] on which a word has passed, and ringmain."""
    def begin(count, relay):
        server = manual()
        rm = ringmain([server], listener={"relay": relay}, settings={"workers": 2})
        made = []
        for _ in range(count):
            client = connect(rm.address())
            made.append((client, server.accept()))
            client.sendall(b"!")
            tcp.expect(made[-1][1], b"!")
        return made, rm
    return begin


@haproxy_fails
@pytest.mark.parametrize("relay", ("copy", "splice"))
def test_of_silent_sessions(pairs, relay):
    made, rm = pairs(SESSIONS, relay)
    die(rm, sum(made, ()))


@haproxy_fails
@pytest.mark.parametrize("relay", ("copy", "splice", "auto"))
def test_of_streaming_sessions(pairs, relay):
    made, rm = pairs(4, relay)
    for number, pair in enumerate(made):
        fill(pair[number % 2])
    die(rm, sum(made, ()))


@haproxy_fails
@pytest.mark.parametrize("relay", ("copy", "splice"))
def test_of_half_closed_sessions(pairs, relay):
    """Who has ended its own direction still waits for the other's."""
    made, rm = pairs(4, relay)
    asking = [pair[number % 2] for number, pair in enumerate(made)]
    answering = [pair[1 - number % 2] for number, pair in enumerate(made)]
    for sock, other in zip(asking, answering):
        tcp.hang_up(sock)
        tcp.expect_end(other, b"", "FIN")
    die(rm, asking)


@pytest.mark.haproxy_cannot("no TLS")
@pytest.mark.parametrize("is_streaming", (False, True))
def test_of_sessions_with_tls(ringmain, backend, pki, cleanup, is_streaming):
    peers = []
    behind = tls.served(tls.server_context(pki["backend.pem"]), lambda peer: peer.done.wait(), peers)
    server = backend(behind)
    rm = ringmain([server], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"]},
                  pool={"tls": "yes", "tls_ca": pki["ca.crt"]})
    clients = [tls.connect(rm.address(), tls.client_context(pki)) for _ in range(4)]
    cleanup.extend(client.close for client in clients)
    wait_until(lambda: len(peers) == len(clients), "the backend's handshakes")
    if is_streaming:
        for client, peer in zip(clients[::2], peers[1::2]):
            fill(client)
            fill(peer)
    die(rm, clients + peers)


@haproxy_fails
def test_of_those_who_have_no_backend_yet(ringmain, connect, blackhole):
    rm = ringmain([blackhole()])
    clients = [connect(rm.address()) for _ in range(4)]
    sockets = len(clients) * 2
    wait_until(lambda: len(rm.process.fds()) >= len(rm.fds_at_start) + sockets, "them to be accepted")
    die(rm, clients)
