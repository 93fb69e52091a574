# SPDX-License-Identifier: GPL-2.0-or-later
"""slow_start: a backend that comes back gets a growing share, not all at once.

With a ramp of an hour nothing grows while a test looks: that is how it begins. With one of seconds
the share is watched until it is whole.
"""

import time

import pytest

from kit import backend as servers
from kit import tcp
from kit.wait import SCALE, wait_until

CHECKED = {"check": "tcp", "check_interval": "50ms", "check_fast_interval": "20ms",
           "slow_start": "1h"}
ROUND = 40      # sessions of one look


def answer(text):
    """Says who it is, and holds the line."""
    def handler(peer):
        if peer.recv():
            peer.sock.sendall(text)
            servers.hold(peer)
    return handler


@pytest.fixture
def returned(ringmain, backend):
    """returned(one="...", two="...", **pool) gives ringmain with two backends of which the second
    was down and has just come back."""
    def begin(one="", two="", **pool):
        pair = [backend(answer(b"1")), backend(answer(b"2"))]
        rm = ringmain([f"{pair[0].text} {one}", f"{pair[1].text} {two}"], pool={**CHECKED, **pool})
        pair[1].stop_listening()
        rm.wait_line(backend="b2", change="down")
        backend(answer(b"2"), pair[1].address)
        rm.wait_line(backend="b2", change="up")
        return rm
    return begin


def ask(sock):
    sock.sendall(b"?")
    return tcp.recv_exactly(sock, 1)


def share(rm, times=ROUND):
    """How many of so many sessions, one after the other, the second one got."""
    count = 0
    for _ in range(times):
        with tcp.connect(rm.address()) as sock:
            count += ask(sock) == b"2"
    return count


def hold(connect, rm, times):
    """The same of sessions that stay."""
    return [ask(connect(rm.address())) for _ in range(times)].count(b"2")


def test_it_begins_with_a_tenth_of_its_weight(returned):
    """26 of 256 parts: 12 of 134 sessions in turns."""
    assert share(returned(balance="roundrobin"), 134) in (11, 12, 13)


def test_it_is_not_sent_everything_that_comes(returned, connect):
    """Nobody is as idle as who was down."""
    rm = returned(balance="leastconn")
    assert hold(connect, rm, 66) in range(4, 9), "it has a tenth of the sessions, not those of a while"


def test_chance_knows_of_it(returned, connect):
    assert 0 < hold(connect, returned(balance="random"), 80) <= 20


def test_its_places_come_back_slowly_too(returned, connect):
    """A tenth of 30, rounded up: four in 26 of 256 parts."""
    rm = returned(two="max_sessions=30", one="max_sessions=30", balance="roundrobin")
    assert hold(connect, rm, 34) == 4
    assert tcp.knock(rm.address()).data == b""
    rm.wait_sessions(1, reason="backends_full")


@pytest.mark.parametrize("balance", ("maglev", "first"))
def test_where_weights_do_not_say_who_is_next_it_is_back_at_once(returned, connect, balance):
    rm = returned(one="max_sessions=30", two="max_sessions=30", balance=balance)
    assert hold(connect, rm, 60) == 30


def test_nobody_begins_slowly_at_the_start(ringmain, backend, connect):
    pair = [backend(answer(b"1")), backend(answer(b"2"))]
    rm = ringmain([f"{server.text} max_sessions=20" for server in pair],
                  pool={**CHECKED, "balance": "roundrobin"})
    assert hold(connect, rm, 40) == 20


@pytest.mark.alone
def test_its_share_grows_until_it_is_whole(returned):
    """Never less than before, and seen on its way."""
    rm = returned(balance="roundrobin", slow_start=f"{int(4000 * SCALE)}ms")
    seen = [share(rm)]

    def is_whole():
        seen.append(share(rm))
        return seen[-1] == ROUND // 2

    wait_until(is_whole, lambda: f"half of the sessions; it got {seen} of {ROUND}", 30)
    assert seen[0] < ROUND // 3, seen
    assert all(later >= earlier - 1 for earlier, later in zip(seen, seen[1:])), seen
    assert len(set(seen)) >= 5, f"it jumped: {seen}"


def let_in(rm):
    """A session that has a place, or None."""
    sock = None
    try:
        sock = tcp.connect(rm.address())
        ask(sock)
    except (OSError, AssertionError):
        if sock:
            sock.close()
        return None
    return sock


@pytest.mark.alone
def test_a_short_ramp_is_over_in_its_time(ringmain, backend):
    """It begins when the backend is back, not when somebody looks. One of two places at first."""
    peer = backend(answer(b"1"))
    rm = ringmain([f"{peer.text} max_sessions=2"], pool={**CHECKED, "slow_start": "20ms"})
    took = []
    for turn in range(1, 6):
        peer.stop_listening()
        wait_until(lambda: len(rm.lines(change="down")) == turn, "the check to see it down")
        peer = backend(answer(b"1"), peer.address)
        wait_until(lambda: len(rm.lines(change="up")) == turn, "the check to see it up")
        began = time.monotonic()
        with wait_until(lambda: let_in(rm), "a place"), \
                wait_until(lambda: let_in(rm), "the second place"):
            took.append(time.monotonic() - began)
    assert max(took) < 0.2 * SCALE, took
