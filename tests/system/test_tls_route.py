# SPDX-License-Identifier: GPL-2.0-or-later
"""Names lead to pools: routes of both TLS modes, and connections that pass through unopened."""

import ssl

import pytest

from kit import backend as servers
from kit import proc, tcp, tls
from kit.tls import V12, V13
from kit.wait import wait_until

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

ROUTES = ["sni db1.example.com -> one", "alpn special -> two", "sni *.shard.example.com -> two",
          "sni a.shard.example.com -> one"]
WANTED = (
    ("db1.example.com", (), b"one"),
    ("DB1.Example.COM", (), b"one"),
    ("db1.example.com", ("special",), b"one"),          # the first that fits decides
    ("x.shard.example.com", (), b"two"),
    ("a.shard.example.com", (), b"two"),                # also where a later one is more exact
    ("a.b.shard.example.com", (), b"rest"),             # a star is one label
    ("shard.example.com", (), b"rest"),
    ("other.example.com", ("http/1.1", "special"), b"two"),
    ("other.example.com", ("specialized",), b"rest"),
    ("other.example.com", (), b"rest"),
    (None, (), b"rest"),
    (None, ("special",), b"two"),
)


@pytest.fixture
def routed(ringmain, backend, pki):
    """routed(mode, **listener): pools one, two and rest, each a server that says its name."""
    context = tls.server_context(pki["backend.pem"])

    def begin(mode, *, pool="rest", routes=ROUTES, **listener):
        keys = {"tls": mode, **({"certificate": pki["ecdsa.pem"]} if mode == "terminate" else {}),
                **listener}
        lines = [f"[global]\nworkers = 2\n[listener in]\nbind = 127.0.0.1:0\n"]
        lines += [f"pool = {pool}"] if pool else []
        lines += [f"route = {route}" for route in routes]
        lines += [f"{key} = {value}" for key, value in keys.items()]
        for name in ("one", "two", "rest"):
            handler = servers.name(name.encode())
            server = backend(handler if mode == "terminate" else tls.served(context, handler))
            lines.append(f"[pool {name}]\nbackend = {name}1 {server.text}")
        return ringmain("\n".join(lines) + "\n")
    return begin


def ask(relay, name, alpn=(), **options):
    """Who answers?"""
    sock = tls.connect(relay.address(), tls.client_context(None, alpn=alpn, **options), name=name)
    try:
        tcp.hang_up(sock)
        return tcp.read_to_end(sock).data
    finally:
        sock.close()


@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_routes(routed, mode):
    rm = routed(mode)
    for name, alpn, want in WANTED:
        assert ask(rm, name, alpn) == want, (name, alpn)
    lines = rm.wait_sessions(len(WANTED), reason="done")
    for line, (name, alpn, want) in zip(lines, WANTED):
        assert line["backend"] == want.decode() + "1"
        assert line.get("sni") == (name.lower() if name else None)
        assert ("tls" in line) == (mode == "terminate")
        assert mode == "terminate" or line.get("alpn") == (alpn[0] if alpn else None)


@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_name_without_a_route_and_no_pool(routed, mode):
    rm = routed(mode, pool=None)
    assert ask(rm, "db1.example.com") == b"one"
    for name in ("other.example.com", None):
        with pytest.raises(ssl.SSLError, match="unrecognized name"):
            ask(rm, name)
    for line in rm.wait_sessions(2, reason="refused"):
        assert line["detail"] == "no route for this name"


def test_route_to_an_unknown_pool_is_a_mistake(make_ringmain):
    config = ("[listener in]\nbind = 127.0.0.1:0\ntls = passthrough\npool = one\n"
              "route = sni a.example.com -> oen\nroute = sni b.example.com\n"
              "route = snj c.example.com -> one\nroute = sni *.*.d -> one\n"
              "[pool one]\nbackend = b1 127.0.0.1:1\n")
    done = make_ringmain().check(config, "-t")
    assert done.returncode == 1 and "did you mean 'one'?" in done.stderr
    for line in (5, 6, 7, 8):
        assert f"ringmain.ini:{line}:" in done.stderr, done.stderr


def test_route_without_tls_is_a_mistake(make_ringmain):
    config = ("[listener in]\nbind = 127.0.0.1:0\npool = one\nroute = sni a.example.com -> one\n"
              "[pool one]\nbackend = b1 127.0.0.1:1\n")
    done = make_ringmain().check(config, "-t")
    assert done.returncode == 1 and "without TLS there is no name to route by" in done.stderr


# Passing through

@pytest.fixture
def passing(ringmain, manual):
    """passing(**listener) gives (ringmain, the server behind it)."""
    def begin(**listener):
        server = manual()
        return ringmain([server], listener={"tls": "passthrough", **listener}), server
    return begin


@pytest.mark.parametrize("version", (V12, V13))
def test_certificate_is_the_backends(ringmain, backend, pki, version):
    context = tls.server_context(pki["backend.pem"], low=version, high=version)
    rm = ringmain([backend(tls.served(context, servers.echo))], listener={"tls": "passthrough"})
    sock = tls.connect(rm.address(), tls.client_context(pki), name="backend.example.com")
    tcp.exchange(sock, tcp.pattern(1, 200_000))
    assert sock.peer_name() == "backend"
    tcp.hang_up(sock)
    tcp.expect_end(sock, b"", "FIN")
    line = rm.wait_sessions(1, reason="done")[0]
    assert line["sni"] == "backend.example.com" and "tls" not in line


@pytest.mark.parametrize("relay", ("copy", "splice", "auto"))
def test_bytes_go_on_unchanged(passing, connect, relay):
    rm, server = passing(relay=relay)
    hello = tls.client_hello(tls.client_context(None, alpn=("one", "two")))
    client = connect(rm.address())
    client.sendall(hello + b"and what follows")
    peer = server.accept()
    tcp.expect(peer, hello + b"and what follows")
    data = tcp.pattern(2, 4 << 20)
    for sender, receiver in ((client, peer), (peer, client)):
        sending = tcp.send_in_background(sender, data)
        tcp.expect(receiver, data)
        sending.result()
    tcp.hang_up(client)
    tcp.expect_end(peer, b"", "FIN")
    tcp.hang_up(peer)
    tcp.expect_end(client, b"", "FIN")
    line = rm.wait_sessions(1, reason="done")[0]
    assert line["alpn"] == "one" and line["sni"] == tls.NAME


def in_records(hello, size):
    """The same hello cut into records of size bytes."""
    body = hello[5:]
    return b"".join(tls.record(22, body[at:at + size], 0x0301) for at in range(0, len(body), size))


@pytest.mark.parametrize("cut", ("segments", "records", "both"))
@pytest.mark.parametrize("mode", ("passthrough", "terminate"))
def test_hello_in_pieces(routed, connect, cut, mode):
    """Segments of one byte; the 64 records that are allowed."""
    rm = routed(mode)
    hello = tls.client_hello(tls.client_context(None), "a.shard.example.com")
    if cut != "segments":
        hello = in_records(hello, -(-(len(hello) - 5) // 60))
    client = connect(rm.address())
    client.setsockopt(6, 1, 1)      # TCP_NODELAY
    for at in range(len(hello)) if cut != "records" else ():
        client.sendall(hello[at:at + 1])
    if cut == "records":
        client.sendall(hello)
    assert tls.records(read_flight(client))[0][0] == tls.RECORD_HANDSHAKE
    tcp.reset(client)
    assert rm.wait_sessions(1)[0]["sni"] == "a.shard.example.com"


def read_flight(sock):
    """What comes until the last record is whole."""
    data = sock.recv(tcp.CHUNK)
    while True:
        try:
            tls.records(data)
            return data
        except AssertionError:
            data += sock.recv(tcp.CHUNK)


def test_hello_of_its_greatest_size(passing, connect):
    """16 384 bytes on the wire pass; one more does not, and is told so."""
    rm, server = passing()
    whole = padded_hello(16384)
    client = connect(rm.address())
    sending = tcp.send_in_background(client, whole)
    tcp.expect(server.accept(), whole)
    sending.result()
    client = connect(rm.address())
    client.sendall(padded_hello(16385))
    got = tcp.read_to_end(client)
    assert (tls.alert_of(got.data), got.how) == ("decode_error", "FIN")
    line = rm.wait_sessions(1, reason="client_tls_error")[0]
    assert line["detail"] == "ClientHello of more than 16 kB"


def padded_hello(size):
    """A hello with an unknown extension that makes it so long, in as few records as can be."""
    hello = tls.client_hello(tls.client_context(None))[5:]
    at = 4 + 2 + 32                                             # behind the random
    at += 1 + hello[at]                                         # session id
    at += 2 + int.from_bytes(hello[at:at + 2], "big")           # suites
    at += 1 + hello[at]                                         # compression
    headers = 5 if size <= 16384 else 10
    room = size - headers - len(hello) - 4
    extensions = hello[at + 2:] + b"\xfe\xed" + room.to_bytes(2, "big") + bytes(room)
    body = hello[4:at] + len(extensions).to_bytes(2, "big") + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    if headers == 5:
        return tls.record(22, message, 0x0301)
    return tls.record(22, message[:9000], 0x0301) + tls.record(22, message[9000:], 0x0301)


def test_no_name(passing, connect):
    hello = tls.client_hello(tls.client_context(None), None)
    rm, server = passing()
    connect(rm.address()).sendall(hello)
    tcp.expect(server.accept(), hello)
    rm, server = passing(no_sni="reject")
    client = connect(rm.address())
    client.sendall(hello)
    got = tcp.read_to_end(client)
    assert (tls.alert_of(got.data), got.how) == ("unrecognized_name", "FIN")
    assert rm.wait_sessions(1, reason="refused")[0]["detail"] == "no server name (SNI)"
    assert not server.has_waiting()
    with_name = tls.client_hello(tls.client_context(None))
    connect(rm.address()).sendall(with_name)
    tcp.expect(server.accept(), with_name)


@pytest.mark.parametrize("first, detail", (
    (b"GET / HTTP/1.1\r\n\r\n", "HTTP on a TLS port"), (b"SSH-2.0-client\r\n", "not TLS"),
    (bytes(100), "not TLS"), (b"\x80\x2e\x01\x00\x02" + bytes(41), "SSL 2 or not TLS")),
                         ids=("http", "ssh", "zeros", "ssl2"))
def test_what_is_not_tls(passing, connect, first, detail):
    rm, server = passing()
    client = connect(rm.address())
    client.sendall(first)
    assert tls.alert_of(tcp.read_to_end(client).data) in (None, "protocol_version")
    assert rm.wait_sessions(1, reason="client_tls_error")[0]["detail"] == detail
    assert not server.has_waiting()
    rm, server = passing(not_tls="pool")
    client = connect(rm.address())
    client.sendall(first)
    peer = server.accept()
    tcp.expect(peer, first)
    peer.sendall(b"answer")
    tcp.expect(client, b"answer")


def test_client_that_leaves_before_its_hello_is_whole(passing, connect):
    rm, server = passing()
    client = connect(rm.address())
    client.sendall(tls.client_hello(tls.client_context(None))[:50])
    tcp.hang_up(client)
    tcp.expect_end(client, b"", "RST")
    rm.wait_sessions(1, reason="client_left", by="client")
    client = connect(rm.address())
    client.sendall(b"\x16")
    wait_until(lambda: tcp_is_quiet(client), "the byte to arrive")
    tcp.reset(client)
    rm.wait_sessions(2)
    assert not server.has_waiting()


def tcp_is_quiet(sock):
    """Has the other kernel everything?"""
    return sock.getsockopt(6, 11, 104)[24:28] == bytes(4)      # tcpi_unacked


def test_curl_through(ringmain, backend, pki):
    """curl chooses the host, the host's name chooses the pool, curl verifies whom it reached."""
    context = tls.server_context(pki["backend.pem"])

    def http(peer):
        head = b""
        while b"\r\n\r\n" not in head:
            head += peer.recv()
        body = b"x" * 300_000
        peer.sock.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        tcp.hang_up(peer.sock)
        servers.sink(peer)

    rm = ringmain([backend(tls.served(context, http))],
                  listener={"tls": "passthrough", "no_sni": "reject"})
    host, port = rm.address()
    done = proc.run([proc.need("curl", "curl"), "-sS", "--cacert", pki["ca.crt"], "--connect-to",
                     f"::{host}:{port}", "https://backend.example.com/"])
    assert done.stdout == "x" * 300_000
    rm.wait_sessions(1, reason="done")
