# SPDX-License-Identifier: GPL-2.0-or-later
"""Tickets as backends may give them out (RFC 8446, 4.6.1), and what they may not do when they take them back."""

import pytest

from kit import hello, proc, tcp, tls, tls13
from kit.certificates import BACKEND_NAME

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

PRE_SHARED_KEY = 41


@pytest.fixture
def shake(ringmain, manual, cleanup, pki):
    """shake() gives (a backend by hand, the session's client), with hands shaken."""
    server = manual()
    rm = ringmain([server], pool={"tls": "yes", "tls_ca": pki["ca.crt"], "tls_name": BACKEND_NAME, "eject_after": "0",
                                  "connect_tries": "1"}, settings={"workers": 1})

    def begin():
        client = tcp.connect(rm.address())
        peer = tls13.HandmadeServer(server.accept())
        cleanup.extend((client.close, peer.close))
        prove(peer, pki)
        return peer.finish(), client
    begin.server, begin.address = server, rm.address()
    return begin


def prove(peer, pki):
    chain = hello.counted(tls.der_of(pki["backend.pem"]), 3) + b"\0\0"
    peer.tell(hello.CERTIFICATE, b"\0" + hello.counted(chain, 3))
    signature = proc.run([proc.need("openssl", "openssl"), "dgst", "-sha256", "-sign", pki["backend.key"]],
                         input=peer.to_sign(), text=False).stdout
    peer.tell(15, hello.numbers(hello.ECDSA_P256) + hello.counted(signature))


@pytest.mark.parametrize("nonce, lifetime", ((0, 3600), (8, 3600), (9, 3600), (32, 3600), (255, 3600), (8, 0),
                                             (8, 604801), (8, 0xffffffff)))
@pytest.mark.own_library("WOLFSSL_TICKET_NONCE_MALLOC", 9, 32, 255)
@pytest.mark.own_library("ticket-lifetime.patch", 604801, 0xffffffff)
def test_a_ticket_harms_nobody(shake, nonce, lifetime):
    """Of nonces, rustls has 32 bytes; a lifetime of more than seven days is a server's fault, but no client's."""
    peer, client = shake()
    peer.give_ticket(bytes(range(nonce)), lifetime)
    peer.send(tls13.DATA, b"hello")
    tcp.expect(client, b"hello")


@pytest.fixture
def resume(shake, cleanup):
    """resume(nonce) gives (the backend that gave a ticket, the next session's connection, its ClientHello)."""
    return lambda nonce: _resume(shake, cleanup, nonce)


def _resume(shake, cleanup, nonce):
    peer, client = shake()
    peer.give_ticket(nonce)
    peer.send(tls13.DATA, b"hello")
    tcp.expect(client, b"hello")
    cleanup.append(tcp.connect(shake.address).close)
    again = shake.server.accept()
    first = hello.receive_record(again)[1]
    assert PRE_SHARED_KEY in hello.Hello(first).extensions
    return peer, again, first


@pytest.mark.parametrize("size", (8, 32, 255))
@pytest.mark.own_library("WOLFSSL_TICKET_NONCE_MALLOC", 32, 255)
def test_a_ticket_is_used_with_all_of_its_nonce(resume, size):
    nonce = bytes(range(size))
    peer, _, first = resume(nonce)
    assert peer.made_binder(first, nonce)


@pytest.mark.own_library("no-key-share.patch")
def test_a_ticket_that_is_taken_without_a_share(resume):
    """It was offered with a new key exchange alone (psk_dhe_ke; RFC 8446, 4.2.9)."""
    _, again, first = resume(b"1")
    session = hello.Hello(first).session
    hello.send(again, hello.server_hello(session, (43, hello.numbers(0x0304)), (PRE_SHARED_KEY, b"\0\0"),
                                         suite=hello.CHACHA_13))
    assert hello.receive_record(again) == (tls.RECORD_ALERT, b"\x02\x6d")     # missing_extension
