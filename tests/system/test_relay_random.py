# SPDX-License-Identifier: GPL-2.0-or-later
"""Hundreds of seeded sessions of random sizes, pauses and half-closes; every byte is compared."""

import pytest

from kit.checker import backend_addresses, check

RELAYS = ("copy", "splice", "auto")


@pytest.mark.parametrize("relay", RELAYS)
@pytest.mark.parametrize("family", ("ipv4", "ipv6", "unix"))
def test_every_byte(ringmain, workdir, family, relay):
    backends, bind = {
        "ipv4": (backend_addresses(2), "127.0.0.1:0"),
        "ipv6": (backend_addresses(2, "::1"), "[::1]:0"),
        "unix": ([f"unix:{workdir}/a.sock", f"unix:{workdir}/b.sock"], f"unix:{workdir}/front.sock"),
    }[family]
    rm = ringmain(backends, binds=[bind], listener={"relay": relay})
    got = check(rm.address(), backends, sessions=400, concurrency=200, seed=1)
    assert got["complete"] == 400
    lines = rm.wait_sessions(400, reason="done")
    assert sum(int(line["bytes_up"]) + int(line["bytes_down"]) for line in lines) > 0


@pytest.mark.parametrize("relay", RELAYS)
@pytest.mark.haproxy_fails("sends FIN for RST")
def test_every_byte_and_every_abort(ringmain, relay):
    """A third of the sessions are broken off by one end; the other end must see just that."""
    backends = backend_addresses(2)
    rm = ringmain(backends, listener={"relay": relay})
    got = check(rm.address(), backends, sessions=600, concurrency=200, aborts=33, seed=2)
    assert got["aborted"] > 100
    assert got["aborts_seen_as_fin"] == 0
    rm.wait_sessions(600)


@pytest.mark.parametrize("relay", RELAYS)
def test_every_byte_of_many_small_sessions(ringmain, relay):
    backends = backend_addresses(4)
    rm = ringmain(backends, listener={"relay": relay})
    check(rm.address(), backends, sessions=3000, concurrency=300, bytes_max=4096, pause=0, seed=3)
    rm.wait_sessions(3000, reason="done")


@pytest.mark.parametrize("relay", RELAYS)
def test_every_byte_of_a_few_large_sessions(ringmain, relay):
    backends = backend_addresses(1)
    rm = ringmain(backends, listener={"relay": relay})
    check(rm.address(), backends, sessions=12, concurrency=12, bytes_max=64 << 20, pause=1, seed=4)
    rm.wait_sessions(12, reason="done")


@pytest.mark.soak
@pytest.mark.parametrize("relay", RELAYS)
@pytest.mark.parametrize("seed", range(100, 110))
def test_soak_every_byte_and_every_abort(ringmain, relay, seed):
    backends = backend_addresses(3)
    rm = ringmain(backends, listener={"relay": relay}, settings={"workers": 4})
    check(rm.address(), backends, sessions=5000, concurrency=500, aborts=20, seed=seed)
    rm.wait_sessions(5000)


@pytest.mark.soak
@pytest.mark.parametrize("relay", RELAYS)
def test_soak_memory_stays_where_it_is(ringmain, relay):
    """Rounds touch a few more buffers when the machine is busy; 60 bytes a session are too many."""
    backends = backend_addresses(2)
    rm = ringmain(backends, listener={"relay": relay})
    resident_kb = []
    for seed in range(10):
        check(rm.address(), backends, sessions=5000, concurrency=500, aborts=20, seed=seed)
        rm.wait_fds_back()
        resident_kb.append(rm.process.rss_kb())
    assert resident_kb[-1] - resident_kb[1] < 8 * 5000 * 60 / 1024, resident_kb
