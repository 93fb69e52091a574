# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS in a test's hands: every record's bytes and every close_notify are seen, on either side.

A TlsSocket has the methods of a socket that kit.tcp and the handlers of kit.backend use, so that
the same tests run over TLS: recv() gives b"" at close_notify, shutdown(SHUT_WR) sends one and FIN.
"""

import socket
import ssl
import threading
import warnings

from kit import tcp
from kit.certificates import NAME

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

RECORD_ALERT, RECORD_HANDSHAKE = 21, 22
ALERTS = {10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow",
          40: "handshake_failure", 42: "bad_certificate", 43: "unsupported_certificate",
          47: "illegal_parameter", 48: "unknown_ca", 50: "decode_error", 51: "decrypt_error",
          70: "protocol_version", 109: "missing_extension", 110: "unsupported_extension",
          112: "unrecognized_name", 116: "certificate_required", 120: "no_application_protocol"}


class Truncated(OSError):
    """The stream ended with FIN, without close_notify."""


def client_context(pki=None, *, low=V12, high=V13, alpn=(), cert=None, ciphers=None):
    """What a client trusts and offers; pki None: it believes everybody. cert: a PEM with its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if pki is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(pki["ca.crt"])
    return _finish(context, low, high, alpn, cert, ciphers)


def server_context(cert, *, low=V12, high=V13, alpn=(), ciphers=None, client_ca=None):
    """What a server has; client_ca: clients must have a certificate of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return _finish(context, low, high, alpn, cert, ciphers)


def _finish(context, low, high, alpn, cert, ciphers):
    if low < V12:
        ciphers = "ALL:@SECLEVEL=0"
    with warnings.catch_warnings():     # old versions are meant
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = low, high
    if ciphers:
        context.set_ciphers(ciphers)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if cert:
        context.load_cert_chain(cert)
    return context


class TlsSocket:
    """TLS over a connected socket. One thread may send while another receives."""

    def __init__(self, sock, context, *, server=False, name=None, session=None, shake=True):
        self.sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=server, server_hostname=name,
                                    session=session)
        self._lock = threading.Lock()           # of the library's state
        self._wire = threading.Lock()           # of the order of what is sent
        self._early = b""                       # what close_notify() had to read
        self.closed = False                     # the peer has sent close_notify
        if shake:
            self.handshake()

    # Handshake

    def handshake(self):
        try:
            self._step(self.tls.do_handshake)
        finally:
            self._flush()

    def _step(self, function, *args):
        """Calls into the library until it has what it needs."""
        while True:
            with self._lock:
                try:
                    return function(*args)
                except ssl.SSLWantReadError:
                    pass
            self._flush()
            self._fill()

    def _fill(self):
        data = self.sock.recv(tcp.CHUNK)
        with self._lock:
            if data:
                self._in.write(data)
            else:
                self._in.write_eof()

    def _flush(self):
        with self._wire:
            while data := self._taken():
                self.sock.sendall(data)

    def _taken(self):
        with self._lock:
            return self._out.read()

    # As a socket

    def recv(self, size=tcp.CHUNK):
        if self.closed:
            return b""
        try:
            data = self._step(self._read, size)
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLEOFError:
            raise Truncated("FIN without close_notify") from None
        self.closed = not data
        if self._out.pending:
            self._flush()
        return data

    def _read(self, size):
        data, self._early = self._early[:size], self._early[size:]
        return data or self.tls.read(size)

    def sendall(self, data):
        view = memoryview(data)
        for at in range(0, len(view), tcp.CHUNK):
            with self._lock:
                self.tls.write(view[at:at + tcp.CHUNK])
            self._flush()

    def close_notify(self):
        """Says that nothing more comes; receiving goes on."""
        with self._lock:
            try:
                # unwrap() wants to read a close_notify, and stumbles over data.
                while data := self.tls.read(tcp.CHUNK):
                    self._early += data
            except (ssl.SSLWantReadError, ssl.SSLZeroReturnError, ssl.SSLEOFError):
                pass
            try:
                self.tls.unwrap()
            except (ssl.SSLWantReadError, ssl.SSLSyscallError, ssl.SSLEOFError):
                pass
        self._flush()

    def shutdown(self, _how=socket.SHUT_WR):
        self.close_notify()
        self.sock.shutdown(socket.SHUT_WR)

    def truncate(self):
        """FIN, without a word."""
        self.sock.shutdown(socket.SHUT_WR)

    def setsockopt(self, *args):
        self.sock.setsockopt(*args)

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def close(self):
        self.sock.close()

    # What was agreed on

    @property
    def version(self):
        return self.tls.version()

    @property
    def cipher(self):
        return self.tls.cipher()[0]

    @property
    def alpn(self):
        return self.tls.selected_alpn_protocol()

    @property
    def resumed(self):
        return self.tls.session_reused

    def session(self):
        """For another connection to resume; TLS 1.3 sends it with or after the first data."""
        return self.tls.session

    def peer_der(self):
        """The peer's certificate."""
        return self.tls.getpeercert(True)

    def peer_name(self):
        """Common name of the peer's certificate; it must be verified."""
        subject = self.tls.getpeercert()["subject"]
        return dict(pair[0] for pair in subject)["commonName"]


def connect(address, context, *, name=NAME, session=None, **options):
    """Connects and shakes hands; gives a TlsSocket."""
    sock = tcp.connect(address, **options)
    try:
        return TlsSocket(sock, context, name=name, session=session)
    except BaseException:
        sock.close()
        raise


def served(context, handler, seen=None):
    """A handler of kit.backend that speaks TLS and then is the given one.

    A handshake that fails is put into the list seen, and so is each TlsSocket.
    """
    def over_tls(peer):
        try:
            peer.sock = TlsSocket(peer.sock, context, server=True)
        except OSError as error:
            if seen is not None:
                seen.append(error)
            raise
        if seen is not None:
            seen.append(peer.sock)
        handler(peer)
    return over_tls


def der_of(path):
    """The first certificate of a PEM file."""
    with open(path, encoding="ascii") as file:
        text = file.read()
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(text[:text.index(end) + len(end)] + "\n")


# Raw bytes

def client_hello(context, name=NAME):
    """The first flight of an honest client."""
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def record(kind, body, version=0x0303):
    return bytes([kind]) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def records(data):
    """Splits whole records: [(type, body), ...]."""
    found, at = [], 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 3:at + 5], "big")
        found.append((data[at], data[at + 5:at + 5 + size]))
        at += 5 + size
    assert at == len(data), "a record is cut short"
    return found


def alert_of(data):
    """The name of the alert in clear that data ends with; None if it is none."""
    if len(data) < 7 or data[-7] != RECORD_ALERT or data[-4:-2] != b"\x00\x02":
        return None
    return ALERTS.get(data[-1], data[-1])
