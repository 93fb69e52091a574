# SPDX-License-Identifier: GPL-2.0-or-later
"""A listener that the operator pauses, and that goes on."""

import os
import signal

import pytest

from kit import backend as servers
from kit import tcp
from kit.control import Ctl
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("has other commands")


def knock(address):
    """A client of a second: is it served?"""
    with tcp.connect(address) as sock:
        tcp.exchange(sock, b"x")


def refuses(address):
    try:
        tcp.reset(tcp.connect(address))
        return False
    except ConnectionError:
        return True


def listener_of(ctl):
    return next(row for row in ctl.rows("status") if row["row"] == "listener")


def test_a_listener_pauses_and_clients_wait(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo)], settings={"workers": 3})
    before = connect(rm.address())
    tcp.exchange(before, b"x")
    ctl.say("listener", "in", "pause", "wait")
    assert listener_of(ctl)["paused"] == "wait"
    waiting = [connect(rm.address()) for _ in range(20)]
    for sock in waiting:
        sock.sendall(b"patience")
    tcp.exchange(before, b"goes on")
    assert listener_of(ctl)["sessions"] == 1
    ctl.say("listener", "in", "resume")
    for sock in waiting:
        tcp.expect(sock, b"patience")
    assert "paused" not in listener_of(ctl)


def test_a_listener_refuses_and_listens_again(controlled, backend, connect):
    """Again and again, under load: nobody who was let in is broken off."""
    rm, ctl = controlled([backend(servers.echo)], settings={"workers": 3})
    before, over, seen = connect(rm.address()), [], []

    def visit(seed):
        data = tcp.pattern(seed, 2000)
        while not over:
            try:
                sock = tcp.connect(rm.address())
            except ConnectionRefusedError:
                seen.append("refused")
                continue
            with sock:
                tcp.exchange(sock, data)
                seen.append("served")

    visitors = [tcp.Task(visit, seed) for seed in range(4)]
    try:
        for _ in range(2):
            ctl.say("listener", "in", "pause")
            wait_until(lambda: refuses(rm.address()), "clients to be refused")
            assert listener_of(ctl)["paused"] == "refuse"
            tcp.exchange(before, b"goes on")
            ctl.say("listener", "in", "resume")
            knock(rm.address())
            n = seen.count("served")
            wait_until(lambda: seen.count("served") > n + 8, "clients to be served")
    finally:
        over.append(1)
    for visitor in visitors:
        visitor.result(20)
    assert "refused" in seen


def test_a_unix_listener_refuses_too(controlled, backend, workdir):
    path = os.path.join(workdir, "in.sock")
    rm, ctl = controlled([backend(servers.echo)], binds=(f"unix:{path}",))
    knock(path)
    ctl.say("listener", "in", "pause")
    with pytest.raises((ConnectionError, AssertionError)):
        knock(path)
    ctl.say("listener", "in", "resume")
    knock(path)
    assert len(rm.wait_sessions(2)) == 2


def test_a_listeners_sessions_end_within_a_time(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo)])
    tcp.exchange(connect(rm.address()), b"x")
    ctl.say("listener", "in", "pause", "--over", "300ms")
    rm.wait_sessions(1, reason="drain_timeout")
    assert rm.wait_line(msg="drained")["listener"] == "in"
    for words in (("in", "resume", "wait"), ("in", "pause", "refsue"), ("in", "resume", "--over", "1s")):
        assert ctl.run("listener", *words).returncode == 2


def test_one_that_pauses_can_be_told_to_stop(controlled, backend, connect):
    """Who waits then is served."""
    rm, ctl = controlled([backend(servers.echo)])
    ctl.say("listener", "in", "pause", "wait")
    with connect(rm.address()) as waiting:
        rm.process.send_signal(signal.SIGTERM)
        tcp.exchange(waiting, b"at last")
    assert rm.process.wait(10) == 0


def test_a_listener_pauses_and_goes_on_in_the_delay_of_a_drain(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo)], settings={"drain_delay": "1m"})
    tcp.exchange(connect(rm.address()), b"x")
    rm.process.send_signal(signal.SIGTERM)
    rm.wait_line(msg="draining")
    ctl.say("listener", "in", "pause")
    wait_until(lambda: refuses(rm.address()), "clients to be refused")
    ctl.say("listener", "in", "resume")
    knock(rm.address())


def test_nothing_is_paused_or_resumed_that_ends(controlled, backend, connect):
    rm, ctl = controlled([backend(servers.echo)])
    tcp.exchange(connect(rm.address()), b"x")
    rm.process.send_signal(signal.SIGTERM)
    rm.wait_line(msg="draining")
    wait_until(lambda: os.path.exists(ctl.path + ".draining"), "the socket to be moved")
    for word in ("pause", "resume"):
        done = Ctl(ctl.path + ".draining").run("listener", "in", word)
        assert done.returncode == 1 and "ringmain is draining" in done.stderr
