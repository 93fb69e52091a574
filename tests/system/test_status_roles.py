# SPDX-License-Identifier: GPL-2.0-or-later
"""What is shown of a primary and its replica: page, JSON, metrics, ringmainctl and its top."""

import time

import pytest

from kit import replicas, servers, tcp
from kit.control import CTL
from kit.terminal import Terminal
from kit.wait import wait_until
from test_status import Status

pytestmark = pytest.mark.haproxy_cannot("it knows no roles")

CHECKED = {"check": "redis", "check_interval": "100ms", "check_fast_interval": "50ms", "role": "primary"}
REPLICA = "has another role: replica"


@pytest.fixture
def pair(workdir, start):
    primary = start(servers.Redis, workdir)
    return primary, start(replicas.RedisReplica, primary, workdir)


@pytest.fixture
def shown(controlled, pair):
    """shown(...as pool...) gives (ringmain, Status, Ctl) of a pool for the primary of the pair."""
    def begin(**pool):
        rm, ctl = controlled(list(pair), settings={"status": "127.0.0.1:0"}, pool={**CHECKED, **pool})
        status = Status(rm)
        wait_until(lambda: [status.backend(name).get("role") for name in ("b1", "b2")] == ["primary", "replica"],
                   "both roles to be known")
        return rm, status, ctl
    return begin


def swap(primary, replica):
    """They change places: the new primary first."""
    replica.cli("REPLICAOF", "NO", "ONE")
    primary.cli("REPLICAOF", *map(str, replica.address))


def ping(rm):
    with tcp.connect(rm.address()) as client:
        client.sendall(b"PING\r\n")
        tcp.expect(client, b"+PONG\r\n")


def pool_of(status):
    return status.json()["pools"][0]


def test_a_start_is_no_fault(ringmain, pair):
    """Without hold: who comes first waits for the first checks, and nobody is told of a pool without backend."""
    rm = ringmain(list(pair), pool={**CHECKED, "check_interval": "2s"})
    ping(rm)
    rm.wait_line(msg="role", backend="b1", state="ready")
    assert not rm.lines(msg="pool has no backend left")


def test_since_is_that_of_the_role(shown, pair, following):
    rm, status, ctl = shown()
    wait_until(lambda: ctl.backend("b1")["since_ms"] > 2000, "them to be so for two seconds")
    feed = following(ctl, "follow")
    wait_until(lambda: (ping(rm), any(row["row"] == "event" for row in feed.rows))[1], "it to follow")
    swapped = time.monotonic()
    swap(*pair)
    wait_until(lambda: ctl.backend("b1")["state"] == "standby" and ctl.backend("b2")["state"] == "ready", "the swap")
    most_ms = (time.monotonic() - swapped) * 1000 + 1000
    for name in ("b1", "b2"):
        assert ctl.backend(name)["since_ms"] < most_ms, ctl.backend(name)
        assert status.backend(name)["since_ms"] < most_ms
    series = status.metrics()
    assert series['ringmain_backend_state_seconds{pool="out",backend="b1"}'] * 1000 < most_ms
    feed.wait(backend="b1", change="role", state="standby", detail="has another role")
    feed.wait(backend="b2", change="role", state="ready", detail="has the role")


def test_role_and_reason_are_on_every_screen(shown, workdir, start):
    rm, status, ctl = shown()
    b1, b2 = ctl.backend("b1"), ctl.backend("b2")
    assert (b1["role"], b2["role"], b2["by"], b2["why"]) == ("primary", "replica", "role", REPLICA)
    assert "lag_bytes" in b2
    assert (status.backend("b2")["by"], status.backend("b2")["why"]) == ("role", REPLICA)
    plain = ctl.say("status")
    assert "ROLE" in plain and REPLICA in plain
    assert f"<td>role</td><td>{REPLICA}</td>" in status.get("/")
    terminal = start(Terminal, workdir, [str(CTL), "-s", ctl.path, "top"], 80, 24)
    terminal.wait("ROLE", "primary", "STANDBY")
    terminal.keys("Tab", "Tab", "Down")
    screen = " ".join(terminal.wait("by role").split())
    assert REPLICA in screen


def test_two_primaries_are_named(shown, pair):
    _, status, ctl = shown()
    pair[1].cli("REPLICAOF", "NO", "ONE")
    wait_until(lambda: [ctl.backend(name)["role"] for name in ("b1", "b2")] == ["primary", "primary"], "both to claim")
    wait_until(lambda: ctl.backend("b2")["why"] == "one of several primaries", "the reason")
    assert status.backend("b2")["state"] == "standby"


def test_standby_is_no_fault(shown):
    _, status, ctl = shown()
    pool = pool_of(status)
    assert (pool["ready"], pool["standby"], len(pool["backends"])) == (1, 1, 2)
    row = next(row for row in ctl.rows("status") if row["row"] == "pool")
    assert (row["ready"], row["standby"], row["backends"]) == (1, 1, 2)
    assert status.metrics()['ringmain_pool_backends_standby{pool="out"}'] == 1


def test_who_is_held_is_told_from_who_waits(shown, pair, connect):
    """Nobody is primary: the client is held, which is not the same as a pool that is full."""
    rm, status, ctl = shown(hold="60s")
    pair[0].cli("REPLICAOF", *map(str, pair[1].address))
    wait_until(lambda: pool_of(status)["ready"] == 0, "nobody to be primary")
    client = connect(rm.address())
    wait_until(lambda: pool_of(status)["held"] == 1, "the client to be held")
    row = next(row for row in ctl.rows("status") if row["row"] == "pool")
    assert (row["queued"], row["held"]) == (1, 1)
    text = status.get("/")
    assert "no backend: its clients are turned away or held" in text
    assert "<td class=n>0</td><td class=n>1</td></tr>" in text
    pair[1].cli("REPLICAOF", "NO", "ONE")
    client.sendall(b"PING\r\n")
    tcp.expect(client, b"+PONG\r\n")
