# SPDX-License-Identifier: GPL-2.0-or-later
"""ringmainctl top, on terminals of several sizes."""

import pytest

from kit import backend as servers
from kit import proc, tcp
from kit.control import CTL
from kit.terminal import Terminal
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("has no such program")

QUICK = {"check": "tcp", "check_interval": "100ms", "check_fast_interval": "100ms"}


@pytest.fixture
def top(workdir):
    """top(ctl, width, height) gives a Terminal with it."""
    terminals = []

    def begin(ctl, width=80, height=24):
        terminals.append(Terminal(workdir, [str(CTL), "-s", ctl.path, "top"], width, height))
        return terminals[-1]
    yield begin
    for terminal in terminals:
        terminal.close()


def row(screen, word):
    """The line that begins with word, in words."""
    return next(line.split() for line in screen.split("\n") if line.startswith(word))


def test_it_shows_how_things_are(controlled, backend, connect, top):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)], pool=QUICK)
    client = connect(rm.address())
    tcp.exchange(client, b"x")
    screen = top(ctl, 200, 50).wait("LISTENER", "POOL", "BACKEND", "running")
    assert "sessions 1 of" in screen.split("\n")[0]
    assert row(screen, "in")[2] == "1"
    assert row(screen, "b2")[1] == "ready"


def test_a_killed_backend_is_seen_with_why(controlled, backend, top):
    other = backend(servers.echo)
    _, ctl = controlled([backend(servers.echo), other], pool=QUICK)
    terminal = top(ctl, 200, 50)
    terminal.wait("b2")
    other.close()
    screen = terminal.wait("connection refused")
    assert row(screen, "b2")[1] == "down"


def test_a_small_terminal_shows_why_too(controlled, backend, top):
    """What the columns have no room for stands below, whole words; a drain that down hides is seen."""
    other = backend(servers.echo)
    _, ctl = controlled([backend(servers.echo), other], pool=QUICK)
    terminal = top(ctl, 80, 24)
    terminal.wait("b2")
    other.close()
    terminal.keys("End")
    screen = terminal.wait(f"out/b2 at {other.text}: down for", "by checks: connection refused")
    assert "OVERRIDE" not in screen
    since = ctl.backend("b2")["since_ms"]
    terminal.keys("d")
    terminal.wait("Drain out/b2")
    terminal.keys("y")
    screen = terminal.wait("OVERRIDE", "operator's override: drain")
    assert row(screen, "b2")[1] == "down" and "drain" in row(screen, "b2")
    assert ctl.backend("b2")["since_ms"] >= since           # it is down as it was


def test_rates_are_of_the_last_second(controlled, backend, connect, top):
    rm, ctl = controlled([backend(servers.echo)])
    terminal = top(ctl)
    client = connect(rm.address())

    def is_counted():
        tcp.exchange(client, bytes(100_000))
        return "up 0/s" not in terminal.wait("down ").split("\n")[1]
    terminal.wait("b1")
    wait_until(is_counted, "bytes to be counted", interval=0.05)
    terminal.wait("up 0/s, down 0/s")


def test_one_session_is_found_and_ended(controlled, backend, connect, top):
    rm, ctl = controlled([backend(servers.echo)])
    clients = [connect(rm.address()) for _ in range(2)]
    for client in clients:
        tcp.exchange(client, b"x")
    terminal = top(ctl)
    terminal.wait("b1")
    terminal.keys("Enter")
    terminal.wait("sessions of listener in: 2", "CLIENT")
    terminal.keys("x")
    terminal.wait("End session", "[y/N]")
    terminal.keys("n")
    terminal.wait("Left back", gone=("[y/N]",))
    assert len(ctl.rows("sessions")) == 2
    terminal.keys("Down", "x")
    terminal.wait("[y/N]")
    terminal.keys("y")
    terminal.wait("sessions of listener in: 1")
    assert rm.wait_sessions(1)[0]["reason"] == "killed"
    terminal.keys("Escape")
    terminal.wait("BACKEND", "POOL")


def test_a_backend_is_drained_and_used_again(controlled, backend, top):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)])
    terminal = top(ctl)
    terminal.wait("b2")
    terminal.keys("End", "d")
    terminal.wait("Drain out/b2")
    assert ctl.backend("b2")["state"] == "ready"
    terminal.keys("y")
    terminal.wait("done")
    assert (ctl.backend("b1")["state"], ctl.backend("b2")["state"]) == ("ready", "drain")
    terminal.keys("u")
    terminal.wait("Use out/b2")
    terminal.keys("y")
    wait_until(lambda: ctl.backend("b2")["state"] == "ready", "it to be used again")
    wait_until(lambda: [line["command"] for line in rm.lines(msg="control")] == [
        "backend out/b2 drain", "backend out/b2 ready"], "both to be logged")


def test_a_listener_is_paused_and_goes_on(controlled, backend, connect, top):
    rm, ctl = controlled([backend(servers.echo)])
    terminal = top(ctl)
    terminal.wait("b1")
    terminal.keys("Home", "p")
    terminal.wait("Refuse new clients of in")
    terminal.keys("y")
    terminal.wait("done", "refuse ")
    terminal.keys("u")
    terminal.wait("[y/N]")
    terminal.keys("y")
    terminal.wait("done")
    tcp.exchange(connect(rm.address()), b"x")


def test_backends_in_order(controlled, backend, connect, top):
    rm, ctl = controlled([backend(servers.echo) for _ in range(3)], pool={"balance": "roundrobin"})
    ctl.say("backend", "out/b1", "drain")
    ctl.say("backend", "out/b2", "drain")
    for _ in range(4):
        tcp.exchange(connect(rm.address()), b"x")
    terminal = top(ctl)
    screen = terminal.wait("b3")
    assert screen.index("\nb1") < screen.index("\nb3")
    terminal.keys("s")
    wait_until(lambda: terminal.wait("b3").index("\nb3") < terminal.wait("b1").index("\nb1"),
               "the fullest to be first")


@pytest.mark.parametrize("size", [(10, 5), (1, 1), (80, 3), (300, 2)])
def test_a_terminal_without_room_harms_nothing(controlled, backend, top, size):
    _, ctl = controlled([backend(servers.echo)])
    terminal = top(ctl)
    terminal.wait("b1")
    terminal.resize(*size)
    terminal.keys("Down", "Enter", "Down", "Escape", "h", "s", "x")
    terminal.keys("n")
    terminal.resize(200, 50)
    terminal.wait("b1", "ADDRESS")
    terminal.keys("q")
    wait_until(terminal.is_over, "it to end")


def test_many_backends_are_walked_through(controlled, backend, top):
    one = backend(servers.echo)
    _, ctl = controlled([one] * 60)
    terminal = top(ctl)
    terminal.wait("b1", gone=("b60",))
    terminal.keys("End")
    terminal.wait("b60", gone=("LISTENER",))
    terminal.keys("Home")
    terminal.wait("LISTENER")


def test_it_says_when_there_is_no_answer(controlled, backend, top):
    rm, ctl = controlled([backend(servers.echo)])
    terminal = top(ctl)
    terminal.wait("b1")
    rm.stop()
    terminal.wait(ctl.path, "b1")
    terminal.keys("q")
    wait_until(terminal.is_over, "it to end")


def test_it_needs_a_terminal_and_a_ringmain(controlled, backend):
    _, ctl = controlled([backend(servers.echo)])
    done = ctl.run("top")
    assert done.returncode == 1 and "needs a terminal" in done.stderr
    done = proc.run([str(CTL), "-s", "/nonexistent", "top"], check=False)
    assert done.returncode == 5 and "does not run" in done.stderr
