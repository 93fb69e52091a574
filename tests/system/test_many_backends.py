# SPDX-License-Identifier: GPL-2.0-or-later
"""A thousand backends and two hundred listeners: they load, and all of them serve."""

import collections

import pytest

from kit import backend as servers
from kit import proc, tcp
from kit.ringmain import BINARY
from kit.wait import wait_until

BACKENDS, LISTENERS = 1000, 200


def hosts():
    return [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(BACKENDS)]


@pytest.fixture
def many(backend):
    """many(...pool...) gives INI text; all backends are one server, under addresses of their own,
    which says at which it was called, and remembers them in many.called."""
    called = set()

    def tell_address(peer):
        host = peer.sock.getsockname()[0]
        called.add(host)
        peer.sock.sendall(host.encode())
        tcp.hang_up(peer.sock)
        servers.sink(peer)

    port = backend(tell_address, ("0.0.0.0", 0)).address[1]

    def text(**pool):
        lines = ["[global]", "workers = 2"]
        for number in range(LISTENERS):
            lines += [f"[listener l{number}]", "bind = 127.0.0.1:0", "pool = out"]
        lines += ["[pool out]"] + [f"{key} = {value}" for key, value in pool.items()]
        lines += [f"backend = b{number} {host}:{port}" for number, host in enumerate(hosts())]
        return "\n".join(lines) + "\n"

    text.called = called
    return text


def addresses_of(rm):
    """Where each listener listens."""
    return {line["listener"]: line["addr"] for line in rm.lines(msg="listening")}


@pytest.mark.parametrize("balance", ("roundrobin", "leastconn"))
def test_every_backend_serves_and_every_listener_listens(ringmain, many, balance):
    rm = ringmain(many(balance=balance))
    places = addresses_of(rm)
    assert len(places) == LISTENERS
    seen = collections.Counter()
    for number in range(BACKENDS):
        host, _, port = places[f"l{number % LISTENERS}"].rpartition(":")
        seen[tcp.knock((host, int(port))).data.decode()] += 1
    if balance == "roundrobin":
        assert seen == {host: 1 for host in hosts()}
    lines = rm.wait_sessions(BACKENDS, reason="done")
    assert len({line["listener"] for line in lines}) == LISTENERS


@pytest.mark.parametrize("balance", ("random", "maglev", "first"))
def test_all_balancers_take_a_thousand(ringmain, many, balance):
    rm = ringmain(many(balance=balance, hash="source"))
    place = rm.address(f"l{LISTENERS - 1}")
    seen = {tcp.knock(place).data.decode() for _ in range(50)}
    assert len(seen) > 25 if balance == "random" else len(seen) == 1
    assert seen <= set(hosts())


def test_checks_of_a_thousand(ringmain, many):
    """All are asked, and all are well."""
    rm = ringmain(many(balance="roundrobin", check="tcp", send_proxy="v1"))     # else nobody sees them
    wait_until(lambda: many.called == set(hosts()), lambda: f"the other checks: {len(many.called)}")
    assert tcp.knock(rm.address("l0")).data
    assert not rm.lines(msg="backend")


def test_it_can_be_checked_and_dumped(many, make_ringmain):
    rm = make_ringmain()
    text = many(balance="maglev")
    assert rm.check(text, "-t").stderr == ""
    dumped = rm.check(text, "--dump").stdout
    assert dumped.count("[listener ") == LISTENERS and dumped.count("backend = ") == BACKENDS
    assert rm.check(dumped, "--dump").stdout == dumped
    route = proc.run([BINARY, "-c", rm.dir / "ringmain.ini", "--route", "192.0.2.7"]).stdout
    assert " gets b" in route
