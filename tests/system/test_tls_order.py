# SPDX-License-Identifier: GPL-2.0-or-later
"""The order of a handshake's messages in TLS 1.2 (RFC 5246, 7.3 and 7.4), from clients and from backends."""

import pytest

from kit import backend as servers
from kit import hello, proc, tcp, tls, tls12
from kit.certificates import CA, LEAF, Certificates

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

TICKET, VERIFY, STATUS = 4, 15, 22


@pytest.fixture(scope="module")
def forge(module_dir):
    proc.need("openssl", "openssl")
    made = Certificates(f"{module_dir}/forge")
    made.make("root", ext=CA + "subjectKeyIdentifier=hash\n")
    made.make("alice", "root", LEAF + "extendedKeyUsage=clientAuth\n")
    made.make("db", "root", LEAF + "subjectAltName=DNS:db.example.com\n")
    return made


def sign(forge, name, data):
    return proc.run([proc.need("openssl", "openssl"), "dgst", "-sha256", "-sign", forge.dir / f"{name}.key"],
                    input=data, text=False).stdout


def der_number(value):
    size = value.bit_length() // 8 + 1
    return b"\x02" + hello.counted(value.to_bytes(size, "big"), 1)


def signature_of_zeros(der):
    """What the key of this certificate, on P-256, seems to have signed: R is 2 Q, s is r / 2, the hash is 0."""
    prime = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff
    order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
    point = der[der.index(b"\x03\x42\x00\x04") + 4:][:64]
    x, y = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
    slope = (3 * x * x - 3) * pow(2 * y, -1, prime) % prime
    r = (slope * slope - 2 * x) % prime % order
    return b"\x30" + hello.counted(der_number(r) + der_number(r * pow(2, -1, order) % order), 1)


def verify(client, signature):
    client.tell(VERIFY, hello.numbers(hello.ECDSA_P256) + hello.counted(signature))


CLIENT_STEPS = {
    "certificate": lambda c, f: c.tell(hello.CERTIFICATE, tls12.certificates(tls.der_of(f["alice.pem"]))),
    "none": lambda c, f: c.tell(hello.CERTIFICATE, tls12.certificates()),
    "keys": lambda c, f: c.exchange_keys(),
    "verify": lambda c, f: verify(c, sign(f, "alice", c.transcript)),
    "forged": lambda c, f: verify(c, signature_of_zeros(tls.der_of(f["alice.pem"]))),
    "cipher": lambda c, f: c.change_cipher(),
    "finished": lambda c, f: c.finish(),
    "done": lambda c, f: c.tell(hello.DONE, b""),
    "ticket": lambda c, f: c.tell(TICKET, b"\0\0\0\0\0\1x"),
    "status": lambda c, f: c.tell(STATUS, b"\1\0\0\1x"),
}
END = " cipher finished"
IN_ORDER = ("certificate keys verify" + END, "none keys" + END)
OUT_OF_ORDER = (
    "certificate forged keys" + END,            # CVE-2026-2645: entered as whoever's certificate it was
    "certificate forged keys verify" + END,
    "certificate verify keys" + END,
    "keys certificate verify" + END,
    "keys certificate" + END,
    "keys" + END,                               # what was asked for is left out (7.4.6)
    "none keys verify" + END,
    "none keys cipher verify finished",
    "none keys finished cipher",
    "none cipher keys finished",
    "verify certificate keys" + END,
)
OF_SERVERS = ("done", "ticket", "status")


def say(client, forge, steps):
    """Until the server has had enough, or to the end."""
    for step in steps.split():
        if step == "cipher" and not hasattr(client, "master"):
            client.master = bytes(48)
        CLIENT_STEPS[step](client, forge)


@pytest.fixture
def verifying(ringmain, backend, pki, forge, cleanup):
    """verifying(MODE) gives (ringmain, a client that has read its flight)."""
    def begin(mode):
        rm = ringmain([backend(servers.echo)],
                      listener={"tls": "terminate", "certificate": pki["ecdsa.pem"], "client_verify": mode,
                                "client_ca": forge.bundle("ca.pem", "root"), "ciphers": tls12.CIPHERS,
                                "tls_max": "1.2", "tls_min": "1.2"})
        client = tls12.Client(rm.address())
        cleanup.append(client.close)
        return rm, client
    return begin


@pytest.mark.parametrize("steps", IN_ORDER + OUT_OF_ORDER)
@pytest.mark.own_library("message-order.patch")
def test_of_a_client(verifying, forge, steps):
    rm, client = verifying("optional")
    say(client, forge, steps)
    assert client.end() == ("Finished" if steps in IN_ORDER else "unexpected_message")
    if steps in OUT_OF_ORDER:
        assert rm.wait_sessions(1, reason="client_tls_error")[0]["detail"] == "messages out of order"


@pytest.mark.own_library("message-order.patch")
def test_nobody_enters_with_a_certificate_alone(verifying, forge):
    """Where one is required: of a signature of zeros anybody can make, from the certificate, which is public."""
    rm, client = verifying("require")
    say(client, forge, "certificate forged keys" + END)
    assert client.end() == "unexpected_message"
    rm.wait_sessions(1, reason="client_tls_error")


@pytest.mark.own_library("message-order.patch")
def test_of_a_client_that_resumes(ringmain, backend, pki, cleanup):
    """Nothing but its Finished; the alert is encrypted with keys that nobody here has made."""
    rm = ringmain([backend(servers.echo)], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"],
                                                     "ciphers": tls12.CIPHERS, "tls_max": "1.2"})
    client = tls12.Client(rm.address(), (35, b""))
    cleanup.append(client.close)
    say(client, None, "keys" + END)
    kind, content = client.receive()
    assert (kind, content[0]) == (tls.RECORD_HANDSHAKE, TICKET)
    with tcp.connect(rm.address()) as sock:
        hello.send(sock, hello.hello12((35, content[10:]), offered=(hello.X25519, hello.P256), suites=hello.CHACHA_ECDSA,
                                       session=bytes(range(32))))
        answer = hello.receive_record(sock)[1]
        assert answer[39:71] == bytes(range(32))
        hello.send(sock, hello.message(hello.CLIENT_KEY, hello.counted(hello.public_x25519(), 1)))
        rm.wait_sessions(1, reason="client_tls_error", detail="messages out of order")


@pytest.mark.parametrize("step", OF_SERVERS)
@pytest.mark.own_library("other-sides-message.patch")
def test_a_servers_message_from_a_client(verifying, forge, step):
    rm, client = verifying("optional")
    say(client, forge, step)
    assert client.end() == "unexpected_message"
    assert rm.wait_sessions(1, reason="client_tls_error")[0]["detail"] == "a message of the other side's"


# Of backends

BACKEND_STEPS = {
    "hello": lambda s, f: s.answer(),
    "certificate": lambda s, f: s.tell(hello.CERTIFICATE, tls12.certificates(tls.der_of(f["db.pem"]))),
    "keys": lambda s, f: s.exchange_keys(lambda data: sign(f, "db", data)),
    "request": lambda s, f: s.tell(hello.REQUEST, b"\1\x40\0\2\4\3\0\0"),
    "ticket": lambda s, f: s.tell(TICKET, b"\0\0\0\0\0\1x"),
    "done": lambda s, f: s.tell(hello.DONE, b""),
}
BACKENDS_IN_ORDER = ("hello certificate keys done", "hello certificate keys request done")
BACKENDS_OUT_OF_ORDER = (
    "hello request certificate keys done",
    "hello certificate request keys done",
    "hello keys certificate done",
    "hello certificate keys ticket done",
    "hello certificate done",
    "hello ticket certificate keys done",
    "certificate",
)


@pytest.fixture
def asked(ringmain, manual, forge, cleanup):
    """(ringmain, a server that has its hello)."""
    server = manual()
    rm = ringmain([server], pool={"tls": "yes", "tls_ca": forge.bundle("ca.pem", "root"),
                                  "tls_name": "db.example.com", "eject_after": "0", "connect_tries": "1"})
    cleanup.append(tcp.connect(rm.address()).close)
    peer = tls12.Server(server.accept())
    cleanup.append(peer.close)
    return rm, peer


@pytest.mark.parametrize("steps", BACKENDS_IN_ORDER + BACKENDS_OUT_OF_ORDER)
@pytest.mark.own_library("message-order.patch")
def test_of_a_backend(asked, forge, steps):
    rm, peer = asked
    for step in steps.split():
        BACKEND_STEPS[step](peer, forge)
    assert peer.end() == ("ClientKeyExchange" if steps in BACKENDS_IN_ORDER else "unexpected_message")
    if steps in BACKENDS_OUT_OF_ORDER:
        assert rm.wait_sessions(1, reason="backend_tls_error")[0]["detail"] == "messages out of order"


@pytest.mark.parametrize("kind", (hello.CLIENT_HELLO, hello.CLIENT_KEY, VERIFY))
@pytest.mark.own_library("other-sides-message.patch")
def test_a_clients_message_from_a_backend(asked, kind):
    rm, peer = asked
    peer.answer()
    peer.tell(kind, b"\0\0")
    assert peer.end() == "unexpected_message"
    assert rm.wait_sessions(1, reason="backend_tls_error")[0]["detail"] == "a message of the other side's"
