# SPDX-License-Identifier: GPL-2.0-or-later
"""Which backend gets whom, and who comes back to the same one."""

import collections
import itertools
import math
import re
import signal

import pytest

from kit import backend as servers
from kit import proc, proxyhdr, tcp, tls
from kit.ini import ini
from kit.ringmain import BINARY
from kit.wait import wait_until

HASHED = {"balance": "maglev", "eject_after": 0, "eject_percent": 0}
SOURCES = [f"127.0.4.{number}" for number in range(1, 51)]
NAMES = [f"tenant{number}.example.com" for number in range(20)]
CHECKED = {"check": "tcp", "check_interval": "50ms", "check_fast_interval": "20ms"}


def answer(number):
    """Says which one it is once the client has spoken."""
    def handler(peer):
        peer.recv()
        peer.sock.sendall(b"b%d" % number)
        servers.hold(peer)
    return handler


@pytest.fixture
def named(backend):
    """named(count) gives servers that say b1, b2, ... as the configuration calls them."""
    return lambda count: [backend(answer(number)) for number in range(1, count + 1)]


@pytest.fixture
def again(backend):
    """again(server, number) starts another one where that one was."""
    return lambda server, number: backend(answer(number), server.address)


def who(address, source="127.0.0.1", said=b"?"):
    """Which backend does a client from there get?"""
    with tcp.connect(address, source=(source, 0)) as sock:
        sock.sendall(said)
        return tcp.recv_exactly(sock, 2).decode()


def homes(rm, sources=SOURCES):
    return {source: who(rm.address(), source) for source in sources}


def hello(name):
    return tls.client_hello(tls.client_context(), name)


def route_of(config, key):
    """What --route says."""
    said = proc.run([BINARY, "-c", config, "--route", key]).stdout
    return re.search(r" gets (\S+) \(", said)[1]


def config_of(rm):
    return rm.dir / "ringmain.ini"


# Consistent hashing

def test_source_stays_at_home(ringmain, named):
    rm = ringmain(named(4), pool=HASHED)
    first = homes(rm)
    assert len(set(first.values())) == 4
    assert homes(rm) == first


def test_route_tells_the_truth(ringmain, named):
    rm = ringmain(named(4), pool=HASHED)
    some = SOURCES[:12]
    assert {source: route_of(config_of(rm), source) for source in some} == homes(rm, some)


def test_weights_of_a_hash(ringmain, named):
    one, two = named(2)
    rm = ringmain([f"{one.text} weight=9", f"{two.text} weight=1"], pool=HASHED)
    count = collections.Counter(homes(rm).values())
    assert 36 <= count["b1"] <= 49


def test_failed_backend_moves_only_its_own(ringmain, named, again):
    """Found out by clients: they try the next one."""
    four = named(4)
    rm = ringmain(four, pool=HASHED)
    before = homes(rm)
    four[1].stop_listening()
    during = homes(rm)
    assert {s: b for s, b in during.items() if before[s] != "b2"} == \
           {s: b for s, b in before.items() if b != "b2"}
    moved = [b for s, b in during.items() if before[s] == "b2"]
    assert moved and "b2" not in moved
    again(four[1], 2)
    assert homes(rm) == before


def test_checked_backend_moves_only_its_own(ringmain, named, again):
    """Found out by checks: nobody loses time."""
    four = named(4)
    rm = ringmain(four, pool={**HASHED, **CHECKED})
    before = homes(rm)
    four[1].stop_listening()
    rm.wait_line(backend="b2", change="down")
    during = homes(rm)
    assert all(during[s] == b for s, b in before.items() if b != "b2")
    assert "b2" not in during.values()
    again(four[1], 2)
    rm.wait_line(backend="b2", change="up")
    assert homes(rm) == before
    assert not [line for line in rm.sessions() if "failed_tries" in line]


def test_two_nodes_agree(ringmain, named):
    """Whatever the order of the backends in the file."""
    four = named(4)
    text = ini(four, pool=HASHED)
    lines = text.splitlines()
    turned = "\n".join(lines[:-4] + lines[:-5:-1]) + "\n"
    one, two = ringmain(text), ringmain(turned)
    assert text != turned and homes(one) == homes(two)
    digests = {proc.run([BINARY, "-c", config_of(rm), "--digest"]).stdout for rm in (one, two)}
    assert len(digests) == 1


def test_a_running_process_shows_its_digest(ringmain, named):
    """In its first line, and whenever it is asked: as --digest prints it."""
    rm = ringmain(named(2), pool=HASHED)
    pool, everything = proc.run([BINARY, "-c", config_of(rm), "--digest"]).stdout.splitlines()
    assert pool.startswith("out 65537 ") and everything.startswith("* 1 ")
    assert rm.lines(msg="ready")[0]["digest"] == everything.split()[2]
    rm.process.send_signal(signal.SIGUSR1)
    assert rm.wait_line(msg="counters")["digest"] == everything.split()[2]
    assert rm.wait_line(msg="counters_pool")["digest"] == pool.split()[2]


def test_without_hashing_there_is_no_digest(ringmain, named):
    rm = ringmain(named(2))
    assert "digest" not in rm.lines(msg="ready")[0]
    rm.process.send_signal(signal.SIGUSR1)
    assert "digest" not in rm.wait_line(msg="counters") and "digest" not in rm.wait_line(msg="counters_pool")


def test_prefix_is_one_client(ringmain, named):
    rm = ringmain(named(4), pool={**HASHED, "hash": "source/24"})
    blocks = [f"127.1.{number}" for number in range(16)]
    found = {block: {who(rm.address(), f"{block}.{host}") for host in (1, 77, 200)}
             for block in blocks}
    assert all(len(backends) == 1 for backends in found.values())
    assert len(set.union(*found.values())) > 1


def test_source_is_the_one_a_proxy_tells(ringmain, named):
    four = named(4)
    plain = ringmain(four, pool=HASHED)
    behind = ringmain(four, pool=HASHED, listener={"proxy_protocol": "accept", "proxy_protocol_from": "127.0.0.1"})
    some = SOURCES[:16]
    told = {source: who(behind.address(), said=proxyhdr.v2((source, 99), ("127.0.0.1", 1)) + b"?")
            for source in some}
    assert told == homes(plain, some)


def test_name_stays_at_home(ringmain, named):
    rm = ringmain(named(4), pool={**HASHED, "hash": "sni"}, listener={"tls": "passthrough"})
    found = {name: {who(rm.address(), source, hello(name)) for source in SOURCES[:3]}
             for name in NAMES}
    assert all(len(backends) == 1 for backends in found.values())
    assert len(set.union(*found.values())) == 4
    for name in NAMES[:6]:
        assert found[name] == {route_of(config_of(rm), name)}


def test_destination_stays_at_home(ringmain, named):
    rm = ringmain(named(4), pool={**HASHED, "hash": "destination"},
                  binds=[f"127.0.0.{number}:0" for number in range(1, 13)])
    found = {address: {who(address, source) for source in SOURCES[:3]} for address in rm.addresses()}
    assert all(len(backends) == 1 for backends in found.values())
    assert len(set.union(*found.values())) > 1
    for address in rm.addresses()[:4]:
        assert found[address] == {route_of(config_of(rm), tcp.text_of(address))}


def test_bounded_load(ringmain, named, connect):
    """One source's flood flows over, never beyond 125 % of the average."""
    four = named(4)
    rm = ringmain(four, pool={**HASHED, "hash_balance": 125})
    for number in range(1, 41):
        client = connect(rm.address())
        client.sendall(b"?")
        tcp.recv_exactly(client, 2)
        most = max(server.active() for server in four)
        assert most <= math.ceil(1.25 * number / 4), f"{most} of {number}"
    assert sum(len(server.peers) for server in four) == 40


# The stick table

STUCK = {"balance": "roundrobin", "stick": "source", "eject_after": 0, "eject_percent": 0}


def test_stuck_source_comes_back(ringmain, named):
    rm = ringmain(named(3), pool=STUCK)
    first = homes(rm, SOURCES[:12])
    assert collections.Counter(first.values()) == {"b1": 4, "b2": 4, "b3": 4}
    for step in (-1, 5, 7):         # in orders in which turns would not fit by chance
        order = [SOURCES[number * step % 12] for number in range(12)]
        assert homes(rm, order[::-1]) == first


def test_stuck_name_comes_back(ringmain, named):
    rm = ringmain(named(3), pool={**STUCK, "stick": "sni"}, listener={"tls": "passthrough"})
    first = {name: who(rm.address(), said=hello(name)) for name in NAMES[:9]}
    assert set(first.values()) == {"b1", "b2", "b3"}
    for source in SOURCES[:2]:
        found = {name: who(rm.address(), source, hello(name)) for name in reversed(first)}
        assert found == first


def test_stuck_client_stays_where_it_went(ringmain, named, again):
    """Its backend fails: it goes to another one, and does not come home, for its session is there."""
    three = named(3)
    rm = ringmain(three, pool=STUCK)
    first = homes(rm, SOURCES[:9])
    three[0].stop_listening()
    second = homes(rm, SOURCES[:9])
    assert all(second[s] == b for s, b in first.items() if b != "b1")
    assert "b1" not in second.values()
    again(three[0], 1)
    assert homes(rm, SOURCES[:9]) == second


def test_stuck_entry_ends_but_not_while_it_is_held(ringmain, named, connect):
    rm = ringmain(named(2), pool={**STUCK, "stick_time": "100ms"})

    def is_forgotten(source, home):
        return lambda: who(rm.address(), source) != home

    holders = {}
    for source in SOURCES[:4]:
        held = connect(rm.address(), source=(source, 0))
        held.sendall(b"?")
        holders[source] = (tcp.recv_exactly(held, 2).decode(), held)
    other = who(rm.address(), SOURCES[4])
    wait_until(is_forgotten(SOURCES[4], other), "an entry to end", interval=0.15)
    # Those of one backend together: in turns they would not get it.
    for source, (home, _) in sorted(holders.items(), key=lambda item: item[1][0]):
        assert who(rm.address(), source) == home
    source, (home, held) = holders.popitem()
    held.close()
    wait_until(is_forgotten(source, home), "the entry of one who has left", interval=0.15)


def test_full_backend_is_no_home(ringmain, named, connect):
    one, two = named(2)
    rm = ringmain([f"{one.text} max_sessions=1", f"{two.text} weight=0"], pool=STUCK)
    held = connect(rm.address())
    held.sendall(b"?")
    tcp.expect(held, b"b1")
    assert tcp.knock(rm.address()).data == b""
    rm.wait_sessions(1, reason="backends_full")


# Tiers

@pytest.mark.parametrize("word", ("backup", "tier=3"))
def test_backups_serve_when_all_others_are_down(ringmain, named, again, word):
    main, spare = named(2)
    rm = ringmain([main, f"{spare.text} {word}"], pool=CHECKED)
    assert {who(rm.address()) for _ in range(10)} == {"b1"}
    main.stop_listening()
    rm.wait_line(backend="b1", change="down")
    assert {who(rm.address()) for _ in range(10)} == {"b2"}
    again(main, 1)
    rm.wait_line(backend="b1", change="up")
    assert {who(rm.address()) for _ in range(10)} == {"b1"}


def test_next_tier_helps_when_too_few_are_ready(ringmain, named):
    one, two, three = named(3)
    rm = ringmain([one, two, f"{three.text} tier=1"],
                  pool={**CHECKED, "min_ready": 2, "balance": "roundrobin"})
    assert {who(rm.address()) for _ in range(10)} == {"b1", "b2"}
    one.stop_listening()
    rm.wait_line(backend="b1", change="down")
    assert {who(rm.address()) for _ in range(10)} == {"b2", "b3"}


# Spread

SPREAD = {"roundrobin": 0, "leastconn": 2, "random": 20, "maglev": 30}


@pytest.mark.parametrize("balance", SPREAD)
def test_two_hundred_sessions_as_weights_say(ringmain, named, connect, balance):
    servers_ = named(3)
    weights = (1, 2, 1)
    rm = ringmain([f"{server.text} weight={weight}" for server, weight in zip(servers_, weights)],
                  pool={"balance": balance})
    for number in range(200):
        client = connect(rm.address(), source=(f"127.0.7.{number + 1}", 0))
        client.sendall(b"?")
        tcp.recv_exactly(client, 2)
    got = [server.active() for server in servers_]
    assert sum(got) == 200
    for have, weight in zip(got, weights):
        assert abs(have - 50 * weight) <= SPREAD[balance], got


def test_first_fills_in_order(ringmain, named, connect):
    rm = ringmain([f"{server.text} max_sessions=5" for server in named(3)], pool={"balance": "first"})
    order = []
    for _ in range(15):
        client = connect(rm.address())
        client.sendall(b"?")
        order.append(tcp.recv_exactly(client, 2).decode())
    assert order == ["b1"] * 5 + ["b2"] * 5 + ["b3"] * 5
