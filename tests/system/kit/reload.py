# SPDX-License-Identifier: GPL-2.0-or-later
"""A ringmain that gets other configurations while it runs, and what goes with it."""

import os
from contextlib import closing

from kit import backend as servers
from kit import tcp, tls
from kit.control import Ctl
from kit.wait import wait_until


class Reloaded:
    """A running ringmain, its file, and who gives it another one."""

    def __init__(self, rm, path):
        self.rm = rm
        self.file = rm.dir / "ringmain.ini"
        self.ctl = Ctl(path)
        self.text = self.file.read_text(encoding="utf-8")

    def write(self, text):
        self.text = text
        self.file.write_text(text, encoding="utf-8")

    def change(self, before, after):
        assert before in self.text
        self.write(self.text.replace(before, after))

    def add(self, text):
        self.write(self.text + text)

    def plan(self):
        return [row["plan"] for row in self.ctl.rows("plan")]

    def reload(self, *words):
        """Gives the plan's lines."""
        return [row["plan"] for row in self.ctl.rows("reload", *words)]

    def fails(self, *words):
        """Gives what was said."""
        done = self.ctl.run("reload", *words)
        assert done.returncode == 1
        assert "nothing has changed" in done.stderr
        return done.stdout

    def address(self, listener, n=0):
        """The log may be a moment late."""
        self.rm.wait_line(msg="listening", listener=listener)
        return self.rm.addresses(listener)[n]

    def settle(self):
        """The sockets that listen now stay to the end."""
        wait_until(lambda: self.row("process", None)["sessions"] == 0, "sessions to end")
        self.rm.fds_at_start += [fd for fd in self.rm.process.fds() if fd not in self.rm.fds_at_start]

    def row(self, kind, name):
        return next((row for row in self.ctl.rows("status")
                     if row["row"] == kind and row.get(kind) == name), None)


def named(backend, text):
    return backend(servers.name(text.encode()))


def who(address):
    """Which server answers."""
    with tcp.connect(address) as client:
        return tcp.read_to_end(client)[0].decode()


class Certified:
    """A file with a chain and a key, which may change."""

    def __init__(self, workdir, pki):
        self.path = os.path.join(workdir, "server.pem")
        self.pki = pki

    def put(self, name):
        """As one does it: beside, and then in its place."""
        with open(self.path + ".new", "wb") as to:
            os.fchmod(to.fileno(), 0o600)
            with open(self.pki[f"{name}.pem"], "rb") as source:
                to.write(source.read())
        os.rename(self.path + ".new", self.path)

    def cut(self):
        os.truncate(self.path, os.path.getsize(self.path) // 2)

    def serial(self, address):
        """Of the certificate that a client sees."""
        with closing(tls.connect(address, tls.client_context(self.pki))) as client:
            tcp.exchange(client, b"x")
            return client.peer_der()
