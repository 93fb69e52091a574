# SPDX-License-Identifier: GPL-2.0-or-later
"""follow and trace: answers of the control socket that go on."""

import socket

import pytest

from kit import backend as servers
from kit import tcp, tls
from kit.control import raw
from kit.ports import reserved_port
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("has other commands")


def visit(rm, host="127.0.0.1"):
    """A session of a moment; gives its client's address, as the log has it."""
    with tcp.connect(rm.address(), source=(host, 0)) as sock:
        tcp.exchange(sock, b"x")
        return f"{host}:{sock.getsockname()[1]}"


def begin(feed, rm, host="127.0.0.1"):
    """Visits until the feed has begun."""
    wait_until(lambda: (visit(rm, host), any(row["row"] == "event" for row in feed.rows))[1], "events")


def test_follow_tells_what_happens(controlled, backend, following):
    rm, ctl = controlled([backend(servers.echo), backend(servers.echo)], settings={"workers": 2})
    feed = following(ctl, "follow")
    begin(feed, rm)
    client = visit(rm)
    row = feed.wait(event="ended", client=client)
    line = rm.wait_line(msg="session", client=client)
    assert (row["id"], row["reason"], row["backend"], row["bytes_up"]) == (
        int(line["id"]), line["reason"], line["backend"], 1)
    feed.wait(event="began", client=client)
    ctl.say("backend", "out/b1", "drain")
    feed.wait(event="backend", pool="out", backend="b1", state="drain")
    ctl.say("listener", "in", "pause", "wait")
    feed.wait(event="listener", listener="in", change="pauses", detail="wait")
    ctl.say("listener", "in", "resume")
    feed.wait(event="listener", listener="in", change="goes on")
    ctl.say("reload")
    feed.wait(event="process", change="reload", detail="done")
    assert not [row for row in feed.rows if row["row"] == "event" and row["event"] == "step"]


def test_trace_tells_every_step_of_some(controlled, backend, following, cleanup):
    held, port = reserved_port()
    cleanup.append(held.close)
    rm, ctl = controlled([f"127.0.0.1:{port}", backend(servers.echo)],
                         pool={"balance": "first", "eject_after": "0", "eject_percent": "0"})

    feed = following(ctl, "trace", "--client", "127.0.0.2")
    begin(feed, rm, "127.0.0.2")
    visit(rm, "127.0.0.3")
    client = visit(rm, "127.0.0.2")
    feed.wait(event="ended", client=client)
    assert {row["client"].split(":")[0] for row in feed.rows} == {"127.0.0.2"}
    rows = [row for row in feed.rows if row["client"] == client]
    assert [row.get("step", row["event"]) for row in rows] == [
        "began", "dialing", "try failed", "relaying", "ended"]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


def test_a_hello_and_its_route_are_steps(controlled, backend, following):
    server = backend(servers.echo)
    rm, ctl = controlled([server], listener={"tls": "passthrough", "no_sni": "pool",
                                             "route": "sni *.example.com -> out"})
    feed = following(ctl, "trace", "--client", "127.0.0.1")

    def knock():
        with tcp.connect(rm.address()) as sock:
            sock.sendall(tls.client_hello(tls.client_context(), "db1.example.com"))
            tcp.recv_exactly(sock, 1)

    wait_until(lambda: (knock(), any(row.get("step") == "route" for row in feed.rows))[1], "a route")
    feed.wait(step="ClientHello", detail="db1.example.com")
    feed.wait(step="route", detail="*.example.com", pool="out")


def is_told(sock):
    try:
        return bool(sock.recv(4096))
    except TimeoutError:
        return False


def test_feeds_end(controlled, backend):
    rm, ctl = controlled([backend(servers.echo)])
    assert ctl.rows("follow", "--for", "200ms") == []
    assert ctl.run("trace").returncode == 2
    assert ctl.run("trace", "--client", "nobody").returncode == 2
    with raw(ctl.path, b"follow\n") as sock:        # it says no more, and may still read
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(0.2)        # it may follow only after the first visits
        wait_until(lambda: (visit(rm), is_told(sock))[1], "an event")
    fds = len(rm.process.fds())
    gone = [raw(ctl.path, b"follow\n") for _ in range(20)]
    for sock in gone:
        sock.close()
    wait_until(lambda: len(rm.process.fds()) <= fds, "those who left to be forgotten")
