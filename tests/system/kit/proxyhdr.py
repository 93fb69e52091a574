# SPDX-License-Identifier: GPL-2.0-or-later
"""PROXY headers in a test's hands: made byte by byte, and read from a socket one byte at a time."""

import socket
import struct
from collections import namedtuple

from kit import tcp

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, UDP4, TCP6, UNIX = 0x00, 0x11, 0x12, 0x21, 0x31
ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, TLS = 0x01, 0x02, 0x03, 0x04, 0x05, 0x20
TLS_VERSION, TLS_CN, TLS_CIPHER = 0x21, 0x22, 0x23

# What a header says; tlvs is a dict of bytes, raw all of its bytes.
Header = namedtuple("Header", "version command source destination tlvs raw")


def crc32c(data):
    """Castagnoli's, bit by bit."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


# Making

def v1(source, destination):
    family = "TCP6" if ":" in source[0] else "TCP4"
    return (f"PROXY {family} {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n").encode()


def tlv(kind, value):
    return bytes([kind]) + struct.pack(">H", len(value)) + value


def raw_v2(command, family, body):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


def v2(source, destination, tlvs=b"", command=PROXY):
    is_v6 = ":" in source[0]
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    body = (socket.inet_pton(family, source[0]) + socket.inet_pton(family, destination[0])
            + struct.pack(">HH", source[1], destination[1]))
    return raw_v2(command, TCP6 if is_v6 else TCP4, body + tlvs)


def with_checksum(header, wrong=0):
    """A header of version 2 with a CRC32C at its end; wrong: bits of it to turn over."""
    blank = raw_v2(header[12], header[13], header[16:] + tlv(CRC32C, bytes(4)))
    return blank[:-4] + struct.pack(">I", crc32c(blank) ^ wrong)


# Reading

def read(sock):
    """Takes just the header from a socket, and checks the checksum if it has one."""
    first = tcp.recv_exactly(sock, 6)
    if first == b"PROXY ":
        return _read_line(sock, first)
    head = first + tcp.recv_exactly(sock, 10)
    assert head[:12] == SIGNATURE, f"no PROXY header: {head!r}"
    size = struct.unpack(">H", head[14:])[0]
    return _decode(head + (tcp.recv_exactly(sock, size) if size else b""))


def _read_line(sock, line):
    while not line.endswith(b"\r\n"):
        assert len(line) < 107, line
        line += tcp.recv_exactly(sock, 1)
    words = line.decode().rstrip("\r\n").split(" ")
    if words[1] == "UNKNOWN":
        return Header(1, LOCAL, None, None, {}, line)
    assert words[1] == ("TCP6" if ":" in words[2] else "TCP4") and len(words) == 6, line
    return Header(1, PROXY, (words[2], int(words[4])), (words[3], int(words[5])), {}, line)


def _decode(raw):
    command, family = raw[12], raw[13]
    assert command in (LOCAL, PROXY), raw
    source = destination = None
    at = 16
    if family in (TCP4, TCP6):
        n, af = (4, socket.AF_INET) if family == TCP4 else (16, socket.AF_INET6)
        ports = struct.unpack(">HH", raw[at + 2 * n:at + 2 * n + 4])
        source = (socket.inet_ntop(af, raw[at:at + n]), ports[0])
        destination = (socket.inet_ntop(af, raw[at + n:at + 2 * n]), ports[1])
        at += 2 * n + 4
    elif family == UNIX:
        at += 216
    tlvs = _decode_tlvs(raw[at:])
    if CRC32C in tlvs:
        where = raw.index(tlv(CRC32C, tlvs[CRC32C])) + 3
        blank = raw[:where] + bytes(4) + raw[where + 4:]
        assert struct.unpack(">I", tlvs[CRC32C])[0] == crc32c(blank), "wrong checksum"
    return Header(2, command, source, destination, tlvs, raw)


def _decode_tlvs(data):
    found, at = {}, 0
    while at < len(data):
        kind, size = data[at], struct.unpack(">H", data[at + 1:at + 3])[0]
        assert kind not in found, f"TLV {kind:#x} twice"
        found[kind] = data[at + 3:at + 3 + size]
        at += 3 + size
    assert at == len(data), "a TLV goes beyond the header"
    return found


def decode_tls(value):
    """The TLS TLV: (flags, verify, {type: bytes})."""
    return value[0], struct.unpack(">I", value[1:5])[0], _decode_tlvs(value[5:])
