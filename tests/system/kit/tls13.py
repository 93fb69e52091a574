# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS 1.3 records that no library would send: made by hand, with the keys of a real handshake.

Protection is ChaCha20-Poly1305 (RFC 8439), because it is the one that is short in Python; the
listener has to insist on it: see CIPHERS.
"""

import hashlib
import hmac
import os
import struct
import tempfile

from kit import tcp, tls

CIPHERS = "TLS13-CHACHA20-POLY1305-SHA256"

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
KEY_UPDATE, KEY_UPDATE_PLEASE = b"\x18\0\0\x01\0", b"\x18\0\0\x01\x01"


# ChaCha20-Poly1305

def _rotate(word, bits):
    return (word << bits | word >> (32 - bits)) & 0xffffffff


def _quarter(state, a, b, c, d):
    for left, right, target, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[left] = (state[left] + state[right]) & 0xffffffff
        state[target] = _rotate(state[target] ^ state[left], bits)


def _block(key, counter, nonce):
    start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), counter,
             *struct.unpack("<3I", nonce)]
    state = list(start)
    for _ in range(10):
        for column in range(4):
            _quarter(state, column, column + 4, column + 8, column + 12)
        for diagonal in range(4):
            _quarter(state, diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4,
                     12 + (diagonal + 3) % 4)
    return struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(state, start)))


def _poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at:at + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def _padded(data):
    return data + bytes(-len(data) % 16)


def seal(key, nonce, plain, extra):
    stream = b"".join(_block(key, 1 + at, nonce) for at in range((len(plain) + 63) // 64))
    cipher = bytes(a ^ b for a, b in zip(plain, stream))
    tag = _poly1305(_block(key, 0, nonce)[:32], _padded(extra) + _padded(cipher) +
                    struct.pack("<QQ", len(extra), len(cipher)))
    return cipher + tag


# TLS 1.3

def _expand(secret, label, size):
    label = b"tls13 " + label
    info = struct.pack("!HB", size, len(label)) + label + b"\0"
    return hmac.digest(secret, info + b"\x01", hashlib.sha256)[:size]


class Forger:
    """A client that has shaken hands and now writes its records itself."""

    def __init__(self, address, context, name=tls.NAME):
        handle, path = tempfile.mkstemp(prefix="ringmain-test-keys-")
        os.close(handle)
        try:
            context.keylog_filename = path
            self.tls = tls.connect(address, context, name=name)
            with open(path, encoding="ascii") as keys:
                lines = [line.split() for line in keys]
        finally:
            context.keylog_filename = None
            os.unlink(path)
        assert self.tls.cipher == "TLS_CHACHA20_POLY1305_SHA256"
        self.sock = self.tls.sock
        self._use(next(bytes.fromhex(line[2]) for line in lines
                       if line and line[0] == "CLIENT_TRAFFIC_SECRET_0"))

    def _use(self, secret):
        self.secret, self.sequence = secret, 0
        self.key, self.iv = _expand(secret, b"key", 32), _expand(secret, b"iv", 12)

    def record(self, kind, content, padding=0):
        """One protected record."""
        plain = content + (bytes([kind]) if kind is not None else b"") + bytes(padding)
        header = struct.pack("!BHH", DATA, 0x0303, len(plain) + 16)
        nonce = bytes(a ^ b for a, b in zip(self.iv, self.sequence.to_bytes(12, "big")))
        self.sequence += 1
        return header + seal(self.key, nonce, plain, header)

    def key_update(self, request=True):
        """A record that announces new keys; those that follow are made with them."""
        made = self.record(HANDSHAKE, KEY_UPDATE_PLEASE if request else KEY_UPDATE)
        self._use(_expand(self.secret, b"traffic upd", 32))
        return made

    def send(self, data):
        """Sends raw bytes; whoever is sent away meanwhile is not to blame."""
        try:
            self.sock.sendall(data)
        except ConnectionError:
            pass

    def end(self):
        """Receives to the end; gives the words of the alert, "close" for a close_notify, or "RST"."""
        try:
            while self.tls.recv():
                pass
            return "close"
        except ConnectionError:
            return "RST"
        except tls.ssl.SSLError as error:
            return str(error)

    def close(self):
        tcp.reset(self.sock)
