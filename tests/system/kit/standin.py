# SPDX-License-Identifier: GPL-2.0-or-later
"""HAProxy in ringmain's place (RINGMAIN_STANDIN=haproxy), to see the tests fail where they should.

Understands as much of ringmain's configuration as the kit writes, and logs its sessions in
ringmain's words.
"""

import os
import re
import signal

from kit import ini, proc
from kit.ports import free_port
from kit.ringmain import Ringmain, StartError, to_address
from kit.wait import wait_until

LOG_FORMAT = ("level=info msg=session id=%rt listener=%f client=%ci:%cp backend=%s bytes_up=%U bytes_down=%B "
              "connect_ms=%Tc duration_ms=%Tt reason=%ts")
REASONS = {"--": "done", "CD": "client_reset", "SD": "backend_reset", "cD": "idle", "sD": "idle",
           "SC": "connect_refused", "sC": "connect_timeout"}
UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000}


class HAProxy(Ringmain):
    """The same interface, another relay."""

    def __init__(self, workdir, number=1):
        super().__init__(workdir, number, binary=proc.need("haproxy", "haproxy"))
        self._addresses = {}

    def start(self, config, *, args=(), env=None, prefix=(), wait=True):
        path = self.dir / "haproxy.cfg"
        path.write_text(self._translate(config), encoding="utf-8")
        self.log.write_bytes(b"")
        self.process = proc.Process([*prefix, self.binary, "-db", "-f", path], self.log, name="haproxy")
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        for addresses in self._addresses.values():
            for address in addresses:
                wait_until(lambda a=address: self._listens(a) or not self.process.alive(),
                           f"HAProxy on {address}")
        if not self.process.alive():
            raise StartError(f"HAProxy exited with {self.process.exit_code()}:\n{self.text()}")
        self.fds_at_start = self.process.fds()

    def check_log(self):
        pass

    def wait_fds_back(self):
        """It keeps pipes for later."""

    def stop(self, number=signal.SIGTERM):
        return self.process.stop(number)

    def lines(self, **match):
        found = super().lines()
        for line in found:
            line["reason"] = REASONS.get(line.get("reason"), line.get("reason"))
        return [line for line in found
                if all(line.get(key) == str(value) for key, value in match.items())]

    def addresses(self, listener="in"):
        return self._addresses[listener]

    # ringmain's configuration in HAProxy's words

    def _translate(self, config):
        out = ["global", "  log stdout format raw local0 info", "  nbthread 1", "  maxconn 4000",
               "defaults", "  mode tcp", "  log global",
               f"  log-format '{LOG_FORMAT}'", "  retries 3", "  option redispatch 1",
               "  timeout connect 1s", "  timeout client 1h",
               f"  timeout server {_idle_timeout(config)}ms"]
        for kind, name, keys in ini.parse(config):
            if kind == "listener":
                out += self._frontend(name, keys)
            elif kind == "pool":
                out += self._backend(name, keys)
        return "\n".join(out) + "\n"

    def _frontend(self, name, keys):
        out, self._addresses[name] = [f"frontend {name}"], []
        for key, value in keys:
            if key == "bind":
                address = self._with_port(value)
                self._addresses[name].append(address)
                out.append(f"  bind {_haproxy_address(address)}")
            elif key == "pool":
                out.append(f"  default_backend {value}")
            elif key == "idle_timeout":
                out.append(f"  timeout client {milliseconds(value)}ms")
            elif key == "half_close_timeout":
                out.append(f"  timeout client-fin {milliseconds(value)}ms")
            elif key == "relay" and value != "copy":
                out.append("  option splice-auto")
        return out

    def _backend(self, name, keys):
        out = [f"backend {name}", "  balance roundrobin"]
        for key, value in keys:
            if key == "backend":
                server, address, *options = value.split()
                extra = " ".join(option.replace("=", " ").replace("max_sessions", "maxconn")
                                 for option in options)
                out.append(f"  server {server} {_haproxy_address(to_address(address))} {extra}")
            elif key == "connect_timeout":
                out.append(f"  timeout connect {milliseconds(value)}ms")
        return out

    def _listens(self, address):
        """Looks it up without connecting: a knock would be a session."""
        if isinstance(address, str):
            return os.path.exists(address)      # bound under another name, renamed when it listens
        return _in_table(f"/proc/{self.pid}/net/{'tcp6' if ':' in address[0] else 'tcp'}",
                         f":{address[1]:04X} ", " 0A ")

    @staticmethod
    def _with_port(bind):
        address = to_address(bind)
        if isinstance(address, str) or address[1]:
            return address
        return address[0], free_port(address[0])


def _idle_timeout(config):
    """A listener's key with us, a backend's with HAProxy."""
    found = [milliseconds(value) for _, _, keys in ini.parse(config)
             for key, value in keys if key == "idle_timeout"]
    return found[0] if found else 3600000


def milliseconds(text):
    number, unit = re.fullmatch(r"(\d+)([a-z]+)", text).groups()
    return int(number) * UNITS[unit]


def _haproxy_address(address):
    if isinstance(address, str):
        return f"unix@{address}"
    host, port = address
    return f"ipv6@[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _in_table(path, *words):
    with open(path, encoding="ascii", errors="replace") as table:
        return any(all(word in line for word in words) for line in table)
