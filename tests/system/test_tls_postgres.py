# SPDX-License-Identifier: GPL-2.0-or-later
"""protocol = postgres, byte by byte: requests for encryption, direct TLS, refusals, both ends' preambles."""

import socket
import ssl

import pytest

from kit import backend as servers
from kit import pgwire, tcp, tls
from kit.pgwire import GSS_REQUEST, SSL_REQUEST, startup
from kit.wait import SCALE, Stopwatch

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

NAME = "backend.example.com"


@pytest.fixture
def listening(ringmain, manual, pki):
    """listening(mode, **listener) gives (ringmain, the server behind it)."""
    def begin(mode, *, pool=None, **listener):
        keys = {"protocol": "postgres", "tls": mode}
        if mode == "terminate":
            keys["certificate"] = pki["ecdsa.pem"]
        server = manual()
        return ringmain([server], listener={**keys, **listener}, pool=pool), server
    return begin


@pytest.fixture
def dial(connect):
    """dial(ringmain) gives a connected socket that does not wait to fill its segments."""
    def begin(relay):
        sock = connect(relay.address())
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    return begin


def ask(sock, request, want, cut):
    """Sends a request in segments of cut bytes and expects a one-byte answer."""
    for at in range(0, len(request), cut):
        sock.sendall(request[at:at + cut])
    tcp.expect(sock, want)


def encrypt(sock, context, name=tls.NAME):
    ask(sock, SSL_REQUEST, b"S", 8)
    return tls.TlsSocket(sock, context, name=name)


# Requests

CUTS = pytest.mark.parametrize("cut", (8, 3, 1))


@CUTS
@pytest.mark.parametrize("before", ((), (GSS_REQUEST,)), ids=("ssl", "gss-ssl"))
def test_tls_after_a_request(listening, dial, pki, before, cut):
    rm, server = listening("terminate")
    sock = dial(rm)
    for request in before:
        ask(sock, request, b"N", cut)
    ask(sock, SSL_REQUEST, b"S", cut)
    secure = tls.TlsSocket(sock, tls.client_context(pki), name=tls.NAME)
    packet = startup()
    for at in range(0, len(packet), cut):
        secure.sendall(packet[at:at + cut])
    peer = server.accept()
    tcp.expect(peer, packet)
    peer.sendall(pgwire.READY)
    tcp.expect(secure, pgwire.READY)
    tcp.hang_up(secure)
    tcp.expect_end(peer, b"", "FIN")
    tcp.hang_up(peer)
    tcp.expect_end(secure, b"", "FIN")
    line = rm.wait_sessions(1, reason="done")[0]
    assert line["tls"] == "TLSv1.3" and line["sni"] == tls.NAME


@CUTS
@pytest.mark.parametrize("order", ((SSL_REQUEST,), (GSS_REQUEST,), (SSL_REQUEST, GSS_REQUEST),
                                   (GSS_REQUEST, SSL_REQUEST), ()))
def test_listener_without_tls_says_no(listening, dial, order, cut):
    """And takes the client as it is."""
    rm, server = listening("off")
    sock = dial(rm)
    for request in order:
        ask(sock, request, b"N", cut)
    packet = startup()
    for at in range(0, len(packet), cut):
        sock.sendall(packet[at:at + cut])
    tcp.expect(server.accept(), packet)


@pytest.mark.parametrize("pool", (None, {"protocol": "postgres", "tls": "yes", "tls_verify": "no"}), ids=("off", "by_its_pool"))
def test_who_leaves_without_tls_is_in_the_log_with_the_reason(listening, dial, pool):
    """Only if it was for that: who goes on in clear has another one."""
    rm, server = listening("auto" if pool else "off", pool=pool)
    for _ in range(2):
        sock = dial(rm)
        ask(sock, SSL_REQUEST, b"N", 8)
        sock.close()
    assert all(line["detail"] == "the listener has no TLS" for line in rm.wait_sessions(2, reason="client_left"))
    server.close()
    sock = dial(rm)
    ask(sock, SSL_REQUEST, b"N", 8)
    sock.sendall(startup())
    assert b"C57P03" in tcp.read_to_end(sock).data
    assert "detail" not in rm.wait_sessions(1, reason="connect_refused")[0]
    sock = dial(rm)
    ask(sock, GSS_REQUEST, b"N", 8)
    sock.close()
    assert "detail" not in rm.wait_sessions(3, reason="client_left")[2]


@CUTS
@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_no_to_gss_and_then_in_clear(listening, dial, mode, cut):
    rm, server = listening(mode, plaintext="allow")
    sock = dial(rm)
    ask(sock, GSS_REQUEST, b"N", cut)
    sock.sendall(startup())
    peer = server.accept()
    tcp.expect(peer, startup())
    peer.sendall(pgwire.READY)
    tcp.expect(sock, pgwire.READY)


@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_clients_in_clear_are_refused_in_postgresqls_words(listening, dial, mode):
    rm, server = listening(mode)
    sock = dial(rm)
    sock.sendall(startup())
    got = tcp.read_to_end(sock)
    error = pgwire.error_of(got.data)
    assert (error["S"], error["V"], error["C"]) == ("FATAL", "FATAL", "28000")
    assert "sslmode=require" in error["M"] and got.how == "FIN"
    rm.wait_sessions(1, reason="refused", detail=error["M"])
    assert not server.has_waiting()


@pytest.mark.parametrize("mode", ("terminate", "passthrough", "off"))
@pytest.mark.parametrize("request_, behind", (
    (SSL_REQUEST, startup()), (GSS_REQUEST, startup()), (SSL_REQUEST, b"\x16"),
    (SSL_REQUEST, tls.client_hello(tls.client_context(None))), (GSS_REQUEST, SSL_REQUEST)),
    ids=("ssl-startup", "gss-startup", "ssl-byte", "ssl-hello", "gss-ssl"))
def test_bytes_behind_a_request_are_a_breach(listening, dial, mode, request_, behind):
    """Whoever sat on the line could have put them there (CVE-2021-23222)."""
    rm, server = listening(mode, plaintext="allow")
    sock = dial(rm)
    sock.sendall(request_ + behind)
    got = tcp.read_to_end(sock)
    assert pgwire.error_of(got.data)["C"] == "08P01" and got.how == "FIN"
    line = rm.wait_sessions(1, reason="bad_preread")[0]
    assert line["detail"] == "clear text behind a request for encryption"
    assert not server.has_waiting()


@pytest.mark.parametrize("request_", (SSL_REQUEST, GSS_REQUEST))
def test_asking_twice_is_a_breach(listening, dial, request_):
    rm, _ = listening("off")
    sock = dial(rm)
    ask(sock, request_, b"N", 8)
    sock.sendall(request_)
    assert pgwire.error_of(tcp.read_to_end(sock).data)["C"] == "08P01"
    rm.wait_sessions(1, reason="bad_preread")


@pytest.mark.parametrize("first", (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x04\x00\x00\x00\x00",
                                   b"\x00\x00\x27\x11\x00\x03\x00\x00", b"\x00\x00\x00\x09" + bytes(5),
                                   startup()[:-1] + b"x", b"\xff" * 100),
                         ids=("http", "short", "long", "version", "unterminated", "ones"))
@pytest.mark.parametrize("mode", ("terminate", "off"))
def test_what_is_not_postgresql(listening, dial, mode, first):
    rm, server = listening(mode, plaintext="allow")
    sock = dial(rm)
    sock.sendall(first)
    got = tcp.read_to_end(sock)
    assert pgwire.error_of(got.data)["C"] == "08P01" and got.how == "FIN"
    rm.wait_sessions(1, reason="bad_preread", by="client")
    assert not server.has_waiting()


@pytest.mark.parametrize("first", (SSL_REQUEST, GSS_REQUEST, tls.client_hello(tls.client_context(None))),
                         ids=("ssl", "gss", "hello"))
def test_encryption_is_not_requested_inside_tls(listening, dial, pki, first):
    """In clear or inside TLS that ends here: what is no start-up packet reaches no backend."""
    rm, server = listening("terminate")
    inside = encrypt(dial(rm), tls.client_context(pki))
    inside.sendall(first)
    got = tcp.read_to_end(inside)
    assert pgwire.error_of(got.data)["C"] == "08P01"
    rm.wait_sessions(1, reason="bad_preread", detail="encryption was requested inside TLS")
    assert not server.has_waiting()


@pytest.mark.parametrize("said", (b"", SSL_REQUEST[:5], SSL_REQUEST, "hello"))
def test_slow_preamble_ends_in_time(listening, dial, said):
    rm, server = listening("terminate", handshake_timeout="400ms")
    sock = dial(rm)
    watch = Stopwatch()
    if said == "hello":
        ask(sock, SSL_REQUEST, b"S", 8)
        said = tls.client_hello(tls.client_context(None))[:100]
    sock.sendall(said)
    assert tcp.read_to_end(sock).how == "RST"
    assert 0.3 <= watch.seconds() <= 3 * SCALE
    rm.wait_sessions(1, reason="preread_timeout", by="client")
    assert not server.has_waiting()


# Direct TLS

@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_direct_tls(listening, dial, pki, mode):
    rm, server = listening(mode)
    context = tls.client_context(pki, alpn=("postgresql",))
    name = tls.NAME if mode == "terminate" else NAME
    sock = dial(rm)
    shaking = tcp.Task(lambda: tls.TlsSocket(sock, context, name=name))
    if mode == "terminate":
        secure = shaking.result()
        secure.sendall(startup())
        peer = server.accept()
    else:
        theirs = tls.server_context(pki["backend.pem"], alpn=("postgresql",))
        peer = tls.TlsSocket(server.accept(), theirs, server=True)
        secure = shaking.result()
        secure.sendall(startup())
    assert secure.alpn == "postgresql"      # libpq insists on it
    tcp.expect(peer, startup())
    peer.sendall(pgwire.READY)
    tcp.expect(secure, pgwire.READY)


@pytest.mark.parametrize("alpn", ((), ("http/1.1",), ("postgresql1",)))
@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_direct_tls_needs_its_alpn(listening, dial, mode, alpn):
    """Or a browser could be talked into speaking to a database."""
    rm, server = listening(mode)
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        tls.TlsSocket(dial(rm), tls.client_context(None, alpn=alpn), name=tls.NAME)
    line = rm.wait_sessions(1, reason="refused")[0]
    assert line["detail"] == "direct TLS without ALPN postgresql"
    assert not server.has_waiting()


def test_requested_tls_needs_no_alpn(listening, dial, pki):
    rm, _ = listening("terminate")
    assert encrypt(dial(rm), tls.client_context(pki)).version == "TLSv1.3"
    secure = encrypt(dial(rm), tls.client_context(pki, alpn=("postgresql",)))
    assert secure.alpn in (None, "postgresql")


def test_direct_tls_without_tls(listening, dial):
    rm, server = listening("off")
    sock = dial(rm)
    sock.sendall(tls.client_hello(tls.client_context(None, alpn=("postgresql",))))
    tcp.read_to_end(sock)
    rm.wait_sessions(1, reason="refused", detail="TLS on a listener without TLS")
    assert not server.has_waiting()


# Passing through

@CUTS
def test_passing_through(listening, dial, cut):
    """The backend is asked as the client asked, and then gets the client's own hello."""
    rm, server = listening("passthrough")
    sock = dial(rm)
    ask(sock, GSS_REQUEST, b"N", cut)
    ask(sock, SSL_REQUEST, b"S", cut)
    hello = tls.client_hello(tls.client_context(None), NAME)
    for at in range(0, len(hello), 50 * cut):
        sock.sendall(hello[at:at + 50 * cut])
    peer = server.accept()
    tcp.expect(peer, SSL_REQUEST)
    peer.sendall(b"S")
    tcp.expect(peer, hello)
    for sender, receiver in ((sock, peer), (peer, sock)):
        sender.sendall(b"what follows")
        tcp.expect(receiver, b"what follows")
    tcp.reset(sock)
    assert rm.wait_sessions(1)[0]["sni"] == NAME


def test_one_byte_is_read_and_no_more(listening, dial):
    """What a backend sends right behind its answer belongs to the client's TLS."""
    rm, server = listening("passthrough")
    sock = dial(rm)
    ask(sock, SSL_REQUEST, b"S", 8)
    sock.sendall(tls.client_hello(tls.client_context(None), NAME))
    peer = server.accept()
    tcp.expect(peer, SSL_REQUEST)
    peer.sendall(b"S" + b"first bytes")
    tcp.expect(sock, b"first bytes")


@pytest.mark.parametrize("answer", (b"N", b"E\0\0\0\x30SFATAL\0", b"X"))
def test_backend_that_says_no(listening, dial, answer):
    """Its words came in clear; nobody knows whose they are."""
    rm, server = listening("passthrough", pool={"connect_tries": 1})
    sock = dial(rm)
    ask(sock, SSL_REQUEST, b"S", 8)
    sock.sendall(tls.client_hello(tls.client_context(None), NAME))
    peer = server.accept()
    tcp.expect(peer, SSL_REQUEST)
    peer.sendall(answer)
    tcp.expect_end(sock, b"", "RST")
    line = rm.wait_sessions(1, reason="backend_tls_error")[0]
    assert line["detail"] == "the backend has no TLS"


# To the backend

@pytest.fixture
def encrypted_backend(listening, pki):
    """encrypted_backend(**pool): a listener without TLS, a pool with."""
    def begin(**pool):
        return listening("off", pool={"protocol": "postgres", "tls": "yes", "tls_ca": pki["ca.crt"], **pool})
    return begin


@pytest.mark.parametrize("direct", (False, True))
def test_tls_to_a_backend(encrypted_backend, dial, pki, direct):
    rm, server = encrypted_backend(direct_tls="yes" if direct else "no")
    sock = dial(rm)
    sock.sendall(startup())
    peer = server.accept()
    if not direct:
        tcp.expect(peer, SSL_REQUEST)
        peer.sendall(b"S")
    secure = tls.TlsSocket(peer, tls.server_context(pki["backend.pem"], alpn=("postgresql",)), server=True)
    if direct:
        assert secure.alpn == "postgresql"      # PostgreSQL 17 insists on it
    tcp.expect(secure, startup())
    secure.sendall(pgwire.READY)
    tcp.expect(sock, pgwire.READY)


def test_clear_bytes_behind_a_backends_answer_are_not_believed(encrypted_backend, dial):
    """Not a byte of them reaches the client (CVE-2021-23222)."""
    rm, server = encrypted_backend(connect_tries=1)
    sock = dial(rm)
    sock.sendall(startup())
    peer = server.accept()
    tcp.expect(peer, SSL_REQUEST)
    peer.sendall(b"S" + pgwire.READY)
    said, end = tcp.read_to_end(sock)
    assert b"C57P03" in said and pgwire.READY not in said and end == "FIN"
    assert rm.wait_sessions(1, reason="backend_tls_error")[0]["bytes_down"] == "0"


def test_backend_without_tls_gets_no_password(encrypted_backend, dial):
    rm, server = encrypted_backend(connect_tries=1)
    sock = dial(rm)
    sock.sendall(startup())
    peer = server.accept()
    tcp.expect(peer, SSL_REQUEST)
    peer.sendall(b"N")
    tcp.expect_end(peer, b"", "RST")
    said, end = tcp.read_to_end(sock)
    assert b"C57P03" in said and end == "FIN"
    rm.wait_sessions(1, reason="backend_tls_error", detail="the backend has no TLS")


def test_backend_that_refuses_our_certificate_is_quoted(encrypted_backend, dial, pki):
    """In TLS 1.3 it does so behind the handshake, instead of an answer to the log-in; the next try is told, too."""
    rm, server = encrypted_backend(connect_tries=1, tls_certificate=pki["alice.pem"])
    sock = dial(rm)
    sock.sendall(startup())
    peer = server.accept()
    tcp.expect(peer, SSL_REQUEST)
    peer.sendall(b"S")
    context = tls.server_context(pki["backend.pem"], client_ca=pki["stranger-ca.crt"], low=tls.ssl.TLSVersion.TLSv1_3)
    with pytest.raises(ssl.SSLError, match="(?i)verify failed"):
        tls.TlsSocket(peer, context, server=True)
    said, end = tcp.read_to_end(sock)
    assert b"C57P03" in said and end == "FIN"
    rm.wait_sessions(1, reason="backend_tls_error", detail="server sent the alert: unknown CA")


# Names

@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_routes(ringmain, manual, dial, pki, mode):
    """By SNI; who has none, and clients in clear, go to the pool."""
    one, rest = manual(), manual()
    certificate = f"certificate = {pki['ecdsa.pem']}\n" if mode == "terminate" else ""
    rm = ringmain(f"[listener in]\nbind = 127.0.0.1:0\nprotocol = postgres\ntls = {mode}\n{certificate}"
                  "plaintext = allow\npool = rest\nroute = sni *.example.com -> one\n"
                  f"[pool one]\nbackend = b1 {one.text}\n[pool rest]\nbackend = b1 {rest.text}\n")

    def arrive(name, server):
        sock = dial(rm)
        if mode == "terminate":
            secure = encrypt(sock, tls.client_context(None), name=name)
            secure.sendall(startup())
            tcp.expect(server.accept(), startup())
        else:
            ask(sock, SSL_REQUEST, b"S", 8)
            sock.sendall(tls.client_hello(tls.client_context(None), name))
            tcp.expect(server.accept(), SSL_REQUEST)

    arrive("a.example.com", one)
    arrive("example.com", rest)
    arrive(None, rest)
    sock = dial(rm)
    sock.sendall(startup())
    tcp.expect(rest.accept(), startup())


# Requests to cancel

@pytest.mark.parametrize("mode", ("terminate", "off", "passthrough"))
def test_request_to_cancel_comes_in_clear(listening, dial, mode):
    """Old clients send it so whatever they agreed on for the session; it has no password in it."""
    rm, server = listening(mode)
    packet = pgwire.cancel((17, b"abcd"))
    for cut in (len(packet), 1):
        sock = dial(rm)
        for at in range(0, len(packet), cut):
            sock.sendall(packet[at:at + cut])
        peer = server.accept()
        tcp.expect(peer, packet)
        tcp.hang_up(peer)
        tcp.hang_up(sock)
        assert tcp.read_to_end(sock) == (b"", "FIN")
    rm.wait_sessions(2, reason="done")


FEW = 4      # requests at a time that a backend gets beyond its max_sessions
A_KEY = (17, b"abcd")


def log_in(client, server):
    """In clear; its key is A_KEY."""
    client.sendall(startup())
    peer = server.accept()
    tcp.expect(peer, startup())
    peer.sendall(pgwire.key_data(A_KEY) + pgwire.READY)
    tcp.expect(client, pgwire.key_data(A_KEY) + pgwire.READY)


@pytest.mark.parametrize("mode", ("off", "passthrough"))
def test_requests_to_cancel_are_few_at_a_time(ringmain, manual, dial, pki, mode):
    """However many come; no login is needed where the key cannot be seen."""
    server = manual()
    rm = ringmain([f"{server.text} max_sessions=1"], listener={"protocol": "postgres", "tls": mode})
    session = dial(rm)
    if mode == "off":
        log_in(session, server)
    else:
        ask(session, SSL_REQUEST, b"S", 8)
        session.sendall(tls.client_hello(tls.client_context(pki)))
        peer = server.accept()
        tcp.expect(peer, SSL_REQUEST)
        peer.sendall(b"S")
        tcp.expect(peer, b"\x16\x03")
    packet = pgwire.cancel(A_KEY)
    clients = [dial(rm) for _ in range(60)]
    for client in clients:
        client.sendall(packet)
    served = [server.accept() for _ in range(FEW)]
    for _ in clients[FEW:]:
        assert not server.has_waiting()
        done = served.pop(0)
        tcp.expect(done, packet)
        done.close()
        served.append(server.accept())
    for done in served:
        tcp.expect(done, packet)
        done.close()
    for client in clients:
        assert tcp.read_to_end(client) == (b"", "FIN")
    rm.wait_sessions(60, reason="done", by="backend")


def test_request_to_cancel_within_tls(listening, dial, pki):
    rm, server = listening("terminate")
    secure = encrypt(dial(rm), tls.client_context(pki))
    packet = pgwire.cancel((17, b"abcd"))
    secure.sendall(packet)
    tcp.expect(server.accept(), packet)
