# SPDX-License-Identifier: GPL-2.0-or-later
"""Being told to stop, step by step: who is told first, who ends first, and how."""

import signal
import time

import pytest

from kit import backend as servers
from kit import pgwire, tcp
from kit.servers import Postgres
from kit.wait import SCALE, Stopwatch, wait_until

pytestmark = pytest.mark.haproxy_cannot("drains otherwise")

SHUTDOWN = "57P01"
TERMINATE = b"X\0\0\0\x04"


def is_refused(address):
    try:
        tcp.reset(tcp.connect(address))
        return False
    except ConnectionError:
        return True


def test_it_still_accepts_while_others_are_told(ringmain, backend, connect):
    rm = ringmain([backend(servers.echo)], settings={"drain_delay": "1s", "drain_timeout": "10s"})
    first = connect(rm.address())
    tcp.exchange(first, b"before")
    watch = Stopwatch()
    rm.process.send_signal(signal.SIGTERM)
    line = rm.wait_line(msg="draining")
    assert (line["drain_delay_ms"], line["hint"]) == ("1000", "a second signal ends all sessions now")
    second = connect(rm.address())
    tcp.exchange(second, b"meanwhile")
    rm.wait_line(msg="accepting no more")
    assert watch.seconds() >= 1
    wait_until(lambda: is_refused(rm.address()), "new connections to be refused")
    for client in (first, second):
        tcp.exchange(client, b"and goes on")
        client.close()
    assert rm.process.wait(10) == 0


def test_a_second_signal_ends_the_delay_too(session):
    client, peer, rm = session(settings={"drain_delay": "1h"})
    rm.process.send_signal(signal.SIGTERM)
    rm.wait_line(msg="draining")
    rm.process.send_signal(signal.SIGTERM)
    tcp.expect_end(client, b"", "RST")
    tcp.expect_end(peer, b"", "RST")
    line = rm.wait_line(msg="ending all sessions")
    assert (line["reason"], line["why"]) == ("shutdown", "a second signal")
    assert rm.process.wait(10) == 0


@pytest.mark.threads
def test_sessions_end_evenly_over_the_time(ringmain, backend, connect):
    """Silent ones first: those that go on sending live longest."""
    rm = ringmain([backend(servers.echo)], settings={"drain_timeout": "4s", "workers": 2})
    clients = [connect(rm.address()) for _ in range(40)]
    for client in clients:
        tcp.exchange(client, b"x")
    rm.process.send_signal(signal.SIGTERM)
    alive = []
    watch = Stopwatch()
    while watch.seconds() < 3:
        tcp.exchange(clients[0], b"busy")
        alive.append((watch.seconds(), 40 - len(rm.sessions())))
        time.sleep(0.1)
    for seconds, left in alive:     # the log, and a busy machine, may be late
        assert left >= 40 * (1 - seconds / 4) - 3
    assert alive[-1][1] < 30
    assert rm.process.wait(10 * SCALE) == 0
    assert len(rm.sessions(reason="drain_timeout")) == 40


def log_in(connect, server, rm):
    """(client, backend) of a session with a server that the test plays."""
    client = connect(rm.address())
    client.sendall(pgwire.startup())
    behind = server.accept()
    tcp.recv_exactly(behind, len(pgwire.startup()))
    welcome = b"R\0\0\0\x08\0\0\0\0" + pgwire.READY
    behind.sendall(welcome)
    tcp.expect(client, welcome)
    return client, behind


def test_idle_postgres_sessions_part_in_peace(ringmain, manual, connect):
    server = manual()
    rm = ringmain([server], listener={"protocol": "postgres"}, settings={"drain_timeout": "20s"})
    idle, behind_idle = log_in(connect, server, rm)
    busy, behind_busy = log_in(connect, server, rm)
    busy.sendall(b"Q\0\0\0\x0aBEGIN\0")
    tcp.recv_exactly(behind_busy, 11)
    behind_busy.sendall(b"Z\0\0\0\x05T")
    tcp.recv_exactly(busy, 6)
    rm.process.send_signal(signal.SIGTERM)
    letter, body = pgwire.message(idle)
    error = pgwire.fields(body)
    assert (letter, error["C"], error["S"]) == ("E", SHUTDOWN, "FATAL")
    tcp.expect_end(idle, b"", "FIN")
    tcp.expect(behind_idle, TERMINATE)
    tcp.expect_end(behind_idle, b"", "FIN")
    idle.close()
    rm.wait_sessions(1, reason="drained")
    behind_busy.sendall(b"C\0\0\0\x0bCOMMIT\0" + pgwire.READY)
    tcp.recv_exactly(busy, 18)
    assert pgwire.fields(pgwire.message(busy)[1])["C"] == SHUTDOWN
    busy.close()
    rm.wait_sessions(2, reason="drained")
    assert rm.process.wait(10) == 0


def test_a_real_server_ends_in_peace(ringmain, start, workdir, connect):
    """It logs no lost connection; a query that runs gets its answer first."""
    database = start(Postgres, workdir, options=["log_disconnections=on"])
    rm = ringmain([database], listener={"protocol": "postgres"}, settings={"drain_timeout": "30s"})
    idle = pgwire.Session(connect(rm.address()))
    busy = pgwire.Session(connect(rm.address()))
    busy.ask("select pg_sleep(1)")
    wait_until(lambda: "pg_sleep" in database.tool(
        "psql", "-Atc", "select query from pg_stat_activity where state = 'active'").stdout, "it to run")
    rm.process.send_signal(signal.SIGTERM)
    assert pgwire.fields(pgwire.message(idle.sock)[1])["C"] == SHUTDOWN
    idle.sock.close()
    letters = ""
    while "E" not in letters:
        letter, body = pgwire.message(busy.sock)
        letters += letter
    assert letters == "TDCZE" and pgwire.fields(body)["C"] == SHUTDOWN
    busy.sock.close()
    assert rm.process.wait(20) == 0
    assert {line["reason"] for line in rm.sessions()} == {"drained"}
    text = database.log.read_text()
    assert "unexpected EOF" not in text and "reset by peer" not in text
