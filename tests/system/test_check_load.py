# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that compute: a thousand TLS handshakes at a time, and nobody else waits for them."""

import contextlib
import json
import selectors
import signal
import socket
import ssl
import threading

import pytest

from kit import control, tls
from kit.wait import wait_until

pytestmark = [pytest.mark.threads, pytest.mark.haproxy_cannot("its checks are others")]

BACKENDS = 1000


class Wave:
    """A TLS server that answers no client's first message until release(), and then all at once."""

    def __init__(self, certificate):
        self.context = tls.server_context(certificate)
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=BACKENDS)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.held, self.ends = [], []
        self.is_released = self.is_closed = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_closed:
            for key, _ in self.selector.select(0.1):
                key.data(key.fileobj)
            if self.is_released:
                for sock, flight in self.held:
                    with contextlib.suppress(OSError):
                        sock.send(flight)
                self.held = []

    def accept(self, listener):
        sock, _ = listener.accept()
        self.ends.append(sock)
        self.selector.register(sock, selectors.EVENT_READ, self.hear)

    def hear(self, sock):
        """Answers in memory."""
        self.selector.unregister(sock)
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        with contextlib.suppress(OSError):
            heard.write(sock.recv(65536))
            self.context.wrap_bio(heard, said, server_side=True).do_handshake()
        if said.pending:
            self.held.append((sock, said.read()))

    def release(self):
        self.is_released = True

    def close(self):
        self.is_closed = True
        self.thread.join()
        for sock in (*self.ends, self.listener):
            sock.close()


@pytest.fixture
def wave(ringmain, start, pki, workdir):
    """(ringmain, server): all checks wait for the server, and each will say that it is not who was
    asked for."""
    server = start(Wave, pki["elsewhere.pem"])
    backends = [f"127.1.{number // 250}.{number % 250 + 1}:{server.port}" for number in range(BACKENDS)]
    rm = ringmain(backends, settings={"control": f"unix:{workdir}/control"},
                  pool={"check": "tls", "tls": "yes", "tls_ca": pki["ca.crt"], "tls_name": "db.example.com",
                        "check_interval": "1s", "check_timeout": "60s"})
    wait_until(lambda: len(server.held) == BACKENDS, lambda: f"all checks: {len(server.held)}", 60)
    return rm, server


def down(rm):
    return len(rm.lines(msg="backend", change="down"))


@contextlib.contextmanager
def at_once(rm, server):
    """The process is stopped until all answers of the server are there, and what is done inside."""
    rm.process.send_signal(signal.SIGSTOP)
    try:
        server.release()
        wait_until(lambda: not server.held, "all answers to be sent")
        yield
    finally:
        rm.process.send_signal(signal.SIGCONT)


def test_a_signal_is_answered_at_once(wave):
    rm, server = wave
    with at_once(rm, server):
        rm.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not rm.process.alive(), "its end")
    lines = [line for line in rm.lines() if line["msg"] == "draining" or line.get("change") == "down"]
    assert "draining" in [line["msg"] for line in lines[:BACKENDS // 2]]
    assert down(rm) < BACKENDS          # nor does its end wait for them


def test_the_control_socket_answers_at_once(wave, workdir):
    rm, server = wave
    with at_once(rm, server):
        asked = control.raw(f"{workdir}/control", b"status\n")
    with asked, asked.makefile("rb") as answer:
        rows = [json.loads(answer.readline())]
        while rows[-1]["row"] != "end":
            rows.append(json.loads(answer.readline()))
    states = [row["state"] for row in rows if "backend" in row]
    assert len(states) == BACKENDS
    assert states.count("down") < BACKENDS / 2
    wait_until(lambda: down(rm) == BACKENDS, lambda: f"the others: {down(rm)}", 60)
