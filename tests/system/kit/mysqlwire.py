# SPDX-License-Identifier: GPL-2.0-or-later
"""A MySQL 8 server as far as a log-in by caching_sha2_password goes.

Debian has no MySQL. Passwords are judged by hashlib, what was encrypted is read by the openssl
command: nothing of ringmain's own takes part.
"""

import hashlib
import os
import socket
import ssl
import struct

from kit import proc, tcp

CAN_TLS = 1 << 11
CAPABILITIES = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 19
NONCE = b"ABCDEFGHIJKLMNOPQRST"


def fast_proof(password, nonce=NONCE):
    once = hashlib.sha256(password).digest()
    mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    return bytes(a ^ b for a, b in zip(once, mask))


class CachingServer:
    """Serves one client at a time. `cached`: the password was seen before, so a proof will do."""

    def __init__(self, folder, password, *, cached=False, pem=None):
        self.folder, self.password, self.cached, self.pem = str(folder), password.encode(), cached, pem
        self.key = os.path.join(self.folder, "server-key")
        self.openssl = proc.need("openssl", "openssl")
        self._run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key)
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.task = tcp.Task(self._serve)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.task.result()

    def _run(self, *args, **kwargs):
        return proc.run([self.openssl, *args], **kwargs).stdout

    def _serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(tcp.TIMEOUT_S)
            try:
                Talk(self, sock).run()
            except (OSError, EOFError):
                pass
            finally:
                sock.close()

    def public_key(self):
        return self._run("pkey", "-in", self.key, "-pubout").encode()

    def decrypt(self, sealed):
        path = os.path.join(self.folder, "sealed")
        with open(path, "wb") as out:
            out.write(sealed)
        plain = self._run("pkeyutl", "-decrypt", "-inkey", self.key, "-in", path, "-pkeyopt",
                          "rsa_padding_mode:oaep", "-out", path + ".plain")
        assert plain == ""
        with open(path + ".plain", "rb") as plain:
            masked = plain.read()
        return bytes(byte ^ NONCE[i % len(NONCE)] for i, byte in enumerate(masked))


class Talk:
    def __init__(self, server, sock):
        self.server, self.sock, self.number = server, sock, 0

    def send(self, payload):
        self.sock.sendall(struct.pack("<I", len(payload))[:3] + bytes([self.number]) + payload)
        self.number += 1

    def receive(self):
        head = self._exactly(4)
        assert head[3] == self.number, (head[3], self.number)
        self.number += 1
        return self._exactly(int.from_bytes(head[:3], "little"))

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def run(self):
        server = self.server
        can = CAPABILITIES | (CAN_TLS if server.pem else 0)
        self.send(b"\x0a8.0.40\0" + struct.pack("<I", 7) + NONCE[:8] + b"\0" + struct.pack("<H", can & 0xffff)
                  + b"\xff" + struct.pack("<HHB", 2, can >> 16, 21) + bytes(10) + NONCE[8:] + b"\0"
                  + b"caching_sha2_password\0")
        login = self.receive()
        if struct.unpack("<I", login[:4])[0] & CAN_TLS:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(server.pem)
            self.sock = context.wrap_socket(self.sock, server_side=True)
            login = self.receive()
        if not self._is_known(login[32:]):
            self.send(b"\xff\x15\x04#28000Access denied")
            return
        self.send(b"\0\0\0\x02\0\0\0")
        self._answer()

    def _is_known(self, login):
        user, rest = login.split(b"\0", 1)
        proof = rest[1:1 + rest[0]]
        self.server.seen.append((user.decode(), proof == fast_proof(self.server.password)))
        if not self.server.seen[-1][1] and self.server.cached:
            return False
        if self.server.cached:
            self.send(b"\x01\x03")
            return True
        self.send(b"\x01\x04")
        return self._whole_password() == self.server.password + b"\0"

    def _whole_password(self):
        answer = self.receive()
        if isinstance(self.sock, ssl.SSLSocket):
            return answer
        assert answer == b"\x02", answer
        self.send(b"\x01" + self.server.public_key())
        return self.server.decrypt(self.receive())

    def _answer(self):
        """Questions, until it quits."""
        while True:
            self.number = 0
            question = self.receive()
            if question == b"\x01":
                self.server.seen.append("quit")
                return
            if b"VARIABLES" in question:
                self._rows(("Variable_name", "Value"), (("read_only", "ON"), ("super_read_only", "ON")))
            elif b"REPLICA STATUS" in question:
                self._rows(("Source_Host", "Replica_IO_Running", "Replica_SQL_Running",
                            "Seconds_Behind_Source"), (("10.0.0.1", "Yes", "Yes", "17"),))
            else:
                self.send(b"\xff\x28\x04#42000You have an error in your SQL syntax")

    def _rows(self, names, rows):
        def text(value):
            return bytes([len(value)]) + value.encode()
        self.send(bytes([len(names)]))
        for name in names:
            self.send(text("def") + text("") * 3 + text(name) * 2 + b"\x0c\x21\0\0\1\0\0\xfd\0\0\0\0\0")
        self.send(b"\xfe\0\0\2\0")
        for row in rows:
            self.send(b"".join(map(text, row)))
        self.send(b"\xfe\0\0\2\0")
