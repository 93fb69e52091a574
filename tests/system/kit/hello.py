# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS handshake messages made by hand (RFC 8446, 4; RFC 5246, 7.4), and what a server answers."""

import os

from kit import tcp, tls

X25519, P256, P384, P521 = 29, 23, 24, 25
ECDSA_P256, ECDSA_P384, PSS_RSAE, PSS_PSS, PKCS1, ED25519 = 0x0403, 0x0503, 0x0804, 0x0809, 0x0401, 0x0807
SCHEMES = (ECDSA_P256, ECDSA_P384, PSS_RSAE, PKCS1, ED25519)
AES_13, CHACHA_13, AES_ECDSA, AES_RSA, CHACHA_ECDSA = b"\x13\x01", b"\x13\x03", b"\xc0\x2b", b"\xc0\x2f", b"\xcc\xa9"

CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, KEY_EXCHANGE, REQUEST, DONE, CLIENT_KEY = 1, 2, 11, 12, 13, 14, 16
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def counted(data, size=2):
    """With its length in front."""
    return len(data).to_bytes(size, "big") + data


def numbers(*values):
    return b"".join(value.to_bytes(2, "big") for value in values)


def message(kind, body):
    return bytes([kind]) + counted(body, 3)


# Extensions: (type, body)

def extension_list(extensions):
    """Of (type, body), without the length in front."""
    return b"".join(numbers(kind) + counted(body) for kind, body in extensions)


def name(text):
    return 0, counted(b"\0" + counted(text.encode("latin-1")))


def groups(*values):
    return 10, counted(numbers(*values))


def schemes(*values):
    return 13, counted(numbers(*values))


def versions(*values):
    return 43, counted(numbers(*values), 1)


def shares(*pairs):
    """Of (group, key)."""
    return 51, counted(b"".join(numbers(group) + counted(key) for group, key in pairs))


def pre_shared_key(size=200, binder=32):
    """An identity that no server has made, and its binder, of the size of a hash."""
    return 41, (counted(counted(os.urandom(size)) + bytes(4)) +
                counted(counted(os.urandom(binder), 1)))


MASTER_SECRET = (23, b"")


def client_hello(*extensions, suites=AES_13 + AES_ECDSA + AES_RSA, session=b"", version=0x0303,
                 compression=b"\0", random=None):
    """The message, without a record around it."""
    listed = extension_list(extensions)
    return message(CLIENT_HELLO, numbers(version) + (random or os.urandom(32)) + counted(session, 1) +
                   counted(suites) + counted(compression, 1) + (counted(listed) if listed else b""))


def hello13(*extensions, group=X25519, key=None, schemes_offered=SCHEMES, **kwargs):
    """One for TLS 1.3 as usual; key: of its one share."""
    return client_hello(versions(0x0304), groups(X25519, P256, P384, P521), schemes(*schemes_offered),
                        shares((group, key or public_x25519())), *extensions,
                        suites=AES_13, session=os.urandom(32), **kwargs)


def hello12(*extensions, offered=(X25519, P256, P384, P521), suites=AES_ECDSA + AES_RSA, **kwargs):
    return client_hello(groups(*offered), schemes(*SCHEMES), (11, b"\x01\0"), MASTER_SECRET, *extensions,
                        suites=suites, **kwargs)


def public_x25519():
    return os.urandom(31) + b"\x10"     # every number is one; made as they should be, they are below 2^255


def server_hello(session, *extensions, suite=AES_13, random=None):
    listed = extension_list(extensions)
    return message(SERVER_HELLO, numbers(0x0303) + (random or os.urandom(32)) + counted(session, 1) +
                   suite + b"\0" + (counted(listed) if listed else b""))


class Hello:
    """What can be read of a ClientHello message."""

    def __init__(self, data):
        assert data[0] == CLIENT_HELLO
        self.random = data[6:38]
        at = 39 + data[38]
        self.session = data[39:at]
        suites = at + 2
        at = suites + int.from_bytes(data[at:suites], "big")
        self.suites = data[suites:at]
        at += 1 + data[at] + 2                                  # compression, extensions' length
        self.extensions = {}
        while at < len(data):
            kind, size = (int.from_bytes(data[at + n:at + n + 2], "big") for n in (0, 2))
            self.extensions[kind] = data[at + 4:at + 4 + size]
            at += 4 + size

    def message(self):
        return client_hello(*self.extensions.items(), suites=self.suites, session=self.session, random=self.random)


# Over a socket

def send(sock, *messages, kind=tls.RECORD_HANDSHAKE):
    sock.sendall(b"".join(tls.record(kind, one) for one in messages))


def receive_record(sock):
    head = receive_exactly(sock, 5)
    return head[0], receive_exactly(sock, int.from_bytes(head[3:5], "big"))


def receive_exactly(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, "the stream ended"
        data += more
    return data


def receive_messages(sock, last):
    """Handshake messages in clear, up to one of this type: {type: body}."""
    data, found = b"", {}
    while last not in found:
        kind, body = receive_record(sock)
        assert kind == tls.RECORD_HANDSHAKE, f"a record of type {kind}: {body.hex()}"
        data += body
        while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[1:4], "big"):
            size = 4 + int.from_bytes(data[1:4], "big")
            found[data[0]], data = data[4:size], data[size:]
    return found


def answer(address, hello, *, split=16384):
    """What a server says to a hello: the name of its alert in clear, or "ServerHello", "HelloRetryRequest".

    An alert may come right behind a ServerHello, too: some things are looked at only then.
    """
    with tcp.connect(address) as sock:
        for at in range(0, len(hello), split):
            send(sock, hello[at:at + split])
        said = None
        while True:
            kind, body = receive_record(sock)
            if kind == tls.RECORD_ALERT:
                return tls.ALERTS.get(body[1], body[1])
            if kind == tls.RECORD_HANDSHAKE and said is None:
                assert body[0] == SERVER_HELLO
                said = "HelloRetryRequest" if body[6:38] == RETRY else "ServerHello"
            if said == "HelloRetryRequest" or (said and kind != 20 and len(body) > 2 and
                                               (kind != tls.RECORD_HANDSHAKE or body[0] != SERVER_HELLO)):
                return said
