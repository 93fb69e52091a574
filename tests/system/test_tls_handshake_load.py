# SPDX-License-Identifier: GPL-2.0-or-later
"""Many clients that come slowly, in a rush or not at all: each has its time, nobody else waits."""

import os
import resource
import statistics
import time

import pytest

from kit import backend as servers
from kit import tcp, tls
from kit.wait import SCALE, Stopwatch, wait_until

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

HELLO = tls.client_hello(tls.client_context(None))
SLACK_S = 3 * SCALE
SANITIZED = 8 if "asan" in os.environ.get("RINGMAIN", "") else 1   # its own memory grows, too


@pytest.fixture(autouse=True)
def many_files():
    """Thousands of sockets here and in ringmain."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16384 if hard == resource.RLIM_INFINITY else min(hard, 16384)
    if wanted < 8192:
        pytest.skip(f"needs 8192 open files, may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def listening(ringmain, backend, pki):
    def begin(mode="terminate", *, settings=None, **listener):
        keys = {"tls": mode, **({"certificate": pki["ecdsa.pem"]} if mode == "terminate" else {}), **listener}
        handler = servers.echo
        if mode == "passthrough":
            handler = tls.served(tls.server_context(pki["ecdsa.pem"]), handler)
        return ringmain([backend(handler)], listener=keys, settings=settings)
    return begin


@pytest.fixture
def crowd(connect):
    """crowd(ringmain, count, words) gives connected sockets that said these bytes and no more."""
    def gather(relay, count, words=b""):
        sockets = []
        for _ in range(count):
            sock = connect(relay.address())
            if words:
                sock.sendall(words)
            sockets.append(sock)
        return sockets
    return gather


def visit(relay, context):
    """Seconds for a handshake and an echo."""
    watch = Stopwatch()
    sock = tls.connect(relay.address(), context)
    tcp.exchange(sock, b"here I am")
    seconds = watch.seconds()
    tcp.hang_up(sock)
    tcp.read_to_end(sock)
    sock.close()
    return seconds


# Slow ones

def trickle(sock, data, pause_s):
    """A byte at a time, until the other side has had enough."""
    try:
        for at in range(len(data)):
            sock.sendall(data[at:at + 1])
            time.sleep(pause_s)         # the slowness is what is tested
    except ConnectionError:
        pass


@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
@pytest.mark.parametrize("how", ("silent", "half", "trickle"))
def test_slow_handshake_ends_in_time(listening, connect, mode, how):
    """What comes in between does not buy more of it."""
    rm = listening(mode, handshake_timeout="600ms")
    sock = connect(rm.address())
    watch = Stopwatch()
    if how == "half":
        sock.sendall(HELLO[:len(HELLO) // 2])
    slowly = tcp.Task(trickle, sock, HELLO if how == "trickle" else b"", 0.02)
    said, end = tcp.read_to_end(sock)
    # The kernel tells of a reset once: perhaps the thread that sends, then the reader sees an end.
    assert said == b"" and end in ({"RST", "FIN"} if how == "trickle" else {"RST"})
    assert 0.5 <= watch.seconds() <= 0.6 + SLACK_S
    slowly.result()
    line = rm.wait_sessions(1, reason="preread_timeout", by="client")[0]
    assert int(line["duration_ms"]) >= 590


def test_handshake_that_stops_half_way_ends_in_time(listening, connect):
    rm = listening(handshake_timeout="600ms")
    sock = connect(rm.address())
    sock.sendall(HELLO)
    assert sock.recv(1) == b"\x16"
    tcp.read_to_end(sock)
    line = rm.wait_line(msg="session", reason="preread_timeout")
    assert 590 <= int(line["duration_ms"]) <= 600 + SLACK_S * 1000 and line["sni"] == tls.NAME


# Many of them

@pytest.mark.alone
@pytest.mark.parametrize("words", (b"", HELLO[:1], HELLO[:300]), ids=("silent", "one-byte", "half"))
def test_thousands_of_silent_connections(listening, crowd, pki, words):
    """An honest client gets in as fast as ever; in the end the others go, and cost nothing more."""
    count = 2000
    rm = listening(handshake_timeout="20s")
    context = tls.client_context(pki)
    alone = statistics.median(visit(rm, context) for _ in range(10))
    before = rm.process.rss_kb()
    crowd(rm, count, words)
    wait_until(lambda: len(rm.process.fds()) >= count, "all to be accepted")
    among = [visit(rm, context) for _ in range(20)]
    assert statistics.median(among) <= max(5 * alone, 0.3 * SCALE)
    assert max(among) <= 2 * SCALE
    assert (rm.process.rss_kb() - before) / count <= (24 if words else 4) * SANITIZED


def test_half_hellos_do_not_use_up_the_buffers(listening, crowd, pki):
    """They have said more than there is memory for; the slowest makes room."""
    rm = listening(settings={"buffer_memory": "68k", "workers": 1})
    crowd(rm, 500, HELLO[:300])
    context = tls.client_context(pki)
    for _ in range(5):
        visit(rm, context)
    assert rm.wait_line(msg="session", reason="preread_timeout")["detail"] == "evicted: buffer_memory is used up"


@pytest.mark.alone
def test_a_rush_of_handshakes_does_not_stall_a_session(listening, crowd, pki):
    """Its echoes go on while five hundred hellos wait for their turn."""
    rm = listening(settings={"workers": 1})
    session = tls.connect(rm.address(), tls.client_context(pki))
    tcp.exchange(session, b"warm")
    rush = crowd(rm, 500)
    seconds = []

    def echo_on():
        while len(seconds) < 20 or not done:
            watch = Stopwatch()
            tcp.exchange(session, b"still here")
            seconds.append(watch.seconds())

    done = []
    echoing = tcp.Task(echo_on)
    for sock in rush:
        sock.sendall(HELLO)
    for sock in rush:
        assert sock.recv(1) == b"\x16"
    done.append(True)
    echoing.result()
    assert statistics.median(seconds) <= 0.1 * SCALE
    assert max(seconds) <= 1 * SCALE
    session.close()


@pytest.mark.alone
def test_handshake_rate(listening, crowd):
    """Ten a second: the others wait, and none is sent away."""
    rm = listening(handshake_rate="10/s", settings={"workers": 2})
    rush = crowd(rm, 30)
    watch = Stopwatch()
    for sock in rush:
        sock.sendall(HELLO)
    for sock in rush:
        assert sock.recv(1) == b"\x16"
    assert 1.5 <= watch.seconds() <= 4 + SLACK_S
    assert not rm.sessions()


@pytest.mark.alone
def test_handshake_rate_is_the_listeners_own(ringmain, backend, connect, pki):
    """Who waits there does not stand in the way here."""
    server = backend(servers.echo)
    text = "[global]\nworkers = 1\n"
    for name, rate in (("slow", "2/s"), ("other", "50/s"), ("free", "0")):
        text += (f"[listener {name}]\nbind = 127.0.0.1:0\npool = out\ntls = terminate\n"
                 f"certificate = {pki['ecdsa.pem']}\nhandshake_rate = {rate}\n")
    rm = ringmain(text + f"[pool out]\nbackend = b1 {server.text}\n")
    waiting = [connect(rm.address("slow")) for _ in range(6)]
    for sock in waiting:
        sock.sendall(HELLO)
    for name in ("free", "other"):
        watch = Stopwatch()
        for _ in range(5):
            sock = connect(rm.address(name))
            sock.sendall(HELLO)
            assert sock.recv(1) == b"\x16"
        assert watch.seconds() <= 1 * SCALE, name


def test_each_of_many_listeners_has_a_line_of_its_own(ringmain, backend, connect, pki):
    """Who waits at the first does not stand in the way at any other."""
    text = "[global]\nworkers = 1\n"
    for number in range(20):
        text += (f"[listener l{number}]\nbind = 127.0.0.1:0\npool = out\ntls = terminate\n"
                 f"certificate = {pki['ecdsa.pem']}\nhandshake_rate = {10 if number else 1}/s\n"
                 f"handshake_timeout = {5 if number else 60}s\n")
    rm = ringmain(text + f"[pool out]\nbackend = b1 {backend(servers.echo).text}\n")
    for _ in range(20):
        connect(rm.address("l0")).sendall(HELLO)
    for number in range(1, 20):
        late = [connect(rm.address(f"l{number}")) for _ in range(3 if number == 16 else 1)]
        for sock in late:
            sock.sendall(HELLO)
        for sock in late:
            assert sock.recv(1) == b"\x16"
    assert not rm.sessions()


def test_waiting_for_the_rate_is_not_the_clients_fault(listening, crowd):
    rm = listening(handshake_rate="1/s", handshake_timeout="700ms", settings={"workers": 1})
    for sock in crowd(rm, 5):
        sock.sendall(HELLO)
    for line in rm.wait_sessions(4, reason="preread_timeout", by="ringmain"):
        assert line["detail"] == "waited for handshake_rate"


def test_clients_that_go_in_the_middle(listening, crowd, pki):
    """At every place of a handshake, with FIN and with RST."""
    rm = listening()
    gone = 0
    for place in range(0, len(HELLO) + 1, 40):
        for end in (tcp.reset, lambda sock: sock.close()):
            for sock in crowd(rm, 2, HELLO[:place]):
                end(sock)
                gone += 1
    for sock in crowd(rm, 20, HELLO):
        assert sock.recv(1) == b"\x16"
        tcp.reset(sock)
        gone += 1
    for line in rm.wait_sessions(gone):
        assert line["reason"] in ("client_left", "client_reset", "client_truncated"), line
    visit(rm, tls.client_context(pki))
