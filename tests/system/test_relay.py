# SPDX-License-Identifier: GPL-2.0-or-later
"""What a session is: bytes, FIN for FIN, RST for RST, in each transport, over each family."""

import os

import pytest

from kit import backend as kit_backend
from kit import tcp
from kit.wait import wait_until

RELAYS = ("copy", "splice", "auto")
MEGABYTE = 1 << 20
# Enough for `auto` to have gone over to splicing, and for `splice` to be in the middle of it.
STREAM = tcp.pattern("stream", 4 * MEGABYTE)

each_relay = pytest.mark.parametrize("relay", RELAYS)
each_direction = pytest.mark.parametrize("direction", ("up", "down"))


def ends(client, peer, direction):
    """(sender, receiver) of a direction."""
    return (client, peer) if direction == "up" else (peer, client)


def stream_through(sender, receiver, data=STREAM):
    sending = tcp.send_in_background(sender, data)
    tcp.expect(receiver, data)
    sending.result()


@each_relay
def test_bytes_arrive_both_ways(session, relay):
    client, peer, rm = session(listener={"relay": relay})
    stream_through(client, peer)
    stream_through(peer, client)
    tcp.hang_up(client)
    tcp.expect_end(peer, b"", "FIN")
    tcp.hang_up(peer)
    tcp.expect_end(client, b"", "FIN")
    line = rm.wait_sessions(1)[0]
    assert (line["bytes_up"], line["bytes_down"]) == (str(len(STREAM)), str(len(STREAM)))
    assert line["reason"] == "done"


@each_relay
def test_both_ways_at_once(session, relay):
    client, peer, _ = session(listener={"relay": relay})
    up, down = tcp.pattern("up", 16 * MEGABYTE), tcp.pattern("down", 16 * MEGABYTE)
    tasks = [tcp.send_in_background(client, up), tcp.send_in_background(peer, down)]
    receiving = tcp.Task(tcp.recv_exactly, peer, len(up))
    tcp.expect(client, down)
    assert receiving.result() == up
    for task in tasks:
        task.result()


@pytest.mark.haproxy_fails("sends FIN for RST", "down")
@each_direction
@each_relay
def test_reset_after_a_stream_is_a_reset(session, relay, direction):
    client, peer, rm = session(listener={"relay": relay})
    sender, receiver = ends(client, peer, direction)
    stream_through(sender, receiver)
    tcp.reset(sender)
    tcp.expect_end(receiver, b"", "RST")
    rm.wait_sessions(1, reason="client_reset" if direction == "up" else "backend_reset")


@pytest.mark.haproxy_fails("sends FIN for RST", "down")
@each_direction
@each_relay
def test_reset_of_a_silent_session_is_a_reset(session, relay, direction):
    client, peer, _ = session(listener={"relay": relay})
    sender, receiver = ends(client, peer, direction)
    tcp.reset(sender)
    tcp.expect_end(receiver, b"", "RST")


@pytest.mark.haproxy_fails("sends FIN for RST", "down")
@each_direction
@each_relay
def test_reset_in_mid_stream_leaves_a_prefix_and_a_reset(session, relay, direction):
    client, peer, _ = session(listener={"relay": relay})
    sender, receiver = ends(client, peer, direction)
    data = tcp.pattern("mid", 32 * MEGABYTE)
    sender.settimeout(0.2)
    with pytest.raises(TimeoutError):       # nobody reads: all buffers on the way are full
        sender.sendall(data)
    tcp.reset(sender)
    got = tcp.read_to_end(receiver)
    assert data.startswith(got.data)
    assert got.how == "RST"


@pytest.mark.haproxy_fails("sends FIN for RST", "up")
@each_direction
@each_relay
def test_reset_by_the_receiver_reaches_the_sender(session, relay, direction):
    client, peer, _ = session(listener={"relay": relay})
    sender, receiver = ends(client, peer, direction)
    stream_through(sender, receiver)
    tcp.reset(receiver)
    tcp.expect_end(sender, b"", "RST")


@pytest.mark.haproxy_fails("sends FIN for RST", "up")
@each_direction
@each_relay
def test_reset_by_a_receiver_that_did_not_read(session, relay, direction):
    """A send that waits for room when the reset comes must not hide it from the other lane."""
    client, peer, _ = session(listener={"relay": relay})
    sender, receiver = ends(client, peer, direction)
    sender.settimeout(0.2)
    with pytest.raises(TimeoutError):
        sender.sendall(tcp.pattern("stuck", 32 * MEGABYTE))
    tcp.reset(receiver)
    sender.settimeout(tcp.TIMEOUT_S)
    tcp.expect_end(sender, b"", "RST")


@pytest.mark.haproxy_fails("sends FIN for RST")
@each_direction
@each_relay
def test_reset_after_a_half_close_is_a_reset(session, relay, direction):
    """One lane is done; the one who still sends breaks off."""
    client, peer, _ = session(listener={"relay": relay})
    sender, receiver = ends(client, peer, direction)
    tcp.hang_up(receiver)
    tcp.expect_end(sender, b"", "FIN")
    stream_through(sender, receiver)
    tcp.reset(sender)
    tcp.expect_end(receiver, b"", "RST")


@each_direction
@each_relay
def test_what_came_before_a_reset_is_delivered(session, relay, direction):
    """The last words of a server that then aborts (a database's error message) must arrive."""
    client, peer, _ = session(listener={"relay": relay})
    sender, receiver = ends(client, peer, direction)
    sender.sendall(b"last words")
    tcp.expect(receiver, b"last words")
    tcp.reset(sender)
    tcp.read_to_end(receiver)


@each_direction
@each_relay
def test_fin_waits_for_the_bytes_before_it(session, relay, direction):
    client, peer, _ = session(listener={"relay": relay})
    sender, receiver = ends(client, peer, direction)
    sending = tcp.send_in_background(sender, STREAM)
    wait_until(lambda: len(receiver.recv(1, 2)) == 1, "the first byte")      # 2: MSG_PEEK
    got = tcp.Task(tcp.read_to_end, receiver)
    sending.result()
    tcp.hang_up(sender)
    assert got.result() == (STREAM, "FIN")


@each_direction
@each_relay
def test_half_close_with_10_mb_still_coming_back(session, relay, direction):
    client, peer, rm = session(listener={"relay": relay})
    asker, teller = ends(client, peer, direction)
    answer = tcp.pattern("answer", 10 * MEGABYTE)
    asker.sendall(b"all?")
    tcp.hang_up(asker)
    tcp.expect_end(teller, b"all?", "FIN")
    telling = tcp.send_in_background(teller, answer)
    tcp.expect(asker, answer)
    telling.result()
    tcp.hang_up(teller)
    tcp.expect_end(asker, b"", "FIN")
    rm.wait_sessions(1, reason="done")


@each_relay
def test_fin_without_a_byte(session, relay):
    client, peer, rm = session(listener={"relay": relay})
    tcp.hang_up(client)
    tcp.expect_end(peer, b"", "FIN")
    peer.close()
    tcp.expect_end(client, b"", "FIN")
    rm.wait_sessions(1, reason="done", bytes_up=0, bytes_down=0)


def test_client_that_closes_with_unread_bytes_is_a_reset(session):
    """The kernel answers bytes to a closed socket with RST; that must end the session at once."""
    client, peer, rm = session()
    peer.sendall(b"x" * MEGABYTE)
    wait_until(lambda: client.recv(1, 2), "the first byte")
    client.close()
    rm.wait_sessions(1)
    assert tcp.read_to_end(peer).data == b""


@each_relay
def test_one_byte_at_a_time(session, relay):
    client, peer, _ = session(listener={"relay": relay})
    client.setsockopt(6, 1, 1)      # TCP_NODELAY
    for byte in tcp.pattern("drip", 300):
        client.sendall(bytes([byte]))
        tcp.expect(peer, bytes([byte]))
        peer.sendall(bytes([byte]))
        tcp.expect(client, bytes([byte]))


def test_ipv6(ringmain, backend, connect):
    server = backend(kit_backend.echo, ("::1", 0))
    rm = ringmain([server], binds=["[::1]:0"])
    tcp.exchange(connect(rm.address()), STREAM[:MEGABYTE // 8])


@each_relay
def test_unix_sockets(ringmain, backend, connect, workdir, relay):
    server = backend(kit_backend.echo, f"{workdir}/backend.sock")
    rm = ringmain([server], binds=[f"unix:{workdir}/front.sock"], listener={"relay": relay})
    client = connect(rm.address())
    sending = tcp.send_in_background(client, STREAM)
    tcp.expect(client, STREAM)
    sending.result()
    tcp.hang_up(client)
    tcp.expect_end(client, b"", "FIN")
    rm.wait_sessions(1, reason="done")


@pytest.mark.haproxy_fails("leaves the file")
def test_the_file_of_a_unix_listener_goes_with_it(ringmain, backend, workdir):
    path = f"{workdir}/front.sock"
    rm = ringmain([backend(kit_backend.echo)], binds=[f"unix:{path}"])
    assert os.path.exists(path)
    rm.stop()
    assert not os.path.exists(path)


@each_relay
def test_tcp_to_unix_and_back(ringmain, backend, connect, workdir, relay):
    server = backend(kit_backend.echo, f"{workdir}/backend.sock")
    rm = ringmain([server], listener={"relay": relay})
    client = connect(rm.address())
    sending = tcp.send_in_background(client, STREAM)
    tcp.expect(client, STREAM)
    sending.result()


def test_several_addresses_of_one_listener(ringmain, backend, connect):
    server = backend(kit_backend.echo)
    rm = ringmain([server], binds=["127.0.0.1:0", "[::1]:0", "localhost:0"])
    assert len(rm.addresses()) >= 3
    for address in rm.addresses():
        tcp.exchange(connect(address), b"hello")


def test_two_hundred_sessions_at_once(ringmain, backend, connect):
    server = backend(kit_backend.echo)
    rm = ringmain([server])
    clients = [connect(rm.address()) for _ in range(200)]
    for number, client in enumerate(clients):
        client.sendall(tcp.pattern(number, 5000))
    for number, client in enumerate(clients):
        tcp.expect(client, tcp.pattern(number, 5000))
        client.close()
    rm.wait_sessions(200)
