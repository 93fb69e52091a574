# SPDX-License-Identifier: GPL-2.0-or-later
"""Getting to a backend: deadlines, other backends, the budget, and never a byte twice."""

import contextlib
import socket

import pytest

from kit import backend as kit_backend
from kit import tcp
from kit.ports import reserved_port
from kit.wait import SCALE, Stopwatch

SLACK_S = 3.0 * SCALE
IN_ORDER = {"balance": "first"}     # the first backend of the file is tried first


@pytest.fixture
def dead(cleanup):
    """dead() gives the address of a port that refuses."""
    def make():
        sock, port = reserved_port()
        cleanup.append(sock.close)
        return f"127.0.0.1:{port}"
    return make


def test_refusing_backend_is_passed_over(ringmain, backend, connect, dead):
    server = backend(kit_backend.echo)
    rm = ringmain([dead(), server, dead()], pool=IN_ORDER)
    for number in range(20):
        tcp.exchange(connect(rm.address()), tcp.pattern(number, 1000))
    assert len(server.peers) == 20


def test_session_names_the_backend_it_got(ringmain, backend, connect, dead):
    rm = ringmain([dead(), backend(kit_backend.echo)], pool=IN_ORDER)
    for number in range(4):
        client = connect(rm.address())
        tcp.exchange(client, b"x")
        client.close()
    rm.wait_sessions(4, backend="b2", reason="done")


@pytest.mark.haproxy_fails("sends FIN")
def test_all_backends_down_is_a_reset(ringmain, connect, dead):
    rm = ringmain([dead(), dead()])
    assert tcp.knock(rm.address()) == (b"", "RST")
    rm.wait_sessions(1, reason="connect_refused")


@pytest.mark.haproxy_cannot("tries the same backend again")
def test_a_backend_is_tried_once(ringmain, connect, manual, blackhole):
    """With more tries than backends the session fails at once, not after trying them again."""
    rm = ringmain([blackhole(), blackhole()],
                  pool={"connect_timeout": "300ms", "connect_total": "5s"})
    watch = Stopwatch()
    tcp.knock(rm.address())
    assert 0.5 <= watch.seconds() <= 0.6 + SLACK_S


@pytest.mark.haproxy_cannot("counts the last try only")
def test_connect_timeout_goes_to_another_backend(ringmain, backend, connect, blackhole):
    server = backend(kit_backend.echo)
    rm = ringmain([blackhole(), server], pool={**IN_ORDER, "connect_timeout": "300ms"})
    client = connect(rm.address())
    tcp.exchange(client, b"hello")
    client.close()
    line = rm.wait_sessions(1, reason="done", backend="b2")[0]
    assert 250 <= int(line["connect_ms"]) <= 300 + SLACK_S * 1000


@pytest.mark.haproxy_cannot("has no total")
def test_total_budget_ends_the_tries(ringmain, connect, blackhole):
    rm = ringmain([blackhole() for _ in range(5)],
                  pool={"connect_timeout": "400ms", "connect_total": "1s"})
    watch = Stopwatch()
    assert tcp.knock(rm.address()) == (b"", "RST")
    assert 0.9 <= watch.seconds() <= 1.0 + SLACK_S
    rm.wait_sessions(1, reason="connect_timeout")


@pytest.mark.haproxy_cannot("may try the same one again")
def test_bytes_sent_while_dialing_arrive_once(ringmain, backend, connect, blackhole, dead):
    """The client talks at once; the bytes wait until a backend is there."""
    server = backend(kit_backend.echo)
    rm = ringmain([blackhole(), dead(), server], pool={**IN_ORDER, "connect_timeout": "300ms"})
    clients = [connect(rm.address()) for _ in range(6)]
    for number, client in enumerate(clients):
        client.sendall(tcp.pattern(number, 60000))
        tcp.hang_up(client)
    for number, client in enumerate(clients):
        tcp.expect_end(client, tcp.pattern(number, 60000), "FIN")
    assert sorted(peer.received for peer in server.peers) == [60000] * 6


@pytest.mark.parametrize("taken", (1, 100, 5000))
@pytest.mark.haproxy_fails("sends FIN for RST")
def test_no_byte_is_sent_to_a_second_backend(ringmain, backend, connect, taken):
    """A backend that took bytes and broke off ends the session; nobody else sees those bytes."""
    breaker, other = backend(kit_backend.reset_after(taken)), backend(kit_backend.echo)
    rm = ringmain([breaker, other], pool={"balance": "roundrobin"})
    clients = [connect(rm.address()) for _ in range(20)]
    for number, client in enumerate(clients):
        client.sendall(tcp.pattern(number, 5000))
        with contextlib.suppress(OSError):  # the reset may have come already
            tcp.hang_up(client)
    endings = [tcp.read_to_end(client) for client in clients]
    rm.wait_sessions(20)
    broken = [number for number, got in enumerate(endings) if got.how == "RST"]
    assert len(broken) == len(breaker.peers) == 10
    seen_by_other = {peer.head for peer in other.peers}
    for number in broken:
        assert endings[number].data == b""
        assert tcp.pattern(number, 5000)[:256] not in seen_by_other


@pytest.mark.haproxy_fails("sends FIN for RST")
def test_accept_then_reset_is_no_retry_storm(ringmain, backend, connect):
    """F12. Each session bothers the backend at most once, and the client is not left waiting."""
    server = backend(kit_backend.reset_after(0))
    rm = ringmain([server])
    for _ in range(50):
        assert tcp.knock(rm.address()) == (b"", "RST")
    rm.wait_sessions(50)
    assert len(server.peers) == 50


def test_backend_that_comes_back_is_used_again(ringmain, backend, connect):
    """A backend without a check is not shunned for a past failure."""
    sock, port = reserved_port()
    rm = ringmain([f"127.0.0.1:{port}"])
    assert tcp.knock(rm.address()).data == b""
    sock.close()
    server = backend(kit_backend.echo, ("127.0.0.1", port))
    tcp.exchange(connect(rm.address()), b"back again")
    assert len(server.peers) == 1


@pytest.mark.haproxy_cannot("finds out later")
def test_client_that_leaves_while_dialing_ends_the_session(ringmain, connect, blackhole):
    rm = ringmain([blackhole()], pool={"connect_timeout": "20s", "connect_total": "20s"})
    client = connect(rm.address())
    watch = Stopwatch()
    tcp.reset(client)
    rm.wait_sessions(1, reason="client_reset")
    assert watch.seconds() < 5 * SCALE


def test_missing_unix_backend_is_passed_over(ringmain, backend, connect, workdir):
    rm = ringmain([f"unix:{workdir}/nobody.sock", backend(kit_backend.echo)], pool=IN_ORDER)
    for _ in range(4):
        tcp.exchange(connect(rm.address()), b"x")


@pytest.fixture
def full(workdir, cleanup):
    """The address of a unix socket whose backlog is full, for nobody accepts."""
    server = kit_backend.listen(f"{workdir}/full.sock", backlog=0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(server.getsockname())
    cleanup.extend([first.close, server.close])
    return server


@pytest.mark.haproxy_cannot("other words")
def test_full_unix_backlog_holds_up_no_other_backend(ringmain, manual, connect, full, workdir):
    """Not even one that is full for a moment: all of a worker would share one thread of the kernel."""
    server = manual(f"{workdir}/slow.sock", backlog=0)
    rm = ringmain(f"""
[listener stuck]
bind = 127.0.0.1:0
pool = stuck
[listener slow]
bind = 127.0.0.1:0
pool = slow
[pool stuck]
backend = b1 unix:{full.getsockname()}
connect_timeout = 60s
connect_total = 60s
check = tcp
check_timeout = 60s
[pool slow]
backend = b1 unix:{server.address}
connect_timeout = 60s
connect_total = 60s
""")
    waiting = [connect(rm.address("stuck")) for _ in range(10)]
    clients = [connect(rm.address("slow")) for _ in range(10)]
    for client in clients:
        client.sendall(b"x")
    for _ in clients:
        tcp.expect(server.accept(), b"x")
    for client in waiting:
        tcp.reset(client)
    rm.wait_sessions(10, listener="stuck", reason="client_reset")


@pytest.mark.haproxy_cannot("other words")
def test_full_unix_backlog_is_a_timeout(ringmain, full):
    rm = ringmain([f"unix:{full.getsockname()}"], pool={"connect_timeout": "300ms"})
    assert tcp.knock(rm.address()) == (b"", "RST")
    rm.wait_sessions(1, reason="connect_timeout", detail="the backlog is full")


def test_backend_by_host_name(ringmain, backend, connect):
    server = backend(kit_backend.echo)
    rm = ringmain([f"localhost:{server.address[1]}"])
    tcp.exchange(connect(rm.address()), b"hello")


def test_fin_before_the_backend_is_there(ringmain, backend, connect, blackhole):
    """A client that sends everything and closes its side while ringmain still dials."""
    server = backend(kit_backend.echo)
    rm = ringmain([blackhole(), server], pool={**IN_ORDER, "connect_timeout": "300ms"})
    for _ in range(2):
        client = connect(rm.address())
        client.sendall(b"one shot")
        client.shutdown(socket.SHUT_WR)
        tcp.expect_end(client, b"one shot", "FIN")
