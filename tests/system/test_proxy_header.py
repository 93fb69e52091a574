# SPDX-License-Identifier: GPL-2.0-or-later
"""PROXY headers: believed when they are right and from those who may, and told to the backends."""

import socket

import pytest

from kit import backend as servers
from kit import proxyhdr as ph, tcp, tls
from kit.ports import reserved_port
from kit.ringmain import ROOT
from kit.wait import Stopwatch

CLIENT, TARGET = ("192.0.2.77", 40001), ("198.51.100.9", 443)
CLIENT6, TARGET6 = ("2001:db8::77", 40001), ("2001:db8::9", 443)
ACCEPT = {"proxy_protocol": "accept", "proxy_protocol_from": "127.0.0.0/8"}
FULL = {"send_proxy": "v2", "send_proxy_tlvs": "yes"}
PAYLOAD = b"and then the client spoke"

V1, V1_6 = ph.v1(CLIENT, TARGET), ph.v1(CLIENT6, TARGET6)
V2, V2_6 = ph.v2(CLIENT, TARGET), ph.v2(CLIENT6, TARGET6)
WITH_TLVS = ph.with_checksum(ph.v2(CLIENT, TARGET, ph.tlv(ph.NOOP, b"??") + ph.tlv(0xe0, b"ours")
                                   + ph.tlv(ph.AUTHORITY, b"a.example.com")))
LONG = ph.v2(CLIENT, TARGET, ph.tlv(ph.NOOP, bytes(8192 - len(V2) - 3)))
GOOD = {"v1": (V1, CLIENT), "v1 6": (V1_6, CLIENT6), "v2": (V2, CLIENT), "v2 6": (V2_6, CLIENT6),
        "v2 with TLVs": (WITH_TLVS, CLIENT)}

# Headers that say nothing of the client: the address of the connection counts.
SILENT = {
    "v1 UNKNOWN": b"PROXY UNKNOWN\r\n",
    "v1 UNKNOWN and more": b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n",
    "v2 LOCAL": ph.raw_v2(ph.LOCAL, ph.UNSPEC, b""),
    "v2 LOCAL with addresses": ph.v2(CLIENT, TARGET, command=ph.LOCAL),
    "v2 LOCAL of no family": ph.raw_v2(ph.LOCAL, 0x77, b"skip me"),
    "v2 UNSPEC": ph.raw_v2(ph.PROXY, ph.UNSPEC, b"12345"),
    "v2 datagram": ph.raw_v2(ph.PROXY, ph.UDP4, bytes(12)),
}

BAD = [
    (b"GET / HTTP/1.1\r\n\r\n", "no PROXY header"),
    (b"PROXX", "no PROXY header"),
    (b"PROXY TCP4 " + b"1" * 107, "no end of line within 107 bytes"),
    (V1.replace(b"\r\n", b"\n"), "the line does not end with CR and LF"),
    (V1.replace(b"TCP4", b"TCP5"), "neither TCP4, TCP6 nor UNKNOWN"),
    (V1.replace(b"TCP4 ", b"TCP4  "), "not two addresses of its family"),
    (V1.replace(b"192.0.2.77", b"192.0.02.77"), "not two addresses of its family"),
    (V1.replace(b"192.0.2.77", b"fe80::1%lo"), "not two addresses of its family"),
    (V1.replace(b" 443", b" 0443"), "not two ports at the end of the line"),
    (V1.replace(b" 443", b" 65536"), "not two ports at the end of the line"),
    (V1.replace(b"\r\n", b" \r\n"), "not two ports at the end of the line"),
    (ph.SIGNATURE + b"\x31\x11\0\0", "neither version 1 nor 2"),
    (ph.raw_v2(0x22, ph.TCP4, bytes(12)), "neither LOCAL nor PROXY"),
    (ph.raw_v2(ph.PROXY, 0x13, bytes(12)), "unknown address family or transport"),
    (ph.raw_v2(ph.PROXY, 0x41, bytes(12)), "unknown address family or transport"),
    (ph.raw_v2(ph.PROXY, ph.TCP4, bytes(11)), "too short for its addresses"),
    (ph.raw_v2(ph.PROXY, ph.UDP4, b""), "too short for its addresses"),
    (ph.raw_v2(ph.PROXY, ph.TCP6, bytes(35)), "too short for its addresses"),
    (ph.raw_v2(ph.PROXY, ph.UNIX, bytes(215)), "too short for its addresses"),
    (ph.SIGNATURE + b"\x21\x11\xff\xff", "longer than 8192 bytes"),
    (ph.v2(CLIENT, TARGET, b"\x04\0\x09short"), "a TLV goes beyond the header"),
    (ph.v2(CLIENT, TARGET, b"\x04\0"), "a TLV goes beyond the header"),
    (ph.v2(CLIENT, TARGET, ph.tlv(ph.CRC32C, b"123")), "a TLV of impossible length"),
    (ph.v2(CLIENT, TARGET, ph.tlv(ph.UNIQUE_ID, bytes(129))), "a TLV of impossible length"),
    (ph.with_checksum(V2, wrong=1), "wrong checksum"),
]


@pytest.fixture
def relay(ringmain, backend):
    """One that believes us, before an echo server."""
    return ringmain([backend(servers.echo)], listener=ACCEPT)


# In

@pytest.mark.parametrize("name", GOOD)
def test_header_and_payload_in_one_segment(relay, connect, name):
    header, client = GOOD[name]
    sock = connect(relay.address())
    sock.sendall(header + PAYLOAD)
    tcp.expect(sock, PAYLOAD)
    sock.close()
    line = relay.wait_sessions(1)[0]
    assert line["client"] == tcp.text_of(client)
    assert line["bytes_up"] == str(len(PAYLOAD)), "the header's bytes are not the client's"


@pytest.mark.parametrize("name", GOOD)
def test_header_cut_at_every_byte(relay, connect, name):
    header, client = GOOD[name]
    socks = [connect(relay.address()) for _ in range(1, len(header) + 1)]
    for cut, sock in enumerate(socks, 1):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(header[:cut])
    let_both_workers_see(relay, connect)
    for cut, sock in enumerate(socks, 1):
        sock.sendall(header[cut:] + PAYLOAD)
        tcp.expect(sock, PAYLOAD)
        sock.close()
    lines = relay.wait_sessions(len(socks), bytes_up=len(PAYLOAD))
    assert {line["client"] for line in lines} == {tcp.text_of(client)}


@pytest.mark.parametrize("cut", (1, 1500, 4000, len(LONG) - 1))
def test_much_behind_a_long_header(relay, connect, cut):
    sock, payload = connect(relay.address()), tcp.pattern(cut, 1 << 17)
    sock.sendall(LONG[:cut])
    let_both_workers_see(relay, connect)
    task = tcp.send_in_background(sock, LONG[cut:] + payload)
    tcp.expect(sock, payload)
    task.result()


def test_longest_header_before_a_long_client_hello(ringmain, backend, connect):
    hello = (ROOT / "tests/fuzz/corpus/hello/made-16k").read_bytes()
    rm = ringmain([backend(servers.echo)], listener={**ACCEPT, "tls": "passthrough"})
    sock = connect(rm.address())
    sock.sendall(LONG + hello)
    tcp.expect(sock, hello)


def let_both_workers_see(rm, connect):
    """What was sent before."""
    for knock in [connect(rm.address()) for _ in range(4)]:
        tcp_echo(knock, V1)


def tcp_echo(sock, header, data=b"hello"):
    sock.sendall(header + data)
    tcp.expect(sock, data)


@pytest.mark.parametrize("name", SILENT)
def test_header_that_says_nothing(relay, connect, name):
    sock = connect(relay.address())
    own = sock.getsockname()
    tcp_echo(sock, SILENT[name], PAYLOAD)
    sock.close()
    assert relay.wait_sessions(1)[0]["client"] == tcp.text_of(own)


def test_bad_headers_are_refused_by_name(relay, connect):
    for number, (header, _) in enumerate(BAD, 1):
        sock = connect(relay.address())
        sock.sendall(header)
        assert tcp.read_to_end(sock).data == b"", header
        relay.wait_sessions(number)
        sock.close()
    lines = relay.wait_sessions(len(BAD), reason="bad_preread")
    assert [line["detail"] for line in lines] == [why for _, why in BAD]


def test_stranger_may_not_even_try(ringmain, backend, connect):
    server = backend(servers.echo)
    rm = ringmain([server], listener={"proxy_protocol": "accept", "proxy_protocol_from": "127.0.0.7"})
    assert tcp.knock(rm.address()).data == b""
    line = rm.wait_sessions(1)[0]
    assert (line["reason"], line["detail"]) == ("refused", "not in proxy_protocol_from")
    trusted = connect(rm.address(), source=("127.0.0.7", 0))
    tcp_echo(trusted, V2)
    assert len(server.peers) == 1


@pytest.mark.parametrize("said", (b"", V1[:9], V2[:20]))
def test_header_has_a_deadline(ringmain, backend, connect, said):
    server = backend(servers.echo)
    rm = ringmain([server], listener={**ACCEPT, "proxy_protocol_timeout": "200ms"})
    sock, watch = connect(rm.address()), Stopwatch()
    sock.sendall(said)
    assert tcp.read_to_end(sock).data == b""
    assert watch.seconds() > 0.15
    rm.wait_sessions(1, reason="preread_timeout")
    assert not server.peers


def test_rules_are_about_the_client_not_the_proxy(ringmain, backend, connect):
    rm = ringmain([backend(servers.echo)], listener={**ACCEPT, "deny": CLIENT[0]})
    sock = connect(rm.address())
    sock.sendall(V2 + PAYLOAD)
    assert tcp.read_to_end(sock).data == b""
    assert rm.wait_sessions(1)[0]["detail"] == "denied"
    tcp_echo(connect(rm.address()), ph.v2(("192.0.2.78", 1), TARGET))


def test_header_before_tls(ringmain, backend, connect, pki):
    rm = ringmain([backend(servers.echo)],
                  listener={**ACCEPT, "tls": "terminate", "certificate": pki["ecdsa.pem"]})
    sock = connect(rm.address())
    sock.sendall(V2)
    secure = tls.TlsSocket(sock, tls.client_context(pki), name=tls.NAME)
    tcp.exchange(secure, PAYLOAD)
    sock.close()
    line = rm.wait_sessions(1)[0]
    assert line["client"] == tcp.text_of(CLIENT) and line["sni"] == tls.NAME


# Out

@pytest.mark.parametrize("version", ("v1", "v2"))
@pytest.mark.parametrize("host", ("127.0.0.1", "::1"))
def test_backend_is_told(ringmain, manual, connect, version, host):
    server = manual()
    rm = ringmain([server], pool={"send_proxy": version},
                  binds=("127.0.0.1:0" if host == "127.0.0.1" else "[::1]:0",))
    client = connect(rm.address())
    client.sendall(PAYLOAD)
    sock = server.accept()
    header = ph.read(sock)
    assert header.version == int(version[1]) and header.command == ph.PROXY and not header.tlvs
    assert header.source == client.getsockname()[:2]
    assert header.destination == rm.address()
    tcp.expect(sock, PAYLOAD)
    sock.sendall(b"answer")
    tcp.expect(client, b"answer")
    client.close()
    sock.close()
    assert rm.wait_sessions(1)[0]["bytes_up"] == str(len(PAYLOAD))


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_backend_that_speaks_first_is_told_first(ringmain, manual, connect, version):
    """The header does not wait for the client's first byte."""
    server = manual()
    rm = ringmain([server], pool={"send_proxy": version})
    client = connect(rm.address())
    sock = server.accept()
    assert ph.read(sock).source == client.getsockname()
    sock.sendall(b"220 welcome")
    tcp.expect(client, b"220 welcome")


def test_dual_stack_listener_tells_ipv4(ringmain, manual, connect):
    server = manual()
    rm = ringmain([server], pool={"send_proxy": "v1"}, binds=(":0",))
    client = connect(("127.0.0.1", rm.address()[1]))
    header = ph.read(server.accept())
    assert header.raw.startswith(b"PROXY TCP4 ") and header.source == client.getsockname()


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_unix_client_is_unknown(ringmain, manual, connect, workdir, version):
    server = manual()
    rm = ringmain([server], pool={"send_proxy": version}, binds=(f"unix:{workdir}/in.sock",))
    connect(rm.address()).sendall(PAYLOAD)
    sock = server.accept()
    assert ph.read(sock).source is None
    tcp.expect(sock, PAYLOAD)


@pytest.mark.parametrize("version, cert, name", (("TLSv1.3", "alice", b"alice"),
                                                 ("TLSv1.2", "alice", b"alice"),
                                                 ("TLSv1.3", "nameless", None)))
def test_tlvs_tell_of_tls(ringmain, manual, cleanup, pki, version, cert, name):
    server = manual()
    rm = ringmain([server], pool=FULL, listener={
        "tls": "terminate", "certificate": pki["ecdsa.pem"], "alpn": "h2,http/1.1",
        "tls_min": "1.2", "client_verify": "require", "client_ca": pki["ca.crt"]})
    context = tls.client_context(pki, alpn=["http/1.1"],
                                 high=tls.V12 if version == "TLSv1.2" else tls.V13)
    context.load_cert_chain(pki[f"{cert}.crt"], pki[f"{cert}.key"])
    client = tls.connect(rm.address(), context)
    cleanup.append(client.close)
    client.sendall(PAYLOAD)
    sock = server.accept()
    tlvs = ph.read(sock).tlvs
    assert tlvs[ph.AUTHORITY] == tls.NAME.encode() and tlvs[ph.ALPN] == b"http/1.1"
    assert 0 < len(tlvs[ph.UNIQUE_ID]) <= 128 and len(tlvs[ph.CRC32C]) == 4
    flags, verify, inner = ph.decode_tls(tlvs[ph.TLS])
    assert (flags, verify) == (7, 0)
    assert inner[ph.TLS_VERSION] == version.encode() and inner.get(ph.TLS_CN) == name
    # The protocol wants OpenSSL's name of the cipher.
    assert inner[ph.TLS_CIPHER].decode() == client.cipher
    tcp.expect(sock, PAYLOAD)


def test_tlvs_of_a_plain_client(ringmain, manual, connect):
    server = manual()
    rm = ringmain([server], pool=FULL)
    ids = set()
    for _ in range(3):
        connect(rm.address())
        tlvs = ph.read(server.accept()).tlvs
        assert set(tlvs) == {ph.UNIQUE_ID, ph.CRC32C}
        ids.add(tlvs[ph.UNIQUE_ID])
    assert len(ids) == 3, "an id is not of one session alone"


def test_passthrough_tells_the_name(ringmain, manual, connect):
    server = manual()
    rm = ringmain([server], pool=FULL, listener={"tls": "passthrough"})
    hello = tls.client_hello(tls.client_context(alpn=["h2"]))
    connect(rm.address()).sendall(hello)
    sock = server.accept()
    tlvs = ph.read(sock).tlvs
    assert tlvs[ph.AUTHORITY] == tls.NAME.encode() and ph.TLS not in tlvs
    tcp.expect(sock, hello)


@pytest.fixture
def to_tls(pki):
    return {"tls": "yes", "tls_ca": pki["ca.crt"], "balance": "first"}


def finish_tls(sock, pki):
    """The backend's part once the header is read."""
    secure = tls.TlsSocket(sock, tls.server_context(pki["backend.pem"]), server=True)
    data = secure.recv()
    secure.sendall(data)
    return secure


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_header_goes_before_tls_to_the_backend(ringmain, manual, connect, pki, to_tls, version):
    server = manual()
    rm = ringmain([server], pool={**to_tls, "send_proxy": version})
    client = connect(rm.address())
    client.sendall(PAYLOAD)
    sock = server.accept()
    assert ph.read(sock).source == client.getsockname()
    finish_tls(sock, pki)
    tcp.expect(client, PAYLOAD)


def test_second_backend_hears_it_again(ringmain, manual, connect, pki, to_tls):
    """The first one takes the header and resets in the middle of its handshake."""
    one, two = manual(), manual()
    rm = ringmain([one, two], pool={**to_tls, **FULL})
    client = connect(rm.address())
    client.sendall(PAYLOAD)
    sock = one.accept()
    first = ph.read(sock)
    tcp.recv_exactly(sock, 5)
    tcp.reset(sock)
    sock = two.accept()
    assert ph.read(sock) == first
    finish_tls(sock, pki)
    tcp.expect(client, PAYLOAD)
    client.close()
    sock.close()
    line = rm.wait_sessions(1)[0]
    assert (line["backend"], line["failed_tries"]) == ("b2", "1")


def test_retry_after_a_refusal_tells_too(ringmain, manual, connect, cleanup):
    held, port = reserved_port()
    cleanup.append(held.close)
    server = manual()
    rm = ringmain([f"127.0.0.1:{port}", server], pool={"balance": "first", "send_proxy": "v2"})
    client = connect(rm.address())
    client.sendall(PAYLOAD)
    sock = server.accept()
    assert ph.read(sock).source == client.getsockname()
    tcp.expect(sock, PAYLOAD)


@pytest.mark.parametrize("version", ("v1", "v2"))
def test_checks_speak_for_themselves(ringmain, manual, version):
    """Version 1 knows no LOCAL; there the check's own addresses are as true."""
    server = manual()
    ringmain([server], pool={"send_proxy": version, "check": "tcp", "check_interval": "50ms"})
    for _ in range(3):
        sock = server.accept()
        header = ph.read(sock)
        assert header.version == int(version[1])
        if version == "v2":
            assert header.command == ph.LOCAL
        else:
            assert header.source == sock.getpeername() and header.destination == server.address
        sock.close()
