# SPDX-License-Identifier: GPL-2.0-or-later
"""Key exchange (RFC 8446, 4.2.8.2 and 7.4; RFC 8422, 5.11): points that are none are refused, from either side."""

import pytest

from kit import hello, proc, tcp, tls
from kit.hello import P256, P384, P521, X25519

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

CURVES = {P256: ("P-256", 32), P384: ("P-384", 48), P521: ("P-521", 66)}

# What multiplies to zero whatever the other key is (RFC 7748, 6.1): orders 1, 2, 4 and 8, and the
# same with p added.
SMALL = [bytes(32), b"\x01" + bytes(31),
         bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
         bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
         bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
         bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
         bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]


def point(group):
    """A real public key, as it goes over the wire."""
    name, size = CURVES[group]
    key = proc.run([proc.need("openssl", "openssl"), "genpkey", "-algorithm", "EC", "-pkeyopt",
                    f"ec_paramgen_curve:{name}", "-outform", "DER"], text=False).stdout
    der = proc.run(["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"], input=key,
                   text=False).stdout
    return der[-1 - 2 * size:]


def bad_points(group):
    """(what, bytes): not on the curve, not a pair of its field's numbers."""
    size = CURVES[group][1]
    good = point(group)
    return [("(0, 1)", b"\x04" + bytes(size) + bytes(size - 1) + b"\x01"),
            ("(0, 0)", b"\x04" + bytes(2 * size)),
            ("a bit", good[:-1] + bytes([good[-1] ^ 1])),
            ("x too large", b"\x04" + b"\xff" * size + good[1 + size:]),
            ("short", good[:-1]),
            ("no form", b"\x05" + good[1:])]


def wrong_keys():
    for group in CURVES:
        yield from ((group, what, key) for what, key in bad_points(group))
    yield from ((X25519, f"of small order, {number}", key) for number, key in enumerate(SMALL))


@pytest.fixture
def relay(ringmain, manual, pki):
    """Of both versions, with every group."""
    return ringmain([manual()], listener={"tls": "terminate", "handshake_timeout": "20s",
                                          "certificate": [pki["ecdsa.pem"], pki["rsa.pem"]]})


def test_a_good_point_is_none_of_these(relay):
    for group in CURVES:
        assert hello.answer(relay.address(), hello.hello13(group=group, key=point(group))) == "ServerHello"


def expect_refusal(relay, number, alert, what, sender="client"):
    """The peer's alert, and the session's line."""
    assert alert in ("illegal_parameter", "decode_error", "bad_record_mac", "RST"), what
    line = relay.wait_sessions(number + 1)[number]
    assert (line["reason"], line["detail"]) == (f"{sender}_tls_error", "malformed key share"), what


@pytest.mark.own_library("point-on-curve.patch")
def test_from_a_client(relay):
    """TLS 1.3: the share is in its first message."""
    for number, (group, what, key) in enumerate(wrong_keys()):
        said = hello.answer(relay.address(), hello.hello13(group=group, key=key))
        expect_refusal(relay, number, said, (group, what))


@pytest.mark.own_library("point-on-curve.patch")
def test_from_a_client_of_1_2(relay):
    for number, (group, what, key) in enumerate(wrong_keys()):
        with tcp.connect(relay.address()) as sock:
            hello.send(sock, hello.hello12(offered=(group,), suites=hello.AES_RSA))
            flight = hello.receive_messages(sock, hello.DONE)
            assert flight[hello.KEY_EXCHANGE][1:3] == hello.numbers(group)
            hello.send(sock, hello.message(hello.CLIENT_KEY, hello.counted(key, 1)))
            expect_refusal(relay, number, ends(sock), (group, what))


@pytest.mark.own_library("point-on-curve.patch, split-header.patch")
def test_records_of_one_byte(relay):
    """A handshake message may be cut as small as that (RFC 8446, 5.1; RFC 5246, 6.2.1): it is read whole."""
    with tcp.connect(relay.address()) as sock:
        hello.send(sock, hello.hello12(suites=hello.AES_ECDSA))
        hello.receive_messages(sock, hello.DONE)
        message = hello.message(hello.CLIENT_KEY, hello.counted(SMALL[0], 1))
        hello.send(sock, *(bytes([byte]) for byte in message))
        expect_refusal(relay, 0, ends(sock), "its content is what is wrong")


def serve13(peer, group, key):
    """The first flight of a server: asks for a share of this group, and answers it with that key."""
    first = hello.Hello(hello.receive_record(peer)[1])
    version = (43, hello.numbers(0x0304))
    if group != X25519:
        hello.send(peer, hello.server_hello(first.session, version, (51, hello.numbers(group)),
                                            random=hello.RETRY))
        while True:
            kind, body = hello.receive_record(peer)
            if kind == tls.RECORD_HANDSHAKE:
                break
    hello.send(peer, hello.server_hello(first.session, version,
                                        (51, hello.numbers(group) + hello.counted(key))))


def serve12(peer, group, key, pki):
    first = hello.Hello(hello.receive_record(peer)[1])
    random = bytes(range(32))
    chain = hello.counted(hello.counted(tls.der_of(pki["backend.pem"]), 3), 3)
    params = b"\x03" + hello.numbers(group) + hello.counted(key, 1)
    signature = proc.run([proc.need("openssl", "openssl"), "dgst", "-sha256", "-sign", pki["backend.key"]],
                         input=first.random + random + params, text=False).stdout
    hello.send(peer, hello.server_hello(b"", hello.MASTER_SECRET,
                                        suite=hello.AES_ECDSA, random=random),
               hello.message(hello.CERTIFICATE, chain),
               hello.message(hello.KEY_EXCHANGE, params + hello.numbers(hello.ECDSA_P256) +
                             hello.counted(signature)),
               hello.message(hello.DONE, b""))


def ends(peer):
    """Does the handshake end, with an alert or, when that is overtaken, a reset?"""
    try:
        while True:
            kind, body = hello.receive_record(peer)
            if kind == tls.RECORD_ALERT:
                return tls.ALERTS.get(body[1], body[1])
            assert kind != tls.RECORD_HANDSHAKE or body[0] != hello.CLIENT_KEY, "it went on"
    except ConnectionError:
        return "RST"


@pytest.mark.parametrize("version", (tls.V12, tls.V13))
@pytest.mark.own_library("point-on-curve.patch")
def test_from_a_backend(ringmain, manual, pki, version):
    server = manual()
    rm = ringmain([server], pool={"tls": "yes", "tls_ca": pki["ca.crt"], "tls_name": "backend.example.com",
                                  "connect_timeout": "20s", "connect_total": "20s", "eject_after": "0"})
    for number, (group, what, key) in enumerate(wrong_keys()):
        with tcp.connect(rm.address()):
            peer = server.accept()
            if version == tls.V13:
                serve13(peer, group, key)
            else:
                serve12(peer, group, key, pki)
            said = ends(peer)
            peer.close()
            expect_refusal(rm, number, said, (group, what), "backend")
