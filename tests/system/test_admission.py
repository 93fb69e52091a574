# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets in, how many at a time, how fast, and what becomes of the others."""

import contextlib
import signal
import socket

import pytest

from kit import backend as servers
from kit import proc, proxyhdr, tcp, tls
from kit.ini import ini
from kit.netns import Netns
from kit.wait import Stopwatch, wait_until

pytestmark = pytest.mark.haproxy_cannot("limits clients in another way")


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


def comes_in(rm, host, address=None):
    """Is one from there served, who leaves at once?"""
    try:
        with tcp.connect(address or rm.address(), source=(host, 0)) as sock:
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
    line = rm.wait_line(msg="rejected", reason="source_sessions")
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


@pytest.mark.parametrize("bits, other, stranger", (
    (None, "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"),
    (48, "2001:db8:0:2::1", "2001:db8:1:1::1"),
    (128, "2001:db8:0:1::1", "2001:db8:0:1::2")))
def test_source_of_ipv6_is_a_64_or_as_given(relay, connect, bits, other, stranger):
    """Clients that a proxy introduces; the proxy itself is no source."""
    rm = relay(proxy_protocol="accept", proxy_protocol_from="127.0.0.0/8", max_sessions_per_source=1,
               **({"source_prefix6": bits} if bits else {}))

    def introduced(host):
        sock = connect(rm.address())
        sock.sendall(proxyhdr.v2((host, 1000), ("2001:db8::9", 443)))
        return sock

    assert is_served(introduced("2001:db8:0:1::1"))
    assert not is_served(introduced(other))
    assert is_served(introduced(stranger))
    assert rm.wait_sessions(1)[0]["detail"] == "source_sessions"


# Over all workers

FOUR = {"workers": 4}
LIMITS_OF_SIX = {
    "source": {"listener": {"max_sessions_per_source": 6}},
    "backend": {"backend": "max_sessions=6"},
    "listener": {"listener": {"max_sessions": 6}},
    "process": {"settings": {"max_sessions": 6}},
}


def is_kept_out(rm):
    """Does one more wait or is it reset? It does not stay."""
    try:
        with tcp.connect(rm.address(), timeout=0.2) as late:
            late.sendall(b"one too many")
            try:
                return not late.recv(1)
            finally:
                tcp.reset(late)
    except (TimeoutError, ConnectionError):
        return True


@pytest.mark.threads
@pytest.mark.parametrize("of", LIMITS_OF_SIX)
def test_limits_are_of_the_whole_process(ringmain, backend, connect, of):
    """Four workers, of which each has some: six get in, and for each that leaves one more."""
    limit = LIMITS_OF_SIX[of]
    server = backend(servers.echo)
    rm = ringmain([f"{server.text} {limit.get('backend', '')}"], listener=limit.get("listener"),
                  settings={**FOUR, **limit.get("settings", {})}, pool={"queue": 20})
    inside = []

    def get_in():
        with contextlib.suppress(ConnectionResetError):
            client = connect(rm.address())
            if is_served(client):
                inside.append(client)
        return len(inside) == 6

    for _ in range(3):
        wait_until(get_in, "the places")
        assert is_kept_out(rm) and server.active() == 6
        inside.pop(0).close()
    for client in inside:
        client.close()
    assert len({line["worker"] for line in rm.wait_sessions(8, reason="done", bytes_up=5)}) > 1


# Before TLS

@pytest.mark.parametrize("is_introduced", (False, True))
def test_over_limit_is_closed_before_tls(ringmain, backend, connect, pki, is_introduced):
    """Who has sent no ClientHello yet is reset all the same, and costs no handshake."""
    behind = {"proxy_protocol": "accept", "proxy_protocol_from": "127.0.0.1"} if is_introduced else {}
    header = proxyhdr.v1(("192.0.2.9", 1), ("192.0.2.1", 443)) if is_introduced else b""
    rm = ringmain([backend(servers.echo)], listener={
        "tls": "terminate", "certificate": pki["ecdsa.pem"], "max_sessions_per_source": 1, **behind})
    first = connect(rm.address())
    first.sendall(header)
    secure = tls.TlsSocket(first, tls.client_context(pki), name=tls.NAME)
    tcp.exchange(secure, b"in")
    for _ in range(5):
        with contextlib.suppress(ConnectionResetError):     # which may be faster than connect()
            late = connect(rm.address())
            late.sendall(header)
            assert tcp.read_to_end(late) == (b"", "RST")
    tcp.exchange(secure, b"still here")
    assert len(rm.wait_sessions(5 if is_introduced else 0)) == len(rm.sessions(reason="refused"))
    rm.process.send_signal(signal.SIGUSR1)
    counted = rm.wait_line(msg="counters_tls", listener="in")
    assert (counted["hellos"], counted["handshakes"], counted["failed"]) == ("1", "1", "0")


def test_rate_of_one_source(relay):
    rm = relay(session_rate_per_source="3/s")
    assert [comes_in(rm, "127.0.0.41") for _ in range(3)] == [True] * 3
    assert not comes_in(rm, "127.0.0.41")
    rm.wait_line(msg="rejected", reason="source_rate")
    assert comes_in(rm, "127.0.0.42")
    wait_until(lambda: comes_in(rm, "127.0.0.41"), "the source to be let in again")


def test_full_table_turns_strangers_away_not_regulars(relay, come):
    rm = relay(max_sessions_per_source=2, source_table=16)
    held = [come(rm, f"127.0.3.{number}") for number in range(1, 17)]
    for sock in held:
        assert is_served(sock)
    assert not comes_in(rm, "127.0.3.99")
    rm.wait_line(msg="rejected", reason="source_table_full")
    assert comes_in(rm, "127.0.3.1"), "who is remembered is counted still"
    held[0].close()
    wait_until(lambda: comes_in(rm, "127.0.3.99"), "room in the table")


def test_refused_clients_cost_the_source_nothing(relay, come):
    """A hundred that are rejected leave no place taken."""
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
    rm.wait_line(msg="rejected", reason="source_sessions")
    expect_silence(late)


@pytest.mark.root
@pytest.mark.parametrize("payload", (b"", b"spoken at once"))
def test_over_limit_behind_a_proxy_is_dropped(relay, connect, payload):
    rm = relay(proxy_protocol="accept", proxy_protocol_from="127.0.0.1", max_sessions_per_source=1, over_limit="drop")

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


@pytest.mark.parametrize("limit", ({"deny": "127.0.0.71"}, {"session_rate_per_source": "1/s"}))
def test_a_flood_that_is_rejected_delays_nobody(relay, limit):
    """It uses up nothing of what its listener has for others."""
    rm = relay(session_rate="5/s", **limit)
    watch = Stopwatch()
    assert [comes_in(rm, "127.0.0.71") for _ in range(60)].count(True) <= 3
    assert comes_in(rm, "127.0.0.72")
    assert watch.seconds() < 3, "sixty that are rejected cost the rate of five a second"


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
        rm.wait_line(msg="rejected", reason="denied")


def test_rules_on_a_listener_of_both_families(ringmain, backend):
    """IPv4 clients of an IPv6 socket are IPv4 clients, to rules and to limits."""
    rm = ringmain(ini([backend(servers.echo)], binds=(":0",),
                      listener={"max_sessions_per_source": 1, "source_prefix4": 24})
                  .replace("[listener in]", "[listener in]\ndeny = 127.0.0.71\ndeny = ::1"))
    port = rm.address()[1]
    assert not comes_in(rm, "127.0.0.71", ("127.0.0.1", port))
    assert not comes_in(rm, "::1", ("::1", port))
    with tcp.connect(("127.0.0.1", port), source=("127.0.0.72", 0)) as held:
        assert is_served(held)
        assert not comes_in(rm, "127.0.0.73", ("127.0.0.1", port))
        assert comes_in(rm, "127.0.1.73", ("127.0.0.1", port))


def test_rules_of_ipv6(ringmain, backend):
    server = backend(servers.echo)
    for rule, answers in (("deny = ::1", [True, False]), ("deny = ::/0", [True, False]),
                          ("allow = ::1/128", [False, True]), ("deny = 127.0.0.0/8", [False, True])):
        rm = ringmain(ini([server], binds=("127.0.0.1:0", "[::1]:0"))
                      .replace("[listener in]", f"[listener in]\n{rule}"))
        assert [comes_in(rm, address[0], address) for address in rm.addresses()] == answers, rule


def test_all_of_it_is_off_by_default(make_ringmain):
    said = make_ringmain().check(ini(["127.0.0.1:1"]), "--dump").stdout
    for key in ("max_sessions_per_source", "session_rate", "session_rate_per_source", "bandwidth",
                "first_byte_timeout", "handshake_rate", "queue"):
        assert f"\n{key} = 0\n" in said, key
    assert "\nover_limit = close\n" in said and "\nsource_table = 100000\n" in said
    assert "\nallow" not in said and "\ndeny" not in said


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


def test_a_handshake_is_no_word_of_the_client(ringmain, backend, pki):
    rm = ringmain([backend(servers.echo)], listener={
        "tls": "terminate", "certificate": pki["ecdsa.pem"], "first_byte_timeout": "500ms"})
    silent, talker = (tls.connect(rm.address(), tls.client_context(pki)) for _ in range(2))
    tcp.exchange(talker, b"x")
    assert rm.wait_sessions(1)[0]["reason"] == "first_byte_timeout"
    tcp.exchange(talker, b"still here")
    silent.close()


def test_a_proxys_header_is_no_word_of_the_client(relay, connect):
    rm = relay(proxy_protocol="accept", proxy_protocol_from="127.0.0.1", first_byte_timeout="300ms")
    header = proxyhdr.v2(("192.0.2.1", 1), ("192.0.2.2", 2))
    silent, talker = connect(rm.address()), connect(rm.address())
    silent.sendall(header)
    talker.sendall(header + b"x")
    assert tcp.read_to_end(silent).data == b""
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
    assert int(line[f"bytes_{direction}"]) == len(data)


@pytest.mark.parametrize("relaying", ("copy", "splice"))
@pytest.mark.parametrize("direction", ("up", "down"))
def test_bandwidth_holds_from_the_first_byte(ringmain, backend, connect, direction, relaying):
    """What would be over at once, if it were for the kernel: on loopback ten segments are 640 kB."""
    data = bytes(256 << 10)
    server = backend(servers.source(data) if direction == "down" else servers.sink)
    rm = ringmain([server], listener={"bandwidth": "256k/s", "relay": relaying})
    client = connect(rm.address())
    watch = Stopwatch()
    if direction == "down":
        client.sendall(b"x")
        tcp.recv_exactly(client, len(data))
    else:
        client.sendall(data)
        tcp.hang_up(client)
        server.next_peer().done.wait(20)
    assert 0.5 < watch.seconds() < 10
    client.close()
    rm.wait_sessions(1)


@pytest.mark.root
def test_bandwidth_over_ethernet(ringmain, backend, connect, workdir, start):
    """The same where segments have 1448 bytes in any case."""
    nets = [start(Netns, workdir, number) for number in (1, 2)]
    nets[0].link(nets[1], "veth0", "veth1")
    nets[0].address("veth0", "10.9.0.1/24")
    nets[1].address("veth1", "10.9.0.2/24")
    data = bytes(256 << 10)
    server = nets[0].inside(servers.Backend, servers.source(data))
    try:
        rm = ringmain([server], listener={"bandwidth": "256k/s"}, binds=("10.9.0.1:0",),
                      prefix=nets[0].prefix)
        watch = Stopwatch()
        client = nets[1].inside(tcp.connect, rm.address())
        client.sendall(b"x")
        tcp.recv_exactly(client, len(data))
        assert 0.5 < watch.seconds() < 10
        client.close()
        rm.wait_sessions(1)
    finally:
        server.close()


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
