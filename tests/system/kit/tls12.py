# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of TLS 1.2 made by hand, with ChaCha20-Poly1305 (RFC 7905), whose records a test writes itself."""

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


class Handmade:
    """It has shaken hands; what the server says behind that is read by receive()."""

    def __init__(self, address):
        private = os.urandom(32)
        self.sock = tcp.connect(address)
        self.sequence = self.heard = 0
        first = hello.hello12(offered=(hello.X25519, hello.P256), suites=hello.CHACHA_ECDSA)
        hello.send(self.sock, first)
        flight = hello.receive_messages(self.sock, hello.DONE)
        point = flight[hello.KEY_EXCHANGE][4:36]
        answer = hello.message(hello.CLIENT_KEY, hello.counted(tls13.x25519(private), 1))
        transcript = first + b"".join(hello.message(*one) for one in flight.items()) + answer
        shared = tls13.x25519(private, int.from_bytes(point, "little") & (1 << 255) - 1)
        digest = hashlib.sha256(transcript).digest()
        master = _prf(shared, b"extended master secret", digest, 48)        # RFC 7627
        keys = _prf(master, b"key expansion", flight[hello.SERVER_HELLO][2:34] + first[6:38], 88)
        self.out, self.into, self.out_iv, self.into_iv = keys[:32], keys[32:64], keys[64:76], keys[76:]
        hello.send(self.sock, answer)
        self.sock.sendall(tls.record(tls13.CHANGE_CIPHER_SPEC, b"\x01"))
        self.send(tls13.HANDSHAKE, hello.message(20, _prf(master, b"client finished", digest, 12)))
        assert hello.receive_record(self.sock) == (tls13.CHANGE_CIPHER_SPEC, b"\x01")
        assert self.receive()[0] == tls13.HANDSHAKE

    @staticmethod
    def _nonce(iv, sequence):
        return bytes(a ^ b for a, b in zip(iv, sequence.to_bytes(12, "big")))

    def record(self, kind, content):
        header = struct.pack("!BH", kind, 0x0303)
        extra = struct.pack("!Q", self.sequence) + header + struct.pack("!H", len(content))
        nonce = self._nonce(self.out_iv, self.sequence)
        self.sequence += 1
        return tls.record(kind, tls13.seal(self.out, nonce, content, extra))

    def send(self, kind, content):
        self.sock.sendall(self.record(kind, content))

    def receive(self):
        """The next record's (type, content)."""
        kind, body = hello.receive_record(self.sock)
        self.heard += 1
        return kind, tls13.unsealed(self.into, self._nonce(self.into_iv, self.heard - 1), body)

    def close(self):
        tcp.reset(self.sock)
