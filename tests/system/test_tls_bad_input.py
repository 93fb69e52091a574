# SPDX-License-Identifier: GPL-2.0-or-later
"""What no honest client sends: an alert where TLS has one, an end, a line in the log; nobody else waits."""

import random

import pytest

from kit import backend as servers
from kit import hello, tcp, tls, tls12, tls13
from kit.tls import V12, record

pytestmark = pytest.mark.haproxy_cannot("its translation has no TLS")

FLOOD = "too many TLS records without data"


@pytest.fixture
def listening(ringmain, backend, pki):
    """listening(**listener) ends TLS in front of an echo server."""
    def begin(*, settings=None, **listener):
        keys = {"tls": "terminate", "certificate": pki["ecdsa.pem"], **listener}
        return ringmain([backend(servers.echo)], listener=keys, settings=settings)
    return begin


@pytest.fixture
def echoes(pki):
    """echoes(ringmain): does an honest client get through?"""
    def check(relay):
        sock = tls.connect(relay.address(), tls.client_context(pki))
        tcp.exchange(sock, b"honest")
        tcp.hang_up(sock)
        tcp.expect_end(sock, b"", "FIN")
        sock.close()
    return check


# Before the handshake

HELLO = tls.client_hello(tls.client_context(None))


def hello_with(extensions, *, suites=b"\x13\x01\xc0\x2b", session=b"", compression=b"\0", tail=b""):
    """A hello message with these (type, body) extensions."""
    listed = b"".join(kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
                      for kind, body in extensions)
    body = (b"\x03\x03" + bytes(32) + bytes([len(session)]) + session +
            len(suites).to_bytes(2, "big") + suites + bytes([len(compression)]) + compression +
            (len(listed) & 0xffff).to_bytes(2, "big") + listed + tail)
    return b"\x01" + len(body).to_bytes(3, "big") + body


def cut(message, size=16384):
    return b"".join(record(22, message[at:at + size]) for at in range(0, len(message), size))


def share(group):
    return group.to_bytes(2, "big") + b"\0\x20" + bytes(32)


def shares(*groups):
    listed = b"".join(share(group) for group in groups)
    return len(listed).to_bytes(2, "big") + listed


BAD_HELLOS = {
    "zeros": (bytes(64), None, "not TLS"),
    "noise": (random.Random(1).randbytes(4000).replace(b"\x16", b"!"), None, None),
    "http": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None, "HTTP on a TLS port"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", None, "not TLS"),
    "ssl2": (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37), "protocol_version",
             "SSL 2 or not TLS"),
    "ssl3": (b"\x16\x02\x00\x00\x10" + bytes(16), "protocol_version", "unknown major version of TLS"),
    "alert-first": (record(21, b"\x02\x28"), "unexpected_message", "TLS does not begin with a ClientHello"),
    "data-first": (record(23, b"hello"), "unexpected_message", "TLS does not begin with a ClientHello"),
    "heartbeat": (record(24, b"\x01\x40\x00"), "unexpected_message",
                  "TLS does not begin with a ClientHello"),
    "server-hello": (record(22, b"\x02\0\0\x10" + bytes(16)), "unexpected_message",
                     "TLS does not begin with a ClientHello"),
    "empty-record": (record(22, b""), "unexpected_message", "empty TLS record"),
    "record-16385": (b"\x16\x03\x01\x40\x01" + bytes(16385), "record_overflow",
                     "TLS record of more than 16384 bytes"),
    "record-65535": (b"\x16\x03\x01\xff\xff" + bytes(100), "record_overflow",
                     "TLS record of more than 16384 bytes"),
    "one-byte-records": (cut(HELLO[5:], 1), "unexpected_message", "ClientHello in more than 64 records"),
    "16-MB-message": (record(22, b"\x01\xff\xff\xff" + bytes(100)), "decode_error",
                      "ClientHello of more than 16 kB"),
    "trailing": (record(22, HELLO[5:] + b"\x01"), "unexpected_message",
                 "bytes behind the ClientHello in its record"),
    "lengths": (record(22, HELLO[5:76] + b"\xff\xff" + HELLO[78:]), "decode_error",
                "lengths in the ClientHello do not add up"),
    "session-33": (cut(hello_with([], session=bytes(33))), "decode_error",
                   "session id of more than 32 bytes"),
    "compression": (cut(hello_with([], compression=b"\x01")), "illegal_parameter",
                    "client insists on compression"),
    "no-suites": (cut(hello_with([], suites=b"")), "decode_error",
                  "lengths in the ClientHello do not add up"),
    "4000-extensions": (cut(hello_with([(0xa000 + n, b"") for n in range(4000)])), "decode_error",
                        "more than 64 extensions in the hello"),
    "64000-extensions": (cut(hello_with([(n, b"") for n in range(64000)])), "decode_error",
                         "ClientHello of more than 16 kB"),
    "extension-twice": (cut(hello_with([(35, b""), (35, b"")])), "illegal_parameter",
                        "an extension stands twice in the ClientHello"),
    "two-names": (cut(hello_with([(0, b"\0\x0a\0\0\x02aa\0\0\x02bb")])), "illegal_parameter",
                  "malformed server name (SNI)"),
    "empty-name": (cut(hello_with([(0, b"\0\x03\0\0\0")])), "illegal_parameter",
                   "malformed server name (SNI)"),
    "empty-alpn-id": (cut(hello_with([(16, b"\0\x01\0")])), "decode_error", "malformed ALPN list"),
    "share-twice": (cut(hello_with([(51, shares(29, 29))])), "illegal_parameter",
                    "two key shares for one group"),
    "100-shares": (cut(hello_with([(51, shares(*range(100)))])), "illegal_parameter",
                   "more than 16 key shares"),
    "fragment-length-5": (cut(hello_with([(1, b"\5")])), "illegal_parameter",
                          "max_fragment_length is none that there is"),
    "renegotiation": (cut(hello_with([(0xff01, b"\x0c" + bytes(12))])), "handshake_failure",
                      "renegotiation of a handshake that was none"),
    "compressed-points": (cut(hello_with([(11, b"\1\1")])), "illegal_parameter",
                          "client takes no uncompressed points"),
    "psk-not-last": (cut(hello_with([(41, b"\0\0\0\0"), (43, b"\x02\x03\x04")])), "illegal_parameter",
                     "pre_shared_key is not the last extension"),
}


@pytest.mark.parametrize("mode", ("terminate", "passthrough"))
def test_bad_hellos(listening, ringmain, backend, pki, connect, echoes, mode):
    """All of them to one ringmain; each gets its alert, and the next client is served."""
    if mode == "terminate":
        rm = listening()
    else:
        context = tls.server_context(pki["ecdsa.pem"])
        rm = ringmain([backend(tls.served(context, servers.echo))], listener={"tls": "passthrough"})
    for name, (data, alert, detail) in BAD_HELLOS.items():
        before = len(rm.sessions())
        client = connect(rm.address())
        sending = tcp.Task(quietly(client.sendall), data)
        got = tcp.read_to_end(client)
        client.close()
        sending.result()
        rm.wait_sessions(before + 1)
        line = rm.sessions()[before]
        assert line["reason"] == "client_tls_error" and line["by"] == "client", name
        assert detail is None or line["detail"] == detail, name
        if got.data or got.how == "FIN":        # a reset may overtake the alert of who sends on
            assert tls.alert_of(got.data) == alert, name
        else:
            assert alert is None or len(data) > 16384, name
    echoes(rm)


def quietly(function):
    def call(*args):
        try:
            function(*args)
        except ConnectionError:
            pass
    return call


@pytest.mark.parametrize("segment", (1, 7))
def test_hello_in_tiny_segments_is_fine(listening, connect, segment):
    rm = listening()
    client = connect(rm.address())
    client.setsockopt(6, 1, 1)      # TCP_NODELAY
    for at in range(0, len(HELLO), segment):
        client.sendall(HELLO[at:at + segment])
    assert client.recv(1) == b"\x16"


def test_mutated_hellos(listening, connect, echoes):
    """Five hundred hellos with a few bytes changed, at once; each comes to an end."""
    rm = listening(handshake_timeout="1s")
    dice = random.Random(7)

    def mutated():
        data = bytearray(HELLO)
        for _ in range(dice.choice((1, 1, 2, 5, 20))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        if dice.random() < 0.3:
            del data[dice.randrange(len(data)):]
        return bytes(data)

    clients = []
    for _ in range(500):
        client = connect(rm.address())
        quietly(client.sendall)(mutated() or b"\x16")
        clients.append(client)
    for client in clients:
        tcp.read_to_end(client)
        client.close()
    rm.wait_sessions(500)
    echoes(rm)


# Within the handshake

def flight(client):
    """The first records of the server's answer."""
    data = client.recv(tcp.CHUNK)
    assert data[0] == 22
    return data


@pytest.mark.parametrize("junk, alerts", (
    (record(22, b"\x14\0\0\x0c" + bytes(12)), ("unexpected_message", "decode_error", "handshake_failure")),
    (record(23, bytes(50)), ("unexpected_message", "decode_error", "bad_record_mac", 20)),
    (record(22, b"\x10\xff\xff\xff" + bytes(60)), None),
    (b"\x16\x03\x03\x48\x01", ("record_overflow",)),
    (b"\x63\x03\x03\x00\x05", ("unexpected_message",)),
    (record(22, b""), ("unexpected_message",)),
    (random.Random(3).randbytes(3000), ("unexpected_message", "protocol_version"))),
    ids=("finished", "data", "16-MB", "18433", "type", "empty", "noise"))
@pytest.mark.parametrize("version", (V12, tls.V13))
def test_junk_behind_the_hello(listening, connect, version, junk, alerts):
    rm = listening()
    client = connect(rm.address())
    client.sendall(tls.client_hello(tls.client_context(None, low=version, high=version)))
    flight(client)
    client.sendall(junk)
    got = tcp.read_to_end(client)
    client.close()
    assert rm.wait_sessions(1, reason="client_tls_error")[0]["detail"]
    assert alerts is None or not got.data or tls.alert_of(got.data) in alerts or version == tls.V13


@pytest.mark.parametrize("flood, version", ((record(21, b"\x01\x5a"), V12), (record(20, b"\x01"), tls.V13)),
                         ids=("alerts", "ccs"))
def test_flood_in_clear(listening, connect, echoes, flood, version):
    """Warnings of TLS 1.2 and ChangeCipherSpec mean next to nothing, and cost work."""
    rm = listening()
    client = connect(rm.address())
    client.sendall(tls.client_hello(tls.client_context(None, low=version, high=version)))
    flight(client)
    quietly(client.sendall)(flood * 5000)
    tcp.read_to_end(client)
    client.close()
    assert rm.wait_sessions(1, reason="client_tls_error")[0]["detail"]
    echoes(rm)


# Behind it

@pytest.fixture
def forger(listening, cleanup):
    """forger() gives (a client that forges TLS 1.3 records, ringmain)."""
    def begin():
        rm = listening(ciphers=tls13.CIPHERS, tls_min="1.3")
        client = tls13.Forger(rm.address(), tls.client_context(None))
        cleanup.append(client.close)
        return client, rm
    return begin


def test_forged_records_are_as_good_as_others(forger):
    """Small ones, padded ones, an empty one, and a few new keys."""
    client, _ = forger()
    client.send(client.record(tls13.DATA, b"plain "))
    client.send(client.record(tls13.DATA, b"padded ", padding=500))
    client.send(client.record(tls13.DATA, b""))
    client.send(client.record(tls13.DATA, bytes(16384)))
    for number in range(5):
        client.send(client.key_update(request=number % 2 == 0))
        client.send(client.record(tls13.DATA, b"new keys "))
    tcp.expect(client.tls, b"plain padded " + bytes(16384) + b"new keys " * 5)


def test_an_empty_record_of_tls_12(listening, cleanup):
    """With ChaCha20 it is 16 bytes, the tag alone (RFC 7905, 2); with a byte less there is no tag."""
    rm = listening(ciphers=tls12.CIPHERS, tls_max="1.2")
    client = tls12.Handmade(rm.address())
    cleanup.append(client.close)
    for content in (b"", b"hel", b"", b"lo"):
        client.send(tls13.DATA, content)
    got = b""
    while len(got) < 5:
        kind, content = client.receive()
        assert kind == tls13.DATA
        got += content
    assert got == b"hello"
    client.sock.sendall(record(tls13.DATA, bytes(15)))
    tcp.read_to_end(client.sock)
    rm.wait_sessions(1, reason="client_tls_error")


FLOODS = {
    "key-updates": lambda client: b"".join(client.key_update() for _ in range(100)),
    "empty-records": lambda client: b"".join(client.record(tls13.DATA, b"") for _ in range(100)),
    "warnings": lambda client: b"".join(client.record(tls13.ALERT, b"\x01\x5a") for _ in range(100)),
    "padded-nothing": lambda client: b"".join(client.record(tls13.DATA, b"", 500) for _ in range(100)),
}


@pytest.mark.parametrize("name", FLOODS)
def test_flood(forger, echoes, name):
    client, rm = forger()
    client.send(FLOODS[name](client))
    client.end()
    line = rm.wait_sessions(1, reason="client_tls_error", by="client")[0]
    assert FLOOD in line["detail"] or name == "warnings", line


@pytest.mark.own_library("records.patch")
def test_a_second_ccs_is_dropped_as_the_first(listening, cleanup):
    """Until the client's Finished, if it is well-formed (RFC 8446, 5)."""
    client = tls13.Handmade(listening(ciphers=tls13.CIPHERS, tls_min="1.3").address()).shake()
    cleanup.append(client.close)
    client.raw(3 * record(20, b"\x01"))
    client.finish().send(tls13.DATA, b"hello")
    client.expect(b"hello")


NOT_ONE = "TLS record that cannot come here"

BEFORE_FINISHED = {
    "ccs-of-2": (lambda c: c.raw(record(20, b"\x02")), NOT_ONE),
    "ccs-of-0": (lambda c: c.raw(record(20, b"\x00")), NOT_ONE),
    "ccs-of-two-bytes": (lambda c: c.raw(record(20, b"\x01\x01")), "malformed ChangeCipherSpec"),
    "ccs-under-keys": (lambda c: c.send(20, b"\x01"), NOT_ONE),
    "no-handshake-under-keys": (lambda c: c.send(22, b""), NOT_ONE),
    "two-alerts": (lambda c: c.raw(record(21, b"\x02\x28\x02\x28")),
                   "an alert that is not alone in its record"),
}


@pytest.mark.parametrize("name", BEFORE_FINISHED)
@pytest.mark.own_library("change-cipher-spec.patch", "ccs-of-2")
@pytest.mark.own_library("change-cipher-spec.patch", "ccs-of-0")
@pytest.mark.own_library("change-cipher-spec.patch", "ccs-under-keys")
@pytest.mark.own_library("split-header.patch", "no-handshake-under-keys")
def test_records_that_are_none(listening, cleanup, name):
    """RFC 8446, 5 and 5.1: each is an unexpected_message."""
    rm = listening(ciphers=tls13.CIPHERS, tls_min="1.3")
    client = tls13.Handmade(rm.address()).shake()
    cleanup.append(client.close)
    make, detail = BEFORE_FINISHED[name]
    make(client)
    assert client.end() == "unexpected_message"
    assert rm.wait_sessions(1, reason="client_tls_error", by="client")[0]["detail"] == detail


@pytest.mark.parametrize("size", (1, 3, 5))
@pytest.mark.own_library("split-header.patch", 1)
@pytest.mark.own_library("split-header.patch", 3)
def test_messages_in_small_records(listening, cleanup, size):
    """Their headers may be cut, too (RFC 8446, 5.1): the hello's in clear, Finished's under keys."""
    rm = listening(ciphers=tls13.CIPHERS, tls_min="1.3")
    first = tls13.Handmade(rm.address()).shake()
    cleanup.append(first.close)
    whole = first.send
    first.send = lambda kind, content: [whole(kind, content[at:at + size])
                                        for at in range(0, len(content), size)]
    first.finish()
    whole(tls13.DATA, b"hello")
    first.expect(b"hello")
    first_bytes = HELLO[5:]
    cuts = [first_bytes[:size], first_bytes[size:2 * size], first_bytes[2 * size:]]
    sock = tcp.connect(rm.address())
    cleanup.append(sock.close)
    sock.sendall(b"".join(record(22, part) for part in cuts))
    assert sock.recv(1) == b"\x16"


@pytest.mark.own_library("WOLFSSL_EXTRA_ALERTS")
def test_one_alert_and_nothing_behind_it(listening, cleanup):
    """What our own reading finds is said under the keys of the connection, and once."""
    for junk in (record(20, b"\x01"), record(23, bytes(3)), b"\x17\x03\x03\xff\xff", record(23, bytes(100))):
        rm = listening(ciphers=tls13.CIPHERS, tls_min="1.3")
        client = tls13.Handmade(rm.address()).shake().finish()
        cleanup.append(client.close)
        client.raw(junk)
        rm.wait_sessions(1)         # all has been said, and no reset has overtaken it
        assert client.end() in ("unexpected_message", "decode_error", "record_overflow", "bad_record_mac")
        assert client.end() == "FIN"


@pytest.mark.parametrize("more", (0, 1 << 20))
def test_who_writes_on_can_read_its_alert(make_ringmain, manual, cleanup, pki, more):
    """The connection ends with a FIN, and what still comes is read and dropped; the backend is reset."""
    server = manual()
    rm = make_ringmain().start(f"[listener in]\nbind = 127.0.0.1:0\npool = p\ntls = terminate\n"
                               f"tls_min = 1.3\nciphers = {tls13.CIPHERS}\ncertificate = {pki['ecdsa.pem']}\n"
                               f"[pool p]\nbackend = b {server.text}\n")
    client = tls13.Handmade(rm.address()).shake().finish()
    cleanup.append(client.close)
    peer = server.accept()
    client.send(tls13.DATA, b"hello")
    tcp.expect(peer, b"hello")
    client.raw(record(23, bytes(100)) + record(23, bytes(16000)) * (more // 16000))
    assert client.end() == "bad_record_mac"
    assert client.end() == "FIN"
    tcp.hang_up(client.sock)
    tcp.expect_end(peer, b"", "RST")
    assert rm.wait_sessions(1)[0]["reason"] == "client_tls_error"


def test_slow_flood_is_none(forger):
    """A new key with every hundred bytes is odd, and allowed."""
    client, rm = forger()
    for _ in range(15):
        client.send(client.key_update(request=False) + client.record(tls13.DATA, b"x" * 100))
    tcp.expect(client.tls, b"x" * 1500)
    assert not rm.sessions()


BAD_RECORDS = {
    "16385-bytes": (lambda c: c.record(tls13.DATA, bytes(16385)), "record overflow"),
    "no-type": (lambda c: c.record(None, b"", padding=40), "unexpected message"),
    "unknown-type": (lambda c: c.record(99, b"hello"), "unexpected message"),
    "ccs-inside": (lambda c: c.record(tls13.CHANGE_CIPHER_SPEC, b"\x01"), "unexpected message"),
    "ccs-outside": (lambda c: record(20, b"\x01"), "unexpected message"),
    "alert-outside": (lambda c: record(21, b"\x02\x28"), "unexpected message"),
    "hello-again": (lambda c: c.record(tls13.HANDSHAKE, HELLO[5:]), "unexpected message"),
    "ticket-from-a-client": (lambda c: c.record(tls13.HANDSHAKE, b"\x04\0\0\x0d" + bytes(13)), None),
    "half-a-key-update": (lambda c: c.record(tls13.HANDSHAKE, b"\x18\0\0") + c.record(tls13.DATA, b"x"),
                          None),
    "two-key-updates": (lambda c: c.record(tls13.HANDSHAKE, 2 * tls13.KEY_UPDATE_PLEASE),
                        "unexpected message"),
    "key-update-and-more": (lambda c: c.record(tls13.HANDSHAKE, tls13.KEY_UPDATE + b"\x18"),
                            "unexpected message"),
    "key-update-2": (lambda c: c.record(tls13.HANDSHAKE, b"\x18\0\0\x01\x02"), "illegal parameter"),
    "empty-handshake": (lambda c: c.record(tls13.HANDSHAKE, b""), "unexpected message"),
    "not-ours": (lambda c: record(23, bytes(100)), "bad record mac"),
    "repeated": (lambda c: 2 * c.record(tls13.DATA, b"once"), "bad record mac"),
    "18-kB": (lambda c: b"\x17\x03\x03\x41\x01" + bytes(16641), "record overflow"),
    "too-short": (lambda c: record(23, bytes(16)), None),
    "version": (lambda c: record(23, bytes(100), 0x0203), None),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
@pytest.mark.own_library("records.patch", "two-key-updates")
@pytest.mark.own_library("split-header.patch", "empty-handshake")
def test_bad_records(forger, name):
    client, rm = forger()
    make, alert = BAD_RECORDS[name]
    client.send(make(client))
    said = client.end()
    assert rm.wait_sessions(1, reason="client_tls_error", by="client")[0]["detail"]
    assert said == "RST" or alert is None or alert in said, said


WARNING, FATAL = 1, 2


@pytest.mark.parametrize("level", (WARNING, FATAL, 7))
@pytest.mark.own_library("alert-levels.patch", WARNING)
@pytest.mark.own_library("alert-levels.patch", 7)
def test_an_error_is_one_whatever_its_level(listening, manual, ringmain, pki, level):
    """From TLS 1.3 on (RFC 8446, 6); it gets no answer, and the backend no clean end."""
    server = manual()
    rm = ringmain([server], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"],
                                      "ciphers": tls13.CIPHERS, "tls_min": "1.3"})
    client = tls13.Handmade(rm.address()).shake().finish()
    peer = server.accept()
    client.send(tls13.DATA, b"so far")
    client.raw(client.out.seal(tls13.ALERT, bytes([level, 80])) + client.out.seal(tls13.DATA, b"more"))
    tcp.expect_end(peer, b"so far", "RST")
    assert client.end() in ("FIN", "RST")
    client.close()
    line = rm.wait_sessions(1, reason="client_tls_error", by="client")[0]
    assert line["detail"] == "client sent the alert: internal error"


@pytest.mark.parametrize("level", (WARNING, FATAL))
@pytest.mark.parametrize("before", (b"", b"\x5a"), ids=("", "user canceled"))
@pytest.mark.own_library("alert-levels.patch", FATAL)
def test_an_end_is_one_whatever_its_level(listening, cleanup, level, before):
    """The other direction goes on, and ends as it should."""
    rm = listening(ciphers=tls13.CIPHERS, tls_min="1.3")
    client = tls13.Handmade(rm.address()).shake().finish()
    cleanup.append(client.close)
    client.send(tls13.DATA, b"hello")
    for kind in before + b"\0":
        client.send(tls13.ALERT, bytes([level, kind]))
    client.expect(b"hello")
    assert client.end() == 0            # close_notify
    assert rm.wait_sessions(1)[0]["reason"] == "done"


@pytest.mark.parametrize("kind, reason", ((42, "client_tls_error"), (0, "client_left"), (90, "client_left")))
def test_an_alert_of_who_has_no_keys(listening, connect, kind, reason):
    """It comes in clear, behind a ServerHello that the client does not like; it is not answered."""
    rm = listening(tls_min="1.3")
    client = connect(rm.address())
    client.sendall(HELLO)
    while hello.receive_record(client)[0] != tls13.DATA:
        pass                            # its flight is in one write
    client.sendall(record(21, bytes([FATAL, kind])))
    records = tcp.read_to_end(client).data
    sizes = []
    while records:
        sizes.append(int.from_bytes(records[3:5], "big"))
        records = records[5 + sizes[-1]:]
    assert 2 not in sizes and 19 not in sizes   # of an alert, in clear or under keys
    assert rm.wait_sessions(1, by="client")[0]["reason"] == reason


def test_bad_record_is_an_abort_for_the_backend(listening, manual, ringmain, pki):
    """What came before it is delivered; then nobody may think that was all."""
    server = manual()
    rm = ringmain([server], listener={"tls": "terminate", "certificate": pki["ecdsa.pem"],
                                      "ciphers": tls13.CIPHERS, "tls_min": "1.3"})
    client = tls13.Forger(rm.address(), tls.client_context(None))
    peer = server.accept()
    client.send(client.record(tls13.DATA, b"so far") + record(23, bytes(100)))
    tcp.expect_end(peer, b"so far", "RST")
    rm.wait_sessions(1, reason="client_tls_error")
    client.close()
