# SPDX-License-Identifier: GPL-2.0-or-later
"""Listening sockets that come, go and move by a reload, pause, or are somebody else's for a while."""

import errno
import os
import socket

import pytest

from kit import backend as servers
from kit import tcp
from kit.ports import free_port
from kit.reload import named, who
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("starts another process")


def listener_of(r, name):
    return r.row("listener", name)


# ---- one port, several addresses ------------------------------------------------------

class Slow:
    """Clients that acknowledge late: at any time some handshakes have begun and not ended."""

    def __init__(self, address, n):
        self.address, self.served, self.failed, self.is_over = address, 0, [], False
        self.tasks = [tcp.Task(self.visit) for _ in range(n)]

    def visit(self):
        while not self.is_over:
            with socket.socket() as sock:
                sock.settimeout(60)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
                try:
                    sock.connect(self.address)
                    assert sock.recv(100), "no answer"
                    self.served += 1
                except (OSError, AssertionError) as error:
                    self.failed.append(repr(error))

    def wait_more(self):
        n = self.served
        wait_until(lambda: self.served > n + 32, "clients to be served")

    def finish(self):
        self.is_over = True
        for task in self.tasks:
            task.result(60)


@pytest.mark.parametrize("workers, addresses", [
    (1, ("127.0.0.1", "0.0.0.0")), (2, ("127.0.0.1", "*")), (2, ("0.0.0.0", "*"))])
def test_no_handshake_is_broken_off_when_an_address_becomes_another(running, backend, workers, addresses):
    port = free_port()
    r = running([named(backend, "one")], binds=[f"{addresses[0]}:{port}"], settings={"workers": workers})
    slow = Slow(("127.0.0.1", port), 16)
    try:
        for before, after in (addresses, addresses[::-1]):
            slow.wait_more()
            r.change(f"bind = {before}:{port}", f"bind = {after}:{port}")
            r.reload()
    finally:
        slow.finish()
    assert not slow.failed, slow.failed[:5]
    r.settle()


def test_no_handshake_is_broken_off_when_a_wildcard_gets_the_rest(running, backend):
    port = free_port()
    r = running([named(backend, "one")], binds=[f"0.0.0.0:{port}"], settings={"workers": 2})
    precise = f"\n[listener precise]\nbind = 127.0.0.1:{port}\npool = out\n"
    slow = Slow(("127.0.0.1", port), 16)
    try:
        r.add(precise)
        r.reload()
        slow.wait_more()
        r.change(precise, "")
        r.reload()
    finally:
        slow.finish()
    assert not slow.failed, slow.failed[:5]
    r.settle()


def is_refused(address):
    """By a reset, before or after the handshake."""
    try:
        with tcp.connect(address) as sock:
            return sock.recv(100) == b""
    except ConnectionError:
        return True


def test_a_wildcard_takes_no_clients_of_a_precise_one_that_refuses(running, backend):
    port = free_port()
    precise, other = ("127.0.0.1", port), ("127.0.0.2", port)
    wild = named(backend, "wild")
    r = running([named(backend, "precise")], binds=[f"127.0.0.1:{port}"])
    more = f"\n[listener wild]\nbind = 0.0.0.0:{port}\npool = wild\n[pool wild]\nbackend = w {wild.text}\n"
    r.ctl.say("listener", "in", "pause")
    wait_until(lambda: is_refused(precise), "clients to be refused")
    for _ in range(2):
        r.add(more)                 # covered while it refuses already
        r.reload()
        assert who(other) == "wild"
        for _ in range(4):
            assert is_refused(precise)
        r.change(more, "")          # and uncovered
        r.reload()
        wait_until(lambda: is_refused(precise), "clients to be refused")
    r.add(more)
    r.reload()
    r.ctl.say("listener", "in", "resume")
    assert who(precise) == "precise"
    r.ctl.say("listener", "in", "pause")
    assert is_refused(precise) and who(other) == "wild"
    r.ctl.say("listener", "in", "resume")
    assert who(precise) == "precise"
    r.settle()


# ---- somebody else has the address ----------------------------------------------------

def listens_no_more(address):
    try:
        with socket.socket() as sock:
            sock.connect(address)
            return False
    except ConnectionRefusedError:
        return True


def take(address):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


@pytest.mark.parametrize("workers", [1, 2])
def test_an_address_that_somebody_took_during_a_pause_is_listened_on_when_he_goes(running, backend, workers):
    address = ("127.0.0.1", free_port())
    r = running([named(backend, "one")], binds=[f"127.0.0.1:{address[1]}"], settings={"workers": workers})
    r.ctl.say("listener", "in", "pause")
    wait_until(lambda: listens_no_more(address), "the listener to stop")
    with take(address):
        done = r.ctl.run("listener", "in", "resume")
        assert done.returncode == 1 and os.strerror(errno.EADDRINUSE) in done.stderr
        assert listener_of(r, "in")["cannot_listen"] == os.strerror(errno.EADDRINUSE)
        note = r.row("attention", "Listener in cannot listen")
        assert note["severity"] == "bad" and os.strerror(errno.EADDRINUSE) in note["why"]
        r.reload()
        assert "cannot_listen" in listener_of(r, "in")
        r.ctl.say("listener", "in", "pause")
        assert "cannot_listen" not in listener_of(r, "in")
        assert r.ctl.run("listener", "in", "resume").returncode == 1
    wait_until(lambda: "cannot_listen" not in listener_of(r, "in"), "it to listen again")
    assert not r.row("attention", "Listener in cannot listen")
    assert who(address) == "one"
    assert len(r.rm.lines(msg="cannot listen again, trying")) == 2 * workers


# ---- what the operator has ordered ----------------------------------------------------

MORE = "\n[listener more]\nbind = 127.0.0.1:0\npool = out\n"


def test_a_pause_that_holds_again_is_told(running, backend, connect):
    r = running([backend(servers.echo)])
    r.add(MORE)
    r.reload()
    client = connect(r.address("more"))
    tcp.exchange(client, b"x")
    r.ctl.say("listener", "more", "pause", "wait")
    r.change(MORE, "")
    r.reload()
    r.add(MORE)
    assert "  listener more: the operator's pause holds again: wait" in r.plan()
    r.reload()
    assert listener_of(r, "more")["paused"] == "wait"
    client.close()
    r.change(MORE, "")
    r.reload()
    r.settle()


def test_status_tells_the_sooner_of_two_ends(running, backend, connect):
    r = running([backend(servers.echo), backend(servers.echo)], pool={"drain_timeout": "60s"})
    client = connect(r.rm.address())
    tcp.exchange(client, b"x")
    name = next(row["backend"] for row in r.ctl.rows("status") if row["row"] == "backend" and row["sessions"])
    r.ctl.say("backend", f"out/{name}", "drain", "--over", "30s")
    r.change(next(line for line in r.text.splitlines() if line.startswith(f"backend = {name} ")), "")
    r.reload()
    assert r.row("backend", name)["drain_ends_ms"] <= 30000


# ---- what is no file ------------------------------------------------------------------

def test_a_fifo_in_the_place_of_the_file_stops_no_reload(running, backend):
    r = running([backend(servers.echo)])
    r.file.unlink()
    os.mkfifo(r.file)
    assert "FIFO" in r.fails()
    r.file.unlink()
    r.write(r.text)
    r.reload()
