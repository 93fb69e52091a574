# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets no backend hears it in PostgreSQL's own words, where it can understand them."""

import signal

import pytest

from kit import pgwire, servers, tcp, tls
from kit.ports import free_port

pytestmark = pytest.mark.haproxy_cannot("it knows nothing of PostgreSQL")

NOT_NOW, TOO_MANY = "57P03", "53300"


@pytest.fixture
def serving(ringmain, pki):
    """serving(mode, backends) gives a ringmain whose clients are in clear, or in TLS that ends there."""
    def begin(mode, behind, pool=None, settings=None, **listener):
        keys = {"protocol": "postgres", **listener}
        if mode == "terminate":
            keys.update({"tls": "terminate", "certificate": pki["ecdsa.pem"]})
        return ringmain(behind, listener=keys, pool=pool, settings=settings)
    return begin


@pytest.fixture
def log_in(connect, pki):
    """log_in(ringmain, mode) gives the socket of a client that has said who it is."""
    def begin(rm, mode):
        sock = connect(rm.address())
        if mode == "terminate":
            sock.sendall(pgwire.SSL_REQUEST)
            tcp.expect(sock, b"S")
            sock = tls.TlsSocket(sock, tls.client_context(pki), name=tls.NAME)
        sock.sendall(pgwire.startup())
        return sock
    return begin


def nobody():
    return f"127.0.0.1:{free_port('127.0.0.1')}"


def expect_error(sock, sqlstate):
    """One, and the end of the stream; nothing of ringmain's inside."""
    letter, body = pgwire.message(sock)
    error = pgwire.fields(body)
    assert letter == "E" and error["C"] == sqlstate and error["S"] == error["V"] == "FATAL"
    assert not any(word in error["M"] for word in ("ringmain", "b1", "127.0.0.1", "pool"))
    assert sock.recv(1) == b""
    sock.close()


MODES = pytest.mark.parametrize("mode", ("clear", "terminate"))


@MODES
def test_connect_refused(serving, log_in, mode):
    rm = serving(mode, [nobody(), nobody()])
    expect_error(log_in(rm, mode), NOT_NOW)
    rm.wait_sessions(1, reason="connect_refused")


def test_connect_timeout(serving, log_in, blackhole):
    rm = serving("clear", [blackhole()], pool={"connect_timeout": "100ms"})
    expect_error(log_in(rm, "clear"), NOT_NOW)
    rm.wait_sessions(1, reason="connect_timeout")


def test_no_backend(serving, log_in):
    rm = serving("clear", [f"{nobody()} weight=0"])
    expect_error(log_in(rm, "clear"), NOT_NOW)
    rm.wait_sessions(1, reason="no_backend")


@MODES
def test_all_full(serving, log_in, manual, mode):
    server = manual()
    rm = serving(mode, [f"{server.text} max_sessions=1"])
    first = log_in(rm, mode)
    server.accept()
    expect_error(log_in(rm, mode), TOO_MANY)
    rm.wait_sessions(1, reason="backends_full")
    first.close()


def test_queue_timeout(serving, log_in, manual):
    server = manual()
    rm = serving("clear", [f"{server.text} max_sessions=1"], pool={"queue": 10, "queue_timeout": "100ms"})
    first = log_in(rm, "clear")
    server.accept()
    expect_error(log_in(rm, "clear"), NOT_NOW)
    rm.wait_sessions(1, reason="queue_timeout")
    first.close()


def test_backends_tls_failed(serving, log_in, manual, pki):
    server = manual()
    rm = serving("clear", [server], pool={"protocol": "postgres", "tls": "yes", "tls_ca": pki["ca.crt"]})
    sock = log_in(rm, "clear")
    behind = server.accept()
    tcp.expect(behind, pgwire.SSL_REQUEST)
    behind.sendall(b"N")
    expect_error(sock, NOT_NOW)
    rm.wait_sessions(1, reason="backend_tls_error")


@MODES
def test_drain_that_ends_before_a_backend_was_found(serving, log_in, manual, mode):
    server = manual()
    rm = serving(mode, [f"{server.text} max_sessions=1"], settings={"drain_timeout": "300ms"},
                 pool={"queue": 10, "queue_timeout": "60s"})
    log_in(rm, mode)
    server.accept()
    waiting = log_in(rm, mode)
    rm.process.send_signal(signal.SIGTERM)
    expect_error(waiting, NOT_NOW)
    rm.wait_sessions(2, reason="drain_timeout")


def test_never_as_the_answer_to_a_request_for_tls(serving, connect):
    """Who has no TLS yet must not show what came without it (CVE-2024-10977)."""
    rm = serving("clear", [nobody()])
    sock = connect(rm.address())
    sock.sendall(pgwire.SSL_REQUEST)
    tcp.expect(sock, b"N")
    sock.sendall(pgwire.startup())
    expect_error(sock, NOT_NOW)
    rm.wait_sessions(1, reason="connect_refused")


BROKEN = {
    "an unknown version": b"\0\0\0\x09\0\x02\0\0\0",
    "a length that is none": b"\0\0\0\x03\0\x03\0\0",
    "no user": b"\0\0\0\x09\0\x03\0\0\0",
    "parameters that do not end": b"\0\0\0\x0d\0\x03\0\0user\0",
}


@MODES
@pytest.mark.parametrize("packet", BROKEN)
def test_a_broken_start_up_packet(serving, connect, pki, manual, mode, packet):
    """08P01 in clear as inside TLS that ends here; no backend hears of it."""
    rm = serving(mode, [manual()])
    sock = connect(rm.address())
    if mode == "terminate":
        sock.sendall(pgwire.SSL_REQUEST)
        tcp.expect(sock, b"S")
        sock = tls.TlsSocket(sock, tls.client_context(pki), name=tls.NAME)
    sock.sendall(BROKEN[packet])
    expect_error(sock, "08P01")
    rm.wait_sessions(1, reason="bad_preread")


def test_what_cannot_be_routed_inside_tls(ringmain, manual, connect, pki):
    """Another request for TLS, where a log-in decides."""
    rm = ringmain([manual()], listener={"protocol": "postgres", "tls": "terminate",
                                        "certificate": pki["ecdsa.pem"], "route": "database a -> out"})
    sock = connect(rm.address())
    sock.sendall(pgwire.SSL_REQUEST)
    tcp.expect(sock, b"S")
    sock = tls.TlsSocket(sock, tls.client_context(pki), name=tls.NAME)
    sock.sendall(pgwire.SSL_REQUEST)
    expect_error(sock, "08P01")
    rm.wait_sessions(1, reason="bad_preread", detail="encryption was requested inside TLS")


def test_denied_is_reset(serving):
    rm = serving("clear", [nobody()], deny="127.0.0.0/8")
    assert tcp.knock(rm.address()) == (b"", "RST")


def test_psql_goes_on_to_its_next_host(serving, start, workdir):
    """Which it does for 57P03 alone."""
    server = start(servers.Postgres, workdir)
    rm = serving("clear", [nobody()])
    (host, port), (other_host, other_port) = rm.address(), server.address
    conninfo = f"host={host},{other_host} port={port},{other_port} user=tester dbname=bench"
    done = server.tool("psql", "-d", conninfo, "-Atc", "select inet_server_port()")
    assert done.stdout.strip() == str(other_port)
    done = server.tool("psql", "-d", f"host={host} port={port} user=tester dbname=bench", "-c",
                       "select 1", check=False)
    assert "FATAL:  no server is available now" in done.stderr
