# SPDX-License-Identifier: GPL-2.0-or-later
"""Hundreds that say a first word and wait: who relays does not notice, who comes well-behaved gets in."""

import contextlib
import resource
import threading

import pytest

from kit import backend as servers
from kit import proc, proxyhdr, tcp, tls
from kit.certificates import NAME, Certificates, leaf
from kit.wait import SCALE, Stopwatch, wait_until

pytestmark = [pytest.mark.haproxy_cannot("other memory"), pytest.mark.alone]

ATTACKERS = 400
BUFFERS = {"240": "4M", "6000": "100M"}
LATE_S = 1 * SCALE
def small_hello():
    """Without the kilobyte of a post-quantum key: 400 of those would not fit, and drive out the slowest."""
    context = tls.client_context(None)
    context.set_ecdh_curve("prime256v1")
    return tls.client_hello(context)


HELLO = small_hello()
HEADER = proxyhdr.v1(("192.0.2.7", 4711), ("198.51.100.1", 443))

TLS = "tls = terminate\ncertificate = {ecdsa}\n"

# Listener, pool and first words of the attackers.
ATTACKS = {
    "hello": (TLS, "{echo}", HELLO),
    "half a hello": (TLS, "{echo}", HELLO[:-1]),
    "hello and a rate": (TLS + "handshake_rate = 1/s\n", "{echo}", HELLO),
    "hello and a large key": ("tls = terminate\ncertificate = {rsa4096}\n", "{echo}", HELLO),
    "queue": ("", "{echo} max_sessions=1\nqueue = 10000", b"x"),
    "queue behind a hello": ("tls = passthrough\n", "{echo} max_sessions=1\nqueue = 10000", HELLO),
    "proxy header": (f"proxy_protocol = accept\nproxy_protocol_from = 127.0.0.0/8\n{TLS}", "{echo}", HEADER + b"\x16"),
    "dropped syn": ("", "{blackhole}\nconnect_timeout = 30s\nconnect_total = 30s", b"x" * 1000),
}


@pytest.fixture(autouse=True)
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"needs 4096 open files, may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def large_key(module_dir):
    """A certificate whose signatures take milliseconds."""
    proc.need("openssl", "openssl")
    made = Certificates(module_dir)
    return made[f"{made.make('large', ext=leaf(f'DNS:{NAME}'), kind='rsa4096')}.pem"]


class Pinger:
    """A session that was there before, and notes how long its echoes take."""

    def __init__(self, sock):
        self.sock = sock
        self.longest = 0.0
        self.count = 0
        self._enough = threading.Event()
        self._task = tcp.Task(self._run)

    def _run(self):
        while not self._enough.is_set():
            watch = Stopwatch()
            tcp.exchange(self.sock, b"are you there?")
            self.longest = max(self.longest, watch.seconds())
            self.count += 1

    def wait_for(self, count):
        """Until so many more have been answered."""
        until = self.count + count
        wait_until(lambda: self.count >= until or self._task.is_done(), "pings to be answered")

    def stop(self):
        self._enough.set()
        self._task.result()
        return self.longest


def visit(address, context=None):
    """A new client that behaves."""
    sock = tls.connect(address, context) if context else tcp.connect(address)
    with contextlib.closing(sock):
        tcp.exchange(sock, b"here I am")


@pytest.fixture
def attacked(ringmain, backend, blackhole, pki, large_key):
    """One worker with three listeners: the attacked one, a plain and a TLS one."""
    def begin(listener, pool, buffers):
        echo = backend(servers.echo)
        words = {"ecdsa": pki["ecdsa.pem"], "rsa4096": large_key, "echo": echo.text}
        if "{blackhole}" in pool:
            words["blackhole"] = blackhole().text
        return ringmain(
            f"[global]\nworkers = 1\nbuffer_memory = {buffers}\nmax_sessions = 1900\n"
            f"[listener in]\nbind = 127.0.0.1:0\npool = out\nhandshake_timeout = 60s\n{listener}\n"
            "[listener plain]\nbind = 127.0.0.1:0\npool = well\n"
            f"[listener secure]\nbind = 127.0.0.1:0\npool = well\n{TLS}\n"
            f"[pool out]\nbackend = b1 {pool}\n[pool well]\nbackend = b1 {{echo}}\n".format(**words))
    return begin


@pytest.mark.parametrize("buffers", BUFFERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_who_waits_is_in_nobodys_way(attacked, connect, pki, attack, buffers):
    listener, pool, words = ATTACKS[attack]
    rm = attacked(listener, pool, BUFFERS[buffers])
    pinger = Pinger(connect(rm.address("plain")))
    pinger.wait_for(1)
    for _ in range(ATTACKERS):
        connect(rm.address()).sendall(words)
    pinger.wait_for(20)
    for _ in range(5):
        visit(rm.address("plain"))
        visit(rm.address("secure"), tls.client_context(pki))
    if attack in ("half a hello", "hello"):
        visit(rm.address(), tls.client_context(pki))
    pinger.wait_for(20)
    assert pinger.stop() < LATE_S
    wait_until(lambda: len(rm.process.fds()) >= ATTACKERS, "all attackers to be let in")
    for line in rm.sessions(listener="in"):     # those of new clients
        assert line["reason"] in ("done", "client_truncated"), line
