# SPDX-License-Identifier: GPL-2.0-or-later
"""A backend's change of state says why, who found out, and for how long it was away."""

import contextlib

import pytest

from kit import backend as servers
from kit import tcp
from kit.ports import reserved_port
from kit.wait import wait_steady, wait_until

CHECKED = {"check": "tcp", "check_interval": "50ms", "check_fast_interval": "20ms", "check_fall": 3,
           "check_rise": 2}

pytestmark = pytest.mark.haproxy_cannot("says it otherwise")


def words(line, *keys):
    return [line.get(key) for key in keys]


def test_checks_that_are_refused(ringmain, backend):
    pair = [backend(servers.echo), backend(servers.echo)]
    rm = ringmain(pair, pool=CHECKED)
    tcp.exchange(tcp.connect(rm.address()), b"well")
    rm.wait_sessions(1)
    pair[0].stop_listening()
    down = rm.wait_line(msg="backend", change="down")
    assert words(down, "backend", "state", "by", "reason") == ["b1", "down", "checks",
                                                               "connection refused"]
    assert 1 <= int(down["failures"]) <= 3      # the very first answer is believed at once
    assert int(down["took_ms"]) >= 0
    backend(servers.echo, pair[0].address)
    up = rm.wait_line(msg="backend", change="up")
    assert words(up, "backend", "state", "by", "passes") == ["b1", "ready", "checks", "2"]
    assert int(up["down_for_ms"]) >= 20 and "reason" not in up


def test_checks_that_are_not_answered(ringmain, blackhole):
    rm = ringmain([blackhole()], pool={**CHECKED, "check_timeout": "100ms"})
    down = rm.wait_line(msg="backend", change="down")
    assert words(down, "by", "failures", "reason") == ["checks", "1", "timed out"]
    assert int(down["took_ms"]) >= 100


def test_one_in_maintenance_is_not_checked(controlled, backend):
    server = backend(servers.name(b"hello\n"))
    rm, ctl = controlled([server], pool={**CHECKED, "check": "expect", "check_step": "expect ^hello"})
    wait_until(lambda: len(server.peers) > 3, "checks")
    ctl.say("backend", "out/b1", "maint")
    wait_steady(lambda: len(server.peers), "the checks to end", quiet=0.3)
    seen = len(server.peers)
    ctl.say("backend", "out/b1", "ready")
    wait_until(lambda: len(server.peers) > seen + 3, "checks again")
    assert not rm.lines(change="down")


def test_sessions_that_are_refused(ringmain, backend, cleanup):
    held, port = reserved_port()
    cleanup.append(held.close)
    rm = ringmain([f"127.0.0.1:{port}", backend(servers.echo)],
                  pool={"balance": "first", "eject_after": 4, "eject_time": "1s"})
    for _ in range(4):
        with tcp.connect(rm.address()) as sock:
            tcp.exchange(sock, b"by the other one")
    ejected = rm.wait_line(msg="backend", change="ejected")
    assert words(ejected, "backend", "by", "failures", "connects", "reason") == [
        "b1", "sessions", "4", None, "connection refused"]
    returned = rm.wait_line(msg="backend", change="returned")
    assert returned["state"] == "ready" and int(returned["down_for_ms"]) >= 1000


def test_sessions_whose_tls_fails(ringmain, backend, pki):
    """A server without TLS, and why it would not do."""
    rm = ringmain([backend(servers.name(b"no TLS here\n")), backend(servers.name(b"nor here\n"))],
                  pool={"tls": "yes", "tls_ca": pki["ca.crt"], "eject_after": 2})
    for _ in range(3):
        tcp.knock(rm.address())
    ejected = rm.wait_line(msg="backend", change="ejected")
    assert words(ejected, "by", "failures", "reason") == ["sessions", "2", "TLS failed"]
    assert ejected["detail"]


def knock(rm, source, words=b""):
    """Where it may be reset at any moment."""
    with contextlib.suppress(ConnectionError), tcp.connect(rm.address(), source=(source, 0)) as sock:
        sock.sendall(words)
        tcp.read_to_end(sock)


PASSIVE = {"balance": "first", "eject_after": 4, "eject_percent": 0}


def hang_up(peer):
    """Takes the connection, and has nothing to say."""
    peer.sock.close()


def reset(peer):
    tcp.reset(peer.sock)


def mysql_full(peer):
    peer.sock.sendall(b"\x17\x00\x00\x00\xff\x10\x04Too many connections")


def postgres_error(peer, fields):
    peer.recv()
    peer.sock.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


def postgres_starting(peer):
    postgres_error(peer, b"SFATAL\0C57P03\0Mthe database system is starting up\0\0")


def postgres_rejects(peer):
    """By its pg_hba.conf; or the client has made up a user."""
    postgres_error(peer, b"SFATAL\0C28000\0Mno pg_hba.conf entry\0\0")


def postgres_asks(peer):
    """For a password, and then for it again and again."""
    while peer.recv():
        peer.sock.sendall(b"R\0\0\0\x08\0\0\0\x03")


STARTUP = b"\0\0\0\x13\0\x03\0\0user\0anna\0\0"


@pytest.mark.parametrize("protocol", ["postgres", "any"])
def test_one_of_three_that_lets_nobody_in(ringmain, backend, protocol):
    """The others let in who comes: it is not the clients. What it says they hear all the same."""
    rm = ringmain([backend(postgres_rejects), backend(postgres_asks), backend(postgres_asks)],
                  listener={"protocol": protocol}, pool={"balance": "roundrobin", "eject_after": 4})

    def come(number):
        with tcp.connect(rm.address(), source=(f"127.0.0.{2 + number % 4}", 0)) as sock:
            sock.sendall(STARTUP)
            return tcp.recv_exactly(sock, 1)

    first = [come(number) for number in range(15)]
    ejected = rm.wait_line(msg="backend", change="ejected")
    assert words(ejected, "backend", "by", "failures", "reason") == [
        "b1", "sessions", "4", "28000: it does not let this client in"]
    assert 4 <= first.count(b"E") <= 5
    assert [come(number) for number in range(6)] == [b"R"] * 6


@pytest.mark.parametrize("protocol", ["postgres", "any"])
def test_three_that_let_nobody_in(ringmain, backend, protocol):
    """Of whose fault that is nobody can tell."""
    rm = ringmain([backend(postgres_rejects) for _ in range(3)], listener={"protocol": protocol}, pool={"eject_after": 4})
    for number in range(30):
        knock(rm, f"127.0.0.{2 + number % 3}", STARTUP)
    rm.wait_sessions(30)
    assert not rm.lines(change="ejected")


@pytest.mark.parametrize("handler", [hang_up, reset])
def test_sessions_that_end_at_once_and_not_by_one_client(ringmain, backend, handler):
    rm = ringmain([backend(handler), backend(servers.echo)], pool=PASSIVE)
    for number in range(8):         # who knows what these two have said
        knock(rm, f"127.0.0.{2 + number % 2}")
    rm.wait_sessions(8, backend="b1")
    assert not rm.lines(change="ejected")
    knock(rm, "127.0.0.4")
    ejected = rm.wait_line(msg="backend", change="ejected")
    assert words(ejected, "backend", "by", "failures", "reason") == ["b1", "sessions", "9", "sessions end at once"]
    with tcp.connect(rm.address()) as sock:
        tcp.exchange(sock, b"by the other one")


@pytest.mark.parametrize("handler, check, networks, reason", [
    (mysql_full, "mysql", 3, "1040: it has too many connections"),
    (postgres_starting, "postgres", 1, "57P03: it serves nobody now"),
])
def test_sessions_that_are_told_that_nobody_is_served(ringmain, backend, handler, check, networks, reason):
    """By a first answer that the checks, which come rarely, have not seen yet."""
    rm = ringmain([backend(handler), backend(servers.echo)],
                  pool={**PASSIVE, "check": check, "check_interval": "1h", "check_fast_interval": "1h"})
    for number in range(4):
        knock(rm, f"127.0.0.{2 + number % networks}", b"hello")
    ejected = rm.wait_line(msg="backend", change="ejected")
    assert words(ejected, "backend", "failures", "reason") == ["b1", "4", reason]
    rm.wait_line(msg="session", backend="b1", detail=reason)


def test_one_session_that_is_served_clears_it(ringmain, backend):
    answers = iter([hang_up, hang_up, hang_up, servers.echo] * 3)
    rm = ringmain([backend(lambda peer: next(answers)(peer)), backend(servers.echo)], pool=PASSIVE)
    for number in range(12):
        if number % 4 < 3:
            knock(rm, f"127.0.0.{2 + number % 3}")
        else:
            with tcp.connect(rm.address()) as sock:
                tcp.exchange(sock, b"served")
        rm.wait_sessions(number + 1)
    assert not rm.lines(change="ejected")


def greet(peer):
    """Answers, and is done."""
    peer.recv()
    peer.sock.sendall(b"hi")
    peer.sock.close()


@pytest.mark.parametrize("relay", ["auto", "copy", "splice"])
def test_who_answers_and_ends_is_well(ringmain, backend, relay):
    rm = ringmain([backend(greet)], listener={"relay": relay}, pool=PASSIVE)
    for number in range(8):
        knock(rm, f"127.0.0.{2 + number % 4}", b"hello")
    assert all(line["bytes_down"] == "2" for line in rm.wait_sessions(8))
    assert not rm.lines(change="ejected")


@pytest.mark.parametrize("handler", [hang_up, mysql_full, postgres_starting, postgres_rejects])
@pytest.mark.parametrize("balance", ["leastconn", "random"])
def test_one_that_refuses_everybody_attracts_nobody(ringmain, backend, connect, balance, handler):
    """All clients are in one network, so nobody is ejected; but it always has the fewest sessions."""
    bad = backend(handler)
    rm = ringmain([bad, backend(servers.echo), backend(servers.echo)],
                  pool={"balance": balance, "eject_after": 0, "eject_percent": 0})
    kept = 0
    while kept < 60:
        sock = connect(rm.address())
        sock.sendall(b"x")
        try:
            kept += sock.recv(1) == b"x"
        except ConnectionError:
            pass
        assert len(bad.peers) < 25, f"{kept} were served"
