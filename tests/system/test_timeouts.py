# SPDX-License-Identifier: GPL-2.0-or-later
"""Deadlines: when a session ends that nobody ended, and how both sides learn of it.

Nobody sent FIN, so both sides see RST.
"""

import time

import pytest

from kit import tcp
from kit.wait import SCALE, Stopwatch, wait_until

SLACK_S = 3.0 * SCALE      # how late a deadline may be on a busy machine


def wait_readable(sock):
    """Seconds until the socket has something to say: data or its end."""
    watch = Stopwatch()
    got = tcp.read_to_end(sock)
    return watch.seconds(), got


def keep_talking(sender, receiver, seconds, pause):
    """Sends a byte every pause seconds for so long; each must arrive."""
    watch = Stopwatch()
    while watch.seconds() < seconds:
        sender.sendall(b".")
        tcp.expect(receiver, b".")
        time.sleep(pause)       # the pause is what is tested


@pytest.mark.haproxy_fails("ends with FIN")
def test_idle_session_is_reset(session):
    client, peer, rm = session(listener={"idle_timeout": "500ms"})
    client.sendall(b"hello")
    tcp.expect(peer, b"hello")
    seconds, got = wait_readable(client)
    assert 0.4 <= seconds <= 0.5 + SLACK_S
    assert got == (b"", "RST")
    tcp.expect_end(peer, b"", "RST")
    line = rm.wait_sessions(1, reason="idle")[0]
    assert 400 <= int(line["duration_ms"]) <= 500 + SLACK_S * 1000


@pytest.mark.parametrize("relay", ("copy", "splice"))
@pytest.mark.parametrize("direction", ("up", "down"))
def test_bytes_in_one_direction_keep_a_session(session, direction, relay):
    client, peer, rm = session(listener={"idle_timeout": "1s", "relay": relay})
    sender, receiver = (client, peer) if direction == "up" else (peer, client)
    keep_talking(sender, receiver, 2.2, 0.1)
    assert not rm.sessions()


def test_idle_timeout_of_a_silent_backend(session):
    """A backend that accepts and says nothing does not hold a session for ever."""
    client, _, rm = session(listener={"idle_timeout": "300ms"})
    client.sendall(b"anybody there?")
    tcp.read_to_end(client)
    rm.wait_sessions(1, reason="idle")


def test_idle_timeout_with_a_reader_that_stopped(session):
    """Bytes wait in ringmain for a reader that does not read: nothing moves, so it is idle."""
    client, peer, rm = session(rcvbuf=4096, listener={"idle_timeout": "2s"})
    peer.settimeout(0.2)
    with pytest.raises(TimeoutError):
        peer.sendall(b"x" * (64 << 20))
    rm.wait_sessions(1, reason="idle")
    assert set(tcp.read_to_end(client).data) == {ord("x")}


@pytest.mark.haproxy_fails("ends with FIN")
@pytest.mark.parametrize("direction", ("up", "down"))
def test_half_closed_session_is_reset_when_nothing_flows(session, direction):
    client, peer, rm = session(listener={"idle_timeout": "1h", "half_close_timeout": "500ms"})
    ender, other = (client, peer) if direction == "up" else (peer, client)
    tcp.hang_up(ender)
    tcp.expect_end(other, b"", "FIN")
    seconds, got = wait_readable(ender)
    assert 0.4 <= seconds <= 0.5 + SLACK_S
    assert got == (b"", "RST")
    rm.wait_sessions(1, reason="half_closed_idle")
    with pytest.raises(ConnectionError):        # the other one learns of it when it sends
        wait_until(lambda: other.send(b"x") and False, "the reset")


@pytest.mark.parametrize("direction", ("up", "down"))
def test_half_closed_session_lives_while_bytes_flow(session, direction):
    client, peer, rm = session(listener={"half_close_timeout": "1s"})
    ender, other = (client, peer) if direction == "up" else (peer, client)
    tcp.hang_up(ender)
    keep_talking(other, ender, 2.2, 0.1)
    assert not rm.sessions()
    tcp.hang_up(other)
    tcp.expect_end(ender, b"", "FIN")
    rm.wait_sessions(1, reason="done")


@pytest.mark.haproxy_cannot("has no 0")
def test_timeouts_can_be_switched_off(session):
    client, peer, rm = session(listener={"idle_timeout": "0", "half_close_timeout": "0"})
    tcp.hang_up(client)
    time.sleep(0.5)             # long enough for a 0 taken at its word
    keep_talking(peer, client, 0.1, 0.05)
    assert not rm.sessions()
