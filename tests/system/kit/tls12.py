# SPDX-License-Identifier: GPL-2.0-or-later
"""Ends of TLS 1.2 made by hand, with ChaCha20-Poly1305 (RFC 7905), whose messages and records a test writes itself."""

import hashlib
import hmac
import os
import struct

from kit import hello, tcp, tls, tls13

CIPHERS = "ECDHE-ECDSA-CHACHA20-POLY1305"


def _prf(secret, label, seed, size):
    """RFC 5246, 5."""
    seed = label + seed
    made, at = b"", seed
    while len(made) < size:
        at = hmac.digest(secret, at, hashlib.sha256)
        made += hmac.digest(secret, at + seed, hashlib.sha256)
    return made[:size]


def certificates(*ders):
    """A Certificate message's body."""
    return hello.counted(b"".join(hello.counted(der, 3) for der in ders), 3)


class _End:
    """sock, transcript; out and into (key and IV; None: in clear)."""

    def __init__(self, sock):
        self.sock = sock
        self.private = os.urandom(32)
        self.sequence = self.heard = 0
        self.out = self.into = None

    def share(self, point):
        return tls13.x25519(self.private, int.from_bytes(point, "little") & (1 << 255) - 1)

    @staticmethod
    def _nonce(iv, sequence):
        return bytes(a ^ b for a, b in zip(iv, sequence.to_bytes(12, "big")))

    def record(self, kind, content):
        if not self.out:
            return tls.record(kind, content)
        header = struct.pack("!BH", kind, 0x0303)
        extra = struct.pack("!Q", self.sequence) + header + struct.pack("!H", len(content))
        key, iv = self.out
        self.sequence += 1
        return tls.record(kind, tls13.seal(key, self._nonce(iv, self.sequence - 1), content, extra))

    def send(self, kind, content):
        """Whoever is sent away meanwhile is not to blame."""
        try:
            self.sock.sendall(self.record(kind, content))
        except ConnectionError:
            pass

    def tell(self, kind, body):
        """Sends a handshake message that counts."""
        self.transcript += hello.message(kind, body)
        self.send(tls13.HANDSHAKE, hello.message(kind, body))

    def receive(self):
        """The next record's (type, content)."""
        kind, body = hello.receive_record(self.sock)
        if not self.into:
            return kind, body
        key, iv = self.into
        self.heard += 1
        return kind, tls13.unsealed(key, self._nonce(iv, self.heard - 1), body)

    def close(self):
        tcp.reset(self.sock)


class Client(_End):
    """It has read the server's flight; what it says then is the test's affair."""

    def __init__(self, address, *extensions):
        super().__init__(tcp.connect(address))
        self.hello = hello.hello12(*extensions, offered=(hello.X25519, hello.P256), suites=hello.CHACHA_ECDSA)
        hello.send(self.sock, self.hello)
        self.flight = hello.receive_messages(self.sock, hello.DONE)
        self.transcript = self.hello + b"".join(hello.message(*one) for one in self.flight.items())

    def exchange_keys(self):
        self.tell(hello.CLIENT_KEY, hello.counted(tls13.x25519(self.private), 1))
        digest = hashlib.sha256(self.transcript).digest()
        shared = self.share(self.flight[hello.KEY_EXCHANGE][4:36])
        self.master = _prf(shared, b"extended master secret", digest, 48)           # RFC 7627

    def change_cipher(self):
        keys = _prf(self.master, b"key expansion", self.flight[hello.SERVER_HELLO][2:34] + self.hello[6:38], 88)
        self.send(tls13.CHANGE_CIPHER_SPEC, b"\x01")
        self.out, self.next_into = (keys[:32], keys[64:76]), (keys[32:64], keys[76:])

    def finish(self):
        digest = hashlib.sha256(self.transcript).digest()
        self.tell(20, _prf(self.master, b"client finished", digest, 12))

    def end(self):
        """The name of the alert that comes, or "Finished"."""
        kind, content = self.receive()
        while kind == tls13.CHANGE_CIPHER_SPEC:
            self.into = self.next_into
            kind, content = self.receive()
        if kind == tls13.ALERT:
            return tls.ALERTS.get(content[1], content[1])
        assert (kind, content[0]) == (tls13.HANDSHAKE, 20)
        return "Finished"


class Handmade(Client):
    """It has shaken hands; what the server says behind that is read by receive()."""

    def __init__(self, address):
        super().__init__(address)
        self.exchange_keys()
        self.change_cipher()
        self.finish()
        assert self.end() == "Finished"


class Server(_End):
    """It has read a hello; what it answers is the test's affair."""

    def __init__(self, sock):
        super().__init__(sock)
        self.transcript = hello.receive_record(sock)[1]
        self.heard_hello = hello.Hello(self.transcript)
        self.random = os.urandom(32)

    def answer(self, *extensions, suite=hello.CHACHA_ECDSA):
        made = hello.server_hello(b"", hello.MASTER_SECRET, *extensions, suite=suite, random=self.random)
        self.tell(hello.SERVER_HELLO, made[4:])

    def exchange_keys(self, sign, scheme=hello.ECDSA_P256):
        """sign(bytes) gives the signature of the parameters."""
        made = b"\x03" + hello.numbers(hello.X25519) + hello.counted(tls13.x25519(self.private), 1)
        signature = sign(self.heard_hello.random + self.random + made)
        self.tell(hello.KEY_EXCHANGE, made + hello.numbers(scheme) + hello.counted(signature))

    def end(self):
        """The name of the alert that comes, or "ClientKeyExchange"."""
        kind, content = self.receive()
        while kind == tls13.HANDSHAKE and content[0] == hello.CERTIFICATE:
            kind, content = self.receive()
        if kind == tls13.ALERT:
            return tls.ALERTS.get(content[1], content[1])
        assert (kind, content[0]) == (tls13.HANDSHAKE, hello.CLIENT_KEY)
        return "ClientKeyExchange"
