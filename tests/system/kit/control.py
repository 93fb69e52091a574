# SPDX-License-Identifier: GPL-2.0-or-later
"""ringmainctl for one ringmain."""

import json
import socket
import subprocess

from kit import proc, tcp
from kit.ringmain import VARIANT_DIR
from kit.wait import wait_until

CTL = VARIANT_DIR / "ringmainctl"


class Ctl:
    """Says commands over the control socket at path."""

    def __init__(self, path):
        self.path = str(path)

    def run(self, *words, **options):
        """CompletedProcess, its output as text."""
        return proc.run([str(CTL), "-s", self.path, *words], check=False, **options)

    def say(self, *words):
        """For a command that has to succeed; gives what was printed."""
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def rows(self, *words):
        """The rows of the answer but the last, as dicts."""
        rows = [json.loads(line) for line in self.say("-j", *words).splitlines()]
        assert rows[-1]["row"] == "end"
        return rows[:-1]

    def backend(self, name):
        """The row of a backend in the answer to status."""
        return next(row for row in self.rows("status") if row.get("backend") == name)


class Following:
    """The rows of an answer that goes on, as they come."""

    def __init__(self, ctl, *words):
        self.process = subprocess.Popen([str(CTL), "-s", ctl.path, "-j", *words],
                                        stdout=subprocess.PIPE, text=True)
        self.rows = []
        self.reader = tcp.Task(self._read)

    def _read(self):
        for line in self.process.stdout:
            self.rows.append(json.loads(line))

    def wait(self, **want):
        def found():
            return [row for row in self.rows if want.items() <= row.items()]
        wait_until(found, f"{want} in {self.rows}")
        return found()[0]

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.reader.result(10)


def raw(path, text=b""):
    """A connection to the socket, on which text was said."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    sock.settimeout(10)
    sock.sendall(text)
    return sock
