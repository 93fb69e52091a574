# SPDX-License-Identifier: GPL-2.0-or-later
"""Backends that answer what nobody has asked (RFC 8446, 4.1.4 and 4.2), or not at all."""

import pytest

from kit import hello, tcp, tls, tls12, tls13
from kit.hello import P256, X25519

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

VERSION = (43, hello.numbers(0x0304))
CODE_WORDS = {
    "unsupported_extension": "an extension nobody asked for",
    "illegal_parameter": "an extension where it must not be",
}
UNKNOWN, STATUS, STATUS_V2, TRUNCATED, EARLY = (0xfafa, b""), (5, b"\1\0\0\1x"), (17, b""), (4, b""), (42, b"")
ALPN, MASTER, POINTS, RENEGOTIATION = (16, b"\0\3\2h2"), hello.MASTER_SECRET, (11, b"\1\0"), (0xff01, b"\0")


@pytest.fixture
def asked(ringmain, manual, cleanup):
    """asked() gives (a connection from ringmain to its backend, ringmain)."""
    def begin():
        server = manual()
        rm = ringmain([server], pool={"tls": "yes", "tls_verify": "no", "eject_after": "0", "eject_percent": "0",
                                      "connect_tries": "1"})
        client = tcp.connect(rm.address())
        cleanup.append(client.close)
        return server.accept(), rm
    return begin


def expect(rm, detail):
    assert rm.wait_sessions(1, reason="backend_tls_error")[0]["detail"] == detail


def said_in_clear(sock):
    """The alert that comes; a ChangeCipherSpec and the like are passed over."""
    kind = None
    while kind != tls.RECORD_ALERT:
        kind, body = hello.receive_record(sock)
        assert kind in (tls.RECORD_ALERT, tls13.CHANGE_CIPHER_SPEC), (kind, body)
    return tls.ALERTS.get(body[1], body[1])


RETRIES = {
    "for nothing": ((VERSION,), "illegal_parameter", "illegal parameter"),
    "for what was sent": ((VERSION, (51, hello.numbers(X25519))), "illegal_parameter", "malformed key share"),
    "of no version": (((51, hello.numbers(P256)),), "missing_extension", "a required extension is missing"),
    "with more": ((VERSION, (51, hello.numbers(P256)), UNKNOWN), "unsupported_extension",
                  CODE_WORDS["unsupported_extension"]),
    "with a cookie": ((VERSION, (44, b"\0\1c")), "unsupported_extension", CODE_WORDS["unsupported_extension"]),
}


@pytest.mark.parametrize("name", RETRIES)
@pytest.mark.own_library("retry-for-nothing.patch", "for nothing")
@pytest.mark.own_library("retry-for-nothing.patch", "of no version")
@pytest.mark.own_library("unasked-extensions.patch", "with more")
@pytest.mark.own_library("unasked-extensions.patch", "with a cookie")
def test_a_retry(asked, name):
    extensions, alert, detail = RETRIES[name]
    sock, rm = asked()
    heard = hello.Hello(hello.receive_record(sock)[1])
    hello.send(sock, hello.server_hello(heard.session, *extensions, suite=hello.CHACHA_13, random=hello.RETRY))
    assert said_in_clear(sock) == alert
    expect(rm, detail)


@pytest.mark.own_library("no-key-share.patch")
def test_no_share_behind_a_retry(asked):
    """The secret would be one that everybody knows."""
    sock, rm = asked()
    heard = hello.Hello(hello.receive_record(sock)[1])
    retry = VERSION, (51, hello.numbers(P256))
    hello.send(sock, hello.server_hello(heard.session, *retry, suite=hello.CHACHA_13, random=hello.RETRY))
    while hello.receive_record(sock)[0] != tls.RECORD_HANDSHAKE:
        pass
    hello.send(sock, hello.server_hello(heard.session, VERSION, suite=hello.CHACHA_13))
    assert said_in_clear(sock) == "missing_extension"
    expect(rm, "a required extension is missing")


IN_HELLO, IN_ENCRYPTED, IN_CERTIFICATE = "ServerHello", "EncryptedExtensions", "Certificate"
UNASKED = {
    IN_HELLO: {"unsupported_extension": (UNKNOWN, STATUS, STATUS_V2, TRUNCATED),
               "illegal_parameter": (ALPN, MASTER, POINTS, RENEGOTIATION)},
    IN_ENCRYPTED: {"unsupported_extension": (UNKNOWN, STATUS, STATUS_V2, TRUNCATED, ALPN, EARLY, (0, b""), (1, b"\1")),
                   "illegal_parameter": (MASTER, POINTS, RENEGOTIATION, (13, b"\0\2\4\3"), (35, b""))},
    IN_CERTIFICATE: {"unsupported_extension": (UNKNOWN, STATUS, STATUS_V2, TRUNCATED, (18, b"")),
                     "illegal_parameter": (MASTER, POINTS, (13, b"\0\2\4\3"))},
}


@pytest.mark.parametrize("where, alert, extension", [
    pytest.param(where, alert, extension, id=f"{where}-{extension[0]}")
    for where, answers in UNASKED.items() for alert, all_of in answers.items() for extension in all_of])
@pytest.mark.own_library("unasked-extensions.patch")
def test_an_answer_nobody_asked_for(asked, pki, cleanup, where, alert, extension):
    sock, rm = asked()
    peer = tls13.HandmadeServer(sock, hello_more=[extension] * (where == IN_HELLO),
                                extensions=[extension] * (where == IN_ENCRYPTED))
    cleanup.append(peer.close)
    if where == IN_HELLO:
        peer.into = None                # there are no keys on the other side
    if where == IN_CERTIFICATE:
        one = hello.counted(tls.der_of(pki["ecdsa.pem"]), 3) + hello.counted(hello.extension_list([extension]))
        peer.tell(hello.CERTIFICATE, b"\0" + hello.counted(one, 3))
    assert peer.end() == alert
    expect(rm, CODE_WORDS[alert])


@pytest.mark.own_library("server-point-formats.patch")
def test_a_server_without_uncompressed_points(asked):
    """TLS 1.2 (RFC 8422, 5.2)."""
    sock, rm = asked()
    peer = tls12.Server(sock)
    peer.answer((11, b"\2\1\2"))
    assert peer.end() == "illegal_parameter"
    expect(rm, "illegal parameter")


@pytest.mark.parametrize("level, detail", ((1, "server ended the handshake with close_notify"),
                                           (2, "server sent the alert: close notify")))
def test_an_end_instead_of_an_answer(asked, level, detail):
    sock, rm = asked()
    hello.receive_record(sock)
    sock.sendall(tls.record(tls.RECORD_ALERT, bytes([level, 0])))
    expect(rm, detail)


KEY, SUITE = "certificate's key does not fit the signature, or is for RSASSA-PSS alone", \
    "server chose a cipher suite or a signature scheme that was not offered"
CHOICES = {
    "another key's suite": (b"\xc0\x2f", hello.ECDSA_P256, KEY), "another key's scheme": (hello.AES_ECDSA, hello.PKCS1, KEY),
    "SHA-1": (hello.AES_ECDSA, 0x0203, SUITE), "no scheme": (hello.AES_ECDSA, 0, SUITE),
    "no suite of ours": (b"\xc0\x18", hello.ECDSA_P256, SUITE),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_nobody_gave(asked, pki, name):
    """TLS 1.2: what cannot be is told for what it is."""
    suite, scheme, detail = CHOICES[name]
    sock, rm = asked()
    hello.receive_record(sock)
    chain = hello.counted(hello.counted(tls.der_of(pki["backend.pem"]), 3), 3)
    exchange = b"\x03" + hello.numbers(X25519) + hello.counted(hello.public_x25519(), 1) + hello.numbers(scheme)
    hello.send(sock, hello.server_hello(b"", hello.MASTER_SECRET, suite=suite), hello.message(hello.CERTIFICATE, chain),
               hello.message(hello.KEY_EXCHANGE, exchange + hello.counted(bytes(70))), hello.message(hello.DONE, b""))
    assert said_in_clear(sock) in ("handshake_failure", "illegal_parameter")
    expect(rm, detail)


@pytest.mark.own_library("one-protocol.patch")
@pytest.mark.parametrize("answer", (b"\2h2\2h2", b"\2h2\1"))
def test_several_protocols_where_one_is_to_be(ringmain, manual, cleanup, answer):
    """RFC 7301, 3.1."""
    server = manual()
    rm = ringmain([server], pool={"tls": "yes", "tls_verify": "no", "tls_alpn": "h2,http/1.1", "eject_after": "0",
                                  "connect_tries": "1"})
    cleanup.append(tcp.connect(rm.address()).close)
    peer = tls13.HandmadeServer(server.accept(), extensions=[(16, hello.counted(answer))])
    cleanup.append(peer.close)
    assert peer.end() == "decode_error"
    expect(rm, "malformed message")
