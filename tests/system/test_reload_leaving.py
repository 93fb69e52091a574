# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reload takes away, while it has sessions still."""

import re

import pytest

from kit import backend as servers
from kit import tcp
from kit.ports import free_port
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("starts another process")


def test_a_backend_leaves_with_its_last_session(running, backend, connect):
    r = running([backend(servers.echo), backend(servers.echo)], pool={"balance": "roundrobin"})
    clients = [connect(r.rm.address()) for _ in range(2)]
    for client in clients:
        tcp.exchange(client, b"x")
    line = next(line for line in r.text.splitlines() if line.startswith("backend = b2"))
    r.change(line, "")
    assert r.reload() == ["- pool out: backend b2", "  backend out/b2: 1 session goes on"]
    assert r.ctl.backend("b2")["state"] == "leaving"
    for client in clients:
        tcp.exchange(client, b"still there")
    for _ in range(4):
        with tcp.connect(r.rm.address()) as client:
            tcp.exchange(client, b"new")
    assert r.ctl.backend("b2")["total"] == 1


def test_sessions_of_a_backend_that_left_are_found_and_ended(running, backend, connect):
    """Its row goes with the last of them."""
    r = running([backend(servers.echo), backend(servers.echo)], pool={"balance": "roundrobin"})
    clients = [connect(r.rm.address()) for _ in range(4)]
    for client in clients:
        tcp.exchange(client, b"x")
    line = next(line for line in r.text.splitlines() if line.startswith("backend = b2"))
    r.change(line, "")
    r.reload()
    ids = [row["id"] for row in r.ctl.rows("sessions", "--backend", "out/b2")]
    assert len(ids) == 2
    assert r.ctl.rows("kill", "--backend", "out/b2", "--yes")[0]["killed"] == 2
    assert {int(line["id"]) for line in r.rm.wait_sessions(2, reason="killed", backend="b2")} == set(ids)
    wait_until(lambda: not r.row("backend", "b2"), "it to be gone")
    assert r.row("backend", "b1")["sessions"] == 2
    done = r.ctl.run("backend", "out/b2", "drain")
    assert done.returncode == 3 and "did you mean 'out/b1'?" in done.stderr


def test_what_was_taken_away_is_shown_until_its_last_session_ends(running, backend, connect):
    """A listener and a pool, with one of its backends; the other has none, and is not shown at all."""
    r = running([backend(servers.echo)])
    before, port = r.text, free_port()
    r.add(f"[listener more]\nbind = 127.0.0.1:{port}\npool = old\n"
          f"[pool old]\nbackend = c1 {backend(servers.echo).text}\nbackend = c2 {backend(servers.echo).text}\n"
          "balance = roundrobin\n")
    r.reload()
    client = connect(("127.0.0.1", port))
    tcp.exchange(client, b"x")
    r.write(before)
    r.reload()

    def shown():
        return [row[row["row"]] for row in r.ctl.rows("status") if row["row"] in ("listener", "pool", "backend")]
    assert shown() == ["in", "more", "out", "old", "b1", "c1"]
    client.close()
    wait_until(lambda: shown() == ["in", "out", "b1"], shown)


def test_sessions_of_a_backend_that_left_have_their_time(running, backend, connect):
    """Those of another one with its name go on."""
    r = running([backend(servers.echo)], pool={"drain_timeout": "500ms"})
    old = connect(r.rm.address())
    tcp.exchange(old, b"x")
    line = next(line for line in r.text.splitlines() if line.startswith("backend = b1"))
    r.change(line, f"backend = b1 {backend(servers.echo).text}")
    plan = r.reload()
    assert plan[0].startswith("~ pool out: backend b1 127.0.0.1:")
    assert re.fullmatch(r"  backend out/b1: 1 session drains until \d\d:\d\d:\d\d UTC", plan[1])
    new = connect(r.rm.address())
    tcp.exchange(new, b"x")
    assert r.rm.wait_sessions(1)[0]["reason"] == "drain_timeout"
    assert r.rm.wait_line(msg="drained")["backend"] == "b1"
    tcp.exchange(new, b"goes on")


def test_a_backend_that_comes_back_keeps_its_sessions(running, backend, connect):
    r = running([backend(servers.echo), backend(servers.echo)],
                pool={"drain_timeout": "40h", "balance": "roundrobin"})
    clients = [connect(r.rm.address()) for _ in range(2)]
    for client in clients:
        tcp.exchange(client, b"x")
    before = r.text
    line = next(line for line in r.text.splitlines() if line.startswith("backend = b2"))
    r.change(line, "")
    assert re.fullmatch(r"  backend out/b2: 1 session drains until \d+-\d\d-\d\d \d\d:\d\d UTC", r.reload()[1])
    assert 39 * 3600 * 1000 < r.ctl.backend("b2")["drain_ends_ms"] <= 40 * 3600 * 1000
    r.write(before)
    r.reload()
    row = r.ctl.backend("b2")
    assert "drain_ends_ms" not in row and row["sessions"] == 1
    for client in clients:
        tcp.exchange(client, b"still there")


def test_sessions_of_a_paused_listener_that_leaves_end_as_they_were_told(running, backend, connect):
    r = running([backend(servers.echo)])
    before, port = r.text, free_port()
    r.add(f"[listener more]\nbind = 127.0.0.1:{port}\npool = out\n")
    r.reload()
    client = connect(("127.0.0.1", port))
    tcp.exchange(client, b"x")
    r.ctl.say("listener", "more", "pause", "--over", "2s")
    r.write(before)
    assert re.fullmatch(r"  listener more: 1 session drains until \d\d:\d\d:\d\d UTC", r.reload()[1])
    assert r.rm.wait_sessions(1)[0]["reason"] == "drain_timeout"
