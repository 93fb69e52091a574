# SPDX-License-Identifier: GPL-2.0-or-later
"""HelloRetryRequest, early data and tickets of others (RFC 8446, 4.1.4, 4.2.9 and 4.2.10)."""

import os

import pytest

from kit import backend as servers
from kit import hello, tls, tls13
from kit.hello import P256, X25519

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

POINT = b"\x04" + bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                               "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
EARLY_DATA, PSK_KE, PSK_DHE_KE = (42, b""), (45, b"\x01\0"), (45, b"\x01\x01")


@pytest.fixture
def relay(request, ringmain, backend, pki):
    return ringmain([backend(servers.echo)],
                    listener={"tls": "terminate", "certificate": pki["ecdsa.pem"], "tls_min": "1.3",
                              "ciphers": tls13.CIPHERS, "groups": getattr(request, "param", "X25519:P-256")})


def asks_for_p256(*extensions):
    """A first hello that has a share for P-256 alone, so that a retry is for X25519."""
    return hello.client_hello(hello.versions(0x0304), hello.groups(P256, X25519), hello.schemes(*hello.SCHEMES),
                              hello.shares((P256, POINT)), *extensions, suites=hello.CHACHA_13,
                              session=os.urandom(32))


@pytest.fixture
def client(relay, cleanup):
    def begin(first):
        made = tls13.Handmade(relay.address(), first=first)
        cleanup.append(made.close)
        return made
    return begin


def works(made):
    made.shake().finish().send(tls13.DATA, b"hello")
    made.expect(b"hello")


@pytest.mark.parametrize("sizes", ((), (17,), (40, 1000, 16384), (16401,) * 3), ids=len)
def test_early_data_of_a_foreign_ticket(client, sizes):
    """They are dropped: with a retry it can be told where they end."""
    ticket = hello.pre_shared_key()
    made = client(asks_for_p256(PSK_DHE_KE, EARLY_DATA, ticket))
    for size in sizes:
        made.raw(tls.record(23, bytes([21]) * size))    # nothing in them is an alert
    works(made.retry(PSK_DHE_KE, ticket))


@pytest.mark.parametrize("early", ((EARLY_DATA,), ()), ids=("early data", "none"))
@pytest.mark.parametrize("relay", ("X25519",), indirect=True)
@pytest.mark.parametrize("again", ((), (PSK_DHE_KE,), ((21, bytes(5)), PSK_DHE_KE)), ids=len)
@pytest.mark.own_library("retry-without-psk.patch")
def test_a_ticket_that_the_second_hello_drops(client, early, again):
    """One for another hash than the retry's must go (RFC 8446, 4.1.4); with OpenSSL it is SHA-384's."""
    made = client(asks_for_p256(PSK_DHE_KE, *early, hello.pre_shared_key(binder=48)))
    if early:
        made.raw(tls.record(23, os.urandom(100)))
    works(made.retry(*again))


def test_a_second_hello_with_a_ticket_alone(client):
    made = client(asks_for_p256(PSK_DHE_KE, EARLY_DATA, hello.pre_shared_key()))
    made.retry(hello.pre_shared_key())
    assert made.end() == "missing_extension"


@pytest.mark.parametrize("size", (16641, 20000))
def test_early_data_longer_than_a_record(relay, client, size):
    """They cannot be opened, but a record has its limit all the same (RFC 8446, 5.2)."""
    made = client(asks_for_p256(PSK_DHE_KE, EARLY_DATA, hello.pre_shared_key()))
    made.raw(tls.record(23, bytes(size)))
    assert made.end() == "record_overflow"
    assert relay.wait_sessions(1, reason="client_tls_error")[0]["detail"] == "TLS record longer than allowed"


def test_early_data_that_do_not_end(relay, client):
    made = client(asks_for_p256(PSK_DHE_KE, EARLY_DATA, hello.pre_shared_key()))
    for _ in range(5):
        made.raw(tls.record(23, os.urandom(16000)))
    assert made.end() in ("unexpected_message", "RST")
    assert relay.wait_sessions(1, reason="client_tls_error")[0]["detail"] == "too many TLS records without data"


def test_data_that_were_not_announced(relay, client):
    """Of early data the hello speaks."""
    made = client(hello.client_hello(hello.versions(0x0304), hello.groups(P256, X25519),
                                     hello.schemes(*hello.SCHEMES), hello.shares(), suites=hello.CHACHA_13,
                                     session=os.urandom(32)))
    made.raw(tls.record(23, os.urandom(100)))
    assert made.end() in ("unexpected_message", "bad_record_mac", "decode_error", "handshake_failure", "RST")
    assert relay.wait_sessions(1, reason="client_tls_error")


@pytest.mark.parametrize("size", (200, 5000))
@pytest.mark.parametrize("modes", (PSK_KE, PSK_DHE_KE), ids=("ke", "dhe_ke"))
@pytest.mark.own_library("long-identities.patch", 5000)
def test_a_foreign_ticket_is_a_full_handshake(relay, modes, size):
    first = hello.client_hello(hello.versions(0x0304), hello.groups(X25519), hello.schemes(*hello.SCHEMES),
                               hello.shares((X25519, hello.public_x25519())), modes, hello.pre_shared_key(size),
                               suites=hello.CHACHA_13, session=os.urandom(32))
    assert hello.answer(relay.address(), first) == "ServerHello"



CHANGES = {
    "an extension twice": (lambda m: hello.client_hello((35, b""), (35, b""), suites=hello.CHACHA_13),
                           "illegal_parameter", "an extension stands twice in the ClientHello"),
    "two shares for one group": (lambda m: hello.client_hello(
        hello.versions(0x0304), hello.groups(X25519), hello.schemes(*hello.SCHEMES),
        hello.shares((X25519, bytes(32)), (X25519, bytes(32))), suites=hello.CHACHA_13),
                                 "illegal_parameter", "two key shares for one group"),
    "lengths": (lambda m: m[:71] + b"\xff\xff" + m[73:], "decode_error",
                "lengths in the ClientHello do not add up"),
    "no hello": (lambda m: b"\x0b" + m[1:], "unexpected_message", "TLS does not begin with a ClientHello"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_second_hello_is_read_like_the_first(relay, client, change):
    made = client(asks_for_p256(EARLY_DATA))
    make, alert, detail = CHANGES[change]
    made.retry(change=make)
    assert made.end() in (alert, "RST")
    line = relay.wait_sessions(1, reason="client_tls_error")[0]
    assert detail is None or line["detail"] == detail


def edited(*, without=None, extension=None, **fields):
    """What changes a hello: takes an extension out, puts one in or in its place, sets other fields."""
    def change(message):
        read = hello.Hello(message)
        read.extensions.pop(without, None)
        read.extensions.update([extension] if extension else [])
        for key, value in fields.items():
            setattr(read, key, value)
        return read.message()
    return change


X25519_SHARE, P256_SHARE = (X25519, hello.public_x25519()), (P256, POINT)
NAMED = hello.name(tls.NAME)
MISSING = "missing_extension", "a required extension is missing"
SHARE = "illegal_parameter", "the second ClientHello has not the key share that was asked for"
CHANGED = "illegal_parameter", "the second ClientHello does not say what the first said"

NOT_THE_SAME = {
    "no schemes": (edited(without=13), MISSING),
    "no groups": (edited(without=10), MISSING),
    "no shares": (edited(without=51), MISSING),
    "the first share": (edited(extension=hello.shares(P256_SHARE)), SHARE),
    "an empty list of shares": (edited(extension=hello.shares()), SHARE),
    "two shares": (edited(extension=hello.shares(X25519_SHARE, P256_SHARE)), SHARE),
    "early data again": (edited(extension=EARLY_DATA),
                         ("illegal_parameter", "early data in the second ClientHello")),
    "no name": (edited(without=0), CHANGED),
    "another name": (edited(extension=hello.name("b.example.com")), CHANGED),
    "other schemes": (edited(extension=hello.schemes(hello.ECDSA_P256)), CHANGED),
    "other groups": (edited(extension=hello.groups(X25519)), CHANGED),
    "no versions": (edited(without=43), CHANGED),
    "a protocol more": (edited(extension=(16, b"\0\3\2h2")), CHANGED),
    "another random": (edited(random=bytes(32)), CHANGED),
    "another session id": (edited(session=bytes(32)), CHANGED),
    "no session id": (edited(session=b""), CHANGED),
    "a suite more": (edited(suites=hello.CHACHA_13 + hello.AES_13), CHANGED),
}


@pytest.mark.parametrize("change", NOT_THE_SAME)
def test_a_second_hello_says_what_the_first_has_said(relay, client, change):
    """But for what RFC 8446, 4.1.2, lists."""
    make, (alert, detail) = NOT_THE_SAME[change]
    made = client(asks_for_p256(NAMED, EARLY_DATA))
    made.retry(NAMED, change=make)
    assert made.end() == alert
    assert relay.wait_sessions(1, reason="client_tls_error")[0]["detail"] == detail


PADDING, COOKIE, UNKNOWN = (21, bytes(9)), (44, b"\0\1c"), (0xfe0d, b"another")


@pytest.mark.parametrize("more", (PADDING, COOKIE, UNKNOWN), ids=("padding", "cookie", "unknown"))
def test_a_second_hello_may_say_more(client, more):
    works(client(asks_for_p256(NAMED, EARLY_DATA, (0xfe0d, b"one"))).retry(more, NAMED))


def test_a_ticket_that_the_second_hello_would_use_otherwise(client):
    """A full handshake, as for a first hello that would use it so."""
    ticket = hello.pre_shared_key()
    works(client(asks_for_p256(PSK_DHE_KE, EARLY_DATA, ticket)).retry(PSK_KE, ticket))


@pytest.mark.parametrize("size", (1, 7, 100))
def test_a_second_hello_may_come_in_pieces(client, size):
    made = client(asks_for_p256(EARLY_DATA))
    raw = made.raw
    made.sock.setsockopt(6, 1, 1)       # TCP_NODELAY
    made.raw = lambda data: [raw(data[at:at + size]) for at in range(0, len(data), size)]
    works(made.retry())


@pytest.mark.parametrize("version", (0x0300, 0x0301, 0x0302, 0x0304, 0x03ff), ids=hex)
@pytest.mark.parametrize("early", ((EARLY_DATA,), ()), ids=("early data", "none"))
@pytest.mark.parametrize("relay", ("X25519",), indirect=True)
@pytest.mark.own_library("record-version.patch")
def test_the_version_of_a_record_means_nothing(client, early, version):
    """It is to be ignored for all purposes (RFC 8446, 5.1): of a ChangeCipherSpec, of a second hello, under keys."""
    made = client(asks_for_p256(*early))
    raw = made.raw
    made.raw = lambda data: raw(b"".join(tls.record(kind, body, version) for kind, body in tls.records(data)))
    made.retry().shake()
    made.out.version = version
    made.raw = raw
    made.finish()
    made.out.version = version
    made.send(tls13.DATA, b"hello")
    made.expect(b"hello")
