# SPDX-License-Identifier: GPL-2.0-or-later
"""ringmain itself: started from INI text, asked through its log, stopped by its pid."""

import itertools
import os
import pathlib
import re
import signal

from kit import logfmt, proc
from kit.wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = pathlib.Path(os.environ.get("RINGMAIN", ROOT / "build/release/ringmain")).resolve()
VARIANT_DIR = BINARY.parent
REPORT = re.compile(r"(ERROR: \w+Sanitizer|runtime error:|(?-i:CHECK) failed|SUMMARY: )", re.I)

PIPE_FDS_KEPT = 2 * 64      # by each worker for the next streams


def to_address(text):
    """What ringmain prints of an address, as a socket address."""
    if text.startswith("unix:"):
        return text[len("unix:"):]
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def usable(address):
    """An address to connect to: the wildcard becomes loopback."""
    if isinstance(address, tuple) and address[0] in ("0.0.0.0", "::"):
        return ("127.0.0.1" if address[0] == "0.0.0.0" else "::1"), address[1]
    return address


class StartError(Exception):
    """It did not come up. Not an AssertionError: no test expects this one."""


class Ringmain:
    """One running (or refused) ringmain. start() is separate so that a test can start it again."""

    def __init__(self, workdir, number=1, binary=None):
        self.dir = pathlib.Path(workdir) / f"ringmain-{number}"
        self.dir.mkdir(mode=0o755)
        self.binary = str(binary or BINARY)
        self.log = self.dir / "log"
        self.process = None
        self.expected_exit = 0
        self.fds_at_start = []

    # Life

    def start(self, config, *, args=(), env=None, prefix=(), wait=True):
        """config: INI text, {file name: text} for a directory, or None to use args alone."""
        argv = [*prefix, self.binary, *self._config_args(config), *args]
        self.log.write_bytes(b"")
        self.process = proc.Process(argv, self.log, name="ringmain",
                                    env={**os.environ, **(env or {})})
        if wait:
            self.wait_ready()
        return self

    def _config_args(self, config):
        if config is None:
            return []
        if isinstance(config, str):
            path = self.dir / "ringmain.ini"
            path.write_text(config, encoding="utf-8")
            return ["-c", str(path)]
        folder = self.dir / "conf.d"
        folder.mkdir(exist_ok=True)
        for name, text in config.items():
            (folder / name).write_text(text, encoding="utf-8")
        return ["-c", str(folder)]

    def check(self, config, *args):
        """Runs it to its end (-t, --dump, ...); gives CompletedProcess."""
        return proc.run([self.binary, *self._config_args(config), *args], check=False)

    def wait_ready(self):
        wait_until(lambda: not self.process.alive() or self.lines(msg="ready"),
                   lambda: f"ringmain to be ready; it says:\n{self.text()}", error=StartError)
        if not self.process.alive():
            raise StartError(f"ringmain exited with {self.process.exit_code()}:\n{self.text()}")
        self.fds_at_start = self.process.fds()

    def stop(self, number=signal.SIGTERM):
        """Stops it and checks that it went well."""
        if self.process is None:
            return None
        code = self.process.stop(number, timeout=20)
        self.check_log()
        assert code == self.expected_exit, f"ringmain exited with {code}:\n{self.text()[-3000:]}"
        return code

    def check_log(self):
        """Every line is a log line, no sanitizer or CHECK spoke. Warnings of -t come before all."""
        report = REPORT.search(self.text())
        assert not report, f"ringmain reports:\n{self.text()[-8000:]}"
        lines = self.raw_lines()
        if lines and re.search(r"(^|: )warning: ", lines[0]):
            lines = itertools.dropwhile(lambda line: logfmt.parse(line) is None, lines)
        for line in lines:
            assert logfmt.parse(line) is not None, f"not a log line: {line!r}"

    def wait_fds_back(self):
        """Everything that sessions opened is closed again, but for the empty pipes that are kept."""
        wait_until(lambda: not self._fds_left(),
                   lambda: "descriptors of sessions to be closed: " + "\n".join(self._fds_left()))

    def _fds_left(self):
        before, left, pipes = list(self.fds_at_start), [], 0
        for target in self.process.fds():
            if target in before:
                before.remove(target)
            elif target.startswith("pipe:"):
                pipes += 1
            elif not target.startswith("anon_inode:"):      # rings, signalfd: not of sessions
                left.append(target)
        if pipes > PIPE_FDS_KEPT * (self.process.threads() - 1):
            left.append(f"{pipes} ends of pipes")
        return left

    # What it says

    def text(self):
        return self.process.text() if self.process else ""

    def raw_lines(self):
        """Whole lines only: the last may still be in the making."""
        return [line for line in self.text().split("\n")[:-1] if line]

    def lines(self, **match):
        """Log lines as dicts, those whose fields equal match."""
        found = (logfmt.parse(line) for line in self.raw_lines())
        return [line for line in found if line and _matches(line, match)]

    def wait_line(self, timeout=10, **match):
        """Waits for a log line; gives the first."""
        return wait_until(lambda: self.lines(**match),
                          lambda: f"a log line {match}; it says:\n{self.text()[-3000:]}",
                          timeout)[0]

    def sessions(self, **match):
        """The lines of sessions that have ended."""
        return self.lines(msg="session", **match)

    def wait_sessions(self, count, timeout=10, **match):
        """Waits until count sessions have ended; gives their lines; more are an error."""
        wait_until(lambda: len(self.sessions(**match)) >= count,
                   lambda: f"{count} session lines {match}; there are "
                           f"{len(self.sessions(**match))}:\n{self.text()[-3000:]}", timeout)
        found = self.sessions(**match)
        assert len(found) == count, f"{len(found)} session lines, not {count}"
        return found

    def addresses(self, listener="in"):
        """Where a listener listens, in the order of its bind lines."""
        found = [to_address(line["addr"]) for line in self.lines(msg="listening", listener=listener)]
        assert found, f"no listener {listener}:\n{self.text()}"
        return [usable(address) for address in found]

    def address(self, listener="in"):
        return self.addresses(listener)[0]

    @property
    def pid(self):
        return self.process.pid


def _matches(line, match):
    return all(line.get(key) == str(value) for key, value in match.items())
