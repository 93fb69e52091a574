# SPDX-License-Identifier: GPL-2.0-or-later
"""ringmainctl top, on terminals of several sizes."""

import os
import re
import signal

import pytest

from kit import backend as servers
from kit import proc, tcp
from kit.control import CTL, Ctl
from kit.ini import ini
from kit.ports import reserved_port
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
    screen = top(ctl, 200, 50).wait("LISTENER", "POOL", "BACKEND", "running", "\nin ", "\nb2 ", "q quit")
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
    terminal.keys("Tab", "Tab", "Down")
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
    terminal.keys("Tab", "Tab", "Down", "d")
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
    terminal.wait("b60", "SINCE", gone=("LISTENER",))         # what the columns are is seen all the time
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


@pytest.fixture
def many(ringmain, backend, workdir):
    """(ringmain, Ctl): 20 listeners with a pool each, of which every other one has lost a backend."""
    live = backend(servers.echo).text
    held, port = reserved_port()
    text = ini([live], settings={"control": f"unix:{workdir}/control.sock"})
    for n in range(19):
        text += f"[listener l{n}]\nbind = 127.0.0.1:0\npool = p{n}\n[pool p{n}]\ncheck = tcp\ncheck_interval = 100ms\n"
        text += f"check_fast_interval = 50ms\nbackend = up{n} {live}\nbackend = some{n} {f'127.0.0.1:{port}' if n % 2 else live}\n"
    rm, ctl = ringmain(text), Ctl(f"{workdir}/control.sock")
    ctl.say("reload")
    wait_until(lambda: len([row for row in ctl.rows("status") if row.get("state") == "down"]) == 9, "nine to be down")
    yield rm, ctl
    held.close()


def test_sections_are_reached_by_tab_with_their_heads(many, top):
    _, ctl = many
    terminal = top(ctl)
    terminal.wait("LISTENER", gone=("READY", "STATE"))
    terminal.keys("Tab")
    terminal.wait("READY", "STANDBY")
    terminal.keys("Tab")
    screen = terminal.wait("STATE", "SINCE", "b1 ")
    assert row(screen, "b1")[1] == "ready"
    terminal.keys("Tab")
    terminal.wait("LAST CHANGE", "SINCE THEN", " / some", gone=("STANDBY",))
    terminal.keys("Tab")
    terminal.wait("ATTENTION", "p17 / some17 is down", "by checks: connection refused")
    terminal.keys("Tab")
    terminal.wait("LISTENER")
    terminal.keys("BTab")
    terminal.wait("ATTENTION")
    terminal.keys("BTab", "BTab", "w")                          # those that are down are the first
    wait_until(lambda: re.search(r"\nBACKEND .*(\nsome\d+ +down .*){7}\n", terminal.wait("SINCE")), "the worst to be first")


def test_what_needs_attention_is_on_top(many, top):
    """In the words of status and of the page."""
    rm, ctl = many
    file = rm.dir / "ringmain.ini"
    file.write_text(file.read_text(encoding="utf-8") + "bogus = 1\n", encoding="utf-8")
    assert ctl.run("reload").returncode == 1
    ctl.say("listener", "l3", "pause")
    want = [r["attention"] for r in ctl.rows("status") if r["row"] == "attention"]
    lines = top(ctl).wait("!! The last reload failed - ", "!  Listener l3 is paused - by the operator", "and 9 more").split("\n")
    assert lines[2].startswith("!! " + want[0]) and lines[3].startswith("!  " + want[1]) and len(want) == 11
    terminal = top(ctl, 200, 70)
    screen = terminal.wait("!! p17 / some17 is down - by checks: connection refused, for ", gone=(" more:",))
    assert [line[3:].split(" - ")[0] for line in screen.split("\n")[2:13]] == want


def test_sessions_that_are_left_out_are_not_counted(controlled, backend, connect, top):
    rm, ctl = controlled([backend(servers.echo)], settings={"max_sessions": 1100})
    for _ in range(1003):
        connect(rm.address())
    wait_until(lambda: next(r["sessions"] for r in ctl.rows("status") if r["row"] == "listener") == 1003, "them to be there")
    terminal = top(ctl)
    terminal.wait("b1")
    terminal.keys("Enter")
    terminal.wait("sessions of listener in: 1000 of 1003")


def test_keys_work_while_there_is_no_answer(controlled, backend, top):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)])
    terminal = top(ctl)
    terminal.wait("b1")
    os.kill(rm.pid, signal.SIGSTOP)
    try:
        terminal.wait(f"no answer from {ctl.path} yet")
        terminal.keys("Tab", "Tab", "Down")
        terminal.wait("out/b2 at")
        terminal.keys("q")
        wait_until(terminal.is_over, "it to end")
    finally:
        os.kill(rm.pid, signal.SIGCONT)


def test_an_answer_that_comes_late_is_taken(controlled, backend, top):
    rm, ctl = controlled([backend(servers.echo)])
    terminal = top(ctl)
    terminal.wait("b1")
    os.kill(rm.pid, signal.SIGSTOP)
    terminal.wait("no answer from")
    terminal.keys("Home", "p")
    terminal.wait("Refuse new clients of in")
    terminal.keys("y")
    os.kill(rm.pid, signal.SIGCONT)
    terminal.wait("done", "refuse ", gone=("no answer",))


def test_a_key_for_another_row_says_so(controlled, backend, top):
    _, ctl = controlled([backend(servers.echo)])
    terminal = top(ctl)
    terminal.wait("b1")
    terminal.keys("Tab", "d")
    terminal.wait("d is for a backend: choose one")
    terminal.keys("u")
    terminal.wait("u is for a backend or a listener: choose one")


def test_a_full_listener_has_its_limit(controlled, backend, connect, top):
    rm, ctl = controlled([backend(servers.echo)], listener={"max_sessions": 1})
    tcp.exchange(connect(rm.address()), b"x")
    screen = top(ctl).wait("OF", "!! Listener in is full - new clients wait")
    assert row(screen, "in ")[2:4] == ["1", "1"]
