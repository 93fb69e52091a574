# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets the next session."""

import itertools

import pytest

from kit import backend as kit_backend
from kit import tcp


def servers_named(backend, count):
    """Servers that say their number."""
    return [backend(kit_backend.name(b"%d" % number)) for number in range(count)]


def ask(connect, rm, times):
    """Gives the numbers of the servers that answered, in order."""
    numbers = []
    for _ in range(times):
        client = connect(rm.address())
        numbers.append(int(tcp.read_to_end(client).data))
        client.close()
    return numbers


def count_of(numbers, count):
    return [numbers.count(number) for number in range(count)]


IN_TURNS = {"balance": "roundrobin"}

@pytest.mark.parametrize("workers", (1, 2, 4))
def test_two_backends_share_evenly(ringmain, backend, connect, workers):
    rm = ringmain(servers_named(backend, 2), settings={"workers": workers}, pool=IN_TURNS)
    assert count_of(ask(connect, rm, 40), 2) == [20, 20]


def test_roundrobin_alternates(ringmain, backend, connect):
    rm = ringmain(servers_named(backend, 3), pool=IN_TURNS)
    numbers = ask(connect, rm, 12)
    for three in itertools.batched(numbers, 3) if hasattr(itertools, "batched") else \
            zip(*[iter(numbers)] * 3):
        assert sorted(three) == [0, 1, 2]


def test_weights_are_met_and_smooth(ringmain, backend, connect):
    one, two = servers_named(backend, 2)
    rm = ringmain([f"{one.text} weight=3", f"{two.text} weight=1"], pool=IN_TURNS)
    numbers = ask(connect, rm, 40)
    assert count_of(numbers, 2) == [30, 10]
    runs = [len(list(group)) for number, group in itertools.groupby(numbers) if number == 0]
    assert max(runs) <= 3 + 1


def test_weight_zero_gets_nothing(ringmain, backend, connect):
    one, two = servers_named(backend, 2)
    rm = ringmain([f"{one.text} weight=0", two])
    assert count_of(ask(connect, rm, 10), 2) == [0, 10]


@pytest.mark.haproxy_cannot("queues")
def test_full_backend_is_passed_over(ringmain, backend, connect):
    one, two = backend(kit_backend.echo), backend(kit_backend.echo)
    rm = ringmain([f"{one.text} max_sessions=2", two], pool=IN_TURNS)
    clients = [connect(rm.address()) for _ in range(10)]
    for client in clients:
        tcp.exchange(client, b"x")
    assert (len(one.peers), len(two.peers)) == (2, 8)
    for client in clients:
        client.close()
    rm.wait_sessions(10)
    again = [connect(rm.address()) for _ in range(2)]
    for client in again:
        tcp.exchange(client, b"x")
    assert len(one.peers) == 3, "a place that became free is not used"


@pytest.mark.haproxy_cannot("queues")
def test_all_full_is_a_reset_and_is_logged(ringmain, backend, connect):
    one = backend(kit_backend.echo)
    rm = ringmain([f"{one.text} max_sessions=1"])
    first = connect(rm.address())
    tcp.exchange(first, b"x")
    assert tcp.knock(rm.address()) == (b"", "RST")
    rm.wait_sessions(1, reason="backends_full")
    tcp.exchange(first, b"still here")


@pytest.mark.haproxy_cannot("other words")
@pytest.mark.parametrize("where", ("listener", "settings"))
def test_sessions_over_the_limit_wait_in_the_backlog(ringmain, backend, connect, where):
    one = backend(kit_backend.echo)
    rm = ringmain([one], **{where: {"max_sessions": 3}})
    clients = [connect(rm.address()) for _ in range(3)]
    for client in clients:
        tcp.exchange(client, b"x")
    waiting = connect(rm.address())
    waiting.sendall(b"let me in")
    waiting.settimeout(0.3)
    try:
        assert not waiting.recv(1), "was served over the limit"
    except TimeoutError:
        pass
    clients[0].close()
    waiting.settimeout(tcp.TIMEOUT_S)
    tcp.expect(waiting, b"let me in")
    assert len(one.peers) == 4
