# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS towards the backends: whom ringmain believes, what it asks for, and what it does when it fails."""

import pytest

from kit import backend as servers
from kit import tcp, tls
from kit.certificates import leaf
from kit.tls import V12, V13
from kit.wait import SCALE, Stopwatch, wait_until

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

NAME = "backend.example.com"


@pytest.fixture
def server(backend, pki):
    """server("backend.pem", ...as kit.tls.server_context...) gives an echo server with TLS; .seen has
    its TlsSockets, or why there is none."""
    def make(certificate="backend.pem", handler=servers.echo, **options):
        seen = []
        made = backend(tls.served(tls.server_context(pki[certificate], **options), handler, seen))
        made.seen = seen
        return made
    return make


@pytest.fixture
def to(ringmain, pki):
    """to(servers, **pool) gives a plain listener whose pool speaks TLS and trusts the CA."""
    def begin(backends, **pool):
        pool = {"tls": "yes", "tls_ca": pki["ca.crt"], **pool}
        return ringmain(backends, pool={key: value for key, value in pool.items() if value is not None})
    return begin


def works(relay):
    with tcp.connect(relay.address()) as sock:
        tcp.exchange(sock, b"hello")


def fails(relay, detail, reason="backend_tls_error"):
    """A session that comes to nothing: nobody hears of an end of data."""
    assert tcp.knock(relay.address()) == (b"", "RST")
    line = relay.wait_sessions(1)[0]
    assert (line["reason"], line["detail"]) == (reason, detail)


@pytest.mark.parametrize("version", (V12, V13))
@pytest.mark.parametrize("certificate", ("ecdsa.pem", "rsa.pem", "ed25519.pem", "chain.pem"))
def test_verified_against_a_ca_with_a_name(to, server, certificate, version):
    works(to([server(certificate, low=version, high=version)], tls_name=tls.NAME))


def test_name_is_the_backends_own(to, server):
    """127.0.0.1 is an address, and in this certificate."""
    works(to([server()]))


def test_host_name_is_verified_and_asked_for(to, server, pki):
    pki.make("localhost", "ca", leaf("DNS:localhost"))
    names = []
    context = tls.server_context(pki["localhost.pem"])
    context.sni_callback = lambda sock, name, _: names.append(name)
    good = servers.Backend(tls.served(context, servers.echo))
    try:
        works(to([f"localhost:{good.address[1]}"]))
        assert names == ["localhost"]
    finally:
        good.close()
    fails(to([f"localhost:{server().address[1]}"]), "certificate is for another name")


@pytest.mark.parametrize("certificate, pool, detail", (
    ("stranger-backend.pem", {}, "unknown CA"),
    ("backend.pem", {"tls_name": "other.example.com"}, "certificate is for another name"),
    ("backend.pem", {"tls_name": "127.0.0.2"}, "certificate is for another address"),
    ("elsewhere.pem", {}, "certificate is for another address"),
    ("expired.pem", {"tls_name": "old.example.com"}, "certificate expired"),
    ("elsewhere.pem", {"tls_name": "elsewhere.example.com", "tls_crl": "more.crl"},
     "certificate revoked"),
    ("backend.pem", {"tls_ca": None}, "unknown CA"),        # the system's do not have ours
))
def test_refused(to, server, pki, certificate, pool, detail):
    pool = {key: pki[value] if value == "more.crl" else value for key, value in pool.items()}
    refused = server(certificate)
    rm = to([refused], **pool)
    fails(rm, detail)
    assert all(isinstance(one, tls.TlsSocket) is False or not one.recv() for one in refused.seen[:1])


@pytest.mark.parametrize("version", (V12, V13))
def test_revoked_hears_what_it_is(to, server, pki, version):
    """RFC 8446, section 6.2: who looks after the backend reads of it in its log, too."""
    revoked = server("elsewhere.pem", low=version, high=version)
    fails(to([revoked], tls_name="elsewhere.example.com", tls_crl=pki["more.crl"]), "certificate revoked")
    wait_until(lambda: revoked.seen, "the end of its handshake")
    assert "alert certificate revoked" in str(revoked.seen[0])


def test_revocation_list_lets_others_in(to, server, pki):
    works(to([server()], tls_name=NAME, tls_crl=pki["more.crl"]))


def test_unverified_only_by_an_explicit_key(to, server, make_ringmain):
    rm = to([server("stranger-backend.pem")], tls_verify="no", tls_ca=None)
    works(rm)
    assert "warning: [pool out] tls_verify: is off: whoever answers" in rm.text()


def test_old_tls_is_not_spoken(to, server):
    rm = to([server(low=tls.ssl.TLSVersion.TLSv1, high=tls.ssl.TLSVersion.TLSv1_1)])
    assert tcp.knock(rm.address()).how == "RST"
    line = rm.wait_sessions(1, reason="backend_tls_error")[0]
    assert line["detail"] == "server sent the alert: protocol version"


@pytest.mark.parametrize("pool, want", (
    ({"tls_name": NAME}, NAME), ({}, None), ({"tls_sni": "wish.example.com"}, "wish.example.com"),
    ({"tls_name": NAME, "tls_sni": "wish.example.com"}, "wish.example.com")))
def test_sni(to, backend, pki, pool, want):
    names = []
    context = tls.server_context(pki["backend.pem"])
    context.sni_callback = lambda sock, name, _: names.append(name)
    works(to([backend(tls.served(context, servers.echo))], **pool))
    assert names == [want]


@pytest.mark.parametrize("pool, want", (
    ({"tls_name": NAME}, NAME), ({"tls_verify": "no"}, None),
    ({"tls_verify": "no", "tls_sni": NAME}, NAME)))
def test_unix_socket_is_no_name_to_ask_for(to, backend, pki, workdir, pool, want):
    names = []
    context = tls.server_context(pki["backend.pem"])
    context.sni_callback = lambda sock, name, _: names.append(name)
    works(to([backend(tls.served(context, servers.echo), f"{workdir}/backend.sock")], **pool))
    assert names == [want]


def test_alpn(to, server):
    chosen = server(alpn=("second", "first"))
    works(to([chosen], tls_alpn="first,second"))
    assert chosen.seen[0].alpn == "second"
    silent = server(alpn=("second",))
    works(to([silent]))
    assert silent.seen[0].alpn is None


@pytest.mark.parametrize("version", (V12, V13))
def test_client_certificate(to, server, pki, version):
    strict = server(low=version, high=version, client_ca=pki["ca.crt"])
    works(to([strict], tls_certificate=pki["alice.pem"]))
    assert strict.seen[0].peer_name() == "alice"
    works(to([strict], tls_certificate=pki["alice.crt"], tls_key=pki["alice.key"]))
    rm = to([strict])
    assert tcp.knock(rm.address()) == (b"", "RST")
    line = rm.wait_sessions(1)[0]       # a reset may overtake the alert
    assert line["reason"] == "backend_reset" or line["detail"].startswith("server sent the alert: ")


# What goes wrong

def test_failed_handshake_goes_on_to_another_backend(to, server):
    bad, good = server("stranger-backend.pem"), server()
    rm = to([bad, good])
    for _ in range(4):
        works(rm)
    lines = rm.wait_sessions(4)
    assert {line["backend"] for line in lines} == {"b2"}
    assert any(line.get("failed_tries") == "1" for line in lines)


def test_no_byte_of_the_client_reaches_a_backend_that_is_not_believed(to, backend, pki):
    """The client speaks at once; who cannot prove itself hears nothing of it."""
    heard = []

    def listen(peer):
        heard.append(peer.recv())

    context = tls.server_context(pki["stranger-backend.pem"])
    rm = to([backend(tls.served(context, listen))])
    with tcp.connect_to_be_refused(rm.address()) as sock:
        sock.sendall(b"a secret")
        assert tcp.read_to_end(sock).how == "RST"
    wait_until(lambda: rm.sessions(reason="backend_tls_error"), "the session's line")
    assert not any(heard)


@pytest.mark.parametrize("answer, detail", (
    (b"220 mail ESMTP\r\n", "TLS record of a type that cannot come here"),
    (tls.record(22, b"\x0b\x00\x00\x00"), None),
    (tls.record(21, b"\x02\x28"), "server sent the alert: handshake failure"),
    (bytes(2000), "TLS record of a type that cannot come here")), ids=("mail", "early", "alert", "zeros"))
def test_backend_that_speaks_something_else(to, backend, answer, detail):
    def handler(peer):
        peer.recv()
        peer.sock.sendall(answer)
        servers.sink(peer)

    rm = to([backend(handler)])
    assert tcp.knock(rm.address()) == (b"", "RST")
    line = rm.wait_sessions(1, reason="backend_tls_error")[0]
    assert line["detail"] if detail is None else line["detail"] == detail


def test_backend_that_accepts_and_says_nothing(to, backend):
    rm = to([backend(servers.hold)], connect_timeout="300ms")
    watch = Stopwatch()
    assert tcp.knock(rm.address()) == (b"", "RST")
    assert 0.2 <= watch.seconds() <= 3 * SCALE
    rm.wait_sessions(1, reason="connect_timeout")


def test_backend_that_hangs_up_within_the_handshake(to, backend):
    def handler(peer):
        peer.recv()

    rm = to([backend(handler)])
    assert tcp.knock(rm.address()) == (b"", "RST")
    rm.wait_sessions(1, bytes_up=0, bytes_down=0, by="ringmain")


def test_server_that_speaks_first(to, server):
    rm = to([server(handler=servers.greet(b"welcome\r\n"))])
    with tcp.connect(rm.address()) as sock:
        tcp.expect(sock, b"welcome\r\n")
        tcp.exchange(sock, b"and on")


def test_client_that_ends_before_the_handshake_is_over(to, server):
    """Its bytes and its FIN arrive all the same, behind the handshake."""
    far = server()
    rm = to([far])
    with tcp.connect(rm.address()) as sock:
        sock.sendall(b"short")
        tcp.hang_up(sock)
        tcp.expect_end(sock, b"short", "FIN")
    rm.wait_sessions(1, reason="done", bytes_up=5, bytes_down=5)
