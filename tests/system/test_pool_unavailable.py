# SPDX-License-Identifier: GPL-2.0-or-later
"""When a pool cannot serve: all down, all full, no weights, only one. What clients see, and what is
logged: a line when it begins and one when it is over, however many come meanwhile."""

import pytest

from kit import backend as servers
from kit import tcp
from kit.ini import ini
from kit.ports import reserved_port
from kit.waiting import wait_queued

CHECKED = {"check": "tcp", "check_interval": "50ms", "check_fast_interval": "20ms"}
LOST, BACK = "pool has no backend left", "pool has a backend again"
FULL, ROOM = "all backends of a pool are full", "pool has room again"


def knock(rm, times=20):
    for _ in range(times):
        assert tcp.knock(rm.address()) == (b"", "RST")


def told(rm):
    """What was said of the pool, in order."""
    lines = rm.lines(pool="out")
    return [line["msg"] for line in lines if line["msg"] in (LOST, BACK, FULL, ROOM)]


def test_all_down(ringmain, backend, connect):
    pair = [backend(servers.echo), backend(servers.echo)]
    rm = ringmain(pair, pool=CHECKED)
    for server in pair:
        server.stop_listening()
    rm.wait_line(msg=LOST, level="warn")
    knock(rm)
    assert {line["reason"] for line in rm.wait_sessions(20)} == {"no_backend"}
    again = backend(servers.echo, pair[1].address)
    rm.wait_line(msg=BACK)
    tcp.exchange(connect(rm.address()), b"back")
    assert len(again.peers) >= 1 and told(rm) == [LOST, BACK]


def test_all_down_from_the_start(ringmain, cleanup):
    """A first check is believed at once."""
    held, port = reserved_port()
    cleanup.append(held.close)
    rm = ringmain([f"127.0.0.1:{port}"], pool=CHECKED)
    rm.wait_line(msg=LOST)
    knock(rm)
    rm.wait_sessions(20, reason="no_backend")
    assert told(rm) == [LOST]


def test_those_who_wait_when_all_go_down(ringmain, backend, connect):
    """They keep their places, and are served when one comes back."""
    server = backend(servers.echo)
    rm = ringmain([f"{server.text} max_sessions=1"], pool={**CHECKED, "queue": 10})
    first = connect(rm.address())
    tcp.exchange(first, b"in")
    waiting = connect(rm.address())
    waiting.sendall(b"patient")
    rm.wait_line(msg=FULL)
    server.stop_listening()
    rm.wait_line(msg=LOST)
    tcp.exchange(first, b"still here")
    first.close()
    knock(rm, 3)
    backend(servers.echo, server.address)
    tcp.expect(waiting, b"patient")
    rm.wait_line(msg=BACK)
    assert told(rm)[:3] == [FULL, LOST, BACK]


@pytest.mark.parametrize("queue", (0, 3))
def test_all_full(ringmain, backend, connect, queue):
    pair = [backend(servers.echo), backend(servers.echo)]
    rm = ringmain([f"{server.text} max_sessions=2" for server in pair], pool={"queue": queue})
    inside = [connect(rm.address()) for _ in range(4)]
    for client in inside:
        tcp.exchange(client, b"in")
    waiting = [connect(rm.address()) for _ in range(queue)]
    for client in waiting:
        client.sendall(b"x")
        wait_queued(rm, client, queue)
    knock(rm)
    rm.wait_sessions(20, reason="backends_full")
    rm.wait_line(msg=FULL, level="warn")
    for client in inside:
        client.close()
    rm.wait_sessions(4, reason="done")
    for client in waiting:
        tcp.expect(client, b"x")
    tcp.exchange(connect(rm.address()), b"in")
    rm.wait_line(msg=ROOM)
    assert told(rm) == [FULL, ROOM]


def test_a_full_tier_overflows(ringmain, backend, connect):
    pair = [backend(servers.name(b"1")), backend(servers.name(b"2"))]
    rm = ringmain([f"{pair[0].text} max_sessions=1", f"{pair[1].text} backup"], pool={"overflow": "yes"})
    for name in (b"1", b"2", b"2"):
        tcp.expect(connect(rm.address()), name)
    assert told(rm) == []


def test_a_panic_uses_whom_the_checks_have_given_up(ringmain, backend, connect):
    """The servers serve, and what the checks want to hear they never say."""
    pair = [backend(servers.echo), backend(servers.echo)]
    rm = ringmain(pair, pool={"panic": 50, "check": "expect", "check_step": "expect ^hello", "check_timeout": "50ms",
                              "check_interval": "50ms"})
    for name in ("b1", "b2"):
        rm.wait_line(msg="backend", change="down", backend=name)
    rm.wait_line(msg="too few backends are ready: all are used")
    for _ in range(4):
        tcp.exchange(connect(rm.address()), b"all the same")


@pytest.mark.parametrize("key", ("hold = 10s", "role = primary\ncheck = redis"))
def test_there_is_no_panic_where_certain_ones_are_wanted(make_ringmain, key):
    done = make_ringmain().check(ini(["127.0.0.1:1"]) + f"panic = 50\n{key}\n", "-t")
    assert done.returncode == 1 and "panic: not together with" in done.stderr


def test_no_weights(make_ringmain, backend):
    text = ini([f"{backend(servers.echo).text} weight=0" for _ in range(2)])
    rm = make_ringmain()
    said = rm.check(text, "-t")
    assert said.returncode == 0 and "all weights are 0" in said.stderr
    rm.start(text)
    rm.wait_line(msg=LOST)
    knock(rm)
    rm.wait_sessions(20, reason="no_backend")
    assert told(rm) == [LOST]


@pytest.mark.parametrize("balance", ("roundrobin", "leastconn", "random", "maglev", "first"))
def test_only_one(ringmain, backend, connect, cleanup, balance):
    """Each session tries it, once; it is never ejected, so it is used as soon as it is there."""
    held, port = reserved_port()
    cleanup.append(held.close)
    rm = ringmain([f"127.0.0.1:{port}"], pool={"balance": balance})
    knock(rm)
    lines = rm.wait_sessions(20, reason="connect_refused")
    assert {line["failed_tries"] for line in lines} == {"1"}
    held.close()
    backend(servers.echo, ("127.0.0.1", port))
    tcp.exchange(connect(rm.address()), b"at last")
    assert not rm.lines(msg="backend") and told(rm) == []


def test_only_one_of_which_all_are_ejected(ringmain, cleanup):
    """When that is allowed."""
    held, port = reserved_port()
    cleanup.append(held.close)
    rm = ringmain([f"127.0.0.1:{port}"],
                  pool={"eject_after": 3, "eject_max_percent": 100, "eject_time": "1s"})
    knock(rm, 3)
    rm.wait_line(msg=LOST)
    knock(rm, 3)
    assert len(rm.wait_sessions(6)) == 6 and len(rm.sessions(reason="no_backend")) == 3
    rm.wait_line(msg=BACK)
