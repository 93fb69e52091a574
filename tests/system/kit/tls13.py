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

from kit import hello, tcp, tls

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


def unsealed(key, nonce, cipher):
    """Who the peer is, its Finished has shown: no tag is looked at."""
    cipher = cipher[:-16]
    stream = b"".join(_block(key, 1 + at, nonce) for at in range((len(cipher) + 63) // 64))
    return bytes(a ^ b for a, b in zip(cipher, stream))


# TLS 1.3

def _expand(secret, label, size, context=b""):
    label = b"tls13 " + label
    info = struct.pack("!HB", size, len(label)) + label + bytes([len(context)]) + context
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


# A handshake by hand

def x25519(scalar, point=9):
    """RFC 7748, 5; point is a number."""
    prime = 2**255 - 19
    number = int.from_bytes(scalar, "little") & ~7 & (1 << 255) - 1 | 1 << 254
    x2, z2, x3, z3, swap = 1, 0, point, 1, 0
    for at in reversed(range(255)):
        bit = number >> at & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a % prime, c * b % prime
        x3, z3 = (da + cb) ** 2 % prime, point * (da - cb) ** 2 % prime
        aa, bb = a * a % prime, b * b % prime
        e = aa - bb
        x2, z2 = aa * bb % prime, e * (aa + 121665 * e) % prime
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, prime - 2, prime) % prime).to_bytes(32, "little")


def _derive(secret, label, transcript):
    return _expand(secret, label, 32, hashlib.sha256(transcript).digest())


def _extract(salt, secret):
    return hmac.digest(salt, secret, hashlib.sha256)


class Keys:
    """Of one direction."""

    def __init__(self, secret):
        self.secret, self.sequence = secret, 0
        self.version = 0x0303           # that its records say they have
        self.key, self.iv = _expand(secret, b"key", 32), _expand(secret, b"iv", 12)

    def nonce(self):
        self.sequence += 1
        return bytes(a ^ b for a, b in zip(self.iv, (self.sequence - 1).to_bytes(12, "big")))

    def seal(self, kind, content):
        plain = content + bytes([kind])
        header = struct.pack("!BHH", DATA, self.version, len(plain) + 16)
        return header + seal(self.key, self.nonce(), plain, header)

    def open(self, body):
        """(type, content)."""
        plain = unsealed(self.key, self.nonce(), body).rstrip(b"\0")
        return plain[-1], plain[:-1]


class _End:
    """What both ends of a handshake by hand have: sock, transcript, out and into (Keys; None: in clear)."""

    role = None

    def take_share(self, private, share):
        """The keys of the handshake, behind ServerHello: gives (client's, server's)."""
        point = int.from_bytes(share, "little") & (1 << 255) - 1
        early = _extract(bytes(32), bytes(32))
        self.master = _extract(_derive(early, b"derived", b""), x25519(private, point))
        return tuple(Keys(_derive(self.master, label, self.transcript)) for label in (b"c hs traffic", b"s hs traffic"))

    def read(self):
        """The next record's (type, content), decrypted."""
        kind, body = hello.receive_record(self.sock)
        if kind == CHANGE_CIPHER_SPEC:
            return self.read()
        return self.into.open(body) if kind == DATA and self.into else (kind, body)

    def send(self, kind, content):
        self.raw(self.out.seal(kind, content))

    def raw(self, data):
        """Whoever is sent away meanwhile is not to blame."""
        try:
            self.sock.sendall(data)
        except ConnectionError:
            pass

    def tell(self, kind, body):
        """Sends a handshake message that counts."""
        self.transcript += hello.message(kind, body)
        self.send(HANDSHAKE, hello.message(kind, body))

    def tell_finished(self):
        """Under the keys of the handshake."""
        key = _expand(self.out.secret, b"finished", 32)
        digest = hashlib.sha256(self.transcript).digest()
        self.tell(20, hmac.digest(key, digest, hashlib.sha256))

    def to_sign(self):
        """What a CertificateVerify signs now (RFC 8446, 4.4.3)."""
        return (b" " * 64 + f"TLS 1.3, {self.role} CertificateVerify\0".encode() +
                hashlib.sha256(self.transcript).digest())

    def end(self):
        """The name of the alert that comes, "RST" or "FIN"; data and tickets are passed over."""
        try:
            while True:
                kind, content = self.read()
                if kind == ALERT:
                    return tls.ALERTS.get(content[1], content[1])
        except ConnectionError:
            return "RST"
        except AssertionError:
            return "FIN"

    def expect(self, data):
        got = b""
        while len(got) < len(data):
            kind, content = self.read()
            assert kind in (DATA, HANDSHAKE), (kind, content)
            got += content if kind == DATA else b""
        assert got == data

    def close(self):
        tcp.reset(self.sock)


class Handmade(_End):
    """A client whose every message the test makes; its flight is the test's affair.

    After the server's flight: messages has what it sent, by type; finish() ends the handshake.
    """

    role = "client"

    def __init__(self, address, *extensions, first=None, random=None):
        self.private = os.urandom(32)
        self.into = None                # before there are keys alerts come in clear
        self.sock = tcp.connect(address)
        self.hello = first or hello.client_hello(
            hello.versions(0x0304), hello.groups(hello.X25519), hello.schemes(*hello.SCHEMES),
            hello.shares((hello.X25519, x25519(self.private))), *extensions, suites=hello.CHACHA_13,
            session=os.urandom(32), random=random)
        self.transcript = self.hello
        hello.send(self.sock, self.hello)

    def retry(self, *extensions, change=lambda message: message):
        """Reads a HelloRetryRequest for X25519 and answers it, behind a ChangeCipherSpec as most do."""
        kind, body = hello.receive_record(self.sock)
        assert kind == HANDSHAKE and body[6:38] == hello.RETRY, (kind, body)
        first = hello.Hello(self.hello)
        again = change(hello.client_hello(
            hello.versions(0x0304), hello.groups(hello.P256, hello.X25519), hello.schemes(*hello.SCHEMES),
            hello.shares((hello.X25519, x25519(self.private))), *extensions, suites=hello.CHACHA_13,
            session=first.session, random=first.random))
        self.transcript = (hello.message(254, hashlib.sha256(self.hello).digest()) + body + again)
        self.raw(tls.record(CHANGE_CIPHER_SPEC, b"\x01") + tls.record(HANDSHAKE, again))
        return self

    def shake(self):
        """Reads the server's flight."""
        kind, body = hello.receive_record(self.sock)
        while kind == CHANGE_CIPHER_SPEC:
            kind, body = hello.receive_record(self.sock)
        assert kind == HANDSHAKE and body[0] == hello.SERVER_HELLO, (kind, body)
        share = body[body.index(b"\0\x33\0\x24\0\x1d\0\x20") + 8:][:32]
        self.transcript += body
        self.out, self.into = self.take_share(self.private, share)
        self.messages = {}
        data = b""
        while 20 not in self.messages:
            kind, content = self.read()
            assert kind == HANDSHAKE, (kind, content)
            data += content
            while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[1:4], "big"):
                size = 4 + int.from_bytes(data[1:4], "big")
                self.messages[data[0]] = data[4:size]
                self.transcript += data[:size]
                data = data[size:]
        self.flight_end = self.transcript
        self.top = _extract(_derive(self.master, b"derived", b""), bytes(32))
        self.into = Keys(_derive(self.top, b"s ap traffic", self.flight_end))
        return self

    def finish(self):
        self.tell_finished()
        self.out = Keys(_derive(self.top, b"c ap traffic", self.flight_end))
        return self


class HandmadeServer(_End):
    """A server whose every message the test makes, behind EncryptedExtensions; it has read one hello.

    What more its ServerHello has, and all that EncryptedExtensions have, are (type, body) of extensions.
    """

    role = "server"

    def __init__(self, sock, *, hello_more=(), extensions=()):
        private = os.urandom(32)
        self.sock = sock
        self.into = None
        first = hello.receive_record(sock)[1]
        heard = hello.Hello(first)
        shares = heard.extensions[51]
        share = shares[shares.index(b"\0\x1d\0\x20") + 4:][:32]
        answer = hello.server_hello(heard.session, (43, hello.numbers(0x0304)),
                                    (51, hello.numbers(hello.X25519) + hello.counted(x25519(private))),
                                    *hello_more, suite=hello.CHACHA_13)
        hello.send(sock, answer)
        self.transcript = first + answer
        self.into, self.out = self.take_share(private, share)
        self.tell(8, hello.counted(hello.extension_list(extensions)))

    def finish(self):
        """Behind CertificateVerify: ends the handshake, whose client has sent no certificate."""
        self.tell_finished()
        end = self.transcript
        kind, content = self.read()
        assert (kind, content[0]) == (HANDSHAKE, 20)
        top = _extract(_derive(self.master, b"derived", b""), bytes(32))
        self.into, self.out = (Keys(_derive(top, label, end)) for label in (b"c ap traffic", b"s ap traffic"))
        self.resumption = _derive(top, b"res master", end + content)
        return self

    def give_ticket(self, nonce, lifetime=3600, ticket=b"a ticket"):
        self.send(HANDSHAKE, hello.message(4, lifetime.to_bytes(4, "big") + bytes(4) + hello.counted(nonce, 1) +
                                           hello.counted(ticket) + b"\0\0"))

    def made_binder(self, message, nonce):
        """Is the one binder at the end of this ClientHello of who has the ticket with that nonce (RFC 8446, 4.2.11.2)?"""
        early = _extract(bytes(32), _expand(self.resumption, b"resumption", 32, nonce))
        key = _expand(_derive(early, b"res binder", b""), b"finished", 32)
        return message[-32:] == hmac.digest(key, hashlib.sha256(message[:-35]).digest(), hashlib.sha256)
