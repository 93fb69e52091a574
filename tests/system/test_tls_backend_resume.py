# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions with backends are resumed: with openssl's server, and with PostgreSQL, which gives out no tickets."""

import pytest

from kit import proc, servers, tcp
from kit.ports import free_port
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

@pytest.fixture
def s_server(workdir, pki):
    """s_server(args ...) gives openssl's server, which answers a line with itself, turned round."""
    started = []

    def begin(*args, port=None):
        port = port or free_port("127.0.0.1")
        process = proc.Process([proc.need("openssl", "openssl"), "s_server", "-rev", "-quiet", "-accept",
                                f"127.0.0.1:{port}", "-cert", pki["backend.crt"], "-key", pki["backend.key"],
                                *args], f"{workdir}/s_server-{len(started)}")
        started.append(process)
        wait_until(lambda: tcp_answers(port) or not process.alive(), "openssl's server")
        assert process.alive(), process.text()
        process.port = port
        return process
    yield begin
    for process in started:
        process.stop()


def tcp_answers(port):
    try:
        tcp.connect(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


def ask(rm):
    with tcp.connect(rm.address()) as sock:
        sock.sendall(b"hello\n")
        tcp.expect(sock, b"olleh\n")


def resumed(rm, count):
    """Of the sessions so far, which were resumed."""
    return [line.get("backend_resumed") == "yes" for line in rm.wait_sessions(count)]


@pytest.fixture
def to(ringmain, pki):
    def begin(backends, **pool):
        return ringmain(backends, pool={"tls": "yes", "tls_ca": pki["ca.crt"], **pool},
                        settings={"workers": 1})
    return begin


def test_resumed_after_the_first(to, s_server):
    server = s_server()
    rm = to([f"127.0.0.1:{server.port}"])
    for _ in range(4):
        ask(rm)
    assert resumed(rm, 4) == [False, True, True, True]


def test_backend_that_has_forgotten(to, s_server):
    """A restart changes the keys of its tickets: it is not held against it, and nobody notices."""
    server = s_server()
    rm = to([f"127.0.0.1:{server.port}"])
    ask(rm)
    ask(rm)
    rm.wait_sessions(2)
    server.stop()
    s_server(port=server.port)
    ask(rm)
    ask(rm)
    lines = rm.wait_sessions(4)
    assert resumed(rm, 4) == [False, True, False, True]
    assert {line["reason"] for line in lines} == {"done"} and not any("failed_tries" in line for line in lines)


@pytest.mark.parametrize("args", ((), ("-no_ticket",)), ids=("tickets", "none"))
@pytest.mark.own_library("session-of-tls13.patch")
def test_backend_of_another_version_now_and_then(to, s_server, args):
    """As where servers of TLS 1.3 and of 1.2 are behind one address: what one gave means nothing to the other."""
    server = s_server()
    rm = to([f"127.0.0.1:{server.port}"])
    ask(rm)
    for turn, version in enumerate((("-tls1_2", *args), (), ("-tls1_2", *args))):
        rm.wait_sessions(1 + 2 * turn)
        server.stop()
        server = s_server(*version, port=server.port)
        ask(rm)
        ask(rm)
    lines = rm.wait_sessions(7)
    assert resumed(rm, 7) == [False, False, False, False, True, False, False]
    assert {line["reason"] for line in lines} == {"done"} and not any("failed_tries" in line for line in lines)


def test_impostor_with_another_certificate(to, s_server, pki):
    """Who takes the backend's place has no key for its tickets, and shows what it is."""
    server = s_server()
    rm = to([f"127.0.0.1:{server.port}"], eject_after="0")
    ask(rm)
    ask(rm)
    rm.wait_sessions(2)
    server.stop()
    s_server("-cert", pki["stranger-backend.crt"], "-key", pki["stranger-backend.key"], port=server.port)
    assert tcp.knock(rm.address()) == (b"", "RST")
    assert rm.wait_sessions(3)[2]["detail"] == "unknown CA"


@pytest.mark.parametrize("args, pool", ((("-tls1_2",), {}), ((), {"tls_tickets": "no"})))
def test_never(to, s_server, args, pool):
    server = s_server(*args)
    rm = to([f"127.0.0.1:{server.port}"], **pool)
    for _ in range(3):
        ask(rm)
    assert resumed(rm, 3) == [False, False, False]


def test_postgres_has_full_handshakes(ringmain, module_dir, pki):
    server = servers.TlsPostgres(module_dir, pki, 1)
    try:
        rm = ringmain([server], listener={"protocol": "postgres"},
                      pool={"protocol": "postgres", "tls": "yes", "tls_ca": pki["ca.crt"]})
        for _ in range(3):
            done = server.tool("psql", "-Atc", "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
                               address=rm.address())
            assert done.stdout.strip() == "t"
        assert resumed(rm, 3) == [False, False, False]
    finally:
        server.close()
