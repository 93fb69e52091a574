# SPDX-License-Identifier: GPL-2.0-or-later
"""What is made of a server that flaps, of all that fail at once, and of one that serves nobody but checks."""

import collections
import contextlib
import threading
import time

import pytest

from kit import backend as servers
from kit import tcp
from kit.wait import SCALE, wait_until
from test_status import Status

pytestmark = pytest.mark.haproxy_cannot("says it otherwise")

FAST = {"check_interval": "100ms", "check_fast_interval": "50ms", "check_timeout": "5s"}
STATUS = {"status": "127.0.0.1:0"}


def changes(rm, backend):
    return [line["change"] for line in rm.lines(msg="backend", backend=backend)]


# ---- one that flaps

PHASE_S, PHASES = 1, 6


class Flapping:
    """An echo server whose listener is there for a second, and then not for one. Nobody is between connect
    and answer when it goes, for the kernel would reset them: that is another matter."""

    def __init__(self, backend):
        self.backend, self.server, self.calm = backend, backend(servers.echo), threading.Lock()
        self.text = self.server.text

    def flap(self):
        for phase in range(PHASES):
            time.sleep(PHASE_S * SCALE)         # a pause is what is tested
            with self.calm:
                if phase % 2 == 0:
                    self.server.stop_listening()
                else:
                    self.server = self.backend(servers.echo, self.server.address)


class Clients:
    """One after the other, each with a session of its own."""

    def __init__(self, rm, calm):
        self.rm, self.calm, self.served, self.failed, self.is_over = rm, calm, 0, [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over:
            try:
                with self.calm, tcp.connect(self.rm.address()) as sock:
                    tcp.exchange(sock, b"new")
                self.served += 1
            except (OSError, EOFError, AssertionError) as error:
                self.failed.append(repr(error))
            time.sleep(0.01)

    def close(self):
        self.is_over = True
        self.thread.join(60 * SCALE)


@pytest.mark.parametrize("fall, most", ((3, PHASES), (1000, 0)), ids=("noticed", "patient"))
def test_one_that_flaps_every_second(ringmain, backend, connect, start, fall, most):
    """It changes its state at most once each time, with a line each, or with more patience never; the sessions
    of the others go on, and all who come are served."""
    flapping = Flapping(backend)
    rm = ringmain([flapping, backend(servers.echo), backend(servers.echo)], settings=STATUS,
                  pool={"check": "tcp", **FAST, "check_fall": fall, "check_rise": 2, "eject_after": 0, "eject_percent": 0})
    kept = [connect(rm.address()) for _ in range(6)]
    for sock in kept:
        tcp.exchange(sock, b"before")
    clients = start(Clients, rm, flapping.calm)
    flapping.flap()
    if most:
        wait_until(lambda: changes(rm, "b1")[-1:] == ["up"], "its return")
    clients.close()
    assert not clients.failed and clients.served > PHASES
    for sock in kept:
        tcp.exchange(sock, b"after")

    told = changes(rm, "b1")
    assert told == ["down", "up"] * (len(told) // 2) and len(told) <= most
    assert len(told) >= min(most, 2)
    assert changes(rm, "b2") == changes(rm, "b3") == []
    assert len(rm.lines(msg="backend")) == len(told)
    shown = Status(rm).metrics()
    labels = 'pool="out",backend="b1"'
    assert shown[f'ringmain_backend_state{{{labels},state="ready"}}'] == 1
    assert shown[f'ringmain_backend_checks_total{{{labels},result="failed"}}'] >= len(told) // 2 * fall
    assert shown['ringmain_backend_checks_total{pool="out",backend="b2",result="failed"}'] == 0
    for sock in kept:
        sock.close()
    rm.wait_sessions(len(kept) + clients.served, reason="done")


# ---- all at once

class Agent:
    """Says for all of them whether they are well."""

    def __init__(self, backend):
        self.words = b"well"
        self.server = backend(self.tell)
        self.port = self.server.address[1]

    def tell(self, peer):
        peer.sock.sendall(self.words)
        servers.sink(peer)


def agent_of(backend, **keys):
    agent = Agent(backend)
    return agent, {**FAST, "check": "expect", "check_step": "expect ^well", "check_address": "127.0.0.1",
                   "check_port": agent.port, "check_fall": 2, **keys}


def test_all_checks_that_fail_at_once(ringmain, backend, connect):
    """Something else is wrong, then: those beyond eject_max_percent keep their sessions, and a panic serves
    who comes."""
    agent, checks = agent_of(backend, on_down="reset", panic=50)
    names = ["b1", "b2", "b3", "b4"]
    rm = ringmain([backend(servers.greet(name.encode())) for name in names], pool=checks, settings=STATUS)
    status = Status(rm)
    for name in names:      # a first answer is believed at once: all have been well
        wait_until(lambda: status.metrics()[f'ringmain_backend_checks_total{{pool="out",backend="{name}",result="passed"}}'],
                   f"a check of {name}")
    kept = {}
    while len(kept) < len(names):
        sock = connect(rm.address())
        kept.setdefault(tcp.recv_exactly(sock, 2).decode(), sock)
    agent.words = b"ill"
    wait_until(lambda: len(rm.lines(msg="backend", change="down")) == 4, "all to be down")
    spared = dict(msg="too many backends down at once: their sessions go on")
    wait_until(lambda: len(rm.lines(**spared)) == 2, "half of them to be spared")
    stayed = {line["backend"] for line in rm.lines(**spared)}
    wait_until(lambda: {line["backend"] for line in rm.sessions(reason="backend_down")} == set(names) - stayed,
               "the sessions of the others to end")
    rm.wait_line(msg="too few backends are ready: all are used")
    tcp.recv_exactly(connect(rm.address()), 2)
    agent.words = b"well"
    wait_until(lambda: len(rm.lines(msg="backend", change="up")) == 4, "all to be up")
    for name in stayed:
        tcp.exchange(kept[name], b"still")


# ---- who serves checks alone

def test_one_that_answers_checks_and_hangs_up_on_sessions(ringmain, backend):
    """It is put out by what sessions meet; what its checks say brings it back no sooner."""
    agent, checks = agent_of(backend, balance="first", eject_after=4, eject_percent=0, eject_time="1h")
    rm = ringmain([backend(lambda peer: peer.sock.close()), backend(servers.echo)], pool=checks, settings=STATUS)
    status, answered = Status(rm), collections.Counter()
    while not rm.lines(change="ejected"):
        for host in range(2, 6):
            with contextlib.suppress(ConnectionError), tcp.connect(rm.address(), source=(f"127.0.0.{host}", 0)) as sock:
                sock.sendall(b"x")
                answered[sock.recv(1)] += 1
        assert answered.total() < 100
    assert rm.wait_line(change="ejected")["by"] == "sessions"
    passed = 'ringmain_backend_checks_total{pool="out",backend="b1",result="passed"}'
    before = status.metrics()[passed]
    wait_until(lambda: status.metrics()[passed] > before + 5, "checks that pass")
    assert changes(rm, "b1") == ["ejected"]
    with tcp.connect(rm.address()) as sock:
        tcp.exchange(sock, b"served")
