# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets in, how many at a time, how fast, and what becomes of the others."""

import socket

import pytest

from kit import backend as servers
from kit import proc, proxyhdr, tcp
from kit.ini import ini
from kit.wait import Stopwatch, wait_until


@pytest.fixture
def relay(ringmain, backend):
    """relay(key=value, ...) starts one with these directives before an echo server."""
    return lambda **listener: ringmain([backend(servers.echo)], listener=listener)


@pytest.fixture
def come(connect):
    """come(rm, "127.0.0.9") connects from there."""
    return lambda rm, host: connect(rm.address(), source=(host, 0))


def is_served(sock, data=b"hello"):
    """Does it get its echo, or an end before the first byte?"""
    try:
        sock.sendall(data)
    except ConnectionError:
        return False
    got = b""
    while len(got) < len(data):
        try:
            part = sock.recv(len(data) - len(got))
        except ConnectionResetError:
            part = b""
        if not part:
            assert not got
            return False
        got += part
    return True


def comes_in(rm, host):
    """Is one from there served, who leaves at once?"""
    try:
        with tcp.connect(rm.address(), source=(host, 0)) as sock:
            return is_served(sock)
    except ConnectionResetError:
        return False


# Limits of a source

def test_sessions_of_one_source(relay, come):
    rm = relay(max_sessions_per_source=2)
    held = [come(rm, "127.0.0.31") for _ in range(2)]
    for sock in held:
        tcp.exchange(sock, b"in")
    assert not comes_in(rm, "127.0.0.31")
    line = rm.wait_line(msg="turned away", reason="source_sessions")
    assert line["client"].startswith("127.0.0.31")
    assert comes_in(rm, "127.0.0.32")
    held[0].close()
    wait_until(lambda: comes_in(rm, "127.0.0.31"), "the place that became free")
    tcp.exchange(held[1], b"and was not disturbed")


def test_source_is_a_block(relay, come):
    rm = relay(max_sessions_per_source=2, source_prefix4=24)
    for host in ("127.0.1.1", "127.0.1.2"):
        tcp.exchange(come(rm, host), b"in")
    assert not comes_in(rm, "127.0.1.3")
    assert comes_in(rm, "127.0.2.3")


def test_source_of_ipv6_is_a_64(relay, connect):
    """Clients that a proxy introduces; the proxy itself is no source."""
    rm = relay(proxy="accept", proxy_from="127.0.0.0/8", max_sessions_per_source=1)

    def introduced(host):
        sock = connect(rm.address())
        sock.sendall(proxyhdr.v2((host, 1000), ("2001:db8::9", 443)))
        return sock

    assert is_served(introduced("2001:db8:0:1::1"))
    assert not is_served(introduced("2001:db8:0:1:ffff::2"))
    assert is_served(introduced("2001:db8:0:2::1"))
    assert rm.wait_sessions(1)[0]["detail"] == "source_sessions"


def test_rate_of_one_source(relay):
    rm = relay(session_rate_per_source="3/s")
    assert [comes_in(rm, "127.0.0.41") for _ in range(3)] == [True] * 3
    assert not comes_in(rm, "127.0.0.41")
    rm.wait_line(msg="turned away", reason="source_rate")
    assert comes_in(rm, "127.0.0.42")
    wait_until(lambda: comes_in(rm, "127.0.0.41"), "the source to be let in again")


def test_full_table_turns_strangers_away_not_regulars(relay, come):
    rm = relay(max_sessions_per_source=2, source_table=16)
    held = [come(rm, f"127.0.3.{number}") for number in range(1, 17)]
    for sock in held:
        assert is_served(sock)
    assert not comes_in(rm, "127.0.3.99")
    rm.wait_line(msg="turned away", reason="source_table_full")
    assert comes_in(rm, "127.0.3.1"), "who is remembered is counted still"
    held[0].close()
    wait_until(lambda: comes_in(rm, "127.0.3.99"), "room in the table")


def test_refused_clients_cost_the_source_nothing(relay, come):
    """A hundred that are turned away leave no place taken."""
    rm = relay(max_sessions_per_source=1)
    held = come(rm, "127.0.0.51")
    tcp.exchange(held, b"in")
    for _ in range(100):
        assert not comes_in(rm, "127.0.0.51")
    held.close()
    wait_until(lambda: comes_in(rm, "127.0.0.51"), "the only place")


def test_over_limit_is_closed(relay, connect):
    rm = relay(max_sessions_per_source=1)
    tcp.exchange(connect(rm.address()), b"in")
    assert tcp.knock(rm.address()) == (b"", "RST")


def expect_silence(sock):
    """Neither FIN nor a reset comes; what it sends is to a connection that nobody knows any more."""
    sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\x01", "not established"
    sock.settimeout(tcp.TIMEOUT_S)
    sock.sendall(b"is anybody there?")
    assert tcp.read_to_end(sock) == (b"", "RST")


@pytest.mark.root
def test_over_limit_is_dropped(relay, come):
    rm = relay(max_sessions_per_source=1, over_limit="drop")
    tcp.exchange(come(rm, "127.0.0.62"), b"in")
    late = come(rm, "127.0.0.62")
    rm.wait_line(msg="turned away", reason="source_sessions")
    expect_silence(late)


@pytest.mark.root
@pytest.mark.parametrize("payload", (b"", b"spoken at once"))
def test_over_limit_behind_a_proxy_is_dropped(relay, connect, payload):
    rm = relay(proxy="accept", proxy_from="127.0.0.1", max_sessions_per_source=1, over_limit="drop")

    def introduced(host, said=b""):
        sock = connect(rm.address())
        sock.sendall(proxyhdr.v1((host, 1000), ("192.0.2.1", 443)) + said)
        return sock

    assert is_served(introduced("192.0.2.62"))
    late = introduced("192.0.2.62", payload)
    assert rm.wait_sessions(1, reason="refused")[0]["detail"] == "source_sessions"
    expect_silence(late)
    assert is_served(introduced("192.0.2.63"))


@pytest.mark.root
def test_without_the_right_to_drop_it_is_a_reset(ringmain, backend, connect):
    rm = ringmain([backend(servers.echo)],
                  listener={"max_sessions_per_source": 1, "over_limit": "drop"},
                  prefix=[proc.need("setpriv", "util-linux"), "--bounding-set=-net_admin"])
    tcp.exchange(connect(rm.address()), b"in")
    assert tcp.knock(rm.address()) == (b"", "RST")


# Limits of a listener

def test_rate_of_a_listener_lets_the_others_wait(relay, connect):
    rm = relay(session_rate="10/s")
    watch = Stopwatch()
    clients = [connect(rm.address()) for _ in range(20)]
    for client in clients:
        client.sendall(b"x")
    for client in clients:
        tcp.expect(client, b"x")
    assert watch.seconds() > 0.4, "twenty came in faster than ten a second"
    assert watch.seconds() < 5


# Rules

RULES = [
    ("allow = 127.0.0.71\ndeny = all", {"127.0.0.71": True, "127.0.0.72": False}),
    ("deny = 127.0.0.71", {"127.0.0.71": False, "127.0.0.72": True}),
    ("allow = 127.0.0.71", {"127.0.0.71": True, "127.0.0.72": False}),
    ("deny = 127.0.0.71\nallow = 127.0.0.0/24\ndeny = 127.0.0.0/8\nallow = all",
     {"127.0.0.71": False, "127.0.0.72": True, "127.0.9.1": False}),
    ("allow = 127.0.0.0/24\ndeny = 127.0.0.71\nallow = 127.0.9.1",
     {"127.0.0.71": True, "127.0.9.1": True, "127.0.9.2": False}),
    ("deny = all\nallow = 127.0.0.71", {"127.0.0.71": False}),
]


@pytest.mark.parametrize("rules, answers", RULES, ids=[rules.replace("\n", ", ") for rules, _ in RULES])
def test_first_rule_that_fits_decides(ringmain, backend, rules, answers):
    server = backend(servers.echo)
    rm = ringmain(ini([server]).replace("[listener in]", f"[listener in]\n{rules}"))
    assert {host: comes_in(rm, host) for host in answers} == answers
    assert len(server.peers) == sum(answers.values())
    if not all(answers.values()):
        rm.wait_line(msg="turned away", reason="denied")


# Silence

def test_silent_client_has_a_deadline(relay, connect):
    rm = relay(first_byte_timeout="300ms")
    watch = Stopwatch()
    silent, talker = connect(rm.address()), connect(rm.address())
    talker.sendall(b"x")
    assert tcp.read_to_end(silent).data == b""
    assert watch.seconds() > 0.2
    assert rm.wait_sessions(1)[0]["reason"] == "first_byte_timeout"
    tcp.expect(talker, b"x")
    tcp.exchange(talker, b"still here")


# Speed

@pytest.mark.parametrize("relaying", ("copy", "splice"))
@pytest.mark.parametrize("direction", ("up", "down"))
def test_bandwidth(ringmain, backend, connect, direction, relaying):
    """Eight megabytes at four in a second: two seconds, roughly."""
    data = bytes(8 << 20)
    server = backend(servers.source(data) if direction == "down" else servers.sink)
    rm = ringmain([server], listener={"bandwidth": "4M/s", "relay": relaying})
    client, watch = connect(rm.address(), rcvbuf=1 << 16), Stopwatch()
    if direction == "down":
        client.sendall(b"x")
        tcp.recv_exactly(client, len(data))
    else:
        client.sendall(data)
        tcp.hang_up(client)
        server.next_peer().done.wait(20)
    assert 0.7 < watch.seconds() < 6
    client.close()
    line = rm.wait_sessions(1)[0]
    assert int(line[direction]) == len(data)


def test_bandwidth_is_of_one_session(ringmain, backend, connect):
    """A slow one does not slow a small one."""
    server = backend(servers.echo)
    rm = ringmain([server], listener={"bandwidth": "1M/s"})
    greedy = connect(rm.address())
    task = tcp.send_in_background(greedy, bytes(64 << 20))
    peer = server.next_peer()
    wait_until(lambda: peer.received > 0, "the greedy one to begin")
    watch = Stopwatch()
    tcp.exchange(connect(rm.address()), bytes(100_000))
    assert watch.seconds() < 2
    assert not task.is_done()
    greedy.shutdown(socket.SHUT_RDWR)
    with pytest.raises(OSError):
        task.result()
